"""Text in the notation comes in; its syntax tree goes out, or an error that shows where it does not fit and what would."""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from symgrad.errors import NotationError, nearest

from .advice import operand_after, unexpected
from .screen import DEFAULT, UNLIMITED, Fault, Limits, normalize, screen
from .statements import Claim, Declaration, Definition, Function, Network, Op, Output, Statement, expressions
from .syntax import Call, Derivative, Expression, Index, Name, Over, Partial, Place, operands
from .tree import ClaimsLine, Equation, Line, TreeBuilder, Where, define
from .words import CLAIM_FUNCTIONS, FUNCTIONS, TERMINALS

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = ["DEFAULT", "UNLIMITED", "Limits", "parse", "parse_claims", "parse_expression"]


def parse(text: str, *, file: str = "", limits: Limits | None = DEFAULT, functions: Collection[str] = ()) -> Network:
    """The syntax tree of a network, of a network with its claims, or of a fragment of `name = ...` lines and a bare expression.

    Args:
        text: the notation.
        file: the name that errors show.
        limits: how large the text may be; None for no limits.
        functions: names of functions and ops that are declared elsewhere.

    Raises:
        NotationError: with line and column, wherever the text does not fit.
    """
    return _read(text, file, limits, functions, _arrange)


def parse_expression(text: str, *, file: str = "", limits: Limits | None = DEFAULT, functions: Collection[str] = ()) -> Expression:
    """The syntax tree of one expression; arguments and errors as for `parse`."""
    (output,) = _read(text, file, limits, functions, _only_expression).statements
    return expressions(output)[0]


def parse_claims(text: str, *, file: str = "", limits: Limits | None = DEFAULT, functions: Collection[str] = ()) -> tuple[Claim, ...]:
    """The claims of a text that holds nothing else, with or without the line `claims` in front; arguments and errors as for `parse`."""
    return _read(text, file, limits, functions, _only_claims).claims


def _read(text: str, file: str, limits: Limits | None, functions: Collection[str], arrange: Callable[[Sequence[Line]], Network]) -> Network:
    if not isinstance(text, str):
        raise NotationError(f"notation is text, found {type(text).__name__}", file=file)
    text, shown = normalize(text)
    limits = limits or UNLIMITED
    try:
        code = screen(text, limits)
        network = arrange(_lines(code))
        _check(network, limits, functions, code)
    except Fault as fault:
        raise NotationError(fault.message, source=shown, line=fault.place.line, column=fault.place.column, file=file) from None
    return network


class _Spread:
    """Calls the methods of a `TreeBuilder` with the children of a rule spread out."""

    def __init__(self, builder: TreeBuilder) -> None:
        self._builder = builder

    def __getattr__(self, rule: str) -> Callable[[list[object]], object]:
        method = getattr(self._builder, rule)
        return lambda children: method(*children)


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", start="network", maybe_placeholders=False, transformer=_Spread(TreeBuilder()),
                lexer_callbacks={"NAME": _classify})


def _classify(word: Token) -> Token:
    terminal = TERMINALS.get(word)
    return word if terminal is None else word.update(type=terminal)


def _lines(code: str) -> tuple[Line, ...]:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        return cast("tuple[Line, ...]", _parser().parse(code))
    except UnexpectedToken as error:
        tokens = list(_parser().lex(code))
        at = next(i for i, token in enumerate(tokens) if token.start_pos == error.token.start_pos)
        raise unexpected(tokens, at, set(error.accepts or ()), code) from None
    except UnexpectedCharacters as error:
        raise Fault("these characters have no meaning here", Place(error.line, error.column, error.column + 1)) from None


def _arrange(lines: Sequence[Line]) -> Network:
    start = next((i for i, line in enumerate(lines) if isinstance(line, ClaimsLine)), len(lines))
    if not lines:
        raise Fault("the text holds no statement", Place(1, 1, 2))
    return Network(_statements(lines[:start]), tuple(map(_claim, lines[start + 1:])))


