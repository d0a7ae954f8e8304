"""Plots: every panel in both themes, the same bytes twice, no words over one another or outside; numbers that are no picture are refused."""
from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from symgrad.errors import InputError, MissingExtraError
from symgrad.render.panels import Panel
from symgrad.render.pictures import inline_svg, size_of
from symgrad.render.plots import Contour, Curves, Fan, Layers, Plot, Ridges, Surface, plot

rng = np.random.default_rng(0)
STEPS = np.arange(60)
LOSS = 2 * np.exp(-STEPS / 12) + 0.05
A = np.linspace(-1, 1, 13)
PLANE = 0.2 + A[:, None] ** 2 * 5 + A[None] ** 2
PATH = np.stack([np.exp(-STEPS / 8) * np.cos(STEPS / 5), np.exp(-STEPS / 8) * np.sin(STEPS / 5)], 1) * 0.8
PANELS: dict[str, Panel] = {
    "curves": Curves({"training": LOSS, "validation": (STEPS[::5], LOSS[::5] * 1.02)}, title="Loss"),
    "close curves": Curves({f"line {k}": LOSS + k * 1e-4 for k in range(6)}, log=True, y_label="norm"),
    "one point": Curves({"training": [1.0]}),
    "gaps": Curves({"a": [1, np.nan, 3, np.inf]}),
    "bars": Layers([f"h_{k}" for k in range(1, 13)], {"gradient": 10.0 ** -np.arange(12)}, title="Norms"),
    "long names": Layers([f"encoder_block_{k}_weights" for k in range(20)], {"gradient": np.ones(20)}, title="Names"),
    "depth": Layers([str(k) for k in range(1, 201)], {"plain": 0.5 ** np.arange(200), "residual": np.ones(200)}),
    "fan": Fan(np.arange(1, 31), np.exp(rng.normal(size=(30, 6)) * np.arange(1, 31)[:, None] / 6), title="Products"),
    "fan with zeros": Fan([1, 2, 3], [[1, 0.5], [1, 1e-9], [0, 0]]),
    "ridges": Ridges({f"layer {k}": np.tanh(rng.normal(size=200) * k) for k in range(1, 13)}, title="Activations"),
    "constant": Ridges({"dead relu": np.zeros(9)}),
    "contour": Contour(A, A, PLANE, PATH, title="Loss", labels=("first direction (81%)", "second direction (12%)")),
    "holes": Contour(A, 2 * A, np.where(PLANE > 5, np.inf, PLANE)),
    "flat": Contour(A, A, np.ones((13, 13))),
    "steep": Contour(A, A, np.exp(8 * PLANE)),
    "surface": Surface(A, A, PLANE, title="Loss"),
    "dollar": Curves({"$x$ & <b>": LOSS, "\\frac": LOSS / 2}, title="$\\undefined{", y_label="_%#"),
}




Box = NDArray[np.float64]
"""The four corners of a text, in order around it, in pixels."""


def seen(made: Plot) -> list[tuple[str, Box]]:
    """Every text that is drawn: matplotlib keeps ticks beyond the ends of an axis, which are not."""
    from matplotlib.text import Text
    drawn: dict[Text, None] = {}
    original = Text.draw

    def noted(self: Text, renderer: object, *args: object, **kwargs: object) -> None:
        drawn[self] = None
        original(self, renderer, *args, **kwargs)
    Text.draw = noted
    try:
        made.figure.canvas.draw()
    finally:
        Text.draw = original
    renderer = made.figure.canvas.get_renderer()
    found = []
    for text in drawn:
        if text.get_visible() and text.get_text().strip():
            around, angle = Text.get_window_extent(text, renderer), text.get_rotation()
            text.set_rotation(0)
            flat = Text.get_window_extent(text, renderer)
            text.set_rotation(angle)
            c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (flat.width / 2, flat.height / 2)
            found.append((text.get_text(), corners @ np.array([[c, s], [-s, c]]) + ((around.x0 + around.x1) / 2, (around.y0 + around.y1) / 2)))
    return found


def apart(one: Box, other: Box) -> bool:
    """Whether a line, along a side of one of them, separates two texts (or they touch by no more than 1.5 pixels)."""
    for box in (one, other):
        for side in (box[1] - box[0], box[2] - box[1]):
            across = side / (np.hypot(*side) or 1)
            a, b = one @ across, other @ across
            if min(a.max(), b.max()) - max(a.min(), b.min()) <= 1.5:
                return True
    return False


def complaints(made: Plot) -> list[str]:
    """Words over one another, and words outside the figure."""
    found, size = seen(made), np.array(made.figure.canvas.get_width_height())
    wrong = [f"{name!r} is outside" for name, box in found if (box < -1).any() or (box > size + 1).any()]
    return wrong + [f"{one!r} over {other!r}" for (one, a), (other, b) in combinations(found, 2) if not apart(a, b)]


@pytest.mark.parametrize("name", PANELS)
def test_no_words_overlap_or_leave_the_figure(name: str) -> None:
    for made in (plot(PANELS[name]), plot(PANELS[name], PANELS[name], columns=2, title="Two of them", theme="dark")):
        assert seen(made) and not complaints(made), complaints(made)


