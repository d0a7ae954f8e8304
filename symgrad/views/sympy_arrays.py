"""Sympy scalars and matrix expressions with the shapes they have in the notation; what `*`, `.*`, `'` and functions make of them."""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy import Expr, Lambda, MatrixExpr
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.kronecker import KroneckerProduct
from sympy.matrices.expressions.special import OneMatrix

from symgrad.core.functions import EQUATIONS, KINKS, defined_equation, function_class, function_name
from symgrad.core.symbols import base
from symgrad.errors import ShapeError, UnsupportedError

__all__ = [
    "ARGUMENT", "CALLS", "Array", "Fitting", "add", "apply", "component", "divide", "elementwise", "elementwise_power", "known_function",
    "from_matrix", "from_scalar", "multiply", "power", "transpose",
]

ARGUMENT = base("z", 0)


@dataclass(frozen=True, slots=True)
class Array:
    """A scalar (no shape), or a matrix expression of two sizes; a vector is a column."""

    expr: Expr | MatrixExpr
    shape: tuple[Expr, ...] = ()

    @property
    def is_scalar(self) -> bool:
        """Whether this is a number."""
        return not self.shape


@dataclass(frozen=True, slots=True)
class Fitting(Array):
    """`vector(1)` or `matrix(1)`: the number one until a product asks for its size."""

    kind: str = "vector"
    lying: bool = False


def from_scalar(expr: Expr) -> Array:
    """A number."""
    return Array(expr)


def from_matrix(expr: MatrixExpr) -> Array:
    """A matrix expression; one that a product has made 1 x 1 is the number in it."""
    return Array(expr, tuple(expr.shape))


def _text(shape: Sequence[Expr]) -> str:
    return " x ".join(map(str, shape)) if shape else "a scalar"


def _same(a: Array, b: Array, what: str) -> None:
    if a.shape != b.shape:
        raise ShapeError(f"{what} of {_text(a.shape)} and {_text(b.shape)}: the shapes differ")


def _ones(shape: Sequence[Expr]) -> MatrixExpr:
    return OneMatrix(*shape)


def transpose(a: Array) -> Array:
    """a'."""
    if isinstance(a, Fitting):
        return Fitting(a.expr, (), a.kind, not a.lying)
    return a if a.is_scalar else from_matrix(a.expr.T)


def add(a: Array, b: Array) -> Array:
    """a + b; a number is added to every entry."""
    if a.is_scalar and b.is_scalar:
        return from_scalar(a.expr + b.expr)
    if a.is_scalar:
        a = Array(a.expr * _ones(b.shape), b.shape)
    if b.is_scalar:
        b = Array(b.expr * _ones(a.shape), a.shape)
    _same(a, b, "the sum")
    return Array(a.expr + b.expr, a.shape)


def multiply(a: Array, b: Array) -> Array:
    """a * b: a number times anything, or the matrix product; a row times a column is a number."""
    if isinstance(a, Fitting) and not b.is_scalar:
        a = _fitted(a, b.shape[0], before=True)
    if isinstance(b, Fitting) and not a.is_scalar:
        b = _fitted(b, a.shape[1], before=False)
    if a.is_scalar or b.is_scalar:
        return Array(a.expr * b.expr, a.shape or b.shape)
    if a.shape[1] != b.shape[0]:
        raise ShapeError(f"the product of {_text(a.shape)} and {_text(b.shape)}: the inner sizes differ")
    expr = a.expr * b.expr
    if (a.shape[0], b.shape[1]) == (1, 1):
        return from_scalar(sp.Trace(expr))
    return Array(expr, (a.shape[0], b.shape[1]))


def _fitted(one: Fitting, size: Expr, *, before: bool) -> Array:
    if one.kind == "vector" and one.lying == before:
        return from_matrix(_ones((1, size) if before else (size, 1)))
    raise UnsupportedError(f"the size of {one.kind}(1) in this product follows from nothing: write ones(n) or ones(m, n)")


def elementwise(a: Array, b: Array) -> Array:
    """a .* b."""
    if a.is_scalar or b.is_scalar:
        return Array(a.expr * b.expr, a.shape or b.shape)
    _same(a, b, "the elementwise product")
    return Array(HadamardProduct(a.expr, b.expr), a.shape)


