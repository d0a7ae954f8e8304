"""The derivative of a recurrence or of a deep net comes in, a line for each step; it goes out said once: `d_h[n,t] = ... d_h[n,t+1] ...`.

The lines of the steps are printed one by one with a name for the cotangent of each step; lines that are equal up to a shift of the step
become one line with an index, the others stay numbered lines. What comes out is a recurrence that runs downwards.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node
from symgrad.network.tables import Tables
from symgrad.views.compose import NoMatrixForm
from symgrad.views.index import component_terms, component_text
from symgrad.views.matrix import Form, below
from symgrad.views.text import terms_of

__all__ = ["MANY", "Families", "Rolled", "families_of", "rolled_form"]

FEWEST, MANY = 3, 7
"""So many steps may have a general line; so many always have one, without a look at whether the steps written out would be shorter."""

Tokens = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Rolled(Form):
    """A form that says `steps` steps once."""

    steps: int = 0


@dataclass(frozen=True)
class Families:
    """The recurrences of a graph that share one index: their steps by name, and where the index of the step stands."""

    index: str
    count: int
    size: str                                              # the name of their number, where it is a name
    steps: Mapping[str, Mapping[int, Node]]
    axis: Mapping[str, int]

    def alias(self) -> dict[str, tuple[str, int]]:
        """h_3 -> (h, 3)."""
        return {f"{name}_{k}": (name, k) for name, steps in self.steps.items() for k in steps}


def families_of(graph: Graph) -> list[Families]:
    """The recurrences of a graph, grouped by the index that counts their steps."""
    found: dict[str, list[str]] = {}
    tables = Tables.of(graph)
    for name, entry in tables.names.items():
        if entry.steps and entry.step_axis < len(entry.family):
            found.setdefault(entry.family[entry.step_axis], []).append(name)
    out = []
    for index, names in found.items():
        size = graph.ranges.get(index)
        count = tables.steps(size)
        if count is not None:
            entries = {n: tables.names[n] for n in names}
            out.append(Families(index, count, "" if isinstance(size, int) else str(size), {n: e.steps for n, e in entries.items()}, {n: e.step_axis for n, e in entries.items()}))
    return out


def rolled_form(target: Node, graph: Graph, names: Mapping[Node, str], cotangents: Mapping[Node, Node]) -> Rolled | None:
    """`D[...] = ...` after one line a family of cotangents; None where the steps are too few or have no common form.

    names: nodes that print as a name. cotangents: of every node of the forward pass, as the sweep found them.
    """
    for families in families_of(graph):
        if families.count >= FEWEST:
            try:
                found = _Roll(target, graph, names, cotangents, families).form()
            except NoMatrixForm:
                continue
            if found is not None:
                return found
    return None


class _Roll:
    def __init__(self, target: Node, graph: Graph, names: Mapping[Node, str], cotangents: Mapping[Node, Node], families: Families) -> None:
        self.target, self.families = target, families
        self.index, self.count = families.index, families.count
        self.ranges = {n: s for n, s in graph.ranges.items() if n != self.index}
        self.alias = families.alias()
        self.names = dict(names)
        self.same: dict[tuple[str, int], tuple[str, int]] = {}    # of steps that are one node, the one that is printed
        for name, steps in families.steps.items():
            for k, node in steps.items():
                printed = self.alias.get(self.names.get(node, ""), (name, k))
                self.same[name, k] = printed
                self.names[node] = "_".join(map(str, printed))
        self.axis = dict(families.axis)
        self.lines: dict[str, dict[int, Node]] = {}            # family of cotangents -> its nodes by step
        place = {n: k for k, n in enumerate(below(target, names))}
        for name, steps in families.steps.items():
            left = f"d_{name}"
            while left in graph.words:
                left += "_"
            nodes = {k: cotangents[n] for k, n in steps.items() if k >= 1 and n in cotangents}
            nodes = {k: c for k, c in nodes.items() if c.operands and c.op is not NUMBER and c is not target and c not in self.names}
            if len(nodes) >= FEWEST - 1 and any(c in place for c in nodes.values()):
                self.lines[left] = nodes
                self.axis[left] = families.axis[name]
        for left, nodes in self.lines.items():
            for k, c in nodes.items():
                if c in self.names:                            # one cotangent of two values: the first one's name
                    self.same[left, k] = self.alias[self.names[c]]
                else:
                    self.names[c] = f"{left}_{k}"
                    self.same[left, k] = (left, k)
                self.alias[f"{left}_{k}"] = (left, k)
        self.place = place

    # ------------------------------------------------------------------ the form
    def form(self) -> Rolled | None:
        """The lines of the cotangents, then the result."""
        if not self.lines:
            return None
        order = sorted(self.lines, key=lambda left: max(self.place.get(c, 0) for c in self.lines[left].values()))   # the same in every process
        numbered: dict[str, dict[int, Tokens]] = {}
        general: dict[str, Tokens] = {}
        for left in order:
            found = {k: self.tokens(self._line(left, k)) for k in self.lines[left] if self.same[left, k] == (left, k)}
            if not found:
                continue
            pattern = _general([found[k] for k in sorted(found)], sorted(found))
            rest = found if pattern is None else {k: t for k, t in found.items() if self.instance(pattern, k) != t}
            if pattern is None or len(found) - len(rest) < FEWEST - 1 or set(range(1, max(found) - len(rest) + 1)) & set(rest):
                return None
            numbered[left], general[left] = rest, pattern
        body = self._body()
        if body is None:
            return None
        lines = self._needed(_within_a_step(order, general), numbered, general, body)
        last = self.number(max(max(nodes) for nodes in self.lines.values()))
        note = f"said once for every step, {self.index} = {last}, ..., 1" if lines else ""
        return Rolled(tuple(lines), body, note, self.count)

    def _needed(self, order: Sequence[str], numbered: Mapping[str, dict[int, Tokens]], general: Mapping[str, Tokens], body: str) -> list[str]:
        """The lines that the result reads: the numbered ones first, with the instances of general lines that they read themselves."""
        first: dict[tuple[str, int], Tokens] = {}
        waiting = [(left, k) for left in order for k in numbered.get(left, ())]
        while waiting:
            left, k = waiting.pop()
            if (left, k) in first or left not in general:
                continue
            first[left, k] = numbered[left].get(k) or self.instance(general[left], k)
            waiting += [self.alias[t] for t in _names(first[left, k]) if t in self.alias and self.alias[t][0] in general]
        steps = sorted(first, key=lambda x: (-x[1], order.index(x[0])))
        shown = [self.show(first[x]) for x in steps]
        kept: list[str] = []
        needed = body
        for left in reversed([x for x in order if x in general]):
            line = self.show(general[left])
            kept.insert(0, line)
            needed += line
        used = {left for left in general if re.search(rf"\b{left}\b", body)}
        while True:
            more = {x for left in used for x in general if re.search(rf"\b{x}\b", self.show(general[left]).partition("=")[2])} - used
            if not more:
                break
            used |= more
        return [t for x, t in zip(steps, shown, strict=True) if x[0] in used] + [t for t in kept if t.partition("[")[0] in used]

    def _line(self, left: str, k: int) -> str:
        node = self.lines[left][k]
        return component_text(node, {n: s for n, s in self.names.items() if n is not node}, self.ranges, f"{left}_{k}", reserved=(self.index,))

    def _body(self) -> str | None:
        """The result, with the terms that differ by a shift of the step as one sum over it."""
        names = {n: s for n, s in self.names.items() if n is not self.target}
        head, terms = component_terms(self.target, names, self.ranges, (self.index,))
        groups: dict[tuple[object, ...], list[Tokens]] = {}
        for t in terms:
            tokens = self.tokens(t)
            groups.setdefault(tuple("#" if isinstance(x, int) else self._skeleton(x) for x in tokens), []).append(tokens)
        out: list[str] = []
        for members in groups.values():
            shown = self._summed(members, head)
            out += [self.show(t) for t in members] if shown is None else [shown]
        if len(out) > FEWEST:
            return None
        text = ""
        for t in sorted(out, key=lambda t: t.startswith("-")):
            text += t if not text else " - " + t[1:] if t.startswith("-") else f" + {t}"
        return f"D[{','.join(head)}] = {text}" if head else text

    def _skeleton(self, token: str | int) -> str:
        return self.alias[token][0] if token in self.alias else str(token)

    def _summed(self, members: list[Tokens], head: list[str]) -> str | None:
        """One sum over the step, with a factor that leaves out steps without a term; None where the terms do not run through the steps.

        Terms that stand at one place each of an axis of the result are one term: the axis takes the letter of the step in `head`.
        """
        if len(members) < FEWEST - 1:
            return None
        members = sorted(members, key=lambda t: [self.alias[x][1] if x in self.alias else x for x in t if isinstance(x, int) or x in self.alias])
        start = next((self.alias[x] for x in members[0] if x in self.alias and self.alias[x][0] in self.lines), None)
        if start is None:
            return None
        steps = list(range(start[1], start[1] + len(members)))
        pattern = _general(members, steps)
        if pattern is None or any(self.instance(pattern, k) != t for k, t in zip(steps, members, strict=True)):
            return None
        missing = [k for k in range(1, self.count + 1) if k not in steps]
        text = self.show(pattern)
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        fixed = next((x for x in head if re.search(rf"delta\[({self.index},{x}|{x},{self.index})\]\*?", text)), None)
        if fixed is not None:
            delta = rf"delta\[(?:{self.index},{fixed}|{fixed},{self.index})\]"
            text = re.sub(rf"{delta}\*|\*?{delta}", "", text, count=1) or "1"
            head[head.index(fixed)] = self.index
            text = re.sub(rf"\b{fixed}\b", self.index, text)
        masks = "".join(f"(1 - delta[{self.number(k)},{self.index}])*" for k in missing)
        text = f"({text})" if masks and len(terms_of(text)) > 1 else text
        return f"{sign}{masks}{text}" if fixed is not None else sign + _summed_over(self.index, masks + text)

    # ------------------------------------------------------------------ tokens
    def tokens(self, text: str) -> Tokens:
        """The words of a text; whole numbers inside square brackets are numbers, a name of a step stands for all names of its node."""
        out: list[str | int] = []
        depth = 0
        for t in re.findall(r"\d+(?:\.\d+)?|[A-Za-z]\w*|\s+|.", text):
            depth += (t == "[") - (t == "]")
            out.append(int(t) if depth and t.isdigit() else t)
        return tuple(out)

    def instance(self, pattern: Tokens, step: int) -> Tokens:
        """A general line at a step, in the names that are printed."""
        out: list[str | int] = []
        for x in pattern:
            if isinstance(x, _Shift):
                out.append(_at(x, step, self.same))
            else:
                out.append(x)
        return tuple(out)

    def show(self, tokens: Tokens) -> str:
        """The text, `h_3[n,i]` as `h[n,3,i]` and `h_{t-1}[n,i]` as `h[n,t-1,i]`."""
        out = ""
        k = 0
        while k < len(tokens):
            x = tokens[k]
            name, step = ("", "")
            if isinstance(x, _Shift) and x.name:
                name, step = x.name, x.text(self.index)
            elif not isinstance(x, _Shift) and x in self.alias:
                name, step = self.alias[x][0], self.number(self.alias[x][1])
            if not name:
                out += x.text(self.index) if isinstance(x, _Shift) else self.number(x) if isinstance(x, int) else x
                k += 1
                continue
            if k + 1 >= len(tokens) or tokens[k + 1] != "[":
                if self._rank(name):
                    raise NoMatrixForm(f"{name} is read as a whole at a step")
                out += f"{name}[{step}]"
                k += 1
                continue
            end = k + 2 + _closing(tokens[k + 2:])
            parts = _split(tokens[k + 2: end])
            shown = [self.show(p) for p in parts]
            shown.insert(self.axis[name], step)
            out += f"{name}[{','.join(shown)}]"
            k = end + 1
        return out

    def number(self, step: int) -> str:
        """A whole number in brackets; where the number of steps is a name, the last step has it. Raises NoMatrixForm for one in between."""
        if not self.families.size or step <= 2:
            return str(step)
        if step < self.count:
            raise NoMatrixForm(f"step {step} of {self.families.size}")
        return self.families.size

    def _rank(self, name: str) -> int:
        nodes = self.families.steps.get(name) or self.lines[name]
        return next(iter(nodes.values())).rank


@dataclass(frozen=True)
class _Shift:
    """A number or a name of a step that moves with the step: `offset` is how far it is from it."""

    name: str
    offset: int

    def text(self, index: str) -> str:
        return index + (f"{self.offset:+d}" if self.offset else "")


def _at(x: _Shift, step: int, same: Mapping[tuple[str, int], tuple[str, int]]) -> str | int:
    if not x.name:
        return step + x.offset
    name, k = same.get((x.name, step + x.offset), (x.name, step + x.offset))
    return f"{name}_{k}"


def _general(lines: Sequence[Tokens], steps: Sequence[int]) -> Tokens | None:
    """What two neighbouring lines have in common, with shifts where they differ by the step: of the first such pair that has it."""
    for (a, k), (b, m) in pairwise(zip(lines, steps, strict=True)):
        if m == k + 1 and len(a) == len(b):
            found = [_common(x, y, k) for x, y in zip(a, b, strict=True)]
            if all(x is not None for x in found):
                return tuple(found)  # type: ignore[arg-type]  # none of them is None
    return None


def _common(x: str | int, y: str | int, step: int) -> str | int | _Shift | None:
    if x == y:
        return x
    if isinstance(x, int) and isinstance(y, int):
        return _Shift("", x - step) if y == x + 1 else None
    if isinstance(x, str) and isinstance(y, str):
        (name, _, first), (other, _, second) = x.rpartition("_"), y.rpartition("_")
        if name and name == other and first.isdigit() and second.isdigit() and int(second) == int(first) + 1:
            return _Shift(name, int(first) - step)
    return None


def _within_a_step(order: Sequence[str], general: Mapping[str, Tokens]) -> list[str]:
    """The families of cotangents, each behind those that it reads at the same step."""
    reads = {left: {x.name for x in general[left] if isinstance(x, _Shift) and not x.offset} for left in order if left in general}
    found: list[str] = []
    while len(found) < len(reads):
        ready = [left for left in reads if left not in found and not (reads[left] & reads.keys()) - {*found, left}]
        found += ready or [left for left in reads if left not in found]
    return found


def _summed_over(index: str, text: str) -> str:
    """sum[index](text), in one sum with one that the text is already."""
    head, rest = text.partition("](")[::2]
    if head.startswith("sum[") and "(" not in head and _closing(tuple(rest), "(", ")") == len(rest) - 1:
        return f"{head},{index}]({rest}"
    return f"sum[{index}]({text})"


def _names(tokens: Tokens) -> list[str]:
    return [x for x in tokens if isinstance(x, str)]


def _closing(tokens: Tokens, opens: str = "[", closes: str = "]") -> int:
    """The place of the bracket that closes the one before the first token."""
    depth = 1
    for k, x in enumerate(tokens):
        depth += (x == opens) - (x == closes)
        if not depth:
            return k
    return len(tokens)


def _split(tokens: Tokens) -> list[Tokens]:
    """The parts between commas of one pair of brackets."""
    out: list[list[str | int]] = [[]]
    depth = 0
    for x in tokens:
        depth += (x == "[") - (x == "]")
        if x == "," and not depth:
            out.append([])
        else:
            out[-1].append(x)
    return [tuple(p) for p in out]
