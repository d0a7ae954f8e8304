"""A recurrent network whose gradient explodes over forty steps: why, in singular values, and training with and without clipping."""
import importlib.util

import numpy as np

import symgrad as sg
from symgrad.training.clip import clipped

STEPS, STATES, INPUTS, EXAMPLES = 40, 16, 2, 32
net = sg.parse("""
examples n = 1..N
index t = 1..T
data  x[n,t] : vector(D)
data  y[n] : scalar
param W : matrix(H, H)
param U : matrix(H, D)
param v : vector(H)
data  h0 : vector(H)
h[n,0]  = h0
h[n,t]  = W*h[n,t-1] + U*x[n,t]
yhat[n] = v' * h[n,T]
loss    = mean[n]((yhat[n] - y[n])^2)
""")
rng = np.random.default_rng(0)
x = 0.1 * rng.normal(size=(EXAMPLES, STEPS, INPUTS))
data = {"x": x, "h0": np.zeros(STATES), "y": x[:, -5:, 0].sum(axis=1)}             # what came last is to be remembered
start = {"W": 1.2 * np.linalg.qr(rng.normal(size=(STATES, STATES)))[0], "U": 0.3 * rng.normal(size=(STATES, INPUTS)), "v": 0.3 * rng.normal(size=STATES)}

found = sg.flow(net, {**data, **start})
print(found.why, "\n")
# every step multiplies by W, whose singular values are all 1.2: that of forty 1.2^40
assert np.isclose(found.layers[-1].product_largest, 1.2 ** len(found.layers)) and np.isclose(found.layers[5].largest, 1.2)
assert "explodes" in found.why

program = sg.compile(sg.differentiate(net))


def trained(clip: tuple[str, float] | None, rate: float = 0.01, epochs: int = 300) -> list[float]:
    """The losses of gradient descent; `sg.fit(clip=...)` clips in the same way."""
    params, losses = dict(start), []
    for _ in range(epochs):
        loss, gradients = program(**data, **params)
        losses.append(float(loss))
        if not np.isfinite(loss) or loss > 1e12:
            break
        gradients = clipped(gradients, clip)
        params = {k: p - rate * gradients[k] for k, p in params.items()}
    return losses


without, within = trained(None), trained(("global", 1.0))
print(f"without clipping: loss {without[0]:.3g}, then {', '.join(f'{x:.2g}' for x in without[1:6])} ...: stopped after {len(without)} steps")
print(f"clipped at global norm 1: loss {within[0]:.3g} after {len(within)} steps {within[-1]:.3g}")
assert len(without) < 20 and within[-1] < 0.05 * within[0]
if importlib.util.find_spec("matplotlib"):               # to see: one line leaves the page at once, the other comes down
    from symgrad.render.plots import Curves, Layers, plot
    plot(Curves({"without": np.minimum(without, 1e6), "clipped": within}, title="Training", log=True),
         Layers(found.names, {"product": found.columns["product: largest"]}, "singular value", "Product of Jacobians"), columns=2).save("exploding_rnn.svg")
