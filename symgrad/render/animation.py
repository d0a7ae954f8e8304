"""A diagram with its passes in; the passes step by step out, as an SVG that moves by itself or as a GIF."""
from __future__ import annotations

import io
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.diagram import Diagram
from symgrad.render.curves import arrow
from symgrad.render.figure import Figure, figure, fitted
from symgrad.render.geometry import Point, Size
from symgrad.render.glyphs import Drawing, shortened
from symgrad.render.pictures import size_of
from symgrad.render.raster import png_of
from symgrad.render.svg import Extra, Writer, check_theme, path_of, sides
from symgrad.render.theme import DARK, LIGHT, Colours, Theme

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["to_animated_svg", "to_gif"]

_PREFIX = "g"
_TITLE, _FORMULA, _NARROWEST = 12.0, 14.0, 520.0     # letter sizes of the line below the picture, and the width it may have at least, in pixels
_REST = 2                                            # how many steps long all is shown at the end
_BOX, _ARROW, _FADED = 0.25, 0.12, 0.28              # how much is seen of what is not reached yet, and of what is faded anyway
_MOST = 300_000_000                                  # dots of all frames of a GIF
_COLOURS = 255                                       # of a GIF, one being kept for what does not change


@dataclass(frozen=True, slots=True)
class _Film:
    """The picture with all that is ever shown over and below it; from which step on each of its elements (by id) is reached, how much
    is seen of it before and after, and in which steps each mark and each line below is shown. The step after the last one shows all.
    """

    svg: str
    steps: int
    reached: Mapping[str, tuple[int, float, float]]
    shown: Mapping[str, frozenset[int]]

    def seen(self, name: str, step: int) -> float:
        """How much is seen of an element in a step, from 0 to 1."""
        if name in self.shown:
            return float(step in self.shown[name])
        first, before, after = self.reached[name]
        return after if step >= first else before

    def frame(self, step: int) -> str:
        """Rules that show one step and nothing else."""
        return "".join(f"#{name}{{opacity:{self.seen(name, step):g}}}" for name in (*self.reached, *self.shown))

    def styled(self, style: str) -> str:
        """The picture with more rules."""
        before, end, after = self.svg.partition("</style>")
        return before + style + end + after


def to_animated_svg(diagram: Diagram, *, theme: Theme = "light", seconds: float = 1.2) -> str:
    """The forward and then the backward pass, over and over, as SVG that needs no program and no font; `seconds` a step.

    What is not reached yet is faded, what a step is about has a ring, cached values that it reads have a dotted one; its title and its formula
    stand below. Where nothing moves, or a reader wants nothing to move, it is the whole picture.

    Raises:
        InputError: what `to_svg` raises, a diagram without steps, seconds that are not above 0.
    """
    film = _film(diagram, theme, seconds)
    count = film.steps + _REST
    frames: dict[str, list[str]] = defaultdict(list)  # keyframes, and what goes by them
    for name in (*film.reached, *film.shown):
        seen = [film.seen(name, min(step, film.steps)) for step in range(count)]
        changes = [step for step in range(count) if not step or seen[step] != seen[step - 1]]
        if len(changes) > 1:
            frames["".join(f"{100 * step / count:.4g}%{{opacity:{seen[step]:g}}}" for step in changes)].append(name)
    rules = "".join(f"@keyframes {_PREFIX}-k{k}{{{frame}}}" for k, frame in enumerate(frames))
    moving = "".join(f"{','.join(f'#{name}' for name in names)}{{animation:{_PREFIX}-k{k} {count * seconds:.4g}s step-end infinite}}"
                     for k, names in enumerate(frames.values()))
    return film.styled(f"{rules}@media (prefers-reduced-motion:no-preference){{{moving}}}")


def to_gif(diagram: Diagram, *, theme: Theme = "light", seconds: float = 1.2) -> bytes:
    """The same as a GIF, a frame for each step and one that shows all; "auto" is light here. The same bytes for the same diagram.

    Raises:
        InputError: what `to_animated_svg` raises; a picture that is too big for so many frames.
        MissingExtraError: resvg or Pillow is not installed.
    """
    film = _film(diagram, "light" if theme == "auto" else theme, seconds)
    width, height = size_of(film.svg)
    if width * height * (film.steps + 1) > _MOST:
        raise InputError(f"{film.steps + 1} frames of {width:.0f} x {height:.0f} dots are too many for a GIF; fold layers, or write an .svg that moves")
    try:
        import PIL.Image
        import resvg_py  # noqa: F401  # by png_of, which names another extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("resvg-py" if error.name == "resvg_py" else "pillow", "plots") from None
    frames = [png_of(film.styled(film.frame(step))) for step in range(film.steps + 1)]
    found: Counter[int] = Counter()
    for frame in frames:
        found.update(dict(zip(*(part.tolist() for part in np.unique(_colours(frame), return_counts=True)), strict=True)))
    # Areas keep their colours; at rounded edges, of which each has few dots, the nearest of those must do.
    palette = np.array(sorted(found, key=lambda colour: (-found[colour], colour))[:_COLOURS])
    known = np.array(sorted(found))
    place = np.argmin([sum(((known >> shift & 255) - (colour >> shift & 255)) ** 2 for shift in (16, 8, 0)) for colour in palette], axis=0).astype(np.uint8)

    def indexed(frame: bytes) -> Image:
        image = PIL.Image.fromarray(place[np.searchsorted(known, _colours(frame))])
        image.putpalette([int(colour >> shift & 255) for colour in palette for shift in (16, 8, 0)])
        return image

    made = io.BytesIO()
    each = round(1000 * seconds)
    indexed(frames[0]).save(made, "GIF", save_all=True, append_images=map(indexed, frames[1:]), duration=[each] * film.steps + [_REST * each], loop=0,
                            disposal=1, optimize=False)
    return made.getvalue()


