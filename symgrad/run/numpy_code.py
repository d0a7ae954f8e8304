"""Arrays whose axes are named, as pieces of NumPy code: aligned, multiplied, contracted."""
from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.plan.pairs import pairwise

__all__ = ["ATOM", "POWER", "PRODUCT", "SUM", "UNARY", "Layout", "Text", "is_place", "number_code", "subscripts"]

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)                # how tightly a piece of code holds together

Axes = tuple[eq.Index, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Code whose value is an array with the named axes in that order (a number if there are none).

    shares: the array may be an operand's memory. factors: of a matrix product, so that its transpose is a matrix product too.
    """

    code: str
    axes: Axes
    level: int = ATOM
    shares: bool = False
    factors: tuple[Text, Text] | None = None

    def held(self, level: int) -> str:
        """The code, in brackets if it binds less tightly than asked for."""
        return self.code if self.level >= level else f"({self.code})"


class Layout:
    """Writes pieces of code for one value. `place` orders the indices, `sizes` gives each the number of its size's mark.

    A piece longer than `longest` gets a line of its own in `done` where that helps.
    """

    def __init__(self, indices: Sequence[eq.Index], sizes: dict[str, int], longest: int) -> None:
        self.place: dict[eq.Index, int] = {i: n for n, i in enumerate(indices)}
        self.sizes, self.longest = sizes, longest
        self.done: list[str] = []
        self.temporaries = 0

    # ------------------------------------------------------------------ axes
    def sorted(self, axes: Sequence[eq.Index]) -> Axes:
        return tuple(sorted(dict.fromkeys(axes), key=self.place.__getitem__))

    def common(self, parts: Sequence[Text]) -> Axes:
        """All axes of the parts: in the order of a part that has them all, if none has them in order."""
        axes = self.sorted([a for p in parts for a in p.axes])
        full = [p.axes for p in parts if len(p.axes) == len(axes)]
        return axes if not full or axes in full else full[0]

    def size(self, index: eq.Index) -> str:
        return f"<s{self.sizes[str(index)]}>"

    def shape(self, axes: Sequence[eq.Index]) -> str:
        return f"({', '.join(map(self.size, axes))}{',' if len(axes) == 1 else ''})"

    def over(self, v: Text, axes: Sequence[eq.Index], level: int = SUM) -> str:
        """Code that broadcasts against an array of the given axes."""
        v = self.turned(v, [a for a in axes if a in v.axes])
        missing = [a not in v.axes for a in axes]
        first = missing.index(False) if False in missing else len(axes)
        if not any(missing[first:]):
            return v.held(level)
        last = max(n for n, m in enumerate(missing) if m)
        inside = ", ".join("None" if m else ":" for m in missing[first:last + 1])
        return f"{v.held(ATOM)}[{inside}]"

    def turned(self, v: Text, axes: Sequence[eq.Index]) -> Text:
        """v with its axes in another order."""
        axes = tuple(axes)
        if axes == v.axes:
            return v
        if v.factors and axes == v.axes[::-1] and len(axes) == 2:
            return self.matmul(*(self.turned(f, f.axes[::-1]) for f in reversed(v.factors)))
        code = v.held(ATOM)
        moved = [n for n, a in enumerate(axes) if v.axes[n] != a]
        if axes == v.axes[::-1]:
            return Text(code[:-2] if code.endswith(".T") else f"{code}.T", axes, shares=v.shares)
        if len(moved) == 2:
            return Text(f"{code}.swapaxes({moved[0]}, {moved[1]})", axes, shares=v.shares)
        return Text(f"{code}.transpose({', '.join(str(v.axes.index(a)) for a in axes)})", axes, shares=v.shares)

    def named(self, v: Text) -> Text:
        """v as a line of its own, unless it is a name already."""
        if is_place(v.code):
            return v
        name = f"<u{self.temporaries}>"
        self.temporaries += 1
        self.done.append(f"{name} = {v.code}")
        return Text(name, v.axes)

    # ------------------------------------------------------------------ products
    def multiplied(self, number: Fraction, above: Sequence[Text], below: Sequence[Text]) -> Text:
        """number * above / below; what has few axes is multiplied first, over few entries."""
        levels = sorted({self.sorted(t.axes) for t in (*above, *below)} | ({()} if number not in (1, -1) else set()),
                        key=lambda a: (len(a), [self.place[i] for i in a]))
        held: Text | None = None
        under: Text | None = None
        for n in range(len(levels)):
            if held and len(held.axes) > 1:                # first what spreads it over no further axis
                further = [a for a in levels[n:] if not {*held.axes} <= {*a}]
                levels[n:] = [*(a for a in levels[n:] if a not in further), *further]
            level = levels[n]
            tops, bottoms = ([t for t in side if self.sorted(t.axes) == level] for side in (above, below))
            if held and len(tops) + len(bottoms) > 1 and tops and not {*held.axes} <= {*level}:    # x[:, :, None] * (s * u)[:, None]
                tops, bottoms = [self.chained(Fraction(1), tops, bottoms)], []
            tops, bottoms = [*([held] if held else []), *tops], [*([under] if under else []), *bottoms]
            one = number == 1 and len(above) == 1 and len(below) == 1      # x / n, not 1 / n * x
            if not tops and n + 1 < len(levels) and (level or one):
                held, under = None, self.chained(Fraction(1), bottoms, [])
            else:
                held, under = self.chained(number, tops, bottoms), None
                number = Fraction(1)
        if held is None:
            return Text(number_code(number), (), UNARY if number < 0 else ATOM)
        return held if number == 1 else Text(f"-{held.held(POWER)}", held.axes, UNARY)

    def chained(self, number: Fraction, tops: Sequence[Text], bottoms: Sequence[Text]) -> Text:
        axes = self.common([*tops, *bottoms])
        if number == 1 and not bottoms and len(tops) == 1:
            return tops[0]
        if number == 1 and not bottoms and len(tops) == 2 and all(len(t.axes) == 1 and t.level >= 0 for t in tops) and len(axes) == 2:
            left, right = sorted(tops, key=lambda t: self.place[t.axes[0]])
            return Text(f"np.outer({left.code}, {right.code})", axes)
        above, below = _ratio(number)
        signed = above == -1 and bool(tops)
        pieces = [] if (above == 1 and tops) or signed else [number_code(Fraction(above))]
        pieces += [self.over(t, axes, POWER if signed and n == 0 else PRODUCT if not pieces and n == 0 and "@" not in t.code else UNARY)
                   for n, t in enumerate(tops)]
        code = ("-" if signed else "") + " * ".join(pieces)
        for divisor in [*([str(below)] if below != 1 else []), *(self.over(t, axes, POWER) for t in bottoms)]:
            code += f" / {divisor}"
        return Text(code, axes, UNARY if signed and len(pieces) == 1 and "/" not in code else PRODUCT)

    def contracted(self, factors: list[Text], kept: set[eq.Index]) -> Text:
        """The product of the factors summed over every index that is not kept, two factors at a time."""
        for n, f in enumerate(factors):
            needed = kept.union(*(g.axes for m, g in enumerate(factors) if m != n))
            gone = [k for k, a in enumerate(f.axes) if a not in needed]
            if gone:
                which = "" if len(gone) == len(f.axes) else f"axis={gone[0]}" if len(gone) == 1 else f"axis=({', '.join(map(str, gone))})"
                factors = [*factors[:n], Text(f"{f.held(ATOM)}.sum({which})", tuple(a for a in f.axes if a in needed)), *factors[n + 1:]]
        for pair in pairwise([f.axes for f in factors], kept):
            found = self.paired(factors[pair.left], factors[pair.right], set(pair.kept))
            if len(factors) > 2 and len(found.code) > self.longest:
                found = self.named(found)
            factors = [f for n, f in enumerate(factors) if n not in pair[:2]] + [found]
        return factors[0]

    def paired(self, a: Text, b: Text, kept: set[eq.Index]) -> Text:
        summed = [i for i in a.axes if i in b.axes and i not in kept]
        batch = self.sorted([i for i in a.axes if i in b.axes and i in kept])
        if not summed:
            return self.multiplied(Fraction(1), [a, b], [])
        left, right = [i for i in a.axes if i not in b.axes], [i for i in b.axes if i not in a.axes]
        if self.place_of(left) > self.place_of(right):
            a, b, left, right = b, a, right, left
        if not batch and len(a.axes) <= 2 and len(b.axes) <= 2 and len(summed) == 1:
            x, y = self.turned(a, [*left, *summed]), self.turned(b, [*summed, *right])
            return self.matmul(x, y)
        if not batch and not left and not right:
            return Text(f"np.vdot({a.code}, {self.turned(b, a.axes).code})", ())
        if not batch:
            ends = [tuple(t.axes.index(i) for i in summed) for t in (a, b)]
            where = str(ends[0][0]) + ", " + str(ends[1][0]) if len(summed) == 1 else f"{ends[0]}, {ends[1]}"
            return Text(f"np.tensordot({a.code}, {b.code}, ({where}))", (*left, *right))
        if len(summed) == len(left) == len(right) == 1:
            x, y = self.turned(a, [*batch, *left, *summed]), self.turned(b, [*batch, *summed, *right])
            return Text(f"{x.held(ATOM)} @ {y.held(ATOM)}", (*batch, *left, *right), PRODUCT)
        axes = self.sorted([*batch, *left, *right])
        return Text(f'np.einsum("{subscripts([a.axes, b.axes], axes)}", {a.code}, {b.code})', axes)

    @staticmethod
    def matmul(x: Text, y: Text) -> Text:
        """x @ y for a last axis of x that is the first of y."""
        return Text(f"{x.held(ATOM)} @ {y.held(ATOM)}", (*x.axes[:-1], *y.axes[1:]), PRODUCT, factors=(x, y))

    def place_of(self, axes: Sequence[eq.Index]) -> list[int]:
        return [self.place[i] for i in self.sorted(axes)] or [len(self.place)]


def number_code(n: Fraction) -> str:
    return str(n.numerator) if n.denominator == 1 else repr(float(n))


def _ratio(n: Fraction) -> tuple[Fraction, int]:
    """A number as numerator / denominator where its decimals do not end soon."""
    short = n.denominator == 1 or len(repr(float(n))) <= 8
    return (n, 1) if short or abs(n.numerator) > 999 or n.denominator > 999 else (Fraction(n.numerator), n.denominator)


def is_place(code: str) -> bool:
    return code[0] == "<" and code.find(">") == len(code) - 1


def subscripts(inputs: Sequence[Sequence[eq.Index]], output: Sequence[eq.Index]) -> str:
    names = dict.fromkeys(i for axes in (*inputs, output) for i in axes)
    letters = dict(zip(names, string.ascii_letters[8:26] + string.ascii_letters, strict=False))
    return ",".join("".join(letters[i] for i in axes) for axes in inputs) + "->" + "".join(letters[i] for i in output)
