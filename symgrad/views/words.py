"""Functions and words of whole terms, simplified by what is known of their arguments."""
from __future__ import annotations

from symgrad.views.leaves import call, ones
from symgrad.views.matrix_term import SCALAR, Term, facts_of, is_zero
from symgrad.views.terms import add, power, term

__all__ = ["adjugate", "apply"]


def apply(name: str, a: Term) -> Term:
    """A function applied entry by entry."""
    if "positive" in facts_of(a) and name in ("abs", "relu", "sign", "step"):
        return a if name in ("abs", "relu") else ones(a.shape)
    if name == "exp":
        soft = _softmax_of(a)
        if soft is not None:
            return soft
    if is_zero(a) and name in ("abs", "relu", "sign", "step", "sin", "tan", "tanh", "sinh", "arctan", "erf"):
        return a
    return Term("call", (name, a), a.shape)


def _softmax_of(a: Term) -> Term | None:
    """softmax(z) where a is z - logsumexp(z), each row by itself."""
    for p in a.args if a.kind == "add" else ():
        if p.kind != "term" or p.args[0] != -1:
            continue
        inner = p.args[1][0][0] if p.args[1] and p.args[2].kind in ("ones", "num") else p.args[2]
        first = inner.args[0] if inner.kind == "mul" and len(inner.args) == 2 and inner.args[1].kind == "ones" else inner
        if first.kind == "call" and first.args[0] == "logsumexp" and len(p.args[1]) <= 1:
            z = first.args[1]
            if add([q for q in a.args if q is not p], a.shape) == z and a.shape == z.shape:
                return call("softmax", [z], a.shape)
    return None


def is_invertible(a: Term) -> bool:
    """Whether a square matrix is invertible by what was declared of its leaves."""
    if a.kind in ("t", "mpow"):
        return (a.kind == "mpow" and a.args[1] < 0) or is_invertible(a.args[0])
    if a.kind == "mul":
        return all(is_invertible(x) for x in a.args)
    return bool(facts_of(a) & {"invertible", "spd", "orthogonal"})


def adjugate(a: Term) -> Term:
    """adj(A); det(A)*inv(A) where A is known to be invertible."""
    if is_invertible(a):
        return term(1, [(call("det", [a], SCALAR), 1)], power(a, -1))
    return call("adj", [a], a.shape)
