"""Syntax trees of claims: their parts, what kind of value they have, and the replacing of a part."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from symgrad.core.graph import Graph
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
    Place,
    Transpose,
    operands,
    rebuilt,
)
from symgrad.notation.words import CLAIM_FUNCTIONS, ELEMENTWISE

__all__ = ["AT", "Kind", "Path", "binary", "call", "index", "kind", "number", "over", "places", "put", "turned"]

AT = Place(1, 1, 1)
Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """How many axes a value has, and whether it is a row."""

    rank: int
    lying: bool = False


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
    return rebuilt(e, parts)


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
