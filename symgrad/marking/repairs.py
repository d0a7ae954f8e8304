"""A line of text whose shapes do not fit comes in; the one transpose or index that makes it right goes out."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symgrad.errors import NotationError
from symgrad.marking.bench import Bench
from symgrad.marking.lines import inner
from symgrad.notation.syntax import Affine, AffineTerm, Binary, Expression, Index, Name, Transpose, operands, walk

__all__ = ["repaired"]

MOST = 200


def repaired(b: Bench) -> tuple[str, str]:
    """(pattern, what to change), or two empty texts: the first of few changes of the text after which the line is right at every point."""
    line = b.marked.line
    if line.tree is None or line.reread is None:
        return "", ""
    for count, (pattern, words, tree) in enumerate(_changes(line.tree)):
        if count == MOST:
            break
        try:
            value = line.reread(tree)
        except NotationError:
            continue
        if value is not None and value.shape == (line.truth.shape if line.truth is not None else ()) and b.gives(value, b.truth):
            return pattern, words
    return "", ""


def _changes(tree: Expression) -> Iterator[tuple[str, str, Expression]]:
    names = list(dict.fromkeys(i.name for e in walk(tree) if isinstance(e, Index) for i in e.indices if i.name is not None))
    places = list(_places(tree, ()))
    for path, e in places:
        if isinstance(e, Transpose):
            yield "transposed", "a transpose is too many", _put(tree, path, e.operand)
    for path, e in places:
        if not isinstance(e, Transpose):
            yield "transposed", "a transpose is missing", _put(tree, path, Transpose(e, e.place))
        if isinstance(e, Binary) and e.operator == "*":
            yield "transposed", "two factors stand in the wrong order", _put(tree, path, replace(e, left=e.right, right=e.left))
            yield "elementwise", "a matrix product stands where an elementwise product belongs", _put(tree, path, replace(e, operator=".*"))
        if isinstance(e, Binary) and e.operator == ".*":
            yield "elementwise", "an elementwise product stands where a matrix product belongs", _put(tree, path, replace(e, operator="*"))
        if isinstance(e, Index):
            if len(e.indices) == 2:
                yield "wrong index", "two indices are exchanged", _put(tree, path, replace(e, indices=e.indices[::-1]))
            for k, i in enumerate(e.indices):
                for name in names:
                    if i.name is not None and name != i.name:
                        new = Affine(0, (AffineTerm(1, (name,)),), i.place)
                        indices = (*e.indices[:k], new, *e.indices[k + 1:])
                        yield "wrong index", f"{name} belongs where {i.name} stands", _put(tree, path, replace(e, indices=indices))


def _places(e: Expression, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Expression]]:
    yield path, e
    if not (isinstance(e, Index) and isinstance(e.operand, Name)):
        for k, child in enumerate(operands(e)):
            yield from _places(child, (*path, k))


def _put(e: Expression, path: tuple[int, ...], new: Expression) -> Expression:
    if not path:
        return new
    count = -1
    def visit(child: Expression) -> Expression:
        nonlocal count
        count += 1
        return _put(child, path[1:], new) if count == path[0] else child
    return inner(e, visit)

