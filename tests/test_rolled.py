"""Gradients of recurrences and deep nets: said once for every step, equal to the derivation, for lengths that are numbers or names."""
from __future__ import annotations

import numpy as np
import pytest
from blackboard import Array

import symgrad as sg
from symgrad.core.graph import Graph
from symgrad.core.shape import size_expression
from symgrad.errors import UnsupportedError

RNN = """examples n = 1..N
index t = 1..T
data x[n, t] : vector(D)
param Wx : matrix(K, D)
param Wh : matrix(K, K)
param h0 : vector(K)
h[n, 0] = h0
h[n, t] = tanh(Wx*x[n, t] + Wh*h[n, t-1])
loss = sum[n, t](norm2(h[n, t])^2)
"""
DEEP = """examples n = 1..N
index k = 1..L
data x[n], y[n] : vector(K)
param W[k] : matrix(K, K)
param b[k] : vector(K)
h[n, 0] = x[n]
h[n, k] = tanh(W[k]*h[n, k-1] + b[k])
loss = mean[n](norm2(h[n, L] - y[n])^2)
"""
RESIDUAL = """index k = 1..L
param x : vector(K)
param W[k] : matrix(K, K)
h[0] = x
h[k] = h[k-1] + tanh(W[k]*h[k-1])
loss = norm2(h[L])^2
"""
LSTM = """examples n = 1..N
index t = 1..T
data x[n, t] : vector(D)
param Wf, Wi, Wo, Wg : matrix(K, D)
param Uf, Ui, Uo, Ug : matrix(K, K)
h[n, 0] = zeros(K)
c[n, 0] = zeros(K)
f[n, t] = sigmoid(Wf*x[n, t] + Uf*h[n, t-1])
i[n, t] = sigmoid(Wi*x[n, t] + Ui*h[n, t-1])
o[n, t] = sigmoid(Wo*x[n, t] + Uo*h[n, t-1])
g[n, t] = tanh(Wg*x[n, t] + Ug*h[n, t-1])
c[n, t] = f[n, t] .* c[n, t-1] + i[n, t] .* g[n, t]
h[n, t] = o[n, t] .* tanh(c[n, t])
loss = sum[n](norm2(h[n, T])^2)
"""
NETWORKS = {"rnn": (RNN, "T"), "deep": (DEEP, "L"), "residual": (RESIDUAL, "L"), "lstm": (LSTM, "T")}
SIZES = {"N": 3, "D": 2, "K": 4}


def drawn(graph: Graph, length: int) -> dict[str, Array]:
    rng = np.random.default_rng(length)
    numbers = {**SIZES, **dict.fromkeys("TL", length)}
    return {n: rng.normal(size=[s if isinstance(s, int) else numbers[str(s)] for s in v.shape]) for n, v in graph.variables().items()}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("length", [4, 9])
