"""What a worked solution holds at each level of detail; every equation in it is read back as notation and compared with the derivation."""
from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.explain.document import Document, FactorRow, Line, Math, Note, Paragraph, Section, Table, Text, walk
from symgrad.explain.formulas import STYLES
from symgrad.explain.frame import DETAILS
from symgrad.run.executor import execute
from symgrad.run.functions import function_values
from symgrad.views.rolled import Rolled
from symgrad.views.steps import steps_of

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FOUR = ("two_hidden_layers", "regression", "batch_norm", "problems/two_steps_in_time")
ALL = (*FOUR, "conv", "scalar_chain", "problems/attention", "problems/recurrent", "problems/layer_norm", "problems/relu_sigmoid",
       "problems/two_neuron_chain", "problems/weight_decay", "problems/logistic_regression", "lstm")
SIZES = {"N": 5, "D": 3, "K": 4, "K1": 4, "K2": 6, "T": 5, "F": 3, "M": 4, "C": 2, "H": 4, "P": 3, "Q": 2, "R": 5}


def network(name: str) -> sg.Graph:
    return sg.parse((EXAMPLES / f"{name}.sg").read_text(encoding="utf-8"))


@functools.cache
def document(name: str, **options: object) -> Document:
    return sg.solve(network(name), picture=False, **options).document       # type: ignore[arg-type]  # options of solve


def plain(element: object) -> str:
    return " ".join(x.text if isinstance(x, Text) else x.notation for x in walk(element) if isinstance(x, Text | Math))  # type: ignore[arg-type]  # walk takes any element


def titles(found: Document) -> list[str]:
    return [plain(Paragraph(s.title)) for s in found.blocks if isinstance(s, Section)]


def equations(found: Document) -> Iterator[tuple[str, str]]:
    """(left, right) of every line that has both, in order; `index` lines are ("index", line). Not definitions of the network, not updates."""
    for section in found.blocks:
        if not isinstance(section, Section) or section.anchor in ("network", "update"):
            continue
        for line in (x for x in walk(section) if isinstance(x, Line)):
            if any(isinstance(p, FactorRow) for p in line.parts):
                continue
            right = " ".join(p.notation for p in line.parts if isinstance(p, Math))
            if line.left is None:
                assert right.startswith("index "), right
                yield "index", right
            else:
                yield line.left.notation, right.removeprefix("= ")


# ---------------------------------------------------------------------- required parts
@pytest.mark.parametrize("name", FOUR)
def test_the_parts_in_order(name: str) -> None:
    for detail in DETAILS:
        found = document(name, detail=detail)
        shown = titles(found)
        wanted = ["The network", *(["Forward pass"] if detail != "brief" else []), "The update",
                  *(["The program", "The schedule"] if detail != "brief" else []), "The check"]
        assert [t for t in shown if not t.startswith("By ")] == wanted, shown
        assert [t.partition(":")[0].split()[1] for t in shown if t.startswith("By ") and (detail == "brief" or t.endswith("the result"))] == \
            sg.differentiate(network(name)).keys()
        first = min(k for k, t in enumerate(shown) if t.startswith("By "))
        assert shown[first - 1] == wanted[0 if detail == "brief" else 1]


def test_levels_differ_in_length() -> None:
    for name in ALL:
        short, middle, long = (len(plain(document(name, detail=detail))) for detail in DETAILS)
        assert 1.5 * short < middle <= long, (name, short, middle, long)
        scalars = all(not n.rank for n in network(name).names.values())     # then there are no entries to tell
        assert scalars or name == "lstm" or long > middle, name
    assert len(list(equations(document("two_hidden_layers", detail="full")))) > 1.5 * len(list(equations(document("two_hidden_layers"))))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("detail", DETAILS)
def test_nothing_is_said_twice(name: str, detail: str) -> None:
    found = document(name, detail=detail)
    counts = Counter(x for x in equations(found) if x[0] != "index" and not re.fullmatch(r"(t|u)\d+(\[.*\])?|g(\[.*\])?", x[0]))
    assert not [e for e, n in counts.items() if n > 1]
    prose = Counter(plain(p) for p in walk(found) if isinstance(p, Paragraph) and len(plain(p)) > 60)
    assert not [p for p, n in prose.items() if n > 1 and " found in " not in p and " known from " not in p]     # these refer


