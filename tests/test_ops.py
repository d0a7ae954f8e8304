"""Every op of the library against independent numbers: first and second derivatives, at random sizes, zeros, kinks and huge values."""
from __future__ import annotations

import ast
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import catalog
import numpy as np
import pytest
from catalog import FUNCTIONS, ROWS, Sample, lifted, samples
from conftest import ROOT
from witness import adjoint_error, derivative_errors, distance, jvp_error, numeric, value

from symgrad.core import functions as scalar_functions
from symgrad.core.node import Node, apply, topological, variable
from symgrad.core.op import Derived, Op, make_op, structured_op
from symgrad.core.symbols import from_sympy
from symgrad.derive.reverse import reverse
from symgrad.ops import kernels, rows
from symgrad.ops.arithmetic import map_function
from symgrad.ops.kernels import Array
from symgrad.ops.rows import library_op
from symgrad.run import evaluate
from symgrad.run.evaluate import evaluate_op

SAMPLES = samples()
TOLERANCE = 3e-8
by_name = pytest.mark.parametrize("sample", SAMPLES, ids=str)


def seeded(sample: Sample, salt: int = 0) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(sample.name.encode()), salt])


def refuse(errors: dict[str, float]) -> None:
    wrong = {k: e for k, e in errors.items() if not e < TOLERANCE}
    assert not wrong, wrong


# ---------------------------------------------------------------------- numbers
@by_name
def test_derivatives_agree_with_differences(sample: Sample) -> None:
    rng = seeded(sample)
    refuse(derivative_errors(sample.node(), sample.variables(), sample.values(rng), rng))


@by_name
def test_forward_and_reverse_mode_agree(sample: Sample) -> None:
    rng = seeded(sample, 1)
    node, values = sample.node(), sample.values(rng)
    refuse({f"{check.__name__} {v.name}": check(node, v, values, rng) for v in sample.variables() for check in (jvp_error, adjoint_error)})


@by_name
def test_sizes_of_one(sample: Sample) -> None:
    rng = seeded(sample, 2)
    refuse(derivative_errors(sample.node(), sample.variables(), sample.values(rng, (1, 1, 1, 1)), rng, second=False))


LIFTABLE = [s for s in SAMPLES if s.stacks and s.node().op.origin is None and s.node().operands[: s.node().op.arity] == s.variables()]


def liftings(sample: Sample) -> list[Sample]:
    """The op over rows: leading axes on all operands, two on the first, one on the first alone, on the last alone, and one on each."""
    rest = len(sample.shapes) - 1
    ways = [("a", *("a",) * rest), ("ab", *("b",) * rest)]
    if rest:
        ways += [("a", *("",) * rest), (*("",) * rest, "a"), ("a", *("b",) * rest)]
    return [lifted(sample, leads) for leads in ways]


@pytest.mark.parametrize("plain", LIFTABLE, ids=str)
def test_lifted_ops(plain: Sample) -> None:
    for sample in liftings(plain):
        rng = seeded(sample)
        values = sample.values(rng, (2, 1, 3, 2, 3, 1))
        node = sample.node()
        refuse(derivative_errors(node, sample.variables(), values, rng, second=node.rank <= 2))
        refuse({f"jvp {v.name}": jvp_error(node, v, values, rng) for v in sample.variables()})


@pytest.mark.parametrize("plain", LIFTABLE, ids=str)
def test_a_lifted_op_is_the_op_on_each_row(plain: Sample) -> None:
    """The value along the leading axes is the op applied to every slice: what `lift` means."""
    for sample in liftings(plain):
        values = sample.values(seeded(sample, 3), (2, 1, 3, 2, 3, 1))
        node, got = sample.node(), value(sample.node(), values)
        root = root_of(node.op)
        leads = [shape[: len(shape) - rank] for shape, rank in zip(sample.shapes, root.ranks, strict=True)]
        letters = sorted(set("".join(leads)))
        sizes = {x: values[f"x{k}"].shape[lead.index(x)] for k, lead in enumerate(leads) for x in lead}
        for at in np.ndindex(*[sizes[x] for x in letters]):
            place = dict(zip(letters, at, strict=True))
            slices = {f"x{k}": values[f"x{k}"][tuple(place[x] for x in lead)] for k, lead in enumerate(leads)}
            one = apply(root, *[variable(name, s.shape) for name, s in slices.items()])
            assert distance(got[at], value(one, slices)) < 1e-12


