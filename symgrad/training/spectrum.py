"""Layers and the values at a point come in; the Jacobian of each for one example, its singular values, and those of the products go out."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.node import Node, Variable, topological, variable
from symgrad.derive.forward import forward
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError
from symgrad.ops.kernels import Array
from symgrad.run.executor import execute
from symgrad.training.layering import INPUT, Layer

__all__ = [
    "FLOOR", "WIDEST", "LayerMap", "fuss_catalan", "largest_by_power", "layer_jacobian", "layer_map", "mixes_examples", "product_spectra",
    "singular_values",
]

WIDEST = 1500
"""Entries of a value beyond which its Jacobian is not formed."""
FLOOR = 1e-13
"""A singular value of a product below this share of the largest one is lost in rounding."""
_COTANGENT = "_cotangent"


@dataclass(frozen=True, eq=False)
class _Pullback:
    """The vector-Jacobian product of a layer as a node, and the leaves that it reads beside the value below."""

    node: Node | None
    leaves: tuple[Node, ...]


def _pullback(layer: Layer) -> _Pullback:
    cotangent = variable(_COTANGENT, layer.node.shape, "symbol")
    node = reverse(layer.function, [layer.below], cotangent).results[layer.below]
    return _Pullback(node, tuple(n for n in topological([node] if node is not None else []) if isinstance(n.data, Variable) and n.data.value is None))


def layer_jacobian(layer: Layer, values: Mapping[str, Array], below: Array, above: Array, sizes: Mapping[str, int],
                   example: int | None = 0) -> Array:
    """The Jacobian of a layer for one example: entries of the value above by entries of the one before, as a matrix.

    example: which, on the first axis; None where values have no axis of examples. A layer that treats examples apart is fed copies of the
    example, one for each row of the Jacobian; one that mixes them (batch norm) has the whole batch. Raises InputError for layers too wide to be looked at so.
    """
    rows, columns = (above.size, below.size) if example is None else (above[example].size, below[example].size)
    if max(rows, columns) > WIDEST:
        raise InputError(f"the Jacobian of {layer.name} has {rows} x {columns} entries: take a smaller width, {WIDEST} at most")
    pull = _pullback(layer)
    if pull.node is None:
        return np.zeros((rows, columns))
    known = {n.name: values[n.name] for n in pull.leaves if n.name not in (INPUT, _COTANGENT)}
    if example is None:
        return _one_by_one(pull.node, known, below, above, sizes, rows, columns)
    if mixes_examples(layer, values, below, above, sizes):
        return _one_by_one(pull.node, known, below, above, sizes, rows, columns, example)
    size = layer.node.shape[0]
    chunk = rows if isinstance(size, str) else int(size)
    numbers = {**sizes, str(size): chunk} if isinstance(size, str) else dict(sizes)
    for n in pull.leaves:
        if n.name in known and n.rank and n.shape[0] == size and isinstance(n.data, Variable) and n.data.kind != "param":
            known[n.name] = np.repeat(known[n.name][example:example + 1], chunk, axis=0)
    out = np.empty((rows, columns))
    for start in range(0, rows, chunk):
        count = min(chunk, rows - start)
        seeds = np.zeros((chunk, rows))
        seeds[np.arange(count), start + np.arange(count)] = 1.0
        given = {**known, INPUT: np.repeat(below[example:example + 1], chunk, axis=0), _COTANGENT: seeds.reshape(chunk, *above.shape[1:])}
        out[start:start + count] = execute([pull.node], given, sizes=numbers)[pull.node].reshape(chunk, -1)[:count]
    return out


def _one_by_one(node: Node, known: Mapping[str, Array], below: Array, above: Array, sizes: Mapping[str, int], rows: int, columns: int,
                example: int | None = None) -> Array:
    """The rows one after the other, each a product with a unit vector."""
    out = np.empty((rows, columns))
    for k in range(rows):
        seed = np.zeros(above.shape)
        seed.reshape(1 if example is None else len(seed), -1)[example or 0, k] = 1.0
        found = execute([node], {**known, INPUT: below, _COTANGENT: seed}, sizes=sizes)[node]
        out[k] = (found if example is None else found[example]).reshape(-1)
    return out


def mixes_examples(layer: Layer, values: Mapping[str, Array], below: Array, above: Array, sizes: Mapping[str, int]) -> bool:
    """Whether a value of one example depends on other examples: its gradient reaches them."""
    if above.shape[0] < 2:
        return False
    pull = _pullback(layer)
    if pull.node is None:
        return False
    seed = np.zeros(above.shape)
    seed[0] = np.random.default_rng(0).normal(size=above.shape[1:])
    known = {n.name: values[n.name] for n in pull.leaves if n.name not in (INPUT, _COTANGENT)}
    found = execute([pull.node], {**known, INPUT: below, _COTANGENT: seed}, sizes=sizes)[pull.node]
    return bool(np.any(found[1:] != 0))


@dataclass(frozen=True, eq=False)
class LayerMap:
    """The Jacobian of a layer that is too wide to be written down, of all examples at once: its products with arrays, and those of its transpose."""

    push: Callable[[Array], Array]
    pull: Callable[[Array], Array]
    shape: tuple[int, ...]


def layer_map(layer: Layer, values: Mapping[str, Array], below: Array, above: Array, sizes: Mapping[str, int]) -> LayerMap:
    """The products with the Jacobian, forward along a tangent and back with a cotangent."""
    tangent = variable(_COTANGENT, layer.before.shape, "symbol")
    ahead, back = forward(layer.function, {layer.below: tangent}), _pullback(layer).node

    def run(node: Node | None, array: Array, otherwise: Array) -> Array:
        if node is None:
            return np.zeros_like(otherwise)
        known = {n.name: values[n.name] for n in topological([node]) if isinstance(n.data, Variable) and n.name in values}
        return execute([node], {**known, INPUT: below, _COTANGENT: array}, sizes=sizes)[node]
    return LayerMap(lambda v: run(ahead, v, above), lambda u: run(back, u, below), below.shape)


def largest_by_power(maps: Sequence[LayerMap], example: int | None, rounds: int = 30, seed: int = 0) -> float:
    """The largest singular value of the product of maps for one example, by power iteration on its square: a lower estimate, within a few percent."""
    v: Array = np.zeros(maps[0].shape)
    v[... if example is None else example] = np.random.default_rng(seed).standard_normal(v[... if example is None else example].shape)
    norm = 0.0
    for _ in range(rounds):
        size = float(np.linalg.norm(v))
        if size == 0 or not math.isfinite(size):
            return size
        v = np.divide(v, size)
        for m in maps:
            v = m.push(v)
        norm = float(np.linalg.norm(v))
        for m in reversed(maps):
            v = m.pull(v)
    return norm


def singular_values(matrix: Array) -> Array:
    """The singular values, largest first."""
    return np.linalg.svd(matrix, compute_uv=False)


def product_spectra(jacobians: Sequence[Array]) -> list[Array]:
    """The singular values of J_1, J_2 J_1, ..., with nan for those lost in rounding: each product is kept at a largest entry of about 1."""
    out: list[Array] = []
    product: Array | None = None
    scale = 0.0
    for J in jacobians:
        product = J if product is None else J @ product
        top = float(np.abs(product).max(initial=0.0))
        if top == 0 or not math.isfinite(top):
            out.append(np.full(min(product.shape), top))
            continue
        product, scale = product / top, scale + math.log(top)
        found = singular_values(product)
        with np.errstate(over="ignore", under="ignore"):
            out.append(np.where(found > FLOOR * found[0], found * np.exp(scale), np.nan))
    return out


def fuss_catalan(depth: int, power: int) -> float:
    """The moments of the squared singular values of a product of `depth` square Gaussian matrices of variance 1/n: binom((L+1) k, k)/(L k + 1).

    mean(s^(2k)) for n -> infinity: Penson and Zyczkowski (2011). The largest squared one tends to (L+1)^(L+1)/L^L.
    """
    return math.comb((depth + 1) * power, power) / (depth * power + 1)
