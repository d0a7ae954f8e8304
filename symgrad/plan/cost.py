"""A node in; its number of operations and its bytes out, as sympy polynomials in the symbolic sizes.

What counts: every multiplication, addition, division, power and function value is 1 operation per entry it is computed for; a sum
over products is multiplied two factors at a time, 2 operations per entry and summed index, so a matrix product of (n, m) and (m, k)
costs 2nmk. Equal subexpressions of one op count once, at whatever indices they stand. Copies, transpositions, ones, identities and
deltas cost nothing.
Of an n x n matrix: inverse 2n^3, determinant and its logarithm 2/3 n^3, adjugate 6n^3 and pseudo-inverse of (m, n) 6mn*min: leading terms.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.node import Node
from symgrad.core.op import Op
from symgrad.core.shape import Shape, size_expression
from symgrad.plan.order import is_leaf
from symgrad.plan.pairs import pairwise

__all__ = ["ITEM", "dominates", "flops", "is_view", "node_bytes", "undominated"]

_REARRANGED = ("merge", "split", "stack", "onehot")
_MATRIX: dict[str, Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    "inv": lambda m, n: 2 * n**3, "det": lambda m, n: sp.Rational(2, 3) * n**3, "logdet": lambda m, n: sp.Rational(2, 3) * n**3,
    "adj": lambda m, n: 6 * n**3, "pinv": lambda m, n: 6 * m * n * (n if m == n else sp.Min(m, n)),
}
ITEM = 8                                                   # bytes of a float64


def flops(node: Node) -> sp.Expr:
    """The operations that computing a node from its operands takes."""
    return sp.S.Zero if is_leaf(node) else _flops(node.op, tuple(o.shape for o in node.operands), node.shape)


def node_bytes(node: Node) -> sp.Expr:
    """The bytes of a node's value as float64; 0 for a view of another value."""
    return sp.S.Zero if is_view(node) else _entries(node.shape) * ITEM


def is_view(node: Node) -> bool:
    """Whether the value shares the memory of the node it reads: a copy, a transposition, a diagonal."""
    return not is_leaf(node) and node.op.body is not None and node.op.body[0] == "r" and len(set(node.op.body[2])) == len(node.op.out) \
        and not any(eq.is_affine(i) for i in node.op.body[2])


@functools.cache
def _entries(shape: Shape) -> sp.Expr:
    return sp.Mul(*map(size_expression, shape))


@functools.cache
def _flops(op: Op, shapes: tuple[Shape, ...], shape: Shape) -> sp.Expr:
    if op.body is None:
        return _structured(op, shapes, shape)
    sizes = {name: shapes[k][axis] for name, (k, axis) in op.axis_of.items()} | dict(zip(op.out, shape, strict=True))
    return sp.expand(_Count({n: size_expression(s) for n, s in sizes.items()}).of(op.scoped))


def _structured(op: Op, shapes: Sequence[Shape], shape: Shape) -> sp.Expr:
    if op.name in _REARRANGED:
        return sp.S.Zero
    if op.name not in _MATRIX:                             # an extremum or a product reads every entry once, others give one value each
        return _entries(shapes[0] if len(op.out) < op.ranks[0] else shape)
    *lead, m, n = map(size_expression, shapes[0])
    return sp.expand(sp.Mul(*lead, _MATRIX[op.name](m, n)))


