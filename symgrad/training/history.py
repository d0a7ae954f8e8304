"""What every step and epoch of a training gave comes in; a table, columns and a .csv or .json file go out."""
from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from symgrad.core.files import write
from symgrad.core.table import aligned
from symgrad.errors import InputError, nearest
from symgrad.ops.kernels import Array

__all__ = ["History", "Row", "Step", "line_of"]

Row = Mapping[str, float]
Step = tuple[float, float, float]
STEP = ("loss", "lr", "gradient_norm")


@dataclass
class History:
    """steps: (loss of the batch, learning rate, norm of all gradients before clipping) of each step, from step 1 on. epochs: one row each.

    A row has epoch, step, loss (the mean over the epoch's steps), validation (the loss on the validation data, if there is any), the metrics
    on the validation data, else on the training data, and lr and gradient_norm as means over the steps.
    """

    steps: list[Step] = field(default_factory=list)
    epochs: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> Array:
        """A column: of the rows ("validation"), or of the steps ("step_loss", "step_lr", "step_gradient_norm"). Raises InputError."""
        if name.startswith("step_") and name[5:] in STEP:
            return np.array([s[STEP.index(name[5:])] for s in self.steps])
        known = self.columns
        if name not in known:
            raise InputError(f"the history has no column {name!r}{nearest(name, known)}; it has {', '.join([*known, *(f'step_{s}' for s in STEP)])}")
        return np.array([r[name] for r in self.epochs])

    @property
    def columns(self) -> list[str]:
        """The names in a row."""
        return list(self.epochs[0]) if self.epochs else []

    def row(self, epoch: int, first: int, more: Row) -> Row:
        """The row of an epoch whose steps begin after step `first`."""
        loss, lr, norm = (float(np.mean(c)) for c in zip(*self.steps[first:], strict=True))
        return {"epoch": epoch, "step": len(self.steps), "loss": loss, **more, "lr": lr, "gradient_norm": norm}

    def table(self) -> str:
        """A line for each epoch."""
        return "\n".join(aligned([tuple(self.columns), *(tuple(map(_shown, r.values())) for r in self.epochs)]))

    def __str__(self) -> str:
        return self.table()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows as .csv, or rows and steps as .json, numbers in full. Raises InputError for another ending."""
        place = Path(path)
        if place.suffix == ".csv":
            text = io.StringIO()
            table = csv.writer(text, lineterminator="\n")
            table.writerows([self.columns, *([repr(v) for v in r.values()] for r in self.epochs)])
            write(place, text.getvalue())
        elif place.suffix == ".json":
            steps = [dict(zip(STEP, s, strict=True)) for s in self.steps]
            write(place, json.dumps({"epochs": [dict(r) for r in self.epochs], "steps": steps}, indent=1) + "\n")
        else:
            raise InputError(f"a history is saved as .csv or .json, not {place.suffix or 'without an ending'}")
        return place


def _shown(x: float) -> str:
    return str(x) if isinstance(x, int) else f"{x:.4g}"


def line_of(row: Row) -> str:
    """A row as a line: `epoch 3  loss 0.1234  validation 0.2  accuracy 0.97`."""
    return "  ".join(f"{k} {_shown(v)}" for k, v in row.items() if k != "step")
