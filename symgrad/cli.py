"""The command line: texts and files in, derivatives, solutions and pictures out; exit status 0 fine, 1 the answer is no, 2 bad input."""
from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symgrad import __version__
from symgrad.errors import InputError, SymgradError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from symgrad.core.graph import Graph
    from symgrad.explain.diagram import Direction
    from symgrad.render.theme import Theme

__all__ = ["main"]

VIEWS = ("matrix", "index", "jacobian", "chain", "paths", "code")
LAYOUTS = ("numerator", "denominator")
DETAILS = ("brief", "standard", "full")
DELTAS = ("delta", "d", "bar", "grad")
PICTURES = ("forward", "backward", "both", "schedule", "paths", "values", "jacobian")
LABORATORY = ("train", "flow")                            # commands of cli_lab.py
GENERATED = "generated"
RANK, DIGITS = 6, 9


class _Command(click.Command):
    """A command that takes an argument beginning with `-` that is no option as an expression: `symgrad derive "-x'*x"`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {o for p in self.get_params(ctx) for o in p.opts if isinstance(p, click.Option) and p.is_flag}
        taking = {o for p in self.get_params(ctx) for o in p.opts} - flags
        taken = False
        for k, a in enumerate(args):
            if a == "--":
                break
            if not taken and a.startswith("-") and not a.startswith("--") and a not in taking | flags and any(c.isalnum() for c in a):
                args = [*args[:k], *args[k + 1:], "--", a]
                break
            taken = not taken and a in taking
        return super().parse_args(ctx, args)


def _network(net: str | None, expression: str | None, variables: Sequence[str]) -> Graph:
    """The graph of a file or an expression. Raises InputError."""
    from symgrad.network import parse
    if (net is None) == (expression is None):
        raise InputError("give a network: a file, or an expression (also with -e TEXT)")
    shapes, facts = _declared(variables)
    if expression is None and net is not None and _is_file(net):
        return parse(_read(net), vars=shapes or None, facts=facts or None, file=net)
    return parse(expression if expression is not None else str(net), vars=shapes or None, facts=facts or None)


def _is_file(net: str) -> bool:
    """Whether a network is meant as a file: it is there, or it is called like one."""
    return net.endswith(".sg") or os.path.isfile(net) or (os.sep in net and os.path.isdir(net))


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except UnicodeDecodeError as e:
        raise InputError(f"{path} is no UTF-8 text: byte {e.start} cannot be read") from None
    except (OSError, ValueError) as e:                     # ValueError: a path with a zero byte
        raise InputError(f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None


def _declared(variables: Sequence[str]) -> tuple[dict[str, tuple[int | str, ...]], dict[str, tuple[str, ...]]]:
    """Shapes and facts of `--var A:m,n --var S:n,n:symmetric --var t`."""
    shapes: dict[str, tuple[int | str, ...]] = {}
    facts: dict[str, tuple[str, ...]] = {}
    for v in variables:
        name, *rest = [part.split(",") for part in v.split(":")]
        sizes = [s.strip() for s in rest[0]] if rest else []
        if len(name) > 1 or not name[0].isidentifier() or len(rest) > 2 or any(not (s.isidentifier() or s.isdecimal()) for s in sizes):
            raise InputError(f"--var {v!r} is not of the form A:m,n or S:n,n:symmetric or t")
        if name[0] in shapes:
            raise InputError(f"--var declares {name[0]} twice")
        if len(sizes) > RANK or any(s.isdecimal() and len(s) > DIGITS for s in sizes):
            raise InputError(f"--var {v[:60]!r}: an array has at most {RANK} axes, and a size at most {DIGITS} digits")
        shapes[name[0]] = tuple(int(s) if s.isdecimal() else s for s in sizes)
        if len(rest) == 2:
            facts[name[0]] = tuple(word.strip() for word in rest[1])
    return shapes, facts


def _values(path: str | None, graph: Graph) -> dict[str, ArrayLike] | None:
    """Arrays by name from a `.json` or `.npz` file; in JSON, unknown functions by the name of a known one. Raises InputError."""
    if path is None:
        return None
    import json
    import zipfile

    import numpy as np
    found: object
    try:
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as archive:
                found = {k: archive[k] for k in archive.files}
        else:
            found = json.loads(_read(path))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (ValueError, TypeError, OSError, EOFError, RecursionError, zipfile.BadZipFile) as e:
        why = "" if path.endswith(".npz") else f": {e}"
        raise InputError(f"{path} holds no values that can be read{why}; give arrays by name, in JSON or an .npz of numpy.savez") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is to hold an object of names and arrays, as in {{\"x\": [1, 2]}}")
    values: dict[str, ArrayLike] = {}
    for k, v in found.items():
        if isinstance(v, str) and k in graph.functions:
            values[k] = v
            continue
        try:
            values[k] = v if isinstance(v, np.ndarray) else np.array(v, dtype=float)
            finite = bool(np.all(np.isfinite(values[k])))
        except (ValueError, TypeError, OverflowError):
            raise InputError(f"{path}: the value of {k} is no array of numbers") from None
        if not finite:
            raise InputError(f"{path}: the value of {k} holds nan or infinity; give finite numbers")
    return values


def _names(wrt: str | None) -> list[str] | None:
    return [w.strip() for w in wrt.split(",") if w.strip()] if wrt is not None else None


class _Group(click.Group):
    """The commands, those of the laboratory in a file of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *LABORATORY]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in LABORATORY:
            return super().get_command(ctx, name)
        from symgrad import cli_lab
        return cli_lab.COMMANDS[name]


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__)
@click.pass_context
def cli(context: click.Context) -> None:
    """Exact derivatives of networks and matrix expressions: formulas, worked solutions, pictures, code.

    NET is a file (.sg) or an expression, with its variables declared by --var: symgrad derive "norm2(A*x-y)^2" --var A:m,n --var x:n
    --var y:m --wrt x
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _net(f: click.decorators.FC) -> click.decorators.FC:
    """The options that every command on a network takes."""
    for option in (
        click.argument("net", required=False),
        click.option("-e", "expression", metavar="TEXT", help="The expression, where it begins with a dash."),
        click.option("--var", "variables", multiple=True, metavar="A:m,n[:facts]", help="Declare a variable of an expression."),
        click.option("--wrt", metavar="W1,v", help="What to differentiate by; all parameters if left out."),
        click.option("--of", "of", metavar="NAME", help="What to differentiate; the output if left out."),
    ):
        f = option(f)
    return f


@cli.command("derive", cls=_Command)
@_net
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True, help="2 gives the Hessian.")
@click.option("--view", type=click.Choice(VIEWS), default="matrix", show_default=True)
@click.option("--layout", type=click.Choice(LAYOUTS), help="Transpose what is shown.")
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz, at which --json checks; else random ones.")
@click.option("--json", "as_json", is_flag=True, help="Every view, checked, as JSON.")
def derive_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, order: int, view: str,
                   layout: str | None, values: str | None, as_json: bool) -> None:
    """The derivative as a formula."""
    import json

    from symgrad.derivations import differentiate, hessian
    from symgrad.verbs import as_record, wanted_names
    graph = _network(net, expression, variables)
    numbers = _values(values, graph)
    if order == 2:
        names = _names(wrt) or wanted_names(graph)
        found = {n: hessian(graph, wrt=n, of=of, layout=layout) for n in names}
    else:
        found = dict(differentiate(graph, wrt=_names(wrt), of=of, layout=layout).derivatives)
    if as_json:
        rows = [as_record(d, numbers) for d in found.values()]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        if not all(r["verified"] for r in rows):
            sys.exit(1)
        return
    for name, d in found.items():
        if len(found) > 1:
            click.echo(f"# by {name}")
        click.echo(d.code() if view == "code" else str(getattr(d, view)))


@cli.command("solve", cls=_Command)
@_net
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz; the word generated: small ones, drawn by --seed.")
@click.option("--digits", type=click.IntRange(1, 15), default=4, show_default=True, help="Significant digits of what is no short fraction.")
@click.option("--eta", type=float, help="Step size of an update in numbers.")
@click.option("--out", metavar="FILE", help="Where to write it (.html, .pdf, .tex, .md, .ipynb, .json, .txt); to the terminal if left out.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Transpose what is shown.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random check, and of generated values.")
@click.option("--detail", type=click.Choice(DETAILS), default="standard", show_default=True, help="How much is told.")
@click.option("--deltas", type=click.Choice(DELTAS), default="delta", show_default=True, help="Names of the derivatives by values on the way.")
def solve_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str | None,
                  digits: int, eta: float | None, out: str | None, layout: str | None, seed: int, detail: str, deltas: str) -> None:
    """A worked solution: every step, shape, formula, the program and the check."""
    from symgrad import outputs
    if out is not None:
        outputs.check_target(out)
    graph = _network(net, expression, variables)
    title = f"Worked solution: {Path(net).stem}" if net and _is_file(net) else ""
    numbers = values if values == GENERATED else _values(values, graph)
    solution = outputs.solve(graph, wrt=_names(wrt), of=of, values=numbers, seed=seed, title=title, layout=layout,
                             detail=detail, deltas=deltas, digits=digits, eta=eta)
    click.echo(f"{solution.save(out)}: {solution.report}" if out is not None else str(solution))
    if not solution.report.ok:
        sys.exit(1)


@cli.command("exercise", cls=_Command)
@_net
@click.option("--blank", type=click.Choice(["values", "gradients", "shapes", "all"]), default="gradients", show_default=True, help="What is asked for.")
@click.option("--kind", type=click.Choice(["blanks", "choice", "both"]), default="both", show_default=True, help="Blanks, or real mistakes to choose from.")
@click.option("--level", type=click.IntRange(1, 3), default=2, show_default=True, help="3 gives the least and asks the most.")
@click.option("--count", type=click.IntRange(1, 500), default=10, show_default=True, help="How many variants, each with its own numbers.")
@click.option("--digits", type=click.IntRange(1, 15), default=4, show_default=True, help="Significant digits of what is no short fraction.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same sheets.")
@click.option("--out", metavar="FILE", help="Where to write the sheets; to the terminal if left out.")
@click.option("--key", metavar="FILE", help="Where to write the key.")
def exercise_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, blank: str, kind: str,
                     level: int, count: int, digits: int, seed: int, out: str | None, key: str | None) -> None:
    """Exercise sheets with their key."""
    from symgrad import outputs
    if key is not None and out is None:
        raise InputError("--key is written beside the sheets: give --out too")
    for place in (out, key):
        if place is not None:
            outputs.check_target(place)
    graph = _network(net, expression, variables)
    title = f"Exercises: {Path(net).stem}" if net and _is_file(net) else ""
    made = outputs.exercise(graph, _names(wrt), of, blank=blank, kind=kind, level=level, count=count, seed=seed, digits=digits, title=title)
    click.echo(f"{made.save(out, key)}: {made.report}" if out is not None else str(made))
    if not made.report.ok:
        sys.exit(1)


@cli.command("check", cls=_Command)
@click.argument("net", metavar="NET")
@click.argument("claims", metavar="CLAIMS", required=False)
@click.option("--var", "variables", multiple=True, metavar="A:m,n", help="A variable of an expression: name, shape, facts.")
@click.option("--wrt", metavar="W1", help="What a single claim such as `D[k] = ...` is the derivative by.")
@click.option("--of", metavar="h2", help="What is differentiated; the output if left out.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="The layout that the claims are meant in.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check_command(net: str, claims: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, layout: str | None,
                  as_json: bool) -> None:
    """A verdict on every line of a derivation; CLAIMS is a file or text, or left out where the network's file has its claims."""
    import json

    from symgrad.marking.checking import check, check_steps
    graph = _network(net, None, variables)
    text = _read(claims) if claims is not None and (os.path.isfile(claims) or ("=" not in claims and wrt is None)) else claims
    verdicts = check_steps(graph, text, of, layout) if wrt is None else [check(graph, wrt, text or "", of, layout)]
    if as_json:
        click.echo(json.dumps([v.record for v in verdicts], indent=2, ensure_ascii=False))
    else:
        for v in verdicts:
            click.echo(str(v))
    if any(v.verdict == "wrong" for v in verdicts):
        sys.exit(1)


