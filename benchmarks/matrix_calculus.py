"""Known problems of matrix calculus: symgrad beside sympy's own matrix derivative; writes docs/matrix_calculus.md."""
from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import sympy as sp
from numpy.typing import NDArray

import symgrad as sg
from symgrad.notation.words import FACTS
from symgrad.run.sampling import sample
from symgrad.views.symbolic import to_sympy_text

ROOT = Path(__file__).resolve().parents[1]
PROBLEMS = ROOT / "tests" / "cases" / "matrix_calculus.json"
REPORT = ROOT / "docs" / "matrix_calculus.md"
SIZES = {"n": 3, "m": 4, "k": 2, "p": 5}
RANGES = {"positive": (0.3, 1.2), "unit": (-0.8, 0.8), "small": (-0.25, 0.25)}
PATIENCE = 20
"""Seconds a tool has for one problem."""

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool did with one problem: its verdict, text and milliseconds."""

    verdict: str
    text: str = ""
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Problem:
    """A problem with values for its variables."""

    case: Mapping[str, object]
    graph: sg.Graph
    derivative: sg.Derivative
    values: Mapping[str, Array]

    @property
    def order(self) -> int:
        """1 or 2 derivatives."""
        return int(str(self.case.get("order", 1)))


def problem(case: Mapping[str, object]) -> Problem:
    """The problem of a case, derived once so that its ops are known."""
    attrs: Mapping[str, str] = case.get("attrs", {})  # type: ignore[assignment]  # a table of words
    graph = sg.parse(str(case["expr"]), vars=case["vars"], facts={k: v for k, v in attrs.items() if v in FACTS})  # type: ignore[arg-type]  # the schema of the file gives the type
    rng = np.random.default_rng(4)
    values = sample([*graph.names.values()], SIZES, 3)
    values.update({k: rng.uniform(*RANGES[v], size=values[k].shape) for k, v in attrs.items() if v in RANGES})
    return Problem(case, graph, derived(graph, case), values)


def derived(graph: sg.Graph, case: Mapping[str, object]) -> sg.Derivative:
    """The derivative that a case asks for."""
    name = str(case["wrt"])
    return sg.hessian(graph, wrt=name) if case.get("order") == 2 else sg.differentiate(graph, wrt=name)[name]


def symgrad_answer(p: Problem) -> Answer:
    """Ours: the closed form of a derivation from the parsed graph; right only if the numeric derivative of the function agrees with its text."""
    with sg.ungated():
        start = time.perf_counter()
        text = derived(p.graph, p.case).matrix.text
        took = 1e3 * (time.perf_counter() - start)
    read = sg.Derivative(p.graph, p.derivative.name, p.derivative.of, p.derivative.output, p.derivative.variable, p.graph.parse(text),
                         p.derivative.kind, axes=p.derivative.axes, base=p.derivative.base)
    return Answer("right" if read.verify().ok else "wrong", text.replace("\n", "; "), took)


def sympy_answer(p: Problem) -> Answer:
    """sympy's `diff` of the same expression as matrix symbols; transposed answers count as right."""
    with patience():
        try:
            whole = forward(p)
        except sg.SymgradError as error:
            return Answer("no words", str(error))
        try:
            symbol = next(s for s in whole.free_symbols if getattr(s, "name", "") == p.case["wrt"])
            start = time.perf_counter()
            found = whole
            for _ in range(p.order):
                found = found.diff(symbol)
            took = 1e3 * (time.perf_counter() - start)
            if found.has(sp.Derivative):
                return Answer("unevaluated", str(found), took)
            return Answer("right" if agrees(number(found, p), p) else "wrong", str(found), took)
        except Exception as error:
            return Answer("raises", f"{type(error).__name__}: {error}".splitlines()[0][:80])


def forward(p: Problem) -> sp.Basic:
    """The function as one would write it in sympy: sizes are numbers, and a product that is 1 x 1 is a matrix expression, not a trace."""
    shapes = {n: tuple(SIZES[str(s)] for s in node.shape) for n, node in p.graph.names.items()}
    e = to_sympy_text(re.sub(r"ones\((\w)\)", lambda m: f"ones({SIZES[m[1]]})", str(p.case["expr"])), shapes)
    parts = [part.as_coeff_Mul() for part in sp.Add.make_args(e)]
    if all(isinstance(t, sp.Trace) and t.arg.shape == (1, 1) for _, t in parts):
        return sp.MatAdd(*[c * t.arg for c, t in parts]).doit()
    return e


