"""Pages of four solutions as one picture, to be looked at: python tests/contact_sheet.py docs/solutions.png (Chromium, pdflatex, pdftoppm, Pillow)."""
from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import typst
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from PIL import Image

import symgrad as sg
from symgrad.render.mathml import to_mathml
from symgrad.render.typst_page import to_typst

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("scalar_chain", "two_hidden_layers", "regression", "attention")
WIDE, HIGH = 330, 466                                # of one page on the sheet
STYLE = ("<style>body{max-width:46rem;margin:1.5rem auto;font:16px sans-serif}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:3px 9px}"
         "blockquote{border-left:4px solid #ccd;margin:1rem 0;padding-left:1rem;color:#555}pre{background:#f5f7fa;padding:.6rem}img{max-width:100%}"
         ".aligned mtd{padding-inline:0}mtd[columnalign=left]{text-align:left}mtd[columnalign=right]{text-align:right}"
         "mrow.underbrace{border-bottom:1px solid}mrow.boxed{border:1px solid;padding:.3em}</style>")


def page_of(markdown: str) -> str:
    """Markdown as a page: formulas of GitHub as MathML."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.type == "fence" and token.info == "math":
            token.type, token.content = "html_block", f"<p>{to_mathml(token.content.strip(), displaystyle=True)}</p>"
        children = token.children or []
        for place, child in enumerate(children):
            if child.type == "code_inline" and place and children[place - 1].content.endswith("$"):
                child.type, child.content = "html_inline", to_mathml(child.content)
                children[place - 1].content = children[place - 1].content[:-1]
                children[place + 1].content = children[place + 1].content[1:]
    return f'<!doctype html><meta charset="utf-8">{STYLE}{reader.renderer.render(tokens, reader.options, {})}'


def notebook_page(file: Path) -> str:
    """The cells of a notebook that has been run, with what they print; its dollars become GitHub's."""
    import re
    book = nbformat.read(file, as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = []
    for cell in book.cells:
        text = re.sub(r"\$\$\n(.*?)\n\$\$", r"```math\n\1\n```", cell.source, flags=re.S)
        text = re.sub(r"(?<![\\$])\$(?!\$)([^$\n]+)\$", r"$`\1`$", text)
        shown.append(text if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```\n\n```\n{''.join(o.get('text', '') for o in cell.outputs)}\n```")
    return page_of("\n\n".join(shown))


def browsed(page: Path, high: int = 1410) -> Image.Image:
    picture = page.with_suffix(".shot.png")
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={page.parent / 'profile'}",
                    f"--window-size=1000,{high}", f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=100)
    return Image.open(picture).convert("RGB")


def pages(name: str, folder: Path) -> list[Image.Image]:
    """HTML, two pages of PDF, one of LaTeX, Markdown, and the end of the notebook."""
    solution = sg.solve(sg.parse((ROOT / "examples" / f"{name}.sg").read_text(encoding="utf-8")))
    for suffix in ("html", "md", "tex", "ipynb"):
        solution.save(folder / f"{name}.{suffix}")
    set_ = typst.compile(to_typst(solution.document).encode(), format="png", ppi=80, ignore_system_fonts=True)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"], cwd=folder, check=True, capture_output=True, timeout=100)
    subprocess.run(["pdftoppm", "-r", "80", "-png", f"{name}.pdf", f"latex-{name}"], cwd=folder, check=True, timeout=100)
    (folder / "markdown.html").write_text(page_of((folder / f"{name}.md").read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "notebook.html").write_text(notebook_page(folder / f"{name}.ipynb"), encoding="utf-8")
    whole = browsed(folder / "notebook.html", 12000)
    bottom = max(y for y in range(0, whole.height, 8) if whole.crop((0, y, whole.width, y + 1)).getextrema() != ((255, 255),) * 3) + 40
    return [browsed(folder / f"{name}.html"), *(Image.open(io.BytesIO(p)) for p in set_[1:3]),
            *(Image.open(p) for p in sorted(folder.glob(f"latex-{name}-*.png"))[2:3]), browsed(folder / "markdown.html"),
            whole.crop((0, max(0, bottom - 1410), 1000, bottom))]


def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [pages(name, Path(folder)) for name in NETWORKS]
        sheet = Image.new("RGB", (len(rows[0]) * (WIDE + 6), len(rows) * (HIGH + 6)), (120, 120, 120))
        for y, row in enumerate(rows):
            for x, page in enumerate(row):
                small = page.convert("RGB")
                small = small.resize((WIDE, round(small.height * WIDE / small.width)), Image.Resampling.LANCZOS).crop((0, 0, WIDE, HIGH))
                sheet.paste(small, (x * (WIDE + 6), y * (HIGH + 6)))
        sheet.quantize(28, kmeans=1).save(target, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
