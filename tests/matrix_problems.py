"""The problems with known answers come in; the forms that symgrad finds for them, read back and compared with differences, go out."""
from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import reverse
from symgrad.network import parse
from symgrad.notation.words import FACTS
from symgrad.ops.arithmetic import filled
from symgrad.ops.kernels import Array
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute
from symgrad.run.sampling import sample
from symgrad.views.matrix import Form, closed_form, index_form

__all__ = ["SIZES", "Answer", "Case", "cases"]

SIZES = {"n": 3, "m": 4, "k": 2, "p": 5}
RANGES = {"positive": (0.3, 1.2), "unit": (-0.8, 0.8), "small": (-0.25, 0.25), "large": (5.0, 6.0)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What symgrad says."""

    node: Node
    matrix: Form
    index: Form


@dataclass(frozen=True)
class Case:
    """A function, a variable (two for a mixed second derivative) and the derivative as its source writes it."""

    id: str
    source: str
    expr: str
    vars: Mapping[str, tuple[str | int, ...]]
    wrt: str
    expected: str
    attrs: Mapping[str, str]
    order: int
    wrt2: str

    @functools.cached_property
    def graph(self) -> Graph:
        """The parsed function."""
        return parse(self.expr, vars=self.vars, facts={k: v for k, v in self.attrs.items() if v in FACTS})

    @property
    def variables(self) -> tuple[Node, ...]:
        """What is differentiated by, in order."""
        first = self.graph[self.wrt]
        return (first,) if self.order == 1 else (first, self.graph[self.wrt2 or self.wrt])

    def derived(self) -> Node:
        """The node of the derivative."""
        node = self.graph.output
        for v in self.variables:
            found = reverse(node, [v]).results[v]
            if found is None:
                return filled("zeros", (*self.graph.output.shape, *(s for w in self.variables for s in w.shape)))
            node = found
        return node

    def answer(self) -> Answer:
        """The derivative with its forms."""
        node = self.derived()
        forward = topological([self.graph.output])
        names = {n: n.name for n in (*forward, *topological([node])) if isinstance(n.data, Variable)}
        return Answer(node, closed_form(node, names, {}, forward), index_form(node, names, {}, forward))

    def values(self, seed: int) -> dict[str, Array]:
        """Random values with the declared properties."""
        rng = np.random.default_rng(seed + 1)
        found = sample([*self.graph.names.values()], SIZES, seed)
        for name, word in self.attrs.items():
            if word in RANGES:
                found[name] = rng.uniform(*RANGES[word], size=found[name].shape)
            if word == "equals_n":
                found[name] = np.asarray(float(SIZES["n"]))
        return found

    def value(self, text: str, values: Mapping[str, Array]) -> Array:
        """The value of text in the names of the problem."""
        node = self.graph.parse(text)
        return execute([node], values, sizes=SIZES)[node]

    def reference(self, values: Mapping[str, Array]) -> Array:
        """The derivative of the forward program by differences."""
        def forward(moved: Mapping[str, Array]) -> Array:
            return execute([self.graph.output], moved, sizes=SIZES)[self.graph.output]
        def along(name: str, moved: Mapping[str, Array], step: float) -> Array:
            return numeric_derivative(lambda x: forward({**moved, name: x}), moved[name], step)
        if self.order == 1:
            return along(self.wrt, values, 2e-3)
        second = self.wrt2 or self.wrt
        return numeric_derivative(lambda x: along(self.wrt, {**values, second: x}, 1e-2), values[second], 1e-2)


def cases(path: Path) -> list[Case]:
    """The problems of a file."""
    return [Case(c["id"], c["source"], c["expr"], {k: tuple(v) for k, v in c["vars"].items()}, c["wrt"], c["expected"], c.get("attrs", {}),
                 c.get("order", 1), c.get("wrt2", "")) for c in json.loads(path.read_text())["cases"]]
