"""Plans: operations counted by hand, what is reused and freed, the most memory held."""
from __future__ import annotations

import math
import time
from collections import Counter

import pytest
import sympy as sp

from symgrad.core.node import Node, number_node, size_node, variable
from symgrad.core.shape import size_expression
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import add, divide, filled, map_function, product, subtract
from symgrad.ops.linalg import matrix_function
from symgrad.ops.reduction import reduce
from symgrad.plan.cost import dominates, flops, node_bytes
from symgrad.plan.order import dependencies, is_leaf, ordered, reads
from symgrad.plan.pairs import pairwise
from symgrad.plan.residuals import Plan, make_plan

N, D, H, K, n, m, k = (size_expression(s) for s in ("N", "D", "H", "K", "n", "m", "k"))


def two_layers() -> tuple[Node, dict[str, Node], dict[Node, str]]:
    """z1 = x W1 + b1, h1 = tanh(z1), e = h1 W2 - t, loss = sum(e^2) / N."""
    x, t = variable("x", ("N", "D")), variable("t", ("N", "K"))
    w1, b1, w2 = variable("W1", ("D", "H"), "param"), variable("b1", ("H",), "param"), variable("W2", ("H", "K"), "param")
    z1 = add([(product([(x, "ij"), (w1, "jk")], "ik"), "ij"), (b1, "j")], "ij")
    h1 = map_function("tanh", z1)
    e = subtract((product([(h1, "ij"), (w2, "jk")], "ik"), "ij"), (t, "ij"), "ij")
    loss = divide((product([(e, "ij"), (e, "ij")], ""), ""), (size_node("N"), ""), "")
    sweep = reverse(loss, [w1, b1, w2])
    gradients = {w.name: g for w in (w1, b1, w2) if (g := sweep.results[w]) is not None}
    names = {z1: "z1", h1: "h1", e: "e", loss: "loss"}
    return loss, gradients, {**names, **{c: f"d_{names[v]}" for v, c in sweep.cotangents.items() if v in names}}


def planned() -> Plan:
    loss, gradients, names = two_layers()
    return make_plan([loss], gradients, names)


