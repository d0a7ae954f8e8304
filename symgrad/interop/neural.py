"""Functions of networks that take arrays and nodes alike: softmax and its kin, labels, convolutions, pooling, attention."""
from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.core.node import Node
from symgrad.core.shape import Size, shape_text
from symgrad.errors import InputError, ShapeError
from symgrad.interop import numpy_protocols  # noqa: F401  # gives nodes NumPy's functions
from symgrad.ops import onehot as labels
from symgrad.ops.arithmetic import product
from symgrad.ops.attention import attention as attended
from symgrad.ops.broadcasting import as_size
from symgrad.ops.convolution import (
    check_pool,
    convolution_lengths,
    convolve,
    convolve_transposed,
    global_pool,
    pool,
    transposed_lengths,
)
from symgrad.ops.kernels import KERNELS, Array
from symgrad.ops.operators import as_node, is_symbolic
from symgrad.ops.reduction import reduce
from symgrad.ops.shaping import axes_of, kept_axes

__all__ = [
    "attention", "avgpool", "avgpool1d", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "embedding", "globalavgpool", "globalmaxpool",
    "log_softmax", "logsumexp", "maxpool", "maxpool1d", "onehot", "softmax",
]


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


def embedding(label: Any, rows: Any) -> Any:
    """(...,) and (K, D) -> (..., D): the row of each label, which counts from 1. Raises InputError for a label that is none."""
    if np.ndim(rows) != 2:
        raise ShapeError(f"embedding takes a matrix with a row for each class, not rank {np.ndim(rows)}")
    if not is_symbolic(label):
        rank = np.ndim(label)
        hot = onehot(label, np.shape(rows)[0])             # refuses labels that are none
        if not is_symbolic(rows):
            return np.asarray(rows, dtype=float)[np.asarray(label).astype(int) - 1]
        lead = [f"l{n}" for n in range(rank)]
        return product([(as_node(hot), [*lead, "k"]), (as_node(rows), ["k", "d"])], [*lead, "d"])
    return labels.embedding(as_node(label), as_node(rows))


