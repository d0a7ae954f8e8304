"""Index expressions composed through a graph: nodes opened into sums of products, deltas eliminated, equal factors merged."""
from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, VARIABLE, Node
from symgrad.core.shape import Size
from symgrad.errors import UnsupportedError
from symgrad.ops.arithmetic import filled

__all__ = ["Composer", "Idx", "NoMatrixForm", "Product", "instantiate", "is_call", "is_shifted", "is_turned", "key", "known_facts"]


class NoMatrixForm(UnsupportedError):
    """A value that no product of matrices gives: more than two axes, an affine index, a function of several families."""


class Idx:
    """An index of one size; equality is identity, so nothing can be captured."""

    __slots__ = ("size", "serial")
    _serials = itertools.count()

    def __init__(self, size: Size) -> None:
        self.size, self.serial = size, next(Idx._serials)

    def __str__(self) -> str:
        return f"x{self.serial:09d}"                       # in order of creation: what sorts by it is deterministic

    __repr__ = __str__


Product = tuple[Fraction, list[Idx], list[tuple[eq.Expr, Any]]]
"""coefficient * sum over bound indices of factor ^ exponent ..."""

Summand = tuple[Fraction, tuple[Any, ...], tuple[eq.Expr, ...]]
"""A product before its deltas are eliminated: coefficient, bound indices, factors."""

CALLS = {"softmax": "softmax", "log_softmax": "log_softmax", "logsumexp": "logsumexp", "log_softmax.u": "logsumexp", "norm1": "norm1"}
"""Rows that print as a call, over the last axes."""


def is_call(node: Node) -> bool:
    """Whether a node prints as a call of its row: `softmax(z)` over the last axis."""
    root = node.op.origin[0] if node.op.origin else node.op
    return node.op.name in CALLS and (root.ranks[0] == 1 or node.op is root) and (node.op is root or node.op.name != "norm1")


def known_facts(node: Node) -> frozenset[str]:
    """What is known of a node's value: declared, or by the op it is made with."""
    if node.op.name == "softmax" and is_call(node):
        return frozenset(("simplex", "positive"))
    if node.op.name in ("standardise.d", "standardise", "variance.d") or _is_deviation(node):
        return frozenset(("centered",))                    # deviations from the mean sum to zero along the last axis
    if node.op.name == "sigmoid":
        return frozenset(("logistic",))                    # its slope is s.*(1 - s)
    return frozenset(("onehot",)) if node.op.name == "onehot" else node.facts


def _is_deviation(node: Node) -> bool:
    """Whether a node is x - mean(x) of a vector x, as written by hand."""
    if node.op.name != "subtract" or node.rank != 1 or len(node.operands) != 2:
        return False
    def less(k: int) -> eq.Expr:
        return ("+", (("*", (("n", Fraction(-1)), ("r", k, ()))), ("r", 1 - k, ("o0",))))
    return any(m.op.name == "mean" and not m.rank and m.operands[0] is x and node.op.body == less(k)
               for k, (m, x) in enumerate((node.operands, node.operands[::-1])))


def instantiate(node: Node, index: tuple[eq.Index, ...]) -> eq.Expr:
    """The equation of a node at an index, with its operands for positions and fresh bound indices."""
    op = node.op
    env: dict[eq.Index, eq.Index] = dict(zip(op.out, index, strict=True))
    for name, (operand, axis) in op.axis_of.items():
        if name not in env:
            env[name] = Idx(node.operands[operand].shape[axis])
    def leaf(e: eq.Expr) -> eq.Expr:
        if e[0] == "r":
            return ("r", node.operands[e[1]], eq.substitute(("r", 0, e[2]), env)[2])
        if e[0] == "s":
            return ("s", node.operands[e[1]].shape[e[2]])
        return eq.substitute(e, env) if e[0] == "d" else e
    def visit(e: eq.Expr) -> eq.Expr:
        if e[0] == "S":
            return ("S", tuple(env[b] for b in e[1]), visit(e[2]))
        return leaf(e) if e[0] in "rnksd" else eq.rebuild(e, visit)
    return visit(op.scoped)


