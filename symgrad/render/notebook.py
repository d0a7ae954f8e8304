"""A document in; a Jupyter notebook out: its text in cells of Markdown, its checks as cells of code that run from top to bottom."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

from symgrad.errors import MissingExtraError
from symgrad.explain.document import Block, Check, Document, Section
from symgrad.render.markdown import Writer, inline_picture

__all__ = ["to_notebook"]


def to_notebook(document: Document) -> str:
    """The notebook as text, the same for the same document; it has not been run, so it has no outputs.

    Raises:
        MissingExtraError: nbformat is not installed.
        InputError: a formula cannot be shown; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    try:
        import nbformat
        from nbformat import v4
    except ModuleNotFoundError:
        raise MissingExtraError("nbformat", "notebook") from None
    writer = Writer(inline_picture, github=False)
    texts = [("markdown", writer.head(document)), *_cells(document.blocks, writer, 2), ("markdown", writer.foot(document))]
    cells = [v4.new_code_cell(text.rstrip(), id=f"cell-{k}") if kind == "code" else v4.new_markdown_cell(text.rstrip(), id=f"cell-{k}")
             for k, (kind, text) in enumerate(texts, 1) if text.strip()]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}, "title": document.title})
    nbformat.validate(book)
    return str(nbformat.writes(book)) + "\n"


def _cells(blocks: Iterable[Block], writer: Writer, level: int) -> Iterator[tuple[str, str]]:
    """A cell for what stands before the first section, one for each section, and one of code after each check that can be repeated."""
    text: list[str] = []
    for block in blocks:
        if isinstance(block, Section):
            yield "markdown", "\n".join(text)
            inner = [*_cells(block.blocks, writer, level + 1)]
            first = inner[0][1] if inner and inner[0][0] == "markdown" else ""
            yield "markdown", f"{writer.heading(block, level)}\n{first}"
            yield from inner[bool(inner) and inner[0][0] == "markdown":]
            text = []
        elif isinstance(block, Check) and block.code:
            yield "markdown", "\n".join([*text, writer.block(block, level)])
            yield "code", block.code
            text = []
        else:
            text.append(writer.block(block, level))
    yield "markdown", "\n".join(text)
