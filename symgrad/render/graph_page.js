(() => {
  const $ = name => document.getElementById(name);
  const data = JSON.parse($("data").textContent), stage = $("stage"), camera = panZoom(stage);
  const cards = new Map([...$("cards").content.children].map(card => [card.dataset.id, card]));
  const pictures = [], last = data.states[0].moments.length, most = 2000, few = 150;
  let state = 0, now, picked = null, step = 0, hits = [], hit = -1, playing = 0;

  const say = text => { $("said").textContent = text; };
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const many = (count, one, more) => `${count} ${count === 1 ? one : more}`;

  // ---- the pictures, one for each set of closed groups

  function grounds(parts, style, by) {               // a rectangle behind each; all are measured before anything changes
    const sizes = parts.map(part => part.getBBox());
    parts.forEach((part, k) => {
      const ground = document.createElementNS(part.namespaceURI, "rect"), {x, y, width, height} = sizes[k];
      const sides = {x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by, rx: by + 3, class: style};
      for (const [name, value] of Object.entries(sides)) ground.setAttribute(name, value);
      part.closest(".box, .small, .label").prepend(ground);
    });
  }

  const rings = boxes => grounds(boxes.filter(box => !box.querySelector(".ring")).map(box => box.querySelector(".form")), "ring", 5);

  function button(part, label) {
    part.setAttribute("role", "button");
    part.setAttribute("tabindex", "0");
    part.setAttribute("aria-label", label);
  }

  function made(number) {
    const svg = number ? document.importNode($("pictures").content.children[number - 1], true) : stage.querySelector("svg[role]");
    const {width, height} = svg.viewBox.baseVal;
    if (number) stage.append(svg);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", document.title);
    const found = {svg, width, height, boxes: [...svg.querySelectorAll(".box")], frames: [...svg.querySelectorAll(".group")]};
    found.lines = data.states[number].arrows.map((_, k) => $(`s${number}-a${k}`));
    svg.classList.toggle("few", found.boxes.length <= few);
    found.boxes.forEach(box => button(box, (box.classList.contains("fold") ? "Unfold " : "") + box.querySelector("title").textContent));
    const labels = found.frames.filter(frame => frame.querySelector(".small") && data.groups.includes(outer(frame))).map(frame => {
      const label = frame.querySelector(".small");
      label.classList.add("fold-label");
      button(label, `Fold ${outer(frame)}`);
      return label;
    });
    const thin = found.lines.length <= most ? found.lines : [];
    thin.forEach(line => {                           // a line is too thin to be pointed at
      const reach = line.querySelector(".line").cloneNode();
      reach.setAttribute("class", "reach");
      line.prepend(reach);
    });
    grounds([...labels, ...thin.map(line => line.querySelector(".label")).filter(Boolean)], "grip", 3);
    svg.querySelectorAll("title").forEach(title => title.remove());                  // the panel tells what they say
    return found;
  }

  function turn(number, group = "") {
    const held = stage.contains(document.activeElement);
    if (now) now.svg.style.display = "none";
    state = number;
    now = pictures[number] ??= made(number);
    now.svg.style.display = "";
    const place = now.boxes.find(box => box.dataset.id === `fold:${group}`) ?? now.frames.find(frame => outer(frame) === group);
    camera.show(now.svg, now.width, now.height, now.boxes.length < 4 * few, place);
    if (held) (place?.querySelector(".fold-label") ?? place?.closest(".box") ?? now.boxes[0]).focus();
    seek();
    pick(null);
    for (const chip of document.querySelectorAll(".chip")) {
      chip.setAttribute("aria-expanded", String(!closed().includes(chip.dataset.group)));
      chip.disabled = toggled(chip.dataset.group) < 0;
    }
    for (const [name, wanted] of [["foldall", data.groups], ["unfoldall", []]]) if ($(name)) $(name).disabled = nearest(wanted) === state;
  }

  // ---- folding

  const closed = () => data.states[state].closed;
  const outer = frame => data.outer[frame.dataset.group] ?? frame.dataset.group;

  function nearest(wanted, allowed = () => true) {   // the number of the state that differs least from the wanted groups, -1 if none is allowed
    const differences = data.states.map(other => allowed(other.closed)
      ? data.groups.filter(name => wanted.includes(name) !== other.closed.includes(name)).length : Infinity);
    const least = Math.min(...differences);
    return least < Infinity ? differences.indexOf(least) : -1;
  }

  function toggled(group) {
    const open = closed().includes(group);
    return nearest(open ? closed().filter(name => name !== group) : [...closed(), group], others => others.includes(group) !== open);
  }

  function fold(group) {
    const number = data.groups.includes(group) ? toggled(group) : -1;
    if (number < 0) return;
    turn(number, group);
    say(`${group} is ${closed().includes(group) ? "folded" : "unfolded"}`);
  }

  // ---- what is lit

  function paths(from) {                             // boxes before and after it, and the arrows on the way, those too that lead back along them
    const {arrows} = data.states[state], forward = now.lines.map(line => line.classList.contains("forward"));
    const along = arrows.some(([tail, head], k) => forward[k] && (tail === from || head === from)) ? forward : arrows.map(() => true);
    const walk = side => {
      const next = now.boxes.map(() => []), seen = new Set([from]);
      arrows.forEach((ends, k) => { if (along[k]) next[ends[side]].push(ends[1 - side]); });
      for (const box of seen) next[box].forEach(other => seen.add(other));           // a set goes on to what is added to it
      return seen;
    };
    const after = walk(0), before = walk(1), on = (tail, head) => (before.has(tail) && before.has(head)) || (after.has(tail) && after.has(head));
    return {before, after, lines: arrows.map(([tail, head], k) => along[k] ? on(tail, head) : on(head, tail))};
  }

  function paint() {
    const {moments} = data.states[state], past = moments.slice(0, Math.max(0, step - 1));
    const [boxes, lines, reads] = (moments[step - 1] ?? [[], [], []]).map(part => new Set(part));
    const [done, passed] = [0, 1].map(part => new Set(past.flatMap(moment => moment[part])));
    const light = picked === null ? null : paths(picked), found = new Set(hits);
    const mark = (part, marks) => Object.entries(marks).forEach(([name, on]) => part.classList.toggle(name, Boolean(on)));
    mark(now.svg, {tracing: light, stepping: step, searching: hits.length});
    now.boxes.forEach((box, k) => mark(box, {
      lit: light && (light.before.has(k) || light.after.has(k)), picked: k === picked, now: boxes.has(k), read: reads.has(k),
      done: done.has(k), hit: found.has(k), current: hits[hit] === k}));
    now.lines.forEach((line, k) => mark(line, {lit: light?.lines[k], now: lines.has(k), done: passed.has(k)}));
    rings([...new Set([...boxes, ...reads, ...hits, ...light ? [picked] : []])].map(k => now.boxes[k]));
    $("paths").textContent = light
      ? `${many(light.before.size - 1, "value leads", "values lead")} to it, ${many(light.after.size - 1, "follows", "follow")} from it.` : "";
  }

  function pick(number) {
    picked = number;
    if (number === null) tell();
    else about(now.boxes[number]);
    paint();
    say($("paths").textContent);
  }

  // ---- what is told

  function copyable(card) {
    for (const part of card.querySelectorAll("[data-tex]")) {
      const copier = Object.assign(document.createElement("button"), {type: "button", className: "copy", textContent: "copy LaTeX"});
      copier.addEventListener("click", () => copy(part.dataset.tex, copier));
      part.after(copier);
    }
    return card;
  }

  async function copy(tex, copier) {
    let copied = true;
    try {
      await navigator.clipboard.writeText(tex);
    } catch {                                        // a page from a file may have no clipboard
      const field = Object.assign(document.createElement("textarea"), {value: tex, className: "unseen"});
      document.body.append(field);
      field.select();
      copied = document.execCommand("copy");
      field.remove();
      copier.focus();
    }
    copier.textContent = copied ? "copied" : "not allowed here";
    say(copied ? "LaTeX copied" : "Copying is not allowed here");
    setTimeout(() => { copier.textContent = "copy LaTeX"; }, 1500);
  }

  function tell(card, title, ...kinds) {             // without a card: how the page is used
    const shown = card ? copyable(document.importNode(card, true)) : null;
    if (title) shown.prepend(Object.assign(document.createElement("h2"), {textContent: title}));
    shown?.prepend(...kinds.map(kind => document.importNode($("kinds").content.querySelector(`[data-kind="${kind}"]`), true)));
    $("card").replaceChildren(...shown ? [shown] : []);
    $("hint").hidden = Boolean(shown);
    $("panel").scrollTop = 0;
  }

  function about(part) {
    const of = box => cards.get(box.dataset.id);
    if (part.matches(".box")) tell(of(part), "", of(part).dataset.kind, ..."kept" in of(part).dataset ? ["kept"] : []);
    else {
      const [tail, head, card] = data.states[state].arrows[now.lines.indexOf(part)];
      tell($("arrows").content.children[card], `${of(now.boxes[tail]).dataset.name} → ${of(now.boxes[head]).dataset.name}`, part.classList[1]);
    }
  }

  let seen = [];                                     // where the pointer was: a picture that moves below it is not pointed at
  stage.addEventListener("pointerover", ({target, clientX, clientY}) => {
    const part = target.closest(".box, .arrow");
    if (part && picked === null && !camera.moving() && (clientX !== seen[0] || clientY !== seen[1])) about(part);
  });
  stage.addEventListener("pointermove", ({clientX, clientY}) => { seen = [clientX, clientY]; });
  stage.addEventListener("focusin", ({target}) => {
    if (target.matches(".box")) rings([target]);
    if (!target.matches(":focus-visible")) return;
    camera.reveal(target);
    if (target.matches(".box") && picked === null) about(target);
  });

  function press(part) {
    const box = part.closest(".box"), label = part.closest(".fold-label");
    if (box?.matches(".fold")) fold(box.dataset.id.slice("fold:".length));
    else if (label) fold(outer(label.closest(".group")));
    else pick(box ? now.boxes.indexOf(box) : null);
  }
  stage.addEventListener("click", event => { if (!camera.moved() && event.detail < 2) press(event.target); });
  stage.addEventListener("dblclick", event => {
    const group = document.elementsFromPoint(event.clientX, event.clientY).map(part => part.closest(".group")).find(Boolean);
    if (group && !camera.moved()) fold(outer(group));
  });

  // ---- search

  function seek() {
    const words = plain($("query").value.trim());
    hits = words ? now.boxes.flatMap((box, k) => plain(cards.get(box.dataset.id).dataset.words).includes(words) ? [k] : []) : [];
    hit = -1;
    $("found").textContent = !words ? "" : hits.length ? `${hits.length} found` : "nothing found";
  }

  function jump(by) {
    if (!hits.length) return;
    hit = (Math.max(hit, by < 0 ? 0 : -1) + by + hits.length) % hits.length;
    $("found").textContent = `${hit + 1} of ${hits.length}`;
    if (picked === null) about(now.boxes[hits[hit]]);
    camera.centre(now.boxes[hits[hit]], 0.9);
    paint();
  }

  $("query").addEventListener("input", () => { seek(); paint(); });
  $("query").addEventListener("keydown", event => { if (event.key === "Enter") jump(event.shiftKey ? -1 : 1); });

  // ---- step by step

  function go(number) {
    step = Math.min(last, Math.max(0, number));
    const card = $("moments").content.children[step - 1], first = data.states[state].moments[step - 1]?.[0][0];
    $("step").value = step;
    $("step").setAttribute("aria-valuetext", card ? `${step} of ${last}: ${card.dataset.words}` : "everything");
    $("count").textContent = `${step} / ${last}`;
    $("moment").replaceChildren(...card ? [copyable(document.importNode(card, true))] : []);
    $("back").disabled = step === 0;
    $("on").disabled = step === last;
    say(card ? `Step ${step} of ${last}: ${card.dataset.words}` : "");
    paint();
    if (first !== undefined) camera.reveal(now.boxes[first]);
  }

  function play(on) {
    clearInterval(playing);
    playing = on ? setInterval(() => { go(step + 1); if (step === last) play(false); }, 1600) : 0;
    $("play").classList.toggle("playing", on);
    for (const name of ["title", "ariaLabel"]) $("play")[name] = on ? "Pause" : "Play";
  }

  function move(number) {
    play(false);
    go(number);
  }

  if (last) {
    $("step").addEventListener("input", () => move(Number($("step").value)));
    $("back").addEventListener("click", () => move(step - 1));
    $("on").addEventListener("click", () => move(step + 1));
    $("play").addEventListener("click", () => {
      const on = !playing;
      if (on) go(step === last ? 0 : step + 1);
      play(on);
    });
  } else document.querySelectorAll(".stepkeys").forEach(part => part.remove());

  // ---- keys and buttons

  const steps = {ArrowLeft: () => step - 1, ArrowRight: () => step + 1, Home: () => 0, End: () => last};
  document.addEventListener("keydown", event => {
    const {key, target} = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape") {
      $("query").value = "";
      document.activeElement.blur();
      seek();
      pick(null);
    } else if (target === $("query")) return;
    else if ((key === "Enter" || key === " ") && target.closest(".box, .fold-label")) press(target);
    else if (key === "/") $("query").select();
    else if (key === "+" || key === "=") camera.zoom(1.25);
    else if (key === "-") camera.zoom(0.8);
    else if (key === "0") camera.fit();
    else if (last && steps[key]) move(steps[key]());
    else return;
    event.preventDefault();
  });
  $("in").addEventListener("click", () => camera.zoom(1.25));
  $("out").addEventListener("click", () => camera.zoom(0.8));
  $("fit").addEventListener("click", () => camera.fit());
  $("foldall")?.addEventListener("click", () => turn(nearest(data.groups)));
  $("unfoldall")?.addEventListener("click", () => turn(nearest([])));
  document.querySelectorAll(".chip").forEach(chip => chip.addEventListener("click", () => fold(chip.dataset.group)));

  for (const name of ["folds", "search", "zoom", "panel", "steps"]) $(name)?.removeAttribute("hidden");
  document.documentElement.classList.add("live");
  turn(0);
  if (last) go(0);
})();
