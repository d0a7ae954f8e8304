"""A block and a number of layers come in; the layers one after the other, with one array for each parameter of the family, go out."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symgrad.core.graph import Family, Graph
from symgrad.core.node import Node, leaf
from symgrad.core.shape import Size, shape_text
from symgrad.errors import InputError, ShapeError
from symgrad.layers.parts import whole_number
from symgrad.layers.recurrent import Recurrence
from symgrad.ops.constants import as_node
from symgrad.ops.indexing import component
from symgrad.ops.shaping import stacked

__all__ = ["Repeated", "named_steps", "repeat"]


@dataclass(frozen=True, eq=False)
class Repeated:
    """The values of a family of layers: `steps[0]` is what goes in, `steps[k]` the value of layer k; `states` is the stack of layers 1, 2, ...

    In `sg.graph(h=...)` it is the family h[k], so that its gradients are said once for every layer.
    """

    states: Node
    steps: tuple[Node, ...]
    params: Mapping[str, Node]
    index: str

    @property
    def last(self) -> Node:
        """The value of the last layer."""
        return self.steps[-1]


def repeat(block: Callable[..., object], count: int, start: object, *, index: str = "k", **shapes: Sequence[Size]) -> Repeated:
    """`block(h, W=..., b=...)` applied `count` times, with parameters of its own each time.

    block: gets the value of the layer below and the layer's parameters by name, returns the layer's value, of the same shape.
    start: what goes into the first layer. shapes: the parameters of one layer, W=("K", "K"); the family's array has the layers in front.
    index: the letter of the layers in formulas. Raises InputError, ShapeError for a block whose value has another shape than its input.
    """
    layers = whole_number(count, "the number of layers")
    if not index.isidentifier():
        raise InputError(f"{index!r} is no name for an index")
    params = {name: leaf(name, (layers, *shape), "param") for name, shape in shapes.items()}
    steps = [as_node(start)]
    for k in range(layers):
        made = as_node(block(steps[-1], **{name: component(p, 0, k) for name, p in params.items()}))
        if made.shape != steps[0].shape:
            raise ShapeError(f"the block returns {shape_text(made.shape)} for an input of {shape_text(steps[0].shape)}: a layer that is repeated "
                             "keeps the shape of its input; put layers that change it in front or behind")
        steps.append(made)
    return Repeated(stacked(steps[1:], 0), tuple(steps), params, index)


def named_steps(name: str, value: Repeated | Recurrence) -> Graph:
    """The family `name` with its steps `name_1`, `name_2`, ... as a graph's names, families and ranges."""
    if isinstance(value, Repeated):
        known = {**value.params, name: value.states}
        return Graph({**known, **_steps(name, value.steps, 0)}, value.last, dict.fromkeys(known, Family((value.index,))), {value.index: len(value.steps) - 1})
    names: dict[str, Node] = {}
    families: dict[str, Family] = {}
    for part, steps in {"": value.steps, **value.inside}.items():
        whole = f"{name}_{part}" if part else name
        before = [value.before[part]] if part in value.before else []
        own = {whole: stacked(steps, 1), **_steps(whole, [*before, *steps], 1 - len(before))}
        families |= {n: Family(("n", "t") if n == whole else ("n",)) for n in own}
        names |= own
    return Graph(names, value.last, families, {"n": value.states.shape[0], "t": len(value.steps)})


def _steps(name: str, steps: Sequence[Node], first: int) -> dict[str, Node]:
    return {f"{name}_{k}": n for k, n in enumerate(steps, first)}
