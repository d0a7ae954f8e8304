"""Matrix terms as notation text: what is printed parses back to the same value."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.core.functions import split_derivative
from symgrad.core.shape import size_text
from symgrad.views import terms as mx
from symgrad.views.terms import Term

__all__ = ["call_text", "number_text", "scalar_text", "sides", "terms_of", "tight", "text", "unbracketed"]

SUM, PRODUCT, MINUS, POWER, TIGHT = 1, 2, 3, 4, 5
"""How tightly a text binds: a sum, a product, a unary minus, a power, an operand of a power."""

_memo: dict[Term, tuple[str, int]] = {}


def text(m: Term) -> str:
    """The term in the notation."""
    return _walk(m)[0]


def tight(m: Term) -> str:
    """The term as an operand, in brackets where it needs them."""
    return _tight(m)


def _walk(m: Term) -> tuple[str, int]:
    found = _memo.get(m)
    if found is None:
        if len(_memo) > 50_000:
            _memo.clear()
        found = _memo[m] = _PRINTERS[m.kind](m)
    return found


def _tight(m: Term, level: int = TIGHT) -> str:
    s, p = _walk(m)
    return s if p >= level else f"({s})"


def number_text(value: Fraction) -> tuple[str, int]:
    """A rational number: whole, decimal where that is short and exact, else a quotient."""
    value = Fraction(value)
    sign = MINUS if value < 0 else TIGHT
    if value.denominator == 1:
        return str(value.numerator), sign
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1 and Fraction(decimal := repr(float(value))) == value:
        short = decimal.replace("e-0", "e-")
        if len(short) <= 8 or len(short) <= len(f"{value.numerator}/{value.denominator}"):
            return short, sign
    return f"{value.numerator}/{value.denominator}", PRODUCT


def call_text(name: str, arguments: list[str]) -> str:
    """A call; `g@1` is g'(z), `l@2` of two arguments l'(y, yhat), other derivatives `partial(l, 1)(y, yhat)`."""
    head, order = split_derivative(name)
    inside = ", ".join(arguments)
    if order and set(order) == {len(arguments)}:
        return f"{head}{chr(39) * len(order)}({inside})"
    if order:
        return f"partial({head}, {', '.join(map(str, order))})({inside})"
    return f"{name}({inside})"


def _leaf(m: Term) -> tuple[str, int]:
    return m.args[0], TIGHT


def _ones(m: Term) -> tuple[str, int]:
    rows, columns = m.shape
    if rows is mx.NONE:
        return f"{m.kind}({columns})'", TIGHT
    return (f"{m.kind}({rows})" if columns is mx.NONE else f"{m.kind}({rows},{columns})"), TIGHT


def _eye(m: Term) -> tuple[str, int]:
    return f"eye({size_text(m.shape[0])})", TIGHT


def _transpose(m: Term) -> tuple[str, int]:
    return f"{_tight(m.args[0])}'", TIGHT


def _matrix_power(m: Term) -> tuple[str, int]:
    base, e = m.args
    s = f"inv({_walk(base)[0]})" if e < 0 else _tight(base)
    return (f"{s}^{abs(e)}", POWER) if abs(e) != 1 else (s, TIGHT)


def _diag(m: Term) -> tuple[str, int]:
    return f"diag({_walk(m.args[0])[0]})", TIGHT


def _call(m: Term) -> tuple[str, int]:
    return call_text(m.args[0], [_walk(a)[0] for a in m.args[1:]]), TIGHT


def _mul(m: Term) -> tuple[str, int]:
    inner = mx.rooted(m) if m.shape == mx.SCALAR else None
    shown: list[str] = []
    filled: Term | None = None                             # ones(m)*ones(n)' is ones(m,n)
    for f in m.args:
        if f.kind == "ones" and filled is not None and filled.shape[1] is mx.NONE is f.shape[0]:
            shown[-1] = _walk(mx.ones((filled.shape[0], f.shape[1])))[0]
            filled = None
        else:
            shown.append(_tight(f, POWER))
            filled = f if f.kind == "ones" else None
    plain = "*".join(shown)
    if inner is not None and len(norm := f"norm2({_walk(inner)[0]})^2") < len(plain):
        return norm, POWER
    return (plain, PRODUCT) if len(shown) > 1 else (plain, TIGHT)


def _exponent(e: Any) -> str:
    if isinstance(e, Term):
        return _tight(e)
    s, p = number_text(e)
    return s if p >= MINUS and "." not in s else f"({s})"


def _entry_power(m: Term) -> tuple[str, int]:
    base, e = m.args
    if not isinstance(e, Term):
        if e == Fraction(1, 2):
            return f"sqrt({_walk(base)[0]})", TIGHT
        if e < 0:
            return f"1./{_tight(_powered(base, -e), POWER)}", PRODUCT
    return f"{_tight(base)}.^{_exponent(e)}", POWER


def _powered(base: Term, e: Any) -> Term:
    return base if e == 1 else Term("epow", (base, e), base.shape)


def _entry_product(m: Term, front: str = "1") -> tuple[str, int]:
    up = [_tight(_powered(b, e), PRODUCT if e == 1 and b.kind == "add" else POWER) for b, e in m.args if not mx.is_negative(e)]
    down = [_tight(_powered(b, -e), POWER) for b, e in m.args if mx.is_negative(e)]
    s = ".*".join(up) or front
    return s + "".join("./" + d for d in down), PRODUCT


def _power_of_scalar(m: Term) -> tuple[str, int]:
    return scalar_text(*m.args), POWER


def scalar_text(base: Term, e: Any) -> str:
    """A scalar to a power."""
    half = not isinstance(e, Term) and e * 2 == int(e * 2)
    root = mx.rooted(base) if half else None
    if root is not None and (e != int(e) or (e > 0 and (root.shape[1] is not mx.NONE or len(_tight(base)) > len(_walk(root)[0]) + 9))):
        base, e = mx.call("norm2", [root], mx.SCALAR), e * 2
    if e == 1:
        return _tight(base, PRODUCT if base.kind == "add" else TIGHT)
    if e == Fraction(1, 2):
        return f"sqrt({_walk(base)[0]})"
    return f"{_tight(base)}^{_exponent(e)}"


def _term(m: Term) -> tuple[str, int]:
    coefficient, scalars, body = m.args
    scalars = _means(scalars)
    up = [scalar_text(s, e) for s, e in scalars if not mx.is_negative(e)]
    down = [scalar_text(s, -e) for s, e in scalars if mx.is_negative(e)]
    size = abs(coefficient)
    shown, level = number_text(size)
    if level == TIGHT and len(shown) <= 4 and size.denominator not in (2, 3, 4):
        front = [] if size == 1 else [shown]
    else:
        front = [str(size.numerator)] if size.numerator != 1 else []
        down = ([str(size.denominator)] if size.denominator != 1 else []) + down
    if body != mx.ONE:
        only_below = (body.kind == "emul" and all(mx.is_negative(e) for _, e in body.args)) or (body.kind == "epow" and mx.is_negative(body.args[1]))
        if only_below:
            lead = "*".join(front + up)
            lead = lead if len(front + up) <= 1 else f"({lead})"
            parts = body.args if body.kind == "emul" else (body.args,)
            up, front = [_entry_product(Term("emul", tuple(parts), body.shape), lead or "1")[0]], []
        else:
            s, p = _walk(body)
            up.append(s if p >= PRODUCT else f"({s})")
    s = "*".join(front + up) or "1"
    if down:
        s += "/" + down[0] if len(down) == 1 else "/(" + "*".join(down) + ")"
    return ("-" + s, MINUS if len(front + up) == 1 and not down else SUM) if coefficient < 0 else (s, PRODUCT)


def _means(scalars: tuple[tuple[Term, Any], ...]) -> tuple[tuple[Term, Any], ...]:
    """The scalars with a sum over a number of entries as a mean."""
    for s, e in scalars:
        if s.kind == "call" and s.args[0] == "sum" and e == 1:
            left = list(scalars)
            sizes = [(mx.size_leaf(n), -1) for n in s.args[1].shape if n is not mx.NONE]
            for size in sizes:
                if size in left:
                    left.remove(size)
            if len(left) == len(scalars) - len(sizes):
                return tuple((mx.call("mean", [s.args[1]], mx.SCALAR), 1) if p == (s, e) else p for p in left)
    return scalars


def _add(m: Term) -> tuple[str, int]:
    """A sum; a multiple of ones beside something else of the full shape is a scalar: 1 - h.^2."""
    full = any(_body(p).kind != "ones" for p in m.args)
    logistic = _logistic(m)
    if logistic is not None:
        times = "*" if m.shape == mx.SCALAR else ".*"
        return f"{_walk(logistic)[0]}{times}(1 - {_walk(logistic)[0]})", PRODUCT
    s = ""
    for p in m.args:
        t = _walk(_without_ones(p) if full else p)[0]
        s += t if not s else " - " + t[1:] if t.startswith("-") else " + " + t
    return s, SUM


def _logistic(m: Term) -> Term | None:
    """s where the sum is s - s^2 and s a sigmoid, by name or as a call: the slope s.*(1 - s)."""
    s = m.args[0]
    if len(m.args) != 2 or not ("logistic" in mx.facts_of(s) or (s.kind == "call" and s.args[0] == "sigmoid")):
        return None
    square = mx.scalar_power(s, 2) if s.shape == mx.SCALAR else mx.elementwise([(s, 2)])
    return s if m.args[1] == mx.term(-1, [], square) else None


def _body(p: Term) -> Term:
    return p.args[2] if p.kind == "term" else p


def _without_ones(p: Term) -> Term:
    if p.kind == "ones":
        return mx.ONE
    return mx.term(p.args[0], p.args[1], mx.ONE) if p.kind == "term" and p.args[2].kind == "ones" else p


_PRINTERS = {
    "leaf": _leaf, "num": lambda m: number_text(m.args[0]), "ones": _ones, "zeros": _ones, "eye": _eye, "t": _transpose, "mpow": _matrix_power,
    "diag": _diag, "call": _call, "mul": _mul, "epow": _entry_power, "emul": _entry_product, "spow": _power_of_scalar, "term": _term, "add": _add,
}


def terms_of(text: str) -> list[str]:
    """The summands of notation text, each but the first with its sign in front."""
    found, depth, start = [], 0, 0
    for k, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and text[k:k + 3] in (" + ", " - "):
            found.append(text[start:k])
            start = k + 1
    return [*found, text[start:]]


def sides(text: str) -> tuple[str, str]:
    """The left and right sides of a definition; no left side for a bare expression."""
    depth = 0
    for k, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "=" and not depth:
            return text[:k].strip(), text[k + 1:].strip()
    return "", text


def unbracketed(text: str) -> str:
    """A text without the brackets around the whole of it."""
    depth = 0
    for k, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth and k < len(text) - 1:
            return text
    return text[1:-1] if text.startswith("(") else text
