"""A diagram and the groups to close in; the diagram with one box for each of them out."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import combinations

from symgrad.explain.diagram import Arrow, Box, Diagram, Fact, Group, Moment

__all__ = ["MOST", "automatic", "folded", "outermost", "states"]

MOST = 60
"""A picture of more boxes than this, and half as many again for inputs that are drawn more than once, is folded by itself."""
_MANY = 400                                          # boxes that a page still shows unfolded
_FREELY = 4                                          # so many groups open and close in every combination


def outermost(diagram: Diagram) -> list[Group]:
    """The groups that no other one holds, in the order of their first boxes; in a picture over time, those within the passes."""
    return list(dict.fromkeys(_outer(diagram)))


def _outer(diagram: Diagram) -> list[Group]:
    """The outermost group of every box that is in one."""
    first = 0 if diagram.boxes[0].span is None else 1
    return [around[first] for box in diagram.boxes if len(around := diagram.around(box.group)) > first]


def automatic(diagram: Diagram, most: int = MOST) -> frozenset[str]:
    """The groups to close so that at most so many boxes are left, if that can be: repeated layers first, then every outermost group."""
    if sum(not box.copy_of for box in diagram.boxes) <= most and len(diagram.boxes) <= 1.5 * most:
        return frozenset()
    outer = outermost(diagram)
    repeated = frozenset(group.name for group in outer if group.count > 1)
    if repeated and len(folded(diagram, repeated).boxes) <= most:
        return repeated
    return frozenset(group.name for group in outer)


def states(diagram: Diagram, start: Collection[str]) -> list[frozenset[str]]:
    """The sets of closed groups that a page can show, the first one at the start: all of them for few groups, else those that
    open or close one group from where everything is closed, or open.
    """
    names = [group.name for group in outermost(diagram)]
    found = [frozenset(start)]
    if len(names) <= _FREELY:
        found += [frozenset(closed) for many in range(len(names) + 1) for closed in combinations(names, many)]
    else:
        every = frozenset(names)
        found += [every, frozenset(), *(every - {name} for name in names), *(frozenset({name}) for name in names)]
    members = Counter(group.name for group in _outer(diagram))
    sizes = {closed: len(diagram.boxes) - sum(members[name] - 1 for name in closed) for closed in dict.fromkeys(found)}
    sizes[found[0]] = len(folded(diagram, start).boxes)  # which may close groups within groups
    small = [closed for closed in sizes if closed == found[0] or sizes[closed] <= _MANY]
    kept, total = small[:1], 0
    for closed in small[1:]:                         # a page of a few thousand boxes in all still opens at once
        total += sizes[closed]
        if total <= 5 * _MANY:
            kept.append(closed)
    return kept


def folded(diagram: Diagram, closed: Collection[str]) -> Diagram:
    """The diagram with one box for each closed group; arrows that come to lie on one another are one, without a label where they were several.

    The box of a group has the shapes that go in and come out; what is inside stands in its facts.
    """
    place: dict[str, str] = {}                       # box id -> id of what is shown for it
    members: dict[str, list[Box]] = {}
    for box in diagram.boxes:
        group = next((g.name for g in diagram.around(box.group) if g.name in closed), None)
        place[box.id] = box.id if group is None else f"fold:{group}"
        if group is not None:
            members.setdefault(group, []).append(box)
    if not members:
        return diagram
    entering, leaving = _crossing(diagram, place)
    boxes: dict[str, Box] = {}
    for box in diagram.boxes:
        shown = place[box.id]
        if shown == box.id:
            boxes[shown] = box
        elif shown not in boxes:
            group = shown.removeprefix("fold:")
            boxes[shown] = _closed(diagram.around(group)[-1], members[group], entering[shown], leaving[shown])
    ends = [(place[a.tail], place[a.head], a.kind) for a in diagram.arrows]
    often = Counter(ends)
    numbers: dict[tuple[str, str, str], int] = {}
    arrows: list[Arrow] = []
    moved: list[int | None] = []                     # number of each old arrow in the new picture
    for arrow, key in zip(diagram.arrows, ends, strict=True):
        tail, head, _ = key
        touched = (tail, head) != (arrow.tail, arrow.head)
        if tail == head:
            moved.append(None)
        elif touched and often[key] > 1 and key in numbers:
            moved.append(numbers[key])
            arrows[numbers[key]] = replace(arrows[numbers[key]], faded=arrows[numbers[key]].faded and arrow.faded)
        else:
            numbers[key] = len(arrows)
            moved.append(len(arrows))
            several = touched and often[key] > 1
            arrows.append(Arrow(tail, head, "" if several else arrow.tex, "" if several else arrow.text, arrow.kind,
                                f"{often[key]} {'values' if arrow.kind == 'forward' else 'derivatives'}" if several else arrow.tooltip, arrow.faded))
    return replace(diagram, boxes=tuple(boxes.values()), arrows=tuple(arrows), moments=_moments(diagram.moments, place, moved))


def _crossing(diagram: Diagram, place: Mapping[str, str]) -> tuple[dict[str, list[Box]], dict[str, list[Box]]]:
    """For what is shown: the boxes outside it that are read inside, and those inside that are read outside."""
    by_id = {box.id: box for box in diagram.boxes}
    entering: dict[str, list[Box]] = defaultdict(list)
    leaving: dict[str, list[Box]] = defaultdict(list)
    for arrow in diagram.arrows:
        if arrow.kind == "forward" and place[arrow.tail] != place[arrow.head]:
            entering[place[arrow.head]].append(by_id[arrow.tail])
            leaving[place[arrow.tail]].append(by_id[arrow.tail])
    return entering, leaving


def _closed(group: Group, members: list[Box], entering: list[Box], leaving: list[Box]) -> Box:
    """The box of a closed group."""
    border = [_border([box for box in side if box.kind != "param"]) for side in (entering, leaving or members[-1:])]
    kinds = Counter(box.kind for box in members)
    holds = [f"{many} {word if many == 1 else word + 's'}" for word, many in
             (("parameter", kinds["param"]), ("value", len(members) - kinds["param"] - kinds["data"] - kinds["const"])) if many]
    shape_tex, shape_text = (arrow.join(filter(None, side)) for arrow, side in zip((r" \to ", " → "), zip(*border, strict=True), strict=True))
    values = ", ".join(box.text for box in members[:40]) + ", …" * (len(members) > 40)
    facts: tuple[Fact, ...] = (Fact("holds", ", ".join(holds)), Fact("values", values))
    first = [box for box in members if box.kind not in ("param", "data", "const") and box.group == members[0].group] if group.count > 1 else []
    facts += tuple(Fact("the first one" if not k else "", fact.text, fact.tex) for k, fact in
                   enumerate([f for box in first[:6] for f in box.facts if f.label == "equation"][:6]))
    spans = [box.span for box in members if box.span is not None]
    ends = [until for _, until in spans]
    span = (min(step for step, _ in spans), None if None in ends else max(e for e in ends if e is not None)) if spans else None
    times = f" × {group.count}" if group.count > 1 and not spans else ""
    name = f"{group.name}{times}"
    return Box(f"fold:{group.name}", rf"\text{{{_plain(group.name)}}}" + (rf"\;\times {group.count}" if times else ""), name, shape_tex, shape_text,
               "fold", group.parent, f"{name}: {', '.join(holds)}", facts=facts, faded=all(box.faded for box in members),
               kept=any(box.kept for box in members), span=span, note_text=f"{len(spans)} steps" if spans else "")


def _border(boxes: Iterable[Box]) -> tuple[str, str]:
    """The shapes of what crosses a border, each once, as LaTeX and as text."""
    shapes = list(dict.fromkeys((box.shape_tex, box.shape_text) for box in boxes if box.shape_text.strip()))[:3]
    return ", ".join(tex for tex, _ in shapes), ", ".join(text for _, text in shapes)


def _plain(text: str) -> str:
    """Words that LaTeX shows as they are: what it takes for a command is left out."""
    return "".join(letter for letter in text if letter not in "\\{}$%#&_^~") or "layers"


def _moments(moments: Iterable[Moment], place: dict[str, str], moved: list[int | None]) -> tuple[Moment, ...]:
    return tuple(replace(m, boxes=tuple(dict.fromkeys(place[b] for b in m.boxes)), reads=tuple(dict.fromkeys(place[b] for b in m.reads)),
                         arrows=tuple(dict.fromkeys(k for a in m.arrows if (k := moved[a]) is not None))) for m in moments)
