"""Parameters, gradients, a state and a learning rate come in; the parameters and the state after one step go out: PyTorch's arithmetic."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from symgrad.errors import InputError, nearest
from symgrad.ops.kernels import Array

__all__ = ["OPTIMIZERS", "Adam", "Arrays", "Optimizer", "RMSProp", "SGD", "make_optimizer", "options_of"]

Arrays = Mapping[str, Array]
State = Mapping[str, Array]


def _in(low: float, high: float, *, closed: bool = False) -> Callable[[object], bool]:
    def fits(x: object) -> bool:
        return isinstance(x, int | float) and not isinstance(x, bool) and (low <= x < high or (closed and x == high))
    return fits


RANGES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("momentum", "dampening", "beta1", "beta2", "alpha"), (_in(0, 1), "at least 0 and less than 1")),
    "weight_decay": (_in(0, math.inf), "at least 0"),
    "eps": (_in(0, math.inf), "at least 0"),
    **dict.fromkeys(("nesterov", "centered", "decoupled"), (lambda x: isinstance(x, bool), "True or False")),
}


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An update rule. Its state is a dictionary of arrays, empty at first: `m/W1` belongs to W1, `step` counts.

    Weight decay adds weight_decay times the parameter to its gradient, of every parameter, as PyTorch does.
    """

    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            fits, what = RANGES[f.name]
            if not fits(getattr(self, f.name)):
                raise InputError(f"{f.name} is {what}, not {getattr(self, f.name)!r}")

    def step(self, params: Arrays, gradients: Arrays, state: State, lr: float) -> tuple[dict[str, Array], dict[str, Array]]:
        """(parameters, state) after one step; nothing that comes in is changed."""
        count = float(state.get("step", 0.0)) + 1
        new: dict[str, Array] = {"step": np.array(count)}
        after = {}
        for name, p in params.items():
            slots = _Slots(name, p, state, new)
            after[name] = self._moved(p, self._decayed(p, gradients[name]), slots, lr, count)
        return after, new

    def _decayed(self, p: Array, g: Array) -> Array:
        return g + self.weight_decay * p if self.weight_decay else g

    def _moved(self, p: Array, g: Array, slots: _Slots, lr: float, count: float) -> Array:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Slots:
    """The arrays that the state keeps for one parameter."""

    name: str
    like: Array
    old: State
    new: dict[str, Array]

    def __getitem__(self, key: str) -> Array:
        found = self.old.get(f"{key}/{self.name}")
        return np.zeros_like(self.like) if found is None else found

    def __setitem__(self, key: str, value: Array) -> None:
        self.new[f"{key}/{self.name}"] = value

    def __contains__(self, key: str) -> bool:
        return f"{key}/{self.name}" in self.old

    def __iter__(self) -> Iterator[str]:
        raise TypeError("slots are read by name")


@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    """p <- p - lr*g; with momentum, along b <- momentum*b + (1 - dampening)*g; with Nesterov's, along g + momentum*b (Sutskever et al. 2013)."""

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0

    def __post_init__(self) -> None:
        Optimizer.__post_init__(self)
        if self.nesterov and (not self.momentum or self.dampening):
            raise InputError("Nesterov's step needs a momentum, and no dampening")

    def _moved(self, p: Array, g: Array, slots: _Slots, lr: float, count: float) -> Array:
        if not self.momentum:
            return np.asarray(p - lr * g)
        b = self.momentum * slots["b"] + (1 - self.dampening) * g if "b" in slots else g
        slots["b"] = b
        return np.asarray(p - lr * (g + self.momentum * b if self.nesterov else b))


@dataclass(frozen=True, slots=True)
class Adam(Optimizer):
    """Kingma and Ba (2015), algorithm 1; `decoupled`: AdamW, the parameter itself shrinks (Loshchilov and Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decoupled: bool = False

    def _decayed(self, p: Array, g: Array) -> Array:
        return g if self.decoupled else Optimizer._decayed(self, p, g)

    def _moved(self, p: Array, g: Array, slots: _Slots, lr: float, count: float) -> Array:
        if self.decoupled:
            p = p * (1 - lr * self.weight_decay)
        m = self.beta1 * slots["m"] + (1 - self.beta1) * g
        v = self.beta2 * slots["v"] + (1 - self.beta2) * (g * g)
        slots["m"], slots["v"] = m, v
        root = np.sqrt(v) / math.sqrt(1 - self.beta2**count) + self.eps
        return np.asarray(p - lr / (1 - self.beta1**count) * m / root)


@dataclass(frozen=True, slots=True)
class RMSProp(Optimizer):
    """p <- p - lr*g/(sqrt(v) + eps), v the running mean of g^2 (Hinton 2012, lecture 6e); `centered`: of its variance (Graves 2013)."""

    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def _moved(self, p: Array, g: Array, slots: _Slots, lr: float, count: float) -> Array:
        v = self.alpha * slots["v"] + (1 - self.alpha) * (g * g)
        slots["v"] = v
        if self.centered:
            mean = self.alpha * slots["g"] + (1 - self.alpha) * g
            slots["g"] = mean
            v = np.maximum(v - mean * mean, 0.0)           # a variance, whatever rounding says
        step = g / (np.sqrt(v) + self.eps)
        if self.momentum:
            step = self.momentum * slots["b"] + step
            slots["b"] = step
        return np.asarray(p - lr * step)


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: type[Optimizer]
    defaults: Mapping[str, object] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)


OPTIMIZERS: Mapping[str, _Entry] = {
    "sgd": _Entry(SGD),
    "momentum": _Entry(SGD, {"momentum": 0.9}),
    "nesterov": _Entry(SGD, {"momentum": 0.9}, {"nesterov": True}),
    "adam": _Entry(Adam, {}, {"decoupled": False}),
    "adamw": _Entry(Adam, {"weight_decay": 0.01}, {"decoupled": True}),
    "rmsprop": _Entry(RMSProp),
}


def options_of(name: str) -> list[str]:
    """The options that an optimiser of this name takes. Raises InputError for a name that is none."""
    if name not in OPTIMIZERS:
        raise InputError(f"there is no optimiser {name!r}{nearest(str(name), OPTIMIZERS)}; known are {', '.join(OPTIMIZERS)}")
    entry = OPTIMIZERS[name]
    return [f.name for f in fields(entry.kind) if f.name not in entry.fixed]


def make_optimizer(optimizer: str | Optimizer, **options: object) -> Optimizer:
    """The update rule of a name with its options, or the one given. Raises InputError for what is none, and for options out of range."""
    if isinstance(optimizer, Optimizer):
        if options:
            raise InputError(f"an optimiser that is given as an object has its options already: {', '.join(options)}")
        return optimizer
    if not isinstance(optimizer, str):
        raise InputError(f"an optimiser is a word ({', '.join(OPTIMIZERS)}) or an object such as SGD(momentum=0.9), not {optimizer!r}")
    known = options_of(optimizer)
    for name in options:
        if name not in known:
            raise InputError(f"{optimizer} has no option {name!r}{nearest(name, known)}; it takes {', '.join(known)}")
    entry = OPTIMIZERS[optimizer]
    return entry.kind(**{**entry.defaults, **options, **entry.fixed})  # type: ignore[arg-type]  # `__post_init__` checks each option
