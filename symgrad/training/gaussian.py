"""A function of one number comes in as a sympy expression in z; its expectation for z ~ N(mean, var) goes out, closed where there is a form."""
from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp
from sympy import Expr, Symbol

from symgrad.core import equation as eq
from symgrad.core.functions import EQUATIONS, KINKS, defined_equation, function_name, z
from symgrad.core.op import Op, make_op
from symgrad.core.symbols import from_sympy
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import evaluate_op

__all__ = ["Expectation", "breaks", "closed_form", "expectation", "function_of", "pieces", "quadrature", "z"]

_WIDTH = 12.0
"""So many standard deviations from the mean there is nothing left in double precision."""
_TOLERANCE, _SMOOTH = 1e-11, 4.0


class Expectation(sp.Function):  # type: ignore[misc]  # sympy has no types
    """E[g(z)] for z ~ N(mean, var) where it has no closed form: arguments g, mean, var; `doit()` writes the integral."""

    nargs = 3
    is_real = True

    def doit(self, **hints: object) -> Expr:
        """The integral over the normal density."""
        g, mean, var = self.args
        return sp.Integral(g * sp.exp(-(z - mean)**2 / (2 * var)) / sp.sqrt(2 * sp.pi * var), (z, -sp.oo, sp.oo))

    def _sympystr(self, printer: sp.printing.str.StrPrinter) -> str:
        g, mean, var = (printer.doprint(a) for a in self.args)
        return f"E[{g}; z ~ N({mean}, {var})]"


# ---------------------------------------------------------------------- as a function of arrays
@functools.cache
def function_of(g: Expr) -> Callable[[Array], Array]:
    """The function as a kernel for arrays. Raises UnsupportedError for what has no equation."""
    op = _op(g)

    def applied(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(evaluate_op(op, [x.reshape(-1)], (x.size,), {}), dtype=float), (x.size,)).reshape(x.shape)
    return applied


def _op(g: Expr) -> Op:
    g = g.replace(lambda e: isinstance(e, sp.Float), lambda e: sp.Rational(str(e)))
    body = eq.transform(from_sympy(g, {"z": 0}), lambda e: ("r", 0, ("o0",)) if e[0] == "r" else e)
    return make_op("activation", (1,), ("o0",), body)


# ---------------------------------------------------------------------- smooth pieces between kinks
def _spelled(g: Expr) -> Expr:
    """The functions that an equation defines put in, down to those that sympy knows and those with kinks."""
    while True:
        found = [f for f in g.atoms(sp.Function) if function_name(f) in EQUATIONS]
        if not found:
            return g
        g = g.xreplace({f: defined_equation(function_name(f)).xreplace({z: f.args[0]}) for f in found})


def breaks(g: Expr) -> tuple[Expr, ...] | None:
    """Where the function has kinks or jumps, in order; None where a kink's argument is not linear in z, so that they are not known."""
    found: set[Expr] = set()
    for f in _kinks(_spelled(g)):
        argument = sp.expand(f.args[0])
        slope = argument.coeff(z)
        if argument.has(sp.Function) or not slope.is_number or slope == 0 or sp.expand(argument - slope * z).has(z):
            return None
        found.add(-argument.subs(z, 0) / slope)
    return tuple(sorted(found, key=float))


def _kinks(g: Expr) -> list[Expr]:
    return [f for f in g.atoms(sp.Function) if function_name(f) in KINKS or isinstance(f, sp.Abs | sp.sign)]


def pieces(g: Expr) -> list[tuple[Expr, Expr, Expr]] | None:
    """(from, to, the smooth expression between) for every piece of the line; None where the kinks are not known."""
    at = breaks(g)
    if at is None:
        return None
    g = _spelled(g)
    ends = [-sp.oo, *at, sp.oo]
    out = []
    for low, high in itertools.pairwise(ends):
        inside = high - 1 if low == -sp.oo and high != sp.oo else low + 1 if high == sp.oo and low != -sp.oo else 0 if low == -sp.oo else (low + high) / 2
        piece = g
        while kinks := _kinks(piece):
            piece = piece.xreplace({f: _settled(f, inside) for f in kinks})
        out.append((low, high, piece))
    return out


