"""Python's door to graphs: leaves, named graphs, schedules, programs, and the records that the command line prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph, check_unique
from symgrad.core.node import Node, Variable, topological, variable
from symgrad.core.shape import Size
from symgrad.derivations import differentiate, elsewhere
from symgrad.derive.targets import Wrt, wanted
from symgrad.errors import InputError
from symgrad.interop import numpy_protocols  # noqa: F401  # gives nodes the functions of NumPy
from symgrad.ops.kernels import Array
from symgrad.ops.operators import as_node
from symgrad.plan.residuals import Plan, make_plan
from symgrad.results import Compiled, Derivation, Derivative, compile_derivative, with_functions
from symgrad.run.executor import execute
from symgrad.run.functions import Given, function_values

__all__ = ["as_record", "compile", "data", "evaluate", "graph", "param", "run_at", "schedule", "wanted_names"]


def data(name: str, *shape: Size, facts: str | Sequence[str] = (), latex: str | None = None) -> Node:
    """A data array of the given shape: sizes are names or whole numbers, none for a scalar. Raises InputError."""
    return _leaf(name, shape, "data", facts, latex)


def param(name: str, *shape: Size, facts: str | Sequence[str] = (), latex: str | None = None) -> Node:
    """A parameter array of the given shape: what `differentiate` goes by where nothing is said."""
    return _leaf(name, shape, "param", facts, latex)


def _leaf(name: str, shape: tuple[Size, ...], kind: str, facts: str | Sequence[str], latex: str | None) -> Node:
    if not name.isidentifier():
        raise InputError(f"{name!r} is no name: letters, digits and _")
    for s in shape:
        if isinstance(s, bool) or (isinstance(s, int) and s < 1) or (isinstance(s, str) and not s.isidentifier()):
            raise InputError(f"{s!r} is no size of {name}: a size is a name or a whole number from 1")
    return variable(name, shape, kind, [facts] if isinstance(facts, str) else facts, latex)


def graph(**names: Node) -> Graph:
    """Names for nodes built in Python; the output is `loss` if there is one, else the last. Raises InputError for what is no node."""
    if not names:
        raise InputError("a graph needs at least one named node")
    named = {k: as_node(v) for k, v in names.items()}
    leaves = [n for n in topological(named.values()) if isinstance(n.data, Variable)]
    check_unique(leaves)
    everything = {**{n.name: n for n in leaves}, **named}
    latex = {n.name: n.data.latex for n in leaves if isinstance(n.data, Variable) and n.data.latex}
    return Graph(everything, named["loss"] if "loss" in named else list(named.values())[-1], latex=latex)


def schedule(d: Derivation) -> Plan:
    """The plan of a derivation: order, what is cached and when it is freed, operations with and without reuse; prints itself as a table."""
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
    there = g.at(values)
    if there is not g:
        name = elsewhere(g, node, of)
        g, node = there, there.output if name is None else there[name]
    return execute([node], values, sizes=g.numbers, functions=function_values(functions))[node]


def run_at(
    net: Graph | Node, values: Mapping[str, ArrayLike], wrt: Wrt = None, of: str | Node | None = None, layout: str | None = None
) -> tuple[Array, dict[str, Array]]:
    """(value, derivatives by name) at given arrays."""
    d = differentiate(net, wrt, of, layout).at(values)
    return evaluate(d.graph, values, d.output), d.evaluate(values)


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
