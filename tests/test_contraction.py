"""Contraction of sums of products with deltas: the value stays, deltas on summed indices go, sums split."""
from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from strategies import OPERANDS, Equation, equations, operand_arrays
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Sum, Symbol
from witness import distance

from symgrad.core import equation as eq
from symgrad.core.contraction import contract, products, rewrite
from symgrad.core.op import make_op
from symgrad.core.symbols import at, base, from_sympy, index_symbol, size_symbol, to_sympy, total
from symgrad.errors import UnsupportedError
from symgrad.run.evaluate import evaluate_op

I, J, K, L = (index_symbol(x) for x in "ijkl")
X, Y = base("x", 1), base("y", 1)
W = base("w", 2)


@given(equations(powers=True))
def test_the_value_stays(equation: Equation) -> None:
    ranks = [len(axes) for axes in OPERANDS]
    bases = {k: base(f"a{k}", r) for k, r in enumerate(ranks)}
    e = contract(to_sympy(equation.body, bases), lambda b: size_symbol(1 if b.name[0] == "i" else 2, 0))
    arrays = operand_arrays(np.random.default_rng(0))
    want = evaluate_op(make_op("random", ranks, equation.out, equation.body), arrays, equation.shape, {})
    contracted = make_op("random", ranks, equation.out, from_sympy(e, {f"a{k}": k for k in bases}))
    assert distance(evaluate_op(contracted, arrays, equation.shape, {}), want) < 1e-10


@given(equations(powers=False))
def test_no_summed_delta_and_no_divisible_sum_is_left(equation: Equation) -> None:
    bases = {k: base(f"a{k}", len(axes)) for k, axes in enumerate(OPERANDS)}
    e = contract(to_sympy(equation.body, bases), lambda b: size_symbol(1, 0))
    for s in _summed(e):
        for factor in Mul.make_args(s.function):
            assert not (isinstance(factor, KroneckerDelta) and factor.has(*s.variables))
            assert factor.has(*s.variables), "a constant inside a sum"
        assert _connected(s), s


def _summed(e: Expr) -> list[Sum]:
    """The sums that are terms or factors; those inside a bracket that nothing opened stay as they were."""
    return [s for term in Add.make_args(e) for s in Mul.make_args(term) if isinstance(s, Sum)]


def _connected(s: Sum) -> bool:
    """Whether no part of the summed product is free of the indices of the rest."""
    groups: list[set[Symbol]] = []
    for factor in Mul.make_args(s.function):
        touched = {v for v in s.variables if factor.has(v)}
        near = [g for g in groups if g & touched]
        groups = [g for g in groups if not g & touched] + [touched.union(*near)]
    return len(groups) == 1


def same(got: Expr, want: Expr) -> bool:
    """Equality up to the names of bound indices."""
    names = {"x": 0, "y": 1, "w": 2}
    return eq.canonical(from_sympy(got, names)) == eq.canonical(from_sympy(want, names))


CASES = {
    "a delta picks": (total(X[I] * KroneckerDelta(I, J), (I,)), X[J]),
    "two deltas in a row": (total(X[I] * KroneckerDelta(I, J) * KroneckerDelta(J, K), (I, J)), X[K]),
    "a delta between free indices is structure": (X[I] * KroneckerDelta(I, J), X[I] * KroneckerDelta(I, J)),
    "an affine delta is solved": (total(X[I] * KroneckerDelta(2 * J - I + 1, K), (I,)), X[2 * J - K + 1]),
    "a stride of two is solved for the other index": (total(X[I] * Y[J] * KroneckerDelta(2 * I + J, K), (J,)), X[I] * Y[K - 2 * I]),
    "an index that leaves its range unseen keeps its delta":
        (total(Y[K] * sp.exp(X[I]) * KroneckerDelta(I + J, L), (I,)), Y[K] * total(sp.exp(X[I]) * KroneckerDelta(I + J, L), (I,))),
    "a power of an array is zero outside, too": (total(X[I] ** 2 * KroneckerDelta(I + J, K), (I,)), X[K - J] ** 2),
    "independent sums split": (total(X[I] * Y[J], (I, J)), total(X[I], (I,)) * total(Y[J], (J,))),
    "constants go outside": (total(X[I] * Y[K], (I,)), Y[K] * total(X[I], (I,))),
    "a nested sum is one sum": (total(X[I] * total(W[I, J] * Y[J], (J,)), (I,)), total(X[I] * W[I, J] * Y[J], (I, J))),
    "a power is not opened": (total(X[I], (I,)) ** 2, total(X[I], (I,)) ** 2),
    "a delta distributes over a sum": (total((X[I] + Y[I]) * KroneckerDelta(I, J), (I,)), X[J] + Y[J]),
    "sums that share a dummy stay apart": (total(X[I], (I,)) * total(Y[I], (I,)), total(X[I], (I,)) * total(Y[I], (I,))),
}


@pytest.mark.parametrize("case", CASES)
def test_single_cases(case: str) -> None:
    got, want = CASES[case]
    assert same(contract(got), want), contract(got)


def test_the_comparison_of_these_cases_can_fail() -> None:
    assert not same(total(X[I], (I,)), total(Y[I], (I,)))
    assert not same(total(W[I, J], (I,)), total(W[J, I], (I,)))
    assert same(total(X[I], (I,)), total(X[K], (K,)))


def test_a_summed_index_that_vanishes_leaves_its_size() -> None:
    n = size_symbol(0, 0)
    assert contract(total(Y[K], (I,)), lambda b: n) == n * Y[K]
    assert contract(total(KroneckerDelta(I, J), (I, J)), lambda b: n) == n
    with pytest.raises(UnsupportedError, match="size of the summed index"):
        contract(total(Y[K], (I,)))


def test_a_delta_that_no_index_solves_stays() -> None:
    e = contract(total(X[I] * Y[J] * KroneckerDelta(2 * I + 3 * J, K), (I, J)))
    assert e.has(KroneckerDelta)


def test_a_range_that_nothing_tells_is_refused() -> None:
    """The mean of a window has no factor that ends at the window's end: without the range the delta cannot be solved."""
    with pytest.raises(UnsupportedError, match="range of the summed index"):
        contract(total(Y[K] * KroneckerDelta(I + J, L), (I,)))


def test_products_open_sums_and_deltas_only() -> None:
    assert len(products((X[I] + Y[I]) * W[I, J])) == 1
    assert len(products((X[I] + KroneckerDelta(I, J)) * W[I, J])) == 2
    assert len(products(Add(X[I], Y[I]) ** 2)) == 1
    (bound, factors), = products(total(X[I], (I,)) * total(Y[I], (I,)))
    assert len(set(bound)) == 2 and len(factors) == 2


def test_rewrite_looks_outermost_first_and_not_into_bound_indices() -> None:
    e = sp.sin(X[I]) + total(X[J], (J,))
    assert rewrite(e, lambda x: Y[I] if x == X[I] else None) == sp.sin(Y[I]) + total(X[J], (J,))
    emptied = rewrite(e, lambda x: sp.S.One if isinstance(x, sp.sin) else sp.S.Zero if isinstance(x, Indexed) else None)
    assert emptied == 1 + total(sp.S.Zero, (J,))
    assert at(base("c", 0), ()) == Symbol("c", real=True)
