"""Words, formulas and cells in; lines of monospaced text out, none wider than asked unless it cannot be broken."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["breadth", "pad", "wrap", "break_formula", "arrange", "columns", "printable"]

Stack = tuple[str, ...]                              # what stands above each other: a factor, its shape, its note

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_RANKS = {"=": 0, "<-": 0, "+": 1, "-": 1, "*": 2, ".*": 2, "/": 2, "./": 2}


def printable(text: str) -> str:
    """The text with U+FFFD for what no page prints: control characters but tabs and line ends, halves of a surrogate pair, what Unicode
    calls no character."""
    return _UNPRINTABLE.sub("\ufffd", text)


def breadth(text: str) -> int:
    """Columns on a terminal: colours and combining marks take none, wide letters two."""
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
               for letter in _ESCAPE.sub("", text))


def pad(text: str, width: int, align: str = "l") -> str:
    """The text with blanks to `width` columns; `align` is one of `l c r`."""
    blanks = max(0, width - breadth(text))
    before = {"l": 0, "c": blanks // 2, "r": blanks}[align]
    return " " * before + text + " " * (blanks - before)


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words; a no-break space (U+00A0) holds words together and comes out as a blank."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        if current and breadth(current) + 1 + breadth(word) > width:
            lines.append(current)
            current = word
        elif word:
            current = f"{current} {word}" if current else word
    return [line.replace("\xa0", " ") for line in [*lines, current]]


def break_formula(formula: str, width: int) -> list[str]:
    """Lines of a formula, broken before the outermost `=`, `+`, `-`, then `*`, then inside brackets.

    Lines after the first are indented by 2. A formula with nowhere to break stays as wide as it is.
    """
    lines: list[str] = []
    rest, depth, indent = formula, 0, 0
    while breadth(rest) > width - indent:
        cut, depth = _cut(rest, width - indent, depth)
        if not cut:
            break
        lines.append(" " * indent + rest[:cut])
        rest, indent = rest[cut + 1:], 2
    return [*lines, " " * indent + rest]


def _cut(text: str, width: int, depth: int) -> tuple[int, int]:
    """The blank to break at and the bracket depth there; the first one that fits badly if none fits, 0 if there is none."""
    best: tuple[tuple[int, ...], int, int] | None = None
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter != " " or not place:
            continue
        rank = _RANKS.get(text[place + 1:].split(" ", 1)[0], 3)
        if rank == 3 and text[place - 1] != ",":
            continue
        outside = place > width
        # A break in the first third leaves a stump, so a deeper or weaker one further right is better.
        key = (outside, place if outside else 0, place < width // 3, depth, rank, -place)
        if best is None or key < best[0]:
            best = key, place, depth
    return (best[1], best[2]) if best else (0, depth)


def arrange(stacks: Sequence[Stack], width: int) -> list[str]:
    """Stacks side by side, each line of a stack centred under the one above; a full row is followed by another, indented by 2."""
    rows: list[list[Stack]] = [[]]
    used = 0
    for stack in stacks:
        size = max(map(breadth, stack))
        if rows[-1] and used + 1 + size > width - 2 * (len(rows) > 1):
            rows.append([])
            used = -1
        rows[-1].append(stack)
        used += 1 + size
    lines = []
    for place, row in enumerate(rows):
        for level in range(max(map(len, row), default=0)):
            cells = [pad(stack[level] if level < len(stack) else "", max(map(breadth, stack)), "c") for stack in row]
            line = ("  " if place else "") + " ".join(cells).rstrip()
            if line.strip():
                lines.append(line)
    return lines


def columns(rows: Sequence[Sequence[str]], align: str, width: int) -> list[str]:
    """A table, its first row ruled off; cells are wrapped where the widest columns must shrink to fit."""
    sizes = [max(breadth(row[column]) for row in rows) for column in range(len(align))]
    while sum(sizes) + 2 * (len(sizes) - 1) > width and max(sizes) > 8:
        sizes[sizes.index(max(sizes))] -= 1
    lines = []
    for place, row in enumerate(rows):
        cells = [wrap(cell.replace("\xa0", " "), size) for cell, size in zip(row, sizes, strict=True)]
        for level in range(max(map(len, cells))):
            lines.append("  ".join(pad(cell[level] if level < len(cell) else "", size, side)
                                   for cell, size, side in zip(cells, sizes, align, strict=True)).rstrip())
        if not place:
            lines.append("  ".join("-" * size for size in sizes))
    return lines
