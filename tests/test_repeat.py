"""sg.layers.repeat and recurrent layers as families: the same values as layers written out, gradients said once."""
from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg

L = sg.layers


def net(layers: int) -> sg.Graph:
    x = sg.data("x", "N", "K")
    h = L.repeat(lambda h, W, b: h + np.tanh(h @ W + b), layers, x, W=("K", "K"), b=("K",))
    return sg.graph(h=h, loss=L.mse(sg.data("y", "N", "K"), h.last))


def test_the_family_is_the_layers_one_after_the_other() -> None:
    g = net(5)
    assert g.params == ["W", "b"] and g.shapes == {"W": (5, "K", "K"), "b": (5, "K")}
    rng = np.random.default_rng(0)
    v = {"x": rng.normal(size=(4, 3)), "y": rng.normal(size=(4, 3)), "W": rng.normal(size=(5, 3, 3)), "b": rng.normal(size=(5, 3))}
    h = v["x"]
    for k in range(5):
        h = h + np.tanh(h @ v["W"][k] + v["b"][k])
        np.testing.assert_allclose(sg.evaluate(g, v, of=f"h_{k + 1}"), h)
        np.testing.assert_allclose(sg.evaluate(g, v, of="h")[k], h)
    np.testing.assert_allclose(sg.evaluate(g, v), np.mean((v["y"] - h) ** 2))
    d = sg.differentiate(g)
    assert d.verify(v).ok


def test_gradients_are_said_once_whatever_the_depth() -> None:
    texts = []
    for layers in (6, 60):
        g = net(layers)
        form = sg.differentiate(g)["W"].index
        assert "said once" in form.note
        texts.append(form.text.replace(str(layers), "L"))
        rng = np.random.default_rng(1)
        v = {"x": rng.normal(size=(4, 3)), "y": rng.normal(size=(4, 3)), "W": 0.3 * rng.normal(size=(layers, 3, 3)), "b": rng.normal(size=(layers, 3))}
        np.testing.assert_allclose(sg.evaluate(g, v, of=g.parse(form.text)), sg.differentiate(g).evaluate(v)["W"], rtol=1e-9, atol=1e-12)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("layer", "inside"), [(L.rnn, ""), (L.lstm, "ifgo"), (L.gru, "rzn")])
def test_recurrent_layers_are_families(layer: object, inside: str) -> None:
    r = layer(sg.data("x", "N", 5, "D"), "K", "r")  # type: ignore[operator]  # one of the three builders
    g = sg.graph(h=r, loss=np.sum(r.last**3))
    assert all(f"h_{letter}_5" in g.names for letter in inside) and g["h_5"] is r.last
    d = sg.differentiate(g)
    assert d.verify().ok
    rng = np.random.default_rng(2)
    sizes = {"N": 2, "D": 3, "K": 4}
    v = {n: rng.normal(size=[s if isinstance(s, int) else sizes[str(s)] for s in node.shape]) for n, node in g.variables().items()}
    for name in d.keys()[:3]:
        form = d[name].index
        assert "said once" in form.note and "sigmoid" not in form.text
        np.testing.assert_allclose(sg.evaluate(g, v, of=g.parse(form.text)), d.evaluate(v)[name], rtol=1e-9, atol=1e-12)


def test_what_cannot_be_repeated_is_refused() -> None:
    x = sg.data("x", "N", "K")
    with pytest.raises(sg.ShapeError, match="a layer that is repeated keeps the shape of its input"):
        L.repeat(lambda h, W: h @ W, 3, x, W=("K", "M"))
    with pytest.raises(sg.InputError, match="the number of layers is a whole number from 1"):
        L.repeat(lambda h: h, 0, x)
    with pytest.raises(sg.InputError, match="no name for an index"):
        L.repeat(lambda h: h, 2, x, index="2k")
