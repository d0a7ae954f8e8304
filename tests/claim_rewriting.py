"""A right side comes in; the same value, written otherwise, goes out: one random step of algebra at a time, on the syntax tree."""
from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from claim_networks import Subject
from claim_trees import Kind, binary, call, index, kind, number, over, places, put, turned

from symgrad.core.graph import Graph
from symgrad.notation.parse import parse
from symgrad.notation.statements import Definition
from symgrad.notation.syntax import Binary, Call, Derivative, Expression, Index, Name, Negate, Number, Over, Transpose, operands, walk
from symgrad.notation.words import CLAIM_FUNCTIONS

__all__ = ["rewritten", "tidied"]

SLOPES = {"tanh": "1 - h^2", "sigmoid": "h*(1 - h)", "relu": "step"}


@dataclass(frozen=True, slots=True)
class Context:
    """The network, its definitions, and the indices bound where the part stands."""

    graph: Graph
    definitions: Mapping[str, Definition]
    bound: tuple[str, ...]
    target: str

    def kind(self, e: Expression) -> Kind | None:
        """The kind of a part."""
        return kind(e, self.graph)

    def scalar(self, e: Expression) -> bool:
        """Whether a part is surely a scalar."""
        return self.kind(e) == Kind(0)


@functools.cache
def definitions(subject: Subject) -> Mapping[str, Definition]:
    """The definitions of a network by name."""
    return {s.name: s for s in parse(subject.text).statements if isinstance(s, Definition)}


# ---------------------------------------------------------------------- rules: a part, and the ways to write it otherwise
def commute(e: Expression, c: Context) -> Iterator[Expression]:
    """a + b = b + a, a .* b = b .* a, s*a = a*s, a - b = -b + a."""
    if not isinstance(e, Binary):
        return
    if e.operator in ("+", ".*") or (e.operator == "*" and (c.scalar(e.left) or c.scalar(e.right))):
        yield binary(e.operator, e.right, e.left)
    if e.operator == "-":
        yield binary("+", Negate(e.right, e.place), e.left)
        yield Negate(binary("-", e.right, e.left), e.place)


def associate(e: Expression, c: Context) -> Iterator[Expression]:
    """(a*b)*c = a*(b*c), (s*a) .* b = s*(a.*b)."""
    match e:
        case Binary("*", Binary("*", a, b), d) if c.kind(b) not in (None, Kind(1, True)) and c.kind(binary("*", b, d)) is not None:
            if c.kind(binary("*", a, binary("*", b, d))) == c.kind(e):
                yield binary("*", a, binary("*", b, d))
        case Binary(".*", Binary(".*", a, b), d):
            yield binary(".*", a, binary(".*", b, d))
        case Binary(".*", Binary("*", a, b), d) if c.scalar(a):
            yield binary("*", a, binary(".*", b, d))


def distribute(e: Expression, c: Context) -> Iterator[Expression]:
    """a*(b + c) = a*b + a*c, (a + b)/s = a/s + b/s, of vectors and matrices too, sum(a + b) = sum(a) + sum(b)."""
    match e:
        case Binary("*" | ".*" as by, a, Binary("+" | "-" as sign, b, d)) if c.kind(b) == c.kind(d) is not None:
            yield binary(sign, binary(by, a, b), binary(by, a, d))
    match e:
        case Binary("*" | ".*" | "/" | "./" as by, Binary("+" | "-" as sign, b, d), a) if c.kind(b) == c.kind(d) is not None:
            yield binary(sign, binary(by, b, a), binary(by, d, a))
        case Over("sum" | "mean", names, Binary("+" | "-" as sign, a, b)) if all({n for n in names} <= indices(x) for x in (a, b)):
            yield binary(sign, over(e.reducer, names, a), over(e.reducer, names, b))
        case Transpose(Binary("+" | "-" as sign, a, b)) if c.kind(a) == c.kind(b):
            yield binary(sign, turned(a), turned(b))


def factor_out(e: Expression, c: Context) -> Iterator[Expression]:
    """a*b + a*c = a*(b + c), sum(s*a) = s*sum(a) for an s without the sum's indices, (-a)*b = -(a*b), sum(-a) = -sum(a)."""
    match e:
        case Binary("+" | "-" as sign, Binary("*" | ".*" as by, a, b), Binary(other, a2, d)) if by == other and a == a2 and c.kind(b) == c.kind(d) is not None:
            yield binary(by, a, binary(sign, b, d))
        case Over("sum" | "mean", names, Binary("*", a, b)) if c.scalar(a) and not set(names) & indices(a) and set(names) <= indices(b):
            yield binary("*", a, over(e.reducer, names, b))
        case Over("sum" | "mean", names, Negate(a)):
            yield Negate(over(e.reducer, names, a), e.place)
        case Binary("*" | ".*" | "/" | "./" as by, Negate(a), b):
            yield Negate(binary(by, a, b), e.place)
        case Negate(Binary("*" | ".*" as by, a, b)):
            yield binary(by, a, Negate(b, e.place))
            yield binary(by, Negate(a, e.place), b)
        case Negate(Over("sum" | "mean" as reducer, names, a)):
            yield over(reducer, names, Negate(a, e.place))
        case Binary("*", a, Over("sum" | "mean" as reducer, names, b)) if c.scalar(a) and not set(names) & indices(a):
            yield over(reducer, names, binary("*", a, b))