# ---------------------------------------------------------------------- operations
A, B, v = variable("A", ("n", "m")), variable("B", ("m", "k")), variable("v", ("n",))
X = variable("X", ("n", "n"))
BY_HAND = {
    "matmul": (product([(A, "ij"), (B, "jk")], "ik"), 2 * n * m * k),
    "sum": (product([(A, "ij")], "i"), n * m),
    "three factors": (product([(v, "i"), (A, "ij"), (variable("w", ("m",)), "j")], ""), 2 * n * m + 2 * m),
    "transpose": (product([(A, "ij")], "ji"), 0),
    "outer": (product([(v, "i"), (v, "j")], "ij"), n**2),
    "diag": (product([(v, "i")], "ij", [("i", "j")]), 0),
    "ones": (filled("ones", ("n", "m")), 0),
    "eye": (filled("eye", ("n", "n")), 0),
    "add": (add([(A, "ij"), (A, "ij"), (A, "ij")], "ij"), 2 * n * m),
    "subtract": (subtract((A, "ij"), (v, "i"), "ij"), n * m),
    "divide": (divide((A, "ij"), (v, "i"), "ij"), n * m),
    "tanh": (map_function("tanh", A), n * m),
    "softmax": (reduce("softmax", A, [1]), 3 * n * m),
    "inverse": (matrix_function("inv", X), 2 * n**3),
    "determinant": (matrix_function("det", X), sp.Rational(2, 3) * n**3),
    "stack of inverses": (matrix_function("inv", variable("S", ("k", "n", "n")), 1), 2 * k * n**3),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_operations_of_one_op(name: str) -> None:
    node, expected = BY_HAND[name]
    assert sp.expand(flops(node) - expected) == 0


def test_operations_of_a_derivative() -> None:
    c = variable("c", ("n", "m"))
    h = map_function("tanh", A)
    pulled = reverse(product([(h, "ij"), (c, "ij")], ""), [A]).results[A]
    assert pulled is not None
    assert flops(pulled) == 3 * n * m                      # (1 - h^2) * c
    assert flops(variable("x", ("n",))) == 0
    assert node_bytes(A) == 8 * n * m
    assert node_bytes(product([(A, "ij")], "ji")) == 0


def test_two_layers_by_hand() -> None:
    plan = planned()
    forward = {"x W1": 2 * N * D * H, "b1": N * H, "tanh": N * H, "h1 W2": 2 * N * H * K, "e": N * K, "e'e": 2 * N * K, "/N": 1}
    backward = {"1/N": 1, "e/N": N * K, "2": N * K, "d_h1": 2 * N * K * H, "d_W2": 2 * N * H * K, "d_z1": 3 * N * H, "d_W1": 2 * N * D * H,
                "d_b1": N * H}
    assert sp.expand(plan.flops - sum(forward.values()) - sum(backward.values())) == 0
    by_phase = {phase: sp.expand(sp.Add(*[s.flops for s in plan.steps if s.phase == phase])) for phase in ("forward", "backward")}
    assert by_phase["forward"] == sp.expand(sum(forward.values()))
    assert sp.expand(plan.flops - sum(by_phase.values())) == 0


def test_without_reuse_every_answer_pays_for_its_own_chain() -> None:
    plan = planned()
    loss, gradients, _ = two_layers()
    def tree(node: Node) -> sp.Expr:                       # the definition, exponential in general
        return flops(node) + sp.Add(*[tree(o) for o in reads(node)])
    expected = sp.Add(*[tree(a) for a in (loss, *gradients.values())])
    assert sp.expand(plan.flops_without_reuse - expected) == 0
    assert dominates(plan.saving, sp.S.One)
    assert sp.expand(plan.saving - plan.flops_without_reuse + plan.flops) == 0


# ---------------------------------------------------------------------- order, reuse, memory
def valid(plan: Plan) -> list[str]:
    """What is wrong with a plan: a value read before it is made or after it is freed, freed twice or while it is an answer."""
    live: set[str] = set()
    wrong: list[str] = []
    made = {s.name for s in plan.steps}
    for s in plan.steps:
        wrong += [f"{s.name} reads {r}" for r in s.reads if r in made and r not in live]
        live.add(s.name)
        wrong += [f"{f} is freed twice" for f in s.frees if f not in live]
        live -= set(s.frees)
    answers = {s.name for s in plan.steps if s.node in plan.kept}
    return wrong + [f"{x} is left over or missing" for x in live ^ answers]


def test_order_and_reuse() -> None:
    plan = planned()
    assert [s.name for s in plan.steps if s.phase == "forward"] == ["t1", "z1", "h1", "t2", "e", "t3", "loss"]
    assert [s.name for s in plan.steps if not s.name.startswith("t")][-5:] == ["d_h1", "d_W2", "d_z1", "d_W1", "d_b1"]
    assert [s.number for s in plan.steps] == list(range(1, len(plan.steps) + 1))
    by_name = {s.name: s for s in plan.steps}
    assert set(plan.cached) == {"h1", "e"}                 # the slope of tanh needs h1, not z1
    h1, last = plan.cached["h1"], by_name["d_z1"].number
    assert (h1.made, h1.read_by, h1.freed) == (by_name["h1"].number, (by_name["d_W2"].number, last), last)
    assert by_name["d_W2"].reuses == ("h1",)
    assert by_name["d_W1"].reuses == ()                    # x is an input, not a value that was computed
    assert "z1" in by_name["h1"].frees
    assert valid(plan) == []


def test_the_check_of_plans_finds_wrong_ones() -> None:
    plan = planned()
    swapped = Plan(plan.steps[::-1], plan.uses, plan.kept)
    assert valid(swapped)
    assert valid(Plan(plan.steps[:-1], plan.uses, plan.kept))


def test_peak_of_a_chain() -> None:
    x = variable("x", ("n",))
    a = map_function("tanh", x)
    b = map_function("exp", a)
    c = map_function("sin", b)
    total = product([(c, "i")], "")
    assert make_plan([total], {}, {}).peak_bytes == 16 * n  # never more than a value and what it is made of


def test_peak_agrees_with_a_walk_at_numbers() -> None:
    plan = planned()
    for sizes in ({N: 2, D: 900, H: 3, K: 2}, {N: 700, D: 2, H: 5, K: 90}, {N: 5, D: 5, H: 5, K: 5}, {N: 1, D: 1, H: 900, K: 1}):
        held, most = Counter[str](), 0
        for s in plan.steps:
            held[s.name] = int(s.bytes.xreplace(sizes))
            most = max(most, sum(held.values()))
            for name in s.frees:
                del held[name]
        assert int(plan.peak_bytes.xreplace(sizes).doit()) == most


def test_a_view_keeps_its_owner_alive() -> None:
    x = variable("x", ("n", "m"))
    a = map_function("tanh", x)
    turned = product([(a, "ij")], "ji")
    b = map_function("exp", x)
    y = product([(turned, "ji"), (b, "ij")], "ij")
    plan = make_plan([y], {}, {a: "a", turned: "turned", b: "b"})
    assert valid(plan) == []
    assert {"a", "turned", "b"} <= set(plan.steps[-1].frees)


def test_printed_table() -> None:
    text = str(planned())
    assert text == str(planned())
    lines = text.splitlines()
    assert lines[0].split() == ["step", "value", "shape", "computed", "by", "reuses", "frees", "operations"]
    assert lines[1] == "forward pass"
    assert "backward pass" in lines
    row = next(line for line in lines if "d_z1" in line)
    assert row.split()[1:6] == ["d_z1", "N", "x", "H", "tanh'1(d_h1,"]
    assert row.split()[-1] == "3*H*N"
    assert "cached:" in text
    assert max(map(len, text.splitlines()[:12])) < 110
    assert planned().rows()[0][0] == "step"


def test_only_a_forward_pass() -> None:
    x = variable("x", ("n",))
    plan = make_plan([map_function("tanh", x)], {}, {})
    assert "backward" not in str(plan)
    assert plan.cached == {}
    assert make_plan([x], {}, {}).peak_bytes == 0
    assert make_plan([number_node(2)], {}, {}).flops == 0


def test_order_is_topological_and_stable() -> None:
    loss, gradients, _ = two_layers()
    order, forward = ordered([loss], list(gradients.values()))
    place = {x: i for i, x in enumerate(order)}
    assert all(place[o] < place[x] for x in order for o in reads(x))
    assert set(order) == set(dependencies([loss, *gradients.values()]))
    assert order == ordered([loss], list(gradients.values()))[0]
    assert loss in forward
    assert not any(g in forward for g in gradients.values())
    assert sum(not is_leaf(x) for x in order) == len(planned().steps)


def test_pairs_of_factors() -> None:
    assert [p[:2] for p in pairwise(["i", "ij", "j"], "")] == [(0, 1), (0, 1)]
    chain = pairwise(["ij", "jk", "k"], "i")
    assert chain[0][:2] == (1, 2)                          # matrix times vector first
    assert chain[-1].kept == {"i"}


def test_domination_is_for_all_sizes_from_one() -> None:
    assert dominates(N * H, N)
    assert dominates(N * H + 3, N + H)                     # (N - 1)(H - 1) + 2 is not negative
    assert not dominates(N, H)
    assert not dominates(N - 1, N)
    assert not dominates(N - 2, sp.S.Zero)


def test_deep_networks_in_linear_time() -> None:
    def seconds(layers: int) -> float:
        x, w = variable("x", ("H",)), [variable(f"W{q}", ("H", "H"), "param") for q in range(layers)]
        h = x
        for q in w:
            h = add([(h, "i"), (map_function("tanh", product([(q, "ij"), (h, "j")], "i")), "i")], "i")
        loss = product([(h, "i"), (h, "i")], "")
        sweep = reverse(loss, w)
        start = time.process_time()
        plan = make_plan([loss], {q.name: g for q in w if (g := sweep.results[q]) is not None}, {})
        assert plan.flops.is_polynomial()
        assert math.log10(int(plan.flops_without_reuse.xreplace({H: sp.Integer(1)}))) > layers / 4     # counted, not walked
        assert plan.peak_bytes.has(H)
        assert len(plan.cached) >= layers
        return time.process_time() - start
    seconds(10)
    short, long = seconds(250), seconds(2000)
    assert long < 20 * short + 0.5
    assert long < 15
