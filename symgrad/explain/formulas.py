"""Notation text to the formulas, shapes and equations of a document, in the names of one graph."""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import sympy as sp

from symgrad.core.graph import Graph
from symgrad.core.shape import Shape, shape_text
from symgrad.explain.document import Inline, Line, Math, Text
from symgrad.views.latex import latex_text
from symgrad.views.names import name_symbol
from symgrad.views.text import sides, terms_of, unbracketed

__all__ = ["STYLES", "Typesetter", "delta_name", "equated", "shape_latex", "words"]

STYLES: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "delta": lambda name, tex: (f"d_{name}", rf"\delta_{{{tex}}}"),
    "d": lambda name, tex: (f"d{name}", rf"\mathrm{{d}}{tex}"),
    "bar": lambda name, tex: (f"{name}_bar", rf"\bar{{{tex}}}"),
    "grad": lambda name, tex: (f"grad_{name}", rf"\nabla_{{{tex}}}"),
}
"""How the derivative of the output by a named value is called, in notation and in LaTeX, given the value's name and its LaTeX."""


def words(*parts: str | Inline) -> tuple[Inline, ...]:
    """Inlines from words and formulas in order."""
    return tuple(Text(p) if isinstance(p, str) else p for p in parts if p != "")


def shape_latex(shape: Shape) -> str:
    """`K \\times D` in LaTeX."""
    return r" \times ".join(name_symbol(s).tex if isinstance(s, str) and s.isidentifier() else str(s) for s in shape)


def equated(left: Math, right: Math) -> Math:
    """left = right, in one formula."""
    return Math(f"{left.tex} = {right.tex}", f"{left.notation} = {right.notation}")


def delta_name(name: str, graph: Graph) -> str:
    """`d_z`: what the derivative of the output by a value is called; with underscores behind it while the graph has such a name."""
    label = f"d_{name}"
    while label in graph.words:
        label += "_"
    return label


class Typesetter:
    """Turns notation text into formulas, with the graph's own way of printing names.

    deltas: how `d_z`, the derivative by z, is called: a word of STYLES.
    """

    def __init__(self, graph: Graph, deltas: str = "delta") -> None:
        self.names = dict(graph.latex)
        self.functions = [*graph.functions, *graph.ops]
        self.called: dict[str, str] = {}                   # d_z -> z_bar
        for name in graph.names:
            label, tex = STYLES[deltas](name, name_symbol(name, graph.latex).tex)
            while label in graph.words or label in self.functions:
                label += "_"
            if f"d_{name}" not in graph.words:
                self.called[f"d_{name}"] = label
            self.names[label] = tex

    def math(self, notation: str) -> Math:
        """One formula."""
        notation = re.sub(r"\bd_\w+", lambda m: self.called.get(m[0], m[0]), notation)
        return Math(latex_text(notation, self.names, functions=self.functions), notation)

    def equation(self, line: str) -> Math:
        """A definition line or a bare expression, in one formula."""
        head, right = sides(line)
        return equated(self.math(head), self.math(right)) if head else self.math(right)

    def operand(self, notation: str) -> Math:
        """A factor of a product: what the notation has in brackets keeps them."""
        found = self.math(notation)
        return found if unbracketed(notation) == notation else Math(rf"\left({found.tex}\right)", found.notation)

    def cost(self, operations: sp.Expr) -> Math:
        """A number of operations, a polynomial in the sizes."""
        text = str(sp.expand(operations))
        return self.math(text.replace("**", "^")) if operations.is_polynomial(*operations.free_symbols) else Math(sp.latex(operations), text)

    def shape(self, shape: Shape) -> Math:
        """`K \\times D`; 1 for a scalar."""
        return Math(shape_latex(shape) if shape else "1", shape_text(shape, "1"))

    def parts(self, notation: str, relation: str = "=") -> tuple[Math, ...]:
        """A right side in pieces that may stand on lines of their own, the first one with its relation."""
        terms = terms_of(notation) if len(notation) > 48 else [notation]
        pieces = [self.math(terms[0])]
        for t in terms[1:]:
            inner = self.math(t[2:])
            pieces.append(Math(f"{t[0]} {inner.tex}", t))
        return (Math(f"{relation} {pieces[0].tex}", f"{relation} {pieces[0].notation}"), *pieces[1:])

    def line(self, left: str, right: str, reason: Sequence[Inline] = (), *, highlight: bool = False) -> Line:
        """left = right."""
        return Line(self.parts(right), self.math(left) if left else None, tuple(reason), highlight=highlight)

    def statement(self, notation: str, reason: Sequence[Inline] = (), *, highlight: bool = False, left: str = "") -> Line:
        """A definition line or a bare expression; `left` replaces the left side. An `index` line is set as it is."""
        if notation.startswith("index "):
            return Line((self.math(notation),), None, tuple(reason))
        head, right = sides(notation)
        return self.line(left or head, right, reason, highlight=highlight)
