"""The lecture's derivations, as the slides print them: every slip is found, and what is right passes."""
from __future__ import annotations

from pathlib import Path

import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.notation.parse import parse

CLAIMS = Path(__file__).resolve().parents[1] / "examples" / "lecture_claims.sg"
SLIPS = {
    "grad(yhat0, h0) = grad(yhat0, v0) * grad(v0, h0)": {"off path"},
    "jac(z, x)[o, p] = sum[i](jac(z, y)[o, i] * jac(y, x)[i, p])": {"wrong index", "shape"},
    "jac(ln, v) = l'(yn, yhat) * h2": {"layout"},
    "jac(yhat, W2)[o, k, j] = v[k] * g'(z2[k]) * h1[j]": {"wrong index", "shape"},
    "jac(h2, W2)[m, k, j] = delta[m, k] * g'(z2[m]) * h1[j]": {"wrong index", "shape"},
    "jac(z2, W2)[m, k, j] = delta[m, k] * h1[j]": {"wrong index", "shape"},
    "grad(loss, u)[k] = sum[n](e[n] * h[n, k])": {"sign"},
}
"""line of the slides -> the patterns that name its slip; found by hand."""


@pytest.fixture(scope="module")
def marked() -> dict[str, sg.Verdict]:
    return {v.line: v for v in sg.check_steps(sg.parse(CLAIMS.read_text(encoding="utf-8")))}


def test_every_slip_is_found(marked: dict[str, sg.Verdict]) -> None:
    assert {line for line, v in marked.items() if v.verdict == "wrong"} == SLIPS.keys()
    assert {line: marked[line].pattern for line in SLIPS if marked[line].pattern not in SLIPS[line]} == {}


def test_what_is_right_passes(marked: dict[str, sg.Verdict]) -> None:
    assert {line: v.verdict for line, v in marked.items() if line not in SLIPS and v.verdict != "ok"} == {}
    assert len(parse(CLAIMS.read_text(encoding="utf-8"), limits=None).claims) > len(marked) - len(SLIPS) > 15


def test_the_slips_are_those_that_the_file_names(marked: dict[str, sg.Verdict]) -> None:
    """A comment says what each slip is; no other line has one."""
    said = [line.partition("#") for line in CLAIMS.read_text(encoding="utf-8").partition("\nclaims\n")[2].splitlines()]
    assert {" ".join(claim.split()) for claim, _, comment in said if claim and comment.strip().startswith("slip:")} == SLIPS.keys()


def test_the_sign_is_corrected(marked: dict[str, sg.Verdict]) -> None:
    """What marking says is right is marked right."""
    net = sg.parse(CLAIMS.read_text(encoding="utf-8"))
    for line in SLIPS:
        assert marked[line].correct and marked[line].message, line
        assert [v.verdict for v in sg.check_steps(net, marked[line].correct)] == ["ok"], marked[line].correct


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(CLAIMS)]) == 1
    out = capsys.readouterr().out
    assert [line for line in SLIPS if line not in out] == []
