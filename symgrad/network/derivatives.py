"""Derivatives inside expressions: `g'(z)`, `partial(l, 1)(...)`, `grad(loss, W)`, `jac(h, z)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symgrad.core.functions import derivative_name
from symgrad.core.node import Node, Variable, apply, topological
from symgrad.derive.reverse import reverse
from symgrad.network.reductions import mapped
from symgrad.network.tables import Tables
from symgrad.network.values import Axes, Value
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Derivative, Partial
from symgrad.notation.words import ELEMENTWISE
from symgrad.ops.arithmetic import filled, total
from symgrad.ops.stacking import STACK, stack
from symgrad.ops.unknown import unknown

if TYPE_CHECKING:
    from symgrad.network.calls import Call

__all__ = ["grad", "jac", "of_function", "shared_lead", "unknown_value"]

HIGHEST_ORDER = 6
SELECTING = {"slice", "window", "transpose"}  # ops that only pick entries of one array


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


def _derived(c: Call) -> tuple[Value, Value]:
    """d a / d b with all axes, and b with the core letters that it has there."""
    a, b = c.arguments
    axes = c.axes
    if len(b.factors) != 1 or b.deltas or b.coefficient != 1:
        target, letters = axes.node(b), (*b.lead, *b.core)
    else:
        target, letters = b.factors[0]
    table = {x: axes.fresh(axes.sizes[x]) for x in b.core}
    b = replace(b, core=tuple(table[x] for x in b.core))
    core = (*a.core, *b.core)
    node, own = axes.raw(a)
    found = _derivative(node, target, c) if a.factors or a.deltas else None
    if found is None:
        return Value(core=core, coefficient=Fraction(0)), b
    lead = tuple(dict.fromkeys((*a.lead, *b.lead)))
    return Value(((found, (*own, *(table.get(x, x) for x in letters))),), core, lead), b


def _derivative(node: Node, target: Node, c: Call) -> Node | None:
    """d node / d target, axes of the node first; None where it is zero.

    By entries of an array, or the same array turned, it is those entries of the derivative by the array; by the steps of a recurrence it is
    the derivative by each step, later steps included. Raises Fault for an expression that the node is not made of.
    """
    lead = tuple(range(node.rank))
    if target.op.name in SELECTING and target.op.arity == 1:
        whole = _derivative(node, target.operands[0], c)
        return None if whole is None else apply(target.op.lift([lead]), whole, shape=node.shape + target.shape)
    if target.op.name == STACK:
        found = reverse(node, target.operands).results
        parts = [found[step] for step in target.operands]
        if all(p is None for p in parts):
            return None
        return stack([filled("zeros", node.shape + target.shape[:-1]) if p is None else p for p in parts])
    result = reverse(node, [target]).results[target]
    if result is None and target not in c.kept and not isinstance(target.data, Variable) and target not in topological([node]):
        raise Fault(
            f"{shown(c.e.arguments[0])} is not written in terms of {shown(c.e.arguments[1])}: name it, and use the name in both", c.e.place
        )
    return result


def grad(c: Call) -> Value:
    """The derivative of a scalar, of the shape of what it is derived by. Raises Fault for what is no scalar."""
    a, b = c.arguments
    if a.rank:
        raise Fault(f"grad takes a scalar; this has shape {c.axes.shown(a)}: write jac(...)", c.e.place)
    found, target = _derived(c)
    return replace(found, core=target.core, lying=b.lying, family=b.family)


def jac(c: Call) -> Value:
    """The derivative in numerator layout: axes of a, then of b; a scalar a has a leading axis of size 1."""
    found, target = _derived(c)
    rows = c.arguments[0].core or (c.axes.fresh(1),)
    return replace(found, core=(*rows, *target.core), split=len(rows))
