"""What a type checker sees of the package: the names that `__init__.py` imports when they are first used."""
from typing import Protocol, overload

from numpy.typing import ArrayLike

from symgrad import layers as layers
from symgrad.core.graph import Graph as Graph
from symgrad.core.node import Node as Node
from symgrad.derivations import (
    differentiate as differentiate,
)
from symgrad.derivations import (
    hessian as hessian,
)
from symgrad.derivations import (
    hvp as hvp,
)
from symgrad.derivations import (
    jacobian as jacobian,
)
from symgrad.derivations import (
    jvp as jvp,
)
from symgrad.derivations import (
    per_example as per_example,
)
from symgrad.derivations import (
    vjp as vjp,
)
from symgrad.errors import (
    InputError as InputError,
)
from symgrad.errors import (
    InternalError as InternalError,
)
from symgrad.errors import (
    MissingExtraError as MissingExtraError,
)
from symgrad.errors import (
    MissingValueError as MissingValueError,
)
from symgrad.errors import (
    NotationError as NotationError,
)
from symgrad.errors import (
    ShapeError as ShapeError,
)
from symgrad.errors import (
    SymgradError as SymgradError,
)
from symgrad.errors import (
    TraceError as TraceError,
)
from symgrad.errors import (
    UnsupportedError as UnsupportedError,
)
from symgrad.interop.losses import (
    bce as bce,
)
from symgrad.interop.losses import (
    bce_logits as bce_logits,
)
from symgrad.interop.losses import (
    contrastive as contrastive,
)
from symgrad.interop.losses import (
    cross_entropy as cross_entropy,
)
from symgrad.interop.losses import (
    cross_entropy_logits as cross_entropy_logits,
)
from symgrad.interop.losses import (
    hinge as hinge,
)
from symgrad.interop.losses import (
    huber as huber,
)
from symgrad.interop.losses import (
    infonce as infonce,
)
from symgrad.interop.losses import (
    kl as kl,
)
from symgrad.interop.losses import (
    mae as mae,
)
from symgrad.interop.losses import (
    mse as mse,
)
from symgrad.interop.neural import (
    attention as attention,
)
from symgrad.interop.neural import (
    avgpool as avgpool,
)
from symgrad.interop.neural import (
    avgpool1d as avgpool1d,
)
from symgrad.interop.neural import (
    conv1d as conv1d,
)
from symgrad.interop.neural import (
    conv2d as conv2d,
)
from symgrad.interop.neural import (
    conv_transpose1d as conv_transpose1d,
)
from symgrad.interop.neural import (
    conv_transpose2d as conv_transpose2d,
)
from symgrad.interop.neural import (
    embedding as embedding,
)
from symgrad.interop.neural import (
    globalavgpool as globalavgpool,
)
from symgrad.interop.neural import (
    globalmaxpool as globalmaxpool,
)
from symgrad.interop.neural import (
    log_softmax as log_softmax,
)
from symgrad.interop.neural import (
    logsumexp as logsumexp,
)
from symgrad.interop.neural import (
    maxpool as maxpool,
)
from symgrad.interop.neural import (
    maxpool1d as maxpool1d,
)
from symgrad.interop.neural import (
    onehot as onehot,
)
from symgrad.interop.neural import (
    softmax as softmax,
)
from symgrad.interop.numpy_tracing import trace as trace
from symgrad.laboratory import report as report
from symgrad.marking.checking import check as check
from symgrad.marking.checking import check_steps as check_steps
from symgrad.marking.verdict import Verdict as Verdict
from symgrad.network import define as define
from symgrad.network import parse as parse
from symgrad.ops.kernels import Array
from symgrad.outputs import Exercises as Exercises
from symgrad.outputs import Solution as Solution
from symgrad.outputs import check_target as check_target
from symgrad.outputs import exercise as exercise
from symgrad.outputs import solve as solve
from symgrad.pictures import Picture as Picture
from symgrad.pictures import draw as draw
from symgrad.results import (
    Derivation as Derivation,
)
from symgrad.results import (
    Derivative as Derivative,
)
from symgrad.run.gate import ungated as ungated
from symgrad.training.flow import flow as flow
from symgrad.training.flow_grid import flow_grid as flow_grid
from symgrad.training.init import initial as initial
from symgrad.training.landscape import landscape as landscape
from symgrad.training.landscape import sharpness as sharpness
from symgrad.training.loop import fit as fit
from symgrad.training.result import Fit as Fit
from symgrad.training.signal import signal as signal
from symgrad.training.variance import variance_map as variance_map
from symgrad.verbs import (
    as_record as as_record,
)
from symgrad.verbs import (
    compile as compile,
)
from symgrad.verbs import (
    data as data,
)
from symgrad.verbs import (
    evaluate as evaluate,
)
from symgrad.verbs import (
    graph as graph,
)
from symgrad.verbs import (
    param as param,
)
from symgrad.verbs import (
    run_at as run_at,
)
from symgrad.verbs import (
    running as running,
)
from symgrad.verbs import (
    schedule as schedule,
)
from symgrad.verbs import (
    statistics as statistics,
)
from symgrad.verbs import (
    wanted_names as wanted_names,
)

__all__: list[str]
__version__: str

class _Function(Protocol):
    @overload
    def __call__(self, z: Node) -> Node: ...
    @overload
    def __call__(self, z: ArrayLike) -> Array: ...

abs: _Function
arccos: _Function
arcsin: _Function
arctan: _Function
cos: _Function
cosh: _Function
elu: _Function
erf: _Function
exp: _Function
expm1: _Function
gelu: _Function
hardtanh: _Function
leaky_relu: _Function
log: _Function
log1p: _Function
mish: _Function
relu: _Function
selu: _Function
sigmoid: _Function
sign: _Function
silu: _Function
sin: _Function
sinh: _Function
softplus: _Function
sqrt: _Function
step: _Function
tan: _Function
tanh: _Function
