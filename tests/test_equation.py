"""Index equations as tuples: canonical forms, renaming and the executor's value against one loop per index."""
from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import OPERANDS, Equation, brute_force, equations, operand_arrays
from witness import distance

from symgrad.core import equation as eq
from symgrad.core.op import make_op
from symgrad.core.symbols import base, from_sympy, to_sympy
from symgrad.run.evaluate import evaluate_op

RANKS = [len(axes) for axes in OPERANDS]
A, B = ("r", 0, ("i", "j")), ("r", 1, ("j", "k"))


def value(equation: Equation, seed: int = 0) -> np.ndarray:
    op = make_op("random", RANKS, equation.out, equation.body)
    return evaluate_op(op, operand_arrays(np.random.default_rng(seed)), equation.shape, {})


@given(equations())
def test_the_executor_computes_what_loops_compute(equation: Equation) -> None:
    assert distance(value(equation), brute_force(equation, operand_arrays(np.random.default_rng(0)))) < 1e-12


@given(equations())
def test_canonical_forms_keep_the_value_and_are_settled(equation: Equation) -> None:
    settled = eq.canonical(equation.body)
    assert eq.canonical(settled) == settled
    assert distance(_loops(equation, settled), _loops(equation, equation.body)) < 1e-12


@given(equations())
def test_factored_and_scoped_forms_keep_the_value(equation: Equation) -> None:
    want = value(equation)
    for form in (eq.factored(eq.canonical(equation.body)), eq.scoped(equation.body)):
        assert distance(value(Equation(equation.out, form)), want) < 1e-10


@given(equations(), st.randoms(use_true_random=False))
def test_canonical_forms_do_not_see_order_or_bound_names(equation: Equation, random: st.DataObject) -> None:
    assert eq.canonical(_disguised(equation.body, random, {}, [0])) == eq.canonical(equation.body)


@given(equations())
def test_sympy_and_back(equation: Equation) -> None:
    bases = {k: base(f"a{k}", r) for k, r in enumerate(RANKS)}
    back = from_sympy(to_sympy(equation.body, bases), {f"a{k}": k for k in bases})
    assert distance(_loops(equation, back), _loops(equation, equation.body)) < 1e-10


def _loops(equation: Equation, body: eq.Expr) -> np.ndarray:
    """The value by loops of a form whose bound names no longer tell their size: they do again after renaming."""
    return brute_force(Equation(equation.out, _resized(body, {})), operand_arrays(np.random.default_rng(0)))


def _resized(e: eq.Expr, names: dict[str, str]) -> eq.Expr:
    """Bound indices named by the size of an axis they are read at."""
    if e[0] != "S":
        return eq.substitute(e, names) if e[0] in "rd" else eq.rebuild(e, lambda a: _resized(a, names))
    fresh = dict(names)
    for b in e[1]:
        sizes = {OPERANDS[r[1]][axis] for r in _unshadowed(e[2], b) for axis, name in enumerate(r[2]) if name == b}
        assert len(sizes) == 1
        fresh[b] = f"{sizes.pop()}{len(names)}{b}"
    return ("S", tuple(fresh[b] for b in e[1]), _resized(e[2], fresh))


def _unshadowed(e: eq.Expr, bound: str) -> list[eq.Expr]:
    """References outside sums that bind the name again."""
    if e[0] == "S" and bound in e[1]:
        return []
    return [e] if e[0] == "r" else [r for a in eq.children(e) for r in _unshadowed(a, bound)]


def _disguised(e: eq.Expr, random: st.DataObject, names: dict[str, str], count: list[int]) -> eq.Expr:
    """The same equation with other bound names and shuffled terms and factors."""
    if e[0] in "+*":
        parts = [_disguised(a, random, names, count) for a in e[1]]
        random.shuffle(parts)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
        return (e[0], tuple(parts))
    if e[0] == "S":
        count[0] += 1
        fresh = {**names, **{b: f"z{count[0]}{b}" for b in e[1]}}
        return ("S", tuple(fresh[b] for b in e[1]), _disguised(e[2], random, fresh, count))
    return eq.substitute(e, names) if e[0] in "rd" else eq.rebuild(e, lambda a: _disguised(a, random, names, count))


