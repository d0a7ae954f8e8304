"""`sg.trace`: names, constants, sizes, recognised forms, functions on both arrays and nodes, long loops, random programs, and JAX."""
from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_programs import UNARY, draw

import symgrad as sg
from symgrad.core.node import Variable, topological
from symgrad.interop.listing import listing
from symgrad.interop.numpy_protocols import FUNCTIONS, METHODS, UFUNCS
from symgrad.run.differences import numeric_derivative

TARGETS = np.eye(4)[[0, 2, 1]]


def stable_softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def network(x: Any, W: Any, b: Any) -> Any:
    z = x @ W + b
    p = stable_softmax(z)
    return -np.sum(TARGETS * np.log(p)) / x.shape[0]


def ops(g: sg.Graph) -> list[str]:
    return [n.op.name for n in topological([g.output])]


def values_of(g: sg.Graph, seed: int = 0, **sizes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(size=[s if isinstance(s, int) else sizes[s] for s in n.shape]) for k, n in g.variables().items()}


# ---------------------------------------------------------------------- names, sizes, constants
def test_local_variables_give_names() -> None:
    g = sg.trace(network, x=(3, "D"), W=("D", 4), b=(4,))
    assert list(g.names) == ["x", "W", "b", "z", "p", "TARGETS"]
    assert g.data == ["x", "W", "b"] and set(g.variables()) == {"x", "W", "b"}
    d = sg.differentiate(g, wrt=["z", "p"])
    assert str(d["z"].matrix) != "" and d["p"].node is not None


def test_keys_of_a_dict_give_names_and_the_output() -> None:
    g = sg.trace(lambda x: {"a": x**2, "loss": np.sum(x**2), "c": x + 1}, x=(3,))
    assert list(g.names) == ["x", "a", "loss", "c"] and g.output_name == "loss"
    assert sg.trace(lambda x: {"a": x**2, "c": x + 1}, x=(3,)).output_name == "c"
    assert sg.trace(lambda x: x + 1, x=(3,)).output.rank == 1


def test_a_named_value_is_never_passed_by() -> None:
    """The derivative by a name is by what the program computes from it, whatever is recognised."""
    def f(z: Any, y: Any) -> Any:
        m = np.mean(z, axis=1, keepdims=True)
        p = sg.softmax(z - m)
        s = np.sqrt(np.mean((z - m) ** 2, axis=1, keepdims=True) + 0.1)
        return {"m": m, "s": s, "p": p, "loss": -np.sum(y * np.log(p)) + np.sum(z / s)}
    g = sg.trace(f, z=(2, 3), y=(2, 3))
    v = values_of(g)
    d = sg.differentiate(g, wrt=["m", "s", "p"], of="loss").evaluate(v)
    z, y = v["z"], v["y"]
    m, s, p = (sg.evaluate(g, {"z": z}, n) for n in ("m", "s", "p"))
    assert np.allclose(d["p"], -y / p, rtol=1e-12)
    assert np.allclose(d["s"], -np.sum(z, axis=1, keepdims=True) / s**2, rtol=1e-12)
    assert d["m"].shape == (2, 1) and np.allclose(m, z.mean(1, keepdims=True))


def test_functions_of_every_kind_are_called() -> None:
    class Layer:
        def __call__(self, x: Any) -> Any:
            h = np.tanh(x)
            return h.sum()
    @functools.wraps(network)
    def wrapped(x: Any) -> Any:
        h = x * 2
        return h.sum()
    for f in (Layer(), functools.partial(lambda x, k: np.sum(k * x), k=2.0), wrapped, Layer().__call__, np.sum, lambda x: x.sum()):
        name = "a" if f is np.sum else "x"
        assert sg.trace(f, **{name: (3,)}).output.rank == 0
    assert "h" in sg.trace(Layer(), x=(3,))


def test_names_when_another_profiler_watches() -> None:
    sys.setprofile(lambda *_: None)
    try:
        g = sg.trace(network, x=(3, 2), W=(2, 4), b=(4,))
    finally:
        sys.setprofile(None)
    assert "z" not in g and g.output.rank == 0


def test_a_name_of_the_notation_or_of_an_input_is_no_name_of_a_value() -> None:
    def f(x: Any, T: Any) -> Any:
        x = x * 2
        mean = x.mean()
        sum = x.sum() * T
        return mean + sum
    g = sg.trace(f, x=(3,), T=())
    assert list(g.names) == ["x", "T"]


