"""Python's door to graphs: leaves, named graphs, schedules, programs, and the records that the command line prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph, check_unique
from symgrad.core.node import Node, Variable, leaf, topological
from symgrad.core.shape import Size, shape_text
from symgrad.derivations import differentiate, elsewhere
from symgrad.derive.targets import Wrt, wanted
from symgrad.errors import InputError
from symgrad.interop import numpy_protocols  # noqa: F401  # gives nodes the functions of NumPy
from symgrad.layers.family import Repeated, named_steps
from symgrad.layers.recurrent import Recurrence
from symgrad.ops.kernels import Array
from symgrad.ops.operators import as_node
from symgrad.plan.residuals import Plan, make_plan
from symgrad.results import Compiled, Derivation, Derivative, compile_derivative, with_functions
from symgrad.run.executor import execute
from symgrad.run.functions import Given, function_values

__all__ = [
    "as_record", "compile", "data", "evaluate", "graph", "param", "run_at", "running", "schedule", "statistics",
    "wanted_names",
]


def data(name: str, *shape: Size, facts: str | Sequence[str] = (), latex: str | None = None) -> Node:
    """A data array of the given shape: sizes are names or whole numbers, none for a scalar. Raises InputError."""
    return leaf(name, shape, "data", facts, latex)


def param(name: str, *shape: Size, facts: str | Sequence[str] = (), latex: str | None = None) -> Node:
    """A parameter array of the given shape: what `differentiate` goes by where nothing is said."""
    return leaf(name, shape, "param", facts, latex)


def graph(**names: Node | Recurrence | Repeated) -> Graph:
    """Names for nodes built in Python; the output is `loss` if there is one, else the last. Raises InputError for what is no node.

    What `sg.layers.repeat` and the recurrent layers return becomes a family, h[k] or h[n, t], whose gradients are said once for every step.
    """
    if not names:
        raise InputError("a graph needs at least one named node")
    families = {k: named_steps(k, v) for k, v in names.items() if isinstance(v, Recurrence | Repeated)}
    outputs = {k: families[k].output if k in families else as_node(v) for k, v in names.items()}
    named = {**{n: x for g in families.values() for n, x in g.names.items()}, **{k: x for k, x in outputs.items() if k not in families}}
    leaves = [n for n in topological(named.values()) if isinstance(n.data, Variable)]
    check_unique(leaves)
    everything = {**{n.name: n for n in leaves}, **named}
    latex = {n.name: n.data.latex for n in leaves if isinstance(n.data, Variable) and n.data.latex}
    return Graph(everything, named["loss"] if "loss" in named else list(outputs.values())[-1], latex=latex,
                 families={n: f for g in families.values() for n, f in g.families.items()},
                 ranges={i: s for g in families.values() for i, s in g.ranges.items()})


def schedule(d: Derivation) -> Plan:
    """The plan of a derivation: order, what is cached and when it is freed, operations with and without reuse; prints itself as a table.

    A recurrence whose length is a name is planned as it is written out, for five steps; the operations are those of any length.
    """
    if len(d.graph.lengths) == 1 and d.graph.rebuild is not None:
        ((size, count),) = d.graph.lengths.items()
        return replace(_plan(d), length=(size, count), longer=(_plan(d.again(d.graph.rebuild({size: count + 1}))),))
    return _plan(d)


def _plan(d: Derivation) -> Plan:
    names = {n: s for s, n in reversed([*d.graph.names.items(), *d.backward.names.items()])}
    return make_plan([d.output], {k: v.node for k, v in d.derivatives.items() if v.node is not None}, names)


def compile(d: Derivation | Derivative, backend: str = "numpy", functions: Given = None) -> Compiled:  # the public verb
    """A program f(**arrays): (value, {name: gradient}) for a derivation, the array for a derivative; `f.source` is readable code."""
    return compile_derivative(d, backend, functions)


def evaluate(net: Graph | Node, values: Mapping[str, ArrayLike], of: str | Node | None = None, functions: Given = None) -> Array:
    """The value of a graph at given arrays."""
    g = as_graph(net)
    node = g.output if of is None else g.resolve(of)
    values, functions = with_functions(values, functions)
    there, node = _written_out(g, node, of, values)
    return execute([node], values, sizes=there.numbers, functions=function_values(functions))[node]


def _written_out(g: Graph, node: Node, of: str | Node | None, values: Mapping[str, ArrayLike]) -> tuple[Graph, Node]:
    """The graph with its recurrences written out for the lengths of the arrays, and the node in it."""
    there = g.at(values)
    if there is g:
        return g, node
    name = elsewhere(g, node, of)
    return there, there.output if name is None else there[name]


def run_at(
    net: Graph | Node, values: Mapping[str, ArrayLike], wrt: Wrt = None, of: str | Node | None = None, layout: str | None = None
) -> tuple[Array, dict[str, Array]]:
    """(value, derivatives by name) at given arrays."""
    d = differentiate(net, wrt, of, layout).at(values)
    return evaluate(d.graph, values, d.output), d.evaluate(values)


def statistics(net: Graph | Node, inputs: Mapping[str, str | Node], values: Mapping[str, ArrayLike], *, unbiased: bool = False) -> dict[str, Array]:
    """{"bn1_mean": array, "bn1_var": array}: mean and variance, for each channel on axis 1, of what batch norms standardise.

    inputs: {"bn1": "h1"}, the node that enters each layer by the layer's name. values: arrays by variable name; the whole training set gives
    the statistics to store after training (Ioffe and Szegedy 2015, algorithm 2). The variance divides by the count, as in training, or by
    count - 1 if `unbiased`. Raises InputError for a node without channels and for one entry per channel if `unbiased`.
    """
    g = as_graph(net)
    nodes = {name: g.resolve(what) for name, what in inputs.items()}
    for name, node in nodes.items():
        if node.rank < 2:
            raise InputError(f"what enters the batch norm {name!r} has channels on axis 1, (N, K) or (N, K, places), not the shape {shape_text(node.shape)}")
    there = {name: _written_out(g, node, inputs[name], values)[1] for name, node in nodes.items()}
    trace = execute(list(there.values()), values, sizes=g.at(values).numbers)
    found: dict[str, Array] = {}
    for name, node in there.items():
        array = trace[node]
        over = tuple(a for a in range(array.ndim) if a != 1)
        if unbiased and array.size == array.shape[1]:
            raise InputError(f"an unbiased variance of {name!r} needs more than one entry per channel: give more examples, or leave unbiased out")
        found |= {f"{name}_mean": array.mean(axis=over), f"{name}_var": array.var(axis=over, ddof=int(unbiased))}
    return found


def running(old: Mapping[str, ArrayLike], new: Mapping[str, ArrayLike], momentum: float = 0.1) -> dict[str, Array]:
    """(1 - momentum)*old + momentum*new for every name: running statistics, kept while training.

    PyTorch's momentum; its running variance divides by count - 1 (`statistics(..., unbiased=True)`), while the batch itself is standardised
    by the count. Raises InputError where the names differ or the momentum is outside [0, 1].
    """
    if not 0 <= momentum <= 1:
        raise InputError(f"the momentum is from 0 to 1, not {momentum}")
    if old.keys() != new.keys():
        raise InputError(f"old and new statistics have different names: {', '.join(sorted(old.keys() ^ new.keys()))}")
    return {name: (1 - momentum) * np.asarray(old[name]) + momentum * np.asarray(new[name]) for name in old}


def wanted_names(g: Graph) -> list[str]:
    """The names that `differentiate` goes by where nothing is said."""
    return list(wanted(g, None))


def as_record(d: Derivative, values: Mapping[str, ArrayLike] | None = None) -> dict[str, object]:
    """Every view of a derivative, checked at the values or at random ones: what `derive --json` prints."""
    report = d.verify(values)
    return {
        "name": d.name,
        "of": d.of,
        "shape": [s if isinstance(s, int) else str(s) for s in d.shape],
        "layout": d.layout,
        "chain": str(d.chain),
        "jacobian": str(d.jacobian),
        "index": str(d.index),
        "matrix": str(d.matrix),
        "code": d.code(),
        "verified": report.ok,
        "max_error": report.max_error,
    }
