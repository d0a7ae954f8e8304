"""A derivation as a worked solution: what was executed and verified, told in the order a teacher tells it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from symgrad.core.node import Node, Variable
from symgrad.core.shape import Shape, Size, size_expression
from symgrad.errors import UnsupportedError
from symgrad.explain.deltas import Deltas, way
from symgrad.explain.document import (
    Block,
    Code,
    Document,
    Equation,
    Factor,
    FactorRow,
    Inline,
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
from symgrad.explain.results import result_section
from symgrad.plan.chain_order import best_order, order_text
from symgrad.results import Derivation, Derivative
from symgrad.views.chain import Factor as ChainFactor
from symgrad.views.chain import Path, Sum, factors_of, multiplied_out, named_chain
from symgrad.views.compose import Idx
from symgrad.views.factors import FactorForm, FactorForms
from symgrad.views.letters import Letters
from symgrad.views.rolled import Rolled
from symgrad.views.text import unbracketed

__all__ = ["walkthrough"]


def walkthrough(derivation: Derivation, material: Material) -> Document:
    """The worked solution of every derivative of a derivation."""
    teller = _Story(derivation, material)
    names = ", ".join(derivation.keys())
    title = material.title or f"The derivative of {derivation.of} by {names}"
    return Document(title, tuple(teller.sections()), meta=(("made by", "symgrad"),))


class _Story(Teller):
    def __init__(self, derivation: Derivation, material: Material) -> None:
        super().__init__(derivation, material)
        self.deltas = Deltas(self)
        self.ordered = False

    def sections(self) -> list[Section]:
        brief = self.detail == "brief"
        found = [self.network()]
        if self.m.picture and not brief:
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
        if not brief or self.m.values is not None:
            found.append(self.forward())
        for name, derivative in self.d.derivatives.items():
            found += self.derivative(name, derivative)
        if self.m.numbers:
            found.append(self.section("The backward pass in numbers", self.m.numbers, "numbers"))
        found += self.updates()
        return [*found, *([] if brief else [self.program(), self.schedule()]), self.check()]

    # ------------------------------------------------------------------ one derivative
    def derivative(self, name: str, d: Derivative) -> list[Section]:
        if d.node is None:
            why = Paragraph(words("The derivative of ", self.typeset.math(self.d.of), " by ", self.typeset.math(name), " is zero: ", d.reason, "."))
            return [self.section(words("By ", self.typeset.math(name)), [why], f"by-{self.count + 1}")]
        found = self.derived(name, d)
        if self.detail != "brief" or not found:
            return [*found, self.result(name, d, self.direct_reason(d) if not found and d.output is not d.variable else ())]
        self.count -= 1                                    # derivation and result are one section
        result = self.result(name, d)
        return [replace(result, title=words("By ", self.typeset.math(name)), anchor=found[0].anchor, blocks=found[0].blocks + result.blocks)]

    def derived(self, name: str, d: Derivative) -> list[Section]:
        """The sections that lead to a result; none where it is found in one step."""
        if d.output is d.variable:
            return []
        once = self.said_once(d)
        if once is not None:
            self.typeset.names.update({name: tex for name, tex in once.symbols if name not in self.typeset.names})
            return [steps_section(self, name, self.d.of, once)]
        between = self.deltas.way(d)
        path = named_chain(d.output, d.variable, self.names)
        forms = FactorForms(self.graph, self.names, path)
        direct = path.parts == (ChainFactor(d.output, d.variable),)
        if not d.output.rank and (direct or any(self.names[n] in self.step_of for n in between)):
            return [self.on_the_way(name, d, between)] if between else []
        if direct and not between:
            return []
        chain = self.chain(name, d, forms, path)
        return [chain] if self.detail == "brief" else [chain, self.locals(name, d, forms, path)]

    def direct_reason(self, d: Derivative) -> tuple[Inline, ...]:
        return words("directly: ", reason_of(ChainFactor(d.output, d.variable), self.names, self.graph))

    def on_the_way(self, name: str, d: Derivative, between: Sequence[Node]) -> Section:
        """The derivation where paths part and meet again and no chain of factors says it: by what arrives at each value."""
        anchor = f"way-{self.count + 1}"
        self.numbers[anchor] = str(self.count + 1)
        math = self.typeset.math
        known = self.deltas.known(between)
        lines = self.deltas.lines(d, between, anchor)
        shown = self.listed([self.names[n] for n in reversed(between)])
        how = ": what comes back from each value that reads it, times the local derivative, added up" if self.first_time("how sums arise") else ""
        blocks: list[Block] = [Paragraph(words(
            "The paths from ", math(name), " to ", math(self.d.of), " part and meet again (through ", *shown,
            f"), so they are not multiplied out one by one. From the output back, the derivative by each value is found once{how}."))]
        if known:
            blocks.append(Note("reuse", (Paragraph(words(*known, ", computed once and used again.")),)))
        blocks += [Equation(tuple(lines))] if lines else []
        blocks += self.dropped(d)
        return self.section(words("By ", math(name), ": back through the values"), blocks, anchor, "chain rule, summed over paths")

    def said_once(self, d: Derivative) -> Rolled | None:
        """The component form, where it says the steps of a recurrence once."""
        try:
            form = d.index.form
        except UnsupportedError:
            return None
        return form if isinstance(form, Rolled) and form.lines else None

    def chain(self, name: str, d: Derivative, forms: FactorForms, path: Path) -> Section:
        blocks: list[Block] = []
        summed = " The sum over the examples stands in front." if forms.index and self.first_time("sum in front") else ""
        if self.first_time("paths") or summed:
            blocks.append(Paragraph(words("Follow every path from ", self.typeset.math(name), " to ", self.typeset.math(self.d.of),
                                          ", and multiply the derivatives along it.", summed)))
        left = self.typeset.math(f"jac({forms.names.get(d.output, 'f')}, {name})") if d.output in forms.names else None
        blocks.append(Equation((Line(self.typeset.parts(str(d.chain.form.body)), left),), f"chain-{self.count + 1}"))
        factors = factors_of(path)
        single = not any(isinstance(p, Sum) for p in path.parts)
        closed = self.closed_row(forms) if single else []
        if self.detail == "brief":
            blocks += closed
        if single and (not closed or (self.detail != "brief" and self.first_time("shapes"))):
            row = FactorRow(tuple(Factor(self.typeset.math(forms.jac(f)), self.typeset.shape(forms.form(f).shape)) for f in factors))
            blocks.append(Paragraph(words("Each factor with its shape beneath:")))
            blocks.append(Equation((Line((row,)),)))
        if self.detail == "full":
            blocks += self.by_components(name, d, forms, path)
        if self.detail != "brief":
            blocks += self.dropped(d)
            blocks += self.order(forms, factors) if single and (self.detail == "full" or not self.ordered) else []
        return self.section(words("By ", self.typeset.math(name), ": the chain rule"), blocks, f"chain-rule-{self.count + 1}", "chain rule")

    def by_components(self, name: str, d: Derivative, forms: FactorForms, path: Path) -> list[Block]:
        """The same product with its sums over components written out (L4)."""
        letters = Letters(self.graph.ranges, [forms.index] if forms.index else [])
        nodes = dict.fromkeys((d.output, d.variable, *(n for f in forms.factors for n in (f.of, f.by))))
        axes = {n: ",".join(letters[Idx(s)] for s in forms.axes(n)) for n in nodes}
        first = {f: axes[f.of] or "1" for f in forms.factors}              # the Jacobian of a scalar has a leading 1
        ends = {x for n in (d.output, d.variable) for x in axes[n].split(",")}
        terms = []
        for factors in multiplied_out(path):
            shown = "*".join(forms.jac(f) + f"[{','.join(x for x in (first[f], axes[f.by]) if x)}]" for f in factors)
            summed = ",".join(x for f in factors[:-1] for x in axes[f.by].split(",") if x and x not in ends)
            summed = ",".join(x for x in (forms.index, summed) if x)
            terms.append(f"sum[{summed}]({shown})" if summed else shown)
        if not any(term.startswith("sum[") for term in terms):
            return []
        left = ",".join(x for x in (axes[d.output] or "1", axes[d.variable]) if x)
        line = self.typeset.line(f"jac({forms.names.get(d.output, 'f')}, {name})" + f"[{left}]", " + ".join(terms))
        why = ": a row times a matrix is a sum over the components of the value between them." if self.first_time("sums over components") else ":"
        return [Paragraph(words(f"The same product entry by entry{why}")), Equation((line,))]

    def dropped(self, d: Derivative) -> list[Block]:
        """Paths that contribute nothing, with the reason."""
        if d.sweep is None:
            return []
        users: dict[str, list[str]] = {}
        for node, operand in zero_reason(d.sweep, {d.variable}, self.names):
            users.setdefault(operand, []).append(node)
        lines = [
            Paragraph(words(
                "No path goes through ", self.typeset.math(o), ", which ", *self.conjoined([self.typeset.math(n) for n in ns]),
                " is computed from: " if len(ns) == 1 else " are computed from: ", self.typeset.math(o), " does not depend on ",
                self.typeset.math(self.names[d.variable]), ", so that term of the sum is zero."))
            for o, ns in list(users.items())[:4]
        ]
        return [Note("why", tuple(lines))] if lines else []

    def order(self, forms: FactorForms, factors: Sequence[ChainFactor]) -> list[Block]:
        """In which order to multiply, by symbolic cost (L5)."""
        if len(factors) < 3:
            return []
        shapes = [(_flat(forms.axes(f.of)), _flat(forms.axes(f.by))) for f in factors]
        diagonal = ["diagonal" if forms.form(f).diagonal else "dense" for f in factors]
        best = best_order(shapes, diagonal)
        if best.flops == best.flops_left_to_right == best.flops_right_to_left:
            return []
        self.ordered = True
        each = " operations for one example" if forms.index else " operations"
        ways = [("from the left, as the backward pass does, ", best.flops_left_to_right), ("from the right ", best.flops_right_to_left)]
        where = f" (compared at {', '.join(f'{k} = {v}' for k, v in best.assumed.items())})" if best.assumed else ""
        said: list[str | Inline] = ["In which order to multiply matters: ", ways[0][0], self.typeset.cost(ways[0][1]), each]
        if ways[1][1] != ways[0][1]:
            said += [", ", ways[1][0], self.typeset.cost(ways[1][1])]
        if best.flops != ways[0][1]:
            said += [". Cheapest", where, ", the factors numbered from the left, is ", Code(order_text(best.order)), ": ", self.typeset.cost(best.flops)]
        elif ways[1][1] != ways[0][1]:
            said += [". The first is the cheapest of all orders", where]
        return [Note("why", (Paragraph(words(*said, ".")),))]

    def locals(self, name: str, d: Derivative, forms: FactorForms, path: Path) -> Section:
        anchor = f"local-{self.count + 1}"
        self.numbers[anchor] = str(self.count + 1)
        through = {f: between for f in forms.factors if not d.output.rank and (between := way(d, self.names, f.of, f.by))}
        old = [f for f in forms.factors if (f.of, f.by) in self.told]
        fresh: list[Line] = []
        for f in forms.factors:
            form = forms.form(f)
            fresh += [self.typeset.statement(line) for line in self.fresh(form.before)]
            fresh += self.local(form, forms) if f not in old and f not in through else []
        blocks: list[Block] = [Equation(tuple(fresh))] if fresh else []
        where = {self.told[f.of, f.by]: None for f in old}
        for section in where:
            here = [forms.jac(f) for f in old if self.told[f.of, f.by] == section]
            one = "was found in " if len(here) == 1 else "were each found in "
            shown = self.conjoined([self.typeset.math(t) for t in here])
            again = ", and is used again." if len(here) == 1 else ", and each is used again."
            blocks.append(Note("reuse", (Paragraph(words(*shown, f" {one}", Reference(section, f"section {self.numbers[section]}"), again)),)))
        for f, between in through.items():
            shown = self.listed([self.names[n] for n in reversed(between)])
            blocks.append(Note("why", (Paragraph(words(
                self.typeset.math(forms.jac(f)), " takes in every path from ", self.typeset.math(self.names[f.by]), " to ",
                self.typeset.math(self.names.get(f.of, "f")), ", directly and through ", *shown,
                ": these part and meet again, so they are followed value by value below.")),)))
        for f in forms.factors:
            self.told.setdefault((f.of, f.by), anchor)
        if not any(isinstance(p, Sum) for p in path.parts) and not through:
            blocks += self.closed_row(forms)
        blocks += self.cotangents(d, anchor)
        return self.section(words("By ", self.typeset.math(name), ": each factor in closed form"), blocks, anchor, "local derivatives")

    def local(self, form: FactorForm, forms: FactorForms) -> list[Line]:
        reason = words(reason_of(form.factor, self.names, self.graph), "; ", *(self.sized(form)))
        if not form.line:
            lines = [self.typeset.line(form.jac, unbracketed(form.closed), reason)]
            component = forms.component(form.factor) if self.detail == "full" and form.rank else ""
            if component:
                head, _, right = component.partition(" = ")
                lines.append(self.typeset.line(form.jac + f"[{form.first}{head[head.find('[') + 1:]}", right, words("entry by entry")))
            return lines
        head, _, right = form.shown.partition(" = ")
        index = head[head.find("[") + 1 : -1].split(",")
        return [self.typeset.line(f"{form.jac}[{form.first}{','.join(index[len(index) - form.rank :])}]", right, reason)]

    def sized(self, form: FactorForm) -> tuple[Inline, ...]:
        return words(self.typeset.shape(form.shape)) if form.rank else words("scalar")

    def closed_row(self, forms: FactorForms) -> list[Block]:
        """The product again, every factor in closed form with its shape beneath."""
        if len(forms.factors) < 2 or any(f.line for f in map(forms.form, forms.factors[:-1])):
            return []
        row = tuple(
            Factor(self.typeset.operand(forms.form(f).jac if forms.form(f).line else forms.closed(f)), self.typeset.shape(forms.form(f).shape))
            for f in forms.factors
        )
        return [Paragraph(words("Put in their places:")), Equation((Line((FactorRow(row),)),))]

    def cotangents(self, d: Derivative, anchor: str) -> list[Block]:
        """The products from the left, as the backward pass computes them: each from the one before (L8)."""
        if d.sweep is None or d.output.rank:
            return []
        between = self.deltas.way(d)
        known = self.deltas.known(between)
        blocks: list[Block] = []
        lines = self.deltas.lines(d, between, anchor)
        if known:
            blocks.append(Note("reuse", (Paragraph(words(*known, ", computed once for all parameters below.")),)))
        if lines:
            text = "From the left, each product is made from the one before it" if not known else "What is new, made from these"
            blocks += [Paragraph(words(f"{text}, so none is computed twice; in the shape of the value:")), Equation(tuple(lines))]
        return blocks

    # ------------------------------------------------------------------ results and updates
    def result(self, name: str, d: Derivative, reason: tuple[Inline, ...] = ()) -> Section:
        return result_section(self, self.deltas, name, d, reason)

    def updates(self) -> list[Section]:
        """One step of gradient descent for every parameter."""
        lines = []
        for name, d in self.d.derivatives.items():
            if d.node is None or d.output.rank or d.kind != "gradient" or not isinstance(d.variable.data, Variable) or d.variable.data.kind != "param":
                continue
            variable, gradient = self.typeset.math(name), self.typeset.math(f"grad({self.d.of}, {name})" if self.d.of in self.graph.names else "D")
            step = Math(rf"\leftarrow {variable.tex} - \eta \, {gradient.tex}", f"<- {name} - eta*{gradient.notation}")
            lines.append(Line((step,), variable))
        if not lines:
            return []
        old = " Every gradient is taken at the old values: find all of them first, then move all parameters at once." if len(lines) > 1 else ""
        rows = any(d.layout == "numerator" for d in self.d.derivatives.values())
        old += " A gradient is the Jacobian above, transposed to the shape of its parameter." if rows else ""
        text = "One step of gradient descent with step length "
        return [self.section("The update", [Paragraph(words(text, self.typeset.math("eta"), f".{old}")), Equation(tuple(lines))], "update")]


def _flat(shape: Shape) -> Size:
    """The number of entries of a shape, as the size of one axis."""
    if len(shape) == 1:
        return shape[0]
    return sp.Mul(*[size_expression(s) for s in shape]) if shape else 1
