"""A derivation as text, or as a list of names, quantities and claims, comes in; its lines as nodes over the forward values go out."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from symgrad.core.graph import Family, Graph
from symgrad.core.node import Node, variable
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError, MisfitError, NotationError
from symgrad.network.claims import ClaimSides, claim_sides
from symgrad.network.wording import shown
from symgrad.notation.parse import parse, parse_claims
from symgrad.notation.statements import Claim
from symgrad.notation.syntax import Call, Expression, Index, Name, Place, operands, rebuilt
from symgrad.ops.arithmetic import filled

__all__ = ["Given", "Line", "Student", "read_lines"]

Student = str | Callable[..., object]
"""A claim: notation text, or a NumPy function."""
Given = str | Sequence[tuple[str, object, Student]] | None
"""A derivation: a text of claims, or a list of (name, quantity or None, claim); None: the claims in the network's own text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `truth` is None for the student's own intermediate; of `value` and `function` at most one is there, `fault` says why none.

    leaf: what later lines see of this one, a variable, or the value itself of an intermediate. place: where in the leaf the line stands, for a
    line about one step; whole: the true value of the leaf. output, by: what is differentiated by what. lying: a row was written for a column.
    tree, reread: the right side as it was read, and what makes a node of another one in its place.
    """

    name: str
    shown: str
    left: str
    truth: Node | None
    leaf: Node | None = None
    value: Node | None = None
    function: Callable[..., object] | None = None
    fault: str = ""
    lying: bool = False
    jac: bool = False
    output: Node | None = None
    by: Node | None = None
    indices: tuple[str, ...] = ()
    place: tuple[int | None, ...] = ()
    whole: Node | None = None
    tree: Expression | None = None
    reread: Callable[[Expression], ClaimSides] | None = None
    known: Graph | None = None                             # the names that `tree` is written in
    standing: bool = False                                 # a column was written for the row of a scalar's Jacobian


def read_lines(graph: Graph, claims: Given, of: str | Node | None = None) -> list[Line]:
    """The lines in order. Raises NotationError for what is no text of claims, InputError for what is no list of them."""
    output = graph.output if of is None else graph.resolve(of)
    reader = _Reader(graph, output)
    functions = (*graph.functions, *graph.ops)
    if claims is None:
        found = parse(graph.text, limits=None, functions=functions).claims if graph.text else ()
        if not found:
            raise InputError("the network's text has no claims: give them, one a line, such as grad(loss, v) = ...")
        return [reader.text_line(c, graph.text) for c in found]
    if isinstance(claims, str):
        return [reader.text_line(c, claims) for c in parse_claims(claims, functions=functions)]
    lines = []
    for item in claims:
        if not isinstance(item, tuple | list) or len(item) != 3 or not isinstance(item[0], str):
            raise InputError(f"a step is (name, quantity or None, claim), not {item!r}")
        lines.append(reader.listed(*item))
    return lines


class _Reader:
    """Reads the lines in order; knows what earlier lines have named."""

    def __init__(self, graph: Graph, output: Node) -> None:
        self.graph, self.known, self.output = graph, graph, output
        self.leaves: dict[Expression, str] = {}            # grad(loss, h) -> the name that later lines read it by

    # ------------------------------------------------------------------ lines
    def text_line(self, claim: Claim, text: str) -> Line:
        """A line of text."""
        place = claim.place
        source = " ".join(text.splitlines()[place.line - 1].partition("#")[0].split()) if text else ""
        target = _gathered(claim.target)
        inner = target.operand if isinstance(target, Index) else target
        assert isinstance(target, Name | Index | Call)
        if isinstance(inner, Name):
            return self._intermediate(replace(claim, target=target), inner, text, source)
        assert isinstance(inner, Call)
        return self.claimed(replace(claim, target=target), inner, text, source, shown(inner))

    def _intermediate(self, claim: Claim, name: Name, text: str, source: str) -> Line:
        if name.name in self.graph.words:
            raise NotationError(f"{name.name} is a name of the network already: call this intermediate something else", source=text,
                                line=claim.place.line, column=claim.place.column)
        try:
            sides = claim_sides(self.known, self._seen(claim), text)
        except MisfitError as error:
            return Line(name.name, source, name.name, None, fault=error.message)
        self.enter(name.name, sides.value, tuple(i for i in sides.indices if i in self.graph.ranges), sides.lying and not sides.indices)
        return Line(name.name, source, name.name, None, value=sides.value, leaf=sides.value, indices=sides.indices)

    def claimed(self, claim: Claim, call: Call, text: str, source: str, name: str) -> Line:
        """A line about grad(...) or jac(...)."""
        bare = replace(claim, target=call, value=call)
        whole = claim_sides(self.graph, bare, text)        # the whole array, for later lines
        left = claim_sides(self.graph, replace(claim, value=claim.target), text)
        assert whole.target is not None and left.target is not None
        line = Line(name, source, shown(claim.target), left.target, whole=whole.target, jac=call.function == "jac", indices=left.indices)
        line = replace(line, output=self._plain(call.arguments[0]), by=self._plain(call.arguments[1]), place=_place(claim.target, whole.target.rank))
        rows = _rows(call, self.graph)
        known, seen = self.known, self._seen(claim)
        line = replace(line, known=known, tree=seen.value, reread=lambda tree: claim_sides(known, replace(seen, value=tree), text))
        try:
            sides = claim_sides(known, seen, text)
            line = replace(line, value=sides.value, lying=sides.lying and not rows and not line.jac)
            row = line.jac and left.target.rank == 2 and left.target.shape[0] == 1
            line = replace(line, standing=row and sides.value.shape == left.target.shape[1:] != (1,) and not sides.lying)
        except MisfitError as error:
            line = replace(line, fault=error.message)
        if line.jac and whole.target.rank > 2:
            return line                                    # no name has the two groups of axes: later lines see the truth
        told = self.leaves.get(call)
        leaf = self.known.names[told] if told is not None else variable(name, whole.target.shape, "symbol")
        by = call.arguments[1]
        family = self.graph.families[by.name].index if isinstance(by, Name) and by.name in self.graph.families and not line.jac else ()
        self.enter(name, leaf, family, rows)
        self.leaves[call] = name
        return replace(line, leaf=leaf)

    def listed(self, name: str, quantity: object, claim: Student) -> Line:
        """An element of a list."""
        if not name.isidentifier():
            raise InputError(f"{name!r} is no name for a step: letters, digits and _")
        if not isinstance(claim, str) and not callable(claim):
            raise InputError(f"the claim of {name} is text or a function, not {claim!r}")
        place = Place(1, 1, 2)
        if isinstance(claim, str) and "=" not in claim.replace("==", ""):
            claim = f"{name} = {claim}" if quantity is None else f"D = {claim}"
        if quantity is None:
            if isinstance(claim, str):
                (parsed,) = parse_claims(claim, functions=(*self.graph.functions, *self.graph.ops))
                return replace(self.text_line(parsed, claim), name=name)
            return Line(name, "", name, None, function=claim)
        call, truth, by = self._asked(quantity, place)
        left = shown(call) if call is not None else name
        line = Line(name, "", left, truth, jac=call is not None and call.function == "jac", output=self.output, by=by)
        leaf = variable(name, truth.shape, "symbol")
        line = replace(line, function=claim, leaf=leaf) if callable(claim) else self._read_value(replace(line, leaf=leaf), claim, truth, by)
        family = next((f.index for n, f in self.graph.families.items() if self.graph.names[n] is by), ()) if not line.jac else ()
        if name not in self.graph.words:
            self.enter(name, leaf, family, False)
        if call is not None and not (line.jac and truth.rank > 2):
            self.leaves[call] = name
        return line

    def _read_value(self, line: Line, text: str, truth: Node, by: Node) -> Line:
        (claim,) = parse_claims(text, functions=(*self.graph.functions, *self.graph.ops))
        target = _gathered(claim.target)
        inner = target.operand if isinstance(target, Index) else target
        line = replace(line, shown=f"{line.left}{text.strip()[1:]}" if isinstance(inner, Name) and inner.name == "D" else text.strip())
        if isinstance(target, Index):                      # grad(loss, W)[i, j] = ..., D[i, j] = ..., dW[i, j] = ...
            claim = replace(claim, target=replace(target, operand=Name("D", target.place)))
        elif isinstance(inner, Call | Name):
            claim = replace(claim, target=Name("S", claim.place))
        known, seen = self.known, self._seen(claim)
        shape = truth.shape[: len(target.indices)] if isinstance(target, Index) else ()
        line = replace(line, known=known, tree=seen.value, reread=lambda tree: claim_sides(known, replace(seen, value=tree), text, shape))
        try:
            sides = claim_sides(known, seen, text, shape)
        except MisfitError as error:
            return replace(line, fault=error.message)
        rows = any(self.graph.names[n] is by for n in self.graph.rows)
        return replace(line, value=sides.value, lying=sides.lying and not rows and not line.jac, indices=sides.indices)

    def _asked(self, quantity: object, place: Place) -> tuple[Call | None, Node, Node]:
        """What is claimed about: a name, a node, or text such as jac(h, z). Raises InputError."""
        if isinstance(quantity, str) and "(" in quantity:
            (claim,) = parse_claims(f"{quantity} = 0", functions=(*self.graph.functions, *self.graph.ops))
            if not isinstance(claim.target, Call):
                raise InputError(f"a quantity is a name, a node, grad(loss, W) or jac(h, z), not {quantity!r}")
            sides = claim_sides(self.graph, replace(claim, value=claim.target), quantity)
            assert sides.target is not None
            return claim.target, sides.target, sides.target if (by := self._plain(claim.target.arguments[1])) is None else by
        if not isinstance(quantity, str | Node):
            raise InputError(f"a quantity is a name, a node, grad(loss, W) or jac(h, z), not {quantity!r}")
        node = self.graph.resolve(quantity)
        found = reverse(self.output, [node]).results[node]
        truth = found if found is not None else filled("zeros", self.output.shape + node.shape)
        outer, inner = self.graph.name_of(self.output), self.graph.name_of(node)
        if not outer or not inner:
            return None, truth, node
        word = "jac" if self.output.rank else "grad"
        return Call(word, (Name(outer, place), Name(inner, place)), (), place), truth, node

    # ------------------------------------------------------------------ what later lines see
    def enter(self, name: str, node: Node, family: tuple[str, ...], lying: bool) -> None:
        """A name that later lines may use."""
        g = self.known
        families = {**g.families, name: Family(family)} if family else {k: v for k, v in g.families.items() if k != name}
        rows = g.rows | {name} if lying else g.rows - {name}
        self.known = replace(g, names={**g.names, name: node}, families=families, rows=rows)

    def _seen(self, claim: Claim) -> Claim:
        """The claim with every derivative on the right that an earlier line is about replaced by that line's name."""
        return replace(claim, value=_exchanged(_gathered(claim.value), self.leaves))

    def _plain(self, e: Expression) -> Node | None:
        return self.graph.names.get(e.name) if isinstance(e, Name) else None


