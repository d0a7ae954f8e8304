"""A line comes in; the right line goes out as notation text, in terms of the lines before it where that is possible."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, exchanged, variable
from symgrad.errors import SymgradError
from symgrad.marking.lines import Line
from symgrad.marking.local_rule import local_rule
from symgrad.results import Derivative

__all__ = ["correct_line"]

LONGEST = 160


def correct_line(graph: Graph, line: Line, before: Sequence[Line]) -> str:
    """The right line: short, so in terms of earlier lines where that is shorter than the closed form; empty where the notation has no form."""
    if line.by is None or line.output is None or line.truth is None or line.place:
        return ""
    texts = [t for t in (_local(graph, line, before), _formed(graph, line, line.truth)) if t]
    return texts[0] if texts else ""


def _local(graph: Graph, line: Line, before: Sequence[Line]) -> str:
    try:
        rule = local_rule(graph, line, before)
    except SymgradError:
        return ""
    if rule is None or all(p.upstream is None for p in rule.parts):
        return ""
    names: dict[str, str] = {}
    table: dict[Node, Node] = {}
    families = dict(graph.families)
    for k, e in enumerate(before):
        if e.leaf is not None and isinstance(e.leaf.data, Variable):
            name = f"delta_{k}_"
            names[name] = e.name
            table[e.leaf] = variable(name, e.leaf.shape, "symbol")
            by = graph.name_of(e.by) if e.by is not None else ""
            if by in families:
                families[name] = families[by]
    known = replace(graph, names={**graph.names, **{n.name: n for n in table.values()}}, families=families, rebuild=None, lengths={})
    text = _formed(known, line, exchanged(rule.node, table))
    return re.sub(r"delta_\d+_", lambda found: names[found.group()], text)


def _formed(graph: Graph, line: Line, node: Node) -> str:
    """`left = form`: components where the line has an index for every axis, else the matrix form."""
    assert line.by is not None and line.output is not None
    axes = line.output.rank
    d = Derivative(graph, graph.name_of(line.by) or "v", "f", line.output, line.by, node, "jacobian" if axes else "gradient", None, axes)
    components = bool(line.indices) and len(line.indices) == node.rank
    try:
        view = d.index if components else d.matrix
        text = view.text
    except SymgradError:
        return ""
    *lines, body = text.splitlines()
    left = re.sub(r"\[.*", "", line.left)
    if body.startswith("D[") and "=" in body:
        indices, _, body = body[1:].partition("=")
        if line.jac and not axes:
            return ""
        left += indices.strip()
    return "\n".join((*lines, f"{left} = {body.strip()}"))
