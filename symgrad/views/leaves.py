"""Names, numbers and sizes in; the matrix terms that have no parts out."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symgrad.views.matrix_term import SCALAR, Axis, Shape, Term

__all__ = ["ONE", "call", "eye", "leaf", "number", "ones", "size_leaf", "zeros"]


def leaf(name: str, shape: Shape, facts: frozenset[str] = frozenset()) -> Term:
    """A named value."""
    return Term("leaf", (name, facts), shape)


def number(value: int | Fraction) -> Term:
    """A rational number."""
    return Term("num", (Fraction(value),), SCALAR)


ONE = number(1)


def ones(shape: Shape) -> Term:
    """All ones; the number 1 for a scalar."""
    return ONE if shape == SCALAR else Term("ones", (), shape)


def zeros(shape: Shape) -> Term:
    """All zeros; the number 0 for a scalar."""
    return number(0) if shape == SCALAR else Term("zeros", (), shape)


def eye(size: Axis) -> Term:
    """The identity matrix."""
    return Term("eye", (), (size, size))


def call(name: str, args: Sequence[Term], shape: Shape) -> Term:
    """A function of whole terms."""
    return Term("call", (name, *args), shape)


def size_leaf(size: Axis) -> Term:
    """A size as a scalar."""
    return number(size) if isinstance(size, int) else leaf(str(size), SCALAR, frozenset(("size",)))
