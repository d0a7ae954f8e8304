"""Dropout's two scalings compared: weights times 1 - p at test time, Srivastava et al. (2014), or h/(1 - p) in training, the inverted form (L16).

What to see: the two training curves lie on one another, for they are one training in two units of v; and the mean over all masks is what the
network without masks says exactly as long as only a linear layer follows (the line at 1e-15), and ever less so behind a function that bends.
"""
import importlib.util
import itertools

import numpy as np

import symgrad as sg

N, D, K, P, STEPS, RATE = 64, 2, 8, 0.5, 300, 0.1
rng = np.random.default_rng(0)
x = rng.normal(size=(N, D))
data = {"x": x, "y": np.sin(x[:, 0]) + x[:, 1]}
start = {"W": rng.normal(size=(D, K)) / np.sqrt(D), "v": rng.normal(size=K) / np.sqrt(K)}


def network(p, mode, scaling):
    """tanh(x W), dropout, a linear layer, and what follows it: the mean squared error, a sigmoid and a square."""
    h = np.tanh(sg.data("x", N, D) @ sg.param("W", D, K))
    yhat = sg.layers.dropout(h, p, "drop", mode=mode, scaling=scaling) @ sg.param("v", K)
    return sg.graph(h=h, linear=yhat, sigmoid=sg.sigmoid(yhat), square=yhat**2, loss=np.mean((yhat - sg.data("y", N)) ** 2))


# In training, test scaling with v is the inverted form with (1 - p) v: the same losses, if v moves in its own unit, (1 - p)^2 as fast.
masks = (rng.random((STEPS, N, K)) > P).astype(float)                     # masks are data, the same for both
curves, ends = {}, {}
for scaling, unit in (("test", 1.0), ("inverted", 1 - P)):
    program, params, losses = sg.compile(sg.differentiate(network(P, "train", scaling))), {**start, "v": unit * start["v"]}, []
    for mask in masks:
        loss, g = program(**data, **params, drop_mask=mask)
        losses.append(float(loss))
        params = {"W": params["W"] - RATE * g["W"], "v": params["v"] - RATE * unit**2 * g["v"]}
    curves[scaling], ends[scaling] = np.array(losses), params
np.testing.assert_allclose(*curves.values(), rtol=1e-9)
in_use = [float(sg.evaluate(network(P, "eval", s), {**data, **ends[s]}, of="loss")) for s in ends]
np.testing.assert_allclose(*in_use, rtol=1e-9)
print(f"loss in training {curves['test'][0]:.3f} -> {curves['test'][-1]:.3f}, without masks {in_use[0]:.3f}, the same for both scalings")

# When is the scaling exact? The mean over all 2^K masks, each with its probability, against the network without masks.
chances, gaps = np.linspace(0.05, 0.95, 10), {"linear": [], "sigmoid": [], "square": []}
every = np.array(list(itertools.product((0.0, 1.0), repeat=K)))
for p in chances:
    trained, used = network(float(p), "train", "inverted"), network(float(p), "eval", "inverted")
    weight = (1 - p) ** every.sum(1) * p ** (K - every.sum(1))
    for name, found in gaps.items():
        mean = sum(w * sg.evaluate(trained, {**data, **ends["inverted"], "drop_mask": np.tile(m, (N, 1))}, of=name) for w, m in zip(weight, every, strict=True))
        found.append(np.abs(mean - sg.evaluate(used, {**data, **ends["inverted"]}, of=name)).max())
print("largest gap at p = 0.05, ..., 0.95: " + "; ".join(f"{name} {y[0]:.1e} to {y[-1]:.1e}" for name, y in gaps.items()))
assert max(gaps["linear"]) < 1e-12 and min(gaps["sigmoid"]) > 1e-4 and gaps["square"][-1] > gaps["square"][0] > 1e-2
if importlib.util.find_spec("matplotlib"):
    from symgrad.render.plots import Curves, plot
    plot(Curves(curves, title="One training in two units"),
         Curves({n: (chances, y) for n, y in gaps.items()}, "probability p to drop an entry", "gap", "Mean over masks against 1 - p", log=True),
         columns=2).save("dropout_scaling.svg")
