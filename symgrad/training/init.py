"""A network, a scheme and a seed come in; a starting array for every parameter goes out, its spread by how the parameter is used."""
from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node, Variable
from symgrad.core.shape import shape_text, size_number
from symgrad.derive.targets import Wrt, wanted
from symgrad.errors import InputError, MissingValueError, nearest
from symgrad.ops.kernels import Array
from symgrad.run.executor import bind_values
from symgrad.training.fans import Role, roles

__all__ = ["MODES", "SCHEMES", "check_scheme", "FAMILIES", "initial", "initial_with", "orthonormal", "sizes_of", "trained"]

FAMILIES: Mapping[str, tuple[int, str]] = {"glorot": (1, "avg"), "xavier": (1, "avg"), "lecun": (1, "in"), "he": (2, "in"), "kaiming": (2, "in")}
"""Name -> (variance times fan, the fan that is meant): Glorot and Bengio (2010), LeCun et al. (1998), He et al. (2015)."""
SCHEMES = (*(f"{name}_{law}" for name in (*FAMILIES, "orthogonal") for law in ("normal", "uniform")), "zeros")
ALIASES = {**{name: f"{name}_normal" for name in (*FAMILIES, "orthogonal")}}
MODES = ("in", "out", "avg")


def initial(net: Graph | Node, scheme: str = "he_normal", *, mode: str | None = None, gain: float = 1.0, seed: int = 0,
            sizes: Mapping[str, int] | None = None, data: Mapping[str, ArrayLike] | None = None, wrt: Wrt = None) -> dict[str, Array]:
    """{name: array} for every parameter: weights by the scheme, what is added to data 0, what multiplies it entry by entry 1.

    scheme: "glorot", "xavier", "lecun", "he", "kaiming" or "orthogonal" (Saxe et al. 2014), with "_normal" or "_uniform" behind (normal if
    left out), or "zeros". Variances are 1/fan, He's 2/fan, times gain^2; mode: the fan in, out, or the mean of both, that of the scheme if
    None (Glorot's avg, else in). Each member of a family W[k] is drawn by its own fans. What is read as a convolution counts its window in
    both fans; an embedding sums nothing, so its fan in is 1. Declared structure (symmetric, diagonal, lower, upper, positive, orthogonal,
    spd) is kept. sizes: numbers for sizes that are names; data: arrays that tell them. The same seed gives the same bits.
    Raises InputError for words that are none, MissingValueError for a size that nothing tells.
    """
    graph = as_graph(net)
    return initial_with(graph, trained(graph, wrt), scheme, mode, gain, seed, sizes_of(graph, data or {}, sizes))


def trained(graph: Graph, wrt: Wrt) -> list[str]:
    """The names of the variables to be trained. Raises InputError where there are none, and for a value that is computed."""
    if wrt is None and not graph.params:
        raise InputError(f"the network has no parameters to train; say by wrt which of its variables are meant: {', '.join(graph.variables())}")
    found = wanted(graph, wrt)
    for name, node in found.items():
        if not isinstance(node.data, Variable) or node.data.value is not None:
            raise InputError(f"{name} is computed, so it cannot be trained: name variables")
    return [n.name for n in found.values()]


def sizes_of(graph: Graph, data: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None) -> dict[str, int]:
    """The sizes that the graph, the caller and the arrays tell. Raises InputError where they contradict one another."""
    known = graph.size_names()
    for name, k in (sizes or {}).items():
        if name not in known:
            raise InputError(f"there is no size {name!r}{nearest(name, known)}; the network has {', '.join(known) or 'none'}")
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"the size {name} is a whole number from 1, not {k!r}")
    lengths = {k: v for k, v in (sizes or {}).items() if k in graph.lengths}
    variables = graph.variables()
    given = {**graph.sizes, **{k: int(v) for k, v in (sizes or {}).items()}}
    return {**graph.lengths, **lengths, **bind_values([variables[n] for n in data if n in variables], data, given)[1]}


