"""A chain through skip connections comes in; the same with every such factor as I + J goes out: never multiplied out, so as long as the chain."""
from __future__ import annotations

from collections.abc import Mapping

from symgrad.core.node import Node
from symgrad.core.shape import size_text
from symgrad.errors import UnsupportedError
from symgrad.views.chain import Factor
from symgrad.views.factors import FactorForms

__all__ = ["SkipForms"]


class SkipForms:
    """Shows the factors of a chain, one across a skip connection `h = x + f(x)` as `(eye(K) + jac(f, x))`."""

    def __init__(self, forms: FactorForms, names: Mapping[Node, str]) -> None:
        self.forms, self.names = forms, names
        if not any(self.branch(f) is not None for f in forms.factors):
            raise UnsupportedError("no value on the way is the sum of an earlier one and something else: there is no skip connection to expand")

    def branch(self, f: Factor) -> Node | None:
        """What a value adds to the one before it, where it does; the value itself, where that has no name."""
        body = f.of.op.body
        if body is None or body[0] != "+" or len(self.forms.axes(f.of)) != 1 or f.of.shape != f.by.shape:
            return None
        plain = [f.of.operands[e[1]] for e in body[1] if e == ("r", e[1], f.of.op.out)] if all(e[0] == "r" for e in body[1]) else []
        if plain.count(f.by) != 1 or len(plain) != len(body[1]):
            return None
        rest = [n for n in plain if n is not f.by]
        return rest[0] if len(rest) == 1 and rest[0] in self.names else f.of

    def show(self, f: Factor) -> str:
        """The factor as text."""
        branch = self.branch(f)
        if branch is None:
            return self.forms.jac(f)
        eye = f"eye({size_text(self.forms.axes(f.of)[0])})"
        if branch is f.of:
            return f"({eye} + ({self.forms.jac(f)} - {eye}))"
        index = f"[{self.forms.index}]" if f.of in self.forms.per_example else ""
        return f"({eye} + jac({self.names[branch]}{index}, {self.forms.value(f.by)}))"
