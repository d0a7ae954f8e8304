"""Unknown functions of arrays: opaque ops whose derivatives are opaque ops again, `l@2` by the second argument, `l@1,2` by both."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import Derived, Op, make_op, structured_op
from symgrad.ops.arithmetic import product

__all__ = ["unknown"]


def _name(name: str, order: Sequence[int]) -> str:
    return f"{name}@{','.join(map(str, order))}" if order else name


@functools.cache
def _scalar_op(name: str, arguments: int) -> Op:
    """A function of numbers."""
    return make_op(name, (0,) * arguments, (), ("f", name, tuple(("r", k, ()) for k in range(arguments))))


@functools.cache
def _array_op(name: str, ranks: tuple[int, ...], order: tuple[int, ...]) -> Op:
    """The derivative by the arguments `order` (sorted, from 1): the axes of each in turn."""
    signature = [_axes(k, rank) for k, rank in enumerate(ranks)]
    out = tuple(x for k in order for x in signature[k - 1])
    return structured_op(_name(name, order), signature, out, lambda k: _rule(name, ranks, order, k), order=len(order))


def _axes(operand: int, rank: int) -> tuple[str, ...]:
    return tuple(f"a{operand}_{n}" for n in range(rank))


def _rule(name: str, ranks: tuple[int, ...], order: tuple[int, ...], operand: int) -> Derived:
    """The cotangent times one more derivative, summed over the axes of the output."""
    at = sum(1 for k in order if k <= operand + 1)
    new = tuple(f"p{n}" for n in range(ranks[operand]))
    groups = [tuple(f"q{g}_{n}" for n in range(ranks[k - 1])) for g, k in enumerate(order)]
    out = tuple(x for g in groups for x in g)
    inner = tuple(x for g in (*groups[:at], new, *groups[at:]) for x in g)
    body: eq.Expr = ("*", (("r", 0, out), ("r", 1, inner)))
    back = make_op(f"{_name(name, order)}'{operand + 1}", (len(out), len(inner)), new, ("S", out, body) if out else body)
    following = _array_op(name, ranks, tuple(sorted((*order, operand + 1))))
    return Derived(back, ("C", (following, tuple(range(len(ranks))))))


def unknown(name: str, order: Sequence[int], operands: Sequence[Node], leads: Sequence[tuple[int, ...]]) -> Node:
    """The function, or its derivative by the arguments `order`, at operands whose first axes are shared indices (`leads` as in `Op.lift`).

    Axes of the result: the indices, then those of the arguments derived by, in the order given.
    """
    ranks = tuple(o.rank - len(lead) for o, lead in zip(operands, leads, strict=True))
    sorted_order = tuple(sorted(order))
    if not any(ranks):
        return apply(_scalar_op(_name(name, sorted_order), len(ranks)).lift(list(leads)), *operands)
    node = apply(_array_op(name, ranks, sorted_order).lift(list(leads)), *operands)
    if tuple(order) == sorted_order:
        return node
    lead = tuple(f"l{n}" for n in range(1 + max((a for p in leads for a in p), default=-1)))
    names = [(k, n) for n, k in enumerate(order)]
    groups = {key: tuple(f"g{key[1]}_{m}" for m in range(ranks[key[0] - 1])) for key in names}
    have = (*lead, *(x for key in sorted(names) for x in groups[key]))
    return product([(node, have)], (*lead, *(x for key in names for x in groups[key])))
