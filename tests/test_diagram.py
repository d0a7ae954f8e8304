"""Diagrams as SVG and DOT: refused when wrong, safe with any text, the same every time, readable without colour."""
from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from diagrams import ALL, EVIL, chain, kinds, schedule, square, stepped, wild

from symgrad.errors import InputError
from symgrad.explain.diagram import Arrow, ArrowKind, Box, BoxKind, Diagram
from symgrad.render import engines
from symgrad.render.dot import to_dot
from symgrad.render.glyphs import formula, shortened, words
from symgrad.render.svg import to_svg
from symgrad.render.theme import DARK, LIGHT, Colours

SVG = "{http://www.w3.org/2000/svg}"
X, Y = Box("x", "x", "x"), Box("y", "y", "y")


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMGRAD_ENGINE", raising=False)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Diagram("t", ()), "at least one box"),
    (lambda: Diagram("t", (X, X)), "two boxes have the id 'x'"),
    (lambda: Diagram("t", (X, Y), (Arrow("x", "q"),)), "there is no box 'q'"),
    (lambda: Diagram("t", (X,), direction="up"), "one of auto, LR, TB"),
    (lambda: Box("", "x", "x"), "needs a id"),
    (lambda: Box("x", " ", "x"), "needs a tex"),
    (lambda: Box("x", "x", "x", kind="loss"), "one of data, param"),
    (lambda: Arrow("x", "x"), "ends where it begins"),
    (lambda: Arrow("x", "y", "x^2"), "as LaTeX and as plain text"),
    (lambda: Arrow("x", "y", kind="back"), "one of forward, backward"),
])
def test_what_makes_no_picture_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("make", [lambda: Diagram("t", [X]), lambda: Diagram("t", (X,), (X,)), lambda: Box("x", "x", 3)])
def test_wrong_types_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_self_contained_svg(name: str) -> None:
    svg = to_svg(ALL[name], prefix="p7")
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(str(identity).startswith("p7-") for identity in ids)
    assert {element.get("href", "")[1:] for element in root.iter(f"{SVG}use")} <= set(ids)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "style", "defs", "g", "path", "rect", "circle", "use", "title"}, "nothing needs a font, a script or another file"
    assert len(root.findall(f".//{SVG}g[@data-id]")) == len(ALL[name].boxes)
    assert {kind for kind in get_args(ArrowKind) if re.search(f'class="arrow {kind}[" ]', svg)} == {a.kind for a in ALL[name].arrows}
    assert svg.count('class="arrow') == len(ALL[name].arrows)


def test_strangers_text_stays_text() -> None:
    svg = to_svg(wild())
    assert "<script" not in svg and "alert(&#x27;x&#x27;)" in svg and "\x00" not in svg
    titles = [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert any(EVIL.replace("\x00", "\ufffd") in title for title in titles)


def test_what_does_not_fit_is_said_in_the_tooltip() -> None:
    box = Box("w", " + ".join(f"a_{{{k}}}" for k in range(40)), "a long sum " * 9)
    root = ElementTree.fromstring(to_svg(Diagram("", (box, X), (Arrow("w", "x", box.tex, "long"),))))
    group = root.find(f".//{SVG}g[@data-id='w']")
    assert group is not None and group.get("aria-label") == box.tex
    assert float(group.find(f"{SVG}rect").get("width")) <= 280
    assert box.tex in root.find(f".//{SVG}g[@class='arrow forward']/{SVG}title").text


def test_the_same_bytes_in_another_process() -> None:
    code = "from diagrams import wild; from symgrad.render.svg import to_svg; print(to_svg(wild()), end='')"
    runs = {subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed}, check=True,
                           capture_output=True, encoding="utf-8").stdout for seed in "12"}
    assert runs == {to_svg(wild())}


def test_themes_and_prefixes() -> None:
    light, dark, auto = (to_svg(square(), theme=theme) for theme in ("light", "dark", "auto"))
    assert "prefers-color-scheme" in auto and "prefers-color-scheme" not in light + dark and light != dark
    with pytest.raises(InputError, match="light, dark, auto"):
        to_svg(square(), theme="pink")
    with pytest.raises(InputError, match="prefix"):
        to_svg(square(), prefix="1 2")


def test_kinds_differ_without_colour() -> None:
    """By their outlines and the widths and dashes of their lines alone, plain and cached; arrows by their dashes, or by having no line."""
    diagram = kinds()
    svg = to_svg(diagram)
    forms, arrows = {}, {}
    for box in diagram.boxes:
        if not box.cells:
            outline = re.search(rf'data-id="{box.id}".*?</title>(.*?)\n', svg)[1]
            style = re.findall(rf"\.g \.{box.kind} \.form\{{(stroke-width[^}}]*)\}}", svg)
            forms[box.kind, box.kept] = (re.sub(r'(\b[xy]|c[xy]|width|height|\bd)="[^"]*"', "", outline), *style)
    assert len(set(forms.values())) == len(forms) == 2 * len(get_args(BoxKind))
    for kind in get_args(ArrowKind):
        inside = re.search(rf'class="arrow {kind}".*?</g>', svg, re.DOTALL)[0]
        arrows[kind] = ('class="line"' in inside, 'class="tip"' in inside, *re.findall(rf"\.g \.{kind} \.line\{{(stroke-dash[^}}]*)\}}", svg))
    assert len(set(arrows.values())) == len(get_args(ArrowKind))
    faded = to_svg(kinds(faded=True))
    assert faded.count(" faded") == len(diagram.boxes) + len(diagram.arrows) and re.search(r"\.g \.faded\{opacity:\.\d+\}", faded)


