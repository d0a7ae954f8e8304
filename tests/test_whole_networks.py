"""Two whole networks, a convolutional one and a transformer, against PyTorch and JAX: the loss and all gradients, float64."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.ops.kernels import Array

pytestmark = pytest.mark.oracle

NETWORKS = Path(__file__).parent / "networks"
LABELS = {"cnn": {"c": "K"}, "transformer": {"c": "V", "y": "V"}}    # the number of classes of each label
SEEDS = (1, 2)
Values = Mapping[str, Any]


def cnn_sizes(rng: np.random.Generator) -> dict[str, int]:
    found = dict(zip("N C C1 G F K".split(), rng.permutation(range(2, 8)).tolist(), strict=True))
    found |= dict(zip("H U".split(), rng.choice(range(9, 14), 2, replace=False).tolist(), strict=True))
    return {**found, "C2": 2 * found["G"], "C3": 8}


def transformer_sizes(rng: np.random.Generator) -> dict[str, int]:
    return dict(zip("N T A V D P F".split(), rng.permutation(range(2, 9)).tolist(), strict=True))


def network(name: str, seed: int) -> tuple[str, dict[str, int], dict[str, Array]]:
    """The text, sizes and values of a network; a size the text declares is replaced by the drawn one."""
    rng = np.random.default_rng(seed)
    text = (NETWORKS / f"{name}.sg").read_text()
    sizes = cnn_sizes(rng) if name == "cnn" else transformer_sizes(rng)
    text = re.sub(r"(?m)^size .*$", "size " + ", ".join(f"{k} = {v}" for k, v in sizes.items() if k != "N"), text)
    values: dict[str, Array] = {}
    for key, v in sg.parse(text).variables().items():
        shape = [s if isinstance(s, int) else sizes[str(s)] for s in v.shape]
        values[key] = rng.normal(size=shape) / 2
        if key in LABELS[name]:
            values[key] = rng.integers(1, sizes[LABELS[name][key]] + 1, shape).astype(float)
        if key == "mask":
            values[key] = np.triu(np.full(shape, -1e9), 1)
    return text, sizes, values


# ---------------------------------------------------------------------- PyTorch
def torch_cnn(v: Values, torch: ModuleType) -> Any:
    F = torch.nn.functional
    h = F.relu(F.batch_norm(F.conv2d(v["x"], v["w1"], padding=1), None, None, v["g1"], v["b1"], True))
    h = F.relu(F.batch_norm(F.conv2d(F.max_pool2d(h, 2), v["w2"], padding=1, stride=2), None, None, v["g2"], v["b2"], True))
    h = F.gelu(F.conv2d(h, v["w3"], groups=2)).mean((2, 3))
    h = F.relu(F.linear(h, v["W4"], v["b4"]))
    return F.cross_entropy(F.linear(h, v["W5"], v["b5"]), v["c"].long() - 1)


def torch_transformer(v: Values, torch: ModuleType) -> Any:
    F = torch.nn.functional
    def norm(x: Any, k: int) -> Any:
        return F.layer_norm(x, x.shape[-1:], v[f"g{k}"], v[f"b{k}"])
    x = v["E"][v["c"].long() - 1] + v["pos"]
    for k in (1, 2):
        q, key, value = (torch.einsum("ntd,hdp->nhtp", norm(x, 2 * k - 1), v[f"{m}{k}"]) for m in "QKV")
        x = x + torch.einsum("nhtp,hpd->ntd", F.scaled_dot_product_attention(q, key, value, v["mask"]), v[f"O{k}"])
        x = x + F.gelu(norm(x, 2 * k) @ v[f"U{k}"] + v[f"u{k}"]) @ v[f"W{k}"] + v[f"w{k}"]
    return F.cross_entropy((norm(x, 5) @ v["Z"]).flatten(0, 1), v["y"].long().flatten() - 1)


# ---------------------------------------------------------------------- JAX
def standardised(x: Any, axes: tuple[int, ...], np_: ModuleType) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np_.sqrt(x.var(axes, keepdims=True) + 1e-5)


def jax_cross_entropy(z: Any, labels: Any, jax: ModuleType) -> Any:
    return -(jax.nn.one_hot(labels.astype(int) - 1, z.shape[-1]) * jax.nn.log_softmax(z)).sum(-1).mean()


def jax_cnn(v: Values, jax: ModuleType) -> Any:
    def conv(x: Any, w: Any, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, feature_group_count=groups)
    def norm(x: Any, k: int) -> Any:
        return standardised(x, (0, 2, 3), jax.numpy) * v[f"g{k}"][:, None, None] + v[f"b{k}"][:, None, None]
    h = jax.nn.relu(norm(conv(v["x"], v["w1"], padding=1), 1))
    h = jax.lax.reduce_window(h, -np.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    h = jax.nn.relu(norm(conv(h, v["w2"], 2, 1), 2))
    h = jax.nn.gelu(conv(h, v["w3"], groups=2), approximate=False).mean((2, 3))
    h = jax.nn.relu(h @ v["W4"].T + v["b4"])
    return jax_cross_entropy(h @ v["W5"].T + v["b5"], v["c"], jax)


def jax_transformer(v: Values, jax: ModuleType) -> Any:
    np_ = jax.numpy
    def norm(x: Any, k: int) -> Any:
        return standardised(x, (-1,), np_) * v[f"g{k}"] + v[f"b{k}"]
    x = v["E"][v["c"].astype(int) - 1] + v["pos"]
    for k in (1, 2):
        q, key, value = (np_.einsum("ntd,hdp->nhtp", norm(x, 2 * k - 1), v[f"{m}{k}"]) for m in "QKV")
        scores = jax.nn.softmax(np_.einsum("nhtp,nhsp->nhts", q, key) / np.sqrt(q.shape[-1]) + v["mask"])
        x = x + np_.einsum("nhts,nhsp,hpd->ntd", scores, value, v[f"O{k}"])
        x = x + jax.nn.gelu(norm(x, 2 * k) @ v[f"U{k}"] + v[f"u{k}"], approximate=False) @ v[f"W{k}"] + v[f"w{k}"]
    return jax_cross_entropy(norm(x, 5) @ v["Z"], v["y"], jax)


Loss = Callable[[Values, ModuleType], Any]
LOSSES: dict[str, dict[str, Loss]] = {"torch": {"cnn": torch_cnn, "transformer": torch_transformer}, "jax": {"cnn": jax_cnn, "transformer": jax_transformer}}


def answers(library: str, name: str, values: Mapping[str, Array], params: list[str]) -> tuple[float, dict[str, Array]]:
    """The loss and the gradients of a library's network."""
    module, loss = pytest.importorskip(library), LOSSES[library][name]
    if library == "jax":
        module.config.update("jax_enable_x64", True)
        given = {k: module.numpy.asarray(v) for k, v in values.items()}
        value, found = module.jit(module.value_and_grad(lambda p: loss({**given, **p}, module)))({k: given[k] for k in params})
        return float(value), {k: np.asarray(g) for k, g in found.items()}
    tensors = {k: module.tensor(v, dtype=module.float64, requires_grad=k in params) for k, v in values.items()}
    value = loss(tensors, module)
    value.backward()
    return value.item(), {k: tensors[k].grad.numpy() for k in params}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["cnn", "transformer"])
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_whole_network(library: str, name: str, seed: int) -> None:
    text, _, values = network(name, seed)
    d = sg.differentiate(sg.parse(text))
    loss, wanted = answers(library, name, values, d.keys())
    value, compiled = sg.compile(d)(**values)
    found = d.evaluate(values)
    np.testing.assert_allclose(value, loss, rtol=1e-9)
    for key in d:
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-9, atol=1e-12, err_msg=key)
        np.testing.assert_allclose(compiled[key], wanted[key], rtol=1e-9, atol=1e-12, err_msg=f"{key}, compiled")


