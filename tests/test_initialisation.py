"""Initialisers against their formulas and measured variances, and fans read off graphs against those counted by hand."""
from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from training_nets import DENSE

import symgrad as sg
from symgrad.errors import InputError, MissingValueError
from symgrad.training.fans import roles
from symgrad.training.init import FAMILIES, MODES, SCHEMES, initial

L = sg.layers
VARIANCE = {"glorot": lambda i, o: 2 / (i + o), "xavier": lambda i, o: 2 / (i + o), "lecun": lambda i, o: 1 / i, "he": lambda i, o: 2 / i,
            "kaiming": lambda i, o: 2 / i}


def fans(net: sg.Graph, name: str, wrt: list[str] | None = None, **sizes: int) -> tuple[float, float]:
    role = roles(net, wrt)[name]
    assert role.kind == "weight", role
    return role.fans(tuple(s if isinstance(s, int) else sizes[str(s)] for s in net[name].shape), {"N": 9, **sizes})


def image(channels: int = 4) -> sg.Node:
    return sg.data("x", "N", channels, 10, 10)


def conv(**options: Any) -> sg.Graph:
    return sg.graph(h=L.conv2d(image(), 6, (3, 5), "c", **options))


X = sg.data("x", "N", 5)
SEQUENCE = sg.data("x", "N", "T", 8)
LETTERS = sg.data("c", "N", facts="label(11)")
CASES: dict[str, tuple[sg.Graph, str, tuple[float, float]]] = {
    "dense": (sg.graph(h=L.dense(X, 7, "f")), "f_W", (5, 7)),
    "dense behind a batch norm": (sg.graph(h=L.dense(L.batch_norm(L.dense(X, 7, "f"), "bn"), 3, "g")), "g_W", (7, 3)),
    "dense behind an rms norm": (sg.graph(h=L.dense(L.rms_norm(L.dense(X, 7, "f"), "bn"), 3, "g")), "g_W", (7, 3)),
    "transposed": (sg.parse("data x : vector(5)\nparam W : matrix(5, 7)\nh = W' * x"), "W", (5, 7)),
    "not transposed": (sg.parse("data x : vector(5)\nparam W : matrix(7, 5)\nh = W * x"), "W", (5, 7)),
    "by components": (sg.parse("data x : vector(5)\nparam W : matrix(7, 5)\nh[i] = sum[j](W[i, j] * x[j])"), "W", (5, 7)),
    "a row of weights": (sg.parse("data x : vector(5)\nparam v : vector(5)\ny = v' * x"), "v", (5, 1)),
    "bilinear": (sg.parse("data x : vector(5)\ndata u : vector(4)\nparam W : tensor(7, 5, 4)\nh[i] = sum[j, k](W[i, j, k] * x[j] * u[k])"), "W", (20, 7)),
    "penalised": (sg.parse("data x : vector(5)\nparam W : matrix(7, 5)\nnorm2(W * x)^2 + normF(W)^2"), "W", (5, 7)),
    "inner of a product": (sg.parse("data x : vector(5)\nparam V : matrix(3, 7)\nparam W : matrix(7, 5)\nh = (V * W) * x"), "W", (5, 7)),
    "outer of a product": (sg.parse("data x : vector(5)\nparam V : matrix(3, 7)\nparam W : matrix(7, 5)\nh = (V * W) * x"), "V", (7, 3)),
    "no data at all": (sg.parse("param x : vector(5)\nparam W : matrix(7, 5)\nnorm2(tanh(W * x))^2"), "W", (5, 7)),
    "scaled": (sg.parse("data x : vector(5)\nparam W : matrix(7, 5)\nh = (3 * W) * x"), "W", (5, 7)),
    "masked": (sg.parse("data x : vector(5)\nconst c = 2\nparam W : matrix(7, 5)\nh = c * (W * x)"), "W", (5, 7)),
    "convolution": (conv(), "c_W", (4 * 15, 6 * 15)),
    "convolution with all options": (conv(stride=2, padding=1, dilation=2), "c_W", (4 * 15, 6 * 15)),
    "window of one": (sg.graph(h=L.conv2d(image(), 6, 1, "c")), "c_W", (4, 6)),
    "one dimension": (sg.graph(h=L.conv1d(sg.data("x", "N", 4, 9), 6, 3, "c")), "c_W", (12, 18)),
    "groups": (conv(groups=2), "c_W", (2 * 15, 3 * 15)),
    "depthwise": (sg.graph(h=L.conv2d(image(), 4, 3, "c", groups=4)), "c_W", (9, 9)),
    "transposed convolution": (sg.graph(h=L.conv_transpose2d(image(), 6, 3, "c")), "c_W", (4 * 9, 6 * 9)),
    "transposed convolution with a stride": (sg.graph(h=L.conv_transpose2d(image(), 6, 4, "c", stride=2)), "c_W", (4 * 4, 6 * 16)),
    "queries of heads": (sg.graph(h=L.multihead_attention(SEQUENCE, 2, "a")), "a_Wq", (8, 8)),
    "values of heads": (sg.graph(h=L.multihead_attention(SEQUENCE, 4, "a")), "a_Wv", (8, 8)),
    "back from heads": (sg.graph(h=L.multihead_attention(SEQUENCE, 2, "a")), "a_Wo", (8, 8)),
    "transformer": (sg.graph(h=L.transformer_block(SEQUENCE, 2, 32, "t")), "t_inner_W", (8, 32)),
    "recurrent": (sg.graph(h=L.lstm(sg.data("x", "N", 3, 4), 6, "r").last), "r_U_f", (6, 6)),
    "into recurrent": (sg.graph(h=L.gru(sg.data("x", "N", 3, 4), 6, "r").last), "r_W_z" if "r_W_z" in sg.graph(
        h=L.gru(sg.data("x", "N", 3, 4), 6, "r").last).params else "r_W_n", (4, 6)),
    "embedding": (sg.graph(h=L.embedding(LETTERS, 11, 3, "e")), "e_E", (1, 3)),
    "family": (sg.graph(h=L.repeat(lambda h, W: sg.tanh(W @ h), 4, sg.data("x", 6), W=(6, 6)).last), "W", (6, 6)),
}


