"""A graph or a derivation comes in; its picture, in every format, goes out."""
from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.typing import ArrayLike

from symgrad.core import files
from symgrad.core.display import chosen
from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.derivations import differentiate
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError, MissingExtraError, SymgradError, nearest
from symgrad.explain.diagram import Diagram, Direction
from symgrad.explain.drawing import Options, diagram_of
from symgrad.explain.folding import automatic, folded, outermost
from symgrad.explain.timetable import over_time
from symgrad.explain.values import easy_functions, easy_values
from symgrad.explain.worth import worth_at
from symgrad.plan.residuals import Plan
from symgrad.render.animation import to_animated_svg, to_gif
from symgrad.render.dot import to_dot
from symgrad.render.graph_page import to_graph_page
from symgrad.render.mermaid import to_mermaid
from symgrad.render.raster import to_picture_pdf, to_png
from symgrad.render.svg import to_svg
from symgrad.render.theme import Theme
from symgrad.results import Derivation, Derivative, with_functions
from symgrad.run.executor import Trace
from symgrad.run.functions import ByOrder, Given, One, function_values

__all__ = ["FORMATS", "GENERATED", "Picture", "check_target", "draw", "easily", "generated", "pictures_of"]

GENERATED = "generated"
"""In place of values: small ones are drawn."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a graph or a derivation: all of it in `whole`, with the layers that are `closed` folded in `diagram`."""

    whole: Diagram
    closed: frozenset[str] = frozenset()
    theme: Theme | None = None

    @functools.cached_property
    def diagram(self) -> Diagram:
        """What is shown, layers folded."""
        return folded(self.whole, self.closed)

    @functools.cached_property
    def svg(self) -> str:
        """The picture as SVG: paths only, no fonts needed."""
        return to_svg(self.diagram, theme=self.theme or "light")

    def save(self, path: str | Path, *, animate: bool = False) -> Path:
        """Write the picture; the suffix says the format, a key of FORMATS. animate: an SVG that goes through the passes, as a GIF always does.

        Raises InputError for another suffix, a folder that is not there, and a picture without passes that is to move; MissingExtraError
        for a format whose package is not installed.
        """
        suffix = check_target(path, animate)
        files.write(path, to_animated_svg(self.diagram, theme=self.theme or "light") if animate and suffix == ".svg" else FORMATS[suffix](self))
        return Path(path)

    def __str__(self) -> str:
        lines = [box.text for box in self.diagram.boxes if box.kind not in ("data", "param", "const")]
        return "\n".join([f"picture of {self.diagram.title}: {len(self.diagram.boxes)} boxes, {len(self.diagram.arrows)} arrows", *lines])

    def _repr_mimebundle_(self, include: Collection[str] | None = None, exclude: Collection[str] | None = None, **_: object) -> dict[str, object]:
        return chosen({"text/plain": str(self), **self._images()}, include, exclude)

    def _images(self) -> dict[str, object]:
        """As SVG, and as PNG where its package is installed: notebooks that are not trusted hide SVG."""
        images: dict[str, object] = {"image/svg+xml": self.svg}
        with contextlib.suppress(MissingExtraError):
            images["image/png"] = to_png(self.diagram, theme=self.theme or "light")
        return images


FORMATS: Mapping[str, Callable[[Picture], str | bytes]] = {
    ".svg": lambda p: p.svg, ".png": lambda p: to_png(p.diagram, theme=p.theme or "light"),
    ".pdf": lambda p: to_picture_pdf(p.diagram, theme=p.theme or "light"), ".html": lambda p: to_graph_page(p.whole, start=p.closed, theme=p.theme or "auto"),
    ".gif": lambda p: to_gif(p.diagram, theme=p.theme or "light"), ".dot": lambda p: to_dot(p.diagram), ".mmd": lambda p: to_mermaid(p.diagram),
}


