"""Values for unknown functions: from a name or a tuple of derivatives to what the executor calls; and smooth stand-ins for checks."""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.node import Node, variable
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError, nearest
from symgrad.ops.arithmetic import map_function, total
from symgrad.ops.kernels import FUNCTIONS, Array
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute

__all__ = ["Given", "StandIn", "function_values", "stand_in"]

Given = Mapping[str, str | Sequence[Callable[..., Array]] | Callable[..., Array]] | None
"""By name: a symgrad function ("tanh"), or (f, df, ddf, ...), or f from the tuple of arguments derived by to a function."""


def function_values(given: Given) -> Functions:
    """What the executor takes. Raises InputError for a function name that is not known."""
    found: dict[str, Sequence[Callable[..., Array]] | Callable[[tuple[int, ...]], Callable[..., Array]]] = {}
    for name, value in (given or {}).items():
        if isinstance(value, str):
            if value not in FUNCTIONS:
                raise InputError(f"{value!r} is no function of symgrad{nearest(value, FUNCTIONS)}")
            found[name] = functools.partial(_derived, value)
        else:
            found[name] = value
    return found


def _derived(name: str, order: tuple[int, ...]) -> Callable[[Array], Array]:
    """The derivative of a known function, derived as everything else is."""
    x = variable("x", ("n",))
    node: Node | None = map_function(name, x)
    for _ in order:
        node = reverse(total(node), [x]).results[x] if node is not None else None
    def value(z: Array) -> Array:
        if node is None:
            return np.zeros_like(z)
        return execute([node], {"x": np.ravel(z)})[node].reshape(np.shape(z))
    return value


@dataclass(frozen=True)
class StandIn:
    """A smooth function of any number of arguments with all its derivatives: sin of a weighted sum, of numbers or of whole arrays."""

    weights: Array
    phase: float

    def __call__(self, order: tuple[int, ...]) -> Callable[..., Array]:
        """The derivative by the arguments `order`, entry by entry."""
        factor = float(np.prod([self.weights[k - 1] for k in order]))
        def value(*arguments: Array) -> Array:
            angle = self.phase + sum(w * a for w, a in zip(self.weights, arguments, strict=False))
            return np.asarray(factor * np.sin(angle + len(order) * math.pi / 2))
        return value

    def of_arrays(self, order: tuple[int, ...]) -> Callable[..., Array]:
        """The derivative by the arguments `order` of the sine of a weighted sum of all entries."""
        def value(*arguments: Array) -> Array:
            slopes = [w * np.cos(np.arange(1.0, np.size(a) + 1)).reshape(np.shape(a)) for w, a in zip(self.weights, arguments, strict=False)]
            angle = self.phase + sum(float(np.sum(s * a)) for s, a in zip(slopes, arguments, strict=True))
            found = np.asarray(np.sin(angle + len(order) * math.pi / 2))
            for k in order:
                found = np.multiply.outer(found, slopes[k - 1])
            return found
        return value


def stand_in(seed: int) -> StandIn:
    """A smooth function by seed."""
    rng = np.random.default_rng(seed)
    return StandIn(rng.uniform(0.6, 1.4, size=8), float(rng.uniform(0, 1)))
