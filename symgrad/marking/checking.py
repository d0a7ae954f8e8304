"""The verbs that mark: a network and claims come in, verdicts go out."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.derive.targets import Layout, checked
from symgrad.errors import InputError
from symgrad.marking.bench import Bench
from symgrad.marking.decision import Marked, marked, same_values
from symgrad.marking.diagnosis import diagnosed
from symgrad.marking.lines import Given, Line, Student, read_lines
from symgrad.marking.points import Point, draw_points
from symgrad.marking.repairs import repaired
from symgrad.marking.verdict import Counterexample, Verdict
from symgrad.ops.kernels import Array

__all__ = ["check", "check_steps"]


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
    points = draw_points(graph, [line.truth for line in lines if line.truth is not None], seed)
    return [_finer(_verdict(m, graph, points, lines[:k], layout), m, points) for k, m in enumerate(marked(graph, lines, points))]


def _finer(v: Verdict, m: Marked, points: Sequence[Point]) -> Verdict:
    """A wrong line whose slip is not named yet: with the change to its text that makes it right, if there is one."""
    found = repaired(m, points) if v.pattern in ("shape", "other") else None
    if found is None:
        return v
    return replace(v, pattern=found.pattern, message=f"{v.message}: {found.message}" if v.pattern == "shape" else found.message, correct=v.correct or found.correct)


def _verdict(m: Marked, graph: Graph, points: Sequence[Point], before: Sequence[Line], layout: Layout) -> Verdict:
    line = m.line
    if line.truth is None:
        if line.fault:
            return Verdict("wrong", line.fault, pattern="shape", line=line.shown)
        return Verdict("ok", "an intermediate of your own: it is marked where it is used", line=line.shown)
    if line.fault:
        pattern = "wrong index" if "bound by nothing" in line.fault else "shape"
        return Verdict("wrong", line.fault, "", pattern, line=line.shown)
    if not m.truth:
        return Verdict("unclear", "no random values were found at which the truth is finite", line=line.shown)
    if line.value is line.truth and not line.lying and layout is None:
        return _followed(m)
    if all(a is None for a in m.first):
        return Verdict("unclear", f"this line could not be computed: {m.reason}", line=line.shown)
    fitted = [None if a is None else _fitted(a, b) for a, b in zip(m.first, m.truth, strict=True)]
    if any(a is not None and a.shape != b.shape for a, b in zip(fitted, m.truth, strict=True)) or line.lying:
        return _misshapen(m, fitted)
    same = same_values(fitted, m.truth)
    if same:
        return _followed(m)
    if same is None:
        return Verdict("unclear", "rounding hides whether this is right, or it has no finite value", line=line.shown)
    return _wrong(m, graph, points, before)


def _followed(m: Marked) -> Verdict:
    second = [None if a is None else _fitted(a, b) for a, b in zip(m.second, m.truth, strict=True)]
    if any(a is None for a in second) or any(a is not None and a.shape != b.shape for a, b in zip(second, m.truth, strict=True)) \
            or same_values(second, m.truth) is False:
        return Verdict("follows", "the rule is right; the value carries an earlier mistake", line=m.line.shown)
    return Verdict("ok", line=m.line.shown)


def _misshapen(m: Marked, fitted: Sequence[Array | None]) -> Verdict:
    turned = [None if a is None else a.T for a in fitted] if not m.line.lying else list(fitted)
    if all(a is None or a.shape == b.shape for a, b in zip(turned, m.truth, strict=True)) and same_values(turned, m.truth):
        return Verdict("wrong", f"this is the transpose of what is asked for: {m.line.left} has the shape of the variable, "
                       f"{shape_text(m.line.truth.shape) if m.line.truth is not None else ''}; it would be right in numerator layout", "", "layout",
                       line=m.line.shown)
    return Verdict("wrong", f"{m.line.left} has shape {shape_text(m.line.truth.shape) if m.line.truth is not None else ''}", "", "shape", line=m.line.shown)


def _fitted(claimed: Array, truth: Array) -> Array:
    """The claim without axes of length 1 that the truth lacks, or the other way round."""
    if claimed.ndim != truth.ndim and [n for n in claimed.shape if n != 1] == [n for n in truth.shape if n != 1]:
        return claimed.reshape(truth.shape)
    return claimed


def _wrong(m: Marked, graph: Graph, points: Sequence[Point], before: Sequence[Line]) -> Verdict:
    found = diagnosed(_bench(m, graph, points, before))
    return Verdict("wrong", found.message, "", found.pattern, line=m.line.shown)


def _bench(m: Marked, graph: Graph, points: Sequence[Point], before: Sequence[Line]) -> Bench:
    there = [k for k, a in enumerate(m.first) if a is not None]
    fitted = [_fitted(a, m.truth[k]) for k, a in enumerate(m.first) if a is not None]
    return Bench(graph, m, tuple(before), [points[k] for k in there], fitted, [m.truth[k] for k in there], [m.given[k] for k in there])
