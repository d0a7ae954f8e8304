"""LaTeX made from notation: a table of pairs, every construct, no ambiguous product, and nothing that a page cannot show."""
from __future__ import annotations

import itertools
import math
import random
import typing
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

import pytest
import sympy as sp
from latex_table import EXPRESSIONS, LABELLED, LABELS, LINES

from symgrad.errors import InputError
from symgrad.notation import statements, syntax
from symgrad.notation.parse import parse, parse_expression
from symgrad.notation.syntax import Binary, Call, Expression, Name, Negate, Number, Over, Place, walk
from symgrad.notation.words import FUNCTIONS, KEYWORDS
from symgrad.render.mathml import to_mathml
from symgrad.views.latex import latex, latex_parts, latex_parts_text, latex_text, shape_latex
from symgrad.views.names import labels, name_symbol
from symgrad.views.pieces import joined

DECLARED = ("f", "g", "l")
EVERY = [(text, tex, None) for text, tex in (*EXPRESSIONS, *LINES)] + [(text, tex, LABELS) for text, tex in LABELLED]
HERE = Place(1, 1, 2)


@pytest.mark.parametrize(("text", "tex", "names"), EVERY)
def test_table(text: str, tex: str, names: dict[str, str] | None) -> None:
    assert latex_text(text, names, DECLARED) == tex
    to_mathml(tex)                                         # raises on a command that a page cannot show


def trees() -> Iterator[object]:
    for text, _, _ in EVERY:
        for statement in parse(text, functions=DECLARED).statements:
            yield statement
            for expression in statements.expressions(statement):
                yield from walk(expression)


def test_the_table_holds_every_construct() -> None:
    found = {type(tree) for tree in trees()}
    assert found >= set(typing.get_args(syntax.Expression)) | set(typing.get_args(statements.Statement))
    operators = {tree.operator for tree in trees() if isinstance(tree, Binary)}
    assert operators == set(typing.get_args(syntax.Operator))


@pytest.mark.parametrize("word", sorted(FUNCTIONS))
def test_every_function_word_can_be_shown(word: str) -> None:
    for count in (1, 2, 3):
        tex = latex(Call(word, tuple(Name(n, HERE) for n in ("x", "y", "W")[:count]), (), HERE))
        to_mathml(tex)
        assert "_" not in tex.replace("_{", "")


def test_claims_and_several_lines() -> None:
    network = parse("param W : matrix(D, D)\nloss = sum(W)\nclaims\ngrad(loss, W) = ones(D, D)\nD[i, j] = 1")
    assert latex(network.claims[0]) == r"\frac{\partial \mathit{loss}}{\partial W} = \mathbf{1}_{D \times D}"
    assert latex(network.claims[1]) == "D_{ij} = 1"
    block = latex_text("z = X*w\nX' * layernorm(z, a, b, eps=1)", left=latex_text("grad(loss, w)"))
    assert block.startswith(r"\begin{aligned} z &= X\,w \\ \frac{\partial \mathit{loss}}{\partial w} &= X^{\top}") and block.count("&") == 2
    to_mathml(block)
    assert latex_text("z = X*w\nlayernorm(z, a, b, eps=1)").count(r"\\ & \operatorname") == 1


def test_left_side() -> None:
    ratio = latex_text("grad(L, W)")
    assert latex_text("D[d, k] = x[d] * h[k]", left=rf"\left[{ratio}\right]_{{dk}}") == rf"\left[{ratio}\right]_{{dk}} = x_{{d}}\,h_{{k}}"
    assert latex_text("2 * x", left=ratio) == rf"{ratio} = 2\,x"
    assert latex_text("grad(L, W)", left=ratio) == ratio


def test_scalars_make_fractions() -> None:
    assert latex_text("a ./ s .* b", scalars=["s"]) == r"\frac{a}{s} \odot b"
    assert latex_text("s .^ 2 + x .^ 2", scalars=["s"]) == r"s^{2} + x^{\odot 2}"
    assert latex_text("s * a .* b", scalars=["s"]) == r"s\,a \odot b"


