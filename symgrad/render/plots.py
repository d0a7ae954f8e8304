"""Panels of plain numbers come in; one figure, as SVG, PNG or PDF and always the same bytes, goes out (extra `plots`: matplotlib)."""
from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from symgrad.core.files import check_place, write
from symgrad.errors import InputError, MissingExtraError, nearest
from symgrad.render.panels import Contour, Curves, End, Fan, Layers, Panel, Ridges, Style, Surface, shortened
from symgrad.render.theme import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Contour", "Curves", "Fan", "Layers", "Plot", "Ridges", "Surface", "plot"]

WIDTH = 6.7                                                # inches: what stands on a page
_HEIGHT = {1: 3.1, 2: 2.75, 3: 2.3}                        # of a panel, by how many stand beside it
_SUFFIXES = (".svg", ".png", ".pdf")
_FONT = 9.0
_LEAD = 22                                                 # points from the end of a line to its name


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure: `svg` is text with letters as paths, `png` and `pdf` are bytes; the same panels give the same bytes."""

    panels: tuple[tuple[Panel, ...], ...]
    title: str = ""
    theme: Literal["light", "dark"] = "light"
    figure: Figure = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with _house(self.theme) as style:
            object.__setattr__(self, "figure", _drawn(self.panels, self.title, style))

    @functools.cached_property
    def svg(self) -> str:
        """The figure as one `<svg>` element, without a style sheet that would reach beyond it."""
        text = self._written("svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))).decode("utf-8")
        head, _, body = text[text.index("<svg"):].partition(">")
        head = re.sub(r'\b(width|height)="([\d.]+)pt"', lambda m: f'{m[1]}="{float(m[2]) * 4 / 3:g}"', head)      # not every reader knows points
        head = head.replace("<svg ", '<svg style="stroke-linejoin:round;stroke-linecap:butt" ')
        return f"{head}>" + re.sub(r"<style type=\"text/css\">[^<]*</style>", "", body, count=1)

    @functools.cached_property
    def png(self) -> bytes:
        """The figure as PNG, 150 points to the inch."""
        return self._written("png", dpi=150, metadata={"Software": None})

    @functools.cached_property
    def pdf(self) -> bytes:
        """The figure as PDF."""
        return self._written("pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})

    def _written(self, kind: str, **options: Any) -> bytes:
        with _house(self.theme):
            file = io.BytesIO()
            self.figure.savefig(file, format=kind, **options)
            return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the figure; the suffix says the format, .svg, .png or .pdf. Raises InputError for another, and a folder that is not there."""
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            raise InputError(f"a plot is written as {', '.join(_SUFFIXES)}, not as {suffix or 'a file without a suffix'}: {path}{nearest(suffix, _SUFFIXES)}")
        check_place(path)
        write(path, self.svg if suffix == ".svg" else self.png if suffix == ".png" else self.pdf)
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg


def plot(*panels: Panel, columns: int = 1, title: str = "", theme: Literal["light", "dark"] = "light") -> Plot:
    """The panels in reading order, so many beside each other, as one figure of the width of a page.

    Raises InputError for no panel or more than 3 columns, and what the panels say of their numbers; MissingExtraError without matplotlib.
    """
    if not panels or not 1 <= columns <= 3:
        raise InputError(f"a figure has at least one panel, in 1 to 3 columns, not {len(panels)} in {columns}")
    columns = min(columns, len(panels))
    return Plot(tuple(panels[k:k + columns] for k in range(0, len(panels), columns)), title, theme)


