"""The verbs that derive: a graph and what to differentiate by come in, derivations and derivatives go out."""
from __future__ import annotations

import functools
from dataclasses import replace

from symgrad.core.graph import Graph, as_graph, check_unique
from symgrad.core.node import Node, topological
from symgrad.derive.examples import Examples, example_axes, terms
from symgrad.derive.forward import forward
from symgrad.derive.reverse import reverse
from symgrad.derive.structure import structure_of, within_structure
from symgrad.derive.targets import Layout, Wrt, checked, name_of, only_one, reason_for_zero, symbol, wanted
from symgrad.errors import InputError
from symgrad.results import Derivation, Derivative

__all__ = ["differentiate", "elsewhere", "hessian", "hvp", "jacobian", "jvp", "per_example", "vjp"]


def differentiate(net: Graph | Node, wrt: Wrt = None, of: str | Node | None = None, layout: Layout = None, *, structured: bool = True) -> Derivation:
    """The derivative of one value by one or many: gradients of a scalar, Jacobians of anything else.

    wrt: names or nodes; None: every parameter (every variable where no parameter is declared). of: None is the output.
    layout: None | "numerator" | "denominator" transposes what is shown. structured: the derivative by a matrix declared symmetric, diagonal,
    lower or upper is within that structure (symmetric: G + G' - diag(diag(G)), each pair of entries being one free entry; see
    `derive.structure`); False: by all entries as if they were free. Raises InputError for unknown names.
    """
    graph = as_graph(net)
    output = graph.output if of is None else graph.resolve(of)
    check_unique(topological([output]))
    targets = wanted(graph, wrt)
    sweep = reverse(output, list(targets.values()))
    shown = name_of(graph, output, of)
    kind = "jacobian" if output.rank else "gradient"
    found = {}

    @functools.cache
    def again(other: Graph) -> Derivation:
        return differentiate(other, list(targets), elsewhere(graph, output, of), layout, structured=structured)
    for name, node in targets.items():
        result, structure = sweep.results[node], structure_of(node) if structured else ""
        result = within_structure(result, node) if result is not None and structure else result
        found[name] = Derivative(graph, name, shown, output, node, result, kind, checked(layout), output.rank,
                                 "" if result is not None else reason_for_zero(output, node), sweep, structure=structure,
                                 again=functools.partial(lambda name, other: again(other)[name], name))
    return Derivation(graph, output, shown, found, sweep, again)


def per_example(net: Graph | Node, wrt: Wrt = None, of: str | Node | None = None, examples: Examples = None) -> Derivation:
    """The gradients of the terms of a loss that is a sum or mean over examples: d["W"] is (N, *W's shape), d["W"].squared_norms is (N,).

    A factor in front of the sum, 1/N of a mean, stays in every term, so that the sum over the examples is the gradient. The value of the
    derivation is the terms, (N,). examples: the index of the notation, the name of a size, or {variable: axis}; None: the first index that
    a data variable carries. Raises InputError; UnsupportedError for a network that mixes examples, as batch norm does.
    """
    graph = as_graph(net)
    loss, targets = graph.output if of is None else graph.resolve(of), wanted(graph, wrt)
    d = differentiate(graph, list(targets), terms(graph, loss, targets.values(), example_axes(graph, examples)))

    @functools.cache
    def again(other: Graph) -> Derivation:
        return per_example(other, list(targets), elsewhere(graph, loss, of), examples)
    found = {k: replace(v, again=functools.partial(lambda name, other: again(other)[name], k)) for k, v in d.derivatives.items()}
    return replace(d, derivatives=found, again=again)


def jacobian(net: Graph | Node, of: str | Node | None = None, wrt: str | Node | None = None, layout: Layout = None) -> Derivative:
    """The Jacobian of one value by one: axes of the output, then axes of the variable; a scalar output gives the variable's shape."""
    d = differentiate(net, wrt=None if wrt is None else [wrt], of=of, layout=layout)
    return one(d, wrt)


