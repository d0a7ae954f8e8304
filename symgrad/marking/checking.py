"""The verbs that mark: a network and claims come in, verdicts go out."""
from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.derive.targets import Layout, checked
from symgrad.errors import InputError
from symgrad.marking.bench import Bench
from symgrad.marking.correct import correct_line
from symgrad.marking.decision import Marked, marked, same_values
from symgrad.marking.diagnosis import diagnosed, finding
from symgrad.marking.lines import Given, Line, Student, read_lines
from symgrad.marking.points import Point, draw_points, likely_facts
from symgrad.marking.repairs import off_path, repaired
from symgrad.marking.special import commuting, hidden_at
from symgrad.marking.verdict import Counterexample, Verdict
from symgrad.ops.kernels import Array

__all__ = ["check", "check_steps"]

MISFITS = ("mismatch", "broadcast", "not aligned", "reshape", "ShapeError")
"""Words by which NumPy says that shapes do not fit."""
VAGUE = ("other", "shape")
FACT_WORDS = {"onehot": "one-hot", "simplex": "nonnegative with sum 1", "binary": "0 or 1"}


def check(net: Graph | Node, wrt: str | Node | None = None, claim: Student = "", of: str | Node | None = None, layout: Layout = None,
          seed: int = 0) -> Verdict:
    """Whether a claimed derivative of `of` (the output unless given) by `wrt` is right.

    claim: `D[k] = ...`, `grad(loss, v) = ...`, `jac(h, z) = ...`, an expression, or a NumPy function of inputs and named intermediates, called
    by keyword. A gradient has the shape of the variable, a Jacobian the axes of `of`, then those of `wrt`. layout: "numerator" or "denominator"
    where the claim is meant in that layout. Raises NotationError for what is no claim, InputError for unknown names.
    """
    graph = as_graph(net)
    if wrt is None:
        if not isinstance(claim, str) or not claim.strip().startswith(("grad", "jac")):
            raise InputError("say what the claim is about: wrt, or a claim such as grad(loss, v) = ...")
        return check_steps(graph, claim, of, layout, seed)[-1]
    name = wrt if isinstance(wrt, str) and wrt.isidentifier() else "claim"
    return check_steps(graph, [(f"d_{name}", wrt, claim)], of, layout, seed)[0]


def check_steps(net: Graph | Node, claims: Given = None, of: str | Node | None = None, layout: Layout = None, seed: int = 0) -> list[Verdict]:
    """A verdict on each line of a derivation, in order.

    claims: text, one claim a line; or a list of (name, quantity or None, claim), where the quantity is the name of what the output is
    differentiated by, `grad(loss, W)` or `jac(h, z)`, and None marks the student's own intermediate; a claim is text or a NumPy function that
    gets, by keyword, inputs, named intermediates and earlier claims (all of them if it takes **kwargs). None: the claims of the network's text.
    Raises as `check` does.
    """
    graph = as_graph(net)
    checked(layout)
    lines = read_lines(graph, claims, of)
    truths = [line.truth for line in lines if line.truth is not None]
    points = draw_points(graph, truths, seed)
    marks = marked(graph, lines, points)
    notes, other = {}, (marks, points)
    if facts := likely_facts(graph) if any((v := _judged(m, layout)) is None or v.verdict == "wrong" for m in marks) else {}:
        special = draw_points(graph, truths, seed, facts=facts)
        again = marked(graph, lines, special)
        notes = {k: f"right where {_said(facts)}" for k, (m, n) in enumerate(zip(marks, again, strict=True))
                 if _judged(m, layout) is None and (v := _judged(n, layout)) is not None and v.verdict in ("ok", "follows")}
        marks, points, other = (again, special, (marks, points)) if notes else (marks, points, (again, special))
    verdicts = [_verdict(graph, lines, k, m, points, layout) for k, m in enumerate(marks)]
    if other[0] is not marks:                              # a factor N too many in p - y shows where y is one-hot
        for k, v in enumerate(verdicts):
            if v.pattern in VAGUE:
                second = _verdict(graph, lines, k, other[0][k], other[1], layout)
                verdicts[k] = second if second.verdict == "wrong" and second.pattern not in VAGUE else v
    return [replace(v, message=v.message or notes.get(k, "")) for k, v in enumerate(verdicts)]


