"""Nodes of any shapes come in; NumPy's alignment from the right comes out: one shape, letters for the axes, and axes of size 1 repeated."""
from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction

import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.node import SIZE, Node, apply, held_value
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Shape, Size, shape_text, size_expression
from symgrad.errors import InputError, ShapeError
from symgrad.ops.arithmetic import Term, add, constant_of, divide, map_function, power, product, scaled, subtract
from symgrad.ops.constants import as_node
from symgrad.ops.stacking import plain_size

__all__ = [
    "aligned", "as_size", "broadcast_shape", "combined", "expand", "is_finite_constant", "letters_of", "minus", "over", "place", "plus", "raised",
    "spread", "times", "whole", "without",
]


def letters_of(node: Node) -> tuple[str, ...]:
    """A letter for every axis."""
    return tuple(f"x{k}" for k in range(node.rank))


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape that these fit into by NumPy's rule. Raises ShapeError: sizes with different names do not fit."""
    found: list[Size] = []
    for k in range(max(map(len, shapes), default=0)):
        sizes = list(dict.fromkeys(s[-1 - k] for s in shapes if k < len(s) and s[-1 - k] != 1))
        if len(sizes) > 1:
            hint = "" if all(isinstance(s, int) for s in sizes) else "; sizes that are equal need the same name or number"
            raise ShapeError(f"shapes do not fit: {' and '.join(shape_text(s) for s in shapes)}: an axis of size {sizes[0]} meets one of size {sizes[1]}{hint}")
        found.append(sizes[0] if sizes else 1)
    return tuple(reversed(found))


@functools.cache
def _place_op(index: tuple[eq.Index, ...], rank: int) -> Op:
    return make_op("slice", (len(index),), tuple(f"o{n}" for n in range(rank)), ("r", 0, index))


def place(node: Node, index: Sequence[eq.Index], shape: Sequence[Size]) -> Node:
    """out[o0, o1, ...] = node[index]: indices are whole numbers or combinations of the output's letters o0, o1, ..."""
    if tuple(index) == tuple(f"o{n}" for n in range(node.rank)) and tuple(shape) == node.shape:
        return node
    return apply(_place_op(tuple(eq.affine(i, {}) if isinstance(i, int) else i for i in index), len(shape)), node, shape=tuple(shape))


def without(node: Node, axes: Collection[int]) -> Node:
    """The node without some axes of size 1: the sum along them, which closed forms can say."""
    names = letters_of(node)
    return product([(node, names)], [x for a, x in enumerate(names) if a not in axes]) if axes else node


def expand(node: Node, axes: Sequence[int], shape: Sequence[Size]) -> Node:
    """The node along the given axes of a larger shape, repeated along the others."""
    return place(node, [f"o{a}" for a in axes], shape)


def spread(node: Node, shape: Shape) -> Node:
    """The node broadcast to a shape that it fits into."""
    offset = len(shape) - node.rank
    if node.shape == shape:
        return node
    gone = [a for a, n in enumerate(node.shape) if n == 1 and shape[offset + a] != 1]
    return expand(without(node, gone), [offset + a for a in range(node.rank) if a not in gone], shape)


def aligned(nodes: Sequence[Node]) -> tuple[list[Term], tuple[str, ...], Shape]:
    """(terms, letters of the result, its shape); an axis of size 1 that meets a longer one is read at its only entry."""
    shape = broadcast_shape(*[n.shape for n in nodes])
    names = tuple(f"x{k}" for k in range(len(shape)))
    terms: list[Term] = []
    for n in nodes:
        offset = len(shape) - n.rank
        long = [a for a in range(n.rank) if n.shape[a] == 1 and shape[offset + a] != 1]
        terms.append((without(n, long), tuple(names[offset + a] for a in range(n.rank) if a not in long)))
    return terms, names, shape


def combined(make: Callable[[Sequence[Term], tuple[str, ...]], Node], *operands: object) -> Node:
    """An elementwise operation of operands with NumPy's broadcasting."""
    terms, names, shape = aligned([as_node(o) for o in operands])
    covered = tuple(x for x in names if any(x in letters for _, letters in terms))
    made = make(terms, covered)
    return made if covered == names else expand(made, [names.index(x) for x in covered], shape)


def plus(a: object, b: object) -> Node:
    """a + b."""
    found = _sized(sp.Add, a, b)
    return found if found is not None else combined(lambda t, x: add(t, x), a, b)


def minus(a: object, b: object) -> Node:
    """a - b."""
    found = _sized(lambda x, y: x - y, a, b)
    return found if found is not None else combined(lambda t, x: subtract(t[0], t[1], x), a, b)


def times(a: object, b: object) -> Node:
    """a * b, entry by entry."""
    found = _sized(sp.Mul, a, b)
    return found if found is not None else combined(lambda t, x: product(t, x), a, b)


def over(a: object, b: object) -> Node:
    """a / b, entry by entry."""
    def made(t: Sequence[Term], x: tuple[str, ...]) -> Node:
        if constant_of(t[0][0]) == 1 and set(t[1][1]) == set(x) and constant_of(t[1][0]) is None:
            return power(t[1], (as_node(-1), ()), x)
        return divide(t[0], t[1], x)
    return combined(made, a, b)


def raised(a: object, b: object) -> Node:
    """a ^ b, entry by entry."""
    base, exponent = as_node(a), as_node(b)
    value, below = constant_of(exponent), constant_of(base)
    if value == Fraction(1, 2):
        return map_function("sqrt", base)
    if value == 0:
        return plus(scaled(base, 0), 1) if base.rank else as_node(1)
    if below is not None and value is not None and value.denominator != 1:
        return as_node(float(below) ** float(value))
    return combined(lambda t, x: power(t[0], t[1], x), base, exponent)


def _sized(make: Callable[[sp.Expr, sp.Expr], sp.Expr], a: object, b: object) -> Node | None:
    """The result where both are sizes or whole numbers and one is a name: a size again, so that it may stand in a shape."""
    if not isinstance(a, Node | int | str | sp.Expr) or not isinstance(b, Node | int | str | sp.Expr):
        return None
    left, right = as_node(a), as_node(b)
    if SIZE not in (left.op, right.op):
        return None
    try:
        return as_node(make(size_expression(as_size(left)), size_expression(as_size(right))))
    except InputError:
        return None


def as_size(value: object) -> Size:
    """A size from a whole number, a name, or a node made of these. Raises InputError."""
    if isinstance(value, str | sp.Expr):
        return value if isinstance(value, str) else plain_size(value)
    node = as_node(value)
    if node.op is SIZE:
        return plain_size(node.data)
    number = constant_of(node)
    if number is None or number.denominator != 1:
        raise InputError("a size is a whole number or made of the sizes of a shape, not a value of the graph")
    return int(number)


def whole(size: Size, what: str) -> int:
    """The size as a whole number. Raises InputError naming what needs it."""
    if not isinstance(size, int):
        raise InputError(f"{what} needs a whole number for the size {size}: give it in the shapes, as in x=(4, 3) instead of x=(\"N\", 3)")
    return size


def is_finite_constant(node: Node) -> bool:
    """Whether a constant leaf has finite entries; True for what is none."""
    value = held_value(node)
    return value is None or bool(abs(value.array).max(initial=0.0) < float("inf"))
