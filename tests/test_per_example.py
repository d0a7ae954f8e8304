"""Per-example gradients: they sum to the gradient, equal a loop over single examples, and their norms never form them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

import symgrad as sg
from symgrad.core.node import topological

DENSE = """examples n = 1..N
data   x[n] : vector(D)
data   y[n] : scalar
param  W : matrix(D, K)
param  b : vector(K)
param  v : vector(K)
h[n]    = tanh(W' * x[n] + b)
yhat[n] = v' * h[n]
"""
CLASSES = """examples n = 1..N
data   x[n] : vector(D)
data   c[n] : label(C)
param  W : matrix(K, D)
param  V : matrix(C, K)
param  gamma, beta : vector(K)
"""
NETWORKS: dict[str, tuple[str, dict[str, int]]] = {
    "sum": (DENSE + "loss = 1/2*sum[n]((y[n] - yhat[n])^2)", dict(N=5, D=4, K=3)),
    "mean": (DENSE + "loss = mse(y, yhat)", dict(N=5, D=4, K=3)),
    "by a size": (DENSE + "loss = norm2(y - yhat)^2/(2*N)", dict(N=5, D=4, K=3)),
    "penalty within": (DENSE + "loss = sum[n]((y[n] - yhat[n])^2 + normF(W)^2/7)", dict(N=2, D=4, K=3)),
    "normalised weights": (DENSE + "s = normF(W)^2 + 1\nloss = sum[n](bce_logits(y[n], yhat[n]/s))", dict(N=5, D=4, K=3)),
    "layer norm": (CLASSES + "z[n] = layernorm(W*x[n], gamma, beta)\nl[n] = cross_entropy_logits(c[n], V*relu(z[n]))\nloss = mean[n](l[n])",
                   dict(N=6, D=4, K=3, C=5)),
    "classes": (CLASSES + "z[n] = gamma.*(W*x[n]) + beta\np[n] = softmax(V*z[n])\nloss = cross_entropy(c, p)", dict(N=6, D=4, K=3, C=5)),
    "recurrent": ("""examples n = 1..N
index  t = 1..T
size   T = 3
data   x[n, t] : vector(D)
param  Wx : matrix(K, D)
param  Wh : matrix(K, K)
param  h0 : vector(K)
h[n, 0] = h0
h[n, t] = tanh(Wx * x[n, t] + Wh * h[n, t-1])
loss    = sum[n, t](norm2(h[n, t])^2)""", dict(N=5, D=2, K=4, T=3)),
    "attention": ("""examples n = 1..N
data   X[n] : matrix(T, D)
param  Wq, Wk, Wv : matrix(D, K)
A[n] = attention(X[n]*Wq, X[n]*Wk, X[n]*Wv)
loss = sum[n](normF(A[n])^2)""", dict(N=5, T=3, D=4, K=2)),
    "convolution": ("""examples n = 1..N
data  x[n] : tensor(1, 6, 6)
param w : tensor(2, 1, 3, 3)
a[n] = relu(conv2d(x[n], w))
p[n] = maxpool(a[n], 2, 2)
loss = sum[n](sum(p[n])^2)""", dict(N=5)),
}
networks = pytest.mark.parametrize("name", NETWORKS)


def drawn(net: sg.Graph, sizes: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, node in net.variables().items():
        shape = [s if isinstance(s, int) else sizes[s] for s in node.shape]
        found[name] = rng.integers(1, sizes["C"] + 1, shape) if name == "c" else rng.uniform(0, 1, shape) if name == "y" else rng.normal(size=shape)
    return found


def example(net: sg.Graph, values: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    return {k: a[n:n + 1] if k in net.families else a for k, a in values.items()}


@networks
def test_they_sum_to_the_gradient_and_equal_a_loop(name: str) -> None:
    text, sizes = NETWORKS[name]
    net = sg.parse(text)
    values = drawn(net, sizes, 3)
    count = sizes["N"]
    d = sg.per_example(net)
    found, whole = d.evaluate(values), sg.differentiate(net).evaluate(values)
    assert d.verify(seed=1).ok
    # a mean over one example is not divided by N
    share = np.mean([sg.evaluate(net, example(net, values, n)) for n in range(count)]) * count / sg.evaluate(net, values)
    assert np.isclose(share, 1) or np.isclose(share, count)
    for p in net.params:
        assert found[p].shape == (count, *values[p].shape)
        assert np.allclose(found[p].sum(axis=0), whole[p], rtol=1e-11, atol=1e-12)
        for n in range(count):
            alone = sg.differentiate(net, wrt=p)[p].evaluate(example(net, values, n))
            assert np.allclose(found[p][n] * share, alone, rtol=1e-11, atol=1e-12), (p, n)


@networks
def test_norms(name: str) -> None:
    text, sizes = NETWORKS[name]
    net = sg.parse(text)
    values = drawn(net, sizes, 4)
    for p, derivative in ((p, sg.per_example(net)[p]) for p in net.params):
        norms = derivative.squared_norms
        rows = derivative.evaluate(values).reshape(sizes["N"], -1)
        assert norms.shape == ("N",)
        assert np.allclose(norms.evaluate(values), (rows**2).sum(axis=1), rtol=1e-11, atol=0)
        assert norms.verify(seed=2).ok
        assert not norms.verify(values).by_name.keys() - {p}


@networks
def test_programs(name: str) -> None:
    text, sizes = NETWORKS[name]
    net = sg.parse(text)
    values = drawn(net, sizes, 5)
    d = sg.per_example(net)
    terms, found = sg.compile(d)(**values)
    assert terms.shape == (sizes["N"],)
    assert np.isclose(terms.sum(), sg.evaluate(net, values))
    for p, want in d.evaluate(values).items():
        assert np.allclose(found[p], want, rtol=1e-11, atol=1e-12)
        assert np.allclose(sg.compile(d[p].squared_norms)(**values), d[p].squared_norms.evaluate(values), rtol=1e-11)


@pytest.mark.parametrize("name", [k for k in NETWORKS if k != "convolution"])   # the merged windows of a max pool form deltas
def test_no_array_has_the_examples_twice(name: str) -> None:
    net = sg.parse(NETWORKS[name][0])
    for p, derivative in ((p, sg.per_example(net)[p]) for p in net.params):
        assert derivative.node is not None
        assert max(n.shape.count("N") for n in topological([derivative.node])) == 1, p


def test_programs_spread_a_product_over_all_axes_once() -> None:
    """x[n,d]*v[k]*e[n]*(1 - h[n,k]^2): what has the axes n, k is multiplied before it meets x."""
    source = sg.compile(sg.per_example(sg.parse(NETWORKS["sum"][0]), "W")["W"]).source
    assert source.count("[:, :, None]") == 1 and source.count("[:, None]") == 1


def test_a_wrong_norm_fails_the_check() -> None:
    d = sg.per_example(sg.parse(NETWORKS["sum"][0]), "W")["W"].squared_norms
    assert d.node is not None
    assert not replace(d, node=d.node * 2).verify(seed=0).ok


def test_the_norm_of_a_dense_layer_is_a_product_of_two_sums() -> None:
    """Goodfellow's: no N x D x K array on the way, and the sums over the input and over the output stand apart."""
    net = sg.parse(DENSE + "loss = 1/2*sum[n]((y[n] - yhat[n])^2)")
    norms = sg.per_example(net, "W")["W"].squared_norms
    assert norms.node is not None
    assert all(n.rank < 3 for n in topological([norms.node]))
    assert str(norms.index).count("sum[") == 2 and "sum[d](x[n,d]^2)" in str(norms.index)
    values = drawn(net, dict(N=5, D=4, K=3), 6)
    h = np.tanh(values["x"] @ values["W"] + values["b"])
    delta = np.outer(h @ values["v"] - values["y"], np.ones(3)) * values["v"] * (1 - h**2)
    assert np.allclose(norms.evaluate(values), (values["x"]**2).sum(1) * (delta**2).sum(1), rtol=1e-12)
    back = net.parse(str(norms.matrix))
    assert np.allclose(sg.evaluate(back, values), norms.evaluate(values), rtol=1e-12)


def test_the_index_form_keeps_the_example() -> None:
    net = sg.parse(DENSE + "loss = 1/2*sum[n]((y[n] - yhat[n])^2)")
    d = sg.per_example(net)
    assert str(d["v"].index) == "D[n,k] = -h[n,k]*(y[n] - yhat[n])"
    assert str(sg.differentiate(net)["v"].index) == "D[k] = -sum[n]((y[n] - yhat[n])*h[n,k])"


@pytest.mark.parametrize("examples", ["N", {"x": 0, "y": 0}])
def test_graphs_of_python(examples: str | dict[str, int]) -> None:
    x, y = sg.data("x", "N", "D"), sg.data("y", "N")
    W, v = sg.param("W", "D", "K"), sg.param("v", "K")
    e = y - np.tanh(x @ W) @ v
    net = sg.graph(e=e, loss=np.mean(e**2))
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=5), "W": rng.normal(size=(3, 2)), "v": rng.normal(size=2)}
    d = sg.per_example(net, examples=examples)
    assert d.verify().ok
    assert np.allclose(d.evaluate(values)["W"].sum(axis=0), sg.differentiate(net).evaluate(values)["W"])


