"""The derivative of an op by an operand, derived by sympy from its index equation, as an op again.

    pullback     out[p] = sum over the outputs of C[out] * d rhs[out] / d operand[p]
    pushforward  out[o] = sum over p of d rhs[o] / d operand[p] * T[p]

Both are written in terms of what the forward pass holds already (the output and the named intermediates) where that is exact.
A rewriting never divides by an operand or a cotangent: such a form is right at random points and 0/0 at zero.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import sympy as sp
from sympy import Add, Expr, Function, Indexed, IndexedBase, KroneckerDelta, Mul, Pow, Sum, Symbol

from symgrad.core import equation as eq
from symgrad.core.contraction import contract, products, rewrite
from symgrad.core.op import Derived, Op, Source, lift_derived, make_op
from symgrad.core.symbols import at, base, from_sympy, index_symbol, size_symbol, to_sympy, total
from symgrad.errors import UnsupportedError

__all__ = ["compose", "pullback", "pushforward"]

LONG_SUM = 6                                               # terms; shorter sums are derived whole


def pullback(op: Op, operand: int) -> Derived | None:
    """The op that sends the cotangent of the output to that of an operand; None where the output does not depend on it.

    Raises UnsupportedError where no derivative is known.
    """
    return op.derived("pullback", operand, _pullback)


def pushforward(op: Op, operand: int) -> Derived | None:
    """The op that sends the tangent of an operand to that of the output; None where it is zero."""
    return op.derived("pushforward", operand, _pushforward)


def _pullback(op: Op, operand: int) -> Derived | None:
    if op.origin is not None:
        root, patterns = op.origin
        found = pullback(root, operand)
        return lift_derived(found, patterns, operand, len(op.out) - len(root.out)) if found else None
    if op.body is None:
        assert op.rule is not None
        return op.rule(operand)
    return _of_its_terms(op, operand, pullback) or _for_all_offsets(op, operand, pullback) or _Derivation(op).pullback(operand)


def _pushforward(op: Op, operand: int) -> Derived | None:
    if op.origin is not None:
        root, patterns = op.origin
        found = pushforward(root, operand)
        if found is None:
            return None
        tangents = Derived(found.op, tuple(operand if s == "T" else s for s in found.sources))
        lifted = lift_derived(tangents, patterns, None, len(op.out) - len(root.out))
        return Derived(lifted.op, tuple("T" if s == "T" else n for s, n in zip(found.sources, lifted.sources, strict=True)))
    if op.body is None:
        return _adjoint(pullback(op, operand))
    return _of_its_terms(op, operand, pushforward) or _for_all_offsets(op, operand, pushforward) or _Derivation(op).pushforward(operand)


def _of_its_terms(op: Op, operand: int, derive: Callable[[Op, int], Derived | None]) -> Derived | None:
    """The derivative of a long sum: that of the terms which read the operand, so that a sum of 500 steps is not walked for each of them."""
    if op.body is None or op.body[0] != "+" or op.where:
        return None
    reads = [{x[1] for x in eq.walk(t) if x[0] in "rs"} for t in op.body[1]]
    terms = tuple(t for t, k in zip(op.body[1], reads, strict=True) if operand in k)
    if not terms or len(op.body[1]) <= max(LONG_SUM, len(terms)):
        return None
    used = sorted(set().union(*(k for k in reads if operand in k)))
    body = eq.transform(terms[0] if len(terms) == 1 else ("+", terms), lambda x: (x[0], used.index(x[1]), *x[2:]) if x[0] in "rs" else x)
    found = derive(make_op(op.name, [op.ranks[k] for k in used], op.out, body, reuse=False), used.index(operand))
    return found and Derived(found.op, tuple(used[s] if isinstance(s, int) else s for s in found.sources))


def _for_all_offsets(op: Op, operand: int, derive: Callable[[Op, int], Derived | None]) -> Derived | None:
    """The derivative of an op that reads at shifted or literal indices, derived once for every offset: each is a letter meanwhile.

    A loop over 2,000 steps reads at 2,000 places; they are one equation. None for an op without offsets.
    """
    assert op.body is not None
    letters: dict[eq.Index, eq.Index] = {}
    def lettered(index: eq.Index) -> eq.Index:
        constant, terms = eq.affine_parts(index)
        if not constant and terms:
            return index
        letter = f"c{len(letters)}"
        letters[letter] = eq.affine(constant, {})
        return eq.affine(0, {**terms, letter: 1})
    def leaf(e: eq.Expr) -> eq.Expr:
        return ("r", e[1], tuple(lettered(i) for i in e[2])) if e[0] == "r" else e
    if op.where or any(e[0] == "d" and (eq.is_affine(e[1]) or eq.is_affine(e[2])) for e in eq.walk(op.body)):
        return None
    body = eq.transform(op.body, leaf)
    if not letters:
        return None
    general = make_op(op.name, op.ranks, op.out, body, positive=op.positive, reuse=op.reuse)
    found = derive(general, operand)
    if found is None or found.op.body is None:
        return found
    return Derived(make_op(found.op.name, found.op.ranks, found.op.out, eq.substitute(found.op.body, letters)), found.sources)


def _adjoint(back: Derived | None) -> Derived | None:
    """The pushforward of a structured op: its pullback is linear in C, so the adjoint is its derivative by C, applied to T."""
    if back is None:
        return None
    at_c = back.sources.index("C")
    local = pullback(back.op, at_c)                        # sum over the operand's axes of cotangent[p] * d back[p] / d C[out]
    if local is None:
        return None
    def source(s: Source) -> Source:
        found = back.sources[s] if isinstance(s, int) else "T"
        return "Y" if found == "C" else found              # linear in C: all that is left of it is its shape, that of Y
    return Derived(local.op, tuple(source(s) for s in local.sources))


class _Derivation:
    """One op's equation in sympy, with the symbols that its derivatives are written in."""

    def __init__(self, op: Op) -> None:
        assert op.body is not None
        self.op = op
        self.operands: list[Expr] = [base(f"a{k}", r) for k, r in enumerate(op.ranks)]
        self.operands += [base(f"w{k}", len(w.index), w.positive) for k, w in enumerate(op.where)]
        bases = dict(enumerate(self.operands))
        self.out = tuple(index_symbol(o) for o in op.out)
        self.rhs = to_sympy(op.body, bases)
        self.lines = [(bases[len(op.ranks) + k], tuple(index_symbol(i) for i in w.index), to_sympy(w.body, bases))
                      for k, w in enumerate(op.where)]
        self.cotangent = base("C", len(self.out))
        root = isinstance(self.rhs, Pow) and self.rhs.exp.is_Rational and not self.rhs.exp.is_integer
        self.output = base("Y", len(self.out), positive=op.positive or root)

    # ------------------------------------------------------------------ the two derivatives
    def pullback(self, operand: int) -> Derived | None:
        target = self._indices(operand)
        e = contract(total(at(self.cotangent, self.out) * self._local(operand, target), self.out), self._size)
        return self._finish(e, f"{self.op.name}'{operand + 1}", target, "C", self.cotangent, len(self.out))

    def pushforward(self, operand: int) -> Derived | None:
        tangent, target = base("T", self.op.ranks[operand]), self._indices(operand)
        local = self._local(operand, target)
        if local == 0:
            return None
        e = contract(total(local * at(tangent, target), target), self._size)
        return self._finish(e, f"{self.op.name}.{operand + 1}", self.out, "T", tangent, self.op.ranks[operand])

    def _indices(self, operand: int) -> tuple[Symbol, ...]:
        return tuple(index_symbol(f"p{n}") for n in range(self.op.ranks[operand]))

    def _local(self, operand: int, target: tuple[Symbol, ...]) -> Expr:
        """d out / d operand[target], through the intermediates by a reverse sweep over the op's own lines, in their symbols."""
        entry = at(self.operands[operand], target)
        local = sp.diff(self.rhs, entry)
        if isinstance(self.rhs, Sum) and not self.lines:   # its deltas wait for the cotangent, whose index they fix rather than one of its own
            return local
        adjoints: list[tuple[tuple[Symbol, ...], Expr, Expr]] = []
        for n, (b, index, rhs) in reversed(list(enumerate(self.lines))):
            q = tuple(sp.Dummy(f"q{n}_{axis}", integer=True) for axis in range(len(index)))
            g = sp.diff(self.rhs, at(b, q))
            for q2, g2, rhs2 in adjoints:
                g += _chain(g2, sp.diff(rhs2, at(b, q)), q2)
            g = self._named(contract(g, self._size))
            if g != 0:
                adjoints.append((q, g, rhs.xreplace(dict(zip(index, q, strict=True)))))
        for q, g, rhs in adjoints:
            local += _chain(g, sp.diff(rhs, entry), q)
        local = self._without_zero_sums(self._named(contract(local, self._size)))
        return self._in_output(local) if self.op.reuse else local

    def _size(self, bound: Symbol) -> Expr:
        name = bound.name
        if name.startswith("p"):
            raise UnsupportedError(f"{self.op.name}: a summed index of the operand vanished")
        if name in self.op.out:
            return size_symbol(-1, self.op.out.index(name))
        if name.startswith("q"):                           # an index of an intermediate, see _local
            line, axis = map(int, name[1:].split("_"))
            return size_symbol(len(self.op.ranks) + line, axis)
        axes = {self._output_axis(*axis) for scoped, axis in self.op.axis_of.items() if scoped.split("#")[0] == name}
        if len(axes) != 1:
            raise UnsupportedError(f"{self.op.name}: the size of a summed index that vanished is not known")
        return size_symbol(*axes.pop())

    # ------------------------------------------------------------------ in terms of what the forward pass holds
    def _named(self, e: Expr) -> Expr:
        """Every instance of an intermediate's definition replaced by the intermediate."""
        for b, index, rhs in self.lines:
            if isinstance(rhs, Add | Indexed):
                continue
            y = at(b, index)
            pattern, value = (rhs.base, y ** (1 / rhs.exp)) if _is_root(rhs) else \
                (rhs.args[0], sp.exp(y)) if isinstance(rhs, sp.log) else (rhs, y)
            for place in _places(e, len(index)):
                swap = dict(zip(index, place, strict=True))
                e = e.xreplace({pattern.xreplace(swap): value.xreplace(swap)})
            if isinstance(rhs, sp.log):                    # exp(z)*exp(-u) overflows where exp(z - u) does not
                e = sp.powsimp(e, combine="exp")
        return e

    def _without_zero_sums(self, e: Expr) -> Expr:
        """Sums that are zero by the definitions of the intermediates (the sum of deviations from the mean) vanish."""
        bases = {b for b, _, _ in self.lines}
        if not bases:
            return e
        size = Symbol("size", positive=True)
        for s in sorted(e.atoms(Sum), key=str):
            if not isinstance(s.function, Indexed) or s.function.base not in bases:
                continue
            flat = sp.S.Zero
            for bound, factors in products(Sum(sp.expand(self._opened(s.function)), *s.limits)):
                used = [b for b in bound if any(f.has(b) for f in factors)]
                names = {b: Symbol(f"k{n}", integer=True) for n, b in enumerate(used)}
                inside = [f for f in factors if used and f.has(*used)]
                outside = [f for f in factors if f not in inside]
                flat += size ** (len(bound) - len(used)) * Mul(*outside) * total(Mul(*inside).xreplace(names), tuple(names.values()))
            if sp.expand(flat.xreplace({x: size for x in flat.free_symbols if _is_size(x)})) == 0:
                e = e.xreplace({s: sp.S.Zero})
        return e

    def _opened(self, e: Expr) -> Expr:
        """Intermediates replaced by their definitions, last ones first."""
        for b, index, rhs in reversed(self.lines):
            def change(x: Expr, b: Expr = b, index: tuple[Symbol, ...] = index, rhs: Expr = rhs) -> Expr | None:
                if isinstance(x, Indexed) and x.base == b:
                    return rhs.xreplace(dict(zip(index, x.indices, strict=True)))
                return rhs if x == b else None
            e = rewrite(e, change)
        return e

    def _in_output(self, e: Expr) -> Expr:
        """The rhs itself, its numerator, or the sum under its outermost function written in terms of the output Y."""
        rhs, out = self.rhs, self.out
        if isinstance(rhs, Add | Indexed | Symbol | Sum) or rhs.is_number:
            return e
        places = _places(e, len(out))
        if isinstance(rhs, Mul):
            return self._numerator_in_output(e, places)
        inner = rhs.args[0] if isinstance(rhs, sp.log) or _is_root(rhs) else None
        for place in places:
            swap = dict(zip(out, place, strict=True))
            y = at(self.output, place)
            if inner is not None and (isinstance(inner, Sum) or (isinstance(rhs, Pow) and self.op.positive)):
                e = e.xreplace({inner.xreplace(swap): sp.exp(y) if isinstance(rhs, sp.log) else y ** (1 / rhs.exp)})
            elif isinstance(rhs, Function | Pow):
                e = e.xreplace({rhs.xreplace(swap): y})
        return sp.powsimp(e) if isinstance(rhs, sp.log) else e

    def _numerator_in_output(self, e: Expr, places: Sequence[tuple[Expr, ...]]) -> Expr:
        """rhs = head * rest: head becomes Y / rest, where head is a function or an intermediate and no operand stands in rest."""
        lines = {b for b, _, _ in self.lines}
        heads = [f for f in self.rhs.args if f.has(*self.out) and not f.has(Sum)
                 and (f.is_Function or (isinstance(f, Indexed) and f.base in lines))] if self.out else []
        if len(heads) != 1 or not set(self.out) <= heads[0].free_symbols:
            return e
        rest = self.rhs / heads[0]
        outside = rest.xreplace({s: sp.S.One for s in rest.atoms(Sum)})
        if any(x.name[0] in "aw" and x.name[1:].isdigit() and not x.is_positive for x in outside.free_symbols if hasattr(x, "name")):
            return e
        if any(f.has(Sum) and not f.as_base_exp()[1].is_negative for f in Mul.make_args(rest)):
            return e                                       # 1 / rest would divide by a sum
        swaps = [dict(zip(self.out, place, strict=True)) for place in places]
        hidden: dict[Expr, tuple[Expr, tuple[Symbol, ...]]] = {}
        kept: dict[Expr, Expr] = {}
        for n, s in enumerate(sorted(rest.atoms(Sum), key=str)):
            free = tuple(o for o in self.out if o in s.free_symbols)
            name = Function(f"kept{n}", positive=True)
            hidden[name] = s, free
            kept |= {s.xreplace(r): name(*[r[o] for o in free]) for r in swaps}
        e = e.xreplace(kept)                               # the denominator is not rewritten inside
        for place, r in zip(places, swaps, strict=True):
            e = e.xreplace({heads[0].xreplace(r): at(self.output, place) / rest.xreplace(r).xreplace(kept)})
        def shown(x: Expr) -> Expr | None:
            if not isinstance(x, Function) or x.func not in hidden:
                return None
            s, free = hidden[x.func]
            fresh = s.xreplace({v: sp.Dummy(v.name, integer=True) for v in s.variables})
            return fresh.xreplace(dict(zip(free, x.args, strict=True)))
        return rewrite(contract(e, self._size), shown)

    # ------------------------------------------------------------------ back to an op
    def _finish(self, e: Expr, name: str, out: tuple[Symbol, ...], letter: str, variable: Expr, rank: int) -> Derived | None:
        if e == 0:
            return None
        if e.has(sp.Derivative, sp.Subs):
            raise UnsupportedError(f"{self.op.name}: a derivative was left unevaluated in {e}")
        order: list[tuple[str | int, str, int]] = [(letter, letter, rank)]
        order += [(k, f"a{k}", r) for k, r in enumerate(self.op.ranks)]
        order += [("Y", "Y", len(self.out))]
        order += [(len(self.op.ranks) + k, f"w{k}", len(w.index)) for k, w in enumerate(self.op.where)]
        numbered = {label: n for n, (_, label, _) in enumerate(order)}
        body = from_sympy(self._sized(e, numbered), numbered)
        used = sorted({x[1] for x in eq.walk(body) if x[0] in "rs"})
        place = {n: m for m, n in enumerate(used)}
        body = eq.transform(body, lambda x: (x[0], place[x[1]], *x[2:]) if x[0] in "rs" else x)
        op = make_op(name, [order[n][2] for n in used], [i.name for i in out], eq.factored(eq.canonical(body)))
        return Derived(op, tuple(order[n][0] for n in used))

    def _output_axis(self, operand: int, axis: int) -> tuple[int, int]:
        """(-1, the axis of the output) that has the same size as an operand's axis, where there is one: the cotangent tells it."""
        here = {name for name, k, a in self.op.patterns if (k, a) == (operand, axis)}
        same = {(k, a) for name, k, a in self.op.patterns if name in here}
        near = here | {name for name, k, a in self.op.patterns if (k, a) in same}
        return next(((-1, n) for n, o in enumerate(self.op.out) if o in near), (operand, axis))

    def _sized(self, e: Expr, numbered: dict[str, int]) -> Expr:
        """Size symbols renamed from the op's operand positions to those of the derivative."""
        swap = {}
        for s in e.free_symbols:
            if _is_size(s):
                k, axis = map(int, s.name[1:].split("_"))
                k, axis = self._output_axis(k, axis)
                label = ("C" if "C" in numbered else "Y") if k < 0 else f"a{k}" if k < len(self.op.ranks) else f"w{k - len(self.op.ranks)}"
                swap[s] = size_symbol(numbered[label], axis)
        return e.xreplace(swap)


