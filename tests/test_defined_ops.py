"""A user's op is an op like any other: five views, values, a check, code, a worked solution, from its equation alone."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import symgrad as sg


@dataclass(frozen=True)
class Own:
    """An op by its text, the network that uses it, and the network's value by NumPy."""

    signature: str
    equation: str
    where: str
    network: str
    value: Callable[..., float]


def swish(x: np.ndarray, beta: float) -> np.ndarray:
    return x / (1 + np.exp(-beta * x))


OPS = {
    "bilinear": Own("bilinear(x, W, y)", "out[i] = sum[j,k](x[j]*W[i,j,k]*y[k])", "",
                    "param x : vector(a)\nparam W : tensor(m, a, b)\nparam y : vector(b)\nloss = norm2(bilinear(x, W, y))^2",
                    lambda x, W, y: np.sum(np.einsum("j,ijk,k->i", x, W, y) ** 2)),
    "gate": Own("gate(x, y)", "out[i] = x[i]*tanh(y[i])", "", "param x, y : vector(n)\nh = gate(x, y)\nloss = sum(h .* h)", lambda x, y: np.sum((x * np.tanh(y)) ** 2)),
    "swish": Own("swish(x, beta)", "out[i] = x[i]/(1 + exp(-beta*x[i]))", "", "param x : vector(n)\nparam beta : scalar\nh = swish(x, beta)\nloss = sum(h)",
                 lambda x, beta: np.sum(swish(x, beta))),
    "standard": Own("standard(x)", "out[i] = d[i]/s", "d[i] = x[i] - mean[j](x[j]); s = sqrt(mean[j](d[j]^2) + 1)",
                    "param x : vector(n)\nh = standard(x)\nloss = sum(h .* h .* h)",
                    lambda x: np.sum(((x - x.mean()) / np.sqrt(x.var() + 1)) ** 3)),
    "energy": Own("energy(x, A)", "out = sum[i,j](x[i]*A[i,j]*x[j])/2 + log(1 + sum[i](x[i]^2))", "",
                  "param x : vector(n)\nparam A : matrix(n, n)\nloss = energy(x, A)", lambda x, A: x @ A @ x / 2 + np.log(1 + x @ x)),
}


def graph(own: Own) -> sg.Graph:
    return sg.parse(own.network, ops=[sg.define(own.signature, own.equation, where=own.where.split("; ") if own.where else ())])


def drawn(net: sg.Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    numbers = {s: k + 3 for k, s in enumerate(net.size_names())}
    return {k: rng.normal(size=[numbers[str(s)] for s in n.shape]) for k, n in net.variables().items()}


@pytest.mark.parametrize("name", OPS)
def test_everything_follows_from_the_equation(name: str, tmp_path: object) -> None:
    own = OPS[name]
    net = graph(own)
    values = drawn(net)
    np.testing.assert_allclose(sg.evaluate(net, values), own.value(**values))
    d = sg.differentiate(net)
    assert d.verify().ok
    _, compiled = sg.compile(d)(**values)
    for by in d:
        expected = np.zeros(values[by].shape)
        for place in np.ndindex(*expected.shape):
            e = np.zeros(expected.shape)
            e[place] = 1e-4
            f = [own.value(**{**values, by: values[by] + k * e}) for k in (-2, -1, 1, 2)]
            expected[place] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / 12e-4
        np.testing.assert_allclose(d[by].evaluate(values), expected, atol=1e-7)
        np.testing.assert_allclose(compiled[by], expected, atol=1e-7)
        for view in (d[by].matrix, d[by].index, d[by].chain, d[by].jacobian):
            back = sg.evaluate(net.parse(str(view)), values)
            np.testing.assert_allclose(back.reshape(expected.shape), expected, atol=1e-7, err_msg=str(view))
            assert view.latex()
        assert "return" in d[by].code()
        assert sg.hessian(net, wrt=by).verify().ok
    solution = sg.solve(net)
    text = str(solution)
    assert solution.report.ok and name in text and "checked: largest difference" in text


@pytest.mark.parametrize("name", OPS)
def test_the_same_op_as_a_line_of_text(name: str) -> None:
    own = OPS[name]
    line = f"op {own.signature}: {own.equation}" + (f"\nwhere {own.where}" if own.where else "")
    in_text = sg.parse(f"{line}\n{own.network}")
    first, second = sg.differentiate(in_text), sg.differentiate(graph(own))
    assert str(first) == str(second) and first.verify().ok


def test_an_op_is_called_on_nodes() -> None:
    bilinear = sg.define("bilinear(x, W, y)", "out[i] = sum[j,k](x[j]*W[i,j,k]*y[k])")
    x, W, y = sg.param("x", "a"), sg.param("W", "m", "a", "b"), sg.param("y", "b")
    net = sg.graph(h=bilinear(x, W, y))
    J = sg.jacobian(net, wrt="y")
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=2), "W": rng.normal(size=(3, 2, 4)), "y": rng.normal(size=4)}
    np.testing.assert_allclose(J.evaluate(values), np.einsum("j,ijk->ik", values["x"], values["W"]))
    with pytest.raises(sg.ShapeError, match="bilinear"):
        bilinear(x, y)


@pytest.mark.parametrize(("signature", "equation", "part"), [
    ("f(x)", "out[i] = y[i]", "y is no operand"), ("f(x)", "out[i] = x[i]*x[j]", "bound by nothing"), ("f(x)", "out[i] = x[i] + x[i,i]", "indices"),
    ("f(x)", "out[i] = max[j](x[j])", "no index equation"), ("f(x", "out = x", ""), ("f(x)", "out[i] = ", ""), ("f(x)", "__import__", ""),
])
def test_what_is_no_op(signature: str, equation: str, part: str) -> None:
    with pytest.raises(sg.InputError) as caught:
        sg.define(signature, equation)
    assert part in str(caught.value)
