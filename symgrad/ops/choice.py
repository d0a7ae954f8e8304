"""Comparisons, choices and the larger of two: slopes follow the choice, ties go to the first operand."""
from __future__ import annotations

import weakref

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, Node, apply, held_value, topological
from symgrad.core.op import Derived, Op, make_op, structured_op
from symgrad.ops.arithmetic import constant_of, map_function, scaled
from symgrad.ops.broadcasting import broadcast_shape, is_finite_constant, minus, plus, spread, times
from symgrad.ops.constants import as_node
from symgrad.ops.masks import Mask

__all__ = ["choose", "compared", "larger", "smaller", "visible"]


def compared(name: str, a: object, b: object) -> Mask:
    """The mask of a comparison by NumPy's name: made of step(x), 1 where x > 0, so its slope is zero."""
    if name in ("less", "less_equal"):
        return compared("greater" if name == "less" else "greater_equal", b, a)
    if name == "greater":
        return Mask(map_function("step", minus(a, b)))
    if name == "greater_equal":
        return ~compared("greater", b, a)
    differs = Mask(map_function("abs", map_function("sign", minus(a, b))))
    return differs if name == "not_equal" else ~differs


def _rule(operand: int) -> Derived | None:
    """The cotangent goes where the choice went."""
    if operand == 0:
        return None
    c, m = ("r", 0, ()), ("r", 1, ())
    weight: eq.Expr = m if operand == 1 else ("+", (eq.ONE, ("*", (eq.number(-1), m))))
    return Derived(make_op(f"select'{operand + 1}", (0, 0), (), ("*", (c, weight))), ("C", 0))


_SELECT: Op = structured_op("select", [(), (), ()], (), _rule)


def choose(mask: Node, a: object, b: object) -> Node:
    """a where the mask is 1, b where it is 0: mask*a + (1 - mask)*b where both are finite by their making, else an op that never multiplies."""
    first, second = as_node(a), as_node(b)
    if _finite(first) and _finite(second):
        rest = as_node(0) if constant_of(second) == 0 else times((~Mask(mask)).node, second)
        return plus(times(mask, first), rest) if constant_of(first) != 0 else _full(rest, mask, first)
    shape = broadcast_shape(mask.shape, first.shape, second.shape)
    parts = [spread(n, shape) for n in (mask, first, second)]
    return apply(_SELECT.lift([tuple(range(len(shape)))] * 3), *parts)


def _seen(operand: int) -> Derived | None:
    return Derived(make_op(f"visible'{operand + 1}", (0, 0), (), ("*", (("r", 0, ()), ("r", 1, ())))), ("C", 0)) if operand else None


_VISIBLE: Op = structured_op("visible", [(), ()], (), _seen)


def visible(mask: Node, x: Node) -> Node:
    """x where the mask is 1, -inf elsewhere, where no maximum and no softmax sees it; the mask has the last axes of x."""
    axes = tuple(range(x.rank))
    return apply(_VISIBLE.lift([axes[x.rank - mask.rank:], axes]), mask, x)


def _full(rest: Node, mask: Node, first: Node) -> Node:
    return spread(rest, broadcast_shape(rest.shape, mask.shape, first.shape))


def larger(a: object, b: object) -> Node:
    """max(a, b) entry by entry; at a tie the slope is the first operand's. max(x, 0) is relu, of slope 0 at 0."""
    first, second = as_node(a), as_node(b)
    for x, zero in ((first, second), (second, first)):
        if constant_of(zero) == 0:
            return map_function("relu", x)
    return choose(map_function("step", minus(second, first)), second, first)


def smaller(a: object, b: object) -> Node:
    """min(a, b) entry by entry; at a tie the slope is the first operand's. min(x, 0) is -relu(-x), of slope 0 at 0."""
    first, second = as_node(a), as_node(b)
    for x, zero in ((first, second), (second, first)):
        if constant_of(zero) == 0:
            return scaled(map_function("relu", scaled(x, -1)), -1)
    return choose(map_function("step", minus(first, second)), second, first)


_BOUNDED = frozenset(
    "variable number size add subtract negate transpose identity broadcast sum trace diagonal times outer scale product dot matvec matmul inner "
    "contraction diag delta slice merge split stack flip relu step sign abs tanh sigmoid sin cos arctan erf softmax mean variance square_sum "
    "max min ones zeros eye softplus silu gelu".split())
_known: weakref.WeakKeyDictionary[Node, bool] = weakref.WeakKeyDictionary()


def _finite(node: Node) -> bool:
    """Whether a value is finite at finite inputs, by the ops it is made of."""
    if node not in _known:
        for n in topological([node]):
            if n not in _known:
                own = n.op is NUMBER or n.op.name in _BOUNDED or _whole_power(n)
                _known[n] = own and (held_value(n) is None or is_finite_constant(n)) and all(_known[o] for o in n.operands)
    return _known[node]


def _whole_power(node: Node) -> bool:
    body = node.op.body
    return body is not None and body[0] == "^" and body[1][0] == "r" and body[2][0] == "n" and body[2][1] > 0 and body[2][1].denominator == 1

