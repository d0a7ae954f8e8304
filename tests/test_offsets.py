"""Ops that read at shifted or literal indices: one derivation serves every offset, and each offset's derivative is right."""
from __future__ import annotations

import numpy as np
import pytest

from symgrad.core import differentiation
from symgrad.core.node import variable
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import product
from symgrad.ops.broadcasting import place
from symgrad.run.executor import execute


def test_fifty_places_are_one_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    original = differentiation._Derivation.__init__
    monkeypatch.setattr(differentiation._Derivation, "__init__", lambda self, op: (made.append(op.name), original(self, op))[1])
    x = variable("offsets", (60, 3, 2))
    terms = [place(x, [k, "o0", "o1"], (3, 2)) for k in range(7, 57)]
    for t in terms:
        assert reverse(t, [x]).results[x] is not None
    assert made.count("slice") <= 1


@pytest.mark.parametrize("k", [0, 1, 4])
def test_each_offset_keeps_its_own_place(k: int) -> None:
    x = variable("x", (5, 2))
    row = place(x, [k, "o0"], (2,))
    gradient = reverse(product([(row, "i"), (row, "i")], ""), [x]).results[x]
    assert gradient is not None
    values = {"x": np.random.default_rng(k).normal(size=(5, 2))}
    expected = np.zeros((5, 2))
    expected[k] = 2 * values["x"][k]
    np.testing.assert_allclose(execute([gradient], values)[gradient], expected)
