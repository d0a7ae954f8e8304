"""The rule behind a step in a few words, read off the op that was differentiated."""
from __future__ import annotations

from symgrad.core.op import Op

__all__ = ["RULES", "rule_of"]

_OF_ARRAYS = "elementwise: each entry depends on its own entry only, so the Jacobian is diagonal"
_CONVOLUTION = ("linear in each factor: by the window, the correlation of the input with the cotangent; by the input, the transposed convolution "
                "of the cotangent with the window")
_LINEAR = "a product is linear in each factor: its derivative is the other one"

RULES: dict[str, str] = {
    **dict.fromkeys(("matvec", "matmul", "dot", "outer"), _LINEAR), "times": "product rule, entry by entry", "scale": "a factor stays",
    **dict.fromkeys(("conv1d", "conv2d"), _CONVOLUTION),
    "standardise": "each output depends on its own input, and on every input through the mean and through the deviation: three terms",
    "root_mean_square": "a root over a mean of squares",
    "add": "the derivative of a sum is the sum of the derivatives", "subtract": "the derivative of a difference is the difference of the derivatives",
    "sum": "each summand counts once", "power": "power rule", "sqrt": "power rule", "divide": "quotient rule", "negate": "the sign stays",
    "softmax": "each output depends on every input through the sum below", "logsumexp": "the outer logarithm over the inner sum",
    "square_sum": "power rule, then sum", "inv": "from X*inv(X) = I", "det": "Jacobi's formula", "logdet": "Jacobi's formula, divided by the determinant",
    "mean": "each summand counts 1/n", "norm2": "a root over a sum of squares", "transpose": "entries change places",
    "stack": "each part takes its own share of what comes back",
    **dict.fromkeys(("contraction", "product", "inner", "trace", "diag", "diagonal", "broadcast"), "linear: the coefficients"),
}


def rule_of(op: Op, rank: int) -> str:
    """The rule for an op; `rank` tells an elementwise function of an array (1 and more) from a function of a number."""
    found = RULES.get(op.name)
    if found is None and op.body is not None and op.body[0] == "f":
        return _OF_ARRAYS if rank else "the derivative of the function at its argument"
    return found or f"the rule of {op.name}"
