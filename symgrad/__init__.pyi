"""What a type checker sees of the package: the names that `__init__.py` imports when they are first used."""
from typing import Protocol, overload

from numpy.typing import ArrayLike

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
from symgrad.interop.neural import (
    avgpool as avgpool,
)
from symgrad.interop.neural import (
    conv1d as conv1d,
)
from symgrad.interop.neural import (
    conv2d as conv2d,
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
    onehot as onehot,
)
from symgrad.interop.neural import (
    softmax as softmax,
)
from symgrad.interop.numpy_tracing import trace as trace
from symgrad.network import define as define
from symgrad.network import parse as parse
from symgrad.ops.kernels import Array
from symgrad.outputs import Picture as Picture
from symgrad.outputs import Solution as Solution
from symgrad.outputs import check_target as check_target
from symgrad.outputs import draw as draw
from symgrad.outputs import solve as solve
from symgrad.results import (
    Derivation as Derivation,
)
from symgrad.results import (
    Derivative as Derivative,
)
from symgrad.run.gate import ungated as ungated
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
    schedule as schedule,
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
