"""Axes that were split into groups, or merged again, as index equations: entry c of the channels is entry (q, r) of the groups, c = 2*q + r."""
from __future__ import annotations

from collections.abc import Collection

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply, topological
from symgrad.core.op import make_op
from symgrad.ops.stacking import MERGE, SPLIT

__all__ = ["REGROUPED", "regrouped"]

REGROUPED = "regrouped"


def regrouped(target: Node, names: Collection[Node]) -> Node:
    """The same value with every split and merge whose inner size is a number read at an affine index, as far as no named node holds it."""
    moved: dict[Node, Node] = {}
    for node in topological([target]):
        operands = [moved.get(o, o) for o in node.operands[: node.op.arity]]
        if node in names and node is not target:
            continue
        if node.op.name in (SPLIT, MERGE) and isinstance((node if node.op.name == SPLIT else node.operands[0]).shape[-1], int):
            moved[node] = _as_equation(node, operands[0])
        elif any(o in moved for o in node.operands):
            moved[node] = apply(node.op, *operands, shape=node.shape)
    return moved.get(target, target)


def _as_equation(node: Node, operand: Node) -> Node:
    inner = node if node.op.name == SPLIT else operand
    lead = tuple(f"l{k}" for k in range(inner.rank - 2))
    size = inner.shape[-1]
    assert isinstance(size, int)
    place = eq.affine(0, {"x": size, "y": 1})
    if inner is node:
        return apply(make_op(REGROUPED, (operand.rank,), (*lead, "x", "y"), ("r", 0, (*lead, place))), operand, shape=node.shape)
    body: eq.Expr = ("S", ("x", "y"), ("*", (("d", "z", place), ("r", 0, (*lead, "x", "y")))))
    return apply(make_op(REGROUPED, (operand.rank,), (*lead, "z"), body), operand, shape=node.shape)
