"""Published problems come in as data; functions, inputs and reference values to check a derivation against go out (tests alone run their text)."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import symgrad as sg

__all__ = ["HELPERS", "PUBLISHED", "Problem", "function_of", "inputs_of", "namespace", "rounded_error"]

HELPERS: dict[str, object] = {
    "np": np, "numpy": np, "sigmoid": sg.sigmoid, "relu": sg.relu, "softmax": sg.softmax, "log_softmax": sg.log_softmax, "logsumexp": sg.logsumexp,
    "softplus": sg.softplus, "gelu": sg.gelu, "silu": sg.silu, "erf": sg.erf, "conv2d": sg.conv2d, "conv1d": sg.conv1d, "onehot": sg.onehot,
    "leaky_relu": sg.leaky_relu, "maxpool": sg.maxpool, "avgpool": sg.avgpool, "tanh": sg.tanh,
}
"""What a forward program may call beside NumPy."""
PUBLISHED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "worked_problems.json").read_text())["problems"]


@dataclass(frozen=True)
class Problem:
    """A forward program over named inputs: `lines` define names one after the other, `loss` last; `hessian` names a variable to check twice."""

    name: str
    inputs: Mapping[str, object]
    lines: tuple[str, ...]
    wrt: tuple[str, ...]
    hessian: tuple[str, ...] = ()
    keep: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.name


def inputs_of(problem: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The inputs of a published problem: given, drawn by seed, and set up."""
    found: dict[str, Any] = {k: np.asarray(v, dtype=float) for k, v in problem["inputs"].items()}
    for draw in problem["legacy_randn"]:
        random = np.random.RandomState(draw["seed"])
        for name, shape in draw["draws"]:
            found[name] = random.randn(*shape)
    space = {**HELPERS, **found}
    for line in problem["setup"]:
        exec(line, space)
    return {**found, **{k: np.asarray(space[k], dtype=float) for k in problem["setup_leaves"]}}


def namespace(lines: list[str], values: Mapping[str, object]) -> dict[str, Any]:
    """The program run on arrays: every name and its value."""
    space: dict[str, Any] = {**HELPERS, **values}
    for line in lines:
        exec(line, space)
    return {k: v for k, v in space.items() if k not in HELPERS and k != "__builtins__"}


def function_of(lines: list[str], inputs: list[str], returned: str) -> Callable[..., object]:
    """The program as a function of its inputs, the way a person would write it."""
    text = "\n".join([f"def forward({', '.join(inputs)}):", *(f"    {line}" for line in "\n".join(lines).splitlines()), f"    return {returned}"])
    space = dict(HELPERS)
    exec(text, space)
    return space["forward"]  # type: ignore[return-value]  # a function by its text


def rounded_error(got: object, want: object) -> float:
    """The largest difference; infinite where shapes do not fit."""
    a, b = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    if a.shape != b.shape and a.size != b.size:
        return np.inf
    return float(np.max(np.abs(a.reshape(b.shape) - b), initial=0.0))