def check_target(path: str | Path, animate: bool = False) -> str:
    """The suffix of a file that a picture can be written to. Raises InputError where it cannot."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"a picture is written as {', '.join(FORMATS)}, not as {suffix or 'a file without a suffix'}: {path}{nearest(suffix, FORMATS)}")
    if animate and suffix not in (".svg", ".gif"):
        raise InputError(f"a picture that moves is an .svg or a .gif, not {suffix}: {path}")
    files.check_place(path)
    return suffix


def draw(subject: Graph | Node | Derivation | Derivative, what: str = "both", *, wrt: Wrt = None, of: str | Node | None = None, title: str = "",
         values: Mapping[str, ArrayLike] | Trace | str | None = None, functions: Given = None, level: str = "auto", labels: str = "auto",
         fold: bool | Collection[str] | None = None, direction: Direction = "auto", theme: Theme | None = None, seed: int = 0) -> Picture:
    """The picture of a graph or a derivation; a graph is differentiated by `wrt` first.

    what: "forward", "backward" or "both" passes; "schedule", the steps over time with what is cached, read again and freed; "paths", those
    that make the derivative, the rest faded; "values", numbers at values and arrows; "jacobian", where each factor of the chain is zero.
    values: arrays by name, "generated" (small ones, drawn by `seed`), or a trace; what they do not tell is "not yet computed".
    level: "names" shows named values, "ops" every op, "auto" names where there are any. labels of backward arrows: "jacobian" (the local
    one), "cotangent" (what comes back), "none". fold: True closes every layer, False none, names close those, None closes layers where
    there are more than 60 boxes. direction: "LR", "TB" or "auto". theme: "light", "dark", "auto" (as the reader's system); None:
    light, in HTML auto.
    Raises InputError for a word that means nothing, a group that is not there and values that do not fit.
    """
    if isinstance(subject, Derivative):
        subject = differentiate(subject.graph, [subject.variable], subject.output)
    graph = subject.graph if isinstance(subject, Derivation) else as_graph(subject)
    made: Graph | Derivation
    if isinstance(subject, Derivation):
        made = subject
    elif what == "forward":
        made = graph = replace(graph, output=graph.output if of is None else graph.resolve(of))
    else:
        made = differentiate(graph, wrt, of)
    worth = None
    if values is not None or what == "values":
        if isinstance(values, str):
            values, functions = generated(graph, values, seed, functions)
        if isinstance(values, Mapping):
            values, functions = with_functions(values, functions)
            made = made.at(values)
            graph = made.graph if isinstance(made, Derivation) else made
        worth = worth_at(graph, [graph.output], values, function_values(functions))
    diagram = diagram_of(made, what, Options(title, level, labels, direction, worth))
    known = [group.name for group in outermost(diagram)]
    if fold is None or isinstance(fold, bool):
        closed = automatic(diagram) if fold is None else frozenset(known if fold else ())
    else:
        closed = frozenset([fold] if isinstance(fold, str) else fold)
        for name in closed - {group.name for group in diagram.groups} - set(known):
            raise InputError(f"there is no layer {name!r} to fold{nearest(name, known)}; there are {', '.join(known) or 'none'}")
    return Picture(diagram, closed, theme)


def pictures_of(shown: object) -> dict[str, object]:
    """What a notebook shows of a graph, a derivation or a plan beside its text; nothing where no picture can be made."""
    try:
        if isinstance(shown, Plan):
            return Picture(over_time(shown))._images() if shown.steps else {}
        return draw(shown, "forward" if isinstance(shown, Graph) else "both")._images() if isinstance(shown, Graph | Derivation) else {}
    except SymgradError:
        return {}


def easily(graph: Graph) -> dict[str, One]:
    """What unknown functions stand for where nothing is said and numbers are to be small."""
    return {name: ByOrder(f) for name, f in easy_functions(graph).items()}


def generated(graph: Graph, word: str, seed: int, functions: Given) -> tuple[Mapping[str, ArrayLike], dict[str, One]]:
    """Small values for the word that asks for them, and what unknown functions stand for. Raises InputError for another word."""
    if word != GENERATED:
        raise InputError(f"values are arrays by name, or {GENERATED!r}, not {word!r}")
    functions = {**easily(graph), **(functions or {})}
    return easy_values(graph, seed, function_values(functions)), functions
