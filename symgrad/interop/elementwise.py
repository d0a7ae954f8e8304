"""NumPy's functions of entries, by name, on nodes: arithmetic, comparisons, exponentials, angles, choices."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from symgrad.core.node import Node
from symgrad.errors import UnsupportedError
from symgrad.ops.arithmetic import map_function, scaled
from symgrad.ops.broadcasting import minus, over, plus, raised, times
from symgrad.ops.choice import choose, compared, larger, smaller
from symgrad.ops.constants import as_node
from symgrad.ops.masks import Mask, truth
from symgrad.ops.operators import matmul

__all__ = ["ELEMENTWISE", "UFUNCS"]

_SAME = ("exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sign")


def _of(name: str) -> Callable[[object], Node]:
    return lambda z: map_function(name, as_node(z))


def _number(value: float) -> Node:
    return as_node(value)


def _logaddexp(a: object, b: object) -> Node:
    """log(exp(a) + exp(b)) = a + softplus(b - a), which never overflows."""
    return plus(a, map_function("softplus", minus(b, a)))


def _hypot(a: object, b: object) -> Node:
    return map_function("sqrt", plus(raised(a, 2), raised(b, 2)))


def _inverse_hyperbolic(sign: int) -> Callable[[object], Node]:
    """arcsinh(z) = log(z + sqrt(z^2 + 1)), arccosh(z) = log(z + sqrt(z^2 - 1)): DLMF 4.37.16 and 4.37.19."""
    return lambda z: map_function("log", plus(z, map_function("sqrt", plus(raised(z, 2), sign))))


def _arctanh(z: object) -> Node:
    """(log1p(z) - log1p(-z))/2: DLMF 4.37.24."""
    return scaled(minus(map_function("log1p", as_node(z)), map_function("log1p", scaled(as_node(z), -1))), Fraction(1, 2))


def _logical(name: str) -> Callable[[object, object], Mask]:
    return lambda a, b: getattr(Mask(truth(a)), name)(Mask(truth(b)))


UFUNCS: Mapping[str, Callable[..., Node | Mask]] = {
    "add": lambda a, b: (a | b) if isinstance(a, Mask) and isinstance(b, Mask) else plus(a, b),
    "subtract": minus, "multiply": times, "divide": over, "true_divide": over, "power": raised, "float_power": raised, "matmul": matmul,
    "negative": lambda z: scaled(as_node(z), -1), "positive": lambda z: as_node(z), "absolute": _of("abs"), "fabs": _of("abs"),
    **{name: _of(name) for name in _SAME},
    "square": lambda z: raised(z, 2), "reciprocal": lambda z: over(1, z), "exp2": lambda z: map_function("exp", times(z, _number(math.log(2)))),
    "log2": lambda z: over(map_function("log", as_node(z)), _number(math.log(2))),
    "log10": lambda z: over(map_function("log", as_node(z)), _number(math.log(10))),
    "arcsinh": _inverse_hyperbolic(1), "arccosh": _inverse_hyperbolic(-1), "arctanh": _arctanh, "hypot": _hypot, "logaddexp": _logaddexp,
    "deg2rad": lambda z: times(z, _number(math.pi / 180)), "radians": lambda z: times(z, _number(math.pi / 180)),
    "rad2deg": lambda z: times(z, _number(180 / math.pi)), "degrees": lambda z: times(z, _number(180 / math.pi)),
    "maximum": larger, "minimum": smaller, "fmax": larger, "fmin": smaller,
    **{name: (lambda a, b, name=name: compared(name, a, b)) for name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")},
    "logical_and": _logical("__and__"), "logical_or": _logical("__or__"), "logical_xor": _logical("__xor__"),
    "logical_not": lambda a: ~Mask(truth(a)), "bitwise_and": _logical("__and__"), "bitwise_or": _logical("__or__"),
    "bitwise_xor": _logical("__xor__"), "invert": lambda a: ~Mask(truth(a)),
}
"""ufunc name -> the same of nodes."""


def _where(condition: object, *branches: object) -> Node:
    if len(branches) != 2:
        raise UnsupportedError("np.where(condition) counts entries, which depends on values; np.where(condition, a, b) chooses between two arrays")
    if isinstance(condition, Node):
        condition = compared("not_equal", condition, 0)
    mask = condition.node if isinstance(condition, Mask) else as_node(np.asarray(condition, dtype=bool))
    return choose(mask, *branches)


def _clip(a: object, a_min: object = None, a_max: object = None, *, min: object = None, max: object = None) -> Node:
    """minimum(maximum(a, low), high): at a bound the slope is that of a."""
    low, high = a_min if min is None else min, a_max if max is None else max
    found = as_node(a)
    if low is not None:
        found = choose(compared("less", found, low).node, low, found)
    return found if high is None else choose(compared("greater", found, high).node, high, found)


def _rounded(*_: object, **__: object) -> Node:
    raise UnsupportedError("rounding has no slope and is no op here; leave it out of what is differentiated")


ELEMENTWISE: Mapping[str, Callable[..., Node | Mask]] = {
    "where": _where, "clip": _clip, "round": _rounded, "around": _rounded, "real": lambda a: as_node(a), "copy": lambda a, **_: as_node(a),
    "nan_to_num": lambda a, **_: _unknown("np.nan_to_num", "keep values finite with np.where or np.maximum"),
    "heaviside": lambda a, b: _unknown("np.heaviside", "write np.where(x > 0, 1.0, 0.0)"),
}
"""function name -> the same of nodes."""


def _unknown(name: str, remedy: str) -> Node:
    raise UnsupportedError(f"{name} of a node: {remedy}")
