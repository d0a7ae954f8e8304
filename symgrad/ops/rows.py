"""The rows of the library: each op by its equation in the notation, read when it is first used."""
from __future__ import annotations

import functools

from symgrad.core.op import Op
from symgrad.notation.parse import parse
from symgrad.notation.statements import Op as Row
from symgrad.ops.equations import op_of

__all__ = ["EQUATIONS", "library_op"]

EQUATIONS: dict[str, str] = {
    "softmax": "(z): s[i] = exp(z[i]) / sum[j](exp(z[j]))",
    "log_softmax": "(z): y[i] = z[i] - u where u = log(sum[j](exp(z[j])))",
    "logsumexp": "(z): y = log(sum[j](exp(z[j])))",
    "standardise": "(x, eps): y[i] = d[i] / s where d[i] = x[i] - mean[j](x[j]); s = sqrt(mean[j](d[j]^2) + eps)",
    "root_mean_square": "(x, eps): y = sqrt(mean[j](x[j]^2) + eps)",
    "mean": "(x): y = mean[j](x[j])",
    "variance": "(x): y = mean[j](d[j]^2) where d[i] = x[i] - mean[j](x[j])",
    "norm1": "(x): y = sum[j](abs(x[j]))",
    "norm2": "(x): y = sqrt(sum[j](x[j]^2))",
    "square_sum": "(x): y = sum[j](x[j]^2)",
}
"""name -> equation over the last axis; more axes are leading ones (`Op.lift`) or merged ones (`over`)."""

POSITIVE = {"norm2", "root_mean_square"}


@functools.cache
def library_op(name: str, axes: int = 1) -> Op:
    """The op of a row, reducing over that many last axes instead of one."""
    (row,) = parse("op row" + _widened(EQUATIONS[name], axes)).statements
    assert isinstance(row, Row)
    return op_of(row, name, positive=name in POSITIVE)


def _widened(text: str, axes: int) -> str:
    """The equation with indices i, j replaced by as many: x[j] becomes x[j1,j2]."""
    for letter in "ij" if axes != 1 else "":
        names = ",".join(f"{letter}{n + 1}" for n in range(axes))
        text = text.replace(f"[{letter}]", f"[{names}]")
    return text
