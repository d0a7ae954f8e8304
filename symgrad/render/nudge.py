"""Labels, lines and boxes of a picture in; labels moved off the lines that run through them out, where there is room beside."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from symgrad.render.curves import samples
from symgrad.render.geometry import Curve, Grid, Point, Rect, Size

__all__ = ["off_the_lines"]

_FAR = 26                                            # beyond what a label and its air can reach
_STEPS = tuple((distance * x, distance * y) for distance in (4, 8, 12, 18, 24)
               for x, y in ((0, 1), (0, -1), (1, 0), (-1, 0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7)))


def off_the_lines(labels: Sequence[Rect | None], curves: Iterable[Curve], boxes: Sequence[Rect], size: Size) -> list[Rect | None]:
    """The labels within a picture of that size, each where it was or, if a line crosses it, at most 24 pixels away."""
    if not any(labels):
        return list(labels)
    whole, solid = Rect(0, 0, *size), Grid(boxes)
    points: dict[tuple[int, int], list[Point]] = {square: [] for label in labels if label for square in Grid.touched(label.grown(_FAR))}
    for piece in (curve[start:start + 4] for curve in curves for start in range(0, len(curve) - 1, 3)):
        (x0, x1), (y0, y1) = ((min(side), max(side)) for side in zip(*piece, strict=True))
        if points.keys().isdisjoint(Grid.touched(Rect(x0, y0, x1, y1))):
            continue                                 # only what runs near a label counts
        for point in samples(piece, 12):
            if (square := points.get((int(point.x // Grid.SIDE), int(point.y // Grid.SIDE)))) is not None:
                square.append(point)
    placed = list(labels)
    others = Grid()
    for index, label in enumerate(labels):
        if label:
            others.add(index, label)

    def crossed(label: Rect) -> bool:
        return any(label.left <= x <= label.right and label.top < y < label.bottom for square in Grid.touched(label) for x, y in points[square])

    def taken(room: Rect, index: int) -> bool:
        return (any(room.meets(box) for _, box in solid.near(room))
                or any(other != index and placed[other] == rect and room.meets(rect) for other, rect in others.near(room)))

    for index, label in enumerate(labels):
        if label and crossed(label):
            for x, y in _STEPS:
                moved = Rect(label.left + x, label.top + y, label.right + x, label.bottom + y)
                if whole.holds(moved) and not crossed(moved.grown(1)) and not taken(moved.grown(2), index):
                    placed[index] = moved
                    others.add(index, moved)
                    break
    return placed
