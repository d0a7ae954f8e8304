"""The shapes of the lines of a network: what the parser hands out and what the graph builder takes in."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .syntax import Affine, Call, Expression, Index, Name, Place

__all__ = [
    "Claim", "Const", "Declaration", "Definition", "Family", "Function", "Network", "Op", "Output", "Size", "Statement", "Type",
    "expressions",
]


@dataclass(frozen=True, slots=True)
class Family:
    """`examples n = first..last` (then `examples` is true) or `index t = first..last`; `last` is a whole number or the name of a size."""

    name: str
    first: int
    last: int | str
    examples: bool
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Type:
    """scalar, vector, matrix, tensor or label; `sizes` is empty where they are left out (never for a tensor)."""

    kind: str
    sizes: tuple[int | str, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One name of a `data` or `param` line, with its family indices, its facts in order, and how it is printed."""

    role: Literal["data", "param"]
    name: str
    indices: tuple[str, ...]
    type: Type
    facts: tuple[str, ...]
    printed: str | None
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Size:
    """One name of a `size` line; `value` is None where it stays a symbol, else at least 1."""

    name: str
    value: int | None
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Const:
    """One name of a `const` line."""

    name: str
    value: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Function:
    """`function g elementwise` (no `parameters`) or `function l(y, yhat)`; `bound` is the function that it stands for, if that is said."""

    name: str
    parameters: tuple[str, ...] | None
    bound: str | None
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """`name[indices] = value`; an index is a plain name or a whole number, no name twice.

    `sums_free` is true on a `D[...] =` line: an index that nothing binds is summed in its product term.
    """

    name: str
    indices: tuple[Affine, ...]
    value: Expression
    sums_free: bool
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Op:
    """`op name(parameters): equation`, with the intermediates of its `where`, in the order written."""

    name: str
    parameters: tuple[str, ...]
    equation: Definition
    where: tuple[Definition, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """A bare expression: always the last statement of a network."""

    value: Expression
    place: Place = field(compare=False, repr=False)


Statement = Family | Declaration | Size | Const | Function | Op | Definition | Output


@dataclass(frozen=True, slots=True)
class Claim:
    """`target = value` below a `claims` line.

    `target` is a `Name` (the student's own intermediate, or the `D` of a quantity `D[...]`) or a call of `grad` or `jac`, indexed or not.
    """

    target: Name | Index | Call
    value: Expression
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Network:
    """A whole text: its statements in order, then its claims in order."""

    statements: tuple[Statement, ...]
    claims: tuple[Claim, ...]


def expressions(statement: Statement | Claim) -> tuple[Expression, ...]:
    """The outermost expressions of one statement or claim, in the order written."""
    match statement:
        case Const() | Definition() | Output():
            return (statement.value,)
        case Claim():
            return (statement.target, statement.value)
        case Op():
            return (statement.equation.value, *(equation.value for equation in statement.where))
        case _:
            return ()
