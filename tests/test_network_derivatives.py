"""Derivatives inside expressions, unknown functions and claims: against differences, and against the textbook's forms."""

from __future__ import annotations

import numpy as np
import pytest
from blackboard import Array

from symgrad.core.graph import Graph
from symgrad.derive.reverse import reverse
from symgrad.errors import NotationError
from symgrad.network import claim_sides, parse
from symgrad.notation.parse import parse_claims
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in

SIZES = {"N": 4, "D": 3, "K": 2, "n": 3, "m": 4}
FUNCTIONS = {"g": stand_in(1), "l": stand_in(2), "f": stand_in(3)}
NET = """examples n = 1..N
data x[n] : vector(D)
data y[n] : vector(K)
param W : matrix(D, K)
param v : vector(K)
z[n] = W'*x[n] + v
h[n] = tanh(z[n])
e[n] = y[n] - h[n]
loss = 1/2*sum[n](e[n]'*e[n])
"""
OPEN = """function g elementwise
function l(a, b)
function f(a)
data x, y : vector(n)
data w : vector(m)
data B : matrix(n, m)
data t : scalar
"""


def drawn(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=[SIZES[str(s)] for s in v.shape]) for name, v in graph.variables().items()}


def number(graph: Graph, text: str, values: dict[str, Array]) -> Array:
    return execute([n := graph.parse(text)], values, sizes=SIZES, functions=FUNCTIONS)[n]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("grad(loss, h)", "-(y - h)"),
        ("grad(loss, h)[n]", "-(y[n] - h[n])"),
        ("grad(loss, e)[n]", "e[n]"),
        ("grad(loss, z)[n]", "-e[n].*tanh'(z[n])"),
        ("grad(loss, W)", "-sum[n](x[n]*(e[n].*(1 - h[n].^2))')"),
        ("grad(loss, W)'", "grad(loss, W')"),
        ("grad(loss, v)", "sum[n](grad(loss, z)[n])"),
        ("grad(loss, W)[1, 2]", "grad(loss, W[1, 2])"),
        ("grad(loss, x)[n]", "W*grad(loss, z)[n]"),
        ("grad(loss, y[n])", "e[n]"),
        ("jac(h[n], z[n])", "diag(1 - h[n].^2)"),
        ("jac(z[n], x[n])", "y[n, 1]/y[n, 1]*W'"),
        ("jac(loss, v)", "grad(loss, v)'"),
        ("jac(h[n], z[n])*jac(z[n], x[n])", "jac(h[n], x[n])"),
        ("jac(loss, h)*jac(h, z)*jac(z, W)", "jac(loss, W)"),
        ("sum(jac(loss, W))", "sum(grad(loss, W))"),
        ("grad(grad(loss, v)[1], v)[2]", "jac(grad(loss, v), v)[1, 2]"),
        ("grad(v'*v, x)", "0*x"),
        ("jac(v, x)[1, 1, 1]", "0"),
        ("jac(h[n], z[n])[1, 2]", "0*y[n, 1]"),
    ],
)
def test_grad_and_jac(text: str, spelled: str) -> None:
    g = parse(NET)
    values = drawn(g)
    np.testing.assert_allclose(number(g, text, values), number(g, spelled, values), atol=1e-12)


def test_shapes_of_grad_and_jac() -> None:
    g = parse(NET)
    assert (
        g.parse("grad(loss, W)").shape == ("D", "K")
        and g.parse("grad(loss, h)").shape == ("N", "K")
        and g.parse("grad(v'*v, v)").shape == ("K",)
    )
    assert g.parse("jac(loss, W)").shape == (1, "D", "K") and g.parse("jac(h, W)").shape == ("N", "K", "D", "K")
    assert g.parse("jac(h[n], W)").shape == ("N", "K", "D", "K") and g.parse("jac(loss, v)").shape == (1, "K")
    assert g.parse("grad(loss, loss)") is g.parse("1") and g.parse("jac(z[n], v)").op.name != "contraction"


@pytest.mark.parametrize(
    "text",
    [
        "sum(g(x).*y)",
        "l(x'*y, t)",
        "l(x, w)",
        "t*l(x, B)",
        "sum(l'(x, w).^2)",
        "sum(partial(l, 1, 2)(x, w).^2)",
        "f(x)*f(t)",
        "f'(x)'*y",
        "x'*f''(x)*y",
        "g''(t)*g'(t)",
        "partial(l, 1, 2)(t, t^2)",
        "sum[i](l(x[i], t))",
        "sum[i](f(B[i, 1]*w))",
        "sum(tanh''(x).*y)",
        "gelu'(t)*t",
        "sum(softplus''(B))",
    ],
)
def test_unknown_functions_and_their_derivatives(text: str) -> None:
    g = parse(OPEN + text)
    values = drawn(g)
    for name in "xywBt":

        def run(a: Array, name: str = name) -> Array:
            return execute([g.output], {**values, name: a}, functions=FUNCTIONS)[g.output]

        found = reverse(g.output, [g[name]]).results[g[name]]
        want = numeric_derivative(run, values[name])
        got = np.zeros_like(want) if found is None else execute([found], values, sizes=SIZES, functions=FUNCTIONS)[found]
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=name)


