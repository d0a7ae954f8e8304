"""The right side of a wrong line comes in; the right sides that undo one slip go out, the likeliest slips first."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, SIZE, Node
from symgrad.network.wording import written
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
    walk,
)
from symgrad.notation.words import CLAIM_FUNCTIONS, ELEMENTWISE

__all__ = ["Mended", "mended"]

AT = Place(1, 1, 1)
Path = tuple[int, ...]


class Mended(NamedTuple):
    """A right side without the slip, the slip's pattern, and one sentence on it."""

    pattern: str
    message: str
    value: Expression


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a right side: where it stands, the indices bound there, and the expression around it."""

    path: Path
    e: Expression
    bound: tuple[str, ...]
    parent: Expression | None


def mended(value: Expression, bound: Sequence[str], graph: Graph, families: Sequence[str], scalar: bool, parts_missing: bool) -> Iterator[Mended]:
    """Every right side that differs by the undoing of one slip. `bound`: the indices of the left side; `graph` has the names in sight.

    scalar: the line is about one component, and so are its parts.

    parts_missing: constants, terms and factors that are too much or missing; else only what stands there is exchanged.
    """
    parts = list(_parts(value, (), tuple(bound), None))
    pool = _Pool(graph, tuple(families), _ranges(value, graph), scalar)
    if not parts_missing:
        yield from _axes(value, tuple(bound))
    kinds: tuple[Callable[[_Part, _Pool], Iterator[tuple[str, str, Expression]]], ...] = (
        (_factors, _surplus, _missing_factors, _missing_terms) if parts_missing else
        (_signs, _products, _transposes, _points, _indices, _averages, _operands))
    for kind in kinds:
        for part in parts:
            for pattern, message, new in kind(part, pool):
                yield Mended(pattern, message, _put(value, part.path, new))


def _parts(e: Expression, path: Path, bound: tuple[str, ...], parent: Expression | None) -> Iterator[_Part]:
    yield _Part(path, e, bound, parent)
    inner = (*bound, *e.indices) if isinstance(e, Over) else bound
    if isinstance(e, Call) and e.function in CLAIM_FUNCTIONS:
        return
    for k, x in enumerate(operands(e)):
        yield from _parts(x, (*path, k), inner, e)


def _put(e: Expression, path: Path, new: Expression) -> Expression:
    if not path:
        return new
    parts = list(operands(e))
    parts[path[0]] = _put(parts[path[0]], path[1:], new)
    return rebuilt(e, parts)


# ---------------------------------------------------------------------- what may stand in a line
class _Pool:
    """The named values of a graph, and the ways each is written where certain indices are bound."""

    def __init__(self, graph: Graph, families: tuple[str, ...], ranges: Mapping[str, object], scalar: bool) -> None:
        self.graph, self.families, self.ranges, self.scalar = graph, families, ranges, scalar
        self.values = {n: node for n, node in graph.names.items() if node.op not in (NUMBER, SIZE) and not n.rpartition("_")[2].isdigit()}
        self.sizes = graph.size_names()
        self.slopes = [d for node in self.values.values() if (d := self._slope(node)) is not None]

    def _slope(self, node: Node) -> tuple[str, Node] | None:
        """(function, node it is applied to) of a value that is an elementwise function of a named one."""
        word = node.op.name
        known = word in ELEMENTWISE or (word in self.graph.functions and self.graph.functions[word].elementwise)
        return (word, node.operands[0]) if known and len(node.operands) == 1 and self.graph.name_of(node.operands[0]) else None

    def alike(self, name: str) -> Iterator[str]:
        """Other names of the same shape and family."""
        node, family = self.graph.names[name], self.graph.families.get(name)
        yield from (n for n, other in self.values.items() if n != name and other.shape == node.shape and self.graph.families.get(n) == family)

    def ways(self, name: str, bound: tuple[str, ...]) -> Iterator[Expression]:
        """The value as a whole, at the examples' index, and its components at bound indices."""
        node, family = self.graph.names[name], self.graph.families.get(name)
        whole = Name(name, AT)
        count = len(family.index) if family is not None else 0
        if count and set(bound) & self.ranges.keys() and len(bound) >= count:
            if not self.scalar or node.rank == count:
                yield from self._at(whole, node, bound, count)
        elif not (self.scalar and node.rank):
            yield whole
        if len(bound) >= node.rank > count:
            yield from self._at(whole, node, bound, node.rank)

    def _at(self, whole: Name, node: Node, bound: tuple[str, ...], count: int) -> Iterator[Expression]:
        """The value at bound indices of the sizes that its first axes have."""
        for at in itertools.permutations(bound, count):
            if all(self.ranges.get(n, size) == size for n, size in zip(at, node.shape, strict=False)):
                yield Index(whole, tuple(map(_plain, at)), AT)

    def is_number(self, e: Expression) -> bool:
        """Whether a value is a scalar as it is written."""
        match e:
            case Derivative(_, _, (a,)):
                return self.is_number(a)
            case Index(Name(name), at):
                return self.graph.names[name].rank == len(at)
            case Name(name):
                return self.graph.names[name].rank == 0
            case _:
                return False

    def factors(self, bound: tuple[str, ...]) -> Iterator[Expression]:
        """Every value and every slope of an elementwise function, in each way it may be written."""
        for name in self.values:
            yield from self.ways(name, bound)
        for function, node in self.slopes:
            for z in self.ways(self.graph.name_of(node), bound):
                yield Derivative(function, 1, (z,), AT)


