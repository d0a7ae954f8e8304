"""A document in; Markdown with formulas as GitHub sets them out, or as notebooks do, and its pictures as files beside it."""
from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable

from symgrad.explain.document import (
    NOTE_TITLES,
    Block,
    Check,
    Code,
    CodeBlock,
    Details,
    Document,
    Emphasis,
    Equation,
    Inline,
    Line,
    ListBlock,
    Math,
    Note,
    Paragraph,
    Picture,
    Reference,
    Section,
    Strong,
    Table,
    Text,
    walk,
)
from symgrad.render.breaking import Cell, breadth_of, elided, filled, span
from symgrad.render.layout import printable
from symgrad.render.mathml import checked

__all__ = ["Writer", "markdown_files", "to_markdown"]

_WIDTH = 66                                          # letters of a formula beside its reason
_SPECIAL = re.compile(r"([\\`*_\[\]<>$|~&])")
_START = re.compile(r"^(\s*)(\d+(?=[.)]\s)|[#+-](?=\s))", re.MULTILINE)
_SIDES = {"l": ":--", "c": ":-:", "r": "--:"}


def to_markdown(document: Document, stem: str = "solution") -> str:
    """The text, the same for the same document; pictures are shown from `stem-1.svg` and so on.

    Raises:
        InputError: a formula cannot be shown; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    places = iter(range(1, 10**6))
    writer = Writer(lambda picture: f"![{_words(picture.alt)}]({stem}-{next(places)}.svg)", github=True)
    return f"{writer.head(document)}\n{writer.blocks(document.blocks, 2)}{writer.foot(document)}"


def markdown_files(document: Document, stem: str) -> dict[str, str | bytes]:
    """The text and its pictures by file name. Raises what `to_markdown` does."""
    pictures = [element.svg for element in walk(document) if isinstance(element, Picture)]
    return {f"{stem}.md": to_markdown(document, stem), **{f"{stem}-{k}.svg": svg for k, svg in enumerate(pictures, 1)}}


def inline_picture(picture: Picture) -> str:
    """A picture within the text, for pages that stand alone."""
    return f"![{_words(picture.alt)}](data:image/svg+xml;base64,{base64.b64encode(picture.svg.encode()).decode('ascii')})"


def _words(text: str) -> str:
    text = printable(text)
    return _START.sub(r"\1\\\2" if not text[:1].isdigit() else r"\1\2", _SPECIAL.sub(r"\\\1", text))


class Writer:
    """Writes blocks as Markdown: for GitHub with formulas that its Markdown cannot spoil, else between dollars.

    `picture` says how a picture is shown.
    """

    def __init__(self, picture: Callable[[Picture], str], *, github: bool) -> None:
        self.picture, self.github = picture, github

    def head(self, document: Document) -> str:
        subtitle = f"\n{self.inlines(document.subtitle)}\n" if document.subtitle else ""
        return f"# {_words(document.title)}\n{subtitle}"

    def foot(self, document: Document) -> str:
        meta = " · ".join(f"{_words(name)} {_words(value)}" for name, value in document.meta)
        return f"\n---\n{meta}\n" if meta else ""

    def blocks(self, blocks: Iterable[Block], level: int) -> str:
        return "\n".join(self.block(block, level) for block in blocks)

    def heading(self, section: Section, level: int) -> str:
        anchor = f'<a id="{section.anchor}"></a>\n\n' if section.anchor else ""
        number = f"{_words(section.number)}. " if section.number else ""
        badge = f" · *{_words(section.badge)}*" if section.badge else ""
        return f"{anchor}{'#' * min(level, 6)} {number}{self.inlines(section.title)}{badge}\n"

    def block(self, block: Block, level: int) -> str:
        match block:
            case Section():
                return f"{self.heading(block, level)}\n{self.blocks(block.blocks, level + 1)}"
            case Paragraph():
                return f"{self.inlines(block.inlines)}\n"
            case Equation():
                return self.equation(block)
            case Table():
                return self.table(block)
            case CodeBlock():
                caption = f"{self.inlines(block.caption)}\n\n" if block.caption else ""
                fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block.text)), default=0))
                return f"{caption}{fence}{printable(block.language).strip()}\n{block.text.rstrip()}\n{fence}\n"
            case Picture():
                caption = f"\n{self.inlines(block.caption)}\n" if block.caption else ""
                return f"{self.picture(block)}\n{caption}"
            case ListBlock():
                return "".join(_indented(self.blocks(item, level), f"{k}. " if block.ordered else "- ") for k, item in enumerate(block.items, 1))
            case Note():
                return _quoted(f"**{NOTE_TITLES[block.kind]}.**\n\n{self.blocks(block.blocks, level)}")
            case Check():
                verdict = "✓ **Verified**" if block.ok else "✗ **Not confirmed**"
                error = "" if block.error is None else f" (largest relative error {block.error:.1e})"
                return _quoted(f"{verdict} {self.inlines(block.text)}{error}")
            case Details():
                return f"<details><summary>{self.inlines(block.summary)}</summary>\n\n{self.blocks(block.blocks, level)}\n</details>\n"
            case _:
                raise TypeError(f"a page cannot show {type(block).__name__}")

    def table(self, table: Table) -> str:
        def row(cells: Iterable[tuple[Inline, ...]]) -> str:
            return f"| {' | '.join(self.inlines(cell).replace(' | ', ' ') for cell in cells)} |\n"
        sides = " | ".join(_SIDES[letter] for letter in table.align or "l" * len(table.header))
        caption = f"{self.inlines(table.caption)}\n\n" if table.caption else ""
        return f"{caption}{row(table.header)}| {sides} |\n{''.join(map(row, table.rows))}"

    # ------------------------------------------------------------------ formulas
    def equation(self, equation: Equation) -> str:
        """Lines in one environment that aligns them; a result in a frame of its own."""
        anchor = f'<a id="{equation.anchor}"></a>\n\n' if equation.anchor else ""
        shown: list[str] = []
        plain: list[str] = []
        for line in (*equation.lines, None):
            if plain and (line is None or line.highlight):
                shown.append(self.display(_aligned(plain)))
                plain = []
            if line is not None and line.highlight:
                shown.append(self.display(f"\\boxed{{{_aligned(self.line(line))}}}"))
            elif line is not None:
                plain += self.line(line)
        return anchor + "\n".join(shown)

    def line(self, line: Line) -> list[str]:
        """Rows of an aligned environment: the formula, broken where it is long, and the reason beside or below it."""
        left = checked(elided(line.left.tex)) if line.left else ""
        rows = filled(line, "a page", _WIDTH)
        texts = [f"{'' if k == 0 else chr(92) + 'quad '}{''.join(_cell(cell, first=not j) for j, cell in enumerate(row))}" for k, row in enumerate(rows)]
        found = [f"{left} & {texts[0]}", *(f"& {text}" for text in texts[1:])]
        if line.number:
            found[-1] += f" \\qquad ({_plain(line.number)})"
        if line.reason:
            used = sum(cell.width for cell in rows[-1]) + (span(left) if len(rows) == 1 else 2)
            if used + breadth_of(line.reason) <= _WIDTH + 14:
                found[-1] += f" \\qquad {_reason(line.reason)}"
            else:
                found += [f"& \\quad {row}" for row in _reasons(line.reason)]
        return found

    def display(self, tex: str) -> str:
        return f"```math\n{tex}\n```\n" if self.github else f"$$\n{tex}\n$$\n"

    def inlines(self, inlines: Iterable[Inline]) -> str:
        return "".join(map(self.inline, inlines))

    def inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _words(inline.text)
            case Math():
                tex = checked(elided(inline.tex)).replace(r"\|", r"\Vert ").replace("|", r"\vert ")
                return f"$`{tex}`$" if self.github else f"${tex}$"
            case Code():
                return f"``{inline.text}``" if "`" in inline.text else f"`{inline.text}`"
            case Emphasis():
                return f"*{self.inlines(inline.inlines)}*"
            case Strong():
                return f"**{self.inlines(inline.inlines)}**"
            case Reference():
                return f"[{_words(inline.text)}](#{inline.anchor})"
            case _:
                raise TypeError(f"a page cannot show {type(inline).__name__} in a line of text")


def _aligned(rows: list[str]) -> str:
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _cell(cell: Cell, first: bool) -> str:
    """A piece of a row, with the room in front that the end of a line would have given it."""
    between = "" if first else " " if cell.infix else r" \, "
    if cell.factor is None:
        return f"{between}{'{}' if cell.infix and first else ''}{checked(cell.tex)}"
    shape = checked(cell.factor.shape.tex)
    below = f"\\substack{{{shape} \\\\ {_reason(cell.factor.note)}}}" if cell.factor.note else shape
    return f"{between}{cell.join}\\underbrace{{{checked(cell.tex)}}}_{{{below}}}"


def _plain(text: str) -> str:
    """Words within a formula: nothing that the language of formulas would take for its own."""
    return re.sub(r"[\\{}$^~]", " ", text).replace("_", r"\_").replace("%", r"\%").replace("#", r"\#").replace("&", r"\&")


def _reason(inlines: Iterable[Inline]) -> str:
    """Words and formulas as one formula."""
    found = ""
    for inline in inlines:
        match inline:
            case Math():
                found += f" {checked(inline.tex)}"
            case Text() | Code() | Reference():
                found += f"\\text{{{_plain(inline.text)}}}"
            case Emphasis() | Strong():
                found += _reason(inline.inlines)
            case _:
                raise TypeError(f"a page cannot show {type(inline).__name__} in a line of text")
    return found


def _reasons(inlines: tuple[Inline, ...]) -> list[str]:
    """A long reason in rows; formulas stay where they are among the words."""
    rows: list[list[Inline]] = [[]]
    used = 0.0
    for inline in inlines:
        parts = [Text(word) for word in re.findall(r"\S+\s*|\s+", inline.text)] if isinstance(inline, Text) else [inline]
        for part in parts:
            if rows[-1] and used + breadth_of((part,)) > _WIDTH + 10:
                rows.append([])
                used = 0
            rows[-1].append(part)
            used += breadth_of((part,))
    return [_reason(_joined(row)) for row in rows]


def _joined(inlines: list[Inline]) -> list[Inline]:
    """Neighbouring words as one text."""
    found: list[Inline] = []
    for inline in inlines:
        if found and isinstance(inline, Text) and isinstance(found[-1], Text):
            found[-1] = Text(found[-1].text + inline.text)
        else:
            found.append(inline)
    return found


def _quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.rstrip().split("\n"))


def _indented(text: str, mark: str) -> str:
    lines = text.rstrip().split("\n")
    return mark + f"\n{' ' * len(mark)}".join(lines).replace(f"\n{' ' * len(mark)}\n", "\n\n") + "\n"
