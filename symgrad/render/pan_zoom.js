"use strict";
/* Moves a picture on a stage by its viewBox: drag, wheel, two fingers. `view` is the upper left corner of what is seen, and the pixels a unit takes. */
const panZoom = stage => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)"), fingers = new Map();
  const legible = 0.45, below = 44;                  // the scale from which on letters can be read; the room of the buttons
  let svg, width, height, swift, view, keep = begin, paper = false, frame = 0, moved = 0;

  const draw = () => svg.setAttribute("viewBox", paper ? `0 0 ${width} ${height}`
    : `${view.x} ${view.y} ${stage.clientWidth / view.scale} ${stage.clientHeight / view.scale}`);
  const around = (x, y, scale) => ({x: x - stage.clientWidth / scale / 2, y: y - stage.clientHeight / scale / 2, scale});
  const across = () => [stage.clientWidth / width, (stage.clientHeight - below) / height];

  function whole() {
    const scale = Math.min(...across(), 1.7);
    return around(width / 2, height / 2 + below / 2 / scale, scale);
  }

  function begin() {                                 // all of it, or the first part of what is too long to be read all at once
    const scale = Math.min(Math.max(...across()), 1), all = whole();
    if (all.scale >= legible || scale < legible) return all;
    const [x, y] = [stage.clientWidth / scale, (stage.clientHeight - below) / scale];
    return {x: Math.min(0, (width - x) / 2), y: Math.min(0, (height - y) / 2), scale};
  }

  function glide(to, slowly) {
    cancelAnimationFrame(frame);
    const from = view, since = performance.now(), wide = stage.clientWidth / 2, high = stage.clientHeight / 2;
    if (!slowly || !from || !swift || calm.matches) { view = to; draw(); return; }
    const tick = time => {
      const t = Math.min(1, Math.max(0, (time - since) / 240)), part = t * t * (3 - 2 * t), mix = (a, b) => a + (b - a) * part;
      view = t === 1 ? to : around(mix(from.x + wide / from.scale, to.x + wide / to.scale), mix(from.y + high / from.scale, to.y + high / to.scale),
        from.scale * (to.scale / from.scale) ** part);
      draw();
      if (t < 1) frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
  }

  function fit() {
    keep = whole;
    glide(whole(), true);
  }

  function see(to) {
    keep = null;
    cancelAnimationFrame(frame);
    view = to;
    draw();
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const scale = Math.min(8, Math.max(whole().scale / 2, view.scale * factor));
    see({x: view.x + x / view.scale - x / scale, y: view.y + y / view.scale - y / scale, scale});
  }

  function centre(part, least = 0, slowly = true) {
    const box = part.getBoundingClientRect(), ground = stage.getBoundingClientRect();
    keep = null;
    glide(around(view.x + (box.x + box.width / 2 - ground.x) / view.scale, view.y + (box.y + box.height / 2 - ground.y) / view.scale,
      Math.max(view.scale, least)), slowly);
  }

  function reveal(part) {
    const box = part.getBoundingClientRect(), ground = stage.getBoundingClientRect();
    if (box.left < ground.left || box.right > ground.right || box.top < ground.top || box.bottom > ground.bottom) centre(part);
  }

  stage.addEventListener("pointerdown", event => {
    if (event.button) return;
    if (!fingers.size) moved = 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  stage.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId), after = [event.clientX, event.clientY];
    if (!before) return;
    if (!event.buttons) { fingers.delete(event.pointerId); return; }
    const [x, y] = [after[0] - before[0], after[1] - before[1]], other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (moved < 5 && (moved = Math.max(moved, Math.hypot(x, y))) < 5) return;        // a hand is never quite still: that is a click
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("moving");
    fingers.set(event.pointerId, after);
    const share = other ? 2 : 1;                     // of two fingers each moves the middle by half
    see({...view, x: view.x - x / share / view.scale, y: view.y - y / share / view.scale});
    if (!other) return;
    const ground = stage.getBoundingClientRect(), apart = a => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
    zoom(apart(after) / apart(before), (after[0] + other[0]) / 2 - ground.left, (after[1] + other[1]) / 2 - ground.top);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, event => {
    fingers.delete(event.pointerId);
    if (!fingers.size) stage.classList.remove("moving");
  });
  stage.addEventListener("wheel", event => {
    event.preventDefault();
    const ground = stage.getBoundingClientRect(), by = event.deltaY * (event.deltaMode ? 30 : 1) * (event.ctrlKey ? 0.01 : 0.0015);
    zoom(Math.exp(-by), event.clientX - ground.left, event.clientY - ground.top);
  }, {passive: false});
  new ResizeObserver(() => { if (keep) view = keep(); draw(); }).observe(stage);
  for (const [name, printed] of [["beforeprint", true], ["afterprint", false]]) addEventListener(name, () => { paper = printed; draw(); });

  return {
    fit, zoom, centre, reveal,
    moving: () => fingers.size > 0,
    moved: () => moved >= 5,
    show(other, wide, high, quick, part) {           // another picture: all of it, or that part in the middle where the reader had moved
      [svg, width, height, swift] = [other, wide, high, quick];
      cancelAnimationFrame(frame);
      view = keep?.() ?? view;
      draw();
      if (part && (!keep || (keep === begin && whole().scale < legible))) centre(part, 0, false);
    }};
};
