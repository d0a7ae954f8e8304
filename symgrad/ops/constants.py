"""Arrays and numbers that a program holds come in; leaves that carry their own value go out, equal contents being one node."""
from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from fractions import Fraction

import numpy as np
import sympy as sp

from symgrad.core.node import Constant, Node, constant_node, number_node, size_node
from symgrad.core.shape import Extent
from symgrad.errors import InputError
from symgrad.ops.arithmetic import map_function
from symgrad.ops.masks import Mask

__all__ = ["Names", "as_node", "constant", "naming"]


class Names:
    """Names of constants while one function is traced: what the program calls an array where that is known, else c1, c2, ..."""

    def __init__(self, known: dict[int, str], taken: set[str]) -> None:
        self.known, self.taken, self.given = known, taken, dict[str, str]()

    def of(self, array: object, digest: str) -> str:
        """The name of an array: one name for equal contents."""
        if digest not in self.given:
            wish, count = self.known.get(id(array), ""), len(self.given) + 1
            while not wish or wish in self.taken:
                wish, count = f"c{count}", count + 1
            self.taken.add(wish)
            self.given[digest] = wish
        return self.given[digest]


_names: ContextVar[Names | None] = ContextVar("names", default=None)


@contextlib.contextmanager
def naming(names: Names) -> Iterator[None]:
    """Constants made inside are named by `names`; outside, by their contents."""
    token = _names.set(names)
    try:
        yield
    finally:
        _names.reset(token)


def constant(array: object, name: str = "") -> Node:
    """The leaf that holds an array of real numbers (booleans are 0 and 1). Raises InputError for anything else."""
    found = np.asarray(array)
    if found.dtype.kind not in "fiub":
        kind = "complex numbers" if found.dtype.kind == "c" else f"{found.dtype} values"
        raise InputError(f"an array of {kind} is no constant of a graph: symgrad works on real numbers")
    values = np.array(found, dtype=np.float64, order="C")
    values.flags.writeable = False
    digest = hashlib.blake2b(repr(values.shape).encode() + values.tobytes(), digest_size=16).hexdigest()
    names = _names.get()
    return constant_node(name or (names.of(array, digest) if names else f"c_{digest[:6]}"), Constant(digest, values))


def _real(value: float) -> Node:
    """A number as it is written; the square root of a whole number as a root, so that 1/np.sqrt(3) reads 1/sqrt(3)."""
    if not math.isfinite(value):
        return constant(value)
    square = round(value * value) if 1 < value < 1000 else 0
    if square and not value.is_integer() and math.sqrt(square) == value:
        return map_function("sqrt", number_node(square))
    return number_node(Fraction(repr(value)))


def as_node(value: object) -> Node:
    """A node from a node, a mask, a size, a number or an array of numbers. Raises InputError for anything else."""
    if isinstance(value, Node):
        return value
    if isinstance(value, Mask):
        return value.node
    if isinstance(value, Extent | sp.Expr):
        return size_node(value)
    if isinstance(value, Fraction):
        return number_node(value)
    if isinstance(value, list | tuple):
        if any(isinstance(v, Node | Mask) for v in value):
            raise InputError("a list of nodes is no array: join them with np.stack([...]), or np.concatenate")
        value = np.asarray(value)
    if isinstance(value, np.ndarray | np.generic):
        if value.ndim:
            return constant(value)
        value = value.item()
    if isinstance(value, bool | int):
        return number_node(int(value))
    if isinstance(value, float):
        return _real(value)
    raise InputError(f"a node combines with nodes, numbers and arrays of numbers, not with {type(value).__name__}")
