"""The arguments of a training come in, as people give them; the checked task, with its data, its starting arrays and its programs, goes out."""
from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import Size, shape_text
from symgrad.derivations import differentiate
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError, MissingValueError, nearest
from symgrad.ops.kernels import Array
from symgrad.run.executor import bind_values
from symgrad.run.functions import Given, function_values
from symgrad.training.data import Dataset, dataset, is_label, labelled, parts, scaling
from symgrad.training.evaluation import BatchNorm, Stepper, Valuer, batch_norms, used
from symgrad.training.init import check_scheme, initial_with, sizes_of, trained
from symgrad.training.masks import checked_masks, expected
from symgrad.training.sources import load

__all__ = ["Data", "Metric", "Task", "network_digest", "prepared"]

Data = Mapping[str, ArrayLike] | str | os.PathLike[str]
Metric = Callable[..., object] | str
"""A function of named values, called by its parameters' names; or the name of scores, whose largest entry is compared with the label."""


@dataclass(frozen=True)
class Task:
    """A network with everything that stays the same while it is trained."""

    graph: Graph
    loss: str
    names: list[str]
    required: list[str]
    examples: Size | None
    index: str | None
    columns: Mapping[str, Sequence[str]]
    masks: Mapping[str, float]
    functions: Given
    seed: int
    train: Dataset
    held: Dataset | None
    sizes: Mapping[str, int]
    start: Mapping[str, Array]
    fixed: Mapping[str, Array]
    scaling: Mapping[str, tuple[Array, Array]]
    norms: list[BatchNorm]
    metrics: Mapping[str, tuple[Callable[..., object], tuple[str, ...]]]
    stepper: Stepper = field(repr=False)
    valuer: Valuer = field(repr=False)

    def values(self, data: Dataset, params: Mapping[str, Array], statistics: Mapping[str, Array]) -> dict[str, Array]:
        """All arrays that the network in use takes."""
        return {**data.arrays, **expected(self.graph, self.masks, self.at(data)), **self.fixed, **params, **statistics}

    def at(self, data: Dataset) -> dict[str, int]:
        """The sizes for a batch or a whole set."""
        return {**self.sizes, str(self.examples): data.count} if isinstance(self.examples, str) else dict(self.sizes)

    def score(self, data: Dataset, params: Mapping[str, Array], statistics: Mapping[str, Array]) -> dict[str, float]:
        """{"loss": number, metric: number} of the network in use. Raises InputError for a metric that gives no number."""
        values = self.values(data, params, statistics)
        needed = tuple(dict.fromkeys([self.loss, *(n for _, names in self.metrics.values() for n in names)]))
        found = self.valuer(needed, values)
        scores = {"loss": float(found[self.loss])}
        for name, (function, names) in self.metrics.items():
            given = function(**{n: found[n] for n in names})
            if isinstance(given, np.ndarray) and not given.ndim:
                given = given[()]
            if not isinstance(given, int | float | np.number | np.bool_):
                raise InputError(f"the metric {name} gives {type(given).__name__}, not a number")
            scores[name] = float(given)
        return scores

    def read(self, data: Data, *, optional: bool = False) -> Dataset:
        """A data set in the form that this network was trained on."""
        values = load(data, self.graph, self.required, columns=self.columns, seed=self.seed) if isinstance(data, str | os.PathLike) else data
        names = with_extra(self.graph, self.required, values, [*self.names, *self.fixed, *self.masks])
        found = dataset(self.graph, values, names, self.index, optional=optional)
        return scaled(found, self.scaling)


def with_extra(graph: Graph, required: list[str], given: Mapping[str, ArrayLike], others: Sequence[str]) -> list[str]:
    """The variables that the loss needs, and further data of the network that is given, which a metric may take."""
    return [*required, *(n for n in graph.variables() if n in given and n not in required and n not in others and n not in graph.params)]


def scaled(data: Dataset, by: Mapping[str, tuple[Array, Array]]) -> Dataset:
    """The data with the means of the training data taken off, divided by its deviations."""
    return replace(data, arrays={k: (a - by[k][0]) / by[k][1] if k in by else a for k, a in data.arrays.items()}) if by else data