def divide(a: Array, b: Array) -> Array:
    """a ./ b, and a / b for a number b."""
    if b.is_scalar:
        return Array(a.expr / b.expr, a.shape)
    inverted = Array(HadamardPower(b.expr, sp.Integer(-1)), b.shape)
    return elementwise(a, inverted)


def elementwise_power(a: Array, b: Array) -> Array:
    """a .^ b."""
    if a.is_scalar and b.is_scalar:
        return from_scalar(a.expr ** b.expr)
    if a.shape and b.shape:
        _same(a, b, "the elementwise power")
    if a.is_scalar:                                        # sympy's Hadamard power of a number has no entries
        a = Array(a.expr * _ones(b.shape), b.shape)
    return Array(HadamardPower(a.expr, b.expr), a.shape)


def power(a: Array, b: Array) -> Array:
    """a ^ b of numbers, or a whole power of a square matrix."""
    if a.is_scalar and b.is_scalar:
        return from_scalar(a.expr ** b.expr)
    if b.is_scalar and b.expr.is_Integer and a.shape[0] == a.shape[1]:
        return Array(a.expr ** b.expr, a.shape)
    raise ShapeError(f"a power of {_text(a.shape)} by {b.expr}: `^` takes numbers, or a square matrix and a whole number")


def component(a: Array, index: Sequence[Expr]) -> Array:
    """The entry at indices counted from 0; a vector takes one index."""
    if len(index) == 1 and sp.Integer(1) in a.shape:
        index = (index[0], sp.Integer(0)) if a.shape[1] == 1 else (sp.Integer(0), index[0])
    if len(index) != len(a.shape) or not index:
        raise ShapeError(f"{len(index)} indices on {_text(a.shape)}")
    return from_scalar(a.expr[index[0], index[1]])


def apply(function: Callable[[Expr], Expr], a: Array) -> Array:
    """A function of numbers, entry by entry."""
    if a.is_scalar:
        return from_scalar(function(a.expr))
    return Array(a.expr.applyfunc(Lambda(ARGUMENT, function(ARGUMENT))), a.shape)


# ---------------------------------------------------------------------- functions of numbers
_PLAIN: dict[str, Callable[[Expr], Expr]] = {
    "relu": lambda z: sp.Max(z, 0), "step": lambda z: sp.Heaviside(z, 0), "abs": sp.Abs, "sign": sp.sign, "sqrt": sp.sqrt,
}


@functools.cache
def known_function(name: str, order: int = 0) -> Callable[[Expr], Expr]:
    """The function, derived `order` times, in sympy's own words; slopes at kinks are those of the package."""
    applied = sp.sqrt(ARGUMENT) if name == "sqrt" else function_class(name)(ARGUMENT)
    formula = _in_sympy(sp.diff(applied, ARGUMENT, order) if order else applied)
    return lambda z: formula.xreplace({ARGUMENT: z})


def _in_sympy(expr: Expr) -> Expr:
    """With the package's own functions written out."""
    def own(e: Expr) -> bool:
        return isinstance(e, sp.Function) and function_name(e) in {**KINKS, **EQUATIONS} and not isinstance(e, sp.Abs | sp.sign)

    def written(e: Expr) -> Expr:
        name = function_name(e)
        return _PLAIN[name](e.args[0]) if name in _PLAIN else _in_sympy(defined_equation(name)).xreplace({ARGUMENT: e.args[0]})
    return expr.replace(own, written)


# ---------------------------------------------------------------------- calls
def _total(a: Array) -> Array:
    return a if a.is_scalar else from_scalar(sp.Trace(_ones(a.shape[::-1]) * a.expr))


def _count(a: Array) -> Expr:
    return sp.Mul(*a.shape)


def _norm(a: Array) -> Array:
    return from_scalar(sp.Abs(a.expr) if a.is_scalar else sp.sqrt(sp.Trace(a.expr.T * a.expr)))


