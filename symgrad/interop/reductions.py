"""NumPy's reductions over axes, by name, on nodes: sums, means, extremes, products, norms, running sums, softmax and its kin."""
from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from symgrad.core.node import Node, size_node
from symgrad.core.shape import size_expression
from symgrad.errors import UnsupportedError
from symgrad.ops.arithmetic import map_function, scaled, total
from symgrad.ops.broadcasting import minus, over, plus, times, whole
from symgrad.ops.choice import larger
from symgrad.ops.constants import as_node
from symgrad.ops.extrema import extremum
from symgrad.ops.reduction import reduce
from symgrad.ops.shaping import axes_of, axis_of, cumulative, joined, kept_axes, reshaped, summed_shape
from symgrad.ops.stacking import plain_size

__all__ = ["METHODS", "REDUCTIONS", "along"]

Reduce = Callable[[Node, list[int]], Node]


def along(make: Reduce) -> Callable[..., Node]:
    """A reduction with NumPy's options `axis` and `keepdims`; `dtype` may name a kind of float."""
    @functools.wraps(make)
    def reduced(a: object, axis: object = None, dtype: object = None, out: object = None, keepdims: bool = False) -> Node:
        _check(dtype, out)
        node = as_node(a)
        axes = axes_of(axis, node.rank)
        found = make(node, axes) if axes else node
        return kept_axes(found, axes, node.rank) if keepdims else found
    return reduced


def _check(dtype: object, out: object) -> None:
    if out is not None:
        raise UnsupportedError("out= writes in place: values of the graph never change; use the result instead")
    if dtype is not None and np.dtype(dtype).kind != "f":  # type: ignore[call-overload]  # whatever NumPy takes
        raise UnsupportedError(f"dtype={dtype}: values of a graph are real numbers; leave it out")


def _extremum(name: str) -> Reduce:
    return lambda node, axes: extremum(name, node, axes)


def _mean(node: Node, axes: list[int]) -> Node:
    return reduce("mean", node, axes)


def _variance(node: Node, axes: list[int], ddof: int) -> Node:
    found = reduce("variance", node, axes)
    if not ddof:
        return found
    count = plain_size(summed_shape(tuple(node.shape[a] for a in axes)))
    if isinstance(count, int):
        return scaled(found, Fraction(count, count - ddof))
    return times(found, over(size_node(count), size_node(plain_size(size_expression(count) - ddof))))


def _var(a: object, axis: object = None, dtype: object = None, out: object = None, ddof: int = 0, keepdims: bool = False, *,
         correction: int | None = None) -> Node:
    made = along(lambda node, axes: _variance(node, axes, ddof if correction is None else correction))
    return made(a, axis, dtype, out, keepdims) if as_node(a).rank else scaled(as_node(a), 0)


def _std(a: object, axis: object = None, dtype: object = None, out: object = None, ddof: int = 0, keepdims: bool = False, *,
         correction: int | None = None) -> Node:
    return map_function("sqrt", _var(a, axis, dtype, out, ddof, keepdims, correction=correction))


def _average(a: object, axis: object = None, weights: object = None, returned: bool = False, *, keepdims: bool = False) -> Node:
    if returned:
        raise UnsupportedError("np.average(returned=True) gives a pair: compute the sum of the weights with np.sum")
    if weights is None:
        return REDUCTIONS["mean"](a, axis=axis, keepdims=keepdims)
    node, w = as_node(a), as_node(weights)
    if w.rank == 1 and node.rank > 1:
        at = axis_of(axis, node.rank)
        w = kept_axes(w, [k for k in range(node.rank) if k != at], node.rank)
        return over(REDUCTIONS["sum"](times(node, w), axis=at, keepdims=keepdims), REDUCTIONS["sum"](w))
    return over(REDUCTIONS["sum"](times(node, w), axis=axis, keepdims=keepdims), REDUCTIONS["sum"](w, axis=axis, keepdims=keepdims))


def _cumsum(a: object, axis: int | None = None, dtype: object = None, out: object = None) -> Node:
    _check(dtype, out)
    node = as_node(a)
    if axis is None:
        return cumulative(reshaped(node, [-1]), 0)
    return cumulative(node, axis_of(axis, node.rank))


