"""The page of a picture in a browser: moved, searched, folded, lit, read and stepped through, with keys too, on a phone, in the dark and on paper."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import networkx
import pytest
from diagrams import EVIL, layers, residual, stepped

from symgrad.explain.diagram import Arrow, Box, Diagram
from symgrad.explain.folding import folded
from symgrad.render.graph_page import to_graph_page
from symgrad.render.theme import Theme

pytestmark = pytest.mark.browser


BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium, args=BROWSER)
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a diagram from its file; in the end nothing was asked of any server and the console is empty."""
    contexts, asked, complaints = [], [], []

    def opened(diagram: Diagram | None = None, width: int = 1280, height: int = 800, theme: Theme = "auto", before: str = "", **context: Any) -> Any:
        path = tmp_path / "page.html"
        path.write_text(to_graph_page(diagram, theme=theme) if diagram else usual(theme), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **{"reduced_motion": "reduce", **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(5000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and complaints == []


@cache
def usual(theme: Theme) -> str:
    return to_graph_page(stepped(), theme=theme)


def box(name: str) -> str:
    return f'#stage > svg:not([style*="none"]) .box[data-id="{name}"]'


def marked(page: Any, *styles: str) -> set[str]:
    """The boxes of the picture that is seen which have all these classes."""
    return set(page.eval_on_selector_all(box("X").replace('[data-id="X"]', "".join(f".{style}" for style in styles)), "all => all.map(box => box.dataset.id)"))


def middle(page: Any, name: str) -> tuple[float, float]:
    at = page.locator(box(name)).bounding_box()
    return at["x"] + at["width"] / 2, at["y"] + at["height"] / 2


def text(page: Any, name: str) -> str:
    return " ".join(page.inner_text(name).split())


def near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) < 1.5 for a, b in zip(one, other, strict=True))


def test_the_picture_is_dragged_and_zoomed(show: Callable[..., Any]) -> None:
    page = show()
    start = middle(page, "z2")
    page.click(box("W2"))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 40, start[1] - 60, steps=4)
    page.mouse.up()
    assert near(middle(page, "z2"), (start[0] + 40, start[1] - 60)) and marked(page, "picked") == {"W2"}, "a drag is no click"
    x, y = middle(page, "h2")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 2, y + 2)
    page.mouse.up()
    assert marked(page, "picked") == {"h2"} and near(middle(page, "h2"), (x, y)), "a hand is never quite still"
    page.keyboard.press("Escape")
    wide = page.locator(box("h2")).bounding_box()["width"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function("wide => document.querySelector('[data-id=h2]').getBoundingClientRect().width > wide", arg=wide * 1.5)
    assert near(middle(page, "h2"), (x, y)), "what the pointer is at stays where it is"
    page.keyboard.press("0")
    assert near(middle(page, "z2"), start)
    for more, less in (("#in", "#out"), ("+", "-")):
        for what, larger in ((more, True), (less, False)):
            wide = page.locator(box("h2")).bounding_box()["width"]
            page.click(what) if what[0] == "#" else page.keyboard.press(what)
            assert (page.locator(box("h2")).bounding_box()["width"] > wide) == larger
    page.click("#in")
    page.click("#fit")
    assert near(middle(page, "z2"), start)


def test_a_long_picture_begins_where_it_can_be_read(show: Callable[..., Any]) -> None:
    page = show(layers(400))
    tall = page.locator(box("n0")).bounding_box()["height"]
    assert tall > 14
    page.keyboard.press("0")
    assert page.locator(box("n0")).bounding_box()["height"] < 0.8 * tall
    ground = page.locator("#stage").bounding_box()
    for name in ("n0", "n399"):
        assert ground["x"] < middle(page, name)[0] < ground["x"] + ground["width"] and ground["y"] < middle(page, name)[1] < ground["y"] + ground["height"]


def test_two_fingers_zoom(show: Callable[..., Any]) -> None:
    page = show(width=400, has_touch=True)
    wide = page.locator(box("z1")).bounding_box()["width"]
    x, y = middle(page, "z1")
    touch = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", 0)):
        points = [{"x": x + side * apart, "y": y, "id": k} for k, side in enumerate((-1, 1))] if apart else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.locator(box("z1")).bounding_box()["width"] == pytest.approx(2 * wide, rel=0.1)
    at = middle(page, "z1")
    assert abs(at[0] - x) < 15 and abs(at[1] - y) < 2, "what is between the fingers stays there"


def test_boxes_are_found(show: Callable[..., Any]) -> None:
    page = show()
    page.keyboard.press("/")
    page.keyboard.type("w")
    hits = {item.id for item in stepped().boxes if "w" in " ".join((item.text, item.tex, *(f"{fact.label} {fact.text}" for fact in item.facts))).lower()}
    assert marked(page, "hit") == hits == {"W1", "z1", "W2", "z2", "W3", "z3"} and text(page, "#found") == "6 found"
    for number, name in ((1, "W1"), (2, "z1"), (3, "W2")):
        page.keyboard.press("Enter")
        assert text(page, "#found") == f"{number} of 6" and marked(page, "current") == {name}
        ground = page.locator("#stage").bounding_box()
        assert near(middle(page, name), (ground["x"] + ground["width"] / 2, ground["y"] + ground["height"] / 2))
    (x, y), (a, b) = middle(page, "W2"), middle(page, "z2")
    page.mouse.move(2 * x - a, 2 * y - b)            # where W2 will be when z2 has come to its place
    page.keyboard.press("Enter")
    page.wait_for_timeout(150)
    assert near(middle(page, "W2"), (2 * x - a, 2 * y - b)) and page.get_attribute("#card article", "data-id") == "z2", "not what comes under the pointer"
    page.keyboard.press("Shift+Enter")
    assert text(page, "#found") == "3 of 6"
    page.keyboard.type("qq")
    assert text(page, "#found") == "nothing found" and marked(page, "hit") == set()
    page.keyboard.press("Escape")
    assert page.input_value("#query") == "" and text(page, "#found") == ""
    page.click("#foldall")
    page.fill("#query", "z2")
    assert marked(page, "hit") == {"fold:blocks"}, "what is folded is found in its group"


def test_groups_fold_and_unfold(show: Callable[..., Any]) -> None:
    page = show()
    every = {item.id for item in stepped().boxes}
    blocks = {item.id for item in stepped().boxes if item.group.startswith("block")}
    assert marked(page) == every and page.is_disabled("#unfoldall")
    page.click(".chip >> text=blocks")
    assert marked(page) == every - blocks | {"fold:blocks"} and page.get_attribute(".chip >> text=blocks", "aria-expanded") == "false"
    page.click(box("fold:blocks"))
    assert marked(page) == every
    page.click('[data-group="block 2"] .fold-label')
    assert marked(page) == every - blocks | {"fold:blocks"}, "a label stands for the outermost group"
    page.focus(box("fold:blocks"))
    page.keyboard.press("Enter")
    assert marked(page) == every and page.evaluate("document.activeElement.ariaLabel") == "Fold blocks"
    page.click("#fit")
    at = page.locator('[data-group="output layer"] .frame >> nth=0').bounding_box()
    page.mouse.dblclick(at["x"] + 2, at["y"] + at["height"] - 2)
    assert marked(page) == every - {"v", "yhat"} | {"fold:output layer"}
    page.click("#foldall")
    assert marked(page) == {"x", "fold:blocks", "fold:output layer", "fold:target & loss"} and page.is_disabled("#foldall")
    page.click("#unfoldall")
    assert marked(page) == every


def test_the_nearest_state_is_taken_where_the_wanted_one_is_not_there(show: Callable[..., Any]) -> None:
    page = show(residual(6))                         # of six groups one is open, or one is closed, or all are alike
    for group in ("block 2", "block 4"):
        page.click(f".chip >> text={group}")
    assert {name for name in marked(page) if "fold" in name} == {"fold:block 4"}, "what was clicked last is as wanted"


@pytest.mark.parametrize("name", ["z2", "x", "loss", "W3"])
def test_a_box_lights_its_paths(show: Callable[..., Any], name: str) -> None:
    page, diagram = show(), stepped()
    graph = networkx.DiGraph([(a.tail, a.head) for a in diagram.arrows if a.kind == "forward"])
    before, after = networkx.ancestors(graph, name), networkx.descendants(graph, name)
    page.click(box(name))
    assert marked(page, "lit") == before | after | {name} and marked(page, "picked") == {name}
    assert text(page, "#paths") == f"{len(before)} value{'s lead' if len(before) != 1 else ' leads'} to it, {len(after)} follow{'' if len(after) != 1 else 's'} from it."
    way = {(a, b) for a, b in graph.edges if {a, b} <= before | {name} or {a, b} <= after | {name}}
    lit = {tuple(ends) for ends in page.eval_on_selector_all(".arrow.forward.lit", "all => all.map(arrow => [arrow.dataset.tail, arrow.dataset.head])")}
    assert lit == way
    page.hover(box("yhat" if name != "yhat" else "v"))
    assert page.get_attribute("#card article", "data-id") == name, "what was clicked stays in the panel"
    page.keyboard.press("Escape")
    assert marked(page, "lit") == set() and page.is_visible("#hint")


def test_steps(show: Callable[..., Any]) -> None:
    page, moments = show(), stepped().moments
    assert text(page, "#count") == f"0 / {len(moments)}" and marked(page, "now") == set()

    def check(number: int) -> None:
        moment = moments[number - 1]
        assert marked(page, "now") == set(moment.boxes) and marked(page, "read") == set(moment.reads)
        assert marked(page, "done") == {name for other in moments[:number - 1] for name in other.boxes}
        assert page.eval_on_selector_all(".arrow.now", "all => all.map(arrow => Number(arrow.id.slice(4)))") == sorted(moment.arrows)
        seen = {name: float(page.locator(box(name)).evaluate("part => getComputedStyle(part).opacity")) for name in marked(page)}
        assert all((seen[name] == 1) == (name in moment.boxes + moment.reads) and (seen[name] > 0.5) == (name in moment.reads or bool(
            {name} & (marked(page, "done") | marked(page, "now")))) for name in seen)
        assert text(page, "#moment h2") == moment.title and page.get_attribute("#moment p .formula", "data-tex") == moment.tex
        assert page.locator("#moment math").count() >= 1 and page.locator(".reads .formula").count() == len(moment.reads)
        assert text(page, "#count") == f"{number} / {len(moments)}" and moment.title in page.text_content("#said")

    for _ in range(3):
        page.keyboard.press("ArrowRight")
    check(3)
    page.keyboard.press("ArrowLeft")
    check(2)
    page.keyboard.press("End")
    check(len(moments))
    page.fill("#step", "12")
    check(12)
    page.focus("#step")
    page.keyboard.press("ArrowRight")
    check(13)
    page.click("#back")
    check(12)
    page.click(".chip >> text=blocks")
    assert marked(page, "now") == set(folded(stepped(), {"blocks"}).moments[11].boxes), "a step goes on in the box of its group"
    page.keyboard.press("Home")
    assert marked(page, "now") == marked(page, "done") == set() and page.locator("svg.stepping:visible").count() == 0


def test_it_plays(show: Callable[..., Any]) -> None:
    page = show(before="const slow = setInterval; window.setInterval = (what, time) => slow(what, time / 80)")
    page.click("#play")
    page.wait_for_function("count => document.getElementById('step').value === count", arg=str(len(stepped().moments)))
    page.wait_for_selector("#play[aria-label=Play]")
    assert page.is_disabled("#on")


def test_a_box_and_an_arrow_are_read_about(show: Callable[..., Any]) -> None:
    page, diagram = show(), stepped()
    page.hover(box("z2"))
    told = next(item for item in diagram.boxes if item.id == "z2")
    assert page.get_attribute("#card h2 .formula", "data-tex") == told.tex and page.is_hidden("#hint")
    assert page.eval_on_selector_all("#card dt", "all => all.map(part => part.innerText)") == [fact.label for fact in told.facts]
    assert page.eval_on_selector_all("#card dd :first-child[data-tex]", "all => all.map(part => part.dataset.tex)") == [fact.tex for fact in told.facts if fact.tex]
    assert text(page, "#card").startswith("operation cached") and page.locator("#card dd math").count() == 3
    number = next(k for k, arrow in enumerate(diagram.arrows) if (arrow.tail, arrow.head) == ("h2", "z2"))
    x, y = page.evaluate("""name => { const line = document.getElementById(name).querySelector(".line"), at = line.getPointAtLength(line.getTotalLength() / 2)
                            .matrixTransform(line.getScreenCTM()); return [at.x, at.y] }""", f"s0-a{number}")
    page.mouse.move(x + 3, y + 3)
    assert text(page, "#card h2") == "h2 → z2" and text(page, "#card").startswith("derivative") and "from h2 back to z2" in text(page, "#card")
    assert page.get_attribute("#card dd .formula", "data-tex") == diagram.arrows[number].tex


@pytest.mark.parametrize("before", ["", "Object.defineProperty(navigator, 'clipboard', {value: undefined})",
                                    "navigator.clipboard.writeText = () => Promise.reject(new Error('no'))"], ids=["clipboard", "none", "refused"])
def test_latex_is_copied(show: Callable[..., Any], before: str) -> None:
    page = show(before=before, permissions=["clipboard-read", "clipboard-write"])
    page.click(box("loss"))
    page.click("#card dd .copy >> nth=0")
    page.wait_for_selector("#card dd .copy >> text=copied")
    page.focus("#query")
    page.keyboard.press("Control+V")
    assert page.input_value("#query") == r"\ell = \frac{1}{2}\left(\hat y - y\right)^2"


def test_keys_are_enough(show: Callable[..., Any]) -> None:
    page = show()
    page.focus("#query")
    passed = []
    for _ in range(len(stepped().boxes) + 5):        # five labels to fold by
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.dataset.id ?? document.activeElement.ariaLabel"))
    assert [name for name in passed if not name.startswith("Fold ")] == [item.id for item in stepped().boxes] and len(set(passed)) == len(passed) - 2
    assert page.get_attribute("#card article", "data-id") == passed[-1] == "loss"
    ring = page.locator(box("loss") + " > .ring").evaluate("part => getComputedStyle(part).stroke")
    assert ring != "none"
    page.keyboard.press("Enter")
    assert marked(page, "picked") == {"loss"} and "to it" in page.text_content("#said")
    assert page.get_attribute("#stage > svg[role=group]", "aria-label") == "A residual network and its gradient"
    assert page.eval_on_selector_all("button, input", "all => all.filter(part => !part.innerText.trim() && !part.ariaLabel).length") == 0


def test_without_scripts_it_is_a_picture(show: Callable[..., Any]) -> None:
    page = show(java_script_enabled=False)
    assert page.is_visible(box("z2")) and page.locator(box("z2") + " > title").text_content() == "z2: a value"
    assert not any(page.is_visible(f"#{name}") for name in ("folds", "search", "zoom", "panel", "steps"))
    assert page.locator("#stage svg.s").count() == 1 and page.locator("#stage svg.s").bounding_box()["width"] > 900


@pytest.mark.parametrize("height", [800, 360])
def test_nothing_sticks_out_of_a_narrow_screen(show: Callable[..., Any], height: int) -> None:
    page = show(width=400, height=height)
    page.keyboard.press("0")
    page.click(box("z2"))
    page.click("#on")
    outside = """() => [...document.querySelectorAll("header *, #panel, #zoom, #steps *")].filter(part => !part.closest(".chips, .formula, svg"))
                 .filter(part => part.getBoundingClientRect().right > innerWidth + 0.5).map(part => part.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == [] and page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#stage").bounding_box()["height"] > 150
    page.evaluate("document.querySelector('h1').style.minWidth = '500px'")
    assert page.evaluate(outside) != [], "what sticks out would be found"


@pytest.mark.parametrize(("theme", "system", "dark"), [("auto", "dark", True), ("auto", "light", False), ("light", "dark", False), ("dark", "light", True)])
def test_light_and_dark(show: Callable[..., Any], theme: str, system: str, dark: bool) -> None:
    page = show(theme=theme, color_scheme=system)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 24, 29)") == dark and (paper == "rgb(255, 255, 255)") != dark
    assert page.locator("#stage svg .paper >> nth=0").evaluate("part => getComputedStyle(part).fill") == paper
    button = page.locator("#foldall").evaluate("part => getComputedStyle(part).color")
    assert (button == "rgb(233, 236, 239)") == dark


def test_on_paper_it_is_the_whole_picture(show: Callable[..., Any]) -> None:
    page = show()
    page.click(box("z2"))
    page.click("#in")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert not any(page.is_visible(f"#{name}") for name in ("folds", "search", "zoom", "panel", "steps"))
    assert page.locator(box("x")).evaluate("part => getComputedStyle(part).opacity") == "1", "nothing is faded"
    helpers = page.eval_on_selector_all(".grip, .reach, .ring", "all => all.map(part => getComputedStyle(part).display)")
    assert len(helpers) > len(stepped().arrows) and set(helpers) == {"none"}, "what only serves the pointer would be black on paper"
    seen = page.locator("#stage svg.s").bounding_box()
    for name in ("x", "loss", "W1"):
        x, y = middle(page, name)
        assert seen["x"] < x < seen["x"] + seen["width"] and seen["y"] < y < seen["y"] + seen["height"]


def test_any_text_is_shown_and_folded(show: Callable[..., Any]) -> None:
    boxes = (Box("a", r"\frac{a", EVIL, group=EVIL, tooltip=EVIL), Box("b", "b", "b", facts=()), Box("c", "c", EVIL, group=EVIL))
    page = show(Diagram(EVIL, boxes, (Arrow("a", "b", "x", EVIL, tooltip=EVIL), Arrow("b", "c"))))
    page.hover(box("a"))
    told = text(page, "#card")
    assert "<script>alert('x')</script> & \"quotes\" \\ back slash ]]>" in told
    page.click(".chip")
    assert len(marked(page)) == 2 and len(marked(page, "fold")) == 1
    page.click(box("b"))
    assert marked(page, "lit") == marked(page)
    page.click(".chip")
    assert marked(page) == {"a", "b", "c"}


def test_motion_is_left_out_where_it_is_not_wanted(show: Callable[..., Any]) -> None:
    for wish, moves in (("reduce", False), ("no-preference", True)):
        page = show(reduced_motion=wish)
        assert (page.locator(box("z2")).evaluate("part => getComputedStyle(part).transitionDuration") == "0.16s") == moves
        start = middle(page, "z2")
        page.focus("#query")
        page.keyboard.type("z2")
        page.evaluate("document.getElementById('query').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))")
        ground = page.locator("#stage").bounding_box()
        if moves:
            page.wait_for_timeout(400)
        assert not near(start, middle(page, "z2"))
        assert near(middle(page, "z2"), (ground["x"] + ground["width"] / 2, ground["y"] + ground["height"] / 2))
