"""All that a training needs to go on as if it had not stopped comes in; a file written whole or not at all, and what it holds, go out."""
from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symgrad.core.files import write
from symgrad.errors import InputError
from symgrad.ops.kernels import Array
from symgrad.training.history import Row, Step

__all__ = ["Progress", "packed", "read_checkpoint", "write_checkpoint"]

Arrays = Mapping[str, Array]
FORMAT = 1


@dataclass(frozen=True)
class Progress:
    """Where a training stands after `step` steps. Chance needs no place here: each epoch's and step's draws follow from the seed and its number.

    slots: the optimiser's state. best, best_loss, waited: the parameters with the least validation loss, that loss, and the epochs since.
    recorded: (step, parameters) kept on the way. epochs: the rows of the history.
    """

    step: int
    params: Arrays
    slots: Arrays = field(default_factory=dict)
    statistics: Arrays = field(default_factory=dict)
    best: Arrays = field(default_factory=dict)
    best_statistics: Arrays = field(default_factory=dict)
    best_loss: float = float("inf")
    waited: int = 0
    recorded: tuple[tuple[int, Arrays], ...] = ()
    epochs: tuple[Row, ...] = ()


GROUPS = ("params", "slots", "statistics", "best", "best_statistics")


def packed(arrays: Arrays) -> bytes:
    """The bytes of an .npz file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # names are arrays' names, not options
    return buffer.getvalue()


def write_checkpoint(path: str | os.PathLike[str], progress: Progress, steps: Sequence[Step], settings: Mapping[str, object]) -> None:
    """Write the file at once, in place of an old one. Raises InputError where it cannot be written; the old one stays then."""
    arrays = {f"{g}/{k}": np.asarray(a) for g in GROUPS for k, a in getattr(progress, g).items()}
    arrays |= {f"recorded/{step}/{k}": a for step, params in progress.recorded for k, a in params.items()}
    told = {"format": FORMAT, "step": progress.step, "best_loss": progress.best_loss, "waited": progress.waited,
            "epochs": [dict(r) for r in progress.epochs], "settings": settings}
    write(path, packed({"told": np.array(json.dumps(told)), "steps": np.array(steps[:progress.step], dtype=float).reshape(-1, 3), **arrays}))


def read_checkpoint(path: str | os.PathLike[str], settings: Mapping[str, object]) -> tuple[Progress, list[Step]]:
    """What the file holds. Raises InputError for a file that is no checkpoint, and where it belongs to a training with other settings."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in archive.files}
        told = json.loads(str(arrays.pop("told")))
        steps = arrays.pop("steps")
        if told["format"] != FORMAT:
            raise KeyError("format")
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile):
        raise InputError(f"{path} is no checkpoint of symgrad that can be read: give another file, or begin anew without resume") from None
    for name, value in settings.items():
        old = told["settings"].get(name)
        if old != json.loads(json.dumps(value)):
            shown = "other data" if name == "data" else "another network" if name == "network" else f"{name} = {old!r}, and this one has {value!r}"
            raise InputError(f"the checkpoint {path} belongs to a training with {shown}: go on with the same settings, or begin anew without resume")
    groups: dict[str, dict[str, Array]] = {g: {} for g in GROUPS}
    recorded: dict[int, dict[str, Array]] = {}
    for key, a in arrays.items():
        group, _, rest = key.partition("/")
        if group == "recorded":
            step, _, name = rest.partition("/")
            recorded.setdefault(int(step), {})[name] = a
        else:
            groups[group][rest] = a
    progress = Progress(told["step"], **groups, best_loss=told["best_loss"], waited=told["waited"], recorded=tuple(recorded.items()),
                        epochs=tuple(told["epochs"]))
    return progress, [(float(a), float(b), float(c)) for a, b, c in steps]
