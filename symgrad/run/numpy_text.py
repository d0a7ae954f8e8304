"""An index equation in; lines of NumPy out, with operands, sizes and results as marked places to fill in."""
from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from symgrad.core import equation as eq
from symgrad.run.numpy_code import ATOM, POWER, PRODUCT, SUM, UNARY, Layout, Text, is_place, number_code, subscripts
from symgrad.run.numpy_deltas import Term, is_diagonal, one_to_one, opened
from symgrad.run.numpy_functions import applied

__all__ = ["lines_of"]

LIMITS = (66, 44, 24)                                      # characters of an inner expression that gets a line of its own
TERMS = 20                                                 # of a sum in one line: Python nests one deeper for each


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


class _Writer(Layout):
    def __init__(self, out: tuple[str, ...], body: eq.Expr, sizes: dict[str, int], longest: int) -> None:
        super().__init__(tuple(dict.fromkeys((*out, *(b for e in eq.walk(body) if e[0] == "S" for b in e[1])))), sizes, longest)
        self.out, self.body = out, body
        self.memo: dict[eq.Expr, Text] = {}
        self.count: Counter[eq.Expr] = Counter()

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

    def leaf(self, e: eq.Expr) -> Text:
        if e[0] == "n":
            code = number_code(e[1])
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
        return Text(f'np.einsum("{subscripts([index], letters)}", {code})', letters, shares=True)

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
        for n, ((sign, _), p) in enumerate(zip(signed, parts, strict=True)):
            if n and n % TERMS == 0:
                code = self.named(Text(code, axes, SUM)).code
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
        if n == 3 and axes and is_place(x):               # x**3 calls pow for every entry
            return Text(f"{x}**2 * {x}", axes, PRODUCT)
        if n.denominator == 1 or axes:
            return Text(f"{x}**{number_code(n)}", axes, POWER)
        return Text(f"math.pow({self.over(base, axes)}, {number_code(n)})", ())

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
            number_of = f"np.where({s.code}, 1.0, 0.0)" if s.axes else f"float({s.code})"
            above.append(Text(number_of, s.axes) if alone or not s.axes else s)
        return self.multiplied(number, above, below)

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
            if p[1] != x[1]:
                return None
            for i, j in zip(p[2], x[2], strict=True):
                if (table.setdefault(i, j) if i in bound else i) != j:
                    return None
        elif p[0] in "nkz":
            if p != x:
                return None
        elif len(eq.children(p)) != len(eq.children(x)) or (p[0] == "f" and p[1] != x[1]):
            return None
        stack.extend(zip(eq.children(p), eq.children(x), strict=False))
    return table if set(table) == set(bound) and len(set(table.values())) == len(bound) else None


@functools.cache
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
