"""Every op that PyTorch or JAX has against their derivatives, first and second order; what they lack is listed with the reason."""
from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from catalog import CONVOLUTIONS, FUNCTIONS, ROWS, TRANSPOSED, Sample, samples
from witness import distance, value, weighted

from symgrad.core.node import Node
from symgrad.derive.reverse import reverse
from symgrad.ops.kernels import Array

pytestmark = pytest.mark.oracle

Oracle = Callable[..., object]
SAMPLES = {s.name: s for s in samples()}
TOLERANCE = 1e-10                                          # PyTorch's binary cross-entropy adds 1e-12


def torch_functions(torch: ModuleType) -> dict[str, Oracle]:
    """Function name -> PyTorch's."""
    F = torch.nn.functional
    plain = "exp log sin cos tan sinh cosh tanh erf abs sign sigmoid log1p expm1 sqrt relu".split()
    return {
        **{name: getattr(torch, name) for name in plain}, "arcsin": torch.asin, "arccos": torch.acos, "arctan": torch.atan,
        "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu, "mish": F.mish, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu,
        "hardtanh": F.hardtanh,
    }


def jax_functions(jax: ModuleType) -> dict[str, Oracle]:
    """Function name -> JAX's."""
    np_, nn = jax.numpy, jax.nn
    plain = "exp log sin cos tan arcsin arccos arctan sinh cosh tanh abs sign log1p expm1 sqrt".split()
    return {
        **{name: getattr(np_, name) for name in plain}, "erf": jax.scipy.special.erf,
        **{name: getattr(nn, name) for name in "sigmoid softplus silu mish leaky_relu elu selu relu".split()},
        "gelu": lambda z: nn.gelu(z, approximate=False), "hardtanh": nn.hard_tanh,
    }


WITHOUT_FUNCTION = {"step": "neither has a step function with a derivative (torch.heaviside and jnp.heaviside have none)"}
WITHOUT_ROW = {
    "root_mean_square": "a piece of RMS normalisation: both have the whole layer only; written out in the table",
    "square_sum": "both write it as a sum of a product; so does the table",
    "standardise": "JAX has layer normalisation in its network libraries only; the table writes it out, PyTorch's is used as it is",
}
"""Rows that have no function of their own name in one of the two; the tables compose them."""


def torch_rows(torch: ModuleType) -> dict[str, Oracle]:
    """Row name -> PyTorch's over the given axes (a list)."""
    F = torch.nn.functional
    def all_at_once(f: Oracle) -> Oracle:
        """A function of the last axis, over several: they are flattened."""
        def run(x: object, axes: list[int]) -> object:
            kept = [a for a in range(x.ndim) if a not in axes]  # type: ignore[attr-defined]  # a tensor
            moved = x.permute(*kept, *axes)  # type: ignore[attr-defined]  # a tensor
            flat = f(moved.reshape(*moved.shape[: len(kept)], -1))
            return flat.reshape(moved.shape).permute(*np.argsort([*kept, *axes]).tolist())  # type: ignore[attr-defined]  # a tensor
        return run
    def standardise(x: object, axes: list[int], eps: object) -> object:
        mean = x.mean(axes, keepdim=True)  # type: ignore[attr-defined]  # a tensor
        return (x - mean) / torch.sqrt(x.var(axes, unbiased=False, keepdim=True) + eps)  # type: ignore[attr-defined, operator]  # tensors
    return {
        "softmax": all_at_once(lambda z: F.softmax(z, -1)), "log_softmax": all_at_once(lambda z: F.log_softmax(z, -1)),
        "logsumexp": torch.logsumexp, "standardise": standardise,
        "root_mean_square": lambda x, axes, eps: torch.sqrt((x * x).mean(axes) + eps),
        "mean": torch.mean, "variance": lambda x, axes: torch.var(x, axes, unbiased=False),
        "norm1": lambda x, axes: x.abs().sum(axes), "norm2": lambda x, axes: torch.linalg.vector_norm(x, dim=axes),
        "square_sum": lambda x, axes: (x * x).sum(axes),
    }


