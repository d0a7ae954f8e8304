"""A graph or a derivation as a diagram: values as boxes, the forward pass as arrows, the backward pass with what comes back along each."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import sympy as sp

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable
from symgrad.core.shape import Shape, shape_text
from symgrad.errors import InputError, nearest
from symgrad.explain.diagram import Arrow, Box, BoxKind, Diagram, Direction, Fact
from symgrad.explain.document import Math
from symgrad.explain.formulas import equated, shape_latex
from symgrad.explain.grouping import grouped
from symgrad.explain.passes import Way, added, backward_moments, forward_moments
from symgrad.explain.pattern import factor_boxes
from symgrad.explain.scope import Scope, scope_of
from symgrad.explain.timetable import over_time
from symgrad.explain.worth import Worth
from symgrad.plan.cost import flops
from symgrad.results import Derivation
from symgrad.views.text import sides

__all__ = ["LABELS", "WHAT", "Options", "diagram_of"]

WHAT = ("forward", "backward", "both", "schedule", "paths", "values", "jacobian")
LABELS = ("auto", "jacobian", "cotangent", "none")
_SHORT, _BRIEF = 44, 26                                    # letters of a formula in a box, on an arrow
_DETAILED = 400
"""Boxes above which formulas, facts and passes are left out: nobody could read them, and each takes a millisecond."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a picture is made: see `sg.draw`."""

    title: str = ""
    level: str = "auto"
    labels: str = "auto"
    direction: Direction = "auto"
    worth: Worth | None = None


def diagram_of(subject: Graph | Derivation, what: str = "both", options: Options | None = None) -> Diagram:
    """The picture of a graph, or of a derivation with its backward pass; what: a word of WHAT.

    Raises InputError for another word, and for a picture of a derivative where only a graph is given.
    """
    if what not in WHAT:
        raise InputError(f"a picture shows one of {', '.join(WHAT)}, not {what!r}{nearest(what, WHAT)}")
    options = options or Options()
    if options.labels not in LABELS:
        raise InputError(f"the labels of a picture are {', '.join(LABELS)}, not {options.labels!r}")
    if isinstance(subject, Derivation) and what == "schedule":
        made = over_time(subject)
    elif isinstance(subject, Derivation) and what == "jacobian":
        made = factor_boxes(subject)
    elif not isinstance(subject, Derivation) and what in ("backward", "schedule", "paths", "jacobian"):
        raise InputError(f"a picture of what {what!r} shows needs a derivative: give a derivation, or say what to differentiate by")
    else:
        made = _Drawing(subject, what, options).diagram()
    return replace(made, title=options.title or made.title, direction=options.direction if options.direction != "auto" else made.direction)


