"""Layouts: nothing overlaps, nothing is cut, and whatever engine is missing, broken or slow, there is a picture."""
from __future__ import annotations

import json
import re
import stat
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from diagrams import ALL, chain, layers, network, plan, residual, scatter, schedule, square, wild
from svg_flaws import flaws_of

from symgrad.errors import InputError
from symgrad.render import engines
from symgrad.render.curves import samples
from symgrad.render.figure import PAGE, Figure, figure
from symgrad.render.geometry import Edge, Layout, Point, Rect, Size, Sketch
from symgrad.render.layered import place_in_layers
from symgrad.render.svg import to_svg

GOLDEN = Path(__file__).parent / "golden" / "network_layout.json"
SKETCH = Sketch((Size(40, 30), Size(60, 30)), (Edge(0, 1, Size(20, 10)),))


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMGRAD_ENGINE", raising=False)


@pytest.fixture(params=[name for name in engines.ENGINES if name != "wasi"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every engine on this machine in turn; wasi, which needs seconds to start, has a test of its own."""
    return chosen(request.param, monkeypatch)


def chosen(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine made the only one; the test is skipped where it does not work."""
    if name != "python" and engines._command(name) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("SYMGRAD_ENGINE", name)
    try:
        engines.place(SKETCH)
    except InputError as problem:
        pytest.skip(str(problem))
    return name


def flaws(drawn: Figure) -> list[str]:
    """What is wrong with a figure: overlaps, things cut, labels outside their room, lines through boxes or their own labels."""
    layout = drawn.layout
    found = [f"{one} overlaps {other}" for one, other in layout.collisions()]
    whole = Rect(0, 0, *layout.size)
    rooms = [route.room for route in drawn.routes if route.room]
    found += [f"labels {one} and {other} overlap" for k, one in enumerate(rooms) for other in rooms[:k] if one.meets(other)]
    found += [f"label {room} over a box" for room in rooms for box in layout.boxes if room.meets(box)]
    for face, rect in zip(drawn.faces, layout.boxes, strict=True):
        if face.name.size.width > rect.size.width or face.name.size.height > rect.size.height:
            found.append(f"{face.box.id} is bigger than its box")
    for route in drawn.routes:
        points = list(samples(route.curve, 12))
        ends = [face.box.id for face in drawn.faces]
        tail, head = layout.boxes[ends.index(route.arrow.tail)], layout.boxes[ends.index(route.arrow.head)]
        held = [tail, *(line.rect for line in drawn.lifelines)]  # a value over time is read from where it is held
        if not (any(place.grown(2).holds(_dot(points[0])) for place in held) and head.grown(2).holds(_dot(points[-1]))):
            found.append(f"arrow {route.number} does not reach its boxes")
        if not all(whole.grown(4).holds(_dot(point)) for point in points):
            found.append(f"arrow {route.number} leaves the picture")
        if route.room and any(route.room.grown(-1).holds(_dot(point)) for point in points):
            found.append(f"arrow {route.number} runs through its label")
    return found


def time_flaws(drawn: Figure) -> list[str]:
    """What is wrong with a picture over time: lifelines through boxes or notes, arrows through boxes of others, steps out of order."""
    layout = drawn.layout
    notes = [Rect(corner.x, corner.y, corner.x + note.size.width, corner.y + note.size.height) for note, corner in drawn.notes]
    whole = Rect(0, 0, *layout.size)
    found = [f"{room} leaves the picture" for room in [*notes, *(line.rect for line in drawn.lifelines)] if not whole.holds(room)]
    found += [f"notes {one} and {other} overlap" for k, one in enumerate(notes) for other in notes[:k] if one.meets(other)]
    for room in (*layout.boxes, *notes):
        found += [f"the lifeline {line.rect} runs over {room}" for line in drawn.lifelines if line.rect.meets(room)]
        found += [f"the arrow {route.number} runs over {room}" for route in drawn.routes for point in samples(route.curve, 12) if room.grown(-1).holds(_dot(point))]
    found += [f"the lifeline {line.rect} ends above where it begins" for line in drawn.lifelines if line.rect.bottom <= line.rect.top]
    straight = [route.curve[-1] for route in drawn.routes if len(route.curve) == 4]
    found += [f"two arrows end at {one}" for k, one in enumerate(straight) for other in straight[:k] if abs(one.x - other.x) + abs(one.y - other.y) < 2]
    found += [f"note {note} over a box" for note in notes for box in layout.boxes if note.meets(box)]
    steps = sorted((face.box.span[0], rect.centre.y) for face, rect in zip(drawn.faces, layout.boxes, strict=True))
    found += [f"the step {after[0]} is not below the step {before[0]}" for before, after in pairwise(steps) if (before[0] < after[0]) != (before[1] < after[1] - 1)]
    return found


def _dot(point: tuple[float, float]) -> Rect:
    return Rect(*point, *point)


@pytest.mark.parametrize("name", ALL)
def test_nothing_overlaps(engine: str, name: str) -> None:
    drawn = figure(ALL[name])
    assert drawn.layout.engine == ("time" if drawn.lifelines else engine)
    assert not flaws(drawn)
    assert all(frame is None or frame.outline.holds(frame.label) for frame in drawn.layout.frames)


@pytest.mark.parametrize("name", ["network", "wild"])
def test_nothing_overlaps_without_html_labels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen("wasi", monkeypatch)
    drawn = figure(ALL[name])
    assert drawn.layout.engine == "wasi" and not flaws(drawn)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_overlaps_or_is_cut_in_the_finished_picture(seed: int) -> None:
    """Title, legend, boxes, texts, arrows and notes, measured on the outlines in the SVG."""
    assert not flaws_of(to_svg(scatter(seed)))


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_cut_in_a_finished_picture(name: str) -> None:
    assert not flaws_of(to_svg(ALL[name]))


@pytest.mark.parametrize(("what", "into", "flaw"), [
    (r'width="([\d.]+)" height="([\d.]+)" viewBox="0 0 [\d.]+', r'width="\1" height="\2" viewBox="0 0 200', "sticks out of the page"),
    (r'(class="ink title" transform="translate\([\d.]+) [\d.]+', r"\1 -9", "sticks out of the page"),
    (r'(class="label" transform="translate\()[-\d.]+ [-\d.]+', r"\g<1>80 80", "overlaps"),
    (r'(data-id="h1".*?class="form" )x="[-\d.]+" y="[-\d.]+"', r'\1x="900" y="10"', "sticks out of the page"),
    (r'(data-id="h1".*?class="form" )x="[-\d.]+" y="[-\d.]+" width="[-\d.]+"', r'\1x="90" y="10" width="20"', "sticks out of its box"),
    (r'(class="arrow forward".*?<path class="line" d="M)[-\d.]+', r"\g<1>-77", "sticks out of the page"),
    (r'(class="legend">.*?class="small" transform="translate\()[-\d.]+', r"\g<1>-9", "sticks out of the page"),
])
def test_the_measure_of_finished_pictures_finds_flaws(what: str, into: str, flaw: str) -> None:
    svg = to_svg(network())
    wrong = re.sub(what, into, svg, count=1, flags=re.DOTALL)
    assert wrong != svg and any(re.search(flaw, found) for found in flaws_of(wrong))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 48))
