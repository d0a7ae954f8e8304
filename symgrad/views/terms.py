"""Matrix terms from matrix terms, by constructors that simplify, so that every way of building a form ends in the same one."""
from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from symgrad.views.compose import NoMatrixForm
from symgrad.views.leaves import ONE, call, eye, leaf, number, ones, size_leaf, zeros
from symgrad.views.matrix_term import NONE, SCALAR, SYMMETRIC, Axis, Shape, Term, exact_root, facts_of, is_negative, is_zero, leads_with_minus

__all__ = [
    "NONE", "ONE", "SCALAR", "Axis", "Term", "add", "call", "diag", "diagonal", "elementwise", "eye", "facts_of", "is_negative", "is_zero", "leaf", "mul",
    "nonnegative", "number", "ones", "power", "rooted", "scalar_power", "size_leaf", "squares", "term", "total", "trace", "transpose", "zeros",
]


# ---------------------------------------------------------------------- products
def transpose(a: Term) -> Term:
    """a', pushed to the leaves of products and dropped where a is symmetric."""
    kind = a.kind
    if kind == "t":
        return a.args[0]  # type: ignore[no-any-return]  # arguments of a transpose: one term
    if a.shape == SCALAR or kind in ("eye", "diag") or facts_of(a) & SYMMETRIC:
        return a
    if kind == "mul":
        return mul(*[transpose(x) for x in reversed(a.args)])
    if kind in ("ones", "zeros"):
        return Term(kind, (), a.shape[::-1])
    if kind == "term":
        return term(a.args[0], a.args[1], transpose(a.args[2]))
    if kind == "add" and set(map(transpose, a.args)) == set(a.args):
        return a
    if kind == "mpow" and transpose(a.args[0]) == a.args[0]:
        return a
    return Term("t", (a,), a.shape[::-1])


def _root(x: Term) -> tuple[Term, int]:
    """(base, exponent): powers, inverses and their transposes are powers of one base, so X*inv(X) and X'*(X^2)' merge."""
    if x.kind == "t" and x.args[0].kind == "mpow":
        return transpose(x.args[0].args[0]), x.args[0].args[1]
    return x.args if x.kind == "mpow" else (x, 1)


def mul(*factors: Term) -> Term:
    """The matrix product; coefficients move to the front, neighbours X*X become X^2, X*inv(X) and Q'*Q of an orthogonal Q vanish."""
    shape = (factors[0].shape[0], factors[-1].shape[1])
    if any(is_zero(f) for f in factors):
        return zeros(shape)
    coefficient, scalars, flat = Fraction(1), list[tuple[Term, Any]](), list[Term]()
    for f in factors:
        if f.kind == "term":
            coefficient *= f.args[0]
            scalars += f.args[1]
            f = f.args[2]
        for x in f.args if f.kind == "mul" else (f,):
            if x.kind == "eye" or x == ONE:
                continue
            _push(flat, x)
    if not flat:
        return term(coefficient, scalars, ONE if shape == SCALAR else eye(shape[0]))
    known = _known_row_sums(flat)
    if known is None:
        return zeros(shape)
    flat = known
    if len(flat) == 1:
        body = flat[0]
    elif (entries := _of_diagonals(flat)) is not None:
        body = trace(entries)
    else:
        body = Term("mul", tuple(flat), shape)
        if body.shape == SCALAR:                           # a'*M*b = b'*M'*a: the form with fewer transposes
            other = tuple(transpose(x) for x in reversed(flat))
            if (_weight(other), tuple(x.key for x in other)) < (_weight(flat), tuple(x.key for x in flat)):
                body = Term("mul", other, SCALAR)
    return term(coefficient, scalars, body)


