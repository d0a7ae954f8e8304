"""The words of the notation: which are reserved, which are functions, and what to write instead of a foreign character."""
from __future__ import annotations

import keyword

__all__ = [
    "ADVICE", "ARITIES", "CLAIM_FUNCTIONS", "ELEMENTWISE", "FACTS", "FUNCTIONS", "KEYWORDS", "LAYERS", "LINEAR_ALGEBRA", "LOSSES",
    "OF_SIZES", "REDUCERS", "REDUCTIONS", "RESERVED", "STATEMENTS", "TERMINALS",
]

ELEMENTWISE = frozenset(
    "exp log sqrt abs sign step sin cos tan arcsin arccos arctan sinh cosh tanh sigmoid relu leaky_relu elu selu softplus gelu silu mish "
    "hardtanh erf log1p expm1".split())
REDUCERS = frozenset("sum prod mean var min max".split())                                  # over indices, `sum[i](...)`
REDUCTIONS = frozenset("sum mean max min norm1 norm2 normF".split())                       # of a whole array, `sum(X)`
LINEAR_ALGEBRA = frozenset("tr det logdet inv pinv adj diag kron vec outer".split())
OF_SIZES = frozenset("eye ones zeros onehot vector matrix".split())
LAYERS = frozenset(
    "softmax log_softmax logsumexp layernorm rmsnorm batchnorm instancenorm groupnorm dropout conv1d conv2d conv_transpose1d "
    "conv_transpose2d maxpool avgpool globalmaxpool globalavgpool attention embedding pad".split())
LOSSES = frozenset("mse mae huber hinge bce bce_logits cross_entropy cross_entropy_logits kl contrastive infonce".split())
CLAIM_FUNCTIONS = frozenset(("grad", "jac"))
FUNCTIONS = ELEMENTWISE | REDUCERS | REDUCTIONS | LINEAR_ALGEBRA | OF_SIZES | LAYERS | LOSSES | CLAIM_FUNCTIONS

STATEMENTS = ("examples", "index", "data", "param", "size", "const", "function", "op", "claims")
KEYWORDS = frozenset((*STATEMENTS, "where", "as"))
FACTS = ("symmetric", "psd", "spd", "invertible", "orthogonal", "diagonal", "lower", "upper", "positive", "onehot", "simplex")
ARITIES: dict[str, tuple[int, ...]] = {"scalar": (0,), "vector": (0, 1), "matrix": (0, 2), "tensor": (), "label": (0, 1)}   # () means any

# The terminal that the grammar knows each reserved word by; Python's own words have one that fits nowhere.
TERMINALS: dict[str, str] = {
    **dict.fromkeys(keyword.kwlist, "PYTHON"), **dict.fromkeys(FUNCTIONS, "BUILTIN"), **dict.fromkeys(REDUCERS, "REDUCER"),
    "examples": "FAMILY", "index": "FAMILY", "data": "ROLE", "param": "ROLE", "size": "SIZE", "const": "CONST", "function": "FUNCTION",
    "op": "OP", "claims": "CLAIMS", "where": "WHERE", "as": "AS", "delta": "DELTA", "partial": "PARTIAL",
}
RESERVED = frozenset(TERMINALS)

_GROUPS = {
    "×·⋅∙∗•": "write *", "@": "write * (the product of matrices is * too)", "÷∕": "write /", "−–—‐‑": "write -", "⊙∘○": "write .*",
    "⊘": "write ./", "ᵀᵗ⊤†": "write ' for the transpose", "’‘′´`": "write '", "″": "write ''", "“”„«»": 'write "',
    "¹²³⁰⁴⁵⁶⁷⁸⁹ⁿ": "write ^ and the exponent", "₀₁₂₃₄₅₆₇₈₉": "write the digit itself, as in x1, or x[1] for a component",
    "∑": "write sum[i](...)", "∏": "write prod[i](...)", "√": "write sqrt(...)", "∂∇": "write grad(loss, W) or jac(h, z)",
    "‖∥": "write norm2(...)", "|": "write abs(...), norm2(...) or det(...)", "{}": "write ( ) or [ ]",
    "\\$": "formulas are written without LaTeX, as in alpha or W1", "%": "# starts a comment",
    "<>≤≥≠!": "there are no comparisons; step(x) is 1 where x > 0", "½": "write 1/2", "¼": "write 1/4", "…": "write .. for a range",
    "←→⇒": "write =", "&~?∞": "it has no meaning here", "\u00a0\u2002\u2003\u2009\u202f\u3000": "write a plain space",
}
ADVICE: dict[str, str] = {character: advice for group, advice in _GROUPS.items() for character in group}
