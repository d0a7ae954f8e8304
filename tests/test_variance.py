"""The variance map, critical scales and signals against known values, quadrature against closed forms, derived variances against random networks."""
from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.core.functions import FUNCTION_NAMES, function_class, z
from symgrad.errors import InputError, UnsupportedError
from symgrad.training import variance
from symgrad.training.activations import expression_of, largest_slope, slope_of
from symgrad.training.gaussian import Expectation, closed_form, expectation, quadrature
from symgrad.training.variance import q

EVERYWHERE = sorted(FUNCTION_NAMES - {"log", "log1p", "arcsin", "arccos", "tan", "sqrt"})


# ---------------------------------------------------------------------- expectations
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_closed_form_is_what_quadrature_gives(name: str) -> None:
    g = function_class(name)(z)
    mean = sp.Symbol("m", real=True)
    for e in (g, g**2, slope_of(g)**2):
        for found, at in ((closed_form(e, sp.S.Zero, q), 0.0), (closed_form(e, mean, q), 0.4)):
            for var in (0.3, 1.3, 5.0) if found is not None else ():
                value = complex(sp.N(found.subs({q: sp.Rational(str(var)), mean: sp.Rational(str(at))}), 30))
                assert value == pytest.approx(expectation(e, at, var), rel=1e-8, abs=1e-8)


def test_closed_forms_that_are_known() -> None:
    assert sp.simplify(closed_form(sp.erf(z)**2, sp.S.Zero, q) - 2 / sp.pi * sp.asin(2 * q / (1 + 2 * q))) == 0           # Williams 1997
    assert closed_form(expression_of("relu")[1]**2, sp.S.Zero, q) == q / 2
    assert sp.simplify(closed_form(sp.sin(z)**2, sp.S.Zero, q) - (1 - sp.exp(-2 * q)) / 2) == 0
    assert closed_form(sp.tanh(z)**2, sp.S.Zero, q) is None
    assert {n for n in EVERYWHERE if not sg.variance_map(n).closed} == {"arctan", "mish", "sigmoid", "silu", "softplus", "tanh"}


def test_quadrature_sees_what_is_steep_and_what_has_kinks() -> None:
    slope = slope_of(sp.tanh(z))**2                        # at variance 10^6 a spike of width 0.001 deviations; its area is 4/3
    assert expectation(slope, 0.0, 1e6) == pytest.approx(4 / 3 / math.sqrt(2 * math.pi * 1e6), rel=1e-5)
    assert quadrature(np.abs, 0.0, 4.0, [0.0]) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=1e-12)
    assert quadrature(np.cos, 0.3, 0.0) == pytest.approx(math.cos(0.3))


def test_a_wrong_closed_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variance, "closed_form", lambda e, mean, var: var / 3)
    variance._verified.cache_clear()
    with pytest.raises(sg.InternalError, match="closed form gives"):
        sg.variance_map("relu")
    monkeypatch.undo()
    variance._verified.cache_clear()


# ---------------------------------------------------------------------- the map
def test_critical_scales_are_the_known_ones() -> None:
    a, x = sg.param("a"), sg.data("x")
    for activation, scale in (("relu", 2), ("linear", 1), (None, 1), ("abs", 1), ("tanh", 1), ("hardtanh", 1), ("elu", 1), ("erf", sp.pi / 4), ("gelu", 4),
                              (sg.tanh, 1), (x * sg.sigmoid(x), 4), (sg.relu(x) - a * sg.relu(-x), 2 / (1 + sp.Symbol("a", real=True)**2))):
        found = sg.variance_map(activation).critical()
        assert sp.simplify(found.forward - scale) == 0 and sp.simplify(found.backward - scale) == 0
    assert sg.variance_map("relu").critical().q == "every q" and sg.variance_map("tanh").critical().q == "q -> 0"
    sigmoid = sg.variance_map("sigmoid").critical()        # variance kept and chi = 1 at one q
    assert isinstance(sigmoid.q, float) and sg.variance_map("sigmoid").step(sigmoid.q, math.sqrt(sigmoid.forward)) == pytest.approx(sigmoid.q)
    assert sg.variance_map("sigmoid").chi(sigmoid.q, math.sqrt(sigmoid.backward)) == pytest.approx(1)
    at_one = sg.variance_map("tanh").critical(1.0)
    assert at_one.forward == pytest.approx(1 / 0.3942944903978) and at_one.backward < at_one.forward
    assert sg.variance_map("step").critical(1.0).backward is None
    with pytest.raises(UnsupportedError, match="W = 0"):
        sg.variance_map("relu", skip=True).critical()


