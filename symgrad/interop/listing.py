"""The tables of what traces come in; the list in docs/tracing.md goes out: `python -m symgrad.interop.listing` prints it."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from symgrad.core.node import variable
from symgrad.errors import SymgradError, UnsupportedError
from symgrad.interop.elementwise import ELEMENTWISE, UFUNCS
from symgrad.interop.linear_algebra import LINEAR_ALGEBRA
from symgrad.interop.numpy_protocols import METHODS
from symgrad.interop.reductions import REDUCTIONS
from symgrad.interop.shapes import SHAPES

__all__ = ["listing"]


def listing() -> str:
    """Markdown: the functions of NumPy by topic, the methods, and those that are refused."""
    tables: dict[str, Mapping[str, Callable[..., object]]] = {
        "Functions of entries": {**UFUNCS, **ELEMENTWISE}, "Reductions": REDUCTIONS, "Shapes and places": SHAPES, "Linear algebra": LINEAR_ALGEBRA,
    }
    refused = sorted(name for table in tables.values() for name, f in table.items() if _refuses(f))
    lines = [f"- **{topic}**: {_named(name for name in table if name not in refused)}" for topic, table in tables.items()]
    methods = _named(m for m in METHODS if m not in refused)
    return "\n".join([*lines, f"- **Methods of an array**: {methods}", f"- **Refused, with the remedy in the message**: {_named(refused)}"])


def _named(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))


def _refuses(f: Callable[..., object]) -> bool:
    """Whether a function refuses a plain matrix, whatever else it takes."""
    x = variable("x", (3, 3))
    for count in (1, 2):
        try:
            f(*[x] * count)
        except UnsupportedError as e:
            return any(text in str(e) for text in ("no slope", "orders values", "is not known; known are", "keep values finite", "write np.where(x > 0, 1.0"))
        except (TypeError, SymgradError):
            continue
        return False
    return False


if __name__ == "__main__":
    print(listing())
