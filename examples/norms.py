"""Batch, layer, instance, group and RMS norm: one definition, y = gamma (h - mean)/sqrt(var + eps) + beta, over different axes (L15)."""
import numpy as np

import symgrad as sg
from symgrad.ops.normalization import normalised

N, C, T = 5, 4, 6
h, gamma, beta = sg.data("h", N, C, T), sg.param("gamma", C), sg.param("beta", C)
NORMS = {                                                  # which axes of (examples, channels, places) the mean and the variance run over
    "batch": (0, 2),
    "layer": (1, 2),
    "instance": (2,),
}

rng = np.random.default_rng(0)
values = {"h": rng.normal(size=(N, C, T)), "gamma": rng.normal(size=C), "beta": rng.normal(size=C)}
for name, axes in NORMS.items():
    y = normalised(h, axes, 1, gamma, beta, 1e-5)
    x = values["h"]
    want = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5) * values["gamma"][:, None] + values["beta"][:, None]
    np.testing.assert_allclose(sg.evaluate(y, values), want, atol=1e-12)
    d = sg.differentiate(sg.graph(y=y, loss=np.sum(y**3)), ["h", "gamma", "beta"])
    report = d.verify()
    assert report.ok
    print(f"{name:8} norm over axes {axes}: {report}")

# The words of the notation are the same definition; per example, so that layer norm has the textbook's three terms.
net = sg.parse("""
data h, w : vector(D)
param gamma, beta : vector(D)
u    = layernorm(h, gamma, beta)
loss = w' * u
""")
print(sg.differentiate(net, wrt="h")["h"].matrix)
