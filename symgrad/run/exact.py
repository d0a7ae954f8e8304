"""Rational numbers in; exact rational values of the nodes that +, -, *, / and piecewise linear functions reach out."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symgrad.core import equation as eq
from symgrad.core.functions import split_derivative
from symgrad.core.node import NUMBER, SIZE, Node, Variable, topological
from symgrad.core.shape import size_number
from symgrad.run.evaluate import Evaluation, Functions, Value, value_of

__all__ = ["EASY", "Rational", "exact_values", "rational"]

Exact = NDArray[Any]
"""An array of Fractions."""

LARGEST = 2000
"""Arrays of more entries are left to floating point."""

@dataclass(frozen=True)
class Rational:
    """The value of an unknown function that sends Fractions to Fractions, with all its derivatives; `said` is what it is, in the notation."""

    said: str
    of: Callable[[tuple[int, ...], Sequence[Exact]], Exact]

    def __call__(self, order: tuple[int, ...]) -> Callable[..., Exact]:
        return lambda *arguments: self.of(order, arguments)


def _relu(order: tuple[int, ...], arguments: Sequence[Exact]) -> Exact:
    (z,) = arguments
    return 0 * z if len(order) > 1 else np.where(z > 0, 0 * z + 1 if order else z, 0 * z)


def _half_square(order: tuple[int, ...], arguments: Sequence[Exact]) -> Exact:
    y, yhat = arguments
    e, sign = yhat - y, -1 if order.count(1) % 2 else 1
    return e * e / 2 if not order else sign * e if len(order) == 1 else 0 * e + sign * (len(order) == 2)


EASY: Mapping[int, Rational] = {1: Rational("relu(z)", _relu), 2: Rational("1/2*(y - yhat)^2", _half_square)}
"""By the number of arguments: what unknown functions stand for where one computes by hand."""

PIECEWISE: Mapping[str, Callable[[Fraction], Fraction | int]] = {
    "relu": lambda z: max(z, Fraction(0)), "step": lambda z: int(z > 0), "abs": abs, "sign": lambda z: (z > 0) - (z < 0),
    "leaky_relu": lambda z: z if z > 0 else z / 100, "hardtanh": lambda z: min(max(z, Fraction(-1)), Fraction(1)),
}
"""The elementwise functions that send rationals to rationals."""


class _Irrational(Exception):
    """The op leaves the rational numbers, or has no equation."""


def rational(array: ArrayLike | Fraction) -> Exact:
    """The entries as the decimals that they are written as: 0.1 is 1/10."""
    def one(x: float | Fraction) -> Fraction:
        return Fraction(x) if isinstance(x, Fraction | int) else Fraction(repr(float(x)))
    return _fractions(_entrywise(one)(np.asarray(array, dtype=object)))


def exact_values(outputs: Sequence[Node], values: Mapping[str, ArrayLike], sizes: Mapping[str, int], functions: Functions | None = None) -> dict[Node, Exact]:
    """The exact value of every node below the outputs that has one; a node that exp, a root or an unknown function leads to is absent.

    values: arrays by variable name, shapes as declared; sizes: every size by name, as a trace has them; functions: unknown ones, exact where `Rational`.
    """
    done: dict[Node, Exact] = {}
    for node in topological(outputs):
        shape = tuple(size_number(s, sizes) for s in node.shape)
        if np.prod(shape, dtype=float) > LARGEST:
            continue
        if isinstance(node.data, Variable):
            done[node] = rational(values[node.name] if node.data.value is None else node.data.value.array)
        elif node.op is NUMBER:
            done[node] = rational(node.data)  # type: ignore[arg-type]  # a number node holds a Fraction
        elif node.op is SIZE:
            done[node] = rational(size_number(node.data, sizes))
        elif node.op.body is not None and all(o in done for o in node.operands):
            try:
                done[node] = _evaluated(node, [done[o] for o in node.operands], shape, functions or {})
            except (_Irrational, ZeroDivisionError):
                continue
    return done


def _evaluated(node: Node, arrays: Sequence[Exact], shape: tuple[int, ...], functions: Functions) -> Exact:
    op, run = node.op, _Exactly(node.op, arrays, shape, functions)
    if op.has_delta and op.body is not None and op.body[0] == "+":
        return _fractions(run.scattered(op.scoped[1]))
    return _fractions(np.broadcast_to(run.aligned(run.value(op.scoped), op.out), shape))


def _entrywise(function: Callable[..., object], arguments: int = 1) -> Callable[..., Exact]:
    made: Callable[..., Exact] = np.frompyfunc(function, arguments, 1)
    return made


def _fractions(array: Exact) -> Exact:
    found = np.empty(np.shape(array), dtype=object)
    found[...] = _entrywise(Fraction)(array)
    return found


def _value(x: Fraction) -> Value:
    found = np.empty((), dtype=object)
    found[()] = x
    return Value(found, ())


class _Exactly(Evaluation):
    """The evaluation of an equation over Fractions: what makes floating-point numbers is replaced."""

    def value(self, e: eq.Expr) -> Value:
        tag = e[0]
        if tag == "n":
            return _value(Fraction(e[1]))
        if tag == "s":
            return _value(Fraction(self.arrays[e[1]].shape[e[2]]))
        if tag == "k":
            raise _Irrational
        if tag == "d":
            return self.combined([self.index(e[1]), self.index(e[2])], lambda i, j: np.asarray(i == j).astype(int).astype(object))
        if tag == "^":
            return self.combined([self.value(e[1]), self.value(e[2])], _power)
        return super().value(e)

    def function(self, name: str) -> Callable[..., Exact]:
        if isinstance(self.functions.get(split_derivative(name)[0]), Rational):
            return value_of(name, self.functions)
        if name not in PIECEWISE:
            raise _Irrational
        return _entrywise(PIECEWISE[name])


def _power(base: Exact, exponent: Exact) -> Exact:
    def one(b: Fraction, e: Fraction) -> Fraction:
        if e.denominator != 1:
            raise _Irrational
        return Fraction(b) ** e.numerator
    return np.asarray(_entrywise(one, 2)(base, exponent), dtype=object)
