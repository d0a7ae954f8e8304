"""Bézier curves of a layout in; curves beside them, their ends on the borders of boxes, and arrowheads out."""
from __future__ import annotations

import math
from collections.abc import Iterator

from symgrad.render.geometry import Curve, Point, Rect

__all__ = ["beside", "side_of", "attached", "arrow", "samples"]

_LENGTH, _HALF = 7.5, 3.1                            # of an arrowhead, in pixels


def _direction(start: Point, end: Point) -> Point:
    """The unit vector from one point to another, or to the right where they are the same."""
    x, y = end.x - start.x, end.y - start.y
    length = math.hypot(x, y)
    return Point(x / length, y / length) if length > 1e-6 else Point(1, 0)


def _normals(curve: Curve) -> list[Point]:
    """For each knot the unit vector to the right of the way (downwards where it runs to the right)."""
    normals = []
    for knot in range(0, len(curve), 3):
        before = next((curve[i] for i in range(knot - 1, -1, -1) if math.dist(curve[i], curve[knot]) > 0.5), curve[knot])
        after = next((curve[i] for i in range(knot + 1, len(curve)) if math.dist(curve[i], curve[knot]) > 0.5), curve[knot])
        way = _direction(before, after)
        normals.append(Point(-way.y, way.x))
    return normals


def beside(curve: Curve, distance: float) -> Curve:
    """The curve moved to its right by a small distance in pixels (to its left if negative)."""
    normals = _normals(curve)
    return tuple(Point(x + distance * normals[(index + 1) // 3].x, y + distance * normals[(index + 1) // 3].y)
                 for index, (x, y) in enumerate(curve))


def samples(curve: Curve, steps: int = 8) -> Iterator[Point]:
    """Points along the curve, `steps` for each of its segments."""
    for start in range(0, len(curve) - 1, 3):
        a, b, c, d = curve[start:start + 4]
        for step in range(steps + 1):
            t = step / steps
            u = 1 - t
            yield Point(u**3 * a.x + 3 * u * u * t * b.x + 3 * u * t * t * c.x + t**3 * d.x,
                        u**3 * a.y + 3 * u * u * t * b.y + 3 * u * t * t * c.y + t**3 * d.y)


def side_of(curve: Curve, point: Point) -> int:
    """1 if the point lies to the right of the curve, -1 if to the left."""
    line = list(samples(curve))
    nearest = min(range(len(line) - 1), key=lambda index: math.dist(line[index], point))
    way = _direction(line[nearest], line[nearest + 1])
    return 1 if way.x * (point.y - line[nearest].y) - way.y * (point.x - line[nearest].x) >= 0 else -1


def attached(curve: Curve, tail: Rect, head: Rect) -> Curve:
    """The curve with its ends put back on the borders of the boxes that it connects."""
    points = list(curve)
    points[0], points[1] = _onto(points[0], points[1], tail)
    points[-1], points[-2] = _onto(points[-1], points[-2], head)
    return tuple(points)


def _onto(end: Point, control: Point, rect: Rect) -> tuple[Point, Point]:
    """An end on the nearest side of the box, away from its corners, and its control point moved as far."""
    inset = min(5.0, rect.size.width / 4, rect.size.height / 4)
    x = min(max(end.x, rect.left + inset), rect.right - inset)
    y = min(max(end.y, rect.top + inset), rect.bottom - inset)
    sides = [(abs(end.x - rect.left), Point(rect.left, y)), (abs(end.x - rect.right), Point(rect.right, y)),
             (abs(end.y - rect.top), Point(x, rect.top)), (abs(end.y - rect.bottom), Point(x, rect.bottom))]
    place = min(sides, key=lambda side: (math.dist(side[1], end), side[0]))[1]
    return place, Point(control.x + place.x - end.x, control.y + place.y - end.y)


def arrow(curve: Curve) -> tuple[Curve, tuple[Point, Point, Point]]:
    """The curve shortened by its arrowhead, and the three corners of that, the tip first."""
    tip = curve[-1]
    before = next((point for point in reversed(curve[:-1]) if math.dist(point, tip) > 0.5), tip)
    way = _direction(before, tip)
    back = Point(tip.x - _LENGTH * way.x, tip.y - _LENGTH * way.y)
    corners = (tip, Point(back.x - _HALF * way.y, back.y + _HALF * way.x), Point(back.x + _HALF * way.y, back.y - _HALF * way.x))
    end = Point(back.x + way.x, back.y + way.y)
    control = Point(curve[-2].x + end.x - tip.x, curve[-2].y + end.y - tip.y)
    return (*curve[:-2], control, end), corners
