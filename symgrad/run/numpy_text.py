"""An index equation in; lines of NumPy out, with operands, sizes and results as marked places to fill in."""
from __future__ import annotations

import functools
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.plan.pairs import pairwise
from symgrad.run.numpy_deltas import Term, is_diagonal, one_to_one, opened
from symgrad.run.numpy_functions import applied

__all__ = ["ATOM", "Text", "lines_of"]

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)                # how tightly a piece of code holds together
LIMITS = (66, 44, 24)                                      # characters of an inner expression that gets a line of its own

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


@functools.cache
def lines_of(out: tuple[str, ...], body: eq.Expr, axes: tuple[tuple[str, int], ...], fresh: bool) -> tuple[str, ...]:
    """The lines that compute out[...] = body. Places: `<0>` an operand, `<s0>` a size, `<=>` the result, `<u0>` a temporary.

    axes: the size of each index. fresh: the result must be memory of its own, not a view of an operand.
    """
    found: list[str] = []
    for longest in LIMITS:                                 # the first way of breaking it up that leaves no line too long
        found = _Writer(out, body, dict(axes), longest).lines(fresh)
        if max(map(len, found)) <= LIMITS[0] + 14:
            break
    return tuple(found)


class _Writer:
    def __init__(self, out: tuple[str, ...], body: eq.Expr, sizes: dict[str, int], longest: int) -> None:
        self.out, self.body, self.sizes, self.longest = out, body, sizes, longest
        bound = [b for e in eq.walk(body) if e[0] == "S" for b in e[1]]
        self.place: dict[eq.Index, int] = {i: n for n, i in enumerate(dict.fromkeys((*out, *bound)))}
        self.done: list[str] = []
        self.memo: dict[eq.Expr, Text] = {}
        self.count: Counter[eq.Expr] = Counter()
        self.temporaries = 0

    # ------------------------------------------------------------------ the result
    def lines(self, fresh: bool) -> list[str]:
        terms = opened(self.body)
        if terms is None:
            self._count(self.body)
            self.finish(self.value(self.body), fresh)
        else:
            self.scattered(terms)
        return self.done

    def finish(self, v: Text, fresh: bool) -> None:
        code = self.over(v, self.out)
        if len(v.axes) < len(self.out):
            whole = self.shape(self.out)
            if not v.axes and v.code in ("0", "1"):
                code = f"np.{'zeros' if v.code == '0' else 'ones'}({whole})"
            else:
                code = f"np.broadcast_to({code}, {whole})" + (".copy()" if fresh else "")
        elif fresh and self.out and v.shares:
            code = f"{code}.copy()"
        self.done.append(f"<=> = {code}")

    def scattered(self, terms: Sequence[Term]) -> None:
        """Terms with deltas are written into the diagonals of an array of zeros, or of the terms without."""
        for t in terms:
            self._count(t.body)
        plain = [t.body for t in terms if not t.deltas]
        rest = [t for t in terms if t.deltas]
        if plain:
            self.finish(self.value(plain[0] if len(plain) == 1 else ("+", tuple(plain))), True)
        elif len(rest) == 1 and is_diagonal(self.out, rest[0]):
            v = self.value(rest[0].body)
            eye = f"np.eye({self.size(self.out[0])})"
            self.done.append(f"<=> = {f'np.diag({v.code})' if v.axes else eye if v.code == '1' else f'{v.held(UNARY)} * {eye}'}")
            return
        else:
            self.done.append(f"<=> = np.zeros({self.shape(self.out)})")
        for n, t in enumerate(rest):
            view, axes = one_to_one("<=>", self.out, t)
            v = self.value(t.body)
            self.done.append(f"{view} {'+=' if plain or n else '='} {self.over(v, axes)}")

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

    # ------------------------------------------------------------------ expressions
    def _count(self, e: eq.Expr) -> None:
        """How often each subexpression occurs, so that what occurs twice is computed once."""
        stack = [e]
        while stack:
            top = stack.pop()
            k = _key(top)
            self.count[k] += 1
            if self.count[k] == 1:
                stack.extend(eq.children(top))

    def value(self, e: eq.Expr) -> Text:
        if e[0] in "nkrzd":
            return self.leaf(e)
        k = _key(e)
        if k not in self.memo:
            v = self.compute(e)
            inner = e is not self.body
            self.memo[k] = self.named(v) if inner and (self.count[k] > 1 or len(v.code) > self.longest) else v
        return self.memo[k]

    def named(self, v: Text) -> Text:
        """v as a line of its own, unless it is a name already."""
        if _is_place(v.code):
            return v
        name = f"<u{self.temporaries}>"
        self.temporaries += 1
        self.done.append(f"{name} = {v.code}")
        return Text(name, v.axes)

    def leaf(self, e: eq.Expr) -> Text:
        if e[0] == "n":
            code = _number(e[1])
            return Text(code, (), UNARY if code[0] == "-" else ATOM)
        if e[0] == "k":
            return Text("np.pi", ())
        if e[0] == "z":
            return Text(f"<s{e[1]}>", ())
        if e[0] == "d":
            return self.delta(e)
        code, index = f"<{e[1]}>", e[2]
        fixed = [eq.affine_parts(i)[0] if eq.is_affine(i) else None for i in index]
        if any(f is not None for f in fixed):
            code = f"{code}[{', '.join(':' if f is None else str(f) for f in fixed)}]"
            index = tuple(i for i in index if not eq.is_affine(i))
        letters = tuple(dict.fromkeys(index))
        if len(letters) == len(index):
            return Text(code, index, shares=True)
        return Text(f'np.einsum("{_subscripts([index], letters)}", {code})', letters, shares=True)

    def delta(self, e: eq.Expr) -> Text:
        left, right = e[1], e[2]
        if left == right:
            return Text("1", ())
        ends = [("a", i) if eq.is_affine(i) else ("i", i) for i in (left, right)]
        if all(kind == "i" for kind, _ in ends):
            return Text(f"np.eye({self.size(left)})", (left, right))
        at, name = (left, right) if eq.is_affine(left) else (right, left)
        return Text(f"1.0 * (np.arange({self.size(name)}) == {eq.affine_parts(at)[0]})", (name,), PRODUCT)

    def compute(self, e: eq.Expr) -> Text:
        if e[0] == "+":
            return self.sum(e[1])
        if e[0] == "*":
            return self.product(e[1])
        if e[0] == "^":
            return self.product([e]) if e[2][0] == "n" and e[2][1] < 0 else self.power(e)
        if e[0] == "S":
            return self.total(e[1], e[2])
        shifted = self.log_of_sum(e)
        if shifted is not None:
            return shifted
        parts = [self.value(a) for a in e[2]]
        axes = self.common(parts)
        codes = [self.over(p, axes) for p in parts]
        code, level = applied(e[1], codes, all(p.level == ATOM for p in parts), bool(axes))
        return Text(code, axes, level)

    def sum(self, terms: Sequence[eq.Expr]) -> Text:
        signed = sorted((_sign(t) for t in terms), key=lambda s: s[0] < 0)
        parts = [self.value(t) for _, t in signed]
        axes = self.common(parts)
        code = ""
        for (sign, _), p in zip(signed, parts, strict=True):
            piece = self.over(p, axes, PRODUCT if sign < 0 or code else SUM)
            code = f"{code} {'-' if sign < 0 else '+'} {piece}" if code else f"-{self.over(p, axes, UNARY)}" if sign < 0 else piece
        return Text(code, axes, SUM)

    def power(self, e: eq.Expr) -> Text:
        base, exponent = self.value(e[1]), self.value(e[2])
        axes = self.sorted([*base.axes, *exponent.axes])
        x = self.over(base, axes, ATOM)
        if e[2][0] != "n":
            y = self.over(exponent, axes)
            return Text(f"math.pow({x}, {y})", ()) if not axes else Text(f"{x}**{self.over(exponent, axes, ATOM)}", axes, POWER)
        n: Fraction = e[2][1]
        if n == Fraction(1, 2):
            return Text(f"{'np' if axes else 'math'}.sqrt({self.over(base, axes)})", axes)
        if n == 3 and axes and _is_place(x):               # x**3 calls pow for every entry
            return Text(f"{x}**2 * {x}", axes, PRODUCT)
        return Text(f"{x}**{_number(n)}", axes, POWER) if n.denominator == 1 or axes else Text(f"math.pow({self.over(base, axes)}, {_number(n)})", ())

    # ------------------------------------------------------------------ products
    def product(self, factors: Sequence[eq.Expr]) -> Text:
        number, above, below = Fraction(1), list[Text](), list[Text]()
        steps: list[Text] = []
        flat = _flat(factors)
        ratio = self.ratio_of_exponentials(flat)
        if ratio is not None:
            value, flat = ratio
            above.append(value)
        for f in flat:
            if f[0] == "n":
                number *= f[1]
            elif f[0] == "^" and f[2][0] == "n" and f[2][1] < 0:
                below.append(self.value(f[1] if f[2][1] == -1 else ("^", f[1], ("n", -f[2][1]))))
            elif f[0] == "f" and f[1] == "step" and self.count[_key(f)] < 2:
                inner = self.value(f[2][0])
                steps.append(Text(f"{inner.held(SUM)} > 0", inner.axes, -1))
            else:
                above.append(self.value(f))
        for s in steps:                                    # a condition is a number only beside an array of numbers
            alone = not any(a.axes for a in above)
            above.append(Text(f"np.where({s.code}, 1.0, 0.0)", s.axes) if alone and s.axes else Text(f"float({s.code})", ()) if not s.axes else s)
        return self.multiplied(number, above, below)

    def multiplied(self, number: Fraction, above: Sequence[Text], below: Sequence[Text]) -> Text:
        """number * above / below; what has few axes is multiplied first, over few entries."""
        levels = sorted({self.sorted(t.axes) for t in (*above, *below)} | ({()} if number not in (1, -1) else set()),
                        key=lambda a: (len(a), [self.place[i] for i in a]))
        held: Text | None = None
        under: Text | None = None
        for n, level in enumerate(levels):
            tops = [*([held] if held else []), *(t for t in above if self.sorted(t.axes) == level)]
            bottoms = [*([under] if under else []), *(t for t in below if self.sorted(t.axes) == level)]
            one = number == 1 and len(above) == 1 and len(below) == 1      # x / n, not 1 / n * x
            if not tops and n + 1 < len(levels) and (level or one):
                held, under = None, self.chained(Fraction(1), bottoms, [])
            else:
                held, under = self.chained(number, tops, bottoms), None
                number = Fraction(1)
        if held is None:
            return Text(_number(number), (), UNARY if number < 0 else ATOM)
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
        pieces = [] if above == 1 and tops or signed else [_number(Fraction(above))]
        pieces += [self.over(t, axes, POWER if signed and n == 0 else PRODUCT if not pieces and n == 0 and "@" not in t.code else UNARY)
                   for n, t in enumerate(tops)]
        code = ("-" if signed else "") + " * ".join(pieces)
        for divisor in [*([str(below)] if below != 1 else []), *(self.over(t, axes, POWER) for t in bottoms)]:
            code += f" / {divisor}"
        return Text(code, axes, UNARY if signed and len(pieces) == 1 and "/" not in code else PRODUCT)

    # ------------------------------------------------------------------ sums over indices
    def total(self, bound: tuple[eq.Index, ...], body: eq.Expr) -> Text:
        factors = list(body[1]) if body[0] == "*" else [body]
        number, above, below = Fraction(1), list[Text](), list[Text]()
        inside: list[Text] = []
        for f in factors:
            if f[0] == "n":
                number *= f[1]
                continue
            square = f[0] == "^" and f[2] == ("n", 2)
            under = f[0] == "^" and f[2] == ("n", -1)
            v = self.value(f[1] if square or under else f)
            if square:
                v = self.named(v)
            touched = bool(set(v.axes) & set(bound))
            (inside if touched and not under else below if under else above).extend([v, v] if square else [v])
        for v in [b for b in below if set(b.axes) & set(bound)]:     # a divisor goes with a factor that has its axes
            below.remove(v)
            host = next((n for n, t in enumerate(inside) if set(v.axes) <= set(t.axes)), None)
            if host is None:
                inside.append(self.chained(Fraction(1), [], [v]))
            else:
                inside[host] = self.chained(Fraction(1), [inside[host]], [v])
        above += [Text(self.size(b), ()) for b in bound if not any(b in v.axes for v in inside)]
        if inside:
            kept = {a for v in inside for a in v.axes if a not in bound}
            above.append(self.contracted(inside, kept))
        return self.multiplied(number, above, below)

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
        return Text(f'np.einsum("{_subscripts([a.axes, b.axes], axes)}", {a.code}, {b.code})', axes)

    @staticmethod
    def matmul(x: Text, y: Text) -> Text:
        """x @ y for a last axis of x that is the first of y."""
        return Text(f"{x.held(ATOM)} @ {y.held(ATOM)}", (*x.axes[:-1], *y.axes[1:]), PRODUCT, factors=(x, y))

    def place_of(self, axes: Sequence[eq.Index]) -> list[int]:
        return [self.place[i] for i in self.sorted(axes)] or [len(self.place)]

    # ------------------------------------------------------------------ what overflows as it is written
    def ratio_of_exponentials(self, factors: Sequence[eq.Expr]) -> tuple[Text, list[eq.Expr]] | None:
        """exp(u[i]) / sum[j](exp(u[j])) as a softmax, and the other factors."""
        for n, f in enumerate(factors):
            if f[0] != "^" or f[2] != ("n", -1) or f[1][0] != "S" or f[1][2][:2] != ("f", "exp"):
                continue
            for m, g in enumerate(factors):
                table = matched(f[1][2], g, f[1][1]) if g[:2] == ("f", "exp") else None
                if table is not None:
                    v = self.value(g[2][0])
                    last = [table[b] for b in f[1][1]]
                    v = self.turned(v, [*[a for a in v.axes if a not in last], *last])
                    return Text(f"softmax({v.code}{_axis_count(last)})", v.axes), [x for k, x in enumerate(factors) if k not in (n, m)]
        return None

    def log_of_sum(self, e: eq.Expr) -> Text | None:
        """log(sum[j](exp(u[j]))) by its kernel."""
        inner = e[2][0] if e[1] == "log" else e
        if inner[0] != "S" or inner[2][:2] != ("f", "exp"):
            return None
        v = self.value(inner[2][2][0])
        if not set(inner[1]) <= set(v.axes):
            return None
        kept = tuple(a for a in v.axes if a not in inner[1])
        v = self.turned(v, [*kept, *inner[1]])
        return Text(f"logsumexp({v.code}{_axis_count(inner[1])})", kept)


