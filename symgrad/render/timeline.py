"""Boxes with the steps that make and free them in; a picture over time out: a row a step, a column for what lives side by side."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.render.geometry import Curve, Frame, Group, Layout, Point, Rect, Size

__all__ = ["Lifeline", "Timeline", "place_in_time"]

_ROW, _COLUMN, _NOTE, _EDGE = 9.0, 14.0, 22.0, 8.0    # air between rows, between columns, in front of notes, around frames


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
    free: list[int] = []                             # the row from which on each column is free
    for k in sorted(range(len(spans)), key=start.__getitem__):
        column[k] = next((place for place, since in enumerate(free) if since <= start[k]), len(free))
        free[column[k]:column[k] + 1] = [stop[k] + 1]
    middles, left = [], _EDGE
    for place in range(len(free)):
        width = max(size.width for size, where in zip(sizes, column, strict=True) if where == place)
        middles.append(left + width / 2)
        left += width + _COLUMN
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
    readers: dict[int, list[int]] = {}
    for value, reader in reads:
        readers.setdefault(value, []).append(start[reader])
    lifelines = []
    for k, box in enumerate(boxes):
        if stop[k] > start[k]:
            half = 2.2 if kept[k] else 1.0
            lifelines.append(Lifeline(Rect(middles[column[k]] - half, box.bottom, middles[column[k]] + half, rows[stop[k]]), spans[k][1] is not None, kept[k]))
    curves = tuple(_line(middles[column[value]], boxes[value], boxes[reader], rows[start[reader]]) for value, reader in reads)
    corners = tuple(Point(beside, rows[start[k]] - note.height / 2) if note else None for k, note in enumerate(notes))
    frames = []
    for phase in phases:
        first, last = (rows[f(start[k] for k in phase.members)] for f in (min, max))
        high = max(heights[start[k]] for k in phase.members)
        above = first - heights[min(start[k] for k in phase.members)] / 2 - _EDGE - phase.label.height
        below = last + max(heights[max(start[k] for k in phase.members)], min(high, 1)) / 2 + _EDGE
        frames.append(Frame(Rect(0, above, total.width, below), Rect(beside, above + 3, beside + phase.label.width, above + 3 + phase.label.height)))
    return Timeline(Layout("time", total, boxes, curves, (None,) * len(curves), tuple(frames)), tuple(lifelines), corners)


def _line(x: float, value: Rect, reader: Rect, y: float) -> Curve:
    """From the lifeline of a value straight to its reader; down into it where it stands in the same column."""
    if reader.left <= x <= reader.right:
        start, end = Point(x, max(value.bottom, reader.top - 14)), Point(x, reader.top)
    else:
        start, end = Point(x, y), Point(reader.left if x < reader.left else reader.right, y)
    return start, start, end, end
