"""The command line: texts and files in, derivatives, solutions and pictures out; exit status 0 fine, 1 the answer is no, 2 bad input."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from symgrad.errors import InputError, NotationError, SymgradError

if TYPE_CHECKING:
    from symgrad.core.graph import Graph

__all__ = ["main"]

VIEWS = ("matrix", "index", "jacobian", "chain", "code")


class _Command(click.Command):
    """A command that takes an argument beginning with `-` that is no option as an expression: `symgrad derive "-x'*x"`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {o for p in self.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "--"}
        for k, a in enumerate(args):
            known = a.split("=")[0] in options or a[:2] in options or a == "-"
            taken = k > 0 and args[k - 1] in options and args[k - 1] not in ("--json", "--", "--help")
            if a.startswith("-") and not known and not taken and any(c.isalnum() for c in a) and not a.startswith("--"):
                args = [*args[:k], *args[k + 1:], "--", a]
                break
        return super().parse_args(ctx, args)


def _fail(message: str) -> NoReturn:
    click.echo(f"symgrad: error: {message}", err=True)
    sys.exit(2)


def _network(net: str | None, expression: str | None, variables: Sequence[str]) -> Graph:
    """The graph of a file or an expression. Raises InputError."""
    import symgrad as sg
    if (net is None) == (expression is None):
        raise InputError("give a network: a file, or an expression (also with -e TEXT)")
    shapes, facts = _declared(variables)
    if expression is None and net is not None and (Path(net).is_file() or net.endswith(".sg")):
        return sg.parse(_read(net), vars=shapes or None, facts=facts or None, file=net)
    return sg.parse(expression if expression is not None else str(net), vars=shapes or None, facts=facts or None)


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except UnicodeDecodeError as e:
        raise InputError(f"{path} is no UTF-8 text: byte {e.start} cannot be read") from None
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}") from None


def _declared(variables: Sequence[str]) -> tuple[dict[str, tuple[int | str, ...]], dict[str, tuple[str, ...]]]:
    """Shapes and facts of `--var A:m,n --var S:n,n:symmetric --var t`."""
    shapes: dict[str, tuple[int | str, ...]] = {}
    facts: dict[str, tuple[str, ...]] = {}
    for v in variables:
        name, _, rest = v.partition(":")
        sizes, _, words = rest.partition(":")
        if not name.isidentifier() or any(not s.strip().isalnum() for s in sizes.split(",") if sizes):
            raise InputError(f"--var {v!r} is not of the form A:m,n or S:n,n:symmetric or t")
        shapes[name] = tuple(int(s) if s.strip().isdigit() else s.strip() for s in sizes.split(",")) if sizes else ()
        if words:
            facts[name] = tuple(words.split(","))
    return shapes, facts


def _values(path: str | None) -> dict[str, object] | None:
    """Arrays by name from a `.json` or `.npz` file."""
    if path is None:
        return None
    import json

    import numpy as np
    try:
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as archive:
                return {k: archive[k] for k in archive.files}
        found = json.loads(_read(path))
    except (ValueError, OSError) as e:
        raise InputError(f"{path} holds no values that can be read: {e}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is to hold an object of names and arrays, as in {{\"x\": [1, 2]}}")
    values: dict[str, object] = {}
    for k, v in found.items():
        try:
            values[k] = np.array(v, dtype=float)
        except (ValueError, TypeError):
            raise InputError(f"{path}: the value of {k} is no array of numbers") from None
    return values


def _names(wrt: str | None) -> list[str] | None:
    return [w.strip() for w in wrt.split(",") if w.strip()] if wrt else None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="symgrad")
def cli() -> None:
    """Exact derivatives of networks and matrix expressions: formulas, worked solutions, pictures, code.

    NET is a file (.sg) or an expression, with its variables declared by --var: symgrad derive "norm2(A*x-y)^2" --var A:m,n --var x:n
    --var y:m --wrt x
    """


