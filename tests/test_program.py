"""Programs against the plain executor for every op of the library, and how their source reads."""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from catalog import Sample, samples

from symgrad.core.node import Node, Variable, number_node, size_node, topological, variable
from symgrad.derive.forward import forward
from symgrad.derive.reverse import reverse
from symgrad.errors import InputError, MissingValueError
from symgrad.ops.arithmetic import add, divide, map_function, power, product, scaled, subtract
from symgrad.ops.kernels import Array
from symgrad.ops.reduction import reduce
from symgrad.run.executor import execute
from symgrad.run.functions import function_values, stand_in
from symgrad.run.numpy_backend import Program, compile_nodes

FUNCTIONS = {"l": stand_in(3), "g": stand_in(4)}
AXES = "abcdefgh"


def sizes_of(node: Node, values: Mapping[str, Array]) -> dict[str, int]:
    leaves = {n.name: n for n in topological([node]) if n.name in values}
    return {str(s): m for name, n in leaves.items() for s, m in zip(n.shape, values[name].shape, strict=True)}


def disagreement(node: Node, values: Mapping[str, Array], sizes: Mapping[str, int], program: Program) -> float:
    """The largest difference of the program from the executor, relative to 1 + the entry; infinite where shapes or finiteness differ."""
    expected = execute([node], values, sizes=sizes, functions=FUNCTIONS)[node]
    got = program(**{n.name: values[n.name] for n in program._leaves})["y"]  # type: ignore[call-overload]  # no value was asked for
    finite = np.isfinite(expected)
    if got.shape != expected.shape or not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    return float(np.max(np.abs(got - expected)[finite] / (1 + np.abs(expected[finite])), initial=0.0))


def derived(sample: Sample, values: dict[str, Array], rng: np.random.Generator) -> Iterator[tuple[str, Node]]:
    """The op, its pullbacks, Jacobians, second pullbacks and pushforwards; further values are entered as they are needed."""
    node = sample.node()
    yield "forward", node
    shape = execute([node], values, functions=FUNCTIONS)[node].shape
    w = variable("w_", node.shape)
    values["w_"] = rng.normal(size=shape)
    loss = product([(w, AXES[:node.rank]), (node, AXES[:node.rank])], "")
    for v in sample.variables():
        gradient = reverse(loss, [v]).results[v]
        if gradient is None:
            continue
        yield f"gradient by {v.name}", gradient
        second = reverse(gradient, [v]).results[v] if gradient.rank + v.rank <= 4 else None
        jacobian = reverse(node, [v]).results[v] if node.rank + v.rank <= 4 else None
        t = variable("t_" + v.name, v.shape)
        values[t.name] = rng.normal(size=values[v.name].shape)
        for name, found in (("second derivative", second), ("jacobian", jacobian), ("pushforward", forward(node, {v: t}))):
            if found is not None:
                yield f"{name} by {v.name}", found


@pytest.mark.parametrize("sample", samples(), ids=str)
def test_program_is_the_executor(sample: Sample) -> None:
    rng = np.random.default_rng(1)
    values = sample.values(rng)
    for what, node in derived(sample, values, rng):
        sizes = {**sizes_of(sample.node(), values), **sizes_of(node, values)}
        program = compile_nodes(None, {"y": node}, {}, functions=FUNCTIONS, sizes=sizes)
        assert disagreement(node, values, sizes, program) < 1e-10, f"{what}\n{program.source}"
        assert program.source == compile_nodes(None, {"y": node}, {}, functions=FUNCTIONS, sizes=sizes).source
        assert max(map(len, program.source.splitlines())) < 115, program.source


def test_a_wrong_program_is_found() -> None:
    x = variable("x", ("n",))
    values = {"x": np.arange(3.0)}
    wrong = compile_nodes(None, {"y": map_function("sin", x)}, {})
    assert disagreement(map_function("cos", x), values, {}, wrong) > 0.1
    longer = compile_nodes(None, {"y": product([(x, "i"), (x, "j")], "ij")}, {})
    assert disagreement(map_function("cos", x), values, {}, longer) == float("inf")


# ---------------------------------------------------------------------- a network
def mlp(layers: int, activation: str = "tanh") -> tuple[Node, dict[str, Node], dict[Node, str]]:
    """A squared error over examples: (loss, parameters by name, names)."""
    x, t = variable("x", ("N", "D")), variable("t", ("N", "K"))
    h, names, params = x, {x: "x", t: "t"}, dict[str, Node]()
    widths = ["D", *["H"] * layers, "K"]
    for n in range(1, layers + 2):
        w, b = variable(f"W{n}", tuple(widths[n - 1:n + 1]), "param"), variable(f"b{n}", (widths[n],), "param")
        params |= {w.name: w, b.name: b}
        z = add([(product([(h, "ij"), (w, "jk")], "ik"), "ij"), (b, "j")], "ij")
        names[z] = f"z{n}"
        h = map_function(activation, z) if n <= layers else z
        names.setdefault(h, f"h{n}")
    e = subtract((h, "ij"), (t, "ij"), "ij")
    loss = divide((product([(e, "ij"), (e, "ij")], ""), ""), (size_node("N"), ""), "")
    return loss, params, {**names, e: "e", loss: "loss"}


