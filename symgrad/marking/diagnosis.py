"""A wrong line comes in; the mistake that gives exactly its values goes out: the pattern and one sentence."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from symgrad.core import equation as eq
from symgrad.core.node import Node, Variable, exchanged, topological
from symgrad.core.shape import size_number
from symgrad.marking.bench import Bench
from symgrad.marking.constants import taken_for_constants
from symgrad.marking.edits import Edit, changed, dropped_factors, exchanged_operands, own_nodes, turned, turned_remainders, without_parts
from symgrad.marking.ratios import ratio_of
from symgrad.marking.rearranged import elementwise_for_matrix, outside_the_sum
from symgrad.marking.verdict import Verdict
from symgrad.ops.arithmetic import filled
from symgrad.ops.kernels import Array

__all__ = ["diagnosed", "finding"]

GATES = ("relu", "leaky_relu", "step", "sign", "abs", "hardtanh", "elu", "selu")
MOST_PARTS, MOST_STEPS = 6, 60


def finding(pattern: str, message: str) -> Verdict:
    """A wrong line of a pattern of `verdict.PATTERNS`, and why in a sentence."""
    return Verdict("wrong", message, pattern=pattern)


def diagnosed(b: Bench) -> Verdict:
    """The first mistake, the simplest ones first, that reproduces the student's values at every point."""
    tests: tuple[Callable[[Bench], Verdict | None], ...] = (
        _whole_ratio, _upstream_lost, _paths, _norm_paths, _skipped, _transposed_own, _terms_own, _operands_own, _terms_right, _factors_right,
        _other_slope, _operands_right, _turned_right, _inner_paths, _factors_own, _signs_own, _remainders_right, _flipped, _rearranged)
    for test in tests:
        found = test(b)
        if found is not None:
            return found
    if held := taken_for_constants(b):
        return finding("missing path", f"{_listed(held)} also depend{'s' * (len(held) == 1)} on {b.word_of_line()}: the path through it is left out")
    if not any(np.any(a) for a in b.claimed):
        return finding("other", "this is zero, and the derivative is not")
    return finding("other", "this is not the derivative, and no single slip of a common kind gives it: compare with the correct line")


# ---------------------------------------------------------------------- constants
def _whole_ratio(b: Bench) -> Verdict | None:
    c = b.constant(b.claimed, b.truth)
    if not c:
        return None
    return _of_ratio(b, c, "this is", b.right)


def _of_ratio(b: Bench, c: str, subject: str, right: Node) -> Verdict:
    if c == "-1":
        return finding("sign", f"the sign is wrong: {subject} -1 times the right answer")
    for n, count in dict(_counts(b, right)).items():
        if _is_count(b, c, [1 / k for k in count]):
            return finding("mean for sum", f"{n} is summed over, not averaged: {subject} {c} of the right answer")
        if _is_count(b, c, count):
            return finding("mean for sum", f"{n}: a sum stands where a mean belongs: {subject} {c} times the right answer")
    sign = " and its sign is wrong" if c.startswith("-") else ""
    return finding("factor", f"a constant factor is wrong{sign}: {subject} {c.lstrip('-')} times the right answer")


def _counts(b: Bench, right: Node) -> Iterator[tuple[str, list[float]]]:
    """How many summands each sum in the right answer has, at every point."""
    for node in own_nodes(right, b.atoms):
        if node.op.body is None:
            continue
        for e in eq.walk(node.op.scoped):
            if e[0] != "S":
                continue
            try:
                summed = [node.operands[k].shape[axis] for name in e[1] for k, axis in [node.op.axis_of[name]]]
                per_index = [[size_number(s, p.sizes) for p in b.points] for s in summed]
            except KeyError:
                continue
            label = " and ".join(map(str, summed))
            yield f"the index over {label} entries", [float(np.prod(x)) for x in zip(*per_index, strict=True)]
            if len(per_index) > 1:
                for one in per_index:
                    yield "an index", [float(x) for x in one]


