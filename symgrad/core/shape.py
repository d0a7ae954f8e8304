"""Sizes and shapes: a size is a whole number, a name, or a sympy expression in names."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import sympy as sp

__all__ = ["Extent", "named_sizes", "Shape", "Size", "bind", "size_expression", "size_names", "size_number", "size_text", "shape_text", "size_operators"]

Size: TypeAlias = int | str | sp.Expr
Shape: TypeAlias = tuple[Size, ...]


size_operators: dict[str, Callable[..., object]] = {}
"""What arithmetic with a size name does, filled by the ops."""


class Extent(str):
    """The name of a size that can be counted with, as a NumPy function does with `x.shape[0]`: equal to its name, a number in arithmetic."""

    __slots__ = ()


def _size_operator(name: str) -> Callable[..., object]:
    def method(self: Extent, *others: object, **options: object) -> object:
        if others and type(others[0]) is str:                # text: a message is being put together
            return str(self) + others[0] if name == "__add__" else others[0] + str(self) if name == "__radd__" else NotImplemented
        if name not in size_operators:
            raise TypeError(f"the size {self!s} does not support {name}")
        return size_operators[name](self, *others, **options)
    method.__name__ = name
    return method


for _name in "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv pow rpow neg pos index int float array_ufunc".split():
    setattr(Extent, f"__{_name}__", _size_operator(f"__{_name}__"))


def named_sizes(shape: Sequence[Size]) -> Shape:
    """The shape with its names as extents."""
    return tuple([Extent(s) if type(s) is str else s for s in shape])


@functools.cache
def size_expression(size: Size) -> sp.Expr:
    """The size as a sympy expression; names are positive integers."""
    return sp.Integer(size) if isinstance(size, int) else sp.Symbol(str(size), integer=True, positive=True) if isinstance(size, str) else size


def size_number(size: Size, sizes: Mapping[str, int]) -> int:
    """The whole number a size stands for. Raises KeyError naming a size that is not known."""
    if isinstance(size, int):
        return size
    if isinstance(size, str):
        return sizes[size]
    return int(size.xreplace({s: sp.Integer(sizes[s.name]) for s in size.free_symbols}))


def size_names(size: object) -> list[str]:
    """The names in a size; none for anything else."""
    if isinstance(size, str):
        return [size]
    return sorted(s.name for s in size.free_symbols) if isinstance(size, sp.Expr) else []


def size_text(size: Size) -> str:
    """The size as notation text."""
    return str(size)


def shape_text(shape: Sequence[Size], empty: str = "scalar") -> str:
    """`3 x K`; the word for a scalar where there are no axes."""
    return " x ".join(map(size_text, shape)) if shape else empty


def bind(shape: Shape, numbers: Sequence[int], sizes: dict[str, int]) -> int | None:
    """Enter the sizes of one array into `sizes`; the axis that contradicts them, or None. The ranks must agree."""
    for axis, (size, n) in enumerate(zip(shape, numbers, strict=True)):
        if isinstance(size, str):
            if sizes.setdefault(size, n) != n:
                return axis
        elif isinstance(size, int) and size != n:
            return axis
    return None
