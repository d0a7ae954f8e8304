"""A loss over examples comes in; its terms, one an example, go out as one node, so that their Jacobian holds the gradient of every example.

Nothing is differentiated here: the loss loses the outermost sum over the examples and keeps their index as a leading axis (`Op.lift`).
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node, Variable, apply, number_node, size_node, topological
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Shape, Size
from symgrad.errors import InputError, UnsupportedError, nearest
from symgrad.ops.arithmetic import product
from symgrad.ops.stacking import STACK

__all__ = ["Examples", "example_axes", "squares", "terms"]

Examples = str | Mapping[str, int] | None


def example_axes(graph: Graph, examples: Examples) -> dict[Node, int]:
    """The variables that have a value for each example, and the axis that counts them.

    examples: an index of the notation or the name of a size; {variable: axis}; None: the first index that a data variable carries.
    Raises InputError.
    """
    leaves = graph.variables()
    if isinstance(examples, Mapping):
        for name, axis in examples.items():
            if name not in leaves or not 0 <= axis < leaves[name].rank:
                raise InputError(f"examples is {{variable: axis}}, axes counted from 0; {name!r} is no variable with the axis {axis}")
        return {leaves[name]: axis for name, axis in examples.items()}
    carried = {n: f.index for n, f in graph.families.items() if n in leaves and n in graph.data}
    index = examples or next((i for i in graph.ranges if any(i in f for f in carried.values())), None)
    found = {leaves[n]: f.index(index) for n, f in carried.items() if index in f}
    if found:
        return found
    for node in leaves.values():
        axes = [a for a, size in enumerate(node.shape) if size == index]
        if len(axes) > 1:
            raise InputError(f"{node.name} has {len(axes)} axes of size {index}: say which counts the examples, as in examples={{{node.name!r}: 0}}")
        if axes:
            found[node] = axes[0]
    if not found:
        raise InputError("say what counts the examples: an index, the name of a size, as in examples=\"N\", or {variable: axis}"
                         + (f"; {index!r} is none of them{nearest(index, graph.words)}" if index else ""))
    return found


def terms(graph: Graph, loss: Node, wrt: Iterable[Node], axes: Mapping[Node, int]) -> Node:
    """The terms of a loss that is a sum over the examples, (N,): a factor such as 1/N stays in each; what does not depend on `wrt` is left out.

    axes: where variables count the examples. Raises UnsupportedError for a value that mixes examples, as batch norm does, and for a part of
    the loss that is not summed over them.
    """
    targets = list(wrt)
    for node in axes:
        if node in targets:
            raise InputError(f"{node.name} has values of its own for each example: differentiate by it gives the gradient of each")
    found = _Terms(graph, loss, targets, {n: frozenset((a,)) for n, a in axes.items()})
    if loss not in found.sums:
        why = "is no sum over the examples" if loss in found.moving else f"does not depend on {', '.join(graph.name_of(n) for n in targets)}"
        raise UnsupportedError(f"{found.shown(loss)} {why}")
    return found.sums[loss]


class _Terms:
    """One walk from the variables to the loss: which axis of each value counts the examples, and the terms of what is summed over them."""

    def __init__(self, graph: Graph, loss: Node, wrt: Collection[Node], axes: dict[Node, frozenset[int]]) -> None:
        self.graph, self.axes = graph, axes
        self.sums: dict[Node, Node] = {}                   # value -> its terms, the examples in front
        self.moving: set[Node] = set(wrt)                  # what depends on `wrt`
        for node in topological([loss]):
            if node in self.moving or not node.operands:
                continue
            if self.moving.isdisjoint(node.operands):
                self.axes[node] = frozenset(a for x in self._letters(node, node.operands) for a in _places(node.op, x))
            else:
                self._enter(node)
                self.moving.add(node)

    def _enter(self, node: Node) -> None:
        """What a value that depends on `wrt` is: one for each example, the same for all, or a sum over them. Raises UnsupportedError."""
        moving = [o for o in dict.fromkeys(node.operands) if o in self.moving]
        if any(o in self.sums for o in moving):
            self._sum_of_sums(node)
            return
        letters = self._letters(node, moving)
        if not letters:                                    # only the parameters so far: the data they meet tell
            letters = {x for x in self._letters(node, node.operands) if _places(node.op, x)}
            letters = letters or {x for x in self._letters(node, node.operands) if self._summand(node, x) is not None}
        if not letters:
            return
        letter = letters.pop()
        places = _places(node.op, letter)
        if letters or len(places) > 1 or eq.is_affine(letter):
            raise self._mixed(node)
        if places and (node.op.body is not None or node.op.name == STACK or str(letter).startswith("l")):   # l0, l1: the leads of `Op.lift`
            self.axes[node] = frozenset(places)
            return
        body = self._summand(node, letter)
        if places or body is None:
            raise self._mixed(node)
        out = (letter, *node.op.out)
        self.sums[node] = _applied(node, out, body, (self._size(node, letter), *node.shape), node.operands)

    def _sum_of_sums(self, node: Node) -> None:
        """The terms of a value that is linear in sums over the examples. Raises UnsupportedError."""
        lifted = {k for k, o in enumerate(node.operands) if o in self.sums}
        parts = [t for t in _addends(node.op.scoped if node.op.body is not None else eq.ZERO) if self._reads_moving(node, t)]
        for t in parts:
            inside = [f for f in _factors(t[2] if t[0] == "S" else t) if self._reads_moving(node, f)]
            if len(inside) != 1 or inside[0][0] != "r" or inside[0][1] not in lifted:
                wrong = next((o for o in node.operands if o in self.moving and o not in self.sums), None)
                raise self._mixed(node) if wrong is None or self.axes.get(wrong) else UnsupportedError(
                    f"{self.shown(node)} is a sum over the examples and something else besides (a penalty such as normF(W)^2?), which no example "
                    "has a share of: take its gradient apart")
        if not parts:
            raise self._mixed(node)
        body = eq.transform(parts[0] if len(parts) == 1 else ("+", tuple(parts)),
                            lambda e: ("r", e[1], ("examples", *e[2])) if e[0] == "r" and e[1] in lifted
                            else ("s", e[1], e[2] + 1) if e[0] == "s" and e[1] in lifted else e)
        operands = [self.sums.get(o, o) for o in node.operands]
        size = next(o.shape[0] for k, o in enumerate(operands) if k in lifted)
        self.sums[node] = _applied(node, ("examples", *node.op.out), body, (size, *node.shape), operands)

    def _letters(self, node: Node, read: Collection[Node]) -> set[eq.Index]:
        """The indices at which an op reads the examples of the given operands."""
        if node.op.body is None:
            return {x for k, x, axis in ((k, x, a) for x, k, a in node.op.patterns)
                    if node.operands[k] in read and axis in self.axes.get(node.operands[k], ())}
        return {e[2][axis] for e in eq.references(node.op.scoped) if node.operands[e[1]] in read
                for axis in self.axes.get(node.operands[e[1]], ())}

    def _reads_moving(self, node: Node, e: eq.Expr) -> bool:
        return any(node.operands[r[1]] in self.moving for r in eq.references(e))

    def _summand(self, node: Node, letter: eq.Index) -> eq.Expr | None:
        """The equation without its sum over an index, where all that depends on `wrt` stands inside of that sum and the op is linear in it."""
        if node.op.body is None or node.op.where:
            return None
        found: list[eq.Expr] = []
        for term in _addends(node.op.scoped):
            if not self._reads_moving(node, term):
                continue
            inside = [f for f in _factors(term) if self._reads_moving(node, f)]
            if len(inside) != 1 or inside[0][0] != "S" or letter not in inside[0][1]:
                return None
            _, bound, body = inside[0]
            left = tuple(b for b in bound if b != letter)
            rest = ("S", left, body) if left else body
            others = [f for f in _factors(term) if f is not inside[0]]
            found.append(("*", (*others, rest)) if others else rest)
        return None if not found else found[0] if len(found) == 1 else ("+", tuple(found))

    def _size(self, node: Node, letter: eq.Index) -> Size:
        return next(node.operands[k].shape[axis] for e in eq.references(node.op.scoped) for k in (e[1],)
                    for axis in self.axes.get(node.operands[k], ()) if e[2][axis] == letter)

    def shown(self, node: Node) -> str:
        """The name of a value, or of the first that is made with it."""
        named = (s for s, n in self.graph.names.items() if n.operands and node in topological([n]))
        return self.graph.name_of(node) or next(named, "the loss")

    def _mixed(self, node: Node) -> UnsupportedError:
        return UnsupportedError(f"{self.shown(node)} mixes the examples (as batch norm does), so no gradient belongs to one example alone")


def _places(op: Op, letter: eq.Index) -> list[int]:
    """The axes of an op's output that an index is."""
    return [a for a, o in enumerate(op.out) if o == letter]


