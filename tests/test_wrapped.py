"""Long pictures in columns, and big ones in time: nothing overlaps, lines keep clear of boxes, and columns are read one after the other."""
from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from diagrams import chain, dag, layers, network, residual, schedule
from svg_flaws import flaws_of

from symgrad.explain import folding
from symgrad.explain.diagram import Diagram
from symgrad.explain.diagram import Group as Layer
from symgrad.explain.folding import automatic, folded, states
from symgrad.render.curves import samples
from symgrad.render.figure import figure
from symgrad.render.geometry import Edge, Grid, Group, Layout, Point, Rect, Size, Sketch
from symgrad.render.layered import place_in_layers
from symgrad.render.svg import to_svg
from symgrad.render.wrapped import into_columns


def ribbon(direction: str, count: int = 75, seed: int = 0, frames: bool = True) -> Sketch:
    """A long chain with short cuts and links back, some with labels, and frames around every four boxes."""
    edges = [Edge(k, k + 1, Size(20, 10) if k % 4 == 1 else None) for k in range(count - 1)]
    edges += [Edge(k, k + 2 + (k * 7 + seed) % 5, Size(30, 12) if k % 2 else None) for k in range(0, count - 7, 3 + seed)]
    edges += [Edge(k + 5, k) for k in range(0, count - 5, 11)]
    groups = [Group(tuple(range(k, k + 4)), Size(40, 12)) for k in range(0, count - 4, 8)] if frames else []
    return Sketch((Size(60, 30), Size(44, 52), Size(90, 24)) * (count // 3), tuple(edges), tuple(groups), direction)


def flaws(before: Layout, after: Layout, sketch: Sketch) -> list[str]:
    """What columns got wrong: overlaps, other sizes, lines that miss their boxes or run through others, frames without their boxes."""
    found = [f"{one} overlaps {other}" for one, other in after.collisions()]
    whole, grid = Rect(0, 0, *after.size), Grid(after.boxes)
    if [pytest.approx(rect.size) for rect in before.boxes] != [rect.size for rect in after.boxes]:
        found.append("a box has another size")
    for edge, old, new in zip(sketch.edges, before.curves, after.curves, strict=True):
        for end, box in ((0, edge.tail), (-1, edge.head)):
            if _from(new[end], after.boxes[box]) != pytest.approx(_from(old[end], before.boxes[box]), abs=0.1):
                found.append(f"an end of {edge} has moved along its box")
        points = list(samples(new, 40))
        found += [f"{edge} leaves the picture" for point in points if not whole.holds(Rect(*point, *point))][:1]
        found += [f"{edge} runs through {box}" for point in points for _, box in grid.near(Rect(*point, *point)) if box.grown(-1).holds(Rect(*point, *point))]
    for group, old_frame, frame in zip(sketch.groups, before.frames, after.frames, strict=True):
        if (old_frame is None) != (frame is None):
            found.append("a frame is lost")
        elif frame and not all(frame.outline.holds(rect) for rect in (frame.label, *(after.boxes[member] for member in group.members))):
            found.append("a frame does not hold its boxes")
    return found


def _from(point: Point, box: Rect) -> tuple[float, float]:
    return point.x - box.left, point.y - box.top


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_a_ribbon_becomes_columns(direction: str, seed: int, frames: bool) -> None:
    sketch = ribbon(direction, seed=seed, frames=frames)
    before = place_in_layers(sketch)
    after = into_columns(before, direction)
    long, wide = (max(before.size), min(before.size))
    assert long > 4 * wide and max(after.size) < 2.5 * min(after.size) and max(after.size) < long / 3
    assert not flaws(before, after, sketch)


def test_the_checker_of_columns_finds_flaws() -> None:
    sketch = ribbon("TB")
    before = place_in_layers(sketch)
    good = into_columns(before, "TB")
    boxes, curves = list(good.boxes), list(good.curves)
    for wrong in (replace(good, boxes=(boxes[1], *boxes[1:])), replace(good, boxes=(boxes[0]._replace(right=boxes[0].right + 9), *boxes[1:])),
                  replace(good, curves=(curves[1], *curves[1:])), replace(good, frames=(None, *good.frames[1:])), replace(good, size=Size(300, 300)),
                  replace(good, frames=(good.frames[1], *good.frames[1:])),
                  replace(good, curves=((curves[0][0], curves[0][0], boxes[7].centre, boxes[7].centre, boxes[7].centre, curves[0][-1], curves[0][-1]), *curves[1:]))):
        assert flaws(before, wrong, sketch)


def runs(layout: Layout) -> list[tuple[int, Rect]]:
    """The straight ways in the gutters, with the numbers of their lines; no engine draws these, its lines are bent."""
    found = []
    for number, curve in enumerate(layout.curves):
        for a, b, c, d in (curve[k:k + 4] for k in range(0, len(curve) - 1, 3)):
            if a == b and c == d and (abs(a.x - d.x) < 1e-6 or abs(a.y - d.y) < 1e-6):
                found.append((number, Rect(min(a.x, d.x), min(a.y, d.y), max(a.x, d.x), max(a.y, d.y))))
    return found


def tangled(layout: Layout) -> list[str]:
    """Ways in the gutters that cross others or lie upon them."""
    found = runs(layout)
    return [f"{one} and {other}" for k, one in enumerate(found) for other in found[:k] if one[0] != other[0]
            and min(one[1].right, other[1].right) - max(one[1].left, other[1].left) > -3 and min(one[1].bottom, other[1].bottom) - max(one[1].top, other[1].top) > -3]


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("seed", range(4))
def test_lines_in_gutters_neither_cross_nor_touch(direction: str, seed: int) -> None:
    after = into_columns(place_in_layers(ribbon(direction, seed=seed)), direction)
    assert len(runs(after)) > 20 and not tangled(after)
    first, other = runs(after)[0], next(run for run in runs(after) if run[0] != runs(after)[0][0])
    assert tangled(replace(after, curves=tuple(after.curves[first[0]] if k == other[0] else curve for k, curve in enumerate(after.curves))))


def line(*points: tuple[float, float]) -> tuple[Point, ...]:
    """A curve through points, straight from one to the next."""
    found = [Point(*points[0])]
    for before, after in pairwise(points):
        found += [Point(*(0.7 * a + 0.3 * b for a, b in zip(before, after, strict=True))), Point(*(0.3 * a + 0.7 * b for a, b in zip(before, after, strict=True))), Point(*after)]
    return tuple(found)


def tower(*curves: tuple[Point, ...]) -> Layout:
    """A hundred boxes one below the other, and lines."""
    return Layout("x", Size(80, 5000), tuple(Rect(0, 50 * k, 40, 50 * k + 30) for k in range(100)), curves, (None,) * len(curves))


def test_cuts_are_made_where_few_lines_cross() -> None:
    """Lines beside the boxes leave three gaps, which are not where columns of the same height would end: at 14, 29 and 44."""
    quiet = [(0, 13), (14, 25), (26, 41), (42, 99)]
    lines = [line((45 + 3 * k, 50 * first + 31), (45 + 3 * k, 50 * last + 19)) for first, last in quiet for k in range(5)]
    after = into_columns(tower(*lines), "TB")
    starts = [k for k, (one, other) in enumerate(pairwise(after.boxes), 1) if other.top < one.top]
    assert {14, 26, 42} <= set(starts) and all(len(curve) == 4 for curve in after.curves[:15])


def test_a_line_that_turns_round_is_not_cut() -> None:
    turning = line((45, 40), (60, 3000), (50, 1000), (70, 4900))
    after = into_columns(tower(turning), "TB")
    assert after.curves[0] == turning and after.boxes == tower().boxes, "there is no gap that it leaves but those at the ends"
    shorter = line((45, 40), (60, 1100), (50, 500), (70, 900))
    after = into_columns(tower(shorter), "TB")
    assert len(after.curves[0]) == len(shorter) and [b.x - a.x for a, b in zip(shorter, after.curves[0], strict=True)] == pytest.approx([4.0] * len(shorter))


def test_columns_are_read_one_after_the_other() -> None:
    """Down each column, and then on at the head of the next one to the right."""
    drawn = figure(chain(200))
    assert drawn.direction == "TB"
    columns: list[list[Rect]] = [[]]
    for box in drawn.layout.boxes:
        if columns[-1] and box.top < columns[-1][-1].top:
            columns.append([])
        columns[-1].append(box)
    assert 5 < len(columns) < 30 and all(one.bottom < other.top for column in columns for one, other in pairwise(column))
    assert all(max(box.right for box in left) < min(box.left for box in right) for left, right in pairwise(columns))
    assert max(len(column) for column in columns[:-1]) - min(len(column) for column in columns[:-1]) <= 2


def test_rows_of_what_runs_to_the_right() -> None:
    drawn = figure(replace(chain(200), direction="LR"))
    assert drawn.direction == "LR" and drawn.layout.size.width < 2.5 * drawn.layout.size.height
    assert all(after.left > before.left or after.top > before.bottom for before, after in pairwise(drawn.layout.boxes))


@pytest.mark.parametrize("diagram", [network(), residual(4), chain(30), layers(200, 20)], ids=lambda diagram: diagram.title)
def test_what_fits_stays_as_it_is(diagram: Diagram) -> None:
    layout = figure(diagram).layout
    assert into_columns(layout, "TB") is layout and into_columns(layout, "LR") is layout


def test_a_frame_longer_than_a_column_is_left_out() -> None:
    one = Sketch((Size(60, 30),) * 100, tuple(Edge(k, k + 1) for k in range(99)), (Group(tuple(range(100)), Size(40, 12)),), "TB")
    before = place_in_layers(one)
    assert before.frames != (None,) and before.size.height > 3000
    after = into_columns(before, "TB")
    assert after.frames == (None,) and not list(after.collisions()) and after.size.height < 1500


def test_a_ribbon_that_cannot_be_cut_stays_whole() -> None:
    """A box beside all the others leaves no gap."""
    boxes = tuple(Rect(0, 50 * k, 40, 50 * k + 30) for k in range(100))
    whole = Layout("x", Size(60, 5000), (*boxes, Rect(45, 0, 60, 4980)), (), ())
    after = into_columns(whole, "TB")
    assert after.boxes == whole.boxes and after.size == whole.size


@pytest.mark.parametrize("diagram", [chain(150), residual(40), dag(300)], ids=lambda diagram: diagram.title)
def test_nothing_overlaps_in_a_finished_picture_in_columns(diagram: Diagram) -> None:
    layout = figure(diagram).layout
    assert max(layout.size) < 3 * min(layout.size) and not flaws_of(to_svg(diagram))


@pytest.mark.slow
@pytest.mark.parametrize("diagram", [layers(5000), chain(5000), dag(5000), residual(1200), schedule(1000)], ids=lambda diagram: diagram.title)
def test_big_pictures_are_quick_and_whole(diagram: Diagram) -> None:
    """2 to 4 s of this machine each, while others work on it."""
    start = time.process_time()
    svg = to_svg(diagram)
    assert time.process_time() - start < 15
    assert svg.count('data-id="') == len(diagram.boxes) and svg.count('class="arrow') == len(diagram.arrows)
    assert not flaws_of(svg)


def test_folding_is_quick() -> None:
    """A picture of 3,601 boxes in 1,200 groups; every one of the 2,402 sets of closed groups that a page could show is counted."""
    diagram = residual(1200)
    start = time.process_time()
    assert len(automatic(diagram)) == 1200 and len(folded(diagram, automatic(diagram)).boxes) == 1201
    found = states(diagram, automatic(diagram))
    assert time.process_time() - start < 5
    assert found[0] == automatic(diagram) and len(set(found)) == len(found)
    assert all(len(folded(diagram, closed).boxes) <= 400 for closed in found[1:])


def test_states_count_boxes_as_folding_leaves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """With groups within groups, and over time, where the passes stay open; the first state is there in any case."""
    nested = replace(residual(12), groups=tuple(Layer(f"block {k}", "blocks") for k in range(1, 7)))
    middle = Layer("middle", "backward pass", 3)
    timed = schedule(6)
    timed = replace(timed, groups=(middle,), boxes=tuple(replace(b, group="middle") if b.id in ("d3", "d4", "d5") else b for b in timed.boxes))
    for diagram, most in ((residual(12), 30), (nested, 20), (timed, 13)):
        monkeypatch.setattr(folding, "_MANY", 10_000)
        every = states(diagram, {"block 1"})
        sizes = [len(folded(diagram, closed).boxes) for closed in every]
        monkeypatch.setattr(folding, "_MANY", most)
        small = [closed for k, closed in enumerate(every) if not k or sizes[k] <= most]
        found = states(diagram, {"block 1"})
        assert found == small[:len(found)] and min(sizes) <= most < max(sizes)
        assert len(found) == len(small) or sum(len(folded(diagram, closed).boxes) for closed in found[1:]) <= 5 * most
