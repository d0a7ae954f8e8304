"""Nodes come in with their entries in other shapes and orders: reshaped, joined, padded, tiled; nothing is computed."""
from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import sympy as sp

from symgrad.core.node import Node
from symgrad.core.shape import Shape, Size, shape_text, size_expression
from symgrad.errors import InputError, ShapeError
from symgrad.ops.arithmetic import filled, product
from symgrad.ops.broadcasting import as_size, expand, letters_of, place, plus, spread, whole, without
from symgrad.ops.constants import as_node, constant
from symgrad.ops.indexing import read, window
from symgrad.ops.reversal import reversed_axis
from symgrad.ops.stacking import merge, plain_size, split, stack

__all__ = [
    "axis_of", "axes_of", "cumulative", "joined", "kept_axes", "moved", "padded", "permuted", "reshaped", "rolled", "split_up", "squeezed", "stacked",
    "broadcast_to", "repeated", "summed_shape", "tiled", "triangle",
]


def axis_of(axis: object, rank: int) -> int:
    """An axis counted from 0. Raises ShapeError."""
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise InputError(f"an axis is a whole number, not {axis!r}")
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} is out of bounds for an array of {rank} axes")
    return int(axis) % rank


def axes_of(axis: object, rank: int) -> list[int]:
    """Axes from None (all), one or several. Raises ShapeError."""
    if axis is None:
        return list(range(rank))
    many = [axis_of(a, rank) for a in axis] if isinstance(axis, tuple | list) else [axis_of(axis, rank)]
    if len(set(many)) != len(many):
        raise ShapeError(f"an axis is named twice in {axis}")
    return sorted(many)


def permuted(node: Node, order: Sequence[int]) -> Node:
    """The node with axis order[k] as its k-th."""
    names = letters_of(node)
    return product([(node, names)], [names[a] for a in order])


def moved(node: Node, source: int, target: int) -> Node:
    """The node with one axis moved to another place."""
    order = [a for a in range(node.rank) if a != source]
    order.insert(target, source)
    return permuted(node, order)


def kept_axes(node: Node, gone: Sequence[int], rank: int) -> Node:
    """A reduced node with axes of size 1 where the others were."""
    kept = [a for a in range(rank) if a not in gone]
    shape: list[Size] = [1] * rank
    for a, n in zip(kept, node.shape, strict=True):
        shape[a] = n
    return expand(node, kept, shape)


def squeezed(node: Node, axes: Sequence[int]) -> Node:
    """The node without some axes of size 1. Raises ShapeError for another size."""
    for a in axes:
        if node.shape[a] != 1:
            raise ShapeError(f"axis {a} has size {node.shape[a]}, not 1")
    return without(node, axes)


def summed_shape(shape: Shape) -> sp.Expr:
    """The number of entries."""
    return functools.reduce(lambda x, y: x * y, map(size_expression, shape), sp.Integer(1))


def reshaped(node: Node, wanted: Sequence[object]) -> Node:
    """The node's entries in row-major order in another shape; one size may be -1. Raises ShapeError."""
    shape = _completed(node, [as_size(s) for s in wanted])
    node, plain = _without_ones(node)
    target = [s for s in shape if s != 1]
    made = _regrouped(node, plain, target, shape)
    return made if made.shape == shape else expand(made, [a for a, s in enumerate(shape) if s != 1], shape)


def _completed(node: Node, shape: list[Size]) -> Shape:
    total = summed_shape(node.shape)
    if -1 in shape:
        rest = summed_shape(tuple(s for s in shape if s != -1))
        missing = sp.cancel(total / rest)
        if shape.count(-1) > 1 or sp.fraction(missing)[1] != 1:
            raise ShapeError(f"an array of shape {shape_text(node.shape)} does not fit into {shape}")
        shape[shape.index(-1)] = plain_size(missing)
    if sp.expand(summed_shape(tuple(shape)) - total) != 0:
        raise ShapeError(f"an array of shape {shape_text(node.shape)} does not fit into {shape_text(shape)}")
    return tuple(shape)


