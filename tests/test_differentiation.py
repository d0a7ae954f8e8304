"""Pullbacks and pushforwards as equations: what they are written in, each derived once, and that they differentiate again."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from catalog import FUNCTIONS, samples
from witness import derivative_errors, distance, value

from symgrad.core import equation as eq
from symgrad.core.differentiation import compose, pullback, pushforward
from symgrad.core.functions import derivative_name, function_class
from symgrad.core.node import apply, number_node, size_node, topological, variable
from symgrad.core.op import Derived, Line, Op, make_op
from symgrad.derive.reverse import reverse
from symgrad.errors import UnsupportedError
from symgrad.notation.parse import parse
from symgrad.notation.statements import Op as Row
from symgrad.ops.arithmetic import add, map_function, power, product, total
from symgrad.ops.equations import op_of
from symgrad.ops.rows import library_op

SAMPLES = samples()
MINUS = eq.number(-1)


def ops() -> list[Op]:
    """Every op in the samples' graphs, once."""
    return list(dict.fromkeys(n.op for s in SAMPLES for n in topological([s.node()]) if n.operands))


OPS = ops()


def derivatives(op: Op) -> Iterator[tuple[int, Derived]]:
    for k in range(op.arity):
        for derived in (pullback(op, k), pushforward(op, k)):
            if derived is not None:
                yield k, derived


# ---------------------------------------------------------------------- closed under differentiation
REARRANGEMENTS = {"merge", "split", "flip"}
"""Structured ops that are each other's pullbacks, or their own."""


def is_equation(op: Op) -> bool:
    return (op.body is not None and op.rule is None) or op.name in REARRANGEMENTS


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_derivatives_are_equations_again(op: Op) -> None:
    for k, derived in derivatives(op):
        assert is_equation(derived.op) and len(derived.sources) == derived.op.arity
        for again in range(derived.op.arity):
            second = pullback(derived.op, again)
            assert second is None or is_equation(second.op), (op, k, again)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_pullback_has_the_operands_rank(op: Op) -> None:
    for k in range(op.arity):
        back, forth = pullback(op, k), pushforward(op, k)
        assert (back is None) == (forth is None)
        if back is not None and forth is not None:
            assert len(back.op.out) == op.ranks[k] and len(forth.op.out) == len(op.out)
            assert "C" in back.sources and "T" in forth.sources


def test_no_derivative_is_left_unevaluated() -> None:
    for op in OPS:
        for _, derived in derivatives(op):
            assert not calls_in(derived.op) & {"Derivative", "Subs", "Abs", "Max", "Heaviside", "DiracDelta"}


def test_an_op_is_differentiated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty equal layers cost no more calls of sympy's diff than one: names that no other test uses make the ops new."""
    calls: list[object] = []
    diff = sp.diff
    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return diff(*arguments)
    monkeypatch.setattr(sp, "diff", counted)
    def depth(layers: int, name: str) -> int:
        calls.clear()
        W, h = variable("W", ("n", "n")), variable("x", ("n",))
        for _ in range(layers):
            h = map_function(name, product([(W, "ij"), (h, "j")], "i"))
        assert reverse(total(h), [W]).results[W] is not None
        return len(calls)
    depth(1, "warm_up")                                    # the ops that all nets share
    one, fifty = depth(1, "fresh_one"), depth(50, "fresh_fifty")
    assert one == fifty > 0
    assert depth(50, "fresh_fifty") == 0


# ---------------------------------------------------------------------- in terms of what the forward pass holds
def calls_in(op: Op) -> set[str]:
    return {e[1] for e in eq.walk(op.body or eq.ZERO) if e[0] == "f"}


