"""A diagram in; its formulas drawn, measured and laid out, out: everything a picture format needs but its syntax."""
from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from symgrad.core.node import growing
from symgrad.errors import InputError
from symgrad.explain.diagram import Arrow, Box, Cells, Diagram
from symgrad.render.curves import attached, beside, towards
from symgrad.render.engines import place
from symgrad.render.geometry import Curve, Edge, Group, Layout, Point, Rect, Size, Sketch
from symgrad.render.glyphs import Drawing, formula, shortened, words
from symgrad.render.nudge import off_the_lines
from symgrad.render.ranks import ranks
from symgrad.render.timeline import Lifeline, place_in_time
from symgrad.render.wrapped import into_columns

__all__ = ["Face", "Route", "Figure", "figure", "fitted", "title_lines"]

PAGE = Size(900, math.inf)                           # the room of a picture, in pixels, unless something else is said
_NAME, _SHAPE, _LABEL, _GROUP, _NOTE = 14.0, 10.5, 11.5, 10.5, 11.5    # letter sizes, pixels
_WIDEST, _TALLEST = 260.0, 170.0                     # a formula beyond that is drawn smaller, then replaced by plain text
_MANY = 200                                          # boxes above which not both directions are tried,
_LETTERS = 5_000                                     # and more letters of LaTeX than that are plain text: formulas take 2 s by then
_AIR = 12.0                                          # room that a label has beyond its own size
_AWAY = 2.5                                          # how far the label is moved away from its arrow within that room
_LANE = 3.4                                          # half the distance of a forward arrow from its backward arrow
_PADS: dict[str, tuple[float, float]] = {"param": (13, 10), "output": (14, 9), "fold": (14, 10)}
_CELLS, _CELL = 96.0, 13.0                           # the longer side of a matrix of cells at most, one cell at most


@dataclass(frozen=True, slots=True)
class Face:
    """What stands in a box, one below the other and each only where there is one: cells, the name, the shape, a note; and the size of it all.

    `cell` is the side of a cell.
    """

    box: Box
    name: Drawing
    shape: Drawing | None
    note: Drawing | None
    size: Size
    cell: float = 0

    @property
    def cells(self) -> Size:
        """What the matrix of cells takes."""
        return _cells_size(self.box.cells, self.cell)

    def parts(self) -> list[tuple[str, Size]]:
        """What stands in the box, from the top: what it is, and its size."""
        drawings = (("name", self.name), ("shape", self.shape), ("note", self.note))
        return [*([("cells", self.cells)] if self.box.cells else []), *((what, drawing.size) for what, drawing in drawings if drawing)]