def _push(flat: list[Term], x: Term) -> None:
    """Append a factor, merged with the last one where both are powers of one square base."""
    if flat and x.shape[0] is not NONE:
        last = flat[-1]
        if last == transpose(x) and "orthogonal" in (facts_of(x) | facts_of(last)):
            flat.pop()
            return
        base, exponent = _root(x)
        before, e = _root(last)
        if last.shape == x.shape == (x.shape[0], x.shape[0]) and base == before and x.kind != "diag":
            flat.pop()
            merged = power(base, exponent + e)
            for y in merged.args if merged.kind == "mul" else (merged,):
                if y.kind != "eye":
                    _push(flat, y)
            return
        if x.kind == last.kind == "diag":
            flat[-1] = diag(elementwise([(last.args[0], 1), (x.args[0], 1)]))
            return
        if last.kind == "diag" and x.shape[1] is NONE:     # diag(v)*w = v.*w
            flat[-1] = elementwise([(last.args[0], 1), (x, 1)])
            return
        if x.kind == "diag" and last.shape[0] is NONE:
            flat[-1] = transpose(elementwise([(transpose(last), 1), (x.args[0], 1)]))
            return
    flat.append(x)


def _known_row_sums(flat: list[Term]) -> list[Term] | None:
    """The factors with a product of rows of known sum and ones evaluated: 1 of what is simplex or one-hot; None where the sum is 0."""
    for n, (a, b) in enumerate(itertools.pairwise(flat)):
        right = b.kind == "ones" and b.shape[1] is NONE and a.shape[0] is not NONE
        left = a.kind == "ones" and a.shape[0] is NONE and b.shape[1] is not NONE
        facts = facts_of(a) if right else facts_of(transpose(b)) if left else frozenset()
        if "centered" in facts or (b.kind == "add" and left and _no_sum(b)) or (a.kind == "add" and right and _no_sum(a)):
            return None
        if facts & {"simplex", "onehot"}:
            return [*flat[:n], ones((a.shape[0], b.shape[1])), *flat[n + 2:]]
    return flat


def _of_diagonals(flat: Sequence[Term]) -> Term | None:
    """M .* N where the product is diag(M)'*diag(N), which is the trace of that."""
    if len(flat) != 2 or flat[0].kind != "t" or any(x.kind != "call" or x.args[0] != "diag" for x in (flat[0].args[0], flat[1])):
        return None
    return elementwise([(flat[0].args[0].args[1], 1), (flat[1].args[1], 1)])


def _no_sum(m: Term) -> bool:
    """Whether a vector's entries add to 0, term by term."""
    return NONE in m.shape and is_zero(total(m))


def _weight(parts: Iterable[Term]) -> int:
    return sum(p.kind == "t" for p in parts)


def power(base: Term, e: int) -> Term:
    """base^e of a square matrix: transposes outside, the inverse of a product opened only where every factor is square."""
    if e == 0 or base.kind == "eye":
        return eye(base.shape[0])
    if base.kind == "mpow":
        return power(base.args[0], base.args[1] * e)
    if e == 1:
        return base
    if "orthogonal" in facts_of(base) and e < 0:
        return power(transpose(base), -e)
    if base.kind == "t":
        return transpose(power(base.args[0], e))
    if base.kind == "term":
        return term(base.args[0] ** e, [(s, x * e) for s, x in base.args[1]], power(base.args[2], e))
    if base.kind == "mul" and e < 0 and all(f.shape == base.shape for f in base.args):
        return mul(*[mul(*[power(f, -1) for f in reversed(base.args)])] * -e)
    if base.kind == "diag":
        return diag(elementwise([(base.args[0], e)]))
    return Term("mpow", (base, e), base.shape)


