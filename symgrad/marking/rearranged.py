"""A node comes in; the nodes with a product of another kind, or with a factor moved out of the sums, go out."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply, exchanged
from symgrad.core.op import make_op
from symgrad.errors import SymgradError
from symgrad.marking.edits import own_nodes
from symgrad.ops.arithmetic import product

__all__ = ["elementwise_for_matrix", "outside_the_sum"]

_ENTRYWISE = ("*", (("r", 0, ("o0", "o1")), ("r", 1, ("o0", "o1"))))
_MATRIX = ("S", ("b0",), ("*", (("r", 0, ("o0", "b0")), ("r", 1, ("b0", "o1")))))


def elementwise_for_matrix(root: Node, atoms: Collection[Node]) -> Iterator[Node]:
    """The root with one product of two square matrices of the other kind, each factor as it stands or transposed."""
    for node in own_nodes(root, atoms):
        body, inner = node.op.body, node.operands
        if body is None or len(inner) != 2 or any(o.shape != node.shape for o in inner) or node.rank != 2 or node.shape[0] != node.shape[1]:
            continue
        bodies = (_ENTRYWISE,) if any(x[0] == "S" for x in eq.walk(body)) else (_MATRIX,)
        for new in bodies:
            for turns in itertools.product((False, True), repeat=2):
                def turned(e: eq.Expr, turns: tuple[bool, ...] = turns) -> eq.Expr:
                    return ("r", e[1], e[2][::-1]) if e[0] == "r" and turns[e[1]] else e
                op = make_op("product", (2, 2), ("o0", "o1"), eq.transform(new, turned))
                for operands in (inner, inner[::-1]):
                    yield exchanged(root, {node: apply(op, *operands, shape=node.shape)})


def outside_the_sum(root: Node, atoms: Collection[Node], word: Callable[[Node], str]) -> Iterator[tuple[Node, str]]:
    """(the root with a factor moved from inside to the front, the name of the factor)."""
    letters = tuple(f"o{k}" for k in range(root.rank))
    for node in own_nodes(root, atoms):
        body = node.op.body
        if body is None or body[0] != "*" or node.shape != root.shape:
            continue
        for k, f in enumerate(body[1]):
            if f[0] != "r" or not all(isinstance(i, str) and i in node.op.out for i in f[2]):
                continue
            rest = body[1][:k] + body[1][k + 1:]
            try:
                inside = apply(make_op(node.op.name, node.op.ranks, node.op.out, ("*", rest), node.op.where), *node.operands, shape=node.shape)
                places = tuple(letters[node.op.out.index(i)] for i in f[2])
                yield product([(exchanged(root, {node: inside}), letters), (node.operands[f[1]], places)], letters), word(node.operands[f[1]])
            except (SymgradError, KeyError):
                continue
