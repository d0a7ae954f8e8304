"""The library's own tables in; one sample of every op out, with what its operands may be, so that no op goes untested."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from symgrad.core.functions import EQUATIONS as FUNCTION_EQUATIONS
from symgrad.core.functions import KINKS, NATIVE
from symgrad.core.node import Node, apply, number_node, variable
from symgrad.core.op import Op, make_op
from symgrad.ops import operators, recognise
from symgrad.ops.arithmetic import add, divide, filled, map_function, power, product, scaled, subtract, total
from symgrad.ops.attention import attention
from symgrad.ops.choice import choose, larger, smaller, visible
from symgrad.ops.convolution import convolve, convolve_transposed, global_pool, pool, windows
from symgrad.ops.extrema import extremum
from symgrad.ops.filters import convolution_of
from symgrad.ops.indexing import component, window
from symgrad.ops.kernels import Array
from symgrad.ops.linalg import STRUCTURED, matrix_function
from symgrad.ops.loss import LOSSES, contrastive, huber, infonce, smoothed
from symgrad.ops.normalization import normalised
from symgrad.ops.onehot import embedding, onehot
from symgrad.ops.reduction import reduce
from symgrad.ops.reversal import reversed_axis
from symgrad.ops.rows import EQUATIONS, library_op
from symgrad.ops.shaping import cumulative, joined, padded, repeated, reshaped, rolled, tiled, triangle
from symgrad.ops.stacking import merge, split, stack
from symgrad.ops.unknown import unknown

OPERATORS = operators.__all__                             # imported so that nodes have operators, which masks use

__all__ = ["FUNCTIONS", "ROWS", "Sample", "draw", "lifted", "samples"]

FUNCTIONS: tuple[str, ...] = (*NATIVE, *KINKS, *FUNCTION_EQUATIONS, "sqrt")
ROWS: tuple[str, ...] = tuple(EQUATIONS)

DOMAIN = {"log": "positive", "sqrt": "positive", "arcsin": "unit", "arccos": "unit", "tan": "unit", "log1p": "positive"}
"""What a function's argument may be where it may not be anything."""

ROW_OPERANDS = {"standardise": ("real", "positive"), "root_mean_square": ("real", "positive")}
"""Rows with more operands than the one array: the kinds of all of them (the others are scalars)."""

PRODUCTS: dict[str, tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]] = {
    "matmul": (("ij", "jk"), "ik", ()),
    "matmul of transposes": (("ji", "kj"), "ik", ()),
    "matvec": (("ij", "j"), "i", ()),
    "dot": (("i", "i"), "", ()),
    "inner": (("ij", "ij"), "", ()),
    "outer": (("i", "j"), "ij", ()),
    "times": (("ij", "ij"), "ij", ()),
    "scale": (("", "ij"), "ij", ()),
    "rows by factors": (("ij", "j"), "ij", ()),
    "contraction of three": (("i", "ij", "j"), "", ()),
    "batched matmul": (("nij", "njk"), "nik", ()),
    "trace of a product": (("ij", "ji"), "", ()),
    "transpose": (("ij",), "ji", ()),
    "diagonal": (("ii",), "i", ()),
    "trace": (("ii",), "", ()),
    "sum": (("ij",), "j", ()),
    "diag": (("i",), "ij", (("i", "j"),)),
    "rows on a diagonal": (("ni",), "nij", (("i", "j"),)),
    "diag of a product": (("i", "ni"), "nij", (("i", "j"),)),
}
"""name -> (letters of each operand, letters of the output, deltas)."""


OVER = (("rows", "nm", [1]), ("columns", "nm", [0]), ("whole matrix", "nm", [0, 1]), ("outer axes", "nmk", [0, 2]))
"""Where a reduction is tried: (name, shape, axes)."""

CONVOLUTIONS = ((1, 0, 1), (2, 1, 1), (1, 2, 2), (2, 1, 3), (3, 0, 1))
"""(stride, padding, dilation)."""

