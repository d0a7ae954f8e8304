"""Steps joined along a new axis, and axes merged into one and split again: what rearranges entries without arithmetic."""
from __future__ import annotations

import functools
from collections.abc import Sequence

from symgrad.core.node import Node, apply
from symgrad.core.op import Derived, Op, make_op, structured_op
from symgrad.core.shape import Size, size_expression

__all__ = ["MERGE", "SPLIT", "STACK", "kron_core", "merge", "plain_size", "split", "stack", "unmerged", "unstacked"]

STACK, MERGE, SPLIT = "stack", "merge", "split"


@functools.cache
def _stack_op(count: int, rank: int) -> Op:
    axes = tuple(f"x{k}" for k in range(rank))
    return structured_op(STACK, [axes] * count, (*axes, "t"), lambda k: Derived(_step_op(rank, k), ("C",)))


@functools.cache
def _step_op(rank: int, step: int) -> Op:
    axes = tuple(f"o{k}" for k in range(rank))
    return make_op("slice", (rank + 1,), axes, ("r", 0, (*axes, ("a", step, ()))))


def stack(nodes: Sequence[Node], size: Size | None = None) -> Node:
    """Nodes of one shape along a new last axis, whose length has the name `size` if it has one. Raises ShapeError."""
    return apply(_stack_op(len(nodes), nodes[0].rank), *nodes, shape=(*nodes[0].shape, size or len(nodes)))


def _merge_rule(_: int) -> Derived:
    """The cotangent split again; the operand lends its sizes."""
    return Derived(_SPLIT, ("C", 0))


def _split_rule(operand: int) -> Derived | None:
    return Derived(_MERGE, ("C",)) if operand == 0 else None


_MERGE = structured_op(MERGE, [("x", "y")], ("z",), _merge_rule)
_SPLIT = structured_op(SPLIT, [("z",), ("x", "y")], ("x", "y"), _split_rule)


def merge(node: Node) -> Node:
    """(..., m, n) -> (..., m*n): the last two axes as one, the last running fastest."""
    *lead, m, n = node.shape
    op = _MERGE.lift([tuple(range(len(lead)))])
    return apply(op, node, shape=(*lead, plain_size(size_expression(m) * size_expression(n))))


def split(node: Node, like: Node) -> Node:
    """(..., m*n) -> (..., m, n) with the sizes of `like` (m, n), of which nothing but the shape matters."""
    lead = node.shape[:-1]
    op = _SPLIT.lift([tuple(range(len(lead))), ()])
    return apply(op, node, like, shape=(*lead, *like.shape))


def plain_size(size: Size) -> Size:
    """A size expression as a number or name where it is one."""
    e = size_expression(size)
    return int(e) if e.is_Integer else e.name if e.is_Symbol else e


def unmerged(node: Node, axis: int) -> Node | None:
    """The node with an axis that was merged as the two it was made of, in its place; None where it was not."""
    if node.op.name == MERGE:
        (inner,) = node.operands
        if axis == node.rank - 1:
            return inner
        opened = unmerged(inner, axis)
        return merge(opened) if opened is not None else None
    order = _order(node)
    if order is None:
        return None
    (inner,) = node.operands
    place = order[axis]
    opened = unmerged(inner, place)
    if opened is None:
        return None
    names = [f"x{k}" for k in range(inner.rank)]
    split_names = [y for k, x in enumerate(names) for y in ((x, x + "_") if k == place else (x,))]
    out = [y for k in order for y in ((names[k], names[k] + "_") if k == place else (names[k],))]
    letters = {x: f"o{n}" for n, x in enumerate(out)}
    return apply(make_op("transpose", (opened.rank,), tuple(letters.values()), ("r", 0, tuple(letters[x] for x in split_names))), opened)


def unstacked(node: Node, axis: int) -> tuple[Node, ...] | None:
    """The nodes that were stacked along an axis, in order; None where it was made otherwise."""
    inner, order = (node, tuple(range(node.rank))) if node.op.name == STACK else (node.operands[0], _order(node)) if node.operands else (node, None)
    if inner.op.name != STACK or order is None or [k for k in order if k != inner.rank - 1] != list(range(inner.rank - 1)):
        return None
    return inner.operands if order[axis] == inner.rank - 1 else None


def _order(node: Node) -> tuple[int, ...] | None:
    """For a node that only reorders axes: which axis of its operand each of its axes is."""
    body = node.op.body
    if body is None or body[0] != "r" or len(node.operands) != 1 or set(body[2]) != set(node.op.out) or len(body[2]) != len(node.op.out):
        return None
    return tuple(body[2].index(o) for o in node.op.out)


def kron_core(node: Node) -> Node | None:
    """The array with axes (rows of A, rows of B, columns of A, columns of B) where a node, axes exchanged, is kron(A, B) or a sum of such."""
    if node.op.name != MERGE or node.rank != 2 or _order(node.operands[0]) != (2, 0, 1):
        return None
    right = node.operands[0].operands[0]
    return right.operands[0] if right.op.name == MERGE and right.operands[0].rank == 4 else None
