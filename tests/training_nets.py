"""Names come in; small networks with data, for the tests of training, go out."""
from __future__ import annotations

import numpy as np

import symgrad as sg

DENSE = """
examples n = 1..N
size  K = 7
data  x[n] : vector(D)
data  y[n] : label(C)
param W1 : matrix(D, K)
param b1 : vector(K)
param W2 : matrix(K, C)
param b2 : vector(C)
h[n] = tanh(W1' * x[n] + b1)
z[n] = W2' * h[n] + b2
loss = cross_entropy_logits(y, z)
"""
CLASSES, WIDTH = 3, 5


def dense() -> sg.Graph:
    return sg.parse(DENSE)


def dropout_and_norm(mode: str = "train") -> sg.Graph:
    """A batch norm, a dropout and a softmax: everything that changes between training and use."""
    x, y = sg.data("x", "N", WIDTH), sg.data("y", "N", facts=f"label({CLASSES})")
    h = sg.layers.dense(x, 8, "fc")
    a = sg.layers.dropout(sg.relu(sg.layers.batch_norm(h, "bn", mode=mode)), 0.25, "drop", mode=mode)
    z = sg.layers.dense(a, CLASSES, "out")
    return sg.graph(h=h, z=z, loss=sg.layers.cross_entropy_logits(y, z))


def examples(count: int = 53, seed: int = 0) -> dict[str, np.ndarray]:
    """Labels 1, 2, 3 and features that tell them, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(1, CLASSES + 1, size=count)
    x = rng.normal(size=(count, WIDTH))
    x[:, 0] += 2 * y
    x[:, 1] -= y
    return {"x": x, "y": y.astype(float)}


def images(count: int = 24, seed: int = 0) -> tuple[sg.Graph, dict[str, np.ndarray]]:
    """A convolution with its normalisation over examples and places."""
    x, y = sg.data("x", "N", 2, 6, 6), sg.data("y", "N", facts="label(3)")
    h = sg.layers.batch_norm(sg.layers.conv2d(x, 4, 3, "c1"), "bn")
    z = sg.layers.dense(sg.layers.global_avg_pool(sg.relu(h)), 3, "out")
    rng = np.random.default_rng(seed)
    return sg.graph(z=z, loss=sg.layers.cross_entropy_logits(y, z)), {
        "x": rng.normal(size=(count, 2, 6, 6)), "y": rng.integers(1, 4, size=count).astype(float)}
