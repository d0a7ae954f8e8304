"""Text becomes graphs: every network of the notation's page, every row of its tables, against plain NumPy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from blackboard import Array, board_value
from conftest import ROOT

from symgrad.core.graph import Family, Graph
from symgrad.core.node import Node
from symgrad.errors import InputError, NotationError
from symgrad.network import define, parse
from symgrad.notation.screen import UNLIMITED
from symgrad.notation.words import ELEMENTWISE
from symgrad.run.executor import execute

SIZES = {"n": 3, "m": 4, "k": 2, "p": 5}
SHAPES = {"x": ("n",), "y": ("n",), "w": ("m",), "t": (), "A": ("n", "n"), "B": ("n", "m"), "C": ("m", "k")}
CASES = Path(__file__).parent / "cases" / "matrix_calculus.json"


def drawn(graph: Graph, seed: int = 0, sizes: dict[str, int] | None = None) -> dict[str, Array]:
    """Positive values, well away from singular matrices."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, v in graph.variables().items():
        shape = [s if isinstance(s, int) else (sizes or SIZES)[str(s)] for s in v.shape]
        found[name] = rng.uniform(0.2, 0.9, shape)
        if len(shape) == 2 and shape[0] == shape[1]:
            found[name] += 2 * np.eye(shape[0])
    return found


def value(node: Node, values: dict[str, Array], sizes: dict[str, int] | None = None) -> Array:
    return execute([node], values, sizes=sizes or SIZES)[node]


def used(text: str, shapes: dict[str, tuple[str, ...]] | None = None) -> dict[str, tuple[str, ...]]:
    words = set(re.findall(r"[A-Za-z_]\w*(?!\w*\()", text))
    return {n: s for n, s in (shapes or SHAPES).items() if n in words}


def sampled(graph: Graph, text: str) -> Array:
    """The value of a text in a graph's names, which equals what the blackboard says."""
    values = drawn(graph)
    node = graph.parse(text)
    got, want = value(node, values), board_value(text, values, SIZES)
    if want.ndim == 2 and got.shape == (1, *want.shape[1:]):
        want = want.reshape(got.shape)
    assert got.shape == want.shape, text
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=text)
    return got


# ---------------------------------------------------------------------- the page of the notation
def fenced() -> list[str]:
    return [re.sub(r"#.*", "", block) for block in re.findall(r"```sg\n(.*?)```", (ROOT / "docs" / "notation.md").read_text("utf-8"), re.S)]


def test_first_network_of_the_page() -> None:
    g = parse(fenced()[0])
    rng = np.random.default_rng(0)
    x, y, w, b, v = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=(3, 20)), rng.normal(size=20), rng.normal(size=20)
    got = execute([g.output, g["h1"]], {"x": x, "y": y, "W1": w, "b1": b, "v": v})
    h = np.maximum(x @ w + b, 0)
    np.testing.assert_allclose(got[g["h1"]], h)
    np.testing.assert_allclose(got[g.output], 0.5 * ((y - h @ v) ** 2).sum())
    assert g.params == ["W1", "b1", "v"] and g.data == ["x", "y", "c"]
    assert g.output_name == "loss" and g.sizes == {"D": 3, "K1": 20} and g.ranges == {"n": "N"}
    assert g.latex == {"W1": "W^{(1)}"} and g.families["z1"] == Family(("n",)) and "loss" not in g.families
    assert g["x"].shape == ("N", 3) and g["W1"].shape == (3, 20)
    assert g.sources["z1"] == "z1[n] = W1' * x[n] + b1"
    assert [g[n].op.name for n in ("z1", "h1", "yhat")] == ["add", "relu", "matvec"]


def test_second_network_of_the_page() -> None:
    g = parse(fenced()[1])
    assert g["A"].facts == {"symmetric"} and g.functions["g"].elementwise and g.functions["l"].arguments == 2
    rng = np.random.default_rng(0)
    a, b, mat, t = rng.normal(size=3), rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(3, 3, 4))
    functions = {"g": lambda order: np.tanh, "l": lambda order: lambda p, q: p * q}
    got = execute([g.output], {"A": mat, "a": a, "b": b, "T": t}, functions=functions)[g.output]
    np.testing.assert_allclose(got, a @ b * np.tanh(mat @ a).sum() + t.sum())


