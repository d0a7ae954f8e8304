"""Text in the notation comes in; the graph of nodes that it describes goes out, or an error with line and caret."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from symgrad.core.graph import Graph, UnknownFunction, set_parser
from symgrad.core.node import Node
from symgrad.core.op import Op
from symgrad.errors import InputError, MisfitError, NotationError, nearest
from symgrad.network.own_ops import UserOp
from symgrad.network.statements import Lines
from symgrad.network.tables import Tables
from symgrad.notation import parse as notation
from symgrad.notation import statements as lines
from symgrad.notation.screen import DEFAULT, Fault, Limits, Misfit, normalize
from symgrad.notation.words import FACTS, RESERVED

__all__ = ["fragment", "located", "parse"]

T = TypeVar("T")
Facts = Mapping[str, str | Iterable[str]]


def parse(
    text: str,
    *,
    vars: Mapping[str, Sequence[int | str]] | None = None,
    facts: Facts | None = None,
    functions: Iterable[UnknownFunction] | None = None,
    ops: Iterable[UserOp | Op] = (),
    limits: Limits | None = DEFAULT,
    file: str = "",
    lengths: Mapping[str, int] | None = None,
) -> Graph:
    """The graph of a network, or of an expression whose variables `vars` declares.

    Args:
        text: the notation.
        vars: shapes by name, such as {"x": ("n",), "A": ("n", "n"), "t": ()}; sizes are names or whole numbers.
        facts: what is known of variables, such as {"A": "symmetric"}.
        functions: unknown functions that the text does not declare itself.
        ops: ops of the user's own, callable in the text by name.
        limits: how large the text may be; None for no limits.
        file: the name that errors show.
        lengths: how many steps a recurrence is written out for where that number is a name (5, if nothing is said): such a graph is
            derived and evaluated for whatever length the arrays have.

    The output is a bare expression on the last line, else `loss`, else the last definition.

    Raises NotationError with line and column, InputError for `vars` that are no declarations.
    """
    known, own = list(functions or ()), list(ops)
    tables = Tables(functions={f.name: f for f in known}, ops={o.name: o.op if isinstance(o, UserOp) else o for o in own}, lengths=dict(lengths or {}))
    graph = located(text, file, lambda: _built(text, tables, vars or {}, facts or {}, limits, file))

    @functools.cache
    def rebuilt(wanted: tuple[tuple[str, int], ...]) -> Graph:
        return parse(text, vars=vars, facts=facts, functions=known, ops=own, limits=limits, file=file, lengths=dict(wanted))

    return replace(graph, rebuild=lambda wanted: rebuilt(tuple(wanted.items()))) if graph.lengths else graph


def located(text: str, file: str, work: Callable[[], T]) -> T:
    """What `work` returns; a Fault becomes a NotationError that shows the text."""
    try:
        return work()
    except RecursionError:
        raise NotationError("the text is nested too deeply: name a part on a line of its own", source=normalize(text)[1], line=1, column=1,
                            file=file) from None
    except Fault as fault:
        kind = MisfitError if isinstance(fault, Misfit) else NotationError
        raise kind(fault.message, source=normalize(text)[1], line=fault.place.line, column=fault.place.column, file=file) from None


def _built(text: str, tables: Tables, shapes: Mapping[str, Sequence[int | str]], facts: Facts, limits: Limits | None, file: str) -> Graph:
    network = notation.parse(text, file=file, limits=limits, functions=(*tables.functions, *tables.ops))
    reader = Lines(tables)
    reader.sizes_first(network)
    _declare(reader, shapes, facts)
    for s in network.statements:
        reader.take(s)
    reader.recurrences.finish()
    tables.sources.update(_sources(network, text))
    output = reader.last
    if output is None:
        place = network.statements[-1].place if network.statements else network.claims[0].place
        raise Fault("nothing is computed: add a definition such as loss = ..., or an expression on the last line", place)
    bare = isinstance(network.statements[-1], lines.Output) or (
        isinstance(network.statements[-1], lines.Definition) and network.statements[-1].sums_free
    )
    node = tables.names["loss"].node if not bare and "loss" in tables.names else output.node
    return tables.graph(node, text)


def _sources(network: lines.Network, text: str) -> dict[str, str]:
    """The lines of the definitions as they were written, without comments."""
    written = normalize(text)[1].split("\n")
    starts = [*sorted({s.place.line for s in (*network.statements, *network.claims)}), len(written) + 1]
    found: dict[str, str] = {}
    for s in network.statements:
        if isinstance(s, lines.Definition):
            end = next(line for line in starts if line > s.place.line)
            pieces = [" ".join(line.partition("#")[0].split()) for line in written[s.place.line - 1 : end - 1]]
            text_of = " ".join(p for p in pieces if p and p != "claims")
            found[s.name] = f"{found[s.name]}\n{text_of}" if s.name in found else text_of        # the lines of a recurrence
    return found


def _declare(reader: Lines, shapes: Mapping[str, Sequence[int | str]], facts: Facts) -> None:
    for name in facts:
        if name not in shapes:
            raise InputError(f"facts are given of {name!r}, which vars does not declare{nearest(name, shapes)}")
    for shape in shapes.values():
        for size in shape:
            if isinstance(size, str):
                reader.tables.size_names[size] = None
    for name, shape in shapes.items():
        if not name.replace("_", "a").isalnum() or not name[0].isalpha() or name in RESERVED:
            raise InputError(f"{name!r} cannot be the name of a variable")
        if name in reader.tables.size_names:
            raise InputError(f"{name!r} is a variable and a size in vars: call one of them something else")
        for size in shape:
            if (isinstance(size, int) and size < 1) or not isinstance(size, int | str):
                raise InputError(f"a size of {name!r} is a name or a whole number of at least 1, not {size!r}")
        words = facts.get(name, ())
        known = [words] if isinstance(words, str) else list(words)
        for word in known:
            if word not in FACTS:
                raise InputError(f"{word!r} is no fact; a fact is one of {', '.join(FACTS)}{nearest(word, FACTS)}")
        reader.declare(name, [reader.tables.size(s) for s in shape], "data", known)


def fragment(graph: Graph, text: str) -> Node:
    """The node of an expression in a graph's names; definition lines may come before it, and the last line may be a definition.

    A row is returned as a matrix of one row. Raises NotationError.
    """
    return located(text, "", lambda: _fragment(graph, text))


def _fragment(graph: Graph, text: str) -> Node:
    tables = Tables.of(graph)
    network = notation.parse(text, limits=None, functions=(*tables.functions, *tables.ops))
    reader = Lines(tables)
    reader.sizes_first(network)
    for s in network.statements:
        if isinstance(s, lines.Declaration):
            raise Fault("an expression uses the variables of its graph: declare new ones in the network", s.place)
        reader.take(s)
    reader.recurrences.finish()
    last = reader.last
    if last is None:
        raise Fault("expected an expression", network.statements[-1].place if network.statements else network.claims[0].place)
    if last.value.lying and last.value.rank == 1:
        wide = (*last.order, last.axes.fresh(1), *last.value.core)
        return last.axes.node(last.value, wide)
    return last.node


set_parser(fragment)
