"""One LaTeX formula in; MathML Core out, checked, escaped and spaced so that a browser sets it as a textbook would."""
from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from xml.etree import ElementTree

from symgrad.errors import InputError
from symgrad.render.layout import printable

__all__ = ["checked", "to_mathml"]

Strut = Literal["", "line", "fraction"]

# MathML Core and nothing else: a link, a style or an unknown attribute from a formula never reaches the page.
_ELEMENTS = frozenset((
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover",
    "munderover", "mtable", "mtr", "mtd", "mstyle", "mphantom", "mpadded"))
_ATTRIBUTES = frozenset((
    "stretchy", "fence", "form", "accent", "accentunder", "movablelimits", "minsize", "maxsize", "width", "height", "depth",
    "linethickness", "displaystyle", "scriptlevel", "mathcolor", "mathvariant", "columnalign", "lspace", "rspace"))
_ORDINARY = frozenset("⊤∂∇∞…")                      # letters in what we write, though the converter calls some of them operators
_SIGNS, _CLOSING, _BARS = frozenset("−+±-"), frozenset(")]}⟩‖|′″‴!"), frozenset("|‖")
_ACCENTS = {"^": "ˆ", "~": "~", "¯": "¯", "˙": "˙", "¨": "¨"}
_DRAWN = {"⏟": "underbrace", "⏞": "overbrace", "¯": "overline", "―": "overline"}
_ROWS = frozenset(("math", "mrow", "mtd", "msqrt", "mstyle", "mphantom", "mpadded"))
_SCRIPTS = frozenset(("msub", "msup", "msubsup", "munder", "mover", "munderover"))
_HEIGHTS = {"line": ("0.95em", "0.4em"), "fraction": ("1.65em", "1.25em")}
_THIN = "0.1667em"


@lru_cache(maxsize=4096)
def to_mathml(tex: str, *, displaystyle: bool = False, strut: Strut = "", infix: bool = False) -> str:
    """The `<math>` element of a formula, its LaTeX in `alttext`.

    Args:
        tex: LaTeX without delimiters.
        displaystyle: full-size fractions and limits above and below, as in a displayed equation.
        infix: the formula goes on after another, so that a sign in front of it joins the two.
        strut: gives formulas beside each other the same height above and below the baseline: that of a line or of a fraction.

    Raises:
        InputError: the formula is empty, unbalanced, or uses a command that has no MathML; the message shows the formula.
    """
    tex = printable(tex)
    root = _converted(tex)
    for element in root.iter():
        _plain(element, tex)
    for element in reversed(list(root.iter())):      # a row is spaced when its members are what they will be
        _tidy(element)
    root.attrib.clear()
    if displaystyle:
        root.set("displaystyle", "true")
    root.set("alttext", tex)
    if infix and (first := next(iter(row := root[0]), row)).tag == "mo":
        first.set("form", "infix")
    if strut:
        height, depth = _HEIGHTS[strut]
        root.insert(0, ElementTree.Element("mspace", {"width": "0", "height": height, "depth": depth}))
    return ElementTree.tostring(root, encoding="unicode")


def checked(tex: str) -> str:
    """The LaTeX itself, once it is known to be a formula: a label of the user's may say anything. Raises InputError as `to_mathml` does."""
    to_mathml(tex)
    return tex


def _refused(tex: str, reason: str) -> InputError:
    return InputError(f"this formula cannot be shown as MathML, {reason}: {tex}")


def _converted(tex: str) -> ElementTree.Element:
    from latex2mathml.converter import convert_to_element

    bare = re.sub(r"\\[\\{}]", "", tex)
    if bare.count("{") != bare.count("}"):
        raise _refused(tex, "its braces do not match")
    if sorted(re.findall(r"\\begin\{(.*?)\}", tex)) != sorted(re.findall(r"\\end\{(.*?)\}", tex)):
        raise _refused(tex, r"its \begin and \end do not match")
    # The converter knows no `aligned`; an array whose columns stand right and left in turn is the same.
    source = re.sub(r"\\begin\{(?:aligned|align\*?|split)\}", r"\\begin{array}{rl}", tex)
    source = re.sub(r"\\end\{(?:aligned|align\*?|split)\}", r"\\end{array}", source)
    try:
        return convert_to_element(source, display="block")
    except Exception as error:                       # the converter raises whatever it trips over
        raise _refused(tex, f"{type(error).__name__} {error}".strip()) from error


def _plain(element: ElementTree.Element, tex: str) -> None:
    """Text without entities, an allowed element with allowed attributes; what the converter passed through unread is refused."""
    text = html.unescape(element.text or "")
    if element.tag in ("mi", "mo") and (text == "&" or re.match(r"\\[A-Za-z]", text)):
        raise _refused(tex, f"{text} means nothing here")
    if element.get("linebreak"):
        raise _refused(tex, r"\\ stands outside an environment")
    box = element.tag == "menclose" and element.get("notation") == "box"
    if box:
        element.tag = "mrow"
    if element.tag not in _ELEMENTS:
        raise _refused(tex, f"<{element.tag}> is no part of MathML Core")
    for name in set(element.attrib) - _ATTRIBUTES:
        del element.attrib[name]
    if box:
        element.set("class", "boxed")
    element.text = text or None


