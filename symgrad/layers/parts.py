"""What the builders share: leaves named after their layer, activations by word, and options that are checked before anything is built."""
from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from symgrad.core.functions import FUNCTION_NAMES
from symgrad.core.node import Node, leaf, topological
from symgrad.core.shape import Size, shape_text
from symgrad.errors import InputError, ShapeError, nearest
from symgrad.ops.arithmetic import map_function
from symgrad.ops.operators import as_node

__all__ = ["Activation", "Whole", "activated", "along", "divided", "leaves", "one_of", "ranked", "whole_number"]

Activation: TypeAlias = str | Callable[[Node], object] | None
"""A word of the notation ("relu"), a function of nodes (sg.tanh), or None for none."""
Whole: TypeAlias = int | np.integer

_ACCEPTED: weakref.WeakKeyDictionary[Node, weakref.WeakSet[Node]] = weakref.WeakKeyDictionary()
"""leaf -> inputs known not to depend on it: a leaf that is new has none below it, and what an input depends on never changes."""


def leaves(inputs: Sequence[Node], name: str, shapes: Mapping[str, Sequence[Size]], kind: str = "param", facts: str = "") -> list[Node]:
    """The leaves `name_part` of a layer, one for every part and its shape.

    Raises InputError for a name that is none, and where the inputs already depend on a leaf of that name.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"a layer is named by letters, digits and _, and begins with no digit: {name!r} is no such name")
    made = [leaf(f"{name}_{part}", shape, kind, [facts] if facts else ()) for part, shape in shapes.items()]
    if any(m in _ACCEPTED and not all(x in _ACCEPTED[m] for x in inputs) for m in made):
        below = {n.name for n in topological(inputs)}
        taken = next((m.name for m in made if m.name in below), None)
        if taken is not None:
            raise InputError(f"two layers are named {name!r}: the input of this one already depends on {taken}; give it a name of its own")
    for m in made:
        _ACCEPTED.setdefault(m, weakref.WeakSet()).update(inputs)
    return made


def activated(node: Node, activation: Activation) -> Node:
    """The activation of a node. Raises InputError for a word that is no function of numbers."""
    if activation is None:
        return node
    if isinstance(activation, str):
        if activation not in FUNCTION_NAMES:
            raise InputError(f"there is no activation {activation!r}{nearest(activation, FUNCTION_NAMES)}; known are {', '.join(sorted(FUNCTION_NAMES))}")
        return map_function(activation, node)
    if not callable(activation):
        raise InputError(f"an activation is a word such as 'relu', a function of nodes such as sg.tanh, or None, not {activation!r}")
    return as_node(activation(node))


def along(node: Node, axes: Sequence[int]) -> tuple[list[str], list[str]]:
    """(letters of a node's axes, those of the given axes)."""
    letters = [f"x{a}" for a in range(node.rank)]
    return letters, [letters[a] for a in axes]


def ranked(x: object, ranks: Collection[int], what: str) -> Node:
    """The input as a node. Raises ShapeError, saying `what` is taken, where it has another number of axes."""
    node = as_node(x)
    if node.rank not in ranks:
        raise ShapeError(f"{what}; this input is {shape_text(node.shape)}")
    return node


def whole_number(value: object, what: str, least: int = 1) -> int:
    """An option as a whole number. Raises InputError below `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{what} is a whole number from {least}, not {value!r}")
    return int(value)


def divided(channels: Size, groups: int, what: str) -> int:
    """channels/groups. Raises ShapeError where that is no whole number."""
    if not isinstance(channels, int):
        raise ShapeError(f"{what} has {channels} channels, and with groups their number must be known: give that size as a whole number")
    if channels % groups:
        raise ShapeError(f"{groups} groups do not divide the {channels} channels of {what}: take a divisor of {channels}")
    return channels // groups


def one_of(value: object, what: str, words: Sequence[str]) -> str:
    """An option that is one of some words. Raises InputError."""
    if not isinstance(value, str) or value not in words:
        raise InputError(f"{what} is {' or '.join(map(repr, words))}, not {value!r}{nearest(value, words) if isinstance(value, str) else ''}")
    return value
