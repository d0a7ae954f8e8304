"""An activation comes in as a word, a node or a function of nodes; its expression in z, its slope and what is known of both go out."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import sympy as sp
from sympy import Expr

from symgrad.core import equation as eq
from symgrad.core.functions import FUNCTION_NAMES, function_class, z
from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node, Variable, leaf, topological
from symgrad.core.symbols import base, to_sympy
from symgrad.errors import InputError, UnsupportedError, nearest
from symgrad.ops.operators import as_node
from symgrad.training.gaussian import function_of, pieces

__all__ = ["Activation", "expression_of", "largest_slope", "one_sided", "slope_of", "through"]

Activation: TypeAlias = str | Node | Graph | Callable[[Node], object] | None
"""A word of the notation ("relu"; "linear" for none), a node or graph of one number, or a function of nodes (sg.tanh)."""

_FAR = 40.0


def expression_of(activation: Activation) -> tuple[str, Expr]:
    """(name, expression in z): by the equation in symgrad's own library. Raises InputError for what is no function of one number.

    In a node or a graph the variable is its only data; parameters stay symbols, as the slope a of `relu(z) - a*relu(-z)`.
    """
    if activation is None or activation in ("linear", "identity"):
        return "linear", z
    if isinstance(activation, str):
        if activation not in FUNCTION_NAMES:
            known = ", ".join(["linear", *sorted(FUNCTION_NAMES)])
            raise InputError(f"there is no activation {activation!r}{nearest(activation, FUNCTION_NAMES)}; known are {known}")
        return activation, sp.sqrt(z) if activation == "sqrt" else function_class(activation)(z)
    name = getattr(activation, "__name__", "")
    if callable(activation):
        activation = as_node(activation(leaf("z", ())))
    node = activation.output if isinstance(activation, Graph) else activation
    if not isinstance(node, Node):
        raise InputError(f"an activation is a word such as 'relu', a node or graph of one number, or a function of nodes, not {activation!r}")
    order = topological([node])
    leaves = [n for n in order if isinstance(n.data, Variable)]
    moving = [n for n in leaves if n.data.kind == "data"] or leaves  # type: ignore[union-attr]  # they are variables
    if len(moving) != 1:
        raise InputError(f"an activation is a function of one number; this one has the data {', '.join(n.name for n in moving) or 'none'}: "
                         "declare what stays the same as parameters")
    found: dict[Node, Expr] = {n: z if n is moving[0] else base(n.name, 0) for n in leaves}
    for n in order:
        if n not in found:
            value = through(n, found)
            if value is None or (n.shape != moving[0].shape and n.op is not NUMBER):
                raise InputError(f"an activation acts entry by entry, and {n.op.name} does not")
            found[n] = value
    return name or str(found[node]), found[node]


def through(node: Node, known: Mapping[Node, Expr]) -> Expr | None:
    """The expression of an entry of a node from those of its operands' entries in the same place; None where it reads others."""
    if node.op is NUMBER:
        return sp.Rational(node.data.numerator, node.data.denominator)  # type: ignore[union-attr]  # a number node holds a Fraction
    body = node.op.body
    if body is None or not node.operands or node.op.where:
        return None
    for e in eq.walk(body):
        if e[0] in "sdS" or (e[0] == "r" and e[2] != node.op.out and node.operands[e[1]].rank):
            return None
    if any(r[1] >= len(node.operands) or node.operands[r[1]] not in known for r in eq.references(body)):
        return None
    plain = eq.transform(body, lambda e: ("r", e[1], ()) if e[0] == "r" else e)
    return to_sympy(plain, {k: known[o] for k, o in enumerate(node.operands) if o in known})


@functools.cache
def slope_of(g: Expr) -> Expr:
    """g' by the derivatives that symgrad knows: at a kink it has the value symgrad gives it."""
    return sp.diff(g, z)


@functools.cache
def one_sided(g: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(g(0), slope on the left of 0, slope on the right); None where the kinks are not known or 0 is outside the domain."""
    found = pieces(g)
    if found is None:
        return None
    left = next(p for low, high, p in found if high >= 0 and low < 0)
    right = next(p for low, high, p in found if low <= 0 and high > 0)
    at = [sp.simplify(e.subs(z, 0)) for e in (right, sp.diff(left, z), sp.diff(right, z))]
    return (at[0], at[1], at[2]) if all(x.is_finite for x in at) else None


@functools.cache
def largest_slope(g: Expr) -> float:
    """The supremum of |g'(z)|: 1/4 for the sigmoid; inf where it grows without bound. Raises UnsupportedError where it has no number."""
    if g.free_symbols - {z}:
        raise UnsupportedError(f"the slope of {g} has no number: give {', '.join(sorted(map(str, g.free_symbols - {z})))} a value")
    slope = function_of(slope_of(g))
    with np.errstate(all="ignore"):
        def size(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            return np.nan_to_num(np.abs(slope(x)), nan=0.0, posinf=np.inf)
        low, high = -_FAR, _FAR
        edge = float(size(np.array([low, high])).max())
        if float(size(np.array([2 * low, 2 * high])).max()) > 1.5 * edge + 1:
            return float("inf")
        for _ in range(12):                                # the grid closes in on the largest value: slopes are smooth between kinks
            x = np.linspace(low, high, 4001)
            y = size(x)
            k = int(np.argmax(y))
            low, high = x[max(k - 1, 0)], x[min(k + 1, x.size - 1)]
            if high - low < 1e-9:
                break
        return round(max(float(y.max()), edge), 12)
