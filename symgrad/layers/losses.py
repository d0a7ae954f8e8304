"""A target and a prediction come in, targets first, or parameters; their loss, the mean over everything, or their penalty goes out."""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.errors import InputError, ShapeError
from symgrad.ops import loss
from symgrad.ops.arithmetic import map_function
from symgrad.ops.broadcasting import plus, raised, times
from symgrad.ops.onehot import onehot
from symgrad.ops.operators import as_node
from symgrad.ops.reduction import reduce

__all__ = [
    "bce", "bce_logits", "contrastive", "cross_entropy", "cross_entropy_logits", "hinge", "huber", "infonce", "kl", "l1", "l2", "mae", "mse",
]


def _pair(word: str, y: object, prediction: object) -> tuple[Node, Node]:
    """Target and prediction of one shape; labels, which have an axis less, become one-hot rows."""
    target, found = as_node(y), as_node(prediction)
    classes = word in loss.CLASSES
    if classes and not found.rank:
        raise ShapeError(f"{word} sums over classes, the last axis of the prediction; a scalar has none")
    if classes and target.shape == found.shape[:-1]:
        target = onehot(target, found.shape[-1])
    if target.shape != found.shape:
        raise ShapeError(f"{word} takes a target and a prediction of one shape{' (or labels, without the last axis)' if classes else ''}: "
                         f"these are {shape_text(target.shape)} and {shape_text(found.shape)}")
    return target, found


def _loss(word: str, y: object, prediction: object) -> Node:
    target, found = _pair(word, y, prediction)
    return loss.LOSSES[word](target, found, 0, ())


def mse(y: Node, prediction: Node) -> Node:
    """mean((prediction - y)^2). Raises ShapeError for unequal shapes."""
    return _loss("mse", y, prediction)


def mae(y: Node, prediction: Node) -> Node:
    """mean(abs(prediction - y)). Raises ShapeError for unequal shapes."""
    return _loss("mae", y, prediction)


def huber(y: Node, prediction: Node, *, delta: float = 1.0) -> Node:
    """mean(m^2/2 + delta*(a - m)) with a = abs(prediction - y), m = min(a, delta): Huber (1964). Raises InputError for delta <= 0."""
    return loss.huber(*_pair("huber", y, prediction), as_node(delta), 0)


def hinge(y: Node, prediction: Node) -> Node:
    """mean(relu(1 - y .* prediction)), y is -1 or 1. Raises ShapeError for unequal shapes."""
    return _loss("hinge", y, prediction)


def bce(y: Node, p: Node) -> Node:
    """-mean(y .* log(p) + (1 - y) .* log(1 - p)). Raises ShapeError for unequal shapes."""
    return _loss("bce", y, p)


def bce_logits(y: Node, z: Node) -> Node:
    """mean(softplus(z) - y .* z): `bce` of sigmoid(z), never overflowing. Raises ShapeError for unequal shapes."""
    return _loss("bce_logits", y, z)


def _smoothed(word: str, y: object, prediction: object, smoothing: object) -> Node:
    target, found = _pair(word, y, prediction)
    return loss.LOSSES[word](loss.smoothed(target, as_node(smoothing)), found, 0, ())


def cross_entropy(y: Node, p: Node, *, smoothing: float = 0.0) -> Node:
    """-sum over classes of y .* log(p), mean over examples; y one-hot, a distribution, or labels from 1.

    smoothing s: y becomes (1 - s) y + s/K, Szegedy et al. (2016). Raises ShapeError for unequal shapes, InputError for s outside [0, 1).
    """
    return _smoothed("cross_entropy", y, p, smoothing)


def cross_entropy_logits(y: Node, z: Node, *, smoothing: float = 0.0) -> Node:
    """`cross_entropy` of softmax(z), never overflowing. Raises likewise."""
    return _smoothed("cross_entropy_logits", y, z, smoothing)


def kl(p: Node, q: Node) -> Node:
    """sum over classes of p .* (log(p) - log(q)), mean over examples. Raises ShapeError for unequal shapes."""
    return _loss("kl", p, q)


def contrastive(y: Node, a: Node, b: Node, *, margin: float = 1.0) -> Node:
    """mean(y .* d^2/2 + (1 - y) .* relu(margin - d)^2/2), d the distance of a and b (..., D), y (...) 1 for alike: Hadsell et al. (2006).

    Raises ShapeError for shapes that do not fit, InputError for a margin that is not positive.
    """
    label, left, right = as_node(y), as_node(a), as_node(b)
    if not left.rank or left.shape != right.shape or label.shape != left.shape[:-1]:
        raise ShapeError(f"contrastive takes y (...), a and b (..., D); these are {shape_text(label.shape)}, {shape_text(left.shape)} and "
                         f"{shape_text(right.shape)}")
    return loss.contrastive(label, left, right, as_node(margin))


def infonce(a: Node, b: Node, *, temperature: float = 1.0) -> Node:
    """Cross-entropy of the scores a b'/temperature against their diagonal, a and b (N, D): van den Oord et al. (2018), equation 4.

    Raises ShapeError for shapes that do not fit, InputError for a temperature that is not positive.
    """
    left, right = as_node(a), as_node(b)
    if left.rank != 2 or left.shape != right.shape:
        raise ShapeError(f"infonce takes two arrays (N, D); these are {shape_text(left.shape)} and {shape_text(right.shape)}")
    return loss.infonce(left, right, as_node(temperature))


def l1(nodes: Node | Sequence[Node], weight: object) -> Node:
    """weight * the sum of abs of all entries of some nodes. Raises InputError for none, ShapeError for a weight that is no scalar."""
    return _penalty(lambda n: reduce("norm1", n) if n.rank else map_function("abs", n), nodes, weight)


def l2(nodes: Node | Sequence[Node], weight: object) -> Node:
    """weight * the sum of the squares of all entries of some nodes. Raises likewise."""
    return _penalty(lambda n: reduce("square_sum", n) if n.rank else raised(n, 2), nodes, weight)


def _penalty(term: Callable[[Node], Node], nodes: Node | Sequence[Node], weight: object) -> Node:
    many = [nodes] if isinstance(nodes, Node) else [as_node(n) for n in nodes]
    if not many:
        raise InputError('a penalty needs at least one node, such as a parameter of the network: net["fc_W"]')
    factor = as_node(weight)
    if factor.rank:
        raise ShapeError(f"the weight of a penalty is a scalar, not {shape_text(factor.shape)}")
    return times(factor, functools.reduce(plus, map(term, many)))