def prepared(graph: Graph, data: Data, *, wrt: Wrt, of: str | Node | None, validation: float | Data, start: Mapping[str, ArrayLike] | None,
             init: str, mode: str | None, gain: float, masks: Mapping[str, float] | None, statistics: Mapping[str, str | Node] | None,
             metrics: Mapping[str, Metric] | None, standardize: bool | Sequence[str], examples: str | None, sizes: Mapping[str, int] | None, functions: Given,
             columns: Mapping[str, Sequence[str]] | None, seed: int) -> Task:
    """The task. Raises InputError, MissingValueError for whatever does not fit."""
    check_scheme(init, mode, gain)
    names = trained(graph, wrt)
    loss = graph.output if of is None else graph.resolve(of)
    if loss.rank:
        name = graph.name_of(loss) or "its output"
        raise InputError(f"a network is trained to make one number small, and {name} is {shape_text(loss.shape)}: name the loss by of")
    drop = checked_masks(graph, masks, names)
    below = {n.name for n in topological([loss]) if isinstance(n.data, Variable) and n.data.value is None}
    fixed_names = [n for n in graph.params if n not in names and n in below]
    required = [n for n in graph.variables() if n in below and n not in [*names, *fixed_names, *drop]]
    given = load(data, graph, required, columns=columns, seed=seed) if isinstance(data, str | os.PathLike) else data
    own = {k: v for k, v in graph.arrays.items() if k in required}   # what a traced function was given as arrays
    given = {**own, **_masks_are_no_data(given, drop)}
    whole = _whole(graph, given, with_extra(graph, required, given, [*names, *drop]), required, examples)
    label = next((n for n in required if is_label(graph, n) and n in whole.axes and whole.arrays[n].ndim == 1), None)
    rows = next((n for n in required if "onehot" in graph[n].facts and n in whole.axes and whole.arrays[n].ndim == 2), None)
    train, held = whole, None
    if isinstance(validation, int | float) and not isinstance(validation, bool):
        if not 0 <= validation < 1:
            raise InputError(f"the share of the examples held out for validation is at least 0 and less than 1, not {validation!r}")
        if validation:
            train, held = parts(whole, validation, seed, label)
    elif isinstance(validation, str | os.PathLike | Mapping):
        other = load(validation, graph, required, columns=columns, seed=seed) if isinstance(validation, str | os.PathLike) else validation
        held = dataset(graph, {**own, **dict(other)}, with_extra(graph, required, other, [*names, *drop]), examples)
    else:
        raise InputError(f"validation is a share of the examples, or data, not {validation!r}")
    by = scaling(train, _scalable(graph, train, standardize, [*names, *drop]))
    train, held = scaled(train, by), None if held is None else scaled(held, by)
    count = next((graph[n].shape[a] for n, a in whole.axes.items()), None)
    numbers = _sizes(graph, train, held, sizes, count)
    beginning = _start(graph, [*names, *fixed_names], start, init, mode, gain, seed, numbers)
    loss_name = graph.name_of(loss) or "loss"
    graph = graph if loss_name in graph else replace(graph, names={**graph.names, loss_name: loss})
    norms = batch_norms(graph, count, statistics)
    known = function_values(functions)
    d = differentiate(graph, names, loss_name)
    return Task(
        graph, loss_name, names, required, count, examples, columns or {}, drop, functions, seed, train, held, numbers, {n: beginning[n] for n in names},
        {n: beginning[n] for n in fixed_names}, by, norms, _metrics(graph, metrics, label or rows, numbers, count),
        Stepper(d, known, count, statistics), Valuer(used(graph, norms), known))


def _masks_are_no_data(given: Mapping[str, ArrayLike], masks: Mapping[str, float]) -> Mapping[str, ArrayLike]:
    for name in masks:
        if name in given:
            raise InputError(f"{name} is among the masks, which are drawn anew for each batch, and in the data: leave it out of one")
    return given


def _whole(graph: Graph, given: Mapping[str, ArrayLike], names: list[str], required: list[str], examples: str | None) -> Dataset:
    try:
        return dataset(graph, given, names, examples)
    except MissingValueError as e:
        hint = [n for n in required if n not in given and n.endswith("mask")]
        raise (MissingValueError(f"{e}; if {hint[0]} is a dropout mask, give masks={{{hint[0]!r}: 0.5}}") if hint else e) from None


def _scalable(graph: Graph, data: Dataset, standardize: bool | Sequence[str], others: Sequence[str]) -> list[str]:
    """The variables to standardise: those named, or (True) all with features that are neither labels nor one-hot rows."""
    if isinstance(standardize, bool):
        return [n for n in data.axes if graph[n].rank > 1 and not is_label(graph, n) and not graph[n].facts & {"onehot", "simplex"}] if standardize else []
    named = [standardize] if isinstance(standardize, str) else list(standardize)
    for n in named:
        if n not in data.axes:
            raise InputError(f"standardize: {n!r} is no data with examples{nearest(n, data.axes)}; there are {', '.join(data.axes)}")
    return named


