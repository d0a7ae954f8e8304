"""NumPy functions behind the ops: scalar functions by name, and stable kernels where a textbook formula overflows.

The equation stays the definition of an op; a kernel computes the same without intermediate infinities.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from symgrad.ops.array_kernels import ARRAY_KERNELS

__all__ = ["FUNCTIONS", "KERNELS", "STRUCTURED", "Array", "Kernel"]

Array = NDArray[np.floating]
Function = Callable[..., Array]
Kernel = Callable[[Array, int], Array]

_erf = np.frompyfunc(math.erf, 1, 1)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow for any z."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def softplus(z: Array) -> Array:
    """log(1 + exp(z)), without overflow for any z."""
    return np.asarray(np.logaddexp(0.0, z))


def erf(z: Array) -> Array:
    """The error function."""
    return np.asarray(_erf(z), dtype=np.asarray(z).dtype if np.asarray(z).dtype.kind == "f" else float)


def gelu(z: Array) -> Array:
    """z * Phi(z) with the normal distribution function, exact."""
    return z * (0.5 + 0.5 * erf(z / math.sqrt(2.0)))


def _negative_part(z: Array) -> Array:
    return np.expm1(np.minimum(z, 0.0))


FUNCTIONS: Mapping[str, Function] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos,
    "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "log1p": np.log1p, "expm1": np.expm1, "abs": np.abs, "sign": np.sign,
    "step": lambda z: np.where(z > 0, 1.0, 0.0), "relu": lambda z: np.maximum(z, 0.0), "sigmoid": sigmoid, "softplus": softplus, "erf": erf,
    "gelu": gelu, "silu": lambda z: z * sigmoid(z), "mish": lambda z: z * np.tanh(softplus(z)),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z), "elu": lambda z: np.maximum(z, 0.0) + _negative_part(z),
    "selu": lambda z: 1.0507009873554804934 * (np.maximum(z, 0.0) + 1.6732632423543772848 * _negative_part(z)),
    "hardtanh": lambda z: np.clip(z, -1.0, 1.0),
}
"""name -> function of an array, entry by entry."""


def _last(count: int) -> tuple[int, ...]:
    return tuple(range(-count, 0))


def softmax(z: Array, axes: int = 1) -> Array:
    """exp(z) / sum(exp(z)) over the last axes, shifted by the maximum."""
    e = np.exp(z - np.max(z, axis=_last(axes), keepdims=True))
    return np.asarray(e / np.sum(e, axis=_last(axes), keepdims=True))


def logsumexp(z: Array, axes: int = 1) -> Array:
    """log(sum(exp(z))) over the last axes, shifted by the maximum."""
    top = np.max(z, axis=_last(axes), keepdims=True)
    return np.asarray(np.squeeze(top, _last(axes)) + np.log(np.sum(np.exp(z - top), axis=_last(axes))))


KERNELS: Mapping[str, Kernel] = {"softmax": softmax, "logsumexp": logsumexp, "log_softmax.u": logsumexp}
"""op name -> kernel over the last axes of its one operand."""


def _adjugate(x: Array) -> Array:
    """The adjugate by singular values, so that it is right for singular matrices too: adj(U S V') = det(U) det(V) V adj(S) U'."""
    u, s, vt = np.linalg.svd(x)
    n = s.shape[-1]
    rest = np.stack([np.prod(np.delete(s, k, axis=-1), axis=-1) for k in range(n)], axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return np.asarray(sign[..., None, None] * np.einsum("...ji,...j,...kj->...ik", vt, rest, u))


STRUCTURED: Mapping[str, Function] = {
    "inv": np.linalg.inv, "det": np.linalg.det, "logdet": lambda x: np.linalg.slogdet(x)[1], "adj": _adjugate, "pinv": np.linalg.pinv,
    **ARRAY_KERNELS,
}
"""structured op -> function of arrays; matrix functions take a stack of matrices."""
