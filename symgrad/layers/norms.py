"""Arrays come in; the same arrays standardised, scaled and shifted by parameters, and arrays with entries dropped, go out."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symgrad.core.node import Node
from symgrad.core.shape import Size
from symgrad.errors import InputError
from symgrad.layers.parts import divided, leaves, one_of, ranked, whole_number
from symgrad.ops.arithmetic import scaled
from symgrad.ops.broadcasting import times
from symgrad.ops.normalization import normalised
from symgrad.ops.operators import as_node
from symgrad.ops.shaping import axes_of

__all__ = ["batch_norm", "dropout", "group_norm", "instance_norm", "layer_norm", "rms_norm"]

CHANNELS = "channels on axis 1, (N, channels) or (N, channels, places)"


def _parameters(x: Node, name: str, shape: Sequence[Size]) -> list[Node]:
    return leaves([x], name, {"gamma": shape, "beta": shape})


def batch_norm(x: Node, name: str, *, mode: str = "train", eps: float = 1e-5) -> Node:
    """gamma .* (x - mean)/sqrt(var + eps) + beta for each channel of (N, K) or (N, K, places): Ioffe and Szegedy (2015).

    Parameters name_gamma, name_beta (K,). mode="train": mean and var over examples and places, var divided by the count. mode="eval":
    the data name_mean, name_var (K,), kept from training (`sg.statistics`, `sg.running`). Raises InputError for a batch of one value per
    channel in training and for another mode.
    """
    x = ranked(x, range(2, 9), f"batch_norm {name!r} takes {CHANNELS}")
    over = [a for a in range(x.rank) if a != 1]
    training = one_of(mode, "the mode of batch_norm", ("train", "eval")) == "train"
    gamma, beta = _parameters(x, name, x.shape[1:2])
    if training:
        return normalised(x, over, 1, gamma, beta, eps)
    (mean,) = leaves([x], name, {"mean": x.shape[1:2]}, "data")
    (var,) = leaves([x], name, {"var": x.shape[1:2]}, "data", "positive")
    return normalised(x, over, 1, gamma, beta, eps, mean=mean, var=var)


def layer_norm(x: Node, name: str, *, axes: int | Sequence[int] = (-1,), eps: float = 1e-5) -> Node:
    """gamma .* (x - mean)/sqrt(var + eps) + beta, mean and var over `axes`: Ba et al. (2016).

    Parameters name_gamma, name_beta of the shape of those axes. Raises ShapeError for an axis that x lacks.
    """
    x, over = _chosen(x, axes, f"layer_norm {name!r}")
    gamma, beta = _parameters(x, name, [x.shape[a] for a in over])
    return normalised(x, over, over, gamma, beta, eps)


def rms_norm(x: Node, name: str, *, axes: int | Sequence[int] = (-1,), eps: float = 1e-5) -> Node:
    """gamma .* x / sqrt(mean(x^2) + eps), the mean over `axes`: Zhang and Sennrich (2019). Parameter name_gamma of the shape of those axes."""
    x, over = _chosen(x, axes, f"rms_norm {name!r}")
    (gamma,) = leaves([x], name, {"gamma": [x.shape[a] for a in over]})
    return normalised(x, over, over, gamma, None, eps, centred=False)


def _chosen(x: object, axes: int | Sequence[int], what: str) -> tuple[Node, list[int]]:
    node = ranked(x, range(1, 9), f"{what} takes an array")
    over = axes_of(axes if isinstance(axes, int) else tuple(axes), node.rank)
    if not over:
        raise InputError(f"the axes of {what} are one or several, not none")
    return node, over


def instance_norm(x: Node, name: str, *, eps: float = 1e-5) -> Node:
    """Mean and var over the places of each example and channel of (N, K, places): Ulyanov et al. (2016). Parameters as `batch_norm`.

    Raises InputError where there is one place only.
    """
    x = ranked(x, range(3, 9), f"instance_norm {name!r} takes (N, channels, places)")
    gamma, beta = _parameters(x, name, x.shape[1:2])
    return normalised(x, range(2, x.rank), 1, gamma, beta, eps)


def group_norm(x: Node, groups: int, name: str, *, eps: float = 1e-5) -> Node:
    """Mean and var over the places and channels of a group, for each example of (N, K, ...): Wu and He (2018). Parameters as `batch_norm`.

    Raises ShapeError for groups that do not divide the channels.
    """
    x = ranked(x, range(2, 9), f"group_norm {name!r} takes {CHANNELS}")
    what = f"group_norm {name!r}"
    groups = whole_number(groups, f"the groups of {what}")
    divided(x.shape[1], groups, f"the input of {what}")
    gamma, beta = _parameters(x, name, x.shape[1:2])
    return normalised(x, range(2 if groups > 1 else 1, x.rank), 1, gamma, beta, eps, groups=groups)


def dropout(x: Node, p: float | Fraction, name: str, *, mode: str = "train", scaling: str = "inverted") -> Node:
    """x with entries dropped with probability p: the data name_mask, of the shape of x, is 0 where an entry is dropped and 1 elsewhere.

    scaling="inverted": mode="train" gives mask .* x/(1 - p) and mode="eval" x itself. scaling="test": mask .* x in training and (1 - p) x
    in evaluation: Srivastava et al. (2014). Raises InputError for p outside [0, 1) and for other words.
    """
    x = as_node(x)
    if isinstance(p, bool) or not isinstance(p, int | float | Fraction) or not 0 <= p < 1:
        raise InputError(f"p, the probability to drop an entry, is at least 0 and less than 1, not {p!r}")
    keep = 1 - Fraction(repr(p) if isinstance(p, float) else p)
    inverted = one_of(scaling, "the scaling of dropout", ("inverted", "test")) == "inverted"
    if one_of(mode, "the mode of dropout", ("train", "eval")) == "eval":
        return x if inverted else scaled(x, keep)
    (mask,) = leaves([x], name, {"mask": x.shape}, "data")
    masked = times(mask, x)
    return scaled(masked, 1 / keep) if inverted else masked
