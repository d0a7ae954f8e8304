"""Solutions and pictures: the documents of a derivation, and the files they are saved to."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.derivations import differentiate
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError
from symgrad.explain.diagram import Diagram
from symgrad.explain.document import Block, Document, Math
from symgrad.explain.drawing import diagram_of
from symgrad.explain.exercise import Wanted, exercise_of
from symgrad.explain.formulas import STYLES, Typesetter
from symgrad.explain.frame import DETAILS, Material
from symgrad.explain.numbers import backward_numbers, wanted_nodes
from symgrad.explain.values import Numbers, easy_functions, easy_values
from symgrad.explain.walkthrough import walkthrough
from symgrad.render import files
from symgrad.render.dot import to_dot
from symgrad.render.formats import renderer, save
from symgrad.render.svg import to_svg
from symgrad.render.text import to_text
from symgrad.results import Derivation, Derivative, source_of, with_functions
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
    """A picture of a graph or a derivation."""

    diagram: Diagram

    @property
    def svg(self) -> str:
        """The picture as SVG: paths only, no fonts needed."""
        return to_svg(self.diagram)

    def save(self, path: str | Path) -> Path:
        """Write the picture as `.svg` or `.dot`. Raises InputError for another suffix."""
        writers = {".svg": to_svg, ".dot": to_dot}
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
        if values != GENERATED:
            raise InputError(f"values are arrays by name, or {GENERATED!r}, not {values!r}")
        net = as_graph(net)
        functions = {**_easy(net), **(functions or {})}
        values = easy_values(net, seed, function_values(functions))
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


def draw(subject: Graph | Node | Derivation | Derivative, what: str = "both", *, wrt: Wrt = None, of: str | Node | None = None,
         title: str = "") -> Picture:
    """The picture of a graph or a derivation. what: "forward", "backward" or "both" passes; a graph is differentiated by `wrt` first."""
    if isinstance(subject, Derivative):
        subject = differentiate(subject.graph, [subject.variable], subject.output)
    return Picture(diagram_of(subject if isinstance(subject, Derivation) else differentiate(subject, wrt, of), what, title))
