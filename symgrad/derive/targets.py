"""What a derivative is asked of and by comes in, names or nodes; the nodes with their names go out, or an error that says what there is."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.graph import Graph
from symgrad.core.node import Node, topological, variable
from symgrad.core.shape import Shape
from symgrad.errors import InputError

__all__ = ["Layout", "Wrt", "checked", "name_of", "only_one", "reason_for_zero", "symbol", "wanted"]

Wrt = str | Node | Sequence[str | Node] | None
Layout = str | None


def wanted(graph: Graph, wrt: Wrt) -> dict[str, Node]:
    """The nodes asked for, by name. Raises InputError."""
    if wrt is None:
        names = graph.params or list(graph.variables())
        if not names:
            raise InputError("there is nothing to differentiate by: the graph has no variable")
        return {n: graph[n] for n in names}
    many = [wrt] if isinstance(wrt, str | Node) else list(wrt)
    if not many:
        raise InputError("wrt is empty: name at least one variable")
    return {w if isinstance(w, str) else graph.name_of(w) or w.name or f"node{k + 1}": graph.resolve(w) for k, w in enumerate(many)}


def only_one(targets: dict[str, Node]) -> dict[str, Node]:
    """The targets, if there is just one."""
    if len(targets) != 1:
        raise InputError(f"say which variable: {', '.join(targets)}")
    return targets


def name_of(graph: Graph, node: Node, of: str | Node | None) -> str:
    """What the output is called."""
    return of if isinstance(of, str) else graph.name_of(node) or "f"


def checked(layout: Layout) -> Layout:
    """The layout, if it is one."""
    if layout not in (None, "numerator", "denominator"):
        raise InputError(f"layout is None, 'numerator' or 'denominator', not {layout!r}")
    return layout


def symbol(name: str, shape: Shape, graph: Graph) -> Node:
    """A tangent or cotangent variable; its name must be free."""
    if name in graph:
        raise InputError(f"{name} is needed for a direction but is a name of the graph already")
    return variable(name, shape, "symbol")


def reason_for_zero(output: Node, node: Node) -> str:
    """Why a derivative is identically zero."""
    return "it depends on it only through slopes that are zero" if node in set(topological([output])) else "it does not depend on it"