# ---------------------------------------------------------------------- single cases
def test_numbers_fold_and_units_vanish() -> None:
    assert eq.canonical(("+", (eq.number(2), eq.number(3)))) == eq.number(5)
    assert eq.canonical(("*", (eq.number(2), A, eq.number(Fraction(1, 2))))) == A
    assert eq.canonical(("*", (eq.ZERO, A))) == eq.ZERO
    assert eq.canonical(("+", (eq.ZERO, A))) == A
    assert eq.canonical(("+", ())) == eq.ZERO and eq.canonical(("*", ())) == eq.ONE


def test_a_sum_of_zeros_is_zero() -> None:
    assert eq.canonical(("S", ("i",), ("*", (eq.ZERO, ("r", 0, ("i",)))))) == eq.ZERO
    assert eq.canonical(("+", (A, ("S", ("k",), ("*", (eq.ZERO, B)))))) == A


def test_a_sum_of_a_sum_is_one_sum() -> None:
    nested = eq.canonical(("S", ("i",), ("S", ("j",), A)))
    assert nested == eq.canonical(("S", ("j", "i"), A)) == ("S", ("b0", "b1"), ("r", 0, ("b0", "b1")))


def test_common_factors_come_to_the_front() -> None:
    c, s = ("r", 0, ("i",)), ("r", 1, ("i",))
    plain = eq.canonical(("+", (("*", (c, s)), ("*", (eq.number(-1), s, s)))))
    assert eq.factored(plain) == eq.canonical(("*", (s, ("+", (c, ("*", (eq.number(-1), s)))))))
    inverse = ("^", s, eq.number(-1))
    assert eq.factored(eq.canonical(("+", (("*", (c, inverse)), ("*", (s, c)))))) == eq.canonical(("*", (c, ("+", (inverse, s)))))
    assert eq.factored(eq.canonical(("+", (c, s)))) == eq.canonical(("+", (c, s)))


def test_free_indices_stand_in_order_of_appearance() -> None:
    assert eq.free(("*", (A, B))) == ("i", "j", "k")
    assert eq.free(("S", ("j",), ("*", (A, B)))) == ("i", "k")
    assert eq.free(("r", 0, (eq.affine(1, {"i": 2, "p": 1}),))) == ("i", "p")
    assert eq.free(("d", "k", "i")) == ("k", "i")


def test_affine_indices_substitute_and_collapse() -> None:
    index = eq.affine(1, {"i": 2})
    assert eq.affine(0, {"i": 1, "j": 0}) == "i" and not eq.is_affine("i") and eq.is_affine(index)
    assert eq.substitute(("r", 0, (index,)), {"i": eq.affine(-1, {"k": 1, "j": -1})}) == ("r", 0, (eq.affine(-1, {"k": 2, "j": -2}),))
    assert eq.substitute(("r", 0, (eq.affine(1, {"i": 1}),)), {"i": eq.affine(-1, {"k": 1})}) == ("r", 0, ("k",))
    assert eq.affine_parts("i") == (0, {"i": 1}) and eq.index_names(index) == ("i",)


def test_sibling_sums_of_one_name_may_have_two_sizes() -> None:
    body = ("*", (("S", ("b",), ("r", 0, ("b",))), ("S", ("b",), ("r", 1, ("b",)))))
    op = make_op("siblings", (1, 1), (), body)
    got = evaluate_op(op, [np.ones(2), np.ones(5)], (), {})
    assert float(got) == 10.0


def test_what_lies_outside_an_array_is_zero() -> None:
    op = make_op("shifted", (1,), ("i",), ("r", 0, (eq.affine(-1, {"i": 1}),)))
    assert evaluate_op(op, [np.array([1.0, 2.0, 3.0])], (5,), {}).tolist() == [0.0, 1.0, 2.0, 3.0, 0.0]


def test_walk_and_references_go_left_to_right() -> None:
    e = ("+", (("*", (A, B)), ("f", "exp", (A,))))
    assert [x[0] for x in eq.walk(e)] == ["+", "*", "r", "r", "f", "r"]
    assert eq.references(e) == [A, B, A]


def test_a_delta_inside_a_function_is_no_factor() -> None:
    assert eq.has_delta(("S", ("i",), ("*", (A, ("d", "i", "j")))))
    assert not eq.has_delta(("f", "exp", (("d", "i", "j"),))) and not eq.has_delta(A)
