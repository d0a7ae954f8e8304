"""A diagram in; DOT text with plain Unicode labels out, for any Graphviz and for editing by hand."""
from __future__ import annotations

from typing import TYPE_CHECKING

from symgrad.explain.diagram import Box, Diagram

if TYPE_CHECKING:
    from graphviz import Digraph

__all__ = ["to_dot"]

_NODES: dict[str, dict[str, str]] = {
    "data": {"shape": "box", "style": "rounded", "color": "#00805f"}, "param": {"shape": "box", "peripheries": "2", "color": "#b97f00"},
    "const": {"shape": "box", "style": "dotted", "color": "#6b7680"}, "op": {"shape": "box", "color": "#0072b2"},
    "output": {"shape": "octagon", "penwidth": "2", "color": "#a8487f"},
    "gradient": {"shape": "box", "style": "dashed", "color": "#b04a00"}, "fold": {"shape": "box3d", "color": "#3f4a55"},
}
_BACKWARD = {"style": "dashed", "dir": "back", "color": "#b04a00", "fontcolor": "#b04a00"}
_STYLES = {"reuse": {"style": "dotted", "color": "#0072b2"}, "product": {"color": "transparent", "arrowhead": "none"}}
_FADED = {"color": "#c4c9ce", "fontcolor": "#c4c9ce"}


def to_dot(diagram: Diagram) -> str:
    """The diagram in the DOT language; backward arrows are dashed and run against the order of the layers."""
    from graphviz import Digraph

    graph = Digraph(graph_attr={"rankdir": "TB" if diagram.direction == "TB" else "LR"}, node_attr={"fontname": "DejaVu Sans"},
                    edge_attr={"fontname": "DejaVu Sans", "fontsize": "11"})
    if diagram.title.strip():
        graph.attr(label=_escaped(diagram.title), labelloc="t")
    names = {box.id: f"n{number}" for number, box in enumerate(diagram.boxes)}
    groups: dict[str, list[Box]] = {}
    for box in diagram.boxes:
        groups.setdefault(box.group, []).append(box)
    for number, (group, members) in enumerate(groups.items()):
        if group.strip():
            with graph.subgraph(name=f"cluster_{number}") as cluster:
                cluster.attr(label=_escaped(group), labeljust="l", color="#a9b4bf", style="rounded")
                _add(cluster, members, names)
        else:
            _add(graph, members, names)
    for arrow in diagram.arrows:
        label = {"label": _escaped(arrow.text)} if arrow.text.strip() else {}
        faded = _FADED if arrow.faded else {}
        if arrow.kind == "backward":
            graph.edge(names[arrow.head], names[arrow.tail], **label, **{**_BACKWARD, **faded})
        else:
            graph.edge(names[arrow.tail], names[arrow.head], **label, **{**_STYLES.get(arrow.kind, {}), **faded})
    return str(graph.source)


def _add(graph: Digraph, boxes: list[Box], names: dict[str, str]) -> None:
    for box in boxes:
        cells = ["".join("■" if full else "□" for full in row) for row in box.cells.filled] if box.cells else []
        label = "\n".join(filter(None, (*cells, box.text, box.shape_text, box.note_text, "(cached)" if box.kept else "")))
        tooltip = {"tooltip": _escaped(box.tooltip)} if box.tooltip else {}
        graph.node(names[box.id], _escaped(label), **{**_NODES[box.kind], **(_FADED if box.faded else {})}, **tooltip)


def _escaped(text: str) -> str:
    """Text that Graphviz shows as it is: no escapes, no HTML, no entities, lines broken where it breaks."""
    from graphviz import escape

    visible = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return str(escape(visible.replace("&", "&amp;"))).replace("\n", r"\n")
