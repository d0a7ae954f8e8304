"""Every op where numbers are special: exact zeros, kinks and values of a thousand."""
from __future__ import annotations

import re

import numpy as np
import pytest
from catalog import FUNCTIONS, Sample, samples
from test_ops import refuse, seeded
from witness import derivative_errors, distance, value

from symgrad.core import functions as scalar_functions
from symgrad.core.node import Node, topological, variable
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import map_function
from symgrad.ops.linalg import matrix_function

SAMPLES = samples()


SINGULAR = {
    "log", "sqrt", "norm2", "divide", "divide rows", "power -1", "power -2", "power", "powers", "base to powers",
    "inv", "logdet", "adj", "pinv", "det", "bce", "cross_entropy", "kl",
}
"""Ops without a derivative where an operand is all zeros; adj's, and so the second of det, is given for invertible matrices only."""


@pytest.mark.parametrize("sample", [s for s in SAMPLES if re.sub(" of .*| nn$| nm$| mn$", "", s.name) not in SINGULAR], ids=str)
def test_answers_are_finite_at_zero(sample: Sample) -> None:
    """A derivative written in terms of outputs never divides by an operand or a cotangent: 0/0 shows only at exact zeros."""
    rng = seeded(sample, 5)
    node, wrt = sample.node(), sample.variables()
    cotangent = variable("cotangent", node.shape)
    for zero in wrt:
        values = sample.values(rng)
        values[zero.name] = np.zeros_like(values[zero.name])
        for c in (np.zeros(value(node, values).shape), rng.normal(size=value(node, values).shape)):
            values["cotangent"] = c
            for v in wrt:
                for derivative in _orders(node, v, cotangent):
                    assert np.isfinite(value(derivative, values, node)).all(), (zero.name, derivative)


def test_a_determinants_gradient_at_a_singular_matrix() -> None:
    x = variable("x", ("n", "n"))
    gradient = reverse(matrix_function("det", x), [x]).results[x]
    assert gradient is not None
    assert distance(value(gradient, {"x": np.array([[1.0, 2.0], [2.0, 4.0]])}), np.array([[4.0, -2.0], [-2.0, 1.0]])) < 1e-13
    assert distance(value(gradient, {"x": np.zeros((3, 3))}), np.zeros((3, 3))) == 0.0


def _orders(node: Node, wrt: Node, cotangent: Node) -> list[Node]:
    first = reverse(node, [wrt], cotangent).results[wrt]
    second = reverse(first, [wrt]).results[wrt] if first is not None else None
    return [d for d in (first, second, reverse(node, [wrt]).results[wrt]) if d is not None]


NOT_SMOOTH = set("relu abs sign step leaky_relu elu selu norm1 divide power mae huber choose select larger smaller".split())
SMOOTH = [s for s in SAMPLES if not {"positive", "probability"} & set(s.kinds) and s.name.split(" ")[0] not in NOT_SMOOTH]


@pytest.mark.parametrize("sample", SMOOTH, ids=str)
def test_a_zero_entry_among_others(sample: Sample) -> None:
    """One entry is exactly 0: the derivative is still right wherever the op is smooth there."""
    rng = seeded(sample, 6)
    values = sample.values(rng)
    for a in values.values():
        if a.ndim and a.size > 2:
            a.flat[1] = 0.0
    refuse(derivative_errors(sample.node(), sample.variables(), values, rng, second=False))


OVERFLOWS = {"exp", "sinh", "cosh", "expm1", "log", "sqrt", "arcsin", "arccos", "log1p"}
"""Functions whose own value at 1000 or -1000 is no number."""


@pytest.mark.parametrize("name", [f for f in FUNCTIONS if f not in OVERFLOWS])
def test_functions_at_huge_values(name: str) -> None:
    x = variable("x", ("n",))
    node, values = map_function(name, x), {"x": np.array([-1000.0, -30.0, 0.0, 30.0, 1000.0])}
    for derivative in (node, *_orders(node, x, map_function("tanh", x))):
        assert np.isfinite(value(derivative, values, node)).all()


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.name.split(" ")[0] in {"softmax", "log_softmax", "logsumexp"}], ids=str)
def test_exponentials_at_huge_values(sample: Sample) -> None:
    rng = seeded(sample, 7)
    node, wrt = sample.node(), sample.variables()[0]
    moderate = sample.values(rng)
    for scale in (1000.0, -1000.0):
        values = {"x0": scale * moderate["x0"], "cotangent": rng.normal(size=value(node, moderate).shape)}
        for derivative in (node, *_orders(node, wrt, variable("cotangent", node.shape))):
            assert np.isfinite(value(derivative, values, node)).all()
        shifted = {**values, "x0": moderate["x0"] + scale}  # the same derivative: the ops are shift-invariant up to an offset
        for derivative in _orders(node, wrt, variable("cotangent", node.shape)):
            assert distance(value(derivative, shifted, node), value(derivative, {**values, **moderate}, node)) < 1e-9


SLOPES_AT_ZERO = {
    "relu": 0.0, "step": 0.0, "abs": 0.0, "sign": 0.0, "leaky_relu": 0.01, "elu": 1.0, "selu": 1.0507009873554805 * 1.6732632423543772,
}


@pytest.mark.parametrize(("name", "slope"), SLOPES_AT_ZERO.items())
def test_the_slope_at_a_kink_is_the_chosen_one(name: str, slope: float) -> None:
    x = variable("x", ("n",))
    gradient = reverse(map_function(name, x), [x]).results[x]
    got = 0.0 if gradient is None else value(gradient, {"x": np.zeros(1)}, x)[0, 0]
    assert got == pytest.approx(slope, rel=1e-15)


def test_the_kinks_are_all_listed() -> None:
    relu = scalar_functions.function_class("relu")
    kinked = {n for n in scalar_functions.EQUATIONS if scalar_functions.defined_equation(n).atoms(relu)}
    assert kinked | set(scalar_functions.KINKS) == SLOPES_AT_ZERO.keys() | {"hardtanh"}     # its kinks are at -1 and 1


def test_hardtanh_has_relus_slopes() -> None:
    x = variable("x", ("n",))
    jacobian = reverse(map_function("hardtanh", x), [x]).results[x]
    assert jacobian is not None
    assert np.diagonal(value(jacobian, {"x": np.array([-2.0, -1.0, 0.0, 1.0, 2.0])})).tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.name.startswith("form: ")], ids=str)
def test_a_textbook_form_becomes_the_op_that_does_not_overflow(sample: Sample) -> None:
    name = sample.name.removeprefix("form: ").split(",")[0].split(" ")[0]
    assert name in {n.op.name for n in topological([sample.node()])}
    flat = np.array([-1000.0, 0.0, 1000.0, 3.0])
    values = {"x0": flat if sample.shapes == ("n",) else flat.reshape(2, 2)}
    node = sample.node()
    for derivative in (node, *_orders(node, sample.variables()[0], variable("cotangent", node.shape))):
        cotangent = np.ones(value(node, values).shape)
        assert np.isfinite(value(derivative, {**values, "cotangent": cotangent}, node)).all()
