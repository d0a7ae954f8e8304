"""A sum of slices times weights, one term a place of the window, comes in; the convolution that it spells out goes out."""
from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import make_op
from symgrad.ops.arithmetic import product
from symgrad.ops.convolution import convolve

__all__ = ["convolution_of"]

Index = tuple[eq.Index, ...]


@dataclass(frozen=True)
class _Tap:
    """One term: two arrays at indices over the letters of the output, summed over `bound`."""

    arrays: tuple[Node, Node]
    indices: tuple[Index, Index]
    bound: tuple[str, ...]

    def constants(self, k: int) -> tuple[int, ...]:
        return tuple(eq.affine_parts(i)[0] for i in self.indices[k])

    @property
    def form(self) -> object:
        """The term but for its constants."""
        return self.arrays, self.bound, tuple(tuple(tuple(eq.affine_parts(i)[1].items()) for i in index) for index in self.indices)


def convolution_of(node: Node, keep: Collection[Node]) -> Node | None:
    """The convolution that a sum is; None where it is none. Nothing reaches through the nodes of `keep`."""
    terms = _terms(node, keep)
    taps = [_tap(t, node, keep) for t in terms] if len(terms) > 1 else []
    if not taps or any(t is None for t in taps):
        return None
    known = [t for t in taps if t is not None]
    for k in (0, 1):
        made = _joined(known if not k else [_Tap(t.arrays[::-1], t.indices[::-1], t.bound) for t in known], node)
        if made is not None:
            return made
    return None


def _terms(node: Node, keep: Collection[Node]) -> list[Node]:
    """The terms of nested sums of equal shapes."""
    found: list[Node] = []
    stack = [node]
    while stack:
        n = stack.pop()
        body = n.op.body
        plain = body is not None and body[0] == "+" and all(e == ("r", e[1], n.op.out) for e in body[1])
        if plain and (n is node or n not in keep):
            stack.extend(n.operands)
        else:
            found.append(n)
    return found[::-1]


def _tap(term: Node, node: Node, keep: Collection[Node]) -> _Tap | None:
    body = term.op.body
    if body is None or term in keep or term.shape != node.shape:
        return None
    bound, inner = (body[1], body[2]) if body[0] == "S" else ((), body)
    if inner[0] != "*" or len(inner[1]) != 2 or any(e[0] != "r" for e in inner[1]):
        return None
    names = {o: f"o{n}" for n, o in enumerate(term.op.out)} | {b: f"b{n}" for n, b in enumerate(bound)}
    found = [_opened(term.operands[e[1]], tuple(eq.substitute(e, names)[2]), keep) for e in inner[1]]
    (a, i), (b, j) = sorted(found, key=lambda pair: (not any(map(_is_constant, pair[1])), len(pair[1]), pair[0].name))
    return _Tap((a, b), (i, j), tuple(f"b{n}" for n in range(len(bound))))


def _opened(node: Node, index: Index, keep: Collection[Node]) -> tuple[Node, Index]:
    """What a slice of a slice reads of the array itself."""
    while node.op.name in ("slice", "transpose") and node not in keep and node.op.body is not None:
        table: dict[eq.Index, eq.Index] = dict(zip(node.op.out, index, strict=True))
        index = tuple(eq.substitute(node.op.body, table)[2])
        node = node.operands[0]
    return node, index


def _is_constant(index: eq.Index) -> bool:
    return not eq.affine_parts(index)[1]