def test_lifting_twice_is_lifting_over_two_axes() -> None:
    """Kernels and lines are those of the op it was lifted from, however often."""
    for name in ROWS:
        op = library_op(name)
        others = ((),) * (op.arity - 1)
        twice, once = op.lift([(0,), *others]).lift([(0,), *others]), op.lift([(0, 1), *others])
        operands = (variable("x", (2, 3, 4)), *(variable(f"e{k}", ()) for k in range(len(others))))
        values = {v.name: np.full(v.shape, 800.0) if v.rank else np.asarray(1.0) for v in operands}
        assert distance(value(apply(twice, *operands), values), value(apply(once, *operands), values)) < 1e-14
        assert twice is once


def root_of(op: Op) -> Op:
    return root_of(op.origin[0]) if op.origin else op


# ---------------------------------------------------------------------- values
def _standardised(x: Array, eps: Array) -> Array:
    return (x - x.mean()) / np.sqrt(x.var() + eps)


REFERENCE: dict[str, Callable[..., Array]] = {
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(), "log_softmax": lambda z: z - np.log(np.exp(z).sum()),
    "logsumexp": lambda z: np.log(np.exp(z).sum()), "standardise": _standardised,
    "root_mean_square": lambda x, eps: np.sqrt((x**2).mean() + eps), "mean": np.mean, "variance": np.var,
    "norm1": lambda x: np.abs(x).sum(), "norm2": lambda x: np.sqrt((x**2).sum()), "square_sum": lambda x: (x**2).sum(),
}
"""What every row of the library means, said a second time in NumPy over a whole array."""


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("axes", [1, 2])
def test_a_row_means_what_numpy_says(name: str, axes: int) -> None:
    sample = next(s for s in SAMPLES if s.name == (name if axes == 1 else f"{name} of whole matrix"))
    values = sample.values(seeded(sample, 4))
    want = REFERENCE[name](*[values[f"x{k}"] for k in range(len(sample.shapes))])
    assert distance(value(sample.node(), values), np.asarray(want)) < 1e-14


def definition(op: Op) -> Op:
    """The op's equation under a name that no kernel has: what the executor computes from the equation alone."""
    return make_op("definition", op.ranks, op.out, op.body or (), op.where)


@pytest.mark.parametrize("name", [n for n in ROWS if n in kernels.KERNELS or any(k.startswith(f"{n}.") for k in kernels.KERNELS)])
@pytest.mark.parametrize("axes", [1, 2])
def test_a_kernel_computes_its_equation(name: str, axes: int) -> None:
    op = library_op(name, axes)
    x = variable("x", tuple("nm"[:axes]))
    values = {"x": np.random.default_rng(5).normal(size=(4, 3)[:axes])}
    assert distance(value(apply(op, x), values), value(apply(definition(op), x), values)) < 1e-14


@pytest.mark.parametrize("name", scalar_functions.EQUATIONS)
def test_a_function_computes_its_equation(name: str) -> None:
    body = from_sympy(scalar_functions.defined_equation(name), {"z": 0})
    z = np.concatenate([np.linspace(-5, 5, 41), [1e-9, -1e-9]])
    z = z[z > -1] if name == "log1p" else z
    op = make_op("definition", (0,), (), body)
    want = np.array([evaluate_op(op, [np.asarray(v)], (), {}) for v in z])
    assert distance(kernels.FUNCTIONS[name](z), want) < 1e-14


def kernel_of(name: str) -> Callable[..., Array]:
    return kernels.FUNCTIONS[name]


