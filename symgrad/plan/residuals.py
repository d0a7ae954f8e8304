"""Outputs and gradients in; a plan out: the steps in order, what the backward pass reuses, when each value is freed, what it all costs."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import sympy as sp

from symgrad.core.display import Shown
from symgrad.core.node import Node, Variable, growing
from symgrad.core.shape import shape_text, size_expression
from symgrad.core.table import aligned
from symgrad.plan.cost import flops, is_view, node_bytes, undominated
from symgrad.plan.order import is_leaf, name_nodes, operands_read, ordered, reads, settled

__all__ = ["Cached", "Plan", "PlanStep", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One value computed. `operands` as they stand in the call, `reads` each once; of a backward step, `reuses` those computed forward.

    `frees`: names of values that nothing after this step reads. `flops` and `bytes` (float64) are polynomials in the sizes.
    """

    number: int
    node: Node
    name: str
    phase: str                                             # "forward" or "backward"
    operands: tuple[str, ...]
    reads: tuple[str, ...]
    reuses: tuple[str, ...]
    frees: tuple[str, ...]
    flops: sp.Expr
    bytes: sp.Expr


@dataclass(frozen=True, slots=True)
class Cached:
    """A forward value that the backward pass reads.

    `made`: the step that makes it. `read_by`: the backward steps that read it. `freed`: the step it is freed after, None for an answer.
    """

    name: str
    node: Node
    made: int
    read_by: tuple[int, ...]
    freed: int | None
    bytes: sp.Expr


@dataclass(frozen=True)
class Plan(Shown):
    """Steps in order of computation, numbered from 1.

    Costs are sympy expressions in the sizes. Memory counts float64 and leaves the inputs out, which the caller holds.
    """

    steps: tuple[PlanStep, ...]
    uses: tuple[tuple[Node, int], ...]                     # node -> how often it would be computed if nothing were shared
    kept: frozenset[Node]
    length: tuple[str, int] | None = None                  # the size whose name counts the steps of a recurrence, and the steps written out
    longer: tuple[Plan, ...] = ()                          # then the plan for one step more

    @cached_property
    def cached(self) -> dict[str, Cached]:
        """The forward values that the backward pass reads, by name, in order of computation."""
        made = {s.name: s for s in self.steps}
        readers: dict[str, list[int]] = {}
        freed = {name: s.number for s in self.steps for name in s.frees}
        for s in self.steps:
            for name in s.reuses:
                readers.setdefault(name, []).append(s.number)
        return {s.name: Cached(s.name, s.node, s.number, tuple(readers[s.name]), freed.get(s.name), s.bytes)
                for s in made.values() if s.name in readers}

    @cached_property
    def flops(self) -> sp.Expr:
        """The operations of all steps; they are linear in the length of a recurrence, which two lengths tell where it is a name."""
        own, *longer = (_weighted((s.node, 1) for s in p.steps) for p in (self, *self.longer))
        if self.length is None:
            return own
        size = size_expression(self.length[0])
        first, second = (c.subs(size, self.length[1] + k) for k, c in enumerate((own, longer[0])))
        return sp.expand(first + (size - self.length[1]) * (second - first))

    @cached_property
    def flops_without_reuse(self) -> sp.Expr:
        """The operations if every answer were computed by a chain of its own, and every value anew wherever it is read.

        Of a recurrence whose length is a name: of the steps that are written out, for no polynomial in it holds them.
        """
        return _weighted(self.uses)

    @property
    def saving(self) -> sp.Expr:
        """The operations that reuse saves."""
        return sp.expand(self.flops_without_reuse - self.flops)

    @cached_property
    def peak_bytes(self) -> sp.Expr:
        """The most bytes held at once, inputs left out; a Max where it depends on the sizes which step that is.

        Of a recurrence whose length is a name: by the steps that are written out.
        """
        live: Counter[sp.Expr] = Counter()
        sizes = {s.name: s.bytes for s in self.steps}
        front: list[dict[sp.Expr, int]] = []
        for s in self.steps:
            live[s.bytes] += 1
            if s.frees or s is self.steps[-1]:
                here = {k: n for k, n in live.items() if n and k}
                while len(front) > 1 and _between(front[-2], front[-1], here):
                    front.pop()
                front.append(here)
            for name in s.frees:
                live[sizes[name]] -= 1
        best = [sp.Add(*[k * n for k, n in f.items()]) for f in undominated(front)] if front else []
        return best[0] if len(best) == 1 else sp.Max(*best, evaluate=False) if best else sp.S.Zero

    def rows(self) -> list[tuple[str, ...]]:
        """Step, value, shape, computed by, reuses, frees, operations: the table, a header first."""
        def made(s: PlanStep) -> str:
            return f"{s.node.op.name}({', '.join(s.operands)})"
        head = ("step", "value", "shape", "computed by", "reuses", "frees", "operations")
        return [head, *((str(s.number), s.name, shape_text(s.node.shape), made(s), ", ".join(s.reuses),
                         ", ".join(s.frees), str(s.flops)) for s in self.steps)]

    def __str__(self) -> str:
        head, *rows = self.rows()
        lines = aligned([head, *rows])
        turn = next((n for n, s in enumerate(self.steps) if s.phase == "backward"), None)
        if turn is not None:
            lines.insert(turn + 1, "backward pass")
        lines.insert(1, "forward pass")
        kept = ", ".join(f"{c.name} (step {c.made}, for {', '.join(map(str, c.read_by))})" for c in self.cached.values())
        totals = [("cached", kept or "nothing"), ("operations", str(self.flops)), ("without reuse", str(self.flops_without_reuse)),
                  ("peak memory", f"{self.peak_bytes} bytes")]
        return "\n".join([*lines, *aligned([(f"{a}:", b) for a, b in totals])])


