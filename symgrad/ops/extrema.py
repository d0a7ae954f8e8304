"""Maximum, minimum and product of entries: structured ops whose pullbacks are the library's own ops.

The maximum sends its cotangent to the first entry that attains it. The product never divides: its pullback is the product of the others.
"""
from __future__ import annotations

import functools
from collections.abc import Sequence

from symgrad.core import equation as eq
from symgrad.core.node import Node
from symgrad.core.op import Derived, Op, make_op, structured_op
from symgrad.ops.arithmetic import product
from symgrad.ops.reduction import apply_rows
from symgrad.ops.stacking import merge

__all__ = ["extremum", "others"]


def _flat(_: int) -> Derived | None:
    """A choice of entries has slope zero."""
    return None


@functools.cache
def _choice(name: str) -> Op:
    """`max` or `min` of a vector."""
    where = structured_op(f"arg{name}", [("x",)], ("x",), _flat)
    chosen = make_op(f"{name}'1", (0, 1), ("i",), ("*", (("r", 0, ()), ("r", 1, ("i",)))))
    return structured_op(name, [("x",)], (), lambda _: Derived(chosen, ("C", (where, (0,)))))


@functools.cache
def others(order: int) -> Op:
    """out[i, j, ...] = the product of the entries of a vector other than i, j, ...; 0 where two of the indices are equal.

    Order 0 is the product itself. The derivative of each by x[k] is the next one at k.
    """
    axes = tuple(f"o{n}" for n in range(order))
    def rule(_: int) -> Derived:
        body: eq.Expr = ("*", (("r", 0, axes), ("r", 1, (*axes, "k"))))
        back = make_op(f"prod'{order + 1}", (order, order + 1), ("k",), ("S", axes, body) if axes else body)
        return Derived(back, ("C", (others(order + 1), (0,))))
    return structured_op(f"others{order}" if order else "prod", [("x",)], ("x",) * order, rule)


def extremum(name: str, node: Node, axes: Sequence[int]) -> Node:
    """`max`, `min` or `prod` over some axes; the others stay in front in their order."""
    gone = sorted(axes)
    kept = [a for a in range(node.rank) if a not in gone]
    letters = [f"x{a}" for a in range(node.rank)]
    node = product([(node, letters)], [letters[a] for a in (*kept, *gone)])
    for _ in gone[1:]:
        node = merge(node)
    return apply_rows(others(0) if name == "prod" else _choice(name), node, lead=[len(kept)])
