"""A derivation as a worked solution: what was executed and verified, told in the order a teacher tells it."""
from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symgrad.core.node import Variable
from symgrad.core.shape import Shape, Size, size_expression
from symgrad.errors import UnsupportedError
from symgrad.explain.document import (
    Block,
    Code,
    Document,
    Equation,
    Factor,
    FactorRow,
    Line,
    Math,
    Note,
    Paragraph,
    Picture,
    Reference,
    Section,
)
from symgrad.explain.formulas import words
from symgrad.explain.frame import Material, Teller
from symgrad.explain.reasons import reason_of, zero_reason
from symgrad.explain.recurrence import steps_section
from symgrad.plan.chain_order import best_order, order_text
from symgrad.results import Derivation, Derivative
from symgrad.views.chain import Factor as ChainFactor
from symgrad.views.chain import Path, Sum, factors_of, named_chain
from symgrad.views.factors import FactorForm, FactorForms
from symgrad.views.index import component_text
from symgrad.views.matrix import closed_form_or_none, with_rows
from symgrad.views.rolled import Rolled

__all__ = ["walkthrough"]


def walkthrough(derivation: Derivation, material: Material) -> Document:
    """The worked solution of every derivative of a derivation."""
    teller = _Story(derivation, material)
    names = ", ".join(derivation.keys())
    title = material.title or f"The derivative of {derivation.of} by {names}"
    return Document(title, tuple(teller.sections()), meta=(("made by", "symgrad"),))


