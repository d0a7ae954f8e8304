"""Labels 1..K come in; vectors with a single one at the label go out, or the rows of a matrix that they choose."""
from __future__ import annotations

from symgrad.core.node import Node, apply
from symgrad.core.op import Derived, structured_op
from symgrad.core.shape import Size
from symgrad.ops.arithmetic import filled, product

__all__ = ["embedding", "onehot"]


def _flat(_: int) -> Derived | None:
    """A label is a whole number: there is nothing to derive by."""
    return None


_ONEHOT = structured_op("onehot", [(), ("k",)], ("k",), _flat)


def onehot(label: Node, classes: Size) -> Node:
    """(...,) -> (..., classes): ones of that many classes lend the size."""
    return apply(_ONEHOT.lift([tuple(range(label.rank)), ()]), label, filled("ones", (classes,)))


def embedding(label: Node, rows: Node) -> Node:
    """(...,) and (K, D) -> (..., D): the row of each label, as the product of its one-hot vector with the matrix."""
    lead = [f"l{n}" for n in range(label.rank)]
    return product([(onehot(label, rows.shape[0]), [*lead, "k"]), (rows, ["k", "d"])], [*lead, "d"])
