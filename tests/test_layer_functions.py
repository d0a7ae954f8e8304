"""Layers and losses of arrays and nodes alike: the value of arrays is the traced one, and PyTorch's where it has the function."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import InputError
from symgrad.ops.kernels import Array

Function = Callable[..., Any]


def agreed(torch: ModuleType, ours: Function, other: Function, arrays: dict[str, Array]) -> None:
    """The value of arrays is that of the trace and PyTorch's, and the gradients of the trace are PyTorch's."""
    found = ours(**arrays)
    shapes = {k: v.shape for k, v in arrays.items()}
    np.testing.assert_allclose(sg.evaluate(sg.trace(ours, **shapes), arrays), found, rtol=1e-12, atol=1e-14)
    leaves = {k: torch.tensor(v, requires_grad=k != "c") for k, v in arrays.items()}
    want = other(**leaves)
    np.testing.assert_allclose(found, want.detach().numpy(), rtol=1e-10, atol=1e-12)
    weight = np.random.default_rng(9).normal(size=np.shape(found))
    (want * torch.tensor(weight)).sum().backward()
    wrt = [k for k in arrays if k != "c"]
    got = sg.differentiate(sg.trace(lambda **v: np.sum(ours(**v) * weight), **shapes), wrt=wrt).evaluate(arrays)
    for k in wrt:
        np.testing.assert_allclose(got[k], leaves[k].grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=k)


@pytest.fixture
def torch() -> ModuleType:
    """PyTorch, or a skip."""
    return pytest.importorskip("torch")


def arrays(seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    n, k = rng.permutation([4, 5, 6, 7])[:2]
    return {"y": rng.normal(size=(n, k)), "z": rng.normal(size=(n, k)), "p": rng.dirichlet(np.ones(k), n), "q": rng.dirichlet(np.ones(k), n),
            "c": rng.integers(1, k + 1, n).astype(float), "t": rng.integers(0, 2, n).astype(float), "E": rng.normal(size=(k, 3))}


def theirs(torch: ModuleType) -> dict[str, tuple[Function, Function]]:
    """name -> (ours, PyTorch's) of the arrays that both name."""
    F = torch.nn.functional
    def labels(c: Any) -> Any:
        return c.long() - 1
    return {
        "mse": (lambda y, z: sg.mse(y, z), lambda y, z: F.mse_loss(z, y)), "mae": (lambda y, z: sg.mae(y, z), lambda y, z: F.l1_loss(z, y)),
        "huber": (lambda y, z: sg.huber(y, z, delta=0.3), lambda y, z: F.huber_loss(z, y, delta=0.3)),
        "hinge": (lambda y, z: sg.hinge(y, z), lambda y, z: F.relu(1 - y * z).mean()),
        "bce": (lambda p, q: sg.bce(p, q), lambda p, q: F.binary_cross_entropy(q, p)),
        "bce_logits": (lambda p, z: sg.bce_logits(p, z), lambda p, z: F.binary_cross_entropy_with_logits(z, p)),
        "kl": (lambda p, q: sg.kl(p, q), lambda p, q: F.kl_div(q.log(), p, reduction="batchmean")),
        "cross_entropy": (lambda p, q: sg.cross_entropy(p, q), lambda p, q: -(p * q.log()).sum(-1).mean()),
        "of labels": (lambda c, q: sg.cross_entropy(c, q, smoothing=0.3), lambda c, q: F.nll_loss(q.log(), labels(c)) * 0.7 - 0.3 * q.log().mean()),
        "logits": (lambda p, z: sg.cross_entropy_logits(p, z, 0.2), lambda p, z: F.cross_entropy(z, p, label_smoothing=0.2)),
        "logits of labels": (lambda c, z: sg.cross_entropy_logits(c, z), lambda c, z: F.cross_entropy(z, labels(c))),
        "contrastive": (lambda t, y, z: sg.contrastive(t, y, z, margin=3),
                        lambda t, y, z: (t * (y - z).norm(dim=-1) ** 2 + (1 - t) * F.relu(3 - (y - z).norm(dim=-1)) ** 2).mean() / 2),
        "infonce": (lambda y, z: sg.infonce(y, z, temperature=0.7), lambda y, z: F.cross_entropy(y @ z.T / 0.7, torch.arange(len(y)))),
        "embedding": (lambda c, E: sg.embedding(c, E), lambda c, E: F.embedding(labels(c), E)),
    }


CASES = ("mse", "mae", "huber", "hinge", "bce", "bce_logits", "kl", "cross_entropy", "of labels", "logits", "logits of labels", "contrastive", "infonce",
         "embedding")


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_losses_and_embedding(torch: ModuleType, name: str, seed: int) -> None:
    ours, other = theirs(torch)[name]
    code: Any = ours
    used = {k: v for k, v in arrays(seed).items() if k in code.__code__.co_varnames}
    agreed(torch, ours, other, used)


@pytest.mark.oracle
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "output", "dilation", "groups"), [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), (3, 2, 2, 2, 1), (2, 3, 0, 1, 1)])
def test_transposed_convolution(torch: ModuleType, axes: int, stride: int, padding: int, output: int, dilation: int, groups: int) -> None:
    rng = np.random.default_rng(axes)
    x, w = rng.normal(size=(2, 4, *(5, 4)[:axes])), rng.normal(size=(4, 3, *(3, 4)[:axes]))
    name = f"conv_transpose{axes}d"
    agreed(torch, lambda x, w: getattr(sg, name)(x, w, stride, padding, output, dilation, groups),
           lambda x, w: getattr(torch.nn.functional, name)(x, w, None, stride, padding, output, groups, dilation), {"x": x, "w": w})


