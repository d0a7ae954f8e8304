"""One expression of the notation comes in; its LaTeX goes out, with what is needed to set brackets around it and scripts on it."""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

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
from symgrad.views.pieces import (
    NEGATIVE,
    PRODUCT,
    SCRIPT,
    SUM,
    TALL,
    Piece,
    at_least,
    atom,
    bracketed,
    is_inverse,
    negated,
    number,
    positive,
    product,
    quotient,
    raised,
    scripted,
    with_operator,
    with_superscript,
    wrapped,
)

__all__ = ["Typesetter"]

_SCALARS = frozenset("sum mean max min norm1 norm2 normF tr det logdet".split()) | LOSSES


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
                return number(node.value)
            case Name():
                return scripted(name_symbol(node.name, self.names), scalar=node.name in self.scalars, named=True)
            case Transpose():
                return with_superscript(inner[0], r"-\top") if is_inverse(inner[0]) else with_operator(inner[0], r"\top")
            case Negate():
                return negated(inner[0])
            case Binary():
                return self._binary(node, *inner)
            case Call():
                return self._call(node, inner)
            case Derivative():
                return _applied(_primed(function_symbol(node.function, self.names), node.order), inner, scalar=False)
            case Partial():
                order = "".join(f"\\partial_{{{position}}}" for position in node.positions)
                applied = _applied(function_symbol(node.function, self.names), inner, scalar=False)
                return atom(f"{order} {applied.tex}" if applied.tex[0].isalpha() else order + applied.tex, applied.height)
            case Index():
                return _indexed(inner[0], indices_tex(node.indices))
            case Over():
                return _over(node, inner[0])
            case Delta():
                return scripted(Symbol(r"\delta", indices_tex((node.left, node.right))), scalar=True)

    def _binary(self, node: Binary, left: Piece, right: Piece) -> Piece:
        scalar = left.scalar and right.scalar
        match node.operator:
            case "+" | "-":
                shown = at_least(right, PRODUCT)
                parts = (*(left.parts if left.level == SUM else (left.tex,)), f"{node.operator} {shown.tex}")
                return Piece(parts, SUM, max(left.height, shown.height), scalar)
            case "^":
                return _power(left, _exponent(node.right, right))
            case ".^":
                mark = "" if left.scalar and right.scalar else r"\odot "
                return raised(left, mark + _exponent(node.right, right))
            case "/":
                return quotient(left, right)
            case "./" if right.scalar:
                return quotient(left, right)
            case _:
                return product(node.operator, left, right)

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
    shown, height = bracketed(tex, max((p.height for p in (*inner, *keywords)), default=0))
    return scripted(Symbol(head.tex + shown), height, scalar=scalar)


def _primed(head: Symbol, order: int) -> Symbol:
    if head.sup:
        head = Symbol(f"{{{head.tex}}}")
    if order > 3:
        return replace(head, sup=f"({order})")
    return Symbol(replace(head, sub="").tex + "'" * order, head.sub)


def _exponent(node: Expression, piece: Piece) -> str:
    if isinstance(node, Negate) and piece.level == NEGATIVE:
        return "-" + _exponent(node.operand, positive(piece))
    if isinstance(node, Binary) and node.operator == "/" and isinstance(node.right, Number):
        sign, top = ("-", node.left.operand) if isinstance(node.left, Negate) else ("", node.left)
        if isinstance(top, Number):
            return f"{sign}{top.value}/{node.right.value}"
    return piece.tex


def _power(base: Piece, exponent: str) -> Piece:
    if is_inverse(base) and exponent.isdigit():
        return with_superscript(base, f"-{exponent}")
    return raised(base, exponent)


def _indexed(piece: Piece, indices: str) -> Piece:
    if piece.named and piece.symbol is not None:
        return scripted(piece.symbol.indexed(indices), piece.height, scalar=piece.scalar, named=True)
    if piece.ends == "derivative":
        tex, height = bracketed(piece.tex, piece.height, ("[", "]"))
        return scripted(Symbol(tex, indices), height)
    piece = at_least(piece, SCRIPT)
    if piece.symbol is None or piece.symbol.sup or piece.symbol.sub:
        piece = wrapped(piece)
    assert piece.symbol is not None
    return scripted(replace(piece.symbol, sub=indices), piece.height)


def _over(node: Over, operand: Piece) -> Piece:
    bound = ",".join(map(index_name, node.indices))
    if node.reducer not in ("sum", "prod"):
        applied = _applied(replace(function_symbol(node.reducer), sub=bound), (operand,), scalar=operand.scalar)
        return atom(applied.tex, applied.height, scalar=operand.scalar)
    tex = f"\\{node.reducer}_{{{bound}}} {at_least(operand, PRODUCT).tex}"
    return Piece((tex,), PRODUCT, TALL, operand.scalar, bracketed(tex, TALL)[0])


def _inverse(piece: Piece) -> Piece:
    if piece.symbol is not None and not piece.named and piece.symbol.sup == r"\top":
        return with_superscript(piece, r"-\top")
    return with_operator(piece, "-1")


def _norm(kind: str) -> Callable[[Piece], Piece]:
    def norm(piece: Piece) -> Piece:
        tex, height = bracketed(piece.tex, TALL if piece.height >= TALL else 0, (r"\lVert", r"\rVert"))
        return scripted(Symbol(tex, kind), max(height, piece.height), scalar=True)
    return norm


def _absolute(piece: Piece) -> Piece:
    tex, height = bracketed(piece.tex, TALL if piece.height >= TALL else 0, (r"\lvert", r"\rvert"))
    return scripted(Symbol(tex), max(height, piece.height), scalar=piece.scalar)


def _filled(digit: str) -> Callable[..., Piece]:
    return lambda *sizes: scripted(Symbol(f"\\mathbf{{{digit}}}", r" \times ".join(size.tex for size in sizes)))


def _ratio(of: Piece, by: Piece) -> Piece:
    above, below = (r"\partial " + at_least(piece, SCRIPT).tex for piece in (of, by))
    return atom(f"\\frac{{{above}}}{{{below}}}", TALL, ends="derivative")


def _log_det(piece: Piece) -> Piece:
    applied = _applied(Symbol(r"\log\det"), (piece,), scalar=True)
    return atom(applied.tex, applied.height, scalar=True)


_CALLS: dict[tuple[str, int], Callable[..., Piece]] = {
    ("inv", 1): _inverse, ("pinv", 1): lambda p: with_operator(p, "+"), ("kron", 2): lambda p, q: product("kron", p, q),
    ("norm1", 1): _norm("1"), ("norm2", 1): _norm("2"), ("normF", 1): _norm("F"), ("abs", 1): _absolute, ("logdet", 1): _log_det,
    ("sqrt", 1): lambda p: atom(f"\\sqrt{{{p.tex}}}", p.height, scalar=p.scalar),
    ("ones", 1): _filled("1"), ("ones", 2): _filled("1"), ("zeros", 1): _filled("0"), ("zeros", 2): _filled("0"),
    ("eye", 1): lambda n: scripted(Symbol("I", n.tex)), ("grad", 2): _ratio, ("jac", 2): _ratio,
    ("vector", 1): lambda n: scripted(Symbol(r"\mathbf{1}")), ("matrix", 1): lambda n: scripted(Symbol(r"\mathbf{1}")),
}
"""(function, number of arguments) -> what is not set as a name with brackets."""
