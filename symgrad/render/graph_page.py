"""A diagram in; one web page out that shows it, to be moved, searched, folded and stepped through, offline and in one file."""
from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence

from symgrad.errors import InputError, nearest
from symgrad.explain.diagram import Arrow, Box, Diagram, Fact, Moment
from symgrad.explain.folding import automatic, folded, outermost, states
from symgrad.render.geometry import Size
from symgrad.render.layout import printable
from symgrad.render.markup import escaped, formula, math_style, package_text
from symgrad.render.svg import KINDS, swatch, to_svgs
from symgrad.render.theme import Theme, page_colours

__all__ = ["to_graph_page"]

_MOST = 300                                          # boxes, and steps, of which formulas are set; of more they are plain text, for speed
_WIDEST = 22                                         # letters of a formula that fit beside the picture
_SCOPE = "s"
_ROOM = Size(1000, 600)                              # what a screen leaves of itself to the picture
_ICONS = {
    "in": "M8 3v10M3 8h10", "out": "M3 8h10", "fit": "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3", "back": "M10 3 5 8l5 5", "on": "M6 3l5 5-5 5",
    "play": "M5 3v10l8-5z", "pause": "M5.5 3v10M10.5 3v10", "find": "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.5 10.5l3 3"}


def to_graph_page(diagram: Diagram, *, start: Collection[str] | None = None, theme: Theme = "auto") -> str:
    """The page as text, the same for the same diagram. With scripting off it is a picture with tooltips.

    Args:
        diagram: what is drawn.
        start: the groups that are closed at first; None for what makes a big picture small.
        theme: "light", "dark", or "auto" for what the reader's system prefers.

    Raises:
        InputError: `start` names a group that is not there, an unknown theme, or an engine asked for by SYMGRAD_ENGINE that gives no layout.
    """
    closings = _closings(diagram, start)
    drawn = [folded(diagram, closed) for closed in closings]
    shared = to_svgs(drawn, theme=theme, scope=_SCOPE, room=_ROOM)
    boxes = {box.id: box for picture in (diagram, *drawn) for box in picture.boxes}
    shown = {box.id: boxes[box.id] for picture in drawn for box in picture.boxes}
    cards = _Cards(diagram, len(shown) <= _MOST)
    groups = list(dict.fromkeys([*(group.name for group in outermost(diagram)), *sorted(set().union(*closings))]))
    data = {
        "groups": [printable(name) for name in groups],
        "outer": {printable(name): printable(next((g.name for g in diagram.around(name) if g.name in groups), name)) for name in sorted(_names(diagram))},
        "states": [_state(picture, closed, cards) for picture, closed in zip(drawn, closings, strict=True)]}
    title = escaped(diagram.title.strip() or "A computation graph")
    script = package_text("pan_zoom.js") + package_text("graph_page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'"
    style = f"{math_style()}{page_colours(theme)}\n{shared.style}\n{package_text('graph_page.css')}"
    counts = {group.name: group.count for group in diagram.groups} if diagram.boxes[0].span is None else {}
    body = "".join((
        f'<header>\n<h1>{title}</h1>\n{_folds(groups, counts) if len(closings) > 1 else ""}{_SEARCH}</header>\n',
        f'<main>\n<div id="stage">\n{shared.outlines}{shared.pictures[0]}</div>\n{_ZOOM}</main>\n', _PANEL, _steps(len(diagram.moments)),
        '<p id="said" aria-live="polite"></p>\n',
        _template("pictures", shared.pictures[1:]), _template("kinds", (_kind(kind) for kind in KINDS)),
        _template("cards", (cards.box(box) for box in shown.values())), _template("arrows", cards.arrows),
        _template("moments", cards.moments(diagram.moments, boxes)),
        f'<script type="application/json" id="data">{_json(data)}</script>\n', f"<script>{script}</script>\n"))
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n'
            f"<body>\n{body}</body>\n</html>\n")


