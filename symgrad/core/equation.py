"""Index equations as plain tuples: the form in which ops are compared, composed, lifted and printed.

An expression is one of

    ("r", k, (i, ...))    operand k at indices (k: a position, or a node once the equation is instantiated)
    ("n", Fraction)       a rational number          ("k", "pi")  a named constant
    ("s", k, axis)        the size of an operand's axis, as a number
    ("d", i, j)           1 where the indices are equal, else 0
    ("S", (b, ...), e)    the sum over bound indices
    ("+", (e, ...))  ("*", (e, ...))  ("^", base, exponent)  ("f", name, (e, ...))

An index is a name (any hashable but a tuple) or an affine combination ("a", constant, ((name, coefficient), ...)).
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

__all__ = [
    "Expr", "Index", "ONE", "ZERO", "affine", "affine_parts", "canonical", "children", "factored", "free", "has_delta", "index_names", "is_affine",
    "number", "rebuild", "references", "scoped", "substitute", "transform", "walk",
]

Expr: TypeAlias = tuple[Any, ...]
Index: TypeAlias = Hashable

ZERO: Expr = ("n", Fraction(0))
ONE: Expr = ("n", Fraction(1))


def number(value: int | Fraction) -> Expr:
    """The expression of a rational number."""
    return ("n", Fraction(value))


def is_affine(index: Index) -> bool:
    """Whether an index is a combination of names rather than one name."""
    return isinstance(index, tuple)


def affine(constant: int, terms: Mapping[Index, int]) -> Index:
    """constant + sum of coefficient * name; a bare name where that is all."""
    kept = tuple((n, c) for n, c in terms.items() if c)
    if constant == 0 and len(kept) == 1 and kept[0][1] == 1:
        return kept[0][0]
    return ("a", constant, tuple(sorted(kept, key=lambda t: str(t[0]))))


def affine_parts(index: Index) -> tuple[int, dict[Index, int]]:
    """(constant, {name: coefficient}) of any index."""
    return (index[1], dict(index[2])) if isinstance(index, tuple) else (0, {index: 1})


def index_names(index: Index) -> tuple[Index, ...]:
    """The names in an index."""
    return tuple(n for n, _ in index[2]) if isinstance(index, tuple) else (index,)


def substitute_index(index: Index, table: Mapping[Index, Index]) -> Index:
    """The index with names replaced by indices."""
    if not isinstance(index, tuple):
        return table.get(index, index)
    constant, terms = index[1], dict[Index, int]()
    for name, c in index[2]:
        add, inner = affine_parts(table.get(name, name))
        constant += c * add
        for n, d in inner.items():
            terms[n] = terms.get(n, 0) + c * d
    return affine(constant, terms)


def children(e: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions."""
    tag = e[0]
    if tag in "+*":
        return e[1]  # type: ignore[no-any-return]  # a tuple by the grammar above
    return (e[2],) if tag == "S" else e[1:] if tag == "^" else e[2] if tag == "f" else ()


def rebuild(e: Expr, f: Callable[[Expr], Expr]) -> Expr:
    """e with f applied to its direct subexpressions."""
    tag = e[0]
    if tag in "+*":
        return (tag, tuple(f(a) for a in e[1]))
    if tag == "S":
        return ("S", e[1], f(e[2]))
    if tag == "^":
        return ("^", f(e[1]), f(e[2]))
    return ("f", e[1], tuple(f(a) for a in e[2])) if tag == "f" else e


def transform(e: Expr, leaf: Callable[[Expr], Expr]) -> Expr:
    """e with every leaf (reference, number, size, delta) replaced by leaf(it)."""
    return leaf(e) if e[0] in "rnksd" else rebuild(e, lambda a: transform(a, leaf))


def walk(e: Expr) -> Iterator[Expr]:
    """All subexpressions, parents first, left to right."""
    stack = [e]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def references(e: Expr) -> list[Expr]:
    """The operand references in order of appearance."""
    return [x for x in walk(e) if x[0] == "r"]


@functools.cache
def has_delta(e: Expr) -> bool:
    """Whether a delta occurs as a factor (not inside a function or a power)."""
    return e[0] == "d" or (e[0] in "+*S" and any(has_delta(a) for a in children(e)))


def substitute(e: Expr, table: Mapping[Index, Index]) -> Expr:
    """e with indices replaced; bound indices are not renamed, so the table must not capture."""
    if e[0] == "r":
        return ("r", e[1], tuple(substitute_index(i, table) for i in e[2]))
    if e[0] == "d":
        return ("d", substitute_index(e[1], table), substitute_index(e[2], table))
    if e[0] == "S":
        return ("S", tuple(table.get(b, b) for b in e[1]), substitute(e[2], table))
    return rebuild(e, lambda a: substitute(a, table))


