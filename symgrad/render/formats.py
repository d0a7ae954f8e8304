"""A document and a file name in; the file in the format that its suffix names out."""
from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from symgrad.core.files import check_place, write
from symgrad.errors import InputError, nearest
from symgrad.explain.document import Document
from symgrad.render.html import to_html
from symgrad.render.json_page import to_json
from symgrad.render.latex_page import latex_files, to_latex
from symgrad.render.markdown import markdown_files, to_markdown
from symgrad.render.notebook import to_notebook
from symgrad.render.pdf import to_pdf
from symgrad.render.text import to_text

__all__ = ["FORMATS", "renderer", "save"]

FORMATS: Mapping[str, Callable[[Document], str | bytes]] = {
    ".html": to_html, ".ipynb": to_notebook, ".json": to_json, ".md": to_markdown, ".pdf": to_pdf, ".tex": to_latex, ".txt": to_text,
}
BESIDE: Mapping[str, Callable[[Document, str], Mapping[str, str | bytes]]] = {".md": markdown_files, ".tex": latex_files}
"""Formats whose pictures are files beside the text: every file by its name, the text first."""


def renderer(path: str | os.PathLike[str]) -> Callable[[Document], str | bytes]:
    """The function that writes the format named by the suffix of `path`, in capitals or not.

    Raises:
        InputError: no such format; the message lists those there are.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        problem = f"{suffix} is no format for a document" if suffix else "it has no suffix that names a format"
        raise InputError(f"cannot write {path}: {problem}; known are {', '.join(sorted(FORMATS))}{nearest(suffix, FORMATS)}")
    return FORMATS[suffix]


def save(document: Document, path: str | os.PathLike[str]) -> None:
    """Write the document to `path` in the format of its suffix, and its pictures beside it where the format has them in files of their own.

    Nothing is written unless all of it can be.

    Raises:
        InputError: unknown suffix, missing folder, or a formula that the format cannot show.
        MissingExtraError: an optional package is not installed; the message names the extra.
    """
    render = renderer(path)
    check_place(path)
    place = Path(path)
    if place.suffix.lower() not in BESIDE:
        write(path, render(document))
        return
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", place.stem)    # a name that Markdown and LaTeX read as it is
    text, *pictures = BESIDE[place.suffix.lower()](document, stem).items()
    for name, data in pictures:
        write(place.with_name(name), data)
    write(path, text[1])
