"""The laboratory's commands: a network and data in; trained parameters, tables and files out."""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from symgrad.cli import _names, _net, _network
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
@click.option("--out", metavar="FILE.npz", required=True, help="Where to write the parameters.")
def train_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, source: str,
                  columns: tuple[str, ...], standardize: bool, validation: str | None, patience: int | None, epochs: int, batch: int, optimizer: str,
                  options: tuple[str, ...], lr: float, schedule: str, weight_decay: float | None, clip: str | None, init: str, start: str | None,
                  sizes: tuple[str, ...], functions: tuple[str, ...], masks: tuple[str, ...], accuracy: str | None, seed: int, checkpoint: str | None,
                  resume: bool, history: str | None, out: str) -> None:
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


COMMANDS: dict[str, click.Command] = {"train": train_command}
