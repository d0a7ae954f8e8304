"""An expression that stands for a size comes in; the size goes out."""

from __future__ import annotations

from symgrad.core.shape import Size, size_expression
from symgrad.errors import nearest
from symgrad.network.tables import Tables
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Binary, Expression, Name, Number, walk
from symgrad.ops.stacking import plain_size

__all__ = ["fixed_size"]


def fixed_size(e: Expression, tables: Tables) -> Size:
    """A whole number, a name, or sums, products and quotients of them. Raises Fault."""
    stack: list[Size] = []
    for x in walk(e):
        if isinstance(x, Number) and x.value.denominator == 1:
            stack.append(int(x.value))
        elif isinstance(x, Name):
            stack.append(_named(x, tables))
        elif isinstance(x, Binary) and x.operator in ("+", "-", "*", "/"):
            b, a = size_expression(stack.pop()), size_expression(stack.pop())
            if b == 0 and x.operator == "/":
                raise Fault("a size divided by zero", x.place)
            stack.append(plain_size(a + b if x.operator == "+" else a - b if x.operator == "-" else a * b if x.operator == "*" else a / b))
        else:
            raise Fault(f"{shown(e)} is no size: a size is a whole number or a name", e.place)
    (size,) = stack
    if size_expression(size).is_number and (not isinstance(size, int) or size < 1):
        raise Fault(f"a size is a whole number of at least 1, found {size}", e.place)
    return size


def _named(x: Name, tables: Tables) -> Size:
    if x.name in tables.size_names:
        return tables.size(x.name)
    whole = tables.whole_constant(x.name) if x.name in tables.constants else None
    if whole is not None:
        return whole
    if x.name in tables.names:
        raise Fault(f"{x.name} is a value, not a size", x.place)
    raise Fault(
        f"{x.name} is no size{nearest(x.name, tables.size_names)}; sizes come from declarations, or a line `size {x.name}`", x.place
    )
