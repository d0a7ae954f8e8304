"""A diagram in; its boxes as the languages of graphs have them, nested by their groups and in the order of time, out."""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from symgrad.explain.diagram import Box, Diagram

__all__ = ["Nest", "lines_of", "nested", "rows"]


@dataclass(frozen=True, slots=True)
class Nest:
    """A group: what it is called, the numbers of the boxes that are in no group within, and those groups."""

    label: str = ""
    boxes: list[int] = field(default_factory=list)
    inner: dict[str, Nest] = field(default_factory=dict)


def nested(diagram: Diagram) -> Nest:
    """The whole picture as a group without a label."""
    whole = Nest()
    for number, box in enumerate(diagram.boxes):
        place = whole
        for group in diagram.around(box.group):
            place = place.inner.setdefault(group.name, Nest(f"{group.name} × {group.count}" if group.count > 1 else group.name))
        place.boxes.append(number)
    return whole


def rows(diagram: Diagram) -> list[list[int]]:
    """The numbers of the boxes of every step, in the order of time; nothing for a picture that is not over time."""
    steps: dict[int, list[int]] = defaultdict(list)
    for number, box in enumerate(diagram.boxes):
        if box.span is not None:
            steps[box.span[0]].append(number)
    return [steps[step] for step in sorted(steps)]


def lines_of(box: Box) -> list[str]:
    """What stands in a box, as plain text: where a matrix is zero, the name, the shape, a note, whether it is cached."""
    cells = ["".join("■" if full else "□" for full in row) for row in box.cells.filled] if box.cells else []
    return list(filter(str.strip, (*cells, box.text, box.shape_text, box.note_text, "(cached)" if box.kept else "")))
