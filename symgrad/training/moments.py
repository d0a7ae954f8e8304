"""A graph and what its leaves are drawn from come in; mean and variance of an entry of every value go out, or the reason why not.

The assumptions are those of mean-field theory (Poole et al. 2016): layers are wide, so that sums of many terms are normal; weights have mean 0
and are drawn afresh wherever they are used; what has gone through fresh weights is independent of all that has not; norms have an eps of 0;
windows of convolutions do not reach over the border.
"""
from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp
from sympy import Expr, Symbol

from symgrad.core import equation as eq
from symgrad.core.functions import z
from symgrad.core.graph import Graph
from symgrad.core.node import NUMBER, SIZE, Node, Variable
from symgrad.core.shape import shape_text, size_expression
from symgrad.training.activations import through
from symgrad.training.gaussian import Expectation, closed_form, expectation

__all__ = ["Draw", "Law", "Moments", "Refusal", "image_of", "moments_of", "shown"]

ZERO, ONE = sp.S.Zero, sp.S.One
_MEAN, _VAR = Symbol("m_", real=True), Symbol("v_", positive=True)


@dataclass(frozen=True, slots=True)
class Draw:
    """What the entries of a leaf are drawn from: independent, of this mean and variance; `kind` is "normal", "mask" (0 or 1) or "fixed"."""

    mean: Expr
    var: Expr
    kind: str = "normal"


