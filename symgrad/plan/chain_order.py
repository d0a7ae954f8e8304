"""Shapes of the factors of a matrix product in; the order of multiplication with the fewest operations out, with what it saves.

The dynamic programme over intervals (Cormen et al., Introduction to Algorithms, section 15.2), its costs polynomials in symbolic sizes.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from symgrad.core.shape import Size, shape_text, size_expression
from symgrad.errors import InputError, ShapeError
from symgrad.plan.cost import dominates

__all__ = ["ChainOrder", "Nested", "TYPICAL", "best_order"]

Nested: TypeAlias = "int | tuple[Nested, Nested]"
"""A factor by its position from 0, or the product of two."""

TYPICAL = 64                                               # stands for a size without a value where no order is best for all sizes


@dataclass(frozen=True, slots=True)
class ChainOrder:
    """The order found, with costs as polynomials in the sizes.

    `assumed`: the sizes that the choice was made at; empty if the order is best for every size of 1 or more.
    """

    order: Nested
    flops: sp.Expr
    flops_left_to_right: sp.Expr
    flops_right_to_left: sp.Expr
    assumed: Mapping[str, int]

    @property
    def saving(self) -> sp.Expr:
        """The operations saved against the order from the right: forward mode, where the factors are the Jacobians of a chain."""
        return sp.expand(self.flops_right_to_left - self.flops)

    def __str__(self) -> str:
        parts = {"left to right": self.flops_left_to_right, "right to left": self.flops_right_to_left}
        others = ", ".join(f"{name} {'the same' if cost == self.flops else cost}" for name, cost in parts.items())
        where = ", ".join(f"{k} = {v}" for k, v in self.assumed.items())
        reason = f"the cheapest at {where}" if self.assumed else "the cheapest for all sizes"
        return f"{order_text(self.order)}: {self.flops} operations ({others}); {reason}"


def order_text(order: Nested, outermost: bool = True) -> str:
    """`(1 2) 3`: the factors numbered from 1."""
    done: list[str] = []                                   # walked with a stack: a chain may be long
    stack: list[Nested | str] = [order]
    while stack:
        top = stack.pop()
        if isinstance(top, tuple):
            stack += [")", top[1], " ", top[0], "("]
        else:
            done.append(top if isinstance(top, str) else str(top + 1))
    text = "".join(done)
    return text[1:-1] if outermost and isinstance(order, tuple) else text


def best_order(shapes: Sequence[tuple[Size, Size]], structures: Sequence[str] = (), sizes: Mapping[str, int] | None = None) -> ChainOrder:
    """The cheapest order of multiplying factors of the given (rows, columns).

    structures: "dense" or "diagonal" for each factor (all dense if left out); a diagonal one is stored as its n entries and only scales.
    sizes: typical values of size names, used only where no order is best for all sizes; 64 for a name that is missing.
    Raises ShapeError where neighbouring factors do not fit, InputError for an unknown structure.
    """
    kinds = list(structures) or ["dense"] * len(shapes)
    _check(shapes, kinds)
    ends = [size_expression(s[0]) for s in shapes] + [size_expression(shapes[-1][1])]
    names = sorted({s for e in ends for s in e.free_symbols}, key=str)
    at = {s: sp.Integer((sizes or {}).get(str(s), TYPICAL)) for s in names}
    diagonal = [k == "diagonal" for k in kinds]
    every = [[all(diagonal[i:j + 1]) for j in range(len(shapes))] for i in range(len(shapes))]
    def cost(i: int, k: int, j: int) -> sp.Expr:
        """Of the product of the factors i..k with those k+1..j."""
        if every[i][k] or every[k + 1][j]:
            return ends[i] if every[i][j] else ends[i] * ends[j + 1]
        return 2 * ends[i] * ends[k + 1] * ends[j + 1]
    best: dict[tuple[int, int], tuple[sp.Expr, Nested]] = {(i, i): (sp.S.Zero, i) for i in range(len(shapes))}
    certain = True
    for width in range(1, len(shapes)):
        for i in range(len(shapes) - width):
            j = i + width
            found = [(sp.expand(best[i, k][0] + best[k + 1, j][0] + cost(i, k, j)), (best[i, k][1], best[k + 1, j][1]))
                     for k in range(i, j)]
            chosen = min(found, key=lambda f: f[0].xreplace(at))
            chosen = next((f for f in found if f[0] != chosen[0] and dominates(chosen[0], f[0])), chosen)   # equal at the typical sizes
            certain = certain and all(dominates(f[0], chosen[0]) for f in found)
            best[i, j] = chosen
    last = len(shapes) - 1
    left = sp.expand(sp.Add(*[cost(0, k, k + 1) for k in range(last)]))
    right = sp.expand(sp.Add(*[cost(k, k, last) for k in range(last)]))
    flops, order = best[0, last]
    return ChainOrder(order, flops, left, right, {} if certain else {str(s): int(v) for s, v in at.items()})


def _check(shapes: Sequence[tuple[Size, Size]], kinds: Sequence[str]) -> None:
    if not shapes or len(kinds) != len(shapes):
        raise InputError(f"{len(shapes)} factors and {len(kinds)} structures: give each factor one")
    for n, (shape, kind) in enumerate(zip(shapes, kinds, strict=True)):
        if kind not in ("dense", "diagonal"):
            raise InputError(f"factor {n + 1} is {kind!r}; a factor is dense or diagonal")
        if kind == "diagonal" and shape[0] != shape[1]:
            raise ShapeError(f"factor {n + 1} is {shape_text(shape)}, so it is not diagonal")
        if n and shapes[n - 1][1] != shape[0]:
            raise ShapeError(f"factors {n} and {n + 1} do not fit: {shape_text(shapes[n - 1])} times {shape_text(shape)}")