def _settled(f: Expr, inside: Expr) -> Expr:
    """A function with a kink on a side of it."""
    positive = float(f.args[0].subs(z, inside)) > 0
    word = {"Abs": "abs"}.get(function_name(f), function_name(f))
    return {"relu": f.args[0] if positive else sp.S.Zero, "step": sp.S.One if positive else sp.S.Zero, "sign": sp.S.One if positive else -sp.S.One,
            "abs": f.args[0] if positive else -f.args[0]}[word]


# ---------------------------------------------------------------------- closed forms
@functools.cache
def closed_form(g: Expr, mean: Expr, var: Expr) -> Expr | None:
    """E[g(z)] for z ~ N(mean, var) as an expression in `mean` and `var`, var > 0; None where no rule applies.

    Between kinks, sums of z^n exp(a z + b z^2) by truncated normal moments; on the whole line sines and cosines too, and z^n exp(b z^2) erf(c z)^m,
    m <= 2, at mean 0, by E[erf(c z)^2] = 2/pi asin(2 c^2 q/(1 + 2 c^2 q)) (Williams 1997) and E[z^2 h] = q E[h] + 2 q^2 dE[h]/dq.
    """
    if mean == 0 and g.xreplace({z: -z}) + g == 0:         # odd
        return sp.S.Zero
    found = pieces(g)
    if found is None:
        return None
    total = sp.S.Zero
    for low, high, piece in found:
        if piece == 0:
            continue
        whole = low == -sp.oo and high == sp.oo
        body = sp.expand(piece.rewrite([sp.sinh, sp.cosh, *((sp.sin, sp.cos) if whole else ())], sp.exp), power_exp=False)
        body = sp.expand(sp.powsimp(sp.expand(body.xreplace({z: z + mean}) if mean != 0 else body, power_exp=False)), power_exp=False)
        for term in sp.Add.make_args(body):
            value = _term(term, low - mean, high - mean, var, whole)
            if value is None:
                return None
            total += value
    total = sp.expand(total, power_exp=False) if not total.has(sp.I) else sp.simplify(sp.expand(total, complex=True))
    return sp.factor_terms(sp.simplify(total) if total.count_ops() < 40 else total)


def _term(term: Expr, low: Expr, high: Expr, q: Expr, whole: bool) -> Expr | None:
    factor, rest = term.as_independent(z)
    power, exponent, errors = 0, sp.S.Zero, []
    for f in sp.Mul.make_args(sp.powsimp(rest)):
        base, times = f.as_base_exp()
        if isinstance(f, sp.exp):
            exponent += f.args[0]
        elif isinstance(base, sp.exp):
            exponent += base.args[0] * times
        elif f == z or (base == z and times.is_Integer and times > 0):
            power += int(times)
        elif isinstance(base, sp.erf) and times.is_Integer and times > 0:
            errors += [base.args[0]] * int(times)
        elif f != 1:
            return None
    inside = sp.Poly(sp.expand(exponent), z) if sp.expand(exponent).is_polynomial(z) else None
    if inside is None or inside.degree() > 2:
        return None
    b, a, c = inside.coeff_monomial(z**2), inside.coeff_monomial(z), inside.coeff_monomial(1)
    if not (b.is_number and b <= 0):
        return None
    spread = 1 - 2 * b * q
    scale, var = factor * sp.exp(c) / sp.sqrt(spread), q / spread
    if errors:
        moment = _error_moment(power, tuple(errors), Symbol("q_", positive=True)) if whole and a == 0 else None
        return None if moment is None else scale * moment.xreplace({Symbol("q_", positive=True): var})
    shift = a * var
    if not whole and not a.is_real:
        return None
    moments = _truncated(power, low, high, var) if whole else _truncated(power, low - shift, high - shift, var)
    value = sum((sp.binomial(power, k) * shift**(power - k) * moments[k] for k in range(power + 1)), sp.S.Zero)
    return scale * sp.exp(a**2 * var / 2) * value


