"""Notation to syntax tree: every network, every row of the tables, how operators bind, and texts that are long or odd."""
from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgrad.errors import NotationError
from symgrad.notation.parse import UNLIMITED, Limits, parse, parse_claims, parse_expression
from symgrad.notation.statements import (
    Claim,
    Const,
    Declaration,
    Definition,
    Family,
    Function,
    Op,
    Output,
    Size,
    Type,
    expressions,
)
from symgrad.notation.syntax import (
    Affine,
    AffineTerm,
    Binary,
    Call,
    Delta,
    Derivative,
    Expression,
    Index,
    Name,
    Negate,
    Number,
    Over,
    Partial,
    Place,
    Transpose,
    operands,
    walk,
)
from symgrad.notation.words import ELEMENTWISE, FACTS, FUNCTIONS, LAYERS, LINEAR_ALGEBRA, LOSSES, OF_SIZES, REDUCERS, REDUCTIONS, RESERVED

NETWORKS = sorted((Path(__file__).parent / "networks").glob("*.sg"))
HERE = Place(1, 1, 2)
CASES = """
det(X) | det(X)*inv(X)' | det(X^3) | 3*det(X^3)*inv(X)' | a'*x | a | sum(X)^2 | 2*sum(X)*ones(m,n) | (x-s)'*W*(x-s) | 2*W*(x-s)
x'*A*x+b'*x | (A+A')*x+b | tr(kron(A,X)) | tr(A)*eye(n) | tr(X'*X*B) | X*B'+X*B | tr(kron(X,X)) | 2*tr(X)*eye(n) | norm2(x-a)
(x-a)/norm2(x-a) | -0.5*(x-u)'*inv(S)*(x-u) | inv(S)*(x-u) | x'*ones(n) | ones(n) | x*x'*x | (x'*x)*eye(n)+2*x*x' | tr(tr(tr(A)*A)*A)
3*tr(A)^2*eye(n) | tan(x) | diag(tan(x).^2+ones(n)) | a'*sin(A*X*B)*b | A'*diag(a)*cos(A*X*B)*diag(b)*B' | (a'*X*b)^2 | 2*a*a'*X*b*b'
(t*F)^2 | (2*t)*F^2 | tr(X'*A*X) | A*X+A'*X | (y.*c)'*x | y.*c | x'*B'*A*A*x | A'*A'*B*x+B'*A*A*x | 2*sum(cos(A*x+y)) | (-2)*A'*sin(A*x+y)
log(x)'*log(x) | 2*(log(x)./x) | log(A*x)'*x | A'*(x./(A*x))+log(A*x) | diag(A*x)*x | diag(A*x)*eye(n)+diag(x)*A | y'*exp(A*x)
A'*(exp(A*x).*y) | 2*x'*x | 4*eye(n) | sin(A*x)'*B*cos(C*x) | norm2(A*x-y)^2 | 2*A'*(A*x-y) | norm2(T-U*V')^2 | -2*(T-U*V')*V | w-x
-eye(n) | (-1)*(C'*diag(sin(C*x))*B'*diag(cos(A*x))*A+C'*diag((B'*sin(A*x)).*cos(C*x))*C)+(-1)*A'*diag(cos(A*x))*B*diag(sin(C*x))*C
sum(x) | sum((y-relu(X*w+b*ones(m))).^2)/c | 2/c*ones(m)'*(0.5*(sign(X*w+b*ones(m))+ones(m)).*(relu(X*w+b*ones(m))-y)) | tanh(W*x+b)
diag(ones(m)-tanh(W*x+b).^2)*W | (X*a)'*C*(X*b) | C*X*b*a'+C'*X*a*b' | sin(t*u)'*cos(t*v)
(u.*cos(t*u))'*cos(t*v)-sin(t*u)'*(v.*sin(t*v)) | D[i,j,k,l] = det(X)*inv(X)[j,i]*inv(X)[l,k]-det(X)*inv(X)[j,k]*inv(X)[l,i]
norm2(C*tanh(B*tanh(A*x))-t)^2 | x*x' | x+x
((B'*((C'*(2*(C*tanh(B*tanh(A*x))-t))).*(ones(p)-tanh(B*tanh(A*x)).^2))).*(ones(m)-tanh(A*x).^2))*x' | 2*eye(n)
D[i,j,k] = delta[i,k]*x[j]+x[i]*delta[j,k] | (x-y)'*M*(x-y) | (x-y)*(x-y)'
"""
WRITTEN = """
A' | A * B | 2 * x | a .* b | a ./ b | a .^ b | a^b | X^2 | X^-1 | x' * y | x * y' | W[i, j] | x[n, d] | A'[i, j] | inv(X)[j, i] | 1/N
x / sqrt(D) | sum[i, j](x) | prod[i](x) | mean[i](x) | var[i](x) | min[i](x) | max[i](x) | s[i] = exp(z[i]) / sum[j](exp(z[j])) | sum(X)
mean(X) | max(x) | min(x) | norm1(x) | norm2(x) | normF(X) | tr(X) | det(X) | logdet(X) | inv(X) | pinv(X) | adj(X) | diag(x) | kron(A, B)
vec(X) | outer(x, y) | eye(n) | ones(n) | ones(m,n) | zeros(n) | delta[i,j] | onehot(c, K) | vector(1) | matrix(1) | tanh'(z)
grad(loss, W1) | jac(h2, z2) | grad(loss, yhat)[n] | jac(a,b)*jac(b,c) | D[i, j, k, l] = delta[i,k] * X[l,j] | 1/2*x | 1./x | tr(A*X*B)
norm2(A*x - y)^2 | sum(log(vector(1) + exp(-y .* (X*w)))) | softmax(z) | log_softmax(z) | logsumexp(z)
layernorm(h, gamma, beta, eps=1e-5) | attention(Q, K, V, mask=none) | rmsnorm(h, gamma, eps=1e-5)
batchnorm(h, gamma, beta, eps=1e-5, mode="train") | instancenorm(h, gamma, beta) | groupnorm(h, g1, b1, groups=G)
dropout(h, mask, p, scaling="inverted") | conv1d(x, w, stride=1, padding=0, dilation=1, groups=1) | conv2d(x, w)
maxpool(x, size=2, stride=2) | maxpool(x, 2, 2) | avgpool(x, 2, 2) | mse(y, yhat) | mae(y, yhat) | huber(y, yhat, delta=1)
hinge(y, yhat) | bce(y, p) | bce_logits(y, z) | cross_entropy(y, p) | cross_entropy_logits(y, z) | kl(p, q) | x[c, s*i + p] | h[n, t-1]
batchnorm(h, gamma, beta) | pad(x)[i + 1] | op bilinear(x, W, y): out[i] = sum[j, k](x[j] * W[i, j, k] * y[k]) | softmax(Q*K'/sqrt(d)) * V
l + e + g + i + E + S + N + D + none
"""