def _is_count(b: Bench, c: str, counts: list[float]) -> bool:
    ratios = [ratio_of(x, y) for x, y in zip(b.claimed, b.truth, strict=True)]
    return bool(c) and all(r is not None and k not in (0.0, 1.0) and abs(r - k) <= 1e-6 * abs(k) for r, k in zip(ratios, counts, strict=True))


# ---------------------------------------------------------------------- upstream and paths
def _upstream_lost(b: Bench) -> Verdict | None:
    if not any(np.any(a) for a in b.claimed):
        return None
    for leaf, line in b.leaves.items():
        if b.gives(exchanged(b.right, {leaf: filled("ones", leaf.shape)}), b.claimed):
            return finding("upstream lost", f"this is the local derivative alone: it still has to be multiplied by what arrives from above, {b.word(leaf)}"
                           if line.by is not b.marked.line.by else "the derivative that arrives from above is left out")
    for sweep in b.rule.sweeps if b.rule is not None else ():
        for node, c in list(sweep.cotangents.items())[:MOST_STEPS]:
            if c.operands and node is not b.marked.line.by and b.gives(exchanged(b.right, {c: filled("ones", c.shape)}), b.claimed):
                name = _above(b, node)
                return finding("upstream lost", f"this is a local derivative alone: the derivative that arrives from above, by {name}, is left out")
    return None


def _above(b: Bench, node: Node) -> str:
    """The name of a value, or of the first named one made of it."""
    if b.word(node):
        return b.word(node)
    above = [(len(below), name) for name, n in b.graph.names.items() if n.operands and node in (below := topological([n]))]
    return min(above)[1] if above else "the output"


def _paths(b: Bench) -> Verdict | None:
    parts = b.rule.parts if b.rule is not None else ()
    if not 2 <= len(parts) <= MOST_PARTS:
        return None
    for kept in range(len(parts) - 1, 0, -1):
        for chosen in itertools.combinations(range(len(parts)), kept):
            values = [[b.value(parts[k].node, p) for k in chosen] for p in range(len(b.points))]
            if b.same([None if any(v is None for v in row) else np.sum(np.stack([v for v in row if v is not None]), axis=0) for row in values], b.claimed):
                gone = list(dict.fromkeys(_above(b, parts[k].through) for k in range(len(parts)) if k not in chosen))
                output = b.marked.line.output
                where = "in the output itself" if output is not None and gone == [b.word(output)] else f"through {_listed(gone)}"
                return finding("missing path", f"a path is left out: {b.word_of_line()} also acts {where}, and the paths add up")
    return None


def _norm_paths(b: Bench) -> Verdict | None:
    """The mean and the deviation of a normalisation taken for constants."""
    for node in own_nodes(b.right, b.atoms):
        body = node.op.body
        if body is None or not node.op.name.startswith("standardise'"):
            continue
        for e in eq.walk(body):
            sums = [t for t in e[1] if any(x[0] == "S" for x in eq.walk(t))] if e[0] == "+" else []
            for gone, words in ((sums, "the mean and through the variance"), *(([t], "") for t in sums)):
                kept = ("+", tuple(t for t in e[1] if t not in gone))
                made = changed(b.right, node, eq.canonical(_swapped(body, e, kept)))
                if gone and made is not None and b.gives(made, b.claimed):
                    inner = next(x for x in eq.walk(gone[0]) if x[0] == "S")[2]
                    path = words or ("the variance" if inner[0] == "*" else "the mean")
                    return finding("missing path", f"the path through {path} is left out: every output depends on every input through it")
    return None


def _swapped(body: eq.Expr, old: eq.Expr, new: eq.Expr) -> eq.Expr:
    return new if body == old else eq.rebuild(body, lambda a: _swapped(a, old, new))


def _inner_paths(b: Bench) -> Verdict | None:
    for sweep in b.rule.sweeps if b.rule is not None else ():
        for s in [s for s in sweep.steps if s.terms][:MOST_STEPS]:
            zero = {t: filled("zeros", t.shape) for t in s.terms}
            if b.gives(exchanged(b.right, zero), b.claimed):
                return finding("missing path", f"the path from {_above(b, s.operand)} through {_above(b, s.node)} is left out, and the paths add up")
    return None


