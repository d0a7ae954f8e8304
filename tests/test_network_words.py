"""Words of layers: transposed convolution, pooling, statistics kept from training, embedding, losses, causal attention and heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from blackboard import Array
from test_network_layers import _hot, _normal, _softmax, conv, drawn, gradients_agree

from symgrad.core.op import Op
from symgrad.derivations import differentiate
from symgrad.errors import InputError, NotationError
from symgrad.network import parse
from symgrad.run.executor import execute
from symgrad.verbs import compile as compile_

SIZES = {"N": 4, "D": 3, "K": 5, "m": 2, "T": 3}


def conv_transposed(x: Array, w: Array, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1, groups: int = 1) -> Array:
    """The adjoint of `conv` by its definition: <conv(u, w), x> = <u, answer> for every unit array u."""
    spatial = w.ndim - 2
    length = [(s - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1 for s, k in zip(x.shape[1:], w.shape[2:], strict=True)]
    out = np.zeros((w.shape[1] * groups, *length))
    for index in np.ndindex(out.shape):
        unit = np.zeros(out.shape)
        unit[index] = 1
        seen = conv(unit, w, stride, padding, dilation, groups)
        out[index] = (seen[(slice(None), *(slice(n) for n in x.shape[1:]))] * x).sum()
    assert spatial in (1, 2)
    return out


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("conv_transpose1d(x[n], w)", {}),
        ("conv_transpose1d(x[n], w, stride=2, padding=1)", {"stride": 2, "padding": 1}),
        ("conv_transpose1d(x[n], w, stride=3, padding=2, output_padding=2)", {"stride": 3, "padding": 2, "output_padding": 2}),
        ("conv_transpose1d(x[n], w, dilation=2, groups=2)", {"dilation": 2, "groups": 2}),
        ("conv_transpose1d(x[n], w, stride=2, dilation=3)", {"stride": 2, "dilation": 3}),
        ("conv_transpose2d(i[n], k)", {}),
        ("conv_transpose2d(i[n], k, stride=2, padding=1, output_padding=1, groups=2)", {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    ],
)
def test_transposed_convolution(call: str, options: dict[str, int]) -> None:
    head = "examples n = 1..2\ndata x[n] : matrix(4, 5)\ndata i[n] : tensor(4, 3, 2)\nparam w : tensor(4, 3, 3)\nparam k : tensor(4, 1, 3, 2)\n"
    g = parse(head + f"a[n] = {call}\nloss = sum(a.^2)")
    whole = parse(head + f"a = {call.replace('[n]', '')}\nloss = sum(a.^2)")
    values = drawn(g)
    x, w = values["i" if "i[n]" in call else "x"], values[call.split(", ")[1].rstrip(")")]
    for graph in (g, whole):
        got = execute([graph["a"]], values)[graph["a"]]
        np.testing.assert_allclose(got, np.stack([conv_transposed(e, w, **options) for e in x]), atol=1e-12)
        assert graph["a"].shape == got.shape and graph.families["a"].index == ("n",)
    gradients_agree(g, values)


def test_transposed_convolution_by_the_input_is_the_convolution() -> None:
    """<conv(u, w), x> = <u, conv_transpose(x, w)>: the derivative of the right side by x is conv(u, w), with places that stay symbols too."""
    g = parse("data x : matrix(4, L)\nparam w : tensor(4, 3, 3)\ndata u : matrix(3, M)\nloss = sum(conv_transpose1d(x, w, stride=2, padding=1).^2)/2")
    rng = np.random.default_rng(3)
    values = {"x": rng.normal(size=(4, 6)), "w": rng.normal(size=(4, 3, 3))}
    y = conv_transposed(values["x"], values["w"], 2, 1)
    got = differentiate(g, wrt="x").evaluate(values)["x"]
    np.testing.assert_allclose(got, conv(y, values["w"], 2, 1), rtol=1e-12)


@pytest.mark.parametrize("word", ["maxpool", "avgpool"])
@pytest.mark.parametrize(("name", "size", "stride", "padding"), [("x", 3, 2, 1), ("x", 2, 1, 1), ("i", 4, 3, 2), ("i", 3, 1, 1)])
def test_pooling_with_padding(word: str, name: str, size: int, stride: int, padding: int) -> None:
    """Negative arrays: a zero beyond the edge would win."""
    g = parse(f"examples n = 1..2\ndata x[n] : matrix(2, 7)\ndata i[n] : tensor(2, 5, 4)\na[n] = {word}({name}[n], {size}, {stride}, padding={padding})\n"
              "loss = sum(a.^2)")
    values = {k: v - 5 for k, v in drawn(g).items()}
    x = values[name]
    spatial = x.ndim - 2
    beyond = np.pad(x, [(0, 0)] * 2 + [(padding, padding)] * spatial, constant_values=-np.inf if word == "maxpool" else 0.0)
    lengths = [(s - size) // stride + 1 for s in beyond.shape[2:]]
    want = np.zeros((*x.shape[:2], *lengths))
    for index in np.ndindex(*lengths):
        window = beyond[(slice(None), slice(None), *(slice(i * stride, i * stride + size) for i in index))]
        want[(slice(None), slice(None), *index)] = (np.max if word == "maxpool" else np.mean)(window, axis=tuple(range(2, 2 + spatial)))
    np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], want, atol=1e-12)
    gradients_agree(g, values)


@pytest.mark.parametrize(("word", "of"), [("globalmaxpool", np.max), ("globalavgpool", np.mean)])
@pytest.mark.parametrize(("array", "axes"), [("x", 1), ("i", 2)])
def test_global_pooling(word: str, of: Callable[..., Array], array: str, axes: int) -> None:
    head = "examples n = 1..3\ndata x[n] : matrix(2, 7)\ndata i[n] : tensor(2, 5, 4)\n"
    for line in (f"a[n] = {word}({array}[n])", f"a = {word}({array})"):
        g = parse(head + line + "\nloss = sum(a.^2)")
        values = drawn(g)
        np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], of(values[array], axis=tuple(range(2, 2 + axes))))
        assert g["a"].shape == (3, 2) and g.families["a"].index == ("n",)
        gradients_agree(g, values)


@pytest.mark.parametrize("line", [
    'a[n] = batchnorm(h[n], gamma, beta, m, s, mode="eval")', 'a = batchnorm(h, gamma, beta, m, s, mode="eval")',
    'a = batchnorm(h, gamma, beta, mean=m, var=s, mode="eval")', 'a = batchnorm(h, gamma, beta, m, var=s, eps=1e-5, mode="eval")',
])
@pytest.mark.parametrize("shape", ["vector(4)", "tensor(4, 3, 2)"])
def test_batchnorm_in_evaluation(line: str, shape: str) -> None:
    g = parse(f"examples n = 1..3\ndata h[n] : {shape}\nparam gamma, beta : vector(4)\ndata m : vector(4)\ndata s : vector(4) positive\n{line}\nloss = sum(a.^3)")
    values = drawn(g) | {"s": np.random.default_rng(7).uniform(0.5, 2, 4)}
    gamma, beta, m, s = (values[k].reshape(-1, *[1] * (values["h"].ndim - 2)) for k in ("gamma", "beta", "m", "s"))
    np.testing.assert_allclose(execute([g["a"]], values)[g["a"]], gamma * (values["h"] - m) / np.sqrt(s + 1e-5) + beta, rtol=1e-12)
    gradients_agree(g, values)


def test_batchnorm_in_evaluation_at_the_statistics_of_the_batch_is_that_of_training() -> None:
    head = "examples n = 1..N\ndata h[n] : vector(D)\nparam g, b : vector(D)\ndata m, s : vector(D)\n"
    train, kept = (parse(head + f"a = batchnorm(h, g, b{rest})\nloss = sum(a)") for rest in ("", ', m, s, mode="eval"'))
    values = drawn(train) | {"g": np.arange(1.0, 4), "b": np.arange(3.0)}
    stored = {"m": values["h"].mean(0), "s": values["h"].var(0)}
    want = _normal(values["h"], 0) * values["g"] + values["b"]
    np.testing.assert_allclose(execute([train["a"]], values)[train["a"]], want, rtol=1e-12)
    np.testing.assert_allclose(execute([kept["a"]], {**values, **stored})[kept["a"]], want, rtol=1e-12)


# ---------------------------------------------------------------------- dropout
def test_testing_scale_of_dropout_is_the_mean_over_masks_only_before_a_linear_layer() -> None:
    """Every mask of three entries, weighted by its probability: exact for W'*h, not for tanh(W'*h)."""
    rng = np.random.default_rng(5)
    h, w, p = rng.normal(size=3), rng.normal(size=(3, 2)), 0.3
    g = parse("data h, mask : vector(3)\nparam W : matrix(3, 2)\nd = dropout(h, mask, 3/10)\nz = W'*d\na = tanh(z)\nloss = sum(a)")
    mean: dict[str, Any] = {"z": 0.0, "a": 0.0}
    for bits in np.ndindex(2, 2, 2):
        found = execute([g["a"]], {"h": h, "mask": np.array(bits, dtype=float), "W": w})
        for k in mean:
            mean[k] += np.prod([(1 - p) if b else p for b in bits]) * found[g[k]]
    np.testing.assert_allclose(mean["z"], w.T @ h, rtol=1e-12)
    assert np.abs(mean["a"] - np.tanh(w.T @ h)).max() > 1e-3


# ---------------------------------------------------------------------- embedding
def test_embedding() -> None:
    head = "examples n = 1..N\nindex t = 1..T\ndata c[n] : label(K)\ndata s[n, t] : label(K)\ndata k : label(K)\nparam E : matrix(K, D)\n"
    rng = np.random.default_rng(0)
    values = {"c": rng.integers(1, 6, 4).astype(float), "s": rng.integers(1, 6, (4, 3)).astype(float), "k": np.asarray(2.0), "E": rng.normal(size=(5, 3))}
    for line, of, family in (
        ("a[n] = embedding(c[n], E)", "c", ("n",)), ("a = embedding(c, E)", "c", ("n",)), ("a[n, t] = embedding(s[n, t], E)", "s", ("n", "t")),
        ("a = embedding(s, E)", "s", ("n", "t")), ("a = embedding(k, E)", "k", ()),
    ):
        g = parse(head + line + "\nloss = sum(a.^3)")
        used = {"E": values["E"], of: values[of]}
        np.testing.assert_array_equal(execute([g["a"]], used)[g["a"]], values["E"][values[of].astype(int) - 1])
        assert (g.families["a"].index if family else ()) == family
        got, want = differentiate(g).evaluate(used)["E"], np.zeros((5, 3))
        np.add.at(want, values[of].astype(int) - 1, 3 * values["E"][values[of].astype(int) - 1] ** 2)
        np.testing.assert_allclose(got, want, rtol=1e-12)


# ---------------------------------------------------------------------- losses
HEAD = """examples n = 1..N
data x[n] : vector(D)
data u[n] : vector(D)
data y[n] : vector(K)
data c[n] : label(K)
data t[n] : scalar
param W : matrix(D, K)
a[n] = W'*x[n]
b[n] = W'*u[n]
"""


def _smooth(y: Array, s: float) -> Array:
    return (1 - s) * y + s / y.shape[-1]


def _contrastive(d: dict[str, Array], margin: float) -> Any:
    apart = np.linalg.norm((d["x"] - d["u"]) @ d["W"], axis=-1)
    return (d["t"] * apart**2 + (1 - d["t"]) * np.maximum(0, margin - apart) ** 2).mean() / 2


def _infonce(d: dict[str, Array], temperature: float) -> Any:
    scores = d["x"] @ d["W"] @ (d["u"] @ d["W"]).T / temperature
    return -np.log(np.diag(_softmax(scores))).mean()


WORDS: list[tuple[str, Callable[[dict[str, Array]], Any]]] = [
    ("cross_entropy_logits(c, a, smoothing=1/5)", lambda d: -(_smooth(_hot(d["c"], 5), 0.2) * np.log(_softmax(d["x"] @ d["W"]))).sum(-1).mean()),
    ("mean[n](cross_entropy(y[n], softmax(a[n]), smoothing=0.1))", lambda d: -(_smooth(d["y"], 0.1) * np.log(_softmax(d["x"] @ d["W"]))).sum(-1).mean()),
    ("cross_entropy(c, softmax(a), smoothing=0)", lambda d: -(_hot(d["c"], 5) * np.log(_softmax(d["x"] @ d["W"]))).sum(-1).mean()),
    ("contrastive(t, a, b, margin=5)", lambda d: _contrastive(d, 5)),
    ("mean[n](contrastive(t[n], a[n], b[n]))", lambda d: _contrastive(d, 1)),
    ("infonce(a, b)", lambda d: _infonce(d, 1)),
    ("infonce(a, b, temperature=1/2)", lambda d: _infonce(d, 0.5)),
]


@pytest.mark.parametrize(("text", "want"), WORDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_loss(text: str, want: Callable[[dict[str, Array]], Any], seed: int) -> None:
    g = parse(HEAD + "loss = " + text)
    values = drawn(parse(HEAD + "loss = sum(a) + sum(b) + sum(y) + sum(t) + c[1]"), seed)
    values["t"] = np.array([1.0, 0, 0, 1])
    np.testing.assert_allclose(execute([g.output], values, sizes=SIZES)[g.output], want(values), rtol=1e-12)
    gradients_agree(g, values)


# ---------------------------------------------------------------------- attention
def _attend(q: Array, k: Array, v: Array, mask: Array | float = 0.0) -> Array:
    return _softmax(q @ k.T / np.sqrt(q.shape[-1]) + mask) @ v


@pytest.mark.parametrize("positions", [3, 5])
def test_causal_attention(positions: int) -> None:
    """More queries than keys and fewer; the sizes are symbols."""
    g = parse("param Q : matrix(M, D)\nparam C : matrix(L, D)\nparam V : matrix(L, P)\na = attention(Q, C, V, mask=causal)\nloss = sum(a.^2)")
    rng = np.random.default_rng(positions)
    values = {"Q": rng.normal(size=(4, 3)), "C": rng.normal(size=(positions, 3)), "V": rng.normal(size=(positions, 2))}
    hidden = np.where(np.arange(positions) <= np.arange(4)[:, None], 0.0, -np.inf)
    got = execute([g["a"]], values)[g["a"]]
    np.testing.assert_allclose(got, _attend(values["Q"], values["C"], values["V"], hidden), rtol=1e-12)
    gradients_agree(g, values)
    later = {**values, "V": values["V"] + np.arange(positions)[:, None] * (np.arange(positions)[:, None] > 1)}
    np.testing.assert_array_equal(execute([g["a"]], later)[g["a"]][:2], got[:2])


@pytest.mark.parametrize("mask", ["none", "causal", "B"])
@pytest.mark.parametrize("examples", [False, True])
def test_heads_are_a_family(mask: str, examples: bool) -> None:
    n = "n, " if examples else ""
    lines = ["examples n = 1..N" if examples else "", "index h = 1..H", f"data X{'[n]' if examples else ''} : matrix(m, D)", "data B : matrix(m, m)",
             "param Wq[h], Wk[h] : matrix(D, K)", "param Wv[h] : matrix(D, P)", "param Wo[h] : matrix(P, D)"]
    x = "X[n]" if examples else "X"
    lines += [f"{a}[{n}h] = {x}*W{b}[h]" for a, b in (("Q", "q"), ("C", "k"), ("V", "v"))]
    lines += [f"a[{n}h] = attention(Q[{n}h], C[{n}h], V[{n}h], mask={mask})", f"Y{'[n]' if examples else ''} = sum[h](a[{n}h]*Wo[h])", "loss = sum(Y.^2)"]
    g = parse("\n".join(lines))
    rng = np.random.default_rng(11)
    shapes = {"X": (2, 3), "B": (2, 2), "Wq": (3, 3, 5), "Wk": (3, 3, 5), "Wv": (3, 3, 4), "Wo": (3, 4, 3)}
    values = {k: rng.normal(size=s) for k, s in shapes.items() if k != "B" or mask == "B"}
    added = {"none": 0.0, "causal": np.array([[0, -np.inf], [0, 0]]), "B": values.get("B", 0.0)}[mask]
    def want(x: Array) -> Array:
        return np.sum([_attend(x @ q, x @ k, x @ v, added) @ o for q, k, v, o in zip(*(values[f"W{c}"] for c in "qkvo"), strict=True)], axis=0)
    expected = want(values["X"])
    if examples:
        values["X"] = rng.normal(size=(4, 2, 3))
        expected = np.stack([want(e) for e in values["X"]])
    np.testing.assert_allclose(execute([g["Y"]], values)[g["Y"]], expected, rtol=1e-12)
    assert differentiate(g).verify(values).ok


# ---------------------------------------------------------------------- what is refused
MISTAKES: tuple[tuple[str, str], ...] = (
    ("z = conv1d(X, F, stride=0)", "stride of conv1d is a whole number of at least 1"),
    ("z = conv1d(X, F, dilation=0)", "dilation of conv1d is a whole number of at least 1"),
    ("z = conv1d(X, F, padding=-1)", "padding of conv1d is a whole number of at least 0"),
    ("z = conv1d(X, F, dilation=9)", "the window of conv1d (3) is larger than 7, the places of its array: take a smaller window or dilation, or more padding"),
    ("z = conv1d(X, X3)", "conv1d of an array with 4 channels takes filters for 4; w is for 3: change the channels of w, or groups"),
    ("z = conv1d(X, F, groups=2)", "conv1d of an array with 4 channels takes filters for 4; w is for 4 x 2 groups"),
    ("z = conv1d(X, G, groups=2)", "the channels that go out (5) do not divide into 2 groups: change groups, or the channels of w"),
    ("z = conv_transpose1d(X, X3)", "conv_transpose1d takes w as channels in x channels out/groups x window; x has 4 channels, w is for 6"),
    ("z = conv_transpose1d(X, F4, groups=3)", "the channels that come in (4) do not divide into 3 groups"),
    ("z = conv_transpose1d(X, F4, output_padding=1)", "output_padding of conv_transpose1d is smaller than the stride or the dilation"),
    ("z = conv_transpose1d(X, F4, padding=5)", "padding=5 leaves nothing of what conv_transpose1d makes: take less padding"),
    ("z = conv_transpose1d(X, X)", "conv_transpose1d takes channels x length and in x out/groups x window"),
    ("z = conv1d(X, F, output_padding=1)", "conv1d has no argument output_padding"),
    ("z = maxpool(X, 3, padding=2)", "padding of maxpool is at most half the window, found 2 for a window of 3"),
    ("z = avgpool(X, 8)", "the window of avgpool (8) is larger than 7, the places of its array"),
    ("z = globalavgpool(u)", "globalavgpool takes channels x length or channels x height x width"),
    ("z = dropout(u, u, -1/2)", "p of dropout is at least 0 and less than 1, found -1/2"),
    ('z = dropout(u, u, 3/2, scaling="test")', "p of dropout is at least 0 and less than 1, found 3/2"),
    ("z = dropout(u, u, 1)", "p of dropout is at least 0 and less than 1, found 1"),
    ('z = dropout(u, u, 1/2, scaling="train")', 'scaling of dropout is one of "inverted", "test"'),
    ('z = batchnorm(X, u, u, mode="test")', 'mode of batchnorm is one of "train", "eval"'),
    ('z = batchnorm(X, t7, t7, mean=t7, mode="eval")', "batchnorm in evaluation uses averages kept from training: give them as data"),
    ("z = batchnorm(X, t7, t7, t7, t7)", 'leave out mean and var, or write mode="eval"'),
    ('z = batchnorm(X, t7, t7, mean=u, var=t7, mode="eval")', "mean of batchnorm is a vector of size 7; this is u (D)"),
    ("z = batchnorm(one, t7, t7)", "the values per channel must be more than 1, so give more examples or places"),
    ("z = groupnorm(X, v4, v4, groups=3)", "4 channels do not make 3 equal groups"),
    ("z = embedding(k, W)", "k (scalar) is a label of K classes, and W (D x K) has D rows"),
    ("z = embedding(u, W)", "embedding takes labels, as in `data c[n] : label(D)`; this is u (D)"),
    ("z = embedding(k, u)", "embedding takes labels and a matrix with a row for each class; this is u (D)"),
    ("z = cross_entropy(u, softmax(u), smoothing=1)", "smoothing is at least 0 and less than 1, found 1"),
    ("z = cross_entropy_logits(u, u, smoothing=-1/4)", "smoothing is at least 0 and less than 1, found -1/4"),
    ("z = mse(u, u, smoothing=1/4)", "mse has no argument smoothing"),
    ("z = contrastive(u, u, u)", "contrastive takes 1 or 0 for each pair"),
    ("z = contrastive(t, u, u, margin=0)", "margin of contrastive is positive, found 0"),
    ("z = infonce(u, u)", "infonce compares every example with every other"),
    ("z = infonce(W, W, temperature=-1)", "temperature of infonce is positive, found -1"),
    ("z = huber(u, u, delta=0)", "delta of huber is positive, found 0"),
    ("z = attention(W, W, W, mask=X)", "attention takes Q (m x d), K (n x d), V (n x p) and a mask (m x n); these are D x K, D x K, D x K, 4 x 7"),
    ("z = attention(W, W, W, mask=casual)", "casual is not declared"),
    ('z = attention(W, W, W, mask="past")', "the mask of attention is a matrix that is added to the scores, or causal"),
)


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_mistakes(line: str, message: str) -> None:
    head = ("data X : matrix(4, 7)\ndata one : matrix(1, 7)\nparam F : tensor(5, 4, 3)\nparam G : tensor(5, 2, 3)\nparam F4 : tensor(4, 2, 3)\nparam X3 : tensor(6, 3, 2)\n"
            "param W : matrix(D, K)\nparam u : vector(D)\nparam v4 : vector(4)\nparam t7 : vector(7)\nparam t : scalar\ndata k : label(K)\n")
    with pytest.raises(NotationError) as caught:
        parse(head + line)
    assert message in str(caught.value)
    assert caught.value.line == 13


def test_one_value_per_channel_is_refused_where_it_is_known() -> None:
    for text in ("examples n = 1..N\nsize N = 1\ndata h[n] : vector(D)\nparam g : vector(D)\na = batchnorm(h, g, g)",
                 "data x : matrix(D, 1)\nparam g : vector(D)\na = instancenorm(x, g, g)"):
        with pytest.raises(NotationError, match="the values per channel must be more than 1"):
            parse(text)
    parse("examples n = 1..N\nsize N = 1\ndata x[n] : matrix(D, 2)\nparam g : vector(D)\na = batchnorm(x, g, g)")   # two places: fine


def test_a_declared_name_is_meant_before_the_word_causal() -> None:
    g = parse("data causal : matrix(m, m)\nparam Q : matrix(m, D)\na = attention(Q, Q, Q, mask=causal)\nloss = sum(a)")
    assert "causal" in g.variables() and isinstance(g["a"].op, Op)


@pytest.mark.parametrize("line", ["a[n] = conv1d(x[n], w)", "a[n] = maxpool(x[n], 4)", "a[n] = avgpool(x[n], 4, 2)"])
@pytest.mark.parametrize("length", [2, 3])
def test_a_window_larger_than_its_array_is_refused_at_run_time(line: str, length: int) -> None:
    g = parse(f"examples n = 1..N\ndata x[n] : matrix(2, L)\nparam w : tensor(3, 2, 4)\nparam t : scalar\n{line}\nloss = t*sum(a.^2) + sum(w)")
    d = differentiate(g, wrt="t")
    values = {"x": np.ones((2, 2, length)), "w": np.ones((3, 2, 4)), "t": np.asarray(1.0)}
    for run in (lambda: d.evaluate(values), lambda: compile_(d)(**values)):
        with pytest.raises(InputError, match=f"is larger than its array .*2 x 2 x {length}.*: give longer arrays, or more padding"):
            run()
    longer = {**values, "x": np.ones((2, 2, 5))}
    np.testing.assert_allclose(compile_(d)(**longer)[1]["t"], d.evaluate(longer)["t"])
