"""The same steps by PyTorch: its autograd, optimisers, clipping and batch norm from the same start agree to 1e-8 over fifty steps."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from training_nets import dense, dropout_and_norm, examples, images

import symgrad as sg
from symgrad.training.clip import clipped
from symgrad.training.init import initial
from symgrad.training.optimizers import make_optimizer

pytestmark = pytest.mark.oracle
TOLERANCE = 1e-8
BATCH, EPOCHS = 11, 10                                     # five batches an epoch, the last of nine
torch: Any = pytest.importorskip("torch")

OPTIMISERS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "sgd": ({"optimizer": "sgd", "lr": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
    "sgd decay": ({"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.02}, lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.02)),
    "momentum": ({"optimizer": "momentum", "lr": 0.05}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "dampening": ({"optimizer": "sgd", "lr": 0.05, "momentum": 0.8, "dampening": 0.3}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, dampening=0.3)),
    "nesterov": ({"optimizer": "nesterov", "lr": 0.05, "weight_decay": 0.01},
                 lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "adam": ({"optimizer": "adam", "lr": 0.01}, lambda p: torch.optim.Adam(p, lr=0.01)),
    "adam options": ({"optimizer": "adam", "lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1},
                     lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "adamw": ({"optimizer": "adamw", "lr": 0.01}, lambda p: torch.optim.AdamW(p, lr=0.01)),
    "adamw decay": ({"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.3}, lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3)),
    "rmsprop": ({"optimizer": "rmsprop", "lr": 0.01}, lambda p: torch.optim.RMSprop(p, lr=0.01)),
    "rmsprop all": ({"optimizer": "rmsprop", "lr": 0.01, "alpha": 0.9, "eps": 1e-6, "momentum": 0.7, "centered": True, "weight_decay": 0.01},
                    lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6, momentum=0.7, centered=True, weight_decay=0.01)),
}


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {k: torch.tensor(np.asarray(a), dtype=torch.float64, requires_grad=True) for k, a in arrays.items()}


def batches(count: int, seed: int) -> list[np.ndarray]:
    """The order that `fit` documents: a permutation for each epoch, drawn from (seed, 1, epoch)."""
    return [order[k:k + BATCH] for e in range(1, EPOCHS + 1) for order in [np.random.default_rng((seed, 1, e)).permutation(count)]
            for k in range(0, count, BATCH)]


def torch_loss(p: dict[str, Any], x: Any, y: Any) -> Any:
    z = torch.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return torch.nn.functional.cross_entropy(z, y)


def by_torch(start: dict[str, np.ndarray], data: dict[str, np.ndarray], make: Callable[[Any], Any], seed: int,
             between: Callable[[list[Any]], object] = lambda p: None, rate: Callable[[int], float] | None = None) -> dict[str, np.ndarray]:
    p = tensors(start)
    optimiser = make(list(p.values()))
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"]).long() - 1
    for step, rows in enumerate(batches(len(x), seed)):
        optimiser.zero_grad()
        torch_loss(p, x[rows], y[rows]).backward()
        between(list(p.values()))
        if rate is not None:
            optimiser.param_groups[0]["lr"] = rate(step)
        optimiser.step()
    return {k: v.detach().numpy() for k, v in p.items()}


def distance(a: Any, b: Any) -> float:
    assert a.keys() == b.keys()
    return max(float(np.max(np.abs(a[k] - b[k]))) for k in a)


def start_of(net: sg.Graph, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return initial(net, "glorot", seed=4, data=data, sizes={"C": 3})


@pytest.mark.parametrize("name", OPTIMISERS)
def test_fifty_steps_agree(name: str) -> None:
    options, make = OPTIMISERS[name]
    net, data = dense(), examples()
    start = start_of(net, data)
    fit = sg.fit(net, data, start=start, epochs=EPOCHS, batch=BATCH, seed=3, **options)
    assert fit.steps == 50
    theirs = by_torch(start, data, make, 3)
    assert distance(fit.params, theirs) < TOLERANCE
    assert distance(fit.params, start) > 1e-2, "something was learned"


def test_the_comparison_tells_wrong_steps() -> None:
    net, data = dense(), examples()
    start = start_of(net, data)
    fit = sg.fit(net, data, start=start, epochs=EPOCHS, batch=BATCH, seed=3, optimizer="adam", lr=0.01, eps=1e-6)
    assert distance(fit.params, by_torch(start, data, OPTIMISERS["adam"][1], 3)) > 100 * TOLERANCE       # another eps
    fit = sg.fit(net, data, start=start, epochs=EPOCHS, batch=BATCH, seed=4, optimizer="adam", lr=0.01)
    assert distance(fit.params, by_torch(start, data, OPTIMISERS["adam"][1], 3)) > 100 * TOLERANCE       # other batches


def test_clipping_by_value_and_a_schedule_agree() -> None:
    net, data = dense(), examples()
    start = start_of(net, data)
    fit = sg.fit(net, data, start=start, epochs=EPOCHS, batch=BATCH, seed=3, optimizer="adam", lr=0.01, clip=("value", 0.01), schedule="cosine")
    theirs = by_torch(start, data, OPTIMISERS["adam"][1], 3, lambda p: torch.nn.utils.clip_grad_value_(p, 0.01),
                      lambda step: 0.01 * 0.5 * (1 + np.cos(np.pi * step / 50)))
    assert distance(fit.params, theirs) < TOLERANCE


def test_clipping_by_global_norm_agrees_but_for_the_guard() -> None:
    """PyTorch divides by norm + 1e-6."""
    rng = np.random.default_rng(0)
    g = {k: rng.normal(size=(4, 3)) for k in "abc"}
    p = [torch.zeros(4, 3, dtype=torch.float64, requires_grad=True) for _ in g]
    for t, a in zip(p, g.values(), strict=True):
        t.grad = torch.tensor(a)
    torch.nn.utils.clip_grad_norm_(p, 0.5)
    ours = clipped(g, ("global", 0.5))
    assert max(np.max(np.abs(t.grad.numpy() - ours[k])) for t, k in zip(p, g, strict=True)) < 1e-6


def test_fifty_steps_with_batch_norm_and_its_running_statistics_agree() -> None:
    net, data = dropout_and_norm(), examples()
    start = initial(net, "he_normal", seed=1, data=data)
    fit = sg.fit(net, data, start=start, epochs=EPOCHS, batch=BATCH, seed=3, optimizer="nesterov", lr=0.05, masks={"drop_mask": 0.25})
    p = tensors(start)
    norm = torch.nn.BatchNorm1d(8, dtype=torch.float64)
    norm.weight, norm.bias = torch.nn.Parameter(p["bn_gamma"]), torch.nn.Parameter(p["bn_beta"])
    optimiser = torch.optim.SGD([*(v for k, v in p.items() if not k.startswith("bn")), *norm.parameters()], lr=0.05, momentum=0.9, nesterov=True)
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"]).long() - 1
    for step, rows in enumerate(batches(len(x), 3), 1):
        mask = torch.tensor((np.random.default_rng((3, 3, step)).random((len(rows), 8)) >= 0.25) / 0.75)
        optimiser.zero_grad()
        a = torch.relu(norm(x[rows] @ p["fc_W"] + p["fc_b"])) * mask
        torch.nn.functional.cross_entropy(a @ p["out_W"] + p["out_b"], y[rows]).backward()
        optimiser.step()
    theirs = {**{k: v.detach().numpy() for k, v in p.items()}, "bn_gamma": norm.weight.detach().numpy(), "bn_beta": norm.bias.detach().numpy()}
    assert distance(fit.params, theirs) < TOLERANCE
    assert distance(fit.statistics, {"bn_mean": norm.running_mean.numpy(), "bn_var": norm.running_var.numpy()}) < TOLERANCE
    norm.eval()
    z = torch.relu(norm(x @ p["fc_W"] + p["fc_b"])) @ p["out_W"] + p["out_b"]
    assert np.max(np.abs(fit.predict("z", {"x": data["x"]}) - z.detach().numpy())) < TOLERANCE


def test_batch_norm_over_places_agrees() -> None:
    net, data = images()
    start = initial(net, seed=2)
    fit = sg.fit(net, data, start=start, epochs=5, batch=5, optimizer="adam", lr=0.01)
    p = tensors(start)
    norm = torch.nn.BatchNorm2d(4, dtype=torch.float64)
    norm.weight, norm.bias = torch.nn.Parameter(p["bn_gamma"]), torch.nn.Parameter(p["bn_beta"])
    optimiser = torch.optim.Adam([*(v for k, v in p.items() if not k.startswith("bn")), *norm.parameters()], lr=0.01)
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"]).long() - 1
    for e in range(1, 6):
        order = np.random.default_rng((0, 1, e)).permutation(len(x))
        for rows in (order[k:k + 5] for k in range(0, len(x), 5)):
            optimiser.zero_grad()
            h = norm(torch.nn.functional.conv2d(x[rows], p["c1_W"], p["c1_b"]))
            torch.nn.functional.cross_entropy(torch.relu(h).mean(dim=(2, 3)) @ p["out_W"] + p["out_b"], y[rows]).backward()
            optimiser.step()
    # The bias before a batch norm has gradient 0 but for rounding, and Adam steps by its sign: it is as good anywhere, and is left out.
    ours = {k: v for k, v in fit.params.items() if k != "c1_b"}
    assert distance(ours, {**{k: p[k].detach().numpy() for k in ("c1_W", "out_W", "out_b")}, "bn_gamma": norm.weight.detach().numpy(),
                           "bn_beta": norm.bias.detach().numpy()}) < 1e-6
    assert np.allclose(fit.statistics["bn_var"], norm.running_var.numpy(), atol=1e-8)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "nesterov"])
def test_update_rules_agree_on_scalars_and_vanishing_gradients(name: str) -> None:
    """No network: gradients of very different sizes, zeros among them."""
    options, make = OPTIMISERS[name]
    rule = make_optimizer(options["optimizer"], **{k: v for k, v in options.items() if k not in ("optimizer", "lr")})
    rng = np.random.default_rng(0)
    params: dict[str, Any] = {"a": np.array(1.5), "b": rng.normal(size=(2, 3, 4))}
    p = tensors(params)
    optimiser, state = make(list(p.values())), {}
    for step in range(50):
        g = {k: np.asarray(rng.normal(size=np.shape(a)) * 10.0 ** -(step % 8) * (step % 3 > 0)) for k, a in params.items()}
        for k, t in p.items():
            t.grad = torch.tensor(g[k])
        optimiser.step()
        params, state = rule.step(params, g, state, options["lr"])
    assert distance(params, {k: t.detach().numpy() for k, t in p.items()}) < 1e-12
