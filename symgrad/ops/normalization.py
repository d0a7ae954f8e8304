"""Normalisations: arrays with their scale and shift come in, standardised arrays go out; variances divide by the count."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.node import Node
from symgrad.core.shape import size_expression
from symgrad.ops.arithmetic import add, divide, filled, product
from symgrad.ops.reduction import reduce
from symgrad.ops.stacking import merge, plain_size, split

__all__ = ["groupnorm", "rmsnorm", "standardised"]


def _scaled(node: Node, axis: int, gamma: Node, beta: Node | None) -> Node:
    """gamma .* node + beta along one axis."""
    x = [f"x{n}" for n in range(node.rank)]
    made = product([(gamma, [x[axis]]), (node, x)], x)
    return made if beta is None else add([(made, x), (beta, [x[axis]])], x)


def standardised(h: Node, over: Sequence[int], axis: int, gamma: Node, beta: Node, eps: Node) -> Node:
    """gamma .* (h - mean)/sqrt(var + eps) + beta: mean and var over some axes, gamma and beta along `axis`.

    Layer norm (Ba et al. 2016) over the last axis, batch norm (Ioffe and Szegedy 2015) over the examples, instance norm (Ulyanov et al.
    2016) over the places of a channel.
    """
    return _scaled(reduce("standardise", h, over, eps), axis, gamma, beta)


def rmsnorm(h: Node, gamma: Node, eps: Node) -> Node:
    """gamma .* h / sqrt(mean(h^2) + eps) over the last axis: Zhang and Sennrich (2019)."""
    x = [f"x{n}" for n in range(h.rank)]
    return _scaled(divide((h, x), (reduce("root_mean_square", h, [-1], eps), x[:-1]), x), h.rank - 1, gamma, None)


def groupnorm(h: Node, channel: int, groups: int, gamma: Node, beta: Node, eps: Node) -> Node:
    """Mean and variance over the channels of a group and their places: Wu and He (2018). `channel` is the axis of the channels."""
    x = [f"x{n}" for n in range(h.rank)]
    inside = plain_size(size_expression(h.shape[channel]) / groups)
    last = [*x[:channel], *x[channel + 1:], x[channel]]
    apart = split(product([(h, x)], last), filled("ones", (groups, inside)))   # (..., groups, channels of a group)
    count = h.rank - 1 - channel                           # places
    over = [*range(channel, channel + count), apart.rank - 1]
    joined = merge(reduce("standardise", apart, over, eps))
    return _scaled(product([(joined, last)], x), channel, gamma, beta)
