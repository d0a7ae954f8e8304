"""A network, its parameters and data come in; the loss along one or two directions, and the largest eigenvalues of its Hessian, go out."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.core.shape import shape_text
from symgrad.derivations import differentiate, jvp
from symgrad.errors import InputError, nearest
from symgrad.ops.kernels import Array
from symgrad.results import compile_derivative
from symgrad.run.functions import Given, function_values
from symgrad.run.numpy_backend import compile_nodes
from symgrad.training.filters import filter_axes
from symgrad.training.lanczos import Eigenvalues, eigenvalues

__all__ = ["Landscape", "filter_normalised", "landscape", "principal_directions", "sharpness"]

Values = Mapping[str, ArrayLike]
Arrays = dict[str, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """losses[i, j] at params + alphas[i]*first direction + betas[j]*second; of a line, losses[i], and no betas.

    path: the coordinates of each recorded point in the plane, (points, dimensions). explained: what share of the path's variance lies along
    each direction, of a PCA. left_out: parameters that the directions do not move. A loss that was not computed, because the run
    was interrupted, is nan, and `complete` is False; one that overflows is inf or nan too.
    """

    alphas: Array
    betas: Array
    losses: Array
    loss: float
    directions: tuple[Arrays, ...]
    kind: str
    path: Array
    explained: Array
    left_out: tuple[str, ...] = ()
    complete: bool = True

    @property
    def dimensions(self) -> int:
        """1 for a line, 2 for a plane."""
        return len(self.directions)

    def __str__(self) -> str:
        finite = self.losses[np.isfinite(self.losses)]
        span = f"losses from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "no loss is finite"
        share = "".join(f", {e:.1%} of the path's variance" for e in self.explained[:1]) + "".join(f" and {e:.1%}" for e in self.explained[1:])
        return (f"{' x '.join(map(str, self.losses.shape))} points along {self.dimensions} direction{'s' * (self.dimensions > 1)} ({self.kind}{share}): "
                f"{span}, {self.loss:.6g} at the centre" + ("" if self.complete else "; interrupted"))


def landscape(net: Graph | Node, params: Values, data: Values, *, directions: str | Sequence[Values] = "random", path: Iterable[Values] | None = None,
              span: float = 1.0, steps: int = 25, dimensions: int = 2, of: str | Node | None = None, seed: int = 0, functions: Given = None) -> Landscape:
    """The loss on a line or a plane through `params`: Li et al. (2018), Visualizing the loss landscape of neural nets.

    params: arrays by name, the centre; data: the arrays that stay. directions: "random", Gaussian and filter-normalised (see
    `filter_normalised`), from -span to span; "pca", the principal directions of `path`, the parameters recorded in training, centred on
    `params`, wide enough for the path and span quarters of its extent around it; or one or two {name: array} of your own, names left out stay.
    steps: points along a direction, an odd number has the centre among them. Ctrl-C returns what is computed.
    Raises InputError for names and shapes that do not fit, a path that does not move, a loss at the centre that is not finite.
    """
    if dimensions not in (1, 2) or steps < 2 or not span > 0:
        raise InputError(f"a landscape has 1 or 2 dimensions, at least 2 steps and a positive span, not {dimensions}, {steps} and {span}")
    loss = _Loss(net, params, data, of, functions)
    points = [loss.checked(point, f"point {k} of the path") for k, point in enumerate(path or (), 1)]
    explained: Array = np.zeros(0)
    left_out: tuple[str, ...] = ()
    if directions == "random":
        rng = np.random.default_rng(seed)
        axes = filter_axes(loss.graph, loss.output)
        left_out = tuple(name for name in loss.centre if name not in axes)
        if len(left_out) == len(loss.centre):
            raise InputError("no parameter is contracted with anything, so filter-normalised directions move nothing: give directions of your own")
        found = [filter_normalised(_drawn(loss.centre, rng), loss.centre, axes) for _ in range(dimensions)]
        kind = "random, filter-normalised"
    elif directions == "pca":
        found, explained = principal_directions(points, dimensions)
        kind = "principal directions of the path"
    elif isinstance(directions, str):
        raise InputError(f"directions are 'random', 'pca' or arrays, not {directions!r}{nearest(directions, ('random', 'pca'))}")
    else:
        if not 1 <= len(directions) <= 2:
            raise InputError(f"a landscape has one or two directions, not {len(directions)}")
        found = [loss.checked({**{n: np.zeros_like(a) for n, a in loss.centre.items()}, **d}, f"direction {k}") for k, d in enumerate(directions, 1)]
        kind = "given"
    flat = np.array([_flat(d, loss.centre) for d in found])
    if np.linalg.matrix_rank(flat) < len(flat):
        raise InputError("the directions span no line or plane: one is zero or they are parallel")
    middle = _flat(loss.centre, loss.centre)
    moved = np.array([_flat(p, loss.centre) - middle for p in points]).reshape(-1, flat.shape[1])
    coordinates = np.linalg.lstsq(flat.T, moved.T, rcond=None)[0].T
    scales = [_scale(coordinates[:, k] if kind.startswith("principal") else None, span, steps) for k in range(len(flat))]
    losses, complete = loss.over(flat, scales)
    return Landscape(scales[0], scales[1] if len(scales) == 2 else np.zeros(0), losses, loss.at(middle), tuple(found), kind, coordinates, explained,
                     left_out, complete)


def filter_normalised(direction: Mapping[str, Array], params: Mapping[str, Array], axes: Mapping[str, Sequence[int]]) -> Arrays:
    """The direction with every filter scaled to the norm that the filter has in `params`; zero for parameters without an entry in `axes`.

    axes: which axes number the filters, {"W": (1,)} where a column holds the weights of one neuron. Li et al. (2018), section 4.
    """
    scaled = {}
    for name, array in params.items():
        if name not in axes:
            scaled[name] = np.zeros_like(array)
            continue
        inside = tuple(a for a in range(array.ndim) if a not in axes[name])
        wanted, had = (np.sqrt(np.sum(x**2, axis=inside, keepdims=True)) for x in (array, direction[name]))
        scaled[name] = direction[name] * np.divide(wanted, had, out=np.zeros_like(had), where=had > 0)
    return scaled


def principal_directions(path: Sequence[Mapping[str, Array]], count: int) -> tuple[list[Arrays], Array]:
    """The first principal directions of a path of parameters, of length 1, and the share of its variance along each.

    Raises InputError for a path of too few points, or one that does not leave a line.
    """
    if len(path) <= count:
        raise InputError(f"{count} principal direction{'s need' if count > 1 else ' needs'} a path of at least {count + 1} points, not {len(path)}; "
                         "give the parameters that training recorded as path")
    points = np.array([_flat(p, path[0]) for p in path])
    _, singular, rows = np.linalg.svd(points - points.mean(0), full_matrices=False)
    if singular[count - 1] <= 1e-12 * max(np.abs(points).max(), np.finfo(float).tiny) * np.sqrt(points.size):
        raise InputError(f"the path has fewer than {count} directions: its points lie {'on a line' if count > 1 else 'in one place'}")
    signs = np.sign(rows[np.arange(count), np.abs(rows[:count]).argmax(1)])
    return [_shaped(row * sign, path[0]) for row, sign in zip(rows, signs, strict=False)], singular[:count]**2 / np.sum(singular**2)


def sharpness(net: Graph | Node, params: Values, data: Values, k: int = 1, *, of: str | Node | None = None, which: str = "largest",
              tolerance: float = 1e-6, limit: int = 100, seed: int = 0, functions: Given = None) -> Eigenvalues:
    """The k largest (or smallest) eigenvalues of the Hessian of the loss by all `params` together, by Lanczos on its products with vectors.

    The product is derived, not approximated: the gradient of the derivative along a direction, `sg.hvp` over several arrays. The
    Hessian is never formed. Raises InputError as `landscape` does.
    """
    loss = _Loss(net, params, data, of, functions)
    along = jvp(loss.graph, list(loss.centre), loss.output)
    if along.node is None:
        raise InputError(f"the loss does not depend on {', '.join(loss.centre)}: it has no curvature")
    product = compile_derivative(differentiate(along.node, [loss.graph[name] for name in loss.centre]), functions=functions)
    read = product.program.arguments

    def times(vector: Array) -> Array:
        given = {**loss.data, **loss.centre, **{f"{n}_dot": d for n, d in _shaped(vector, loss.centre).items()}}
        with np.errstate(all="ignore"):
            answer = product(**{n: given[n] for n in read})
        assert isinstance(answer, tuple)
        return _flat(answer[1], loss.centre)
    return eigenvalues(times, sum(a.size for a in loss.centre.values()), k, which=which, tolerance=tolerance, limit=limit, seed=seed)


class _Loss:
    """The loss as a function of a flat vector of parameters, compiled once."""

    def __init__(self, net: Graph | Node, params: Values, data: Values, of: str | Node | None, functions: Given) -> None:
        graph = as_graph(net)
        self.graph = graph.at({**data, **params})
        self.output = self.graph.output if of is None else self.graph.resolve(of)
        if self.output.rank:
            raise InputError(f"a landscape is that of a scalar, and {of or self.graph.output_name or 'the output'} is {shape_text(self.output.shape)}")
        twice = [name for name in params if name in data]
        if twice or not params:
            raise InputError(f"{twice[0]} is among the parameters and the data: it moves or it stays" if twice else "there is no parameter to move")
        for name in (*params, *data):
            self.graph[name]
        self.centre: Arrays = {n: np.asarray(a, dtype=float) for n, a in params.items()}
        self.data: Arrays = {n: np.asarray(a, dtype=float) for n, a in data.items()}
        self.program = compile_nodes(self.output, {}, {}, functions=function_values(functions), sizes=self.graph.numbers)
        self.read = set(self.program.arguments)
        if not np.isfinite(self.at(_flat(self.centre, self.centre))):
            raise InputError("the loss at the centre is not finite: give parameters and data at which it has a value")

    def checked(self, arrays: Values, what: str) -> Arrays:
        """The arrays in the order of the parameters. Raises InputError where a name or a shape does not fit."""
        if set(arrays) != set(self.centre):
            wrong = sorted(set(arrays) ^ set(self.centre))
            raise InputError(f"{what} has other names than the parameters: {', '.join(wrong)}")
        found = {n: np.asarray(arrays[n], dtype=float) for n in self.centre}
        for n, a in found.items():
            if a.shape != self.centre[n].shape or not np.isfinite(a).all():
                raise InputError(f"{n} of {what} " + ("is not finite" if a.shape == self.centre[n].shape else
                                                      f"has shape {a.shape}, the parameter {self.centre[n].shape}"))
        return found

    def at(self, flat: Array) -> float:
        """The loss there, inf or nan where it overflows."""
        given = {**self.data, **_shaped(flat, self.centre)}
        with np.errstate(all="ignore"):
            answer = self.program(**{n: a for n, a in given.items() if n in self.read})
        return float(answer[0]) if isinstance(answer, tuple) else float("nan")

    def over(self, directions: Array, scales: Sequence[Array]) -> tuple[Array, bool]:
        """The losses over a grid, and whether it is whole."""
        losses = np.full([len(s) for s in scales], np.nan)
        middle = _flat(self.centre, self.centre)
        try:
            for place in _told(list(np.ndindex(*losses.shape))):
                losses[place] = self.at(middle + np.array([s[i] for s, i in zip(scales, place, strict=True)]) @ directions)
        except KeyboardInterrupt:
            return losses, False
        return losses, True


def _told(places: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """The places, with a bar on a terminal."""
    if not sys.stderr.isatty():
        yield from places
        return
    from rich.console import Console
    from rich.progress import track
    yield from track(places, "losses", console=Console(stderr=True), transient=True)


def _drawn(params: Mapping[str, Array], rng: np.random.Generator) -> Arrays:
    return {name: rng.normal(size=array.shape) for name, array in params.items()}


def _scale(coordinates: Array | None, span: float, steps: int) -> Array:
    """Where along a direction losses are taken: around the centre, or wide enough for a path and the centre."""
    if coordinates is None:
        return np.linspace(-span, span, steps)
    low, high = min(0.0, *coordinates), max(0.0, *coordinates)
    margin = span * (high - low) / 4
    return np.linspace(low - margin, high + margin, steps)


def _flat(arrays: Mapping[str, Array], order: Iterable[str]) -> Array:
    return np.concatenate([np.ravel(arrays[name]) for name in order])


def _shaped(flat: Array, like: Mapping[str, Array]) -> Arrays:
    ends = np.cumsum([a.size for a in like.values()])
    return {name: part.reshape(a.shape) for (name, a), part in zip(like.items(), np.split(flat, ends[:-1]), strict=True)}
