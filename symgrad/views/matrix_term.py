"""Matrix terms: an immutable tree with a kind, arguments and a shape.

A missing axis is `NONE`, so a vector of size 1 is no scalar. Kinds:

    leaf(name, facts)   num(value)   ones()   zeros()   eye()         t(a)   mul(factors)   mpow(base, exponent)   diag(vector)
    call(name, args)    term(coefficient, ((scalar, exponent), ...), body)   add(parts)   emul(((part, exponent), ...))
    epow(base, exponent)   spow(base, exponent)
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from symgrad.core.shape import Size

__all__ = ["NONE", "SCALAR", "SYMMETRIC", "Axis", "Shape", "Term", "exact_root", "facts_of", "is_negative", "is_zero", "leads_with_minus"]


class _None:
    """The size of an axis that is not there."""

    def __repr__(self) -> str:
        return "·"


NONE: Final = _None()
Axis = Size | _None
Shape = tuple[Axis, Axis]
SCALAR: Shape = (NONE, NONE)
SYMMETRIC = frozenset(("symmetric", "psd", "spd", "diagonal"))


class Term:
    """An immutable matrix term; equality is structural, with the hash computed once."""

    __slots__ = ("kind", "args", "shape", "_hash", "_key")

    def __init__(self, kind: str, args: tuple[Any, ...], shape: Shape) -> None:
        self.kind, self.args, self.shape = kind, args, shape
        self._hash = hash((kind, args, shape))
        self._key: str | None = None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Term) and self._hash == other._hash and self.kind == other.kind
                                 and self.args == other.args and self.shape == other.shape)

    @property
    def key(self) -> str:
        """A text to order terms by."""
        if self._key is None:
            self._key = f"{self.kind}({','.join(_key(a) for a in self.args)})"
        return self._key

    def __repr__(self) -> str:
        return self.key


def _key(a: object) -> str:
    if isinstance(a, frozenset):
        return ",".join(sorted(a))
    return a.key if isinstance(a, Term) else f"({','.join(_key(x) for x in a)})" if isinstance(a, tuple) else str(a)


def is_zero(a: Term) -> bool:
    """Whether a term is identically zero."""
    return a.kind == "zeros" or (a.kind == "num" and a.args[0] == 0)


def facts_of(a: Term) -> frozenset[str]:
    """What is known of a term: declared of a leaf, or by the function it is."""
    if a.kind == "call":
        return _FACTS_OF_CALLS.get(a.args[0], frozenset())
    return a.args[1] if a.kind == "leaf" else frozenset()


_FACTS_OF_CALLS = {"softmax": frozenset(("simplex", "positive")), "onehot": frozenset(("onehot",)), "exp": frozenset(("positive",))}


def is_negative(e: object) -> bool:
    return not isinstance(e, Term) and e < 0  # type: ignore[operator]  # exponents are numbers or terms


def leads_with_minus(a: Term) -> bool:
    """Whether the term prints with a minus in front."""
    return (a.kind == "term" and a.args[0] < 0) or (a.kind == "num" and a.args[0] < 0)


def exact_root(value: Fraction, e: Fraction) -> Fraction | None:
    """value^e where that is rational, for half powers."""
    if e * 2 != int(e * 2):
        return None
    top, bottom = round(value.numerator ** 0.5), round(value.denominator ** 0.5)
    return Fraction(top, bottom) ** int(e * 2) if top * top == value.numerator and bottom * bottom == value.denominator else None