def jax_rows(jax: ModuleType) -> dict[str, Oracle]:
    """Row name -> JAX's over the given axes."""
    np_, nn = jax.numpy, jax.nn
    return {
        "softmax": nn.softmax, "log_softmax": nn.log_softmax, "logsumexp": nn.logsumexp,
        "standardise": lambda x, a, eps: (x - np_.mean(x, a, keepdims=True)) / np_.sqrt(np_.var(x, a, keepdims=True) + eps),
        "root_mean_square": lambda x, a, eps: np_.sqrt(np_.mean(x * x, a) + eps), "mean": np_.mean, "variance": np_.var,
        "norm1": lambda x, a: np_.sum(np_.abs(x), a), "norm2": lambda x, a: np_.sqrt(np_.sum(x * x, a)),
        "square_sum": lambda x, a: np_.sum(x * x, a),
    }


ROW_AXES = {"": [0], " of rows": [1], " of columns": [0], " of whole matrix": [0, 1], " of outer axes": [0, 2]}
MATRICES = {"inv": "inv", "det": "det", "pinv": "pinv"}
PRODUCTS = {
    "matmul": "ij,jk->ik", "matvec": "ij,j->i", "dot": "i,i->", "inner": "ij,ij->", "outer": "i,j->ij", "times": "ij,ij->ij",
    "scale": ",ij->ij", "matmul of transposes": "ji,kj->ik", "contraction of three": "i,ij,j->", "batched matmul": "nij,njk->nik",
    "trace of a product": "ij,ji->", "rows by factors": "ij,j->ij", "transpose": "ij->ji", "diagonal": "ii->i", "trace": "ii->",
    "sum": "ij->j",
}
BOTH: dict[str, Oracle] = {
    "broadcast": lambda x, y: x[:, None] + y, "identity": lambda x: x * 1.0, "one operand twice": lambda x: x @ x,
    "add": lambda x, y: x + y, "add a row": lambda x, y: x + y, "add crosswise": lambda x, y, z: x[:, None] + y + z,
    "subtract": lambda x, y: x - y,
    "negate": lambda x: -x, "half": lambda x: x / 2, "divide": lambda x, y: x / y, "divide rows": lambda x, y: x / y[:, None],
    **{f"power {e}": lambda x, e=e: x**e for e in (2, 3, -1, -2)},
    "power": lambda x, y: x**y, "powers": lambda x, y: x**y, "base to powers": lambda x, y: x**y,
}
"""What is written alike in both."""


