"""Normalisations: arrays with their scale and shift come in, standardised arrays go out; variances divide by the count."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.node import Node
from symgrad.core.shape import size_expression
from symgrad.errors import InputError
from symgrad.ops.arithmetic import add, divide, filled, map_function, product, subtract
from symgrad.ops.constants import as_node
from symgrad.ops.reduction import reduce
from symgrad.ops.stacking import merge, plain_size, split

__all__ = ["normalised"]


def normalised(h: Node, over: Sequence[int], channel: int | Sequence[int], gamma: Node, beta: Node | None, eps: object, *, groups: int = 1,
               centred: bool = True, mean: Node | None = None, var: Node | None = None) -> Node:
    """gamma .* (h - mean)/sqrt(var + eps) + beta: mean and var over the axes `over`, gamma and beta along the axis or axes `channel`.

    Every normalisation is this one: layer norm (Ba et al. 2016) over the features of an example, batch norm (Ioffe and Szegedy 2015) over
    the examples, instance norm (Ulyanov et al. 2016) over the places of a channel, group norm (Wu and He 2018) over the places and the
    channels of a group, RMS norm (Zhang and Sennrich 2019) not `centred`: without the mean. With `mean` and `var` (vectors along `channel`)
    nothing is computed from h. Raises InputError where there is one value per channel, so that nothing would be left of h.
    """
    x = [f"x{n}" for n in range(h.rank)]
    eps = as_node(eps)
    over, own = sorted(a % h.rank for a in over), [a % h.rank for a in ([channel] if isinstance(channel, int) else channel)]
    c = [x[a] for a in own]
    if mean is not None and var is not None:
        root = map_function("sqrt", add([(var, c), (eps, "")], c))
        z = divide((subtract((h, x), (mean, c), x), x), (root, c), x)
    elif groups > 1:
        (channel,) = own
        last = [*x[:channel], *x[channel + 1:], x[channel]]
        inside = plain_size(size_expression(h.shape[channel]) / groups)
        apart = split(product([(h, x)], last), filled("ones", (groups, inside)))   # (..., groups, channels of a group)
        inner = [a - (a > channel) for a in over if a != channel]
        z = product([(merge(_standard(apart, [*inner, h.rank], eps, centred)), last)], x)
    else:
        z = _standard(h, over, eps, centred, counted=not set(own) & set(over))
    scaled = product([(gamma, c), (z, x)], x)
    return scaled if beta is None else add([(scaled, x), (beta, c)], x)


def _standard(h: Node, over: Sequence[int], eps: Node, centred: bool, counted: bool = True) -> Node:
    """(h - mean)/sqrt(var + eps), or h/sqrt(mean(h^2) + eps), over some axes."""
    if not centred:
        x = [f"x{n}" for n in range(h.rank)]
        kept = [x[a] for a in range(h.rank) if a not in over]
        return divide((h, x), (reduce("root_mean_square", h, over, eps), kept), x)
    if counted and all(h.shape[a] == 1 for a in over):
        raise InputError("a mean and a variance of one value leave nothing of it: the values per channel must be more than 1, "
                         "so give more examples or places, or stored statistics (batchnorm in evaluation)")
    return reduce("standardise", h, over, eps)
