"""Exercise sheets: wrong options are wrong, right ones are right, every variant has its key, the same seed gives the same bytes."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.explain.document import Section, walk
from symgrad.explain.mistakes import KINDS, Mistake, mistakes_of
from symgrad.render.text import to_text

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TWO = """examples n = 1..N
data x[n] : vector(D)
data y[n] : scalar
param W1 : matrix(D, K1)
param W2 : matrix(K1, K2)
param v : vector(K2)
z1[n] = W1' * x[n]
h1[n] = tanh(z1[n])
z2[n] = W2' * h1[n]
h2[n] = relu(z2[n])
yhat[n] = v' * h2[n]
loss = 1/2 * sum[n]((y[n] - yhat[n])^2)"""
SKIP = """data x, y : vector(D)
param W : matrix(D, D)
z = W * x
h = tanh(z) + z
loss = 1/2 * norm2(y - W * h)^2"""


def mistakes(net: sg.Graph, name: str) -> list[Mistake]:
    d = sg.differentiate(net)[name]
    return mistakes_of(d, d.viewer.names)


def at_random(net: sg.Graph, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = {"N": 5, "D": 3, "K1": 2, "K2": 4}
    return {n: rng.normal(size=[sizes[s] for s in v.shape]) for n, v in net.variables().items()}


@pytest.mark.parametrize(("text", "name"), [(TWO, "W1"), (TWO, "W2"), (TWO, "v"), (SKIP, "W")])
def test_every_mistake_is_one(text: str, name: str) -> None:
    """Its text, read back, is neither the truth nor another mistake, at values that the library did not draw."""
    net = sg.parse(text)
    values = at_random(net, 11)
    shown = ["\n".join((*m.form.lines, m.form.body)) for m in mistakes(net, name)]
    truth = sg.differentiate(net)[name]
    arrays = [truth.evaluate(values), *(np.asarray(sg.evaluate(net.parse(s), values)) for s in shown)]
    assert len(arrays) > 3 and truth.verify().ok
    for k, a in enumerate(arrays):
        for b in arrays[:k]:
            assert a.shape != b.shape or np.max(np.abs(a - b)) > 1e-4


def test_the_kinds_of_mistakes() -> None:
    assert {m.kind for m in mistakes(sg.parse(TWO), "W2")} >= {"sign", "transpose", "factor", "lost factor", "wrong operand"}
    skip = mistakes(sg.parse(SKIP), "W")
    assert {m.kind for m in skip} >= {"missing path", "wrong point", "lost factor", "transpose"} and {m.kind for m in skip} <= set(KINDS)
    assert all(m.why and not m.why.endswith((" at", " of", " in")) for m in skip if not m.where)


def test_a_lost_path_is_the_gradient_without_it() -> None:
    """Against a network in which the path is cut by hand."""
    net, values = sg.parse(SKIP), at_random(sg.parse(SKIP), 3)
    cut = sg.parse(SKIP.replace("data x, y", "data x, y, c").replace("W * h)^2", "W * c)^2"))           # h held: only W's direct path is left
    held = sg.evaluate(net["h"], {k: values[k] for k in ("W", "x")})
    direct = sg.differentiate(cut, "W")["W"].evaluate({**values, "c": held})
    lost = [np.asarray(sg.evaluate(net.parse("\n".join((*m.form.lines, m.form.body))), values)) for m in mistakes(net, "W") if m.kind == "missing path"]
    assert any(np.allclose(a, direct) for a in lost)


@pytest.mark.parametrize("kind", ["blanks", "choice", "both"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_sheet_and_key_go_together(kind: str, level: int) -> None:
    made = sg.exercise(sg.parse(TWO), blank="all", kind=kind, level=level, count=4, seed=2)
    def variants(document: object) -> list[str]:
        return [s.anchor for s in walk(document) if isinstance(s, Section) and s.anchor.startswith("variant")]  # type: ignore[arg-type]  # a document
    assert variants(made.sheet) == variants(made.key) == [f"variant-{k}" for k in range(1, 5)] and made.report.ok
    text = str(made)
    assert ("(a)" in text) == (kind != "blanks") and ("____" in text) == (kind != "choice")
    assert ("Computed already" in text) is False                                 # asked for everything, nothing is told


def test_levels_give_less_and_less() -> None:
    net = sg.parse(TWO)
    first, second, third = (str(sg.exercise(net, level=k, count=1, kind="blanks")) for k in (1, 2, 3))
    assert "Computed already" in first and "Computed already" in second and "Computed already" not in third
    assert len(re.findall("____", first)) < len(re.findall("____", second)) and "forward pass" in third


def test_the_right_option_is_the_gradient() -> None:
    """The option that the key names, read off the sheet, has the value of a numeric derivative."""
    net = sg.parse(TWO)
    made = sg.exercise(net, count=6, kind="choice", seed=1)
    sheet, key = (to_text(document, 400).replace("\xa0", " ") for document in (made.sheet, made.key))
    values = at_random(net, 5)
    checked = 0
    for part, answers in zip(re.split(r"Variant \d+\n", sheet)[1:], re.split(r"Variant \d+\n", key)[1:], strict=True):
        number, name = re.search(r"(\d)\. Which one is grad\(loss, (\w+)\)", part).groups()              # type: ignore[union-attr]  # it is there
        letter = re.search(rf"^{number}\. \((\w)\)", answers, re.MULTILINE).group(1)                      # type: ignore[union-attr]  # likewise
        options = dict(re.findall(r"- \((\w)\) (.*)", part.partition("Which one")[2].partition("\n" + str(int(number) + 1) + ".")[0]))
        found = {k: np.asarray(sg.evaluate(net.parse(v.partition(" with ")[0].strip()), values)) for k, v in options.items() if " with " not in v}
        step = 1e-6
        numeric = np.zeros(values[name].shape)
        for at in np.ndindex(*numeric.shape):
            moved = {s: {**values, name: values[name] + s * step * (np.arange(numeric.size).reshape(numeric.shape) == np.ravel_multi_index(at, numeric.shape))}
                     for s in (1, -1)}
            numeric[at] = (float(sg.evaluate(net.output, moved[1])) - float(sg.evaluate(net.output, moved[-1]))) / (2 * step)
        assert len(found) == 4 and [k for k, a in found.items() if a.shape == numeric.shape and np.allclose(a, numeric, atol=1e-5)] == [letter]
        checked += 1
    assert checked == 6


def test_numbers_to_choose_from_differ_as_they_are_shown() -> None:
    net = sg.parse(SKIP)
    for level in (1, 2, 3):
        text = to_text(sg.exercise(net, count=5, kind="choice", level=level).sheet, 300)
        for part in text.split("at these numbers?")[1:]:
            options = re.findall(r"- \(\w\) (.*)", part.partition("Variant")[0])
            assert len(options) > 1 and len(set(options)) == len(options)


@pytest.mark.parametrize("name", ["two_hidden_layers", "regression", "batch_norm", "mazur", "conv", "scalar_chain", "attention"])
def test_any_network_gets_a_sheet(name: str, tmp_path: Path) -> None:
    made = sg.exercise(sg.parse((EXAMPLES / f"{name}.sg").read_text(encoding="utf-8")), count=1, blank="all")
    made.save(tmp_path / "sheet.html", tmp_path / "key.html")
    assert "None" not in str(made) and all((tmp_path / f"{n}.html").stat().st_size > 5000 for n in ("sheet", "key"))


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    found = []
    for hashes in ("1", "2"):
        folder = tmp_path / hashes
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "symgrad.cli", "exercise", str(EXAMPLES / "mazur.sg"), "--blank", "gradients", "--seed", "7", "--count", "3",
                        "--out", "sheet.html", "--key", "key.html"], cwd=folder, check=True, timeout=120, capture_output=True,
                       env={**os.environ, "PYTHONHASHSEED": hashes})
        found.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert found[0] == found[1] and len(found[0]) == 2
    net = sg.parse(TWO)
    assert str(sg.exercise(net, seed=1, count=2)) == str(sg.exercise(net, seed=1, count=2)) != str(sg.exercise(net, seed=2, count=2))


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = sg.parse(TWO)
    for options, match in (({"blank": "grads"}, "blank is one of"), ({"kind": "x"}, "kind is one of"), ({"level": 4}, "from 1 to 3"), ({"count": 0}, "from 1 to 500"),
                           ({"blank": "values", "kind": "choice"}, "nothing can be asked")):
        with pytest.raises(sg.InputError, match=match):
            sg.exercise(net, **options)                                          # type: ignore[arg-type]  # options of exercise
    with pytest.raises(sg.InputError, match="one file"):
        sg.exercise(net, count=1).save(tmp_path / "a.txt", tmp_path / "a.txt")
    assert main(["exercise", str(EXAMPLES / "mazur.sg"), "--key", str(tmp_path / "k.txt")]) == 2
    assert "give --out too" in capsys.readouterr().err
