"""The result of one derivative: from the deltas, written out, entry by entry, and why something in it is transposed or summed."""
from __future__ import annotations

import re

from symgrad.errors import SymgradError, UnsupportedError
from symgrad.explain.deltas import Deltas
from symgrad.explain.document import Block, Equation, Inline, Line, Note, Paragraph, Section
from symgrad.explain.formulas import words
from symgrad.explain.frame import Teller
from symgrad.notation.parse import parse_expression
from symgrad.notation.syntax import Binary, Call, Index, Name, Transpose, walk
from symgrad.notation.syntax import Derivative as Primed
from symgrad.results import Derivative
from symgrad.views.rolled import Rolled

__all__ = ["result_section"]


def result_section(teller: Teller, deltas: Deltas, name: str, d: Derivative, reason: tuple[Inline, ...] = ()) -> Section:
    """The section that ends the derivation by one variable."""
    math, shape = teller.typeset.math, teller.typeset.shape
    title = words("By ", math(name), ": the result")
    anchor = f"answer-{teller.count + 1}"
    word = "grad" if not d.output.rank and d.variable.shape == d.shape else "jac"
    left = f"{word}({teller.names[d.output]}, {name})" if d.output in teller.names else ""
    try:
        matrix, index = d.matrix, d.index
    except UnsupportedError as problem:
        return teller.section(title, [Note("warning", (Paragraph(words(f"{problem}.")),))], anchor)
    told = isinstance(matrix.form, Rolled)
    blocks: list[Block] = [] if told or teller.detail == "brief" else _from_deltas(teller, deltas, d, left or "D", matrix.form.body)
    recalled = [] if told else teller.recalled(matrix.form.lines)
    lines = [] if told else [teller.typeset.statement(line) for line in teller.fresh(matrix.form.lines)]
    body = matrix.form.body
    first = "[1," if word == "jac" and not d.output.rank else "["           # the axis of a scalar output in numerator layout
    inside = body[1:].partition(" = ")[0].replace("[", first, 1) if left and body.startswith("D[") else ""
    kind = "component form, " if inside else "closed form, "
    if blocks or recalled:
        blocks.append(Paragraph(words("Written out" if blocks else "The closed form", *recalled, ":")))
    size = shape(d.shape) if d.shape else "scalar"
    lines.append(teller.typeset.statement(body, words(kind, size, *(("; ", *reason) if reason else ())), highlight=True, left=left + inside))
    blocks.append(Equation(tuple(lines), f"result-{teller.count + 1}"))
    if matrix.note and not told:
        blocks.append(Note("why", (Paragraph(words(f"There is {matrix.note}.")),)))
    if d.shape and not matrix.note and teller.detail != "brief" and _by_entries(teller, index.form.body):
        head, _, right = index.form.body.partition(" = ")
        agree = "; both were read back as text and evaluated at random values, and agree:" if teller.first_time("how they agree") else "; both agree:"
        blocks.append(Paragraph(words("The same, entry by entry", *teller.recalled(index.form.lines), agree)))
        more = [teller.typeset.statement(line) for line in teller.fresh(index.form.lines)]
        blocks.append(Equation((*more, teller.typeset.line((left or "D") + head[1:].replace("[", first, 1), right, words("component form")))))
    if word == "grad" and d.shape:
        blocks.append(Paragraph(words("Transposed from ", shape(d.viewer.numerator_shape), " to the shape of ", math(name), ".")))
    return teller.section(title, blocks, anchor)


def _by_entries(teller: Teller, line: str) -> bool:
    """Whether a `D[...] =` line is in entries: no index stands on a product or a sum of matrices."""
    try:
        tree = parse_expression(line.partition(" = ")[2], limits=None, functions=teller.typeset.functions)
    except SymgradError:
        return True
    return not any(isinstance(n, Index) and not isinstance(n.operand, Name | Call | Primed) for n in walk(tree))


def _from_deltas(teller: Teller, deltas: Deltas, d: Derivative, left: str, written_out: str) -> list[Block]:
    """The derivative in terms of the deltas on the way, with its entries where these tell why it looks so."""
    if d.node is None or d.output.rank or d.layout == "numerator" or not deltas.told:
        return []
    found = deltas.form(d, d.node, {**teller.names, **deltas.labels}, left)
    if found is None:
        return []
    before, head, right, names = found
    used = deltas.read(right)
    if not used or right == written_out:
        return []
    recalled = teller.recalled(before)
    lines: list[Line] = [teller.typeset.statement(line) for line in teller.fresh(before)]
    lines.append(teller.typeset.line(head, right, words("what arrives, times the local derivative" if teller.first_time("delta form") else "")))
    why: list[Block] = []
    component = None if head != left or d.node in deltas.labels else deltas.component(d, d.node, names, left)
    if component is not None and component[0] != left:
        found_why = _why(teller, right, component[1])
        if found_why or teller.detail == "full":
            lines.append(teller.typeset.line(*component, words("entry by entry")))
        why = [Note("why", tuple(found_why))] if found_why else []
    names_used = teller.conjoined([teller.typeset.math(teller.names[v]) for v in used])
    return [Paragraph(words("From the ", "derivatives" if len(used) > 1 else "derivative", " by ", *names_used, *recalled, ":")), Equation(tuple(lines)), *why]


def _why(teller: Teller, matrix: str, component: str) -> list[Block]:
    """Why a matrix stands transposed, and why there is a sum: each said once. Read off the component form."""
    tree = parse_expression(matrix, limits=None, functions=teller.typeset.functions)
    summed = {i for inside in re.findall(r"sum\[([^\]]*)\]", component) for i in inside.split(",")}
    math = teller.typeset.math
    found: list[Block] = []
    carried = next((i for f in teller.graph.families.values() for i in f.index[:1] if i in summed), "")
    if carried and teller.first_time("why a sum"):
        found.append(Paragraph(words("Every example ", math(carried), " reads the same parameter, so what comes back from the examples is added: the sum over ",
                                     math(carried), ".")))
    for node in walk(tree):
        if isinstance(node, Binary) and node.operator == "*" and isinstance(node.left, Transpose) \
                and isinstance(node.left.operand, Name) and isinstance(node.right, Name):
            name = node.left.operand.name
            entry = re.search(rf"\b{re.escape(name)}\[([^\]]*)\]", component)
            indices = entry.group(1).split(",") if entry else []
            if len(indices) == 2 and indices[0] in summed and teller.first_time("why a transpose"):
                found.append(Paragraph(words(
                    "The sum runs over ", math(indices[0]), ", the first index of ", math(f"{name}[{','.join(indices)}]"),
                    "; in a matrix product it is the last index of the left factor, so ", math(name), " stands transposed.")))
    return found