@pytest.mark.oracle
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("window", "stride", "padding"), [(3, 2, 1), (2, None, 0), (4, 3, 2)])
def test_pooling(torch: ModuleType, axes: int, window: int, stride: int | None, padding: int) -> None:
    x = np.random.default_rng(axes).normal(size=(2, 3, *(7, 6)[:axes])) - 3
    F, end = torch.nn.functional, "1d" if axes == 1 else ""
    for kind in ("max", "avg"):
        agreed(torch, lambda x, kind=kind: getattr(sg, f"{kind}pool{end}")(x, window, stride, padding),
               lambda x, kind=kind: getattr(F, f"{kind}_pool{axes}d")(x, window, stride, padding), {"x": x})
        agreed(torch, lambda x, kind=kind: getattr(sg, f"global{kind}pool")(x, axes),
               lambda x, kind=kind: getattr(F, f"adaptive_{kind}_pool{axes}d")(x, 1).reshape(2, 3), {"x": x})


@pytest.mark.oracle
@pytest.mark.parametrize("how", ["plain", "causal", "mask"])
def test_attention(torch: ModuleType, how: str) -> None:
    rng = np.random.default_rng(2)
    values = {"q": rng.normal(size=(2, 4, 3)), "k": rng.normal(size=(2, 5, 3)), "v": rng.normal(size=(2, 5, 6))}
    if how == "mask":
        values["m"] = rng.normal(size=(4, 5))
    agreed(torch, lambda q, k, v, m=None: sg.attention(q, k, v, m, causal=how == "causal"),
           lambda q, k, v, m=None: torch.nn.functional.scaled_dot_product_attention(q, k, v, m, is_causal=how == "causal"), values)


def _mistakes(x: Any, w: Any) -> list[tuple[Function, str]]:
    return [
        (lambda: sg.conv1d(x, w, stride=0), "stride of conv1d is a whole number of at least 1, found 0"),
        (lambda: sg.conv1d(x, w, stride=1.5), "stride of conv1d is a whole number"),
        (lambda: sg.conv1d(x, w, dilation=4), "the window of conv1d (3) is larger than 5"),
        (lambda: sg.conv1d(x[:2], w), "2 channels takes filters for 2; w is for 4"),
        (lambda: sg.conv1d(x, w[:, :1], groups=4), "the channels that go out (6) do not divide into 4 groups"),
        (lambda: sg.conv_transpose1d(x, w), "x has 4 channels, w is for 6"),
        (lambda: sg.conv_transpose1d(x, x), "not ranks 2 and 2"),
        (lambda: sg.conv_transpose1d(x, w[:4], stride=2, output_padding=2), "smaller than the stride or the dilation"),
        (lambda: sg.maxpool1d(x, 2, padding=2), "at most half the window"), (lambda: sg.avgpool1d(x, 6), "the window of avgpool (6) is larger than 5"),
        (lambda: sg.globalmaxpool(x, 3), "needs as many axes"), (lambda: sg.mse(x, x[:2]), "arrays of one shape, not 4 x 5 and 2 x 5"),
        (lambda: sg.cross_entropy(x, x, smoothing=1), "smoothing is at least 0 and less than 1"),
        (lambda: sg.cross_entropy(np.array([1, 2, 6, 1]), x), "labels are whole numbers from 1 to 5"),
        (lambda: sg.embedding(np.array([0.0]), x), "labels are whole numbers from 1 to 4"),
        (lambda: sg.contrastive(x, x, x), "1 or 0 for each pair of vectors, not 4 x 5 for 4 x 5"),
        (lambda: sg.infonce(x, x, temperature=0), "temperature of infonce is positive"), (lambda: sg.huber(x, x, 0), "delta of huber is positive"),
        (lambda: sg.attention(x, x, x, np.ones((3, 3))), "a mask (m, n), not 4 x 5, 4 x 5, 4 x 5, 3 x 3"),
    ]


@pytest.mark.parametrize("nodes", [False, True])
def test_mistakes_are_refused_of_arrays_and_of_nodes(nodes: bool) -> None:
    rng = np.random.default_rng(0)
    x, w = (sg.data("x", 4, 5), sg.param("w", 6, 4, 3)) if nodes else (rng.normal(size=(4, 5)), rng.normal(size=(6, 4, 3)))
    for f, message in _mistakes(x, w):
        with pytest.raises(InputError) as caught:
            f()
        assert message in str(caught.value)
