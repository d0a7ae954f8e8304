"""Malformed notation: every kind of mistake shows its line, its column and what would have fitted."""
from __future__ import annotations

import pytest

from symgrad.errors import NotationError
from symgrad.notation.parse import Limits, parse, parse_claims, parse_expression

MALFORMED: tuple[tuple[str, int, int, str], ...] = (
    # Two values side by side
    ("2 x", 1, 3, "write 2 * x"),
    ("z = 3 x + 2", 1, 7, "write 3 * x"),
    ("2(x + 1)", 1, 2, "write 2 * (x + 1)"),
    ("(a)(b)", 1, 4, "write (a) * (b)"),
    ("z = W x[n]", 1, 7, "write W * x[n]"),
    ("A' B", 1, 4, "write A' * B"),
    ("1_000", 1, 2, "a name begins with a letter"),
    ("x(y + 1)", 1, 1, "write x * (y + 1)"),
    # Primes
    ("A'(x)", 1, 1, "write A' * (x)"),
    ("b + A''(x)", 1, 5, "write A'' * (x)"),
    ("(A*x)'(y)", 1, 6, "write (A*x)' * (y)"),
    ("x[n]'(y)", 1, 5, "write x[n]' * (y)"),
    ("tanh'", 1, 1, "write tanh'(z)"),
    ("tanh' (z)", 1, 1, "write tanh'(z)"),
    ("A.'", 1, 2, "write ' for the transpose"),
    ("x.T", 1, 2, "write ' for the transpose"),
    ("z = 'a'", 1, 5, "expected a name, a number or `(`"),
    # Missing operands and operators
    ("x +", 1, 3, "a line cannot end with `+`"),
    ("z = y\n+ x", 2, 1, "a line cannot begin with `+`"),
    ("x + * y", 1, 5, "between `+` and `*` a value is missing"),
    ("x = + y", 1, 5, "drop the `+`"),
    ("()", 1, 2, "expected a name, a number or `(`, found `)`"),
    ("f(x,)", 1, 5, "expected a name, a number or `(`, found `)`"),
    ("z =", 1, 4, "found the end of the line"),
    ("z : x", 1, 3, "expected an operator, `=` or the end of the line, found `:`"),
    ("x^y^z", 1, 4, "write (a^b)^c or a^(b^c)"),
    ("x.^-y^z", 1, 6, "needs brackets"),
    ("x^2[i]", 1, 3, "write (X^2)[i, j]"),
    # Foreign operators and characters
    ("a**b", 1, 2, "write ^ for a power"),
    ("a @ b", 1, 3, "write *"),
    ("a × b", 1, 3, "`×` is not part of the notation: write *"),
    ("a − b", 1, 3, "write -"),
    ("a == b", 1, 3, "write a single ="),
    ("z := x", 1, 3, "write a single ="),
    ("z += x", 1, 3, "`+=`"),
    ("a // b", 1, 3, "`//`"),
    ("Aᵀ", 1, 2, "write '"),
    ("x²", 1, 2, "write ^"),
    ("x₁", 1, 2, "write the digit"),
    ("|x|", 1, 1, "abs(...)"),
    ("∑x", 1, 1, "write sum[i](...)"),
    ("{x}", 1, 1, "write ( ) or [ ]"),
    ("a\u00a0+ b", 1, 2, "write a plain space"),
    ("z = x̂", 1, 6, "xhat"),
    ("a; b", 1, 2, "one statement a line"),
    ("a < b", 1, 3, "no comparisons"),
    ("x\0", 1, 2, "U+0000"),
    ("y = 1\nx\ud800", 2, 2, "U+D800"),
    ("x # a\u202eb", 1, 6, "RIGHT-TO-LEFT OVERRIDE"),
    ("x\x0cy", 1, 2, "U+000C"),
    ("x\u2028y", 1, 2, "U+2028"),
    ("z = ☃", 1, 5, "`☃` is not part of the notation"),
    # Numbers
    ("3.", 1, 2, "never ends in a dot"),
    (".5", 1, 1, "write 0.5"),
    ("x + 3.x", 1, 6, "never ends in a dot"),
    ("a.b", 1, 2, "a single dot"),
    ("1" * 31, 1, 1, "31 digits; at most 30"),
    ("0." + "1" * 31, 1, 1, "32 digits; at most 30"),
    ("1e1000", 1, 1, "at most 999"),
    # Brackets and texts
    ("z = (a + b\nw = c", 1, 5, "this `(` is never closed: a `)` is missing"),
    ("z = ((a + b)\nw = c", 1, 5, "never closed"),
    ("z = (a + x[i)]", 1, 11, "this `[` needs a `]`, found `)` at line 1, column 13"),
    ("a)", 1, 2, "nothing opened this `)`"),
    ('param x : scalar as "a', 1, 21, "never closed"),
    ('z = "a"', 1, 5, "expected a name, a number or `(`"),
    # Reserved words
    ("lambda = 3", 1, 1, "`lambda` is a word of Python and cannot be a name: write lambda_"),
    ("size + 1", 1, 1, "`size` is a keyword"),
    ("data = 3", 1, 1, "`data` is a keyword"),
    ("2 * index", 1, 5, "`index` is a keyword"),
    ("relu = 3", 1, 1, "`relu` is a function word and cannot be a name"),
    ("param exp : scalar", 1, 7, "`exp` is a function word and cannot be a name"),
    ("relu + 1", 1, 1, "write relu(...)"),
    ("sum * x", 1, 1, "write sum[i](...) or sum(x)"),
    ("prod", 1, 1, "write prod[i](...)"),
    ("delta", 1, 1, "write delta[i, j]"),
    ("partial + 1", 1, 1, "write partial(l, 1)(y, yhat)"),
    # Equations
    ("a = b = c", 1, 7, "one `=` in this line already"),
    ("(a = b)", 1, 4, "inside brackets"),
    ("f(a = b = c)", 1, 9, "inside brackets"),
    ("1 = x", 1, 1, "the left side of `=` is a name"),
    ("a + b = x", 1, 3, "the left side of `=` is a name"),
    ("f(x) = x^2", 1, 1, "declared by `function f(x)`"),
    ("grad(loss, v) = x", 1, 1, "below a line `claims`"),
    ("z[2*n] = x", 1, 3, "a plain name or a whole number"),
    ("z[n, n] = x", 1, 6, "the index `n` appears twice"),
    ("x\ny", 1, 1, "stands on the last line"),
    # Calls
    ("rellu(x)", 1, 1, "did you mean relu"),
    ("partial(l, 1)(y)", 1, 1, "`l` is no function here"),
    ("partial(huber, 3)(y, z)", 1, 16, "no argument 3: huber is given 2 arguments"),
    ("partial(huber, 1.5)(y, z)", 1, 16, "is a whole number"),
    ("partial(huber)(y)", 1, 14, "write partial(huber, 1)(...)"),
    ("relu(x=1, y)", 1, 6, "arguments by keyword come after the others"),
    ("relu(x, a=1, a=2)", 1, 14, "the argument `a` appears twice"),
    ("tanh'(z=1)", 1, 7, "a derivative takes no keywords"),
    ("relu()", 1, 6, "expected a name, a number or `(`"),
    ("sum[i]", 1, 7, "expected `(`"),
    ("sum[i, i](x)", 1, 8, "the index `i` appears twice"),
    ("sum[i + 1](x)", 1, 5, "a plain name"),
    ("delta[i]", 1, 1, "delta takes two indices"),
    # Indices
    ("x[]", 1, 3, "expected an index (a name or a whole number)"),
    ("x[:, 1]", 1, 3, "expected an index"),
    ("x[1.5]", 1, 3, "an index is a whole number"),
    ("x[i/2]", 1, 4, "a sum of terms"),
    ("x[i^2]", 1, 4, "a sum of terms"),
    ("x[exp(i)]", 1, 3, "a sum of terms"),
    ("x[c[n]]", 1, 4, "W' * onehot(c[n], K)"),
    ("x[(i + 1)*(j + 1)]", 1, 10, "two sums cannot be multiplied"),
    ("x[a,b,c,d,e,f,g]", 1, 1, "at most 6"),
    # Declarations
    ("parm W : matrix(K, K)", 1, 1, "did you mean param"),
    ("input x : vector(3)", 1, 1, "`input` begins no statement; the statements are examples, index, data"),
    ("data x : vectr(3)", 1, 10, "did you mean vector"),
    ("data x : vector(3, 4)", 1, 10, "vector takes 1 size, found 2"),
    ("data x : matrix(3)", 1, 10, "matrix takes 2 sizes, found 1"),
    ("data x : scalar(3)", 1, 10, "scalar takes 0 sizes"),
    ("data x : tensor", 1, 10, "a tensor needs its sizes"),
    ("data x : tensor(a,b,c,d,e,f,g)", 1, 6, "at most 6"),
    ("data x : vector(K + 1)", 1, 19, "expected `)` or `,`"),
    ("data x : vector(0)", 1, 17, "a size is at least 1"),
    ("data x : vector(1.5)", 1, 17, "a size is a whole number"),
    ("param A : matrix(M, M) symetric", 1, 24, "did you mean symmetric"),
    ("param A : matrix(M, M) spd spd", 1, 28, "the fact `spd` appears twice"),
    ("param W[1] : scalar", 1, 9, "a plain name"),
    ("data x, x : scalar", 1, 9, "the name `x` appears twice"),
    ('data x, y : scalar as "q"', 1, 9, "on a line of its own"),
    ("data x vector(3)", 1, 8, "`:`"),
    ("data x", 1, 7, "`:`"),
    ("data : vector(3)", 1, 6, "expected a name"),
    ("param x : scalar as x", 1, 21, "a text in quotation marks"),
    ("examples n = 1:N", 1, 15, "written with two dots"),
    ("examples n = N..1", 1, 14, "expected a whole number"),
    ("examples n = 1...N", 1, 17, "a single dot"),
    ("index t = 5..2", 1, 14, "the range 5..2 is empty"),
    ("size D = 3.5", 1, 10, "a whole number"),
    ("size D = K", 1, 10, "expected a whole number"),
    ("const eps", 1, 10, "`=`"),
    ("function g pointwise", 1, 12, "expected `elementwise`"),
    ("function g(x, x)", 1, 15, "the argument `x` appears twice"),
    ("function g", 1, 11, "`function g elementwise`"),
    ("op f(x): x", 1, 11, "`=`"),
    ("op f(x) = x", 1, 9, "expected `:`"),
    ("op f(x): y[i+1] = x[i]", 1, 12, "a plain name"),
    ("z = x\nwhere a = b", 2, 1, "follows the line of an op"),
    # Claims
    ("z = x\nclaims\nz", 3, 1, "every line is a claim"),
    ("claims\ndata x : scalar", 2, 6, "every line is a claim"),
    ("claims\nz = x\nclaims", 3, 1, "have begun already"),
    ("claims\ntr(x) = y", 2, 1, "a claim is about a name, grad(loss, W)"),
    ("claims\nx + y = y", 2, 3, "a claim is about a name"),
    ("claims x", 1, 8, "expected the end of the line"),
    # Whole texts
    ("", 1, 1, "holds no statement"),
    ("\n# only a comment\n", 1, 1, "holds no statement"),
    ("x" * 2001, 1, 2001, "more than 2000 characters"),
    ("z = x\n" * 201, 201, 1, "more than 200 lines"),
    ("(" * 61 + "x" + ")" * 61, 1, 61, "more than 60 brackets"),
    ("-" * 250 + "x", 1, 201, "more than 200 levels"),
)


