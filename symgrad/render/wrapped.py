"""A layout that is a long ribbon in; the same cut across and set side by side out, like the columns of a newspaper.

It is cut where no box, label or frame lies and few lines cross; those run on in the gutter, back to the head of the next column.
Everything is thought of as running downwards; what runs to the right is turned over before and after.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import dist, sqrt
from typing import Literal

from symgrad.render.geometry import Curve, Frame, Layout, Point, Rect, Size

__all__ = ["into_columns"]

_LONG, _SLIM, _SHAPE = 3000.0, 4.0, 1.3              # a ribbon: so many pixels, so many times its width; the columns' width by their height
_AIR, _ROUND, _MARGIN = 16.0, 6.0, 4.0               # beside the lines in a gutter, their corners, around everything
_NARROW = 4.0                                        # no cut through a gap that is smaller
_NOT_MOVED = Point(0, 0)


@dataclass(frozen=True, slots=True)
class _Gap:
    """Where the picture can be cut: free from `top` to `bottom`, and so many lines cross it."""

    top: float
    bottom: float
    lines: int


@dataclass(slots=True)
class _Column:
    """What lay from `top` to `bottom` of the ribbon and between `left` and `right`, and how far it is moved."""

    top: float
    bottom: float
    left: float = float("inf")
    right: float = float("-inf")
    by: Point = _NOT_MOVED

    def take(self, left: float, right: float) -> None:
        self.left, self.right = min(self.left, left), max(self.right, right)


def into_columns(layout: Layout, direction: Literal["LR", "TB"]) -> Layout:
    """The layout, in columns if it is over 3,000 pixels long and over four times as long as wide; "LR" gives rows.

    A frame that is longer than a column is left out.
    """
    ribbon = layout if direction == "TB" else _turned(layout)
    long, wide = ribbon.size.height, ribbon.size.width
    if long < _LONG or long < _SLIM * wide:
        return layout
    many = max(2, round(sqrt(_SHAPE * long / (wide + 3 * _AIR))))
    ribbon = replace(ribbon, frames=tuple(frame if frame and frame.outline.size.height < long / many else None for frame in ribbon.frames))
    cuts = _cuts(_gaps(ribbon), long, many)
    wrapped = _wrapped(ribbon, cuts) if cuts else ribbon
    return wrapped if direction == "TB" else _turned(wrapped)


def _turned(layout: Layout) -> Layout:
    """x for y and y for x."""
    def rect(r: Rect) -> Rect:
        return Rect(r.top, r.left, r.bottom, r.right)

    curves = [tuple(Point(y, x) for x, y in curve) for curve in layout.curves]
    return replace(_moved(layout, rect, curves), size=Size(layout.size.height, layout.size.width))


def _moved(layout: Layout, rect: Callable[[Rect], Rect], curves: Iterable[Curve]) -> Layout:
    return replace(layout, boxes=tuple(map(rect, layout.boxes)), labels=tuple(label and rect(label) for label in layout.labels),
                   frames=tuple(frame and Frame(rect(frame.outline), rect(frame.label)) for frame in layout.frames), curves=tuple(curves))


def _solids(layout: Layout) -> Iterator[Rect]:
    yield from layout.boxes
    yield from filter(None, layout.labels)
    yield from (frame.outline for frame in layout.frames if frame)


def _gaps(ribbon: Layout) -> list[_Gap]:
    """The places for a cut, from the top; a line that turns round is not cut."""
    heights = [[point.y for point in curve[::3]] for curve in ribbon.curves]
    steady = [knots == sorted(knots) or knots == sorted(knots, reverse=True) for knots in heights]
    taken = [(rect.top, rect.bottom) for rect in _solids(ribbon)]
    taken += [(min(knots), max(knots)) for knots, good in zip(heights, steady, strict=True) if not good]
    free, low = [], 0.0
    for top, bottom in sorted(taken):
        if low and top - low > _NARROW:
            free.append((low, top))
        low = max(low, bottom)
    begin = sorted(min(knots) for knots in heights)
    end = sorted(max(knots) for knots in heights)
    return [_Gap(top, bottom, bisect_right(begin, (top + bottom) / 2) - bisect_left(end, (top + bottom) / 2)) for top, bottom in free]


def _cuts(gaps: Sequence[_Gap], long: float, many: int) -> list[_Gap]:
    """One cut for each column but the last: near its due height, where the fewest lines cross."""
    cuts: list[_Gap] = []
    top, due = 0.0, long / many
    while long - top > 1.3 * due:
        near = [gap for gap in gaps if 0.8 * due < gap.top - top < 1.15 * due]
        near = near or [gap for gap in gaps if gap.top - top > due and long - gap.bottom > 0.3 * due][:1]
        if not near:
            break
        cuts.append(min(near, key=lambda gap, top=top: (gap.lines, abs(gap.top - top - due))))  # type: ignore[misc]  # mypy infers no defaults in lambdas
        top = cuts[-1].bottom
    return cuts


def _wrapped(ribbon: Layout, cuts: Sequence[_Gap]) -> Layout:
    columns = [_Column(top, bottom) for top, bottom in zip([0.0, *(cut.bottom for cut in cuts)], [*(cut.top for cut in cuts), ribbon.size.height], strict=True)]
    starts = [column.top for column in columns]

    def column_of(y: float) -> _Column:
        return columns[max(bisect_right(starts, y) - 1, 0)]

    # A line is a list of pieces, one in each column that it runs through.
    lines = [_pieces(curve if curve[0].y <= curve[-1].y else curve[::-1], cuts) for curve in ribbon.curves]
    for rect in _solids(ribbon):
        column_of(rect.centre.y).take(rect.left, rect.right)
    for line in lines:
        for number, piece in line:
            columns[number].take(min(point.x for point in piece), max(point.x for point in piece))
    crossing: list[list[tuple[float, int]]] = [[] for _ in cuts]
    for number, line in enumerate(lines):
        for (place, piece), _ in pairwise(line):
            crossing[place].append((-piece[-1].x, number))
    # The line that leaves furthest to the right turns first, into the innermost lane, and comes in above all others: so none cross.
    lane = [{number: turn for turn, (_, number) in enumerate(sorted(found))} for found in crossing]
    apart = [min(11.0, max(4.0, 240 / max(len(found), 1))) for found in crossing]
    gutters = [2 * _AIR + width * len(found) for width, found in zip(apart, crossing, strict=True)]
    for number, (column, left) in enumerate(zip(columns, accumulate(
            (column.right - column.left + gutter for column, gutter in zip(columns, gutters, strict=False)), initial=_MARGIN), strict=True)):
        head = apart[number - 1] * len(crossing[number - 1]) + _AIR if number else 0.0
        column.by = Point(left - column.left, head + _MARGIN - column.top)

    def curve_of(number: int) -> Curve:
        whole: list[Point] = []
        for place, piece in lines[number]:
            if whole:                                # from the foot of the last column to the head of this one
                turn, room, last = lane[place - 1][number], apart[place - 1], columns[place - 1]
                down = last.bottom + last.by.y + _AIR + turn * room
                aside = last.right + last.by.x + _AIR + turn * room
                above = columns[place].top + columns[place].by.y - _AIR - (len(lane[place - 1]) - 1 - turn) * room
                start, end = whole[-1], _plus(piece[0], columns[place].by)
                whole += _corners([start, Point(start.x, down), Point(aside, down), Point(aside, above), Point(end.x, above), end])[1:]
            whole += [_plus(point, columns[place].by) for point in piece][1 if whole else 0:]
        return tuple(whole) if ribbon.curves[number][0].y <= ribbon.curves[number][-1].y else tuple(whole[::-1])

    def rect_of(rect: Rect) -> Rect:
        by = column_of(rect.centre.y).by
        return Rect(rect.left + by.x, rect.top + by.y, rect.right + by.x, rect.bottom + by.y)

    moved = _moved(ribbon, rect_of, map(curve_of, range(len(lines))))
    every = [*_solids(moved), *(Rect(*point, *point) for curve in moved.curves for point in curve)]
    return replace(moved, size=Size(max(rect.right for rect in every) + _MARGIN, max(rect.bottom for rect in every) + _MARGIN))


def _plus(point: Point, by: Point) -> Point:
    return Point(point.x + by.x, point.y + by.y)


def _pieces(curve: Curve, cuts: Sequence[_Gap]) -> list[tuple[int, Curve]]:
    """The parts of a curve that runs down, each with the number of its column; what lay within the cuts is left out."""
    first = bisect_left(cuts, curve[0].y, key=lambda cut: (cut.top + cut.bottom) / 2)
    last = bisect_left(cuts, curve[-1].y, key=lambda cut: (cut.top + cut.bottom) / 2)
    pieces = []
    for number in range(first, last):
        upper, rest = _split(curve, cuts[number].top)
        pieces.append((number, upper))
        curve = _split(rest, cuts[number].bottom)[1]
    return [*pieces, (last, curve)]


def _split(curve: Curve, y: float) -> tuple[Curve, Curve]:
    """The parts of a curve that runs down above and below a height; what lies on one side alone leaves a single point on the other."""
    if y <= curve[0].y:
        return curve[:1], curve
    start = next((k for k in range(0, len(curve) - 1, 3) if curve[k + 3].y > y), None)
    if start is None:
        return curve, curve[-1:]
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _halves(curve[start:start + 4], middle)[0][-1].y <= y else (low, middle)
    upper, lower = _halves(curve[start:start + 4], low)
    return (*curve[:start], *upper), (*lower, *curve[start + 4:])


def _halves(piece: Curve, t: float) -> tuple[Curve, Curve]:
    """Both parts of one Bézier segment, after de Casteljau."""
    rows = [list(piece)]
    while len(rows[-1]) > 1:
        rows.append([Point(a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)) for a, b in pairwise(rows[-1])])
    return tuple(row[0] for row in rows), tuple(row[-1] for row in reversed(rows))


def _corners(stops: Sequence[Point]) -> list[Point]:
    """A curve straight from stop to stop, its corners rounded."""
    found = [stops[0]]
    for before, corner, after in zip(stops, stops[1:], stops[2:], strict=False):
        reach = min(_ROUND, dist(before, corner) / 2, dist(corner, after) / 2)
        turn, on = (_towards(corner, other, reach) for other in (before, after))
        found += [found[-1], turn, turn, corner, corner, on]
    return [*found, found[-1], stops[-1], stops[-1]]


def _towards(start: Point, end: Point, far: float) -> Point:
    part = far / (dist(start, end) or 1)
    return Point(start.x + part * (end.x - start.x), start.y + part * (end.y - start.y))
