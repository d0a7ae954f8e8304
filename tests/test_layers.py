"""Every builder of sg.layers: values and all gradients against PyTorch at three unequal shapes, second order against differences."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from layer_table import ROWS, Row, drawn, loss_of, sizes_of

import symgrad as sg
from symgrad.run.differences import numeric_derivative

SEEDS = (1, 2, 3)
NEAR = 0.01                                                # steps short enough to cross no kink of a maximum
WITHOUT_ROW = {"Recurrence": "what rnn, lstm and gru return", "Repeated": "what repeat returns", "repeat": "takes a block: tests/test_repeat.py"}


def test_every_public_name_is_in_the_table() -> None:
    assert {r.builder for r in ROWS} == set(sg.layers.__all__) - WITHOUT_ROW.keys()
    assert len({str(r) for r in ROWS}) == len(ROWS)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_torch_agrees(row: Row, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    sizes = sizes_of(rng)
    node = row.build(sizes)
    loss, wrt = loss_of(node)
    values = drawn(loss, rng)
    tensors = {k: torch.tensor(v, requires_grad=k in wrt) for k, v in values.items()}
    answer = row.oracle(torch, SimpleNamespace(**tensors), sizes)
    np.testing.assert_allclose(sg.evaluate(node, {k: v for k, v in values.items() if k != "target"}), answer.detach().numpy(), rtol=1e-9, atol=1e-12)
    want = torch.autograd.grad(((answer - tensors["target"]) ** 2).sum(), [tensors[k] for k in wrt])
    d = sg.differentiate(loss, wrt)
    evaluated, (_, compiled) = d.evaluate(values), sg.compile(d)(**values)
    for k, gradient in zip(wrt, want, strict=True):
        scale = max(1.0, float(gradient.abs().max()))
        np.testing.assert_allclose(evaluated[k], gradient.numpy(), rtol=1e-9, atol=1e-11 * scale, err_msg=k)
        np.testing.assert_allclose(compiled[k], gradient.numpy(), rtol=1e-9, atol=1e-11 * scale, err_msg=f"{k}, compiled")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_second_order_agrees_with_differences(row: Row) -> None:
    rng = np.random.default_rng(4)
    loss, wrt = loss_of(row.build(sizes_of(rng)))
    values = drawn(loss, rng)
    for name in wrt:
        direction = rng.normal(size=values[name].shape)
        gradient = sg.differentiate(loss, name)[name]
        want = numeric_derivative(lambda t, d=gradient, n=name, v=direction: d.evaluate({**values, n: values[n] + NEAR * t * v}), np.zeros(())) / NEAR
        got = sg.hvp(loss, name).evaluate(values, **{f"{name}_dot": direction})
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * max(1.0, float(np.max(np.abs(want)))), err_msg=name)


@pytest.mark.parametrize("row", [r for r in ROWS if r.label != "of heads, 0-1 array"], ids=str)   # its mask holds numbers for all examples
def test_sizes_may_be_names(row: Row) -> None:
    rng = np.random.default_rng(5)
    numbers = sizes_of(rng)
    values = drawn(row.build(numbers), rng)
    named = row.build(SimpleNamespace(**{**vars(numbers), "N": "N", "K": "K"}))
    at = {"N": numbers.N, "K": numbers.K}
    assert tuple(at.get(str(s), s) for s in named.shape) == row.build(numbers).shape
    np.testing.assert_allclose(sg.evaluate(named, values), sg.evaluate(row.build(numbers), values), rtol=1e-12, atol=1e-14)
