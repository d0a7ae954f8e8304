"""A planted wrong equation changes the printed step, the code and the number together; a planted wrong derivative is refused by the check."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.core.node import Variable, topological
from symgrad.core.op import Op
from symgrad.ops import rows
from symgrad.ops.arithmetic import scaled

TEXT = "param z : vector(K)\ndata y : vector(K)\ns = softmax(z)\nloss = y' * s"
VALUES = {"z": np.array([0.3, -0.2, 0.9]), "y": np.array([1.0, 2.0, -1.0])}


def shown() -> tuple[str, str, str, np.ndarray, np.ndarray]:
    """The index form, a step of the solution, the code, the number by the executor and by the program."""
    net = sg.parse(TEXT)
    d = sg.differentiate(net)
    assert d.verify().ok
    local = str(sg.jacobian(net, of="s", wrt="z").index)
    return local, str(sg.solve(net, picture=False)), sg.compile(d).source, d.evaluate(VALUES)["z"], sg.compile(d)(**VALUES)[1]["z"]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The row of softmax without its exponential in the denominator's terms: s[i] = exp(z[i]) / sum[j](exp(2*z[j])); no kernel beside it."""
    from symgrad.run import evaluate
    monkeypatch.setitem(rows.EQUATIONS, "softmax", "(z): s[i] = exp(z[i]) / sum[j](exp(2*z[j]))")
    monkeypatch.setattr(evaluate, "KERNELS", {k: v for k, v in evaluate.KERNELS.items() if k != "softmax"})
    rows.library_op.cache_clear()
    yield
    rows.library_op.cache_clear()


def test_a_wrong_row_changes_everything_together(request: pytest.FixtureRequest) -> None:
    right = shown()
    z = VALUES["z"]
    s = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(right[3], s * (VALUES["y"] - VALUES["y"] @ s))
    request.getfixturevalue("planted")
    wrong = shown()
    assert all(a != b for a, b in zip(right[:3], wrong[:3], strict=True))
    t = np.exp(z) / np.exp(2 * z).sum()
    expected = t * VALUES["y"] - (VALUES["y"] @ t) * 2 * np.exp(2 * z) / np.exp(2 * z).sum()
    for number in wrong[3:]:
        np.testing.assert_allclose(number, expected)
    assert "2" in wrong[0]


def test_a_wrong_op_of_the_users_changes_everything_together() -> None:
    found = []
    for equation in ("out[i] = x[i]*tanh(y[i])", "out[i] = x[i]*tanh(2*y[i])"):
        net = sg.parse("param x, y : vector(n)\nh = gate(x, y)\nloss = sum(h)", ops=[sg.define("gate(x, y)", equation)])
        d = sg.differentiate(net, wrt="x")
        assert d.verify().ok
        found.append((str(d["x"].index), sg.compile(d).source, str(sg.solve(net, wrt="x", picture=False)), d["x"].evaluate({"x": [1.0], "y": [0.5]}).tolist()))
    assert all(a != b for a, b in zip(*found, strict=True))
    assert found[0][3] == [float(np.tanh(0.5))] and found[1][3] == [float(np.tanh(1.0))]


def test_no_op_with_an_equation_carries_a_rule_of_its_own() -> None:
    """Pullbacks come from equations; only what is no index equation declares its own."""
    texts = ["x'*A*x + sum(tanh(A*x)) + norm2(x)", "sum(softmax(A*x)) + logsumexp(x) + mean(x) + var[i](x[i])", "logdet(A) + sum(inv(A)) + det(A)"]
    ops: set[Op] = set()
    for text in texts:
        d = sg.differentiate(sg.parse(text, vars={"A": ("n", "n"), "x": ("n",)}))
        ops |= {n.op for n in topological([d.output, *(x.node for x in d.derivatives.values() if x.node is not None)]) if not isinstance(n.data, Variable)}
    assert len(ops) > 20
    assert all(op.rule is None for op in ops if op.body is not None)


def test_a_wrong_derivative_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    net = sg.parse(TEXT)
    d = sg.differentiate(net)
    assert d["z"].node is not None
    wrong = dataclasses.replace(d["z"], node=scaled(d["z"].node, 2))
    assert not wrong.verify().ok and wrong.verify().max_error > 0.01 and "WRONG" in str(wrong.verify())
    whole = dataclasses.replace(d, derivatives={"z": wrong})
    assert not whole.verify().ok and set(whole.verify().by_name) == {"z"}
    assert not dataclasses.replace(d["z"], node=None).verify().ok              # a gradient said to be zero
    import symgrad.derivations
    import symgrad.outputs
    monkeypatch.setattr(symgrad.outputs, "differentiate", lambda *_: whole)
    monkeypatch.setattr(symgrad.derivations, "differentiate", lambda *_, **__: whole)
    for arguments in (["derive", "sum(z)", "--var", "z:K", "--json"], ["solve", "sum(z)", "--var", "z:K"]):
        assert main(arguments) == 1, arguments
        assert "symgrad: error" not in capsys.readouterr().err


def test_a_wrong_derivative_is_refused_at_every_seed() -> None:
    """Also where a draw saturates the functions, so that any gradient is nearly zero, as a wrong one is."""
    net = sg.parse("examples n = 1..N\ndata x[n] : vector(D)\ndata y[n] : scalar\nparam W : matrix(D, K)\nparam v : vector(K)\n"
                   "loss = sum[n]((y[n] - v'*tanh(W'*x[n]))^2)")
    d = sg.differentiate(net, "W")["W"]
    assert d.node is not None
    for factor in (2, -1):
        wrong = dataclasses.replace(d, node=scaled(d.node, factor))
        assert not any(wrong.verify(seed=seed).ok for seed in range(8))
