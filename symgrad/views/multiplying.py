"""Elementwise products of sums multiplied out, so that what cancels does; sigmoids of opposite arguments written by one of them."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from symgrad.views import terms as mx
from symgrad.views.terms import Term

__all__ = ["multiplied", "one_sigmoid"]

LIMIT = 16
"""How many parts a sum may have when it is multiplied out."""


def multiplied(m: Term) -> Term:
    """The sum with elementwise products and squares of sums multiplied out; unchanged where that gives too many parts."""
    parts = _parts(m)
    return mx.add(parts, m.shape) if len(parts) <= LIMIT else m


def _parts(m: Term) -> list[Term]:
    """Summands of a term."""
    if m.kind == "add":
        return [q for p in m.args for q in _parts(p)]
    if m.kind == "term":
        found = [mx.term(m.args[0], [], p) for p in _parts(m.args[2])]
        for s, e in m.args[1]:
            found = _times(found, _parts(s) if e in (1, 2) else [mx.scalar_power(s, e)], 2 if e == 2 else 1, scalar=True)
        return found
    if m.kind == "diag":
        return [mx.diag(p) for p in _parts(m.args[0])]
    if m.kind not in ("emul", "epow"):
        return [m]
    found = [mx.ones(m.shape)]
    for b, e in m.args if m.kind == "emul" else (m.args,):
        whole = b.kind in ("add", "term") and e in (1, 2)
        found = _times(found, _parts(b) if whole else [mx.elementwise([(b, e)]) if not isinstance(e, Term) else m], 2 if whole and e == 2 else 1, scalar=False)
    return found


def _times(left: list[Term], right: list[Term], power: int, scalar: bool) -> list[Term]:
    for _ in range(power):
        if len(left) * len(right) > 4 * LIMIT:
            return left * (LIMIT + 1)                      # too many: the caller gives up
        left = [mx.term(1, [(q, 1)], p) if scalar else mx.elementwise([(p, 1), (q, 1)]) for p in left for q in right]
    return left


def one_sigmoid(m: Term) -> Term:
    """m with sigmoid(-u) as 1 - sigmoid(u) where sigmoid(u) occurs as well."""
    found = {c.args[1] for c in _sigmoids(m)}
    gone = {u for u in found if mx.term(-1, [], u) in found and (u.kind == "term" and u.args[0] < 0)}
    return _without(m, gone) if gone else m


def _inner(m: Term) -> Iterator[Term]:
    """What a sum, an elementwise product or a diagonal matrix is made of."""
    if m.kind in ("add", "diag"):
        yield from m.args
    elif m.kind == "term":
        yield from (s for s, _ in m.args[1])
        yield m.args[2]
    elif m.kind == "emul":
        yield from (b for b, _ in m.args)
    elif m.kind == "epow":
        yield m.args[0]


def _sigmoids(m: Term) -> Iterator[Term]:
    if m.kind == "call" and m.args[0] == "sigmoid":
        yield m
    for x in _inner(m):
        yield from _sigmoids(x)


def _without(m: Term, gone: set[Term]) -> Term:
    if m.kind == "call" and m.args[0] == "sigmoid" and m.args[1] in gone:
        other = mx.call("sigmoid", [mx.term(-1, [], m.args[1])], m.shape)
        return mx.add([mx.ones(m.shape), mx.term(-1, [], other)], m.shape)
    if m.kind == "add":
        return mx.add([_without(p, gone) for p in m.args], m.shape)
    if m.kind == "diag":
        return mx.diag(_without(m.args[0], gone))
    if m.kind == "term":
        return mx.term(m.args[0], [(_without(s, gone), e) for s, e in m.args[1]], _without(m.args[2], gone))
    if m.kind == "emul" or (m.kind == "epow" and isinstance(m.args[1], int | Fraction)):
        parts = m.args if m.kind == "emul" else (m.args,)
        return mx.elementwise([(_without(b, gone), e) for b, e in parts]) if all(not isinstance(e, Term) and e == int(e) for _, e in parts) else m
    return m