def _colours(png: bytes) -> NDArray[np.int32]:
    """The dots of a picture, each as one number."""
    import PIL.Image

    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int32) @ np.array([65536, 256, 1], dtype=np.int32)


def _film(diagram: Diagram, theme: Theme, seconds: float) -> _Film:
    check_theme(theme)
    if not (seconds > 0 and math.isfinite(seconds)):
        raise InputError(f"the seconds of a step are a number above 0, not {seconds!r}")
    if not diagram.moments:
        raise InputError('this picture has no steps to go through; the pictures "forward", "backward" and "both" of a derivation have them')
    drawn = figure(diagram)
    writer = Writer(drawn, _PREFIX, _PREFIX, {})
    number = {box.id: k for k, box in enumerate(diagram.boxes)}
    reached: dict[str, tuple[int, float, float]] = {}
    shown: dict[str, set[int]] = defaultdict(set)
    for step, moment in enumerate(diagram.moments):
        ends = [end for k in moment.arrows for end in (diagram.arrows[k].tail, diagram.arrows[k].head)]
        for box in (*moment.boxes, *moment.reads, *ends):
            after = _FADED if diagram.boxes[number[box]].faded else 1.0
            reached.setdefault(f"{_PREFIX}-b{number[box]}", (step, _BOX, after))
        for k in moment.arrows:
            after = _FADED if diagram.arrows[k].faded else 1.0
            reached.setdefault(f"{_PREFIX}-a{k}", (step, _ARROW, after))
            shown[f"{_PREFIX}-w{k}"].add(step)
        for box in moment.boxes:
            shown[f"{_PREFIX}-n{number[box]}"].add(step)
        for box in moment.reads:
            shown[f"{_PREFIX}-r{number[box]}"].add(step)
    over = "".join(_mark(name, drawn) for name in sorted(shown, key=lambda name: (name[2], int(name[3:]))))
    below, foot = _captions(diagram, writer, max(drawn.layout.size.width, _NARROWEST))
    shown.update((f"{_PREFIX}-c{step}", {step}) for step in range(len(diagram.moments) + 1))
    svg = writer.picture(theme, Extra(over, below, foot, _style(theme, len(diagram.moments))))
    return _Film(svg, len(diagram.moments), reached, {name: frozenset(steps) for name, steps in shown.items()})


def _mark(name: str, drawn: Figure) -> str:
    """A ring around a box that a step is about ("n") or reads ("r"), or a shade along its way ("w")."""
    kind, number = name[len(_PREFIX) + 1], int(name[len(_PREFIX) + 2:])
    if kind == "w":
        route = next(route for route in drawn.routes if route.number == number)
        return f'<path class="step way" id="{name}" d="{path_of(arrow(route.curve)[0])}"/>\n'
    far, style = (4.5, "ring") if kind == "n" else (8.0, "read ring")
    return f'<rect class="step {style}" id="{name}" {sides(drawn.layout.boxes[number].grown(far))} rx="{4 + far:g}"/>\n'


def _captions(diagram: Diagram, writer: Writer, width: float) -> tuple[str, Size]:
    """The title of every step and its formula, all in one place around x = 0, after them what stands there at the end; and the room they take."""
    names = {box.id: box.text.partition(" = ")[0] for box in diagram.boxes}
    lines: list[tuple[Drawing, Drawing | None]] = []
    for moment in diagram.moments:
        read = ", ".join(dict.fromkeys(names[box] for box in moment.reads))
        title = f"{moment.title}; cached: {read}" if read else moment.title
        lines.append((shortened(title, _TITLE, width), fitted(moment.tex, moment.text, _FORMULA, False, width) if moment.text.strip() else None))
    lines.append((shortened(f"all of it, {len(diagram.moments)} step{'s' if len(diagram.moments) > 1 else ''}", _TITLE, width), None))
    high = max(title.size.height for title, _ in lines)
    tall = max([formula.size.height for _, formula in lines if formula], default=0.0)
    written = ""
    for step, (head, line) in enumerate(lines):
        written += f'<g class="step" id="{_PREFIX}-c{step}">{writer.drawing(head, Point(-head.size.width / 2, 0), "small")}'
        if line:
            written += writer.drawing(line, Point(-line.size.width / 2, high + 6 + (tall - line.size.height) / 2), "ink")
        written += "</g>\n"
    return written, Size(max(drawing.size.width for line in lines for drawing in line if drawing), high + 6 + tall)


def _style(theme: Theme, last: int) -> str:
    """Rules of the marks; nothing of them is seen where nothing moves, but the last line below."""
    def coloured(colours: Colours) -> str:
        return f".{_PREFIX} .way,.{_PREFIX} .ring{{stroke:{colours.ink}}}.{_PREFIX} .read{{stroke:{colours.kept}}}"
    sheet = (f".{_PREFIX} .step{{opacity:0}}#{_PREFIX}-c{last}{{opacity:1}}.{_PREFIX} .ring{{fill:none;stroke-width:2.4}}"
             f".{_PREFIX} .read{{stroke-dasharray:1.5 3.5}}.{_PREFIX} .way{{fill:none;stroke-width:8;stroke-opacity:.2;stroke-linecap:round}}")
    sheet += coloured(DARK if theme == "dark" else LIGHT)
    return sheet + (f"@media (prefers-color-scheme:dark){{{coloured(DARK)}}}" if theme == "auto" else "")
