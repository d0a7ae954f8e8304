"""A sketch in; the layer of every box out, edges running from lower layers to higher."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.render.geometry import Sketch

__all__ = ["ranks"]


def ranks(sketch: Sketch, group: Sequence[int]) -> list[int]:
    """Longest path from a source; sources stand next to their first use, and groups follow each other where they can."""
    edges = _without_cycles(len(sketch.boxes), [(edge.tail, edge.head) for edge in sketch.edges])
    boxes, gates = len(sketch.boxes), len(sketch.boxes) + 2 * len(sketch.groups)

    def gate(box: int, leaving: int) -> int:
        return box if group[box] < 0 else boxes + 2 * group[box] + leaving

    fenced = [(gate(tail, 1), gate(head, 0)) for tail, head in edges if group[tail] != group[head] or group[tail] < 0]
    inner = [edge for edge in edges if group[edge[0]] == group[edge[1]] >= 0]
    fences = [pair for box in range(boxes) if group[box] >= 0 for pair in ((gate(box, 0), box), (box, gate(box, 1)))]
    found = _longest(gates, fenced + inner + fences) or _longest(boxes, edges) or []
    fenced_off = len(found) > boxes
    after: list[list[int]] = [[] for _ in range(boxes)]
    sources = set(range(boxes))
    for tail, head in edges:
        after[tail].append(head)
        sources.discard(head)
    for box in sorted(sources):
        if after[box]:
            found[box] = min(found[gate(head, 0) if fenced_off and group[head] != group[box] else head] for head in after[box]) - 1
    dense = {rank: index for index, rank in enumerate(sorted(set(found[:boxes])))}
    return [dense[rank] for rank in found[:boxes]]


def _longest(count: int, edges: Sequence[tuple[int, int]]) -> list[int] | None:
    """The longest path to every place, or None if there is a cycle."""
    after: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for tail, head in edges:
        after[tail].append(head)
        missing[head] += 1
    ranks, ready = [0] * count, [place for place in range(count) if not missing[place]]
    for place in ready:
        for head in after[place]:
            ranks[head] = max(ranks[head], ranks[place] + 1)
            missing[head] -= 1
            if not missing[head]:
                ready.append(head)
    return ranks if len(ready) == count else None


def _without_cycles(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, those that close a cycle in a walk from the first box on turned round."""
    after: list[list[int]] = [[] for _ in range(count)]
    for number, (tail, _) in enumerate(edges):
        after[tail].append(number)
    state, turned = [0] * count, set()               # 0 unseen, 1 on the way, 2 done
    for root in range(count):
        stack = [(root, 0)] if not state[root] else []
        while stack:
            box, index = stack.pop()
            state[box] = 1
            if index == len(after[box]):
                state[box] = 2
                continue
            stack.append((box, index + 1))
            number = after[box][index]
            head = edges[number][1]
            if state[head] == 1:
                turned.add(number)
            elif not state[head]:
                stack.append((head, 0))
    return [edge[::-1] if number in turned else edge for number, edge in enumerate(edges)]