def hessian(net: Graph | Node, wrt: str | Node | tuple[str | Node, str | Node] | None = None, of: str | Node | None = None,
            layout: Layout = None) -> Derivative:
    """The second derivative of a scalar: axes of the variable twice; wrt=("W1", "v") is the mixed block, axes of W1 then of v.

    The Hessian of a value with axes has the output's axes in front.
    """
    graph = as_graph(net)
    if wrt is None:
        wrt = next(iter(only_one(wanted(graph, None))))
    pair = tuple(wrt) if isinstance(wrt, tuple | list) else (wrt, wrt)
    if len(pair) != 2:
        raise InputError("the Hessian is by one variable, or by a pair of them")
    first = one(differentiate(graph, wrt=[pair[0]], of=of), pair[0])
    (second,) = wanted(graph, pair[1]).items()
    node = first.node
    result = reverse(node, [second[1]]).results[second[1]] if node is not None else None
    gradient = node if node is not None else first.variable
    return Derivative(graph, second[0], f"d{first.of}/d{first.name}", gradient, second[1], result, "hessian", checked(layout),
                      gradient.rank, "" if result is not None else "the gradient does not depend on it", base=(first.output, first.variable),
                      again=functools.cache(lambda other: hessian(other, (first.name, second[0]), elsewhere(graph, first.output, of), layout)))


def jvp(net: Graph | Node, wrt: Wrt = None, of: str | Node | None = None) -> Derivative:
    """The Jacobian-vector product along directions `x_dot`, of the output's shape."""
    graph = as_graph(net)
    output = graph.output if of is None else graph.resolve(of)
    targets = wanted(graph, wrt)
    directions = {v: symbol(f"{k}_dot", v.shape, graph) for k, v in targets.items()}
    node = forward(output, directions)
    return Derivative(graph, name_of(graph, output, of), "·".join(targets), output, output, node, "jvp", along=tuple(directions.values()),
                      again=functools.cache(lambda other: jvp(other, list(targets), elsewhere(graph, output, of))))


def vjp(net: Graph | Node, wrt: str | Node | None = None, of: str | Node | None = None) -> Derivative:
    """The vector-Jacobian product: the cotangent `h2_bar` of the output (its shape) sent to the variable, of the variable's shape."""
    graph = as_graph(net)
    output = graph.output if of is None else graph.resolve(of)
    (target,) = only_one(wanted(graph, wrt)).items()
    shown = name_of(graph, output, of)
    cotangent = symbol(f"{shown}_bar", output.shape, graph)
    node = reverse(output, [target[1]], cotangent).results[target[1]]
    return Derivative(graph, target[0], shown, output, target[1], node, "vjp", along=(cotangent,),
                      again=functools.cache(lambda other: vjp(other, target[0], elsewhere(graph, output, of))))


def hvp(net: Graph | Node, wrt: str | Node | None = None, of: str | Node | None = None) -> Derivative:
    """The Hessian of a scalar times a direction `w_dot`, of the variable's shape, without the Hessian."""
    graph = as_graph(net)
    output = graph.output if of is None else graph.resolve(of)
    (target,) = only_one(wanted(graph, wrt)).items()
    gradient = reverse(output, [target[1]]).results[target[1]]
    direction = symbol(f"{target[0]}_dot", target[1].shape, graph)
    node = forward(gradient, {target[1]: direction}) if gradient is not None else None
    return Derivative(graph, target[0], name_of(graph, output, of), output, target[1], node, "hvp", along=(direction,),
                      again=functools.cache(lambda other: hvp(other, target[0], elsewhere(graph, output, of))))


def elsewhere(graph: Graph, output: Node, of: str | Node | None) -> str | None:
    """What the output is called in the same graph at other lengths. Raises InputError where it has no name."""
    name = of if isinstance(of, str) else graph.name_of(output) or None
    if name is None and output is not graph.output:
        raise InputError("the arrays have other lengths than this graph is written out for, and the output has no name to find it by: name it")
    return name


def one(d: Derivation, wrt: str | Node | None) -> Derivative:
    """The only derivative of a derivation."""
    only_one({k: v.variable for k, v in d.derivatives.items()})
    return next(iter(d.derivatives.values()))
