"""Solutions and pictures: the documents of a derivation, and the files they are saved to."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from numpy.typing import ArrayLike

from symgrad.core import files
from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.derivations import differentiate
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError
from symgrad.explain.document import Block, Document, Math
from symgrad.explain.drawing import diagram_of
from symgrad.explain.exercise import Wanted, exercise_of
from symgrad.explain.folding import automatic, folded
from symgrad.explain.formulas import STYLES, Typesetter
from symgrad.explain.frame import DETAILS, Material
from symgrad.explain.numbers import backward_numbers, wanted_nodes
from symgrad.explain.values import Numbers
from symgrad.explain.walkthrough import walkthrough
from symgrad.pictures import GENERATED, easily, generated
from symgrad.render.formats import renderer, save
from symgrad.render.svg import to_svg
from symgrad.render.text import to_text
from symgrad.results import Derivation, source_of, with_functions
from symgrad.run.functions import Given, function_values
from symgrad.run.verify import Report
from symgrad.verbs import schedule

__all__ = ["Exercises", "Solution", "check_target", "exercise", "solve"]

_ON_A_PAGE = 30
"""A picture of more boxes than this is folded in a solution; one that has more all the same has no place there."""


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


def check_target(path: str | Path) -> None:
    """Raises InputError where a solution could not be written: an unknown suffix, a folder that is not there."""
    renderer(path)
    files.check_place(path)


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
        values, functions = generated(net, values, seed, functions)
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
    drawing = _drawing(d) if picture and detail != "brief" else ""
    document = walkthrough(d, Material(report, schedule(d), source_of(d, functions=functions), drawing, known, title, detail, deltas, backward))
    return Solution(document, d, report)


def _drawing(d: Derivation) -> str:
    """The picture of both passes as SVG; nothing where it would not fit a page."""
    whole = diagram_of(d, "both")
    shown = folded(whole, automatic(whole, _ON_A_PAGE))
    return to_svg(shown) if len(shown.boxes) <= 2 * _ON_A_PAGE else ""


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
    functions = {**easily(d.graph), **(functions or {})}
    made = exercise_of(d, Material(report, schedule(d), ""), Wanted(blank, kind, level, count, seed, digits, title), function_values(functions))
    return Exercises(made.sheet, made.key, report)
