"""A diagram in; its picture as PNG, and as a PDF of one page that is as big as the picture, out."""
from __future__ import annotations

import math

from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.diagram import Diagram
from symgrad.render.pdf import compiled
from symgrad.render.pictures import size_of
from symgrad.render.svg import to_svg
from symgrad.render.theme import Theme
from symgrad.render.typst_math import quoted

__all__ = ["png_of", "to_picture_pdf", "to_png"]

_MOST = 100_000_000                                  # dots of a picture: 400 MB while it is drawn
_POINT, _LONGEST = 0.75, 14_400.0                    # points to a pixel; the longest side of a page that readers of PDF show


def to_png(diagram: Diagram, *, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """The picture as PNG on the paper of the theme ("auto" is light here), `scale` dots for each of its pixels.

    Raises:
        InputError: what `to_svg` raises; a scale that is not above 0; over 100 million dots.
        MissingExtraError: resvg is not installed.
    """
    return png_of(to_svg(diagram, theme="light" if theme == "auto" else theme), scale)


def png_of(svg: str, scale: float = 1.0) -> bytes:
    """An SVG of this package as PNG on white paper, the same bytes for the same picture. Raises what `to_png` does."""
    if not (scale > 0 and math.isfinite(scale)):
        raise InputError(f"the scale of a picture is a number above 0, not {scale!r}")
    width, height = size_of(svg)
    if width * height * scale**2 > _MOST:
        most = math.floor(100 * math.sqrt(_MOST / width / height)) / 100
        raise InputError(f"a picture of {width * scale:.0f} x {height * scale:.0f} dots is too big for a PNG; write it as .svg or .pdf, "
                         f"or with a scale of {most:g} at most")
    try:
        import resvg_py
    except ModuleNotFoundError:
        raise MissingExtraError("resvg-py", "png") from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", skip_system_fonts=True, zoom=scale))


def to_picture_pdf(diagram: Diagram, *, theme: Theme = "light") -> bytes:
    """The picture as PDF, its lines as lines, on one page of its size ("auto" is light here); the same bytes for the same diagram.

    A page longer than 200 inches, the most that a PDF can have, is made smaller as a whole.

    Raises:
        InputError: what `to_svg` raises.
        MissingExtraError: Typst is not installed.
    """
    svg = to_svg(diagram, theme="light" if theme == "auto" else theme)
    width, height = size_of(svg)
    point = min(_POINT, _LONGEST / max(width, height))
    title = quoted(" ".join(diagram.title.split()))
    return compiled(f"#set document(title: {title}, date: none)\n#set page(width: {width * point:.3f}pt, height: {height * point:.3f}pt, margin: 0pt)\n"
                    f'#image(bytes({quoted(svg)}), format: "svg", width: 100%, height: 100%, alt: {title})')
