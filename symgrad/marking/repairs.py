"""A wrong line of text comes in; the smallest change to it that makes it right goes out, with the pattern of the slip."""
from __future__ import annotations

from symgrad.core.node import Node
from symgrad.errors import SymgradError
from symgrad.marking.bench import Bench
from symgrad.marking.slips import mended
from symgrad.network.wording import written
from symgrad.notation.syntax import Expression

__all__ = ["repaired"]

MOST = 1500
"""Changes that are tried at most."""


def repaired(b: Bench, parts_missing: bool) -> tuple[str, str]:
    """(pattern, what to change), or two empty texts: the first single change of the text after which the line is right at every point.

    parts_missing: constants, terms and factors that are too much or missing; else only what stands there is exchanged.
    """
    line = b.marked.line
    if line.tree is None or line.reread is None or line.known is None:
        return "", ""
    tried: set[Expression] = set()
    for change in mended(line.tree, line.indices, line.known, tuple(line.known.ranges), parts_missing):
        if change.value in tried:
            continue
        tried.add(change.value)
        if len(tried) > MOST:
            break
        try:
            value = line.reread(change.value)
        except SymgradError:
            continue
        if _fits(value, line.truth) and b.gives(value, b.truth):
            return change.pattern, f"{change.message}; right is {line.left} = {written(change.value)}"
    return "", ""


def _fits(value: Node, truth: Node | None) -> bool:
    return truth is not None and [n for n in value.shape if n != 1] == [n for n in truth.shape if n != 1]
