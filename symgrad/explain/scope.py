"""A graph in; the values that a picture of it shows, with their names, formulas, and what each is computed from, out."""
from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, number_node, topological, variable
from symgrad.core.shape import Shape
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError, UnsupportedError
from symgrad.explain.document import Math
from symgrad.explain.formulas import Typesetter, delta_name
from symgrad.explain.reasons import direct
from symgrad.plan.order import dependencies, is_leaf, name_nodes, settled
from symgrad.views.chain import Factor, Path, follows_axis
from symgrad.views.compose import NoMatrixForm
from symgrad.views.factors import FactorForm, FactorForms
from symgrad.views.matrix import closed_form_or_none, with_rows
from symgrad.views.names import name_symbol
from symgrad.views.steps import steps_of
from symgrad.views.text import sides

__all__ = ["LEVELS", "Scope", "defined", "scope_of", "shown_names"]

LEVELS = ("auto", "names", "ops")


def scope_of(graph: Graph, output: Node, level: str = "auto") -> Scope:
    """The values to show: "names" (those that have one), "ops" (every op), or "auto": names where a value between inputs and output has one.

    Raises InputError for another level.
    """
    if level not in LEVELS:
        raise InputError(f"a picture shows {', '.join(LEVELS)}, not {level!r}")
    names = shown_names(graph, output)
    given = frozenset(names)
    if level == "ops" or (level == "auto" and not any(n.operands and n is not output for n in names)):
        names = _every_op(graph, output, names)
        graph = replace(graph, names={**{s: n for n, s in names.items()}, **graph.names})
    return Scope(graph, output, names, given)


def shown_names(graph: Graph, output: Node) -> dict[Node, str]:
    """The named values below the output, operands first; the output itself even without a name."""
    by_node: dict[Node, str] = {}
    for name, node in graph.names.items():
        by_node.setdefault(node, name)
    order = topological([output])
    found = {n: by_node[n] for n in order if n in by_node and (n.operands or isinstance(n.data, Variable))}
    found.setdefault(output, "f")
    return found


def _every_op(graph: Graph, output: Node, names: dict[Node, str]) -> dict[Node, str]:
    """Every value that is computed, and the inputs; those without a name are t1, t2, ..."""
    order = [n for n in dependencies([output]) if not is_leaf(n) or isinstance(n.data, Variable)]
    called = name_nodes(order, {settled(n): s for n, s in names.items()}, {}, graph.words - {*names.values()})
    found = {n: names.get(n) or called[n] for n in order}
    top = settled(output)
    if top is not output:                                  # a mere copy of another value stands for it
        found[output] = names[output]
    return found


