"""Worked solutions in every format: golden files of four networks, and what each format must keep: nothing cropped, nothing executed.

The golden files are rewritten by: SYMGRAD_GOLDEN=write pytest tests/test_formats.py
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
from documents import every_block, say, worked_solution
from markdown_it import MarkdownIt
from pylatexenc.latexwalker import LatexWalker
from test_html import EVIL, FORMULAS

import symgrad as sg
from symgrad.cli import main
from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.document import Check, CodeBlock, Document, Element, Equation, Line, Math, Paragraph, Picture, Section, Table, Text, walk
from symgrad.render.breaking import elided, pieces, span
from symgrad.render.formats import FORMATS, save
from symgrad.render.html import to_html
from symgrad.render.json_page import to_json
from symgrad.render.latex_page import to_latex
from symgrad.render.markdown import to_markdown
from symgrad.render.mathml import to_mathml
from symgrad.render.notebook import to_notebook
from symgrad.render.pdf import to_pdf
from symgrad.render.typst_math import to_typst_math
from symgrad.render.typst_page import to_typst

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "solutions"
NETWORKS = ("scalar_chain", "two_hidden_layers", "regression", "attention")
WIDE = ("examples/attention.sg", "examples/batch_norm.sg", "examples/problems/layer_norm.sg", "tests/networks/recurrent.sg")


@cache
def solution(path: str, picture: bool = False, detail: str = "standard") -> sg.Solution:
    file = ROOT / (path if "/" in path else f"examples/{path}.sg")
    return sg.solve(sg.parse(file.read_text(encoding="utf-8")), picture=picture, detail=detail)


def written(name: str, suffix: str, detail: str = "standard") -> str:
    """The format's text; of a page what the font does not fill, of a PDF its source."""
    document = solution(name, name == "scalar_chain", detail).document
    shown = to_typst(document) if suffix == ".pdf" else FORMATS[suffix](document)
    assert isinstance(shown, str)
    return shown[shown.index("<body>"):] if suffix == ".html" else shown


@pytest.mark.parametrize("detail", ["brief", "standard", "full"])
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_golden(name: str, suffix: str, detail: str) -> None:
    shown = written(name, suffix, detail)
    file = GOLDEN / f"{name}{'' if detail == 'standard' else f'_{detail}'}{'.typ' if suffix == '.pdf' else suffix}"
    if os.environ.get("SYMGRAD_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


# ---------------------------------------------------------------------- PDF
@pytest.mark.parametrize("path", WIDE)
def test_nothing_stands_in_the_margins_of_a_page(path: str) -> None:
    """Every page as a picture; the strips beside the text are white from the top to the bottom."""
    import io

    import typst
    image = pytest.importorskip("PIL.Image")
    source = to_typst(solution(path).document)
    pages = typst.compile(source.encode(), format="png", ppi=72, ignore_system_fonts=True)
    for page in [pages] if isinstance(pages, bytes) else pages:
        dots = np.array(image.open(io.BytesIO(page)).convert("L"))
        margin = 50                                          # of 57 points: a frame may stand out a little
        assert dots.shape[1] in (595, 596) and dots.min() < 100
        assert dots[:, :margin].min() > 250 and dots[:, -margin:].min() > 250


def test_the_same_pdf_each_time_and_no_text_is_a_command() -> None:
    first = to_pdf(worked_solution())
    assert first == to_pdf(worked_solution()) and first.startswith(b"%PDF")
    evil = f'{EVIL} #read("/etc/passwd") $x$ \\ "" `raw` @ref <label> // comment'
    page = Document(evil, subtitle=say(evil), meta=((evil, evil),), language='"]', blocks=(
        Section((Text(evil),), (), badge=evil, number=evil), CodeBlock(evil, evil, say(evil)), Table((say(evil),), ((say(evil),),), say(evil)),
        Equation((Line((Math(r"\text{#panic() \# $x$ \"}", "x"),), reason=say(evil), number=evil),)), Paragraph(say(evil))))
    assert to_pdf(page).startswith(b"%PDF") and b"panicked" not in to_pdf(page)


@pytest.mark.parametrize("tex", [tex for tex, _, _ in FORMULAS] + [r"\left\{ a \right.", r"\mathit{loss}_n", r"\Bigl(a", r"b\biggr)^2", r"\max_i x_i", "1{,}5/2"])
def test_formulas_are_set_by_typst(tex: str) -> None:
    import typst
    for options in ({}, {"displaystyle": True}, {"infix": True}):
        assert typst.compile(f"${to_typst_math(tex, **options)}$".encode(), format="svg", ignore_system_fonts=True)


# ---------------------------------------------------------------------- LaTeX
@pytest.mark.parametrize("document", [every_block(), worked_solution(), *(solution(path).document for path in WIDE)], ids=lambda d: d.title)
def test_latex_is_well_formed(document: Document, tmp_path: Path) -> None:
    """Read by pylatexenc without tolerance, and compiled where there is a TeX: no line is too long, no letter is missing."""
    save(document, tmp_path / "page.tex")
    source = (tmp_path / "page.tex").read_text(encoding="utf-8")
    assert r"\documentclass[11pt,a4paper]{article}" in source
    body = source.partition(r"\begin{document}")[2].partition(r"\end{document}")[0]
    LatexWalker(body, tolerant_parsing=False).get_latex_nodes()
    if shutil.which("pdflatex"):
        done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, timeout=100)
        told = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, told[-2000:]
        assert not [float(w) for w in re.findall(r"Overfull \\hbox \((\d+\.\d+)pt", told) if float(w) > 5] and "Missing character" not in told