def attention(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    """softmax(q k'/sqrt(d) + mask) v for q (..., m, d), k (..., n, d), v (..., n, p): (..., m, p); rows are positions.

    mask: (m, n) or (..., m, n), added to the scores. causal: a position sees itself and those before it only. Raises ShapeError.
    """
    shapes = [tuple(np.shape(a)) for a in (q, k, v)]
    (*lead, m, d), (*lead_k, n, d_k), (*lead_v, n_v, _) = shapes if min(map(len, shapes)) > 1 else [(0, 0)] * 3
    if not d or lead != lead_k or lead != lead_v or d != d_k or n != n_v or (mask is not None and np.shape(mask) not in ((m, n), (*lead, m, n))):
        raise ShapeError("attention takes q (..., m, d), k (..., n, d), v (..., n, p) and a mask (m, n), not "
                         + ", ".join(shape_text(np.shape(a)) for a in (q, k, v, mask) if a is not None))
    if any(map(is_symbolic, (q, k, v, mask))):
        return attended(as_node(q), as_node(k), as_node(v), None if mask is None else as_node(mask), len(lead), causal)
    q, k, v = (np.asarray(a, dtype=float) for a in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(d) + (0 if mask is None else np.asarray(mask, dtype=float))
    return softmax(np.where(np.tril(np.ones((m, n))) > 0, scores, -np.inf) if causal else scores) @ v


def _convolution(x: Any, w: Any, stride: int, padding: int, dilation: int, groups: int, axes: int) -> Any:
    if np.ndim(w) != axes + 2 or np.ndim(x) < axes + 1:
        raise ShapeError(f"conv{axes}d takes x (..., channels, {axes} axes of places) and w (out, channels, {axes} axes), "
                         f"not ranks {np.ndim(x)} and {np.ndim(w)}")
    if is_symbolic(x) or is_symbolic(w):
        return convolve(as_node(x), as_node(w), stride, padding, dilation, groups)
    convolution_lengths(np.shape(x), np.shape(w), stride, padding, dilation, groups)
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


def _transposed(x: Any, w: Any, stride: int, padding: int, output_padding: int, dilation: int, groups: int, axes: int) -> Any:
    if np.ndim(w) != axes + 2 or np.ndim(x) < axes + 1:
        raise ShapeError(f"conv_transpose{axes}d takes x (..., channels, {axes} axes of places) and w (channels, out/groups, {axes} axes), "
                         f"not ranks {np.ndim(x)} and {np.ndim(w)}")
    if is_symbolic(x) or is_symbolic(w):
        return convolve_transposed(as_node(x), as_node(w), stride, padding, output_padding, dilation, groups)
    lengths: Any = transposed_lengths(np.shape(x), np.shape(w), stride, padding, output_padding, dilation, groups)
    x, w = np.asarray(x, dtype=float), np.asarray(w, dtype=float)
    apart = x.reshape(*x.shape[:-1 - axes], groups, -1, *x.shape[-axes:])
    places, window = "hv"[:axes], "pq"[:axes]
    found = np.einsum(f"...gc{places},gco{window}->...go{places}{window}", apart, w.reshape(groups, -1, *w.shape[1:]))
    found = found.reshape(*x.shape[:-1 - axes], -1, *found.shape[-2 * axes:])
    room = [n + 2 * padding + stride for n in lengths]
    made: Any = np.zeros((*found.shape[:-2 * axes], *room))
    for p in np.ndindex(*w.shape[2:]):                     # every input place adds the filter, `stride` apart
        at: Any = tuple(slice(dilation * k, dilation * k + stride * (n - 1) + 1, stride) for k, n in zip(p, x.shape[-axes:], strict=True))
        made[(Ellipsis, *at)] += found[(Ellipsis, *p)]
    inner: Any = tuple(slice(padding, padding + n) for n in lengths)
    return made[(Ellipsis, *inner)]


def conv_transpose1d(x: Any, w: Any, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """x (..., channels, length), w (channels, out/groups, window) -> (..., out, places): the pullback of conv1d, in PyTorch's convention.

    Raises InputError or ShapeError for what does not fit; so do the other convolutions and the poolings.
    """
    return _transposed(x, w, stride, padding, output_padding, dilation, groups, 1)


def conv_transpose2d(x: Any, w: Any, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """x (..., channels, height, width), w (channels, out/groups, p, q) -> (..., out, places): the pullback of conv2d."""
    return _transposed(x, w, stride, padding, output_padding, dilation, groups, 2)


def _pooled(kind: str, x: Any, window: int, stride: int | None, padding: int, axes: int) -> Any:
    word = "maxpool" if kind == "max" else "avgpool"
    if np.ndim(x) < axes:
        raise ShapeError(f"{word} takes x with {axes} axes of places, not rank {np.ndim(x)}")
    if is_symbolic(x):
        return pool(kind, as_node(x), axes, window, stride, padding)
    check_pool(word, np.shape(x)[-axes:], window, window if stride is None else stride, padding)
    x = np.asarray(x, dtype=float)
    x = np.pad(x, [(0, 0)] * (x.ndim - axes) + [(padding, padding)] * axes, constant_values=-np.inf if kind == "max" else 0.0)
    seen: Any = np.lib.stride_tricks.sliding_window_view(x, (window,) * axes, axis=tuple(range(-axes, 0)))
    steps: tuple[slice, ...] = (*(slice(None, None, stride or window),) * axes, *(slice(None),) * axes)
    seen = seen[(Ellipsis, *steps)]
    return (np.max if kind == "max" else np.mean)(seen, axis=tuple(range(-axes, 0)))


def maxpool(x: Any, window: int, stride: int | None = None, padding: int = 0) -> Any:
    """The maximum of each window of x (..., height, width), -inf beyond its edge; the stride is the window's length where none is given."""
    return _pooled("max", x, window, stride, padding, 2)


def maxpool1d(x: Any, window: int, stride: int | None = None, padding: int = 0) -> Any:
    """The maximum of each window of x (..., length), -inf beyond its edge; the stride is the window's length where none is given."""
    return _pooled("max", x, window, stride, padding, 1)


def avgpool(x: Any, window: int, stride: int | None = None, padding: int = 0) -> Any:
    """The mean of each window of x (..., height, width), beyond its edge 0, which counts; the stride is the window's length unless given."""
    return _pooled("mean", x, window, stride, padding, 2)


def avgpool1d(x: Any, window: int, stride: int | None = None, padding: int = 0) -> Any:
    """The mean of each window of x (..., length), beyond its edge 0, which counts; the stride is the window's length unless given."""
    return _pooled("mean", x, window, stride, padding, 1)


def _global(kind: str, x: Any, axes: int) -> Any:
    if not 1 <= axes <= np.ndim(x):
        raise ShapeError(f"pooling over {axes} axes of places needs as many axes, not rank {np.ndim(x)}")
    if is_symbolic(x):
        return global_pool(kind, as_node(x), axes)
    return (np.max if kind == "max" else np.mean)(np.asarray(x, dtype=float), axis=tuple(range(-axes, 0)))


def globalmaxpool(x: Any, axes: int = 2) -> Any:
    """The maximum over all places, the last `axes` axes of x: (..., channels, height, width) -> (..., channels)."""
    return _global("max", x, axes)


def globalavgpool(x: Any, axes: int = 2) -> Any:
    """The mean over all places, the last `axes` axes of x: (..., channels, height, width) -> (..., channels)."""
    return _global("mean", x, axes)
