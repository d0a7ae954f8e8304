"""The layers and losses of the notation against PyTorch's: values and all gradients, by `evaluate` and compiled, at three random shapes.

Second order is checked against differences of the gradient.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from witness import weighted

import symgrad as sg
from symgrad.core.node import Node
from symgrad.ops.arithmetic import map_function
from symgrad.ops.kernels import Array
from symgrad.run.differences import numeric_derivative

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.oracle

SEEDS = (1, 2, 3)
Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A network whose output is named `a`, and PyTorch's function of its arrays (by name; sizes by name too).

    sizes: ranges of whole numbers, drawn unequal; `more` computes those that follow. fixed: the sizes are declared as numbers.
    """

    name: str
    text: str
    oracle: Callable[[Any], Any]
    sizes: str = "N D K"
    fixed: bool = False
    more: Callable[[dict[str, int]], dict[str, int]] = lambda s: {}


class Named:
    """Arrays and sizes by name, as attributes."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.__dict__.update(entries)


RANGES = {"L": (9, 13), "H": (7, 10), "W": (11, 14), "k": (2, 4), "q": (3, 5), "T": (2, 5)}


def drawn_sizes(row: Row, rng: np.random.Generator) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in row.sizes.split():
        choice = [n for n in range(*RANGES.get(name, (2, 8))) if n not in found.values()]
        found[name] = int(rng.choice(choice))
    return found | row.more(found)


def drawn_values(graph: sg.core.graph.Graph, sizes: Mapping[str, int], rng: np.random.Generator) -> dict[str, Array]:
    """By name: c labels, y simplexes, mask zeros and ones, signs -1 and 1, all else normal."""
    found: dict[str, Array] = {}
    for name, v in graph.variables().items():
        shape = [s if isinstance(s, int) else sizes[str(s)] for s in v.shape]
        value = rng.normal(size=shape)
        if name == "c":
            value = rng.integers(1, sizes["K"] + 1, shape).astype(float)
        elif name == "y":
            value = np.exp(value) / np.exp(value).sum(-1, keepdims=True)
        elif name in ("mask", "signs"):
            value = (value > 0) * 1.0 if name == "mask" else np.sign(value)
        found[name] = value
    return found


FIXED = {"c", "mask", "signs"}                             # not differentiated by: labels, masks, targets of -1 and 1


# ---------------------------------------------------------------------- the table
DENSE = "examples n = 1..N\nparam x[n] : vector(D)\nparam g, b : vector(D)\n"
TARGET = "examples n = 1..N\nparam z[n] : vector(K)\ndata y[n] : vector(K)\ndata c[n] : label(K)\ndata signs[n] : vector(K)\ndata mask[n] : vector(K)\n"
SIGNAL = "examples n = 1..N\nparam x[n] : matrix(C, L)\n"
PLANE = "examples n = 1..N\nparam x[n] : tensor(C, H, W)\n"


def softmax(z: Any) -> Any:
    return torch.softmax(z, -1)


def label(t: Any) -> Any:
    return t.c.long() - 1


DENSE_ROWS = [
    Row("softmax", DENSE + "a[n] = softmax(x[n])", lambda t: softmax(t.x)),
    Row("log_softmax", DENSE + "a[n] = log_softmax(x[n])", lambda t: F.log_softmax(t.x, -1)),
    Row("logsumexp", DENSE + "a[n] = logsumexp(x[n])", lambda t: torch.logsumexp(t.x, -1)),
    Row("layernorm", DENSE + "a[n] = layernorm(x[n], g, b)", lambda t: F.layer_norm(t.x, (t.D,), t.g, t.b, 1e-5)),
    Row("layernorm eps", DENSE + "a = layernorm(x, g, b, eps=0.1)", lambda t: F.layer_norm(t.x, (t.D,), t.g, t.b, 0.1)),
    Row("rmsnorm", DENSE + "a[n] = rmsnorm(x[n], g)", lambda t: F.rms_norm(t.x, (t.D,), t.g, 1e-5)),
    Row("batchnorm", DENSE + "a = batchnorm(x, g, b)", lambda t: F.batch_norm(t.x, None, None, t.g, t.b, True, 0.1, 1e-5)),
    Row("dropout inverted", TARGET + "a[n] = dropout(z[n], mask[n], 1/4)", lambda t: t.z * t.mask / 0.75),
    Row("dropout test", TARGET + 'a[n] = dropout(z[n], mask[n], 1/4, scaling="test")', lambda t: t.z * t.mask),
]
CHANNEL_ROWS = [
    Row("batchnorm channels", SIGNAL + "param g, b : vector(C)\na = batchnorm(x, g, b)",
        lambda t: F.batch_norm(t.x, None, None, t.g, t.b, True, 0.1, 1e-5), "N C L"),
    Row("batchnorm planes", PLANE + "param g, b : vector(C)\na = batchnorm(x, g, b, eps=0.01)",
        lambda t: F.batch_norm(t.x, None, None, t.g, t.b, True, 0.1, 0.01), "N C H W"),
    Row("instancenorm", SIGNAL + "param g, b : vector(C)\na[n] = instancenorm(x[n], g, b)", lambda t: F.instance_norm(t.x, None, None, t.g, t.b), "N C L"),
    Row("instancenorm planes", PLANE + "param g, b : vector(C)\na[n] = instancenorm(x[n], g, b)",
        lambda t: F.instance_norm(t.x, None, None, t.g, t.b), "N C H W"),
    Row("groupnorm", "examples n = 1..N\nparam x[n] : matrix(C, L)\nparam g, b : vector(C)\na[n] = groupnorm(x[n], g, b, groups=G)",
        lambda t: F.group_norm(t.x, t.G, t.g, t.b, 1e-5), "N G L", True, lambda s: {"C": 2 * s["G"]}),
    Row("groupnorm planes", PLANE + "param g, b : vector(C)\na[n] = groupnorm(x[n], g, b, groups=2)",
        lambda t: F.group_norm(t.x, 2, t.g, t.b, 1e-5), "N H W", True, lambda s: {"C": 6}),
]
CONVOLUTIONS: list[dict[str, int]] = [
    {}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"stride": 2, "padding": 2}, {"stride": 3, "padding": 1, "dilation": 2}, {"groups": 2},
    {"groups": 2, "stride": 2, "padding": 1},
]
CONVOLUTION_ROWS = [
    Row(f"conv{rank}d {options}", head + f"param w : tensor(O, I, {window})\na[n] = conv{rank}d({', '.join(['x[n]', 'w', *words])})",
        lambda t, rank=rank, options=options: getattr(F, f"conv{rank}d")(t.x, t.w, None, **options), sizes, True,
        lambda s, options=options: {"C": s["I"] * 2, "O": 8} if "groups" in options else {"C": s["I"], "O": 3})
    for rank, head, window, sizes in ((1, SIGNAL, "k", "N I L k"), (2, PLANE, "k, q", "N I H W k q")) for options in CONVOLUTIONS
    for words in [[f"{k}={v}" for k, v in options.items()]]
]
POOL_ROWS = [
    Row(f"{kind}pool {rank}d {window} {stride}", head + f"a[n] = {kind}pool(x[n], {window}{f', {stride}' if stride != window else ''})",
        lambda t, kind=kind, rank=rank, window=window, stride=stride: getattr(F, f"{kind}_pool{rank}d")(t.x, window, stride), sizes, True)
    for kind in ("max", "avg") for rank, head, sizes in ((1, SIGNAL, "N C L"), (2, PLANE, "N C H W")) for window, stride in ((2, 2), (3, 1), (2, 3))
]
HEADS = "examples n = 1..N\nparam q[n] : matrix(P, D)\nparam k[n] : matrix(M, D)\nparam v[n] : matrix(M, K)\nparam S : matrix(P, M)\n"
ATTENTION_ROWS = [
    Row("attention", HEADS + "a[n] = attention(q[n], k[n], v[n])", lambda t: F.scaled_dot_product_attention(t.q, t.k, t.v), "N P M D K"),
    Row("attention masked", HEADS + "a[n] = attention(q[n], k[n], v[n], mask=S)",
        lambda t: F.scaled_dot_product_attention(t.q, t.k, t.v, t.S), "N P M D K"),
]
LOSS_ROWS = [
    Row("mse", TARGET + "a = mse(y, z)", lambda t: F.mse_loss(t.z, t.y)),
    Row("mae", TARGET + "a = mae(y, z)", lambda t: F.l1_loss(t.z, t.y)),
    Row("huber", TARGET + "a = huber(y, z)", lambda t: F.huber_loss(t.z, t.y)),
    Row("huber delta", TARGET + "a = huber(y, z, delta=0.3)", lambda t: F.huber_loss(t.z, t.y, delta=0.3)),
    Row("hinge", TARGET + "a = hinge(signs, z)", lambda t: F.relu(1 - t.signs * t.z).mean()),
    Row("bce", TARGET + "a = bce(y, sigmoid(z))", lambda t: F.binary_cross_entropy(torch.sigmoid(t.z), t.y)),
    Row("bce_logits", TARGET + "a = bce_logits(y, z)", lambda t: F.binary_cross_entropy_with_logits(t.z, t.y)),
    Row("cross_entropy", TARGET + "a = cross_entropy(y, softmax(z))", lambda t: F.cross_entropy(t.z, t.y)),
    Row("cross_entropy of labels", TARGET + "a = cross_entropy(c, softmax(z))", lambda t: F.nll_loss(torch.log(softmax(t.z)), label(t))),
    Row("cross_entropy_logits", TARGET + "a = cross_entropy_logits(y, z)", lambda t: F.cross_entropy(t.z, t.y)),
    Row("cross_entropy_logits of labels", TARGET + "a = cross_entropy_logits(c, z)", lambda t: F.cross_entropy(t.z, label(t))),
    Row("cross_entropy_logits each", TARGET + "a = mean[n](cross_entropy_logits(c[n], z[n]))", lambda t: F.cross_entropy(t.z, label(t))),
    Row("kl", TARGET + "a = kl(y, softmax(z))", lambda t: F.kl_div(F.log_softmax(t.z, -1), t.y, reduction="batchmean")),
]
STEPS = "index t = 1..T\nexamples n = 1..N\nparam x[n, t] : vector(D)\nparam h0[n] : vector(K)\n"


def recurrent(kind: str, t: Any, gates: str, states: tuple[Any, ...]) -> Any:
    """torch.nn's module of one layer, its weights stacked from those of the gates (U of the input, V of the state, b and d the biases)."""
    module = getattr(torch.nn, kind)(t.D, t.K, batch_first=True).double()
    def joined(letter: str) -> Any:
        return torch.cat([getattr(t, letter + g) for g in gates.split()])
    weights = {"weight_ih_l0": joined("U"), "weight_hh_l0": joined("V"), "bias_ih_l0": joined("b"), "bias_hh_l0": joined("d")}
    state = tuple(s[None] for s in states)
    return torch.func.functional_call(module, weights, (t.x, state if len(state) > 1 else state[0]))[0]


