"""Layers and losses by word: the values of their arguments come in, the value of the call goes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from symgrad.core.node import Node, number_node
from symgrad.core.shape import Size, shape_text
from symgrad.network.values import Value, number
from symgrad.ops.arithmetic import power, subtract
from symgrad.ops.attention import attention
from symgrad.ops.convolution import convolve, convolve_transposed, global_pool, pool
from symgrad.ops.loss import CLASSES, LOSSES, contrastive, huber, infonce, smoothed
from symgrad.ops.normalization import normalised
from symgrad.ops.onehot import embedding, onehot

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
    if "smoothing" in c.keywords:
        left = smoothed(left, c.axes.node(c.number("smoothing", 0)))
    if c.e.function == "huber":
        made = huber(left, right, c.axes.node(c.number("delta", 1)), len(lead))
    else:
        made = LOSSES[c.e.function](left, right, len(lead), c.kept)
    return c.axes.of(made, lead)


def _contrastive(c: Call) -> Value:
    y, a, b = c.arguments
    lead = _lead(c.arguments)
    shape = c.axes.shape(a)
    if not a.rank or shape != c.axes.shape(b) or c.axes.shape(y) != shape[:-1]:
        raise c.fail("contrastive takes 1 or 0 for each pair, and two arrays whose last axis is a vector; these are "
                     + ", ".join(c.text(k) for k in range(3)))
    nodes = [c.axes.node(v, (*lead, *v.core)) for v in c.arguments]
    return c.axes.of(contrastive(nodes[0], nodes[1], nodes[2], c.axes.node(c.number("margin", 1)), len(lead)), lead)


def _infonce(c: Call) -> Value:
    a, b = c.arguments
    if a.lead or b.lead or a.rank != 2 or c.axes.shape(a) != c.axes.shape(b):
        raise c.fail(f"infonce compares every example with every other, so it takes whole arrays (N x D); these are {c.text(0)} and {c.text(1)}")
    return c.axes.of(infonce(c.axes.node(a), c.axes.node(b), c.axes.node(c.number("temperature", 1))))


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
PARAMETERS = ("gamma", "beta", "mean", "var")


def _parameter(c: Call, name: str, v: Value, size: Size) -> Node:
    """gamma, beta or a stored statistic as a node: a vector along an axis of that size."""
    if v.rank != 1 or v.lead or c.axes.size(v.core[0]) != size:
        raise c.fail(f"{name} of {c.e.function} is a vector of size {size}; this is {c.shown(name, v)}")
    return c.axes.node(v)


def _normed(c: Call, v: Value, over: Sequence[int], channel: int, **options: Any) -> Value:
    """`over` and `channel` count the axes of the array at each index."""
    size, lead = c.axes.size(v.core[channel]), len(v.lead)
    given = dict(zip(PARAMETERS, c.arguments[1:], strict=False)) | {k: x for k, x in c.keywords.items() if isinstance(x, Value) and k in PARAMETERS}
    found = {k: _parameter(c, k, x, size) for k, x in given.items()}
    made = normalised(c.axes.node(v), [lead + a for a in over], lead + channel, found["gamma"], found.get("beta"), c.axes.node(c.number("eps", EPS)),
                      mean=found.get("mean"), var=found.get("var"), **options)
    return replace(c.axes.of(made, (*v.lead, *v.core)), lead=v.lead, core=v.core, lying=v.lying, family=v.family)


def _layernorm(c: Call) -> Value:
    v = c.arguments[0]
    if not v.rank:
        raise c.fail(f"{c.e.function} is over the last axis; {c.text(0)} has none")
    return _normed(c, v, [v.rank - 1], v.rank - 1, centred=c.e.function != "rmsnorm")


def _batchnorm(c: Call) -> Value:
    v = c.arguments[0]
    given = [k for n, k in enumerate(("mean", "var")) if k in c.keywords or len(c.arguments) > 3 + n]
    if c.word("mode", "train", ("train", "eval")) == "eval":
        if len(given) < 2:
            raise c.fail("batchnorm in evaluation uses averages kept from training: give them as data, as in "
                         'batchnorm(h, gamma, beta, mean, var, mode="eval")')
        channel = 0 if v.lead else 1
        if v.rank <= channel:
            raise c.fail(f"batchnorm takes examples x features; this is {c.text(0)}")
        return _normed(c, v, [], channel)
    if given:
        raise c.fail(f'batchnorm in training computes its mean and var from the examples: leave out {" and ".join(given)}, or write mode="eval"')
    if v.lead:
        name = c.text(0).partition("[")[0]
        raise c.fail(f"batchnorm mixes the examples, so it takes the whole array: write batchnorm({name}, ...) without its index")
    if v.rank < 2:
        raise c.fail(f"batchnorm takes examples x features; this is {c.text(0)}")
    return _normed(c, v, [a for a in range(v.rank) if a != 1], 1)


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
    return _normed(c, v, range(axis + 1, v.rank), axis)


def _groupnorm(c: Call) -> Value:
    v = c.arguments[0]
    axis = _channel(c, v)
    if "groups" not in c.keywords:
        raise c.fail("groupnorm needs the number of groups, as in groups=2")
    groups = c.whole("groups", 1)
    size = c.axes.size(v.core[axis])
    if isinstance(size, int) and size % groups:
        raise c.fail(f"{size} channels do not make {groups} equal groups")
    return _normed(c, v, range(axis, v.rank), axis, groups=groups)


def _dropout(c: Call) -> Value:
    h, mask, p = c.arguments
    if p.rank or p.lead:
        raise c.fail(f"p of dropout is a scalar; this is {c.text(2)}")
    if p.constant is not None and not 0 <= p.constant < 1:
        raise c.fail(f"p of dropout is at least 0 and less than 1, found {p.constant}")
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
        return number(1 / (1 - p.constant))
    left = subtract((number_node(1), ()), (c.axes.node(p), ()), ())
    return c.axes.of(power((left, ()), (number_node(-1), ()), ()))


# ---------------------------------------------------------------------- attention, convolution, pooling
def _attention(c: Call) -> Value:
    given = [*c.arguments]
    by_word = c.keywords.get("mask")
    if isinstance(by_word, Value) and len(given) == 3:
        given.append(by_word)
    elif by_word is not None and (by_word not in ("none", "causal") or len(given) > 3):
        raise c.fail("the mask of attention is a matrix that is added to the scores, or causal: mask=M, mask=causal")
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
    return c.axes.of(attention(nodes[0], nodes[1], nodes[2], mask, len(lead), by_word == "causal"), lead)


def _embedding(c: Call) -> Value:
    labels, rows = c.arguments
    if rows.rank != 2 or rows.lead:
        raise c.fail(f"embedding takes labels and a matrix with a row for each class; this is {c.text(1)}")
    classes, count = c.classes[0], c.axes.shape(rows)[0]
    if classes is None:
        raise c.fail(f"embedding takes labels, as in `data c[n] : label({count})`; this is {c.text(0)}")
    if classes != count:
        raise c.fail(f"{c.text(0)} is a label of {classes} classes, and {c.text(1)} has {count} rows")
    return replace(c.axes.of(embedding(c.axes.node(labels), c.axes.node(rows)), labels.lead), family=labels.family)


def _filter(c: Call) -> Value:
    """A convolution or a transposed one."""
    x, w = c.arguments
    axes, transposed = (1 if c.e.function.endswith("1d") else 2), "transpose" in c.e.function
    settings = {k: c.whole(k, d, d) for k, d in FILTER_SETTINGS.items() if transposed or k != "output_padding"}
    family = x.family if len(x.family) < x.rank else ()
    if w.rank != axes + 2 or w.lead or x.rank != axes + 1 + len(family):
        raise c.fail(
            f"{c.e.function} takes channels x {'length' if axes == 1 else 'height x width'} and "
            f"{'in x out/groups' if transposed else 'out x in/groups'} x window; these are {c.text(0)} and {c.text(1)}"
        )
    made = (convolve_transposed if transposed else convolve)(c.axes.node(x), c.axes.node(w), **settings)
    return replace(c.axes.of(made, x.lead), family=family)


FILTER_SETTINGS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}


def _places(c: Call) -> tuple[tuple[str, ...], int]:
    """The family that the array has in front, and how many axes of places it has."""
    x = c.arguments[0]
    family = x.family if len(x.family) < x.rank else ()
    axes = x.rank - len(family) - 1
    if axes not in (1, 2):
        raise c.fail(f"{c.e.function} takes channels x length or channels x height x width; this is {c.text(0)}")
    return family, axes


def _pool(c: Call) -> Value:
    sizes = [v.constant for v in c.arguments[1:]]
    for k, name in enumerate(("size", "stride")):
        if len(sizes) == k and name in c.keywords:
            sizes.append(c.number(name, 1).constant)
    if not sizes or any(s is None or s.denominator != 1 or not 1 <= s < 10**6 for s in sizes):
        raise c.fail(f"{c.e.function} takes an array, a size and a stride, which are whole numbers")
    window, stride = int(sizes[0] or 1), int(sizes[-1] or 1)
    family, axes = _places(c)
    made = pool("max" if c.e.function == "maxpool" else "mean", c.axes.node(c.arguments[0]), axes, window, stride, c.whole("padding", 0, 0))
    return replace(c.axes.of(made, c.arguments[0].lead), family=family)


def _global_pool(c: Call) -> Value:
    family, axes = _places(c)
    made = global_pool("max" if "max" in c.e.function else "mean", c.axes.node(c.arguments[0]), axes)
    return replace(c.axes.of(made, c.arguments[0].lead), family=family)


OPTIONS = {"huber": ("delta",), "cross_entropy": ("smoothing",), "cross_entropy_logits": ("smoothing",)}
ROWS: dict[str, tuple[int, int, tuple[str, ...], Callable[[Call], Value]]] = {
    **{w: (2, 2, OPTIONS.get(w, ()), _loss) for w in (*LOSSES, "huber")},
    "contrastive": (3, 3, ("margin",), _contrastive),
    "infonce": (2, 2, ("temperature",), _infonce),
    "layernorm": (3, 3, ("eps",), _layernorm),
    "rmsnorm": (2, 2, ("eps",), _layernorm),
    "batchnorm": (3, 5, ("eps", "mode", "mean", "var"), _batchnorm),
    "instancenorm": (3, 3, ("eps",), _instancenorm),
    "groupnorm": (3, 3, ("eps", "groups"), _groupnorm),
    "dropout": (3, 3, ("scaling",), _dropout),
    "attention": (3, 4, ("mask",), _attention),
    "embedding": (2, 2, (), _embedding),
    **{w: (2, 2, tuple(k for k in FILTER_SETTINGS if k != "output_padding"), _filter) for w in ("conv1d", "conv2d")},
    **{w: (2, 2, tuple(FILTER_SETTINGS), _filter) for w in ("conv_transpose1d", "conv_transpose2d")},
    **{w: (1, 3, ("size", "stride", "padding"), _pool) for w in ("maxpool", "avgpool")},
    **{w: (1, 1, (), _global_pool) for w in ("globalmaxpool", "globalavgpool")},
}
"""word -> (fewest arguments, most, keywords, handler)"""
