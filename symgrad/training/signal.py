"""A graph and a scheme of initialisation come in; the variance of every value goes out, derived, and beside it the one of random networks."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike
from sympy import Expr

from symgrad.core import equation as eq
from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import size_expression, size_number
from symgrad.core.table import aligned
from symgrad.errors import InputError, MissingValueError, UnsupportedError, nearest
from symgrad.ops.kernels import Array
from symgrad.run.executor import execute
from symgrad.run.sampling import sample
from symgrad.training.init import FAMILIES, orthonormal
from symgrad.training.moments import Draw, Moments, Refusal, image_of, moments_of, shown

__all__ = ["ASSUMPTIONS", "SCHEMES", "Measured", "Scheme", "Signal", "SignalValue", "drawn_values", "contracted", "signal", "weight_variance"]

Scheme: TypeAlias = str | float | Mapping[str, str | float]
"""A word ("he_normal"), n_in Var(W) as a number, or either by the name of a parameter ("" for all others)."""

SCHEMES = (*FAMILIES, "orthogonal")
ASSUMPTIONS = ("mean-field theory: wide layers, so that sums are normal; weights of mean 0, drawn afresh wherever they are used; entries that went "
               "through fresh weights independent of those that did not; data normal; norms with an eps of 0; windows of convolutions within the border")


def weight_variance(scheme: str | float, fan_in: Expr, fan_out: Expr) -> Expr:
    """Var(W) of a scheme, of the normal and the uniform variant alike: 2/n_in (He), 1/n_in (LeCun), 2/(n_in + n_out) (Glorot).

    Orthogonal matrices have entries of variance 1/max(n_in, n_out). A number is n_in Var(W). Raises InputError for another word.
    """
    if not isinstance(scheme, str):
        if not scheme >= 0 or not math.isfinite(scheme):
            raise InputError(f"n_in Var(W) is a finite number from 0, not {scheme}")
        return _number(scheme) / fan_in
    word = scheme.removesuffix("_normal").removesuffix("_uniform")
    if word not in SCHEMES:
        raise InputError(f"there is no initialisation {scheme!r}{nearest(scheme, SCHEMES)}; known are {', '.join(SCHEMES)}, and a number, n_in Var(W)")
    if word not in FAMILIES:
        return 1 / sp.Max(fan_in, fan_out)
    scale, mode = FAMILIES[word]
    return scale / (fan_in if mode == "in" else (fan_in + fan_out) / 2)


@dataclass(frozen=True, slots=True)
class SignalValue:
    """A value: mean and variance of an entry, as numbers (nan where a size has none) and as formulas in the values before it, `m_h1`, `v_h1`."""

    name: str
    mean: float
    var: float
    mean_formula: Expr
    formula: Expr


@dataclass(frozen=True, slots=True)
class Measured:
    """What random networks say: for each value the derived variance, the measured one, its standard error, and the relative error."""

    seeds: int
    sizes: Mapping[str, int]
    rows: tuple[tuple[str, float, float, float], ...]

    @property
    def errors(self) -> dict[str, float]:
        """|measured - derived|/derived by name."""
        return {name: abs(measured - derived) / abs(derived) if derived else abs(measured) for name, derived, measured, _ in self.rows}

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max(self.errors.values(), default=0.0)

    def ok(self, tolerance: float = 0.05, errors: float = 0.0) -> bool:
        """Whether every variance is within the tolerance, or within so many standard errors where that is more."""
        return all(abs(measured - derived) <= max(tolerance * abs(derived), errors * error) for _, derived, measured, error in self.rows)

    def __str__(self) -> str:
        head = ("value", "derived variance", f"measured, {self.seeds} seeds", "standard error", "relative error")
        return "\n".join(aligned([head, *((n, f"{d:.5g}", f"{m:.5g}", f"{s:.2g}", f"{self.errors[n]:.1%}") for n, d, m, s in self.rows)]))


@dataclass(frozen=True, eq=False)
class Signal:
    """Mean and variance of every named value of a graph: `s["z1"]`, `s.names`, and why others have none: `s.refused`."""

    graph: Graph
    values: Mapping[str, SignalValue]
    refused: Mapping[str, str]
    sizes: Mapping[str, int]
    draws: Mapping[Node, Draw] = field(repr=False)
    given: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """The values that have a variance, in order."""
        return list(self.values)

    def __getitem__(self, name: str) -> SignalValue:
        if name in self.refused:
            raise UnsupportedError(self.refused[name])
        if name not in self.values:
            raise InputError(f"there is no value {name!r} in this graph{nearest(name, self.values)}; it has {', '.join(self.values)}")
        return self.values[name]

    def measure(self, seeds: int = 20, sizes: Mapping[str, int] | None = None, first: int = 0) -> Measured:
        """The variances of random networks, weights and data drawn anew with each seed from what the derivation assumes.

        sizes: of the names that have no number yet. Raises MissingValueError for a size without a number.
        """
        numbers = {**self.sizes, **(sizes or {})}
        wanted = {n: self.graph[n] for n in self.values}
        sums: dict[str, list[tuple[float, float]]] = {n: [] for n in wanted}
        for seed in range(first, first + seeds):
            trace = execute(list(wanted.values()), self.draw(seed, numbers), sizes=numbers)
            for name, node in wanted.items():
                array = trace[node]
                sums[name].append((float(array.mean()), float(np.mean(array**2))))
        here = self if not any(math.isnan(v.var) for v in self.values.values()) else _derived(self.graph, self.draws, numbers, self.given)
        rows = []
        for name, pairs in sums.items():
            means, squares = np.array(pairs).T
            error = float(squares.std(ddof=1) / math.sqrt(seeds)) if seeds > 1 else math.inf
            rows.append((name, here.values[name].var, float(squares.mean() - means.mean()**2), error))
        return Measured(seeds, numbers, tuple(rows))

    def draw(self, seed: int, sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
        """Arrays for every variable that the values read, drawn as the derivation assumes."""
        numbers = {**self.sizes, **(sizes or {})}
        rng = np.random.default_rng(seed)
        found: dict[str, Array] = {}
        for node in topological([self.graph[n] for n in self.values]):
            if node.name and isinstance(node.data, Variable) and node.data.value is None:
                found[node.name] = self.given[node.name] if node.name in self.given else _drawn(node, self.draws[node], numbers, rng)
        return found

    def __str__(self) -> str:
        rows = [("value", "mean", "variance", "formula")]
        rows += [(v.name, _digits(v.mean), _digits(v.var), f"v_{v.name} = {_text(v.formula)}") for v in self.values.values()]
        return "\n".join([*aligned(rows), *(f"{n}: not derived: {why}" for n, why in self.refused.items()), f"assumed: {ASSUMPTIONS}"])


def signal(net: Graph | Node, start: Scheme = "he_normal", *, bias: float = 0.0, inputs: Mapping[str, ArrayLike | tuple[float, float]] | None = None,
           sizes: Mapping[str, int] | None = None, of: str | None = None) -> Signal:
    """Mean and variance of every named value of a graph in random initialisation, by the rules that `ASSUMPTIONS` states.

    start: a scheme, n_in Var(W) as a number, or either by parameter, {"W1": 2.0, "": "lecun"}; bias: the variance of what is added; scales of
    norms are 1. inputs: data by name, an array or (mean, variance), (0, 1) if left out; of a dropout's mask the share that stays, taken from
    the factor 1/(1 - p) behind it if left out. sizes: numbers for names of sizes. of: a value that has to have a variance.

    Raises InputError for names that are none, UnsupportedError naming the node that stands in the way of `of`, or of every value.
    """
    graph = as_graph(net)
    inputs = dict(inputs or {})
    for name in inputs:
        if name not in graph.variables():
            raise InputError(f"there is no variable {name!r} in this graph{nearest(name, graph.variables())}")
    given = {k: np.asarray(v, dtype=float) for k, v in inputs.items() if not isinstance(v, tuple) and np.ndim(v)}
    numbers = {**graph.sizes, **graph.lengths, **(sizes or {})}
    for name, array in given.items():
        numbers |= {s: n for s, n in zip(graph[name].shape, array.shape, strict=False) if isinstance(s, str)}
    draws = _draws(graph, start, bias, inputs)
    found = _derived(graph, draws, numbers, given)
    if of is not None:
        found[of]
    if not found.values:
        raise UnsupportedError(f"no value of this graph has a variance that can be derived: {next(iter(found.refused.values()), 'it computes nothing')}")
    return found


def _derived(graph: Graph, draws: Mapping[Node, Draw | Refusal], numbers: Mapping[str, int], given: Mapping[str, Array]) -> Signal:
    found = moments_of(graph, graph.nodes(), draws, numbers)
    values: dict[str, SignalValue] = {}
    refused: dict[str, str] = {}
    for name, node in graph.names.items():
        if not node.operands:
            continue
        m = found[node]
        if isinstance(m, Moments):
            values[name] = SignalValue(name, m.numbers[0], m.var_number, m.mean, m.var)
        else:
            refused[name] = f"{shown(graph, m.node)}: {m.reason}"
    return Signal(graph, values, refused, dict(numbers), {n: d for n, d in draws.items() if isinstance(d, Draw)}, given)


def drawn_values(graph: Graph, start: Scheme, seed: int, sizes: Mapping[str, int], bias: float = 0.0,
                 given: Mapping[str, ArrayLike] | None = None) -> dict[str, Array]:
    """An array for every variable: parameters by the scheme, data normal, labels and the like as their facts have it; those given as they are."""
    given = given or {}
    variables = graph.variables()
    draws = _draws(graph, start, bias, {})
    others = [n for k, n in variables.items() if k not in given and not isinstance(draws[n], Draw)]
    found = {**sample(others, sizes, seed)} if others else {}
    rng = np.random.default_rng(seed)
    for name, node in variables.items():
        if name in given:
            found[name] = np.asarray(given[name], dtype=float)
        elif isinstance(draw := draws[node], Draw):
            found[name] = _drawn(node, draw, sizes, rng)
    return found


# ---------------------------------------------------------------------- what leaves are drawn from
def _draws(graph: Graph, start: Scheme, bias: float, inputs: Mapping[str, ArrayLike | tuple[float, float]]) -> dict[Node, Draw | Refusal]:
    order = graph.nodes()
    readers: dict[Node, list[Node]] = {}
    for n in order:
        for o in n.operands:
            readers.setdefault(o, []).append(n)
    return {n: _draw_of(n, readers, start, bias, inputs) for n in order if isinstance(n.data, Variable) and not n.operands}


def _draw_of(node: Node, readers: Mapping[Node, Sequence[Node]], start: Scheme, bias: float,
             inputs: Mapping[str, ArrayLike | tuple[float, float]]) -> Draw | Refusal:
    data = node.data
    assert isinstance(data, Variable)
    if data.value is not None:
        return Refusal(node, "it is a constant array, and its entries are not drawn")
    if node.name in inputs:
        value = inputs[node.name]
        if node.name.endswith("_mask") and not isinstance(value, tuple) and not np.ndim(value):
            return _mask(_number(float(value)))  # type: ignore[arg-type]  # it has no axes
        if isinstance(value, tuple):
            mean, var = value
        else:
            array = np.asarray(value, dtype=float)
            mean, var = float(array.mean()), float(array.var())
        return Draw(_number(mean), _number(var))
    if data.kind != "param":
        if node.name.endswith("_mask"):
            scale = next((c for n in readers.get(node, ()) for r in readers.get(n, ()) if (c := _scale(r)) is not None and c > 1), None)
            return _mask(1 / scale) if scale else Refusal(node, f"the share of the mask that stays is not known: give inputs={{{node.name!r}: 0.5}}")
        if data.facts or not node.shape:
            return Refusal(node, f"it is no normal data: give inputs={{{node.name!r}: (mean, variance)}}")
        return Draw(sp.S.Zero, sp.S.One)
    used = list(_uses(node, readers))
    sums = [f for n, k in used if (f := contracted(n, k)) is not None]
    if sums:
        scheme = start.get(node.name, start.get("", "he_normal")) if isinstance(start, Mapping) else start
        kind = "normal" if not isinstance(scheme, str) else "orthogonal" if scheme == "orthogonal" else "uniform" if scheme.endswith("_uniform") else "normal"
        return Draw(sp.S.Zero, weight_variance(scheme, *sums[0]), kind)
    scaling = any(n.op.body is not None and any(e[0] == "*" and sum(r[0] == "r" for r in e[1]) > 1 for e in eq.walk(n.op.body)) for n, _ in used)
    return Draw(sp.S.One, sp.S.Zero, "fixed") if scaling else Draw(sp.S.Zero, _number(bias))


def _mask(kept: Expr) -> Draw:
    return Draw(kept, kept * (1 - kept), "mask")


def _number(x: float) -> Expr:
    """A number as it is written: 0.1 is 1/10."""
    return sp.Rational(repr(float(x)))


def _scale(node: Node) -> Expr | None:
    """The number of a product with a number."""
    numbers = [o.data for o in node.operands if o.op.name == "number"]
    return sp.Rational(numbers[0].numerator, numbers[0].denominator) if node.op.name == "scale" and numbers else None  # type: ignore[union-attr]  # Fractions


def _uses(node: Node, readers: Mapping[Node, Sequence[Node]]) -> list[tuple[Node, int]]:
    """(node, position) of everything that reads a leaf, through transposes and slices."""
    out: list[tuple[Node, int]] = []
    for n in readers.get(node, ()):
        out += _uses(n, readers) if image_of(n) is not None else [(n, k) for k, o in enumerate(n.operands) if o is node]
    return out


def contracted(node: Node, position: int) -> tuple[Expr, Expr] | None:
    """(inputs, outputs) of a weight by the sum that it stands in: the axes it is summed over, and the others with the window of a convolution."""
    body = node.op.body
    if body is None or body[0] not in "*S":
        return None
    sums = [e for e in eq.walk(body) if e[0] == "S"]
    refs = [r for r in eq.references(body) if r[1] == position]
    if len(sums) != 1 or len(refs) != 1 or len(eq.references(body)) != 2:
        return None
    shape = node.operands[position].shape
    summed = {a for a, i in enumerate(refs[0][2]) if isinstance(i, str) and i in sums[0][1]}
    if not summed:
        return None
    other = next(r for r in eq.references(body) if r[1] != position)
    window = {a for a in summed if refs[0][2][a] not in other[2]}        # on the other side it stands within an affine index
    lengths = [size_expression(s) for s in shape]
    rest = [a for a, i in enumerate(refs[0][2]) if a not in summed or a in window]
    rest = [a for a in rest if not (isinstance(refs[0][2][a], str) and refs[0][2][a] in other[2])]
    return sp.S.One * sp.prod([lengths[a] for a in sorted(summed)]), sp.S.One * sp.prod([lengths[a] for a in rest])


def _drawn(node: Node, draw: Draw, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
    try:
        shape = tuple(size_number(s, sizes) for s in node.shape)
        table = {size_expression(k): v for k, v in sizes.items()}
        mean, var = float(draw.mean.xreplace(table)), float(draw.var.xreplace(table))
    except (KeyError, TypeError):
        raise MissingValueError(f"the sizes of {node.name} have no numbers: give them, sizes={{...}}") from None
    if draw.kind == "mask":
        return (rng.random(shape) < mean).astype(float)
    if draw.kind == "orthogonal" and len(shape) > 1:
        return _orthogonal(shape, rng)
    if draw.kind == "uniform":
        return rng.uniform(-math.sqrt(3 * var), math.sqrt(3 * var), shape)
    return mean + math.sqrt(var) * rng.standard_normal(shape) if var else np.full(shape, mean)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Matrices in the last two axes whose shorter side is orthonormal: Saxe et al. (2014)."""
    rows, columns = max(shape[-2:]), min(shape[-2:])
    made = orthonormal(rng.standard_normal((*shape[:-2], rows, columns)))
    return made if shape[-2:] == (rows, columns) else np.swapaxes(made, -1, -2)


def _digits(x: float) -> str:
    return "?" if math.isnan(x) else f"{x:.5g}"


def _text(e: Expr) -> str:
    """A formula for a table."""
    return str(e).replace("**", "^")
