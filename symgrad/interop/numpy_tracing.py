"""A plain NumPy function comes in, is called once on symbolic nodes, and goes out as a graph with its own names."""
from __future__ import annotations

import contextlib
import keyword
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph, check_unique
from symgrad.core.node import Node, Variable, growing, held_value, operators, topological, variable
from symgrad.core.shape import Size
from symgrad.errors import InputError, ShapeError, SymgradError, TraceError
from symgrad.interop import numpy_protocols  # noqa: F401  # gives nodes NumPy's functions
from symgrad.network import build  # noqa: F401  # gives graphs their parser
from symgrad.notation.words import RESERVED
from symgrad.ops.choice import compared
from symgrad.ops.constants import Names, as_node, naming
from symgrad.ops.masks import Mask
from symgrad.ops.settled import settle

__all__ = ["Shaped", "trace"]

Shaped = Sequence[Size] | ArrayLike | Node
"""A shape (a tuple of names and whole numbers), an array or a number whose shape is taken, or a variable made before."""

_HOMES = tuple(str(folder) + os.sep for folder in (Path(__file__).parents[1], Path(np.__file__).parent))


def trace(function: Callable[..., object], /, **inputs: Shaped) -> Graph:
    """The graph of a NumPy function, called once, by keyword, on nodes of the given shapes.

    inputs: by parameter name, a shape such as ("N", 3) with names for sizes that stay open, `()` for a scalar; or an array, whose shape is
    taken. The function returns a node, or a dict whose keys name intermediates too; the output is "loss" if there is one, else the last.
    Otherwise the names of the function's local variables are used. Raises TraceError, naming function, line and remedy, for what cannot be
    traced; InputError for shapes that are none.
    """
    leaves = {name: _leaf(name, shape) for name, shape in inputs.items()}
    returned, local = _called(function, leaves)
    explicit = {str(k): _result(v, function) for k, v in returned.items()} if isinstance(returned, Mapping) else {}
    if isinstance(returned, Mapping) and not explicit:
        raise InputError(f"{_name_of(function)} returns an empty dict: it needs an output")
    output = (explicit["loss"] if "loss" in explicit else list(explicit.values())[-1]) if explicit else _result(returned, function)
    names = {**explicit, **{k: n for k, n in local.items() if k not in explicit and k not in leaves}}
    arrays = {k: v for k, v in inputs.items() if isinstance(v, np.ndarray | list) and k in leaves}
    return replace(_graph(leaves, explicit, names, output), arrays=arrays)


def _graph(leaves: dict[str, Node], explicit: Mapping[str, Node], names: Mapping[str, Node], output: Node) -> Graph:
    for name in explicit:
        if not name.isidentifier():
            raise InputError(f"{name!r} is no name for an intermediate: letters, digits and _")
        if name in leaves and explicit[name] is not leaves[name]:
            raise InputError(f"{name!r} names an input and a result; give the result another key")
    kept = {*explicit.values(), *(n for n in names.values() if not _is_shift(n))}
    new = settle([*names.values(), output], {n for n in kept if n.operands})
    found, last = {k: new[n] for k, n in names.items()}, new[output]
    below = set(topological([*(found[k] for k in explicit), last]))
    shown = {k: n for k, n in found.items() if k in explicit or (n in below and n.operands)}
    constants = [n for n in topological([*shown.values(), last]) if held_value(n) is not None]
    everything = {**{n.name: n for n in (*leaves.values(), *constants)}, **{k: n for k, n in shown.items() if k not in leaves}}
    check_unique([n for n in everything.values() if isinstance(n.data, Variable)])
    used = topological([*shown.values(), last])
    return Graph(_in_order(everything, leaves, used), last, sizes={})


def _in_order(names: Mapping[str, Node], leaves: Mapping[str, Node], order: Sequence[Node]) -> dict[str, Node]:
    """Inputs as given, then the rest in the order in which it is computed."""
    place = {n: k for k, n in enumerate(order)}
    first = {n.name: n for n in leaves.values()}
    return {**first, **dict(sorted(((k, n) for k, n in names.items() if k not in first), key=lambda item: place.get(item[1], -1)))}


def _is_shift(node: Node) -> bool:
    """Whether a local variable is part of a stable softmax: z - max(z), or the exponential of it. Such names give way to the softmax."""
    while node.op.name in ("exp", "sum", "broadcast"):
        node = node.operands[0]
    return node.op.name in ("max", "subtract") and any(_is_maximum(o) for o in (node, *node.operands))


def _is_maximum(node: Node) -> bool:
    while node.op.name in ("broadcast", "sum"):
        node = node.operands[0]
    return node.op.name == "max"


# ---------------------------------------------------------------------- in and out
def _leaf(name: str, given: Shaped) -> Node:
    if name in keyword.kwlist:
        raise InputError(f"{name!r} is a word of Python and no name")
    if isinstance(given, Node):
        if not isinstance(given.data, Variable) or given.data.value is not None:
            raise InputError(f"{name} is given as a node that is no variable: give a shape, an array, sg.data(...) or sg.param(...)")
        return given
    if isinstance(given, str):
        given = (given,)
    shape = tuple(given) if isinstance(given, tuple) else _shape_of(name, given)
    for size in shape:
        bad = isinstance(size, bool) or (not (isinstance(size, str) and size.isidentifier()) and not (isinstance(size, int | np.integer) and size > 0))
        if bad:
            raise InputError(f"{size!r} is no size of {name}: a size is a name or a whole number from 1; a shape is a tuple such as (\"N\", 3)")
    return variable(name, [size if isinstance(size, str) else int(cast(int, size)) for size in shape])


