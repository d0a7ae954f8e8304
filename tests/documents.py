"""Two documents for the tests of the renderers: one with every kind of block, and one like a real worked solution."""
from __future__ import annotations

from symgrad.explain.document import (
    Check,
    Code,
    CodeBlock,
    Details,
    Document,
    Emphasis,
    Equation,
    Factor,
    FactorRow,
    Line,
    ListBlock,
    Math,
    Note,
    Paragraph,
    Picture,
    Reference,
    Section,
    Strong,
    Table,
    Text,
)

SVG = ('<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" viewBox="0 0 60 20">'
       '<style>#a{fill:#fff}.n{stroke:#1f3a68}</style><rect id="a" class="n" x="1" y="1" width="20" height="18"/>'
       '<path id="b" d="M21 10H58" stroke="#1f3a68" marker-end="url(#m)"/></svg>')


def say(*parts: str | Math | Code | Emphasis | Strong | Reference) -> tuple[Text | Math | Code | Emphasis | Strong | Reference, ...]:
    return tuple(Text(part) if isinstance(part, str) else part for part in parts)


def every_block() -> Document:
    """Each class of the vocabulary at least once, in few words."""
    x = Math(r"\mathbf{x}", "x")
    return Document(
        "Every block", subtitle=say("of ", x), meta=(("symgrad", "0.1.0"), ("layout", "numerator")),
        blocks=(
            Paragraph(say("Words, ", Emphasis(say("stressed")), ", ", Strong(say("strong")), ", ", Code("code"), " and ", x, ".")),
            Section(say("A step in ", x), anchor="step-1", number="1", badge="chain rule", blocks=(
                Equation(anchor="eq-1", lines=(
                    Line((Math("= a", "= a"), Math("+ b", "+ b")), left=Math(r"\ell", "loss"), number="1"),
                    Line((Math("=", "="), FactorRow((
                        Factor(Math(r"\frac{\partial \ell}{\partial h}", "jac(loss, h)"), Math(r"1 \times K", "1 x K"), say("row")),
                        Factor(Math("W", "W"), Math(r"K \times D", "K x D"))))), reason=say("chain rule"), highlight=True),
                )),
                Note("why", (Paragraph(say("As in ", Reference("step-1", "step 1"), ".")),)),
                Section(say("Inner"), (Paragraph(say("Deeper.")),)),
            )),
            Table((say("name"), say("shape"), say("cost")), ((say(x), say("D"), say("12")), (say("y"), say("1"), say("3"))),
                  caption=say("A table"), align="lcr"),
            CodeBlock("python", "def f(x):\n    return x < 1\n", say("Code")),
            Picture(SVG, "a box with an arrow", say("A picture")),
            ListBlock(((Paragraph(say("one")),), (Paragraph(say("two")), ListBlock(((Paragraph(say("inner")),),)))), ordered=True),
            Note("reuse", (Paragraph(say("kept")),)),
            Note("check", (Paragraph(say("shapes fit")),)),
            Note("warning", (Paragraph(say("no commuting")),)),
            Note("convention", (Paragraph(say("columns")),)),
            Check(True, say("against central differences"), 2.5e-10),
            Check(False, say("against a wrong rule")),
            Details(say("More"), (Paragraph(say("folded")),)),
        ))


_W1, _W2 = Math("W^{(1)}", "W1"), Math("W^{(2)}", "W2")
_X = Math(r"\mathbf{x}_n", "x[n]")
_Z1, _H1 = Math(r"\mathbf{z}^{(1)}_n", "z1[n]"), Math(r"\mathbf{h}^{(1)}_n", "h1[n]")
_Z2, _H2 = Math(r"\mathbf{z}^{(2)}_n", "z2[n]"), Math(r"\mathbf{h}^{(2)}_n", "h2[n]")
_YHAT = Math(r"\hat{y}_n", "yhat[n]")


def _partial(of: str, by: str, notation: str) -> Math:
    return Math(rf"\frac{{\partial {of}}}{{\partial {by}}}", notation)


def _shape(*sizes: str) -> Math:
    return Math(r" \times ".join(sizes), " x ".join(size.replace("_", "") for size in sizes))


def _diagonal(layer: str) -> Factor:
    math = Math(rf"\operatorname{{diag}}\left(g'(\mathbf{{z}}^{{({layer})}}_n)\right)", f"diag(g'(z{layer}[n]))")
    return Factor(math, _shape(f"K_{layer}", f"K_{layer}"), say("elementwise"))


