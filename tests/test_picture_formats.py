"""Every format of pictures over every diagram: made, whole, safe with any text, the same every time, and honest about what is missing."""
from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diagrams import ALL, EVIL, chain, kinds, network, plan, schedule, stepped, wild
from numpy.typing import NDArray

from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.diagram import Arrow, Box, Diagram, Group, Moment
from symgrad.render.animation import to_animated_svg, to_gif
from symgrad.render.dot import to_dot
from symgrad.render.layout import printable
from symgrad.render.mermaid import to_mermaid
from symgrad.render.nesting import lines_of
from symgrad.render.pictures import size_of
from symgrad.render.raster import png_of, to_picture_pdf, to_png
from symgrad.render.svg import to_svg

Image = pytest.importorskip("PIL.Image")
FORMATS: Mapping[str, Callable[[Diagram], str | bytes]] = {"svg": to_svg, "png": to_png, "pdf": to_picture_pdf, "dot": to_dot, "mermaid": to_mermaid,
                                                          "animated svg": to_animated_svg, "gif": to_gif}
NASTY = ("end", "1. x", "- x", "2) z", "**b** _i_ `c`", "$$x^2$$", "%%{init: {'theme':'dark'}}%%", "fa:fa-user", "www.evil.com", "[a](http://x)",
         "graph TD; A-->B", "x\ny", r"x\ny", "# h", "&lt;b&gt; &#35; #quot;", "<img src=x onerror=alert(1)>", '"', "|t|", "---", "subgraph", "a<br/>b", "🙂 ℝᴹˣᴺ h⁽¹⁾", EVIL)


def strange() -> Diagram:
    """Boxes, arrows, groups and a title of text that means something to one format or another."""
    boxes = tuple(Box(f"b{k}", "x", text, shape_text=text, tooltip=text, note_text=text, group=text) for k, text in enumerate(NASTY))
    arrows = tuple(Arrow(f"b{k}", f"b{k + 1}", "x", text, tooltip=text) for k, text in enumerate(NASTY[1:]))
    return Diagram(" ".join(NASTY), boxes, arrows, groups=(Group("end", "- x"),), moments=(Moment(EVIL, "x", EVIL, ("b1",), (0,)),))


DIAGRAMS = {**ALL, "plan": plan(5), "strange": strange()}


def pixels(data: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int64)


def border_is_paper(picture: NDArray[np.int64], wide: int = 3) -> bool:
    edges = np.concatenate([picture[:wide].reshape(-1, 3), picture[-wide:].reshape(-1, 3), picture[:, :wide].reshape(-1, 3), picture[:, -wide:].reshape(-1, 3)])
    return bool((edges == picture[0, 0]).all())


# ---------------------------------------------------------------------- PNG and PDF
@pytest.mark.parametrize("name", DIAGRAMS)
def test_png(name: str) -> None:
    made = to_png(DIAGRAMS[name], scale=1)
    assert made.startswith(b"\x89PNG")
    wide, high = size_of(to_svg(DIAGRAMS[name]))
    found = pixels(made)
    assert abs(found.shape[1] - wide) <= 1 and abs(found.shape[0] - high) <= 1
    assert border_is_paper(found) and len(np.unique(found @ [65536, 256, 1])) > 30


def test_scale_and_theme_of_png() -> None:
    one, two, dark = (pixels(to_png(network(), **more)) for more in ({"scale": 1.0}, {}, {"theme": "dark"}))
    assert tuple(two.shape[k] for k in (0, 1)) == pytest.approx([2 * one.shape[k] for k in (0, 1)], abs=2)
    assert one[0, 0].tolist() == [255, 255, 255] and dark[0, 0].tolist() == [0x14, 0x18, 0x1d]
    assert to_png(network(), theme="auto") == to_png(network())
    for scale in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above 0"):
            to_png(network(), scale=scale)
    with pytest.raises(InputError, match=r"too big for a PNG; write it as \.svg or \.pdf, or with a scale of [\d.]+ at most"):
        to_png(network(), scale=40)


