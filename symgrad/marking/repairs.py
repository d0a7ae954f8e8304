"""A wrong line of text comes in; the smallest change to it that makes it right goes out, with the pattern of the slip."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from symgrad.core.node import Node, Variable, topological
from symgrad.marking.bench import REFUSED
from symgrad.marking.decision import Marked, same_values
from symgrad.marking.points import Point
from symgrad.marking.slips import mended
from symgrad.network.claims import claim_sides
from symgrad.network.wording import written
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Expression, Index
from symgrad.ops.kernels import Array

__all__ = ["Repair", "repaired"]

MOST = 1500
"""Changes that are tried at most."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The pattern of a slip, one sentence on it, and the line without it."""

    pattern: str
    message: str
    correct: str


def repaired(m: Marked, points: Sequence[Point]) -> Repair | None:
    """The first single change to the student's own text that gives the true value at every point; None where no such change does."""
    line = m.line
    if line.claim is None or line.known is None or not m.truth:
        return None
    target = line.claim.target
    bound = tuple(i.name for i in target.indices if i.name is not None) if isinstance(target, Index) else ()
    tried: set[Expression] = set()
    for change in mended(line.claim.value, bound, line.known, tuple(line.known.ranges)):
        if change.value in tried:
            continue
        tried.add(change.value)
        if len(tried) > MOST:
            return None
        if _right(m, points, change.value):
            return Repair(change.pattern, change.message, f"{line.left} = {written(change.value)}")
    return None


def _right(m: Marked, points: Sequence[Point], value: Expression) -> bool:
    line = m.line
    assert line.claim is not None and line.known is not None
    try:
        sides = claim_sides(line.known, replace(line.claim, value=value), "", line.shape)
        if sides.lying and not line.jac:
            return False
        return all(_agrees(sides.value, p, truth, given) for p, truth, given in zip(points, m.truth, m.given, strict=False))
    except (*REFUSED, Fault):
        return False


def _agrees(node: Node, point: Point, truth: Array, given: object) -> bool:
    assert isinstance(given, dict)
    held = {n.name: given[n.name] for n in topological([node]) if isinstance(n.data, Variable) and n.name in given and n.name not in point.values}
    found = np.asarray(point.at(node, held))
    if found.shape != truth.shape:
        if [n for n in found.shape if n != 1] != [n for n in truth.shape if n != 1]:
            return False
        found = found.reshape(truth.shape)
    return bool(same_values([found], [truth]))