def _norm(x: object, ord: object = None, axis: object = None, keepdims: bool = False) -> Node:
    node = as_node(x)
    axes = axes_of(axis, node.rank)
    if (ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2)):
        return along(lambda n, a: reduce("norm2", n, a))(node, axis, keepdims=keepdims)
    if len(axes) == 1 and ord == 1:
        return along(lambda n, a: reduce("norm1", n, a))(node, axis, keepdims=keepdims)
    if len(axes) == 1 and ord in (np.inf, -np.inf):
        return along(_extremum("max" if ord == np.inf else "min"))(map_function("abs", node), axis, keepdims=keepdims)
    if len(axes) == 1 and isinstance(ord, int | float) and ord > 0:
        powers = along(lambda n, a: total(n, a))(map_function("abs", node) ** ord, axis, keepdims=keepdims)
        return powers ** (1 / ord)
    raise UnsupportedError(f"np.linalg.norm(ord={ord!r}) over {len(axes)} axes: known are None, 1, 2, p > 0, inf of vectors and 'fro' of matrices")


def _ptp(a: object, axis: object = None, out: object = None, keepdims: bool = False) -> Node:
    return minus(_max(a, axis, out, keepdims), _min(a, axis, out, keepdims))


def _cumprod(a: object, axis: int | None = None, dtype: object = None, out: object = None) -> Node:
    """Running products, one after the other."""
    _check(dtype, out)
    node = as_node(a)
    node, at = (reshaped(node, [-1]), 0) if axis is None else (node, axis_of(axis, node.rank))
    from_left = [node[(slice(None),) * at + (slice(k, k + 1),)] for k in range(whole(node.shape[at], "cumprod"))]
    for k in range(1, len(from_left)):
        from_left[k] = times(from_left[k - 1], from_left[k])
    return joined(from_left, at)


def _counted(kind: str) -> Callable[..., Node]:
    def refused(*_: object, **__: object) -> Node:
        raise UnsupportedError(f"np.{kind} gives places or truth values, which have no slope and which the trace does not know: "
                               "use np.where, np.maximum or a constant from outside")
    return refused


def _dispersed(kind: str) -> Callable[..., Node]:
    def refused(*_: object, **__: object) -> Node:
        raise UnsupportedError(f"np.{kind} orders values, and the trace has none: use np.max, np.min or np.mean")
    return refused


def _diff(a: object, n: int = 1, axis: int = -1) -> Node:
    node = as_node(a)
    at = axis_of(axis, node.rank)
    for _ in range(n):
        ahead = (slice(None),) * at
        node = minus(node[(*ahead, slice(1, None))], node[(*ahead, slice(None, -1))])
    return node


def _sum(a: object, axis: object = None, dtype: object = None, out: object = None, keepdims: bool = False, initial: object = 0) -> Node:
    found = along(lambda node, axes: total(node, axes))(a, axis, dtype, out, keepdims)
    return found if initial == 0 else plus(found, initial)


def _max(a: object, axis: object = None, out: object = None, keepdims: bool = False, initial: object = None) -> Node:
    """At a tie the slope goes to the first entry."""
    found = along(_extremum("max"))(a, axis, None, out, keepdims)
    return found if initial is None else larger(found, initial)


def _min(a: object, axis: object = None, out: object = None, keepdims: bool = False) -> Node:
    return along(_extremum("min"))(a, axis, None, out, keepdims)


REDUCTIONS: dict[str, Callable[..., Node]] = {
    "sum": _sum, "mean": along(_mean), "max": _max, "amax": _max, "min": _min, "amin": _min, "prod": along(_extremum("prod")), "var": _var, "std": _std,
    "average": _average, "cumsum": _cumsum, "cumprod": _cumprod, "ptp": _ptp, "diff": _diff, "linalg.norm": _norm, 
    **{k: _counted(k) for k in ("argmax", "argmin", "any", "all", "count_nonzero", "nonzero", "isclose", "allclose", "array_equal", "searchsorted")},
    **{k: _dispersed(k) for k in ("sort", "argsort", "median", "quantile", "percentile", "unique", "partition")},
}
"""function name -> the same of nodes."""
METHODS = ("sum", "mean", "max", "min", "prod", "var", "std", "cumsum", "cumprod", "argmax", "argmin", "any", "all", "sort", "argsort", "nonzero")
"""Functions that are methods of an array too."""
