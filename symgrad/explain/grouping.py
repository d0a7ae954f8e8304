"""The values of a picture in; the layer or step that each belongs to out, and the runs of layers that are alike."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from symgrad.core.node import Node, Variable
from symgrad.core.shape import shape_text
from symgrad.explain.diagram import Group
from symgrad.explain.scope import Scope

__all__ = ["grouped"]

_ALIKE = 3
"""So many layers of one form, one after the other, are a run."""


def grouped(scope: Scope) -> tuple[dict[Node, str], tuple[Group, ...]]:
    """(value -> name of its group, the groups): layers and steps by the numbers in names, z1, h1, W1; else by the layer whose parameters are used.

    A layer computes a value and has two members at least, and there are two layers or more. Runs of layers of one form, apart from their
    numbers, get a group of their own around them, layers of a single value too.
    """
    labels = _by_number(scope) or _by_parameters(scope)
    computes = {label for n, label in labels.items() if n.operands}
    labels = {n: label for n, label in labels.items() if label in computes}
    runs = _runs(scope, labels, list(dict.fromkeys(labels[n] for n in scope.names if n in labels)))
    inside = {label: _called(run) for run in runs for label in run}
    sizes = Counter(labels.values())
    readers: dict[Node, set[str]] = {}
    for n, label in labels.items():
        for o in scope.sources[n]:
            if not o.operands:
                readers.setdefault(o, set()).add(label)
    for found in readers.values():                         # what several layers read is drawn in each of them
        sizes.update(found if len(found) > 1 else ())
    labels = {n: label if sizes[label] > 1 else inside[label] for n, label in labels.items() if sizes[label] > 1 or label in inside}
    layers = list(dict.fromkeys(labels[n] for n in scope.names if n in labels))
    if not runs and len(layers) < 2:
        return {}, ()
    return labels, (*(Group(_called(run), "", len(run)) for run in runs), *(Group(label, inside[label]) for label in layers if label in inside))


# ---------------------------------------------------------------------- which layer
def _by_number(scope: Scope) -> dict[Node, str]:
    """Values whose names end in the same number; steps of a recurrence are called by its index, `t = 3`."""
    steps = {name: f"{index} = {k}" for name, (_, index, k) in scope.steps.items()}
    found: dict[Node, str] = {}
    for n, name in scope.names.items():
        if n is scope.output or n not in scope.given:
            continue
        number = re.fullmatch(r"[A-Za-z]\w*?_?(\d+)", name)
        if name in steps:
            found[n] = steps[name]
        elif number and not (isinstance(n.data, Variable) and n.data.kind != "param"):
            found[n] = f"layer {int(number[1])}"
    if len({found[n] for n in found if n.operands}) < 2:
        return {}
    return _with_parts(scope, found)


def _with_parts(scope: Scope, found: dict[Node, str]) -> dict[Node, str]:
    """Values without a name go where all that read them are."""
    labels = dict(found)
    readers: dict[Node, set[str]] = {}
    for n in reversed(scope.names):
        where = readers.get(n, set())
        if n not in labels and n.operands and n is not scope.output and n not in scope.given and len(where) == 1:
            labels[n] = next(iter(where))
        for o in scope.sources[n]:
            readers.setdefault(o, set()).add(labels.get(n, ""))
    return {n: label for n, label in labels.items() if label}


def _by_parameters(scope: Scope) -> dict[Node, str]:
    """Parameters `fc_W`, `fc_b` are those of the layer fc; what is computed from them belongs to it, and what follows until the next layer.

    What comes behind the last layer is no part of it from where data enter again: it is the loss.
    """
    found: dict[Node, str] = {}
    place: dict[str, int] = {}
    before_a_layer: set[Node] = set()                      # values that some parameter is still to meet
    for n in reversed(scope.names):
        if n in before_a_layer or any(isinstance(o.data, Variable) and o.data.kind == "param" for o in scope.sources[n]):
            before_a_layer.update(o for o in scope.sources[n] if o.operands)
    for n, name in scope.names.items():
        if isinstance(n.data, Variable):
            if n.data.kind == "param" and "_" in name.strip("_"):
                found[n] = name.rpartition("_")[0]
            continue
        if n is scope.output:
            continue
        own = [found[o] for o in scope.sources[n] if o in found and isinstance(o.data, Variable)]
        below = [found[o] for o in scope.sources[n] if o in found and not isinstance(o.data, Variable)]
        loss = not own and n not in before_a_layer and any(isinstance(o.data, Variable) for o in scope.sources[n])
        if (own or below) and not loss:
            found[n] = own[0] if own else max(below, key=lambda label: place.get(label, -1))
            place.setdefault(found[n], len(place))
    return found


# ---------------------------------------------------------------------- which layers are alike
def _runs(scope: Scope, labels: Mapping[Node, str], layers: list[str]) -> list[list[str]]:
    """Layers that follow each other by their numbers, with the same names, ops and shapes apart from the number."""
    parts: dict[str, list[str]] = {label: [] for label in layers}
    for n, label in labels.items():
        stem = re.sub(r"\d+", "#", scope.names[n]) if n in scope.given else ""
        parts[label].append(f"{stem}:{n.op.name}:{shape_text(n.shape)}:{len(scope.sources[n])}")
    forms = {label: (re.sub(r"\d+", "#", label), tuple(sorted(found))) for label, found in parts.items()}
    found: list[list[str]] = []
    for label in sorted(layers, key=lambda label: (re.sub(r"\d+", "#", label), _number(label))):
        last = found[-1][-1] if found else ""
        if last and forms[label] == forms[last] and _number(label) == _number(last) + 1:
            found[-1].append(label)
        else:
            found.append([label])
    return [run for run in found if len(run) >= _ALIKE]


def _number(label: str) -> int:
    numbers = re.findall(r"\d+", label)
    return int(numbers[-1]) if numbers else -1


def _called(run: list[str]) -> str:
    """`layers 2 to 11`, `t = 1 to 5`"""
    first, last = run[0], run[-1]
    stem, _, number = first.rpartition(" ")
    if stem == "layer":
        return f"layers {number} to {_number(last)}"
    return f"{first} to {_number(last)}" if stem else f"{first} to {last}"
