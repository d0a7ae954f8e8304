"""A seed comes in; a network in the notation goes out, with its value by plain NumPy and arrays to put in: random names, sizes, depth, losses."""
from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIFFERENCE", "Generated", "numeric_gradient", "random_network"]

Array = NDArray[np.float64]
Values = dict[str, Array]

NAMES = (
    "x", "y", "W", "V", "b", "c", "h", "z", "a", "q", "u", "r", "s", "w1", "w2", "x_1", "alpha", "beta", "theta", "Lambda", "psi", "zeta", "features",
    "target", "hidden_units", "yhat", "W12", "a_very_long_name_of_a_weight_matrix",
    "l", "e", "g", "i", "k", "n", "E", "S", "N", "I", "Q", "O", "C", "D", "T", "t", "t1", "t2", "u1", "u2", "J1", "J2", "f", "np", "numpy", "eta", "d_h", "d_z",
    "pi", "sp", "dg", "g1", "dl", "l_2", "out", "result", "Sum", "Symbol", "oo", "zoo", "values", "self", "main", "rows",
)
"""Ordinary names, letters that mean something elsewhere (in sympy, NumPy, LaTeX), and names that the printers use themselves."""
INDICES = ("n", "i", "k", "t", "j", "m")
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "sin": np.sin,
    "gelu": lambda z: z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "elu": lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
    "leaky_relu": lambda z: np.where(z > 0, z, z / 100),
}
LOSSES = ("squared", "mean squared", "unknown", "unknown", "bce", "norm", "labels", "one-hot", "power")


DIFFERENCE: Mapping[tuple[int, ...], Callable[..., Array]] = {
    (): lambda y, p: np.log(np.cosh(y - p)), (2,): lambda y, p: -np.tanh(y - p), (2, 2): lambda y, p: 1 - np.tanh(y - p) ** 2,
}
"""log cosh (y - p) and its derivatives by p: the value of an unknown loss."""
Function = str | Mapping[tuple[int, ...], Callable[..., Array]]


@dataclass
class Generated:
    """A network's text, the names of its parts, arrays for it, and its value by NumPy from those arrays."""

    text: str
    params: list[str]
    defined: list[str]
    values: Values
    functions: dict[str, Function]
    steps: list[Callable[[Values], None]] = field(repr=False)
    output: str

    def value(self, values: Values | None = None) -> float:
        """The loss at the given arrays, by plain NumPy."""
        env = dict(self.values if values is None else values)
        for step in self.steps:
            step(env)
        return float(env[self.output])


def numeric_gradient(net: Generated, name: str, h: float = 1e-4) -> Array:
    """The gradient of the loss by differences of fourth order, entry by entry."""
    at = net.values[name]
    found = np.zeros(at.shape)
    for place in np.ndindex(*at.shape):
        moved = np.zeros(at.shape)
        moved[place] = h
        f = [net.value({**net.values, name: at + k * moved}) for k in (-2, -1, 1, 2)]
        found[place] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    return found


