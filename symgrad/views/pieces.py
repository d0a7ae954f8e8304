"""Formulas that know how they may be combined: pieces come in; sums, products, fractions and powers of them go out."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.views.names import Symbol

__all__ = [
    "NEGATIVE", "PRODUCT", "SCRIPT", "SUM", "TALL", "TIGHT", "Piece", "at_least", "atom", "bracketed", "is_inverse", "joined", "negated",
    "number", "positive", "product", "quotient", "raised", "scripted", "with_operator", "with_superscript", "wrapped",
]

SUM, NEGATIVE, PRODUCT, TIGHT, SCRIPT = range(5)
"""How tightly a piece binds: a sum, a product with a minus in front, a product, a factor, what may bear scripts."""
TALL = 9                                                  # brackets around fractions and big operators grow with them
_SIGNS = {".*": r"\odot", "./": r"\oslash", "kron": r"\otimes"}
_OPENING = ("(", r"\left(", r"\bigl(", r"\Bigl(")


@dataclass(frozen=True, slots=True)
class Piece:
    """A formula that knows how it may be combined.

    `parts` may be broken between lines; `closed` is the last part when something follows it (a big sum then stands in brackets).
    `chain` is the operator that a product is made of, empty where any product may go on; `ends` says what a bracket would follow.
    """

    parts: tuple[str, ...]
    level: int
    height: int = 0
    scalar: bool = False
    closed: str = ""
    chain: str = ""
    ends: str = ""
    symbol: Symbol | None = None
    named: bool = False                                    # the scripts belong to a name: an index joins them
    above: Piece | None = None                             # of a fraction, with what stands below: a/b/c is a/(b c)
    below: Piece | None = None

    @property
    def tex(self) -> str:
        """The LaTeX."""
        return joined(self.parts)

    @property
    def big(self) -> bool:
        """Whether a big operator at the end would take in whatever follows."""
        return bool(self.closed)


def joined(parts: Sequence[str]) -> str:
    """Parts on one line."""
    return "".join(part if not place or part.startswith(r"\,") else f" {part}" for place, part in enumerate(parts))


def atom(tex: str, height: int = 0, *, scalar: bool = False, ends: str = "") -> Piece:
    """A factor that bears no scripts without brackets."""
    return Piece((tex,), TIGHT, height, scalar, ends=ends)


def scripted(symbol: Symbol, height: int = 0, *, scalar: bool = False, named: bool = False) -> Piece:
    """A symbol with its scripts; `named` for that of a name."""
    return Piece((symbol.tex,), SCRIPT, height, scalar, ends="name" if named else "", symbol=symbol, named=named)


def bracketed(tex: str, height: int, pair: tuple[str, str] = ("(", ")")) -> tuple[str, int]:
    """The formula in brackets of a fitting size, and their height."""
    left, right = pair
    space = " " if left[-1].isalpha() and tex[0].isalpha() else ""
    if height >= TALL:
        return f"\\left{left}{space}{tex}\\right{right}", TALL
    size = ("", r"\big", r"\Big")[min(height, 2)]
    return (f"{size}l{left}{space}{tex}{size}r{right}" if size else f"{left}{space}{tex}{right}"), height + 1


def wrapped(piece: Piece) -> Piece:
    """The piece in brackets."""
    tex, height = bracketed(piece.tex, piece.height)
    return scripted(Symbol(tex), height, scalar=piece.scalar)


def at_least(piece: Piece, level: int) -> Piece:
    """The piece, in brackets if it binds less tightly than `level`."""
    return piece if piece.level >= level else wrapped(piece)


def raised(piece: Piece, sup: str) -> Piece:
    """With a superscript; one that is there already asks for brackets."""
    piece = at_least(piece, SCRIPT)
    if piece.symbol is None or piece.symbol.sup:
        piece = wrapped(piece)
    assert piece.symbol is not None
    return scripted(replace(piece.symbol, sup=sup), piece.height, scalar=piece.scalar)


def with_operator(piece: Piece, sup: str) -> Piece:
    r"""Transposed or inverted; a label's own superscript stays inside, as in {W^{(1)}}^{\top}."""
    if piece.named and piece.symbol is not None and piece.symbol.sup:
        piece = replace(piece, symbol=Symbol(f"{{{piece.symbol.tex}}}"))
    return raised(piece, sup)


def is_inverse(piece: Piece) -> bool:
    """Whether this is X^{-1}."""
    return piece.symbol is not None and not piece.named and piece.symbol.sup == "-1"


def with_superscript(piece: Piece, sup: str) -> Piece:
    """The symbol with another superscript."""
    assert piece.symbol is not None
    return scripted(replace(piece.symbol, sup=sup), piece.height, scalar=piece.scalar)


