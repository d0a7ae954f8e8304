"""A network and what training, gradient flow and landscapes found on it come in; one report, a document with figures, goes out."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node, Variable
from symgrad.core.shape import shape_text
from symgrad.derivations import differentiate
from symgrad.errors import InputError, SymgradError, UnsupportedError
from symgrad.explain.document import Block, Check, CodeBlock, Document, Equation, Paragraph, Picture, Section, Table
from symgrad.explain.formulas import Typesetter, words
from symgrad.pictures import draw
from symgrad.render.formats import save
from symgrad.render.panels import Contour, Curves, Fan, Layers, Panel, Ridges, Surface
from symgrad.render.plots import Plot, plot
from symgrad.render.text import to_text
from symgrad.results import Derivation, Derivative
from symgrad.run.executor import execute
from symgrad.training.flow import Flow
from symgrad.training.flow import flow as gradient_flow
from symgrad.training.lanczos import Eigenvalues
from symgrad.training.landscape import Landscape
from symgrad.training.landscape import landscape as landscape_at
from symgrad.training.landscape import sharpness as sharpness_at
from symgrad.training.result import Fit
from symgrad.views.rolled import Rolled

__all__ = ["Report", "report", "report_of"]

_BOXES, _FORMS, _LINES, _RIDGES, _ROWS = 60, 12, 80, 16, 60
"""At most so many boxes of a picture, gradients in closed form, lines of a text, histograms and rows of a table are shown."""
T = TypeVar("T")
_COLUMNS = {"epoch", "step", "loss", "validation", "lr", "gradient_norm"}


@dataclass(frozen=True, eq=False)
class Report:
    """A report on a network and its training: one document, one file per format."""

    document: Document

    def save(self, path: str | Path) -> Path:
        """Write the report; the suffix says the format. Raises InputError for an unknown suffix or a folder that is not there."""
        save(self.document, path)
        return Path(path)

    def __str__(self) -> str:
        return to_text(self.document)


def report(net: Graph | Node, *, fit: Fit | None = None, flow: Flow | None = None, landscape: Landscape | Mapping[str, Landscape] | None = None,
           sharpness: Eigenvalues | None = None, values: Mapping[str, ArrayLike] | None = None, settings: Mapping[str, object] | None = None,
           of: str | Node | None = None, title: str = "") -> Report:
    """One report of a run: the network and its picture, its gradients, curves, activations, gradient flow, landscape, and the numbers behind them.

    fit: what `sg.fit` returned. landscape: one, or several by name, which are set beside each other. values: arrays by variable, for the
    distribution of the values on the way, at the parameters of `fit` where none are among them.
    settings: what the run was made with (seed, optimiser, ...), printed last. What is not given has no section.
    Raises as `differentiate` does, InputError for values that do not fit, MissingExtraError where a plot is needed without matplotlib.
    """
    graph = as_graph(net)
    d = differentiate(graph, of=of)
    found = [_network(d), _gradients(d)]
    if fit is not None:
        found.append(_training(fit))
    if values is not None:
        found.append(_activations(d, {**values, **({} if fit is None else {n: a for n, a in fit.params.items() if n not in values})}))
    if flow is not None:
        found.append(_flow(flow))
    if landscape is not None or sharpness is not None:
        found.append(_landscapes(landscape if isinstance(landscape, Mapping) else {"": landscape} if landscape is not None else {}, sharpness))
    found.append(_numbers(graph, fit, values, settings if settings is not None else {} if fit is None else fit.settings))
    sections = [s for s in found if s is not None]
    numbered = tuple(Section(s.title, s.blocks, s.anchor, s.badge, str(k)) for k, s in enumerate(sections, 1))
    return Report(Document(title or f"A run of {graph.output_name or 'a network'}", numbered, meta=(("made by", "symgrad"),)))


def report_of(fit: Fit, *, title: str = "", examples: int = 128, steps: int = 15) -> Report:
    """The report of a training with all that can be said of it: curves, values on the way, gradient flow, landscape and sharpness where it ended.

    examples: of the training data, so many. steps: points along each direction of the landscape. What the network has no answer for, the flow
    of one without layers for example, is left out and said so.
    """
    task = fit.task
    data = task.train if not task.train.axes else task.train.taken(np.arange(min(examples, task.train.count)))
    known = set(task.graph.variables())
    values = {name: array for name, array in task.values(data, fit.params, fit.statistics).items() if name in known}
    params = {name: fit.params[name] for name in task.names}
    rest = {name: array for name, array in values.items() if name not in params}
    path = [found for _, found in fit.recorded]
    missing: dict[str, str] = {}

    def tried(name: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except SymgradError as problem:
            missing[f"no {name}"] = str(problem).partition("\n")[0]
            return None
    principal = len(path) > 2
    flow = tried("flow", lambda: gradient_flow(task.graph, values))
    plane = tried("landscape", lambda: landscape_at(task.graph, params, rest, directions="pca" if principal else "random", path=path if principal else None,
                                                    steps=steps, functions=task.functions, of=task.loss))
    top = tried("sharpness", lambda: sharpness_at(task.graph, params, rest, limit=40, functions=task.functions, of=task.loss))
    return report(task.graph, fit=fit, flow=flow, landscape=plane, sharpness=top, values=values, settings={**fit.settings, **missing}, of=task.loss,
                  title=title)


def _section(title: str, blocks: Iterable[Block], anchor: str) -> Section | None:
    made = tuple(blocks)
    return Section(words(title), made, anchor) if made else None


def _figure(alt: str, caption: str, panels: Sequence[Panel], columns: int = 1) -> Picture:
    made: Plot = plot(*panels, columns=columns)
    return Picture(made.svg, alt, words(caption))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    cells = tuple(tuple(words(c or "–") for c in row) for row in rows)
    return Table(tuple(words(h) for h in header), cells, align="l" + "r" * (len(header) - 1))


# ---------------------------------------------------------------------- the network and its gradients
def _network(d: Derivation) -> Section | None:
    graph, blocks = d.graph, list[Block]()
    if graph.text.strip() and len(graph.text.splitlines()) <= _LINES:
        blocks.append(CodeBlock("symgrad", graph.text.strip()))
    picture = next((p for p in (draw(d, "both"), draw(graph, "forward", fold=True)) if len(p.diagram.boxes) <= _BOXES), None)
    if picture is not None:
        blocks.append(Picture(picture.svg, f"computation graph of {d.of}", words("Solid arrows: the forward pass. Dashed arrows: the backward pass.")))
    rows = [(name, shape_text(shape), str(graph._entries(shape))) for name, shape in graph.shapes.items()]
    if rows:
        shown = [*rows[:_ROWS], *([(f"… {len(rows) - _ROWS} more", "", "")] if len(rows) > _ROWS else []), ("total", "", str(graph.count))]
        blocks.append(_table(("parameter", "shape", "numbers"), shown))
    return _section("The network", blocks, "network")


def _gradients(d: Derivation) -> Section | None:
    """The closed forms, and their check at random values."""
    typeset, blocks = Typesetter(d.graph), list[Block]()
    for name, derivative in list(d.derivatives.items())[:_FORMS]:
        blocks += _gradient(typeset, d.of, name, derivative)
    if len(d.derivatives) > _FORMS:
        blocks.append(Paragraph(words(f"{len(d.derivatives) - _FORMS} more parameters have gradients of their own, derived and checked alike.")))
    made = d.verify()                                      # not at the data: of so many units some are next to a kink, where differences mislead
    blocks.append(Check(made.ok, words(f"{'Every gradient was' if made.ok else 'A gradient is'} {made}. At random values."), None))
    return _section("The gradients", blocks, "gradients")


def _gradient(typeset: Typesetter, of: str, name: str, d: Derivative) -> list[Block]:
    if d.node is None:
        return [Paragraph(words("The gradient by ", typeset.math(name), f" is zero: {d.reason}."))]
    try:
        form = d.matrix.form
    except UnsupportedError as problem:
        return [Paragraph(words(f"{problem}."))]
    text = str(form)
    if isinstance(form, Rolled) or len(text) > 1500:
        return [Paragraph(words("By ", typeset.math(name), ":")), CodeBlock("symgrad", text)]
    left = f"grad({of}, {name})" if of in d.graph else ""
    inside = form.body[1:].partition(" = ")[0] if left and form.body.startswith("D[") else ""
    lines = [*(typeset.statement(line) for line in form.lines), typeset.statement(form.body, highlight=True, left=left + inside)]
    return [Equation(tuple(lines))]


# ---------------------------------------------------------------------- the run
def _training(fit: Fit) -> Section | None:
    history = fit.history
    columns = {name: np.asarray(history[name], dtype=float) for name in history.columns}
    if not columns or not len(next(iter(columns.values()))):
        return _section("Training", [Paragraph(words(f"Training ended ({fit.stopped}) before an epoch was whole."))], "training")
    x = columns.get("step", np.arange(len(next(iter(columns.values())))))
    losses = {label: (x, columns[name]) for label, name in (("training", "loss"), ("validation", "validation")) if name in columns}
    every = np.concatenate([y for _, y in losses.values()])
    wide = bool((every > 0).all() and every.max() / every.min() > 50)
    panels: list[Panel] = [Curves(losses, title="Loss", log=wide)]
    metrics = {name: (x, y) for name, y in columns.items() if name not in _COLUMNS}
    if metrics:
        panels.append(Curves(dict(list(metrics.items())[:6]), y_label=next(iter(metrics)) if len(metrics) == 1 else "metric", title="Metrics"))
    if "gradient_norm" in columns and (columns["gradient_norm"] > 0).any():
        panels.append(Curves({"gradient": (x, columns["gradient_norm"])}, y_label="norm of all gradients", title="Gradient", log=True))
    if "lr" in columns and np.ptp(columns["lr"]) > 0:
        panels.append(Curves({"rate": (x, columns["lr"])}, y_label="learning rate", title="Learning rate"))
    told = [f"{fit.steps} steps in {len(x)} epochs ({fit.stopped}): the loss went from {columns['loss'][0]:.4g} to {columns['loss'][-1]:.4g}"]
    if "validation" in columns:
        best = int(np.nanargmin(columns["validation"]))
        told.append(f"the least validation loss, {columns['validation'][best]:.4g}, was that of epoch {best + 1}")
    figure = _figure("training curves", "The loss and what else was measured, against the steps taken.", panels, min(2, len(panels)))
    return _section("Training", [Paragraph(words("; ".join(told) + ".")), figure], "training")


def _activations(d: Derivation, values: Mapping[str, ArrayLike]) -> Section | None:
    """Histograms of the named values on the way."""
    graph = d.graph.at(values)
    named = {n: node for n, node in graph.names.items() if node.rank and not isinstance(node.data, Variable)}
    if not named or not set(graph.variables()) <= set(values):
        return None
    trace = execute(list(named.values()), {n: values[n] for n in graph.variables()}, sizes=graph.numbers)
    arrays = {n: trace[node] for n, node in named.items()}
    chosen = list(arrays) if len(arrays) <= _RIDGES else [list(arrays)[k] for k in np.linspace(0, len(arrays) - 1, _RIDGES).round().astype(int)]
    spread = [float(np.std(arrays[n])) for n in chosen]
    told = f"The standard deviation of {chosen[0]} is {spread[0]:.3g}, that of {chosen[-1]} {spread[-1]:.3g}."
    figure = _figure("histograms of values on the way", "How the entries of the values on the way are distributed, each histogram to its own height.",
                     [Ridges({n: arrays[n] for n in chosen}, x_label="value")])
    return _section("Values on the way", [Paragraph(words(told)), figure], "values")


def _flow(flow: Flow) -> Section | None:
    names, columns = list(flow.names), dict(flow.columns)
    shown = range(len(names)) if len(names) <= _ROWS else sorted({int(k) for k in np.linspace(0, len(names) - 1, _ROWS).round()})
    rows = [(names[k], *("" if np.isnan(y[k]) else f"{y[k]:.3g}" for y in columns.values())) for k in shown]
    blocks: list[Block] = [Paragraph(words(flow.paragraph))] if flow.paragraph.strip() else []
    series = {n: y for n, y in columns.items() if (np.asarray(y, dtype=float) > 0).any()}
    norms = {n: y for n, y in series.items() if n.startswith("|")} or series                    # |value|, |gradient|: what one axis can carry
    panels: list[Panel] = [Layers(names, dict(list(norms.items())[:6]))] if norms else []
    products = [np.asarray(s, dtype=float) for s in flow.products]
    if len(products) > 1 and len({s.shape for s in products}) == 1 and products[0].size:
        panels.append(Fan(range(1, len(products) + 1), np.array(products), "singular values of the product"))
    if panels:
        blocks.append(_figure("norms by layer", "What reaches each layer, on a logarithmic scale.", panels, len(panels)))
    return _section("Gradient flow", [*blocks, _table(("layer", *columns), rows)], "flow")


def _landscapes(found: Mapping[str, Landscape], sharpness: Eigenvalues | None) -> Section | None:
    blocks: list[Block] = []
    lines = {n or "loss": s for n, s in found.items() if s.dimensions == 1}
    planes = {n: s for n, s in found.items() if s.dimensions == 2}
    for name, s in found.items():
        blocks.append(Paragraph(words(f"{name}: {s}." if name else f"{str(s)[:1].upper()}{str(s)[1:]}.")))
    if lines:
        blocks.append(_figure("the loss along a line", "The loss along one direction; 0 is where training ended.",
                              [Curves({n: (s.alphas, s.losses) for n, s in lines.items()}, x_label="along the direction", title="Slice")]))
    for drawn, panel in (("the loss over a plane", _contour), ("the same as a surface", _surface)) if planes else ():
        told = "The star is where training ended, the square where it began." if panel is _contour and any(s.path.size for s in planes.values()) else ""
        panels = [panel(n, s) for n, s in planes.items()]
        blocks.append(_figure(drawn, f"{drawn[0].upper()}{drawn[1:]}. {told}".strip(), panels, min(2, len(panels))))
    if sharpness is not None:
        blocks.append(Paragraph(words(_sharp(sharpness))))
    return _section("The landscape", blocks, "landscape")


def _contour(name: str, s: Landscape) -> Panel:
    return Contour(s.alphas, s.betas, s.losses, s.path, name, _directions(s))


def _surface(name: str, s: Landscape) -> Panel:
    return Surface(s.alphas, s.betas, s.losses, name, _directions(s))


def _directions(s: Landscape) -> tuple[str, str]:
    share = [f" ({e:.0%})" for e in s.explained] or ["", ""]
    return f"first direction{share[0]}", f"second direction{share[1]}"


def _sharp(found: Eigenvalues) -> str:
    top = float(found)
    told = f"The largest eigenvalue of the Hessian there, its sharpness, is {top:.4g} (Lanczos, {found.products} derived Hessian-vector products"
    told += f", off by at most {found.residuals[0]:.1e})" if found.converged else ", which did not converge: take it as a lower bound)"
    return told + (f": plain gradient descent is stable there with learning rates below 2/{top:.3g} = {2 / top:.3g}." if top > 0 else
                   ": no direction curves upwards.")


def _numbers(graph: Graph, fit: Fit | None, values: Mapping[str, ArrayLike] | None, settings: Mapping[str, object]) -> Section | None:
    rows = [(str(name), str(value)) for name, value in settings.items()]
    sizes = _sizes(graph, {**({} if fit is None else fit.params), **(values or {})})
    rows += [(f"size {name}", str(n)) for name, n in sizes.items()]
    if fit is not None:
        rows += [("steps", str(fit.steps)), ("stopped", fit.stopped), ("numbers trained", str(sum(a.size for a in fit.params.values())))]
    return _section("The numbers", [_table(("what", "value"), rows)] if rows else [], "numbers")


def _sizes(graph: Graph, values: Mapping[str, ArrayLike]) -> dict[str, int]:
    """The size names that the arrays tell. Raises InputError where an array does not fit its variable."""
    found: dict[str, int] = {}
    for name, node in graph.variables().items():
        if name in values:
            shape = np.shape(values[name])
            if len(shape) != node.rank:
                raise InputError(f"{name} has shape {shape_text(node.shape)}, so its array needs {node.rank} axes, not {len(shape)}")
            found |= {str(s): n for s, n in zip(node.shape, shape, strict=True) if isinstance(s, str)}
    return found
