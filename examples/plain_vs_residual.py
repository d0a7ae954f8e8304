"""50 layers of tanh with and without skip connections: He et al. (2016), Deep residual learning; Li et al. (2018), the loss landscape (L13, L17).

What to see: training stalls without skips and reaches zero with them; the singular values of d h_k/d x sink until float64 takes them for zero, or
stay between 0.03 and 12; around the end of training the loss is a field of rocks, or one bowl. Each begins from weights at a scale that suits it.
"""
import importlib.util

import numpy as np

import symgrad as sg

DEPTH, WIDTH, N, STEPS, RATE = 50, 8, 32, 300, 0.003
rng = np.random.default_rng(0)
x = rng.normal(size=(N, WIDTH))
data = {"x": x, "y": np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2}
W = rng.normal(size=(DEPTH, WIDTH, WIDTH)) / np.sqrt(WIDTH)
start = {"b": np.zeros((DEPTH, WIDTH)), "v": rng.normal(size=WIDTH) / np.sqrt(WIDTH)}
layer = {"plain": lambda h, W, b: np.tanh(h @ W + b), "residual": lambda h, W, b: h + np.tanh(h @ W + b)}


def spectrum(layer, params):
    """The singular values of d h_k/d x for each depth k, at the first example: the product of the layers' Jacobians."""
    block = sg.graph(out=layer(sg.data("h", WIDTH), sg.param("W", WIDTH, WIDTH), sg.param("b", WIDTH)))
    jacobian, product, h, found = sg.compile(sg.jacobian(block, "out", "h")), np.eye(WIDTH), x[0], []
    for W_k, b_k in zip(params["W"], params["b"], strict=True):
        product, h = jacobian(h=h, W=W_k, b=b_k) @ product, layer(h, W_k, b_k)
        found.append(np.linalg.svd(product, compute_uv=False))
    return np.array(found)


curves, spectra, planes, rocks = {}, {}, {}, {}
for name, scale in (("plain", 1.2), ("residual", 0.3)):
    h = sg.layers.repeat(layer[name], DEPTH, sg.data("x", N, WIDTH), W=(WIDTH, WIDTH), b=(WIDTH,))
    net, first = sg.graph(h=h, loss=np.mean((h.last @ sg.param("v", WIDTH) - sg.data("y", N)) ** 2)), {**start, "W": scale * W}
    fit = sg.fit(net, data, start=first, optimizer="adam", lr=RATE, epochs=STEPS, batch=N, progress=False)
    last, curves[name] = fit.params, fit.history["step_loss"]
    spectra[name], planes[name] = spectrum(layer[name], first), sg.landscape(net, last, data, steps=31)
    L, sharp = planes[name].losses, sg.sharpness(net, last, data)
    rocks[name] = sum(L[i, j] == L[i - 1:i + 2, j - 1:j + 2].min() for i in range(1, 30) for j in range(1, 30))
    print(f"{name}: loss {curves[name][0]:.2g} -> {curves[name][-1]:.1e}, singular values {spectra[name][-1].min():.1e} to {spectra[name][-1].max():.1e}, "
          f"sharpness {float(sharp):.0f}, {rocks[name]} local minima in the plane")
assert curves["plain"][-1] > 0.1 and curves["residual"][-1] < 1e-6 and rocks["plain"] > 20 * rocks["residual"]
assert spectra["plain"][-1].min() < 1e-12 and spectra["residual"][-1].min() > 1e-2
if importlib.util.find_spec("matplotlib"):
    from symgrad.render.plots import Contour, Curves, Fan, plot
    slices = {n: (p.alphas, p.losses[:, 15]) for n, p in planes.items()}
    plot(Curves(curves, title="Training", log=True), Curves(slices, "along a direction", title="Slice through the end", log=True),
         *(Fan(range(1, DEPTH + 1), s, title=f"d h_k/d x, {n}") for n, s in spectra.items()),
         *(Contour(p.alphas, p.betas, p.losses, title=f"Loss, {n}") for n, p in planes.items()), columns=2).save("plain_vs_residual.svg")
