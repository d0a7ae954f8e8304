"""Nodes in; a NumPy program out: source text that reads like hand-written code, and the function it compiles to."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from symgrad.core.node import NUMBER, SIZE, Node, Variable, growing, held_value, topological
from symgrad.core.op import Op
from symgrad.core.shape import Shape, Size, shape_text, size_number
from symgrad.errors import MissingValueError
from symgrad.ops.kernels import Array
from symgrad.plan.order import is_leaf, name_nodes, ordered, settled
from symgrad.run.evaluate import Functions, evaluate_op, value_of
from symgrad.run.executor import bind_values, check_names, check_windows, execute, with_windows
from symgrad.run.numpy_code import number_code
from symgrad.run.numpy_functions import IMPORTED
from symgrad.run.numpy_text import lines_of
from symgrad.run.program import Group, groups

__all__ = ["Program", "compile_nodes"]

Shapes = tuple[tuple[int, ...], ...]
Answer = tuple[Array, dict[str, Array]] | dict[str, Array]
WIDTH = 99
SMALL = 64                                                 # entries of a constant that are written out
DOUBLE: np.dtype[np.floating] = np.dtype(np.float64)
RESERVED = frozenset(("f", "np", "math", "abs", "float", "max", *IMPORTED))
_PLACE = re.compile(r"<([^<> ]+)>")
_MATRIX_FUNCTIONS = {
    "inv": "np.linalg.inv({})", "det": "np.linalg.det({})", "logdet": "np.linalg.slogdet({})[1]", "pinv": "np.linalg.pinv({})",
}


@dataclass(frozen=True, slots=True)
class Task:
    """What a program computes: a value or none, results by name (None: identically zero, of the shape in `zeros`)."""

    value: Node | None
    results: Mapping[str, Node | None]
    zeros: Mapping[str, Shape]
    sizes: Mapping[str, int]
    functions: Functions
    leaves: tuple[Node, ...]


class Program:
    """A compiled program: `program(x=array, ...)` gives (value, {name: derivative}), or the derivatives alone where no value was asked for.

    `source` is the text that was compiled. Arrays are as declared: shapes are checked, whole numbers become float64, and if all arrays are
    float32, so are the results. Results share no memory with the arguments.
    """

    def __init__(self, source: str, function: Callable[..., object], leaves: Mapping[Node, str], task: Task) -> None:
        self.source = source
        self._function, self._leaves, self._task = function, tuple(leaves), task
        self._local = {n.name: local for n, local in leaves.items()}
        self._arrays = [n.name for n in leaves if n.rank]
        self._windows = with_windows(topological([n for n in (task.value, *task.results.values()) if n is not None]))
        self._seen: set[Shapes] = set()
        self._quick = _quick_way(function, leaves, self._seen)

    @property
    def arguments(self) -> list[str]:
        """The names of the arrays that the program takes."""
        return list(self._local)

    def __call__(self, /, **arrays: ArrayLike) -> Answer:
        """The values at the arrays, by variable name.

        Raises MissingValueError for a variable without a value, InputError for unknown names, shapes that do not fit and complex numbers.
        """
        dtype = DOUBLE
        try:
            found = self._quick(**arrays)
        except (TypeError, ArithmeticError, ValueError):   # a wrong name, inf or nan: for the careful way below
            found = None
        if found is None:
            given, dtype = self._checked(arrays)
            try:
                found = self._function(**{self._local[k]: v for k, v in given.items()})
            except (ArithmeticError, ValueError):          # math raises where arrays give inf and nan
                found = self._step_by_step(given)
        value, results = found if isinstance(found, tuple) else (None, found)
        for name, a in results.items():
            if a.__class__ is not np.ndarray or a.dtype is not dtype:
                results[name] = np.asarray(a, dtype=dtype)
        return results if value is None else (np.asarray(value, dtype=dtype), results)

    def _checked(self, arrays: Mapping[str, ArrayLike]) -> tuple[dict[str, ArrayLike], np.dtype[np.floating]]:
        check_names(arrays, self._local)
        bound, sizes = bind_values(self._leaves, arrays, self._task.sizes)
        check_windows(self._windows, sizes)
        single = bool(bound) and all(a.dtype == np.float32 for a in bound.values())
        if not single and len(self._seen) < 1000:
            self._seen.add(tuple(bound[n].shape for n in self._arrays))
        given: dict[str, ArrayLike] = {n.name: bound[n.name] if n.rank else float(bound[n.name]) for n in self._leaves}
        return given, np.dtype(np.float32) if single else DOUBLE

    def _step_by_step(self, arrays: Mapping[str, ArrayLike]) -> object:
        task = self._task
        outputs = [n for n in (task.value, *task.results.values()) if n is not None]
        trace = execute([*outputs, *task.leaves], arrays, sizes=task.sizes, functions=task.functions)
        results = {k: trace[n] if n is not None else np.zeros([size_number(s, trace.sizes) for s in task.zeros[k]])
                   for k, n in task.results.items()}
        return results if task.value is None else (trace[task.value], results)


def _quick_way(function: Callable[..., object], leaves: Mapping[Node, str], seen: set[Shapes]) -> Callable[..., object]:
    """quick(**arrays): the function's answer if all are float64 arrays (numbers for rank 0) of shapes in `seen`, else None.

    It runs at every call, so it is written out for these names.
    """
    if any(n.name != local for n, local in leaves.items()):
        return lambda **_: None
    tests = [f"{v}.__class__ is A__ and {v}.dtype is D__" if n.rank else f"{v}.__class__ in F__" for n, v in leaves.items()]
    shapes = "".join(f"{v}.shape, " for n, v in leaves.items() if n.rank)
    call = ", ".join(f"{v}={v}" if n.rank else f"{v}=float({v})" for n, v in leaves.items())
    space: dict[str, object] = {"A__": np.ndarray, "D__": DOUBLE, "F__": (float, np.float64), "seen__": seen, "f__": function}
    fits = " and ".join([*tests, f"({shapes}) in seen__"])
    text = f"def quick({', '.join(leaves.values())}):\n    return f__({call}) if {fits} else None"
    exec(text, space)
    quick = space["quick"]
    assert callable(quick)
    return quick


def compile_nodes(value: Node | None, results: Mapping[str, Node], names: Mapping[Node, str], *, functions: Functions | None = None,
                  sizes: Mapping[str, int] | None = None, zeros: Mapping[str, Shape] | None = None, also: Sequence[Node] = ()) -> Program:
    """The program that computes `value` (None: no value) and the results by name; `zeros` are results that are identically zero.

    also: variables that the program takes although it reads nothing but their sizes.

    names: of nodes, for variables of the source; the result `W1` is called `d_W1` there, others t1, t2, ...
    functions: values of unknown functions, as `function_values` gives them. sizes: of size names that no array gives.
    Raises MissingValueError where a function or a size is missing.
    """
    with growing():
        return _Source(value, dict(results), names, functions or {}, dict(sizes or {}), dict(zeros or {}), also).program()


class _Source:
    def __init__(self, value: Node | None, results: dict[str, Node], names: Mapping[Node, str], functions: Functions, sizes: dict[str, int],
                 zeros: dict[str, Shape], also: Sequence[Node]) -> None:
        self.value, self.results, self.functions, self.sizes, self.zeros = value, results, functions, sizes, zeros
        answers = [settled(n) for n in ([value] if value is not None else []) + list(results.values())]
        self.answers = set(answers)
        order, _ = ordered(answers[:1] if value is not None else [], answers)
        self.leaves = [n for n in dict.fromkeys([*order, *also]) if isinstance(n.data, Variable) and n.data.value is None]
        self.constants = [n for n in order if held_value(n) is not None]
        present = set(order)
        named: dict[Node, str] = {}
        for n, name in names.items():
            if settled(n) in present:
                named.setdefault(settled(n), name)
        self.groups = groups(order, {*named, *self.answers})
        computed = {k: n for k, n in results.items() if not is_leaf(settled(n))}
        self.local = name_nodes([*self.leaves, *self.constants, *(g.node for g in self.groups)], named, computed, RESERVED)
        self.taken = {*self.local.values(), *RESERVED}
        self.given: set[Node] = set()                      # nodes that are returned already
        self.size_names: dict[str, str] = {}
        self.space: dict[str, object] = {"np": np}
        self.imports: dict[str, None] = {}

    # ------------------------------------------------------------------ names
    def fresh(self, wish: str) -> str:
        while wish in self.taken:
            wish += "_"
        self.taken.add(wish)
        return wish

    def size(self, size: Size) -> str:
        """Code of a size; the names in it are read off an array at the top."""
        if isinstance(size, int):
            return str(size)
        if isinstance(size, str):
            if size not in self.size_names:
                self.size_names[size] = self.fresh(size if size.isidentifier() else "size")
            return self.size_names[size]
        swap = {s: sp.Symbol(self.size(s.name)) for s in size.free_symbols}
        return f"({sp.pycode(size.xreplace(swap))})"

    def operand(self, node: Node) -> str:
        """Code of a value read by a line."""
        if node.op is NUMBER:
            assert isinstance(node.data, Fraction)
            return number_code(node.data)
        return self.size(node.data) if node.op is SIZE else self.local[node]

    # ------------------------------------------------------------------ lines
    def group(self, g: Group) -> list[str]:
        name = self.local[g.node]
        if g.body is None:
            lines = [f"{name} = {self.called(g)}"]
        else:
            def fill(match: re.Match[str]) -> str:
                place = match.group(1)
                if place == "=":
                    return name
                if place[0] == "s":
                    return self.size(g.sizes[int(place[1:])])
                if place[0] == "u":
                    return self.temporary(int(place[1:]))
                return self.function(place[1:]) if place[0] == "f" else self.operand(g.operands[int(place)])
            lines = [_PLACE.sub(fill, line) for line in lines_of(g.out, g.body, g.axes, g.node in self.answers)]
        comment = f"# {shape_text(g.shape)}"
        lines[0] = f"{lines[0]:<48}  {comment}" if len(lines) == 1 and len(lines[0]) + len(comment) + 6 < WIDTH and g.shape else lines[0]
        return lines

    def temporary(self, number: int) -> str:
        """u1, u2, ...: used by one value and then again by the next."""
        while (name := f"u{number + 1}") in self.taken:
            number += 1000
        return name

    def called(self, g: Group) -> str:
        """The call of what has no plain equation."""
        arguments = [self.operand(o) for o in g.operands]
        known = _MATRIX_FUNCTIONS.get(g.node.op.name) if g.node.op.body is None else None
        if known:
            return known.format(*arguments)
        op, functions = g.node.op, self.functions
        name = next((k for k, v in self.space.items() if getattr(v, "op", None) is op), None)
        if name is None:
            name = self.fresh("op_" + "".join(c if c.isalnum() else "_" for c in op.name))
            self.space[name] = _Call(op, functions)
        if op.body is not None:                            # by the operands it takes, not by those that its equation reads
            arguments = [self.operand(o) if o in self.local or is_leaf(o) else f"np.broadcast_to(0.0, {self.whole(o.shape)})"
                         for o in map(settled, g.node.operands)]
        return f"{name}({', '.join([*arguments, f'shape={self.whole(g.shape)}'])})"

    def whole(self, shape: Shape) -> str:
        """Code of a shape."""
        return f"({', '.join(map(self.size, shape))}{',' if len(shape) == 1 else ''})"

    def function(self, name: str) -> str:
        """The local name of an unknown function or its derivative: g, dg, d2g, or l_12 for derivatives by arguments 1 and 2."""
        head, _, order = name.partition("@")
        by = order.split(",") if order else []
        single = all(k == "1" for k in by)
        wish = head if not by else f"d{head}" if len(by) == 1 and single else f"d{len(by)}{head}" if single else f"{head}_{''.join(by)}"
        known = next((k for k, v in self.space.items() if getattr(v, "name", None) == name), None)
        if known is None:
            known = self.fresh(wish)
            self.space[known] = _Unknown(name, value_of(name, self.functions))
        return known

    # ------------------------------------------------------------------ the whole
    def program(self) -> Program:
        body = [line for g in self.groups for line in self.group(g)]
        answers = {k: self.answer(n) for k, n in self.results.items()}
        answers |= {k: f"np.zeros({self.whole(shape)})" if shape else "0.0" for k, shape in self.zeros.items()}
        entries = [f'"{k}": {code}' for k, code in answers.items()]
        head = f"{self.answer(self.value)}, " if self.value is not None else ""
        end = f"return {head}{{{', '.join(entries)}}}"
        last = [end] if len(end) < WIDTH - 4 else [f"return {head}{{", *(f"    {e}," for e in entries), "}"]
        lines = [*self.size_lines(), *body, *last]
        text = "\n".join(lines)
        used = [k for k in IMPORTED if re.search(rf"(?<![\w.]){k}\b[(\[]", text)]
        imports = (["import math", ""] if "math." in text else []) + ["import numpy as np"]
        if used:
            imports += ["", f"from symgrad.ops.kernels import {', '.join(used)}"]
        parameters = ", ".join(self.local[n] for n in self.leaves)
        opening = f"def f({f'*, {parameters}' if parameters else ''}):"
        if len(opening) > WIDTH:
            opening = "def f(\n    *,\n" + "".join(f"    {self.local[n]},\n" for n in self.leaves) + "):"
        source = "\n".join([*imports, *self.constant_lines(), "", "", opening, *(f"    {line}" for line in lines)]) + "\n"
        exec(compile(source, "<symgrad program>", "exec"), self.space)
        function = self.space["f"]
        assert callable(function)
        task = Task(self.value, {**self.results, **dict.fromkeys(self.zeros)}, self.zeros, self.sizes, self.functions, tuple(self.leaves))
        return Program(source, function, {n: self.local[n] for n in self.leaves}, task)

    def constant_lines(self) -> list[str]:
        """The arrays that belong to the program: small ones written out, large ones kept with it."""
        lines: list[str] = []
        for n in self.constants:
            value, name = held_value(n), self.local[n]
            assert value is not None
            self.space[name] = value.array if n.rank else float(value.array)
            entries = repr(value.array.tolist()).replace("inf", "np.inf").replace("nan", "np.nan")
            written = f"{name} = np.array({entries})" if n.rank else f"{name} = {entries}"
            kept = f"# {name}: a constant array ({shape_text(n.shape)}), kept with this program"
            lines.append(written if value.array.size <= SMALL else kept)
        return ["", *lines] if lines else []

    def answer(self, node: Node) -> str:
        """Code of a result; an argument is copied, and so is an array that is returned twice."""
        inner = settled(node)
        code, again = self.operand(inner), inner in self.given
        self.given.add(inner)
        return f"{code}.copy()" if inner.rank and (again or isinstance(inner.data, Variable)) else code

    def size_lines(self) -> list[str]:
        """The lines that read the sizes used off the arrays."""
        lines: list[str] = []
        todo = dict(self.size_names)
        for leaf in self.leaves:
            here = [s for s in leaf.shape if isinstance(s, str) and s in todo]
            if here and all(s in here for s in leaf.shape) and len(set(leaf.shape)) == leaf.rank:
                targets = ", ".join(todo.pop(str(s)) for s in leaf.shape)
                lines.append(f"{targets}{',' if leaf.rank == 1 else ''} = {self.local[leaf]}.shape")
            else:
                lines += [f"{todo.pop(s)} = {self.local[leaf]}.shape[{leaf.shape.index(s)}]" for s in dict.fromkeys(here)]
        for name in list(todo):
            if name in self.sizes:
                lines.append(f"{todo.pop(name)} = {self.sizes[name]}")
        if todo:
            missing = next(iter(todo))
            raise MissingValueError(f"the size {missing} follows from no array; give it in sizes={{{missing!r}: ...}}")
        return lines


class _Call:
    """An op as a function of arrays, by the plain evaluator."""

    def __init__(self, op: Op, functions: Functions) -> None:
        self.op, self.functions = op, functions

    def __call__(self, *arrays: ArrayLike, shape: tuple[int, ...]) -> Array:
        given = [a if isinstance(a, np.ndarray) else np.asarray(a, dtype=float) for a in arrays]
        return evaluate_op(self.op, given, shape, self.functions)


class _Unknown:
    """The value of an unknown function, under its name."""

    def __init__(self, name: str, function: Callable[..., Array]) -> None:
        self.name, self.function = name, function

    def __call__(self, *arrays: ArrayLike) -> Array:
        return self.function(*arrays)


