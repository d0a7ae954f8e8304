"""The published problems in the notation: every listed value, gradient and Hessian to the digits given, and every listed mistake contradicted."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problems import HELPERS, PUBLISHED, inputs_of, namespace, rounded_error

import symgrad as sg
from symgrad.cli import main

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "problems"
PROBLEMS = {
    "two_neuron_chain": "nbis-two-neuron-chain", "relu_sigmoid": "zaki-meira-25-relu-sigmoid", "logistic_regression": "coursera-c1w2-logistic",
    "logistic_hessian": "bishop-logistic-hessian", "weight_decay": "d2l-backprop-l2", "distillation": "hinton-distillation",
    "per_example_norms": "goodfellow-per-example-norm", "layer_norm": "nemotron-layernorm-wrong", "batch_norm_identity": "santurkar-bn-identity",
    "recurrent": "cs231n-rnn-forward", "two_steps_in_time": "prachub-bptt-2-steps", "attention": "lynx-attention-wrong",
}
OTHERWISE: dict[str, Mapping[str, Callable[[dict[str, Any]], object]]] = {
    "logistic_regression": {"x": lambda s: s["X"].T, "y": lambda s: s["Y"][0]},
    "two_steps_in_time": {"x1": lambda s: s["x"][0], "x2": lambda s: s["x"][1], "y1": lambda s: s["t"][0], "y2": lambda s: s["t"][1]},
}
"""Where a name of the network is another array than that name of the published program: columns as rows, steps apart."""
every = pytest.mark.parametrize("name", PROBLEMS)


class Case:
    """One problem: the published program run on arrays, and the network with its values."""

    def __init__(self, name: str) -> None:
        self.problem = next(p for p in PUBLISHED if p["id"] == PROBLEMS[name])
        self.net = sg.parse((FOLDER / f"{name}.sg").read_text(encoding="utf-8"))
        self.values = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        inputs = inputs_of(self.problem)
        program = {**inputs, **namespace(self.problem["forward"], inputs)}
        self.program = {**program, **{k: f(program) for k, f in OTHERWISE.get(name, {}).items()}}
        expected = self.problem["expected"]
        targets = [*self.problem["wrt"], *self.problem["probes"], *expected["grads"], *expected["closed_form_code"]]
        self.wrt = [n for n in dict.fromkeys(targets) if n in self.net]
        self.gradients = sg.differentiate(self.net, wrt=self.wrt, of="loss").evaluate(self.values)

    def value(self, name: str) -> np.ndarray:
        return np.asarray(sg.evaluate(self.net, self.values, name))

    def run(self, text: str) -> Any:
        """A published line of code at the arrays, with our gradients for G."""
        return eval(text, {**HELPERS, **self.program, "G": self.gradients})


def within(got: object, want: Mapping[str, Any]) -> bool:
    return rounded_error(got, want["v"]) <= 0.51 * 10.0 ** -want["dp"]


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: Case(name) for name in PROBLEMS}


def test_there_is_a_network_and_its_values_for_each() -> None:
    assert {p.stem for p in FOLDER.glob("*.sg")} == {p.stem for p in FOLDER.glob("*.json")} == set(PROBLEMS)
    for path in FOLDER.glob("*.sg"):
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        assert head[0].startswith("# ") and head[1].startswith("# Question: "), path.name


@every
def test_the_network_computes_what_the_published_program_does(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    assert "loss" in case.net and set(case.values) <= set(case.program)
    for n, value in case.values.items():
        assert rounded_error(value, case.program[n]) == 0.0, n
    for n in [n for n in case.net.names if n in case.program and n not in case.values]:
        assert rounded_error(case.value(n), case.program[n]) < 1e-11, n


@every
def test_values_and_gradients_to_the_digits_given(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    expected = case.problem["expected"]
    assert set(case.problem["wrt"]) <= {*case.wrt}
    for n, value in expected["values"].items():
        assert within(case.value(n), value), n
    for n, value in expected["grads"].items():
        assert within(case.gradients[n], value), n
    for n, text in expected["closed_form_code"].items():
        assert rounded_error(case.gradients[n], case.run(text)) < 1e-9, n
    for n, derived in expected["derived"].items():
        assert within(case.run(derived["expr"]), derived), n
    for n, text in expected.get("hessian_code", {}).items():
        hessian = sg.hessian(case.net, wrt=n)
        assert rounded_error(hessian.evaluate(case.values), case.run(text)) < 1e-10 and hessian.verify().ok, n


@every
def test_published_mistakes_are_contradicted(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    said = 0
    for error in case.problem.get("published_errors", []):
        target, wrong = error["target"], error["published"]
        if error["kind"] in ("code", "value_code"):
            wrong = {"v": case.run(wrong), "dp": 6}
        elif error["kind"] not in ("number", "value"):
            continue
        right = case.value(target) if error["kind"].startswith("value") else case.gradients[target]
        assert not within(right, wrong), target
        said += 1
    assert (said > 0) == (not case.problem["published_correct"])


@every
def test_derivatives_verify_and_the_solution_is_written(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    assert sg.differentiate(case.net, wrt=case.wrt).verify(seed=1).ok
    solution = sg.solve(case.net, wrt=case.problem["wrt"], values=case.values)
    assert solution.report.ok
    page = solution.save(tmp_path / "solution.html").read_text(encoding="utf-8")
    assert "checked" in page and page.count("<math") > 5


@every
def test_the_command_line_has_the_same_numbers(name: str, cases: dict[str, Case], capsys: pytest.CaptureFixture[str]) -> None:
    case = cases[name]
    wrt = case.problem["wrt"]
    assert main(["run", str(FOLDER / f"{name}.sg"), "--values", str(FOLDER / f"{name}.json"), "--wrt", ",".join(wrt), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.isclose(found["value"], case.program["loss"], rtol=1e-11)
    for n in wrt:
        assert np.allclose(found["derivatives"][n], case.gradients[n], rtol=1e-12)


# ---------------------------------------------------------------------- what else the sources say
def test_distillation_at_high_temperature(cases: dict[str, Case]) -> None:
    """For logits of mean zero the gradient tends to (z - v)/(K*T^2)."""
    case = cases["distillation"]
    z, v = (np.array(case.values[k]) - np.mean(case.values[k]) for k in ("z", "v"))
    for t, tolerance in ((1e2, 2e-2), (1e4, 2e-4)):
        found = sg.differentiate(case.net).evaluate({"z": z, "v": v, "T": t})["z"] * len(z) * t**2
        assert np.max(np.abs(found - (z - v))) < tolerance


def test_goodfellows_norms(cases: dict[str, Case]) -> None:
    case = cases["per_example_norms"]
    norms = sg.per_example(case.net)["W"].squared_norms
    h, z = np.array(case.values["H"]), case.value("Zb")
    assert np.allclose(norms.evaluate(case.values), (h**2).sum(1) * (z**2).sum(1), rtol=1e-12)
    assert str(norms.index) == "D[n] = sum[d](H[n,d]^2)*sum[k](Zb[n,k]^2)"
    assert norms.verify(case.values).ok


def test_santurkars_bound(cases: dict[str, Case]) -> None:
    """What batch norm takes away is never negative."""
    g = cases["batch_norm_identity"].gradients
    scale = float(cases["batch_norm_identity"].value("gamma") / cases["batch_norm_identity"].value("s")) ** 2
    assert (g["y"]**2).sum() < scale * (g["z"]**2).sum()


def test_a_recurrence_takes_its_start_once(cases: dict[str, Case]) -> None:
    """`h[n, 0] = h0[n]` is the parameter h0 by another name, not a second parameter."""
    assert cases["recurrent"].net.params == ["h0", "Wx", "Wh", "b"]


def test_the_layer_is_the_attention_of_the_course(cases: dict[str, Case]) -> None:
    case = cases["attention"]
    layer = case.net.parse("attention(X/2, X/2, X)")
    assert np.allclose(sg.evaluate(layer, case.values), case.value("A"), rtol=1e-14)


def test_an_arrow_shows_the_derivative_along_it_alone() -> None:
    """By Wx, a2 = Wx*x2 + Wh*h1 moves along two ways: the arrow between them is x2, the way through h1 has arrows of its own."""
    net = sg.parse((FOLDER / "two_steps_in_time.sg").read_text(encoding="utf-8"))
    arrows = sg.draw(sg.differentiate(net, wrt=["Wx"])).diagram.arrows
    shown = [a.text for a in arrows if a.kind == "backward"]
    assert "jac(a2, Wx) = x2" in shown and "jac(a2, h1) = Wh" in shown and "jac(h1, a1) = 1 - h1^2" in shown


def test_a_start_by_another_name_stands_once_in_the_table(cases: dict[str, Case]) -> None:
    text = str(sg.solve(cases["recurrent"].net, wrt="Wh", picture=False))
    assert len([line for line in text.splitlines() if "parameter" in line]) == 4


def test_no_minus_zero_is_printed() -> None:
    net = sg.parse("data x : vector(D)\ny = -x\nloss = norm2(y)^2")
    text = str(sg.solve(net, wrt="x", values={"x": [0.0, 1.0]}, picture=False))
    assert "[0, -1]" in text and "-0" not in text.split("The check")[0]
