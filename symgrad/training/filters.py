"""A network comes in; which of its parameters are weights, and the axes that number the filters of each, go out, read off how it is used."""
from __future__ import annotations

from collections import defaultdict

from symgrad.core import equation as eq
from symgrad.core.graph import Graph
from symgrad.core.node import Node, topological

__all__ = ["filter_axes"]


def filter_axes(graph: Graph, output: Node) -> dict[str, tuple[int, ...]]:
    """{"W1": (1,), "v": ()}: of every parameter that is contracted with something, the axes that are not: they number its filters, or neurons.

    A bias is added and the scale of a norm multiplied entry by entry; neither is contracted, so neither is named here.
    """
    users: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
    for node in topological([output]):
        for position, operand in enumerate(node.operands):
            users[operand].append((node, position))
    found = {}
    for name, leaf in graph.variables().items():
        summed = _summed(leaf, users)
        if summed is not None:
            found[name] = tuple(axis for axis in range(leaf.rank) if axis not in summed)
    return found


def _summed(leaf: Node, users: dict[Node, list[tuple[Node, int]]]) -> set[int] | None:
    """The axes of a leaf that its first contraction sums over; None where it is never contracted."""
    waiting: list[tuple[Node, tuple[int | None, ...]]] = [(leaf, tuple(range(leaf.rank)))]     # a node, and the leaf's axis of each of its axes
    while waiting:
        node, axes = waiting.pop(0)
        for user, position in users[node]:
            body = user.op.body
            if body is None:
                continue
            if body[0] == "r":                             # only its indices change: a slice, a transposition
                at = {index: axes[axis] for axis, index in enumerate(body[2])}
                waiting.append((user, tuple(at.get(o) for o in user.op.out)))
            elif any(operand is not node for operand in user.operands):
                bound = {b for e in eq.walk(body) if e[0] == "S" for b in e[1]}
                read = [index for r in eq.references(body) if r[1] == position for index in enumerate(r[2])]
                summed = {axes[axis] for axis, index in read if index in bound}
                if summed:
                    return {axis for axis in summed if axis is not None}
    return None
