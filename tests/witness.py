"""Graphs and arrays in; how far a derivative lies from an independent numeric one out."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from symgrad.core.node import Node, topological, variable
from symgrad.derive.forward import forward
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import product
from symgrad.ops.kernels import Array
from symgrad.run.differences import numeric_derivative
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in

__all__ = ["Values", "adjoint_error", "derivative_errors", "distance", "jvp_error", "numeric", "op_names", "value", "weighted"]

Values = Mapping[str, Array]
AXES = "abcdefgh"
GIVEN = {"l": stand_in(1), "g": stand_in(2)}
"""Values of unknown functions."""


def value(node: Node, values: Values, of: Node | None = None) -> Array:
    """The node's value. A derivative may have lost the variables that give its sizes: then `of` is the node it is a derivative of."""
    sizes = {} if of is None else execute([of], values, functions=GIVEN).sizes
    return execute([node], values, sizes=sizes, functions=GIVEN)[node]


def distance(got: Array, want: Array) -> float:
    """The largest difference, relative to the largest entry where that is above 1; infinite for a wrong shape or what is not finite."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or not np.isfinite(got).all() or not np.isfinite(want).all():
        return np.inf
    return float(np.max(np.abs(got - want), initial=0.0) / max(1.0, float(np.max(np.abs(want), initial=0.0))))


def numeric(node: Node, wrt: Node, values: Values, of: Node | None = None) -> Array:
    """d node / d wrt by differences of the executor's values, axes of the node first."""
    sizes = execute([node if of is None else of], values, functions=GIVEN).sizes
    return numeric_derivative(lambda a: execute([node], {**values, wrt.name: a}, sizes=sizes, functions=GIVEN)[node], values[wrt.name])


def weighted(node: Node, values: dict[str, Array], rng: np.random.Generator) -> Node:
    """A scalar that reads every entry of the node, each with a weight of its own (entered into `values`)."""
    weight = variable(f"w{node.rank}_weight", node.shape)
    values[weight.name] = rng.normal(size=value(node, values).shape)
    letters = AXES[: node.rank]
    return product([(weight, letters), (node, letters)], "")


def derivative_errors(node: Node, wrt: Sequence[Node], values: Values, rng: np.random.Generator, second: bool = True) -> dict[str, float]:
    """How far the Jacobian, the gradient and (`second`) the blocks of the Hessian of a weighted sum are from differences, by name."""
    values = dict(values)
    loss = weighted(node, values, rng)
    jacobian, gradient = reverse(node, wrt).results, reverse(loss, wrt).results
    errors: dict[str, float] = {}
    weights = values[f"w{node.rank}_weight"]
    for v in wrt:
        slopes, g = numeric(node, v, values, loss), gradient[v]
        errors[f"J {v.name}"] = _error(jacobian[v], slopes, values, loss)
        errors[f"g {v.name}"] = _error(g, np.tensordot(weights, slopes, node.rank), values, loss)
        if g is not None and second:
            hessian = reverse(g, wrt).results
            for u in wrt:
                errors[f"H {v.name} {u.name}"] = _error(hessian[u], numeric(g, u, values, loss), values, loss)
    return errors


def _error(derivative: Node | None, want: Array, values: Values, of: Node) -> float:
    return distance(np.zeros_like(want) if derivative is None else value(derivative, values, of), want)


def jvp_error(node: Node, wrt: Node, values: Values, rng: np.random.Generator) -> float:
    """How far the pushforward of a random tangent is from the Jacobian times it."""
    tangent = variable("tangent", wrt.shape)
    values = {**values, "tangent": rng.normal(size=values[wrt.name].shape)}
    pushed, jacobian = forward(node, {wrt: tangent}), reverse(node, [wrt]).results[wrt]
    want = np.zeros(value(node, values).shape)
    if jacobian is not None:
        want = np.tensordot(value(jacobian, values, node), values["tangent"], wrt.rank)
    return distance(np.zeros_like(want) if pushed is None else value(pushed, values, node), want)


def adjoint_error(node: Node, wrt: Node, values: Values, rng: np.random.Generator) -> float:
    """How far <J v, w> is from <v, J' w> for random v and w: forward and reverse mode agree."""
    tangent, cotangent = variable("tangent", wrt.shape), variable("cotangent", node.shape)
    values = {**values, "tangent": rng.normal(size=values[wrt.name].shape)}
    values["cotangent"] = rng.normal(size=value(node, values).shape)
    pushed, pulled = forward(node, {wrt: tangent}), reverse(node, [wrt], cotangent).results[wrt]
    if pushed is None or pulled is None:
        return 0.0 if pushed is pulled else np.inf
    return distance(np.sum(value(pushed, values, node) * values["cotangent"]), np.sum(values["tangent"] * value(pulled, values, node)))


def op_names(outputs: Sequence[Node]) -> list[str]:
    """The names of all nodes' ops, operands first."""
    return [n.name or n.op.name for n in topological(outputs)]
