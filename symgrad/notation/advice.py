"""The tokens up to one that fits nowhere come in; what is wrong there and what would have fitted goes out, in words."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from symgrad.errors import nearest

from .indices import place_of
from .screen import Fault
from .words import REDUCTIONS, STATEMENTS

if TYPE_CHECKING:
    from lark import Token

__all__ = ["operand_after", "operand_before", "unexpected"]

_OPERATORS = {"PLUS", "MINUS", "PRODUCT", "POWER"}
_NAMING = {"_EQUAL", "_COLON"}
_OPENS, _CLOSES = {"_LPAR", "_LSQB"}, {"_RPAR", "_RSQB"}
_KEYWORDS = {"FAMILY", "ROLE", "SIZE", "CONST", "FUNCTION", "OP", "CLAIMS", "WHERE", "AS", "PYTHON"}
_FUNCTION_WORDS = {"BUILTIN", "REDUCER", "PARTIAL", "DELTA"}
_VALUES = {"NAME", "NUMBER"} | _FUNCTION_WORDS
_ENDS = {"NAME", "NUMBER", "QUOTE"} | _CLOSES
_OTHERS = {
    "_COLON": "`:`", "_RANGE": "`..`", "STRING": "a text in quotation marks", "AS": "`as`", "_RPAR": "`)`", "_RSQB": "`]`", "_COMMA": "`,`",
    "_EQUAL": "`=`", "_END": "the end of the line",
}


def unexpected(tokens: Sequence[Token], at: int, fitting: set[str], code: str) -> Fault:
    """The fault at `tokens[at]`, the first token that fits nowhere, where a token of one of the types `fitting` would have fitted.

    `tokens` may go on after it; `code` is the text that they were read from.
    """
    found = tokens[at]
    before = tokens[at - 1] if at and tokens[at - 1].type != "_END" else None
    known = _about_header(tokens, at) or _about_word(found, before, fitting) or _about_pair(tokens, at, fitting, code)
    return known or Fault(f"expected {_expected(fitting, before)}, found {_shown(found)}", place_of(found))


def operand_before(tokens: Sequence[Token], end: int, code: str) -> str:
    """The text of the operand whose last token is `tokens[end]`, primes and brackets included."""
    start = end
    while start and tokens[start].type in {"QUOTE", "DERIVATIVE"}:
        start -= 1
    while start and tokens[start].type in _CLOSES:
        depth = 1
        while start and depth:
            start -= 1
            depth += (tokens[start].type in _CLOSES) - (tokens[start].type in _OPENS)
        if start and tokens[start - 1].type in _VALUES | _CLOSES:
            start -= 1
    return _slice(code, tokens[start], tokens[end])


def operand_after(tokens: Sequence[Token], start: int, code: str) -> str:
    """The text of the operand that begins with `tokens[start]`: a name or number and the brackets that follow it."""
    end = start if tokens[start].type in _OPENS else start + 1
    while end < len(tokens) and tokens[end].type in _OPENS:
        depth = 1
        while depth and end + 1 < len(tokens):
            end += 1
            depth += (tokens[end].type in _OPENS) - (tokens[end].type in _CLOSES)
        end += 1
    return _slice(code, tokens[start], tokens[min(end, len(tokens)) - 1])


def _slice(code: str, first: Token, last: Token) -> str:
    text = " ".join(code[first.start_pos:last.end_pos].split())
    if len(text) <= 30:
        return text
    return "(...)" if text.startswith("(") else "..."


def _about_word(found: Token, before: Token | None, fitting: set[str]) -> Fault | None:
    """A reserved word in the place of a name, or a function word without its brackets."""
    if found.type == "PYTHON":
        return Fault(f"`{found}` is a word of Python and cannot be a name: write {found}_ or another name", place_of(found))
    if before is None:
        return _about_line_start(found)
    if before.type in _KEYWORDS and found.type in _OPERATORS | {"_EQUAL", "_LSQB", "_LPAR", "QUOTE"}:
        return Fault(f"`{before}` is a keyword and cannot be a name", place_of(before))
    if before.type in _FUNCTION_WORDS and found.type in _NAMING:
        return Fault(f"`{before}` is a function word and cannot be a name", place_of(before))
    if before.type in _FUNCTION_WORDS and found.type in _OPERATORS | _CLOSES | {"_END", "QUOTE", "_COMMA", "_LSQB"}:
        return Fault(f"`{before}` is a function word and needs its arguments: write {_usage(before, found)}", place_of(before))
    if found.type in _KEYWORDS | _FUNCTION_WORDS and "NAME" in fitting and not _in_index(fitting):
        return Fault(f"`{found}` is a {'keyword' if found.type in _KEYWORDS else 'function word'} and cannot be a name", place_of(found))
    return None


def _about_header(tokens: Sequence[Token], at: int) -> Fault | None:
    """`partial(l)` without the position of an argument, `function g` without its arguments."""
    types, name, place = [token.type for token in tokens[max(0, at - 3):at + 1]], tokens[at - 1], place_of(tokens[at])
    if types[0] == "PARTIAL" and types[1:2] == ["_LPAR"] and types[3:] == ["_RPAR"]:
        return Fault(f"partial counts the argument to derive by: write partial({name}, 1)(...)", place)
    if types[-3:-1] == ["FUNCTION", "NAME"]:
        return Fault(f"an unknown function is declared as `function {name} elementwise` or `function {name}(x, y)`", place)
    return None


def _about_line_start(found: Token) -> Fault | None:
    if found.type in _OPERATORS:
        message = f"a line cannot begin with `{found}`: put brackets around an expression that goes on from the line before"
        return Fault(message, place_of(found))
    return None


def _in_index(fitting: set[str]) -> bool:
    """Whether what fits is an index, or goes on from one."""
    begins = {"NAME", "NUMBER", "_LPAR"} <= fitting and "BUILTIN" not in fitting
    return begins or ({"PRODUCT", "_RSQB"} <= fitting and "POWER" not in fitting)


def _usage(word: Token, found: Token) -> str:
    if word.type == "DELTA":
        return "delta[i, j]"
    if word.type == "PARTIAL":
        return "partial(l, 1)(y, yhat)"
    if found.type == "QUOTE":
        return f"{word}'(z)"
    if word.type == "REDUCER":
        return f"{word}[i](...) or {word}(x)" if word in REDUCTIONS else f"{word}[i](...)"
    return f"{word}(...)"


def _about_pair(tokens: Sequence[Token], at: int, fitting: set[str], code: str) -> Fault | None:
    """Two tokens that cannot follow each other, in the ways in which people write it."""
    found, before = tokens[at], tokens[at - 1] if at else None
    if before is None or before.type == "_END":
        return None
    touching = before.end_pos == found.start_pos
    if before.type in _OPERATORS | {"_EQUAL", "DERIVATIVE"}:
        return _about_missing_operand(before, found, touching)
    if found.type == "_COLON" and "_RANGE" in fitting:
        return Fault("a range is written with two dots, as in 1..N", place_of(found))
    if found.type == "_COLON" and tokens[at + 1].type == "_EQUAL":
        return Fault("`:=` is not part of the notation: write a single =", place_of(found))
    if found.type == "_EQUAL":
        return _about_equal(tokens, at, fitting)
    if found.type == "_SEMICOLON":
        return Fault("`;` does not separate statements: write one statement a line", place_of(found))
    if found.type in {"_LPAR", "_LSQB", "POWER"} | _FUNCTION_WORDS and _in_index(fitting):
        return Fault("an index is a sum of terms such as 2*i, s*i or 1; a lookup is written W' * onehot(c[n], K)", place_of(found))
    if before.type in _ENDS and found.type in _VALUES | {"_LPAR", "DERIVATIVE"} and "PRODUCT" in fitting:
        return _about_neighbours(tokens, at, code)
    return None


def _about_missing_operand(before: Token, found: Token, touching: bool) -> Fault | None:
    if touching and before == found == "*":
        return Fault("`**` is not part of the notation: write ^ for a power", place_of(before))
    if touching and before.type == "_EQUAL" and found.type == "_EQUAL":
        return Fault("`==` is not part of the notation: write a single =", place_of(before))
    if touching and before in {"+", "-", "*", "/"} and found.type == "_EQUAL":
        return Fault(f"`{before}=` is not part of the notation: write name = ...", place_of(before))
    if touching and before == found == "/":
        return Fault("`//` is not part of the notation: write / for a quotient, # for a comment", place_of(before))
    if found.type == "PLUS":
        return Fault("there is no plus sign in front of a value: drop the `+`", place_of(found))
    if found.type == "_END" and before.type in _OPERATORS:
        message = f"a line cannot end with `{before}`: put brackets around an expression that goes on in the next line"
        return Fault(message, place_of(before))
    if found.type in _OPERATORS | {"_EQUAL"}:
        return Fault(f"between `{before}` and `{found}` a value is missing: a name, a number or `(`", place_of(found))
    return None


def _about_equal(tokens: Sequence[Token], at: int, fitting: set[str]) -> Fault | None:
    line = list(takewhile(lambda token: token.type != "_END", reversed(tokens[:at])))
    if sum(token.type in _OPENS for token in line) > sum(token.type in _CLOSES for token in line):
        return Fault("`=` cannot stand inside brackets, but for an argument by keyword such as eps=1e-5", place_of(tokens[at]))
    if "PLUS" in fitting and any(token.type == "_EQUAL" for token in line):
        return Fault("there is one `=` in this line already: begin a new line", place_of(tokens[at]))
    return None


def _about_neighbours(tokens: Sequence[Token], at: int, code: str) -> Fault:
    """Two operands side by side: a misspelt statement, a derivative of something that is none, or a product without its sign."""
    found, before = tokens[at], tokens[at - 1]
    begins_line = at == 1 or tokens[at - 2].type == "_END"
    if begins_line and before.type == found.type == "NAME":
        close = nearest(before.lower(), STATEMENTS)
        end = next((i for i in range(at, len(tokens)) if tokens[i].type == "_END"), len(tokens))
        if close or any(token.type in {"_COLON", "_RANGE"} for token in tokens[at:end]):
            return Fault(f"`{before}` begins no statement; the statements are {', '.join(STATEMENTS)}{close}", place_of(before))
    left = operand_before(tokens, at - 1, code)
    if found.type == "DERIVATIVE":
        after = operand_after(tokens, at + 1, code) if at + 1 < len(tokens) else "(...)"
        message = f"only a function has a derivative, as in g'(z): for a product with the transpose write {left}{found} * {after}"
        return Fault(message, place_of(found))
    return Fault(f"two values stand side by side: write {left} * {operand_after(tokens, at, code)}", place_of(found))


def _expected(fitting: set[str], before: Token | None) -> str:
    if before is None and fitting >= {"FAMILY", "ROLE"}:
        return "a statement: a definition such as z = W*x, or a line that begins with " + ", ".join(STATEMENTS)
    parts = []
    if {"NAME", "_LPAR", "BUILTIN"} <= fitting:
        parts.append("a name, a number or `(`")
    elif {"NAME", "BUILTIN"} <= fitting:
        parts.append("a word")
    elif {"NAME", "NUMBER", "_LPAR"} <= fitting:
        parts.append("an index (a name or a whole number)")
    elif {"NAME", "NUMBER"} <= fitting:
        parts.append("a name or a whole number")
    elif "NAME" in fitting:
        parts.append("a name")
    elif "NUMBER" in fitting:
        parts.append("a whole number")
    elif not {"PRODUCT", "PLUS"} & fitting:
        parts += [bracket for terminal, bracket in (("_LPAR", "`(`"), ("_LSQB", "`[`")) if terminal in fitting]
    elif {"PLUS", "PRODUCT"} <= fitting:
        parts.append("an operator")
    parts += [words for terminal, words in _OTHERS.items() if terminal in fitting and words not in parts]
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts) or "nothing"


def _shown(token: Token) -> str:
    if token.type in {"_END", "$END"}:
        return "the end of the line"
    return f"`{token}`" if len(token) <= 40 else f"`{token[:40]}...`"

