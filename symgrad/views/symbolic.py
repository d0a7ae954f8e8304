"""Notation comes in, as text or syntax trees, with the shapes of its names; sympy objects go out, for going on in sympy.

Arrays of up to two axes become matrix expressions, vectors being columns. A name that only ever stands with all its indices becomes an
`IndexedBase`; sympy counts indices from 0, so a sum over n runs from 0 to N - 1.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from sympy import Expr, KroneckerDelta, Lambda, MatrixSymbol

from symgrad.core.graph import UnknownFunction
from symgrad.core.shape import Shape, Size, size_expression
from symgrad.core.symbols import base, index_symbol
from symgrad.errors import InputError, ShapeError, UnsupportedError, nearest
from symgrad.notation.parse import parse
from symgrad.notation.statements import Definition, Family, Output, Statement
from symgrad.notation.syntax import (
    Affine,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Name,
    Negate,
    Number,
    Over,
    Partial,
    Transpose,
    operands,
    walk,
)
from symgrad.notation.words import CLAIM_FUNCTIONS, ELEMENTWISE
from symgrad.views import sympy_arrays as arrays
from symgrad.views.free_indices import free_indices, index_names, with_free_sums
from symgrad.views.sympy_arrays import Array, from_matrix, from_scalar

__all__ = ["to_sympy", "to_sympy_text"]

_Indices = Mapping[str, Expr]
Functions = Mapping[str, UnknownFunction] | Collection[str]


def to_sympy(tree: Expression | Definition, shapes: Mapping[str, Shape], functions: Functions = (), *,
             ranges: Mapping[str, Size] | None = None) -> sp.Basic:
    """The sympy object of an expression: a `MatrixExpr`, or an `Expr` for a scalar.

    Args:
        tree: an expression, or a definition such as a `D[i, j] = ...` line: then the value in the index symbols of its left side.
        shapes: the shape of every name, whole arrays with their family axes first; () for scalars.
        functions: the unknown functions; given by name alone, one of a single argument acts entry by entry.
        ranges: sizes of indices that stand alone on no axis.

    Raises:
        UnsupportedError: something that sympy has no word for; the message names it.
        ShapeError: shapes that do not fit.
        InputError: a name without a shape.

    >>> from symgrad.notation.parse import parse_expression
    >>> to_sympy(parse_expression("X' * (X*w - y)"), {"X": ("N", "D"), "w": ("D",), "y": ("N",)})
    X.T*(X*w - y)
    """
    return _converted([tree], shapes, functions, ranges)


def to_sympy_text(text: str, shapes: Mapping[str, Shape], functions: Functions = (), *,
                  ranges: Mapping[str, Size] | None = None) -> sp.Basic:
    """The sympy object of notation text; `name = ...` lines before the last are put in where their names stand.

    Arguments and errors as for `to_sympy`; NotationError where the text does not parse.
    """
    return _converted(parse(text, limits=None, functions=tuple(functions)).statements, shapes, functions, ranges)


def _converted(lines: Sequence[Statement | Expression], shapes: Mapping[str, Shape], functions: Functions,
               ranges: Mapping[str, Size] | None) -> sp.Basic:
    trees: list[Expression] = []
    definitions: dict[str, Definition] = {}
    try:
        ranges = {**(ranges or {}), **{line.name: line.last for line in lines if isinstance(line, Family)}}
        for line in (line for line in lines if not isinstance(line, Family)):
            if not isinstance(line, Definition | Output | Expression):
                kind = type(line).__name__.lower()
                raise UnsupportedError(f"a line of kind {kind} has no sympy form: give expressions and `name = ...` lines")
            if isinstance(line, Definition):
                trees.append(with_free_sums(line))
                definitions[line.name] = line
            else:
                trees.append(line.value if isinstance(line, Output) else line)
        if isinstance(lines[-1], Definition):
            del definitions[lines[-1].name]
        reserved = frozenset(name for tree in trees for name in index_names(tree))
        reader = _Reader(shapes, functions, ranges, definitions, _whole_names(trees), reserved)
        return reader.value(trees[-1], {name: index_symbol(name) for name in free_indices(trees[-1])}).expr
    except RecursionError:
        raise UnsupportedError("the expression is nested too deeply for sympy: name a part on a line of its own") from None
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:   # sympy's own words for what it cannot hold
        raise UnsupportedError(f"sympy has no form for this: {error}") from None


def _whole_names(trees: Sequence[Expression]) -> frozenset[str]:
    """The names that stand somewhere without an index."""
    indexed = {id(e.operand) for tree in trees for e in walk(tree) if isinstance(e, Index)}
    return frozenset(e.name for tree in trees for e in walk(tree) if isinstance(e, Name) and id(e) not in indexed)


@dataclass
class _Reader:
    """Reads expressions; an environment gives the meaning of index names, counted from 0."""

    shapes: Mapping[str, Shape]
    functions: Functions
    ranges: Mapping[str, Size]
    definitions: Mapping[str, Definition]
    whole: frozenset[str]
    reserved: frozenset[str]
    fresh: int = 0
    built: dict[tuple[str, tuple[Expr, ...]], Array] = field(default_factory=dict)

    def value(self, e: Expression, env: _Indices) -> Array:
        """What an expression is worth."""
        spine: list[Binary] = []
        while isinstance(e, Binary):
            spine.append(e)
            e = e.left
        result = self._operand(e, env)
        for node in reversed(spine):
            result = _BINARY[node.operator](result, self.value(node.right, env))
        return result

    def _operand(self, e: Expression, env: _Indices) -> Array:
        match e:
            case Number():
                return from_scalar(sp.Rational(e.value.numerator, e.value.denominator))
            case Name():
                return self._name(e.name)
            case Transpose():
                return arrays.transpose(self.value(e.operand, env))
            case Negate():
                return _minus(self.value(e.operand, env))
            case Call():
                return self._call(e, [self.value(a, env) for a in e.arguments] if e.function not in CLAIM_FUNCTIONS else [])
            case Derivative():
                positions = (len(e.arguments),) * e.order
                return self._derivative(e.function, positions, [self.value(a, env) for a in e.arguments])
            case Partial():
                return self._derivative(e.function, e.positions, [self.value(a, env) for a in e.arguments])
            case Index():
                return self._index(e, env)
            case Over():
                return self._over(e, env)
            case Delta():
                return from_scalar(KroneckerDelta(self._position(e.left, env), self._position(e.right, env)))
        raise UnsupportedError(f"{type(e).__name__} has no counterpart in sympy")

    # ------------------------------------------------------------------ names and their components
    def _name(self, name: str) -> Array:
        if name in self.definitions or (name in self.shapes and len(self.shapes[name]) > 0):
            return self._part(name, ())
        if name in self.shapes:
            return from_scalar(base(name, 0))
        sizes = {str(s) for shape in (*self.shapes.values(), tuple(self.ranges.values())) for size in shape
                 for s in size_expression(size).free_symbols}
        if name in sizes:
            return from_scalar(size_expression(name))
        raise InputError(f"the shape of {name} is not known{nearest(name, [*self.shapes, *sizes])}: give it among the shapes")

    def _part(self, name: str, index: tuple[Expr, ...]) -> Array:
        """A name at its first indices: a number, or the array that is left."""
        if (name, index) not in self.built:
            definition = self.definitions.get(name)
            self.built[name, index] = self._declared(name, index) if definition is None else self._defined(definition, index)
        return self.built[name, index]

    def _declared(self, name: str, index: tuple[Expr, ...]) -> Array:
        if name not in self.shapes:
            raise InputError(f"the shape of {name} is not known{nearest(name, self.shapes)}: give it among the shapes")
        sizes = tuple(map(size_expression, self.shapes[name]))
        left = sizes[len(index):]
        if len(index) > len(sizes):
            raise ShapeError(f"{len(index)} indices on {name}, which has {len(sizes)}")
        if len(left) > 2 or (name in self.whole and len(sizes) > 2):
            raise _too_many_axes(name, len(sizes))
        if name in self.whole:
            symbol = from_matrix(MatrixSymbol(name, *(*sizes, sp.Integer(1))[:2]))
            if not index:
                return symbol
            return self._filled(left, lambda i: arrays.component(symbol, (*index, *i)).expr)
        return self._filled(left, lambda i: base(name, len(sizes))[(*index, *i)])

    def _defined(self, definition: Definition, index: tuple[Expr, ...]) -> Array:
        names = [i.name for i in definition.indices]
        if None in names:
            raise UnsupportedError(f"the recurrence {definition.name} has no sympy form: give its lines one at a time")
        avoided = {name: index_symbol(name) for name in self.reserved}
        if len(index) >= len(names):
            env = {**avoided, **dict(zip(map(str, names), index, strict=False))}
            value = self.value(definition.value, env)
            rest = index[len(names):]
            return arrays.component(value, rest) if rest else value
        left = names[len(index):]
        if len(left) > 2:
            raise _too_many_axes(definition.name, len(names))
        sizes = [self._range(str(name), definition.value, avoided) for name in left]
        return self._filled(sizes, lambda i: self._part(definition.name, (*index, *i)).expr)

    def _filled(self, sizes: Sequence[Expr], entry: Callable[[tuple[Expr, ...]], Expr]) -> Array:
        """The array with these entries; a number where no sizes are left."""
        if not sizes:
            return from_scalar(entry(()))
        i, j = self._fresh("i"), self._fresh("j")
        if len(sizes) == 1:
            return from_matrix(sp.FunctionMatrix(sizes[0], 1, Lambda((i, j), entry((i,)))))
        return from_matrix(sp.FunctionMatrix(sizes[0], sizes[1], Lambda((i, j), entry((i, j)))))

    def _fresh(self, letter: str) -> sp.Symbol:
        """An index symbol that stands nowhere else: sympy replaces bound indices blindly."""
        while True:
            self.fresh += 1
            if (name := f"{letter}_{self.fresh}") not in self.reserved:
                return index_symbol(name)

    # ------------------------------------------------------------------ indices
    def _position(self, index: Affine, env: _Indices) -> Expr:
        """An index counted from 0."""
        position = sp.Integer(index.constant - 1)
        for term in index.terms:
            product = sp.Integer(term.coefficient)
            for name in term.names:
                known = env.get(name)
                product *= size_expression(name) if known is None else known + 1
            position += product
        return sp.expand(position)

    def _index(self, e: Index, env: _Indices) -> Array:
        index = tuple(self._position(i, env) for i in e.indices)
        if isinstance(e.operand, Name):
            return self._part(e.operand.name, index)
        return arrays.component(self.value(e.operand, env), index)

    def _over(self, e: Over, env: _Indices) -> Array:
        taken = {s.name for value in env.values() for s in value.free_symbols}
        bound = {n: self._fresh(n) if n in taken or n in env else index_symbol(n) for n in e.indices}
        inside = {**env, **bound}
        limits = [(symbol, 0, self._range(name, e.operand, inside) - 1) for name, symbol in bound.items()]
        count = sp.Mul(*(last + 1 for _, _, last in limits))
        reduce = {
            "sum": lambda x: sp.Sum(x, *limits), "prod": lambda x: sp.Product(x, *limits), "mean": lambda x: sp.Sum(x, *limits) / count,
            "var": lambda x: sp.Sum(x**2, *limits) / count - (sp.Sum(x, *limits) / count)**2,
        }.get(e.reducer)
        if reduce is None:
            raise UnsupportedError(f"{e.reducer}[{', '.join(e.indices)}](...) has no counterpart in sympy")
        body = self.value(e.operand, inside)
        if body.is_scalar:
            return from_scalar(reduce(body.expr))
        return self._filled(body.shape, lambda i: reduce(body.expr[(*i, sp.Integer(0))[:2]]))

    def _range(self, name: str, e: Expression, env: _Indices) -> Expr:
        """The size of an index: of an axis on which it stands alone."""
        waiting = [e]
        while waiting:
            e = waiting.pop()
            if isinstance(e, Over) and name in e.indices:
                continue
            if isinstance(e, Index) and name in (names := [i.name for i in e.indices]):
                return self._axis(e.operand, names.index(name), env)
            waiting += reversed(operands(e))
        if name in self.ranges:
            return size_expression(self.ranges[name])
        raise UnsupportedError(f"the range of the index {name} follows from nothing: give it among the ranges")

    def _axis(self, e: Expression, axis: int, env: _Indices) -> Expr:
        """The size of an axis as indices see it: a vector, row or column, has one."""
        if isinstance(e, Name) and e.name in self.shapes and e.name not in self.definitions:
            sizes = tuple(map(size_expression, self.shapes[e.name]))
        elif isinstance(e, Name) and e.name in self.definitions and axis < len(self.definitions[e.name].indices):
            definition = self.definitions[e.name]
            return self._range(definition.indices[axis].name or "", definition.value, env)
        else:
            sizes = self.value(e, env).shape
            sizes = tuple(s for s in sizes if s != 1) or sizes
        if axis < len(sizes):
            return sizes[axis]
        raise ShapeError(f"there is no axis {axis + 1} to index")

    # ------------------------------------------------------------------ functions
    def _call(self, e: Call, arguments: Sequence[Array]) -> Array:
        if e.function in CLAIM_FUNCTIONS:
            raise UnsupportedError(f"{e.function}(...) names a derivative and has no sympy form: take the matrix or the index view")
        if e.function in self.functions:
            return self._unknown(e.function, (), arguments)
        if not e.keywords and len(arguments) == 1 and e.function in ELEMENTWISE:
            return arrays.apply(arrays.known_function(e.function), arguments[0])
        made = arrays.CALLS.get((e.function, len(arguments)))
        if made is None or e.keywords:
            raise UnsupportedError(f"{e.function} of {len(arguments)} arguments has no counterpart in sympy")
        return made(*arguments)

    def _derivative(self, function: str, positions: tuple[int, ...], arguments: Sequence[Array]) -> Array:
        if function in self.functions:
            return self._unknown(function, positions, arguments)
        if function not in ELEMENTWISE or len(arguments) != 1:
            raise UnsupportedError(f"the derivative of {function} has no counterpart in sympy")
        return arrays.apply(arrays.known_function(function, len(positions)), arguments[0])

    def _unknown(self, name: str, positions: tuple[int, ...], arguments: Sequence[Array]) -> Array:
        function = sp.Function(name, real=True)
        declared = self.functions[name] if isinstance(self.functions, Mapping) else None
        if declared.elementwise if declared else len(arguments) == 1:
            return arrays.apply(lambda z: _derived(function, (z,), positions), arguments[0])
        if positions and not all(a.is_scalar for a in arguments):
            raise UnsupportedError(f"the derivative of {name} by an array has no counterpart in sympy")
        return from_scalar(_derived(function, tuple(a.expr for a in arguments), positions))


def _too_many_axes(name: str, axes: int) -> UnsupportedError:
    return UnsupportedError(f"{name} has {axes} axes, which no matrix of sympy has: take the index view")


def _derived(function: Callable[..., Expr], arguments: tuple[Expr, ...], positions: tuple[int, ...]) -> Expr:
    if not positions:
        return function(*arguments)
    plain = all(isinstance(a, sp.Symbol | sp.Indexed) for a in arguments) and len(set(arguments)) == len(arguments)
    slots = arguments if plain else tuple(base(f"u{k}_", 0) for k in range(1, len(arguments) + 1))
    derived = sp.Derivative(function(*slots), *(slots[p - 1] for p in positions))
    return derived if plain else sp.Subs(derived, slots, arguments)


def _minus(a: Array) -> Array:
    return arrays.multiply(from_scalar(sp.Integer(-1)), a)


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "+": arrays.add, "-": lambda a, b: arrays.add(a, _minus(b)), "*": arrays.multiply, "/": arrays.divide, ".*": arrays.elementwise,
    "./": arrays.divide, "^": arrays.power, ".^": arrays.elementwise_power,
}