def compiled(layers: int, **options: object) -> tuple[Program, Node, dict[str, Node]]:
    loss, params, names = mlp(layers)
    sweep = reverse(loss, list(params.values()))
    gradients = {k: g for k, w in params.items() if (g := sweep.results[w]) is not None}
    called = {**names, **{c: f"d_{names[n]}" for n, c in sweep.cotangents.items() if n in names}}
    return compile_nodes(loss, gradients, called, **options), loss, gradients  # type: ignore[arg-type]  # keywords are passed on


def values_of(nodes: list[Node], sizes: Mapping[str, int], kind: type[np.floating] = np.float64) -> dict[str, Array]:
    rng = np.random.default_rng(2)
    leaves = [n for n in topological(nodes) if isinstance(n.data, Variable)]
    return {n.name: rng.normal(size=[sizes[str(s)] for s in n.shape]).astype(kind) for n in leaves}


SIZES = {"N": 5, "D": 4, "H": 3, "K": 2}

SOURCE = '''\
import numpy as np


def f(*, x, W1, b1, W2, b2, t):
    N = x.shape[0]
    z1 = x @ W1 + b1                                  # N x H
    h1 = np.tanh(z1)                                  # N x H
    z2 = h1 @ W2 + b2                                 # N x K
    e = z2 - t                                        # N x K
    loss = np.vdot(e, e) / N
    d_e = 2 / N * e                                   # N x K
    d_h1 = d_e @ W2.T                                 # N x H
    d_W2 = h1.T @ d_e                                 # H x K
    d_b2 = d_e.sum(axis=0)                            # K
    d_z1 = (1 - h1**2) * d_h1                         # N x H
    d_W1 = x.T @ d_z1                                 # D x H
    d_b1 = d_z1.sum(axis=0)                           # H
    return loss, {"W1": d_W1, "b1": d_b1, "W2": d_W2, "b2": d_b2}
'''


def test_source_reads_like_hand_written_code() -> None:
    assert compiled(1)[0].source == SOURCE


def test_value_and_gradients_of_a_network() -> None:
    program, loss, gradients = compiled(2)
    values = values_of([loss], SIZES)
    expected = execute([loss, *gradients.values()], values)
    for _ in range(2):                                     # checked first, then the quick way
        value, found = program(**values)
        np.testing.assert_allclose(value, expected[loss], rtol=1e-12)
        assert value.shape == ()
        for name, g in gradients.items():
            np.testing.assert_allclose(found[name], expected[g], rtol=1e-10, atol=1e-14)


def test_single_precision_stays_single() -> None:
    program, loss, _ = compiled(1)
    value, found = program(**values_of([loss], SIZES, np.float32))
    assert {value.dtype, *(a.dtype for a in found.values())} == {np.dtype(np.float32)}
    mixed = values_of([loss], SIZES, np.float32) | {"x": np.ones((5, 4))}
    assert program(**mixed)[0].dtype == np.float64
    np.testing.assert_allclose(value, program(**values_of([loss], SIZES))[0], rtol=1e-5)


def test_whole_numbers_and_lists_are_taken() -> None:
    x = variable("x", ("n",))
    program = compile_nodes(None, {"y": product([(x, "i"), (x, "i")], "")}, {})
    assert program(x=[1, 2, 3]) == {"y": 14.0}
    assert program(x=np.array([1, 2, 3]))["y"].dtype == np.float64


def test_errors_say_what_to_do() -> None:
    program, loss, _ = compiled(1)
    values = values_of([loss], SIZES)
    for _ in range(2):
        with pytest.raises(MissingValueError, match="no value for b1"):
            program(**{k: v for k, v in values.items() if k != "b1"})
        with pytest.raises(InputError, match=r"no variable 'w1'; did you mean .*W1"):
            program(**values, w1=1.0)
        with pytest.raises(InputError, match="complex"):
            program(**{**values, "x": values["x"] * 1j})
        with pytest.raises(InputError, match="axis 1 of t has length 6"):
            program(**{**values, "t": np.zeros((6, 2))})
        with pytest.raises(InputError, match="needs 2 axes"):
            program(**{**values, "x": np.zeros(3)})
        program(**values)


def test_a_missing_function_or_size_is_named() -> None:
    x = variable("x", ("n",))
    with pytest.raises(MissingValueError, match="the function g has no value"):
        compile_nodes(None, {"y": map_function("g", x)}, {})
    seed = reverse(x, [x]).results[x]
    assert seed is not None
    with pytest.raises(MissingValueError, match="the size n follows from no array"):
        compile_nodes(None, {"y": seed}, {})
    np.testing.assert_array_equal(compile_nodes(None, {"y": seed}, {}, sizes={"n": 3})()["y"], np.eye(3))


