"""A LaTeX formula in; the pieces between which a line may be broken out, how wide each is, and big matrices with dots for their middle."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from symgrad.explain.document import Code, Emphasis, Factor, FactorRow, Inline, Line, Math, Reference, Strong, Text

__all__ = ["MOST", "Cell", "breadth_of", "cells", "elided", "filled", "pieces", "span", "starts_with_sign"]

_T = TypeVar("_T")

MOST = 30
"""A formula of at most so many letters is never broken."""
_SHOWN = 8                                           # rows and columns of a matrix that are shown without dots
_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)
_RANKS = {**dict.fromkeys((r"\leftarrow", r"\approx", r"\le", r"\ge", r"\in", "=", "<", ">"), 0), **dict.fromkeys("+-", 1),
          **dict.fromkeys((r"\odot", r"\oslash", r"\otimes", r"\cdot", r"\times"), 2), r"\,": 3}
_SIGN = re.compile(r"[=<>+-]|\\(?:leftarrow|approx|le|ge|in|odot|oslash|otimes|cdot|times)(?![A-Za-z])")
_RELATION = re.compile(r"[=<>]|\\[a-z]+")
_SIZES = re.compile(r"\\(?:left|right|middle|[bB]igg?[lrm]?)$")
_SILENT = re.compile(r"\\(?:left|right|middle|[bB]igg?[lrm]?|operatorname|math[a-z]+|boldsymbol|text[a-z]*|displaystyle|limits|hat|bar|dot|tilde|vec"
                     r"|overline|begin|end|[,;:!])\*?$")
_MATRIX = re.compile(r"\\begin\{([bpvBV]?matrix)\}((?:(?!\\begin\{).)*?)\\end\{\1\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line may end: before this token, in so many brackets; the lower the rank, the better the place."""

    token: int
    depth: int
    rank: int


@lru_cache(maxsize=4096)
def pieces(tex: str, most: int = MOST) -> tuple[str, ...]:
    r"""The formula in pieces of at most `most` letters where it has places to be broken: at relations, signs and products, outermost first.

    Brackets that grow with what they hold are of a fixed size where a piece ends inside them. Letters are counted roughly (`span`).

    >>> pieces(r"= \left(a + b\right)", 3)
    ('= \\Bigl(a', '+ b\\Bigr)')
    """
    if span(tex) <= most:
        return (tex,)
    tokens = _TOKEN.findall(tex)
    places, pairs = _places(tokens)
    if not places:
        return (tex,)
    best = min((p.depth, p.rank) for p in places)
    cuts = [p.token for p in places if (p.depth, p.rank) == best]
    for opening, closing in pairs:
        if any(opening < cut <= closing for cut in cuts):
            size = r"\bigg" if r"\left" in tokens[opening + 1:closing] else r"\Big"
            tokens[opening], tokens[closing] = f"{size}l", f"{size}r"
    found: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(tokens)], strict=True):
        part = "".join(tokens[start:end]).strip().removeprefix(r"\,").strip()
        found += pieces(part, most) if part else ()
    return tuple(found)


def _places(tokens: Sequence[str]) -> tuple[list[_Place], list[tuple[int, int]]]:
    r"""The places outside braces and environments, and the pairs of \left and \right there."""
    found: list[_Place] = []
    pairs: list[tuple[int, int]] = []
    braces = brackets = environments = 0
    lefts: list[int] = []
    before = "="                                     # the last visible token: a sign after another one is no place
    for k, token in enumerate(tokens):
        if token in "{}":
            braces += 1 if token == "{" else -1
        elif token in (r"\begin", r"\end"):
            environments += 1 if token == r"\begin" else -1
        elif token in "()[]" or token in (r"\{", r"\}"):
            brackets += 1 if token in ("(", "[", r"\{") else -1
        elif not braces and not environments:
            if token == r"\left":
                lefts.append(k)
            elif token == r"\right" and lefts:
                pairs.append((lefts.pop(), k))
            elif token in _RANKS and before not in _RANKS and before not in ("(", "[", "^", "_", r"\{"):
                found.append(_Place(k, brackets, _RANKS[token]))
            elif before == "," and brackets == 0 and not token.isspace():
                found.append(_Place(k, brackets, 1))
        if not token.isspace() and not _SIZES.match(token):
            before = token
    return found, pairs


@lru_cache(maxsize=4096)
def span(tex: str) -> float:
    """Roughly how wide a formula is, in letters: a fraction is as wide as its wider half, scripts are small, signs have room around them."""
    return _width(iter(_TOKEN.findall(tex)), "")