def test_the_edge_of_chaos_keeps_a_variance_and_a_gradient() -> None:
    tanh = sg.variance_map("tanh")
    ((at, sw),) = tanh.edge_of_chaos(0.3)
    assert tanh.step(at, sw, 0.3) == pytest.approx(at) and tanh.chi(at, sw) == pytest.approx(1)
    assert 1.3 < sw < 1.5                                  # Schoenholz et al. 2017, figure 1: about 1.4 at sb^2 = 0.09
    assert sg.variance_map("softplus").edge_of_chaos(0.0) == []


def test_fixed_points_and_depth_scales() -> None:
    tanh = sg.variance_map("tanh")
    assert [p.kind for p in tanh.fixed_points(2.0)] == ["unstable", "stable"] and [p.kind for p in tanh.fixed_points(1.0)] == ["marginal"]
    (point,) = tanh.fixed_points(1.3, 0.3)
    path = tanh.trajectory(3.0, 60, 1.3, 0.3)
    assert path[-1] == pytest.approx(point.q) and point.kind == "stable"
    rate = math.log(abs(path[12] - point.q) / abs(path[8] - point.q)) / 4
    assert -1 / rate == pytest.approx(tanh.depth_scale(1.3, 0.3).xi_q, rel=0.02)
    assert tanh.slope(0.7, 1.3) == pytest.approx((tanh.step(0.7001, 1.3) - tanh.step(0.6999, 1.3)) / 2e-4, rel=1e-5)
    ordered, chaotic = tanh.depth_scale(1.3, 0.3), tanh.depth_scale(3.0, 0.5)
    assert ordered.c == 1 and ordered.chi < 1 and ordered.xi_c == pytest.approx(-1 / math.log(ordered.chi))
    assert chaotic.chi > 1 and tanh.correlation(chaotic.c, chaotic.q, 3.0, 0.5) == pytest.approx(chaotic.c, abs=1e-6)
    assert sg.variance_map("relu").fixed_points(math.sqrt(2))[0].every
    assert [p.q for p in sg.variance_map("selu").fixed_points(1.0)] == [0.0, pytest.approx(1.0)]                # Klambauer et al. 2017
    assert sg.variance_map("relu").correlation(0.5, 1.0, math.sqrt(2)) == pytest.approx((math.sin(math.pi / 3) + (2 * math.pi / 3) * 0.5) / math.pi, abs=1e-4)
    with pytest.raises(UnsupportedError, match="without bound"):
        sg.variance_map("relu").depth_scale(2.0)
    with pytest.raises(InputError, match="from 0"):
        tanh.fixed_points(-1.0)


def test_formulas_say_what_has_no_closed_form() -> None:
    relu, tanh = sg.variance_map("relu", skip=True), sg.variance_map("tanh")
    sw, sb = sp.Symbol("sw", positive=True), sp.Symbol("sb", nonnegative=True)
    assert relu.formula == q + sw**2 * q / 2 + sb**2 and relu.chi_formula == 1 + sw**2 / 2
    assert tanh.method == "quadrature" and "no closed form" in str(tanh) and "E[tanh(z)**2; z ~ N(0, q)]" in str(tanh.formula)
    (part,) = tanh.formula.atoms(Expectation)
    assert float(part.subs(q, 1).doit().evalf(8)) == pytest.approx(tanh.power(1.0), rel=1e-6)


@pytest.mark.parametrize(("name", "slope"), [("sigmoid", 0.25), ("tanh", 1), ("relu", 1), ("gelu", 1.12890414519), ("exp", math.inf), ("softplus", 1), ("step", 0)])
def test_largest_slopes(name: str, slope: float) -> None:
    assert largest_slope(expression_of(name)[1]) == pytest.approx(slope, rel=1e-9)


def test_what_is_no_activation_is_refused() -> None:
    x, y = sg.data("x"), sg.data("y")
    for wrong, message in (("rleu", "did you mean"), (x * y, "one number"), (sg.softmax(sg.data("v", "K")), "entry by entry"), (3, "a word such as")):
        with pytest.raises(InputError, match=message):
            sg.variance_map(wrong)


# ---------------------------------------------------------------------- signals through graphs
def block(activation: str, depth: int) -> sg.Graph:
    h = sg.layers.repeat(lambda h, W, b: getattr(sg, activation)(h @ W.T + b), depth, sg.data("x", "N", "K"), W=("K", "K"), b=("K",))
    return sg.graph(h=h)


