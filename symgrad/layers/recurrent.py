"""Sequences (N, T, D) come in; the states of a recurrent network, written out step by step, go out."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symgrad.core.node import Node
from symgrad.core.shape import Size, shape_text
from symgrad.errors import ShapeError
from symgrad.layers.parts import Activation, activated, leaves, ranked
from symgrad.ops.arithmetic import Term, add, filled, map_function, product, subtract
from symgrad.ops.broadcasting import spread
from symgrad.ops.constants import as_node
from symgrad.ops.indexing import component
from symgrad.ops.shaping import stacked
from symgrad.ops.stacking import unstacked

__all__ = ["Recurrence", "gru", "lstm", "rnn"]

ROW, FEATURES = ("n", "h"), ("n", "d")


@dataclass(frozen=True, eq=False)
class Recurrence:
    """The steps of a recurrent layer. Invariant: `states` is the stack of `steps`, (N, T, width) of (N, width); `cells` is an LSTM's.

    `inside` has the other values of every step, gates by their letter and an LSTM's cells as "cell"; `before` the values before the first.
    """

    states: Node
    steps: tuple[Node, ...]
    cells: Node | None = None
    inside: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    before: Mapping[str, Node] = field(default_factory=dict)

    @property
    def last(self) -> Node:
        """The state after the last step, (N, width)."""
        return self.steps[-1]


def _inputs(x: object, what: str) -> tuple[Node, Sequence[Node]]:
    """(x, its steps (N, D)). The steps of a recurrent layer's states are the layer's own."""
    node = ranked(x, {3}, f"{what} takes sequences (N, T, D)")
    if not isinstance(node.shape[1], int):
        raise ShapeError(f"{what} is written out step by step, so the number of steps must be a whole number, not the size {node.shape[1]}: "
                         f'declare the input with a number, as in sg.data("x", "N", 10, "D")')
    return node, unstacked(node, 1) or [component(node, 1, t) for t in range(node.shape[1])]


def _start(x: Node, width: Size, initial: object, what: str) -> Node:
    """The state before the first step, (N, width): zeros, or given for each example or for all."""
    shape = (x.shape[0], width)
    if initial is None:
        return filled("zeros", shape)
    node = as_node(initial)
    if node.shape not in (shape, shape[1:]):
        raise ShapeError(f"the initial state of {what} is {shape_text(shape)} or {shape_text(shape[1:])}, not {shape_text(node.shape)}")
    return spread(node, shape)


def _affine(x: Node, W: Node, h: Node, U: Node, b: Node) -> Node:
    """x W + h U + b."""
    return add([(product([(x, FEATURES), (W, ("d", "h"))], ROW), ROW), _from_state(h, U), (b, ("h",))], ROW)


def _from_state(h: Node, U: Node) -> Term:
    """h U as a term."""
    return product([(h, ("n", "k")), (U, ("k", "h"))], ROW), ROW


def _times(a: Node, b: Node) -> Node:
    return product([(a, ROW), (b, ROW)], ROW)


def _updated(kept: Node, state: Node, new: Node) -> Node:
    """kept .* state + new."""
    return add([(_times(kept, state), ROW), (new, ROW)], ROW)


def _recurrence(states: Sequence[Node], letters: Sequence[str] = "", gates: Sequence[Sequence[Node]] = (), cells: Sequence[Node] = ()) -> Recurrence:
    """The layer of its states and cells, those before the first step in front, and of the gates of every step."""
    inside = {letter: tuple(g[k] for g in gates) for k, letter in enumerate(letters)}
    before = {"": states[0]}
    if cells:
        inside["cell"], before["cell"] = tuple(cells[1:]), cells[0]
    return Recurrence(stacked(states[1:], 1), tuple(states[1:]), stacked(cells[1:], 1) if cells else None, inside, before)


def _gates(x: Node, initial: Sequence[object], width: Size, name: str, gates: Sequence[str], biases: Sequence[str] = ()) -> dict[str, Node]:
    """The parameters of every gate, by `W_i`, `U_i`, `b_i`: input to gate, state to gate, bias."""
    shapes: dict[str, Sequence[Size]] = {}
    for gate in gates:
        end = f"_{gate}" if gate else ""
        shapes |= {f"W{end}": (x.shape[-1], width), f"U{end}": (width, width), f"b{end}": (width,)}
    shapes |= {b: (width,) for b in biases}
    made = leaves([x, *(s for s in initial if isinstance(s, Node))], name, shapes)
    return dict(zip(shapes, made, strict=True))


def rnn(x: Node, width: Size, name: str, *, activation: Activation = "tanh", initial: Node | None = None) -> Recurrence:
    """h_t = tanh(x_t W + h_{t-1} U + b): Elman (1990). Parameters name_W (D, width), name_U (width, width), name_b (width,).

    x (N, T, D) with T a whole number; `initial` (N, width) or (width,), zeros unless given. Raises ShapeError for a T that is a name.
    """
    what = f"rnn {name!r}"
    x, steps = _inputs(x, what)
    p = _gates(x, [initial], width, name, [""])
    states = [_start(x, width, initial, what)]
    for step in steps:
        states.append(activated(_affine(step, p["W"], states[-1], p["U"], p["b"]), activation))
    return _recurrence(states)


def lstm(x: Node, width: Size, name: str, *, initial: tuple[Node, Node] | None = None) -> Recurrence:
    """c_t = f.*c_{t-1} + i.*g, h_t = o.*tanh(c_t), with i, f, o = sigmoid and g = tanh of x_t W + h_{t-1} U + b: Hochreiter and
    Schmidhuber (1997) with the forget gate of Gers et al. (2000).

    Parameters name_W_i, name_U_i, name_b_i and likewise for f, g, o. x (N, T, D) with T a whole number; `initial` (h, c), each (N, width) or
    (width,), zeros unless given. Raises ShapeError for a T that is a name.
    """
    what = f"lstm {name!r}"
    x, steps = _inputs(x, what)
    before = (None, None) if initial is None else tuple(initial)
    if len(before) != 2:
        raise ShapeError(f"the initial state of {what} is a pair: the state and the cell")
    p = _gates(x, before, width, name, "ifgo")
    states, cells = ([_start(x, width, s, what)] for s in before)
    gates: list[tuple[Node, ...]] = []
    for step in steps:
        i, f, g, o = (map_function("tanh" if k == "g" else "sigmoid", _affine(step, p[f"W_{k}"], states[-1], p[f"U_{k}"], p[f"b_{k}"])) for k in "ifgo")
        cells.append(_updated(f, cells[-1], _times(i, g)))
        states.append(_times(o, map_function("tanh", cells[-1])))
        gates.append((i, f, g, o))
    return _recurrence(states, "ifgo", gates, cells)


def gru(x: Node, width: Size, name: str, *, initial: Node | None = None) -> Recurrence:
    """h_t = (1 - z).*n + z.*h_{t-1}, n = tanh(x_t W_n + b_n + r.*(h_{t-1} U_n + c_n)), r, z = sigmoid(x_t W + h_{t-1} U + b).

    Cho et al. (2014) with the reset gate behind the product, as in PyTorch. Parameters name_W_r, name_U_r, name_b_r, likewise for z and n,
    and name_c_n. x (N, T, D) with T a whole number; `initial` (N, width) or (width,), zeros unless given. Raises ShapeError for a T that is
    a name.
    """
    what = f"gru {name!r}"
    x, steps = _inputs(x, what)
    p = _gates(x, [initial], width, name, "rzn", ["c_n"])
    one, states = as_node(1), [_start(x, width, initial, what)]
    gates: list[tuple[Node, ...]] = []
    for step in steps:
        h = states[-1]
        r, z = (map_function("sigmoid", _affine(step, p[f"W_{k}"], h, p[f"U_{k}"], p[f"b_{k}"])) for k in "rz")
        own = add([_from_state(h, p["U_n"]), (p["c_n"], ("h",))], ROW)
        fresh = add([(product([(step, FEATURES), (p["W_n"], ("d", "h"))], ROW), ROW), (p["b_n"], ("h",)), (_times(r, own), ROW)], ROW)
        n = map_function("tanh", fresh)
        states.append(_updated(z, h, _times(subtract((one, ()), (z, ROW), ROW), n)))
        gates.append((r, z, n, own))
    return _recurrence(states, ("r", "z", "n", "q"), gates)
