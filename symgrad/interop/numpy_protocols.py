"""NumPy's protocols on nodes: functions, ufuncs and methods by name go to the tables beside; what is in no table raises with near names."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from symgrad.core.node import Node, operators
from symgrad.core.shape import shape_text
from symgrad.errors import SymgradError, UnsupportedError, nearest
from symgrad.interop import elementwise, linear_algebra, reductions, shapes

__all__ = ["FUNCTIONS", "METHODS", "UFUNCS"]

UFUNCS: Mapping[str, Callable[..., object]] = elementwise.UFUNCS
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **elementwise.ELEMENTWISE, **reductions.REDUCTIONS, **shapes.SHAPES, **linear_algebra.LINEAR_ALGEBRA,
}
"""function name after `np.` -> the same of nodes."""
METHODS = (*reductions.METHODS, *shapes.METHODS, *linear_algebra.METHODS, "clip", "round")
"""Functions that are methods of a node too."""
_OUTER_PRODUCTS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def _array_ufunc(_: object, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> object:
    name = ufunc.__name__
    if options.get("out") is not None:
        raise UnsupportedError(f"np.{name}(out=...) and in-place operators write into an array: values of the graph never change; use the result instead")
    if method == "reduce" and name in _OUTER_PRODUCTS:
        return FUNCTIONS[_OUTER_PRODUCTS[name]](inputs[0], axis=options.get("axis", 0), keepdims=bool(options.get("keepdims", False)))
    if method == "accumulate" and name == "add":
        return FUNCTIONS["cumsum"](inputs[0], axis=options.get("axis", 0))
    if method == "outer":
        left, right = (FUNCTIONS["reshape"](x, [-1]) if np.ndim(x) != 1 else x for x in inputs)  # type: ignore[arg-type]  # arrays or nodes
        return UFUNCS[name](FUNCTIONS["expand_dims"](left, 1), right)
    if method != "__call__" or name not in UFUNCS:
        shown = name if method == "__call__" else f"{name}.{method}"
        raise UnsupportedError(f"np.{shown} is not known for nodes{nearest(name, {*UFUNCS, *FUNCTIONS})}")
    unknown = {k for k, v in options.items() if v is not None} - {"dtype", "casting", "order", "subok", "out"}
    if unknown:
        raise UnsupportedError(f"np.{name} of nodes takes no option {', '.join(sorted(unknown))}: use np.where for what is chosen")
    return UFUNCS[name](*inputs)


def _array_function(_: object, function: Callable[..., object], types: object, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    name = f"{function.__module__}.{function.__name__}".removeprefix("numpy.")
    if name not in FUNCTIONS:
        raise UnsupportedError(f"np.{name} is not known for nodes{nearest(name, FUNCTIONS)}; the list of what is known: docs/tracing.md")
    return _called(name, FUNCTIONS[name], args, kwargs)


def _called(name: str, handler: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    try:
        return handler(*args, **kwargs)
    except SymgradError:
        raise
    except TypeError as e:
        raise UnsupportedError(f"np.{name} of nodes does not take these options ({e})") from e


def _method(name: str) -> Callable[[Node], Callable[..., object]]:
    return lambda node: lambda *args, **kwargs: _called(name, FUNCTIONS[name], (node, *args), kwargs)


def _astype(node: Node) -> Callable[..., Node]:
    def convert(dtype: object, *_: object, **__: object) -> Node:
        if np.dtype(dtype).kind not in "f":  # type: ignore[call-overload]  # whatever NumPy takes
            raise UnsupportedError(f"astype({dtype}): values of a graph are real numbers, and rounding them has no slope")
        return node
    return convert


def _item(node: Node) -> Callable[..., Node]:
    def item() -> Node:
        if node.rank:
            raise UnsupportedError(f"item() of an array ({shape_text(node.shape)}): index it")
        return node
    return item


def _refused(name: str, remedy: str) -> Callable[[Node], Callable[..., object]]:
    def refused(*_: object, **__: object) -> object:
        raise UnsupportedError(f"{name}() {remedy}")
    return lambda node: refused


def _flattened(node: Node) -> Callable[..., object]:
    return lambda order="C": FUNCTIONS["ravel"](node, order)


operators.update({
    "__array_ufunc__": _array_ufunc, "__array_function__": _array_function,
    **{name: _method(name) for name in METHODS},
    "ndim": lambda node: node.rank, "size": FUNCTIONS["size"], "astype": _astype, "item": _item, "flatten": _flattened,
    "copy": lambda node: lambda *_, **__: node, "conj": lambda node: lambda: node, "dtype": lambda node: np.dtype(np.float64), "real": lambda node: node,
    "mT": lambda node: FUNCTIONS["matrix_transpose"](node),
    **{name: _refused(name, "writes in place: values of the graph never change; build a new array")
       for name in ("fill", "put", "resize", "itemset", "partition")},
    **{name: _refused(name, "needs values, and the trace has none") for name in ("tolist", "tobytes", "argpartition")},
})
