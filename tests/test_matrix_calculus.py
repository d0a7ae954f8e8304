"""Problems with known answers: every form against differences of the forward program, read back from its text, and no longer than its source's."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matrix_problems import SIZES, Case, cases

from symgrad.ops.kernels import Array

FOLDER = Path(__file__).parent / "cases"
VISIBLE, OWN = (cases(FOLDER / f"{name}.json") for name in ("matrix_calculus", "matrix_calculus_own"))
LONG = 1.1


def close(a: Array, b: Array) -> bool:
    """Whether two arrays agree up to the error of differences."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-5, atol=1e-5 * (1 + np.max(np.abs(b), initial=0.0))))


def ratio(case: Case) -> float:
    """The length of our text against that of the source's, without blanks."""
    return len(case.answer().matrix.body.replace(" ", "")) / len(case.expected.replace(" ", ""))


@pytest.mark.parametrize("case", VISIBLE + OWN, ids=lambda c: c.id)
def test_right_in_every_form(case: Case) -> None:
    answer, values = case.answer(), case.values(3)
    reference = case.reference(values)
    assert close(case.value(case.expected, values), reference), "the expected form is not the derivative"
    for form in (answer.matrix, answer.index):
        assert close(case.value(str(form), values), reference), str(form)
    if not case.expected.startswith("D["):
        assert not answer.matrix.note, str(answer.matrix)


@pytest.mark.parametrize("problems", [VISIBLE, OWN], ids=["visible", "own"])
def test_no_longer_than_the_source(problems: list[Case]) -> None:
    ratios = [ratio(c) for c in problems]
    assert np.median(ratios) <= 1.0
    assert np.mean(np.array(ratios) < LONG) > 0.9


def test_sizes_are_unequal() -> None:
    """A transposition never fits by accident."""
    assert len(set(SIZES.values())) == len(SIZES)


PROGRAM = """
import os
import subprocess
import sys
from pathlib import Path
from matrix_problems import cases
for name in ("matrix_calculus", "matrix_calculus_own"):
    for case in cases(Path("cases") / f"{name}.json"):
        answer = case.answer()
        print(case.id, answer.matrix, answer.index)
"""


def test_same_text_in_every_process() -> None:
    """Nothing depends on the order of sets or on where objects lie in memory."""
    def printed(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", PROGRAM], cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, check=True).stdout
    assert printed("1") == printed("4321")