def _chain(outer: Expr, inner: Expr, index: tuple[Symbol, ...]) -> Expr:
    """One step of the chain rule: the sum over an intermediate's indices."""
    return total(outer * inner, index) if inner != 0 else sp.S.Zero


def _is_root(e: Expr) -> bool:
    """Whether e is a root or a reciprocal, so that its value tells its base; that of a square does not tell the sign."""
    return isinstance(e, Pow) and bool((1 / e.exp).is_integer)


def _is_size(s: Symbol) -> bool:
    return bool(s.name[0] == "s" and "_" in s.name)


def _places(e: Expr, count: int) -> list[tuple[Expr, ...]]:
    """Every tuple of `count` indices that occur in e, free or bound."""
    bound = {v for s in e.atoms(Sum) for v in s.variables}
    pool = sorted({s for s in e.free_symbols | bound if s.is_integer and s.name != "n_"}, key=str)
    return list(itertools.product(pool, repeat=count)) if len(pool) ** count <= 400 else []


def _ends(e: Expr, index: Symbol, far: set[Symbol]) -> bool:
    """Whether e is zero where the index is out of its range: an array is, and a delta with an index that stays inside (not in `far`)."""
    if isinstance(e, Add):
        return all(_ends(a, index, far) for a in e.args)
    if isinstance(e, Mul):
        return any(_ends(a, index, far) for a in e.args)
    if isinstance(e, Sum):
        return _ends(e.function, index, far)
    if isinstance(e, Pow):
        return bool(e.exp.is_positive) and _ends(e.base, index, far)
    if isinstance(e, Indexed):
        return index in e.indices
    return isinstance(e, KroneckerDelta) and index in e.args and not set(e.args) <= far