def _sizes(graph: Graph, train: Dataset, held: Dataset | None, sizes: Mapping[str, int] | None, count: Size | None) -> dict[str, int]:
    """What the data tells of sizes, the number of classes of labels included; validation data must agree."""
    numbers = sizes_of(graph, train.arrays, sizes)
    if held is not None:
        others = {n: s for n, s in numbers.items() if n != count}
        bind_values([graph[n] for n in held.arrays], held.arrays, others)
    for n in train.arrays:
        if not is_label(graph, n):
            continue
        most = int(max(d.arrays[n].max() for d in (train, held) if d is not None))
        word = next((f[6:-1] for f in sorted(graph[n].facts) if f.startswith("label(")), "")
        if word and not word.isdecimal():
            numbers.setdefault(word, most)
        classes = labelled(graph, n, numbers)
        if classes is not None and most > classes:
            raise InputError(f"{n} holds the label {most}, and there are {classes} classes: labels are whole numbers from 1 to {classes}")
    return numbers


def _start(graph: Graph, names: list[str], start: Mapping[str, ArrayLike] | None, init: str, mode: str | None, gain: float, seed: int,
           numbers: Mapping[str, int]) -> dict[str, Array]:
    """What is given, and what is missing drawn by the scheme. Raises InputError for a name or a shape that does not fit."""
    given = dict(start or {})
    for n in given:
        if n not in names:
            raise InputError(f"start: there is no parameter {n!r}{nearest(n, names)}; there are {', '.join(names)}")
    arrays, found = bind_values([graph[n] for n in given], given, numbers)
    for n, a in arrays.items():
        if not np.all(np.isfinite(a)):
            raise InputError(f"start: the parameter {n} holds nan or infinity")
    drawn = initial_with(graph, names, init, mode, gain, seed, found) if set(names) - set(given) else {}
    return {n: np.array(arrays[n], dtype=float) if n in arrays else drawn[n] for n in names}


def _metrics(graph: Graph, metrics: Mapping[str, Metric] | None, label: str | None, sizes: Mapping[str, int],
             count: Size | None) -> dict[str, tuple[Callable[..., object], tuple[str, ...]]]:
    """Functions with the names of the values they take; without any, the accuracy where there are labels and scores for each class."""
    if metrics is None:
        scores = _scores(graph, label, sizes, count) if label is not None else None
        metrics = {"accuracy": scores} if scores is not None else {}
    found: dict[str, tuple[Callable[..., object], tuple[str, ...]]] = {}
    for name, metric in metrics.items():
        if name in ("epoch", "step", "loss", "validation", "lr", "gradient_norm"):
            raise InputError(f"the history has a column {name!r} already: call the metric something else")
        if isinstance(metric, str):
            if label is None:
                raise InputError(f"the metric {name} compares {metric!r} with a label, and the network's data has none: give a function")
            scores_node = graph[metric]
            if not scores_node.rank:
                raise InputError(f"the metric {name}: {metric} is a scalar, not scores of classes")
            found[name] = (functools.partial(_accuracy, metric, label), (metric, label))
            continue
        if not callable(metric):
            raise InputError(f"the metric {name} is a function of named values, as lambda z, y: ..., or the name of scores, not {metric!r}")
        names = tuple(inspect.signature(metric).parameters)
        for n in names:
            if n not in graph:
                raise InputError(f"the metric {name} takes {n!r}, which is no value of the network{nearest(n, graph.names)}")
        found[name] = (metric, names)
    return found


def _accuracy(scores: str, label: str, /, **values: Array) -> float:
    """The share of the examples whose largest score stands at their label, or at the one of their row."""
    truth = values[label] if values[label].ndim < values[scores].ndim else values[label].argmax(axis=-1) + 1
    return float(np.mean(values[scores].argmax(axis=-1) + 1 == truth))


def _scores(graph: Graph, label: str, sizes: Mapping[str, int], count: Size | None) -> str | None:
    """The last named value that has a number for each example and class."""
    classes = labelled(graph, label, sizes) if graph[label].rank == 1 else sizes.get(str(graph[label].shape[1]), graph[label].shape[1])
    fits = [k for k, n in graph.names.items() if n.rank == 2 and n.operands and n.shape[0] == count
            and classes is not None and (n.shape[1] if isinstance(n.shape[1], int) else sizes.get(str(n.shape[1]))) == classes]
    return fits[-1] if fits else None


def network_digest(graph: Graph) -> str:
    """Equal for networks of the same structure: what a checkpoint is compared by."""
    found = hashlib.sha256()
    place: dict[Node, int] = {}
    for n in graph.nodes():
        place[n] = len(place)
        found.update(f"{n.op.name} {n.op.body} {[place[o] for o in n.operands]} {shape_text(n.shape)} {n.name} {_told(n)};".encode())
    return found.hexdigest()


def _told(node: Node) -> str:
    """The number of a number, the digest of a constant; what else a leaf is stands in its name and shape."""
    if isinstance(node.data, Variable):
        return node.data.value.digest if node.data.value is not None else ""
    return str(node.data)
