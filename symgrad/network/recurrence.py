"""Definitions with a numbered step, `h[n, 0] = h0` and `h[n, t] = f(h[n, t-1])`, come in; one node a step and the stack of them go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from symgrad.core.node import Node, variable
from symgrad.network.indexing import stacked
from symgrad.network.tables import Entry
from symgrad.notation.screen import Fault
from symgrad.notation.statements import Definition, Network
from symgrad.notation.syntax import Expression, Name, operands

if TYPE_CHECKING:
    from symgrad.network.statements import Lines

__all__ = ["Recurrences"]

MOST_STEPS = 5000


@dataclass
class _Numbered:
    """An array that is defined step by step: which position of its left side counts, and the steps so far."""

    axis: int
    last_line: int
    general: bool
    steps: dict[int, Node] = field(default_factory=dict)
    first: Definition | None = None


@dataclass
class Recurrences:
    """Collects the definitions of one recurrence (several may depend on each other) and unrolls them when the last one has been read."""

    lines: Lines
    numbered: dict[str, _Numbered] = field(default_factory=dict)
    block: list[Definition] = field(default_factory=list)

    def look_ahead(self, network: Network) -> None:
        """Find the arrays that have a numbered line."""
        definitions = [s for s in network.statements if isinstance(s, Definition)]
        for line, s in enumerate(definitions):
            places = [k for k, i in enumerate(s.indices) if i.literal is not None]
            if len(places) > 1:
                raise Fault("one index of the left side may be a number, as in h[n, 0] = h0", s.indices[places[1]].place)
            if places:
                found = self.numbered.setdefault(s.name, _Numbered(places[0], line, False))
                if found.axis != places[0]:
                    raise Fault(f"the steps of {s.name} are counted by its index {found.axis + 1}", s.indices[places[0]].place)
        for line, s in enumerate(definitions):
            if s.name in self.numbered:
                numbered = self.numbered[s.name]
                numbered.last_line = line
                numbered.general = numbered.general or all(i.literal is None for i in s.indices)
                if len(s.indices) <= numbered.axis:
                    raise Fault(f"{s.name} is defined step by step above: it needs the same indices here", s.place)
        self.count = -1

    def take(self, s: Definition) -> bool:
        """Whether the definition belongs to a recurrence and is taken care of."""
        self.count += 1
        numbered = self.numbered.get(s.name)
        if numbered is not None and s.indices[numbered.axis].literal is not None:
            self._step(s, numbered)
            return True
        if numbered is None and not (self.block and self._index(self.block[0]) in {i.name for i in s.indices}) and not self._refers(s):
            return False
        if s.sums_free:
            return False
        self.block.append(s)
        waiting = [n for n, x in self.numbered.items() if x.general and x.steps and n not in self.lines.tables.names]
        if all(any(b.name == n for b in self.block) for n in waiting):
            self._unroll()
        return True

    def finish(self) -> None:
        """Raises Fault for a recurrence whose general line is missing."""
        if self.block:
            name = next(n for n, x in self.numbered.items() if x.general and n not in self.lines.tables.names)
            raise Fault(f"{self.block[0].name} waits for {name}, whose line comes too late", self.block[0].place)

    def _index(self, s: Definition) -> str | None:
        """The index that counts the steps of the block that begins with s."""
        numbered = self.numbered.get(s.name)
        if numbered is not None:
            return s.indices[numbered.axis].name
        for name in self._open(s.value):
            first, axis = self.numbered[name].first, self.numbered[name].axis
            general = [
                i.name for i in s.indices if i.name is not None and first is not None and i.name not in {j.name for j in first.indices}
            ]
            if general and axis is not None:
                return general[-1]
        return None

    def _refers(self, s: Definition) -> bool:
        return bool(self._open(s.value)) and self._index(s) is not None

    def _open(self, e: Expression) -> list[str]:
        """The names in an expression whose recurrence has begun and is not unrolled yet."""
        found, waiting = [], [e]
        while waiting:
            x = waiting.pop()
            if isinstance(x, Name) and x.name in self.numbered and x.name not in self.lines.tables.names and self.numbered[x.name].general:
                found.append(x.name)
            waiting.extend(operands(x))
        return found

    def _step(self, s: Definition, numbered: _Numbered) -> None:
        step = s.indices[numbered.axis].literal
        assert step is not None
        if step in numbered.steps or s.name in self.lines.tables.names:
            raise Fault(f"step {step} of {s.name} is defined already", s.place)
        read = self.lines.right_side(s, {})
        self._fits(s, numbered.steps, read.node)
        numbered.steps[step] = read.node
        numbered.first = numbered.first or s
        self.lines.last = read
        if not numbered.general and self.count == numbered.last_line:
            steps = sorted(numbered.steps)
            if steps != list(range(1, len(steps) + 1)):
                raise Fault(
                    f"{s.name} has the entries {', '.join(map(str, steps))}: they begin with 1 and leave none out, or a line "
                    f"{s.name}[..., t] = ... gives the rest",
                    s.place,
                )
            self._enter(s, numbered.axis, numbered.steps, None)

    def _fits(self, s: Definition, steps: dict[int, Node], node: Node) -> None:
        for known in list(steps.values())[:1]:
            if known.shape != node.shape:
                raise Fault(f"the steps of {s.name} have different shapes: {known.shape} and {node.shape}", s.place)

    def _unroll(self) -> None:
        block, self.block = self.block, []
        index = self._index(block[0])
        tables = self.lines.tables
        if index is None or index not in tables.ranges:
            raise Fault(f"the steps of {block[0].name} need a range: declare `index {index or 't'} = 1..T` above", block[0].place)
        count = tables.ranges[index]
        if not isinstance(count, int):
            raise Fault(
                f"{block[0].name} is defined step by step, so the number of steps must be a number: declare `size {count} = 4`",
                block[0].place,
            )
        if count > MOST_STEPS:
            raise Fault(f"at most {MOST_STEPS} steps are unrolled; {count} is too many", block[0].place)
        steps: dict[str, dict[int, Node]] = {}
        axis: dict[str, int] = {}
        for s in block:
            names = [i.name for i in s.indices]
            if index not in names or s.name in steps:
                raise Fault(f"{s.name} is part of the recurrence over {index}, so its left side has the index {index} once", s.place)
            if s.name not in self.numbered:
                self.lines.require_new(s.name, s.place)
            axis[s.name] = names.index(index)
            steps[s.name] = dict(self.numbered[s.name].steps) if s.name in self.numbered else {}
        for name, known in steps.items():
            if known:
                self._partial(next(s for s in block if s.name == name), axis[name], known, count)
        for t in range(1, count + 1):
            for s in block:
                if t in steps[s.name]:
                    continue
                node = self.lines.right_side(s, {index: t}).node
                self._fits(s, steps[s.name], node)
                steps[s.name][t] = node
                self._partial(s, axis[s.name], steps[s.name], count)
        for s in block:
            self._enter(s, axis[s.name], steps[s.name], index)

    def _partial(self, s: Definition, axis: int, steps: dict[int, Node], count: int) -> None:
        """What is known so far, under a node that only lends its shape."""
        shape = next(iter(steps.values())).shape
        lent = variable(s.name, (*shape[:axis], count, *shape[axis:]))
        self.lines.tables.names[s.name] = Entry(
            lent, self._family([i.name or "" for i in s.indices]), steps=steps, step_axis=axis, complete=False
        )

    def _family(self, names: Sequence[str]) -> tuple[str, ...]:
        ranges = self.lines.tables.ranges
        return tuple(names[: next((k for k, i in enumerate(names) if i not in ranges), len(names))])

    def _enter(self, s: Definition, axis: int, steps: dict[int, Node], index: str | None) -> None:
        family = self._family([i.name or index or "" for i in s.indices])
        node = stacked([steps[k] for k in sorted(steps) if k >= 1], axis)
        entry = Entry(node, family, steps=dict(steps), step_axis=axis)
        self.lines.enter(s.name, entry)
        self.lines.kept.update(steps.values())
        if self.lines.last is not None:
            self.lines.last = replace(self.lines.last, node=node)