def torch_arrays(torch: ModuleType) -> dict[str, Oracle]:
    """Sample name -> PyTorch's, for convolutions, losses and normalisations: functions that jax.numpy has not."""
    F = torch.nn.functional
    def convolution(x: object, w: object, stride: int, padding: int, dilation: int, groups: int = 1) -> object:
        return F.conv1d(x[None], w, None, stride, padding, dilation, groups)[0]  # type: ignore[index]  # a tensor
    def attend(q: object, k: object, v: object, mask: object = None) -> object:
        return F.scaled_dot_product_attention(q, k, v, mask)
    def binary(f: Oracle) -> Oracle:
        return lambda y, p: f(p, y)
    def classes(f: Oracle) -> Oracle:
        return lambda y, p: -(y * f(p)).sum(-1)
    one_by_one: dict[str, Oracle] = {
        "mse": lambda y, p: (p - y) ** 2, "mae": lambda y, p: (p - y).abs(), "hinge": lambda y, p: F.relu(1 - y * p),
        "bce": binary(lambda p, y: F.binary_cross_entropy(p, y, reduction="none")),
        "bce_logits": binary(lambda p, y: F.binary_cross_entropy_with_logits(p, y, reduction="none")),
    }
    by_class: dict[str, Oracle] = {
        "cross_entropy": classes(torch.log), "cross_entropy_logits": lambda y, z: F.cross_entropy(z, y, reduction="none"),
        "kl": lambda p, q: F.kl_div(q.log(), p, reduction="none").sum(-1),
    }
    def norm(h: object, g: object, b: object, eps: object, axes: list[int]) -> object:
        """Layer and batch norm with eps as a tensor: PyTorch's own take a number only."""
        d = h - h.mean(axes, keepdim=True)  # type: ignore[attr-defined, operator]  # a tensor
        return d / torch.sqrt((d * d).mean(axes, keepdim=True) + eps) * g + b
    return {
        **{"conv1d stride {}, padding {}, dilation {}".format(*s): lambda x, w, s=s: convolution(x, w, *s) for s in CONVOLUTIONS},
        "conv1d examples": lambda x, w: F.conv1d(x, w, None, 1, 1), "conv1d groups": lambda x, w: convolution(x, w, 1, 1, 1, 2),
        "conv2d": lambda x, w: F.conv2d(x[None], w, None, 2, 1)[0],
        **{"conv_transpose1d stride {}, padding {}, output padding {}, dilation {}".format(*s): lambda x, w, s=s: F.conv_transpose1d(
            x[None], w, None, *s[:3], 1, s[3])[0] for s in TRANSPOSED},
        "conv_transpose1d groups": lambda x, w: F.conv_transpose1d(x[None], w, None, 2, 1, 0, 2)[0],
        "conv_transpose2d": lambda x, w: F.conv_transpose2d(x[None], w, None, 2, 1)[0],
        "pool max with padding": lambda x: F.max_pool1d(x[None], 3, 2, 1)[0], "pool mean with padding": lambda x: F.avg_pool1d(x[None], 3, 2, 1)[0],
        "pool max of all places": lambda x: F.adaptive_max_pool2d(x[None], 1)[0, :, 0, 0],
        "pool mean of all places": lambda x: F.adaptive_avg_pool2d(x[None], 1)[0, :, 0, 0],
        "batchnorm with stored statistics": lambda h, g, b, m, v, e: (h - m) / torch.sqrt(v + e) * g + b,   # PyTorch's own gives no slope by m and v
        "infonce": lambda a, b: F.cross_entropy(a @ b.T / 2, torch.arange(len(a))),
        "embedding": lambda c, e: F.embedding(c.detach().long() - 1, e),
        "attention causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        "pool max": lambda x: F.max_pool1d(x[None], 2, 2)[0], "pool mean": lambda x: F.avg_pool1d(x[None], 2, 2)[0],
        "pool max of planes": lambda x: F.max_pool2d(x[None], 3, 1)[0], "pool mean of planes": lambda x: F.avg_pool2d(x[None], 3, 1)[0],
        "pool over windows that meet": lambda x: F.avg_pool1d(x[None, None], 3, 1)[0, 0],
        **{name: lambda y, p, f=f: f(y, p).mean() for name, f in one_by_one.items()},
        **{f"{name} of each example": lambda y, p, f=f: f(y, p).mean(-1) for name, f in one_by_one.items()},
        **{name: lambda y, p, f=f: f(y, p).mean() for name, f in by_class.items()},
        **{f"{name} of each example": f for name, f in by_class.items()},
        "layernorm": lambda h, g, b, e: norm(h, g, b, e, [1]), "batchnorm": lambda h, g, b, e: norm(h, g, b, e, [0]),
        "instancenorm": lambda h, g, b, e: norm(h, g[:, None], b[:, None], e, [2]),
        "rmsnorm": lambda h, g, e: h / torch.sqrt((h * h).mean(-1, keepdim=True) + e) * g,
        "attention": attend, "attention heads": attend,
    }


