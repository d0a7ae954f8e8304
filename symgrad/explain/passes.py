"""The boxes and arrows of a picture in; the forward and the backward pass out, step by step, as moments."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from symgrad.core.node import Node
from symgrad.explain.diagram import Moment
from symgrad.explain.document import Math
from symgrad.explain.formulas import equated
from symgrad.explain.scope import Scope
from symgrad.explain.values import ends
from symgrad.views.text import sides

__all__ = ["Way", "added", "backward_moments", "forward_moments"]


@dataclass(eq=False)
class Way:
    """What has been drawn: ids of boxes by value, numbers of arrows by (kind, tail, head), formulas of boxes and what comes back along arrows."""

    scope: Scope
    ids: Mapping[Node, tuple[str, ...]]
    formulas: Mapping[Node, str]
    numbers: Mapping[tuple[str, Node, Node], int] = field(default_factory=dict)

    def arrows(self, kind: str, ends: Iterable[tuple[Node, Node]]) -> tuple[int, ...]:
        """The numbers of the arrows between values that are there."""
        return tuple(self.numbers[kind, tail, head] for tail, head in ends if (kind, tail, head) in self.numbers)


def forward_moments(way: Way) -> list[Moment]:
    """The inputs, then every value in the order it is computed in."""
    scope = way.scope
    given = [n for n in way.ids if not n.operands]
    made = [n for n in way.ids if n.operands]
    moments = []
    if given:
        listed = [scope.name(n) for n in given[:8]]
        more = len(given) > len(listed)
        moments.append(Moment("the values that are given", r",\; ".join(m.tex for m in listed) + r",\; \dots" * more,
                              ", ".join(m.notation for m in listed) + ", ..." * more, tuple(i for n in given for i in way.ids[n])))
    for number, n in enumerate(made, 1):
        line = scope.typeset.equation(way.formulas[n]) if way.formulas.get(n) else scope.name(n)
        moments.append(Moment(f"forward pass, step {number} of {len(made)}", line.tex, line.notation, way.ids[n],
                              way.arrows("forward", ((o, n) for o in scope.sources[n]))))
    return moments


def backward_moments(way: Way, returns: Mapping[tuple[Node, Node], str], asked: Sequence[Node], of: str) -> list[Moment]:
    """The derivative of the output by every value on the way, from the output back; returns: what comes back, by (value, operand)."""
    scope = way.scope
    users: dict[Node, list[Node]] = {}
    for node, operand in returns:
        users.setdefault(operand, []).append(node)
    reached: dict[Node, None] = {}
    for n in reversed([n for n in way.ids if n.operands]):             # the gradient of an upper layer before the steps to the layer below
        if n in users:
            reached[n] = None
        ready = {n, scope.output, *reached}
        reached.update(dict.fromkeys(o for o in scope.sources[n] if not o.operands and o in users and ready.issuperset(users[o])))
    moments = []
    for number, n in enumerate(reached, 1):
        lines = [returns[u, n] for u in users[n]]
        read = set(re.findall(r"[A-Za-z]\w*", " ".join(sides(line)[1] for line in lines)))
        gradient = n in asked and not scope.output.rank and of.isidentifier()
        math = added(scope, lines, f"grad({of}, {scope.names[n]})" if gradient else "")
        reads = tuple(i[0] for m, i in way.ids.items() if m.operands and scope.names[m] in read)
        moments.append(Moment(f"backward pass, step {number} of {len(reached)}", math.tex, math.notation, way.ids[n],
                              way.arrows("backward", ((u, n) for u in users[n])), reads))
    return moments


def added(scope: Scope, lines: Sequence[str], left: str = "") -> Math:
    """`d_x = a` and `d_x = b` as `d_x = a + b`, of many terms the first ones and the last; `left` replaces the left side where all have the same.

    Where one is said entry by entry and another is not, each is a formula of its own.
    """
    heads = [sides(line)[0] for line in lines]
    if len(set(heads)) > 1:
        parts = [scope.typeset.equation(line) for line in ends(lines) if line is not None]
        return Math(r",\quad ".join(m.tex for m in parts), ", ".join(m.notation for m in parts))
    rights = [sides(line)[1] for line in lines]
    terms = [Math(r"\cdots", "...") if right is None else scope.typeset.math(f"({right})" if right.startswith("-") and k else right)
             for k, right in enumerate(ends(rights))]
    head = scope.typeset.math(left if left and heads[0].isidentifier() else heads[0])
    return equated(head, Math(" + ".join(m.tex for m in terms), " + ".join(m.notation for m in terms)))
