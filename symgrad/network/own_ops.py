"""A user's op: its equation in the notation comes in, something to call on nodes goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import Op
from symgrad.core.shape import size_expression
from symgrad.errors import InputError, NotationError, ShapeError
from symgrad.notation import statements
from symgrad.notation.parse import parse as parse_notation
from symgrad.ops.equations import op_of

__all__ = ["UserOp", "applied", "define", "op_of_row"]


@dataclass(frozen=True, slots=True)
class UserOp:
    """An op with a name; calling it on nodes gives a node. Axes of an operand before those that its equation indexes are examples."""

    name: str
    op: Op
    parameters: tuple[str, ...]
    text: str

    def __call__(self, *operands: Node) -> Node:
        """The node of the op at operands; leading axes beyond the equation's are shared examples. Raises ShapeError."""
        if len(operands) != self.op.arity:
            raise ShapeError(f"{self.name} takes {self.op.arity} operands ({', '.join(self.parameters)}), found {len(operands)}")
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
    try:
        return UserOp(row.name, op_of_row(row), row.parameters, text)
    except NotationError as error:
        raise NotationError(error.message, source=text, line=error.line, column=error.column) from None


def op_of_row(row: statements.Op, constants: Mapping[str, Fraction] | None = None) -> Op:
    """The op of an `op` line. Raises NotationError for an index whose range no operand gives."""
    op = op_of(row, constants=constants)
    names = dict(zip(op.out, row.equation.indices, strict=True))
    for name, index in names.items():
        if name not in op.axis_of:
            message = f"the range of the index {index.name} follows from no operand: index one with {index.name} alone"
            raise NotationError(message, line=index.place.line, column=index.place.column)
    return op


def applied(op: Op, operands: Sequence[Node], leads: Sequence[tuple[int, ...]]) -> Node:
    """The op at operands whose first axes are at shared indices: `leads[k]` says which, counted in the output. Raises ShapeError."""
    if len(operands) != op.arity:
        raise ShapeError(f"{op.name} takes {op.arity} operands, found {len(operands)}")
    for operand, rank, lead in zip(operands, op.ranks, leads, strict=True):
        if operand.rank != rank + len(lead):
            raise ShapeError(
                f"{op.name} takes operands of ranks {', '.join(map(str, op.ranks))}; {operand!r} has {operand.rank - len(lead)} axes"
            )
    _check_ranges(op, operands, leads)
    return apply(op.lift(list(leads)), *operands)


def _check_ranges(op: Op, operands: Sequence[Node], leads: Sequence[tuple[int, ...]]) -> None:
    """Raises ShapeError where an index of the equation, such as i+1, can be shown to leave its operand."""
    if op.body is None:
        return
    sizes: dict[eq.Index, sp.Expr] = {
        name: size_expression(operands[k].shape[axis + len(leads[k])]) for name, (k, axis) in op.axis_of.items() if k < op.arity
    }
    for _, k, index in eq.references(op.scoped):
        for axis, i in enumerate(index if k < op.arity else ()):
            constant, terms = eq.affine_parts(i)
            if not eq.is_affine(i) or not all(n in sizes for n in terms):
                continue
            low = constant + sum(c * (sizes[n] - 1) for n, c in terms.items() if c < 0)
            high = constant + sum(c * (sizes[n] - 1) for n, c in terms.items() if c > 0)
            size = operands[k].shape[axis + len(leads[k])]
            if size_expression(low).is_negative or (high - size_expression(size)).is_nonnegative:
                raise ShapeError(f"{op.name} reads its operand {k + 1} from {low + 1} to {high + 1}, outside the range 1..{size}")