def _diag(a: Array) -> Array:
    if a.is_scalar:
        raise ShapeError("diag of a scalar: it takes a vector or a square matrix")
    if a.shape[1] == 1:
        return from_matrix(DiagMatrix(a.expr))
    if a.shape[0] == 1:
        return from_matrix(DiagMatrix(a.expr.T))
    return Array(DiagonalOf(a.expr), (a.shape[0], sp.Integer(1)))


def _square(a: Array, what: str) -> MatrixExpr:
    if a.is_scalar or a.shape[0] != a.shape[1]:
        raise ShapeError(f"{what} of {_text(a.shape)}: it takes a square matrix")
    return a.expr


def _vec(a: Array) -> Array:
    rows, columns = a.shape
    k, zero = sp.Symbol("k_", integer=True), sp.Symbol("zero_", integer=True)
    entry = a.expr[sp.Mod(k, rows), sp.floor(k / rows)]
    return from_matrix(sp.FunctionMatrix(rows * columns, 1, Lambda((k, zero), entry)))


def _softmax(a: Array) -> Array:
    exponentials = apply(sp.exp, a)
    return elementwise(exponentials, divide(from_scalar(sp.Integer(1)), _row_sums(exponentials)))


def _row_sums(a: Array) -> Array:
    """The sums over the last axis: one number for a vector, else each at every entry of its row."""
    if a.shape[1] == 1:
        return _total(a)
    return Array(a.expr * _ones((a.shape[1], a.shape[1])), a.shape)


def _logsumexp(a: Array) -> Array:
    exponentials = apply(sp.exp, a)
    if a.shape[1] == 1:
        return apply(sp.log, _total(exponentials))
    return apply(sp.log, from_matrix(exponentials.expr * _ones((a.shape[1], sp.Integer(1)))))


def _onehot(label: Array, size: Array) -> Array:
    if not (label.is_scalar and size.is_scalar):
        raise UnsupportedError("onehot of a whole array has no counterpart in sympy: take the index view")
    i, j = sp.Symbol("i_", integer=True), sp.Symbol("j_", integer=True)
    return from_matrix(sp.FunctionMatrix(size.expr, 1, Lambda((i, j), sp.KroneckerDelta(i, label.expr - 1))))


CALLS: dict[tuple[str, int], Callable[..., Array]] = {
    ("sum", 1): _total, ("mean", 1): lambda a: divide(_total(a), from_scalar(_count(a))),
    ("norm1", 1): lambda a: _total(apply(sp.Abs, a)), ("norm2", 1): _norm, ("normF", 1): _norm,
    ("tr", 1): lambda a: from_scalar(sp.Trace(_square(a, "tr"))), ("det", 1): lambda a: from_scalar(sp.Determinant(_square(a, "det"))),
    ("logdet", 1): lambda a: from_scalar(sp.log(sp.Determinant(_square(a, "logdet")))),
    ("inv", 1): lambda a: Array(sp.Inverse(_square(a, "inv")), a.shape), ("diag", 1): _diag, ("vec", 1): _vec,
    ("kron", 2): lambda a, b: from_matrix(KroneckerProduct(a.expr, b.expr)), ("outer", 2): lambda a, b: from_matrix(a.expr * b.expr.T),
    ("eye", 1): lambda n: from_matrix(sp.Identity(n.expr)), ("onehot", 2): _onehot,
    ("ones", 1): lambda n: from_matrix(_ones((n.expr, sp.Integer(1)))), ("ones", 2): lambda m, n: from_matrix(_ones((m.expr, n.expr))),
    ("zeros", 1): lambda n: from_matrix(sp.ZeroMatrix(n.expr, 1)), ("zeros", 2): lambda m, n: from_matrix(sp.ZeroMatrix(m.expr, n.expr)),
    ("vector", 1): lambda value: Fitting(value.expr), ("matrix", 1): lambda value: Fitting(value.expr, (), "matrix"),
    ("softmax", 1): _softmax, ("logsumexp", 1): _logsumexp,
    ("log_softmax", 1): lambda a: add(a, Array(-apply(sp.log, _row_sums(apply(sp.exp, a))).expr, () if a.shape[1] == 1 else a.shape)),
}
"""(function, number of arguments) -> what it makes of arrays."""
