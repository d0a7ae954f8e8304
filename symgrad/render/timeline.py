"""Boxes with the steps that make and free them in; a picture over time out: a row a step, a column for what lives side by side."""
from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate

from symgrad.render.geometry import Curve, Frame, Group, Layout, Point, Rect, Size

__all__ = ["Lifeline", "Timeline", "place_in_time"]

_ROW, _COLUMN, _NOTE, _EDGE = 9.0, 14.0, 22.0, 8.0    # air between rows, between columns, in front of notes, around frames
_APART = 8.0                                         # lines that come in at one box from the same side


@dataclass(frozen=True, slots=True)
class Lifeline:
    """The time that a value is held, from its box down; `ends` where it is freed, `kept` if for the backward pass."""

    rect: Rect
    ends: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """A layout whose curves run from the lifeline of an operand to the box that reads it, with the corners of the notes, None for none."""

    layout: Layout
    lifelines: tuple[Lifeline, ...]
    notes: tuple[Point | None, ...]


def place_in_time(sizes: Sequence[Size], spans: Sequence[tuple[int, int | None]], kept: Sequence[bool], reads: Sequence[tuple[int, int]],
                  notes: Sequence[Size | None], phases: Sequence[Group]) -> Timeline:
    """Every box in the row of its step and in the leftmost column that is free for as long as its value lives.

    spans: the step that makes a value and the one it is freed after, None where it is held to the end. reads: (value, reader).
    phases: boxes whose rows follow each other, framed and labelled; their rows do not mix.
    """
    steps = sorted({step for step, _ in spans})
    row = {step: place for place, step in enumerate(steps)}
    start = [row[step] for step, _ in spans]
    stop = [len(steps) - 1 if until is None else max(bisect_right(steps, until) - 1, start[k]) for k, (_, until) in enumerate(spans)]
    column = [0] * len(spans)
    held: list[tuple[int, int]] = []                 # the row from which on a column is free again, and the column
    free: list[int] = []
    widths: list[float] = []
    for k in sorted(range(len(spans)), key=start.__getitem__):
        while held and held[0][0] <= start[k]:
            heappush(free, heappop(held)[1])
        if not free:
            heappush(free, len(widths))
            widths.append(0.0)
        column[k] = heappop(free)
        heappush(held, (stop[k] + 1, column[k]))
        widths[column[k]] = max(widths[column[k]], sizes[k].width)
    left = _EDGE + sum(widths) + _COLUMN * len(widths)
    middles = [_EDGE + before + _COLUMN * place + width / 2 for place, (before, width) in enumerate(zip(accumulate(widths, initial=0.0), widths, strict=False))]
    beside = left - _COLUMN + _NOTE
    heights = [0.0] * len(steps)
    for k, size in enumerate(sizes):
        note = notes[k]
        heights[start[k]] = max(heights[start[k]], size.height, note.height if note else 0)
    opening = {min(start[k] for k in phase.members): phase for phase in phases}
    rows, top = [], 0.0
    for place, height in enumerate(heights):
        if place in opening:
            top += (2 * _EDGE if place else 0) + opening[place].label.height + _EDGE
        rows.append(top + height / 2)
        top += height + _ROW
    wide = [note.width for note in notes if note] + [phase.label.width for phase in phases]
    total = Size(max([beside + width for width in wide], default=left - _COLUMN) + _EDGE, top - _ROW + _EDGE)
    boxes = tuple(Rect.around(middles[column[k]], rows[start[k]], size) for k, size in enumerate(sizes))
    members: dict[int, list[Rect]] = defaultdict(list)
    for k, box in enumerate(boxes):
        members[start[k]].append(box)
    entry = _entries(boxes, reads)
    final: dict[int, float] = {}                     # where a value is read in the row that it is freed in
    for (value, reader), y in zip(reads, entry, strict=True):
        if start[reader] == stop[value]:
            final[value] = max(final.get(value, y), y)
    lifelines = []
    for k, box in enumerate(boxes):
        if stop[k] > start[k]:
            half = 2.2 if kept[k] else 1.0
            middle, end = middles[column[k]], final.get(k, rows[stop[k]])
            lifelines.append(Lifeline(Rect(middle - half, box.bottom, middle + half, end), spans[k][1] is not None, kept[k]))
    above = [row - (height + _ROW) / 2 for row, height in zip(rows, heights, strict=True)]
    curves = tuple(_line(middles[column[value]], boxes[value], boxes[reader], y, above[start[reader]], members[start[reader]])
                   for (value, reader), y in zip(reads, entry, strict=True))
    corners = tuple(Point(beside, rows[start[k]] - note.height / 2) if note else None for k, note in enumerate(notes))
    frames = []
    for phase in phases:
        first, last = (rows[f(start[k] for k in phase.members)] for f in (min, max))
        high = max(heights[start[k]] for k in phase.members)
        head = first - heights[min(start[k] for k in phase.members)] / 2 - _EDGE - phase.label.height
        below = last + max(heights[max(start[k] for k in phase.members)], min(high, 1)) / 2 + _EDGE
        frames.append(Frame(Rect(0, head, total.width, below), Rect(beside, head + 3, beside + phase.label.width, head + 3 + phase.label.height)))
    return Timeline(Layout("time", total, boxes, curves, (None,) * len(curves), tuple(frames)), tuple(lifelines), corners)


def _entries(boxes: Sequence[Rect], reads: Sequence[tuple[int, int]]) -> list[float]:
    """Where each value comes in at its reader: those from one side one below the other, the nearest on top, so that it need not cross the others."""
    found = [boxes[reader].centre.y for _, reader in reads]
    sides: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for number, (value, reader) in enumerate(reads):
        sides[reader, boxes[value].centre.x < boxes[reader].centre.x].append(number)
    for (reader, _), numbers in sides.items():
        numbers.sort(key=lambda number, x=boxes[reader].centre.x: abs(boxes[reads[number][0]].centre.x - x))  # type: ignore[misc]  # mypy infers no defaults in lambdas
        step = min(_APART, (boxes[reader].size.height - 8) / max(len(numbers) - 1, 1))
        for place, number in enumerate(numbers):
            found[number] += (place - (len(numbers) - 1) / 2) * step
    return found


def _line(x: float, value: Rect, reader: Rect, y: float, above: float, row: Sequence[Rect]) -> Curve:
    """From the lifeline of a value straight to its reader; over other boxes of its row; down into it where it stands in the same column."""
    if reader.left <= x <= reader.right:
        start, end = Point(x, max(value.bottom, reader.top - 14)), Point(x, reader.top)
        return start, start, end, end
    start, end = Point(x, y), Point(reader.left if x < reader.left else reader.right, y)
    between = Rect(min(x, end.x), y, max(x, end.x), y).grown(1)
    if any(box.meets(between) for box in row if box not in (value, reader)):
        start, corner, end = Point(x, above), Point(reader.centre.x, above), Point(reader.centre.x, reader.top)
        return start, start, corner, corner, corner, end, end
    return start, start, end, end
