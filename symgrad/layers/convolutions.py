"""Arrays with channels first, (N, C, places), come in; their convolutions and poolings go out."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.node import Node
from symgrad.core.shape import Size
from symgrad.errors import InputError
from symgrad.layers.parts import Activation, activated, along, divided, leaves, ranked, whole_number
from symgrad.ops.arithmetic import add
from symgrad.ops.convolution import convolve, convolve_transposed, global_pool, pool

__all__ = ["avg_pool", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "global_avg_pool", "global_max_pool", "max_pool"]

Window = int | Sequence[int]
PLACES = {1: "(N, channels, length)", 2: "(N, channels, height, width)"}


def _windows(window: Window, axes: int, what: str) -> tuple[int, ...]:
    lengths = (window,) * axes if not isinstance(window, tuple | list) else tuple(window)
    if len(lengths) != axes:
        raise InputError(f"the window of {what} is a whole number or {axes} of them, not {window!r}")
    return tuple(whole_number(w, f"the window of {what}") for w in lengths)


def _convolution(axes: int, x: object, channels: Size, window: Window, name: str, groups: int, bias: bool, activation: Activation,
                 **options: int) -> Node:
    """Of the transposed convolution where an `output_padding` is given."""
    transposed = "output_padding" in options
    what = f"conv{'_transpose' if transposed else ''}{axes}d {name!r}"
    x = ranked(x, {axes + 2}, f"{what} takes {PLACES[axes]}")
    windows, groups, inside = _windows(window, axes, what), whole_number(groups, f"the groups of {what}"), x.shape[1]
    ends = [inside, channels]
    if groups > 1:
        parts = divided(inside, groups, f"the input of {what}"), divided(channels, groups, what)
        ends = [inside, parts[1]] if transposed else [parts[0], channels]
    W, *b = leaves([x], name, {"W": (*(ends if transposed else ends[::-1]), *windows), **({"b": (channels,)} if bias else {})})
    z = (convolve_transposed if transposed else convolve)(x, W, groups=groups, **options)
    letters, channel = along(z, [1])
    return activated(add([(z, letters), (b[0], channel)], letters) if b else z, activation)


def conv1d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           bias: bool = True, activation: Activation = None) -> Node:
    """Cross-correlation (N, C, L) -> (N, channels, places), with the parameters name_W (channels, C/groups, window) and name_b (channels,).

    Raises ShapeError for a window longer than the padded input and for groups that do not divide the channels, InputError for options
    that are no whole numbers.
    """
    return _convolution(1, x, channels, window, name, groups, bias, activation, stride=stride, padding=padding, dilation=dilation)


def conv2d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           bias: bool = True, activation: Activation = None) -> Node:
    """Cross-correlation (N, C, H, W) -> (N, channels, places), with the parameters name_W (channels, C/groups, p, q) and name_b (channels,).

    `window` is p = q, or (p, q). Raises as `conv1d`.
    """
    return _convolution(2, x, channels, window, name, groups, bias, activation, stride=stride, padding=padding, dilation=dilation)


def conv_transpose1d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, output_padding: int = 0,
                     dilation: int = 1, groups: int = 1, bias: bool = True, activation: Activation = None) -> Node:
    """The pullback of `conv1d` from (N, channels, places) to (N, C, L), at x (N, C, L): Dumoulin and Visin (2016), chapter 4.

    Parameters name_W (C, channels/groups, window) and name_b (channels,). Raises as `conv1d`.
    """
    return _convolution(1, x, channels, window, name, groups, bias, activation, stride=stride, padding=padding, output_padding=output_padding,
                        dilation=dilation)


def conv_transpose2d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, output_padding: int = 0,
                     dilation: int = 1, groups: int = 1, bias: bool = True, activation: Activation = None) -> Node:
    """The same of (N, C, H, W), with name_W (C, channels/groups, p, q); `window` is p = q, or (p, q). Raises as `conv1d`."""
    return _convolution(2, x, channels, window, name, groups, bias, activation, stride=stride, padding=padding, output_padding=output_padding,
                        dilation=dilation)


def _ranked_places(x: object, what: str) -> Node:
    return ranked(x, {3, 4}, f"{what} takes {PLACES[1]} or {PLACES[2]}")


def max_pool(x: Node, window: int, stride: int | None = None, *, padding: int = 0) -> Node:
    """The maximum of each window of (N, C, L) or (N, C, H, W); the stride is the window where none is given. Ties go to the first.

    Beyond the edge stands -inf. Raises ShapeError for a window longer than the input, InputError for a padding of more than half of it.
    """
    x = _ranked_places(x, "max_pool")
    return pool("max", x, x.rank - 2, window, stride, padding)


def avg_pool(x: Node, window: int, stride: int | None = None, *, padding: int = 0) -> Node:
    """The mean of each window, likewise; beyond the edge stand zeros, which count. Raises as `max_pool`."""
    x = _ranked_places(x, "avg_pool")
    return pool("mean", x, x.rank - 2, window, stride, padding)


def global_avg_pool(x: Node) -> Node:
    """(N, C, places) -> (N, C): the mean over all places of a channel. Raises ShapeError for other ranks."""
    x = _ranked_places(x, "global_avg_pool")
    return global_pool("mean", x, x.rank - 2)


def global_max_pool(x: Node) -> Node:
    """(N, C, places) -> (N, C): the maximum over all places of a channel. Raises ShapeError for other ranks."""
    x = _ranked_places(x, "global_max_pool")
    return global_pool("max", x, x.rank - 2)
