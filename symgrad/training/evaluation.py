"""A network as it is trained comes in; the network as it is used goes out: stored statistics in batch norms, and programs that run both."""
from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from symgrad.core import equation as eq
from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, apply, variable
from symgrad.core.shape import Size, size_number
from symgrad.errors import InputError
from symgrad.ops.arithmetic import add, map_function, product, subtract
from symgrad.ops.kernels import Array
from symgrad.ops.reduction import reduce
from symgrad.results import Derivation, carriers
from symgrad.run.evaluate import Functions
from symgrad.run.numpy_backend import Program, compile_nodes

__all__ = ["BatchNorm", "Stepper", "Valuer", "batch_norms", "used"]


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """A normalisation over the examples. centred, root: the nodes x - mean and sqrt(var + eps) that stored statistics change.

    kept: the axes of what is centred that the statistics have. over: the sizes of the others. mean, var: those of the batch.
    """

    name: str
    centred: Node
    root: Node
    eps: Node
    kept: tuple[int, ...]
    over: tuple[Size, ...]
    mean: Node
    var: Node

    @property
    def leaves(self) -> tuple[Node, Node]:
        """The data of stored mean and variance, called as `mode="eval"` calls them."""
        return variable(f"{self.name}_mean", self.mean.shape), variable(f"{self.name}_var", self.mean.shape, facts=["positive"])

    def unbiased(self, sizes: Mapping[str, int]) -> float:
        """count/(count - 1): from the variance of a batch to what PyTorch keeps."""
        count = 1
        for s in self.over:
            count *= size_number(s, sizes)
        return count / max(1, count - 1)


def batch_norms(graph: Graph, examples: Size | None, names: Mapping[str, str | Node] | None = None) -> list[BatchNorm]:
    """Every normalisation of the graph over its examples, first ones first.

    names: {"bn1": "h1"}, the value that enters each by the name its statistics get; without it they are called after their gamma, bn of
    bn_gamma, else after the value that enters, else bn1, bn2, ... Raises InputError for a value that enters none.
    """
    asked = {graph.resolve(value): name for name, value in (names or {}).items()}
    readers: dict[Node, list[Node]] = {}
    for n in graph.nodes():
        for o in dict.fromkeys(n.operands):
            readers.setdefault(o, []).append(n)
    found: dict[str, BatchNorm] = {}
    for centred in graph.nodes():
        if centred.op.name != "standardise.d" or examples is None:
            continue
        (h,) = dict.fromkeys(centred.operands)
        total = next(e for e in eq.walk(centred.op.scoped) if e[0] == "S")
        index = eq.references(total)[0][2]
        over = [k for k, i in enumerate(index) if i in total[1]]
        if examples not in [h.shape[k] for k in over]:
            continue
        root = next(n for n in readers[centred] if n.op.name == "standardise.s")
        entering = h.operands[0] if h.op.name == "transpose" else h
        name = asked.pop(entering, None) or asked.pop(h, None) or _after_gamma(centred, readers) or graph.name_of(entering) or f"bn{len(found) + 1}"
        while name in found:
            name += "_again"
        letters = [f"x{k}" for k in range(h.rank)]
        squares = product([(centred, letters), (centred, letters)], letters)
        found[name] = BatchNorm(name, centred, root, next(o for o in root.operands if o is not centred), tuple(k for k in range(h.rank) if k not in over),
                                tuple(h.shape[k] for k in over), reduce("mean", h, over), reduce("mean", squares, over))
    if asked:
        raise InputError(f"statistics: {graph.name_of(next(iter(asked))) or 'this value'} enters no batch norm of this network")
    return list(found.values())


def _after_gamma(centred: Node, readers: Mapping[Node, list[Node]]) -> str:
    """bn of bn_gamma, where the standardised value is multiplied by such a parameter."""
    waiting = [n for n in readers[centred] if n.op.name == "standardise"]
    for _ in range(2):                                     # as it is, or with its axes in their old order
        for n in (r for w in waiting for r in readers.get(w, ())):
            for o in n.operands:
                if isinstance(o.data, Variable) and o.name.endswith("_gamma"):
                    return o.name.removesuffix("_gamma")
        waiting = [r for w in waiting for r in readers.get(w, ()) if r.op.name == "transpose"]
    return ""


