"""A wrong line comes in; the special values at which its mistake cannot be seen go out: a batch of one, symmetric matrices, gains of 1."""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.errors import SymgradError
from symgrad.marking.decision import marked
from symgrad.marking.lines import Line
from symgrad.marking.points import SAME, Point, agreement
from symgrad.ops.kernels import Array
from symgrad.run.executor import execute
from symgrad.run.sampling import sample

__all__ = ["commuting", "hidden_at"]

GATES = ("relu", "leaky_relu", "step", "abs", "hardtanh")
Change = Callable[[Mapping[str, Array]], dict[str, Array]]


def hidden_at(graph: Graph, lines: Sequence[Line], at: int, points: Sequence[Point]) -> list[str]:
    """In words, the special values at which line `at` agrees with the truth though it is wrong."""
    found = []
    for words, moved in _specials(graph, lines[: at + 1], points):
        if moved and all(_agrees(graph, lines[: at + 1], p) for p in moved):
            found.append(words)
    return found


def commuting(graph: Graph, lines: Sequence[Line], at: int, points: Sequence[Point]) -> bool:
    """Whether a line is right once matrices are numbers: square ones multiples of the unit matrix, vectors of one size equal."""
    def number(values: Mapping[str, Array]) -> dict[str, Array]:
        vectors: dict[int, Array] = {}
        return {k: (1.0 + abs(a.flat[0])) * np.eye(a.shape[0]) if _square(a) else vectors.setdefault(a.size, a) if a.ndim == 1 else a
                for k, a in values.items()}
    moved = [p for q in points[:3] if any(_square(a) for a in q.values.values()) for p in [_point(graph, lines[: at + 1], q, number(q.values), q.sizes)] if p]
    return bool(moved) and all(_agrees(graph, lines[: at + 1], p) for p in moved)


def _specials(graph: Graph, lines: Sequence[Line], points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    variables = graph.variables()
    def change(f: Change) -> list[Point]:
        return [p for q in points[:3] for p in [_point(graph, lines, q, f(q.values), q.sizes)] if p is not None]
    for name, node in variables.items():
        if node.rank == 2 and node.shape[0] == node.shape[1] and not node.facts:
            yield f"a symmetric {name}", change(functools.partial(_with, name, lambda a: (a + a.T) / 2))
    for name, node in variables.items():
        if node.rank == 1 and not node.facts:
            yield f"{name} constant (all ones, its usual first value)", change(functools.partial(_with, name, np.ones_like))
    for index, size in graph.ranges.items():
        if isinstance(size, str) and size not in graph.lengths:
            yield f"a batch of one ({size} = 1)" if index == "n" else f"{size} = 1", [p for q in points[:2] for p in [_resized(graph, lines, q, size)] if p]
    gates = [n for n in topological(graph.names.values()) if n.op.name in GATES]
    if gates:
        positive = change(lambda v: {k: np.abs(a) + 0.1 for k, a in v.items()})
        on = [p for p in positive if all(np.all(p.known[g.operands[0]] > 0) for g in gates)]
        yield "all ReLUs on" if all(g.op.name == "relu" for g in gates) else "every unit on", on


def _with(name: str, made: Callable[[Array], Array], values: Mapping[str, Array]) -> dict[str, Array]:
    return {**values, name: made(values[name])}


def _square(a: Array) -> bool:
    return a.ndim == 2 and a.shape[0] == a.shape[1]


def _resized(graph: Graph, lines: Sequence[Line], point: Point, size: str) -> Point | None:
    sizes = {**point.sizes, size: 1}
    try:
        return _point(graph, lines, point, sample(list(graph.variables().values()), sizes, 5), sizes)
    except SymgradError:
        return None


def _point(graph: Graph, lines: Sequence[Line], point: Point, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Point | None:
    wanted: list[Node] = [*graph.variables().values(), *graph.names.values(), *(line.truth for line in lines if line.truth is not None)]
    try:
        arrays = {n.name: values[n.name] for n in topological(wanted) if isinstance(n.data, Variable) and n.name in values}
        trace = execute(wanted, arrays, sizes=sizes, functions=point.functions)
    except (SymgradError, np.linalg.LinAlgError):
        return None
    return Point(arrays, sizes, point.functions, trace.values)


def _agrees(graph: Graph, lines: Sequence[Line], point: Point) -> bool:
    last = marked(graph, lines, [point])[-1]
    a, b = last.first[0], last.truth[0] if last.truth else None
    if a is None or b is None or a.size != b.size:
        return False
    error = agreement(a.reshape(b.shape), b)
    return error is not None and error <= 10 * SAME and bool(np.any(np.abs(b) > 1e-9))
