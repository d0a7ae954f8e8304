"""What stands in square brackets comes in with a value; the value at these indices goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from symgrad.core import equation as eq
from symgrad.core.node import Node, apply
from symgrad.core.op import make_op
from symgrad.core.shape import Size, size_expression
from symgrad.errors import nearest
from symgrad.network.tables import Entry, Tables
from symgrad.network.values import Axes, Value, number
from symgrad.network.wording import shown
from symgrad.notation.screen import Fault, Misfit
from symgrad.notation.syntax import Affine, Call, Delta, Expression, Index, Name, Over, Place, Transpose, operands
from symgrad.ops.arithmetic import product
from symgrad.ops.stacking import stack

__all__ = ["Position", "Scope", "at", "delta", "infer", "position", "step_at"]


@dataclass(frozen=True)
class Scope:
    """What index names stand for: a letter, or in an unrolled recurrence a number. `opens`: a family's index binds itself when used."""

    table: Mapping[str, str | int] = field(default_factory=dict)
    opens: bool = False
    opened: dict[str, str | int] = field(default_factory=dict)

    def bind(self, names: Mapping[str, str | int]) -> Scope:
        """The scope inside which more names are bound."""
        return replace(self, table={**self.table, **names})


@dataclass(frozen=True, slots=True)
class Position:
    """constant + sum of coefficient * letter, counted from 1."""

    constant: int
    terms: Mapping[str, int]
    place: Place

    @property
    def letter(self) -> str | None:
        """The letter, if this is a plain index."""
        (only,) = self.terms.items() if len(self.terms) == 1 and not self.constant else ((None, 0),)
        return only[0] if only[1] == 1 else None

    def from_zero(self) -> eq.Index:
        """The index as equations have it, counted from 0."""
        terms: dict[eq.Index, int] = dict(self.terms.items())
        return eq.affine(self.constant + sum(self.terms.values()) - 1, terms)


def position(index: Affine, scope: Scope, tables: Tables, axes: Axes) -> Position:
    """What an index means in a scope. Raises Fault for a name that nothing binds."""
    constant, terms = index.constant, dict[str, int]()
    for term in index.terms:
        coefficient, letter = term.coefficient, ""
        for name in term.names:
            meaning = _meaning(name, index.place, scope, tables, axes)
            if isinstance(meaning, int):
                coefficient *= meaning
            elif letter:
                raise Fault(
                    f"an index is a sum of terms such as 2*i, s*i or 1: {letter.partition('~')[0]} and {name} are both indices", index.place
                )
            else:
                letter = meaning
        if letter:
            terms[letter] = terms.get(letter, 0) + coefficient
        else:
            constant += coefficient
    return Position(constant, {x: c for x, c in terms.items() if c}, index.place)


def _meaning(name: str, place: Place, scope: Scope, tables: Tables, axes: Axes) -> str | int:
    if name in scope.table:
        return scope.table[name]
    if name in scope.opened:
        return scope.opened[name]
    if name in tables.ranges:
        if not scope.opens:
            raise Misfit(
                f"the index {name} is bound by nothing here: put {name} on the left side, or sum over it, as in sum[{name}](...)", place
            )
        scope.opened[name] = axes.fresh(tables.ranges[name], name)
        return scope.opened[name]
    value = tables.sizes.get(name, tables.lengths.get(name))
    if value is None and name in tables.constants:
        fraction = tables.whole_constant(name)
        value = fraction
    if value is not None:
        return value
    if name in tables.size_names:
        raise Fault(f"{name} is a size without a number, so it cannot stand in an index: declare `size {name} = 3`", place)
    known = dict.fromkeys((*scope.table, *tables.ranges))
    raise Misfit(
        f"the index {name} is bound by nothing: sum over it, as in sum[{name}](...), or put it on the left side{nearest(name, known)}",
        place,
    )


def infer(expression: Expression, letters: Mapping[str, str], tables: Tables, axes: Axes) -> None:
    """Find the sizes of new indices from where they stand alone on an axis of a named array."""
    waiting: list[tuple[Expression, Mapping[str, str]]] = [(expression, letters)]
    while waiting and any(axes.sizes[x] is None for x in letters.values()):
        e, visible = waiting.pop()
        if isinstance(e, Over):
            visible = {n: x for n, x in visible.items() if n not in e.indices}
        if isinstance(e, Index):
            shape = _axes_of(e.operand, tables)
            for i, size in zip(e.indices, shape if len(shape) >= len(e.indices) else (), strict=False):
                letter = visible.get(i.name or "")
                if letter and axes.sizes[letter] is None:
                    axes.sizes[letter] = size
        waiting.extend((o, visible) for o in reversed(operands(e)))


def _axes_of(e: Expression, tables: Tables) -> Sequence[Size]:
    """The sizes along which a name, its transpose or its padding is indexed."""
    if isinstance(e, Name) and e.name in tables.names:
        return tables.names[e.name].node.shape
    if isinstance(e, Transpose):
        inner = _axes_of(e.operand, tables)
        return inner[::-1] if len(inner) == 2 else inner
    return _axes_of(e.arguments[0], tables) if isinstance(e, Call) and e.function == "pad" and e.arguments else ()


