"""Activations, schemes, skips and norms come in; the flow of a deep network of each kind goes out, a row each."""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symgrad.core.graph import Graph
from symgrad.core.node import Node, leaf
from symgrad.core.table import aligned
from symgrad.errors import InputError
from symgrad.layers.family import Repeated, repeat
from symgrad.layers.norms import batch_norm, layer_norm, rms_norm
from symgrad.layers.parts import activated
from symgrad.ops.arithmetic import total
from symgrad.ops.broadcasting import plus, times
from symgrad.ops.operators import matmul
from symgrad.training.flow import Flow, flow
from symgrad.training.flow_words import VANISHING
from symgrad.training.signal import Scheme
from symgrad.verbs import graph

__all__ = ["FlowGrid", "GridRow", "deep_network", "flow_grid"]

NORMS: dict[str, Callable[[Node, str], Node]] = {"layer": layer_norm, "batch": batch_norm, "rms": rms_norm}


@dataclass(frozen=True, slots=True)
class GridRow:
    """One kind of network: its flow, and what the table shows of it. `clipped`: what clipping by global norm multiplies every gradient by."""

    activation: str
    start: str
    skip: bool
    norm: str
    flow: Flow
    clipped: float

    @property
    def across(self) -> float:
        """|gradient by the input|/|gradient by the last value|."""
        last = self.flow.layers[-1].gradient.norm
        return self.flow.first_gradient.norm / last if last else 0.0

    @property
    def factor(self) -> float:
        """The same per layer, in the geometric mean."""
        return float(self.across ** (1 / len(self.flow.layers)))

    @property
    def verdict(self) -> str:
        """"vanishes" (a thousandth or less comes through), "explodes" (a thousand or more), else "flows"."""
        return "vanishes" if self.across < VANISHING else "explodes" if self.across > 1 / VANISHING else "flows"


@dataclass(frozen=True, slots=True)
class FlowGrid:
    """The rows, and their table."""

    rows: tuple[GridRow, ...]
    depth: int
    width: int

    def __str__(self) -> str:
        head = ("activation", "start", "skip", "norm", "gradient across", "per layer", "last std", "product: largest s", "saturated", "dead", "clip factor", "")
        out: list[tuple[str, ...]] = [head]
        for r in self.rows:
            last = r.flow.layers[-1]
            worst = [max((x for x in values if x == x), default=math.nan) for values in zip(*((x.saturated, x.dead) for x in r.flow.layers), strict=True)]
            out.append((r.activation, r.start, "yes" if r.skip else "no", r.norm or "none", f"{r.across:.2g}", f"{r.factor:.3f}", f"{last.value.std:.2g}",
                        f"{last.product_largest:.2g}", *(f"{x:.0%}" if x == x else "" for x in worst), f"{r.clipped:.2g}", r.verdict))
        return "\n".join(aligned(out))


def deep_network(activation: str, depth: int, *, skip: bool = False, norm: str = "") -> Graph:
    """h <- [h +] g(norm(h W' + b)), `depth` times over N x K arrays; the loss weighs the last value with random numbers c, a random direction back."""
    if norm and norm not in NORMS:
        raise InputError(f"the norm is {', '.join(map(repr, NORMS))} or '', not {norm!r}")
    x, c = leaf("x", ("N", "K")), leaf("c", ("N", "K"))
    word = None if activation in ("linear", "identity") else activation

    def value(h: Node, W: Node, b: Node, name: str) -> Node:
        z = plus(matmul(h, W.T), b)
        g = activated(NORMS[norm](z, name) if norm else z, word)
        return plus(h, g) if skip else g
    if norm:                                               # a norm's parameters belong to one layer: families have none of it
        steps = [x]
        for k in range(1, depth + 1):
            steps.append(value(steps[-1], leaf(f"W{k}", ("K", "K"), "param"), leaf(f"b{k}", ("K",), "param"), f"norm{k}"))
        return graph(**{f"h{k}": h for k, h in enumerate(steps) if k}, loss=total(times(c, steps[-1])))
    h: Repeated = repeat(lambda h, W, b: value(h, W, b, ""), depth, x, W=("K", "K"), b=("K",))
    return graph(h=h, loss=total(times(c, h.last)))


def flow_grid(activations: Sequence[str] = ("sigmoid", "tanh", "relu"), starts: Sequence[Scheme] = ("glorot_normal", "he_normal"), *,
              skip: Sequence[bool] = (False, True), norm: Sequence[str] = ("",), depth: int = 30, width: int = 100, examples: int = 16, seed: int = 0,
              clip: float = 1.0) -> FlowGrid:
    """The flow of every combination: h <- [h +] g(norm(W h + b)) of so many layers and units, a random direction coming back.

    norm: "", "layer", "batch" or "rms". clip: the global norm that clipping would leave at most. Raises InputError for words that are none.
    """
    rows = []
    for activation, start, skips, word in itertools.product(activations, starts, skip, norm):
        found = flow(deep_network(activation, depth, skip=skips, norm=word), start=start, seed=seed, sizes={"N": examples, "K": width})
        rows.append(GridRow(activation, str(start), skips, word, found, min(1.0, clip / found.gradient_norm) if found.gradient_norm else 1.0))
    return FlowGrid(tuple(rows), depth, width)
