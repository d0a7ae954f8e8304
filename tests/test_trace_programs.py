"""Programs of our own through `sg.trace`: values to the last digits, gradients and Hessians against numeric ones, as programs too."""
from __future__ import annotations

import numpy as np
import pytest
from own_problems import OWN
from problems import Problem, function_of, namespace, rounded_error

import symgrad as sg
from symgrad.core.node import topological
from symgrad.run.differences import numeric_derivative

every = pytest.mark.parametrize("problem", OWN, ids=str)


def traced(problem: Problem) -> sg.Graph:
    return sg.trace(function_of(list(problem.lines), list(problem.inputs), "loss"), **problem.inputs)


def value_of(problem: Problem, inputs: dict[str, object]) -> np.ndarray:
    return np.asarray(namespace(["\n".join(problem.lines)], inputs)["loss"])


@every
def test_values_and_derivatives(problem: Problem) -> None:
    g, inputs = traced(problem), dict(problem.inputs)
    scale = 1 + abs(float(value_of(problem, inputs)))
    assert rounded_error(sg.evaluate(g, inputs, "loss"), value_of(problem, inputs)) < 1e-12 * scale
    d = sg.differentiate(g, wrt=problem.wrt, of="loss")
    gradients = d.evaluate(inputs)
    for name in problem.wrt:
        want = numeric_derivative(lambda a, name=name: value_of(problem, {**inputs, name: a}), np.asarray(inputs[name]))
        assert rounded_error(gradients[name], want) < 1e-7 * (1 + float(np.max(np.abs(want)))), name
    needed = {n.name for n in topological([g["loss"]])}
    value, compiled = sg.compile(d)(**{k: v for k, v in inputs.items() if k in needed})
    assert rounded_error(value, value_of(problem, inputs)) < 1e-12 * scale
    for name in problem.wrt:
        assert rounded_error(compiled[name], gradients[name]) < 1e-11 * (1 + float(np.max(np.abs(gradients[name])))), name


@pytest.mark.parametrize("problem", [p for p in OWN if p.hessian], ids=str)
def test_hessians(problem: Problem) -> None:
    g, inputs = traced(problem), dict(problem.inputs)
    for name in problem.hessian:
        gradient = sg.differentiate(g, wrt=name, of="loss")
        want = numeric_derivative(lambda a, name=name, gradient=gradient: gradient.evaluate({**inputs, name: a})[name], np.asarray(inputs[name]))
        got = sg.hessian(g, wrt=name, of="loss").evaluate(inputs)
        assert rounded_error(got, want) < 1e-6 * (1 + float(np.max(np.abs(want)))), name


def test_there_are_forty() -> None:
    assert len(OWN) >= 40 and len({p.name for p in OWN}) == len(OWN)
