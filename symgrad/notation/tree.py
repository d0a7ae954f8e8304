"""What the parser reduces comes in, rule by rule, inside the parsing loop; nodes of the syntax tree go out."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from symgrad.errors import nearest

from .indices import IndexBuilder, fraction, place_of, whole
from .screen import Fault
from .statements import Const, Declaration, Definition, Family, Function, Op, Size, Statement, Type
from .syntax import (
    Affine,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Keyword,
    Name,
    Negate,
    Number,
    Operator,
    Over,
    Partial,
    Place,
    Transpose,
)
from .words import ARITIES, CLAIM_FUNCTIONS, FACTS

if TYPE_CHECKING:
    from lark import Token

__all__ = ["ClaimsLine", "Equation", "Line", "TreeBuilder", "Where", "define"]


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right` before it is known to be a definition or a claim."""

    left: Expression
    right: Expression
    place: Place


@dataclass(frozen=True, slots=True)
class Where:
    """A line of its own that gives intermediates to the op above it."""

    equations: tuple[Definition, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class ClaimsLine:
    """The line `claims`."""

    place: Place


Line = Statement | Equation | Where | ClaimsLine | Expression


@dataclass(frozen=True, slots=True)
class _Declared:
    name: Token
    indices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Fact:
    word: str
    place: Place


def define(equation: Equation) -> Definition:
    """The definition that an equation outside the claims is.

    Raises:
        Fault: the left side is no name, or has an index that is neither a name nor a whole number, or one name twice.
    """
    left = equation.left
    target = left.operand if isinstance(left, Index) else left
    if isinstance(target, Call) and target.function in CLAIM_FUNCTIONS:
        raise Fault("this is a claim about a derivative: it stands below a line `claims`", left.place)
    if isinstance(left, Call):
        raise Fault(f"the left side of `=` is a name, such as z[n]; a function is declared by `function {left.function}(x)`", left.place)
    if not isinstance(target, Name):
        raise Fault("the left side of `=` is a name, such as z or z[n]", left.place)
    indices = left.indices if isinstance(left, Index) else ()
    for index in indices:
        if index.name is None and index.literal is None:
            raise Fault("an index on the left side of `=` is a plain name or a whole number, as in h[n, t] or h[n, 0]", index.place)
    _distinct([(index.name, index.place) for index in indices if index.name], "the index")
    return Definition(target.name, indices, equation.right, target.name == "D" and bool(indices), left.place)


def _distinct(names: Iterable[tuple[str, Place]], what: str) -> None:
    seen: set[str] = set()
    for name, place in names:
        if name in seen:
            raise Fault(f"{what} `{name}` appears twice", place)
        seen.add(name)


def _size(token: Token) -> int | str:
    return whole(token, 1, "a size") if token.type == "NUMBER" else str(token)


class TreeBuilder(IndexBuilder):
    """One method for each rule of the grammar; mistakes that the grammar cannot see are raised as `Fault`."""

    # Statements

    def network(self, *lines: object) -> tuple[object, ...]:
        return tuple(inner for line in lines for inner in (line if isinstance(line, tuple) else (line,)))

    def family(self, keyword: Token, name: Token, first: Token, last: Token) -> Family:
        start, end = whole(first, 0, "the first index"), _size(last)
        if isinstance(end, int) and end < start:
            raise Fault(f"the range {start}..{end} is empty", place_of(last))
        return Family(str(name), start, end, keyword == "examples", place_of(name))

    def declaration(self, role: Token, *parts: _Declared | Type | _Fact | str) -> tuple[Declaration, ...]:
        names = [part for part in parts if isinstance(part, _Declared)]
        kind = next(part for part in parts if isinstance(part, Type))
        facts = [part for part in parts if isinstance(part, _Fact)]
        printed = next((part for part in parts if isinstance(part, str)), None)
        _distinct([(fact.word, fact.place) for fact in facts], "the fact")
        _distinct([(str(name.name), place_of(name.name)) for name in names], "the name")
        if printed is not None and len(names) > 1:
            raise Fault("`as` says how one name is printed: declare this name on a line of its own", place_of(names[1].name))
        words = tuple(fact.word for fact in facts)
        return tuple(Declaration(cast(Literal["data", "param"], str(role)), str(name.name), name.indices, kind, words, printed,
                                 place_of(name.name)) for name in names)

    def declared(self, name: Token, *indices: Affine) -> _Declared:
        return _Declared(name, _plain_names(indices, "an index in a declaration"))

    def type(self, kind: Token, *sizes: Token) -> Type:
        place = place_of(kind)
        if kind not in ARITIES:
            raise Fault(f"`{kind}` is no type; a type is one of {', '.join(ARITIES)}{nearest(kind, ARITIES)}", place)
        arities = ARITIES[kind]
        if arities and len(sizes) not in arities:
            raise Fault(f"{kind} takes {_count(arities[-1], 'size')}, found {len(sizes)}", place)
        if not arities and not sizes:
            raise Fault("a tensor needs its sizes, as in tensor(M, M, 4)", place)
        return Type(str(kind), tuple(map(_size, sizes)), place)

    def fact(self, word: Token) -> _Fact:
        if word not in FACTS:
            raise Fault(f"`{word}` is no fact; a fact is one of {', '.join(FACTS)}{nearest(word, FACTS)}", place_of(word))
        return _Fact(str(word), place_of(word))

    def printed(self, _keyword: Token, text: Token) -> str:
        return str(text)[1:-1]

    def sizes(self, _keyword: Token, *sizes: Size) -> tuple[Size, ...]:
        return sizes

    def size_item(self, name: Token, value: Token | None = None) -> Size:
        return Size(str(name), None if value is None else whole(value, 1, "a size"), place_of(name))

    def constants(self, _keyword: Token, *constants: Const) -> tuple[Const, ...]:
        return constants

    def const_item(self, name: Token, value: Expression) -> Const:
        return Const(str(name), value, place_of(name))

    def function(self, _keyword: Token, name: Token, how: Token | tuple[str, ...], bound: str | None = None) -> Function:
        if isinstance(how, tuple):
            return Function(str(name), how, bound, place_of(name))
        if how != "elementwise":
            raise Fault(f"expected `elementwise` or arguments in brackets, found `{how}`", place_of(how))
        return Function(str(name), None, bound, place_of(name))

    def bound(self, word: Token) -> str:
        return str(word)

    def parameters(self, *names: Token) -> tuple[str, ...]:
        _distinct([(str(name), place_of(name)) for name in names], "the argument")
        return tuple(map(str, names))

    def op(self, _keyword: Token, name: Token, parameters: tuple[str, ...], equation: Equation, *where: object) -> Op:
        intermediates = cast(tuple[Definition, ...], where[1]) if where else ()
        return Op(str(name), parameters, define(equation), intermediates, place_of(name))

    def where(self, keyword: Token, equations: tuple[Definition, ...]) -> Where:
        return Where(equations, place_of(keyword))

    def equations(self, *equations: Equation) -> tuple[Definition, ...]:
        return tuple(map(define, equations))

    def claims(self, keyword: Token) -> ClaimsLine:
        return ClaimsLine(place_of(keyword))

    def line(self, line: Equation | Expression) -> Equation | Expression:
        return line

    def equation(self, left: Expression, right: Expression) -> Equation:
        return Equation(left, right, left.place)

    # Expressions

    def binary(self, left: Expression, operator: Token, right: Expression) -> Binary:
        return Binary(cast(Operator, str(operator)), left, right, place_of(operator))

    def tower(self, _left: Expression, operator: Token, _right: Expression) -> Expression:
        raise Fault("a power of a power needs brackets: write (a^b)^c or a^(b^c)", place_of(operator))

    def negate(self, minus: Token, operand: Expression) -> Negate:
        return Negate(operand, place_of(minus))

    def transpose(self, operand: Expression, quote: Token) -> Transpose:
        return Transpose(operand, place_of(quote))

    def index(self, operand: Expression, indices: tuple[Affine, ...]) -> Index:
        if isinstance(operand, Number):
            raise Fault("a number has no components; for a component of a power write (X^2)[i, j]", operand.place)
        return Index(operand, indices, operand.place)

    def number(self, token: Token) -> Number:
        return Number(fraction(token), place_of(token))

    def name(self, token: Token) -> Name:
        return Name(str(token), place_of(token))

    def call(self, function: Token, arguments: tuple[Expression | Keyword, ...]) -> Call:
        keywords = tuple(argument for argument in arguments if isinstance(argument, Keyword))
        _distinct([(keyword.name, keyword.place) for keyword in keywords], "the argument")
        positional = _positional(arguments[:len(arguments) - len(keywords)], "arguments by keyword come after the others")
        return Call(str(function), positional, keywords, place_of(function))

    def derivative(self, function: Token, primes: Token, arguments: tuple[Expression | Keyword, ...]) -> Derivative:
        return Derivative(str(function), len(primes), _positional(arguments, "a derivative takes no keywords"), place_of(function))

    def partial(self, keyword: Token, function: Token, *rest: Token | tuple[Expression | Keyword, ...]) -> Partial:
        arguments = _positional(cast(tuple[Expression | Keyword, ...], rest[-1]), "a derivative takes no keywords")
        tokens = cast("tuple[Token, ...]", rest[:-1])
        positions = tuple(whole(token, 1, "the position of an argument") for token in tokens)
        for position, token in zip(positions, tokens, strict=True):
            if position > len(arguments):
                raise Fault(f"there is no argument {position}: {function} is given {_count(len(arguments), 'argument')}", place_of(token))
        return Partial(str(function), positions, arguments, place_of(keyword))

    def over(self, reducer: Token, indices: tuple[Affine, ...], operand: Expression) -> Over:
        names = _plain_names(indices, f"what {reducer}[...] runs over")
        return Over(str(reducer), names, operand, place_of(reducer))

    def delta(self, keyword: Token, indices: tuple[Affine, ...]) -> Delta:
        if len(indices) != 2:
            raise Fault(f"delta takes two indices, as in delta[i, j], found {len(indices)}", place_of(keyword))
        return Delta(indices[0], indices[1], place_of(keyword))

    def arguments(self, *arguments: Expression | Keyword) -> tuple[Expression | Keyword, ...]:
        return arguments

    def keyword(self, name: Token, value: Expression | Token) -> Keyword:
        return Keyword(str(name), value[1:-1] if isinstance(value, str) else value, place_of(name))


def _positional(arguments: tuple[Expression | Keyword, ...], message: str) -> tuple[Expression, ...]:
    for argument in arguments:
        if isinstance(argument, Keyword):
            raise Fault(message, argument.place)
    return cast(tuple[Expression, ...], arguments)


def _plain_names(indices: tuple[Affine, ...], what: str) -> tuple[str, ...]:
    for index in indices:
        if index.name is None:
            raise Fault(f"{what} is a plain name, such as n", index.place)
    names = [(index.name or "", index.place) for index in indices]
    _distinct(names, "the index")
    return tuple(name for name, _ in names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