@pytest.mark.parametrize(("name", "body"), {
    "tanh": ("+", (eq.ONE, ("*", (MINUS, ("^", ("r", 1, ("o0",)), eq.number(2)))))),
    "sigmoid": ("+", (("r", 1, ("o0",)), ("*", (MINUS, ("^", ("r", 1, ("o0",)), eq.number(2)))))),
    "exp": ("r", 1, ("o0",)),
    "sqrt": ("*", (eq.number(Fraction(1, 2)), ("^", ("r", 1, ("o0",)), MINUS))),
}.items(), ids=str)
def test_a_function_of_its_own_value(name: str, body: eq.Expr) -> None:
    """tanh' holds Y, not tanh: C*(1 - Y^2); likewise Y - Y^2, Y, 1/(2*Y)."""
    node = map_function(name, variable("z", ("n",)))
    back = pullback(node.op, 0)
    assert back is not None and back.sources == ("C", "Y")
    want = eq.canonical(("*", (("r", 0, ("o0",)), body)))
    assert eq.factored(want) == eq.factored(back.op.body or eq.ZERO) and not calls_in(back.op)


def test_softmax_holds_no_exponential() -> None:
    """C -> s * (C - sum(C*s)), Bishop, Pattern Recognition and Machine Learning, equation 4.106."""
    back = pullback(library_op("softmax"), 0)
    assert back is not None and back.sources == ("C", "Y") and not calls_in(back.op)
    c, s = ("r", 0, ("o0",)), ("r", 1, ("o0",))
    inner = ("S", ("b",), ("*", (("r", 0, ("b",)), ("r", 1, ("b",)))))
    assert back.op.body == eq.canonical(("*", (s, ("+", (c, ("*", (MINUS, inner)))))))


def test_logsumexp_and_log_softmax_subtract_before_the_exponential() -> None:
    for name in ("logsumexp", "log_softmax"):
        back = pullback(library_op(name), 0)
        assert back is not None and calls_in(back.op) == {"exp"}
        assert not [e for e in eq.walk(back.op.body or eq.ZERO) if e[0] == "^"]
        (inside,) = {e[2][0] for e in eq.walk(back.op.body or eq.ZERO) if e[0] == "f"}
        assert inside[0] == "+" and len(inside[1]) == 2


def test_standardise_has_three_terms() -> None:
    """(C - xhat*mean(C*xhat) - mean(C)) / s: Ioffe and Szegedy, Batch Normalization, section 3, with the sums merged."""
    back = pullback(library_op("standardise"), 0)
    assert back is not None and back.op.body is not None
    roles = {k: s for k, s in enumerate(back.sources)}
    assert roles == {0: "C", 1: 0, 2: "Y", 3: 3}                              # the operand lends its size only; 3 is the line s
    assert not [r for r in eq.references(back.op.body) if r[1] == 1]
    (terms,) = [e for e in eq.walk(back.op.body) if e[0] == "+"]
    assert len(terms[1]) == 3
    divided = [e[1] for e in eq.walk(back.op.body) if e[0] == "^" and e[2] == MINUS]
    assert all(e[0] == "s" or e == ("r", 3, ()) for e in divided)


def test_a_norm_divides_by_itself() -> None:
    back = pullback(library_op("norm2"), 0)
    assert back is not None and back.sources == ("C", 0, "Y")
    assert back.op.body == eq.canonical(("*", (("r", 0, ()), ("r", 1, ("o0",)), ("^", ("r", 2, ()), MINUS))))


def test_a_variance_reads_its_deviations() -> None:
    back = pullback(library_op("variance"), 0)
    assert back is not None and back.sources == ("C", 1)


def test_an_operand_is_never_divided_by_to_use_the_output() -> None:
    """The pullback of a*b to b is C*a, not C*Y/b; that of C*cos(z) to C is C'*cos(z), not C'*Y/C."""
    op = make_op("scaled_cosine", (1, 1), ("i",), ("*", (("r", 0, ("i",)), ("f", "cos", (("r", 1, ("i",)),)))))
    for k in (0, 1):
        back = pullback(op, k)
        assert back is not None and "Y" not in back.sources and not divisors(back.op)


# ---------------------------------------------------------------------- no division that the op itself does not have
def divisors(op: Op) -> list[eq.Expr]:
    """The bases of all negative powers."""
    return [e[1] for e in eq.walk(op.body or eq.ZERO) if e[0] == "^" and e[2][0] == "n" and e[2][1] < 0]