def _skipped(b: Bench) -> Verdict | None:
    """The derivative of a function, or a mask, left out: a cotangent handed on unchanged."""
    found = _skipped_step(b)
    return None if found is not None and found.pattern == "other" else found


def _skipped_step(b: Bench) -> Verdict | None:
    for sweep in b.rule.sweeps if b.rule is not None else ():
        inner = list(sweep.cotangents.items())[:MOST_STEPS]
        for s in list(sweep.steps)[:MOST_STEPS]:
            for t in s.terms:
                below = set(topological([t]))
                for node, c in reversed(inner):
                    if c is not t and c.shape == t.shape and c in below and b.gives(exchanged(b.right, {t: c}), b.claimed):
                        between = [n for n in topological([node]) if n is not s.operand and n.operands and s.operand in topological([n])]
                        return _left_out(b, between)
    return None


def _other_slope(b: Bench) -> Verdict | None:
    """The slope of another function, or the function itself, in place of the slope; the diagonal of a softmax's Jacobian alone."""
    for sweep in b.rule.sweeps if b.rule is not None else ():
        for s in sweep.steps[:MOST_STEPS]:
            y, x, c = s.node, s.operand, s.cotangent[0]
            function = y.op.body is not None and y.op.body[0] == "f"
            if not (function or y.op.name == "softmax") or len(s.terms) != 1 or s.terms[0].shape != c.shape or y.shape != c.shape:
                continue
            slopes = {"sigmoid": y * (1 - y), "tanh": 1 - y * y, "the function itself": y, "its argument": x}
            for name, slope in slopes.items():
                if b.gives(exchanged(b.right, {s.terms[0]: c * slope}), b.claimed):
                    if not function:
                        return finding("missing path", "every output of the softmax depends on every input: the terms off the diagonal are left out")
                    what = f"that of {name} is used" if name in ("sigmoid", "tanh") else f"{name} stands in its place"
                    return finding("wrong rule", f"the derivative of {y.op.name} is wrong: {what}")
    return None


def _flipped(b: Bench) -> Verdict | None:
    """A kernel that is turned round, or is not where it has to be."""
    if not any("conv" in n.op.name for n in b.graph.nodes()):
        return None
    if all(a.ndim > 2 for a in b.claimed) and b.constant([np.flip(a, axis=tuple(range(2, a.ndim))) for a in b.claimed], b.truth) == "1":
        return finding("wrong index", "the result is turned round: reverse the window in both directions")
    for node in b.reads(b.right):
        values = [b.points[p].known.get(node, b.given[p].get(b.leaves[node].name) if node in b.leaves else None) for p in range(len(b.points))]
        if all(v is not None and v.ndim > 2 for v in values):
            made = [b.value(b.right, p, {node: np.flip(v, axis=tuple(range(2, v.ndim)))}) for p, v in enumerate(values) if v is not None]
            if b.same(made, b.claimed):
                return finding("wrong index", f"{b.word(node)} has to be turned round here: the window runs the other way on the way back")
    return None


def _left_out(b: Bench, between: list[Node]) -> Verdict:
    words = [n.op.name for n in between]
    gate = next((w for w in words if w in GATES), None)
    if gate:
        return finding("wrong mask", f"the mask is left out: what {gate} does to its input on the way forward decides what passes on the way back")
    products = [n for n in between if n.op.name in ("times", "product")]
    masks = [o for n in products for o in n.operands if isinstance(o.data, Variable) and o is not b.marked.line.by and o.data.kind != "param"]
    if masks:
        return finding("wrong mask", f"the factor {_listed([b.word(m) for m in masks])} is left out: what multiplies on the way forward (with its scale) "
                       "multiplies on the way back")
    if not any(x[0] in "f^" for n in between if n.op.body is not None for x in eq.walk(n.op.body)):
        return finding("sign", "the sign of one path is wrong") if set(words) == {"negate"} else finding("other", "")
    named = [b.graph.name_of(n) for n in between if b.graph.name_of(n)]
    return finding("missing factor", f"the derivative of {_listed(list(dict.fromkeys(words)))}{f', in {named[-1]},' if named else ''} is left out")


