"""Nodes: ops applied to nodes, interned, so that equal subexpressions are one node."""
from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from symgrad.core import equation as eq
from symgrad.core.op import Derived, Op, make_op
from symgrad.core.shape import Shape, Size, shape_text
from symgrad.errors import ShapeError

__all__ = ["NUMBER", "SIZE", "VARIABLE", "Node", "Variable", "apply", "assemble", "growing", "number_node", "operators", "size_node", "topological", "variable"]

VARIABLE = make_op("variable", (), (), eq.ZERO)
NUMBER = make_op("number", (), (), eq.ONE)
SIZE = make_op("size", (), (), ("k", "size"))


@dataclass(frozen=True, slots=True)
class Variable:
    """What a leaf of the graph is: `kind` is "data", "param" or "symbol" (a tangent or cotangent)."""

    name: str
    kind: str = "data"
    facts: frozenset[str] = frozenset()
    latex: str | None = None


Data: TypeAlias = Variable | Fraction | Size | None

operators: dict[str, Callable[..., object]] = {}
"""What the operators of a node do, filled by the ops: nodes know no op by name."""


class Node:
    """An op applied to operands. Invariant: equal (op, operands, shape, data) is the same object; operands are tuples, never changed."""

    __slots__ = ("op", "operands", "shape", "data", "__weakref__")
    __array_priority__ = 1000.0

    op: Op
    operands: tuple[Node, ...]
    shape: Shape
    data: Data

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The name of a variable; an empty string for other nodes."""
        return self.data.name if isinstance(self.data, Variable) else ""

    @property
    def facts(self) -> frozenset[str]:
        """What was declared of a variable (symmetric, positive, ...)."""
        return self.data.facts if isinstance(self.data, Variable) else frozenset()

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name}: {shape_text(self.shape)}>"

    def __getattr__(self, attribute: str) -> object:
        method = operators.get(attribute)
        if method is None:
            raise AttributeError(f"a node has no attribute {attribute!r}")
        return method(self)


def _operator(name: str) -> Callable[..., object]:
    def method(self: Node, *others: object, **options: object) -> object:
        if name not in operators:
            raise TypeError(f"a node does not support {name}")
        return operators[name](self, *others, **options)
    method.__name__ = name
    return method


for _name in ("add radd sub rsub mul rmul truediv rtruediv matmul rmatmul pow rpow neg pos abs getitem array_ufunc array_function "
              "lt le gt ge len iter").split():
    setattr(Node, f"__{_name}__", _operator(f"__{_name}__"))


_TABLE: weakref.WeakValueDictionary[object, Node] = weakref.WeakValueDictionary()


def _intern(op: Op, operands: tuple[Node, ...], shape: Shape, data: Data = None) -> Node:
    key = (op, operands, shape, data, type(data))
    node = _TABLE.get(key)
    if node is None:
        node = Node()
        node.op, node.operands, node.shape, node.data = op, operands, shape, data
        _TABLE[key] = node
    return node


def variable(name: str, shape: Sequence[Size], kind: str = "data", facts: Iterable[str] = (), latex: str | None = None) -> Node:
    """A leaf of the given name and shape."""
    return _intern(VARIABLE, (), tuple(shape), Variable(name, kind, frozenset(facts), latex))


def number_node(value: int | Fraction) -> Node:
    """A rational number."""
    return _intern(NUMBER, (), (), Fraction(value))


def size_node(size: Size) -> Node:
    """A size used as a number."""
    return number_node(size) if isinstance(size, int) else _intern(SIZE, (), (), size)


def apply(op: Op, *operands: Node, shape: Shape | None = None) -> Node:
    """The node of an op at operands. `shape`: only for ops whose output sizes do not follow from operands (ones, convolutions).

    Raises ShapeError naming the op, its operands and their shapes where sizes do not fit.
    """
    if not operands and op.body is not None and op.body[0] == "n" and not op.out:
        return number_node(op.body[1])                     # a slope that is constant
    if op.where and len(operands) == op.arity:             # intermediates are nodes of their own, kept by the forward pass
        for n in range(len(op.where)):
            line = op.line_op(n)
            operands += (apply(line.op, *[operands[k] for k in line.sources]),)  # type: ignore[index]  # a line reads operands only
    if shape is None:
        size: dict[str, Size] = {}
        try:
            for name, operand, axis in op.patterns:
                n = operands[operand].shape[axis]
                if size.setdefault(name, n) != n:
                    raise _misfit(op, operands, f"an axis of size {size[name]} meets one of size {n}")
            shape = tuple([size[o] if o in size else size[op.twins[o]] for o in op.out])
        except (IndexError, KeyError):
            raise _misfit(op, operands, f"it takes operands of ranks {op.ranks}") from None
    return _intern(op, operands, shape)


def _misfit(op: Op, operands: tuple[Node, ...], reason: str) -> ShapeError:
    shown = ", ".join(f"{o.name or o.op.name} ({shape_text(o.shape)})" for o in operands[: op.arity])
    return ShapeError(f"{op.name} of {shown}: {reason}")


def assemble(derived: Derived, pick: Callable[[int | str], Node], shape: Shape | None) -> Node:
    """The node of a derived op; `pick` gives the node of a plain source."""
    def source(s: object) -> Node:
        if isinstance(s, tuple):
            return apply(s[0], *[source(x) for x in s[1]])
        return pick(s)  # type: ignore[arg-type]  # what is no tuple is a plain source
    return apply(derived.op, *[source(s) for s in derived.sources], shape=shape)


@contextmanager
def growing() -> Iterator[None]:
    """Pause the cyclic garbage collector while nodes are only added: it would walk them all again and again and find nothing."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def topological(outputs: Iterable[Node]) -> list[Node]:
    """All nodes the outputs depend on, operands first, in an order that only the structure of the graph decides."""
    done: dict[Node, None] = {}
    for output in outputs:
        stack = [(output, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready or not node.operands:
                done[node] = None
            else:
                stack.append((node, True))
                stack.extend((o, False) for o in reversed(node.operands) if o not in done)
    return list(done)
