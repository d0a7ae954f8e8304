"""NumPy's functions of shapes, by name, on nodes: reshaping, joining, splitting, padding, flipping, constant places."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from symgrad.core.node import Node
from symgrad.core.shape import Shape, Size
from symgrad.errors import InputError, ShapeError, UnsupportedError
from symgrad.ops.arithmetic import filled, product
from symgrad.ops.broadcasting import broadcast_shape, expand, letters_of, spread
from symgrad.ops.constants import as_node
from symgrad.ops.convolution import windows
from symgrad.ops.indexing import take, whole_index
from symgrad.ops.reversal import reversed_axis
from symgrad.ops.shaping import (
    axes_of,
    axis_of,
    broadcast_to,
    joined,
    padded,
    permuted,
    repeated,
    reshaped,
    rolled,
    split_up,
    squeezed,
    stacked,
    summed_shape,
    tiled,
    triangle,
)
from symgrad.ops.stacking import plain_size

__all__ = ["METHODS", "SHAPES"]


def _reshape(a: object, /, *shape: object, order: str = "C", newshape: object = None, **_: object) -> Node:
    if order != "C":
        raise UnsupportedError(f"reshape in order {order!r}: only 'C' (rows first) is known; transpose before")
    wanted = newshape if newshape is not None else _.get("shape", shape[0] if len(shape) == 1 else shape)
    return reshaped(as_node(a), list(wanted) if isinstance(wanted, tuple | list) else [wanted])


def _ravel(a: object, order: str = "C") -> Node:
    return _reshape(a, -1, order=order)


def _transpose(a: object, *axes: object) -> Node:
    node = as_node(a)
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    return permuted(node, range(node.rank)[::-1] if order is None else _order(order, node.rank))


def _order(axes: object, rank: int) -> list[int]:
    found = [axis_of(a, rank) for a in axes]  # type: ignore[attr-defined]  # a sequence, as NumPy has it
    if sorted(found) != list(range(rank)):
        raise ShapeError(f"axes {axes} are no order of {rank} axes")
    return found


def _swapaxes(a: object, axis1: int, axis2: int) -> Node:
    node = as_node(a)
    order = list(range(node.rank))
    i, j = axis_of(axis1, node.rank), axis_of(axis2, node.rank)
    order[i], order[j] = order[j], order[i]
    return permuted(node, order)


def _moveaxis(a: object, source: object, destination: object) -> Node:
    node = as_node(a)
    sources, targets = ([axis_of(x, node.rank) for x in (s if isinstance(s, tuple | list) else [s])] for s in (source, destination))
    order = [k for k in range(node.rank) if k not in sources]
    for target, from_ in sorted(zip(targets, sources, strict=True)):
        order.insert(target, from_)
    return permuted(node, order)


def _expand_dims(a: object, axis: object) -> Node:
    node = as_node(a)
    many = list(axis) if isinstance(axis, tuple | list) else [axis]
    rank = node.rank + len(many)
    new = [axis_of(x, rank) for x in many]
    kept = [k for k in range(rank) if k not in new]
    shape: list[Size] = [1] * rank
    for k, n in zip(kept, node.shape, strict=True):
        shape[k] = n
    return expand(node, kept, shape)


def _squeeze(a: object, axis: object = None) -> Node:
    node = as_node(a)
    return squeezed(node, [k for k, n in enumerate(node.shape) if n == 1] if axis is None else axes_of(axis, node.rank))


def _nodes(arrays: object) -> list[Node]:
    if not isinstance(arrays, list | tuple):
        arrays = [as_node(arrays)[k] for k in range(int(np.shape(arrays)[0]))]  # type: ignore[call-overload]  # its first size
    if not arrays:
        raise ShapeError("nothing to join: the list is empty")
    return [as_node(x) for x in arrays]


def _concatenate(arrays: object, axis: int | None = 0, out: object = None, dtype: object = None) -> Node:
    nodes = _nodes(arrays)
    if axis is None:
        return joined([_ravel(n) for n in nodes], 0)
    if not nodes[0].rank:
        raise ShapeError("scalars do not concatenate: use np.stack")
    return joined(nodes, axis_of(axis, nodes[0].rank))


def _stack(arrays: object, axis: int = 0, out: object = None, dtype: object = None) -> Node:
    nodes = _nodes(arrays)
    return stacked(nodes, axis_of(axis, nodes[0].rank + 1))


def _at_least(rank: int, node: Node) -> Node:
    return expand(node, range(rank - node.rank, rank), (1,) * (rank - node.rank) + node.shape) if node.rank < rank else node


def _vstack(arrays: object, **_: object) -> Node:
    return joined([_at_least(2, n) for n in _nodes(arrays)], 0)


def _hstack(arrays: object, **_: object) -> Node:
    nodes = [_at_least(1, n) for n in _nodes(arrays)]
    return joined(nodes, 0 if nodes[0].rank == 1 else 1)


def _column_stack(arrays: object) -> Node:
    return joined([_expand_dims(n, 1) if n.rank == 1 else n for n in _nodes(arrays)], 1)


def _split(equal: bool, fixed: int | None = None) -> Callable[..., list[Node]]:
    def split(a: object, indices_or_sections: object, axis: int = 0) -> list[Node]:
        node = as_node(a)
        return split_up(node, indices_or_sections, axis_of(axis if fixed is None else min(fixed, node.rank - 1), node.rank), equal)
    return split


def _pad(array: object, pad_width: object, mode: object = "constant", *, constant_values: object = 0) -> Node:
    node = as_node(array)
    if mode != "constant":
        raise UnsupportedError(f"np.pad(mode={mode!r}): only 'constant' is known; join the border yourself with np.concatenate")
    widths = np.broadcast_to(np.asarray(pad_width), (node.rank, 2))
    return padded(node, [(int(a), int(b)) for a, b in widths], constant_values)


def _tile(a: object, reps: object) -> Node:
    node = as_node(a)
    times = [int(r) for r in np.atleast_1d(np.asarray(reps))]
    node = _at_least(len(times), node)
    return tiled(node, [1] * (node.rank - len(times)) + times)


def _repeat(a: object, repeats: object, axis: int | None = None) -> Node:
    node = as_node(a)
    node, at = (_ravel(node), 0) if axis is None else (node, axis_of(axis, node.rank))
    count = np.asarray(repeats)
    if count.ndim:
        return take(node, np.repeat(np.arange(int(node.shape[at])), count), at)
    return repeated(node, int(count), at)


def _flip(a: object, axis: object = None) -> Node:
    node = as_node(a)
    for k in axes_of(axis, node.rank):
        node = reversed_axis(node, k)
    return node


def _roll(a: object, shift: object, axis: object = None) -> Node:
    node = as_node(a)
    if axis is None:
        return _reshape(_roll(_ravel(node), shift, 0), node.shape)
    pairs = zip(axis, shift, strict=True) if isinstance(axis, tuple) and isinstance(shift, tuple) else [(axis, shift)]
    for k, s in pairs:
        node = rolled(node, whole_index(s), axis_of(k, node.rank))
    return node


def _take(a: object, indices: object, axis: int | None = None, out: object = None, mode: str = "raise") -> Node:
    if isinstance(indices, Node):
        raise UnsupportedError("np.take by a value of the graph: use constant indices, or a product with one-hot rows (sg.onehot)")
    node = as_node(a)
    return take(_ravel(node), indices, 0) if axis is None else take(node, indices, axis_of(axis, node.rank))


def _take_along_axis(arr: object, indices: object, axis: int = -1) -> Node:
    node = as_node(arr)
    if isinstance(indices, Node):
        raise UnsupportedError("np.take_along_axis by a value of the graph: use constant indices, or a product with one-hot rows (sg.onehot)")
    at = axis_of(axis, node.rank)
    places = np.asarray(indices)
    names = letters_of(node)
    chosen = np.eye(int(node.shape[at]))[places]
    return product([(node, names), (as_node(chosen), (*names[:at], "y", *names[at + 1:], names[at]))], ["y" if k == at else x for k, x in enumerate(names)])


def _like(kind: str) -> Callable[..., Node]:
    def made(a: object, dtype: object = None, order: str = "K", subok: bool = True, shape: object = None) -> Node:
        return filled(kind, as_node(a).shape)
    return made


def _full_like(a: object, fill_value: object, dtype: object = None, **_: object) -> Node:
    return spread(as_node(fill_value), as_node(a).shape)


def _triangle(lower: bool) -> Callable[..., Node]:
    return lambda m, k=0: triangle(as_node(m), k, lower)


def _size(a: object, axis: int | None = None) -> object:
    node = as_node(a)
    found = plain_size(summed_shape(node.shape)) if axis is None else node.shape[axis_of(axis, node.rank)]
    return found if isinstance(found, int) else as_node(found)


def _shape(a: object) -> Shape:
    return as_node(a).shape


def _sliding_window_view(x: object, window_shape: object, axis: object = None, **_: object) -> Node:
    """Every window along some axes; the axes of the window stand last."""
    node = as_node(x)
    lengths = [int(n) for n in np.atleast_1d(np.asarray(window_shape))]
    axes = [axis_of(a, node.rank) for a in (axis if isinstance(axis, tuple | list) else [axis])] if axis is not None else list(range(node.rank))
    if len(lengths) != len(axes):
        raise InputError(f"{len(lengths)} window lengths for {len(axes)} axes")
    return windows(node, axes, lengths)


def _broadcast_arrays(*arrays: object, **_: object) -> list[Node]:
    nodes = [as_node(a) for a in arrays]
    shape = broadcast_shape(*[n.shape for n in nodes])
    return [spread(n, shape) for n in nodes]


SHAPES: Mapping[str, Callable[..., object]] = {
    "reshape": _reshape, "ravel": _ravel, "transpose": _transpose, "permute_dims": _transpose, "swapaxes": _swapaxes, "moveaxis": _moveaxis,
    "matrix_transpose": lambda x: _swapaxes(x, -1, -2), "linalg.matrix_transpose": lambda x: _swapaxes(x, -1, -2),
    "expand_dims": _expand_dims, "squeeze": _squeeze, "concatenate": _concatenate, "concat": _concatenate, "stack": _stack, "vstack": _vstack,
    "hstack": _hstack, "column_stack": _column_stack, "split": _split(True), "array_split": _split(False), "vsplit": _split(True, 0),
    "hsplit": _split(True, 1), "pad": _pad, "tile": _tile, "repeat": _repeat, "flip": _flip, "flipud": lambda m: _flip(m, 0),
    "fliplr": lambda m: _flip(m, 1), "roll": _roll, "take": _take, "take_along_axis": _take_along_axis, "broadcast_to": lambda array, shape, **_: broadcast_to(
        as_node(array), shape if isinstance(shape, tuple | list) else [shape]), "broadcast_arrays": _broadcast_arrays,
    "zeros_like": _like("zeros"), "ones_like": _like("ones"), "full_like": _full_like, "tril": _triangle(True), "triu": _triangle(False),
    "shape": _shape, "ndim": lambda a: as_node(a).rank, "size": _size, "atleast_1d": lambda a: _at_least(1, as_node(a)),
    "atleast_2d": lambda a: _at_least(2, as_node(a)), "lib.stride_tricks.sliding_window_view": _sliding_window_view,
}
"""function name -> the same of nodes."""
METHODS = ("reshape", "ravel", "transpose", "swapaxes", "squeeze", "take", "repeat")
"""Functions that are methods of an array too."""
