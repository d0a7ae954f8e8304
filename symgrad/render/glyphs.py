"""LaTeX or plain text in; a drawing of glyph outlines and bars out, which needs no font where it is looked at."""
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from symgrad.errors import InputError
from symgrad.render.geometry import Rect, Size

if TYPE_CHECKING:
    from ziafont.font import Font

__all__ = ["Glyph", "Bar", "Drawing", "formula", "words", "shortened"]

_EM = 12                                             # pixels a glyph's outline is drawn in
_ziamath = Lock()                                    # its settings are global


@dataclass(frozen=True, slots=True)
class Glyph:
    """An outline (SVG path data), scaled and moved to its place; `colour` is empty for that of the surroundings."""

    outline: str
    x: float
    y: float
    scale: float
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: a fraction bar, the top of a root; with `stroke` above 0 the frame of a boxed formula instead."""

    rect: Rect
    stroke: float = 0
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Marks within (0, 0) and `size`, in pixels, y downwards."""

    size: Size
    marks: tuple[Glyph | Bar, ...]


@lru_cache(maxsize=4096)
def formula(tex: str, pixels: float) -> Drawing:
    """The formula in a letter size of `pixels`.

    Raises:
        InputError: the formula cannot be read; the message shows it.
    """
    from ziamath.config import config
    from ziamath.tex import tex2mml
    from ziamath.zmath import Math

    with _ziamath:
        settings = config.svg2, config.precision
        config.svg2, config.precision = True, 3
        try:
            markup = tex2mml(re.sub(r"\\tag\{[^}]*\}", "", tex))
            if "\\widehat" not in tex:               # its \hat is as wide as its \widehat, and off to the left
                markup = markup.replace("<mo>&#x00302;", '<mo stretchy="false">&#710;')
            return _drawing(Math(markup, size=pixels, margin=0.5).svgxml())
        except Exception as error:                   # it raises whatever it trips over
            raise InputError(f"this formula cannot be drawn, {type(error).__name__} {error}: {tex}".replace("\n", " ")) from error
        finally:
            config.svg2, config.precision = settings


def _drawing(picture: ElementTree.Element) -> Drawing:
    left, top, width, height = map(float, picture.attrib["viewBox"].split())
    # A tall bracket is put together from several outlines, under a name that differs from run to run.
    symbols = {symbol.get("id"): symbol for symbol in picture.iter("symbol")}
    outlines = {name: "".join(_tidy(path.attrib["d"]) for path in symbol.iter("path")) for name, symbol in symbols.items()}
    inner = {part for symbol in symbols.values() for part in symbol.iter()}
    marks: list[Glyph | Bar] = []
    for element in picture.iter():
        if element in inner or element.tag in ("svg", "g"):
            continue
        colour = element.get("fill", "")
        colour = "" if colour in ("black", "none") or not re.fullmatch(r"#?\w+", colour) else colour
        x, y, wide, high = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
        if element.tag == "use":
            name = element.attrib["href"][1:]
            box = list(map(float, symbols[name].attrib["viewBox"].split()))
            scale = high / box[3]
            if outlines[name]:
                marks.append(Glyph(outlines[name], x - left - box[0] * scale, y - top - box[1] * scale, scale, colour))
        elif element.tag == "rect":
            stroke = float(element.get("stroke-width", 0)) if element.get("stroke", "none") != "none" else 0
            marks.append(Bar(Rect(x - left, y - top, x - left + wide, y - top + high), stroke, colour))
        else:
            raise InputError(f"<{element.tag}> is no outline")
    return Drawing(Size(width, height), tuple(marks))


@lru_cache(maxsize=4096)
def _tidy(outline: str) -> str:
    """Path data without the doubled start and the blanks that XML does not need."""
    outline = re.sub(r"(M [^MLQCZ]*)L ([^MLQCZ]*)", lambda found: found[1] if found[1][2:] == found[2] else found[0], outline)
    return re.sub(r" ?([MLQCZ]) ?", r"\1", outline).replace(" -", "-").strip()


@cache
def _font(scripts: bool) -> Font:
    """The mathematical font, or one that knows more scripts, which takes half a second to read."""
    from importlib.resources import files

    from ziafont.font import Font

    return Font() if scripts else Font(str(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"))


@cache
def _letter(letter: str) -> tuple[str, float]:
    """Outline and advance at 12 pixels; a letter that no font has is an empty box."""
    font = _font(False)
    if not font.glyphindex(letter) and _font(True).glyphindex(letter):
        font = _font(True)
    glyph = font.glyph(letter)
    path = glyph.svgpath()
    return "" if path is None else _tidy(path.attrib["d"]), glyph.advance() * _EM / font.info.layout.unitsperem


@lru_cache(maxsize=4096)
def words(text: str, pixels: float) -> Drawing:
    """Plain text on one line; control characters count as blanks."""
    marks: list[Glyph | Bar] = []
    x, scale = 0.0, pixels / _EM
    for letter in " ".join(text.split()):
        outline, advance = _letter(letter if letter.isprintable() else " ")
        if outline:
            marks.append(Glyph(outline, round(x, 3), round(pixels * 0.78, 3), scale))
        x += advance * scale
    return Drawing(Size(round(x, 3), round(pixels * 1.04, 3)), tuple(marks))


def shortened(text: str, pixels: float, width: float) -> Drawing:
    """Plain text, cut at the end (`…`) so that it is at most `width` wide."""
    text = " ".join(text.split())
    if (whole := words(text, pixels)).size.width <= width:
        return whole
    room = width - words("…", pixels).size.width
    used, kept = 0.0, 0
    for letter in text:
        used += _letter(letter if letter.isprintable() else " ")[1] * pixels / _EM
        if used > room:
            break
        kept += 1
    return words(text[:kept].rstrip() + "…", pixels)
