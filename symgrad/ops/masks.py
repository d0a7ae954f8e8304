"""Comparisons of nodes: a mask is 1 where they hold and 0 elsewhere, of slope zero, and counts as a number in arithmetic."""
from __future__ import annotations

from collections.abc import Callable

from symgrad.core.node import Node, operators
from symgrad.errors import UnsupportedError

__all__ = ["Mask"]


class Mask:
    """What a comparison gives. Invariant: `node` is 0 or 1 everywhere. `&`, `|`, `^` and `~` are those of truth values."""

    __slots__ = ("node",)
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # masks are compared entry by entry, as arrays are

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<mask {self.node!r}>"

    def __getattr__(self, attribute: str) -> object:
        return getattr(self.node, attribute)

    def __bool__(self) -> bool:
        raise UnsupportedError("a branch on a comparison of nodes: the trace has no values; write np.where(condition, a, b)")

    def __invert__(self) -> Mask:
        return Mask(operators["__rsub__"](self.node, 1))  # type: ignore[arg-type]  # arithmetic of nodes gives nodes

    def __and__(self, other: object) -> Mask:
        return Mask(operators["__mul__"](self.node, truth(other)))  # type: ignore[arg-type]  # as above

    def __or__(self, other: object) -> Mask:
        return ~(~self & ~Mask(truth(other)))

    def __xor__(self, other: object) -> Mask:
        return Mask(operators["__abs__"](operators["__sub__"](self.node, truth(other))))  # type: ignore[arg-type]  # as above

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


def truth(value: object) -> Node:
    """The node of a mask or of a constant array of truth values."""
    if isinstance(value, Mask):
        return value.node
    if isinstance(value, Node):
        raise UnsupportedError("& | ^ ~ and np.logical_... take comparisons, not numbers: write x != 0")
    return operators["constant"](value)  # type: ignore[return-value]  # a node by its making


def _passed_on(name: str) -> Callable[..., object]:
    def method(self: Mask, *others: object, **options: object) -> object:
        if name == "__add__" and others and isinstance(others[0], Mask):
            return self | others[0]                        # as in NumPy, where the sum of truth values is one
        return getattr(self.node, name)(*others, **options)
    return method


for _name in ("add radd sub rsub mul rmul truediv rtruediv matmul rmatmul pow rpow neg abs getitem array_ufunc array_function "
              "lt le gt ge eq ne len iter float int index complex array setitem").split():
    setattr(Mask, f"__{_name}__", _passed_on(f"__{_name}__"))
