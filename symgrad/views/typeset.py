"""One expression of the notation comes in; its LaTeX goes out, with what is needed to set brackets around it and scripts on it."""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.notation.syntax import (
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Keyword,
    Name,
    Negate,
    Number,
    Over,
    Partial,
    Transpose,
    operands,
    walk,
)
from symgrad.notation.words import LOSSES
from symgrad.views.names import Symbol, function_symbol, index_name, indices_tex, name_symbol

__all__ = ["NEGATIVE", "PRODUCT", "SCRIPT", "SUM", "TIGHT", "Piece", "Typesetter", "joined"]

SUM, NEGATIVE, PRODUCT, TIGHT, SCRIPT = range(5)
"""How tightly a piece binds: a sum, a product with a minus in front, a product, a factor, what may bear scripts."""
_TALL = 9                                                  # brackets around fractions and big operators grow with them
_SCALARS = frozenset("sum mean max min norm1 norm2 normF tr det logdet".split()) | LOSSES
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


def _atom(tex: str, height: int = 0, *, scalar: bool = False, ends: str = "") -> Piece:
    return Piece((tex,), TIGHT, height, scalar, ends=ends)


def _scripted(symbol: Symbol, height: int = 0, *, scalar: bool = False, named: bool = False) -> Piece:
    return Piece((symbol.tex,), SCRIPT, height, scalar, ends="name" if named else "", symbol=symbol, named=named)


def _bracket(tex: str, height: int, pair: tuple[str, str] = ("(", ")")) -> tuple[str, int]:
    """The formula in brackets of a fitting size, and their height."""
    left, right = pair
    space = " " if left[-1].isalpha() and tex[0].isalpha() else ""
    if height >= _TALL:
        return f"\\left{left}{space}{tex}\\right{right}", _TALL
    size = ("", r"\big", r"\Big")[min(height, 2)]
    return (f"{size}l{left}{space}{tex}{size}r{right}" if size else f"{left}{space}{tex}{right}"), height + 1


def _wrapped(piece: Piece) -> Piece:
    tex, height = _bracket(piece.tex, piece.height)
    return _scripted(Symbol(tex), height, scalar=piece.scalar)


def _at_least(piece: Piece, level: int) -> Piece:
    return piece if piece.level >= level else _wrapped(piece)


def _raised(piece: Piece, sup: str) -> Piece:
    """With a superscript; one that is there already asks for brackets."""
    piece = _at_least(piece, SCRIPT)
    if piece.symbol is None or piece.symbol.sup:
        piece = _wrapped(piece)
    assert piece.symbol is not None
    return _scripted(replace(piece.symbol, sup=sup), piece.height, scalar=piece.scalar)


def _operator(piece: Piece, sup: str) -> Piece:
    r"""Transposed or inverted; a label's own superscript stays inside, as in {W^{(1)}}^{\top}."""
    if piece.named and piece.symbol is not None and piece.symbol.sup:
        piece = replace(piece, symbol=Symbol(f"{{{piece.symbol.tex}}}"))
    return _raised(piece, sup)


def _inverse_power(piece: Piece) -> bool:
    return piece.symbol is not None and not piece.named and piece.symbol.sup == "-1"


def _with_sup(piece: Piece, sup: str) -> Piece:
    assert piece.symbol is not None
    return _scripted(replace(piece.symbol, sup=sup), piece.height, scalar=piece.scalar)


def _number(value: Fraction) -> Piece:
    if value < 0:
        inner = _number(-value)
        return replace(inner, parts=("-" + inner.tex,), level=NEGATIVE, symbol=None)
    if value.denominator != 1:
        tens = 0
        while tens < 40 and (value * 10**tens).denominator != 1:
            tens += 1
        digits = value * 10**tens
        if digits.denominator != 1:
            return _atom(f"\\frac{{{value.numerator}}}{{{value.denominator}}}", _TALL, scalar=True)
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
        return _atom(power, scalar=True)
    mantissa = text[0] + (f".{text[1:]}" if text[1:] else "")
    return Piece((mantissa, f"\\cdot {power}"), PRODUCT, 0, True)


def _plain(digits: str) -> Piece:
    return replace(_scripted(Symbol(digits), scalar=True), ends="number")