@dataclass(frozen=True, slots=True)
class Law:
    """The normal law behind an entry, as formulas and as numbers (nan where a size has none)."""

    mean: Expr
    var: Expr
    numbers: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Moments:
    """An entry of a value: mean and mean square, as formulas in the named values before it and as numbers.

    The entry is g(z) of a normal number z with the law of `root`; `tokens` are the leaves whose draws it depends on still: values without
    one in common are independent.
    """

    mean: Expr
    second: Expr
    numbers: tuple[float, float]
    root: Hashable
    g: Expr
    law: Law | None
    tokens: frozenset[Node]

    @property
    def var(self) -> Expr:
        """The variance as a formula."""
        return sp.expand(self.second - self.mean**2) if self.mean != 0 else self.second

    @property
    def var_number(self) -> float:
        """The variance as a number."""
        return self.numbers[1] - self.numbers[0]**2

    @property
    def fixed(self) -> bool:
        """Whether nothing about it is random."""
        return self.root is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value has no moments: the node that stands in the way, and the reason."""

    node: Node
    reason: str


def moments_of(graph: Graph, order: Sequence[Node], draws: Mapping[Node, Draw | Refusal], sizes: Mapping[str, int]) -> dict[Node, Moments | Refusal]:
    """Mean and mean square of an entry of every node, operands first; a named one stands in later formulas as `m_name`, `v_name`."""
    return _Pass(graph, sizes, dict(draws)).run(order)


def shown(graph: Graph, node: Node) -> str:
    """What a node is called in a message."""
    name = graph.name_of(node) or node.name
    return f"{name} ({node.op.name}, {shape_text(node.shape)})" if name and node.operands else name or f"{node.op.name} ({shape_text(node.shape)})"


def image_of(node: Node) -> Node | None:
    """What a node only reads in other places (a transpose, a slice), else None."""
    body = node.op.body
    return node.operands[body[1]] if body is not None and body[0] == "r" and not node.op.where else None


class _Pass:
    def __init__(self, graph: Graph, sizes: Mapping[str, int], draws: dict[Node, Draw | Refusal]) -> None:
        self.graph, self.draws = graph, draws
        self.sizes = {size_expression(k): v for k, v in sizes.items()}
        self.found: dict[Node, Moments | Refusal] = {}
        self.formulas: dict[Node, Moments] = {}

    def run(self, order: Sequence[Node]) -> dict[Node, Moments | Refusal]:
        """Every node, as its own formulas have it: named values by their names in those of others, not in their own."""
        for node in order:
            made = self._leaf(node) if not node.operands else self._value(node)
            self.found[node] = self._named(node, made) if isinstance(made, Moments) else made
        return {**self.found, **self.formulas}

    def number(self, e: Expr) -> float:
        """A formula in sizes as a number; nan where a size has none."""
        e = e.xreplace(self.sizes)
        return math.nan if e.free_symbols else float(e)

    # ------------------------------------------------------------------ leaves and names
    def _leaf(self, node: Node) -> Moments | Refusal:
        if node.op is NUMBER:
            return self._constant(sp.Rational(node.data.numerator, node.data.denominator))  # type: ignore[union-attr]  # it holds a Fraction
        if node.op is SIZE:
            return self._constant(size_expression(node.data))
        draw = self.draws.get(node)
        if not isinstance(draw, Draw):
            return draw or Refusal(node, "it is neither a parameter nor data")
        if draw.kind == "fixed" or draw.var == 0:
            return self._constant(draw.mean)
        second = draw.var + draw.mean**2
        numbers = (self.number(draw.mean), self.number(second))
        law = Law(draw.mean, draw.var, (numbers[0], numbers[1] - numbers[0]**2)) if draw.kind == "normal" else None
        return Moments(draw.mean, second, numbers, node, z, law, frozenset([node]))

    def _constant(self, value: Expr) -> Moments:
        number = self.number(value)
        return Moments(value, value**2, (number, number**2), None, value, None, frozenset())

    def _named(self, node: Node, made: Moments) -> Moments:
        """The moments under the node's own name, as later formulas use them."""
        name = self.graph.name_of(node)
        if not name or made.fixed or isinstance(node.data, Variable):
            return made
        mean = Symbol(f"m_{name}", real=True) if made.mean != 0 else ZERO
        var = Symbol(f"v_{name}", positive=True)
        law = Law(mean, var, (made.numbers[0], made.var_number)) if made.g == z and made.law is not None else made.law
        self.formulas[node] = made
        return replace(made, mean=mean, second=var + mean**2, law=law)

    # ------------------------------------------------------------------ values
    def _value(self, node: Node) -> Moments | Refusal:
        if node.op.name == "standardise":                  # its intermediates, mean and deviation, are not asked
            return self._normalised(node, node.operands[0], True)
        if node.op.name == "divide" and node.operands[1].op.name == "root_mean_square":
            return self._normalised(node, node.operands[0], False)
        for o in node.operands:
            if isinstance(missing := self.found[o], Refusal):
                return missing
        known = {o: m for o in node.operands if isinstance(m := self.found[o], Moments)}
        if node.op.body is None:
            return Refusal(node, "it is no function of single entries, and no sum with fresh weights")
        if image_of(node) is not None:
            ((operand, made),) = known.items()
            tokens = made.tokens if operand.operands else frozenset([node])     # W[1] and W[2] have nothing in common
            return made if made.fixed else replace(made, root=(node.op, made.root), tokens=tokens)
        roots = {m.root for m in known.values() if not m.fixed}
        if len(roots) <= 1 and (g := through(node, {o: m.g for o, m in known.items()})) is not None:
            return self._function(g, next((m for m in known.values() if not m.fixed), None), node)
        factor, bound, refs = _product(node.op.scoped)
        if refs is not None and bound:
            return self._contraction(node, factor, bound, refs)
        if refs is not None:
            return self._times(node, factor, [known[node.operands[r[1]]] for r in refs])
        terms = _linear(node.op.body)
        if terms is not None:
            return self._sum(node, terms)
        return Refusal(node, "it is no function of single entries, and no sum with fresh weights")

    def _function(self, g: Expr, of: Moments | None, node: Node) -> Moments | Refusal:
        """g(z) of the normal number behind an operand."""
        g = sp.expand(g) if g.is_polynomial(z) else g
        if of is None or not g.has(z):
            return self._constant(g)
        law = of.law
        if g == of.g:
            return of
        if law is None:
            return Refusal(node, "what enters it is not taken as normal")
        mean, second = (self._expected(e, law) for e in (g, g**2))
        return replace(of, mean=mean[0], second=second[0], numbers=(mean[1], second[1]), g=g)

    def _expected(self, e: Expr, law: Law) -> tuple[Expr, float]:
        """E[e(z)] as a formula, the integral where it has no closed form, and as a number."""
        found = closed_form(e, ZERO if law.mean == 0 else _MEAN, _VAR)
        formula = Expectation(e, law.mean, law.var) if found is None else found.xreplace({_MEAN: law.mean, _VAR: law.var})
        return formula, 0.0 if formula == 0 else math.nan if math.isnan(sum(law.numbers)) else expectation(e, *law.numbers)

    def _normal(self, node: Node, mean: Expr, var: Expr, numbers: tuple[float, float], tokens: frozenset[Node]) -> Moments:
        return Moments(mean, var + mean**2, (numbers[0], numbers[1] + numbers[0]**2), node, z, Law(mean, var, numbers), tokens)

    def _normalised(self, node: Node, operand: Node, centred: bool) -> Moments | Refusal:
        below = self.found[operand]
        if isinstance(below, Refusal):
            return below
        if centred:
            return self._normal(node, ZERO, ONE, (0.0, 1.0), below.tokens)
        mean, number = below.mean / sp.sqrt(below.second), below.numbers[0] / math.sqrt(below.numbers[1])
        return self._normal(node, mean, 1 - mean**2, (number, 1 - number**2), below.tokens)

    def _contraction(self, node: Node, factor: Expr, bound: Sequence[str], refs: Sequence[eq.Expr]) -> Moments | Refusal:
        """A sum of products: one factor has mean 0, and its draws are fresh."""
        if len(refs) != 2 or any(b not in node.op.axis_of for b in bound):
            return Refusal(node, "it sums entries that need not be independent")
        left, right = (self.found[node.operands[r[1]]] for r in refs)
        assert isinstance(left, Moments) and isinstance(right, Moments)
        weights = next((m for m in (right, left) if m.mean == 0 and _is_parameter(m.root)), None)
        shared = weights is None and left.tokens & right.tokens
        if shared or (left.mean != 0 and right.mean != 0):
            why = "both its factors come from the same draws" if shared else "neither of its factors has mean 0"
            return Refusal(node, f"{why}, so that its terms do not add up as independent ones do")
        count = sp.prod([size_expression(node.operands[k].shape[a]) for k, a in (node.op.axis_of[b] for b in bound)])
        fresh = weights.tokens if weights is not None else left.tokens | right.tokens
        scale = sp.simplify(factor**2 * count * (weights.second if weights is not None else ONE))
        others = [m for m in (left, right) if m is not weights]
        var = scale * sp.prod([m.second for m in others])
        number = self.number(scale) * math.prod(m.numbers[1] for m in others)
        return self._normal(node, ZERO, var, (0.0, number), fresh)

    def _times(self, node: Node, factor: Expr, parts: Sequence[Moments]) -> Moments | Refusal:
        """A product of independent entries."""
        moving = [m for m in parts if not m.fixed]
        for m in parts:
            factor = factor * m.g if m.fixed else factor
        if len(moving) == 1:
            return self._function(factor * moving[0].g, moving[0], node)
        if _shared(moving):
            return Refusal(node, "it multiplies values that are not independent")
        mean, second = factor * sp.prod([m.mean for m in moving]), factor**2 * sp.prod([m.second for m in moving])
        number = self.number(factor)
        numbers = number * math.prod(m.numbers[0] for m in moving), number**2 * math.prod(m.numbers[1] for m in moving)
        return self._normal(node, mean, second - mean**2, (numbers[0], numbers[1] - numbers[0]**2), frozenset().union(*(m.tokens for m in moving)))

    def _sum(self, node: Node, terms: Sequence[tuple[Expr, int]]) -> Moments | Refusal:
        """A sum of independent entries is normal; what is a function of the same normal number is one term."""
        groups: dict[Hashable, tuple[Expr, Moments | None]] = {}
        for factor, k in terms:
            term = self.found[node.operands[k]] if k >= 0 else self._constant(ONE)
            assert isinstance(term, Moments)
            groups[term.root] = (groups.get(term.root, (ZERO, None))[0] + factor * term.g, term)
        constant, _ = groups.pop(None, (ZERO, None))
        if len(groups) == 1:
            ((g, m),) = groups.values()
            return self._function(g + constant, m, node)
        made = [self._function(g, m, node) for g, m in groups.values()]
        if (refused := next((m for m in made if isinstance(m, Refusal)), None)) is not None:
            return refused
        parts = [m for m in made if isinstance(m, Moments)]
        if _shared(parts):
            return Refusal(node, "it adds values that are not independent")
        mean, var = constant + sum((m.mean for m in parts), ZERO), sum((m.second - m.mean**2 for m in parts), ZERO)
        numbers = self.number(constant) + sum(m.numbers[0] for m in parts), sum(m.var_number for m in parts)
        return self._normal(node, sp.expand(mean), sp.expand(var), numbers, frozenset().union(*(m.tokens for m in parts)))


