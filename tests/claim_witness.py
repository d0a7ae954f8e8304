"""A claim comes in; whether it is true goes out: its right side against numeric derivatives of the network, at random unequal sizes."""
from __future__ import annotations

import functools

import numpy as np
from claim_networks import Subject

from symgrad.core.node import Node
from symgrad.errors import SymgradError
from symgrad.network import claim_sides
from symgrad.notation.parse import parse_claims
from symgrad.notation.syntax import Call, Index, Name
from symgrad.ops.kernels import Array
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute
from symgrad.run.sampling import sample, sample_sizes

__all__ = ["discrepancy"]

SEEDS = (3, 11)


@functools.cache
def _drawn(subject: Subject, seed: int) -> tuple[dict[str, Array], dict[str, int]]:
    nodes = subject.graph.nodes()
    sizes = sample_sizes(nodes, subject.graph.numbers, seed)
    return sample(nodes, sizes, seed), sizes


@functools.cache
def _truth(subject: Subject, function: str, of: str, wrt: str, seed: int) -> Array:
    """The derivative by differences; axes as the claim has them."""
    values, sizes = _drawn(subject, seed)
    output, variable = subject.graph[of], subject.graph[wrt]

    def run(x: Array) -> Array:
        return execute([output], values, sizes=sizes, known={variable: x})[output]

    found = numeric_derivative(run, execute([variable], values, sizes=sizes)[variable])
    return found[None] if function == "jac" and output.rank == 0 else found


def discrepancy(subject: Subject, claim: str) -> float:
    """The largest relative difference between claim and truth at several draws; infinite for a wrong shape or a text that cannot be read."""
    (parsed,) = parse_claims(claim)
    target = parsed.target.operand if isinstance(parsed.target, Index) else parsed.target
    assert isinstance(target, Call) and all(isinstance(a, Name) for a in target.arguments)
    of, wrt = (a.name for a in target.arguments if isinstance(a, Name))
    try:
        sides = claim_sides(subject.graph, parsed, claim)
    except SymgradError:
        return np.inf
    return max(_difference(subject, sides.value, sides.lying, _truth(subject, target.function, of, wrt, seed), target.function, seed) for seed in SEEDS)


def _difference(subject: Subject, node: Node, lying: bool, truth: Array, function: str, seed: int) -> float:
    values, sizes = _drawn(subject, seed)
    found = execute([node], values, sizes=sizes)[node]
    if lying and found.ndim == 1:
        if function != "jac":
            return np.inf
        found = found[None]
    if found.shape != truth.shape or not np.all(np.isfinite(found)):
        return np.inf
    return float(np.max(np.abs(found - truth)) / (1e-3 + np.max(np.abs(truth))))
