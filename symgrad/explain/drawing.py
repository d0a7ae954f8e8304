"""A derivation as a diagram: named values as boxes, the forward pass as arrows, the backward pass with its local derivatives."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import shape_text
from symgrad.errors import InputError
from symgrad.explain.diagram import Arrow, Box, BoxKind, Diagram
from symgrad.explain.formulas import Typesetter, shape_latex
from symgrad.results import Derivation
from symgrad.views.chain import Factor, Path, follows_axis
from symgrad.views.factors import FactorForms
from symgrad.views.matrix import closed_form_or_none

__all__ = ["WHAT", "diagram_of"]

WHAT = ("forward", "backward", "both")


def diagram_of(subject: Graph | Derivation, what: str = "both", title: str = "") -> Diagram:
    """The picture of a graph, or of a derivation with its backward pass.

    what: "forward", "backward" (only what a derivative flows through) or "both". Raises InputError for another word.
    """
    if what not in WHAT:
        raise InputError(f"a picture shows one of {', '.join(WHAT)}, not {what!r}")
    graph = subject.graph if isinstance(subject, Derivation) else subject
    output = subject.output if isinstance(subject, Derivation) else graph.output
    names = shown_names(graph, output)
    sweep = subject.sweep if isinstance(subject, Derivation) and what != "forward" else None
    wanted = set(sweep.cotangents) if sweep is not None else set()
    kept = {n: s for n, s in names.items() if what != "backward" or n in wanted or n is output}
    ids = {n: f"v{k}" for k, n in enumerate(kept)}
    typeset = Typesetter(graph)
    boxes = tuple(_box(n, ids[n], s, names, graph, output, typeset) for n, s in kept.items())
    arrows: list[Arrow] = []
    for n in kept:
        sources = _sources(n, kept)
        for o in sources:
            arrows.append(Arrow(ids[o], ids[n]))
            if sweep is not None and n in wanted and o in wanted:
                arrows.append(_backward(n, o, [x for x in sources if x is not o], ids, names, graph, typeset))
    return Diagram(title or graph.output_name or "f", boxes, tuple(arrows))


def shown_names(graph: Graph, output: Node) -> dict[Node, str]:
    """The named values below the output, operands first; the output itself even without a name."""
    by_node: dict[Node, str] = {}
    for name, node in graph.names.items():
        by_node.setdefault(node, name)
    order = topological([output])
    found = {n: by_node[n] for n in order if n in by_node and (n.operands or isinstance(n.data, Variable))}
    found.setdefault(output, "f")
    return found


def _sources(node: Node, kept: Mapping[Node, str]) -> Iterable[Node]:
    """The boxes that a box is computed from directly, one entry for each time."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(reversed(node.operands))
    while stack:
        n = stack.pop()
        if n in kept:
            found[n] = None
        elif n not in seen:
            seen.add(n)
            stack.extend(reversed(n.operands))
    return found


def _box(node: Node, id_: str, name: str, names: Mapping[Node, str], graph: Graph, output: Node, typeset: Typesetter) -> Box:
    kind: BoxKind = "output" if node is output else "op"
    if isinstance(node.data, Variable):
        kind = "param" if node.data.kind == "param" else "data"
    index = graph.families[name].index if name in graph.families else ()
    inner = node.shape[len(index):]
    tex = typeset.math(f"{name}[{','.join(index)}]" if index else name).tex
    found = None if isinstance(node.data, Variable) else closed_form_or_none(node, {n: s for n, s in names.items() if n is not node}, graph.ranges)
    form = found.body if found is not None else ""
    shape_tex = rf"\mathbb{{R}}^{{{shape_latex(inner)}}}" if inner else ""
    return Box(id_, tex, name, shape_tex, shape_text(inner) if inner else "", kind, "", f"{name} = {form}" if form else f"{name} ({shape_text(node.shape)})")


def _backward(node: Node, operand: Node, others: Collection[Node], ids: Mapping[Node, str], names: Mapping[Node, str], graph: Graph,
              typeset: Typesetter) -> Arrow:
    """node -> operand with the local derivative, the other sources held; in full where that is short."""
    factor = Factor(node, operand)
    forms = FactorForms(graph, names, Path((factor,)), _example(node, operand, names, graph), held=others)
    form = forms.form(factor)
    label = typeset.math(form.jac)
    if len(form.shape) <= 2 and len(form.closed) <= 24 and not form.line:
        closed = typeset.math(form.closed)
        return Arrow(ids[node], ids[operand], f"{label.tex} = {closed.tex}", f"{form.jac} = {form.closed}", "backward", form.closed)
    return Arrow(ids[node], ids[operand], label.tex, form.jac, "backward", form.closed)


def _example(node: Node, operand: Node, names: Mapping[Node, str], graph: Graph) -> tuple[str, set[Node]]:
    """The examples' index and which of the two values carry it, where the derivative is one of a single example."""
    index = {n: graph.families[names[n]].index[0] for n in (node, operand) if names.get(n) in graph.families}
    if not index or (len(index) == 2 and (len(set(index.values())) > 1 or not follows_axis(node, operand))):
        return "", set()
    return next(iter(index.values())), set(index)