def _said(facts: Mapping[str, str]) -> str:
    return " and ".join(f"{name} is {FACT_WORDS[fact]}" for name, fact in facts.items())


def _verdict(graph: Graph, lines: Sequence[Line], at: int, m: Marked, points: Sequence[Point], layout: Layout) -> Verdict:
    line = m.line
    found = _judged(m, layout)
    if found is None or found.pattern == "shape" or line.fault:
        found = _explained(found, _bench(m, graph, points, lines[:at]), graph, lines, at)
    if found.verdict != "wrong" or line.truth is None:
        return replace(found, line=line.shown)
    hidden = hidden_at(graph, lines, at, points) if not line.fault and found.pattern not in ("shape", "layout") else []
    note = f"; a quick test with {' or '.join(hidden[:3])} does not show it" if hidden else ""
    correct = found.correct or correct_line(graph, line, lines[:at])
    return replace(found, line=line.shown, message=found.message + note, correct=correct, counterexample=_counter(m, points))


def _explained(found: Verdict | None, b: Bench, graph: Graph, lines: Sequence[Line], at: int) -> Verdict:
    """A wrong line with its pattern: one change of the text, else the mistake in the rule, else something missing in the text."""
    turned = found is None and all(a.ndim == 2 and a.T.shape == t.shape and same_values([a.T], [t]) for a, t in zip(b.claimed, b.truth, strict=True))
    repair = None if turned else repaired(b, parts_missing=False) or (off_path(b) if found is None else None)
    if repair is None and found is None:
        found = diagnosed(b)
        if found.pattern == "other" and commuting(graph, lines, at, b.points):
            found = finding("transposed", "order and transposes of the factors are wrong: this is right for numbers, and matrices do not commute")
    if repair is None and found is not None and found.pattern in ("shape", "other"):
        repair = repaired(b, parts_missing=True)
    if repair is None:
        assert found is not None
        return found
    words = f"{found.message}: {repair.message}" if found is not None and found.pattern == "shape" else repair.message
    return Verdict("wrong", words, repair.correct, repair.pattern)


def _judged(m: Marked, layout: Layout) -> Verdict | None:
    """The verdict on a line; None for one that is wrong in its values."""
    line = m.line
    if line.fault:
        return Verdict("wrong", line.fault, pattern="wrong index" if "bound by nothing" in line.fault else "shape")
    if line.truth is None:
        return Verdict("ok", "an intermediate of your own: it is marked where it is used")
    if not m.truth:
        return Verdict("unclear", "no random values were found at which the truth is finite")
    if line.value is line.truth and not line.lying and layout is None:
        return _followed(m, layout)
    if all(a is None for a in m.first):
        if any(word in m.reason for word in MISFITS):
            return Verdict("wrong", f"the shapes do not fit ({m.reason.partition(': ')[2]})", pattern="shape")
        return Verdict("unclear", f"this line could not be computed: {m.reason}")
    if line.standing and layout != "denominator":
        return _standing(m)
    fitted = [None if a is None else _fitted(a, b, line, layout) for a, b in zip(m.first, m.truth, strict=True)]
    if any(a is not None and a.shape != b.shape for a, b in zip(fitted, m.truth, strict=True)) or (line.lying and layout != "numerator"):
        return _misshapen(m)
    if not any(np.isfinite(a).any() for a in fitted if a is not None and a.size):
        return Verdict("wrong", "this has no finite value, a division by zero perhaps, at points where the derivative has one", pattern="other")
    same = same_values(fitted, m.truth)
    if same is not False and (exact := m.exactly()) is not None:
        same = exact
    if same:
        return _followed(m, layout)
    return Verdict("unclear", "rounding hides whether this is right, or it has no finite value") if same is None else None


def _followed(m: Marked, layout: Layout) -> Verdict:
    second = [None if a is None else _fitted(a, b, m.line, layout) for a, b in zip(m.second, m.truth, strict=True)]
    if any(a is None for a in second) or any(a is not None and a.shape != b.shape for a, b in zip(second, m.truth, strict=True)) \
            or same_values(second, m.truth) is False:
        return Verdict("follows", "the rule is right; the value carries an earlier mistake")
    return Verdict("ok")


