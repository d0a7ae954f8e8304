"""NumPy's indexing of nodes: whole numbers, strided slices, `...`, new axes and constant lists of places; each is one index equation."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.node import SIZE, Node
from symgrad.core.shape import Extent, Size, size_expression
from symgrad.errors import InputError, ShapeError, UnsupportedError
from symgrad.ops.arithmetic import product
from symgrad.ops.broadcasting import as_size, place, whole
from symgrad.ops.constants import constant
from symgrad.ops.masks import Mask
from symgrad.ops.reversal import reversed_axis
from symgrad.ops.stacking import plain_size

__all__ = ["index_node", "read", "take", "whole_index", "window"]


def read(node: Node, axis: int, start: int, step: int, size: Size) -> Node:
    """out[.., i, ..] = node[.., start + step*i, ..] along one axis, zero outside its range."""
    if start == 0 and step == 1 and size != node.shape[axis]:    # a plain index runs over the whole axis: read one further, from one before
        node = read(node, axis, -1, 1, plain_size(size_expression(node.shape[axis]) + 1))
        start = 1
    shape = [*node.shape[:axis], size, *node.shape[axis + 1:]]
    index: list[eq.Index] = [f"o{a}" for a in range(node.rank)]
    index[axis] = eq.affine(start, {f"o{axis}": step})
    return place(node, index, shape)


def window(node: Node, axis: int, chosen: slice) -> Node:
    """node[chosen] along one axis. Raises UnsupportedError where a symbolic size decides how much is left."""
    n = node.shape[axis]
    first, last, step = (None if s is None else _whole_bound(s, n) for s in (chosen.start, chosen.stop, chosen.step))
    if isinstance(n, int):
        start, stop, by = slice(first, last, step).indices(n)
        length = len(range(start, stop, by))
        if not length:
            raise ShapeError(f"the slice {_shown(chosen)} of an axis of size {n} is empty")
        return node if (start, by, length) == (0, 1, n) else read(node, axis, start, by, length)
    step = 1 if step is None else step
    if step < 0:
        if step == -1 and first is None and last is None:
            return reversed_axis(node, axis)
        raise _unknown_end(chosen, n)
    if first == -1 and last is None and step == 1:
        return reversed_axis(read(reversed_axis(node, axis), axis, 0, 1, 1), axis)
    if (first or 0) < 0 or (last is not None and last >= 0 and not _known_inside(last, n)):
        raise _unknown_end(chosen, n)
    length = (size_expression(n) if last is None or last >= 0 else size_expression(n) + last) - (first or 0)
    if last is not None and last >= 0:
        length = sp.Integer(last - (first or 0))
    size = plain_size(sp.ceiling(length / step) if step != 1 else length)
    return node if (first or 0, step, size) == (0, 1, n) else read(node, axis, first or 0, step, size)


def _known_inside(bound: int, n: Size) -> bool:
    """Whether a symbolic size is known to reach a bound (n + 2 reaches 3)."""
    return bool((size_expression(n) - bound).is_nonnegative)


def _whole_bound(value: object, n: Size) -> int | None:
    if isinstance(value, Extent | sp.Expr) or (isinstance(value, Node) and value.op is SIZE):
        size = as_size(value)
        if size == n:
            return None
        value = size
        if not isinstance(size, int):
            raise UnsupportedError(f"the slice bound {size} is symbolic: give that size as a whole number")
    return whole_index(value)


def _unknown_end(chosen: slice, n: Size) -> UnsupportedError:
    return UnsupportedError(f"what the slice {_shown(chosen)} leaves of an axis depends on its symbolic size {n}: give that size as a whole number")


def _shown(chosen: slice) -> str:
    return ":".join("" if s is None else str(s) for s in (chosen.start, chosen.stop, *(() if chosen.step is None else (chosen.step,))))


def whole_index(value: object) -> int:
    """A whole number that is no truth value. Raises UnsupportedError or InputError."""
    if isinstance(value, Node | Mask):
        raise UnsupportedError("an index that is a value of the graph: the trace has no values; use constant indices, or a product with one-hot rows")
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(f"an index is a whole number, a slice, ..., None or a list of these, not {value!r}")
    return int(value)


def component(node: Node, axis: int, at: int) -> Node:
    """node[at] along one axis, which vanishes. Raises ShapeError outside its range."""
    n = node.shape[axis]
    if isinstance(n, int) and not -n <= at < n:
        raise ShapeError(f"index {at} is out of bounds for an axis of size {n}")
    if at < 0:
        if not isinstance(n, int):
            node, at = reversed_axis(node, axis), -1 - at
        else:
            at += n
    kept = [a for a in range(node.rank) if a != axis]
    index: list[eq.Index] = [at] * node.rank
    for m, a in enumerate(kept):
        index[a] = f"o{m}"
    return place(node, index, [node.shape[a] for a in kept])


def selection(places: np.ndarray[tuple[int, ...], np.dtype[np.intp]], size: int, name: str = "") -> Node:
    """Rows of 0 and a single 1: shape of `places` + (size,)."""
    return constant(np.eye(size)[places], name)


def take(node: Node, places: object, axis: int) -> Node:
    """The entries at constant places along one axis, whose axes stand there: a product with a constant 0-1 array. Raises ShapeError."""
    return gathered(node, {axis: places})


def gathered(node: Node, places: dict[int, object]) -> Node:
    """Constant places along one or several axes together, as NumPy's advanced indexing of neighbouring axes."""
    arrays = np.broadcast_arrays(*[_constant_places(p, whole(node.shape[a], "indexing by a list"), a) for a, p in places.items()])
    axes = list(places)
    names = [f"x{k}" for k in range(node.rank)]
    new = [f"y{k}" for k in range(arrays[0].ndim)]
    terms = [(node, names)] + [(selection(p, int(node.shape[a])), [*new, names[a]]) for a, p in zip(axes, arrays, strict=True)]
    kept = [x for a, x in enumerate(names) if a not in places]
    at = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    return product(terms, [*kept[:at], *new, *kept[at:]])


