"""A graph comes in; the values between its layers go out, in order, and each layer as a function of the value before it."""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, exchanged, topological, variable
from symgrad.errors import InputError
from symgrad.training.moments import image_of
from symgrad.training.signal import fans
from symgrad.views.steps import steps_of

__all__ = ["INPUT", "Layer", "is_parameter", "layers_of"]

INPUT = "_below"
"""What stands for the value before a layer in the layer as a function; no name of a user's begins so."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A value and the one before it; `function` is the value with the leaf `below` in the place of the one before."""

    name: str
    node: Node
    before: Node
    below: Node
    function: Node

    @property
    def nodes(self) -> list[Node]:
        """What is computed within the layer from the value before it, operands first: nodes of the graph itself."""
        inside: dict[Node, None] = {self.before: None}
        for n in topological([self.node]):
            if any(o in inside for o in n.operands):
                inside[n] = None
        return list(inside)[1:]

    @property
    def parameters(self) -> list[Node]:
        """The parameters that the layer reads, a slice W[k] of a family for itself: nodes of the graph."""
        own = set(self.nodes)
        found: dict[Node, None] = {}
        waiting = [o for n in self.nodes for o in n.operands if o not in own and o is not self.before]
        while waiting:
            n = waiting.pop(0)
            below = image_of(n)
            if is_parameter(n) or (below is not None and is_parameter(below) and n.rank < below.rank):
                found[n] = None
            else:
                waiting += n.operands
        return list(found)


def is_parameter(node: Node) -> bool:
    """Whether a node is a declared parameter."""
    return isinstance(node.data, Variable) and node.data.kind == "param"


def _beyond(before: Node) -> set[Node]:
    return set(topological([before]))


def layers_of(graph: Graph, output: Node, names: str | Sequence[str] | None = None) -> list[Layer]:
    """The layers of a graph on the way to its output, first to last.

    names: the values between them, or the name of a family such as h[k]. Without it: the steps of a family; else the values that every path from
    a data variable goes through, cut where the next weights are multiplied. A skip connection keeps what it jumps over in one layer.
    Raises InputError where there is none.
    """
    below = set(topological([output]))
    if names is not None:
        values = _named(graph, names)
    else:
        values = _steps(graph, below) or max((_cuts(graph, output, leaf) for leaf in _sources(below, output)), key=len, default=[])
    if len(values) < 2:
        raise InputError("this graph has no layers that can be told apart: name the values between them, layers=['x', 'h1', 'h2', ...]")
    out: list[Layer] = []
    for before, node in itertools.pairwise(values):
        stand = variable(INPUT, before.shape, "data")
        function = exchanged(node, {before: stand})
        if stand not in topological([function]):
            names = [graph.name_of(n) or n.op.name for n in (node, before)]
            raise InputError(f"{names[0]} is not computed from {names[1]}: give layers in their order")
        out.append(Layer(_label(graph, node, function, len(out) + 1), node, before, stand, function))
    return out


def _named(graph: Graph, names: str | Sequence[str]) -> list[Node]:
    if not isinstance(names, str):
        return [graph[n] for n in names]
    for steps in steps_of(graph):
        if names in steps.families:
            return [node for _, node in sorted(steps.families[names].nodes.items())]
    raise InputError(f"there is no family {names!r} in this graph: give the names of values, layers=['h1', 'h2']")


def _steps(graph: Graph, below: set[Node]) -> list[Node]:
    """The steps of the family that is computed step from step."""
    for steps in steps_of(graph):
        for family in steps.families.values():
            nodes = [node for _, node in sorted(family.nodes.items())]
            if nodes[-1] in below and nodes[-1].rank and all(a in topological([b]) for a, b in itertools.pairwise(nodes)):
                return nodes
    return []


def _sources(below: set[Node], output: Node) -> list[Node]:
    return [n for n in topological([output]) if n in below and isinstance(n.data, Variable) and n.data.kind == "data" and n.rank]


def _cuts(graph: Graph, output: Node, leaf: Node) -> list[Node]:
    """The values between layers on the way from a leaf: of those that all paths go through, the last before each product with weights."""
    order = topological([output])
    down: dict[Node, int] = {leaf: 1}
    for n in order:
        if n is not leaf and (ways := sum(down.get(o, 0) for o in n.operands)):
            down[n] = ways
    if output not in down:
        return []
    up: dict[Node, int] = {output: 1}
    for n in reversed(order):
        for o in n.operands if n in up else ():
            up[o] = up.get(o, 0) + up[n]
    cuts = [n for n in order if n in down and n in up and down[n] * up[n] == down[output]]
    weighted = _weighted(order)
    out: list[Node] = []
    last, still, loss = leaf, True, False                  # whether what comes is still an activation of the layer, and whether data came in
    for a, b in itertools.pairwise(cuts):
        if b is output:
            break
        fresh = _between(a, b)
        if any(n in weighted for n in fresh):
            out.append(last)
            last, still, loss = b, True, False
            continue
        still = still and _entrywise(a, b, fresh)
        loss = loss or any(isinstance(n.data, Variable) and n.data.kind == "data" for n in fresh)
        if not out or still or (graph.name_of(b) and not loss):
            last = b
    return [*out, last] if out and last.rank else out


def _between(a: Node, b: Node) -> list[Node]:
    before = _beyond(a)
    return [n for n in topological([b]) if n not in before]


def _entrywise(a: Node, b: Node, fresh: Sequence[Node]) -> bool:
    """Whether a value is an activation, a shift or a norm of another: the last layer's own, no part of a loss that data enter."""
    softmax = any(n.op.name.split(".")[0] in ("softmax", "log_softmax") for n in fresh)
    return a.shape == b.shape and not softmax and not any(isinstance(n.data, Variable) and n.data.kind == "data" for n in fresh)


def _weighted(order: Sequence[Node]) -> set[Node]:
    """The sums that parameters are contracted in."""
    only: dict[Node, bool] = {}                            # whether nothing but one parameter, in whatever place, is read
    for n in order:
        only[n] = is_parameter(n) or (image_of(n) is not None and only[n.operands[0]])
    return {n for n in order for k, o in enumerate(n.operands) if only[o] and fans(n, k) is not None}


def _label(graph: Graph, node: Node, function: Node, number: int) -> str:
    """The name of the value, else what its parameters share in front of `_`, else a number."""
    if name := graph.name_of(node):
        return name
    found = [n for n in topological([function]) if is_parameter(n)]
    parameters = [n.name for n in sorted(found, key=lambda n: n.rank < 2)]             # what weights are called names the layer
    return next((p.rpartition("_")[0] for p in parameters if "_" in p.strip("_")), f"layer {number}")