# ---------------------------------------------------------------------- every equation is right
class Truth:
    """The values behind the left sides of a solution, at random numbers and unequal sizes."""

    def __init__(self, net: Graph, d: sg.Derivation, seed: int) -> None:
        self.net, self.d = net, d
        rng = np.random.default_rng(seed)
        self.values: dict[str, object] = {}
        for name, node in net.variables().items():
            self.values[name] = rng.normal(size=tuple(s if isinstance(s, int) else {**SIZES, **net.numbers}[str(s)] for s in node.shape))
        self.functions = {f: {"g": "tanh", "l": {(): lambda y, p: (y - p) ** 2, (2,): lambda y, p: 2 * (p - y), (2, 2): lambda y, p: 2 + 0 * p}}[f]
                          for f in net.functions}
        self.told: list[str] = []                          # what the solution has defined so far

    def at(self, node: Node) -> np.ndarray:
        sizes = {**SIZES, **self.net.numbers}
        return execute([node], self.values, sizes=sizes, functions=function_values(self.functions))[node]     # type: ignore[arg-type]  # names to functions

    def of_text(self, text: str) -> np.ndarray:
        return self.at(self.net.parse("\n".join([*self.told, text])))

    def cotangent(self, name: str) -> np.ndarray:
        return self.at(self.d.sweep.cotangents[self.net[name]])


def same(a: np.ndarray, b: np.ndarray) -> bool:
    a, b = (np.squeeze(x) for x in (a, b))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-9, atol=1e-9))


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("name", FOUR)
def test_every_equation_is_right_at_every_level(name: str, detail: str) -> None:
    check_equations(name, detail, "delta")


@pytest.mark.parametrize("name", ["two_hidden_layers", "batch_norm"])
@pytest.mark.parametrize("style", [s for s in STYLES if s != "delta"])
def test_every_equation_is_right_in_every_style(name: str, style: str) -> None:
    check_equations(name, "standard", style)


@pytest.mark.parametrize("name", [n for n in ALL if n not in FOUR])
def test_every_equation_is_right(name: str) -> None:
    check_equations(name, "full", "delta")


def check_equations(name: str, detail: str, style: str) -> None:
    """Each equation, its right side read with what stood before it, has the value of its left side."""
    net = network(name)
    found = document(name, detail=detail, deltas=style)
    truth = Truth(net, sg.differentiate(net), len(name))
    labels = {STYLES[style](n, n)[0]: n for n in net.names}
    checked: Counter[str] = Counter()
    index: list[str] = []
    for left, right in equations(found):
        if left == "index":
            index.append(right)
            continue
        head, _, inside = left.partition("[") if not left.startswith(("jac", "grad(")) else (left, "", "")
        if left.startswith(("jac", "grad(")):
            whole = re.fullmatch(r"((?:jac|grad)\(.*\))(\[[^\]]*\])?", left)
            assert whole
            target, inside = whole.group(1), whole.group(2) or ""
            by = re.fullmatch(r"grad\(\w+, (\w+)\)", target)
            if by and isinstance(truth.d[by[1]].index.form, Rolled):
                continue                                   # said once for every step: the views' own gate reads it back
            letters = [x for x in inside[1:-1].split(",") if x and not x.isdecimal()]
            bound = ["n"] if re.search(r"\w\[n\]", target) and "n" not in letters else []
            line = f"D[{','.join(bound + letters)}] = " if bound + letters else ""
            try:
                value = truth.of_text("\n".join([*index, line + right]))
            except sg.SymgradError as error:               # a line for reading: the range of an index follows from the left side only
                assert "follows from nothing" in str(error), (left, right, str(error))
                checked["for reading"] += 1
                continue
            node = truth.d[by[1]].node if by else None
            wanted = truth.at(node) if node is not None else truth.of_text(line + target + inside)
            assert same(value, wanted), (left, right)
            checked["jac" if target.startswith("jac") else "grad"] += 1
            index = []
        elif any(re.search(rf"\b{s.index}\b", inside) for s in steps_of(net)) or (head in labels and re.search(r"\d", inside)):
            continue                                       # a line of such a form
        else:
            truth.told = [t for t in truth.told if re.split(r"[\[ ]", t)[0] != head]
            line = f"{left} = {right}"
            if head in labels:
                try:
                    assert same(truth.of_text(f"{line}\n{head}"), truth.cotangent(labels[head])), line
                except sg.NotationError as error:
                    assert "follows from nothing" in str(error), str(error)
                    checked["for reading"] += 1
                checked["delta"] += 1
                line = f"{head} = grad({truth.d.of}, {labels[head]})"      # right, so it stands whatever becomes of the names it was told with
            truth.told.append(line)
    assert checked["grad"] or name == "lstm", checked
    assert checked["for reading"] <= checked.total() / 3, checked
    if name in FOUR and detail != "brief":
        assert checked["delta"] >= 2, checked


