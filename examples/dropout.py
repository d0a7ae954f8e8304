"""Dropout: masks are data in the derivation; the lecture's scaling at test time beside the inverted form, and when it is exact (L16)."""
import itertools

import numpy as np

import symgrad as sg

P, K = 0.25, 3
NET = """
data h : vector(K)
data y : scalar
data mask : vector(K)
param v : vector(K)
r    = dropout(h, mask, 1/4, scaling="test")
yhat = v' * r
loss = 1/2 * (yhat - y)^2
"""
net = sg.parse(NET)
d = sg.differentiate(net)
assert d.verify().ok
print("the gradient knows the mask as data:", d["v"].matrix)

rng = np.random.default_rng(0)
values = {"h": rng.normal(size=K), "v": rng.normal(size=K), "y": 0.3}
masks = [np.array(m, dtype=float) for m in itertools.product((0, 1), repeat=K)]
chance = [(1 - P) ** m.sum() * P ** (K - m.sum()) for m in masks]


def expected(what):
    """The mean of a value over all masks, each with its probability: Bernoulli(1 - p) for every unit."""
    return sum(c * sg.evaluate(net, {**values, "mask": m}, of=what) for c, m in zip(chance, masks, strict=True))


# At test time every weight is multiplied by 1 - p. A linear layer takes the mean inside, so there it is exact; behind a square it is not.
scaled = {**values, "v": (1 - P) * values["v"], "mask": np.ones(K)}
np.testing.assert_allclose(sg.evaluate(net, scaled, of="yhat"), expected("yhat"))
print(f"mean of yhat over all masks {expected('yhat'):.6f}, with weights times 1 - p {float(sg.evaluate(net, scaled, of='yhat')):.6f}")
print(f"mean of the loss {expected('loss'):.6f}, with weights times 1 - p {float(sg.evaluate(net, scaled, of='loss')):.6f}: not exact behind a square")

# The inverted form divides by 1 - p in training instead, so that nothing is left to do at test time.
inverted = sg.parse(NET.replace('scaling="test"', 'scaling="inverted"'))
mean = sum(c * sg.evaluate(inverted, {**values, "mask": m}, of="yhat") for c, m in zip(chance, masks, strict=True))
np.testing.assert_allclose(mean, values["v"] @ values["h"])
