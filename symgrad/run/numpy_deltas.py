"""An equation with deltas in; its terms out, each with the diagonal of the result that it is written to."""
from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.core import equation as eq

__all__ = ["Term", "is_diagonal", "one_to_one", "opened"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a result: `body` where the deltas are 1, else 0; the body is written in one index for each set of equal ones."""

    body: eq.Expr
    deltas: tuple[eq.Expr, ...] = ()


def opened(body: eq.Expr) -> list[Term] | None:
    """The terms of an equation whose result holds deltas; None for one that holds none."""
    if not eq.has_delta(body):
        return None
    return [_settled(bound, factors) for bound, factors in _terms(body)]


def _terms(e: eq.Expr) -> list[tuple[tuple[eq.Index, ...], tuple[eq.Expr, ...]]]:
    """(bound indices, factors) of each term; a product is multiplied out only over a factor that holds a delta."""
    if not eq.has_delta(e) or e[0] == "d":
        return [((), (e,))]
    if e[0] == "+":
        return [t for a in e[1] for t in _terms(a)]
    if e[0] == "S":
        return [(e[1] + b, f) for b, f in _terms(e[2])]
    found: list[tuple[tuple[eq.Index, ...], tuple[eq.Expr, ...]]] = [((), ())]
    for a in e[1]:
        found = [(b + b2, f + f2) for b, f in found for b2, f2 in _terms(a)]
    return found


def _settled(bound: Sequence[eq.Index], factors: Sequence[eq.Expr]) -> Term:
    """Deltas that fix a bound index substituted away, those that are left kept as structure."""
    left, rest = list(bound), list(factors)
    again = True
    while again:
        again = False
        for f in rest:
            hit = next(((v, w) for v, w in ((f[1], f[2]), (f[2], f[1])) if v in left), None) if f[0] == "d" else None
            if hit:
                rest.remove(f)
                left.remove(hit[0])
                rest = [eq.substitute(g, {hit[0]: hit[1]}) for g in rest]
                again = True
                break
    deltas = tuple(f for f in rest if f[0] == "d" and f[1] != f[2])
    plain = [f for f in rest if f[0] != "d"]
    body: eq.Expr = eq.ONE if not plain else plain[0] if len(plain) == 1 else ("*", tuple(plain))
    if left:
        body = ("S", tuple(left), body)
    table = _classes(deltas)
    return Term(eq.substitute(body, table), deltas)


def _classes(deltas: Sequence[eq.Expr]) -> dict[eq.Index, eq.Index]:
    """Every index that a delta equates with another by the one that stands for both: the least, or a whole number."""
    table: dict[eq.Index, eq.Index] = {}
    for d in deltas:
        a, b = (table.get(i, i) for i in d[1:])
        if a != b:
            low, high = sorted((a, b), key=lambda i: (not isinstance(i, tuple), str(i)))
            table = {**{k: low if v == high else v for k, v in table.items()}, high: low}
    return table


def one_to_one(name: str, out: Sequence[str], term: Term) -> tuple[str, tuple[eq.Index, ...]]:
    """(code of the part of the array `name` that the term is written to, its axes); the part is a view."""
    table = _classes(term.deltas)
    at = [table.get(i, i) for i in out]
    axes = tuple(dict.fromkeys(i for i in at if not isinstance(i, tuple)))
    code = name
    if len(axes) < len(at):
        fixed = [str(i[1]) if isinstance(i, tuple) else ":" for i in at]
        code = f"{name}[{', '.join(fixed)}]" if any(f != ":" for f in fixed) else name
    plain = [i for i in at if not isinstance(i, tuple)]
    if len(plain) == len(axes):
        return code if code != name else f"{name}[...]", axes
    letters = dict(zip(axes, string.ascii_letters[8:], strict=False))
    ends = "".join(letters[i] for i in plain), "".join(letters[i] for i in axes)
    return f'np.einsum("{ends[0]}->{ends[1]}", {code})[...]', axes


def is_diagonal(out: Sequence[str], term: Term) -> bool:
    """Whether the term is the diagonal of a matrix."""
    table = _classes(term.deltas)
    return len(out) == 2 and table.get(out[0], out[0]) == table.get(out[1], out[1]) and table.get(out[0], out[0]) in out
