"""The chain rule as products of `∂a/∂b` along the named values between a variable and an output, sums over parallel paths."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symgrad.core.node import Node, topological

__all__ = ["Factor", "Path", "Sum", "factors_of", "follows_axis", "multiplied_out", "named_chain", "show_chain"]


@dataclass(frozen=True, slots=True)
class Factor:
    """The derivative of one named value by another."""

    of: Node
    by: Node


@dataclass(frozen=True, slots=True)
class Sum:
    """Parallel paths, added."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Factors and sums in order, multiplied."""

    parts: tuple[Factor | Sum, ...]


def named_chain(output: Node, variable: Node, names: Mapping[Node, str]) -> Path:
    """The product from the output to the variable through the named values between them.

    Consecutive factors meet in a value that every path goes through; where paths run side by side between two such values and do not
    depend on one another, their sum is written out. A direct path beside a longer one stays in one factor (total derivative).
    """
    net = _Named(output, variable, names)
    return Path(net.between(output, variable))


class _Named:
    """The graph of named values between a variable and an output."""

    def __init__(self, output: Node, variable: Node, names: Mapping[Node, str]) -> None:
        self.order = [n for n in topological([output])]
        self.depends: set[Node] = set()
        for n in self.order:
            if n is variable or any(o in self.depends for o in n.operands):
                self.depends.add(n)
        self.stops = {n for n in self.depends if n in names or n in (output, variable)}
        self.variable = variable
        self.place = {n: k for k, n in enumerate(self.order)}
        self._before: dict[Node, tuple[Node, ...]] = {}

    def before(self, node: Node) -> tuple[Node, ...]:
        """The named values that a named value is computed from directly, among those that depend on the variable."""
        if node not in self._before:
            found: dict[Node, None] = {}
            seen: set[Node] = set()
            stack = list(reversed(node.operands))
            while stack:
                n = stack.pop()
                if n in seen or n not in self.depends:
                    continue
                seen.add(n)
                if n in self.stops:
                    found[n] = None
                else:
                    stack.extend(reversed(n.operands))
            self._before[node] = tuple(found)
        return self._before[node]

    def between(self, top: Node, bottom: Node) -> tuple[Factor | Sum, ...]:
        """The parts from `top` down to `bottom`."""
        parts: list[Factor | Sum] = []
        while top is not bottom:
            gate = self.gate(top)
            direct = self.before(top)
            if direct == (gate,) or not self._side_by_side(direct, gate):
                parts.append(Factor(top, gate))
            else:
                parts.append(Sum(tuple(Path((Factor(top, p), *self.between(p, gate))) for p in direct)))
            top = gate
        return tuple(parts)

    def gate(self, top: Node) -> Node:
        """The named value nearest to `top` that every path from the variable to it goes through."""
        frontier = set(self.before(top))
        while len(frontier) > 1:
            last = max(frontier, key=self.place.__getitem__)
            frontier.remove(last)
            frontier.update(self.before(last) if last is not self.variable else ())
        return frontier.pop()

    def _side_by_side(self, values: Sequence[Node], gate: Node) -> bool:
        """Whether no value depends on another and the way down does not branch again and again."""
        if gate in values or len(values) > 4:
            return False
        for v in values:
            below = {v}
            stack = [v]
            while stack:
                for n in self.before(stack.pop()):
                    if n not in below:
                        below.add(n)
                        stack.append(n)
            if any(w in below for w in values if w is not v):
                return False
        return True


def factors_of(path: Path) -> list[Factor]:
    """All factors of a chain, left to right, each once."""
    found: dict[Factor, None] = {}
    for part in path.parts:
        for f in [part] if isinstance(part, Factor) else [f for p in part.paths for f in factors_of(p)]:
            found[f] = None
    return list(found)


def show_chain(path: Path, show: Callable[[Factor], str], times: str = "*") -> str:
    """The chain with each factor shown; parallel paths in brackets unless they are all there is."""
    shown = []
    for part in path.parts:
        if isinstance(part, Factor):
            shown.append(show(part))
        else:
            inner = " + ".join(show_chain(p, show, times) for p in part.paths)
            shown.append(f"({inner})" if len(path.parts) > 1 else inner)
    return times.join(shown)


def multiplied_out(path: Path) -> list[list[Factor]]:
    """The chain as a sum of plain products."""
    found: list[list[Factor]] = [[]]
    for part in path.parts:
        options = [[part]] if isinstance(part, Factor) else [p for inner in part.paths for p in multiplied_out(inner)]
        found = [have + more for have in found for more in options]
    return found


def follows_axis(of: Node, by: Node) -> bool:
    """Whether the first axis of `by` is carried along as the first axis of `of`: example n depends on example n only."""
    order = [n for n in topological([of])]
    axis: dict[Node, int | None] = {of: 0}
    for node in reversed(order):
        if node not in axis or node is by:
            continue
        place = axis[node]
        for k, operand in enumerate(node.operands):
            wanted = None if place is None else _operand_axis(node, k, place)
            if operand in axis and axis[operand] != wanted:
                wanted = -1
            axis[operand] = wanted
    return axis.get(by) == 0 and not _mixes(of, by, order, axis)


def _mixes(of: Node, by: Node, order: Sequence[Node], axis: Mapping[Node, int | None]) -> bool:
    """Whether some value on a path from `by` to `of` does not carry the axis."""
    on_path = {by}
    for n in order:
        if n not in on_path and any(o in on_path for o in n.operands):
            on_path.add(n)
    return any(axis.get(n) is None or axis[n] == -1 for n in on_path if n in axis)


def _operand_axis(node: Node, position: int, place: int) -> int | None:
    """The axis of an operand that is read at the output's index `place`, if it is read nowhere else."""
    if place < 0:
        return -1
    letter = node.op.out[place]
    wanted = {a for name, k, a in node.op.patterns if k == position and name == letter}
    if len(wanted) != 1:
        return -1
    (a,) = wanted
    return a if all(name == letter for name, k, b in node.op.patterns if k == position and b == a) else -1
