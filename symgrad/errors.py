"""Every error symgrad raises on purpose: what is wrong, where, and what to do about it."""
from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "SymgradError", "InputError", "NotationError", "ShapeError", "MisfitError", "UnsupportedError", "MissingValueError",
    "MissingExtraError", "InternalError", "TraceError", "nearest",
]


class SymgradError(Exception):
    """Base of all errors of this package; its text is a complete message for a person."""


class InputError(SymgradError):
    """Bad input from outside: a file, an option, an array. The command line ends with status 2."""


class NotationError(InputError):
    """A mistake in notation text, shown with its line and a caret.

    `line` and `column` count from 1; `source` is the whole text, `file` the name shown in front.
    """

    def __init__(self, message: str, *, source: str = "", line: int = 0, column: int = 0, file: str = "") -> None:
        self.message, self.source, self.line, self.column, self.file = message, source, line, column, file
        super().__init__(message)

    def __str__(self) -> str:
        if not self.line:
            return self.message
        place = f"{self.file or 'input'}, line {self.line}, column {self.column}"
        lines = self.source.splitlines()
        shown = lines[self.line - 1] if self.line <= len(lines) else ""
        start = max(0, self.column - 60)                   # a window, so that a long line stays readable
        window = shown[start:start + 100]
        return f"{self.message}\n  {place}\n    {window}\n    {' ' * (self.column - 1 - start)}^"


class ShapeError(InputError):
    """Sizes that do not fit: names the op, its operands and their shapes."""


class MisfitError(NotationError, ShapeError):
    """Sizes in a text that do not fit, with line and caret as for any mistake in a text."""


class UnsupportedError(SymgradError):
    """A request that has no answer here; names the node and the remedy."""


class TraceError(UnsupportedError):
    """A NumPy function that cannot be traced; names the function, the line and the remedy.

    `function`, `file` and `line` say where in the user's code; `source` is that line.
    """

    def __init__(self, message: str, *, function: str = "", file: str = "", line: int = 0, source: str = "") -> None:
        self.message, self.function, self.file, self.line, self.source = message, function, file, line, source
        super().__init__(message)

    def __str__(self) -> str:
        place = f"\n  {self.file}, line {self.line}, in {self.function}" if self.line else ""
        return f"{self.message}{place}" + (f"\n    {self.source}" if self.source else "")


class MissingValueError(InputError):
    """A variable or a function without a value where numbers are asked for."""


class MissingExtraError(SymgradError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; it comes with: pip install \"symgrad[{extra}]\"")


class InternalError(SymgradError):
    """symgrad contradicts itself (a checked result differs from the graph it came from): a defect to report."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean a, b?` for the known names closest to `name`, or an empty string."""
    names = list(known)
    same = [k for k in names if k.lower() == name.lower()]
    close = list(dict.fromkeys([*same, *difflib.get_close_matches(name, names, n=3, cutoff=0.5)]))[:3]
    return f"; did you mean {', '.join(close)}?" if close else ""
