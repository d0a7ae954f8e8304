"""Numbers for a forward table: values of the named nodes as short text."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.node import Node
from symgrad.results import Derivation
from symgrad.run.evaluate import Functions
from symgrad.run.executor import execute

__all__ = ["number", "shown_values"]


def number(x: float, digits: int = 4) -> str:
    """A number with so many significant digits, without a trailing zero."""
    return f"{x:.{digits}g}"


def shown_values(d: Derivation, values: Mapping[str, ArrayLike], functions: Functions, digits: int = 4) -> dict[Node, str]:
    """Each named value as text; large arrays are shortened to their corners."""
    nodes = [n for n in d.graph.names.values()]
    trace = execute([d.output, *nodes], values, sizes=d.graph.numbers, functions=functions)
    with np.printoptions(precision=digits, threshold=12, edgeitems=2, suppress=True):
        return {n: number(float(trace[n]), digits) if trace[n].ndim == 0 else " ".join(str(np.round(trace[n], digits) + 0.0).split())
                for n in [*nodes, d.output]}
