"""Layers built in Python: a small convolutional network, its parameters counted, its gradients verified, and batch norm in evaluation."""
import numpy as np

import symgrad as sg

L = sg.layers


def network(mode):
    """The logits of images (N, 1, 8, 8), and what enters the batch norm."""
    x = sg.data("x", "N", 1, 8, 8)
    z = L.conv2d(x, 4, 3, "conv", padding=1)
    h = L.max_pool(sg.relu(L.batch_norm(z, "bn", mode=mode)), 2)
    h = L.residual(h, lambda r: L.conv2d(r, 4, 3, "inner", padding=1, activation="tanh"))
    h = L.dropout(L.global_avg_pool(h), 0.5, "drop", mode=mode)
    return z, L.dense(h, 3, "out")


z, logits = network("train")
labels = sg.data("c", "N", facts="label(3)")
net = sg.graph(z=z, logits=logits, loss=L.cross_entropy_logits(labels, logits))
print(net.summary())
assert net.shapes["conv_W"] == (4, 1, 3, 3)
assert net.count == (4 * 9 + 4) + 2 * 4 + (4 * 4 * 9 + 4) + (4 * 3 + 3)

d = sg.differentiate(net)
report = d.verify()
print(report)
assert report.ok and d.keys() == net.params

# One step of gradient descent lowers the loss.
rng = np.random.default_rng(0)
values = {name: 0.4 * rng.normal(size=shape) for name, shape in net.shapes.items()}
batch = {"x": rng.normal(size=(6, 1, 8, 8)), "c": rng.integers(1, 4, size=6), "drop_mask": rng.integers(0, 2, size=(6, 4))}
loss, gradients = sg.compile(d)(**values, **batch)
values = {name: value - 0.1 * gradients[name] for name, value in values.items()}
after = sg.evaluate(net, {**values, **batch}, of="loss")
print(f"loss {float(loss):.4f}, after a step {float(after):.4f}")
assert after < loss

# Evaluation: the statistics of the training data stand where the batch's stood, nothing is dropped, and one image is enough.
kept = sg.statistics(net, {"bn": "z"}, {**values, **batch})
evaluated = sg.graph(logits=network("eval")[1])
scores = sg.evaluate(evaluated, {**values, **kept, "x": batch["x"][:1]})
everything = sg.evaluate(evaluated, {**values, **kept, "x": batch["x"]})
np.testing.assert_allclose(scores[0], everything[0])
