"""Second order: the gradient and the Hessian of the logistic loss, by name (Bishop, PRML, section 4.3.3)."""
import numpy as np

import symgrad as sg

net = sg.parse("sum(log(1 + exp(-y .* (X*w))))", vars={"X": ("N", "D"), "y": ("N",), "w": ("D",)})
H = sg.hessian(net, wrt="w")
print(sg.differentiate(net, wrt="w")["w"].matrix)
print(H.matrix)
assert H.shape == ("D", "D")

rng = np.random.default_rng(2)
values = {"X": rng.normal(size=(9, 3)), "y": rng.choice([-1.0, 1.0], size=9), "w": rng.normal(size=3)}
s = 1 / (1 + np.exp(values["y"] * (values["X"] @ values["w"])))
np.testing.assert_allclose(H.evaluate(values), values["X"].T @ np.diag(s * (1 - s)) @ values["X"])

direction = rng.normal(size=3)
np.testing.assert_allclose(sg.hvp(net, wrt="w").evaluate(values, w_dot=direction), H.evaluate(values) @ direction)
assert H.verify().ok
