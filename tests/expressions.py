"""A seed comes in; a random expression in the notation goes out, with the shapes and facts of its variables, and a check of its derivatives."""
from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import reverse
from symgrad.errors import NotationError, UnsupportedError
from symgrad.network import parse
from symgrad.ops.kernels import Array
from symgrad.run.executor import execute
from symgrad.run.sampling import sample
from symgrad.views.matrix import closed_form, index_form

__all__ = ["SIZES", "Expression", "Problem", "problems", "random_expression", "readings"]

SIZES = {"n": 3, "m": 4, "k": 2}
LEAVES: Mapping[str, tuple[str, ...]] = {
    "t": (), "c": (), "x": ("n",), "y": ("n",), "u": ("m",), "A": ("m", "n"), "X": ("m", "n"), "B": ("n", "n"), "S": ("n", "n"), "W": ("k", "n"),
    "p": ("n",), "q": ("n",), "Q": ("n", "n"), "d": ("m",),
}
FACTS = {"S": "symmetric", "p": "simplex", "q": "positive", "Q": "orthogonal"}
SMOOTH = ("exp", "tanh", "sin", "cos", "sigmoid", "softplus", "arctan", "sin", "cos", "tanh", "exp")
KINKS = ("relu", "abs")


@dataclass(frozen=True, slots=True)
class Expression:
    """Text in the notation with its variables."""

    text: str
    vars: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, str]
    order: int
    wrt: tuple[str, ...]

    def graph(self) -> Graph:
        """The parsed text."""
        return parse(self.text, vars=self.vars, facts=self.facts)


