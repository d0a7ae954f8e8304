"""One op on arrays: its index equation evaluated as it stands, the reference that programs are tested against."""
from __future__ import annotations

import functools
import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from symgrad.core import equation as eq
from symgrad.core.functions import split_derivative
from symgrad.core.op import Op
from symgrad.errors import MissingValueError
from symgrad.ops.kernels import FUNCTIONS, KERNELS, STRUCTURED, Array
from symgrad.ops.rows import EQUATIONS, library_op

__all__ = ["Evaluation", "Functions", "OfArrays", "Value", "evaluate_op", "value_of"]

Functions = Mapping[str, Callable[[tuple[int, ...]], Callable[..., Array]]]
"""Values of unknown functions by name: from the arguments derived by (() for the function itself) to a function of arrays."""


@runtime_checkable
class OfArrays(Protocol):
    """A value of an unknown function that tells arrays as arguments apart from many numbers at once."""

    def of_arrays(self, order: tuple[int, ...]) -> Callable[..., Array]:
        """The derivative by the arguments `order`, of whole arrays: their axes in that order."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array whose axes are the named indices, in order."""

    array: NDArray[Any]
    axes: tuple[eq.Index, ...]


def evaluate_op(op: Op, arrays: Sequence[Array], shape: tuple[int, ...], functions: Functions) -> Array:
    """The op's output, of the given shape, for arrays of its operands' ranks. Raises MissingValueError for an unknown function."""
    kernel = _kernel(op)
    if kernel is not None:
        return kernel(*arrays)
    if op.body is None:
        return _opaque(op, arrays, shape, functions)
    run = Evaluation(op, arrays, shape, functions)
    if op.has_delta and op.body[0] == "+":
        return run.scattered(op.scoped[1])
    value = run.value(op.scoped)
    return np.array(np.broadcast_to(run.aligned(value, op.out), shape))


@functools.cache
def _kernel(op: Op) -> Callable[..., Array] | None:
    if op.body is None and op.name in STRUCTURED:
        return STRUCTURED[op.name]
    root = op
    while root.origin:
        root = root.origin[0]
    row = op.name.split(".")[0]
    if op.name in KERNELS and row in EQUATIONS:
        axes = root.ranks[0]
        library = library_op(row, axes) if axes else None
        if library is not None and (root is library or any(library.line_op(n).op is root for n in range(len(library.where)))):
            return lambda x: KERNELS[op.name](x, axes)
    return None


def _opaque(op: Op, arrays: Sequence[Array], shape: tuple[int, ...], functions: Functions) -> Array:
    """An unknown function of arrays, once for each of its leading indices."""
    if op.origin is None:
        head, order = split_derivative(op.name)
        given = functions.get(head)
        value = given.of_arrays(order) if isinstance(given, OfArrays) else value_of(op.name, functions)
        return np.asarray(value(*arrays)).reshape(shape)
    root, patterns = op.origin
    count = len(op.out) - len(root.out)
    found = np.empty(shape)
    for index in np.ndindex(*shape[:count]):
        picked = [a[tuple(index[k] for k in pattern)] for a, pattern in zip(arrays, patterns, strict=True)]
        found[index] = evaluate_op(root, picked, shape[count:], functions)
    return found


def value_of(name: str, functions: Functions) -> Callable[..., Array]:
    """The value of an unknown function or of a derivative of one. Raises MissingValueError naming it."""
    head, order = split_derivative(name)
    given = functions.get(head)
    if given is None:
        raise MissingValueError(f"the function {head} has no value: give it one, as in functions={{{head!r}: \"tanh\"}}")
    return given(order)


