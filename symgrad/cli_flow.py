"""The command `symgrad flow`: a network and a point come in; what signals and gradients do layer by layer goes out."""
from __future__ import annotations

import json
import os

import click

from symgrad.cli import _names, _net, _network, _values
from symgrad.errors import InputError

__all__ = ["COMMANDS"]


@click.command("flow")
@_net
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz; what is missing is drawn.")
@click.option("--init", "start", default="he_normal", show_default=True, help="he, glorot, lecun, with _normal or _uniform; orthogonal; a number, n_in Var(W).")
@click.option("--bias", type=float, default=0.0, show_default=True, help="Variance of biases that are drawn.")
@click.option("--size", "sizes", multiple=True, metavar="K=64", help="A size that neither the values nor the network tells; 32 if left out.")
@click.option("--layers", metavar="h|h1,h2", help="The values between layers, or their family; found if left out.")
@click.option("--example", type=click.IntRange(0), default=0, show_default=True, help="The example whose Jacobians are taken.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn.")
@click.option("--out", metavar="FILE", help="Where to write it (.txt, .json); to the terminal if left out.")
def flow_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str | None, start: str,
                 bias: float, sizes: tuple[str, ...], layers: str | None, example: int, seed: int, out: str | None) -> None:
    """Activations, gradients and Jacobians layer by layer, and why they vanish or explode."""
    from dataclasses import replace

    from symgrad.render.files import write
    from symgrad.training.flow import flow
    if wrt is not None:
        raise InputError("a flow is that of all parameters: leave --wrt out")
    # SEAM: documents (.html, .pdf, ...) are made by laboratory.report(net, flow=...), which takes a Flow as it is
    if out is not None and os.path.splitext(out)[1] not in (".txt", ".json"):
        raise InputError(f"a flow is written as .txt or .json, not {out!r}")
    graph = _network(net, expression, variables)
    graph = graph if of is None else replace(graph, output=graph[of])
    names = _names(layers)
    found = flow(graph, _values(values, graph), _start(start), seed=seed, bias=bias, sizes=_sizes(sizes),
                 layers=names[0] if names and len(names) == 1 else names, example=example)
    text = json.dumps(found.record, indent=2, ensure_ascii=False) if out is not None and out.endswith(".json") else str(found)
    if out is not None:
        write(out, text + "\n")
    click.echo(out if out is not None else text)


def _start(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _sizes(texts: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not name.strip().isidentifier() or not number.strip().isdecimal() or int(number) < 1:
            raise InputError(f"--size {text!r} is not of the form K=64")
        found[name.strip()] = int(number)
    return found


COMMANDS: dict[str, click.Command] = {"flow": flow_command}
