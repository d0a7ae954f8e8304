"""What an expression is worth while it is read: a product of nodes with named axes, turned into one node as late as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symgrad.core.node import Node, number_node, size_node
from symgrad.core.shape import Shape, Size, shape_text
from symgrad.notation.screen import Fault, Misfit
from symgrad.notation.syntax import Place
from symgrad.ops.arithmetic import constant_of, filled, product, scaled

__all__ = ["Axes", "Value", "number"]

LARGEST_BITS = 20_000  # of an exact number; a tower of powers would fill the memory
LONGEST_PRODUCT = 8  # factors of one op


@dataclass(frozen=True, slots=True)
class Value:
    """coefficient * product of factors and deltas, summed over every letter that is in neither `lead` nor `core`.

    `lead` are the letters of named indices, `core` those of the array that is left at each of them: a vector has one. A letter of `core`
    that no factor has is repeated along its axis.
    """

    factors: tuple[tuple[Node, tuple[str, ...]], ...] = ()
    core: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    coefficient: Fraction = Fraction(1)
    deltas: tuple[tuple[str, str], ...] = ()
    lying: bool = False  # a vector that is a row
    family: tuple[str, ...] = ()  # the names of the first axes of a whole array
    split: int | None = None  # of a Jacobian: how many axes are those of what was derived
    fits: str = ""  # `vector` or `matrix`: equal entries, of the size that fits
    padded: bool = False  # zero outside its range

    @property
    def rank(self) -> int:
        """The number of axes of the array at each index."""
        return len(self.core)

    @property
    def constant(self) -> Fraction | None:
        """The number that this is, or None."""
        return self.coefficient if not (self.factors or self.deltas or self.core or self.fits) else None

    @property
    def bound(self) -> set[str]:
        """The letters that are summed over."""
        held = {x for _, letters in self.factors for x in letters} | {x for pair in self.deltas for x in pair}
        return held - set(self.lead) - set(self.core)

    def renamed(self, table: Mapping[str, str]) -> Value:
        """The value with letters replaced; a letter of an index that becomes another's stays one index."""

        def new(letters: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(table.get(x, x) for x in letters)

        return replace(
            self,
            factors=tuple((n, new(x)) for n, x in self.factors),
            core=new(self.core),
            lead=tuple(dict.fromkeys(new(self.lead))),
            deltas=tuple((x, y) for x, y in map(new, self.deltas) if x != y),
        )


def number(value: int | Fraction) -> Value:
    """A rational number."""
    return Value(coefficient=Fraction(value))


def _common(a: Sequence[str], b: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*a, *b)))


