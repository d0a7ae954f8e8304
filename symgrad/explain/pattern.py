"""A derivation as a product of Jacobians to look at: of each factor, which blocks are zero, diagonal or dense."""
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import Shape, shape_text, size_number
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError
from symgrad.explain.diagram import Arrow, Box, Cells, Diagram, Fact
from symgrad.explain.document import Math
from symgrad.explain.formulas import Typesetter, equated, shape_latex
from symgrad.explain.scope import shown_names
from symgrad.ops.kernels import Array
from symgrad.results import Derivation, Derivative
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute
from symgrad.run.functions import stand_in
from symgrad.run.sampling import sample, sample_sizes
from symgrad.run.verify import unknown_functions
from symgrad.views.chain import Factor, multiplied_out, named_chain
from symgrad.views.factors import FactorForms

__all__ = ["described", "factor_boxes"]

_DRAWS, _SIDE, _ROOM, _PATHS, _CLOSED = 3, 36, 4_000_000, 4, 40
"""Random draws, cells a side at most, entries at most that are computed, paths shown, letters of a closed form in a box."""

Filled = NDArray[np.bool_]


def factor_boxes(d: Derivation) -> Diagram:
    """For each variable the derivative and the factors of its chain, each as a matrix: axes of the value down, axes of the variable across.

    An entry is drawn as zero where it is at three random points, at small unequal sizes. Raises InputError where sizes that are numbers make
    a factor too large to compute.
    """
    names = shown_names(d.graph, d.output)
    sizes = sample_sizes([d.output, *names], d.graph.numbers, 0)
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    typeset = Typesetter(d.graph)
    for name, x in d.derivatives.items():
        path = named_chain(d.output, x.variable, names)
        forms = FactorForms(d.graph, names, path)
        whole = f"d{len(boxes)}"
        boxes.append(_whole(whole, name, d, x, typeset, sizes))
        ways = multiplied_out(path)[:_PATHS] if x.node is not None else []
        if len(ways) == 1 and len(ways[0]) == 1:
            continue                                       # the derivative is its own only factor
        for k, factors in enumerate(ways):
            last, sign = whole, "=" if not k else "+"
            for factor in factors:
                boxes.append(_factor(f"d{len(boxes)}", factor, forms, d, typeset, sizes))
                arrows.append(Arrow(last, boxes[-1].id, sign if last == whole else r"\times", sign if last == whole else "×", "product"))
                last = boxes[-1].id
    return Diagram(f"The structure of the derivatives of {d.of}", tuple(boxes), tuple(arrows), "LR")


def _whole(id_: str, name: str, d: Derivation, x: Derivative, typeset: Typesetter, sizes: dict[str, int]) -> Box:
    left = typeset.math(f"jac({d.of}, {name})") if d.of.isidentifier() else typeset.math(f"jac(f, {name})")
    zero: Array = np.zeros((*_numbers(d.output.shape, sizes), *_numbers(x.variable.shape, sizes)))
    found = [zero] if x.node is None else _draws(x.node, sizes)
    shape = (d.output.shape or (1,)) + x.variable.shape
    return _box(id_, left, left, shape, found, d.output.rank, "gradient")


def _factor(id_: str, factor: Factor, forms: FactorForms, d: Derivation, typeset: Typesetter, sizes: dict[str, int]) -> Box:
    node = reverse(factor.of, [factor.by]).results[factor.by]
    whole = _numbers(factor.of.shape, sizes) + _numbers(factor.by.shape, sizes)
    zero: Array = np.zeros(whole)
    found = [zero] if node is None else _draws(node, sizes)
    rank = factor.of.rank
    for value, axis in ((factor.by, rank), (factor.of, 0)):           # one example stands for all
        if value in forms.per_example:
            found = [np.take(a, 0, axis) for a in found]
            rank -= axis == 0
    left = typeset.math(forms.jac(factor))
    if any(n in forms.names and n not in (factor.of, factor.by) for n in _between(factor)):   # through other values: no formula would be read
        shape = (forms.axes(factor.of) or (1,)) + forms.axes(factor.by)
        return _box(id_, left, left, shape, found, rank, "op")
    form = forms.form(factor)
    right = form.line or f"{form.jac} = {form.closed}"
    full = typeset.math(right.partition(" = ")[2])
    line = equated(left, full)
    inside = line if len(form.closed) <= _CLOSED and not form.line else left
    return _box(id_, inside, line, form.shape, found, rank, "op")