# ---------------------------------------------------------------------- reuse, names, conventions
def test_a_delta_is_told_once_and_reused() -> None:
    for name in FOUR:
        found = document(name)
        lefts = Counter(left for left, _ in equations(found) if left.startswith("d_"))
        assert lefts and max(lefts.values()) == 1, lefts
        reused = [plain(n) for n in walk(found) if isinstance(n, Note) and n.kind == "reuse"]
        assert any(" known from " in n for n in reused) or name == "scalar_chain", name
        later = [right for left, right in equations(found) if left.startswith("grad(") and "d_" in right]
        assert len(later) >= 2, later


def test_a_recurrence_without_a_family_is_told_value_by_value() -> None:
    net = network("problems/two_steps_in_time")
    found = sg.solve(net, wrt=["Wx"], picture=False).document
    lines = list(equations(found))
    assert [left for left, _ in lines if left.startswith("d_")] == ["d_h2", "d_a2", "d_h1", "d_a1"]
    assert ("jac(loss, Wx)", "jac(loss, Wx)") not in lines
    assert dict(lines[:4])["d_h1"] == "Wh*d_a2 + Wy*(Wy*h1 - y1)" and lines[4] == ("grad(loss, Wx)", "d_a2*x2 + d_a1*x1")
    assert "h1 is read by a2 and loss: what comes back from each is added" in " ".join(plain(found).split()).replace(" :", ":")


def test_the_forward_table_is_in_order_of_computation() -> None:
    x, w = sg.data("x"), sg.param("w")
    h1 = sg.tanh(w * x)
    h2 = sg.tanh(w * h1)
    net = sg.graph(loss=h2 ** 2, second=h2, first=h1)
    tables = [t for t in walk(sg.solve(net, picture=False).document) if isinstance(t, Table) and plain(Paragraph(t.header[1])) == "value"]
    assert [plain(Paragraph(row[1])) for row in tables[0].rows] == ["first", "second", "loss"]


def test_names_of_the_user_and_of_the_cotangents() -> None:
    text = 'examples n = 1..N\ndata x[n] : vector(D)\nparam W1 : matrix(D, K) as "W^{(1)}"\nz1[n] = W1\' * x[n]\nloss = sum[n](norm2(tanh(z1[n]))^2)'
    for style, tex in {"delta": r"\delta_{z_{1}}", "d": r"\mathrm{d}z_{1}", "bar": r"\bar{z_{1}}", "grad": r"\nabla_{z_{1}}"}.items():
        found = sg.solve(sg.parse(text), deltas=style).document
        shown = [m.tex for m in walk(found) if isinstance(m, Math)]
        assert any("W^{(1)}" in t for t in shown) and not any("W_{1}" in t for t in shown)
        assert any(tex in t for t in shown) and STYLES[style]("z1", "")[0] in plain(found)
        assert style == "delta" or not any(re.search(r"\bd_z1\b", m.notation) for m in walk(found) if isinstance(m, Math))
    with pytest.raises(sg.InputError, match="delta, d, bar, grad"):
        sg.solve(sg.parse(text), deltas="dot")
    with pytest.raises(sg.InputError, match="brief, standard, full"):
        sg.solve(sg.parse(text), detail="long")
    taken = sg.parse("data x, z_bar : scalar\nparam w : scalar\nz = w*x\nh = tanh(z)\nloss = h^2 + z_bar")
    assert ("z_bar_", "h_bar*(1 - h^2)") in list(equations(sg.solve(taken, deltas="bar", picture=False).document))


