"""A file or the name of a set that ships with scikit-learn, and a network, come in; an array for each of its data variables goes out."""
from __future__ import annotations

import csv
import math
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.errors import InputError, MissingExtraError, nearest
from symgrad.ops.kernels import Array
from symgrad.training.data import is_label

__all__ = ["SKLEARN", "load", "load_start"]

SKLEARN: Mapping[str, str] = {
    "digits": "load_digits", "iris": "load_iris", "wine": "load_wine", "breast_cancer": "load_breast_cancer", "diabetes": "load_diabetes",
    "linnerud": "load_linnerud", "moons": "make_moons", "circles": "make_circles",
}
"""Sets that scikit-learn holds, and two that it draws by seed."""
PREFIX = "sklearn:"


def load(source: str | os.PathLike[str], graph: Graph, names: Sequence[str], *, columns: Mapping[str, Sequence[str]] | None = None,
         seed: int = 0) -> dict[str, Array]:
    """The arrays of a source by data variable.

    `.npz`: arrays by name. `.csv`: a first line of names; the column `y` is the variable y, columns `x1, x2, ...` (or `x_1`, `x[1]`, from 0 or
    1) or `x[1,1], x[1,2], ...` are the entries of x; the only variable left without a column takes what other columns are left, in their order.
    Labels may be words: they are numbered in alphabetical order. columns: which columns a variable takes, where names differ.
    "sklearn:digits": the features go to the data variable that is no label, reshaped if need be, the targets to the other one: whole numbers
    from 1 where it is a label, one-hot rows where it has an axis of classes, else the numbers as they are.
    Raises InputError, MissingExtraError where scikit-learn is not installed.
    """
    text = os.fspath(source)
    if text.startswith(PREFIX):
        return _sklearn(text.removeprefix(PREFIX), graph, names, seed)
    if not Path(text).is_file():
        sets = ", ".join(f"{PREFIX}{k}" for k in SKLEARN)
        raise InputError(f"there is no file {text}; data is an .npz or .csv file, or one of {sets}")
    if text.endswith(".npz"):
        found = _npz(text)
        return {k: _fitted(graph, k, a) if k in names else a for k, a in found.items()}
    if text.endswith(".csv"):
        return _csv(text, graph, names, columns or {})
    raise InputError(f"{text}: data is read from .npz (numpy.savez) and .csv files, and from {PREFIX}digits and the like")


def load_start(path: str) -> dict[str, Array]:
    """The parameters of an .npz that `Fit.save` wrote; statistics of batch norms and of the data are left out. Raises InputError."""
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}")
    return {k: a for k, a in _npz(path).items() if "." not in k and not k.endswith(("_mean", "_var"))}


def _npz(path: str) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {k: archive[k] for k in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path} holds no arrays that can be read: write it with numpy.savez(path, x=..., y=...)") from None


