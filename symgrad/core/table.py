"""Rows of cells in; lines with the columns aligned out."""
from __future__ import annotations

from collections.abc import Sequence

__all__ = ["aligned"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row, columns as wide as their widest cell and two spaces apart; empty columns are left out."""
    keep = [n for n in range(len(rows[0])) if any(r[n] for r in rows[1:] or rows)]
    widths = {n: max(len(r[n]) for r in rows) for n in keep}
    return ["  ".join(r[n].ljust(widths[n]) for n in keep).rstrip() for r in rows]