def test_constants_belong_to_the_graph() -> None:
    held = np.array([[1.0, 2.0], [3.0, 4.0]])
    def f(x: Any) -> Any:
        return np.sum(held @ x) + np.sum(np.array([[1.0, 2.0], [3.0, 4.0]]) * x) + np.sum(np.array([5.0, 6.0]) * x) + np.sum(np.float64(2.5) * x)
    g = sg.trace(f, x=(2,))
    constants = [n.name for n in topological([g.output]) if isinstance(n.data, Variable) and n.data.value is not None]
    assert sorted(constants) == ["c2", "held"] and g["held"].shape == (2, 2)
    x = np.array([0.3, -1.1])
    assert sg.evaluate(g, {"x": x}) == pytest.approx(f(x), rel=1e-15)
    held[0, 0] = 100.0                                         # the graph keeps what it was
    assert sg.evaluate(g, {"x": x}) == pytest.approx(f(x) - 99 * x[0], rel=1e-12)
    d = sg.differentiate(g)
    assert d.keys() == ["x"] and d.verify().ok
    value, gradient = sg.compile(d)(x=x)
    assert value == sg.evaluate(g, {"x": x}) and np.array_equal(gradient["x"], d.evaluate({"x": x})["x"])
    assert sg.trace(f, x=(2,))["held"] is not g["held"]


def test_shapes_from_arrays_numbers_and_variables() -> None:
    g = sg.trace(lambda x, y, s, W: np.sum(x) + y.sum() + s + np.sum(W), x=np.ones((3, 4)), y=[1.0, 2.0], s=2.5, W=sg.param("W", "D", 2, facts="positive"))
    assert [n.shape for n in g.variables().values()] == [(3, 4), (2,), (), ("D", 2)]
    assert g.params == ["W"]


def test_symbolic_sizes_are_numbers() -> None:
    def f(x: Any, w: Any) -> Any:
        N, D = x.shape
        scale = 1 / (N * D) + 2 / np.sqrt(D) - (N - 1) / N + D**-1 + N // 2
        return np.sum(x.reshape(N * D) ** 2) * scale + np.sum(x @ w) / x.size
    g = sg.trace(f, x=("N", "D"), w=("D",))
    v = values_of(g, N=4, D=3)
    assert sg.evaluate(g, v) == pytest.approx(f(**v), rel=1e-13)
    assert sg.differentiate(g).verify(v).ok


# ---------------------------------------------------------------------- recognised
@pytest.mark.parametrize(("function", "op", "gone"), [
    (stable_softmax, "softmax", "exp"),
    (lambda z: np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True), "softmax", "exp"),
    (lambda z: np.exp(z - np.max(z, axis=0)) / np.exp(z - np.max(z, axis=0)).sum(axis=0), "softmax", "max"),
    (lambda z: z.max(0) + np.log(np.sum(np.exp(z - z.max(0)), axis=0)), "logsumexp", "max"),
    (lambda z: np.log(stable_softmax(z)), "log_softmax", "exp"),
    (lambda z: z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)), "log_softmax", "exp"),
    (lambda z: (z - z.max(1, keepdims=True)) - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)), "log_softmax", "max"),
    (lambda z: np.log(np.sum(np.exp(z), axis=1)), "logsumexp", "exp"),
    (lambda z: z.max(1) + np.log(np.sum(np.exp(z - z.max(1, keepdims=True)), axis=1)), "logsumexp", "max"),
    (lambda z: 1 / (1 + np.exp(-z)), "sigmoid", "exp"), (lambda z: np.log(1 + np.exp(z)), "softplus", "exp"), (lambda z: np.log1p(np.exp(z)), "softplus", "exp"),
    (lambda z: np.log(sg.sigmoid(z)), "softplus", "sigmoid"), (lambda z: np.maximum(z, 0), "relu", "step"), (lambda z: np.maximum(0.0, z), "relu", "step"),
    (lambda z: z * (z > 0), "relu", "step"), (lambda z: np.where(z > 0, z, 0), "relu", "step"), (lambda z: np.clip(z, 0, None), "step", "exp"),
    (lambda z: sum(np.array([0.5, 1.0, 2.0])[k] * z[:, k:k + 2] for k in range(3)), "add", "exp"),
])
def test_plain_definitions_are_recognised(function: Callable[..., Any], op: str, gone: str) -> None:
    g = sg.trace(function, z=(3, 4))
    assert op in ops(g) and gone not in ops(g)
    z = np.random.default_rng(2).normal(size=(3, 4))
    assert np.allclose(sg.evaluate(g, {"z": z}), function(z), rtol=1e-12, atol=1e-13)
    assert sg.jacobian(g, wrt="z").verify({"z": z}).ok