@cli.command("draw", cls=_Command)
@_net
@click.option("--what", type=click.Choice(PICTURES), default="both", show_default=True)
@click.option("--values", metavar="FILE", help="Numbers by name, .json or .npz; the word generated: small ones, drawn by --seed.")
@click.option("--level", type=click.Choice(["auto", "names", "ops"]), default="auto", show_default=True, help="Named values, or every op.")
@click.option("--labels", type=click.Choice(["auto", "jacobian", "cotangent", "none"]), default="auto", show_default=True, help="What arrows back say.")
@click.option("--fold/--no-fold", default=None, help="Close all layers, or none; if left out, where there are more than 60 boxes.")
@click.option("--direction", type=click.Choice(["auto", "LR", "TB"]), default="auto", show_default=True)
@click.option("--theme", type=click.Choice(["light", "dark", "auto"]), help="Light if left out; in HTML what the reader's system prefers.")
@click.option("--animate", is_flag=True, help="An .svg that goes through both passes; a .gif does always.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of generated values.")
@click.option("--out", metavar="FILE", required=True, help="Where to write it (.svg, .png, .pdf, .html, .gif, .dot, .mmd).")
def draw_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, what: str, values: str | None,
                 level: str, labels: str, fold: bool | None, direction: Direction, theme: Theme | None, animate: bool, seed: int, out: str) -> None:
    """The picture of the graph: its passes, schedule, paths, values, or the structure of its derivatives."""
    from symgrad import pictures
    pictures.check_target(out, animate)
    graph = _network(net, expression, variables)
    numbers = values if values == GENERATED else _values(values, graph)
    picture = pictures.draw(graph, what, wrt=_names(wrt), of=of, values=numbers, level=level, labels=labels, fold=fold, direction=direction, theme=theme,
                            seed=seed)
    click.echo(str(picture.save(out, animate=animate)))


