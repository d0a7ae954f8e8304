"""Scaled dot-product attention: queries, keys and values as rows come in, mixtures of the values go out."""

from __future__ import annotations

from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.core.node import Node, number_node, size_node
from symgrad.core.shape import Size
from symgrad.ops.arithmetic import add, divide, filled, power, product
from symgrad.ops.broadcasting import place
from symgrad.ops.choice import visible
from symgrad.ops.reduction import reduce

__all__ = ["attention", "earlier"]


def earlier(m: Size, n: Size) -> Node:
    """(m, n): 1 where the column is not past the row, else 0; ones[i - j], which is zero outside its range, so sizes may be symbols."""
    return place(filled("ones", (m,)), [eq.affine(0, {"o0": 1, "o1": -1})], (m, n))


def attention(q: Node, k: Node, v: Node, mask: Node | None = None, lead: int = 0, causal: bool = False) -> Node:
    """softmax(Q*K'/sqrt(d) + mask) * V: Vaswani et al. (2017), equation 1. `causal`: a position sees itself and those before it only.

    Shapes (..., m, d), (..., n, d), (..., n, p), the mask (m, n) or (..., m, n); `lead` axes stand in front.
    """
    shared = [f"l{n}" for n in range(lead)]
    scores = product([(q, [*shared, "m", "d"]), (k, [*shared, "n", "d"])], [*shared, "m", "n"])
    root = power((size_node(q.shape[-1]), ()), (number_node(Fraction(1, 2)), ()), ())
    scores = divide((scores, [*shared, "m", "n"]), (root, ()), [*shared, "m", "n"])
    if mask is not None:
        scores = add([(scores, [*shared, "m", "n"]), (mask, [*shared[: mask.rank - 2], "m", "n"])], [*shared, "m", "n"])
    if causal:
        scores = visible(earlier(q.shape[-2], k.shape[-2]), scores)
    weights = reduce("softmax", scores, [-1])
    return product([(weights, [*shared, "m", "n"]), (v, [*shared, "n", "p"])], [*shared, "m", "p"])
