"""Mistakes that only shapes and names show: each is refused at its place, in the user's words, with what to do."""

from __future__ import annotations

import random
import re

import pytest
from test_network import fenced

from symgrad.errors import NotationError
from symgrad.network import parse

HEAD = """examples n = 1..N
data x[n] : vector(D)
data y[n] : scalar
data c[n] : label(K)
param W : matrix(D, K)
param v : vector(K)
param u : vector(D)
param t : scalar
param T : tensor(D, K, K)
"""
SHAPES: tuple[tuple[str, int, str], ...] = (
    ("z = W * x[1]", 0, "x (N x D) takes"),
    ("z[n] = W * x[n]", 10, "W (D x K) * x[n] (D): the first has K columns and the second D rows: did you mean W'?"),
    ("z = W * W", 7, "W (D x K) * W (D x K): the first has K columns and the second D rows: did you mean W'?"),
    ("z = u' * W'", 8, "did you mean W?"),
    ("z = u * v", 7, "two columns: write u' * v for the dot product, u * v' for the outer product, u .* v for entry by entry"),
    ("z = u' * v'", 8, "two rows: did you mean u' * v or u' .* v'?"),
    ("z = u' * v", 8, "u' (1 x D) * v (K): a dot product needs vectors of one size"),
    ("z = W * v'", 7, "a row cannot stand after a matrix: did you mean v?"),
    ("z = u * W", 7, "a column cannot stand before a matrix: did you mean u'?"),
    ("z = u + v", 7, "u (D) + v (K): the shapes differ, and only a scalar goes with anything"),
    ("z = u + u'", 7, "a row does not go with a column: write u + u, or u * u' for the outer product"),
    ("z = W + W'", 7, "W (D x K) + W' (K x D): the shapes differ; did you mean W?"),
    ("z = W + v'", 7, "nothing is repeated to fit: write the repetition, as in ones(N) * b'"),
    ("z = u .* v", 7, "u (D) .* v (K)"),
    ("z = 1/u", 6, "a quotient by a vector has no meaning: write 1 ./ u for entry by entry"),
    ("z = t/W", 6, "write t ./ W for entry by entry, or t * inv(W)"),
    ("z = u^2", 6, "only a scalar or a square matrix has a power: write u .^ 2"),
    ("z = W^2", 6, "only a scalar or a square matrix has a power"),
    ("z = (W*W')^t", 11, "the power of a matrix is a whole number"),
    ("z = t^u", 6, "an exponent is a scalar: write t .^ u"),
    ("z = (W*W')^2000", 11, "at most the power 1000"),
    ("z = T'", 6, "T has 3 axes; a transpose is of a vector or a matrix"),
    ("z = tr(W)", 5, "tr takes a square matrix; this is W (D x K)"),
    ("z = det(u)", 5, "det takes a square matrix; this is u (D)"),
    ("z = inv(t)", 5, "inv takes a square matrix; this is t (scalar)"),
    ("z = diag(W)", 5, "diag takes a square matrix"),
    ("z = kron(W, u)", 5, "kron takes two matrices; these are W (D x K) and u (D)"),
    ("z = vec(u)", 5, "vec takes a matrix"),
    ("z = outer(u, W)", 5, "outer takes two vectors"),
    ("z = softmax(t)", 5, "softmax is over the last axis; t (scalar) has none"),
    ("z = u[1, 2]", 5, "u (D) takes one index, found 2"),
    ("z = W[1]", 5, "W (D x K) has 2 axes, so it takes 2 indices; found 1"),
    ("z = t[1]", 5, "t is a scalar and has no components"),
    ("z[i] = W[i, i] + 0*v[i]", 13, "the index i runs over D, but this axis has K entries"),
    ("z = sum[i](u[i]*v[i])", 19, "the index i runs over D, but this axis has K entries"),
    ("z = u[0]", 7, "the index of u[0] is 0, outside the range 1..D; pad(...) reads zeros there"),
    ("z[i] = u[i+1] - u[i]", 10, "is from 2 to D + 1, outside the range 1..D"),
    ("z = layernorm(x, v, v)", 5, "gamma of layernorm is a vector of size D; this is v (K)"),
    (
        "z[n] = batchnorm(x[n], u, u)",
        8,
        "batchnorm mixes the examples, so it takes the whole array: write batchnorm(x, ...) without its index",
    ),
    ('z = batchnorm(x, u, u, mode="eval")', 5, "uses averages kept from training"),
    ("z = mse(y, x)", 5, "a target and a prediction of one shape; these are y (N) and x (N x D)"),
    ("z = cross_entropy(c, x)", 5, "c (N) is a label of K classes, and x (N x D) has D"),
    ("z = dropout(u, v, 0.5)", 5, "the mask has the shape of what it masks"),
    ("z = dropout(u, u, 2)", 5, "p of dropout is at least 0 and less than 1"),
    ("z = attention(W, W, v)", 5, "attention takes matrices whose rows are positions"),
    ("z = attention(W, W', W)", 5, "attention takes Q (m x d), K (n x d), V (n x p)"),
    ("z = grad(u, t)", 5, "grad takes a scalar; this has shape D: write jac(...)"),
    ("z = vector(1)", 1, "the size of vector(1) follows from nothing here: write ones(n)"),
    ("z = vector(1) + W", 15, "vector(1) goes with a vector"),
    ("z = zeros(t)", 11, "t is a value, not a size"),
    ("z = ones(Q)", 10, "Q is no size"),
    ("z = eye(D, K)", 5, "eye takes one size: it is square"),
    ("z = conv1d(W, v)", 5, "conv1d takes channels x length and out x in/groups x window"),
    ("z = maxpool(W, 0)", 5, "a size and a stride, which are whole numbers"),
    ("z = groupnorm(u, u, u)", 5, "groupnorm needs the number of groups"),
    ("z[i, j] = delta[i, j]", 1, "the range of the index i follows from nothing here"),
    ("z = log(0)", 5, "the logarithm of a number that is not positive"),
    ("z = u/0", 6, "the divisor is zero"),
)
NAMES: tuple[tuple[str, int, int, str], ...] = (
    ("z = Wx * u", 1, 5, "Wx is not declared; did you mean x, W?"),
    ("z[n] = x[m]", 1, 10, "the index m is bound by nothing: sum over it, as in sum[m](...)"),
    ("loss = sum(x[n])", 1, 14, "the index n is bound by nothing here: put n on the left side, or sum over it"),
    ("z = n * u", 1, 5, "n is an index, and an index stands inside square brackets only"),
    ("z[n] = x[n, K]", 1, 13, "K is a size without a number, so it cannot stand in an index: declare `size K = 3`"),
    ("W = 2 * u", 1, 1, "W is defined already"),
    ("D = 2 * t", 1, 1, "D is a size already"),
    ("data K : scalar\nz = 1", 1, 6, "K is a size already"),
    ("data q[m] : vector(D)\nz = 1", 1, 6, "the index m is not declared: write `examples m = 1..N`"),
    ("data q : vector\nz = 1", 1, 10, "the size of q is missing: write q : vector(D)"),
    ("index i = 0..3\nz = 1", 1, 7, "a range begins with 1, found 0"),
    ("index n = 1..3\nz = 1", 1, 7, "n is defined already"),
    ("function g elementwise = tnh\nz = 1", 1, 10, "tnh is no function of numbers; did you mean tanh, tan, sinh?"),
    ("function l(a, b)\nz = l(t)", 2, 5, "l takes 2 arguments, found 1"),
    ("op f(a): o[i] = a[i]\nz = f(t)", 2, 5, "operand 1 of f has 1 axes in its equation; t (scalar) has 0"),
    ("op f(a): o[i] = a[i]\nz = f(u, u)", 2, 5, "f takes 1 operands, found 2"),
    ("op f(a): o[i] = a[j]\nz = t", 1, 10, "the index j of op f is bound by nothing"),
    ("op f(a, w): o[i] = sum[p](a[i+p-1]*w[p])\nz = t", 1, 15, "the range of the index i follows from no operand"),
    ("op f(a): o[i] = a[i+1] - a[i]\nz = f(u)", 2, 5, "f reads its operand 1 from 2 to D + 1, outside the range 1..D"),
    ("const a = u\nz = 1", 1, 7, "a constant is a scalar"),
    ("z = relu(u, u)", 1, 5, "relu takes 1 argument, found 2"),
    ("z = softmax(u, axis=1)", 1, 16, "softmax has no argument axis"),
    ("z = layernorm(x, u, u, ep=1)", 1, 24, "layernorm has no argument ep; it has eps; did you mean eps?"),
    ("z = var(u)", 1, 5, "var is over indices: write var[i](x[i])"),
    ("z = mse'(u, u)", 1, 5, "the prime is for functions of one number"),
    ("h[n, 0] = u\nh[n, i] = h[n, i-1]\nz = 1", 2, 1, "declare `index i = 1..T`"),
    (
        "index s = 1..3\nh[n, 0] = u\nh[n, s] = h[n, s+1]\nz = 1",
        3,
        16,
        "h[n, s+1] is step 4, which is not known here; known are steps 0..0",
    ),
    ("index s = 1..3\nh[n, s] = h[n, s-1]\nz = 1", 2, 11, "a recurrence begins with a line such as h[..., 0] = ..."),
    ("index s = 1..3\nh[n, 0] = u\nh[n, s] = h[n, s-1] + sum(h)*u\nz = 1", 3, 27, "still being computed"),
    ("index s = 1..3\nh[n, 0] = u\nh[n, s] = v\nz = 1", 3, 1, "the steps of h have different shapes"),
)


