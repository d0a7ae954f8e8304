"""Functions of networks that take arrays and nodes alike: softmax and its kin, one-hot rows, convolutions, pooling."""
from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.core.node import Node
from symgrad.core.shape import Size
from symgrad.errors import InputError, ShapeError
from symgrad.interop import numpy_protocols  # noqa: F401  # gives nodes NumPy's functions
from symgrad.ops import onehot as labels
from symgrad.ops.broadcasting import as_size
from symgrad.ops.convolution import convolve, pool
from symgrad.ops.kernels import KERNELS, Array
from symgrad.ops.operators import as_node, is_symbolic
from symgrad.ops.reduction import reduce
from symgrad.ops.shaping import axes_of, kept_axes

__all__ = ["avgpool", "conv1d", "conv2d", "log_softmax", "logsumexp", "maxpool", "onehot", "softmax"]


def _last(z: Array, axes: list[int]) -> tuple[Array, list[int]]:
    """The array with some axes last, and the order it now has."""
    order = [a for a in range(z.ndim) if a not in axes] + axes
    return np.transpose(z, order), order


def softmax(z: Any, axis: int | tuple[int, ...] | None = -1) -> Any:
    """exp(z) / sum(exp(z)) over an axis (None: all), of the shape of z; never overflows. Raises ShapeError for an axis it lacks."""
    if is_symbolic(z):
        node = as_node(z)
        return reduce("softmax", node, axes_of(axis, node.rank))
    array = np.asarray(z, dtype=float)
    axes = axes_of(axis, array.ndim)
    last, order = _last(array, axes)
    return np.transpose(KERNELS["softmax"](last, len(axes)), np.argsort(order))


def log_softmax(z: Any, axis: int | tuple[int, ...] | None = -1) -> Any:
    """z - logsumexp(z) over an axis (None: all), of the shape of z. Raises ShapeError for an axis it lacks."""
    if is_symbolic(z):
        node = as_node(z)
        return reduce("log_softmax", node, axes_of(axis, node.rank))
    return np.asarray(z, dtype=float) - logsumexp(z, axis, keepdims=True)


def logsumexp(z: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """log(sum(exp(z))) over some axes (None: all); never overflows. Raises ShapeError for an axis it lacks."""
    if is_symbolic(z):
        node = as_node(z)
        axes = axes_of(axis, node.rank)
        found = reduce("logsumexp", node, axes)
        return kept_axes(found, axes, node.rank) if keepdims else found
    array = np.asarray(z, dtype=float)
    axes = axes_of(axis, array.ndim)
    value = KERNELS["logsumexp"](_last(array, axes)[0], len(axes))
    return np.expand_dims(value, axes) if keepdims else value if np.ndim(value) else float(value)


def onehot(label: Any, classes: Size | Node) -> Any:
    """(...,) -> (..., classes): a single 1 at the label, which counts from 1 as in the notation. Raises InputError for a label that is none."""
    if is_symbolic(label):
        return labels.onehot(as_node(label), as_size(classes))
    found = np.asarray(label)
    count = int(as_size(classes))
    if np.any(found != np.floor(found)) or np.any(found < 1) or np.any(found > count):
        raise InputError(f"labels are whole numbers from 1 to {count}")
    return np.eye(count)[found.astype(int) - 1]


def _convolution(x: Any, w: Any, stride: int, padding: int, dilation: int, groups: int, axes: int) -> Any:
    if np.ndim(w) != axes + 2 or np.ndim(x) < axes + 1:
        raise ShapeError(f"conv{axes}d takes x (..., channels, {axes} axes of places) and w (out, channels, {axes} axes), "
                         f"not ranks {np.ndim(x)} and {np.ndim(w)}")
    if is_symbolic(x) or is_symbolic(w):
        return convolve(as_node(x), as_node(w), stride, padding, dilation, groups)
    return _convolved(np.asarray(x, dtype=float), np.asarray(w, dtype=float), stride, padding, dilation, groups, axes)


def _convolved(x: Array, w: Array, stride: int, padding: int, dilation: int, groups: int, axes: int) -> Array:
    """The same of arrays: every window of x times the filters."""
    x = np.pad(x, [(0, 0)] * (x.ndim - axes) + [(padding, padding)] * axes)
    reach = [dilation * (n - 1) + 1 for n in w.shape[2:]]
    seen: Any = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(-axes, 0)))
    steps: tuple[slice, ...] = (*(slice(None, None, stride),) * axes, *(slice(None, None, dilation),) * axes)
    seen = seen[(Ellipsis, *steps)]
    filters = w.reshape(groups, -1, *w.shape[1:])
    seen = seen.reshape(*seen.shape[:-1 - 2 * axes], groups, -1, *seen.shape[-2 * axes:])
    places, window = "hv"[:axes], "pq"[:axes]
    found = np.einsum(f"...gc{places}{window},goc{window}->...go{places}", seen, filters)
    return np.asarray(found.reshape(*found.shape[:-2 - axes], -1, *found.shape[-axes:]))


def conv1d(x: Any, w: Any, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """x (..., channels, length), w (out, channels/groups, window) -> (..., out, places); cross-correlation, as in every framework."""
    return _convolution(x, w, stride, padding, dilation, groups, 1)


def conv2d(x: Any, w: Any, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """x (..., channels, height, width), w (out, channels/groups, p, q) -> (..., out, places); cross-correlation, as in every framework."""
    return _convolution(x, w, stride, padding, dilation, groups, 2)


def _pooled(kind: str, x: Any, window: int, stride: int | None, axes: int) -> Any:
    if is_symbolic(x):
        return pool(kind, as_node(x), axes, window, stride or window)
    seen: Any = np.lib.stride_tricks.sliding_window_view(np.asarray(x, dtype=float), (window,) * axes, axis=tuple(range(-axes, 0)))
    steps: tuple[slice, ...] = (*(slice(None, None, stride or window),) * axes, *(slice(None),) * axes)
    seen = seen[(Ellipsis, *steps)]
    return (np.max if kind == "max" else np.mean)(seen, axis=tuple(range(-axes, 0)))


def maxpool(x: Any, window: int, stride: int | None = None) -> Any:
    """The maximum of each window of x (..., height, width); the stride is the window's length where none is given."""
    return _pooled("max", x, window, stride, 2)


def avgpool(x: Any, window: int, stride: int | None = None) -> Any:
    """The mean of each window of x (..., height, width); the stride is the window's length where none is given."""
    return _pooled("mean", x, window, stride, 2)
