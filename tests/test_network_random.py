"""Random expressions: their graphs are worth what the blackboard says."""

from __future__ import annotations

import random

import pytest
from test_network import SHAPES, sampled

from symgrad.network import parse


def random_text(rnd: random.Random, depth: int, rank: str) -> str:
    """A valid expression: a scalar "s", a column "c" of n, or a square matrix "m"."""

    def sub(r: str) -> str:
        return f"({random_text(rnd, depth - 1, r)})"

    if depth == 0:
        return rnd.choice({"s": ["t", "2", "x[1]", "A[2,1]", "n"], "c": ["x", "y", "ones(n)"], "m": ["A", "A'", "eye(n)", "B*B'"]}[rank])
    choices = {
        "s": [
            lambda: f"{sub('c')}'*{sub('c')}",
            lambda: f"tr{sub('m')}",
            lambda: f"sum{sub('c')}",
            lambda: f"{sub('s')}*{sub('s')}",
            lambda: f"norm2{sub('c')}",
            lambda: f"{sub('s')} - {sub('s')}",
            lambda: f"sum[i](x[i]*{sub('c')}[i])",
            lambda: f"{sub('m')}[1,3]",
            lambda: f"mean{sub('m')}",
            lambda: f"{sub('s')}^2",
        ],
        "c": [
            lambda: f"{sub('m')}*{sub('c')}",
            lambda: f"{sub('c')}.*{sub('c')}",
            lambda: f"tanh{sub('c')}",
            lambda: f"{sub('s')}*{sub('c')}",
            lambda: f"{sub('c')} + {sub('c')}",
            lambda: f"diag{sub('m')}",
            lambda: f"softmax(tanh{sub('c')})",
            lambda: f"{sub('c')} - {sub('s')}",
            lambda: f"({sub('c')}'*{sub('m')})'",
            lambda: f"-{sub('c')}./(2 + tanh{sub('c')})",
        ],
        "m": [
            lambda: f"{sub('m')}*{sub('m')}",
            lambda: f"{sub('c')}*{sub('c')}'",
            lambda: f"{sub('m')}'",
            lambda: f"diag{sub('c')}",
            lambda: f"{sub('m')} - {sub('m')}",
            lambda: f"{sub('s')}*{sub('m')}",
            lambda: f"sigmoid{sub('m')}",
            lambda: f"{sub('m')}.*{sub('m')}",
            lambda: f"sin{sub('m')}^2",
            lambda: f"outer{sub('c')[:-1]}, {sub('c')[1:]}",
        ],
    }
    return rnd.choice(choices[rank])()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_random_expressions(seed: int) -> None:
    rnd = random.Random(seed)
    g = parse("x[1]*y[1]*A[1,1]*B[1,1]*t", vars={n: SHAPES[n] for n in "xyABt"})
    sampled(g, random_text(rnd, 3, rnd.choice("scm")))
