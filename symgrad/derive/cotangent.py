"""Cotangents that carry the axes of a Jacobian's output in front: deltas stay symbols, never arrays."""
from __future__ import annotations

import functools
from collections.abc import Iterable

from symgrad.core import equation as eq
from symgrad.core.differentiation import compose
from symgrad.core.node import Node, apply
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Shape
from symgrad.errors import UnsupportedError
from symgrad.ops.arithmetic import add

__all__ = ["gather", "seed", "substituted"]


def seed(shape: Shape) -> Node:
    """The derivative of a node of that shape by itself: a product of deltas, axes of the output first."""
    n = len(shape)
    return apply(_deltas(n), shape=shape + shape)


@functools.cache
def _deltas(n: int) -> Op:
    names = tuple(f"o{k}" for k in range(2 * n))
    return make_op("delta", (), names, ("*", tuple(("d", names[k], names[n + k]) for k in range(n))))


def substituted(op: Op, position: int, operands: tuple[Node, ...], shape: Shape) -> list[Node]:
    """op applied to operands, with the operand at `position`, which holds deltas, replaced by its equation: the terms of the result.

    Each term that still holds deltas is those deltas times one node.
    """
    inner = operands[position]
    if op.body is None:                                    # no equation to put the deltas into
        return [apply(op, *operands, shape=shape)]
    try:
        whole = compose(op, position, inner.op)
    except UnsupportedError:
        return [apply(op, *operands, shape=shape)]
    rest = (*operands[:position], *operands[position + 1:], *inner.operands)
    if not _keeps_ranges(whole, rest, shape):
        return [apply(op, *operands, shape=shape)]
    if whole.body is None or not whole.has_delta:
        return [] if whole.body == eq.ZERO else [apply(whole, *rest, shape=shape)]
    terms = whole.body[1] if whole.body[0] == "+" else (whole.body,)
    plain = [t for t in terms if not eq.has_delta(t)]
    found = [_delta_term(t, whole, rest, shape) for t in terms if eq.has_delta(t)]
    if plain:
        found.append(_instance(whole, whole.out, plain[0] if len(plain) == 1 else ("+", tuple(plain)), rest, shape))
    return found


def _keeps_ranges(op: Op, operands: tuple[Node, ...], shape: Shape) -> bool:
    """Whether every index of an equation has one size: shifts that cancel (of a slice and its pullback) can leave a part of an axis."""
    size = dict(zip(op.out, shape, strict=True))
    if any(size.setdefault(name, operands[k].shape[axis]) != operands[k].shape[axis] for name, k, axis in op.patterns):
        return False
    known = size.keys() | op.twins.keys()
    return op.body is None or all(b in known for e in eq.walk(op.scoped) if e[0] == "S" for b in e[1])


def _delta_term(term: eq.Expr, whole: Op, operands: tuple[Node, ...], shape: Shape) -> Node:
    """deltas * rest as one op over one node that holds the rest."""
    factors = term[1] if term[0] == "*" else (term,)
    deltas = tuple(f for f in factors if f[0] == "d")
    rest = tuple(f for f in factors if f[0] != "d")
    if not rest or term[0] == "S" or (len(rest) == 1 and rest[0][0] == "r"):
        return _instance(whole, whole.out, term, operands, shape)
    body = rest[0] if len(rest) == 1 else ("*", rest)
    letters = tuple(o for o in whole.out if o in eq.free(body))
    sizes = tuple(shape[whole.out.index(o)] for o in letters)
    core = _instance(whole, letters, body, operands, sizes)
    outer = make_op("contraction", (len(letters),), whole.out, ("*", (*deltas, ("r", 0, letters))))
    return apply(outer, core, shape=shape)


def _instance(whole: Op, out: tuple[str, ...], body: eq.Expr, operands: tuple[Node, ...], shape: Shape) -> Node:
    """The node of part of an op's equation, over the operands that occur in it."""
    used = sorted({x[1] for x in eq.walk(body) if x[0] in "rs"})
    place = {k: n for n, k in enumerate(used)}
    moved = eq.transform(body, lambda x: (x[0], place[x[1]], *x[2:]) if x[0] in "rs" else x)
    return apply(make_op(whole.name, [whole.ranks[k] for k in used], out, moved), *[operands[k] for k in used], shape=shape)


def gather(terms: Iterable[Node]) -> list[Node]:
    """The terms of one cotangent with equal delta structures merged: deltas * a + deltas * b is deltas * (a + b); dense ones are added."""
    groups: dict[Op | None, list[Node]] = {}
    for t in terms:
        groups.setdefault(t.op if t.op.has_delta and len(t.operands) <= 1 else None, []).append(t)
    found: list[Node] = []
    for op, members in groups.items():
        if len(members) == 1:
            found.append(members[0])
        elif op is None or not members[0].operands:
            found.append(total(members))
        else:
            found.append(apply(op, total([m.operands[0] for m in members]), shape=members[0].shape))
    return found


def total(terms: list[Node]) -> Node:
    """The sum of nodes of one shape; what stands at numbered places, as the cotangent of W[2] in that of W, is never an array of zeros."""
    letters = tuple(f"o{k}" for k in range(terms[0].rank))
    placed = [_placed(t) for t in terms]
    if len(terms) == 1:
        return terms[0]
    if not any(placed):
        return add([(t, letters) for t in terms], letters)
    read = [t.operands[0] if p else t for t, p in zip(terms, placed, strict=True)]
    parts = tuple(("*", tuple(("r", n, f[2]) if f[0] == "r" else f for f in p)) if p else ("r", n, letters) for n, p in enumerate(placed))
    return apply(make_op("add", [r.rank for r in read], letters, ("+", parts)), *read, shape=terms[0].shape)


def _placed(node: Node) -> tuple[eq.Expr, ...]:
    """The factors of a node's equation where they are its operand and deltas of numbers, delta[2,k]*w[i]; else none."""
    body = node.op.body
    if body is None or body[0] != "*" or len(node.operands) != 1:
        return ()
    numbered = [any(eq.is_affine(i) and not eq.index_names(i) for i in f[1:]) if f[0] == "d" else f[0] == "r" for f in body[1]]
    return tuple(body[1]) if node.op.has_delta and all(numbered) else ()
