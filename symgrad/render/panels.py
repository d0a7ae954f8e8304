"""Plain numbers come in, as one panel of a figure each; what is drawn on a pair of axes goes out, in the house style."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symgrad.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Contour", "Curves", "End", "Fan", "Layers", "Panel", "Ridges", "Style", "Surface", "shortened"]

Array = NDArray[np.float64]
Dash = str | tuple[float, tuple[float, ...]]
End = tuple[float, str, str, Dash]
"""Where a line ends: its height, its name, its colour and its dashes."""
_DASHES: tuple[Dash, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (7, 2, 1.2, 2)), (0, (3, 1.2)), (0, (9, 2)))
_MARKS = ("o", "s", "^", "D", "v", "P")
_MOST = len(_DASHES)                                       # lines that black and white keeps apart
_FINE = 40                                                 # points from which on markers are clutter


@dataclass(frozen=True, slots=True)
class Style:
    """Colours by name, those of lines in their order, and the name of a scale from light to dark."""

    colours: Mapping[str, str]
    scale: str

    @property
    def lines(self) -> list[str]:
        """The colours of lines, in their order."""
        return [self.colours[k] for k in ("op", "back", "data", "output", "param", "fold")]


class Panel(Protocol):
    """What can be drawn on axes, with the lines to be named where they end; `solid` wants axes in three dimensions."""

    @property
    def title(self) -> str: ...

    @property
    def solid(self) -> bool: ...

    def draw(self, axes: Axes, style: Style) -> list[End]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Lines y against x, by name: losses, metrics, norms of gradients, slices. A bare array is against 0, 1, 2, ...; gaps are nan."""

    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]]
    x_label: str = "step"
    y_label: str = "loss"
    title: str = ""
    log: bool = False
    solid: bool = field(default=False, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        """Raises InputError for more lines than can be told apart, none, or nothing to show."""
        labels = []
        for name, colour, dash, (x, y) in zip(self.series, style.lines, _DASHES, self.lines(), strict=False):
            axes.plot(x, y, color=colour, linestyle=dash, marker="o" if len(x) == 1 else None, markersize=3)
            shown = np.flatnonzero(np.isfinite(y))
            labels.append((float(y[shown[-1]]), name, colour, dash))
        if self.log:
            _log(axes, np.concatenate([y for _, y in self.lines()]))
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        return labels if len(labels) > 1 else []

    def lines(self) -> list[tuple[Array, Array]]:
        """The points of each line; what a logarithmic scale cannot show is nan."""
        _countable(self.series, "lines")
        found = []
        for name, given in self.series.items():
            x, y = given if isinstance(given, tuple) else (None, given)
            heights = _array(y, 1, name)
            places = np.arange(len(heights), dtype=float) if x is None else _array(x, 1, name)
            if places.shape != heights.shape:
                raise InputError(f"the line {name!r} has {len(places)} places and {len(heights)} heights")
            heights = np.where(np.isfinite(heights) & ((heights > 0) | (not self.log)), heights, np.nan)
            if np.isnan(heights).all():
                raise InputError(f"the line {name!r} has no {'positive ' * self.log}finite value to show")
            found.append((places, heights))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """One number for each layer, in one or several series: norms, gains, variances. One short series is bars, all else lines."""

    names: Sequence[str]
    series: Mapping[str, ArrayLike]
    y_label: str = "norm"
    title: str = ""
    log: bool = True
    x_label: str = "layer"
    solid: bool = field(default=False, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        _countable(self.series, "series")
        heights = {name: _array(y, 1, name) for name, y in self.series.items()}
        for name, y in heights.items():
            if len(y) != len(self.names):
                raise InputError(f"{name!r} has {len(y)} values for {len(self.names)} layers")
        every = np.concatenate(list(heights.values()))
        shown = {name: np.where(np.isfinite(y) & ((y > 0) | (not self.log)), y, np.nan) for name, y in heights.items()}
        places, labels = np.arange(len(self.names)), []
        if self.log:
            _log(axes, every)
        if len(heights) == 1 and len(places) <= 24:
            (y,) = shown.values()
            axes.bar(places, np.nan_to_num(y), width=0.7, color=style.lines[0], edgecolor=style.colours["ink"], linewidth=0.5)
        else:
            for (name, y), colour, dash, mark in zip(shown.items(), style.lines, _DASHES, _MARKS, strict=False):
                axes.plot(places, y, color=colour, linestyle=dash, marker=mark if len(places) <= _FINE else None, markersize=3.5)
                if np.isfinite(y).any():
                    labels.append((float(y[np.flatnonzero(np.isfinite(y))[-1]]), name, colour, dash))
        axes.set_xticks(places, [shortened(n, 14) for n in self.names])     # as many as fit are kept when the figure is laid out
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        return labels if len(labels) > 1 else []


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """Singular values against depth: values[d, i] is the i-th of layer or product d. The band is from least to largest, the inner one its middle half."""

    depths: ArrayLike
    values: ArrayLike
    y_label: str = "singular values"
    title: str = ""
    x_label: str = "depth"
    solid: bool = field(default=False, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        depths, values = _array(self.depths, 1, "depths"), _array(self.values, 2, "singular values")
        if len(depths) != len(values) or not values.size:
            raise InputError(f"a fan has a row of singular values for each of {len(depths)} depths, not {len(values)}")
        floor = _floor(values)
        values = np.clip(np.where(np.isfinite(values), values, floor), floor, None)
        low, first, middle, third, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1), axis=1)
        colour = style.lines[0]
        axes.fill_between(depths, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.fill_between(depths, first, third, color=colour, alpha=0.3, linewidth=0)
        for line, dash in zip((high, middle, low), _DASHES, strict=False):
            axes.plot(depths, line, color=colour, linestyle=dash)
        _log(axes, values)
        axes.axhline(1, color=style.colours["small"], linewidth=0.7, zorder=0)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        return [(float(line[-1]), name, colour, dash) for name, line, dash in zip(("largest", "median", "least"), (high, middle, low), _DASHES, strict=False)]


@dataclass(frozen=True, slots=True, eq=False)
class Ridges:
    """A histogram for each layer, one above the other in the order given, over one scale: activations, gradients, weights."""

    samples: Mapping[str, ArrayLike]
    x_label: str = "activation"
    title: str = ""
    bins: int = 41
    solid: bool = field(default=False, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        arrays = {name: np.ravel(np.asarray(a, dtype=float)) for name, a in self.samples.items()}
        every = np.concatenate([a[np.isfinite(a)] for a in arrays.values()]) if arrays else np.zeros(0)
        if not every.size:
            raise InputError("a histogram needs finite values")
        low, high = float(every.min()), float(every.max())
        edges = np.linspace(low, high, self.bins + 1) if high > low else np.linspace(low - 0.5, low + 0.5, self.bins + 1)
        for row, array in enumerate(reversed(list(arrays.values()))):
            share = np.histogram(array[np.isfinite(array)], edges)[0].astype(float)
            share *= 0.85 / max(share.max(), 1)
            axes.stairs(row + share, edges, baseline=row, fill=True, color=style.lines[0], alpha=0.3, linewidth=0)
            axes.stairs(row + share, edges, baseline=row, color=style.lines[0], linewidth=0.9)
        names = [shortened(n, 16) for n in reversed(list(arrays))]
        axes.set_yticks(range(len(names)), names, verticalalignment="bottom")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.1, len(names))
        axes.set_xlabel(self.x_label)
        return []


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """Losses over a plane, losses[i, j] at (alphas[i], betas[j]), with the path of training in it; levels are even in the logarithm if `log`."""

    alphas: ArrayLike
    betas: ArrayLike
    losses: ArrayLike
    path: ArrayLike | None = None
    title: str = ""
    labels: tuple[str, str] = ("first direction", "second direction")
    log: bool = True
    solid: bool = field(default=False, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        alphas, betas, losses = _grid(self.alphas, self.betas, self.losses)
        levels, log = _levels(losses, self.log)
        shown = np.clip(np.nan_to_num(losses, nan=levels[-1], posinf=levels[-1], neginf=levels[0]), levels[0], levels[-1])
        heights = np.log(levels) if log else levels
        over = (np.log(shown) if log else shown).T
        filled = axes.contourf(alphas, betas, over, levels=heights, cmap=style.scale)
        axes.contour(alphas, betas, over, levels=heights[1:-1:2], colors=style.colours["ink"], linewidths=0.4, linestyles="solid")
        if self.path is not None and np.size(self.path):
            x, y = _array(self.path, 2, "path").T
            axes.plot(x, y, color=style.colours["paper"], linewidth=3.2)
            axes.plot(x, y, color=style.colours["back"], linewidth=1.4, marker="o", markersize=2.2 if len(x) <= _FINE else 0)
            axes.plot(x[:1], y[:1], marker="s", markersize=6, color=style.colours["paper"], markeredgecolor=style.colours["ink"])
            axes.plot(x[-1:], y[-1:], marker="*", markersize=10, color=style.colours["paper"], markeredgecolor=style.colours["ink"])
        else:
            axes.plot([0], [0], marker="*", markersize=9, color=style.colours["paper"], markeredgecolor=style.colours["ink"])
        ticks = heights[:: max(1, len(heights) // 5)]
        beside = axes.inset_axes((1.03, 0.05, 0.035, 0.9))  # within the room that names of lines have in other panels
        bar = axes.figure.colorbar(filled, cax=beside, ticks=ticks)
        bar.ax.set_yticklabels(_told_apart([float(np.exp(t) if log else t) for t in ticks]))
        bar.outline.set_visible(False)
        axes.set_xlabel(self.labels[0])
        axes.set_ylabel(self.labels[1])
        return []


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The same losses as heights over the plane; those far above the rest are cut off so that the valley is seen."""

    alphas: ArrayLike
    betas: ArrayLike
    losses: ArrayLike
    title: str = ""
    labels: tuple[str, str] = ("first direction", "second direction")
    log: bool = True
    solid: bool = field(default=True, init=False)

    def draw(self, axes: Axes, style: Style) -> list[End]:
        alphas, betas, losses = _grid(self.alphas, self.betas, self.losses)
        levels, log = _levels(losses, self.log)
        shown = np.clip(np.nan_to_num(losses, nan=levels[-1], posinf=levels[-1], neginf=levels[0]), levels[0], levels[-1])
        heights = np.log10(shown) if log else shown
        a, b = np.meshgrid(alphas, betas, indexing="ij")
        axes.plot_surface(a, b, heights, cmap=style.scale, rcount=50, ccount=50, linewidth=0.2, edgecolor=style.colours["paper"], antialiased=True)
        axes.set_xlabel(self.labels[0], labelpad=-2)
        axes.set_ylabel(self.labels[1], labelpad=-2)
        what = "height: log10 of the loss" if log else "height: the loss"
        axes.set_title(f"{self.title} ({what})" if self.title else what, loc="left")
        axes.set_box_aspect((4, 4, 3), zoom=0.88)
        axes.tick_params(pad=-1)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((0, 0, 0, 0))
            axis.set_major_locator(_few())
        axes.view_init(elev=32, azim=-58)
        return []


def _few() -> object:
    from matplotlib.ticker import MaxNLocator
    return MaxNLocator(3, steps=[1, 2, 5, 10])


def _countable(series: Mapping[str, object], what: str) -> None:
    if not 1 <= len(series) <= _MOST:
        raise InputError(f"a panel shows 1 to {_MOST} {what} that can be told apart, not {len(series)}: use more panels")


def _array(given: ArrayLike, rank: int, what: str) -> Array:
    array = np.asarray(given, dtype=float)
    if array.ndim != rank:
        raise InputError(f"{what} has {array.ndim} axes where {rank} {'is' if rank == 1 else 'are'} needed")
    return array


def _grid(alphas: ArrayLike, betas: ArrayLike, losses: ArrayLike) -> tuple[Array, Array, Array]:
    a, b, heights = _array(alphas, 1, "alphas"), _array(betas, 1, "betas"), _array(losses, 2, "losses")
    if heights.shape != (len(a), len(b)):
        raise InputError(f"losses over {len(a)} x {len(b)} places have that shape, not {heights.shape}")
    if not np.isfinite(heights).any():
        raise InputError("no loss in the plane is finite")
    return a, b, heights


def _levels(losses: Array, log: bool) -> tuple[Array, bool]:
    """Levels from the least loss (or a thousandth of the highest level) to all but the highest twentieth, and whether they are even in the logarithm."""
    finite = losses[np.isfinite(losses)]
    low, high = float(finite.min()), float(max(np.quantile(finite, 0.95), np.median(finite)))
    if high <= low:
        high = low + max(abs(low), 1.0) * 1e-3
    if log and low >= 0 and high > 4 * low:
        return np.geomspace(max(low, high / 1e3), high, 17), True            # a bottom of 1e-12 would leave no levels for its surroundings
    return np.linspace(low, high, 17), False


def _told_apart(numbers: Sequence[float]) -> list[str]:
    """The numbers with three digits, or with as many as tell them apart."""
    tries = ([f"{x:.{digits}g}" for x in numbers] for digits in range(3, 17))
    return next((words for words in tries if len(set(words)) == len(words)), [f"{x:g}" for x in numbers])


def _floor(values: Array) -> float:
    """What stands for 0 on a logarithmic scale: a thousandth of the least positive value, or the least that float64 tells from 1."""
    positive = values[np.isfinite(values) & (values > 0)]
    return float(max(positive.min(), positive.max() * 1e-40)) if positive.size else float(np.finfo(float).eps)


def _log(axes: Axes, values: Array) -> None:
    """A logarithmic scale with few ticks: powers of ten, or between them too where there are hardly any."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return
    axes.set_yscale("log")
    low, high = float(positive.min()), float(positive.max())
    if high / low < 4:
        low, high = low / 2, high * 2
    axes.set_ylim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    close = high / low < 100
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7) if close else LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if close and 1e-4 < value < 1e5 else _power(value)))


def _power(value: float) -> str:
    """10⁻³, 2·10⁻³: powers of ten without a formula."""
    digits, _, exponent = f"{value:.0e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"


def shortened(name: str, most: int) -> str:
    """The name, or its beginning where it is longer than that."""
    return name if len(name) <= most else f"{name[:most - 1]}…"