@pytest.mark.parametrize(("text", "parts"), [
    ("a + b - c * d", ("a", "+ b", r"- c\,d")),
    ("-a + b", ("-a", "+ b")),
    ("A * B' * (x + y)", ("A", r"\,B^{\top}", r"\,(x + y)")),
    ("a .* b ./ c", ("a", r"\odot b", r"\oslash c")),
    ("(a + b)'", (r"(a + b)^{\top}",)),
    ("sum[n](a[n] + b[n])", (r"\sum_{n} (a_{n} + b_{n})",)),
])
def test_parts(text: str, parts: tuple[str, ...]) -> None:
    tree = parse_expression(text)
    assert latex_parts(tree) == parts and joined(parts) == latex(tree)
    for part in parts:
        to_mathml(part, infix=True)


def test_parts_with_their_text() -> None:
    assert latex_parts_text("a + b * (c - d) - e") == (("a", "a"), (r"+ b \cdot (c - d)", "+ b * (c - d)"), ("- e", "- e"))
    assert latex_parts_text("A * B .* C") == ((r"(A\,B)", "A * B"), (r"\odot C", ".* C"))
    assert latex_parts_text("(a + b)") == (("a + b", "(a + b)"),)
    assert latex_parts_text("sum[n](x[n]) * a / N") == ((r"\frac{\left(\sum_{n} x_{n}\right)\,a}{N}", "sum[n](x[n]) * a / N"),)


def test_shapes() -> None:
    size = sp.Symbol("K1", integer=True, positive=True)
    assert shape_latex(("D", 3, "K1")) == r"D \times 3 \times K_{1}" and shape_latex(()) == "1"
    assert shape_latex((2 * size + 1,)) == "2 K_{1} + 1"


@pytest.mark.parametrize(("label", "tex"), [
    ("W^{(1)}", "W_{ij}^{(1)}"), ("W_1", "W_{1,ij}"), (r"\mathbf W", r"\mathbf{W}_{ij}"), (r"\hat{W}_{ab}^*", r"\hat{W}_{ab,ij}^{*}"),
    ("W'", r"W_{ij}^{\prime}"), ("A B", "{A B}_{ij}"), ("W^1^2", "{W^1^2}_{ij}"), ("{AB}", "{AB}_{ij}"), (r"\Theta", r"\Theta_{ij}"),
    (r"\boldsymbol\theta_2", r"\boldsymbol{\theta}_{2,ij}"), ("W_", "{W_}_{ij}"),
])
def test_labels(label: str, tex: str) -> None:
    assert latex_text("W[i, j]", {"W": label}) == tex
    network = parse(f'param W : matrix(D, K) as "{label}"\nparam b : scalar')
    assert labels(network) == {"W": label}


@pytest.mark.parametrize("label", ["", "  ", "W}", "{W", "}{", r"\input{secret}", r"\def\x{1}", "W%", "W$", "W&b", "W#1", "~", r"\\"])
def test_labels_that_are_no_formula(label: str) -> None:
    with pytest.raises(InputError, match="cannot be printed"):
        latex_text("W + b", {"W": label})


def test_names_never_collide() -> None:
    """Names that differ are set differently, but for spellings of one Greek letter or one accent."""
    stems = ["x", "y", "W", "l", "h", "loss", "alpha", "Wx", "bh", "mu"]
    names = [stem + end for stem in stems for end in ("", "1", "12", "_1_2", "_prev", "_hh", "_bar", "hat", "_dot", "2_bar", "1_tilde")]
    shown = defaultdict(set)
    for name in names:
        if name not in KEYWORDS:
            shown[name_symbol(name).tex].add(name)
            to_mathml(name_symbol(name).tex)
    assert not [same for same in shown.values() if len(same) > 1]


def some_expression(draw: random.Random, depth: int) -> Expression:
    kinds = "number name name negate over power call sum product product quotient" if depth else "number name"
    kind = draw.choice(kinds.split())
    inner = [some_expression(draw, depth - 1) for _ in range(2)] if depth else []
    match kind:
        case "number":
            return Number(Fraction(draw.choice([2, 3, 12])), HERE)
        case "name":
            return Name(draw.choice("abF"), HERE)
        case "negate":
            return Negate(inner[0], HERE)
        case "over":
            return Over("sum", ("n",), inner[0], HERE)
        case "power":
            return Binary("^", inner[0], Number(Fraction(draw.choice([2, 3])), HERE), HERE)
        case "call":
            return Call("exp", (inner[0],), (), HERE)
    operator = {"sum": draw.choice("+-"), "product": draw.choice(["*", ".*"]), "quotient": draw.choice(["/", "./"])}[kind]
    return Binary(typing.cast(syntax.Operator, operator), inner[0], inner[1], HERE)


