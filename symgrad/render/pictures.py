"""An SVG drawn by this package in; the same picture out, ready to stand beside others in one page."""
from __future__ import annotations

import re
from xml.etree import ElementTree

from symgrad.errors import InternalError

__all__ = ["inline_svg", "size_of"]

_SVG, _XLINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a picture in CSS pixels.

    Raises:
        InternalError: the text is no SVG.
    """
    root = _root(svg)
    box = [float(x) for x in root.get("viewBox", "0 0 600 300").replace(",", " ").split()]
    return _length(root, "width", box[2]), _length(root, "height", box[3])


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """The `<svg>` element with every id and class prefixed, a `viewBox`, and `alt` as its name for screen readers.

    Raises:
        InternalError: the text is no SVG.
    """
    root = _root(svg)
    elements = list(root.iter())
    ids = {element.get("id", "") for element in elements} - {""}
    classes = {name for element in elements for name in element.get("class", "").split()}
    for element in elements:
        if isinstance(element.tag, str):
            element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if _XLINK in element.attrib:
            element.set("href", element.attrib.pop(_XLINK))
        for name, value in element.attrib.items():
            element.set(name, _renamed(name, value, ids, classes, prefix))
        if element.tag == "style" and element.text:
            element.text = _selectors(element.text, ids, classes, prefix)
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {_length(root, 'width', 300):g} {_length(root, 'height', 150):g}")
    # Where a screen is too narrow for the picture, the page needs its natural width.
    style = f"{root.get('style', '').rstrip(';')};--width:{_length(root, 'width', 600):g}px".removeprefix(";")
    root.attrib.update({"role": "img", "aria-label": alt, "style": style})
    return ElementTree.tostring(root, encoding="unicode")


def _root(svg: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise InternalError(f"a picture is not well-formed SVG ({error}): {svg[:80]}") from error
    if root.tag != f"{{{_SVG}}}svg":
        raise InternalError(f"a picture is no SVG but <{root.tag}>")
    return root


def _renamed(name: str, value: str, ids: set[str], classes: set[str], prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == "class":
        return " ".join(prefix + word for word in value.split())
    if name == "href":
        return f"#{prefix}{value[1:]}" if value[:1] == "#" else value
    if name in ("aria-labelledby", "aria-describedby"):
        return " ".join(prefix + word if word in ids else word for word in value.split())
    if name in ("begin", "end"):                      # an animation may start when another ends: "fade1.end+0.2s"
        return re.sub(r"([\w-]+)(?=\.[a-z])", lambda found: prefix + found[1] if found[1] in ids else found[1], value)
    return re.sub(r"url\(#([^)]*)\)", rf"url(#{prefix}\1)", value)


def _selectors(css: str, ids: set[str], classes: set[str], prefix: str) -> str:
    def rename(found: re.Match[str]) -> str:
        known = ids if found[1] == "#" else classes
        return found[1] + prefix + found[2] if found[2] in known else found[0]
    return re.sub(r"([#.])(-?[A-Za-z_][\w-]*)", rename, css)


def _length(root: ElementTree.Element, name: str, default: float) -> float:
    """A length attribute in CSS pixels; `default` where there is none or it is a percentage."""
    found = re.fullmatch(r"([\d.]+)(px|pt)?", root.get(name, ""))
    return (float(found[1]) * (4 / 3 if found[2] == "pt" else 1)) if found else default