def test_said_once(network: str, length: int) -> None:
    text, size = NETWORKS[network]
    net = sg.parse(f"size {size} = {length}\n{text}")
    d = sg.differentiate(net)
    assert d.verify().ok
    values = drawn(net, length)
    want = d.evaluate(values)
    for name in d.keys()[:3]:
        form = d[name].index
        lines = form.text.split("\n")
        assert "said once" in form.note and len(lines) <= 12, form
        assert f"h_{length - 1}" not in form.text
        np.testing.assert_allclose(sg.evaluate(net, values, of=net.parse(form.text)), want[name], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(sg.evaluate(net, values, of=net.parse(d[name].jacobian.text)).ravel(), want[name].ravel(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_length_that_is_a_name(network: str) -> None:
    """Everything works for any length, and is what the network with that length as a number gives."""
    text, size = NETWORKS[network]
    net = sg.parse(text)
    d = sg.differentiate(net)
    program, report = sg.compile(d), d.verify()
    assert report.ok and net.lengths == {size: 5}
    for length in (2, 5, 8):
        fixed = sg.parse(f"size {size} = {length}\n{text}")
        values = drawn(fixed, length)
        want = sg.differentiate(fixed).evaluate(values)
        got, (value, compiled) = d.evaluate(values), program(**values)
        assert value == pytest.approx(float(sg.evaluate(fixed, values))) == pytest.approx(float(sg.evaluate(net, values)))
        assert d.verify(values).ok
        for name, array in want.items():
            np.testing.assert_allclose(got[name], array, rtol=1e-12)
            np.testing.assert_allclose(compiled[name], array, rtol=1e-12)
        for name in list(want)[:2]:
            text_of = d[name].index.text
            assert f"{size}]" in text_of or f"{size}," in text_of
            np.testing.assert_allclose(sg.evaluate(fixed, values, of=fixed.parse(text_of)), want[name], rtol=1e-10, atol=1e-12)
    first = net.params[0]
    values = drawn(net, 7)
    at = sg.parse(f"size {size} = 7\n{text}")
    np.testing.assert_allclose(sg.hessian(net, first).evaluate(values), sg.hessian(at, first).evaluate(values))
    dot = {f"{first}_dot": values[first]}
    np.testing.assert_allclose(sg.jvp(net, first).evaluate(values, **dot), sg.jvp(at, first).evaluate(values, **dot))


def test_chain_of_many_steps() -> None:
    net = sg.parse(f"size L = 40\n{RESIDUAL}")
    chain = sg.differentiate(net, "x")["x"].chain
    assert str(chain.text) == "J[40] = jac(loss, h[40])\nJ[k] = J[k+1] * jac(h[k+1], h[k])\nJ[1] * jac(h[1], x)"
    values = drawn(net, 40)
    np.testing.assert_allclose(sg.evaluate(net, values, of=net.parse(chain.text))[0], sg.differentiate(net, "x").evaluate(values)["x"])


def test_steps_without_a_common_form() -> None:
    """A step that differs in the middle has no general line: with a number it is written out, with a name it is refused."""
    text = "index t = 1..T\nparam w : scalar\nh[0] = w\nh[t] = sin(w*h[t-1])\nloss = h[T]*h[3]"
    form = sg.differentiate(sg.parse(f"size T = 5\n{text}"))["w"].index
    assert "said once" not in form.note
    with pytest.raises(UnsupportedError, match="size T = 4"):
        _ = sg.differentiate(sg.parse(text))["w"].index


def test_the_recurrence_goes_one_way() -> None:
    with pytest.raises(sg.NotationError, match="it goes one way"):
        sg.parse("index t = 1..T\nsize T = 4\nparam w : scalar\nh[0] = w\nh[4] = w\nh[t] = h[t-1] + h[t+1]\nloss = h[2]")


def test_skip_connections_as_identity_and_branch() -> None:
    named = RESIDUAL.replace("h[k] = h[k-1] + tanh(W[k]*h[k-1])", "f[k] = tanh(W[k]*h[k-1])\nh[k] = h[k-1] + f[k]")
    for text, length, want in (
        (named, 3, "jac(loss, h_3) * (eye(K) + jac(f_3, h_2)) * (eye(K) + jac(f_2, h_1)) * (eye(K) + jac(f_1, x))"),
        (named, 30, "J[30] = jac(loss, h[30])\nJ[k] = J[k+1] * (eye(K) + jac(f[k+1], h[k]))\nJ[1] * (eye(K) + jac(f[1], x))"),
        (RESIDUAL, 30, "J[30] = jac(loss, h[30])\nJ[k] = J[k+1] * (eye(K) + (jac(h[k+1], h[k]) - eye(K)))\nJ[1] * (eye(K) + (jac(h[1], x) - eye(K)))"),
    ):
        net = sg.parse(f"size L = {length}\n{text}")
        d = sg.differentiate(net, "x")
        assert d["x"].paths.text == want
        values = drawn(net, length)
        np.testing.assert_allclose(sg.evaluate(net, values, of=net.parse(want))[0], d.evaluate(values)["x"], rtol=1e-9)
    batch = sg.parse("examples n = 1..N\ndata x[n] : vector(K)\nparam W : matrix(K, K)\nh1[n] = tanh(W*x[n])\nf[n] = sin(h1[n])\nh2[n] = h1[n] + f[n]\n"
                     "loss = mean[n](norm2(h2[n])^2)")
    assert "(eye(K) + jac(f[n], h1[n]))" in sg.differentiate(batch)["W"].paths.text
    values = drawn(batch, 3)
    view = sg.differentiate(batch)["W"].paths.text
    np.testing.assert_allclose(sg.evaluate(batch, values, of=batch.parse(view))[0], sg.differentiate(batch).evaluate(values)["W"], rtol=1e-9)
    with pytest.raises(UnsupportedError, match="no skip connection"):
        _ = sg.differentiate(sg.parse(f"size L = 4\n{DEEP}"))["b"].paths


def test_operations_of_any_length() -> None:
    plan = sg.schedule(sg.differentiate(sg.parse(RNN)))
    for length in (3, 5, 9):
        fixed = sg.schedule(sg.differentiate(sg.parse(f"size T = {length}\n{RNN}")))
        assert (plan.flops.subs(size_expression("T"), length) - fixed.flops).expand() == 0
