"""Wrong derivatives as people make them: each is the derived graph with one step changed, named, and proved to have another value."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.node import Node, apply, exchanged, topological
from symgrad.derive.cotangent import total
from symgrad.derive.reverse import Step
from symgrad.errors import InternalError, ShapeError
from symgrad.explain.reasons import named_above
from symgrad.ops.arithmetic import reorder, scaled
from symgrad.ops.kernels import Array
from symgrad.results import Derivative
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in
from symgrad.run.gate import gated
from symgrad.run.sampling import sample, sample_sizes
from symgrad.run.verify import unknown_functions
from symgrad.views.matrix import Form, closed_form_or_none

__all__ = ["KINDS", "Mistake", "apart", "differ", "mistakes_of"]

KINDS = ("sign", "transpose", "factor", "lost factor", "missing path", "wrong operand", "wrong point")
"""What goes wrong, the plainest first."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong derivative: its value as a node, its closed form, and what was done wrong (`where` is notation, or empty)."""

    kind: str
    node: Node
    form: Form
    why: str
    where: str = ""


def mistakes_of(d: Derivative, names: Mapping[Node, str]) -> list[Mistake]:
    """The mistakes that change the value of a gradient, each different from the truth and from the others at random values of unequal sizes.

    names: what nodes print as. A mistake that has no closed form is left out. An empty list for a derivative that is zero.
    """
    if d.node is None or d.sweep is None:
        return []
    found: list[Mistake] = []
    nodes = [d.node]
    for kind, node, why, where in _candidates(d, d.node, names):
        form = _shown(node, d, names)
        if form is None or any(form == m.form for m in found) or not differ(node, nodes, d):
            continue
        found.append(Mistake(kind, node, form, why, where))
        nodes.append(node)
    return sorted(found, key=lambda m: KINDS.index(m.kind))


def _shown(node: Node, d: Derivative, names: Mapping[Node, str]) -> Form | None:
    """The closed form, read back and compared with the node; None where there is none."""
    form = closed_form_or_none(node, {n: s for n, s in names.items() if n is not node}, d.graph.ranges, d.viewer.forward, d.graph.words)
    if form is None or form.note:
        return None
    try:
        return gated(form, node, d.graph)
    except InternalError:
        return None


def differ(node: Node, others: Sequence[Node], d: Derivative) -> bool:
    """Whether a node has another shape or value than each of the others, at one at least of a few random values of unequal sizes."""
    everything = topological([node, *others])
    sizes = sample_sizes(everything, d.graph.numbers, 0)
    functions = {f: stand_in(k) for k, f in enumerate(unknown_functions(everything))}
    same = set(others)
    for style, seed in (("normal", 0), ("normal", 1), ("positive", 2)):
        trace = execute([node, *others], sample([node, *others], sizes, seed, style), sizes=sizes, functions=functions)
        same = {o for o in same if not (np.all(np.isfinite(trace[o])) and np.all(np.isfinite(trace[node])) and apart(trace[node], trace[o]))}
    return not same


def apart(a: Array, b: Array) -> bool:
    """Whether two arrays have other shapes, or differ by more than rounding and more than digits hide."""
    return a.shape != b.shape or bool(np.max(np.abs(a - b), initial=0.0) > 1e-3 * (1e-6 + np.max(np.abs(b), initial=0.0)))


def _candidates(d: Derivative, root: Node, names: Mapping[Node, str]) -> Iterator[tuple[str, Node, str, str]]:
    """(kind, wrong node, what was done, the value it happened at)."""
    inside = set(topological([root]))
    yield "sign", scaled(root, -1), "the sign is wrong", ""
    yield "factor", scaled(root, 2), "a factor 2 is left over", ""
    if root.rank == 2:
        yield "transpose", reorder(root, ("i", "j"), ("j", "i")), "the two factors are taken in the wrong order: this is the transpose", ""
    assert d.sweep is not None
    steps = [s for s in d.sweep.steps if any(t in inside for t in s.terms) or (len(s.cotangent) == 1 and s.cotangent[0] in inside)]
    arriving: dict[Node, list[tuple[Step, Node]]] = {}
    for s in d.sweep.steps:
        for t in s.terms:
            arriving.setdefault(s.operand, []).append((s, t))
    for s in steps:
        for c, t in zip(s.cotangent, s.terms, strict=False):
            for kind, new, why, node in _changed(s, c, t):
                wrong = _replaced(root, t, new)
                if wrong is not None:
                    where = names.get(node, "")
                    yield kind, wrong, why if where else why.removesuffix(" at") if why.endswith(" at") else f"{why} a step in between", where
    for operand, terms in arriving.items():
        whole = d.sweep.cotangents.get(operand)
        if len(terms) < 2 or whole not in inside or whole is None:
            continue
        for step, term in terms:
            rest = [t for _, t in terms if t is not term]
            wrong = _replaced(root, whole, total(rest)) if rest else None
            if wrong is not None:
                where = named_above(step.node, names, d.viewer.forward)
                yield "missing path", wrong, f"one of the paths is missing, the one by {_done(step.node)} in" if where else "a path is missing", where


def _changed(s: Step, c: Node, t: Node) -> Iterator[tuple[str, Node, str, Node]]:
    """Other nodes in place of a term `t` that a step makes of its cotangent `c`."""
    if s.node.op.body is not None and s.node.op.body[0] == "f":
        if t.shape == c.shape and t is not c:
            yield "lost factor", c, f"the derivative of {_done(s.node)} is left out at", s.node
        if len(s.node.operands) > 1:
            return
        if s.node in t.operands:
            swapped = _with_operand(t, s.node, s.operand)
            if swapped is not None:
                yield "wrong point", swapped, "the derivative is taken at the argument instead of the value of", s.node
        elif s.operand in t.operands:
            swapped = _with_operand(t, s.operand, s.node)
            if swapped is not None:
                yield "wrong point", swapped, "the derivative is taken at the value instead of the argument of", s.node
        return
    for o in t.operands:
        if o is c or o not in s.node.operands:
            continue
        if o.rank == 2 and o.shape[0] == o.shape[1]:
            swapped = _with_operand(t, o, reorder(o, ("i", "j"), ("j", "i")))
            if swapped is not None:
                yield "transpose", swapped, "this is taken where its transpose belongs, or the other way round:", o
        if o.op.body is not None and o.op.body[0] == "f" and len(o.operands) == 1 and o.operands[0].shape == o.shape:
            swapped = _with_operand(t, o, o.operands[0])
            if swapped is not None:
                yield "wrong operand", swapped, "the argument of the function stands in place of", o


def _done(node: Node) -> str:
    """What an op is called in a sentence."""
    return {"add": "the sum", "subtract": "the difference", "identity": "the sum"}.get(node.op.name, node.op.name.replace("_", " "))


def _with_operand(t: Node, old: Node, new: Node) -> Node | None:
    try:
        return apply(t.op, *[new if o is old else o for o in t.operands], shape=t.shape)
    except ShapeError:
        return None


def _replaced(root: Node, old: Node, new: Node) -> Node | None:
    """The graph of `root` with `new` in place of `old`; None where nothing changes or shapes do not fit."""
    try:
        made = exchanged(root, {old: new})
    except ShapeError:
        return None
    return made if made is not root else None
