"""Bézier curves of a layout in; curves beside them, their ends on the borders of boxes, and arrowheads out."""
from __future__ import annotations

import math
from collections.abc import Iterator

from symgrad.render.geometry import Curve, Point, Rect

__all__ = ["beside", "towards", "attached", "arrow", "samples"]

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


def towards(curve: Curve, point: Point) -> tuple[int, Point]:
    """On which side of the curve the point lies (1 to the right of the way, -1 to the left), and the unit vector across to that side."""
    line = list(samples(curve))
    nearest = min(range(len(line) - 1), key=lambda index: math.dist(line[index], point))
    way = _direction(line[nearest], line[nearest + 1])
    side = 1 if way.x * (point.y - line[nearest].y) - way.y * (point.x - line[nearest].x) >= 0 else -1
    return side, Point(-way.y * side, way.x * side)


def attached(curve: Curve, tail: Rect, head: Rect, inset: float) -> Curve:
    """The curve with its ends put back on the borders of the boxes that it connects, `inset` pixels away from their corners."""
    points = list(curve)
    points[0], points[1] = _onto(points[0], points[1], tail, inset)
    points[-1], points[-2] = _onto(points[-1], points[-2], head, inset)
    return tuple(points)


def _onto(end: Point, control: Point, rect: Rect, inset: float) -> tuple[Point, Point]:
    """An end on the nearest side of the box, reached straight ahead if that is not far, and its control point moved as far."""
    inset = min(inset, rect.size.width / 3, rect.size.height / 3)
    way = _direction(control, end)

    def clamped(point: Point) -> Point:
        return Point(min(max(point.x, rect.left + inset), rect.right - inset), min(max(point.y, rect.top + inset), rect.bottom - inset))

    def ahead(distance: float, speed: float) -> Point:
        step = distance / speed if abs(speed) > 0.3 else 0
        return clamped(Point(end.x + way.x * step, end.y + way.y * step) if abs(step) < 12 else end)

    inner = clamped(end)
    sides = (
        (Point(rect.left, inner.y), Point(rect.left, ahead(rect.left - end.x, way.x).y)),
        (Point(rect.right, inner.y), Point(rect.right, ahead(rect.right - end.x, way.x).y)),
        (Point(inner.x, rect.top), Point(ahead(rect.top - end.y, way.y).x, rect.top)),
        (Point(inner.x, rect.bottom), Point(ahead(rect.bottom - end.y, way.y).x, rect.bottom)))
    place = min(sides, key=lambda side: math.dist(side[0], end))[1]
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
