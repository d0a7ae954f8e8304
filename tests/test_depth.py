"""Deep networks in the notation: residual ones of 300 blocks and recurrences of 500 steps, in time linear in depth and a shallow stack."""
from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import symgrad as sg
from symgrad.core.node import topological
from symgrad.core.op import Op
from symgrad.ops.kernels import Array

RESIDUAL = """index k = 1..L
size L = {depth}
param W1[k] : matrix(m, d)
param W2[k] : matrix(d, m)
param g[k], b[k] : vector(d)
data x, y : vector(d)
h[0] = x
h[k] = h[k-1] + W2[k]*relu(W1[k]*layernorm(h[k-1], g[k], b[k]))
loss = norm2(h[L] - y)^2
"""
RNN = """examples n = 1..N
index t = 1..T
size T = {depth}
data x[n, t] : vector(d)
param U : matrix(m, d)
param V : matrix(m, m)
param h0, b : vector(m)
h[n, 0] = h0
h[n, t] = tanh(U*x[n, t] + V*h[n, t-1] + b)
loss = sum[n, t](norm2(h[n, t])^2)
"""
LSTM = """examples n = 1..N
index t = 1..T
size T = {depth}
data x[n, t] : vector(d)
param Ui, Uf, Ug, Uo : matrix(m, d)
param Vi, Vf, Vg, Vo : matrix(m, m)
param h0, c0 : vector(m)
h[n, 0] = h0
c[n, 0] = c0
i[n, t] = sigmoid(Ui*x[n, t] + Vi*h[n, t-1])
f[n, t] = sigmoid(Uf*x[n, t] + Vf*h[n, t-1])
q[n, t] = tanh(Ug*x[n, t] + Vg*h[n, t-1])
o[n, t] = sigmoid(Uo*x[n, t] + Vo*h[n, t-1])
c[n, t] = f[n, t].*c[n, t-1] + i[n, t].*q[n, t]
h[n, t] = o[n, t].*tanh(c[n, t])
loss = sum[n](norm2(h[n, T])^2)
"""
NETWORKS = {"residual": RESIDUAL, "rnn": RNN, "lstm": LSTM}
SIZES = {"d": 3, "m": 4, "N": 2}


@pytest.fixture
def shallow() -> Iterator[None]:
    """Python's stack as deep as pytest needs, and 200 calls."""
    depth, before = 0, sys.getrecursionlimit()
    frame = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]  # None ends it
    sys.setrecursionlimit(depth + 200)
    yield
    sys.setrecursionlimit(before)


def drawn(d: sg.results.Derivation) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {k: rng.normal(size=[s if isinstance(s, int) else SIZES[str(s)] for s in v.shape]) / 3 for k, v in d.graph.variables().items()}


def numbers(name: str, depth: int) -> tuple[sg.results.Derivation, dict[str, Array]]:
    d = sg.differentiate(sg.parse(NETWORKS[name].format(depth=depth)))
    return d, drawn(d)


@pytest.mark.parametrize(("name", "depth"), [("residual", 300), ("rnn", 500), ("lstm", 150)])
@pytest.mark.usefixtures("shallow")
def test_deep(name: str, depth: int) -> None:
    """Parsed, derived, evaluated, compiled and planned; the gradient along a direction is the slope of the loss there."""
    d, values = numbers(name, depth)
    found, (_, compiled) = d.evaluate(values), sg.compile(d)(**values)
    rng = np.random.default_rng(1)
    moves = {k: rng.normal(size=values[k].shape) for k in d}
    def loss(t: float) -> float:
        return float(sg.evaluate(d.graph, {k: v + t * moves[k] if k in moves else v for k, v in values.items()}))
    step = 1e-5
    slope = (loss(step) - loss(-step)) / (2 * step)
    assert math.isclose(sum(float((found[k] * moves[k]).sum()) for k in d), slope, rel_tol=1e-5)
    for k in d:
        np.testing.assert_allclose(compiled[k], found[k], rtol=1e-9, atol=1e-12)
    plan = sg.schedule(d)
    assert plan.flops.is_polynomial() and plan.peak_bytes.free_symbols


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_grows_linearly(name: str) -> None:
    """Nodes, operations and the program grow by the same amount from 20 to 40 as from 40 to 60 layers; nothing is dropped or doubled."""
    counts = []
    for depth in (20, 40, 60):
        d, _ = numbers(name, depth)
        nodes = len(topological([v.node for v in d.derivatives.values() if v.node is not None]))
        flops = sg.schedule(d).flops
        source = sg.compile(d).source.count("\n")
        second = sg.hvp(d.graph, wrt=next(iter(d.graph.params))).node
        assert second is not None
        counts.append((len(topological([second])), nodes, int(flops.subs({x: SIZES[x.name] for x in flops.free_symbols})), len(d.steps), source))
    for small, middle, large in zip(*counts, strict=True):
        assert large - middle == pytest.approx(middle - small, rel=0.05) and middle > small


def test_operations_of_a_residual_block() -> None:
    """Two products forward, two for the cotangents, two outer products for the gradients: 10*d*m, whatever the depth."""
    flops = [sg.schedule(numbers("residual", depth)[0]).flops for depth in (7, 8)]
    (d, m) = sorted((flops[1] - flops[0]).free_symbols, key=str)
    assert (flops[1] - flops[0]).expand().coeff(d, 1).coeff(m, 1) == 10


def test_a_term_of_a_long_sum_is_derived_alone() -> None:
    """The pullback of one term of a sum of 400 is the one of that term: no equation of 400 terms is built for it."""
    x = [sg.param(f"x{k}", "n") for k in range(400)]
    total: sg.core.node.Node = sg.ops.arithmetic.add([(v, ("i",)) for v in x], ("i",))
    rule: Op = sg.core.differentiation.pullback(total.op, 250).op
    assert rule.ranks == (1,)
    assert sg.core.differentiation.pullback(total.op, 399).op is rule


def test_parts_of_a_family_are_added_in_place() -> None:
    """The gradient of 30 blocks of weights holds 30 parts and no array of zeros for each; a part that nothing reads is zero."""
    node = numbers("residual", 30)[0]["W1"].node
    assert node is not None and all(o.rank == 2 for o in node.operands)
    d = sg.differentiate(sg.parse("index k = 1..4\nparam W[k] : vector(d)\nW[1]'*W[4] + 2*sum(W[2]) + W[1]'*W[2]"))
    values = {"W": np.random.default_rng(0).normal(size=(4, 3))}
    one, two, _, four = values["W"]
    want = np.stack([four + two, 2 + one, np.zeros(3), one])
    for found in (d.evaluate(values)["W"], sg.compile(d)(**values)[1]["W"]):
        np.testing.assert_allclose(found, want, rtol=1e-14)
    single = {"W": values["W"].astype(np.float32)}
    assert d.evaluate(single)["W"].dtype == np.float32
