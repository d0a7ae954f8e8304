"""The field's names of sums of products, read off the equation: the same equation has the same name wherever it comes from."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core import equation as eq

__all__ = ["product_name"]


def product_name(body: eq.Expr, out: Sequence[str]) -> str | None:
    """`matmul`, `times`, `outer`, ...; None for what is no plain sum of products of operands."""
    bound: tuple[object, ...] = ()
    if body[0] == "S":
        bound, body = body[1], body[2]
    factors = [f for f in (body[1] if body[0] == "*" else (body,)) if f[0] != "n"]
    if any(f[0] not in "rd" or (f[0] == "r" and any(eq.is_affine(i) for i in f[2])) for f in factors):
        return None
    refs = [f[2] for f in factors if f[0] == "r"]
    deltas = [f for f in factors if f[0] == "d"]
    if not refs and not deltas:
        return None
    scaled = len(factors) != len(body[1] if body[0] == "*" else (body,))
    if deltas:
        return "diag" if len(refs) == len(deltas) == 1 and not bound and not scaled else "delta" if not refs else "contraction"
    if scaled or not refs:
        return "negate" if len(refs) == 1 and not bound and ("n", -1) in body[1] else "contraction"
    shared = set(refs[0]).intersection(*refs[1:])
    if len(refs) == 1:
        (r,) = refs
        if not bound:
            return "identity" if r == tuple(out) else "transpose" if set(r) == set(out) and len(r) == len(out) else \
                "diagonal" if len(set(r)) < len(r) else "broadcast"
        return "trace" if len(set(r)) < len(r) else "sum"
    if len(refs) > 2:
        return "contraction"
    if not bound:
        if not all(refs):
            return "scale"
        return "times" if refs[0] == refs[1] == tuple(out) else "outer" if not shared else "product"
    if len(bound) == 1 and shared == set(bound):
        ranks = sorted(map(len, refs))
        return {(1, 1): "dot", (1, 2): "matvec", (2, 2): "matmul"}.get((ranks[0], ranks[1]), "contraction")
    return "inner" if not out and refs[0] == refs[1] else "contraction"
