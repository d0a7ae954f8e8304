"""A call and the values of its arguments come in; the value of the call goes out, by one row a word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symgrad.core.node import Node
from symgrad.core.shape import Size
from symgrad.errors import nearest
from symgrad.network import derivatives, library, linear_algebra
from symgrad.network.own_ops import applied
from symgrad.network.reductions import mapped, reduced, whole
from symgrad.network.tables import Tables
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation import syntax
from symgrad.notation.screen import Fault, Misfit
from symgrad.notation.words import ELEMENTWISE, REDUCTIONS
from symgrad.ops import recognise
from symgrad.ops.arithmetic import filled
from symgrad.ops.onehot import onehot

__all__ = ["Call", "of_sizes", "value"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its arguments read: `sizes` are those of its last arguments that are sizes, `classes` says which arguments are labels."""

    e: syntax.Call
    arguments: Sequence[Value]
    keywords: Mapping[str, Value | str]
    tables: Tables
    axes: Axes
    kept: Collection[Node]
    sizes: Sequence[Size]
    classes: Sequence[Size | None]

    def fail(self, message: str) -> Fault:
        """The error at the word."""
        return Misfit(message, self.e.place)

    def text(self, position: int) -> str:
        """An argument with its shape, for messages."""
        return f"{shown(self.e.arguments[position])} ({self.axes.shown(self.arguments[position])})"

    def shown(self, name: str, value: Value) -> str:
        """The argument that a value was given by, with its shape."""
        given = next((k.value for k in self.e.keywords if k.name == name), None) or \
            next(e for e, v in zip(self.e.arguments, self.arguments, strict=False) if v is value)
        return f"{given if isinstance(given, str) else shown(given)} ({self.axes.shown(value)})"

    def number(self, name: str, default: Fraction | int) -> Value:
        """A scalar argument by keyword, or its default."""
        given = self.keywords.get(name, number(default))
        if isinstance(given, str) or given.rank or given.lead:
            raise self.fail(f"{name} of {self.e.function} is a scalar")
        return given

    def whole(self, name: str, default: int, least: int = 1) -> int:
        """A whole number by keyword, or its default."""
        constant = self.number(name, default).constant
        if constant is None or constant.denominator != 1 or not least <= constant < 10**6:
            raise self.fail(f"{name} of {self.e.function} is a whole number of at least {least}")
        return int(constant)

    def word(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """A word by keyword, or its default."""
        given = self.keywords.get(name, default)
        if not isinstance(given, str) or given not in allowed:
            raise self.fail(f"{name} of {self.e.function} is one of " + ", ".join(f'"{w}"' for w in allowed))
        return given


Handler = Callable[[Call], Value]


@dataclass(frozen=True, slots=True)
class Row:
    """What a word takes: how many arguments, by position or by these names, then these by keyword."""

    least: int
    most: int
    handler: Handler
    keywords: tuple[str, ...] = ()


def _row(parameters: str, handler: Handler, options: str = "") -> Row:
    count = len(parameters.split())
    return Row(count, count, handler, tuple(options.split()))


def _rows(name: str) -> Handler:
    def handler(c: Call) -> Value:
        (v,) = c.arguments
        if not v.rank:
            raise c.fail(f"{name} is over the last axis; {c.text(0)} has none")
        return reduced(name, replace(v, split=None), v.core[-1:], c.axes)

    return handler


def _elementwise(c: Call) -> Value:
    (v,) = c.arguments
    if c.e.function != "log":
        return mapped(c.e.function, v, c.axes)
    node, letters = c.axes.raw(v)
    constant = v.constant
    if constant is not None and constant <= 0:
        raise c.fail("the logarithm of a number that is not positive")
    made = recognise.log(node, c.kept)
    return replace(c.axes.of(made, letters), lead=v.lead, core=v.core, lying=v.lying, family=v.family, fits=v.fits, split=v.split)


def _onehot(c: Call) -> Value:
    (v,) = c.arguments
    if v.rank:
        family = v.family if v.rank == len(v.family) else ()
        if v.rank > 1:
            raise c.fail("onehot takes one label, as in onehot(c[n], K), or a whole array of them")
    else:
        family = ()
    node, letters = c.axes.raw(v)
    letter = c.axes.fresh(c.sizes[0])
    made = onehot(node, c.sizes[0])
    return replace(c.axes.of(made, (*letters, letter)), lead=v.lead, core=(*v.core, letter), family=family)


def _pad(c: Call) -> Value:
    return replace(c.arguments[0], padded=True)


ROWS: dict[str, Row] = {
    **{w: _row("z", _elementwise) for w in ELEMENTWISE},
    **{w: _row("x", lambda c: whole(c.e.function, c.arguments[0], c.axes)) for w in REDUCTIONS},
    **{w: _row("z", _rows(w)) for w in ("softmax", "log_softmax", "logsumexp")},
    **{w: Row(n, n, f) for w, (n, f) in linear_algebra.ROWS.items()},
    **{w: Row(least, most, f, options) for w, (least, most, options, f) in library.ROWS.items()},
    "onehot": Row(2, 2, _onehot),
    "pad": _row("x", _pad),
    "grad": _row("a b", derivatives.grad),
    "jac": _row("a b", derivatives.jac),
}
NOTES = {"var": "var is over indices: write var[i](x[i])", "prod": "prod is over indices: write prod[i](x[i])"}


def value(c: Call) -> Value:
    """The value of a call. Raises Fault where the arguments do not fit."""
    word = c.e.function
    if word in c.tables.ops:
        return _own(c)
    if word in c.tables.functions:
        return _unknown(c)
    row = ROWS.get(word)
    if word in ("vector", "matrix"):
        return _fits(c)
    if row is None:
        raise c.fail(NOTES.get(word, f"{word} has no value here"))
    count = len(c.e.arguments)
    if not row.least <= count <= row.most:
        takes = str(row.least) if row.least == row.most else f"{row.least} to {row.most}"
        raise c.fail(f"{word} takes {takes} argument{'s' if takes != '1' else ''}, found {count}")
    for keyword in c.e.keywords:
        if keyword.name not in row.keywords:
            raise Fault(
                f"{word} has no argument {keyword.name}"
                + (f"; it has {', '.join(row.keywords)}" if row.keywords else "")
                + nearest(keyword.name, row.keywords),
                keyword.place,
            )
    for k, v in enumerate(c.arguments):
        if v.fits and word not in ELEMENTWISE:
            raise c.fail(f"the size of {shown(c.e.arguments[k])} follows from nothing here: write ones(n)")
    return row.handler(c)


def of_sizes(e: syntax.Call, sizes: Sequence[Size], axes: Axes) -> Value:
    """`eye(n)`, `ones(m, n)`, `zeros(n)`."""
    if e.keywords:
        raise Fault(f"{e.function} takes sizes only", e.place)
    if e.function == "eye":
        if len(sizes) > 2 or len({*sizes}) > 1:
            raise Fault("eye takes one size: it is square", e.place)
        i, j = axes.fresh(sizes[0]), axes.fresh(sizes[0])
        return axes.of(filled("eye", (sizes[0], sizes[0])), (), like=Value(core=(i, j)))
    node = filled(e.function, tuple(sizes))
    return axes.of(node)


def _fits(c: Call) -> Value:
    constant = c.arguments[0].constant if len(c.arguments) == 1 and not c.keywords else None
    if constant is None:
        raise c.fail(f"{c.e.function}(1) is all ones of the size that fits; it takes a number")
    return replace(number(constant), fits=c.e.function)


def _own(c: Call) -> Value:
    op = c.tables.ops[c.e.function]
    if c.keywords:
        raise c.fail(f"{c.e.function} takes its operands by position")
    if len(c.arguments) != op.arity:
        raise c.fail(f"{c.e.function} takes {op.arity} operands, found {len(c.arguments)}")
    for k, (v, rank) in enumerate(zip(c.arguments, op.ranks, strict=True)):
        if v.rank != rank:
            raise c.fail(f"operand {k + 1} of {c.e.function} has {rank} axes in its equation; {c.text(k)} has {v.rank}")
    lead, places = derivatives.shared_lead(c.arguments)
    return c.axes.of(applied(op, [c.axes.node(v) for v in c.arguments], places), lead)


def _unknown(c: Call) -> Value:
    f = c.tables.functions[c.e.function]
    if c.keywords:
        raise c.fail(f"{c.e.function} takes its arguments by position")
    if len(c.arguments) != f.arguments:
        raise c.fail(f"{c.e.function} takes {f.arguments} argument{'s' if f.arguments != 1 else ''}, found {len(c.arguments)}")
    return derivatives.unknown_value(c.e.function, (), f.elementwise, c.arguments, c.axes)