def test_recognised_forms_do_not_overflow() -> None:
    z = np.array([[1000.0, -1000.0, 0.0]])
    for function in (lambda z: np.log(np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)), lambda z: np.log(1 / (1 + np.exp(-z)))):
        g = sg.trace(function, z=(1, 3))
        assert np.all(np.isfinite(sg.evaluate(g, {"z": z}))) and np.all(np.isfinite(sg.jacobian(g).evaluate({"z": z})))


def convolution(x: Any, w: Any, stride: int) -> Any:
    rows, columns = ((n - k) // stride + 1 for n, k in zip(x.shape[1:], w.shape[2:], strict=True))
    y = 0
    for p in range(w.shape[2]):
        for q in range(w.shape[3]):
            y = y + np.tensordot(w[:, :, p, q], x[:, p:p + stride * (rows - 1) + 1:stride, q:q + stride * (columns - 1) + 1:stride], 1)
    return y


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_convolution_of_slices_is_a_convolution(stride: int) -> None:
    g = sg.trace(lambda x, w: convolution(x, w, stride), x=(2, 7, 6), w=(3, 2, 3, 2))
    assert ops(g) == ["variable", "variable", "conv2d"]
    v = values_of(g)
    assert np.allclose(sg.evaluate(g, v), convolution(**v, stride=stride), rtol=1e-12)
    assert np.allclose(sg.evaluate(g, v), sg.conv2d(v["x"], v["w"], stride=stride), rtol=1e-12)
    assert sg.differentiate(sg.trace(lambda x, w: np.sum(convolution(x, w, stride) ** 2), x=(2, 7, 6), w=(3, 2, 3, 2))).verify(v).ok


def test_almost_a_convolution_is_none() -> None:
    """A place of the window used twice or left out, or a step that is not even, stays the sum it is."""
    for places in ([0, 1, 1], [0, 1], [0, 2, 3]):
        g = sg.trace(lambda x, w, places=places: sum(w[k] * x[p:p + 3] for k, p in enumerate(places)), x=(7,), w=(4,))
        assert "add" in ops(g)
        v = values_of(g)
        assert np.allclose(sg.evaluate(g, v), sum(v["w"][k] * v["x"][p:p + 3] for k, p in enumerate(places)), rtol=1e-13)


# ---------------------------------------------------------------------- choices
def test_ties_go_to_the_first_operand_or_entry() -> None:
    g = sg.trace(lambda a, b: np.sum(np.maximum(a, b) + 3 * np.minimum(a, b)), a=(2,), b=(2,))
    d = sg.differentiate(g).evaluate({"a": np.array([1.0, 2.0]), "b": np.array([1.0, 3.0])})
    assert d["a"].tolist() == [4.0, 3.0] and d["b"].tolist() == [0.0, 1.0]
    tied = sg.differentiate(sg.trace(lambda a: np.max(a) + 2 * np.min(a), a=(3,))).evaluate({"a": np.ones(3)})["a"]
    assert tied.tolist() == [3.0, 0.0, 0.0]
    assert sg.differentiate(sg.trace(lambda a: np.sum(np.clip(a, -1, 1)), a=(3,))).evaluate({"a": np.array([-1.0, 0.0, 2.0])})["a"].tolist() == [1.0, 1.0, 0.0]
    assert sg.differentiate(sg.trace(lambda a: np.sum(np.maximum(a, 0)), a=(2,))).evaluate({"a": np.array([0.0, 2.0])})["a"].tolist() == [0.0, 1.0]


def test_a_choice_never_multiplies_what_may_be_infinite() -> None:
    def elu(x: Any) -> Any:
        return np.where(x > 0, x, np.exp(x) - 1)
    g = sg.trace(elu, x=(3,))
    with np.errstate(over="ignore"):
        x = np.array([-1.0, 2.0, 1000.0])
        assert np.array_equal(sg.evaluate(g, {"x": x}), elu(x))
    f = sg.trace(lambda x: np.where(x > 1, -np.inf, x), x=(3,))
    assert sg.evaluate(f, {"x": x}).tolist() == [-1.0, -np.inf, -np.inf]


def test_equality_of_nodes_is_entry_by_entry_while_tracing() -> None:
    g = sg.trace(lambda x, y: np.where(x == y, x, 0) + (x != 2.0) * y, x=(3,), y=(3,))
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 3.0])
    assert sg.evaluate(g, {"x": x, "y": y}).tolist() == [2.0, 0.0, 6.0]


