"""A step whose loss or gradients are no finite numbers comes in; an error that names the step and the value where it began goes out."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.errors import InputError
from symgrad.ops.kernels import Array
from symgrad.results import Derivation
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute

__all__ = ["diagnosed", "diverged"]

REMEDY = "take a smaller learning rate, clip the gradients, or look at the data and the start"


def diagnosed(d: Derivation, arrays: Mapping[str, Array], functions: Functions, step: int) -> InputError:
    """The first value of the forward pass that is not finite, by name; if all are, the first of the backward pass."""
    there = d.at(arrays)
    nodes = {k: x.node for k, x in there.derivatives.items() if x.node is not None}
    trace = execute([there.output, *nodes.values()], {k: v for k, v in arrays.items() if k in there.graph.variables()},
                    sizes=there.graph.numbers, functions=functions)
    bad = {n for n, a in trace.values.items() if not np.all(np.isfinite(a))}
    forward = topological([there.output])
    if any(n in bad for n in forward):
        first = next(n for n in forward if n in bad)
        if isinstance(first.data, Variable):
            kind = "parameter" if first.name in d.derivatives else "array"
            return InputError(f"step {step}: the {kind} {first.name} holds {_what(trace[first])}; {REMEDY}")
        name = _named(there.graph, forward, first, bad)
        return InputError(f"step {step}: {name} holds {_what(trace[first])}, the first value of the forward pass that is not finite, computed from "
                          f"{_sources(there.graph, first)}; {REMEDY}")
    wrong = [k for k, n in nodes.items() if n in bad]
    backward = topological(nodes.values())
    first = next(n for n in backward if n in bad)
    cotangents = {n: k for k, n in reversed(list(there.backward.names.items()))}
    found = next((cotangents[n] for n in backward if n in bad and n in cotangents), None)
    layer = f"; it begins in the gradient by {found.removeprefix('d_')}" if found is not None else ""
    return InputError(f"step {step}: the gradient by {', '.join(wrong)} holds {_what(trace[first])}, though the loss is finite{layer}; {REMEDY}")


def diverged(params: Mapping[str, Array], step: int) -> InputError:
    """A step that led out of the numbers."""
    name = next(k for k, a in params.items() if not np.all(np.isfinite(a)))
    return InputError(f"step {step}: the parameter {name} holds {_what(params[name])} after the step, though its gradient is finite; {REMEDY}")


def _what(a: Array) -> str:
    return "nan" if np.any(np.isnan(a)) else "infinity"


def _named(graph: Graph, order: list[Node], first: Node, bad: set[Node]) -> str:
    """The name of the value where it began, or of the first named one that it led to."""
    reached = {first}
    for n in order:
        if n is first or (n in bad and any(o in reached for o in n.operands)):
            reached.add(n)
            if graph.name_of(n):
                return graph.name_of(n) if n is first else f"{graph.name_of(n)} ({first.op.name} in it)"
    return "the output"


def _sources(graph: Graph, node: Node) -> str:
    """The named values and variables that a value is computed from directly."""
    found: dict[str, None] = {}
    waiting = list(node.operands)
    while waiting:
        n = waiting.pop(0)
        if graph.name_of(n) or n.name:
            found[graph.name_of(n) or n.name] = None
        else:
            waiting.extend(n.operands)
    return ", ".join(found) or "numbers"
