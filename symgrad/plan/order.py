"""Outputs in; the nodes they read, in the order they are computed in, and a name for each."""
from __future__ import annotations

import functools
import keyword
from collections.abc import Iterable, Mapping, Sequence

import networkx as nx

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, VARIABLE, Node
from symgrad.core.op import Op

__all__ = ["dependencies", "is_leaf", "name_nodes", "operands_read", "ordered", "reads", "settled"]


def is_leaf(node: Node) -> bool:
    """Whether nothing is computed: a variable, a number, a size."""
    return node.op in (VARIABLE, NUMBER, SIZE)


def settled(node: Node) -> Node:
    """The node itself, or the one it is a mere copy of."""
    while node.op.name == "identity" and not is_leaf(node):
        node = node.operands[0]
    return node


@functools.cache
def _read_positions(op: Op) -> tuple[int, ...]:
    if op.body is None:
        return tuple(range(len(op.signature)))
    return tuple(dict.fromkeys(sorted(r[1] for r in eq.references(op.body))))


def operands_read(node: Node) -> tuple[Node, ...]:
    """The operands whose values a node's equation reads, by position; one that only lends its size is not read."""
    return () if is_leaf(node) else tuple([settled(node.operands[k]) for k in _read_positions(node.op)])


def reads(node: Node) -> tuple[Node, ...]:
    """The nodes that a node reads, each once."""
    return tuple(dict.fromkeys(operands_read(node)))


def dependencies(outputs: Iterable[Node]) -> list[Node]:
    """All nodes that the outputs read, operands first, in an order that only the structure decides."""
    done: dict[Node, None] = {}
    for output in outputs:
        stack = [(settled(output), False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready or is_leaf(node):
                done[node] = None
            else:
                stack.append((node, True))
                stack.extend((o, False) for o in reversed(reads(node)) if o not in done)
    return list(done)


def ordered(forward: Sequence[Node], backward: Sequence[Node] = ()) -> tuple[list[Node], set[Node]]:
    """(nodes in order of computation, those of the forward pass).

    The forward pass comes in order of definition; in the backward pass a value comes as soon as what it reads is there, so that
    the gradient of an upper layer stands before the steps to the layer below.
    """
    first = set(dependencies(forward))
    every = dependencies([*forward, *backward])
    place = {n: k for k, n in enumerate(every)}
    level: dict[Node, int] = {}
    graph: nx.DiGraph[Node] = nx.DiGraph()
    for n in every:
        below = reads(n)
        level[n] = 0 if n in first else 1 + max((level[o] for o in below), default=0)
        graph.add_node(n)
        graph.add_edges_from((o, n) for o in below)
    return list(nx.lexicographical_topological_sort(graph, key=lambda n: (n not in first, level[n], place[n]))), first


def name_nodes(order: Iterable[Node], names: Mapping[Node, str], gradients: Mapping[str, Node],
               reserved: Iterable[str] = ()) -> dict[Node, str]:
    """A Python identifier for every node: its own name, `d_W1` for the gradient by W1, else t1, t2, ... in order. All differ,
    and from the reserved names."""
    found: dict[Node, str] = {}
    taken = {"np", "math", *reserved}
    def give(node: Node, wish: str) -> None:
        name = wish if wish.isidentifier() else "".join(c if f"a{c}".isidentifier() else "_" for c in wish)
        name = f"v{name}" if not name.isidentifier() else name + "_" if keyword.iskeyword(name) else name
        while name in taken:
            name += "_"
        taken.add(name)
        found[node] = name
    order = list(order)
    for node in order:
        if node.op is VARIABLE:
            give(node, node.name)
    for node, name in names.items():
        if settled(node) not in found:
            give(settled(node), name)
    for name, node in gradients.items():
        if settled(node) not in found:
            give(settled(node), f"d_{name}")
    count = 0
    for node in order:
        if node not in found and not is_leaf(node):
            count += 1
            while f"t{count}" in taken:
                count += 1
            give(node, f"t{count}")
    return found
