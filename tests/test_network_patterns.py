"""What a text becomes: sums of products are one op, textbook forms that overflow are the ops that do not, recurrences are unrolled."""

from __future__ import annotations

import numpy as np
import pytest

from symgrad.core.node import topological
from symgrad.derive.reverse import reverse
from symgrad.errors import NotationError
from symgrad.network import parse
from symgrad.run.executor import execute

VARS = {"x": ("n",), "y": ("n",), "A": ("n", "n"), "B": ("n", "n"), "t": ()}


def ops(text: str) -> list[str]:
    """The ops of an expression, operands first."""
    words = [n for n in VARS if n in text]
    return [n.op.name for n in topological([parse(text, vars={n: VARS[n] for n in words}).output]) if n.operands]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("D[i,k] = sum[j](A[i,j]*B[j,k])", ["matmul"]),
        ("D[i] = sum[j](A[i,j]*x[j])", ["matvec"]),
        ("sum[i](x[i]*y[i])", ["dot"]),
        ("D[i,j] = x[i]*y[j]", ["outer"]),
        ("sum[i,j](A[i,j]*B[i,j])", ["inner"]),
        ("sum(x.*y)", ["dot"]),
        ("sum[i](A[i,i])", ["trace"]),
        ("sum[i,j](x[i]*A[i,j]*y[j])", ["contraction"]),
        ("D[j] = sum[i](3*x[i]*A[i,j])", ["matvec", "scale"]),
        ("A*B", ["matmul"]),
        ("x'*y", ["dot"]),
        ("x'*A*y", ["matvec", "dot"]),
        ("2*x'*A*y", ["matvec", "dot", "scale"]),
        ("exp(A')", ["exp", "transpose"]),
        ("x - y", ["subtract"]),
        ("-x + y", ["subtract"]),
        ("x.*y", ["times"]),
        ("t*A", ["scale"]),
        ("norm2(x - y)^2", ["subtract", "square_sum"]),
        ("x/2", ["scale"]),
        ("A'", ["transpose"]),
    ],
)
def test_one_op(text: str, names: list[str]) -> None:
    assert ops(text) == names


STABLE = [
    ("exp(x)/sum(exp(x))", "softmax", "softmax(x)"),
    ("exp(x)./sum(exp(x))", "softmax", "softmax(x)"),
    ("D[i] = exp(x[i])/sum[j](exp(x[j]))", "softmax", "softmax(x)"),
    ("log(sum(exp(x)))", "logsumexp", "logsumexp(x)"),
    ("log(sum[i](exp(x[i])))", "logsumexp", "logsumexp(x)"),
    ("log(1 + exp(x))", "softplus", "softplus(x)"),
    ("log(exp(x) + 1)", "softplus", "softplus(x)"),
    ("log(vector(1) + exp(x))", "softplus", "softplus(x)"),
    ("log(ones(n) + exp(x))", "softplus", "softplus(x)"),
    ("1 ./ (1 + exp(-x))", "sigmoid", "sigmoid(x)"),
    ("vector(1) ./ (vector(1) + exp(-x))", "sigmoid", "sigmoid(x)"),
    ("(1 + exp(-x)).^-1", "sigmoid", "sigmoid(x)"),
    ("exp(x) ./ (1 + exp(x))", "sigmoid", "sigmoid(x)"),
    ("1 ./ (1 + exp(x))", "sigmoid", "sigmoid(-x)"),
    ("x ./ (1 + exp(-x))", "sigmoid", "x.*sigmoid(x)"),
    ("log(sigmoid(x))", "softplus", "-softplus(-x)"),
    ("log(1 - sigmoid(x))", "softplus", "-softplus(x)"),
    ("log(softmax(x))", "log_softmax", "log_softmax(x)"),
    ("log(exp(x)/sum(exp(x)))", "log_softmax", "log_softmax(x)"),
    ("D[i] = log(softmax(x)[i])", "log_softmax", "log_softmax(x)"),
    ("D[i, j] = exp(A[i, j])/sum[k](exp(A[k, j]))", "softmax", "softmax(A')'"),
    ("D[i, j] = log(softmax(A)[j, i])", "log_softmax", "log_softmax(A)'"),
]


