"""A diagram in; a flowchart in Mermaid's language out, labels as plain Unicode, for pages that draw such text themselves."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from symgrad.explain.diagram import Arrow, Diagram
from symgrad.render.layout import printable
from symgrad.render.nesting import Nest, lines_of, nested, rows
from symgrad.render.theme import LIGHT

__all__ = ["to_mermaid"]

_FORMS: Mapping[str, tuple[str, str]] = {
    "data": ("([", "])"), "param": ("[[", "]]"), "const": ("(", ")"), "op": ("[", "]"), "output": ("{{", "}}"), "gradient": ("[/", "/]"),
    "fold": ("[(", ")]"),
}
_BORDERS = {"const": "stroke-dasharray:1.5 2.5", "output": "stroke-width:2.5px", "gradient": "stroke-dasharray:5 3"}
_ARROWS = {"forward": "-->", "backward": "-.->", "reuse": "-.->", "product": "---"}
_LINES = {"forward": f"stroke:{LIGHT.line}", "backward": f"stroke:{LIGHT.back},color:{LIGHT.back},stroke-dasharray:5 3",
          "reuse": f"stroke:{LIGHT.kept},color:{LIGHT.kept},stroke-dasharray:1.5 2.5", "product": "stroke-width:0px"}
# What Mermaid, the Markdown it reads labels as, the HTML it makes of them or a formula between dollars could take for its own.
_SPECIAL = re.compile(r"""["#<>&`\\%$*_~\[\]{}|!@;:]|\.(?=[^\W\d_])|^(?:[-+]|\d+[.)])""")

_TITLE = str.maketrans("<>&", "＜＞＆")              # Mermaid cleans titles as HTML and shows what that leaves, entities as they stand


def to_mermaid(diagram: Diagram) -> str:
    """The diagram as a flowchart: a form for each kind of box, subgraphs for groups, dashed arrows for derivatives, dotted ones to cached values.

    In a picture over time links that nobody sees keep the steps in order.
    """
    steps = rows(diagram)
    lines = ["---", f"title: {json.dumps(_printable(diagram.title).translate(_TITLE), ensure_ascii=False)}", "---"] if diagram.title.strip() else []
    lines.append(f"flowchart {'TB' if steps or diagram.direction == 'TB' else 'LR'}")
    lines += _boxes(nested(diagram), diagram, "g", 1)
    names = {box.id: f"n{number}" for number, box in enumerate(diagram.boxes)}
    for arrow in diagram.arrows:
        label = f'|"{_label([arrow.text])}"|' if arrow.text.strip() else ""
        lines.append(f"  {names[arrow.tail]} {_ARROWS[arrow.kind]}{label} {names[arrow.head]}")
    lines += (f"  n{one[0]} ~~~ n{other[0]}" for one, other in pairwise(steps))
    lines += _styles(diagram)
    return "\n".join(lines) + "\n"


def _boxes(nest: Nest, diagram: Diagram, name: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for number in nest.boxes:
        box = diagram.boxes[number]
        before, after = _FORMS[box.kind]
        yield f'{indent}n{number}{before}"{_label(lines_of(box))}"{after}:::{box.kind}'
    for number, inner in enumerate(nest.inner.values()):
        yield f'{indent}subgraph {name}{number}["{_label([inner.label])}"]'
        yield from _boxes(inner, diagram, f"{name}{number}-", depth + 1)
        yield f"{indent}end"


def _styles(diagram: Diagram) -> Iterator[str]:
    used = {box.kind for box in diagram.boxes}
    for kind, fill, border in LIGHT.boxes:
        if kind in used:
            more = f",{_BORDERS[kind]}" if kind in _BORDERS else ""
            yield f"  classDef {kind} fill:{fill},stroke:{border},color:{LIGHT.ink}{more}"
    if faded := [f"n{number}" for number, box in enumerate(diagram.boxes) if box.faded]:
        yield "  classDef faded opacity:0.35"
        yield f"  class {','.join(faded)} faded"
    for kind, style in _LINES.items():
        for dim, more in ((False, ""), (True, ",opacity:0.35")):
            if links := _numbers(diagram.arrows, kind, dim):
                yield f"  linkStyle {links} {style}{more}"


def _numbers(arrows: Sequence[Arrow], kind: str, faded: bool) -> str:
    return ",".join(str(number) for number, arrow in enumerate(arrows) if arrow.kind == kind and arrow.faded == faded)


def _printable(text: str) -> str:
    return " ".join(printable(text).split())


def _label(lines: Sequence[str]) -> str:
    """Text between quotes that Mermaid shows as it is, in so many lines."""
    return "<br/>".join(_SPECIAL.sub(lambda found: "".join(f"#{ord(letter)};" for letter in found[0]), _printable(line)) for line in lines)
