"""Convolutions and poolings: arrays with the channels first come in; an affine index reads the window of each output."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Size, size_expression
from symgrad.ops.arithmetic import product
from symgrad.ops.extrema import extremum
from symgrad.ops.reduction import reduce
from symgrad.ops.stacking import merge, plain_size

__all__ = ["convolve", "pool", "windows"]


def _length(size: Size, window: Size, stride: int, padding: int, dilation: int) -> Size:
    """How many windows fit along an axis."""
    room = size_expression(size) + 2 * padding - dilation * (size_expression(window) - 1) - 1
    return plain_size(sp.floor(room / stride) + 1)


def _window(axis: int, stride: int, padding: int, dilation: int) -> eq.Index:
    return eq.affine(-padding, {f"i{axis}": stride, f"p{axis}": dilation})


@functools.cache
def _convolution(axes: int, stride: int, padding: int, dilation: int, groups: int, inside: tuple[int, int]) -> Op:
    """out[o, i] = sum[c, p](x[c, s*i + d*p - padding] * w[o, c, p]), for each group of channels."""
    places, windows = tuple(f"i{a}" for a in range(axes)), tuple(f"p{a}" for a in range(axes))
    reach = tuple(_window(a, stride, padding, dilation) for a in range(axes))
    channel, filters, out = (
        ("c", "o", ("o", *places))
        if groups == 1
        else (eq.affine(0, {"g": inside[0], "c": 1}), eq.affine(0, {"g": inside[1], "o": 1}), ("g", "o", *places))
    )
    body: eq.Expr = ("*", (("r", 0, (channel, *reach)), ("r", 1, (filters, "c", *windows))))
    return make_op(f"conv{axes}d", (axes + 1, axes + 2), out, ("S", ("c", *windows), body))


def convolve(x: Node, w: Node, stride: int, padding: int, dilation: int, groups: int) -> Node:
    """x (..., channels, places), w (out, channels/groups, window); channels are numbers where there is more than one group."""
    axes = w.rank - 2
    lead = x.shape[: x.rank - axes - 1]
    lengths = [_length(a, b, stride, padding, dilation) for a, b in zip(x.shape[len(lead) + 1 :], w.shape[2:], strict=True)]
    inside = (int(w.shape[1]), int(w.shape[0]) // groups) if groups > 1 else (0, 0)
    op = _convolution(axes, stride, padding, dilation, groups, inside).lift([tuple(range(len(lead))), ()])
    if groups == 1:
        return apply(op, x, w, shape=(*lead, w.shape[0], *lengths))
    made = apply(op, x, w, shape=(*lead, groups, inside[1], *lengths))
    names = [*(f"l{n}" for n in range(len(lead))), "g", "o", *(f"i{n}" for n in range(axes))]
    moved = [*names[: len(lead)], *names[len(lead) + 2 :], "g", "o"]
    joined = merge(product([(made, names)], moved))
    return product([(joined, [*moved[:-2], "o"])], [*names[: len(lead)], "o", *names[len(lead) + 2 :]])


@functools.cache
def _windows(axes: int, stride: int) -> Op:
    """out[i, p] = x[s*i + p] along the last axes."""
    reach = tuple(_window(a, stride, 0, 1) for a in range(axes))
    return make_op("windows", (axes,), (*(f"i{a}" for a in range(axes)), *(f"p{a}" for a in range(axes))), ("r", 0, reach))


def pool(kind: str, x: Node, axes: int, window: int, stride: int) -> Node:
    """The maximum or the mean of each window along the last axes: `kind` is max or mean."""
    lead = x.shape[: x.rank - axes]
    lengths = [_length(s, window, stride, 0, 1) for s in x.shape[x.rank - axes :]]
    op = _windows(axes, stride).lift([tuple(range(len(lead)))])
    seen = apply(op, x, shape=(*lead, *lengths, *(window,) * axes))
    gone: Sequence[int] = range(seen.rank - axes, seen.rank)
    return extremum("max", seen, gone) if kind == "max" else reduce("mean", seen, gone)


def windows(x: Node, axes: Sequence[int], lengths: Sequence[int]) -> Node:
    """Every window of the given lengths along some axes of x: out[i, p] = x[i + p], the axes p last."""
    index: list[eq.Index] = [f"o{a}" for a in range(x.rank)]
    shape = list(x.shape)
    for n, (a, length) in enumerate(zip(axes, lengths, strict=True)):
        index[a] = eq.affine(0, {f"o{a}": 1, f"o{x.rank + n}": 1})
        shape[a] = _length(shape[a], length, 1, 0, 1)
    return apply(make_op("window", (x.rank,), tuple(f"o{a}" for a in range(x.rank + len(axes))), ("r", 0, tuple(index))), x, shape=(*shape, *lengths))
