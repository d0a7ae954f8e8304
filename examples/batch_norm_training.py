"""Batch normalisation on and off in training: Ioffe and Szegedy (2015), Batch normalization (L14).

What to see: from weights five times too large half of all tanh are saturated, and training jumps about; with batch norm the same weights train to
a loss thirty times smaller, for the values of every layer begin spread around zero, and no layer's gradient grows with its weights.
"""
import importlib.util

import numpy as np

import symgrad as sg

DEPTH, WIDTH, N, STEPS, RATE = 6, 10, 64, 200, 0.3
rng = np.random.default_rng(0)
x = rng.normal(size=(N, WIDTH))
data = {"x": x, "y": np.sin(x[:, 0]) + 0.5 * x[:, 1]}
weights = {f"l{k}_W": 5 * rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH) for k in range(1, DEPTH + 1)}
names = [f"h{k}" for k in range(1, DEPTH + 1)]


def network(normed, mode="train"):
    """Dense layers with tanh, each with a batch norm in front of the tanh or a bias, and a linear output."""
    h, found = sg.data("x", N, WIDTH), {}
    for k in range(1, DEPTH + 1):
        z = found[f"z{k}"] = sg.layers.dense(h, WIDTH, f"l{k}", bias=not normed)
        h = found[f"h{k}"] = np.tanh(sg.layers.batch_norm(z, f"bn{k}", mode=mode) if normed else z)
    return sg.graph(**found, loss=np.mean((h @ sg.param("v", WIDTH) - sg.data("y", N)) ** 2))


curves, values, norms, first, last = {}, {}, {}, {}, {}
for name, normed in (("without", False), ("batch norm", True)):
    net = network(normed)
    shapes = {n: node.shape for n, node in net.variables().items() if n in net.params}
    params = {n: weights[n] if n in weights else np.ones(s) if n.endswith("gamma") else np.zeros(s) for n, s in shapes.items()}
    params["v"] = rng.normal(size=WIDTH) / WIDTH if name == "without" else first["without"]["v"]
    program, losses, first[name] = sg.compile(sg.differentiate(net)), [], params
    values[name] = {h: sg.evaluate(net, {**data, **params}, of=h) for h in names}
    for _ in range(STEPS):
        loss, g = program(**data, **params)
        losses.append(float(loss))
        norms.setdefault(name, [float(np.linalg.norm(g[w]) * np.linalg.norm(params[w])) for w in weights])
        params = {n: params[n] - RATE * g[n] for n in g}
    curves[name], last[name] = losses, params
    flat = np.mean([np.mean(np.abs(h) > 0.99) for h in values[name].values()])
    print(f"{name:10} loss {losses[0]:.3f} -> {losses[-1]:.4f}; {flat:.0%} of the values are saturated at the start")
assert curves["batch norm"][-1] < 0.005 < 0.03 < curves["without"][-1]

# Behind a batch norm the size of weights does not matter: the value stays, and the gradient is orthogonal to the weights.
net = network(True)
larger = {n: 3 * a if n in weights else a for n, a in first["batch norm"].items()}
(loss, g), (same, _) = (sg.compile(sg.differentiate(net))(**data, **p) for p in (first["batch norm"], larger))
np.testing.assert_allclose(loss, same, rtol=1e-4)
assert all(abs(np.sum(g[w] * a)) < 1e-3 * np.linalg.norm(g[w]) * np.linalg.norm(a) for w, a in weights.items())

# In use the statistics of the training data stand in for those of the batch; over the whole set they are the same.
kept = sg.statistics(net, {f"bn{k}": f"z{k}" for k in range(1, DEPTH + 1)}, {**data, **last["batch norm"]})
np.testing.assert_allclose(sg.evaluate(network(True, "eval"), {**data, **last["batch norm"], **kept}), curves["batch norm"][-1], rtol=0.2)
if importlib.util.find_spec("matplotlib"):
    from symgrad.render.plots import Curves, Layers, Ridges, plot
    plot(Curves(curves, title="Training"), Layers(names, norms, "|gradient| |W|", "Gradients at the start"),
         *(Ridges(v, "value", f"Values at the start, {n}") for n, v in values.items()), columns=2).save("batch_norm_training.svg")