def vanishing(base: eq.Expr) -> set[int]:
    """The operands at whose zero the base may be zero: a factor of it, or of every term of it."""
    if base[0] == "r":
        return {base[1]}
    if base[0] == "*":
        return {k for f in base[1] for k in vanishing(f)}
    if base[0] == "^":
        return vanishing(base[1])
    if base[0] == "S":
        return vanishing(base[2])
    if base[0] == "+":
        return set.intersection(*[vanishing(a) for a in base[1]])
    return set()


SINGULAR_FUNCTIONS = {"log"}


def singular(op: Op) -> set[int]:
    """Operands at whose zero the op itself has no value or slope: divided by, under a root, inside a logarithm."""
    found: set[int] = set()
    for body in (op.body or eq.ZERO, *(line.body for line in op.where)):
        for e in eq.walk(body):
            if e[0] == "^" and (e[2][0] != "n" or e[2][1] < 0 or e[2][1].denominator > 1):
                found |= vanishing(e[1]) | ({r[1] for r in eq.references(e[1])} if e[2][0] != "n" else set())
            if e[0] == "f" and e[1] in SINGULAR_FUNCTIONS:
                found |= vanishing(e[2][0])
    return found


def bad_divisors(op: Op, derived: Derived) -> list[eq.Expr]:
    """Negative powers of the cotangent or tangent, and of operands where the op has no singularity."""
    allowed = singular(op)
    return [b for b in divisors(derived.op) for k in vanishing(b) for s in (derived.sources[k],)
            if s in {"C", "T"} or (isinstance(s, int) and s < op.arity and s not in allowed)]


@pytest.mark.parametrize("op", [op for op in OPS if op.body is not None], ids=lambda op: op.name)
def test_no_division_by_operand_or_cotangent(op: Op) -> None:
    for _, derived in derivatives(op):
        assert not bad_divisors(op, derived)
        for k in range(derived.op.arity):
            second = pullback(derived.op, k)
            if second is not None:
                assert not bad_divisors(derived.op, second)


def test_a_planted_division_is_found() -> None:
    op = make_op("scaled_cosine", (1, 1), ("i",), ("*", (("r", 0, ("i",)), ("f", "cos", (("r", 1, ("i",)),)))))
    c, y, a = (("r", k, ("i",)) for k in range(3))
    planted = make_op("planted", (1, 1, 1), ("i",), ("*", (c, y, ("^", a, MINUS))))
    assert bad_divisors(op, Derived(planted, ("C", "Y", 0)))
    assert bad_divisors(op, Derived(planted, ("Y", 0, "C")))
    assert not bad_divisors(op, Derived(planted, ("C", 0, "Y")))
    harmless = make_op("harmless", (1, 1), ("i",), ("*", (c, ("^", ("+", (eq.ONE, ("^", y, eq.number(2)))), MINUS))))
    assert not bad_divisors(op, Derived(harmless, ("C", 1)))


# ---------------------------------------------------------------------- refusals, unknown functions, users' ops
def test_what_has_no_known_derivative_is_refused() -> None:
    """A sum over an index that no operand carries has no size."""
    op = make_op("nowhere", (1,), ("i",), ("S", ("j",), ("*", (("r", 0, ("i",)), ("d", "j", "j")))))
    with pytest.raises(UnsupportedError, match="the size of a summed index that vanished"):
        pullback(op, 0)


def test_unknown_functions_differentiate_to_their_derivatives() -> None:
    z = variable("z", ("n",))
    node = map_function("g", z)
    first = pullback(node.op, 0)
    assert first is not None and calls_in(first.op) == {"g@1"}
    second = pullback(first.op, 1)
    assert second is not None and calls_in(second.op) == {"g@1,1"}
    two = map_function("l", z, variable("y", ("n",)))
    by_first, by_second = pullback(two.op, 0), pullback(two.op, 1)
    assert by_first is not None and by_second is not None and calls_in(by_first.op) == {"l@1"}
    crossed = [pullback(by_first.op, 2), pullback(by_second.op, 1)]
    assert [calls_in(x.op) for x in crossed if x is not None] == [{"l@1,2"}, {"l@1,2"}]
    assert derivative_name("l@2", 1) == derivative_name("l@1", 2) == "l@1,2"


