"""A network and a point come in; what signals and gradients do in each of its layers there goes out, and one paragraph that says why."""
from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from sympy import Expr

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.core.table import aligned
from symgrad.derivations import differentiate
from symgrad.errors import InputError, UnsupportedError
from symgrad.ops.kernels import Array
from symgrad.run.executor import check_names, execute
from symgrad.run.verify import unknown_functions
from symgrad.training.activations import largest_slope, slope_of
from symgrad.training.bounds import Bound, bound_of, called, slopes_within
from symgrad.training.flow_words import why
from symgrad.training.gaussian import expectation, function_of
from symgrad.training.layering import Layer, layers_of
from symgrad.training.signal import Scheme, contracted, drawn_values
from symgrad.training.spectrum import WIDEST, largest_by_power, layer_jacobian, layer_map, product_spectra, singular_values

__all__ = ["Distribution", "Flow", "LayerFlow", "ParameterFlow", "flow"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SATURATED = 0.01
"""An entry is saturated where the slope is below this share of the largest one."""
DEFAULT_SIZE = 32
"""Sizes that no array and no argument tells."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The entries of an array: Euclidean norm, mean, standard deviation, quantiles at 5, 25, 50, 75 and 95 %."""

    norm: float
    mean: float
    std: float
    quantiles: tuple[float, ...]

    @staticmethod
    def of(array: Array) -> Distribution:
        """The distribution of an array's entries."""
        return Distribution(float(np.linalg.norm(array)), float(array.mean()), float(array.std()), tuple(float(x) for x in np.quantile(array, QUANTILES)))


@dataclass(frozen=True, slots=True)
class ParameterFlow:
    """A parameter of a layer: its norm, its gradient's, and `ratio` = |gradient|/|parameter|, which times the learning rate is the update ratio."""

    name: str
    norm: float
    gradient: Distribution

    @property
    def ratio(self) -> float:
        """|gradient|/|parameter|; inf for a parameter that is zero."""
        return self.gradient.norm / self.norm if self.norm else math.inf


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """One layer: the value behind it, the loss's gradient by that value, its Jacobian's singular values for one example, what bounds them.

    `factor` is |gradient by the value before|/|gradient by the value behind|. `saturated`: the share of entries whose slope is below 1 % of the
    largest; `dead`: the share of units with slope 0 for every example (nan without activation). `chi`: the mean-field factor
    n Var(W) E[g'(z)^2] at the measured variances, whose root is what `factor` is compared with (nan where the layer is no such one).
    """

    name: str
    value: Distribution
    gradient: Distribution
    factor: float
    largest: float
    smallest: float
    bound: Bound | None
    product_largest: float
    product_smallest: float
    saturated: float
    dead: float
    activation: str
    max_slope: float
    chi: float
    parameters: tuple[ParameterFlow, ...]


@dataclass(frozen=True, eq=False)
class Flow:
    """Every layer, first to last; `spectra` and `products` hold the singular values of each Jacobian and of the products from the first layer on."""

    layers: tuple[LayerFlow, ...]
    loss: float
    first: Distribution
    first_gradient: Distribution
    spectra: tuple[Array, ...] = field(repr=False)
    products: tuple[Array, ...] = field(repr=False)
    gradient_norm: float = 0.0
    start: str = ""

    @functools.cached_property
    def why(self) -> str:
        """What is happening and why, in a paragraph, with the derived numbers."""
        return why(self.layers, self.first_gradient.norm, self.gradient_norm)

    @property
    def names(self) -> list[str]:
        """The layers' names."""
        return [r.name for r in self.layers]

    @property
    def columns(self) -> dict[str, list[float]]:
        """One number for each layer in each column; nan where there is none."""
        return {
            "|value|": [r.value.norm for r in self.layers], "std": [r.value.std for r in self.layers], "|gradient|": [r.gradient.norm for r in self.layers],
            "factor": [r.factor for r in self.layers], "largest s": [r.largest for r in self.layers], "smallest s": [r.smallest for r in self.layers],
            "bound": [r.bound.value if r.bound else math.nan for r in self.layers], "product: largest": [r.product_largest for r in self.layers],
            "smallest": [r.product_smallest for r in self.layers], "saturated": [r.saturated for r in self.layers], "dead": [r.dead for r in self.layers],
            "|dW|/|W|": [max((p.ratio for p in r.parameters if math.isfinite(p.ratio)), default=math.nan) for r in self.layers],
        }

    @property
    def paragraph(self) -> str:
        """The same as `why`."""
        return self.why

    @property
    def record(self) -> dict[str, object]:
        """Plain numbers, lists and words, for JSON."""
        rows = [{"name": r.name, "activation": r.activation, "value": _plain(r.value), "gradient": _plain(r.gradient), "factor": r.factor,
                 "largest": r.largest, "smallest": r.smallest, "bound": r.bound.value if r.bound else None, "formula": r.bound.formula if r.bound else None,
                 "product_largest": r.product_largest, "product_smallest": r.product_smallest, "saturated": r.saturated, "dead": r.dead,
                 "max_slope": r.max_slope, "chi": r.chi,
                 "parameters": [{"name": p.name, "norm": p.norm, "gradient": _plain(p.gradient), "ratio": p.ratio} for p in r.parameters]} for r in self.layers]
        found = {"loss": self.loss, "start": self.start, "gradient_norm": self.gradient_norm, "layers": rows,
                 "spectra": [s.tolist() for s in self.spectra], "products": [s.tolist() for s in self.products], "why": self.why}
        return {k: _finite(v) for k, v in found.items()}

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells, its head first."""
        columns = self.columns
        shares = ("saturated", "dead")
        cells = [[("" if x != x else f"{x:.0%}") if k in shares else _digits(x) for x in column] for k, column in columns.items()]
        return [("layer", *columns), *((name, *row) for name, row in zip(self.names, zip(*cells, strict=True), strict=True))]

    def __str__(self) -> str:
        return "\n".join([*aligned(self.rows()), "", self.why])


def flow(net: Graph | Node, values: Mapping[str, ArrayLike] | None = None, start: Scheme = "he_normal", *, seed: int = 0, bias: float = 0.0,
         sizes: Mapping[str, int] | None = None, layers: str | Sequence[str] | None = None, example: int = 0) -> Flow:
    """Signals and gradients layer by layer, at a point.

    values: arrays by variable name; what is missing is drawn by `seed`: parameters by the scheme `start` (a word such as "he_normal", or
    n_in Var(W) as a number) with biases of variance `bias`, data normal, sizes that nothing tells 32. layers: the values between the layers
    or the family they are; found in the graph if left out. example: the one whose Jacobians are taken.

    Raises InputError for an output that is no scalar, values that do not fit or are not finite, and where no layers are found;
    UnsupportedError for unknown functions.
    """
    graph = as_graph(net)
    if graph.output.rank:
        raise InputError("the gradients of a flow are those of a loss: name a scalar `loss`, or make it the output")
    if unknown := sorted(unknown_functions(graph.nodes())):
        raise UnsupportedError(f"the function {unknown[0]} is unknown, and so is its slope: write a known one in its place, such as tanh")
    given = dict(values or {})
    check_names(given, graph.variables())
    graph = graph.at(given, sizes)
    numbers = _sizes(graph, given, sizes)
    if not all(np.isfinite(a).all() for a in map(np.asarray, given.values())):
        raise InputError(f"the value of {next(k for k, a in given.items() if not np.isfinite(a).all())} holds nan or infinity; give finite numbers")
    arrays = drawn_values(graph, start, seed, numbers, bias, given)
    found = layers_of(graph, graph.output, layers)
    parameters = list(dict.fromkeys(p for layer in found for p in layer.parameters))
    d = differentiate(graph, wrt=[found[0].before, *parameters, *(n for layer in found for n in (layer.node,))])
    cotangents = d.sweep.cotangents
    wanted = [found[0].before, *(n for layer in found for n in (*layer.nodes, *(o for n in layer.nodes for o in n.operands)))]
    points = [found[0].before, *(layer.node for layer in found), *parameters]
    trace = execute([graph.output, *wanted, *(cotangents[n] for n in points if n in cotangents)], arrays, sizes=numbers)

    def gradient(n: Node) -> Array:
        return trace[cotangents[n]] if n in cotangents else np.zeros_like(trace[n])
    for layer in found:
        for what, array in (("value", trace[layer.node]), ("gradient", gradient(layer.node))):
            if not np.isfinite(array).all():
                raise InputError(f"the {what} at {layer.name} is not finite: the scale of the weights before or behind it is far too large")
    values_between = [found[0].before, *(x.node for x in found)]
    batched = any(n.rank > 1 for n in values_between) and len({n.shape[:1] for n in values_between}) == 1
    if batched and not 0 <= example < trace[values_between[0]].shape[0]:
        raise InputError(f"there are {trace[values_between[0]].shape[0]} examples, counted from 0, and no example {example}")
    spectra, products = _spectra(found, arrays, trace.values, numbers, example if batched else None)
    rows = [_row(graph, x, trace.values, gradient, s, p, batched) for x, s, p in zip(found, spectra, products, strict=True)]
    total = math.sqrt(sum(float(np.sum(gradient(p)**2)) for p in parameters))
    word = "given values" if values and not set(graph.params) - set(given) else str(start)
    return Flow(tuple(rows), float(trace[graph.output]), Distribution.of(trace[found[0].before]), Distribution.of(gradient(found[0].before)),
                tuple(spectra), tuple(products), total, word)


def _spectra(layers: Sequence[Layer], arrays: Mapping[str, Array], values: Mapping[Node, Array], numbers: Mapping[str, int],
             example: int | None) -> tuple[list[Array], list[Array]]:
    """Singular values of each layer's Jacobian and of the products; the largest alone, then nan, where one is too wide to be written down."""
    sizes = [values[n].size // (1 if example is None else len(values[n])) for n in (layers[0].before, *(x.node for x in layers))]
    if max(sizes) <= WIDEST:
        jacobians = [layer_jacobian(x, arrays, values[x.before], values[x.node], numbers, example) for x in layers]
        return [singular_values(J) for J in jacobians], product_spectra(jacobians)
    maps = [layer_map(x, arrays, values[x.before], values[x.node], numbers) for x in layers]
    return ([np.array([largest_by_power([m], example), math.nan]) for m in maps],
            [np.array([largest_by_power(maps[:k], example), math.nan]) for k in range(1, len(maps) + 1)])


def _sizes(graph: Graph, given: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None) -> dict[str, int]:
    found = {**graph.numbers, **(sizes or {})}
    for name, array in given.items():
        for size, length in zip(graph[name].shape, np.shape(array), strict=False):
            if isinstance(size, str):
                found.setdefault(size, length)
    return {**dict.fromkeys((n for n in graph.size_names() if n not in found), DEFAULT_SIZE), **found}


def _row(graph: Graph, layer: Layer, values: Mapping[Node, Array], gradient: object, spectrum: Array, product: Array, batched: bool) -> LayerFlow:
    assert callable(gradient)
    activations = slopes_within(layer)
    last = activations[-1] if activations else None
    saturated, dead, slope, name = math.nan, math.nan, math.nan, ""
    if last is not None:
        node, g = last
        assert isinstance(g, Expr)
        slope, name = largest_slope(g), node.op.name
        steep = np.abs(function_of(slope_of(g))(values[node.operands[0]]))
        saturated = float(np.mean(steep < SATURATED * slope)) if math.isfinite(slope) else math.nan
        units = steep == 0
        own = (1 if batched else 0) if _is_convolution(layer) else units.ndim - 1
        others = tuple(a for a in range(units.ndim) if a != own) if batched or _is_convolution(layer) else ()
        dead = float(np.mean(units.all(axis=others)))
    behind, before = gradient(layer.node), gradient(layer.before)
    factor = float(np.linalg.norm(before) / np.linalg.norm(behind)) if np.any(behind) else math.nan
    parameters = tuple(ParameterFlow(called(graph, p), float(np.linalg.norm(values[p])), Distribution.of(gradient(p))) for p in layer.parameters)
    return LayerFlow(layer.name, Distribution.of(values[layer.node]), Distribution.of(behind), factor, float(spectrum[0]), float(spectrum[-1]),
                     bound_of(graph, layer, values), float(product[0]), float(product[-1]), saturated, dead, name, slope, _chi(layer, values, last), parameters)


def _is_convolution(layer: Layer) -> bool:
    return any(n.op.name.startswith("conv") for n in layer.nodes)


def _chi(layer: Layer, values: Mapping[Node, Array], last: tuple[Node, object] | None) -> float:
    """n_out Var(W) E[g'(z)^2] of g(W h + b) at the measured variances, one more with a skip connection; nan for a layer of another form."""
    outside = [(n, k) for n in layer.nodes for k, o in enumerate(n.operands) if o not in layer.nodes and o is not layer.before]
    products = [(n, k) for n, k in outside if contracted(n, k) is not None]
    norms = [n for n in layer.nodes if n.op.name.startswith("standardise") or n.op.name.startswith("root_mean_square")]
    if len(products) != 1 or norms or len(slopes_within(layer)) > 1 or _is_convolution(layer):    # a stride passes part of them on
        return math.nan
    (n, k), = products
    W = values[n.operands[k]]
    outputs = _outputs(n, k, W)
    gain = 1.0
    if last is not None:
        node, g = last
        assert isinstance(g, Expr)
        before = values[node.operands[0]]
        gain = expectation(slope_of(g)**2, float(before.mean()), float(before.var())) if before.var() > 0 else float(function_of(slope_of(g)**2)(before).mean())
    skip = any(layer.before in x.operands and x.op.name == "add" for x in layer.nodes)
    return outputs * float(np.mean(W**2)) * gain + (1.0 if skip else 0.0)


def _outputs(n: Node, position: int, W: Array) -> float:
    """How many entries behind the weights each entry before them reaches."""
    found = contracted(n, position)
    assert found is not None
    sizes = {}
    for size, length in zip(n.operands[position].shape, W.shape, strict=True):
        if not isinstance(size, int):
            sizes[str(size)] = length
    return float(found[1].subs({s: sizes[str(s)] for s in found[1].free_symbols}))


def _digits(x: float) -> str:
    return "" if x != x else f"{x:.3g}"


def _plain(d: Distribution) -> dict[str, object]:
    return {"norm": d.norm, "mean": d.mean, "std": d.std, "quantiles": list(d.quantiles)}


def _finite(x: object) -> object:
    """The record with None for what JSON has no number for."""
    if isinstance(x, dict):
        return {k: _finite(v) for k, v in x.items()}
    if isinstance(x, list):
        return [_finite(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
