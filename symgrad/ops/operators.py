"""Operators of nodes, sizes and masks: Python's symbols go in, NumPy's meaning comes out; what a trace cannot do raises with the remedy."""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp

from symgrad.core.functions import FUNCTION_NAMES
from symgrad.core.node import Node, operators, size_node
from symgrad.core.shape import Extent, size_expression, size_operators
from symgrad.errors import ShapeError, UnsupportedError
from symgrad.ops.arithmetic import map_function, product, scaled
from symgrad.ops.broadcasting import as_size, broadcast_shape, minus, over, plus, raised, times, without
from symgrad.ops.choice import compared
from symgrad.ops.constants import as_node
from symgrad.ops.indexing import index_node
from symgrad.ops.kernels import FUNCTIONS, Array
from symgrad.ops.masks import Mask
from symgrad.ops.shaping import permuted
from symgrad.ops.stacking import plain_size

__all__ = ["FUNCTIONS_OF_NODES", "as_node", "function_of", "is_symbolic", "matmul"]


def is_symbolic(value: object) -> bool:
    """Whether a value is a node, a mask or a size."""
    return isinstance(value, Node | Mask | Extent)


def matmul(left: object, right: object) -> Node:
    """left @ right as NumPy has it: vectors, matrices, and matrices along leading axes that broadcast. Raises ShapeError."""
    a, b = as_node(left), as_node(right)
    if not a.rank or not b.rank:
        raise ShapeError(f"@ takes arrays, not a scalar (shapes {a.shape} and {b.shape}): use *")
    inner = (a.shape[-1], b.shape[-2 if b.rank > 1 else 0])
    if inner[0] != inner[1]:
        hint = "" if all(isinstance(n, int) for n in inner) else "; sizes that are equal need the same name or number"
        raise ShapeError(f"shapes {a.shape} and {b.shape} do not fit @: {inner[0]} columns meet {inner[1]} rows{hint}")
    lead = broadcast_shape(a.shape[:-2], b.shape[:-2])
    names = [f"l{k}" for k in range(len(lead))]
    def term(node: Node, own: tuple[str, ...]) -> tuple[Node, list[str]]:
        count = node.rank - len(own)
        kept = [k for k in range(count) if node.shape[k] == lead[len(lead) - count + k]]
        if len(kept) < count:
            node = without(node, [k for k in range(count) if k not in kept])
        return node, [*(names[len(lead) - count + k] for k in kept), *own]
    row, column = ("i", "k") if a.rank > 1 else ("k",), ("k", "j") if b.rank > 1 else ("k",)
    return product([term(a, row), term(b, column)], [*names, *row[:-1], *column[1:]])


def _swapped(f: Callable[[object, object], object]) -> Callable[[object, object], object]:
    return lambda a, b: f(b, a)


_BINARY: dict[str, Callable[[object, object], object]] = {
    "add": plus, "sub": minus, "mul": times, "truediv": over, "pow": raised, "matmul": matmul,
}
_COMPARED = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


# ---------------------------------------------------------------------- what cannot be traced
def _refuse(message: str) -> Callable[..., object]:
    def method(*_: object, **__: object) -> object:
        raise UnsupportedError(message)
    return method


_NO_VALUE = "the trace has no values"
REFUSED: dict[str, str] = {
    "__bool__": f"a branch on a value: {_NO_VALUE}; write np.where(condition, a, b), np.maximum or np.minimum",
    "__float__": f"a value is turned into a Python number or written into an array: {_NO_VALUE}; use np functions instead of math's, and collect "
                 "results in a list for np.stack or np.concatenate",
    "__int__": f"a value is turned into a whole number: {_NO_VALUE}; use a constant from outside",
    "__index__": f"a value is used as an index or a count: {_NO_VALUE}; use constant indices, or a product with one-hot rows",
    "__complex__": "a value is turned into a complex number: symgrad works on real numbers",
    "__array__": f"a value is turned into an array (np.array, np.asarray, or an np function that takes no nodes): {_NO_VALUE}; "
                 "join nodes with np.stack([...]) or np.concatenate",
    "__setitem__": "an in-place write: values of the graph never change; build the new array with np.where, np.concatenate or np.stack",
    "__delitem__": "an in-place deletion: values of the graph never change; take the parts that stay and np.concatenate them",
    "__contains__": f"`in` compares values: {_NO_VALUE}",
    "__round__": "rounding has no slope and is no op here; leave it out of the function that is differentiated",
    **{f"__{r}{name}__": f"the operator {symbol} is not known for nodes: it has jumps; leave it out of what is differentiated"
       for name, symbol in (("mod", "%"), ("floordiv", "//"), ("divmod", "divmod")) for r in ("", "r")},
    **{f"__{r}{name}__": f"the operator {symbol} takes comparisons, such as (x > 0) {symbol} (y > 0)"
       for name, symbol in (("and", "&"), ("or", "|"), ("xor", "^")) for r in ("", "r")},
    "__invert__": "the operator ~ takes comparisons, such as ~(x > 0)",
}
"""operator -> why a node refuses it, with the remedy."""
_IN_PLACE = {"iadd": ("+", plus), "isub": ("-", minus), "imul": ("*", times), "itruediv": ("/", over), "ipow": ("**", raised), "imatmul": ("@", matmul)}


