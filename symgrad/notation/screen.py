"""Raw text comes in; text fit for the lexer goes out: no odd character, every bracket closed, comments dropped, statements ended by NUL."""
from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass

from .syntax import Place
from .words import ADVICE

__all__ = ["DEFAULT", "UNLIMITED", "Fault", "Limits", "Misfit", "normalize", "screen"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What text from strangers may be at most: characters a line, lines, open brackets, axes, levels of the tree, digits of a number."""

    characters: int = 2000
    lines: int = 200
    brackets: int = 60
    rank: int = 6
    depth: int = 200
    digits: int = 30


DEFAULT = Limits()
UNLIMITED = Limits(*(sys.maxsize,) * 6)
LARGEST_EXPONENT = 999       # of a number such as 1e-5: past any float, and 10 ** exponent is still quick to write out


class Fault(Exception):
    """A mistake found while reading, before the text that it belongs to is known."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message, self.place = message, place


class Misfit(Fault):
    """Shapes that do not fit: of sense as a text, but of nothing that can be computed."""


_PIECE = re.compile(r"""
    (?P<comment>\#.*)
  | (?P<text>"[^"]*"?)
  | (?P<word>[A-Za-zÀ-ÖØ-öø-ɏΑ-Ωα-ωϑϕϖϱϵℓ][A-Za-zÀ-ÖØ-öø-ɏΑ-Ωα-ωϑϕϖϱϵℓ0-9_]*)
  | (?P<number>(?P<mantissa>[0-9]+(?:\.[0-9]+)?)(?:[eE][+-]?(?P<exponent>[0-9]+))?)
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<fine>[ \t+\-*/^'=,:;]+|\.\.|\.[*/^])
  | (?P<odd>.)
""", re.VERBOSE | re.DOTALL)
_TWINS = str.maketrans({"\u00b5": "μ", "\u2126": "Ω"})       # the micro and ohm signs look the same as the letters
_CLOSES = {"(": ")", "[": "]"}


def normalize(text: str) -> tuple[str, str]:
    """The text with one kind of line end and one kind of mu, and the same for showing, with odd characters replaced."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").translate(_TWINS)
    return text, "".join(c if c.isprintable() or c == "\n" else " " if c == "\t" else "\ufffd" for c in text)


def screen(text: str, limits: Limits) -> str:
    """The text for the lexer, every word at the line and column where it was.

    Raises:
        Fault: at a limit passed, a character that has no meaning, or a bracket or quotation mark without its partner.
    """
    lines = text.split("\n")
    if len(lines) - (lines[-1] == "") > limits.lines:
        raise Fault(f"the text has more than {limits.lines} lines", Place(limits.lines + 1, 1, 2))
    opened: list[tuple[str, Place]] = []
    return "\n".join(_screen_line(line, number, opened, limits) for number, line in enumerate(lines, 1)) + _all_closed(opened)


def _all_closed(opened: list[tuple[str, Place]]) -> str:
    if opened:
        bracket, place = opened[-1]
        raise Fault(f"this `{bracket}` is never closed: a `{_CLOSES[bracket]}` is missing", place)
    return ""


def _screen_line(line: str, number: int, opened: list[tuple[str, Place]], limits: Limits) -> str:
    if len(line) > limits.characters:
        raise Fault(f"the line has more than {limits.characters} characters", Place(number, limits.characters + 1, limits.characters + 2))
    end = len(line)
    for piece in _PIECE.finditer(line):
        place = Place(number, piece.start() + 1, piece.end() + 1)
        match piece.lastgroup:
            case "comment":
                end = piece.start()
                _refuse_unprintable(piece.group(), place)
            case "text":
                _refuse_unprintable(piece.group(), place)
                if piece.group() == '"' or not piece.group().endswith('"'):
                    raise Fault('this quotation mark is never closed: a `"` is missing on its line', place)
            case "open":
                opened.append((piece.group(), place))
                if len(opened) > limits.brackets:
                    raise Fault(f"more than {limits.brackets} brackets are open here", place)
            case "close":
                _close(piece.group(), place, opened)
            case "number" | "mantissa" | "exponent":
                _measure(piece, place, limits)
            case "odd":
                raise Fault(_about_odd(line, piece.start()), place)
            case _:
                pass
    code = line[:end].rstrip()
    return code if opened or not code else code + "\0"


def _close(bracket: str, place: Place, opened: list[tuple[str, Place]]) -> None:
    if not opened:
        raise Fault(f"nothing opened this `{bracket}`", place)
    opener, where = opened.pop()
    if _CLOSES[opener] != bracket:
        raise Fault(f"this `{opener}` needs a `{_CLOSES[opener]}`, found `{bracket}` at line {place.line}, column {place.column}", where)


def _measure(number: re.Match[str], place: Place, limits: Limits) -> None:
    digits = len(number["mantissa"].replace(".", ""))
    if digits > limits.digits:
        raise Fault(f"the number has {digits} digits; at most {limits.digits} are allowed", place)
    exponent = (number["exponent"] or "").lstrip("0")
    if len(exponent) > len(str(LARGEST_EXPONENT)):
        raise Fault(f"the exponent of this number is too large; at most {LARGEST_EXPONENT} is allowed", place)


def _refuse_unprintable(piece: str, place: Place) -> None:
    for offset, character in enumerate(piece):
        if not character.isprintable() and character != "\t" and unicodedata.category(character) != "Zs":
            raise Fault(_about_odd(piece, offset), Place(place.line, place.column + offset, place.column + offset + 1))


def _about_odd(line: str, at: int) -> str:
    character, before, after = line[at], line[at - 1:at], line[at + 1:at + 2]
    if character == ".":
        return _about_dot(before, after)
    if character == "_":
        return "a name begins with a letter, found `_`"
    if advice := ADVICE.get(character):
        shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
        return f"{shown} is not part of the notation: {advice}"
    if unicodedata.category(character).startswith("M"):
        return f"the mark U+{ord(character):04X} ({unicodedata.name(character, 'unnamed')}) cannot be part of a name; spell it, as in xhat"
    if character.isprintable():
        return f"`{character}` is not part of the notation"
    return f"the invisible character U+{ord(character):04X} ({unicodedata.name(character, 'a control character')}) is not allowed"


def _about_dot(before: str, after: str) -> str:
    if "0" <= before <= "9":
        return "a number never ends in a dot: drop the dot, or write a digit after it"
    if "0" <= after <= "9":
        return "a number never begins with a dot: write 0.5 for .5"
    if after == "'":
        return "`.'` is not part of the notation: write ' for the transpose"
    if after == "T":
        return "`.T` is not part of the notation: write ' for the transpose"
    return "a single dot has no meaning here; the elementwise operators are .* ./ .^"
