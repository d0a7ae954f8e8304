"""Seeded random values for the variables of a graph: unequal sizes, declared facts respected, inside the domain of the functions used."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symgrad.core.node import SIZE, Node, Variable, topological
from symgrad.core.shape import size_names, size_number
from symgrad.ops.kernels import Array

__all__ = ["sample", "sample_sizes", "styles"]

LARGEST = 12
"""The least size is below this."""
STYLES = ("normal", "positive", "unit", "above one")


def styles() -> Iterator[str]:
    """The ways of drawing values, in the order they are tried: the first whose values are finite is used."""
    yield from STYLES


def sample_sizes(nodes: Sequence[Node], declared: Mapping[str, int], seed: int) -> dict[str, int]:
    """A whole number for every size name: declared ones as they are, the others small, unequal and never 1."""
    names: dict[str, None] = {}
    for n in nodes:
        for size in (*n.shape, *((n.data,) if n.op is SIZE else ())):
            names.update(dict.fromkeys(size_names(size)))
    free = [n for n in names if n not in declared]
    order = np.random.default_rng(seed).permutation(len(free) + 1)
    shapes = {s for n in nodes for s in n.shape if not isinstance(s, int)}
    for least in range(2, LARGEST):                        # larger ones where a window would not fit
        pool = [k for k in range(least, 2 + least + 2 * len(free)) if k not in declared.values()]
        found = {**{n: declared[n] for n in names if n in declared}, **{n: pool[int(order[k])] for k, n in enumerate(free)}}
        if all(size_number(s, found) > 0 for s in shapes):
            break
    return found


def _classes(facts: frozenset[str], sizes: Mapping[str, int]) -> int:
    """The number of classes of a label; 0 for what is none."""
    for f in facts:
        if f == "label":
            return 2
        if f.startswith("label("):
            inside = f[6:-1]
            return int(inside) if inside.isdigit() else sizes.get(inside, 2)
    return 0


def sample(outputs: Sequence[Node], sizes: Mapping[str, int], seed: int, style: str = "normal") -> dict[str, Array]:
    """A value for every variable below the outputs."""
    rng = np.random.default_rng(seed)
    leaves = [n for n in topological(outputs) if isinstance(n.data, Variable) and n.data.value is None]
    return {n.name: _draw(n, tuple(size_number(s, sizes) for s in n.shape), rng, style, _classes(n.facts, sizes)) for n in leaves}


def _draw(node: Node, shape: tuple[int, ...], rng: np.random.Generator, style: str, classes: int) -> Array:
    facts = node.facts
    if classes:
        return rng.integers(1, classes + 1, size=shape).astype(float)
    if "onehot" in facts and shape:
        return np.eye(shape[-1])[rng.integers(0, shape[-1], size=shape[:-1])]
    if "simplex" in facts and shape:
        return rng.dirichlet(np.full(shape[-1], 2.0), size=shape[:-1])
    x = rng.normal(size=shape) * 0.8
    if style == "positive" or "positive" in facts:
        x = rng.uniform(0.3, 1.2, size=shape)
    elif style == "unit":
        x = rng.uniform(-0.8, 0.8, size=shape)
    elif style == "above one":
        x = rng.uniform(1.2, 2.5, size=shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return x
    return _structured(x, facts, rng)


def _structured(x: Array, facts: frozenset[str], rng: np.random.Generator) -> Array:
    """A square matrix with the declared structure; any other one is kept well away from singular ones."""
    n = x.shape[-1]
    eye = np.eye(n)
    if facts & {"spd", "psd"}:
        return np.asarray(x @ np.swapaxes(x, -1, -2) / n + eye)
    if "orthogonal" in facts:
        return np.linalg.qr(rng.normal(size=x.shape))[0]
    if "diagonal" in facts:
        return x * eye + 2 * eye * (rng.random() + 0.5)
    if "symmetric" in facts:
        x = (x + np.swapaxes(x, -1, -2)) / 2
    if "lower" in facts:
        x = np.tril(x)
    if "upper" in facts:
        x = np.triu(x)
    return x + 2 * eye if facts & {"invertible", "lower", "upper"} or n > 1 else x
