r"""Expressions and lines of the notation come in, as syntax trees or as text; LaTeX goes out in which no product is ambiguous.

Matrix products stand side by side, elementwise ones take \odot and \oslash, quotients by scalars are fractions, and a dot separates
factors that could be read as a mixed number or as the application of a function.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import sympy as sp

from symgrad.core.shape import Shape, Size
from symgrad.errors import InputError
from symgrad.notation.parse import parse, parse_expression
from symgrad.notation.statements import Claim, Const, Declaration, Definition, Family, Function, Op, Output, Statement, Type
from symgrad.notation.statements import Size as SizeLine
from symgrad.notation.syntax import Affine, AffineTerm, Binary, Call, Expression, Index, Name, Place
from symgrad.views.names import function_symbol, index_name, indices_tex, name_symbol
from symgrad.views.pieces import Piece
from symgrad.views.typeset import Typesetter

__all__ = ["latex", "latex_parts", "latex_parts_text", "latex_text", "shape_latex"]

_NOWHERE = Place(1, 1, 2)
_SUM, _PRODUCT = ("+", "-"), ("*", ".*", "./")
_FACTS = {"psd": "positive semidefinite", "spd": "symmetric positive definite", "lower": "lower triangular", "upper": "upper triangular",
          "onehot": "one-hot"}


def latex(tree: Expression | Statement | Claim, names: Mapping[str, str] | None = None, *, left: str | None = None,
          scalars: Collection[str] = ()) -> str:
    r"""The LaTeX of an expression or of one line of a network, without delimiters.

    Args:
        tree: what the parser gave: an expression, a declaration, a definition, a claim.
        names: the LaTeX of names and functions where the user chose it; `views.names.labels` reads them off a network.
        left: the LaTeX of the whole left side, in place of a definition's own, `\left[\frac{\partial L}{\partial W}\right]_{dk}` for a
            `D[d, k] = ...` line; an expression gets a left side.
        scalars: names known to be scalars; an elementwise quotient by one of them is a fraction.

    Raises:
        InputError: a label that is no formula.

    >>> from symgrad.notation.parse import parse_expression
    >>> print(latex(parse_expression("W1' * x[n] + b1"), {"W1": "W^{(1)}"}))
    {W^{(1)}}^{\top}\,x_{n} + b_{1}
    """
    if isinstance(tree, Output):
        tree = tree.value
    if not isinstance(tree, Expression):
        return _line(tree, names, left, scalars)
    tex = _piece(tree, names, scalars).tex
    return f"{left} = {tex}" if left and left != tex else tex


def latex_parts(expression: Expression, names: Mapping[str, str] | None = None, *, scalars: Collection[str] = ()) -> tuple[str, ...]:
    """The terms of a sum, or the factors of a product, each with its sign in front: a line may be broken between them.

    Arguments and errors as for `latex`. Anything else is one part.
    """
    return _piece(expression, names, scalars).parts


def latex_text(text: str, names: Mapping[str, str] | None = None, functions: Collection[str] = (), *, left: str | None = None,
               scalars: Collection[str] = ()) -> str:
    """The LaTeX of notation text; several lines become one `aligned` block.

    Args:
        text: an expression, a `D[...] =` line, or lines as in a network.
        functions: functions and ops declared elsewhere.
        left: the LaTeX of the left side of the last line.

    Other arguments and errors as for `latex`.

    Raises:
        NotationError: the text does not parse.
    """
    network = parse(text, limits=None, functions=functions)
    lines = [*network.statements, *network.claims]
    shown = [latex(line, names, left=left if line is lines[-1] else None, scalars=scalars) for line in lines]
    if len(shown) == 1:
        return shown[0]
    rows = [f"& {tex}" if (isinstance(line, Output) and not left) or " = " not in tex else tex.replace(" = ", " &= ", 1)
            for line, tex in zip(lines, shown, strict=True)]
    return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


def latex_parts_text(text: str, names: Mapping[str, str] | None = None, functions: Collection[str] = (), *,
                     scalars: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
    """The parts of `latex_parts`, each with its piece of the text; one pair where text and formula divide differently.

    Arguments and errors as for `latex_text`; the text is one expression on one line.
    """
    tree = parse_expression(text, limits=None, functions=functions)
    parts = latex_parts(tree, names, scalars=scalars)
    columns: list[int] = []
    node = tree
    signs = _SUM if isinstance(tree, Binary) and tree.operator in _SUM else _PRODUCT
    while isinstance(node, Binary) and node.operator in signs and len(columns) < len(parts) - 1:
        columns.append(node.place.column - 1)
        node = node.left
    edges = [0, *reversed(columns), len(text)]
    pieces = [text[start:end].strip() for start, end in pairwise(edges)]
    if len(pieces) != len(parts) or any(piece.count("(") != piece.count(")") for piece in pieces):
        return ((_piece(tree, names, scalars).tex, text),)
    return tuple(zip(parts, pieces, strict=True))


def shape_latex(shape: Shape) -> str:
    r"""A shape as in K \times D; 1 for a scalar."""
    return r" \times ".join(_expression_size(size) for size in shape) or "1"


def _piece(expression: Expression, names: Mapping[str, str] | None, scalars: Collection[str]) -> Piece:
    return Typesetter(names, scalars).piece(expression)


def _line(tree: Statement | Claim, names: Mapping[str, str] | None, left: str | None, scalars: Collection[str]) -> str:
    match tree:
        case Definition():
            return f"{left or _left(Name(tree.name, tree.place), tree, names)} = {_piece(tree.value, names, scalars).tex}"
        case Claim():
            return f"{left or _piece(tree.target, names, scalars).tex} = {_piece(tree.value, names, scalars).tex}"
        case Const():
            return f"{name_symbol(tree.name, names).tex} = {_piece(tree.value, names, scalars).tex}"
        case Declaration():
            return _declaration(tree, names)
        case Family():
            return f"{index_name(tree.name)} = {tree.first}, \\dots, {_size(tree.last, names)}"
        case SizeLine():
            return name_symbol(tree.name, names).tex + (r" \in \mathbb{N}" if tree.value is None else f" = {tree.value}")
        case Function():
            return _function(tree, names)
        case Op():
            return _op(tree)
    raise InputError(f"{type(tree).__name__} has no LaTeX form: give an expression or a line of a network")


def _left(target: Expression, definition: Definition, names: Mapping[str, str] | None) -> str:
    return _piece(Index(target, definition.indices, definition.place) if definition.indices else target, names, ()).tex


def _size(size: int | str, names: Mapping[str, str] | None) -> str:
    return str(size) if isinstance(size, int) else name_symbol(size, names).tex


def _expression_size(size: Size) -> str:
    if isinstance(size, int | str):
        return _size(size, None)
    return str(sp.latex(size, symbol_names={s: name_symbol(s.name).tex for s in size.free_symbols}))


def _declaration(tree: Declaration, names: Mapping[str, str] | None) -> str:
    symbol = name_symbol(tree.name, names)
    if tree.indices:
        symbol = symbol.indexed(indices_tex([Affine(0, (AffineTerm(1, (i,)),), _NOWHERE) for i in tree.indices]))
    facts = ", ".join(_FACTS.get(fact, fact) for fact in tree.facts)
    return symbol.tex + _space(tree.type, names) + (f"\\text{{ ({facts})}}" if facts else "")


def _space(kind: Type, names: Mapping[str, str] | None) -> str:
    sizes = [_size(size, names) for size in kind.sizes]
    if kind.kind == "label":
        return r" \in \{1, \dots, " + sizes[0] + r"\}" if sizes else r" \in \{1, 2, \dots\}"
    if kind.kind == "scalar":
        return r" \in \mathbb{R}"
    return r" \in \mathbb{R}^{" + r" \times ".join(sizes) + "}" if sizes else f"\\text{{ a {kind.kind}}}"


def _function(tree: Function, names: Mapping[str, str] | None) -> str:
    head = function_symbol(tree.name, names).tex
    if tree.bound is not None:
        return f"{head} = {function_symbol(tree.bound).tex}"
    if tree.parameters is None:
        return head + r" : \mathbb{R} \to \mathbb{R}"
    return f"{head}({', '.join(name_symbol(p).tex for p in tree.parameters)}) \\in \\mathbb{{R}}"


def _op(tree: Op) -> str:
    """The names of an op's line are its own: labels do not reach them."""
    head = Call(tree.name, tuple(Name(p, tree.place) for p in tree.parameters), (), tree.place)
    return r",\quad ".join([latex(tree.equation, left=_left(head, tree.equation, None)), *map(latex, tree.where)])
