"""The gradient by a matrix in; the gradient within the matrix's declared structure out: with respect to its free entries only.

Convention. G is the gradient by all entries as if they were independent. A symmetric matrix has one free entry for each pair i <= j, which
stands in two places off the diagonal, so both places of the result hold that entry's derivative: G + G' - diag(diag(G)) (Matrix Cookbook,
2012, equation 138). A diagonal matrix keeps the diagonal of G, a triangular one its triangle; entries that are fixed at zero have derivative 0.
"""
from __future__ import annotations

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import make_op
from symgrad.ops.arithmetic import add, filled, product

__all__ = ["STRUCTURES", "structure_of", "within_structure"]

STRUCTURES = ("diagonal", "lower", "upper", "symmetric")
"""Declared facts that say which entries are free, the narrowest first; spd, psd and the like say where a matrix lies, not how it moves."""


def structure_of(variable: Node) -> str:
    """"symmetric", "diagonal", "lower" or "upper"; an empty string for a variable without a structure."""
    if variable.rank != 2 or variable.shape[0] != variable.shape[1]:
        return ""
    return next((s for s in STRUCTURES if s in variable.facts), "")


def within_structure(gradient: Node, variable: Node) -> Node:
    """The derivative by the free entries of a structured matrix, of the gradient's shape: axes of an output, then (n, n).

    The gradient itself where the variable has no structure. It is for results that are handed out: differentiated again it stays a gradient
    by all entries of the second variable.
    """
    kind = structure_of(variable)
    if not kind:
        return gradient
    lead = [f"o{k}" for k in range(gradient.rank - 2)]
    i, j = f"o{len(lead)}", f"o{len(lead) + 1}"
    out = [*lead, i, j]
    diagonal = product([(gradient, out)], out, [(i, j)], shape=gradient.shape)
    if kind == "diagonal":
        return diagonal
    if kind == "symmetric":
        return add([(gradient, out), (gradient, [*lead, j, i]), (diagonal, out)], out, [1, 1, -1])
    return product([(gradient, out), (_triangle(kind, variable), [i, j])], out)


def _triangle(kind: str, variable: Node) -> Node:
    """1 where i >= j (lower) or i <= j (upper): the sum over k >= 0 of delta(i, j + k)."""
    first, second = ("i", "j") if kind == "lower" else ("j", "i")
    body: eq.Expr = ("S", ("k",), ("*", (("d", first, eq.affine(0, {second: 1, "k": 1})), ("r", 0, ("k",)))))
    return apply(make_op("triangle", (1,), ("i", "j"), body), filled("ones", variable.shape[:1]), shape=variable.shape)
