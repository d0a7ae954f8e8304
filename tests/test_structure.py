"""Derivatives by structured matrices against differences along the entries that are free."""
from __future__ import annotations

import numpy as np
import pytest

from symgrad.core.node import variable
from symgrad.derive.reverse import reverse
from symgrad.derive.structure import structure_of, within_structure
from symgrad.network import parse
from symgrad.ops.kernels import Array
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute
from symgrad.run.sampling import sample

SIZES = {"n": 3, "m": 2}
PLACES = {
    "symmetric": [(i, j) for i in range(3) for j in range(i, 3)], "diagonal": [(i, i) for i in range(3)],
    "lower": [(i, j) for i in range(3) for j in range(i + 1)], "upper": [(i, j) for i in range(3) for j in range(i, 3)],
}


def steps(kind: str) -> list[Array]:
    """The direction of each free entry."""
    found = []
    for i, j in PLACES[kind]:
        e = np.zeros((3, 3))
        e[i, j] = 1
        if kind == "symmetric":
            e[j, i] = 1
        found.append(e)
    return found


@pytest.mark.parametrize("fact", ["symmetric", "diagonal", "lower", "upper"])
@pytest.mark.parametrize("expr", ["a'*X*X*b", "logdet(X + eye(n))", "sum(exp(X).*X)", "A*X*b"])
def test_derivative_by_the_free_entries(expr: str, fact: str) -> None:
    graph = parse(expr, vars={"X": ("n", "n"), "a": ("n",), "b": ("n",), "A": ("m", "n")}, facts={"X": fact})
    x = graph["X"]
    kind = structure_of(x)
    found = reverse(graph.output, [x]).results[x]
    assert found is not None
    node = within_structure(found, x)
    assert node.shape == found.shape
    values = sample(list(graph.names.values()), SIZES, 2)
    ours = execute([node], values, sizes=SIZES)[node]
    for (i, j), step in zip(PLACES[kind], steps(kind), strict=True):
        def value(t: Array, step: Array = step) -> Array:
            return execute([graph.output], {**values, "X": values["X"] + t * step}, sizes=SIZES)[graph.output]
        reference = numeric_derivative(value, np.zeros(()))
        assert np.allclose(ours[..., i, j], reference, atol=1e-6)
        if kind == "symmetric":
            assert np.allclose(ours[..., j, i], reference, atol=1e-6)
    fixed = [(i, j) for i in range(3) for j in range(3) if (i, j) not in PLACES[kind] and kind != "symmetric"]
    assert all(np.all(ours[..., i, j] == 0) for i, j in fixed)


def test_no_structure_changes_nothing() -> None:
    x = variable("x", ("n", "n"))
    assert structure_of(x) == "" and within_structure(x, x) is x
    assert structure_of(variable("P", ("n", "n"), facts=["spd"])) == "", "where a matrix lies says nothing about its entries"
    assert structure_of(variable("S", ("n", "m"), facts=["symmetric"])) == ""
