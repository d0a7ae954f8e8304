"""A graph: named nodes, declared variables and an output; what text, Python code and derivations all become."""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from symgrad.core.display import Shown
from symgrad.core.node import SIZE, Node, Variable, topological
from symgrad.core.shape import Shape, Size, shape_text, size_expression, size_names
from symgrad.core.table import aligned
from symgrad.errors import InputError, nearest

__all__ = ["Family", "Graph", "UnknownFunction", "as_graph", "set_parser"]

_parser: list[Callable[[Graph, str], Node]] = []


def set_parser(parse: Callable[[Graph, str], Node]) -> None:
    """Give `Graph.parse` its parser: the language stands to the right of the core."""
    _parser[:] = [parse]


@dataclass(frozen=True, slots=True)
class Family:
    """The leading axes of a named array that are written as indices: x[n] is one example of x."""

    index: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownFunction:
    """A declared function: elementwise, or a scalar function of so many arguments; `bound` is the function it stands for, if that is said."""

    name: str
    arguments: int
    elementwise: bool
    bound: str = ""


@dataclass(frozen=True, eq=False)
class Graph(Shown):
    """Named nodes in order of definition. Invariant: names are unique; a variable is named by its own name."""

    names: Mapping[str, Node]
    output: Node
    families: Mapping[str, Family] = field(default_factory=dict)
    ranges: Mapping[str, Size] = field(default_factory=dict)         # index name -> its size
    latex: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)           # declared whole numbers
    constants: Mapping[str, Node] = field(default_factory=dict)
    functions: Mapping[str, UnknownFunction] = field(default_factory=dict)
    ops: Mapping[str, object] = field(default_factory=dict)          # the user's own ops by name
    sources: Mapping[str, str] = field(default_factory=dict)         # a definition's line as the user wrote it
    text: str = ""
    rows: frozenset[str] = frozenset()                               # names of vectors that lie, such as r = x'*A
    lengths: Mapping[str, int] = field(default_factory=dict)         # sizes that stay names, though a recurrence is written out for so many steps
    arrays: Mapping[str, ArrayLike] = field(default_factory=dict)     # inputs that a traced function was given as arrays
    rebuild: Callable[[Mapping[str, int]], Graph] | None = None      # the same graph for other lengths

    def __getitem__(self, name: str) -> Node:
        """The node of a name. Raises InputError listing near names."""
        node = self.names.get(name)
        if node is None:
            raise InputError(f"there is no {name!r} in this graph{nearest(name, self.names)}; it has {', '.join(self.names)}")
        return node

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @functools.cached_property
    def words(self) -> frozenset[str]:
        """Every name that means something in text about this graph: values, sizes, functions, ops, constants."""
        sizes = {s for n in self.names.values() for size in n.shape for s in size_names(size)}
        return frozenset({*self.names, *sizes, *self.sizes, *self.functions, *self.ops, *self.constants})

    @property
    def numbers(self) -> dict[str, int]:
        """The sizes that have a number in this graph: declared ones, and the lengths that recurrences are written out for."""
        return {**self.sizes, **self.lengths}

    def _plain(self) -> str:
        """The text it was written in, else its names with their shapes."""
        return self.text.strip() or "\n".join(f"{name} ({shape_text(node.shape)})" for name, node in self.names.items())

    def at(self, values: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None) -> Graph:
        """The graph with its recurrences written out for the lengths that the arrays have: this one, if they are its own."""
        wanted = {**self.lengths, **{k: v for k, v in (sizes or {}).items() if k in self.lengths}}
        for name, node in self.variables().items() if self.lengths else ():
            for axis, size in enumerate(node.shape):
                if size in wanted and np.ndim(values.get(name, ())) == node.rank and name in values:
                    wanted[str(size)] = np.shape(values[name])[axis]
        return self if wanted == self.lengths or self.rebuild is None else self.rebuild(wanted)

    @property
    def params(self) -> list[str]:
        """Names of the parameters, in order of declaration."""
        return [n for n, v in self.names.items() if v.name == n and isinstance(v.data, Variable) and v.data.kind == "param"]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every parameter, by name."""
        return {n: self.names[n].shape for n in self.params}

    @property
    def count(self) -> int | sp.Expr:
        """How many numbers the parameters hold: a whole number where all sizes are known, else a polynomial in their names."""
        return _whole(sp.expand(sum((self._entries(s) for s in self.shapes.values()), sp.Integer(0))))

    def _entries(self, shape: Shape) -> sp.Expr:
        return sp.Mul(*[size_expression(s) for s in shape]).subs({size_expression(n): k for n, k in self.sizes.items()})

    def summary(self) -> str:
        """A table of the parameters: name, shape, how many numbers each holds, and the total."""
        rows = [(n, shape_text(s), f"{_whole(self._entries(s))}") for n, s in self.shapes.items()]
        return "\n".join(aligned([("parameter", "shape", "count"), *rows, ("total", "", f"{self.count}")]))

    @property
    def data(self) -> list[str]:
        """Names of the data, in order of declaration."""
        return [n for n, v in self.names.items() if v.name == n and isinstance(v.data, Variable) and v.data.kind not in ("param", "const")]

    @property
    def output_name(self) -> str:
        """The name of the output; an empty string for a bare expression."""
        return self.name_of(self.output)

    def name_of(self, node: Node) -> str:
        """The first name of a node, or an empty string."""
        return self._by_node.get(node, "")

    @functools.cached_property
    def _by_node(self) -> dict[Node, str]:
        found: dict[Node, str] = {}
        for name, node in self.names.items():
            found.setdefault(node, name)
        return found

    def nodes(self) -> list[Node]:
        """All nodes, operands first, in an order that only the structure decides."""
        return topological([*self.names.values(), self.output])

    def variables(self) -> dict[str, Node]:
        """The leaves that take a value, by name."""
        return {n.name: n for n in self.nodes() if isinstance(n.data, Variable) and n.data.value is None}

    def size_names(self) -> list[str]:
        """Names of the sizes, in order of appearance."""
        found: dict[str, None] = {}
        for n in self.nodes():
            for size in (*n.shape, *((n.data,) if n.op is SIZE else ())):
                found.update(dict.fromkeys(size_names(size)))
        return list(found)

    def networkx(self, outputs: Iterable[Node] = ()) -> nx.MultiDiGraph[Node]:
        """The graph as networkx sees it: an edge from operand to node for every operand position, the position as its key."""
        g: nx.MultiDiGraph[Node] = nx.MultiDiGraph()
        for node in topological(outputs) if outputs else self.nodes():
            g.add_node(node)
            for position, operand in enumerate(node.operands):
                g.add_edge(operand, node, key=position)
        return g

    def parse(self, text: str) -> Node:
        """The node of an expression in this graph's names (definition lines may come before it).

        Raises NotationError with line and caret.
        """
        return _parser[0](self, text)

    def resolve(self, what: str | Node) -> Node:
        """A node from a name or a node."""
        return self[what] if isinstance(what, str) else what


def _whole(count: sp.Expr) -> int | sp.Expr:
    return int(count) if count.is_Integer else count


def as_graph(what: Graph | Node) -> Graph:
    """A graph around a node: every variable below it, and the node as output. Raises InputError for anything else."""
    if isinstance(what, Graph):
        return what
    if not isinstance(what, Node):
        raise InputError(f"a graph or a node is needed, not {what!r}")
    leaves = {n.name: n for n in topological([what]) if isinstance(n.data, Variable)}
    return Graph(names=leaves, output=what, latex={n: v.data.latex for n, v in leaves.items() if isinstance(v.data, Variable) and v.data.latex})


def check_unique(leaves: Iterable[Node]) -> None:
    """Raises InputError where two different variables share a name."""
    seen: dict[str, Shape] = {}
    for n in leaves:
        if isinstance(n.data, Variable) and seen.setdefault(n.name, n.shape) != n.shape:
            raise InputError(f"two variables are named {n.name!r}, of shapes {seen[n.name]} and {n.shape}")