@pytest.mark.parametrize("name", FUNCTIONS[:-1])
def test_slopes_hold_no_unknown_function(name: str) -> None:
    x = sp.Symbol("x", real=True)
    slope = sp.diff(function_class(name)(x), x)
    assert not slope.has(sp.Derivative, sp.Subs) and slope.free_symbols <= {x}
    assert not [f for f in slope.atoms(sp.Function) if f.func.__name__ in {"re", "im", "Abs", "sign_", "Max", "Heaviside", "DiracDelta"}]


def test_a_users_op_with_lines() -> None:
    """An op of three lines differentiates through its own lines, in their symbols, as composed nodes do."""
    x = ("r", 0, ("i",))
    lines = [Line("m", (), ("*", (("S", ("j",), ("r", 0, ("j",))), ("^", ("s", 0, 0), MINUS)))),
             Line("q", ("i",), ("*", (("r", 1, ()), ("f", "tanh", (x,)))))]
    op = make_op("lines", (1,), ("i",), ("*", (("r", 2, ("i",)), ("r", 1, ()), x)), lines)
    v = variable("x", ("n",))
    mean = product([(total(v), ""), (power((size_node("n"), ""), (number_node(-1), ""), ""), "")], "")
    want = product([(mean, ""), (map_function("tanh", v), "i"), (mean, ""), (v, "i")], "i")
    node = apply(op, v)
    values = {"x": np.random.default_rng(0).normal(size=4)}
    assert distance(value(node, values), value(want, values)) < 1e-14
    got, expected = reverse(node, [v]).results[v], reverse(want, [v]).results[v]
    assert got is not None and expected is not None
    assert distance(value(got, values), value(expected, values)) < 1e-13


USERS = {
    "softmax of columns": "(z): s[i,k] = exp(z[i,k]) / sum[j](exp(z[j,k]))",
    "softmax of pairs": "(v): y[i,k] = exp(v[i])*exp(v[k]) / sum[j](exp(v[j]))",
    "two heads": "(z): y[i,k] = exp(z[i,k])^2 / sum[j](exp(z[j,k]))",
    "sum over rows, divided by columns": "(z): y[i,k] = exp(z[i,k])*sum[j](z[j,k]) / sum[j](exp(z[i,j]))",
    "head times a sum": "(v, u): y[i] = exp(u[i]) * sum[j](v[j]*u[j])",
    "gate": "(v, S): y[i] = tanh(v[i]) * sum[j](S[i,j]*v[j])",
    "columns by their norms": "(z): y[i,k] = tanh(z[i,k]) / sqrt(sum[j](z[j,k]^2))",
    "columns times their norms": "(z): y[i,k] = z[i,k] * sqrt(sum[j](z[j,k]^2))",
    "standardised columns": "(z): y[i,k] = d[i,k]/s[k] where d[i,k] = z[i,k] - mean[j](z[j,k]); s[k] = sqrt(mean[j](d[j,k]^2) + 1/2)",
    "logarithms of columns": "(z): y[i,k] = z[i,k] - u[k] where u[k] = log(sum[j](exp(z[j,k])))",
    "distances": "(z): y[i,k] = sqrt(sum[j]((z[i,j] - z[k,j])^2) + 1)",
    "norms of columns": "(z): y[k] = sqrt(sum[j](z[j,k]^2))",
    "variances of columns": "(z): y[k] = var[i](z[i,k])",
    "square of a sum": "(v): y = sum[j](v[j])^2",
    "cube of a sum": "(v): y = sum[j](v[j])^3",
    "reciprocal square of a sum": "(v): y = sum[j](v[j])^-2",
    "reciprocal of a sum": "(v): y = 1/sum[j](v[j])",
    "a line that is a square": "(v): y[i] = v[i]*q*q where q = sum[j](v[j])^2",
    "a line that is a reciprocal": "(v): y[i] = v[i]*q*q where q = 1/sum[j](v[j])",
    "lines of squares": "(v): y[i] = d[i]^2/(1 + s) where d[i] = (v[i] - mean[j](v[j]))^2; s = sum[i](d[i])^2",
    "three halves": "(v): y = (1 + sum[j](v[j]^2))^(3/2)",
    "a cube root": "(v): y = (1 + sum[j](v[j]^2))^(1/3)",
    "a rational function": "(v, S): y = 1/(1 + sum[i,j](v[i]*S[i,j]*v[j])^2)",
}
"""Ops as users write them: v and u vectors, z a matrix, S a square one."""


