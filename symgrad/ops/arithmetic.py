"""Sums, products, powers and functions of nodes whose axes are named by letters: the ops that every expression is made of."""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, Node, apply, number_node
from symgrad.core.op import Op, make_op
from symgrad.core.shape import Shape, Size
from symgrad.errors import ShapeError
from symgrad.ops.stacking import unmerged

__all__ = [
    "Term", "add", "constant_of", "divide", "elementwise", "filled", "map_function", "power", "product", "quotient", "reorder", "scaled", "subtract", "total",
]

Term = tuple[Node, Sequence[str]]
"""A node and the letters of its axes; equal letters are equal indices."""

MINUS: eq.Expr = ("n", Fraction(-1))


def constant_of(node: Node) -> Fraction | None:
    """The number a node is, or None."""
    return node.data if node.op is NUMBER and isinstance(node.data, Fraction) else None


@functools.cache
def _product_op(patterns: tuple[tuple[str, ...], ...], out: tuple[str, ...], deltas: tuple[tuple[str, str], ...]) -> Op:
    bound = tuple(dict.fromkeys(i for p in patterns for i in p if i not in out))
    bound += tuple(i for d in deltas for i in d if i not in out and i not in bound)
    factors: list[eq.Expr] = [("r", k, p) for k, p in enumerate(patterns)]
    factors += [("d", i, j) for i, j in deltas]
    body: eq.Expr = ("*", tuple(factors)) if len(factors) != 1 else factors[0]
    return make_op("contraction", [len(p) for p in patterns], out, ("S", bound, body) if bound else body)


def product(terms: Sequence[Term], out: Sequence[str], deltas: Sequence[tuple[str, str]] = (), shape: Shape | None = None) -> Node:
    """out = sum over the letters not in `out` of the product of the terms (and deltas): every kind of product there is.

    Numbers fold; a product with the number 1 or a bare reordering by nothing is the operand itself. Raises ShapeError.
    """
    number, rest = Fraction(1), []
    for node, letters in terms:
        value = constant_of(node)
        if value is None:
            rest.append((node, tuple(letters)))
        else:
            number *= value
    if not rest and not deltas and not out:
        return number_node(number)
    opened = _unmerged_terms(rest, tuple(out)) if any(n.op.body is None or n.op.name == "transpose" for n, _ in rest) else None
    if opened is not None:
        node = product([(number_node(number), ()), *opened[0]], opened[1], deltas)
        return opened[2](node)
    if number != 1 and rest and not deltas:
        inner = product(rest, out, (), shape)
        return scaled(inner, number)
    if len(rest) == 1 and not deltas and rest[0][1] == tuple(out) and number == 1:
        return rest[0][0]
    if number != 1:
        rest.insert(0, (number_node(number), ()))
    names = {x: f"o{n}" for n, x in enumerate(out)}
    for _, letters in rest:
        for x in letters:
            names.setdefault(x, f"b{len(names) - len(out)}")
    patterns = tuple(tuple(names[x] for x in letters) for _, letters in rest)
    op = _product_op(patterns, tuple(names[x] for x in out), tuple((names.setdefault(i, i), names.setdefault(j, j)) for i, j in deltas))
    return apply(op, *[n for n, _ in rest], shape=shape)


def _unmerged_terms(terms: list[tuple[Node, tuple[str, ...]]], out: tuple[str, ...]) -> tuple[list[Term], list[str], Callable[[Node], Node]] | None:
    """The terms with merged axes that meet (as in vec(X)'*vec(Y), tr(kron(A, B))) taken apart; None where none do."""
    for letter in dict.fromkeys(x for _, letters in terms for x in letters if x not in out):
        places = [(t, a) for t, (_, letters) in enumerate(terms) for a, x in enumerate(letters) if x == letter]
        if len(places) < 2:
            continue
        found = list(terms)
        for t, a in reversed(places):
            node, letters = found[t]
            opened = unmerged(node, a)
            if opened is None:
                break
            found[t] = (opened, (*letters[:a], f"{letter}<", f"{letter}>", *letters[a + 1:]))
        else:
            if len({found[t][0].shape[found[t][1].index(f"{letter}<")] for t, _ in places}) == 1:
                return list(found), list(out), lambda node: node
    return None


def scaled(node: Node, factor: int | Fraction) -> Node:
    """A number times a node; -1 is a negation of its own."""
    factor = Fraction(factor)
    value = constant_of(node)
    if value is not None:
        return number_node(value * factor)
    if factor == 1:
        return node
    axes = _axes(node.rank)
    if factor == -1:
        return apply(make_op("negate", (node.rank,), axes, ("*", (MINUS, ("r", 0, axes)))), node)
    return apply(_product_op(((), axes), axes, ()), number_node(factor), node)


def add(terms: Sequence[Term], out: Sequence[str], signs: Sequence[int] = ()) -> Node:
    """The sum of the terms (with signs 1 or -1), each repeated along the letters of `out` that it lacks. Raises ShapeError."""
    signs = list(signs) or [1] * len(terms)
    if all(constant_of(n) is not None for n, _ in terms) and not out:
        return number_node(sum((s * (constant_of(n) or 0) for s, (n, _) in zip(signs, terms, strict=True)), Fraction(0)))
    kept = [(s, n, tuple(x)) for s, (n, x) in zip(signs, terms, strict=True) if constant_of(n) != 0]
    covered = [k for k in kept if set(k[2]) == set(out)]
    if covered and len(kept) < len(terms) and len(kept) == 1:
        return scaled(reorder(covered[0][1], covered[0][2], out), kept[0][0])
    if len(kept) == 1 and kept[0][2] == tuple(out):
        return scaled(kept[0][1], kept[0][0])
    if not kept or not set().union(*(k[2] for k in kept)) >= set(out):
        kept = [(s, n, tuple(x)) for s, (n, x) in zip(signs, terms, strict=True)]
    names = {x: f"o{n}" for n, x in enumerate(out)}
    op = _sum_op(tuple(tuple(names[x] for x in letters) for _, _, letters in kept), tuple(names.values()), tuple(s for s, _, _ in kept))
    return apply(op, *[n for _, n, _ in kept])


