"""Quotients, powers and logarithms of nodes: textbook forms that overflow become the ops that do not.

exp(z)/sum(exp(z)) is softmax, log(sum(exp(z))) logsumexp, log(1 + exp(u)) softplus, 1/(1 + exp(-u)) sigmoid, log(sigmoid(u)) is
-softplus(-u), log(softmax(z)) log_softmax, norm2(x)^2 a sum of squares. `keep` are nodes that a pattern must not reach through: those that
have a name, by which a derivative may be asked for.
"""
from __future__ import annotations

from collections.abc import Collection, Sequence

from symgrad.core.node import NUMBER, Node, number_node
from symgrad.ops import arithmetic
from symgrad.ops.arithmetic import Term, constant_of, map_function, product, scaled
from symgrad.ops.reduction import reduce

__all__ = ["divide", "log", "power"]


def divide(left: Term, right: Term, out: Sequence[str], keep: Collection[Node] = ()) -> Node:
    """left / right, elementwise along equal letters."""
    soft = _softmax(left, right, keep)
    if soft is not None:
        return product([(soft, left[1])], out)
    below = _one_plus_exp(right[0], keep)
    if below is not None:
        if left[0].op.name == "exp" and left[0].operands[0] is below and tuple(left[1]) == tuple(right[1]):
            return product([(map_function("sigmoid", below), right[1])], out)
        return product([left, (map_function("sigmoid", _negated(below)), right[1])], out)
    if constant_of(left[0]) == 1:
        return product([(arithmetic.power(right, (number_node(-1), ()), right[1]), right[1])], out)
    return arithmetic.divide(left, right, out)


def power(base: Term, exponent: Term, out: Sequence[str], keep: Collection[Node] = ()) -> Node:
    """base ^ exponent; `out` is the order of base where the exponent is a number."""
    value, node = constant_of(exponent[0]), base[0]
    if value == -1:
        inner = _one_plus_exp(node, keep)
        if inner is not None:
            return product([(map_function("sigmoid", _negated(inner)), base[1])], out)
    if value == 2 and node.op.name == "norm2" and node not in keep:
        return reduce("square_sum", node.operands[0], range(node.rank, node.operands[0].rank))
    return arithmetic.power(base, exponent, out)


def log(node: Node, keep: Collection[Node] = ()) -> Node:
    """log, entry by entry."""
    if node in keep:
        return map_function("log", node)
    if node.op.name == "sum" and node.operands[0].op.name == "exp" and node.operands[0] not in keep:
        found = _summed_axes(node)
        if found is not None:
            kept, gone = found
            if kept == sorted(kept):
                return reduce("logsumexp", node.operands[0].operands[0], gone)
    inner = _one_plus_exp(node, keep)
    if inner is not None:
        return map_function("softplus", inner)
    if node.op.name == "sigmoid":
        return scaled(map_function("softplus", _negated(node.operands[0])), -1)
    if node.op.name == "subtract" and _is_one(node.operands[0]) and node.operands[1].op.name == "sigmoid" and node.operands[1] not in keep:
        return scaled(map_function("softplus", node.operands[1].operands[0]), -1)
    if node.op.name == "softmax":
        count = node.op.origin[0].ranks[0] if node.op.origin else node.rank
        return reduce("log_softmax", node.operands[0], range(node.rank - count, node.rank))
    if node.op.name == "transpose" and node.operands[0].op.name == "softmax" and node.operands[0] not in keep and node.op.body is not None:
        index = node.op.body[2]
        return product([(log(node.operands[0]), index)], node.op.out)
    return map_function("log", node)


def _is_one(node: Node) -> bool:
    return (node.op is NUMBER and constant_of(node) == 1) or node.op.name == "ones"


def _one_plus_exp(node: Node, keep: Collection[Node]) -> Node | None:
    """u where the node is 1 + exp(u) of its own shape."""
    if node.op.name != "add" or len(node.operands) != 2 or node in keep:
        return None
    for one, other in (node.operands, node.operands[::-1]):
        if _is_one(one) and other.op.name == "exp" and other not in keep and other.shape == node.shape and _straight(node, other):
            return other.operands[0]
    return None


def _straight(node: Node, operand: Node) -> bool:
    """Whether the operand is added without a transposition."""
    position = node.operands.index(operand)
    terms = node.op.body[1] if node.op.body is not None else ()
    return any(t == ("r", position, node.op.out) for t in terms)


def _negated(node: Node) -> Node:
    return node.operands[0] if node.op.name == "negate" else scaled(node, -1)


def _summed_axes(node: Node) -> tuple[list[int], list[int]] | None:
    """(kept axes of the operand in the order of the output, summed axes) of a plain sum."""
    body = node.op.body
    if body is None or body[0] != "S" or body[2][0] != "r":
        return None
    index = body[2][2]
    kept = [index.index(o) for o in node.op.out if o in index]
    return kept, [a for a in range(len(index)) if a not in kept]


def _softmax(left: Term, right: Term, keep: Collection[Node]) -> Node | None:
    """softmax of z, with axes as `left` has them, where left is exp(z) and right its sum over some axes."""
    e, s = left[0], right[0]
    if e.op.name != "exp" or s.op.name != "sum" or s.operands[0] is not e or {e, s} & set(keep):
        return None
    found = _summed_axes(s)
    if found is None:
        return None
    kept, gone = found
    if [left[1][a] for a in kept] != list(right[1]) or {left[1][a] for a in gone} & set(right[1]):
        return None
    return reduce("softmax", e.operands[0], gone)
