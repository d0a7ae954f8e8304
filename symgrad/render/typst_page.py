"""A document in; its Typst source out, on A4 paper: text and formulas as Typst sets them, lines broken, nothing beyond the margins."""
from __future__ import annotations

import re
from collections.abc import Iterable

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
from symgrad.render.breaking import Cell, cells, elided, span
from symgrad.render.layout import printable
from symgrad.render.pictures import size_of
from symgrad.render.typst_math import quoted, to_typst_math

__all__ = ["to_typst"]

_WIDTH, _HEIGHT = 482.0, 640.0                       # of what stands on a page, in points
_UNBROKEN = 16                                       # letters of a formula within a text
_ALIGN = {"l": "left", "c": "center", "r": "right"}
_COLOURS = {"why": "#3b6fb6", "reuse": "#2f7d4f", "check": "#17796f", "warning": "#b26a00", "convention": "#6b5b95", "failed": "#b3261e"}
_START = """\
#set page(paper: "a4", margin: (x: 2cm, y: 2.2cm), footer: context [
  #set text(8pt, rgb("#5b6478"))
  #foot #h(1fr) #counter(page).display()
])
#set text(font: "Libertinus Serif", size: 10.5pt, lang: language)
#set par(leading: 0.62em, spacing: 0.9em)
#show heading: set text(fill: rgb("#1f3a68"))
#show heading: set block(above: 1.5em, below: 0.8em)
#show raw: set text(font: "DejaVu Sans Mono", size: 8.5pt)
#show link: set text(fill: rgb("#1f3a68"))
#show figure: set block(breakable: true)
#let soft(body) = text(8.5pt, rgb("#5b6478"), body)
#let tight(body) = box({ set par(leading: 0pt); body })
#let fit(body, room: 455pt) = context {
  let body = tight(body)
  let wide = measure(body).width
  if wide > room { box(scale(x: room / wide * 100%, y: room / wide * 100%, reflow: true, body), baseline: 30%) } else { body }
}
#let factor(body, shape, note) = fit(if note == none { $underbrace(#body, #shape)$ } else {
  $underbrace(#body, #stack(dir: ttb, spacing: 3pt, align(center, shape), align(center, soft(note))))$
})
#let formula(left, right, reason: none, number: none, result: false, lhs: 0pt) = {
  let body = {
    set par(hanging-indent: lhs + 1.2em, leading: 0.6em)
    box(width: if left == none or measure(left).width <= lhs { lhs } else { auto }, { h(1fr); tight(left) })
    sym.space.nobreak
    right
    if number != none { h(1fr); box(number) }
    if reason != none { h(1fr); sym.wj; h(1em, weak: true); box(soft(reason)) }
  }
  block(inset: (left: 1.2em), above: 0.75em, below: 0.75em, if result {
    block(stroke: 0.8pt + rgb("#1f3a68"), radius: 3pt, fill: rgb("#e9eff9"), inset: 7pt, outset: (x: 2pt), width: 100%, body)
  } else { body })
}
#let equation(..lines) = context {
  let wide = lines.pos().map(line => if line.left == none { 0pt } else { measure(line.left).width })
  let lhs = calc.min(calc.max(..wide), 130pt)
  for line in lines.pos() { formula(line.left, line.right, reason: line.reason, number: line.number, result: line.result, lhs: lhs) }
}
#let aside(colour, title, body) = block(stroke: (left: 2pt + colour), inset: (left: 9pt, y: 5pt, right: 5pt), fill: rgb("#f5f7fa"), width: 100%,
  [#text(8.5pt, colour, weight: "bold", title)\\ #body])
#let badge(body) = box(fill: rgb("#e9eff9"), inset: (x: 5pt), outset: (y: 3pt), radius: 4pt, text(8.5pt, rgb("#1f3a68"), weight: "regular", body))
"""