@dataclass(eq=False)
class Scope:
    """The values shown, operands first, by what they are called in the notation; `given` are those whose names are not made up here."""

    graph: Graph
    output: Node
    names: dict[Node, str]
    given: frozenset[Node]

    @functools.cached_property
    def typeset(self) -> Typesetter:
        """Formulas in the graph's own names."""
        return Typesetter(self.graph)

    @functools.cached_property
    def sources(self) -> dict[Node, list[Node]]:
        """What each value is computed from directly, among those shown."""
        return {n: direct(n, self.names) for n in self.names}

    @functools.cached_property
    def inner(self) -> dict[Node, list[Node]]:
        """The values that are computed on the way to one that is shown, that one last."""
        found: dict[Node, list[Node]] = {}
        for n in self.names:
            seen, stack = {n}, [o for o in n.operands if o not in self.names]
            while stack:
                o = stack.pop()
                if o not in seen:
                    seen.add(o)
                    stack.extend(x for x in o.operands if x not in self.names)
            found[n] = [*(o for o in seen if o is not n), n]
        return found

    # ------------------------------------------------------------------ names and formulas
    def index(self, node: Node) -> tuple[str, ...]:
        """The indices that a value is written with: ("n",) of z[n]."""
        name = self.names[node]
        return self.graph.families[name].index if name in self.graph.families else ()

    def name(self, node: Node) -> Math:
        """`z[n]`"""
        index = self.index(node)
        if not index:
            return Math(name_symbol(self.names[node], self.graph.latex).tex, self.names[node])
        return self.typeset.math(f"{self.names[node]}[{','.join(index)}]")

    def shape(self, node: Node) -> Shape:
        """The axes of a value beside its indices."""
        return node.shape[len(self.index(node)):]

    def formula(self, node: Node) -> str:
        """`z[n] = W' * x[n]`: the line that the user wrote, else the closed form; an empty text where there is neither."""
        if not node.operands:
            return ""
        if self.graph.names.get(self.names[node]) is node and (source := self._source(self.names[node])):
            return source
        return defined(node, self.names[node], self.names, self.graph)

    @functools.cached_property
    def steps(self) -> dict[str, tuple[str, str, int]]:
        """h_3 -> ("h", "t", 3)"""
        return {name: (family, s.index, k) for s in steps_of(self.graph) for name, (family, k) in s.alias.items()}

    def _source(self, name: str) -> str:
        """The line that the user wrote of a value; of a step of a recurrence, that line with the step's number for the index."""
        family, index, step = self.steps.get(name, (name, "", 0))
        lines = self.graph.sources.get(family, "").split("\n")
        if not index:
            return lines[0] if len(lines) == 1 else ""
        def numbered(found: re.Match[str]) -> str:
            parts = [part.strip() for part in found[1].split(",")]
            moved = [re.fullmatch(rf"{index}(?:\s*([+-])\s*(\d+))?", part) for part in parts]
            return f"[{', '.join(str(step + int((m[1] or '+') + (m[2] or '0'))) if m else part for part, m in zip(parts, moved, strict=True))}]"
        written = [re.sub(r"\[([^\[\]]*)\]", numbered, line) for line in lines]
        own = [new for line, new in zip(lines, written, strict=True) if line == new and re.match(rf"\w+\[(.*,\s*)?{step}(\s*,.*)?\]\s*=", line)]
        general = [new for line, new in zip(lines, written, strict=True) if sides(line)[0] != sides(new)[0]]
        return (own or general or [""])[0]

    # ------------------------------------------------------------------ the way back
    def local(self, node: Node, operand: Node) -> FactorForm:
        """The local derivative of a value by one it is computed from, the others held; with its closed form."""
        factor = Factor(node, operand)
        held = [o for o in self.sources[node] if o is not operand]
        return FactorForms(self.graph, self.names, Path((factor,)), self._example(node, operand), held=held).form(factor)

    def _example(self, node: Node, operand: Node) -> tuple[str, set[Node]]:
        """The examples' index and which of the two values carry it, where the derivative is one of a single example."""
        index = {n: found[0] for n in (node, operand) if (found := self.index(n))}
        if not index or (len(index) == 2 and (len(set(index.values())) > 1 or not follows_axis(node, operand))):
            return "", set()
        return next(iter(index.values())), set(index)

    def delta(self, node: Node) -> str:
        """`d_z`: the derivative of the output by a value, in the value's shape."""
        return delta_name(self.names[node], self.graph)

    def contribution(self, node: Node, operand: Node) -> str:
        """`d_x = ...`: what comes back from a value to one it is computed from, in terms of `d_z`; entry by entry, `d_x[n] = ...`, where that
        is the only way to say it, and where nothing is `d_z * jac(z, x)`.
        """
        scalar = node is self.output and not node.rank
        seed = number_node(1) if scalar else variable(self.delta(node), node.shape, "symbol")
        held = [o for o in self.sources[node] if o is not operand]
        found = reverse(node, [operand], seed, held).results[operand]
        if found is None:
            return f"{self.delta(operand)} = 0"
        names = self.names if scalar else {**self.names, seed: self.delta(node)}
        with contextlib.suppress(NoMatrixForm):            # what a norm or a softmax caches has a name of its own
            found, names, _ = with_rows(found, names, self.graph.ranges, topological([node]), self.graph.words)
        times = "" if scalar else f"{self.delta(node)} * "
        return (defined(found, self.delta(operand), names, self.graph, topological([node]))
                or f"{self.delta(operand)} = {times}jac({self.names[node]}, {self.names[operand]})")


def defined(node: Node, name: str, names: Mapping[Node, str], graph: Graph, forward: Iterable[Node] = ()) -> str:
    """`z = x*W`, or `z[n] = ...` where it can only be said entry by entry; an empty text where it takes more lines or words than there are."""
    others = {n: s for n, s in names.items() if n is not node}
    try:
        form = closed_form_or_none(node, others, graph.ranges, forward, graph.words)
    except (NoMatrixForm, UnsupportedError):
        form = None
    if form is None or form.lines:
        return ""
    return f"{name}{form.body[1:]}" if form.note else f"{name} = {form.body}"
