"""A true right side comes in; the single slips that a student could make in it go out, by kind."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from claim_networks import Subject
from claim_trees import AT, Kind, Path, binary, call, index, kind, number, over, places, put, turned

from symgrad.core.graph import Graph
from symgrad.notation.syntax import Affine, Binary, Call, Derivative, Expression, Index, Name, Negate, Number, Over, Transpose, walk

__all__ = ["KINDS", "mutations"]

KINDS = ("sign", "factor", "transpose", "dropped term", "lost factor", "wrong index", "wrong point", "elementwise", "wrong operand")
Found = Iterator[tuple[str, Expression]]


@dataclass(frozen=True, slots=True)
class _Slips:
    """Slips at one part of a right side: its graph, the quantities whose gradient is known, the indices bound there, the slope it stands in."""

    graph: Graph
    known: tuple[str, ...]
    bound: tuple[str, ...]
    slope: bool

    def kind(self, e: Expression) -> Kind | None:
        return kind(e, self.graph)

    def at(self, e: Expression) -> Found:
        """(kind, the part with a slip)"""
        k = self.kind(e)
        match e:
            case Binary("+" | "-" as sign, a, b):
                yield "sign", binary("-" if sign == "+" else "+", a, b)
                if not self.slope and self.kind(a) == self.kind(b):
                    yield "dropped term", a
                    yield "dropped term", b if sign == "+" else Negate(b, e.place)
            case Negate(a):
                yield "sign", a
            case Binary("*" | ".*" as by, a, b):
                yield from self._product(e, by, a, b, k)
            case Over("sum" | "mean" as reducer, names, a):
                yield "factor", over("mean" if reducer == "sum" else "sum", names, a)
            case Index(_, at):
                yield from (("wrong index", replace(e, indices=new)) for new in self._indices(at))
            case Derivative(_, _, (a,)):
                yield from (("wrong point", replace(e, arguments=(b,))) for b in self._others(a))
            case Call("step", (a,)):
                yield from (("wrong point", call("step", b)) for b in self._others(a))
        if isinstance(e, Name | Index) and not self.slope:
            yield from (("wrong operand", b) for b in self._others(e))
        if isinstance(e, Name | Index | Transpose | Call) and k is not None and k.rank:
            yield "transpose", turned(e)

    def _product(self, e: Binary, by: str, a: Expression, b: Expression, k: Kind | None) -> Found:
        ka, kb = self.kind(a), self.kind(b)
        if ka and kb and ka.rank and kb.rank:
            yield "elementwise", binary(".*" if by == "*" else "*", a, b)
        for kept, dropped in ((a, b), (b, a)):
            if self.kind(kept) == k and not any(isinstance(x, Number) for x in walk(dropped) if x is dropped):
                yield ("factor" if _constant(dropped, self.graph) else "lost factor"), kept

    def _indices(self, at: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
        if len(at) == 2:
            yield (at[1], at[0])
        for k in range(len(at)):
            for name in self.bound:
                yield (*at[:k], index(name), *at[k + 1:])
            yield (*at[:k], Affine(1, (), AT), *at[k + 1:])

    def _others(self, e: Expression) -> Iterator[Expression]:
        """The same with another name of the same shape and family."""
        match e:
            case Name(name) if name in self.graph.names:
                node = self.graph[name]
                for other, there in self.graph.names.items():
                    if other != name and there.shape == node.shape and self.graph.families.get(other) == self.graph.families.get(name):
                        yield Name(other, e.place)
            case Index(a, at):
                yield from (Index(b, at, e.place) for b in self._others(a))
            case Call("grad", (of, Name(name) as wrt)):
                yield from (call("grad", of, b) for b in self._others(wrt) if isinstance(b, Name) and b.name in self.known)


def _constant(e: Expression, graph: Graph) -> bool:
    """Whether it is made of numbers and sizes."""
    return all(isinstance(x, Number | Binary | Negate) or (isinstance(x, Call) and x.function == "sqrt") or (isinstance(x, Name) and x.name not in graph.names) for x in walk(e))


def _slopes(e: Expression) -> Iterator[tuple[Path, Expression]]:
    """The places of h in 1 - h.^2."""
    for path, x, _ in places(e):
        match x:
            case Binary("-", Number(one), Binary("^" | ".^", h, Number(two))) if one == 1 and two == 2:
                yield (*path, 1, 0), h


def mutations(subject: Subject, e: Expression, bound: tuple[str, ...], known: tuple[str, ...]) -> dict[str, list[Expression]]:
    """The right side with one slip each, by kind. `known`: quantities whose gradient an earlier line has."""
    graph, found = subject.graph, dict[str, list[Expression]]()
    slopes = [p for p, _ in _slopes(e)]
    indexed = {(*p, 0) for p, x, _ in places(e) if isinstance(x, Index)}
    for path, x, inner in places(e):
        slope = any((path == p[: len(path)] and len(path) >= len(p) - 2) or path[: len(p)] == p for p in slopes)
        for name, new in _Slips(graph, known, (*bound, *inner), slope).at(x):
            if not (name == "transpose" and path in indexed):
                found.setdefault(name, []).append(put(e, path, new))
    outer = _Slips(graph, known, bound, False)
    for path, h in _slopes(e):
        found.setdefault("wrong point", []).extend(put(e, path, b) for b in outer._others(h))
    sizes = [Name("N", e.place)] if "N" in graph.size_names() else []
    factors = [number(2), binary("/", number(1), number(2)), *sizes, *(binary("/", number(1), n) for n in sizes)]
    found.setdefault("factor", []).extend(binary("*", f, e) for f in factors)
    found.setdefault("sign", []).append(Negate(e, e.place))
    return {name: trees for name, trees in found.items() if trees}
