"""What stands around the derivatives of a worked solution: the network, the forward pass, the program, the schedule, the check."""
from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symgrad.core.node import Node, Variable, topological
from symgrad.explain.conventions import conventions
from symgrad.explain.document import (
    Block,
    Check,
    Code,
    CodeBlock,
    Equation,
    Inline,
    Line,
    Math,
    Paragraph,
    Section,
    Table,
)
from symgrad.explain.formulas import Typesetter, words
from symgrad.explain.reasons import direct
from symgrad.explain.recheck import recheck
from symgrad.plan.residuals import Plan
from symgrad.results import Derivation
from symgrad.run.verify import Report
from symgrad.views.matrix import closed_form_or_none
from symgrad.views.steps import steps_of
from symgrad.views.text import sides

__all__ = ["DETAILS", "Material", "Teller"]

DETAILS = ("brief", "standard", "full")

LONGEST = 120
"""So many lines of a program are shown."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a solution tells besides the derivation: the picture as SVG, the schedule, the check, the program, values of nodes, the backward pass
    in numbers."""

    report: Report
    plan: Plan
    code: str
    picture: str = ""
    values: Mapping[Node, Math] | None = None
    title: str = ""
    detail: str = "standard"
    deltas: str = "delta"
    numbers: tuple[Block, ...] = ()


