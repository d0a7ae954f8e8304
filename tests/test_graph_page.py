"""The page of a picture as text: one file that needs nothing else, safe with any text, the same every time."""
from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from diagrams import ALL, EVIL, chain, layers, network, stepped, wild

from symgrad.errors import InputError
from symgrad.explain.diagram import Box, Diagram, Fact, Group
from symgrad.explain.folding import folded, states
from symgrad.render.graph_page import to_graph_page

VOID = {"meta", "input", "br", "img"}


class _Parts(HTMLParser):
    """The elements of a page with their attributes and texts; fails on one that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, list[str]]] = []
        self.seen: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append((tag, self.seen[-1][2]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1][1].append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return ["".join(text) for name, known, text in self.seen if name == tag and attributes.items() <= known.items()]


def faults(page: str) -> list[str]:
    """What keeps a page from being one file that runs its own script and nothing else."""
    parts = _Parts(page)
    found = [f"{tag} {name}={value}" for tag, attributes, _ in parts.seen for name, value in attributes.items()
             if (name in ("src", "srcset", "data", "action", "poster") or (name == "href" and value[:1] != "#") or name.startswith("on"))]
    sheets = "".join(parts.texts("style")) + "".join(attributes.get("style", "") for _, attributes, _ in parts.seen)
    found += [part for part in re.findall(r"@import.{,40}|url\((?!data:font/woff2;base64,).{,40}", sheets)]
    policy = next((attributes["content"] for tag, attributes, _ in parts.seen
                   if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"), "")
    if not policy.startswith("default-src 'none'; ") or re.search(r"script-src[^;]*(unsafe|https?:|\*)", policy) or "base-uri 'none'" not in policy:
        found.append(f"the policy is {policy!r}")
    scripts = parts.texts("script")
    data = parts.texts("script", type="application/json")
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts if script not in data]
    if len(hashes) != 1 or re.findall(r"'sha256-[^']*'", policy) != hashes:
        found.append("the policy does not allow the script, or another one")
    ids = [attributes["id"] for _, attributes, _ in parts.seen if "id" in attributes]
    links = {attributes["href"][1:] for _, attributes, _ in parts.seen if attributes.get("href", "")[:1] == "#"}
    return found + [f"id {name!r} twice" for name in set(ids) if ids.count(name) > 1] + [f"no id {name!r}" for name in links - set(ids)]


@pytest.mark.parametrize("name", ["stepped", "network", "square", "wild", "random 3"])
def test_one_file_is_all_it_needs(name: str) -> None:
    assert faults(to_graph_page(ALL[name])) == []


@pytest.mark.parametrize("change", [
    lambda page: page.replace("<main>", '<main><img src="https://example.org/a.png">'), lambda page: page.replace("</style>", "@import 'a.css';</style>"),
    lambda page: page.replace("</style>", "a{background:url(a.png)}</style>"), lambda page: page.replace("<main>", '<main onclick="a()">'),
    lambda page: page.replace("panZoom = stage", "panZoom = other"), lambda page: page.replace("default-src 'none'; ", ""),
    lambda page: page.replace("script-src", "script-src 'unsafe-inline'"), lambda page: page.replace("<main>", '<main id="s0-b0">'),
    lambda page: page.replace("</body>", "<script>1</script></body>"), lambda page: page.replace('id="s-0"', 'id="s-none"')])
def test_a_page_that_needs_more_is_found(change: Callable[[str], str]) -> None:
    page = to_graph_page(network(backward=False))
    assert faults(page) == [] and faults(change(page)) != []


def test_strangers_text_stays_text() -> None:
    boxes = (Box("a", r"\frac{a", EVIL, "", EVIL, "op", EVIL, EVIL, facts=(Fact(EVIL, EVIL, r"\unknown"), Fact(EVIL, EVIL))), Box("b</script>", "b", "b"))
    for diagram in (wild(), Diagram(EVIL, boxes)):
        page = to_graph_page(diagram)
        assert faults(page) == [] and page.count("</script") == 2 and "\x00" not in page
        assert "<script>alert" not in page and "&lt;script&gt;alert(&#x27;x&#x27;)" in page
        assert json.loads(_Parts(page).texts("script", id="data")[0])["states"]


def test_the_same_bytes_in_another_process() -> None:
    code = "from diagrams import stepped; from symgrad.render.graph_page import to_graph_page; print(to_graph_page(stepped()), end='')"
    runs = {subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed}, check=True,
                           capture_output=True, encoding="utf-8").stdout for seed in "12"}
    assert runs == {to_graph_page(stepped())}


def test_a_picture_for_each_set_of_closed_groups_and_letters_once_for_all() -> None:
    diagram = stepped()
    page = to_graph_page(diagram, start={"blocks"})
    closings = states(diagram, {"blocks"})
    data = json.loads(_Parts(page).texts("script", id="data")[0])
    assert [set(state["closed"]) for state in data["states"]] == [set(closed) for closed in closings] and closings[0] == {"blocks"}
    assert len(closings) == 8 and page.count("<defs>") == 1 and page.count('role="img" aria-label="A residual network') == 8
    for number, closed in enumerate(closings):
        assert page.count(f'id="s{number}-b') == len(folded(diagram, closed).boxes)
    seen = page[:page.index("<template")]
    assert 'data-id="fold:blocks"' in seen and "<title>blocks × 3" in seen and 'id="s1-' not in seen, "without a script the first state is seen"
    assert all(f'id="{name}"' in seen and re.search(rf'id="{name}"[^>]* hidden>', seen) for name in ("folds", "search", "zoom", "panel", "steps"))


def test_what_cannot_be_folded_is_said() -> None:
    with pytest.raises(InputError, match=r"no group 'block 9'.*did you mean"):
        to_graph_page(stepped(), start={"block 9"})
    with pytest.raises(InputError, match="light, dark, auto"):
        to_graph_page(stepped(), theme="pink")


def test_steps_of_a_picture_over_time_fold_within_their_pass() -> None:
    timed = Diagram("", tuple(Box(name, name, name, span=(k, None), group="middle" if name in "bc" else "pass") for k, name in enumerate("abcd")),
                    groups=(Group("middle", "pass", 2),))
    assert '"groups":["middle"]' in to_graph_page(timed).replace(": ", ":")
    assert "fold:middle" in to_graph_page(timed, start={"middle"}).split("<template")[0]


def test_formulas_are_set_as_long_as_they_are_few() -> None:
    assert to_graph_page(chain(60)).count("<math") > 100
    page = to_graph_page(layers(5000))
    assert "<math" not in page and page.count('<span class="plain" data-tex="x_{') == 5000 and page.count('id="s0-b') == 5000
    assert 'id="steps"' not in page and 'id="folds"' not in page
