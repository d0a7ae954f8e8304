"""Closed forms: matrix text of a node, with a name for what is used twice where that is shorter."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, VARIABLE, Node, topological
from symgrad.ops.stacking import MERGE, SPLIT
from symgrad.views.compose import NoMatrixForm, is_call, is_turned
from symgrad.views.elimination import Eliminator
from symgrad.views.index import component_text, formula_text
from symgrad.views.regrouping import regrouped
from symgrad.views.row_names import Labels, free_name, labelled, straightened
from symgrad.views.terms import transpose
from symgrad.views.text import text

__all__ = ["Form", "below", "closed_form", "closed_form_or_none", "index_form", "with_rows"]

Show = Callable[[Node, Mapping[Node, str], str], str]
"""How a node prints, given the names so far and a name for the left side."""

PLAIN = frozenset(("transpose", "negate", "identity", "logsumexp", "log_softmax.u", "standardise.d"))
"""Ops not worth a name: reorderings, and what is part of a softmax or of a standardised value where it is used again."""

ALWAYS = 1000
"""As many uses as make a name worth it whatever its length: for what has no text where it stands."""

INLINE_LIMIT = 160
"""How many nodes a form may hold before names are given without trying to do without."""

SHORT = 24
"""A form of so many characters is not tried with names: a definition line and its use are hardly shorter."""


@dataclass(frozen=True, slots=True)
class Form:
    """Definition lines (`t1 = ...`), then the form itself; `note` says why a matrix form is missing."""

    lines: tuple[str, ...]
    body: str
    note: str = ""

    def __str__(self) -> str:
        comment = (f"# {self.note}",) if self.note else ()
        return "\n".join((*comment, *self.lines, self.body))


def below(target: Node, names: Mapping[Node, str]) -> list[Node]:
    """The nodes that a form of `target` is made of, operands first, not looking behind named nodes."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(target, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if node is target or node not in names:
                stack.extend((o, False) for o in reversed(node.operands))
    return order


def closed_form(target: Node, names: Mapping[Node, str], ranges: Mapping[str, object], forward: Iterable[Node] = (), taken: Iterable[str] = (),
                *, row: bool = False) -> Form:
    """The matrix form of a node, or its index form with a note where no product of matrices gives it.

    names: nodes that print as a name. forward: the user's own nodes, whose sums are never multiplied out. taken: names not to use.
    row: a vector is shown as a row.
    """
    def show(node: Node, given: Mapping[Node, str], left: str) -> str:
        others = {n: s for n, s in given.items() if n is not node}
        if node.rank <= 2:
            try:
                term = Eliminator(others, backward).of(node)
                body = text(transpose(term) if row and not left else term)
                line = f"{left} = {body}" if left else body
                if left and node in labels.always:
                    return min(line, component_text(node, others, ranges, left), key=lambda t: ("ones(" in t, len(t)))
                return line
            except NoMatrixForm:
                if not left:
                    raise
        return _component(node, others, ranges, left, backward)
    original, target = target, straightened(target, (forward := set(forward)))
    backward = set(topological([target])) - forward
    labels = labelled(below(target, names), names, backward)
    try:
        if target.rank > 2:
            raise NoMatrixForm(f"{target.rank} axes")
        return _shortest(target, names, taken, show, labels)
    except NoMatrixForm as reason:
        form = index_form(original, names, ranges, forward, taken)
        return Form(form.lines, form.body, f"no matrix form: {reason}")


def closed_form_or_none(target: Node, names: Mapping[Node, str], ranges: Mapping[str, object], forward: Iterable[Node] = (),
                        taken: Iterable[str] = ()) -> Form | None:
    """The closed form, or None where the notation has no words for the node."""
    try:
        return closed_form(target, names, ranges, forward, taken)
    except (NoMatrixForm, RecursionError):
        return None


def index_form(target: Node, names: Mapping[Node, str], ranges: Mapping[str, object], forward: Iterable[Node] = (), taken: Iterable[str] = ()) -> Form:
    """`D[i,j] = ...`, after definition lines where parts are named and `index` lines for what only affine indices hold."""
    try:
        return _index_form(target, names, ranges, set(forward), taken)
    except NoMatrixForm:
        if (other := regrouped(target, names)) is target:
            raise
        return _index_form(other, names, ranges, set(forward), taken)


def _index_form(target: Node, names: Mapping[Node, str], ranges: Mapping[str, object], forward: set[Node], taken: Iterable[str]) -> Form:
    target = straightened(target, forward)
    backward = set(topological([target])) - forward
    labels = labelled(below(target, names), names, backward)
    def show(node: Node, given: Mapping[Node, str], left: str) -> str:
        others = {n: s for n, s in given.items() if n is not node}
        return _component(node, others, ranges, left or "D", backward)
    form = _shortest(target, names, taken, show, labels)
    *ranged, body = form.body.split("\n")
    return Form((*form.lines, *ranged), body)


def with_rows(target: Node, names: Mapping[Node, str], ranges: Mapping[str, object], forward: Iterable[Node],
              taken: Iterable[str]) -> tuple[Node, dict[Node, str], list[str]]:
    """(target, names, lines): the same value with names for the rows that it reads, and the lines that define these."""
    target = straightened(target, (forward := set(forward)))
    order = below(target, names)
    labels = labelled(order, names, set(topological([target])) - forward)
    found, lines = dict(names), list[str]()
    for node in order:
        if node in labels.always and node is not target:
            name = free_name(labels.names[node], {*found.values(), *taken})
            with suppress(NoMatrixForm):                   # what has no words is not named
                lines.append(component_text(node, found, ranges, name))
                found[node] = name
    return target, found, lines


