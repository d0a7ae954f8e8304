"""Numbers for a worked solution: values of nodes, exact fractions where there are any, and small values to compute with by hand."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symgrad.core.functions import split_derivative
from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import size_names, size_number
from symgrad.errors import InputError
from symgrad.explain.document import Math
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import Functions
from symgrad.run.exact import EASY, Rational, exact_values
from symgrad.run.executor import execute
from symgrad.run.sampling import sample
from symgrad.views.pieces import number as number_piece

__all__ = ["Numbers", "array_math", "easy_functions", "easy_sizes", "easy_values", "ends", "number"]

MOST = 6
"""So many rows or columns of an array, or terms of a sum, are shown; of more the first ones and the last."""
STEPS: Mapping[str, tuple[int, ...]] = {
    "data": (-2, -1, 1, 2, 3), "half": (-3, -2, -1, 1, 2, 3), "positive": (1, 2, 3, 4, 6), "unit": (1, 2, 3)}
"""What the numerators are drawn from; the denominators are 1, 2, 2 and 4."""


def number(x: float | Fraction, digits: int = 4) -> tuple[str, bool]:
    """(text, whether it is exact): a short fraction or decimal as it is, anything else with so many significant digits."""
    if isinstance(x, Fraction):
        rounded = f"{float(x):.{digits}g}"
        if Fraction(rounded) == x:
            return _plain(rounded), True
        if max(abs(x.numerator), x.denominator) < 1000:
            return str(x), True
    return _plain(f"{float(x):.{digits}g}"), False


def _plain(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else "0" if mantissa == "-0" else mantissa


def _number_tex(text: str) -> str:
    if "/" in text:
        top, bottom = text.lstrip("-").split("/")
        return "-" * text.startswith("-") + rf"\frac{{{top}}}{{{bottom}}}"
    return number_piece(Fraction(text)).tex


def array_math(array: NDArray[Any], digits: int = 4) -> tuple[Math, bool]:
    """(the array as a formula, whether every entry is exact): a number, a column, a matrix, or for more axes a row of matrices."""
    if array.ndim == 0:
        text, exact = number(array.item(), digits)
        return Math(_number_tex(text), text), exact
    if array.ndim > 2:
        parts = [(*array_math(a, digits), "") if a is not None else (Math(r"\dots", "..."), True, "") for a in ends(list(array))]
        return Math(r",\; ".join(p[0].tex for p in parts), f"[{', '.join(p[0].notation for p in parts)}]"), all(p[1] for p in parts)
    rows = [[None if x is None else number(x, digits) for x in ends(list(row))] for row in array.reshape(len(array), -1)]
    shown = ends(rows)
    filled = [row if row is not None else [None] * len(rows[0]) for row in shown]
    tex = r" \\ ".join(" & ".join(r"\dots" if x is None else _number_tex(x[0]) for x in row) for row in filled)
    texts = [f"{', '.join('...' if x is None else x[0] for x in row)}" if row is not None else "..." for row in shown]
    inside = ", ".join(texts) if array.ndim == 1 else ", ".join(t if t == "..." else f"[{t}]" for t in texts)
    return Math(rf"\begin{{bmatrix}} {tex} \end{{bmatrix}}", f"[{inside}]"), all(x is None or x[1] for row in rows for x in row)


def ends(items: Sequence[Any]) -> list[Any]:
    """The items, or the first and the last ones with None for those between."""
    return list(items) if len(items) <= MOST else [*items[:MOST - 2], None, items[-1]]


class Numbers:
    """The values of nodes at given numbers: floats, and beside them Fractions where only +, -, *, / and pieces of lines lead there."""

    def __init__(self, nodes: Sequence[Node], values: Mapping[str, ArrayLike], functions: Functions, sizes: Mapping[str, int], digits: int = 4) -> None:
        self.trace = execute(nodes, values, sizes=sizes, functions=functions)
        self.exact = exact_values(nodes, values, self.trace.sizes, functions)
        self.digits, self.functions = digits, functions

    def __contains__(self, node: Node) -> bool:
        return node in self.trace

    def __getitem__(self, node: Node) -> NDArray[Any]:
        """The value: of Fractions where it is exact, else of floats."""
        return self.exact[node] if node in self.exact else self.trace[node]

    def math(self, node: Node) -> Math:
        """The value as a formula."""
        return array_math(self[node], self.digits)[0]

    def related(self, node: Node) -> Math:
        """The value with `=` in front, or with an approximate sign where an entry is rounded."""
        return related(self[node], self.digits)


def related(array: NDArray[Any], digits: int) -> Math:
    """An array with `=` in front, or with an approximate sign where an entry is rounded."""
    math, exact = array_math(array, digits)
    return Math(f"= {math.tex}" if exact else rf"\approx {math.tex}", f"= {math.notation}" if exact else f"≈ {math.notation}")


# ---------------------------------------------------------------------- values to compute with by hand
def easy_sizes(nodes: Sequence[Node], declared: Mapping[str, int]) -> dict[str, int]:
    """2 and 3 in turn for the sizes that have no number yet."""
    names: dict[str, None] = {}
    for n in nodes:
        for size in n.shape:
            names.update(dict.fromkeys(size_names(size)))
    free = [n for n in names if n not in declared]
    return {**declared, **{n: 2 + k % 2 for k, n in enumerate(free)}}


def easy_functions(graph: Graph) -> dict[str, Rational]:
    """What the unknown functions of scalars stand for where one computes by hand: relu of one argument, half the squared difference of two."""
    of_arrays = {split_derivative(n.op.name)[0] for n in graph.nodes() if n.op.body is None}
    return {name: EASY[f.arguments] for name, f in graph.functions.items() if not f.bound and f.arguments in EASY and name not in of_arrays}


def easy_values(graph: Graph, seed: int, functions: Functions | None = None) -> dict[str, Array]:
    """Small whole numbers for data, halves for parameters, declared facts respected; the same for the same seed.

    Drawn again, at most 40 times, until the output is finite, no definition is all 0, and none stands at a kink of the function it goes into.
    Raises InputError where no such values are found; MissingValueError for an unknown function.
    """
    sizes = easy_sizes(graph.nodes(), graph.numbers)
    leaves = [n for n in graph.nodes() if isinstance(n.data, Variable) and n.data.value is None]
    defined = [n for n in graph.names.values() if n.operands]
    reserve: dict[str, Array] | None = None
    for attempt in range(40):
        rng = np.random.default_rng([seed, attempt])
        style = "" if attempt < 20 else "positive" if attempt < 30 else "unit"
        found = {n.name: _drawn(n, tuple(size_number(s, sizes) for s in n.shape), rng, style, sizes) for n in leaves}
        trace = execute([graph.output, *defined], found, sizes=sizes, functions=functions)
        if np.all(np.isfinite(trace[graph.output])):
            if all(np.any(trace[n]) for n in defined) and all(np.all(trace[n]) for n in defined if _smooth_input(n, graph)):
                return found
            reserve = reserve or found
    if reserve is None:
        raise InputError("no small values were found at which the output is finite: give values")
    return reserve


def _smooth_input(node: Node, graph: Graph) -> bool:
    """Whether the value goes into a function with a kink, which must not stand at 0."""
    kinks = {"relu", "abs", "leaky_relu", "step", "sign", *graph.functions}
    return any(node in n.operands and n.op.body is not None and n.op.body[0] == "f" and n.op.body[1] in kinks for n in topological([graph.output]))


def _drawn(node: Node, shape: tuple[int, ...], rng: np.random.Generator, style: str, sizes: Mapping[str, int]) -> Array:
    facts = node.facts
    def pick(kind: str, by: int) -> Array:
        return np.asarray(rng.choice(STEPS[kind], size=shape) / by)
    if any(f.startswith("label") for f in facts) or facts & {"onehot", "orthogonal", "invertible"}:
        drawn = sample([node], sizes, int(rng.integers(1 << 30)))[node.name]
        if not facts & {"orthogonal", "invertible"}:
            return drawn
        order = np.eye(shape[-1])[rng.permutation(shape[-1])]
        return np.broadcast_to(order if "orthogonal" in facts else order + np.triu(np.ones_like(order)) * (shape[-1] + 1), shape).copy()
    if "simplex" in facts and shape:
        parts = np.ones(shape)
        parts[..., 0] = rng.integers(1, 3)
        return np.asarray(parts / parts.sum(axis=-1, keepdims=True))
    positive = style == "positive" or "positive" in facts
    is_param = isinstance(node.data, Variable) and node.data.kind == "param"
    x = pick("unit", 4) if style == "unit" else pick("positive", 2) if positive else pick("half", 2) if is_param else pick("data", 1)
    return _structured(x, facts) if len(shape) > 1 and shape[-1] == shape[-2] else x


def _structured(x: Array, facts: frozenset[str]) -> Array:
    eye = np.eye(x.shape[-1])
    kinds: dict[str, Callable[[], Array]] = {
        "spd": lambda: np.asarray(x @ np.swapaxes(x, -1, -2) + eye), "psd": lambda: np.asarray(x @ np.swapaxes(x, -1, -2)),
        "symmetric": lambda: np.tril(x) + np.swapaxes(np.tril(x, -1), -1, -2), "diagonal": lambda: x * eye, "lower": lambda: np.tril(x),
        "upper": lambda: np.triu(x)}
    return next((make() for fact, make in kinds.items() if fact in facts), x)
