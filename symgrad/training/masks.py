"""The dropout masks of a network and their probabilities come in; masks drawn for a batch, and what stands for them in use, go out."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node
from symgrad.core.shape import size_number
from symgrad.errors import InputError, nearest
from symgrad.ops.kernels import Array

__all__ = ["checked_masks", "drawn", "expected"]

MASK = 3
"""Of the streams of chance, the one for masks."""


def checked_masks(graph: Graph, masks: Mapping[str, float] | None, trained: list[str]) -> dict[str, float]:
    """{mask: probability to drop an entry}. Raises InputError for what is no data variable, for a probability outside [0, 1), and for one that
    contradicts the factor 1/(1 - p) that the network has behind its mask."""
    free = [n for n in graph.variables() if n not in trained]
    for name, p in (masks or {}).items():
        if name not in free:
            raise InputError(f"masks: there is no data variable {name!r}{nearest(name, free)}")
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p < 1:
            raise InputError(f"masks: the probability to drop an entry of {name} is at least 0 and less than 1, not {p!r}")
        kept = _kept(graph, graph[name])
        if kept is not None and abs(kept - (1 - p)) > 1e-9:
            raise InputError(f"masks: the network divides by {kept:g} behind {name}, so it drops with probability {1 - kept:g}, not {p:g}: give that one")
    return dict(masks or {})


def _kept(graph: Graph, mask: Node) -> float | None:
    """The number that what is masked is divided by, where it is one."""
    order = graph.nodes()
    masked = [n for n in order if mask in n.operands]
    for n in order:
        if any(m in n.operands for m in masked) and n.op.name == "scale":
            numbers = [o.data for o in n.operands if o.op is NUMBER]
            if len(numbers) == 1 and numbers[0]:
                return 1 / float(numbers[0])  # type: ignore[arg-type]  # a number node holds a Fraction
    return None


def drawn(graph: Graph, masks: Mapping[str, float], sizes: Mapping[str, int], seed: int, step: int) -> dict[str, Array]:
    """A mask each, 1 where an entry stays, drawn for this step alone."""
    rng = np.random.default_rng((seed, MASK, step))
    return {n: (rng.random(_shape(graph[n], sizes)) >= p).astype(float) for n, p in masks.items()}


def expected(graph: Graph, masks: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, Array]:
    """What stands for the masks in use: 1 - p everywhere, the mean of a mask. Divided by 1 - p (inverted scaling) it gives the layer's input
    itself, and without (the lecture's) 1 - p times it, as the weights are scaled in the test."""
    return {n: np.full(_shape(graph[n], sizes), 1.0 - p) for n, p in masks.items()}


def _shape(node: Node, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(size_number(s, sizes) for s in node.shape)
