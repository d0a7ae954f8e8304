"""A path and finished contents in; a whole file on disk out, or the old one untouched."""
from __future__ import annotations

import os
import secrets
from pathlib import Path

from symgrad.errors import InputError

__all__ = ["check_place", "write"]


def check_place(path: str | os.PathLike[str]) -> Path:
    """The resolved path of a file that may be written.

    Raises:
        InputError: its folder does not exist, or the path is a folder itself.
    """
    place = Path(path).expanduser().resolve()
    if not place.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {place.parent} does not exist; make it first")
    if place.is_dir():
        raise InputError(f"cannot write {path}: that is a folder; add a file name")
    return place


def write(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write the file at once: the data goes to a temporary file in the same folder, which then takes the name.

    Args:
        path: where; an existing file is replaced.
        data: the contents; text is written as UTF-8 with its line ends as they are.

    Raises:
        InputError: the folder does not exist or the file cannot be written; nothing is left behind then.
    """
    place = check_place(path)
    temporary = place.with_name(f".{place.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
        os.replace(temporary, place)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
