"""Numbers in worked solutions: published ones, exact fractions, rounding only where they are shown, values to compute with by hand."""
from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.explain.values import array_math, easy_values, number
from symgrad.run.exact import exact_values
from symgrad.run.executor import execute

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RATIONAL = """examples n = 1..N
data x[n] : vector(D)
data y[n] : scalar
param W : matrix(D, K)
param v : vector(K)
z[n] = W' * x[n]
h[n] = relu(z[n])
yhat[n] = v' * h[n] / (1 + v' * v)
loss = mean[n]((y[n] - yhat[n])^2) + sum(v ./ (vector(1) + v.^2))"""


def told(solution: object) -> str:
    return " ".join(str(solution).split())


def test_the_network_of_matt_mazur() -> None:
    """Every number that he prints, in his digits: values, every intermediate gradient, the new weights for a step of 0.5."""
    net = sg.parse((EXAMPLES / "mazur.sg").read_text(encoding="utf-8"))
    values = json.loads((EXAMPLES / "mazur.json").read_text(encoding="utf-8"))
    text = told(sg.solve(net, values=values, digits=9, eta=0.5, picture=False))
    for name, numbers in {"net_h": "[0.3775, 0.3925]", "out_h": "[0.593269992, 0.596884378]", "out_o": "[0.75136507, 0.772928465]", "E": "0.298371109"}.items():
        assert re.search(rf"{name} .{{0,40}}{re.escape(numbers)}", text), name
    def shown(left: str) -> list[float]:
        found = re.search(rf"{re.escape(left)} ≈ (\[\[.*?\]\]|\[.*?\]|\S+)", text)
        assert found, left
        return [float(x) for x in re.findall(r"-?[\d.]+(?:e-?\d+)?", found.group(1))]
    assert shown("grad(E, out_o)") == pytest.approx([0.74136507, -0.217071535], abs=1e-9)
    assert shown("grad(E, net_o)") == pytest.approx([0.138498562, -0.0380982365], abs=1e-9)
    assert shown("grad(E, out_h)")[0] == pytest.approx(0.036350306, abs=1e-9)
    assert shown("grad(E, W2)")[0] == pytest.approx(0.082167041, abs=1e-9) and shown("grad(E, W1)")[0] == pytest.approx(0.000438568, abs=1e-9)
    assert shown("W2 - eta*grad(E, W2)") == pytest.approx([0.35891648, 0.408666186, 0.511301270, 0.561370121], abs=1e-9)
    assert shown("W1 - eta*grad(E, W1)") == pytest.approx([0.149780716, 0.19956143, 0.24975114, 0.29950229], abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_exact_values_are_fractions_and_those_of_the_executor(seed: int) -> None:
    """Over the whole graph of a rational network, forward and backward; at random decimals, sizes unequal."""
    net = sg.parse(RATIONAL)
    d = sg.differentiate(net)
    rng = np.random.default_rng(seed)
    values = {"x": rng.normal(size=(4, 3)).round(2), "y": rng.normal(size=4).round(2), "W": rng.normal(size=(3, 2)).round(2), "v": rng.normal(size=2).round(2)}
    nodes = [*net.nodes(), *d.sweep.cotangents.values()]
    trace = execute(nodes, values)
    exact = exact_values(nodes, values, trace.sizes)
    for n in nodes:
        assert all(type(x) is Fraction for x in exact[n].ravel())
        np.testing.assert_allclose(exact[n].astype(float), trace[n], rtol=1e-10, atol=1e-12)
    e = {k: [[Fraction(repr(float(a))) for a in row] if np.ndim(row) else Fraction(repr(float(row))) for row in np.asarray(v)] for k, v in values.items()}
    z = [[sum(e["x"][n][i] * e["W"][i][k] for i in range(3)) for k in range(2)] for n in range(4)]        # by hand, in fractions
    h = [[max(a, Fraction(0)) for a in row] for row in z]
    yhat = [sum(e["v"][k] * row[k] for k in range(2)) / (1 + sum(a * a for a in e["v"])) for row in h]
    loss = sum((a - b) ** 2 for a, b in zip(e["y"], yhat, strict=True)) / 4 + sum(a / (1 + a * a) for a in e["v"])
    assert exact[net.output].item() == loss


def test_what_leaves_the_rationals_is_a_float() -> None:
    net = sg.parse("param x : vector(n)\na = 3*x\nb = exp(a)\nc = sqrt(a)\nd = a.^3\nloss = sum(b + c + d)")
    values = {"x": [0.1, 0.7]}
    exact = exact_values(net.nodes(), values, {"n": 2})
    assert {n for n, v in net.names.items() if v in exact} == {"x", "a", "d"} and exact[net["a"]].tolist() == [Fraction(3, 10), Fraction(21, 10)]


def test_a_division_by_zero_is_left_to_floats() -> None:
    net = sg.parse("param x : scalar\n1/x")
    assert net.output not in exact_values([net.output], {"x": 0.0}, {})


def test_digits() -> None:
    assert number(Fraction(1, 3)) == ("1/3", True) and number(Fraction(1, 4)) == ("0.25", True) and number(Fraction(12345, 7)) == ("1764", False)
    assert number(0.000012345, 3) == ("1.23e-5", False) and number(-0.0) == ("0", False)
    third = np.array([Fraction(-2, 3), Fraction(5)], dtype=object)
    assert array_math(third)[0].tex == r"\begin{bmatrix} -\frac{2}{3} \\ 5 \end{bmatrix}" and array_math(third)[1]
    big, exact = array_math(np.arange(200.0).reshape(10, 20))
    assert not exact and big.notation.count("...") == 6 and big.notation.endswith("[180, 181, 182, 183, ..., 199]]")
    net = sg.parse("param x : vector(n)\nloss = sum(exp(x))")
    two, six = (told(sg.solve(net, values={"x": [0.3, -1.1]}, digits=k, picture=False)) for k in (2, 6))
    assert "≈ [1.3, 0.33]" in two and "≈ [1.34986, 0.332871]" in six


def test_generated_values_are_small_seeded_and_away_from_kinks() -> None:
    net = sg.parse(RATIONAL)
    one, again, other = (easy_values(net, s) for s in (5, 5, 6))
    assert all(np.array_equal(one[k], again[k]) for k in one) and any(not np.array_equal(one[k], other[k]) for k in one)
    for seed in range(30):
        values = easy_values(net, seed)
        assert all(np.all(np.abs(v) <= 4) and np.all(v * 4 == np.round(v * 4)) for v in values.values())
        assert np.all(execute([net["z"]], values)[net["z"]] != 0)
    facts = sg.parse("param A : matrix(n, n) spd\nparam B : matrix(n, n) symmetric\nparam p : vector(n) positive\nlogdet(A) + sum(log(p)) + tr(B)")
    found = easy_values(facts, 0)
    assert np.all(np.linalg.eigvalsh(found["A"]) > 0) and np.array_equal(found["B"], found["B"].T) and np.all(found["p"] > 0)
    logs = easy_values(sg.parse("param x : vector(n)\nsum(log(x))"), 0)
    assert np.all(logs["x"] > 0)


def test_a_solution_with_generated_values() -> None:
    """Unknown functions are taken for ones that stay rational, and the solution says so; every number is exact."""
    net = sg.parse((EXAMPLES / "two_hidden_layers.sg").read_text(encoding="utf-8"))
    text = told(sg.solve(net, values="generated", seed=3, eta=0.5, picture=False))
    assert "g(z) = relu(z)" in text and "l(y, yhat) = 1/2*(y - yhat)^2" in text and "W1 - eta*grad(loss, W1)" in text
    assert text == told(sg.solve(net, values="generated", seed=3, eta=0.5, picture=False))


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = sg.parse("param x : vector(n)\nloss = sum(x.^2)")
    with pytest.raises(sg.InputError, match="'generated'"):
        sg.solve(net, values="random")
    with pytest.raises(sg.InputError, match="from 1 to 15"):
        sg.solve(net, values="generated", digits=0)
    with pytest.raises(sg.InputError, match="give values"):
        sg.solve(net, eta=0.1)
    assert main(["solve", "sum(x.^2)", "--var", "x:n", "--values", "generated", "--eta", "0.25", "--out", str(tmp_path / "s.txt")]) == 0
    assert "x - eta*grad" in (tmp_path / "s.txt").read_text(encoding="utf-8")
    assert main(["solve", "sum(x.^2)", "--var", "x:n", "--digits", "0"]) == 2
    capsys.readouterr()
