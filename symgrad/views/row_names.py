"""Nodes of a form come in; telling names for what the forward pass caches go out: h_hat and sigma_h of a norm, P of a softmax."""
from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from symgrad.core import equation as eq
from symgrad.core.differentiation import pullback
from symgrad.core.node import Node, apply, topological
from symgrad.core.op import Op
from symgrad.ops.arithmetic import product
from symgrad.ops.stacking import MERGE, SPLIT
from symgrad.views.regrouping import REGROUPED

__all__ = ["Labels", "free_name", "labelled", "straightened"]

WORDS = {"standardise": "{}_hat", "standardise.s": "sigma_{}", "root_mean_square": "rms_{}"}
"""What a row caches, after the name of what it is the row of: the forms name it wherever the backward pass reads it."""

COTANGENTS = {"standardise": "g", "softmax": "d{}"}
"""What the cotangent of a row is called, after the name of the row's value."""

LETTERS = {"softmax": "P"}
"""Rows whose arrays have a letter of their own: named where they are read twice."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Names for nodes. `always`: those named wherever they stand; `reads`: how often the backward pass reads the others."""

    names: dict[Node, str] = field(default_factory=dict)
    always: set[Node] = field(default_factory=set)
    reads: dict[Node, int] = field(default_factory=dict)


def labelled(order: Sequence[Node], names: Mapping[Node, str], backward: Collection[Node]) -> Labels:
    """The names of the values that backward nodes read, and of the cotangents of these: `g` of `h_hat`, `dP` of `P`."""
    found = Labels()
    for node in order:
        if node not in backward or node.op.body is None or _turned(node)[0] is not node:
            continue
        for k, value in enumerate(node.operands):
            row = _row(value)
            shown = straight(row)
            if row.op.name in WORDS and shown not in names:
                for n in (shown, *(o for o in row.operands[row.op.arity:] if o.op.name in WORDS)):
                    found.names[n] = WORDS[n.op.name if n is not shown else row.op.name].format(_name_below(row, names)).strip("_")
                    found.always.add(n)
            elif row.op.name in LETTERS and row not in names and row.rank > 1:
                found.names[row] = LETTERS[row.op.name]
                found.reads[row] = found.reads.get(row, 0) + _count(node.op, k)
                if found.reads[row] > 1:
                    found.always.add(row)
            if shown in found.names and "." not in row.op.name:
                _cotangent(node, row, shown, names, found)
    return found


def free_name(name: str, used: Collection[str]) -> str:
    """The name, numbered where it is in use."""
    return name if name not in used else next(f"{name}{n}" for n in itertools.count(1) if f"{name}{n}" not in used)


def _cotangent(node: Node, row: Node, shown: Node, names: Mapping[Node, str], found: Labels) -> None:
    """The name of what the pullback of a row is applied to."""
    rule = pullback(row.op, 0)
    if rule is None or rule.op is not node.op:
        return
    cotangent = _row(node.operands[rule.sources.index("C")])
    if cotangent.operands and cotangent not in names and cotangent.rank and not cotangent.op.has_delta:
        found.names.setdefault(cotangent, COTANGENTS.get(row.op.name, "d{}").format(found.names[shown]))
        if shown in found.always:
            found.always.add(cotangent)


def _count(op: Op, operand: int) -> int:
    """How often an equation reads an operand."""
    return sum(r[1] == operand for r in eq.references(op.body)) if op.body is not None else 1


def _turned(node: Node) -> tuple[Node, tuple[str, ...]]:
    """(x, letters) where the node is x with its axes in another order, named by the letters; else the node itself."""
    body = node.op.body
    if body is not None and body[0] == "r" and len(node.operands) == 1 and sorted(map(str, body[2])) == sorted(node.op.out):
        return node.operands[0], body[2]
    return node, node.op.out


def _row(node: Node) -> Node:
    """The node below any changes of the order of axes."""
    while (below := _turned(node)[0]) is not node:
        node = below
    return node


def straight(row: Node) -> Node:
    """A row's value with its axes in the order of the user's array: h_hat[n,d] for h[n,d]."""
    if row.op.name not in WORDS or row.rank < 2 or not row.operands:
        return row
    x, letters = _turned(row.operands[0])
    return product([(row, row.op.out)], letters) if x is not row.operands[0] and len(letters) == row.rank else row


def _name_below(row: Node, names: Mapping[Node, str]) -> str:
    """The name of the operand of a row, whatever the order or grouping of its axes; "" where it has none."""
    node = _row((row.operands[-1] if "." in row.op.name else row).operands[0])
    while node not in names and node.op.name in (SPLIT, MERGE, REGROUPED):
        node = _row(node.operands[0])
    return names.get(node, "")


def straightened(target: Node, forward: Collection[Node]) -> Node:
    """The same value, where backward nodes read rows as `straight` has them, and deviations as h_hat times sigma_h."""
    order = topological([target])
    moved: dict[Node, Node] = {}
    kept: set[Node] = set(forward)
    for node in order:
        if node.op.name != "standardise" or not node.operands:
            continue
        other, out, (deviation, s) = straight(node), node.op.out, node.operands[node.op.arity:]
        kept |= {node, other, deviation, s}
        letters = _turned(node.operands[0])[1] if other is not node else out
        moved[deviation] = product([(other, letters), (s, out[: s.rank])], out)
        if other is not node:
            moved[node] = product([(other, letters)], out)
    for node in order if moved else ():
        if node not in kept and any(o in moved for o in node.operands):
            moved[node] = apply(node.op, *[moved.get(o, o) for o in node.operands[: node.op.arity]], shape=node.shape)
    return moved.get(target, target)