class _Writer:
    """Random typed text: every method returns an operand that may stand anywhere (a name, a call, or something in brackets)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.facts = self.random.random() < 0.3            # whether variables with declared facts take part

    def pick(self, *choices: Callable[[], str]) -> str:
        return self.random.choice(choices)()

    def leaf(self, *axes: str) -> str:
        names = [n for n, shape in LEAVES.items() if shape == axes and (self.facts or n not in FACTS)]
        if len(axes) == 2 and (not names or (axes[0] != axes[1] and self.random.random() < 0.2)):
            turned = [f"{n}'" for n, shape in LEAVES.items() if shape == axes[::-1] and (self.facts or n not in FACTS)]
            names = turned or names
        if not names:                                      # no variable has this shape: an outer product
            return f"({self.leaf(axes[0])}*{self.leaf(axes[1])}')" if len(axes) == 2 else f"({self.leaf('k', 'n')}*{self.leaf('n')})"
        return self.random.choice(names)

    def function(self) -> str:
        return self.random.choice(KINKS if self.random.random() < 0.1 else SMOOTH)

    def size(self) -> str:
        return self.random.choice("nnnmmk")

    def number(self) -> str:
        return self.random.choice(["2", "3", "1", "0.5", "1/3"])

    def scalar(self, depth: int) -> str:
        if depth <= 0:
            return self.random.choice(["t", "c", "t", "(x'*y)", "sum(x)", "2", "tr(B)"])
        d, n, m = depth - 1, self.size(), self.size()
        s, v, w = (lambda: self.scalar(d)), (lambda: self.vector(n, d)), (lambda: self.matrix(n, m, d))
        sq = lambda: self.matrix(n, n, d)  # noqa: E731  # one name a shape
        return self.pick(
            lambda: f"({v()}'*{v()})", lambda: f"({v()}'*{v()})", lambda: f"({v()}'*{w()}*{self.vector(m, d)})", lambda: f"sum({v()})",
            lambda: f"sum({w()})", lambda: f"tr({sq()})", lambda: f"tr({w()}'*{w()})", lambda: f"norm2({v()})", lambda: f"(norm2({v()})^2)",
            lambda: f"normF({w()})", lambda: f"(normF({w()})^2)", lambda: f"{self.function()}({s()})", lambda: f"({s()}*{s()})",
            lambda: f"({s()} + {s()})", lambda: f"({s()} - {s()})", lambda: f"({s()}/(1 + ({s()})^2))", lambda: f"(({s()})^2)", lambda: f"logsumexp({v()})",
            lambda: f"log(sum(exp({v()})))", lambda: f"mean({v()})", lambda: f"sqrt(1 + ({s()})^2)", lambda: f"det({sq()})",
            lambda: f"logdet(eye({n}) + {w()}*{w()}')" if self.random.random() < 0.5 else self.logdet(n, d), lambda: f"(vec({w()})'*vec({w()}))",
            lambda: f"tr(kron({sq()}, {self.matrix(m, m, 0)}))", lambda: f"norm1({v()})", lambda: f"({self.number()}*{s()})", lambda: f"log(1 + exp({s()}))",
            lambda: f"sum(log(1 + exp(-{v()})))", lambda: f"(-sum(p.*log(softmax({self.vector('n', d)}))))" if self.facts else f"sum({v()}.*log(softmax({v()})))")

    def logdet(self, n: str, d: int) -> str:
        w = self.matrix(n, self.size(), d)
        return f"logdet({w}*{w}' + eye({n}))"

    def vector(self, n: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(n)
        d, m = depth - 1, self.size()
        v, s = (lambda: self.vector(n, d)), (lambda: self.scalar(d))
        def soft() -> str:
            z = v()
            return f"(exp({z})/sum(exp({z})))"
        def unit() -> str:
            z = v()
            return f"({z}/norm2({z}))"
        def centered() -> str:
            z = v()
            return f"({z} - mean({z}))"
        return self.pick(
            lambda: f"({self.matrix(n, m, d)}*{self.vector(m, d)})", lambda: f"({self.matrix(n, m, d)}*{self.vector(m, d)})",
            lambda: f"({self.matrix(m, n, d)}'*{self.vector(m, d)})", lambda: f"diag({self.matrix(n, n, d)})", lambda: f"{self.function()}({v()})",
            lambda: f"{self.function()}({v()})", lambda: f"({v()}.*{v()})", lambda: f"({v()}./(1 + ({v()}).^2))", lambda: f"({v()} + {v()})",
            lambda: f"({v()} - {v()})", lambda: f"({s()}*{v()})", lambda: f"({v()}/(1 + exp({s()})))", lambda: f"({v()}.^2)", lambda: f"softmax({v()})", soft, unit,
            centered, lambda: f"({self.matrix(n, m, d)}*ones({m}))", lambda: f"log_softmax({v()})", lambda: f"(1 - {v()})", lambda: f"({s()} + {v()})",
            lambda: f"({self.number()}*{v()})", lambda: f"(1./(1 + exp(-{v()})))")

    def matrix(self, n: str, m: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(n, m)
        d, k = depth - 1, self.size()
        w, s = (lambda: self.matrix(n, m, d)), (lambda: self.scalar(d))
        square: tuple[Callable[[], str], ...] = () if n != m else (
            lambda: f"diag({self.vector(n, d)})", lambda: f"inv(eye({n}) + {self.matrix(n, k, d)}*{self.matrix(n, k, d)}')" if self.random.random() < 0.3 else self.inverse(n, d),
            lambda: f"(({self.matrix(n, n, d)})^2)", lambda: f"eye({n})", lambda: f"({self.matrix(n, n, d)} + eye({n}))", lambda: "inv(B)" if n == "n" else f"eye({n})")
        return self.pick(
            lambda: f"({self.matrix(n, k, d)}*{self.matrix(k, m, d)})", lambda: f"({self.matrix(n, k, d)}*{self.matrix(k, m, d)})",
            lambda: f"{self.matrix(m, n, d)}'", lambda: f"{self.function()}({w()})", lambda: f"({w()}.*{w()})", lambda: f"({w()} + {w()})",
            lambda: f"({w()} - {w()})", lambda: f"({self.vector(n, d)}*{self.vector(m, d)}')", lambda: f"({s()}*{w()})", lambda: f"softmax({w()})",
            lambda: f"(diag({self.vector(n, d)})*{w()})", lambda: f"ones({n},{m})", lambda: f"outer({self.vector(n, d)}, {self.vector(m, d)})",
            lambda: f"({w()}.^2)", lambda: f"({w()}./(1 + ({w()}).^2))", *square)

    def inverse(self, n: str, d: int) -> str:
        w = self.matrix(n, self.size(), d)
        return f"inv({w}*{w}' + eye({n}))"


def random_expression(seed: int) -> Expression:
    """The expression of a seed: most are scalars, to be differentiated once or twice; some are vectors or matrices."""
    writer = _Writer(seed)
    depth = writer.random.choice([2, 2, 3, 3, 3, 4, 4, 5])
    kind = writer.random.random()
    order = 2 if kind < 0.45 else 1
    text = writer.scalar(depth) if kind < 0.8 else writer.vector(writer.size(), depth - 1) if kind < 0.93 else writer.matrix(writer.size(), writer.size(), depth - 2)
    names = [n for n in LEAVES if re.search(rf"(?<![A-Za-z]){n}(?![A-Za-z(])", text) is not None]
    return Expression(text, dict(LEAVES), {n: FACTS[n] for n in LEAVES if n in FACTS}, order, tuple(names))


# ---------------------------------------------------------------------- checks
@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one derivative of one expression."""

    expression: Expression
    wrt: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{self.expression.text}  by {', '.join(self.wrt)}  {dict(self.expression.facts)}: {self.what}"


