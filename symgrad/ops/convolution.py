"""Convolutions and poolings: arrays with the channels first come in; an affine index reads the window of each output."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.differentiation import pullback
from symgrad.core.node import Node, apply, assemble
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Shape, Size, shape_text, size_expression
from symgrad.errors import InputError, ShapeError
from symgrad.ops.arithmetic import filled, product
from symgrad.ops.choice import visible
from symgrad.ops.extrema import extremum
from symgrad.ops.reduction import reduce
from symgrad.ops.stacking import merge, plain_size, split

__all__ = ["check_pool", "convolution_lengths", "convolve", "convolve_transposed", "global_pool", "pool", "transposed_lengths", "windows"]


def _length(size: Size, window: Size, stride: int, padding: int, dilation: int) -> Size:
    """How many windows fit along an axis."""
    room = size_expression(size) + 2 * padding - dilation * (size_expression(window) - 1) - 1
    return plain_size(sp.floor(room / stride) + 1)


def _window(axis: int, stride: int, padding: int, dilation: int) -> eq.Index:
    return eq.affine(-padding, {f"i{axis}": stride, f"p{axis}": dilation})


# ---------------------------------------------------------------------- what fits
def _check_settings(word: str, **settings: int) -> None:
    for name, value in settings.items():
        least = 0 if "padding" in name else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} of {word} is a whole number of at least {least}, found {value}")


def _check_groups(word: str, channels: Size, inside: Size, groups: int, divided: Size, what: str) -> None:
    """Raises ShapeError where the channels are not `groups` times `inside`, or `divided` does not divide into groups."""
    if size_expression(inside) * groups != size_expression(channels):
        of = f" x {groups} groups" if groups > 1 else ""
        raise ShapeError(f"{word} of an array with {channels} channels takes filters for {channels}; w is for {inside}{of}: "
                         "change the channels of w, or groups")
    if groups > 1 and not (isinstance(channels, int) and isinstance(divided, int)):
        raise ShapeError(f"{word} with groups needs its channels as whole numbers, not {channels} and {divided}: declare them, as in `size C = 4`")
    if groups > 1 and isinstance(divided, int) and divided % groups:
        raise ShapeError(f"{what} ({divided}) do not divide into {groups} groups: change groups, or the channels of w")


def _check_length(word: str, places: Shape, window: Sequence[Size], lengths: Shape, remedy: str) -> Shape:
    if any(isinstance(n, int) and n < 1 for n in lengths):
        raise ShapeError(f"the window of {word} ({shape_text(window)}) is larger than {shape_text(places)}, the places of its array: {remedy}")
    return lengths


def convolution_lengths(x: Shape, w: Shape, stride: int, padding: int, dilation: int, groups: int) -> Shape:
    """The sizes of the places that come out of arrays of these shapes. Raises InputError or ShapeError for what does not fit."""
    axes = len(w) - 2
    word, places = f"conv{axes}d", x[len(x) - axes:]
    _check_settings(word, stride=stride, padding=padding, dilation=dilation, groups=groups)
    _check_groups(word, x[len(x) - axes - 1], w[1], groups, w[0], "the channels that go out")
    lengths = tuple(_length(a, b, stride, padding, dilation) for a, b in zip(places, w[2:], strict=True))
    return _check_length(word, places, w[2:], lengths, "take a smaller window or dilation, or more padding")


def transposed_lengths(x: Shape, w: Shape, stride: int, padding: int, output_padding: int, dilation: int, groups: int) -> Shape:
    """The same of a transposed convolution. Raises InputError or ShapeError for what does not fit."""
    axes = len(w) - 2
    word, places = f"conv_transpose{axes}d", x[len(x) - axes:]
    _check_settings(word, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation, groups=groups)
    if size_expression(w[0]) != size_expression(x[len(x) - axes - 1]):
        raise ShapeError(f"{word} takes w as channels in x channels out/groups x window; x has {x[len(x) - axes - 1]} channels, w is for {w[0]}")
    if groups > 1:
        _check_groups(word, x[len(x) - axes - 1], plain_size(size_expression(w[0]) / groups), groups, w[0], "the channels that come in")
    if output_padding and output_padding >= max(stride, dilation):
        raise InputError(f"output_padding of {word} is smaller than the stride or the dilation, found {output_padding} with stride {stride}")
    lengths = tuple(plain_size((size_expression(a) - 1) * stride - 2 * padding + dilation * (size_expression(b) - 1) + output_padding + 1)
                    for a, b in zip(places, w[2:], strict=True))
    if any(isinstance(n, int) and n < 1 for n in lengths):
        raise ShapeError(f"padding={padding} leaves nothing of what {word} makes: take less padding")
    return lengths


def check_pool(word: str, places: Shape, window: int, stride: int, padding: int) -> Shape:
    """The sizes of the places that come out of a pooling. Raises InputError or ShapeError for what does not fit."""
    _check_settings(word, window=window, stride=stride, padding=padding)
    if 2 * padding > window:
        raise InputError(f"padding of {word} is at most half the window, found {padding} for a window of {window}")
    lengths = tuple(_length(s, window, stride, padding, 1) for s in places)
    return _check_length(word, places, (window,) * len(places), lengths, "take a smaller window, or more padding")


# ---------------------------------------------------------------------- convolution
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


def _lead(x: Node, axes: int) -> tuple[int, ...]:
    return tuple(range(x.rank - axes - 1))


def _grouping(lead: int, axes: int) -> tuple[list[str], list[str]]:
    """The letters of (..., groups, channels of a group, places), and the same with the two in question last."""
    names = [*(f"l{n}" for n in range(lead)), "g", "o", *(f"i{n}" for n in range(axes))]
    return names, [*names[:lead], *names[lead + 2:], "g", "o"]


def convolve(x: Node, w: Node, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Node:
    """x (..., channels, places), w (out, channels/groups, window); channels are numbers where there is more than one group.

    Raises InputError for a stride or padding that is none, ShapeError for channels or a window that do not fit.
    """
    axes = w.rank - 2
    lead = _lead(x, axes)
    lengths = convolution_lengths(x.shape, w.shape, stride, padding, dilation, groups)
    inside = (int(w.shape[1]), int(w.shape[0]) // groups) if groups > 1 else (0, 0)
    op = _convolution(axes, stride, padding, dilation, groups, inside).lift([lead, ()])
    if groups == 1:
        return apply(op, x, w, shape=(*x.shape[:len(lead)], w.shape[0], *lengths))
    made = apply(op, x, w, shape=(*x.shape[:len(lead)], groups, inside[1], *lengths))
    names, moved = _grouping(len(lead), axes)
    joined = merge(product([(made, names)], moved))
    return product([(joined, [*moved[:-2], "o"])], [*names[:len(lead)], "o", *names[len(lead) + 2:]])


def convolve_transposed(
    x: Node, w: Node, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1, groups: int = 1
) -> Node:
    """The transposed convolution of x (..., channels, places) with w (channels, out/groups, window): Dumoulin and Visin (2016), chapter 4.

    The pullback of the convolution from `out` channels to x's, as it is derived from the equation of that, so that its own derivatives are
    convolutions again. Raises InputError and ShapeError as `convolve` does.
    """
    axes = w.rank - 2
    lead = _lead(x, axes)
    lengths = transposed_lengths(x.shape, w.shape, stride, padding, output_padding, dilation, groups)
    inside = (int(w.shape[1]), int(w.shape[0]) // groups) if groups > 1 else (0, 0)
    back = pullback(_convolution(axes, stride, padding, dilation, groups, inside).lift([lead, ()]), 0)
    assert back is not None
    if groups > 1:
        names, moved = _grouping(len(lead), axes)
        last = product([(x, [*names[:len(lead)], "o", *names[len(lead) + 2:]])], [*moved[:-2], "o"])
        x = product([(split(last, filled("ones", (groups, inside[1]))), moved)], names)
    return assemble(back, lambda source: x if source == "C" else w,
                    (*x.shape[:len(lead)], plain_size(size_expression(w.shape[1]) * groups), *lengths))


# ---------------------------------------------------------------------- pooling
@functools.cache
def _windows(axes: int, stride: int, padding: int) -> Op:
    """out[i, p] = x[s*i + p - padding] along the last axes."""
    reach = tuple(_window(a, stride, padding, 1) for a in range(axes))
    return make_op("windows", (axes,), (*(f"i{a}" for a in range(axes)), *(f"p{a}" for a in range(axes))), ("r", 0, reach))


def pool(kind: str, x: Node, axes: int, window: int, stride: int | None = None, padding: int = 0) -> Node:
    """The maximum or the mean of each window along the last axes: `kind` is max or mean, the stride the window's length unless given.

    Beyond the edge stands -inf for the maximum and 0 for the mean, which counts. Raises InputError and ShapeError for what does not fit.
    """
    stride = window if stride is None else stride
    places = x.shape[x.rank - axes:]
    lengths = check_pool("maxpool" if kind == "max" else "avgpool", places, window, stride, padding)
    lead = tuple(range(x.rank - axes))
    op = _windows(axes, stride, padding)
    seen = apply(op.lift([lead]), x, shape=(*x.shape[:len(lead)], *lengths, *(window,) * axes))
    gone: Sequence[int] = range(seen.rank - axes, seen.rank)
    if kind != "max":
        return reduce("mean", seen, gone)
    if padding:
        seen = visible(apply(op, filled("ones", places), shape=(*lengths, *(window,) * axes)), seen)
    return extremum("max", seen, gone)


def global_pool(kind: str, x: Node, axes: int) -> Node:
    """The maximum or the mean over all places, the last axes: `kind` is max or mean."""
    gone = range(x.rank - axes, x.rank)
    return extremum("max", x, gone) if kind == "max" else reduce("mean", x, gone)


def windows(x: Node, axes: Sequence[int], lengths: Sequence[int]) -> Node:
    """Every window of the given lengths along some axes of x: out[i, p] = x[i + p], the axes p last."""
    index: list[eq.Index] = [f"o{a}" for a in range(x.rank)]
    shape = list(x.shape)
    for n, (a, length) in enumerate(zip(axes, lengths, strict=True)):
        index[a] = eq.affine(0, {f"o{a}": 1, f"o{x.rank + n}": 1})
        shape[a] = _length(shape[a], length, 1, 0, 1)
    return apply(make_op("window", (x.rank,), tuple(f"o{a}" for a in range(x.rank + len(axes))), ("r", 0, tuple(index))), x, shape=(*shape, *lengths))