def _standing(m: Marked) -> Verdict:
    """A column where the row of a scalar's Jacobian belongs."""
    assert m.line.truth is not None
    row = f"the Jacobian of a scalar is a row, {shape_text(m.line.truth.shape)}, and this is a column"
    same = same_values([None if a is None else a.reshape(t.shape) for a, t in zip(m.first, m.truth, strict=True)], m.truth)
    return Verdict("wrong", f"{row}: right as a gradient, transposed as a Jacobian" if same else row, pattern="layout" if same else "shape")


def _misshapen(m: Marked) -> Verdict:
    line = m.line
    assert line.truth is not None
    wanted = shape_text(line.truth.shape)
    for k, a in enumerate(m.first):
        if a is None:
            continue
        turned = [None if x is None else x if line.lying and x.shape == t.shape else _turned(x, t) for x, t in zip(m.first, m.truth, strict=True)]
        if all(x is not None and x.shape == t.shape for x, t in zip(turned, m.truth, strict=True)) and same_values(turned, m.truth):
            return Verdict("wrong", f"this is the transpose of what is asked for: the gradient has the shape of the variable, {wanted}; this would be right "
                           "in numerator layout", pattern="layout")
        given = shape_text(line.value.shape) if line.value is not None else shape_text(a.shape)
        what = "the Jacobian has the axes of the output, then of the variable" if line.jac else "a gradient has the shape of its variable"
        row = "a row" if line.lying and a.shape == m.truth[k].shape else given
        if any(_summed_up(m, axes) for n in range(1, min(a.ndim, 4)) for axes in itertools.combinations(range(a.ndim), n) if not line.jac):
            return Verdict("wrong", f"the sum is left out: {what}, {wanted}, and this is {given}, one entry for each example or place", pattern="missing sum")
        return Verdict("wrong", f"the shape does not fit: {what}, {wanted}, and this is {row}", pattern="shape")
    return Verdict("unclear", "this line has no value")


def _summed_up(m: Marked, axes: tuple[int, ...]) -> bool:
    """Whether the line is right once it is summed over some axes."""
    summed = [a.sum(axis=axes) for a in m.first if a is not None]
    return all(a.shape == t.shape for a, t in zip(summed, m.truth, strict=True)) and bool(same_values(summed, m.truth))


def _turned(claimed: Array, truth: Array) -> Array:
    """The transpose of a matrix, or of the matrices in a stack."""
    turned = claimed.T if claimed.ndim <= 2 else np.swapaxes(claimed, -1, -2)
    return turned.reshape(truth.shape) if turned.ndim != truth.ndim and turned.size == truth.size and 1 in turned.shape else turned


def _fitted(claimed: Array, truth: Array, line: Line, layout: Layout) -> Array:
    """The claim without axes of length 1 that the truth lacks, or the other way round; turned back from the layout that was asked for."""
    lead = line.output.rank if line.output is not None else 0
    if layout == "numerator" and not line.jac and not lead and truth.ndim == 2 and claimed.shape == truth.shape[::-1]:
        return claimed.T
    if layout == "denominator" and lead and claimed.shape == truth.shape[lead:] + truth.shape[:lead]:
        return np.moveaxis(claimed, range(truth.ndim - lead), range(lead, truth.ndim))
    if claimed.ndim != truth.ndim and [n for n in claimed.shape if n != 1] == [n for n in truth.shape if n != 1]:
        return claimed.reshape(truth.shape)
    return claimed


def _counter(m: Marked, points: Sequence[Point]) -> Counterexample | None:
    for point, a, t in zip(points, m.first, m.truth, strict=False):
        if a is None or a.shape != t.shape or same_values([a], [t]) is False:
            return Counterexample(point.values, point.sizes, a, t)
    return None


def _bench(m: Marked, graph: Graph, points: Sequence[Point], before: Sequence[Line]) -> Bench:
    if all(a is None for a in m.first):                    # a text whose shapes do not fit
        return Bench(graph, m, tuple(before), points, [], m.truth, m.given)
    there = [k for k, a in enumerate(m.first) if a is not None]
    fitted = [_fitted(a, m.truth[k], m.line, None) for k, a in enumerate(m.first) if a is not None]
    return Bench(graph, m, tuple(before), [points[k] for k in there], fitted, [m.truth[k] for k in there], [m.given[k] for k in there])
