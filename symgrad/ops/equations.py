"""An op's equation from its syntax tree: what a row of the library and a user's `op` line become."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.core.op import Line, Op, make_op
from symgrad.errors import NotationError, nearest
from symgrad.notation import statements, syntax
from symgrad.notation.words import ELEMENTWISE

__all__ = ["op_of"]


def op_of(row: statements.Op, name: str = "", *, positive: bool = False, reuse: bool = True, constants: Mapping[str, Fraction] | None = None) -> Op:
    """The op of an `op name(x, y): out[i] = ...` line. Operands take their ranks from how they are indexed.

    Raises NotationError at the place of what has no meaning in an equation.
    """
    reader = _Reader(row, dict(constants or {}))
    lines = [reader.line(w) for w in row.where]
    body = reader.expression(row.equation.value)
    index = _left_side(row.equation)
    for letter in eq.free(body):
        if letter not in index:
            raise NotationError(f"the index {letter} of op {row.name} is bound by nothing: put it on the left or sum over it",
                                line=row.equation.place.line, column=row.equation.place.column)
    return make_op(name or row.name, [reader.ranks.get(p, 0) for p in row.parameters], index, body, lines, positive=positive, reuse=reuse)


def _left_side(equation: statements.Definition) -> tuple[str, ...]:
    names = tuple(i.name or "" for i in equation.indices)
    if not all(names):
        raise NotationError("the left side of an op takes plain index names", line=equation.place.line, column=equation.place.column)
    return names


@dataclass
class _Reader:
    row: statements.Op
    constants: dict[str, Fraction]
    ranks: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    depth: int = 0

    def line(self, w: statements.Definition) -> Line:
        body = self.expression(w.value)
        self.lines[w.name] = len(self.row.parameters) + len(self.lines)
        self.ranks[w.name] = len(w.indices)
        root = body[0] == "^" and body[2] == ("n", Fraction(1, 2))
        return Line(w.name, _left_side(w), body, positive=root)

    def expression(self, e: syntax.Expression) -> eq.Expr:
        match e:
            case syntax.Number():
                return ("n", e.value)
            case syntax.Name():
                return self.reference(e, e.name, ())
            case syntax.Index(operand=syntax.Name(name=name)):
                return self.reference(e, name, tuple(self.index(i) for i in e.indices))
            case syntax.Negate():
                return ("*", (("n", Fraction(-1)), self.expression(e.operand)))
            case syntax.Binary():
                return self.binary(e)
            case syntax.Over():
                return self.over(e)
            case syntax.Delta():
                return ("d", self.index(e.left), self.index(e.right))
            case syntax.Call() if e.function in ELEMENTWISE and len(e.arguments) == 1 and not e.keywords:
                inner = self.expression(e.arguments[0])
                return ("^", inner, ("n", Fraction(1, 2))) if e.function == "sqrt" else ("f", e.function, (inner,))
        raise self.error(e, "an index equation is made of components, numbers, + - * / ^, sum[i](...), mean, var, delta[i,j] and functions of numbers")

    def error(self, e: syntax.Expression, message: str) -> NotationError:
        return NotationError(message, line=e.place.line, column=e.place.column)

    def reference(self, e: syntax.Expression, name: str, index: tuple[eq.Index, ...]) -> eq.Expr:
        if name in self.constants and not index:
            return ("n", self.constants[name])
        known = [*self.row.parameters, *self.lines]
        if name not in known:
            raise self.error(e, f"{name} is no operand of op {self.row.name}{nearest(name, known)}")
        if self.ranks.setdefault(name, len(index)) != len(index):
            raise self.error(e, f"{name} has {self.ranks[name]} indices elsewhere and {len(index)} here")
        position = self.lines[name] if name in self.lines else self.row.parameters.index(name)
        return ("r", position, index)

    def index(self, i: syntax.Affine) -> eq.Index:
        terms: dict[eq.Index, int] = {}
        for t in i.terms:
            if len(t.names) != 1:
                raise NotationError("an index of an op is a sum of index names times whole numbers", line=i.place.line, column=i.place.column)
            terms[t.names[0]] = t.coefficient
        constant = i.constant if i.name else i.constant + sum(terms.values()) - 1   # text counts from 1, equations from 0
        return eq.affine(constant, terms)

    def binary(self, e: syntax.Binary) -> eq.Expr:
        left, right = self.expression(e.left), self.expression(e.right)
        if e.operator in ("+", "-"):
            return ("+", (left, right if e.operator == "+" else ("*", (("n", Fraction(-1)), right))))
        if e.operator in ("*", ".*"):
            return ("*", (left, right))
        if e.operator in ("/", "./"):
            return ("*", (left, ("^", right, ("n", Fraction(-1)))))
        return ("^", left, right)

    def over(self, e: syntax.Over) -> eq.Expr:
        self.depth += 1
        fresh: dict[eq.Index, eq.Index] = {i: f"{i}_{self.depth}" for i in e.indices}
        body = eq.substitute(self.expression(e.operand), fresh)
        return self.reduced(e, e.reducer, body, tuple(map(str, fresh.values())))

    def reduced(self, e: syntax.Over, reducer: str, body: eq.Expr, bound: tuple[str, ...]) -> eq.Expr:
        if reducer == "sum":
            return ("S", bound, body)
        if reducer == "mean":
            return ("*", (("S", bound, body), *(("^", self.size(e, body, b), ("n", Fraction(-1))) for b in bound)))
        if reducer == "var":
            apart: dict[eq.Index, eq.Index] = {b: f"{b}_" for b in bound}
            mean = self.reduced(e, "mean", eq.substitute(body, apart), tuple(map(str, apart.values())))
            deviation = ("+", (body, ("*", (("n", Fraction(-1)), mean))))
            return self.reduced(e, "mean", ("^", deviation, ("n", Fraction(2))), bound)
        raise self.error(e, f"{reducer}[...] has no index equation; sum, mean and var have")

    def size(self, e: syntax.Over, body: eq.Expr, bound: str) -> eq.Expr:
        for r in eq.references(body):
            if bound in r[2]:
                return ("s", r[1], r[2].index(bound))
        raise self.error(e, f"the size of the index {bound.split('_')[0]} follows from no operand")
