"""The training loop: steps against their formulas, resuming to the same bits, whole checkpoints, early stopping, and errors that name step and value."""
from __future__ import annotations

import csv
import itertools
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_nets import dense, dropout_and_norm, examples, images

import symgrad as sg
from symgrad.core import files
from symgrad.errors import InputError
from symgrad.training.clip import check_clip, clipped, norm_of
from symgrad.training.optimizers import OPTIMIZERS, SGD, make_optimizer
from symgrad.training.schedules import SCHEDULES, rate_of

MASKS = {"drop_mask": 0.25}
RULES: tuple[dict[str, Any], ...] = (
    *({"optimizer": name} for name in OPTIMIZERS),
    {"optimizer": "sgd", "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.1}, {"optimizer": "rmsprop", "momentum": 0.9, "centered": True},
)


def rule_name(rule: dict[str, Any]) -> str:
    return " ".join(map(str, rule.values()))


def train(epochs: int = 4, net: sg.Graph | None = None, data: Any = None, **options: Any) -> sg.Fit:
    return sg.fit(dropout_and_norm() if net is None else net, examples() if data is None else data,
                  **{"masks": MASKS if net is None else None, "epochs": epochs, "batch": 16, "lr": 0.01, "validation": 0.3, "seed": 5, **options})


def same(a: sg.Fit, b: sg.Fit) -> bool:
    """Whether two trainings gave the same bits."""
    groups = [(a.params, b.params), (a.best, b.best), (a.statistics, b.statistics), (a.best_statistics, b.best_statistics),
              *((p, q) for (s, p), (t, q) in zip(a.recorded, b.recorded, strict=True) if s == t)]
    return all(x.keys() == y.keys() and all(x[k].tobytes() == y[k].tobytes() for k in x) for x, y in groups) and \
        repr(a.history.steps) == repr(b.history.steps) and repr(a.history.epochs) == repr(b.history.epochs) and len(a.recorded) == len(b.recorded)


class Stopped(Exception):
    """A machine that goes down."""


def stopping_after(epochs: int, error: type[BaseException] = Stopped) -> Any:
    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == epochs:
            raise error
    return stop


# ---------------------------------------------------------------------- the same bits
@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_resuming_equals_not_stopping(rule: dict[str, Any], tmp_path: Path) -> None:
    """With masks, shuffles, a batch norm, clipping, a schedule, early stopping and records; stopped at an epoch's end, and within an epoch."""
    options = {**rule, "clip": ("global", 0.5), "schedule": "warmup+cosine", "patience": 3, "record": 2, "checkpoint": tmp_path / "c.npz"}
    whole = train(**{**options, "checkpoint": None})
    with pytest.raises(Stopped):
        train(**options, progress=stopping_after(2))
    first = (tmp_path / "c.npz").read_bytes()
    assert same(train(**options, resume=True), whole)
    assert (tmp_path / "c.npz").read_bytes() != first
    again = train(**options, resume=True)                  # a training that is over stays as it is
    assert same(again, whole)


@pytest.mark.parametrize("at", [1, 2, 3, 5, 6, 9])
def test_resuming_after_ctrl_c_at_any_step_equals_not_stopping(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(record=1)
    options = {"checkpoint": tmp_path / "c.npz", "record": 1}
    count = itertools.count(1)
    step = make_optimizer("adam").__class__.step

    def interrupted(self: Any, *rest: Any) -> Any:
        if next(count) == at:
            raise KeyboardInterrupt
        return step(self, *rest)
    monkeypatch.setattr("symgrad.training.optimizers.Adam.step", interrupted)
    cut = train(**options)
    assert cut.stopped == "interrupted" and cut.steps == at - 1 == len(cut.history.steps) and whole.stopped == "finished"
    assert same(train(**options, resume=True), whole)


def test_a_longer_training_goes_on_from_a_shorter_one(tmp_path: Path) -> None:
    train(2, checkpoint=tmp_path / "c.npz")
    assert same(train(5, checkpoint=tmp_path / "c.npz", resume=True), train(5))
    train(2, checkpoint=tmp_path / "d.npz", schedule="cosine")
    with pytest.raises(InputError, match="epochs = 2, and this one has 5"):
        train(5, checkpoint=tmp_path / "d.npz", resume=True, schedule="cosine")


def test_the_comparison_of_bits_tells_differences() -> None:
    one = train()
    assert same(one, train())
    assert not same(one, train(seed=6)) and not same(one, train(lr=0.01 + 1e-12)) and not same(one, train(5))
    assert not same(one, train(batch=15)) and not same(one, train(net=dense()))


@pytest.mark.parametrize(("change", "words"), [
    ({"lr": 0.02}, "lr = 0.01, and this one has 0.02"), ({"batch": 8}, "batch = 16"), ({"seed": 6}, "seed|other data"), ({"optimizer": "sgd"}, "optimizer"),
    ({"masks": {}, "net": dense()}, "another network"), ({"data": examples(seed=1)}, "other data"), ({"clip": ("value", 1)}, "clip = None"),
])
def test_a_checkpoint_of_another_training_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    train(2, checkpoint=tmp_path / "c.npz")
    with pytest.raises(InputError, match=words):
        train(3, checkpoint=tmp_path / "c.npz", resume=True, **change)


def test_a_checkpoint_is_whole_or_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine goes down while the third checkpoint is written: the second is still there, and leads to the same end."""
    path = tmp_path / "c.npz"
    count, replace_file = itertools.count(1), os.replace

    def failing(*places: Any) -> None:
        if next(count) == 3:
            raise Stopped
        replace_file(*places)
    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(Stopped):
        train(checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"], "nothing is left beside it"
    with np.load(path, allow_pickle=False) as archive:
        assert json.loads(str(archive["told"]))["step"] == 2 * 3
    assert same(train(checkpoint=path, resume=True), train())


@pytest.mark.parametrize("contents", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_broken_checkpoint_is_refused(contents: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(contents)
    with pytest.raises(InputError, match=r"c\.npz is no checkpoint"):
        train(checkpoint=tmp_path / "c.npz", resume=True)
    np.savez(tmp_path / "c.npz", W=np.ones(3))
    with pytest.raises(InputError, match="is no checkpoint"):
        train(checkpoint=tmp_path / "c.npz", resume=True)


# ---------------------------------------------------------------------- steps
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 33])
def test_every_example_once_an_epoch_whatever_is_left_for_the_last_batch(count: int) -> None:
    data = {"x": np.arange(count, dtype=float)[:, None], "y": np.zeros(count)}
    net = sg.parse("examples n = 1..N\ndata x[n] : vector(D)\ndata y[n] : scalar\nparam v : vector(D)\nloss = sum[n](v' * x[n] - y[n])")
    fit = sg.fit(net, data, optimizer="sgd", lr=1.0, epochs=2, batch=16, start={"v": [0.0]})
    assert fit.steps == 2 * math.ceil(count / 16)
    assert fit.params["v"][0] == -2 * data["x"].sum()      # the sum of all gradients


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_every_optimiser_lowers_the_loss(rule: dict[str, Any]) -> None:
    losses = sg.fit(dense(), examples(), epochs=30, batch=16, lr=0.02, **rule).history["loss"]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_changes_nothing_that_comes_in(name: str) -> None:
    rng = np.random.default_rng(0)
    params, g = ({"a": rng.normal(size=(2, 3))} for _ in range(2))
    rule, state = make_optimizer(name, weight_decay=0.1), {}
    for _ in range(3):
        before = [{k: v.copy() for k, v in x.items()} for x in (params, g, state)]
        after, new = rule.step(params, g, state, 0.1)
        assert all(np.array_equal(x[k], y[k]) for x, y in zip((params, g, state), before, strict=True) for k in y)
        params, state = after, new


@pytest.mark.parametrize(("way", "bound"), [*itertools.product(("value", "norm", "global"), (1e-3, 0.7, 1e3))])
def test_clipping(way: str, bound: float) -> None:
    rng = np.random.default_rng(1)
    g = {"a": rng.normal(size=(3, 2)), "b": 10 * rng.normal(size=4), "c": np.zeros(2), "d": np.array(2.0)}
    found = clipped(g, (way, bound))
    norms = {k: float(np.sqrt((a**2).sum())) for k, a in g.items()}
    total = math.sqrt(sum(n**2 for n in norms.values()))
    assert norm_of(g) == pytest.approx(total)
    for k, a in g.items():
        factor = {"norm": min(1, bound / norms[k]) if norms[k] else 1, "global": min(1, bound / total), "value": 1}[way]
        np.testing.assert_allclose(found[k], np.clip(a, -bound, bound) if way == "value" else a * factor, rtol=1e-12)


def test_norms_do_not_overflow() -> None:
    assert norm_of({"a": np.array([3e200, 4e200])}) == pytest.approx(5e200) and norm_of({"a": np.array([3e-200, 4e-200])}) == pytest.approx(5e-200)
    assert math.isnan(norm_of({"a": np.array([1, np.nan])})) and norm_of({"a": np.array([1, np.inf])}) == math.inf and norm_of({"a": np.zeros(2)}) == 0
    assert math.isnan(norm_of({"a": np.array([np.inf]), "b": np.array([np.nan])}))
    np.testing.assert_allclose(clipped({"a": np.array([3e200, 4e200])}, ("global", 1.0))["a"], [0.6, 0.8])


def test_clipping_and_schedule_reach_the_steps() -> None:
    fit = train(lr=0.1, optimizer="sgd", clip=("global", 0.01), schedule="linear")
    assert np.allclose(fit.history["step_lr"], 0.1 * (1 - np.arange(12) / 12)) and fit.history["step_gradient_norm"].min() > 0.01
    recorded = train(lr=0.1, optimizer="sgd", clip=("global", 0.01), record=1).recorded
    moved = [norm_of({k: b[k] - a[k] for k in a}) for (_, a), (_, b) in itertools.pairwise(recorded)]
    assert np.allclose(moved, 0.1 * 0.01)


@pytest.mark.parametrize("word", SCHEDULES)
def test_schedules(word: str) -> None:
    plain, warm = rate_of(word, 0.5, 100), rate_of(f"warmup+{word}", 0.5, 100, 0.2)
    expected = {"constant": (0.5, 0.5, 0.5), "linear": (0.5, 0.25, 0.005), "cosine": (0.5, 0.25, 0.25 * (1 + math.cos(math.pi * 0.99))),
                "step": (0.5, 0.05, 0.005)}[word]
    assert [plain(0), plain(50), plain(99)] == pytest.approx(expected)
    assert [warm(k) for k in (0, 9, 19)] == pytest.approx([0.025, 0.25, 0.5]) and warm(20) == pytest.approx(0.5) and warm(60) == pytest.approx(plain(50))
    assert all(a >= b for a, b in itertools.pairwise(map(plain, range(100))))


def test_a_schedule_of_ones_own() -> None:
    assert list(train(schedule=lambda step: 0.1 / (1 + step)).history["step_lr"]) == [0.1 / (1 + k) for k in range(12)]
    with pytest.raises(InputError, match="the schedule gives nan at step 3"):
        train(schedule=lambda step: math.nan if step == 3 else 0.1)


# ---------------------------------------------------------------------- masks, statistics, validation
def test_masks_are_drawn_anew_and_are_their_mean_in_use() -> None:
    fit = train(net=dropout_and_norm(), masks=MASKS)
    values = {"x": examples()["x"], **fit.best, **fit.best_statistics}
    assert np.allclose(fit.predict("z", {"x": values["x"]}), sg.evaluate(dropout_and_norm("eval"), values, of="z"), atol=1e-12)
    h = {"h": np.ones(50), "y": np.ones(1)}
    text = "data h : vector(50)\nparam v : vector(50)\ndata m : vector(50)\nr = dropout(h, m, 1/4, scaling=\"{}\")\nloss = (v' * r)^2"
    for scaling, kept in (("test", 0.75), ("inverted", 1.0)):
        fit = sg.fit(sg.parse(text.format(scaling)), {"h": h["h"]}, masks={"m": 0.25}, epochs=3, optimizer="sgd", lr=1e-9, start={"v": np.ones(50)})
        losses = fit.history["step_loss"]
        assert len(set(losses)) == 3 and fit.predict("r", {"h": h["h"]})[0] == pytest.approx(kept)
        assert all(math.isclose(math.sqrt(a) * (1 if scaling == "test" else 0.75), round(math.sqrt(a) * (1 if scaling == "test" else 0.75)), abs_tol=1e-4)
                   for a in losses)


def test_statistics_have_the_layer_s_name_or_the_given_one() -> None:
    assert list(train().statistics) == ["bn_mean", "bn_var"]
    fit = train(statistics={"first": "h"})
    assert list(fit.statistics) == ["first_mean", "first_var"] and np.array_equal(fit.statistics["first_var"], train().statistics["bn_var"])
    text = (Path(__file__).parents[1] / "examples" / "batch_norm.sg").read_text(encoding="utf-8")
    data = {"x": np.random.default_rng(0).normal(size=(20, 3)), "y": np.ones(20)}
    assert list(sg.fit(sg.parse(text), data, sizes={"K": 4}, epochs=1).statistics) == ["z_mean", "z_var"]
    net, arrays = images()
    assert {k: a.shape for k, a in sg.fit(net, arrays, epochs=1).statistics.items()} == {"bn_mean": (4,), "bn_var": (4,)}
    with pytest.raises(InputError, match="z enters no batch norm"):
        train(statistics={"first": "z"})


def test_early_stopping_waits_and_keeps_the_best() -> None:
    fit = train(200, lr=0.3, patience=4, optimizer="momentum")
    losses = fit.history["validation"]
    best = int(losses.argmin())
    assert fit.stopped == "early" and len(losses) == best + 1 + 4 < 200
    assert same(train(best + 1, lr=0.3, optimizer="momentum"), train(best + 1, lr=0.3, optimizer="momentum", patience=4))
    assert all(np.array_equal(fit.best[k], a) for k, a in train(best + 1, lr=0.3, optimizer="momentum").params.items())
    held = fit.task.held
    assert held is not None and fit.score({k: held.arrays[k] for k in ("x", "y")})["loss"] == losses[best] < fit.score(
        {k: held.arrays[k] for k in ("x", "y")}, which="last")["loss"]


def test_validation_data_trains_nothing() -> None:
    apart = examples(seed=9)
    a = sg.fit(dense(), examples(), validation=apart, epochs=3)
    b = sg.fit(dense(), examples(), validation={**apart, "x": apart["x"] + 1}, epochs=3)
    c = sg.fit(dense(), examples(), epochs=3)
    assert all(np.array_equal(a.params[k], x.params[k]) for k in a.params for x in (b, c))
    assert a.history["validation"][-1] != b.history["validation"][-1] and "validation" not in c.history.columns


def test_metrics() -> None:
    fit = train(metrics={"accuracy": "z", "wrong": lambda z, y: np.mean(z.argmax(axis=1) + 1 != y), 
                         "largest": lambda fc_W: fc_W.max()})
    assert np.allclose(fit.history["accuracy"] + fit.history["wrong"], 1) and fit.history["largest"][-1] == fit.params["fc_W"].max()
    assert train().history["accuracy"][-1] == fit.history["accuracy"][-1]
    assert "accuracy" not in train(metrics={}).history.columns


def test_history(tmp_path: Path) -> None:
    fit = train()
    assert len(fit.history) == 4 and len(fit.history.steps) == fit.steps == 12
    assert np.allclose(fit.history["loss"], fit.history["step_loss"].reshape(4, 3).mean(axis=1))
    assert fit.history.table().splitlines()[0].split() == ["epoch", "step", "loss", "validation", "accuracy", "lr", "gradient_norm"]
    with open(fit.history.save(tmp_path / "h.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["validation"]) for r in rows] == list(fit.history["validation"])
    told = json.loads(fit.history.save(tmp_path / "h.json").read_text(encoding="utf-8"))
    assert told["epochs"] == fit.history.epochs and [s["loss"] for s in told["steps"]] == list(fit.history["step_loss"])
    with pytest.raises(InputError, match=r"as \.csv or \.json"):
        fit.history.save(tmp_path / "h.txt")
    with pytest.raises(InputError, match="did you mean validation"):
        fit.history["validaton"]
    with np.load(fit.save(tmp_path / "p.npz"), allow_pickle=False) as archive:
        assert {k: archive[k].tobytes() for k in archive.files} == {k: a.tobytes() for k, a in {**fit.best, **fit.best_statistics}.items()}
    assert SGD(momentum=0.9) == make_optimizer("momentum")
    assert check_clip(("norm", 1)) == ("norm", 1.0)
