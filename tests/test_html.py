"""The web page: golden body, escaping, MathML of every command that is written, pictures side by side, no overflow in a browser.

The golden file is rewritten by: SYMGRAD_GOLDEN=write pytest tests/test_text.py tests/test_html.py
"""
from __future__ import annotations

import os
import re
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from documents import SVG, every_block, say, worked_solution

from symgrad.errors import InputError, InternalError
from symgrad.explain.document import (
    Code,
    CodeBlock,
    Document,
    Equation,
    Factor,
    FactorRow,
    Line,
    Math,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
)
from symgrad.render.html import to_html
from symgrad.render.mathml import to_mathml
from symgrad.render.pictures import inline_svg

GOLDEN = Path(__file__).parent / "golden" / "every_block.html"
EVIL = "<script>alert('1')</script> \"quoted\" ]]> &amp; </style></title>"


def _body(page: str) -> str:
    return page[page.index("<body>"):]


def test_golden() -> None:
    shown = _body(to_html(every_block()))
    if os.environ.get("SYMGRAD_GOLDEN") == "write":
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")


class _Balance(HTMLParser):
    """Collects tags and fails on one that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("document", [every_block(), worked_solution()], ids=["every block", "worked solution"])
def test_the_page_is_well_formed_offline_and_accessible(document: Document) -> None:
    page = to_html(document)
    found = _Balance()
    found.feed(page)
    tags = [tag for tag, _ in found.seen]
    assert found.open == [] and tags.count("h1") == tags.count("main") == 1 and page.index("<style>") < page.index("<body>")
    assert ("html", {"lang": "en"}) in found.seen and "script" not in tags and "link" not in tags
    assert page.count("font/woff2") == 1 and not re.search(r"(src|href)=\"(?!#)|@import|url\(h", page.replace('xmlns="', ""))
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes in found.seen:
        assert tag != "math" or attributes.get("alttext")
        assert tag != "th" or attributes.get("scope") == "col"
        assert tag != "svg" or (attributes.get("role") == "img" and attributes.get("aria-label"))
    ids = [attributes["id"] for _, attributes in found.seen if "id" in attributes]
    links = {attributes["href"] for tag, attributes in found.seen if tag == "a"}
    assert len(ids) == len(set(ids)) and links <= {f"#{name}" for name in ids}


def test_everything_from_outside_is_escaped() -> None:
    evil = say(EVIL)
    page = to_html(Document(EVIL, subtitle=evil, meta=((EVIL, EVIL),), language='"><b>', blocks=(
        Section((Text(EVIL), Code(EVIL)), (), badge=EVIL, number=EVIL), CodeBlock(EVIL, EVIL, evil), Picture(SVG, EVIL, evil),
        Table((evil,), ((evil,),), evil), Paragraph(say(Math(r"\text{<script>alert(1)</script> \& ]]>}", "x"))),
        Equation((Line((Math("x", "x"), FactorRow((Factor(Math("x", "x"), Math("x", "x"), evil),))), reason=evil, number=EVIL),)),
    )))
    assert "<script" not in page and "<b>" not in page and "]]>" not in page and page.count("</style>") == 2  # the page's, the picture's
    found = _Balance()
    found.feed(page)
    assert found.open == []
    assert "\x00" not in to_html(Document("a\x00\ud800", ()))


def test_contents_are_listed_from_six_sections_on() -> None:
    sections = tuple(Section(say(f"part {place}"), ()) for place in range(6))
    assert "<nav" not in to_html(Document("t", sections[:5]))
    page = to_html(Document("t", sections))
    assert [f'href="#part_{place}"' in page and f'id="part_{place}"' in page for place in range(1, 7)] == [True] * 6


def _tags(tex: str) -> list[str]:
    return [element.tag for element in ElementTree.fromstring(to_mathml(tex)).iter()]


# LaTeX, what must stand in the MathML, its visible characters.
FORMULAS = [
    (r"\operatorname{diag}(g'(z))", "<mi>diag</mi>", "diag(g′(z))"),
    (r"\mathrm{diag}", "<mi>diag</mi>", "diag"),
    (r"W^{(2)\top}", "<mi>⊤</mi>", "W(2)⊤"),
    (r"a \odot b \circ c", "<mo>⊙</mo>", "a⊙b∘c"),
    (r"\underbrace{W x}_{K \times 1}", '<mrow class="underbrace">', "WxK×1"),
    (r"\begin{bmatrix} a & b \\ c & d \end{bmatrix}", "<mtable>", "[abcd]"),
    (r"\begin{vmatrix} a & b \\ c & d \end{vmatrix}", 'form="prefix"', "|abcd|"),
    (r"\begin{aligned} a &= b \\ &= c \end{aligned}", '<mtable class="aligned">', "a=b=c"),
    (r"\begin{cases} a & x > 0 \\ b & \text{else} \end{cases}", 'fence="true"', "{ax>0belse"),
    (r"\mathbb{R}^{D\times K}", "<mi>ℝ</mi>", "ℝD×K"),
    (r"\boxed{x = 1}", '<mrow class="boxed">', "x=1"),
    (r"\text{if } x", "<mtext>if\xa0</mtext>", "if\xa0x"),
    (r"\ell \partial \nabla \infty", "<mi>∂</mi>", "ℓ∂∇∞"),
    (r"\hat{y}", "<mover>", "yˆ"),
    (r"\bar{W}", "<mover>", "W¯"),
    (r"\dot x", "<mover>", "x˙"),
    (r"\overline{AB}", '<mrow class="overline">', "AB"),
    (r"\delta_{ij}", "<msub>", "δij"),
    (r"\sum_{n=1}^{N} x_n", "<munderover>", "∑n=1Nxn"),
    (r"\left( \frac{a}{b} \right)", "<mfrac>", "(ab)"),
    (r"g''(z)", "<mo form=\"postfix\" lspace=\"0\" rspace=\"0\">″</mo>", "g″(z)"),
    (r"h'_k", "<msub>", "h′k"),
    (r"\exp(-x) \pm y", '<mo form="prefix">−</mo>', "exp(−x)±y"),
    (r"2 \tanh z \operatorname{tr} X", '<mspace width="0.1667em" />', "2tanhztrX"),
    (r"\boldsymbol{\delta}\mathbf{X}\mathbf{0}", "𝜹", "𝜹𝐗𝟎"),
    (r"\lVert x \rVert^2", 'stretchy="false"', "‖x‖2"),
    (r"\frac{\partial \mathcal{L}}{\partial w^{(1)}_{dk}}", "<msubsup>", "∂ℒ∂wdk(1)"),
    (r"a \cdots b, 1, \dots, N", "<mi>…</mi>", "a⋯b,1,…,N"),
    (r"a < b", "&lt;", "a<b"),
]


@pytest.mark.parametrize(("tex", "part", "seen"), FORMULAS, ids=[tex for tex, _, _ in FORMULAS])
def test_formulas_become_the_mathml_they_mean(tex: str, part: str, seen: str) -> None:
    shown = to_mathml(tex)
    assert part in shown
    root = ElementTree.fromstring(shown)
    assert "".join(root.itertext()) == seen and root.get("alttext") == tex
    assert "menclose" not in shown and "mathvariant" not in shown and "columnspacing" not in shown


@pytest.mark.parametrize("tex", [
    r"\unknown x", "x_", r"\frac{a", "a}", "a & b", r"a \\ b", r"\left( a", r"\begin{bmatrix} a", " ", "x^1^2"])
def test_what_has_no_mathml_is_refused_by_name(tex: str) -> None:
    with pytest.raises(InputError) as caught:
        to_mathml(tex)
    assert str(caught.value).endswith(tex)


def test_a_formula_cannot_bring_links_styles_or_elements() -> None:
    shown = to_mathml(r"\href{javascript:alert(1)}{x}\style{position:fixed}{y}\class{nav}{z}\text{<img src=x onerror=y>}")
    root = ElementTree.fromstring(shown)
    assert {name for element in root.iter() for name in element.attrib} == {"alttext"}
    assert "img" not in _tags(r"\text{<img src=x>}")


def test_a_sign_between_parts_joins_them_and_after_a_relation_does_not() -> None:
    page = _body(to_html(Document("t", (Equation((Line((Math("= a", "= a"), Math("- b", "- b"), Math("=", "="), Math("-c", "-c"))),)),))))
    assert page.count('<mo form="infix">') == 2 and page.count("<mo>−</mo>") == 1      # `- b` and the second `=`; `-c`


def test_pictures_on_one_page_do_not_share_names() -> None:
    moving = SVG.replace("</svg>", '<set begin="a.end+1s" href="#b"/><marker id="m"/></svg>')
    page = to_html(Document("t", (Picture(moving, "one"), Picture(moving, "two"))))
    for place in (1, 2):
        for piece in (
                'id="{}a"', 'class="{}n"', "#{}a{{fill:#fff}}", ".{}n{{stroke:#1f3a68}}", 'url(#{}m)', 'href="#{}b"', 'begin="{}a.end+1s"'):
            assert page.count(piece.format(f"picture{place}_")) == 1
    shown = inline_svg('<svg xmlns="http://www.w3.org/2000/svg" width="30pt" height="15pt"/>', prefix="p_", alt='"a"')
    assert 'viewBox="0 0 40 20"' in shown and 'aria-label="&quot;a&quot;"' in shown and "--width:40px" in shown
    with pytest.raises(InternalError, match="not well-formed"):
        inline_svg("<svg", prefix="", alt="a")
    with pytest.raises(InternalError, match="no SVG"):
        inline_svg("<p/>", prefix="", alt="a")


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_never_overflows(chromium: str, tmp_path: Path, width: int) -> None:
    """The page stands in a frame, since a browser's own window is never narrower than 500 pixels; it tells its width to the frame."""
    page = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(worked_solution())).replace("<details>", "<details open>")
    tell = "<script>document.fonts.ready.then(() => parent.postMessage(document.documentElement.scrollWidth, '*'))</script>"
    (tmp_path / "page.html").write_text(page.replace("</body>", tell + "</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        "<title>none</title><script>onmessage = event => document.title = `width ${event.data}`</script>"
        f'<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>', encoding="utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--hide-scrollbars", "--window-size=1400,900",
         "--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True)
    assert f"<title>width {width}</title>" in done.stdout
