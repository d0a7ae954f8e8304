"""Derivatives against an independent numeric derivative of the forward program, at random unequal sizes or at given values."""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core import equation as eq
from symgrad.core.functions import FUNCTION_NAMES, split_derivative
from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import size_number
from symgrad.errors import InputError
from symgrad.ops.kernels import Array
from symgrad.run.differences import MOVES, numeric_derivative
from symgrad.run.evaluate import Functions
from symgrad.run.executor import bind_values, check_names, execute
from symgrad.run.functions import stand_in
from symgrad.run.sampling import sample, sample_sizes, styles

__all__ = ["TOLERANCE", "Claim", "Report", "unknown_functions", "verify"]

TOLERANCE = 1e-6
FLAT = 1e-3
"""A derivative below this at a draw tells nothing: a wrong one is as small."""
ROOM = 10**8                                              # entries of all values together that a check may need
LARGE = 96
"""Variables with more entries are checked along random directions instead of entry by entry."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The derivative of `output` by `variable` is said to be `node` (None: zero).

    base: of a Hessian, the value and the first variable. structure: "symmetric", "diagonal", "lower", "upper" where the variable moves within it.
    squared: `node` is the sum of squares of the derivative over the axes of the variable.
    """

    output: Node
    variable: Node
    node: Node | None
    base: tuple[Node, Node] | None = None
    structure: str = ""
    squared: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """How far each derivative is from the numeric one: largest difference relative to 1 + the largest entry."""

    by_name: Mapping[str, float]
    sizes: Mapping[str, int] = field(default_factory=dict)
    stand_ins: tuple[str, ...] = ()

    @property
    def max_error(self) -> float:
        """The largest of all; nan counts as infinite."""
        worst = [e if np.isfinite(e) else float("inf") for e in self.by_name.values()]
        return max(worst, default=0.0)

    @property
    def ok(self) -> bool:
        """Whether every derivative agrees with the numeric one."""
        return bool(self.max_error < TOLERANCE)

    def __str__(self) -> str:
        word = "checked" if self.ok else "WRONG"
        return f"{word}: largest difference from the numeric derivative {self.max_error:.0e}"


def unknown_functions(nodes: list[Node]) -> dict[str, None]:
    """The names of functions that have no value of their own."""
    found: dict[str, None] = {}
    for n in nodes:
        bodies = [x[1] for x in eq.walk(n.op.body) if x[0] == "f"] if n.op.body is not None else [n.op.name] if "@" in n.op.name else []
        for name in bodies:
            head = split_derivative(name)[0]
            if head not in FUNCTION_NAMES:
                found[head] = None
    return found


def verify(claims: Mapping[str, Claim], graph: Graph, values: Mapping[str, ArrayLike] | None, seed: int, functions: Functions) -> Report:
    """Every claim against differences. Unknown functions without a value get three smooth stand-ins in turn; the worst counts."""
    outputs = [n for c in claims.values() for n in (c.output, c.variable, *(c.base or ()), c.node) if n is not None]
    nodes = topological(outputs)
    missing = [f for f in unknown_functions(nodes) if f not in functions]
    worst: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for round_ in range(3 if missing else 1):
        chosen: Functions = {**functions, **{f: stand_in(seed + 10 * round_ + k) for k, f in enumerate(missing)}}
        errors, sizes = _checked(claims, graph, values, seed + round_, chosen, outputs)
        for name, e in errors.items():
            worst[name] = max(worst.get(name, 0.0), e if np.isfinite(e) else float("inf"))
    return Report(worst, sizes, tuple(missing))


def _checked(claims: Mapping[str, Claim], graph: Graph, values: Mapping[str, ArrayLike] | None, seed: int, functions: Functions,
             outputs: list[Node]) -> tuple[dict[str, float], dict[str, int]]:
    """Errors by name. At random values, a kink or a pole close by can spoil a draw: one that fails must be outvoted by two that agree.

    Where a derivative is nearly zero (all functions saturated) anything agrees, so such a draw counts only if there is no other.
    """
    if values is not None:
        leaves = [n for n in topological([*outputs, *graph.variables().values()]) if isinstance(n.data, Variable)]
        check_names(values, [n.name for n in leaves])
        arrays, sizes = bind_values(topological(outputs), values, graph.numbers)
        doubles = {k: a.astype(float) for k, a in arrays.items()}
        return {k: _error(c, doubles, sizes, functions)[0] for k, c in claims.items()}, sizes
    drawn_errors: dict[str, list[tuple[float, float]]] = {k: [] for k in claims}
    sizes = {}
    waiting = dict(claims)
    for attempt, style in enumerate((*styles(), *styles())):
        sizes = sample_sizes(topological(outputs), graph.numbers, seed)
        _check_room(topological(outputs), sizes)
        drawn = sample(outputs, sizes, seed + 100 * attempt, style)
        trace = execute(outputs, drawn, sizes=sizes, functions=functions)
        if not all(np.all(np.isfinite(trace[o])) for o in outputs):
            continue
        for k, c in waiting.items():
            drawn_errors[k].append(_error(c, drawn, sizes, functions))
        waiting = {k: c for k, c in waiting.items() if not _judged(drawn_errors[k], last=False) < TOLERANCE and c.node is not None}
        if not waiting:
            break
    if claims and not any(drawn_errors.values()):
        raise InputError("no random values were found at which everything is finite: give values")
    return {k: _judged(found) for k, found in drawn_errors.items()}, sizes


