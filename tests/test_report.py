"""Reports: every section holds the numbers it was given, what is missing has none, every format can be written, strangers' text is escaped."""
from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.document import Check, Picture, Section, Table, walk
from symgrad.laboratory import Report, report, report_of
from symgrad.render.plots import plot
from symgrad.training.lanczos import Eigenvalues

TEXT = """
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param W : matrix(D, K)
param v : vector(K)
h[n] = tanh(W' * x[n])
loss = mean[n]((y[n] - v' * h[n])^2)
"""
SECTIONS = ["The network", "The gradients", "Training", "Values on the way", "Gradient flow", "The landscape", "The numbers"]


@dataclass
class Rows:
    """What `Fit.history` offers: columns by name."""

    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array([r[name] for r in self.rows])


@dataclass
class Descent:
    """Plain gradient descent, with what `sg.fit` leaves."""

    params: dict[str, np.ndarray]
    history: Rows
    recorded: list[tuple[int, dict[str, np.ndarray]]]
    stopped: str = "finished"
    steps: int = 0
    settings: dict[str, object] = field(default_factory=lambda: {"seed": 0, "optimiser": "sgd"})


@dataclass
class Flowing:
    names: list[str]
    columns: dict[str, list[float]]
    paragraph: str
    products: tuple[np.ndarray, ...] = ()


def descent(net: sg.Graph, data: dict[str, np.ndarray], start: dict[str, np.ndarray], steps: int) -> Descent:
    program, params, made = sg.compile(sg.differentiate(net)), start, Descent(start, Rows(), [(0, start)])
    for step in range(1, steps + 1):
        loss, found = program(**data, **params)
        norm = float(np.sqrt(sum(np.sum(g**2) for g in found.values())))
        made.history.rows.append({"epoch": step, "step": step, "loss": float(loss), "validation": float(loss) + 1 / step, "accuracy": step / steps,
                                  "lr": 0.1 / step, "gradient_norm": norm})
        params = {n: a - 0.1 * found[n] for n, a in params.items()}
        made.recorded.append((step, params))
    made.params, made.steps = params, steps
    return made


@pytest.fixture(scope="module")
def run() -> tuple[sg.Graph, dict[str, np.ndarray], Descent]:
    rng = np.random.default_rng(0)
    net, x = sg.parse(TEXT), rng.normal(size=(20, 3))
    data = {"x": x, "y": np.sin(x[:, 0])}
    return net, data, descent(net, data, {"W": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}, 20)


@pytest.fixture(scope="module")
def whole(run: tuple[sg.Graph, dict[str, np.ndarray], Descent]) -> Report:
    net, data, fit = run
    plane = sg.landscape(net, fit.params, data, directions="pca", path=[p for _, p in fit.recorded], steps=7)
    flow = Flowing(["h", "loss"], {"gradient": [0.25, 0.5]}, "The gradient halves at each layer.")
    return report(net, fit=fit, flow=flow, landscape=plane, sharpness=sg.sharpness(net, fit.params, data), values=data, title="A small run")


def titles(made: Report) -> list[str]:
    return ["".join(getattr(i, "text", "") for i in block.title) for block in made.document.blocks if isinstance(block, Section)]


def test_every_section_holds_its_numbers(whole: Report, run: tuple[sg.Graph, dict[str, np.ndarray], Descent]) -> None:
    net, data, fit = run
    text = str(whole)
    assert titles(whole) == SECTIONS and whole.document.title == "A small run"
    assert f"from {fit.history['loss'][0]:.4g} to {fit.history['loss'][-1]:.4g}" in text and "20 steps in 20 epochs (finished)" in text
    best = int(np.argmin(fit.history["validation"])) + 1
    assert f"epoch {best}" in text
    h = np.tanh(data["x"] @ fit.params["W"])
    assert f"The standard deviation of h is {h.std():.3g}" in text
    assert "The gradient halves at each layer." in text and "0.25" in text
    top = float(sg.sharpness(net, fit.params, data))
    assert f"sharpness, is {top:.4g}" in " ".join(text.split()) and f"{2 / top:.3g}" in text
    assert "optimiser" in text and "size N" in text and "sgd" in text
    check = next(e for e in walk(whole.document) if isinstance(e, Check))
    assert check.ok and "At random values" in text
    assert sum(isinstance(e, Picture) for e in walk(whole.document)) == 6


