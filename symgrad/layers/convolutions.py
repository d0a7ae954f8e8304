"""Arrays with channels first, (N, C, places), come in; their convolutions and poolings go out."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from symgrad.core.node import Node
from symgrad.core.shape import Size
from symgrad.errors import InputError, ShapeError
from symgrad.layers.parts import Activation, activated, along, divided, leaves, ranked, whole_number
from symgrad.ops.arithmetic import add
from symgrad.ops.convolution import convolve, pool
from symgrad.ops.extrema import extremum
from symgrad.ops.reduction import reduce

__all__ = ["avg_pool", "conv1d", "conv2d", "global_avg_pool", "global_max_pool", "max_pool"]

Window = int | Sequence[int]
PLACES = {1: "(N, channels, length)", 2: "(N, channels, height, width)"}


def _windows(window: Window, axes: int, what: str) -> tuple[int, ...]:
    lengths = (window,) * axes if not isinstance(window, tuple | list) else tuple(window)
    if len(lengths) != axes:
        raise InputError(f"the window of {what} is a whole number or {axes} of them, not {window!r}")
    return tuple(whole_number(w, f"the window of {what}") for w in lengths)


def _fits(x: Node, windows: Sequence[int], padding: int, what: str) -> None:
    """Raises ShapeError where a window is longer than its axis."""
    for size, reach in zip(x.shape[2:], windows, strict=True):
        if isinstance(size, int) and size + 2 * padding < reach:
            padded = f" with padding {padding} on both sides" if padding else ""
            raise ShapeError(f"the window of {what} reaches over {reach} places, and its input has {size}{padded}: "
                             "take a smaller window or more padding")


def _convolution(axes: int, x: object, channels: Size, window: Window, name: str, stride: int, padding: int, dilation: int, groups: int,
                 bias: bool, activation: Activation) -> Node:
    what = f"conv{axes}d {name!r}"
    x = ranked(x, {axes + 2}, f"{what} takes {PLACES[axes]}")
    windows = _windows(window, axes, what)
    stride, dilation, groups = (whole_number(v, f"the {w} of {what}") for v, w in ((stride, "stride"), (dilation, "dilation"), (groups, "groups")))
    padding = whole_number(padding, f"the padding of {what}", 0)
    inside = x.shape[1]
    if groups > 1:
        divided(channels, groups, what)
        inside = divided(inside, groups, f"the input of {what}")
    _fits(x, [dilation * (w - 1) + 1 for w in windows], padding, what)
    W, *b = leaves([x], name, {"W": (channels, inside, *windows), **({"b": (channels,)} if bias else {})})
    return _biased(convolve(x, W, stride, padding, dilation, groups), b, activation)


def _biased(z: Node, b: Sequence[Node], activation: Activation) -> Node:
    letters, channel = along(z, [1])
    return activated(add([(z, letters), (b[0], channel)], letters) if b else z, activation)


def conv1d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           bias: bool = True, activation: Activation = None) -> Node:
    """Cross-correlation (N, C, L) -> (N, channels, places), with the parameters name_W (channels, C/groups, window) and name_b (channels,).

    Raises ShapeError for a window longer than the padded input and for groups that do not divide the channels, InputError for options
    that are no whole numbers.
    """
    return _convolution(1, x, channels, window, name, stride, padding, dilation, groups, bias, activation)


def conv2d(x: Node, channels: Size, window: Window, name: str, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           bias: bool = True, activation: Activation = None) -> Node:
    """Cross-correlation (N, C, H, W) -> (N, channels, places), with the parameters name_W (channels, C/groups, p, q) and name_b (channels,).

    `window` is p = q, or (p, q). Raises as `conv1d`.
    """
    return _convolution(2, x, channels, window, name, stride, padding, dilation, groups, bias, activation)


def _pooled(kind: str, x: object, window: int, stride: int | None) -> Node:
    what = f"{kind}_pool"
    x = ranked(x, {3, 4}, f"{what} takes {PLACES[1]} or {PLACES[2]}")
    window = whole_number(window, f"the window of {what}")
    stride = window if stride is None else whole_number(stride, f"the stride of {what}")
    _fits(x, [window] * (x.rank - 2), 0, what)
    return pool("mean" if kind == "avg" else "max", x, x.rank - 2, window, stride)


def max_pool(x: Node, window: int, stride: int | None = None) -> Node:
    """The maximum of each window of (N, C, L) or (N, C, H, W); the stride is the window where none is given. Ties go to the first.

    Raises ShapeError for a window longer than the input.
    """
    return _pooled("max", x, window, stride)


def avg_pool(x: Node, window: int, stride: int | None = None) -> Node:
    """The mean of each window of (N, C, L) or (N, C, H, W); the stride is the window where none is given. Raises as `max_pool`."""
    return _pooled("avg", x, window, stride)


def _over_places(reduction: Callable[[Node, Sequence[int]], Node], x: object, what: str) -> Node:
    node = ranked(x, {3, 4}, f"{what} takes {PLACES[1]} or {PLACES[2]}")
    return reduction(node, range(2, node.rank))


def global_avg_pool(x: Node) -> Node:
    """(N, C, places) -> (N, C): the mean over all places of a channel. Raises ShapeError for other ranks."""
    return _over_places(lambda node, axes: reduce("mean", node, axes), x, "global_avg_pool")


def global_max_pool(x: Node) -> Node:
    """(N, C, places) -> (N, C): the maximum over all places of a channel. Raises ShapeError for other ranks."""
    return _over_places(lambda node, axes: extremum("max", node, axes), x, "global_max_pool")