@contextlib.contextmanager
def _house(theme: str) -> Iterator[Style]:
    """The house style while a figure is made or written, whatever the user has set."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise MissingExtraError("matplotlib", "plots") from None
    colours = colours_of("dark" if theme == "dark" else "light")
    ink, small, paper = colours["ink"], colours["small"], colours["paper"]
    settings = {
        "svg.hashsalt": "symgrad", "svg.fonttype": "path", "pdf.fonttype": 42, "font.family": ["DejaVu Sans"], "font.size": _FONT, "axes.titlesize": 10,
        "axes.labelsize": _FONT, "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.titlelocation": "left", "axes.titleweight": "normal",
        "figure.titlesize": 11, "text.color": ink, "axes.labelcolor": ink, "axes.titlecolor": ink, "xtick.color": small, "ytick.color": small,
        "xtick.labelcolor": ink, "ytick.labelcolor": ink, "axes.edgecolor": small, "axes.facecolor": paper, "figure.facecolor": paper,
        "savefig.facecolor": paper, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7, "lines.linewidth": 1.5,
        "axes.grid": False, "xtick.direction": "out", "ytick.direction": "out", "path.simplify": True, "text.usetex": False, "text.parse_math": False,
        "grid.color": small, "axes.formatter.use_mathtext": False,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield Style(colours, "cividis_r" if theme != "dark" else "cividis")


def _drawn(rows: Sequence[Sequence[Panel]], title: str, style: Style) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    columns = max(map(len, rows))
    heights = [_height(row, columns) for row in rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + (0.3 if title else 0)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06, wspace=0.04, hspace=0.04)
    grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
    ends: list[tuple[Axes, list[End]]] = []
    for r, row in enumerate(rows):
        for c, panel in enumerate(row):
            axes = figure.add_subplot(grid[r, c], projection="3d" if panel.solid else None)
            ends.append((axes, panel.draw(axes, style)))
            if panel.title and not panel.solid:
                axes.set_title(panel.title, loc="left")
    if title:
        figure.suptitle(title, x=0.02, ha="left")
    labels = [(axes, _labelled(axes, found, 30 // columns)) for axes, found in ends if found]
    thin = [axes for panel, (axes, _) in zip((p for row in rows for p in row), ends, strict=True) if isinstance(panel, Layers)]
    for _ in range(2 if labels or thin else 0):            # the labels' widths move the axes, and the axes' height the labels
        figure.draw_without_rendering()
        for axes, texts in labels:
            _spread(axes, texts)
        for axes in thin:
            _thinned(axes, figure)
    return figure


def _height(row: Sequence[Panel], columns: int) -> float:
    """Inches; histograms of many layers are taller, a square plane fills its place."""
    tall = max((len(panel.samples) for panel in row if isinstance(panel, Ridges)), default=0)
    flat = any(isinstance(panel, Contour | Surface) for panel in row)
    return max(_HEIGHT[columns] + (0.0 if not flat else 1.4 if columns == 1 else 0.4), 0.32 * tall + 0.7)


def _labelled(axes: Axes, ends: Sequence[End], most: int) -> list[Any]:
    """The names of lines to the right of where they end, each led to by a piece of its line."""
    return [axes.annotate(shortened(name, most), (1, height), xycoords=("axes fraction", "data"), xytext=(_LEAD, 0), textcoords="offset points", va="center",
                          color=colour, annotation_clip=False, fontsize=8,
                          arrowprops={"arrowstyle": "-", "color": colour, "linestyle": dash, "linewidth": 1.3, "shrinkA": 2, "shrinkB": 1,
                                      "relpos": (0, 0.5)})
            for height, name, colour, dash in ends]


def _spread(axes: Axes, texts: Sequence[Any]) -> None:
    """Move the names up or down as little as keeps them apart and beside the axes."""
    scale = 72 / axes.figure.dpi
    bottom, top = axes.bbox.y0 * scale, axes.bbox.y1 * scale
    at = sorted(((axes.transData.transform((0, text.xy[1]))[1] * scale, k) for k, text in enumerate(texts)))
    step = min(11.0, (top - bottom) / max(len(at) - 1, 1))
    wanted = [min(max(y, bottom), top) for y, _ in at]
    for k in range(1, len(wanted)):
        wanted[k] = max(wanted[k], wanted[k - 1] + step)
    for k in range(len(wanted) - 1, -1, -1):
        wanted[k] = min(wanted[k], top if k == len(wanted) - 1 else wanted[k + 1] - step)
    for (y, k), place in zip(at, wanted, strict=True):
        texts[k].set_position((_LEAD, place - y))


def _thinned(axes: Axes, figure: Figure) -> None:
    """Keep as many names of layers as have room side by side, upright where all have room then."""
    renderer = figure.canvas.get_renderer()
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    ticks = list(axes.get_xticks())
    widest = max((label.get_window_extent(renderer).width for label in labels if not label.get_rotation()), default=0.0)
    room, line = axes.bbox.width / max(len(ticks), 1), 1.5 * _FONT * figure.dpi / 72
    if not widest or widest + line / 2 <= room:
        return
    numbers = all(label.get_text().isdigit() for label in labels)
    every = -(-(widest + line / 2) // room) if numbers else -(-line // room)
    kept = slice(None, None, int(every))
    axes.set_xticks(ticks[kept], [label.get_text() for label in labels][kept], rotation=0 if numbers else 90)
