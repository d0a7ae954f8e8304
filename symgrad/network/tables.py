"""What names mean in a network: values, sizes, ranges, functions, ops; from a graph and back to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symgrad.core.graph import Family, Graph, UnknownFunction
from symgrad.core.node import NUMBER, Node, Variable
from symgrad.core.op import Op
from symgrad.core.shape import Size
from symgrad.ops.arithmetic import constant_of
from symgrad.ops.stacking import STACK

__all__ = ["Entry", "Tables"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A named array: its node, the names of its first axes that are a family, the classes of a label, the steps of a recurrence."""

    node: Node
    family: tuple[str, ...] = ()
    classes: Size | None = None
    steps: Mapping[int, Node] = field(default_factory=dict)
    step_axis: int = 0
    lying: bool = False
    complete: bool = True


@dataclass
class Tables:
    """The names of a network while its lines are read."""

    names: dict[str, Entry] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    size_names: dict[str, None] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)  # sizes without a number, and the steps a recurrence is written out for
    ranges: dict[str, Size] = field(default_factory=dict)
    constants: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, UnknownFunction] = field(default_factory=dict)
    ops: dict[str, Op] = field(default_factory=dict)
    latex: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)  # the lines of definitions

    def size(self, size: int | str) -> Size:
        """The size of a name: its number, if one is declared."""
        return self.sizes.get(size, size) if isinstance(size, str) else size

    def steps(self, size: Size | None) -> int | None:
        """How many steps an index of that size runs through, where that is a number."""
        return size if isinstance(size, int) else self.lengths.get(str(size))

    def whole_constant(self, name: str) -> int | None:
        """A constant that is a whole number."""
        value = constant_of(self.constants[name])
        return int(value) if value is not None and value.denominator == 1 else None

    def kept(self) -> set[Node]:
        """The nodes that have a name: recognising a pattern never reaches through them."""
        return {entry.node for entry in self.names.values() if entry.node.op is not NUMBER}

    def known(self) -> list[str]:
        """Every name that may stand outside square brackets."""
        return [*self.names, *self.constants, *self.size_names]

    def graph(self, output: Node, text: str) -> Graph:
        """The graph of all that was read."""
        names = {name: entry.node for name, entry in self.names.items()}
        families = {name: Family(entry.family) for name, entry in self.names.items() if entry.family}
        for name, entry in list(self.names.items()):
            for step, node in entry.steps.items():
                alias = f"{name}_{step}"
                if alias not in self.known():
                    names[alias] = node
                    families[alias] = Family(tuple(f for k, f in enumerate(entry.family) if k != entry.step_axis))
                    self.latex.setdefault(alias, f"{self.latex.get(name, name)}_{{{step}}}")
        rows = frozenset(name for name, entry in self.names.items() if entry.lying)
        return Graph(
            names,
            output,
            families={n: f for n, f in families.items() if f.index},
            ranges=dict(self.ranges),
            latex=dict(self.latex),
            sizes=dict(self.sizes),
            constants=dict(self.constants),
            functions=dict(self.functions),
            ops=dict(self.ops),
            sources=dict(self.sources),
            text=text,
            rows=rows,
            lengths=dict(self.lengths),
        )

    @classmethod
    def of(cls, graph: Graph) -> Tables:
        """The names of a finished graph."""
        tables = cls(
            sizes=dict(graph.sizes),
            lengths=dict(graph.lengths),
            ranges=dict(graph.ranges),
            constants=dict(graph.constants),
            functions=dict(graph.functions),
            ops={n: o for n, o in graph.ops.items() if isinstance(o, Op)},
            latex=dict(graph.latex),
            sources=dict(graph.sources),
        )
        for name, node in graph.names.items():
            family = graph.families[name].index if name in graph.families else ()
            steps, axis = _steps(graph, name, node, family)
            tables.names[name] = Entry(node, family, _classes(node), steps, axis, name in graph.rows)
        tables.size_names = dict.fromkeys((*graph.sizes, *graph.size_names()))
        return tables


def _classes(node: Node) -> Size | None:
    """The number of classes of a label, which its variable keeps as a fact."""
    for fact in node.facts if isinstance(node.data, Variable) else ():
        if fact.startswith("label("):
            size = fact[6:-1]
            return int(size) if size.isdigit() else size
    return None


def _steps(graph: Graph, name: str, node: Node, family: tuple[str, ...]) -> tuple[dict[int, Node], int]:
    """The steps of a recurrence, from the names that `graph` gave them."""
    inner = node if node.op.name == STACK else node.operands[0] if node.operands and node.operands[0].op.name == STACK else None
    if inner is None:
        return {}, 0
    steps = {
        int(alias.rpartition("_")[2]): found
        for alias, found in graph.names.items()
        if alias.rpartition("_")[0] == name and alias.rpartition("_")[2].isdigit()
    }
    if set(inner.operands) - set(steps.values()):
        return {}, 0
    some = f"{name}_{min(steps)}"
    short = graph.families[some].index if some in graph.families else ()
    axis = next((k for k, f in enumerate(family) if family[:k] + family[k + 1 :] == short), 0) if len(short) < len(family) else 0
    return steps, axis