def test_words_that_overlap_or_leave_are_seen() -> None:
    made = plot(PANELS["curves"])
    axes = made.figure.axes[0]
    axes.text(0.5, 0.5, "one", transform=axes.transAxes)
    axes.text(0.505, 0.505, "two", transform=axes.transAxes)
    axes.text(2.5, 0.5, "far", transform=axes.transAxes)
    made.figure.set_layout_engine("none")
    assert {"'one' over 'two'", "'far' is outside"} <= set(complaints(made))


def test_a_grid_of_everything() -> None:
    for columns, names in ((2, list(PANELS)), (3, ["curves", "bars", "fan", "ridges", "one point"])):
        made = plot(*(PANELS[n] for n in names), columns=columns, title="Everything")
        assert not complaints(made), complaints(made)
        assert len(made.panels) == -(-len(names) // columns) and sum(map(len, made.panels)) == len(names)
        assert min(axes.bbox.width for axes in made.figure.axes if axes.get_label() != "<colorbar>") > 80


PROGRAM = """
import sys, hashlib
sys.path.insert(0, "tests")
from test_plots import PANELS
from symgrad.render.plots import plot
made = plot(*(PANELS[n] for n in ("curves", "bars", "ridges", "contour")), columns=2)
print(*(hashlib.sha256(x).hexdigest() for x in (made.svg.encode(), made.png, made.pdf)))
"""


def test_the_same_numbers_give_the_same_bytes() -> None:
    """In another process with other hashes, and whatever the user has set."""
    folder = Path(__file__).resolve().parents[1]
    def run(seed: str, before: str = "") -> str:
        import os
        return subprocess.run([sys.executable, "-c", before + PROGRAM], cwd=folder, capture_output=True, text=True, check=True,
                              env={**os.environ, "PYTHONHASHSEED": seed}).stdout
    first = run("1")
    assert len(first.split()) == 3 and first == run("2", "import matplotlib\nmatplotlib.rcParams['font.size'] = 20\n")


def test_the_svg_stands_in_a_page_by_itself() -> None:
    """Letters are paths, nothing is styled beyond it, no date is in it, and the document's formats can place it."""
    svg = plot(PANELS["dollar"], PANELS["contour"], columns=2).svg
    root = ElementTree.fromstring(svg)
    assert not list(root.iter("{http://www.w3.org/2000/svg}text")) and "<style" not in svg and "metadata" not in svg and "DOCTYPE" not in svg
    assert "http://" not in inline_svg(svg, prefix="p1_", alt="a plot").replace("http://www.w3.org/", "")
    wide, high = size_of(svg)
    assert wide == pytest.approx(6.7 * 96) and high > 200


def test_files(tmp_path: Path) -> None:
    made = plot(PANELS["curves"])
    for suffix, start in ((".svg", b"<svg"), (".png", b"\x89PNG"), (".PDF", b"%PDF")):
        assert made.save(tmp_path / f"a{suffix}").read_bytes().startswith(start)
    with pytest.raises(InputError, match=r"not as \.jpg"):
        made.save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="does not exist"):
        made.save(tmp_path / "none" / "a.svg")


def test_what_the_user_has_set_stays() -> None:
    import matplotlib
    matplotlib.rcParams["font.size"] = 13.5
    try:
        assert plot(PANELS["curves"]).png
        assert matplotlib.rcParams["font.size"] == 13.5
    finally:
        matplotlib.rcdefaults()


def test_lines_differ_without_colour() -> None:
    made = plot(PANELS["close curves"])
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in made.figure.axes[0].get_lines()}) == 6


def test_axes_hold_the_numbers() -> None:
    made = plot(PANELS["curves"], PANELS["bars"], PANELS["contour"])
    line, validation = made.figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_ydata(), LOSS)
    np.testing.assert_array_equal(validation.get_xdata(), STEPS[::5])
    np.testing.assert_allclose([bar.get_height() for bar in made.figure.axes[1].patches], 10.0 ** -np.arange(12))
    assert made.figure.axes[1].get_yscale() == "log"
    assert any(np.array_equal(np.stack(drawn.get_data(), 1), PATH) for drawn in made.figure.axes[2].get_lines())


@pytest.mark.parametrize(("panel", "message"), [
    (Curves({}), "1 to 6 lines"), (Curves({str(k): [1.0] for k in range(7)}), "1 to 6 lines"), (Curves({"a": [np.nan]}), "no finite value"),
    (Curves({"a": [0.0, -1]}, log=True), "no positive finite"), (Curves({"a": ([1], [1, 2])}), "1 places and 2 heights"), (Curves({"a": [[1.0]]}), "2 axes where 1 is"),
    (Layers(["a"], {"x": [1, 2]}), "2 values for 1 layers"), (Fan([1, 2], [[1.0]]), "each of 2 depths"), (Ridges({}), "finite values"),
    (Ridges({"a": [np.nan]}), "finite values"), (Contour(A, A, PLANE[:3]), "13 x 13"), (Contour(A, A, PLANE * np.nan), "no loss in the plane"),
    (Surface(A, A[:4], PLANE), "13 x 4"),
])
def test_numbers_that_are_no_picture_are_refused(panel: Panel, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot(panel)


def test_a_figure_has_panels_and_few_columns() -> None:
    for panels, columns in (((), 1), ((PANELS["curves"],), 4), ((PANELS["curves"],), 0)):
        with pytest.raises(InputError, match="1 to 3 columns"):
            plot(*panels, columns=columns)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"symgrad\[plots\]"):
        plot(PANELS["curves"])
