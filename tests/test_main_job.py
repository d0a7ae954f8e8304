"""The main job: a network in, a proved worked solution out, from the command line; for the example and for networks made at random."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from generated import Generated, numeric_gradient, random_network

import symgrad as sg
from symgrad.cli import main

ROOT = Path(__file__).resolve().parents[1]
NETWORK = ROOT / "examples" / "two_hidden_layers.sg"
VOID = {"meta", "link", "br", "hr", "img", "input", "col", "path", "use", "rect", "mspace", "mprescripts", "none"}
SECTIONS = ("The network", "The graph", "Forward pass", "the chain rule", "each factor in closed form", "the result", "The program", "The schedule", "The check")
SEEDS = range(12)


class Page(HTMLParser):
    """A page: that its tags are balanced, its headings, its words outside formulas, the sources of its formulas."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.formulas: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.formulas += [value or "" for key, value in attrs if key == "alttext"]
        assert all(value is not None and "None" not in value for key, value in attrs if key in ("id", "href", "class")), attrs
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element: nothing stays open."""

    def handle_data(self, data: str) -> None:
        if any(re.fullmatch("h[1-6]", tag) for tag in self.open):
            self.headings[-1] += data
        if not {"annotation", "style", "script", "code", "pre", "title"} & {*self.open}:
            self.words.append(data)

    @property
    def seen(self) -> str:
        """What a reader sees, without programs."""
        return " ".join(" ".join(self.words).split())


def assert_complete(text: str, names: list[str]) -> Page:
    """A whole page: every section, every definition, nothing raw, the check."""
    page = Page(text)
    headings = " | ".join(page.headings)
    assert all(section in headings for section in SECTIONS), headings
    assert "checked: largest difference from the numeric derivative" in page.seen
    assert not re.search(r"\\[a-zA-Z]+|\bNone\b|\bnan\b|<bound|object at 0x", page.seen), re.findall(r".{30}(?:\\[a-zA-Z]+|None|nan).{30}", page.seen)
    assert "<svg" in text and "eta" in "".join(page.formulas)
    assert text.rstrip().endswith("</html>")
    sources = " ".join(page.formulas)
    for name in names:
        stem = max(re.split(r"[_\d]", name), key=len)
        assert stem in sources or stem in text, name
    return page


def start(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "symgrad.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_of_the_readme(tmp_path: Path) -> None:
    done = start("solve", str(NETWORK), "--wrt", "W1", "--out", "w1.html", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "w1.html: checked: largest difference from the numeric derivative" in done.stdout and not done.stderr
    assert os.listdir(tmp_path) == ["w1.html"]
    page = assert_complete((tmp_path / "w1.html").read_text(encoding="utf-8"), ["x", "y", "W1", "W2", "v", "z1", "h1", "z2", "h2", "yhat", "loss"])
    assert "so that term of the sum is zero" in page.seen                   # L4: what drops out, with the reason
    assert "used again" in page.seen or "none is computed twice" in page.seen


@pytest.mark.parametrize("arguments", [
    ["solve", str(NETWORK), "--wrt", "nothing", "--out", "page.html"],
    ["solve", str(NETWORK), "--out", "missing/page.html"],
    ["solve", str(NETWORK), "--values", "absent.json", "--out", "page.html"],
    ["solve", "sqrt(-1 - x^2)", "--var", "x", "--out", "page.html"],
    ["draw", str(NETWORK), "--of", "nothing", "--out", "net.svg"],
])
def test_a_failure_writes_nothing(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.html").write_text("old")
    assert main(arguments) == 2
    assert os.listdir(tmp_path) == ["page.html"] and (tmp_path / "page.html").read_text() == "old"


def solved(net: Generated, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, object]], str]:
    """What `derive --json` prints and the page that `solve` writes."""
    path = folder / "net.sg"
    path.write_text(net.text, encoding="utf-8")
    assert main(["derive", str(path), "--json"]) == 0, capsys.readouterr()
    records = json.loads(capsys.readouterr().out)
    assert main(["solve", str(path), "--out", str(folder / "page.html")]) == 0, capsys.readouterr()
    capsys.readouterr()
    return records, (folder / "page.html").read_text(encoding="utf-8")


def assert_right(net: Generated, records: list[dict[str, object]]) -> None:
    """Every view of every gradient, read back as text, has the value that differences of the plain NumPy network have."""
    graph = sg.parse(net.text)
    assert np.isclose(sg.evaluate(graph, net.values, functions=net.functions), net.value(), rtol=1e-10)
    assert [r["name"] for r in records] == net.params
    for record in records:
        name = str(record["name"])
        expected = numeric_gradient(net, name)
        assert record["verified"] is True and float(str(record["max_error"])) < 1e-6
        assert len(record["shape"]) == expected.ndim                # type: ignore[arg-type]  # a list
        for view in ("matrix", "index", "chain", "jacobian"):
            found = sg.evaluate(graph.parse(str(record[view])), net.values, functions=net.functions)
            shapes = [expected.shape] if view in ("matrix", "index") else [expected.shape, (1, *expected.shape)]
            assert found.shape in shapes, (name, view, record[view])
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-6, atol=1e-7, err_msg=f"{name}, {view}: {record[view]}")


@pytest.mark.parametrize("seed", SEEDS)
def test_networks_at_random(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = random_network(seed)
    records, page = solved(net, tmp_path, capsys)
    assert_right(net, records)
    assert_complete(page, [*net.values, *net.defined])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_more_networks_at_random(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = random_network(seed)
    records, page = solved(net, tmp_path, capsys)
    assert_right(net, records)
    assert_complete(page, [*net.values, *net.defined])


def test_the_comparison_sees_a_wrong_gradient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = random_network(0)
    records, _ = solved(net, tmp_path, capsys)
    first = str(records[0]["matrix"]).splitlines()
    records[0]["matrix"] = "\n".join([*first[:-1], f"2 * ({first[-1]})"])
    with pytest.raises(AssertionError):
        assert_right(net, records)


def test_given_numbers_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {"x": [[1, 2], [0.5, -1], [0, 1]], "y": [1, 0, -1], "W": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "v": [1, -1, 0.5], "g": "tanh"}
    (tmp_path / "values.json").write_text(json.dumps(values))
    path = tmp_path / "page.html"
    assert main(["solve", str(ROOT / "examples" / "regression.sg"), "--values", str(tmp_path / "values.json"), "--out", str(path)]) == 0
    page = assert_complete(path.read_text(encoding="utf-8"), ["e", "h", "yhat"])
    e = np.array(values["y"]) - np.tanh(np.array(values["x"]) @ np.array(values["W"])) @ np.array(values["v"])
    assert f"{0.5 * e @ e:.4g}"[:5] in page.seen