@pytest.mark.parametrize("name", USERS)
def test_users_ops(name: str) -> None:
    """Signs survive squares, sums keep their own column, lines are found at every index."""
    (row,) = parse("op r" + USERS[name]).statements
    assert isinstance(row, Row)
    rng = np.random.default_rng(11)
    shapes = {"v": ("n",), "u": ("n",), "z": ("n", "m"), "S": ("n", "n")}
    operands = [variable(p, shapes[p]) for p in row.parameters]
    values = {v.name: rng.normal(size=[{"n": 3, "m": 2}[s] for s in shapes[v.name]]) for v in operands}
    for sign in (1.0, -1.0):
        errors = derivative_errors(apply(op_of(row), *operands), operands, {k: sign * a for k, a in values.items()}, rng)
        assert max(errors.values()) < 1e-8, errors


def test_composing_an_op_into_another_eliminates_deltas() -> None:
    deltas = make_op("delta", (), ("i", "j"), ("d", "i", "j"))
    matmul = product([(variable("A", ("n", "m")), "ij"), (variable("B", ("m", "k")), "jk")], "ik").op
    assert compose(matmul, 0, deltas).body == ("r", 0, ("o0", "o1"))
    assert compose(matmul, 1, deltas).body == ("r", 0, ("o0", "o1"))
    both = add([(variable("A", ("n", "n")), "ij"), (variable("B", ("n", "n")), "ij")], "ij").op
    assert compose(both, 0, deltas).has_delta
    summed = product([(variable("A", ("n", "m")), "ij")], "j").op
    with pytest.raises(UnsupportedError):
        compose(make_op("all", (2,), (), ("S", ("i", "j"), ("r", 0, ("i", "j")))), 0, deltas)
    assert compose(summed, 0, deltas).body == eq.ONE


def test_equal_equations_are_one_op() -> None:
    a = make_op("f", (1,), ("i",), ("S", ("j",), ("*", (("r", 0, ("j",)), ("r", 0, ("i",))))))
    b = make_op("f", (1,), ("p",), ("S", ("q",), ("*", (("r", 0, ("p",)), ("r", 0, ("q",))))))
    assert a is b and a.name == "contraction"
    assert a is not make_op("f", (1,), ("p",), ("S", ("q",), ("*", (("r", 0, ("p",)), ("r", 0, ("q",)), ("r", 0, ("q",))))))


@pytest.mark.parametrize("kernel", ["r", "exp", "square"])
def test_a_convolution_keeps_to_the_window(kernel: str) -> None:
    """y[i] = sum[j](x[i+j] * f(w[j])): outside the window w is zero but exp(w) is one, so that no index may run out of it unguarded."""
    w = ("r", 1, ("j",))
    factor = w if kernel == "r" else ("f", "exp", (w,)) if kernel == "exp" else ("^", w, eq.number(2))
    for reading in (eq.affine(0, {"i": 1, "j": 1}), eq.affine(-1, {"i": 2, "j": 1}), eq.affine(0, {"i": 1, "j": 2})):
        op = make_op(f"window_{kernel}", (1, 1), ("i",), ("S", ("j",), ("*", (("r", 0, (reading,)), factor))))
        x, window = variable("x", ("n",)), variable("w", ("p",))
        rng = np.random.default_rng(10)
        errors = derivative_errors(apply(op, x, window, shape=(4,)), [x, window], {"x": rng.normal(size=7), "w": rng.normal(size=3)}, rng)
        assert max(errors.values()) < 1e-9, (reading, errors)
