"""Sums made shorter: factors that several summands share go in front, where the text gets shorter by it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from symgrad.views import terms as mx
from symgrad.views.terms import Term
from symgrad.views.text import text

__all__ = ["operations", "shortened"]

Rebuild = Callable[[Term], Term]


def operations(m: Term) -> tuple[int, int]:
    """(operations, characters) of the text: what "shorter" means."""
    s = text(m)
    return sum(c in "*/^+-" for c in s.replace(".*", "*").replace("./", "/").replace(".^", "^")), len(s)


def shortened(m: Term) -> Term:
    """The sum with common factors in front, again and again while that shortens it."""
    while m.kind == "add" and len(m.args) <= 24:
        best = min(_factored(m), key=operations, default=None)
        if best is None or operations(best) >= operations(m):
            return m
        m = best
    return m


def _factored(m: Term) -> Iterator[Term]:
    """Every way of taking one factor out of all summands that have it."""
    groups: dict[tuple[str, Term], list[tuple[int, Term]]] = {}
    rebuild: dict[tuple[str, Term], Rebuild] = {}
    for n, part in enumerate(m.args):
        for side, factor, rest, put in _strips(part):
            groups.setdefault((side, factor), []).append((n, rest))
            rebuild[side, factor] = put
    for where, members in groups.items():
        if len(members) < 2:
            continue
        taken = {n for n, _ in members}
        inner = mx.add([rest for _, rest in members], members[0][1].shape)
        yield mx.add([p for n, p in enumerate(m.args) if n not in taken] + [rebuild[where](inner)], m.shape)


def _strips(part: Term) -> Iterator[tuple[str, Term, Term, Rebuild]]:
    """(side, factor, rest, how to put the factor back) for every factor that can be taken out of a summand."""
    coefficient, scalars, body = part.args if part.kind == "term" else (Fraction(1), (), part)
    if body.kind == "mul":
        first, last = body.args[0], body.args[-1]
        yield "right", last, mx.term(coefficient, scalars, mx.mul(*body.args[:-1])), lambda inner: mx.mul(inner, last)
        yield "left", first, mx.term(coefficient, scalars, mx.mul(*body.args[1:])), lambda inner: mx.mul(first, inner)
    elif body.shape[0] is not mx.NONE and body.shape[1] is mx.NONE and body.kind in ("leaf", "call", "t", "emul"):
        yield "right", body, mx.term(coefficient, scalars, mx.eye(body.shape[0])), lambda inner: mx.mul(inner, body)
    if body.kind == "emul" or (body.kind in ("leaf", "call", "epow") and body.shape != mx.SCALAR):
        parts = body.args if body.kind == "emul" else (body.args,) if body.kind == "epow" else ((body, 1),)
        for b, e in parts:
            if isinstance(e, Term):
                continue
            step = 1 if e > 0 else -1
            rest = mx.elementwise([(x, y) for x, y in parts if x is not b] + [(b, e - step), (mx.ones(body.shape), 1)])
            factor = mx.elementwise([(b, step)])
            yield "entries", factor, mx.term(coefficient, scalars, rest), lambda inner, f=factor: mx.elementwise([(inner, 1), (f, 1)])  # type: ignore[misc]
    for s, e in scalars:
        step = 1 if isinstance(e, Term) or e > 0 else -1
        rest = mx.term(coefficient, [(x, y - step if x is s else y) for x, y in scalars if x is not s or y != step], body)
        yield f"scalar{step}", s, rest, lambda inner, s=s, step=step: mx.term(1, [(s, step)], inner)  # type: ignore[misc]
    if abs(coefficient) != 1:
        sign = 1 if coefficient > 0 else -1
        size = abs(coefficient)
        yield "number", mx.number(size), mx.term(sign, scalars, body), lambda inner: mx.term(size, [], inner)
