"""Ops: one index equation each, interned, with lifted forms and cached derivatives that are ops again."""
from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from symgrad.core import equation as eq
from symgrad.core.naming import product_name

__all__ = ["Derived", "Line", "Op", "Rule", "Source", "make_op", "structured_op"]

Source: TypeAlias = "int | str | tuple[Op, tuple[Source, ...]]"
"""Where an operand of a derived op comes from: operand position, "C" the cotangent, "T" the tangent, "Y" the output, or an op applied."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A pullback or pushforward: an op and where its operands come from."""

    op: Op
    sources: tuple[Source, ...]


Rule = Callable[[int], Derived | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A named intermediate of an op: name[index] = body, over the operands and the lines before it; a node the forward pass keeps."""

    name: str
    index: tuple[str, ...]
    body: eq.Expr
    positive: bool = False


@dataclass(frozen=True, eq=False)
class Op:
    """out[o0, o1, ...] = body over operands 0, 1, ...; intermediates follow as further operands.

    Invariant: equal equations of one name are one object (`make_op`), so ops compare by identity.
    A structured op (inverse, determinant) has no body: `rule` gives its pullbacks as ops, `signature` its index pattern.
    """

    name: str
    ranks: tuple[int, ...]
    out: tuple[str, ...]
    body: eq.Expr | None
    where: tuple[Line, ...] = ()
    positive: bool = False                                 # the output is positive (a norm, an exponential)
    reuse: bool = True                                     # derivatives may be written in terms of the output
    rule: Rule | None = None
    signature: tuple[tuple[str, ...], ...] = ()
    origin: tuple[Op, tuple[tuple[int, ...], ...]] | None = None   # the op this one is lifted from
    order: int = 0                                         # derivative order of an unknown function's op
    _lines: dict[int, Derived] = field(default_factory=dict, repr=False)
    _lifts: dict[tuple[tuple[tuple[int, ...], ...], int], Op] = field(default_factory=dict, repr=False)
    _derived: dict[Hashable, Derived | None] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @property
    def arity(self) -> int:
        """How many operands the caller gives; intermediates are added to them."""
        return len(self.ranks)

    @functools.cached_property
    def has_delta(self) -> bool:
        """Whether the output holds a delta, so that it should be composed into what uses it, never materialised."""
        return self.body is not None and eq.has_delta(self.body)

    @functools.cached_property
    def scoped(self) -> eq.Expr:
        """The body with the bound indices of different sums named apart."""
        assert self.body is not None
        return eq.scoped(self.body)

    @functools.cached_property
    def patterns(self) -> tuple[tuple[str, int, int], ...]:
        """(index name, operand, axis) wherever an operand is read at a plain index: what sizes follow from."""
        if self.body is None:
            return tuple((n, k, a) for k, names in enumerate(self.signature) for a, n in enumerate(names))
        found = dict.fromkeys(
            (name, r[1], axis) for r in eq.references(self.scoped) for axis, name in enumerate(r[2]) if isinstance(name, str))
        return tuple(found)

    @functools.cached_property
    def twins(self) -> dict[str, str]:
        """index name -> one of the same size that a delta equates it with."""
        pairs = [(e[1], e[2]) for e in eq.walk(self.scoped) if e[0] == "d"] if self.body is not None else []
        plain = [(i, j) for i, j in pairs if isinstance(i, str) and isinstance(j, str)]
        return {**{j: i for i, j in plain}, **dict(plain)}

    @functools.cached_property
    def axis_of(self) -> dict[str, tuple[int, int]]:
        """index name -> (operand, axis) that gives its size."""
        found: dict[str, tuple[int, int]] = {}
        for name, operand, axis in self.patterns:
            found.setdefault(name, (operand, axis))
        for name, twin in self.twins.items():
            if name not in found and twin in found:
                found[name] = found[twin]
        return found

    def line_op(self, number: int) -> Derived:
        """The op of an intermediate and the operand positions it reads."""
        if number not in self._lines and self.origin is not None:   # so that it is known as the lifted form of the original line
            root, patterns = self.origin
            found = root.line_op(number)
            read = [patterns[k] for k in found.sources if isinstance(k, int)]
            axes = sorted({a for p in read for a in p})
            self._lines[number] = Derived(found.op.lift([tuple(axes.index(a) for a in p) for p in read]), found.sources)
        if number not in self._lines:
            line = self.where[number]
            used = sorted({r[1] for r in eq.references(line.body)} | {e[1] for e in eq.walk(line.body) if e[0] == "s"})
            place = {k: n for n, k in enumerate(used)}
            ranks = (*self.ranks, *(len(w.index) for w in self.where))
            body = eq.transform(line.body, lambda e: (e[0], place[e[1]], *e[2:]) if e[0] in "rs" else e)
            op = make_op(f"{self.name}.{line.name}", tuple(ranks[k] for k in used), line.index, body, positive=line.positive)
            self._lines[number] = Derived(op, tuple(used))
        return self._lines[number]

    def lift(self, patterns: Sequence[tuple[int, ...]], count: int = 0) -> Op:
        """The op with leading axes 0, 1, ... (examples, rows, the axes of a Jacobian's output) on the output.

        `patterns[k]` names the leading axes that operand k carries, in front of its own; the output has all that are named, or `count`.
        """
        count = max(count, 1 + max((a for p in patterns for a in p), default=-1))
        if not count:
            return self
        key = (tuple(patterns), count)
        if key not in self._lifts:
            self._lifts[key] = _lifted(self, tuple(patterns), count)
        return self._lifts[key]

    def derived(self, kind: Hashable, operand: int, derive: Callable[[Op, int], Derived | None]) -> Derived | None:
        """The derivative of the given kind by an operand, computed once."""
        key = (kind, operand)
        if key not in self._derived:
            self._derived[key] = derive(self, operand)
        return self._derived[key]


_TABLE: dict[object, Op] = {}


def make_op(name: str, ranks: Sequence[int], out: Sequence[str], body: eq.Expr, where: Sequence[Line] = (), *, positive: bool = False,
            reuse: bool = True, origin: tuple[Op, tuple[tuple[int, ...], ...]] | None = None) -> Op:
    """The op of an equation: out[...] = body, with operands by position and any names for the indices."""
    def settled(index: Sequence[str], e: eq.Expr) -> eq.Expr:
        return eq.canonical(eq.substitute(_fresh_bound(e), {o: f"o{n}" for n, o in enumerate(index)}))
    lines = tuple(Line(w.name, tuple(f"o{n}" for n in range(len(w.index))), settled(w.index, w.body), w.positive) for w in where)
    names = tuple(f"o{n}" for n in range(len(out)))
    body = settled(out, body)
    name = product_name(body, names) or name
    key = (name, tuple(ranks), names, body, lines, positive, reuse)
    op = _TABLE.get(key)
    if op is None:
        op = _TABLE[key] = Op(name, tuple(ranks), names, body, lines, positive, reuse, origin=origin)
    return op


def structured_op(name: str, signature: Sequence[tuple[str, ...]], out: tuple[str, ...], rule: Rule, *, positive: bool = False,
                  order: int = 0, origin: tuple[Op, tuple[tuple[int, ...], ...]] | None = None) -> Op:
    """An op without an index equation; equal index names in the signature are equal sizes."""
    key = ("structured", name, tuple(signature), out)
    op = _TABLE.get(key)
    if op is None:
        op = _TABLE[key] = Op(name, tuple(map(len, signature)), out, None, positive=positive, rule=rule, signature=tuple(signature),
                              origin=origin, order=order)
    return op


def _fresh_bound(e: eq.Expr) -> eq.Expr:
    """Bound indices renamed apart from any output name."""
    bound = {b for x in eq.walk(e) if x[0] == "S" for b in x[1]}
    return eq.substitute(e, {b: f"_{b}" for b in bound}) if bound else e


def _lifted(op: Op, patterns: tuple[tuple[int, ...], ...], count: int) -> Op:
    lead = tuple(f"l{n}" for n in range(count))
    patterns = patterns + tuple(_line_leads(op, patterns))
    def axes(k: int) -> tuple[str, ...]:
        return tuple(lead[a] for a in patterns[k])
    ranks = tuple(r + len(patterns[k]) for k, r in enumerate(op.ranks))
    if op.body is None:
        signature = tuple(axes(k) + s for k, s in enumerate(op.signature))
        return structured_op(op.name, signature, lead + op.out, lambda k: _lifted_rule(op, patterns, k, count), positive=op.positive, order=op.order,
                             origin=(op, patterns))
    def body(e: eq.Expr) -> eq.Expr:
        return eq.transform(e, lambda x: ("r", x[1], axes(x[1]) + x[2]) if x[0] == "r"
                            else ("s", x[1], x[2] + len(patterns[x[1]])) if x[0] == "s" else x)
    where = [Line(w.name, axes(len(op.ranks) + n) + w.index, body(w.body), w.positive) for n, w in enumerate(op.where)]
    return make_op(op.name, ranks, lead + op.out, body(op.body), where, positive=op.positive, reuse=op.reuse, origin=(op, patterns))


def _lifted_rule(op: Op, patterns: tuple[tuple[int, ...], ...], operand: int, count: int) -> Derived | None:
    """The pullback of a lifted structured op."""
    found = op.rule(operand) if op.rule is not None else None
    return lift_derived(found, patterns, operand, count) if found is not None else None


def _line_leads(op: Op, patterns: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """The leading axes of each intermediate: those of the operands it reads."""
    leads: list[tuple[int, ...]] = []
    for w in op.where:
        read = {r[1] for r in eq.references(w.body)}
        leads.append(tuple(sorted({a for k in read for a in (patterns + tuple(leads))[k]})))
    return leads


def lift_derived(d: Derived, patterns: tuple[tuple[int, ...], ...], operand: int | None, count: int) -> Derived:
    """The derivative of a lifted op from that of the op: lifted, and summed over the leading axes that the operand lacks.

    `operand` None: a pushforward, whose output carries all leading axes.
    """
    every = tuple(range(count))
    def lead_of(s: Source) -> tuple[int, ...]:
        if isinstance(s, tuple):
            return tuple(sorted({a for x in s[1] for a in lead_of(x)}))
        return patterns[s] if isinstance(s, int) else every
    def source(s: Source) -> Source:
        return (s[0].lift([lead_of(x) for x in s[1]]), tuple(source(x) for x in s[1])) if isinstance(s, tuple) else s
    leads = [lead_of(s) for s in d.sources]
    lifted = d.op.lift(leads, 0 if operand is not None else count)
    missing = [a for a in range(count) if operand is not None and a not in patterns[operand] and any(a in p for p in leads)]
    if missing:
        assert lifted.body is not None
        gone = tuple(f"o{a}" for a in missing)
        lifted = make_op(lifted.name, lifted.ranks, tuple(o for o in lifted.out if o not in gone), ("S", gone, lifted.body))
    return Derived(lifted, tuple(source(s) for s in d.sources))