def worth(tree: Expression) -> float:
    """A value of a tree of scalars; `sum[n]` triples its operand, so that what it takes in counts."""
    match tree:
        case Number():
            return float(tree.value)
        case Name():
            return {"a": 0.7, "b": -1.3, "F": 1.9}[tree.name]
        case Negate():
            return -worth(tree.operand)
        case Over():
            return 3 * worth(tree.operand) + 0.01
        case Call():
            return math.exp(-abs(worth(tree.arguments[0]))) + 0.1
        case Binary():
            left, right = worth(tree.left), worth(tree.right)
            if tree.operator == "^":
                return left**right
            return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1)}[tree.operator.strip(".")]
    raise AssertionError(tree)


def test_no_formula_has_two_readings() -> None:
    """Expressions of different value never share a formula, whatever the brackets, signs, fractions and big sums in them."""
    draw = random.Random(0)
    seen: dict[str, float] = {}
    shared = 0
    for _ in range(6000):
        tree = some_expression(draw, draw.choice([1, 2, 3]))
        try:
            value = worth(tree)
        except OverflowError:
            continue
        tex = latex(tree)
        shared += tex in seen
        assert math.isclose(seen.setdefault(tex, value), value, rel_tol=1e-9), tex
    assert shared > 500


def test_products_that_could_be_misread_have_a_dot() -> None:
    for text in ("a * (b + c)", "x[n] * (b + c)", "yhat * (-b)", "jac(a, b) * (c + d)", "a / b * (c + d)", "x * 2", "2 * 3", "2 * (1/3)"):
        assert r"\cdot" in latex_text(text), text
    for text in ("A * (b + c)", "2 * (a + b)", "1/2 * (a + b)", "A' * (x - y)", "g(z) * (a + b)", "2 * a"):
        assert r"\cdot" not in latex_text(text, functions=DECLARED), text


@pytest.mark.parametrize("wrap", [
    lambda e: Negate(e, HERE), lambda e: Call("exp", (e,), (), HERE), lambda e: Binary("+", e, Name("b", HERE), HERE),
    lambda e: Binary("^", Name("a", HERE), e, HERE), lambda e: Binary("/", Name("a", HERE), e, HERE),
    lambda e: Over("sum", ("n",), e, HERE),
    lambda e: Binary("*", Name("A", HERE), e, HERE), lambda e: Binary("*", e, Name("A", HERE), HERE),
])
def test_depth(wrap: typing.Callable[[Expression], Expression]) -> None:
    tree: Expression = Name("x", HERE)
    for _ in range(3000):
        tree = wrap(tree)
    assert latex(tree).count("{") == latex(tree).count("}")


def test_long_sums_stay_quick() -> None:
    tree = parse_expression(" + ".join(["a * x"] * 3000), limits=None)
    assert len(latex_parts(tree)) == 3000


@pytest.mark.parametrize(("value", "tex"), [
    (Fraction(7, 3), r"\frac{7}{3}"), (Fraction(-1, 2), "-0.5"), (Fraction(1, 8), "0.125"), (Fraction(10), "10"),
    (Fraction(10**7), "10^{7}"), (Fraction(25, 10**8), r"2.5 \cdot 10^{-7}"), (Fraction(-3), "-3"), (Fraction(0), "0"),
    (Fraction(123456789), "123456789"),
])
def test_numbers(value: Fraction, tex: str) -> None:
    assert latex(Number(value, HERE)) == tex


def test_every_pair_of_operators_keeps_its_grouping() -> None:
    """Left and right grouping differ in LaTeX wherever they differ in value."""
    for first, second in itertools.product(("+", "-", "*", "/", ".*", "./"), repeat=2):
        left, right = f"(a {first} b) {second} F", f"a {first} (b {second} F)"
        if not math.isclose(worth(parse_expression(left)), worth(parse_expression(right))):
            assert latex_text(left) != latex_text(right)
