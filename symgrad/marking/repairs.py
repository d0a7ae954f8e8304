"""A wrong line of text comes in; the smallest change to it that makes it right goes out, with the pattern of the slip."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.core.node import Node, topological
from symgrad.errors import SymgradError
from symgrad.marking.bench import Bench
from symgrad.marking.slips import mended
from symgrad.network.claims import ClaimSides
from symgrad.network.wording import written
from symgrad.notation.syntax import Call, Expression, Name, walk
from symgrad.notation.words import CLAIM_FUNCTIONS

__all__ = ["Repair", "off_path", "repaired"]

MOST = 1000
"""Changes that are tried at most."""


class Repair(NamedTuple):
    """The pattern of a slip, one sentence on it, and the line without it."""

    pattern: str
    message: str
    correct: str = ""


def repaired(b: Bench, parts_missing: bool) -> Repair | None:
    """The first single change of the text after which the line is right at every point; None where there is none.

    parts_missing: constants, terms and factors that are too much or missing; else only what stands there is exchanged.
    """
    line = b.marked.line
    if line.tree is None or line.reread is None or line.known is None:
        return None
    scalar = line.truth is not None and bool(line.indices) and len(line.indices) == line.truth.rank
    tried: set[Expression] = set()
    for change in mended(line.tree, line.indices, line.known, tuple(line.known.ranges), scalar, parts_missing):
        if change.value in tried:
            continue
        tried.add(change.value)
        if len(tried) > MOST:
            return None
        try:
            sides = line.reread(change.value)
        except SymgradError:
            continue
        if _fits(sides, line.truth, line.jac) and b.gives(sides.value, b.truth):
            return Repair(change.pattern, change.message, f"{line.left} = {written(change.value)}")
    return None


def _fits(sides: ClaimSides, truth: Node | None, jac: bool) -> bool:
    """Whether the shape is right up to axes of length 1: a row for a Jacobian's row, a column else."""
    if truth is None or [n for n in sides.value.shape if n != 1] != [n for n in truth.shape if n != 1]:
        return False
    return sides.lying == (jac and sides.value.rank == 1 and truth.rank == 2)


def off_path(b: Bench) -> Repair | None:
    """A line that is zero because it holds the derivative of something by what it does not depend on."""
    tree = b.marked.line.tree
    if tree is None or any(np.any(a) for a in b.claimed):
        return None
    for e in walk(tree):
        match e:
            case Call(word, (Name(a), Name(c))) if word in CLAIM_FUNCTIONS and {a, c} <= b.graph.names.keys():
                if b.graph[c] not in topological([b.graph[a]]):
                    return Repair("off path", f"{a} does not depend on {c}: the chain through {a} is no path, and {written(e)} is zero")
    return None
