"""Values for unknown functions: from a name or a tuple of derivatives to what the executor calls; and smooth stand-ins for checks."""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.node import Node, variable
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError, MissingValueError, nearest
from symgrad.ops.arithmetic import map_function, total
from symgrad.ops.kernels import FUNCTIONS, Array
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute

__all__ = ["ByOrder", "Given", "One", "StandIn", "function_values", "split_functions", "stand_in"]

@dataclass(frozen=True)
class ByOrder:
    """A function that knows all its derivatives: `of((1, 2))` is the one by arguments 1 and 2."""

    of: Callable[[tuple[int, ...]], Callable[..., Array]]


One = str | ByOrder | Sequence[Callable[..., Array]] | Mapping[tuple[int, ...], Callable[..., Array]] | Callable[..., Array]
Given = Mapping[str, One] | None
"""By name: a symgrad function ("tanh"); or (f, df, ddf, ...), derived by the last argument; or {(): f, (1,): f_1, (2, 2): f_22, ...} by the
arguments derived by; or f alone, where no derivative is needed."""


def function_values(given: Given) -> Functions:
    """What the executor takes. Raises InputError for what gives no function."""
    return {name: _by_order(name, value) for name, value in (given or {}).items()}


def _by_order(name: str, value: One) -> Callable[[tuple[int, ...]], Callable[..., Array]]:
    if isinstance(value, str):
        if value not in FUNCTIONS:
            raise InputError(f"{value!r} is no function of symgrad{nearest(value, FUNCTIONS)}")
        return functools.partial(_derived, value)
    if isinstance(value, ByOrder):
        return value.of
    if isinstance(value, Mapping):
        return functools.partial(_listed, name, dict(value))
    if callable(value):
        return functools.partial(_listed, name, {(): value})
    if isinstance(value, tuple | list) and value and all(map(callable, value)):
        return functools.partial(_sequence, name, tuple(value))
    raise InputError(f"the value of the function {name} is a name such as 'tanh', (f, df, ...), or a dict of functions by the arguments derived by")


def _listed(name: str, known: Mapping[tuple[int, ...], Callable[..., Array]], order: tuple[int, ...]) -> Callable[..., Array]:
    if order not in known:
        raise MissingValueError(f"the derivative of {name} by its arguments {order} has no value: give {name} as (f, df, ...) or {{(): f, {order}: ...}}")
    return known[order]


def _sequence(name: str, known: Sequence[Callable[..., Array]], order: tuple[int, ...]) -> Callable[..., Array]:
    if len(order) >= len(known):
        raise MissingValueError(f"the function {name} needs its derivative of order {len(order)}; {len(known) - 1} are given")
    if len(set(order)) > 1:
        raise MissingValueError(f"{name} is given with derivatives by one argument; this asks for {order}: give a dict {{(): f, {order}: ...}}")
    return known[len(order)]


def split_functions(values: Mapping[str, object]) -> tuple[dict[str, ArrayLike], dict[str, One]]:
    """(arrays, functions) of values by name: a text, a callable, a dict or a tuple of callables is a function."""
    functions = {k: v for k, v in values.items() if isinstance(v, str | Mapping) or callable(v) or (isinstance(v, tuple | list) and any(map(callable, v)))}
    return {k: v for k, v in values.items() if k not in functions}, functions  # type: ignore[misc, return-value]  # told apart above


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
