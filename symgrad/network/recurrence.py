"""Definitions with a numbered step, `h[n, 0] = h0` and `h[n, t] = f(h[n, t-1])`, come in; one node a step and the stack of them go out.

A recurrence may run downwards: `d[n, T] = ...` and `d[n, t] = f(d[n, t+1])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from symgrad.core.node import Node, variable
from symgrad.network.indexing import stacked
from symgrad.network.tables import Entry
from symgrad.notation.screen import Fault
from symgrad.notation.statements import Definition, Network
from symgrad.notation.statements import Family as FamilyLine
from symgrad.notation.syntax import Affine, Expression, Index, Name, Place, walk

if TYPE_CHECKING:
    from symgrad.network.statements import Lines

__all__ = ["Recurrences"]

MOST_STEPS = 5000
STEPS = 5
"""How many steps are written out where their number is a name: enough to tell the first, the last and what lies between."""


def names_in(e: Expression) -> list[str]:
    """The names of values in an expression, from right to left."""
    return [x.name for x in reversed(list(walk(e))) if isinstance(x, Name)]


@dataclass
class _Numbered:
    """An array that is defined step by step: which position of its left side counts, and the steps so far."""

    axis: int
    last_line: int
    general: str = ""                                      # the index of the general line, where there is one
    steps: dict[int, Node] = field(default_factory=dict)
    first: Definition | None = None


@dataclass
class Recurrences:
    """Collects the definitions of one recurrence (several may depend on each other) and unrolls them when the last one has been read."""

    lines: Lines
    numbered: dict[str, _Numbered] = field(default_factory=dict)
    block: list[Definition] = field(default_factory=list)
    indices: set[str] = field(default_factory=set)         # names that range over a family
    defined: set[str] = field(default_factory=set)         # names that some line defines
    ends: set[str] = field(default_factory=set)            # sizes that stand on a left side for the last step

    def look_ahead(self, network: Network) -> None:
        """Find the arrays that have a numbered line."""
        definitions = [s for s in network.statements if isinstance(s, Definition)]
        self.defined = {s.name for s in definitions if not s.sums_free}
        last = {**self.lines.tables.ranges, **{s.name: s.last for s in network.statements if isinstance(s, FamilyLine)}}
        self.indices = set(last)
        stepped = {(s.name, k, last[i.name]) for s in definitions for k, i in enumerate(s.indices) if i.name in last}
        sizes = self.lines.tables.sizes
        for s in definitions:                              # `b[n, T] = ...` beside `b[n, t] = ...` with t = 1..T: the last step, not an index T
            for k, i in enumerate(s.indices):
                if i.name is not None and i.name not in last and stepped & {(s.name, k, i.name), (s.name, k, sizes.get(i.name, ""))}:
                    self.ends.add(i.name)
                    if i.name not in sizes:
                        self.lines.tables.lengths.setdefault(i.name, STEPS)
        for line, s in enumerate(definitions):
            places = [k for k, i in enumerate(s.indices) if self.step(i) is not None]
            if len(places) > 1:
                raise Fault("one index of the left side may be a number, as in h[n, 0] = h0", s.indices[places[1]].place)
            if places:
                found = self.numbered.setdefault(s.name, _Numbered(places[0], line))
                if found.axis != places[0]:
                    raise Fault(f"the steps of {s.name} are counted by its index {found.axis + 1}", s.indices[places[0]].place)
        for line, s in enumerate(definitions):
            if s.name in self.numbered:
                numbered = self.numbered[s.name]
                numbered.last_line = line
                if len(s.indices) <= numbered.axis:
                    raise Fault(f"{s.name} is defined step by step above: it needs the same indices here", s.place)
                if all(self.step(i) is None for i in s.indices):
                    numbered.general = s.indices[numbered.axis].name or ""
        self.count = -1

    def step(self, i: Affine) -> int | None:
        """The number that an index of a left side is: a whole number, or a size that has one, as in `d[n, T]`."""
        return self._numbers.get(i.name) if i.name in self.ends else i.literal

    @property
    def _numbers(self) -> dict[str, int]:
        return {**self.lines.tables.sizes, **self.lines.tables.lengths}

    def _count(self, index: str, place: Place) -> int | None:
        """How many steps are written out for an index; None where it has no range yet. Raises Fault for too many."""
        size = self.lines.tables.ranges.get(index)
        count = self.lines.tables.lengths.setdefault(size, STEPS) if isinstance(size, str) else size
        if isinstance(count, int) and count > MOST_STEPS:
            raise Fault(f"at most {MOST_STEPS} steps are unrolled; {count} is too many", place)
        return count if isinstance(count, int) else None

    def take(self, s: Definition) -> bool:
        """Whether the definition belongs to a recurrence and is taken care of."""
        self.count += 1
        numbered = self.numbered.get(s.name)
        if numbered is not None and self.step(s.indices[numbered.axis]) is not None:
            self._step(s, numbered)
            return True
        if numbered is None and not (self.block and self._index(self.block[0]) in {i.name for i in s.indices}) and not self._refers(s):
            return False
        if s.sums_free:
            return False
        self.block.append(s)
        if not self._waiting():
            self._unroll()
        return True

    def _waiting(self) -> list[str]:
        """The names whose general lines the block still needs: begun recurrences, and what its lines read that is defined below."""
        read = [n for b in self.block for n in names_in(b.value) if n in self.defined and n not in self.lines.tables.names]
        begun = [n for b in self.block for n in self._open(b.value)]
        return [n for n in dict.fromkeys((*begun, *read)) if all(b.name != n for b in self.block)]

    def finish(self) -> None:
        """Raises Fault for a recurrence whose general line is missing."""
        if self.block:
            raise Fault(f"{self.block[0].name} waits for {self._waiting()[0]}, whose line comes too late", self.block[0].place)

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
        return [n for n in names_in(e) if n in self.numbered and self._is_open(n) and self.numbered[n].general]

    def _is_open(self, name: str) -> bool:
        """Whether a recurrence is not unrolled yet."""
        return name not in self.lines.tables.names or not self.lines.tables.names[name].complete

    def _step(self, s: Definition, numbered: _Numbered) -> None:
        step = self.step(s.indices[numbered.axis])
        assert step is not None
        if step in numbered.steps or not self._is_open(s.name):
            raise Fault(f"step {step} of {s.name} is defined already", s.place)
        at = s.indices[numbered.axis]
        s = replace(s, indices=tuple(Affine(step, (), at.place) if i is at else i for i in s.indices))
        read = self.lines.right_side(s, {})
        self._fits(s, numbered.steps, read.node)
        numbered.steps[step] = read.node
        numbered.first = numbered.first or s
        self.lines.last = read
        count = self._count(numbered.general, s.place)
        if count is not None:                              # what is known so far may be read by the next lines
            self._partial(s, numbered.axis, numbered.steps, numbered.general)
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
        count = self._count(index, block[0].place)
        if count is None:
            raise Fault(f"{block[0].name} is defined step by step, so the number of steps is a number or a name", block[0].place)
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
                self._partial(next(s for s in block if s.name == name), axis[name], known, index)
        for t in self._order(block, index, count):
            for s in block:
                if t in steps[s.name]:
                    continue
                node = self.lines.right_side(s, {index: t}).node
                self._fits(s, steps[s.name], node)
                steps[s.name][t] = node
                self._partial(s, axis[s.name], steps[s.name], index)
        for s in block:
            self._enter(s, axis[s.name], steps[s.name], index)

    def _order(self, block: Sequence[Definition], index: str, count: int) -> range:
        """1, 2, ... or, where the lines read larger steps only, ..., 2, 1."""
        names = {s.name for s in block}
        found: dict[bool, Index] = {}
        for e in (e for s in block for e in walk(s.value)):
            if isinstance(e, Index) and isinstance(e.operand, Name) and e.operand.name in names:
                found.update({i.constant > 0: e for i in e.indices if i.constant and any(index in t.names for t in i.terms)})
        if len(found) == 2:
            raise Fault(f"the recurrence over {index} reads smaller steps and, here, larger ones: it goes one way", found[True].place)
        return range(count, 0, -1) if True in found else range(1, count + 1)

    def _partial(self, s: Definition, axis: int, steps: dict[int, Node], index: str) -> None:
        """What is known so far, under a node that only lends its shape."""
        shape = next(iter(steps.values())).shape
        lent = variable(s.name, (*shape[:axis], self.lines.tables.ranges[index], *shape[axis:]))
        self.lines.tables.names[s.name] = Entry(
            lent, self._family([i.name or index for i in s.indices]), steps=steps, step_axis=axis, complete=False
        )

    def _family(self, names: Sequence[str]) -> tuple[str, ...]:
        ranges = self.lines.tables.ranges
        return tuple(names[: next((k for k, i in enumerate(names) if i not in ranges), len(names))])

    def _enter(self, s: Definition, axis: int, steps: dict[int, Node], index: str | None) -> None:
        family = self._family([i.name or index or "" for i in s.indices])
        node = stacked([steps[k] for k in sorted(steps) if k >= 1], axis, self.lines.tables.ranges[index] if index else None)
        entry = Entry(node, family, steps=dict(steps), step_axis=axis)
        self.lines.enter(s.name, entry)
        self.lines.kept.update(steps.values())
        if self.lines.last is not None:
            self.lines.last = replace(self.lines.last, node=node)
