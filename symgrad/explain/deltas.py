"""The derivatives of one output by the named values on the way back: each is told once, made from those told before it."""
from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from symgrad.core.node import Node, Variable, topological
from symgrad.errors import UnsupportedError
from symgrad.explain.document import Inline, Line, Reference
from symgrad.explain.formulas import delta_name, words
from symgrad.explain.frame import Teller
from symgrad.explain.reasons import reason_of
from symgrad.results import Derivative
from symgrad.views.chain import Factor
from symgrad.views.compose import NoMatrixForm
from symgrad.views.index import component_text
from symgrad.views.matrix import Form, closed_form_or_none, with_rows

__all__ = ["Deltas", "way"]


def way(d: Derivative, names: Sequence[Node] | dict[Node, str], top: Node | None = None, bottom: Node | None = None) -> list[Node]:
    """The named values strictly between the output and the variable (or between two values), in backward order."""
    top, bottom = (d.output if top is None else top), (d.variable if bottom is None else bottom)
    order = topological([top])
    depends = {bottom}
    for n in order:
        if any(o in depends for o in n.operands):
            depends.add(n)
    return [n for n in reversed(order) if n in depends and n in names and n is not top and n is not bottom and not isinstance(n.data, Variable)]


class Deltas:
    """What has been told of the backward pass: `labels` of the cotangents, and the section in which each value's stands."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.labels: dict[Node, str] = {}
        self.told: dict[Node, str] = {}
        self.behind: set[Node] = set()                     # the labelled cotangents and what they are made of

    def way(self, d: Derivative) -> list[Node]:
        """The values on the way whose derivatives are told; of a recurrence its steps, not all of them as one array."""
        arrays = {self.teller.graph.names[name] for name in self.teller.step_of.values()}
        return [n for n in way(d, self.teller.names) if n not in arrays]

    def label(self, value: Node) -> str:
        """`d_z`"""
        return delta_name(self.teller.names[value], self.teller.graph)

    def lines(self, d: Derivative, values: Sequence[Node], anchor: str) -> list[Line]:
        """One line for each value that is not told yet, from those told; with its rule, where no factor tells it."""
        assert d.sweep is not None
        lines: list[Line] = []
        names = {**self.teller.names, **self.labels}
        for value in values:
            node = d.sweep.cotangents.get(value)
            if node is None or value in self.told:
                continue
            label = self.label(value)
            found = self.form(d, node, names, label)
            if found is None:
                continue
            before, head, right, names = found
            self.told[value] = anchor
            lines += [self.teller.typeset.statement(line) for line in self.teller.fresh(before)]
            lines.append(self.teller.typeset.line(head, right, self.reason(value)))
            if self.teller.detail == "full" and node.rank and not right.startswith("sum["):
                component = self.component(d, node, names, label)
                if component is not None and component[0] != head:
                    lines.append(self.teller.typeset.line(*component, words("entry by entry")))
            if node.operands and node not in names:
                names[node] = self.labels[node] = label
                self.behind.update(topological([node]))
        return lines

    def form(self, d: Derivative, node: Node, names: dict[Node, str], label: str) -> tuple[list[str], str, str, dict[Node, str]] | None:
        """(lines before, left, right, names): a cotangent in terms of the names; None where the notation has no words for it."""
        graph = self.teller.graph
        if node in names:
            return [], label, names[node], names
        settled = {*d.viewer.forward, *self.behind}
        try:
            target, names, before = with_rows(node, names, graph.ranges, settled, graph.words)
            form: Form | None = closed_form_or_none(target, names, graph.ranges, settled, graph.words)
            if form is None:
                return None
            if not form.note:
                return [*before, *form.lines], label, form.body, names
            head, _, right = component_text(target, names, graph.ranges, label, ranged=False).partition(" = ")
        except NoMatrixForm:
            return None
        return before, head, right, names

    def component(self, d: Derivative, node: Node, names: dict[Node, str], label: str) -> tuple[str, str] | None:
        """(left, right): the same, entry by entry."""
        graph = self.teller.graph
        others = {n: s for n, s in names.items() if n is not node}
        try:
            target, others, _ = with_rows(node, others, graph.ranges, {*d.viewer.forward, *self.behind}, graph.words)
            head, _, right = component_text(target, others, graph.ranges, label, ranged=False).partition(" = ")
        except (NoMatrixForm, UnsupportedError):
            return None
        return head, right

    # ------------------------------------------------------------------ reasons
    def reason(self, value: Node) -> tuple[Inline, ...]:
        """Who reads the value, what is added, and by which rule."""
        teller = self.teller
        users = self.users[value]
        math = teller.typeset.math
        shape: Inline | str = teller.typeset.shape(value.shape) if value.shape else "scalar"
        if len(users) > 1:
            shown = teller.conjoined([math(teller.names.get(u, "f")) for u in users])
            return words(shape, "; ", math(teller.names[value]), " is read by ", *shown, ": what comes back from each is added")
        user = users[0]
        rule = "" if (user, value) in teller.told else f": {reason_of(Factor(user, value), teller.names, teller.graph)}"
        return words(shape, "; through ", math(teller.names.get(user, "f")), rule)

    @functools.cached_property
    def users(self) -> dict[Node, list[Node]]:
        """The named values that read a value directly, among those the output is computed from."""
        teller = self.teller
        arrays = {teller.graph.names[name] for name in teller.step_of.values()}
        read = {n: teller.direct(n) - arrays | {m for a in teller.direct(n) & arrays for m in teller.direct(a)} for n in teller.names}
        found: dict[Node, list[Node]] = {}
        for n in topological([teller.d.output]):
            if n not in arrays and (n in teller.names or n is teller.d.output):
                for value in read.get(n) or teller.direct(n):
                    found.setdefault(value, []).append(n)
        return {v: sorted(us, key=list(teller.names).index) if all(u in teller.names for u in us) else us for v, us in found.items()}

    # ------------------------------------------------------------------ references
    def known(self, values: Sequence[Node]) -> list[str | Inline]:
        """"d_yhat and d_h are known from section 5" in pieces; nothing where none is."""
        told = [v for v in values if v in self.told]
        if not told:
            return []
        shown = self.teller.conjoined([self.teller.typeset.math(self.label(v)) for v in told])
        sections = list(dict.fromkeys(self.told[v] for v in told))
        where: list[str | Inline] = [x for k, s in enumerate(sections) for x in (" and " if k else "", Reference(s, f"section {self.teller.numbers[s]}"))]
        return [*shown, " is known from " if len(told) == 1 else " are known from ", *where]

    def read(self, text: str) -> list[Node]:
        """The values whose derivatives a text names."""
        words_ = set(re.findall(r"[A-Za-z]\w*", text))
        return [v for v in self.told if self.label(v) in words_]