def test_examples_on_another_axis() -> None:
    """Columns are examples."""
    X, Y = sg.data("X", "D", "m"), sg.data("Y", 1, "m")
    w, b = sg.param("w", "D", 1), sg.param("b")
    net = sg.graph(loss=np.mean((sg.sigmoid(w.T @ X + b) - Y)**2))
    d = sg.per_example(net, examples="m")
    assert d["w"].shape == ("m", "D", 1) and d.verify().ok
    values = {"X": np.random.default_rng(1).normal(size=(3, 4)), "Y": np.ones((1, 4)), "w": np.ones((3, 1)), "b": np.array(0.5)}
    assert np.allclose(d.evaluate(values)["w"].sum(axis=0), sg.differentiate(net).evaluate(values)["w"])


def test_equal_sizes_of_other_axes_do_not_confuse() -> None:
    net = sg.parse("norm2(A*w - y)^2", vars={"A": ("N", "N"), "w": ("N",), "y": ("N",)})
    d = sg.per_example(net, "w", examples={"A": 0, "y": 0})["w"]
    rng = np.random.default_rng(2)
    values = {"A": rng.normal(size=(3, 3)), "w": rng.normal(size=3), "y": rng.normal(size=3)}
    assert np.allclose(d.evaluate(values), 2 * (values["A"] @ values["w"] - values["y"])[:, None] * values["A"])


