"""Two values and an operator come in; the value of the expression goes out, by the shape rules of the notation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from symgrad.network.entrywise import Entrywise, family_of, flipped, kind
from symgrad.network.values import Value
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Expression
from symgrad.ops.arithmetic import filled
from symgrad.ops.linalg import matrix_function

__all__ = ["Operation", "transposed"]

LARGEST_POWER = 1000  # of a matrix


@dataclass(frozen=True, slots=True)
class Operation(Entrywise):
    """One binary operation, with the products and powers of matrices."""

    def value(self, a: Value, b: Value) -> Value:
        """The value of the operation."""
        operator = self.e.operator
        if operator in ("+", "-"):
            return self.sum(a, b)
        if operator == "*":
            return self.product(a, b)
        if operator == "/":
            if b.rank or b.fits:
                self.fail(
                    f"a quotient by a {kind(b)} has no meaning: write {shown(self.e.left)} ./ {shown(self.e.right)} for entry by entry"
                    + (f", or {shown(self.e.left)} * inv({shown(self.e.right)})" if b.rank == 2 else ""),
                    a,
                    b,
                )
            return self.quotient(a, b)
        if operator == "^":
            return self.raised(a, b)
        a, b = self.matched(a, b)
        return self.entries(a, b) if operator == ".*" else self.quotient(a, b) if operator == "./" else self.power(a, b)

    # ------------------------------------------------------------------ matrices
    def product(self, a: Value, b: Value) -> Value:
        """a * b: a scalar times anything, or the matrix product."""
        axes = self.axes
        if a.fits or b.fits:
            return self._fitted_product(a, b)
        if not a.rank or not b.rank:
            wide, other = (a, b) if a.rank else (b, a)
            split = wide.split if not other.rank else None
            return replace(axes.times(a, b, wide.core), lying=wide.lying, family=family_of(a, b), split=split)
        if a.split is not None and b.split is not None:
            chained = self._chained(a, b)
            if chained is not None:
                return chained
        if a.rank == b.rank == 1:
            return self._vectors(a, b)
        if a.rank == 1 and not a.lying:
            self.fail(f"a column cannot stand before a {kind(b)}: did you mean {flipped(self.e.left)}?", a, b)
        if b.rank == 1 and b.lying:
            self.fail(f"a row cannot stand after a {kind(a)}: did you mean {flipped(self.e.right)}?", a, b)
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
                self.fail(f"two rows: did you mean {left} * {flipped(self.e.right)} or {left} .* {right}?", a, b)
            self.fail(
                f"two columns: write {flipped(self.e.left)} * {right} for the dot product, {left} * {flipped(self.e.right)} for the outer "
                f"product, {left} .* {right} for entry by entry",
                a,
                b,
            )
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
            if x.fits == "vector" and y.rank and not y.fits and x.lying == (x is a):
                ones = replace(x, fits="", core=(axes.fresh(axes.size(y.core[end])),))
                return self.product(ones, y) if x is a else self.product(y, ones)
        self.fail("the size of one operand follows from nothing here: write ones(n)", a, b)
        raise AssertionError

    def _chained(self, a: Value, b: Value) -> Value | None:
        """Two Jacobians: all axes of what stands between them are summed over."""
        shared, there = a.core[a.split :], b.core[: b.split]
        held = {x for _, letters in b.factors for x in letters} | {x for pair in b.deltas for x in pair}
        if not shared and len(there) == 1 and there[0] not in held and self.axes.size(there[0]) == 1:
            b, there = replace(b, core=b.core[1:]), ()
        if tuple(map(self.axes.size, shared)) != tuple(map(self.axes.size, there)):
            return None
        core = a.core[: a.split] + b.core[len(there) :]
        b = b.renamed(dict(zip(there, shared, strict=True)))
        return replace(self.axes.times(a, b, core), split=a.split)

    def _remedy(self, a: Value, b: Value) -> str:
        inner, outer = self.axes.shape(a), self.axes.shape(b)
        if a.rank == 2 and inner[0] == outer[0]:
            return f": did you mean {flipped(self.e.left)}?"
        if b.rank == 2 and inner[-1] == outer[1]:
            return f": did you mean {flipped(self.e.right)}?"
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
            self.fail(
                f"only a scalar or a square matrix has a power: write {shown(self.e.left)} .^ {shown(self.e.right)} for entry by entry",
                a,
                b,
            )
        if exponent is None or exponent.denominator != 1:
            self.fail(
                f"the power of a matrix is a whole number: write {shown(self.e.left)} .^ {shown(self.e.right)} for entry by entry", a, b
            )
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
            return axes.forced(
                axes.times(
                    left,
                    right.renamed({right.core[0]: j, right.core[1]: k}) if right.core != left.core else right.renamed({i: j, j: k}),
                    (i, k),
                )
            )

        base, found, rest = axes.of(node, a.lead), None, abs(exponent)
        if rest <= 8:  # as written: X*X*X
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
        raise Fault(
            f"{shown(e)} has {v.rank} axes; a transpose is of a vector or a matrix, so write its components, as in T[k, j, i]",
            place_of.place,
        )
    if v.rank == 1 or v.fits == "vector":
        return replace(v, lying=not v.lying, family=(), split=None)
    return replace(v, core=v.core[::-1], family=(), split=None) if v.rank else v
