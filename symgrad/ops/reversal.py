"""An axis read from its end: the op for sizes that are names, where no index equation can say "the last"."""
from __future__ import annotations

from symgrad.core.node import Node, apply
from symgrad.core.op import Derived, Op, structured_op
from symgrad.ops.arithmetic import product
from symgrad.ops.broadcasting import place

__all__ = ["reversed_axis"]


def _rule(_: int) -> Derived:
    """Reversing is its own adjoint."""
    return Derived(_FLIP, ("C",))


_FLIP: Op = structured_op("flip", [("x",)], ("x",), _rule)


def reversed_axis(node: Node, axis: int) -> Node:
    """The node with one axis reversed."""
    n = node.shape[axis]
    names = [f"o{a}" for a in range(node.rank)]
    if isinstance(n, int):
        return place(node, [("a", n - 1, ((x, -1),)) if a == axis else x for a, x in enumerate(names)], node.shape)
    if node.op.name == "flip" and axis == node.rank - 1:
        return node.operands[0]
    moved = [x for a, x in enumerate(names) if a != axis] + [names[axis]]
    last = product([(node, names)], moved)
    return product([(apply(_FLIP.lift([tuple(range(node.rank - 1))]), last), moved)], names)
