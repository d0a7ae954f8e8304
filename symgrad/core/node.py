"""Nodes: ops applied to nodes, interned, so that equal subexpressions are one node."""
from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.core import equation as eq
from symgrad.core.op import Derived, Op, Source, make_op
from symgrad.core.shape import Shape, Size, named_sizes, shape_text
from symgrad.errors import InputError, ShapeError

__all__ = [
    "Constant", "NUMBER", "Node", "SIZE", "VARIABLE", "Variable", "apply", "assemble", "constant_node", "exchanged", "growing", "held_value",
    "leaf", "number_node", "operators", "size_node", "topological", "variable",
]

VARIABLE = make_op("variable", (), (), eq.ZERO)
NUMBER = make_op("number", (), (), eq.ONE)
SIZE = make_op("size", (), (), ("k", "size"))


@dataclass(frozen=True, slots=True)
class Constant:
    """An array that belongs to the graph. Invariant: equal digests are equal shapes and entries."""

    digest: str
    array: NDArray[np.float64] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """What a leaf of the graph is: `kind` is "data", "param", "symbol" (a tangent or cotangent) or "const", which has a `value`."""

    name: str
    kind: str = "data"
    facts: frozenset[str] = frozenset()
    latex: str | None = None
    value: Constant | None = None


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

    def __eq__(self, other: object) -> object:  # type: ignore[override]  # while a function is traced, a mask: as in NumPy
        if self is other:
            return True
        compare = operators.get("__eq__")
        return compare(self, other) if compare is not None else NotImplemented

    def __ne__(self, other: object) -> object:  # type: ignore[override]  # as above
        compare = operators.get("__ne__")
        return self is not other if self is other or compare is None else compare(self, other)

    __hash__ = object.__hash__

    if TYPE_CHECKING:                                      # the operators are filled in below
        T: Node
        def __add__(self, other: Node | float) -> Node: ...
        def __radd__(self, other: Node | float) -> Node: ...
        def __sub__(self, other: Node | float) -> Node: ...
        def __rsub__(self, other: Node | float) -> Node: ...
        def __mul__(self, other: Node | float) -> Node: ...
        def __rmul__(self, other: Node | float) -> Node: ...
        def __truediv__(self, other: Node | float) -> Node: ...
        def __rtruediv__(self, other: Node | float) -> Node: ...
        def __matmul__(self, other: Node | float) -> Node: ...
        def __rmatmul__(self, other: Node | float) -> Node: ...
        def __pow__(self, other: Node | float) -> Node: ...
        def __rpow__(self, other: Node | float) -> Node: ...
        def __neg__(self) -> Node: ...
        def __getitem__(self, index: object) -> Node: ...

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
              "lt le gt ge len iter bool float int index complex array setitem delitem contains round mod rmod floordiv rfloordiv divmod "
              "rdivmod and rand or ror xor rxor invert iadd isub imul itruediv ipow imatmul imod ifloordiv").split():
    setattr(Node, f"__{_name}__", _operator(f"__{_name}__"))


_TABLE: dict[object, weakref.KeyedRef[object, Node]] = {}   # weak by hand: half the time of a WeakValueDictionary, and this is the hot path


def _forget(ref: weakref.KeyedRef[object, Node]) -> None:
    if _TABLE.get(ref.key) is ref:
        del _TABLE[ref.key]


def _intern(op: Op, operands: tuple[Node, ...], shape: Shape, data: Data = None) -> Node:
    key = (op, operands, shape) if data is None else (op, operands, shape, data, type(data))
    ref = _TABLE.get(key)
    node = ref() if ref is not None else None
    if node is None:
        node = Node()
        node.op, node.operands, node.shape, node.data = op, operands, shape, data
        _TABLE[key] = weakref.KeyedRef(node, _forget, key)
    return node


def variable(name: str, shape: Sequence[Size], kind: str = "data", facts: Iterable[str] = (), latex: str | None = None) -> Node:
    """A leaf of the given name and shape."""
    return _intern(VARIABLE, (), named_sizes(shape), Variable(name, kind, frozenset(facts), latex))


def leaf(name: str, shape: Sequence[Size], kind: str = "data", facts: str | Iterable[str] = (), latex: str | None = None) -> Node:
    """A leaf as people declare it. Raises InputError for a name or a size that is none."""
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"{name!r} is no name: letters, digits and _")
    shape = [int(s) if isinstance(s, np.integer) else s for s in shape]
    for s in shape:
        if isinstance(s, bool) or (isinstance(s, int) and s < 1) or (isinstance(s, str) and not s.isidentifier()) or not isinstance(s, Size):
            raise InputError(f"{s!r} is no size of {name}: a size is a name or a whole number from 1")
    return variable(name, shape, kind, [facts] if isinstance(facts, str) else facts, latex)


def constant_node(name: str, value: Constant) -> Node:
    """A leaf that has a value of its own."""
    return _intern(VARIABLE, (), value.array.shape, Variable(name, "const", value=value))


def held_value(node: Node) -> Constant | None:
    """The value of a constant leaf; None for any other node."""
    return node.data.value if isinstance(node.data, Variable) else None


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
            operands += (apply(line.op, *[operands[k] for k in line.sources if isinstance(k, int)]),)
    if shape is None:
        size: dict[str, Size] = {}
        try:
            for name, operand, axis in op.patterns:
                here = operands[operand].shape[axis]
                if size.setdefault(name, here) != here:
                    raise _misfit(op, operands, f"an axis of size {size[name]} meets one of size {here}")
            shape = tuple([size[o] if o in size else size[op.twins[o]] for o in op.out])
        except (IndexError, KeyError):
            raise _misfit(op, operands, f"it takes operands of ranks {op.ranks}") from None
    else:
        shape = named_sizes(shape)
    return _intern(op, operands, shape)


def _misfit(op: Op, operands: tuple[Node, ...], reason: str) -> ShapeError:
    shown = ", ".join(f"{o.name or o.op.name} ({shape_text(o.shape)})" for o in operands[: op.arity])
    return ShapeError(f"{op.name} of {shown}: {reason}")


def assemble(derived: Derived, pick: Callable[[int | str], Node], shape: Shape | None) -> Node:
    """The node of a derived op; `pick` gives the node of a plain source."""
    def source(s: Source) -> Node:
        return apply(s[0], *[source(x) for x in s[1]]) if isinstance(s, tuple) else pick(s)
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


def exchanged(root: Node, table: Mapping[Node, Node]) -> Node:
    """The node with nodes below it exchanged for others of their shapes. Raises ShapeError for others."""
    made: dict[Node, Node] = {}
    for n in topological([root]):
        operands = [made[o] for o in n.operands]
        moved = any(a is not b for a, b in zip(operands, n.operands, strict=True))
        made[n] = table[n] if n in table else apply(n.op, *operands, shape=n.shape) if moved else n
    return made[root]
