"""A graph comes in; the role of every parameter in it, and how many entries each output sums and each input feeds, go out.

Nothing is guessed from names. A parameter is followed from where it is read, through transpositions, slices and products with other
parameters, to the equation where one of its indices is summed together with an index of something that depends on data: the summed axes
lead in, the others lead out, and an axis that runs over a window (a convolution) belongs to both.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from symgrad.core import equation as eq
from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import Size, size_number
from symgrad.ops.stacking import MERGE

__all__ = ["Role", "roles"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a parameter is for: "weight" (contracted with data), "scale" (multiplies it), "shift" (is added to it), "unread".

    into, out: the axes that lead in and out. window: those of `into` that run over a window. groups: by axis of `out`, the size that it
    shares with what it multiplies (the groups of a convolution). strides: by axis of `window`, the places between two inputs that one output
    sums (a transposed convolution, where an output meets a part of the window). chosen: `into` picks one row (an embedding), so that nothing is summed.
    Axes in neither number the members of a family, such as layers.
    """

    kind: str
    into: tuple[int, ...] = ()
    out: tuple[int, ...] = ()
    window: tuple[int, ...] = ()
    groups: Mapping[int, Size] = field(default_factory=dict)
    strides: Mapping[int, int] = field(default_factory=dict)
    chosen: bool = False

    def fans(self, shape: tuple[int, ...], sizes: Mapping[str, int]) -> tuple[float, float]:
        """(how many entries one output sums, how many outputs one input feeds), at an array's shape; edges, and the stride of a convolution, aside."""
        into = 1 if self.chosen else math.prod(shape[a] for a in self.into) / math.prod(self.strides.values())
        out = math.prod(shape[a] for a in self.window)
        for a in self.out:
            out *= shape[a] // (size_number(self.groups[a], sizes) if a in self.groups else 1)
        return into, out


UNREAD, SHIFT, SCALE = Role("unread"), Role("shift"), Role("scale")
Places = tuple[int | None, ...]
"""Where each axis of the parameter is in a value made of it; None: it is gone, by a slice or a sum."""


@dataclass(frozen=True, slots=True)
class _Trail:
    """A value made of the parameter. summed: axes that were summed with other parameters. touched: axes multiplied by data on the way."""

    places: Places
    summed: tuple[int, ...] = ()
    touched: tuple[int, ...] | None = None


def roles(graph: Graph, names: Iterable[str] | None = None, output: Node | None = None) -> dict[str, Role]:
    """The role of every parameter (or of the variables named) in what the output depends on."""
    order = topological([graph.output if output is None else output, *graph.names.values()])
    wanted = list(graph.params if names is None else names)
    leaves = {n for n in order if isinstance(n.data, Variable)}
    moving = {n for n in leaves if n.name not in wanted and n.data.kind != "const"}  # type: ignore[union-attr]  # leaves hold variables
    readers: dict[Node, list[Node]] = {}
    for n in order:
        if any(o in moving for o in n.operands) and n.op.name != "ones":
            moving.add(n)
        for o in dict.fromkeys(n.operands):
            readers.setdefault(o, []).append(n)
    place = {n: k for k, n in enumerate(order)}
    return {name: _role(graph[name], readers, moving, place) for name in wanted}


def _role(parameter: Node, readers: Mapping[Node, list[Node]], moving: set[Node], place: Mapping[Node, int]) -> Role:
    """The best of what the uses say: contracted with data, contracted with other parameters only, a scale, a shift."""
    trails = {parameter: _Trail(tuple(range(parameter.rank)))}
    found: list[Role] = []
    second: list[Role] = []
    waiting = [parameter]
    while waiting:
        waiting.sort(key=lambda n: -place[n])
        value = waiting.pop()
        for reader in readers.get(value, ()):
            for seen in _uses(reader, value, trails[value], moving):
                if isinstance(seen, _Trail):
                    if reader not in trails:
                        trails[reader] = seen
                        waiting.append(reader)
                else:
                    found.append(seen)
        if trails[value].summed and parameter.rank > 1:
            trail = trails[value]
            second.append(Role("weight", trail.summed, tuple(a for a, p in enumerate(trail.places) if p is not None)))
    weights = [r for r in found if r.kind == "weight"] + second
    return weights[0] if weights else SCALE if SCALE in found else SHIFT if SHIFT in found or (parameter.rank < 2 and len(trails) > 1) else UNREAD