def _net(f: click.decorators.FC) -> click.decorators.FC:
    """The options that every command on a network takes."""
    for option in (
        click.argument("net", required=False), click.option("-e", "expression", metavar="TEXT", help="The expression, where it begins with a dash."),
        click.option("--var", "variables", multiple=True, metavar="A:m,n[:facts]", help="Declare a variable of an expression."),
        click.option("--wrt", metavar="W1,v", help="What to differentiate by; all parameters if left out."),
        click.option("--of", "of", metavar="NAME", help="What to differentiate; the output if left out."),
    ):
        f = option(f)
    return f


@cli.command(cls=_Command)
@_net
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True, help="2 gives the Hessian.")
@click.option("--view", type=click.Choice(VIEWS), default="matrix", show_default=True)
@click.option("--layout", type=click.Choice(["numerator", "denominator"]), help="Transpose what is shown.")
@click.option("--json", "as_json", is_flag=True, help="Every view, checked, as JSON.")
def derive(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, order: int, view: str,
           layout: str | None, as_json: bool) -> None:
    """The derivative as a formula."""
    import json

    import symgrad as sg
    graph = _network(net, expression, variables)
    if order == 2:
        names = _names(wrt) or sg.wanted_names(graph)
        found = {n: sg.hessian(graph, wrt=n, of=of, layout=layout) for n in names}
    else:
        found = dict(sg.differentiate(graph, wrt=_names(wrt), of=of, layout=layout).derivatives)
    if as_json:
        rows = [sg.as_record(d) for d in found.values()]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        if not all(r["verified"] for r in rows):
            sys.exit(1)
        return
    for name, d in found.items():
        if len(found) > 1:
            click.echo(f"# by {name}")
        click.echo(d.code() if view == "code" else str(getattr(d, view)))


@cli.command(cls=_Command)
@_net
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz.")
@click.option("--out", metavar="FILE", help="Where to write it (.html, .txt); to the terminal if left out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random check.")
def solve(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str | None, out: str | None,
          seed: int) -> None:
    """A worked solution: every step, shape, formula, the program and the check."""
    import symgrad as sg
    if out:
        sg.check_target(out)
    graph = _network(net, expression, variables)
    solution = sg.solve(graph, wrt=_names(wrt), of=of, values=_values(values), seed=seed, title=f"Worked solution: {Path(net).stem}" if net and net.endswith(".sg") else "")
    if out:
        click.echo(f"{solution.save(out)}: {solution.report}")
    else:
        click.echo(str(solution))
    if not solution.report.ok:
        sys.exit(1)


@cli.command(cls=_Command)
@_net
@click.option("--what", type=click.Choice(["forward", "backward", "both"]), default="both", show_default=True)
@click.option("--out", metavar="FILE", required=True, help="Where to write it (.svg, .dot).")
def draw(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, what: str, out: str) -> None:
    """The picture of the graph, with the backward pass."""
    import symgrad as sg
    graph = _network(net, expression, variables)
    click.echo(str(sg.draw(graph, what, wrt=_names(wrt), of=of).save(out)))


@cli.command(cls=_Command)
@_net
@click.option("--values", metavar="FILE", required=True, help="Numbers by name, .json or .npz.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def run(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str, as_json: bool) -> None:
    """The value and its derivatives at given numbers."""
    import json

    import symgrad as sg
    graph = _network(net, expression, variables)
    value, gradients = sg.run_at(graph, _values(values) or {}, wrt=_names(wrt), of=of)
    if as_json:
        click.echo(json.dumps({"value": value.tolist(), "derivatives": {k: v.tolist() for k, v in gradients.items()}}, indent=2))
        return
    click.echo(f"value = {value}")
    for k, v in gradients.items():
        click.echo(f"d/d{k} =\n{v}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    try:
        cli.main(args=list(argv) if argv is not None else None, prog_name="symgrad", standalone_mode=False)
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.UsageError as e:
        usage = f"\n{e.ctx.get_usage()}" if e.ctx else ""
        click.echo(f"symgrad: error: {e.format_message()}{usage}", err=True)
        return 2
    except click.Abort:
        click.echo("symgrad: stopped", err=True)
        return 130
    except NotationError as e:
        click.echo(f"symgrad: error: {e}", err=True)
        return 2
    except (InputError, SymgradError) as e:
        click.echo(f"symgrad: error: {e}", err=True)
        return 2
    except SystemExit as e:
        return int(e.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
