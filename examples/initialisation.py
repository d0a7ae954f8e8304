"""Initialisation derived: the scale of the weights that keeps a signal, for every activation, and variances at depth 50 against random networks."""
import importlib.util

import numpy as np

import symgrad as sg

# ------------------------------------------------------------ critical scales, from the equations of the activations
for name in ("linear", "relu", "leaky_relu", "tanh", "erf", "selu", "gelu", "silu", "softplus", "sigmoid"):
    found = sg.variance_map(name)
    try:
        print(f"{name:10} {found.critical()}")
    except sg.UnsupportedError as none:
        print(f"{name:10} {none}")
a, z = sg.param("a"), sg.data("z")
leaky = sg.variance_map(sg.relu(z) - a * sg.relu(-z))
print(f"{'slope -a':10} {leaky.critical()}\n")
known = {"linear": 1, "relu": 2, "tanh": 1}
assert all(sg.variance_map(n).critical().forward == v for n, v in known.items())
assert str(leaky.critical().forward) == "2/(a**2 + 1)", "He et al. (2015), equation 15"

print(sg.variance_map("erf"), "\n")
tanh = sg.variance_map("tanh")
(fixed,) = tanh.fixed_points(1.5, 0.2)
print(f"tanh, sw = 1.5, sb = 0.2: {fixed}; {tanh.depth_scale(1.5, 0.2)}\n")


# ------------------------------------------------------------ through a network of depth 50
def network(activation: str) -> sg.Graph:
    """h <- g(W h + b), fifty times."""
    h = sg.layers.repeat(lambda h, W, b: getattr(sg, activation)(h @ W.T + b), 50, sg.data("x", "N", "K"), W=("K", "K"), b=("K",))
    return sg.graph(h=h)


for activation, scale, bias in (("tanh", 1.5**2, 0.05), ("sigmoid", 4.0, 0.1), ("relu", 1.0, 0.2)):
    derived = sg.signal(network(activation), scale, bias=bias)
    measured = derived.measure(seeds=20, sizes={"N": 4, "K": 200})
    last = derived["h_50"]
    print(f"{activation}, n Var(W) = {scale:g}, Var(b) = {bias:g}: at depth 50 derived {last.var:.4f}, measured {measured.rows[-1][2]:.4f}; "
          f"largest error of all layers {measured.worst:.1%}")
    assert measured.ok(0.05, errors=0 if activation != "relu" else 3)      # relu networks differ more: 5 % is within their standard error

# At the critical scale nothing pulls a ReLU network back to the mean: each layer's factor is 1 with variance 5/n, and fifty of them multiply. That takes
# a width of 100 000, and weights that are not written down: W h of Gaussian W and a given h is N(0, 2|h|^2/n), entry by entry.
derived = [v.var for v in sg.signal(network("relu"), "he_normal").values.values()]
assert np.allclose(derived, 1 - 1 / np.pi), "2/n keeps the variance for ever"
measured = np.zeros((20, 50))
for seed in range(20):
    rng = np.random.default_rng(seed)
    h = rng.standard_normal(100_000)
    for k in range(50):
        h = np.maximum(rng.standard_normal(h.size) * np.sqrt(2 * np.mean(h**2)), 0)
        measured[seed, k] = h.var()
print(f"relu, He, width 100 000: at depth 50 derived {derived[-1]:.4f}, measured {measured[:, -1].mean():.4f}; "
      f"largest error of all layers {np.max(np.abs(measured.mean(axis=0) / derived - 1)):.1%}")
assert np.allclose(measured.mean(axis=0), derived, rtol=0.05)
if importlib.util.find_spec("matplotlib"):               # to see: over fifty layers within one per cent of what was derived
    from symgrad.render.plots import Curves, plot
    depth = range(1, 51)
    plot(Curves({"derived": (depth, derived), "measured": (depth, measured.mean(axis=0))}, x_label="layer", y_label="variance")).save("initialisation.svg")
