"""Pictures of computation graphs: from the graph to SVG, beside pydot, Graphviz's dot and torchviz, on graphs of 10 to 5,000 nodes.

All draw the same nodes and arrows, which is checked first. symgrad draws names and shapes as formulas where there are not too many,
in letters of its own elsewhere; the others write one word a node and leave its letters to the viewer.
pydot and torchviz need a program `dot`: where there is none they get that of graphviz-pure.
"""
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import interleaved
from symgrad.explain.diagram import Arrow, Box, Diagram
from symgrad.render import engines
from symgrad.render.figure import figure
from symgrad.render.glyphs import formula, words
from symgrad.render.svg import to_svg

PATIENCE = 120
"""Seconds that a contender has for one picture."""


def network(nodes: int) -> list[tuple[int, ...]]:
    """The operands of every node: a chain that adds an earlier value at every fourth step, after a leaf and its accumulated gradient."""
    return [(), *((k - 1, k - 3) if k % 4 == 0 and k > 4 and k < nodes - 1 else (k - 1,) for k in range(1, nodes))]


def diagram_of(operands: list[tuple[int, ...]]) -> Diagram:
    """The graph as symgrad draws it: h_k in R^n."""
    boxes = tuple(Box(f"n{k}", f"h_{{{k}}}", f"h{k}", r"\mathbb{R}^{n}", "n", "op" if reads else "param") for k, reads in enumerate(operands))
    return Diagram("", boxes, tuple(Arrow(f"n{o}", f"n{k}") for k, reads in enumerate(operands) for o in reads))


def plain_dot(operands: list[tuple[int, ...]]) -> str:
    """The graph in the DOT language, one word a node."""
    lines = [f'n{k} [label="h{k}" shape=box]' for k in range(len(operands))]
    return "\n".join(["digraph {", *lines, *(f"n{o} -> n{k}" for k, reads in enumerate(operands) for o in reads), "}"])


def program() -> str | None:
    """A Graphviz: one that is installed, or that of graphviz-pure."""
    command = engines._command("dot") or engines._command("pure")
    return command[0] if command else None


def run_dot(dot: str, source: str) -> str:
    """The picture that Graphviz makes. Raises TimeoutExpired."""
    return subprocess.run([dot, "-Kdot", "-Tsvg"], input=source, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def run_pydot(dot: str, operands: list[tuple[int, ...]]) -> str:
    """The picture by pydot, from the graph's own objects."""
    import pydot
    graph = pydot.Dot(graph_type="digraph")
    for k in range(len(operands)):
        graph.add_node(pydot.Node(f"n{k}", label=f"h{k}", shape="box"))
    for k, reads in enumerate(operands):
        for o in reads:
            graph.add_edge(pydot.Edge(f"n{o}", f"n{k}"))
    return str(graph.create(prog=dot, format="svg").decode())


def tensor_of(operands: list[tuple[int, ...]]) -> Any:
    """The graph in PyTorch: torchviz adds to its ops the leaf, its accumulated gradient and the result."""
    import torch
    values: list[Any] = [torch.ones(2, requires_grad=True)] * 2
    for reads in operands[2:-1]:
        values.append(values[reads[0]] + values[reads[1]] if len(reads) > 1 else torch.tanh(values[reads[0]]))
    return values[-1]


def run_torchviz(result: Any, folder: str) -> str:
    """The picture by torchviz, with the `dot` in a folder."""
    import torchviz
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        return str(torchviz.make_dot(result).pipe(format="svg", encoding="utf-8", quiet=True))
    finally:
        os.environ["PATH"] = before


def drawn(svg: str) -> tuple[int, int]:
    """How many boxes and arrows a picture has."""
    if 'class="box' in svg:
        return svg.count('class="box '), svg.count('class="arrow ')
    return svg.count('class="node"'), svg.count('class="edge"')


def fresh(diagram: Diagram) -> str:
    """symgrad's picture, no formula and no word being known beforehand."""
    for cached in (formula, words):
        cached.cache_clear()
    return to_svg(diagram)


def contenders(operands: list[tuple[int, ...]], folder: str) -> dict[str, Callable[[], str]]:
    """What can draw the graph on this machine."""
    diagram, source, dot = diagram_of(operands), plain_dot(operands), program()
    found: dict[str, Callable[[], str]] = {"symgrad": lambda: fresh(diagram)}
    if dot is None:
        return found
    found["dot"] = lambda: run_dot(dot, source)
    try:
        import pydot  # noqa: F401
        found["pydot"] = lambda: run_pydot(dot, operands)
    except ImportError:
        pass
    try:
        import torchviz  # noqa: F401
        link = Path(folder) / "dot"
        if not link.exists():
            link.symlink_to(dot)
        result = tensor_of(operands)
        found["torchviz"] = lambda: run_torchviz(result, folder)
    except ImportError:
        pass
    return found


def main() -> None:
    """Print the table: seconds, and how many times as long as symgrad each of the others takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small graphs, one round")
    smoke = parser.parse_args().smoke
    with tempfile.TemporaryDirectory() as folder:
        print(f"Graphviz: {program() or 'none'}{' (Debian or the like)' if shutil.which('dot') else ''}")
        for nodes in (10, 50) if smoke else (10, 100, 1000, 5000):
            operands = network(nodes)
            able: dict[str, Callable[[], str]] = {}
            notes = []
            for name, run in contenders(operands, folder).items():
                try:
                    found = drawn(run())
                except (subprocess.SubprocessError, RecursionError, AssertionError) as error:
                    notes.append(f"{name}: no picture ({type(error).__name__})")
                    continue
                wanted = nodes, sum(map(len, operands))
                assert found == wanted, f"{name} draws {found}, not {wanted}"
                able[name] = run
            times = interleaved(able, 1 if smoke else 3 if nodes > 500 else 7)
            written = "formulas" if figure(diagram_of(operands)).faces[0].name == formula("h_{0}", 14.0) else "plain text"
            shown = ", ".join(f"{name} {t:.3f} s" + (f" ({t / times['symgrad']:.2f} x)" if name != "symgrad" else "") for name, t in times.items())
            print(f"{nodes:5d} nodes, {sum(map(len, operands)):5d} arrows, {written:10}: {shown}{'; ' if notes else ''}{'; '.join(notes)}", flush=True)


if __name__ == "__main__":
    main()