# ---------------------------------------------------------------------- arrays and nodes alike
@pytest.mark.parametrize("call", [
    lambda z: sg.softmax(z), lambda z: sg.softmax(z, axis=0), lambda z: sg.log_softmax(z), lambda z: sg.logsumexp(z), lambda z: sg.logsumexp(z, axis=1),
    lambda z: sg.sigmoid(z), lambda z: sg.relu(z), lambda z: sg.gelu(z), lambda z: sg.conv1d(z, z[:, None, :2][:, [0, 0, 0]]),
    lambda z: sg.conv2d(z[None], z[None, None, :2, :2], padding=1, stride=2), lambda z: sg.maxpool(z, 2), lambda z: sg.avgpool(z, 2, stride=1),
    lambda z: sg.conv2d(z[None], z[None, None, :2, :2], padding=2, dilation=2), lambda z: sg.conv1d(z[:2], z[:2, None, :2], groups=2),
])
def test_functions_take_arrays_and_nodes_alike(call: Callable[[Any], Any]) -> None:
    z = np.random.default_rng(4).normal(size=(3, 4))
    g = sg.trace(call, z=(3, 4))
    assert np.allclose(sg.evaluate(g, {"z": z}), call(z), rtol=1e-13, atol=1e-15)
    assert np.shape(call(z)) == g.output.shape


def test_labels_count_from_one() -> None:
    assert sg.onehot([1, 3], 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    g = sg.trace(lambda c, z: -np.sum(sg.onehot(c, 3) * sg.log_softmax(z)), c=(2,), z=(2, 3))
    assert sg.evaluate(g, {"c": [1, 3], "z": np.zeros((2, 3))}) == pytest.approx(2 * math.log(3))
    with pytest.raises(sg.InputError, match="1 to 3"):
        sg.onehot([0], 3)


def test_functions_of_nodes_outside_a_trace() -> None:
    x = sg.data("x", "N", "D")
    g = sg.graph(m=np.mean(x, axis=0), loss=np.sum(np.tanh(x - x.mean(axis=0)) ** 2) + np.array([1.0, 2.0]) @ np.array([3.0, 4.0]))
    v = {"x": np.random.default_rng(1).normal(size=(4, 3))}
    assert sg.differentiate(g).verify(v).ok


# ---------------------------------------------------------------------- size
def test_a_long_loop_stays_linear() -> None:
    def loop(x: Any, W: Any, h: Any, steps: int) -> Any:
        for _ in range(steps):
            h = np.tanh(x @ W + h)
        return np.sum(h)
    counts, start = [], time.perf_counter()
    for steps in (500, 1000, 2000):
        g = sg.trace(functools.partial(loop, steps=steps), x=(3, 5), W=(5, 4), h=(3, 4))
        counts.append(len(g.nodes()))
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0]) == 2000
    d = sg.differentiate(g)
    assert len(d.backward.nodes()) < 8 * counts[2]
    assert time.perf_counter() - start < 20                    # some seconds, on a busy machine too


def test_repeated_work_is_one_node() -> None:
    g = sg.trace(lambda x: np.exp(x).sum() * np.exp(x).mean() + np.sum(np.exp(x)), x=(3,))
    assert ops(g).count("exp") == 1 and ops(g).count("sum") == 1


