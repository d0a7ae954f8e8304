"""A network, data and the choices of a training come in; steps down the gradients that symgrad derived are taken, and a `Fit` goes out."""
from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from symgrad.core.files import check_place
from symgrad.core.graph import Graph, as_graph
from symgrad.core.node import Node
from symgrad.core.shape import size_number
from symgrad.derive.targets import Wrt
from symgrad.errors import InputError, nearest
from symgrad.layers.parts import whole_number
from symgrad.ops.kernels import Array
from symgrad.run.functions import Given
from symgrad.training.checkpoint import Progress, read_checkpoint, write_checkpoint
from symgrad.training.clip import Clip, check_clip, clipped, norm_of
from symgrad.training.data import Dataset
from symgrad.training.history import History, Row, Step, line_of
from symgrad.training.masks import drawn
from symgrad.training.optimizers import Optimizer, make_optimizer, options_of
from symgrad.training.result import Fit
from symgrad.training.schedules import Rate, Schedule, depends_on_length, rate_of
from symgrad.training.setup import Data, Metric, Task, network_digest, prepared
from symgrad.training.trouble import diagnosed, diverged

__all__ = ["fit"]


def fit(
    net: Graph | Node, data: Data, *, wrt: Wrt = None, of: str | Node | None = None, optimizer: str | Optimizer = "adam", lr: float = 1e-3,
    epochs: int = 20, batch: int = 32, schedule: Schedule = "constant", warmup: float = 0.1, weight_decay: float | None = None, clip: Clip = None,
    start: Mapping[str, ArrayLike] | None = None, init: str = "he_normal", mode: str | None = None, gain: float = 1.0,
    validation: float | Data = 0.0, patience: int | None = None, metrics: Mapping[str, Metric] | None = None,
    masks: Mapping[str, float] | None = None, statistics: Mapping[str, str | Node] | None = None, running: float = 0.1,
    standardize: bool | Sequence[str] = False, examples: str | None = None, sizes: Mapping[str, int] | None = None, functions: Given = None,
    columns: Mapping[str, Sequence[str]] | None = None, seed: int = 0, checkpoint: str | os.PathLike[str] | None = None, resume: bool = False,
    progress: bool | Callable[[Row], object] | None = None, record: int | None = None, **options: object,
) -> Fit:
    """Train a network: mini-batches, an optimiser's steps down the derived gradients, validation after each epoch.

    net, of: the network and its loss, a scalar. data: arrays by variable, an .npz or .csv file, or "sklearn:digits" (see `sources.load`).
    wrt: what is trained, all parameters if None; others stay at their start.
    optimizer: "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop" or an `Optimizer`; its options by name (momentum=0.9, beta2=0.99).
    weight_decay: None is 0.01 for adamw, else 0. schedule: "constant", "step", "linear", "cosine", "warmup+cosine", ... or a function of the
    step, from 0, that gives the rate. clip: ("value", c), ("norm", c) each array, or ("global", c) all together, before the optimiser.
    start: parameters by name; what is missing is drawn by init, mode and gain (see `initial`), of sizes that data, sizes or the network tell.
    validation: a share of the examples, classes in proportion, or data. patience: stop after so many epochs without a smaller validation loss.
    metrics: functions of named values, called by their parameters' names, or the name of scores for their accuracy; None: the accuracy where
    the network has labels and scores. They are taken of the validation data, else of the training data, on the network in use.
    masks: {"drop_mask": 0.5}: the probability to drop an entry, drawn for every step; in use a mask is its mean, 1 - p.
    statistics: names for the running statistics of batch norms, {"bn": "h"} as for `sg.statistics`; all batch norms are found without.
    They are mixed by `running` as PyTorch does, from mean 0 and variance 1. standardize: True or names: data less its mean over its deviation.
    seed: of the split, the order of the batches, the masks and the start. checkpoint: a file, written whole after each epoch and on Ctrl-C;
    resume: go on from it, if it is there, to the same bits as without the stop. progress: a bar on a terminal (None), always, never, or a
    function that gets each epoch's row. record: keep the parameters of every so many steps.

    Returns a `Fit`; after Ctrl-C what there is until then, `stopped == "interrupted"`. Raises InputError for what does not fit, and where data,
    loss, gradients or parameters are no finite numbers, naming the step and the value.
    """
    epochs, batch = whole_number(epochs, "the number of epochs"), whole_number(batch, "the number of examples in a batch")
    seed = whole_number(seed, "the seed", 0)
    every = None if record is None else whole_number(record, "the number of steps between records")
    limit = None if patience is None else whole_number(patience, "the patience in epochs")
    if isinstance(running, bool) or not isinstance(running, int | float) or not 0 < running <= 1:
        raise InputError(f"running statistics are mixed by a number above 0 and at most 1, not {running!r}")
    if weight_decay is not None:
        options["weight_decay"] = weight_decay
    known = options_of(optimizer) if isinstance(optimizer, str) else list(options)
    for name in options:
        if name not in known:
            words = [*known, *(k for k in inspect.signature(fit).parameters if k != "options")]
            raise InputError(f"fit has no argument {name!r}, and {optimizer} no such option{nearest(name, words)}; {optimizer} takes {', '.join(known)}")
    rule, clip = make_optimizer(optimizer, **options), check_clip(clip)
    if resume and checkpoint is None:
        raise InputError("resume goes on from a checkpoint: say which file by checkpoint")
    if checkpoint is not None:
        check_place(checkpoint)
    task = prepared(as_graph(net), data, wrt=wrt, of=of, validation=validation, start=start, init=init, mode=mode, gain=gain, masks=masks,
                    statistics=statistics, metrics=metrics, standardize=standardize, examples=examples, sizes=sizes, functions=functions,
                    columns=columns, seed=seed)
    if limit is not None and task.held is None:
        raise InputError("patience watches the validation loss: hold out a share, as in validation=0.1, or give validation data")
    _check_batch(task, batch)
    steps = task.train.steps(batch)
    rate = rate_of(schedule, lr, epochs * steps, warmup)
    word = schedule if isinstance(schedule, str) else "a function"
    settings: dict[str, object] = {
        "network": network_digest(task.graph), "loss": task.loss, "wrt": task.names, "data": task.train.digest, "validation": task.held and task.held.digest,
        "optimizer": repr(rule), "lr": lr, "schedule": word, "batch": batch, "clip": list(clip) if clip is not None else None, "masks": dict(task.masks),
        "running": running, "seed": seed, "record": every, "patience": limit, "fixed": replace(task.train, arrays=task.fixed).digest,
        **({"epochs": epochs, "warmup": warmup} if depends_on_length(schedule) else {}),
    }
    return _Run(task, rule, rate, batch, epochs, clip, limit, running, every, None if checkpoint is None else Path(checkpoint), settings,
                ).through(resume, progress)


