"""Sums made shorter: factors that several summands share go in front, what cancels when multiplied out goes, where the text gets shorter by it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from symgrad.views import terms as mx
from symgrad.views.multiplying import multiplied, one_sigmoid
from symgrad.views.terms import Term
from symgrad.views.text import text

__all__ = ["operations", "shortened", "transposed"]

Rebuild = Callable[[Term], Term]

LONGEST = 24
"""Sums of more parts stay as they are."""

_memo: dict[Term, Term] = {}


def operations(m: Term) -> tuple[int, int]:
    """(operations, characters) of the text: what "shorter" means."""
    s = text(m)
    return sum(map(s.count, "*/^+-")), len(s)


def shortened(m: Term) -> Term:
    """The sum with common factors in front, again and again while that shortens it."""
    if m.kind != "add" or len(m.args) > LONGEST:
        return m
    if m not in _memo:
        if len(_memo) > 20_000:
            _memo.clear()
        _memo[m] = m                                       # what it is while its other forms are looked at
        _memo[m] = _shortened(m)
    return _memo[m]


def transposed(m: Term) -> Term:
    """m', with the transpose taken into the sums that are its factors where that is shorter."""
    plain = mx.transpose(m)
    coefficient, scalars, body = m.args if m.kind == "term" else (Fraction(1), (), m)
    factors = body.args if body.kind == "mul" else (body,)
    if not any(f.kind == "add" for f in factors):
        return plain
    inside = [shortened(mx.add([transposed(p) for p in f.args], f.shape[::-1])) if f.kind == "add" else mx.transpose(f) for f in reversed(factors)]
    return min(plain, mx.term(coefficient, scalars, mx.mul(*inside)), key=operations)


def _shortened(m: Term) -> Term:
    while m.kind == "add" and (other := _factored(m)) is not None:
        m = other
    for change in (_one_diagonal, _multiplied, _turned):
        if m.kind == "add" and (other := change(m)) is not None and operations(other) < operations(m):
            m = shortened(other)
    return m


def _multiplied(m: Term) -> Term | None:
    """The sum multiplied out where sigmoids of opposite arguments meet in it."""
    other = one_sigmoid(m)
    return multiplied(other) if other is not m else None


def _turned(m: Term) -> Term | None:
    """The transpose of the sum of the transposes."""
    if mx.NONE in m.shape or sum("'" in text(p) for p in m.args) * 2 <= len(m.args):
        return None
    inner = mx.add([mx.transpose(p) for p in m.args], m.shape[::-1])
    return Term("t", (shortened(inner),), m.shape) if inner.kind == "add" else None


def _one_diagonal(m: Term) -> Term | None:
    """Diagonal matrices added as vectors."""
    vectors: list[Term] = []
    rest: list[Term] = []
    for p in m.args:
        coefficient, scalars, body = p.args if p.kind == "term" else (Fraction(1), (), p)
        if body.kind == "diag":
            vectors.append(mx.term(coefficient, scalars, body.args[0]))
        else:
            rest.append(p)
    return mx.add([*rest, mx.diag(shortened(mx.add(vectors, vectors[0].shape)))], m.shape) if len(vectors) > 1 else None


def _factored(m: Term) -> Term | None:
    """The sum with one factor taken out of all summands that have it: the one that saves most; None where none does."""
    groups: dict[tuple[str, Term], list[tuple[int, Term]]] = {}
    rebuild: dict[tuple[str, Term], Rebuild] = {}
    for n, part in enumerate(m.args):
        for side, factor, rest, put in _strips(part):
            members = groups.setdefault((side, factor), [])
            if not members or members[-1][0] != n:
                members.append((n, rest))
                rebuild[side, factor] = put
    best, saved = None, (0, 0)
    for where, members in groups.items():
        if len(members) < 2:
            continue
        inner = mx.add([rest for _, rest in members], members[0][1].shape)
        before = operations(Term("add", tuple(m.args[n] for n, _ in members), m.shape))
        after = operations(rebuild[where](inner))
        if (gain := (before[0] - after[0], before[1] - after[1])) > saved:
            best, saved = (where, members, inner), gain
    if best is None:
        return None
    where, members, inner = best
    taken = {n for n, _ in members}
    return mx.add([p for n, p in enumerate(m.args) if n not in taken] + [rebuild[where](shortened(inner))], m.shape)


def _strips(part: Term) -> Iterator[tuple[str, Term, Term, Rebuild]]:
    """(side, factor, rest, how to put the factor back) for every factor that can be taken out of a summand."""
    coefficient, scalars, body = part.args if part.kind == "term" else (Fraction(1), (), part)
    if body.kind == "mul":
        yield _last(body, lambda rest: mx.term(coefficient, scalars, rest))
        first = body.args[0]
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
            yield "entries", factor, mx.term(coefficient, scalars, rest), lambda inner, f=factor: mx.elementwise([(inner, 1), (f, 1)])  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    if scalars and body.shape != mx.SCALAR:
        yield "body", body, mx.term(coefficient, scalars, mx.ONE), lambda inner: mx.term(1, [(inner, 1)], body)
    for s, e in scalars:
        step = 1 if isinstance(e, Term) or e > 0 else -1
        rest = mx.term(coefficient, [(x, y - step if x is s else y) for x, y in scalars if x is not s or y != step], body)
        yield f"scalar{step}", s, rest, lambda inner, s=s, step=step: mx.term(1, [(s, step)], inner)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        if e == 1 and s.kind == "mul" and body.shape[1] is mx.NONE is not body.shape[0]:       # (a'*x)*b = b*a'*x
            others = [p for p in scalars if p[0] is not s]
            for turn in (s, Term("mul", tuple(mx.transpose(x) for x in reversed(s.args)), mx.SCALAR)):
                yield _last(turn, lambda rest, others=others: mx.term(coefficient, others, mx.mul(body, rest)))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    if abs(coefficient) != 1:
        sign = 1 if coefficient > 0 else -1
        size = abs(coefficient)
        yield "number", mx.number(size), mx.term(sign, scalars, body), lambda inner: mx.term(size, [], inner)


def _last(product: Term, around: Callable[[Term], Term]) -> tuple[str, Term, Term, Rebuild]:
    """The last factor of a matrix product taken out to the right."""
    last = product.args[-1]
    return "right", last, around(mx.mul(*product.args[:-1])), lambda inner: mx.mul(inner, last)