@cli.command("run", cls=_Command)
@_net
@click.option("--values", metavar="FILE", required=True, help="Numbers by name, .json or .npz.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Transpose what is shown.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def run_command(net: str | None, expression: str | None, variables: tuple[str, ...], wrt: str | None, of: str | None, values: str,
                layout: str | None, as_json: bool) -> None:
    """The value and its derivatives at given numbers."""
    import json

    from symgrad.verbs import run_at
    graph = _network(net, expression, variables)
    value, gradients = run_at(graph, _values(values, graph) or {}, wrt=_names(wrt), of=of, layout=layout)
    if as_json:
        click.echo(json.dumps({"value": value.tolist(), "derivatives": {k: v.tolist() for k, v in gradients.items()}}, indent=2))
        return
    click.echo(f"value = {value}")
    for k, v in gradients.items():
        click.echo(f"d/d{k} =\n{v}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no letter for something still shows the rest
    try:
        status = cli.main(args=list(argv) if argv is not None else None, prog_name="symgrad", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.UsageError as e:
        usage = f"\n{e.ctx.get_usage()}" if e.ctx else ""
        return _failed(f"{e.format_message()}{usage}")
    except click.Abort:
        click.echo("symgrad: stopped", err=True)
        return 130
    except SymgradError as e:
        return _failed(str(e))
    except MemoryError:
        return _failed("this needs more memory than there is: take smaller sizes")
    except BrokenPipeError:                                # the reader, `head` perhaps, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as e:
        return int(e.code or 0)
    except Exception as e:                                 # whatever it is, a person is to read it
        place = traceback.extract_tb(e.__traceback__)[-1]
        where = f"{place.filename}, line {place.lineno}"
        return _failed(f"this is a defect of symgrad, not of what you asked for: {type(e).__name__}: {e} ({where}); please report it")


def _failed(message: str) -> int:
    click.echo(f"symgrad: error: {message}", err=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