def page_of(pdf: bytes) -> tuple[float, float]:
    """Width and height of the only page, in points."""
    boxes = re.findall(rb"/MediaBox ?\[([^\]]*)\]", pdf)
    assert len(boxes) == 1
    left, low, right, high = map(float, boxes[0].split())
    return right - left, high - low


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_page_of_a_pdf_is_the_picture(name: str) -> None:
    made = to_picture_pdf(DIAGRAMS[name])
    assert made.startswith(b"%PDF") and page_of(made) == pytest.approx([0.75 * side for side in size_of(to_svg(DIAGRAMS[name]))], abs=0.01)
    assert not re.search(rb"/Subtype\s*/Image", made), "lines stay lines"


@pytest.mark.parametrize("name", ["network", "wild", "schedule", "kinds"])
def test_nothing_of_a_pdf_is_cut(name: str, tmp_path: Path) -> None:
    """Drawn by Poppler at 96 dots an inch it is the PNG, but for the way in which edges are smoothed."""
    program = shutil.which("pdftoppm")
    if program is None:
        pytest.skip("no Poppler on this machine")
    made = to_picture_pdf(DIAGRAMS[name])
    assert made == to_picture_pdf(DIAGRAMS[name])
    (tmp_path / "picture.pdf").write_bytes(made)
    subprocess.run([program, "-r", "96", "-png", "-singlefile", "picture.pdf", "picture"], cwd=tmp_path, check=True, capture_output=True)
    found, wanted = pixels((tmp_path / "picture.png").read_bytes()), pixels(to_png(DIAGRAMS[name], scale=1))
    assert abs(found.shape[0] - wanted.shape[0]) <= 1 and abs(found.shape[1] - wanted.shape[1]) <= 1 and border_is_paper(found)
    assert apart(found, wanted) < 0.01 < apart(np.roll(found, 8, axis=0), wanted) and apart(found[:-30], wanted[:-30]) < 0.01
    missing = found.copy()
    missing[:, -120:] = 255
    assert apart(missing, wanted) > 0.01