def points(graph: Graph, seed: int) -> Iterator[tuple[str, dict[str, Array]]]:
    """Values for all variables: random ones, random ones with some entries zero, and one variable all zero."""
    leaves = [n for n in topological([graph.output]) if isinstance(n.data, Variable)]
    values = sample([*graph.names.values()], SIZES, seed)
    yield "random", values
    rng = np.random.default_rng(seed)
    free = [n.name for n in leaves if not n.facts]
    if free:
        holes = {k: np.where(rng.random(v.shape) < 0.4, 0.0, v) if k in free else v for k, v in values.items()}
        yield "some zeros", holes
        chosen = free[int(rng.integers(len(free)))]
        yield f"{chosen} = 0", {**values, chosen: np.zeros_like(values[chosen])}


def readings(graph: Graph, node: Node) -> Iterator[tuple[str, str, Node]]:
    """(view, text, the node it is read back as) for the texts of a derivative."""
    names = {n: n.name for n in topological([graph.output]) if isinstance(n.data, Variable)}
    forward = topological([graph.output])
    for kind, form in (("matrix", closed_form(node, names, {}, forward)), ("index", index_form(node, names, {}, forward))):
        yield kind, str(form), graph.parse(str(form))


def problems(e: Expression, seed: int) -> Iterator[Problem]:
    """Everything that is wrong with the derivatives of an expression by each of its variables."""
    graph = e.graph()
    rng = random.Random(seed)
    variables = [graph[n] for n in e.wrt]
    if not variables or graph.output.rank + max(v.rank for v in variables) > 4:
        return
    found = reverse(graph.output, variables).results
    for v in variables:
        yield from _checked(e, graph, seed, (v,), found[v])
    if e.order == 2 and not graph.output.rank:
        first = rng.choice(variables)
        second = first if rng.random() < 0.6 else rng.choice(variables)
        gradient = found[first]
        yield from _checked(e, graph, seed, (first, second), reverse(gradient, [second]).results[second] if gradient is not None else None)


def _checked(e: Expression, graph: Graph, seed: int, wrt: tuple[Node, ...], node: Node | None) -> Iterator[Problem]:
    names = tuple(w.name for w in wrt)
    texts: list[tuple[str, str, Node]] = []
    if node is not None:
        try:
            texts = list(readings(graph, node))
        except Exception as problem:
            if isinstance(problem, UnsupportedError | NotationError) and re.search("division by zero|divisor is zero", str(problem)):
                return                                     # the norm of what is identically zero
            yield Problem(e, names, f"{type(problem).__name__}: {str(problem)[:300]}")
            return
    for where, values in points(graph, seed):
        reference = _along(graph, wrt, values, seed, 1.0)
        if reference is None:
            continue
        tolerance = 1e-5 if where == "random" and len(wrt) == 1 else 1e-4
        shape = graph.output.shape + tuple(s for w in wrt for s in w.shape)
        ours = execute([node], values, sizes=SIZES)[node] if node is not None else np.zeros([SIZES[str(s)] for s in shape])
        for label, text, array in [("node", "", ours), *((k, t, execute([n], values, sizes=SIZES)[n]) for k, t, n in texts)]:
            if array.shape != ours.shape:
                yield Problem(e, names, f"{label} has shape {array.shape}, not {ours.shape}: {text}")
                return
            error = _error(array, *reference)
            if not error < tolerance and (closer := _along(graph, wrt, values, seed, 0.125)) is not None:
                error = min(error, _error(array, *closer))
            if not np.all(np.isfinite(array)) or not error < tolerance:
                yield Problem(e, names, f"{label} at {where}: {'not finite' if not np.all(np.isfinite(array)) else f'error {error:.1e}'}: {text}")
                return
            if label != "node" and not np.allclose(array, ours, rtol=1e-7, atol=1e-7 * (1 + np.max(np.abs(ours), initial=0.0))):
                yield Problem(e, names, f"{label} at {where} differs from the node: {text}")
                return