class Typesetter:
    """Typesets expressions with one set of labels.

    Args:
        names: LaTeX of names and functions, where the user chose it.
        scalars: names known to be scalars, whose quotients are fractions.
    """

    def __init__(self, names: Mapping[str, str] | None = None, scalars: Collection[str] = ()) -> None:
        self.names, self.scalars = names, frozenset(scalars)

    def piece(self, expression: Expression) -> Piece:
        """The typeset expression. Raises InputError for a label that is no formula."""
        done: list[Piece] = []
        for node in walk(expression):
            start = len(done) - len(operands(node))
            inner = done[start:]
            del done[start:]
            done.append(self._combine(node, inner))
        return done[0]

    def _combine(self, node: Expression, inner: Sequence[Piece]) -> Piece:
        match node:
            case Number():
                return _number(node.value)
            case Name():
                return _scripted(name_symbol(node.name, self.names), scalar=node.name in self.scalars, named=True)
            case Transpose():
                return _with_sup(inner[0], r"-\top") if _inverse_power(inner[0]) else _operator(inner[0], r"\top")
            case Negate():
                return _negated(inner[0])
            case Binary():
                return self._binary(node, *inner)
            case Call():
                return self._call(node, inner)
            case Derivative():
                return _applied(_primed(function_symbol(node.function, self.names), node.order), inner, scalar=False)
            case Partial():
                order = "".join(f"\\partial_{{{position}}}" for position in node.positions)
                applied = _applied(function_symbol(node.function, self.names), inner, scalar=False)
                return _atom(f"{order} {applied.tex}" if applied.tex[0].isalpha() else order + applied.tex, applied.height)
            case Index():
                return _indexed(inner[0], indices_tex(node.indices))
            case Over():
                return _over(node, inner[0])
            case Delta():
                return _scripted(Symbol(r"\delta", indices_tex((node.left, node.right))), scalar=True)

    def _binary(self, node: Binary, left: Piece, right: Piece) -> Piece:
        scalar = left.scalar and right.scalar
        match node.operator:
            case "+" | "-":
                shown = _at_least(right, PRODUCT)
                parts = (*(left.parts if left.level == SUM else (left.tex,)), f"{node.operator} {shown.tex}")
                return Piece(parts, SUM, max(left.height, shown.height), scalar)
            case "^":
                return _power(left, _exponent(node.right, right))
            case ".^":
                mark = "" if left.scalar and right.scalar else r"\odot "
                return _raised(left, mark + _exponent(node.right, right))
            case "/":
                return _quotient(left, right)
            case "./" if right.scalar:
                return _quotient(left, right)
            case _:
                return _product(node.operator, left, right)

    def _call(self, node: Call, inner: Sequence[Piece]) -> Piece:
        positional = list(inner[:len(node.arguments)])
        special = _CALLS.get((node.function, len(positional))) if not node.keywords else None
        if special is not None:
            return special(*positional)
        values = iter(inner[len(node.arguments):])
        keywords = [_keyword(k, values, self.names) for k in node.keywords]
        head = function_symbol(node.function, self.names)
        scalar = node.function in _SCALARS or (len(positional) == 1 and positional[0].scalar and not keywords)
        return _applied(head, positional, keywords, scalar=scalar)


def _keyword(keyword: Keyword, values: Iterator[Piece], names: Mapping[str, str] | None) -> Piece:
    word = name_symbol(keyword.name).tex
    value = None if isinstance(keyword.value, str) else next(values)
    shown = f"\\text{{{keyword.value}}}" if value is None else value.tex
    return Piece((f"{word} = {shown}",), SUM, value.height if value else 0)


def _applied(head: Symbol, inner: Sequence[Piece], keywords: Sequence[Piece] = (), *, scalar: bool) -> Piece:
    separator = ";\\, " if keywords and inner else ""
    tex = ", ".join(p.tex for p in inner) + separator + ", ".join(k.tex for k in keywords)
    shown, height = _bracket(tex, max((p.height for p in (*inner, *keywords)), default=0))
    return _scripted(Symbol(head.tex + shown), height, scalar=scalar)


def _primed(head: Symbol, order: int) -> Symbol:
    if head.sup:
        head = Symbol(f"{{{head.tex}}}")
    if order > 3:
        return replace(head, sup=f"({order})")
    return Symbol(replace(head, sub="").tex + "'" * order, head.sub)


def _negated(piece: Piece) -> Piece:
    piece = _at_least(piece, PRODUCT)
    return replace(piece, parts=("-" + piece.parts[0], *piece.parts[1:]), level=NEGATIVE, symbol=None, named=False,
                   closed=("-" if len(piece.parts) == 1 else "") + piece.closed if piece.big else "")


def _exponent(node: Expression, piece: Piece) -> str:
    if isinstance(node, Negate) and piece.level == NEGATIVE:
        return "-" + _exponent(node.operand, _positive(piece))
    if isinstance(node, Binary) and node.operator == "/" and isinstance(node.left, Number) and isinstance(node.right, Number):
        return f"{node.left.value}/{node.right.value}"
    return piece.tex


def _power(base: Piece, exponent: str) -> Piece:
    if _inverse_power(base) and exponent.isdigit():
        return _with_sup(base, f"-{exponent}")
    return _raised(base, exponent)


def _positive(piece: Piece) -> Piece:
    """A product without the minus in front of it."""
    closed = piece.closed[1:] if len(piece.parts) == 1 else piece.closed
    return replace(piece, parts=(piece.parts[0][1:], *piece.parts[1:]), level=PRODUCT, closed=closed)


