"""The ratio of two values at several points comes in; the number or size that it is goes out."""
from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from symgrad.ops.kernels import Array

__all__ = ["constant_name", "ratio_of"]

NEAR = 1e-7


def ratio_of(a: Array, b: Array) -> float | None:
    """The number c with a = c*b, if there is one; None where b is zero."""
    x, y = np.ravel(a), np.ravel(b)
    fine = np.isfinite(x) & np.isfinite(y)
    x, y = x[fine], y[fine]
    norm = float(y @ y)
    if not norm > 1e-20:
        return None
    c = float(x @ y) / norm
    return c if np.max(np.abs(x - c * y)) <= NEAR * (np.max(np.abs(x)) + abs(c) * np.max(np.abs(y))) + 1e-13 else None


def constant_name(ratios: Sequence[float], sizes: Sequence[Mapping[str, int]]) -> str:
    """What the ratios are at all points: `2`, `1/N`, `sqrt(d)`, `-T`; an empty text for none of these."""
    squares = [Fraction(c * c).limit_denominator(720) for c in ratios]
    if len(set(squares)) == 1 and squares[0] and all(abs(c * c - float(squares[0])) <= 1e-7 * c * c for c in ratios):
        number = squares[0]
        up, down = math.isqrt(number.numerator), math.isqrt(number.denominator)
        if up**2 != number.numerator or down**2 != number.denominator:
            return ("-" if ratios[0] < 0 else "") + (f"1/sqrt({number.denominator})" if number.numerator == 1 else f"sqrt({number})")
    names = sorted(set.intersection(*(set(s) for s in sizes))) if sizes else []
    powers = [Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 2), Fraction(2), Fraction(-2)]
    pairs = [(n, p) for n in names for p in powers[1:]]
    groups = [(), *((x,) for x in pairs), *(q for q in itertools.combinations(pairs, 2) if q[0][0] != q[1][0])]
    for group in groups:
        rest = [c / math.prod(float(s[n]) ** float(p) for n, p in group) for c, s in zip(ratios, sizes, strict=True)]
        number = Fraction(sorted(rest)[len(rest) // 2]).limit_denominator(720)
        off = sorted(abs(r - float(number)) / abs(r) for r in rest if r)
        clear = off[: len(off) - len(off) // 4]            # rounding may blur a point in four
        if number and (not group or abs(number) in SIMPLE) and len(off) == len(rest) and clear[-1] <= 1e-6 and off[-1] <= 1e-2:
            return _text(number, group)
    return ""


SIMPLE = {Fraction(1), Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4), Fraction(3), Fraction(1, 3)}


def _text(number: Fraction, group: Sequence[tuple[str, Fraction]]) -> str:
    def power(n: str, p: Fraction) -> str:
        return n if p == 1 else f"sqrt({n})" if p == Fraction(1, 2) else f"{n}^{p}"
    above = [power(n, p) for n, p in group if p > 0]
    below = [power(n, -p) for n, p in group if p < 0]
    if abs(number.numerator) != 1 or not above:
        above.insert(0, str(abs(number.numerator)))
    if number.denominator != 1:
        below.insert(0, str(number.denominator))
    text = "*".join(above) + ("/" + ("*".join(below) if len(below) == 1 else f"({'*'.join(below)})") if below else "")
    return f"-{text}" if number < 0 else text
