"""Derivatives inside expressions: `g'(z)`, `partial(l, 1)(...)`, `grad(loss, W)`, `jac(h, z)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgrad.core.functions import derivative_name
from symgrad.core.node import Node
from symgrad.derive.reverse import reverse
from symgrad.network.reductions import mapped
from symgrad.network.tables import Tables
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Derivative, Partial
from symgrad.notation.words import ELEMENTWISE
from symgrad.ops.arithmetic import filled, total
from symgrad.ops.unknown import unknown

__all__ = ["grad", "jac", "of_function", "shared_lead", "unknown_value"]

HIGHEST_ORDER = 6


def of_function(e: Derivative | Partial, arguments: Sequence[Value], tables: Tables, axes: Axes) -> Value:
    """`g'(z)`, `l'(y, yhat)` (by the last argument), `partial(l, 1, 2)(y, yhat)`."""
    order = e.positions if isinstance(e, Partial) else (len(arguments),) * e.order
    if len(order) > HIGHEST_ORDER:
        raise Fault(f"derivatives of order {HIGHEST_ORDER} at most are taken", e.place)
    f = tables.functions.get(e.function)
    name = f.bound if f is not None and f.bound else e.function
    if f is not None and len(arguments) != f.arguments:
        raise Fault(f"{e.function} takes {f.arguments} argument{'s' if f.arguments != 1 else ''}, found {len(arguments)}", e.place)
    if f is not None and not f.bound:
        return unknown_value(name, order, f.elementwise, arguments, axes)
    if name not in ELEMENTWISE or len(arguments) != 1:
        raise Fault(f"{shown(e)}: the prime is for functions of one number, such as tanh'(z); write grad({name}(...), z)", e.place)
    node, letters = axes.raw(replace(arguments[0], coefficient=arguments[0].coefficient))
    return replace(
        axes.of(_slope(name, node, len(order)), letters),
        lead=arguments[0].lead,
        core=arguments[0].core,
        lying=arguments[0].lying,
        family=arguments[0].family,
    )


def _slope(name: str, node: Node, order: int) -> Node:
    """The derivative of an elementwise function, entry by entry."""
    made = mapped_node(name, node)
    for _ in range(order):
        slope = reverse(total(made), [node]).results[node]
        made = filled("zeros", node.shape) if slope is None else slope
    return made


def mapped_node(name: str, node: Node) -> Node:
    """The function at a node."""
    axes = Axes(place=None)  # type: ignore[arg-type]  # a node alone raises nothing
    return axes.node(mapped(name, axes.of(node), axes))


def shared_lead(values: Sequence[Value]) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """The indices of several values, and where those of each stand among them."""
    lead = tuple(dict.fromkeys(x for v in values for x in v.lead))
    return lead, [tuple(lead.index(x) for x in v.lead) for v in values]


def unknown_value(name: str, order: Sequence[int], elementwise: bool, arguments: Sequence[Value], axes: Axes) -> Value:
    """A declared function, or its derivative by the arguments `order` (counted from 1), at values."""
    if elementwise:
        for _ in order:
            name = derivative_name(name, 1)
        return mapped(name, arguments[0], axes)
    lead, places = shared_lead(arguments)
    return axes.of(unknown(name, order, [axes.node(v) for v in arguments], places), lead)


def _derived(a: Value, b: Value, axes: Axes) -> tuple[Value, Value]:
    """d a / d b with all axes, and b as it stands in the result: its letters that are not those of a are fresh."""
    if len(b.factors) != 1 or b.deltas or b.coefficient != 1:
        target, letters = axes.node(b), (*b.lead, *b.core)
    else:
        target, letters = b.factors[0]
    node, own = axes.raw(a)
    if not a.factors and not a.deltas:
        return number(0), b
    found = reverse(node, [target]).results[target]
    table = {x: axes.fresh(axes.sizes[x]) for x in b.core}
    inner = tuple(table.get(x, x) for x in letters)
    core = tuple(table[x] for x in b.core)
    lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
    if found is None:
        return Value(core=(*a.core, *core), lead=(), coefficient=number(0).coefficient), replace(b, core=core)
    return Value(((found, (*own, *inner)),), (*a.core, *core), lead), replace(b, core=core)


def grad(a: Value, b: Value, axes: Axes) -> Value:
    """The derivative of a scalar, of the shape of b. Raises Fault for what is no scalar."""
    if a.rank:
        raise Fault(f"grad takes a scalar; this has shape {axes.shown(a)}: write jac(...)", axes.place)
    found, b = _derived(a, b, axes)
    return replace(found, core=b.core, lying=b.lying, family=b.family)


def jac(a: Value, b: Value, axes: Axes) -> Value:
    """The derivative in numerator layout: axes of a, then of b; a scalar a has a leading axis of size 1."""
    found, b = _derived(a, b, axes)
    rows = a.core or (axes.fresh(1),)
    return replace(found, core=(*rows, *b.core), split=len(rows))
