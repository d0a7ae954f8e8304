"""Every builder of sg.layers: sizes come in; the layer's node, and what PyTorch computes from the same arrays, go out."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.core.node import Node, Variable, topological
from symgrad.ops.kernels import Array
from symgrad.ops.reduction import reduce

__all__ = ["ROWS", "Row", "drawn", "loss_of", "sizes_of"]

L = sg.layers
Sizes = Any                                                # small unequal whole numbers by letter
Oracle = Callable[[Any, Any, Sizes], Any]                  # (torch, tensors by name, sizes) -> tensor
UNSLOPED = ("c", "lengths")                                # whole numbers: nothing is derived by them


@dataclass(frozen=True)
class Row:
    """One use of a builder."""

    builder: str
    label: str
    build: Callable[[Sizes], Node]
    oracle: Oracle

    def __str__(self) -> str:
        return f"{self.builder} {self.label}".strip()


def sizes_of(rng: np.random.Generator) -> Sizes:
    """Unequal sizes by letter; M is twice P, G three times Q, and places leave room for windows."""
    N, D, K, T, S = (int(n) for n in rng.permutation([2, 3, 4, 5, 6])[:5])
    P, Q = (int(n) for n in rng.permutation([2, 3])[:2])
    H, W = (int(n) for n in rng.permutation([7, 8, 9])[:2])
    return SimpleNamespace(N=N, D=D, K=K, T=T, S=S, P=P, M=2 * P, Q=Q, G=3 * Q, H=H, W=W)


def drawn(node: Node, rng: np.random.Generator) -> dict[str, Array]:
    """A value for every leaf: labels are whole numbers, masks of dropout 0 or 1, variances and probabilities positive."""
    found: dict[str, Array] = {}
    for leaf in topological([node]):
        if not isinstance(leaf.data, Variable) or leaf.data.value is not None:
            continue
        shape = tuple(int(s) for s in leaf.shape)
        x = rng.normal(size=shape)
        if leaf.name == "c":
            x = rng.integers(1, 4, size=shape).astype(float)
        elif leaf.name == "lengths":
            x = rng.integers(1, 3, size=shape).astype(float)
        elif leaf.name.endswith("_mask"):
            x = (x > 0) * 1.0
        elif leaf.name.endswith("_var"):
            x = x**2 + 0.1
        elif leaf.name in ("p", "q"):
            x = rng.dirichlet(np.ones(shape[-1]) * 3, size=shape[:-1])
        elif leaf.name == "s":
            x = rng.uniform(0.1, 0.9, size=shape)
        elif leaf.name == "pm":
            x = np.sign(x)
        found[leaf.name] = x
    return found


def loss_of(node: Node) -> tuple[Node, list[str]]:
    """(a curved scalar that reads every entry of the node, the names it is differentiated by)."""
    target = sg.data("target", *node.shape)
    difference = node - target
    wrt = [n.name for n in topological([node]) if isinstance(n.data, Variable) and n.data.value is None and n.name not in UNSLOPED]
    return reduce("square_sum", difference) if node.rank else difference * difference, wrt


# ---------------------------------------------------------------------- inputs
def flat(s: Sizes) -> Node:
    return sg.data("x", s.N, s.D)


def sequence(s: Sizes) -> Node:
    return sg.data("x", s.N, s.T, s.M)


def line(s: Sizes) -> Node:
    return sg.data("x", s.N, s.G, s.W)


def plane(s: Sizes) -> Node:
    return sg.data("x", s.N, s.G, s.H, s.W)


# ---------------------------------------------------------------------- oracles
def _convolution(axes: int, bias: bool = True, **options: int) -> Oracle:
    return lambda t, v, s: getattr(t.nn.functional, f"conv{axes}d")(v.x, v.a_W, v.a_b if bias else None, **options)


def _called(t: Any, module: Any, parameters: dict[str, Any], *inputs: Any, **options: Any) -> Any:
    return t.func.functional_call(module.double(), parameters, inputs, options)


def _recurrent(kind: str, gates: str) -> Oracle:
    def run(t: Any, v: Any, s: Sizes) -> Any:
        ends = [f"_{g}" for g in gates] or [""]
        zero = t.zeros(s.K, dtype=t.float64)
        p = {
            "weight_ih_l0": t.cat([getattr(v, f"a_W{e}").T for e in ends]), "weight_hh_l0": t.cat([getattr(v, f"a_U{e}").T for e in ends]),
            "bias_ih_l0": t.cat([getattr(v, f"a_b{e}") for e in ends]), "bias_hh_l0": t.cat([getattr(v, f"a_c{e}", zero) for e in ends]),
        }
        module = getattr(t.nn, kind)(v.x.shape[-1], s.K, batch_first=True)
        start = getattr(v, "h0", None)
        if start is not None:
            start = start[None] if start.ndim == 2 else start.expand(1, s.N, s.K)
            start = start.contiguous() if kind != "LSTM" else (start.contiguous(), v.c0[None])
        return _called(t, module, p, v.x, start)
    return run


def _heads(t: Any, v: Any, name: str) -> dict[str, Any]:
    """The parameters of a multi-head attention as PyTorch keeps them."""
    parts = [getattr(v, f"{name}_W{k}") for k in "qkv"]
    width = parts[0].shape[1]
    return {
        "in_proj_weight": t.cat([W.permute(0, 2, 1).reshape(width, width) for W in parts]),
        "in_proj_bias": t.cat([getattr(v, f"{name}_b{k}").reshape(-1) for k in "qkv"]),
        "out_proj.weight": getattr(v, f"{name}_Wo").reshape(width, width).T, "out_proj.bias": getattr(v, f"{name}_bo"),
    }


def _attention(mask: Callable[[Any, Any, Sizes], Any] | None = None, context: bool = False) -> Oracle:
    def run(t: Any, v: Any, s: Sizes) -> Any:
        other = v.z if context else v.x
        extra = mask(t, v, s) if mask else {}
        return _called(t, t.nn.MultiheadAttention(s.M, s.P, batch_first=True), _heads(t, v, "a"), v.x, other, other, need_weights=False, **extra)[0]
    return run


def _block(norm_first: bool, activation: str) -> Oracle:
    def run(t: Any, v: Any, s: Sizes) -> Any:
        module = t.nn.TransformerEncoderLayer(s.M, 2, s.K, 0.0, activation, batch_first=True, norm_first=norm_first)
        p = {f"self_attn.{k}": w for k, w in _heads(t, v, "a_attention").items()}
        p |= {"linear1.weight": v.a_inner_W.T, "linear1.bias": v.a_inner_b, "linear2.weight": v.a_outer_W.T, "linear2.bias": v.a_outer_b}
        p |= {f"norm{k}.{w}": getattr(v, f"a_norm{k}_{ours}") for k in (1, 2) for w, ours in (("weight", "gamma"), ("bias", "beta"))}
        return _called(t, module, p, v.x, src_mask=_later(t, s.T))
    return run


def _later(t: Any, steps: int) -> Any:
    return t.triu(t.full((steps, steps), -t.inf, dtype=t.float64), 1)


def _rows(t: Any, v: Any, s: Sizes) -> Any:
    """Attention of one head, each example by itself, with positions beyond its length hidden."""
    hidden = t.arange(s.T)[None, :] >= v.lengths[:, None]
    bias = t.zeros(s.N, s.T, s.T, dtype=t.float64).masked_fill(hidden[:, None, :], -t.inf)
    return t.nn.functional.scaled_dot_product_attention(v.x, v.x, v.x, bias)


def _batch(t: Any, v: Any, s: Sizes) -> Any:
    return t.nn.functional.batch_norm(v.x, None, None, v.a_gamma, v.a_beta, True)


def _sines(t: Any, v: Any, s: Sizes) -> Any:
    angles = t.arange(s.T, dtype=t.float64)[:, None] * t.exp(-np.log(10_000.0) * t.arange(0, s.M, 2, dtype=t.float64) / s.M)
    return v.x + t.stack([t.sin(angles), t.cos(angles)], -1).reshape(s.T, s.M)


def _class_loss(smoothing: float) -> Oracle:
    return lambda t, v, s: t.nn.functional.cross_entropy(v.z, v.c.long() - 1 if hasattr(v, "c") else v.p, label_smoothing=smoothing)


def _of_probabilities(smoothing: float) -> Oracle:
    return lambda t, v, s: -(((1 - smoothing) * v.p + smoothing / s.K) * t.log(v.q)).sum(-1).mean()


# ---------------------------------------------------------------------- the table
def _rows_of_the_table() -> Iterator[Row]:
    F: Callable[[Any], Any] = lambda t: t.nn.functional  # noqa: E731  # a short name in the lines below
    yield Row("dense", "relu by word", lambda s: L.dense(flat(s), s.K, "a", activation="relu"), lambda t, v, s: t.relu(v.x @ v.a_W + v.a_b))
    yield Row("dense", "of sequences, no bias", lambda s: L.dense(sequence(s), s.K, "a", bias=False, activation=sg.tanh), lambda t, v, s: t.tanh(v.x @ v.a_W))
    yield Row("embedding", "", lambda s: L.embedding(sg.data("c", s.N, s.T), 3, s.K, "a"), lambda t, v, s: F(t).embedding(v.c.long() - 1, v.a_E))
    yield Row("residual", "", lambda s: L.residual(flat(s), lambda h: L.dense(h, s.D, "a", activation="silu")), lambda t, v, s: v.x + F(t).silu(v.x @ v.a_W + v.a_b))

    yield Row("conv1d", "", lambda s: L.conv1d(line(s), s.K, 3, "a", stride=2, padding=1, dilation=2), _convolution(1, stride=2, padding=1, dilation=2))
    yield Row("conv1d", "groups, no bias", lambda s: L.conv1d(line(s), 2 * s.Q, 2, "a", groups=s.Q, bias=False),
              lambda t, v, s: F(t).conv1d(v.x, v.a_W, groups=s.Q))
    yield Row("conv2d", "", lambda s: L.conv2d(plane(s), s.K, (2, 3), "a", stride=2, padding=2), _convolution(2, stride=2, padding=2))
    yield Row("conv2d", "depthwise", lambda s: L.conv2d(plane(s), s.G, 2, "a", groups=s.G, dilation=2, activation="tanh"),
              lambda t, v, s: t.tanh(F(t).conv2d(v.x, v.a_W, v.a_b, dilation=2, groups=s.G)))
    yield Row("conv_transpose1d", "groups", lambda s: L.conv_transpose1d(line(s), 2 * s.Q, 3, "a", stride=2, padding=1, output_padding=1, groups=s.Q),
              lambda t, v, s: F(t).conv_transpose1d(v.x, v.a_W, v.a_b, 2, 1, 1, s.Q))
    yield Row("conv_transpose2d", "", lambda s: L.conv_transpose2d(plane(s), s.K, (2, 3), "a", stride=2, dilation=2, activation="tanh"),
              lambda t, v, s: t.tanh(F(t).conv_transpose2d(v.x, v.a_W, v.a_b, 2, dilation=2)))
    yield Row("conv_transpose2d", "no bias", lambda s: L.conv_transpose2d(plane(s), s.K, 2, "a", padding=1, bias=False),
              lambda t, v, s: F(t).conv_transpose2d(v.x, v.a_W, padding=1))
    yield Row("max_pool", "padded", lambda s: L.max_pool(plane(s), 3, 2, padding=1), lambda t, v, s: F(t).max_pool2d(v.x, 3, 2, 1))
    yield Row("avg_pool", "padded", lambda s: L.avg_pool(plane(s), 3, 2, padding=1), lambda t, v, s: F(t).avg_pool2d(v.x, 3, 2, 1))
    yield Row("max_pool", "of lines", lambda s: L.max_pool(line(s), 3, 2), lambda t, v, s: F(t).max_pool1d(v.x, 3, 2))
    yield Row("max_pool", "of planes", lambda s: L.max_pool(plane(s), 2), lambda t, v, s: F(t).max_pool2d(v.x, 2))
    yield Row("avg_pool", "of lines", lambda s: L.avg_pool(line(s), 2), lambda t, v, s: F(t).avg_pool1d(v.x, 2))
    yield Row("avg_pool", "of planes", lambda s: L.avg_pool(plane(s), 3, 2), lambda t, v, s: F(t).avg_pool2d(v.x, 3, 2))
    yield Row("global_avg_pool", "", lambda s: L.global_avg_pool(plane(s)), lambda t, v, s: v.x.mean((2, 3)))
    yield Row("global_max_pool", "", lambda s: L.global_max_pool(line(s)), lambda t, v, s: v.x.amax(2))

    yield Row("batch_norm", "train", lambda s: L.batch_norm(flat(s), "a"), _batch)
    yield Row("batch_norm", "train, planes", lambda s: L.batch_norm(plane(s), "a"), _batch)
    yield Row("batch_norm", "eval", lambda s: L.batch_norm(line(s), "a", mode="eval"),
              lambda t, v, s: (v.x - v.a_mean[:, None]) / t.sqrt(v.a_var[:, None] + 1e-5) * v.a_gamma[:, None] + v.a_beta[:, None])
    yield Row("layer_norm", "", lambda s: L.layer_norm(sequence(s), "a"), lambda t, v, s: F(t).layer_norm(v.x, (s.M,), v.a_gamma, v.a_beta))
    yield Row("layer_norm", "of two axes", lambda s: L.layer_norm(sequence(s), "a", axes=(1, 2), eps=1e-3),
              lambda t, v, s: F(t).layer_norm(v.x, (s.T, s.M), v.a_gamma, v.a_beta, 1e-3))
    yield Row("instance_norm", "", lambda s: L.instance_norm(plane(s), "a"), lambda t, v, s: F(t).instance_norm(v.x, None, None, v.a_gamma, v.a_beta))
    yield Row("group_norm", "", lambda s: L.group_norm(line(s), s.Q, "a"), lambda t, v, s: F(t).group_norm(v.x, s.Q, v.a_gamma, v.a_beta))
    yield Row("group_norm", "one group", lambda s: L.group_norm(plane(s), 1, "a"), lambda t, v, s: F(t).group_norm(v.x, 1, v.a_gamma, v.a_beta))
    yield Row("rms_norm", "", lambda s: L.rms_norm(sequence(s), "a"), lambda t, v, s: F(t).rms_norm(v.x, (s.M,), v.a_gamma, 1e-5))
    yield Row("dropout", "train", lambda s: L.dropout(flat(s), 0.3, "a"), lambda t, v, s: v.x * v.a_mask / 0.7)
    yield Row("dropout", "train, test scaling", lambda s: L.dropout(flat(s), 0.3, "a", scaling="test"), lambda t, v, s: v.x * v.a_mask)
    yield Row("dropout", "eval", lambda s: L.dropout(flat(s), 0.3, "a", mode="eval"), lambda t, v, s: F(t).dropout(v.x, 0.3, False))
    yield Row("dropout", "eval, test scaling", lambda s: L.dropout(flat(s), 0.3, "a", mode="eval", scaling="test"), lambda t, v, s: 0.7 * v.x)

    yield Row("rnn", "", lambda s: L.rnn(sequence(s), s.K, "a").states, lambda t, v, s: _recurrent("RNN", "")(t, v, s)[0])
    yield Row("rnn", "initial, last state", lambda s: L.rnn(sequence(s), s.K, "a", initial=sg.param("h0", s.K)).last,
              lambda t, v, s: _recurrent("RNN", "")(t, v, s)[0][:, -1])
    yield Row("lstm", "", lambda s: L.lstm(sequence(s), s.K, "a").states, lambda t, v, s: _recurrent("LSTM", "ifgo")(t, v, s)[0])
    yield Row("lstm", "last cell", lambda s: L.lstm(sequence(s), s.K, "a", initial=(sg.param("h0", s.N, s.K), sg.param("c0", s.N, s.K))).cells[:, -1],
              lambda t, v, s: _recurrent("LSTM", "ifgo")(t, v, s)[1][1][0])
    yield Row("gru", "", lambda s: L.gru(sequence(s), s.K, "a", initial=sg.param("h0", s.N, s.K)).states, lambda t, v, s: _recurrent("GRU", "rzn")(t, v, s)[0])
    yield Row("gru", "of an rnn's states", lambda s: L.gru(L.rnn(flat_steps(s), s.K, "b", activation=None).states, s.K, "a").last, _stacked_oracle)

    yield Row("attention", "", lambda s: L.attention(sequence(s), sg.data("k", s.N, s.S, s.M), sg.data("z", s.N, s.S, s.K)),
              lambda t, v, s: F(t).scaled_dot_product_attention(v.x, v.k, v.z))
    yield Row("causal_mask", "", lambda s: L.attention(sequence(s), sequence(s), sequence(s), mask=L.causal_mask(s.T)),
              lambda t, v, s: F(t).scaled_dot_product_attention(v.x, v.x, v.x, is_causal=True))
    yield Row("padding_mask", "lengths", lambda s: L.attention(sequence(s), sequence(s), sequence(s), mask=L.padding_mask(sg.data("lengths", s.N), s.T)), _rows)
    yield Row("padding_mask", "of heads, 0-1 array", lambda s: L.multihead_attention(sequence(s), s.P, "a", mask=L.padding_mask(_kept(s))),
              _attention(lambda t, v, s: {"key_padding_mask": t.tensor(_kept(s) == 0)}))
    yield Row("multihead_attention", "", lambda s: L.multihead_attention(sequence(s), s.P, "a"), _attention())
    yield Row("multihead_attention", "causal", lambda s: L.multihead_attention(sequence(s), s.P, "a", mask=L.causal_mask(s.T)),
              _attention(lambda t, v, s: {"attn_mask": _later(t, s.T)}))
    yield Row("multihead_attention", "context", lambda s: L.multihead_attention(sequence(s), s.P, "a", context=sg.data("z", s.N, s.S, s.M)), _attention(context=True))
    yield Row("positional_encoding", "", lambda s: sequence(s) + L.positional_encoding(s.T, s.M), _sines)
    yield Row("transformer_block", "pre", lambda s: L.transformer_block(sequence(s), 2, s.K, "a", mask=L.causal_mask(s.T)), _block(True, "gelu"))
    yield Row("transformer_block", "post", lambda s: L.transformer_block(sequence(s), 2, s.K, "a", mask=L.causal_mask(s.T), norm="post", activation="relu"),
              _block(False, "relu"))
    yield from _losses(F)


def _kept(s: Sizes) -> Array:
    return (np.arange(s.T)[None, :] < 1 + np.arange(s.N)[:, None] % s.T) * 1.0


def flat_steps(s: Sizes) -> Node:
    return sg.data("x", s.N, s.T, s.D)


def _stacked_oracle(t: Any, v: Any, s: Sizes) -> Any:
    h, states = t.zeros(s.N, s.K, dtype=t.float64), []
    for k in range(s.T):
        h = v.x[:, k] @ v.b_W + h @ v.b_U + v.b_b
        states.append(h)
    inner = SimpleNamespace(**{**vars(v), "x": t.stack(states, 1)})
    return _recurrent("GRU", "rzn")(t, inner, s)[0][:, -1]


def _contrastive(t: Any, v: Any, s: Sizes) -> Any:
    d = t.nn.functional.pairwise_distance(v.x, v.z, eps=0.0)
    return (v.y * d**2 / 2 + (1 - v.y) * t.relu(2.0 - d) ** 2 / 2).mean()


def _losses(F: Callable[[Any], Any]) -> Iterator[Row]:
    def pair(s: Sizes, y: str = "x", z: str = "z") -> tuple[Node, Node]:
        return sg.data(y, s.N, s.K), sg.data(z, s.N, s.K)

    yield Row("mse", "", lambda s: L.mse(*pair(s)), lambda t, v, s: F(t).mse_loss(v.z, v.x))
    yield Row("mae", "", lambda s: L.mae(*pair(s)), lambda t, v, s: F(t).l1_loss(v.z, v.x))
    yield Row("huber", "", lambda s: L.huber(*pair(s), delta=0.7), lambda t, v, s: F(t).huber_loss(v.z, v.x, delta=0.7))
    yield Row("hinge", "", lambda s: L.hinge(*pair(s, "pm")), lambda t, v, s: t.relu(1 - v.pm * v.z).mean())
    yield Row("bce", "", lambda s: L.bce(*pair(s, "x", "s")), lambda t, v, s: -(v.x * t.log(v.s) + (1 - v.x) * t.log(1 - v.s)).mean())
    yield Row("bce_logits", "", lambda s: L.bce_logits(*pair(s)), lambda t, v, s: F(t).binary_cross_entropy_with_logits(v.z, v.x))
    yield Row("cross_entropy", "", lambda s: L.cross_entropy(*pair(s, "p", "q")), _of_probabilities(0.0))
    yield Row("cross_entropy", "smoothed", lambda s: L.cross_entropy(*pair(s, "p", "q"), smoothing=0.2), _of_probabilities(0.2))
    yield Row("cross_entropy_logits", "", lambda s: L.cross_entropy_logits(*pair(s, "p")), _class_loss(0.0))
    yield Row("cross_entropy_logits", "labels", lambda s: L.cross_entropy_logits(sg.data("c", s.N), sg.data("z", s.N, 3)), _class_loss(0.0))
    yield Row("cross_entropy_logits", "labels, smoothed", lambda s: L.cross_entropy_logits(sg.data("c", s.N), sg.data("z", s.N, 4), smoothing=0.1),
              _class_loss(0.1))
    yield Row("kl", "", lambda s: L.kl(*pair(s, "p", "q")), lambda t, v, s: (v.p * (t.log(v.p) - t.log(v.q))).sum(-1).mean())
    yield Row("contrastive", "", lambda s: L.contrastive(sg.data("y", s.N), *pair(s), margin=2.0), _contrastive)
    yield Row("infonce", "", lambda s: L.infonce(*pair(s), temperature=0.7), lambda t, v, s: F(t).cross_entropy(v.x @ v.z.T / 0.7, t.arange(s.N)))
    yield Row("l1", "", lambda s: L.l1([flat(s), sg.data("k", s.K), sg.data("z")], 0.3),
              lambda t, v, s: 0.3 * (v.x.abs().sum() + v.k.abs().sum() + v.z.abs()))
    yield Row("l2", "", lambda s: L.l2([flat(s), sg.data("k", s.K)], sg.data("z")), lambda t, v, s: v.z * ((v.x**2).sum() + (v.k**2).sum()))


ROWS = tuple(_rows_of_the_table())
"""One row or more for every public name of sg.layers."""