def test_the_conventions_that_apply_are_said() -> None:
    def said(text: str, **options: object) -> str:
        found = sg.solve(sg.parse(text), picture=False, **options).document     # type: ignore[arg-type]  # options of solve
        return plain(next(n for n in walk(found) if isinstance(n, Note) and n.kind == "convention"))

    family = "examples n = 1..N\ndata x[n] : vector(D)\nparam w : vector(D)\nz[n] = w' * x[n]\n"
    mean, total = said(family + "loss = mean[n](z[n]^4)"), said(family + "loss = 1/2 * sum[n](z[n]^2)")
    assert "is a mean over" in mean and "1/N" in mean and "cancels" not in mean
    assert "is a sum over" in total and "cancels the 2" in total and "one example a row" in total and "x'" in total
    plain_one = said("data x : vector(D)\nparam w : vector(D)\nloss = w' * x")
    assert "example a row" not in plain_one and "mean" not in plain_one
    assert "denominator layout: the axes of the variable first" in said("param x : vector(n)\ndata A : matrix(m, n)\ny = A*x\ny", layout="denominator")
    steps = "index t = 1..3\ndata x[t] : vector(D)\nparam W : matrix(D, D)\nh[1] = x[1]\nh[t] = tanh(W * h[t-1])\nloss = norm2(h[3])^2"
    assert "one step a row" in said(steps)


def test_the_update_is_with_the_old_weights() -> None:
    found = document("two_hidden_layers")
    update = next(s for s in found.blocks if isinstance(s, Section) and s.anchor == "update")
    assert "old values" in plain(update) and [line.left.notation for line in walk(update) if isinstance(line, Line) and line.left] == ["W1", "W2", "v"]
    one = sg.solve(sg.parse("param w : scalar\nloss = w^2"), picture=False).document
    assert "old values" not in plain(one)
    data = sg.solve(sg.parse("data x : vector(n)\nloss = x' * x"), wrt="x", picture=False).document
    assert "update" not in {s.anchor for s in data.blocks if isinstance(s, Section)}     # no step is taken along data


def test_entries_are_shown_where_they_are_entries() -> None:
    for name in ("problems/attention", "problems/layer_norm"):
        for left, right in equations(document(name)):
            assert not (left.endswith("]") and re.search(r"[^\w']\)\[|\)\[\w,\w\]$", right)), (left, right)


def test_the_command_line_takes_level_and_style(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = []
    for detail in DETAILS:
        assert main(["solve", str(EXAMPLES / "regression.sg"), "--detail", detail, "--deltas", "bar"]) == 0
        sizes.append(capsys.readouterr().out)
    assert len(sizes[0]) < len(sizes[1]) < len(sizes[2]) and "z_bar" in sizes[1] and "d_z = g'" not in sizes[2].split("The program")[0]
    assert main(["solve", str(EXAMPLES / "regression.sg"), "--detail", "long"]) == 2


def test_a_jacobian_and_a_row_are_told_to_the_end() -> None:
    paths = sg.solve(sg.parse("param x : vector(D)\na = tanh(x)\nb = sin(a)\nc = a .* b\nc"), picture=False).document
    assert "jac(c, a)" in dict(equations(paths)) and "below" not in plain(paths)          # nothing is promised that does not come
    net = network("regression")
    row = sg.solve(net, layout="numerator", picture=False).document
    last = dict(equations(row))
    assert "jac(loss, v)[1,k]" in last and "transposed to the shape of its parameter" in plain(row)
    rng = np.random.default_rng(2)
    values = {"x": rng.normal(size=(7, 3)), "y": rng.normal(size=7), "W": rng.normal(size=(3, 4)), "v": rng.normal(size=4), "g": "tanh"}
    np.testing.assert_allclose(sg.evaluate(net.parse("D[k] = " + last["jac(loss, v)[1,k]"]), values), sg.evaluate(net.parse("jac(loss, v)"), values)[0])