def _shape_of(name: str, given: object) -> tuple[int, ...]:
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} is given as {given!r}: a shape is a tuple such as (\"N\", 3), or an array of real numbers has one")
    return array.shape


def _result(value: object, function: Callable[..., object]) -> Node:
    if value is None or isinstance(value, str | bytes):
        raise InputError(f"{_name_of(function)} returns {value!r}: it needs to return a node, or a dict of nodes by name")
    try:
        return as_node(value)
    except InputError as e:
        raise InputError(f"{_name_of(function)} returns {type(value).__name__}: it needs to return a node, or a dict of nodes by name ({e})") from e


def _name_of(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


# ---------------------------------------------------------------------- the call
def _called(function: Callable[..., object], leaves: Mapping[str, Node]) -> tuple[object, dict[str, Node]]:
    """(what the function returns, its local variables that are nodes)."""
    local: dict[str, object] = {}
    known = Names(_arrays_of(function), {*leaves, *(s for n in leaves.values() for s in n.shape if isinstance(s, str))})
    try:
        with growing(), naming(known), _comparing(), _watching(_code_of(function), local):
            returned = function(**leaves)
    except SymgradError as e:
        raise _located(e, e.__traceback__, str(e)) from e
    except (TypeError, AttributeError, ValueError, IndexError) as e:
        inner = e.__cause__ or e.__context__                   # NumPy says in its own words what a node has refused
        raise _located(e, e.__traceback__, str(inner) if isinstance(inner, SymgradError) else f"{type(e).__name__}: {e}") from e
    except RecursionError as e:
        raise _located(e, e.__traceback__, "the function calls itself without end") from e
    return returned, {k: n for k, n in ((k, _traced(v)) for k, v in local.items()) if n is not None and k.isidentifier() and k not in RESERVED
                      and k not in known.taken}


def _traced(value: object) -> Node | None:
    return value if isinstance(value, Node) else value.node if isinstance(value, Mask) else None


def _code_of(function: Callable[..., object]) -> CodeType | None:
    while True:
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None) or getattr(function, "__func__", None)
        if inner is None:
            break
        function = inner
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _arrays_of(function: Callable[..., object]) -> dict[int, str]:
    """The arrays that the function holds, by identity: what they are called in its closure and module."""
    found: dict[int, str] = {}
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None) or ()
    inside = dict(zip(code.co_freevars, cells, strict=False)) if code is not None else {}
    held = {k: getattr(function, "__globals__", {}).get(k) for k in (code.co_names if code is not None else ())}
    for name, cell in inside.items():
        with contextlib.suppress(ValueError):                  # a cell that is empty as yet
            held[name] = cell.cell_contents
    for name, value in held.items():
        if isinstance(value, np.ndarray) and name not in RESERVED:
            found.setdefault(id(value), name)
    return found


@contextlib.contextmanager
def _watching(code: CodeType | None, local: dict[str, object]) -> Iterator[None]:
    """Enter the local variables of the first frame of `code` into `local` when it returns; nothing while another profiler watches."""
    if code is None or sys.getprofile() is not None:
        yield
        return
    depth: list[FrameType] = []
    def profile(frame: FrameType, event: str, _: object) -> None:
        if frame.f_code is code:
            if event == "call":
                depth.append(frame)
            elif event == "return" and depth:
                if len(depth) == 1:
                    local.update(frame.f_locals)
                depth.pop()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextlib.contextmanager
def _comparing() -> Iterator[None]:
    """While it lasts, == and != of nodes in the user's code are comparisons entry by entry, as in NumPy."""
    def compare(name: str, a: Node, b: object) -> object:
        module = str(sys._getframe(3).f_globals.get("__name__", ""))
        if module.split(".")[0] in ("symgrad", "weakref", "functools", "collections"):
            return NotImplemented
        if isinstance(b, Node | Mask | int | float | np.ndarray | np.generic):
            return compared(name, a, b)
        return NotImplemented
    operators["__eq__"] = lambda a, b: compare("equal", a, b)
    operators["__ne__"] = lambda a, b: compare("not_equal", a, b)
    try:
        yield
    finally:
        for name in ("__eq__", "__ne__"):
            operators.pop(name, None)


def _located(error: BaseException, traceback: TracebackType | None, message: str) -> SymgradError:
    """The error with the user's line, which is the innermost one outside of symgrad and NumPy."""
    function, file, line = "", "", 0
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith((*_HOMES, "<__array")):
            function, file, line = traceback.tb_frame.f_code.co_name, name, traceback.tb_lineno
        traceback = traceback.tb_next
    source = linecache.getline(file, line).strip()
    found = TraceError(message, function=function, file=file, line=line, source=source)
    return found if not isinstance(error, ShapeError) else ShapeError(str(found))
