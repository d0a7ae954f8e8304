"""Layers and losses by word: the values of their arguments come in, the value of the call goes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symgrad.core.node import Node, number_node
from symgrad.core.shape import Size, shape_text, size_expression
from symgrad.network.values import Value, number
from symgrad.ops.arithmetic import power, subtract
from symgrad.ops.attention import attention
from symgrad.ops.convolution import convolve, pool
from symgrad.ops.loss import CLASSES, LOSSES, huber
from symgrad.ops.normalization import groupnorm, rmsnorm, standardised
from symgrad.ops.onehot import onehot

if TYPE_CHECKING:
    from symgrad.network.calls import Call

__all__ = ["ROWS"]

EPS = Fraction(1, 100_000)


def _lead(values: Sequence[Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(x for v in values for x in v.lead))


# ---------------------------------------------------------------------- losses
def _loss(c: Call) -> Value:
    y, prediction = c.arguments
    lead = _lead(c.arguments)
    if c.e.function in CLASSES and not prediction.rank:
        raise c.fail(f"{c.e.function} sums over classes, the last axis; {c.text(1)} has none")
    right = c.axes.node(prediction, (*lead, *prediction.core))
    left = _target(c, y, prediction, lead)
    if c.e.function == "huber":
        made = huber(left, right, c.axes.node(c.number("delta", 1)), len(lead))
    else:
        made = LOSSES[c.e.function](left, right, len(lead), c.kept)
    return c.axes.of(made, lead)


def _target(c: Call, y: Value, prediction: Value, lead: tuple[str, ...]) -> Node:
    """The target in the shape of the prediction: a label becomes one-hot."""
    shape = c.axes.shape(prediction)
    if c.classes[0] is not None and c.e.function in CLASSES and y.rank == prediction.rank - 1:
        if c.classes[0] != shape[-1]:
            raise c.fail(f"{c.text(0)} is a label of {c.classes[0]} classes, and {c.text(1)} has {shape[-1]}")
        return onehot(c.axes.node(y, (*lead, *y.core)), shape[-1])
    if y.constant is None and (c.axes.shape(y) != shape or y.lying != prediction.lying):
        raise c.fail(f"{c.e.function} takes a target and a prediction of one shape; these are {c.text(0)} and {c.text(1)}")
    if y.constant is not None:
        y = replace(y, core=prediction.core)
    return c.axes.node(y, (*lead, *y.core))


# ---------------------------------------------------------------------- normalisations
def _parameters(c: Call, size: Size) -> list[Node]:
    """gamma and beta as nodes: vectors along an axis of that size."""
    found = []
    for k in range(1, len(c.arguments)):
        v = c.arguments[k]
        if v.rank != 1 or v.lead or c.axes.size(v.core[0]) != size:
            raise c.fail(f"{('gamma', 'beta')[k - 1]} of {c.e.function} is a vector of size {size}; this is {c.text(k)}")
        found.append(c.axes.node(v))
    return found


def _normed(c: Call, v: Value, axis: int, make: Callable[[Node, int, list[Node], Node], Node]) -> Value:
    """`make` gets the node, the number of its index axes, gamma and beta, eps."""
    eps = c.axes.node(c.number("eps", EPS))
    made = make(c.axes.node(v), len(v.lead), _parameters(c, c.axes.size(v.core[axis])), eps)
    return replace(c.axes.of(made, (*v.lead, *v.core)), lead=v.lead, core=v.core, lying=v.lying, family=v.family)


def _layernorm(c: Call) -> Value:
    v = c.arguments[0]
    if not v.rank:
        raise c.fail(f"{c.e.function} is over the last axis; {c.text(0)} has none")
    if c.e.function == "rmsnorm":
        return _normed(c, v, -1, lambda h, lead, p, eps: rmsnorm(h, p[0], eps))
    return _normed(c, v, -1, lambda h, lead, p, eps: standardised(h, [-1], -1, p[0], p[1], eps))


def _batchnorm(c: Call) -> Value:
    v = c.arguments[0]
    c.word("mode", "train", ("train",)) if c.keywords.get("mode") != "eval" else None
    if c.keywords.get("mode") == "eval":
        raise c.fail("batchnorm in evaluation uses averages kept from training: write gamma .* (h[n] - m) ./ s + beta with them as data")
    if v.lead:
        name = c.text(0).partition("[")[0]
        raise c.fail(f"batchnorm mixes the examples, so it takes the whole array: write batchnorm({name}, ...) without its index")
    if v.rank < 2:
        raise c.fail(f"batchnorm takes examples x features; this is {c.text(0)}")
    over = [a for a in range(v.rank) if a != 1]
    return _normed(c, v, 1, lambda h, lead, p, eps: standardised(h, over, 1, p[0], p[1], eps))


def _channel(c: Call, v: Value) -> int:
    """The axis of the channels: the first after the examples. At least one axis of places follows it."""
    axis = len(v.family) if len(v.family) < v.rank else 0
    if v.rank < axis + 2 and c.e.function == "instancenorm":
        raise c.fail(f"instancenorm takes channels x places for each example; this is {c.text(0)}")
    if v.rank < axis + 1:
        raise c.fail(f"groupnorm takes channels first; this is {c.text(0)}")
    return axis


def _instancenorm(c: Call) -> Value:
    v = c.arguments[0]
    axis = _channel(c, v)
    return _normed(c, v, axis, lambda h, lead, p, eps: standardised(h, range(lead + axis + 1, h.rank), lead + axis, p[0], p[1], eps))


def _groupnorm(c: Call) -> Value:
    v = c.arguments[0]
    axis = _channel(c, v)
    if "groups" not in c.keywords:
        raise c.fail("groupnorm needs the number of groups, as in groups=2")
    groups = c.whole("groups", 1)
    size = c.axes.size(v.core[axis])
    if isinstance(size, int) and size % groups:
        raise c.fail(f"{size} channels do not make {groups} equal groups")
    return _normed(c, v, axis, lambda h, lead, p, eps: groupnorm(h, lead + axis, groups, p[0], p[1], eps))


def _dropout(c: Call) -> Value:
    h, mask, p = c.arguments
    if p.rank or p.lead:
        raise c.fail(f"p of dropout is a scalar; this is {c.text(2)}")
    if c.axes.shape(h) != c.axes.shape(mask):
        raise c.fail(f"the mask has the shape of what it masks; these are {c.text(0)} and {c.text(1)}")
    masked = c.axes.times(h, mask.renamed(dict(zip(mask.core, h.core, strict=True))), h.core)
    if c.word("scaling", "inverted", ("inverted", "test")) == "inverted":
        keep = _one_minus(c, p)
        masked = c.axes.times(masked, keep, h.core)
    return replace(masked, lying=h.lying, family=h.family)


def _one_minus(c: Call, p: Value) -> Value:
    """1 / (1 - p)"""
    if p.constant is not None:
        if p.constant >= 1 or p.constant < 0:
            raise c.fail(f"p of dropout is at least 0 and less than 1, found {p.constant}")
        return number(1 / (1 - p.constant))
    left = subtract((number_node(1), ()), (c.axes.node(p), ()), ())
    return c.axes.of(power((left, ()), (number_node(-1), ()), ()))


# ---------------------------------------------------------------------- attention, convolution, pooling
def _attention(c: Call) -> Value:
    given = [*c.arguments]
    by_word = c.keywords.get("mask")
    if isinstance(by_word, Value) and len(given) == 3:
        given.append(by_word)
    elif by_word is not None and by_word != "none":
        raise c.fail("the mask of attention is a matrix that is added to the scores")
    lead = _lead(given)
    if any(v.rank != 2 for v in given):
        raise c.fail(
            "attention takes matrices whose rows are positions; these are " + ", ".join(c.text(k) for k in range(len(c.arguments)))
        )
    (m, d), (n, d2), (n2, _) = (c.axes.shape(v) for v in given[:3])
    if d != d2 or n != n2 or (len(given) > 3 and c.axes.shape(given[3]) != (m, n)):
        raise c.fail(
            "attention takes Q (m x d), K (n x d), V (n x p) and a mask (m x n); these are "
            + ", ".join(shape_text(c.axes.shape(v)) for v in given)
        )
    nodes = [c.axes.node(v, (*lead, *v.core)) for v in given[:3]]
    mask = None
    if len(given) > 3:
        own = given[3].lead
        mask = c.axes.node(given[3], (*(lead if own else ()), *given[3].core))
    return c.axes.of(attention(nodes[0], nodes[1], nodes[2], mask, len(lead)), lead)


def _convolution(c: Call) -> Value:
    x, w = c.arguments
    axes = 1 if c.e.function == "conv1d" else 2
    stride, padding, dilation, groups = (c.whole(k, d, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)))
    family = x.family if len(x.family) < x.rank else ()
    if w.rank != axes + 2 or w.lead or x.rank != axes + 1 + len(family):
        raise c.fail(
            f"{c.e.function} takes channels x {'length' if axes == 1 else 'height x width'} and out x in/groups x window; "
            f"these are {c.text(0)} and {c.text(1)}"
        )
    channels, (out, inside, *_) = c.axes.shape(x)[len(family)], c.axes.shape(w)
    if size_expression(inside) * groups != size_expression(channels):
        raise c.fail(f"the {channels} channels of {c.text(0)} are not {groups} x the {inside} of {c.text(1)}")
    if groups > 1 and not (isinstance(inside, int) and isinstance(out, int) and out % groups == 0):
        raise c.fail(f"with groups the channels are numbers, and {groups} divides the channels that go out ({out})")
    made = convolve(c.axes.node(x), c.axes.node(w), stride, padding, dilation, groups)
    return _checked(c, replace(c.axes.of(made, x.lead), family=family))


def _pool(c: Call) -> Value:
    x = c.arguments[0]
    sizes = [v.constant for v in c.arguments[1:]]
    for k, name in enumerate(("size", "stride")):
        if len(sizes) == k and name in c.keywords:
            sizes.append(c.number(name, 1).constant)
    if not sizes or any(s is None or s.denominator != 1 or not 1 <= s < 10**6 for s in sizes):
        raise c.fail(f"{c.e.function} takes an array, a size and a stride, which are whole numbers")
    window = int(sizes[0] or 1)
    stride = int(sizes[1] or 1) if len(sizes) > 1 else window
    family = x.family if len(x.family) < x.rank else ()
    axes = x.rank - len(family) - 1
    if axes not in (1, 2):
        raise c.fail(f"{c.e.function} takes channels x length or channels x height x width; this is {c.text(0)}")
    made = pool("max" if c.e.function == "maxpool" else "mean", c.axes.node(x), axes, window, stride)
    return _checked(c, replace(c.axes.of(made, x.lead), family=family))


def _checked(c: Call, v: Value) -> Value:
    if any(isinstance(s, int) and s < 1 for s in c.axes.shape(v)):
        raise c.fail(f"the window is larger than {c.text(0)}")
    return v


ROWS: dict[str, tuple[int, int, tuple[str, ...], Callable[[Call], Value]]] = {
    **{w: (2, 2, ("delta",) if w == "huber" else (), _loss) for w in (*LOSSES, "huber")},
    "layernorm": (3, 3, ("eps",), _layernorm),
    "rmsnorm": (2, 2, ("eps",), _layernorm),
    "batchnorm": (3, 3, ("eps", "mode"), _batchnorm),
    "instancenorm": (3, 3, ("eps",), _instancenorm),
    "groupnorm": (3, 3, ("eps", "groups"), _groupnorm),
    "dropout": (3, 3, ("scaling",), _dropout),
    "attention": (3, 4, ("mask",), _attention),
    **{w: (2, 2, ("stride", "padding", "dilation", "groups"), _convolution) for w in ("conv1d", "conv2d")},
    **{w: (1, 3, ("size", "stride"), _pool) for w in ("maxpool", "avgpool")},
}
"""word -> (fewest arguments, most, keywords, handler)"""