@pytest.mark.parametrize(("text", "line", "column", "phrase"), MALFORMED, ids=lambda value: ascii(value)[:24])
def test_malformed(text: str, line: int, column: int, phrase: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text, file="net.sg")
    error = caught.value
    assert phrase in error.message
    assert (error.line, error.column, error.file) == (line, column, "net.sg")
    assert f"net.sg, line {line}, column {column}" in str(error)


@pytest.mark.parametrize(("text", "column", "phrase"), [
    ("", 1, "expected an expression, found nothing"), ("z = x", 1, "found an equation"), ("data x : scalar", 6, "found a statement"),
    ("claims", 1, "found a statement"), ("x\ny", 1, "found another line"),
])
def test_not_an_expression(text: str, column: int, phrase: str) -> None:
    with pytest.raises(NotationError, match=phrase) as caught:
        parse_expression(text)
    assert caught.value.column == column


def test_not_a_claim() -> None:
    with pytest.raises(NotationError, match="every line is a claim"):
        parse_claims("data x : scalar")


@pytest.mark.parametrize("text", [None, b"x", 3, ["x"]], ids=str)
def test_not_a_text(text: object) -> None:
    with pytest.raises(NotationError, match="notation is text, found"):
        parse(text)  # type: ignore[arg-type]  # the mistake under test


def test_the_source_is_shown_without_odd_characters() -> None:
    with pytest.raises(NotationError) as caught:
        parse("y = 1\n\tz = x\u202e\ud800 2")
    assert caught.value.source == "y = 1\n z = x\ufffd\ufffd 2"
    assert str(caught.value).encode().endswith(b"^")


def test_huge_numbers_are_refused_even_without_limits() -> None:
    for text in ("1" * 5000, "1e" + "9" * 30, f"x[{'1' * 5000}]", f"size D = {'1' * 5000}"):
        with pytest.raises(NotationError, match=r"digits|exponent"):
            parse(text, limits=None)


def test_each_limit_can_be_set() -> None:
    for text, limits in (
            ("xxx", Limits(characters=2)), ("z = x\ny", Limits(lines=1)), ("((x))", Limits(brackets=1)), ("x[i, j]", Limits(rank=1)),
            ("a + b", Limits(depth=1)), ("100", Limits(digits=2)), ("sum[i, j](x)", Limits(rank=1)),
            ("op f(x): y[i, j] = x", Limits(rank=1))):
        assert parse(text)
        with pytest.raises(NotationError):
            parse(text, limits=limits)
