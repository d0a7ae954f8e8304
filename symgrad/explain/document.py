"""The closed vocabulary of a worked solution: authors put titles, words and formulas in, every renderer takes the same tree out."""
from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from symgrad.errors import InputError

__all__ = [
    "Document", "Section", "Paragraph", "Equation", "Table", "CodeBlock", "Picture", "ListBlock", "Note", "Check", "Details",
    "Line", "FactorRow", "Factor", "Text", "Math", "Code", "Emphasis", "Strong", "Reference",
    "Block", "Inline", "Part", "Element", "NoteKind", "NOTE_TITLES", "walk",
]

NoteKind = typing.Literal["why", "reuse", "check", "warning", "convention"]
NOTE_TITLES: dict[NoteKind, str] = {"why": "Why", "reuse": "Reused", "check": "Check", "warning": "Take care", "convention": "Convention"}
_ANCHOR = re.compile(r"[a-z][a-z0-9-]*")


class _Checked:
    """Every field holds what its annotation says; lists, stray strings and foreign objects raise TypeError."""

    __slots__ = ()

    def __post_init__(self) -> None:
        kind: type = type(self)
        for name, hint in _hints(kind).items():
            value = getattr(self, name)
            if not _fits(value, hint):
                raise TypeError(f"{kind.__name__}.{name} does not take {value!r:.200}")
        self._validate()

    def _validate(self) -> None:
        """What types cannot say; raises InputError."""


@cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


def _fits(value: object, hint: object) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is not Ellipsis:
            return len(value) == len(arguments) and all(map(_fits, value, arguments))
        return all(_fits(item, arguments[0]) for item in value)
    if origin is typing.Literal:
        return value in arguments
    if origin is typing.Union or origin is types.UnionType:
        return any(_fits(value, option) for option in arguments)
    return isinstance(hint, type) and isinstance(value, hint)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


# Inlines: what stands in a line of prose.

@dataclass(frozen=True, slots=True)
class Text(_Checked):
    """Plain words."""

    text: str


@dataclass(frozen=True, slots=True)
class Math(_Checked):
    """One formula twice: LaTeX without delimiters, and symgrad notation for plain text. Neither is empty."""

    tex: str
    notation: str

    def _validate(self) -> None:
        _require(bool(self.tex.strip() and self.notation.strip()), f"a formula needs LaTeX and notation: {self.tex!r}, {self.notation!r}")


@dataclass(frozen=True, slots=True)
class Code(_Checked):
    """A word of program text."""

    text: str


@dataclass(frozen=True, slots=True)
class Emphasis(_Checked):
    """Stressed words."""

    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Strong(_Checked):
    """Important words."""

    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Reference(_Checked):
    """Words such as "step 3" that lead to the section or equation with that anchor."""

    anchor: str
    text: str


# Formulas on lines of their own.

@dataclass(frozen=True, slots=True)
class Factor(_Checked):
    """One factor of a product with its shape (`K \\times D`) printed beneath, and a short note below that."""

    math: Math
    shape: Math
    note: tuple[Inline, ...] = ()


@dataclass(frozen=True, slots=True)
class FactorRow(_Checked):
    """A product of at least one factor; `join` stands between neighbours. A line may be broken between factors."""

    factors: tuple[Factor, ...]
    join: Math = Math(r"\,", "*")

    def _validate(self) -> None:
        _require(bool(self.factors), "a product needs at least one factor")


@dataclass(frozen=True, slots=True)
class Line(_Checked):
    """One line of an equation: `left` (aligned with its neighbours'; None repeats the last one silently), then parts.

    A part begins with its relation or sign (`= a`, `+ b`): a renderer that runs out of width breaks between parts, inside one
    only where it alone is too long.
    `reason` says why the line follows from the one before; `highlight` marks a final result; `number` is printed as `(number)`.
    """

    parts: tuple[Part, ...]
    left: Math | None = None
    reason: tuple[Inline, ...] = ()
    number: str = ""
    highlight: bool = False

    def _validate(self) -> None:
        _require(bool(self.parts), "a line of an equation needs at least one part")


# Blocks.

