"""Why a step is right, in a few words, read off the equation of the op that was differentiated."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import Reverse
from symgrad.derive.rules import RULES, rule_of
from symgrad.views.chain import Factor

__all__ = ["direct", "named_above", "reason_of", "zero_reason"]


def reason_of(factor: Factor, names: Mapping[Node, str], graph: Graph) -> str:
    """The rule behind one local derivative."""
    of, by = factor.of, factor.by
    inside = [n for n in topological([of]) if n is of or (n not in names and n.operands)]
    on_path = {by}
    for n in topological([of]):
        if n not in on_path and (n is of or n in inside) and any(o in on_path for o in n.operands):
            on_path.add(n)
    used = [n for n in inside if n in on_path and "." not in n.op.name]      # a row's own lines belong to its rule
    family = max((len(graph.families[names[x]].index) for x in (of, by) if names.get(x) in graph.families), default=0)
    rules: list[str] = []
    for n in reversed(used):
        rule = rule_of(n.op, n.rank - family)
        if rule not in rules:
            rules.append(rule)
    kept = [r for r in rules if r not in {RULES[w] for w in ("add", "sum", "contraction", "transpose")}] or rules
    return "; ".join(kept[:2]) or "by definition"


def zero_reason(sweep: Reverse, targets: set[Node], names: Mapping[Node, str]) -> list[tuple[str, str]]:
    """(value, operand) for the named operands on the way that do not depend on the targets."""
    depends: dict[Node, None] = {}
    for n in topological([sweep.output]):
        if n in targets or any(o in depends for o in n.operands):
            depends[n] = None
    found: dict[tuple[str, str], None] = {}
    for node in depends:
        user = node
        for o in node.operands:
            if o not in depends and o in names and isinstance(o.data, Variable) and o.data.kind == "param":
                owner = named_above(user, names, topological([sweep.output]))
                if owner:
                    found[owner, names[o]] = None
    return list(found)


def direct(node: Node, names: Container[Node]) -> list[Node]:
    """The named values that a value is computed from directly, in the order in which it reads them."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(reversed(node.operands))
    while stack:
        n = stack.pop()
        if n in names:
            found[n] = None
        elif n not in seen:
            seen.add(n)
            stack.extend(reversed(n.operands))
    return list(found)


def named_above(node: Node, names: Mapping[Node, str], order: Iterable[Node]) -> str:
    """The nearest named value that a node is part of, of nodes in topological order; an empty text where there is none."""
    above = {node}
    for n in order:
        if n is node or any(o in above for o in n.operands):
            if n in names:
                return names[n]
            above.add(n)
    return ""
