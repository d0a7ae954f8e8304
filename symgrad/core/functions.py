"""Functions of numbers, by name: sympy classes whose derivatives follow from one defining equation each.

A row of `EQUATIONS` defines a function by an expression in z; its derivative is sympy's, written in terms of the function itself or
of another known function where that is exact (`sigmoid' = sigmoid - sigmoid^2`). A function with a kink has no such equation:
its slope is a choice, stated in `KINKS`, never an accident of a library.
"""
from __future__ import annotations

import functools
from collections.abc import Callable

import sympy as sp
from sympy import Expr, Function, Symbol

__all__ = ["EQUATIONS", "FUNCTION_NAMES", "KINKS", "NATIVE", "defined_equation", "derivative_name", "function_class", "function_name", "split_derivative"]

z = Symbol("z", real=True)

NATIVE: dict[str, Callable[[Expr], Expr]] = {
    "exp": sp.exp, "log": sp.log, "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "arcsin": sp.asin, "arccos": sp.acos,
    "arctan": sp.atan, "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "erf": sp.erf,
}
_NATIVE_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}

KINKS: dict[str, str | None] = {"relu": "step", "step": None, "abs": "sign", "sign": None}
"""name -> the function that is its slope (None: slope 0). step(0) = 0 and sign(0) = 0, so relu and abs have slope 0 at 0."""


def defined_equation(name: str) -> Expr:
    """The equation of a function of EQUATIONS in the symbol z."""
    return EQUATIONS[name]()


@functools.cache
def function_class(name: str) -> Callable[..., Expr]:
    """The sympy class of a function by name; a name that is not known is an unknown function, `g@1,1` its second derivative."""
    if name in NATIVE:
        return NATIVE[name]
    if name in KINKS:
        slope = KINKS[name]
        return _new_class(name, lambda self, k: function_class(slope)(self.args[0]) if slope else sp.S.Zero)
    if name in EQUATIONS:
        return _new_class(name, lambda self, k: _recognised_slope(name)(self.args[0], self))
    return _new_class(name, lambda self, k: function_class(derivative_name(name, k))(*self.args))


def _new_class(name: str, slope: Callable[[Function, int], Expr]) -> type[Function]:
    def fdiff(self: Function, argindex: int = 1) -> Expr:
        return slope(self, argindex)
    return type(name, (Function,), {"is_real": True, "fdiff": fdiff})


def derivative_name(name: str, argument: int) -> str:
    """The name of the derivative of an unknown function by one more argument; the order of arguments does not matter."""
    head, order = split_derivative(name)
    return f"{head}@{','.join(map(str, sorted((*order, argument))))}"


def split_derivative(name: str) -> tuple[str, tuple[int, ...]]:
    """(function, arguments differentiated by): `l@1,2` -> ("l", (1, 2))."""
    head, _, order = name.partition("@")
    return head, tuple(int(k) for k in order.split(",")) if order else ()


def function_name(e: Function) -> str:
    """The name of an applied function."""
    name: str = e.func.__name__
    return _NATIVE_NAMES.get(name, name)


@functools.cache
def _recognised_slope(name: str) -> Callable[[Expr, Expr], Expr]:
    """The slope as a function of (argument, value), in terms of the value or of one known function where that is exact."""
    f = defined_equation(name)
    slope = sp.diff(f, z)
    for basis in ((sp.S.One, f, f**2), *((defined_equation(g),) for g in ("sigmoid",) if g != name)):
        weights = _fit(slope, basis)
        if weights is None:
            continue
        if len(basis) == 3:
            return lambda u, y: weights[0] + weights[1] * y + weights[2] * y**2
        return lambda u, y: weights[0] * _sigmoid(u)
    return lambda u, y: slope.xreplace({z: u})


def _fit(target: Expr, basis: tuple[Expr, ...]) -> list[Expr] | None:
    """Rational weights with target = sum(weights * basis), for functions that are rational in t = exp(z); else None.

    Weights from as many values of t, identity shown exactly at ten more: more than the degree of any row.
    """
    t = Symbol("t", positive=True)
    rational = [e.xreplace({sp.exp(z): t, sp.exp(-z): 1 / t}) for e in (target, *basis)]
    if any(e.has(z) or e.atoms(sp.Function) for e in rational):
        return None
    goal, *columns = ([e.xreplace({t: sp.Integer(k)}) for k in range(2, 12 + len(basis))] for e in rational)
    size = len(basis)
    weights = sp.Matrix(size, size, lambda r, c: columns[c][r]).LUsolve(sp.Matrix(goal[:size]))
    exact = all(sum(w * c[k] for w, c in zip(weights, columns, strict=True)) == goal[k] for k in range(len(goal)))
    return list(weights) if exact else None


def _call(name: str) -> Callable[[Expr], Expr]:
    def applied(e: Expr) -> Expr:
        return function_class(name)(e)
    return applied


_relu, _sigmoid = _call("relu"), _call("sigmoid")
_selu_scale, _selu_alpha = sp.Rational("1.0507009873554804934193349852946"), sp.Rational("1.6732632423543772848170429916717")

EQUATIONS: dict[str, Callable[[], Expr]] = {
    "sigmoid": lambda: 1 / (1 + sp.exp(-z)),
    "softplus": lambda: sp.log(1 + sp.exp(z)),
    "log1p": lambda: sp.log(1 + z),
    "expm1": lambda: sp.exp(z) - 1,
    "silu": lambda: z * _sigmoid(z),
    "gelu": lambda: z * (1 + sp.erf(z / sp.sqrt(2))) / 2,
    "mish": lambda: z * sp.tanh(function_class("softplus")(z)),
    "leaky_relu": lambda: _relu(z) + (z - _relu(z)) / 100,
    "elu": lambda: _relu(z) + sp.exp(z - _relu(z)) - 1,
    "selu": lambda: _selu_scale * (_relu(z) + _selu_alpha * (sp.exp(z - _relu(z)) - 1)),
    "hardtanh": lambda: _relu(z + 1) - _relu(z - 1) - 1,
}
"""name -> its equation in z. With min(z, 0) = z - relu(z), the kinks of the last four are relu's."""

FUNCTION_NAMES = frozenset({*NATIVE, *KINKS, *EQUATIONS, "sqrt"})
"""Every function of numbers that has a value."""
