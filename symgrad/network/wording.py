"""Expressions come in; short text of them for messages goes out."""

from __future__ import annotations

from symgrad.notation.syntax import (
    Affine,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Name,
    Negate,
    Number,
    Over,
    Partial,
    Transpose,
)

__all__ = ["index_text", "shown", "written"]

LONGEST, DEEPEST, UNLIMITED = 40, 8, 10**6
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, ".*": 2, "./": 2, "^": 4, ".^": 4}


def shown(e: Expression) -> str:
    """The text of an expression, `...` where it is long."""
    text, _ = _text(e, DEEPEST)
    return text if len(text) <= LONGEST else "(...)"


def written(e: Expression) -> str:
    """The whole text of an expression, which reads back as the same."""
    return _text(e, UNLIMITED, "")[0]


def index_text(i: Affine) -> str:
    """The text of an index."""
    parts = ["*".join((*([str(t.coefficient)] if t.coefficient != 1 else ()), *t.names)) for t in i.terms]
    if i.constant or not parts:
        parts.append(str(i.constant))
    return "+".join(parts).replace("+-", "-")


def _text(e: Expression, depth: int, space: str = " ") -> tuple[str, int]:
    """(text, how strongly it binds); `space` stands around * and /."""
    if not depth:
        return "...", 9

    def at_least(inner: Expression, strength: int) -> str:
        text, own = _text(inner, depth - 1, space)
        return text if own >= strength else f"({text})"

    def several(inner: tuple[Expression, ...]) -> str:
        return ", ".join(at_least(x, 0) for x in inner)

    match e:
        case Number():
            return (str(e.value), 9) if e.value.denominator == 1 else (f"{float(e.value):.15g}", 9)
        case Name():
            return e.name, 9
        case Transpose():
            return f"{at_least(e.operand, 5)}'", 5
        case Negate():
            return f"-{at_least(e.operand, 3)}", 3
        case Binary():
            own = _STRENGTH[e.operator]
            gap = {1: " ", 2: space}.get(own, "")
            return f"{at_least(e.left, own + (own == 4))}{gap}{e.operator}{gap}{at_least(e.right, own + 1)}", own
        case Index():
            return f"{at_least(e.operand, 5)}[{', '.join(map(index_text, e.indices))}]", 9
        case Over():
            return f"{e.reducer}[{', '.join(e.indices)}]({at_least(e.operand, 0)})", 9
        case Delta():
            return f"delta[{index_text(e.left)}, {index_text(e.right)}]", 9
        case Derivative():
            return f"{e.function}{chr(39) * e.order}({several(e.arguments)})", 9
        case Partial():
            return f"partial({e.function}, {', '.join(map(str, e.positions))})({several(e.arguments)})", 9
        case Call():
            keywords = [f"{k.name}={_keyword(k.value, depth, space)}" for k in e.keywords]
            return f"{e.function}({', '.join(filter(None, (several(e.arguments), *keywords)))})", 9


def _keyword(value: Expression | str, depth: int, space: str) -> str:
    return f'"{value}"' if isinstance(value, str) else _text(value, depth - 1, space)[0]