def _judged(found: list[tuple[float, float]], last: bool = True) -> float:
    """The error of a derivative from those of the draws and how large the derivative was at each; infinite while there is none to go by."""
    telling = [e if np.isfinite(e) else float("inf") for e, size in found if size > FLAT]
    if not telling and last:
        telling = [e if np.isfinite(e) else float("inf") for e, _ in found]
    passed, failed = [e for e in telling if e < TOLERANCE], [e for e in telling if not e < TOLERANCE]
    return max(passed) if passed and len(passed) >= 2 * len(failed) else min(failed, default=float("inf"))


def _check_room(nodes: list[Node], sizes: Mapping[str, int]) -> None:
    """Raises InputError where declared sizes would fill the memory."""
    entries = sum(math.prod(size_number(s, sizes) for s in n.shape) for n in nodes)
    if entries > ROOM:
        raise InputError(f"a check at the declared sizes would need {8e-9 * entries:.1g} GB: declare smaller sizes, or leave them names")


def _error(claim: Claim, values: Mapping[str, Array], sizes: Mapping[str, int], functions: Functions) -> tuple[float, float]:
    """(how far the derivative is from the numeric one, the largest entry of either)"""
    got = execute([claim.node], values, sizes=sizes, functions=functions)[claim.node] if claim.node is not None else None
    at, rest = _start(claim.variable, values, sizes, functions)
    def value(x: Array) -> Array:
        if claim.base is not None:
            return _numeric_gradient(claim.base, {**values, **rest(x)}, sizes, functions)
        return _run(claim.output, claim.variable, x, values, sizes, functions)
    if at.size > LARGE and not claim.squared:
        largest = float(np.max(np.abs(got))) if got is not None and got.size else 0.0
        return _along_directions(value, at, got, MOVES[claim.structure]), largest
    reference = numeric_derivative(value, at, 1e-2 if claim.base else 2e-3, claim.structure)
    reference = (reference**2).sum(axis=tuple(range(claim.output.rank, reference.ndim))) if claim.squared else reference
    difference = reference - got if got is not None else reference
    least = 1e-9 if claim.squared else 1.0                 # squares of small slopes are small themselves
    if not reference.size:
        return 0.0, 1.0
    largest = float(np.max(np.abs(reference)))
    return float(np.max(np.abs(difference)) / (least + largest)), max(largest, float(np.max(np.abs(got))) if got is not None else 0.0)


def _start(variable: Node, values: Mapping[str, Array], sizes: Mapping[str, int],
           functions: Functions) -> tuple[Array, Callable[[Array], dict[str, Array]]]:
    if isinstance(variable.data, Variable):
        return np.asarray(values[variable.name], dtype=float), lambda x: {variable.name: x}
    return execute([variable], values, sizes=sizes, functions=functions)[variable], lambda x: {}


def _run(output: Node, variable: Node, x: Array, values: Mapping[str, Array], sizes: Mapping[str, int], functions: Functions) -> Array:
    """The output with the variable (a leaf or a value on the way) set to x."""
    return execute([output], values, sizes=sizes, functions=functions, known={variable: x})[output]


def _numeric_gradient(base: tuple[Node, Node], values: Mapping[str, Array], sizes: Mapping[str, int], functions: Functions) -> Array:
    return numeric_derivative(lambda x: _run(base[0], base[1], x, values, sizes, functions), np.asarray(values[base[1].name]), 1e-2)


def _along_directions(value: Callable[[Array], Array], at: Array, got: Array | None, move: Callable[[Array], Array]) -> float:
    """The worst error along random directions: for variables with many entries. `move`: how the variable moves with its entries."""
    rng = np.random.default_rng(7)
    worst = 0.0
    for k in range(24):
        direction = rng.normal(size=at.shape)
        if k % 2:
            mask = np.zeros(at.size)
            mask[rng.integers(at.size)] = 1.0
            direction = mask.reshape(at.shape)
        direction = direction / np.linalg.norm(direction)
        reference = numeric_derivative(functools.partial(_moved, value, at, move(direction)), np.zeros(()))
        ours = np.tensordot(got, direction, at.ndim) if got is not None else np.zeros_like(reference)
        worst = max(worst, float(np.max(np.abs(reference - ours)) / (1 + np.max(np.abs(reference)))))
    return worst


def _moved(value: Callable[[Array], Array], at: Array, direction: Array, t: Array) -> Array:
    return value(at + t * direction)
