"""Layouts: nothing overlaps, nothing is cut, and whatever engine is missing, broken or slow, there is a picture."""
from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest
from diagrams import ALL, chain, layers, network, residual, scatter, square, wild

from symgrad.errors import InputError
from symgrad.render import engines
from symgrad.render.curves import samples
from symgrad.render.figure import PAGE, Figure, figure
from symgrad.render.geometry import Edge, Layout, Rect, Size, Sketch
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
        if not (tail.grown(2).holds(_dot(points[0])) and head.grown(2).holds(_dot(points[-1]))):
            found.append(f"arrow {route.number} does not reach its boxes")
        if not all(whole.grown(4).holds(_dot(point)) for point in points):
            found.append(f"arrow {route.number} leaves the picture")
        if route.room and any(route.room.grown(-1).holds(_dot(point)) for point in points):
            found.append(f"arrow {route.number} runs through its label")
    return found


def _dot(point: tuple[float, float]) -> Rect:
    return Rect(*point, *point)


@pytest.mark.parametrize("name", ALL)
def test_nothing_overlaps(engine: str, name: str) -> None:
    drawn = figure(ALL[name])
    assert drawn.layout.engine == engine
    assert not flaws(drawn)
    assert all(frame is None or frame.outline.holds(frame.label) for frame in drawn.layout.frames)


@pytest.mark.parametrize("name", ["network", "wild"])
def test_nothing_overlaps_without_html_labels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen("wasi", monkeypatch)
    drawn = figure(ALL[name])
    assert drawn.layout.engine == "wasi" and not flaws(drawn)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 48))
def test_nothing_overlaps_in_random_graphs(engine: str, seed: int) -> None:
    assert not flaws(figure(scatter(seed)))


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