@pytest.mark.parametrize("name", ["cnn", "transformer"])
def test_the_plan_of_a_whole_network(name: str) -> None:
    """What a layer costs forward is linear in the examples, and gradients cost two to three times as much as the value."""
    text, sizes, _ = network(name, 1)
    d = sg.differentiate(sg.parse(text))
    plan = sg.schedule(d)
    forward = sum(int(s.flops.subs({x: sizes[x.name] for x in s.flops.free_symbols})) for s in plan.steps if s.phase == "forward")
    everything = int(plan.flops.subs({x: sizes[x.name] for x in plan.flops.free_symbols}))
    assert 2 * forward < everything < 4 * forward
    assert set(plan.cached) & {"a1", "p1", "z"}


@pytest.mark.parametrize(("call", "inside", "places"), [
    ("conv2d(x, w)", "C", lambda h, u: (h - 2) * (u - 1)),
    ("conv2d(x, w, stride=2, padding=1)", "C", lambda h, u: ((h - 1) // 2 + 1) * (u // 2 + 1)),
])
def test_operations_of_a_convolution(call: str, inside: str, places: Callable[[int, int], int]) -> None:
    """2 * examples * places * channels out * channels in * window; with stride 1 the gradient by x costs that for each place of x."""
    text = f"examples n = 1..N\nsize N = 4, C = 2, O = 5, H = 9, U = 6\nparam x[n] : tensor(C, H, U)\nparam w : tensor(O, C, 3, 2)\na = {call}\nsum(a.^2)"
    plan = sg.schedule(sg.differentiate(sg.parse(text)))
    step = next(s for s in plan.steps if s.name == "a")
    assert step.flops == 2 * 4 * places(9, 6) * 5 * 2 * 3 * 2
    if "stride" not in call:
        assert next(s for s in plan.steps if s.name == "d_x").flops == 2 * 4 * 9 * 6 * 5 * 2 * 3 * 2
