"""Graph-based symbolic differentiation: networks as on the board in, exact and checked derivatives out."""
from __future__ import annotations

import importlib
import sys

_PLACES = {
    "symgrad.network": ("define", "parse"),
    "symgrad.verbs": ("as_record", "compile", "data", "evaluate", "graph", "param", "run_at", "running", "schedule", "statistics", "wanted_names"),
    "symgrad.results": ("Derivation", "Derivative"),
    "symgrad.derivations": ("differentiate", "hessian", "hvp", "jacobian", "jvp", "per_example", "vjp"),
    "symgrad.marking.checking": ("check", "check_steps"),
    "symgrad.marking.verdict": ("Verdict",),
    "symgrad.training.flow": ("flow",),
    "symgrad.training.flow_grid": ("flow_grid",),
    "symgrad.training.signal": ("signal",),
    "symgrad.training.variance": ("variance_map",),
    "symgrad.run.gate": ("ungated",),
    "symgrad.outputs": ("Exercises", "Solution", "check_target", "exercise", "solve"),
    "symgrad.pictures": ("Picture", "draw"),
    "symgrad.training.loop": ("fit",),
    "symgrad.training.result": ("Fit",),
    "symgrad.training.init": ("initial",),
    "symgrad.training.landscape": ("landscape", "sharpness"),
    "symgrad.laboratory": ("report",),
    "symgrad.interop.numpy_tracing": ("trace",),
    "symgrad.interop.neural": (
        "attention", "avgpool", "avgpool1d", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "embedding", "globalavgpool", "globalmaxpool",
        "log_softmax", "logsumexp", "maxpool", "maxpool1d", "onehot", "softmax"),
    "symgrad.interop.losses": (
        "bce", "bce_logits", "contrastive", "cross_entropy", "cross_entropy_logits", "hinge", "huber", "infonce", "kl", "mae", "mse"),
    "symgrad.core.graph": ("Graph",),
    "symgrad.core.node": ("Node",),
    "symgrad.errors": (
        "InputError", "InternalError", "MissingExtraError", "MissingValueError", "NotationError", "ShapeError", "SymgradError", "TraceError",
        "UnsupportedError"),
}
_FUNCTIONS = (
    "abs", "arccos", "arcsin", "arctan", "cos", "cosh", "elu", "erf", "exp", "expm1", "gelu", "hardtanh", "leaky_relu", "log", "log1p", "mish",
    "relu", "selu", "sigmoid", "sign", "silu", "sin", "sinh", "softplus", "sqrt", "step", "tan", "tanh",
)
_PLACE_OF = {name: module for module, names in _PLACES.items() for name in names}

_MODULES = ("layers",)

__all__ = sorted([*_PLACE_OF, *_FUNCTIONS, *_MODULES])
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Public names are imported when they are first used, so that `symgrad --help` is quick."""
    if name in _PLACE_OF:
        value: object = getattr(importlib.import_module(_PLACE_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"symgrad.{name}")
    elif name in _FUNCTIONS:
        value = importlib.import_module("symgrad.ops.operators").FUNCTIONS_OF_NODES[name]
    else:
        raise AttributeError(f"symgrad has no {name!r}")
    globals()[name] = value
    if "symgrad.core.display" in sys.modules:              # graphs that are shown in a notebook are drawn then, not before
        sys.modules["symgrad.core.display"].set_display(lambda shown: importlib.import_module("symgrad.pictures").pictures_of(shown))
    return value


def __dir__() -> list[str]:
    return __all__