def _axis_count(axes: Sequence[eq.Index]) -> str:
    return f", {len(axes)}" if len(axes) > 1 else ""


def matched(pattern: eq.Expr, e: eq.Expr, bound: Sequence[eq.Index]) -> dict[eq.Index, eq.Index] | None:
    """The indices that the bound ones stand for where `pattern` is `e`; None where it is not."""
    table: dict[eq.Index, eq.Index] = {}
    stack = [(pattern, e)]
    while stack:
        p, x = stack.pop()
        if p[0] != x[0] or p[0] in "Sd":
            return None
        if p[0] == "r":
            if p[1] != x[1] or len(p[2]) != len(x[2]) or any(table.setdefault(i, j) != j if i in bound else i != j for i, j in zip(p[2], x[2], strict=True)):
                return None
        elif p[0] in "nkz":
            if p != x:
                return None
        elif len(eq.children(p)) != len(eq.children(x)) or (p[0] == "f" and p[1] != x[1]):
            return None
        stack.extend(zip(eq.children(p), eq.children(x), strict=False))
    return table if set(table) == set(bound) and len(set(table.values())) == len(bound) else None


@functools.lru_cache(maxsize=None)
def _key(e: eq.Expr) -> eq.Expr:
    return eq.canonical(e) if e[0] == "S" else eq.rebuild(e, _key)


