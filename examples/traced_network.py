"""A network as a plain NumPy function becomes a graph, gradients in closed form, a check and a program.

The network is logistic regression of several classes: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4.
"""
import numpy as np

import symgrad as sg


def forward(X, W, b, Y):
    """The loss of softmax regression, written for arrays."""
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return {"Z": Z, "P": P, "loss": -np.sum(Y * np.log(P)) / X.shape[0]}


net = sg.trace(forward, X=("N", "D"), W=("D", "K"), b=("K",), Y=("N", "K"))
d = sg.differentiate(net, wrt=["W", "b"])
print("dL/dW =", d["W"].matrix)
print("dL/db =", d["b"].matrix)

rng = np.random.default_rng(0)
values = {"X": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "Y": np.eye(4)[[0, 1, 3, 2, 1]]}
plain = forward(**values)
gradients = d.evaluate(values)

assert "softmax" in {node.op.name for node in net.nodes()}
assert np.allclose(sg.evaluate(net, values), plain["loss"], rtol=1e-12)
assert np.allclose(gradients["W"], values["X"].T @ (plain["P"] - values["Y"]) / 5, rtol=1e-12)
assert np.allclose(gradients["b"], (plain["P"] - values["Y"]).sum(axis=0) / 5, rtol=1e-12)
assert d.verify(values).ok

loss, by_name = sg.compile(d)(**values)
assert np.allclose(loss, plain["loss"]) and np.allclose(by_name["W"], gradients["W"])
print("loss", round(float(loss), 6))
