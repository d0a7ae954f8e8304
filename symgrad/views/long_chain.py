"""A chain with a factor for each step of a recurrence comes in; the chain with these factors said once goes out."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from symgrad.core.graph import Graph
from symgrad.views.chain import Factor, Path, show_chain
from symgrad.views.compose import NoMatrixForm
from symgrad.views.factors import FactorForms
from symgrad.views.steps import Steps, general, steps_of, tokens

__all__ = ["said_once"]

MANY = 7
"""So many factors in a row are said once."""


def said_once(path: Path, forms: FactorForms, graph: Graph, show: Callable[[Factor], str]) -> tuple[tuple[str, ...], str] | None:
    """(lines, product): `J[k] = J[k+1] * jac(h[k+1], h[k])` for the factors from the last step of a recurrence down to its first.

    None where there are fewer than 7 such factors in a row and their number is no name, and for values that hold all examples.
    """
    for steps in steps_of(graph):
        for family in steps.families.values():
            at = {node: k for k, node in family.nodes.items()}
            run = [n for n, f in enumerate(path.parts) if isinstance(f, Factor) and at.get(f.of) == at.get(f.by, -2) + 1 and at[f.by] >= 1]
            whole = run and run == list(range(run[0], run[-1] + 1)) and run[0] > 0 and len(run) == steps.count - 1
            if whole and (len(run) >= MANY or steps.size):
                with suppress(NoMatrixForm):
                    return _shown(path, forms, steps, run, show)
    return None


def _shown(path: Path, forms: FactorForms, steps: Steps, run: Sequence[int], show: Callable[[Factor], str]) -> tuple[tuple[str, ...], str]:
    left = forms.free_name("J")
    inside = f"{forms.index}," if forms.index else ""
    lines = [tokens(show(f)) for f in (path.parts[n] for n in reversed(run)) if isinstance(f, Factor)]
    factor = general(lines, range(1, len(lines) + 1))
    assert factor is not None
    first = show_chain(Path(path.parts[: run[0]]), show, " * ")
    rest = show_chain(Path(path.parts[run[-1] + 1:]), show, " * ")
    top = f"{left}[{inside}{steps.number(steps.count)}] = {steps.show(tokens(first))}"
    step = f"{left}[{inside}{steps.index}] = {left}[{inside}{steps.index}+1] * {steps.show(factor)}"
    return (top, step), forms.wrapped(f"{left}[{inside}1] * {steps.show(tokens(rest))}")
