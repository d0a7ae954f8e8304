"""The laboratory's commands, `train` and `flow`: a network and data in; trained parameters, tables and files out."""
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from symgrad.cli import _names, _net, _network, _values
from symgrad.errors import InputError

if TYPE_CHECKING:
    from symgrad.training.history import Row
    from symgrad.training.setup import Data

__all__ = ["COMMANDS"]

T = TypeVar("T")
WIDTH = 10


def _pairs(options: Sequence[str], what: str, value: Callable[[str], T]) -> dict[str, T]:
    """{name: value} of `--what name=value`, given once or more. Raises InputError."""
    found: dict[str, T] = {}
    for text in options:
        name, equals, rest = text.partition("=")
        try:
            if not equals or not name.strip() or name.strip() in found:
                raise ValueError
            found[name.strip()] = value(rest.strip())
        except ValueError:
            raise InputError(f"--{what} {text!r} is not of the form {what}=value, each name once") from None
    return found


def _option(text: str) -> Any:
    """An optimiser's option: a number, yes or no."""
    words = {"true": True, "yes": True, "false": False, "no": False}
    return words[text.lower()] if text.lower() in words else float(text)


def _clip(text: str | None) -> tuple[str, float] | None:
    if text is None:
        return None
    way, _, bound = text.partition(":")
    try:
        return way, float(bound)
    except ValueError:
        raise InputError(f"--clip {text!r} is not of the form global:1, norm:1 or value:1") from None


def _held(text: str | None) -> float | Data:
    """--validation: a share, or a file."""
    if text is None:
        return 0.0
    try:
        return float(text)
    except ValueError:
        return text


def _table_line(row: Row, first: bool) -> None:
    """A row of the table; with the first, its head."""
    if first:
        click.echo("  ".join(k.rjust(WIDTH) for k in row))
    click.echo("  ".join((str(v) if isinstance(v, int) else f"{v:.4g}").rjust(max(WIDTH, len(k))) for k, v in row.items()))


@click.command("train")
@_net
@click.option("--data", "source", metavar="FILE|sklearn:digits", required=True, help="An .npz or .csv file, or a set that ships with scikit-learn.")
@click.option("--column", "columns", multiple=True, metavar="y=species", help="The columns of a .csv that a variable takes: x=a,b,c.")
@click.option("--standardize", is_flag=True, help="Features less their mean, over their deviation.")
@click.option("--validation", metavar="SHARE|FILE", help="What is held out: a share of the examples, or a file.")
@click.option("--patience", type=click.IntRange(1), help="Stop after so many epochs without a smaller validation loss.")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Examples in a batch.")
@click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, nesterov, adam, adamw, rmsprop.")
@click.option("--option", "options", multiple=True, metavar="momentum=0.9", help="An option of the optimizer.")
@click.option("--lr", type=float, default=1e-3, show_default=True, help="Learning rate.")
@click.option("--schedule", default="constant", show_default=True, help="constant, step, linear, cosine; warmup+cosine and the like.")
@click.option("--weight-decay", type=float, help="0.01 for adamw, else 0, if left out.")
@click.option("--clip", metavar="global:1", help="Clip gradients: value:1, norm:1 (each array), global:1 (all together).")
@click.option("--init", default="he_normal", show_default=True, help="glorot, lecun, he, orthogonal, with _normal or _uniform; zeros.")
@click.option("--start", metavar="FILE", help="Parameters to start from, .npz.")
@click.option("--size", "sizes", multiple=True, metavar="K1=64", help="A size that neither the data nor the network tells.")
@click.option("--function", "functions", multiple=True, metavar="g=relu", help="What an unknown function is.")
@click.option("--mask", "masks", multiple=True, metavar="drop_mask=0.5", help="A dropout mask and its probability to drop an entry.")
@click.option("--accuracy", metavar="z", help="The scores whose largest entry is compared with the label; found if left out.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split, the batches, the masks and the start.")
@click.option("--checkpoint", metavar="FILE", help="Where to keep what is needed to go on.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, if there is one.")
@click.option("--history", metavar="FILE", help="Where to write the table, .csv or .json.")
@click.option("--report", metavar="FILE", help="Where to write a report (.html, .pdf, .md, ...): curves, gradients, flow, landscape; extra plots.")
@click.option("--out", metavar="FILE.npz", required=True, help="Where to write the parameters.")
def train_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, source: str,
                  columns: tuple[str, ...], standardize: bool, validation: str | None, patience: int | None, epochs: int, batch: int, optimizer: str,
                  options: tuple[str, ...], lr: float, schedule: str, weight_decay: float | None, clip: str | None, init: str, start: str | None,
                  sizes: tuple[str, ...], functions: tuple[str, ...], masks: tuple[str, ...], accuracy: str | None, seed: int, checkpoint: str | None,
                  resume: bool, history: str | None, report: str | None, out: str) -> None:
    """Train a network: a line of the table for each epoch, then the parameters as .npz.

    Data goes to the network's data variables by name. In a .csv the first line names the columns: the column y is the variable y, columns
    x1, x2, ... (or x_1, x[1]) are the entries of x, and the only variable without a column takes the columns that are left.
    """
    from symgrad.core.files import check_place
    from symgrad.training.loop import fit
    from symgrad.training.sources import load_start
    for place, endings in ((out, (".npz",)), (history, (".csv", ".json"))):
        if place is not None:
            check_place(place)
            if not place.endswith(endings):
                raise InputError(f"{place} is to end with {' or '.join(endings)}")
    if report is not None:
        from symgrad.render.formats import renderer
        renderer(report)
        check_place(report)
    graph = _network(net, expression, variables)
    shown: list[Row] = []

    def show(row: Row) -> None:
        _table_line(row, not shown)
        shown.append(row)

    more: dict[str, Any] = _pairs(options, "option", _option)
    done = fit(graph, source, wrt=_names(wrt), of=of, optimizer=optimizer, lr=lr, epochs=epochs, batch=batch, schedule=schedule,
               weight_decay=weight_decay, clip=_clip(clip), start=None if start is None else load_start(start), init=init, validation=_held(validation),
               patience=patience, metrics=None if accuracy is None else {"accuracy": accuracy}, masks=_pairs(masks, "mask", float),
               standardize=standardize, sizes=_pairs(sizes, "size", int), functions=_pairs(functions, "function", str),
               columns=_pairs(columns, "column", lambda text: [c.strip() for c in text.split(",")]), seed=seed, checkpoint=checkpoint, resume=resume,
               progress=show, **more)
    if history is not None:
        done.history.save(history)
    done.save(out)
    if report is not None:
        from symgrad.laboratory import report_of
        report_of(done, title=f"Training {Path(net).stem}" if net else "").save(report)
    click.echo(f"{out}: {_said(done.stopped, patience)} after {done.steps} steps; {_scores(done.history.epochs)}")
    if done.stopped == "interrupted":
        sys.exit(130)


