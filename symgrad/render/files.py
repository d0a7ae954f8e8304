"""What writes whole files or none, for the formats, goes in; the same functions, which the training's checkpoints share, go out."""
from __future__ import annotations

from symgrad.core.files import check_place, write

__all__ = ["check_place", "write"]
