"""A wrong line comes in; an object that tells of any node whether it gives the student's values, or the true ones, at every point, goes out."""
from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, exchanged
from symgrad.errors import SymgradError
from symgrad.interop.numpy_tracing import trace
from symgrad.marking.decision import Marked
from symgrad.marking.lines import Line
from symgrad.marking.local_rule import LocalRule, local_rule
from symgrad.marking.points import SAME, Point, agreement
from symgrad.marking.ratios import constant_name, ratio_of
from symgrad.ops.kernels import Array
from symgrad.results import Derivative
from symgrad.run.executor import execute

__all__ = ["REFUSED", "Bench"]

REFUSED = (SymgradError, ArithmeticError, ValueError, TypeError, IndexError, AttributeError, KeyError, NameError, AssertionError, np.linalg.LinAlgError)


@dataclass(frozen=True, eq=False)
class Bench:
    """A wrong line with all that its diagnosis looks at; points without a value of the line are left out."""

    graph: Graph
    marked: Marked
    before: tuple[Line, ...]
    points: Sequence[Point]
    claimed: Sequence[Array]
    truth: Sequence[Array]
    given: Sequence[Mapping[str, Array]]

    # ------------------------------------------------------------------ nodes
    @functools.cached_property
    def leaves(self) -> dict[Node, Line]:
        """The variables that stand for earlier lines."""
        return {e.leaf: e for e in self.before if e.leaf is not None and isinstance(e.leaf.data, Variable)}

    @functools.cached_property
    def atoms(self) -> set[Node]:
        """Nodes that a line reads by name: forward values and earlier lines."""
        return {*self.graph.names.values(), *self.leaves}

    @functools.cached_property
    def rule(self) -> LocalRule | None:
        """The right rule in terms of the earlier lines."""
        try:
            return local_rule(self.graph, self.marked.line, self.before)
        except SymgradError:
            return None

    @functools.cached_property
    def right(self) -> Node:
        """The right side as it should be."""
        assert self.marked.line.truth is not None
        return self.rule.node if self.rule is not None else self.marked.line.truth

    @functools.cached_property
    def forms(self) -> list[Node]:
        """The right side in several forms: by the steps of the sweep, and as the closed forms read back."""
        line = self.marked.line
        found = [self.right]
        if line.by is None or line.output is None or line.place:
            return found
        d = Derivative(self.graph, "v", "f", line.output, line.by, line.truth, "jacobian" if line.output.rank else "gradient", None, line.output.rank)
        for view in ("matrix", "index"):
            try:
                found.append(self.graph.parse(getattr(d, view).text))
            except REFUSED:
                continue
        return found

    @functools.cached_property
    def own(self) -> Node | None:
        """The student's line as a node over forward values and earlier lines; None where a function cannot be traced."""
        line = self.marked.line
        if line.function is None:
            return line.value
        names = {**self.graph.names, **{e.name: leaf for leaf, e in self.leaves.items()}}
        stand_ins = {k: n if isinstance(n.data, Variable) and n.data.value is None else None for k, n in names.items()}
        try:
            shapes = {k: n if n is not None else names[k].shape for k, n in stand_ins.items()}
            code = getattr(line.function, "__code__", None)
            if code is not None and not code.co_flags & 0x08:                   # no **kwargs
                shapes = {k: v for k, v in shapes.items() if k in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}
            found = trace(line.function, **shapes)
            return exchanged(found.output, {v: names[k] for k, v in found.variables().items() if k in names and v is not names[k]})
        except REFUSED:
            return None

    # ------------------------------------------------------------------ values
    def value(self, node: Node, at: int, instead: Mapping[Node, Array] | None = None) -> Array | None:
        """The value of a node at a point, with the true values of earlier lines; None where it has none. instead: other values of nodes it reads."""
        point = self.points[at]
        held = {leaf: self.given[at][e.name] for leaf, e in self.leaves.items() if e.name in self.given[at]}
        try:
            held.update(instead or {})
            named = {n.name: a for n, a in held.items() if n.name}
            known = {**self._unmoved(point, instead), **held}
            return execute([node], {**point.values, **named}, sizes=point.sizes, functions=point.functions, known=known)[node]
        except REFUSED:
            return None

    def _unmoved(self, point: Point, instead: Mapping[Node, Array] | None) -> Mapping[Node, Array]:
        return {n: point.known[n] for n in self.graph.names.values() if n in point.known} if instead else point.known

    def gives(self, node: Node, wanted: Sequence[Array]) -> bool:
        """Whether a node has the wanted value at every point."""
        return self.same((self.value(node, k) for k in range(len(wanted))), wanted)

    @staticmethod
    def same(found: Iterable[Array | None], wanted: Sequence[Array]) -> bool:
        """Whether values are the wanted ones; rounding may blur a point in four."""
        blurred = 0
        for a, b in zip(found, wanted, strict=True):
            error = agreement(a.reshape(b.shape), b) if a is not None and a.size == b.size else None
            blurred += error is None or error > 10 * SAME
            if error is None or error > 1e-3 or blurred > len(wanted) // 4:
                return False
        return bool(wanted)

    def constant(self, tops: Sequence[Array], bottoms: Sequence[Array]) -> str:
        """The number or size c with top = c*bottom at every point; an empty text where there is none."""
        if any(a.shape != b.shape for a, b in zip(tops, bottoms, strict=True)):
            return ""
        with np.errstate(all="ignore"):
            found = [(c, p.sizes) for a, b, p in zip(tops, bottoms, self.points, strict=True) for c in [ratio_of(a, b)] if c is not None]
        if not found or len(found) < len(self.points) - len(self.points) // 4:
            return ""
        return constant_name([c for c, _ in found], [s for _, s in found])

    # ------------------------------------------------------------------ words
    def word(self, node: Node) -> str:
        """What a node is called on the page; an empty text for what has no name."""
        if node in self.leaves:
            return self.leaves[node].left.partition("[")[0] if not self.leaves[node].function else self.leaves[node].name
        return self.graph.name_of(node) or node.name

    def word_of_line(self) -> str:
        """What the line's variable is called."""
        line = self.marked.line
        return (self.word(line.by) if line.by is not None else "") or "the variable"

    @functools.cached_property
    def pool(self) -> list[Node]:
        """The named values that could stand in a line."""
        return [*dict.fromkeys((*self.graph.names.values(), *self.leaves))]

    def reads(self, node: Node) -> set[Node]:
        """The named values that a node is made of."""
        found: set[Node] = set()
        done: set[Node] = set()
        waiting = [node]
        while waiting:
            n = waiting.pop()
            if n in done:
                continue
            done.add(n)
            if (n in self.atoms or isinstance(n.data, Variable)) and n is not node:
                found.add(n)
            else:
                waiting.extend(n.operands)
        return found
