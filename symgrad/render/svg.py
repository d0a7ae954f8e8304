"""A diagram in; one self-contained SVG out, its mathematics as outlines, so that it looks the same wherever it is shown."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from symgrad.core.node import growing
from symgrad.errors import InputError
from symgrad.explain.diagram import BoxKind, Cells, Diagram
from symgrad.render.curves import arrow, samples
from symgrad.render.figure import PAGE, Face, Figure, Route, figure, title_lines
from symgrad.render.geometry import Curve, Frame, Point, Rect, Size
from symgrad.render.glyphs import Drawing, Glyph, words
from symgrad.render.markup import escaped
from symgrad.render.theme import Theme, style_sheet
from symgrad.render.timeline import Lifeline

__all__ = ["KINDS", "Extra", "SharedPictures", "Writer", "at", "check_theme", "path_of", "sides", "swatch", "to_svg", "to_svgs"]

_MARGIN, _TITLE, _LEGEND, _NARROWEST = 10.0, 16.0, 11.0, 320.0
_SAMPLE = Size(26, 16)
KINDS: dict[str, str] = {
    "data": "data", "param": "parameter", "const": "constant", "op": "operation", "output": "output", "gradient": "gradient",
    "fold": "layers, folded", "kept": "cached", "forward": "value", "backward": "derivative", "reuse": "cached value read",
}
"""What the legend calls each kind of box and arrow, in its order."""


def to_svg(diagram: Diagram, *, theme: Theme = "light", prefix: str = "g") -> str:
    """The picture as SVG text, the same for the same diagram and engine.

    Args:
        diagram: what is drawn.
        theme: "light", "dark", or "auto" for what the reader's system prefers.
        prefix: begins every id and scopes the style, so that pictures with different prefixes can share a page.

    Raises:
        InputError: unknown theme, a prefix that is no XML name, or an engine asked for by SYMGRAD_ENGINE that gives no layout.
    """
    check_theme(theme)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", prefix):
        raise InputError(f"a prefix begins with a letter and holds letters, digits and -, not {prefix!r}")
    return Writer(figure(diagram), prefix, prefix, {}).picture(theme)


class SharedPictures(NamedTuple):
    """Pictures of one page without their titles, and what they share: the style sheet, an <svg> that shows nothing but has the outlines of letters."""

    style: str
    outlines: str
    pictures: list[str]


def to_svgs(diagrams: Iterable[Diagram], *, theme: Theme = "light", scope: str = "g", room: Size = PAGE) -> SharedPictures:
    """Pictures for one page that has that room for one of them; ids in the first begin with `scope` and 0, and all have the class `scope`.

    Raises as `to_svg` does.
    """
    check_theme(theme)
    glyphs: dict[str, int] = {}
    pictures = [Writer(figure(diagram, room), f"{scope}{number}", scope, glyphs).picture(None) for number, diagram in enumerate(diagrams)]
    outlines = f'<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>{_outlines(glyphs, scope)}</defs></svg>\n'
    return SharedPictures(style_sheet(theme, scope), outlines, pictures)


def swatch(kind: str, scope: str) -> str:
    """The legend's sample of a kind by itself, for a page that has the style sheet of `scope`."""
    return (f'<svg class="{scope}" width="32" height="20" viewBox="-3 -10 32 20" aria-hidden="true">'
            f'<g class="{kind}">{_sample(kind, 0, 0).strip()}</g></svg>')


def check_theme(theme: str) -> None:
    """Raises InputError for a word that is no theme."""
    if theme not in get_args(Theme):
        raise InputError(f"the theme of a picture is one of {', '.join(get_args(Theme))}, not {theme!r}")


def _outlines(glyphs: dict[str, int], scope: str) -> str:
    return "".join(f'<path id="{scope}-{number}" d="{outline}"/>' for outline, number in glyphs.items())


@dataclass(frozen=True, slots=True)
class Extra:
    """What a picture has beside itself: marks over it, in its own coordinates; marks below it, centred, and their size; and their style."""

    over: str
    below: str
    foot: Size
    style: str


