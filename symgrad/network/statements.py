"""The lines of a network come in one by one; what they declare and define goes into the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symgrad.core.graph import UnknownFunction
from symgrad.core.node import Node, variable
from symgrad.core.op import Op
from symgrad.core.shape import Size
from symgrad.errors import NotationError, nearest
from symgrad.network.expressions import Reader
from symgrad.network.free_sums import summed
from symgrad.network.indexing import Scope, infer
from symgrad.network.own_ops import op_of_row
from symgrad.network.recurrence import Recurrences
from symgrad.network.tables import Entry, Tables
from symgrad.network.values import Axes, Value
from symgrad.network.wording import shown
from symgrad.notation import statements as lines
from symgrad.notation.screen import Fault
from symgrad.notation.syntax import Expression, Index, Name, Place, operands
from symgrad.notation.words import ELEMENTWISE, FUNCTIONS
from symgrad.ops.arithmetic import constant_of

__all__ = ["Lines", "Read"]


@dataclass(frozen=True, slots=True)
class Read:
    """A right side that has been read: its node with the axes of the left side first, and what else is known of it."""

    node: Node
    value: Value
    axes: Axes
    order: tuple[str, ...]  # the letters of the axes in front


@dataclass
class Lines:
    """Takes the lines in order."""

    tables: Tables
    kept: set[Node] = field(default_factory=set)
    recurrences: Recurrences = field(init=False)
    last: Read | None = None

    def __post_init__(self) -> None:
        self.kept |= self.tables.kept()
        self.recurrences = Recurrences(self)

    def sizes_first(self, network: lines.Network) -> None:
        """Enter the numbers of sizes, which hold on every line."""
        for s in network.statements:
            if isinstance(s, lines.Size):
                if s.name in self.tables.sizes or s.name in self.tables.names:
                    raise Fault(f"{s.name} is declared already", s.place)
                self.tables.size_names[s.name] = None
                if s.value is not None:
                    self.tables.sizes[s.name] = s.value
        self.recurrences.look_ahead(network)

    def take(self, s: lines.Statement) -> None:
        """One line. Raises Fault."""
        tables = self.tables
        match s:
            case lines.Family():
                self.require_new(s.name, s.place, tables.ranges, "index")
                if s.first != 1:
                    raise Fault(
                        f"a range begins with 1, found {s.first}; a first step before it is defined by a line such as h[n, 0] = h0", s.place
                    )
                tables.ranges[s.name] = self._size(s.last, s.place)
            case lines.Declaration():
                self._declare(s)
            case lines.Const():
                self.require_new(s.name, s.place, None, "constant")
                read = self.read(s.value, {}, s.place)
                if read.value.rank:
                    raise Fault("a constant is a scalar", s.place)
                tables.constants[s.name] = read.node
            case lines.Function():
                self._function(s)
            case lines.Op():
                self.require_new(s.name, s.place, None, "op")
                try:
                    tables.ops[s.name] = self._op(s)
                except NotationError as error:
                    raise Fault(error.message, Place(error.line, error.column, error.column + 1) if error.line else s.place) from None
            case lines.Definition():
                if not self.recurrences.take(s):
                    self.define(s)
            case lines.Output():
                self.recurrences.finish()
                self.last = self.read(s.value, None, s.place)
            case lines.Size():
                pass

    def _op(self, s: lines.Op) -> Op:
        constants = {n: v for n, node in self.tables.constants.items() if (v := constant_of(node)) is not None}
        return op_of_row(s, constants)

    # ------------------------------------------------------------------ declarations
    def require_new(self, name: str, place: Place, table: Mapping[str, object] | None = None, what: str = "definition") -> None:
        """Raises Fault for a name that is taken."""
        tables = self.tables
        if table is not None:
            taken = name in table
        else:
            taken = name in tables.names or name in tables.constants or name in tables.functions or name in tables.ops
            if name in tables.size_names:
                raise Fault(f"{name} is a size already: call this {what} something else", place)
        if taken:
            raise Fault(f"{name} is defined already: call this {what} something else", place)

    def _size(self, size: int | str, place: Place) -> Size:
        if isinstance(size, str):
            if size in self.tables.names or size in self.tables.constants:
                raise Fault(f"{size} is a value already, so it cannot be a size", place)
            self.tables.size_names[size] = None
        return self.tables.size(size)

    def _declare(self, s: lines.Declaration) -> None:
        self.require_new(s.name, s.place, None, "variable")
        kind, sizes = s.type.kind, s.type.sizes
        if kind in ("vector", "matrix") and not sizes:
            example = "vector(D)" if kind == "vector" else "matrix(D, K)"
            raise Fault(f"the size of {s.name} is missing: write {s.name} : {example}", s.type.place)
        family = []
        for i in s.indices:
            if i not in self.tables.ranges:
                raise Fault(
                    f"the index {i} is not declared: write `examples {i} = 1..N` or `index {i} = 1..N`{nearest(i, self.tables.ranges)}",
                    s.place,
                )
            family.append(self.tables.ranges[i])
        given = [self._size(x, s.type.place) for x in sizes]
        if s.name in self.tables.size_names:
            raise Fault(f"{s.name} is a size already: call this variable something else", s.place)
        facts, classes = [*s.facts], None
        if kind == "label":
            facts.append(f"label({given[0]})" if given else "label")
            classes, given = (given[0] if given else None), []
        self.declare(s.name, [*family, *given], s.role, facts, s.printed, s.indices, classes)

    def declare(
        self,
        name: str,
        shape: list[Size],
        role: str,
        facts: list[str],
        printed: str | None = None,
        family: tuple[str, ...] = (),
        classes: Size | None = None,
    ) -> None:
        """A variable of a shape."""
        node = variable(name, shape, role, facts, printed)
        if printed is not None:
            self.tables.latex[name] = printed
        self.enter(name, Entry(node, family, classes))

    def enter(self, name: str, entry: Entry) -> None:
        """A name for a node."""
        self.tables.names[name] = entry
        self.kept.add(entry.node)

    def _function(self, s: lines.Function) -> None:
        self.require_new(s.name, s.place, None, "function")
        elementwise = s.parameters is None
        allowed = ELEMENTWISE if elementwise else FUNCTIONS
        if s.bound is not None and s.bound not in allowed:
            raise Fault(f"{s.bound} is no function" + (" of numbers" if elementwise else "") + nearest(s.bound, allowed), s.place)
        self.tables.functions[s.name] = UnknownFunction(
            s.name, 1 if s.parameters is None else len(s.parameters), elementwise, s.bound or ""
        )

    # ------------------------------------------------------------------ right sides
    def read(self, e: Expression, left: Mapping[str, str | int] | None, place: Place, axes: Axes | None = None) -> Read:
        """A right side; `left` is what the left side binds (letters of `axes`, or numbers), None where a family's index binds itself."""
        axes = axes or Axes(place)
        scope = Scope(left or {}, left is None)
        letters = {n: x for n, x in (left or {}).items() if isinstance(x, str)}
        infer(e, letters, self.tables, axes)
        value = Reader(self.tables, axes, self.kept).value(e, scope)
        order = (
            tuple(letters.values())
            if left is not None
            else tuple(x for i in self.tables.ranges for x in (scope.opened.get(i),) if isinstance(x, str) and x in value.lead)
        )
        return Read(axes.node(value, (*order, *value.core)), value, axes, order)

    def define(self, s: lines.Definition) -> None:
        """`name[indices] = value`."""
        if not s.sums_free:
            self.require_new(s.name, s.place, None, "definition")
        self._self_reference(s)
        read = self.right_side(s, {})
        self.last = read
        if not s.sums_free:
            names = tuple(i.name or "" for i in s.indices)
            family = names[: next((k for k, i in enumerate(names) if i not in self.tables.ranges), len(names))]
            if not names and len(read.value.family) <= read.value.rank:
                family = read.value.family
            self.enter(s.name, Entry(read.node, family, lying=read.value.lying and not names))

    def right_side(self, s: lines.Definition, fixed: Mapping[str, int]) -> Read:
        """The right side of a definition, with some indices of the left side fixed to numbers."""
        axes = Axes(s.place)
        names = [i.name for i in s.indices if i.name is not None]
        left: dict[str, str | int] = {n: fixed[n] if n in fixed else axes.fresh(self.tables.ranges.get(n), n) for n in names}
        e = summed(s.value, names, self._is_index) if s.sums_free else s.value
        return self.read(e, left, s.place, axes)

    def _is_index(self, name: str) -> bool:
        tables = self.tables
        return name in tables.ranges or not (name in tables.sizes or name in tables.lengths or name in tables.constants)

    def _self_reference(self, s: lines.Definition) -> None:
        if s.name in self.tables.names:
            return
        waiting = [s.value]
        while waiting:
            e = waiting.pop()
            if isinstance(e, Index) and isinstance(e.operand, Name) and e.operand.name == s.name:
                raise Fault(
                    f"{shown(e)} refers to what this line defines: a recurrence begins with a line such as {s.name}[..., 0] = ...", e.place
                )
            waiting.extend(operands(e))