def _joined(taps: Sequence[_Tap], node: Node) -> Node | None:
    """The convolution with the first arrays as weights; their constant indices must be the whole window, once each."""
    first = taps[0]
    if any(t.form != first.form for t in taps):
        return None
    w, x = first.arrays
    axes = [a for a, i in enumerate(first.indices[0]) if _is_constant(i)]
    places = {tuple(t.constants(0)[a] for a in axes): t for t in taps}
    sizes = [w.shape[a] for a in axes]
    if not axes or not all(isinstance(s, int) for s in sizes) or len(places) != len(taps):
        return None
    if set(places) != set(itertools.product(*[range(int(s)) for s in sizes])):
        return None
    origin = places[(0,) * len(axes)].constants(1)
    steps = [_difference(places, k, len(axes), origin) for k in range(len(axes))]
    for place, tap in places.items():
        if tap.constants(1) != tuple(c + sum(p * s[a] for p, s in zip(place, steps, strict=True)) for a, c in enumerate(origin)):
            return None
    names = [f"t{k}" for k in range(len(axes))]
    weights = tuple(names[axes.index(a)] if a in axes else i for a, i in enumerate(first.indices[0]))
    reach = tuple(eq.affine(c, {**eq.affine_parts(i)[1], **{n: s[a] for n, s in zip(names, steps, strict=True)}})
                  for a, (c, i) in enumerate(zip(origin, first.indices[1], strict=True)))
    made = _standard(x, w, reach, weights, first.bound, names, node)
    return made if made is not None else _general(x, w, reach, weights, (*first.bound, *names), node)


def _difference(places: dict[tuple[int, ...], _Tap], k: int, count: int, origin: tuple[int, ...]) -> tuple[int, ...]:
    """How the constants of the data move with the k-th place of the window."""
    place = tuple(int(m == k) for m in range(count))
    return tuple(c - o for c, o in zip(places[place].constants(1), origin, strict=True)) if place in places else (0,) * len(origin)


def _general(x: Node, w: Node, reach: Index, weights: Index, bound: Sequence[str], node: Node) -> Node:
    """The equation itself."""
    out = tuple(f"o{n}" for n in range(node.rank))
    body: eq.Expr = ("S", tuple(bound), ("*", (("r", 0, reach), ("r", 1, weights))))
    return apply(make_op("convolution", (x.rank, w.rank), out, body), x, w, shape=node.shape)


def _standard(x: Node, w: Node, reach: Index, weights: Index, bound: Sequence[str], taps: Sequence[str], node: Node) -> Node | None:
    """conv1d or conv2d, where the arrays have channels and one stride, one padding and one dilation for all axes."""
    if len(bound) != 1 or bound[0] not in reach or bound[0] not in weights or any(map(eq.is_affine, weights)):
        return None
    windowed = {}
    for a, i in enumerate(reach):
        constant, terms = eq.affine_parts(i)
        here = [t for t in taps if t in terms]
        if len(here) == 1 and len(terms) == 2:
            (place, stride), = ((n, c) for n, c in terms.items() if n not in taps)
            windowed[here[0]] = (a, str(place), stride, -constant, terms[here[0]])
        elif eq.is_affine(i):
            return None
    ways = {v[2:] for v in windowed.values()}
    filters = [i for i in weights if i not in taps and i != bound[0]]
    lead = [i for i in reach if i != bound[0] and not eq.is_affine(i)]
    if len(windowed) != len(taps) or len(taps) > 2 or len(ways) != 1 or len(filters) != 1 or any(i in lead for i in filters):
        return None
    (stride, padding, dilation), = ways
    if stride < 1 or dilation < 1 or padding < 0:
        return None
    letters = [str(n) if not eq.is_affine(i) else f"p{a}" for a, (n, i) in enumerate(zip(reach, reach, strict=True))]
    data = product([(x, letters)], [*map(str, lead), bound[0], *(f"p{windowed[t][0]}" for t in taps)])
    made = convolve(data, product([(w, [str(i) for i in weights])], [str(filters[0]), bound[0], *taps]), stride, padding, dilation, 1)
    have = [*map(str, lead), str(filters[0]), *(windowed[t][1] for t in taps)]
    if sorted(have) != sorted(f"o{n}" for n in range(node.rank)):
        return None
    found = product([(made, have)], [f"o{n}" for n in range(node.rank)])
    return found if found.shape == node.shape else None
