"""A layer and the values at a point come in; a bound of its Jacobian's largest singular value goes out, and the formula it comes from."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from symgrad.core import equation as eq
from symgrad.core.functions import z
from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node, Variable, topological
from symgrad.ops.kernels import Array
from symgrad.training.activations import largest_slope, through
from symgrad.training.layering import Layer
from symgrad.training.moments import image_of
from symgrad.training.signal import fans

__all__ = ["Bound", "bound_of", "called", "slopes_within", "spectral_norm"]


@dataclass(frozen=True, slots=True)
class Bound:
    """|J| <= value, by the formula; `norms` are the spectral norms of the weights in it."""

    value: float
    formula: str
    norms: Mapping[str, float]


def slopes_within(layer: Layer) -> list[tuple[Node, object]]:
    """(node, g as an expression in z) of every activation in a layer: functions of one entry that are not linear."""
    found = []
    for n in layer.nodes:
        if len(n.operands) == 1 and n.op.body is not None and any(e[0] == "f" for e in eq.walk(n.op.body)):
            g = through(n, {n.operands[0]: z})
            if g is not None:
                found.append((n, g))
    return found


def bound_of(graph: Graph, layer: Layer, values: Mapping[Node, Array]) -> Bound | None:
    """The bound by norms: a product with weights multiplies by their spectral norm, an activation by its largest slope, sums add.

    None where a part of the layer has no such bound (a norm, attention) or an unbounded slope.
    """
    inside = set(layer.nodes)
    found: dict[Node, tuple[float, str]] = {layer.before: (1.0, "")}
    norms: dict[str, float] = {}
    for n in layer.nodes:
        moving = [k for k, o in enumerate(n.operands) if o in inside or o is layer.before]
        made = _through(graph, n, moving, found, norms, values)
        if made is None or not math.isfinite(made[0]):
            return None
        found[n] = made
    value, formula = found[layer.node]
    return Bound(value, formula or "1", norms)


def _through(graph: Graph, n: Node, moving: list[int], found: Mapping[Node, tuple[float, str]], norms: dict[str, float],
             values: Mapping[Node, Array]) -> tuple[float, str] | None:
    if n.op.body is None or n.op.where:
        return None
    if image_of(n) is not None:
        return found[n.operands[0]]
    if len(moving) == 1:
        (k,) = moving
        value, formula = found[n.operands[k]]
        if len(n.operands) == 1 and (g := through(n, {n.operands[0]: z})) is not None:
            slope = largest_slope(g)
            return slope * value, _times(slope, formula)
        other = [o for j, o in enumerate(n.operands) if j != k]
        if len(other) == 1 and (norm := _weights(n, 1 - k, values)) is not None:
            name = called(graph, other[0])
            norms[name] = norm
            return norm * value, f"{formula} ‖{name}‖".strip()
        if n.op.body[0] == "*" and len(other) == 1:        # entry by entry with what does not move
            size = float(np.abs(values[other[0]]).max())
            return size * value, _times(size, formula)
    terms = n.op.body[1] if n.op.body[0] == "+" else None
    if terms is None or any(e[0] not in "r*n" for e in terms):
        return None
    parts = [found[n.operands[k]] for k in moving]
    factors = [abs(float(e[1][0][1])) if e[0] == "*" and e[1][0][0] == "n" else 1.0 for e in terms if any(r[1] in moving for r in eq.references(e))]
    if len(factors) != len(parts):
        return None
    words = [_times(c, f) or "1" for c, (_, f) in zip(factors, parts, strict=True)]
    return sum(c * v for c, (v, _) in zip(factors, parts, strict=True)), " + ".join(words) if len(words) > 1 else _times(factors[0], parts[0][1])


def _times(number: float, formula: str) -> str:
    if number == 1:
        return formula
    inner = f"({formula})" if " + " in formula else formula
    return f"{number:.4g} {inner}".strip()


def _weights(n: Node, position: int, values: Mapping[Node, Array]) -> float | None:
    """The spectral norm of a product with weights; for a convolution the bound of its patches, sqrt(window) times that of the filters."""
    body = n.op.body
    if body is None or fans(n, position) is None or any(e[0] == "n" for e in eq.walk(body)):
        return None
    ref, other = (next(r for r in eq.references(body) if r[1] == k) for k in (position, 1 - position))
    bound = next(e for e in eq.walk(body) if e[0] == "S")[1]
    summed = [a for a, i in enumerate(ref[2]) if i in bound]
    kept = [a for a in range(len(ref[2])) if a not in summed]
    if any(ref[2][a] in other[2] for a in kept):           # as many products as there are heads or groups
        return None
    array = values[n.operands[position]]
    matrix = np.transpose(array, [*kept, *summed]).reshape(math.prod(array.shape[a] for a in kept), -1)
    window = math.prod(array.shape[a] for a in summed if ref[2][a] not in other[2])
    return math.sqrt(window) * spectral_norm(matrix)


def spectral_norm(matrix: Array) -> float:
    """The largest singular value."""
    return float(np.linalg.norm(matrix, 2))


def called(graph: Graph, node: Node) -> str:
    """What a parameter, or a slice of a family of them, is called: W3, W[3]."""
    below = node
    while not isinstance(below.data, Variable) and (inner := image_of(below)) is not None:
        if inner.rank > below.rank and inner.name:
            body = below.op.body
            place = [i for i in body[2] if isinstance(i, tuple)] if body is not None else []
            return f"{inner.name}[{', '.join(str(i[1] + 1) for i in place)}]" if place else inner.name
        below = inner
    leaves = [n.name for n in topological([node]) if isinstance(n.data, Variable)]
    return below.name or graph.name_of(node) or (leaves[0] if leaves else node.op.name) if node.op is not NUMBER else "number"
