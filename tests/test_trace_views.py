"""Formulas of traced functions: every view is text that reads back (the gate sees to it), or an error that says what has no words."""
from __future__ import annotations

import numpy as np
import own_problems
import pytest
from problems import PUBLISHED, Problem, function_of, inputs_of

import symgrad as sg

OWN = next(v for v in vars(own_problems).values() if isinstance(v, list | tuple) and v and isinstance(v[0], Problem))
WORDLESS = {"group norm", "convolution, relu, pooling", "heads of attention"}
"""Axes that are merged and split again in the middle of a formula: the notation has no word for that."""

CASES = [(p["id"], list(p["forward"]), inputs_of(p), p["wrt"][0]) for p in PUBLISHED]
CASES += [(p.name, list(p.lines), {k: np.asarray(v, dtype=float) for k, v in p.inputs.items()}, p.wrt[0]) for p in OWN]


@pytest.mark.parametrize(("name", "lines", "values", "wrt"), CASES, ids=[c[0] for c in CASES])
def test_every_view_is_text_or_a_clear_error(name: str, lines: list[str], values: dict[str, np.ndarray], wrt: str) -> None:
    net = sg.trace(function_of(lines, list(values), "loss"), **values)
    d = sg.differentiate(net, wrt=[wrt])[wrt]
    assert str(d.chain) and str(d.jacobian)
    if name in WORDLESS:
        with pytest.raises(sg.UnsupportedError, match="no form in the notation"):
            str(d.matrix)
    else:
        assert str(d.matrix) and str(d.index)


def test_the_solution_of_a_wordless_derivative_says_so() -> None:
    _name, lines, values, wrt = next(c for c in CASES if c[0] == "heads of attention")
    solution = sg.solve(sg.trace(function_of(lines, list(values), "loss"), **values), wrt=[wrt])
    assert solution.report.ok and "no form in the notation" in str(solution)
