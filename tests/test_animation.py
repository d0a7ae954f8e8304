"""Pictures that move: every step shows what it is about and no other, the line below fits, and where nothing moves all is there."""
from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from diagrams import EVIL, kinds, network, square, stepped, wild
from svg_flaws import Thing, flaws_of, things

from symgrad.errors import InputError, MissingExtraError
from symgrad.explain.diagram import Diagram, Moment
from symgrad.explain.folding import folded
from symgrad.render import animation
from symgrad.render.animation import to_animated_svg, to_gif
from symgrad.render.svg import to_svg

Image = pytest.importorskip("PIL.Image")
TALL = r"\frac{\partial \ell}{\partial W^{(1)}} = \begin{bmatrix} a & b \\ c & d \\ e & f \end{bmatrix}"
WIDE = " + ".join(f"a_{{{k}}} b_{{{k}}}" for k in range(60))


def moving() -> dict[str, Diagram]:
    """Diagrams with steps: the usual one, one with a fold, and small ones whose captions are too big for them."""
    small, odd = square(), wild()
    return {"stepped": stepped(), "folded": folded(stepped(5), {"blocks"}),
            "captions": replace(small, moments=(Moment("t" * 300, TALL, "tall", ("x",)), Moment("x", WIDE, "wide " * 100, ("s",), (0, 1), ("x",)),
                                                Moment("no formula", "", "", ("s",)), Moment("cannot be drawn", r"\frac{", "as text", ("x",), (2,)))),
            "strangers": replace(odd, moments=(Moment(EVIL, r"x < y", EVIL, ("evil",), (8,), ("m",)),)),
            "faded": replace(kinds(faded=True), moments=(Moment("all", "x", "x", ("op", "data"), (0, 1, 2, 3), ("param",)),))}


DIAGRAMS = moving()


def shown_in(svg: str, at: float) -> dict[str, float]:
    """How much of each animated element is seen at a time, from 0 to 1 of the whole run, by the rules of the style sheet."""
    keyframes = {name: [(float(share) / 100, float(opacity)) for share, opacity in re.findall(r"([\d.]+)%\{opacity:([\d.]+)\}", body)]
                 for name, body in re.findall(r"@keyframes ([\w-]+)\{((?:[^{}]*\{[^{}]*\})*)\}", svg)}
    found = {}
    for names, frames in re.findall(r"([#\w,-]+)\{animation:([\w-]+) [\d.]+s step-end infinite\}", svg):
        seen = [opacity for share, opacity in keyframes[frames] if share <= at + 1e-9][-1]
        found.update(dict.fromkeys((name[1:] for name in names.split(",")), seen))
    return found


@pytest.mark.parametrize("name", DIAGRAMS)
def test_every_step_shows_what_it_is_about(name: str) -> None:
    diagram = DIAGRAMS[name]
    svg, count = to_animated_svg(diagram), len(diagram.moments)
    assert {float(seconds) for seconds in re.findall(r"([\d.]+)s step-end infinite", svg)} == {float(f"{1.2 * (count + 2):.4g}")}, "the end is shown twice as long"
    ids = {element.get("id") for element in ElementTree.fromstring(svg).iter()}
    number = {box.id: k for k, box in enumerate(diagram.boxes)}
    for step, moment in enumerate([*diagram.moments, None, None]):
        seen = shown_in(svg, (step + 0.5) / (count + 2))
        assert seen.keys() <= ids
        lit = {element for element, much in seen.items() if much and element[2] in "nrwc"}
        if moment is None:
            assert lit == {f"g-c{count}"}, "in the end all is there and nothing is marked"
        else:
            assert lit == {f"g-c{step}", *(f"g-n{number[b]}" for b in moment.boxes), *(f"g-r{number[b]}" for b in moment.reads), *(f"g-w{k}" for k in moment.arrows)}
        past = diagram.moments[:step + 1]
        ends = {end for m in past for k in m.arrows for end in (diagram.arrows[k].tail, diagram.arrows[k].head)}
        reached = {f"g-b{number[b]}" for m in past for b in (*m.boxes, *m.reads)} | {f"g-b{number[b]}" for b in ends} | {f"g-a{k}" for m in past for k in m.arrows}
        for element, much in seen.items():
            if element[2] in "ab":
                faded = "faded" in re.search(rf'class="([^"]*)" id="{element}"', svg)[1]
                assert much == ((0.28 if faded else 1) if element in reached else min(much, 0.25)), element


@pytest.mark.parametrize("name", DIAGRAMS)
def test_nothing_is_cut_or_overlaps_in_any_step(name: str) -> None:
    """The lines below are measured one at a time, as they are shown; their step is in their ids."""
    svg = to_animated_svg(DIAGRAMS[name])
    captions = [f"g-c{k}" for k in range(len(DIAGRAMS[name].moments) + 1)]
    assert all(re.search(rf'<g class="step" id="{caption}">', svg) for caption in captions)
    for caption in captions:
        others = [f'<g class="step" id="{other}">' for other in captions if other != caption]
        single = re.sub(rf'({"|".join(map(re.escape, others))}).*?</g>\n(<g class="ink".*?</g>\n)?</g>\n', "", svg, flags=re.DOTALL)
        single = re.sub(r'<(rect|path) class="step [^>]*/>\n', "", single)
        page, found = things(single)
        assert not flaws_of(single)
        below = [thing for thing in found if thing.kind == "text" and thing.owner.startswith(caption)]
        above = max(thing.room.bottom for thing in found if thing not in below)
        assert below and all(isinstance(thing, Thing) and thing.room.top > above - 0.5 for thing in below)
        assert abs(sum(page[::2]) / 2 - sum(below[0].room[::2]) / 2) < 3, "in the middle"