def cells(table: str) -> list[str]:
    return [cell.strip() for line in table.strip().splitlines() for cell in line.split(" | ")]


def index(text: str) -> Affine:
    expression = parse_expression(f"x[{text}]")
    assert isinstance(expression, Index)
    return expression.indices[0]


def shown(expression: Expression) -> str:
    """The expression with every bracket written."""
    inner = [shown(operand) for operand in operands(expression)]
    match expression:
        case Number():
            return str(expression.value)
        case Name():
            return expression.name
        case Transpose():
            return f"{inner[0]}'"
        case Negate():
            return f"(-{inner[0]})"
        case Binary():
            return f"({inner[0]}{expression.operator}{inner[1]})"
        case Call():
            return f"{expression.function}({','.join(inner)})"
        case Derivative():
            return f"{expression.function}{chr(39) * expression.order}({','.join(inner)})"
        case Index():
            return f"{inner[0]}[{','.join(affine.name or '?' for affine in expression.indices)}]"
        case Over():
            return f"{expression.reducer}[{','.join(expression.indices)}]({inner[0]})"
        case _:
            return type(expression).__name__


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_network(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    network = parse(text)
    lines = text.splitlines()
    for statement in (*network.statements, *network.claims):
        for node in (statement, *(inner for outer in expressions(statement) for inner in walk(outer))):
            word = lines[node.place.line - 1][node.place.column - 1:node.place.end_column - 1]
            assert word and word == word.strip()
            if isinstance(node, Name | Call | Binary):
                assert word == (node.name if isinstance(node, Name) else node.function if isinstance(node, Call) else node.operator)


def test_the_networks_of_the_page_are_the_files() -> None:
    page = (Path(__file__).parents[1] / "docs" / "notation.md").read_text(encoding="utf-8")
    files = "".join(path.read_text(encoding="utf-8") for path in NETWORKS)
    fenced = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    assert fenced and all(block in files for block in fenced)


@pytest.mark.parametrize("text", cells(CASES))
def test_cases_of_matrix_calculus(text: str) -> None:
    assert len(parse(text).statements) == 1


@pytest.mark.parametrize("text", cells(WRITTEN))
def test_rows_of_the_tables(text: str) -> None:
    assert len(parse(text).statements) == 1


def test_every_function_word_is_called() -> None:
    for word in sorted(FUNCTIONS):
        assert parse_expression(f"{word}(x)") == Call(word, (Name("x", HERE),), (), HERE)
        assert parse_expression(f"{word}'(x)") == Derivative(word, 1, (Name("x", HERE),), HERE)
    assert FUNCTIONS >= ELEMENTWISE | REDUCERS | REDUCTIONS | LINEAR_ALGEBRA | OF_SIZES | LAYERS | LOSSES


BINDING = {
    "a+b*c": "(a+(b*c))", "a-b-c": "((a-b)-c)", "a-b+c": "((a-b)+c)", "a/b/c": "((a/b)/c)", "a/b*c": "((a/b)*c)", "1/2*x": "((1/2)*x)",
    "a*b.*c/d./e": "((((a*b).*c)/d)./e)", "-a*b": "((-a)*b)", "a*-b": "(a*(-b))", "a--b": "(a-(-b))", "--a": "(-(-a))",
    "-a+b": "((-a)+b)", "-x^2": "(-(x^2))", "-x'": "(-x')", "-A'*x": "((-A')*x)", "x^-1": "(x^(-1))", "x^-y": "(x^(-y))",
    "x^--y": "(x^(-(-y)))", "x^(a+b)": "(x^(a+b))", "(x^a)^b": "((x^a)^b)", "x^(a^b)": "(x^(a^b))", "a*b^c": "(a*(b^c))",
    "a^b*c": "((a^b)*c)", "a.^b.*c": "((a.^b).*c)", "2^-x*y": "((2^(-x))*y)", "x'^2": "(x'^2)", "X^2'": "(X^2)'",
    "X^-1'*y": "((X^(-1))'*y)", "X^2''": "(X^2)''", "x''": "x''", "x^p[i]": "(x^p[i])", "x[i]^p[i]": "(x[i]^p[i])", "x[i]'": "x[i]'",
    "A'[i,j]": "A'[i,j]", "x[i][j]": "x[i][j]", "-x[i]": "(-x[i])", "A'*(B)": "(A'*B)", "A' * x'": "(A'*x')", "x'*A'*(b)": "((x'*A')*b)",
    "A'.*B'": "(A'.*B')", "A'-B'": "(A'-B')", "(A*x)'*(y)": "((A*x)'*y)", "1./x": "(1./x)", "2.*x": "(2.*x)", "2.^x": "(2.^x)",
    "1.5.*x": "(3/2.*x)", "1e-5": "1/100000", "1E2": "100", "0.50": "1/2", "1e-5.*x": "(1/100000.*x)", "tanh'(z)": "tanh'(z)",
    "tanh''(z)'": "tanh''(z)'", "tanh(z)'": "tanh(z)'", "g'(z)[i]": "g'(z)[i]", "g''(z)*g'(z)": "(g''(z)*g'(z))",
    "l'(y, yhat)": "l'(y,yhat)", "A'*g'(z)": "(A'*g'(z))", "sum[i,j](x[i]*y[j])^2": "(sum[i,j]((x[i]*y[j]))^2)", "sum(x)[i]": "sum(x)[i]",
    "(((x)))": "x", "a*(b*c)": "(a*(b*c))", "2*x'*A*x": "(((2*x')*A)*x)", "x'*y/z'": "((x'*y)/z')",
    "exp(-y .* (X*w))": "exp(((-y).*(X*w)))", "delta[i,j]*x[i]": "(Delta*x[i])", "θ_1*ℓ2": "(θ_1*ℓ2)", "µ": "μ",
}


@pytest.mark.parametrize("text", BINDING)
def test_binding(text: str) -> None:
    assert shown(parse_expression(text, functions=("g", "l"))) == BINDING[text]


def test_numbers_are_exact() -> None:
    assert parse_expression("0.1") == Number(Fraction(1, 10), HERE)
    assert parse_expression("1e-5") == Number(Fraction(1, 100000), HERE)
    assert parse_expression("123456789012345678901234567890") == Number(Fraction(123456789012345678901234567890), HERE)


def test_partial_and_keywords() -> None:
    partial = parse_expression("partial(l, 1, 2)(y, yhat)", functions=["l"])
    assert partial == Partial("l", (1, 2), (Name("y", HERE), Name("yhat", HERE)), HERE)
    call = parse_expression('batchnorm(h, eps=1e-5, mode="train")')
    assert isinstance(call, Call)
    assert [(keyword.name, keyword.value) for keyword in call.keywords] == [("eps", Number(Fraction(1, 100000), HERE)), ("mode", "train")]
    assert operands(call) == (Name("h", HERE), Number(Fraction(1, 100000), HERE))


@pytest.mark.parametrize(("text", "constant", "terms"), [
    ("i", 0, [(1, "i")]), ("3", 3, []), ("-1", -1, []), ("t-1", -1, [(1, "t")]), ("1 + i", 1, [(1, "i")]),
    ("s*i + p", 0, [(1, "i s"), (1, "p")]),
    ("2*i - 3*j + 4", 4, [(2, "i"), (-3, "j")]), ("s*(i - 1) + p", 0, [(1, "i s"), (-1, "s"), (1, "p")]), ("i + i", 0, [(2, "i")]),
    ("i - i", 0, []), ("-i", 0, [(-1, "i")]), ("-(i - 2)*3", 6, [(-3, "i")]), ("N - i + 1", 1, [(1, "N"), (-1, "i")]),
    ("2*s*i", 0, [(2, "i s")]),
])
def test_affine_indices(text: str, constant: int, terms: list[tuple[int, str]]) -> None:
    wanted = Affine(constant, tuple(AffineTerm(coefficient, tuple(names.split())) for coefficient, names in terms), HERE)
    assert index(text) == wanted
    assert index(text).name == (terms[0][1] if constant == 0 and terms and terms == [(1, text)] else None)
    assert index(text).literal == (None if terms else constant)


def test_declarations() -> None:
    network = parse("examples n = 1..N\nindex k = 1..4\ndata a, b[n] : vector(D)\n"
                    'param W[k] : matrix(D, 3) spd lower as "W^{(k)} # [("\n'
                    "data y : scalar\nparam u : vector onehot\nsize D = 3, K\nconst c = 1/2, d = -1\n"
                    "function g elementwise = tanh\nfunction l(y, p)")
    vector = Type("vector", ("D",), HERE)
    assert network.statements == (
        Family("n", 1, "N", True, HERE), Family("k", 1, 4, False, HERE),
        Declaration("data", "a", (), vector, (), None, HERE), Declaration("data", "b", ("n",), vector, (), None, HERE),
        Declaration("param", "W", ("k",), Type("matrix", ("D", 3), HERE), ("spd", "lower"), "W^{(k)} # [(", HERE),
        Declaration("data", "y", (), Type("scalar", (), HERE), (), None, HERE),
        Declaration("param", "u", (), Type("vector", (), HERE), ("onehot",), None, HERE),
        Size("D", 3, HERE), Size("K", None, HERE), Const("c", parse_expression("1/2"), HERE), Const("d", parse_expression("-1"), HERE),
        Function("g", None, "tanh", HERE), Function("l", ("y", "p"), None, HERE))
    assert network.claims == ()


@pytest.mark.parametrize("fact", FACTS)
def test_facts(fact: str) -> None:
    (declaration,) = parse(f"param A : matrix(M, M) {fact}").statements
    assert isinstance(declaration, Declaration) and declaration.facts == (fact,)


def test_op_and_its_intermediates() -> None:
    text = "op norm(x, eps): y[i] = d[i]/s{}where d[i] = x[i] - mean[j](x[j]); s = sqrt(mean[j](d[j]^2) + eps)"
    (op,) = parse(text.format(" ")).statements
    assert isinstance(op, Op) and op.parameters == ("x", "eps") and op.equation.name == "y"
    assert [definition.name for definition in op.where] == ["d", "s"]
    assert parse(text.format("\n  ")).statements == parse(text.format(" ").replace("; ", "\nwhere ")).statements == (op,)
    assert parse(text.format(" ") + "\nnorm(x, 1)").statements[1] == Output(parse_expression("norm(x, 1)", functions=["norm"]), HERE)


def test_definitions_and_quantities() -> None:
    recurrence, quantity, plain = parse("h[n, 0] = h0\nD[i, j] = x[i]*y[j]\nD = x").statements
    assert recurrence == Definition("h", (index("n"), index("0")), Name("h0", HERE), False, HERE)
    assert isinstance(quantity, Definition) and quantity.sums_free
    assert isinstance(plain, Definition) and not plain.sums_free
    assert parse_expression("delta[i, j-1]") == Delta(index("i"), index("j-1"), HERE)


def test_a_fragment_ends_in_its_output() -> None:
    first, last = parse("t1[n] = h1[n] .* (1 - h1[n])\nx * t1'").statements
    assert isinstance(first, Definition) and isinstance(last, Output)


def test_claims() -> None:
    text = "claims\ngrad(loss, yhat)[n] = -e[n]\ns = 2*v\ne[n] = y[n]\njac(h2[n], z2[n]) = diag(s)\nD[k] = -sum[n](e[n]*h[n,k])"
    network = parse("loss = sum(x)\n" + text)
    assert len(network.statements) == 1 and [type(claim.target) for claim in network.claims] == [Index, Name, Index, Call, Index]
    assert network.claims[1] == Claim(Name("s", HERE), parse_expression("2*v"), HERE)
    assert parse_claims(text) == parse_claims(text.partition("\n")[2]) == network.claims
    assert parse_claims("") == ()


def test_lines_brackets_and_comments() -> None:
    text = "\ufeffz = f(  # a comment\u00a0with ( and \" and é\r\n\t x ,\r\n\r\n  y)  # end\r\n\r\n# z = 3\rw = z"
    first, second = parse(text, functions=["f"]).statements
    assert isinstance(first, Definition) and isinstance(first.value, Call)
    assert [argument.place for argument in first.value.arguments] == [Place(2, 3, 4), Place(4, 3, 4)]
    assert second.place == Place(7, 1, 2)


def test_places_of_composite_expressions() -> None:
    expression = parse_expression("-x[i]' + inv(X)[j,i]")
    assert expression.place == Place(1, 8, 9)
    assert [node.place.column for node in walk(expression)] == [2, 2, 6, 1, 14, 10, 10, 8]


def test_limits() -> None:
    for text, allowed in (("x" * 2000, Limits()), ("\n".join(["x = y"] * 200) + "\n", Limits()), ("(" * 60 + "x" + ")" * 60, Limits()),
                          ("x[a,b,c,d,e,f]", Limits()), ("+".join("x" * 200), Limits()), ("1" * 30, Limits()),
                          ("z" * 9, Limits(characters=9))):
        assert parse(text, limits=allowed)
    for text in ("x" * 2001, "\n".join(["x = y"] * 201), "(" * 61 + "x" + ")" * 61, "x[a,b,c,d,e,f,g]", "+".join("x" * 201), "1" * 31):
        assert parse(text, limits=None) == parse(text, limits=UNLIMITED)
        with pytest.raises(NotationError):
            parse(text)


@pytest.mark.parametrize("text", [
    "+".join(["x"] * 5000), "*".join(["x"] * 5000), "-" * 5000 + "x", "x" + "'" * 5000, "(" * 5000 + "x" + ")" * 5000,
    "exp(" * 5000 + "x" + ")" * 5000, "x^(" * 5000 + "x" + ")" * 5000, "x^" + "-" * 5000 + "x", "x[" + "+".join(["i"] * 5000) + "]",
    "x[" + "(" * 5000 + "i" + ")" * 5000 + "]",
    "x" + "[i]" * 5000, "sum[i](" * 5000 + "x" + ")" * 5000, "1" * 4000, "f(" + ",".join(["x"] * 5000) + ")",
], ids=lambda text: text[:12])
def test_long_expressions(text: str) -> None:
    expression = parse_expression(text, limits=None, functions=["f"])
    assert sum(1 for _ in walk(expression)) >= 1


def test_a_long_network_takes_time_in_proportion() -> None:
    def seconds(lines: int) -> float:
        text = "\n".join(f"z{i}[n] = relu(W{i}*x[n] + b{i})" for i in range(lines))
        start = time.process_time()
        assert len(parse(text, limits=None).statements) == lines
        return time.process_time() - start

    seconds(10)
    assert seconds(1600) < 40 * seconds(100) + 0.1


PIECES = st.sampled_from([
    *sorted(RESERVED), "x", "W", "n", "g", "1", "2.5", "1e-5", "'", "''", '"', '"a"', "(", ")", "[", "]", "+", "-", "*", "/", ".*", "./",
    "^", ".^", "..", ".", ",", ":", ";", "=", "#", "\n", " ", "\t", "\0", "\ud800", "\u202e", "\u2028", "×", "_", "λ", "elementwise",
    "symmetric", "D", "0", "9" * 31])
VALID = [path.read_text(encoding="utf-8") for path in NETWORKS]


def tree_or_error(text: str) -> None:
    """Parse; an error must show a place inside the text."""
    for reader in (parse, parse_expression, parse_claims):
        try:
            reader(text)
        except NotationError as error:
            assert 1 <= error.line <= error.source.count("\n") + 1
            assert 1 <= error.column <= len(error.source.split("\n")[error.line - 1]) + 1
            assert error.message and "nothing, found" not in error.message and str(error).encode()


@given(st.text())
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    tree_or_error(text)


@given(st.lists(PIECES, max_size=25), st.sampled_from(["", " "]))
def test_any_words_are_a_tree_or_an_error(words: list[str], gap: str) -> None:
    tree_or_error(gap.join(words))


@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 6), PIECES), min_size=1, max_size=3))
def test_any_change_of_a_network_is_a_tree_or_an_error(text: str, changes: list[tuple[int, int, str]]) -> None:
    for at, dropped, piece in changes:
        at %= len(text)
        text = text[:at] + piece + text[at + dropped:]
    tree_or_error(text)
