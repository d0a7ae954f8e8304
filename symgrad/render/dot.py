"""A diagram in; DOT text with plain Unicode labels out, for any Graphviz and for editing by hand."""
from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from symgrad.explain.diagram import Diagram
from symgrad.render.nesting import Nest, lines_of, nested, rows
from symgrad.render.theme import LIGHT

if TYPE_CHECKING:
    from graphviz import Digraph

__all__ = ["to_dot"]

_FORMS: dict[str, dict[str, str]] = {
    "data": {"shape": "box", "style": "rounded"}, "param": {"shape": "box", "peripheries": "2"}, "const": {"shape": "box", "style": "dotted"},
    "op": {"shape": "box"}, "output": {"shape": "octagon", "penwidth": "2"}, "gradient": {"shape": "box", "style": "dashed"},
    "fold": {"shape": "box3d"},
}
_BORDERS = {kind: {"color": border} for kind, _, border in LIGHT.boxes}
_ARROWS = {"backward": {"style": "dashed", "dir": "back", "color": LIGHT.back, "fontcolor": LIGHT.back},
           "reuse": {"style": "dotted", "color": LIGHT.kept}, "product": {"color": "transparent", "arrowhead": "none"}}
_FADED = {"color": "#c4c9ce", "fontcolor": "#c4c9ce"}


def to_dot(diagram: Diagram) -> str:
    """The diagram in the DOT language; backward arrows are dashed and run against the order of the layers.

    Groups are clusters within clusters. A picture over time has a row for each step, kept in order by edges that nobody sees.
    """
    from graphviz import Digraph

    steps = rows(diagram)
    graph = Digraph(graph_attr={"rankdir": "TB" if steps or diagram.direction == "TB" else "LR", "fontname": "DejaVu Sans"},
                    node_attr={"fontname": "DejaVu Sans"},
                    edge_attr={"fontname": "DejaVu Sans", "fontsize": "11"})
    if diagram.title.strip():
        graph.attr(label=_escaped(diagram.title), labelloc="t")
    _add(graph, nested(diagram), diagram, "cluster")
    if steps:
        graph.attr(newrank="true")                   # rows run through clusters
        for step in steps:
            with graph.subgraph() as row:
                row.attr(rank="same")
                for number in step:
                    row.node(f"n{number}")
        for one, next_one in pairwise(steps):
            graph.edge(f"n{one[0]}", f"n{next_one[0]}", style="invis", weight="10")
    names = {box.id: f"n{number}" for number, box in enumerate(diagram.boxes)}
    for arrow in diagram.arrows:
        ends = (arrow.head, arrow.tail) if arrow.kind == "backward" else (arrow.tail, arrow.head)
        label = {"label": _escaped(arrow.text)} if arrow.text.strip() else {}
        graph.edge(*(names[end] for end in ends), **label, **{**_ARROWS.get(arrow.kind, {}), **(_FADED if arrow.faded else {})})
    return str(graph.source)


def _add(graph: Digraph, nest: Nest, diagram: Diagram, name: str) -> None:
    for number in nest.boxes:
        box = diagram.boxes[number]
        look = {**_FORMS[box.kind], **_BORDERS[box.kind], **(_FADED if box.faded else {})}
        graph.node(f"n{number}", _escaped("\n".join(lines_of(box))), **look, **({"tooltip": _escaped(box.tooltip)} if box.tooltip else {}))
    for number, inner in enumerate(nest.inner.values()):
        with graph.subgraph(name=f"{name}_{number}") as cluster:
            cluster.attr(label=_escaped(inner.label), labeljust="l", color="#a9b4bf", style="rounded")
            _add(cluster, inner, diagram, f"{name}_{number}")


def _escaped(text: str) -> str:
    """Text that Graphviz shows as it is: no escapes, no HTML, no entities, lines broken where it breaks."""
    from graphviz import escape

    visible = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return str(escape(visible.replace("&", "&amp;"))).replace("\n", r"\n")