@pytest.mark.parametrize(("activation", "scale", "bias"), [("tanh", 2.25, 0.05), ("sigmoid", 4.0, 0.1)])
def test_derived_variances_are_those_of_random_networks_of_depth_50(activation: str, scale: float, bias: float) -> None:
    measured = sg.signal(block(activation, 50), scale, bias=bias).measure(seeds=20, sizes={"N": 4, "K": 200})
    assert measured.seeds == 20 and len(measured.rows) == 50 and measured.ok(0.05)


def test_a_wrong_formula_does_not_pass_the_measurement() -> None:
    right = sg.signal(block("tanh", 6), 2.25).measure(seeds=20, sizes={"N": 4, "K": 150})
    wrong = sg.signal(block("tanh", 6), 2.6)
    rows = tuple((n, wrong[n].var, measured, error) for n, _, measured, error in right.rows)
    assert right.ok(0.05) and not type(right)(20, right.sizes, rows).ok(0.05, errors=3)


def mixed() -> sg.Graph:
    L = sg.layers
    z1 = L.dense(sg.data("x", "N", "D"), "K", "fc1")
    h1 = sg.relu(z1)
    h2 = L.residual(h1, lambda v: L.dense(v, "K", "fc2", activation="tanh"))
    h3 = L.layer_norm(h2, "ln")
    h4 = L.dropout(h3, 0.3, "drop")
    h5 = L.dense(h4, "C", "fc3", activation="silu")
    return sg.graph(z1=z1, h1=h1, h2=h2, h3=h3, h4=h4, h5=h5, loss=L.cross_entropy_logits(sg.data("y", "N", facts="label(C)"), h5))


def test_skips_norms_and_dropout() -> None:
    found = sg.signal(mixed(), "he_normal")
    v = {n: sp.Symbol(f"v_{n}", positive=True) for n in found.names}
    assert found["z1"].formula == 2 and sp.simplify(found["h1"].formula - v["z1"] * (sp.Rational(1, 2) - 1 / (2 * sp.pi))) == 0
    assert found["h2"].formula.coeff(v["h1"]) == 1 and found["h3"].formula == 1 and found["h4"].formula == v["h3"] / sp.Rational(7, 10)
    assert found.measure(seeds=20, sizes={"N": 8, "D": 200, "K": 300, "C": 200}).ok(0.05)
    with pytest.raises(UnsupportedError, match="no normal data"):
        found["loss"]
    glorot = sg.signal(mixed(), "glorot_uniform")
    D, K = (sp.Symbol(s, integer=True, positive=True) for s in "DK")
    assert str(glorot["z1"].formula) == "2*D/(D + K)" and math.isnan(glorot["z1"].var) and D != K
    assert glorot.measure(seeds=20, sizes={"N": 8, "D": 200, "K": 300, "C": 200}).ok(0.05)
    assert sg.signal(mixed(), 3.0, inputs={"x": (0.0, 2.0)})["z1"].var == 6 and sg.signal(mixed(), {"fc1_W": "lecun"})["z1"].var == 1


def test_convolutions_and_batch_norm() -> None:
    c = sg.layers.conv2d(sg.data("x", "N", 8, 9, 9), 24, 3, "c", activation="relu")
    found = sg.signal(sg.graph(c=c, d=sg.layers.conv2d(c, 16, 3, "d"), b=sg.layers.batch_norm(c, "bn")))
    assert found["c"].var == pytest.approx(1 - 1 / math.pi) and found["d"].var == pytest.approx(2) and found["b"].var == 1
    assert found.measure(seeds=40, sizes={"N": 4}).ok(0.05, errors=3)


def test_what_cannot_be_derived_is_named() -> None:
    x = sg.data("x", "N", "K")
    h = x @ sg.param("W", "K", "K")
    cases = {
        "softmax": (sg.softmax(h), "softmax"),
        "square": (h @ h.T, "the same draws"),
        "pool": (sg.layers.global_avg_pool(sg.data("i", "N", 3, 8)), "mean"),
        "twice": (h * sg.tanh(sg.relu(h) @ sg.param("W", "K", "K")), "not independent"),
    }
    for name, (node, message) in cases.items():
        with pytest.raises(UnsupportedError, match=message):
            sg.signal(sg.graph(h=h, **{name: node}), of=name)
    with pytest.raises(InputError, match="no initialisation"):
        sg.signal(sg.graph(h=h), "hee")
    with pytest.raises(sg.MissingValueError, match="sizes"):
        sg.signal(sg.graph(h=h)).measure(2)
    with pytest.raises(UnsupportedError, match="share of the mask"):
        sg.signal(sg.graph(h=sg.layers.dropout(x, 0.5, "d", scaling="test")), of="h")
    assert sg.signal(sg.graph(h=sg.layers.dropout(x, 0.5, "d", scaling="test")), inputs={"d_mask": 0.5})["h"].var == 0.5