def test_a_parameter_that_is_not_read() -> None:
    net = sg.parse(DENSE + "param u : vector(K)\nloss = sum[n]((y[n] - yhat[n])^2)")
    values = drawn(net, dict(N=5, D=4, K=3), 7)
    d = sg.per_example(net, ["u", "v"])
    assert np.array_equal(d.evaluate(values)["u"], np.zeros((5, 3)))
    assert np.array_equal(d["u"].squared_norms.evaluate(values), np.zeros(5))
    assert str(d["u"].squared_norms.index) == "D[n] = 0"


def test_what_is_left_out_of_the_terms_does_not_matter() -> None:
    net = sg.parse(DENSE + "loss = sum[n]((y[n] - yhat[n])^2) + normF(W)^2")
    values = drawn(net, dict(N=5, D=4, K=3), 8)
    assert np.allclose(sg.per_example(net, "v").evaluate(values)["v"].sum(axis=0), sg.differentiate(net, "v").evaluate(values)["v"])


@pytest.mark.parametrize(("lines", "wrt", "words"), [
    ("u = batchnorm(h, b, v)\nloss = sum[n]((v'*u[n])^2)", "W", "u mixes the examples"),
    ("m = mean[n](yhat[n])\nd[n] = yhat[n] - m\nloss = sum[n](d[n]^2)", "W", "d mixes the examples"),
    ("loss = norm2(y - yhat)", "v", "loss mixes the examples"),
    ("loss = max(yhat)", "v", "loss mixes the examples"),
    ("loss = yhat[1]", "v", "loss mixes the examples"),
    ("loss = log(sum[n](exp(yhat[n])))", "v", "loss mixes the examples"),
    ("p = softmax(yhat)\nloss = sum[n](p[n]^2)", "v", "p mixes the examples"),
    ("loss = sum[n]((y[n] - yhat[n])^2) + normF(W)^2", "W", "something else besides"),
    ("loss = norm2(v)^2", "v", "no sum over the examples"),
    ("loss = norm2(v)^2", "W", "does not depend on W"),
])
def test_what_mixes_examples_is_refused(lines: str, wrt: str, words: str) -> None:
    with pytest.raises(sg.UnsupportedError, match=words):
        sg.per_example(sg.parse(DENSE + lines), wrt)


def test_what_comes_after_the_mixing_has_its_gradients() -> None:
    net = sg.parse(DENSE + "u = batchnorm(h, b, b)\nloss = sum[n]((v'*u[n])^2)")
    assert sg.per_example(net, "v").verify().ok


def test_what_counts_the_examples_must_be_known() -> None:
    net = sg.parse("norm2(A*w - y)^2", vars={"A": ("N", "D"), "w": ("D",), "y": ("N",)})
    with pytest.raises(sg.InputError, match="say what counts the examples"):
        sg.per_example(net, "w")
    with pytest.raises(sg.InputError, match="'M' is none of them"):
        sg.per_example(net, "w", examples="M")
    with pytest.raises(sg.InputError, match="no variable with the axis 2"):
        sg.per_example(net, "w", examples={"A": 2})
    square = sg.parse("w'*A*w", vars={"A": ("N", "N"), "w": ("N",)})
    with pytest.raises(sg.InputError, match="A has 2 axes of size N"):
        sg.per_example(square, "w", examples="N")
    with pytest.raises(sg.InputError, match="x has values of its own"):
        sg.per_example(sg.parse(DENSE + "loss = sum[n](yhat[n])"), "x")