def test_the_gradients_printed_are_the_gradients(whole: Report, run: tuple[sg.Graph, dict[str, np.ndarray], Descent]) -> None:
    net, data, fit = run
    lines = [line.split(" = ", 1)[1].rstrip(" |") for line in str(whole).splitlines() if "| grad(loss, " in line]
    true = sg.differentiate(net).evaluate({**data, **fit.params})
    assert len(lines) == 2
    for text, (_, array) in zip(lines, true.items(), strict=True):
        np.testing.assert_allclose(sg.evaluate(net, {**data, **fit.params}, of=net.parse(text)), array, atol=1e-10)


def test_what_is_missing_has_no_section(run: tuple[sg.Graph, dict[str, np.ndarray], Descent], monkeypatch: pytest.MonkeyPatch) -> None:
    net, data, fit = run
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    bare = report(net)
    assert titles(bare) == ["The network", "The gradients"] and "At random values" in str(bare), "what needs no plot needs no matplotlib"
    with pytest.raises(MissingExtraError, match=r"symgrad\[plots\]"):
        report(net, fit=fit)
    monkeypatch.undo()
    assert titles(report(net, fit=fit)) == ["The network", "The gradients", "Training", "The numbers"]
    assert titles(report(net, values={**data, **fit.params}, title="t")) == ["The network", "The gradients", "Values on the way", "The numbers"]
    assert titles(report(net, values=data)) == ["The network", "The gradients", "The numbers"], "without parameters there are no values on the way"
    stopped = Descent(fit.params, Rows(), [], "interrupted", 3)
    assert "before an epoch was whole" in str(report(net, fit=stopped))


def test_landscapes_are_compared(run: tuple[sg.Graph, dict[str, np.ndarray], Descent]) -> None:
    net, data, fit = run
    planes = {f"seed {s}": sg.landscape(net, fit.params, data, steps=5, seed=s) for s in (1, 2)}
    text = str(report(net, landscape=planes))
    assert "seed 1: 5 x 5 points" in text and "seed 2: 5 x 5 points" in text
    line = sg.landscape(net, fit.params, data, steps=5, dimensions=1)
    assert "[Picture: the loss along a line]" in str(report(net, landscape=line))
    flat = Eigenvalues(np.array([-1.0]), np.ones((1, 1)), np.array([0.1]), 7, False)
    text = " ".join(str(report(net, sharpness=flat)).split())
    assert "did not converge" in text and "no direction curves upwards" in text


