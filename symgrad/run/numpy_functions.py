"""Functions of numbers by name in; the NumPy code of their values out."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.functions import split_derivative
from symgrad.ops.kernels import FUNCTIONS

__all__ = ["IMPORTED", "applied", "local_name"]

IMPORTED = ("sigmoid", "softplus", "erf", "gelu", "softmax", "logsumexp", "FUNCTIONS")
"""What a program takes from symgrad.ops.kernels where it uses it."""

_NUMBERS = {"exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
            "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "log1p": "log1p", "expm1": "expm1", "erf": "erf"}
_ARRAYS = ("exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log1p", "expm1", "abs", "sign")
_PRODUCT, _ATOM = 1, 4


def applied(name: str, arguments: Sequence[str], atoms: bool, is_array: bool) -> tuple[str, int]:
    """(code, how tightly it binds) of a function at arguments.

    atoms: the arguments are names or calls, not sums or products. is_array: they are arrays, not single numbers.
    """
    z = arguments[0]
    if not is_array and name in _NUMBERS:
        return f"math.{_NUMBERS[name]}({z})", _ATOM
    if name == "abs" and not is_array:
        return f"abs({z})", _ATOM
    if name == "relu":
        return (f"np.maximum({z}, 0.0)" if is_array else f"max({z}, 0.0)"), _ATOM
    if name == "step":
        return (f"np.where({z} > 0, 1.0, 0.0)" if is_array else f"float({z} > 0)"), _ATOM
    if name == "hardtanh":
        return f"np.clip({z}, -1.0, 1.0)", _ATOM
    if name in _ARRAYS:
        return f"np.{name}({z})", _ATOM
    if name == "silu" and atoms and z.startswith("<"):
        return f"{z} * sigmoid({z})", _PRODUCT
    if name in IMPORTED:
        return f"{name}({z})", _ATOM
    if name in FUNCTIONS:
        return f'FUNCTIONS["{name}"]({z})', _ATOM
    return f"{local_name(name)}({', '.join(arguments)})", _ATOM


def local_name(name: str) -> str:
    """The name in a program of an unknown function or its derivative: `l@1,2` is `l_12`, set apart by `<f ...>` to be filled in."""
    head, order = split_derivative(name)
    return f"<f{head}{'@' if order else ''}{','.join(map(str, order))}>"