def extrema(library: str, module: ModuleType) -> dict[str, Oracle]:
    """Maximum, minimum and product over the axes of each sample."""
    def over(name: str, axes: list[int]) -> Oracle:
        if library == "jax":
            return lambda x: getattr(module.numpy, name)(x, axis=tuple(axes))
        if name == "prod":
            return lambda x: _torch_product(x, axes)
        return lambda x: getattr(torch_flat(x, axes), name)(-1).values  # type: ignore[attr-defined]  # a tensor
    return {name + where: over(name, axes) for name in ("max", "min", "prod") for where, axes in ROW_AXES.items()}


def torch_flat(x: object, axes: list[int]) -> object:
    """The axes as one last axis."""
    kept = [a for a in range(x.ndim) if a not in axes]  # type: ignore[attr-defined]  # a tensor
    return x.permute(*kept, *axes).reshape(*[x.shape[a] for a in kept], -1)  # type: ignore[attr-defined]  # a tensor


def _torch_product(x: object, axes: list[int]) -> object:
    return torch_flat(x, axes).prod(-1)  # type: ignore[attr-defined]  # a tensor


def table(library: str) -> dict[str, Oracle]:
    """Sample name -> the library's function of the sample's operands. Skips where the library is not installed."""
    module = pytest.importorskip(library)
    if library == "jax":
        pytest.importorskip("jax.scipy.special")
        module.config.update("jax_enable_x64", True)
        functions, rows, numpy = jax_functions(module), jax_rows(module), module.numpy
        linalg, einsum, diag = numpy.linalg, numpy.einsum, numpy.eye
    else:
        functions, rows, linalg, einsum = torch_functions(module), torch_rows(module), module.linalg, module.einsum
        diag = lambda n: module.eye(n, dtype=module.float64)  # noqa: E731  # one line says it
    found: dict[str, Oracle] = {**functions, **BOTH}
    for name, f in rows.items():
        for where, axes in ROW_AXES.items():
            found[name + where] = lambda x, *others, f=f, axes=axes: f(x, axes if library == "torch" else tuple(axes), *others)
    for sample in SAMPLES:
        kind = sample.split(" ")[0]
        if kind in MATRICES:
            found[sample] = getattr(linalg, kind)
        if kind == "logdet":
            found[sample] = lambda x: linalg.slogdet(x)[1]
    found |= {name: lambda *v, text=text: einsum(text, *v) for name, text in PRODUCTS.items()}
    found |= extrema(library, module) | (torch_arrays(module) if library == "torch" else {})
    stack = (lambda steps: module.stack(steps, -1)) if library == "torch" else (lambda steps: module.numpy.stack(steps, -1))
    found |= {"stack": lambda x, y: stack([x, y, x]), "merge": lambda x: x.reshape(-1), "split": lambda x: x.reshape(*x.shape[::-1])}
    found["merge behind an axis"] = lambda x: x.reshape(len(x), -1)
    found["split behind an axis"] = lambda x: x.reshape(len(x), x.shape[2], x.shape[1])
    flip = (lambda x, a: x.flip(a)) if library == "torch" else (lambda x, a: module.numpy.flip(x, a))
    found |= {"reverse rows": lambda x: flip(x, 0), "flip": lambda x: flip(x, 1), "reverse three": lambda x: flip(x, 0)}
    found["diag"] = lambda x: x[:, None] * diag(len(x))
    found["rows on a diagonal"] = lambda x: x[:, :, None] * diag(x.shape[1])
    found["diag of a product"] = lambda x, y: (x * y)[:, :, None] * diag(y.shape[1])
    return found


