"""Layers, losses and other library words in networks: values against plain NumPy, gradients against differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from blackboard import Array

from symgrad.core.graph import Graph
from symgrad.core.node import topological
from symgrad.derive.reverse import reverse
from symgrad.errors import NotationError
from symgrad.network import parse
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute

SIZES = {"N": 4, "D": 3, "K": 5, "m": 2}
HEAD = """examples n = 1..N
data x[n] : vector(D)
data y[n] : vector(K)
data c[n] : label(K)
data mask[n] : vector(K)
param W : matrix(D, K)
param v, u : vector(K)
z[n] = W'*x[n] + v
"""
EPS = 1e-5


def drawn(graph: Graph, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for name, v in graph.variables().items():
        shape = [s if isinstance(s, int) else SIZES[str(s)] for s in v.shape]
        found[name] = rng.integers(1, SIZES["K"] + 1, shape).astype(float) if name == "c" else rng.normal(size=shape)
        if name == "y":
            found[name] = np.exp(found[name]) / np.exp(found[name]).sum(-1, keepdims=True)
    return found


def gradients_agree(graph: Graph, values: dict[str, Array]) -> None:
    """Every gradient of the output against differences."""
    output = graph.output
    leaves = [n for n in topological([output]) if n.name and n.name != "c"]
    found = reverse(output, leaves).results
    for leaf in leaves:
        want = numeric_derivative(lambda a, leaf=leaf: execute([output], {**values, leaf.name: a}, sizes=SIZES)[output], values[leaf.name])
        node = found[leaf]
        got = np.zeros_like(want) if node is None else execute([node], values, sizes=SIZES)[node]
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=f"{graph.text}\nby {leaf.name}")


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _hot(c: Array, k: int) -> Array:
    return np.eye(k)[c.astype(int) - 1]


def _normal(h: Array, axis: int | tuple[int, ...], eps: float = EPS) -> Array:
    return (h - h.mean(axis, keepdims=True)) / np.sqrt(h.var(axis, keepdims=True) + eps)


Values = dict[str, Array]
LOSSES: list[tuple[str, Callable[[Array, Values], Array]]] = [
    ("mse(y, z)", lambda z, d: ((d["y"] - z) ** 2).mean()),
    ("mean[n](mse(y[n], z[n]))", lambda z, d: ((d["y"] - z) ** 2).mean()),
    ("mae(y, z)", lambda z, d: abs(d["y"] - z).mean()),
    ("huber(y, z)", lambda z, d: np.where(abs(d["y"] - z) < 1, (d["y"] - z) ** 2 / 2, abs(d["y"] - z) - 0.5).mean()),
    ("huber(y, z, delta=0.3)", lambda z, d: np.where(abs(d["y"] - z) < 0.3, (d["y"] - z) ** 2 / 2, 0.3 * (abs(d["y"] - z) - 0.15)).mean()),
    ("hinge(y, z)", lambda z, d: np.maximum(0, 1 - d["y"] * z).mean()),
    ("bce(y, sigmoid(z))", lambda z, d: -(d["y"] * np.log(1 / (1 + np.exp(-z))) + (1 - d["y"]) * np.log(1 / (1 + np.exp(z)))).mean()),
    ("bce_logits(y, z)", lambda z, d: -(d["y"] * np.log(1 / (1 + np.exp(-z))) + (1 - d["y"]) * np.log(1 / (1 + np.exp(z)))).mean()),
    ("cross_entropy(y, softmax(z))", lambda z, d: -(d["y"] * np.log(_softmax(z))).sum(-1).mean()),
    ("cross_entropy(c, softmax(z))", lambda z, d: -(_hot(d["c"], 5) * np.log(_softmax(z))).sum(-1).mean()),
    ("mean[n](cross_entropy(c[n], softmax(z[n])))", lambda z, d: -(_hot(d["c"], 5) * np.log(_softmax(z))).sum(-1).mean()),
    ("cross_entropy_logits(y, z)", lambda z, d: -(d["y"] * np.log(_softmax(z))).sum(-1).mean()),
    ("cross_entropy_logits(c, z)", lambda z, d: -(_hot(d["c"], 5) * np.log(_softmax(z))).sum(-1).mean()),
    ("kl(y, softmax(z))", lambda z, d: (d["y"] * np.log(d["y"] / _softmax(z))).sum(-1).mean()),
    ("-mean[n](onehot(c[n], K)'*log_softmax(z[n]))", lambda z, d: -(_hot(d["c"], 5) * np.log(_softmax(z))).sum(-1).mean()),
    ("-sum[n, k](onehot(c[n], K)[k]*log(softmax(z[n])[k]))/N", lambda z, d: -(_hot(d["c"], 5) * np.log(_softmax(z))).sum(-1).mean()),
]
LAYERS: list[tuple[str, Callable[[Array, Values], Array]]] = [
    ("a[n] = softmax(z[n])", lambda z, d: _softmax(z)),
    ("a = softmax(z)", lambda z, d: _softmax(z)),
    ("a[n, i] = exp(z[n, i])/sum[j](exp(z[n, j]))", lambda z, d: _softmax(z)),
    ("a[n] = log_softmax(z[n])", lambda z, d: np.log(_softmax(z))),
    ("a[n] = logsumexp(z[n])*v", lambda z, d: np.log(np.exp(z).sum(-1, keepdims=True)) * d["v"]),
    ("a[n] = layernorm(z[n], v, u)", lambda z, d: _normal(z, -1) * d["v"] + d["u"]),
    ("a = layernorm(z, v, u, eps=0.5)", lambda z, d: _normal(z, -1, 0.5) * d["v"] + d["u"]),
    ("a[n] = rmsnorm(z[n], v)", lambda z, d: z / np.sqrt((z**2).mean(-1, keepdims=True) + EPS) * d["v"]),
    ("a = batchnorm(z, v, u)", lambda z, d: _normal(z, 0) * d["v"] + d["u"]),
    ('a = batchnorm(z, v, u, eps=0.1, mode="train")', lambda z, d: _normal(z, 0, 0.1) * d["v"] + d["u"]),
    ("a[n] = groupnorm(z[n], v, u, groups=1, eps=0.1)", lambda z, d: _normal(z, -1, 0.1) * d["v"] + d["u"]),
    ("a[n] = dropout(z[n], mask[n], 0.25)", lambda z, d: z * d["mask"] / 0.75),
    ('a = dropout(z, mask, 1/4, scaling="test")', lambda z, d: z * d["mask"]),
    ("a[n] = z[n]/norm2(z[n])", lambda z, d: z / np.linalg.norm(z, axis=-1, keepdims=True)),
    ("a[n] = max(z[n])*z[n] - min(z[n])*v", lambda z, d: z.max(-1, keepdims=True) * z - z.min(-1, keepdims=True) * d["v"]),
    ("m = mean[n](z[n])\na[n] = z[n] - m", lambda z, d: z - z.mean(0)),
    ("a[n] = leaky_relu(z[n]) + relu'(z[n]).*v", lambda z, d: np.where(z > 0, z, z / 100) + (z > 0) * d["v"]),
    ("q[n] = prod[k](z[n, k])\na[n] = q[n]*v", lambda z, d: z.prod(-1, keepdims=True) * d["v"]),
]


@pytest.mark.parametrize(("text", "want"), LOSSES)
def test_loss(text: str, want: Callable[[Array, Values], Array]) -> None:
    g = parse(HEAD + "loss = " + text)
    values = drawn(parse(HEAD + "loss = sum(z.*y) + sum(mask) + sum(u) + c[1]"))
    z = values["x"] @ values["W"] + values["v"]
    np.testing.assert_allclose(execute([g.output], values, sizes=SIZES)[g.output], want(z, values))
    gradients_agree(g, values)


@pytest.mark.parametrize(("text", "want"), LAYERS)
def test_layer(text: str, want: Callable[[Array, Values], Array]) -> None:
    g = parse(HEAD + text + "\nloss = sum[n](a[n]'*tanh(a[n]) + a[n]'*y[n])")
    values = drawn(parse(HEAD + "loss = sum(z.*y) + sum(mask) + sum(u) + c[1]"))
    z = values["x"] @ values["W"] + values["v"]
    np.testing.assert_allclose(execute([g["a"]], values, sizes=SIZES)[g["a"]], want(z, values), atol=1e-12)
    assert g.families["a"].index == ("n",)
    gradients_agree(g, values)


def test_attention() -> None:
    def want(q: Array, k: Array, v: Array, mask: Array | float = 0.0) -> Array:
        return _softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + mask) @ v

    head = "examples n = 1..N\ndata x[n] : matrix(m, K)\nparam Q : matrix(m, D)\n"
    head += "param U : matrix(K, D)\nparam V : matrix(m, D)\ndata M : matrix(m, m)\n"
    for line, mask in (
        ("a[n] = attention(Q, x[n]*U, V)", False),
        ("a[n] = attention(Q, x[n]*U, V, mask=M)", True),
        ("a[n] = attention(Q, x[n]*U, V, mask=none)", False),
    ):
        g = parse(head + line + "\nloss = sum(a.^2)")
        values = drawn(g)
        got = execute([g["a"]], values, sizes=SIZES)[g["a"]]
        np.testing.assert_allclose(got, want(values["Q"], values["x"] @ values["U"], values["V"], values["M"] if mask else 0.0), rtol=1e-12)
        gradients_agree(g, values)


# ---------------------------------------------------------------------- convolution and pooling
def conv(x: Array, w: Array, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Array:
    """By loops over the definition, one spatial axis or two."""
    spatial = w.ndim - 2
    x = np.pad(x, [(0, 0)] + [(padding, padding)] * spatial)
    length = [(s - dilation * (k - 1) - 1) // stride + 1 for s, k in zip(x.shape[1:], w.shape[2:], strict=True)]
    out = np.zeros((w.shape[0], *length))
    per = w.shape[0] // groups
    for index in np.ndindex(out.shape):
        o, places = index[0], index[1:]
        for c, *p in np.ndindex(w.shape[1:]):
            at = tuple(i * stride + q * dilation for i, q in zip(places, p, strict=True))
            out[index] += x[(o // per * w.shape[1] + c, *at)] * w[(o, c, *p)]
    return out


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("conv1d(x[n], w)", {}),
        ("conv1d(x[n], w, stride=2)", {"stride": 2}),
        ("conv1d(x[n], w, padding=2)", {"padding": 2}),
        ("conv1d(x[n], w, dilation=2, padding=1)", {"dilation": 2, "padding": 1}),
        ("conv1d(x[n], g, groups=2)", {"groups": 2}),
        ("conv2d(i[n], k)", {}),
        ("conv2d(i[n], k, stride=2, padding=1)", {"stride": 2, "padding": 1}),
    ],
)
def test_convolution(call: str, options: dict[str, int]) -> None:
    head = (
        "examples n = 1..2\ndata x[n] : matrix(2, 7)\ndata i[n] : tensor(2, 5, 4)\nparam w : tensor(4, 2, 3)\nparam g : tensor(4, 1, 3)\n"
        "param k : tensor(3, 2, 2, 3)\n"
    )
    g = parse(head + f"a[n] = {call}\nloss = sum(a.^2)")
    whole = parse(head + f"a = {call.replace('[n]', '')}\nloss = sum(a.^2)")
    values = drawn(g)
    x, w = values["i" if "i[n]" in call else "x"], values[call.split(", ")[1].rstrip(")")]
    for graph in (g, whole):
        got = execute([graph["a"]], values)[graph["a"]]
        np.testing.assert_allclose(got, np.stack([conv(e, w, **options) for e in x]), atol=1e-12)
        assert graph["a"].shape == got.shape and graph.families["a"].index == ("n",)
    gradients_agree(g, values)


def test_convolution_by_components() -> None:
    head = "index i = 1..5\ndata x : matrix(2, 7)\nparam w : tensor(4, 2, 3)\n"
    values = {"x": np.random.default_rng(0).normal(size=(2, 7)), "w": np.random.default_rng(1).normal(size=(4, 2, 3))}
    for line, want in (
        ("a[o, i] = sum[c, p](x[c, i+p-1]*w[o, c, p])", conv(values["x"], values["w"])),
        ("a[o, i] = sum[c, p](pad(x)[c, i+p-2]*w[o, c, p])", conv(values["x"], values["w"], padding=1)[:, :5]),
    ):
        g = parse(head + line + "\nloss = sum(a.^2)")
        np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], want, atol=1e-12)
        gradients_agree(g, values)
    with pytest.raises(NotationError, match=r"from 0 to 6, outside the range 1\.\.7; pad"):
        parse(head + "a[o, i] = sum[c, p](x[c, i+p-2]*w[o, c, p])")


@pytest.mark.parametrize(
    ("call", "kind", "stride"),
    [
        ("maxpool(x[n], 2)", "max", 2),
        ("maxpool(x[n], 2, 1)", "max", 1),
        ("avgpool(x[n], 2, 3)", "mean", 3),
        ("avgpool(i[n], 2)", "mean", 2),
        ("maxpool(i[n], 2, 1)", "max", 1),
    ],
)
def test_pooling(call: str, kind: str, stride: int) -> None:
    g = parse(f"examples n = 1..2\ndata x[n] : matrix(2, 7)\ndata i[n] : tensor(2, 5, 4)\na[n] = {call}\nloss = sum(a.^2)")
    values = drawn(g)
    x = values["i" if "i[n]" in call else "x"]
    spatial = x.ndim - 2
    lengths = [(s - 2) // stride + 1 for s in x.shape[2:]]
    want = np.zeros((*x.shape[:2], *lengths))
    for index in np.ndindex(*lengths):
        window = x[(slice(None), slice(None), *(slice(i * stride, i * stride + 2) for i in index))]
        want[(slice(None), slice(None), *index)] = getattr(window, kind)(tuple(range(2, 2 + spatial)))
    np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], want, atol=1e-12)
    gradients_agree(g, values)


def test_norms_of_channels() -> None:
    head = "examples n = 1..3\ndata x[n] : matrix(4, 5)\nparam v, u : vector(4)\n"
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(3, 4, 5)), "v": rng.normal(size=4), "u": rng.normal(size=4)}
    x, v, u = values["x"], values["v"][:, None], values["u"][:, None]
    instance = _normal(x, 2, 0.1) * v + u
    group = _normal(x.reshape(3, 2, 10), 2, 0.1).reshape(3, 4, 5) * v + u
    batch = _normal(x, (0, 2), 0.1) * v + u
    for line, want in (
        ("a[n] = instancenorm(x[n], v, u, eps=0.1)", instance),
        ("a = instancenorm(x, v, u, eps=0.1)", instance),
        ("a[n] = groupnorm(x[n], v, u, groups=2, eps=0.1)", group),
        ("a = groupnorm(x, v, u, groups=2, eps=0.1)", group),
        ("a = batchnorm(x, v, u, eps=0.1)", batch),
    ):
        g = parse(head + line + "\nloss = sum(a.^3)")
        np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], want, atol=1e-12)
        gradients_agree(g, values)
