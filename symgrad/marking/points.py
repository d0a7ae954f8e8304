"""A graph comes in; random points with unequal sizes go out, each with every value that marking compares against."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological, variable
from symgrad.core.shape import size_number
from symgrad.errors import InputError, MissingValueError
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in
from symgrad.run.sampling import sample, sample_sizes
from symgrad.run.verify import unknown_functions

__all__ = ["Point", "agreement", "draw_points", "likely_facts"]

STYLES = ("normal", "unit", "normal", "positive", "normal", "above one")
POINTS, ROOM = 6, 10**7
SAME, APART = 1e-9, 1e-6
"""Relative differences: up to the first two arrays are the same, from the second on they differ; between them a point does not tell."""


@dataclass(frozen=True)
class Point:
    """Values of the variables, the sizes they have, the values of the nodes asked for."""

    values: Mapping[str, Array]
    sizes: Mapping[str, int]
    functions: Functions
    known: Mapping[Node, Array]

    def at(self, node: Node, extra: Mapping[str, Array] | None = None) -> Array:
        """The value of a node at this point; `extra`: values of the variables that stand for earlier lines."""
        return execute([node], {**self.values, **(extra or {})}, sizes=self.sizes, functions=self.functions, known=None if extra else self.known)[node]


def likely_facts(graph: Graph) -> dict[str, str]:
    """What the data seem to be, by name, though nobody has declared it: as the arrays are that a function was traced with, or the target of a logarithm."""
    found: dict[str, str] = {}
    leaves = {k: n for k, n in graph.variables().items() if not n.facts}
    for name, node in leaves.items():
        given = np.asarray(graph.arrays[name], dtype=float) if name in graph.arrays else None
        if given is not None and given.size > 1:
            sums = bool(given.ndim) and bool(np.all(given >= 0)) and bool(np.allclose(given.sum(axis=-1), 1.0))
            binary = bool(np.all((given == 0) | (given == 1)))
            fact = ("onehot" if binary else "simplex") if sums else "binary" if binary else ""
        else:
            fact = "simplex" if given is None and node.rank and _is_data(node) and _under_log(graph, node) else ""
        if fact:
            found[name] = fact
    return found


def _is_data(node: Node) -> bool:
    return isinstance(node.data, Variable) and node.data.kind == "data"


def _under_log(graph: Graph, leaf: Node) -> bool:
    """Whether a leaf multiplies a logarithm: the target of a cross-entropy."""
    return any((leaf in n.operands and any("log" in o.op.name for o in n.operands)) or (leaf in n.operands and "cross_entropy" in n.op.name)
               for n in graph.nodes())


def _drawn(node: Node, fact: str, sizes: Mapping[str, int], seed: int) -> Array:
    if fact == "binary":
        return np.random.default_rng(seed).integers(0, 2, size=tuple(size_number(s, sizes) for s in node.shape)).astype(float)
    return sample([variable(node.name, node.shape, "data", [fact])], sizes, seed)[node.name]


def draw_points(graph: Graph, nodes: Sequence[Node], seed: int = 0, count: int = POINTS, facts: Mapping[str, str] | None = None) -> list[Point]:
    """Points at which the nodes have values: random, of several kinds and sizes; `facts` holds of variables beside what is declared of them.

    Raises InputError where sizes are too large.
    """
    wanted = [*graph.variables().values(), *(n for n in graph.names.values()), *nodes]
    order = topological(wanted)
    missing = list(dict.fromkeys((*unknown_functions(order), *graph.functions)))
    found: list[Point] = []
    for attempt in range(4 * count):
        sizes = sample_sizes(order, graph.numbers, seed + attempt)
        if sum(math.prod(size_number(s, sizes) for s in n.shape) for n in order) > ROOM:
            raise InputError("marking needs values at random points, and the declared sizes are too large for that: declare smaller ones")
        functions: Functions = {f: stand_in(seed + 10 * attempt + k) for k, f in enumerate(missing)}
        values = sample(wanted, sizes, seed + 100 * attempt, STYLES[attempt % len(STYLES)])
        values.update({k: _drawn(graph.variables()[k], f, sizes, seed + attempt) for k, f in (facts or {}).items()})
        try:
            trace = execute(wanted, values, sizes=sizes, functions=functions)
        except (np.linalg.LinAlgError, MissingValueError):
            continue
        if all(np.all(np.isfinite(trace[n])) for n in nodes):
            found.append(Point(values, sizes, functions, trace.values))
        if len(found) == count:
            break
    return found


def agreement(claimed: Array, truth: Array) -> float | None:
    """How far two arrays of one shape are apart, relative to their size; None where there is no place at which both are finite."""
    both = np.isfinite(claimed) & np.isfinite(truth)
    if not both.any():
        return None if truth.size else 0.0
    a, b = claimed[both], truth[both]
    return float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) + np.max(np.abs(a)) + 1e-3))