def to_typst(document: Document) -> str:
    """The source as text, the same for the same document; it reads no file and no package.

    Raises:
        InputError: a formula cannot be shown; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    meta = " · ".join(f"{name} {value}" for name, value in document.meta)
    subtitle = f"\n#text(rgb(\"#5b6478\"))[{_inlines(document.subtitle)}]\n" if document.subtitle else ""
    language = document.language if re.fullmatch("[a-z]{2,3}", document.language) else "en"
    return (f"#let foot = [{_words(meta)}]\n#let language = {quoted(language)}\n#set document(title: {_string(document.title)}, date: none)\n{_START}\n"
            f'#text(18pt, rgb("#1f3a68"), weight: "bold")[{_words(document.title)}]\n{subtitle}\n{_blocks(document.blocks, 1)}')


def _string(text: str) -> str:
    return quoted(printable(text))


def _words(text: str) -> str:
    """Words that Typst takes as they are; a string cannot hold commands."""
    return f"#{_string(text)};" if text else ""


def _blocks(blocks: Iterable[Block], level: int) -> str:
    return "\n".join(_block(block, level) for block in blocks)


def _block(block: Block, level: int) -> str:
    match block:
        case Section():
            number = f"{block.number}. " if block.number else ""
            badge = f" #h(1fr) #badge[{_words(block.badge)}]" if block.badge else ""
            return (f"#heading(level: {min(level, 5)})[{_words(number)}{_inlines(block.title)}{badge}]{_label(block.anchor)}\n"
                    f"{_blocks(block.blocks, level + 1)}")
        case Paragraph():
            return f"\n#par[{_inlines(block.inlines)}]\n"
        case Equation():
            return f"#block[#equation(\n{''.join(map(_line, block.lines))})]{_label(block.anchor)}\n"
        case Table():
            return _table(block)
        case CodeBlock():
            caption = f"#soft[{_inlines(block.caption)}]\n" if block.caption else ""
            return (f"{caption}#block(fill: rgb(\"#f5f7fa\"), inset: 8pt, radius: 4pt, width: 100%, "
                    f"raw(block: true, lang: {_string(block.language)}, {_string(block.text)}))\n")
        case Picture():
            wide, high = size_of(block.svg)
            room = min(0.75 * wide, _WIDTH, _HEIGHT * wide / high)
            caption = f"\n#soft[{_inlines(block.caption)}]" if block.caption else ""
            return f'#align(center)[#image(bytes({quoted(block.svg)}), format: "svg", width: {room:.1f}pt, alt: {_string(block.alt)}){caption}]\n'
        case ListBlock():
            kind = "enum" if block.ordered else "list"
            return f"#{kind}({''.join(f'[{_blocks(item, level)}],' for item in block.items)})\n"
        case Note():
            return f'#aside(rgb("{_COLOURS[block.kind]}"), {_string(NOTE_TITLES[block.kind])})[{_blocks(block.blocks, level)}]\n'
        case Check():
            verdict, colour = ("✓ Verified", _COLOURS["check"]) if block.ok else ("× Not confirmed", _COLOURS["failed"])
            error = "" if block.error is None else _words(f" (largest relative error {block.error:.1e})")
            return f'#aside(rgb("{colour}"), {_string(verdict)})[{_inlines(block.text)}{error}]\n'
        case Details():
            return f'#aside(rgb("#5b6478"), [{_inlines(block.summary)}])[{_blocks(block.blocks, level)}]\n'
        case _:
            raise TypeError(f"a page cannot show {type(block).__name__}")


def _label(anchor: str) -> str:
    return f" #label({quoted(anchor)})" if anchor else ""


def _table(table: Table) -> str:
    sides = ", ".join(_ALIGN[letter] for letter in table.align or "l" * len(table.header))
    header = "".join(f"[#strong[{_inlines(cell)}]], " for cell in table.header)
    rows = "".join("  " + "".join(f"[{_inlines(cell)}], " for cell in row) + "\n" for row in table.rows)
    caption = f"#soft[{_inlines(table.caption)}]\n" if table.caption else ""
    return (f"{caption}#block(text(9.5pt, table(columns: {len(table.header)}, align: ({sides},), inset: (x: 5pt, y: 4pt), stroke: none,\n"
            f"  table.header({header} table.hline(stroke: 0.8pt)),\n{rows})))\n")


def _line(line: Line) -> str:
    left = "none" if line.left is None else f"${to_typst_math(elided(line.left.tex), displaystyle=True)}$"
    right = " ".join(map(_cell, cells(line, "a page")))
    reason = f"[{_inlines(line.reason)}]" if line.reason else "none"
    number = f"[{_words(f'({line.number})')}]" if line.number else "none"
    result = "true" if line.highlight else "false"
    return f"  (left: {left}, right: [{right}], reason: {reason}, number: {number}, result: {result}),\n"


def _cell(cell: Cell) -> str:
    body = f"${to_typst_math(cell.tex, displaystyle=True, infix=cell.infix)}$"
    if cell.factor is None:
        return f"#fit({body})"
    note = f"[{_inlines(cell.factor.note)}]" if cell.factor.note else "none"
    join = f"${to_typst_math(cell.join)}$ " if cell.join else ""
    return f"{join}#factor({body}, ${to_typst_math(cell.factor.shape.tex)}$, {note})"


def _inlines(inlines: Iterable[Inline]) -> str:
    return "".join(map(_inline, inlines))


def _inline(inline: Inline) -> str:
    match inline:
        case Text():
            return _words(inline.text)
        case Math():
            formula = f"${to_typst_math(elided(inline.tex))}$"
            return f"#box({formula})" if span(inline.tex) <= _UNBROKEN else formula
        case Code():
            return f"#raw({_string(inline.text)});"
        case Emphasis():
            return f"#emph[{_inlines(inline.inlines)}]"
        case Strong():
            return f"#strong[{_inlines(inline.inlines)}]"
        case Reference():
            return f"#link(label({quoted(inline.anchor)}))[{_words(inline.text)}]"
        case _:
            raise TypeError(f"a page cannot show {type(inline).__name__} in a line of text")
