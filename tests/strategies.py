"""Hypothesis strategies: random index equations with arrays for them, and random networks of the library's ops."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from symgrad.core import equation as eq
from symgrad.core.node import Node, number_node, variable
from symgrad.ops.arithmetic import add, divide, filled, map_function, power, product, scaled, subtract
from symgrad.ops.kernels import Array
from symgrad.ops.linalg import matrix_function
from symgrad.ops.reduction import reduce

__all__ = ["Equation", "Instruction", "Network", "brute_force", "equations", "networks", "programs"]

# ---------------------------------------------------------------------- equations
SIZES = {"i": 2, "j": 3}
"""First letter of an index name -> its size."""
OPERANDS = ("", "i", "j", "ij", "ji", "ii")
"""The sizes of the axes of each operand, by letter."""


@dataclass(frozen=True, slots=True)
class Equation:
    """out[...] = body over operands of OPERANDS' shapes."""

    out: tuple[str, ...]
    body: eq.Expr

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output."""
        return tuple(SIZES[o[0]] for o in self.out)


@st.composite
def equations(draw: st.DrawFn, powers: bool = True) -> Equation:
    """A random equation; every bound index is read by an operand, so that its size is known."""
    out = tuple(f"{letter}{n}" for n, letter in enumerate(draw(st.lists(st.sampled_from("ij"), max_size=2))))
    return Equation(out, _expression(draw, out, 3, powers))


def _expression(draw: st.DrawFn, scope: tuple[str, ...], depth: int, powers: bool) -> eq.Expr:
    deep = ["reference", "delta", "+", "*", "*", "sum", "sum", *(("^", "function") if powers else ())]
    kind = draw(st.sampled_from(deep if depth else ["reference", "number", "delta"]))
    inside = lambda: _expression(draw, scope, depth - 1, powers)  # noqa: E731  # the recursion, said once
    if kind in "+*":
        return (kind, (inside(), inside()))
    if kind == "sum":
        bound = f"{draw(st.sampled_from('ij'))}{len(scope)}_"
        body = _expression(draw, (*scope, bound), depth - 1, powers)
        return ("S", (bound,), ("*", (_reference(draw, (*scope, bound), bound), body)))
    if kind == "^":
        return ("^", ("+", (eq.ONE, eq.ONE, ("^", inside(), eq.number(2)))), eq.number(draw(st.sampled_from([-1, 2, Fraction(1, 2)]))))
    if kind == "function":
        return ("f", draw(st.sampled_from(["tanh", "sin", "sigmoid"])), (inside(),))
    if kind == "number":
        return eq.number(draw(st.sampled_from([2, -1, Fraction(1, 2), Fraction(-2, 3)])))
    if kind == "delta":
        pairs = [(a, b) for a in scope for b in scope if a < b and a[0] == b[0]]
        return ("d", *draw(st.sampled_from(pairs))) if pairs else eq.ONE
    return _reference(draw, scope, None)


def _reference(draw: st.DrawFn, scope: tuple[str, ...], must: str | None) -> eq.Expr:
    sizes = {s[0] for s in scope}
    possible = [k for k, axes in enumerate(OPERANDS) if set(axes) <= sizes and (must is None or must[0] in axes)]
    k = draw(st.sampled_from(possible))
    index = [draw(st.sampled_from([s for s in scope if s[0] == a])) for a in OPERANDS[k]]
    if must is not None:
        index[OPERANDS[k].index(must[0])] = must
    return ("r", k, tuple(index))


def operand_arrays(rng: np.random.Generator) -> list[Array]:
    """Arrays of OPERANDS' shapes."""
    return [rng.normal(size=[SIZES[a] for a in axes]) for axes in OPERANDS]


FUNCTIONS: Mapping[str, Callable[[float], float]] = {"tanh": np.tanh, "sin": np.sin, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}


def brute_force(equation: Equation, arrays: list[Array]) -> Array:
    """The value by one loop per index, number by number."""
    def size(name: str) -> int:
        return SIZES[name[0]]
    def number(e: eq.Expr, at: Mapping[str, int]) -> float:
        tag = e[0]
        if tag == "r":
            return float(arrays[e[1]][tuple(at[i] for i in e[2])])
        if tag == "n":
            return float(e[1])
        if tag == "s":
            return float(arrays[e[1]].shape[e[2]])
        if tag == "d":
            return float(at[e[1]] == at[e[2]])
        if tag == "S":
            places = np.ndindex(*[size(b) for b in e[1]])
            return sum(number(e[2], {**at, **dict(zip(e[1], p, strict=True))}) for p in places)
        parts = [number(a, at) for a in eq.children(e)]
        if tag == "f":
            return float(FUNCTIONS[e[1]](parts[0]))
        return float(sum(parts) if tag == "+" else np.prod(parts) if tag == "*" else parts[0] ** parts[1])
    found = np.zeros(equation.shape)
    for place in np.ndindex(*equation.shape):
        found[place] = number(equation.body, dict(zip(equation.out, place, strict=True)))
    return found


