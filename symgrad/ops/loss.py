"""Losses: a target and a prediction of one shape come in, their loss goes out; means over everything, sums over classes.

`lead` axes in front are examples that keep a loss each. Targets come first. Losses of logits never form the probabilities.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fractions import Fraction

from symgrad.core.node import Node, number_node, size_node
from symgrad.errors import InputError
from symgrad.ops import recognise
from symgrad.ops.arithmetic import add, constant_of, divide, map_function, power, product, scaled, subtract
from symgrad.ops.reduction import reduce

__all__ = ["CLASSES", "LOSSES", "contrastive", "huber", "infonce", "positive", "smoothed"]


def _axes(node: Node) -> list[str]:
    return [f"x{n}" for n in range(node.rank)]


def _mean(node: Node, lead: int) -> Node:
    return reduce("mean", node, range(lead, node.rank)) if node.rank > lead else node


def _minus(a: Node, b: Node) -> Node:
    """a - b; a may be a number."""
    x = _axes(b)
    return subtract((a, x[: a.rank]), (b, x), x)


def _square(node: Node) -> Node:
    x = _axes(node)
    return power((node, x), (number_node(2), ()), x)


def _times(a: Node, b: Node) -> Node:
    x = _axes(b)
    return product([(a, x[: a.rank]), (b, x)], x)


def _plus(a: Node, b: Node) -> Node:
    x = _axes(a)
    return add([(a, x), (b, x)], x)


def positive(what: str, node: Node) -> Node:
    """The node. Raises InputError where it is a number that is not positive."""
    value = constant_of(node)
    if value is not None and value <= 0:
        raise InputError(f"{what} is positive, found {value}")
    return node


ONE = number_node(1)


def _mse(y: Node, prediction: Node, lead: int, _: Collection[Node]) -> Node:
    """mean((yhat - y)^2)"""
    return _mean(_square(_minus(prediction, y)), lead)


def _mae(y: Node, prediction: Node, lead: int, _: Collection[Node]) -> Node:
    """mean(abs(yhat - y))"""
    return _mean(map_function("abs", _minus(prediction, y)), lead)


def huber(y: Node, prediction: Node, delta: Node, lead: int) -> Node:
    """mean(m^2/2 + delta*(a - m)) with a = abs(yhat - y), m = min(a, delta): Huber (1964)."""
    positive("delta of huber", delta)
    a = map_function("abs", _minus(prediction, y))
    x = _axes(a)
    beyond = map_function("relu", subtract((a, x), (delta, ()), x))
    return _mean(_plus(scaled(_square(_minus(a, beyond)), Fraction(1, 2)), _times(delta, beyond)), lead)


def _hinge(y: Node, prediction: Node, lead: int, _: Collection[Node]) -> Node:
    """mean(relu(1 - y*yhat)), y is -1 or 1."""
    return _mean(map_function("relu", _minus(ONE, _times(y, prediction))), lead)


def _bce(y: Node, p: Node, lead: int, keep: Collection[Node]) -> Node:
    """-mean(y*log(p) + (1 - y)*log(1 - p))"""
    positive = _times(y, recognise.log(p, keep))
    negative = _times(_minus(ONE, y), recognise.log(_minus(ONE, p), keep))
    return scaled(_mean(_plus(positive, negative), lead), -1)


def _bce_logits(y: Node, z: Node, lead: int, _: Collection[Node]) -> Node:
    """mean(softplus(z) - y*z)"""
    return _mean(_minus(map_function("softplus", z), _times(y, z)), lead)


def _over_classes(y: Node, logs: Node, lead: int) -> Node:
    """-sum over classes of y*logs, mean over examples."""
    x = _axes(y)
    return scaled(_mean(product([(y, x), (logs, x)], x[:-1]), lead), -1)


def _cross_entropy(y: Node, p: Node, lead: int, keep: Collection[Node]) -> Node:
    return _over_classes(y, recognise.log(p, keep), lead)


def _cross_entropy_logits(y: Node, z: Node, lead: int, _: Collection[Node]) -> Node:
    return _over_classes(y, reduce("log_softmax", z, [-1]), lead)


def _kl(p: Node, q: Node, lead: int, keep: Collection[Node]) -> Node:
    """sum over classes of p*(log(p) - log(q)), mean over examples."""
    return scaled(_over_classes(p, _minus(recognise.log(p, keep), recognise.log(q, keep)), lead), -1)


def smoothed(y: Node, smoothing: Node) -> Node:
    """(1 - s)*y + s/K for a target over K classes, the last axis: Szegedy et al. (2016), section 7. Raises InputError for s outside [0, 1)."""
    value = constant_of(smoothing)
    if value == 0:
        return y
    if value is not None and not 0 <= value < 1:
        raise InputError(f"smoothing is at least 0 and less than 1, found {value}")
    x = _axes(y)
    rest = subtract((ONE, ()), (smoothing, ()), ())
    return add([(product([(rest, ()), (y, x)], x), x), (divide((smoothing, ()), (size_node(y.shape[-1]), ()), ()), ())], x)


def contrastive(y: Node, a: Node, b: Node, margin: Node, lead: int = 0) -> Node:
    """mean(y*d^2/2 + (1 - y)*relu(margin - d)^2/2) with d = norm2(a - b), y = 1 for alike: Hadsell, Chopra and LeCun (2006), equation 4.

    a and b are (..., D), y is (...). Where a = b the distance has no gradient.
    """
    positive("margin of contrastive", margin)
    d = reduce("norm2", _minus(a, b), [-1])
    x = _axes(d)
    near = _square(map_function("relu", subtract((margin, ()), (d, x), x)))
    return scaled(_mean(_plus(_times(y, _square(d)), _times(_minus(ONE, y), near)), lead), Fraction(1, 2))


def infonce(a: Node, b: Node, temperature: Node) -> Node:
    """-mean over i of log_softmax over j of a[i]'*b[j]/temperature at j = i: van den Oord et al. (2018), equation 4. a and b are (N, D)."""
    positive("temperature of infonce", temperature)
    scores = divide((product([(a, ["i", "d"]), (b, ["j", "d"])], ["i", "j"]), ["i", "j"]), (temperature, ()), ["i", "j"])
    return scaled(_mean(product([(reduce("log_softmax", scores, [-1]), ["i", "i"])], ["i"]), 0), -1)


LOSSES: Mapping[str, Callable[[Node, Node, int, Collection[Node]], Node]] = {
    "mse": _mse, "mae": _mae, "hinge": _hinge, "bce": _bce, "bce_logits": _bce_logits, "cross_entropy": _cross_entropy,
    "cross_entropy_logits": _cross_entropy_logits, "kl": _kl,
}
"""word -> loss of (target, prediction, lead, named nodes that no pattern reaches through)."""
CLASSES = frozenset(("cross_entropy", "cross_entropy_logits", "kl"))
"""The losses whose last axis are classes."""
