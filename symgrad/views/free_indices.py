"""Expressions in components come in; which indices nothing binds goes out, or the sums over them that a `D[...] =` line leaves out."""
from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from symgrad.notation.statements import Definition
from symgrad.notation.syntax import Affine, Binary, Delta, Expression, Index, Negate, Over, operands, walk

__all__ = ["free_indices", "index_names", "with_free_sums"]


def _inside(e: Expression) -> tuple[Affine, ...]:
    return e.indices if isinstance(e, Index) else (e.left, e.right) if isinstance(e, Delta) else ()


def index_names(tree: Expression) -> set[str]:
    """Every name that stands in square brackets."""
    found: set[str] = set()
    for e in walk(tree):
        found.update(name for index in _inside(e) for term in index.terms for name in term.names)
        if isinstance(e, Over):
            found.update(e.indices)
    return found


def free_indices(tree: Expression) -> tuple[str, ...]:
    """The names in square brackets that no sum in the tree binds, in order of appearance."""
    found: dict[str, None] = {}
    waiting: list[tuple[Expression, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        e, bound = waiting.pop()
        found.update(dict.fromkeys(n for index in _inside(e) for term in index.terms for n in term.names if n not in bound))
        within = bound | frozenset(e.indices) if isinstance(e, Over) else bound
        waiting += [(operand, within) for operand in reversed(operands(e))]
    return tuple(found)


def with_free_sums(definition: Definition) -> Expression:
    """The right side of a definition; on a `D[...] =` line, with a sum around each product term that holds an index which nothing binds.

    An index that stands only inside one bracketed factor is summed in its term there: `a[i]*(b[j] + 1)` is a[i]*(sum[j](b[j]) + 1).
    """
    if not definition.sums_free:
        return definition.value
    return _summed(definition.value, frozenset(i.name for i in definition.indices if i.name))


def _summed(e: Expression, bound: Set[str]) -> Expression:
    match e:
        case Negate():
            return replace(e, operand=_summed(e.operand, bound))
        case Binary(operator="+" | "-"):
            return replace(e, left=_summed(e.left, bound), right=_summed(e.right, bound))
    loose = [name for name in free_indices(e) if name not in bound]
    if not loose:
        return e
    homes = [(_is_sum(factor) and above, set(free_indices(factor))) for factor, above in _factors(e)]
    deep = {name for name in loose if [opens for opens, names in homes if name in names] == [True]}
    here = tuple(name for name in loose if name not in deep)
    inner = _in_factors(e, bound | set(here)) if deep else e
    return Over("sum", here, inner, e.place) if here else inner


def _is_sum(e: Expression) -> bool:
    while isinstance(e, Negate):
        e = e.operand
    return isinstance(e, Binary) and e.operator in ("+", "-")


def _factors(e: Expression) -> list[tuple[Expression, bool]]:
    """The factors of a product, each with whether it stands above the line."""
    if isinstance(e, Binary) and e.operator in ("*", ".*"):
        return [*_factors(e.left), *_factors(e.right)]
    return [*_factors(e.left), (e.right, False)] if isinstance(e, Binary) and e.operator in ("/", "./") else [(e, True)]


def _in_factors(e: Expression, bound: Set[str]) -> Expression:
    if isinstance(e, Binary) and e.operator in ("*", ".*"):
        return replace(e, left=_in_factors(e.left, bound), right=_in_factors(e.right, bound))
    if isinstance(e, Binary) and e.operator in ("/", "./"):
        return replace(e, left=_in_factors(e.left, bound))
    return _summed(e, bound) if _is_sum(e) else e