class Evaluation:
    """The equation of one op at arrays, expression by expression."""

    def __init__(self, op: Op, arrays: Sequence[Array], shape: tuple[int, ...], functions: Functions) -> None:
        self.op, self.arrays, self.functions = op, arrays, functions
        self.sizes: dict[eq.Index, int] = {name: arrays[k].shape[axis] for name, (k, axis) in op.axis_of.items()}
        self.sizes.update(zip(op.out, shape, strict=True))

    # ------------------------------------------------------------------ arrays with named axes
    def aligned(self, v: Value, axes: Sequence[eq.Index]) -> Array:
        """The array with the given axes, length 1 where it has none of that name."""
        order = [v.axes.index(a) for a in axes if a in v.axes]
        moved = np.transpose(v.array, order) if len(order) > 1 else v.array
        return moved.reshape([self.sizes[a] if a in v.axes else 1 for a in axes])

    def combined(self, parts: Sequence[Value], function: Callable[..., Array]) -> Value:
        axes = tuple(dict.fromkeys(a for p in parts for a in p.axes))
        return Value(np.asarray(function(*[self.aligned(p, axes) for p in parts])), axes)

    # ------------------------------------------------------------------ expressions
    def scattered(self, terms: Sequence[eq.Expr]) -> Array:
        """A sum whose terms may stand at one place of an axis, delta[2,k]*w[i]: each is added there, not to a whole array."""
        out = self.op.out
        found = np.zeros([self.sizes[o] for o in out], dtype=np.result_type(*self.arrays) if self.arrays else float)
        for t in terms:
            at, rest = dict[eq.Index, int](), list[eq.Expr]()
            factors = t[1] if t[0] == "*" else (t,)
            for n, f in enumerate(factors):
                name, place = (f[1], f[2]) if f[0] == "d" and eq.is_affine(f[2]) else (f[2], f[1]) if f[0] == "d" else (None, None)
                numbered = name in out and eq.is_affine(place) and not eq.index_names(place)
                if numbered and not any(name in eq.free(g) for m, g in enumerate(factors) if m != n):
                    at[name] = eq.affine_parts(place)[0]
                else:
                    rest.append(f)
            if all(0 <= k < self.sizes[name] for name, k in at.items()):
                v = self.value(("*", tuple(rest)) if rest else eq.ONE)
                found[tuple(at.get(o, slice(None)) for o in out)] += self.aligned(v, [o for o in out if o not in at])
        return found

    def value(self, e: eq.Expr) -> Value:
        tag = e[0]
        if tag == "r":
            return self.reference(e)
        if tag == "n":
            return Value(np.asarray(float(e[1])), ())
        if tag == "k":
            return Value(np.asarray(np.pi), ())
        if tag == "s":
            return Value(np.asarray(float(self.arrays[e[1]].shape[e[2]])), ())
        if tag == "d":
            return self.combined([self.index(e[1]), self.index(e[2])], lambda i, j: (i == j) * 1.0)
        if tag == "S":
            return self.total(e[2], e[1])
        if tag == "+":
            return self.combined([self.value(a) for a in e[1]], lambda *a: functools.reduce(np.add, a))
        if tag == "*":
            return self.combined([self.value(a) for a in e[1]], lambda *a: functools.reduce(np.multiply, a))
        if tag == "^":
            return self.combined([self.value(e[1]), self.value(e[2])], _power)
        return self.combined([self.value(a) for a in e[2]], self.function(e[1]))

    def index(self, i: eq.Index) -> Value:
        """An index as an array of whole numbers."""
        constant, terms = eq.affine_parts(i)
        parts = [Value(c * np.arange(self.sizes[n]), (n,)) for n, c in terms.items()]
        return self.combined([Value(np.asarray(constant), ()), *parts], lambda *a: functools.reduce(np.add, a))

    def reference(self, e: eq.Expr) -> Value:
        array, index = self.arrays[e[1]], e[2]
        if all(not eq.is_affine(i) for i in index):
            if len(set(index)) == len(index):
                return Value(array, index)
            diagonal: Callable[..., Array] = np.einsum
            return Value(diagonal(array, [index.index(i) for i in index], sorted({index.index(i) for i in index})), tuple(dict.fromkeys(index)))
        return self.window(array, index)

    def window(self, array: Array, index: Sequence[eq.Index]) -> Value:
        """An array read at shifted indices: a view with a step for each name. Outside its range an array is zero."""
        margins, start, steps = list[tuple[int, int]](), list[slice](), dict[eq.Index, int]()
        parts = [eq.affine_parts(i) for i in index]
        for length, (constant, terms) in zip(array.shape, parts, strict=True):
            reach = [c * (self.sizes[n] - 1) for n, c in terms.items()]
            low, high = constant + sum(r for r in reach if r < 0), constant + sum(r for r in reach if r > 0)
            margins.append((max(0, -low), max(0, high + 1 - length)))
            start.append(slice(constant + margins[-1][0], None))
        wide = np.pad(array, margins) if any(map(any, margins)) else array
        for stride, (_, terms) in zip(wide.strides, parts, strict=True):
            for n, c in terms.items():
                steps[n] = steps.get(n, 0) + c * stride
        shape = [self.sizes[n] for n in steps]
        return Value(np.lib.stride_tricks.as_strided(wide[tuple(start)], shape, list(steps.values()), writeable=False), tuple(steps))

    def total(self, body: eq.Expr, bound: tuple[eq.Index, ...]) -> Value:
        """The sum over bound indices; a product is one einsum."""
        if body[0] == "+":
            return self.combined([self.total(a, bound) for a in body[1]], lambda *a: functools.reduce(np.add, a))
        parts = [self.value(f) for f in (body[1] if body[0] == "*" else (body,))]
        axes = tuple(dict.fromkeys(a for p in parts for a in p.axes))
        kept = tuple(a for a in axes if a not in bound)
        letters = {a: n for n, a in enumerate(axes)}
        assert len(letters) <= len(string.ascii_letters)
        operands: list[object] = []
        for p in parts:
            operands += [p.array, [letters[a] for a in p.axes]]
        einsum: Callable[..., Array] = np.einsum
        summed = einsum(*operands, [letters[a] for a in kept], optimize=len(parts) > 1)
        repeats = math.prod(self.sizes[b] for b in bound if b not in axes)
        return Value(np.asarray(summed * repeats if repeats != 1 else summed), kept)

    def function(self, name: str) -> Callable[..., Array]:
        known = FUNCTIONS.get(name)
        if known is not None:
            return known
        return value_of(name, self.functions)


def _power(base: Array, exponent: Array) -> Array:
    if exponent.ndim == 0:
        e = float(exponent)
        return base**2 if e == 2 else np.sqrt(base) if e == 0.5 else 1.0 / base if e == -1 else base**e
    return np.asarray(base**exponent)
