"""An activation comes in; how wide layers of it pass variance, correlation and gradient on goes out: formula, critical scale, fixed points, depths.

The layer is h <- W g(h) + b with W of entries of mean 0 and variance sw^2/n, n the number of inputs, and b of variance sb^2 (skip: h + W g(h) + b).
For wide layers h is normal with mean 0 and variance q, and one layer maps q to sw^2 E[g(z)^2] + sb^2 for z ~ N(0, q); a gradient's variance is
multiplied by chi = sw^2 E[g'(z)^2]: Poole et al. (2016), Schoenholz et al. (2017), He et al. (2015).
"""
from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from sympy import Expr, Symbol

from symgrad.core.functions import z
from symgrad.core.table import aligned
from symgrad.errors import InputError, InternalError, UnsupportedError
from symgrad.training.activations import Activation, expression_of, one_sided, slope_of
from symgrad.training.gaussian import Expectation, closed_form, expectation, function_of

__all__ = ["Critical", "DepthScale", "FixedPoint", "VarianceMap", "q", "variance_map"]

q = Symbol("q", positive=True)
"""The variance of what enters the activation."""
_GRID = np.geomspace(1e-6, 1e6, 241)
_FLAT = 1e-6
"""A slope this close to 1 is taken as 1."""
_READABLE = 10**6
"""Fractions of larger numbers are shown as decimals."""


