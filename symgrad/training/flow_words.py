"""The layers of a flow come in; the paragraph that says what happens to the gradients, and why, goes out."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symgrad.training.flow import LayerFlow

__all__ = ["VANISHING", "why"]

VANISHING = 1e-3
"""A gradient that loses this factor on its way vanishes; one that gains its inverse explodes."""


def why(layers: Sequence[LayerFlow], first: float, total: float) -> str:
    """One paragraph: what happens to the gradient between the last layer and the input, the factor per layer, its bound, and what else takes part."""
    last, depth = layers[-1].gradient.norm, len(layers)
    if last == 0:
        return "The gradient behind the last layer is 0: nothing comes back, whatever the layers are."
    across = first / last
    each = across ** (1 / depth) if across > 0 else 0.0
    what = "vanishes" if across < VANISHING else "explodes" if across > 1 / VANISHING else "keeps its size" if 0.1 < across < 10 else "changes slowly"
    said = [f"The gradient {what}: from the last value back through {depth} layers its norm goes from {last:.3g} to {first:.3g}, "
            f"by a factor {each:.3g} per layer."]
    said += _bounds(layers, each) + _mean_field(layers, each) + _products(layers) + _units(layers)
    if total > 100:
        said.append(f"All parameters together have a gradient of norm {total:.3g}: clipping by global norm to c multiplies every one of them by "
                    f"c/{total:.3g} and keeps the direction; it helps against explosion, and never against vanishing.")
    return " ".join(said)


def _bounds(layers: Sequence[LayerFlow], each: float) -> list[str]:
    bounds = [r for r in layers if r.bound is not None]
    if len(bounds) < max(1, len(layers) // 2):
        return []
    slopes = {(r.activation, r.max_slope) for r in bounds if r.activation and math.isfinite(r.max_slope)}
    low, high = min(r.bound.value for r in bounds if r.bound), max(r.bound.value for r in bounds if r.bound)
    middle = bounds[len(bounds) // 2]
    assert middle.bound is not None
    most = math.exp(sum(math.log(r.bound.value) for r in bounds if r.bound and r.bound.value > 0) / len(bounds))
    kinds = sorted(slopes)
    skip = "1 + " in middle.bound.formula or " + 1" in middle.bound.formula
    if len(kinds) == 1 and not skip:
        name, slope = kinds[0]
        head = f"Each {name} layer multiplies by at most max|g'| ‖W‖ = {slope:.4g} ‖W‖"
    elif skip:
        head = f"Each layer with its skip connection has the Jacobian I + J and multiplies by at most {middle.bound.formula}"
    else:
        head = f"Each layer multiplies by at most the bound of its Jacobian, in {middle.name} {middle.bound.formula}"
    end = f"{head}, here {low:.3g} to {high:.3g}" if high > 1.001 * low else f"{head}, here {high:.3g}"
    if most < 1:
        end += f", so that {len(layers)} layers leave at most {math.exp(len(layers) * math.log(most)):.1e} of a gradient, whatever the data"
    elif each < 0.5:
        end += ", which forbids nothing by itself: what counts is the slope where the units really are"
    return [end + "."]


def _mean_field(layers: Sequence[LayerFlow], each: float) -> list[str]:
    known = [r.chi for r in layers if math.isfinite(r.chi) and r.chi > 0]
    if len(known) < max(1, len(layers) // 2):
        return []
    middle = sorted(known)[len(known) // 2]
    root = math.sqrt(middle)
    end = ("below 1, so the scale of the weights is too small for this activation" if root < 0.97
           else "above 1, so the scale of the weights is too large" if root > 1.03 else "1 up to noise: the critical scale")
    return [f"For random weights the mean factor is sqrt(chi), chi = n Var(W) E[g'(z)^2] (with a skip connection one more): {root:.3g} at the variances "
            f"measured here, {end}; the gradients say {each:.3g}{'' if abs(each / root - 1) < 0.05 else ', for the loss sends back no random direction'}."]


def _products(layers: Sequence[LayerFlow]) -> list[str]:
    last = layers[-1]
    if not math.isfinite(last.product_largest) or last.product_largest == 0:
        return [f"The product of the Jacobians of all {len(layers)} layers is {last.product_largest:.3g}: beyond what double precision can hold."]
    least = f"{last.product_smallest:.3g}" if last.product_smallest == last.product_smallest and last.product_smallest > 0 else "less than rounding shows"
    one = layers[0]
    if one.smallest != one.smallest:
        return [f"The largest singular value of the first layer's Jacobian is {one.largest:.3g}, "
                f"that of the product of all {len(layers)} {last.product_largest:.3g}."]
    return [f"The singular values of one layer's Jacobian lie between {one.smallest:.3g} and {one.largest:.3g}, those of the product of all "
            f"{len(layers)} between {least} and {last.product_largest:.3g}."]


def _units(layers: Sequence[LayerFlow]) -> list[str]:
    out = []
    saturated = [r.saturated for r in layers if r.saturated == r.saturated]
    dead = [r.dead for r in layers if r.dead == r.dead]
    if saturated and max(saturated) > 0.05 and max(dead) < max(saturated):
        out.append(f"Up to {max(saturated):.0%} of the units are where the slope is below 1 % of its largest.")
    if dead and max(dead) > 0:
        out.append(f"Up to {max(dead):.0%} of the units of a layer are dead: their slope is 0 for every example, and no gradient reaches their weights.")
    return out
