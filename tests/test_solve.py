"""Worked solutions: what they tell, in the order a teacher tells it; the same bytes each time; looked at in a browser."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import symgrad as sg

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def network(name: str) -> sg.Graph:
    return sg.parse((EXAMPLES / f"{name}.sg").read_text(encoding="utf-8"))


def told(net: sg.Graph, **options: object) -> str:
    """The solution as plain text, its lines joined."""
    text = str(sg.solve(net, picture=False, **options))                 # type: ignore[arg-type]  # options of solve
    return " ".join(re.sub(r"^ *\| ?", "", text, flags=re.MULTILINE).split())


# ---------------------------------------------------------------------- the lecture
def test_scalar_chain() -> None:
    """L1: both chains factor by factor, then closed form, then values."""
    net = network("scalar_chain")
    text = told(net)
    for part in ("jac(loss, w) = jac(loss, yhat) * jac(yhat, h) * jac(h, w)", "jac(loss, v) = jac(loss, yhat) * jac(yhat, v)", "w <- w - eta", "v <- v - eta"):
        assert part in text, part
    d = sg.differentiate(net)
    square = {(): lambda y, p: (y - p) ** 2, (2,): lambda y, p: 2 * (p - y)}
    values = {"x": 0.5, "y": 1.0, "w": 0.8, "v": -1.2}
    found = d.evaluate(values, functions={"g": "tanh", "l": square})
    h = np.tanh(0.4)
    np.testing.assert_allclose([found["w"], found["v"]], [2 * (-1.2 * h - 1) * -1.2 * (1 - h**2) * 0.5, 2 * (-1.2 * h - 1) * h])
    shown = told(net, values=values, functions={"g": "tanh", "l": square})
    assert f"{h:.4g}"[:5] in shown and f"{-1.2 * h:.4g}"[:5] in shown


def test_shapes_and_layouts() -> None:
    """L2: the gradient as a row, Jacobians Q x P and R x S x P x Q, the layout switch, the shape of W for updates."""
    net = sg.parse("data x : vector(P)\nparam W : matrix(Q, P)\nh = tanh(W*x)\nloss = norm2(h)^2")
    assert sg.jacobian(net, of="h", wrt="x").shape == ("Q", "P")
    assert sg.jacobian(net, of="h", wrt="x", layout="denominator").shape == ("P", "Q")
    assert sg.jacobian(net, wrt="x", layout="numerator").shape == (1, "P") and sg.jacobian(net, wrt="x").shape == ("P",)
    assert sg.differentiate(net)["W"].chain.shape == (1, "Q", "P") and sg.differentiate(net)["W"].shape == ("Q", "P")
    assert sg.jacobian(sg.parse("A*X*B", vars={"A": ("R", "P"), "X": ("P", "Q"), "B": ("Q", "S")}), wrt="X").shape == ("R", "S", "P", "Q")
    text = told(net)
    assert "Q x P" in text and "1 x Q" in text and "Transposed from 1 x Q x P to the shape of W" in text


def test_jacobian_tensors_keep_their_deltas() -> None:
    """L3: tensors of three and four axes, never dense."""
    net = sg.parse("data x : vector(P)\nparam W : matrix(Q, P)\nh = tanh(W*x)\nY = h*x'")
    J = sg.jacobian(net, of="h", wrt="W")
    assert J.shape == ("Q", "Q", "P") and "delta[i,q]" in str(J.index)
    four = sg.jacobian(net, of="Y", wrt="W")
    assert four.shape == ("Q", "P", "Q", "P") and "delta" in str(four.index) and four.verify().ok
    program = sg.compile(sg.differentiate(sg.parse("data x : vector(P)\nparam W : matrix(Q, P)\nloss = sum(tanh(W*x))"))).source
    assert "eye" not in program and "einsum" not in program            # a gradient never makes the tensor


def test_zero_paths_are_dropped_with_the_reason() -> None:
    """L4: sums over all paths, zero factors dropped with the reason."""
    text = told(network("two_hidden_layers"), wrt=["W1"])
    assert "No path goes through v, which yhat is computed from: v does not depend on W1, so that term of the sum is zero" in text
    assert "No path goes through W2" in text and "sum[n](" in text
    paths = told(sg.parse("param x : vector(D)\na = tanh(x)\nb = sin(a)\nc = cos(a)\nloss = sum(b .* c)"))
    assert "(jac(loss, b) * jac(b, a) + jac(loss, c) * jac(c, a)) * jac(a, x)" in paths


def test_the_order_of_multiplication() -> None:
    """L5: the order chosen by cost, with the cost of the others."""
    text = told(network("two_hidden_layers"), wrt=["W1"])
    assert "In which order to multiply matters" in text and "operations for one example" in text and "from the right" in text


def test_two_hidden_layers() -> None:
    """L6: the 2-, 3- and 5-factor products and the updates, for unknown l and g."""
    net = network("two_hidden_layers")
    d = sg.differentiate(net)
    assert [str(d[n].chain).count("jac(") for n in ("v", "W2", "W1")] == [2, 4, 6]
    text = told(net)
    for n in ("W1", "W2", "v"):
        assert f"{n} <- {n} - eta" in text
    assert "l'(y[n], yhat[n])" in text and "g'(z1[n])" in text


def test_structured_factors() -> None:
    """L7: diag(g'(z)) and the tensor of z by W as structured factors, g and l unknown."""
    d = sg.differentiate(network("two_hidden_layers"))
    assert "diag(g'(z2[n])) * W2' * diag(g'(z1[n]))" in str(d["W1"].jacobian)
    assert "eye(K1)" in str(d["W1"].jacobian) or "delta" in str(d["W1"].jacobian)
    assert d.verify().ok and set(d.verify().stand_ins) == {"g", "l"}


def test_reuse() -> None:
    """L8: what is kept, what is used again, operations with and without."""
    net = network("two_hidden_layers")
    plan = sg.schedule(sg.differentiate(net))
    assert set(plan.cached) >= {"h1", "h2", "z1", "z2"}
    sizes = {"N": 100, "D": 50, "K1": 40, "K2": 30}
    counts = [int(e.subs({s: sizes[s.name] for s in e.free_symbols})) for e in (plan.flops, plan.flops_without_reuse)]
    assert counts[0] < 0.7 * counts[1] and all(isinstance(e, sp.Expr) for e in (plan.flops, plan.peak_bytes))
    text = told(net)
    assert "was found in" in text and "is used again" in text and "If every gradient were computed on its own, with nothing kept" in text


def test_components_and_matrices() -> None:
    """L10: both forms of the regression network, and that they are equal."""
    net = network("regression")
    d = sg.differentiate(net)
    assert str(d["v"].index) == "D[k] = -sum[n](e[n]*h[n,k])" and str(d["v"].matrix) == "-h'*e"
    assert str(d["W"].index).startswith("D[d,k] = -") and all(part in str(d["W"].index) for part in ("e[n]", "v[k]", "x[n,d]", "g'(z[n,k])"))
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(7, 3)), "y": rng.normal(size=7), "W": rng.normal(size=(3, 4)), "v": rng.normal(size=4), "g": "tanh"}
    for n in ("v", "W"):
        first, second = (sg.evaluate(net.parse(str(view)), values) for view in (d[n].matrix, d[n].index))
        np.testing.assert_allclose(first, second, rtol=1e-12)
    text = told(net)
    assert "entry by entry" in text and "-sum[n](e[n]*h[n,k])" in text