def test_unknown_functions_bear_their_names() -> None:
    x = variable("x", ("n",))
    y = map_function("g", x)
    gradient = reverse(product([(y, "i")], ""), [x]).results[x]
    assert gradient is not None
    program = compile_nodes(None, {"y": gradient}, {}, functions=function_values({"g": (np.sin, np.cos)}))
    assert "dg(x)" in program.source
    np.testing.assert_allclose(program(x=np.arange(3.0))["y"], np.cos(np.arange(3.0)))


def test_zeros_and_results_that_are_arguments() -> None:
    x, w = variable("x", ("n",)), variable("w", ("n", "m"))
    results = {"x": x, "again": x, "t": product([(w, "ij")], "ji")}
    program = compile_nodes(product([(x, "i"), (w, "ij")], ""), results, {}, zeros={"z": ("m", "n"), "s": ()})
    values = {"x": np.arange(3.0), "w": np.ones((3, 2))}
    value, found = program(**values)
    assert value == 6.0
    assert found["z"].shape == (2, 3)
    assert found["s"].shape == ()
    assert not found["z"].any()
    for name in ("x", "again", "t"):
        assert not any(np.shares_memory(found[name], a) for a in (*values.values(), *(b for k, b in found.items() if k != name)))


def test_numbers_are_computed_without_arrays() -> None:
    x, w = variable("x", ()), variable("w", ())
    h = map_function("tanh", product([(w, ""), (x, "")], ""))
    loss = power((h, ""), (number_node(2), ""), "")
    gradient = reverse(loss, [w]).results[w]
    assert gradient is not None
    program = compile_nodes(loss, {"w": gradient}, {h: "h"})
    assert "h = math.tanh(w * x)" in program.source
    assert "np." not in program.source.split("def f")[1]
    value, found = program(x=0.5, w=2.0)
    np.testing.assert_allclose([value, found["w"]], [np.tanh(1.0) ** 2, 2 * np.tanh(1.0) * (1 - np.tanh(1.0) ** 2) * 0.5])


def test_what_math_refuses_is_infinite_or_nan_as_in_arrays() -> None:
    x = variable("x", ())
    nodes = {"log": map_function("log", x), "exp": map_function("exp", scaled(x, -1)), "over": power((x, ""), (number_node(-1), ""), "")}
    program = compile_nodes(None, nodes, {})
    for _ in range(2):
        found = program(x=0.0)
        assert (found["log"], found["exp"], found["over"]) == (-np.inf, 1.0, np.inf)
    assert program(x=-1000.0)["exp"] == np.inf


def test_no_overflow_where_the_textbook_formula_has_one() -> None:
    z = variable("z", ("n", "k"))
    w = variable("w", ("n", "k"))
    values = {"z": np.array([[1000.0, 0.0, -1000.0]]), "w": np.array([[0.0, 1.0, 0.0]])}
    tested = [reduce(name, z, [1]) for name in ("softmax", "log_softmax")] + [map_function(f, z) for f in ("sigmoid", "softplus")]
    for node in tested:
        loss = product([(node, "ij"), (w, "ij")], "")
        gradient = reverse(loss, [z]).results[z]
        assert gradient is not None
        assert np.all(np.isfinite(compile_nodes(None, {"y": node}, {})(z=values["z"])["y"]))
        assert np.all(np.isfinite(compile_nodes(None, {"y": gradient}, {})(**values)["y"]))


def test_deltas_are_written_to_diagonals() -> None:
    a = variable("A", ("n", "m"))
    jacobian = reverse(map_function("tanh", a), [a]).results[a]
    assert jacobian is not None
    source = compile_nodes(None, {"J": jacobian}, {}).source
    assert 'np.einsum("ijij->ij", d_J)[...]' in source
    assert "np.eye" not in source


def test_names_that_python_or_the_program_need() -> None:
    names = ["lambda", "f", "np", "softmax", "u1", "quick"]
    nodes = [variable(n, ("n",)) for n in names]
    y = reduce("softmax", add([(n, "i") for n in nodes], "i"))
    program = compile_nodes(None, {"y": y}, {y: "max"})
    values = {n: np.arange(3.0) for n in names}
    for _ in range(2):
        np.testing.assert_allclose(program(**values)["y"], execute([y], values)[y])


def test_compiling_is_linear_in_depth() -> None:
    def seconds(layers: int) -> float:
        loss, params, names = mlp(layers)
        sweep = reverse(loss, list(params.values()))
        gradients = {k: g for k, w in params.items() if (g := sweep.results[w]) is not None}
        start = time.process_time()
        compile_nodes(loss, gradients, names)
        return time.process_time() - start
    seconds(10)
    short, long = seconds(250), seconds(2000)
    assert long < 20 * short + 0.5                         # 8 times the layers
    assert long < 15
