"""Numeric derivatives of a function of arrays by central differences, extrapolated: the independent witness."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symgrad.ops.kernels import Array

__all__ = ["MOVES", "numeric_derivative"]


MOVES: dict[str, Callable[[Array], Array]] = {
    "": lambda e: e, "symmetric": lambda e: e + e.T - np.diag(np.diag(e)), "diagonal": lambda e: np.diag(np.diag(e)), "lower": np.tril, "upper": np.triu,
}
"""structure -> how a matrix of it moves when one entry does."""


def numeric_derivative(function: Callable[[Array], Array], x: Array, step: float = 2e-3, structure: str = "") -> Array:
    """d function / d x at x, axes of the function's value first; within a structure, an entry moves together with those tied to it.

    Three central differences with halved steps, twice extrapolated (Richardson): the error falls with step^6.
    """
    x = np.asarray(x, dtype=np.float64)
    flat: list[Array] = []
    for index in np.ndindex(*x.shape):
        direction: Array = np.zeros(x.shape)
        direction[index] = 1.0
        direction = MOVES[structure](direction)
        h = step * max(1.0, abs(float(x[index])))
        first, second, third = (_central(function, x, direction, h / 2**k) for k in range(3))
        once = ((4 * second - first) / 3, (4 * third - second) / 3)
        flat.append((16 * once[1] - once[0]) / 15)
    shape = np.shape(function(x)) if not flat else np.shape(flat[0])
    return np.stack(flat, axis=-1).reshape(shape + x.shape) if flat else np.zeros(shape + x.shape)


def _central(function: Callable[[Array], Array], x: Array, direction: Array, h: float) -> Array:
    return np.asarray((np.asarray(function(x + h * direction)) - np.asarray(function(x - h * direction))) / (2 * h))
