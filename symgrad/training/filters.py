"""A network comes in; which of its parameters are weights, and the axes that number the filters of each, go out."""
from __future__ import annotations

from collections.abc import Iterable

from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.training.fans import roles

__all__ = ["filter_axes"]


def filter_axes(graph: Graph, output: Node, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """{"W1": (1,), "v": ()}: of every weight the axes that are not summed: they number its filters, or neurons. Biases and scales of norms are none."""
    return {n: tuple(a for a in range(graph[n].rank) if a not in role.into) for n, role in roles(graph, names, output).items() if role.kind == "weight"}
