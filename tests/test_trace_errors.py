"""What cannot be traced raises at once: the error names the function, the line of the user's code and the remedy."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg


def branch(x: Any) -> Any:
    if x.sum() > 0:                                            # here
        return x
    return -x


def branch_on_value(x: Any) -> Any:
    return x if x[0, 0] else -x                                # here


def builtin_max(x: Any) -> Any:
    return max(x[0, 0], 0.0)                                   # here


def write(x: Any) -> Any:
    x[0] = 1.0                                                 # here
    return x


def write_into_array(x: Any) -> Any:
    out = np.zeros(3)
    out[0] = x[0, 0]                                           # here
    return out


def augmented(x: Any) -> Any:
    z = x * 2
    z += 1                                                     # here
    return z


def out_argument(x: Any) -> Any:
    return np.add(x, 1, out=x)                                 # here


def array_plus_is(x: Any) -> Any:
    total = np.zeros((3, 4))
    total += x                                                 # here
    return total


def as_array(x: Any) -> Any:
    return np.array([x[0], x[1]])                              # here


def as_float(x: Any) -> Any:
    return float(x[0, 0])                                      # here


def as_int(x: Any) -> Any:
    return int(x[0, 0])                                        # here


def with_math(x: Any) -> Any:
    return math.exp(x[0, 0])                                   # here


def range_of_value(x: Any) -> Any:
    return sum(range(x[0, 0]))                                 # here


def loop_over_name(n: Any) -> Any:
    return sum(row.sum() for row in n)                         # here


def length_of_name(n: Any) -> Any:
    return n.sum() / len(n)                                    # here


def count_of_name(n: Any) -> Any:
    return sum(n[k] for k in range(n.shape[0]))                # here


def zeros_of_name(n: Any) -> Any:
    return np.zeros(n.shape) + n                               # here


def math_of_size(n: Any) -> Any:
    return n / math.sqrt(n.shape[0])                           # here


def boolean_index(x: Any) -> Any:
    return x[x > 0].sum()                                      # here


def index_by_value(x: Any, i: Any) -> Any:
    return x[i]                                                # here


def sorting(x: Any) -> Any:
    return np.sort(x, axis=0)                                  # here


def arguments_of_maximum(x: Any) -> Any:
    return np.argmax(x)                                        # here


def unknown_function(x: Any) -> Any:
    return np.fft.fft(x)                                       # here


def unknown_ufunc(x: Any) -> Any:
    return np.floor(x)                                         # here


def misfit(x: Any, y: Any) -> Any:
    return x + y                                               # here


def product_misfit(x: Any) -> Any:
    return x @ x                                               # here


def reshape_misfit(x: Any) -> Any:
    return x.reshape(5, 5)                                     # here


def out_of_range(x: Any) -> Any:
    return x[7]                                                # here


def too_many_indices(x: Any) -> Any:
    return x[0, 0, 0]                                          # here


def bad_axis(x: Any) -> Any:
    return x.sum(axis=4)                                       # here


def modulo(x: Any) -> Any:
    return x % 2                                               # here


def unknown_method(x: Any) -> Any:
    return x.cosine()                                          # here


def unknown_option(x: Any) -> Any:
    return np.sum(x, where=np.ones((3, 4), dtype=bool))        # here


def complex_constant(x: Any) -> Any:
    return x * np.array([1j, 2, 3, 4])                         # here


def text(x: Any) -> Any:
    return x * "a"                                             # here


def one_argument_where(x: Any) -> Any:
    return np.where(x > 0)                                     # here


def factorisation(x: Any) -> Any:
    return np.linalg.svd(x)                                    # here


def rounding(x: Any) -> Any:
    return np.round(x)                                         # here


def symbolic_slice(n: Any) -> Any:
    return n[:3]                                               # here


def unequal_sizes(n: Any, k: Any) -> Any:
    return n + k                                               # here


def in_a_helper(x: Any) -> Any:
    return branch(x)


def chained_comparison(x: Any) -> Any:
    return np.where(0 < x < 1, x, 0)                           # here


def and_of_masks(x: Any) -> Any:
    return np.where((x > 0) and (x < 1), x, 0)                 # here


def membership(x: Any) -> Any:
    return x if 3 in x else -x                                 # here


CASES: list[tuple[Callable[..., Any], str]] = [
    (branch, "np.where"), (branch_on_value, "np.where"), (builtin_max, "np.where"), (write, "in-place write"), (write_into_array, "np.stack"),
    (augmented, "write z = z +"), (out_argument, "out="), (array_plus_is, "out"), (as_array, "np.stack"), (as_float, "use np functions"),
    (as_int, "constant from outside"), (with_math, "use np functions"), (range_of_value, "constant indices"), (loop_over_name, "whole number"),
    (length_of_name, "n.shape[0]".replace("n", "x")), (count_of_name, "x=(4, 3)"), (zeros_of_name, "np.zeros_like"), (math_of_size, "np.zeros_like"),
    (boolean_index, "np.where"), (index_by_value, "one-hot"), (sorting, "np.max"), (arguments_of_maximum, "no slope"), (unknown_function, "docs/tracing.md"),
    (unknown_ufunc, "not known"), (misfit, "meets one of size"), (product_misfit, "columns meet"), (reshape_misfit, "does not fit"),
    (out_of_range, "out of bounds"), (too_many_indices, "3 indices for an array of 2 axes"), (bad_axis, "axis 4"), (modulo, "jumps"),
    (unknown_method, "cosine"), (unknown_option, "where"), (complex_constant, "real numbers"), (text, "not with str"), (one_argument_where, "depends on values"),
    (factorisation, "known are inv"), (rounding, "no slope"), (symbolic_slice, "whole number"), (unequal_sizes, "same name"), (in_a_helper, "np.where"),
    (chained_comparison, "np.where"), (and_of_masks, "np.where"), (membership, "compares values"),
]
SHAPES: dict[str, Any] = {"x": (3, 4), "y": (5,), "i": (), "n": ("N", 2), "k": ("K", 2)}


@pytest.mark.parametrize(("function", "remedy"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_the_error_says_where_and_what_to_do(function: Callable[..., Any], remedy: str) -> None:
    names = function.__code__.co_varnames[:function.__code__.co_argcount]
    with pytest.raises(sg.SymgradError) as caught:
        sg.trace(function, **{name: SHAPES[name] for name in names})
    shown = str(caught.value)
    place = "branch" if function is in_a_helper else function.__name__
    assert remedy in shown
    assert f"in {place}\n" in shown and __file__ in shown and "# here" in shown
    assert "  File" not in shown


@pytest.mark.parametrize(("given", "reason"), [
    ({"x": ("1a",)}, "no size"), ({"x": (0,)}, "no size"), ({"x": (-2, 3)}, "no size"), ({"x": (True,)}, "no size"), ({"x": (1.5,)}, "no size"),
    ({"x": np.array(["a"])}, "shape is a tuple"), ({"x": {"a": 1}}, "shape is a tuple"), ({"x": sg.data("u", 3) + 1}, "no variable"),
])
def test_shapes_that_are_none(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(sg.InputError, match=reason):
        sg.trace(lambda x: x, **given)


@pytest.mark.parametrize(("function", "reason"), [
    (lambda x: None, "needs to return"), (lambda x: {}, "empty dict"), (lambda x: {"a": "text"}, "needs to return"), (lambda x: {"x": x + 1}, "names an input"),
    (lambda x: {"not a name": x + 1}, "no name"), (lambda x: (x, [x]), "needs to return"),
])
def test_results_that_are_none(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(sg.InputError, match=reason):
        sg.trace(function, x=(3,))


def test_a_missing_or_unknown_argument_is_named() -> None:
    with pytest.raises(sg.SymgradError, match="missing 1 required positional argument: 'y'"):
        sg.trace(misfit, x=(3,))
    with pytest.raises(sg.SymgradError, match="unexpected keyword argument 'z'"):
        sg.trace(branch, x=(3,), z=(3,))


def test_nothing_is_left_behind_by_an_error() -> None:
    with pytest.raises(sg.TraceError):
        sg.trace(branch, x=(3,))
    x = sg.data("x", 3)
    assert (x == 3) is False and x != sg.data("x", 4) and x == sg.data("x", 3)