class _Count:
    """Operations of an equation; `sizes` by index name."""

    def __init__(self, sizes: dict[str, sp.Expr]) -> None:
        self.sizes = sizes
        self.seen: set[eq.Expr] = set()

    def entries(self, *parts: eq.Expr) -> sp.Expr:
        return self.over(frozenset().union(*(eq.free(p) for p in parts)))

    def over(self, axes: frozenset[eq.Index]) -> sp.Expr:
        return sp.Mul(*[self.sizes[str(i)] for i in sorted(axes, key=str)])

    def of(self, e: eq.Expr) -> sp.Expr:
        """The operations of e, apart from subexpressions counted before."""
        if e[0] in "rnksd":
            return sp.S.Zero
        plain = eq.canonical(eq.substitute(e, {i: f"k{n}" for n, i in enumerate(eq.free(e))}))
        if plain in self.seen:
            return sp.S.Zero
        self.seen.add(plain)
        if e[0] == "S":
            return self.total(e[1], e[2])
        inner = sp.Add(*[self.of(_unsigned(a) if e[0] == "+" else _upright(a) if e[0] == "*" else a) for a in eq.children(e)])
        if e[0] == "*":
            return inner + self.product([a for a in e[1] if a[0] != "d"])
        if e[0] == "+":
            return inner + (len(e[1]) - 1) * self.entries(*[a for a in e[1] if not eq.has_delta(a)] or [("n", 1)])
        return inner + self.entries(e)

    def product(self, factors: Sequence[eq.Expr]) -> sp.Expr:
        """Factors of few indices are multiplied first; a factor 1/s is a division."""
        total, axes, held = sp.S.Zero, frozenset[eq.Index](), False
        for f in sorted(factors, key=lambda f: len(eq.free(f))):
            axes = axes | frozenset(eq.free(f))
            total += self.over(axes) if held else 0
            held = True
        only = len(factors) == 1 and factors[0] != _upright(factors[0])
        return total + (self.over(axes) if only else 0)

    def total(self, bound: tuple[eq.Index, ...], body: eq.Expr) -> sp.Expr:
        """A sum over products, two factors at a time."""
        factors = list(body[1]) if body[0] == "*" else [body]
        squares = [f[1] for f in factors if f[0] == "^" and f[2] == ("n", 2)]
        factors = [f[1] if f[0] == "^" and f[2] == ("n", 2) else f for f in factors] + squares
        cost = sp.Add(*[self.of(f) for f in factors])
        outside = [f for f in factors if not set(eq.free(f)) & set(bound)]
        inside = [f for f in factors if f not in outside and f[0] != "d"]
        kept = frozenset(eq.free(("S", bound, body)))
        axes = [frozenset(eq.free(f)) for f in inside]
        for n, own in enumerate(axes):                     # an index of one factor alone is summed there
            others = frozenset().union(kept, *(a for m, a in enumerate(axes) if m != n))
            if own - others:
                cost += self.over(own)
                axes[n] = own & others
        for pair in pairwise(axes, kept):
            left, right = axes[pair.left], axes[pair.right]
            axes = [a for n, a in enumerate(axes) if n not in pair[:2]] + [pair.kept]
            cost += self.over(left | right) * (2 if left | right != pair.kept else 1)
        return cost + (self.product([*outside, ("S", bound, body)]) if outside else 0)


def _unsigned(e: eq.Expr) -> eq.Expr:
    """A term of a sum without its factor -1: subtracting costs what adding costs."""
    if e[0] != "*" or e[1][0] != ("n", -1):
        return e
    return e[1][1] if len(e[1]) == 2 else ("*", e[1][1:])


def _upright(e: eq.Expr) -> eq.Expr:
    """A factor 1/s of a product as s: it is a division, not one operation more."""
    return e[1] if e[0] == "^" and e[2] == ("n", -1) else e


def dominates(larger: sp.Expr, smaller: sp.Expr) -> bool:
    """Whether `larger` >= `smaller` for all sizes that are 1 or more: shown by the coefficients of their difference in (size - 1)."""
    difference = larger - smaller
    return difference.is_polynomial(*difference.free_symbols) and all(c >= 0 for c in from_one(difference).values())


@functools.cache
def from_one(e: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """monomial -> coefficient of an expression in (size - 1), which are 0 or more."""
    return dict(sp.expand(e.xreplace({s: s + 1 for s in e.free_symbols})).as_coefficients_dict())


def undominated(sums: Sequence[Mapping[sp.Expr, int]]) -> list[Mapping[sp.Expr, int]]:
    """The sums, expression -> how often, that no other one is shown to reach for all sizes."""
    keys = list(dict.fromkeys(k for s in sums for k in s))
    terms = list(dict.fromkeys(m for k in keys for m in from_one(k)))
    per_key = np.array([[float(from_one(k).get(m, 0)) for m in terms] for k in keys]).reshape(len(keys), len(terms))
    rows = np.array([[s.get(k, 0) for k in keys] for s in sums]) @ per_key
    plain = np.array([m.is_polynomial(*m.free_symbols) for m in terms], dtype=bool)
    rows = np.concatenate([rows, -rows[:, ~plain]], axis=1)    # of what is no polynomial, as much
    kept = np.ones(len(sums), dtype=bool)
    for n, row in enumerate(rows):
        covered = (rows >= row).all(1) & kept
        covered[n] = False
        kept[n] = not covered.any()
    return [s for s, k in zip(sums, kept, strict=True) if k]
