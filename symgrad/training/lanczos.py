"""Products of a symmetric operator with vectors come in; its largest or smallest eigenvalues go out, with how far they can be off."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from symgrad.errors import InputError
from symgrad.ops.kernels import Array

__all__ = ["Eigenvalues", "eigenvalues"]

Product = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Eigenvalues:
    """Eigenvalues from the extreme one on, an eigenvector in each row of `vectors`; `residuals` are the norms of A v - value v.

    Each value is within its residual of an eigenvalue of the operator. `converged`: every residual is within the tolerance.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int
    converged: bool

    def __float__(self) -> float:
        return float(self.values[0])

    def __str__(self) -> str:
        shown = ", ".join(f"{v:.6g} (within {r:.1e})" for v, r in zip(self.values, self.residuals, strict=True))
        return f"{shown}; {self.products} products" + ("" if self.converged else "; not converged")


def eigenvalues(product: Product, size: int, k: int = 1, *, which: str = "largest", tolerance: float = 1e-6, limit: int = 100, seed: int = 0) -> Eigenvalues:
    """The `k` largest (or smallest) eigenvalues of a symmetric operator on vectors of that size, by Lanczos with full reorthogonalisation.

    One after the other, each in the complement of those found before, so that an eigenvalue that stands twice is found twice. tolerance:
    of the residuals, relative to the largest eigenvalue in size. limit: at most so many products for each eigenvalue. Raises InputError
    for a k outside 1..size, another word, and products that are not finite or not symmetric.
    """
    if not 1 <= k <= size:
        raise InputError(f"an operator on {size} numbers has {size} eigenvalues; k is from 1 to {size}, not {k}")
    if which not in ("largest", "smallest"):
        raise InputError(f"which eigenvalues is 'largest' or 'smallest', not {which!r}")
    sign = 1.0 if which == "largest" else -1.0
    counted = _Counted(product, sign)
    rng = np.random.default_rng(seed)
    found = np.zeros((0, size))
    values, residuals, scale = [], [], 0.0
    for _ in range(k):
        vector, extent = _leading(counted, found, rng, tolerance, limit)
        scale = max(scale, extent)
        image = counted(vector)
        values.append(float(vector @ image))
        residuals.append(float(np.linalg.norm(image - values[-1] * vector)))
        found = np.vstack([found, vector])
    order = np.argsort(values, kind="stable")[::-1]        # close ones may have been found in the other order
    small = np.array(residuals) <= 10 * tolerance * scale + np.finfo(float).tiny
    return Eigenvalues(sign * np.array(values)[order], found[order], np.array(residuals)[order], counted.count, bool(small.all()))


class _Counted:
    """The operator, or its negative, with its products checked and counted."""

    def __init__(self, product: Product, sign: float) -> None:
        self.product, self.sign, self.count = product, sign, 0

    def __call__(self, vector: Array) -> Array:
        self.count += 1
        image = np.asarray(self.product(vector), dtype=float)
        if image.shape != vector.shape:
            raise InputError(f"the product with a vector of shape {vector.shape} has the shape {image.shape}")
        if not np.isfinite(image).all():
            raise InputError(f"product {self.count} with the operator is not finite: the values or the derivatives overflow; begin from smaller ones")
        return self.sign * image


def _leading(product: _Counted, locked: Array, rng: np.random.Generator, tolerance: float, limit: int) -> tuple[Array, float]:
    """A unit eigenvector of the largest eigenvalue in the complement of the rows of `locked`, and the largest Ritz value in size."""
    size = locked.shape[1]
    room = min(limit, size - len(locked))
    basis = np.zeros((room, size))
    diagonal, beside = np.zeros(room), np.zeros(room)
    vector = _fresh(rng, locked)
    for step in range(room):
        basis[step] = vector
        image = product(vector)
        diagonal[step] = vector @ image
        if step and abs(basis[step - 1] @ image - beside[step - 1]) > 1e-6 * max(np.linalg.norm(image), abs(beside[step - 1])):
            raise InputError("the operator is not symmetric: v' A w and w' A v differ, and eigenvalues are found for symmetric ones only")
        rest = _apart(image, np.vstack([locked, basis[:step + 1]]))
        length = float(np.linalg.norm(rest))
        ritz, inner = np.linalg.eigh(np.diag(diagonal[:step + 1]) + np.diag(beside[:step], 1) + np.diag(beside[:step], -1))
        extent = float(np.abs(ritz).max())
        if step + 1 == room or (length * abs(inner[-1, -1]) <= tolerance * extent and step > min(8, room - 2)):
            break
        if length <= 1e-12 * max(extent, np.finfo(float).tiny):   # an invariant subspace: what lies outside it may hold more
            beside[step], vector = 0.0, _fresh(rng, np.vstack([locked, basis[:step + 1]]))
        else:
            beside[step], vector = length, rest / length
    found = _apart(inner[:, -1] @ basis[:step + 1], locked)
    found /= np.linalg.norm(found)
    return found * np.sign(found[np.argmax(np.abs(found))]), extent


def _fresh(rng: np.random.Generator, basis: Array) -> Array:
    """A random unit vector orthogonal to the rows of `basis`."""
    vector = _apart(rng.standard_normal(basis.shape[1:]), basis)
    return vector / np.linalg.norm(vector)


def _apart(vector: Array, basis: Array) -> Array:
    """The vector without its part in the span of the rows; twice is enough (Parlett 1980)."""
    for _ in range(2):
        vector = vector - (basis @ vector) @ basis
    return vector
