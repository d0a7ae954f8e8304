"""Boxes and arrows of a picture in; one checked, format-free diagram out, which every picture format draws."""
from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from symgrad.errors import InputError

__all__ = ["Arrow", "ArrowKind", "Box", "BoxKind", "Cells", "Diagram", "Direction", "Fact", "Group", "Moment"]

BoxKind = Literal["data", "param", "const", "op", "output", "gradient", "fold"]
ArrowKind = Literal["forward", "backward", "reuse", "product"]
Direction = Literal["auto", "LR", "TB"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about a box, shown where a reader asks for it: what it tells ("equation", "shape", "value", "derivative", "cost"), as plain
    text and, where it is a formula, as LaTeX.
    """

    label: str
    text: str
    tex: str = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """Which entries of a matrix are zero (False), with a line after every `rows_each` rows and `columns_each` columns (0: none)."""

    filled: tuple[tuple[bool, ...], ...]
    rows_each: int = 0
    columns_each: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its name twice (LaTeX without delimiters, plain Unicode), its shape twice, and the layer (`group`) it belongs to.

    `note_tex` and `note_text` stand under the shape: a value in numbers; in a picture over time they stand in the row of the step.
    `kept`: the value is cached for the backward pass. `faded`: it is not what the picture is about. `span`: the step that computes it and
    the one after which it is freed (None: never), in a picture over time. `cells`: where a matrix is zero. `copy_of`: the box that stands
    for the same value elsewhere, where one is drawn beside each of its readers.
    Invariant: `id`, `tex` and `text` are not empty; the other texts may be.
    """

    id: str
    tex: str
    text: str
    shape_tex: str = ""
    shape_text: str = ""
    kind: BoxKind = "op"
    group: str = ""
    tooltip: str = ""
    note_tex: str = ""
    note_text: str = ""
    facts: tuple[Fact, ...] = ()
    kept: bool = False
    faded: bool = False
    span: tuple[int, int | None] | None = None
    cells: Cells | None = None
    copy_of: str = ""

    def __post_init__(self) -> None:
        _texts(self, f"box {self.id!r}", "id", "tex", "text", "shape_tex", "shape_text", "group", "tooltip", "note_tex", "note_text")
        for name in ("id", "tex", "text"):
            if not getattr(self, name).strip():
                raise InputError(f"box {self.id!r} needs a {name} that is not empty")
        _choice(self.kind, get_args(BoxKind), f"the kind of box {self.id!r}")


@dataclass(frozen=True, slots=True)
class Arrow:
    """A value on its way (`forward`: operand to node), a derivative on its way back (`backward`: node to operand), a cached value that the
    backward pass reads (`reuse`), or no way at all but a sign between two boxes, its label (`product`).

    `tex` and `text` are its label, a local Jacobian or a cotangent for example; both are given, or neither.
    """

    tail: str
    head: str
    tex: str = ""
    text: str = ""
    kind: ArrowKind = "forward"
    tooltip: str = ""
    faded: bool = False

    def __post_init__(self) -> None:
        name = f"arrow {self.tail!r} -> {self.head!r}"
        _texts(self, name, "tail", "head", "tex", "text", "tooltip")
        _choice(self.kind, get_args(ArrowKind), f"the kind of {name}")
        if self.tail == self.head:
            raise InputError(f"{name} ends where it begins")
        if bool(self.tex.strip()) != bool(self.text.strip()):
            raise InputError(f"{name} needs its label as LaTeX and as plain text, or no label: {self.tex!r}, {self.text!r}")


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes that belong together, a layer or a step: `name` is what boxes and groups within call it and what is shown.

    `parent`: the group around it, empty for none. `count`: how many groups alike it holds, 1 for a single layer.
    """

    name: str
    parent: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of the passes: its title, its formula, the boxes (ids) and arrows (numbers) it is about, and the cached values (ids) it reads."""

    title: str
    tex: str
    text: str
    boxes: tuple[str, ...]
    arrows: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """A picture: at least one box, ids that differ, arrows between boxes that exist; parallel arrows are kept apart.

    `direction` is that of the forward arrows; "auto" takes what fits a page. `legend` explains the forms of the boxes.
    `groups`: what is known of the groups that boxes name, apart from their names. `moments`: both passes, step by step.
    A picture over time has a span for every box; its rows are the steps.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...] = ()
    direction: Direction = "auto"
    legend: bool = True
    groups: tuple[Group, ...] = ()
    moments: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        _texts(self, "a diagram", "title")
        for name, kind in (("boxes", Box), ("arrows", Arrow)):
            members = getattr(self, name)
            if not isinstance(members, tuple) or not all(isinstance(member, kind) for member in members):
                raise TypeError(f"the {name} of a diagram are a tuple of {kind.__name__}, not {members!r:.200}")
        _choice(self.direction, get_args(Direction), "the direction of a diagram")
        if not self.boxes:
            raise InputError("a diagram needs at least one box")
        twice = [box for box, count in Counter(box.id for box in self.boxes).items() if count > 1]
        if twice:
            raise InputError(f"two boxes have the id {twice[0]!r}; ids must differ")
        known = {box.id for box in self.boxes}
        for arrow in self.arrows:
            for end in (arrow.tail, arrow.head):
                if end not in known:
                    raise InputError(f"arrow {arrow.tail!r} -> {arrow.head!r}: there is no box {end!r}")
        for moment in self.moments:
            if not known.issuperset(moment.boxes + moment.reads) or not all(0 <= number < len(self.arrows) for number in moment.arrows):
                raise InputError(f"the moment {moment.title!r} is about boxes or arrows that are not in the picture")
        if 0 < sum(box.span is not None for box in self.boxes) < len(self.boxes):
            raise InputError("in a picture over time every box has a span")

    def around(self, group: str) -> list[Group]:
        """The group of that name and those around it, outermost first; nothing for the empty name."""
        found: list[Group] = []
        while group.strip() and group not in {g.name for g in found}:
            found.insert(0, self._groups.get(group, Group(group)))
            group = found[0].parent
        return found

    @functools.cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.groups}


def _texts(value: object, owner: str, *names: str) -> None:
    for name in names:
        if not isinstance(text := getattr(value, name), str):
            raise TypeError(f"{owner}: {name} is text, not {type(text).__name__}")


def _choice(value: object, options: tuple[str, ...], what: str) -> None:
    if value not in options:
        raise InputError(f"{what} is one of {', '.join(options)}, not {value!r}")
