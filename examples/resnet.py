"""A residual network of 300 blocks: its gradients said once for every block, the paths of the skip connections, and why they do not vanish."""
from time import perf_counter

import numpy as np

import symgrad as sg

BLOCKS, WIDTH = 300, 8


def network(blocks: int, skip: bool) -> sg.Graph:
    """h = x, then h <- h + tanh(W h) block after block (without the skip connection: tanh(W h)), and the squared norm of what comes out."""
    x = sg.param("x", WIDTH)
    h = sg.layers.repeat(lambda h, W: (h if skip else 0) + np.tanh(W @ h), blocks, x, W=(WIDTH, WIDTH))
    return sg.graph(h=h, loss=np.sum(h.last**2))


started = perf_counter()
net = network(BLOCKS, skip=True)
d = sg.differentiate(net, ["x", "W"])
print(f"{BLOCKS} blocks, {net.count} parameters, derived in {perf_counter() - started:.1f} s\n")
print(d["W"].index, "\n")
print(d["x"].paths, "\n")

form = d["W"].index
assert "said once" in form.note and len(form.text.split("\n")) == 3

rng = np.random.default_rng(0)
values = {"x": rng.normal(size=WIDTH), "W": 0.3 * rng.normal(size=(BLOCKS, WIDTH, WIDTH)) / np.sqrt(WIDTH)}
for skip in (True, False):
    small = network(20, skip)
    first = {"x": values["x"], "W": values["W"][:20]}
    J = sg.jacobian(small, of="h_20", wrt="x").evaluate(first)
    largest, least = np.linalg.svd(J, compute_uv=False)[[0, -1]]
    assert (least > 0.01) == skip, "what vanishes without the skip connections does not with them"
    print(f"20 blocks {'with' if skip else 'without'} skip connections: singular values of the Jacobian from {least:.1e} to {largest:.1e}")

gradient = d.evaluate(values)["W"]
print(f"\nthe gradient of the first block has {np.linalg.norm(gradient[0]) / np.linalg.norm(gradient[-1]):.2f} times the norm of the last one's")
