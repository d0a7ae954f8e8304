"""A finished graph and its named nodes come in; the same graph without detours goes out: axes of size 1 unread, stable forms recognised.

Nothing reaches through a named node, by which a derivative may be asked for: d out / d name stays what the program says.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply, growing, number_node, topological
from symgrad.core.op import make_op
from symgrad.ops import recognise
from symgrad.ops.arithmetic import map_function, product, scaled
from symgrad.ops.broadcasting import expand
from symgrad.ops.filters import convolution_of
from symgrad.ops.reduction import reduce

__all__ = ["settle"]


def settle(outputs: Iterable[Node], keep: Collection[Node]) -> dict[Node, Node]:
    """What every node below the outputs becomes. `keep` are the nodes that have names."""
    with growing():
        order = topological(outputs)
        run = _Settling(set(keep), _partial_sums(order))
        for node in order:
            run.add(node)
        return run.new


@dataclass
class _Settling:
    keep: set[Node]
    partial: set[Node]
    new: dict[Node, Node] = field(default_factory=dict)
    kept: set[Node] = field(default_factory=set)               # the new nodes that have names

    def add(self, node: Node) -> None:
        operands = tuple(self.new[o] for o in node.operands[:node.op.arity])
        found = node if not operands else self.simpler(_again(node, operands))
        if found.op.name == "add" and (node not in self.partial or node in self.keep):
            whole = convolution_of(found, self.kept)
            found = found if whole is None else whole
        self.new[node] = found
        if node in self.keep:
            self.kept.add(found)

    def simpler(self, node: Node) -> Node:
        return self.recognised(self.without_expansion(node))

    # ------------------------------------------------------------------ axes of size 1
    def without_expansion(self, node: Node) -> Node:
        """The node reading what its expanded operands expand; an axis that nothing runs along any more is added behind it."""
        body, op = node.op.body, node.op
        if body is None or op.where or not any(self.is_expansion(o) for o in node.operands):
            return node
        if body[0] == "S" and body[2][0] == "r":
            return self.without_sum(node)
        if any(e[0] in "Ss" for e in eq.walk(body)):
            return node
        operands = list(node.operands)
        def leaf(e: eq.Expr) -> eq.Expr:
            if e[0] == "r":
                e, operands[e[1]] = self.opened(e, node.operands[e[1]])
            return e
        body = eq.transform(body, leaf)
        free = set(eq.free(body))
        along = [a for a, o in enumerate(op.out) if o in free]
        if any(node.shape[a] != 1 for a in range(node.rank) if a not in along):
            along = [a for a, o in enumerate(op.out) if o in free or node.shape[a] != 1]
        out = tuple(op.out[a] for a in along)
        shape = tuple(node.shape[a] for a in along)
        if body[0] == "r" and body[2] == out:
            made = operands[body[1]]
        else:
            made = apply(make_op(op.name, [o.rank for o in operands], out, body, positive=op.positive, reuse=op.reuse), *operands, shape=shape)
        return self.recognised(made) if len(along) == node.rank else expand(self.recognised(made), along, node.shape)

    def without_sum(self, node: Node) -> Node:
        """The sum along axes of size 1 that its operand has added reads what the operand expands."""
        body, operand = node.op.body, node.operands[0]
        assert body is not None and operand.op.body is not None
        kept = operand.op.body[2]
        gone = [i for o, i in zip(operand.op.out, body[2][2], strict=True) if o not in kept]
        single = [i for o, i, n in zip(operand.op.out, body[2][2], operand.shape, strict=True) if o not in kept and n == 1]
        if set(gone) != set(body[1]) or len(single) != len(gone):
            return node
        index = tuple(i for o, i in zip(operand.op.out, body[2][2], strict=True) if o in kept)
        return product([(operand.operands[0], index)], node.op.out)

    def opened(self, e: eq.Expr, operand: Node) -> tuple[eq.Expr, Node]:
        """A reference to an expanded operand as one to what it expands, where no index can leave the axes that go."""
        while self.is_expansion(operand):
            assert operand.op.body is not None
            kept = operand.op.body[2]
            if any(eq.is_affine(i) and eq.affine_parts(i) != (0, {}) for o, i in zip(operand.op.out, e[2], strict=True) if o not in kept):
                break
            e = ("r", e[1], tuple(e[2][operand.op.out.index(p)] for p in kept))
            operand = operand.operands[0]
        return e, operand

    def is_expansion(self, node: Node) -> bool:
        return node not in self.kept and is_expansion(node)

    # ------------------------------------------------------------------ textbook forms
    def recognised(self, node: Node) -> Node:
        rule = _RULES.get(node.op.name)
        found = rule(node, self.kept) if rule is not None else None
        return node if found is None else found


def _partial_sums(order: Iterable[Node]) -> set[Node]:
    """The sums that nothing but another sum reads."""
    readers: dict[Node, list[Node]] = {}
    for n in order:
        for o in n.operands:
            readers.setdefault(o, []).append(n)
    return {n for n, by in readers.items() if n.op.name == "add" and len(by) == 1 and by[0].op.name == "add"}


def is_expansion(node: Node) -> bool:
    """Whether a node only adds axes, of any size, to its operand."""
    body = node.op.body
    return body is not None and body[0] == "r" and len(body[2]) < node.rank and all(i in node.op.out for i in body[2]) and len(set(body[2])) == len(body[2]) \
        and list(body[2]) == [o for o in node.op.out if o in body[2]]


def _again(node: Node, operands: tuple[Node, ...]) -> Node:
    return node if operands == node.operands[:node.op.arity] else apply(node.op, *operands, shape=node.shape)


def _factors(node: Node) -> tuple[eq.Expr, ...]:
    body = node.op.body
    return () if body is None else body[1] if body[0] in "*+" else (body,)


def _quotient(node: Node, keep: Collection[Node]) -> Node | None:
    parts = _factors(node)
    if len(parts) != 2 or len(node.operands) != 2:
        return None
    above = next((f for f in parts if f[0] == "r"), None)
    below = next((f[1] for f in parts if f[0] == "^" and f[1][0] == "r" and f[2] == eq.number(-1)), None)
    if above is None or below is None or any(eq.is_affine(i) for f in (above, below) for i in f[2]):
        return None
    found = recognise.divide((node.operands[above[1]], above[2]), (node.operands[below[1]], below[2]), node.op.out, keep)
    return _unshifted(found, keep)


def _power(node: Node, keep: Collection[Node]) -> Node | None:
    body = node.op.body
    if body is None or body[0] != "^" or body[1][0] != "r" or body[2][0] != "n":
        return None
    if body[2][1] == -1:
        found = recognise.power((node.operands[0], body[1][2]), (scaled(ONE, -1), ()), node.op.out, keep)
        return None if found.op.name == "power" else found
    return None


def _logarithm(node: Node, keep: Collection[Node]) -> Node | None:
    found = recognise.log(node.operands[0], keep)
    return None if found is node else _unshifted(found, keep)


def _softplus(node: Node, keep: Collection[Node]) -> Node | None:
    """log1p(exp(z)) is softplus(z)."""
    inner = node.operands[0]
    return map_function("softplus", inner.operands[0]) if inner.op.name == "exp" and inner not in keep else None


def _unshifted(node: Node, keep: Collection[Node]) -> Node:
    """softmax and log_softmax do not change with a shift: a maximum subtracted for safety goes."""
    if node.op.name == "transpose" and node.operands[0] not in keep:
        return _again(node, (_unshifted(node.operands[0], keep),))
    if node.op.name not in ("softmax", "log_softmax"):
        return node
    inner = node.operands[0]
    shift = _shift(inner, keep)
    if shift is None or set(shift[2]) & set(inner.op.out[inner.rank - _reduced(node):]):
        return node
    return _again(node, (shift[0],))


def _shift(node: Node, keep: Collection[Node]) -> tuple[Node, Node, tuple[str, ...]] | None:
    """z, m and the axes of the node that m has, where the node is z - m, its axes perhaps in another order."""
    base, index = node, node.op.out
    if node.op.name == "transpose" and node.op.body is not None:
        base, index = node.operands[0], node.op.body[2]
    pair = _difference(base)
    if pair is None or {node, base} & set(keep):
        return None
    (z, _), (m, letters) = pair
    place = dict(zip(base.op.out, index, strict=True))
    return product([(z, index)], node.op.out), m, tuple(place[x] for x in letters)


def _reduced(node: Node) -> int:
    """How many last axes a row of the library reads."""
    op = node.op
    while op.origin is not None:
        op = op.origin[0]
    return op.ranks[0]


def _difference(node: Node) -> tuple[tuple[Node, tuple[str, ...]], tuple[Node, tuple[str, ...]]] | None:
    """(z, its letters), (m, its letters) of z - m with z in the order of the output."""
    parts = _factors(node)
    if node.op.name != "subtract" or len(parts) != 2:
        return None
    plain = next((f for f in parts if f[0] == "r"), None)
    minus = next((f[1][1] for f in parts if f[0] == "*" and f[1][0] == eq.number(-1) and f[1][1][0] == "r"), None)
    if plain is None or minus is None or plain[2] != node.op.out:
        return None
    return (node.operands[plain[1]], plain[2]), (node.operands[minus[1]], minus[2])


def _sum(node: Node, keep: Collection[Node]) -> Node | None:
    """m + logsumexp(z - m) is logsumexp(z)."""
    parts = _factors(node)
    if len(parts) != 2 or any(f != ("r", f[1], node.op.out) for f in parts):
        return None
    for f, g in (parts, parts[::-1]):
        soft, m = node.operands[f[1]], node.operands[g[1]]
        if soft.op.name != "logsumexp" or soft in keep or soft.operands[0] in keep:
            continue
        shift = _shift(soft.operands[0], keep)
        if shift is not None and shift[1] is m and shift[2] == soft.operands[0].op.out[:m.rank]:
            return _again_rows(soft, shift[0])
    return None


def _again_rows(node: Node, operand: Node) -> Node:
    return reduce(node.op.name, operand, range(operand.rank - _reduced(node), operand.rank))


def _subtraction(node: Node, keep: Collection[Node]) -> Node | None:
    """z - logsumexp(z) is log_softmax(z)."""
    pair = _difference(node)
    if pair is None:
        return None
    (z, letters), (soft, kept) = pair
    if soft.op.name != "logsumexp" or soft in keep or soft.operands[0] is not z or kept != letters[:len(kept)]:
        return None
    return _unshifted(reduce("log_softmax", z, range(z.rank - _reduced(soft), z.rank)), keep)


def _product(node: Node, keep: Collection[Node]) -> Node | None:
    """x * step(x) is relu(x)."""
    parts = _factors(node)
    if len(node.operands) != 2 or any(f != ("r", f[1], node.op.out) for f in parts):
        return None
    for a, b in (node.operands, node.operands[::-1]):
        if a.op.name == "step" and a.operands[0] is b and a not in keep:
            return map_function("relu", b)
    return None


ONE = number_node(1)
_RULES: dict[str, Callable[[Node, Collection[Node]], Node | None]] = {
    "divide": _quotient, "power": _power, "log": _logarithm, "log1p": _softplus, "add": _sum, "subtract": _subtraction, "times": _product,
}