def test_third_network_of_the_page() -> None:
    g = parse(fenced()[2])
    assert g["h"].shape == ("N", "T", "K") and g.lengths == {"T": 5}     # any length: written out for five, and again for what the arrays have
    rng = np.random.default_rng(0)
    x, wx, wh, h0 = rng.normal(size=(5, 4, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=2)
    h, want = np.tile(h0, (5, 1)), 0.0
    steps = []
    for t in range(4):
        h = np.tanh(x[:, t] @ wx.T + h @ wh.T)
        steps.append(h)
        want += (h**2).sum()
    values = {"x": x, "Wx": wx, "Wh": wh, "h0": h0}
    g = g.at(values)
    got = execute([g.output, g["h"]], values, sizes=g.numbers)
    np.testing.assert_allclose(got[g.output], want)
    np.testing.assert_allclose(got[g["h"]], np.stack(steps, 1))


def test_own_op_of_the_page() -> None:
    line = next(
        b for b in re.findall(r"```(?:text|sg)\n(.*?)```", (ROOT / "docs" / "notation.md").read_text("utf-8"), re.S) if b.startswith("op ")
    )
    g = parse(line + "examples n = 1..N\ndata x[n] : vector(D)\nparam W : tensor(K, D, D)\nz[n] = bilinear(x[n], W, 2*x[n])")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 3)), rng.normal(size=(2, 3, 3))
    np.testing.assert_allclose(execute([g.output], {"x": x, "W": w})[g.output], 2 * np.einsum("nj,ijk,nk->ni", x, w, x))


# ---------------------------------------------------------------------- expressions
ROWS = """
A' ; A*B ; A*x ; x'*A ; 2*x ; x*2 ; t*A ; x.*y ; x./y ; x.^y ; x.^2 ; 2.^x ; x.^t ; t^2 ; t^-1 ; t^t ; A^2 ; A^-1 ; A^-2 ; A^0
A^5 ; A^12 ; x'*y ; x*y' ; x*x'*x ; A[2,3] ; x[1]*t ; (A*B)[1,2] ; A'[1,2] ; inv(A)[3,1] ; sum[i,j](A[i,j]*x[j]) ; prod[i](x[i])
mean[i](x[i]^2) ; var[i](x[i]) ; min[i](x[i]) ; max[i,j](A[i,j]) ; sum[i](A[i,i]) ; mean[i,j](A[i,j]*x[i]) ; sum[i](x[i]*sum[i](x[i]))
sum(B) ; mean(B) ; max(x) ; min(x) ; norm1(B) ; norm2(x) ; norm2(B) ; normF(B) ; tr(A) ; det(A) ; logdet(A) ; inv(A) ; pinv(B) ; adj(A)
diag(x) ; diag(A) ; kron(A,B) ; vec(B) ; outer(x,w) ; eye(n) ; ones(n) ; ones(m,n) ; zeros(n) ; eye(n)*x ; sum[i,j](delta[i,j]*A[i,j])
x+vector(1) ; vector(1)./x ; t+x ; x-1 ; 1./x ; 1/2*x ; -x.^2 ; -t^2 ; x/t ; A/t ; t./x ; x'*A*x ; x'*A' ; n*t ; x/n ; (m+n)*t ; exp(A)
softmax(x) ; softmax(B) ; logsumexp(x) ; log_softmax(B) ; log(sum(exp(x))) ; A*B*C*ones(k) ; x'*diag(y)*x
sum(log(vector(1)+exp(-y.*(A*x)))) ; 3 ; n ; 1/3 ; 2^-3*t ; 0*x + y ; x - x
""".replace("\n", " ; ").split(" ; ")
ROWS = [r for r in ROWS if r]


@pytest.mark.parametrize("text", ROWS)
def test_row_of_the_tables(text: str) -> None:
    g = parse("x[1]*A[1,1]*B[1,1]*C[1,1]*t*y[1]*w[1]", vars=SHAPES)
    sampled(g, text)


