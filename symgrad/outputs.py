"""Solutions and pictures: the documents of a derivation, and the files they are saved to."""
from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.derivations import differentiate
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError, nearest
from symgrad.explain.diagram import Diagram, Direction
from symgrad.explain.document import Block, Document, Math
from symgrad.explain.drawing import Options, diagram_of
from symgrad.explain.exercise import Wanted, exercise_of
from symgrad.explain.folding import automatic, folded, outermost
from symgrad.explain.formulas import STYLES, Typesetter
from symgrad.explain.frame import DETAILS, Material
from symgrad.explain.numbers import backward_numbers, wanted_nodes
from symgrad.explain.values import Numbers, easy_functions, easy_values
from symgrad.explain.walkthrough import walkthrough
from symgrad.explain.worth import worth_at
from symgrad.render import files
from symgrad.render.dot import to_dot
from symgrad.render.formats import renderer, save
from symgrad.render.svg import to_svg
from symgrad.render.text import to_text
from symgrad.render.theme import Theme
from symgrad.results import Derivation, Derivative, source_of, with_functions
from symgrad.run.executor import Trace
from symgrad.run.functions import ByOrder, Given, function_values
from symgrad.run.verify import Report
from symgrad.verbs import schedule

__all__ = ["Exercises", "Picture", "Solution", "check_target", "draw", "exercise", "solve"]

MOST_NAMED = 60
"""A picture of more named values than this has no place on a page."""


@dataclass(frozen=True, eq=False)
class Solution:
    """A worked solution: one document, one file per format."""

    document: Document
    derivation: Derivation
    report: Report

    def save(self, path: str | Path) -> Path:
        """Write the solution; the suffix says the format. Raises InputError for an unknown suffix or a folder that is not there."""
        save(self.document, path)
        return Path(path)

    def __str__(self) -> str:
        return to_text(self.document)


