"""A line and the lines before it come in; the right rule for it in terms of those lines goes out, with its parts: one per path."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable
from symgrad.derive.cotangent import gather, total
from symgrad.derive.reverse import Reverse, reverse
from symgrad.marking.lines import Line

__all__ = ["LocalRule", "Part", "local_rule"]


@dataclass(frozen=True, slots=True)
class Part:
    """What arrives along one path: `through` is the value that the path leaves the variable by."""

    through: Node
    node: Node
    upstream: Node | None                                  # the earlier line that it starts from


@dataclass(frozen=True, slots=True)
class LocalRule:
    """The truth of a line: a node over forward values and the variables that stand for earlier lines."""

    node: Node
    parts: tuple[Part, ...]
    sweeps: tuple[Reverse, ...]


def local_rule(graph: Graph, line: Line, before: Sequence[Line]) -> LocalRule | None:
    """The derivative by the nearest earlier lines: the sum over them of their pullbacks, and of the paths that pass none of them.

    None where the derivative is zero, is no gradient of a scalar, or what it is by has no name.
    """
    if line.by is None or line.output is None or line.output.rank or line.jac or line.place:
        return None
    leaves = {q: c for e in before if e.output is line.output and not e.jac for q, c in _held(graph, e) if q is not line.by and q is not line.output}
    parts: list[Part] = []
    sweeps: list[Reverse] = []
    for start, cotangent in ((line.output, None), *leaves.items()):
        sweep = reverse(start, [line.by], cotangent, held=[q for q in leaves if q is not start])
        arriving = [(s.node, t) for s in sweep.steps if s.operand is line.by for t in s.terms]
        if sweep.results[line.by] is None:
            continue
        sweeps.append(sweep)
        parts += [Part(n, t, cotangent) for n, t in arriving] or [Part(start, c, cotangent) for c in [sweep.results[line.by]] if c is not None]
    if not parts:
        return None
    terms = gather([p.node for p in parts]) if len(parts) > 1 else [parts[0].node]
    return LocalRule(total(terms), tuple(parts), tuple(sweeps))


def _held(graph: Graph, line: Line) -> list[tuple[Node, Node]]:
    """(what an earlier line is the derivative by, the line's variable or the step of it that the line is about)."""
    if line.by is None or line.leaf is None or not isinstance(line.leaf.data, Variable):
        return []
    if not line.place:
        return [(line.by, line.leaf)]
    numbers = [p for p in line.place if p is not None]
    step = graph.names.get(f"{graph.name_of(line.by)}_{numbers[0] + 1}")
    if step is None or len(numbers) != 1:
        return []
    return [(step, line.leaf[tuple(slice(None) if p is None else p for p in line.place)])]
