"""A document in; one self-contained web page out: MathML with its own font, no script, readable offline, in the dark and on paper."""
from __future__ import annotations

from collections.abc import Iterable
from itertools import count

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
)
from symgrad.render.breaking import Cell, cells
from symgrad.render.markup import escaped, formula, math_style, package_text
from symgrad.render.mathml import Strut, to_mathml
from symgrad.render.pictures import inline_svg

__all__ = ["to_html"]

_WIDEST = 62                                         # letters of a formula that fit on the page
_CONTENTS_FROM = 6                                   # sections, below which a table of contents is noise
_ALIGN = {"l": "left", "c": "center", "r": "right"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:"


def to_html(document: Document) -> str:
    """The page as text, the same for the same document.

    Raises:
        InputError: a formula has no MathML; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    return _Writer().page(document)


class _Writer:
    """Writes one page; it counts the pictures and the sections that have no anchor of their own."""

    def __init__(self) -> None:
        self._pictures = count(1)

    def page(self, document: Document) -> str:
        title = escaped(document.title)
        subtitle = f'<p class="subtitle">{self.inlines(document.subtitle)}</p>\n' if document.subtitle else ""
        meta = " · ".join(f"{escaped(name)} {escaped(value)}" for name, value in document.meta)
        return (f'<!doctype html>\n<html lang="{escaped(document.language)}">\n<head>\n<meta charset="utf-8">\n'
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
                f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
                f"<style>\n{math_style()}{package_text('page.css')}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n{subtitle}</header>\n"
                f"{self._contents(document)}{self._top(document)}</main>\n"
                f"{f'<footer>{meta}</footer>' if meta else ''}\n</body>\n</html>\n")

    def _contents(self, document: Document) -> str:
        sections = [block for block in document.blocks if isinstance(block, Section)]
        if len(sections) < _CONTENTS_FROM:
            return ""
        entries = "".join(
            f'<li><a href="#{escaped(_anchor(section, place))}">{_number(section)}<span>{self.inlines(section.title)}</span></a></li>\n'
            for place, section in enumerate(sections, 1))
        return f'<nav aria-label="Contents">\n<ol>\n{entries}</ol>\n</nav>\n'

    def _top(self, document: Document) -> str:
        places = count(1)
        return "".join(self.section(block, 2, _anchor(block, next(places))) if isinstance(block, Section) else self.block(block, 2)
                       for block in document.blocks)

    def blocks(self, blocks: Iterable[Block], level: int) -> str:
        return "".join(self.block(block, level) for block in blocks)

    def section(self, section: Section, level: int, anchor: str) -> str:
        heading = f"h{min(level, 6)}"
        identity = f' id="{escaped(anchor)}"' if anchor else ""
        badge = f' <span class="badge">{escaped(section.badge)}</span>' if section.badge else ""
        return (f'<section{identity}>\n<{heading}>{_number(section)}<span class="title">{self.inlines(section.title)}</span>{badge}'
                f"</{heading}>\n{self.blocks(section.blocks, level + 1)}</section>\n")

    def block(self, block: Block, level: int) -> str:
        match block:
            case Section():
                return self.section(block, level, block.anchor)
            case Paragraph():
                return f"<p>{self.inlines(block.inlines)}</p>\n"
            case Equation():
                identity = f' id="{escaped(block.anchor)}"' if block.anchor else ""
                return f'<div class="equation"{identity}><div class="lines">\n{"".join(map(self.line, block.lines))}</div></div>\n'
            case Table():
                return self.table(block)
            case CodeBlock():
                caption = f"<figcaption>{self.inlines(block.caption)}</figcaption>" if block.caption else ""
                language = escaped(block.language)
                return (f'<figure class="code">{caption}<pre data-language="{language}"><code class="language-{language}">'
                        f"{escaped(block.text)}</code></pre></figure>\n")
            case Picture():
                caption = f"<figcaption>{self.inlines(block.caption)}</figcaption>" if block.caption else ""
                svg = inline_svg(block.svg, prefix=f"picture{next(self._pictures)}_", alt=block.alt)
                return f'<figure class="picture"><div class="paper">{svg}</div>{caption}</figure>\n'
            case ListBlock():
                tag = "ol" if block.ordered else "ul"
                items = "".join(f"<li>{self.blocks(item, level)}</li>\n" for item in block.items)
                return f"<{tag}>\n{items}</{tag}>\n"
            case Note():
                return (f'<aside class="note {block.kind}" role="note"><p class="kind">{NOTE_TITLES[block.kind]}</p>\n'
                        f"{self.blocks(block.blocks, level)}</aside>\n")
            case Check():
                verdict, kind = ("Verified", "ok") if block.ok else ("Not confirmed", "failed")
                error = "" if block.error is None else f' <span class="error">(largest relative error {block.error:.1e})</span>'
                return (f'<p class="verdict {kind}"><strong>{verdict}</strong> '
                        f"<span>{self.inlines(block.text)}{error}</span></p>\n")
            case Details():
                return (f"<details><summary>{self.inlines(block.summary)}</summary>\n"
                        f"{self.blocks(block.blocks, level)}</details>\n")
            case _:
                raise TypeError(f"a page cannot show {type(block).__name__}")

    def table(self, table: Table) -> str:
        sides = [_ALIGN[letter] for letter in table.align or "l" * len(table.header)]
        caption = f"<caption>{self.inlines(table.caption)}</caption>\n" if table.caption else ""
        header = "".join(f'<th scope="col" class="{side}">{self.inlines(cell)}</th>'
                         for side, cell in zip(sides, table.header, strict=True))
        rows = "".join("<tr>" + "".join(f'<td class="{side}">{self.inlines(cell)}</td>' for side, cell in zip(sides, row, strict=True))
                       + "</tr>\n" for row in table.rows)
        return (f'<div class="scroll"><table>\n{caption}<thead><tr>{header}</tr></thead>\n'
                f"<tbody>\n{rows}</tbody></table></div>\n")

    def line(self, line: Line) -> str:
        kind = "line result" if line.highlight else "line"
        if line.left is None:
            kind += " continued"
        left = "" if line.left is None else to_mathml(line.left.tex, displaystyle=True)
        shown = cells(line, "a page")
        strut: Strut = "fraction" if any(cell.factor and r"frac" in cell.tex for cell in shown) else "line"
        right = " ".join(self.cell(cell, strut) for cell in shown)
        reason = f' <span class="reason">{self.inlines(line.reason)}</span>' if line.reason else ""
        number = f"({escaped(line.number)})" if line.number else ""
        return (f'<div class="{kind}"><span class="lhs">{left}</span> <span class="rhs"><span class="beside"><span class="formula">{right}</span>'
                f'{reason}</span></span> <span class="number">{number}</span></div>\n')

    def cell(self, cell: Cell, strut: Strut) -> str:
        """What stands in the line unbroken; it is made smaller only where it is wider than the page by itself."""
        small = f' style="font-size:{100 * _WIDEST / cell.width:.0f}%"' if cell.width > _WIDEST else ""
        if cell.factor is None:
            formula = to_mathml(cell.tex, displaystyle=True, infix=cell.infix)
            return f"<span{small}>{formula}</span>" if small else formula
        join = to_mathml(cell.join, displaystyle=True) if cell.join else ""
        note = f'<span class="about">{self.inlines(cell.factor.note)}</span>' if cell.factor.note else ""
        return (f'<span class="cell"{small}>{join}<span class="factor">{to_mathml(cell.tex, displaystyle=True, strut=strut)}'
                f'<span class="shape">{to_mathml(cell.factor.shape.tex)}</span>{note}</span></span>')

    def inlines(self, inlines: Iterable[Inline]) -> str:
        return "".join(map(self.inline, inlines))

    def inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return escaped(inline.text)
            case Math():
                return formula(inline.tex)
            case Code():
                return f"<code>{escaped(inline.text)}</code>"
            case Emphasis():
                return f"<em>{self.inlines(inline.inlines)}</em>"
            case Strong():
                return f"<strong>{self.inlines(inline.inlines)}</strong>"
            case Reference():
                return f'<a href="#{escaped(inline.anchor)}">{escaped(inline.text)}</a>'
            case _:
                raise TypeError(f"a page cannot show {type(inline).__name__} in a line of text")


def _number(section: Section) -> str:
    return f'<span class="step">{escaped(section.number)}</span> ' if section.number else ""


def _anchor(section: Section, place: int) -> str:
    return section.anchor or f"part_{place}"          # an author's anchor never holds an underscore
