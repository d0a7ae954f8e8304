"""A document in; JSON out that holds all of it: each element an object with its type and its fields, formulas as LaTeX and as notation."""
from __future__ import annotations

import dataclasses
import json

from symgrad.explain.document import Document, Element

__all__ = ["VERSION", "to_json"]

VERSION = 1
"""Of the layout of the file; a change that breaks readers raises it."""


def to_json(document: Document) -> str:
    """The text, the same for the same document: {"format": "symgrad solution", "version": 1, "document": {"type": "Document", ...}}.

    Raises:
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    record = {"format": "symgrad solution", "version": VERSION, "document": _value(document)}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _value(value: object) -> object:
    if isinstance(value, Element):
        return {"type": type(value).__name__, **{field.name: _value(getattr(value, field.name)) for field in dataclasses.fields(value)}}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"a page cannot show {type(value).__name__}")