def _tidy(element: ElementTree.Element) -> None:
    if element.tag == "mi" and element.text in ("±", "∓"):
        element.tag = "mo"
    if element.tag == "mo":
        _operator(element)
    variant = element.get("mathvariant")
    if variant and not (variant == "normal" and element.tag == "mi"):
        element.text = "".join(_styled(letter, variant) for letter in element.text or "")
        del element.attrib["mathvariant"]
    if element.tag in ("mover", "munder"):
        _mark(element)
    if element.tag in ("msup", "msubsup") and element[-1].tag == "mi" and set(element[-1].text or "") <= set("′″‴"):
        _raise_primes(element)
    if element.tag == "mtable" and [cell.get("columnalign") for cell in element.findall("mtr[1]/mtd")][:2] == ["right", "left"]:
        element.set("class", "aligned")
    if element.tag in _ROWS:
        _merge_words(element)
        _place_operators(element)
        _space_functions(element)


def _operator(element: ElementTree.Element) -> None:
    text = element.text or ""
    if text in _BARS and "stretchy" not in element.attrib:
        element.set("stretchy", "false")
    if text[:1].isalpha() and "movablelimits" in element.attrib:
        element.attrib.update(lspace="0", rspace="0")
    elif text in _ORDINARY or text[:1].isalpha():
        element.tag = "mi"
        element.attrib.clear()


def _styled(letter: str, variant: str) -> str:
    """The letter in Unicode's mathematical alphabets (browsers ignore mathvariant), or itself where it has no such form."""
    name = unicodedata.name(letter, "").replace("LATIN ", "").replace("GREEK ", "").replace(" LETTER", "")
    try:
        return unicodedata.lookup(f"MATHEMATICAL {variant.upper().replace('BOLD-', 'BOLD ')} {name}")
    except KeyError:
        return letter


def _mark(script: ElementTree.Element) -> None:
    """Accents without the `accent` property, which lets browsers drop them into the letter; long braces and bars as drawn lines,
    since browsers lose pieces of the stretched glyphs."""
    base, mark = script
    script.attrib.pop("accent", None)
    text = mark.text or ""
    if text in _DRAWN and not (text in _ACCENTS and len(base) < 2):
        script.tag = "mrow"
        script.set("class", _DRAWN[text])
        script.remove(mark)
    elif text in _ACCENTS:
        mark.text = _ACCENTS[text]
        mark.attrib.update(stretchy="false", scriptlevel="+0")


def _raise_primes(script: ElementTree.Element) -> None:
    """Primes stand high by themselves and come out tiny as exponents: g' is a row, h'_k a row with an index."""
    base, prime = script[0], script[-1]
    prime.tag = "mo"
    prime.attrib.update(form="postfix", lspace="0", rspace="0")
    if script.tag == "msup":
        script.tag = "mrow"
    else:
        script.tag = "msub"
        script.remove(prime)
        row = ElementTree.Element("mrow")
        row.extend((base, prime))
        script[0] = row


def _place_operators(row: ElementTree.Element) -> None:
    """Says what a browser cannot see in a flat row: the minus of `exp(-x)` is a sign, the bars of `|A|` open and close."""
    for before, after in pairwise(list(row)):
        if after.tag == "mo" and after.text in _SIGNS and before.tag == "mo" and before.text not in _CLOSING:
            after.set("form", "prefix")
        if before.tag == "mo" and before.text in _BARS and after.tag == "mtable":
            before.attrib.update(form="prefix", stretchy="true")
        if before.tag == "mtable" and after.tag == "mo" and after.text in _BARS:
            after.attrib.update(form="postfix", stretchy="true")


def _merge_words(row: ElementTree.Element) -> None:
    """Upright letters in a row are one word, `diag`, not four variables."""
    for before, after in pairwise(list(row)):
        if all(part.tag == "mi" and part.get("mathvariant") == "normal" for part in (before, after)):
            after.text = (before.text or "") + (after.text or "")
            row.remove(before)
    for part in row:
        if part.tag == "mi" and len(part.text or "") > 1:
            part.attrib.pop("mathvariant", None)


def _space_functions(row: ElementTree.Element) -> None:
    """A thin space between a function's name and a letter beside it: `tr X`, `2 tanh z`, but `tanh(z)`."""
    for before, after in pairwise(list(row)):
        if (_is_function(before) or _is_function(after)) and not (_is_operator(before) or _is_operator(after)):
            row.insert(list(row).index(after), ElementTree.Element("mspace", {"width": _THIN}))


def _is_function(element: ElementTree.Element) -> bool:
    while element.tag in _SCRIPTS or (element.tag in ("mrow", "mstyle") and len(element) == 1):
        element = element[0]
    return (element.tag == "mi" or "movablelimits" in element.attrib) and len(element.text or "") > 1 and (element.text or "").isalpha()


def _is_operator(element: ElementTree.Element) -> bool:
    while element.tag in ("mrow", "mstyle") and len(element):
        element = element[0]
    return element.tag in ("mo", "mspace") and not _is_function(element)
