"""The elimination: bound indices of a product go one at a time, each as a matrix product, an elementwise product, a sum or a diagonal."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from symgrad.core import equation as eq
from symgrad.core.node import NUMBER, SIZE, VARIABLE, Node
from symgrad.ops.array_kernels import ARRAY_KERNELS
from symgrad.ops.stacking import MERGE, SPLIT, STACK, kron_core
from symgrad.views import terms as mx
from symgrad.views import words
from symgrad.views.bound import Factors, Frame, frame_shape
from symgrad.views.compose import CALLS, Composer, Idx, NoMatrixForm, Product, instantiate, is_call, known_facts
from symgrad.views.factoring import operations, shortened, transposed
from symgrad.views.terms import Term

__all__ = ["Eliminator", "Pieces"]

WORDS = frozenset(("det", "logdet", "pinv", "max", "min"))
"""Structured ops that the notation has a word for."""

PI = Fraction("3.141592653589793")
"""The notation has no word for it."""

Pieces = tuple[Fraction, list[tuple[Term, Any]], list[tuple[Term, tuple[Idx, ...]]], list[tuple[Idx, Idx]]]
"""coefficient, scalar powers, matrix terms with their indices, deltas: one summand of an index formula."""


class Eliminator(Composer):
    """Index expressions to matrix terms. `backward`: nodes whose sums may be multiplied out where that is shorter.

    `fixed`: indices that stay written, with their letters: with the index n of the examples fixed, h becomes the vector h[n].
    """

    widest = 2

    def __init__(self, names: Mapping[Node, str], backward: set[Node] | None = None, fixed: Mapping[Idx, str] | None = None) -> None:
        super().__init__(names)
        self.backward = backward
        self.fixed = dict(fixed or {})
        self.done: dict[Node, Term] = {}

    def of(self, node: Node) -> Term:
        """The matrix term of a node with at most two axes. Raises NoMatrixForm."""
        F = tuple(Idx(s) for s in node.shape)
        if len(F) > 2:
            raise NoMatrixForm(f"{len(F)} axes")
        return self.matrix(("r", node, F), F)

    def free(self, e: eq.Expr) -> tuple[Any, ...]:
        """The free indices of an expression that are axes of its term."""
        return tuple(i for i in eq.free(e) if i not in self.fixed) if self.fixed else eq.free(e)

    # ------------------------------------------------------------------ terms of expressions
    def matrix(self, e: eq.Expr, F: Frame) -> Term:
        """e with free indices F as a matrix term."""
        node = e[1] if e[0] == "r" and e[2] == F and len(set(F)) == len(F) else None
        if node is not None and node in self.done:
            return self.done[node]
        out = self.atom(e, F) if node is not None and not self.opens(node) else self._sum(e, F)
        if node is not None:
            self.done[node] = out
        return out

    def _sum(self, e: eq.Expr, F: Frame) -> Term:
        products = self.products(e)
        out = self.added(products, F, e)
        opened = self.distributed(products, self.backward)
        if opened:                                         # multiplied out only where that is shorter: where things cancel
            try:
                other = self.added(opened, F, e)
            except NoMatrixForm:
                return out
            return min(out, other, key=operations)
        return out

    def added(self, products: list[Product], F: Frame, e: eq.Expr | None = None) -> Term:
        """The sum of products, common factors in front where that is shorter."""
        if len(products) == 1 and e is not None:
            c, bound, factors = products[0]
            if len(factors) == 1 and not bound and factors[0][1] == 1 and factors[0][0][0] != "d" and factors[0][0] is not e:
                f = factors[0][0]
                if set(self.free(f)) == set(F) and f[0] in "rf^+":
                    return mx.term(c, [], self.atom(f, F))
        return shortened(mx.add([self.eliminate(*p, F) for p in products], frame_shape(F)))

    def atom(self, e: eq.Expr, F: Frame) -> Term:
        """One factor as a matrix term with rows F[0] and columns F[1]."""
        if e[0] == "r":
            return self._reference(e, F)
        return self.body(e, F)

    def _reference(self, e: eq.Expr, F: Frame) -> Term:
        node, index = e[1], e[2]
        if any(eq.is_affine(i) for i in index):
            raise NoMatrixForm("an affine index")
        if any(i in self.fixed for i in index):
            return self._at_fixed(node, index, F)
        if len(index) == 2 and index[0] is index[1]:
            other = Idx(index[0].size)
            return mx.diagonal(self.matrix(("r", node, (index[0], other)), (index[0], other)))
        if index != F:
            if len(set(index)) != len(index) or set(index) != set(F):
                raise NoMatrixForm("an index that repeats")
            return transposed(self.matrix(e, index))
        shape = frame_shape(F)
        if node in self.names:
            return mx.leaf(self.names[node], shape, known_facts(node))
        if node.op is NUMBER:
            return mx.number(node.data)
        if node.op is SIZE:
            return mx.size_leaf(node.data)
        if node.op is VARIABLE:
            return mx.leaf(node.name, shape, node.facts)
        if is_call(node):
            return mx.call(CALLS[node.op.name], [self._whole(node.operands[0])], shape)
        if node.op.body is None:
            return self._structured(node, shape)
        return self.body(instantiate(node, index), F) if not self.opens(node) else self._sum(e, F)

    def _at_fixed(self, node: Node, index: tuple[Any, ...], F: Frame) -> Term:
        """A node with some indices fixed: `h[n]`, or its equation there."""
        rest = tuple(i for i in index if i not in self.fixed)
        lead = index[: len(index) - len(rest)]
        if rest != F:
            if len(rest) == 2 and rest[0] is rest[1]:
                other = Idx(rest[0].size)
                return mx.diagonal(self._at_fixed(node, (*index[:-1], other), (rest[0], other)))
            if set(rest) != set(F) or len(set(rest)) != len(rest):
                raise NoMatrixForm("an index that repeats")
            return mx.transpose(self._at_fixed(node, index, rest))
        name = self.names.get(node, node.name)
        if name:
            if any(i not in self.fixed for i in lead):
                raise NoMatrixForm("a fixed index that does not lead")
            return mx.leaf(f"{name}[{','.join(self.fixed[i] for i in lead)}]", frame_shape(F), known_facts(node))
        if is_call(node) and node.op.name != "norm1":
            inner = Idx(node.operands[0].shape[-1])
            operand_index = index if CALLS[node.op.name] != "logsumexp" else (*index, inner)
            return mx.call(CALLS[node.op.name], [self.matrix(("r", node.operands[0], operand_index), (operand_index[-1],))], frame_shape(F))
        if node.op.body is None:
            return self._structured_at(node, lead, F)
        return self._sum(("r", node, index), F) if self.opens(node) else self.body(instantiate(node, index), F)

    def _structured_at(self, node: Node, lead: tuple[Any, ...], F: Frame) -> Term:
        """A structured op along fixed leading indices: `inv(X[n])`."""
        if node.op.origin is None or len(lead) != len(node.op.out) - len(node.op.origin[0].out):
            raise NoMatrixForm(f"{node.op.name} at fixed indices")
        arguments = []
        for operand, pattern in zip(node.operands, node.op.origin[1], strict=True):
            inner = tuple(Idx(s) for s in operand.shape[len(pattern):])
            arguments.append(self.matrix(("r", operand, tuple(lead[a] for a in pattern) + inner), inner))
        return self._word(node, arguments, frame_shape(F))

    def _whole(self, node: Node) -> Term:
        F = tuple(Idx(s) for s in node.shape)
        if len(F) > 2:
            raise NoMatrixForm(f"an operand with {len(F)} axes")
        return self.matrix(("r", node, F), F)

    def _structured(self, node: Node, shape: Any) -> Term:
        if node.op.name == MERGE:
            return self._merged_axes(node)
        if node.op.name in (SPLIT, STACK):
            raise NoMatrixForm("axes that are split or stacked")
        if node.op.origin is not None:
            raise NoMatrixForm(f"{node.op.name} along leading axes")
        return self._word(node, [self._whole(o) for o in node.operands], shape)

    @staticmethod
    def _word(node: Node, arguments: list[Term], shape: Any) -> Term:
        """A structured op of terms, in the notation's words."""
        name = node.op.name
        if name == "inv":
            return mx.power(arguments[0], -1)
        if name == "adj":
            return words.adjugate(arguments[0])
        if name == "onehot":
            return mx.call(name, [arguments[0], mx.size_leaf(arguments[1].shape[0])], shape)
        if name in ("argmax", "argmin"):                   # 1 - sign(max(x) - x): the notation has no word for the place of the maximum
            x = arguments[0]
            top = mx.term(1, [(mx.call(name[3:], [x], mx.SCALAR), 1)], mx.ones(x.shape))
            apart = [top, mx.term(-1, [], x)] if name == "argmax" else [x, mx.term(-1, [], top)]
            return mx.add([mx.ones(x.shape), mx.term(-1, [], words.apply("sign", mx.add(apart, x.shape)))], x.shape)
        if name in WORDS or name not in ARRAY_KERNELS:
            return mx.call(name, arguments, shape)
        raise NoMatrixForm(f"{name} has no word")

    def _merged_axes(self, node: Node) -> Term:
        """`vec` and sums of `kron`, by name."""
        core = kron_core(node)
        if core is None:
            if node.rank != 1:
                raise NoMatrixForm("merged axes")
            return mx.call("vec", [mx.transpose(self._whole(node.operands[0]))], (node.shape[0], mx.NONE))
        i, p, j, q = (Idx(s) for s in core.shape)
        shape = (node.shape[1], node.shape[0])
        products = self.products(("r", core, (i, p, j, q)))
        return mx.transpose(mx.add([self._kron(*each, (i, j), (p, q), shape) for each in products], shape))

    def _kron(self, coefficient: Fraction, bound: list[Idx], factors: list[tuple[eq.Expr, Any]], left: Frame, right: Frame, shape: Any) -> Term:
        """coefficient * kron(A, B), where the factors fall apart into those on the rows and columns of A and those on B's."""
        reached: set[eq.Index] = set(left)
        mine: list[tuple[eq.Expr, Any]] = []
        waiting = list(factors)
        while found := [f for f in waiting if reached & set(eq.free(f[0]))]:
            mine += found
            waiting = [f for f in waiting if f not in found]
            reached |= {x for f in found for x in eq.free(f[0])}
        if reached & set(right):
            raise NoMatrixForm("a product that is no Kronecker product")
        a = self.eliminate(coefficient, [b for b in bound if b in reached], mine, left)
        b = self.eliminate(Fraction(1), [b for b in bound if b not in reached], waiting, right)
        scalars = [x for m in (a, b) if m.kind == "term" for x in ((mx.number(m.args[0]), 1), *m.args[1])]
        return mx.term(1, scalars, mx.call("kron", [m.args[2] if m.kind == "term" else m for m in (a, b)], shape))

    def body(self, e: eq.Expr, F: Frame) -> Term:
        """The term of a function, a power, a sum or a product."""
        tag = e[0]
        if tag == "f":
            if len(e[2]) != 1 and F:
                raise NoMatrixForm(f"{e[1]} of several families")
            args = [self.matrix(a, F) if set(self.free(a)) == set(F) else self._spread_to(a, F) for a in e[2]]
            return words.apply(e[1], args[0]) if len(args) == 1 else mx.call(e[1], args, mx.SCALAR)
        if tag == "^":
            return self._power_term(e, F)
        if tag == "s":
            return mx.size_leaf(e[1])
        if tag == "k":
            return mx.number(PI)
        if tag == "+":
            return self.added(self.products(e), F)
        return self._sum(e, F)

    def _spread_to(self, e: eq.Expr, F: Frame) -> Term:
        """A term that lacks some axes, repeated along them."""
        return self.eliminate(Fraction(1), [], [(e, Fraction(1))], F)

    def _power_term(self, e: eq.Expr, F: Frame) -> Term:
        x = self.constant(e[2])
        if not F:
            base = self.matrix(e[1], ())
            return mx.scalar_power(base, x if x is not None else self.matrix(e[2], ()))
        if x is None:
            exponent = self.matrix(e[2], tuple(i for i in F if i in self.free(e[2])))
            return Term("epow", (self._spread_to(e[1], F), exponent), frame_shape(F))
        base = self._spread_to(e[1], F) if set(self.free(e[1])) != set(F) else self.matrix(e[1], F)
        return self.powered(base, x)

    @staticmethod
    def powered(base: Term, e: Any) -> Term:
        """base^e, entry by entry."""
        if base.shape == mx.SCALAR:
            return mx.scalar_power(base, e)
        parts = base.args if base.kind == "emul" else (base.args,) if base.kind == "epow" else ()
        known = bool(parts) and all("positive" in mx.facts_of(b) and not isinstance(x, Term) for b, x in parts)
        return mx.elementwise([(b, x * e) for b, x in parts] if known else [(base, e)]) if known or e == int(e) else Term("epow", (base, e), base.shape)

    # ------------------------------------------------------------------ one product
    def eliminate(self, coefficient: Fraction, bound: list[Idx], factors: list[tuple[eq.Expr, Any]], F: Frame) -> Term:
        """The product with all bound indices eliminated. Raises NoMatrixForm."""
        state = self._factors(bound, factors)
        state.run(F, rest=False)
        return mx.term(coefficient, state.scalars, state.assembled(F))

    def _factors(self, bound: list[Idx], factors: list[tuple[eq.Expr, Any]]) -> Factors:
        """The factors as terms with their indices."""
        parts: list[tuple[Term, tuple[Idx, ...]]] = []
        deltas: list[tuple[Idx, Idx]] = []
        for f, e in factors:
            if f[0] == "d":
                if eq.is_affine(f[1]) or eq.is_affine(f[2]):
                    raise NoMatrixForm("an affine delta")
                if f[1] in bound or f[2] in bound:
                    raise NoMatrixForm("a delta inside a sum")
                deltas.append((f[1], f[2]))
                continue
            ix: Any = self.free(f)
            if len(ix) > 2:
                raise NoMatrixForm(f"a factor with {len(ix)} axes")
            parts.append((self.powered(self.atom(f, ix), e) if e != 1 else self.atom(f, ix), ix))
        return Factors(bound, parts, deltas)

    def pieces(self, e: eq.Expr, F: Frame) -> list[Pieces]:
        """The summands of a result with any number of axes; an index that is stuck stays in its factors and is summed."""
        found: list[Pieces] = []
        for c, bound, factors in self.products(e):
            state = self._factors(bound, factors)
            state.run(F, rest=True)
            parts: list[tuple[Term, tuple[Idx, ...]]] = []
            scalars = list(state.scalars)
            for m, ix in [(m, (a, b)) for m, a, b in state.matrices] + [(mx.elementwise(vs), (a,)) for a, vs in state.vectors.items() if vs]:
                if m.kind == "term":
                    c *= m.args[0]
                    scalars += m.args[1]
                    m = m.args[2]
                if m.kind != "ones":
                    parts.append((m.args[0], ix[::-1]) if m.kind == "t" else (m, ix))
            head = mx.term(c, scalars, mx.ONE)
            if mx.is_zero(head):
                continue
            c, powers = (head.args[0], list(head.args[1])) if head.kind == "term" else (head.args[0], []) if head.kind == "num" else (Fraction(1), [(head, 1)])
            found.append((c, powers, parts, state.deltas))
        return found