# ---------------------------------------------------------------------- one change of the student's line makes it right
def _transposed_own(b: Bench) -> Verdict | None:
    if b.own is None:
        return None
    if all(a.ndim == 2 and a.shape[0] == a.shape[1] for a in b.claimed) and b.constant([a.T for a in b.claimed], b.truth) == "1":
        return finding("layout", "this is the transpose of the right answer: it would be right in numerator layout")
    return _turned(b, b.own, b.truth)


def _turned_right(b: Bench) -> Verdict | None:
    return next((f for root in b.forms for f in [_turned(b, root, b.claimed)] if f is not None), None)


def _turned(b: Bench, root: Node, wanted: Sequence[Array]) -> Verdict | None:
    for e in turned(root, b.atoms):
        if b.gives(e.node, wanted):
            name = b.word(e.old) if e.old is not None else ""
            if e.what == ("turned",):
                return finding("transposed", f"{name or 'a factor'} is transposed: check which of its axes is summed over")
            return finding("wrong index", f"an index of {name or 'a factor'} is wrong")
    return None


def _terms_own(b: Bench) -> Verdict | None:
    """One summand of the student's line has a wrong factor, 0 where it does not belong there."""
    for e in without_parts(b.own, b.atoms) if b.own is not None else ():
        rest = [b.value(e.node, p) for p in range(len(b.points))]
        if any(r is None or r.shape != w.shape for r, w in zip(rest, b.truth, strict=True)):
            continue
        fine = [r for r in rest if r is not None]
        if b.same(fine, b.truth):
            return _extra(b, e, "term")
        if (found := _of_term(b, fine)) is not None:
            return found
    return None


def _of_term(b: Bench, rest: Sequence[Array]) -> Verdict | None:
    """The factor that is wrong in one term, where `rest` are the values of the others."""
    c = b.constant([x - r for x, r in zip(b.claimed, rest, strict=True)], [t - r for t, r in zip(b.truth, rest, strict=True)])
    if c == "-1":
        return finding("sign", "the sign of one term is wrong")
    return finding("factor", f"one term has a wrong factor: it is {c} times what it should be") if c and c != "1" else None


def _signs_own(b: Bench) -> Verdict | None:
    """The sign of one summand inside a function or a denominator."""
    for e in without_parts(b.own, b.atoms, -1) if b.own is not None else ():
        if b.gives(e.node, b.truth):
            return finding("sign", "the sign of one term is wrong")
    return None


def _extra(b: Bench, e: Edit, kind: str) -> Verdict:
    assert e.at is not None
    read = {e.at.operands[r[1]] for r in eq.walk(e.what) if r[0] == "r"}
    named = {n for o in read for n in ([o] if o in b.atoms else b.reads(o))}
    strange = named - b.reads(b.right) - {b.right, b.marked.line.by}
    shown = f", {_listed([w for n in strange if (w := b.word(n))])}," if any(b.word(n) for n in strange) else ""
    if strange:
        return finding("off path", f"one {kind}{shown} does not belong there: it is not on the path from the output to this variable")
    return finding(f"extra {kind}", f"one {kind} too many: leave it out and the line is right")


def _operands_own(b: Bench) -> Verdict | None:
    for e in exchanged_operands(b.own, b.atoms, b.pool) if b.own is not None else ():
        if b.gives(e.node, b.truth):
            return _of_operand(b, e.new, e.old, e.at)
    return None


def _operands_right(b: Bench) -> Verdict | None:
    for e in (e for root in b.forms for e in exchanged_operands(root, b.atoms, b.pool)):
        if b.gives(e.node, b.claimed):
            return _of_operand(b, e.old, e.new, e.at)
    return None