def test_latex_says_any_words() -> None:
    shown = to_latex(Document("a_b & 50% of {x} #1 $y$ \\input{z} ~^<>|", (Paragraph(say("½ δ ⁽²⁾ é ∑ 漢 \x00")),)))
    assert r"a\_b \& 50\% of \{x\} \#1 \$y\$ \textbackslash{}input\{z\}" in shown
    assert r"$\tfrac12$ $\delta$" in shown and r"\textsuperscript{2}" in shown and "é U+2211 U+6F22" in shown and shown.isprintable() is False
    for render in (to_latex, to_markdown, to_notebook):
        with pytest.raises(InputError, match="input"):
            render(Document("t", (Paragraph((Math(r"\input{secret}", "x"),)),)))


# ---------------------------------------------------------------------- notebook
def run(book: nbformat.NotebookNode, folder: Path) -> None:
    from nbclient import NotebookClient
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.parametrize("name", ["two_hidden_layers", "attention"])
def test_the_notebook_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    book = nbformat.reads(written(name, ".ipynb"), as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    run(book, tmp_path)
    names = solution(name).derivation.keys()
    assert len(code) == 1 and code[0].outputs[0].text.count("largest difference") == len(names)


@pytest.mark.parametrize("path", ["regression", "tests/networks/two_layers.sg", "examples/problems/recurrent.sg", *WIDE[1:]])
def test_the_check_can_be_repeated_and_can_fail(path: str) -> None:
    """The program that the notebook runs passes; it fails when a formula in it has another sign."""
    document = solution(path).document
    code = next(element.code for element in walk(document) if isinstance(element, Check))
    program = compile(code, path, "exec")
    exec(program, {})
    exec(code, found := {"print": lambda _: None})
    name, formula = next(iter(found["formulas"].items()))
    *lines, last = formula.strip().split("\n")
    head, _, body = last.rpartition(" = ")
    wrong = "\n".join([*lines, f"{head} = 2*({body})" if head else f"2*({last})"])
    start = code.index("formulas = {")
    spoiled = f"{code[:start]}formulas = {{{name!r}: {wrong!r}}}\n{code[code.index('def differences'):]}"
    with pytest.raises(AssertionError, match=name):
        exec(spoiled, {"print": lambda _: None})


# ---------------------------------------------------------------------- Markdown, JSON
@pytest.mark.parametrize("document", [every_block(), worked_solution(), *(solution(path).document for path in WIDE)], ids=lambda d: d.title)
def test_markdown_says_what_the_document_holds(document: Document) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(document))
    kinds = [type(element) for element in walk(document)]
    assert sum(t.type == "table_open" for t in tokens) == kinds.count(Table)
    math = [t.content for t in tokens if t.type == "fence" and t.info == "math"]
    assert len(math) >= kinds.count(Equation)
    for block in math:
        assert block.count(r"\begin{aligned}") == block.count(r"\end{aligned}") == 1 and block.count("{") - block.count(r"\{") == block.count("}") - block.count(r"\}")
        assert to_mathml(block).startswith("<math")
    inner = [child for t in tokens for child in t.children or () if child.type == "code_inline" and child.markup == "`"]
    inline = [e.tex for e in walk(document) if isinstance(e, Math)]
    assert {c.content for c in inner if "\\" in c.content} <= {tex.replace("|", r"\vert ") for tex in inline} | {tex.replace(r"\|", r"\Vert ") for tex in inline}


def test_markdown_takes_words_as_words() -> None:
    words = "*a* _b_ [c](d) `e` <f> $g$ | \\ # h ~i~ &amp; ![j](k)"
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(Document("t", (Paragraph(say(words)), Paragraph(say("# no title")), Paragraph(say("- no item"))))))
    inline = [t for t in tokens if t.type == "inline"]
    assert ["".join(c.content for c in t.children or ()) for t in inline] == ["t", words, "# no title", "- no item"]
    assert {c.type for t in inline for c in t.children or ()} <= {"text", "text_special"}


def test_json_holds_all_of_the_document() -> None:
    for document in (every_block(), worked_solution(), solution("two_hidden_layers", picture=True).document):
        record = json.loads(to_json(document))
        assert record["format"] == "symgrad solution" and record["version"] == 1
        assert _rebuilt(record["document"]) == document