def _addends(e: eq.Expr) -> tuple[eq.Expr, ...]:
    return e[1] if e[0] == "+" else (e,)


def _factors(e: eq.Expr) -> tuple[eq.Expr, ...]:
    return e[1] if e[0] == "*" else (e,)


def _applied(node: Node, out: tuple[eq.Index, ...], body: eq.Expr, shape: Shape, operands: Iterable[Node]) -> Node:
    """The op of a new equation over the same operands, those that it reads; an operand itself where it is read as it is."""
    given = tuple(operands)
    if body[0] == "r" and body[2] == out:
        return given[body[1]]
    used: list[Node] = []
    def leaf(x: eq.Expr) -> eq.Expr:
        if x[0] not in "rs":
            return x
        read = given[x[1]] if x[0] == "r" else size_node(given[x[1]].shape[x[2]])   # a number: deltas have no sizes to lend
        if read not in used:
            used.append(read)
        return ("r", used.index(read), x[2] if x[0] == "r" else ())
    moved = eq.transform(body, leaf)
    return apply(make_op(node.op.name, [n.rank for n in used], [str(x) for x in out], moved), *used, shape=shape)


# ---------------------------------------------------------------------- norms
def squares(node: Node, lead: int, keep: Collection[Node]) -> Node:
    """The sum of squares over all axes but the first `lead`.

    A product is squared factor by factor and never formed, so that the sums over different axes part: sum[d, k]((x[d]*e[k])^2) is
    sum[d](x[d]^2)*sum[k](e[k]^2) (Goodfellow 2015, arXiv:1510.01799). keep: nodes of the forward pass, which stay as they are.
    """
    letters = [f"x{k}" for k in range(node.rank)]
    number, factors = Fraction(1), [(node, tuple(letters))]
    while (at := next((k for k, (n, _) in enumerate(factors) if n not in keep and _is_product(n)), None)) is not None:
        inner, names = factors.pop(at)
        table = dict(zip(inner.op.out, names, strict=True))
        assert inner.op.body is not None
        for f in _factors(inner.op.body):
            if f[0] == "n":
                number *= f[1]
            else:
                factors.append((inner.operands[f[1]], tuple(table[x] for x in f[2])))
    return product([(number_node(number * number), ()), *(f for f in factors for _ in range(2))], letters[:lead])


def _is_product(node: Node) -> bool:
    """Whether a node is a product of entries of its operands, without a sum."""
    body = node.op.body
    return (body is not None and not isinstance(node.data, Variable) and node.op is not NUMBER and not node.op.where
            and all(f[0] == "n" or (f[0] == "r" and all(x in node.op.out for x in f[2])) for f in _factors(body)))