@pytest.mark.parametrize("case", CASES)
def test_fans(case: str) -> None:
    net, name, expected = CASES[case]
    assert fans(net, name) == expected


def test_fans_of_a_traced_function() -> None:
    net = sg.trace(lambda W, x: np.tanh((W * x[:, None, :]).sum(-1)).sum(), W=(7, 5), x=("N", 5))
    assert fans(net, "W", ["W"]) == (5, 7)
    net = sg.trace(lambda W, x: np.tanh(x @ W.T).sum(), W=(7, 5), x=("N", 5))
    assert fans(net, "W", ["W"]) == (5, 7)


def test_fans_of_pytorch() -> None:
    """What PyTorch counts from shapes alone, where a shape tells."""
    torch = pytest.importorskip("torch")
    count = torch.nn.init._calculate_fan_in_and_fan_out
    assert count(torch.zeros(7, 5)) == fans(*CASES["not transposed"][:2])
    assert count(torch.zeros(6, 4, 3, 5)) == fans(*CASES["convolution"][:2])


def test_roles_of_what_is_no_weight() -> None:
    net = sg.graph(h=L.transformer_block(SEQUENCE, 2, 8, "t"))
    kinds = {k: r.kind for k, r in roles(net).items()}
    assert {k for k, v in kinds.items() if v == "scale"} == {"t_norm1_gamma", "t_norm2_gamma"}
    assert {k for k, v in kinds.items() if v == "shift"} == {k for k in kinds if "_b" in k}
    start = initial(net)
    assert all(np.all(a == (1 if kinds[k] == "scale" else 0)) for k, a in start.items() if kinds[k] != "weight")
    assert all(np.std(a) > 0 for k, a in start.items() if kinds[k] == "weight")
    net = sg.parse("data x : scalar\nparam w, b : scalar\nparam P : matrix(3, 2)\ndata X : matrix(3, 2)\nh = sum(tanh(X + P)) + w * x + b")
    assert {k: r.kind for k, r in roles(net).items()} == {"w": "scale", "b": "shift", "P": "shift"}


BIG = sg.parse("data x : vector(300)\nparam W : matrix(500, 300)\nh = W * x")
IMAGES = sg.graph(h=L.conv2d(sg.data("x", "N", 32, 8, 8), 64, 5, "c"))


@pytest.mark.parametrize(("family", "law", "mode", "gain"), [*itertools.product(FAMILIES, ("normal", "uniform"), (None, *MODES), (1.0, 1.7))])
def test_variance(family: str, law: str, mode: str | None, gain: float) -> None:
    for net, name, (into, out) in ((BIG, "W", (300, 500)), (IMAGES, "c_W", (32 * 25, 64 * 25))):
        a = initial(net, f"{family}_{law}", mode=mode, gain=gain, seed=3)[name]
        scale = 2 if family in ("he", "kaiming") else 1
        expected = VARIANCE[family](into, out) if mode is None else scale / {"in": into, "out": out, "avg": (into + out) / 2}[mode]
        expected *= gain**2
        assert a.var() == pytest.approx(expected, rel=0.03)
        assert abs(a.mean()) < 5 * math.sqrt(expected / a.size)
        assert (np.max(np.abs(a)) <= math.sqrt(3 * expected)) == (law == "uniform")
        kurtosis = np.mean(a**4) / a.var() ** 2
        assert kurtosis == pytest.approx(3 if law == "normal" else 1.8, abs=0.1)


