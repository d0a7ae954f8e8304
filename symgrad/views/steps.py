"""Text in which the steps of a recurrence stand one by one, `h_3[n,i]`, comes in; lines that differ by the step only go out as one, `h[n,t,i]`."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.network.tables import Tables
from symgrad.views.compose import NoMatrixForm

__all__ = ["Family", "Shift", "Steps", "Tokens", "closing", "general", "steps_of", "tokens"]


@dataclass(frozen=True, slots=True)
class Shift:
    """A number, or a name of a step, that moves with the step: `offset` is how far it is from it."""

    name: str
    offset: int

    def text(self, index: str) -> str:
        """`t+1`"""
        return index + (f"{self.offset:+d}" if self.offset else "")


Tokens = tuple[str | int | Shift, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Values that are numbered by a step: the node of each, where the index of the step stands, and whether it is the only one of a family."""

    nodes: Mapping[int, Node]
    axis: int
    alone: bool


@dataclass
class Steps:
    """The recurrences of a graph over one index. `size` is the name of their number of steps, where it is a name."""

    index: str
    count: int
    size: str
    families: dict[str, Family]
    alias: dict[str, tuple[str, int]] = field(default_factory=dict)     # h_3 -> (h, 3)

    def __post_init__(self) -> None:
        for name, family in list(self.families.items()):
            self.add(name, family)

    def add(self, name: str, family: Family) -> None:
        """One more family."""
        self.families[name] = family
        self.alias.update({f"{name}_{k}": (name, k) for k in family.nodes})

    def number(self, step: int) -> str:
        """A whole number in brackets; where the number of steps is a name, the last step has it. Raises NoMatrixForm for one in between."""
        if not self.size or step <= 2:
            return str(step)
        if step < self.count:
            raise NoMatrixForm(f"step {step} of {self.size}")
        return self.size

    def show(self, line: Tokens) -> str:
        """The text, `h_3[n,i]` as `h[n,3,i]` and `h_{t-1}[n,i]` as `h[n,t-1,i]`. Raises NoMatrixForm for a step that is read as a whole."""
        out = ""
        k = 0
        while k < len(line):
            x = line[k]
            k += 1
            if isinstance(x, Shift) and x.name:
                name, step = x.name, x.text(self.index)
            elif isinstance(x, str) and x in self.alias:
                name, step = self.alias[x][0], self.number(self.alias[x][1])
            else:
                out += x.text(self.index) if isinstance(x, Shift) else self.number(x) if isinstance(x, int) else x
                continue
            family = self.families[name]
            inside: list[str] = []
            if k < len(line) and line[k] == "[":
                end = k + 1 + closing(line[k + 1:])
                inside = [self.show(p) for p in _split(line[k + 1: end])]
                k = end + 1
            elif not family.alone:
                raise NoMatrixForm(f"{name} is read as a whole at a step")
            inside.insert(family.axis, step)
            out += f"{name}[{','.join(inside)}]"
        return out


def steps_of(graph: Graph) -> list[Steps]:
    """The recurrences of a graph, grouped by the index that counts their steps."""
    tables = Tables.of(graph)
    found: dict[str, dict[str, Family]] = {}
    for name, entry in tables.names.items():
        if entry.steps and entry.step_axis < len(entry.family):
            found.setdefault(entry.family[entry.step_axis], {})[name] = Family(entry.steps, entry.step_axis, len(entry.family) == 1)
    out = []
    for index, families in found.items():
        size = graph.ranges.get(index)
        count = tables.steps(size)
        if count is not None:
            out.append(Steps(index, count, "" if isinstance(size, int) else str(size), families))
    return out


def tokens(text: str) -> Tokens:
    """The words of a text; whole numbers inside square brackets are numbers."""
    out: list[str | int | Shift] = []
    depth = 0
    for t in re.findall(r"\d+(?:\.\d+)?|[A-Za-z]\w*|\s+|.", text):
        depth += (t == "[") - (t == "]")
        out.append(int(t) if depth and t.isdigit() else t)
    return tuple(out)


def general(lines: Sequence[Tokens], steps: Sequence[int]) -> Tokens | None:
    """What two neighbouring lines have in common, with shifts where they differ by the step: of the first such pair that has it."""
    for (a, k), (b, m) in pairwise(zip(lines, steps, strict=True)):
        if m == k + 1 and len(a) == len(b):
            found = [_common(x, y, k) for x, y in zip(a, b, strict=True)]
            if all(x is not None for x in found):
                return tuple(x for x in found if x is not None)
    return None


def _common(x: str | int | Shift, y: str | int | Shift, step: int) -> str | int | Shift | None:
    if x == y:
        return x
    if isinstance(x, int) and isinstance(y, int):
        return Shift("", x - step) if y == x + 1 else None
    if isinstance(x, str) and isinstance(y, str):
        (name, _, first), (other, _, second) = x.rpartition("_"), y.rpartition("_")
        if name and name == other and first.isdigit() and second.isdigit() and int(second) == int(first) + 1:
            return Shift(name, int(first) - step)
    return None


def closing(line: Sequence[object], opens: str = "[", closes: str = "]") -> int:
    """The place of the bracket that closes the one before the first token."""
    depth = 1
    for k, x in enumerate(line):
        depth += (x == opens) - (x == closes)
        if not depth:
            return k
    return len(line)


def _split(line: Tokens) -> list[Tokens]:
    """The parts between commas of one pair of brackets."""
    out: list[list[str | int | Shift]] = [[]]
    depth = 0
    for x in line:
        depth += (x == "[") - (x == "]")
        if x == "," and not depth:
            out.append([])
        else:
            out[-1].append(x)
    return [tuple(p) for p in out]