def number(value: Fraction) -> Piece:
    """A rational number: a whole or decimal one, one with a power of ten, else a fraction."""
    if value < 0:
        inner = number(-value)
        return replace(inner, parts=("-" + inner.tex,), level=NEGATIVE, symbol=None)
    if value.denominator != 1:
        tens = 0
        while tens < 40 and (value * 10**tens).denominator != 1:
            tens += 1
        digits = value * 10**tens
        if digits.denominator != 1:
            return atom(f"\\frac{{{value.numerator}}}{{{value.denominator}}}", TALL, scalar=True)
        text = str(digits.numerator)
        if tens - len(text) < 3:
            return _plain(f"{text[:-tens].rjust(1, '0')}.{text[-tens:].rjust(tens, '0')}")
        exponent = len(text) - tens - 1
    else:
        text = str(value.numerator)
        if len(text) < 7 or not text.endswith("00000"):
            return _plain(text)
        exponent = len(text) - 1
    text = text.rstrip("0")
    power = f"10^{{{exponent}}}"
    if text == "1":
        return atom(power, scalar=True)
    mantissa = text[0] + (f".{text[1:]}" if text[1:] else "")
    return Piece((mantissa, f"\\cdot {power}"), PRODUCT, 0, True)


def _plain(digits: str) -> Piece:
    return replace(scripted(Symbol(digits), scalar=True), ends="number")


def negated(piece: Piece) -> Piece:
    """The piece with a minus in front."""
    piece = at_least(piece, PRODUCT)
    return replace(piece, parts=("-" + piece.parts[0], *piece.parts[1:]), level=NEGATIVE, symbol=None, named=False,
                   closed=("-" if len(piece.parts) == 1 else "") + piece.closed if piece.big else "")


def positive(piece: Piece) -> Piece:
    """A product without the minus in front of it."""
    closed = piece.closed[1:] if len(piece.parts) == 1 else piece.closed
    return replace(piece, parts=(piece.parts[0][1:], *piece.parts[1:]), level=PRODUCT, closed=closed)


def quotient(top: Piece, bottom: Piece) -> Piece:
    """A fraction; a minus and a big sum stand beside it, not on top."""
    if top.level == NEGATIVE:
        return negated(quotient(positive(top), bottom))
    if top.big:
        return _joined_product("*", quotient(number(Fraction(1)), bottom), top)
    if top.above is not None and top.below is not None:
        return quotient(top.above, product("*", top.below, bottom))
    ends = "" if top.ends == "number" else "fraction"
    shown = atom(f"\\frac{{{top.tex}}}{{{bottom.tex}}}", TALL, scalar=top.scalar, ends=ends)
    return replace(shown, above=top, below=bottom)


def product(operator: str, left: Piece, right: Piece) -> Piece:
    """The product with an operator of the notation, or `kron`; factors in brackets where they need them."""
    goes_on = left.chain in ("", operator) or (left.chain, operator) == (".*", "./")
    if left.level == SUM or (left.level < TIGHT and not goes_on) or left.chain == "./":
        left = wrapped(left)
    alone = right.big and right.level == PRODUCT and len(right.parts) == 1
    return _joined_product(operator, left, right if alone else at_least(right, TIGHT))


def _joined_product(operator: str, left: Piece, right: Piece) -> Piece:
    first = right.parts[0]
    sign = _times(left, first) if operator == "*" else f"{_SIGNS[operator]} "
    before = (*left.parts[:-1], left.closed or left.parts[-1])
    scales = operator == "*" and (left.scalar or right.scalar)
    chain = (right.chain if left.scalar else left.chain) if scales else operator
    closed = sign + right.closed if right.big and len(right.parts) == 1 else right.closed
    return Piece((*before, sign + first, *right.parts[1:]), NEGATIVE if left.level == NEGATIVE else PRODUCT, max(left.height, right.height),
                 left.scalar and right.scalar, closed, chain, right.ends)


def _times(left: Piece, first: str) -> str:
    r"""A thin space, or a dot where that could be read as a number, a mixed number or the application of a function."""
    if first[0].isdigit() or (left.ends == "number" and first.startswith((r"\frac", r"\mathbf{1}", r"\mathbf{0}"))):
        return r"\cdot "
    if first.startswith(_OPENING) and (left.ends in ("derivative", "fraction") or (left.ends == "name" and not _matrix_like(left))):
        return r"\cdot "
    return r"\,"


def _matrix_like(piece: Piece) -> bool:
    """Whether a product ends with a capital letter, which nobody takes for a function."""
    return re.match(r"(\\,|\\[a-z]+ |-)*\{*[A-Z]", piece.parts[-1]) is not None
