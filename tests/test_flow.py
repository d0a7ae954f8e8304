"""Gradient flow: layers found, Jacobians against those of the whole graph, bounds, saturated and dead units, spectra against theory, the command."""
from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.errors import InputError
from symgrad.training.flow_grid import deep_network
from symgrad.training.layering import layers_of
from symgrad.training.signal import drawn_values
from symgrad.training.spectrum import fuss_catalan, largest_by_power, layer_map, mixes_examples, product_spectra

L = sg.layers


def plain() -> sg.Graph:
    """Two dense layers, a block with a skip connection, a head, a loss: nothing but the loss has a name."""
    h = L.dense(sg.data("x", "N", 6), 5, "fc1", activation="sigmoid")
    h = L.residual(h, lambda v: L.dense(sg.tanh(L.dense(v, 7, "in")), 5, "out"))
    return sg.graph(loss=L.mse(sg.data("y", "N", 3), L.dense(h, 3, "head")))


def layers(net: sg.Graph, names: object = None) -> list:
    return layers_of(net, net.output, names)


# ---------------------------------------------------------------------- layers
def test_layers_are_found_by_structure_by_names_and_by_families() -> None:
    found = layers(plain())
    assert [x.name for x in found] == ["fc1", "in", "head"], "a block with a skip connection is one layer"
    assert found[-1].node.op.name == "add", "the loss is no part of the last layer"
    assert [sorted(n.name for n in x.parameters) for x in found] == [["fc1_W", "fc1_b"], ["in_W", "in_b", "out_W", "out_b"], ["head_W", "head_b"]]
    assert [x.name for x in layers(deep_network("tanh", 4))] == ["h_1", "h_2", "h_3", "h_4"]
    net = sg.parse("data x : vector(D)\nparam W1 : matrix(K, D)\nparam W2 : matrix(M, K)\nz1 = W1*x\nh1 = tanh(z1)\nz2 = W2*h1\nloss = norm2(z2)^2")
    assert [x.name for x in layers(net)] == ["h1", "z2"] and [x.name for x in layers(net, ["x", "z1", "z2"])] == ["z1", "z2"]
    with pytest.raises(InputError, match="not computed from"):
        layers(net, ["z2", "h1"])
    with pytest.raises(InputError, match="no layers"):
        layers(sg.parse("data x : vector(D)\nloss = norm2(x)^2"))
    with pytest.raises(InputError, match="no family"):
        layers(net, "h")


# ---------------------------------------------------------------------- Jacobians and gradients
@pytest.mark.parametrize("net", [plain(), deep_network("tanh", 3, skip=True), deep_network("gelu", 2, norm="layer")], ids=["plain", "skip", "norm"])
def test_jacobians_and_gradients_are_those_of_the_whole_graph(net: sg.Graph) -> None:
    sizes = {"N": 4, "K": 5}
    values = drawn_values(net, 1.5, 3, sizes)
    found = sg.flow(net, values, example=2)
    steps = layers(net)
    product = np.eye(values["x"].shape[1])
    for row, layer, spectrum in zip(found.layers, steps, found.spectra, strict=True):
        whole = sg.jacobian(sg.graph(h=layer.function), wrt=layer.below.name).evaluate(
            {**{k: v for k, v in values.items() if k in sg.graph(h=layer.function).variables()}, layer.below.name: sg.evaluate(net, values, layer.before)})
        J = whole[2, :, 2, :]
        assert np.allclose(np.linalg.svd(J, compute_uv=False), spectrum) and row.largest == pytest.approx(spectrum[0])
        product = J @ product
        assert row.product_largest == pytest.approx(np.linalg.norm(product, 2))
        assert row.bound is None or row.largest <= row.bound.value * (1 + 1e-9)
    gradients = sg.differentiate(net).evaluate(values)
    assert found.gradient_norm == pytest.approx(math.sqrt(sum(np.sum(g**2) for g in gradients.values())))
    name = found.layers[0].parameters[0].name
    array, gradient = (x[name.split("[")[0]] for x in (values, gradients))
    array, gradient = (array[0], gradient[0]) if "[" in name else (array, gradient)
    assert found.layers[0].parameters[0].ratio == (pytest.approx(np.linalg.norm(gradient) / np.linalg.norm(array)) if np.any(array) else math.inf)


def test_a_layer_that_mixes_examples_has_its_whole_batch() -> None:
    net = deep_network("tanh", 2, norm="batch")
    values = drawn_values(net, 1.0, 0, {"N": 6, "K": 4})
    layer = layers(net)[0]
    below, above = values["x"], sg.evaluate(net, values, layer.node)
    assert mixes_examples(layer, values, below, above, {"N": 6, "K": 4})
    whole = sg.jacobian(net, of="h1", wrt="x").evaluate(values)[0, :, 0, :]
    assert np.allclose(sg.flow(net, values).spectra[0], np.linalg.svd(whole, compute_uv=False))
    apart = deep_network("tanh", 2)
    assert not mixes_examples(layers(apart)[0], drawn_values(apart, 1.0, 0, {"N": 6, "K": 4}), below, above, {"N": 6, "K": 4})