@dataclass(frozen=True, slots=True)
class Route:
    """One arrow with its number in the diagram, the curve from its tail to its head, and its label with the room it has."""

    number: int
    arrow: Arrow
    curve: Curve
    label: Drawing | None
    room: Rect | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A diagram laid out; `faces` in the order of its boxes, `routes` of its arrows, `groups` as (name, label) of its frames.

    A picture over time has beside that the `lifelines` of its values, and its `notes` with their upper left corners.
    """

    diagram: Diagram
    layout: Layout
    direction: Literal["LR", "TB"]
    faces: tuple[Face, ...]
    routes: tuple[Route, ...]
    groups: tuple[tuple[str, Drawing], ...]
    lifelines: tuple[Lifeline, ...] = ()
    notes: tuple[tuple[Drawing, Point], ...] = ()


@growing()
def figure(diagram: Diagram, room: Size = PAGE) -> Figure:
    """The diagram laid out; "auto" runs to the right if that fits the room, or else in the direction that fits it better.

    Raises:
        InputError: SYMGRAD_ENGINE names an engine that is unknown or gives no layout.
    """
    if diagram.boxes[0].span is not None:
        return _over_time(diagram)
    cheap = _is_cheap(diagram)
    faces = tuple(_face(box, cheap) for box in diagram.boxes)
    labels = [fitted(arrow.tex, arrow.text, _LABEL, cheap) if arrow.tex.strip() else None for arrow in diagram.arrows]
    lanes = _lanes(diagram)
    index = {box.id: number for number, box in enumerate(diagram.boxes)}
    edges = tuple(Edge(index[tail], index[head], _room([labels[arrow] for arrow in arrows])) for tail, head, arrows in lanes)
    members: dict[str, list[int]] = defaultdict(list)
    for number, box in enumerate(diagram.boxes):
        if frame := next((group.name for group in diagram.around(box.group) if group.count == 1), ""):
            members[frame].append(number)
    groups = tuple((name, shortened(name, _GROUP, _WIDEST)) for name in members)
    frames = tuple(Group(tuple(members[name]), label.size) for name, label in groups)
    sizes = tuple(face.size for face in faces)
    direction: Literal["LR", "TB"] = "TB" if diagram.direction == "TB" else "LR"
    many = len(sizes) > _MANY
    if many and diagram.direction == "auto":         # one layout must do: deep graphs run downwards
        depth = max(ranks(Sketch(sizes, edges), [-1] * len(sizes))) + 1
        direction = "TB" if depth**2 > len(sizes) else "LR"
    layout = place(Sketch(sizes, edges, frames, direction))
    if diagram.direction == "auto" and not many and _scale(layout.size, room) < 1:
        downwards = place(Sketch(sizes, edges, frames, "TB"))
        if _scale(downwards.size, room) > _scale(layout.size, room):
            layout, direction = downwards, "TB"
    layout = into_columns(layout, direction)
    routes = [route for number, lane in enumerate(lanes) for route in _routes(diagram, labels, edges[number], lane[2], layout, number)]
    routes.sort(key=lambda route: route.number)
    solid = [*layout.boxes, *(frame.label for frame in layout.frames if frame)]
    rooms = off_the_lines([route.room for route in routes], [route.curve for route in routes], solid, layout.size)
    return Figure(diagram, layout, direction, faces,
                  tuple(replace(route, room=room) for route, room in zip(routes, rooms, strict=True)), groups)


def _scale(size: Size, room: Size) -> float:
    """How much a picture may grow in that room; below 1 it has to shrink."""
    return min(room.width / size.width, room.height / size.height)


def _over_time(diagram: Diagram) -> Figure:
    """Time runs downwards, a row for each step; what a step computes lives in a column until it is freed."""
    cheap = _is_cheap(diagram)
    faces = tuple(_face(replace(box, note_tex="", note_text=""), cheap) for box in diagram.boxes)
    notes = [fitted(box.note_tex, box.note_text, _NOTE, cheap, 1.6 * _WIDEST) if box.note_text.strip() else None for box in diagram.boxes]
    phase_of = [next((group.name for group in diagram.around(box.group)), "") for box in diagram.boxes]
    names = [name for name in dict.fromkeys(phase_of) if name]
    groups = tuple((name, shortened(name, _GROUP, _WIDEST)) for name in names)
    phases = tuple(Group(tuple(k for k, own in enumerate(phase_of) if own == name), label.size) for name, label in groups)
    index = {box.id: number for number, box in enumerate(diagram.boxes)}
    made = place_in_time([face.size for face in faces], [box.span or (0, None) for box in diagram.boxes], [box.kept for box in diagram.boxes],
                         [(index[arrow.tail], index[arrow.head]) for arrow in diagram.arrows], [note.size if note else None for note in notes], phases)
    routes = tuple(Route(k, arrow, made.layout.curves[k], None, None) for k, arrow in enumerate(diagram.arrows))
    placed = tuple((note, corner) for note, corner in zip(notes, made.notes, strict=True) if note and corner)
    return Figure(diagram, made.layout, "TB", faces, routes, groups, made.lifelines, placed)


def _is_cheap(diagram: Diagram) -> bool:
    """To draw all formulas takes too long."""
    if len(diagram.boxes) <= _MANY:
        return False
    formulas = {tex for box in diagram.boxes for tex in (box.tex, box.shape_tex, box.note_tex)} | {arrow.tex for arrow in diagram.arrows}
    return sum(map(len, formulas)) > _LETTERS


def _face(box: Box, cheap: bool) -> Face:
    name = _named(box, cheap)
    shape = fitted(box.shape_tex, box.shape_text or box.shape_tex, _SHAPE, cheap) if (box.shape_tex or box.shape_text).strip() else None
    note = fitted(box.note_tex, box.note_text, _NOTE, cheap) if (box.note_tex or box.note_text).strip() else None
    wide, high = _PADS.get(box.kind, (10, 7))
    rows, columns = (len(box.cells.filled), len(box.cells.filled[0])) if box.cells else (0, 0)
    face = Face(box, name, shape, note, Size(0, 0), min(_CELL, _CELLS / max(rows, columns, 1)))
    sizes = [size for _, size in face.parts()]
    width, height = max(size.width for size in sizes) + 2 * wide, sum(size.height + 3 for size in sizes) - 3 + 2 * high
    return replace(face, size=Size(max(width, 36), max(height, 30)))


def _named(box: Box, cheap: bool) -> Drawing:
    """The formula in a box; of one that is too wide what stands in front of its equals sign."""
    left, equals, _ = box.tex.partition(" = ")
    for tex in (box.tex, left) if equals and not cheap else ():
        if found := _formula(tex, _NAME, _WIDEST):
            return found
    return fitted(box.tex, box.text, _NAME, cheap)


def _cells_size(cells: Cells | None, side: float) -> Size:
    return Size(side * len(cells.filled[0]), side * len(cells.filled) + 3) if cells else Size(0, 0)


def fitted(tex: str, text: str, pixels: float, cheap: bool, widest: float = _WIDEST) -> Drawing:
    """The formula, smaller if it is too big, plain text if that does not help or it cannot be drawn."""
    found = None if cheap or not tex.strip() else _formula(tex, pixels, widest)
    return found or shortened(text, pixels * 0.9, widest)


def _formula(tex: str, pixels: float, widest: float) -> Drawing | None:
    """The formula at its size or a little smaller; None where it is too big all the same, or cannot be drawn."""
    for size in (pixels, pixels * 0.8):
        try:
            drawing = formula(tex, size)
        except InputError:
            return None
        if drawing.size.width <= widest and drawing.size.height <= _TALLEST:
            return drawing
    return None


def _lanes(diagram: Diagram) -> list[tuple[str, str, list[int]]]:
    """Operand, node and arrows of each connection: a forward arrow shares its way with the backward arrow that answers it."""
    answers = {"forward": "backward", "backward": "forward"}
    lanes: list[tuple[str, str, list[int]]] = []
    open_lanes: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, arrow in enumerate(diagram.arrows):
        ends = (arrow.head, arrow.tail) if arrow.kind == "backward" else (arrow.tail, arrow.head)
        waiting = open_lanes[(*ends, answers.get(arrow.kind, ""))]
        if waiting:
            lanes[waiting.pop(0)][2].append(number)
        else:
            open_lanes[(*ends, arrow.kind)].append(len(lanes))
            lanes.append((*ends, [number]))
    return lanes


def _room(labels: Sequence[Drawing | None]) -> Size | None:
    """Room for the labels of a connection above each other, with some air."""
    sizes = [label.size for label in labels if label]
    if not sizes:
        return None
    return Size(max(size.width for size in sizes) + _AIR, sum(size.height for size in sizes) + 4 * (len(sizes) - 1) + _AIR)


def _routes(diagram: Diagram, labels: Sequence[Drawing | None], edge: Edge, arrows: Sequence[int], layout: Layout,
            number: int) -> list[Route]:
    boxes = layout.boxes[edge.tail], layout.boxes[edge.head]
    curve, room = layout.curves[number], layout.labels[number]
    if layout.engine != "python":                    # ours keeps off the corners by itself
        curve = attached(curve, *boxes, 12)
    labelled = [arrow for arrow in arrows if labels[arrow]]
    # An arrow with the only label runs on the side where the label stands.
    near = labelled[0] if len(labelled) == 1 else next((a for a in arrows if diagram.arrows[a].kind == "backward"), arrows[0])
    side, across = towards(curve, room.centre) if room else (1, Point(0, 0))
    routes = []
    top = room.top + _AIR / 2 + across.y * _AWAY if room else 0
    for arrow in arrows:
        moved = curve
        if len(arrows) > 1:
            moved = attached(beside(curve, _LANE * (side if arrow == near else -side)), *boxes, 6)
        place_of_label, label = None, labels[arrow]
        if room and label:
            place_of_label = Rect.around(room.centre.x + across.x * _AWAY, top + label.size.height / 2, label.size)
            top += label.size.height + 4
        back = diagram.arrows[arrow].kind == "backward"
        routes.append(Route(arrow, diagram.arrows[arrow], moved[::-1] if back else moved, label, place_of_label))
    return routes


def title_lines(title: str, width: float, pixels: float) -> list[Drawing]:
    """The title broken between words into lines of at most that width, if no single word is wider."""
    lines: list[str] = []
    for word in title.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and words(longer, pixels).size.width <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [shortened(line, pixels, width) for line in lines]
