"""Marking put to the test: random true claims in varied forms are never marked wrong, random slips are refused and named."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from claim_corpus import Case, correct_claims, mutated_claims
from claim_mutations import KINDS
from claim_networks import SUBJECTS, Subject
from claim_witness import discrepancy

import symgrad as sg
from symgrad.network.wording import written
from symgrad.notation.parse import parse_claims

OWN = {
    "sign": {"sign"}, "factor": {"factor", "mean for sum"}, "transpose": {"transposed", "layout"}, "dropped term": {"missing term", "missing path"},
    "lost factor": {"missing factor", "upstream lost", "wrong mask"}, "wrong index": {"wrong index"}, "wrong point": {"wrong point", "wrong mask"},
    "elementwise": {"elementwise"}, "wrong operand": {"wrong operand"},
}
"""kind of mutation -> the patterns that name it."""


def verdict(case: Case) -> sg.Verdict:
    """The verdict on a claim, as the last line of its derivation."""
    return sg.check_steps(case.subject.graph, "\n".join((*case.before, case.claim)))[-1]


def hold_correct(cases: Sequence[Case]) -> None:
    """None is marked wrong, at most 2 % are unclear."""
    found = [(verdict(c).verdict, c) for c in cases]
    assert not [str(c) for v, c in found if v not in ("ok", "unclear")]
    assert sum(v == "unclear" for v, _ in found) <= 0.02 * len(cases)


def hold_mutated(cases: Sequence[Case]) -> None:
    """At least 99 % are refused, at most 1 % are unclear, at least 85 % are named by their own pattern."""
    found = [(verdict(c), c) for c in cases]
    verdicts = Counter(v.verdict for v, _ in found)
    assert verdicts["wrong"] >= 0.99 * len(cases) and verdicts["unclear"] <= 0.01 * len(cases), [str(c) for v, c in found if v.verdict != "wrong"]
    other = [f"{v.pattern}: {c}" for v, c in found if v.pattern not in OWN[c.made[0]]]
    assert len(other) <= 0.15 * len(cases), "\n".join(other)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_every_form_of_every_line_is_right(subject: Subject) -> None:
    """The derivations themselves, one form after the other; the witness agrees."""
    before: list[str] = []
    for line in subject.lines:
        claims = [f"{line.target} = {form}" for form in line.forms]
        assert {c: e for c in claims if (e := discrepancy(subject, c)) > 1e-6} == {}
        assert [v.verdict for v in sg.check_steps(subject.graph, "\n".join((*before, *claims)))] == ["ok"] * (len(before) + len(claims))
        before.append(claims[0])


def test_some_correct_claims() -> None:
    hold_correct(correct_claims(30))


def test_some_mutations() -> None:
    cases = mutated_claims(3 * len(KINDS))
    assert {c.made[0] for c in cases} == set(KINDS)
    hold_mutated(cases)


def test_the_correct_line_is_right() -> None:
    """What marking puts in the place of a wrong line is marked right."""
    for case in mutated_claims(3 * len(KINDS)):
        right = verdict(case).correct
        assert right and verdict(replace(case, claim=right)).verdict == "ok", f"{case}\n{right}"


def test_the_text_of_a_claim_reads_back() -> None:
    for case in correct_claims(30):
        (claim,) = parse_claims(case.claim)
        assert parse_claims(f"{written(claim.target)} = {written(claim.value)}") == (claim,)


def test_the_witness_sees_slips() -> None:
    """A claim that is off by a sign, a transpose or an example's weight is not true."""
    (net,) = (s for s in SUBJECTS if s.name == "linear regression")
    assert discrepancy(net, "grad(loss, w) = x'*e") < 1e-9
    assert min(discrepancy(net, f"grad(loss, w) = {wrong}") for wrong in ("-x'*e", "(x'*e)'", "1/N*x'*e", "x'*y", "e'*x")) > 0.1


@pytest.mark.slow
def test_correct_claims() -> None:
    hold_correct(correct_claims(200))


@pytest.mark.slow
def test_mutations() -> None:
    hold_mutated(mutated_claims(500))
