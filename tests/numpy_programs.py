"""One line a NumPy function: programs over x (3, 4), y (3, 4), v (4,), A (3, 3), s (), t (2, 3, 4) with what kind of numbers they take."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symgrad as sg

__all__ = ["LINES", "Line", "SHAPES", "UNARY", "draw"]

SHAPES = {"x": (3, 4), "y": (3, 4), "v": (4,), "A": (3, 3), "s": (), "t": (2, 3, 4), "w": (4, 2), "r": (1, 4), "c": (3, 1)}
IDX = np.array([2, 0, 2])
MASK = np.array([True, False, True])
C = np.arange(12.0).reshape(3, 4) / 7 - 0.6


@dataclass(frozen=True)
class Line:
    """A program of arrays by name; `covers` are the functions of NumPy it is there for."""

    covers: tuple[str, ...]
    run: Callable[..., Any]
    kind: str = "real"

    def __str__(self) -> str:
        return f"{'+'.join(self.covers)}:{self.run.__code__.co_firstlineno}"


UNARY = {
    **{n: "real" for n in "exp sin cos tan arctan sinh cosh tanh expm1 square negative positive absolute fabs sign exp2 arcsinh deg2rad radians rad2deg degrees".split()},
    **{n: "positive" for n in "log log1p sqrt reciprocal log2 log10".split()}, "arcsin": "unit", "arccos": "unit", "arctanh": "unit", "arccosh": "above",
}

LINES: list[Line] = [
    *(Line((n,), lambda x, n=n: getattr(np, n)(x), k) for n, k in UNARY.items()),
    Line(("add", "subtract", "multiply"), lambda x, y, v, r, c, s: (x + v) * (y - c) + r * c - s * v + np.add(x, 1) - np.subtract(2, y) * np.multiply(v, v)),
    Line(("divide", "true_divide"), lambda x, v, c, s: x / v + c / v - np.divide(2, x) + np.true_divide(x, s), "positive"),
    Line(("power", "float_power"), lambda x, v, s: x**3 + x**v + 2**x + x**-1.5 + np.power(s, 2) + np.float_power(x, s) + x**0.5 + x**0, "positive"),
    Line(("matmul",), lambda x, w, t, v, A: t @ w + (x @ w) + np.matmul(A, x)[:, :2] + (x @ v)[:, None] + (t @ v)[0, 0]),
    Line(("matmul",), lambda t, x, y: (x[None] @ t.transpose(0, 2, 1)) @ y),
    Line(("maximum", "minimum", "fmax", "fmin"), lambda x, y, v: np.maximum(x, y) * np.minimum(x, v) + np.fmax(x, 0.1) - np.fmin(0, y) + np.maximum(0, x)),
    Line(("clip",), lambda x: np.clip(x, -0.3, 0.4) ** 2 + x.clip(min=0.1) + np.clip(x, None, 0.2) * x),
    Line(("where", "greater", "less", "greater_equal", "less_equal", "equal", "not_equal"),
         lambda x, y: np.where(x > y, x * y, x**2) + np.where(x < 0.1, x, 3.0) + np.where(x >= y, y**2, 0) + (x <= y) * x**2 + np.where(np.equal(x, y), x, y**2)
         + np.where(np.not_equal(x, y), x**3, y)),
    Line(("where",), lambda x: np.where(x > 0, np.log(np.abs(x) + 0.1), np.exp(x)) + np.where(MASK[:, None], x**2, np.sqrt(x**2 + 1))),
    Line(("logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "invert"),
         lambda x, y: np.where(np.logical_and(x > 0, y > 0), x * y, x) + np.where((x > 0) | (y < 0), x**2, y) * (~(x > y)) + np.where(np.logical_not(x > 0), y**2, x)
         + np.where(np.logical_or(x > 1, y > 1), x, y) + np.where((x > 0) ^ (y > 0), y, x**3) + ((x > 0) & (y > 0)) * x**2 + np.logical_xor(x > 0, y > 0) * x
         + np.bitwise_and(x > 0, y > 0) * y + np.bitwise_or(x > 0, y > 0) * x * y + np.bitwise_xor(x > 0, y > 0) * y**2 + np.invert(x > 0) * y),
    Line(("hypot", "logaddexp"), lambda x, y: np.hypot(x, y) + np.logaddexp(x, y)),
    Line(("sum",), lambda x, t: np.sum(x, axis=0) * x.sum(axis=-1, keepdims=True) + t.sum(axis=(0, 2)).sum() + np.sum(t**2) + np.sum(x**2, 0)),
    Line(("mean",), lambda x, t: np.mean(x**2) + x.mean(axis=1, keepdims=True) ** 2 * x + np.mean(t, axis=(0, 1)) ** 2),
    Line(("max", "min", "amax", "amin"), lambda x, t: np.max(x, axis=0) ** 2 * x.min(axis=1, keepdims=True) + np.max(t**2) + np.amin(t, axis=(0, 2)).sum() + np.amax(x) ** 3),
    Line(("prod",), lambda x, v: np.prod(x, axis=1) + v.prod() ** 2 + np.prod(x, axis=0).sum()),
    Line(("var", "std"), lambda x, t: np.var(x) + x.var(axis=1, ddof=1).sum() + np.std(x, axis=0) ** 3 + np.std(t, axis=(1, 2), ddof=1, keepdims=True).sum() + x.std()),
    Line(("average",), lambda x, v: np.average(x, axis=1) ** 2 + np.average(x, axis=1, weights=v**2 + 1) + np.average(x) ** 2),
    Line(("cumsum",), lambda x: np.cumsum(x, axis=0) ** 2 + x.cumsum(axis=1) * x + np.cumsum(x).reshape(3, 4)),
    Line(("cumprod",), lambda x: np.cumprod(x, axis=1) ** 2 + x.cumprod(0)),
    Line(("ptp",), lambda x: np.ptp(x, axis=1) ** 2),
    Line(("diff",), lambda x: np.diff(x, axis=1) ** 2 + np.diff(x, n=2, axis=0).sum()),
    Line(("linalg.norm",), lambda x, v: np.linalg.norm(x) + np.linalg.norm(x, axis=1) ** 3 + np.linalg.norm(v, 1) + np.linalg.norm(v, 3) + np.linalg.norm(v, np.inf) ** 2
         + np.linalg.norm(x, "fro") ** 2 + np.linalg.norm(x, axis=0, keepdims=True).sum()),
    Line(("reshape", "ravel"), lambda x, t: x.reshape(2, 6) ** 2 @ t.reshape(-1, 4).ravel()[:6] + np.reshape(x, (4, 3)).reshape(-1)[:2] + np.ravel(x)[2:4] + x.flatten()[:2]),
    Line(("reshape",), lambda t: t.reshape(2, -1) ** 2 @ t.reshape((12, 2)) + t.reshape(6, 2, 2)[:2, :, 0] * t.reshape(1, 24)[0, 3]),
    Line(("transpose", "permute_dims", "swapaxes", "moveaxis", "matrix_transpose", "linalg.matrix_transpose"),
         lambda x, t: x.T @ x + np.transpose(t, (2, 0, 1))[:, 0] @ t.swapaxes(0, 1)[:, 1, :] + t.transpose(0, 2, 1)[0] @ np.moveaxis(t, 0, -1)[:, :, 1]
         + t.mT[0] @ np.matrix_transpose(t)[0].T + np.swapaxes(x, 0, 1) @ np.transpose(x).T + np.permute_dims(x, (1, 0)) @ np.linalg.matrix_transpose(x).T
         + np.moveaxis(t, (0, 1), (1, 0))[0, 0]),
    Line(("expand_dims", "squeeze"), lambda x, v, r: np.expand_dims(x, (0, 3))[0, :, :, 0] * np.squeeze(r) ** 2 + np.expand_dims(v, 0) * r.squeeze(0) + v[None, :] ** 2 * v[:, None][:3]),
    Line(("concatenate", "concat"), lambda x, y, r, c: np.concatenate([x, y**2, r], axis=0)[1:5] * np.concatenate((x, c), axis=1)[0, :4] + np.concat([x, x * y])[2:]
         + np.concatenate([x, y, x * y], axis=0)[::3][0] + np.concatenate([x, r], axis=None)[3]),
    Line(("stack", "vstack", "hstack", "column_stack"),
         lambda x, y, v: np.stack([x, y], axis=1)[:, 0] * np.stack([v, v**2, v])[:3] + np.vstack([v, x])[1:] ** 2 + np.hstack([x, y * x])[:, 3:7] + np.column_stack([x, x[:, 0]])[:, 1:]
         + np.hstack([v, v**2])[2:6] + np.stack([x, y, x * y], axis=-1)[..., 2]),
    Line(("split", "array_split", "vsplit", "hsplit"),
         lambda x, t, v: np.split(x, 2, axis=1)[0] ** 2 + np.array_split(x, 3, axis=1)[0] * np.split(v, [1, 3])[1] + np.hsplit(x, 2)[1] + np.vsplit(x, 3)[1][:, :2] * np.split(t, 2)[1][0, :, 1:3]),
    Line(("pad",), lambda x, v: np.pad(x, ((1, 0), (0, 2))) ** 2 @ np.pad(v, (0, 2)) + np.pad(x, 1, constant_values=2.0)[1:, 1] ** 2),
    Line(("tile", "repeat"), lambda x, v: np.tile(x, (2, 1)) ** 2 @ v + np.repeat(x, 2, axis=0) @ np.tile(v, 2)[2:6] + np.repeat(v, 3)[:6] + x.repeat(2)[:6] + np.repeat(x, [1, 2, 3], axis=0)[:, 0]),
    Line(("flip", "flipud", "fliplr", "roll"), lambda x: np.flip(x) * x + np.flip(x, axis=1) ** 2 + np.flipud(x) * np.fliplr(x) + np.roll(x, 1, axis=0) * x + np.roll(x, -5) ** 2
         + np.roll(x, (1, 2), axis=(0, 1))),
    Line(("getitem",), lambda x, t: x[0] * x[-1] + x[1:, ::2].sum() + x[::-1, 1:3].sum(0)[0] * t[..., 1, 0].sum() + t[0, None, 1, :, None].sum() ** 2 + x[:, -1].sum() * t[1, :, ::-2].sum()),
    Line(("getitem",), lambda x, t: x[IDX] ** 2 + x[[0, 1, 1]] * t[0][:, [3, 0, 1, 1]] + x[np.arange(3), [0, 3, 1]][:, None] ** 2 + x[MASK][0] + t[1, [0, 2]][0] ** 2 + x[C > 0][0] ** 2),
    Line(("take", "take_along_axis"), lambda x: np.take(x, IDX, axis=0) ** 2 + x.take([5, 1])[0] + np.take_along_axis(x, np.array([[1], [0], [3]]), axis=1) * x),
    Line(("broadcast_to", "broadcast_arrays"), lambda v, x, c: np.broadcast_to(v, (3, 4)) * x**2 + np.broadcast_arrays(c, v)[0] ** 2),
    Line(("zeros_like", "ones_like", "full_like", "copy", "real"), lambda x: x * np.ones_like(x) + np.zeros_like(x) + np.full_like(x, 2.5) * x + x.copy() ** 2 + np.copy(x) + np.real(x)),
    Line(("tril", "triu"), lambda A, x: np.tril(A) @ np.triu(A, 1) + np.tril(A, -1) ** 2 + np.triu(x)[:, 1:]),
    Line(("shape", "ndim", "size"), lambda x, t: x**2 / x.shape[1] + np.shape(x)[0] + np.ndim(t) * x + t.size + np.size(x) * x**2 + np.size(t, 1) + len(x) + x.ndim),
    Line(("atleast_1d", "atleast_2d"), lambda s, v, x: np.atleast_1d(s) * np.atleast_2d(v) * x),
    Line(("lib.stride_tricks.sliding_window_view",), lambda v, x: (np.lib.stride_tricks.sliding_window_view(v, 2) ** 2).sum(1)[None] * np.lib.stride_tricks.sliding_window_view(
        x, (2, 2)).sum((2, 3)).sum(0)),
    Line(("dot", "inner", "outer", "vdot"), lambda x, w, v, A, s: np.dot(x, w).sum() * np.inner(v, v) + np.outer(v, v) * np.vdot(x, x) + np.dot(v, w).sum() + np.inner(x, v).sum() + x.dot(v)[0]
         + np.dot(s, v) * v.dot(v)),
    Line(("dot", "inner"), lambda t, w, x: np.dot(t, w).sum() ** 2 + (np.inner(t, x) ** 2).sum(0).sum(0)),
    Line(("tensordot", "einsum"), lambda x, t, v, A: np.tensordot(t, x, axes=([1, 2], [0, 1])) ** 2 + np.einsum("tij,ij->t", t, x) * np.einsum("ii", A) + np.einsum("tij,j->ti", t, v).sum()
         + np.einsum("...j,j->...", t, v)[:, 0] + np.tensordot(v, v, 1) + np.tensordot(t, x.T, 1)[0, 0, 0] + np.einsum("ij,jk", A, x)[0, 0] ** 2 + np.einsum("ii->i", A)[0]),
    Line(("linalg.inv", "linalg.det", "linalg.solve", "linalg.pinv"), lambda A, x: np.linalg.inv(A) @ x * np.linalg.det(A) + np.linalg.solve(A, x) + np.linalg.pinv(x).T[:, :4] + np.linalg.solve(A, x[:, 0])[:, None], "square"),
    Line(("linalg.slogdet",), lambda A: np.linalg.slogdet(A)[1] * np.linalg.slogdet(A).sign * A, "square"),
    Line(("linalg.matrix_power", "linalg.multi_dot", "kron"), lambda A, x: np.linalg.matrix_power(A, 3)[:, :1] + np.linalg.multi_dot([A, A, x]) + np.kron(A, x)[:3, 4:8]),
    Line(("trace", "diag", "diagonal", "linalg.trace", "linalg.diagonal"), lambda A, v: np.trace(A) * np.diag(A) ** 2 + A.trace() + np.diagonal(A) ** 2 + np.diag(v)[:3, 1] + np.linalg.trace(A)
         + np.linalg.diagonal(A) + A.diagonal()),
    Line(("linalg.outer", "linalg.matmul", "linalg.vecdot"), lambda v, x, w, y: np.linalg.outer(v, v)[:3] + np.linalg.matmul(x, w)[:, :1] + np.linalg.vecdot(x, y)[:, None]),
    Line(("sg",), lambda x, t: sg.softmax(x) * sg.log_softmax(x, axis=0) + sg.logsumexp(x, axis=1, keepdims=True) + sg.softmax(t, axis=1)[0] * sg.logsumexp(t) + sg.softmax(x, axis=None)),
    Line(("sg",), lambda x: sg.sigmoid(x) + sg.relu(x) ** 2 + sg.softplus(x) + sg.gelu(x) * sg.silu(x) + sg.tanh(x) + sg.elu(x) + sg.leaky_relu(x) ** 2 + sg.erf(x) + sg.mish(x) + sg.selu(x)),
    Line(("sg",), lambda t, w: sg.conv2d(t[:, None], t[:, :2, :2][:, None], stride=1, padding=1)[0, 0] ** 2 + sg.conv1d(t, t[:, :, :3], padding=1)[0, 0, 0]),
    Line(("sg",), lambda t: sg.maxpool(t[:, :2], 2) ** 2 + sg.avgpool(t[:, :2], 2, stride=2) * 3),
    Line(("methods",), lambda x: x.astype(float) * x.max(axis=0) + abs(x) + x.sum().item() + (+x) - (-x) ** 2),
    Line(("ufunc methods",), lambda x, v: np.add.reduce(x, axis=1)[:, None] ** 2 * np.multiply.outer(v, v)[:3] + np.maximum.reduce(x, axis=0) + np.add.accumulate(x, axis=0) + np.subtract.outer(v, v)[1:] ** 2),
    Line(("arrays",), lambda x, v: C * x + x @ C.T @ C + np.array([1.0, 2.0, 3.0, 4.0]) * v**2 + (C > 0) * x + np.eye(3) @ x + np.maximum(C, x) + 1.5 - C),
]
"""Programs whose values and first and second derivatives are compared with NumPy's and with differences."""


def draw(kind: str, name: str, rng: np.random.Generator) -> np.ndarray:
    """Values of an input: away from kinks, ties and poles."""
    shape = SHAPES[name]
    if kind == "positive":
        return rng.uniform(0.4, 1.6, size=shape)
    if kind == "unit":
        return rng.uniform(-0.8, 0.8, size=shape)
    if kind == "above":
        return rng.uniform(1.3, 2.5, size=shape)
    x = rng.normal(size=shape) * 0.9
    return x + 2 * np.eye(3) if kind == "square" and shape == (3, 3) else np.where(abs(x) < 0.05, 0.31, x)