def test_flow_shows_norms_and_products_and_leaves_gaps(run: tuple[sg.Graph, dict[str, np.ndarray], Descent], monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Products(Flowing):
        products: tuple[np.ndarray, ...] = (np.array([1.0, 0.5]), np.array([1.0, 0.25]))
    drawn: list[object] = []
    monkeypatch.setattr("symgrad.laboratory.plot", lambda *panels, columns: drawn.extend(panels) or plot(*panels, columns=columns))
    flow = Products(["a", "b"], {"|gradient|": [1.0, 2.0], "factor": [float("nan"), 2.0]}, "Why.")
    text = str(report(run[0], flow=flow))
    assert "nan" not in text and "Why." in text
    layers, fan = drawn
    assert list(layers.series) == ["|gradient|"] and np.array_equal(fan.values, flow.products)


def test_deep_networks_say_their_gradients_once() -> None:
    h = sg.layers.repeat(lambda h, W: h + np.tanh(W @ h), 50, sg.data("x", 4), W=(4, 4))
    made = report(sg.graph(h=h, loss=np.sum(h.last**2)))
    assert "d_h[k+1,j]" in str(made) and len(str(made)) < 6000 and "800" in str(made)


@pytest.mark.parametrize("suffix", [".html", ".pdf", ".md", ".tex", ".ipynb", ".txt", ".json"])
def test_every_format_is_written(suffix: str, whole: Report, tmp_path: Path) -> None:
    first = whole.save(tmp_path / f"run{suffix}").read_bytes()
    assert len(first) > 1500 and whole.save(tmp_path / f"run{suffix}").read_bytes() == first
    if suffix == ".json":
        assert json.loads(first)["document"]["title"] == "A small run"
    with pytest.raises(InputError, match="no format"):
        whole.save(tmp_path / "run.jpg")


def test_text_from_strangers_is_escaped(run: tuple[sg.Graph, dict[str, np.ndarray], Descent], tmp_path: Path) -> None:
    net, _, fit = run
    evil = "<script>alert(1)</script>$\\input{x}$"
    flow = Flowing([evil, "b"], {evil: [1.0, 2.0]}, evil)
    fit = Descent(fit.params, Rows([{evil: 1.0, "loss": 1.0}, {evil: 2.0, "loss": 2.0}]), [], evil, 2, {evil: evil})
    made = report(net, fit=fit, flow=flow, title=evil)
    page = made.save(tmp_path / "a.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    source = made.save(tmp_path / "a.tex").read_text()
    assert "\\input{x}" not in source
    assert made.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_values_that_do_not_fit_are_refused(run: tuple[sg.Graph, dict[str, np.ndarray], Descent]) -> None:
    net, data, fit = run
    for values in ({**data, "x": np.ones(3)}, {**data, "x": np.ones((5, 9))}):
        with pytest.raises(InputError):
            report(net, fit=fit, values=values)


def test_tables_are_cut_where_they_are_long() -> None:
    x, loss = sg.data("x", 2), 0
    for k in range(70):
        loss = loss + sg.param(f"w{k}", 2) @ x
    made = report(sg.graph(loss=loss**2))
    table = next(e for e in walk(made.document) if isinstance(e, Table))
    assert len(table.rows) == 62 and "10 more" in str(made) and "140" in str(made) and "58 more parameters" in str(made)


def test_the_report_of_a_run_has_every_section(tmp_path: Path) -> None:
    net = sg.parse("examples n = 1..N\nsize K = 6\ndata x[n] : vector(D)\ndata y[n] : scalar\nparam W1 : matrix(D, K)\nparam W2 : matrix(K, K)\nparam v : vector(K)\n"
                   "h1[n] = relu(W1' * x[n])\nh2[n] = relu(W2' * h1[n])\nloss = sum[n]((v' * h2[n] - y[n])^2) / N")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    fit = sg.fit(net, {"x": x, "y": x[:, 0] ** 2}, epochs=4, batch=10, lr=0.01, record=2, seed=1)
    made = report_of(fit, title="a run", steps=5)
    titles = ["".join(part.text for part in block.title if hasattr(part, "text")) for block in made.document.blocks]
    assert titles == ["The network", "The gradients", "Training", "Values on the way", "Gradient flow", "The landscape", "The numbers"]
    text = str(made)
    assert "seed" in text and "Adam" in text and "WRONG" not in text and "no flow" not in text
    assert made.save(tmp_path / "run.html").stat().st_size > 100_000


def test_what_a_network_has_no_answer_for_is_said() -> None:
    net = sg.parse("examples n = 1..N\ndata x[n] : scalar\nparam w : scalar\nfunction q elementwise\nloss = sum[n](q(w * x[n]))")
    fit = sg.fit(net, {"x": np.arange(4.0)}, epochs=1, functions={"q": "tanh"})
    assert "no flow" in str(report_of(fit, steps=3))


def test_the_commands_write_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "net.sg"
    net.write_text("examples n = 1..N\nsize K = 5\ndata x[n] : vector(D)\ndata y[n] : scalar\nparam W : matrix(D, K)\nparam U : matrix(K, K)\nparam v : vector(K)\n"
                   "h1[n] = tanh(W' * x[n])\nh2[n] = tanh(U' * h1[n])\nloss = sum[n]((v' * h2[n] - y[n])^2) / N", encoding="utf-8")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(20, 3)), y=np.arange(20.0) / 20)
    assert main(["flow", str(net), "--out", str(tmp_path / "flow.html")]) == 0
    assert main(["train", str(net), "--data", str(tmp_path / "data.npz"), "--epochs", "2", "--report", str(tmp_path / "run.md"), "--out", str(tmp_path / "p.npz")]) == 0
    assert "Gradient flow" in (tmp_path / "flow.html").read_text(encoding="utf-8")
    assert "Training" in (tmp_path / "run.md").read_text(encoding="utf-8")
    assert main(["flow", str(net), "--out", str(tmp_path / "flow.bmp")]) == 2 and ".bmp" in capsys.readouterr().err