def _only_claims(lines: Sequence[Line]) -> Network:
    return Network((), tuple(map(_claim, lines[1:] if lines and isinstance(lines[0], ClaimsLine) else lines)))


def _only_expression(lines: Sequence[Line]) -> Network:
    if not lines:
        raise Fault("expected an expression, found nothing", Place(1, 1, 2))
    first = lines[0]
    if not isinstance(first, Expression):
        raise Fault(f"expected an expression, found {'an equation' if isinstance(first, Equation) else 'a statement'}", first.place)
    if len(lines) > 1:
        raise Fault("expected one expression, found another line", lines[1].place)
    return Network((Output(first, first.place),), ())


def _statements(lines: Sequence[Line]) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    for position, line in enumerate(lines, 1):
        if isinstance(line, Equation):
            statements.append(define(line))
        elif isinstance(line, Where):
            op = statements.pop() if statements else None
            if not isinstance(op, Op):
                raise Fault("a line `where` follows the line of an op", line.place)
            statements.append(Op(op.name, op.parameters, op.equation, op.where + line.equations, op.place))
        elif isinstance(line, Expression):
            if position < len(lines):
                raise Fault("a bare expression is the output and stands on the last line: here write name = ...", line.place)
            statements.append(Output(line, line.place))
        elif not isinstance(line, ClaimsLine):
            statements.append(line)
    return tuple(statements)


def _claim(line: Line) -> Claim:
    if isinstance(line, ClaimsLine):
        raise Fault("the claims have begun already", line.place)
    if not isinstance(line, Equation):
        raise Fault("below `claims` every line is a claim, as in grad(loss, v) = ...", line.place)
    target = line.left
    inner = target.operand if isinstance(target, Index) else target
    claimed = isinstance(inner, Name) or (isinstance(inner, Call) and inner.function in CLAIM_FUNCTIONS)
    if isinstance(target, Name | Index | Call) and claimed:
        return Claim(target, line.right, target.place)
    raise Fault("a claim is about a name, grad(loss, W), jac(h, z) or D[i, j]", target.place)


def _check(network: Network, limits: Limits, functions: Collection[str], code: str) -> None:
    """Hold the limits on rank and depth, and hold that whatever is called is a function."""
    declared = {statement.name for statement in network.statements if isinstance(statement, Function | Op)}
    known = FUNCTIONS | declared | frozenset(functions)
    for statement in (*network.statements, *network.claims):
        _check_rank(statement, limits)
        waiting = [(expression, 1) for expression in expressions(statement)]
        while waiting:
            expression, depth = waiting.pop()
            if depth > limits.depth:
                raise Fault(f"more than {limits.depth} levels of nesting: name a part on a line of its own", expression.place)
            _check_rank(expression, limits)
            if isinstance(expression, Call | Derivative | Partial) and expression.function not in known:
                raise _no_function(expression, known, code)
            waiting += [(operand, depth + 1) for operand in operands(expression)]


def _check_rank(node: Statement | Claim | Expression, limits: Limits) -> None:
    match node:
        case Definition() | Index() | Over():
            rank = len(node.indices)
        case Declaration():
            rank = max(len(node.indices), len(node.type.sizes))
        case Op():
            rank = max(len(definition.indices) for definition in (node.equation, *node.where))
        case _:
            return
    if rank > limits.rank:
        raise Fault(f"{rank} axes are too many; at most {limits.rank} are allowed", node.place)


def _no_function(node: Call | Derivative | Partial, known: Collection[str], code: str) -> Fault:
    tokens = list(_parser().lex(code))
    at = next(i for i, token in enumerate(tokens) if (token.line, token.column) == (node.place.line, node.place.column))
    if isinstance(node, Partial):
        return Fault(f"`{node.function}` is no function here{nearest(node.function, known)}", node.place)
    factor = node.function + "'" * node.order if isinstance(node, Derivative) else node.function
    after = operand_after(tokens, at + (2 if isinstance(node, Derivative) else 1), code)
    close = nearest(node.function, known) if len(node.function) > 2 else ""
    return Fault(f"`{node.function}` is no function here: for a product write {factor} * {after}{close}", node.place)
