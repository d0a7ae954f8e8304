"""Random expressions: first and second derivatives against differences, at random points and at zeros, from the node and from both texts."""
from __future__ import annotations

import pytest
from expressions import problems, random_expression

CHUNK = 100


def wrong(first: int, last: int) -> list[str]:
    """What is wrong with the expressions of a range of seeds."""
    return [f"seed {seed}: {p}" for seed in range(first, last) for p in problems(random_expression(seed), seed)]


@pytest.mark.parametrize("chunk", range(6))
def test_random_expressions(chunk: int) -> None:
    assert not wrong(50 * chunk, 50 * chunk + 50)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(200))
def test_many_random_expressions(chunk: int) -> None:
    assert not wrong(1000 + CHUNK * chunk, 1000 + CHUNK * (chunk + 1))
