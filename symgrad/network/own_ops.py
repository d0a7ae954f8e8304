"""A user's op: its equation in the notation comes in, something to call on nodes goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.core.node import Node, apply
from symgrad.core.op import Op
from symgrad.errors import InputError, ShapeError
from symgrad.notation import statements
from symgrad.notation.parse import parse as parse_notation
from symgrad.ops.equations import op_of

__all__ = ["UserOp", "applied", "define"]


@dataclass(frozen=True, slots=True)
class UserOp:
    """An op with a name; calling it on nodes gives a node. Axes of an operand before those that its equation indexes are examples."""

    name: str
    op: Op
    parameters: tuple[str, ...]
    text: str

    def __call__(self, *operands: Node) -> Node:
        """The node of the op at operands; leading axes beyond the equation's are shared examples. Raises ShapeError."""
        leads = [range(o.rank - r) for o, r in zip(operands, self.op.ranks, strict=False)]
        return applied(self.op, operands, [tuple(x) for x in leads])


def define(signature: str, equation: str, *, where: str | Sequence[str] = ()) -> UserOp:
    """A user's op from its signature, its index equation and the intermediates of that.

    >>> define("bilinear(x, W, y)", "out[i] = sum[j,k](x[j]*W[i,j,k]*y[k])").op.ranks
    (1, 3, 1)

    Raises NotationError for text that is no index equation.
    """
    lines = [where] if isinstance(where, str) else list(where)
    text = f"op {signature}: {equation}" + (f"\nwhere {'; '.join(lines)}" if lines else "")
    (row,) = parse_notation(text).statements
    if not isinstance(row, statements.Op):
        raise InputError("an op is defined by a signature such as bilinear(x, W, y) and an equation")
    return UserOp(row.name, op_of(row), row.parameters, text)


def applied(op: Op, operands: Sequence[Node], leads: Sequence[tuple[int, ...]]) -> Node:
    """The op at operands whose first axes are at shared indices: `leads[k]` says which, counted in the output. Raises ShapeError."""
    if len(operands) != op.arity:
        raise ShapeError(f"{op.name} takes {op.arity} operands, found {len(operands)}")
    for operand, rank, lead in zip(operands, op.ranks, leads, strict=True):
        if operand.rank != rank + len(lead):
            raise ShapeError(
                f"{op.name} takes operands of ranks {', '.join(map(str, op.ranks))}; {operand!r} has {operand.rank - len(lead)} axes"
            )
    return apply(op.lift(list(leads)), *operands)
