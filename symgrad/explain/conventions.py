"""The conventions that a solution keeps: layout, rows and columns, factors in the loss, names of derivatives; each said where it applies."""
from __future__ import annotations

import re

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable
from symgrad.explain.document import Block, Inline, Note, Paragraph
from symgrad.explain.formulas import Typesetter, words
from symgrad.results import Derivation
from symgrad.views.steps import steps_of

__all__ = ["conventions"]

_MEANS = r"\b(mean|mse|mae|huber|hinge|bce|bce_logits|cross_entropy|cross_entropy_logits|kl|contrastive|infonce)\b"
"""Words whose loss divides by the number of examples (docs/notation.md, "Layers and losses")."""


def conventions(derivation: Derivation, typeset: Typesetter, detail: str) -> Note:
    """What a reader must know before the first formula; at `brief` the layout and the rows only."""
    graph = derivation.graph
    said = [_layout(derivation)]
    if graph.families:
        said += _rows(graph, typeset)
    if detail != "brief":
        said += _factors(derivation, typeset) + _names(derivation, typeset)
    return Note("convention", tuple(said))


def _layout(derivation: Derivation) -> Block:
    layouts = {d.layout for d in derivation.derivatives.values()}
    shown = " Results are shown in denominator layout: the axes of the variable first." if "denominator" in layouts else \
        " Results are shown in numerator layout too, so the derivative of a scalar has a first axis of 1." if "numerator" in layouts else ""
    return Paragraph(words(
        "Vectors are columns. A Jacobian has the axes of the output first, then those of the variable (numerator layout), so the derivative of a scalar "
        "by a vector is a row and neighbouring factors fit; the gradient, as used in an update, has the shape of the variable." + shown))


def _rows(graph: Graph, typeset: Typesetter) -> list[Block]:
    """Who is a row."""
    found = [n for n, f in graph.families.items() if n in graph.names and isinstance(graph.names[n].data, Variable) and graph.names[n].rank > len(f.index)]
    if not found:
        return []
    name = min(found, key=lambda n: graph.names[n].rank)
    each = "step" if graph.families[name].index[0] in {s.index for s in steps_of(graph)} else "example"
    index, shape = typeset.math(graph.families[name].index[0]), typeset.shape(graph.names[name].shape)
    if graph.names[name].rank > 2:
        return [Paragraph(words(f"Arrays of {each}s have the {each}s on the first axis: ", typeset.math(name), ", ", shape, "."))]
    return [Paragraph(words(
        f"Arrays of {each}s have one {each} a row: ", typeset.math(f"{name}[{graph.families[name].index[0]}]"), " is the column made from row ", index,
        " of ", typeset.math(name), ", ", shape, f". A text that keeps one {each} a column writes ", typeset.math(f"{name}'"), " for our ",
        typeset.math(name), "."))]


def _factors(derivation: Derivation, typeset: Typesetter) -> list[Block]:
    """The 1/2 of a squared error; a sum over examples or a mean."""
    graph = derivation.graph
    scalars = [(n, s) for n, s in graph.sources.items() if n in graph.names and not graph.names[n].rank]
    if derivation.of not in graph.names and graph.text and "\n" not in graph.text:
        scalars.append((derivation.of, graph.text))
    found: list[Block] = []
    half = next((n for n, s in scalars if re.search(r"\b1/2\b|\b0\.5\b", s) and "^2" in s), "")
    if half:
        found.append(Paragraph(words("The ", typeset.math("1/2"), " in ", typeset.math(half), " cancels the 2 of the power rule.")))
    index = next((f.index[0] for f in graph.families.values() if f.index), "")
    if index in graph.ranges:                              # the examples; further families are steps and heads
        size = str(graph.ranges[index])
        mean = next((n for n, s in scalars if re.search(rf"{_MEANS}|/ ?{re.escape(size)}\b", s)), "")
        total = next((n for n, s in scalars if re.search(rf"\bsum\[[^\]]*\b{index}\b", s)), "")
        if mean:
            found.append(Paragraph(words(
                typeset.math(mean), " is a mean over ", typeset.math(index), ": the ", typeset.math(f"1/{size}"),
                " is in every derivative below. For a sum, leave it out.")))
        elif total:
            found.append(Paragraph(words(
                typeset.math(total), " is a sum over ", typeset.math(index), ", not a mean: for a mean, divide every derivative below by ",
                typeset.math(size), ".")))
    return found


def _names(derivation: Derivation, typeset: Typesetter) -> list[Block]:
    """How the derivative by a value on the way is called."""
    inner = _inner(derivation)
    if derivation.output.rank or inner is None:
        return []
    name: list[Inline | str] = [typeset.math(f"d_{inner}"), " is the derivative of ", typeset.math(derivation.of), " by ", typeset.math(inner),
                                ", in the shape of ", typeset.math(inner), ": what arrives there on the way back. The other values likewise."]
    if typeset.called.get(f"d_{inner}") == f"d_{inner}":
        name += [" (", typeset.math("delta[i,j]"), " is another thing: 1 where the two indices are equal, else 0.)"]
    else:
        name.append(" In programs it is called d_ and the name.")
    return [Paragraph(words(*name))]


def _inner(derivation: Derivation) -> str | None:
    """The last named value that the backward pass goes through before it comes to a variable."""
    cotangents = derivation.sweep.cotangents
    steps = {name for s in steps_of(derivation.graph) for name in (*s.alias, *(n for n, _ in s.alias.values()))}
    way = [n for n, v in derivation.graph.names.items() if n not in steps and _passed(v, derivation) and v in cotangents]
    return way[-1] if way else None


def _passed(node: Node, derivation: Derivation) -> bool:
    return bool(node.operands) and not isinstance(node.data, Variable) and node is not derivation.output
