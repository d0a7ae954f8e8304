"""The views of many derivatives: each reads back to the same value, is LaTeX that a page can show, and has the shape that is promised."""
from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.core.node import Node, topological
from symgrad.render.mathml import to_mathml
from symgrad.run.executor import execute
from symgrad.run.functions import ByOrder, function_values, stand_in
from symgrad.run.sampling import sample, sample_sizes
from symgrad.run.verify import unknown_functions

VIEWS = ("matrix", "index", "jacobian", "chain")


@dataclass(frozen=True)
class Case:
    """A network, or an expression with its variables; what is differentiated, by what."""

    text: str
    vars: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    of: str | None = None
    wrt: tuple[str, ...] | None = None

    def graph(self) -> sg.Graph:
        return sg.parse(self.text, vars=self.vars or None, facts=self.facts or None)


X = {"x": ("n",), "A": ("m", "n"), "y": ("m",), "B": ("n", "n"), "t": (), "C": ("n", "m"), "w": ("n",)}


def used(text: str, **facts: str) -> Case:
    """An expression over the variables of X that occur in it."""
    net = {k: v for k, v in X.items() if k in text.replace("exp", "").replace("tanh", "")}
    return Case(text, net, facts)


def layered(body: str, **more: str) -> str:
    """A network over examples x[n], y[n]."""
    return f"examples n = 1..N\ndata x[n] : vector(D)\ndata y[n] : scalar\n{body}"


CASES = {
    "scalar chain": Case("data x, y : scalar\nparam w, v : scalar\nfunction g elementwise\nfunction l(y, yhat)\nh = g(w * x)\nyhat = v * h\nloss = l(y, yhat)"),
    "linear regression": Case(layered("param w : vector(D)\nyhat[n] = w' * x[n]\nloss = 1/2 * sum[n]((y[n] - yhat[n])^2)")),
    "one hidden layer": Case(layered("param W : matrix(D, K)\nparam v : vector(K)\nfunction g elementwise\nz[n] = W' * x[n]\nh[n] = g(z[n])\n"
                                     "e[n] = y[n] - v' * h[n]\nloss = 1/2 * sum[n](e[n]^2)")),
    "two hidden layers": Case(layered("param W1 : matrix(D, K1)\nparam W2 : matrix(K1, K2)\nparam v : vector(K2)\nfunction g elementwise\nfunction l(y, p)\n"
                                      "z1[n] = W1' * x[n]\nh1[n] = g(z1[n])\nz2[n] = W2' * h1[n]\nh2[n] = g(z2[n])\nyhat[n] = v' * h2[n]\n"
                                      "loss = sum[n](l(y[n], yhat[n]))")),
    "without examples": Case("data x : vector(D)\nparam W : matrix(K, D)\nparam b : vector(K)\nparam V : matrix(M, K)\ndata y : vector(M)\n"
                             "h = tanh(W * x + b)\nyhat = V * h\nloss = norm2(yhat - y)^2"),
    "residual": Case("data x : vector(D)\nparam W1, W2 : matrix(D, D)\nh1 = x + tanh(W1 * x)\nh2 = h1 + tanh(W2 * h1)\nloss = sum(h2)"),
    "diamond": Case("param x : vector(D)\na = tanh(x)\nb = sin(a)\nc = a .* b\nloss = sum(b .* c) + sum(c)"),
    "two diamonds": Case("param x : vector(D)\na = tanh(x)\nb = a .* sin(a)\nc = b .* cos(b)\nloss = sum(c)"),
    "shared weights": Case("data x : vector(D)\nparam W : matrix(D, D)\nh1 = tanh(W * x)\nh2 = tanh(W * h1)\nloss = sum(h2)"),
    "weight decay": Case(layered("param w : vector(D)\nparam c : scalar\nloss = mean[n]((y[n] - w' * x[n])^2) + c * w' * w")),
    "logistic": Case(layered("param w : vector(D)\nz[n] = w' * x[n]\nloss = bce_logits(y, z)")),
    "softmax cross-entropy, labels": Case("examples n = 1..N\ndata x[n] : vector(D)\ndata c[n] : label(K)\nparam W : matrix(K, D)\nparam b : vector(K)\n"
                                          "z[n] = W * x[n] + b\nloss = cross_entropy_logits(c, z)"),
    "softmax by hand": Case("param z : vector(K)\ndata y : vector(K) onehot\ns = softmax(z)\nloss = -y' * log(s)"),
    "softmax Jacobian": Case("param z : vector(K)\ns = softmax(z)", of="s"),
    "layer norm": Case("data r : vector(D)\nparam h, gamma, beta : vector(D)\ny = layernorm(h, gamma, beta)\nloss = r' * y"),
    "batch norm": Case("examples n = 1..N\ndata r[n] : vector(D)\nparam h : matrix(N, D)\nparam gamma, beta : vector(D)\ny = batchnorm(h, gamma, beta)\n"
                       "loss = sum(r .* y)"),
    "attention": Case("param Q, K : matrix(T, d)\nparam V : matrix(T, M)\ndata R : matrix(T, M)\nY = attention(Q, K, V)\nloss = sum(R .* Y)"),
    "recurrence": Case("examples n = 1..N\nindex t = 1..3\ndata x[n, t] : vector(D)\nparam Wx : matrix(K, D)\nparam Wh : matrix(K, K)\nparam h0 : vector(K)\n"
                       "h[n, 0] = h0\nh[n, t] = tanh(Wx * x[n, t] + Wh * h[n, t-1])\nloss = sum[n](norm2(h[n, 3])^2)"),
    "own op": Case("op bilinear(x, W, y): out[i] = sum[j, k](x[j] * W[i, j, k] * y[k])\nparam x : vector(a)\nparam W : tensor(m, a, b)\nparam y : vector(b)\n"
                   "loss = norm2(bilinear(x, W, y))^2"),
    "quadratic form": used("x'*B*x"), "symmetric form": used("x'*B*x", B="symmetric"), "least squares": used("norm2(A*x - y)^2"),
    "trace": used("tr(A*B*C)"), "log determinant": used("logdet(B)", B="spd"), "inverse": used("x'*inv(B)*w"), "determinant": used("det(B)"),
    "matrix power": used("tr(B^3)"), "Frobenius": used("normF(A)^2"), "vector to vector": used("A*sin(B*x)"), "linear map": used("B*x"),
    "diagonal": used("tanh(B*x)"), "scalar times matrix": used("t*A*x"), "outer": used("x*w'"), "matrix to matrix": used("B*C"),
    "exponential of a form": used("exp(x'*B*w)"), "entries": used("sum[i,j](B[i,j]*x[i]*exp(w[j]))"), "log-sum-exp": used("logsumexp(x)"),
    "norm": used("norm2(x)"), "mean and variance": used("mean(x) + var[i](x[i])"), "ratio": used("(x'*w)/(x'*x)"),
    "concatenation of paths": used("(w'*x)*(x'*B*x)"), "relu": used("sum(relu(A*x))"), "absolute value": used("sum(abs(A*x - y))"),
    "elementwise quotient": used("sum(x ./ (1 + w.^2))"), "sizes as scalars": used("sum(x)/n + n*w'*x"),
}
NO_SYMPY: set[str] = set()


