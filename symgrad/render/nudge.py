"""Labels, lines and boxes of a picture in; labels moved off the lines that run through them out, where there is room beside."""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from symgrad.render.curves import samples
from symgrad.render.geometry import Curve, Rect, Size

__all__ = ["off_the_lines"]

_STEPS = tuple((distance * x, distance * y) for distance in (4, 8, 12, 18, 24)
               for x, y in ((0, 1), (0, -1), (1, 0), (-1, 0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7)))


def off_the_lines(labels: Sequence[Rect | None], curves: Iterable[Curve], boxes: Sequence[Rect], size: Size) -> list[Rect | None]:
    """The labels within a picture of that size, each where it was or, if a line crosses it, at most 24 pixels away."""
    if not any(labels):
        return list(labels)
    points = sorted(point for curve in curves for point in samples(curve, 12))
    left = [point.x for point in points]
    whole = Rect(0, 0, *size)
    placed = list(labels)

    def crossed(label: Rect) -> bool:
        near = points[bisect_left(left, label.left):bisect_right(left, label.right)]
        return any(label.top < point.y < label.bottom for point in near)

    for index, label in enumerate(labels):
        if label and crossed(label):
            others = [other for place, other in enumerate(placed) if other and place != index]
            for x, y in _STEPS:
                moved = Rect(label.left + x, label.top + y, label.right + x, label.bottom + y)
                free = whole.holds(moved) and not crossed(moved.grown(1))
                if free and not any(moved.grown(2).meets(solid) for solid in (*boxes, *others)):
                    placed[index] = moved
                    break
    return placed
