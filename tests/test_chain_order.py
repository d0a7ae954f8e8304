"""The order in which a product of Jacobian factors is multiplied, against every order there is."""
from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import sympy as sp

from symgrad.core.shape import Size, size_expression
from symgrad.errors import InputError, ShapeError
from symgrad.plan.chain_order import ChainOrder, Nested, best_order, order_text


def every_order(first: int, last: int) -> Iterator[Nested]:
    if first == last:
        yield first
    for split in range(first, last):
        yield from itertools.product(every_order(first, split), every_order(split + 1, last))


def cost(order: Nested, shapes: Sequence[tuple[Size, Size]], diagonal: Sequence[bool]) -> tuple[sp.Expr, tuple[Size, Size], bool]:
    """(operations, shape, whether the product is diagonal), from the definition."""
    if isinstance(order, int):
        return sp.S.Zero, shapes[order], diagonal[order]
    (a, (rows, inner), d), (b, (_, columns), e) = (cost(o, shapes, diagonal) for o in order)
    r, i, c = map(size_expression, (rows, inner, columns))
    return a + b + (r if d and e else r * c if d or e else 2 * r * i * c), (rows, columns), d and e


def cheapest(shapes: Sequence[tuple[Size, Size]], diagonal: Sequence[bool]) -> int:
    return min(int(cost(o, shapes, diagonal)[0]) for o in every_order(0, len(shapes) - 1))


def test_a_gradient_goes_from_the_left() -> None:
    found = best_order([(1, "K"), ("K", "H"), ("H", "D")])
    K, H, D = map(size_expression, "KHD")
    assert found.order == ((0, 1), 2)
    assert found.flops == found.flops_left_to_right == 2 * K * H + 2 * H * D
    assert found.flops_right_to_left == 2 * K * H * D + 2 * K * D
    assert found.saving == sp.expand(found.flops_right_to_left - found.flops)


def test_a_directional_derivative_goes_from_the_right() -> None:
    found = best_order([("n", "n"), ("n", "n"), ("n", 1)])
    assert found.order == (0, (1, 2))
    assert found.assumed == {}
    assert "for all sizes" in str(found)


def test_diagonal_factors_only_scale() -> None:
    n = size_expression("n")
    found = best_order([("n", "n"), ("n", "n"), ("n", "n")], ["dense", "diagonal", "dense"])
    assert found.flops == 2 * n**3 + n**2
    assert best_order([("n", "n"), ("n", "n")], ["diagonal"] * 2).flops == n
    assert best_order([("n", "n"), ("n", "n")]).flops == 2 * n**3
    # two scalings are merged before they meet a matrix
    both = best_order([("n", "n"), ("n", "n"), ("n", "m")], ["diagonal", "diagonal", "dense"])
    assert both.order == ((0, 1), 2)


def test_typical_sizes_decide_where_no_order_is_always_best() -> None:
    shapes: list[tuple[Size, Size]] = [("a", "b"), ("b", "c"), ("c", "d")]
    wide = best_order(shapes, sizes={"a": 1, "b": 50, "c": 50, "d": 50})
    tall = best_order(shapes, sizes={"a": 50, "b": 50, "c": 50, "d": 1})
    assert (wide.order, tall.order) == (((0, 1), 2), (0, (1, 2)))
    assert wide.assumed == {"a": 1, "b": 50, "c": 50, "d": 50}
    assert "at a = 1, b = 50" in str(wide)
    assert best_order(shapes).assumed == dict.fromkeys("abcd", 64)


@pytest.mark.parametrize("seed", range(30))
def test_no_order_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ends = [int(x) for x in rng.integers(1, 9, size=rng.integers(3, 7))]
    diagonal = [bool(rng.integers(2)) and a == b for a, b in itertools.pairwise(ends)]
    for q in range(1, len(ends)):
        if rng.integers(2) and q < len(ends) - 1:
            ends[q] = ends[q - 1]
            diagonal[q - 1] = bool(rng.integers(2))
            diagonal[q] = False
    shapes = list(itertools.pairwise(ends))
    diagonal = [d and a == b for d, (a, b) in zip(diagonal, shapes, strict=True)]
    found = best_order(shapes, ["diagonal" if d else "dense" for d in diagonal])
    assert int(found.flops) == cheapest(shapes, diagonal) == int(cost(found.order, shapes, diagonal)[0])
    assert found.assumed == {}                             # numbers need no assumption
    wrong = ChainOrder(found.order, found.flops - 1, found.flops_left_to_right, found.flops_right_to_left, {})
    assert int(wrong.flops) != cheapest(shapes, diagonal)


def test_text_and_a_single_factor() -> None:
    assert order_text(((0, 1), 2)) == "(1 2) 3"
    assert order_text(0) == "1"
    one = best_order([("n", "m")])
    assert (one.order, one.flops, one.saving) == (0, 0, 0)
    text = str(best_order([(1, "n"), ("n", "n"), ("n", "n")]))
    assert text.startswith("(1 2) 3: 4*n**2 operations (left to right the same, right to left ")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="factors 1 and 2 do not fit: n x m times k x n"):
        best_order([("n", "m"), ("k", "n")])
    with pytest.raises(ShapeError, match="factor 1 is n x m, so it is not diagonal"):
        best_order([("n", "m")], ["diagonal"])
    with pytest.raises(InputError, match="dense or diagonal"):
        best_order([("n", "n")], ["sparse"])
    with pytest.raises(InputError, match="0 factors"):
        best_order([])


def test_long_chains() -> None:
    found = best_order([(1, "n"), *[("n", "n")] * 25])
    n = size_expression("n")
    assert found.flops == 50 * n**2
    assert found.assumed == {}
