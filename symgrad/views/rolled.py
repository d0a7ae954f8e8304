"""The derivative of a recurrence or of a deep net comes in, a line for each step; it goes out said once: `d_h[n,t] = ... d_h[n,t+1] ...`.

The lines of the steps are printed one by one with a name for the cotangent of each step; lines that are equal up to a shift of the step
become one line with an index, the others stay numbered lines. What comes out is a recurrence that runs downwards.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, Node, Variable
from symgrad.views.compose import NoMatrixForm
from symgrad.views.index import component_terms, component_text
from symgrad.views.matrix import Form, below
from symgrad.views.names import name_symbol
from symgrad.views.shared_steps import shared_steps
from symgrad.views.steps import Family, Shift, Steps, Tokens, closing, general, steps_of, tokens
from symgrad.views.text import terms_of

__all__ = ["MANY", "Rolled", "rolled_form"]

FEWEST, MANY = 3, 4
"""So many steps may have a general line; so many always have one, without a look at whether the steps written out would be shorter."""

LONG = 600
"""A form of more characters is tried with names for what its steps share."""


@dataclass(frozen=True, slots=True)
class Rolled(Form):
    """A form that says `steps` steps once."""

    steps: int = 0
    index: str = ""
    symbols: tuple[tuple[str, str], ...] = ()              # how the cotangents are printed: d_h as delta^h
    nodes: int = 0                                         # of the derivation that it stands for


def rolled_form(target: Node, graph: Graph, names: Mapping[Node, str], cotangents: Mapping[Node, Node]) -> Rolled | None:
    """`D[...] = ...` after one line a family of cotangents; None where the steps are too few or have no common form.

    names: nodes that print as a name. cotangents: of every node of the forward pass, as the sweep found them.
    """
    for steps in steps_of(graph):
        if steps.count >= FEWEST:
            plain = _form(_Roll(target, graph, names, cotangents, steps))
            if plain is not None and len(str(plain)) <= LONG:
                return plain
            shared = _Roll(target, graph, names, cotangents, steps)
            shared.name_what_is_shared()
            found = [f for f in (plain, _form(shared)) if f is not None]
            if found:
                return min(found, key=lambda f: len(str(f)))
    return None


def _form(roll: _Roll) -> Rolled | None:
    try:
        return roll.form()
    except NoMatrixForm:
        return None


class _Roll:
    def __init__(self, target: Node, graph: Graph, names: Mapping[Node, str], cotangents: Mapping[Node, Node], steps: Steps) -> None:
        self.steps = steps = replace(steps, families=dict(steps.families), alias={})       # its own: cotangents are added
        self.target, self.latex = target, graph.latex
        self.ranges = {n: s for n, s in graph.ranges.items() if n != steps.index}
        self.names = dict(names)
        self.printed: dict[tuple[str, int], str] = {}                    # what is printed for a step: its variable, or the first of equal steps
        for name, family in steps.families.items():
            for k, node in family.nodes.items():
                if not isinstance(node.data, Variable) and self.names.get(node, "") not in steps.alias:
                    self.names[node] = f"{name}_{k}"
                self.printed[name, k] = self.names.get(node, node.name)
        self.upwards: set[str] = set()                                   # families of cotangents that begin with their first step
        self.lines: dict[str, Mapping[int, Node]] = {}                   # family of cotangents -> its nodes by step
        self.nodes = below(target, names)
        place = {n: k for k, n in enumerate(self.nodes)}
        for name, family in list(steps.families.items()):
            left = f"d_{name}"
            while left in graph.words:
                left += "_"
            steps_of_own = {k: n for k, n in family.nodes.items() if k >= 1 and not isinstance(n.data, Variable)}
            nodes: Mapping[int, Node] = {k: cotangents[n] for k, n in steps_of_own.items() if n in cotangents}
            nodes = {k: c for k, c in nodes.items() if not isinstance(c.data, Variable) and c is not target and c not in names}
            if sum(c in place for c in nodes.values()) >= FEWEST - 1:
                self.lines[left] = nodes
                steps.add(left, Family(nodes, family.axis, family.alone))
        for left in self.lines:
            for k, c in self.lines[left].items():                        # one cotangent of two values has the first one's name
                self.printed[left, k] = self.names.get(c, f"{left}_{k}")
                if c.op is not NUMBER:
                    self.names.setdefault(c, f"{left}_{k}")
        self.order = sorted(self.lines, key=lambda left: max(place.get(c, 0) for c in self.lines[left].values()))
        self.taken = graph.words

    def name_what_is_shared(self) -> None:
        """Names t1, t2, ... for the nodes that are read more than once in every step."""
        lead = {f.axis: next(iter(f.nodes.values())).shape[: f.axis] for f in self.steps.families.values()}
        count = 0
        for nodes in shared_steps(self.nodes, self.names, self.steps.alias, FEWEST - 1):
            count += 1
            while f"t{count}" in self.taken:
                count += 1
            left = f"t{count}"
            shape = next(iter(nodes.values())).shape
            axis = max(a for a in (0, *lead) if not a or shape[:a] == lead[a])
            self.lines[left] = nodes
            self.order.append(left)
            self.steps.add(left, Family(nodes, axis, not axis))
            for k, n in nodes.items():
                self.names[n] = f"{left}_{k}"
                self.printed[left, k] = f"{left}_{k}"

    # ------------------------------------------------------------------ the form
    def form(self) -> Rolled | None:
        """The lines of the cotangents, then the result."""
        numbered: dict[str, dict[int, Tokens]] = {}
        common: dict[str, Tokens] = {}
        for left in self.order:
            found = {k: self.line(left, k) for k in sorted(self.lines[left]) if self.printed[left, k] == f"{left}_{k}"}
            if not found:
                continue
            pattern = general(list(found.values()), list(found))
            rest = found if pattern is None else {k: t for k, t in found.items() if self.instance(pattern, k) != t}
            kept = found.keys() - rest.keys()
            if pattern is None or len(kept) < FEWEST - 1 or (rest and max(kept) > min(rest) and min(kept) < max(rest)):
                return None
            numbered[left], common[left] = rest, pattern
            self.upwards |= {left} if rest and max(rest) < min(kept) else set()
        body = self.body() if common else None
        if body is None:
            return None
        lines = self.needed(_within_a_step(self.order, common), numbered, common, body)
        last = max(max(nodes) for nodes in self.lines.values())
        way = "" if self.upwards else f", {self.steps.index} = {self.steps.number(last)}, ..., 1"
        note = f"said once for every step{way}" if lines else ""
        symbols = tuple((left, rf"\delta^{{{name_symbol(left.removeprefix('d_').rstrip('_'), self.latex).tex}}}") for left in common)
        return Rolled(tuple(lines), body, note, self.steps.count, self.steps.index, symbols, len(self.nodes))

    def line(self, left: str, k: int) -> Tokens:
        """The cotangent of one step in terms of the named values."""
        node = self.lines[left][k]
        names = {n: s for n, s in self.names.items() if n is not node}
        return tokens(component_text(node, names, self.ranges, f"{left}_{k}", reserved=(self.steps.index,)))

    def instance(self, pattern: Tokens, step: int) -> Tokens:
        """A general line at a step, in the names that are printed."""
        return tuple(self.at(x, step) if isinstance(x, Shift) else x for x in pattern)

    def at(self, x: Shift, step: int) -> str | int:
        """A shift at a step."""
        if not x.name:
            return step + x.offset
        return self.printed.get((x.name, step + x.offset), f"{x.name}_{step + x.offset}")

    def needed(self, order: Sequence[str], numbered: Mapping[str, Mapping[int, Tokens]], common: Mapping[str, Tokens], body: str) -> list[str]:
        """The lines that the result reads: the numbered ones first, with the instances of general lines that they read themselves."""
        shown = {left: self.steps.show(common[left]) for left in order}
        used = {left for left in order if re.search(rf"\b{left}\b", body)}
        while more := {x for left in used for x in order if re.search(rf"\b{x}\b", shown[left].partition("=")[2])} - used:
            used |= more
        first: dict[tuple[str, int], Tokens] = {}
        waiting = [(left, k) for left in order if left in used for k in numbered[left]]
        while waiting:
            left, k = waiting.pop()
            if (left, k) not in first:
                first[left, k] = numbered[left].get(k) or self.instance(common[left], k)
                read = [self.steps.alias[t] for t in first[left, k] if isinstance(t, str) and t in self.steps.alias]
                waiting += [x for x in read if x[0] in common]
        ordered = sorted(first, key=lambda x: (x[1] if x[0] in self.upwards else -x[1], order.index(x[0])))
        return [*(self.steps.show(first[x]) for x in ordered), *(shown[left] for left in order if left in used)]

    # ------------------------------------------------------------------ the result
    def body(self) -> str | None:
        """The result, with the terms that differ by a shift of the step as one sum over it."""
        names = {n: s for n, s in self.names.items() if n is not self.target}
        head, terms = component_terms(self.target, names, self.ranges, (self.steps.index,))
        groups: dict[tuple[str, ...], list[Tokens]] = {}
        for t in map(tokens, terms):
            groups.setdefault(tuple(self.skeleton(x) for x in t), []).append(t)
        out: list[str] = []
        for members in sorted(groups.values(), key=len, reverse=True):
            shown = self.summed(members, head, groups.values())
            out += [self.steps.show(t) for t in members] if shown is None else [shown]
        if len(out) > FEWEST:
            return None
        text = ""
        for term in sorted(out, key=lambda t: t.startswith("-")):
            text += term if not text else " - " + term[1:] if term.startswith("-") else f" + {term}"
        return f"D[{','.join(head)}] = {text}" if head else text

    def skeleton(self, token: str | int | Shift) -> str:
        """What terms of one kind have in common."""
        return "#" if isinstance(token, int) else self.steps.alias[token][0] if token in self.steps.alias else str(token)

    def place(self, line: Tokens) -> list[int]:
        """The steps that a term reads, in order of appearance."""
        return [x if isinstance(x, int) else self.steps.alias[x][1] for x in line if isinstance(x, int) or x in self.steps.alias]

    def summed(self, members: list[Tokens], head: list[str], others: Iterable[list[Tokens]]) -> str | None:
        """One sum over the step, with a factor that leaves out steps without a term; None where the terms do not run through the steps.

        Terms that stand at one place each of an axis of the result are one term: the axis takes the letter of the step in `head`. A step that
        is a variable stands among `others`, from which it is taken.
        """
        if len(members) < FEWEST - 1:
            return None
        members = sorted(members, key=self.place)
        start = next((self.steps.alias[x][1] for x in members[0] if x in self.steps.alias and self.steps.alias[x][0] in self.lines), None)
        if start is None:
            return None
        ran = list(range(start, start + len(members)))
        pattern = general(members, ran)
        if pattern is None or any(self.instance(pattern, k) != t for k, t in zip(ran, members, strict=True)):
            return None
        for k in [k for k in range(1, self.steps.count + 1) if k not in ran]:
            alone = self.instance(pattern, k)
            for other in others:
                if alone in other and other is not members:
                    other.remove(alone)
                    ran.append(k)
        missing = [k for k in range(1, self.steps.count + 1) if k not in ran]
        if any(x.name and (x.name, k + x.offset) not in self.printed and x.name not in self.lines for k in missing for x in pattern if isinstance(x, Shift)):
            return None                                    # the sum would read a step that there is not, if only to leave it out
        index = self.steps.index
        text = self.steps.show(pattern)
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        fixed = next((x for x in head if re.search(rf"delta\[({index},{x}|{x},{index})\]", text)), None)
        if fixed is not None:
            delta = rf"delta\[(?:{index},{fixed}|{fixed},{index})\]"
            text = re.sub(rf"{delta}\*|\*?{delta}", "", text, count=1) or "1"
            head[head.index(fixed)] = index
            text = re.sub(rf"\b{fixed}\b", index, text)
        masks = "".join(f"(1 - delta[{self.steps.number(k)},{index}])*" for k in missing)
        text = f"({text})" if masks and len(terms_of(text)) > 1 else text
        return f"{sign}{masks}{text}" if fixed is not None else sign + _summed_over(index, masks + text)


def _within_a_step(order: Sequence[str], common: Mapping[str, Tokens]) -> list[str]:
    """The families of cotangents, each behind those that it reads at the same step."""
    reads = {left: {x.name for x in common[left] if isinstance(x, Shift) and not x.offset} - {left} for left in order if left in common}
    found: list[str] = []
    while len(found) < len(reads):
        ready = [left for left in reads if left not in found and not (reads[left] & reads.keys()) - set(found)]
        found += ready or [left for left in reads if left not in found]
    return found


def _summed_over(index: str, text: str) -> str:
    """sum[index](text), in one sum with one that the text is already."""
    head, _, rest = text.partition("](")
    if head.startswith("sum[") and "(" not in head and closing(rest, "(", ")") == len(rest) - 1:
        return f"{head},{index}]({rest}"
    return f"sum[{index}]({text})"
