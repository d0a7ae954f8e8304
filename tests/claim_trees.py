"""Syntax trees of claims: their text, what kind of value they have, and the replacing of a part."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.core.graph import Graph
from symgrad.network.wording import index_text
from symgrad.notation.syntax import (
    Affine,
    AffineTerm,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Name,
    Negate,
    Number,
    Operator,
    Over,
    Partial,
    Place,
    Transpose,
    operands,
)
from symgrad.notation.words import CLAIM_FUNCTIONS, ELEMENTWISE

__all__ = ["AT", "Kind", "Path", "binary", "call", "index", "kind", "number", "over", "places", "put", "text", "turned"]

AT = Place(1, 1, 1)
Path = tuple[int, ...]
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, ".*": 2, "./": 2, "^": 4, ".^": 4}


@dataclass(frozen=True, slots=True)
class Kind:
    """How many axes a value has, and whether it is a row."""

    rank: int
    lying: bool = False


# ---------------------------------------------------------------------- text
def text(e: Expression) -> str:
    """The text of an expression, complete, with the brackets that it needs."""
    return _text(e)[0]


def _text(e: Expression) -> tuple[str, int]:
    def least(inner: Expression, strength: int) -> str:
        found, own = _text(inner)
        return found if own >= strength else f"({found})"

    inside = ", ".join(_text(x)[0] for x in operands(e))
    match e:
        case Number():
            whole = e.value.denominator == 1
            return (str(e.value), 9 if e.value >= 0 else 3) if whole else (f"({e.value.numerator}/{e.value.denominator})", 9)
        case Name():
            return e.name, 9
        case Transpose():
            return f"{least(e.operand, 5)}'", 5
        case Negate():
            return f"-{least(e.operand, 3)}", 3
        case Binary():
            own = _STRENGTH[e.operator]
            gap = " " if own == 1 else ""
            return f"{least(e.left, own + (own == 4))}{gap}{e.operator}{gap}{least(e.right, own + 1)}", own
        case Index():
            return f"{least(e.operand, 5)}[{', '.join(map(index_text, e.indices))}]", 9
        case Over():
            return f"{e.reducer}[{', '.join(e.indices)}]({inside})", 9
        case Delta():
            return f"delta[{index_text(e.left)}, {index_text(e.right)}]", 9
        case Derivative():
            return f"{e.function}{chr(39) * e.order}({inside})", 9
        case Partial():
            return f"partial({e.function}, {', '.join(map(str, e.positions))})({inside})", 9
        case Call():
            assert not e.keywords
            return f"{e.function}({inside})", 9


# ---------------------------------------------------------------------- making and replacing
def number(value: int | Fraction) -> Expression:
    """A literal; a fraction is the quotient of two."""
    f = Fraction(value)
    whole = Number(Fraction(f.numerator), AT)
    return whole if f.denominator == 1 else binary("/", whole, Number(Fraction(f.denominator), AT))


def binary(operator: Operator, left: Expression, right: Expression) -> Expression:
    """left operator right."""
    return Binary(operator, left, right, AT)


def call(function: str, *arguments: Expression) -> Expression:
    """function(arguments)."""
    return Call(function, arguments, (), AT)


def turned(e: Expression) -> Expression:
    """The transpose, two primes being none."""
    return e.operand if isinstance(e, Transpose) else Transpose(e, AT)


def index(name: str) -> Affine:
    """A plain index."""
    return Affine(0, (AffineTerm(1, (name,)),), AT)


def over(reducer: str, names: tuple[str, ...], e: Expression) -> Expression:
    """reducer[names](e)."""
    return Over(reducer, names, e, AT)


def places(e: Expression, path: Path = (), bound: tuple[str, ...] = ()) -> Iterator[tuple[Path, Expression, tuple[str, ...]]]:
    """Every part with its path and the indices that sums around it bind, outermost part first; grad(...) and jac(...) are one part."""
    yield path, e, bound
    inner = (*bound, *e.indices) if isinstance(e, Over) else bound
    for k, x in enumerate(() if isinstance(e, Call) and e.function in CLAIM_FUNCTIONS else operands(e)):
        yield from places(x, (*path, k), inner)


def put(e: Expression, path: Path, new: Expression) -> Expression:
    """e with the part at a path replaced."""
    if not path:
        return new
    parts = list(operands(e))
    parts[path[0]] = put(parts[path[0]], path[1:], new)
    match e:
        case Binary():
            return replace(e, left=parts[0], right=parts[1])
        case Transpose() | Negate() | Index() | Over():
            return replace(e, operand=parts[0])
        case _:
            assert isinstance(e, Derivative | Partial | Call)
            return replace(e, arguments=tuple(parts))


# ---------------------------------------------------------------------- kinds
_SCALARS = ("sum", "mean", "min", "max", "norm1", "norm2", "normF", "tr", "det", "logdet")


def kind(e: Expression, graph: Graph) -> Kind | None:
    """What kind of value it is; None where that is not known here."""
    if isinstance(e, Number | Delta):
        return Kind(0)
    if isinstance(e, Name):
        return Kind(graph.names[e.name].rank) if e.name in graph.names else Kind(0)
    parts = [kind(x, graph) for x in operands(e)]
    if isinstance(e, Call) and e.function == "grad":
        return parts[1]
    if isinstance(e, Call) and e.function in ("jac", "ones", "zeros", "eye", "outer"):
        return Kind({"ones": len(parts), "zeros": len(parts)}.get(e.function, 2))
    if any(p is None for p in parts):
        return None
    first = parts[0] or Kind(0)
    match e:
        case Transpose():
            return Kind(first.rank, first.rank == 1 and not first.lying)
        case Negate() | Over():
            return first
        case Index():
            return Kind(first.rank - len(e.indices)) if first.rank >= len(e.indices) else None
        case Derivative():
            return first
        case Call():
            if e.function in _SCALARS:
                return Kind(0)
            if e.function == "diag":
                return Kind(3 - first.rank)
            return first if e.function in ELEMENTWISE or e.function in ("softmax", "log_softmax") else None
        case Binary():
            return _combined(e.operator, first, parts[1] or Kind(0))
        case _:
            return None


def _combined(operator: str, a: Kind, b: Kind) -> Kind | None:
    if operator == "*" and a.rank and b.rank:
        inner = {(2, 2): Kind(2), (2, 1): Kind(1), (1, 2): Kind(1, True)}.get((a.rank, b.rank))
        return inner or (Kind(0) if a.lying and not b.lying else Kind(2) if b.lying and not a.lying else None)
    return a if a.rank >= b.rank else b