def _ranges(value: Expression, graph: Graph) -> dict[str, object]:
    """The sizes of indices, from the arrays that they stand at."""
    found: dict[str, object] = dict(graph.ranges)
    for e in walk(value):
        if isinstance(e, Index) and isinstance(e.operand, Name) and e.operand.name in graph.names:
            found |= {i.name: size for i, size in zip(e.indices, graph.names[e.operand.name].shape, strict=False) if i.name is not None and i.name not in found}
    return found


def _plain(name: str) -> Affine:
    return Affine(0, (AffineTerm(1, (name,)),), AT)


def _binary(operator: Operator, left: Expression, right: Expression) -> Expression:
    return Binary(operator, left, right, AT)


def _number(value: int) -> Expression:
    return Number(Fraction(value), AT)


Slip = Iterator[tuple[str, str, Expression]]


# ---------------------------------------------------------------------- slips
def _signs(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Binary("+" | "-" as sign, a, b):
            yield "sign", f"the sign before {written(b)} is wrong", _binary("-" if sign == "+" else "+", a, b)
        case Negate(a):
            yield "sign", f"the sign before {written(a)} is wrong", a
    if p.parent is None or (isinstance(p.parent, Binary) and p.parent.operator in ("+", "-") and p.e is p.parent.left):
        yield "sign", f"the sign before {written(p.e)} is wrong", Negate(p.e, AT)


def _products(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Binary("*", a, b):
            yield "elementwise", f"{written(p.e)} is a matrix product: here it goes entry by entry, .*", _binary(".*", a, b)
        case Binary(".*", a, b):
            yield "elementwise", f"{written(p.e)} goes entry by entry: here a matrix product belongs, *", _binary("*", a, b)


def _transposes(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Transpose(a):
            yield "transposed", f"{written(a)} must not be transposed here", a
        case Name() | Index() | Call() | Binary():
            if not isinstance(p.parent, Transpose | Index):
                yield "transposed", f"{written(p.e)} must be transposed here", Transpose(p.e, AT)
    match p.e:
        case Binary("*", a, b):
            yield "transposed", f"the factors of {written(p.e)} stand in the wrong order", _binary("*", b, a)


def _points(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Derivative(f, _, (a,)) | Call("step" as f, (a,)):
            for b in _others(a, pool):
                yield "wrong point", f"the derivative of {f} is taken at {written(a)}: it belongs at {written(b)}", replace(p.e, arguments=(b,))
        case Binary("-", Number(one), Binary("^" | ".^" as power, a, Number(two)) as square) if one == 1 and two == 2:
            for b in _others(a, pool):
                new = replace(square, left=b, operator=power)
                yield "wrong point", f"1 - {written(square)} is a derivative taken at the wrong point: {written(b)} belongs there", replace(p.e, right=new)


def _others(e: Expression, pool: _Pool) -> Iterator[Expression]:
    """The same with another name of that shape."""
    match e:
        case Name(name) if name in pool.values:
            yield from (Name(n, e.place) for n in pool.alike(name))
        case Index(a, at):
            yield from (Index(b, at, e.place) for b in _others(a, pool))


def _indices(p: _Part, pool: _Pool) -> Slip:
    if not isinstance(p.e, Index):
        return
    at = p.e.indices
    made = [(*at[:a], at[b], *at[a + 1:b], at[a], *at[b + 1:]) for a, b in itertools.combinations(range(len(at)), 2)]
    made += [(*at[:k], _plain(n), *at[k + 1:]) for k in range(len(at)) for n in dict.fromkeys((*p.bound, *pool.families)) if at[k].name != n]
    for new in made:
        right = replace(p.e, indices=new)
        yield "wrong index", f"{written(p.e)} has a wrong index: {written(right)} belongs there", right


def _axes(value: Expression, bound: tuple[str, ...]) -> Iterator[Mended]:
    """Two indices of the left side exchanged."""
    for a, b in itertools.combinations(bound, 2):
        said = f"the axes {a} and {b} are exchanged: they stand in the order of the variable's"
        yield Mended("wrong index", said, _relettered(value, {a: b, b: a}))


def _relettered(e: Expression, letters: Mapping[str, str]) -> Expression:
    def moved(i: Affine) -> Affine:
        return replace(i, terms=tuple(replace(t, names=tuple(letters.get(n, n) for n in t.names)) for t in i.terms))
    e = rebuilt(e, [_relettered(x, letters) for x in operands(e)])
    match e:
        case Index():
            return replace(e, indices=tuple(map(moved, e.indices)))
        case Delta():
            return replace(e, left=moved(e.left), right=moved(e.right))
        case Over():
            return replace(e, indices=tuple(letters.get(n, n) for n in e.indices))
        case _:
            return e


def _averages(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Over(_, names, _) if set(names) & set(pool.families):
            n, free = next(n for n in names if n in pool.families), next(x for x in "abcdefghij" if x not in (*p.bound, *names, *pool.families))
            yield "wrong index", f"the range of {n} is wrong: the sum runs over all of what is summed", _relettered(p.e, {n: free})
    match p.e:
        case Over("sum" | "mean" as word, _, _):
            other = "mean" if word == "sum" else "sum"
            yield "mean for sum", f"a {word} stands where a {other} belongs, over {', '.join(p.e.indices)}", replace(p.e, reducer=other)
        case Call("sum" | "mean" as word, _):
            other = "mean" if word == "sum" else "sum"
            yield "mean for sum", f"a {word} stands where a {other} belongs", replace(p.e, function=other)


def _operands(p: _Part, pool: _Pool) -> Slip:
    if isinstance(p.e, Name | Index) and not isinstance(p.parent, Index):
        for b in _others(p.e, pool):
            yield "wrong operand", f"{written(p.e)} stands where {written(b)} belongs", b


def _factors(p: _Part, pool: _Pool) -> Slip:
    """A constant factor of one term: undone by its inverse."""
    if p.parent is not None and not _term(p):
        return
    for c in (_number(2), *(Name(s, AT) for s in pool.sizes)):
        yield "factor", f"the factor {written(c)} is missing in {written(p.e)}", _binary("*", c, p.e)
        yield "factor", f"the factor {written(c)} is too much in {written(p.e)}", _binary("/", p.e, c)


def _term(p: _Part) -> bool:
    """Whether a part is a summand, the inside of a sum, or the argument of a function: a product as a whole."""
    outer = p.parent
    return outer is None or isinstance(outer, Over | Call | Derivative) or (isinstance(outer, Binary) and outer.operator in ("+", "-")) \
        or isinstance(outer, Negate | Transpose) or (isinstance(outer, Binary) and isinstance(p.e, Binary) and p.e.operator in ("+", "-"))


def _surplus(p: _Part, pool: _Pool) -> Slip:
    match p.e:
        case Binary("*" | ".*", a, b):
            for kept, gone in ((a, b), (b, a)):
                yield "extra factor", f"the factor {written(gone)} does not belong here", kept
        case Binary("/" | "./", a, b):
            yield "extra factor", f"the division by {written(b)} does not belong here", a
        case Binary("+" | "-" as sign, a, b):
            yield "extra term", f"the term {written(b)} does not belong here", a
            yield "extra term", f"the term {written(a)} does not belong here", b if sign == "+" else Negate(b, AT)
        case Over("sum" | "mean", names, a):
            yield "wrong index", f"nothing is summed over {', '.join(names)} here", a


def _missing_terms(p: _Part, pool: _Pool) -> Slip:
    if not _term(p) and not isinstance(p.parent, Binary):
        return
    for v in (*pool.factors(p.bound), _number(1)):
        for sign in ("-", "+"):
            yield "missing term", f"the term {written(v)} is missing beside {written(p.e)}", Binary(sign, p.e, v, AT)


def _missing_factors(p: _Part, pool: _Pool) -> Slip:
    for v in pool.factors(p.bound):
        if isinstance(v, Derivative):
            said = f"the derivative of {v.function}, {written(v)}, is left out beside {written(p.e)}"
        else:
            said = f"the factor {written(v)} is missing beside {written(p.e)}"
        number = pool.is_number(v)
        ways = [_binary("*", p.e, v)] if number else [_binary("*", v, p.e), _binary("*", p.e, v)]
        ways += [] if number or isinstance(v, Derivative) else [_binary("*", Transpose(v, AT), p.e), _binary("*", p.e, Transpose(v, AT))]
        if _term(p) and not number:
            ways.insert(0, _binary(".*", p.e, v))
        yield from (("missing factor", said, w) for w in ways if _term(p) or not number)
