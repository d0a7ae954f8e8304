"""The word for a learning-rate schedule, the rate and the number of steps come in; the rate at each step goes out."""
from __future__ import annotations

import math
from collections.abc import Callable

from symgrad.errors import InputError, nearest

__all__ = ["SCHEDULES", "Rate", "Schedule", "depends_on_length", "rate_of"]

Rate = Callable[[int], float]
Schedule = str | Rate
"""A word, or a function of the step, counted from 0, that gives the rate itself."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "step": lambda t: 0.1 ** ((t >= 0.5) + (t >= 0.75)),   # as He et al. (2016): a tenth at one half, again at three quarters
    "linear": lambda t: 1 - t,
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)), # Loshchilov and Hutter (2017), without restarts
}
"""The factor of the rate, by the share of the steps that are done."""
WARMUP = "warmup"


def rate_of(schedule: Schedule, rate: float, steps: int, warmup: float = 0.1) -> Rate:
    """The rate at each of `steps` steps. "warmup+cosine", or "warmup+" any word: first it rises in a line for a share `warmup` of the steps.

    Raises InputError for a word that is none, for a rate that is not positive and for a function that gives no number.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise InputError(f"the learning rate is a positive number, not {rate!r}")
    if not isinstance(schedule, str):
        if not callable(schedule):
            raise InputError(f"a schedule is a word ({', '.join(SCHEDULES)}) or a function of the step, not {schedule!r}")
        return _checked(schedule)
    if not 0 <= warmup < 1:
        raise InputError(f"the warm-up takes a share of the steps, at least 0 and less than 1, not {warmup!r}")
    first, plus, word = schedule.rpartition("+")
    if word not in SCHEDULES or (plus and first != WARMUP):
        words = [*SCHEDULES, *(f"{WARMUP}+{w}" for w in SCHEDULES)]
        raise InputError(f"there is no schedule {schedule!r}{nearest(schedule, words)}; known are {', '.join(words)}, and functions of the step")
    rising = math.ceil(warmup * steps) if plus else 0
    factor = SCHEDULES[word]

    def at(step: int) -> float:
        if step < rising:
            return rate * (step + 1) / rising
        return rate * factor((step - rising) / max(1, steps - rising))
    return at


def _checked(given: Rate) -> Rate:
    def at(step: int) -> float:
        rate = given(step)
        if not isinstance(rate, int | float) or not 0 <= rate < math.inf:
            raise InputError(f"the schedule gives {rate!r} at step {step}: a learning rate is a number, at least 0")
        return float(rate)
    return at


def depends_on_length(schedule: Schedule) -> bool:
    """Whether the rates change with the number of steps, so that a longer run is another run from its first step on."""
    return isinstance(schedule, str) and schedule != "constant"
