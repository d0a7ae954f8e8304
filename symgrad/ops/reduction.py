"""Reductions over last axes by name, and what else reads whole arrays: softmax, norms, mean, variance."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.node import Node, apply
from symgrad.core.op import Op
from symgrad.ops.arithmetic import product
from symgrad.ops.rows import library_op

__all__ = ["apply_rows", "reduce"]


def apply_rows(op: Op, *operands: Node, lead: Sequence[int]) -> Node:
    """The op on each row: `lead[k]` leading axes of operand k are rows, the same ones counted from the left."""
    lifted = op.lift([tuple(range(n)) for n in lead]) if any(lead) else op
    return apply(lifted, *operands)


def reduce(name: str, node: Node, axes: Sequence[int] | None = None, *others: Node) -> Node:
    """The library op of that name over some axes (None: all); kept axes stand in front in their order.

    `others` are scalars (eps). An op that returns its own shape (softmax, standardise) puts the axes back where they were.
    """
    gone = list(range(node.rank)) if axes is None else sorted(a % node.rank for a in axes)
    kept = [a for a in range(node.rank) if a not in gone]
    letters = [f"x{a}" for a in range(node.rank)]
    order = [letters[a] for a in (*kept, *gone)]
    op = library_op(name, len(gone))
    rows = apply_rows(op, product([(node, letters)], order), *others, lead=[len(kept), *(0 for _ in others)])
    return rows if rows.rank == len(kept) else product([(rows, order)], letters)
