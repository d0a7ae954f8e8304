"""Matrix functions without an index equation of their own: each declares its pullback in the library's ops, and so differentiates again.

Sources: Giles, "An extended collection of matrix derivative results for forward and reverse mode AD" (2008), sections 2.2 and 2.3;
the Matrix Cookbook (2012), equations 46, 49 and 59.
"""
from __future__ import annotations

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import Derived, Op, Source, make_op, structured_op

__all__ = ["MATRIX_FUNCTIONS", "STRUCTURED", "matrix_function"]


def _product(*factors: eq.Expr) -> eq.Expr:
    return ("*", factors)


def _ref(k: int, *index: str) -> eq.Expr:
    return ("r", k, index)


def _inv_rule(_: int) -> Derived:
    """d inv(X) = -inv(X) dX inv(X), so the pullback of C is -Y' C Y'."""
    body = _product(("n", eq.number(-1)[1]), _ref(0, "k", "l"), _ref(1, "k", "i"), _ref(1, "j", "l"))
    return Derived(make_op("inv'", (2, 2), ("i", "j"), ("S", ("k", "l"), body)), ("C", "Y"))


def _det_rule(_: int) -> Derived:
    """d det(X) = tr(adj(X) dX): the pullback of C is C adj(X)', right for singular X too."""
    return Derived(make_op("det'", (0, 2), ("i", "j"), _product(_ref(0), _ref(1, "j", "i"))), ("C", _applied("adj")))


def _logdet_rule(_: int) -> Derived:
    """d log|det(X)| = tr(inv(X) dX)."""
    return Derived(make_op("logdet'", (0, 2), ("i", "j"), _product(_ref(0), _ref(1, "j", "i"))), ("C", _applied("inv")))


def _adj_rule(_: int) -> Derived:
    """adj(X) = det(X) inv(X) for invertible X: the pullback of C is Y' tr(C' Y)/det - Y' C Y'/det with Y = adj(X)."""
    both = _product(_ref(0, "k", "l"), _ref(1, "k", "l"), _ref(1, "j", "i"))
    crossed = _product(("n", eq.number(-1)[1]), _ref(0, "k", "l"), _ref(1, "k", "i"), _ref(1, "j", "l"))
    body = _product(("S", ("k", "l"), ("+", (both, crossed))), ("^", _ref(2), ("n", eq.number(-1)[1])))
    return Derived(make_op("adj'", (2, 2, 0), ("i", "j"), body), ("C", "Y", _applied("det")))


def _pinv_rule(_: int) -> Derived:
    """Golub and Pereyra (1973), equation 4.12, at constant rank, transposed: with Y = pinv(X), C of the shape of Y,
    the pullback is -Y'CY' + (I - X Y) C' (Y Y')... in components, for every shape of X."""
    first = _product(("n", eq.number(-1)[1]), _ref(0, "k", "l"), _ref(1, "k", "i"), _ref(1, "j", "l"))
    # + Y Y' dX' (I - X Y)
    second = _product(_ref(0, "k", "l"), _ref(1, "k", "m"), _ref(1, "j", "m"), _residue("l", "i"))
    # + (I - Y X) dX' Y' Y
    third = _product(_ref(0, "k", "l"), _row_residue("k", "j"), _ref(1, "m", "i"), _ref(1, "m", "l"))
    body = ("+", (("S", ("k", "l"), first), ("S", ("k", "l", "m"), second), ("S", ("k", "l", "m"), third)))
    return Derived(make_op("pinv'", (2, 2, 2), ("i", "j"), body), ("C", "Y", 0))


def _residue(a: str, b: str) -> eq.Expr:
    """(I - X Y)[b, a], symmetric: the projection away from the columns of X."""
    return ("+", (("d", a, b), _product(("n", eq.number(-1)[1]), ("S", ("q",), _product(_ref(2, b, "q"), _ref(1, "q", a))))))


def _row_residue(a: str, b: str) -> eq.Expr:
    """(I - Y X)[a, b]: the projection away from the rows of X."""
    return ("+", (("d", a, b), _product(("n", eq.number(-1)[1]), ("S", ("q",), _product(_ref(1, a, "q"), _ref(2, "q", b))))))


def _applied(name: str) -> Source:
    return (STRUCTURED[name], (0,))


STRUCTURED: dict[str, Op] = {
    "inv": structured_op("inv", [("x", "x")], ("x", "x"), _inv_rule),
    "det": structured_op("det", [("x", "x")], (), _det_rule),
    "logdet": structured_op("logdet", [("x", "x")], (), _logdet_rule),
    "adj": structured_op("adj", [("x", "x")], ("x", "x"), _adj_rule),
    "pinv": structured_op("pinv", [("x", "y")], ("y", "x"), _pinv_rule),
}
MATRIX_FUNCTIONS = tuple(STRUCTURED)


def matrix_function(name: str, node: Node, lead: int = 0) -> Node:
    """inv, det, logdet, adj or pinv of a matrix, or of each matrix along leading axes. Raises ShapeError unless it is square (pinv apart)."""
    return apply(STRUCTURED[name].lift([tuple(range(lead))]), node)
