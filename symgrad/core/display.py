"""An object comes in; what a notebook shows of it goes out: pictures are drawn far to the right of here, so the way to them is filled in later."""
from __future__ import annotations

from collections.abc import Callable, Collection

__all__ = ["Shown", "chosen", "set_display"]

_pictures: list[Callable[[object], dict[str, object]]] = []


def set_display(pictures: Callable[[object], dict[str, object]]) -> None:
    """Give objects their pictures: a function from an object to data by MIME type, empty where there is none."""
    _pictures[:] = [pictures]


def chosen(data: dict[str, object], include: Collection[str] | None, exclude: Collection[str] | None) -> dict[str, object]:
    """The data by MIME type that a notebook asks for: those to include (None: all), without those to exclude."""
    return {kind: value for kind, value in data.items() if (include is None or kind in include) and kind not in (exclude or ())}


class Shown:
    """What a notebook shows as a picture, with its plain text beside it."""

    __slots__ = ()

    def _plain(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, include: Collection[str] | None = None, exclude: Collection[str] | None = None, **_: object) -> dict[str, object]:
        data: dict[str, object] = {"text/plain": self._plain()}
        for pictures in _pictures:
            data |= pictures(self)
        return chosen(data, include, exclude)