@pytest.mark.parametrize(("line", "column", "message"), SHAPES)
def test_shapes(line: str, column: int, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(HEAD + line)
    error = caught.value
    assert message in error.message or not column, error.message
    assert error.line == HEAD.count("\n") + 1 and (error.column == column or not column), (error.column, str(error))
    assert str(error).splitlines()[-1].endswith("^")


@pytest.mark.parametrize(("text", "line", "column", "message"), NAMES)
def test_names(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(HEAD + text, file="net.sg")
    error = caught.value
    assert message in error.message, error.message
    assert (error.line - HEAD.count("\n"), error.column) == (line, column), str(error)
    assert f"net.sg, line {error.line}, column {column}" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_mutated_text_is_a_network_or_a_clear_error(seed: int) -> None:
    rnd = random.Random(seed)
    texts = [*fenced(), *(HEAD + line for line, _, _ in SHAPES), *(HEAD + n[0] for n in NAMES)]
    words = re.findall(r"\w+|\S", " ".join(texts))
    for _ in range(150):
        pieces = re.findall(r"\w+|\s+|\S", rnd.choice(texts))
        for _ in range(rnd.choice((1, 1, 2, 3))):
            at = rnd.randrange(len(pieces))
            change = rnd.randrange(4)
            if change == 0:
                pieces[at] = rnd.choice(words)
            elif change == 1:
                pieces.insert(at, rnd.choice(words))
            elif change == 2 and len(pieces) > 1:
                del pieces[at]
            else:
                other = rnd.randrange(len(pieces))
                pieces[at], pieces[other] = pieces[other], pieces[at]
        try:
            parse("".join(pieces))
        except NotationError as error:
            assert error.line and error.column
