"""An expression of the notation and arrays come in; its value by plain loops goes out: independent of graphs, ops and equations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from symgrad.notation import syntax
from symgrad.notation.parse import parse
from symgrad.notation.statements import Definition, Output

__all__ = ["Array", "board_value"]

Array = NDArray[np.float64]
Numbers = Mapping[str, Array]


def board_value(text: str, values: Numbers, sizes: Mapping[str, int]) -> Array:
    """The value of a bare expression, or of a line `D[i, j] = ...` whose indices have the sizes that its components show."""
    (line,) = parse(text, limits=None).statements
    reader = _Board(values, sizes)
    if isinstance(line, Output):
        return _plain(reader.value(line.value, {}))
    assert isinstance(line, Definition)
    names = [i.name or "" for i in line.indices]
    shape = [reader.size_of(n, line.value) for n in names]
    found = np.zeros(shape)
    for index in itertools.product(*map(range, shape)):
        found[index] = reader.value(line.value, {n: k + 1 for n, k in zip(names, index, strict=True)})
    return found


def _plain(v: Array) -> Array:
    """Columns as vectors."""
    return v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v


class _Board:
    """Vectors are n x 1 arrays, as in MATLAB; scalars have no axes."""

    def __init__(self, values: Numbers, sizes: Mapping[str, int]) -> None:
        self.values, self.sizes = values, sizes

    def size_of(self, name: str, e: syntax.Expression) -> int:
        """How far an index runs, from where it stands alone."""
        for x in syntax.walk(e):
            if isinstance(x, syntax.Index):
                for axis, i in enumerate(x.indices):
                    if i.name == name:
                        return int(self.whole(x.operand).shape[axis])
            if isinstance(x, syntax.Delta) and name in (x.left.name, x.right.name):
                other = x.right.name if x.left.name == name else x.left.name
                for y in syntax.walk(e):
                    if isinstance(y, syntax.Index) and other in [i.name for i in y.indices]:
                        return int(self.whole(y.operand).shape[[i.name for i in y.indices].index(other)])
        raise AssertionError(name)

    def whole(self, e: syntax.Expression) -> Array:
        return self.value(e, {})

    def value(self, e: syntax.Expression, at: Mapping[str, int]) -> Array:
        match e:
            case syntax.Number():
                return np.asarray(float(e.value))
            case syntax.Name():
                return self.column(np.asarray(self.values[e.name])) if e.name in self.values else np.asarray(float(self.sizes[e.name]))
            case syntax.Negate():
                return -self.value(e.operand, at)
            case syntax.Transpose():
                return self.value(e.operand, at).T
            case syntax.Binary():
                return self.binary(e.operator, self.value(e.left, at), self.value(e.right, at))
            case syntax.Index():
                v = _plain(self.value(e.operand, at))
                return np.asarray(v[tuple(at[i.name] - 1 if i.name else (i.literal or 0) - 1 for i in e.indices)])
            case syntax.Delta():
                return np.asarray(float(at[e.left.name or ""] == at[e.right.name or ""]))
            case syntax.Over():
                ranges = [range(1, self.size_of(n, e.operand) + 1) for n in e.indices]
                terms = [self.value(e.operand, {**at, **dict(zip(e.indices, k, strict=True))}) for k in itertools.product(*ranges)]
                return np.asarray(getattr(np, e.reducer)(terms, axis=0))
            case syntax.Call():
                return self.call(e, at)
        raise AssertionError(e)

    def column(self, a: Array) -> Array:
        return a[:, None] if a.ndim == 1 else a

    def binary(self, operator: str, a: Array, b: Array) -> Array:
        if operator == "*" and a.ndim and b.ndim:
            found = a @ b
            return np.asarray(found[0, 0]) if found.shape == (1, 1) else found
        if operator == "^" and a.ndim:
            return np.linalg.matrix_power(a, int(b))
        table: dict[str, Callable[[Array, Array], Array]] = {
            "+": np.add,
            "-": np.subtract,
            "*": np.multiply,
            ".*": np.multiply,
            "/": np.divide,
            "./": np.divide,
            "^": np.power,
            ".^": np.power,
        }
        assert not a.ndim or not b.ndim or a.shape == b.shape, (operator, a.shape, b.shape)
        return np.asarray(table[operator](a, b))

    def call(self, e: syntax.Call, at: Mapping[str, int]) -> Array:
        if e.function in ("eye", "ones", "zeros"):
            shape = [int(self.value(a, at)) for a in e.arguments]
            return np.eye(shape[0]) if e.function == "eye" else self.column(getattr(np, e.function)(shape))
        if e.function == "vector":
            return np.asarray(1.0)  # NumPy repeats it
        return np.asarray(FUNCTIONS[e.function](*(self.value(a, at) for a in e.arguments)))


def _diag(a: Array) -> Array:
    return np.diag(a[:, 0]) if a.shape[1] == 1 else np.diag(a)[:, None]


def _adj(a: Array) -> Array:
    n = len(a)
    return np.array([[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, j, 0), i, 1)) for j in range(n)] for i in range(n)])


def _softmax(z: Array) -> Array:
    axis = 0 if z.shape[1] == 1 else 1
    return np.exp(z) / np.exp(z).sum(axis=axis, keepdims=True)


FUNCTIONS: dict[str, Callable[..., Array]] = {
    **{
        f: getattr(np, f)
        for f in "exp log sqrt abs sign sin cos tan arcsin arccos arctan sinh cosh tanh log1p expm1 sum mean max min".split()
    },
    "relu": lambda z: np.maximum(z, 0),
    "step": lambda z: (z > 0) * 1.0,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "erf": np.vectorize(math.erf),
    "gelu": lambda z: z * (1 + np.vectorize(math.erf)(z / 2**0.5)) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "leaky_relu": lambda z: np.where(z > 0, z, z / 100),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "mish": lambda z: z * np.tanh(np.log(1 + np.exp(z))),
    "hardtanh": lambda z: np.clip(z, -1, 1),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * (np.exp(z) - 1)),
    "norm1": lambda x: np.abs(x).sum(),
    "norm2": lambda x: np.sqrt((x**2).sum()),
    "normF": lambda x: np.sqrt((x**2).sum()),
    "tr": np.trace,
    "det": np.linalg.det,
    "logdet": lambda x: np.log(abs(np.linalg.det(x))),
    "inv": np.linalg.inv,
    "pinv": np.linalg.pinv,
    "adj": _adj,
    "diag": _diag,
    "kron": np.kron,
    "vec": lambda x: x.T.reshape(-1, 1),
    "outer": lambda x, y: x @ y.T,
    "softmax": _softmax,
    "log_softmax": lambda z: np.log(_softmax(z)),
    "logsumexp": lambda z: np.log(np.exp(z).sum()),
}
