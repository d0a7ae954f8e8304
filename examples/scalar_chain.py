"""The scalar chain x -> h -> yhat -> l: both chains factor by factor, in closed form, and in numbers (Piyush Rai, CS771)."""
from pathlib import Path

import numpy as np

import symgrad as sg

net = sg.parse(Path(__file__).with_name("scalar_chain.sg").read_text())
d = sg.differentiate(net, wrt=["w", "v"])

for name in d:
    print(d[name].chain)
    print(d[name].matrix)
assert str(d["w"].chain).startswith("jac(loss, yhat) * jac(yhat, h) * jac(h, w)")
assert str(d["v"].chain).startswith("jac(loss, yhat) * jac(yhat, v)")

# Numbers: g = tanh and l = (y - yhat)^2, given with its derivatives by the second argument.
values = {"x": 0.5, "y": 1.0, "w": 0.8, "v": -1.2}

functions = {"g": "tanh", "l": (lambda y, p: (y - p) ** 2, lambda y, p: -2 * (y - p))}
found = d.evaluate(values, functions=functions)
h = np.tanh(0.4)
np.testing.assert_allclose(found["v"], -2 * (1.0 + 1.2 * h) * h)
np.testing.assert_allclose(found["w"], -2 * (1.0 + 1.2 * h) * -1.2 * (1 - h**2) * 0.5)

report = d.verify()
print(report)
assert report.ok
