"""NumPy's products and functions of matrices, by name, on nodes: dot, einsum, inverses, determinants, traces, diagonals."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from symgrad.core.node import Node
from symgrad.errors import InputError, ShapeError, UnsupportedError
from symgrad.ops.arithmetic import filled, map_function, product
from symgrad.ops.broadcasting import letters_of, times
from symgrad.ops.constants import as_node
from symgrad.ops.linalg import matrix_function
from symgrad.ops.operators import matmul
from symgrad.ops.shaping import axis_of, reshaped

__all__ = ["LINEAR_ALGEBRA", "METHODS"]


def _dot(a: object, b: object, out: object = None) -> Node:
    x, y = as_node(a), as_node(b)
    if not x.rank or not y.rank:
        return times(x, y)
    if x.rank <= 2 and y.rank <= 2:
        return matmul(x, y)
    left, right = [f"a{k}" for k in range(x.rank - 1)], [f"b{k}" for k in range(y.rank - 1)]
    at = max(y.rank - 2, 0)
    return product([(x, [*left, "k"]), (y, [*right[:at], "k", *right[at:]])], [*left, *right])


def _inner(a: object, b: object) -> Node:
    x, y = as_node(a), as_node(b)
    if not x.rank or not y.rank:
        return times(x, y)
    left, right = [f"a{k}" for k in range(x.rank - 1)], [f"b{k}" for k in range(y.rank - 1)]
    return product([(x, [*left, "k"]), (y, [*right, "k"])], [*left, *right])


def _flat(a: object) -> Node:
    node = as_node(a)
    return node if node.rank == 1 else reshaped(node, [-1])


def _outer(a: object, b: object, out: object = None) -> Node:
    return product([(_flat(a), "i"), (_flat(b), "j")], "ij")


def _vdot(a: object, b: object) -> Node:
    x, y = as_node(a), as_node(b)
    if x.shape == y.shape:
        return product([(x, letters_of(x)), (y, letters_of(y))], "")
    return product([(_flat(x), "i"), (_flat(y), "i")], "")


def _tensordot(a: object, b: object, axes: object = 2) -> Node:
    x, y = as_node(a), as_node(b)
    if isinstance(axes, int):
        pairs = [(x.rank - axes + k, k) for k in range(axes)]
    else:
        first, second = ([s] if isinstance(s, int) else list(s) for s in axes)  # type: ignore[attr-defined]  # a pair, as NumPy has it
        pairs = list(zip(first, second, strict=True))
    names, others = [f"a{k}" for k in range(x.rank)], [f"b{k}" for k in range(y.rank)]
    for i, j in pairs:
        others[axis_of(j, y.rank)] = names[axis_of(i, x.rank)]
    shared = set(names) & set(others)
    return product([(x, names), (y, others)], [n for n in (*names, *others) if n not in shared])


def _einsum(subscripts: object, *operands: object, **options: object) -> Node:
    if not isinstance(subscripts, str):
        raise UnsupportedError("np.einsum by lists of axes: write the subscripts as text, as in 'ij,jk->ik'")
    nodes = [as_node(o) for o in operands]
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(nodes):
        raise InputError(f"np.einsum({subscripts!r}) takes {len(parts)} arrays, found {len(nodes)}")
    terms = [(n, _subscripts(part, n)) for n, part in zip(nodes, parts, strict=True)]
    dots = max((sum(x[0] == "." for x in names) for _, names in terms), default=0)
    lead = [f".{k}" for k in range(dots, 0, -1)]
    if arrow:
        head, found, tail = right.partition("...")
        out = [*head, *(lead if found else []), *tail]
    else:
        letters = "".join(parts).replace(".", "")
        out = [*lead, *sorted(x for x in set(letters) if letters.count(x) == 1)]
    unknown = set(out) - {x for _, names in terms for x in names}
    if unknown or len(set(out)) != len(out):
        raise InputError(f"np.einsum({subscripts!r}): the output names {', '.join(sorted(unknown)) or 'an axis twice'}")
    return product(terms, out)


def _subscripts(part: str, node: Node) -> list[str]:
    head, dots, tail = part.partition("...")
    count = node.rank - len(head) - len(tail)
    if count < 0 or (count and not dots):
        raise ShapeError(f"np.einsum: {part!r} does not name the {node.rank} axes of {node!r}")
    return [*head, *(f".{k}" for k in range(count, 0, -1)), *tail]


def _square(a: object, what: str) -> Node:
    node = as_node(a)
    if node.rank < 2 or node.shape[-1] != node.shape[-2]:
        raise ShapeError(f"{what} takes square matrices, not shape {node.shape}")
    return node


def _of_matrices(name: str) -> Callable[..., Node]:
    def found(a: object, **_: object) -> Node:
        node = as_node(a) if name == "pinv" else _square(a, f"np.linalg.{name}")
        return matrix_function(name, node, node.rank - 2)
    return found


class SignAndLog(NamedTuple):
    """What np.linalg.slogdet gives."""

    sign: Node
    logabsdet: Node


def _slogdet(a: object) -> SignAndLog:
    node = _square(a, "np.linalg.slogdet")
    return SignAndLog(map_function("sign", matrix_function("det", node, node.rank - 2)), matrix_function("logdet", node, node.rank - 2))


def _solve(a: object, b: object) -> Node:
    return matmul(_of_matrices("inv")(a), b)


def _trace(a: object, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: object = None, out: object = None) -> Node:
    node = _diagonal(a, offset, axis1, axis2)
    return product([(node, letters_of(node))], letters_of(node)[:-1])


def _diagonal(a: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    node = as_node(a)
    if offset:
        raise UnsupportedError("a diagonal beside the main one: index it with constant lists, as in A[np.arange(n - 1), np.arange(1, n)]")
    i, j = axis_of(axis1, node.rank), axis_of(axis2, node.rank)
    if node.shape[i] != node.shape[j]:
        raise ShapeError(f"the diagonal of a matrix of shape {node.shape}: only square ones are known")
    names = list(letters_of(node))
    names[j] = names[i]
    return product([(node, names)], [*(x for x in names if x != names[i]), names[i]])


def _diag(v: object, k: int = 0) -> Node:
    node = as_node(v)
    if node.rank == 2:
        return _diagonal(node, k)
    if node.rank != 1:
        raise ShapeError(f"np.diag takes a vector or a matrix, not shape {node.shape}")
    if k:
        raise UnsupportedError("np.diag(v, k) beside the main diagonal: pad np.diag(v) with np.pad")
    return product([(node, "i")], "ij", [("i", "j")])


def _kron(a: object, b: object) -> Node:
    x, y = as_node(a), as_node(b)
    if x.rank != 2 or y.rank != 2:
        raise UnsupportedError("np.kron takes two matrices")
    made = product([(x, "ik"), (y, "jl")], "ijkl")
    (m, k), (n, l) = x.shape, y.shape
    return reshaped(made, [times(as_node(m), n), times(as_node(k), l)])


def _matrix_power(a: object, n: int) -> Node:
    node = _square(a, "np.linalg.matrix_power")
    if n < 0:
        return _matrix_power(_of_matrices("inv")(node), -n)
    found = filled("eye", node.shape) if not n else node
    for _ in range(n - 1):
        found = matmul(found, node)
    return found


def _multi_dot(arrays: Sequence[object], out: object = None) -> Node:
    return as_node(functools.reduce(matmul, arrays))


def _factorised(name: str) -> Callable[..., Node]:
    def refused(*_: object, **__: object) -> Node:
        raise UnsupportedError(f"np.linalg.{name} of a node is not known; known are inv, det, slogdet, solve, pinv, norm, matrix_power")
    return refused


LINEAR_ALGEBRA: Mapping[str, Callable[..., object]] = {
    "dot": _dot, "matmul": lambda a, b: matmul(a, b), "inner": _inner, "outer": _outer, "vdot": _vdot, "tensordot": _tensordot, "einsum": _einsum,
    "linalg.inv": _of_matrices("inv"), "linalg.det": _of_matrices("det"), "linalg.pinv": _of_matrices("pinv"), "linalg.slogdet": _slogdet,
    "linalg.solve": _solve, "linalg.matrix_power": _matrix_power, "linalg.multi_dot": _multi_dot, "linalg.trace": lambda x: _trace(x, 0, -2, -1),
    "linalg.outer": _outer, "linalg.matmul": lambda a, b: matmul(a, b), "linalg.vecdot": lambda a, b, axis=-1: _einsum("...i,...i->...", a, b),
    "linalg.diagonal": lambda x: _diagonal(x, 0, -2, -1), "trace": _trace, "diag": _diag, "diagonal": _diagonal, "kron": _kron,
    **{f"linalg.{k}": _factorised(k) for k in ("cholesky", "eig", "eigh", "eigvals", "eigvalsh", "svd", "qr", "lstsq", "cond", "matrix_rank")},
}
"""function name -> the same of nodes."""
METHODS = ("dot", "trace", "diagonal")
"""Functions that are methods of an array too."""