def test_nothing_overlaps_in_random_graphs(engine: str, seed: int) -> None:
    assert not flaws(figure(scatter(seed)))


@pytest.mark.parametrize("seed", range(30))
def test_nothing_overlaps_in_pictures_over_time(seed: int) -> None:
    assert not time_flaws(figure(plan(seed))) and not flaws(figure(plan(seed)))
    assert not flaws_of(to_svg(plan(seed)))


def test_the_checker_of_pictures_over_time_finds_flaws() -> None:
    good = figure(schedule())
    assert not time_flaws(good) and not flaws(good)
    boxes, line = list(good.layout.boxes), good.lifelines[0]
    swapped = replace(good.layout, boxes=(boxes[1], boxes[0], *boxes[2:]))
    through = replace(line, rect=line.rect._replace(left=boxes[2].centre.x, right=boxes[2].centre.x + 3))
    note, corner = good.notes[0]
    over = replace(good, notes=((note, Point(boxes[0].left, corner.y)), *good.notes[1:]))
    for wrong in (replace(good, layout=swapped), replace(good, lifelines=(through,)), over, replace(good, notes=(good.notes[0], (good.notes[1][0], corner))),
                  replace(good, routes=(replace(good.routes[0], curve=(Point(0, 0), Point(0, 0), boxes[4].centre, boxes[4].centre)),)),
                  replace(good, lifelines=(replace(line, rect=line.rect._replace(bottom=5000)),)), replace(good, routes=(good.routes[0], good.routes[0])),
                  replace(good, lifelines=(replace(line, rect=line.rect._replace(bottom=line.rect.top - 1)),))):
        assert time_flaws(wrong)