ABSENT = {
    "step": WITHOUT_FUNCTION["step"], "adj": "neither has the adjugate of a matrix; det's second derivative shows it",
    "onehot": "a mask that nothing is derived by; its product is `times`", "unknown": "a function without a value",
    "form:": "the op that the form becomes is compared under its own name", "huber": "PyTorch takes the bound as a number only",
    "smoothing": "label smoothing is an option of PyTorch's cross-entropy, compared in test_layer_functions.py; a number only",
    "contrastive": "PyTorch has none for pairs; the formula is compared in test_network_words.py",
    "visible": "a mask of -inf; attention causal and pool max with padding are made of it",
    "groupnorm": "standardise between two rearrangements, each compared by itself",
    **dict.fromkeys(
        "slice slices all component the every pad join tile repeat roll cumulative upper reshape choose select larger smaller".split(),
        "entries of an array in other places: compared with differences, nothing is calculated"),
}
"""The first word of a sample's name -> why no library is asked."""
ABSENT_IN_JAX = dict.fromkeys(
    ("conv1d conv2d conv_transpose1d conv_transpose2d pool mse mae hinge bce bce_logits cross_entropy cross_entropy_logits kl infonce "
     "layernorm batchnorm instancenorm rmsnorm embedding attention").split(), "jax.numpy has no such layer")


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_what_has_no_counterpart_is_listed(library: str) -> None:
    missing = {name.split(" ")[0] for name in SAMPLES.keys() - table(library).keys()}
    assert missing == set(ABSENT) | (set(ABSENT_IN_JAX) if library == "jax" else set())
    assert all(ABSENT.values()) and set(WITHOUT_ROW) <= set(ROWS) and set(WITHOUT_FUNCTION) <= set(FUNCTIONS)


def ours(sample: Sample, values: dict[str, Array], rng: np.random.Generator) -> tuple[Array, list[Array], list[list[Array]]]:
    """(value, gradients, Hessian blocks) of a weighted sum of the sample's entries; the weight stands in `values` afterwards."""
    node, wrt = sample.node(), sample.variables()
    loss = weighted(node, values, rng)
    def numbers(derivative: Node | None, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape) if derivative is None else value(derivative, values, loss)
    gradients = reverse(loss, wrt).results
    shapes = {v: values[v.name].shape for v in wrt}
    blocks = []
    for v in wrt:
        gradient = gradients[v]
        second = reverse(gradient, wrt).results if gradient is not None else dict.fromkeys(wrt)
        blocks.append([numbers(second[u], shapes[v] + shapes[u]) for u in wrt])
    return value(node, values), [numbers(gradients[v], shapes[v]) for v in wrt], blocks


def prepared(name: str) -> tuple[Sample, dict[str, Array], Array, Array, list[Array], list[list[Array]]]:
    sample, rng = SAMPLES[name], np.random.default_rng(17)
    values = sample.values(rng)
    numbers, first, second = ours(sample, values, rng)
    weight = next(a for n, a in values.items() if n.endswith("_weight"))
    return sample, values, weight, numbers, first, second


@pytest.mark.parametrize("name", SAMPLES)
def test_torch_agrees(name: str) -> None:
    oracle = table("torch").get(name)
    if oracle is None:
        pytest.skip({**ABSENT, **ABSENT_IN_JAX}[name.split(" ")[0]])
    torch = pytest.importorskip("torch")
    sample, values, weight, numbers, first, second = prepared(name)
    operands = [torch.tensor(values[f"x{k}"], dtype=torch.float64, requires_grad=True) for k in range(len(sample.shapes))]
    answer = oracle(*operands)
    assert distance(numbers, answer.detach().numpy(force=True)) < TOLERANCE  # type: ignore[attr-defined]  # a tensor
    gradients = _torch_gradients(torch, (answer * torch.tensor(weight)).sum(), operands)  # type: ignore[operator]  # tensors
    for k, gradient in enumerate(gradients):
        assert distance(first[k], gradient.detach().numpy(force=True)) < TOLERANCE
        rows = [[g.detach().numpy(force=True) for g in _torch_gradients(torch, entry, operands)] for entry in gradient.reshape(-1)]
        for m, operand in enumerate(operands):
            block = np.stack([r[m] for r in rows]).reshape(gradient.shape + operand.shape)
            assert distance(second[k][m], block) < TOLERANCE, (k, m)


