"""Thirty sigmoid layers against thirty ReLU layers: what each does to a gradient, the derived bound behind it, and what skip connections change."""
import importlib.util

import symgrad as sg
from symgrad.training.flow_grid import deep_network

DEPTH, WIDTH = 30, 100
sizes = {"N": 16, "K": WIDTH}

sigmoid = sg.flow(deep_network("sigmoid", DEPTH), start="glorot_normal", sizes=sizes)
relu = sg.flow(deep_network("relu", DEPTH), start="he_normal", sizes=sizes)
skips = sg.flow(deep_network("sigmoid", DEPTH, skip=True), start="glorot_normal", sizes=sizes)

for name, found in (("sigmoid, Glorot", sigmoid), ("ReLU, He", relu), ("sigmoid with skip connections", skips)):
    print(f"{name}: {found.why}\n")


def across(found) -> float:
    """What is left of a gradient behind all layers."""
    return found.first_gradient.norm / found.layers[-1].gradient.norm


# the bound is derived from the equation of the sigmoid: its slope is at most 1/4
assert all(r.max_slope == 0.25 and r.largest <= r.bound.value < 0.55 and r.bound.formula.startswith("0.25 ‖W[") for r in sigmoid.layers)
# what random weights do in the mean: sqrt(n Var(W) E[g'(z)^2])
(fixed,) = sg.variance_map("sigmoid").fixed_points(sw=1.0)
chi = fixed.chi
print(f"derived for sigmoid and n Var(W) = 1: a factor {chi**0.5:.3f} per layer; measured {across(sigmoid) ** (1 / DEPTH):.3f}")
assert abs(across(sigmoid) ** (1 / DEPTH) / chi**0.5 - 1) < 0.05
assert across(sigmoid) < 1e-15 and 0.1 < across(relu) < 10 and 0.1 < across(skips) < 10
assert sg.variance_map("relu").critical().backward == 2

print(sg.flow_grid(("sigmoid", "relu"), ("glorot_normal", "he_normal"), depth=DEPTH, width=WIDTH))

if importlib.util.find_spec("matplotlib"):               # to see: one line falls through eighteen powers of ten, two stay level
    from symgrad.render.plots import Curves, plot
    kinds = {"sigmoid": sigmoid, "ReLU": relu, "sigmoid + skip": skips}
    gradients = {name: (range(DEPTH + 1), [found.first_gradient.norm, *found.columns["|gradient|"]]) for name, found in kinds.items()}
    products = {name: (range(1, DEPTH + 1), found.columns["product: largest"]) for name, found in kinds.items()}
    plot(Curves(gradients, "layer", "norm", "Gradient by the value", log=True), Curves(products, "layer", "largest singular value", "Product", log=True),
         columns=2).save("vanishing_gradients.svg")
