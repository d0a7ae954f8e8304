"""A gradient that is said once for every step of a recurrence comes in; the section that tells it goes out."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.explain.document import Block, Equation, Inline, Line, Math, Note, Paragraph, Section
from symgrad.explain.formulas import words
from symgrad.explain.frame import Teller
from symgrad.views.rolled import Rolled
from symgrad.views.steps import steps_of
from symgrad.views.text import sides, terms_of

__all__ = ["steps_section"]


def steps_section(teller: Teller, name: str, of: str, form: Rolled) -> Section:
    """How the derivative by every step is made from the one behind it."""
    steps = next(s for s in steps_of(teller.graph) if s.index == form.index)
    index, last = steps.index, steps.size or str(steps.count)
    math = teller.typeset.math
    cotangent = next(sides(line)[0] for line in form.lines if _runs(line, index))
    value = cotangent.removeprefix("d_")
    blocks: list[Block] = [
        Paragraph(words(
            math(of), " depends on ", math(name), " through the steps ", math(index), f" = 1, ..., {last}. For the derivative of ", math(of), " by ",
            math(value), ", through everything that is computed from it, write ", math(cotangent),
            ". It is found from the last step to the first, each from the one behind it, once.")),
    ]
    told = {line: number for line, number in teller.steps_told.items() if line in form.lines}
    fresh = [line for line in form.lines if line not in told]
    here = str(teller.count + 1)
    teller.steps_told.update(dict.fromkeys(fresh, here))
    if told:
        names = list(dict.fromkeys(sides(line)[0].partition("[")[0] for line in told))
        blocks = [Paragraph(words(
            math(of), " depends on ", math(name), " through the same steps. ", *teller.conjoined([math(n) for n in names]),
            f" {'is' if len(names) == 1 else 'are'} known from section {', '.join(dict.fromkeys(told.values()))}, computed once and used again."))]
    numbered = {sides(line)[0].partition("[")[0] for line in form.lines if not _runs(line, index)}
    lines: list[Line] = []
    for line in fresh:
        left, right = sides(line)
        where: Sequence[str | Inline] = ("at the last step",) if not _runs(line, index) else \
            ("for every step before it",) if left.partition("[")[0] in numbered else ("at every step",)
        lines.append(teller.typeset.line(left, right, words(*where)))
    blocks += [Equation(tuple(lines))] if lines else []
    if skip := next((line for line in fresh if _passes(line, index)), None):
        left = sides(skip)[0]
        behind = left.replace(index, f"{index}+1")
        blocks.append(Note("why", (Paragraph(words(
            "The term ", math(behind), " is the skip connection: what arrives at a step goes on to the one before it unchanged. The Jacobian of a step is ",
            Math("I + J", "I + J"), ", so the gradient reaches the first step even where every ",
            math("J"), " is small.")),)))
    return teller.section(words("By ", math(name), ": once for every step"), blocks, f"steps-{teller.count + 1}", "recurrence")


def _runs(line: str, index: str) -> bool:
    """Whether a line is the general one."""
    return index in sides(line)[0].partition("[")[2].rstrip("]").split(",")


def _passes(line: str, index: str) -> bool:
    """Whether a line passes on what the step behind it has, unchanged."""
    left, right = sides(line)
    name, _, inside = left.partition("[")
    behind = [f"{i}+1" if i == index else i for i in inside.rstrip("]").split(",")]
    return _runs(line, index) and f"{name}[{','.join(behind)}]" in terms_of(right)