# ---------------------------------------------------------------------- scalars in front
def term(coefficient: Fraction | int, scalars: Sequence[tuple[Term, Any]], body: Term) -> Term:
    """coefficient * product of scalar powers * body."""
    coefficient = Fraction(coefficient)
    if is_zero(body) or coefficient == 0 or any(is_zero(s) and e > 0 for s, e in scalars):
        return zeros(body.shape)
    powers = _Powers(coefficient)
    for s, e in scalars:
        turns = s.kind == "add" and e in (1, -1) and all(map(leads_with_minus, s.args))
        powers.put(_negated(s) if turns else s, e)
        powers.coefficient *= -1 if turns else 1
    if body.kind == "add" and all(map(leads_with_minus, body.args)) and (scalars or coefficient != -1):
        powers.coefficient, body = -powers.coefficient, _negated(body)
    powers.cancel_signs()
    if body.kind == "term":
        powers.put(Term("term", (body.args[0], body.args[1], ONE), SCALAR), 1)
        body = body.args[2]
    if body.kind == "num":
        powers.coefficient, body = powers.coefficient * body.args[0], ONE
    elif body.shape == SCALAR:
        powers.put(body, 1)
        body = ONE
    if powers.coefficient == 0:
        return zeros(body.shape)
    left = tuple(sorted(((s, e) for s, e in powers.found.items() if e), key=lambda p: (is_negative(p[1]), p[0].kind != "leaf", p[0].key)))
    if powers.coefficient == 1 and not left:
        return body
    if not left and body == ONE:
        return number(powers.coefficient)
    if powers.coefficient == 1 and body == ONE and len(left) == 1 and left[0][1] == 1:
        return left[0][0]
    if len(left) == 1 and left[0][1] == 1 and left[0][0].kind == "add" and body == ONE and powers.coefficient == -1:
        return add([term(-1, [], p) for p in left[0][0].args], SCALAR)
    return Term("term", (powers.coefficient, left, body), body.shape)


def _negated(m: Term) -> Term:
    """The sum with every sign turned."""
    return add([term(-1, [], p) for p in m.args], m.shape)


class _Powers:
    """A product of scalar powers, with one base for what is a power of the same thing."""

    def __init__(self, coefficient: Fraction) -> None:
        self.coefficient, self.found = coefficient, dict[Term, Any]()

    def put(self, s: Term, e: Any) -> None:
        whole = not isinstance(e, Term) and e == int(e)
        if isinstance(e, Term):
            self.found[Term("spow", (s, e), SCALAR)] = self.found.get(Term("spow", (s, e), SCALAR), 0) + 1
        elif s.kind == "num" and (whole or (s.args[0] > 0 and exact_root(s.args[0], e) is not None)):
            if not s.args[0] and e < 0:
                raise NoMatrixForm("a division by zero")
            self.coefficient *= s.args[0] ** int(e) if whole else exact_root(s.args[0], e)  # type: ignore[operator]  # a number by the test before
        elif s.kind == "term" and (whole or (s.args[0] > 0 and all(nonnegative(x) for x, _ in s.args[1]) and s.args[2] == ONE)):
            if whole:
                self.coefficient *= s.args[0] ** int(e)
            else:
                self.put(number(s.args[0]), e)
            for s2, e2 in s.args[1]:
                self.put(s2, e2 * e)
            if s.args[2] != ONE:
                self.put(s.args[2], e)
        elif s.kind == "spow" and not isinstance(s.args[1], Term):
            self.put(s.args[0], s.args[1] * e)
        elif s.kind == "call" and s.args[0] == "norm2" and len(s.args) == 2:    # norms are half powers of one sum of squares
            self.put(squares(s.args[1]), Fraction(e) / 2)
        elif s.kind == "call" and s.args[0] == "sqrt":
            self.put(s.args[1], Fraction(e) / 2)
        else:
            self.found[s] = self.found.get(s, 0) + e

    def cancel_signs(self) -> None:
        """sign(s)/abs(s) = 1/s."""
        for s in [s for s in self.found if s.kind == "call" and s.args[0] == "abs"]:
            sign = Term("call", ("sign", s.args[1]), SCALAR)
            while self.found[s] < 0 < self.found.get(sign, 0):
                self.found[s], self.found[sign] = self.found[s] + 1, self.found[sign] - 1
                self.put(s.args[1], -1)


def scalar_power(base: Term, e: Any) -> Term:
    """A scalar to a power."""
    return term(1, [(base, e)], ONE)


