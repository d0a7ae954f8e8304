"""Gradient as a row, Jacobian Q x P, and Jacobians of three and four axes, whose deltas stay deltas; layouts (Piyush Rai, CS771, "Jacobians")."""
import numpy as np

import symgrad as sg

net = sg.parse("data x : vector(P)\nparam W : matrix(Q, P)\nparam b : vector(Q)\nh = tanh(W*x + b)\nloss = norm2(h)^2")

# The Jacobian of h: R^P -> R^Q is Q x P; in denominator layout it is its transpose.
J = sg.jacobian(net, of="h", wrt="x")
assert J.shape == ("Q", "P")
assert sg.jacobian(net, of="h", wrt="x", layout="denominator").shape == ("P", "Q")

# The derivative of a scalar by a vector is a row, 1 x P; the gradient, as used in an update, has the shape of x.
row, gradient = sg.jacobian(net, wrt="x", layout="numerator"), sg.jacobian(net, wrt="x")
assert row.shape == (1, "P") and gradient.shape == ("P",)
print(row.matrix, "|", gradient.matrix)

# By a matrix: three axes, Q x Q x P, with a delta, since h[i] depends on row i of W only.
tensor = sg.jacobian(net, of="h", wrt="W")
print(tensor.index)
assert tensor.shape == ("Q", "Q", "P") and "delta" in str(tensor.index)

# Of a matrix by a matrix: four axes.
X = sg.parse("A*X*B", vars={"A": ("R", "P"), "X": ("P", "Q"), "B": ("Q", "S")})
four = sg.jacobian(X, wrt="X")
print(four.index)
assert four.shape == ("R", "S", "P", "Q")

rng = np.random.default_rng(0)
values = {"x": rng.normal(size=3), "W": rng.normal(size=(2, 3)), "b": rng.normal(size=2)}
slope = 1 - np.tanh(values["W"] @ values["x"] + values["b"]) ** 2
np.testing.assert_allclose(J.evaluate(values), slope[:, None] * values["W"])
np.testing.assert_allclose(tensor.evaluate(values), np.einsum("i,ij,p->ijp", slope, np.eye(2), values["x"]))
np.testing.assert_allclose(row.evaluate(values)[0], gradient.evaluate(values))
A, B = rng.normal(size=(2, 3)), rng.normal(size=(4, 5))
np.testing.assert_allclose(four.evaluate({"A": A, "X": np.ones((3, 4)), "B": B}), np.einsum("rp,qs->rspq", A, B))
assert all(d.verify().ok for d in (J, row, tensor, four))
