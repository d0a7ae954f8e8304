"""Forward mode: the tangent of an output along directions of the variables."""
from __future__ import annotations

from collections.abc import Mapping

from symgrad.core.differentiation import pushforward
from symgrad.core.node import Node, assemble, topological
from symgrad.derive.cotangent import total

__all__ = ["forward"]


def forward(output: Node, tangents: Mapping[Node, Node]) -> Node | None:
    """The Jacobian-vector product: the tangent of `output`, of its shape, where each variable moves along its tangent; None if zero."""
    moving: dict[Node, Node] = dict(tangents)
    for node in topological([output]):
        if node in moving:
            continue
        terms: list[Node] = []
        for position in range(node.op.arity):
            operand = node.operands[position]
            rule = pushforward(node.op, position) if operand in moving else None
            if rule is None:
                continue
            def pick(source: int | str, node: Node = node, operand: Node = operand) -> Node:
                return node.operands[source] if isinstance(source, int) else moving[operand] if source == "T" else node
            terms.append(assemble(rule, pick, node.shape))
        if terms:
            moving[node] = total(terms)
    return moving.get(output)