def scoped(e: Expr) -> Expr:
    """e with every sum's bound indices named apart: sibling sums that share a name may run over different sizes."""
    count = 0
    def visit(x: Expr) -> Expr:
        nonlocal count
        if x[0] != "S":
            return rebuild(x, visit)
        count += 1
        table = {b: f"{b}#{count}" for b in x[1]}
        return ("S", tuple(table.values()), visit(substitute(x[2], table)))
    return visit(e)


def free(e: Expr) -> tuple[Index, ...]:
    """Free index names in order of first appearance."""
    if e[0] == "r":
        return tuple(dict.fromkeys(n for i in e[2] for n in index_names(i)))
    if e[0] == "d":
        return tuple(dict.fromkeys((*index_names(e[1]), *index_names(e[2]))))
    inside = dict.fromkeys(x for a in children(e) for x in free(a))
    return tuple(x for x in inside if e[0] != "S" or x not in e[1])


def canonical(e: Expr) -> Expr:
    """e with bound indices named by nesting depth, products and sums flat and in an order blind to bound names."""
    return _ordered(_named(e, {}, 0))


def factored(e: Expr) -> Expr:
    """A sum with the factors that all its terms share in front: `C*s - s*t` is `s*(C - t)`."""
    if e[0] != "+":
        return e
    shared: dict[Expr, Fraction] | None = None
    terms = [_powers(a) for a in e[1]]
    for powers in terms:
        if shared is None:
            shared = dict(powers)
        for base in list(shared):
            p, q = shared[base], powers.get(base, Fraction(0))
            if p * q <= 0:
                del shared[base]
            else:
                shared[base] = min(p, q) if p > 0 else max(p, q)
    if not shared:
        return e
    rest = [("*", tuple(_power(b, p - shared.get(b, Fraction(0))) for b, p in powers.items())) for powers in terms]
    return canonical(("*", (*(_power(b, p) for b, p in shared.items()), ("+", tuple(rest)))))


def _powers(e: Expr) -> dict[Expr, Fraction]:
    """A product as {factor: exponent}; numbers stay whole."""
    found: dict[Expr, Fraction] = {}
    for f in e[1] if e[0] == "*" else (e,):
        base, p = (f[1], f[2][1]) if f[0] == "^" and f[2][0] == "n" else (f, Fraction(1))
        found[base] = found.get(base, Fraction(0)) + p
    return found


def _power(base: Expr, exponent: Fraction) -> Expr:
    return ONE if exponent == 0 else base if exponent == 1 else ("^", base, ("n", exponent))


def _named(e: Expr, names: Mapping[Index, Index], depth: int) -> Expr:
    if e[0] != "S":
        return substitute(e, names) if e[0] in "rd" else rebuild(e, lambda a: _named(a, names, depth))
    bound, body = list(e[1]), e[2]
    while body[0] == "S":                                  # a sum of a sum is one sum
        bound, body = bound + list(body[1]), body[2]
    order = {n: k for k, n in enumerate(free(body))}       # by first appearance, so that equal sums get equal names
    bound.sort(key=lambda b: order.get(b, len(order)))
    new = tuple(f"b{depth + k}" for k in range(len(bound)))
    return ("S", new, _named(body, {**names, **dict(zip(bound, new, strict=True))}, depth + len(new)))


def _ordered(e: Expr) -> Expr:
    e = rebuild(e, _ordered)
    if e[0] not in "+*":
        return ZERO if e[0] == "S" and e[2] == ZERO else e
    flat: list[Expr] = []
    for a in e[1]:
        flat.extend(a[1] if a[0] == e[0] else (a,))
    unit = ZERO if e[0] == "+" else ONE
    numbers = [a[1] for a in flat if a[0] == "n"]
    total = sum(numbers, Fraction(0)) if e[0] == "+" else functools.reduce(lambda x, y: x * y, numbers, Fraction(1))
    rest = sorted((a for a in flat if a[0] != "n"), key=_order_key)
    if e[0] == "*" and total == 0:
        return ZERO
    parts = [("n", total), *rest] if ("n", total) != unit else rest
    return unit if not parts else parts[0] if len(parts) == 1 else (e[0], tuple(parts))


@functools.cache
def _order_key(e: Expr) -> tuple[str, str]:
    return _blind(e), repr(e)


def _blind(e: Expr) -> str:
    """A text that does not see the names of bound indices."""
    def show(index: Index) -> str:
        if isinstance(index, tuple):
            return f"{index[1]}" + "".join(f"+{c}{show(n)}" for n, c in index[2])
        return "b" if isinstance(index, str) and index[0] == "b" else str(index)
    if e[0] == "r":
        return f"r{e[1]}[{','.join(map(show, e[2]))}]"
    if e[0] == "d":
        return f"d[{show(e[1])},{show(e[2])}]"
    if e[0] in "nks":
        return repr(e)
    return f"{e[0]}{e[1] if e[0] == 'f' else len(e[1]) if e[0] == 'S' else ''}({','.join(_blind(a) for a in children(e))})"
