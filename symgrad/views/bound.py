"""One product of terms with indices in; a matrix term out: its bound indices go one at a time, each by the cheapest step there is."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.views import terms as mx
from symgrad.views.compose import Idx, NoMatrixForm
from symgrad.views.factoring import transposed
from symgrad.views.matrix_term import Shape, Term

__all__ = ["Factors", "Frame", "frame_shape"]

Frame = tuple[Idx, ...]
"""The free indices of a term: (), (row,) or (row, column)."""


def frame_shape(F: Frame) -> Shape:
    """The matrix shape of a frame."""
    return (F[0].size if F else mx.NONE, F[1].size if len(F) > 1 else mx.NONE)


def column(i: Idx) -> Shape:
    """The shape of a vector along an index."""
    return (i.size, mx.NONE)


class Factors:
    """The factors of one product as scalars, vectors by index and matrices by index pair."""

    def __init__(self, bound: list[Idx], parts: list[tuple[Term, tuple[Idx, ...]]], deltas: list[tuple[Idx, Idx]]) -> None:
        self.bound = list(bound)
        self.scalars: list[tuple[Term, Any]] = [(m, 1) for m, ix in parts if not ix]
        self.vectors: dict[Idx, list[tuple[Term, Any]]] = {}
        self.matrices: list[tuple[Term, Idx, Idx]] = [(m, ix[0], ix[1]) for m, ix in parts if len(ix) == 2]
        self.deltas = deltas
        self.diagonal = False
        for m, ix in parts:
            if len(ix) == 1:
                self.vectors.setdefault(ix[0], []).append((m, 1))

    def _vector(self, b: Idx) -> Term | None:
        parts = self.vectors.pop(b, [])
        return mx.elementwise(parts) if parts else None

    def _touches(self, b: Idx) -> list[tuple[Term, Idx, Idx]]:
        return [m for m in self.matrices if m[1] is b or m[2] is b]

    def _alone(self, b: Idx) -> bool:
        return b in self.bound and not self.vectors.get(b) and not self._touches(b)

    def _put(self, m: Term, a: Idx, b: Idx) -> None:
        if a is not b:
            self.matrices.append((m, a, b))
        elif self._alone(a):
            self.bound.remove(a)
            self.scalars.append((mx.trace(m), 1))
        else:
            self.vectors.setdefault(a, []).append((mx.diagonal(m), 1))

    def _cost(self, b: Idx) -> float:
        ms = self._touches(b)
        if len(ms) <= 1:
            return 1 - len(ms)
        if len(ms) == 2:
            ends = {x for m in ms for x in m[1:]}
            return (2 if len(ends) == 3 else 3) + (0.5 if self.vectors.get(b) else 0)
        return 9

    def run(self, F: Frame, rest: bool) -> None:
        """Eliminate every bound index, cheapest first; with `rest`, stop at one that joins three matrices."""
        if not rest:
            self._diagonal_result(F)
        for loop in [m for m in self.matrices if m[1] is m[2]]:
            self.matrices.remove(loop)
            self._put(*loop)
        while self.bound:
            b = min(self.bound, key=self._cost)
            ms = self._touches(b)
            if self._cost(b) >= 2 and self._merged([x for x in self.bound if len(self._touches(x)) > 2]):
                continue
            if len(ms) > 2:
                if rest:
                    return
                raise NoMatrixForm("an index joins three matrices")
            self.bound.remove(b)
            if ms:
                self._join(b, ms)
            else:
                self._sum_of_vectors(b)

    def _diagonal_result(self, F: Frame) -> None:
        """D[i,j] = delta[i,j] * ...: everything on i."""
        if len(F) != 2 or not any(set(d) == set(F) for d in self.deltas):
            return
        i, j = F
        self.deltas = [d for d in self.deltas if set(d) != set(F)]
        self.matrices = [(m, i if a is j else a, i if b is j else b) for m, a, b in self.matrices]
        self.vectors.setdefault(i, []).extend(self.vectors.pop(j, []))
        self.diagonal = True

    def _sum_of_vectors(self, b: Idx) -> None:
        parts = self.vectors.pop(b, [])
        if not parts:
            self.scalars.append((mx.size_leaf(b.size), 1))
            return
        merged = mx.elementwise(parts)
        self.scalars.append((_summed(merged, parts), 1))

    def _join(self, b: Idx, ms: list[tuple[Term, Idx, Idx]]) -> None:
        for met in ms:
            self.matrices.remove(met)
        m, a, c = ms[0]
        left, other = (m, a) if c is b else (mx.transpose(m), c)
        if len(ms) == 1:
            v = self._vector(b)
            if v is None and self._alone(other):
                self.bound.remove(other)
                self.scalars.append((mx.total(left), 1))
            else:
                self.vectors.setdefault(other, []).append((mx.mul(left, v if v is not None else mx.ones(column(b))), 1))
            return
        m2, a2, c2 = ms[1]
        right, end = (m2, c2) if a2 is b else (mx.transpose(m2), a2)
        if other is end and not self._alone(other):        # both indices shared: rows of (M .* N) summed
            v = self._vector(b)
            both = mx.elementwise([(left, 1), (mx.transpose(right), 1)])
            self.vectors.setdefault(other, []).append((mx.mul(both, v if v is not None else mx.ones(column(b))), 1))
            return
        v = self._vector(b)
        middle = [mx.diag(v)] if v is not None else []
        self._put(mx.mul(left, *middle, right), other, end)

    def _merged(self, crowded: list[Idx]) -> bool:
        """Multiply two parallel matrices elementwise, if one end is crowded."""
        for n, (m, a, c) in enumerate(self.matrices):
            for p in range(n + 1, len(self.matrices)):
                m2, a2, c2 = self.matrices[p]
                if {a, c} == {a2, c2} and (a in crowded or c in crowded):
                    self.matrices[n] = (mx.elementwise([(m, 1), (m2 if a is a2 else mx.transpose(m2), 1)]), a, c)
                    del self.matrices[p]
                    return True
        return False

    def assembled(self, F: Frame) -> Term:
        """What is left, as a matrix of rows F[0] and columns F[1]."""
        if self.deltas:
            raise NoMatrixForm("a delta that is no diagonal")
        if not F:
            return mx.ONE
        i = F[0]
        v = self._vector(i)
        if len(F) == 1:
            return v if v is not None else mx.ones(column(i))
        j = F[1]
        if self.diagonal:
            return mx.diag(v if v is not None else mx.ones(column(i)))
        w = self._vector(j)
        if not self.matrices:
            if v is None and w is None:
                return mx.ones((i.size, j.size))
            return mx.mul(v if v is not None else mx.ones(column(i)), mx.transpose(w if w is not None else mx.ones(column(j))))
        body = mx.elementwise([(m if a is i else transposed(m), 1) for m, a, _ in self.matrices])
        if v is not None and w is not None:
            return mx.elementwise([(mx.mul(v, mx.transpose(w)), 1), (body, 1)])
        return mx.mul(mx.diag(v), body) if v is not None else mx.mul(body, mx.diag(w)) if w is not None else body


def _summed(merged: Term, parts: list[tuple[Term, Any]]) -> Term:
    """The sum of a product of vectors as an inner product where it is one."""
    coefficient, scalars, body = merged.args if merged.kind == "term" else (Fraction(1), (), merged)
    if body.kind == "epow" and body.args[1] == 2:
        inner = mx.mul(mx.transpose(body.args[0]), body.args[0])
    elif body.kind == "emul":
        first = next((b for b, e in body.args if e == 1), None)
        if first is None:
            return mx.total(merged)
        rest = [(b, e) for b, e in body.args if b is not first]
        inner = mx.mul(mx.transpose(first), mx.elementwise(rest))
    else:
        return mx.total(merged)
    return mx.term(coefficient, scalars, inner)
