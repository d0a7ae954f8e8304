"""Claims about a dozen networks: correct ones in varied forms, and mutations of them, each held against numeric derivatives."""
from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from claim_mutations import KINDS, mutations
from claim_networks import SUBJECTS, Subject
from claim_rewriting import rewritten, tidied
from claim_witness import discrepancy

from symgrad.network.wording import written
from symgrad.notation.parse import parse_claims
from symgrad.notation.syntax import Index

__all__ = ["Case", "correct_claims", "mutated_claims"]

TRUE, FALSE, LONGEST = 1e-6, 1e-3, 400


@dataclass(frozen=True, slots=True)
class Case:
    """A claim, the lines of the derivation before it, and how it came about: the rules of algebra, or the kind of mutation."""

    subject: Subject
    before: tuple[str, ...]
    claim: str
    made: tuple[str, ...]
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.subject.name}: {self.claim}    [{', '.join(self.made)}]"


@cache
def correct_claims(count: int, seed: int = 0) -> tuple[Case, ...]:
    """Distinct true claims, each written in one of the forms and rewritten up to five times."""
    found: dict[str, Case] = {}
    k = 0
    while len(found) < count:
        k += 1
        case = _correct(random.Random(f"{seed} {k}"))
        if case is not None:
            found.setdefault(str(case.subject.name) + case.claim, case)
    return tuple(found.values())


def _correct(rng: random.Random) -> Case | None:
    subject = rng.choice(SUBJECTS)
    at = rng.randrange(len(subject.lines))
    line = subject.lines[at]
    claim, rules = f"{line.target} = {rng.choice(line.forms)}", list[str]()
    for _ in range(rng.randrange(1, 6)):
        (parsed,) = parse_claims(claim)
        bound = tuple(i.name or "" for i in parsed.target.indices) if isinstance(parsed.target, Index) else ()
        step = rewritten(subject, parsed.value, rng, bound)
        if step is None:
            break
        wider = f"{line.target} = {written(step[1])}"
        if len(wider) > LONGEST or discrepancy(subject, wider) > TRUE:
            continue
        claim = wider
        rules.append(step[0])
    before = tuple(f"{x.target} = {x.forms[0]}" for x in subject.lines[:at])
    return Case(subject, before, claim, tuple(rules))


@cache
def mutated_claims(count: int, seed: int = 0) -> tuple[Case, ...]:
    """Distinct false claims: one mutation of a true one each, the kinds in turn."""
    found: dict[str, Case] = {}
    k = 0
    while len(found) < count:
        k += 1
        rng = random.Random(f"mutation {seed} {k}")
        case = _correct(rng)
        if case is None:
            continue
        (parsed,) = parse_claims(case.claim)
        bound = tuple(i.name or "" for i in parsed.target.indices) if isinstance(parsed.target, Index) else ()
        known = tuple(t for b in case.before if (t := b.partition("grad(loss, ")[2].partition(")")[0]))
        made = mutations(case.subject, parsed.value, bound, known)
        kind = KINDS[len(found) % len(KINDS)]
        if kind not in made:
            continue
        claim = f"{case.claim.partition(' = ')[0]} = {written(tidied(rng.choice(made[kind])))}"
        if discrepancy(case.subject, claim) > FALSE:
            found.setdefault(case.subject.name + claim, Case(case.subject, case.before, claim, (kind,), case.claim))
    return tuple(found.values())