@pytest.mark.parametrize("word", sorted(ELEMENTWISE))
def test_elementwise_word(word: str) -> None:
    g = parse("x[1]*B[1,1]*t", vars={n: SHAPES[n] for n in "xBt"})
    for argument in ("x", "B", "t", "x'"):
        sampled(g, f"{word}({argument})")


@pytest.mark.parametrize(
    "line",
    [
        "D[i,j] = delta[i,j]*x[i]",
        "D[i,j,k] = delta[i,k]*x[j] + x[i]*delta[j,k]",
        "D[i,j,p,q] = eye(n)[i,p]*A[q,j]",
        "D[i] = sum[j](A[i,j]*x[j])",
        "D[i,j] = x[i]*y[j]",
        "D[i] = exp(x[i]) / sum[j](exp(x[j]))",
        "D[j,i] = A[i,j]",
        "D[i] = A[i,i]",
    ],
)
def test_component_lines(line: str) -> None:
    sampled(parse("x[1]*A[1,1]*y[1]", vars={n: SHAPES[n] for n in "xAy"}), line)


@pytest.mark.parametrize(
    ("line", "spelled"),
    [
        ("D[i] = A[i,j]*x[j]", "A*x"),
        ("D[i,j] = A[i,k]*A[k,j] - x[i]*y[j]", "A*A - x*y'"),
        ("D[i] = x[i]*(A[j,k]*x[k]*y[j] - 1)", "(y'*A*x - 1)*x"),
        ("D[i] = (x[j] - y[j])*A[j,i]", "A'*(x - y)"),
        ("D[i] = -(A[i,j]*x[j] + y[i])", "-(A*x + y)"),
        ("D[i] = x[i]*A[j,j]", "tr(A)*x"),
        ("D[i] = A[i,j]*tanh(x[j])", "A*tanh(x)"),
    ],
)
def test_free_indices_of_a_component_line_are_summed(line: str, spelled: str) -> None:
    g = parse("x[1]*A[1,1]*y[1]", vars={n: SHAPES[n] for n in "xAy"})
    values = drawn(g)
    np.testing.assert_allclose(value(g.parse(line), values), value(g.parse(spelled), values), rtol=1e-12)


@pytest.mark.skipif(not CASES.exists(), reason="the cases are kept elsewhere")
def test_expressions_of_matrix_calculus() -> None:
    cases = json.loads(CASES.read_text("utf-8"))["cases"]
    assert len(cases) > 30
    for case in cases:
        g = parse(case["expr"], vars={n: tuple(s) for n, s in case["vars"].items()})
        sampled(g, case["expr"])
        sampled(g, case["expected"])


# ---------------------------------------------------------------------- the public functions
def test_vars_facts_and_output() -> None:
    g = parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")}, facts={"A": "symmetric", "x": ["positive"]})
    assert g["A"].facts == {"symmetric"} and g["x"].facts == {"positive"} and g.output.shape == () and g.output_name == ""
    for bad in ({"2x": ()}, {"sum": ()}, {"n": ("n",)}, {"x": (0,)}):
        with pytest.raises(InputError):
            parse("1*x", vars=bad)
    with pytest.raises(InputError, match="no fact; a fact is one of"):
        parse("x", vars={"x": ()}, facts={"x": "symetric"})
    with pytest.raises(InputError, match="which vars does not declare"):
        parse("x", vars={"x": ()}, facts={"y": "positive"})


def test_output_is_the_bare_line_else_loss_else_the_last() -> None:
    start = "data x : vector(n)\na = sum(x)\n"
    assert parse(start + "loss = a^2\nb = 3*a").output_name == "loss"
    assert parse(start + "b = 3*a").output_name == "b"
    assert parse(start + "loss = a^2\n2*a").output_name == ""
    with pytest.raises(NotationError, match="nothing is computed"):
        parse("data x : vector(n)")


def test_own_op_in_python_and_in_text() -> None:
    op = define("bilinear(x, W, y)", "out[i] = sum[j,k](x[j]*W[i,j,k]*y[k])")
    g = parse("bilinear(x, W, y)", vars={"x": ("n",), "W": ("m", "n", "k"), "y": ("k",)}, ops=[op])
    assert g.output is op(g["x"], g["W"], g["y"])
    centred = define("centred(x)", "y[i] = d[i]/s", where="d[i] = x[i] - mean[j](x[j]); s = sqrt(mean[j](d[j]^2))")
    h = parse("examples n = 1..N\ndata x[n] : vector(D)\ny[n] = centred(x[n])", ops=[centred])
    x = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(execute([h.output], {"x": x})[h.output], (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True))


