"""A document and a file name in; the file in the format that its suffix names out."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from symgrad.errors import InputError, nearest
from symgrad.explain.document import Document
from symgrad.render.files import check_place, write
from symgrad.render.html import to_html
from symgrad.render.text import to_text

__all__ = ["FORMATS", "renderer", "save"]

FORMATS: Mapping[str, Callable[[Document], str | bytes]] = {".html": to_html, ".txt": to_text}


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
    """Write the document to `path` in the format of its suffix; nothing is written unless all of it can be.

    Raises:
        InputError: unknown suffix, missing folder, or a formula that the format cannot show.
    """
    render = renderer(path)
    check_place(path)
    write(path, render(document))