def _error(array: Array, directions: Sequence[Array], numeric: Array, blur: Array) -> float:
    """How far an array is from the numeric derivative along the directions."""
    for d in reversed(directions):
        array = np.tensordot(array, d, d.ndim)
    return float(np.max(np.abs(array - numeric) / (1 + blur + np.abs(numeric)), initial=0.0))


def _along(graph: Graph, wrt: Sequence[Node], values: Mapping[str, Array], seed: int, scale: float) -> tuple[list[Array], Array, Array] | None:
    """(directions, the derivative of the forward program along them, how far it may be off in units of 1e-5) by differences; None where these do not settle: a kink, a pole, huge values."""
    rng = np.random.default_rng(seed + 1)
    directions = [rng.normal(size=values[w.name].shape) for w in wrt]

    @functools.cache
    def value(*steps: float) -> Array:
        moved = dict(values)
        for w, d, s in zip(wrt, directions, steps, strict=True):
            moved[w.name] = moved[w.name] + s * d
        return np.asarray(execute([graph.output], moved, sizes=SIZES)[graph.output])
    if _singular(graph, values, len(wrt)):
        return None
    if len(wrt) == 1:
        rough, fine = (_slope(value, 4e-3 * scale, w) for w in WEIGHTS)
        right, left = (np.asarray((value(s * 1e-6) - value(0.0)) / (s * 1e-6)) for s in (1, -1))
        settled = np.allclose(right, left, rtol=1e-3, atol=1e-3)
    else:
        rough, fine = (_slope(lambda a, w=w: _slope(lambda b: value(a, b), 2e-2 * scale, w), 2e-2 * scale, w) for w in WEIGHTS)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        near = _slope(lambda a: _slope(lambda b: value(a, b), 1e-3, WEIGHTS[0]), 1e-3, WEIGHTS[0])
        settled = np.allclose(near, fine, rtol=1e-2, atol=1e-2)
    if not settled or not np.all(np.isfinite(fine)) or np.max(np.abs(rough - fine) / (1 + np.abs(fine)), initial=0.0) > (3e-5, 3e-4)[len(wrt) - 1]:
        return None
    return directions, fine, 1e5 * np.abs(rough - fine)


def _singular(graph: Graph, values: Mapping[str, Array], order: int) -> bool:
    """Whether a value on the way is at a point where its function has no derivative: the root or norm of 0, a second derivative of a zero determinant."""
    try:
        trace = execute([graph.output], values, sizes=SIZES)
    except np.linalg.LinAlgError:
        return True
    for n in topological([graph.output]):
        small = np.min(np.abs(trace[n]), initial=1.0) < 1e-7
        if not np.all(np.isfinite(trace[n])) or np.max(np.abs(trace[n]), initial=0.0) > 1e4:
            return True
        if small and (n.op.name in ("norm2", "sqrt") or (n.op.name == "det" and order == 2)):
            return True
        if n.op.name in ("abs", "norm1", "relu", "max") and np.min(np.abs(trace[n.operands[0]]), initial=1.0) < 1e-7:
            return True
    return False


WEIGHTS = ((2 / 3, -1 / 12), (3 / 4, -3 / 20, 1 / 60))
"""Central differences over two and three pairs of points, exact for polynomials of degree 4 and 6."""


def _slope(value: Callable[[float], Array], h: float, weights: Sequence[float]) -> Array:
    """The derivative at 0."""
    return np.asarray(sum(w * (value(k * h) - value(-k * h)) for k, w in enumerate(weights, 1)) / h)