# ---------------------------------------------------------------------- csv
def _csv(path: str, graph: Graph, names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [r for r in csv.reader(file) if r]
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise InputError(f"{path} cannot be read as a table: {e}") from None
    header = _whole_names(rows[0]) if rows else []
    if len(rows) < 2 or all(_number(h) is not None for h in header):
        begins = ",".join(header)[:60] or "with nothing"
        raise InputError(f"{path}: the first line names the columns, as in x1,x2,y, and numbers follow; this one begins {begins}")
    if len(set(header)) < len(header):
        raise InputError(f"{path}: two columns are named {next(h for h in header if header.count(h) > 1)}")
    for k, r in enumerate(rows[1:], 2):
        if len(r) != len(header):
            raise InputError(f"{path}, line {k}: {len(r)} entries under {len(header)} columns")
    table = {h: [r[k].strip() for r in rows[1:]] for k, h in enumerate(header)}
    chosen = {n: _columns_of(graph[n], n, header) for n in names}
    for n, given in columns.items():
        unknown = [c for c in given if c not in table]
        if n not in names or unknown:
            word = unknown[0] if n in names else n
            known = header if n in names else names
            raise InputError(f"{path}: {word!r} is no {'column' if n in names else 'data variable'}{nearest(word, known)}; there are {', '.join(known)}")
        chosen[n] = list(given)
    taken = {c for cs in chosen.values() for c in cs}
    without = [n for n in names if not chosen[n]]
    if len(without) == 1 and (rest := [h for h in header if h not in taken]):
        chosen[without[0]] = rest
    empty = [n for n in names if not chosen[n]]
    if empty:
        raise InputError(f"{path} has no column for {', '.join(empty)}; its columns are {', '.join(header)}: name them {empty[0]} or {empty[0]}1, "
                         f"{empty[0]}2, ..., or say which are meant, on the command line by --column {empty[0]}={header[0]}")
    return {n: _fitted(graph, n, _table(path, n, is_label(graph, n) or _is_onehot(graph[n]), {c: table[c] for c in cs})) for n, cs in chosen.items()}


def _whole_names(cells: Sequence[str]) -> list[str]:
    """The names in the first line; x[1,2] is one name, though its comma was taken for the end of a cell."""
    found: list[str] = []
    for cell in cells:
        if found and found[-1].count("[") > found[-1].count("]"):
            found[-1] += f",{cell.strip()}"
        else:
            found.append(cell.strip())
    return found


def _columns_of(node: Node, name: str, header: Sequence[str]) -> list[str]:
    """The columns that a variable's entries stand in, in order; none where the names do not fit."""
    if name in header:
        return [name]
    pattern = re.compile(re.escape(name) + r"(?:_?(\d+)|\[(\d+(?: *, *\d+)*)\])")
    found: dict[tuple[int, ...], str] = {}
    for h in header:
        m = pattern.fullmatch(h)
        if m:
            found[tuple(int(k) for k in (m[1] or m[2]).split(","))] = h
    if not found or len({len(k) for k in found}) > 1:
        return []
    low = [min(k[a] for k in found) for a in range(len(next(iter(found))))]
    high = [max(k[a] for k in found) for a in range(len(low))]
    if any(x > 1 for x in low) or math.prod(b - a + 1 for a, b in zip(low, high, strict=True)) != len(found):
        missing = ", ".join(found[k] for k in sorted(found))
        raise InputError(f"the columns of {name} leave out entries between the first and the last: {missing}")
    return [found[k] for k in sorted(found)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _table(path: str, name: str, classes: bool, columns: Mapping[str, Sequence[str]]) -> Array:
    """The columns side by side; one column is one number an example."""
    if classes and len(columns) == 1:
        ((column, texts),) = columns.items()
        if any(_number(t) is None for t in texts) and all(texts):
            return np.asarray(np.unique(np.array(texts), return_inverse=True)[1] + 1.0)
    for column, texts in columns.items():
        for k, t in enumerate(texts, 2):
            if _number(t) is None:
                raise InputError(f"{path}, line {k}: {t!r} in the column {column}, an entry of {name}, is no number")
    a = np.array([[float(t) for t in texts] for texts in columns.values()]).T
    return a[:, 0] if len(columns) == 1 else a


def _is_onehot(node: Node) -> bool:
    return bool(node.facts & {"onehot", "simplex"})


# ---------------------------------------------------------------------- scikit-learn
def _sklearn(name: str, graph: Graph, names: Sequence[str], seed: int) -> dict[str, Array]:
    if name not in SKLEARN:
        raise InputError(f"there is no set {name!r}{nearest(name, SKLEARN)}; known are {', '.join(PREFIX + k for k in SKLEARN)}")
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtraError("scikit-learn", "lab") from None
    make: Callable[..., Any] = getattr(datasets, SKLEARN[name])
    if SKLEARN[name].startswith("make"):
        features, target = make(500, noise=0.1, random_state=seed)
        images = None
    else:
        bunch = make()
        features, target, images = np.asarray(bunch.data, float), np.asarray(bunch.target), getattr(bunch, "images", None)
    x, y = _roles(graph, names, f"{PREFIX}{name}")
    classes = target.dtype.kind == "i" and target.ndim == 1 and name != "linnerud"
    found = {x: _fitted(graph, x, features if images is None or graph[x].rank < 3 else np.asarray(images, float))}
    if classes and is_label(graph, y):
        target = target + 1.0
    elif classes and graph[y].rank == 2:
        target = np.eye(int(target.max()) + 1)[target]
    return {**found, y: _fitted(graph, y, np.asarray(target, float))}


def _roles(graph: Graph, names: Sequence[str], source: str) -> tuple[str, str]:
    """(the features, the target) among the data variables."""
    labels = [n for n in names if is_label(graph, n) or _is_onehot(graph[n])]
    others = [n for n in names if n not in labels]
    if len(labels) == 1 and len(others) == 1:
        return others[0], labels[0]
    if len(names) == 2 and not labels:
        first, second = sorted(names, key=lambda n: -graph[n].rank)
        if graph[first].rank != graph[second].rank or first == names[0]:
            return first, second
    shown = ", ".join(f"{n} ({shape_text(graph[n].shape)})" for n in names) or "none"
    raise InputError(f"{source} has features and a target, and which of the network's data variables they are is not clear from {shown}: "
                     "declare two, the features first, or give the arrays by name")


def _fitted(graph: Graph, name: str, a: Array) -> Array:
    """The array in the rank of its variable: rows of entries as images where the sizes are known, one-hot rows for labels, a column as a vector."""
    node = graph[name]
    if _is_onehot(node) and a.ndim == node.rank - 1 and a.size and a.dtype.kind in "fiu" and np.all(a == np.floor(a)) and a.min() >= 1:
        return np.asarray(np.eye(int(a.max()))[a.astype(int) - 1])
    sizes = [graph.sizes.get(str(s), s) for s in node.shape[1:]]
    numbers = [s for s in sizes if isinstance(s, int)]
    if 1 <= a.ndim < node.rank:
        if len(numbers) == len(sizes) and math.prod(numbers) == math.prod(a.shape[1:]):
            return np.asarray(a.reshape([len(a), *numbers]))
        if node.rank == a.ndim + 1:                        # one channel, or one feature
            return a[:, np.newaxis]
    return a
