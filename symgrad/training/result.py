"""A finished or interrupted training comes in; its parameters, history, predictions, scores and files go out."""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symgrad.core.files import write
from symgrad.core.node import Node
from symgrad.errors import InputError
from symgrad.ops.kernels import Array
from symgrad.training.checkpoint import packed
from symgrad.training.history import History
from symgrad.training.setup import Data, Task

__all__ = ["Fit"]


@dataclass(frozen=True)
class Fit:
    """What `fit` returns.

    params: the parameters after the last step. best: those of the epoch with the least validation loss; without validation data, `params`.
    statistics, best_statistics: the running mean and variance of every batch norm with them. history: see `History`. stopped: "finished",
    "early" (no better for `patience` epochs) or "interrupted" (Ctrl-C). steps: how many were taken. recorded: (step, parameters) kept on the
    way, the start as step 0.
    """

    params: Mapping[str, Array]
    best: Mapping[str, Array]
    statistics: Mapping[str, Array]
    best_statistics: Mapping[str, Array]
    history: History
    stopped: str
    steps: int
    recorded: tuple[tuple[int, Mapping[str, Array]], ...]
    task: Task = field(repr=False)

    def __str__(self) -> str:
        return self.history.table()

    def _chosen(self, which: str) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        if which not in ("best", "last"):
            raise InputError(f"which parameters: 'best' or 'last', not {which!r}")
        return (self.best, self.best_statistics) if which == "best" else (self.params, self.statistics)

    def predict(self, of: str | Node, data: Data, *, which: str = "best") -> Array:
        """A value of the network in use at data: dropout masks at their mean, batch norms by their running statistics.

        data: as for `fit`; variables that the value does not depend on, such as labels, may be left out. Raises InputError, MissingValueError.
        """
        name = of if isinstance(of, str) else self.task.graph.name_of(of)
        self.task.graph[name]                              # an unknown name is an error that lists near ones
        found = self.task.read(data, optional=True)
        return self.task.valuer((name,), self.task.values(found, *self._chosen(which)))[name]

    def score(self, data: Data, *, which: str = "best") -> dict[str, float]:
        """{"loss": number, "accuracy": number, ...}: the loss and the metrics of the network in use at data."""
        params, statistics = self._chosen(which)
        return self.task.score(self.task.read(data), params, statistics)

    def save(self, path: str | os.PathLike[str], *, which: str = "best") -> Path:
        """Write the parameters, those that were not trained included, and the statistics of batch norms, as an .npz by name; where the data was
        standardised, `x.mean` and `x.deviation` beside them. Raises InputError for another ending."""
        place = Path(path)
        if place.suffix != ".npz":
            raise InputError(f"parameters are saved as .npz, not {place.suffix or 'without an ending'}")
        params, statistics = self._chosen(which)
        by = {f"{k}.{what}": a for k, pair in self.task.scaling.items() for what, a in zip(("mean", "deviation"), pair, strict=True)}
        write(place, packed({**self.task.fixed, **params, **statistics, **by}))
        return place
