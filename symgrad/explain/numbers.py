"""The backward pass in numbers: the cotangent of every named value, every gradient, and the parameters after one step."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symgrad.core.node import Node, Variable
from symgrad.explain.document import Block, Equation, Line, Paragraph
from symgrad.explain.formulas import Typesetter, words
from symgrad.explain.values import Numbers, related
from symgrad.results import Derivation
from symgrad.run.exact import Rational, rational

__all__ = ["backward_numbers", "between", "given_lines", "wanted_nodes"]


def between(d: Derivation) -> dict[str, Node]:
    """The named values between the output and the variables, from the output back: their names and nodes."""
    if d.output.rank:
        return {}
    found = {n: v for n, v in d.graph.names.items() if v.operands and v is not d.output and v in d.sweep.cotangents}
    return dict(reversed(found.items()))


def wanted_nodes(d: Derivation) -> list[Node]:
    """Every node whose value the numbers of a solution need."""
    cotangents = [d.sweep.cotangents[v] for v in between(d).values()]
    return [d.output, *d.graph.names.values(), *cotangents, *(x.node for x in d.derivatives.values() if x.node is not None)]


def given_lines(d: Derivation, numbers: Numbers, typeset: Typesetter) -> list[Line]:
    """The values that everything is computed from, and what unknown functions are taken for."""
    leaves = {n: v for n, v in d.graph.names.items() if isinstance(v.data, Variable) and v.name == n}
    taken = [(n, f) for n, f in numbers.functions.items() if isinstance(f, Rational)]
    names = {n: ("z",) if n in d.graph.functions and d.graph.functions[n].arguments == 1 else ("y", "yhat") for n, _ in taken}
    return [*(Line((numbers.related(v),), typeset.math(n)) for n, v in leaves.items() if v in numbers),
            *(typeset.line(f"{n}({', '.join(names[n])})", f.said) for n, f in taken)]


def backward_numbers(d: Derivation, numbers: Numbers, typeset: Typesetter, eta: Fraction | None = None) -> tuple[Block, ...]:
    """Cotangents from the output back, then gradients (Jacobians), then the updates where a step size is given."""
    word = "jac" if d.output.rank else "grad"
    def left(name: str) -> str:
        return f"{word}({d.of}, {name})" if d.of.isidentifier() else f"{word}(f, {name})"
    blocks: list[Block] = []
    said = words("What follows an equals sign is exact. What is rounded, to ", f"{numbers.digits} significant digits, follows an approximate sign; it is "
                 "rounded only here, and every line was computed from unrounded numbers.")
    blocks += [Paragraph(words("The numbers given:")), Equation(tuple(given_lines(d, numbers, typeset)))]
    way = between(d)
    if way:
        lines = [Line((numbers.related(d.sweep.cotangents[v]),), typeset.math(left(n)), words(typeset.shape(v.shape))) for n, v in way.items()]
        blocks += [Paragraph(words("From the output back, the derivative by each value on the way, in the shape of the value:")), Equation(tuple(lines))]
    found = {n: x for n, x in d.derivatives.items() if x.node is not None}
    lines = [Line((related(x.arranged(numbers[x.node]), numbers.digits),), typeset.math(left(n)), words(typeset.shape(x.shape)))
             for n, x in found.items() if x.node is not None]
    if lines:
        blocks += [Paragraph(words("The derivatives asked for:")), Equation(tuple(lines))]
    if eta is not None and not d.output.rank:
        blocks += _updates([n for n in found], d, numbers, typeset, eta)
    return (*blocks, Paragraph(said))


def _updates(names: Sequence[str], d: Derivation, numbers: Numbers, typeset: Typesetter, eta: Fraction) -> list[Block]:
    lines = []
    for n in names:
        x = d[n]
        if x.node is None or x.layout or x.shape != x.variable.shape:
            continue
        exact = x.node in numbers.exact and x.variable in numbers.exact
        old, slope = numbers[x.variable], numbers[x.node]
        new = rational(old - eta * slope) if exact else numbers.trace[x.variable] - float(eta) * numbers.trace[x.node]
        lines.append(Line((related(new, numbers.digits),), typeset.math(f"{n} - eta*grad({d.of}, {n})" if d.of.isidentifier() else f"{n} - eta*grad(f, {n})")))
    step = typeset.math("eta")
    intro = words("One step of gradient descent with ", step, f" = {float(eta):g}; every gradient is the one at the old values:")
    return [Paragraph(intro), Equation(tuple(lines))] if lines else []