def weights(gates: str) -> str:
    return "".join(f"param U{g} : matrix(K, D)\nparam V{g} : matrix(K, K)\nparam b{g}, d{g} : vector(K)\n" for g in gates.split())


def gate(g: str) -> str:
    return f"U{g}*x[n, t] + b{g} + V{g}*h[n, t-1] + d{g}"


RECURRENT_ROWS = [
    Row("rnn", STEPS + weights("h") + f"h[n, 0] = h0[n]\nh[n, t] = tanh({gate('h')})\na = h", lambda t: recurrent("RNN", t, "h", (t.h0,)), "N T D K", True),
    Row("lstm", STEPS + "param c0[n] : vector(K)\n" + weights("i f g o") + "h[n, 0] = h0[n]\nm[n, 0] = c0[n]\n"
        + "".join(f"{g}[n, t] = {f}({gate(g)})\n" for g, f in zip("ifgo", ("sigmoid", "sigmoid", "tanh", "sigmoid"), strict=True))
        + "m[n, t] = f[n, t].*m[n, t-1] + i[n, t].*g[n, t]\nh[n, t] = o[n, t].*tanh(m[n, t])\na = h",
        lambda t: recurrent("LSTM", t, "i f g o", (t.h0, t.c0)), "N T D K", True),
    Row("gru", STEPS + weights("r z n") + "h[n, 0] = h0[n]\n" + "".join(f"{g}[n, t] = sigmoid({gate(g)})\n" for g in "rz")
        + "e[n, t] = tanh(Un*x[n, t] + bn + r[n, t].*(Vn*h[n, t-1] + dn))\nh[n, t] = (1 - z[n, t]).*e[n, t] + z[n, t].*h[n, t-1]\na = h",
        lambda t: recurrent("GRU", t, "r z n", (t.h0,)), "N T D K", True),
]
ROWS = [*DENSE_ROWS, *CHANNEL_ROWS, *CONVOLUTION_ROWS, *POOL_ROWS, *ATTENTION_ROWS, *LOSS_ROWS, *RECURRENT_ROWS]