@dataclass
class Axes:
    """The letters of one statement and their sizes; every value of the statement is made and turned into nodes here."""

    place: Place
    sizes: dict[str, Size | None] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)      # letters that a delta equates

    def fresh(self, size: Size | None, name: str = "") -> str:
        """A new letter."""
        letter = f"{name}~{len(self.sizes)}"
        self.sizes[letter] = size
        return letter

    def name(self, letter: str) -> str:
        """The index that a letter stands for."""
        return letter.partition("~")[0]

    def unify(self, letter: str, size: Size, place: Place) -> None:
        """Note or check the size of an index. Raises Fault where it has another."""
        known = self.sizes[letter]
        if known is None:
            self.sizes[letter] = size
            for i, j in self.pairs:
                if letter in (i, j):
                    self.unify(j if letter == i else i, size, place)
        elif known != size:
            raise Misfit(f"the index {self.name(letter)} runs over {known}, but this axis has {size} entries", place)

    def size(self, letter: str) -> Size:
        """The size of a letter. Raises Fault for an index whose range follows from nothing."""
        known = self.sizes[letter]
        if known is None:
            name = self.name(letter)
            raise Fault(f"the range of the index {name} follows from nothing here: declare it, as in `index {name} = 1..K`", self.place)
        return known

    def shape(self, value: Value) -> Shape:
        """The sizes of the core axes."""
        return tuple(map(self.size, value.core))

    def shown(self, value: Value) -> str:
        """The shape in the words of the notation: a row is 1 x D."""
        if value.fits:
            return f"{value.fits} of any size"
        return f"1 x {self.size(value.core[0])}" if value.lying and value.rank == 1 else shape_text(self.shape(value))

    # ------------------------------------------------------------------ to and from nodes
    def of(
        self, node: Node, lead: Sequence[str] = (), *, like: Value | None = None, lying: bool = False, family: tuple[str, ...] = ()
    ) -> Value:
        """The value of a node: its first axes are at the indices `lead`, the rest (or, with `like`, that value's core) is the core."""
        constant = constant_of(node)
        if constant is not None:
            return number(constant)
        core = like.core if like else tuple(self.fresh(s) for s in node.shape[len(lead) :])
        return Value(((node, (*lead, *core)),), core, tuple(dict.fromkeys(lead)), lying=lying, family=family)

    def node(self, value: Value, order: Sequence[str] | None = None) -> Node:
        """The value as one node with axes in the order given, or lead first."""
        letters = (*value.lead, *value.core) if order is None else tuple(order)
        if value.fits and not value.core:
            raise Fault(f"the size of {value.fits}(1) follows from nothing here: write ones(n) or ones(m, n)", self.place)
        if not value.coefficient or (not value.factors and not value.deltas):
            kind = "ones" if value.coefficient else "zeros"
            return (
                scaled(filled(kind, tuple(map(self.size, letters))), value.coefficient or 1) if letters else number_node(value.coefficient)
            )
        held = {x for _, axes in value.factors for x in axes}
        known = None if held >= set(letters) else tuple(map(self.size, letters))
        return scaled(product(value.factors, letters, value.deltas, known), value.coefficient)

    def raw(self, value: Value) -> tuple[Node, tuple[str, ...]]:
        """A node and its letters, in whatever order spares a transposition."""
        if len(value.factors) == 1 and not value.deltas and not value.bound and value.coefficient:
            node, letters = value.factors[0]
            if len(set(letters)) == len(letters) and set(letters) == {*value.lead, *value.core}:
                return scaled(node, value.coefficient), letters
        if not value.coefficient or (not value.factors and not value.deltas):
            return (number_node(value.coefficient), ())
        return self.node(value), (*value.lead, *value.core)

    def forced(self, value: Value) -> Value:
        """The same value as one factor with its coefficient in front."""
        simple = len(value.factors) <= 1 and not value.deltas and not value.bound
        if simple:
            return value
        node = self.node(replace(value, coefficient=Fraction(1)))
        return replace(value, factors=((node, (*value.lead, *value.core)),), deltas=())

    # ------------------------------------------------------------------ products and sums
    def times(self, a: Value, b: Value, core: tuple[str, ...]) -> Value:
        """The product of two values with the given core; letters that drop out of the core are summed over."""
        coefficient = self.bounded(a.coefficient * b.coefficient)
        if not coefficient:
            return Value(core=core, coefficient=coefficient)
        a, b = (self.forced(v) if v.bound or len(v.factors) + len(v.deltas) >= LONGEST_PRODUCT else v for v in (a, b))
        contracts = not {*a.core, *b.core} <= set(core)
        if contracts:
            a, b = self.forced(a), self.forced(b)
        return Value(a.factors + b.factors, core, _common(a.lead, b.lead), coefficient, a.deltas + b.deltas, fits=a.fits or b.fits)

    def total(self, value: Value, letters: Sequence[str]) -> Value:
        """The sum over letters, which may stand in the lead or the core."""
        for letter in letters:
            value = self._summed(value, letter)
        return value

    def _summed(self, value: Value, letter: str) -> Value:
        if not value.coefficient:
            return replace(value, lead=tuple(x for x in value.lead if x != letter), core=tuple(x for x in value.core if x != letter))
        rest = replace(value, lead=tuple(x for x in value.lead if x != letter), core=tuple(x for x in value.core if x != letter))
        for n, (i, j) in enumerate(value.deltas):
            if letter in (i, j) and i != j:
                other = j if i == letter else i
                without = replace(rest, deltas=value.deltas[:n] + value.deltas[n + 1 :])
                lead, core = without.lead, without.core
                return replace(without.renamed({letter: other}), lead=lead, core=core)
        if any(letter in axes for _, axes in value.factors) or any(letter in pair for pair in value.deltas):
            return rest
        size = size_node(self.size(letter))
        constant = constant_of(size)
        if constant is not None:
            return replace(rest, coefficient=self.bounded(rest.coefficient * constant))
        return replace(rest, factors=(*rest.factors, (size, ())))

    def bounded(self, coefficient: Fraction) -> Fraction:
        """The number, if it is not absurdly large. Raises Fault."""
        if max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()) > LARGEST_BITS:
            raise Fault("this number has too many digits", self.place)
        return coefficient
