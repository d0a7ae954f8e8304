"""Sympy objects made from notation: with numbers in place of their symbols they equal what NumPy gives."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from symgrad.core.functions import EQUATIONS, KINKS, NATIVE
from symgrad.core.graph import UnknownFunction
from symgrad.core.shape import size_expression
from symgrad.errors import InputError, ShapeError, UnsupportedError
from symgrad.notation.parse import parse, parse_expression
from symgrad.notation.statements import Definition
from symgrad.notation.words import ELEMENTWISE
from symgrad.views.free_indices import free_indices, index_names, with_free_sums
from symgrad.views.symbolic import to_sympy, to_sympy_text

SIZES = {"N": 4, "D": 3, "K": 2, "M": 3, "S": 2}
SHAPES: dict[str, tuple[str | int, ...]] = {
    "a": (), "b": (), "x": ("D",), "y": ("D",), "w": ("D",), "e": ("N",), "v": ("K",), "X": ("N", "D"), "A": ("M", "M"), "B": ("M", "M"),
    "W": ("D", "K"), "H": ("N", "K"), "T": ("D", "K", "S"), "V": ("S", "K", "K"), "c": (), "P": ("D", "D"),
}
VALUES = {name: np.random.default_rng(index).uniform(0.2, 0.9, [SIZES.get(str(s), s) for s in shape]) + 0.0
          for index, (name, shape) in enumerate(SHAPES.items())}
VALUES["A"] = VALUES["A"] + 2 * np.eye(3)
VALUES["c"] = np.array(2.0)
V = {name: (float(value) if value.ndim == 0 else value) for name, value in VALUES.items()}
a, b, x, y, w, e, v, X, A, B, W, H, T = (V[n] for n in "a b x y w e v X A B W H T".split())
erf = np.vectorize(math.erf, otypes=[float])


def explicit(found: sp.Basic, indices: Mapping[str, int] | None = None) -> NDArray[np.float64]:
    """The numbers of a sympy object, as a matrix or 0-d."""
    found = found.subs({size_expression(n): k for n, k in SIZES.items()})
    found = found.subs({sp.Symbol(n, integer=True): k for n, k in (indices or {}).items()})
    if isinstance(found, sp.MatrixExpr):
        return np.array([[_number(found[i, j]) for j in range(found.shape[1])] for i in range(found.shape[0])])
    return np.array(_number(found))


def _number(entry: sp.Expr) -> float:
    entry = entry.rewrite(sp.Sum).doit().rewrite(sp.Sum).doit()            # sympy leaves a Trace of explicit matrices as it is
    matrices = {m: sp.ImmutableMatrix(np.reshape(VALUES[m.name], m.shape)) for m in entry.atoms(sp.MatrixSymbol)}
    entry = entry.subs(matrices).doit()
    entry = entry.xreplace({i: sp.Float(VALUES[str(i.base)][tuple(map(int, i.indices))]) for i in entry.atoms(sp.Indexed)})
    return float(entry.subs({sp.Symbol(n, real=True): value for n, value in VALUES.items() if value.ndim == 0}).doit())


def sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-z))


def softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


MATRIX: dict[str, object] = {
    "a": a,
    "2/3 - 0.5": 2 / 3 - 0.5,
    "-a * x": -a * x,
    "x + y": x + y,
    "x - 2 * y / a": x - 2 * y / a,
    "1 - x.^2": 1 - x**2,
    "x' * y": x @ y,
    "x * y'": np.outer(x, y),
    "outer(x, v)": np.outer(x, v),
    "X * w": X @ w,
    "X' * (X*w - e)": X.T @ (X @ w - e),
    "(x' * y) * X * w": (x @ y) * (X @ w),
    "x' * P * y": x @ V["P"] @ y,
    "x .* y ./ w": x * y / w,
    "1 ./ x": 1 / x,
    "x ./ a": x / a,
    "a ./ x": a / x,
    "2 .^ x": 2**x,
    "x .^ y": x**y,
    "a^b": a**b,
    "A^2 * B": A @ A @ B,
    "A^-1": np.linalg.inv(A),
    "inv(A)'": np.linalg.inv(A).T,
    "inv(A)^2": np.linalg.inv(A) @ np.linalg.inv(A),
    "tr(A * B)": np.trace(A @ B),
    "det(A) + logdet(A)": np.linalg.det(A) + np.log(np.linalg.det(A)),
    "det(A) * inv(A)'": np.linalg.det(A) * np.linalg.inv(A).T,
    "sum(X)": X.sum(),
    "mean(X) + sum(x) + sum(a)": X.mean() + x.sum() + a,
    "norm2(X*w - e)^2": ((X @ w - e)**2).sum(),
    "norm1(x) + norm2(x) + normF(A)": np.abs(x).sum() + np.linalg.norm(x) + np.linalg.norm(A),
    "diag(x) * W": np.diag(x) @ W,
    "diag(A)": np.diag(A),
    "diag(x')": np.diag(x),
    "kron(A, W)": np.kron(A, W),
    "vec(W)": W.T.ravel(),
    "eye(M) + ones(M, M) + zeros(M, M)": np.eye(3) + 1,
    "X' * ones(N)": X.sum(0),
    "vector(1)' * X": X.sum(0)[None],
    "sum(log(vector(1) + exp(-e .* (X*w))))": np.log(1 + np.exp(-e * (X @ w))).sum(),
    "tanh(X*w)": np.tanh(X @ w),
    "X' * (e .* (1 - tanh(X*w).^2))": X.T @ (e * (1 - np.tanh(X @ w)**2)),
    "sigmoid(X*W) .* (1 - sigmoid(X*W))": sigmoid(X @ W) * (1 - sigmoid(X @ W)),
    "tanh'(x) .* y": (1 - np.tanh(x)**2) * y,
    "relu(x - 0.5)": np.maximum(x - 0.5, 0),
    "relu'(x - 0.5)": (x > 0.5) * 1.0,
    "sqrt(x)": np.sqrt(x),
    "softmax(x)": softmax(x),
    "softmax(X)": softmax(X),
    "log_softmax(X)": np.log(softmax(X)),
    "log_softmax(x)": np.log(softmax(x)),
    "logsumexp(x)": np.log(np.exp(x).sum()),
    "logsumexp(X)": np.log(np.exp(X).sum(1)),
    "diag(softmax(x)) - softmax(x) * softmax(x)'": np.diag(softmax(x)) - np.outer(softmax(x), softmax(x)),
    "onehot(c, D)": np.array([0.0, 1, 0]),
    "A[1, 2] + inv(A)[2, 1] + A'[1, 3]": A[0, 1] + np.linalg.inv(A)[1, 0] + A[2, 0],
    "1/N * X' * e": X.T @ e / 4,
    "sum[n](e[n] * X[n])": X.T @ e,
    "sum[n](X[n] * H[n]')": X.T @ H,
    "sum[n](norm2(X[n])^2)": (X**2).sum(),
    "sum[n]((X[n]' * w - e[n])^2) / N": ((X @ w - e)**2).mean(),
    "mean[n](e[n]) + var[n](e[n])": e.mean() + e.var(),
    "prod[i](x[i])": x.prod(),
    "sum[i](x[i] * sum[i](y[i]))": x.sum() * y.sum(),
    "sum[i, j](A[i, j] * (A * B)[i, j])": (A * (A @ B)).sum(),
    "sum[n]((sum[n](X[n] * X[n]'))[n, 1])": (X.T @ X)[:, 0].sum(),
    "V[2] * v": V["V"][1] @ v,
    "sum[i](X[i, 1] * e[i])": X[:, 0] @ e,
    "sum[t](e[t] * e[t])": e @ e,
    "z = X * w\nh = tanh(z)\nX' * (1 - h.^2)": X.T @ (1 - np.tanh(X @ w)**2),
    "s[i] = exp(x[i]) / sum[j](exp(x[j]))\ns' * y": softmax(x) @ y,
    "s[i] = exp(x[i]) / sum[j](exp(x[j]))\nsum[j](s[j] * y[j])": softmax(x) @ y,
    "g[n] = e[n] * X[n]\nsum[n](g[n])": X.T @ e,
}


@pytest.mark.parametrize("text", MATRIX)
def test_matrix_forms(text: str) -> None:
    expected = np.asarray(MATRIX[text], dtype=float)
    if expected.ndim == 1:
        expected = expected[:, None]
    found = to_sympy_text(text, SHAPES)
    numbers = explicit(found)
    assert numbers.shape == expected.shape
    np.testing.assert_allclose(numbers, expected, rtol=1e-9)


COMPONENTS: dict[str, Callable[..., object]] = {
    "D[i] = 2 * x[i]": lambda i: 2 * x[i],
    "D[i, j] = delta[i, j] * x[i] - x[i] * x[j]": lambda i, j: (i == j) * x[i] - x[i] * x[j],
    "D[i, k] = sum[n](e[n] * X[n, i] * H[n, k])": lambda i, k: np.einsum("n,n,n", e, X[:, i], H[:, k]),
    "D[i, k] = e[n] * X[n, i] * H[n, k]": lambda i, k: np.einsum("n,n,n", e, X[:, i], H[:, k]),
    "D[i] = -e[n] * X[n, i] + x[i]": lambda i: -(e @ X)[i] + x[i],
    "D[i] = x[i] * (e[n] + 1)": lambda i: x[i] * (e.sum() + 1),
    "D[i] = x[i] * (y[j] + 1) * w[j]": lambda i: x[i] * ((y + 1) @ w),
    "D[i] = x[i] / (y[j] + 1)": lambda i: x[i] * (1 / (y + 1)).sum(),
    "D[i, j, k] = T[i, j, k] * exp(x[i])": lambda i, j, k: T[i, j, k] * np.exp(x[i]),
    "D[i, j] = sum[s](T[i, j, s]^2) / norm2(x)": lambda i, j: (T[i, j]**2).sum() / np.linalg.norm(x),
    "D[i, j] = inv(A)[j, i] * det(A)": lambda i, j: np.linalg.inv(A)[j, i] * np.linalg.det(A),
    "D[i] = x[4 - i]": lambda i: x[2 - i],
    "D[i, j] = relu'(X[i, j] - 1/2)": lambda i, j: float(X[i, j] > 0.5),
    "D[i, k] = sum[j](W[j, k] * A[i, j])": lambda i, k: A[i] @ W[:, k],
    "D[i] = (A * x)[i]": lambda i: A[i] @ x,
}


@pytest.mark.parametrize("text", COMPONENTS)
def test_component_forms(text: str) -> None:
    rank = len(text.split("]")[0].split(","))
    shapes = {**SHAPES, "A": ("D", "D"), "X": ("N", "D")}
    found = to_sympy_text(text, shapes)
    definition = parse(text).statements[0]
    assert isinstance(definition, Definition)
    letters = [str(i.name) for i in definition.indices]
    for index in ([0] * rank, [1] * rank, [1, 0, 1][:rank]):
        np.testing.assert_allclose(explicit(found, dict(zip(letters, index, strict=True))), COMPONENTS[text](*index), rtol=1e-9)


def test_indices_count_from_zero() -> None:
    found = to_sympy_text("D[i] = sum[n](e[n] * X[n, i])", SHAPES)
    n, i, top = sp.Symbol("n", integer=True), sp.Symbol("i", integer=True), sp.Symbol("N", integer=True, positive=True)
    e_, x_ = sp.IndexedBase("e", real=True), sp.IndexedBase("X", real=True)
    assert found == sp.Sum(e_[n] * x_[n, i], (n, 0, top - 1))
    assert found.free_symbols >= {i, top}


def test_one_name_is_one_object() -> None:
    found = to_sympy_text("sum[i](A[i, 1]) * tr(A)", SHAPES)
    assert not found.atoms(sp.Indexed) and len(found.atoms(sp.MatrixSymbol)) == 1


def test_sympy_goes_on() -> None:
    found = to_sympy_text("tr(A * B)", SHAPES)
    rows = size_expression("M")
    assert found.diff(sp.MatrixSymbol("A", rows, rows)) == sp.MatrixSymbol("B", rows, rows).T


def test_inner_index_never_captured() -> None:
    text = "m = sum[n](X[n] * X[n]')\nsum[n](m[n, 1])"
    np.testing.assert_allclose(explicit(to_sympy_text(text, SHAPES)), (X.T @ X)[:, 0].sum())


ORACLES = {
    "sigmoid": sigmoid, "relu": lambda z: np.maximum(z, 0), "leaky_relu": lambda z: np.where(z > 0, z, z / 100), "log1p": np.log1p,
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)), "softplus": lambda z: np.log1p(np.exp(z)), "silu": lambda z: z * sigmoid(z),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)), "expm1": np.expm1,
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2, "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))), "erf": erf,
    "hardtanh": lambda z: np.clip(z, -1, 1), "step": lambda z: np.where(z > 0, 1.0, 0.0),
}


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_every_function_of_numbers_and_its_slope(name: str) -> None:
    oracle = ORACLES.get(name) or getattr(np, name)
    z = sp.Symbol("t", real=True)
    value = to_sympy(parse_expression(f"{name}(t)"), {"t": ()})
    slope = to_sympy(parse_expression(f"{name}'(t)"), {"t": ()})
    used = {f.func.__name__ for f in value.atoms(sp.Function) | slope.atoms(sp.Function)}
    assert not used & ({*KINKS, *EQUATIONS} - {*NATIVE, "sign"})                                # sympy's own words only
    for at in (0.3, 0.8) if name in ("log", "sqrt", "arcsin", "arccos", "log1p") else (-1.3, -0.4, 0.3, 0.8):
        np.testing.assert_allclose(float(value.subs(z, at)), oracle(np.float64(at)), atol=1e-12)
        estimate = (oracle(np.float64(at + 1e-6)) - oracle(np.float64(at - 1e-6))) / 2e-6
        np.testing.assert_allclose(float(slope.subs(z, at)), estimate, atol=1e-7)


def test_kinks_have_the_slopes_of_the_package() -> None:
    for name in ("relu", "step", "abs", "sign"):
        assert to_sympy(parse_expression(f"{name}'(0*a)"), {"a": ()}) == 0


def test_unknown_functions() -> None:
    t = sp.Symbol("t", real=True)
    g = sp.Function("g", real=True)
    functions = {"g": UnknownFunction("g", 1, True), "l": UnknownFunction("l", 2, False), "q": UnknownFunction("q", 1, False)}

    def read(text: str) -> sp.Basic:
        return to_sympy(parse_expression(text, functions=functions), {**SHAPES, "t": ()}, functions)
    assert read("g'(t)") == sp.Derivative(g(t), t)
    assert read("g''(2*t)").subs(g, sp.sin).doit() == -sp.sin(2 * t)
    assert read("g'(x)")[0, 0].subs(g, sp.sin).doit() == sp.cos(sp.MatrixSymbol("x", size_expression("D"), 1)[0, 0])
    loss = sp.Function("l", real=True)
    assert read("l'(a, t)").replace(loss, lambda p, q: p * q**2).doit() == 2 * t * sp.Symbol("a", real=True)
    assert read("partial(l, 1, 2)(t, t)").replace(loss, lambda p, q: p * q**2).doit() == 2 * t
    assert read("q(x)").is_commutative and not isinstance(read("q(x)"), sp.MatrixExpr)
    assert isinstance(to_sympy(parse_expression("q(x)", functions=["q"]), SHAPES, ["q"]), sp.MatrixExpr)
    for text in ("q'(x)", "partial(l, 1)(x, t)"):
        with pytest.raises(UnsupportedError, match="derivative of"):
            read(text)


@pytest.mark.parametrize(("text", "named"), [
    ("jac(x, y)", "jac"), ("grad(a, x)[1]", "grad"), ("max(x)", "max"), ("max[i](x[i])", "max"), ("pinv(A)", "pinv"), ("adj(A)", "adj"),
    ("layernorm(x, y, w)", "layernorm"), ("softmax(x, axis=1)", "softmax"), ("sum(T)", "T"), ("T", "T"), ("mse(x, y)", "mse"),
    ("softmax'(x)", "softmax"), ("matrix(1) * A", "matrix"), ("sum[i](a)", "index i"), ("onehot(e, K)", "onehot"),
    ("data q : scalar", "declaration"), ("h[1] = x[1]\nh", "h"),
    ("q[i, j, k, n] = x[i] * y[j] * v[k] * e[n]\nq[1] * v", "q has 4 axes"),
])
def test_what_sympy_has_no_word_for(text: str, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        to_sympy_text(text, SHAPES)


@pytest.mark.parametrize("text", ["x * y", "x + W", "A ^ x", "x[1, 2, 3]", "tr(x)", "x .* W", "(x * x')[1]", "det(a)", "diag(a)", "x .^ W"])
def test_shapes_that_do_not_fit(text: str) -> None:
    with pytest.raises(ShapeError):
        to_sympy_text(text, SHAPES)


def test_a_name_without_a_shape() -> None:
    for text in ("nowhere + x", "nowhere[1]"):
        with pytest.raises(InputError, match="nowhere"):
            to_sympy_text(text, SHAPES)


def test_ranges_of_affine_indices() -> None:
    found = to_sympy_text("sum[p](e[p + 1] * x[2 * p])", {**SHAPES, "x": (6,)}, ranges={"p": 3})
    p = sp.Symbol("p", integer=True)
    assert found == sp.Sum(sp.IndexedBase("e", real=True)[p + 1] * sp.IndexedBase("x", real=True)[2 * p + 1], (p, 0, 2))


def test_long_sums_and_deep_nests() -> None:
    assert to_sympy_text(" + ".join(["a"] * 3000), SHAPES) == 3000 * sp.Symbol("a", real=True)
    with pytest.raises(UnsupportedError, match="too deeply"):
        to_sympy_text("exp(" * 4000 + "a" + ")" * 4000, SHAPES)


def test_free_indices() -> None:
    tree = parse_expression("a[i] * sum[j](b[j, k] * delta[i, 2*m + 1])")
    assert free_indices(tree) == ("i", "k", "m") and index_names(tree) == {"i", "j", "k", "m"}
    plain = parse("z[i] = a[i] * b[j]").statements[0]
    assert isinstance(plain, Definition) and with_free_sums(plain) is plain.value
