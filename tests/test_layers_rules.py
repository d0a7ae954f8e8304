"""sg.layers: bad configurations and what their errors say, names, recurrences, masks, statistics, and what a network knows of its parameters."""
from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

L = sg.layers


def x2() -> sg.Node:
    return sg.data("x", "N", 6)


def x3() -> sg.Node:
    return sg.data("x", "N", 4, 6)


def x4() -> sg.Node:
    return sg.data("x", "N", 4, 6, 5)


BAD: tuple[tuple[Callable[[], Any], type[Exception], tuple[str, ...]], ...] = (
    (lambda: L.dense(x2(), 3, "fc 1"), sg.InputError, ("'fc 1'", "letters, digits and _")),
    (lambda: L.dense(x2(), 0, "fc"), sg.InputError, ("0 is no size of fc_W", "whole number from 1")),
    (lambda: L.dense(x2(), 2.5, "fc"), sg.InputError, ("2.5 is no size", "whole number")),  # type: ignore[arg-type]  # the mistake itself
    (lambda: L.dense(x2(), 3, "fc", activation="rellu"), sg.InputError, ("'rellu'", "did you mean relu")),
    (lambda: L.dense(x2(), 3, "fc", activation=3), sg.InputError, ("an activation is", "sg.tanh")),  # type: ignore[arg-type]  # the mistake itself
    (lambda: L.dense(sg.data("x"), 3, "fc"), sg.ShapeError, ("features last", "scalar")),
    (lambda: L.dense(L.dense(x2(), 6, "fc"), 6, "fc"), sg.InputError, ("two layers are named 'fc'", "fc_W", "a name of its own")),
    (lambda: sg.graph(a=L.dense(x2(), 3, "fc"), b=L.dense(x2(), 4, "fc")), sg.InputError, ("two variables are named 'fc_W'",)),
    (lambda: L.residual(x2(), lambda h: L.dense(h, 3, "fc")), sg.ShapeError, ("N x 6", "N x 3", "projection")),
    (lambda: L.conv2d(x3(), 3, 2, "c"), sg.ShapeError, ("conv2d 'c' takes (N, channels, height, width)", "N x 4 x 6")),
    (lambda: L.conv1d(x3(), 3, 7, "c"), sg.ShapeError, ("window of conv1d (7) is larger than 6", "smaller window")),
    (lambda: L.conv1d(x3(), 3, 4, "c", dilation=3, padding=1), sg.ShapeError, ("window of conv1d (4) is larger than 6", "more padding")),
    (lambda: L.conv1d(x3(), 3, 2, "c", stride=0), sg.InputError, ("stride of conv1d", "at least 1", "found 0")),
    (lambda: L.conv1d(x3(), 3, 2, "c", padding=-1), sg.InputError, ("padding of conv1d", "at least 0", "found -1")),
    (lambda: L.conv1d(x3(), 3, 2, "c", dilation=0), sg.InputError, ("dilation of conv1d", "at least 1")),
    (lambda: L.conv1d(x3(), 4, 2, "c", groups=3), sg.ShapeError, ("3 groups do not divide the 4 channels", "a divisor of 4")),
    (lambda: L.conv1d(x3(), 3, 2, "c", groups=2), sg.ShapeError, ("2 groups do not divide the 3 channels",)),
    (lambda: L.conv1d(sg.data("x", "N", "C", 6), 4, 2, "c", groups=2), sg.ShapeError, ("C channels", "give that size as a whole number")),
    (lambda: L.conv2d(x4(), 3, (2, 2, 2), "c"), sg.InputError, ("window of conv2d 'c'", "2 of them")),
    (lambda: L.max_pool(x3(), 7), sg.ShapeError, ("window of maxpool (7) is larger than 6", "smaller window")),
    (lambda: L.avg_pool(x3(), 2, 0), sg.InputError, ("stride of avgpool", "at least 1")),
    (lambda: L.max_pool(x3(), 2, padding=2), sg.InputError, ("padding of maxpool", "half the window")),
    (lambda: L.conv_transpose1d(x3(), 3, 2, "c", groups=2), sg.ShapeError, ("2 groups do not divide the 3 channels of conv_transpose1d 'c'",)),
    (lambda: L.conv_transpose1d(x3(), 3, 2, "c", output_padding=1), sg.InputError, ("output_padding of conv_transpose1d", "smaller than the stride")),
    (lambda: L.contrastive(sg.data("y", "N"), x2(), x3()), sg.ShapeError, ("contrastive takes", "N x 4 x 6")),
    (lambda: L.infonce(x3(), x3()), sg.ShapeError, ("infonce takes two arrays (N, D)",)),
    (lambda: L.max_pool(x2(), 2), sg.ShapeError, ("max_pool takes", "N x 6")),
    (lambda: L.global_avg_pool(x2()), sg.ShapeError, ("global_avg_pool takes", "N x 6")),
    (lambda: L.batch_norm(sg.data("x", 1, 6), "bn"), sg.InputError, ("values per channel must be more than 1", "more examples", "stored statistics")),
    (lambda: L.batch_norm(x2(), "bn", mode="test"), sg.InputError, ("mode of batch_norm", "'train' or 'eval'", "'test'")),
    (lambda: L.batch_norm(sg.data("x", "N"), "bn"), sg.ShapeError, ("channels on axis 1",)),
    (lambda: L.instance_norm(sg.data("x", "N", 6, 1), "n"), sg.InputError, ("values per channel must be more than 1", "places")),
    (lambda: L.layer_norm(x2(), "n", axes=(2,)), sg.ShapeError, ("axis 2 is out of bounds",)),
    (lambda: L.layer_norm(x2(), "n", axes=()), sg.InputError, ("axes of layer_norm 'n'",)),
    (lambda: L.group_norm(x3(), 3, "n"), sg.ShapeError, ("3 groups do not divide the 4 channels", "a divisor of 4")),
    (lambda: L.dropout(x2(), 1.0, "d"), sg.InputError, ("at least 0 and less than 1", "1.0")),
    (lambda: L.dropout(x2(), -0.1, "d"), sg.InputError, ("at least 0 and less than 1", "-0.1")),
    (lambda: L.dropout(x2(), 0.1, "d", mode="test"), sg.InputError, ("mode of dropout",)),
    (lambda: L.dropout(x2(), 0.1, "d", scaling="none"), sg.InputError, ("scaling of dropout", "'inverted' or 'test'")),
    (lambda: L.rnn(sg.data("x", "N", "T", 3), 4, "r"), sg.ShapeError, ("step by step", "not the size T", 'sg.data("x", "N", 10, "D")')),
    (lambda: L.rnn(x3(), 5, "r", initial=sg.param("h0", 4)), sg.ShapeError, ("initial state of rnn 'r'", "N x 5 or 5", "not 4")),
    (lambda: L.lstm(x3(), 5, "r", initial=(sg.param("h0", 5),)), sg.ShapeError, ("initial state of lstm 'r'", "a pair")),  # type: ignore[arg-type]  # the mistake itself
    (lambda: L.gru(x2(), 5, "r"), sg.ShapeError, ("gru 'r' takes sequences (N, T, D)", "N x 6")),
    (lambda: L.attention(x3(), sg.data("k", "N", 3, 5), x3()), sg.ShapeError, ("N x 4 x 6", "N x 3 x 5")),
    (lambda: L.attention(x3(), x3(), x3(), mask=L.causal_mask(3)), sg.ShapeError, ("mask is 3 x 3", "scores are N x 4 x 4")),
    (lambda: L.multihead_attention(x3(), 4, "a"), sg.ShapeError, ("4 heads do not divide the width 6", "a divisor of 6")),
    (lambda: L.multihead_attention(sg.data("x", "N", 4, "D"), 2, "a"), sg.ShapeError, ("width D", "whole number")),
    (lambda: L.multihead_attention(x3(), 2, "a", context=sg.data("z", "M", 4, 6)), sg.ShapeError, ("M x 4 x 6", "N x 4 x 6")),
    (lambda: L.transformer_block(x3(), 2, 5, "t", norm="both"), sg.InputError, ("norm of transformer_block", "'pre' or 'post'")),
    (lambda: L.padding_mask(sg.data("lengths", "N")), sg.InputError, ("number of steps", "padding_mask(lengths, 10)")),
    (lambda: L.causal_mask(0), sg.InputError, ("causal mask", "from 1")),
    (lambda: L.positional_encoding(4, 0), sg.InputError, ("width of a positional encoding",)),
    (lambda: L.mse(x2(), x3()), sg.ShapeError, ("mse", "N x 6", "N x 4 x 6")),
    (lambda: L.cross_entropy(sg.data("c", "M"), x2()), sg.ShapeError, ("or labels", "M and N x 6")),
    (lambda: L.cross_entropy_logits(x2(), x2(), smoothing=1), sg.InputError, ("smoothing", "less than 1, found 1")),
    (lambda: L.huber(x2(), x2(), delta=0), sg.InputError, ("delta of huber is positive",)),
    (lambda: L.l2([], 0.1), sg.InputError, ("at least one node",)),
    (lambda: L.l1(x2(), sg.data("w", 3)), sg.ShapeError, ("weight of a penalty is a scalar",)),
    (lambda: sg.statistics(sg.graph(h=sg.data("h", "N")), {"bn": "h"}, {"h": [1.0]}), sg.InputError, ("'bn'", "channels on axis 1")),
    (lambda: sg.statistics(sg.graph(h=x2()), {"bn": "hh"}, {}), sg.InputError, ("'hh'", "did you mean h")),
    (lambda: sg.statistics(sg.graph(h=x2()), {"bn": "h"}, {"x": np.ones((1, 6))}, unbiased=True), sg.InputError, ("more than one entry",)),
    (lambda: sg.running({"a": 1.0}, {"b": 1.0}), sg.InputError, ("different names: a, b",)),
    (lambda: sg.running({"a": 1.0}, {"a": 1.0}, 1.5), sg.InputError, ("momentum", "1.5")),
)


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_configuration_says_what_to_change(number: int) -> None:
    build, kind, words = BAD[number]
    with pytest.raises(kind) as caught:
        build()
    assert type(caught.value) is kind
    assert [w for w in words if w not in str(caught.value)] == [], str(caught.value)