def contrast(one: str, other: str) -> float:
    """After WCAG 2.1, from 1 to 21."""
    def luminance(colour: str) -> float:
        parts = [int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def unreadable(colours: Colours) -> list[str]:
    """Text with a contrast below 4.5 and lines with one below 3, with the ground that they stand on, whatever colours a reader sees."""
    fills = [fill for _, fill, _ in colours.boxes]
    texts = [(name, getattr(colours, name), ground) for name in ("ink", "small") for ground in (colours.paper, colours.frame, *fills)]
    texts += [(name, getattr(colours, name), ground) for name in ("line", "back", "kept") for ground in (colours.paper, colours.frame)]       # labels of arrows
    lines = [(kind, border, ground) for kind, fill, border in colours.boxes for ground in (colours.paper, colours.frame, fill)]
    lines += [("kept", colours.kept, ground) for ground in (*fills, colours.paper)]
    return [f"{name} {colour} on {ground}: {contrast(colour, ground):.2f}" for least, pairs in ((4.5, texts), (3, lines)) for name, colour, ground in pairs
            if contrast(colour, ground) < least]


def test_colours_can_be_read() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert not unreadable(LIGHT) and not unreadable(DARK)
    for name in ("ink", "small", "line", "back", "kept"):
        assert any(flaw.startswith(name) for flaw in unreadable(LIGHT._replace(**{name: "#c9c9c9"})))
    assert any(flaw.startswith("op") for flaw in unreadable(LIGHT._replace(boxes=(("op", "#ffffff", "#bbbbbb"),))))
    for colours, theme in ((LIGHT, "light"), (DARK, "dark")):
        assert all(colour in to_svg(kinds(), theme=theme) for colour in (colours.paper, colours.ink, *(part for box in colours.boxes for part in box[1:])))


def test_glyphs() -> None:
    assert words("h⁽²⁾ ∈ ℝᴹ", 12).marks and not words("  ", 12).marks
    assert shortened("a" * 500, 12, 100).size.width <= 100 and shortened("abc", 12, 100) == words("abc", 12)
    assert formula(r"\hat y", 14).size.width < formula(r"\widehat{yyy}", 14).size.width
    assert len(formula(r"\lVert x \rVert^2", 14).marks) == 4, "tall bars are put together from pieces"
    for bad in (r"\frac{a", r"\cancel{x}", r"\begin{bmatrix} a"):
        with pytest.raises(InputError, match="cannot be drawn"):
            formula(bad, 14)


def test_png_has_nothing_at_its_border() -> None:
    resvg_py = pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image")
    import io
    for name in ("network", "wild", "random 1"):
        picture = image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=to_svg(ALL[name]))))).convert("RGB")
        width, height = picture.size
        border = {picture.getpixel((x, y)) for x in range(width) for y in (0, 4, height - 5, height - 1)}
        border |= {picture.getpixel((x, y)) for y in range(height) for x in (0, 4, width - 5, width - 1)}
        assert border == {(255, 255, 255)}
        assert len(picture.getcolors(1 << 20)) > 50


def test_dot_text_is_quoted() -> None:
    dot = to_dot(wild())
    assert r"<script>alert('x')</script> &amp; \"quotes\" \\ back\nslash ]]>" in dot
    assert dot.count("style=dashed") == 3 and 'cluster_' in dot
    assert to_dot(chain()).count("->") == 30


def read(dot: str) -> dict[str, Any]:
    """DOT text as an engine of this machine reads and lays it out."""
    command = next(filter(None, map(engines._command, engines.ENGINES[:2])), None)
    if command is None:
        pytest.skip("no Graphviz on this machine")
    done = subprocess.run([command[0], "-Tjson"], input=dot.encode(), capture_output=True, check=True)
    assert all(b"no value for width" in line for line in done.stderr.splitlines()), done.stderr     # it has no fonts
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ALL)
def test_dot_text_is_read_by_an_engine(name: str) -> None:
    found, diagram = read(to_dot(ALL[name])), ALL[name]
    assert sorted(o["name"] for o in found["objects"] if "nodes" not in o) == sorted(f"n{k}" for k in range(len(diagram.boxes)))
    assert sum(edge.get("style") != "invis" for edge in found.get("edges", [])) == len(diagram.arrows)
    groups = {group.name for box in diagram.boxes for group in diagram.around(box.group)}
    assert sum(o["name"].startswith("cluster_") for o in found["objects"]) == len(groups)


def test_dot_has_groups_within_groups() -> None:
    found = read(to_dot(stepped()))["objects"]
    inside = {o["label"]: set(o["nodes"]) for o in found if "nodes" in o}
    assert {"blocks × 3", "block 1", "block 2", "block 3"} <= inside.keys()
    assert all(inside[f"block {k}"] < inside["blocks × 3"] for k in (1, 2, 3)) and not inside["output layer"] & inside["blocks × 3"]


def test_dot_has_a_row_for_each_step() -> None:
    diagram = schedule()
    found = {o["name"]: float(o["pos"].split(",")[1]) for o in read(to_dot(diagram))["objects"] if "pos" in o}
    heights: dict[int, set[float]] = {}
    for number, box in enumerate(diagram.boxes):
        heights.setdefault(box.span[0], set()).add(round(found[f"n{number}"]))
    assert all(len(row) == 1 for row in heights.values()), "boxes of one step stand in one row"
    from_the_top = [max(heights[step]) for step in sorted(heights)]
    assert from_the_top == sorted(set(from_the_top), reverse=True)
