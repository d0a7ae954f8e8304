"""Boxes and arrows of a picture in; one checked, format-free diagram out, which every picture format draws."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from symgrad.errors import InputError

__all__ = ["Box", "Arrow", "Diagram", "BoxKind", "ArrowKind", "Direction"]

BoxKind = Literal["data", "param", "const", "op", "output", "gradient"]
ArrowKind = Literal["forward", "backward"]
Direction = Literal["auto", "LR", "TB"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its name twice (LaTeX without delimiters, plain Unicode), its shape twice, and the layer (`group`) it belongs to.

    Invariant: `id`, `tex` and `text` are not empty; `shape_tex`, `shape_text`, `group` and `tooltip` may be.
    """

    id: str
    tex: str
    text: str
    shape_tex: str = ""
    shape_text: str = ""
    kind: BoxKind = "op"
    group: str = ""
    tooltip: str = ""

    def __post_init__(self) -> None:
        _texts(self, f"box {self.id!r}", "id", "tex", "text", "shape_tex", "shape_text", "group", "tooltip")
        for name in ("id", "tex", "text"):
            if not getattr(self, name).strip():
                raise InputError(f"box {self.id!r} needs a {name} that is not empty")
        _choice(self.kind, get_args(BoxKind), f"the kind of box {self.id!r}")


@dataclass(frozen=True, slots=True)
class Arrow:
    """A value on its way (`forward`: operand to node) or a derivative on its way back (`backward`: node to operand).

    `tex` and `text` are its label, a local Jacobian or a cotangent for example; both are given, or neither.
    """

    tail: str
    head: str
    tex: str = ""
    text: str = ""
    kind: ArrowKind = "forward"
    tooltip: str = ""

    def __post_init__(self) -> None:
        name = f"arrow {self.tail!r} -> {self.head!r}"
        _texts(self, name, "tail", "head", "tex", "text", "tooltip")
        _choice(self.kind, get_args(ArrowKind), f"the kind of {name}")
        if self.tail == self.head:
            raise InputError(f"{name} ends where it begins")
        if bool(self.tex.strip()) != bool(self.text.strip()):
            raise InputError(f"{name} needs its label as LaTeX and as plain text, or no label: {self.tex!r}, {self.text!r}")


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture: at least one box, ids that differ, arrows between boxes that exist; parallel arrows are kept apart.

    `direction` is that of the forward arrows; "auto" takes what fits a page. `legend` explains the forms of the boxes.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...] = ()
    direction: Direction = "auto"
    legend: bool = True

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


def _texts(value: object, owner: str, *names: str) -> None:
    for name in names:
        if not isinstance(text := getattr(value, name), str):
            raise TypeError(f"{owner}: {name} is text, not {type(text).__name__}")


def _choice(value: object, options: tuple[str, ...], what: str) -> None:
    if value not in options:
        raise InputError(f"{what} is one of {', '.join(options)}, not {value!r}")
