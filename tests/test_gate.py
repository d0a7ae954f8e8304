"""The gate before every closed form: planted wrong rewrites are refused, right forms pass quickly and once."""
from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import pytest
from matrix_problems import Case
from test_matrix_calculus import VISIBLE

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import reverse
from symgrad.errors import InternalError
from symgrad.network import parse
from symgrad.run import gate
from symgrad.run.gate import gated, ungated
from symgrad.views import elimination, factoring, terms
from symgrad.views import text as texts
from symgrad.views.matrix import Form, closed_form
from symgrad.views.matrix_term import Term


def derived(expr: str, wrt: str, order: int = 1) -> tuple[Graph, Node]:
    """A graph and a derivative in it."""
    graph = parse(expr, vars={"x": ("n",), "y": ("m",), "A": ("m", "n"), "B": ("n", "n"), "t": ()})
    node = graph.output
    for _ in range(order):
        found = reverse(node, [graph[wrt]]).results[graph[wrt]]
        assert found is not None
        node = found
    return graph, node


def form_of(graph: Graph, node: Node) -> Form:
    forward = topological([graph.output])
    return closed_form(node, {n: n.name for n in forward if isinstance(n.data, Variable)}, {}, forward)


def turned(real: Callable[..., Term]) -> Callable[..., Term]:
    """A transposition that takes every square matrix for symmetric."""
    return lambda a: a if a.kind == "leaf" and a.shape[0] == a.shape[1] else real(a)


def plant_transposes(m: pytest.MonkeyPatch) -> None:
    m.setattr(terms, "transpose", turned(terms.transpose))


def plant_minus(m: pytest.MonkeyPatch) -> None:
    real = terms.term
    m.setattr(terms, "term", lambda c, s, b: real(abs(Fraction(c)), s, b))


def plant_order(m: pytest.MonkeyPatch) -> None:
    real = terms.mul
    m.setattr(terms, "mul", lambda *f: real(*(f[::-1] if len(f) == 2 and all(x.shape == f[0].shape for x in f) else f)))


def plant_trace(m: pytest.MonkeyPatch) -> None:
    m.setattr(terms, "trace", terms.total)


def plant_diagonal(m: pytest.MonkeyPatch) -> None:
    real = terms.diag
    m.setattr(terms, "diag", lambda v: real(terms.elementwise([(v, 2)])))


def plant_factor(m: pytest.MonkeyPatch) -> None:
    real = factoring._strips
    m.setattr(factoring, "_strips", lambda part: [(side, f, rest, lambda inner, put=put: terms.term(2, [], put(inner))) for side, f, rest, put in real(part)])


def plant_printer(m: pytest.MonkeyPatch) -> None:
    m.setitem(texts._PRINTERS, "mpow", lambda t: (texts.text(t.args[0]), texts.TIGHT))


PLANTED = [
    (plant_transposes, "x'*B*x", "x", 1), (plant_minus, "sum(cos(A*x))", "x", 1), (plant_order, "tr(B*B'*B*inv(B + eye(n)))", "B", 1),
    (plant_trace, "tr(B)^2", "B", 1), (plant_diagonal, "sum(sin(A*x))", "x", 2), (plant_factor, "x'*B*x + x'*sin(B)*x", "x", 1), (plant_printer, "x'*inv(B)*x", "x", 1),
]


@pytest.mark.parametrize(("plant", "expr", "wrt", "order"), PLANTED, ids=[p[0].__name__ for p in PLANTED])
def test_planted_rewrites_are_refused(plant: Callable[[pytest.MonkeyPatch], None], expr: str, wrt: str, order: int) -> None:
    graph, node = derived(expr, wrt, order)
    right = str(form_of(graph, node))
    forget()
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        patch.setattr(elimination.mx, "transpose", terms.transpose)
        wrong = form_of(graph, node)
    forget()
    assert str(wrong) != right, "nothing was planted"
    with pytest.raises(InternalError, match="component form stands: D"):
        gated(wrong, node, graph)
    with ungated():
        assert gated(wrong, node, graph) is wrong
    assert str(gated(form_of(graph, node), node, graph)) == right


def forget() -> None:
    """Empty the memories of forms, so that nothing planted stays and nothing right is reused."""
    factoring._memo.clear()
    texts._memo.clear()


def test_unreadable_text_is_refused() -> None:
    graph, node = derived("x'*B*x", "x")
    with pytest.raises(InternalError, match="cannot be read back"):
        gated(Form((), "B *"), node, graph)


def test_a_form_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, node = derived("x'*B*B*x + t", "x")
    form = form_of(graph, node)
    gated(form, node, graph)
    monkeypatch.setattr(gate, "execute", None)
    assert gated(form, node, graph) is form


@pytest.mark.parametrize("case", VISIBLE, ids=lambda c: c.id)
def test_every_known_problem_passes(case: Case) -> None:
    answer = case.answer()
    assert gated(answer.matrix, answer.node, case.graph) is answer.matrix


def test_it_is_quick() -> None:
    times = []
    for case in VISIBLE:
        answer = case.answer()
        gate._passed.clear()
        start = time.perf_counter()
        gated(answer.matrix, answer.node, case.graph)
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 0.02