def _truncated(count: int, low: Expr, high: Expr, q: Expr) -> list[Expr]:
    """The integrals of z^0, ..., z^count times the density of N(0, q) from low to high."""
    def density(x: Expr) -> Expr:
        return sp.S.Zero if x in (sp.oo, -sp.oo) else sp.exp(-x**2 / (2 * q)) / sp.sqrt(2 * sp.pi * q)

    def below(x: Expr) -> Expr:
        return sp.S.One if x == sp.oo else sp.S.Zero if x == -sp.oo else (1 + sp.erf(x / sp.sqrt(2 * q))) / 2

    def edge(x: Expr, n: int) -> Expr:
        return sp.S.Zero if x in (sp.oo, -sp.oo) else x**n * density(x)
    out = [below(high) - below(low), -q * (density(high) - density(low))]
    for n in range(2, count + 1):
        out.append(q * (n - 1) * out[n - 2] - q * (edge(high, n - 1) - edge(low, n - 1)))
    return out


@functools.cache
def _error_moment(power: int, errors: tuple[Expr, ...], q: Symbol) -> Expr | None:
    """E[z^power erf(c z)^m] for z ~ N(0, q)."""
    scales = {e / z for e in errors}
    if len(scales) > 1 or len(errors) > 2 or any(not c.is_number for c in scales):
        return None
    (c,) = scales
    if (power + len(errors)) % 2:
        return sp.S.Zero
    if power >= 2:
        inner = _error_moment(power - 2, errors, q)
        return None if inner is None else q * inner + 2 * q**2 * sp.diff(inner, q)
    spread = 1 + 2 * c**2 * q
    return 2 * sp.asin(2 * c**2 * q / spread) / sp.pi if len(errors) == 2 else 2 * c * q / sp.sqrt(sp.pi * spread)


# ---------------------------------------------------------------------- numbers
@functools.cache
def _hermite(points: int) -> tuple[Array, Array]:
    x, w = np.polynomial.hermite_e.hermegauss(points)
    return x, w / w.sum()


@functools.cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(24)


def quadrature(f: Callable[[Array], Array], mean: float, var: float, at: Sequence[float] | None = ()) -> float:
    """E[f(z)] for z ~ N(mean, var): Gauss-Hermite where the function is smooth at that scale, else Gauss-Legendre on panels between the kinks.

    at: the kinks, None where they are not known. What tells is that 48 and 96 points of Gauss-Hermite agree, and the variance: the points lie
    0.2 standard deviations apart and would step over a slope that is steep at the scale of 1.
    """
    scale = float(np.sqrt(var))
    if scale == 0:
        return float(f(np.array([mean]))[0])
    if at is not None and len(at) == 0 and var <= _SMOOTH:
        coarse, fine = (float(w @ f(mean + scale * x)) for x, w in (_hermite(48), _hermite(96)))
        if abs(coarse - fine) <= _TOLERANCE * abs(fine):
            return fine
    near = np.concatenate([np.linspace(-_WIDTH, _WIDTH, 49), (np.linspace(-20.0, 20.0, 81) - mean) / scale, (np.asarray(at or (), float) - mean) / scale])
    edges = np.unique(np.clip(near, -_WIDTH, _WIDTH))
    x, w = _legendre()
    half = np.diff(edges)[:, None] / 2
    points = edges[:-1, None] + half * (1 + x)
    weights = half * w * np.exp(-points**2 / 2) / np.sqrt(2 * np.pi)
    return float(np.sum(weights * f(mean + scale * points)))


def expectation(g: Expr, mean: float, var: float) -> float:
    """E[g(z)] for z ~ N(mean, var) as a number, by quadrature."""
    at = breaks(g)
    return quadrature(function_of(g), mean, var, None if at is None else [float(b) for b in at])

