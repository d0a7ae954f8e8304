"""What stands inside square brackets comes in, piece by piece; sums of whole multiples of names go out."""
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .screen import Fault
from .syntax import Affine, AffineTerm, Place

if TYPE_CHECKING:
    from lark import Token

__all__ = ["IndexBuilder", "fraction", "place_of", "whole"]

_Monomials = dict[tuple[str, ...], int]           # sorted names -> coefficient; the constant belongs to no name


@dataclass(frozen=True, slots=True)
class _IndexSum:
    monomials: _Monomials
    place: Place


def place_of(token: Token) -> Place:
    """Where a token stands."""
    line, column = token.line or 1, token.column or 1
    return Place(line, column, column + max(1, len(token)))


def whole(token: Token, least: int, what: str) -> int:
    """The whole number that a token is; `what` it counts goes into the message.

    Raises:
        Fault: it is no whole number, or less than `least`.
    """
    value = fraction(token)
    if value.denominator != 1 or not token.isdigit():
        raise Fault(f"{what} is a whole number, found `{token}`", place_of(token))
    if value < least:
        raise Fault(f"{what} is at least {least}, found `{token}`", place_of(token))
    return int(value)


def fraction(token: Token) -> Fraction:
    """The exact value of a number token."""
    try:
        return Fraction(str(token))
    except ValueError:                             # Python itself refuses thousands of digits
        raise Fault("the number has too many digits", place_of(token)) from None


class IndexBuilder:
    """One method for each rule of the grammar inside square brackets."""

    def indices(self, *indices: Affine) -> tuple[Affine, ...]:
        return indices

    def affine(self, total: _IndexSum) -> Affine:
        monomials = {names: coefficient for names, coefficient in total.monomials.items() if coefficient}
        constant = monomials.pop((), 0)
        return Affine(constant, tuple(AffineTerm(coefficient, names) for names, coefficient in monomials.items()), total.place)

    def index_name(self, name: Token) -> _IndexSum:
        return _IndexSum({(str(name),): 1}, place_of(name))

    def index_number(self, number: Token) -> _IndexSum:
        return _IndexSum({(): whole(number, 0, "an index")}, place_of(number))

    def index_sum(self, left: _IndexSum, operator: Token, right: _IndexSum) -> _IndexSum:
        sign = 1 if operator == "+" else -1
        for names, coefficient in right.monomials.items():              # in place: each sum is used once, and long ones stay linear
            left.monomials[names] = left.monomials.get(names, 0) + sign * coefficient
        return left

    def index_negate(self, minus: Token, operand: _IndexSum) -> _IndexSum:
        return _IndexSum({names: -coefficient for names, coefficient in operand.monomials.items()}, place_of(minus))

    def index_product(self, left: _IndexSum, operator: Token, right: _IndexSum) -> _IndexSum:
        if operator != "*":
            raise Fault(f"an index is a sum of terms such as 2*i, s*i or 1, found `{operator}`", place_of(operator))
        if len(left.monomials) > 1 and len(right.monomials) > 1:
            raise Fault("an index is a sum of terms such as 2*i, s*i or 1: two sums cannot be multiplied", place_of(operator))
        product: _Monomials = {}
        for a, x in left.monomials.items():
            for b, y in right.monomials.items():
                names = tuple(sorted(a + b))
                product[names] = product.get(names, 0) + x * y
        return _IndexSum(product, left.place)
