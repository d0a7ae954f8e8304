"""Arrays with features last, and labels, come in; affine maps of them, their embeddings, and sums with a branch go out."""
from __future__ import annotations

from collections.abc import Callable

from symgrad.core.node import Node
from symgrad.core.shape import Size, shape_text
from symgrad.errors import ShapeError
from symgrad.layers.parts import Activation, activated, leaves
from symgrad.ops.broadcasting import plus
from symgrad.ops.onehot import embedding as embedded
from symgrad.ops.operators import as_node, matmul

__all__ = ["dense", "embedding", "residual"]


def dense(x: Node, width: Size, name: str, *, bias: bool = True, activation: Activation = None) -> Node:
    """activation(x W + b): (..., D) -> (..., width), with the parameters name_W (D, width) and name_b (width,).

    Raises InputError for an activation or a name that is none, ShapeError for a scalar.
    """
    x = as_node(x)
    if not x.rank:
        raise ShapeError(f"the dense layer {name!r} takes arrays with features last, not a scalar")
    W, *b = leaves([x], name, {"W": (x.shape[-1], width), **({"b": (width,)} if bias else {})})
    z = matmul(x, W)
    return activated(plus(z, b[0]) if b else z, activation)


def embedding(labels: Node, classes: Size, width: Size, name: str) -> Node:
    """Rows of the parameter name_E (classes, width): labels (...) are whole numbers from 1 -> (..., width).

    It is the product of the one-hot rows of the labels with name_E. For random values in `verify`, declare the labels by
    `sg.data("c", "N", facts="label(5)")`.
    """
    labels = as_node(labels)
    (E,) = leaves([labels], name, {"E": (classes, width)})
    return embedded(labels, E)


def residual(x: Node, branch: Callable[[Node], Node]) -> Node:
    """x + branch(x): He et al. (2016), equation 1. Raises ShapeError where the branch changes the shape."""
    x = as_node(x)
    made = as_node(branch(x))
    if made.shape != x.shape:
        raise ShapeError(f"a residual branch keeps the shape of its input, {shape_text(x.shape)}, and this one makes {shape_text(made.shape)}: "
                         "end it with a layer of the input's width, or add a projection yourself")
    return plus(x, made)
