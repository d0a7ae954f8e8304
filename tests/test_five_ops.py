"""Five ops that people write down themselves, each from one index equation: first and second order, forms read back, numbers by hand."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import symgrad as sg

OPS: dict[str, tuple[str, str, list[str], dict[str, tuple[str, ...]], Callable[..., object]]] = {
    "trilinear form": ("trilinear(T, x, y, z)", "out = sum[i,j,k](T[i,j,k]*x[i]*y[j]*z[k])", [],
                       {"T": ("n", "m", "k"), "x": ("n",), "y": ("m",), "z": ("k",)},
                       lambda T, x, y, z: np.einsum("ijk,i,j,k", T, x, y, z)),
    "Mahalanobis distance": ("mahalanobis(x, c, M)", "out = sqrt(sum[i,j](d[i]*M[i,j]*d[j]))", ["d[i] = x[i] - c[i]"],
                             {"x": ("n",), "c": ("n",), "M": ("n", "n")}, lambda x, c, M: np.sqrt((x - c) @ M @ (x - c))),
    "Gaussian kernel matrix": ("kernel(X, Y)", "out[i,j] = exp(-sum[d]((X[i,d] - Y[j,d])^2)/2)", [], {"X": ("n", "d"), "Y": ("m", "d")},
                               lambda X, Y: np.exp(-((X[:, None] - Y[None]) ** 2).sum(-1) / 2)),
    "cosine similarity matrix": ("cosine(X, Y)", "out[i,j] = sum[d](X[i,d]*Y[j,d])/(u[i]*v[j])",
                                 ["u[i] = sqrt(sum[d](X[i,d]^2))", "v[j] = sqrt(sum[d](Y[j,d]^2))"], {"X": ("n", "d"), "Y": ("m", "d")},
                                 lambda X, Y: X @ Y.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Y, axis=1))),
    "Kalman gain": ("gain(P, h, r)", "out[i] = sum[j](P[i,j]*h[j])/(sum[j,k](h[j]*P[j,k]*h[k]) + r)", [],
                    {"P": ("n", "n"), "h": ("n",), "r": ()}, lambda P, h, r: P @ h / (h @ P @ h + r)),
}
SIZES = {"n": 2, "m": 3, "k": 4, "d": 2}


def network(name: str) -> tuple[sg.Graph, dict[str, np.ndarray]]:
    signature, equation, where, shapes, _ = OPS[name]
    op = sg.define(signature, equation, where=where)
    rng = np.random.default_rng(4)
    values = {k: rng.uniform(0.4, 1.2, size=[SIZES[s] for s in shape]) for k, shape in shapes.items()}
    facts = {"M": "psd"} if "M" in shapes else {}
    if facts:
        values["M"] = values["M"] @ values["M"].T + np.eye(2)
    return sg.parse(f"{signature.split('(')[0]}({', '.join(shapes)})", vars=shapes, facts=facts, ops=[op]), values


@pytest.mark.parametrize("name", OPS)
def test_value_jacobian_and_second_order(name: str) -> None:
    net, values = network(name)
    np.testing.assert_allclose(sg.evaluate(net, values), OPS[name][4](**values), rtol=1e-12)
    for variable in OPS[name][3]:
        d = sg.jacobian(net, wrt=variable)
        assert d.verify(values).ok and d.verify().ok
        assert str(d.index) and str(d.matrix)               # both read back by the gate
        second = sg.hessian(net, wrt=variable)
        assert second.verify(values).max_error < 1e-5, (name, variable)


def test_a_wrong_equation_is_noticed() -> None:
    signature, _, _, shapes, by_hand = OPS["Kalman gain"]
    wrong = sg.define(signature, "out[i] = sum[j](P[i,j]*h[j])/(sum[j,k](h[j]*P[k,k]*h[k]) + r)")
    net = sg.parse("gain(P, h, r)", vars=shapes, ops=[wrong])
    _, values = network("Kalman gain")
    assert not np.allclose(sg.evaluate(net, values), by_hand(**values))