def chosen(case: Case) -> tuple[sg.Graph, sg.Derivation]:
    graph = case.graph()
    return graph, sg.differentiate(graph, wrt=case.wrt, of=case.of)


def values_of(d: sg.Derivation, seed: int = 1) -> tuple[dict[str, object], dict[str, int], dict[str, object]]:
    """Random arrays, sizes, and stand-ins for unknown functions."""
    nodes = [d.output, *(x.variable for x in d.derivatives.values())]
    sizes = sample_sizes(topological(nodes), d.graph.sizes, seed)
    functions = {f: ByOrder(stand_in(k)) for k, f in enumerate(unknown_functions(topological(nodes)))}
    return dict(sample(nodes, sizes, seed, "positive" if "log" in d.graph.text or "norm" in d.graph.text else "normal")), sizes, functions


def value(node: Node, given: tuple[dict[str, object], dict[str, int], dict[str, object]]) -> np.ndarray:
    return execute([node], given[0], sizes=given[1], functions=function_values(given[2]))[node]


@pytest.mark.parametrize("name", CASES)
def test_views(name: str) -> None:
    graph, d = chosen(CASES[name])
    given = values_of(d)
    for by, derivative in d.derivatives.items():
        expected = derivative.evaluate(given[0], functions=given[2], sizes=given[1])
        assert derivative.verify().ok
        lead, rest = derivative.output.shape, derivative.variable.shape
        for view in VIEWS:
            shown = getattr(derivative, view)
            text = str(shown)
            found = value(graph.parse(text), given)
            shapes = [expected.shape] if view in ("matrix", "index") else [expected.shape, (1, *expected.shape)]
            assert found.shape in shapes, (by, view, text)
            if view in ("matrix", "index") or not derivative.structure:    # a chain is by all entries, free of the declared structure
                np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-11, err_msg=f"{by}, {view}: {text}")
            assert shown.shape == (lead + rest if view in ("matrix", "index") else (lead or (1,)) + rest), (by, view)
            tex = shown.latex()
            assert tex and tex.count("{") == tex.count("}") and "None" not in tex
            if r"\begin" not in tex:
                assert to_mathml(tex).startswith("<math")
            try:
                found_sympy = shown.sympy()
            except sg.UnsupportedError as refused:
                assert str(refused)
            else:
                assert isinstance(found_sympy, sp.Basic) and not found_sympy.atoms(sp.nan, sp.zoo) and name not in NO_SYMPY
        assert "return" in derivative.code() and (str(derivative.index).splitlines()[-1].startswith("D") or not rest)
        assert derivative._repr_latex_().startswith("$")


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_layouts(name: str) -> None:
    graph, plain = chosen(CASES[name])
    given = values_of(plain)
    numerator = sg.differentiate(graph, wrt=plain.keys(), of=CASES[name].of, layout="numerator")
    denominator = sg.differentiate(graph, wrt=plain.keys(), of=CASES[name].of, layout="denominator")
    for by in plain:
        a, b, c = (d[by].evaluate(given[0], functions=given[2], sizes=given[1]) for d in (plain, numerator, denominator))
        lead = plain.output.rank
        np.testing.assert_array_equal(b, a if lead else a[None])
        np.testing.assert_array_equal(c, np.moveaxis(a, range(lead), range(a.ndim - lead, a.ndim)))
        for d, expected in ((numerator, b), (denominator, c)):
            for view in ("matrix", "index"):
                found = value(graph.parse(str(getattr(d[by], view))), given)
                assert found.size == expected.size
                np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-11, err_msg=f"{by}, {view}")


