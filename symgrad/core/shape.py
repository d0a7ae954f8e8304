"""Sizes and shapes: a size is a whole number, a name, or a sympy expression in names."""
from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import sympy as sp

__all__ = ["Shape", "Size", "bind", "size_expression", "size_number", "size_text", "shape_text"]

Size: TypeAlias = int | str | sp.Expr
Shape: TypeAlias = tuple[Size, ...]


@functools.cache
def size_expression(size: Size) -> sp.Expr:
    """The size as a sympy expression; names are positive integers."""
    return sp.Integer(size) if isinstance(size, int) else sp.Symbol(size, integer=True, positive=True) if isinstance(size, str) else size


def size_number(size: Size, sizes: Mapping[str, int]) -> int:
    """The whole number a size stands for. Raises KeyError naming a size that is not known."""
    if isinstance(size, int):
        return size
    if isinstance(size, str):
        return sizes[size]
    return int(size.xreplace({s: sp.Integer(sizes[s.name]) for s in size.free_symbols}))


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
