"""Sequences (..., T, D) come in; attention over their positions, masks and encodings of positions, and whole blocks go out."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symgrad.core.node import Node
from symgrad.core.shape import Shape, Size, shape_text
from symgrad.errors import InputError, ShapeError
from symgrad.layers.linear import dense, residual
from symgrad.layers.norms import layer_norm
from symgrad.layers.parts import Activation, leaves, one_of, ranked, whole_number
from symgrad.ops import attention as scaled_dot_product
from symgrad.ops.arithmetic import add, product
from symgrad.ops.broadcasting import broadcast_shape, minus, spread, times
from symgrad.ops.choice import compared
from symgrad.ops.constants import as_node, constant
from symgrad.ops.indexing import index_node

__all__ = ["attention", "causal_mask", "multihead_attention", "padding_mask", "positional_encoding", "transformer_block"]

HIDDEN = -1e9
"""What is added to the score of a position that is not to be seen: its weight is 0 exactly, and a row that sees nothing stays finite."""


def attention(q: Node, k: Node, v: Node, *, mask: object = None) -> Node:
    """softmax(q k'/sqrt(D) + mask) v over the last two axes: Vaswani et al. (2017), equation 1.

    q (..., T, D), k (..., S, D), v (..., S, P) -> (..., T, P); the mask (T, S), (..., T, S) or with axes of size 1 is added to the scores.
    Raises ShapeError where these do not fit.
    """
    q, k, v = (ranked(a, range(2, 9), "attention takes q (..., T, D), k (..., S, D), v (..., S, P)") for a in (q, k, v))
    if q.shape[:-2] != k.shape[:-2] or k.shape[:-1] != v.shape[:-1] or q.shape[-1] != k.shape[-1]:
        raise ShapeError("attention takes q (..., T, D), k (..., S, D), v (..., S, P); these are " + ", ".join(shape_text(a.shape) for a in (q, k, v)))
    return _attended(q, k, v, mask, q.shape[:-2])


def _attended(q: Node, k: Node, v: Node, mask: object, examples: Shape) -> Node:
    """Attention with a mask over the leading axes `examples`; further leading axes are heads, which all see the same."""
    positions = (q.shape[-2], k.shape[-2])
    return scaled_dot_product.attention(q, k, v, None if mask is None else _broadcast(as_node(mask), examples, positions), q.rank - 2)


def _broadcast(mask: Node, examples: Shape, positions: Shape) -> Node:
    """The mask as (T, S) or (..., T, S)."""
    whole = positions if mask.rank <= 2 else (*examples, *positions)
    try:
        fits = broadcast_shape(mask.shape, whole) == whole
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"the mask is {shape_text(mask.shape)}, and the scores are {shape_text((*examples, *positions))}: give it the shape "
                         f"{shape_text(positions)} or the scores' own, with 1 for an axis along which it does not change")
    return spread(mask, whole)


def causal_mask(steps: Size) -> Node:
    """(steps, steps): 0 where a position sees itself or an earlier one, -1e9 where it would see a later one; steps may be a name."""
    if isinstance(steps, str):
        return times(minus(1, scaled_dot_product.earlier(steps, steps)), HIDDEN)
    t = whole_number(steps, "the number of steps of a causal mask")
    return constant(np.triu(np.full((t, t), HIDDEN), 1), f"causal_{t}")


def padding_mask(kept: object, steps: int | None = None) -> Node:
    """(N, 1, T): 0 for positions that are kept, -1e9 for padding, as data or as a constant.

    kept: a 0-1 array (N, T), or lengths (N,) with the number of steps T. Raises InputError for lengths without it, ShapeError for other
    ranks.
    """
    node = ranked(kept, {1, 2}, "padding_mask takes a 0-1 array (N, T) or lengths (N,)")
    if node.rank == 1:
        if steps is None:
            raise InputError("padding_mask of lengths needs the number of steps: padding_mask(lengths, 10)")
        places = constant(np.arange(whole_number(steps, "the number of steps of padding_mask")))
        node = compared("less", places, index_node(node, (slice(None), None))).node
    return index_node(times(minus(1, node), HIDDEN), (slice(None), None))


def multihead_attention(x: Node, heads: int, name: str, *, context: Node | None = None, mask: object = None) -> Node:
    """Several attentions side by side, each of its own projection, and their projections added: Vaswani et al. (2017), section 3.2.2.

    x (..., T, D), context (..., S, D) (x itself unless given) -> (..., T, D). Parameters name_Wq, name_Wk, name_Wv (heads, D, P), biases name_bq,
    name_bk, name_bv (heads, P), name_Wo (heads, P, D), name_bo (D,), with P = D/heads; the head is an index of its own. The mask is as in
    `attention`, the same for all heads. Raises ShapeError where the heads do not divide D.
    """
    what = f"multihead_attention {name!r}"
    x = ranked(x, range(2, 8), f"{what} takes (..., T, D)")
    given = x if context is None else ranked(context, {x.rank}, f"the context of {what} has {x.rank} axes, as its input")
    width, heads = x.shape[-1], whole_number(heads, f"the heads of {what}")
    if not isinstance(width, int) or width % heads:
        raise ShapeError(f"{heads} heads do not divide the width {width} of the input of {what}: "
                         + (f"take a divisor of {width}" if isinstance(width, int) else "give the width as a whole number"))
    if given.shape[:-2] != x.shape[:-2]:
        raise ShapeError(f"the context of {what} is {shape_text(given.shape)} and its input {shape_text(x.shape)}: all axes but the last two are equal")
    inner = width // heads
    shapes: dict[str, tuple[Size, ...]] = {}
    for part, size in (("q", width), ("k", given.shape[-1]), ("v", given.shape[-1])):
        shapes |= {f"W{part}": (heads, size, inner), f"b{part}": (heads, inner)}
    shapes |= {"Wo": (heads, inner, width), "bo": (width,)}
    p = dict(zip(shapes, leaves([x, given], name, shapes), strict=True))
    lead = [f"l{n}" for n in range(x.rank - 2)]
    out = [*lead, "h", "t", "p"]
    q, k, v = (add([(product([(a, [*lead, "t", "d"]), (p[f"W{n}"], ["h", "d", "p"])], out), out), (p[f"b{n}"], ["h", "p"])], out)
               for a, n in ((x, "q"), (given, "k"), (given, "v")))
    mixed = _attended(q, k, v, mask, x.shape[:-2])
    joined = [*lead, "t", "d"]
    return add([(product([(mixed, out), (p["Wo"], ["h", "p", "d"])], joined), joined), (p["bo"], ["d"])], joined)


def positional_encoding(length: int, width: int) -> NDArray[np.float64]:
    """(length, width): sin(t/10000^(2i/width)) in column 2i, cos of the same in column 2i + 1, t from 0: Vaswani et al. (2017), section 3.5."""
    length, width = (whole_number(n, f"the {w} of a positional encoding") for n, w in ((length, "length"), (width, "width")))
    column = np.arange(width)
    angles = np.arange(length)[:, None] / 10_000.0 ** (2 * (column // 2) / width)
    return np.where(column % 2 == 0, np.sin(angles), np.cos(angles))


def transformer_block(x: Node, heads: int, hidden: Size, name: str, *, mask: object = None, norm: str = "pre",
                      activation: Activation = "gelu") -> Node:
    """Attention and two dense layers, each behind a residual: (..., T, D) -> (..., T, D): Vaswani et al. (2017), section 3.1.

    norm="post": layer norm after each sum, as there; "pre": before each branch (Xiong et al. 2020). Parameters of `multihead_attention`
    name_attention, of `dense` name_inner (D, hidden) and name_outer (hidden, D), of `layer_norm` name_norm1 and name_norm2.
    """
    before = one_of(norm, "the norm of transformer_block", ("pre", "post")) == "pre"

    def attend(h: Node) -> Node:
        return multihead_attention(h, heads, f"{name}_attention", mask=mask)

    def feed(h: Node) -> Node:
        return dense(dense(h, hidden, f"{name}_inner", activation=activation), h.shape[-1], f"{name}_outer")

    x = ranked(x, range(2, 8), f"transformer_block {name!r} takes (..., T, D)")
    if before:
        x = residual(x, lambda h: attend(layer_norm(h, f"{name}_norm1")))
        return residual(x, lambda h: feed(layer_norm(h, f"{name}_norm2")))
    return layer_norm(residual(layer_norm(residual(x, attend), f"{name}_norm1"), feed), f"{name}_norm2")
