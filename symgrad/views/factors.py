"""The factors of a chain in closed form, per example where every value on the way belongs to one example."""
from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from symgrad.core.graph import Graph
from symgrad.core.node import Node, topological
from symgrad.core.shape import Shape
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import filled, product
from symgrad.views import terms as mx
from symgrad.views.chain import Factor, Path, factors_of, follows_axis, multiplied_out, show_chain
from symgrad.views.compose import Idx, NoMatrixForm
from symgrad.views.elimination import Eliminator
from symgrad.views.index import component_text
from symgrad.views.letters import Letters
from symgrad.views.matrix import with_rows
from symgrad.views.terms import Term
from symgrad.views.text import text, tight

__all__ = ["FactorForm", "FactorForms"]


@dataclass(frozen=True, slots=True)
class FactorForm:
    """One factor: `∂ of / ∂ by` as text in the notation, with its shape (a scalar output is a leading 1)."""

    factor: Factor
    jac: str
    closed: str
    shape: Shape
    before: tuple[str, ...] = ()                           # lines that the line needs
    line: str = ""
    shown: str = ""                                        # the line for reading: deltas stay deltas
    diagonal: bool = False

    @property
    def rank(self) -> int:
        """How many indices the factor has, a leading 1 not counted."""
        return len(self.shape) - (1 if self.shape[:1] == (1,) else 0)

    @property
    def first(self) -> str:
        """`1,` where a scalar output's leading axis stands in front of the indices."""
        return "1," if self.shape[:1] == (1,) else ""


def _needs_no_brackets(term: Term) -> bool:
    """Whether a term can stand in a row of matrix products as it is."""
    body = term.args[2] if term.kind == "term" and term.args[0] > 0 else term
    return body.kind in ("leaf", "call", "diag", "t", "mul", "eye", "ones", "zeros", "mpow", "num")