@pytest.mark.parametrize(("text", "name", "same"), STABLE)
def test_textbook_forms_do_not_overflow(text: str, name: str, same: str) -> None:
    graph = parse(text, vars={"A": ("n", "n"), "x": ("n",)})
    found = [n.op.name for n in topological([graph.output])]
    assert name in found and not {"exp", "log"} & set(found)
    values = {"x": np.array([-1000.0, 0.3, 1000.0]), "A": np.array([[1000.0, -1000, 0], [0, 1, -1000], [3, 1000, 1000]])}
    node = graph.parse(same)
    got, want = execute([graph.output, node], values), execute([node], values)
    assert np.isfinite(got[graph.output]).all()
    np.testing.assert_allclose(got[graph.output], want[node])
    name_of = "A" if "A[" in text or "(A)" in text else "x"
    weighted = graph.parse(f"sum(({same}).^2)")
    slope = reverse(weighted, [graph[name_of]]).results[graph[name_of]]
    assert slope is not None and np.isfinite(execute([slope], values)[slope]).all()


def test_patterns_never_reach_through_a_name() -> None:
    g = parse("data x : vector(n)\np = softmax(x)\ne = exp(x)\nloss = sum(log(p)) + log(sum(e)) + norm2(p)^2")
    for name in ("p", "e"):
        assert reverse(g.output, [g[name]]).results[g[name]] is not None


# ---------------------------------------------------------------------- recurrences
HEAD = """size T = 3
examples n = 1..N
index t = 1..T
data x[n, t] : vector(K)
param W : matrix(K, K)
param h0 : vector(K)
"""


def test_coupled_recurrence() -> None:
    g = parse(
        HEAD + "h[n, 0] = h0\nc[n, 0] = 0*h0\nf[n, t] = sigmoid(W*h[n, t-1] + x[n, t])\nc[n, t] = f[n, t].*c[n, t-1] + x[n, t]\n"
        "h[n, t] = f[n, t].*tanh(c[n, t])\nloss = sum[n](norm2(h[n, T])^2) + sum[n, t](h[n, t]'*c[n, t-1]) + sum[n](f[n, 2]'*h[n, 0])"
    )
    rng = np.random.default_rng(0)
    x, w, h0 = rng.normal(size=(4, 3, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)
    h, c, want, second = np.tile(h0, (4, 1)), np.zeros((4, 2)), 0.0, np.zeros((4, 2))
    for t in range(3):
        f = 1 / (1 + np.exp(-(h @ w.T + x[:, t])))
        before, c = c, f * c + x[:, t]
        h = f * np.tanh(c)
        want += (h * before).sum()
        second = f if t == 1 else second
    want += (h**2).sum() + (second @ h0).sum()
    got = execute([g.output], {"x": x, "W": w, "h0": h0})
    np.testing.assert_allclose(got[g.output], want)
    assert (
        g["h"].shape == ("N", 3, "K")
        and g["h_0"].shape == ("N", "K")
        and g.families["h"].index == ("n", "t")
        and g.families["h_2"].index == ("n",)
    )
    assert g.parse("h[n, 2]") is g["h_2"] and g.parse("h[n, 0]") is g["h_0"] and g.parse("h[n, T]") is g["h_3"] and g.parse("h") is g["h"]
    assert g.parse("sum[n, t](h[n, t]'*h[n, t-1])").shape == () and g.latex["h_2"] == "h_{2}"
    with pytest.raises(NotationError, match=r"step 4, which is not known here; known are steps 0\.\.3"):
        g.parse("h[n, 4]")


def test_deep_network_by_layers() -> None:
    g = parse(
        "examples n = 1..N\nindex k = 1..3\ndata x[n] : vector(K)\nparam W[k] : matrix(K, K)\nparam b[k] : vector(K)\n"
        "h[n, 0] = x[n]\nh[n, k] = relu(W[k]*h[n, k-1] + b[k])\nloss = sum[n](norm2(h[n, 3])^2)"
    )
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(4, 2)), rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2))
    h = x
    for k in range(3):
        h = np.maximum(h @ w[k].T + b[k], 0)
    np.testing.assert_allclose(execute([g.output], {"x": x, "W": w, "b": b})[g.output], (h**2).sum())
    assert g["W"].shape == (3, "K", "K") and g.params == ["W", "b"]


def test_entries_one_by_one_and_two_steps_back() -> None:
    g = parse("data x : vector(3)\ns[1] = x[1]^2\ns[2] = 2\nloss = s'*s")
    np.testing.assert_allclose(execute([g["s"]], {"x": np.array([3.0, 0, 0])})[g["s"]], [9, 2])
    f = parse("index t = 1..6\ndata a : scalar\np[1] = a\np[2] = a\np[t] = p[t-1] + p[t-2]\nloss = p[6]")
    np.testing.assert_allclose(execute([f["p"], f.output], {"a": np.asarray(1.0)})[f["p"]], [1, 1, 2, 3, 5, 8])
    with pytest.raises(NotationError, match="begin with 1 and leave none out"):
        parse("data x : vector(3)\ns[1] = x[1]\ns[3] = x[2]\nloss = s'*s")