def _uses(reader: Node, value: Node, trail: _Trail, moving: set[Node]) -> Iterator[Role | _Trail]:
    """What a reader of a value makes of it: a role that is decided, or a value to follow."""
    op = reader.op
    if op.body is None:
        for k, names in enumerate(op.signature):
            if reader.operands[k] is value and (op.name == MERGE or set(names) <= set(op.out)):
                at = [op.out.index("z" if op.name == MERGE and n in ("x", "y") else n) for n in names]
                yield _Trail(tuple(None if p is None else at[p] for p in trail.places), trail.summed, trail.touched)
        return
    bound, factors, added = _taken_apart(op.scoped)
    for own in [r for r in eq.references(op.scoped) if reader.operands[r[1]] is value]:
        others = [r for r in eq.references(op.scoped) if r is not own]
        driven = [r for r in others if reader.operands[r[1]] in moving]
        if added:
            if driven:
                yield SHIFT if trail.touched is None else SCALE
            else:
                yield from _followed(own, op.out, trail, ())
        elif factors is None or own not in factors:        # bent: W*W of a penalty, softplus(s) of a scale
            if not driven and not bound and trail.touched is None:
                yield from _followed(own, op.out, trail, ())
            elif driven or trail.touched is not None:
                yield SCALE
        else:
            yield from _contracted(reader, own, driven, bound, trail)


def _taken_apart(body: eq.Expr) -> tuple[tuple[eq.Index, ...], list[eq.Expr] | None, bool]:
    """(bound indices, the references that are multiplied, whether it is a sum of terms); None where it is no plain product."""
    bound: tuple[eq.Index, ...] = ()
    while body[0] == "S":
        bound, body = (*bound, *body[1]), body[2]
    if body[0] == "+":
        return bound, None, True
    factors = body[1] if body[0] == "*" else (body,)
    return bound, [f for f in factors if f[0] == "r"] if all(f[0] in "rnksd^" for f in factors) else None, False


def _followed(own: eq.Expr, out: tuple[str, ...], trail: _Trail, summed: tuple[int, ...], touched: tuple[int, ...] | None = None) -> Iterator[_Trail]:
    """The value as seen from its reader, if every axis that is left stays an axis of its own."""
    places: list[int | None] = []
    for axis, p in enumerate(trail.places):
        index = None if p is None else own[2][p]
        if index is None or axis in summed or not eq.index_names(index):   # gone already, summed, or a slice at a number
            places.append(None)
        elif index in out:
            places.append(out.index(str(index)))
        else:
            return
    yield _Trail(tuple(places), (*trail.summed, *summed), touched if touched is not None else trail.touched)


def _contracted(reader: Node, own: eq.Expr, driven: list[eq.Expr], bound: tuple[eq.Index, ...], trail: _Trail) -> Iterator[Role | _Trail]:
    """A product of references, summed over some indices: with data it decides, with other parameters alone it is followed."""
    index_of = {a: own[2][p] for a, p in enumerate(trail.places) if p is not None}
    summed = tuple(a for a, i in index_of.items() if set(eq.index_names(i)) & set(bound))
    theirs = [i for r in driven for i in r[2]]
    known = {n for i in theirs for n in eq.index_names(i)}
    into = tuple(a for a in summed if set(eq.index_names(index_of[a])) & known)
    if trail.touched is not None and not driven:           # (W .* x) summed, and then bent: weights written by hand
        if set(summed) & set(trail.touched) and len(eq.references(reader.op.scoped)) == 1:
            yield Role("weight", tuple(a for a in summed if a in trail.touched), tuple(a for a in index_of if a not in trail.touched))
        else:
            yield SCALE
        return
    if driven and into:
        mine = {n for i in index_of.values() for n in eq.index_names(i)}
        beside = {n for i in theirs if eq.is_affine(i) for n in eq.index_names(i) if n not in mine and n in reader.op.out}
        running = {n for i in theirs if eq.is_affine(i) and beside & {*eq.index_names(i)} for n in eq.index_names(i)}   # x[stride*place + offset]
        strides = {a: abs(c) for a in into if eq.is_affine(index_of[a]) for n, c in eq.affine_parts(index_of[a])[1].items() if n in bound}
        window = tuple(a for a in into if a in strides or index_of[a] in running)
        out, groups = list(trail.summed), {}
        for a, i in index_of.items():
            shared = [n for n in eq.index_names(i) if n in known and n in reader.op.out]
            if a not in into and not (shared and not eq.is_affine(i)):
                out.append(a)
                if shared:
                    groups[a] = reader.shape[reader.op.out.index(str(shared[0]))]
        chosen = all(reader.operands[r[1]].op.name == "onehot" for r in driven)
        yield Role("weight", into, tuple(out), window, groups, strides, chosen)
    elif driven:
        yield SCALE
        yield from _followed(own, reader.op.out, trail, summed, tuple(a for a, i in index_of.items() if i in known))
    else:
        yield from _followed(own, reader.op.out, trail, summed)
