"""What stops a training: nan and infinity wherever they begin, with step and value named, and every kind of argument that does not fit."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_nets import dense, dropout_and_norm, examples

import symgrad as sg
from symgrad.errors import InputError, MissingValueError
from symgrad.training.checkpoint import read_checkpoint

LINE = "examples n = 1..N\ndata x[n] : scalar\ndata y[n] : scalar\nparam w, b : scalar\n"


def line(text: str, data: dict[str, Any], **options: Any) -> sg.Fit:
    return sg.fit(sg.parse(LINE + text), data, **{"optimizer": "sgd", "lr": 1.0, "epochs": 5, "batch": 4, **options})


def numbers(**changed: Any) -> dict[str, np.ndarray]:
    data = {"x": np.linspace(-1, 1, 8), "y": np.ones(8)}
    for name, (place, value) in changed.items():
        data[name][place] = value
    return data


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["x", "y"])
def test_data_that_is_no_number(name: str, value: float) -> None:
    word = "nan" if math.isnan(value) else "infinity"
    with pytest.raises(InputError, match=rf"the data of {name} holds {word} in example 6, .*before step 1"):
        line("loss = mean[n]((w * x[n] + b - y[n])^2)", numbers(**{name: (5, value)}))
    with pytest.raises(InputError, match=rf"the data of {name} holds {word} in example 6"):
        line("loss = mean[n]((w * x[n] + b - y[n])^2)", numbers(), validation=numbers(**{name: (5, value)}))


def test_gradients_that_are_no_number_though_the_loss_is_one() -> None:
    """The square root has an infinite slope at 0."""
    with pytest.raises(InputError, match=r"step 1: the gradient by b holds infinity, though the loss is finite; it begins in the gradient by u"):
        line("u = abs(b)\ns = sqrt(u)\nloss = s + mean[n]((x[n] - y[n])^2)", numbers(), wrt="b", start={"b": 0.0})


def test_a_loss_that_overflows_names_the_layer_and_the_step() -> None:
    with pytest.raises(InputError, match=r"step 3: h .*infinity, the first value of the forward pass that is not finite, computed from a"):
        line("a[n] = w * x[n]\nh[n] = exp(a[n])\nloss = -mean[n](h[n])", numbers(), wrt="w", start={"w": 1.0}, lr=300.0)
    with pytest.raises(InputError, match=r"step 1: p holds infinity.*computed from a"):
        line("a[n] = abs(w * x[n])\np[n] = log(a[n])\nloss = mean[n](p[n])", numbers(), start={"w": 0.0})


def test_parameters_that_overflow_are_named_with_the_step() -> None:
    with pytest.raises(InputError, match=r"step 1: the parameter w holds infinity after the step"):
        sg.fit(sg.parse("param w : scalar\ndata c : scalar\nloss = c * w"), {"c": 1e200}, optimizer="sgd", lr=1e200, start={"w": 1.0}, epochs=3)


def test_what_was_saved_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    with pytest.raises(InputError, match="step 5"):
        line("a[n] = w * x[n]\nloss = -mean[n](exp(a[n]))", numbers(), wrt="w", start={"w": 1.0}, lr=2.0, checkpoint=path,
             schedule=lambda step: 0.1 if step < 3 else 1e5)
    progress, steps = read_checkpoint(path, {})
    assert progress.step == 4 == len(steps) and len(progress.epochs) == 2 and np.isfinite(progress.params["w"])


def test_a_good_training_is_not_stopped() -> None:
    fit = line("loss = mean[n]((w * x[n] + b - y[n])^2)", numbers(), lr=0.1, epochs=40)
    assert fit.history["loss"][-1] < 1e-3 and fit.stopped == "finished"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": ({"epochs": 0}, "epochs is a whole number from 1"), "batch": ({"batch": 2.5}, "batch is a whole number"), "seed": ({"seed": -1}, "seed"),
    "rate": ({"lr": -1}, "positive number"), "rate nan": ({"lr": math.nan}, "positive number"), "optimiser": ({"optimizer": "adm"}, "did you mean adam"),
    "option": ({"beta3": 0.9}, "adam no such option; did you mean beta"), "misspelt argument": ({"epoch": 5}, "no argument 'epoch', .*did you mean epochs"),
    "option out of range": ({"beta1": 1.0}, "beta1 is at least 0 and less than 1"), "nesterov alone": ({"optimizer": "sgd", "nesterov": True}, "needs a momentum"),
    "decay": ({"weight_decay": -0.1}, "weight_decay is at least 0"), "schedule": ({"schedule": "cosin"}, "did you mean cosine"),
    "clip": ({"clip": ("globl", 1.0)}, "did you mean global"), "clip bound": ({"clip": ("norm", 0)}, "positive number"), "clip number": ({"clip": 1.0}, "pair"),
    "init": ({"init": "he"}, ""), "init word": ({"init": "hee_normal"}, "did you mean he_normal"), "validation": ({"validation": 1.5}, "less than 1"),
    "validation empties": ({"validation": 0.001}, "leaves one part empty"), "validation word": ({"validation": None}, "a share of the examples, or data"),
    "patience alone": ({"patience": 2}, "patience watches the validation loss"), "resume alone": ({"resume": True}, "say which file"),
    "checkpoint": ({"checkpoint": "/nowhere/c.npz"}, "does not exist"), "start": ({"start": {"W3": [1.0]}}, "no parameter 'W3'; did you mean"),
    "start shape": ({"start": {"W1": np.ones((2, 7))}}, "axis 1 of W1"), "start nan": ({"start": {"b2": [math.nan, 0, 0]}}, "b2 holds nan"),
    "wrt": ({"wrt": "h"}, "h is computed"), "of": ({"of": "z"}, "z is N x C"), "of name": ({"of": "los"}, "did you mean loss"),
    "mask": ({"masks": {"m": 0.5}}, "no data variable 'm'"), "mask share": ({"masks": {"x": 1.0}}, "less than 1"),
    "metric": ({"metrics": {"a": lambda q: 0}}, "takes 'q'"), "metric value": ({"metrics": {"a": lambda z: z}}, "gives ndarray, not a number"),
    "metric name": ({"metrics": {"loss": "z"}}, "already"), "metric kind": ({"metrics": {"a": 3}}, "function of named values"),
    "standardize": ({"standardize": ["q"]}, "standardize: 'q'"), "size": ({"sizes": {"Q": 2}}, "no size 'Q'"), "size twice": ({"sizes": {"D": 9}}, "axis 2 of x"),
    "running": ({"running": 0}, "running"), "examples": ({"examples": "Q"}, "what counts the examples"), "record": ({"record": 0}, "records"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case: str) -> None:
    options, words = WRONG[case]
    if not words:                                          # the one right one, so that it is the argument that is refused and nothing else
        assert sg.fit(dense(), examples(), **{"epochs": 1, **options}).steps == 2
        return
    with pytest.raises(InputError, match=words):
        sg.fit(dense(), examples(), **{"epochs": 1, **options})


DATA: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"y": None}, r"the data lacks y \(N\)"), "more": ({"q": np.ones(3)}, "'q', which is no data variable"),
    "axes": ({"x": np.ones(53)}, "needs 2 axes"), "counts": ({"x": np.ones((50, 5))}, "x has 50, y has 53"), "words": ({"x": np.full((53, 5), "a")}, "not real numbers"),
    "complex": ({"x": np.ones((53, 5)) * 1j}, "not real numbers"), "ragged": ({"x": [[1.0], [1.0, 2.0]]}, "different lengths"),
    "labels from 0": ({"y": np.arange(53) % 3}, "has 0 in example 1; add 1 to all of y"), "labels between": ({"y": np.full(53, 1.5)}, "has 1.5"),
    "none": ({"x": np.ones((0, 5)), "y": np.ones(0)}, "no examples"),
}


@pytest.mark.parametrize("case", DATA)
def test_wrong_data(case: str) -> None:
    change, words = DATA[case]
    data = {k: v for k, v in {**examples(), **change}.items() if v is not None}
    with pytest.raises(InputError, match=words):
        sg.fit(dense(), data)


def test_more_classes_than_the_network_has() -> None:
    with pytest.raises(InputError, match="y holds the label 3, and there are 2 classes"):
        sg.fit(dense(), examples(), sizes={"C": 2})
    with pytest.raises(InputError, match="y holds the label 4"):
        sg.fit(dropout_and_norm(), {**examples(), "y": np.r_[np.full(52, 1.0), 4.0]}, masks={"drop_mask": 0.25})


def test_masks_that_do_not_fit() -> None:
    with pytest.raises(MissingValueError, match=r"give masks=\{'drop_mask': 0.5\}"):
        sg.fit(dropout_and_norm(), examples())
    with pytest.raises(InputError, match=r"divides by 0\.75 behind drop_mask, so it drops with probability 0\.25, not 0\.5"):
        sg.fit(dropout_and_norm(), examples(), masks={"drop_mask": 0.5})
    with pytest.raises(InputError, match="leave it out of one"):
        sg.fit(dropout_and_norm(), {**examples(), "drop_mask": np.ones((53, 8))}, masks={"drop_mask": 0.25})


def test_networks_that_cannot_be_trained() -> None:
    with pytest.raises(InputError, match="no parameters to train; say by wrt"):
        sg.fit(sg.parse("data x : vector(n)\nloss = x' * x"), {"x": [1.0]})
    fixed = sg.parse("examples n = 1..N\nsize N = 4\ndata x[n] : scalar\nparam w : scalar\nloss = sum[n]((w - x[n])^2)")
    assert sg.fit(fixed, {"x": np.ones(4)}, epochs=1).steps == 1
    with pytest.raises(InputError, match="declared for 4 examples at once"):
        sg.fit(fixed, {"x": np.ones(4)}, batch=3)
    with pytest.raises(InputError, match="axis 1 of x has length 8, but 4 is declared"):
        sg.fit(fixed, {"x": np.ones(8)})
    with pytest.raises(InputError, match="nothing in this network counts examples"):
        sg.fit(sg.parse("data x : vector(2)\nparam w : vector(2)\nloss = norm2(w - x)^2"), {"x": [1.0, 2.0]}, validation=0.5)
    with pytest.raises(InputError, match="loss on the validation data is"):
        line("loss = mean[n]((b - x[n])^2 / y[n])", numbers(), wrt="b", validation=numbers(y=(0, 0.0)))