def _without_ones(node: Node) -> tuple[Node, list[Size]]:
    node = squeezed(node, [a for a, s in enumerate(node.shape) if s == 1])
    return node, list(node.shape)


def _regrouped(node: Node, have: list[Size], want: list[Size], shape: Shape) -> Node:
    """Runs of axes of equal length, found from the right, are merged and split again."""
    i, j = len(have), len(want)
    while i or j:
        a, b = i, j
        left = right = sp.Integer(1)
        while a == i or b == j or sp.expand(left - right) != 0:
            if a and (b == 0 or a == i or (right - left).is_positive):
                a -= 1
                left = left * size_expression(have[a])
            elif b and (a == 0 or b == j or (left - right).is_positive):
                b -= 1
                right = right * size_expression(want[b])
            elif a or b:                                   # which is longer is not known: both runs grow
                a, b = max(a - 1, 0), max(b - 1, 0)
                left, right = summed_shape(tuple(have[a:i])), summed_shape(tuple(want[b:j]))
            else:
                raise ShapeError(f"how {shape_text(have)} fits into {shape_text(shape)} is not known for symbolic sizes: give them as whole numbers")
        if have[a:i] != want[b:j]:
            node = _split_at(_merged(node, a, i - a), a, want[b:j])
        i, j = a, b
    return node


def _merged(node: Node, at: int, count: int) -> Node:
    """The axes at, ..., at + count - 1 as one."""
    if count == 1:
        return node
    order = [a for a in range(node.rank) if not at <= a < at + count] + list(range(at, at + count))
    node = permuted(node, order)
    for _ in range(count - 1):
        node = merge(node)
    return moved(node, node.rank - 1, at)


def _split_at(node: Node, at: int, sizes: Sequence[Size]) -> Node:
    """One axis as several."""
    if len(sizes) == 1:
        return node
    node = moved(node, at, node.rank - 1)
    lead = node.rank - 1
    for k in range(len(sizes) - 1):
        rest = plain_size(summed_shape(tuple(sizes[k + 1:])))
        node = split(node, filled("ones", (sizes[k], rest)))
    order = [*range(at), *range(lead, node.rank), *range(at, lead)]
    return permuted(node, order)


def stacked(nodes: Sequence[Node], axis: int) -> Node:
    """Nodes of one shape along a new axis."""
    if len({n.shape for n in nodes}) != 1:
        raise ShapeError(f"stack takes arrays of one shape, got {', '.join(shape_text(n.shape) for n in nodes)}")
    return moved(stack(nodes), nodes[0].rank, axis)


def joined(nodes: Sequence[Node], axis: int) -> Node:
    """Nodes one after the other along an axis; few unequal ones are read at their offsets, zero elsewhere, and added. Raises ShapeError."""
    rest = {(*n.shape[:axis], *n.shape[axis + 1:]) for n in nodes}
    if len(rest) != 1:
        raise ShapeError(f"arrays of shapes {', '.join(shape_text(n.shape) for n in nodes)} do not join along axis {axis}")
    if len(nodes) == 1:
        return nodes[0]
    sizes = [n.shape[axis] for n in nodes]
    if len(set(sizes)) == 1 and len(nodes) > 2:
        return _merged(stacked(nodes, axis), axis, 2)
    total = plain_size(functools.reduce(lambda x, y: x + y, map(size_expression, sizes)))
    return functools.reduce(plus, [_at_offset(n, axis, sizes[:k], total) for k, n in enumerate(nodes)])


def _at_offset(node: Node, axis: int, before: Sequence[Size], total: Size) -> Node:
    offset = plain_size(functools.reduce(lambda x, y: x + y, map(size_expression, before), sp.Integer(0)))
    if isinstance(offset, int):
        return read(node, axis, -offset, 1, total)
    longer = read(reversed_axis(node, axis), axis, 0, 1, plain_size(size_expression(node.shape[axis]) + size_expression(offset)))
    return read(reversed_axis(longer, axis), axis, 0, 1, total)