class Writer:
    """Writes one picture, its ids after `prefix`; it numbers the glyphs, which pictures of one `scope` share, in the order of their first use."""

    def __init__(self, drawn: Figure, prefix: str, scope: str, glyphs: dict[str, int]) -> None:
        self.figure, self.prefix, self.scope, self.glyphs = drawn, prefix, scope, glyphs
        self.names = {box.id: box.text for box in drawn.diagram.boxes}

    @growing()
    def picture(self, theme: Theme | None, extra: Extra | None = None) -> str:
        """The `<svg>`; with no theme its title, its style and its outlines stand elsewhere on the page."""
        drawn = self.figure
        width = max(drawn.layout.size.width, _NARROWEST, extra.foot.width if extra else 0)
        title = title_lines(drawn.diagram.title, width, _TITLE) if theme else []
        top = _MARGIN + sum(line.size.height + 4 for line in title) + (8 if title else 0)
        left = _MARGIN + (width - drawn.layout.size.width) / 2
        bottom = top + drawn.layout.size.height
        legend, height = self.legend(width, bottom + 14) if drawn.diagram.legend else ("", 0)
        foot = bottom + (14 + height if height else 0) + 14
        total = Size(width + 2 * _MARGIN, (foot + extra.foot.height if extra else foot - 14) + _MARGIN)
        body = "".join((
            self.title(title, width), f'<g transform="translate({at(left)} {at(top)})">\n',
            *(self.frame(frame, label, name) for frame, (name, label) in zip(drawn.layout.frames, drawn.groups, strict=True) if frame),
            *map(self.lifeline, drawn.lifelines), *map(self.route, drawn.routes),
            *(self.drawing(note, corner, "note") for note, corner in drawn.notes),
            *(self.box(number, face, rect) for number, (face, rect) in enumerate(zip(drawn.faces, drawn.layout.boxes, strict=True))),
            extra.over if extra else "", "</g>\n", legend))
        if extra:
            body += f'<g transform="translate({at(_MARGIN + width / 2)} {at(foot)})">\n{extra.below}</g>\n'
        own = ""
        if theme:
            own = (f"<style>{style_sheet(theme, self.scope)}{extra.style if extra else ''}</style>\n"
                   f"<defs>{_outlines(self.glyphs, self.scope)}</defs>\n")
        name = escaped(drawn.diagram.title.strip() or "a diagram")
        wide, high = at(total.width), at(total.height)
        size = f'width="{wide}" height="{high}"'
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="{self.scope}" {size} viewBox="0 0 {wide} {high}" role="img" '
                f'aria-label="{name}">\n{own}<rect class="paper" {size}/>\n{body}</svg>\n')

    def title(self, lines: Sequence[Drawing], width: float) -> str:
        written, top = "", _MARGIN
        for line in lines:
            written += self.drawing(line, Point(_MARGIN + (width - line.size.width) / 2, top), "ink title")
            top += line.size.height + 4
        return written

    def drawing(self, drawing: Drawing, corner: Point, style: str) -> str:
        """The marks with their upper left corner at a point."""
        marks = []
        for mark in drawing.marks:
            colour = f' fill="{mark.colour}"' if mark.colour else ""
            if isinstance(mark, Glyph):
                number = self.glyphs.setdefault(mark.outline, len(self.glyphs))
                scale = "" if abs(mark.scale - 1) < 1e-4 else f" scale({mark.scale:.4g})"
                place = f"translate({at(mark.x, 2)} {at(mark.y, 2)}){scale}"
                marks.append(f'<use href="#{self.scope}-{number}" transform="{place}"{colour}/>')
            elif mark.stroke:
                marks.append(f'<path d="{_ring(mark.rect, mark.stroke)}" fill-rule="evenodd"{colour}/>')
            else:
                marks.append(f"<rect {sides(mark.rect, 2)}{colour}/>")
        return f'<g class="{style}" transform="translate({at(corner.x, 2)} {at(corner.y, 2)})">{"".join(marks)}</g>\n' if marks else ""

    def frame(self, frame: Frame, label: Drawing, name: str) -> str:
        return (f'<g class="group" data-group="{escaped(name)}"><title>{escaped(name)}</title><rect class="frame" {sides(frame.outline)} rx="9"/>'
                f'{self.drawing(label, Point(frame.label.left, frame.label.top), "small")}</g>\n')

    def lifeline(self, line: Lifeline) -> str:
        end = f'<path class="line" d="M{_pair(Point(line.rect.left - 3, line.rect.bottom))}H{at(line.rect.right + 3)}"/>' if line.ends else ""
        return f'<g class="{"life kept" if line.kept else "life"}"><rect class="held" {sides(line.rect)}/>{end}</g>\n'

    def route(self, route: Route) -> str:
        written = route.arrow.tooltip or (f"{self.names[route.arrow.tail]} → {self.names[route.arrow.head]}"
                                          + (f": {route.arrow.tex}" if route.arrow.tex.strip() else ""))
        label, line = "", _arrow(route.curve)
        if route.label and route.room:               # paper behind it dims the lines that it cannot keep clear of
            around = Rect.around(*route.room.centre, route.label.size).grown(1.5)
            label = f'<rect class="halo" {sides(around)} rx="3"/>' + self.drawing(route.label, Point(route.room.left, route.room.top), "label")
        if route.arrow.kind == "product" and route.label:        # a sign midway, and no line
            line, points = "", list(samples(route.curve))
            (x, y), size = points[len(points) // 2], route.label.size
            label = self.drawing(route.label, Point(x - size.width / 2, y - size.height / 2), "label")
        ends = f'data-tail="{escaped(route.arrow.tail)}" data-head="{escaped(route.arrow.head)}"'
        return (f'<g class="arrow {route.arrow.kind}{" faded" if route.arrow.faded else ""}" id="{self.prefix}-a{route.number}" {ends}>'
                f"<title>{escaped(written)}</title>\n{line}{label}</g>\n")

    def box(self, number: int, face: Face, rect: Rect) -> str:
        box = face.box
        tooltip = box.tooltip or " ".join(filter(None, (box.text, f"({box.shape_text})" if box.shape_text.strip() else "")))
        x, y = rect.centre.x, rect.centre.y - (sum(size.height + 3 for _, size in face.parts()) - 3) / 2
        inside = ""
        for what, size in face.parts():
            corner = Point(x - size.width / 2, y)
            match what:
                case "cells" if box.cells:
                    inside += _cells(box.cells, corner, face.cell)
                case "name":
                    inside += self.drawing(face.name, corner, "ink")
                case "shape" if face.shape:
                    inside += self.drawing(face.shape, corner, "small")
                case "note" if face.note:
                    inside += self.drawing(face.note, corner, "note")
            y += size.height + 3
        style = f"box {box.kind}" + " kept" * box.kept + " faded" * box.faded
        mark = f'<circle class="mark" cx="{at(rect.right - 1)}" cy="{at(rect.top + 1)}" r="4"/>' if box.kept else ""
        return (f'<g class="{style}" id="{self.prefix}-b{number}" data-id="{escaped(box.id)}" role="img" '
                f'aria-label="{escaped(box.tex)}"><title>{escaped(tooltip)}</title>{_form(box.kind, rect)}{mark}\n{inside}</g>\n')

    def legend(self, width: float, top: float) -> tuple[str, float]:
        """Samples of what occurs, in rows of at most that width, and their height; nothing if only one kind of thing occurs."""
        diagram = self.figure.diagram
        used: set[str] = {box.kind for box in diagram.boxes}
        used.update(arrow.kind for arrow in diagram.arrows)
        used.update("kept" for box in diagram.boxes if box.kept)
        kinds = [kind for kind in KINDS if kind in used]
        if len(kinds) < 3:
            return "", 0
        entries = [(kind, words(KINDS[kind], _LEGEND)) for kind in kinds]

        def length(row: Sequence[tuple[str, Drawing]]) -> float:
            return sum(_SAMPLE.width + 6 + word.size.width + 18 for _, word in row) - 18

        many = next(many for many in range(len(entries), 0, -1)
                    if many == 1 or all(length(entries[i:i + many]) <= width for i in range(0, len(entries), many)))
        many = -(-len(entries) // -(-len(entries) // many))              # rows of nearly the same length
        rows = [entries[start:start + many] for start in range(0, len(entries), many)]
        written = '<g class="legend">\n'
        for row, shown in enumerate(rows):
            long = length(shown)
            x, middle = _MARGIN + (width - long) / 2, top + 22 * row + 9
            for kind, word in shown:
                written += f'<g class="{kind}">{_sample(kind, x, middle)}</g>\n'
                written += self.drawing(word, Point(x + _SAMPLE.width + 6, middle - word.size.height / 2), "small")
                x += _SAMPLE.width + 6 + word.size.width + 18
        return written + "</g>\n", 22 * len(rows) - 4


def _sample(kind: str, x: float, middle: float) -> str:
    if kind in get_args(BoxKind):
        return _form(kind, Rect(x, middle - _SAMPLE.height / 2, x + _SAMPLE.width, middle + _SAMPLE.height / 2))
    start, end = Point(x - 2, middle), Point(x + _SAMPLE.width, middle)
    if kind == "kept":
        return f'<circle class="mark" cx="{at(x + _SAMPLE.width / 2)}" cy="{at(middle)}" r="4"/>'
    start, end = (end, start) if kind == "backward" else (start, end)
    return _arrow((start, start, end, end))


def _form(kind: str, rect: Rect) -> str:
    """The outline of a box; each kind can be told by its form alone."""
    if kind == "data":
        return f'<rect class="form" {sides(rect)} rx="{at(min(rect.size.height / 2, 15))}"/>'
    if kind == "param":
        return f'<rect class="form" {sides(rect)} rx="4"/><rect class="form" {sides(rect.grown(-3))} rx="2"/>'
    if kind == "output":
        cut = min(8.0, rect.size.height / 3)
        left, top, right, bottom = rect
        corners = [(left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut),
                   (right - cut, bottom), (left + cut, bottom), (left, bottom - cut), (left, top + cut)]
        return f'<path class="form" d="M{"L".join(_pair(Point(*corner)) for corner in corners)}Z"/>'
    if kind == "fold":                               # a pile of three cards, the last one in front
        cards = (Rect(rect.left + 6 - 3 * k, rect.top + 2 * k, rect.right - 3 * k, rect.bottom - 4 + 2 * k) for k in range(3))
        return "".join(f'<rect class="form" {sides(card)} rx="3"/>' for card in cards)
    return f'<rect class="form" {sides(rect)} rx="3"/>'


def _cells(cells: Cells, corner: Point, side: float) -> str:
    """A matrix of cells: neighbours that are filled are one bar; lines around it and between its blocks."""
    high, wide = len(cells.filled), len(cells.filled[0])
    bars = []
    for row, line in enumerate(cells.filled):
        column = 0
        while column < wide:
            end = column
            while end < wide and line[end]:
                end += 1
            if end > column:
                left, top = corner.x + column * side, corner.y + row * side
                bars.append(f'<rect class="full" {sides(Rect(left, top, left + (end - column) * side, top + side), 2)}/>')
            column = end + 1
    lines = [f"M{at(corner.x)},{at(corner.y + k * side)}h{at(wide * side)}" for k in _lines(high, cells.rows_each)]
    lines += [f"M{at(corner.x + k * side)},{at(corner.y)}v{at(high * side)}" for k in _lines(wide, cells.columns_each)]
    outline = Rect(corner.x, corner.y, corner.x + wide * side, corner.y + high * side)
    return f'<rect class="zero" {sides(outline)}/>{"".join(bars)}<path class="rule" d="{"".join(lines)}"/>\n'


def _lines(count: int, each: int) -> list[int]:
    return [0, *(range(each, count, each) if each else ()), count]


def _arrow(curve: Curve) -> str:
    line, tip = arrow(curve)
    return f'<path class="line" d="{path_of(line)}"/><path class="tip" d="M{"L".join(map(_pair, tip))}Z"/>\n'


def path_of(curve: Curve) -> str:
    """A curve as the data of an SVG path."""
    return f"M{_pair(curve[0])}C{_pairs(curve[1:])}"


def _ring(rect: Rect, stroke: float) -> str:
    return "".join(f"M{at(r.left, 2)} {at(r.top, 2)}H{at(r.right, 2)}V{at(r.bottom, 2)}H{at(r.left, 2)}Z"
                   for r in (rect.grown(stroke / 2), rect.grown(-stroke / 2)))


def sides(rect: Rect, digits: int = 1) -> str:
    """Place and size of a rectangle as attributes."""
    return (f'x="{at(rect.left, digits)}" y="{at(rect.top, digits)}" width="{at(rect.size.width, digits)}" '
            f'height="{at(rect.size.height, digits)}"')


def _pair(point: Point) -> str:
    return f"{at(point.x)},{at(point.y)}"


def _pairs(points: Iterable[Point]) -> str:
    return " ".join(map(_pair, points))


def at(number: float, digits: int = 1) -> str:
    """A number, rounded, as short as it can be written."""
    text = f"{number:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