def _in_place(symbol: str, f: Callable[[object, object], object]) -> Callable[[Node, object], object]:
    """On a scalar `a += b` is a new value, as for NumPy's numbers; on an array it writes into it."""
    def method(a: Node, b: object) -> object:
        if a.rank:
            raise UnsupportedError(f"an in-place write ({symbol}=) to an array, which whoever else holds it would see: write z = z {symbol} ...")
        return f(a, b)
    return method


def _length(node: Node) -> int:
    if not node.rank:
        raise TypeError("len() of a scalar")
    size = node.shape[0]
    if not isinstance(size, int):
        raise UnsupportedError(f"len() of an axis whose size {size} is a name: use x.shape[0] in arithmetic, or give the size as a whole number")
    return size


def _rows(node: Node) -> Iterator[Node]:
    if not node.rank:
        raise TypeError("a scalar has no entries to loop over")
    if not isinstance(node.shape[0], int):
        raise UnsupportedError(f"a loop over an axis whose size {node.shape[0]} is a name: give the size as a whole number, or compute with whole arrays")
    return (index_node(node, k) for k in range(node.shape[0]))


operators.update({
    **{f"__{k}__": f for k, f in _BINARY.items()}, **{f"__r{k}__": _swapped(f) for k, f in _BINARY.items()},
    **{f"__{k}__": functools.partial(compared, name) for k, name in _COMPARED.items()}, **{k: _refuse(text) for k, text in REFUSED.items()},
    **{f"__{k}__": _in_place(symbol, f) for k, (symbol, f) in _IN_PLACE.items()},
    "__imod__": _refuse(REFUSED["__mod__"]), "__ifloordiv__": _refuse(REFUSED["__floordiv__"]),
    "__neg__": lambda a: scaled(a, -1), "__pos__": lambda a: a, "__abs__": lambda a: map_function("abs", a), "__getitem__": index_node,
    "__len__": _length, "__iter__": _rows, "T": lambda a: permuted(a, range(a.rank)[::-1]), "constant": as_node,
})


# ---------------------------------------------------------------------- sizes
def _of_size(f: Callable[[object, object], object], swap: bool = False) -> Callable[[Extent, object], object]:
    def method(size: Extent, other: object) -> object:
        pair = (other, size_node(size)) if swap else (size_node(size), other)
        return f(*pair)
    return method


def _floor_divided(a: object, b: object) -> Node:
    return as_node(plain_size(sp.floor(size_expression(as_size(a)) / size_expression(as_size(b)))))


def _no_number(size: Extent, *_: object) -> object:
    raise UnsupportedError(f"the size {size!s} is a name, and a whole number is needed here (a loop, np.zeros, math): give it as one, as in "
                           "x=(4, 3), or use np.zeros_like, np.ones_like and array arithmetic")


size_operators.update({
    **{f"__{k}__": _of_size(f) for k, f in _BINARY.items() if k != "matmul"}, **{f"__r{k}__": _of_size(f, True) for k, f in _BINARY.items() if k != "matmul"},
    "__floordiv__": _of_size(_floor_divided), "__rfloordiv__": _of_size(_floor_divided, True),
    "__neg__": lambda s: scaled(size_node(s), -1), "__pos__": lambda s: s, "__index__": _no_number, "__int__": _no_number, "__float__": _no_number,
    "__array_ufunc__": lambda s, ufunc, method, *inputs, **options: operators["__array_ufunc__"](size_node(s), ufunc, method, *inputs, **options),
})


# ---------------------------------------------------------------------- functions of nodes and arrays alike
def function_of(name: str) -> Callable[[Any], Any]:
    """The function of that name for nodes and arrays alike."""
    def apply(z: Node | Array | float) -> Any:
        if is_symbolic(z):
            return map_function(name, as_node(z))
        found = FUNCTIONS[name](np.asarray(z, dtype=float))
        return found if np.ndim(found) else float(found)
    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"{name} of a node or an array, entry by entry."
    return apply


FUNCTIONS_OF_NODES: dict[str, Callable[[Any], Any]] = {name: function_of(name) for name in sorted(FUNCTION_NAMES)}
