"""A node comes in; the nodes that one small mistake turns it into go out, each with the kind of the mistake."""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, Node, Variable, apply, exchanged, topological
from symgrad.core.op import Op, make_op
from symgrad.errors import SymgradError

__all__ = ["Edit", "changed", "dropped_factors", "exchanged_operands", "own_nodes", "turned", "turned_remainders", "without_parts"]


@dataclass(frozen=True, slots=True)
class Edit:
    """The node after a change; old, new: what was exchanged for what."""

    node: Node
    old: Node | None = None
    new: Node | None = None
    at: Node | None = None
    what: eq.Expr = eq.ONE


def own_nodes(root: Node, atoms: Collection[Node]) -> list[Node]:
    """The nodes that a line itself is made of, operands first: not those below a named value."""
    found: dict[Node, None] = {}
    waiting = [root]
    while waiting:
        n = waiting.pop()
        if n in found or not n.operands or (n in atoms and n is not root):
            continue
        found[n] = None
        waiting.extend(n.operands)
    return [n for n in topological([root]) if n in found]


def _replaced(op: Op, body: eq.Expr) -> Op:
    return make_op(op.name, op.ranks, op.out, body, op.where)


def changed(root: Node, node: Node, body: eq.Expr) -> Node | None:
    """The root with the equation of one node changed; None where that is no node."""
    try:
        return exchanged(root, {node: apply(_replaced(node.op, body), *node.operands, shape=node.shape)})
    except (SymgradError, KeyError, AssertionError):
        return None


def _places(e: eq.Expr, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], eq.Expr]]:
    yield path, e
    for k, child in enumerate(eq.children(e)):
        yield from _places(child, (*path, k))


def _put(e: eq.Expr, path: tuple[int, ...], new: eq.Expr) -> eq.Expr:
    if not path:
        return new
    k = -1
    def visit(child: eq.Expr) -> eq.Expr:
        nonlocal k
        k += 1
        return _put(child, path[1:], new) if k == path[0] else child
    return eq.rebuild(e, visit)


def without_parts(root: Node, atoms: Collection[Node], factor: int = 0) -> Iterator[Edit]:
    """The root with one summand, of whatever sum inside it, times a factor: left out, unless another is given."""
    return _summands(root, atoms, lambda terms, k: ("+", (*terms[:k], ("*", (eq.number(factor), terms[k])), *terms[k + 1:])))


def turned_remainders(root: Node, atoms: Collection[Node]) -> Iterator[Edit]:
    """The root with one summand left out and the sign of the rest turned: h for 1 - h."""
    return _summands(root, atoms, lambda terms, k: ("*", (eq.number(-1), ("+", (*terms[:k], *terms[k + 1:])))))


def _summands(root: Node, atoms: Collection[Node], change: Callable[[tuple[eq.Expr, ...], int], eq.Expr]) -> Iterator[Edit]:
    """The root with one sum inside it changed, for each of its summands."""
    for node in own_nodes(root, atoms):
        body = node.op.body
        if body is None:
            continue
        for path, terms in [(path, e[1]) for path, e in _places(body) if e[0] == "+"]:
            for k, term in enumerate(terms):
                made = changed(root, node, _put(body, path, change(terms, k)))
                if made is not None:
                    yield Edit(made, at=node, what=term)


def dropped_factors(root: Node, atoms: Collection[Node]) -> Iterator[Edit]:
    """The root with one factor of one product set to 1, or a function left out."""
    for node in own_nodes(root, atoms):
        body = node.op.body
        if body is None:
            continue
        for path, e in _places(body):
            inside = [(k, f) for k, f in enumerate(e[1]) if f[0] != "n"] if e[0] == "*" else []
            for k, factor in inside:
                made = changed(root, node, _put(body, (*path, k), eq.ONE))
                if made is not None:
                    read = [node.operands[r[1]] for r in eq.walk(factor) if r[0] == "r"]
                    yield Edit(made, old=read[0] if len(set(read)) == 1 else None, at=node, what=factor)
            if e[0] == "^" and e[2][0] == "n":
                made = changed(root, node, _put(body, path, e[1]))
                if made is not None:
                    yield Edit(made, at=node, what=e)
            if e[0] == "f" and len(e[2]) == 1:
                made = changed(root, node, _put(body, path, e[2][0]))
                if made is not None:
                    yield Edit(made, at=node, what=e)


def turned(root: Node, atoms: Collection[Node]) -> Iterator[Edit]:
    """The root with two indices of one array exchanged, or one index read for another of the same size."""
    for node in own_nodes(root, atoms):
        body = node.op.body
        if body is None:
            continue
        size = dict(zip(node.op.out, node.shape, strict=True))
        for r in eq.references(body):
            for axis, i in enumerate(r[2]):
                if isinstance(i, str):
                    size.setdefault(i, node.operands[r[1]].shape[axis])
        for path, e in _places(body):
            if e[0] != "r":
                continue
            names = e[2]
            for a in range(len(names)):
                if not isinstance(names[a], str):
                    continue
                for b in range(a + 1, len(names)):
                    if isinstance(names[b], str) and names[a] != names[b] and size.get(names[a]) == size.get(names[b]):
                        swapped = list(names)
                        swapped[a], swapped[b] = names[b], names[a]
                        made = changed(root, node, _put(body, path, ("r", e[1], tuple(swapped))))
                        if made is not None:
                            yield Edit(made, old=node.operands[e[1]], at=node, what=("turned",))
                for other in size:
                    if other != names[a] and size[other] == size.get(names[a]):
                        made = changed(root, node, _put(body, path, ("r", e[1], (*names[:a], other, *names[a + 1:]))))
                        if made is not None:
                            yield Edit(made, old=node.operands[e[1]], at=node, what=("index",))


def exchanged_operands(root: Node, atoms: Collection[Node], pool: Sequence[Node]) -> Iterator[Edit]:
    """The root with one named value exchanged for another of its shape: everywhere, then at one place."""
    own = own_nodes(root, atoms)
    read: dict[Node, list[tuple[Node, int]]] = {}
    for node in own:
        for k, o in enumerate(node.operands):
            if (o in atoms or isinstance(o.data, Variable)) and o.op not in (NUMBER, SIZE):
                read.setdefault(o, []).append((node, k))
    for old, places in read.items():
        for new in pool:
            if new is old or new.shape != old.shape:
                continue
            yield Edit(_exchanged_inside(root, own, {(n, k) for n, k in places}, new), old, new, places[0][0])
            if len(places) > 1:
                for n, k in places:
                    yield Edit(_exchanged_inside(root, own, {(n, k)}, new), old, new, n)


def _exchanged_inside(root: Node, own: Sequence[Node], places: Collection[tuple[Node, int]], new: Node) -> Node:
    moved: dict[Node, Node] = {}
    for n in own:
        operands = [new if (n, k) in places else moved.get(o, o) for k, o in enumerate(n.operands)]
        moved[n] = n if all(a is b for a, b in zip(operands, n.operands, strict=True)) else apply(n.op, *operands, shape=n.shape)
    return moved.get(root, root)