# ---------------------------------------------------------------------- other networks
@pytest.mark.parametrize("text", [
    "param x : scalar\nloss = x^2", "param x : vector(n)\nloss = x'*x", "param x : vector(n)\nparam W : matrix(n, k)\nloss = sum(x)", "param x : vector(n)\nx",
    "param W : matrix(m, n)\ndata x : vector(n)\nW*x", "param z : vector(K)\ns = softmax(z)", "param A : matrix(n, n) spd\nlogdet(A)",
    "data Q, K, V : matrix(T, d)\nparam W : matrix(d, d)\nY = attention(Q*W, K, V)\nloss = sum(Y)",
    "param h, gamma, beta : vector(D)\ny = layernorm(h, gamma, beta)\nloss = y'*y", "param x : vector(n)\nloss = sum(step(x))",
    "examples n = 1..N\nindex t = 1..3\ndata x[n, t] : vector(D)\nparam W : matrix(K, D)\nparam U : matrix(K, K)\nparam h0 : vector(K)\nh[n, 0] = h0\n"
    "h[n, t] = tanh(W * x[n, t] + U * h[n, t-1])\nloss = sum[n](norm2(h[n, 3])^2)",
])
def test_any_network_gets_a_solution(text: str, tmp_path: Path) -> None:
    solution = sg.solve(sg.parse(text))
    assert solution.report.ok and solution.save(tmp_path / "page.html").stat().st_size > 10_000
    shown = str(solution)
    assert "checked: largest difference" in shown and "None" not in shown.replace(", None]", "") and "Traceback" not in shown
    assert solution.save(tmp_path / "page.txt").read_text(encoding="utf-8") == shown


