"""Both forms of the lecture's gradients for one hidden layer, shown to be equal (Piyush Rai, CS771, "Backpropagation through an example")."""
from pathlib import Path

import numpy as np

import symgrad as sg

net = sg.parse(Path(__file__).with_name("regression.sg").read_text())
d = sg.differentiate(net, wrt=["v", "W"])

print(d["v"].index)
print(d["W"].index)
assert str(d["v"].index) == "D[k] = -sum[n](e[n]*h[n,k])"
assert str(d["v"].matrix) == "-h'*e"

# The component form and the matrix form are read back as text and evaluated apart from each other.
rng = np.random.default_rng(0)
N, D, K = 7, 3, 4
values = {"x": rng.normal(size=(N, D)), "y": rng.normal(size=N), "W": rng.normal(size=(D, K)), "v": rng.normal(size=K)}
for name in ("v", "W"):
    matrix = sg.evaluate(net.parse(str(d[name].matrix)), values, functions={"g": "tanh"})
    index = sg.evaluate(net.parse(str(d[name].index)), values, functions={"g": "tanh"})
    np.testing.assert_allclose(matrix, index, rtol=1e-12)

# By hand, as on the slides, with g = tanh: e_n, h_nk, and the two sums.
h = np.tanh(values["x"] @ values["W"])
e = values["y"] - h @ values["v"]
found = d.evaluate(values, functions={"g": "tanh"})
np.testing.assert_allclose(found["v"], -np.einsum("n,nk->k", e, h))
np.testing.assert_allclose(found["W"], -np.einsum("n,k,nk,nd->dk", e, values["v"], 1 - h**2, values["x"]))

report = d.verify()
print(report)
assert report.ok
