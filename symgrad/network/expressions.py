"""An expression and what its names mean come in; its value goes out, by a walk with an explicit stack, since sums may be long."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass, replace

from symgrad.core.node import Node, size_node
from symgrad.core.shape import Size
from symgrad.errors import ShapeError, SymgradError, nearest
from symgrad.network import calls, derivatives
from symgrad.network.calls import Call
from symgrad.network.indexing import Position, Scope, at, delta, infer, position, step_at
from symgrad.network.products import Operation, transposed
from symgrad.network.reductions import over
from symgrad.network.sizes import fixed_size
from symgrad.network.tables import Entry, Tables
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation import syntax
from symgrad.notation.screen import Fault, Misfit
from symgrad.notation.syntax import Binary, Delta, Derivative, Expression, Index, Name, Negate, Number, Over, Partial, Transpose

__all__ = ["Reader"]

Work = Generator[tuple[Expression, Scope], Value, Value]
UNVALUED = {"ones", "zeros", "eye"}  # their arguments are sizes
BARE = {"none", "causal"}  # words after a keyword that need no quotes
SIZED = {"onehot"}  # so is their last argument


@dataclass
class Reader:
    """Reads the expressions of one statement."""

    tables: Tables
    axes: Axes
    kept: Collection[Node]

    def value(self, expression: Expression, scope: Scope) -> Value:
        """The value of an expression. Raises Fault at the place of what has no meaning."""
        stack: list[tuple[Expression, Work]] = [(expression, self._work(expression, scope))]
        sent: Value | None = None
        while stack:
            e, work = stack[-1]
            try:
                request = next(work) if sent is None else work.send(sent)
            except StopIteration as done:
                stack.pop()
                sent = done.value
                continue
            except SymgradError as error:
                raise (Misfit if isinstance(error, ShapeError) else Fault)(str(error), e.place) from error
            sent = None
            stack.append((request[0], self._work(*request)))
        assert sent is not None
        return sent

    def _work(self, e: Expression, scope: Scope) -> Work:
        match e:
            case Number():
                return number(e.value)
            case Name():
                return self.named(e)
            case Negate():
                v = yield e.operand, scope
                return replace(v, coefficient=-v.coefficient)
            case Transpose():
                v = yield e.operand, scope
                return transposed(v, e.operand, e)
            case Binary():
                left = yield e.left, scope
                right = yield e.right, scope
                return Operation(e, self.axes, self.kept).value(left, right)
            case Index():
                return (yield from self.indexed(e, scope))
            case Over():
                letters = {i: self.axes.fresh(self.tables.ranges.get(i), i) for i in e.indices}
                infer(e.operand, letters, self.tables, self.axes)
                v = yield e.operand, scope.bind(letters)
                return over(e, v, tuple(letters.values()), self.axes)
            case Delta():
                return delta(e, self.position(e.left, scope), self.position(e.right, scope), self.axes)
            case Derivative() | Partial():
                arguments = []
                for a in e.arguments:
                    arguments.append((yield a, scope))
                return derivatives.of_function(e, arguments, self.tables, self.axes)
            case syntax.Call():
                return (yield from self.called(e, scope))

    def position(self, index: syntax.Affine, scope: Scope) -> Position:
        """What an index means."""
        return position(index, scope, self.tables, self.axes)

    def named(self, e: Name) -> Value:
        """A name outside brackets: a value, a constant or a size."""
        tables = self.tables
        if e.name in tables.names:
            return self.entry(tables.names[e.name], tables.names[e.name].node, e)
        if e.name in tables.constants:
            return self.axes.of(tables.constants[e.name])
        if e.name in tables.size_names:
            return self.axes.of(size_node(tables.size(e.name)))
        if e.name in tables.ranges:
            raise Fault(f"{e.name} is an index, and an index stands inside square brackets only, as in x[{e.name}]", e.place)
        known = tables.known()
        close = nearest(e.name, known) or (f"; declared are {', '.join(known[:8])}" if known else "; nothing is declared")
        raise Fault(f"{e.name} is not declared{close}", e.place)

    def entry(self, entry: Entry, node: Node, e: Expression) -> Value:
        """A named array as a whole. Raises Fault inside the recurrence that computes it."""
        if not entry.complete:
            raise Fault(f"{shown(e)} is still being computed by this recurrence: it may be read at a step only", e.place)
        return self.axes.of(node, family=entry.family, lying=entry.lying)

    def indexed(self, e: Index, scope: Scope) -> Work:
        """An array at indices."""
        if (
            isinstance(e.operand, Name)
            and e.operand.name not in self.tables.names
            and len(e.indices) == 1
            and e.operand.name in self.tables.ranges
        ):
            raise Fault(f"{e.operand.name} is an index and has no components", e.operand.place)
        entry = self.tables.names.get(e.operand.name) if isinstance(e.operand, Name) else None
        if entry is not None and entry.steps and len(e.indices) > entry.step_axis:
            positions = [self.position(i, scope) for i in e.indices]
            found = step_at(entry, positions, e, self.axes, self.tables)
            if found is not None:
                node, positions = found
                family = (
                    entry.family if node.rank == entry.node.rank else entry.family[: entry.step_axis] + entry.family[entry.step_axis + 1 :]
                )
                value = self.axes.of(node, family=family)
                return at(value, positions, e, self.axes) if positions else value
            return at(self.entry(entry, entry.node, e.operand), positions, e, self.axes)
        v = yield e.operand, scope
        return at(v, [self.position(i, scope) for i in e.indices], e, self.axes)

    def called(self, e: syntax.Call, scope: Scope) -> Work:
        """A function word, a declared function or an op."""
        bound = self.tables.functions.get(e.function)
        if bound is not None and bound.bound:
            e = replace(e, function=bound.bound)
        keywords: dict[str, Value | str] = {}
        for k in e.keywords:
            if isinstance(k.value, str):
                keywords[k.name] = k.value
            elif isinstance(k.value, Name) and k.value.name in BARE and k.value.name not in self.tables.names:
                keywords[k.name] = k.value.name
            else:
                keywords[k.name] = yield k.value, scope
        if e.function in UNVALUED:
            sizes = self.sizes(e, 0)
            return calls.of_sizes(e, sizes, self.axes)
        last = len(e.arguments) - (e.function in SIZED)
        arguments: list[Value] = []
        for a in e.arguments[:last]:
            arguments.append((yield a, scope))
        classes = [self.classes(a) for a in e.arguments]
        call = Call(e, arguments, keywords, self.tables, self.axes, self.kept, self.sizes(e, last), classes)
        return calls.value(call)

    def sizes(self, e: syntax.Call, first: int) -> list[Size]:
        """The arguments that are sizes."""
        return [fixed_size(a, self.tables) for a in e.arguments[first:]]

    def classes(self, e: Expression) -> Size | None:
        """The number of classes, where an argument is a label."""
        name = e.operand if isinstance(e, Index) else e
        entry = self.tables.names.get(name.name) if isinstance(name, Name) else None
        return entry.classes if entry else None
