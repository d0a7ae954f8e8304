"""A document in; a PDF out, set by Typst from the document's own source, without a system's fonts or a TeX installation."""
from __future__ import annotations

import tempfile

from symgrad.errors import InternalError, MissingExtraError
from symgrad.explain.document import Document
from symgrad.render.typst_page import to_typst

__all__ = ["compiled", "to_pdf"]


def to_pdf(document: Document) -> bytes:
    """The PDF, the same bytes for the same document.

    Raises:
        MissingExtraError: Typst is not installed.
        InputError: a formula cannot be shown; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    return compiled(to_typst(document))


def compiled(source: str) -> bytes:
    """Typst source written by symgrad as PDF. Raises MissingExtraError where Typst is not installed, InternalError where it refuses the source."""
    try:
        import typst
    except ModuleNotFoundError:
        raise MissingExtraError("typst", "pdf") from None
    with tempfile.TemporaryDirectory() as empty:     # the source may read nothing of this machine
        try:
            made = typst.compile(source.encode("utf-8"), root=empty, format="pdf", ignore_system_fonts=True, timestamp=0)
        except typst.TypstError as error:
            raise InternalError(f"Typst refuses the page that symgrad wrote: {error}") from error
    assert isinstance(made, bytes)
    return made
