"""Component forms: `D[i,j] = sum[n](...)`, sums and deltas written out, indices named after their sizes."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, VARIABLE, Node, topological
from symgrad.core.shape import size_expression, size_text
from symgrad.ops.stacking import MERGE
from symgrad.views import terms as mx
from symgrad.views.compose import CALLS, Composer, Idx, NoMatrixForm, Product, instantiate, is_call, is_shifted, is_turned, key, known_facts
from symgrad.views.elimination import Eliminator
from symgrad.views.letters import Letters, declared, with_ranges
from symgrad.views.text import call_text, number_text, scalar_text, terms_of, text, tight

__all__ = ["component_terms", "component_text", "formula_text"]

EXTREMES = ("max", "min", "argmax", "argmin")
DEVIATIONS = ("standardise.d", "variance.d")
"""x less its mean over the last axis: the mean of the squares is the variance."""

class _Printer:
    def __init__(self, composer: Composer, letters: Letters) -> None:
        self.composer, self.letters = composer, letters
        self.matrices = Eliminator(composer.names)
        self.inside = False                                # of a function, where a delta must tell its range

    # ------------------------------------------------------------------ sums of products
    def sum(self, products: Sequence[Product]) -> str:
        out = ""
        products = merged(products)
        for p in sorted(products, key=lambda p: p[0] < 0):
            t = self.product(*p)
            if len(products) > 1 and len(p[2]) == 1 and p[2][0][0][0] == "+" and not t.startswith("-"):
                t = f"({t})"
            out += t if not out else " - " + t[1:] if t.startswith("-") else " + " + t
        return out or "0"

    def product(self, coefficient: Fraction, bound: list[Idx], factors: list[tuple[eq.Expr, Any]]) -> str:
        """One product: what no bound index touches in front, then one sum for each connected part."""
        groups: list[tuple[list[Idx], list[tuple[eq.Expr, Any]]]] = []
        free = [f for f in factors if not set(eq.free(f[0])) & set(bound)]
        waiting = [f for f in factors if f not in free]
        left = list(bound)
        while left:
            names, members = [left.pop(0)], list[tuple[eq.Expr, Any]]()
            grown = True
            while grown:
                grown = False
                for f in [f for f in waiting if set(eq.free(f[0])) & set(names)]:
                    waiting.remove(f)
                    members.append(f)
                    more = [b for b in eq.free(f[0]) if b in left]
                    names += more
                    left = [b for b in left if b not in more]
                    grown = True
            groups.append((names, members))
        sizes = [(("s", names[0].size), Fraction(1)) for names, members in groups if not members]
        sums: list[str] = []
        for names, members in groups:
            coefficient, free, mean = _mean(names, coefficient, free) if members else (coefficient, free, False)
            sums += self.bound_sum(names, members, mean) if members else []
        text = self.plain(abs(coefficient), free + sizes, sums)
        if coefficient == -1 and not sums and not sizes and len(free) == 1 and free[0][0][0] != "d" and not _is_tight(text, "+-*/ "):
            text = f"({text})"
        return "-" + text if coefficient < 0 else text

    def bound_sum(self, names: list[Idx], members: list[tuple[eq.Expr, Any]], mean: bool = False) -> list[str]:
        """`sum[i,j](...)` or, divided by the number of its terms, `mean[i,j](...)`; an index that turns out not to occur is a size in front."""
        order = [self.letters[b] for b in names]
        word = "mean" if mean else "sum"
        inside = self.plain(Fraction(1), members, [])
        if len(members) == 1 and members[0][0][0] == "+" and members[0][1] == 1:
            inside = self.sum(self.composer.products(members[0][0]))
        if mean and len(members) == 1 and members[0][1] == 2 and (x := self.deviating(members[0][0], names)):
            word, inside = "var", self.text(x)
        there = {c for part in re.findall(r"\[([^\]]*)\]", inside) for c in re.findall(r"\w+", part)}
        kept = [c for c in order if c in there]
        whole = {c for part in re.findall(r"\[([^\]]*)\]", inside) for c in part.split(",")} | set(self.letters.by_name)
        told = [f"ones({size_text(b.size)})[{c}]*".replace(" ", "") for b, c in zip(names, order, strict=True) if c in there and c not in whole]
        if any("floor" in t for t in told):
            raise NoMatrixForm("the notation has no word for the number of windows, a size rounded down; declare the length as a number")
        inside = "".join(told) + (inside if not told or _is_tight(inside, "+- ") else f"({inside})")
        sizes = [size_text(b.size) for b in names if self.letters[b] not in there and not mean]
        return [*sizes, f"{word}[{','.join(kept)}]({inside})" if kept else inside if _is_tight(inside) else f"({inside})"]

    def logistic(self, e: eq.Expr) -> str | None:
        """The text of s where e is s - s^2 and s the sigmoid of something, by name."""
        if e[0] != "+" or len(e[1]) != 2:
            return None
        s = next((a for a in e[1] if a[0] == "r" and a[1] in self.composer.names and "logistic" in known_facts(a[1])), None)
        square = ("*", (("n", Fraction(-1)), ("^", s, ("n", Fraction(2)))))
        return self.text(s) if s is not None and square in e[1] else None

    def deviating(self, e: eq.Expr, along: Sequence[Idx]) -> eq.Expr | None:
        """x where e is x less its mean along the last axes, those of the indices."""
        if e[0] != "r" or e[1].op.name not in DEVIATIONS or e[1] in self.composer.names or len(set(e[2])) != len(e[2]):
            return None
        reduced = e[1].rank - len(e[1].op.origin[1][0] if e[1].op.origin else ())
        if len(along) != reduced or set(e[2][-reduced:]) != set(along):
            return None
        return ("r", e[1].operands[0], e[2])

    def plain(self, coefficient: Fraction, factors: Sequence[tuple[eq.Expr, Any]], extra: Sequence[str]) -> str:
        if len(factors) == 1 and not extra and coefficient == 1 and factors[0][1] == 1:
            return self.text(factors[0][0])
        up: list[str] = []
        down: list[str] = []
        for f, e in factors:
            slope = self.logistic(f) if e == 1 else None
            if slope is not None:
                up += [slope, f"(1 - {slope})"]
            else:
                (down if e < 0 else up).append(self.power(f, abs(e)))
        shown, _ = number_text(coefficient)
        if coefficient != 1 and "/" in shown:
            if coefficient.numerator != 1:
                up.insert(0, str(coefficient.numerator))
            down.insert(0, str(coefficient.denominator))
        elif coefficient != 1:
            up.insert(0, shown)
        text = "*".join([*up, *extra]) or "1"
        return text + ("/" + down[0] if len(down) == 1 else "/(" + "*".join(down) + ")" if down else "")

    def power(self, e: eq.Expr, exponent: Any) -> str:
        if exponent == 1:
            return self.factor(e)
        outside, self.inside = self.inside, True
        base = self.base(e)
        self.inside = outside
        if exponent == Fraction(1, 2):
            return f"sqrt({self.text(e)})"
        shown, _ = number_text(exponent)
        return f"{base}^{shown}" if shown.lstrip("-").isdigit() else f"{base}^({shown})"

    # ------------------------------------------------------------------ factors
    def factor(self, e: eq.Expr) -> str:
        """A factor of a product, in brackets where it needs them."""
        text = self.text(e)
        return text if _is_tight(text, "+-*/ ") else f"({text})"

    def base(self, e: eq.Expr) -> str:
        """The base of a power, in brackets where it needs them."""
        text = self.text(e)
        return text if _is_tight(text) else f"({text})"

    def text(self, e: eq.Expr) -> str:
        """An expression; in a function or a power, deltas are identity matrices."""
        if e[0] not in "f^" or self.inside:
            return self._text(e)
        self.inside = True
        try:
            return self._text(e)
        finally:
            self.inside = False

    def _text(self, e: eq.Expr) -> str:
        tag = e[0]
        if tag == "r":
            return self.reference(e)
        if tag == "d" and self.inside and isinstance(e[1], Idx):
            return f"eye({size_text(e[1].size)})[{self.letters[e[1]]},{self.letters.show(e[2])}]"
        if tag == "d":
            return f"delta[{','.join(sorted((self.letters.show(e[1]), self.letters.show(e[2]))))}]"
        if tag == "s":
            return size_text(e[1])
        if tag == "n":
            return number_text(e[1])[0]
        soft = self.softmax(e) if tag == "f" and e[1] == "exp" else None
        if soft is not None:
            return soft
        if tag == "f":
            return call_text(e[1], [self.text(a) for a in e[2]])
        if tag == "^":
            exponent = self.composer.constant(e[2])
            if exponent is not None:
                products = self.composer.products(e)
                if len(products) == 1 and products[0][2] and products[0][2][0][0] != e:
                    return self.sum(products)
                return self.power(e[1], exponent)
            return f"{self.base(e[1])}^{self.base(e[2])}"
        return self.sum(self.composer.products(e))

    def softmax(self, e: eq.Expr) -> str | None:
        """`softmax(z)[n,k]` where the exponent is z[n,k] - logsumexp(z)[n]."""
        z: eq.Expr | None = None
        s: eq.Expr | None = None
        for part in e[2][0][1] if e[2][0][0] == "+" and len(e[2][0][1]) == 2 else ():
            if part[0] == "r":
                z = part
            elif part[0] == "*" and len(part[1]) == 2 and part[1][0] == ("n", Fraction(-1)) and part[1][1][0] == "r":
                s = part[1][1]
        if z is None or s is None or not is_call(s[1]) or CALLS[s[1].op.name] != "logsumexp" or s[1].operands[0] is not z[1] or z[2][:-1] != s[2]:
            return None
        inside = f"[{','.join(self.letters.show(i) for i in z[2])}]"
        return f"softmax({text(self.matrices.of(z[1]))}){inside}" if z[1].rank <= 2 else None

    def reference(self, e: eq.Expr) -> str:
        node, index = e[1], e[2]
        inside = f"[{','.join(self.letters.show(i) for i in index)}]" if index else ""
        if is_turned(node) and node not in self.composer.names:
            return self.reference(instantiate(node, index))
        if is_shifted(e):                                  # an array is zero outside its range: `pad` says so
            return f"pad({self.composer.names.get(node) or node.name or text(self.matrices.of(node))}){inside}"
        if node.op.name == "ones" and len(index) == 1:
            return f"ones({size_text(node.shape[0])}){inside}"
        if node in self.composer.names:
            return self.composer.names[node] + inside
        if node.op is VARIABLE:
            return f"{node.name}{inside}"
        if node.op is NUMBER or node.op is SIZE:
            return self.sum(self.composer.products(e))
        if node.op.name == MERGE and node.rank <= 2:
            return tight(self.matrices.of(node)) + inside
        if node.op.body is None and (node.op.name == "prod" or node.op.name.startswith("others")):
            return self.product_of_entries(node, index)
        if node.op.body is None and node.op.origin is not None and node.op.name in EXTREMES:
            return self.extreme(node, index)
        if node.op.body is None and node.op.origin is not None:
            return self.along(node, index)
        if node.op.body is None or is_call(node):
            return tight(self.matrices.of(node)) + inside
        if self.composer.opens(node):
            return self.sum(self.composer.products(e))
        return self.text(instantiate(node, index))

    def product_of_entries(self, node: Node, index: tuple[Any, ...]) -> str:
        """`prod[j](x[j]^(1 - eye(n)[i,j]))`, the product of all entries but x[i], without a division; two entries left out are different ones."""
        (x,) = node.operands
        lead, out = index[: x.rank - 1], index[x.rank - 1:]
        j = Idx(x.shape[-1])
        eye = f"eye({size_text(j.size)})"
        kept = [f"(1 - {eye}[{self.letters.show(i)},{self.letters[j]}])" for i in out]
        entry = self.base(("r", x, (*lead, j)))
        apart = [f"*(1 - {eye}[{self.letters.show(a)},{self.letters.show(b)}])" for n, a in enumerate(out) for b in out[n + 1:]]
        power = f"^({'*'.join(kept)})" if len(kept) > 1 else f"^{kept[0]}" if kept else ""
        text = f"prod[{self.letters[j]}]({entry}{power})" + "".join(apart)
        return f"({text})" if apart else text

    def extreme(self, node: Node, index: tuple[Any, ...]) -> str:
        """`max[j](x[n,j])`, and `(1 - sign(max[j](x[n,j]) - x[n,i]))` for the place of the maximum, which the notation has no word for."""
        x, reducer = node.operands[0], node.op.name.removeprefix("arg")
        lead = index[: x.rank - 1]
        inner, last = x, [Idx(x.shape[-1])]
        while inner.op.name == MERGE and reducer == node.op.name and inner not in self.composer.names:       # several axes at once
            inner = inner.operands[0]
            last = [Idx(s) for s in inner.shape[inner.rank - len(last) - 1:]]
        entries = self.text(("r", inner, (*lead, *last)))
        alone = {c for inside in re.findall(r"\[([^\]]*)\]", entries) for c in inside.split(",")}
        told = "".join(f"ones({size_text(i.size)})[{self.letters[i]}]*" for i in last if self.letters[i] not in alone)    # what tells its range
        top = f"{reducer}[{','.join(self.letters[i] for i in last)}]({told}{entries})"
        if reducer == node.op.name:
            return top
        entry = self.factor(("r", x, index))
        return f"(1 - sign({f'{top} - {entry}' if reducer == 'max' else f'{entry} - {top}'}))"

    def along(self, node: Node, index: tuple[Any, ...]) -> str:
        """A structured op along leading indices: `onehot(c[n], K)[k]`."""
        assert node.op.origin is not None
        lead = index[: len(index) - len(node.op.origin[0].out)]
        rest = index[len(lead):]
        inner = tuple(Idx(i.size) for i in rest)
        fixed = Eliminator(self.composer.names, None, {i: self.letters.show(i) for i in lead})
        return tight(fixed.matrix(("r", node, (*lead, *inner)), inner)) + (f"[{','.join(self.letters.show(i) for i in rest)}]" if rest else "")


def _mean(names: list[Idx], coefficient: Fraction, free: Sequence[tuple[eq.Expr, Any]]) -> tuple[Fraction, list[tuple[eq.Expr, Any]], bool]:
    """(coefficient, factors, whether the sum is a mean): the sizes of the summed indices taken out of the divisors."""
    left, number = list(free), coefficient
    alone = all(isinstance(b.size, int) for b in names)    # 1/2 of a sum of two is left as it is
    for b in names:
        if isinstance(b.size, int) and number.denominator % b.size == 0 and b.size > (2 if alone else 1):
            number *= b.size
        elif found := next((f for f in left if f[0] == ("s", b.size) and f[1] < 0), None):
            left[left.index(found)] = (found[0], found[1] + 1)
        else:
            return coefficient, list(free), False
    return number, [f for f in left if f[1]], True


def _is_tight(text: str, loose: str = "+-*/^ ") -> bool:
    """Whether a text is one operand: a name or call with its brackets, or a number; none of `loose` stands outside brackets."""
    depth, opened = 0, False
    for n, c in enumerate(text):
        if c in "([":
            if depth == 0 and opened and c == "(" and text[n - 1] in ")]":
                return False
            depth, opened = depth + 1, True
        elif c in ")]":
            depth -= 1
        elif depth == 0 and c in loose:
            return False
    return True


def component_text(node: Node, names: Mapping[Node, str], ranges: Mapping[str, object], left: str = "D", *, ranged: bool = True,
                   declare: bool = False, reserved: Sequence[str] = ()) -> str:
    """`left[i, j] = ...` with every sum written out. Raises NoMatrixForm where a part has no text.

    ranged: the range of every index on the left follows from the text, so that it parses; else deltas stay deltas, for reading.
    declare: an index that stands in affine ones only, as in `x[c, 2*i+p-1]`, gets an `index p = 1..3` line in front.
    reserved: letters that no index gets.
    """
    letters = Letters(ranges, reserved)
    composer = Composer(names)
    F = tuple(Idx(s) for s in node.shape)
    head = ",".join(letters[i] for i in F)
    products = composer.products(("r", node, F))
    body = _Printer(composer, letters).sum(products)
    lines = declared(body, letters, F) if declare else []
    body = with_ranges(body, letters, F) if ranged else body
    return "\n".join((*lines, f"{left}[{head}] = {body}" if head else f"{left} = {body}" if left else body))


def component_terms(node: Node, names: Mapping[Node, str], ranges: Mapping[str, object], reserved: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """The letters of the axes, and the summands of the component form, each with bound letters of its own. Raises NoMatrixForm."""
    letters = Letters(ranges, reserved)
    composer = Composer(names)
    F = tuple(Idx(s) for s in node.shape)
    head = [letters[i] for i in F]
    products: list[Product] = []
    waiting: list[eq.Expr] = [("r", node, F)]
    while waiting:
        e = waiting.pop()
        adds = e[0] == "r" and (e[1] is node or e[1] not in names) and e[1].op.body is not None and e[1].op.body[0] == "+"
        if adds or e[0] == "+":
            waiting += reversed(instantiate(e[1], e[2])[1] if adds else e[1])
        else:
            products += composer.products(e)
    out = []
    for p in merged(products):
        text = _Printer(composer, letters.copy()).product(*p)
        out.append(text if len(terms_of(text)) == 1 else f"({text})")
    return head, out


def merged(products: Sequence[Product]) -> list[Product]:
    """Like terms added: products that are equal up to bound names, as far as an order of factors that is blind to these shows it."""
    places: dict[Node, int] = {}
    found: dict[object, list[Any]] = {}
    for c, bound, factors in products:
        ordered = sorted(((_blind(f, bound, places), str(e), f, e) for f, e in factors), key=lambda x: x[:2])
        seen = dict.fromkeys(b for _, _, f, _ in ordered for b in eq.free(f) if b in bound)
        numbers: dict[object, int] = {b: -1 - n for n, b in enumerate(seen)}
        slot = found.setdefault((len(bound), *((key(f, numbers), e) for _, _, f, e in ordered)), [Fraction(0), bound, factors])
        slot[0] += c
    return [(c, b, f) for c, b, f in found.values() if c]


def _blind(e: eq.Expr, bound: Sequence[Idx], places: dict[Node, int]) -> str:
    """A text to sort factors by, the same in every process: nodes by when they are first met, bound indices all alike."""
    def show(i: eq.Index) -> str:
        return "b" if i in bound else str(i)
    if e[0] == "r":
        return f"r{places.setdefault(e[1], len(places))}[{','.join(map(show, e[2]))}]"
    if e[0] == "d":
        return f"d[{','.join(sorted(map(show, e[1:])))}]"
    if e[0] in "nks":
        return str(e)
    return f"{e[0]}{e[1] if e[0] == 'f' else ''}({','.join(_blind(a, bound, places) for a in eq.children(e))})"


def size_names(nodes: Sequence[Node]) -> set[str]:
    """The names of all sizes of nodes."""
    return {s.name for size in {s for n in nodes for s in n.shape if not isinstance(s, int)} for s in size_expression(size).free_symbols}


def formula_text(node: Node, names: Mapping[Node, str], ranges: Mapping[str, object], left: str = "D", backward: set[Node] | None = None) -> str:
    """`left[i,j,k] = W[i,j]*x[k]`: the index form with whole matrix terms as factors; an index not on the left is summed."""
    letters = Letters(ranges)
    F = tuple(Idx(s) for s in node.shape)
    head = ",".join(letters[i] for i in F)
    letters.taken |= size_names(topological([node]))       # of an index that is summed without a word
    merged: dict[tuple[str, str], Fraction] = {}
    for c, scalars, parts, deltas in Eliminator(names, backward).pieces(("r", node, F), F):
        body = sorted(f"delta[{','.join(sorted((letters[i], letters[j])))}]" for i, j in deltas)
        body += sorted(_indexable(m) + f"[{','.join(letters[x] for x in ix)}]" for m, ix in parts)
        up = [scalar_text(s, e) for s, e in scalars if not mx.is_negative(e)]
        down = [scalar_text(s, -e) for s, e in scalars if mx.is_negative(e)]
        k = ("*".join(up + body), "/" + down[0] if len(down) == 1 else "/(" + "*".join(down) + ")" if down else "")
        merged[k] = merged.get(k, Fraction(0)) + c
    out = ""
    for (up_text, down_text), c in sorted(merged.items(), key=lambda item: item[1] < 0):
        if c:
            n = "" if abs(c) == 1 else number_text(abs(c))[0] + ("*" if up_text else "")
            t = ("-" if c < 0 else "") + ((n + up_text) or "1") + down_text
            out += t if not out else " - " + t[1:] if t.startswith("-") else " + " + t
    shown = with_ranges(out or "0", letters, F)
    return f"{left}[{head}] = {shown}" if head else f"{left} = {shown}"


def _indexable(m: mx.Term) -> str:
    """A matrix term as what an index may follow: a name or a call, perhaps transposed, else in brackets."""
    inner = m.args[0] if m.kind == "t" else m
    simple = inner.kind in ("leaf", "call", "diag", "ones", "zeros", "eye") or (inner.kind == "mpow" and inner.args[1] == -1)
    return text(m) if simple else f"({text(m)})"