def _closings(diagram: Diagram, start: Collection[str] | None) -> list[frozenset[str]]:
    """The sets of closed groups that the page can show, the first one at the start."""
    if start is not None and (unknown := sorted(set(start) - (known := _names(diagram)))):
        raise InputError(f"the picture has no group {unknown[0]!r} that could be folded{nearest(unknown[0], known)}")
    return states(diagram, automatic(diagram) if start is None else start)


def _names(diagram: Diagram) -> set[str]:
    return {group.name for box in diagram.boxes for group in diagram.around(box.group)}


def _state(picture: Diagram, closed: frozenset[str], cards: _Cards) -> dict[str, object]:
    """What the script needs to know of one of the pictures; boxes and arrows by their numbers in it."""
    place = {box.id: number for number, box in enumerate(picture.boxes)}
    return {
        "closed": sorted(map(printable, closed)),
        "arrows": [[place[arrow.tail], place[arrow.head], cards.arrow(arrow)] for arrow in picture.arrows],
        "moments": [[[place[box] for box in moment.boxes], list(moment.arrows), [place[box] for box in moment.reads]] for moment in picture.moments]}


class _Cards:
    """Writes what is said of boxes, arrows and steps; arrows of which the same is said share a card."""

    def __init__(self, diagram: Diagram, formulas: bool) -> None:
        self.formulas = formulas
        self.inside: dict[str, list[str]] = {}       # what stands in each group, for the search
        for box in diagram.boxes:
            for group in diagram.around(box.group):
                self.inside.setdefault(group.name, []).append(box.text)
        self.numbers: dict[str, int] = {}

    @property
    def arrows(self) -> Iterable[str]:
        return self.numbers

    def box(self, box: Box) -> str:
        facts = list(box.facts)
        told = {fact.label for fact in facts}
        if box.note_text.strip() and "value" not in told:
            facts.insert(0, Fact("value", box.note_text, box.note_tex))
        if (box.shape_text or box.shape_tex).strip() and "shape" not in told:
            facts.insert(0, Fact("shape", box.shape_text or box.shape_tex, box.shape_tex))
        rows = "".join(f"<dt>{escaped(fact.label)}</dt><dd>{self.set(fact.tex, fact.text)}</dd>" for fact in facts)
        tip = f"<p>{escaped(box.tooltip)}</p>" if box.tooltip.strip() and not box.facts else ""
        words = [box.text, box.tex, *(text for fact in facts for text in (fact.label, fact.text))]
        words += self.inside.get(box.id.removeprefix("fold:"), []) if box.kind == "fold" else []
        return (f'<article data-id="{escaped(box.id)}" data-kind="{box.kind}" data-name="{escaped(box.text)}" data-words="{escaped(" ".join(words))}"'
                f'{" data-kept" if box.kept else ""}><h2>{self.set(box.tex, box.text)}</h2>{f"<dl>{rows}</dl>" if rows else ""}{tip}</article>\n')

    def arrow(self, arrow: Arrow) -> int:
        label = f"<dl><dt>label</dt><dd>{self.set(arrow.tex, arrow.text)}</dd></dl>" if arrow.tex.strip() else ""
        tip = f"<p>{escaped(arrow.tooltip)}</p>" if arrow.tooltip.strip() and arrow.tooltip != arrow.text else ""
        return self.numbers.setdefault(f'<article data-kind="{arrow.kind}">{label}{tip}</article>\n', len(self.numbers))

    def moments(self, moments: Sequence[Moment], boxes: dict[str, Box]) -> Iterable[str]:
        formulas, self.formulas = self.formulas, len(moments) <= _MOST
        for moment in moments:
            names = ", ".join(self.set(boxes[name].tex, boxes[name].text) for name in moment.reads)
            reads = f'<p class="reads">reads from the cache: {names}</p>' if names else ""
            words = escaped(moment.title + (f"; reads {', '.join(boxes[name].text for name in moment.reads)}" if names else ""))
            shown = f"<p>{self.set(moment.tex, moment.text, 60)}</p>" if (moment.tex or moment.text).strip() else ""
            yield f'<article data-words="{words}"><h2>{escaped(moment.title)}</h2>{shown}{reads}</article>\n'
        self.formulas = formulas

    def set(self, tex: str, text: str, most: int = _WIDEST) -> str:
        """A formula with its LaTeX beside it, or the plain text where there is none, where it has no MathML, and where there are too many."""
        source = f' data-tex="{escaped(tex)}"' if tex.strip() else ""
        if source and self.formulas:
            try:
                return f'<span class="formula"{source}>{formula(tex, most, displaystyle=True)}</span>'
            except InputError:
                pass
        return f'<span class="plain"{source}>{escaped(text)}</span>'