# ---------------------------------------------------------------------- networks
@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a random program: what to do, and numbers that choose operands, axes and order."""

    action: str
    choices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A random program and sizes: `build` makes its node, under any names for the variables."""

    program: tuple[Instruction, ...]
    sizes: Mapping[str, int]
    seed: int

    def build(self, prefix: str = "", lazily: bool = False) -> Node:
        """The node of the last instruction; `lazily`: operands only when they are needed, last ones first."""
        made: dict[int, Node] = {}
        def at(number: int) -> Node:
            if number not in made:
                if number < len(LEAVES):
                    name, shape = LEAVES[number]
                    made[number] = variable(prefix + name, tuple(shape))
                else:
                    made[number] = _perform(self.program[number - len(LEAVES)], lambda k: at(number - 1 - k % number))
            return made[number]
        last = len(LEAVES) + len(self.program) - 1
        if not lazily:
            for number in range(last):
                at(number)
        return at(last)

    def values(self, prefix: str = "") -> dict[str, Array]:
        """Arrays for all variables."""
        rng = np.random.default_rng(self.seed)
        return {prefix + name: rng.normal(size=[self.sizes[s] for s in shape]) for name, shape in LEAVES}


LEAVES = (("one", "1"), ("c", ""), ("T", "nmk"), ("y", "m"), ("S", "nn"), ("x", "n"), ("A", "nm"))
FUNCTION_NAMES = ("tanh", "sigmoid", "sin", "softplus", "arctan", "gelu", "relu", "abs", "elu", "erf")
ROW_NAMES = ("softmax", "log_softmax", "logsumexp", "mean", "variance", "norm2", "norm1", "square_sum", "standardise", "root_mean_square")
ACTIONS = (
    "function", "function", "product", "product", "product", "add", "subtract", "row", "row", "divide", "power", "matrix", "diag", "square",
    "scaled",
)


def programs(length: int = 7) -> st.SearchStrategy[tuple[Instruction, ...]]:
    """Lists of instructions; any numbers make sense."""
    step = st.builds(Instruction, st.sampled_from(ACTIONS), st.tuples(*[st.integers(0, 999)] * 8))
    return st.lists(step, min_size=3, max_size=length).map(tuple)


@st.composite
def networks(draw: st.DrawFn, length: int = 7) -> Network:
    """A random network over a scalar, vectors, matrices and a tensor; sizes from 1 to 4, all combinations of them."""
    sizes = {s: draw(st.integers(1, 4)) for s in "nmk"}
    return Network(draw(programs(length)), {**sizes, "1": 1}, draw(st.integers(0, 10**6)))


def _perform(step: Instruction, pick: Callable[[int], Node]) -> Node:
    a, b, *rest = step.choices
    x = pick(a % 3)                                        # near ones, so that programs are deep
    if step.action == "function":
        return map_function(FUNCTION_NAMES[b % len(FUNCTION_NAMES)], x)
    if step.action == "row":
        return _row(ROW_NAMES[b % len(ROW_NAMES)], x, rest)
    if step.action == "power":
        return power((x, _letters(x)), (number_node(2 + b % 2), ()), _letters(x))
    if step.action == "scaled":
        return scaled(x, Fraction(b % 7 - 3, 2))
    if step.action == "square":
        return product([(x, _letters(x)), (x, _letters(x))], _letters(x))
    if step.action == "matrix":
        return _matrix(("inv", "det", "logdet")[b % 3], x)
    if step.action == "diag":
        return product([(x, ["a"])], ["a", "b"], [("a", "b")]) if x.rank == 1 else map_function("tanh", x)
    return _pair(step.action, x, pick(b), rest)


def _letters(x: Node) -> list[str]:
    return [f"a{n}" for n in range(x.rank)]


def _row(name: str, x: Node, choices: list[int]) -> Node:
    if not x.rank:
        return x
    axes = sorted({choices[0] % x.rank, choices[1] % x.rank})
    eps = (number_node(Fraction(1, 2)),) if name in {"standardise", "root_mean_square"} else ()
    return reduce(name, x, axes, *eps)


def _matrix(name: str, x: Node) -> Node:
    """A matrix function of 2*eye + sin(x)/4 for a square matrix x, which is well-conditioned."""
    if x.rank != 2 or x.shape[0] != x.shape[1]:
        return map_function("tanh", x)
    small = scaled(map_function("sin", x), Fraction(1, 4))
    return matrix_function(name, add([(small, "ij"), (scaled(filled("eye", x.shape), 2), "ij")], "ij"))


def _pair(action: str, x: Node, y: Node, choices: list[int]) -> Node:
    """Two operands whose axes share letters where the choices say so and the sizes agree."""
    first = _letters(x)
    if action == "product" and x.rank == 2 and x.shape[0] == x.shape[1] and choices[5] % 3 == 0:
        first = ["a0", "a0"]                               # a diagonal, or a trace
    second: list[str] = []
    for n, size in enumerate(y.shape):
        same = [c for c, s in zip(first, x.shape, strict=True) if s == size and c not in second]
        second.append(same[choices[n] % len(same)] if same and (action != "product" or choices[n] % 4) else f"b{n}")
    union = list(dict.fromkeys([*first, *second]))
    if action == "product":
        kept = [c for n, c in enumerate(union) if choices[n % 4] // 4 % 2]
        shift = choices[4] % (len(kept) or 1)
        return product([(x, first), (y, second)], (kept[shift:] + kept[:shift])[:3])
    if len(union) > 3:
        return x
    if action == "divide":
        safe = add([(number_node(1), ""), (product([(y, second), (y, second)], second), second)], second)
        return divide((x, first), (safe, second), union)
    return add([(x, first), (y, second)], union) if action == "add" else subtract((x, first), (y, second), union)
