"""Whole graphs: gradients, Jacobians, Hessians and third derivatives of random networks; deep ones grow linearly."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import Network, networks
from witness import adjoint_error, derivative_errors, distance, jvp_error, numeric, op_names, value, weighted

from symgrad.core.graph import Graph
from symgrad.core.node import Node, number_node, topological, variable
from symgrad.derive import reverse as reverse_module
from symgrad.derive.forward import forward
from symgrad.derive.reverse import Reverse, reverse
from symgrad.ops.arithmetic import add, map_function, product, total
from symgrad.ops.kernels import Array
from symgrad.ops.linalg import matrix_function
from symgrad.ops.reduction import reduce
from symgrad.run.executor import execute

TOLERANCE = 2e-6
SMOOTH_BEYOND = {"relu": 0.03, "abs": 0.03, "elu": 0.03, "norm1": 0.03, "norm2": 0.3, "divide": 0.0}


def usable(node: Node, values: dict[str, Array]) -> bool:
    """Whether numbers are moderate and no kink or zero of a norm is within reach of a difference."""
    trace = execute([node], values)
    for n in topological([node]):
        if not np.isfinite(trace[n]).all() or np.max(np.abs(trace[n]), initial=0.0) > 20:
            return False
        far = SMOOTH_BEYOND.get(n.op.name)
        near = trace[n] if n.op.name == "norm2" else trace[n.operands[0]] if far else np.ones(1)
        if far and np.min(np.abs(near), initial=1.0) < far:
            return False
    return True


def leaves(node: Node) -> list[Node]:
    return [n for n in topological([node]) if n.name]


def examine(network: Network) -> dict[str, float]:
    """The errors of all derivatives of a random network by one or two of its variables."""
    node, values = network.build(), network.values()
    assume(usable(node, values) and value(node, values).size <= 24)
    rng = np.random.default_rng(network.seed)
    wrt = leaves(node)
    assume(wrt)
    wrt = [v for v in wrt if values[v.name].size <= 16][:2]
    errors = derivative_errors(node, wrt, values, rng)
    for v in wrt:
        errors[f"jvp {v.name}"] = jvp_error(node, v, values, rng)
        errors[f"adjoint {v.name}"] = adjoint_error(node, v, values, rng)
    return errors


def refuse(errors: dict[str, float], limit: float = TOLERANCE) -> None:
    wrong = {k: e for k, e in errors.items() if not e < limit}
    assert not wrong, wrong


@settings(max_examples=30)
@given(networks())
def test_random_networks(network: Network) -> None:
    refuse(examine(network))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_a_thousand_random_networks(block: int) -> None:
    @settings(max_examples=50)
    @given(networks(10), st.just(block))
    def run(network: Network, block: int) -> None:
        refuse(examine(Network(network.program, network.sizes, network.seed + block)))
    run()


# ---------------------------------------------------------------------- invariance
def derivative_of(node: Node) -> tuple[Node, Reverse]:
    letters = "abcdefgh"[: node.rank]
    loss = product([(variable("weight", node.shape), letters), (node, letters)], "")
    return loss, reverse(loss, leaves(node))


def told(network: Network, prefix: str, lazily: bool) -> list[str]:
    """The op names of a network and its gradients, operands first, variables by name without the prefix."""
    node = network.build(prefix, lazily)
    _, found = derivative_of(node)
    outputs = [g for w in found.wrt if (g := found.results[w]) is not None]
    return [x.removeprefix(prefix) for x in op_names([node, *outputs])]


@settings(max_examples=30)
@given(networks())
def test_names_and_order_of_construction_do_not_matter(network: Network) -> None:
    plain = told(network, "", False)
    assert told(network, "", True) == plain
    assert told(network, "zz_", False) == plain


@settings(max_examples=30)
@given(networks())
def test_equal_expressions_are_one_node(network: Network) -> None:
    first, second = network.build(), network.build(lazily=True)
    assert first is second
    nodes = topological([first])
    assert len({(n.op, n.operands, n.shape, n.data) for n in nodes}) == len(nodes)


@settings(max_examples=20)
@given(networks())
def test_renaming_renames_the_answer(network: Network) -> None:
    values, renamed = network.values(), network.values("q_")
    here, there = network.build(), network.build("q_")
    assume(usable(here, values))
    for v, w in zip(leaves(here), leaves(there), strict=True):
        a, b = reverse(here, [v]).results[v], reverse(there, [w]).results[w]
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert np.array_equal(value(a, values, here), value(b, renamed, there))


PROGRAM = """
import sys
sys.path[:0] = [{tests!r}]
from hypothesis import given, settings
from strategies import networks
from test_reverse import told
@settings(max_examples=15, derandomize=True, database=None, deadline=None)
@given(networks())
def run(network):
    print(told(network, "", False))