def test_the_measure_of_captions_finds_flaws() -> None:
    svg = to_animated_svg(DIAGRAMS["stepped"])
    assert flaws_of(svg), "captions of all steps in one place overlap, if it is not said which one is shown"


def test_without_motion_it_is_the_whole_picture() -> None:
    """All that moves is in one rule for readers who want motion; marks are not seen without it, the last line is."""
    svg = to_animated_svg(stepped())
    rules = re.search(r"<style>(.*?)</style>", svg, re.DOTALL)[1]
    before, motion, inside = rules.partition("@media (prefers-reduced-motion:no-preference){")
    assert motion and "animation" not in before and inside.endswith("}}") and inside.count("{") + 1 == inside.count("}")
    assert ".g .step{opacity:0}" in before and f"#g-c{len(stepped().moments)}{{opacity:1}}" in before
    assert "<script" not in svg and "<animate" not in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    plain = to_svg(stepped())
    boxes = re.findall(r'<g class="box.*?data-id="[^"]*"', plain)
    assert boxes == re.findall(r'<g class="box.*?data-id="[^"]*"', svg)


def test_strangers_text_stays_text() -> None:
    svg = to_animated_svg(DIAGRAMS["strangers"])
    assert "<script" not in svg and "alert(&#x27;x&#x27;)" in svg and "\x00" not in svg


@pytest.mark.parametrize("write", [to_animated_svg, to_gif])
def test_what_cannot_move_is_refused(write: Callable[..., object]) -> None:
    with pytest.raises(InputError, match='"forward", "backward" and "both"'):
        write(network())
    for seconds in (0, -1, math.inf, math.nan):
        with pytest.raises(InputError, match="above 0"):
            write(stepped(), seconds=seconds)
    with pytest.raises(InputError, match="light, dark, auto"):
        write(stepped(), theme="pink")


def test_a_gif_that_is_too_big_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "_MOST", 1_000_000)
    with pytest.raises(InputError, match="too many for a GIF; fold layers"):
        to_gif(stepped())


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("PIL.Image", "pillow"), ("resvg_py", "resvg-py")])
def test_what_is_missing_is_said_by_name(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*symgrad\[plots\]"):
        to_gif(stepped())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_gif_has_a_frame_for_each_step(theme: str) -> None:
    diagram = stepped(1)
    data = to_gif(diagram, theme=theme, seconds=0.5)
    assert data == to_gif(diagram, theme=theme, seconds=0.5) and len(data) < 1_500_000
    gif = Image.open(io.BytesIO(data))
    film = animation._film(diagram, theme, 1.0)
    assert gif.n_frames == len(diagram.moments) + 1 and gif.info["loop"] == 0
    for step in range(gif.n_frames):
        gif.seek(step)
        assert gif.info["duration"] == (500 if step < gif.n_frames - 1 else 1000)
        wanted = Image.open(io.BytesIO(animation.png_of(film.styled(film.frame(step))))).convert("RGB")
        assert gif.size == wanted.size
        differences = np.abs(np.asarray(gif.convert("RGB"), dtype=int) - np.asarray(wanted, dtype=int)).max(axis=-1)
        assert (differences > 0).mean() < 0.03 and differences.max() < 64, "areas keep their colours, edges nearly"


@pytest.mark.browser
def test_a_browser_moves_it(chromium: str, tmp_path: Path) -> None:
    """Every step as the browser computes it; within <img>; and still where the system wants no motion."""
    from playwright.sync_api import sync_playwright

    diagram = DIAGRAMS["stepped"]
    svg, count = to_animated_svg(diagram, seconds=0.2), len(diagram.moments)
    (tmp_path / "moving.svg").write_text(svg, encoding="utf-8")
    (tmp_path / "page.html").write_text('<!doctype html><img src="moving.svg">', encoding="utf-8")

    def images(page: Any) -> tuple[bytes, bytes]:
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_timeout(250)
        first = page.screenshot()
        page.wait_for_timeout(600)
        return first, page.screenshot()

    with sync_playwright() as play:
        usual = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=chromium, args=usual)
        page = browser.new_page()
        page.goto((tmp_path / "moving.svg").as_uri())
        for step in (0, 1, count // 2, count - 1, count):
            at = (step + 0.5) / (count + 2)
            page.evaluate(f"document.getAnimations().forEach(a => {{ a.pause(); a.currentTime = {at * 200 * (count + 2)}; }})")
            expected = shown_in(svg, at)
            found = page.evaluate("ids => ids.map(id => +getComputedStyle(document.getElementById(id)).opacity)", list(expected))
            assert found == pytest.approx(list(expected.values()), abs=1e-6)
        first, later = images(page)
        assert first != later
        browser.close()
        browser = play.chromium.launch(executable_path=chromium, args=[*usual, "--force-prefers-reduced-motion"])
        first, later = images(browser.new_page())
        assert first == later
        browser.close()