def _width(tokens: Iterator[str], end: str) -> float:
    total = line = 0.0
    for token in tokens:
        if token == end:
            break
        if token in (r"\frac", r"\tfrac", r"\dfrac", r"\underset", r"\overset"):
            line += max(_argument(tokens), _argument(tokens)) + 0.3
        elif token in "^_":
            line += 0.7 * _argument(tokens)
        elif token == "{":
            line += _width(tokens, "}")
        elif token in (r"\begin", r"\end"):
            _argument(tokens)
            line += 1
        elif token == r"\\":
            total, line = max(total, line), 0.0
        elif token == "&":
            line += 1.5
        elif not token.isspace() and not _SILENT.match(token):
            line += 2.2 if token in _RANKS and token != r"\," else 1.0
    return max(total, line)


def _argument(tokens: Iterator[str]) -> float:
    """The width of a command's next argument: a group or one token."""
    for token in tokens:
        if not token.isspace():
            return _width(tokens, "}") if token == "{" else 1.0
    return 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What is never broken: a piece of a formula (`infix`: a sign in front of it joins it to the piece before) or a factor with its shape.

    `join` stands in front of a factor where it is to be seen.
    """

    tex: str
    infix: bool = False
    factor: Factor | None = None
    join: str = ""

    @property
    def width(self) -> float:
        """Roughly, in letters."""
        if self.factor is None:
            return span(self.tex)
        note = breadth_of(self.factor.note)
        return max(span(self.tex), 0.8 * span(self.factor.shape.tex), 0.6 * note) + span(self.join) + 1.0


def breadth_of(inlines: Iterable[Inline]) -> float:
    """Roughly how wide words and formulas in a line of text are, in letters."""
    total = 0.0
    for inline in inlines:
        match inline:
            case Math():
                total += span(inline.tex)
            case Text() | Code() | Reference():
                total += len(inline.text)
            case Emphasis() | Strong():
                total += breadth_of(inline.inlines)
    return total


def cells(line: Line, place: str) -> list[Cell]:
    """The right side of a line: what a renderer sets side by side and may break between.

    Raises:
        TypeError: a part is none of the vocabulary; `place` is what cannot show it.
    """
    found: list[Cell] = []
    before = ""
    for part in line.parts:
        match part:
            case Math():
                shown = pieces(elided(part.tex))
                found += [Cell(tex, starts_with_sign(tex) and (k > 0 or _joins(before))) for k, tex in enumerate(shown)]
                before = part.tex
            case FactorRow():
                join = part.join.tex if part.join.tex.strip(r" \,;!") else ""
                found += [Cell(elided(f.math.tex), factor=f, join=join if k else "") for k, f in enumerate(part.factors)]
                before = "factors"
            case _:
                raise TypeError(f"{place} cannot show {type(part).__name__} in an equation")
    return found


def starts_with_sign(tex: str) -> bool:
    """Whether a formula begins with a relation or a sign, which joins it to what stands before."""
    return _SIGN.match(tex) is not None


def _joins(before: str) -> bool:
    """Whether a sign that comes after this joins two terms, as in `a - b`; after a bare `=` it belongs to its term."""
    return bool(before) and not _RELATION.fullmatch(before.strip())


def filled(line: Line, place: str, width: float = 62) -> list[list[Cell]]:
    """The cells of a line in rows, for formats that break no lines: as many as fit beside its left side, at least one in each."""
    room = width - (span(line.left.tex) if line.left else 0)
    rows: list[list[Cell]] = [[]]
    used = 0.0
    for cell in cells(line, place):
        if rows[-1] and used + cell.width > room:
            rows.append([])
            used = 2.0
        rows[-1].append(cell)
        used += cell.width
    return rows


def elided(tex: str, most: int = _SHOWN) -> str:
    """The formula with dots for the middle rows and columns of matrices of more than `most`.

    >>> elided(r"\\begin{bmatrix} 1 & 2 & 3 & 4 & 5 \\end{bmatrix}", 4)
    '\\\\begin{bmatrix} 1 & 2 & \\\\cdots & 5 \\\\end{bmatrix}'
    """
    def shorter(found: re.Match[str]) -> str:
        rows = [[cell.strip() for cell in row.split("&")] for row in re.split(r"\\\\", found[2]) if row.strip()]
        wide, tall = max(map(len, rows), default=0) > most, len(rows) > most
        if not wide and not tall:
            return found[0]
        shown = [_middle_out(row, most, r"\cdots") if wide else row for row in (_middle_out(rows, most, []) if tall else rows) if row or tall]
        columns = max(map(len, shown))
        dots = [r"\vdots"] * columns if not wide else [r"\ddots" if cell == r"\cdots" else r"\vdots" for cell in next(filter(None, shown))]
        body = r" \\ ".join(" & ".join(row or dots) for row in shown)
        return f"\\begin{{{found[1]}}} {body} \\end{{{found[1]}}}"
    return _MATRIX.sub(shorter, tex) if "matrix" in tex else tex


def _middle_out(items: list[_T], most: int, dots: _T) -> list[_T]:
    return [*items[:most - 2], dots, items[-1]] if len(items) > most else items