run()
"""


def test_two_processes_agree() -> None:
    """The order of everything is the structure's, not that of hashes: other seeds of Python's hash, the same names in the same order."""
    text = PROGRAM.format(tests=str(Path(__file__).parent))
    said = [subprocess.run([sys.executable, "-c", text], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
                           capture_output=True, text=True, check=True).stdout for seed in ("1", "2")]
    assert said[0] == said[1] and len(said[0]) > 1000


# ---------------------------------------------------------------------- orders
def third(build: Callable[..., Node], *shapes: tuple[str, ...], kind: str = "real") -> float:
    """How far the derivative of the Hessian of a weighted sum by its first variable is from differences of the Hessian."""
    rng = np.random.default_rng(3)
    size = {"n": 3, "m": 2}
    operands = [variable(f"x{k}", s) for k, s in enumerate(shapes)]
    values = {v.name: rng.normal(size=[size[s] for s in shape]) for v, shape in zip(operands, shapes, strict=True)}
    if kind == "matrix":
        values["x0"] = values["x0"] / 3 + 2 * np.eye(3)
    node, (x, *_) = build(*operands), operands
    loss = weighted(node, values, rng)
    found: list[Node] = []
    at: Node | None = loss
    for _ in range(3):
        assert at is not None
        at = reverse(at, [x]).results[x]
        if at is not None:
            found.append(at)
    assert len(found) == 3
    return distance(value(found[2], values, loss), numeric(found[1], x, values, loss))


def tanh_net(x: Node, W: Node) -> Node:
    return map_function("tanh", product([(W, "ij"), (map_function("tanh", x), "j")], "i"))


THIRD: dict[str, Callable[[], float]] = {
    "tanh net": lambda: third(tanh_net, ("n",), ("m", "n")),
    "softmax": lambda: third(lambda x: reduce("softmax", x), ("n",)),
    "softmax of rows": lambda: third(lambda x: reduce("softmax", x, [1]), ("m", "n")),
    "logsumexp": lambda: third(lambda x: reduce("logsumexp", x), ("n",)),
    "standardise": lambda: third(lambda x, e: reduce("standardise", map_function("sin", x), None, map_function("exp", e)), ("n",), ()),
    "norm2": lambda: third(lambda x: reduce("norm2", x), ("n",)),
    "inv": lambda: third(lambda x: matrix_function("inv", x), ("n", "n"), kind="matrix"),
    "logdet": lambda: third(lambda x: matrix_function("logdet", x), ("n", "n"), kind="matrix"),
    "gelu": lambda: third(lambda x: map_function("gelu", x), ("n",)),
    "softplus": lambda: third(lambda x: map_function("softplus", x), ("n",)),
    "cube of a product": lambda: third(lambda x: product([(x, "ij"), (x, "jk"), (x, "ki")], ""), ("n", "n")),
}


@pytest.mark.parametrize("name", THIRD)
def test_third_derivatives(name: str) -> None:
    assert THIRD[name]() < 1e-7


def test_a_fourth_derivative() -> None:
    x = variable("x", ())
    node: Node | None = map_function("sin", product([(x, ""), (x, "")], ""))
    for _ in range(4):
        assert node is not None
        node = reverse(node, [x]).results[x]
    z = 0.7
    want = 16 * z**4 * np.sin(z * z) - 48 * z**2 * np.cos(z * z) - 12 * np.sin(z * z)
    assert node is not None and distance(value(node, {"x": np.asarray(z)}), np.asarray(want)) < 1e-12


# ---------------------------------------------------------------------- the sweep
def test_both_positions_of_a_square_send_a_term() -> None:
    x = variable("x", ("n",))
    square = product([(x, "i"), (x, "i")], "")
    found = reverse(square, [x])
    assert [s.position for s in found.steps] == [0, 1]
    gradient = found.results[x]
    assert gradient is not None and value(gradient, {"x": np.array([1.0, -2.0])}).tolist() == [2.0, -4.0]


def test_what_does_not_depend_has_no_derivative() -> None:
    x, y = variable("x", ("n",)), variable("y", ("n",))
    loss = total(map_function("step", x))
    found = reverse(add([(loss, ""), (total(y), "")], ""), [x, y, variable("z", ())])
    assert found.results[x] is None and found.results[variable("z", ())] is None and found.results[y] is not None
    assert {d.reason for d in found.dropped} == {"flat"}
    alone = reverse(product([(x, "i"), (y, "i")], ""), [x])
    assert [d.reason for d in alone.dropped] == ["independent"] and alone.dropped[0].operand is y


def test_the_derivative_by_itself_is_one() -> None:
    c, x, A = variable("c", ()), variable("x", ("n",)), variable("A", ("n", "m"))
    for v, a in ((c, np.asarray(2.0)), (x, np.ones(3)), (A, np.ones((2, 3)))):
        derivative = reverse(v, [v]).results[v]
        assert derivative is not None
        assert distance(value(derivative, {v.name: a}, v), np.eye(a.size).reshape(a.shape * 2)) == 0.0


def test_derivatives_by_an_intermediate_node_stop_there() -> None:
    x = variable("x", ("n",))
    h = map_function("tanh", x)
    found = reverse(total(map_function("exp", h)), [h, x])
    values = {"x": np.array([0.5, -1.0])}
    by_h, by_x = found.results[h], found.results[x]
    assert by_h is not None and by_x is not None
    assert distance(value(by_h, values), np.exp(np.tanh(values["x"]))) < 1e-15
    assert distance(value(by_x, values), np.exp(np.tanh(values["x"])) * (1 - np.tanh(values["x"]) ** 2)) < 1e-15


def test_every_step_is_accounted_for() -> None:
    """Each operand position of each node that leads to a variable is either a step or a dropped path with its reason."""
    W, x = variable("W", ("m", "n")), variable("x", ("n",))
    z = product([(W, "ij"), (x, "j")], "i")
    loss = total(add([(map_function("tanh", z), "i"), (map_function("step", z), "i")], "i"))
    found = reverse(loss, [W])
    positions = {(s.node, s.position) for s in found.steps} | {(d.node, d.position) for d in found.dropped}
    through = [n for n in topological([loss]) if n in found.cotangents]
    assert positions == {(n, k) for n in through for k in range(n.op.arity)}
    for step in found.steps:
        assert all(t.shape == step.operand.shape for t in step.terms)


@settings(max_examples=20)
@given(networks())
def test_vjp_and_jvp_of_random_networks_compose(network: Network) -> None:
    """The pushforward of the Jacobian's own graph: forward over reverse equals reverse over reverse."""
    node, values = network.build(), network.values()
    assume(usable(node, values))
    loss = weighted(node, values, np.random.default_rng(1))
    small = [v for v in leaves(node) if 0 < values[v.name].size <= 9][:1]
    assume(small)
    (v,) = small
    gradient = reverse(loss, [v]).results[v]
    assume(gradient is not None)
    assert gradient is not None
    tangent = variable("tangent", v.shape)
    values["tangent"] = np.random.default_rng(2).normal(size=values[v.name].shape)
    pushed, hessian = forward(gradient, {v: tangent}), reverse(gradient, [v]).results[v]
    zero = np.zeros(values[v.name].shape)
    want = zero if hessian is None else np.tensordot(value(hessian, values, loss), values["tangent"], v.rank)
    assert distance(zero if pushed is None else value(pushed, values, loss), want) < 1e-9


