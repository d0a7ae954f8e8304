"""The plain executor: every node of a graph by its own equation, one after the other, each value kept."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.node import NUMBER, SIZE, Node, Variable, topological
from symgrad.core.shape import bind, shape_text, size_number
from symgrad.errors import InputError, MissingValueError, nearest
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import Functions, evaluate_op

__all__ = ["Trace", "bind_values", "check_windows", "execute", "with_windows"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Values by node, and the sizes they gave. A node that was not computed is absent."""

    values: Mapping[Node, Array]
    sizes: Mapping[str, int]
    functions: Functions = field(default_factory=dict)

    def __getitem__(self, node: Node) -> Array:
        return self.values[node]

    def __contains__(self, node: object) -> bool:
        return node in self.values


def bind_values(nodes: Iterable[Node], values: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None) -> tuple[dict[str, Array], dict[str, int]]:
    """(arrays by variable, sizes by name) for the leaves among `nodes`.

    Arrays become float64 unless they all are float32. Raises InputError for a shape or size that does not fit, complex numbers and names
    that are not in the graph, MissingValueError for a variable without a value.
    """
    leaves = {n.name: n for n in nodes if isinstance(n.data, Variable) and n.data.value is None}
    raw = {k: _array(k, v) for k, v in values.items()}
    single = bool(raw) and all(a.dtype == np.float32 for a in raw.values())
    found: dict[str, Array] = {}
    numbers: dict[str, int] = dict(sizes or {})
    said: dict[object, str] = {}                           # which axis gave a size
    for name, node in leaves.items():
        if name not in raw:
            raise MissingValueError(f"no value for {name} ({shape_text(node.shape)}); given: {', '.join(raw) or 'none'}")
        array = raw[name]
        if array.dtype.kind == "c":
            raise InputError(f"{name} is complex; symgrad works on real numbers: pass the real and imaginary parts as two variables")
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} holds {array.dtype} values, not numbers")
        if array.ndim != node.rank:
            raise InputError(f"{name} has shape {shape_text(node.shape)}, so its array needs {node.rank} axes, not {array.ndim} {array.shape}")
        axis = bind(node.shape, array.shape, numbers)
        if axis is not None:
            size = node.shape[axis]
            here = f"axis {axis + 1} of {name} has length {array.shape[axis]}, but {size}"
            other = f", as {said[size]} says" if size in said else ", as declared"
            raise InputError(here + (f" is {numbers[size]}{other}" if isinstance(size, str) else " is declared"))
        for k, size in enumerate(node.shape):
            if isinstance(size, str) and size not in (sizes or {}):
                said.setdefault(size, f"axis {k + 1} of {name}")
        found[name] = array.astype(np.float32 if single else np.float64)
    return found, numbers


def _array(name: str, value: ArrayLike) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"the value of {name} is no array: its rows have different lengths") from None


def check_names(values: Iterable[str], known: Iterable[str]) -> None:
    """Raises InputError for a value whose name is no variable."""
    names = list(known)
    for v in values:
        if v not in names:
            raise InputError(f"there is no variable {v!r}{nearest(v, names)}")


def with_windows(nodes: Iterable[Node]) -> list[Node]:
    """The convolutions and poolings whose number of places only the arrays tell."""
    return [n for n in nodes if n.op.name in ("conv1d", "conv2d", "windows") and not all(isinstance(s, int) for s in n.shape)]


def check_windows(nodes: Iterable[Node], numbers: Mapping[str, int]) -> None:
    """Raises InputError where a window is larger than the array it runs over."""
    for n in nodes:
        if any(_number(s, numbers) < 1 for s in n.shape):
            shapes = " and ".join(shape_text([_number(s, numbers) for s in o.shape]) for o in n.operands)
            raise InputError(f"the window of {n.op.name} is larger than its array (shapes {shapes}): give longer arrays, or more padding")


def execute(outputs: Sequence[Node], values: Mapping[str, ArrayLike], *, sizes: Mapping[str, int] | None = None,
            functions: Functions | None = None, known: Mapping[Node, Array] | None = None) -> Trace:
    """The value of every node that the outputs depend on.

    values: arrays by variable name, shapes as declared. sizes: names that no array gives. known: values already computed.
    """
    order = topological(outputs)
    arrays, numbers = bind_values(order, values, sizes)
    check_windows(with_windows(order), numbers)
    done: dict[Node, Array] = dict(known or {})
    kind = np.float32 if arrays and all(a.dtype == np.float32 for a in arrays.values()) else np.float64
    with np.errstate(all="ignore"):
        for node in order:
            if node in done:
                continue
            if isinstance(node.data, Variable):
                done[node] = arrays[node.name] if node.data.value is None else node.data.value.array.astype(kind, copy=False)
            elif node.op is NUMBER:
                done[node] = np.asarray(float(node.data), dtype=kind)  # type: ignore[arg-type]  # a number node holds a Fraction
            elif node.op is SIZE:
                done[node] = np.asarray(float(_number(node.data, numbers)), dtype=kind)
            else:
                shape = tuple(_number(s, numbers) for s in node.shape)
                done[node] = np.asarray(evaluate_op(node.op, [done[o] for o in node.operands], shape, functions or {}), dtype=kind)
    return Trace(done, numbers, functions or {})


def _number(size: object, numbers: Mapping[str, int]) -> int:
    try:
        return size_number(size, numbers)
    except KeyError as missing:
        raise MissingValueError(f"the size {missing.args[0]} follows from no array; give it in sizes={{{missing.args[0]!r}: ...}}") from None
