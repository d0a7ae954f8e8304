"""Landscapes and curvature: quadratics whose planes and eigenvalues are known, dense Hessians, the definition of filter normalisation."""
from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import InputError
from symgrad.training.filters import filter_axes
from symgrad.training.lanczos import eigenvalues
from symgrad.training.landscape import filter_normalised, landscape, principal_directions, sharpness

rng = np.random.default_rng(3)
EIGENVALUES = np.array([9.0, 4.0, 1.0, 0.25])
BASIS = np.linalg.qr(rng.normal(size=(4, 4)))[0]
A = BASIS * EIGENVALUES @ BASIS.T
QUADRATIC = sg.parse("data A : matrix(n, n)\nparam w : vector(n)\n1/2 * w' * A * w")


def network() -> tuple[sg.Graph, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A dense layer, batch norm, a family of residual layers and a vector of weights, with values."""
    x, y, v = sg.data("x", "N", "D"), sg.data("y", "N"), sg.param("v", "K")
    h = sg.layers.batch_norm(sg.layers.dense(x, "K", "l1", activation="tanh"), "bn")
    out = sg.layers.repeat(lambda h, W, b: h + np.tanh(h @ W.T + b), 2, h, W=("K", "K"), b=("K",))
    net = sg.graph(h=out, loss=np.mean((out.last @ v - y) ** 2))
    shapes = {"l1_W": (3, 4), "l1_b": (4,), "bn_gamma": (4,), "bn_beta": (4,), "W": (2, 4, 4), "b": (2, 4), "v": (4,)}
    draw = np.random.default_rng(0)
    return net, {n: 0.4 * draw.normal(size=s) for n, s in shapes.items()}, {"x": draw.normal(size=(12, 3)), "y": draw.normal(size=12)}


# ---------------------------------------------------------------------- Lanczos
@pytest.mark.parametrize("which", ["largest", "smallest"])
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_eigenvalues_are_those_of_numpy(size: int, which: str) -> None:
    M = np.random.default_rng(size).normal(size=(size, size))
    M = M + M.T
    k = min(3, size)
    found = eigenvalues(lambda v: M @ v, size, k, which=which)
    true = np.linalg.eigh(M)[0]
    np.testing.assert_allclose(found.values, true[::-1][:k] if which == "largest" else true[:k], atol=1e-5)
    assert found.converged and (found.residuals < 1e-4).all()
    for value, vector, residual in zip(found.values, found.vectors, found.residuals, strict=True):
        assert np.linalg.norm(M @ vector - value * vector) == pytest.approx(residual, abs=1e-9)


def test_an_eigenvalue_that_stands_twice_is_found_twice() -> None:
    M = BASIS * np.array([5.0, 5.0, 2.0, -7.0]) @ BASIS.T
    np.testing.assert_allclose(eigenvalues(lambda v: M @ v, 4, 3).values, [5, 5, 2], atol=1e-6)
    np.testing.assert_allclose(eigenvalues(lambda v: 0 * v, 6, 2).values, [0, 0])


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again = (eigenvalues(lambda v: A @ v, 4, 2, seed=5) for _ in range(2))
    assert first.values.tobytes() == again.values.tobytes() and first.vectors.tobytes() == again.vectors.tobytes()


def test_what_has_not_converged_says_so() -> None:
    D = np.linspace(1, 2, 500)
    found = eigenvalues(lambda v: D * v, 500, limit=6)
    assert not found.converged and "not converged" in str(found) and found.values[0] < 2 - 1e-4
    assert abs(found.values[0] - D).min() <= found.residuals[0]            # the bound holds all the same


@pytest.mark.parametrize(("product", "k", "message"), [
    (lambda v: np.array([[1.0, 2], [0, 1]]) @ v, 1, "not symmetric"),
    (lambda v: v * np.nan, 1, "not finite"),
    (lambda v: v[:1], 1, "has the shape"),
    (lambda v: v, 3, "k is from 1 to 2"),
])
def test_wrong_operators_are_refused(product: object, k: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        eigenvalues(product, 2, k)


# ---------------------------------------------------------------------- sharpness
def test_sharpness_of_a_quadratic() -> None:
    found = sharpness(QUADRATIC, {"w": rng.normal(size=4)}, {"A": A}, k=4)
    np.testing.assert_allclose(found.values, EIGENVALUES, atol=1e-6)
    np.testing.assert_allclose(np.abs(found.vectors[0] @ BASIS[:, 0]), 1, atol=1e-6)
    assert float(sharpness(QUADRATIC, {"w": np.zeros(4)}, {"A": A}, which="smallest")) == pytest.approx(0.25)


def test_sharpness_is_that_of_the_dense_hessian() -> None:
    """All parameters together, block by block of sg.hessian; and one parameter, where the products are those of sg.hvp."""
    net, params, data = network()
    rows = []
    for a in params:
        blocks = [sg.hessian(net, (a, b)).evaluate({**params, **data}).reshape(params[a].size, params[b].size) for b in params]
        rows.append(np.hstack(blocks))
    H = np.vstack(rows)
    np.testing.assert_allclose(H, H.T, atol=1e-10)
    true = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(sharpness(net, params, data, 3).values, true[::-1][:3], rtol=1e-5)
    np.testing.assert_allclose(sharpness(net, params, data, 2, which="smallest").values, true[:2], rtol=1e-5)
    others = {n: a for n, a in params.items() if n != "W"}
    product = sg.hvp(net, "W")
    one = eigenvalues(lambda v: product.evaluate({**params, **data}, W_dot=v.reshape(2, 4, 4)).ravel(), 32)
    assert float(sharpness(net, {"W": params["W"]}, {**others, **data})) == pytest.approx(float(one), rel=1e-6)
    assert abs(float(one) - true[-1]) > 1e-3, "fewer parameters have another curvature"


# ---------------------------------------------------------------------- directions
def test_filters_are_read_off_how_parameters_are_used() -> None:
    net, params, _ = network()
    axes = {n: a for n, a in filter_axes(net, net.output).items() if n in params}
    assert axes == {"l1_W": (1,), "W": (0, 1), "v": ()}
    image, F = sg.data("image", "N", 3, "H", "W"), sg.param("F", 5, 3, 2, 2)
    conv = sg.graph(loss=np.sum(sg.conv2d(image, F)))
    assert filter_axes(conv, conv.output)["F"] == (0,)
    text = sg.parse("examples n = 1..N\ndata x[n] : vector(D)\nparam W : matrix(D, K)\nparam U : matrix(K, D)\nparam b : vector(K)\n"
                    "sum[n](norm2(W' * x[n] + U * x[n] + b)^2)")
    assert filter_axes(text, text.output) == {"x": (0,), "W": (1,), "U": (0,)}


def test_filter_normalisation_is_its_definition() -> None:
    net, params, _ = network()
    drawn = {n: rng.normal(size=a.shape) for n, a in params.items()}
    found = filter_normalised(drawn, params, filter_axes(net, net.output))
    for j in range(4):                                     # d_ij <- d_ij/||d_ij|| ||theta_ij||, filter by filter
        d, theta = drawn["l1_W"][:, j], params["l1_W"][:, j]
        np.testing.assert_allclose(found["l1_W"][:, j], d / np.linalg.norm(d) * np.linalg.norm(theta))
        for k in range(2):
            assert np.linalg.norm(found["W"][k, j]) == pytest.approx(np.linalg.norm(params["W"][k, j]))
            assert np.linalg.norm(found["W"][k, :, j]) != pytest.approx(np.linalg.norm(params["W"][k, :, j]))
    assert np.linalg.norm(found["v"]) == pytest.approx(np.linalg.norm(params["v"]))
    assert all(not found[n].any() for n in ("l1_b", "b", "bn_gamma", "bn_beta"))


def test_scaling_a_relu_layer_changes_no_filter_normalised_slice() -> None:
    """What Li et al. normalise for: W1 times 10 and W2 by 10 is the same function, and the same landscape."""
    x, y = sg.data("x", "N", 3), sg.data("y", "N")
    h = sg.layers.dense(x, 4, "a", bias=False, activation="relu")
    net = sg.graph(loss=np.mean((h @ sg.param("v", 4) - y) ** 2))
    data = {"x": rng.normal(size=(9, 3)), "y": rng.normal(size=9)}
    small = {"a_W": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}
    large = {"a_W": 10 * small["a_W"], "v": small["v"] / 10}
    one, other = (landscape(net, p, data, steps=7) for p in (small, large))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-9)
    plain = [landscape(net, p, data, directions=[{n: np.ones_like(a) for n, a in p.items()}], steps=7) for p in (small, large)]
    assert not np.allclose(plain[0].losses, plain[1].losses)


# ---------------------------------------------------------------------- slices
def test_the_slice_of_a_quadratic_is_known() -> None:
    w = rng.normal(size=4)
    plane = landscape(QUADRATIC, {"w": w}, {"A": A}, directions=[{"w": BASIS[:, 0]}, {"w": BASIS[:, 3]}], span=2, steps=9)
    a, b = np.meshgrid(plane.alphas, plane.betas, indexing="ij")
    along = BASIS.T @ w
    true = 0.5 * (9 * (along[0] + a) ** 2 + 4 * along[1] ** 2 + along[2] ** 2 + 0.25 * (along[3] + b) ** 2)
    np.testing.assert_allclose(plane.losses, true)
    assert plane.losses.shape == (9, 9) and plane.losses[4, 4] == pytest.approx(plane.loss) and plane.complete
    line = landscape(QUADRATIC, {"w": w}, {"A": A}, directions=[{"w": BASIS[:, 0]}], span=2, steps=9)
    np.testing.assert_allclose(line.losses, plane.losses[:, 4])
    assert line.dimensions == 1 and line.betas.size == 0


def test_the_principal_plane_of_a_path_is_known() -> None:
    """Gradient descent that begins in the span of two eigenvectors never leaves it; there the variance is shared as computed by hand."""
    w, path = BASIS[:, 0] + 3 * BASIS[:, 2], []
    for _ in range(30):
        path.append({"w": w})
        w = w - 0.15 * A @ w
    final = path[-1]
    found = landscape(QUADRATIC, final, {"A": A}, directions="pca", path=path, steps=5)
    d1, d2 = (d["w"] for d in found.directions)
    for d in (d1, d2):
        assert np.linalg.norm(d) == pytest.approx(1) and np.linalg.norm(BASIS[:, [1, 3]].T @ d) < 1e-9
    points = np.array([p["w"] for p in path])
    np.testing.assert_allclose(found.path @ np.array([d1, d2]), points - final["w"], atol=1e-9)
    np.testing.assert_allclose(found.path[-1], 0, atol=1e-12)
    share = np.linalg.eigvalsh(np.cov(points.T))[::-1]
    np.testing.assert_allclose(found.explained, share[:2] / share.sum())
    assert found.explained.sum() == pytest.approx(1)
    assert found.alphas[0] < found.path[:, 0].min() and found.alphas[-1] > found.path[:, 0].max()
    assert f"{found.explained[0]:.1%}" in str(found)
    only, alone = principal_directions(path, 1)
    np.testing.assert_allclose(only[0]["w"], d1)
    assert alone[0] == pytest.approx(found.explained[0])


def test_the_same_seed_gives_the_same_landscape() -> None:
    net, params, data = network()
    one, again, other = (landscape(net, params, data, steps=5, seed=s) for s in (1, 1, 2))
    assert one.losses.tobytes() == again.losses.tobytes() != other.losses.tobytes()
    assert one.left_out == ("l1_b", "bn_gamma", "bn_beta", "b") and "filter-normalised" in str(one)


def test_ctrl_c_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(places: list[tuple[int, ...]]) -> object:
        yield from places[:7]
        raise KeyboardInterrupt
    monkeypatch.setattr("symgrad.training.landscape._told", interrupted)
    found = landscape(QUADRATIC, {"w": np.ones(4)}, {"A": A}, steps=3)
    assert not found.complete and np.isfinite(found.losses).sum() == 7 and "interrupted" in str(found)


def test_a_loss_that_overflows_is_kept_as_it_is() -> None:
    net = sg.parse("param w : vector(n)\ndata a : vector(n)\nexp(exp(w' * a))")
    found = landscape(net, {"w": np.ones(2)}, {"a": np.ones(2)}, directions=[{"w": np.ones(2)}], span=5, steps=5)
    assert np.isinf(found.losses).any() and np.isfinite(found.losses).any()


@pytest.mark.parametrize(("more", "message"), [
    ({"directions": "rnadom"}, "did you mean random"), ({"directions": []}, "one or two"), ({"dimensions": 3}, "1 or 2"), ({"steps": 1}, "2 steps"),
    ({"directions": "pca"}, "at least 3 points"), ({"directions": "pca", "path": [{"w": np.ones(4)}] * 5}, "in one place|on a line"),
    ({"directions": "pca", "path": [{"w": k * np.ones(4)} for k in range(5)]}, "on a line"),
    ({"directions": [{"w": np.ones(3)}]}, r"shape \(3,\)"), ({"directions": [{"u": np.ones(4)}]}, "other names"),
    ({"directions": [{"w": np.ones(4)}, {"w": 2 * np.ones(4)}]}, "parallel"), ({"path": [{"w": np.full(4, np.nan)}]}, "point 1 of the path is not finite"),
    ({"params": {"w": np.ones(4), "A": A}}, "among the parameters and the data"), ({"params": {"w": np.full(4, np.inf)}}, "not finite"),
    ({"data": {}}, "no value for A"), ({"data": {"A": A, "B": A}}, "there is no 'B'"), ({"of": "w"}, "that of a scalar"),
])
def test_what_does_not_fit_is_refused(more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        landscape(QUADRATIC, **{"params": {"w": np.ones(4)}, "data": {"A": A}, **more})
    scale = sg.parse("param a : scalar\ndata x : scalar\n(a + x)^2")
    with pytest.raises(InputError, match="directions of your own"):
        landscape(scale, {"a": 1.0}, {"x": 1.0})