def _quotient(top: Piece, bottom: Piece) -> Piece:
    """A fraction; a minus and a big sum stand beside it, not on top."""
    if top.level == NEGATIVE:
        return _negated(_quotient(_positive(top), bottom))
    if top.big:
        return _joined_product("*", _quotient(_number(Fraction(1)), bottom), top)
    ends = "" if top.ends == "number" else "fraction"
    return _atom(f"\\frac{{{top.tex}}}{{{bottom.tex}}}", _TALL, scalar=top.scalar, ends=ends)


def _product(operator: str, left: Piece, right: Piece) -> Piece:
    goes_on = left.chain in ("", operator) or (left.chain, operator) == (".*", "./")
    if left.level == SUM or (left.level < TIGHT and not goes_on) or left.chain == "./":
        left = _wrapped(left)
    alone = right.big and right.level == PRODUCT and len(right.parts) == 1
    return _joined_product(operator, left, right if alone else _at_least(right, TIGHT))


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


def _indexed(piece: Piece, indices: str) -> Piece:
    if piece.named and piece.symbol is not None:
        return _scripted(piece.symbol.indexed(indices), piece.height, scalar=piece.scalar, named=True)
    if piece.ends == "derivative":
        tex, height = _bracket(piece.tex, piece.height, ("[", "]"))
        return _scripted(Symbol(tex, indices), height)
    piece = _at_least(piece, SCRIPT)
    if piece.symbol is None or piece.symbol.sup or piece.symbol.sub:
        piece = _wrapped(piece)
    assert piece.symbol is not None
    return _scripted(replace(piece.symbol, sub=indices), piece.height)


def _over(node: Over, operand: Piece) -> Piece:
    bound = ",".join(map(index_name, node.indices))
    if node.reducer not in ("sum", "prod"):
        applied = _applied(replace(function_symbol(node.reducer), sub=bound), (operand,), scalar=operand.scalar)
        return _atom(applied.tex, applied.height, scalar=operand.scalar)
    tex = f"\\{node.reducer}_{{{bound}}} {_at_least(operand, PRODUCT).tex}"
    return Piece((tex,), PRODUCT, _TALL, operand.scalar, _bracket(tex, _TALL)[0])


def _inverse(piece: Piece) -> Piece:
    if piece.symbol is not None and not piece.named and piece.symbol.sup == r"\top":
        return _with_sup(piece, r"-\top")
    return _operator(piece, "-1")


def _norm(kind: str) -> Callable[[Piece], Piece]:
    def norm(piece: Piece) -> Piece:
        tex, height = _bracket(piece.tex, _TALL if piece.height >= _TALL else 0, (r"\lVert", r"\rVert"))
        return _scripted(Symbol(tex, kind), max(height, piece.height), scalar=True)
    return norm


def _absolute(piece: Piece) -> Piece:
    tex, height = _bracket(piece.tex, _TALL if piece.height >= _TALL else 0, (r"\lvert", r"\rvert"))
    return _scripted(Symbol(tex), max(height, piece.height), scalar=piece.scalar)


def _filled(digit: str) -> Callable[..., Piece]:
    return lambda *sizes: _scripted(Symbol(f"\\mathbf{{{digit}}}", r" \times ".join(size.tex for size in sizes)))


def _ratio(of: Piece, by: Piece) -> Piece:
    above, below = (r"\partial " + _at_least(piece, SCRIPT).tex for piece in (of, by))
    return _atom(f"\\frac{{{above}}}{{{below}}}", _TALL, ends="derivative")


def _log_det(piece: Piece) -> Piece:
    applied = _applied(Symbol(r"\log\det"), (piece,), scalar=True)
    return _atom(applied.tex, applied.height, scalar=True)


_CALLS: dict[tuple[str, int], Callable[..., Piece]] = {
    ("inv", 1): _inverse, ("pinv", 1): lambda p: _operator(p, "+"), ("kron", 2): lambda p, q: _product("kron", p, q),
    ("norm1", 1): _norm("1"), ("norm2", 1): _norm("2"), ("normF", 1): _norm("F"), ("abs", 1): _absolute, ("logdet", 1): _log_det,
    ("sqrt", 1): lambda p: _atom(f"\\sqrt{{{p.tex}}}", p.height, scalar=p.scalar),
    ("ones", 1): _filled("1"), ("ones", 2): _filled("1"), ("zeros", 1): _filled("0"), ("zeros", 2): _filled("0"),
    ("eye", 1): lambda n: _scripted(Symbol("I", n.tex)), ("grad", 2): _ratio, ("jac", 2): _ratio,
    ("vector", 1): lambda n: _scripted(Symbol(r"\mathbf{1}")), ("matrix", 1): lambda n: _scripted(Symbol(r"\mathbf{1}")),
}
"""(function, number of arguments) -> what is not set as a name with brackets."""
