"""Every published problem through `sg.trace`: the listed values, gradients of inputs and probes, closed forms, Hessians."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from problems import HELPERS, PUBLISHED, function_of, inputs_of, namespace, rounded_error

import symgrad as sg
from symgrad.core.node import topological
from symgrad.run.differences import numeric_derivative

problems = pytest.mark.parametrize("problem", PUBLISHED, ids=lambda p: p["id"])
ways = pytest.mark.parametrize("way", ["locals", "dict"])


def assigned(problem: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(line.split("=")[0].strip() for line in problem["forward"]))


def traced(problem: dict[str, Any], way: str) -> tuple[sg.Graph, dict[str, np.ndarray]]:
    inputs = inputs_of(problem)
    names = assigned(problem)
    returned = "loss" if way == "locals" else "dict(" + ", ".join(f"{n}={n}" for n in names) + ")"
    return sg.trace(function_of(problem["forward"], list(inputs), returned), **inputs), inputs


def below(g: sg.Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v for k, v in inputs.items() if k in g.variables()}


@problems
@ways
def test_values_and_gradients(problem: dict[str, Any], way: str) -> None:
    g, inputs = traced(problem, way)
    arrays = namespace(problem["forward"], inputs)
    given = below(g, inputs)
    expected = problem["expected"]
    probes = [p for p in {*problem["probes"], *expected["grads"]} if p in g]
    assert set(problem["probes"]) <= set(probes)
    for name, value in expected["values"].items():
        if name in g:
            got = sg.evaluate(g, given, name)
            assert rounded_error(got, value["v"]) <= 0.51 * 10.0 ** -value["dp"], name
    for name in [n for n in assigned(problem) if n in g]:
        assert rounded_error(sg.evaluate(g, given, name), arrays[name]) < 1e-12 * max(1.0, float(np.max(np.abs(arrays[name])))), name
    wrt = list(dict.fromkeys([*problem["wrt"], *probes]))
    gradients = sg.differentiate(g, wrt=wrt, of="loss").evaluate(given)
    for name, value in expected["grads"].items():
        assert rounded_error(gradients[name], value["v"]) <= 0.51 * 10.0 ** -value["dp"], name
    space = {**HELPERS, **arrays, "G": gradients}
    for name, text in expected["closed_form_code"].items():
        if name in gradients:
            assert rounded_error(gradients[name], eval(text, dict(space))) < 1e-8, name
    for name, derived in expected["derived"].items():
        assert rounded_error(eval(derived["expr"], dict(space)), derived["v"]) <= 0.51 * 10.0 ** -derived["dp"], name
    for name, text in expected.get("hessian_code", {}).items():
        assert rounded_error(sg.hessian(g, wrt=name, of="loss").evaluate(given), eval(text, dict(space))) < 1e-8, name


@problems
def test_gradients_equal_numeric_ones(problem: dict[str, Any]) -> None:
    g, inputs = traced(problem, "locals")
    given = below(g, inputs)
    gradients = sg.differentiate(g, wrt=problem["wrt"], of="loss").evaluate(given)
    for name in problem["wrt"]:
        def loss(x: np.ndarray, name: str = name) -> np.ndarray:
            return np.asarray(namespace(problem["forward"], {**inputs, name: x})["loss"])
        want = numeric_derivative(loss, inputs[name])
        assert rounded_error(gradients[name], want) < max(1e-7, problem.get("fd_tol", 0.0)) * (1 + float(np.max(np.abs(want)))), name


@problems
def test_where_the_source_is_wrong_the_trace_is_right(problem: dict[str, Any]) -> None:
    """A published wrong number differs from what the trace gives, to the published digits."""
    g, inputs = traced(problem, "locals")
    given = below(g, inputs)
    arrays = namespace(problem["forward"], inputs)
    for error in problem.get("published_errors", []):
        name = error["target"]
        if name not in g:
            continue
        space = {**HELPERS, **arrays}
        if error["kind"] == "number":
            wrong, right = error["published"], sg.differentiate(g, wrt=[name], of="loss").evaluate(given)[name]
        elif error["kind"] == "value":
            wrong, right = error["published"], sg.evaluate(g, given, name)
        elif error["kind"] == "code":
            wrong = {"v": eval(error["published"], space), "dp": 6}
            right = sg.differentiate(g, wrt=[name], of="loss").evaluate(given)[name]
        else:
            continue
        assert rounded_error(right, wrong["v"]) > 0.51 * 10.0 ** -wrong["dp"], name


@problems
def test_programs_compute_the_same(problem: dict[str, Any]) -> None:
    g, inputs = traced(problem, "locals")
    given = below(g, inputs)
    d = sg.differentiate(g, wrt=problem["wrt"], of="loss")
    needed = {n.name for n in topological([g["loss"]])}
    value, gradients = sg.compile(d)(**{k: v for k, v in given.items() if k in needed})
    assert rounded_error(value, sg.evaluate(g, given)) < 1e-12 * (1 + abs(float(value)))
    for name, want in d.evaluate(given).items():
        assert rounded_error(gradients[name], want) < 1e-11 * (1 + float(np.max(np.abs(want)))), name