def test_a_zero_gradient_says_why() -> None:
    text = told(sg.parse("param x : vector(n)\nparam W : matrix(n, k)\nloss = sum(x)"))
    assert "is zero: it does not depend on it" in text and text.count("<-") == 1


def test_layouts_and_numbers() -> None:
    net = sg.parse("A*x", vars={"A": ("m", "n"), "x": ("n",)})
    assert "A'" in told(net, wrt="x", layout="denominator") and "n x m" in told(net, wrt="x", layout="denominator")
    with pytest.raises(sg.InputError, match="no value for A"):
        sg.solve(net, wrt="x", values={"x": [1, 2]})


# ---------------------------------------------------------------------- the same bytes
@pytest.mark.parametrize("arguments", [
    ("solve", "--out", "page.html"), ("draw", "--out", "net.svg"), ("draw", "--out", "net.dot"), ("derive", "--json"), ("solve",),
], ids=" ".join)
def test_the_same_bytes_each_time(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command, *options = arguments
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        done = subprocess.run([sys.executable, "-m", "symgrad.cli", command, str(EXAMPLES / "two_hidden_layers.sg"), *options], cwd=folder,
                              capture_output=True, timeout=120, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.append((done.stdout, {p.name: p.read_bytes() for p in folder.iterdir()}))
    assert found[0] == found[1]


# ---------------------------------------------------------------------- a browser
@pytest.mark.browser
@pytest.mark.parametrize("name", ["two_hidden_layers", "regression"])
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_in_a_browser(name: str, width: int, chromium: str, tmp_path: Path) -> None:
    """The page stands in a frame of the width, and reports its width, errors, and boxes of letters that the fonts lack."""
    sg.solve(network(name)).save(tmp_path / "solution.html")
    page = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", (tmp_path / "solution.html").read_text(encoding="utf-8"))
    early = "<script>var wrong = []; onerror = (m) => wrong.push(m); console.error = (m) => wrong.push(m);</script>"
    late = """<script>document.fonts.ready.then(() => {
        const missing = (font, text) => { const c = document.createElement('canvas').getContext('2d'); c.font = '40px ' + font;
            return [...new Set(text)].filter(x => x.trim() && c.measureText(x).width === c.measureText('\\u{10FFFE}').width
                && x.charCodeAt(0) > 127 && JSON.stringify(draw(c, x)) === JSON.stringify(draw(c, '\\u{10FFFE}'))); };
        const draw = (c, x) => { c.clearRect(0, 0, 60, 60); c.fillText(x, 5, 45); return [...c.getImageData(0, 0, 60, 60).data].filter((v, k) => k % 4 == 3); };
        const letters = [...document.querySelectorAll('math')].map(m => m.textContent).join('');
        const font = getComputedStyle(document.querySelector('math')).fontFamily;
        document.querySelectorAll('details').forEach(d => d.open = true);
        parent.postMessage([document.documentElement.scrollWidth, wrong.length, missing(font, letters).join('')].join(' '), '*'); });</script>"""
    (tmp_path / "page.html").write_text(page.replace("<head>", f"<head>{early}", 1).replace("</body>", late + "</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text("<title>none</title><script>onmessage = event => document.title = `told ${event.data}`</script>"
                                         f'<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>', encoding="utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars", "--window-size=1400,900",
         "--virtual-time-budget=8000", "--enable-logging=stderr", "--v=0", "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True)
    told_ = re.search("<title>(.*?)</title>", done.stdout)
    assert told_ and told_.group(1).strip() == f"told {width} 0", told_
    assert "CONSOLE" not in done.stderr