def test_orders_of_unknown_derivatives() -> None:
    g = parse(OPEN + "t")
    assert g.parse("partial(l, 1, 2)(x, w)").shape == ("n", "m") and g.parse("partial(l, 2, 1)(x, w)").shape == ("m", "n")
    assert g.parse("partial(l, 2, 1)(x, w)'") is not None
    assert g.parse("l'(x, w)") is g.parse("partial(l, 2)(x, w)") and g.parse("g'(x)").op.name == "g@1"
    values = drawn(g)
    np.testing.assert_allclose(number(g, "partial(l, 2, 1)(x, w)", values), number(g, "partial(l, 1, 2)(x, w)", values).T)
    np.testing.assert_allclose(number(g, "grad(l(x, w), w)", values), number(g, "l'(x, w)", values))


def test_bound_functions() -> None:
    g = parse("function act elementwise = relu\nfunction d(a, b) = mse\ndata x, y : vector(n)\nact(x)'*act'(y) + d(x, y)")
    values = {"x": np.array([1.0, -2.0]), "y": np.array([3.0, 1.0])}
    assert execute([g.output], values)[g.output] == 1 + (4 + 9) / 2
    assert g.parse("act(x)") is g.parse("relu(x)")


@pytest.mark.parametrize(
    ("claim", "target", "value", "lying"),
    [
        ("grad(loss, h)[n] = -(y[n] - h[n])", ("N", "K"), ("N", "K"), False),
        ("grad(loss, W) = x'*e", ("D", "K"), ("D", "K"), False),
        ("grad(loss, v) = v'", ("K",), ("K",), True),
        ("grad(loss, W)[i, j] = sum[n](x[n, i]*e[n, j])", ("D", "K"), ("D", "K"), False),
        ("jac(h, z)[n, i, m, j] = delta[n, m]*delta[i, j]*(1 - h[n, i]^2)", ("N", "K", "N", "K"), ("N", "K", "N", "K"), False),
        ("s = 2*v", None, ("K",), False),
        ("D[k] = -e[n, k]*(1 - h[n, k]^2)", None, ("K",), False),
        ("q[n] = e[n]'*e[n]", None, ("N",), False),
    ],
)
def test_sides_of_claims(claim: str, target: tuple[str, ...] | None, value: tuple[str, ...], lying: bool) -> None:
    (parsed,) = parse_claims(claim)
    sides = claim_sides(parse(NET), parsed, claim)
    assert (sides.target.shape if sides.target is not None else None) == target and sides.value.shape == value and sides.lying is lying


def test_quantity_with_a_known_shape() -> None:
    (claim,) = parse_claims("D[i, j] = delta[i, j]")
    with pytest.raises(NotationError, match="range of the index i"):
        claim_sides(parse(NET), claim)
    assert claim_sides(parse(NET), claim, shape=("K", "K")).value.shape == ("K", "K")
    with pytest.raises(NotationError, match="D has 1 axes here"):
        claim_sides(parse(NET), claim, "D[i, j] = delta[i, j]", shape=("K",))


def test_what_is_derived_by() -> None:
    g = parse("data x : vector(n)\nparam W : matrix(n, n)\nloss = W[1, 2]^2*x[1] + sum(W*x)")
    values = {"x": np.array([1.0, 2.0, 3.0]), "W": np.arange(9.0).reshape(3, 3)}
    assert number(g, "grad(loss, W[1, 2])", values) == 2 * 1 * 1 + 2
    np.testing.assert_allclose(number(g, "grad(loss, W')", values), number(g, "grad(loss, W)'", values))
    with pytest.raises(NotationError, match="loss is not written in terms of 2"):
        g.parse("grad(loss, 2*W)")
    assert number(g, "grad(sum(W.^2), W)[1, 1]", values) == 0
    h = parse("size T = 3\nindex t = 1..T\nparam a : scalar\ndata s : scalar\nh[0] = s\nh[t] = a*h[t-1]\nloss = h[T]^2")
    values = {"a": np.asarray(2.0), "s": np.asarray(0.5)}
    np.testing.assert_allclose(number(h, "grad(loss, h)", values), [8 * 4, 8 * 2, 8])
    assert number(h, "grad(loss, h[2])", values) == 16 and number(h, "grad(loss, h[0])", values) == 64