def _kind(kind: str) -> str:
    return f'<p class="kind" data-kind="{kind}">{swatch(kind, _SCOPE)} {KINDS[kind]}</p>\n'


def _template(name: str, parts: Iterable[str]) -> str:
    return f'<template id="{name}">\n{"".join(parts)}</template>\n'


def _json(data: object) -> str:
    """JSON that no text in it can end: without any <."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _button(name: str, label: str, key: str = "") -> str:
    hint = f"{label} ({key})" if key else label
    return f'<button type="button" id="{name}" class="icon" aria-label="{label}" title="{hint}">{_icon(name)}</button>\n'


def _icon(name: str) -> str:
    return f'<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="{_ICONS[name]}"/></svg>'


def _folds(groups: Sequence[str], counts: dict[str, int]) -> str:
    chips = "".join(f'<button type="button" class="chip" data-group="{escaped(name)}" aria-expanded="true">{escaped(name)}'
                    f'{f" × {counts[name]}" if counts.get(name, 1) > 1 else ""}</button>\n' for name in groups)
    return (f'<div id="folds" role="group" aria-label="Layers" hidden>\n<button type="button" id="foldall">Fold all</button>\n'
            f'<button type="button" id="unfoldall">Unfold all</button>\n<div class="chips">\n{chips}</div>\n</div>\n')


def _steps(count: int) -> str:
    if not count:
        return ""
    return (f'<footer id="steps" role="group" aria-label="Step by step" hidden>\n<div class="transport">\n{_button("back", "Previous step", "←")}'
            f'<button type="button" id="play" class="icon" aria-label="Play" title="Play">{_icon("play")}{_icon("pause")}</button>\n'
            f'{_button("on", "Next step", "→")}<input type="range" id="step" min="0" max="{count}" value="0" aria-label="Step">\n'
            f'<output id="count" for="step">0 / {count}</output>\n</div>\n<div id="moment"></div>\n</footer>\n')


_SEARCH = (f'<div id="search" role="search" hidden>{_icon("find")}<input type="search" id="query" placeholder="Find a value" aria-label="Find a value" '
           'autocomplete="off" spellcheck="false"><output id="found" for="query" aria-live="polite"></output><kbd>/</kbd></div>\n')
_ZOOM = (f'<div id="zoom" role="group" aria-label="Zoom" hidden>\n{_button("in", "Zoom in", "+")}{_button("out", "Zoom out", "−")}'
         f'{_button("fit", "Show everything", "0")}</div>\n')
_PANEL = '''<aside id="panel" aria-label="Details" hidden>
<div id="card"></div>
<p id="paths"></p>
<div id="hint">
<p>Point at a value to read about it. Click it to light every path through it.</p>
<dl><dt><kbd>/</kbd></dt><dd>find a value</dd><dt><kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd></dt><dd>zoom, show everything</dd>
<dt class="stepkeys"><kbd>←</kbd> <kbd>→</kbd></dt><dd class="stepkeys">step by step</dd><dt><kbd>Esc</kbd></dt><dd>clear</dd></dl>
</div>
</aside>
'''
