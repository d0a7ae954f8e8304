"""Reverse mode: one sweep from the output to the variables, every step recorded with its reason."""
from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from symgrad.core import equation as eq
from symgrad.core.differentiation import pullback
from symgrad.core.node import NUMBER, Node, apply, assemble, growing, number_node, topological
from symgrad.core.op import Derived, Op, make_op
from symgrad.core.shape import Shape
from symgrad.derive.cotangent import gather, seed, substituted, total
from symgrad.derive.forward import forward
from symgrad.derive.rules import rule_of
from symgrad.ops.stacking import MERGE

__all__ = ["Dropped", "Reverse", "Step", "reverse"]


class Step(NamedTuple):
    """The cotangent of `node` sent to its operand at `position`: `rule` is the op, `terms` what arrives there."""

    node: Node
    position: int
    cotangent: tuple[Node, ...]
    rule: Derived
    terms: tuple[Node, ...]

    @property
    def operand(self) -> Node:
        """The node that the terms are for."""
        return self.node.operands[self.position]

    @property
    def reason(self) -> str:
        """The rule behind the step, in a few words."""
        return rule_of(self.node.op, self.node.rank)


class Dropped(NamedTuple):
    """A path that contributes nothing, and why."""

    node: Node
    position: int
    reason: str                                            # "independent" of what is asked for, or "flat": slope zero

    @property
    def operand(self) -> Node:
        """The node that gets no term."""
        return self.node.operands[self.position]


@dataclass(frozen=True, slots=True)
class Reverse:
    """What a sweep found: the derivative of `output` by every node of `wrt` (None: identically zero), and how.

    `axes` is how many axes of the output each cotangent carries in front (0 for a gradient).
    """

    output: Node
    wrt: tuple[Node, ...]
    results: dict[Node, Node | None]
    cotangents: dict[Node, Node]
    steps: tuple[Step, ...]
    dropped: tuple[Dropped, ...]
    axes: int


def reverse(output: Node, wrt: Sequence[Node], cotangent: Node | None = None, held: Collection[Node] = ()) -> Reverse:
    """The derivative of `output` by each of `wrt`.

    A scalar output gives gradients of the variables' shapes; another one the Jacobian, axes of the output first. With a `cotangent` (of
    the output's shape) the result is the vector-Jacobian product, of the variables' shapes. held: values that do not move, whatever they
    are computed from: the partial derivative beside them.
    """
    with growing():
        return _swept(output, wrt, cotangent, held)


def _swept(output: Node, wrt: Sequence[Node], cotangent: Node | None, held: Collection[Node]) -> Reverse:
    axes = output.rank if cotangent is None else 0
    lead = output.shape[:axes]
    start = cotangent if cotangent is not None else seed(output.shape) if axes else number_node(1)
    order = topological([output])
    reach = _reach(order, set(wrt), held)
    waiting: dict[Node, list[Node]] = {output: [start]}
    cotangents: dict[Node, Node] = {}
    steps: list[Step] = []
    dropped: list[Dropped] = []
    for node in reversed(order):
        terms = waiting.pop(node, None)
        if terms is None or node not in reach:
            continue
        terms = gather(terms) if len(terms) > 1 else terms
        cotangents[node] = total(terms) if len(terms) > 1 else terms[0]
        cotangent_terms = tuple(terms)
        for position, operand in enumerate(node.operands[: len(node.op.ranks)]):
            if operand not in reach:
                dropped.append(Dropped(node, position, "independent"))
                continue
            rule = pullback(node.op, position)
            if rule is None:
                dropped.append(Dropped(node, position, "flat"))
                continue
            shape = lead + operand.shape if axes else operand.shape
            found = _pull(rule, node, terms[0], axes, shape)
            for c in terms[1:]:
                found += _pull(rule, node, c, axes, shape)
            steps.append(Step(node, position, cotangent_terms, rule, tuple(found)))
            if found:
                waiting.setdefault(operand, []).extend(found)
    results = {w: cotangents.get(w) for w in wrt}
    if axes and any(n.op.name == MERGE for n in order):    # deltas do not go through merged axes; along a single entry there need be none
        results.update({w: forward(output, {w: number_node(1)}) for w in wrt if not w.rank})
    return Reverse(output, tuple(wrt), results, cotangents, tuple(steps), tuple(dropped), axes)


def _reach(order: Sequence[Node], targets: set[Node], held: Collection[Node]) -> set[Node]:
    """The nodes that lead to a target, the targets among them."""
    reach: set[Node] = set()
    for n in order:
        if n in targets or (n not in held and any(o in reach for o in n.operands)):
            reach.add(n)
    return reach


def _pull(rule: Derived, node: Node, cotangent: Node, axes: int, shape: Shape) -> list[Node]:
    """What the rule sends on for one term of the cotangent."""
    op = rule.op
    if not axes and not cotangent.op.has_delta and cotangent.op is not NUMBER:    # the common case, kept short
        operands = [node.operands[s] if s.__class__ is int else cotangent if s == "C" else node for s in rule.sources if s.__class__ is not tuple]
        if len(operands) == len(rule.sources):
            return [apply(op, *operands, shape=shape)]
    at = rule.sources.index("C")
    if axes:
        op = op.lift([tuple(range(axes)) if s == "C" else () for s in rule.sources])
    def pick(source: int | str) -> Node:
        return node.operands[source] if isinstance(source, int) else cotangent if source == "C" else node
    if cotangent.op is NUMBER and cotangent.op.body == eq.ONE and cotangent.data == 1:
        rest = Derived(_at_one(op, at), (*rule.sources[:at], *rule.sources[at + 1:]))
        return [assemble(rest, pick, shape)]
    made = assemble(Derived(op, rule.sources), pick, shape)
    if cotangent.op.has_delta:
        return substituted(op, at, made.operands, shape)
    return [made]


@functools.cache
def _at_one(op: Op, position: int) -> Op:
    """op with a scalar operand set to 1."""
    assert op.body is not None
    def leaf(e: eq.Expr) -> eq.Expr:
        if e[0] not in "rs":
            return e
        return eq.ONE if e[1] == position else (e[0], e[1] - (e[1] > position), *e[2:])
    return make_op(op.name, (*op.ranks[:position], *op.ranks[position + 1:]), op.out, eq.transform(op.body, leaf))