class FactorForms:
    """Closed forms of the factors of one chain. `index` is the examples' index where the chain is per example, else empty."""

    def __init__(self, graph: Graph, names: Mapping[Node, str], path: Path, examples: tuple[str, set[Node]] | None = None,
                 labels: Mapping[Node, str] | None = None, held: Collection[Node] = ()) -> None:
        """held: values that do not move along any factor."""
        self.graph, self.names, self.labels = graph, dict(names), dict(labels or {})
        self.factors, self.held = factors_of(path), held
        self.lines: list[str] = []
        self.rows: dict[Node, str] = {}                    # what normalisations and the like cache, named once for all factors
        self._forms: dict[Factor, FactorForm] = {}
        self.index, self.per_example = examples or self._examples()

    def _examples(self) -> tuple[str, set[Node]]:
        """The family index that the middle of the chain carries along, and the nodes that carry it."""
        inner = [f.of for f in self.factors[1:]]
        families = {self.graph.families[self.names[n]].index[:1] for n in inner if self.names.get(n) in self.graph.families}
        carried = {n for n in inner if self.names.get(n) in self.graph.families}
        several = any(len(self.graph.families[self.names[n]].index) > 1 for n in carried)       # h[n] is no value where h is h[n, t]
        if len(families) != 1 or not inner or set(inner) - carried or several:
            return "", set()
        last = self.factors[-1].by
        if last in set(self.names) and self.names[last] in self.graph.families and self.graph.families[self.names[last]].index[:1] in families:
            return "", set()                               # asked for by a whole family: no sum over the examples
        first = self.factors[0].of
        if self.names.get(first) in self.graph.families or first.rank:
            return "", set()
        whole = all(follows_axis(f.of, f.by) for f in self.factors if f.of in carried and f.by in carried)
        return (families.pop()[0], carried) if whole else ("", set())

    # ------------------------------------------------------------------ text
    def wrapped(self, body: str) -> str:
        """The product, summed over the examples where it is per example."""
        return f"sum[{self.index}]({body})" if self.index else body

    def value(self, node: Node) -> str:
        """A named value, `h[n]` where the chain is per example."""
        name = self.names.get(node) or self.labels.get(node, "f")
        return f"{name}[{self.index}]" if node in self.per_example else name

    def jac(self, factor: Factor) -> str:
        """`jac(h[n], z[n])`."""
        return f"jac({self.value(factor.of)}, {self.value(factor.by)})"

    def closed(self, factor: Factor) -> str:
        """The factor's closed form as an operand; one with more than two axes gets a line of its own and is named."""
        form = self.form(factor)
        self.lines += [line for line in (*form.before, form.line) if line and line not in self.lines]
        return f"({form.closed})" if form.closed.startswith("-") else form.closed

    def product(self, path: Path) -> str:
        """The chain with its factors in closed form: as matrix products, or as one `D[...] =` line where values have two axes and more."""
        if self.index or all(f.by.rank < 2 for f in self.factors[:-1]):
            return self.wrapped(show_chain(path, self.closed, " * "))
        try:
            return self._by_components(path)
        except NoMatrixForm:
            self.lines.clear()
            return self.wrapped(show_chain(path, self.jac, " * "))

    def _by_components(self, path: Path) -> str:
        letters = Letters(self.graph.ranges)
        axes = {n: "".join(f",{letters[Idx(s)]}" for s in n.shape)[1:] for f in self.factors for n in (f.of, f.by)}
        terms = []
        for factors in multiplied_out(path):
            shown = []
            for f in factors:
                name = self.free_name(f"J{self.factors.index(f) + 1}")
                inside = ",".join(x for x in (axes[f.of], axes[f.by]) if x)
                node, names, before = self._with_rows(self._node(f), {n: s for n, s in self.names.items() if n is not self._node(f)}, f.of)
                line = component_text(node, names, self.graph.ranges, name)
                self.lines += [x for x in (*before, line) if x not in self.lines]
                shown.append(f"{name}[{inside}]" if inside else name)
            terms.append("*".join(shown))
        left = ",".join(x for x in (axes[self.factors[0].of], axes[self.factors[-1].by]) if x)
        return f"D[{left}] = {' + '.join(terms)}" if left else " + ".join(terms)

    def _with_rows(self, node: Node, names: Mapping[Node, str], of: Node) -> tuple[Node, dict[Node, str], list[str]]:
        """The node, all names and the lines of fresh ones, with what rows cache among the names."""
        node, found, lines = with_rows(node, {**names, **self.rows}, self.graph.ranges, topological([of]), self.graph.words)
        self.rows |= {n: s for n, s in found.items() if n not in names}
        return node, found, lines

    def free_name(self, name: str) -> str:
        """J1, J2, ... with underscores behind it while the graph has such a name."""
        while name in self.graph.words:
            name += "_"
        return name

    def _node(self, factor: Factor) -> Node:
        found = reverse(factor.of, [factor.by], held=self.held).results[factor.by]
        return found if found is not None else filled("zeros", factor.of.shape + factor.by.shape)

    def axes(self, node: Node) -> Shape:
        """The axes of a value on the chain: of one example, where the chain is per example."""
        return node.shape[1:] if node in self.per_example else node.shape

    # ------------------------------------------------------------------ derivation
    def form(self, factor: Factor) -> FactorForm:
        """The closed form of a factor, derived once."""
        if factor not in self._forms:
            self._forms[factor] = self._derive(factor)
        return self._forms[factor]

    def _derive(self, factor: Factor) -> FactorForm:
        of, by = factor.of, factor.by
        swept = reverse(of, [by], held=self.held)
        node = swept.results[by]
        fixed = of in self.per_example or by in self.per_example
        of_axes, by_axes = self.axes(of), self.axes(by)
        shape = (of_axes or (1,)) + by_axes
        if node is None:
            node = filled("zeros", of.shape + by.shape)
        node, names, before = self._with_rows(node, {n: s for n, s in self.names.items() if n is not node}, of)
        example = Idx((of if of in self.per_example else by).shape[0]) if fixed else None
        rows, columns = tuple(Idx(s) for s in of_axes), tuple(Idx(s) for s in by_axes)
        index = ((example,) if of in self.per_example else ()) + rows + ((example,) if by in self.per_example else ()) + columns
        eliminator = Eliminator(names, None, {example: self.index} if example is not None else None)
        try:
            if len(rows) + len(columns) > 2:
                raise NoMatrixForm("more than two axes")
            term = eliminator.matrix(("r", node, index), rows + columns)
            term = mx.transpose(term) if not rows and len(columns) == 1 else term
            alone = len(self.factors) == 1 or _needs_no_brackets(term)
            return FactorForm(factor, self.jac(factor), text(term) if alone else tight(term), shape, tuple(before),
                              diagonal=term.kind in ("diag", "eye"))
        except NoMatrixForm:
            pass
        try:
            form = self._tensor(factor, node, names, self.free_name(f"J{len(self._forms) + 1}"), shape)
            return replace(form, before=(*before, *form.before))
        except NoMatrixForm:                               # no words for it: it stays a derivative
            return FactorForm(factor, self.jac(factor), self.jac(factor), shape)

    def component(self, factor: Factor) -> str:
        """The factor entry by entry, a line for reading; nothing where the notation has no words for it."""
        form = self.form(factor)
        try:
            shown = self._tensor(factor, self._node(factor), {n: s for n, s in self.names.items()}, "J", form.shape).shown
        except NoMatrixForm:
            return ""
        head, _, right = shown.partition(" = ")
        index = head[head.find("[") + 1:-1].split(",")
        return f"J[{','.join(index[len(index) - form.rank:])}] = {right}"

    def _tensor(self, factor: Factor, node: Node, names: Mapping[Node, str], name: str, shape: Shape) -> FactorForm:
        of, by = factor.of, factor.by
        letters_of = [f"u{k}" for k in range(of.rank)]
        letters_by = [f"v{k}" for k in range(by.rank)]
        if by in self.per_example and of in self.per_example:
            letters_by[0] = letters_of[0]
        kept = letters_of + letters_by[1 if by in self.per_example and of in self.per_example else 0:]
        diagonal = product([(node, letters_of + letters_by)], kept)
        diagonal, found, before = self._with_rows(diagonal, names, of)
        line = component_text(diagonal, found, self.graph.ranges, name)
        closed = f"{name}[{self.index}]" if of in self.per_example or by in self.per_example else name
        shown = component_text(diagonal, found, self.graph.ranges, name, ranged=False)
        return FactorForm(factor, self.jac(factor), closed, shape, tuple(before), line, shown)
