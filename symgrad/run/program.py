"""Nodes in; groups of nodes out, each one equation that becomes a line or two of an array program, whatever the backend."""
from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, Node
from symgrad.core.op import Op
from symgrad.core.shape import Shape, Size
from symgrad.plan.order import is_leaf, operands_read, settled

__all__ = ["LONGEST", "Group", "groups"]

LONGEST = 22                                               # parts of an equation that still reads well as one line


@dataclass(frozen=True, slots=True)
class Group:
    """One value of the program: out[...] = body over the operands by position, or (no body) a call of the node's op.

    In the body ("z", k) is sizes[k] as a number; `axes` gives the position in `sizes` of the size of each index.
    """

    node: Node
    out: tuple[str, ...]
    body: eq.Expr | None
    operands: tuple[Node, ...]
    sizes: tuple[Size, ...]
    axes: tuple[tuple[str, int], ...]

    @property
    def shape(self) -> Shape:
        """The shape of the value."""
        return self.node.shape


@dataclass(frozen=True, slots=True)
class Form:
    """An equation over nodes: references hold nodes, ("z", size) is a size, and every index has its size."""

    body: eq.Expr
    sizes: dict[str, Size]
    weight: int


def groups(order: Iterable[Node], kept: Collection[Node]) -> list[Group]:
    """The groups that compute the nodes of `order`, operands first; `kept` are the nodes that have a name of their own.

    A value that is read once is written where it is read, if the line stays short; transpositions, ones and deltas always are.
    """
    order = list(order)
    called: set[Node] = set()                              # read by something that takes arrays, not equations
    for n in order:
        if not _has_equation(n):
            called.update(operands_read(n))
    uses: Counter[Node] = Counter()
    for n in reversed(order):                              # what a transposition reads is read wherever the transposition is
        times = uses[n] if not is_leaf(n) and n not in kept and n not in called and _has_equation(n) and _is_free(n) else 1
        for e in _distinct(n):
            uses[settled(n.operands[e[1]])] += times
    forms: dict[Node, Form] = {}
    found: list[Group] = []
    for n in order:
        if is_leaf(n):
            continue
        if not _has_equation(n):
            found.append(Group(n, n.op.out, None, operands_read(n), (), ()))
            continue
        form = _form(n, forms)
        inlined = n not in kept and n not in called and (_is_free(n) or (uses[n] == 1 and form.weight <= LONGEST))
        if inlined:
            forms[n] = form
        else:
            found.append(_group(n, form))
    needed = {o for g in found for o in g.operands} | set(kept)
    return [g for g in found if g.node in needed]


def _distinct(node: Node) -> list[eq.Expr]:
    """The references of a node; equal terms of a sum count once, because they are gathered."""
    if node.op.body is None:
        return [("r", k, ()) for k in range(len(node.op.signature))]
    return [] if is_leaf(node) else eq.references(_gathered(node))


def _gathered(node: Node) -> eq.Expr:
    """The equation of a node with equal terms gathered: t + t is 2 * t."""
    body = node.op.scoped
    if body[0] != "+" or len(set(node.operands)) == len(node.operands):
        return body
    first = {o: k for k, o in reversed(list(enumerate(map(settled, node.operands))))}
    terms = Counter(eq.transform(t, lambda e: ("r", first[settled(node.operands[e[1]])], e[2]) if e[0] == "r" else e) for t in body[1])
    parts = tuple(t if n == 1 else ("*", (eq.number(n), t)) for t, n in terms.items())
    return parts[0] if len(parts) == 1 else ("+", parts)


def _has_equation(node: Node) -> bool:
    """Whether the value is read off an equation: its indices are plain names, or whole numbers."""
    return is_leaf(node) or _is_plain(node.op)


@functools.cache
def _is_plain(op: Op) -> bool:
    if op.body is None:
        return False
    indices = [i for e in eq.walk(op.body) for i in (e[2] if e[0] == "r" else e[1:] if e[0] == "d" else ())]
    return all(not eq.is_affine(i) or not eq.index_names(i) for i in indices)


def _is_free(node: Node) -> bool:
    """Whether writing the value out where it is read costs nothing: ones, deltas, transpositions."""
    assert node.op.body is not None
    body = node.op.body
    return not eq.references(body) if body[0] != "r" else len(set(body[2])) == len(body[2]) == len(node.op.out)


def _form(node: Node, forms: Mapping[Node, Form]) -> Form:
    """The equation of a node with the operands that have a form written out."""
    op = node.op
    sizes: dict[str, Size] = {name: node.operands[k].shape[axis] for name, (k, axis) in op.axis_of.items()}
    sizes.update(zip(op.out, node.shape, strict=True))
    inside = 0
    weight = 0
    def leaf(e: eq.Expr) -> eq.Expr:
        nonlocal inside, weight
        weight += 1
        if e[0] == "s":
            return ("z", node.operands[e[1]].shape[e[2]])
        if e[0] != "r":
            return e
        operand = settled(node.operands[e[1]])
        if operand.op is NUMBER:
            return ("n", operand.data)
        if operand.op is SIZE:
            return ("z", operand.data)
        form = forms.get(operand)
        if form is None:
            return ("r", operand, e[2])
        inside += 1
        weight += form.weight
        outer = set(operand.op.out)
        fresh: dict[eq.Index, eq.Index] = {i: f"{i}'{inside}" for i in form.sizes if i not in outer}
        sizes.update((str(fresh[i]), s) for i, s in form.sizes.items() if i in fresh)
        return eq.substitute(_renamed(form.body, fresh), dict(zip(operand.op.out, e[2], strict=True)))
    body = eq.transform(_gathered(node), leaf)
    return Form(body, sizes, weight)


def _renamed(e: eq.Expr, table: Mapping[eq.Index, eq.Index]) -> eq.Expr:
    return eq.substitute(e, table) if table else e


def _group(node: Node, form: Form) -> Group:
    """The form with operands and sizes by position."""
    operands: dict[Node, int] = {}
    sizes: dict[Size, int] = {}
    def place(e: eq.Expr) -> eq.Expr:
        if e[0] == "r":
            return ("r", operands.setdefault(e[1], len(operands)), e[2])
        if e[0] == "z":
            return ("z", sizes.setdefault(e[1], len(sizes)))
        return e if e[0] in "nkd" else eq.rebuild(e, place)
    body = place(form.body)
    bound = [b for e in eq.walk(body) if e[0] == "S" for b in e[1]]
    axes = tuple((str(i), sizes.setdefault(form.sizes[str(i)], len(sizes))) for i in dict.fromkeys((*node.op.out, *bound)))
    return Group(node, node.op.out, body, tuple(operands), tuple(sizes), axes)
