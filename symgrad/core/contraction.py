"""Sums of products with Kronecker deltas: deltas eliminated, every sum split into its independent parts (sympy in, sympy out)."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Sum, Symbol

from symgrad.core.symbols import total
from symgrad.errors import UnsupportedError

__all__ = ["contract", "products", "rewrite"]

Term = tuple[tuple[Symbol, ...], list[Expr]]


def rewrite(e: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """e with every subexpression for which `change` gives one replaced, outermost first; bound indices are not looked at."""
    new = change(e)
    if new is not None:
        return new
    if isinstance(e, Sum):
        return Sum(rewrite(e.function, change), *e.limits)
    if not e.args or isinstance(e, Indexed):
        return e
    return e.func(*[rewrite(a, change) for a in e.args])


def products(e: Expr) -> list[Term]:
    """e as terms (bound indices, factors); a product is distributed only over a factor that holds a delta or is a sum."""
    if isinstance(e, Add):
        return [t for a in e.args for t in products(a)]
    if isinstance(e, Mul):
        out: list[Term] = [((), [])]
        for f in e.args:
            opened = isinstance(f, Sum) or (not isinstance(f, Pow) and f.has(KroneckerDelta))
            parts = products(f) if opened else [((), [f])]
            out = [(b + b2, x + y) for b, x in out for b2, y in parts]
        return out
    if isinstance(e, Sum):
        fresh = {limit[0]: sp.Dummy(limit[0].name, integer=True) for limit in e.limits}
        return [(tuple(fresh.values()) + b, f) for b, f in products(e.function.xreplace(fresh))]
    return [((), [e])]


def _fixed_index(delta: Expr, bound: Sequence[Symbol], others: Sequence[Expr]) -> tuple[Symbol, Expr] | None:
    """(v, value) for a bound index v that the delta fixes; its argument may be affine, as in delta(s*i + p, a).

    An affine value may leave the range of v, so one of the other factors must be an array read at v: arrays are zero outside their range.
    """
    difference = delta.args[0] - delta.args[1]
    for v in bound:
        c = difference.coeff(v)
        if c in (1, -1):
            value = sp.expand(v - difference / c)
            if value.is_Symbol or any(_read_at(f, v) for f in others):
                return v, value
    return None


def _read_at(factor: Expr, index: Symbol) -> bool:
    array = factor.base if isinstance(factor, Pow) and factor.exp.is_positive else factor
    return isinstance(array, Indexed) and index in array.indices


def _eliminate(bound: Sequence[Symbol], factors: Sequence[Expr]) -> tuple[list[Symbol], list[Expr]]:
    """Bound indices that a delta fixes are substituted away; a delta that is left is structure.

    Raises UnsupportedError where one is left on a summed index whose range nothing tells.
    """
    bound, factors = list(bound), list(factors)
    while True:
        for n, f in enumerate(factors):
            others = factors[:n] + factors[n + 1:]
            hit = _fixed_index(f, bound, others) if isinstance(f, KroneckerDelta) else None
            if hit:
                v, value = hit
                bound.remove(v)
                factors = [g.xreplace({v: value}) for g in others]
                break
        else:
            break
    kept = [f for f in factors if isinstance(f, KroneckerDelta) and f.has(*bound)] if bound else []
    known = {i for f in factors for x in f.atoms(Indexed) for i in x.indices} if kept else set()
    for v in bound:
        if v not in known and any(f.has(v) for f in kept):
            raise UnsupportedError(f"the range of the summed index {v} is not known from any operand")
    return bound, factors


def contract(e: Expr, size_of: Callable[[Symbol], Expr] | None = None) -> Expr:
    """e with deltas eliminated and sums split; `size_of` gives the size of a bound index that vanishes from its term."""
    return Add(*[_flat(_split(*_eliminate(*t), size_of)) for t in products(e)])


def _split(bound: Sequence[Symbol], factors: Sequence[Expr], size_of: Callable[[Symbol], Expr] | None) -> Expr:
    """The product of the sums over the connected components of the bound indices; constants stay outside."""
    product = list(Mul.make_args(Mul(*factors)))
    for b in bound:
        touched = [f for f in product if f.has(b)]
        if touched:
            product = [f for f in product if not f.has(b)] + [total(Mul(*touched), (b,))]
        elif size_of is None:
            raise UnsupportedError(f"the size of the summed index {b} is not known from any operand")
        else:
            product.append(size_of(b))
    return Mul(*product)


def _flat(e: Expr) -> Expr:
    """A sum over a of a sum over b as one sum (sympy keeps them nested)."""
    if not e.args or not e.has(Sum):
        return e
    if not isinstance(e, Sum):
        return e.func(*[_flat(a) for a in e.args])
    body, outer, inner = _flat(e.function), list[Expr](), list[Expr]()
    for f in Mul.make_args(body):
        (inner if isinstance(f, Sum) else outer).append(f)
    if len(inner) == 1:
        return Sum(Mul(*outer, inner[0].function), *e.limits, *inner[0].limits)
    return Sum(body, *e.limits)