@dataclass(frozen=True, slots=True)
class Section(_Checked):
    """A titled part, nested at will; `number` ("3") is printed in front, `badge` ("matrix product") names the rule used."""

    title: tuple[Inline, ...]
    blocks: tuple[Block, ...]
    anchor: str = ""
    badge: str = ""
    number: str = ""

    def _validate(self) -> None:
        _require(bool(self.title), "a section needs a title")


@dataclass(frozen=True, slots=True)
class Paragraph(_Checked):
    """Running prose."""

    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Equation(_Checked):
    """Displayed lines with a shared left side."""

    lines: tuple[Line, ...]
    anchor: str = ""

    def _validate(self) -> None:
        _require(bool(self.lines), "an equation needs at least one line")


@dataclass(frozen=True, slots=True)
class Table(_Checked):
    """A header row and rows of as many cells; `align` has one of `l c r` a column, or is empty for all left."""

    header: tuple[tuple[Inline, ...], ...]
    rows: tuple[tuple[tuple[Inline, ...], ...], ...]
    caption: tuple[Inline, ...] = ()
    align: str = ""

    def _validate(self) -> None:
        width = len(self.header)
        _require(width > 0 and all(len(row) == width for row in self.rows), f"every row of a table needs its {width} cells")
        _require(not self.align or (len(self.align) == width and set(self.align) <= set("lcr")),
                 f"table alignment {self.align!r} is not one of l, c, r for each of {width} columns")


@dataclass(frozen=True, slots=True)
class CodeBlock(_Checked):
    """A program, kept character by character."""

    language: str
    text: str
    caption: tuple[Inline, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture(_Checked):
    """An SVG drawn by this package (it is trusted, so never pass a stranger's), and words that say the same (`alt`)."""

    svg: str
    alt: str
    caption: tuple[Inline, ...] = ()

    def _validate(self) -> None:
        _require(bool(self.alt.strip()), "a picture needs an alternative text")


@dataclass(frozen=True, slots=True)
class ListBlock(_Checked):
    """Items, each of one or more blocks; numbered from 1 if `ordered`."""

    items: tuple[tuple[Block, ...], ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Note(_Checked):
    """An aside: why a step is allowed, what is reused, how to check, what goes wrong, which convention holds."""

    kind: NoteKind
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Check(_Checked):
    """The outcome of a verification; `error` is the largest relative error found, without unit.

    `code` is a Python program that makes the check again and fails if it fails, for formats that can run it.
    """

    ok: bool
    text: tuple[Inline, ...]
    error: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Details(_Checked):
    """Matter for the curious, folded away under its summary where the format can fold."""

    summary: tuple[Inline, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document(_Checked):
    """A whole worked solution; `meta` holds pairs such as ("symgrad", "0.1.0") for the foot of the page.

    Anchors are unique, made of a-z, 0-9 and "-", and every Reference has its anchor, or InputError is raised.
    """

    title: str
    blocks: tuple[Block, ...]
    subtitle: tuple[Inline, ...] = ()
    language: str = "en"
    meta: tuple[tuple[str, str], ...] = ()

    def _validate(self) -> None:
        elements = list(walk(self))
        anchors: set[str] = set()
        for element in elements:
            if isinstance(element, Section | Equation) and element.anchor:
                _require(_ANCHOR.fullmatch(element.anchor) is not None, f"anchor {element.anchor!r} is not made of a-z, 0-9 and -")
                _require(element.anchor not in anchors, f"anchor {element.anchor!r} stands twice in the document")
                anchors.add(element.anchor)
        for element in elements:
            if isinstance(element, Reference):
                _require(element.anchor in anchors, f"nothing has the anchor {element.anchor!r}, which {element.text!r} refers to")


Inline = Text | Math | Code | Emphasis | Strong | Reference
Part = Math | FactorRow
Block = Section | Paragraph | Equation | Table | CodeBlock | Picture | ListBlock | Note | Check | Details
Element = Document | Block | Line | FactorRow | Factor | Inline


def walk(element: Element) -> Iterator[Element]:
    """The element and everything in it, in reading order (field by field)."""
    stack: list[object] = [element]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(reversed(current))
        elif isinstance(current, Element):
            yield current
            stack.extend(getattr(current, field.name) for field in reversed(dataclasses.fields(current)))