TRANSPOSED = ((1, 0, 0, 1), (2, 1, 0, 1), (3, 2, 2, 2), (2, 1, 1, 3))
"""(stride, padding, output padding, dilation)."""

LOSS_OPERANDS = {
    "bce": ("probability", "probability"), "cross_entropy": ("real", "probability"), "kl": ("probability", "probability"),
}
"""Losses whose target and prediction may not be any numbers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An op with operands to try it on: `shapes` in letters (equal letters, equal sizes; a digit is itself), `kinds` as in `draw`."""

    name: str
    build: Callable[..., Node]
    shapes: tuple[str, ...]
    kinds: tuple[str, ...]
    fixed: tuple[tuple[str, int], ...] = ()                # sizes that the op needs to be so
    stacks: bool = True                                    # whether `lift` alone says the shape of the output

    def __str__(self) -> str:
        return self.name

    def variables(self) -> tuple[Node, ...]:
        """A variable for every operand, its sizes named by the letters."""
        return tuple(variable(f"x{k}", tuple(int(x) if x.isdigit() else x for x in shape)) for k, shape in enumerate(self.shapes))

    def node(self) -> Node:
        """The op at its variables."""
        return self.build(*self.variables())

    def values(self, rng: np.random.Generator, sizes: Sequence[int] = (3, 2, 4, 1)) -> dict[str, Array]:
        """Arrays for the variables; every letter gets a size of its own from the first ones of `sizes`, in random order."""
        letters = sorted({x for shape in self.shapes for x in shape if not x.isdigit()} - dict(self.fixed).keys())
        size = {**{d: int(d) for d in "123456789"}, **dict(self.fixed)}
        size |= dict(zip(letters, rng.permutation(sizes[: len(letters)]), strict=True))
        shapes = [tuple(int(size[x]) for x in shape) for shape in self.shapes]
        return {f"x{k}": draw(kind, shape, rng) for k, (shape, kind) in enumerate(zip(shapes, self.kinds, strict=True))}


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random entries, pairwise apart and apart from 0 and 1 in size, so that no difference steps over a kink.

    "real" up to 2 in size, "positive", "unit" between -1 and 1, "probability" between 0 and 1, "label" 1 or 2, "matrix" a stack of
    well-conditioned square ones.
    """
    count = int(np.prod(shape))
    grid = (np.arange(count) + rng.uniform(0.2, 0.8)) / max(count, 1)              # in (0, 1), in steps of 1 / count
    spread = rng.permutation(grid).reshape(shape)
    sign = rng.choice([-1.0, 1.0], size=shape)
    if kind == "positive":
        return np.asarray(0.2 + 1.6 * spread)
    if kind == "probability":
        return np.asarray(0.1 + 0.8 * spread)
    if kind == "label":
        return np.asarray(1.0 + (spread > 0.5))
    if kind == "unit":
        return np.asarray(sign * (0.1 + 0.8 * spread))
    if kind == "matrix":
        return np.asarray(0.5 * sign * spread + 1.5 * np.eye(shape[-1]))
    return np.asarray(sign * np.where(spread < 0.5, 0.1 + 1.6 * spread, 0.3 + 1.6 * spread))


def samples() -> list[Sample]:
    """Every op of the library, by the tables that define them."""
    every = (_functions, _rows, _structured, _products, _arithmetic, _arrays, _convolutions, _layers, _recognised, _shapings)
    return [s for some in every for s in some()]


def _functions() -> Iterator[Sample]:
    for name in FUNCTIONS:
        yield Sample(name, lambda x, name=name: map_function(name, x), ("nm",), (DOMAIN.get(name, "real"),))


def _rows() -> Iterator[Sample]:
    for name in ROWS:
        op, kinds = library_op(name), ROW_OPERANDS.get(name, ("real",))
        shapes = tuple("n" * r for r in op.ranks)
        yield Sample(name, lambda *v, op=op: apply(op, *v), shapes, kinds)
        for where, shape, axes in OVER:
            yield Sample(f"{name} of {where}", lambda x, *others, name=name, axes=axes: reduce(name, x, axes, *others),
                         (shape, *shapes[1:]), kinds)


def _structured() -> Iterator[Sample]:
    for name, op in STRUCTURED.items():
        square = len(set(op.signature[0])) == 1
        for where, lead in (("", ""), (" of a stack", "k")):
            for shape in ("nn",) if square else ("nm", "mn"):
                yield Sample(f"{name}{where} {shape}", lambda x, name=name, lead=lead: matrix_function(name, x, len(lead)), (lead + shape,),
                             ("matrix" if square else "real",))


def _products() -> Iterator[Sample]:
    for name, (shapes, out, deltas) in PRODUCTS.items():
        same = {b: a for a, b in deltas}
        sized = tuple("".join(same.get(x, x) for x in s) for s in shapes)
        yield Sample(name, lambda *v, s=shapes, out=out, deltas=deltas: product(list(zip(v, s, strict=True)), out, deltas),
                     sized, ("real",) * len(shapes))
    yield Sample("broadcast", lambda x, y: add([(product([(x, "i")], "ij", shape=("n", "m")), "ij"), (y, "ij")], "ij"),
                 ("n", "nm"), ("real", "real"))
    yield Sample("identity", lambda x: apply(make_op("identity", (1,), ("i",), ("r", 0, ("i",))), x), ("n",), ("real",))
    yield Sample("one operand twice", lambda x: product([(x, "ij"), (x, "jk")], "ik"), ("nn",), ("real",))


def _arithmetic() -> Iterator[Sample]:
    real = ("real", "real")
    yield Sample("add", lambda x, y: add([(x, "ij"), (y, "ij")], "ij"), ("nm", "nm"), real)
    yield Sample("add a row", lambda x, y: add([(x, "ij"), (y, "j")], "ij"), ("nm", "m"), real)
    yield Sample("add crosswise", lambda x, y, z: add([(x, "i"), (y, "j"), (z, "")], "ij"), ("n", "m", ""), ("real",) * 3)
    yield Sample("subtract", lambda x, y: subtract((x, "ij"), (y, ""), "ij"), ("nm", ""), real)
    yield Sample("negate", lambda x: scaled(x, -1), ("nm",), ("real",))
    yield Sample("half", lambda x: scaled(x, number_node(1).data / 2), ("nm",), ("real",))  # type: ignore[operator]  # a Fraction
    yield Sample("divide", lambda x, y: divide((x, "ij"), (y, "ij"), "ij"), ("nm", "nm"), real)
    yield Sample("divide rows", lambda x, y: divide((x, "ij"), (y, "i"), "ij"), ("nm", "n"), real)
    for exponent in (2, 3, -1, -2):
        yield Sample(f"power {exponent}", lambda x, e=exponent: power((x, "ij"), (number_node(e), ""), "ij"), ("nm",), ("real",))
    yield Sample("power", lambda x, y: power((x, "i"), (y, ""), "i"), ("n", ""), ("positive", "real"))
    yield Sample("powers", lambda x, y: power((x, "ij"), (y, "j"), "ij"), ("nm", "m"), ("positive", "real"))
    yield Sample("base to powers", lambda x, y: power((x, ""), (y, "i"), "i"), ("", "n"), ("positive", "real"))


def _arrays() -> Iterator[Sample]:
    real = ("real", "real")
    for name in ("max", "min", "prod"):
        yield Sample(name, lambda x, name=name: extremum(name, x, [0]), ("n",), ("real",))
        for where, shape, axes in OVER:
            yield Sample(f"{name} of {where}", lambda x, name=name, axes=axes: extremum(name, x, axes), (shape,), ("real",))
    yield Sample("stack", lambda x, y: stack([x, y, x]), ("nm", "nm"), real, stacks=False)
    yield Sample("merge", merge, ("nm",), ("real",), stacks=False)
    yield Sample("merge behind an axis", merge, ("knm",), ("real",))
    yield Sample("split", lambda x: split(merge(x), filled("ones", ("m", "n"))), ("nm",), ("real",))
    yield Sample("split behind an axis", lambda x: split(merge(x), filled("ones", ("m", "n"))), ("knm",), ("real",))
    yield Sample("onehot", lambda c, x: product([(onehot(c, "m"), "nm"), (x, "nm")], "n"), ("n", "nm"), ("label", "real"))
    yield Sample("unknown of numbers", lambda x, y: unknown("l", (), [x, y], [(0,), (0,)]), ("n", "n"), real)
    yield Sample("unknown of arrays", lambda x, y: unknown("l", (), [x, y], [(), ()]), ("n", "mk"), real)
    yield Sample("unknown along examples", lambda x, y: unknown("l", (), [x, y], [(0,), ()]), ("an", "m"), real)
    yield Sample("unknown by its second argument", lambda x, y: unknown("l", (2,), [x, y], [(), ()]), ("n", "m"), real)
    yield Sample("unknown by both, backwards", lambda x, y: unknown("l", (2, 1), [x, y], [(0,), (0,)]), ("an", "am"), real)
    yield Sample("unknown twice by one", lambda x, y: unknown("l", (1, 1), [x, y], [(), ()]), ("n", ""), real)


def _convolutions() -> Iterator[Sample]:
    one, two = (("n", 7), ("p", 3)), (("n", 4), ("m", 5), ("p", 3), ("q", 2), ("c", 2), ("o", 2))
    for setting in CONVOLUTIONS:
        text = "stride {}, padding {}, dilation {}".format(*setting)
        yield Sample(f"conv1d {text}", lambda x, w, s=setting: convolve(x, w, *s, 1), ("cn", "ocp"), ("real", "real"), one, False)
    yield Sample("conv1d examples", lambda x, w: convolve(x, w, 1, 1, 1, 1), ("kcn", "ocp"), ("real", "real"), one)
    yield Sample("conv1d groups", lambda x, w: convolve(x, w, 1, 1, 1, 2), ("47", "423"), ("real", "real"))
    yield Sample("conv2d", lambda x, w: convolve(x, w, 2, 1, 1, 1), ("cnm", "ocpq"), ("real", "real"), two, False)
    for settings in TRANSPOSED:
        text = "stride {}, padding {}, output padding {}, dilation {}".format(*settings)
        yield Sample(f"conv_transpose1d {text}", lambda x, w, s=settings: convolve_transposed(x, w, *s), ("on", "ocp"), ("real", "real"),
                     (("n", 4), ("p", 3)), False)
    yield Sample("conv_transpose1d groups", lambda x, w: convolve_transposed(x, w, 2, 1, 0, 1, 2), ("44", "433"), ("real", "real"), (), False)
    yield Sample("conv_transpose2d", lambda x, w: convolve_transposed(x, w, 2, 1), ("onm", "ocpq"), ("real", "real"),
                 (("n", 2), ("m", 3), ("p", 3), ("q", 2), ("c", 2), ("o", 2)), False)
    for kind in ("max", "mean"):
        yield Sample(f"pool {kind} with padding", lambda x, kind=kind: pool(kind, x, 1, 3, 2, 1), ("cn",), ("real",), one, False)
        yield Sample(f"pool {kind} of all places", lambda x, kind=kind: global_pool(kind, x, 2), ("cnm",), ("real",), two)
        yield Sample(f"pool {kind}", lambda x, kind=kind: pool(kind, x, 1, 2, 2), ("cn",), ("real",), one)
        yield Sample(f"pool {kind} of planes", lambda x, kind=kind: pool(kind, x, 2, 3, 1), ("cnm",), ("real",), two)
    yield Sample("every window", lambda x: windows(x, [1], [3]), ("cn",), ("real",), one, False)
    yield Sample("pool over windows that meet", lambda x: pool("mean", x, 1, 3, 1), ("n",), ("real",), one)


def _layers() -> Iterator[Sample]:
    real, gamma = ("real", "real"), ("real", "real", "real", "positive")
    for name, loss in LOSSES.items():
        kinds = LOSS_OPERANDS.get(name, real)
        yield Sample(name, lambda y, p, loss=loss: loss(y, p, 0, ()), ("nm", "nm"), kinds)
        yield Sample(f"{name} of each example", lambda y, p, loss=loss: loss(y, p, 1, ()), ("nm", "nm"), kinds)
    yield Sample("huber", lambda y, p, delta: huber(y, p, delta, 0), ("nm", "nm", ""), (*real, "positive"))
    yield Sample("layernorm", lambda h, g, b, e: normalised(h, [1], 1, g, b, e), ("nm", "m", "m", ""), gamma)
    yield Sample("batchnorm", lambda h, g, b, e: normalised(h, [0], 1, g, b, e), ("nm", "m", "m", ""), gamma)
    yield Sample("instancenorm", lambda h, g, b, e: normalised(h, [2], 1, g, b, e), ("kmn", "m", "m", ""), gamma)
    yield Sample("rmsnorm", lambda h, g, e: normalised(h, [1], 1, g, None, e, centred=False), ("nm", "m", ""), ("real", "real", "positive"))
    yield Sample("groupnorm", lambda h, g, b, e: normalised(h, [1, 2], 1, g, b, e, groups=2), ("243", "4", "4", ""), gamma)
    yield Sample("batchnorm with stored statistics", lambda h, g, b, m, v, e: normalised(h, [], 1, g, b, e, mean=m, var=v),
                 ("nm", "m", "m", "m", "m", ""), ("real",) * 4 + ("positive",) * 2)
    yield Sample("smoothing", smoothed, ("nm", ""), ("real", "probability"))
    yield Sample("contrastive", contrastive, ("n", "nm", "nm", ""), ("probability", "real", "real", "positive"))
    yield Sample("infonce", lambda a, b: infonce(a, b, number_node(2)), ("nm", "nm"), real)
    yield Sample("embedding", embedding, ("n", "2m"), ("label", "real"))
    yield Sample("attention causal", lambda q, k, v: attention(q, k, v, causal=True), ("md", "nd", "np"), ("real",) * 3)
    yield Sample("visible", lambda x: map_function("exp", visible(triangle(filled("ones", (2, 2)), 0, True), x)), ("22",), ("real",))
    yield Sample("attention", lambda q, k, v: attention(q, k, v), ("md", "nd", "np"), ("real",) * 3)
    yield Sample("attention heads", lambda q, k, v, m: attention(q, k, v, m, 1), ("hmd", "hnd", "hnp", "mn"), ("real",) * 4,
                 (("h", 2), ("m", 3), ("n", 2), ("d", 2), ("p", 1)))


def _filtered(x: Node, w: Node, first: Callable[[int], int]) -> Node:
    """A filter of three weights as a sum of slices of five entries, from `first(place)` on, and the op that it is recognised as."""
    taps = [product([(component(w, 0, k), ""), (window(x, 0, slice(first(k), first(k) + 5)), "i")], "i") for k in range(3)]
    made = convolution_of(add([(t, "i") for t in taps], "i"), ())
    assert made is not None
    return made


def _recognised() -> Iterator[Sample]:
    """Textbook forms, each with the op that it becomes behind a colon."""
    one = number_node(1)
    def exp(x: Node) -> Node:
        return map_function("exp", x)
    def logistic(x: Node) -> Node:
        return recognise.divide((one, ""), (add([(one, ""), (exp(scaled(x, -1)), "i")], "i"), "i"), "i")
    forms: dict[str, tuple[str, Callable[[Node], Node]]] = {
        "softmax": ("n", lambda x: recognise.divide((exp(x), "i"), (total(exp(x)), ""), "i")),
        "softmax along columns": ("nm", lambda x: recognise.divide((exp(x), "ij"), (total(exp(x), [0]), "j"), "ij")),
        "logsumexp": ("n", lambda x: recognise.log(total(exp(x)))),
        "softplus": ("n", lambda x: recognise.log(add([(one, ""), (exp(x), "i")], "i"))),
        "sigmoid": ("n", logistic),
        "negate, log of a sigmoid": ("n", lambda x: recognise.log(map_function("sigmoid", x))),
        "log_softmax": ("n", lambda x: recognise.log(reduce("softmax", x))),
        "square_sum": ("n", lambda x: recognise.power((reduce("norm2", x), ""), (number_node(2), ""), "")),
    }
    for name, (shape, build) in forms.items():
        yield Sample(f"form: {name}", build, (shape,), ("real",))


def _shapings() -> Iterator[Sample]:
    """What reads entries elsewhere: affine indices, with numbers and with names for sizes."""
    real = ("real", "real")
    yield Sample("reverse rows", lambda x: reversed_axis(x, 0), ("nm",), ("real",), stacks=False)
    yield Sample("flip", lambda x: reversed_axis(x, 1), ("nm",), ("real",), stacks=False)
    yield Sample("reverse three", lambda x: reversed_axis(x, 0), ("3n",), ("real",), stacks=False)
    for text, chosen in (("1:", slice(1, None)), ("::2", slice(None, None, 2)), ("3:0:-2", slice(3, 0, -2)), ("-2:", slice(-2, None))):
        yield Sample(f"slice [{text}]", lambda x, c=chosen: window(x, 0, c), ("5n",), ("real",), stacks=False)
    yield Sample("slices that are a filter", lambda x, w: _filtered(x, w, lambda k: k), ("7", "3"), real, stacks=False)
    yield Sample("slices that are a filter, reversed", lambda x, w: _filtered(x, w, lambda k: 2 - k), ("7", "3"), real, stacks=False)
    yield Sample("slice of a named size", lambda x: window(x, 0, slice(1, None, 2)), ("nm",), ("real",), stacks=False)
    yield Sample("all but the last", lambda x: window(x, 0, slice(None, -1)), ("nm",), ("real",), (("n", 3),), False)
    yield Sample("component", lambda x: component(x, 1, 1), ("n3",), ("real",), stacks=False)
    yield Sample("the last component", lambda x: component(x, 1, -1), ("nm",), ("real",), stacks=False)
    yield Sample("pad", lambda x: padded(x, [(1, 2), (0, 1)]), ("nm",), ("real",), stacks=False)
    yield Sample("pad with ones", lambda x: padded(x, [(1, 0)], 1), ("3",), ("real",), stacks=False)
    yield Sample("join", lambda x, y: joined([x, y], 0), ("2n", "3n"), real)
    yield Sample("tile", lambda x: tiled(x, [2]), ("3",), ("real",), stacks=False)
    yield Sample("repeat", lambda x: repeated(x, 2, 0), ("3",), ("real",), stacks=False)
    yield Sample("roll", lambda x: rolled(x, 1, 0), ("4",), ("real",), stacks=False)
    yield Sample("cumulative sum", lambda x: cumulative(x, 0), ("3n",), ("real",), stacks=False)
    yield Sample("upper triangle", lambda x: triangle(x, 1, False), ("33",), ("real",), stacks=False)
    yield Sample("reshape", lambda x: reshaped(x, [3, 4]), ("62",), ("real",), stacks=False)
    yield Sample("choose", lambda x, y: choose(map_function("step", x), x, y), ("nm", "nm"), real)
    yield Sample("select", lambda x, y: choose(map_function("step", x), map_function("exp", x), map_function("exp", y)), ("nm", "nm"), real)
    yield Sample("larger", larger, ("nm", "nm"), real)
    yield Sample("smaller", smaller, ("nm", "m"), real)


def lifted(sample: Sample, leads: Sequence[str]) -> Sample:
    """The sample's op with leading axes, `leads[k]` those of operand k in letters `a`, `b` (rows, examples, ...)."""
    names = sorted({x for lead in leads for x in lead})
    patterns = [tuple(names.index(x) for x in lead) for lead in leads]
    def build(*operands: Node) -> Node:
        op: Op = sample.node().op
        return apply(op.lift(patterns), *operands)
    shapes = tuple(x + s for x, s in zip(leads, sample.shapes, strict=True))
    return Sample(f"{sample.name} lifted {'|'.join(leads)}", build, shapes, sample.kinds)