# ---------------------------------------------------------------------- the comparison
def prepared(row: Row, seed: int, curved: bool = False) -> tuple[Node, Node, dict[str, Array], list[str], dict[str, int]]:
    """The layer's node, a weighted sum of its entries (`curved`: of their tanh), values, what is differentiated by, and the sizes."""
    rng = np.random.default_rng(seed)
    sizes = drawn_sizes(row, rng)
    declared = "size " + ", ".join(f"{k} = {v}" for k, v in sizes.items()) + "\n" if row.fixed else ""
    graph = sg.parse(declared + row.text)
    node = graph["a"]
    used = {n.name for n in sg.core.node.topological([node]) if n.name}
    values = {k: v for k, v in drawn_values(graph, sizes, rng).items() if k in used}
    wrt = [k for k in values if k not in FIXED and not (k == "y" and "y[n]" in row.text)]
    loss = weighted(map_function("tanh", node) if curved else node, values, rng)
    return node, loss, values, wrt, sizes


def agree(got: Array, want: Any, what: str) -> None:
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=what)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_torch_agrees(row: Row, seed: int) -> None:
    node, loss, values, wrt, sizes = prepared(row, seed)
    tensors = {k: torch.tensor(v, dtype=torch.float64, requires_grad=k in wrt) for k, v in values.items()}
    answer = row.oracle(Named({**sizes, **tensors}))
    weight = next(v for k, v in values.items() if k.endswith("_weight"))
    shown = {k: v for k, v in values.items() if not k.endswith("_weight")}
    agree(sg.evaluate(node, shown), answer, "value")
    (answer * torch.tensor(weight)).sum().backward()
    d = sg.differentiate(loss, wrt=wrt)
    found, program = d.evaluate(values), sg.compile(d)(**values)
    agree(program[0], (answer * torch.tensor(weight)).sum(), "compiled value")
    for name in wrt:
        assert tensors[name].grad is not None, name
        agree(found[name], tensors[name].grad, f"by {name}")
        agree(program[1][name], tensors[name].grad, f"by {name}, compiled")


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_second_order(row: Row) -> None:
    """The Hessian times a vector against differences of the gradient along it."""
    _, loss, values, wrt, _ = prepared(row, 4, curved=True)
    rng = np.random.default_rng(5)
    for name in wrt:
        direction = rng.normal(size=values[name].shape)
        gradient = sg.differentiate(loss, wrt=[name])
        def along(t: Array, name: str = name, direction: Array = direction, gradient: sg.results.Derivation = gradient) -> Array:
            return gradient.evaluate({**values, name: values[name] + t * direction})[name]
        product = sg.hvp(loss, wrt=name).evaluate(values, **{f"{name}_dot": direction})
        np.testing.assert_allclose(product, numeric_derivative(along, np.zeros(()), step=2e-5), rtol=1e-6, atol=1e-7, err_msg=f"by {name}")


def test_a_wrong_layer_would_be_noticed() -> None:
    row = next(r for r in ROWS if r.name == "layernorm")
    node, _, values, _, sizes = prepared(row, 1)
    t = Named({**sizes, **{k: torch.tensor(v) for k, v in values.items()}})
    with pytest.raises(AssertionError):
        agree(sg.evaluate(node, {k: v for k, v in values.items() if not k.endswith("_weight")}), F.layer_norm(t.x, (t.D,), t.g, t.b, 1e-4), "eps")