def compose(op: Op, operand: int, inner: Op) -> Op:
    """op with an operand replaced by its own equation: its operands stand last, the rest keep their order; deltas are eliminated.

    Raises UnsupportedError where a size or a range would be lost.
    """
    def build(_: Op, __: int) -> Derived | None:
        assert op.body is not None and inner.body is not None
        outer_bases = {k: base(f"a{k}", r) for k, r in enumerate(op.ranks)}
        inner_bases = {k: base(f"c{k}", r) for k, r in enumerate(inner.ranks)}
        target, index = outer_bases[operand], [index_symbol(o) for o in inner.out]
        definition = to_sympy(inner.body, inner_bases)
        inner_sizes = {s: Symbol("z" + s.name[1:], positive=True) for s in definition.free_symbols if _is_size(s)}
        definition = definition.xreplace(inner_sizes)
        def change(x: Expr) -> Expr | None:
            if isinstance(x, Indexed) and isinstance(target, IndexedBase) and x.base == target:
                far = {i for i, read in zip(index, x.indices, strict=True) if not read.is_Symbol}
                if not all(_ends(definition, i, far) for i in far):
                    raise UnsupportedError(f"{op.name}: outside its range an operand is zero, and its equation is not")
                apart = {v: sp.Dummy(v.name, integer=True) for s in definition.atoms(Sum) for v in s.variables}
                fresh = definition.xreplace(apart)
                swap = {i: sp.Dummy("at", integer=True) for i in index}
                return fresh.xreplace(swap).xreplace(dict(zip(swap.values(), x.indices, strict=True)))
            return definition if x == target else None
        e = contract(rewrite(to_sympy(op.body, outer_bases), change))
        names = [f"a{k}" for k in range(op.arity) if k != operand] + [f"c{k}" for k in range(inner.arity)]
        numbered = {n: m for m, n in enumerate(names)}
        sizes = {}
        for s in e.free_symbols:
            if _is_size(s) or s in inner_sizes.values():
                k, axis = s.name[1:].split("_")
                source = f"{'a' if s.name[0] == 's' else 'c'}{k}"
                if source == f"a{operand}" and inner.out[int(axis)] in inner.axis_of:   # the size of an axis that an inner operand gives
                    place = inner.axis_of[inner.out[int(axis)]]
                    source, axis = f"c{place[0]}", str(place[1])
                if source not in numbered:
                    raise UnsupportedError(f"{op.name}: a size is known from the composed operand only")
                sizes[s] = size_symbol(numbered[source], int(axis))
        ranks = [r for k, r in enumerate(op.ranks) if k != operand] + list(inner.ranks)
        return Derived(make_op(f"{op.name}", ranks, op.out, from_sympy(e.xreplace(sizes), numbered)), ())
    found = op.derived(("compose", inner), operand, build)
    assert found is not None
    return found.op
