"""A document in; plain text for a terminal out, formulas in symgrad notation with the shape under every factor."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    Factor,
    FactorRow,
    Inline,
    Line,
    ListBlock,
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
)
from symgrad.render.layout import arrange, breadth, break_formula, columns, pad, printable, wrap

__all__ = ["to_text"]

_COLORS = {"title": "1;34", "strong": "1", "emphasis": "3", "soft": "2", "shape": "36", "good": "32", "bad": "31", "code": "36"}
_UNBROKEN = 40                                       # columns up to which a formula in prose is kept on one line


def to_text(document: Document, width: int = 88, color: bool = False) -> str:
    """The document in lines of at most `width` columns (what cannot be broken, such as code, may be wider).

    Args:
        document: what to write.
        width: columns, at least 40.
        color: whether to use ANSI colours; without, the text is plain.

    Raises:
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"text is made of a Document, not of {type(document).__name__}")
    return _Writer(color).document(document, max(40, width))


class _Writer:
    """Turns blocks into lines; every method is given the columns it may use."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def document(self, document: Document, width: int) -> str:
        title = wrap(_line(document.title), width)
        lines = [*self.paint(title, "title"), "=" * max(map(breadth, title))]
        if document.subtitle:
            lines += wrap(self.inlines(document.subtitle), width)
        lines += ["", *self.blocks(document.blocks, width)]
        if document.meta:
            lines += ["", *self.paint(wrap(_line(" | ".join(f"{name} {value}" for name, value in document.meta)), width), "soft")]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def paint(self, lines: Iterable[str], role: str) -> list[str]:
        return [f"\x1b[{_COLORS[role]}m{line}\x1b[0m" if self._color and line else line for line in lines]

    def blocks(self, blocks: Sequence[Block], width: int, level: int = 2) -> list[str]:
        lines: list[str] = []
        for block in blocks:
            lines += [*([""] if lines else []), *self.block(block, width, level)]
        return lines

    def block(self, block: Block, width: int, level: int) -> list[str]:
        match block:
            case Section():
                return self.section(block, width, level)
            case Paragraph():
                return wrap(self.inlines(block.inlines), width)
            case Equation():
                return self.equation(block, width)
            case Table():
                cells = [[self.inlines(cell) for cell in row] for row in (block.header, *block.rows)]
                return [*self.caption(block.caption, width), *columns(cells, block.align or "l" * len(block.header), width)]
            case CodeBlock():
                source = printable(block.text.expandtabs(4).rstrip("\n")).split("\n")
                return [*self.caption(block.caption, width), *_indented(source, "    ")]
            case Picture():
                return [*wrap(f"[Picture: {_line(block.alt)}]", width), *self.caption(block.caption, width)]
            case ListBlock():
                lines: list[str] = []
                for place, item in enumerate(block.items, 1):
                    mark = f"{place}. " if block.ordered else "- "
                    lines += _indented(self.blocks(item, width - len(mark), level), " " * len(mark), mark)
                return lines
            case Note():
                inner = self.blocks(block.blocks, width - 4, level)
                return _indented([*self.paint([NOTE_TITLES[block.kind]], "strong"), *inner], "  | ")
            case Check():
                verdict, role = ("[ok] Verified", "good") if block.ok else ("[!!] Not confirmed", "bad")
                error = "" if block.error is None else f" (largest relative error {block.error:.1e})"
                return wrap(f"{self.words(verdict, role)} {self.inlines(block.text)}{error}", width)
            case Details():
                return [*wrap(self.inlines(block.summary) + ":", width), "", *_indented(self.blocks(block.blocks, width - 2, level), "  ")]
            case _:
                raise TypeError(f"text cannot show {type(block).__name__}")

    def section(self, section: Section, width: int, level: int) -> list[str]:
        number = f"{_line(section.number)}. " if section.number else ""
        badge = f" [{_line(section.badge)}]" if section.badge else ""
        heading = wrap(number + self.inlines(section.title) + badge, width)
        rule = ["-" * max(map(breadth, heading))] if level == 2 else []
        return [*self.paint(heading, "strong"), *rule, "", *self.blocks(section.blocks, width, level + 1)]

    def caption(self, caption: tuple[Inline, ...], width: int) -> list[str]:
        return self.paint(wrap(self.inlines(caption), width), "soft") if caption else []

    def equation(self, equation: Equation, width: int) -> list[str]:
        left = max(breadth(_line(line.left.notation)) if line.left else 0 for line in equation.lines)
        lines: list[str] = []
        before = 0
        for line in equation.lines:
            shown = self.line(line, left, width - 4)
            lines += [""] * bool(before and max(before, len(shown)) > 1) + shown
            before = len(shown)
        return _indented(lines, "    ")

    def line(self, line: Line, left: int, width: int) -> list[str]:
        width -= 4 * line.highlight
        name = _line(line.left.notation) if line.left else ""
        end = breadth(line.number) + 4 if line.number else 0
        product = any(isinstance(part, FactorRow) for part in line.parts)
        stacks = [stack for part in line.parts for stack in self.stacks(part)]
        widest = max(breadth(text) for stack in stacks for text in stack) if product else width // 2
        # Beside a left side too long for the rest to have room, the rest goes below.
        below = bool(left) and left + 1 + widest + end > width
        start = "    " if below else pad(name, left) + " " * bool(left)
        room = max(16, width - breadth(start) - end)
        right = arrange(stacks, room) if product else break_formula(" ".join(stack[0] for stack in stacks), room)
        lines = [name] * (below and bool(name)) + _indented(right, " " * breadth(start), start)
        if line.number:
            lines[-len(right)] = f"{pad(lines[-len(right)], width - breadth(line.number) - 2)}({_line(line.number)})"
        if line.highlight:
            size = max(map(breadth, lines))
            rule = f"+{'-' * (size + 2)}+"
            lines = [rule, *(f"| {pad(text, size)} |" for text in lines), rule]
        reason = self.inlines(line.reason)
        if reason:
            if len(lines) == 1 and not line.number and breadth(lines[0]) + 4 + breadth(reason) <= width:
                lines = [f"{lines[0]}    {self.words(reason, 'soft')}".replace("\xa0", " ")]
            else:
                lines += _indented(self.paint(wrap(reason, width - breadth(start)), "soft"), " " * breadth(start))
        return lines

    def stacks(self, part: Part) -> list[tuple[str, ...]]:
        match part:
            case Math():
                return [(_line(part.notation),)]
            case FactorRow():
                join = _line(part.join.notation) + " "
                return [self.factor(factor, join if place else "") for place, factor in enumerate(part.factors)]
            case _:
                raise TypeError(f"text cannot show {type(part).__name__} in an equation")

    def factor(self, factor: Factor, join: str) -> tuple[str, ...]:
        """The factor, its shape and its note, each centred under the one above, all of one width; `join` stands in front."""
        note = [self.inlines(factor.note).replace("\xa0", " ")] if factor.note else []
        stack = [_line(factor.math.notation), *self.paint([_line(factor.shape.notation)], "shape"), *note]
        size = max(map(breadth, stack))
        return tuple((" " * breadth(join) if level else join) + pad(text, size, "c") for level, text in enumerate(stack))

    def words(self, text: str, role: str) -> str:
        """Each word painted by itself, so that a line may end after any of them."""
        return " ".join(self.paint(text.split(" "), role))

    def inlines(self, inlines: Iterable[Inline]) -> str:
        return "".join(map(self.inline, inlines))

    def inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _line(inline.text)
            case Math():
                notation = _line(inline.notation)
                return notation.replace(" ", "\xa0") if len(notation) <= _UNBROKEN else notation
            case Code():
                return self.words(f"`{_line(inline.text)}`", "code")
            case Emphasis():
                return self.words(self.inlines(inline.inlines), "emphasis")
            case Strong():
                return self.words(self.inlines(inline.inlines), "strong")
            case Reference():
                return _line(inline.text)
            case _:
                raise TypeError(f"text cannot show {type(inline).__name__} in a line of text")


def _line(text: str) -> str:
    """Words from outside on one line, without anything that a terminal would obey."""
    return printable(text.replace("\n", " ").replace("\t", " "))


def _indented(lines: Iterable[str], indent: str, first: str | None = None) -> list[str]:
    return [(first if first is not None and not place else indent) + line for place, line in enumerate(lines)]
