"""Derivatives of layers as the books print them: by name, in few terms, in terms of what the forward pass caches; read back, and right."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

NORM = "data h : vector(D)\ndata w : vector(D)\nparam gamma, beta : vector(D)\nloss = w' * {}"
ROWS = "examples n = 1..N\ndata h[n] : vector(D)\ndata w[n] : vector(D)\nparam gamma, beta : vector(D)\ny = {}\nloss = sum[n](w[n]' * y[n])"
PLACES = "examples n = 1..N\ndata h[n] : matrix(C, P)\ndata w[n] : matrix(C, P)\nparam gamma, beta : vector(C)\ny = {}\nloss = sum(w .* y)"
ATTENTION = "data Q : matrix(T, K)\ndata K1 : matrix(S, K)\ndata V : matrix(S, M)\ndata G : matrix(T, M)\nloss = sum(G .* attention(Q, K1, V))"
NETS = {
    "layer": NORM.format("layernorm(h, gamma, beta)"),
    "layer of rows": ROWS.format("layernorm(h, gamma, beta)"),
    "RMS": NORM.replace(", beta", "").format("rmsnorm(h, gamma)"),
    "batch": ROWS.format("batchnorm(h, gamma, beta)"),
    "instance": PLACES.format("instancenorm(h, gamma, beta)"),
    "attention": ATTENTION,
}


def numbers(net: sg.Graph, seed: int, **sizes: int) -> dict[str, np.ndarray]:
    """Random values at random unequal sizes."""
    rng = np.random.default_rng(seed)
    free = iter(rng.permutation(np.arange(2, 9)))
    found: dict[object, int] = dict(sizes)
    values = {}
    for name, node in net.variables().items():
        for s in node.shape:
            if not isinstance(s, int) and s not in found:
                found[s] = int(next(free))
        values[name] = rng.normal(size=[s if isinstance(s, int) else found[s] for s in node.shape])
    return values


def read_back(view: object, net: sg.Graph, values: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(sg.evaluate(net.parse(str(view)), values))


def standardised(h: np.ndarray, g: np.ndarray, axis: int) -> np.ndarray:
    """(g - mean(g) - h_hat*mean(g*h_hat))/sigma, as Ioffe and Szegedy (2015) and Ba et al. (2016) have it."""
    sigma = np.sqrt(h.var(axis=axis, keepdims=True) + 1e-5)
    hat = (h - h.mean(axis=axis, keepdims=True)) / sigma
    return (g - g.mean(axis=axis, keepdims=True) - hat * (g * hat).mean(axis=axis, keepdims=True)) / sigma


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def by_hand(name: str, v: dict[str, np.ndarray]) -> np.ndarray:
    if name == "attention":
        root = np.sqrt(v["Q"].shape[1])
        p, dp = softmax(v["Q"] @ v["K1"].T / root), v["G"] @ v["V"].T
        return p * (dp - (dp * p).sum(axis=1, keepdims=True)) @ v["K1"] / root
    g = v["w"] * (v["gamma"][:, None] if name == "instance" else v["gamma"])
    if name == "RMS":
        rms = np.sqrt((v["h"] ** 2).mean() + 1e-5)
        return g / rms - v["h"] * (g * v["h"]).mean() / rms**3
    return standardised(v["h"], g, 0 if name == "batch" else -1)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", NETS)
def test_the_forms_have_the_value_of_the_books(name: str, seed: int) -> None:
    net = sg.parse(NETS[name])
    values = numbers(net, seed)
    wrt = "Q" if name == "attention" else "h"
    d = sg.differentiate(net, wrt=wrt)
    expected = by_hand(name, values)
    np.testing.assert_allclose(d.evaluate(values)[wrt], expected, rtol=1e-9, atol=1e-10)
    for view in (d[wrt].matrix, d[wrt].index):
        np.testing.assert_allclose(read_back(view, net, values), expected, rtol=1e-9, atol=1e-10, err_msg=str(view))
    assert d.verify(values).ok


@pytest.mark.parametrize(("name", "body"), [
    ("layer", "D[d] = (g[d] - h_hat[d]*mean[i](g[i]*h_hat[i]) - mean[j](g[j]))/sigma_h"),
    ("layer of rows", "D[n,d] = (g[n,d] - h_hat[n,d]*mean[i](g[n,i]*h_hat[n,i]) - mean[j](g[n,j]))/sigma_h[n]"),
    ("batch", "D[n,d] = (g[n,d] - h_hat[n,d]*mean[i](g[i,d]*h_hat[i,d]) - mean[j](g[j,d]))/sigma_h[d]"),
    ("instance", "D[n,c,p] = (g[n,c,p] - h_hat[n,c,p]*mean[i](g[n,c,i]*h_hat[n,c,i]) - mean[j](g[n,c,j]))/sigma_h[n,c]"),
])
def test_three_terms_of_a_norm(name: str, body: str) -> None:
    view = sg.differentiate(sg.parse(NETS[name]), wrt="h")["h"].index
    assert view.form.body == body
    assert {line.partition("[")[0].partition(" ")[0] for line in view.form.lines} == {"g", "h_hat", "sigma_h"}
    assert any("var[" in line for line in view.form.lines)


def test_a_norm_in_matrices() -> None:
    layer = sg.differentiate(sg.parse(NETS["layer"]), wrt="h")["h"].matrix.form
    assert layer.lines[-1] == "h_hat = (h - mean(h))/sigma_h"
    assert layer.body == "(g - (g'*h_hat)*h_hat/D - mean(g))/sigma_h"
    batch = sg.differentiate(sg.parse(NETS["batch"]), wrt=["h", "gamma"])
    assert batch["h"].matrix.form.body == "(g - (h_hat*diag((g.*h_hat)'*ones(N)) + ones(N,N)*g)/N)*diag(1./sigma_h)"
    assert "h_hat" in batch["gamma"].matrix.form.body and len(batch["gamma"].matrix.form.body) < 25


def test_a_group_norm_reads_its_groups_at_affine_indices() -> None:
    net = sg.parse("examples n = 1..N\ndata h[n] : matrix(6, P)\ndata w[n] : matrix(6, P)\nparam gamma, beta : vector(6)\n"
                   "y = groupnorm(h, gamma, beta, groups=2)\nloss = sum(w .* y)")
    d = sg.differentiate(net, wrt=["h", "gamma"])
    values = numbers(net, 10)
    n, _, p = values["h"].shape
    groups = [(values[k] * s).reshape(n, 2, 3 * p) for k, s in (("h", 1), ("w", values["gamma"][:, None]))]
    expected = standardised(*groups, axis=2).reshape(n, 6, p)
    view = d["h"].index
    np.testing.assert_allclose(d.evaluate(values)["h"], expected, rtol=1e-9)
    np.testing.assert_allclose(read_back(view, net, values), expected, rtol=1e-9)
    assert "pad(h)[n,3*i+j-3,p]" in str(view) and "index i = 1..6" in view.form.lines
    assert view.form.body.count("mean[") == 2 and view.form.body.count("h_hat[") == 2 and d.verify(values).ok
    np.testing.assert_allclose(read_back(d["gamma"].index, net, values), d.evaluate(values)["gamma"], rtol=1e-9)


def test_rms_norm_names_its_root() -> None:
    form = sg.differentiate(sg.parse(NETS["RMS"]), wrt="h")["h"].matrix.form
    assert [line.partition(" = ")[0] for line in form.lines] == ["rms_h"] and "rms_h^3" in form.body and len(form.body) < 55


def test_a_second_derivative_is_in_the_same_names() -> None:
    net = sg.parse(NETS["layer"])
    h = sg.hessian(net, wrt="h")
    assert set(re.findall(r"\b(?:h_hat|sigma_h|t\d)\b", str(h.matrix))) == {"h_hat", "sigma_h"} and "sigma_h^3" not in str(h.matrix)
    values = numbers(net, 3)
    np.testing.assert_allclose(read_back(h.matrix, net, values), h.evaluate(values), rtol=1e-8, atol=1e-9)
    assert h.verify(values).max_error < 1e-5


def test_names_that_are_taken_get_a_number() -> None:
    text = NORM.format("layernorm(h, gamma, beta)").replace("data w : vector(D)", "data w, g, h_hat : vector(D)").replace("w' *", "(w + g + h_hat)' *")
    net = sg.parse(text)
    d = sg.differentiate(net, wrt="h")
    assert "g1 = " in str(d["h"].matrix) and "h_hat1" in str(d["h"].matrix) and d.verify().ok
    values = numbers(net, 4)
    np.testing.assert_allclose(read_back(d["h"].matrix, net, values), d.evaluate(values)["h"], rtol=1e-9)


def test_two_norms_in_a_row_have_names_of_their_own() -> None:
    net = sg.parse("examples n = 1..N\ndata x[n] : vector(D)\ndata w[n] : vector(D)\nparam a, b, c, e : vector(D)\n"
                   "y[n] = layernorm(x[n], a, b)\nu[n] = layernorm(y[n], c, e)\nloss = sum[n](w[n]' * u[n])")
    d = sg.differentiate(net, wrt="x")
    values = numbers(net, 5)
    for view in (d["x"].matrix, d["x"].index):
        assert {"x_hat", "y_hat", "sigma_x", "sigma_y"} <= set(re.findall(r"\w+", str(view)))
        np.testing.assert_allclose(read_back(view, net, values), d.evaluate(values)["x"], rtol=1e-8, atol=1e-10)


def test_attention_in_its_row_form() -> None:
    d = sg.differentiate(sg.parse(ATTENTION), wrt=["Q", "V"])
    form = d["Q"].matrix.form
    assert set(form.lines) == {"dP = G*V'", "P = softmax(Q*K1'/sqrt(K))"}
    assert form.body == "((dP - (dP.*P)*ones(S,S)).*P)*K1/sqrt(K)"
    index = d["Q"].index.form
    assert "(dP[t,s] - sum[i](dP[t,i]*P[t,i]))*P[t,s]" in index.body and index.body.count("softmax") == 0
    assert len(str(d["V"].matrix)) <= len("softmax(Q*K1'/sqrt(K))'*G")


# ---------------------------------------------------------------------- convolutions
CONV = {
    "conv1d": ("data x : matrix(C, 7)\nparam w : tensor(F, C, 3)\ndata G : matrix(F, 4)\nloss = sum(G .* conv1d(x, w, stride=2, padding=1))",
               {"w": ("index i = 1..3", "D[f,c,i] = sum[j](G[f,j]*pad(x)[c,i+2*j-3])"),
                "x": ("index i = 1..7", "D[c,i] = sum[f,j](G[f,j]*pad(w)[f,c,i-2*j+3])")}),
    "conv2d": ("data x : tensor(C, 8, 6)\nparam w : tensor(F, C, 3, 2)\ndata G : tensor(F, 4, 4)\n"
               "loss = sum(G .* conv2d(x, w, stride=2, padding=1))",
               {"w": ("index i = 1..3\nindex j = 1..2", "D[f,c,i,j] = sum[k,l](G[f,k,l]*pad(x)[c,i+2*k-3,j+2*l-3])"),
                "x": ("index i = 1..8\nindex j = 1..6", "D[c,i,j] = sum[f,k,l](G[f,k,l]*pad(w)[f,c,i-2*k+3,j-2*l+3])")}),
}


@pytest.mark.parametrize("name", CONV)
def test_the_gradients_of_a_convolution_are_correlations(name: str) -> None:
    text, wanted = CONV[name]
    net = sg.parse(text)
    d = sg.differentiate(net, wrt=["w", "x"])
    values = numbers(net, 6)
    for wrt, (lines, body) in wanted.items():
        form = d[wrt].index.form
        assert ("\n".join(form.lines), form.body) == (lines, body)
        np.testing.assert_allclose(read_back(d[wrt].index, net, values), d.evaluate(values)[wrt], rtol=1e-9, atol=1e-12)
        assert "1, \\dots, 3" in d["w"].matrix.latex()
    assert d.verify(values).ok


def test_a_convolution_in_a_network_keeps_its_sums() -> None:
    net = sg.parse((EXAMPLES / "conv.sg").read_text(encoding="utf-8"))
    d = sg.differentiate(net, wrt="w")
    assert d["w"].index.form.body == "D[i,c,j] = v[i]*sum[n,k]((1 - h[n,i,k]^2)*(yhat[n] - y[n])*pad(x)[n,c,j+2*k-3])"
    values = numbers(net, 7)
    np.testing.assert_allclose(read_back(d["w"].index, net, values), d.evaluate(values)["w"], rtol=1e-9, atol=1e-12)


def test_a_sum_over_windows_tells_how_many_there_are() -> None:
    net = sg.parse("data x : matrix(C, L)\nparam w : tensor(F, C, 3)\nloss = sum(tanh(conv1d(x, w)))")
    d = sg.differentiate(net, wrt=["w", "x"])
    values = numbers(net, 8, L=9)
    for wrt in ("w", "x"):
        assert "L - 2" in d[wrt].index.text or "L-2" in d[wrt].index.text
        np.testing.assert_allclose(read_back(d[wrt].index, net, values), d.evaluate(values)[wrt], rtol=1e-9, atol=1e-12)


def test_a_number_of_windows_without_a_word_is_said() -> None:
    net = sg.parse("data x : matrix(C, L)\nparam w : tensor(F, C, 3)\nloss = sum(conv1d(x, w, stride=2))")
    with pytest.raises(sg.UnsupportedError, match="declare the length as a number"):
        str(sg.differentiate(net, wrt="w")["w"].index)


def test_the_solution_has_the_words_of_the_field() -> None:
    conv = str(sg.solve(sg.parse((EXAMPLES / "conv.sg").read_text(encoding="utf-8")), wrt=["w"]))
    assert "correlation" in conv and "transposed" in conv and "grad(loss, w)[i,c,j]" in conv
    norm = str(sg.solve(sg.parse((EXAMPLES / "batch_norm.sg").read_text(encoding="utf-8")), wrt=["W"]))
    assert "three terms" in norm and norm.count("z_hat[n,k] ") == 1 and norm.count("z_hat") > 6 and "^1.5" not in norm


# ---------------------------------------------------------------------- LSTM
def test_gates_are_cached_values() -> None:
    net = sg.parse((EXAMPLES / "lstm.sg").read_text(encoding="utf-8"))
    d = sg.differentiate(net, wrt=["bo", "bi", "Uf"])
    values = numbers(net, 9)
    for gate, wrt in (("o", "bo"), ("i", "bi"), ("f", "Uf")):
        text = str(d[wrt].matrix)
        assert "sigmoid" not in text, text
        assert all(re.search(rf"{gate}\[{t},(\w)\]\*\(1 - {gate}\[{t},\1\]\)", text) for t in ("t", r"t\+1")), text
        np.testing.assert_allclose(read_back(d[wrt].matrix, net, values), d.evaluate(values)[wrt], rtol=1e-8, atol=1e-11)
    assert d.verify(values).ok


def test_a_gate_in_components() -> None:
    net = sg.parse("data x, y : vector(D)\nparam w : vector(D)\ns = sigmoid(w .* x)\nloss = sum(s .* y)")
    assert str(sg.differentiate(net, wrt="w")["w"].matrix) == "s.*(1 - s).*y.*x"
    assert str(sg.differentiate(net, wrt="w")["w"].index) == "D[d] = s[d]*(1 - s[d])*y[d]*x[d]"


@pytest.mark.parametrize("name", ["batch_norm", "conv", "lstm", "attention"])
def test_every_gradient_of_the_examples(name: str) -> None:
    net = sg.parse((EXAMPLES / f"{name}.sg").read_text(encoding="utf-8"))
    d = sg.differentiate(net)
    assert d.verify().ok
    for wrt in d:
        assert str(d[wrt].matrix) and str(d[wrt].index)     # read back by the gate


# ---------------------------------------------------------------------- maxima
@pytest.mark.parametrize("text", [
    "param W : matrix(M, N)\nb[i] = max[j](W[i, j])\nloss = sum(b.^3)",
    "param W : matrix(M, N)\nb[i] = min[j](W[i, j])\nloss = sum(b.^3)",
    "examples n = 1..N\nparam w : vector(C)\ndata x[n] : matrix(C, 6)\nb[n] = w .* globalmaxpool(x[n])\nloss = sum(b.^2)",
    "param x : matrix(C, 6)\nb = maxpool(x, 2)\nloss = sum(b.^2)",
])
def test_maxima_over_rows_and_windows(text: str) -> None:
    net = sg.parse(text)
    d = sg.differentiate(net)
    values = numbers(net, 3)
    assert d.verify(values).ok
    for wrt in d:
        np.testing.assert_allclose(read_back(d[wrt].index, net, values), d.evaluate(values)[wrt], rtol=1e-9, atol=1e-11)