@functools.cache
def _sum_op(patterns: tuple[tuple[str, ...], ...], out: tuple[str, ...], signs: tuple[int, ...]) -> Op:
    parts: list[eq.Expr] = [("r", k, p) if s == 1 else ("*", (MINUS, ("r", k, p))) for k, (p, s) in enumerate(zip(patterns, signs, strict=True))]
    return make_op("subtract" if -1 in signs and len(signs) == 2 else "add", [len(p) for p in patterns], out, ("+", tuple(parts)))


def subtract(left: Term, right: Term, out: Sequence[str]) -> Node:
    """left - right."""
    return add([left, right], out, [1, -1])


def divide(left: Term, right: Term, out: Sequence[str]) -> Node:
    """left / right, elementwise along equal letters."""
    below = constant_of(right[0])
    if below:
        return scaled(reorder(left[0], left[1], out), 1 / below)
    names = {x: f"o{n}" for n, x in enumerate(out)}
    return apply(_quotient_op(tuple(names[x] for x in left[1]), tuple(names[x] for x in right[1]), tuple(names.values())), left[0], right[0])


@functools.cache
def _quotient_op(left: tuple[str, ...], right: tuple[str, ...], out: tuple[str, ...]) -> Op:
    return make_op("divide", (len(left), len(right)), out, ("*", (("r", 0, left), ("^", ("r", 1, right), MINUS))))


def power(base: Term, exponent: Term, out: Sequence[str]) -> Node:
    """base ^ exponent, elementwise; a number as exponent belongs to the op."""
    value, below = constant_of(exponent[0]), constant_of(base[0])
    if value is not None and below is not None and value.denominator == 1 and (below or value > 0) and abs(value) < 1000:
        return number_node(below ** int(value))
    if value == 1:
        return reorder(base[0], base[1], out)
    names = {x: f"o{n}" for n, x in enumerate(out)}
    left, right = tuple(names[x] for x in base[1]), tuple(names[x] for x in exponent[1])
    if value is not None:
        return apply(_power_op(len(left), value), base[0])
    return apply(make_op("power", (len(left), len(right)), tuple(names.values()), ("^", ("r", 0, left), ("r", 1, right)), reuse=False),
                 base[0], exponent[0])


@functools.cache
def _power_op(rank: int, exponent: Fraction) -> Op:
    axes = _axes(rank)
    root = exponent == Fraction(1, 2)
    return make_op("sqrt" if root else "power", (rank,), axes, ("^", ("r", 0, axes), ("n", exponent)), positive=root, reuse=root)


@functools.cache
def _function_op(name: str, rank: int, arguments: int) -> Op:
    axes = _axes(rank)
    return make_op(name, (rank,) * arguments, axes, ("f", name, tuple(("r", k, axes) for k in range(arguments))), positive=name == "exp")


def map_function(name: str, *arguments: Node) -> Node:
    """A function of numbers, applied entry by entry; several arguments have equal shapes."""
    if name == "sqrt":
        return apply(_power_op(arguments[0].rank, Fraction(1, 2)), arguments[0])
    if len({a.shape for a in arguments}) > 1:
        raise ShapeError(f"{name} takes arguments of one shape, got {', '.join(str(a.shape) for a in arguments)}")
    return apply(_function_op(name, arguments[0].rank, len(arguments)), *arguments)


elementwise = map_function


def quotient(left: Node, right: Node) -> Node:
    """left / right for nodes of one shape, or a scalar on either side."""
    axes = _axes(max(left.rank, right.rank))
    return divide((left, axes[: left.rank]), (right, axes[: right.rank]), axes)


def reorder(node: Node, letters: Sequence[str], out: Sequence[str]) -> Node:
    """The node with its axes in another order, repeated along letters it lacks only through a sum or product: letters must be the same set."""
    return product([(node, letters)], out)


def total(node: Node, axes: Sequence[int] | None = None) -> Node:
    """The sum over some axes, or over all."""
    letters = _axes(node.rank)
    gone = set(range(node.rank) if axes is None else axes)
    return product([(node, letters)], [x for k, x in enumerate(letters) if k not in gone])


def filled(kind: str, shape: Sequence[Size]) -> Node:
    """`ones`, `zeros` or `eye` of a shape; a scalar shape gives a number."""
    if not shape:
        return number_node(0 if kind == "zeros" else 1)
    axes = _axes(len(shape))
    body: eq.Expr = eq.ZERO if kind == "zeros" else ("d", *axes) if kind == "eye" else eq.ONE
    if kind == "eye" and (len(shape) != 2 or shape[0] != shape[1]):
        raise ShapeError(f"eye is square, not {shape}")
    return apply(make_op(kind, (), axes, body), shape=tuple(shape))


@functools.cache
def _axes(rank: int) -> tuple[str, ...]:
    return tuple(f"o{n}" for n in range(rank))