def _component(node: Node, names: Mapping[Node, str], ranges: Mapping[str, object], left: str, backward: set[Node]) -> str:
    """The shorter of the two index forms; the one without matrix products where both fit in a line. What is a call has no better form."""
    if left != "D" and node.rank <= 2 and (is_call(node) or node.op.body is None):
        try:
            return f"{left} = {text(Eliminator(names, backward).of(node))}"
        except NoMatrixForm:
            pass
    plain = component_text(node, names, ranges, left, declare=left == "D")
    if node.rank <= 2 and len(plain) <= 120:
        return plain
    try:
        formula = formula_text(node, names, ranges, left, backward)
    except NoMatrixForm:
        return plain
    return formula if (left == "D" or not _sums_freely(formula)) and len(formula) < len(plain) else plain


def _sums_freely(formula: str) -> bool:
    """Whether an index on the right is bound by nothing: only a D-line may leave its sums out."""
    head, _, body = formula.partition("=")
    used = set(re.findall(r"\b[a-z]\w*\b", " ".join(re.findall(r"\[([^\]]*)\]", body))))
    return not used <= set(re.findall(r"\b[a-z]\w*\b", head[head.find("["):]))


def _shortest(target: Node, names: Mapping[Node, str], taken: Iterable[str], show: Show, labels: Labels) -> Form:
    """The form without names of our own or the one with them, whichever is shorter; what a row caches is named in any case."""
    order = [n for n in below(target, names) if n is not target and n not in names]
    weight: dict[Node, int] = {}
    for n in [*order, target]:
        weight[n] = min(10**6, 1 + sum(weight.get(o, 1) for o in n.operands))
    inline: Form | None = None
    if weight[target] <= INLINE_LIMIT and not labels.always:
        try:
            inline = Form((), show(target, names, ""))
        except NoMatrixForm:
            inline = None
    candidates = _candidates(target, order, labels)
    if inline is not None and (not candidates or len(inline.body) <= SHORT):
        return inline
    forms = [_with_names(target, names, candidates, taken, show, labels)]
    if forms[0].lines and any(n.rank > 1 for n, _ in candidates):        # what vanishes in a matrix does not show behind its name
        with suppress(NoMatrixForm):
            forms.append(_with_names(target, names, [(n, uses) for n, uses in candidates if n.rank < 2 or uses >= ALWAYS], taken, show, labels))
    return min([inline, *forms] if inline is not None else forms, key=lambda form: len(str(form)))


def _candidates(target: Node, order: Sequence[Node], labels: Labels) -> list[tuple[Node, int]]:
    """Nodes worth a name with their number of uses: those used twice, and those that have no matrix text of their own."""
    uses = {n: count - 1 for n, count in labels.reads.items()}
    shifted: set[Node] = set()                             # read at a shifted or literal index: only a name can be
    for n in [*order, target]:
        for o in n.operands:
            uses[o] = uses.get(o, 0) + 1
        if n.op.body is not None:
            shifted |= {_unturned(n.operands[r[1]]) for r in eq.references(n.op.body) if any(eq.is_affine(i) for i in r[2])}
    found = []
    for n in order:
        leaf = n.op in (VARIABLE, NUMBER, SIZE) or not n.operands or n.op.has_delta or n.op.name in PLAIN
        several = n.rank > 0 and n.op.body is not None and any(e[0] == "f" and len(e[2]) > 1 for e in eq.walk(n.op.body))
        along = n.op.body is None and n.op.origin is not None and n.op.name not in (MERGE, SPLIT)
        if n in labels.always or several or along or (n in shifted and n.op.body is not None and n.operands):
            found.append((n, ALWAYS))
        elif not leaf and uses.get(n, 0) > 1:
            found.append((n, uses[n]))
    return found


def _unturned(node: Node) -> Node:
    """The node below changes of the order of axes."""
    while is_turned(node):
        node = node.operands[0]
    return node


def _with_names(target: Node, names: Mapping[Node, str], candidates: Sequence[tuple[Node, int]], taken: Iterable[str], show: Show,
                labels: Labels) -> Form:
    used = {*names.values(), *taken}
    given = dict(names)
    lines: list[tuple[str, str]] = []
    count = 0
    for node, uses in candidates:
        if node in labels.names:
            name = free_name(labels.names[node], used)
        else:
            while (name := f"t{count + 1}") in used:
                count += 1
        try:
            line = show(node, given, name)
        except NoMatrixForm:
            if uses >= ALWAYS:
                raise
            continue
        body = line.partition(" = ")[2]
        if uses < ALWAYS and len(body) * uses <= len(line) + 2 * uses:
            continue                                       # shorter without a name
        used.add(name)
        given[node] = name
        lines.append((name, line))
    body = show(target, given, "")
    kept: list[str] = []
    needed = body
    for name, line in reversed(lines):                     # what cancelled is not defined
        if re.search(rf"\b{name}\b", needed):
            kept.insert(0, line)
            needed += "\n" + line.partition("=")[2]
    return Form(tuple(kept), body)
