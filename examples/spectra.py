"""Singular values of products of random layers against the theory: Fuss-Catalan moments, dynamical isometry, and what an activation adds.

Products of Gaussian matrices: Penson and Zyczkowski, Product of Ginibre matrices (2011). Orthogonal weights: Saxe, McClelland and Ganguli,
Exact solutions to the nonlinear dynamics of learning in deep linear neural networks (2014). With activations: Pennington, Schoenholz and
Ganguli, Resurrecting the sigmoid in deep learning through dynamical isometry (2017): the mean of the squared singular values is
chi^L, and their variance over the squared mean is L (mu_2/mu_1^2 - 1 - s_1) with mu_k = E[g'(z)^(2k)], s_1 = -1 for Gaussian weights, 0 for orthogonal ones.
"""
import importlib.util

import numpy as np

import symgrad as sg
from symgrad.training.flow_grid import deep_network
from symgrad.training.spectrum import fuss_catalan

WIDTH, SEEDS = 200, 3


def squared(activation: str, depth: int, start: str | float) -> np.ndarray:
    """Squared singular values of the Jacobian of the whole network, over some seeds."""
    net = deep_network(activation, depth)
    runs = [sg.flow(net, start=start, seed=seed, sizes={"N": 2, "K": WIDTH}) for seed in range(SEEDS)]
    return np.concatenate([np.nan_to_num(run.products[-1])**2 for run in runs])


print("linear layers, Gaussian weights of variance 1/n: mean(s^2k), measured and Fuss-Catalan")
spectra = {}
for depth in (1, 2, 4):
    s = spectra[f"depth {depth}"] = squared("linear", depth, 1.0)
    moments = [(float(np.mean(s**k)), fuss_catalan(depth, k)) for k in (1, 2, 3)]
    largest = (depth + 1)**(depth + 1) / depth**depth
    print(f"  depth {depth}: " + ", ".join(f"{m:.3f} ({t:g})" for m, t in moments) + f"; largest {s.max():.2f}, edge of the spectrum {largest:.2f}")
    assert all(abs(m / t - 1) < 0.1 for m, t in moments) and abs(s.max() / largest - 1) < 0.15

s = squared("linear", 8, "orthogonal")
print(f"linear layers, orthogonal weights, depth 8: all singular values between {s.min() ** 0.5:.12f} and {s.max() ** 0.5:.12f}")
assert np.allclose(s, 1)

print("with activations, depth 4: mean and relative variance of s^2, measured and derived")
for activation, start, s1 in (("relu", "he_normal", -1), ("relu", "orthogonal", 0), ("hardtanh", 1.0, -1), ("hardtanh", "orthogonal", 0)):
    scale = 2.0 if start == "he_normal" else 1.0
    found = sg.variance_map(activation)
    q, mean, variance = scale, 1.0, 0.0                    # what enters the first activation is n Var(W) times data of variance 1
    for _ in range(4):
        mu = found.slope_power(q)                          # slopes are 0 or 1 here, so that mu_2 = mu_1
        mean, variance, q = mean * scale * mu, variance + 1 / mu - 1 - s1, found.step(q, scale**0.5)
    s = squared(activation, 4, start)
    measured = float(s.var() / s.mean()**2)
    print(f"  {activation:8} {start!s:10} mean {s.mean():.3f} ({mean:.3f}), variance {measured:.2f} ({variance:.2f})")
    assert abs(s.mean() / mean - 1) < 0.1 and abs(measured / variance - 1) < 0.15

if importlib.util.find_spec("matplotlib"):               # to see: the deeper the product, the more of its singular values are next to 0 and the larger the last
    from symgrad.render.plots import Ridges, plot
    plot(Ridges(spectra, "squared singular value", "Products of Gaussian matrices")).save("spectra.svg")