def test_every_function_has_a_kernel_and_every_kernel_a_function() -> None:
    assert set(kernels.FUNCTIONS) == set(FUNCTIONS)


# ---------------------------------------------------------------------- nothing is forgotten, nothing is typed by hand
def reached() -> set[str]:
    """Names of all ops in the samples' graphs and in those of their gradients and Hessians."""
    graphs = [s.node() for s in SAMPLES]
    for node, sample in zip(tuple(graphs), SAMPLES, strict=True):
        wrt = sample.variables()
        first = [g for g in reverse(node, wrt, variable("cotangent", node.shape)).results.values() if g is not None]
        graphs += [*first, *(h for g in first for h in reverse(g, wrt, variable("second", g.shape)).results.values() if h is not None)]
    return {n.op.name for n in topological(graphs)}


CONSTANT = {"ones", "zeros", "eye", "delta", "variable", "number", "size"}
"""Ops without operands: there is nothing to differentiate."""


def literal_names(folder: Path) -> Iterator[str]:
    """The names that ops/ gives to the ops it makes: every text in the first argument of make_op and structured_op."""
    for path in sorted(folder.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"make_op", "structured_op"}:
                first = call.args[0]
                named = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                yield from (c.value for c in named if isinstance(c, ast.Constant) and isinstance(c.value, str))


def product_names() -> set[str]:
    """What `product_name` can return."""
    tree = ast.parse((ROOT / "symgrad/core/naming.py").read_text())
    function = next(f for f in tree.body if isinstance(f, ast.FunctionDef))
    returned = [r.value for r in ast.walk(function) if isinstance(r, ast.Return) and r.value is not None]
    def texts(e: ast.expr) -> Iterator[str]:
        if isinstance(e, ast.IfExp):
            yield from (*texts(e.body), *texts(e.orelse))
        elif isinstance(e, ast.Call):
            yield from (c.value for c in ast.walk(e) if isinstance(c, ast.Constant) and isinstance(c.value, str))
        elif isinstance(e, ast.Constant) and isinstance(e.value, str):
            yield e.value
    return {name for e in returned for name in texts(e)}


def test_every_op_has_a_sample() -> None:
    names = reached()
    assert {n for n in literal_names(ROOT / "symgrad/ops") if not n.endswith("'")} <= names | CONSTANT      # f': the pullback of f
    assert product_names() <= names | CONSTANT
    assert set(rows.EQUATIONS) | set(kernels.STRUCTURED) | set(FUNCTIONS) <= names | {f"others{k}" for k in range(3, 7)}
    assert set(REFERENCE) == set(ROWS)


def test_a_new_row_without_operands_to_try_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rows.EQUATIONS, "cubes", "(x): y = sum[j](x[j]^3)")
    assert not set(rows.EQUATIONS) <= reached()
    monkeypatch.setattr(catalog, "ROWS", tuple(rows.EQUATIONS))
    assert any(s.name == "cubes of columns" for s in samples())


def functions_that_build_rules(folder: Path) -> tuple[set[str], set[str]]:
    """(functions that call Derived, functions given to structured_op) in the modules of a folder."""
    builders: set[str] = set()
    declared: set[str] = set()
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        held: set[int] = set()
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "structured_op":
                declared |= {n.id for a in call.args for n in ast.walk(a) if isinstance(n, ast.Name)}
                held |= {id(n) for a in call.args for n in ast.walk(a)}
        for f in ast.walk(tree):
            if isinstance(f, ast.FunctionDef | ast.Module):
                inner = [g for g in ast.walk(f) if isinstance(g, ast.FunctionDef) and g is not f]
                apart = {id(n) for g in inner for n in ast.walk(g)} | held
                own = [c.func for c in ast.walk(f) if isinstance(c, ast.Call) and id(c) not in apart]
                if any(isinstance(c, ast.Name) and c.id == "Derived" for c in own):
                    builders.add(f.name if isinstance(f, ast.FunctionDef) else path.name)
    return builders, declared


