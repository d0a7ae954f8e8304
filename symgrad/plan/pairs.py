"""The factors of a sum of products in, by the indices they carry; out comes the order in which they are multiplied two by two."""
from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

__all__ = ["Pair", "pairwise"]

Axes = frozenset[Hashable]


class Pair(NamedTuple):
    """Take the factors at two positions out of the list and append their product, summed over all indices but `kept`."""

    left: int
    right: int
    kept: Axes


def pairwise(factors: Sequence[Collection[Hashable]], kept: Collection[Hashable]) -> list[Pair]:
    """Pairs that multiply the factors and sum over every index not in `kept`.

    Each pair is the one of fewest operations, then of smallest result.

    Sizes are symbols, so operations are compared by how many indices they run over. An index that one factor alone carries is summed
    in that factor beforehand: by the caller.
    """
    left: list[Axes] = [frozenset(f) for f in factors]
    pairs: list[Pair] = []
    while len(left) > 1:
        choices = []
        for i in range(len(left)):
            for j in range(i + 1, len(left)):
                others = frozenset().union(kept, *(f for n, f in enumerate(left) if n not in (i, j)))
                both = left[i] | left[j]
                choices.append((len(both), len(both & others), i, j, both & others))
        _, _, i, j, result = min(choices, key=lambda c: c[:4])
        pairs.append(Pair(i, j, result))
        left = [f for n, f in enumerate(left) if n not in (i, j)] + [result]
    return pairs
