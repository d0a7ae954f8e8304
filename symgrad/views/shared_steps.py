"""What the steps of a recurrence compute more than once comes out, step by step, so that it can have a name of its own."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, Node, Variable
from symgrad.views.compose import is_call
from symgrad.views.matrix import PLAIN

__all__ = ["shared_steps"]


def shared_steps(order: Sequence[Node], names: Mapping[Node, str], alias: Mapping[str, tuple[str, int]], fewest: int) -> list[dict[int, Node]]:
    """The unnamed nodes of `order` (operands first) that are read twice, or as a whole by a call: those that differ by the step only together.

    alias: the names of steps, h_3 -> (h, 3). Each result has its nodes by step, `fewest` of them at least.
    """
    kinds = _Kinds(names, alias)
    uses: dict[Node, int] = {}
    for n in order:
        whole = n.op.body is None or is_call(n)
        for o in n.operands:
            uses[o] = uses.get(o, 0) + (2 if whole else 1)
    found: dict[object, dict[int, Node]] = {}
    shared: set[object] = set()
    for n in order:
        kind, step = kinds.of(n)
        plain = not n.operands or not n.rank or n in names or n.op in (NUMBER, SIZE) or n.op.has_delta or n.op.name in PLAIN or n.op.name == "slice"
        if step is not None and not plain:
            found.setdefault(kind, {})[step] = n
            if uses.get(n, 0) > 1:
                shared.add(kind)
    groups = [nodes for kind, nodes in found.items() if kind in shared and len(nodes) >= fewest]
    return [{k + (0 in nodes): n for k, n in nodes.items()} for nodes in groups]      # steps count from 1


class _Kinds:
    """What a node is apart from its step, and its step: the largest that it reads."""

    def __init__(self, names: Mapping[Node, str], alias: Mapping[str, tuple[str, int]]) -> None:
        self.names, self.alias = names, alias
        self.known: dict[Node, tuple[object, int | None]] = {}

    def of(self, node: Node) -> tuple[object, int | None]:
        """(kind, step); the operands of a node are asked for first."""
        if node not in self.known:
            self.known[node] = self._found(node)
        return self.known[node]

    def _found(self, node: Node) -> tuple[object, int | None]:
        name = self.names.get(node, node.name if isinstance(node.data, Variable) else "")
        if name in self.alias:
            return self.alias[name]
        if name or not node.operands:
            return (name or id(node)), None
        body = node.op.body
        if node.op.name == "slice" and body is not None and body[0] == "r":
            numbers = [i[1] for i in body[2] if eq.is_affine(i) and isinstance(i, tuple) and not i[2]]
            if len(numbers) == 1:                          # one place of an array: the step is the place, counted from 1
                kind = self.of(node.operands[0])[0] if node.operands[0] in self.known else id(node.operands[0])
                return ("slice", kind, tuple(str(i) for i in body[2] if not eq.is_affine(i)), node.rank), numbers[0] + 1
        inside = [self.known.get(o) or self.of(o) for o in node.operands]
        steps = [s for _, s in inside if s is not None]
        if not steps:
            return (node.op, tuple(k for k, _ in inside)), None
        step = max(steps)
        return (node.op, tuple((k, None if s is None else s - step) for k, s in inside)), step