def used(graph: Graph, norms: list[BatchNorm]) -> Graph:
    """The graph with stored statistics in place of those of the batch."""
    if not norms:
        return graph
    centred, roots = {n.centred: n for n in norms}, {n.root: n for n in norms}
    made: dict[Node, Node] = {}
    for n in graph.nodes():
        if n in centred:
            norm, h = centred[n], made[n.operands[0]]
            letters = [f"x{k}" for k in range(h.rank)]
            made[n] = subtract((h, letters), (norm.leaves[0], [letters[k] for k in norm.kept]), letters)
        elif n in roots:
            var = roots[n].leaves[1]
            letters = [f"x{k}" for k in range(var.rank)]
            made[n] = map_function("sqrt", add([(var, letters), (roots[n].eps, "")], letters))
        else:
            operands = [made[o] for o in n.operands]
            same = all(a is b for a, b in zip(operands, n.operands, strict=True))
            made[n] = n if same else apply(n.op, *operands, shape=n.shape)
    stored = {leaf.name: leaf for norm in norms for leaf in norm.leaves}
    return replace(graph, names={**stored, **{k: made[n] for k, n in graph.names.items()}}, output=made[graph.output], text="", sources={}, rebuild=None)


class Valuer:
    """Named values of a graph at arrays, by compiled programs, one for each set of values asked for and each length of its recurrences."""

    def __init__(self, graph: Graph, functions: Functions) -> None:
        self.graph, self.functions = graph, functions
        self._program = functools.cache(self._compiled)

    def __call__(self, wanted: tuple[str, ...], arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Raises MissingValueError for a variable without a value that one of them depends on; arrays that none reads are left aside."""
        direct = {n: arrays[n] for n in wanted if n in arrays}
        rest = tuple(n for n in wanted if n not in direct)
        if not rest:
            return direct
        program = self._program(self.graph.at(arrays), rest)
        with np.errstate(all="ignore"):                    # a loss that is no number is told by whoever asked for it
            found = program(**{k: v for k, v in arrays.items() if k in program.arguments})
        assert isinstance(found, dict)
        return {n: direct[n] if n in direct else found[n] for n in wanted}

    def _compiled(self, graph: Graph, wanted: tuple[str, ...]) -> Program:
        nodes = {n: graph[n] for n in wanted}
        return compile_nodes(None, nodes, {n: k for k, n in reversed(list(graph.names.items()))}, functions=self.functions, sizes=graph.numbers)


class Stepper:
    """The loss, the gradients and the statistics of batch norms at arrays, in one program for each length of the network's recurrences."""

    def __init__(self, d: Derivation, functions: Functions, examples: Size | None, names: Mapping[str, str | Node] | None) -> None:
        self.d, self.functions, self.examples, self.names = d, functions, examples, names
        self._program = functools.cache(self._compiled)

    def __call__(self, arrays: Mapping[str, Array]) -> tuple[float, dict[str, Array], dict[str, Array]]:
        """(loss, gradients by name, {"bn_mean": array, "bn_var": array} of this batch)"""
        program = self._program(self.d.at(arrays))
        answer = program(**{k: v for k, v in arrays.items() if k in program.arguments})
        assert isinstance(answer, tuple)
        value, found = answer
        return float(value), {k: found[k] for k in self.d.derivatives}, {k: v for k, v in found.items() if k not in self.d.derivatives}

    def _compiled(self, d: Derivation) -> Program:
        norms = batch_norms(d.graph, self.examples, self.names)
        extra = {leaf.name: node for n in norms for leaf, node in zip(n.leaves, (n.mean, n.var), strict=True)}
        named = {n: s for s, n in reversed([*d.graph.names.items(), *d.backward.names.items()])}
        derivatives = dict(d.derivatives)
        return compile_nodes(d.output, {**{k: x.node for k, x in derivatives.items() if x.node is not None}, **extra}, named, functions=self.functions,
                             sizes=d.graph.numbers, zeros={k: x.variable_shape for k, x in derivatives.items() if x.node is None},
                             also=carriers(derivatives.values()))