def _constant_places(value: object, size: int, axis: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    found = np.asarray(value)
    if found.dtype.kind == "b":
        if found.shape != (size,):
            raise ShapeError(f"a list of {found.size} truth values does not go with axis {axis + 1} of size {size}")
        found = np.flatnonzero(found)
    if found.dtype.kind not in "iu":
        raise InputError(f"places along an axis are whole numbers, not {found.dtype} values")
    if found.size and (found.min() < -size or found.max() >= size):
        raise ShapeError(f"index {found.max() if found.max() >= size else found.min()} is out of bounds for an axis of size {size}")
    if not found.size:
        raise ShapeError("an empty list of places leaves an empty array")
    return found % size


@dataclass
class _Plan:
    """What is done with each axis from the left."""

    numbers: dict[int, int] = field(default_factory=dict)
    slices: dict[int, slice] = field(default_factory=dict)
    lists: dict[int, object] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)               # how many axes stand before each new one
    order: list[object] = field(default_factory=list)


def _counted(key: object) -> int:
    if isinstance(key, np.ndarray) and key.dtype.kind == "b":
        return key.ndim
    return 0 if key is None else 1


def index_node(node: Node, key: object) -> Node:
    """node[key] as NumPy has it. Raises ShapeError for a bad count or range, UnsupportedError for an index by values of the graph."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for k in keys:
        if isinstance(k, Node | Mask) and not (isinstance(k, Node) and k.op is SIZE):
            what = "a mask picks a number of entries that depends on values: multiply by it, or use np.where" if isinstance(k, Mask) else \
                "the trace has no values to index by: use constant indices, or a product with one-hot rows (sg.onehot)"
            raise UnsupportedError(f"indexing by a value of the graph; {what}")
    used = sum(_counted(k) for k in keys if k is not Ellipsis)
    if used > node.rank:
        raise ShapeError(f"{used} indices for an array of {node.rank} axes")
    at = next((m for m, k in enumerate(keys) if k is Ellipsis), len(keys))
    fill: list[object] = [slice(None)] * (node.rank - used)
    return _indexed(node, [*keys[:at], *fill, *keys[at + 1:]])


def _indexed(node: Node, keys: Sequence[object]) -> Node:
    plan, axis = _Plan(), 0
    for k in keys:
        if k is None:
            plan.order.append("new")
            continue
        if isinstance(k, np.ndarray) and k.dtype.kind == "b" and k.ndim > 1:
            for m, places in enumerate(np.nonzero(k)):
                plan.lists[axis + m] = places
            plan.order += [axis + m for m in range(k.ndim)]
            axis += k.ndim
            continue
        if isinstance(k, slice):
            plan.slices[axis] = k
        elif isinstance(k, list | tuple | range) or (isinstance(k, np.ndarray) and k.ndim):
            plan.lists[axis] = np.asarray(k)
        else:
            plan.numbers[axis] = whole_index(k.item() if isinstance(k, np.ndarray) else k)
        plan.order.append(axis)
        axis += 1
    if plan.lists:                                             # beside a list, a number is a list of one place
        plan.lists = dict(sorted({**plan.lists, **{a: np.asarray(k) for a, k in plan.numbers.items()}}.items()))
        plan.numbers = {}
    for a, chosen in plan.slices.items():
        if chosen != slice(None):
            node = window(node, a, chosen)
    if plan.lists:
        if "new" in plan.order:
            raise UnsupportedError("a new axis beside a list of places: index by the list first, then add the axis")
        return gathered(node, plan.lists)
    for a in sorted(plan.numbers, reverse=True):
        node = component(node, a, plan.numbers[a])
    if "new" not in plan.order:
        return node
    shape: list[Size] = []
    kept: list[eq.Index] = []
    remaining = iter(node.shape)
    for entry in plan.order:
        if entry == "new":
            shape.append(1)
        elif entry not in plan.numbers:
            kept.append(f"o{len(shape)}")
            shape.append(next(remaining))
    return place(node, kept, shape)
