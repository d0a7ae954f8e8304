"""Lines and points come in; what each line is at each point goes out, once with the true values of earlier lines, once with the student's own."""
from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Variable, topological
from symgrad.errors import SymgradError
from symgrad.marking.lines import Line
from symgrad.marking.points import APART, SAME, Point, agreement
from symgrad.ops.kernels import Array
from symgrad.run.exact import exact_values

__all__ = ["Marked", "marked", "same_values"]


@dataclass
class Marked:
    """What a line is at each point: with the true values of earlier lines, with the student's own, and the truth; None where it has no value."""

    line: Line
    first: list[Array | None] = field(default_factory=list)
    second: list[Array | None] = field(default_factory=list)
    truth: list[Array] = field(default_factory=list)
    given: list[Mapping[str, Array]] = field(default_factory=list)      # true values of earlier lines, by name
    reason: str = ""                                       # why there is no value
    points: Sequence[Point] = ()

    def exactly(self) -> bool | None:
        """Whether the line is the truth in fractions, at the first point rounded to eighths; None where one of them leaves the fractions.

        Lines with a function, with earlier lines in them, or about variables of which something is declared are left to floating point.
        """
        value, truth = self.line.value, self.line.truth
        if value is None or truth is None or self.line.function is not None or self.line.place or value.shape != truth.shape:
            return None
        leaves, point = [n for n in topological([value, truth]) if isinstance(n.data, Variable)], self.points[0]
        if any(n.facts or (n.name not in point.values and n.data.value is None) for n in leaves if isinstance(n.data, Variable)):
            return None
        found = exact_values([value, truth], {k: np.round(8 * a) / 8 for k, a in point.values.items()}, point.sizes)
        return bool(np.all(found[value] == found[truth])) if value in found and truth in found else None


def marked(graph: Graph, lines: Sequence[Line], points: Sequence[Point]) -> list[Marked]:
    """Every line at every point."""
    found = [Marked(line, points=points) for line in lines]
    for point in points:
        true: dict[str, Array] = {}
        own: dict[str, Array] = {}
        leaves_true: dict[str, Array] = {}
        leaves_own: dict[str, Array | None] = {}
        for m in found:
            line = m.line
            m.given.append(dict(true))
            first = _value(m, graph, point, true, leaves_true)
            second = _value(m, graph, point, own, leaves_own)
            m.first.append(first)
            m.second.append(second)
            truth = point.known[line.truth] if line.truth is not None else first
            if truth is None:
                continue
            if line.place and line.whole is not None and line.leaf is not None:
                leaves_true.setdefault(line.leaf.name, point.at(line.whole))
            m.truth.append(truth)
            _keep(line, point, truth, true, leaves_true)
            if second is not None:
                own[line.name] = second
            if line.leaf is not None and isinstance(line.leaf.data, Variable):
                leaves_own[line.leaf.name] = _placed(line, second, leaves_own.get(line.leaf.name, leaves_true[line.leaf.name]))
    return found


def _keep(line: Line, point: Point, truth: Array, true: dict[str, Array], leaves: dict[str, Array]) -> None:
    if line.leaf is None or not isinstance(line.leaf.data, Variable):
        true[line.name] = truth
        return
    whole = _placed(line, truth, leaves.get(line.leaf.name))
    if whole is not None:
        leaves[line.leaf.name] = true[line.name] = whole


def _placed(line: Line, value: Array | None, whole: Array | None) -> Array | None:
    """The array of a leaf once a line has been read: the line's value, or the array before with the value at the line's place."""
    if value is None or not line.place:
        return value
    if whole is None:
        return None
    made = whole.copy()
    made[tuple(slice(None) if p is None else p for p in line.place)] = value
    return made


def _value(m: Marked, graph: Graph, point: Point, names: Mapping[str, Array], leaves: Mapping[str, Array | None]) -> Array | None:
    """The line's value, None where it has none at this point."""
    line = m.line
    try:
        with np.errstate(all="ignore"):
            if line.function is not None:
                return np.asarray(_called(line.function, graph, point, names), dtype=float)
            if line.value is None:
                return None
            used = {n.name for n in topological([line.value]) if isinstance(n.data, Variable)} & leaves.keys()
            held = {k: leaves[k] for k in used}
            if any(v is None for v in held.values()):
                return None
            return np.asarray(point.at(line.value, {k: v for k, v in held.items() if v is not None}))
    except (SymgradError, ArithmeticError, ValueError, TypeError, IndexError, AttributeError, KeyError, NameError, np.linalg.LinAlgError) as error:
        m.reason = m.reason or f"{type(error).__name__}: {error}"
        return None


def _called(function: object, graph: Graph, point: Point, names: Mapping[str, Array]) -> object:
    """A function called by keyword with what it asks for of inputs, named intermediates and earlier lines."""
    assert callable(function)
    held = {k: point.known[n] for k, n in graph.names.items() if n in point.known}
    everything = {k: np.array(v) for k, v in {**held, **names}.items()}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function(**everything)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return function(**everything)
    asked = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and (p.name in everything or p.default is p.empty)]
    return function(**{k: everything[k] for k in asked})


def same_values(claimed: Sequence[Array | None], truth: Sequence[Array]) -> bool | None:
    """Whether two values are the same at every point; None where the points do not tell, or there is no value at any."""
    errors = [agreement(a, b) for a, b in zip(claimed, truth, strict=False) if a is not None and a.shape == b.shape]
    told = [e for e in errors if e is not None]
    if any(e > APART for e in told):
        return False
    return None if not told or any(e > SAME for e in told) else True
