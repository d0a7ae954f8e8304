"""One LaTeX formula in; the same formula in Typst's language of mathematics out, by way of the MathML of the web page."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree

from symgrad.errors import InputError
from symgrad.render.mathml import to_mathml

__all__ = ["quoted", "to_typst_math"]

Element = ElementTree.Element

_ACCENTS = {"ˆ": "hat", "^": "hat", "~": "tilde", "˜": "tilde", "¯": "macron", "˙": "dot", "¨": "dot.double", "→": "arrow", "⃗": "arrow"}
_DRAWN = {"underbrace": "underbrace", "overbrace": "overbrace", "overline": "overline"}
_SCRIPTS = {"msub": ("b",), "msup": ("t",), "msubsup": ("b", "t"), "munder": ("b",), "mover": ("t",), "munderover": ("b", "t")}
_OPENING, _CLOSING = frozenset("([{⟨⌈⌊|‖"), frozenset(")]}⟩⌉⌋|‖")


@lru_cache(maxsize=4096)
def to_typst_math(tex: str, *, displaystyle: bool = False, infix: bool = False) -> str:
    """What stands between the dollar signs; arguments and errors as for `to_mathml`.

    >>> to_typst_math(r"W^{(2)\\top}\\,x_n")
    'attach(W, t: \\\\(2\\\\)⊤)#h(0.167em)attach(x, b: n)'
    """
    shown = _row(ElementTree.fromstring(to_mathml(tex)))
    # A sign that begins a formula has the room around it that it has between two terms if something stands before it.
    shown = f'"" {shown}' if infix else shown
    return f"display({shown})" if displaystyle else shown


def quoted(text: str) -> str:
    """A Typst string of any text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _row(elements: Iterable[Element]) -> str:
    """Members side by side; brackets that stretch take in what stands between them, or all that follows."""
    members = list(elements)
    found: list[str] = []
    k = 0
    while k < len(members):
        if _stretches(members, k):
            end = _closing(members, k)
            inside = _row(members[k + 1:end])
            closing = _text(members[end]) if end < len(members) else ""
            found.append(f"lr({_letters(_text(members[k]))} {inside} {_letters(closing)})")
            k = end
        else:
            found.append(_shown(members[k]))
        k += 1
    return _beside(filter(None, found))


def _beside(parts: Iterable[str]) -> str:
    """Parts without room between them, since Typst gives words the room that the source gives them; letters are kept apart."""
    shown = ""
    for part in parts:
        shown += f" {part}" if shown[-1:].isalnum() and part[0].isalnum() else part
    return shown


def _stretches(members: list[Element], k: int) -> bool:
    element = members[k]
    if element.tag != "mo" or (_text(element) and _text(element) not in _OPENING):
        return False
    beside = k + 1 < len(members) and members[k + 1].tag == "mtable"
    return (element.get("form") == "prefix" and element.get("stretchy") == "true") or (beside and element.get("stretchy") != "false")


def _closing(members: list[Element], k: int) -> int:
    """The place of the bracket that closes the one at `k`; the end of the row where there is none."""
    depth = 0
    for place in range(k + 1, len(members)):
        element = members[place]
        if element.tag != "mo":
            continue
        if element.get("form") == "prefix" and element.get("stretchy") == "true":
            depth += 1
        elif (element.get("form") == "postfix" and element.get("stretchy") == "true") or (
                members[place - 1].tag == "mtable" and _text(element) in _CLOSING):
            if not depth:
                return place
            depth -= 1
    return len(members)


def _shown(element: Element) -> str:
    text = _text(element)
    match element.tag:
        case "mi" | "mn" | "mo" if element.get("minsize"):
            kind = "opening" if text in _OPENING - _CLOSING else "closing"
            return f'class("{kind}", lr(size: #{element.get("minsize")}, {_letters(text)}))'
        case "mi":
            return _identifier(text, element.get("mathvariant") == "normal")
        case "mo" if "movablelimits" in element.attrib and len(text) > 1:
            return f"op({quoted(text)}, limits: #true)"
        case "mn" | "mo":
            return _letters(text)
        case "mtext":
            return quoted((element.text or "").replace("\xa0", " "))
        case "mspace":
            width = element.get("width", "0")
            return f"#h({width})" if re.fullmatch(r"-?[\d.]+em", width) and float(width[:-2]) else ""
        case "mfrac":
            top, bottom = map(_group, element)
            return f"frac({top}, {bottom})" if element.get("linethickness") not in ("0", "0px") else f"mat(delim: #none, {top}; {bottom})"
        case "msqrt":
            return f"sqrt({_row(element)})"
        case "mroot":
            return f"root({_group(element[1])}, {_group(element[0])})"
        case "msub" | "msup" | "msubsup" | "munder" | "mover" | "munderover":
            return _scripts(element)
        case "mtable":
            rows = "; ".join(", ".join(f"display({_row(cell)})" if len(cell) else '""' for cell in row) for row in element)
            aligned = ", align: #left, column-gap: #0.2em" if element.get("class") == "aligned" else ""
            return f"mat(delim: #none{aligned}, {rows})"
        case "mphantom":
            return f"#hide[${_row(element)}$]"
        case "math" | "mrow" | "mstyle" | "mpadded" | "mtr" | "mtd":
            return _grouped(element)
    raise InputError(f"this formula cannot be set by Typst, <{element.tag}> has no counterpart")


def _grouped(element: Element) -> str:
    word = "".join(unicodedata.normalize("NFKD", child.text or "") if child.tag == "mi" else "?" for child in element)
    styled = all((child.text or "") != unicodedata.normalize("NFKD", child.text or "") for child in element)
    if len(element) > 1 and styled and word.isascii() and word.isalpha():
        return f'class("normal", italic({quoted(word)}))'        # letters of one name stand closer than factors
    inside = _row(element)
    kind = element.get("class", "")
    if kind == "boxed":
        return f"#box(stroke: .5pt, inset: 4pt, baseline: 35%)[$display({inside})$]"
    return f"{_DRAWN[kind]}({inside})" if kind in _DRAWN else inside


def _scripts(element: Element) -> str:
    base, *scripts = element
    mark = _text(scripts[0])
    if element.tag == "mover" and mark in _ACCENTS:
        return f"{_ACCENTS[mark]}({_group(base)})"
    shown = _group(base)
    if element.tag.startswith(("mu", "mo")) or _text(base) in ("∑", "∏"):
        shown = f"limits({shown})"
    return f"attach({shown}, {', '.join(f'{side}: {_group(s)}' for side, s in zip(_SCRIPTS[element.tag], scripts, strict=True))})"


def _group(element: Element) -> str:
    """One argument; an empty one is an empty text."""
    return _row([element]) or '""'


def _identifier(text: str, upright: bool) -> str:
    if len(text) > 1 and not set(text) <= set("′″‴"):
        return quoted(text)
    return f"upright({_letters(text)})" if upright and text.isalpha() else _letters(text)


def _letters(text: str) -> str:
    """Letters and signs as they are: nothing that Typst would take for its own language."""
    return "".join(letter if letter.isalnum() or ord(letter) > 127 else f"\\{letter}" for letter in text)


def _text(element: Element) -> str:
    return (element.text or "").strip()