def shortened(code: str) -> str:
    """A program of many steps with its middle left out."""
    lines = code.split("\n")
    if len(lines) <= LONGEST:
        return code
    gone = len(lines) - LONGEST
    return "\n".join([*lines[: LONGEST // 2], f"    ...                                               # {gone} more lines", *lines[-(LONGEST // 2):]])


def _defined_by(line: str) -> str:
    """The name that a line defines; an `index` line is its own."""
    return line if line.startswith("index ") else sides(line)[0].partition("[")[0]


class Teller:
    """The parts of a solution that frame its derivatives: network, forward pass, program, schedule, check."""

    def __init__(self, derivation: Derivation, material: Material) -> None:
        self.d, self.m, self.graph = derivation, material, derivation.graph
        self.detail = material.detail
        self.typeset = Typesetter(self.graph, material.deltas)
        first = next(iter(derivation.derivatives.values()))
        self.names = first.viewer.names
        self.told: dict[tuple[Node, Node], str] = {}
        self.numbers: dict[str, str] = {}                  # of the sections, by anchor
        self.lines_told: dict[str, tuple[str, str]] = {}   # the line that defines a name, and the number of its section
        self.steps_told: dict[str, str] = {}               # the lines that tell a recurrence, each with the number of its section
        self.count = 0
        self._said: set[str] = set()

    def first_time(self, what: str) -> bool:
        """Whether something has not been said yet; from now on it has."""
        said = what in self._said
        self._said.add(what)
        return not said

    def fresh(self, lines: Sequence[str]) -> list[str]:
        """The definition lines that the reader does not have yet."""
        found = []
        for line in lines:
            name = _defined_by(line)
            if self.lines_told.get(name, ("", ""))[0] != line:
                self.lines_told[name] = line, str(self.count + 1)
                found.append(line)
        return found

    def recalled(self, lines: Sequence[str]) -> list[str | Inline]:
        """", with t1 as in section 6" in pieces, for the definition lines that an earlier section has; ask before `fresh`."""
        old: dict[str, list[str]] = {}
        for line in lines:
            told, number = self.lines_told.get(_defined_by(line), ("", ""))
            if told == line and number != str(self.count + 1) and not line.startswith("index "):
                old.setdefault(number, []).append(_defined_by(line))
        return [x for number, names in old.items() for x in (", with ", *self.conjoined([self.typeset.math(n) for n in names]), f" as in section {number}")]

    @staticmethod
    def conjoined(items: Sequence[Inline]) -> list[str | Inline]:
        """a, b and c"""
        return [x for k, item in enumerate(items) for x in ((" and " if k == len(items) - 1 else ", ") if k else "", item)]

    def section(self, title: str | Sequence[Inline], blocks: Sequence[Block], anchor: str = "", badge: str = "") -> Section:
        self.count += 1
        if anchor:
            self.numbers[anchor] = str(self.count)
        return Section(words(title) if isinstance(title, str) else tuple(title), tuple(blocks), anchor, badge, str(self.count))

    # ------------------------------------------------------------------ network and forward pass
    def network(self) -> Section:
        rows = []
        for name, node in self.graph.names.items():
            if isinstance(node.data, Variable) and node.name == name:
                index = self.graph.families[name].index if name in self.graph.families else ()
                shown = self.typeset.math(f"{name}[{','.join(index)}]" if index else name)
                role = {"param": "parameter", "data": "data"}.get(node.data.kind, node.data.kind)
                facts = f", {', '.join(sorted(node.data.facts))}" if node.data.facts else ""
                each = f", one for each {', '.join(index)}" if index else ""
                rows.append(
                    (words(shown), words(role + facts + each), words(self.typeset.shape(node.shape[len(index) :])), words(self.typeset.shape(node.shape)))
                )
        table = Table((words("name"), words("what it is"), words("shape"), words("as an array")), tuple(rows), align="llll")
        lines = [line for n in self.defined for line in self.definition(n)]
        convention = conventions(self.d, self.typeset, self.detail)
        return self.section("The network", [table, *([Equation(tuple(lines))] if lines else []), convention], "network")

    @functools.cached_property
    def defined(self) -> list[str]:
        """The user's definitions that the output depends on, each after what it reads; a bare output is called f."""
        below = set(self.d.forward.networkx([self.d.output]).nodes)
        made = [self.step_of.get(n, n) for n, v in self.graph.names.items() if v in below and not isinstance(v.data, Variable) and v.operands]
        found = [n for n in self.graph.names if n in made]  # a recurrence once, not once for every step
        steps = set(self.step_of.values())                  # recurrences read each other: they stay as written
        if all(not self.reads(n, later) for k, n in enumerate(found) for later in found[k + 1:] if not {n, later} <= steps):
            return found
        place = {n: k for k, n in enumerate(topological([self.d.output]))}
        return sorted(found, key=lambda n: max(place.get(v, -1) for v in self.steps(n)))

    @functools.cached_property
    def step_of(self) -> dict[str, str]:
        """h_3 -> h"""
        return {alias: name for s in steps_of(self.graph) for alias, (name, _) in s.alias.items()}

    def definition(self, name: str) -> list[Line]:
        """The line that the user wrote, else the closed form; nothing where the notation has no words for it."""
        node = self.graph.names[name]
        reason = words(self.typeset.shape(node.shape)) if node.shape else words("scalar")
        source = self.graph.sources.get(name, "")
        if source:
            return [self.typeset.statement(line, reason if k == 0 else ()) for k, line in enumerate(source.split("\n"))]
        form = closed_form_or_none(node, {n: s for n, s in self.names.items() if n is not node}, self.graph.ranges, taken=self.graph.words)
        if form is None:
            return []
        head, body = (name, form.body) if not form.note else (name + form.body[1:].partition(" = ")[0], form.body.partition(" = ")[2])
        return [*(self.typeset.statement(line) for line in form.lines), self.typeset.line(head, body, reason)]

    def forward(self) -> Section:
        header = [words("step"), words("value"), words("shape"), words("used by")]
        values = self.m.values
        rows = []
        for k, name in enumerate(self.defined):
            node = self.graph.names[name]
            users = [s for s in self.defined if self.reads(s, name)]
            row = [words(str(k + 1)), words(self.typeset.math(name)), words(self.typeset.shape(node.shape)), words(*self.listed(users))]
            if values is not None:
                row.append(words(values[node]) if node in values else ())
            rows.append(tuple(row))
        if values is not None:
            header.append(words("number"))
        text = Paragraph(words("From the data to the output, each value once. The backward pass will read these values again, so they are kept."))
        table = Table(tuple(header), tuple(rows), align="rlll" + ("l" if values is not None else ""))
        return self.section("Forward pass", [text, table] if rows else [text], "forward")

    def reads(self, user: str, name: str) -> bool:
        """Whether a definition reads another one's value, or a step of it."""
        return user != name and any(self.steps(name) & self.direct(n) for n in self.steps(user))

    def steps(self, name: str) -> set[Node]:
        """The value of a name, and every step of it where it is a recurrence."""
        return {self.graph.names[name], *(self.graph.names[a] for a, n in self.step_of.items() if n == name)}

    def direct(self, node: Node) -> set[Node]:
        """The named values a value is computed from directly."""
        return set(direct(node, self.names))

    def listed(self, names: Sequence[str]) -> list[str | Inline]:
        out: list[str | Inline] = []
        for k, n in enumerate(names):
            out += [", " if k else "", self.typeset.math(n)]
        return out or ["the result"]

    # ------------------------------------------------------------------ program, schedule, check
    def program(self) -> Section:
        return self.section(
            "The program",
            [Paragraph(words("The same steps as NumPy code; it is this program's equations that were checked.")), CodeBlock("python", shortened(self.m.code))],
            "program",
        )

    def schedule(self) -> Section:
        plan = self.m.plan
        rows = tuple(
            (
                words(str(s.number)),
                words(s.phase),
                words(Code(s.name)),
                words(", ".join(s.reads)),
                words(", ".join(s.reuses)),
                words(self.typeset.cost(s.flops)),
                words(", ".join(s.frees)),
            )
            for s in plan.steps[:80]
        )
        header = tuple(words(h) for h in ("step", "pass", "makes", "reads", "of these cached", "operations", "then free"))
        total = Paragraph(
            words(
                "Operations in all: ",
                self.typeset.cost(plan.flops),
                ". If every gradient were computed on its own, with nothing kept: ",
                self.typeset.cost(plan.flops_without_reuse),
                ".",
            )
        )
        return self.section("The schedule", [Table(header, rows, align="rllllll"), total], "schedule")

    def check(self) -> Section:
        r = self.m.report
        sizes = ", ".join(f"{k} = {v}" for k, v in r.sizes.items())
        stand = f" Unknown functions ({', '.join(r.stand_ins)}) were three smooth ones in turn." if r.stand_ins else ""
        text = words(f"{'Every derivative was' if r.ok else 'A derivative is'} {r}.", f" At random values with {sizes}." if sizes else "", stand)
        return self.section("The check", [Check(r.ok, text, None, recheck(self.d, r.sizes))], "check")