def test_the_checker_finds_flaws() -> None:
    good = figure(network()).layout
    boxes = list(good.boxes)
    boxes[1] = boxes[2]
    broken = Layout("x", good.size, tuple(boxes), good.curves, good.labels, good.frames)
    assert next(broken.collisions(), None)
    assert next(Layout("x", Size(50, 50), good.boxes, good.curves, good.labels).collisions(), None)


def test_own_layout_runs_lines_around_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAD_ENGINE", "python")
    for diagram in ALL.values():
        layout = figure(diagram).layout
        inner = [box.grown(-1) for box in layout.boxes]
        assert not any(box.holds(_dot(point)) for curve in layout.curves for point in samples(curve, 12) for box in inner)


def test_own_layout_frames_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAD_ENGINE", "python")
    assert all(figure(network()).layout.frames) and all(figure(residual()).layout.frames)
    assert None in figure(wild()).layout.frames or len(figure(wild()).layout.frames) == 1


def test_parallel_arrows_lie_beside_each_other(engine: str) -> None:
    routes = figure(square()).routes
    assert len(routes) == 4
    middles = [sorted(samples(route.curve))[len(list(samples(route.curve))) // 2] for route in routes]
    assert all(abs(one.x - other.x) + abs(one.y - other.y) > 3 for k, one in enumerate(middles) for other in middles[:k])


def test_forward_and_backward_share_their_way(engine: str) -> None:
    drawn = figure(network())
    arrows = {(route.arrow.tail, route.arrow.head): route for route in drawn.routes}
    for (tail, head), back in arrows.items():
        if back.arrow.kind == "backward":
            there, here = list(samples(arrows[head, tail].curve)), list(samples(back.curve))[::-1]
            gaps = [((a.x - b.x) ** 2 + (a.y - b.y) ** 2) ** 0.5 for a, b in zip(there, here, strict=True)]
            assert max(gaps) < 25 and sorted(gaps)[len(gaps) // 2] == pytest.approx(6.8, abs=1.5)


@pytest.mark.parametrize("hidden", [(), ("pure",), ("pure", "dot"), ("pure", "dot", "wasi")])
def test_each_engine_hidden_in_turn(hidden: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = engines._command
    monkeypatch.setattr(engines, "_command", lambda name: None if name in hidden else lookup(name))
    drawn = figure(network())
    assert drawn.layout.engine not in hidden and not flaws(drawn)
    assert to_svg(network()).count('data-id="') == len(network().boxes)


@pytest.mark.parametrize(("body", "reason"), [
    ("exit 1", "status 1"), ("exit 0", "status 0"), ("echo garbage", "cannot be read"), ("echo '{}'", "KeyError"),
    ("""echo '{"bb": "0,0,nan,1", "objects": []}'""", "no finite numbers"), ("echo '[1, 2]'", "TypeError"), ("sleep 30", "timed out"),
])
def test_a_broken_engine_is_passed_over(body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "engine"
    fake.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    fake.chmod(fake.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(engines, "TIME_LIMIT", 0.5)
    monkeypatch.setattr(engines, "_command", lambda name: [str(fake)])
    start = time.monotonic()
    assert engines.place(SKETCH).engine == "python"
    assert time.monotonic() - start < 5
    monkeypatch.setenv("SYMGRAD_ENGINE", "dot")
    with pytest.raises(InputError, match=f"(?s)SYMGRAD_ENGINE is 'dot', but .*{reason}"):
        engines.place(SKETCH)


def test_an_engine_that_overlaps_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"bb": "0,0,100,100", "objects": [{"name": "n0", "pos": "50,50"}, {"name": "n1", "pos": "55,50"}],
              "edges": [{"id": "e0", "pos": "1,1 2,2 3,3 4,4", "lp": "90,90"}]}
    monkeypatch.setattr(engines, "_run", lambda command, source: json.dumps(answer).encode())
    monkeypatch.setattr(engines, "_command", lambda name: [name])
    assert engines.place(SKETCH).engine == "python"


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAD_ENGINE", "pur")
    with pytest.raises(InputError, match="pure, dot, wasi, python; did you mean pure"):
        engines.place(SKETCH)
    monkeypatch.setenv("SYMGRAD_ENGINE", "dot")
    monkeypatch.setattr(engines, "_command", lambda name: None)
    with pytest.raises(InputError, match="not installed"):
        engines.place(SKETCH)


def test_no_text_of_a_user_reaches_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[str] = []
    monkeypatch.setattr(engines, "_run", lambda command, source: sources.append(source) or b"")
    monkeypatch.setattr(engines, "_command", lambda name: [name])
    figure(wild())
    assert len(sources) >= 3 and not any("script" in source or "evil" in source for source in sources)


def test_a_picture_fits_a_page(engine: str) -> None:
    for diagram in (network(), network(backward=False), residual(), chain()):
        assert figure(diagram).layout.size.width <= PAGE.width
    assert figure(chain()).direction == "TB" and figure(square()).direction == "LR"
    assert figure(residual()).direction == "TB" and figure(residual(), Size(1600, 900)).direction == "LR"


def test_golden_geometry() -> None:
    """Positions by graphviz-pure, in whole pixels; SYMGRAD_ENGINE=pure and a changed picture: write the file anew and look at it."""
    if engines._command("pure") is None:
        pytest.skip("graphviz-pure is not installed")
    drawn = figure(network(groups=False))
    assert drawn.layout.engine == "pure"
    found = {"size": drawn.layout.size, "boxes": {face.box.id: rect for face, rect in zip(drawn.faces, drawn.layout.boxes, strict=True)},
             "labels": {f"{route.arrow.tail} {route.arrow.head}": route.room for route in drawn.routes if route.room}}
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert found["size"] == pytest.approx(golden["size"], abs=2)
    for part in ("boxes", "labels"):
        assert found[part].keys() == golden[part].keys()
        for name, rect in found[part].items():
            assert rect == pytest.approx(golden[part][name], abs=2), name


def test_own_layout_of_strange_sketches() -> None:
    alone = place_in_layers(Sketch((Size(40, 30),), ()))
    assert alone.size == pytest.approx((48, 38))
    ring = Sketch((Size(40, 30),) * 3, (Edge(0, 1), Edge(1, 2), Edge(2, 0, Size(30, 10))))
    assert not list(place_in_layers(ring).collisions())
    star = Sketch((Size(40, 30),) * 60, tuple(Edge(0, k) for k in range(1, 60)), (), "TB")
    assert not list(place_in_layers(star).collisions())


@pytest.mark.slow
def test_big_graphs_are_quick() -> None:
    """5,000 boxes: about 3 s on a slow machine, of which the layout takes 2."""
    diagram = layers(5000)
    start = time.process_time()
    svg = to_svg(diagram)
    assert time.process_time() - start < 30
    assert svg.count('data-id="') == 5000


@pytest.mark.slow
def test_deep_graphs_do_not_recurse() -> None:
    assert figure(chain(3000)).layout.engine == "python"