def _is_parameter(root: Hashable) -> bool:
    """Whether an entry is one of a parameter, read in whatever place."""
    while isinstance(root, tuple):
        root = root[1]
    return isinstance(root, Node) and isinstance(root.data, Variable) and root.data.kind == "param"


def _shared(parts: Sequence[Moments]) -> bool:
    return len(frozenset().union(*(m.tokens for m in parts))) < sum(len(m.tokens) for m in parts)


def _product(body: eq.Expr) -> tuple[Expr, tuple[str, ...], list[eq.Expr] | None]:
    """(numeric factor, bound indices, references) of a product or a sum of products; None for the references of anything else."""
    factor, bound = ONE, ()
    parts = [body]
    refs: list[eq.Expr] = []
    while parts:
        e = parts.pop(0)
        if e[0] == "*":
            parts = [*e[1], *parts]
        elif e[0] == "n":
            factor *= sp.Rational(e[1].numerator, e[1].denominator)
        elif e[0] == "r":
            refs.append(e)
        elif e[0] == "S" and not bound:
            bound, parts = e[1], [e[2], *parts]
        else:
            return factor, bound, None
    return factor, bound, refs


def _linear(body: eq.Expr) -> list[tuple[Expr, int]] | None:
    """The terms of a sum: (number, operand), operand -1 for a number alone; None for what is no such sum."""
    out: list[tuple[Expr, int]] = []
    for e in body[1] if body[0] == "+" else (body,):
        factor, bound, refs = _product(e)
        if refs is None or bound or len(refs) > 1:
            return None
        out.append((factor, refs[0][1] if refs else -1))
    return out