def nonnegative(s: Term) -> bool:
    """Whether a scalar is known not to be negative: a size, a norm, an exponential, a sum of squares, a declared positive."""
    return rooted(s) is not None or (s.kind == "leaf" and bool(s.args[1] & {"size", "positive"})) or \
        (s.kind == "call" and s.args[0] in ("norm1", "exp", "abs", "sqrt", "sigmoid", "norm2")) or (s.kind == "num" and s.args[0] >= 0)


def squares(u: Term) -> Term:
    """u'*u of a vector, the sum of the squared entries of a matrix."""
    return mul(transpose(u), u) if u.shape[1] is NONE else total(elementwise([(u, 2)]))


def rooted(s: Term) -> Term | None:
    """u where the scalar s is the sum of the squares of u."""
    if s.kind == "mul" and len(s.args) % 2 == 0:
        half = len(s.args) // 2
        right = mul(*s.args[half:])
        if right.shape[1] is NONE and transpose(right) == mul(*s.args[:half]):
            return right
    if s.kind == "call" and s.args[0] == "sum" and s.args[1].kind == "epow" and s.args[1].args[1] == 2:
        return s.args[1].args[0]  # type: ignore[no-any-return]  # held in a tuple of mixed kinds
    return None


# ---------------------------------------------------------------------- elementwise and sums
def elementwise(parts: Sequence[tuple[Term, Any]]) -> Term:
    """The product of powers, entry by entry, of terms of one shape."""
    shape = parts[0][0].shape
    if any(is_zero(m) and not is_negative(e) for m, e in parts):
        return zeros(shape)
    coefficient, scalars, powers = Fraction(1), list[tuple[Term, Any]](), dict[Term, Any]()
    for m, e in parts:
        if m.kind == "term" and e == int(e):
            coefficient *= m.args[0] ** int(e)
            scalars += [(s, x * e) for s, x in m.args[1]]
            m = m.args[2]
        for b, x in m.args if m.kind == "emul" else [m.args] if m.kind == "epow" and not isinstance(m.args[1], Term) and e == int(e) else [(m, 1)]:
            powers[b] = powers.get(b, 0) + x * e
    for sign in [b for b in powers if b.kind == "call" and b.args[0] == "sign"]:
        size = Term("call", ("abs", sign.args[1]), sign.shape)
        while powers.get(size, 0) < 0 < powers[sign]:      # sign(x)./abs(x) = 1./x
            powers[size], powers[sign] = powers[size] + 1, powers[sign] - 1
            powers[sign.args[1]] = powers.get(sign.args[1], 0) - 1
    left = tuple((b, e) for b, e in powers.items() if e and b.kind != "ones")
    if not left:
        body = ones(shape)
    elif all(b.kind == "t" and e == 1 for b, e in left) and len(left) > 1:
        return term(coefficient, scalars, transpose(elementwise([(b.args[0], 1) for b, _ in left])))
    elif len(left) == 1:
        body = left[0][0] if left[0][1] == 1 else Term("epow", left[0], shape)
    elif len({b.kind for b, _ in left}) == 1 and left[0][0].kind == "diag":
        body = diag(elementwise([(b.args[0], e) for b, e in left]))
    else:
        body = Term("emul", tuple(sorted(left, key=lambda p: is_negative(p[1]))), shape)
    return term(coefficient, scalars, body)


def diag(v: Term) -> Term:
    """The diagonal matrix of a vector."""
    n = v.shape[0]
    if v.kind in ("ones", "zeros"):
        return eye(n) if v.kind == "ones" else zeros((n, n))
    if v.kind == "term":
        return term(v.args[0], v.args[1], diag(v.args[2]))
    return Term("diag", (v,), (n, n))