def check_scheme(scheme: str, mode: str | None = None, gain: float = 1.0) -> tuple[str, str]:
    """(family, "normal" or "uniform") of a scheme. Raises InputError."""
    name = ALIASES.get(scheme, scheme) if isinstance(scheme, str) else scheme
    if name not in SCHEMES:
        raise InputError(f"there is no initialisation {scheme!r}{nearest(str(scheme), SCHEMES)}; known are {', '.join(SCHEMES)}")
    if mode is not None and mode not in MODES:
        raise InputError(f"the fan is 'in', 'out' or 'avg', not {mode!r}")
    if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 < gain < math.inf:
        raise InputError(f"the gain is a positive number, not {gain!r}")
    family, _, law = name.rpartition("_")
    return (family, law) if family else (name, "")


def initial_with(graph: Graph, names: list[str], scheme: str, mode: str | None, gain: float, seed: int, sizes: Mapping[str, int]) -> dict[str, Array]:
    """The same at sizes that are known."""
    family, law = check_scheme(scheme, mode, gain)
    rng = np.random.default_rng(seed)
    found = {}
    for name, role in roles(graph, names).items():
        node = graph[name]
        try:
            shape = tuple(size_number(s, sizes) for s in node.shape)
        except KeyError as e:
            raise MissingValueError(f"the size {e.args[0]} of {name} ({shape_text(node.shape)}) follows from no array: give it as in "
                                    f"sizes={{{e.args[0]!r}: 64}}, on the command line --size {e.args[0]}=64, or declare it in the network") from None
        if role.kind == "unread" and len(shape) > 1:
            role = Role("weight", (len(shape) - 2,), (len(shape) - 1,))
        found[name] = _structured(_drawn(role, shape, sizes, family, law, mode, gain, rng), node.facts)
    return found


def _drawn(role: Role, shape: tuple[int, ...], sizes: Mapping[str, int], family: str, law: str, mode: str | None, gain: float,
           rng: np.random.Generator) -> Array:
    if role.kind != "weight":
        return np.ones(shape) if role.kind == "scale" else np.zeros(shape)
    if family == "zeros":
        return np.zeros(shape)
    if family == "orthogonal":
        return _orthogonal(role, shape, law, gain, rng)
    into, out = role.fans(shape, sizes)
    scale, usual = FAMILIES[family]
    fan = {"in": into, "out": out, "avg": (into + out) / 2}[mode or usual]
    deviation = gain * math.sqrt(scale / fan)
    return rng.normal(size=shape) * deviation if law == "normal" else rng.uniform(-1, 1, size=shape) * (math.sqrt(3) * deviation)


def _orthogonal(role: Role, shape: tuple[int, ...], law: str, gain: float, rng: np.random.Generator) -> Array:
    """Each member's matrix, in x out, with orthonormal rows or columns, whichever are fewer, times gain; of uniform entries it is not
    drawn evenly from all of them."""
    family = [a for a in range(len(shape)) if a not in (*role.into, *role.out)]
    order = [*family, *role.into, *role.out]
    members, rows, columns = (math.prod(shape[a] for a in axes) for axes in (family, role.into, role.out))
    size = (members, max(rows, columns), min(rows, columns))
    q = gain * orthonormal(rng.normal(size=size) if law == "normal" else rng.uniform(-1, 1, size=size))
    made = q if rows >= columns else np.swapaxes(q, -1, -2)
    return np.ascontiguousarray(np.transpose(made.reshape([shape[a] for a in order]), np.argsort(order)))


def orthonormal(matrices: Array) -> Array:
    """Matrices with orthonormal columns, at least as many rows as columns, that span what the given ones do; of normal entries all are as likely."""
    q, r = np.linalg.qr(matrices)
    return np.asarray(q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :])   # or the signs would not be drawn evenly (Mezzadri 2007)


def _structured(x: Array, facts: frozenset[str]) -> Array:
    """The array within the declared structure."""
    if "positive" in facts:
        x = np.where(x == 0, 1.0, np.abs(x))
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return x
    eye = np.eye(x.shape[-1])
    if facts & {"spd", "psd"}:
        return np.asarray(x @ np.swapaxes(x, -1, -2) + eye)
    if "orthogonal" in facts:
        return np.linalg.qr(x + eye if not x.any() else x)[0]
    if "symmetric" in facts:
        return np.asarray((x + np.swapaxes(x, -1, -2)) / math.sqrt(2))
    return x * eye if "diagonal" in facts else np.tril(x) if "lower" in facts else np.triu(x) if "upper" in facts else x
