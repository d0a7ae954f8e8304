"""The vocabulary of documents is closed and checked; every format writes all of it, and writes files whole or not at all."""
from __future__ import annotations

import dataclasses
import inspect
import os
import typing
from importlib import resources
from pathlib import Path

import pytest
from documents import SVG, every_block, say, worked_solution

from symgrad.core import files
from symgrad.errors import InputError
from symgrad.explain import document as vocabulary
from symgrad.explain.document import (
    Block,
    Code,
    Document,
    Element,
    Equation,
    Factor,
    FactorRow,
    Inline,
    Line,
    Math,
    Note,
    Paragraph,
    Part,
    Picture,
    Reference,
    Section,
    Strong,
    Table,
    Text,
    walk,
)
from symgrad.render import formats
from symgrad.render.typst_page import to_typst

KINDS = [kind for _, kind in inspect.getmembers(vocabulary, inspect.isclass) if dataclasses.is_dataclass(kind)]
X = Math("x", "x")


def test_every_class_is_part_of_the_vocabulary_and_stands_in_the_sample() -> None:
    named = set(typing.get_args(Element))
    assert set(KINDS) == named == {type(element) for element in walk(every_block())}
    assert {kind.__name__ for kind in KINDS} <= set(vocabulary.__all__)


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_frozen_and_slotted(kind: type) -> None:
    assert vars(kind)["__dataclass_params__"].frozen and "__slots__" in vars(kind)
    assert not any("__dict__" in vars(base) for base in kind.__mro__[:-1])


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_every_format_shows_every_word_of_every_block(suffix: str) -> None:
    shown = to_typst(every_block()) if suffix == ".pdf" else formats.FORMATS[suffix](every_block())   # a PDF is set from this source
    assert isinstance(shown, str)
    for element in walk(every_block()):
        if isinstance(element, Text | Code | Reference):
            assert element.text in shown


@pytest.mark.parametrize("suffix", formats.FORMATS)
@pytest.mark.parametrize("union", [Block, Inline, Part])
def test_every_format_refuses_what_it_does_not_know(suffix: str, union: object) -> None:
    """A foreign object can only come in past the constructors; a renderer must not drop it in silence."""
    host, field = {Block: (Document("t", ()), "blocks"), Inline: (Paragraph(()), "inlines"), Part: (Line((X,)), "parts")}[union]
    object.__setattr__(host, field, (object(),))
    block = Equation((host,)) if isinstance(host, Line) else host
    page = block if isinstance(block, Document) else Document("t", (block,))
    with pytest.raises(TypeError, match="object"):
        formats.FORMATS[suffix](page)
    with pytest.raises(TypeError, match="Paragraph"):
        formats.FORMATS[suffix](typing.cast(Document, Paragraph(())))


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_the_same_document_gives_the_same_bytes(suffix: str) -> None:
    assert formats.FORMATS[suffix](worked_solution()) == formats.FORMATS[suffix](worked_solution())


@pytest.mark.parametrize("make", [
    lambda: Paragraph("words"), lambda: Paragraph([Text("a list")]), lambda: Paragraph((1,)), lambda: Note("idea", ()),
    lambda: Document("t", (Text("an inline"),)), lambda: Strong((Paragraph(()),)), lambda: Document("t", (), meta=(("a",),)),
])
def test_wrong_kinds_are_refused(make: typing.Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="does not take"):
        make()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Math("", "x"), "needs LaTeX and notation"),
    (lambda: Math("x", " "), "needs LaTeX and notation"),
    (lambda: FactorRow(()), "at least one factor"),
    (lambda: Line(()), "at least one part"),
    (lambda: Equation(()), "at least one line"),
    (lambda: Section((), ()), "title"),
    (lambda: Picture(SVG, " "), "alternative text"),
    (lambda: Table((say("a"),), ((say("1"), say("2")),)), "its 1 cells"),
    (lambda: Table((say("a"),), (), align="x"), "alignment"),
    (lambda: Document("t", (Section(say("a"), (), anchor="A b"),)), "is not made of"),
    (lambda: Document("t", (Section(say("a"), (), anchor="a"), Equation((Line((X,)),), anchor="a"))), "stands twice"),
    (lambda: Document("t", (Paragraph(say(Reference("nowhere", "step 9"))),)), "nothing has the anchor 'nowhere'"),
])
def test_wrong_values_are_refused(make: typing.Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_walk_goes_in_reading_order_and_is_no_recursion() -> None:
    block: Block = Paragraph(say("deep"))
    for _ in range(3000):
        block = vocabulary.Details((), (block,))
    assert [element.text for element in walk(block) if isinstance(element, Text)] == ["deep"]
    texts = [element.text for element in walk(Section(say("one"), (Paragraph(say("two", "three")),))) if isinstance(element, Text)]
    assert texts == ["one", "two", "three"]
    assert isinstance(Factor(X, X).note, tuple)


def test_save_chooses_by_suffix_and_lists_the_formats(tmp_path: Path) -> None:
    formats.save(every_block(), tmp_path / "solution.HTML")
    assert (tmp_path / "solution.HTML").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(InputError, match=r"\.docx is no format for a document; known are .*\.html.*\.txt"):
        formats.save(every_block(), tmp_path / "solution.docx")
    with pytest.raises(InputError, match="no suffix"):
        formats.save(every_block(), tmp_path / "solution")
    with pytest.raises(InputError, match="does not exist; make it first"):
        formats.save(every_block(), tmp_path / "missing" / "solution.html")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    files.write(target, "old\n")
    files.write(target, "naïve ∂\n")
    assert target.read_bytes() == "naïve ∂\n".encode()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        files.write(target, b"new")
    assert target.read_text(encoding="utf-8") == "naïve ∂\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InputError, match="is a folder"):
        files.write(tmp_path, b"")


@pytest.mark.parametrize("name", ["page.css", "math.css", "graph_page.css", "graph_page.js", "pan_zoom.js", "assets/math.woff2", "assets/OFL.txt", "assets/README.txt"])
def test_data_files_come_with_the_package(name: str) -> None:
    assert len(resources.files("symgrad.render").joinpath(name).read_bytes()) > 300
