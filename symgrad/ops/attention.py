"""Scaled dot-product attention: queries, keys and values as rows come in, mixtures of the values go out."""

from __future__ import annotations

from fractions import Fraction

from symgrad.core.node import Node, number_node, size_node
from symgrad.ops.arithmetic import add, divide, power, product
from symgrad.ops.reduction import reduce

__all__ = ["attention"]


def attention(q: Node, k: Node, v: Node, mask: Node | None, lead: int) -> Node:
    """softmax(Q*K'/sqrt(d) + mask) * V: Vaswani et al. (2017), equation 1.

    Shapes (..., m, d), (..., n, d), (..., n, p), the mask (m, n) or (..., m, n).
    """
    shared = [f"l{n}" for n in range(lead)]
    scores = product([(q, [*shared, "m", "d"]), (k, [*shared, "n", "d"])], [*shared, "m", "n"])
    root = power((size_node(q.shape[-1]), ()), (number_node(Fraction(1, 2)), ()), ())
    scores = divide((scores, [*shared, "m", "n"]), (root, ()), [*shared, "m", "n"])
    if mask is not None:
        scores = add([(scores, [*shared, "m", "n"]), (mask, [*shared[: mask.rank - 2], "m", "n"])], [*shared, "m", "n"])
    weights = reduce("softmax", scores, [-1])
    return product([(weights, [*shared, "m", "n"]), (v, [*shared, "n", "p"])], [*shared, "m", "p"])