def test_equal_layouts_of_equal_kinds() -> None:
    linear = sg.jacobian(sg.parse("B*x", vars={"B": ("m", "n"), "x": ("n",)}), wrt="x")
    inside = sg.jacobian(sg.parse("A*sin(B*x)", vars={"A": ("k", "m"), "B": ("m", "n"), "x": ("n",)}), wrt="x")
    assert linear.shape == ("m", "n") and inside.shape == ("k", "n")
    assert str(linear.matrix) == "B" and str(inside.matrix) == "A*diag(cos(B*x))*B"


@pytest.mark.parametrize(("text", "shapes", "wrt", "expected"), [
    ("x'*A*x", {"x": ("n",), "A": ("n", "n")}, "x", ("A*x + A'*x", "(A + A')*x", "A'*x + A*x")),
    ("norm2(A*x - y)^2", {"A": ("m", "n"), "x": ("n",), "y": ("m",)}, "x", ("2*A'*(A*x - y)",)),
    ("tr(A*X*B)", {"A": ("n", "m"), "X": ("m", "k"), "B": ("k", "n")}, "X", ("A'*B'",)),
    ("sum(log(1 + exp(-y .* (X*w))))", {"X": ("m", "n"), "y": ("m",), "w": ("n",)}, "w", ("-X'*(y.*sigmoid(-y.*(X*w)))", "-X'*(sigmoid(-y.*(X*w)).*y)")),
])
def test_closed_forms_of_the_textbooks(text: str, shapes: Mapping[str, tuple[str, ...]], wrt: str, expected: tuple[str, ...]) -> None:
    assert str(sg.differentiate(sg.parse(text, vars=shapes), wrt=wrt)[wrt].matrix) in expected


def test_the_chain_of_the_lecture() -> None:
    _, d = chosen(CASES["two hidden layers"])
    factors = ["jac(loss, yhat[n])", "jac(yhat[n], h2[n])", "jac(h2[n], z2[n])", "jac(z2[n], h1[n])", "jac(h1[n], z1[n])", "jac(z1[n], W1)"]
    assert f"sum[n]({' * '.join(factors)})" in str(d["W1"].chain)
    assert "then transposed to the shape of W1, D x K1" in str(d["W1"].chain)
    assert "v' * diag(g'(z2[n])) * W2' * diag(g'(z1[n]))" in str(d["W1"].jacobian)
    assert str(d["W1"].chain).count("jac(") == 6 and str(d["W2"].chain).count("jac(") == 4 and str(d["v"].chain).count("jac(") == 2


def test_sums_over_paths() -> None:
    d = sg.differentiate(sg.parse("param x : vector(D)\na = tanh(x)\nb = sin(a)\nc = cos(a)\nloss = sum(b .* c)"))
    assert "(jac(loss, b) * jac(b, a) + jac(loss, c) * jac(c, a)) * jac(a, x)" in str(d["x"].chain)
    assert "jac(loss, a) * jac(a, x)" in str(chosen(CASES["diamond"])[1]["x"].chain)       # one goes through the other: taken together


def test_where_there_is_no_matrix_form_it_is_said() -> None:
    J = sg.jacobian(sg.parse("A*x", vars={"A": ("m", "n"), "x": ("n",)}), wrt="A")
    assert str(J.matrix).startswith("# no matrix form: 3 axes\nD[") and J.matrix.note and not J.index.note
    assert str(J.matrix).splitlines()[-1] == str(J.index)


def test_latex_names() -> None:
    d = sg.differentiate(sg.parse("data x : vector(D)\nparam W1 : matrix(K, D) as \"W^{(1)}\"\nsum(tanh(W1*x))"))
    assert "W^{(1)}" in d["W1"].matrix.latex() and r"\Omega" in d["W1"].matrix.latex(names={"W1": r"\Omega"})


def test_sympy_objects_go_on_in_sympy() -> None:
    d = sg.differentiate(sg.parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")}))
    matrix = d["x"].matrix.sympy()
    n = sp.Symbol("n")
    assert isinstance(matrix, sp.MatrixExpr) and {str(s) for s in matrix.free_symbols} >= {"A", "x"}
    assert [str(s) for s in matrix.shape] == ["n", "1"] and n is not None
    assert d["x"].index.sympy().has(sp.Sum)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cube = sg.differentiate(sg.parse("t^3", vars={"t": ()}))["t"].matrix.sympy()
    assert sp.integrate(cube, *cube.free_symbols).diff(*cube.free_symbols) == cube