def _flat(factors: Sequence[eq.Expr]) -> list[eq.Expr]:
    return [g for f in factors for g in (_flat(f[1]) if f[0] == "*" else [f])]


def _sign(e: eq.Expr) -> tuple[int, eq.Expr]:
    """(1 or -1, the rest) of a term."""
    if e[0] == "n":
        return (-1, ("n", -e[1])) if e[1] < 0 else (1, e)
    if e[0] != "*":
        return 1, e
    flat = _flat(e[1])
    number = functools.reduce(lambda x, y: x * y, [f[1] for f in flat if f[0] == "n"], Fraction(1))
    if number >= 0:
        return 1, e
    rest = [f for f in flat if f[0] != "n"]
    factors = rest if number == -1 and rest else [("n", -number), *rest]
    return -1, factors[0] if len(factors) == 1 else ("*", tuple(factors))


def _number(n: Fraction) -> str:
    return str(n.numerator) if n.denominator == 1 else repr(float(n))


def _ratio(n: Fraction) -> tuple[Fraction, int]:
    """A number as numerator / denominator where its decimals do not end soon."""
    short = n.denominator == 1 or len(repr(float(n))) <= 8
    return (n, 1) if short or abs(n.numerator) > 999 or n.denominator > 999 else (Fraction(n.numerator), n.denominator)


def _is_place(code: str) -> bool:
    return code[0] == "<" and code.find(">") == len(code) - 1


def _subscripts(inputs: Sequence[Sequence[eq.Index]], output: Sequence[eq.Index]) -> str:
    letters = dict(zip(dict.fromkeys(i for axes in (*inputs, output) for i in axes), string.ascii_letters[8:26] + string.ascii_letters, strict=False))
    return ",".join("".join(letters[i] for i in axes) for axes in inputs) + "->" + "".join(letters[i] for i in output)