def _of_operand(b: Bench, right: Node | None, wrong: Node | None, at: Node | None) -> Verdict:
    """`wrong` stands where `right` belongs, in the equation of `at`."""
    assert right is not None and wrong is not None and at is not None
    related = right in topological([wrong]) or wrong in topological([right])
    body = at.op.body
    inside = [x for x in eq.walk(body) if x[0] == "f" or x[0] == "^" or x[0] == "+"] if body is not None else []
    gate = any(x[0] == "f" and x[1].rstrip("'") in GATES for x in inside) or at.op.name.rstrip("'") in GATES
    if gate and not (related and wrong.operands and right in wrong.operands):
        return finding("wrong mask", f"the mask is decided by the forward value {b.word(right)}, not by {b.word(wrong)}")
    step, other = (w.rpartition("_") for w in (b.word(right), b.word(wrong)))
    if step[0] and step[0] == other[0] and step[0] in b.graph and step[2].isdigit() and other[2].isdigit():
        return finding("wrong index", f"step {other[2]} of {step[0]} stands where step {step[2]} belongs")
    if related and inside:
        return finding("wrong point", f"the derivative is taken at the wrong point: at {b.word(wrong)} instead of {b.word(right)}")
    return finding("wrong operand", f"{b.word(wrong)} stands where {b.word(right)} belongs")


def _factors_own(b: Bench) -> Verdict | None:
    for e in dropped_factors(b.own, b.atoms) if b.own is not None else ():
        if b.gives(e.node, b.truth):
            return _extra(b, e, "factor")
    return None


# ---------------------------------------------------------------------- one change of the right line gives the student's
def _terms_right(b: Bench) -> Verdict | None:
    for e in (e for root in b.forms for e in without_parts(root, b.atoms)):
        rest = [b.value(e.node, p) for p in range(len(b.points))]
        if any(r is None or r.size != w.size for r, w in zip(rest, b.claimed, strict=True)):
            continue
        fine = [r.reshape(w.shape) for r, w in zip(rest, b.claimed, strict=True) if r is not None]
        if b.constant(b.claimed, fine) in ("1", "-1"):
            return _missing_term(b, e)
        if (found := _of_term(b, fine)) is not None:
            return found
    return None


def _remainders_right(b: Bench) -> Verdict | None:
    return next((_missing_term(b, e) for root in b.forms for e in turned_remainders(root, b.atoms) if b.gives(e.node, b.claimed)), None)


def _missing_term(b: Bench, e: Edit) -> Verdict:
    assert e.at is not None
    read = [w for r in eq.walk(e.what) if r[0] == "r" for w in [b.word(e.at.operands[r[1]])] if w]
    return finding("missing term", f"one summand is left out{f', the one with {_listed(list(dict.fromkeys(read)))}' if read else ''}")


def _factors_right(b: Bench) -> Verdict | None:
    for e in (e for root in b.forms for e in dropped_factors(root, b.atoms)):
        if b.gives(e.node, b.claimed):
            name = b.word(e.old) if e.old is not None else ""
            if e.old is not None and e.old in b.leaves:
                return finding("upstream lost", f"what arrives from above, {name}, is left out")
            if (e.at is not None and "max" in e.at.op.name) or any(x[0] == "f" and x[1] in ("sign", "step") for x in eq.walk(e.what)):
                return finding("wrong mask", "the mask is left out: only the entries that are used on the way forward get a derivative")
            return finding("missing factor", f"a factor is left out{f', the one with {name}' if name else ''}")
    return None


def _rearranged(b: Bench) -> Verdict | None:
    if b.own is not None and any(b.gives(n, b.truth) for n in elementwise_for_matrix(b.own, b.atoms)):
        return finding("elementwise", "an elementwise product stands where a matrix product belongs, or the other way round")
    if any(b.gives(n, b.claimed) for n in elementwise_for_matrix(b.right, b.atoms)):
        return finding("elementwise", "an elementwise product stands where a matrix product belongs, or the other way round")
    for node, name in outside_the_sum(b.right, b.atoms, b.word):
        if b.gives(node, b.claimed):
            return finding("missing path", f"{name} varies along the axis that is summed or averaged, so it has to stay inside the sums and means: "
                           "pulled out, the paths through the mean and the deviation lose it")
    return None


def _listed(words: list[str]) -> str:
    words = [w for w in words if w]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

