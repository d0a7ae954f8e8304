"""The views of one derivative: text that parses back, LaTeX and sympy, each with its shape."""
from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import sympy as sp

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import Shape, shape_text
from symgrad.errors import UnsupportedError
from symgrad.ops.arithmetic import filled, product
from symgrad.views.chain import Factor, Path, named_chain, show_chain
from symgrad.views.compose import NoMatrixForm
from symgrad.views.factors import FactorForms
from symgrad.views.index import component_text
from symgrad.views.latex import latex_text
from symgrad.views.long_chain import said_once
from symgrad.views.matrix import INLINE_LIMIT, Form, closed_form, index_form
from symgrad.views.rolled import MANY, Rolled, rolled_form
from symgrad.views.skips import SkipForms
from symgrad.views.steps import steps_of, tokens
from symgrad.views.symbolic import to_sympy_text

__all__ = ["View", "Viewer"]


@dataclass(frozen=True, eq=False)
class View:
    """One way of writing a derivative. `str()` is notation text that parses back to the same value in the graph's names."""

    kind: str
    form: Form
    shape: Shape
    left: str
    graph: Graph = field(repr=False)
    written_out: Callable[[], Form] | None = field(default=None, repr=False)     # of a form that says a step once

    def __str__(self) -> str:
        return str(self.form)

    @property
    def text(self) -> str:
        """The form without comments."""
        return "\n".join((*self.form.lines, self.form.body))

    @property
    def note(self) -> str:
        """Why the form is not what was asked for, where it is not."""
        return self.form.note

    def latex(self, names: Mapping[str, str] | None = None) -> str:
        """The form in LaTeX; several lines as an aligned block. names: LaTeX by name, before the graph's own."""
        chosen = {**self.graph.latex, **(dict(self.form.symbols) if isinstance(self.form, Rolled) else {}), **(names or {})}
        functions = [*self.graph.functions, *self.graph.ops]
        left = None
        if self.form.body.startswith("D") and self.left:
            letters = self.form.body.partition("]")[0].partition("[")[2].split(",")
            inside = ("" if all(len(x) == 1 for x in letters) else ",").join(letters) if self.form.body.startswith("D[") else ""
            ratio = latex_text(self.left, chosen, functions)
            left = rf"\left[{ratio}\right]_{{{inside}}}" if inside else ratio
        return latex_text(self.text, chosen, functions, left=left)

    def sympy(self) -> sp.Basic:
        """A sympy object: a `MatrixExpr` for matrix forms, an expression in `Indexed` and `Sum` for index forms.

        A recurrence is written out, step by step. Raises UnsupportedError for what sympy has no word for.
        """
        if isinstance(self.form, Rolled) and self.written_out is not None:
            return replace(self, form=self.written_out(), written_out=None).sympy()
        shapes = {n: v.shape for n, v in self.graph.names.items()}
        return to_sympy_text(self.text, shapes, self.graph.functions, ranges=self.graph.ranges)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def _counted(form: Form, graph: Graph) -> bool:
    """Whether a form reads single steps of a recurrence."""
    steps = {n for f in steps_of(graph) if f.size for n in f.alias}
    return bool(steps & set(re.findall(r"[A-Za-z]\w*", str(form)))) or bool(re.search(r"\[[^\]]*\b[3-9]\b[^\]]*\]", str(form)))