def test_networks_are_built_again_and_side_by_side_under_the_same_names() -> None:
    def build() -> sg.Node:
        return L.dense(L.dense(x2(), 6, "one", activation="tanh"), 6, "two")
    first = build()
    assert build() is first                                # interned: the same network
    del first
    gc.collect()
    other = L.dense(sg.data("z", "N", 6), 6, "one")        # shared on purpose: the inputs do not depend on it
    assert sg.graph(a=L.dense(x2(), 6, "one"), b=other).params == ["one_W", "one_b"]


def test_a_long_stack_of_layers_is_built_quickly_twice() -> None:
    def build() -> sg.Node:
        x = x2()
        for k in range(400):
            x = L.residual(x, lambda h, k=k: L.dense(L.layer_norm(h, f"norm{k}"), 6, f"fc{k}", activation="relu"))
        return x
    start = time.perf_counter()
    first = build()
    assert build() is first
    assert time.perf_counter() - start < 10                # about 1 s


# ---------------------------------------------------------------------- recurrences
@pytest.mark.parametrize("layer", [L.rnn, L.lstm, L.gru])
def test_steps_last_and_cells_belong_to_the_states(layer: Callable[..., L.Recurrence]) -> None:
    r = layer(x3(), 5, "r")
    assert r.states.shape == ("N", 4, 5) and len(r.steps) == 4 and r.last is r.steps[-1]
    assert (r.cells is not None) == (layer is L.lstm)
    values = {n: np.random.default_rng(5).normal(size=[3 if s == "N" else s for s in v.shape]) for n, v in sg.graph(h=r.states).variables().items()}
    states = sg.evaluate(r.states, values)
    for k, step in enumerate(r.steps):
        np.testing.assert_allclose(states[:, k], sg.evaluate(step, values), rtol=0, atol=0)


