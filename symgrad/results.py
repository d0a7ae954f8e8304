"""What the public verbs return: derivations and derivatives with their views, values, code and checks."""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

import symgrad.network  # noqa: F401  # gives Graph.parse its parser
from symgrad.core.display import Shown
from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import Shape, shape_text, size_names, size_number
from symgrad.derive.examples import squares
from symgrad.derive.reverse import Reverse, Step
from symgrad.derive.targets import Layout
from symgrad.errors import InputError, UnsupportedError
from symgrad.ops.kernels import Array
from symgrad.run.executor import Trace, bind_values, check_names, execute
from symgrad.run.functions import ByOrder, Given, One, function_values, split_functions, stand_in
from symgrad.run.gate import gated
from symgrad.run.numpy_backend import Program, compile_nodes
from symgrad.run.verify import Claim, Report, unknown_functions, verify
from symgrad.views.compose import NoMatrixForm
from symgrad.views.view import View, Viewer

__all__ = ["Compiled", "Derivation", "Derivative", "compile_derivative", "source_of", "with_functions"]



@dataclass(frozen=True, eq=False)
class Derivative:
    """The derivative of one value by one variable: a node of ordinary ops, and every way of looking at it.

    `node` is None where the derivative is identically zero. `axes` tells how many axes of the node are the output's.
    """

    graph: Graph
    name: str
    of: str
    output: Node
    variable: Node
    node: Node | None
    kind: str = "gradient"
    layout: Layout = None
    axes: int = 0
    reason: str = ""
    sweep: Reverse | None = field(default=None, repr=False)
    base: tuple[Node, Node] | None = None                  # of a Hessian: the value, and the variable of the first derivative
    structure: str = ""                                    # the derivative is within it: "symmetric", "diagonal", "lower", "upper"
    again: Callable[[Graph], Derivative] | None = field(default=None, repr=False)   # the same derivative of the same graph at other lengths
    along: tuple[Node, ...] = ()                           # x_dot or h_bar: what values may be given for, read or not

    # ------------------------------------------------------------------ views
    @property
    def shape(self) -> Shape:
        """The shape of the index and matrix forms and of the values."""
        lead, rest = self.output_shape, self.variable_shape
        if self.layout == "denominator":
            return rest + lead
        return ((1,) if self.layout == "numerator" and not lead and self.kind == "gradient" else ()) + lead + rest

    @property
    def output_shape(self) -> Shape:
        """The axes of the output that the derivative carries (none for a gradient)."""
        return self.output.shape if self.axes else ()

    @property
    def variable_shape(self) -> Shape:
        """The axes of what is differentiated by; for products with a vector, of the result."""
        return () if self.kind == "squared_norms" else self.variable.shape

    @functools.cached_property
    def viewer(self) -> Viewer:
        """The printer of this derivative."""
        found = self.sweep.cotangents if self.sweep is not None and self.kind == "gradient" and not self.structure else None
        return Viewer(self.graph, self.output, self.variable, self.node, self.shape, self.axes, self.layout, self.kind, found)

    @functools.cached_property
    def matrix(self) -> View:
        """The closed matrix form; the index form, saying so, where there is none. Checked before it is handed out (`sg.ungated`)."""
        return self._formed(self.viewer.matrix)

    @functools.cached_property
    def index(self) -> View:
        """The component form `D[...] = ...`, checked likewise."""
        return self._formed(self.viewer.index)

    def _formed(self, form: Callable[[], View]) -> View:
        """The view, checked against its node. Raises UnsupportedError where the notation has no words for it."""
        try:
            view = form()
            gated(view.form, self.viewer.node, self.graph)
        except (NoMatrixForm, RecursionError) as reason:
            why = str(reason) if isinstance(reason, NoMatrixForm) else "it is nested too deeply"
            raise UnsupportedError(f"the derivative of {self.of} by {self.name} has no form in the notation: {why}; evaluate() and code() have it") from None
        if self.graph.rebuild is not None and self.again is not None:           # what is said of T steps holds for another T too
            other = self.again(self.graph.rebuild({k: v + 2 for k, v in self.graph.lengths.items()}))
            gated(view.form, other.viewer.node, other.graph)
        return view

    @functools.cached_property
    def chain(self) -> View:
        """The chain rule as a product of `jac(a, b)`: axes of the output (a leading 1 for a scalar), then axes of the variable."""
        return self._of_all_entries(self.viewer.chain())

    @functools.cached_property
    def jacobian(self) -> View:
        """The chain with each factor in closed form."""
        return self._of_all_entries(self.viewer.factors())

    @functools.cached_property
    def paths(self) -> View:
        """The chain with every factor across a skip connection as I + J. Raises UnsupportedError where there is none."""
        return self._of_all_entries(self.viewer.paths())

    def _of_all_entries(self, view: View) -> View:
        """A chain is by all entries; where the result is within a structure, it says so."""
        if not self.structure:
            return view
        note = f"by all entries of {self.name} as if they were free; the result is then taken within the {self.structure} structure"
        return replace(view, form=replace(view.form, note="; ".join(x for x in (view.form.note, note) if x)))

    @functools.cached_property
    def squared_norms(self) -> Derivative:
        """The sum of the squares of this derivative over the axes of the variable, of the output's shape: one norm for each example."""
        node = None if self.node is None else squares(self.node, self.axes, frozenset(topological([self.output])))
        again = None if self.again is None else functools.partial(lambda found, other: found(other).squared_norms, self.again)
        return replace(self, node=node, kind="squared_norms", layout=None, structure="", again=again)

    def code(self, backend: str = "numpy") -> str:
        """The source of a program that computes this derivative."""
        return source_of(self, backend)

    def __str__(self) -> str:
        return str(self.matrix)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.matrix.latex()}$"

    # ------------------------------------------------------------------ numbers
    def evaluate(self, values: Mapping[str, ArrayLike], *, functions: Given = None, sizes: Mapping[str, int] | None = None,
                 **directions: ArrayLike) -> Array:
        """The derivative at the given values, as an array of `shape` (float64 unless all arrays are float32).

        values: arrays by variable name. directions: `x_dot=` or `h_bar=` for products with a vector. functions: unknown functions by
        name, as a symgrad function name or (f, df, ...). Raises InputError, MissingValueError.
        """
        everything, functions = with_functions({**values, **directions}, functions)
        there = self._at(everything, sizes)
        if there is not self:
            return there.evaluate(everything, functions=functions, sizes=sizes)
        nodes = [self.output, self.variable if self.node is None else self.node]
        leaves = {n.name: n for n in topological([*self.graph.variables().values(), *self.along, *nodes]) if isinstance(n.data, Variable)}
        check_names(everything, leaves)
        given = [n for name, n in leaves.items() if name in everything]
        numbers = bind_values(given, everything, {**self.graph.numbers, **(sizes or {})})[1]
        trace = execute(nodes if self.node is None else [self.node], everything, sizes=numbers, functions=function_values(functions))
        if self.node is None:
            return zeros(self.shape, trace)
        return self.arranged(trace[self.node])

    def _at(self, values: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None) -> Derivative:
        """This derivative with recurrences written out for the lengths of the arrays."""
        graph = self.graph.at(values, sizes)
        return self if graph is self.graph or self.again is None else self.again(graph)

    def arranged(self, array: Array) -> Array:
        """An array of output axes + variable axes in this derivative's layout."""
        if self.layout == "denominator":
            lead = len(self.output_shape)
            return np.moveaxis(array, range(lead), range(array.ndim - lead, array.ndim))
        return array[np.newaxis] if self.layout == "numerator" and not self.output_shape and self.kind == "gradient" else array

    def verify(self, values: Mapping[str, ArrayLike] | None = None, seed: int = 0, functions: Given = None) -> Report:
        """This derivative against an independent numeric derivative; at seeded random values and unequal sizes where none are given."""
        values, functions = with_functions(values, functions) if values is not None else (None, functions)
        there = self._at(values or {})
        if there is not self:
            return there.verify(values, seed, functions)
        claim = Claim(self.output, self.variable, self.node, self.base, self.structure, self.kind == "squared_norms")
        return verify({self.name: claim}, self.graph, values, seed, function_values(functions))