def _rebuilt(value: object) -> object:
    from symgrad.explain import document
    if isinstance(value, dict):
        return getattr(document, value["type"])(**{k: _rebuilt(v) for k, v in value.items() if k != "type"})
    return tuple(map(_rebuilt, value)) if isinstance(value, list) else value


def test_every_kind_of_element_can_be_told_apart_in_json() -> None:
    kinds = set(re.findall(r'"type": "([A-Z]\w+)"', to_json(every_block())))
    assert kinds == {kind.__name__ for kind in Element.__args__}


# ---------------------------------------------------------------------- files
def test_pictures_stand_beside_the_text(tmp_path: Path) -> None:
    document = solution("scalar_chain", picture=True).document
    svg = next(element.svg for element in walk(document) if isinstance(element, Picture))
    save(document, tmp_path / "my net.md")
    assert "](my-net-1.svg)" in (tmp_path / "my net.md").read_text() and (tmp_path / "my-net-1.svg").read_text() == svg
    save(document, tmp_path / "net.TEX")
    assert r"{net-1.png}" in (tmp_path / "net.TEX").read_text() and (tmp_path / "net-1.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/svg+xml;base64," in to_notebook(document)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my net.md", "my-net-1.svg", "net-1.png", "net.TEX"]


@pytest.mark.parametrize(("suffix", "package", "extra"), [(".pdf", "typst", "pdf"), (".ipynb", "nbformat", "notebook"), (".tex", "resvg_py", "png")])
def test_what_is_missing_is_said_by_name(suffix: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    file = tmp_path / f"page{suffix}"
    with pytest.raises(MissingExtraError, match=rf"symgrad\[{extra}\]"):
        save(solution("scalar_chain", picture=True).document, file)
    assert main(["solve", str(ROOT / "examples" / "scalar_chain.sg"), "--out", str(file)]) == 2
    assert f"symgrad[{extra}]" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- a browser
@pytest.mark.browser
@pytest.mark.parametrize("path", WIDE)
@pytest.mark.parametrize("width", [760, 1200])
def test_nothing_is_cut_off_on_the_page(path: str, width: int, chromium: str, tmp_path: Path) -> None:
    """No equation, table or paragraph is wider than its place, and no two lines of text of a reason and its formula overlap."""
    page = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(solution(path).document))
    tell = """<script>document.fonts.ready.then(() => {
        document.querySelectorAll('details').forEach(d => d.open = true);
        const wide = [...document.querySelectorAll('.equation, .scroll, p')].filter(e => e.scrollWidth > e.clientWidth + 1);
        const over = [...document.querySelectorAll('.reason')].filter(r => { const a = r.getBoundingClientRect();
            return [...r.parentElement.querySelectorAll('.formula math')].some(f => { const b = f.getBoundingClientRect();
                return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1; }); });
        parent.postMessage(`${wide.length} ${over.length} ${document.querySelectorAll('.reason').length > 3}`, '*'); })</script>"""
    (tmp_path / "page.html").write_text(page.replace("</body>", tell + "</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text("<title>none</title><script>onmessage = event => document.title = `told ${event.data}`</script>"
                                         f'<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>', encoding="utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,900",
         "--virtual-time-budget=8000", "--dump-dom", (tmp_path / "frame.html").as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "<title>told 0 0 true</title>" in done.stdout




# ---------------------------------------------------------------------- breaking
@pytest.mark.parametrize("path", WIDE)
def test_pieces_are_the_whole_formula(path: str) -> None:
    """Nothing is lost or doubled but the thin spaces at the ends of pieces; each piece is a formula, and short unless it has no place to break."""
    def bare(tex: str) -> str:
        return re.sub(r"\\(?:left|right|[bB]igg?[lr]?)(?![a-z])|\\,|\s", "", tex)
    broken = 0
    for element in walk(solution(path).document):
        if isinstance(element, Math):
            found = pieces(element.tex)
            broken += len(found) > 1
            assert bare("".join(found)) == bare(element.tex) and (len(found) > 1 or span(element.tex) <= 30 or "frac" in element.tex or "sum" in element.tex)
            assert all(to_mathml(piece) for piece in found)
    assert broken


def test_big_matrices_have_dots_for_their_middle() -> None:
    rows = r" \\ ".join(" & ".join(str(10 * i + j) for j in range(12)) for i in range(11))
    tex = rf"A = \begin{{bmatrix}} {rows} \end{{bmatrix}}"
    shown = to_latex(Document("t", (Equation((Line((Math(tex, "A"),)),)),)))
    assert shown.count(r"\vdots") == 7 and shown.count(r"\ddots") == 1 and shown.count(r"\cdots") == 7 and " 1011" not in shown and "111" in shown
    assert to_mathml(elided(tex)).count("<mtr>") == 8