def test_one_step_reads_every_parameter() -> None:
    net = sg.graph(h=L.gru(sg.data("x", "N", 1, 2), 3, "r").last)
    assert sorted(net.params) == sorted([*(f"r_{p}_{g}" for p in "WUb" for g in "rzn"), "r_c_n"])
    assert net.count == 3 * (2 * 3 + 3 * 3 + 3) + 3


def test_a_recurrence_reads_the_steps_of_another_not_their_stack() -> None:
    inner = L.rnn(x3(), 5, "inner")
    outer = L.rnn(inner.states, 3, "outer")
    assert inner.states not in sg.graph(h=outer.last).nodes()


def test_two_thousand_steps_need_no_recursion() -> None:
    limit = sys.getrecursionlimit()
    loss = L.mse(sg.data("y", "N", 3), L.rnn(sg.data("x", "N", 2000, 2), 3, "r").last)
    sys.setrecursionlimit(250)
    try:
        d = sg.differentiate(loss)
        rng = np.random.default_rng(6)
        values = {n: rng.normal(size=[2 if s == "N" else s for s in v.shape]) * 0.3 for n, v in d.graph.variables().items()}
        gradient = d.evaluate(values)["r_b"]
    finally:
        sys.setrecursionlimit(limit)
    step = np.array([0.0, 1e-6, 0.0])
    ends = [sg.evaluate(loss, {**values, "r_b": values["r_b"] + s * step}) for s in (1, -1)]
    np.testing.assert_allclose(gradient[1], (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-8)


# ---------------------------------------------------------------------- masks
def test_a_position_sees_nothing_of_what_is_masked() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(2, 4, 6))
    causal = L.attention(x3(), x3(), x3(), mask=L.causal_mask(4))
    padded = L.attention(x3(), x3(), x3(), mask=L.padding_mask(sg.data("lengths", "N"), 4))
    changed = x.copy()
    changed[:, 3] += 1.0
    np.testing.assert_allclose(sg.evaluate(causal, {"x": x})[:, :3], sg.evaluate(causal, {"x": changed})[:, :3], rtol=0, atol=0)
    lengths = {"lengths": np.array([2.0, 4.0])}
    a, b = (sg.evaluate(padded, {"x": v, **lengths}) for v in (x, changed))
    np.testing.assert_allclose(a[0, :3], b[0, :3], rtol=0, atol=0)
    assert np.abs(a[1, :3] - b[1, :3]).max() > 1e-3