@dataclass(frozen=True, eq=False)
class Exercises:
    """Exercise sheets and their key: two documents, each a file per format."""

    sheet: Document
    key: Document
    report: Report

    def save(self, sheet: str | Path, key: str | Path | None = None) -> Path:
        """Write the sheets, and the key where its path is given; the suffixes say the formats. Raises InputError as `Solution.save` does."""
        if key is not None:
            check_target(key)
            if Path(key).resolve() == Path(sheet).resolve():
                raise InputError(f"the sheets and the key would be one file, {key}: give two")
        save(self.sheet, sheet)
        if key is not None:
            save(self.key, key)
        return Path(sheet)

    def __str__(self) -> str:
        return to_text(self.sheet)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a graph or a derivation: all of it in `whole`, with the layers that are `closed` folded in `diagram`."""

    whole: Diagram
    closed: frozenset[str] = frozenset()
    theme: Theme = "light"

    @functools.cached_property
    def diagram(self) -> Diagram:
        """What is shown, layers folded."""
        return folded(self.whole, self.closed)

    @functools.cached_property
    def svg(self) -> str:
        """The picture as SVG: paths only, no fonts needed."""
        return to_svg(self.diagram, theme=self.theme)

    def save(self, path: str | Path) -> Path:
        """Write the picture as `.svg` or `.dot`. Raises InputError for another suffix."""
        writers = {".svg": lambda d: to_svg(d, theme=self.theme), ".dot": to_dot}
        suffix = Path(path).suffix.lower()
        if suffix not in writers:
            raise InputError(f"a picture is written as {', '.join(writers)}, not as {suffix or 'a file without a suffix'}: {path}")
        files.check_place(path)
        files.write(path, writers[suffix](self.diagram))
        return Path(path)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": to_dot(self.diagram)}


def check_target(path: str | Path) -> None:
    """Raises InputError where a solution could not be written: an unknown suffix, a folder that is not there."""
    renderer(path)
    files.check_place(path)


GENERATED = "generated"
"""In place of values: small ones are drawn."""


def solve(net: Graph | Node, wrt: Wrt = None, of: str | Node | None = None, values: Mapping[str, ArrayLike] | str | None = None,
          functions: Given = None, title: str = "", picture: bool = True, seed: int = 0, layout: str | None = None, detail: str = "standard",
          deltas: str = "delta", digits: int = 4, eta: float | Fraction | None = None) -> Solution:
    """The worked solution of a derivative: network, passes, chain rule, factors, closed form, components, update, code, schedule, check.

    values: arrays by name, to see numbers and to check at them; "generated": small ones, drawn by `seed`, with relu or half a
    squared difference for unknown functions; else the check draws random ones.
    detail: "brief" (network, chain, result, check), "standard", or "full" (each factor and each product entry by entry too). deltas: how
    the derivative by a value z on the way is called, "delta" (`d_z`), "d" (`dz`), "bar" (`z_bar`) or "grad" (`grad_z`).
    digits: so many significant digits are shown of what is no short fraction. eta: the step size of an update in numbers.
    Raises as `differentiate` does; InputError for another detail or style and for digits outside 1..15;
    MissingValueError for an unknown function that the numbers need.
    """
    if detail not in DETAILS:
        raise InputError(f"the detail of a solution is {', '.join(DETAILS)}, not {detail!r}")
    if deltas not in STYLES:
        raise InputError(f"the derivatives by values on the way are called in the style {', '.join(STYLES)}, not {deltas!r}")
    if not 1 <= digits <= 15:
        raise InputError(f"digits is a whole number from 1 to 15, not {digits}")
    if isinstance(values, str):
        net = as_graph(net)
        functions = {**_easy(net), **(functions or {})}
        values = _generated(net, values, seed, functions)
    values, functions = with_functions(values, functions) if values is not None else (None, functions)
    d = differentiate(net, wrt, of, layout).at(values or {})
    report = d.verify(values, seed, functions)
    if eta is not None and values is None:
        raise InputError(f"a step of size eta is taken in numbers: give values, or values={GENERATED!r}")
    known: dict[Node, Math] | None = None
    backward: tuple[Block, ...] = ()
    if values is not None:
        numbers = Numbers(wanted_nodes(d), values, function_values(functions), d.graph.numbers, digits)
        known = {n: numbers.math(n) for n in d.graph.names.values()}
        backward = backward_numbers(d, numbers, Typesetter(d.graph), None if eta is None else Fraction(str(eta)))
    drawing = to_svg(diagram_of(d, "both")) if picture and detail != "brief" and len(d.graph.names) <= MOST_NAMED else ""
    document = walkthrough(d, Material(report, schedule(d), source_of(d, functions=functions), drawing, known, title, detail, deltas, backward))
    return Solution(document, d, report)


def _easy(graph: Graph) -> dict[str, ByOrder]:
    return {name: ByOrder(f) for name, f in easy_functions(graph).items()}


def exercise(net: Graph | Node, wrt: Wrt = None, of: str | Node | None = None, *, blank: str = "gradients", kind: str = "both", level: int = 2,
             count: int = 10, seed: int = 0, digits: int = 4, functions: Given = None, title: str = "") -> Exercises:
    """Exercise sheets on the derivative of a network, and their key: `count` variants, each with small numbers of its own.

    blank: "values" (of the forward pass), "gradients", "shapes" (of Jacobians) or "all". kind: "blanks" to fill in, "choice" among real
    mistakes (sign, transpose, lost factor, missing path, wrong point), or "both". level: 1 (much is given, next to the output) to 3 (only the
    data are given, far from the output). The same seed gives the same bytes. functions: values of unknown functions; else relu of one
    argument, half the squared difference of two, as the sheet says. Raises InputError for a word that means nothing and where nothing can be asked.
    """
    d = differentiate(net, wrt, of)
    report = d.verify(None, seed, functions)
    functions = {**_easy(d.graph), **(functions or {})}
    made = exercise_of(d, Material(report, schedule(d), ""), Wanted(blank, kind, level, count, seed, digits, title), function_values(functions))
    return Exercises(made.sheet, made.key, report)


def draw(subject: Graph | Node | Derivation | Derivative, what: str = "both", *, wrt: Wrt = None, of: str | Node | None = None, title: str = "",
         values: Mapping[str, ArrayLike] | Trace | str | None = None, functions: Given = None, level: str = "auto", labels: str = "auto",
         fold: bool | Collection[str] | None = None, direction: Direction = "auto", theme: Theme = "light", seed: int = 0) -> Picture:
    """The picture of a graph or a derivation; a graph is differentiated by `wrt` first.

    what: "forward", "backward" or "both" passes; "schedule", the steps over time with what is cached, read again and freed; "paths", those
    that make the derivative, the rest faded; "values", numbers at values and arrows; "jacobian", where each factor of the chain is zero.
    values: arrays by name, "generated" (small ones, drawn by `seed`), or a trace; what they do not tell is "not yet computed".
    level: "names" shows named values, "ops" every op, "auto" names where there are any. labels of backward arrows: "jacobian" (the local
    one), "cotangent" (what comes back), "none". fold: True closes every layer, False none, names close those, None closes layers where
    there are more than 60 boxes. direction: "LR", "TB" or "auto". theme: "light", "dark", "auto".
    Raises InputError for a word that means nothing, a group that is not there and values that do not fit.
    """
    if isinstance(subject, Derivative):
        subject = differentiate(subject.graph, [subject.variable], subject.output)
    graph = subject.graph if isinstance(subject, Derivation) else as_graph(subject)
    made: Graph | Derivation = graph if what == "forward" else subject if isinstance(subject, Derivation) else differentiate(graph, wrt, of)
    worth = None
    if values is not None or what == "values":
        if isinstance(values, str):
            functions = {**_easy(graph), **(functions or {})}
            values = _generated(graph, values, seed, functions)
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


def _generated(graph: Graph, word: str, seed: int, functions: Given) -> Mapping[str, ArrayLike]:
    """Small values, for the word that asks for them."""
    if word != GENERATED:
        raise InputError(f"values are arrays by name, or {GENERATED!r}, not {word!r}")
    return easy_values(graph, seed, function_values(functions))