def key(e: eq.Expr, env: Mapping[object, int] | None = None) -> tuple[Any, ...]:
    """Equal for expressions that are equal up to the names of bound indices."""
    names, tag = env or {}, e[0]
    def of(i: eq.Index) -> Any:
        if isinstance(i, tuple):
            return (i[1], tuple((of(n), c) for n, c in i[2]))
        return names.get(i, id(i))
    if tag == "r":
        return (tag, id(e[1]), *(of(i) for i in e[2]))
    if tag == "d":
        return (tag, *sorted(map(str, (of(e[1]), of(e[2])))))
    if tag in "nks":
        return e
    if tag == "S":
        names = {**names, **{x: -len(names) - n - 1 for n, x in enumerate(e[1])}}
    return (tag, e[1] if tag == "f" else len(e[1]), *(key(a, names) for a in eq.children(e)))


class Composer:
    """Opens nodes into index expressions. `names`: nodes that stay as they are (they have a name of their own)."""

    widest = 99                                            # axes that a factor may have

    def __init__(self, names: Mapping[Node, str]) -> None:
        self.names = names

    # ------------------------------------------------------------------ which nodes are opened
    def opens(self, node: Node) -> bool:
        """Whether a node's equation is written out where the node is used."""
        if node in self.names or node.op.body is None or node.op in (VARIABLE, NUMBER, SIZE) or is_call(node):
            return False
        tag = node.op.body[0]
        if tag in "+f^":
            return node.rank > 2
        return True

    def is_power(self, node: Node) -> bool:
        """Whether a node is a fixed power of another, which is written as one so that powers of equal bases merge."""
        body = node.op.body
        return body is not None and node not in self.names and body[0] == "^" and body[2][0] == "n"

    def adds_deltas(self, node: Node) -> bool:
        """Whether a node is a sum of its operands' deltas, which meet the sums around it only when it is opened."""
        body = node.op.body
        return body is not None and body[0] == "+" and node not in self.names and any(o.op.has_delta and self.opens(o) for o in node.operands)

    def distributes(self, e: eq.Expr) -> bool:
        """Whether a sum that is a factor must be multiplied out: it holds a delta or more axes than a matrix term has."""
        if len(eq.free(e)) > self.widest:
            return True
        stack = [e]
        while stack:
            x = stack.pop()
            if x[0] == "d" or (x[0] == "r" and x[1].op.has_delta and self.opens(x[1])):
                return True
            stack.extend(eq.children(x) if x[0] in "S+*" else ())
        return False

    # ------------------------------------------------------------------ sums of products
    def products(self, e: eq.Expr) -> list[Product]:
        """e as a sum of products, bound indices free of deltas."""
        settled = (self.settle(c, b, f) for c, b, f in self.spread(e))
        return [p for p in settled if p is not None and p[0] != 0]

    def spread(self, e: eq.Expr) -> list[Summand]:
        """[(coefficient, bound, factors)] with nodes opened and no sum multiplied out unless it must be."""
        tag = e[0]
        if tag == "n":
            return [(e[1], (), ())]
        if tag == "k":
            return [(Fraction("3.141592653589793"), (), ())]     # the notation has no word for pi
        if tag == "r" and e[1].op is NUMBER:
            return [(e[1].data, (), ())]
        if tag == "r" and e[1].op is SIZE:
            return self.spread(("s", e[1].data))
        if tag == "s" and isinstance(e[1], int):
            return [(Fraction(e[1]), (), ())]
        if tag == "r" and (not is_shifted(e) or is_turned(e[1])) and (self.opens(e[1]) or self.is_power(e[1]) or self.adds_deltas(e[1])):
            return self.spread(instantiate(e[1], e[2]))
        if tag == "S":
            return [(c, e[1] + b, f) for c, b, f in self.spread(e[2])]
        if tag == "+":
            return [t for a in e[1] for t in self.spread(a)]
        if tag == "*":
            out: list[Summand] = [(Fraction(1), (), ())]
            for a in e[1]:
                parts = self._factor(a)
                out = [(c * c2, b + b2, f + f2) for c, b, f in out for c2, b2, f2 in parts]
            return out
        if tag == "^":
            return self._power(e)
        return [(Fraction(1), (), (e,))]

    def _factor(self, a: eq.Expr) -> list[Summand]:
        """One factor of a product: kept whole if it is a sum that need not be multiplied out."""
        inner, bound = a, ()
        while inner[0] == "S":
            inner, bound = inner[2], bound + inner[1]
        if inner[0] == "+" and not self.distributes(inner):
            return [(Fraction(1), bound, (inner,))]
        parts = self.spread(a)
        if len(parts) > 1 and a[0] == "r" and a[1].rank <= self.widest and not self.distributes(instantiate(a[1], a[2])):
            return [(Fraction(1), (), (a,))]
        return parts

    def _power(self, e: eq.Expr) -> list[Summand]:
        exponent, base = self.constant(e[2]), e[1]
        whole: list[Summand] = [(Fraction(1), (), (e,))]
        if exponent is None:
            return whole
        if exponent == 0:
            return [(Fraction(1), (), ())]
        if exponent == 1:
            return self.spread(base)
        if base[0] == "^" and exponent == int(exponent):
            inner = self.constant(base[2])
            if inner is not None:
                return self.spread(("^", base[1], ("n", inner * exponent)))
        if base[0] == "r" and self.is_power(base[1]):
            return self.spread(("^", instantiate(base[1], base[2]), ("n", exponent)))
        parts = self.spread(base) if base[0] != "+" else []
        simple = len(parts) == 1 and not parts[0][1] and (exponent == int(exponent) or (parts[0][0] == 1 and len(parts[0][2]) == 1))
        if simple and parts[0][2] != (base,):
            c, _, factors = parts[0]
            if c == 0 and exponent < 0:
                return whole
            out: list[Summand] = [(c ** int(exponent) if c != 1 else Fraction(1), (), ())]
            for f in factors:
                out = [(c1 * c2, b1 + b2, f1 + f2) for c1, b1, f1 in out for c2, b2, f2 in self.spread(("^", f, ("n", exponent)))]
            return out
        return [(Fraction(1), (), (("^", base, ("n", exponent)),))]

    def constant(self, e: eq.Expr) -> Fraction | None:
        """The number an expression is, or None."""
        tag = e[0]
        if tag == "n":
            return e[1]  # type: ignore[no-any-return]  # held in a tuple of mixed kinds
        if tag == "r":
            if e[1].op is NUMBER:
                return e[1].data  # type: ignore[no-any-return]  # held in a tuple of mixed kinds
            closed = not e[2] and e[1].op.body is not None and e[1].op not in (VARIABLE, SIZE) and all(o.op is NUMBER for o in e[1].operands)
            return self.constant(instantiate(e[1], e[2])) if closed else None
        if tag in "+*":
            parts = [p for a in e[1] if (p := self.constant(a)) is not None]
            if len(parts) < len(e[1]):
                return None
            return sum(parts, Fraction(0)) if tag == "+" else math.prod(parts, start=Fraction(1))
        if tag == "^":
            b, x = self.constant(e[1]), self.constant(e[2])
            return None if b is None or x is None or x != int(x) or (b == 0 and x < 0) else b ** int(x)
        return None

    def settle(self, coefficient: Fraction, bound: tuple[Idx, ...], factors: tuple[eq.Expr, ...]) -> Product | None:
        """Deltas that fix a bound index eliminated, powers of equal factors merged; None for an empty product."""
        left, rest = list(bound), [_plain_delta(f) for f in factors]
        n = 0
        while n < len(rest):
            f = rest[n]
            if f[0] == "d":
                if f[1] == f[2]:
                    rest.pop(n)
                    continue
                hit = _fixed(f, left)
                if hit and eq.is_affine(hit[1]) and not _bounded(hit[0], rest):
                    if not any(g[0] == "r" and g[1].op.name == "ones" and g[2] == (hit[0],) for g in rest):
                        rest.insert(0, ("r", filled("ones", (hit[0].size,)), (hit[0],)))     # what is left to tell its range
                        n += 1
                elif hit:
                    left.remove(hit[0])
                    rest.pop(n)
                    rest = [eq.substitute(g, {hit[0]: hit[1]}) for g in rest]
                    n = 0
                    continue
            n += 1
        powers: dict[object, list[Any]] = {}
        for f in rest:
            base, e = (f[1], f[2][1]) if f[0] == "^" and f[2][0] == "n" else (f, Fraction(1))
            if f[0] == "d":
                powers[key(f)] = [f, Fraction(1)]
            else:
                powers.setdefault(key(base), [base, Fraction(0)])[1] += e
        return _known_sums(coefficient, left, [(b, e) for b, e in powers.values() if e])

    # ------------------------------------------------------------------ multiplied out
    def distributed(self, terms: list[Product], backward: set[Node] | None, limit: int = 12) -> list[Product] | None:
        """The terms with every sum that is a factor multiplied out, or None where there is none or too many.

        `backward`: nodes whose sums may be multiplied out; the user's own sums stay as written.
        """
        out: list[Summand] = []
        hit = False
        for c, b, factors in terms:
            parts = [(c, tuple(b), tuple[eq.Expr, ...]())]
            for f, e in factors:
                inner = self._opened_sum(f, backward) if e == 1 else []
                if len(inner) * len(parts) > limit:
                    return None
                if len(inner) > 1:
                    hit = True
                    parts = [(c1 * c2, b1 + tuple(b2), f1 + tuple(("^", g, ("n", x)) if x != 1 else g for g, x in f2))
                             for c1, b1, f1 in parts for c2, b2, f2 in inner]
                else:
                    parts = [(c1, b1, (*f1, ("^", f, ("n", e)) if e != 1 else f)) for c1, b1, f1 in parts]
            out += parts
        settled = [self.settle(*t) for t in out] if hit and len(out) <= limit else []
        return [s for s in settled if s is not None] or None

    def _opened_sum(self, f: eq.Expr, backward: set[Node] | None) -> list[Product]:
        if f[0] == "+":
            return self.products(f)
        if f[0] == "r" and f[1].op.body is not None and f[1] not in self.names and (backward is None or f[1] in backward) \
                and f[1].op.body[0] == "+" and not is_call(f[1]):
            return self.products(instantiate(f[1], f[2]))
        return []


