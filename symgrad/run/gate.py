"""A closed form before it is handed out comes in; the same form goes out if its text, read back, has the value of the node it stands for."""
from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, topological
from symgrad.core.shape import size_number
from symgrad.errors import InternalError, SymgradError
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in
from symgrad.run.sampling import sample, sample_sizes
from symgrad.run.verify import unknown_functions
from symgrad.views.compose import NoMatrixForm
from symgrad.views.index import component_text
from symgrad.views.matrix import Form

__all__ = ["gated", "ungated"]

TOLERANCE = 1e-6
LARGEST = 100_000
"""Nodes with more entries than this, at declared sizes, are not evaluated."""
ATTEMPTS = (("normal", 0), ("positive", 1), ("unit", 2), ("above one", 3))

_on: ContextVar[bool] = ContextVar("gate", default=True)
_passed: weakref.WeakKeyDictionary[Node, set[str]] = weakref.WeakKeyDictionary()


@contextmanager
def ungated() -> Iterator[None]:
    """Forms are handed out unchecked inside."""
    token = _on.set(False)
    try:
        yield
    finally:
        _on.reset(token)


def gated(form: Form, node: Node, graph: Graph) -> Form:
    """The form, checked once against its node at random unequal sizes.

    Raises InternalError, with the component form, where the text cannot be read or has another value, NoMatrixForm where the notation cannot
    tell the range of an index. Not checked: what is not finite at any
    of a few random points, and nodes of more than 100,000 entries.
    """
    text = "\n".join((*form.lines, form.body))
    if not _on.get() or text in _passed.get(node, ()):
        return form
    try:
        back = graph.parse(text)
    except SymgradError as error:
        if "follows from nothing" in str(error):           # an index whose range no array tells, in windows of windows
            raise NoMatrixForm(str(error).partition("\n")[0]) from None
        raise _contradiction(text, node, graph, f"it cannot be read back: {error}") from None
    worst = _difference(back, node, graph)
    if worst is not None and not worst < TOLERANCE:
        raise _contradiction(text, node, graph, f"it differs from the derivation by {worst:.1e}")
    _passed.setdefault(node, set()).add(text)
    return form


def _difference(back: Node, node: Node, graph: Graph) -> float | None:
    """The least difference over a few random points, as far as one is found at which the node is finite: a wrong form differs at all of them."""
    both = topological([node, back])
    sizes = sample_sizes(both, graph.numbers, 0)
    if any(np.prod([float(size_number(s, sizes)) for s in n.shape]) > LARGEST for n in both):
        return None
    functions: Functions = {f: stand_in(k) for k, f in enumerate(unknown_functions(both))}
    found: float | None = None
    for style, seed in ATTEMPTS:
        try:
            trace = execute([node, back], sample([node, back], sizes, seed, style), sizes=sizes, functions=functions)
        except np.linalg.LinAlgError:
            continue
        if not np.all(np.isfinite(trace[node])):
            continue
        error = _distance(trace[back], trace[node])
        if error < TOLERANCE:
            return error
        found = error if found is None else min(found, error)
    return found


def _distance(a: Array, b: Array) -> float:
    """The largest difference relative to 1 + the largest entry; infinite for other shapes, but a row is as good as a vector."""
    if [n for n in a.shape if n != 1] != [n for n in b.shape if n != 1]:
        return float("inf")
    if not b.size:
        return 0.0
    distance = float(np.max(np.abs(a.reshape(b.shape) - b)) / (1 + np.max(np.abs(b))))
    return distance if np.isfinite(distance) else float("inf")


def _contradiction(text: str, node: Node, graph: Graph, reason: str) -> InternalError:
    names: Mapping[Node, str] = {n: name for name, n in graph.names.items() if n is not node and not n.operands}
    try:
        stands = f" The component form stands: {component_text(node, names, graph.ranges)}."
    except (NoMatrixForm, RecursionError):
        stands = ""
    return InternalError(f"the closed form {text!r} is wrong: {reason}.{stands} This is a defect of symgrad; please report it")