# ---------------------------------------------------------------------- depth
def mlp(layers: int, residual: bool = False) -> tuple[Node, list[Node]]:
    h, params = variable("x", ("K",)), []
    for k in range(layers):
        W, b = variable(f"W{k}", ("K", "K")), variable(f"b{k}", ("K",))
        params += [W, b]
        new = map_function("tanh", add([(product([(W, "ij"), (h, "j")], "i"), "i"), (b, "i")], "i"))
        h = add([(new, "i"), (h, "i")], "i") if residual else new
    return total(h), params


@pytest.mark.parametrize("residual", [False, True])
def test_the_derivative_grows_linearly_with_depth(residual: bool) -> None:
    def nodes(layers: int) -> int:
        loss, params = mlp(layers, residual)
        found = reverse(loss, params)
        return len(topological([loss, *[g for p in params if (g := found.results[p]) is not None]]))
    counts = {layers: nodes(layers) for layers in (2, 3, 4, 32, 512, 2048)}
    each = counts[3] - counts[2]
    assert each <= 12
    assert all(n == counts[2] + each * (layers - 2) for layers, n in counts.items()), counts


def test_twenty_thousand_nodes_need_no_recursion() -> None:
    loss, params = mlp(4000)
    order = topological([loss])
    assert len(order) > 20_000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        found = reverse(loss, params[:1])
        gradient = found.results[params[0]]
        assert gradient is not None
        forward(loss, {params[-1]: params[-1]})
        assert Graph(names={}, output=loss).networkx().number_of_edges() == sum(len(n.operands) for n in order)
        del found, gradient, order
    finally:
        sys.setrecursionlimit(limit)


