"""Index equations to sympy and back; every sympy symbol of the package is made here, and all are real."""
from __future__ import annotations

from collections.abc import Hashable, Mapping
from fractions import Fraction

import sympy as sp
from sympy import Add, Expr, Function, Indexed, IndexedBase, KroneckerDelta, Mul, Pow, Sum, Symbol

from symgrad.core import equation as eq
from symgrad.core.functions import function_class, function_name
from symgrad.errors import UnsupportedError

__all__ = ["at", "base", "from_sympy", "index_symbol", "size_symbol", "to_sympy", "total"]

LIMIT = Symbol("n_", integer=True, positive=True)          # the limit of every Sum: real sizes come from the operands' shapes


def index_symbol(name: Hashable) -> Symbol:
    """The symbol of an index."""
    return Symbol(str(name), integer=True)


def base(name: str, rank: int, positive: bool = False) -> Expr:
    """The sympy object of an operand: an IndexedBase, or a plain symbol for a scalar."""
    facts = {"real": True, "positive": True} if positive else {"real": True}
    return IndexedBase(name, **facts) if rank else Symbol(name, **facts)


def size_symbol(operand: int, axis: int) -> Symbol:
    """The size of an axis of an operand, as it stands in an equation."""
    return Symbol(f"s{operand}_{axis}", positive=True)


def at(b: Expr, index: tuple[Expr, ...]) -> Expr:
    """b at an index; a scalar as it is."""
    return b[index] if index else b


def total(body: Expr, index: tuple[Symbol, ...]) -> Expr:
    """The sum over the indices."""
    return Sum(body, *[(i, 0, LIMIT - 1) for i in index]) if index else body


def to_sympy(e: eq.Expr, bases: Mapping[int, Expr]) -> Expr:
    """The sympy expression of an equation; `bases` gives the symbol of each operand position."""
    tag = e[0]
    if tag == "r":
        return at(bases[e[1]], tuple(_index(i) for i in e[2]))
    if tag == "n":
        return sp.Rational(e[1].numerator, e[1].denominator)
    if tag == "k":
        return {"pi": sp.pi}[e[1]]
    if tag == "s":
        return size_symbol(e[1], e[2])
    if tag == "d":
        return KroneckerDelta(_index(e[1]), _index(e[2]))
    if tag == "S":
        return total(to_sympy(e[2], bases), tuple(index_symbol(b) for b in e[1]))
    if tag == "+":
        return Add(*[to_sympy(a, bases) for a in e[1]])
    if tag == "*":
        return Mul(*[to_sympy(a, bases) for a in e[1]])
    if tag == "^":
        return Pow(to_sympy(e[1], bases), to_sympy(e[2], bases))
    return function_class(e[1])(*[to_sympy(a, bases) for a in e[2]])


def _index(i: eq.Index) -> Expr:
    constant, terms = eq.affine_parts(i)
    return sp.Integer(constant) + Add(*[c * index_symbol(n) for n, c in terms.items()])


def from_sympy(e: Expr, operands: Mapping[str, int]) -> eq.Expr:
    """The equation of a sympy expression; `operands` gives the position of each base by its name."""
    if isinstance(e, Indexed):
        return ("r", operands[str(e.base.label)], tuple(_affine(i) for i in e.indices))
    if isinstance(e, Symbol):
        if e.name in operands:
            return ("r", operands[e.name], ())
        name, axis = e.name[1:].split("_")
        return ("s", int(name), int(axis))
    if e.is_Rational:
        return ("n", Fraction(int(e.p), int(e.q)))
    if e is sp.pi:
        return ("k", "pi")
    if isinstance(e, KroneckerDelta):
        return ("d", _affine(e.args[0]), _affine(e.args[1]))
    if isinstance(e, Sum):
        return ("S", tuple(v.name for v in e.variables), from_sympy(e.function, operands))
    if isinstance(e, Add | Mul):
        return ("+" if isinstance(e, Add) else "*", tuple(from_sympy(a, operands) for a in e.args))
    if isinstance(e, Pow):
        return ("^", from_sympy(e.base, operands), from_sympy(e.exp, operands))
    if isinstance(e, sp.exp):
        return ("f", "exp", (from_sympy(e.args[0], operands),))
    if isinstance(e, Function):
        return ("f", function_name(e), tuple(from_sympy(a, operands) for a in e.args))
    raise UnsupportedError(f"the equation holds {e!r}, which has no index form")


def _affine(i: Expr) -> eq.Index:
    if isinstance(i, Symbol):
        return str(i.name)
    constant, rest = i.as_coeff_Add()
    terms: dict[eq.Index, int] = {}
    for part in Add.make_args(rest) if rest != 0 else ():
        c, symbol = part.as_coeff_Mul()
        if not isinstance(symbol, Symbol) or not c.is_Integer:
            raise UnsupportedError(f"the index {i} is no whole combination of index names")
        terms[symbol.name] = int(c)
    return eq.affine(int(constant), terms)