def worked_solution(picture: str = SVG) -> Document:
    """The gradient of a network with two hidden layers with respect to its first weights."""
    total = Math(r"\sum_{n=1}^{N}", "sum[n]")
    chain = FactorRow((
        Factor(_partial(r"\ell_n", r"\hat{y}_n", "jac(l[n], yhat[n])"), _shape("1", "1")),
        Factor(_partial(r"\hat{y}_n", r"\mathbf{h}^{(2)}_n", "jac(yhat[n], h2[n])"), _shape("1", "K_2")),
        Factor(_partial(r"\mathbf{h}^{(2)}_n", r"\mathbf{z}^{(2)}_n", "jac(h2[n], z2[n])"), _shape("K_2", "K_2")),
        Factor(_partial(r"\mathbf{z}^{(2)}_n", r"\mathbf{h}^{(1)}_n", "jac(z2[n], h1[n])"), _shape("K_2", "K_1")),
        Factor(_partial(r"\mathbf{h}^{(1)}_n", r"\mathbf{z}^{(1)}_n", "jac(h1[n], z1[n])"), _shape("K_1", "K_1")),
        Factor(_partial(r"\mathbf{z}^{(1)}_n", "W^{(1)}", "jac(z1[n], W1)"), _shape("K_1", "D", "K_1")),
    ))
    closed = FactorRow((
        Factor(Math("e_n", "e[n]"), _shape("1", "1"), say(Reference("seed", "step 3"))),
        Factor(Math(r"\mathbf{v}^{\top}", "v'"), _shape("1", "K_2")),
        _diagonal("2"),
        Factor(Math(r"W^{(2)\top}", "W2'"), _shape("K_2", "K_1")),
        _diagonal("1"),
    ))
    gradient = _partial(r"\mathcal{L}", "W^{(1)}", "grad(loss, W1)")
    forward = tuple(
        (say(str(place)), say(name), say(formula), say(shape), say(why))
        for place, (name, formula, shape, why) in enumerate((
            (_Z1, Math(r"W^{(1)\top}\mathbf{x}_n", "W1' * x[n]"), _shape("N", "K_1"), "for g′ in step 5"),
            (_H1, Math(r"g(\mathbf{z}^{(1)}_n)", "g(z1[n])"), _shape("N", "K_1"), "for the gradient of W⁽²⁾"),
            (_Z2, Math(r"W^{(2)\top}\mathbf{h}^{(1)}_n", "W2' * h1[n]"), _shape("N", "K_2"), "for g′ in step 4"),
            (_H2, Math(r"g(\mathbf{z}^{(2)}_n)", "g(z2[n])"), _shape("N", "K_2"), "for the gradient of v"),
            (_YHAT, Math(r"\mathbf{v}^{\top}\mathbf{h}^{(2)}_n", "v' * h2[n]"), _shape("N"), "for the error"),
        ), 1))
    return Document(
        "Gradient of a network with two hidden layers",
        subtitle=say("How the loss changes with the first weights ", _W1, ", factor by factor"),
        meta=(("symgrad", "0.1.0"), ("layout", "numerator"), ("gradients", "have the shape of the variable")),
        blocks=(
            Section(say("The network"), anchor="network", number="1", blocks=(
                Paragraph(say("Each example ", _X, " with ", Math(r"n = 1, \dots, N", "n = 1..N"), " passes through two hidden layers "
                              "with the activation ", Math("g", "g"), "; the output is a number, and the loss is the squared error.")),
                Equation((
                    Line((Math(r"= W^{(1)\top}\mathbf{x}_n,", "= W1' * x[n],"),
                          Math(r"\qquad \mathbf{h}^{(1)}_n = g(\mathbf{z}^{(1)}_n)", "  h1[n] = g(z1[n])")), left=_Z1),
                    Line((Math(r"= W^{(2)\top}\mathbf{h}^{(1)}_n,", "= W2' * h1[n],"),
                          Math(r"\qquad \mathbf{h}^{(2)}_n = g(\mathbf{z}^{(2)}_n)", "  h2[n] = g(z2[n])")), left=_Z2),
                    Line((Math(r"= \mathbf{v}^{\top}\mathbf{h}^{(2)}_n", "= v' * h2[n]"),), left=_YHAT),
                    Line((Math(r"= \frac{1}{2}\sum_{n=1}^{N}\left(y_n - \hat{y}_n\right)^2", "= 1/2 * sum[n]((y[n] - yhat[n])^2)"),),
                         left=Math(r"\mathcal{L}", "loss"), number="1"),
                )),
                Picture(picture, "The network as a graph: x, two hidden layers, the output and the loss",
                        say("Solid arrows carry values forward, dashed arrows carry local Jacobians back.")),
                Note("convention", (Paragraph(say("Vectors are columns. The Jacobian of ", Math(r"f\colon \mathbb{R}^P \to \mathbb{R}^Q",
                     "f: R^P -> R^Q"), " is ", _shape("Q", "P"), "; axes of the output come first.")),)),
            )),
            Section(say("Forward pass"), anchor="forward", number="2", blocks=(
                Paragraph(say("Every intermediate value gets a name. Those in the last column are kept, since the way back needs them.")),
                Table((say("#"), say("value"), say("computed as"), say("shape"), say("kept")), forward,
                      caption=say("Forward values in the order of computation"), align="rllcl"),
            )),
            Section(say("The seed"), anchor="seed", number="3", badge="power rule", blocks=(
                Paragraph(say("The backward pass starts at the loss, with the error of each example.")),
                Equation((Line((Math(r"= \hat{y}_n - y_n", "= yhat[n] - y[n]"), Math("= e_n", "= e[n]")),
                               left=_partial(r"\mathcal{L}", r"\hat{y}_n", "jac(loss, yhat[n])"),
                               reason=say("power rule; the 2 cancels the ½")),)),
            )),
            Section(say("Chain rule with every shape"), anchor="chain", number="4", badge="chain rule", blocks=(
                Paragraph(say("There is one path from ", Math(r"\mathcal{L}", "loss"), " to ", _W1, ", so the derivative is one product "
                              "of six local Jacobians, summed over the examples:")),
                Equation((Line((Math("=", "="), total, chain), left=gradient, number="2"),), anchor="eq-chain"),
                Note("why", (Paragraph(say("Neighbouring sizes agree: ", _shape("1", "1"), " meets ", _shape("1", "K_2"), ", and so on. "
                                           "The last factor has three axes, as it differentiates a vector by a matrix.")),)),
            )),
            Section(say("Closed form"), anchor="closed", number="5", badge="matrix product", blocks=(
                Paragraph(say("Each factor of ", Reference("eq-chain", "equation (2)"), " is replaced by its closed form.")),
                Equation((
                    Line((Math("=", "="), Math(r"(\boldsymbol{\delta}^{(1)}_n)^{\top} =", "delta1[n]' ="), closed),
                         left=_partial(r"\ell_n", r"\mathbf{z}^{(1)}_n", "jac(l[n], z1[n])")),
                    Line((Math(r"= \sum_{n=1}^{N} \mathbf{x}_n\,(\boldsymbol{\delta}^{(1)}_n)^{\top}", "= sum[n](x[n] * delta1[n]')"),),
                         left=gradient, reason=say("outer product, with the shape of ", _W1)),
                    Line((Math(r"= X^{\top}\left(\left(\mathbf{e}\,\mathbf{v}^{\top} \odot g'(Z^{(2)})\right)"
                               r" W^{(2)\top} \odot g'(Z^{(1)})\right)",
                               "= x' * ((e * v' .* g'(z2)) * W2' .* g'(z1))"),), left=gradient, highlight=True, number="3",
                         reason=say("all examples at once")),
                )),
                Note("reuse", (Paragraph(say("The product up to ", Math("g'(Z^{(2)})", "g'(z2)"),
                                             " is already there from the gradient of ", _W2,
                                             "; only one more product and one elementwise factor are new.")),)),
                Details(say("In components"), (Equation((Line((
                    Math(r"= \sum_{n=1}^{N} e_n\, g'(z^{(1)}_{nk})\, x_{nd}", "= sum[n](e[n] * g'(z1[n, k]) * x[n, d]"),
                    Math(r"\sum_{j=1}^{K_2} v_j\, g'(z^{(2)}_{nj})\, w^{(2)}_{kj}", "* sum[j](v[j] * g'(z2[n, j]) * W2[k, j]))")),
                    left=_partial(r"\mathcal{L}", "w^{(1)}_{dk}", "grad(loss, W1)[d, k]")),)),)),
            )),
            Section(say("Update"), anchor="update", number="6", blocks=(
                Equation((Line((Math(r"\leftarrow W^{(1)}", "<- W1"), Math(r"- \eta\, \frac{\partial \mathcal{L}}{\partial W^{(1)}}",
                                                                          "- eta * grad(loss, W1)")), left=_W1),)),
                CodeBlock("python", "e = yhat - y                                # (N,)\n"
                          "d2 = np.outer(e, v) * (1 - h2**2)           # (N, K2)\n"
                          "d1 = (d2 @ W2.T) * (1 - h1**2)              # (N, K1)\n"
                          "W1 -= eta * (x.T @ d1)                      # (D, K1)\n",
                          say("The same for ", Math(r"g = \tanh", "g = tanh"), ", with ", Math("g'(z) = 1 - h^2", "g'(z) = 1 - h^2"))),
                Note("warning", (Paragraph(say("Update all weights after the whole backward pass: ",
                                               _W2, " is still needed for ", _W1, ".")),)),
            )),
            Section(say("Is it right?"), anchor="check", number="7", blocks=(
                ListBlock(((Paragraph(say("The result has the shape of ", _W1, ": ", _shape("D", "K_1"), ".")),),
                           (Paragraph(say("It vanishes when every error ", Math("e_n", "e[n]"), " is zero.")),))),
                Check(True, say("against central differences of the forward program at 20 random points"), 3.1e-10),
            )),
        ))
