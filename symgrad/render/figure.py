"""A diagram in; its formulas drawn, measured and laid out, out: everything a picture format needs but its syntax."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from symgrad.errors import InputError
from symgrad.explain.diagram import Arrow, Box, Diagram
from symgrad.render.curves import attached, beside, towards
from symgrad.render.engines import place
from symgrad.render.geometry import Curve, Edge, Group, Layout, Point, Rect, Size, Sketch
from symgrad.render.glyphs import Drawing, formula, shortened, words
from symgrad.render.nudge import off_the_lines
from symgrad.render.ranks import ranks

__all__ = ["Face", "Route", "Figure", "figure", "title_lines"]

PAGE_WIDTH = 900                                     # pixels a picture may be wide before it runs downwards instead
_NAME, _SHAPE, _LABEL, _GROUP = 14.0, 10.5, 11.5, 10.5    # letter sizes, pixels
_WIDEST, _TALLEST = 260.0, 170.0                     # a formula beyond that is drawn smaller, then replaced by plain text
_MANY = 200                                          # boxes above which names are plain text, for speed
_AIR = 12.0                                          # room that a label has beyond its own size
_AWAY = 2.5                                          # how far the label is moved away from its arrow within that room
_LANE = 3.4                                          # half the distance of a forward arrow from its backward arrow
_PADS: dict[str, tuple[float, float]] = {"param": (13, 10), "output": (14, 9)}


@dataclass(frozen=True, slots=True)
class Face:
    """What stands in a box: the name, the shape beneath it where there is one, and the size of the whole box."""

    box: Box
    name: Drawing
    shape: Drawing | None
    size: Size


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
    """A diagram laid out; `faces` in the order of its boxes, `routes` of its arrows, `groups` as (name, label) of its frames."""

    diagram: Diagram
    layout: Layout
    direction: Literal["LR", "TB"]
    faces: tuple[Face, ...]
    routes: tuple[Route, ...]
    groups: tuple[tuple[str, Drawing], ...]


def figure(diagram: Diagram) -> Figure:
    """The diagram laid out; "auto" runs to the right if that fits 900 pixels, or else in the narrower direction.

    Raises:
        InputError: SYMGRAD_ENGINE names an engine that is unknown or gives no layout.
    """
    cheap = len(diagram.boxes) > _MANY
    faces = tuple(_face(box, cheap) for box in diagram.boxes)
    labels = [_fitted(arrow.tex, arrow.text, _LABEL, cheap) if arrow.tex.strip() else None for arrow in diagram.arrows]
    lanes = _lanes(diagram)
    index = {box.id: number for number, box in enumerate(diagram.boxes)}
    edges = tuple(Edge(index[tail], index[head], _room([labels[arrow] for arrow in arrows])) for tail, head, arrows in lanes)
    members: dict[str, list[int]] = defaultdict(list)
    for number, box in enumerate(diagram.boxes):
        if box.group.strip():
            members[box.group].append(number)
    groups = tuple((name, shortened(name, _GROUP, _WIDEST)) for name in members)
    frames = tuple(Group(tuple(members[name]), label.size) for name, label in groups)
    sizes = tuple(face.size for face in faces)
    direction: Literal["LR", "TB"] = "TB" if diagram.direction == "TB" else "LR"
    if cheap and diagram.direction == "auto":        # one layout must do: deep graphs run downwards
        depth = max(ranks(Sketch(sizes, edges), [-1] * len(sizes))) + 1
        direction = "TB" if depth**2 > len(sizes) else "LR"
    layout = place(Sketch(sizes, edges, frames, direction))
    if diagram.direction == "auto" and not cheap and layout.size.width > PAGE_WIDTH:
        downwards = place(Sketch(sizes, edges, frames, "TB"))
        if downwards.size.width < layout.size.width:
            layout, direction = downwards, "TB"
    routes = [route for number, lane in enumerate(lanes) for route in _routes(diagram, labels, edges[number], lane[2], layout, number)]
    routes.sort(key=lambda route: route.number)
    solid = [*layout.boxes, *(frame.label for frame in layout.frames if frame)]
    rooms = off_the_lines([route.room for route in routes], [route.curve for route in routes], solid, layout.size)
    return Figure(diagram, layout, direction, faces,
                  tuple(replace(route, room=room) for route, room in zip(routes, rooms, strict=True)), groups)


def _face(box: Box, cheap: bool) -> Face:
    name = _fitted(box.tex, box.text, _NAME, cheap)
    shape = _fitted(box.shape_tex, box.shape_text or box.shape_tex, _SHAPE, cheap) if (box.shape_tex or box.shape_text).strip() else None
    wide, high = _PADS.get(box.kind, (10, 7))
    width = max(name.size.width, shape.size.width if shape else 0) + 2 * wide
    height = name.size.height + (shape.size.height + 3 if shape else 0) + 2 * high
    return Face(box, name, shape, Size(max(width, 36), max(height, 30)))


def _fitted(tex: str, text: str, pixels: float, cheap: bool) -> Drawing:
    """The formula, smaller if it is too big, plain text if that does not help or it cannot be drawn."""
    for size in () if cheap or not tex.strip() else (pixels, pixels * 0.8):
        try:
            drawing = formula(tex, size)
        except InputError:
            break
        if drawing.size.width <= _WIDEST and drawing.size.height <= _TALLEST:
            return drawing
    return shortened(text, pixels * 0.9, _WIDEST)


def _lanes(diagram: Diagram) -> list[tuple[str, str, list[int]]]:
    """Operand, node and arrows of each connection: a forward arrow shares its way with the backward arrow that answers it."""
    lanes: list[tuple[str, str, list[int]]] = []
    open_lanes: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, arrow in enumerate(diagram.arrows):
        forward = arrow.kind == "forward"
        ends = (arrow.tail, arrow.head) if forward else (arrow.head, arrow.tail)
        waiting = open_lanes[(*ends, "backward" if forward else "forward")]
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
        forward = diagram.arrows[arrow].kind == "forward"
        routes.append(Route(arrow, diagram.arrows[arrow], moved if forward else moved[::-1], label, place_of_label))
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