def test_only_structured_ops_declare_their_pullback(tmp_path: Path) -> None:
    builders, declared = functions_that_build_rules(ROOT / "symgrad/ops")
    assert builders <= declared
    (tmp_path / "planted.py").write_text("def _tanh_rule(k):\n    return Derived(make_op('tanh', (0, 0), (), ()), ('C', 'Y'))\n")
    builders, declared = functions_that_build_rules(tmp_path)
    assert builders - declared == {"_tanh_rule"}


@by_name
def test_an_op_with_an_equation_has_no_rule(sample: Sample) -> None:
    for node in topological([sample.node()]):
        assert (node.op.rule is None) == (node.op.body is not None)


# ---------------------------------------------------------------------- each checker is fed a wrong answer
def test_a_wrong_rule_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = make_op("wrong'", (1, 1), ("i",), ("*", (("r", 0, ("i",)), ("r", 1, ("i",)))))
    op = structured_op("wrong_sine", [("x",)], ("x",), lambda _: Derived(wrong, ("C", 0)))
    monkeypatch.setitem(kernels.STRUCTURED, "wrong_sine", np.sin)
    x = variable("x", ("n",))
    rng = np.random.default_rng(8)
    errors = derivative_errors(apply(op, x), [x], {"x": rng.normal(size=3)}, rng)
    assert errors["J x"] > 0.01 and errors["g x"] > 0.01
    with pytest.raises(AssertionError):
        refuse(errors)


def softmax_jacobian(x: Node, values: dict[str, Array]) -> Array:
    jacobian = reverse(apply(library_op("softmax"), x), [x]).results[x]
    assert jacobian is not None
    return value(jacobian, values)


def test_a_wrong_equation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivative is the equation's: with a wrong row it no longer fits the kernel."""
    x = variable("x", ("n",))
    rng = np.random.default_rng(9)
    values = {"x": rng.normal(size=4)}
    right = softmax_jacobian(x, values)
    monkeypatch.setitem(rows.EQUATIONS, "softmax", "(z): s[i] = exp(2*z[i]) / sum[j](exp(z[j]))")
    rows.library_op.cache_clear()
    evaluate._kernel.cache_clear()
    try:
        node = apply(library_op("softmax"), x)
        refused = derivative_errors(node, [x], values, rng)
        assert distance(softmax_jacobian(x, values), right) > 0.01
    finally:
        monkeypatch.undo()
        rows.library_op.cache_clear()
        evaluate._kernel.cache_clear()
    assert min(refused.values()) > 0.01


def test_distance_refuses_what_is_no_answer() -> None:
    one = np.ones(2)
    assert distance(one, one) == 0.0
    assert distance(np.array([1.0, np.nan]), one) == np.inf
    assert distance(np.array([1.0, np.inf]), np.array([1.0, np.inf])) == np.inf
    assert distance(np.ones((2, 1)), one) == np.inf
    assert distance(one, one + 1e-3) > 1e-4
    with pytest.raises(AssertionError):
        refuse({"nan": float("nan")})


def test_forward_checkers_refuse_a_wrong_pushforward(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = next(s for s in SAMPLES if s.name == "tanh")
    rng = seeded(sample)
    node, values = sample.node(), sample.values(rng)
    (x,) = sample.variables()
    wrong = Derived(make_op("T", (2,), ("i", "j"), ("r", 0, ("i", "j"))), ("T",))
    monkeypatch.setattr("symgrad.derive.forward.pushforward", lambda op, k: wrong)
    assert jvp_error(node, x, values, rng) > 0.01 and adjoint_error(node, x, values, rng) > 0.01
    monkeypatch.setattr("symgrad.derive.forward.pushforward", lambda op, k: None)
    assert jvp_error(node, x, values, rng) > 0.01 and adjoint_error(node, x, values, rng) == np.inf


def test_numeric_derivatives_know_a_slope() -> None:
    x = variable("x", ("n",))
    got = numeric(map_function("sin", x), x, {"x": np.array([0.3, -1.2])})
    assert distance(got, np.diag(np.cos([0.3, -1.2]))) < 1e-11