def _rows(call: Call, graph: Graph) -> bool:
    by = call.arguments[1]
    return isinstance(by, Name) and by.name in graph.rows


def _place(target: Expression, rank: int) -> tuple[int | None, ...]:
    """Where a line stands that is about numbered places: grad(loss, h)[n, 3] is (None, 2); an empty tuple for the whole array."""
    if not isinstance(target, Index) or all(i.literal is None for i in target.indices):
        return ()
    found = [None if i.literal is None else i.literal - 1 for i in target.indices]
    return (*found, *(None for _ in range(rank - len(found))))


# ---------------------------------------------------------------------- syntax
def _exchanged(e: Expression, names: Mapping[Expression, str]) -> Expression:
    if e in names and isinstance(e, Call):
        return Name(names[e], e.place)
    return rebuilt(e, [_exchanged(x, names) for x in operands(e)])


def _gathered(e: Expression) -> Expression:
    """grad(loss, h[n, t]) as grad(loss, h)[n, t]: the same value, and an index binds on the left side only outside the brackets."""
    e = rebuilt(e, [_gathered(x) for x in operands(e)])
    if isinstance(e, Call) and e.function == "grad" and len(e.arguments) == 2 and isinstance(e.arguments[1], Index):
        by = e.arguments[1]
        if isinstance(by.operand, Name):
            return Index(replace(e, arguments=(e.arguments[0], by.operand)), by.indices, e.place)
    if isinstance(e, Index) and isinstance(e.operand, Index) and isinstance(e.operand.operand, Call):
        return replace(e.operand, indices=(*e.operand.indices, *e.indices))
    return e