def _check_batch(task: Task, batch: int) -> None:
    """Raises InputError where the network is declared for a number of examples that the batches do not have."""
    fixed = task.examples if isinstance(task.examples, int) else task.graph.sizes.get(str(task.examples))
    if fixed is not None and batch < fixed:
        raise InputError(f"the network is declared for {fixed} examples at once, so batches of {batch} do not fit: leave that size a name, or take "
                         f"batch={fixed}")


@dataclass
class _Run:
    """One training under way."""

    task: Task
    rule: Optimizer
    rate: Rate
    batch: int
    epochs: int
    clip: Clip
    patience: int | None
    running: float
    every: int | None
    checkpoint: Path | None
    settings: Mapping[str, object]

    def through(self, resume: bool, progress: bool | Callable[[Row], object] | None) -> Fit:
        """All epochs that are left."""
        self.steps: list[Step] = []
        if resume and self.checkpoint is not None and self.checkpoint.exists():
            self.state, self.steps = read_checkpoint(self.checkpoint, self.settings)
        else:
            self.state = Progress(0, dict(self.task.start), statistics=self._first_statistics())
            if self.every is not None:
                self.state = replace(self.state, recorded=((0, self.state.params),))
        stopped = "finished"
        with _shown(progress, self.epochs, len(self.state.epochs)) as show:
            try:
                while len(self.state.epochs) < self.epochs:
                    if self.patience is not None and self.state.waited >= self.patience:
                        stopped = "early"
                        break
                    self._epoch(len(self.state.epochs) + 1)
                    self._save()
                    show(self.state.epochs[-1])
            except KeyboardInterrupt:
                stopped = "interrupted"
                self._save()
        return self._result(stopped)

    def _epoch(self, epoch: int) -> None:
        first = (epoch - 1) * self.task.train.steps(self.batch)
        for part in islice(self.task.train.batches(self.batch, self.task.seed, epoch), self.state.step - first, None):
            self._step(part)
        state, task = self.state, self.task
        scores: dict[str, float] = {}
        if task.held is not None or task.metrics:
            scores = task.score(task.train if task.held is None else task.held, state.params, state.statistics)
        loss = scores.pop("loss", None)
        if task.held is not None and loss is not None:
            if not np.isfinite(loss):
                raise InputError(f"epoch {epoch}, step {state.step}: the loss on the validation data is {loss:g}, though that on the training data is finite: "
                                 "look at the validation data")
            if loss < state.best_loss:
                state = replace(state, waited=0, best=state.params, best_statistics=state.statistics, best_loss=loss)
            else:
                state = replace(state, waited=state.waited + 1)
            scores = {"validation": loss, **scores}
        self.state = replace(state, epochs=(*state.epochs, self.history.row(epoch, first, scores)))   # at once: Ctrl-C may come anywhere

    def _step(self, part: Dataset) -> None:
        state, task, number = self.state, self.task, self.state.step + 1
        sizes = task.at(part)
        arrays = {**part.arrays, **drawn(task.graph, task.masks, sizes, task.seed, number), **task.fixed, **state.params}
        with np.errstate(all="ignore"):                    # what overflows is told below, by name
            loss, gradients, seen = task.stepper(arrays)
            norm = norm_of(gradients)
            if not (np.isfinite(loss) and np.isfinite(norm)):
                raise diagnosed(task.stepper.d, arrays, task.stepper.functions, number)
            rate = self.rate(state.step)
            params, slots = self.rule.step(state.params, clipped(gradients, self.clip), state.slots, rate)
            if not np.isfinite(norm_of(params)):
                raise diverged(params, number)
        self.steps[state.step:] = [(loss, rate, norm)]     # what Ctrl-C left of an incomplete step goes
        kept = ((number, params),) if self.every is not None and number % self.every == 0 else ()
        self.state = replace(state, step=number, params=params, slots=slots, statistics=self._mixed(state.statistics, seen, sizes),
                             recorded=(*state.recorded, *kept))

    def _first_statistics(self) -> dict[str, Array]:
        """Mean 0 and variance 1 of every channel, as in PyTorch."""
        sizes = self.task.sizes
        shapes = {leaf.name: [size_number(s, sizes) for s in leaf.shape] for norm in self.task.norms for leaf in norm.leaves}
        return {k: np.zeros(s) if k.endswith("_mean") else np.ones(s) for k, s in shapes.items()}

    def _mixed(self, old: Mapping[str, Array], seen: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        """Running statistics after a batch; its variance enters divided by count - 1."""
        factor = {leaf.name: norm.unbiased(sizes) if k else 1.0 for norm in self.task.norms for k, leaf in enumerate(norm.leaves)}
        return {k: (1 - self.running) * old[k] + self.running * factor[k] * seen[k] for k in seen}

    @property
    def history(self) -> History:
        """What belongs to complete steps."""
        return History(self.steps[:self.state.step], list(self.state.epochs))

    def _save(self) -> None:
        if self.checkpoint is not None:
            write_checkpoint(self.checkpoint, self.state, self.steps, self.settings)

    def _result(self, stopped: str) -> Fit:
        state = self.state
        best, statistics = (state.best, state.best_statistics) if state.best else (state.params, state.statistics)
        return Fit(state.params, best, state.statistics, statistics, self.history, stopped, state.step, state.recorded, self.task)


@contextmanager
def _shown(progress: bool | Callable[[Row], object] | None, epochs: int, done: int) -> Iterator[Callable[[Row], object]]:
    """What is called with each epoch's row: the user's function, a bar, or nothing."""
    if callable(progress):
        yield progress
    elif progress or (progress is None and sys.stderr.isatty()):
        from rich.console import Console
        from rich.progress import Progress as Bar
        with Bar(console=Console(stderr=True), transient=progress is None) as bar:
            line = bar.add_task("training", total=epochs, completed=done)
            yield lambda row: bar.update(line, advance=1, description=line_of(row))
    else:
        yield lambda row: None
