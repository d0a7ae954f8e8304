"""Arrays and a network come in; what each variable gets, what counts the examples, parts for training and validation, and batches go out."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.derive.examples import example_axes
from symgrad.errors import InputError, MissingValueError, nearest
from symgrad.notation.parse import parse
from symgrad.notation.statements import Family
from symgrad.ops.kernels import Array

__all__ = ["Dataset", "class_size", "dataset", "is_label", "labelled", "parts", "scaling"]

SHUFFLE, SPLIT = 1, 2
"""Each use of chance has a stream of its own: a split does not change the order of the batches."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Arrays by variable. axes: where the variables that have a value for each example count them; none: all data is one example."""

    arrays: Mapping[str, Array]
    axes: Mapping[str, int]
    count: int

    def taken(self, rows: NDArray[np.intp]) -> Dataset:
        """The examples of these numbers, in their order."""
        found = {k: np.ascontiguousarray(np.take(a, rows, axis=self.axes[k])) if k in self.axes else a for k, a in self.arrays.items()}
        return replace(self, arrays=found, count=len(rows))

    def batches(self, size: int, seed: int, epoch: int) -> Iterator[Dataset]:
        """Every example once, in an order drawn anew each epoch; the last batch is what is left."""
        if not self.axes:
            yield self
            return
        order = np.random.default_rng((seed, SHUFFLE, epoch)).permutation(self.count)
        for start in range(0, self.count, size):
            yield self.taken(order[start:start + size])

    def steps(self, size: int) -> int:
        """How many batches an epoch has."""
        return -(-self.count // size) if self.axes else 1

    @property
    def digest(self) -> str:
        """Equal for equal names, shapes and entries."""
        found = hashlib.sha256()
        for name in sorted(self.arrays):
            a = np.ascontiguousarray(self.arrays[name])
            found.update(f"{name} {a.dtype} {a.shape};".encode() + a.tobytes())
        return found.hexdigest()


def is_label(graph: Graph, name: str) -> bool:
    """Whether a variable holds whole numbers from 1: it is declared so, or read as the place of a one."""
    node = graph[name]
    return class_size(node) is not None or any(n.op.name == "onehot" and n.operands[0] is node for n in graph.nodes())


def class_size(node: Node) -> str | None:
    """What is written in `label(...)`: the number or the name of the classes; an empty string for `label` alone, None for no label."""
    return next((f[6:-1] if f.startswith("label(") else "" for f in sorted(node.facts) if f.split("(")[0] == "label"), None)


def labelled(graph: Graph, name: str, sizes: Mapping[str, int]) -> int | None:
    """The number of classes of a label, where it is known."""
    node = graph[name]
    word = class_size(node) or ""
    if word:
        return int(word) if word.isdecimal() else sizes.get(word)
    read = [n for n in graph.nodes() if n.op.name == "onehot" and n.operands[0] is node]
    size = read[0].shape[-1] if read else None
    return size if isinstance(size, int) else sizes.get(str(size))


def dataset(graph: Graph, values: Mapping[str, ArrayLike], names: list[str], examples: str | None, *, optional: bool = False) -> Dataset:
    """The data set of the variables `names`, checked: every one has an array of numbers, and all count the same examples.

    examples: the index or the size that counts them; None: the index that the text declares by `examples`, and of a network built in Python
    the first axis of its data, if its size is a name that no parameter has; without either, all data is one example. optional: some may be
    missing, as labels are where something is predicted.
    Raises InputError, MissingValueError.
    """
    for name in values:
        if name not in names:
            raise InputError(f"the data has {name!r}, which is no data variable of the network{nearest(name, names)}; they are {', '.join(names) or 'none'}")
    missing = [n for n in names if n not in values]
    if missing and not optional:
        raise MissingValueError(f"the data lacks {', '.join(f'{n} ({shape_text(graph[n].shape)})' for n in missing)}; it has {', '.join(values) or 'nothing'}")
    axes = _axes(graph, names, examples)
    arrays = {n: _numbers(graph[n], n, values[n], axes.get(n)) for n in names if n in values}
    lengths = {n: arrays[n].shape[a] for n, a in axes.items() if n in arrays}
    if len(set(lengths.values())) > 1:
        raise InputError("the arrays have different numbers of examples: " + ", ".join(f"{n} has {k}" for n, k in lengths.items()))
    count = next(iter(lengths.values()), 1)
    if not count:
        raise InputError("the data holds no examples")
    for n in arrays:
        if is_label(graph, n):
            _check_labels(n, arrays[n], axes.get(n))
    return Dataset(arrays, {n: a for n, a in axes.items() if n in arrays}, count)


def _axes(graph: Graph, names: list[str], examples: str | None) -> dict[str, int]:
    """Which axis of which variable counts the examples."""
    if examples is None and graph.text:
        examples = next((s.name for s in parse(graph.text, limits=None, functions=[*graph.functions, *graph.ops]).statements
                         if isinstance(s, Family) and s.examples), None)
        if examples is None:
            return {}
    elif examples is None:
        first = dict.fromkeys(str(graph[n].shape[0]) for n in names if graph[n].rank and isinstance(graph[n].shape[0], str))
        examples = next((s for s in first if s not in graph.sizes and sum(s == str(z) for n in graph.params for z in graph[n].shape) == 0), None)
        if examples is None:
            return {}
    return {n.name: a for n, a in example_axes(graph, examples).items() if n.name in names}


def _numbers(node: Node, name: str, value: ArrayLike, axis: int | None) -> Array:
    """The array as float64 (float32 stays), checked to hold numbers. Raises InputError naming the variable and the example."""
    try:
        a = np.asarray(value)
    except ValueError:
        raise InputError(f"the data of {name} is no array: its rows have different lengths") from None
    if a.dtype.kind not in "fiub":
        raise InputError(f"the data of {name} holds {a.dtype} values, not real numbers")
    if a.ndim == node.rank + 1 and axis is not None and a.shape[-1] == 1:
        a = a[..., 0]                                      # a column where one number an example is declared
    if a.ndim != node.rank:
        raise InputError(f"{name} has shape {shape_text(node.shape)}, so its data needs {node.rank} axes, not {a.ndim} {a.shape}")
    a = a if a.dtype in (np.float32, np.float64) else a.astype(np.float64)
    bad = ~np.isfinite(a)
    if bad.any():
        first = tuple(int(k) for k in np.argwhere(bad)[0])
        where = f"example {first[axis] + 1}" if axis is not None else f"entry {tuple(k + 1 for k in first)}"
        raise InputError(f"the data of {name} holds {'nan' if np.isnan(a[first]) else 'infinity'} in {where}, so training stops before step 1: "
                         "leave such examples out, or fill them in")
    return a


def _check_labels(name: str, a: Array, axis: int | None) -> None:
    wrong = (a < 1) | (a != np.floor(a))
    if wrong.any():
        first = np.argwhere(wrong)[0]
        place = f" in example {int(first[axis]) + 1}" if axis is not None else ""
        hint = f"; add 1 to all of {name}" if float(a.min()) == 0 and np.all(a == np.floor(a)) else ""
        raise InputError(f"{name} holds labels, whole numbers from 1, and has {a[tuple(first)]:g}{place}{hint}")


def parts(data: Dataset, share: float, seed: int, balanced: str | None) -> tuple[Dataset, Dataset]:
    """(training, validation) by a share of the examples, drawn by the seed; `balanced` names a label whose classes are kept in proportion.

    Raises InputError for a share that leaves one part empty.
    """
    held = round(share * data.count)
    if not data.axes:
        raise InputError("nothing in this network counts examples, so no share of them can be held out: give the validation data apart")
    if not 0 < held < data.count:
        raise InputError(f"a share of {share:g} of {data.count} examples leaves one part empty: take another share")
    order = np.random.default_rng((seed, SPLIT)).permutation(data.count)
    if balanced is not None:
        labels = data.arrays[balanced][order]
        rank = np.empty(data.count)                        # place of an example within its class, as a share of the class
        for c in np.unique(labels):
            own = np.flatnonzero(labels == c)
            rank[own] = (np.arange(len(own)) + 0.5) / len(own)
        order = order[np.argsort(rank, kind="stable")]
    return data.taken(np.sort(order[held:])), data.taken(np.sort(order[:held]))


def scaling(data: Dataset, names: list[str]) -> dict[str, tuple[Array, Array]]:
    """(mean, standard deviation) of each entry over the examples; 1 for an entry that is always the same."""
    found = {}
    for n in names:
        a = data.arrays[n]
        deviation = a.std(axis=data.axes[n], keepdims=True)
        found[n] = (a.mean(axis=data.axes[n], keepdims=True), np.where(deviation > 0, deviation, 1.0))
    return found