def _torch_gradients(torch: ModuleType, scalar: object, operands: list[object]) -> list[object]:
    """The gradients by all operands, zeros where there is no path."""
    if not scalar.requires_grad:  # type: ignore[attr-defined]  # a tensor
        return [torch.zeros_like(v) for v in operands]
    found = torch.autograd.grad(scalar, operands, create_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if g is None else g for g, v in zip(found, operands, strict=True)]


@pytest.mark.slow                                         # JAX compiles every case
@pytest.mark.parametrize("name", [n for n in SAMPLES if not n.endswith(("columns", "whole matrix", "outer axes"))])
def test_jax_agrees(name: str) -> None:
    oracle = table("jax").get(name)
    if oracle is None:
        pytest.skip({**ABSENT, **ABSENT_IN_JAX}[name.split(" ")[0]])
    jax = pytest.importorskip("jax")
    sample, values, weight, numbers, first, second = prepared(name)
    operands = [jax.numpy.asarray(values[f"x{k}"]) for k in range(len(sample.shapes))]
    places = tuple(range(len(operands)))
    def loss(*v: object) -> object:
        return jax.numpy.sum(oracle(*v) * weight)
    assert distance(numbers, np.asarray(oracle(*operands))) < TOLERANCE
    gradients, blocks = jax.grad(loss, places)(*operands), jax.hessian(loss, places)(*operands)
    for k in places:
        assert distance(first[k], np.asarray(gradients[k])) < TOLERANCE
        for m in places:
            assert distance(second[k][m], np.asarray(blocks[k][m])) < TOLERANCE, (k, m)


# ---------------------------------------------------------------------- kinks and huge values, where the libraries make choices too
def test_slopes_at_kinks_are_pytorchs() -> None:
    """relu, abs, leaky_relu, elu, selu at 0; hardtanh at -1. At +1 hardtanh is relu's own choice, 1, and PyTorch's is 0."""
    torch = pytest.importorskip("torch")
    from symgrad.core.node import variable
    from symgrad.ops.arithmetic import map_function, total
    x = variable("x", ("n",))
    functions = torch_functions(torch)
    for name, at in {**dict.fromkeys("relu abs leaky_relu elu selu".split(), 0.0), "hardtanh": -1.0}.items():
        gradient = reverse(total(map_function(name, x)), [x]).results[x]
        z = torch.tensor([at], dtype=torch.float64, requires_grad=True)
        functions[name](z).sum().backward()  # type: ignore[attr-defined]  # a tensor
        assert gradient is not None
        assert math.isclose(float(value(gradient, {"x": np.array([at])})[0]), float(z.grad[0]), rel_tol=1e-12), name


@pytest.mark.parametrize("name", "softmax log_softmax logsumexp sigmoid softplus silu gelu mish elu selu tanh".split())
@pytest.mark.parametrize("scale", [100.0, 1000.0])
def test_huge_values_agree_with_torch(name: str, scale: float) -> None:
    torch = pytest.importorskip("torch")
    sample, rng = SAMPLES[name], np.random.default_rng(18)
    values = sample.values(rng)
    values["x0"] = scale * values["x0"]
    numbers, first, _ = ours(sample, values, rng)
    z = torch.tensor(values["x0"], dtype=torch.float64, requires_grad=True)
    answer = table("torch")[name](z)
    weight = next(a for n, a in values.items() if n.endswith("_weight"))
    (answer * torch.tensor(weight)).sum().backward()  # type: ignore[operator]  # tensors
    assert distance(numbers, answer.detach().numpy(force=True)) < 1e-9  # type: ignore[attr-defined]  # a tensor
    assert distance(first[0], z.grad.numpy()) < 1e-9


def test_a_wrong_answer_would_be_noticed() -> None:
    """The comparison itself: the gradient of sin is not that of cos."""
    torch = pytest.importorskip("torch")
    _, values, weight, _, first, _ = prepared("sin")
    z = torch.tensor(values["x0"], dtype=torch.float64, requires_grad=True)
    (torch.cos(z) * torch.tensor(weight)).sum().backward()
    assert distance(first[0], z.grad.numpy()) > 0.1