def test_indices_of_an_op_count_from_one() -> None:
    g = parse("op f(a, b): o[i] = a[1]*b[2, i] + sum[p](b[2*p - 1, i]*a[p])\nf(x, B)", vars={"x": (2,), "B": (4, 3)})
    values = drawn(g)
    x, b = values["x"], values["B"]
    np.testing.assert_allclose(value(g.output, values), x[0] * b[1] + x @ b[::2])


def test_fragments() -> None:
    g = parse("size D = 3\nexamples n = 1..N\ndata x[n] : vector(D)\nparam v : vector(D)\nf[n] = v'*x[n]\nloss = sum[n](f[n]^2)")
    assert g.parse("f") is g["f"] and g.parse("f[n]") is g["f"] and g.parse("loss") is g.output
    assert g.parse("v'").shape == (1, 3) and g.parse("v").shape == (3,)
    assert g.parse("a = 2*v\na'*v").shape == () and g.parse("t1[n] = f[n]^2\nsum[n](t1[n])") is g.output
    assert g.parse("D[i, j] = v[i]*v[j]").shape == (3, 3)
    with pytest.raises(NotationError, match="w is not declared; declared are x, v, f"):
        g.parse("w")
    with pytest.raises(NotationError, match="declare new ones in the network"):
        g.parse("data q : vector(D)\nq")


def test_long_and_deep_text() -> None:
    g = parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")})
    values = {"x": np.ones(2), "A": np.ones((2, 2))}
    assert execute([n := g.parse(" + ".join(f"{k}*x'*A*x" for k in range(5000)))], values)[n] == 4 * sum(range(5000))
    text = "x"
    for _ in range(1500):
        text = f"tanh(A*{text})"
    assert g.parse(text).shape == ("n",)
    with pytest.raises(NotationError):
        parse(text, vars={"x": ("n",), "A": ("n", "n")})
    assert parse(text, vars={"x": ("n",), "A": ("n", "n")}, limits=UNLIMITED).output.shape == ("n",)


@pytest.mark.parametrize(
    "text", ["9^999", "(9^999)^999", "const a = 9^999\nconst b = a^9\nconst c = b^9\nconst d = c^9\nd", "(1/7^900)^900", "2^(10^30)"]
)
def test_absurd_numbers_are_refused_quickly(text: str) -> None:
    if text == "9^999":
        assert parse(text).output.rank == 0
        return
    with pytest.raises(NotationError, match="too many digits"):
        parse(text)


def test_the_first_index_of_a_family_with_two() -> None:
    head = "examples n = 1..N\nindex t = 1..T\ndata x[n, t] : vector(D)\nparam W : matrix(D, D)\nr[n, t] = tanh(W*x[n, t])\n"
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(2, 5, 3)), "W": rng.normal(size=(3, 3))}
    r = np.tanh(values["x"] @ values["W"].T)
    g = parse(head + "a[n] = attention(r[n], r[n], r[n])\nloss = sum(a.^2)")
    scores = r @ np.swapaxes(r, 1, 2) / np.sqrt(3)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], weights @ r)
    assert g.families["a"].index == ("n",)
    with pytest.raises(NotationError, match="takes 3 indices, or 1 or 2 for one of its family; found 4"):
        parse(head + "loss = sum[n, t](r[n, t, 1, 1])")


@pytest.mark.parametrize("lines", ["y[n] = x[n]^2\nloss = sum(y)", "y[m, n] = x[n]*x[m]\nloss = sum(y.^2)"])
def test_an_index_may_have_the_name_of_its_size(lines: str) -> None:
    g = parse("size n = 3, m = 3\ndata x : vector(n)\n" + lines)
    x = np.array([1.0, 2.0, 4.0])
    want = (x**2).sum() if "m" not in lines.split("\n")[0] else (np.outer(x, x) ** 2).sum()
    np.testing.assert_allclose(execute([g.output], {"x": x})[g.output], want)