def test_a_deep_graph_has_a_value() -> None:
    x = variable("x", ("n",))
    h = x
    for _ in range(7000):
        h = map_function("sin", h)
        h = add([(h, "i"), (x, "i")], "i")
    gradient = reverse(total(h), [x]).results[x]
    assert gradient is not None and np.isfinite(value(gradient, {"x": np.array([0.1])})).all()


def test_sharing_costs_no_more_than_its_nodes() -> None:
    """A chain of diamonds has 2^L paths and as many nodes as it looks."""
    x = variable("x", ("n",))
    h = x
    for _ in range(60):
        h = product([(map_function("sin", h), "i"), (map_function("cos", h), "i")], "i")
    found = reverse(total(h), [x])
    gradient = found.results[x]
    assert gradient is not None and len(topological([gradient])) < 60 * 12
    values = {"x": np.array([0.3, -0.4])}
    assert distance(value(gradient, values), np.diagonal(numeric(h, x, values))) < 1e-9


# ---------------------------------------------------------------------- each checker is fed a wrong answer
def test_a_wrong_sweep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network((), {"n": 2, "m": 3, "k": 4, "1": 1}, 0)
    values = network.values()
    x = variable("x", ("n",))
    node = map_function("tanh", product([(x, "i"), (x, "i")], "i"))
    rng = np.random.default_rng(0)
    refuse(derivative_errors(node, [x], values, rng))
    gather = reverse_module.gather
    monkeypatch.setattr(reverse_module, "gather", lambda terms: gather(list(terms)[:1]))     # a sweep that forgets a path
    with pytest.raises(AssertionError):
        refuse(derivative_errors(node, [x], values, rng))


def test_numbers_are_leaves() -> None:
    assert reverse(number_node(3), [variable("x", ())]).results[variable("x", ())] is None
