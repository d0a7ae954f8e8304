"""A network built in Python: operators as in NumPy, names given at the end, the program compiled."""
import numpy as np

import symgrad as sg

x, y = sg.data("x", "N", "D"), sg.data("y", "N")
W, b, v = sg.param("W", "D", "K"), sg.param("b", "K"), sg.param("v", "K")
h = sg.tanh(x @ W + b)
e = h @ v - y
net = sg.graph(h=h, e=e, loss=0.5 * (e @ e))

d = sg.differentiate(net)
print(d)
assert d["v"].shape == ("K",)

f = sg.compile(d)
print(f.source)

rng = np.random.default_rng(1)
values = {"x": rng.normal(size=(6, 3)), "y": rng.normal(size=6), "W": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=4)}
value, gradients = f(**values)
H = np.tanh(values["x"] @ values["W"] + values["b"])
E = H @ values["v"] - values["y"]
np.testing.assert_allclose(value, 0.5 * E @ E)
np.testing.assert_allclose(gradients["v"], H.T @ E)
np.testing.assert_allclose(gradients["b"], ((E[:, None] * values["v"]) * (1 - H**2)).sum(axis=0))
assert d.verify().ok