def apart(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """The share of what is drawn that is not the same, by the means of squares of 6 dots."""
    high, wide = (min(one.shape[k], other.shape[k]) // 6 * 6 for k in (0, 1))
    means = [side[:high, :wide].reshape(high // 6, 6, wide // 6, 6, 3).mean(axis=(1, 3)) for side in (one, other)]
    return float((np.abs(means[0] - means[1]).max(axis=-1) > 45).sum() / (means[1].min(axis=-1) < 235).sum())


def test_a_very_long_picture_fits_a_pdf() -> None:
    """200 inches are the most that readers of PDF show."""
    long = Diagram("", tuple(Box(f"b{k}", "x", "x", span=(k, k)) for k in range(700)))
    assert max(size_of(to_svg(long))) > 20_000 and max(page_of(to_picture_pdf(long))) == pytest.approx(14_400, abs=0.5)


# ---------------------------------------------------------------------- Mermaid
def test_mermaid_has_every_box_arrow_and_group() -> None:
    for name, diagram in DIAGRAMS.items():
        text = to_mermaid(diagram)
        lines = [line.strip() for line in text.splitlines()]
        boxes = [line for line in lines if re.match(r"n\d+[(\[{]", line)]
        assert len(boxes) == len(diagram.boxes) and sorted(re.match(r"n\d+", line)[0] for line in boxes) == sorted(f"n{k}" for k in range(len(boxes))), name
        arrows = [line for line in lines if re.match(r'n\d+ (-->|-\.->|---)(\|"[^"|]*"\|)? n\d+$', line)]
        number = {box.id: k for k, box in enumerate(diagram.boxes)}
        assert [(line.split()[0], line.split()[-1]) for line in arrows] == [(f"n{number[a.tail]}", f"n{number[a.head]}") for a in diagram.arrows], name
        groups = {group.name for box in diagram.boxes for group in diagram.around(box.group)}
        assert sum(line.startswith("subgraph ") for line in lines) == lines.count("end") == len(groups)
        for line in lines:
            known = r'(---|title: ".*"|flowchart (LR|TB)|end|(classDef|class|linkStyle) .*|subgraph [\w-]+\["[^"]*"\]|n\d+ ~~~ n\d+)'
            assert line in boxes or line in arrows or re.fullmatch(known, line), line
        numbered = [int(k) for line in lines if line.startswith("linkStyle") for k in line.split()[1].split(",")]
        assert sorted(numbered) == list(range(len(diagram.arrows))), "every arrow has the look of its kind, once"


def test_mermaid_tells_kinds_and_groups_apart() -> None:
    text = to_mermaid(kinds())
    forms = {kind: re.search(rf'n\d+(\W+)"x?.*?{kind}.*?"(\W+):::{kind}', text).groups() for kind in ("data", "param", "const", "op", "output", "gradient", "fold")}
    assert len(set(forms.values())) == 7
    styles = {kind: re.search(rf"linkStyle {k} (.*)", text)[1] for k, kind in enumerate(("forward", "backward", "reuse"))}
    assert "dasharray" not in styles["forward"] and re.search("dasharray:5 3", styles["backward"]) and re.search("dasharray:1.5 2.5", styles["reuse"])
    nested = to_mermaid(stepped())
    outer = nested.index('subgraph g0["blocks × 3"]')
    assert outer < nested.index('subgraph g0-0["block 1"]') < nested.index('subgraph g1["output layer"]') and to_mermaid(schedule()).count("~~~") == 7
    assert "opacity:0.35" in to_mermaid(kinds(faded=True)) and "opacity" not in text


def read_label(label: str) -> str:
    """What Mermaid shows of a label: numbers stand for letters."""
    assert not re.search(r"""#(?!\d+;)|["<>&`\\%$*_~\[\]{}|!@:]|^(-|\d+[.)])""", label.replace("<br/>", "")), f"something in {label!r} could mean something"
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)


def test_mermaid_text_is_shown_as_it_is() -> None:
    diagram = strange()
    text = to_mermaid(diagram)
    for k, box in enumerate(diagram.boxes):
        label = re.search(rf'^ *n{k}\["(.*)"\]:::op$', text, re.MULTILINE)[1]
        assert [read_label(part) for part in label.split("<br/>")] == [" ".join(printable(line).split()) for line in lines_of(box)]
    with pytest.raises(AssertionError, match="could mean something"):
        read_label('say "hello"')
    title = json.loads(text.splitlines()[1].removeprefix("title: "))
    assert "\n" not in title and not set("<>&") & set(title) and "onerror" in title


# ---------------------------------------------------------------------- all of them
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_bytes_and_no_strangers_words(form: str) -> None:
    """Strangers' text is neither a tag nor a control character in any format."""
    diagram = replace(wild(), moments=(Moment(EVIL, "x", EVIL, ("evil",), (8,)),))
    made = FORMATS[form](diagram)
    assert made == FORMATS[form](diagram)
    if isinstance(made, str) and form != "dot":      # whose text is between quotes: test_diagram.py
        body = made.partition("---\n")[2].partition("---\n")[2] if form == "mermaid" else made
        assert "<script" not in body and "\x00" not in made and not any(0xD800 <= ord(letter) < 0xE000 for letter in made)


def test_the_same_bytes_in_another_process() -> None:
    code = ("import hashlib, diagrams\nfrom symgrad.render.animation import *\nfrom symgrad.render.dot import *\nfrom symgrad.render.mermaid import *\n"
            "from symgrad.render.raster import *\nd = diagrams.stepped(1)\n"
            "print([hashlib.sha256(x if isinstance(x, bytes) else x.encode()).hexdigest() for x in"
            " (to_png(d), to_picture_pdf(d), to_dot(d), to_mermaid(d), to_animated_svg(d), to_gif(d))])")
    runs = {subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed}, check=True,
                           capture_output=True, encoding="utf-8").stdout for seed in "12"}
    assert len(runs) == 1


@pytest.mark.parametrize(("write", "module", "package", "extra"), [
    (to_png, "resvg_py", "resvg-py", "png"), (to_picture_pdf, "typst", "typst", "pdf"), (to_gif, "resvg_py", "resvg-py", "plots"), (to_gif, "PIL", "pillow", "plots")])
def test_what_is_missing_is_said_by_name(write: Callable[[Diagram], bytes], module: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*symgrad\[{extra}\]"):
        write(stepped(1))


@pytest.mark.parametrize("write", [to_svg, to_dot, to_mermaid, to_animated_svg])
def test_what_needs_nothing_needs_nothing(write: Callable[[Diagram], str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("resvg_py", "typst", "PIL", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    assert write(stepped(1))


def test_png_of_white_paper() -> None:
    """What a document's pictures are drawn on where they leave paper out."""
    assert pixels(png_of('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4" viewBox="0 0 4 4"/>'))[0, 0].tolist() == [255] * 3
    assert len(to_png(chain(3), scale=0.5)) < len(to_png(chain(3)))
