"""A derivation in; a program out that a reader can run: its printed formulas at random values against differences of the network."""
from __future__ import annotations

import pprint
from collections.abc import Mapping

import numpy as np

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable
from symgrad.errors import UnsupportedError
from symgrad.notation.parse import parse
from symgrad.notation.statements import Declaration
from symgrad.ops.kernels import Array
from symgrad.results import Derivation
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in
from symgrad.run.sampling import sample, sample_sizes, styles

__all__ = ["recheck"]

_ENTRIES = 2000
"""Arrays of more entries in all are drawn at smaller sizes."""
_PROGRAM = '''\
# Each formula above, read back as text, against differences of the network at random values.
import numpy as np

import symgrad as sg
{imports}
net = sg.parse({text}{declared})
values = {{
{values}}}
functions = {{{functions}}}
formulas = {{
{formulas}}}


def differences(name, step=1e-5):
    """The derivative by each entry of an array, by central differences."""
    at = np.array(values[name], dtype=float)
    found = []
    for place in np.ndindex(at.shape):
        move = np.zeros(at.shape)
        move[place] = step
        up, down = (sg.evaluate(net, {{**values, name: at + side * move}}{of}, functions=functions) for side in (1, -1))
        found.append((up - down) / (2 * step))
    return np.moveaxis(np.array(found), 0, -1).reshape(np.shape(found[0]) + at.shape)


for name, formula in formulas.items():
    value = sg.evaluate(net.parse(formula), values, functions=functions)
    numeric = differences(name)
    error = np.max(np.abs(value - numeric)) / (1 + np.max(np.abs(numeric)))
    print(f"by {{name}}: largest difference {{error:.0e}}")
    assert np.shape(value) == np.shape(numeric) and error < 1e-6, name
'''


def recheck(d: Derivation, sizes: Mapping[str, int]) -> str:
    """The program, at the sizes where they are small; empty where no text says the network or no formula can be checked by itself."""
    graph = d.graph
    formulas = {name: text for name in d if (text := _formula(d, name))}
    if not graph.text or not formulas or (d.output is not graph.output and d.of not in graph.names):
        return ""
    drawn = _values(d, sizes)
    told = {size for name in drawn for size in d.graph.variables()[name].shape}
    if any(name not in told and name not in d.graph.numbers for name in sizes):
        return ""                                    # a size that no array tells
    names = [name for name, f in graph.functions.items() if not f.bound]
    of = f", of={d.of!r}" if d.of in graph.names else ""
    return _PROGRAM.format(
        imports="from symgrad.run.functions import ByOrder, stand_in  # smooth functions in place of those left unknown\n" if names else "",
        text=_quoted(graph.text), declared=_declared(graph), of=of,
        values="".join(f"    {name!r}: {_written(array, bool(graph.names[name].facts))},\n" for name, array in drawn.items() if name in graph.names),
        functions=", ".join(f"{name!r}: ByOrder(stand_in({k}))" for k, name in enumerate(names)),
        formulas="".join(f"    {name!r}: {_quoted(text)},\n" for name, text in formulas.items()))


def _formula(d: Derivation, name: str) -> str:
    """The closed form in the shape of a plain derivative by a variable that moves freely; else nothing."""
    found = d[name]
    if found.node is None or found.layout is not None or found.structure or not isinstance(found.variable.data, Variable):
        return ""
    try:
        return str(found.matrix)
    except UnsupportedError:
        return ""


def _values(d: Derivation, sizes: Mapping[str, int]) -> dict[str, Array]:
    """Random values at which everything is finite, those of the first way of drawing if none are."""
    wanted = [d.output, *(x.node for x in d.derivatives.values() if x.node is not None)]
    nodes: list[Node] = [*wanted, *d.graph.variables().values()]
    known = dict(sizes)
    functions = {name: stand_in(k) for k, name in enumerate(d.graph.functions)}
    tried: list[dict[str, Array]] = []
    for style in styles():
        drawn = sample(nodes, known, 0, style)
        if sum(array.size for array in drawn.values() if isinstance(array, np.ndarray)) > _ENTRIES:
            known = sample_sizes(nodes, d.graph.numbers, 0)
            drawn = sample(nodes, known, 0, style)
        tried.append(drawn)
        trace = execute(wanted, drawn, sizes=known, functions=functions)
        if all(np.all(np.isfinite(trace[n])) for n in wanted):
            return drawn
    return tried[0]


def _declared(graph: Graph) -> str:
    """Shapes and facts of the variables that the text does not declare."""
    said = {s.name for s in parse(graph.text, limits=None, functions=[*graph.functions, *graph.ops]).statements if isinstance(s, Declaration)}
    missing = {name: node for name, node in graph.variables().items() if name not in said and isinstance(node.data, Variable) and node.data.kind != "const"}
    if not missing:
        return ""
    shapes = {name: node.shape for name, node in missing.items()}
    facts = {name: tuple(sorted(node.facts)) for name, node in missing.items() if node.facts}
    return f", vars={shapes!r}" + (f", facts={facts!r}" if facts else "")


def _written(array: Array, exact: bool) -> str:
    return pprint.pformat(np.round(array, 15 if exact else 3).tolist(), width=100, compact=True).replace("\n", "\n          ")


def _quoted(text: str) -> str:
    return repr(text) if "\n" not in text else 'r"""\n' + text.strip("\n") + '\n"""' if '"""' not in text and "\\" not in text[-2:] else repr(text)