def _said(stopped: str, patience: int | None) -> str:
    return {"early": f"stopped, no better for {patience} epochs,", "interrupted": "interrupted"}.get(stopped, "finished")


def _scores(rows: Sequence[Row]) -> str:
    """The row whose parameters were written: that of the least validation loss, else the last."""
    if not rows:
        return "no epoch was completed"
    row = min(rows, key=lambda r: r["validation"]) if "validation" in rows[0] else rows[-1]
    return f"epoch {row['epoch']}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "step", "lr", "gradient_norm"))


@click.command("flow")
@_net
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz; what is missing is drawn.")
@click.option("--init", "start", default="he_normal", show_default=True, help="he, glorot, lecun, with _normal or _uniform; orthogonal; a number, n_in Var(W).")
@click.option("--bias", type=float, default=0.0, show_default=True, help="Variance of biases that are drawn.")
@click.option("--size", "sizes", multiple=True, metavar="K=64", help="A size that neither the values nor the network tells; 32 if left out.")
@click.option("--layers", metavar="h|h1,h2", help="The values between layers, or their family; found if left out.")
@click.option("--example", type=click.IntRange(0), default=0, show_default=True, help="The example whose Jacobians are taken.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn.")
@click.option("--out", metavar="FILE", help="Where to write it (.html, .pdf, .md, .tex, .ipynb, .txt, .json); to the terminal if left out.")
def flow_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str | None, start: str,
                 bias: float, sizes: tuple[str, ...], layers: str | None, example: int, seed: int, out: str | None) -> None:
    """Activations, gradients and Jacobians layer by layer, and why they vanish or explode."""
    from dataclasses import replace

    from symgrad.core.files import check_place, write
    from symgrad.laboratory import report
    from symgrad.render.formats import renderer
    from symgrad.training.flow import flow
    if wrt is not None:
        raise InputError("a flow is that of all parameters: leave --wrt out")
    if out is not None:
        renderer(out)
        check_place(out)
    graph = _network(net, expression, variables)
    graph = graph if of is None else replace(graph, output=graph[of])
    names = _names(layers)
    found = flow(graph, _values(values, graph), _start(start), seed=seed, bias=bias, sizes=_pairs(sizes, "size", _size),
                 layers=names[0] if names and len(names) == 1 else names, example=example)
    ending = os.path.splitext(out)[1].lower() if out is not None else ""
    if out is None:
        click.echo(str(found))
        return
    if ending in (".txt", ".json"):
        write(out, (json.dumps(found.record, indent=2, ensure_ascii=False) if ending == ".json" else str(found)) + "\n")
    else:
        report(graph, flow=found, title=f"Gradient flow of {os.path.basename(net) if net else 'an expression'}").save(out)
    click.echo(out)


def _start(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _size(text: str) -> int:
    """A size: a whole number from 1."""
    if (size := int(text)) < 1:
        raise ValueError
    return size


COMMANDS: dict[str, click.Command] = {"train": train_command, "flow": flow_command}
