"""Losses of arrays and nodes alike: the target first, means over everything, sums over classes, which are the last axis."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgrad.core.shape import shape_text
from symgrad.errors import InputError, ShapeError
from symgrad.interop.neural import log_softmax, onehot
from symgrad.ops import loss
from symgrad.ops.kernels import Array, softplus
from symgrad.ops.operators import as_node, is_symbolic

__all__ = [
    "bce", "bce_logits", "contrastive", "cross_entropy", "cross_entropy_logits", "hinge", "huber", "infonce", "kl", "mae", "mse",
]

_OF_ARRAYS: Mapping[str, Callable[[Array, Array], Array]] = {
    "mse": lambda y, p: (p - y) ** 2, "mae": lambda y, p: np.abs(p - y), "hinge": lambda y, p: np.maximum(0, 1 - y * p),
    "bce": lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)), "bce_logits": lambda y, z: softplus(z) - y * z,
    "cross_entropy": lambda y, p: -np.sum(y * np.log(p), -1), "cross_entropy_logits": lambda y, z: -np.sum(y * log_softmax(z), -1),
    "kl": lambda p, q: np.sum(p * (np.log(p) - np.log(q)), -1),
}


def _fits(word: str, a: Any, b: Any) -> None:
    if np.shape(a) != np.shape(b):
        raise ShapeError(f"{word} takes arrays of one shape, not {shape_text(np.shape(a))} and {shape_text(np.shape(b))}")


def _loss(word: str, y: Any, prediction: Any) -> Any:
    _fits(word, y, prediction)
    if is_symbolic(y) or is_symbolic(prediction):
        return loss.LOSSES[word](as_node(y), as_node(prediction), 0, ())
    return float(np.mean(_OF_ARRAYS[word](np.asarray(y, dtype=float), np.asarray(prediction, dtype=float))))


def _of_classes(word: str, y: Any, prediction: Any, smoothing: Any) -> Any:
    if not np.ndim(prediction):
        raise ShapeError(f"{word} sums over classes, the last axis; a scalar has none")
    if np.ndim(y) == np.ndim(prediction) - 1:
        y = onehot(y, np.shape(prediction)[-1])
    if is_symbolic(y) or is_symbolic(smoothing):
        y = loss.smoothed(as_node(y), as_node(smoothing))
    else:
        if not 0 <= smoothing < 1:
            raise InputError(f"smoothing is at least 0 and less than 1, found {smoothing}")
        y = (1 - smoothing) * np.asarray(y, dtype=float) + smoothing / np.shape(y)[-1] if smoothing else y
    return _loss(word, y, prediction)


def mse(y: Any, yhat: Any) -> Any:
    """mean((yhat - y)^2) over arrays of one shape; a scalar. Raises ShapeError, as all of these do."""
    return _loss("mse", y, yhat)


def mae(y: Any, yhat: Any) -> Any:
    """mean(|yhat - y|) over arrays of one shape; a scalar."""
    return _loss("mae", y, yhat)


def huber(y: Any, yhat: Any, delta: Any = 1) -> Any:
    """mean(m^2/2 + delta (a - m)) with a = |yhat - y|, m = min(a, delta): Huber (1964). Raises InputError unless delta is positive."""
    _fits("huber", y, yhat)
    loss.positive("delta of huber", as_node(delta))
    if any(map(is_symbolic, (y, yhat, delta))):
        return loss.huber(as_node(y), as_node(yhat), as_node(delta), 0)
    a = np.abs(np.asarray(yhat, dtype=float) - y)
    m = np.minimum(a, delta)
    return float(np.mean(m**2 / 2 + delta * (a - m)))


def hinge(y: Any, yhat: Any) -> Any:
    """mean(max(0, 1 - y yhat)), y is -1 or 1; a scalar."""
    return _loss("hinge", y, yhat)


def bce(y: Any, p: Any) -> Any:
    """-mean(y log p + (1 - y) log(1 - p)) of probabilities; a scalar."""
    return _loss("bce", y, p)


def bce_logits(y: Any, z: Any) -> Any:
    """bce(y, sigmoid(z)) from the logits: mean(log(1 + exp(z)) - y z), which never overflows."""
    return _loss("bce_logits", y, z)


def cross_entropy(y: Any, p: Any, smoothing: Any = 0) -> Any:
    """-sum over classes of y log p, mean over examples; y is one-hot, a distribution, or labels 1..K (one axis less).

    smoothing: the target becomes (1 - s) y + s/K, Szegedy et al. (2016). Raises InputError for s outside [0, 1) and for a label that is none.
    """
    return _of_classes("cross_entropy", y, p, smoothing)


def cross_entropy_logits(y: Any, z: Any, smoothing: Any = 0) -> Any:
    """cross_entropy(y, softmax(z), smoothing) from the logits, which never overflows."""
    return _of_classes("cross_entropy_logits", y, z, smoothing)


def kl(p: Any, q: Any) -> Any:
    """sum over classes of p (log p - log q), mean over examples; a scalar."""
    return _loss("kl", p, q)


def contrastive(y: Any, a: Any, b: Any, margin: Any = 1) -> Any:
    """mean(y d^2/2 + (1 - y) max(0, margin - d)^2/2), d the length of a - b, y = 1 for alike: Hadsell, Chopra and LeCun (2006).

    a and b are (..., D), y is (...). Where a = b the distance has no gradient. Raises ShapeError, and InputError unless margin is positive.
    """
    _fits("contrastive", a, b)
    loss.positive("margin of contrastive", as_node(margin))
    if not np.ndim(a) or np.shape(y) != np.shape(a)[:-1]:
        raise ShapeError(f"contrastive takes 1 or 0 for each pair of vectors, not {shape_text(np.shape(y))} for {shape_text(np.shape(a))}")
    if any(map(is_symbolic, (y, a, b, margin))):
        return loss.contrastive(as_node(y), as_node(a), as_node(b), as_node(margin))
    d = np.linalg.norm(np.asarray(a, dtype=float) - b, axis=-1)
    return float(np.mean(np.asarray(y) * d**2 + (1 - np.asarray(y)) * np.maximum(0, margin - d) ** 2) / 2)


def infonce(a: Any, b: Any, temperature: Any = 1) -> Any:
    """Cross-entropy of softmax(a b'/temperature) with row i belonging to i, mean over rows: van den Oord et al. (2018).

    a and b are (N, D). Raises ShapeError, and InputError unless temperature is positive.
    """
    _fits("infonce", a, b)
    loss.positive("temperature of infonce", as_node(temperature))
    if np.ndim(a) != 2:
        raise ShapeError(f"infonce takes examples x features, not rank {np.ndim(a)}")
    if any(map(is_symbolic, (a, b, temperature))):
        return loss.infonce(as_node(a), as_node(b), as_node(temperature))
    return float(-np.mean(np.diag(log_softmax(np.asarray(a, dtype=float) @ np.asarray(b, dtype=float).T / temperature))))