def test_power_iteration_finds_the_largest_singular_value() -> None:
    net = deep_network("tanh", 3)
    sizes = {"N": 3, "K": 20}
    values, found = drawn_values(net, 1.5, 0, sizes), sg.flow(net, start=1.5, sizes=sizes)
    maps = [layer_map(x, values, sg.evaluate(net, values, x.before), sg.evaluate(net, values, x.node), sizes) for x in layers(net)]
    assert largest_by_power(maps[:1], 0, 200) == pytest.approx(found.layers[0].largest, rel=1e-3)
    assert largest_by_power(maps, 0, 200) == pytest.approx(found.layers[-1].product_largest, rel=1e-3)


def test_products_do_not_overflow_and_say_what_is_lost() -> None:
    (first, *_, last) = product_spectra([np.diag([1e-60, 1.0])] * 8)
    assert np.isnan(first[1]) and last[0] == 1 and np.isnan(last[1])
    assert product_spectra([1e-100 * np.eye(2)] * 2)[-1] == pytest.approx([1e-200, 1e-200])
    assert product_spectra([np.zeros((2, 2)), np.eye(2)])[-1].tolist() == [0, 0]


# ---------------------------------------------------------------------- bounds, units, words
def test_bounds_come_from_the_equation_of_the_activation() -> None:
    row = sg.flow(deep_network("sigmoid", 2), sizes={"N": 3, "K": 10}).layers[1]
    assert row.bound is not None and row.bound.formula == "0.25 ‖W[2]‖" and row.bound.value == pytest.approx(0.25 * row.bound.norms["W[2]"])
    skip = sg.flow(deep_network("tanh", 2, skip=True), sizes={"N": 3, "K": 10}).layers[0]
    assert skip.bound is not None and skip.bound.formula == "1 + ‖W[1]‖"
    assert sg.flow(deep_network("tanh", 2, norm="layer"), sizes={"N": 3, "K": 10}).layers[0].bound is None
    net = sg.graph(h=L.conv2d(sg.data("x", "N", 2, 5, 5), 3, 3, "c", activation="relu"))
    conv = sg.flow(sg.graph(h=net["h"], loss=sg.mse(sg.data("y", "N", 3, 3, 3), net["h"])), sizes={"N": 2}).layers[0]
    assert conv.bound is not None and conv.largest <= conv.bound.value


def test_dead_and_saturated_units_are_counted() -> None:
    net = deep_network("relu", 1)
    values = {"x": np.ones((3, 4)), "c": np.ones((3, 4)), "W": np.eye(4)[None], "b": np.array([[-2.0, 0, 0, 0]])}
    row = sg.flow(net, values).layers[0]
    assert row.dead == 0.25 and row.saturated == 0.25 and row.parameters
    values["x"][0, 0] = 3.0                                # alive for one example of three
    row = sg.flow(net, values).layers[0]
    assert row.dead == 0 and row.saturated == pytest.approx(2 / 12)
    far = {**values, "x": np.ones((3, 4)), "b": np.array([[9.0, 9.0, 0, 0]])}
    assert sg.flow(deep_network("tanh", 1), far).layers[0].saturated == 0.5


def test_what_happens_is_said_with_the_derived_numbers() -> None:
    sizes = {"N": 8, "K": 60}
    vanishing = sg.flow(deep_network("sigmoid", 12), start="glorot_normal", sizes=sizes)
    assert "vanishes" in vanishing.why and "max|g'| ‖W‖ = 0.25 ‖W‖" in vanishing.why and "too small" in vanishing.why
    kept = sg.flow(deep_network("relu", 12), start="he_normal", sizes=sizes)
    assert "keeps its size" in kept.why and "critical scale" in kept.why
    exploding = sg.flow(deep_network("linear", 12), start=9.0, sizes=sizes)
    assert "explodes" in exploding.why and "too large" in exploding.why and "clipping" in exploding.why
    assert all(r.chi == pytest.approx(9.0, rel=0.1) for r in exploding.layers)
    assert str(kept).count("\n") == 14 and json.loads(json.dumps(kept.record))["layers"][3]["name"] == "h_4"
    assert kept.names == [r.name for r in kept.layers] and all(len(c) == 12 for c in kept.columns.values()) and kept.paragraph == kept.why
    again = sg.flow(deep_network("relu", 12), start="he_normal", sizes=sizes)
    assert json.dumps(kept.record) == json.dumps(again.record) != json.dumps(sg.flow(deep_network("relu", 12), sizes=sizes, seed=1).record)


