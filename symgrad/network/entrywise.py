"""Two values and an elementwise operator come in; their sum, product, quotient or power goes out: equal shapes, or a scalar on a side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.core.node import Node
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation.screen import Misfit
from symgrad.notation.syntax import Binary, Expression
from symgrad.ops import recognise
from symgrad.ops.arithmetic import add, filled

__all__ = ["Entrywise", "family_of", "flipped", "kind"]


@dataclass(frozen=True, slots=True)
class Entrywise:
    """One binary operation at its place in the text; `kept` are the named nodes, through which no pattern reaches."""

    e: Binary
    axes: Axes
    kept: Collection[Node]

    def fail(self, reason: str, a: Value, b: Value) -> None:
        """Raises Fault naming the operation, its operands and their shapes."""
        left, right = (f"{shown(x)} ({self.axes.shown(v)})" for x, v in ((self.e.left, a), (self.e.right, b)))
        raise Misfit(f"{left} {self.e.operator} {right}: {reason}", self.e.place)

    # ------------------------------------------------------------------ entry by entry
    def matched(self, a: Value, b: Value) -> tuple[Value, Value]:
        """The operands of an elementwise operation with equal core letters, or a scalar on either side."""
        axes = self.axes
        if a.fits or b.fits:
            return self.fitted(a, b)
        if a.rank and b.rank:
            a, b = self._promoted(a, b)
            if axes.shape(a) != axes.shape(b):
                self.fail(self._misfit(a, b), a, b)
            if a.lying != b.lying:
                row, column = (self.e.left, self.e.right) if a.lying else (self.e.right, self.e.left)
                self.fail(
                    f"a row does not go with a column: write {flipped(row)} {self.e.operator} {shown(column)}, or "
                    f"{shown(column)} * {shown(row)} for the outer product",
                    a,
                    b,
                )
            b = b.renamed(dict(zip(b.core, a.core, strict=True)))
        return a, b

    def _promoted(self, a: Value, b: Value) -> tuple[Value, Value]:
        """A row beside a 1 x D matrix is one."""
        for x, y in ((a, b), (b, a)):
            if x.rank == 1 and x.lying and y.rank == 2 and self.axes.shape(y)[0] == 1:
                wide = replace(x, core=(self.axes.fresh(1), *x.core), lying=False)
                return (wide, b) if x is a else (a, wide)
        return a, b

    def _misfit(self, a: Value, b: Value) -> str:
        if a.rank == b.rank == 2 and self.axes.shape(a) == self.axes.shape(b)[::-1]:
            return f"the shapes differ; did you mean {flipped(self.e.right)}?"
        if {a.rank, b.rank} == {1, 2}:
            return "the shapes differ and nothing is repeated to fit: write the repetition, as in ones(N) * b'"
        return "the shapes differ, and only a scalar goes with anything"

    def fitted(self, a: Value, b: Value) -> tuple[Value, Value]:
        """`vector(1)` beside something that says its size is a number."""
        for x, y in ((a, b), (b, a)):
            rank = {"vector": 1, "matrix": 2}.get(x.fits, y.rank)
            if x.fits and not y.fits and y.rank != rank:
                self.fail(f"{x.fits}(1) goes with a {x.fits}", a, b)
            if x.fits and not y.fits and x.lying != y.lying:
                self.fail("a row does not go with a column", a, b)
        if a.fits and b.fits:
            if (a.fits, a.lying) != (b.fits, b.lying):
                self.fail("the shapes differ", a, b)
            return a, b
        return replace(a, fits="", lying=a.lying and not a.fits), replace(b, fits="", lying=b.lying and not b.fits)

    def _result(
        self, node: Node, a: Value, b: Value, lead: tuple[str, ...], core: tuple[str, ...], coefficient: Fraction = Fraction(1)
    ) -> Value:
        wide = a if a.rank else b
        found = self.axes.of(node, (*lead, *core))
        return replace(
            found,
            lead=lead if found.factors else (),
            core=core,
            coefficient=self.axes.bounded(found.coefficient * coefficient),
            lying=wide.lying,
            family=family_of(a, b),
            fits=a.fits and (b.fits or "") if not wide.rank else "",
            split=wide.split,
        )

    def sum(self, a: Value, b: Value) -> Value:
        """a + b or a - b."""
        a, b = self.matched(a, b)
        if self.e.operator == "-":
            b = replace(b, coefficient=-b.coefficient)
        if a.constant is not None and b.constant is not None:
            return number(self.axes.bounded(a.constant + b.constant))
        if not b.coefficient and not b.rank:
            return a
        if not a.coefficient and not a.rank:
            return replace(b, family=family_of(a, b))
        core = a.core or b.core
        lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
        signs, terms = [], []
        for v in (a, b):
            if v.coefficient == -1 and v.factors:
                signs.append(-1)
                v = replace(v, coefficient=Fraction(1))
            else:
                signs.append(1)
            terms.append(self.axes.raw(v))
        if signs[0] == -1:
            signs, terms = [signs[1], signs[0]], [terms[1], terms[0]]
        if signs == [-1, -1]:
            return self._result(add(terms, (*lead, *core)), a, b, lead, core, Fraction(-1))
        return self._result(add(terms, (*lead, *core), signs), a, b, lead, core)

    def entries(self, a: Value, b: Value) -> Value:
        """a .* b of matched operands."""
        wide = a if a.rank else b
        found = self.axes.times(a, b, wide.core)
        return replace(found, lying=wide.lying, family=family_of(a, b), split=wide.split)

    def quotient(self, a: Value, b: Value) -> Value:
        """a / b of matched operands; numbers stay in front."""
        if not b.coefficient and not (b.factors and b.coefficient):
            self.fail("the divisor is zero", a, b)
        coefficient = self.axes.bounded(a.coefficient / b.coefficient)
        if not b.factors and not b.deltas and not b.core:
            return replace(a, coefficient=coefficient, fits=a.fits or b.fits)
        lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
        core = a.core or b.core
        one = Fraction(1)
        node = recognise.divide(
            self.axes.raw(replace(a, coefficient=one)), self.axes.raw(replace(b, coefficient=one)), (*lead, *core), self.kept
        )
        return self._result(node, a, b, lead, core, coefficient)

    def power(self, a: Value, b: Value) -> Value:
        """a .^ b of matched operands."""
        base, exponent = a.constant, b.constant
        if exponent is not None and exponent.denominator == 1 and base is not None:
            return number(self._exact(base, int(exponent), a, b))
        if exponent == 0:
            return self.axes.of(filled("ones", self.axes.shape(a)), like=a) if a.rank else number(1)
        if exponent == 1:
            return a
        lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
        core = a.core or b.core
        left = self.axes.raw(a)
        node = recognise.power(left, self.axes.raw(b), left[1] if exponent is not None else (*lead, *core), self.kept)
        if exponent is not None:
            return replace(self.axes.of(node, left[1]), lead=lead, core=core, lying=a.lying, family=a.family, fits=a.fits, split=a.split)
        return self._result(node, a, b, lead, core)

    def _exact(self, base: Fraction, exponent: int, a: Value, b: Value) -> Fraction:
        if not base and exponent < 0:
            self.fail("zero has no negative power", a, b)
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits > 1 and bits * abs(exponent) > 50_000:
            self.fail("this number has too many digits", a, b)
        if bits <= 1:
            return base ** (abs(exponent) % 2 or 2) if exponent else Fraction(1)
        return self.axes.bounded(base**exponent)


def family_of(a: Value, b: Value) -> tuple[str, ...]:
    """The family of an elementwise result: that of whichever operand is a family's whole array."""
    return a.family or b.family if a.rank and b.rank else a.family if a.rank else b.family


def kind(v: Value) -> str:
    return v.fits or {0: "scalar", 1: "row" if v.lying else "vector", 2: "matrix"}.get(v.rank, "tensor")


def flipped(e: Expression) -> str:
    text = shown(e)
    return text[:-1] if text.endswith("'") else f"{text}'" if text.replace("_", "").isalnum() or text.endswith((")", "]")) else f"({text})'"