def reverse_transposes(e: Expression, c: Context) -> Iterator[Expression]:
    """A*B = (B'*A')', a'*b = b'*a for vectors, (A*B)' = B'*A'."""
    match e:
        case Binary("*", a, b) if (ka := c.kind(a)) and (kb := c.kind(b)) and ka.rank and kb.rank:
            both = binary("*", turned(b), turned(a))
            yield both if c.scalar(e) else turned(both)
        case Transpose(Binary("*", a, b)) if c.kind(a) and c.kind(b):
            scalar = c.scalar(a) or c.scalar(b)
            yield binary("*", turn(a, c), turn(b, c)) if scalar else binary("*", turned(b), turned(a))


def turn(e: Expression, c: Context) -> Expression:
    """The transpose of a factor, a scalar's being itself."""
    return e if c.scalar(e) else turned(e)


def outer_products(e: Expression, c: Context) -> Iterator[Expression]:
    """a*b' = outer(a, b) and back, A'*ones(N) = (ones(N)'*A)' by the rule of transposes."""
    match e:
        case Binary("*", a, Transpose(b)) if c.kind(a) == c.kind(b) == Kind(1):
            yield call("outer", a, b)
        case Call("outer", (a, b)):
            yield binary("*", a, turned(b))


def diagonals(e: Expression, c: Context) -> Iterator[Expression]:
    """a .* b = diag(a)*b for columns, and back."""
    match e:
        case Binary(".*", a, b) if c.kind(a) == c.kind(b) == Kind(1):
            yield binary("*", call("diag", a), b)
        case Binary("*", Call("diag", (a,)), b) if c.kind(a) == c.kind(b) == Kind(1):
            yield binary(".*", a, b)


def sums_and_products(e: Expression, c: Context) -> Iterator[Expression]:
    """sum[n](a[n]*b[n]') = a'*b over examples, sum[k](a[k]*b[k]) = a'*b, mean = 1/N*sum."""
    match e:
        case Over("sum", (n,), Binary("*", Index(a, ia), Transpose(Index(b, ib)))) if len(ia) == len(ib) == 1 and ia[0].name == ib[0].name == n:
            if c.kind(a) == c.kind(b) == Kind(2):
                yield binary("*", turned(a), b)
        case Over("sum", (n,), Binary("*", Index(a, ia), Index(b, ib))) if len(ia) == len(ib) == 1 and ia[0].name == ib[0].name == n:
            if c.kind(a) == c.kind(b) == Kind(1):
                yield binary("*", turned(a), b)
            if c.kind(a) == Kind(1) and c.kind(b) == Kind(2):
                yield binary("*", turned(b), a)
        case Binary("*", Transpose(a), b) if c.kind(a) == c.kind(b) == Kind(1) and "i9" not in c.bound:
            yield over("sum", ("i9",), binary("*", part(a, "i9"), part(b, "i9")))
        case Over("sum", (n,), a) if "n" in c.graph.ranges and n == "n":
            yield binary("*", Name("N", e.place), over("mean", (n,), a))
        case Over("mean", (n,), a) if n in ("n", "m") and n in c.graph.ranges:
            yield binary("*", binary("/", number(1), Name("N", e.place)), over("sum", (n,), a))


def part(a: Expression, name: str) -> Expression:
    """The component of a vector."""
    return replace(a, indices=(*a.indices, index(name))) if isinstance(a, Index) else Index(a, (index(name),), a.place)


def numbers(e: Expression, c: Context) -> Iterator[Expression]:
    """a.^2 = a.*a, a^2 = a*a, a/s = 1/s*a, 2*a = a + a, -a = -1*a."""
    match e:
        case Binary(".^" | "^" as power, a, Number(value)) if value == 2 and c.kind(a) is not None:
            yield binary(".*" if power == ".^" else "*", a, a)
        case Binary("/", a, s) if c.scalar(s) and not isinstance(a, Number):
            yield binary("*", binary("/", number(1), s), a)
        case Binary("*", Number(value), a) if value == 2:
            yield binary("+", a, a)
        case Negate(a):
            yield binary("*", Negate(number(1), e.place), a)