def test_a_wrong_variance_is_seen() -> None:
    assert initial(BIG, "he_normal")["W"].var() != pytest.approx(VARIANCE["lecun"](300, 500), rel=0.03)
    assert initial(BIG, "he_normal", mode="out")["W"].var() != pytest.approx(VARIANCE["he"](300, 500), rel=0.03)


def test_he_keeps_the_size_of_relu_layers_and_glorot_that_of_linear_ones() -> None:
    """What the schemes are for, measured: 20 layers deep, the second moment stays (He et al. 2015, Glorot and Bengio 2010)."""
    for scheme, bend in (("he_normal", lambda z: np.maximum(z, 0)), ("glorot_uniform", lambda z: z), ("lecun_normal", lambda z: z)):
        deep = sg.graph(h=L.repeat(lambda h, W: sg.relu(W @ h), 20, sg.data("x", 400), W=(400, 400)).last)
        W = initial(deep, scheme, seed=1)["W"]
        x = np.random.default_rng(0).normal(size=(400, 50))
        z = x
        for layer in W:
            z = layer @ bend(z)
        assert 0.4 < np.mean(z**2) / (2 * np.mean(x**2) if scheme == "he_normal" else np.mean(x**2)) < 2.5


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_orthogonal(law: str) -> None:
    W = initial(BIG, f"orthogonal_{law}", gain=2.0)["W"]
    assert np.allclose(W.T @ W, 4 * np.eye(300))
    wide = initial(sg.parse("data x : vector(30)\nparam W : matrix(5, 30)\nh = W * x"), "orthogonal")["W"]
    assert np.allclose(wide @ wide.T, np.eye(5))
    conv = initial(IMAGES, "orthogonal")["c_W"].reshape(64, -1)
    assert np.allclose(conv @ conv.T, np.eye(64))
    family = initial(CASES["family"][0], "orthogonal")["W"]
    assert all(np.allclose(w @ w.T, np.eye(6)) for w in family) and not np.allclose(family[0], family[1])
    heads = initial(CASES["back from heads"][0], "orthogonal")["a_Wo"].reshape(8, 8)
    assert np.allclose(heads @ heads.T, np.eye(8))


def test_the_same_seed_gives_the_same_bits() -> None:
    for scheme in SCHEMES:
        a, b, c = (initial(BIG, scheme, seed=s)["W"].tobytes() for s in (1, 1, 2))
        assert a == b and (a != c or scheme == "zeros")


def test_declared_structure_is_kept() -> None:
    text = "data x : vector(4)\nparam W : matrix(4, 4) {}\nparam s : scalar\nh = W * x"
    W = {fact: initial(sg.parse(text.format(fact)), seed=2)["W"] for fact in ("symmetric", "diagonal", "lower", "upper", "positive", "spd", "orthogonal")}
    assert np.array_equal(W["symmetric"], W["symmetric"].T) and np.array_equal(W["diagonal"], np.diag(np.diag(W["diagonal"])))
    assert np.array_equal(W["lower"], np.tril(W["lower"])) and np.array_equal(W["upper"], np.triu(W["upper"])) and np.all(W["positive"] > 0)
    assert np.linalg.eigvalsh(W["spd"]).min() > 0 and np.allclose(W["orthogonal"] @ W["orthogonal"].T, np.eye(4))


def test_sizes_and_words() -> None:
    net = sg.parse(DENSE)
    start = initial(net, data={"x": np.zeros((3, 5))}, sizes={"C": 4})
    assert {k: a.shape for k, a in start.items()} == {"W1": (5, 7), "b1": (7,), "W2": (7, 4), "b2": (4,)}
    with pytest.raises(MissingValueError, match="the size C of W2"):
        initial(net, sizes={"D": 5})
    for options, words in (({"scheme": "he_norml"}, "he_normal"), ({"mode": "fan_in"}, "'in', 'out' or 'avg'"), ({"gain": 0}, "positive"),
                           ({"sizes": {"Q": 1}}, "no size 'Q'"), ({"sizes": {"D": 0}}, "whole number"), ({"wrt": "h"}, "is computed")):
        with pytest.raises(InputError, match=words):
            initial(net, **{"sizes": {"D": 5, "C": 4}, **options})