# ---------------------------------------------------------------------- random programs
ONE = [n for n, kind in UNARY.items() if kind == "real" and n not in ("sign", "exp2", "rad2deg", "degrees", "tan")]
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    **{n: (lambda a, b, n=n: getattr(np, n)(np.tanh(a))) for n in ONE},
    "sum": lambda a, b: a - a.sum(axis=0), "mean": lambda a, b: a * a.mean(axis=-1, keepdims=True), "max": lambda a, b: a + b.max(axis=0),
    "softmax": lambda a, b: a * sg.softmax(b), "matmul": lambda a, b: a @ b.T @ b / 4, "slice": lambda a, b: a[1:] * b[:1], "flip": lambda a, b: a[::-1] + b[0],
    "where": lambda a, b: np.where(a[:1] > b, a[0] * b, b) if len(b) else a, "roll": lambda a, b: np.roll(a, 1, axis=1) * a, "var": lambda a, b: a / (1 + a.var(axis=0)),
    "concatenate": lambda a, b: np.concatenate([a, b], axis=0), "transpose": lambda a, b: (a.T @ a)[: len(a), :] if len(a) <= 4 else a,
    "cumsum": lambda a, b: np.cumsum(a, axis=1) / 3, "maximum": lambda a, b: np.maximum(a, b[0]), "outer": lambda a, b: a + np.outer(a[:, 0], b[0]),
    "reshape": lambda a, b: a.reshape(-1, 2).reshape(a.shape) * a, "even": lambda a, b: a * np.tile(b[:, ::2], 2)[:1], "sqrt": lambda a, b: np.sqrt(a * a + 1),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.integers(0, 10**6))
def test_random_programs(steps: list[str], seed: int) -> None:
    def program(x: Any, y: Any) -> Any:
        a = x
        for s in steps:
            if len(a) > 1 or s != "slice":
                a = 1.5 * np.tanh(STEPS[s](a, y))          # stays of moderate size, however often
        return a
    rng = np.random.default_rng(seed)
    v = {"x": draw("real", "x", rng), "y": draw("real", "y", rng)}
    weight = rng.normal(size=np.shape(program(**v)))
    g = sg.trace(lambda x, y: np.sum(weight * np.sin(program(x, y))), x=(3, 4), y=(3, 4))
    def loss(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.sum(weight * np.sin(program(x, v["y"]))))
    assert abs(sg.evaluate(g, v) - loss(v["x"])) < 1e-12 * (1 + np.abs(weight).sum())
    slope = sg.differentiate(g, wrt="x")
    want = numeric_derivative(loss, v["x"], 1e-4)              # small steps, so that few kinks are met
    got = slope.evaluate(v)["x"]
    wrong = np.abs(got - want) > 1e-5 * (1 + np.abs(want).max())
    if wrong.any():                                            # a kink next to the point spoils both sides: another way of taking the difference must agree
        want = numeric_derivative(loss, v["x"], 1e-7)
        assert np.abs(got - want).max() < 1e-4 * (1 + np.abs(want).max())
    direction = {"x_dot": rng.normal(size=(3, 4))}
    product = sg.hvp(g, wrt="x").evaluate(v, **direction)
    def along(t: np.ndarray) -> np.ndarray:
        return slope.evaluate({**v, "x": v["x"] + t * direction["x_dot"]})["x"]
    assert np.abs(product - numeric_derivative(along, np.zeros(()), 1e-5)).max() < 1e-3 * (1 + np.abs(product).max())


@pytest.mark.parametrize("name", sorted(STEPS))
def test_the_same_program_through_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(9)
    v = {"x": draw("real", "x", rng), "y": draw("real", "y", rng)}
    def loss(np_: Any, sg_: Any, x: Any, y: Any) -> Any:
        space = {**STEPS[name].__globals__, "np": np_, "sg": sg_}
        step = type(STEPS[name])(STEPS[name].__code__, space, name, STEPS[name].__defaults__)
        return np_.sum(np_.sin(step(x, y)))
    ours = sg.differentiate(sg.trace(functools.partial(loss, np, sg), x=(3, 4), y=(3, 4)), wrt=["x", "y"]).evaluate(v)
    theirs = jax.grad(functools.partial(loss, jax.numpy, jax.nn), argnums=(0, 1))(v["x"], v["y"])
    for got, want in zip(ours.values(), theirs, strict=True):
        assert np.allclose(got, want, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------- the page
def test_the_page_lists_what_traces(repository: Path) -> None:
    text = (repository / "docs" / "tracing.md").read_text()
    assert listing() in text, "run python -m symgrad.interop.listing and put what it prints into docs/tracing.md"
    assert all(f"`{name}`" in text for name in (*FUNCTIONS, *UFUNCS, *METHODS))
