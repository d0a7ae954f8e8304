"""Marking: verdicts on every line of a derivation, follow-through, layouts, shapes, facts, what cannot be decided."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problems import HELPERS, function_of, inputs_of

import symgrad as sg
from symgrad.cli import main
from symgrad.marking.verdict import PATTERNS

MISTAKES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "student_mistakes.json").read_text())["mistakes"]
CAUSES = {
    "error-sign": ("sign", ()), "grad-instead-of-weight": ("wrong operand", ("dW2", "W2")), "relu-mask-from-upstream": ("wrong mask", ("Z", "dH")),
    "mse-without-sigmoid-prime": ("missing factor", ("sigmoid",)), "ln-gain-outside-mean": ("missing path", ("w ", "constant")),
    "rnn-longest-path-only": ("missing path", ("h2", "h3")), "conv-bias-one-position": ("mean for sum", ("1/9",)),
    "dropout-mask-not-reused": ("wrong mask", ("m ",)), "inverse-derivative": ("transposed", ("order",)), "seed-gradient-layout-update": ("layout", ()),
}
"""The pattern and the words that name the listed cause."""
NET = """
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param W : matrix(D, K)
param U : matrix(K, K)
param v : vector(K)
z[n]    = W' * x[n]
h[n]    = sigmoid(z[n])
u[n]    = U * h[n]
yhat[n] = v' * u[n]
loss    = 1/2 * sum[n]((y[n] - yhat[n])^2)
"""


@pytest.fixture(scope="module")
def net() -> sg.Graph:
    return sg.parse(NET)


def only(net: sg.Graph, line: str) -> sg.Verdict:
    (verdict,) = sg.check_steps(net, line)
    assert verdict.pattern in {*PATTERNS, ""}
    return verdict


def code(text: str) -> Callable[..., object]:
    return lambda **names: eval(text, {**HELPERS, **names})


def program(case: dict[str, Any]) -> sg.Graph:
    names = dict.fromkeys(line.split("=")[0].strip() for line in case["forward"])
    inputs = inputs_of(case)
    return sg.trace(function_of(case["forward"], list(inputs), "dict(" + ", ".join(f"{n}={n}" for n in names) + ")"), **inputs)


@pytest.mark.parametrize("case", MISTAKES, ids=lambda c: c["id"])
def test_published_mistakes(case: dict[str, Any]) -> None:
    """Verdicts of every step; the listed cause; with the corrected rules in their place every line is right."""
    steps = case["steps"]
    graph = program(case)
    verdicts = sg.check_steps(graph, [(s["id"], s["of"], code(s["code"])) for s in steps])
    assert [v.verdict for v in verdicts] == [s["verdict"] for s in steps]
    wrong = next(v for v in verdicts if v.verdict == "wrong")
    pattern, words = CAUSES[case["id"]]
    assert wrong.pattern == pattern
    assert wrong.correct
    assert all(w in wrong.message for w in words), wrong.message
    assert all(v.verdict == "ok" for v in sg.check_steps(graph, [(s["id"], s["of"], code(s.get("right_code", s["code"]))) for s in steps]))


@pytest.mark.parametrize("case", [c for c in MISTAKES if "constant" in c["invisible_when"]], ids=lambda c: c["id"])
def test_what_hides_a_mistake_is_said(case: dict[str, Any]) -> None:
    wrong = next(v for v in sg.check_steps(program(case), [(s["id"], s["of"], code(s["code"])) for s in case["steps"]]) if v.verdict == "wrong")
    assert "w constant" in wrong.message


RIGHT = [
    "grad(loss, yhat)[n] = -(y[n] - yhat[n])", "grad(loss, yhat) = yhat - y", "grad(loss, yhat[n]) = yhat[n] - y[n]",
    "grad(loss, v) = u' * (yhat - y)", "grad(loss, v)[k] = sum[n]((yhat[n] - y[n]) * u[n,k])", "grad(loss, u) = (yhat - y) * v'",
    "grad(loss, h)[n] = U' * v * (yhat[n] - y[n])", "grad(loss, U) = sum[n]((yhat[n] - y[n]) * v * h[n]')",
    "grad(loss, z)[n,k] = (yhat[n] - y[n]) * sum[j](U[j,k]*v[j]) * h[n,k] * (1 - h[n,k])", "grad(loss, z) = ((yhat - y)*v'*U) .* sigmoid'(z)",
    "grad(loss, W) = x' * (((yhat - y)*(U'*v)') .* (h - h.^2))", "grad(loss, W)[d,k] = sum[n](x[n,d] * grad(loss, z)[n,k])",
    "grad(loss, U)[j,k] = v[j] * sum[n]((yhat[n] - y[n]) * h[n,k])", "jac(yhat, v) = u",
]


@pytest.mark.parametrize("line", RIGHT)
def test_equivalent_forms_are_right(net: sg.Graph, line: str) -> None:
    assert only(net, line).verdict == "ok"


WRONG = [
    ("grad(loss, yhat) = y - yhat", "sign"), ("grad(loss, yhat) = 2*(yhat - y)", "factor"), ("grad(loss, v) = u' * (yhat - y) / N", "mean for sum"),
    ("grad(loss, v) = -u' * yhat", "missing term"), ("grad(loss, h)[n] = U * v * (yhat[n] - y[n])", "transposed"),
    ("grad(loss, U) = sum[n]((yhat[n] - y[n]) * h[n] * v')", "layout"), ("grad(loss, u)[n] = (yhat[n] - y[n]) * v'", "layout"),
    ("grad(loss, z) = (yhat - y)*v'*U", "missing factor"), ("grad(loss, z) = ((yhat - y)*v'*U) .* sigmoid'(h)", "wrong point"),
    ("grad(loss, v) = h' * (yhat - y)", "wrong operand"), ("grad(loss, u)[n] = v", "upstream lost"),
    ("grad(loss, z) = ((yhat - y)*v'*U) .* (h + h.^2)", "sign"), ("grad(loss, v) = u' * (yhat - y) + v", "extra term"),
    ("grad(loss, yhat) = yhat - y + x*W*v", "off path"), ("grad(loss, U)[j,k] = v[k] * sum[n]((yhat[n] - y[n]) * h[n,j])", "layout"),
    ("grad(loss, U)[j,k] = v[j] * sum[n]((yhat[n] - y[n]) * h[n,j])", "wrong index"), ("grad(loss, W) = W*x", "shape"),
    ("grad(loss, W) = (x * (((yhat - y)*(U'*v)') .* (h - h.^2))", "parse"), ("grad(loss, v) = u * (yhat - y)", "transposed"),
    ("grad(loss, h)[n,k] = sum[j](U[j,i]*v[j]) * (yhat[n] - y[n])", "wrong index"),
]


@pytest.mark.parametrize(("line", "pattern"), WRONG)
def test_a_wrong_line_is_named(net: sg.Graph, line: str, pattern: str) -> None:
    if pattern == "parse":
        with pytest.raises(sg.NotationError):
            only(net, line)
        return
    verdict = only(net, line)
    assert (verdict.verdict, verdict.pattern) == ("wrong", pattern)
    assert verdict.message
    (again,) = sg.check_steps(net, verdict.correct)
    assert again.verdict == "ok", verdict.correct


def test_later_lines_get_credit_and_cancelling_errors_do_not(net: sg.Graph) -> None:
    lines = """
    grad(loss, yhat)[n] = y[n] - yhat[n]
    grad(loss, u)[n]    = grad(loss, yhat)[n] * v
    e[n]                = 2*grad(loss, u)[n]
    grad(loss, h)[n]    = U' * e[n] / 2
    grad(loss, v)       = -sum[n](grad(loss, yhat)[n] * u[n])
    grad(loss, U)       = sum[n]((yhat[n] - y[n]) * v * h[n]')
    """
    verdicts = sg.check_steps(net, lines)
    assert [v.verdict for v in verdicts] == ["wrong", "follows", "ok", "follows", "wrong", "ok"]
    assert verdicts[4].pattern == "sign"                   # the two signs cancel, and the line is wrong all the same


def test_the_correct_line_is_in_the_students_names(net: sg.Graph) -> None:
    verdict = sg.check_steps(net, "grad(loss, u) = (yhat - y)*v'\ngrad(loss, h) = grad(loss, u)*U'")[1]
    assert (verdict.pattern, verdict.correct) == ("transposed", "grad(loss, h) = grad(loss, u)*U")
    assert "symmetric U" in verdict.message


def test_one_claim_by_text_and_function() -> None:
    net = sg.parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")})
    assert sg.check(net, "x", "(A + A')*x").verdict == "ok"
    assert sg.check(net, "x", "D[i] = A[i,j]*x[j] + A[j,i]*x[j]").verdict == "ok"
    assert sg.check(net, "x", lambda A, x: A @ x + A.T @ x).verdict == "ok"
    wrong = sg.check(net, "x", lambda A, x: 2 * A @ x)
    assert wrong.verdict == "wrong"
    assert wrong.counterexample is not None
    got = wrong.counterexample
    assert not np.allclose(2 * got.values["A"] @ got.values["x"], got.truth)
    assert np.allclose(got.claimed, 2 * got.values["A"] @ got.values["x"])
    assert sg.check(sg.parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")}, facts={"A": "symmetric"}), "x", "2*A*x").verdict == "ok"


def test_layouts() -> None:
    net = sg.parse("sum(tanh(A*B))", vars={"A": ("m", "k"), "B": ("k", "n")})
    right, turned = "(1 - tanh(A*B).^2 )*B'".replace("1", "ones(m,n)"), "B*(ones(n,m) - tanh(A*B)'.^2)"
    assert sg.check(net, "A", right).verdict == "ok"
    assert sg.check(net, "A", turned).pattern == "layout"
    assert "numerator" in sg.check(net, "A", turned).message
    assert sg.check(net, "A", turned, layout="numerator").verdict == "ok"


def test_what_the_arrays_of_a_trace_tell() -> None:
    """p - y is right for a one-hot y only, and then it is right."""
    rng = np.random.default_rng(3)
    def forward(x: Any, W: Any, y: Any) -> dict[str, Any]:
        z = x @ W
        p = sg.softmax(z)
        return {"z": z, "p": p, "loss": -np.sum(y * np.log(p))}
    claims = [("dz", "z", lambda p, y: p - y), ("dW", "W", lambda x, dz: x.T @ dz)]
    hot = sg.trace(forward, x=rng.normal(size=(5, 3)), W=rng.normal(size=(3, 4)), y=np.eye(4)[[0, 1, 3, 3, 2]])
    found = sg.check_steps(hot, claims)
    assert [v.verdict for v in found] == ["ok", "ok"]
    assert "one-hot" in found[0].message
    other = sg.trace(forward, x=rng.normal(size=(5, 3)), W=rng.normal(size=(3, 4)), y=rng.normal(size=(5, 4)))
    assert [v.verdict for v in sg.check_steps(other, claims)] == ["wrong", "follows"]


def test_what_cannot_be_decided_is_said(net: sg.Graph) -> None:
    def broken(**names: Any) -> object:
        raise ValueError("no value here")
    (verdict,) = sg.check_steps(net, [("dv", "v", broken)])
    assert verdict.verdict == "unclear"
    assert "no value here" in verdict.message


def test_bad_input_is_said(net: sg.Graph) -> None:
    for claims, words in ((("grad(loss, q) = 1"), "q is not declared"), ([("dv", "nothing", "v")], "nothing"), ([("dv", "v", 3)], "text or a function"),
                          ("z[n] = 2*x[n]", "already"), ([("dv", "v")], "(name, quantity or None, claim)")):
        with pytest.raises(sg.InputError, match=r"(?s).*") as caught:
            sg.check_steps(net, claims)
        assert words in str(caught.value)
    with pytest.raises(sg.InputError, match="what the claim is about"):
        sg.check(net, claim="D[k] = 1")


def test_the_same_seed_gives_the_same_verdict(net: sg.Graph) -> None:
    assert [str(v) for v in sg.check_steps(net, WRONG[3][0])] == [str(v) for v in sg.check_steps(net, WRONG[3][0])]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.sg").write_text(NET)
    (tmp_path / "good.txt").write_text("\n".join(RIGHT[:4]))
    (tmp_path / "bad.txt").write_text(WRONG[0][0])
    assert main(["check", str(tmp_path / "net.sg"), str(tmp_path / "good.txt")]) == 0
    assert main(["check", str(tmp_path / "net.sg"), str(tmp_path / "bad.txt"), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out.partition("[\n")[2].join(("[\n", "")))
    assert [r["pattern"] for r in rows] == ["sign"]
    assert main(["check", str(tmp_path / "net.sg"), "grad(loss, v) = "]) == 2
    assert main(["check", str(tmp_path / "net.sg")]) == 2


def test_rational_formulas_are_decided_in_fractions() -> None:
    """A difference far below the rounding of floating point is one, where both sides are fractions."""
    net = sg.parse("data x : vector(D)\ndata y : scalar\nparam w : vector(D)\nloss = (w'*x - y)^2")
    for extra, verdict in (("", "ok"), (" + 1e-20*x", "wrong"), (" + 1e-13*x", "wrong"), (" + x - x", "ok")):
        assert sg.check(net, wrt="w", claim=f"grad(loss, w) = 2*(w'*x - y)*x{extra}").verdict == verdict, extra
