"""The shapes of a parsed expression: what the parser hands out and what the graph builder takes in.

Every node knows its `place`, which equality and `repr` leave out. A tree may be thousands of levels deep: use `walk`, never recursion.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

__all__ = [
    "Affine", "AffineTerm", "Binary", "Call", "Delta", "Derivative", "Expression", "Index", "Keyword", "Name", "Negate", "Number",
    "Operator", "Over", "Partial", "Place", "Transpose", "operands", "rebuilt", "walk",
]

Operator = Literal["+", "-", "*", "/", ".*", "./", "^", ".^"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caret goes: line and column count from 1; `end_column` is the column after the word or operator that stands there."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class AffineTerm:
    """`coefficient` times the product of `names` (sorted, at least one, indices and sizes alike): `2*s*i` is 2, ("i", "s")."""

    coefficient: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Affine:
    """What stands at one position inside `[...]`: `constant` plus the terms, like ones collected, in order of appearance."""

    constant: int
    terms: tuple[AffineTerm, ...]
    place: Place = field(compare=False, repr=False)

    @property
    def name(self) -> str | None:
        """The name, if this is a plain name and nothing else."""
        plain = self.constant == 0 and len(self.terms) == 1 and self.terms[0].coefficient == 1 and len(self.terms[0].names) == 1
        return self.terms[0].names[0] if plain else None

    @property
    def literal(self) -> int | None:
        """The whole number, if this is one."""
        return None if self.terms else self.constant


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, exact."""

    value: Fraction
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A value or a size (never an index)."""

    name: str
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Transpose:
    """`operand'`; the place is that of the prime."""

    operand: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Negate:
    """`-operand`; the place is that of the minus."""

    operand: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; the place is that of the operator."""

    operator: Operator
    left: Expression
    right: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Keyword:
    """`name=value` among the arguments of a call; a text in quotation marks is a `str`."""

    name: str
    value: Expression | str
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments, keywords)`: a function word (`relu`, `grad`, `ones`) or a declared function or op."""

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Derivative:
    """`function'(arguments)`, `function''(arguments)`: derived `order` times (at least once) by the last argument."""

    function: str
    order: int
    arguments: tuple[Expression, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """`partial(function, 1, 2)(arguments)`: derived by the argument at each of `positions` (counted from 1) in turn."""

    function: str
    positions: tuple[int, ...]
    arguments: tuple[Expression, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[indices]`; the place is that of the operand."""

    operand: Expression
    indices: tuple[Affine, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Over:
    """`reducer[indices](operand)`: sum, prod, mean, var, min or max over distinct indices, which it binds."""

    reducer: str
    indices: tuple[str, ...]
    operand: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """`delta[left, right]`: 1 where the two indices are equal, else 0."""

    left: Affine
    right: Affine
    place: Place = field(compare=False, repr=False)


Expression = Number | Name | Transpose | Negate | Binary | Call | Derivative | Partial | Index | Over | Delta


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside `expression`, from left to right."""
    match expression:
        case Binary():
            return (expression.left, expression.right)
        case Transpose() | Negate() | Index() | Over():
            return (expression.operand,)
        case Call():
            return (*expression.arguments, *(k.value for k in expression.keywords if not isinstance(k.value, str)))
        case Derivative() | Partial():
            return expression.arguments
        case _:
            return ()


def rebuilt(expression: Expression, parts: Sequence[Expression]) -> Expression:
    """The expression with other operands, in the order of `operands`."""
    match expression:
        case Binary():
            return replace(expression, left=parts[0], right=parts[1])
        case Transpose() | Negate() | Index() | Over():
            return replace(expression, operand=parts[0])
        case Call():
            rest = iter(parts[len(expression.arguments):])
            keywords = tuple(k if isinstance(k.value, str) else replace(k, value=next(rest)) for k in expression.keywords)
            return replace(expression, arguments=tuple(parts[: len(expression.arguments)]), keywords=keywords)
        case Derivative() | Partial():
            return replace(expression, arguments=tuple(parts))
        case _:
            return expression


def walk(expression: Expression) -> Iterator[Expression]:
    """Every expression inside `expression`, operands first and from left to right, `expression` itself last."""
    waiting: list[Expression] = [expression]
    order: list[Expression] = []
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(operands(node))
    return reversed(order)