@dataclass(eq=False)
class _Drawing:
    """One picture of values and arrows."""

    subject: Graph | Derivation
    what: str
    options: Options
    returns: dict[tuple[Node, Node], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d = self.subject if isinstance(self.subject, Derivation) else None
        graph = d.graph if d else self.subject
        assert isinstance(graph, Graph)
        self.scope: Scope = scope_of(graph, d.output if d else graph.output, self.options.level)
        self.of = d.of if d else graph.output_name or "f"
        self.derivation = d if self.what != "forward" else None
        self.asked = [x.variable for x in d.derivatives.values()] if d else []
        on_way = set(d.sweep.cotangents) if self.derivation and d else set()
        self.on_way = {n for n in self.scope.names if n in on_way}
        shown = [n for n in self.scope.names if self.what != "backward" or n in self.on_way or n is self.scope.output]
        self.groups, self.known_groups = grouped(self.scope)
        self.ids = {n: f"v{k}" for k, n in enumerate(shown)}
        self.copies = self.beside_readers(shown)
        self.detailed = len(shown) <= _DETAILED
        self.formulas = {n: self.scope.formula(n) for n in shown} if self.detailed else {}
        self.arrows: list[Arrow] = []
        self.numbers: dict[tuple[str, Node, Node], int] = {}

    def diagram(self) -> Diagram:
        for n in self.ids:
            for o in self.scope.sources[n]:
                if o in self.ids:
                    if self.what != "backward":
                        faded = self.what == "paths" and not {n, o} <= self.on_way
                        self.add("forward", o, n, Arrow(self.place(o, n), self.ids[n], faded=faded))
                    if {n, o} <= self.on_way:
                        self.add("backward", n, o, self.back(n, o))
        boxes = [self.box(n) for n in self.ids]
        boxes = [one for n, box in zip(self.ids, boxes, strict=True) for one in self.at_readers(n, box)]
        way = Way(self.scope, {n: tuple(self.copies[n].values()) if n in self.copies else (i,) for n, i in self.ids.items()}, self.formulas, self.numbers)
        moments = []
        if self.detailed:
            moments = [*(forward_moments(way) if self.what != "backward" else ()),
                       *(backward_moments(way, self.returns, self.asked, self.of) if self.derivation else ())]
        return Diagram(self.title(), tuple(boxes), tuple(self.arrows), groups=self.known_groups, moments=tuple(moments))

    def beside_readers(self, shown: list[Node]) -> dict[Node, dict[str, str]]:
        """group -> id of a box, for the inputs that several groups read: a box for each of them saves arrows across the whole picture."""
        readers: dict[Node, dict[str, None]] = {}
        for n in shown:
            for o in self.scope.sources[n]:
                if not o.operands:
                    readers.setdefault(o, {})[self.groups.get(n, "")] = None
        found: dict[Node, dict[str, str]] = {}
        for n, groups in readers.items():
            if len(groups) > 1 and n in self.ids:
                found[n] = {group: self.ids[n] + f"-{k}" * (k > 0) for k, group in enumerate(groups)}
                self.groups[n] = next(iter(groups))
        return found

    def at_readers(self, node: Node, box: Box) -> list[Box]:
        """The box of a value, one for each group that reads it; at a step of a recurrence x[t] is x[3]."""
        found = []
        for group, i in self.copies.get(node, {box.group: box.id}).items():
            index, _, step = group.partition(" = ")
            numbered = [step if k == index else k for k in self.scope.index(node)]
            name = self.scope.typeset.math(f"{self.scope.names[node]}[{','.join(numbered)}]") if step in numbered and not box.note_text else None
            made = replace(box, tex=name.tex, text=name.notation) if name else box
            found.append(replace(made, id=i, group=group, copy_of="" if i == box.id else box.id))
        return found

    def place(self, operand: Node, reader: Node) -> str:
        """The id of the box of an operand that stands beside a reader."""
        return self.copies[operand][self.groups.get(reader, "")] if operand in self.copies else self.ids[operand]

    def add(self, kind: str, tail: Node, head: Node, arrow: Arrow) -> None:
        self.numbers[kind, tail, head] = len(self.arrows)
        self.arrows.append(arrow)

    def title(self) -> str:
        if self.what != "paths":
            return self.of
        names = ", ".join(self.scope.names.get(n, n.name) for n in self.asked)
        count = self.paths()
        return f"{count} path{'s' if count != 1 else ''} from {names} to {self.of}"

    def paths(self) -> int:
        """How many ways lead from what is differentiated by to the output."""
        ways = {n: int(n in self.asked) for n in self.scope.names}
        for n in self.scope.names:
            ways[n] += sum(ways[o] for o in self.scope.sources[n])
        return ways[self.scope.output]

    # ------------------------------------------------------------------ boxes
    def box(self, node: Node) -> Box:
        scope, worth = self.scope, self.options.worth
        name = scope.name(node)
        kind: BoxKind = "output" if node is scope.output else "op"
        if isinstance(node.data, Variable):
            kind = "param" if node.data.kind == "param" else "const" if node.data.value is not None else "data"
        cotangent = self.what == "backward"
        if cotangent:
            name, kind = self.cotangent(node), "output" if node is scope.output else "gradient"
        formula = self.formulas.get(node, "")
        inside = scope.typeset.equation(formula) if formula and len(formula) <= _SHORT and not cotangent else name
        inner = scope.shape(node)
        note = worth.of(node) if worth is not None and not cotangent else None
        if note is not None and scope.index(node):             # the numbers are those of all examples
            inside, inner = scope.typeset.math(scope.names[node]), node.shape
        tooltip = formula or f"{scope.names[node]} ({shape_text(node.shape)})"
        return Box(self.ids[node], inside.tex, inside.notation, *_space(inner), kind, self.groups.get(node, ""), tooltip,
                   note.tex if note else "", note.notation if note else "", self.facts(node, formula, note) if self.detailed else (),
                   faded=self.what == "paths" and node not in self.on_way)

    def cotangent(self, node: Node) -> Math:
        scope = self.scope
        if (node in self.asked or node is scope.output) and not scope.output.rank and self.of.isidentifier():
            found = scope.typeset.math(f"grad({self.of}, {scope.names[node]})")
            return Math(f"{found.tex} = 1", f"{found.notation} = 1") if node is scope.output else found
        return scope.typeset.math(scope.delta(node))

    def facts(self, node: Node, formula: str, note: Math | None) -> tuple[Fact, ...]:
        scope = self.scope
        found = []
        if formula:
            line = scope.typeset.equation(formula)
            found.append(Fact("equation", line.notation, line.tex))
        if isinstance(node.data, Variable):
            facts = ", ".join(sorted(node.data.facts))
            found.append(Fact("is", {"param": "a parameter", "const": "a constant"}.get(node.data.kind, "given") + (f", {facts}" if facts else "")))
        found.append(Fact("shape", shape_text(node.shape, "scalar"), shape_latex(node.shape) if node.shape else ""))
        if note is not None:
            found.append(Fact("value", note.notation, note.tex))
        if back := [line for (_, n), line in self.returns.items() if n is node]:
            line = added(scope, back)
            found.append(Fact("derivative", line.notation, line.tex))
            if self.options.worth is not None and self.derivation is not None:
                slope = self.options.worth.of(self.derivation.sweep.cotangents[node])
                found.append(Fact("derivative, in numbers", slope.notation, slope.tex))
        if node.operands:
            cost = scope.typeset.cost(sp.expand(sp.Add(*[flops(n) for n in scope.inner[node]])))
            found.append(Fact("cost", f"{cost.notation} operations", rf"{cost.tex}\;\text{{operations}}"))
        return tuple(found)

    # ------------------------------------------------------------------ the way back
    def back(self, node: Node, operand: Node) -> Arrow:
        """node -> operand, with the local derivative, with what comes back along it, or with its value; in full where that is short."""
        scope, ends = self.scope, (self.ids[node], self.place(operand, node))
        if not self.detailed:
            return Arrow(*ends, kind="backward")
        self.returns[node, operand] = scope.contribution(node, operand)
        back = sides(self.returns[node, operand])[1]
        style = self.options.labels
        if style == "auto":
            style = "cotangent" if self.what == "backward" else "value" if self.what == "values" else "jacobian"
        if style == "none":
            return Arrow(*ends, kind="backward", tooltip=back)
        if style == "value" and self.options.worth is not None and self.derivation is not None and not scope.output.rank:
            math = self.options.worth.along(scope, node, operand, self.derivation.sweep.cotangents[node])
            return Arrow(*ends, math.tex, math.notation, "backward", back)
        if style == "cotangent":
            math = scope.typeset.math(back if len(back) <= _BRIEF else scope.delta(operand))
            return Arrow(*ends, math.tex, math.notation, "backward", back)
        form = scope.local(node, operand)
        label = scope.typeset.math(form.jac)
        if len(form.shape) <= 2 and len(form.closed) <= _BRIEF and not form.line and form.closed != form.jac:
            label = equated(label, scope.typeset.math(form.closed))
            return Arrow(*ends, label.tex, label.notation, "backward", form.closed)
        return Arrow(*ends, label.tex, label.notation, "backward", form.shown or form.closed)


def _space(shape: Shape) -> tuple[str, str]:
    """A shape as LaTeX and as text; nothing for a scalar."""
    return (rf"\mathbb{{R}}^{{{shape_latex(shape)}}}", shape_text(shape)) if shape else ("", "")
