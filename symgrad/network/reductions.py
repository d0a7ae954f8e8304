"""Values come in; their sums, means, norms and other reductions over letters go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from symgrad.core.node import number_node, size_node
from symgrad.network.values import Axes, Value
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Over
from symgrad.ops.arithmetic import constant_of, map_function, power
from symgrad.ops.extrema import extremum
from symgrad.ops.reduction import reduce

__all__ = ["count", "mapped", "over", "reciprocal", "reduced", "whole"]


def reduced(name: str, v: Value, gone: Sequence[str], axes: Axes, *others: Value) -> Value:
    """A row of the library, or max, min, prod, over letters of the core or the lead; it keeps its shape or loses these letters."""
    node, letters = axes.raw(v)
    if not set(gone) <= set(letters):
        node, letters = axes.node(v), (*v.lead, *v.core)
    places = [letters.index(x) for x in gone]
    if name in ("max", "min", "prod"):
        made = extremum(name, node, places)
    else:
        made = reduce(name, node, places, *(axes.node(o) for o in others))
    if made.rank == len(letters):
        return replace(axes.of(made, letters), lead=v.lead, core=v.core, lying=v.lying, family=v.family)
    rest = [x for x in letters if x not in gone]
    return replace(axes.of(made, rest), lead=tuple(x for x in v.lead if x not in gone), core=tuple(x for x in v.core if x not in gone))


def whole(name: str, v: Value, axes: Axes) -> Value:
    """A reduction of a whole array: `sum(X)`, `norm2(x)`."""
    if v.fits:
        raise Fault(f"the size of {v.fits}(1) follows from nothing here: write ones(n)", axes.place)
    if not v.rank:
        if name.startswith("norm"):
            return mapped("abs", v, axes)
        return replace(v, family=())
    if name == "sum":
        return replace(axes.total(axes.forced(v) if v.bound else v, v.core), family=(), lying=False, split=None)
    return replace(reduced("norm2" if name == "normF" else name, v, v.core, axes), family=(), lying=False, split=None)


def over(e: Over, v: Value, letters: tuple[str, ...], axes: Axes) -> Value:
    """`sum[i, j](v)` and its like."""
    v = replace(v, family=v.family)
    if e.reducer == "sum":
        return axes.total(v, letters)
    held = tuple(x for x in letters if x in v.lead)
    if e.reducer == "mean" and held and len(v.factors) + len(v.deltas) > 1:
        return axes.times(axes.total(v, held), reciprocal(count(held, axes), axes), v.core)
    if e.reducer == "var" and not held:
        return Value(core=v.core, coefficient=Fraction(0))
    if e.reducer == "prod" and len(held) < len(letters):
        raise Fault(
            f"this product runs over an index that {'' if v.factors else 'its factor does'} not occur in it: write a power", e.place
        )
    return reduced({"var": "variance"}.get(e.reducer, e.reducer), v, held, axes) if held else v


def count(letters: Sequence[str], axes: Axes) -> Value:
    """The product of the sizes of letters."""
    found = Value()
    for x in letters:
        node = size_node(axes.size(x))
        constant = constant_of(node)
        found = (
            replace(found, coefficient=found.coefficient * constant)
            if constant is not None
            else replace(found, factors=(*found.factors, (node, ())))
        )
    return found


def reciprocal(v: Value, axes: Axes) -> Value:
    """1 / v for a scalar without indices."""
    if not v.factors:
        return replace(v, coefficient=1 / v.coefficient)
    node = axes.node(replace(v, coefficient=Fraction(1)))
    return replace(axes.of(power((node, ()), (number_node(-1), ()), ())), coefficient=1 / v.coefficient)


def mapped(name: str, v: Value, axes: Axes) -> Value:
    """A function of numbers, entry by entry."""
    node, letters = axes.raw(v)
    return replace(
        axes.of(map_function(name, node), letters), lead=v.lead, core=v.core, lying=v.lying, family=v.family, fits=v.fits, split=v.split
    )