def at(value: Value, positions: Sequence[Position], e: Index, axes: Axes) -> Value:
    """The value at indices: of all axes, or of the first of its family's."""
    count = len(positions)
    if count != value.rank and not 0 < count <= min(len(value.family), value.rank - 1):
        raise Misfit(_wrong_count(value, count, e, axes), e.place)
    core, rest = value.core[:count], value.core[count:]
    if value.lying and value.rank == 1:
        value = replace(value, lying=False)
    for letter, p in zip(core, positions, strict=True):
        if p.letter is not None:
            axes.unify(p.letter, axes.size(letter), p.place)
        elif not value.padded:
            _check_range(p, axes.size(letter), axes, shown(e))
    plain = {a: p.letter for a, p in zip(core, positions, strict=True) if p.letter is not None}
    odd = {a: p for a, p in zip(core, positions, strict=True) if p.letter is None}
    if odd:
        value = _window(value, odd, axes)
    value = replace(value, core=rest, family=(), lead=(*value.lead, *(a for a in core if a in plain)), split=None, padded=False)
    return value.renamed(plain)


def _wrong_count(value: Value, count: int, e: Index, axes: Axes) -> str:
    what = shown(e.operand)
    if not value.rank:
        return f"{what} is a scalar and has no components"
    fewer = " or ".join(map(str, range(1, min(len(value.family), value.rank - 1) + 1)))
    family = f", or {fewer} for one of its family" if fewer else ""
    return (
        f"{what} ({axes.shown(value)}) has {value.rank} axes, so it takes {value.rank} indices{family}; found {count}"
        if value.rank > 1
        else f"{what} ({axes.shown(value)}) takes one index, found {count}"
    )


def _check_range(p: Position, size: Size, axes: Axes, text: str) -> None:
    """Raises Fault where an index can be shown to leave the range 1..size."""
    low = high = size_expression(p.constant)
    for letter, c in p.terms.items():
        end = size_expression(axes.size(letter))
        low += c if c > 0 else c * end
        high += c * end if c > 0 else c
    if (low - 1).is_negative or (high - size_expression(size)).is_positive:
        reach = f"{low}" if low == high else f"from {low} to {high}"
        raise Fault(f"the index of {text} is {reach}, outside the range 1..{size}; pad(...) reads zeros there", p.place)


def _window(value: Value, odd: Mapping[str, Position], axes: Axes) -> Value:
    """The value with some core axes read at positions: one op whose equation has these indices."""
    node, letters = axes.raw(value)
    used = list(dict.fromkeys(x for a in letters for x in (odd[a].terms if a in odd else (a,))))
    order = (
        [x for x in used if x in value.lead]
        + [x for x in used if x not in value.lead and x not in value.core]
        + [x for x in value.core if x in used]
    )
    names: dict[eq.Index, eq.Index] = {x: f"o{n}" for n, x in enumerate(order)}
    index = tuple(eq.substitute(("r", 0, (odd[a].from_zero(),)), names)[2][0] if a in odd else names[a] for a in letters)
    kind = "window" if any(p.terms for p in odd.values()) else "slice"
    op = make_op(kind, (node.rank,), tuple(f"o{n}" for n in range(len(order))), ("r", 0, index))
    made = apply(op, node, shape=tuple(map(axes.size, order)))
    lead = (*value.lead, *(x for x in order if x not in value.lead and x not in value.core))
    return replace(value, factors=((made, tuple(order)),), lead=lead, coefficient=number(1).coefficient, deltas=())


def step_at(entry: Entry, positions: list[Position], e: Index, axes: Axes, tables: Tables) -> tuple[Node, list[Position]] | None:
    """An unrolled recurrence at a step or a shifted index: the node to read, and the positions that are left to read at."""
    p = positions[entry.step_axis]
    name = shown(e)
    if not p.terms:
        node = entry.steps.get(p.constant)
        if node is None:
            raise Fault(f"{name} is step {p.constant}, which is not known here; known are steps {_range(entry.steps)}", p.place)
        return node, [q for k, q in enumerate(positions) if k != entry.step_axis]
    (letter, c), *more = p.terms.items()
    if more or c != 1 or not p.constant:
        return None
    count = tables.steps(axes.size(letter))
    wanted = range(1 + p.constant, 1 + p.constant + count) if count is not None else range(0)
    if not wanted or any(k not in entry.steps for k in wanted):
        raise Fault(f"{name} reads steps {wanted.start}..{wanted.stop - 1}; known are steps {_range(entry.steps)}", p.place)
    shifted = replace(p, constant=0)
    return stacked([entry.steps[k] for k in wanted], entry.step_axis, axes.size(letter)), [shifted if q is p else q for q in positions]


def _range(steps: Mapping[int, Node]) -> str:
    return f"{min(steps)}..{max(steps)}"


def stacked(steps: Sequence[Node], axis: int, size: Size | None = None) -> Node:
    """The steps as one node with a new axis; `size` is what its length is called."""
    node = stack(steps, size)
    letters = [f"x{k}" for k in range(node.rank)]
    return product([(node, letters)], [*letters[:axis], letters[-1], *letters[axis:-1]])


def delta(e: Delta, left: Position, right: Position, axes: Axes) -> Value:
    """1 where two indices are equal, else 0."""
    i, j = left.letter, right.letter
    if i is not None and j is not None:
        axes.pairs.append((i, j))
        for a, b in ((i, j), (j, i)):
            if axes.sizes[a] is not None:
                axes.unify(b, axes.size(a), e.place)
        return Value(lead=(i, j) if i != j else (i,), deltas=((i, j),) if i != j else ())
    if not left.terms and not right.terms:
        return number(int(left.constant == right.constant))
    order = list(dict.fromkeys((*left.terms, *right.terms)))
    names: dict[eq.Index, eq.Index] = {x: f"o{n}" for n, x in enumerate(order)}
    body = eq.substitute(("d", left.from_zero(), right.from_zero()), names)
    node = apply(make_op("delta", (), tuple(f"o{n}" for n in range(len(order))), body), shape=tuple(map(axes.size, order)))
    return Value(((node, tuple(order)),), lead=tuple(order))
