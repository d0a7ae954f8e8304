"""What marking says of one line."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symgrad.ops.kernels import Array

__all__ = ["PATTERNS", "Counterexample", "Verdict"]

PATTERNS: Mapping[str, str] = {
    "layout": "the transpose of what was asked for: right in the other layout",
    "shape": "the shape is not that of the variable, or the factors do not fit",
    "sign": "the answer, or one of its terms, has the wrong sign",
    "factor": "a constant factor (2, 1/2, N, 1/N, sqrt(d), T) is missing or too much, in the whole or in one term",
    "mean for sum": "a mean is taken where a sum belongs, or a sum where a mean belongs",
    "missing sum": "the sum over examples or positions is left out",
    "transposed": "a matrix inside the line is transposed, or the factors stand in the wrong order",
    "missing path": "one path from the variable to the output is left out",
    "missing term": "one summand is left out",
    "extra term": "one summand does not belong there",
    "missing factor": "the local derivative of one step is left out",
    "extra factor": "one factor does not belong there",
    "wrong mask": "the mask (of a relu, of dropout) is left out, or taken of the wrong value",
    "wrong point": "a derivative is taken at the wrong point: at the output instead of the input, say",
    "wrong rule": "the derivative of a function is another function's, or a rule for numbers is used for matrices",
    "upstream lost": "the local derivative alone: what arrives from above is left out",
    "wrong operand": "one value stands where another belongs",
    "elementwise": "an elementwise product stands where a matrix product belongs, or the other way round",
    "off path": "a factor or summand of a variable that is not on the path",
    "wrong index": "an index or the range of a sum is wrong",
    "other": "no single mistake of these kinds gives this answer",
}
"""What `Verdict.pattern` may be, beside the empty text of a line that is not wrong."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Values at which a claim and the truth differ: `claimed` is None where the claim has no value there."""

    values: Mapping[str, Array]
    sizes: Mapping[str, int]
    claimed: Array | None
    truth: Array


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verdict` is "ok", "wrong", "follows" or "unclear"; a wrong line has a reason, the correct line and a pattern (one of `PATTERNS`)."""

    verdict: str
    message: str = ""
    correct: str = ""
    pattern: str = ""
    counterexample: Counterexample | None = field(default=None, repr=False)
    line: str = ""

    @property
    def record(self) -> dict[str, str]:
        """The verdict for JSON, without the arrays."""
        return {"line": self.line, "verdict": self.verdict, "message": self.message, "correct": self.correct, "pattern": self.pattern}

    def __str__(self) -> str:
        rows = [f"{self.verdict}: {self.line}" if self.line else self.verdict]
        rows += [f"    {self.message}"] if self.message else []
        rows += ["    correct: " + self.correct.replace("\n", "\n             ")] if self.correct else []
        return "\n".join(rows)
