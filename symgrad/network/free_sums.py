"""The right side of a `D[...] =` line comes in; the same with every index that nothing binds summed in its product term goes out.

A term is what stands between `+` and `-`, inside brackets too: the sum is put around the smallest term that holds all its index's places.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from symgrad.notation.syntax import Binary, Delta, Expression, Index, Negate, Over, operands, rebuilt, walk

__all__ = ["summed"]


def summed(e: Expression, bound: Collection[str], is_index: Callable[[str], bool]) -> Expression:
    """The expression with its free indices summed; `bound` are those of the left side, `is_index` tells sizes apart."""
    free: dict[int, dict[str, None]] = {}
    for x in walk(e):  # operands first
        names = dict.fromkeys(n for o in operands(x) for n in free[id(o)])
        if isinstance(x, Index | Delta):
            indices = x.indices if isinstance(x, Index) else (x.left, x.right)
            names |= dict.fromkeys(n for i in indices for t in i.terms for n in t.names if n not in bound and is_index(n))
        free[id(x)] = {n: None for n in names if not (isinstance(x, Over) and n in x.indices)}
    return _placed(e, tuple(free[id(e)]), lambda x: free[id(x)]) if free[id(e)] else e


def _placed(e: Expression, names: tuple[str, ...], free: Callable[[Expression], Collection[str]]) -> Expression:
    """e with a sum over each of the names, which are free in it; recursion is as deep as brackets with sums are nested."""
    spine: list[tuple[Binary | Negate, Expression | None]] = []
    while isinstance(e, Negate) or (isinstance(e, Binary) and e.operator in ("+", "-")):
        spine.append((e, e.right if isinstance(e, Binary) else None))
        e = e.left if isinstance(e, Binary) else e.operand
    done = _term(e, tuple(n for n in names if n in free(e)), free)
    for parent, right in reversed(spine):
        if isinstance(parent, Binary) and right is not None:
            done = replace(parent, left=done, right=_placed(right, tuple(n for n in names if n in free(right)), free))
        elif isinstance(parent, Negate):
            done = replace(parent, operand=done)
    return done


def _term(e: Expression, names: tuple[str, ...], free: Callable[[Expression], Collection[str]]) -> Expression:
    if not names:
        return e
    inner = _sums_inside(e)
    for x in inner:
        own = tuple(n for n in names if n in free(x) and not _outside(e, x, n, free))
        if own:
            e = _exchanged(e, x, _placed(x, own, free))
            names = tuple(n for n in names if n not in own)
            break
    return Over("sum", names, e, e.place) if names else e


def _sums_inside(e: Expression) -> list[Expression]:
    """The outermost sums strictly inside a term."""
    found: list[Expression] = []
    waiting = list(operands(e))
    while waiting:
        x = waiting.pop()
        if isinstance(x, Binary) and x.operator in ("+", "-"):
            found.append(x)
        else:
            waiting.extend(operands(x))
    return found


def _outside(e: Expression, inner: Expression, name: str, free: Callable[[Expression], Collection[str]]) -> bool:
    """Whether a name is used in e outside `inner`."""
    waiting = [e]
    while waiting:
        x = waiting.pop()
        if x is inner:
            continue
        if isinstance(x, Index | Delta):
            indices = x.indices if isinstance(x, Index) else (x.left, x.right)
            if any(name in t.names for i in indices for t in i.terms):
                return True
        waiting.extend(operands(x))
    return False


def _exchanged(e: Expression, old: Expression, new: Expression) -> Expression:
    """e with one subexpression replaced."""
    if e is old:
        return new
    return rebuilt(e, [_exchanged(x, old, new) for x in operands(e)])