def _between(left: Mapping[sp.Expr, int], middle: Mapping[sp.Expr, int], right: Mapping[sp.Expr, int]) -> bool:
    """Whether a weighted mean of left and right covers middle, so that middle is never the largest of the three."""
    low, high = Fraction(0), Fraction(1)                   # of the weight of `left`
    for k in {**left, **middle, **right}:
        slope, gap = left.get(k, 0) - right.get(k, 0), middle.get(k, 0) - right.get(k, 0)
        if slope > 0:
            low = max(low, Fraction(gap, slope))
        elif slope < 0:
            high = min(high, Fraction(gap, slope))
        elif gap > 0:
            return False
    return low <= high


def _weighted(counts: object) -> sp.Expr:
    total: Counter[sp.Expr] = Counter()
    for node, n in counts:  # type: ignore[attr-defined]  # pairs of a node and a count
        total[flops(node)] += n
    return sp.expand(sp.Add(*[cost * n for cost, n in total.items()]))


def make_plan(forward_outputs: Sequence[Node], gradients: Mapping[str, Node], names: Mapping[Node, str]) -> Plan:
    """The plan that computes the forward outputs and then the gradients, which are named by what they are derived by.

    names: of nodes of both passes; others are called `d_W1`, t1, t2, ...
    """
    with growing():
        return _planned(forward_outputs, gradients, names)


def _planned(forward_outputs: Sequence[Node], gradients: Mapping[str, Node], names: Mapping[Node, str]) -> Plan:
    answers = [settled(n) for n in (*forward_outputs, *gradients.values())]
    order, forward = ordered(forward_outputs, list(gradients.values()))
    called = name_nodes(order, names, gradients)
    computed = [n for n in order if not is_leaf(n)]
    frees = _frees(computed, set(answers))
    steps: list[PlanStep] = []
    for n in computed:
        below = reads(n)
        phase = "forward" if n in forward else "backward"
        reuses = tuple(called[o] for o in below if phase == "backward" and o in forward and not is_leaf(o))
        shown = tuple(called[o] if o in called else str(o.data) for o in operands_read(n))
        freed = tuple(called[o] for o in frees.get(n, ()))
        distinct = tuple(dict.fromkeys(shown))
        steps.append(PlanStep(len(steps) + 1, n, called[n], phase, shown, distinct, reuses, freed, flops(n), node_bytes(n)))
    return Plan(tuple(steps), tuple(_unshared(order, answers)), frozenset(answers))


def _owner(node: Node) -> Node:
    """The node whose memory a view shares."""
    while is_view(node) and not isinstance(node.data, Variable):
        node = reads(node)[0]
    return node


def _frees(computed: Sequence[Node], answers: set[Node]) -> dict[Node, list[Node]]:
    """step -> the values that can be freed after it; a value lives as long as its views."""
    last: dict[Node, Node] = {}
    for n in computed:
        last[n] = n
        for o in reads(n):
            last[o] = n
    place = {n: k for k, n in enumerate(computed)}
    for n in reversed(computed):
        owner = _owner(n)
        if owner is not n and owner in place:
            last[owner] = max(last[owner], last[n], key=place.__getitem__)
    held = answers | {_owner(a) for a in answers}
    found: dict[Node, list[Node]] = {}
    for n in computed:
        if n not in held:
            found.setdefault(last[n], []).append(n)
    return found


def _unshared(order: Sequence[Node], answers: Sequence[Node]) -> list[tuple[Node, int]]:
    """How often each node is computed along the trees of all answers: a count of paths, one addition an edge."""
    uses: Counter[Node] = Counter(answers)
    for n in reversed(order):
        for o in reads(n):
            uses[o] += uses[n]
    return [(n, uses[n]) for n in order if not is_leaf(n)]