@contextmanager
def patience() -> Iterator[None]:
    """Raises TimeoutError in a block that takes too long."""
    def stop(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"{PATIENCE} s")
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def number(e: sp.Basic, p: Problem) -> Array:
    """The value of a sympy answer at the problem's values."""
    arrays = {s: sp.ImmutableMatrix(np.atleast_2d(p.values[s.name]).reshape(s.shape)) for s in e.atoms(sp.MatrixSymbol)}
    scalars = {s: sp.Float(float(p.values[s.name])) for s in e.free_symbols if isinstance(s, sp.Symbol) and s.name in p.values}
    e = e.xreplace({**arrays, **scalars}).doit()
    e = e.as_explicit() if hasattr(e, "as_explicit") else e
    return np.array(e.tolist() if hasattr(e, "tolist") else e, dtype=float)


def agrees(array: Array, p: Problem) -> bool:
    """Whether an array is the derivative, in any of the usual layouts."""
    ours = np.squeeze(p.derivative.evaluate(p.values, sizes=SIZES))
    theirs = np.squeeze(array)
    lead = ours.ndim // 2
    layouts = [ours, ours.T, np.moveaxis(ours, range(lead), range(ours.ndim - lead, ours.ndim)), ours.reshape(ours.shape[::-1]) if ours.ndim < 2 else ours]
    return any(theirs.shape == x.shape and np.allclose(theirs, x) for x in layouts)


TOOLS: Mapping[str, Callable[[Problem], Answer]] = {"symgrad": symgrad_answer, "sympy": sympy_answer}


def table(rows: Sequence[tuple[Problem, Mapping[str, Answer]]]) -> str:
    """The report as Markdown."""
    lines = ["# Matrix calculus, side by side", "", "Written by `python -m benchmarks.matrix_calculus`: every problem of `tests/cases/matrix_calculus.json`.",
             "An answer is right if its value is that of the numeric derivative of the function (for sympy, in any layout).",
             "sympy raises while it derives, or where its answer is evaluated.", "",
             f"sympy {sp.__version__}'s `diff` of matrix symbols. tensorgrad 0.3 cannot be installed beside symgrad: it asks for networkx 3.2 and PyTorch.", "",
             "| | " + " | ".join(TOOLS) + " |", "|---|" + "---|" * len(TOOLS)]
    counts = {t: Counter(answers[t].verdict for _, answers in rows) for t in TOOLS}
    for verdict in dict.fromkeys(v for t in TOOLS for v in counts[t]):
        lines.append(f"| {verdict} | " + " | ".join(str(counts[t][verdict]) for t in TOOLS) + " |")
    for what, pick in (("median characters against the source's form", ratio), ("median milliseconds", lambda p, a: a.milliseconds)):
        found = [[pick(p, answers[t]) for p, answers in rows if answers[t].verdict == "right"] for t in TOOLS]
        shown = [f"{statistics.median(x):.2f}" if x else "" for x in found]
        lines.append(f"| {what} (right answers) | " + " | ".join(shown) + " |")
    lines += ["", "| problem | expression | by | " + " | ".join(TOOLS) + " |", "|---|---|---|" + "---|" * len(TOOLS)]
    for p, answers in rows:
        shown = [f"{a.verdict}: `{cell(a.text)}`" if a.text else a.verdict for a in (answers[t] for t in TOOLS)]
        lines.append(f"| {p.case['id']} | `{cell(str(p.case['expr']))}` | {p.case['wrt']}{', twice' if p.order == 2 else ''} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that fits in a cell."""
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= 160 else text[:157] + "..."


def ratio(p: Problem, answer: Answer) -> float:
    """Characters against the expected form, blanks apart."""
    return len(answer.text.replace(" ", "")) / len(str(p.case["expected"]).replace(" ", ""))


def main() -> None:
    """Run the problems and write the report; with --smoke three of them, printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="three problems, nothing written")
    smoke = parser.parse_args().smoke
    cases = json.loads(PROBLEMS.read_text())["cases"][:3 if smoke else None]
    rows = [(p, {name: tool(p) for name, tool in TOOLS.items()}) for p in map(problem, cases)]
    report = table(rows)
    if smoke:
        print(report)
    else:
        REPORT.write_text(report)
        print("\n".join(report.splitlines()[:18]))


if __name__ == "__main__":
    main()
