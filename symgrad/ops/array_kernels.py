"""NumPy functions behind the ops that rearrange or choose entries: operands may carry more axes in front."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARRAY_KERNELS"]

Array = NDArray[np.floating]


def _choice(places: Callable[..., NDArray[np.intp]]) -> Callable[[Array], Array]:
    def where(x: Array) -> Array:
        found = np.zeros(x.shape)
        np.put_along_axis(found, np.expand_dims(places(x, axis=-1), -1), 1.0, -1)
        return found
    return where


def _others(order: int) -> Callable[[Array], Array]:
    """The products of the entries but `order` of them, without a division; 0 where two of these are the same."""
    def of(x: Array) -> Array:
        n = x.shape[-1]
        found = np.zeros(x.shape[:-1] + (n,) * order)
        for index in np.ndindex(*(n,) * order):
            if len(set(index)) == order:
                found[(..., *index)] = np.prod(np.delete(x, index, axis=-1), axis=-1)
        return found
    return of


def _onehot(label: Array, ones: Array) -> Array:
    return np.where(np.asarray(label)[..., None] == np.arange(1, len(ones) + 1), 1.0, 0.0)


def _select(chosen: Array, a: Array, b: Array) -> Array:
    return np.where(np.not_equal(chosen, 0.0), a, b)


ARRAY_KERNELS: Mapping[str, Callable[..., Array]] = {
    "max": lambda x: np.max(x, axis=-1), "min": lambda x: np.min(x, axis=-1), "argmax": _choice(np.argmax), "argmin": _choice(np.argmin),
    "prod": lambda x: np.prod(x, axis=-1), **{f"others{k}": _others(k) for k in range(1, 7)},
    "merge": lambda x: x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1]),
    "split": lambda x, like: x.reshape(*x.shape[:-1], *like.shape[-2:]),
    "stack": lambda *steps: np.stack(steps, axis=-1), "onehot": _onehot,
    "flip": lambda x: np.flip(x, axis=-1), "select": _select,
    "visible": lambda mask, x: np.where(np.not_equal(mask, 0.0), x, -np.inf),
}
"""structured op -> function of arrays."""