def _between(factor: Factor) -> list[Node]:
    """What a value is computed from that depends on another, both among them."""
    found: dict[Node, None] = {factor.by: None}
    for n in topological([factor.of]):
        if any(o in found for o in n.operands):
            found[n] = None
    return list(found)


def _numbers(shape: Shape, sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(size_number(s, sizes) for s in shape)


def _draws(node: Node, sizes: dict[str, int]) -> list[Array]:
    shape = _numbers(node.shape, sizes)
    if math.prod(shape) > _ROOM:
        raise InputError(f"the structure of a derivative of {shape_text(shape)} is too large to compute: give sizes as names instead of numbers")
    unknown = unknown_functions(topological([node]))
    found = []
    for k in range(_DRAWS):
        functions: Functions = {f: stand_in(k + 10 * place) for place, f in enumerate(unknown)}
        found.append(np.broadcast_to(execute([node], _small(node, sizes, k), sizes=sizes, functions=functions)[node], shape))
    return found


def _small(node: Node, sizes: dict[str, int], seed: int) -> dict[str, Array]:
    """Random values, small where they are free: a function that saturates has a slope of exactly 0 in floating point."""
    free = {n.name for n in topological([node]) if isinstance(n.data, Variable) and not n.facts}
    return {name: 0.2 * a if name in free else a for name, a in sample([node], sizes, seed).items()}


def _box(id_: str, name: Math, full: Math, shape: Shape, draws: list[Array], rank: int, kind: str) -> Box:
    rows, columns = (math.prod(part) for part in (draws[0].shape[:rank], draws[0].shape[rank:]))
    tables = [a.reshape(rows, columns) for a in draws]
    filled = np.any([a != 0 for a in tables], axis=0)
    each = [part[-1] if len(part) > 1 else 0 for part in (draws[0].shape[:rank], draws[0].shape[rank:])]
    said = described(filled, each[0], each[1], all(np.array_equal(a, np.eye(*a.shape)) for a in tables))
    small, (down, across) = _pooled(filled), (s if size <= _SIDE else 0 for s, size in zip(each, filled.shape, strict=True))
    cells = Cells(tuple(tuple(map(bool, row)) for row in small), down, across)
    written = shape_text(shape)
    return Box(id_, name.tex, name.notation, shape_latex(shape), written,
               "gradient" if kind == "gradient" else "op", "", f"{full.notation}: {said}", rf"\text{{{said}}}", said,
               (Fact("is", full.notation, full.tex), Fact("shape", written), Fact("structure", f"{said}; drawn as {rows} x {columns}")), cells=cells)


def described(filled: Filled, rows_each: int = 0, columns_each: int = 0, identity: bool = False) -> str:
    """What a pattern is called: zero, identity, diagonal, dense, or what its blocks are.

    rows_each, columns_each: the sides of its blocks, 0 for a pattern without blocks that way.
    """
    rows, columns = filled.shape
    if not filled.any():
        return "zero"
    if filled.all():
        return "dense"
    if _on_diagonal(filled):
        return "identity" if identity else "diagonal"
    blocked = rows_each or columns_each
    for down, across in ((rows_each or 1, columns_each or 1), (rows_each or rows, columns_each or columns)) if blocked else ():
        if rows % down or columns % across:
            continue
        blocks = filled.reshape(rows // down, down, columns // across, across)
        used: Filled = np.any(blocks, axis=(1, 3))
        if _on_diagonal(used):
            return "block diagonal"
        kinds = {described(blocks[i, :, j, :]) for i, j in zip(*np.nonzero(used), strict=True)} if down > 1 and across > 1 else set()
        if len(kinds) == 1 and not (kind := kinds.pop())[0].isdigit():
            return f"{kind} blocks" if used.all() else f"{kind} blocks, {int(used.sum())} of {used.size}"
    return f"{int(filled.sum())} of {filled.size} entries"


def _on_diagonal(filled: Filled) -> bool:
    rows, columns = filled.shape
    return rows == columns and not np.any(np.logical_and(filled, np.eye(rows) == 0))


def _pooled(filled: Filled) -> Filled:
    """At most 36 cells a side: a cell is filled where one of those that it stands for is."""
    for axis in (0, 1):
        size = filled.shape[axis]
        if size > _SIDE:
            filled = np.logical_or.reduceat(filled, sorted({k * size // _SIDE for k in range(_SIDE)}), axis=axis)
    return filled
