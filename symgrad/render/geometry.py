"""What a layout engine is asked (sizes and edges, no text) and what it answers (rectangles and curves, y downwards, in pixels)."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Size", "Point", "Rect", "Grid", "Curve", "Edge", "Group", "Sketch", "Frame", "Layout"]


class Size(NamedTuple):
    width: float
    height: float


class Point(NamedTuple):
    x: float
    y: float


class Rect(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, x: float, y: float, size: Size) -> Rect:
        return cls(x - size.width / 2, y - size.height / 2, x + size.width / 2, y + size.height / 2)

    @property
    def centre(self) -> Point:
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def size(self) -> Size:
        return Size(self.right - self.left, self.bottom - self.top)

    def grown(self, by: float) -> Rect:
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def meets(self, other: Rect) -> bool:
        """The two share more than half a pixel in both directions, beyond what rounding explains."""
        return (min(self.right, other.right) - max(self.left, other.left) > 0.5
                and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.5)

    def holds(self, other: Rect) -> bool:
        slack = self.grown(0.5)
        return slack.left <= other.left and slack.top <= other.top and slack.right >= other.right and slack.bottom >= other.bottom

    def union(self, other: Rect) -> Rect:
        return Rect(min(self.left, other.left), min(self.top, other.top), max(self.right, other.right), max(self.bottom, other.bottom))


class Grid:
    """Rectangles by the squares that they touch, so that what lies near a place is found without looking at all of them."""

    SIDE = 64

    def __init__(self, rects: Iterable[Rect] = ()) -> None:
        self.squares: dict[tuple[int, int], list[tuple[int, Rect]]] = defaultdict(list)
        for number, rect in enumerate(rects):
            self.add(number, rect)

    def add(self, number: int, rect: Rect) -> None:
        for square in self.touched(rect):
            self.squares[square].append((number, rect))

    def near(self, rect: Rect) -> Iterator[tuple[int, Rect]]:
        """Everything that can touch a rectangle, by number; what is big is met several times."""
        for square in self.touched(rect):
            yield from self.squares.get(square, ())

    @classmethod
    def touched(cls, rect: Rect) -> list[tuple[int, int]]:
        left, top, right, bottom = [int(side // cls.SIDE) for side in rect]
        return [(x, y) for x in range(left, right + 1) for y in range(top, bottom + 1)]


Curve = tuple[Point, ...]                            # 3k + 1 points of k cubic Bézier segments


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection of two boxes by their positions; `label` is the room its label needs, if it has one."""

    tail: int
    head: int
    label: Size | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes that belong in one frame, and the size of its label."""

    members: tuple[int, ...]
    label: Size


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is to be laid out; edges run with `direction` wherever they form no cycle."""

    boxes: tuple[Size, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    direction: Literal["LR", "TB"] = "LR"


@dataclass(frozen=True, slots=True)
class Frame:
    """The outline around a group and the room of its label within."""

    outline: Rect
    label: Rect


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a Sketch is; `curves` run from the border of the tail to the border of the head.

    `frames` has None for a group that could not be framed without taking in strangers.
    """

    engine: str
    size: Size
    boxes: tuple[Rect, ...]
    curves: tuple[Curve, ...]
    labels: tuple[Rect | None, ...]
    frames: tuple[Frame | None, ...] = ()

    def collisions(self) -> Iterator[tuple[Rect, Rect]]:
        """Pairs of boxes, labels and frame labels that overlap, and those that stick out of the picture."""
        solid = [*self.boxes, *filter(None, self.labels), *(frame.label for frame in self.frames if frame)]
        whole = Rect(0, 0, *self.size)
        yield from ((rect, whole) for rect in solid if not whole.holds(rect))
        seen = Grid()
        for number, rect in enumerate(solid):
            yield from dict.fromkeys((other, rect) for _, other in seen.near(rect) if other.meets(rect))
            seen.add(number, rect)