class Viewer:
    """Makes the views of one derivative."""

    def __init__(self, graph: Graph, output: Node, variable: Node, node: Node | None, shape: Shape, axes: int, layout: str | None, kind: str,
                 cotangents: Mapping[Node, Node] | None = None) -> None:
        """cotangents: of the values between the output and the variable, where the derivative is a gradient found by a sweep."""
        self.cotangents = cotangents or {}
        self.graph, self.output, self.variable, self.shape, self.axes, self.kind = graph, output, variable, shape, axes, kind
        self.layout = layout
        lead = output.shape if axes else ()
        rest = output.shape if kind == "jvp" else () if kind == "squared_norms" else variable.shape
        whole = node if node is not None else filled("zeros", lead + rest) if len(lead + rest) != 0 else filled("zeros", ())
        self.row = layout == "numerator" and not lead and kind == "gradient" and len(rest) == 1
        if layout == "denominator" and lead:
            letters = [f"x{k}" for k in range(len(lead + rest))]
            whole = product([(whole, letters)], [*letters[len(lead):], *letters[: len(lead)]])
        self.node = whole

    @functools.cached_property
    def names(self) -> dict[Node, str]:
        """The nodes that print as a name: variables and the user's definitions."""
        found: dict[Node, str] = {}
        for name, node in self.graph.names.items():
            if isinstance(node.data, Variable) or node.operands:
                found.setdefault(node, name)
        for n in topological([self.node]):
            if isinstance(n.data, Variable):
                found.setdefault(n, n.name)
        return found

    @property
    def left(self) -> str:
        """The derivative itself, for the left side of a formula in LaTeX."""
        of, by = self.names.get(self.output, "f"), self.names.get(self.variable, "x")
        return f"jac({of}, {by})" if self.kind in ("gradient", "jacobian") else ""

    def view(self, kind: str, form: Form, shape: Shape) -> View:
        return View(kind, form, shape, self.left, self.graph, self._written_out)

    def _written_out(self) -> Form:
        return self._of_any_length(index_form(self.node, self._own(), self.graph.ranges, self.forward, self.graph.words))

    def _own(self) -> dict[Node, str]:
        return {n: s for n, s in self.names.items() if n is not self.node or isinstance(n.data, Variable)}

    def matrix(self) -> View:
        """The closed form."""
        try:
            form = self._rolled(lambda: closed_form(self.node, self._own(), self.graph.ranges, self.forward, self.graph.words, row=self.row))
        except NoMatrixForm as reason:
            if not self.graph.lengths:
                raise
            form = replace(self._written_out(), note=f"no matrix form: {reason}")
        return self.view("matrix", form, self.shape)

    def index(self) -> View:
        """The component form."""
        form = self._rolled(self._written_out)
        if "D" in self.graph.words:                        # a scalar's line would define a D that is there already
            form = replace(form, body=form.body.removeprefix("D = "))
        return self.view("index", form, self.shape)

    @functools.cached_property
    def said_once(self) -> Rolled | None:
        """The form of a recurrence's or a deep net's gradient that says a step once, where there is one."""
        return rolled_form(self.node, self.graph, self._own(), self.cotangents) if self.cotangents else None

    def _rolled(self, written_out: Callable[[], Form]) -> Form:
        """The form that says a step once, unless there are few steps and the other one is shorter."""
        once = self.said_once
        if once is not None and self.graph.lengths:
            return once
        if once is None:
            return self._of_any_length(written_out())
        if once.steps >= MANY or once.nodes > INLINE_LIMIT:
            return once
        other = written_out()
        return other if len(str(other)) <= len(str(once)) else once

    def _of_any_length(self, form: Form) -> Form:
        """The form, if it does not count the steps of a recurrence whose number of steps is a name. Raises NoMatrixForm if it does."""
        if self.graph.lengths and _counted(form, self.graph):
            for steps in steps_of(self.graph):             # the first and the last step have words: h[1], h[T]
                with suppress(NoMatrixForm):
                    lines = tuple(steps.show(tokens(line)) for line in (*form.lines, form.body))
                    found = replace(form, lines=lines[:-1], body=lines[-1])
                    if steps.size and not _counted(found, self.graph):
                        return found
            some = ", ".join(self.graph.lengths)
            raise NoMatrixForm(f"its steps have no common form; with a number for {some} (`size {some} = 4`) they can be written out")
        return form

    @functools.cached_property
    def forward(self) -> list[Node]:
        """The user's own nodes, whose sums stay as written."""
        return topological([self.output])

    @functools.cached_property
    def numerator_shape(self) -> Shape:
        """Axes of the output (a leading 1 for a scalar), then axes of the variable."""
        return (self.output.shape or (1,)) + self.variable.shape

    def _transposed(self) -> str:
        if self.output.rank or not self.variable.rank:
            return ""
        return f"{shape_text(self.numerator_shape)}, then transposed to the shape of {self.names.get(self.variable, 'x')}, {shape_text(self.variable.shape)}"

    def chain(self) -> View:
        """Products of jac(a, b) along the named values."""
        if self.kind == "squared_norms":                   # no product of Jacobians
            return self.view("chain", self.matrix().form, self.shape)
        path = named_chain(self.output, self.variable, self.names) if self._connected() else None
        if path is None:
            return self.view("chain", Form(self.opening, f"jac({self.label}, {self._name(self.variable)})"), self.numerator_shape)
        forms = FactorForms(self.graph, self.names, path, labels={self.output: self.label})
        return self.view("chain", self._product(path, forms, forms.jac), self.numerator_shape)

    def paths(self) -> View:
        """The chain with every factor across a skip connection as I + J: the identity path beside the branch.

        Raises UnsupportedError where there is no skip connection on the way.
        """
        path = named_chain(self.output, self.variable, self.names) if self._connected() else None
        if path is None:
            raise UnsupportedError("nothing lies between the two values: there is no skip connection to expand")
        forms = FactorForms(self.graph, self.names, path, labels={self.output: self.label})
        return self.view("paths", self._product(path, forms, SkipForms(forms, self.names).show), self.numerator_shape)

    def _product(self, path: Path, forms: FactorForms, show: Callable[[Factor], str]) -> Form:
        """The chain, many steps of a recurrence said once."""
        once = said_once(path, forms, self.graph, show)
        lines, body = once or ((), forms.wrapped(show_chain(path, show, " * ")))
        return Form((*self.opening, *lines), body, self._transposed())

    def factors(self) -> View:
        """The chain with each factor in closed form."""
        if self.kind == "squared_norms":
            return self.view("jacobian", self.matrix().form, self.shape)
        path = named_chain(self.output, self.variable, self.names) if self._connected() else None
        once = self.said_once
        if path is None or (once is not None and (self.graph.lengths or once.steps >= MANY)):
            return self.view("jacobian", self.matrix().form, self.numerator_shape)
        forms = FactorForms(self.graph, self.names, path, labels={self.output: self.label})
        body = forms.product(path)
        return self.view("jacobian", Form(tuple(forms.lines), body, self._transposed()), self.numerator_shape)

    @functools.cached_property
    def label(self) -> str:
        """The output's name, or the output itself where it is a short expression without one."""
        if self.output in self.names:
            return self.names[self.output]
        if self.output is self.graph.output and self.graph.text and "\n" not in self.graph.text.strip():
            return self.graph.text.strip()
        form = closed_form(self.output, self._own(), self.graph.ranges, self.forward)
        return form.body if not form.lines and not form.note and len(form.body) <= 200 else "f"

    @property
    def opening(self) -> tuple[str, ...]:
        """The line that says what f is, where the output has neither a name nor a short form."""
        if self.label != "f" or self.output in self.names:
            return ()
        return (component_text(self.output, self._own(), self.graph.ranges, "f"),)

    def _connected(self) -> bool:
        return self.output is not self.variable and self.variable in set(self.forward) and self.kind in ("gradient", "jacobian")

    def _name(self, node: Node) -> str:
        return self.names.get(node, "f")