def test_a_grid_sets_kinds_of_networks_side_by_side() -> None:
    grid = sg.flow_grid(("sigmoid", "relu"), ("glorot_normal", "he_normal"), depth=12, width=40, norm=("", "layer"))
    found = {(r.activation, r.start, r.skip, r.norm): r for r in grid.rows}
    assert len(found) == 16 and found["sigmoid", "glorot_normal", False, ""].verdict == "vanishes" and len(str(grid).split("\n")) == 17
    assert found["relu", "he_normal", False, ""].verdict == "flows" and found["sigmoid", "glorot_normal", True, ""].verdict == "flows"
    row = found["relu", "he_normal", True, ""]
    assert row.clipped == pytest.approx(1 / row.flow.gradient_norm)
    with pytest.raises(InputError, match="the norm is"):
        deep_network("relu", 2, norm="group")


# ---------------------------------------------------------------------- spectra against theory
def test_products_of_gaussian_matrices_have_fuss_catalan_moments() -> None:
    assert [fuss_catalan(1, k) for k in (1, 2, 3)] == [1, 2, 5] and fuss_catalan(2, 2) == 3
    for depth in (1, 3):
        runs = [sg.flow(deep_network("linear", depth), start=1.0, seed=s, sizes={"N": 2, "K": 150}).products[-1] for s in range(3)]
        s = np.concatenate([np.nan_to_num(r) for r in runs])**2
        assert [np.mean(s**k) / fuss_catalan(depth, k) for k in (1, 2)] == pytest.approx([1, 1], rel=0.1)
        assert s.max() == pytest.approx((depth + 1)**(depth + 1) / depth**depth, rel=0.2)
        assert abs(np.mean(s**2) / fuss_catalan(depth + 1, 2) - 1) > 0.15, "the moments of another depth do not fit"


def test_orthogonal_weights_are_an_isometry_and_activations_widen_the_spectrum() -> None:
    flat = sg.flow(deep_network("linear", 5), start="orthogonal", sizes={"N": 2, "K": 30})
    assert np.allclose(flat.products[-1], 1)
    s = np.nan_to_num(np.concatenate([sg.flow(deep_network("relu", 3), start="he_normal", seed=k, sizes={"N": 2, "K": 150}).products[-1] for k in range(12)]))**2
    assert s.mean() == pytest.approx(1, rel=0.1) and s.var() / s.mean()**2 == pytest.approx(6, rel=0.2)       # 2 L: Pennington et al. 2017


# ---------------------------------------------------------------------- errors and the command
def test_errors_say_what_to_do() -> None:
    net = deep_network("relu", 2)
    with pytest.raises(InputError, match="name a scalar"):
        sg.flow(sg.graph(h=net["h_1"]))
    with pytest.raises(InputError, match="holds nan"):
        sg.flow(net, {"x": np.full((2, 3), np.nan)})
    with pytest.raises(InputError, match="no variable 'xx'"):
        sg.flow(net, {"xx": np.ones((2, 3))})
    with pytest.raises(InputError, match="is not finite"):
        sg.flow(deep_network("linear", 3), start=1e250, sizes={"N": 2, "K": 3})
    unknown = sg.parse("data x : vector(D)\nparam W : matrix(K, D)\nfunction g elementwise\nh = g(W*x)\nloss = norm2(h)^2")
    for verb in (sg.flow, lambda g: sg.signal(g, of="h")):
        with pytest.raises(sg.UnsupportedError, match="function g is unknown"):
            verb(unknown)
    with pytest.raises(InputError, match="counted from 0"):
        sg.flow(net, sizes={"N": 2, "K": 3}, example=5)


def test_the_command_writes_tables_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    net = str(repository / "examples" / "lstm.sg")
    assert main(["flow", net, "--size", "H=6", "--init", "1.5", "--seed", "3"]) == 0
    table = capsys.readouterr().out
    assert "h_3" in table and "The gradient" in table
    assert main(["flow", net, "--size", "H=6", "--init", "1.5", "--seed", "3", "--out", str(tmp_path / "f.txt")]) == 0
    assert (tmp_path / "f.txt").read_text() == table
    assert main(["flow", net, "--layers", "h_1,h_3", "--out", str(tmp_path / "f.json")]) == 0
    assert [r["name"] for r in json.loads((tmp_path / "f.json").read_text())["layers"]] == ["h_3"]
    capsys.readouterr()
    for wrong, message in ((["--out", "f.png"], "no format for a document"), (["--size", "H"], "of the form"), (["--init", "hee"], "did you mean"), (["--wrt", "Wi"], "all")):
        assert main(["flow", net, *wrong]) == 2 and message in capsys.readouterr().err