@dataclass(frozen=True, slots=True)
class Critical:
    """The scale that keeps a signal: `forward` is n_in Var(W), `backward` n_out Var(W), at the variance `q` ("every q", "q -> 0" or a number)."""

    forward: Expr | float | None
    backward: Expr | float | None
    q: str | float
    note: str = ""

    def __str__(self) -> str:
        at = self.q if isinstance(self.q, str) else f"q = {self.q:.4g}"
        ways = [f"{name} Var(W) = {_short(v)}" if v is not None else f"no {what} scale" for name, what, v in
                (("n_in", "forward", self.forward), ("n_out", "backward", self.backward))]
        return f"forward {ways[0]}, backward {ways[1]} at {at}" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A variance that a layer keeps: `slope` of the map there (below 1: stable), `chi` for gradients; `every`: each q is one, `q` stands for all."""

    q: float
    slope: float
    chi: float
    every: bool = False

    @property
    def kind(self) -> str:
        """"stable", "unstable" or "marginal"."""
        return "marginal" if abs(self.slope - 1) < _FLAT else "stable" if self.slope < 1 else "unstable"

    def __str__(self) -> str:
        return f"{'every q' if self.every else f'q* = {self.q:.6g}'}, {self.kind} (slope {self.slope:.4g}), chi = {self.chi:.4g}"


@dataclass(frozen=True, slots=True)
class DepthScale:
    """Layers over which a variance (`xi_q`) and a correlation (`xi_c`) close in on their fixed points by a factor e: Schoenholz et al. (2017)."""

    q: float
    c: float
    xi_q: float
    xi_c: float
    chi: float

    def __str__(self) -> str:
        return f"q* = {self.q:.4g}, c* = {self.c:.4g}: xi_q = {self.xi_q:.4g} layers, xi_c = {self.xi_c:.4g} layers, chi = {self.chi:.4g}"


@dataclass(frozen=True, eq=False)
class VarianceMap:
    """The variance map of an activation `g` (a sympy expression in z).

    `second` and `gain` are E[g(z)^2] and E[g'(z)^2] in q where there is a closed form, else None: then numbers come by quadrature. Each closed
    form was compared with quadrature before it was handed out.
    """

    name: str
    g: Expr
    second: Expr | None
    gain: Expr | None
    weights: Symbol
    bias: Symbol
    skip: bool = False

    # ------------------------------------------------------------------ formulas
    @property
    def closed(self) -> bool:
        """Whether both expectations have a closed form."""
        return self.second is not None and self.gain is not None

    @property
    def method(self) -> str:
        """"closed form", or "quadrature"."""
        return "closed form" if self.closed else "quadrature"

    @property
    def formula(self) -> Expr:
        """The variance behind one layer; where there is no closed form, an `Expectation`, whose `doit()` is the integral."""
        through = self.weights**2 * (self.second if self.second is not None else Expectation(self.g**2, sp.S.Zero, q)) + self.bias**2
        return q + through if self.skip else through

    @property
    def chi_formula(self) -> Expr:
        """The factor of a gradient's variance through one layer."""
        factor = self.weights**2 * (self.gain if self.gain is not None else Expectation(slope_of(self.g)**2, sp.S.Zero, q))
        return 1 + factor if self.skip else factor

    # ------------------------------------------------------------------ numbers
    def power(self, var: float) -> float:
        """E[g(z)^2] at a variance."""
        return expectation(self._numeric(self.g)**2, 0.0, var)

    def slope_power(self, var: float) -> float:
        """E[g'(z)^2] at a variance; at 0 the mean over the two sides."""
        if var == 0:
            sides = self._at_zero()
            return math.nan if sides is None else (sides[1]**2 + sides[2]**2) / 2
        return expectation(slope_of(self._numeric(self.g))**2, 0.0, var)

    def _numeric(self, g: Expr) -> Expr:
        if free := g.free_symbols - {z}:
            raise UnsupportedError(f"{self.name} has no numbers: give {', '.join(sorted(map(str, free)))} a value")
        return g

    def _at_zero(self) -> tuple[float, float, float] | None:
        found = one_sided(self.g)
        return None if found is None else (float(found[0]), float(found[1]), float(found[2]))

    def step(self, var: float, sw: float, sb: float = 0.0) -> float:
        """The variance behind one layer."""
        return sw**2 * self.power(var) + sb**2 + (var if self.skip else 0.0)

    def chi(self, var: float, sw: float) -> float:
        """The factor of a gradient's variance through one layer, at a variance."""
        return sw**2 * self.slope_power(var) + (1.0 if self.skip else 0.0)

    def trajectory(self, var: float, depth: int, sw: float, sb: float = 0.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The variances of so many layers, the first being `var`."""
        found = [var]
        for _ in range(depth):
            found.append(self.step(found[-1], sw, sb))
        return np.array(found)

    def correlation(self, c: float, var: float, sw: float, sb: float = 0.0) -> float:
        """The correlation behind one layer of two inputs of variance `var` whose correlation is c."""
        together = self._paired(self._numeric(self.g), c, var)
        return (sw**2 * together + sb**2 + (c * var if self.skip else 0.0)) / self.step(var, sw, sb)

    def _paired(self, g: Expr, c: float, var: float) -> float:
        """E[g(u) g(v)] for u, v of variance var and correlation c."""
        f, scale = function_of(g), math.sqrt(var)
        x, w = _nodes()
        u, v = scale * x[:, None], scale * (c * x[:, None] + math.sqrt(max(0.0, 1 - c * c)) * x)
        return float(w @ (f(u) * f(v)) @ w)

    # ------------------------------------------------------------------ what follows
    @functools.cached_property
    def homogeneous(self) -> Expr | None:
        """E[g(z)^2]/q where that is the same for every q (relu: 1/2), else None."""
        if self.second is None:
            return None
        ratio = sp.simplify(self.second / q)
        return None if ratio.has(q) else ratio

    def critical(self, var: float | None = None) -> Critical:
        """The scale of W that keeps variances (forward) and gradients (backward), biases being 0.

        At a variance `var`; without it, at every q where g is homogeneous, in the limit q -> 0 where g(0) = 0, else at the q where one scale does both.
        Raises UnsupportedError for skip connections, where nothing but W = 0 keeps them, and where there is no such q.
        """
        if self.skip:
            raise UnsupportedError("with skip connections the variance grows by sw^2 E[g(z)^2] in every layer: it is kept by W = 0 alone")
        if self.homogeneous is not None:
            gain = sp.simplify(self.gain) if self.gain is not None else None
            return Critical(sp.simplify(1 / self.homogeneous), sp.simplify(1 / gain) if gain else None, "every q")
        if var is not None:
            power, gain = self.power(var), self.slope_power(var)
            return Critical(var / power if power else None, 1 / gain if gain else None, var)
        zero = one_sided(self.g)
        if zero is not None and zero[0] == 0 and (zero[1] or zero[2]):
            exact = sp.simplify(2 / (zero[1]**2 + zero[2]**2))
            scale = float(exact) if any(r.q > _READABLE or abs(r.p) > _READABLE for r in exact.atoms(sp.Rational)) else exact
            return Critical(scale, scale, "q -> 0", "larger variances are taken " + ("down" if self._shrinks(float(scale)) else "up"))
        edges = self.edge_of_chaos(0.0)
        if not edges:
            raise UnsupportedError(f"no scale of W keeps both the variance and the gradients of {self.name} without biases: give a variance, critical(q)")
        at, sw = edges[0]
        return Critical(sw**2, sw**2, at)

    def _shrinks(self, scale: float) -> bool:
        return scale * self.power(0.1) < 0.1

    def edge_of_chaos(self, sb: float) -> list[tuple[float, float]]:
        """(q, sw) of every pair that keeps a variance q > 0 and chi = 1 with biases of the scale sb: on the edge of chaos of Poole et al. (2016)."""
        def excess(var: float) -> float:
            gain = self.slope_power(var)
            return var - self.power(var) / gain - sb**2 if gain > 0 else math.nan
        if self.skip or self.homogeneous is not None:
            raise UnsupportedError(f"{self.name}{' with skip connections' if self.skip else ''} has no single variance on the edge of chaos")
        return [(at, 1 / math.sqrt(self.slope_power(at))) for at in _roots(excess)]

    def fixed_points(self, sw: float, sb: float = 0.0) -> tuple[FixedPoint, ...]:
        """The variances from 0 to a million that a layer keeps, in order, with their stability. Raises InputError for scales below 0."""
        _check(sw, sb)
        if self.homogeneous is not None:
            slope = sw**2 * float(self.homogeneous) + self.skip
            if abs(slope - 1) < 1e-12 and sb == 0:
                return (FixedPoint(1.0, slope, self.chi(1.0, sw), True),)
            at = sb**2 / (1 - slope) if slope != 1 else math.inf
            return (FixedPoint(at, slope, self.chi(at or 1.0, sw)),) if 0 <= at < math.inf else ()
        found = []
        zero = self._at_zero()
        if sb == 0 and zero is not None and zero[0] == 0:
            found.append(FixedPoint(0.0, self.chi(0.0, sw), self.chi(0.0, sw)))
        found += [FixedPoint(at, self.slope(at, sw), self.chi(at, sw)) for at in _roots(lambda var: self.step(var, sw, sb) - var)]
        return tuple(found)

    def slope(self, var: float, sw: float) -> float:
        """The slope of the variance map, by d/dq E[f(z)] = (E[z^2 f(z)] - q E[f(z)])/(2 q^2)."""
        g = self._numeric(self.g)
        rise = (expectation(z**2 * g**2, 0.0, var) - var * self.power(var)) / (2 * var**2)
        return sw**2 * rise + (1.0 if self.skip else 0.0)

    def depth_scale(self, sw: float, sb: float = 0.0) -> DepthScale:
        """How many layers a signal survives: the depth scales at the stable fixed point. Raises UnsupportedError where there is none."""
        points = [p for p in self.fixed_points(sw, sb) if p.kind != "unstable"]
        if not points:
            raise UnsupportedError(f"the variance of {self.name} grows without bound at sw = {sw:g}, sb = {sb:g}: there is no fixed point to close in on")
        point = points[-1]
        c, rate = 1.0, point.chi
        if point.chi > 1 + _FLAT and point.q > 0:          # chaos: two inputs come apart, to a correlation below 1
            c = 0.5
            for _ in range(400):
                c, before = self.correlation(c, point.q, sw, sb), c
                if abs(c - before) < 1e-10:
                    break
            rate = sw**2 * self._paired(slope_of(self.g), c, point.q) + self.skip
        return DepthScale(point.q, c, _scale(point.slope), _scale(rate), point.chi)

    def __str__(self) -> str:
        form = {"E[g(z)^2]": self.second, "E[g'(z)^2]": self.gain}
        rows = [("variance map of", f"{self.name}{' with a skip connection' if self.skip else ''}, g(z) = {_short(self.g)}, z ~ N(0, q)")]
        rows += [(k, _short(v) if v is not None else "no closed form: by Gauss-Hermite quadrature") for k, v in form.items()]
        rows.append(("layer", f"q -> {'q + ' if self.skip else ''}{self.weights}^2 E[g(z)^2] + {self.bias}^2"))
        rows.append(("gradients", f"chi = {'1 + ' if self.skip else ''}{self.weights}^2 E[g'(z)^2]"))
        if not self.skip and not self.g.free_symbols - {z}:
            try:
                rows.append(("critical", str(self.critical())))
            except UnsupportedError as none:
                rows.append(("critical", str(none)))
        return "\n".join(aligned(rows))


def variance_map(activation: Activation, weights: str = "sw", bias: str = "sb", skip: bool = False) -> VarianceMap:
    """The variance map of an activation: a word ("relu", "linear"), a node or graph of one number, or a function of nodes (sg.tanh).

    weights, bias: what the scales are called in formulas. skip: the layer is h + W g(h) + b. Raises InputError for what is no function of one number.
    """
    name, g = expression_of(activation)
    second, gain = (_verified(e) for e in (g**2, slope_of(g)**2))
    return VarianceMap(name, g, second, gain, Symbol(weights, positive=True), Symbol(bias, nonnegative=True), skip)


@functools.cache
def _verified(e: Expr) -> Expr | None:
    """The closed form of an expectation, compared with quadrature. Raises InternalError where they differ."""
    found = closed_form(e, sp.S.Zero, q)
    if found is None or e.free_symbols - {z}:
        return found
    for at in (sp.Rational(1, 2), sp.Integer(2)):
        value, number = complex(sp.N(found.subs(q, at), 30)), expectation(e, 0.0, float(at))
        if abs(value - number) > 1e-7 * max(1.0, abs(number)):
            raise InternalError(f"E[{e}] at variance {at}: the closed form gives {value}, quadrature {number}")
    return found


@functools.cache
def _nodes() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Nodes and weights for a pair of normal numbers: a fine grid sees kinks well enough where Gauss-Hermite would not."""
    x = np.linspace(-8.5, 8.5, 341)
    w = np.exp(-x**2 / 2)
    return x, w / w.sum()


def _roots(f: Callable[[float], float]) -> list[float]:
    """The zeros of f from 1e-6 to 1e6 where it changes sign on a grid, by bisection."""
    with np.errstate(all="ignore"):
        values = np.array([f(float(x)) for x in _GRID])
    out = []
    values[np.abs(values) < 1e-10 * _GRID] = 0.0           # the sign of rounding says nothing
    told = np.flatnonzero(values)
    for a, b in itertools.pairwise(told):
        if b > a + 2 or values[a] * values[b] > 0 or not np.isfinite(values[a] * values[b]):
            continue
        low, high = float(_GRID[a]), float(_GRID[b])
        for _ in range(60):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if (f(middle) > 0) == (values[a] > 0) else (low, middle)
        out.append(math.sqrt(low * high))
    return out


def _scale(rate: float) -> float:
    return math.inf if abs(rate - 1) < _FLAT else 0.0 if rate <= 0 else 1 / abs(math.log(rate))


def _check(sw: float, sb: float) -> None:
    if not (sw >= 0 and sb >= 0 and math.isfinite(sw) and math.isfinite(sb)):
        raise InputError(f"the scales are finite numbers from 0, not sw = {sw}, sb = {sb}")


def _short(e: object) -> str:
    """An expression for a line of text: numbers of many digits are rounded."""
    if isinstance(e, float):
        return f"{e:.6g}"
    if isinstance(e, Expr):
        e = e.xreplace({r: sp.Float(r, 5) for r in e.atoms(sp.Rational) if r.q > _READABLE or abs(r.p) > _READABLE})
        if isinstance(e, sp.Float):
            return f"{float(e):.6g}"
    return str(e).replace("**", "^")
