"""A sketch in; a layout in layers out, in pure Python, for machines without Graphviz and for graphs too big for it.

The method is that of Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of hierarchical system structures":
ranks by longest paths, bends for long edges, barycentre sweeps against crossings, then positions that keep the order.
Everything is thought of as running from left to right (`along`), with `across` downwards; top-down swaps the two at the ends.
"""
from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

from symgrad.render.geometry import Curve, Frame, Grid, Layout, Point, Rect, Size, Sketch
from symgrad.render.ranks import ranks

__all__ = ["place_in_layers"]

_GAP_ACROSS, _GAP_ALONG, _LANES, _MARGIN = 16.0, 15.0, 4.0, 10.0
_BIG = 1500                                          # places above which fewer sweeps must do
_FAR = 60                                            # columns an edge of a big graph spans before it is drawn straight through


def place_in_layers(sketch: Sketch) -> Layout:
    """A layout without overlaps of boxes and labels, whatever the edges; cycles are opened at the edges that close them."""
    return _Layers(sketch).layout()


class _Layers:
    """The places of a picture: first the boxes, by their position, then bends and labels of edges, column by column."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.flat = sketch.direction == "LR"
        self.extent = [self._turned(size) for size in sketch.boxes]               # (along, across) of a place
        self.group = [-1] * len(sketch.boxes)
        for number, group in enumerate(sketch.groups):
            for member in group.members:
                self.group[member] = number
        self.column = [2 * rank for rank in ranks(sketch, self.group)]           # odd columns hold labels and bends
        self.before: list[list[int]] = [[] for _ in sketch.boxes]
        self.after: list[list[int]] = [[] for _ in sketch.boxes]
        self.labelled: dict[int, int] = {}                                        # edge: place of its label
        self.anchor = [0.0] * len(sketch.boxes)                                   # where edges run, seen from the centre
        self.chains = [self._chain(number) for number in range(len(sketch.edges))]
        self.columns: list[list[int]] = [[] for _ in range(max(self.column) + 1)]
        for place, column in enumerate(self.column):
            self.columns[column].append(place)

    def _turned(self, size: Size) -> tuple[float, float]:
        return (size.width, size.height) if self.flat else (size.height, size.width)

    def _chain(self, number: int) -> list[int]:
        """The places an edge runs through, from the lower column to the higher, its bends made here."""
        edge = self.sketch.edges[number]
        first, last = sorted((edge.tail, edge.head), key=lambda box: self.column[box])
        start, stop = self.column[first], self.column[last]
        middle = (start + stop) // 2 | 1
        straight = len(self.sketch.boxes) > 400 and stop - start > _FAR
        chain = [first]
        for column in range(start + 1, stop):
            if straight and column != middle:
                continue
            size = (0.0, 2.0)
            if edge.label and column == middle:
                along, across = self._turned(edge.label)
                size = along, across + _LANES                                     # the edge runs beside its label
                self.labelled[number] = len(self.extent)
            chain.append(len(self.extent))
            self.anchor.append((_LANES - size[1]) / 2 if edge.label and column == middle else 0)
            self.extent.append(size)
            self.column.append(column)
            self.group.append(self.group[first] if self.group[first] == self.group[last] else -1)
            self.before.append([])
            self.after.append([])
        chain.append(last)
        for one, next_one in pairwise(chain):
            self.after[one].append(next_one)
            self.before[next_one].append(one)
        return chain

    def order(self) -> None:
        """Sorts the columns so that few edges cross; groups stay together."""
        position = [0.0] * len(self.extent)
        for column in self.columns:
            for index, place in enumerate(column):
                position[place] = index
        best, fewest = [list(column) for column in self.columns], self.crossings(position)
        for sweep in range(4 if len(self.extent) > _BIG else 16):
            downwards = sweep % 2 == 0
            neighbours = self.before if downwards else self.after
            for column in self.columns[1:] if downwards else self.columns[-2::-1]:
                pull = {place: _mean([position[other] for other in neighbours[place]], position[place]) for place in column}
                members: dict[int, list[float]] = {}
                for place in column:
                    members.setdefault(self.group[place], []).append(pull[place])
                centre = {group: _mean(pulls, 0) for group, pulls in members.items()}
                column.sort(key=lambda place, pull=pull, centre=centre: (  # type: ignore[misc]  # mypy infers no defaults in lambdas
                    (pull[place], 0.0) if self.group[place] < 0 else (centre[self.group[place]], pull[place])))
                self._gather(column)
                for index, place in enumerate(column):
                    position[place] = index
            if (crossings := self.crossings(position)) < fewest:
                best, fewest = [list(column) for column in self.columns], crossings
        self.columns = best

    def _gather(self, column: list[int]) -> None:
        """Puts the members of a group beside its first one."""
        first: dict[int, int] = {}
        for index, place in enumerate(column):
            first.setdefault(self.group[place], index)
        index_of = {place: index for index, place in enumerate(column)}
        column.sort(key=lambda place: (index_of[place] if self.group[place] < 0 else first[self.group[place]], index_of[place]))

    def crossings(self, position: Sequence[float]) -> int:
        """How often edges cross, counted between neighbouring columns."""
        total = 0
        for column in self.columns:
            seen: list[float] = []
            for place in sorted(column, key=lambda place: position[place]):
                targets = sorted(position[other] for other in self.after[place])
                total += sum(len(seen) - bisect_right(seen, target) for target in targets)
                for target in targets:
                    insort(seen, target)
        return total

    def gap(self, upper: int, lower: int) -> float:
        """Least distance across of two centres that follow each other."""
        gap = _GAP_ACROSS if self.extent[upper][0] or self.extent[lower][0] else _GAP_ACROSS / 2
        for place in {upper, lower} if self.group[upper] != self.group[lower] else ():
            if self.group[place] >= 0:
                gap += _MARGIN + (self.sketch.groups[self.group[place]].label.height if place == lower and self.flat else 0)
        return (self.extent[upper][1] + self.extent[lower][1]) / 2 + gap

    def across(self) -> list[float]:
        """The centre of every place across: as near to its neighbours' as the order allows."""
        gaps = [[0.0, *(self.gap(*pair) for pair in pairwise(column))] for column in self.columns]
        centre = [0.0] * len(self.extent)
        for column, distances in zip(self.columns, gaps, strict=True):
            at = 0.0
            for place, distance in zip(column, distances, strict=True):
                at += distance
                centre[place] = at
        for sweep in range(6 if len(self.extent) > _BIG else 40):
            turn = list(zip(self.columns, gaps, strict=True))[:: 1 if sweep % 2 == 0 else -1]
            for column, distances in turn:
                wanted = [_mean([centre[other] + self.anchor[other] for other in self.before[place] + self.after[place]],
                                centre[place] + self.anchor[place]) - self.anchor[place] for place in column]
                # A bend between bends pulls hard, so that long edges come out straight.
                weights = [1.0 if place < len(self.sketch.boxes) else 3.0 for place in column]
                for place, at in zip(column, _spread(wanted, weights, distances), strict=True):
                    centre[place] = at
        return centre

    def layout(self) -> Layout:
        self.order()
        centre = self.across()
        middles, widths = self._along(centre)
        boxes = [self._rect(place, middles, centre) for place in range(len(self.sketch.boxes))]
        labels: list[Rect | None] = [None] * len(self.sketch.edges)
        for number, place in self.labelled.items():
            rect = self._rect(place, middles, centre)
            labels[number] = rect._replace(top=rect.top + _LANES) if self.flat else rect._replace(left=rect.left + _LANES)
        ports = self._ports(centre)
        curves = [self._curve(number, chain, middles, widths, centre, ports) for number, chain in enumerate(self.chains)]
        frames = self._frames(boxes, [*boxes, *filter(None, labels)])
        every = [*boxes, *filter(None, labels), *(frame.outline for frame in frames if frame)]
        every += [Rect(*point, *point) for curve in curves for point in curve]
        left, top = min(rect.left for rect in every) - 4, min(rect.top for rect in every) - 4
        size = Size(max(rect.right for rect in every) + 4 - left, max(rect.bottom for rect in every) + 4 - top)

        def moved(rect: Rect) -> Rect:
            return Rect(rect.left - left, rect.top - top, rect.right - left, rect.bottom - top)

        return Layout("python", size, tuple(map(moved, boxes)),
                      tuple(tuple(Point(x - left, y - top) for x, y in curve) for curve in curves),
                      tuple(rect and moved(rect) for rect in labels),
                      tuple(frame and Frame(moved(frame.outline), moved(frame.label)) for frame in frames))

    def _rect(self, place: int, middles: Sequence[float], centre: Sequence[float]) -> Rect:
        point = middles[self.column[place]], centre[place]
        along, across = self.extent[place]
        return Rect.around(*point, Size(along, across)) if self.flat else Rect.around(point[1], point[0], Size(across, along))

    def _along(self, centre: Sequence[float]) -> tuple[list[float], list[float]]:
        """The middle and the width of every column; steep edges get more room in front of them."""
        widths = [max((self.extent[place][0] for place in column), default=0) for column in self.columns]
        middles, at = [], 0.0
        framed = any(group >= 0 for group in self.group)
        label = max((group.label.height for group in self.sketch.groups), default=0)
        for column, width in zip(self.columns, widths, strict=True):
            rise = max((abs(centre[place] - centre[other]) for place in column for other in self.before[place]), default=0)
            at += min(max(_GAP_ALONG, rise / 6), 60) + (_MARGIN / 2 + (0 if self.flat else label / 2) if framed else 0)
            middles.append(at + width / 2)
            at += width
        return middles, widths

    def _ports(self, centre: Sequence[float]) -> dict[tuple[int, int], float]:
        """Where edges leave (edge, 0) and enter (edge, 1) their boxes, as distances from the middle of the side."""
        sides: dict[tuple[int, int], list[tuple[float, int]]] = {}
        for number, chain in enumerate(self.chains):
            sides.setdefault((chain[0], 0), []).append((centre[chain[1]] + self.anchor[chain[1]], number))
            sides.setdefault((chain[-1], 1), []).append((centre[chain[-2]] + self.anchor[chain[-2]], number))
        ports = {}
        for (box, end), edges in sides.items():
            edges.sort()
            half, last = self.extent[box][1] / 2 - 9, len(edges) - 1
            step = min(11.0, 2 * half / max(last, 1))
            # Straight ahead where the side is long enough.
            straight = _spread([at - centre[box] for at, _ in edges], [1.0] * len(edges), [0.0] + [step] * last)
            for index, ((_, number), port) in enumerate(zip(edges, straight, strict=True)):
                ports[number, end] = min(max(port, index * step - half), half - (last - index) * step)
        return ports

    def _curve(self, number: int, chain: Sequence[int], middles: Sequence[float], widths: Sequence[float],
               centre: Sequence[float], ports: dict[tuple[int, int], float]) -> Curve:
        stops: list[tuple[float, float]] = []
        for index, place in enumerate(chain):
            middle, half, at = middles[self.column[place]], widths[self.column[place]] / 2, centre[place]
            if index == 0:
                stops += [(middle + self.extent[place][0] / 2, at + ports[number, 0]), (middle + half, at + ports[number, 0])]
            elif index == len(chain) - 1:
                stops += [(middle - half, at + ports[number, 1]), (middle - self.extent[place][0] / 2, at + ports[number, 1])]
            else:                                    # straight through the column, so that no edge runs over a box
                stops += [(middle - half, at + self.anchor[place]), (middle + half, at + self.anchor[place])]
        points = [stops[0]]
        for (x, y), (next_x, next_y) in pairwise(stops):
            if next_x - x > 0.01 or abs(next_y - y) > 0.01:
                bend = (x + next_x) / 2
                points += [(bend, y), (bend, next_y), (next_x, next_y)]
        if chain[0] != self.sketch.edges[number].tail:
            points.reverse()
        return tuple(Point(x, y) if self.flat else Point(y, x) for x, y in points)

    def _frames(self, boxes: Sequence[Rect], solid: Sequence[Rect]) -> list[Frame | None]:
        """A frame for each group that can have one: no stranger inside, no other frame touched."""
        frames: list[Frame | None] = []
        by_place, labelled, framed = Grid(boxes), Grid(solid), Grid()
        for number, group in enumerate(self.sketch.groups):
            outline = boxes[group.members[0]]
            for member in group.members:
                outline = outline.union(boxes[member])
            outline = outline.grown(_MARGIN)
            wide, high = group.label
            outline = outline._replace(top=outline.top - high, right=max(outline.right, outline.left + wide + 16))
            label = Rect(outline.left + 8, outline.top + 4, outline.left + 8 + wide, outline.top + 4 + high)
            free = (all(self.group[index] == number or not outline.meets(box) for index, box in by_place.near(outline))
                    and not any(label.meets(other) for _, other in labelled.near(label))
                    and not any(outline.meets(other) for _, other in framed.near(outline)))
            frames.append(Frame(outline, label) if free else None)
            if free:
                framed.add(number, outline)
        return frames


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _spread(wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (weighted squares) whose neighbours keep their distances: pool adjacent violators."""
    offsets, at = [], 0.0
    for distance in distances:
        at += distance
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []       # weighted sum, weight, members
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        total, mass, count = (want - offset) * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] > total / mass:
            other = pools.pop()
            total, mass, count = total + other[0], mass + other[1], count + other[2]
        pools.append((total, mass, count))
    levels = [total / mass for total, mass, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
