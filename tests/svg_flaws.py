"""A finished picture as SVG in; what overlaps in it or sticks out of its page, measured on the outlines themselves, out."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

from symgrad.render.curves import samples
from symgrad.render.geometry import Grid, Point, Rect

__all__ = ["Thing", "flaws_of", "things"]

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = {"ink", "small", "label", "note"}
KNOWN = {"svg", "style", "defs", "title", "g", "path", "rect", "circle", "use"}


@dataclass(frozen=True)
class Thing:
    """What is drawn somewhere: "text", "box", "arrow", "life", "mark" or "frame", what it belongs to (an id), and the room it takes."""

    kind: str
    owner: str
    room: Rect


def things(svg: str) -> tuple[Rect, list[Thing]]:
    """The page, and all that is drawn on it."""
    root = ElementTree.fromstring(svg)
    left, top, wide, high = (float(number) for number in root.get("viewBox", "").split())
    outlines = {path.get("id"): _points(path.get("d", "")) for defs in root.iter(f"{SVG}defs") for path in defs}
    return Rect(left, top, left + wide, top + high), list(_walk(root, Point(0, 0), "", "", outlines))


def _walk(element: ElementTree.Element, at: Point, kind: str, owner: str, outlines: dict[str | None, Rect]) -> Iterator[Thing]:
    for number, child in enumerate(element):
        tag, style = child.tag.removeprefix(SVG), set(child.get("class", "").split())
        assert tag in KNOWN, f"nobody measures <{tag}>"
        if tag in ("style", "defs", "title") or "paper" in style or "halo" in style:
            continue
        move, scale = _transform(child.get("transform", ""))
        here = Point(at.x + move.x, at.y + move.y)
        if tag == "g":
            inner = next((name for name in ("box", "arrow", "life", "legend") if name in style), "text" if style & TEXTS else kind)
            own = child.get("id") or (f"{owner}/{number}" if inner in ("text", "legend", "life") or kind == "legend" else owner)
            inside = list(_walk(child, here, inner, own, outlines))
            if inner == "text" and kind != "text" and inside:        # one text is one thing
                yield Thing("text", owner or own, _union([thing.room for thing in inside]))
            elif inner == "box" and kind != "box":
                forms = [thing.room for thing in inside if thing.kind == "box"]
                yield Thing("box", own, _union(forms))
                yield from (thing for thing in inside if thing.kind != "box")
            else:
                yield from inside
        elif tag == "use":
            yield Thing(kind, owner, _moved(outlines[child.get("href", "#")[1:]], here, scale))
        elif tag == "path":
            yield Thing("box" if "form" in style else kind, owner, _moved(_points(child.get("d", "")), here, 1))
        elif tag == "circle":
            x, y, r = (float(child.get(name, 0)) for name in ("cx", "cy", "r"))
            yield Thing("mark", owner, Rect(here.x + x - r, here.y + y - r, here.x + x + r, here.y + y + r))
        elif tag == "rect":
            x, y, w, h = (float(child.get(name, 0)) for name in ("x", "y", "width", "height"))
            what = "box" if "form" in style else "frame" if "frame" in style else "cells" if style & {"zero", "full"} else kind
            yield Thing(what, owner, Rect(here.x + x, here.y + y, here.x + x + w, here.y + y + h))


def _transform(text: str) -> tuple[Point, float]:
    move = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", text)
    scale = re.search(r"scale\(([-\d.e]+)\)", text)
    return Point(float(move[1]), float(move[2])) if move else Point(0, 0), float(scale[1]) if scale else 1.0


@cache
def _points(path: str) -> Rect:
    """The room of a path; with relative lines only in the rules of a matrix, which are `h` and `v`."""
    x = y = 0.0
    xs, ys = [], []
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        values = [float(number) for number in re.findall(r"-?\d*\.?\d+(?:e-?\d+)?", numbers)]
        match letter:
            case "H":
                pairs = [(value, y) for value in values]
            case "V":
                pairs = [(x, value) for value in values]
            case "h":
                pairs = [(x + value, y) for value in values]
            case "v":
                pairs = [(x, y + value) for value in values]
            case "C":
                corners = [Point(x, y), *(Point(*pair) for pair in zip(values[::2], values[1::2], strict=True))]
                pairs = [tuple(point) for point in samples(tuple(corners), 20)]
            case "M" | "L" | "Q":
                pairs = list(zip(values[::2], values[1::2], strict=True))
            case _:
                assert letter in "Zz", f"nobody measures {letter}"
                continue
        xs += [pair[0] for pair in pairs]
        ys += [pair[1] for pair in pairs]
        x, y = pairs[-1]
    return Rect(min(xs), min(ys), max(xs), max(ys))


def _moved(rect: Rect, by: Point, scale: float) -> Rect:
    return Rect(by.x + scale * rect.left, by.y + scale * rect.top, by.x + scale * rect.right, by.y + scale * rect.bottom)


def _union(rects: list[Rect]) -> Rect:
    whole = rects[0]
    for rect in rects:
        whole = whole.union(rect)
    return whole


def flaws_of(svg: str) -> list[str]:
    """What sticks out of the page; texts and boxes that overlap; text that sticks out of its box; lifelines over boxes of others."""
    page, found = things(svg)
    flaws = [f"{thing} sticks out of the page {page}" for thing in found if not page.holds(thing.room)]
    boxes = {thing.owner: thing.room for thing in found if thing.kind == "box"}
    solid = [thing for thing in found if thing.kind in ("text", "box", "life")]
    grid = Grid()
    for number, thing in enumerate(solid):
        for place in sorted({place for place, _ in grid.near(thing.room)}):
            other = solid[place]
            own = thing.owner == other.owner and (thing.kind == "box" or other.kind == "box")     # a text in its box, the cards of a pile
            through = {thing.kind, other.kind} == {"life"} or ({thing.kind, other.kind} == {"life", "box"} and _touching(thing.room, other.room))
            if thing.room.meets(other.room) and not own and not through:
                flaws.append(f"{thing} overlaps {other}")
        grid.add(number, thing.room)
    flaws += [f"{thing} sticks out of its box" for thing in found if thing.kind == "text" and thing.owner in boxes and not boxes[thing.owner].grown(0.5).holds(thing.room)]
    return flaws


def _touching(one: Rect, other: Rect) -> bool:
    """A lifeline begins at the border of its box, which is drawn a little over it."""
    return min(one.bottom, other.bottom) - max(one.top, other.top) < 3
