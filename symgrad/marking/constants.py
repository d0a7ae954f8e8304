"""A wrong line comes in; the values that it takes for constants, if that explains it, go out."""
from __future__ import annotations

import itertools

from symgrad.core.node import topological
from symgrad.derive.reverse import reverse
from symgrad.marking.bench import Bench

__all__ = ["taken_for_constants"]

MOST = 12


def taken_for_constants(b: Bench) -> list[str]:
    """The names of one or two values on the way that depend on the variable and are differentiated as if they did not."""
    line = b.marked.line
    if line.by is None or line.output is None or line.jac or line.place:
        return []
    below = set(topological([line.output]))
    on_path = [n for n in b.graph.names.values() if n in below and n is not line.output and n is not line.by and line.by in topological([n])]
    for count in (1, 2):
        for held in itertools.combinations(list(dict.fromkeys(on_path))[:MOST], count):
            found = reverse(line.output, [line.by], None, held).results[line.by]
            if found is not None and b.gives(found, b.claimed):
                return [b.word(n) for n in held]
    return []
