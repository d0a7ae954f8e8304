"""Two values and an operator come in; the value of the expression goes out, by the shape rules of the notation."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.core.node import Node
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Binary, Expression
from symgrad.ops import recognise
from symgrad.ops.arithmetic import add, filled
from symgrad.ops.linalg import matrix_function

__all__ = ["Operation", "transposed"]

LARGEST_POWER = 1000                                       # of a matrix


@dataclass(frozen=True, slots=True)
class Operation:
    """One binary operation at its place in the text; `kept` are the named nodes, through which no pattern reaches."""

    e: Binary
    axes: Axes
    kept: Collection[Node]

    def value(self, a: Value, b: Value) -> Value:
        """The value of the operation."""
        operator = self.e.operator
        if operator in ("+", "-"):
            return self.sum(a, b)
        if operator == "*":
            return self.product(a, b)
        if operator == "/":
            if b.rank or b.fits:
                self.fail(f"a quotient by a {_kind(b)} has no meaning: write {shown(self.e.left)} ./ {shown(self.e.right)} for entry by entry"
                          + (f", or {shown(self.e.left)} * inv({shown(self.e.right)})" if b.rank == 2 else ""), a, b)
            return self.quotient(a, b)
        if operator == "^":
            return self.raised(a, b)
        a, b = self.matched(a, b)
        return self.entries(a, b) if operator == ".*" else self.quotient(a, b) if operator == "./" else self.power(a, b)

    def fail(self, reason: str, a: Value, b: Value) -> None:
        """Raises Fault naming the operation, its operands and their shapes."""
        left, right = (f"{shown(x)} ({self.axes.shown(v)})" for x, v in ((self.e.left, a), (self.e.right, b)))
        raise Fault(f"{left} {self.e.operator} {right}: {reason}", self.e.place)

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
                self.fail(f"a row does not go with a column: write {_flipped(row)} {self.e.operator} {shown(column)}, or "
                          f"{shown(column)} * {shown(row)} for the outer product", a, b)
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
            return f"the shapes differ; did you mean {_flipped(self.e.right)}?"
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

    def _result(self, node: Node, a: Value, b: Value, lead: tuple[str, ...], core: tuple[str, ...], coefficient: Fraction = Fraction(1)) -> Value:
        wide = a if a.rank else b
        found = self.axes.of(node, (*lead, *core))
        return replace(found, lead=lead if found.factors else (), core=core, coefficient=self.axes.bounded(found.coefficient * coefficient),
                       lying=wide.lying, family=_family(a, b), fits=a.fits and (b.fits or "") if not wide.rank else "", split=wide.split)

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
            return replace(b, family=_family(a, b))
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
        return replace(found, lying=wide.lying, family=_family(a, b), split=wide.split)

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
        node = recognise.divide(self.axes.raw(replace(a, coefficient=one)), self.axes.raw(replace(b, coefficient=one)), (*lead, *core), self.kept)
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

    # ------------------------------------------------------------------ matrices
    def product(self, a: Value, b: Value) -> Value:
        """a * b: a scalar times anything, or the matrix product."""
        axes = self.axes
        if a.fits or b.fits:
            return self._fitted_product(a, b)
        if not a.rank or not b.rank:
            wide, other = (a, b) if a.rank else (b, a)
            split = wide.split if not other.rank else None
            return replace(axes.times(a, b, wide.core), lying=wide.lying, family=_family(a, b), split=split)
        if a.split is not None and b.split is not None:
            chained = self._chained(a, b)
            if chained is not None:
                return chained
        if a.rank == b.rank == 1:
            return self._vectors(a, b)
        if a.rank == 1 and not a.lying:
            self.fail(f"a column cannot stand before a {_kind(b)}: did you mean {_flipped(self.e.left)}?", a, b)
        if b.rank == 1 and b.lying:
            self.fail(f"a row cannot stand after a {_kind(a)}: did you mean {_flipped(self.e.right)}?", a, b)
        inner, outer = axes.size(a.core[-1]), axes.size(b.core[0])
        if inner != outer:
            self.fail(f"the first has {inner} columns and the second {outer} rows{self._remedy(a, b)}", a, b)
        b = b.renamed({b.core[0]: a.core[-1]})
        core = a.core[:-1] + b.core[1:]
        family = a.family if len(a.family) < a.rank else ()
        return replace(axes.times(a, b, core), lying=a.rank == 1 and len(core) == 1, family=family)

    def _vectors(self, a: Value, b: Value) -> Value:
        if a.lying == b.lying:
            left, right = shown(self.e.left), shown(self.e.right)
            if a.lying:
                self.fail(f"two rows: did you mean {left} * {_flipped(self.e.right)} or {left} .* {right}?", a, b)
            self.fail(f"two columns: write {_flipped(self.e.left)} * {right} for the dot product, {left} * {_flipped(self.e.right)} for the outer "
                      f"product, {left} .* {right} for entry by entry", a, b)
        if b.lying:
            return replace(self.axes.times(a, b, (*a.core, *b.core)), family=a.family)
        if self.axes.shape(a) != self.axes.shape(b):
            self.fail("a dot product needs vectors of one size", a, b)
        return self.axes.times(a, b.renamed({b.core[0]: a.core[0]}), ())

    def _fitted_product(self, a: Value, b: Value) -> Value:
        """`vector(1)` in a matrix product: ones of the size that fits."""
        axes = self.axes
        if not (a.rank or a.fits) or not (b.rank or b.fits):
            return replace(axes.times(a, b, ()), fits=a.fits or b.fits, lying=a.lying or b.lying)
        for x, y, end in ((a, b, 0), (b, a, -1)):
            if x.fits == "vector" and y.rank and not y.fits:
                if x.lying == (x is a):
                    ones = replace(x, fits="", core=(axes.fresh(axes.size(y.core[end])),))
                    return self.product(ones, y) if x is a else self.product(y, ones)
        self.fail("the size of one operand follows from nothing here: write ones(n)", a, b)
        raise AssertionError

    def _chained(self, a: Value, b: Value) -> Value | None:
        """Two Jacobians: all axes of what stands between them are summed over."""
        shared, there = a.core[a.split:], b.core[:b.split]
        held = {x for _, letters in b.factors for x in letters} | {x for pair in b.deltas for x in pair}
        if not shared and len(there) == 1 and there[0] not in held and self.axes.size(there[0]) == 1:
            b, there = replace(b, core=b.core[1:]), ()
        if tuple(map(self.axes.size, shared)) != tuple(map(self.axes.size, there)):
            return None
        core = a.core[:a.split] + b.core[len(there):]
        b = b.renamed(dict(zip(there, shared, strict=True)))
        return replace(self.axes.times(a, b, core), split=a.split)

    def _remedy(self, a: Value, b: Value) -> str:
        inner, outer = self.axes.shape(a), self.axes.shape(b)
        if a.rank == 2 and inner[0] == outer[0]:
            return f": did you mean {_flipped(self.e.left)}?"
        if b.rank == 2 and inner[-1] == outer[1]:
            return f": did you mean {_flipped(self.e.right)}?"
        if a.rank == b.rank == 2 and inner[0] == outer[1]:
            return f": did you mean {shown(self.e.right)} * {shown(self.e.left)}?"
        if inner == outer:
            return f": did you mean {shown(self.e.left)} .* {shown(self.e.right)}?"
        return ""

    def raised(self, a: Value, b: Value) -> Value:
        """a ^ b: a power of a scalar, or a whole power of a square matrix."""
        if b.rank or b.fits:
            self.fail(f"an exponent is a scalar: write {shown(self.e.left)} .^ {shown(self.e.right)} for entry by entry", a, b)
        if not a.rank and not a.fits:
            return self.power(a, b)
        exponent = b.constant
        if a.rank != 2 or self.axes.size(a.core[0]) != self.axes.size(a.core[1]):
            self.fail(f"only a scalar or a square matrix has a power: write {shown(self.e.left)} .^ {shown(self.e.right)} for entry by entry", a, b)
        if exponent is None or exponent.denominator != 1:
            self.fail(f"the power of a matrix is a whole number: write {shown(self.e.left)} .^ {shown(self.e.right)} for entry by entry", a, b)
        assert exponent is not None
        if abs(exponent) > LARGEST_POWER:
            self.fail(f"at most the power {LARGEST_POWER} of a matrix is taken", a, b)
        return self._matrix_power(a, int(exponent))

    def _matrix_power(self, a: Value, exponent: int) -> Value:
        axes = self.axes
        if exponent == 0:
            return axes.of(filled("eye", axes.shape(a)), like=replace(a, lead=()))
        node = axes.node(a)
        if exponent < 0:
            node = matrix_function("inv", node, len(a.lead))
        def square(left: Value | None, right: Value) -> Value:
            if left is None:
                return right
            i, j, k = *left.core, axes.fresh(axes.size(left.core[1]))
            return axes.forced(axes.times(left, right.renamed({right.core[0]: j, right.core[1]: k}) if right.core != left.core else
                                          right.renamed({i: j, j: k}), (i, k)))
        base, found, rest = axes.of(node, a.lead), None, abs(exponent)
        if rest <= 8:                                      # as written: X*X*X
            for _ in range(rest):
                found = square(found, base)
            rest = 0
        while rest:
            found = square(found, base) if rest & 1 else found
            rest >>= 1
            base = square(base, base) if rest else base
        assert found is not None
        return found


def transposed(v: Value, e: Expression, place_of: Expression) -> Value:
    """The transpose: a column becomes a row. Raises Fault for more than two axes."""
    if v.rank > 2:
        raise Fault(f"{shown(e)} has {v.rank} axes; a transpose is of a vector or a matrix, so write its components, as in T[k, j, i]", place_of.place)
    if v.rank == 1 or v.fits == "vector":
        return replace(v, lying=not v.lying, family=(), split=None)
    return replace(v, core=v.core[::-1], family=(), split=None) if v.rank else v


def _family(a: Value, b: Value) -> tuple[str, ...]:
    """The family of an elementwise result: that of whichever operand is a family's whole array."""
    return a.family or b.family if a.rank and b.rank else a.family if a.rank else b.family


def _kind(v: Value) -> str:
    return v.fits or {0: "scalar", 1: "row" if v.lying else "vector", 2: "matrix"}.get(v.rank, "tensor")


def _flipped(e: Expression) -> str:
    text = shown(e)
    return text[:-1] if text.endswith("'") else f"{text}'" if text.replace("_", "").isalnum() or text.endswith((")", "]")) else f"({text})'"
