"""Notation comes in, as text or syntax trees, with the shapes of its names; sympy objects go out, for going on in sympy.

Arrays of up to two axes become matrix expressions, vectors being columns. A name that only ever stands with all its indices becomes an
`IndexedBase`; sympy counts indices from 0, so a sum over n runs from 0 to N - 1.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from sympy import Expr, IndexedBase, KroneckerDelta, Lambda, MatrixSymbol

from symgrad.core.graph import UnknownFunction
from symgrad.core.shape import Shape, Size, size_expression
from symgrad.core.symbols import base, index_symbol
from symgrad.errors import InputError, ShapeError, UnsupportedError, nearest
from symgrad.notation.parse import parse
from symgrad.notation.statements import Definition, Output, Statement
from symgrad.notation.syntax import (
    Affine,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Name,
    Negate,
    Number,
    Over,
    Partial,
    Transpose,
    walk,
)
from symgrad.notation.words import ELEMENTWISE
from symgrad.views import sympy_arrays as arrays
from symgrad.views.sympy_arrays import Array, Fitting, matrix, scalar

__all__ = ["to_sympy", "to_sympy_text"]

Functions = Mapping[str, UnknownFunction] | Collection[str]


def to_sympy(tree: Expression | Definition, shapes: Mapping[str, Shape], functions: Functions = (), *,
             ranges: Mapping[str, Size] | None = None) -> sp.Basic:
    """The sympy object of an expression: a `MatrixExpr`, or an `Expr` for a scalar.

    Args:
        tree: an expression, or a definition such as a `D[i, j] = ...` line: then the value in the index symbols of its left side.
        shapes: the shape of every name, whole arrays with their family axes first; () for scalars.
        functions: the unknown functions; given by name alone, one of a single argument acts entry by entry.
        ranges: sizes of indices that stand alone on no axis.

    Raises:
        UnsupportedError: something that sympy has no word for; the message names it.
        ShapeError: shapes that do not fit.
        InputError: a name without a shape.

    >>> from symgrad.notation.parse import parse_expression
    >>> to_sympy(parse_expression("X' * (X*w - y)"), {"X": ("N", "D"), "w": ("D",), "y": ("N",)})
    X.T*(-y + X*w)
    """
    return _converted([tree], shapes, functions, ranges)


def to_sympy_text(text: str, shapes: Mapping[str, Shape], functions: Functions = (), *, ranges: Mapping[str, Size] | None = None) -> sp.Basic:
    """The sympy object of notation text; `name = ...` lines before the last are put in where their names stand.

    Arguments and errors as for `to_sympy`; NotationError where the text does not parse.
    """
    return _converted(parse(text, limits=None, functions=tuple(functions)).statements, shapes, functions, ranges)


def _converted(lines: Sequence[Statement | Expression], shapes: Mapping[str, Shape], functions: Functions,
               ranges: Mapping[str, Size] | None) -> sp.Basic:
    trees: list[Expression] = []
    definitions: dict[str, Definition] = {}
    for line in lines:
        if isinstance(line, Definition):
            trees.append(_with_free_sums(line) if line.sums_free else line.value)
            definitions[line.name] = line
        elif isinstance(line, Output):
            trees.append(line.value)
        elif isinstance(line, Expression):
            trees.append(line)
        else:
            raise UnsupportedError(f"a line with {type(line).__name__.lower()} has no sympy form: give expressions and `name = ...` lines")
    if isinstance(lines[-1], Definition):
        del definitions[lines[-1].name]
    reader = _Reader(dict(shapes), functions, dict(ranges or {}), definitions, _whole_names(trees))
    free = {name: index_symbol(name) for name in _free_indices(trees[-1])}
    try:
        return reader.value(trees[-1], free).expr
    except RecursionError:
        raise UnsupportedError("the expression is nested too deeply for sympy: name a part on a line of its own") from None


def _whole_names(trees: Sequence[Expression]) -> frozenset[str]:
    """The names that stand somewhere without an index."""
    indexed = {id(e.operand) for tree in trees for e in walk(tree) if isinstance(e, Index)}
    return frozenset(e.name for tree in trees for e in walk(tree) if isinstance(e, Name) and id(e) not in indexed)


def _indices(e: Expression) -> tuple[Affine, ...]:
    return e.indices if isinstance(e, Index) else (e.left, e.right) if isinstance(e, Delta) else ()


def _free_indices(tree: Expression) -> dict[str, None]:
    """The index names that nothing in the tree binds, in order of appearance."""
    found: dict[str, None] = {}
    waiting: list[tuple[Expression, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        e, bound = waiting.pop()
        found.update(dict.fromkeys(n for i in _indices(e) for t in i.terms for n in t.names if n not in bound))
        inside = bound | frozenset(e.indices) if isinstance(e, Over) else bound
        waiting += [(o, inside) for o in reversed(_operands(e))]
    return found


def _operands(e: Expression) -> tuple[Expression, ...]:
    from_syntax = walk(e)
    del from_syntax
    return ()