def split_up(node: Node, sections: object, axis: int, equal: bool = True) -> list[Node]:
    """Consecutive parts along an axis: so many of one size, or cut at the given places. Raises ShapeError."""
    n = node.shape[axis]
    if isinstance(sections, int | np.integer):
        if not isinstance(n, int):
            size = plain_size(size_expression(n) / int(sections))
            apart = _split_at(node, axis, (int(sections), size))
            return [place(apart, [k if a == axis else f"o{a - (a > axis)}" for a in range(apart.rank)], (*node.shape[:axis], size, *node.shape[axis + 1:]))
                    for k in range(int(sections))]
        if equal and n % int(sections):
            raise ShapeError(f"an axis of size {n} does not divide into {sections} equal parts")
        small, more = divmod(n, int(sections))
        lengths = [small + (k < more) for k in range(int(sections))]
        cuts = [sum(lengths[:k]) for k in range(1, len(lengths))]
    elif isinstance(sections, list | tuple | np.ndarray):
        cuts = [int(c) for c in sections]
    else:
        raise InputError("split takes a number of parts or a list of places to cut at")
    ends = [*cuts, None]
    return [window(node, axis, slice(a, b)) for a, b in zip([0, *cuts], ends, strict=True)]


def padded(node: Node, widths: Sequence[tuple[int, int]], value: object = 0) -> Node:
    """The node with entries before and after along every axis: zeros, or a constant value."""
    made, inside = node, filled("ones", node.shape)
    for a, (before, after) in enumerate(widths):
        if before or after:
            size = plain_size(size_expression(made.shape[a]) + before + after)
            made, inside = read(made, a, -before, 1, size), read(inside, a, -before, 1, size)
    if isinstance(value, int | float) and value == 0:
        return made
    return plus(made, _outside(inside, as_node(value)))


def _outside(inside: Node, value: Node) -> Node:
    names = letters_of(inside)
    covered = product([(value, ()), (plus(product([(inside, names), (as_node(-1), ())], names), 1), names)], names)
    return covered


def tiled(node: Node, repeats: Sequence[int]) -> Node:
    """The node so many times along every axis."""
    for a, r in enumerate(repeats):
        if r != 1:
            shape = [*node.shape[:a], r, *node.shape[a:]]
            node = _merged(expand(node, [b for b in range(len(shape)) if b != a], shape), a, 2)
    return node


def repeated(node: Node, times: int, axis: int) -> Node:
    """Every entry along an axis so many times in a row."""
    shape = [*node.shape[:axis + 1], times, *node.shape[axis + 1:]]
    return node if times == 1 else _merged(expand(node, [b for b in range(len(shape)) if b != axis + 1], shape), axis, 2)


def rolled(node: Node, shift: int, axis: int) -> Node:
    """Entries moved along an axis, those that leave it entering at the other end."""
    n = whole(node.shape[axis], "roll")
    shift %= n
    return node if not shift else plus(read(node, axis, -shift, 1, n), read(node, axis, n - shift, 1, n))


def cumulative(node: Node, axis: int) -> Node:
    """Running sums along an axis: a product with the constant triangle of ones."""
    n = whole(node.shape[axis], "cumsum")
    names = letters_of(node)
    return product([(constant(np.tril(np.ones((n, n)))), ("y", names[axis])), (node, names)], ["y" if a == axis else x for a, x in enumerate(names)])


def triangle(node: Node, k: int, lower: bool) -> Node:
    """A matrix (or each along leading axes) with zeros above or below a diagonal: tril or triu."""
    m, n = (whole(s, "tril and triu") for s in node.shape[-2:])
    names = letters_of(node)
    mask = np.tril(np.ones((m, n)), k) if lower else np.triu(np.ones((m, n)), k)
    return product([(node, names), (constant(mask), names[-2:])], names)


def broadcast_to(node: Node, shape: Sequence[object]) -> Node:
    """The node repeated to a shape. Raises ShapeError."""
    target = tuple(as_size(s) for s in shape)
    if node.rank > len(target) or any(n not in (1, t) for n, t in zip(node.shape, target[len(target) - node.rank:], strict=True)):
        raise ShapeError(f"shape {shape_text(node.shape)} does not broadcast to {shape_text(target)}")
    return spread(node, target)
