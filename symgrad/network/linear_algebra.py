"""Values come in; their traces, inverses, diagonals, Kronecker and outer products go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from symgrad.core.shape import size_expression
from symgrad.network.values import Value
from symgrad.ops.arithmetic import product
from symgrad.ops.linalg import MATRIX_FUNCTIONS, matrix_function
from symgrad.ops.stacking import merge, plain_size

if TYPE_CHECKING:
    from symgrad.network.calls import Call

__all__ = ["ROWS"]


def _square(c: Call, v: Value) -> None:
    if v.rank != 2 or c.axes.size(v.core[0]) != c.axes.size(v.core[1]):
        raise c.fail(f"{c.e.function} takes a square matrix; this is {c.text(0)}")


def _trace(c: Call) -> Value:
    v = c.axes.forced(c.arguments[0])
    if not v.rank:
        return v
    _square(c, v)
    i, j = v.core
    return replace(v.renamed({j: i}), core=(), family=(), split=None)


def _function(c: Call) -> Value:
    (v,) = c.arguments
    name = c.e.function
    if name == "pinv":
        if v.rank != 2:
            raise c.fail(f"pinv takes a matrix; this is {c.text(0)}")
    else:
        _square(c, v)
    return c.axes.of(matrix_function(name, c.axes.node(v), len(v.lead)), v.lead)


def _diag(c: Call) -> Value:
    (v,) = c.arguments
    axes = c.axes
    if v.rank == 1:
        i, j = v.core[0], axes.fresh(axes.size(v.core[0]))
        return replace(axes.forced(v), core=(i, j), deltas=(*axes.forced(v).deltas, (i, j)), lying=False, family=(), split=None)
    _square(c, v)
    i, j = v.core
    return replace(axes.forced(v).renamed({j: i}), core=(i,), family=(), split=None)


def _kron(c: Call) -> Value:
    a, b = c.arguments
    if a.rank != 2 or b.rank != 2:
        raise c.fail(f"kron takes two matrices; these are {c.text(0)} and {c.text(1)}")
    axes = c.axes
    lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
    b = b.renamed({x: axes.fresh(axes.size(x)) for x in b.core})
    (i, j), (p, q) = a.core, b.core
    both = product([axes.raw(a), axes.raw(b)], (*lead, i, p, j, q))
    rows, columns = axes.fresh(None), axes.fresh(None)
    for pair, letter in (((i, p), rows), ((j, q), columns)):
        axes.sizes[letter] = plain_size(size_expression(axes.size(pair[0])) * size_expression(axes.size(pair[1])))
    right = merge(both)
    left = merge(product([(right, (*lead, i, p, columns))], (*lead, columns, i, p)))
    return Value(((left, (*lead, columns, rows)),), (rows, columns), lead)


def _vec(c: Call) -> Value:
    (v,) = c.arguments
    if v.rank != 2:
        raise c.fail(f"vec takes a matrix; this is {c.text(0)}")
    node = merge(c.axes.node(v, (*v.lead, *v.core[::-1])))
    return c.axes.of(node, v.lead)


def _outer(c: Call) -> Value:
    a, b = c.arguments
    if a.rank != 1 or b.rank != 1:
        raise c.fail(f"outer takes two vectors; these are {c.text(0)} and {c.text(1)}")
    b = b.renamed({b.core[0]: c.axes.fresh(c.axes.size(b.core[0]))})
    return c.axes.times(a, b, (*a.core, *b.core))


ROWS: dict[str, tuple[int, Callable[[Call], Value]]] = {
    "tr": (1, _trace),
    "diag": (1, _diag),
    "kron": (2, _kron),
    "vec": (1, _vec),
    "outer": (2, _outer),
    **{w: (1, _function) for w in MATRIX_FUNCTIONS},
}