class _Story(Teller):
    def sections(self) -> list[Section]:
        found = [self.network()]
        if self.m.picture:
            found.append(
                self.section(
                    "The graph",
                    [
                        Picture(
                            self.m.picture,
                            f"computation graph of {self.d.of}",
                            words("Solid arrows: the forward pass. Dashed arrows: the backward pass, each with its local derivative."),
                        )
                    ],
                )
            )
        found.append(self.forward())
        for name, derivative in self.d.derivatives.items():
            found += self.derivative(name, derivative)
        if self.m.numbers:
            found.append(self.section("The backward pass in numbers", self.m.numbers, "numbers"))
        found += [self.program(), self.schedule(), self.check()]
        return found

    # ------------------------------------------------------------------ one derivative
    def derivative(self, name: str, d: Derivative) -> list[Section]:
        if d.node is None:
            why = Paragraph(words("The derivative of ", self.typeset.math(self.d.of), " by ", self.typeset.math(name), " is zero: ", d.reason, "."))
            return [self.section(words("By ", self.typeset.math(name)), [why], f"by-{self.count + 1}")]
        if d.output is d.variable:
            return [self.result(name, d)]
        once = self.said_once(d)
        if once is not None:
            self.typeset.names.update({name: tex for name, tex in once.symbols if name not in self.typeset.names})
            return [steps_section(self, name, self.d.of, once), self.result(name, d)]
        path = named_chain(d.output, d.variable, self.names)
        forms = FactorForms(self.graph, self.names, path)
        return [self.chain(name, d, forms, path), self.locals(name, d, forms, path), self.result(name, d)]

    def said_once(self, d: Derivative) -> Rolled | None:
        """The component form, where it says the steps of a recurrence once."""
        try:
            form = d.index.form
        except UnsupportedError:
            return None
        return form if isinstance(form, Rolled) and form.lines else None

    def chain(self, name: str, d: Derivative, forms: FactorForms, path: Path) -> Section:
        blocks: list[Block] = [
            Paragraph(
                words(
                    "Follow every path from ",
                    self.typeset.math(name),
                    " to ",
                    self.typeset.math(self.d.of),
                    ", and multiply the derivatives along it.",
                    " The sum over the examples stands in front." if forms.index else "",
                )
            )
        ]
        left = self.typeset.math(f"jac({forms.names.get(d.output, 'f')}, {name})") if d.output in forms.names else None
        blocks.append(Equation((Line(self.typeset.parts(str(d.chain.form.body)), left),), f"chain-{self.count + 1}"))
        factors = factors_of(path)
        single = not any(isinstance(p, Sum) for p in path.parts)
        if single:
            row = FactorRow(tuple(Factor(self.typeset.math(forms.jac(f)), self.typeset.shape(forms.form(f).shape)) for f in factors))
            blocks.append(Paragraph(words("Each factor with its shape beneath; neighbours fit.")))
            blocks.append(Equation((Line((row,)),)))
        blocks += self.dropped(d)
        blocks += self.order(forms, factors) if single else []
        return self.section(words("By ", self.typeset.math(name), ": the chain rule"), blocks, f"chain-rule-{self.count + 1}", "chain rule")

    def dropped(self, d: Derivative) -> list[Block]:
        """Paths that contribute nothing, with the reason."""
        shown: dict[tuple[str, str], None] = {}
        if d.sweep is None:
            return []
        target = {d.variable}
        for node, operand in zero_reason(d.sweep, target, self.names):
            shown[node, operand] = None
        lines = [
            Paragraph(
                words(
                    "No path goes through ",
                    self.typeset.math(o),
                    ", which ",
                    self.typeset.math(n),
                    " is computed from: ",
                    self.typeset.math(o),
                    " does not depend on ",
                    self.typeset.math(self.names[d.variable]),
                    ", so that term of the sum is zero.",
                )
            )
            for n, o in list(shown)[:4]
        ]
        return [Note("why", tuple(lines))] if lines else []

    def order(self, forms: FactorForms, factors: Sequence[ChainFactor]) -> list[Block]:
        """In which order to multiply, by symbolic cost (L5)."""
        if len(factors) < 3:
            return []
        shapes = [(_flat(forms.axes(f.of)), _flat(forms.axes(f.by))) for f in factors]
        diagonal = ["diagonal" if forms.form(f).diagonal else "dense" for f in factors]
        best = best_order(shapes, diagonal)
        costs = [("from the left", best.flops_left_to_right), ("from the right", best.flops_right_to_left)]
        others = [x for way, cost in costs if cost != best.flops for x in (f", {way} ", self.typeset.cost(cost))]
        where = f" (best at {', '.join(f'{k} = {v}' for k, v in best.assumed.items())})" if best.assumed else " (best for all sizes)"
        return [
            Note(
                "why",
                (
                    Paragraph(
                        words(
                            "In which order to multiply matters. Numbering the factors from the left, ",
                            Code(order_text(best.order)),
                            " is the cheapest",
                            where,
                            ": ",
                            self.typeset.cost(best.flops),
                            " operations for one example",
                            *others,
                            ".",
                        )
                    ),
                ),
            )
        ]

    def locals(self, name: str, d: Derivative, forms: FactorForms, path: Path) -> Section:
        blocks: list[Block] = []
        fresh: list[Line] = []
        for f in forms.factors:
            form = forms.form(f)
            if (f.of, f.by) in self.told:
                blocks.append(
                    Note(
                        "reuse",
                        (
                            Paragraph(
                                words(self.typeset.math(form.jac), " was found in ", Reference(self.told[f.of, f.by], "an earlier step"), " and is used again.")
                            ),
                        ),
                    )
                )
                continue
            fresh += self.local(form)
        anchor = f"local-{self.count + 1}"
        for f in forms.factors:
            self.told.setdefault((f.of, f.by), anchor)
        if fresh:
            blocks.insert(0, Equation(tuple(fresh)))
        if not any(isinstance(p, Sum) for p in path.parts):
            blocks += self.closed_row(forms)
        blocks += self.cotangents(d, forms)
        return self.section(words("By ", self.typeset.math(name), ": each factor in closed form"), blocks, anchor, "local derivatives")

    def local(self, form: FactorForm) -> list[Line]:
        reason = words(reason_of(form, self.names, self.graph), "; ", self.typeset.shape(form.shape))
        if not form.line:
            return [self.typeset.line(form.jac, form.closed, reason)]
        head, _, right = form.shown.partition(" = ")
        index = head[head.find("[") + 1 : -1].split(",")
        before = [self.typeset.statement(line) for line in form.before]
        return [*before, self.typeset.line(f"{form.jac}[{','.join(index[len(index) - form.rank :])}]", right, reason)]

    def closed_row(self, forms: FactorForms) -> list[Block]:
        """The product again, every factor in closed form with its shape beneath."""
        if len(forms.factors) < 2 or any(f.line for f in map(forms.form, forms.factors[:-1])):
            return []
        row = tuple(
            Factor(self.typeset.math(forms.form(f).jac if forms.form(f).line else forms.closed(f)), self.typeset.shape(forms.form(f).shape))
            for f in forms.factors
        )
        return [Paragraph(words("Put in their places:")), Equation((Line((FactorRow(row),)),))]

    def cotangents(self, d: Derivative, forms: FactorForms) -> list[Block]:
        """The products from the left, as the backward pass computes them: each from the one before (L8)."""
        if d.sweep is None or d.output.rank:
            return []
        lines = []
        known = dict(self.names)
        for f in forms.factors[:-1]:
            node = d.sweep.cotangents.get(f.by)
            if node is None or isinstance(node.data, Variable) or not node.operands:
                continue
            label = f"d_{self.names[f.by]}"
            self.typeset.names.setdefault(label, rf"\delta_{{{self.typeset.math(self.names[f.by]).tex}}}")
            others = {n: s for n, s in known.items() if n is not node}
            target, others, before = with_rows(node, others, self.graph.ranges, d.viewer.forward, self.graph.words)
            form = closed_form_or_none(target, others, self.graph.ranges, d.viewer.forward, self.graph.words)
            if node in known or form is None:
                continue
            head, right = label, form.body
            if form.lines or form.note:
                head, _, right = component_text(target, others, self.graph.ranges, label, ranged=False).partition(" = ")
            known = {**others, node: label}
            lines += [self.typeset.statement(line) for line in before]
            lines.append(
                Line(
                    self.typeset.parts(right),
                    self.typeset.math(head),
                    words("the derivative by ", self.typeset.math(self.names[f.by]), ", ", self.typeset.shape(node.shape)),
                )
            )
        if len(lines) < 2:
            return []
        return [
            Paragraph(
                words(
                    "Multiplied from the left, each product is made from the one before it, so none is computed twice. In the shape of the values themselves:"
                )
            ),
            Equation(tuple(lines)),
        ]

    def result(self, name: str, d: Derivative) -> Section:
        word = "jac" if d.output.rank else "grad"
        left = f"{word}({self.names[d.output]}, {name})" if d.output in self.names else ""
        try:
            matrix, index = d.matrix, d.index
        except UnsupportedError as reason:
            warning = Note("warning", (Paragraph(words(f"{reason}.")),))
            return self.section(words("By ", self.typeset.math(name), ": the result"), [warning], f"answer-{self.count + 1}")
        told = isinstance(matrix.form, Rolled)
        lines = [] if told else [self.typeset.statement(line) for line in matrix.form.lines]
        body = matrix.form.body
        inside = body[1:].partition(" = ")[0] if left and body.startswith("D[") else ""
        kind = "component form, " if inside else "closed form, "
        lines.append(self.typeset.statement(body, words(kind, self.typeset.shape(d.shape)), highlight=True, left=left + inside))
        blocks: list[Block] = [Equation(tuple(lines), f"result-{self.count + 1}")]
        if matrix.note and not told:
            blocks.append(Note("why", (Paragraph(words(f"There is {matrix.note}.")),)))
        if d.shape and not matrix.note:
            head, _, body = index.form.body.partition(" = ")
            inside = head[1:]
            blocks.append(Paragraph(words("The same, entry by entry; both were read back as text and evaluated at random values, and agree:")))
            lines = [self.typeset.statement(line) for line in index.form.lines if line not in matrix.form.lines]
            lines.append(self.typeset.line((left or "D") + inside, body, words("component form")))
            blocks.append(Equation(tuple(lines)))
        if not d.output.rank and d.variable.shape == d.shape:
            blocks.append(
                Paragraph(
                    words(
                        "Transposed from ",
                        self.typeset.shape(d.viewer.numerator_shape),
                        " to the shape of ",
                        self.typeset.math(name),
                        ", it is what a step of gradient descent takes:",
                    )
                )
            )
            variable, gradient = self.typeset.math(name), self.typeset.math(left or "D")
            step = Math(rf"\leftarrow {variable.tex} - \eta \, {gradient.tex}", f"<- {name} - eta*{gradient.notation}")
            blocks.append(Equation((Line((step,), variable),)))
        return self.section(words("By ", self.typeset.math(name), ": the result"), blocks, f"answer-{self.count + 1}")


def _flat(shape: Shape) -> Size:
    """The number of entries of a shape, as the size of one axis."""
    if len(shape) == 1:
        return shape[0]
    return sp.Mul(*[size_expression(s) for s in shape]) if shape else 1