def _plain_delta(f: eq.Expr) -> eq.Expr:
    """A positive power of a delta is the delta."""
    return f[1] if f[0] == "^" and f[1][0] == "d" and f[2][0] == "n" and f[2][1] > 0 else f


def _known_sums(coefficient: Fraction, bound: list[Idx], factors: list[tuple[eq.Expr, Any]]) -> Product | None:
    """Sums along the last axis that are known: 1 of what is simplex or one-hot, 0 of deviations from a mean."""
    for b in list(bound):
        on = [(f, e) for f, e in factors if b in eq.free(f)]
        if len(on) != 1 or on[0][1] != 1 or on[0][0][0] != "r":
            continue
        f = on[0][0]
        if f[2][-1] is not b or b in f[2][:-1]:
            continue
        facts = known_facts(f[1])
        if "centered" in facts:
            return None
        if facts & {"simplex", "onehot"}:
            bound.remove(b)
            factors = [x for x in factors if x[0] is not f]
    return coefficient, bound, factors


def _fixed(delta: eq.Expr, bound: list[Idx]) -> tuple[Idx, eq.Index] | None:
    """(v, index) for a bound index that the delta fixes."""
    (c1, t1), (c2, t2) = eq.affine_parts(delta[1]), eq.affine_parts(delta[2])
    difference = dict(t1)
    for n, c in t2.items():
        difference[n] = difference.get(n, 0) - c
    for v in _candidates(delta, bound):
        c = difference.get(v, 0)
        if c in (1, -1):                                   # v = (the rest) with the sign turned
            return v, eq.affine(-c * (c1 - c2), {n: -c * k for n, k in difference.items() if n is not v})
    return None


def is_turned(node: Node) -> bool:
    """Whether a node is its operand with the axes in another order."""
    body = node.op.body
    return body is not None and body[0] == "r" and len(node.operands) == 1 and sorted(map(str, body[2])) == sorted(node.op.out)


def is_shifted(e: eq.Expr) -> bool:
    """Whether a reference reads at an index with an offset, where it may leave the range; a literal index stays inside."""
    return any(eq.is_affine(i) and eq.index_names(i) for i in e[2])


def _bounded(v: Idx, factors: list[eq.Expr]) -> bool:
    """Whether an array that is a factor is read at v, so that it is zero where v leaves its range; a function of one is not."""
    at = [f for f in factors if f[0] != "d" and v in eq.free(f)]
    return bool(at) and all(f[0] == "r" and v in f[2] and f[1].op.name != "ones" for f in at)


def _candidates(delta: eq.Expr, bound: list[Idx]) -> Iterator[Idx]:
    for i in (delta[1], delta[2]):
        for n in eq.index_names(i):
            if n in bound and isinstance(n, Idx):
                yield n
