"""Values, some or all of them, come in; what each box and arrow of a picture is worth goes out, "not yet computed" where nothing tells it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import reverse
from symgrad.errors import MissingValueError
from symgrad.explain.document import Math
from symgrad.explain.scope import Scope
from symgrad.explain.values import array_math
from symgrad.ops.kernels import Array
from symgrad.run.evaluate import Functions
from symgrad.run.executor import Trace, bind_values, check_names, execute

__all__ = ["NOT_YET", "Worth", "worth_at"]

NOT_YET = "not yet computed"
_ENTRIES = 12
"""An array of more entries is told by its norm."""


@dataclass(eq=False)
class Worth:
    """What is known of the values of nodes."""

    values: Mapping[str, ArrayLike]
    sizes: Mapping[str, int]
    functions: Functions
    known: dict[Node, Array]
    final: bool = False                                    # a trace of someone else's: nothing is computed beyond it
    _failed: set[Node] = field(default_factory=set)

    def array(self, node: Node) -> Array | None:
        """The value of a node, None where something it needs is missing."""
        if node not in self.known and node not in self._failed and not self.final:
            try:
                self.known |= execute([node], self.values, sizes=self.sizes, functions=self.functions, known=self.known).values
            except MissingValueError:
                self._failed.add(node)
        return self.known.get(node)

    def of(self, node: Node) -> Math:
        """The value as a formula; of a large array its norm."""
        return _math(self.array(node))

    def along(self, scope: Scope, node: Node, operand: Node, cotangent: Node) -> Math:
        """What comes back from a value to one it is computed from, given the derivative of the output by it."""
        held = [o for o in scope.sources[node] if o is not operand]
        found = reverse(node, [operand], cotangent, held).results[operand]
        return _math(np.zeros(()) if found is None else self.array(found))


def worth_at(graph: Graph, wanted: Sequence[Node], values: Mapping[str, ArrayLike] | Trace | None, functions: Functions) -> Worth:
    """What is known where these arrays, by variable, or these values, by node, are given; None: nothing.

    Raises InputError for an array that does not fit or is no variable's.
    """
    if isinstance(values, Trace):
        return Worth({}, values.sizes, functions, dict(values.values), final=True)
    values = values or {}
    check_names(values, graph.variables())
    given = [n for n in topological([*wanted, *graph.variables().values()]) if isinstance(n.data, Variable) and n.name in values]
    return Worth(values, bind_values(given, values, graph.numbers)[1], functions, {})


def _math(array: Array | None) -> Math:
    if array is None:
        return Math(rf"\text{{{NOT_YET}}}", NOT_YET)
    if array.size > _ENTRIES or array.ndim > 2:
        found = array_math(np.asarray(np.linalg.norm(array)), 3)[0]
        return Math(rf"\lVert\cdot\rVert = {found.tex}", f"norm {found.notation}")
    found = array_math(array, 3)[0]
    return Math(f"={{{found.tex}}}" if found.notation.startswith("-") else f"= {found.tex}", f"= {found.notation}")      # braces: no binary minus
