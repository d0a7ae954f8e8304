"""Derivatives of every kind against differences of plain NumPy functions; values, functions and layouts, right and wrong."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import symgrad as sg

Array = NDArray[np.float64]
SIZES = {"N": 5, "D": 3, "K": 4}


def jacobian_of(f: Callable[[Array], Array], x: Array, h: float = 1e-4) -> Array:
    """Axes of f(x), then axes of x, by differences of fourth order."""
    x = np.asarray(x, dtype=float)
    columns = []
    for place in np.ndindex(*x.shape):
        e = np.zeros(x.shape)
        e[place] = h
        columns.append((f(x - 2 * e) - 8 * f(x - e) + 8 * f(x + e) - f(x + 2 * e)) / (12 * h))
    return np.stack(columns, axis=-1).reshape((*np.shape(f(x)), *x.shape))


TEXT = """
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param W : matrix(D, K)
param b : vector(K)
param v : vector(K)
z[n]    = W' * x[n] + b
h[n]    = tanh(z[n])
e[n]    = y[n] - v' * h[n]
loss    = 1/2 * sum[n](e[n]^2)
"""


@pytest.fixture
def values() -> dict[str, Array]:
    """Arrays for the variables of TEXT."""
    rng = np.random.default_rng(3)
    return {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=5), "W": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=4)}


def hidden(v: dict[str, Array]) -> Array:
    return np.asarray(np.tanh(v["x"] @ v["W"] + v["b"]))


def loss(v: dict[str, Array]) -> Array:
    return np.asarray(0.5 * np.sum((v["y"] - hidden(v) @ v["v"]) ** 2))


def moved(f: Callable[[dict[str, Array]], Array], v: dict[str, Array], name: str) -> Callable[[Array], Array]:
    """f as a function of one of its variables."""
    return lambda a: f({**v, name: a})


NET = sg.parse(TEXT)


@pytest.mark.parametrize("name", ["W", "b", "v", "x", "y"])
def test_gradients(name: str, values: dict[str, Array]) -> None:
    found = sg.differentiate(NET, wrt=name)[name].evaluate(values)
    np.testing.assert_allclose(found, jacobian_of(moved(loss, values, name), values[name]), atol=1e-8)


def test_gradient_by_a_value_on_the_way(values: dict[str, Array]) -> None:
    found = sg.differentiate(NET, wrt="h")["h"].evaluate(values)
    def from_hidden(h: Array) -> Array:
        return np.asarray(0.5 * np.sum((values["y"] - h @ values["v"]) ** 2))
    np.testing.assert_allclose(found, jacobian_of(from_hidden, hidden(values)), atol=1e-8)


@pytest.mark.parametrize("name", ["W", "b", "x"])
def test_jacobians(name: str, values: dict[str, Array]) -> None:
    J = sg.jacobian(NET, of="h", wrt=name)
    expected = jacobian_of(moved(hidden, values, name), values[name])
    np.testing.assert_allclose(J.evaluate(values), expected, atol=1e-8)
    np.testing.assert_allclose(sg.compile(J)(**values), expected, atol=1e-8)
    assert J.shape == ("N", "K", *NET[name].shape) and J.verify().ok


@pytest.mark.parametrize("name", ["W", "b", "v"])
def test_hessians(name: str, values: dict[str, Array]) -> None:
    H = sg.hessian(NET, wrt=name)
    def gradient(a: Array) -> Array:
        return jacobian_of(moved(loss, values, name), a, 1e-3)
    expected = jacobian_of(gradient, values[name], 1e-3)
    np.testing.assert_allclose(H.evaluate(values), expected, atol=1e-5)
    np.testing.assert_allclose(sg.compile(H)(**values), expected, atol=1e-5)
    assert H.shape == NET[name].shape * 2 and H.verify().ok


def test_the_mixed_block(values: dict[str, Array]) -> None:
    H = sg.hessian(NET, wrt=("W", "v"))
    def gradient(a: Array) -> Array:
        return sg.differentiate(NET, wrt="W")["W"].evaluate({**values, "v": a})
    np.testing.assert_allclose(H.evaluate(values), jacobian_of(gradient, values["v"]), atol=1e-8)
    assert H.shape == ("D", "K", "K") and H.verify().ok
    other = sg.hessian(NET, wrt=("v", "W"))
    np.testing.assert_allclose(np.moveaxis(other.evaluate(values), 0, 2), H.evaluate(values), atol=1e-12)


def test_the_hessian_of_a_vector() -> None:
    net = sg.parse("sin(A*x)", vars={"A": ("m", "n"), "x": ("n",)})
    H = sg.hessian(net, wrt="x")
    rng = np.random.default_rng(0)
    A, x = rng.normal(size=(2, 3)), rng.normal(size=3)
    np.testing.assert_allclose(H.evaluate({"A": A, "x": x}), np.einsum("i,ij,ik->ijk", -np.sin(A @ x), A, A), atol=1e-12)
    assert H.shape == ("m", "n", "n") and H.verify().ok


def test_products_with_vectors(values: dict[str, Array]) -> None:
    rng = np.random.default_rng(1)
    J = jacobian_of(moved(hidden, values, "W"), values["W"])
    W_dot, h_bar = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    along = sg.jvp(NET, wrt="W", of="h")
    back = sg.vjp(NET, wrt="W", of="h")
    forwards, backwards = along.evaluate(values, W_dot=W_dot), back.evaluate(values, h_bar=h_bar)
    np.testing.assert_allclose(forwards, np.tensordot(J, W_dot, 2), atol=1e-8)
    np.testing.assert_allclose(backwards, np.tensordot(h_bar, J, 2), atol=1e-8)
    np.testing.assert_allclose(np.sum(forwards * h_bar), np.sum(backwards * W_dot))
    assert along.shape == ("N", "K") and back.shape == ("D", "K")
    product = sg.hvp(NET, wrt="W")
    np.testing.assert_allclose(product.evaluate(values, W_dot=W_dot), np.tensordot(sg.hessian(NET, wrt="W").evaluate(values), W_dot, 2), atol=1e-10)
    assert product.shape == ("D", "K")
    np.testing.assert_allclose(sg.compile(product)(**values, W_dot=W_dot), product.evaluate(values, W_dot=W_dot), atol=1e-12)


def test_jvp_along_several_variables(values: dict[str, Array]) -> None:
    rng = np.random.default_rng(2)
    directions = {"W_dot": rng.normal(size=(3, 4)), "v_dot": rng.normal(size=4)}
    expected = sum(np.sum(jacobian_of(moved(loss, values, n), values[n]) * directions[f"{n}_dot"]) for n in ("W", "v"))
    np.testing.assert_allclose(sg.jvp(NET, wrt=["W", "v"]).evaluate(values, **directions), expected, atol=1e-8)


@pytest.mark.parametrize(("text", "third"), [
    ("x^5", lambda x: 60 * x**2), ("exp(2*x)", lambda x: 8 * np.exp(2 * x)), ("tanh(x)", lambda x: (1 - np.tanh(x) ** 2) * (6 * np.tanh(x) ** 2 - 2)),
    ("sin(x)*log(1 + x^2)", None),
])
def test_third_derivatives_of_scalars(text: str, third: Callable[[float], float] | None) -> None:
    net = sg.parse(text, vars={"x": ()})
    node = net.output
    for _ in range(3):
        node = sg.differentiate(node, wrt="x")["x"].node
        assert node is not None
    found = float(sg.evaluate(node, {"x": 0.7}))
    if third is None:
        second = sg.hessian(net, wrt="x")
        def f(x: Array) -> Array:
            return second.evaluate({"x": x})
        np.testing.assert_allclose(found, jacobian_of(f, np.asarray(0.7)), rtol=1e-8)
    else:
        np.testing.assert_allclose(found, third(0.7), rtol=1e-12)


def test_third_derivatives_of_a_network(values: dict[str, Array]) -> None:
    H = sg.hessian(NET, wrt="b")
    assert H.node is not None
    third = sg.differentiate(H.node, wrt="b")["b"]
    def second(b: Array) -> Array:
        return H.evaluate({**values, "b": b})
    np.testing.assert_allclose(third.evaluate(values), jacobian_of(second, values["b"]), atol=1e-7)
    assert third.shape == ("K", "K", "K") and third.verify().ok


def test_the_backward_graph_is_a_graph(values: dict[str, Array]) -> None:
    d = sg.differentiate(NET, wrt=["W", "v"])
    backward = d.backward
    assert {"d_e", "d_h", "d_z"} <= set(backward.names)
    np.testing.assert_allclose(sg.evaluate(backward, values, of="d_e"), values["y"] - hidden(values) @ values["v"])
    again = sg.differentiate(backward, wrt="y", of="d_h")["y"]
    np.testing.assert_allclose(again.evaluate(values), np.einsum("nm,k->nkm", np.eye(5), -values["v"]), atol=1e-12)


# ---------------------------------------------------------------------- values
def test_precision(values: dict[str, Array]) -> None:
    single = {k: a.astype(np.float32) for k, a in values.items()}
    d = sg.differentiate(NET)
    f = sg.compile(d)
    assert {a.dtype for a in d.evaluate(single).values()} == {np.dtype(np.float32)}
    assert {a.dtype for a in d.evaluate({**single, "x": values["x"]}).values()} == {np.dtype(np.float64)}
    value, found = f(**single)
    assert value.dtype == np.float32 and all(a.dtype == np.float32 for a in found.values())
    assert sg.evaluate(NET, single).dtype == np.float32 and sg.evaluate(NET, values).dtype == np.float64
    whole = sg.parse("x'*x", vars={"x": ("n",)})
    found = sg.differentiate(whole)["x"].evaluate({"x": np.array([1, 2])})
    assert found.dtype == np.float64 and found.tolist() == [2, 4]
    assert sg.differentiate(whole)["x"].evaluate({"x": [1, 2]}).tolist() == [2, 4]
    assert sg.differentiate(whole)["x"].evaluate({"x": np.array([True, False])}).tolist() == [2, 0]


@pytest.mark.parametrize(("change", "parts"), [
    ({"W": None}, ("W", "D x K")),
    ({"V": np.ones(3)}, ("V", "did you mean")),
    ({"W": np.ones((3, 4)) * 1j}, ("W", "complex", "real and imaginary")),
    ({"W": np.ones(3)}, ("W", "D x K", "2 axes")),
    ({"W": np.ones((2, 4))}, ("W", "x", "D", "2", "3")),
    ({"y": np.ones(6)}, ("y", "x", "N", "6", "5")),
    ({"y": [1, [2]]}, ("y", "rows have different lengths")),
    ({"y": np.array(["a"] * 5)}, ("y",)),
    ({"y": np.array([object()] * 5)}, ("y",)),
])
def test_wrong_values(change: dict[str, object], parts: tuple[str, ...], values: dict[str, Array]) -> None:
    given = {k: v for k, v in {**values, **change}.items() if v is not None}
    d = sg.differentiate(NET, wrt=["W", "v"])
    for attempt in (lambda: d.evaluate(given), lambda: d["W"].evaluate(given), lambda: sg.compile(d)(**given), lambda: d.verify(given)):
        with pytest.raises(sg.InputError) as caught:
            attempt()
        assert all(part in str(caught.value) for part in parts), caught.value


def test_a_missing_direction(values: dict[str, Array]) -> None:
    with pytest.raises(sg.MissingValueError, match="W_dot"):
        sg.jvp(NET, wrt="W").evaluate(values)
    with pytest.raises(sg.InputError, match="v_dot"):
        sg.jvp(NET, wrt="W").evaluate(values, v_dot=1.0)


UNKNOWN = sg.parse("function g elementwise\nfunction l(y, yhat)\nparam w : vector(n)\ndata y : scalar\nl(y, sum(g(w)))")


def test_unknown_functions_by_name_and_by_derivatives() -> None:
    w, y = np.array([0.3, -0.5]), 0.4
    s = np.tanh(w).sum()
    expected = 2 * (s - y) * (1 - np.tanh(w) ** 2)
    square = {(): lambda y, p: (p - y) ** 2, (2,): lambda y, p: 2 * (p - y), (2, 2): lambda y, p: 2.0}
    d = sg.differentiate(UNKNOWN, wrt="w")
    for g in ("tanh", (np.tanh, lambda z: 1 - np.tanh(z) ** 2)):
        for loss_ in (square, (square[()], square[2,])):
            found = d.evaluate({"w": w, "y": y}, functions={"g": g, "l": loss_})["w"]
            np.testing.assert_allclose(found, expected, atol=1e-12)
            np.testing.assert_allclose(d["w"].evaluate({"w": w, "y": y, "g": g, "l": loss_}), expected, atol=1e-12)
            _, compiled = sg.compile(d, functions={"g": g, "l": loss_})(w=w, y=y)
            np.testing.assert_allclose(compiled["w"], expected, atol=1e-12)
    assert d.verify().ok and d.verify().stand_ins
    np.testing.assert_allclose(sg.hessian(UNKNOWN, wrt="w").evaluate({"w": w, "y": y}, functions={"g": "tanh", "l": square}),
                               2 * np.outer(1 - np.tanh(w) ** 2, 1 - np.tanh(w) ** 2) + np.diag(2 * (s - y) * -2 * np.tanh(w) * (1 - np.tanh(w) ** 2)))


@pytest.mark.parametrize(("functions", "part"), [
    ({"g": "tanh"}, "l"), ({"l": "tanh"}, "g"), ({"g": "tahn", "l": "tanh"}, "did you mean"), ({"g": (np.tanh,), "l": (max, max)}, "derivative"), ({"g": 3, "l": 3}, "g"),
])
def test_missing_functions(functions: dict[str, object], part: str) -> None:
    with pytest.raises(sg.InputError) as caught:
        sg.differentiate(UNKNOWN, wrt="w").evaluate({"w": np.ones(2), "y": 1.0}, functions=functions)      # type: ignore[arg-type]  # wrong on purpose
    assert part in str(caught.value)


# ---------------------------------------------------------------------- what is asked for
@pytest.mark.parametrize(("ask", "part"), [
    (lambda: sg.differentiate(NET, wrt="V"), "did you mean"), (lambda: sg.differentiate(NET, of="q"), "'q'"), (lambda: sg.differentiate(NET, wrt=[]), "empty"),
    (lambda: sg.differentiate(NET, layout="sideways"), "layout"), (lambda: sg.hessian(NET), "which variable"), (lambda: sg.hvp(NET), "which variable"),
    (lambda: sg.hessian(NET, wrt=("W", "v", "b")), "pair"), (lambda: sg.compile(sg.differentiate(NET), backend="cobol"), "backend"),
    (lambda: sg.differentiate(NET)["V"], "'V'"), (lambda: sg.differentiate(3), "3"), (lambda: NET["V"], "'V'"),   # type: ignore[arg-type]  # wrong on purpose
])
def test_wrong_requests(ask: Callable[[], object], part: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        ask()
    assert part in str(caught.value)


def test_what_is_differentiated_by_where_nothing_is_said() -> None:
    assert sg.differentiate(NET).keys() == ["W", "b", "v"]
    assert sg.differentiate(sg.parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")})).keys() == ["x", "A"]
    d = sg.differentiate(NET, wrt=[NET["W"], "v"])
    assert d.keys() == ["W", "v"] and d[NET["W"]] is d["W"] and list(d) == ["W", "v"]


def test_zero_derivatives_say_why(values: dict[str, Array]) -> None:
    d = sg.differentiate(NET, wrt="v", of="h")["v"]
    assert d.node is None and "does not depend" in d.reason and d.verify().ok
    assert d.evaluate(values).shape == (5, 4, 4) and not d.evaluate(values).any()
    step = sg.differentiate(sg.parse("sum(step(x))", vars={"x": ("n",)}))["x"]
    assert step.node is None and "slopes that are zero" in step.reason
    both = sg.differentiate(sg.parse("param x : vector(n)\nparam W : matrix(n, k)\nsum(x)"))
    given = {"x": np.ones(3), "W": np.ones((3, 2))}
    assert both.evaluate(given)["W"].shape == (3, 2) and sg.compile(both)(**given)[1]["W"].shape == (3, 2) and both.verify().ok


def test_sizes_that_only_the_output_tells() -> None:
    J = sg.jacobian(sg.parse("2*x", vars={"x": ("n",)}))
    assert J.evaluate({"x": [1, 2]}).tolist() == sg.compile(J)(x=[1, 2]).tolist() == [[2, 0], [0, 2]]
    H = sg.hessian(sg.parse("x'*x + sum(y)", vars={"x": ("n",), "y": ("m",)}), wrt="x")
    assert H.evaluate({"x": [1, 2]}).tolist() == sg.compile(H)(x=[1, 2], y=[1]).tolist() == [[2, 0], [0, 2]]


def test_layouts_transpose_and_nothing_else(values: dict[str, Array]) -> None:
    for of in ("h", "loss"):
        plain = sg.jacobian(NET, of=of, wrt="W")
        numerator, denominator = (sg.jacobian(NET, of=of, wrt="W", layout=way) for way in ("numerator", "denominator"))
        lead = len(NET[of].shape)
        a = plain.evaluate(values)
        np.testing.assert_array_equal(denominator.evaluate(values), np.moveaxis(a, range(lead), range(a.ndim - lead, a.ndim)))
        np.testing.assert_array_equal(numerator.evaluate(values), a if lead else a[None])
        assert numerator.shape == (NET[of].shape or (1,)) + NET["W"].shape
        assert denominator.shape == NET["W"].shape + NET[of].shape


def test_programs_pass_over_what_they_do_not_read(values: dict[str, Array]) -> None:
    J = sg.jacobian(NET, of="h", wrt="W")
    np.testing.assert_allclose(sg.compile(J)(**values), J.evaluate(values))
    with pytest.raises(sg.InputError, match="nothing"):
        sg.compile(J)(**values, nothing=1.0)


def test_a_variable_may_have_any_name() -> None:
    for name in ("self", "np", "values", "functions", "f", "D", "args", "kwargs"):
        net = sg.parse(f"{name}'*{name}", vars={name: ("n",)})
        d = sg.differentiate(net)
        assert sg.compile(d)(**{name: np.ones(2)})[1][name].tolist() == [2, 2]
        assert d.evaluate({name: np.ones(2)})[name].tolist() == [2, 2]
        assert sg.hvp(net).evaluate({name: np.ones(2)}, **{f"{name}_dot": np.ones(2)}).tolist() == [2, 2]


def test_equal_requests_give_equal_text() -> None:
    first, second = (sg.differentiate(sg.parse(TEXT)) for _ in range(2))
    assert str(first) == str(second) and sg.compile(first).source == sg.compile(second).source


@pytest.mark.parametrize(("derivative", "direction"), [("hvp", "w_dot"), ("jvp", "v_dot"), ("vjp", "s_bar")])
def test_a_product_that_is_zero_takes_its_direction(derivative: str, direction: str) -> None:
    net = sg.parse("data x : vector(n)\nparam w, v : vector(n)\ns = w'*x\nu = sum(v) + s")
    verbs = {"hvp": lambda: sg.hvp(net, wrt="w"), "jvp": lambda: sg.jvp(net, wrt="v", of="s"), "vjp": lambda: sg.vjp(net, wrt="v", of="s")}
    product, values = verbs[derivative](), dict.fromkeys("xwv", np.ones(3))
    given = {direction: np.ones(() if direction == "s_bar" else 3)}
    assert not product.evaluate(values, **given).any() and not sg.compile(product)(**values, **given).any()
    with pytest.raises(sg.errors.InputError, match="did you mean"):
        product.evaluate(values, **{direction[:-1] + "x": np.ones(3)})