def test_a_causal_mask_of_a_size_that_is_a_name() -> None:
    x = sg.data("x", "N", "T", 6)
    values = {"x": np.random.default_rng(11).normal(size=(2, 4, 6))}
    named = L.attention(x, x, x, mask=L.causal_mask("T"))
    np.testing.assert_allclose(sg.evaluate(named, values), sg.evaluate(L.attention(x3(), x3(), x3(), mask=L.causal_mask(4)), values), rtol=1e-12)


def test_a_row_that_sees_nothing_stays_finite() -> None:
    x = sg.data("x", 2, 4, 6)
    hidden = L.attention(x, x, x, mask=L.padding_mask(np.zeros((2, 4))))
    d = sg.jacobian(sg.graph(h=hidden), wrt="x", of="h")
    assert np.isfinite(d.evaluate({"x": np.random.default_rng(8).normal(size=(2, 4, 6))})).all()


# ---------------------------------------------------------------------- statistics and parameters
def test_statistics_of_the_training_set_standardise_test_inputs_as_training_did() -> None:
    """The lecture: after training, mean and variance over the whole training data normalise each test input."""
    rng = np.random.default_rng(9)
    x = sg.data("x", "N", 6)
    h = L.dense(x, 4, "fc")
    train, test = sg.graph(h=h, out=L.batch_norm(h, "bn")), sg.graph(out=L.batch_norm(h, "bn", mode="eval"))
    values = {"x": rng.normal(size=(7, 6)), "fc_W": rng.normal(size=(6, 4)), "fc_b": rng.normal(size=4)}
    kept = sg.statistics(train, {"bn": "h"}, values)
    scale = {"bn_gamma": rng.normal(size=4), "bn_beta": rng.normal(size=4)}
    np.testing.assert_allclose(sg.evaluate(test, {**values, **scale, **kept}), sg.evaluate(train, {**values, **scale}), rtol=1e-12)
    hidden = values["x"] @ values["fc_W"] + values["fc_b"]
    np.testing.assert_allclose(kept["bn_var"], hidden.var(axis=0))
    np.testing.assert_allclose(sg.statistics(train, {"bn": "h"}, values, unbiased=True)["bn_var"], hidden.var(axis=0, ddof=1))


@pytest.mark.parametrize("length", [2, 5, 7])
def test_statistics_of_a_recurrence_are_those_of_the_length_of_the_arrays(length: int) -> None:
    """A recurrence over a named length is written out for 5 steps until arrays say otherwise."""
    net = sg.parse("size N, T, H\nindex n = 1..N\nindex t = 1..T\ndata x[n,t] : vector(H)\nh[n,0] = zeros(H)\nh[n,t] = h[n,t-1] + x[n,t]\nsum[n](norm2(h[n,T])^2)")
    x = np.random.default_rng(11).normal(size=(4, length, 3))
    np.testing.assert_allclose(sg.statistics(net, {"bn": "h"}, {"x": x})["bn_mean"], x.cumsum(axis=1).mean(axis=(0, 2)))


@pytest.mark.oracle
def test_running_statistics_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(10)
    module = torch.nn.BatchNorm2d(4).double()
    net = sg.graph(h=x4())
    kept = {"bn_mean": np.zeros(4), "bn_var": np.ones(4)}
    for _ in range(3):
        x = rng.normal(size=(3, 4, 6, 5))
        module(torch.tensor(x))
        kept = sg.running(kept, sg.statistics(net, {"bn": "h"}, {"x": x}, unbiased=True))
    np.testing.assert_allclose(kept["bn_mean"], module.running_mean.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(kept["bn_var"], module.running_var.numpy(), rtol=1e-12)


def test_a_network_knows_its_parameters() -> None:
    net = sg.graph(out=L.dense(L.conv1d(sg.data("x", "N", 3, 8), 5, 2, "c"), "K", "fc"))
    assert net.shapes == {"c_W": (5, 3, 2), "c_b": (5,), "fc_W": (7, "K"), "fc_b": ("K",)}
    assert str(net.count) == "8*K + 35"
    assert net.summary().splitlines() == [
        "parameter  shape      count", "c_W        5 x 3 x 2  30", "c_b        5          5", "fc_W       7 x K      7*K", "fc_b       K          K",
        "total                 8*K + 35"]
    known = sg.parse("data x : vector(D)\nparam W : matrix(K, D)\nsize D = 3, K = 4\nW*x")
    assert known.count == 12 and isinstance(known.count, int)
    assert sg.graph(x=sg.data("x", 3)).count == 0