def diagonal(m: Term) -> Term:
    """The vector on the diagonal of a matrix."""
    if m.kind == "t":
        m = m.args[0]
    if m.kind in ("eye", "ones", "zeros"):
        return Term("zeros" if m.kind == "zeros" else "ones", (), (m.shape[0], NONE))
    if m.kind == "diag":
        return m.args[0]  # type: ignore[no-any-return]  # held in a tuple of mixed kinds
    if m.kind == "term":
        return term(m.args[0], m.args[1], diagonal(m.args[2]))
    if m.kind == "mul" and len(m.args) == 2 and m.args[0].shape[1] is NONE:
        return elementwise([(m.args[0], 1), (transpose(m.args[1]), 1)])
    return Term("call", ("diag", m), (m.shape[0], NONE))


def trace(m: Term) -> Term:
    """The trace, of one rotation and transposition of a product out of all equal ones."""
    if m.kind == "term":
        return term(m.args[0], m.args[1], trace(m.args[2]))
    if m.kind == "add":
        return add([trace(p) for p in m.args], SCALAR)
    if m.kind == "t":
        m = m.args[0]
    if m.kind == "eye":
        return size_leaf(m.shape[0])
    if m.kind == "diag":
        return total(m.args[0])
    if m.kind == "mul":
        ring = list(m.args)
        turns = [ring[n:] + ring[:n] for n in range(len(ring))]
        turns += [[transpose(x) for x in reversed(t)] for t in turns]
        best = min(turns, key=lambda t: (_weight(t), tuple(x.key for x in t)))
        narrow = next((t for t in turns if t[0].shape[0] is NONE), None)
        if narrow is not None:                             # tr(x*y') = y'*x
            return mul(*narrow)
        m = mul(*best)
        if m.kind != "mul":
            return trace(m) if m.kind in ("term", "eye", "diag") else Term("call", ("tr", m), SCALAR)
    return Term("call", ("tr", m), SCALAR)


def total(m: Term) -> Term:
    """The sum of all entries."""
    if m.kind == "t":
        m = m.args[0]
    if m.kind == "term":
        return term(m.args[0], m.args[1], total(m.args[2]))
    if m.shape == SCALAR:
        return m
    if is_zero(m):
        return number(0)
    if m.kind == "ones":
        return term(1, [(size_leaf(n), 1) for n in m.shape if n is not NONE], ONE)
    if m.kind == "eye":
        return size_leaf(m.shape[0])
    if m.kind == "diag":
        return total(m.args[0])
    if m.kind == "call" and m.args[0] == "diag":
        return trace(m.args[1])
    if "centered" in facts_of(m):
        return number(0)
    if facts_of(m) & {"simplex", "onehot"}:
        return size_leaf(m.shape[0]) if m.shape[1] is not NONE else ONE
    if m.kind == "add" and is_zero(add([total(p) for p in m.args], SCALAR)):
        return number(0)                                   # deviations from a mean
    if m.kind == "mul" and m.args[0].shape[1] is NONE:      # the sum of u*v' is sum(u)*sum(v)
        return term(1, [(total(m.args[0]), 1), (total(mul(*m.args[1:])), 1)], ONE)
    return Term("call", ("sum", m), SCALAR)


def add(parts: Iterable[Term], shape: Shape) -> Term:
    """The sum, like terms merged, a leading minus only if there is no other way."""
    sums: dict[tuple[Any, Term], Fraction] = {}
    for t in parts:
        for x in t.args if t.kind == "add" else () if is_zero(t) else (t,):
            coefficient, scalars, body = x.args if x.kind == "term" else (Fraction(1), (), x)
            if body.kind == "num" and body.args[0] != 1:
                coefficient, body = coefficient * body.args[0], ONE
            elif body.shape == SCALAR and body != ONE:     # so that it meets its own multiples
                scalars, body = ((body, 1),), ONE
            sums[scalars, body] = sums.get((scalars, body), Fraction(0)) + coefficient
    found = [term(c, s, b) for (s, b), c in sums.items() if c]
    if len(found) < 2:
        return found[0] if found else zeros(shape)
    others = set(found)
    found.sort(key=lambda a: (leads_with_minus(a), a.kind == "t" and a.args[0] in others))
    return Term("add", tuple(found), shape)
