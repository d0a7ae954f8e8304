"""Text and formulas from anyone in; what stands for them in a page of markup out, and the style that it needs."""
from __future__ import annotations

import base64
import html
from functools import cache
from importlib import resources

from symgrad.render.breaking import MOST, elided, pieces, starts_with_sign
from symgrad.render.layout import printable
from symgrad.render.mathml import to_mathml

__all__ = ["escaped", "formula", "math_style", "package_text"]


def escaped(text: str) -> str:
    """The text as markup shows it, in an element or in an attribute between quotes."""
    return html.escape(printable(text))


def formula(tex: str, most: int = MOST, *, displaystyle: bool = False) -> str:
    """MathML of a formula in a text, in pieces of at most so many letters between which a line may end, with dots in big matrices.

    Raises:
        InputError: the formula has no MathML; the message shows it.
    """
    return " ".join(to_mathml(part, displaystyle=displaystyle, infix=k > 0 and starts_with_sign(part))
                    for k, part in enumerate(pieces(elided(tex), most)))


def package_text(name: str) -> str:
    """A style sheet or a program that comes with this package."""
    return (resources.files("symgrad.render") / name).read_text(encoding="utf-8")


@cache
def math_style() -> str:
    """The font of mathematics, embedded, and the rules that MathML of `to_mathml` is set by."""
    font = base64.b64encode((resources.files("symgrad.render") / "assets" / "math.woff2").read_bytes()).decode("ascii")
    return f'@font-face{{font-family:"symgrad math";src:url(data:font/woff2;base64,{font}) format("woff2")}}\n{package_text("math.css")}'
