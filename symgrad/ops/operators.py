"""NumPy's operators and functions on nodes: `@`, `.T`, `*` entry by entry, shapes aligned from the right."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from symgrad.core.functions import FUNCTION_NAMES
from symgrad.core.node import Node, number_node, operators
from symgrad.errors import InputError, ShapeError
from symgrad.ops.arithmetic import add, constant_of, divide, map_function, power, product, scaled, subtract
from symgrad.ops.kernels import FUNCTIONS, Array

__all__ = ["FUNCTIONS_OF_NODES", "as_node", "function_of"]


def as_node(value: object) -> Node:
    """A node from a node or a plain number. Raises InputError for anything else."""
    if isinstance(value, Node):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction | np.integer | np.floating):
        raise InputError(f"a node combines with nodes and numbers, not with {type(value).__name__}: declare arrays with sg.data and give them values later")
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise InputError(f"{value} is no finite number")
        return number_node(Fraction(repr(float(value))))
    return number_node(Fraction(int(value)) if isinstance(value, np.integer) else Fraction(value))


def _letters(*nodes: Node) -> tuple[list[tuple[Node, tuple[str, ...]]], tuple[str, ...]]:
    """Letters that align shapes from the right, as NumPy does. Raises ShapeError where sizes differ."""
    rank = max(n.rank for n in nodes)
    names = tuple(f"x{k}" for k in range(rank))
    sizes: dict[str, object] = {}
    for n in nodes:
        for name, size in zip(names[rank - n.rank:], n.shape, strict=True):
            if sizes.setdefault(name, size) != size:
                raise ShapeError(f"shapes do not fit: {', '.join(str(m.shape) for m in nodes)}")
    return [(n, names[rank - n.rank:]) for n in nodes], names


def _add(a: Node, b: object) -> Node:
    terms, out = _letters(a, as_node(b))
    return add(terms, out)


def _sub(a: Node, b: object) -> Node:
    (left, right), out = _letters(a, as_node(b))
    return subtract(left, right, out)


def _mul(a: Node, b: object) -> Node:
    terms, out = _letters(a, as_node(b))
    return product(terms, out)


def _div(a: Node, b: object) -> Node:
    (left, right), out = _letters(a, as_node(b))
    return divide(left, right, out)


def _pow(a: Node, b: object) -> Node:
    exponent = as_node(b)
    value = constant_of(exponent)
    if value == Fraction(1, 2):
        return map_function("sqrt", a)
    (left, right), out = _letters(a, exponent)
    return power(left, right, out)


def _matmul(a: Node, b: object) -> Node:
    other = as_node(b)
    if not a.rank or not other.rank or a.rank > 2 or other.rank > 2:
        raise ShapeError(f"@ takes vectors and matrices, not shapes {a.shape} and {other.shape}; use * with a scalar")
    left = ("i", "k") if a.rank == 2 else ("k",)
    right = ("k", "j") if other.rank == 2 else ("k",)
    return product([(a, left), (other, right)], [*left[:-1], *right[1:]])


def _transpose(a: Node) -> Node:
    letters = [f"x{k}" for k in range(a.rank)]
    return product([(a, letters)], letters[::-1])


def _swapped(f: Callable[[Node, object], Node]) -> Callable[[Node, object], Node]:
    return lambda a, b: f(as_node(b), a)


def _array_ufunc(self: Node, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> Any:
    if method == "__call__" and not options:
        binary = _BINARY.get(ufunc.__name__)
        if binary is not None and len(inputs) == 2:
            return binary(as_node(inputs[0]), inputs[1])
        name = _RENAMED.get(ufunc.__name__, ufunc.__name__)
        if name in FUNCTIONS_OF_NODES and len(inputs) == 1:
            return FUNCTIONS_OF_NODES[name](self)
    raise InputError(f"np.{ufunc.__name__} is not known for nodes; known are {', '.join(sorted({*_BINARY, *FUNCTIONS_OF_NODES}))}")


_BINARY: Mapping[str, Callable[[Node, object], Node]] = {
    "add": _add, "subtract": _sub, "multiply": _mul, "divide": _div, "true_divide": _div, "power": _pow, "float_power": _pow, "matmul": _matmul,
}
_RENAMED = {"absolute": "abs", "fabs": "abs"}


def function_of(name: str) -> Callable[[Any], Any]:
    """The function of that name for nodes and arrays alike."""
    def apply(z: Node | Array | float) -> Any:
        return map_function(name, z) if isinstance(z, Node) else FUNCTIONS[name](np.asarray(z, dtype=float))
    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"{name} of a node or an array, entry by entry."
    return apply


FUNCTIONS_OF_NODES: dict[str, Callable[[Any], Any]] = {name: function_of(name) for name in sorted(FUNCTION_NAMES)}
FUNCTIONS_OF_NODES["negative"] = lambda a: scaled(a, -1)
FUNCTIONS_OF_NODES["square"] = lambda a: _pow(a, 2)
FUNCTIONS_OF_NODES["reciprocal"] = lambda a: _div(number_node(1), a)

operators.update({
    "__add__": _add, "__radd__": _add, "__sub__": _sub, "__rsub__": _swapped(_sub), "__mul__": _mul, "__rmul__": _swapped(_mul), "__truediv__": _div,
    "__rtruediv__": _swapped(_div), "__matmul__": _matmul, "__rmatmul__": _swapped(_matmul), "__pow__": _pow, "__rpow__": _swapped(_pow),
    "__neg__": lambda a: scaled(a, -1), "__pos__": lambda a: a, "__abs__": lambda a: map_function("abs", a), "T": _transpose, "__array_ufunc__": _array_ufunc,
})
