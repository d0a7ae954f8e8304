"""Gradients and a bound come in; gradients within it go out: by entry, by the norm of each array, or by the norm of all together."""
from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from symgrad.errors import InputError, nearest
from symgrad.ops.kernels import Array

__all__ = ["Clip", "check_clip", "clipped", "norm_of"]

Clip = tuple[str, float] | None
WAYS = ("value", "norm", "global")


def check_clip(clip: Clip) -> Clip:
    """The way to clip, if it is one. Raises InputError."""
    if clip is None:
        return None
    if not isinstance(clip, tuple | list) or len(clip) != 2 or clip[0] not in WAYS:
        word = clip[0] if isinstance(clip, tuple | list) and clip else clip
        raise InputError(f"clip is None or a pair such as (\"global\", 1.0), its word one of {', '.join(WAYS)}, not {clip!r}{nearest(str(word), WAYS)}")
    bound = clip[1]
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound < math.inf:
        raise InputError(f"gradients are clipped at a positive number, not {bound!r}")
    return (clip[0], float(bound))


def norm_of(gradients: Mapping[str, Array]) -> float:
    """The Euclidean norm of all entries together; it does not overflow where the entries do not, and is nan or inf where one is."""
    largest = max((float(np.max(np.abs(g))) for g in gradients.values() if g.size), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return largest if all(np.all(np.isfinite(g)) for g in gradients.values()) or math.isnan(largest) else _not_finite(gradients)
    scale = largest if largest > 1e100 or largest < 1e-100 else 1.0   # only where squares would leave the range
    total = sum(float(np.vdot(a, a)) for a in (g / scale for g in gradients.values())) if scale != 1.0 else \
        sum(float(np.vdot(g, g)) for g in gradients.values())
    return scale * math.sqrt(total)


def _not_finite(gradients: Mapping[str, Array]) -> float:
    return math.nan if any(np.any(np.isnan(g)) for g in gradients.values()) else math.inf


def clipped(gradients: Mapping[str, Array], clip: Clip) -> dict[str, Array]:
    """The gradients within the bound: entries cut off at it ("value"), or arrays scaled down to it, each ("norm") or all by one factor
    ("global": Pascanu et al. 2013), which keeps the direction of the step."""
    if clip is None:
        return dict(gradients)
    way, bound = clip
    if way == "value":
        return {k: np.clip(g, -bound, bound) for k, g in gradients.items()}
    if way == "norm":
        return {k: _scaled(g, bound, norm_of({k: g})) for k, g in gradients.items()}
    norm = norm_of(gradients)
    return {k: _scaled(g, bound, norm) for k, g in gradients.items()}


def _scaled(g: Array, bound: float, norm: float) -> Array:
    return g * (bound / norm) if norm > bound else g