@dataclass(frozen=True, eq=False)
class Derivation(Shown):
    """The gradients (or Jacobians) of one output: the forward graph, the backward graph, and the steps between them."""

    graph: Graph
    output: Node
    of: str
    derivatives: Mapping[str, Derivative]
    sweep: Reverse
    again: Callable[[Graph], Derivation] = field(repr=False)

    def __getitem__(self, name: str | Node) -> Derivative:
        key = name if isinstance(name, str) else self.graph.name_of(name) or name.name
        if key not in self.derivatives:
            raise InputError(f"nothing was differentiated by {key!r}; there are {', '.join(self.derivatives)}")
        return self.derivatives[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.derivatives)

    def keys(self) -> list[str]:
        """The names that the output was differentiated by."""
        return list(self.derivatives)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The backward steps in order: which node sent what to which operand, by which rule."""
        return self.sweep.steps

    @property
    def forward(self) -> Graph:
        """The graph that was differentiated."""
        return self.graph

    @functools.cached_property
    def backward(self) -> Graph:
        """The backward pass as a graph: cotangents of named values as `d_name`, gradients last."""
        names: dict[str, Node] = {n.name: n for n in topological(self.sweep.cotangents.values()) if isinstance(n.data, Variable)}
        for node, cotangent in self.sweep.cotangents.items():
            name = self.graph.name_of(node)
            if name and not isinstance(cotangent.data, Variable):
                names[f"d_{name}"] = cotangent
        last = next((d.node for d in reversed(list(self.derivatives.values())) if d.node is not None), self.output)
        return replace(self.graph, names=names, output=last, text="")

    def at(self, values: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None) -> Derivation:
        """This derivation with recurrences written out for the lengths of the arrays."""
        graph = self.graph.at(values, sizes)
        return self if graph is self.graph else self.again(graph)

    def evaluate(self, values: Mapping[str, ArrayLike], *, functions: Given = None,
                 sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
        """Every derivative by name; see `Derivative.evaluate`."""
        values, functions = with_functions(values, functions)
        there = self.at(values, sizes)
        if there is not self:
            return there.evaluate(values, functions=functions, sizes=sizes)
        check_names(values, self.graph.variables())
        nodes = [d.variable if d.node is None else d.node for d in self.derivatives.values()]   # a zero has the sizes of its variable
        trace = execute([self.output, *nodes], values, sizes={**self.graph.numbers, **(sizes or {})}, functions=function_values(functions))
        return {k: d.arranged(trace[d.node]) if d.node is not None else zeros(d.shape, trace) for k, d in self.derivatives.items()}

    def verify(self, values: Mapping[str, ArrayLike] | None = None, seed: int = 0, functions: Given = None) -> Report:
        """Every derivative against an independent numeric derivative of the forward program."""
        values, functions = with_functions(values, functions) if values is not None else (None, functions)
        there = self.at(values or {})
        if there is not self:
            return there.verify(values, seed, functions)
        claims = {k: Claim(d.output, d.variable, d.node, d.base, d.structure) for k, d in self.derivatives.items()}
        return verify(claims, self.graph, values, seed, function_values(functions))

    def __str__(self) -> str:
        return "\n".join(f"d {self.of} / d {k} ({shape_text(d.shape)}) = {d.matrix}" for k, d in self.derivatives.items())


@dataclass(frozen=True, eq=False)
class Compiled:
    """A program: `f(**arrays)` is (value, {name: derivative}) for a derivation, the array for a derivative. `f.source` is its text."""

    program: Program
    derivatives: Mapping[str, Derivative]
    single: bool
    unread: frozenset[str] = frozenset()                   # variables of the graph that the program has no use for
    at: Callable[[Mapping[str, ArrayLike]], Compiled | None] = lambda _: None   # the program for arrays of other lengths

    @property
    def source(self) -> str:
        """Readable code: what was compiled."""
        return self.program.source

    def __call__(self, /, **arrays: ArrayLike) -> Array | tuple[Array, dict[str, Array]]:
        """Raises InputError, MissingValueError as `Derivative.evaluate` does."""
        there = self.at(arrays)
        if there is not None:
            return there(**arrays)
        answer = self.program(**({k: a for k, a in arrays.items() if k not in self.unread} if self.unread else arrays))
        value, found = answer if isinstance(answer, tuple) else (None, answer)
        arranged = {k: self.derivatives[k].arranged(a) for k, a in found.items()}
        if self.single:
            return next(iter(arranged.values()))
        assert value is not None
        return value, arranged


def compile_derivative(what: Derivation | Derivative, backend: str = "numpy", functions: Given = None) -> Compiled:
    """The program of a derivation (value and every derivative) or of one derivative. Raises InputError for a backend that is not known."""
    if backend != "numpy":
        raise InputError(f"the backend is 'numpy', not {backend!r}")
    graph = what.graph
    named = [*graph.names.items(), *(what.backward.names.items() if isinstance(what, Derivation) else ())]
    names = {n: s for s, n in reversed(named)}
    derivatives = dict(what.derivatives) if isinstance(what, Derivation) else {what.name: what}
    zero = {k: d for k, d in derivatives.items() if d.node is None}
    program = compile_nodes(what.output if isinstance(what, Derivation) else None, {k: d.node for k, d in derivatives.items() if d.node is not None},
                            names, functions=function_values(functions), sizes=graph.numbers,
                            zeros={k: d.output_shape + d.variable_shape for k, d in zero.items()},
                            also=carriers(derivatives.values()))

    @functools.cache
    def program_of(there: Derivation | Derivative) -> Compiled:
        return compile_derivative(there, backend, functions)

    def at(arrays: Mapping[str, ArrayLike]) -> Compiled | None:
        other = graph.at(arrays)
        return None if other is graph or what.again is None else program_of(what.again(other))

    known = {*graph.variables(), *(n.name for d in derivatives.values() for n in d.along)}
    return Compiled(program, derivatives, not isinstance(what, Derivation), frozenset(known) - {*program.arguments}, at)


def carriers(derivatives: Iterable[Derivative]) -> list[Node]:
    """The variables whose arrays tell sizes that no array tells which the derivatives read: D of 2*x is 2*eye(n), where x tells n."""
    found = [d.node for d in derivatives if d.node is not None]
    shapes = [*(n.shape for n in topological(found)), *(d.output_shape + d.variable_shape for d in derivatives if d.node is None)]
    told = {s for n in topological(found) if isinstance(n.data, Variable) for s in n.shape}
    missing = {name for shape in shapes for size in shape for name in size_names(size)} - told
    below = topological([n for d in derivatives for n in (d.variable, d.output)])
    return [n for n in below if isinstance(n.data, Variable) and missing & {*n.shape}]


def source_of(what: Derivation | Derivative, backend: str = "numpy", functions: Given = None) -> str:
    """The source of the program; unknown functions without a value stay parameters of it."""
    nodes = [what.node] if isinstance(what, Derivative) else [what.output, *(d.node for d in what.derivatives.values())]
    missing = unknown_functions(topological([n for n in nodes if n is not None]))
    return compile_derivative(what, backend, {**{name: ByOrder(stand_in(0)) for name in missing}, **(functions or {})}).source


def zeros(shape: Shape, trace: Trace) -> Array:
    """Zeros of a shape at the sizes and in the precision of a run."""
    single = bool(trace.values) and all(a.dtype == np.float32 for a in trace.values.values())
    return np.zeros([size_number(n, trace.sizes) for n in shape], dtype=np.float32 if single else np.float64)


# ---------------------------------------------------------------------- names
def with_functions(values: Mapping[str, object], functions: Given) -> tuple[dict[str, ArrayLike], dict[str, One]]:
    """(arrays, functions): functions may be given among the values, by name."""
    arrays, among = split_functions(values)
    return arrays, {**among, **(functions or {})}
