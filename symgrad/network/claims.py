"""A claim of a derivation and the graph it is about come in; the nodes of its two sides go out, with equal axes in front."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.core.graph import Graph
from symgrad.core.node import Node
from symgrad.core.shape import Shape
from symgrad.network.build import located
from symgrad.network.free_sums import summed
from symgrad.network.statements import Lines
from symgrad.network.tables import Tables
from symgrad.network.values import Axes
from symgrad.notation.screen import Fault
from symgrad.notation.statements import Claim
from symgrad.notation.syntax import Index, Name

__all__ = ["ClaimSides", "claim_sides"]


@dataclass(frozen=True, slots=True)
class ClaimSides:
    """The two sides of a claim. `target` is None for a plain name or a `D[...]`, whose truth is elsewhere; `lying`: the value is a row."""

    name: str
    indices: tuple[str, ...]
    target: Node | None
    value: Node
    lying: bool


def claim_sides(graph: Graph, claim: Claim, text: str = "", shape: Shape = ()) -> ClaimSides:
    """Both sides as nodes; axes of plain indices of the target come first, in their order. Raises NotationError.

    `text` is what the claim was parsed from, for the error; `shape` are the sizes of the indices of a `D[...]`, where they are known.
    """
    return located(text, "", lambda: _sides(graph, claim, shape))


def _sides(graph: Graph, claim: Claim, shape: Shape) -> ClaimSides:
    tables = Tables.of(graph)
    lines = Lines(tables)
    target = claim.target
    indices = target.indices if isinstance(target, Index) else ()
    names = tuple(dict.fromkeys(i.name for i in indices if i.name is not None))
    inner = target.operand if isinstance(target, Index) else target
    axes = Axes(claim.place)
    letters: dict[str, str | int] = {n: axes.fresh(tables.ranges.get(n), n) for n in names}
    plain = isinstance(inner, Name)
    left = None if plain else lines.read(target, letters, claim.place, axes)
    value = claim.value
    if isinstance(inner, Name) and inner.name == "D" and indices:
        if len(names) != len(indices):
            raise Fault("the indices of a quantity D[...] are plain names, each once", target.place)
        if shape and len(shape) != len(names):
            raise Fault(f"D has {len(shape)} axes here, and {len(names)} indices stand on the left", target.place)
        for n, size in zip(names, shape, strict=False):
            letters[n] = axes.fresh(size, n)
        value = summed(value, names, lambda n: n in tables.ranges or not (n in tables.size_names or n in tables.constants))
    right = lines.read(value, letters, claim.place, axes)
    return ClaimSides(inner.name if isinstance(inner, Name) else "", names, left.node if left else None, right.node, right.value.lying)