def slopes(e: Expression, c: Context) -> Iterator[Expression]:
    """tanh'(z) = 1 - tanh(z).^2, sigmoid'(z) = s.*(1 - s), relu'(z) = step(z); with the named value where there is one."""
    if not (isinstance(e, Derivative) and e.order == 1 and e.function in SLOPES):
        return
    z = e.arguments[0]
    value = named(e.function, z, c)
    times, square = (("*", "^") if c.scalar(z) else (".*", ".^"))
    for h in (value, call(e.function, z)):
        if h is not None and e.function == "tanh":
            yield binary("-", number(1), binary(square, h, number(2)))  # type: ignore[arg-type]  # one of the two operators
            yield binary(times, binary("-", number(1), h), binary("+", number(1), h))  # type: ignore[arg-type]  # one of the two operators
        if h is not None and e.function == "sigmoid":
            yield binary(times, h, binary("-", number(1), h))  # type: ignore[arg-type]  # one of the two operators
    if e.function == "relu":
        yield call("step", z)


def named(function: str, z: Expression, c: Context) -> Expression | None:
    """The name of function(z), where z is a name or an entry of one."""
    for d in c.definitions.values():
        inner, at = (z.operand, z.indices) if isinstance(z, Index) else (z, ())
        match d.value:
            case Call(f, (Index(Name(a)) | Name(a),)) if f == function and inner == Name(a, d.place):
                return Index(Name(d.name, d.place), at, d.place) if at else Name(d.name, d.place)
    return None


def substitute(e: Expression, c: Context) -> Iterator[Expression]:
    """A name by its definition, with the index it stands with."""
    match e:
        case Name(name) if name in c.definitions and not c.definitions[name].indices:
            yield c.definitions[name].value
        case Index(Name(name), at) if name in c.definitions and len(at) == len(c.definitions[name].indices) == 1:
            d = c.definitions[name]
            if d.indices[0].name == at[0].name and not any(isinstance(x, Over) for x in walk(d.value)):
                yield d.value


def rename(e: Expression, c: Context) -> Iterator[Expression]:
    """Another letter for the index of a sum."""
    if isinstance(e, Over) and len(e.indices) == 1 and e.indices[0] not in c.graph.ranges:
        yield over(e.reducer, ("q7",), relettered(e.operand, e.indices[0], "q7"))


def relettered(e: Expression, old: str, new: str) -> Expression:
    """e with an index renamed."""
    for path, x, _ in list(places(e)):
        if isinstance(x, Index):
            x = at_path(e, path)
            assert isinstance(x, Index)
            e = put(e, path, replace(x, indices=tuple(index(new) if i.name == old else i for i in x.indices)))
        elif hasattr(x, "left") and not isinstance(x, Binary):
            e = put(e, path, replace(x, left=index(new) if x.left.name == old else x.left, right=index(new) if x.right.name == old else x.right))
    return e


def at_path(e: Expression, path: tuple[int, ...]) -> Expression:
    """The part at a path."""
    return next(x for p, x, _ in places(e) if p == path)


def indices(e: Expression) -> set[str]:
    """The names of all indices in an expression."""
    found = {n for x in walk(e) if isinstance(x, Index) for i in x.indices for t in i.terms for n in t.names}
    return found | {n for x in walk(e) if hasattr(x, "left") and not isinstance(x, Binary) for i in (x.left, x.right) for t in i.terms for n in t.names}


def tidied(e: Expression) -> Expression:
    """The same without x'', --x, 1*x and x*1."""
    parts = [tidied(x) for x in operands(e)] if not (isinstance(e, Call) and e.function in CLAIM_FUNCTIONS) else []
    for k, x in enumerate(parts):
        e = put(e, (k,), x)
    match e:
        case Transpose(Transpose(a)) | Negate(Negate(a)) | Binary("*", Number(1), a) | Binary("*" | "/", a, Number(1)):
            return a
        case _:
            return e


RULES: tuple[Callable[[Expression, Context], Iterator[Expression]], ...] = (
    commute, associate, distribute, factor_out, reverse_transposes, outer_products, diagonals, sums_and_products, numbers, slopes, substitute, rename)


def rewritten(subject: Subject, e: Expression, rng: random.Random, bound: tuple[str, ...], target: str = "") -> tuple[str, Expression] | None:
    """(the rule, the expression) after one step at a random place; a rule that fits is chosen first, then its place. None: nothing fits."""
    found: dict[str, list[Expression]] = {}
    for path, x, inner in places(e):
        c = Context(subject.graph, definitions(subject), (*bound, *inner), target)
        for rule in RULES:
            for new in rule(x, c):
                if new != x and (whole := tidied(put(e, path, new))) != e:
                    found.setdefault(rule.__name__, []).append(whole)
    if not found:
        return None
    name = rng.choice(sorted(found))
    return name, rng.choice(found[name])