class _Builder:
    """Writes the statements and the NumPy of one network side by side."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.arrays = np.random.default_rng(seed)
        self.names = self.random.sample(NAMES, len(NAMES))
        self.sizes: dict[str, int] = {}
        self.lines: list[str] = []
        self.values: Values = {}
        self.params: list[str] = []
        self.defined: list[str] = []
        self.steps: list[Callable[[Values], None]] = []
        self.functions: dict[str, Function] = {}

    def fresh(self) -> str:
        return self.names.pop()

    def chance(self, p: float) -> bool:
        return self.random.random() < p

    def size(self) -> str:
        """A size: a name, or a whole number."""
        number = 2 + len(self.sizes) % 4
        name = str(self.random.choice([1, 2, 3])) if self.chance(0.25) else self.fresh()
        self.sizes[name] = int(name) if name.isdigit() else number
        return name

    def declare(self, kind: str, shape: Sequence[str], family: str = "", facts: str = "", whole: int = 0) -> str:
        name = self.fresh()
        words = {0: "scalar", 1: f"vector({', '.join(shape)})", 2: f"matrix({', '.join(shape)})"}
        self.lines.append(f"{kind} {name}{f'[{family}]' if family else ''} : {facts or words[len(shape)]}")
        axes = [self.sizes[s] for s in ((self.rows,) if family else ()) + tuple(shape)]
        self.values[name] = self.arrays.integers(1, whole + 1, size=axes).astype(float) if whole else self.arrays.normal(size=axes) * 0.7
        if kind == "param":
            self.params.append(name)
        return name

    def define(self, right: str, compute: Callable[[Values], Array], name: str = "", family: str = "") -> str:
        name = name or self.fresh()
        if name == "D":                                    # a line D[n] = ... is a result, not a definition
            name = self.fresh()
        self.lines.append(f"{name}{f'[{family}]' if family else ''} = {right}")
        self.defined.append(name)

        def step(env: Values) -> None:
            env[name] = np.asarray(compute(env))

        self.steps.append(step)
        return name

    # ------------------------------------------------------------------ the network
    def build(self) -> Generated:
        self.index = self.random.choice(INDICES) if self.chance(0.65) else ""
        self.rows = self.fresh()
        self.sizes[self.rows] = 3
        at = f"[{self.index}]" if self.index else ""
        if self.index:
            self.lines.append(f"examples {self.index} = 1..{self.rows}")
        loss = self.random.choice(LOSSES)
        activation = "" if self.chance(0.4) else self.random.choice(list(ACTIVATIONS))
        unknown = self.fresh()
        if not activation:
            self.lines.append(f"function {unknown} elementwise")
            self.functions[unknown] = "tanh"
        act, apply = activation or unknown, ACTIVATIONS[activation or "tanh"]
        width = self.size()
        x = h = self.declare("data", [width], self.index)
        del x
        for _ in range(self.random.randint(1, 4)):
            residual = self.chance(0.25)
            new = width if residual else self.size()
            h = self.layer(h, width, new, at, act, apply, residual)
            width = new
        self.loss(loss, h, width, at)
        return Generated("\n".join(self.lines) + "\n", self.params, self.defined, self.values, self.functions, self.steps, self.defined[-1])

    def layer(self, h: str, old: str, new: str, at: str, act: str, apply: Callable[[Array], Array], residual: bool) -> str:
        """`act(W' * h + b)`, the activation apart or at once; around it a skip connection."""
        turned = self.chance(0.5)
        w = self.declare("param", [old, new] if turned else [new, old])
        b = self.declare("param", [new]) if self.chance(0.5) else ""
        text = f"{w}{chr(39) if turned else ''} * {h}{at}" + (f" + {b}{''}" if b else "")

        def z(env: Values) -> Array:
            return env[h] @ (env[w] if turned else env[w].T) + (env[b] if b else 0)

        if self.chance(0.6):
            name = self.define(text, z, family=self.index)
            inside, compute = f"{name}{at}", lambda env: env[name]
        else:
            inside, compute = text, z
        front = f"{h}{at} + " if residual else ""
        return self.define(f"{front}{act}({inside})", lambda env: apply(compute(env)) + (env[h] if residual else 0), family=self.index)

    def loss(self, kind: str, h: str, width: str, at: str) -> None:
        over = f"sum[{self.index}]" if self.index else ""
        if kind in ("norm", "labels", "one-hot"):
            self.vector_loss(kind, h, width, at, over)
            return
        v = self.declare("param", [width])
        yhat = self.define(f"{v}' * {h}{at}", lambda env: env[h] @ env[v], family=self.index)
        y = self.declare("data", [], self.index)
        count = self.sizes[self.rows] if self.index else 1
        if kind == "unknown":
            name = self.fresh()
            self.lines.append(f"function {name}({'a1, b1'})")
            self.functions[name] = DIFFERENCE
            self.define(f"{over}({name}({y}{at}, {yhat}{at}))", lambda env: np.sum(np.log(np.cosh(env[y] - env[yhat]))))
        elif kind == "bce":
            self.values[y] = (self.values[y] > 0) * 1.0
            self.define(f"bce_logits({y}, {yhat})", lambda env: np.mean(np.log1p(np.exp(env[yhat])) - env[y] * env[yhat]))
        elif kind == "power":
            self.define(f"{over}(sqrt(1 + ({y}{at} - {yhat}{at})^2)) + 3", lambda env: np.sum(np.sqrt(1 + (env[y] - env[yhat]) ** 2)) + 3)
        elif kind == "mean squared" and self.index:
            self.define(f"mean[{self.index}](({y}{at} - {yhat}{at})^2)", lambda env: np.sum((env[y] - env[yhat]) ** 2) / count)
        else:
            e = self.define(f"{y}{at} - {yhat}{at}", lambda env: env[y] - env[yhat], family=self.index)
            self.define(f"1/2 * {over}({e}{at}^2)", lambda env: np.sum(env[e] ** 2) / 2)

    def vector_loss(self, kind: str, h: str, width: str, at: str, over: str) -> None:
        if kind == "norm":
            y = self.declare("data", [width], self.index)
            self.define(f"{over}(norm2({y}{at} - {h}{at})^2)", lambda env: np.sum((env[y] - env[h]) ** 2))
            return
        if kind == "labels" and self.index:
            y = self.declare("data", [], self.index, facts=f"label({width})", whole=self.sizes[width])

            def cross_entropy(env: Values) -> Array:
                z = env[h]
                picked = z[np.arange(len(z)), env[y].astype(int) - 1]
                return np.asarray(np.mean(np.log(np.exp(z).sum(axis=-1)) - picked))

            self.define(f"cross_entropy_logits({y}, {h})", cross_entropy)
            return
        y = self.declare("data", [width], self.index)
        self.values[y] = np.eye(self.sizes[width])[self.arrays.integers(0, self.sizes[width], size=self.values[y].shape[:-1])]

        def softmax(env: Values) -> Array:
            return np.asarray(np.exp(env[h]) / np.exp(env[h]).sum(axis=-1, keepdims=True))

        p = self.define(f"softmax({h}{at})", softmax, family=self.index)
        self.define(f"-{over}({y}{at}' * log({p}{at}))", lambda env: -np.sum(env[y] * np.log(env[p])))


def random_network(seed: int) -> Generated:
    """The network of a seed."""
    return _Builder(seed).build()
