"""Data as people keep it: arrays, .npz, .csv with every way of naming columns, and scikit-learn's sets in the form that a network declares."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_nets import CLASSES, dense, examples

import symgrad as sg
from symgrad.errors import InputError, MissingExtraError
from symgrad.training.data import dataset, parts, scaling
from symgrad.training.sources import SKLEARN, load

NAMES = ["x", "y"]
HEAD = "examples n = 1..N\ndata x[n] : {}\ndata y[n] : {}\nparam w : scalar\nloss = w * (sum(x) + sum(y))"


def net(x: str = "vector(D)", y: str = "label(C)") -> sg.Graph:
    return sg.parse(HEAD.format(x, y))


def table(folder: Path, text: str) -> Path:
    path = folder / "d.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["x1,x2,y", "x_1,x_2,y", "x[1],x[2],y", "x0,x1,y", "x2,y,x1", "y,x[0],x[1]", " x1 , x2 , y ", "a,b,y", "id,x1,x2,y"])
def test_columns(header: str, tmp_path: Path) -> None:
    names = [h.strip() for h in header.split(",")]
    value = {"y": "2", "id": "7", "x2": "20", "x_2": "20", "x[2]": "20", "b": "20", "x0": "10", "x[0]": "10", "a": "10",
             "x1": "20" if "x0" in names else "10", "x[1]": "20" if "x[0]" in names else "10", "x_1": "10"}
    found = load(table(tmp_path, header + "\n" + ",".join(value[n] for n in names) + "\n" + ",".join("1" for _ in names)), net(), NAMES)
    assert found["x"].tolist() == [[10, 20], [1, 1]] and found["y"].tolist() == [2, 1]


def test_more_than_nine_columns_keep_the_order_of_numbers(tmp_path: Path) -> None:
    header = ",".join(f"x{k}" for k in range(1, 13)) + ",y\n"
    found = load(table(tmp_path, header + ",".join(map(str, range(1, 13))) + ",1\n"), net(), NAMES)
    assert found["x"].tolist() == [list(range(1, 13))]


def test_labels_that_are_words_and_one_hot_rows(tmp_path: Path) -> None:
    path = table(tmp_path, "length,width,species\n1,2,setosa\n3,4,virginica\n5,6,setosa\n7,8,lily\n")
    columns = {"y": ["species"]}
    assert load(path, net(), NAMES, columns=columns)["y"].tolist() == [2, 3, 2, 1]
    assert load(path, net(y="vector(C) onehot"), NAMES, columns=columns)["y"].tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    with pytest.raises(InputError, match="'setosa' in the column species, an entry of y, is no number"):
        load(path, net(y="scalar"), NAMES, columns=columns)


def test_matrices_by_two_indices_and_by_declared_sizes(tmp_path: Path) -> None:
    path = table(tmp_path, "x[1,1],x[1,2],x[2,1],x[2,2],y\n1,2,3,4,1\n")
    declared = sg.parse("examples n = 1..N\ndata x[n] : matrix(2, 2)\ndata y[n] : label(2)\nparam w : scalar\nloss = w * sum(x)")
    assert load(path, declared, NAMES)["x"].tolist() == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize(("text", "words"), [
    ("", "first line names the columns"), ("1,2,3\n4,5,6", "first line names the columns"), ("x1,x2,y\n", "first line names"), ("x1,x1,y\n1,2,3", "two columns are named x1"),
    ("x1,x2,y\n1,2", "line 2: 2 entries under 3"), ("x1,x2,y\n1,,1", "line 2: '' in the column x2"), ("x1,x3,y\n1,2,1", "leave out entries"),
    ("a,b\n1,2", "has no column for x, y"), ("x1,x2\n1,2", "has no column for y"),
])
def test_bad_tables(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        load(table(tmp_path, text), net(), NAMES)


def test_nan_in_a_table_is_found_by_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x holds nan in example 2"):
        sg.fit(dense(), table(tmp_path, "x1,x2,y\n1,2,1\nnan,2,2\n1,1,3\n"))


def test_files(tmp_path: Path) -> None:
    data = examples()
    np.savez(tmp_path / "d.npz", **data)
    rows = "\n".join(",".join(map(repr, map(float, [*x, y]))) for x, y in zip(data["x"], data["y"], strict=True))
    path = table(tmp_path, ",".join(f"x{k}" for k in range(5)) + ",y\n" + rows)
    a, b, c = (sg.fit(dense(), d, epochs=2) for d in (data, str(tmp_path / "d.npz"), path))
    assert all(np.array_equal(a.params[k], o.params[k]) for o in (b, c) for k in a.params)
    assert a.score(path) == a.score(data)
    for name, words in (("absent.npz", "there is no file"), ("d.txt", r"is read from \.npz"), ("junk.npz", "holds no arrays")):
        (tmp_path / "d.txt").write_text("1")
        (tmp_path / "junk.npz").write_bytes(b"junk")
        with pytest.raises(InputError, match=words):
            sg.fit(dense(), tmp_path / name)


def test_scikit_learn_in_the_declared_form() -> None:
    pytest.importorskip("sklearn")
    found = load("sklearn:digits", net(), NAMES)
    assert found["x"].shape == (1797, 64) and found["x"].max() == 16 and sorted(set(found["y"])) == list(range(1, 11))
    onehot = load("sklearn:digits", net(y="vector(C) onehot"), NAMES)["y"]
    assert onehot.shape == (1797, 10) and np.array_equal(onehot.argmax(axis=1) + 1, found["y"])
    assert load("sklearn:digits", net(y="vector(10)"), NAMES)["y"].shape == (1797, 10)
    assert sorted(set(load("sklearn:digits", net(y="scalar"), NAMES)["y"])) == list(range(10)), "a number is the number as it is"
    shaped = sg.parse("examples n = 1..N\ndata x[n] : tensor(1, 8, 8)\ndata y[n] : label(C)\nparam w : scalar\nloss = w * sum(x)")
    assert np.array_equal(load("sklearn:digits", shaped, NAMES)["x"].reshape(1797, 64), found["x"])
    named = sg.parse("examples n = 1..N\ndata x[n] : matrix(A, B)\ndata y[n] : label(C)\nparam w : scalar\nloss = w * sum(x)")
    assert load("sklearn:digits", named, NAMES)["x"].shape == (1797, 8, 8)
    assert set(load("sklearn:moons", net(y="scalar"), NAMES)["y"]) == {0, 1}
    assert np.array_equal(load("sklearn:moons", net(), NAMES, seed=3)["x"], load("sklearn:moons", net(), NAMES, seed=3)["x"])
    assert load("sklearn:diabetes", net(y="scalar"), NAMES)["y"].mean() == pytest.approx(152.13, abs=0.1)
    assert load("sklearn:diabetes", net(y="vector(1)"), NAMES)["y"].shape == (442, 1)


@pytest.mark.parametrize("name", SKLEARN)
def test_every_set_loads(name: str) -> None:
    pytest.importorskip("sklearn")
    kind = "vector(M)" if name == "linnerud" else "scalar" if name == "diabetes" else "label(C)"
    found = load(f"sklearn:{name}", net(y=kind), NAMES)
    assert dataset(net(y=kind), found, NAMES, None).count == len(found["x"]) > 10


def test_roles_that_are_not_clear_and_sets_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean digits"):
        load("sklearn:digit", net(), NAMES)
    with pytest.raises(InputError, match="not clear from x"):
        load("sklearn:digits", net(), ["x"])
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"symgrad\[lab\]"):
        load("sklearn:digits", net(), NAMES)


def test_parts_are_whole_balanced_and_drawn_by_seed() -> None:
    data = dataset(dense(), examples(300), NAMES, None)
    train, held = parts(data, 0.2, 7, "y")
    rows = [tuple(r) for d in (train, held) for r in d.arrays["x"]]
    assert (train.count, held.count) == (240, 60) and sorted(rows) == sorted(map(tuple, data.arrays["x"]))
    counts = [np.bincount(d.arrays["y"].astype(int))[1:] for d in (data, held)]
    assert np.max(np.abs(counts[0] * 0.2 - counts[1])) <= 1
    again, other = parts(data, 0.2, 7, "y")[1], parts(data, 0.2, 8, "y")[1]
    assert held.digest == again.digest != other.digest
    assert np.max(np.abs(counts[0] * 0.2 - np.bincount(parts(data, 0.2, 7, None)[1].arrays["y"].astype(int))[1:])) > 0


def test_standardised_by_the_training_part_alone() -> None:
    data = examples(200)
    data["x"][:, 3] = 5.0                                  # an entry that is always the same
    fit = sg.fit(dense(), data, validation=0.25, standardize=True, epochs=1)
    train = fit.task.train.arrays["x"]
    assert np.allclose(train.mean(axis=0), 0) and np.allclose(np.delete(train.std(axis=0), 3), 1)
    assert fit.task.held is not None and not np.allclose(fit.task.held.arrays["x"].mean(axis=0), 0, atol=1e-3)
    raw = {"x": data["x"]}
    by_hand = (raw["x"] - fit.task.scaling["x"][0]) / fit.task.scaling["x"][1]
    assert np.allclose(fit.predict("z", raw), sg.evaluate(dense(), {**fit.best, "x": by_hand}, of="z"))
    assert list(scaling(dataset(dense(), data, NAMES, None), ["x"])) == ["x"] and "y" not in fit.task.scaling


def test_which_axis_counts_examples() -> None:
    plain = sg.graph(loss=sg.layers.mse(sg.data("y", "N"), sg.layers.dense(sg.data("x", "N", 5), 1, "f")[:, 0]))
    fit = sg.fit(plain, {"x": np.ones((10, 5)), "y": np.ones(10)}, batch=4, epochs=1)
    assert fit.steps == 3
    last = sg.parse("data x : matrix(D, N)\ndata y : vector(N)\nparam v : vector(D)\nloss = norm2(x' * v - y)^2 / N")
    assert sg.fit(last, {"x": np.ones((5, 10)), "y": np.ones(10)}, batch=4, epochs=1, examples="N").steps == 3
    one = sg.parse((Path(__file__).parents[1] / "examples" / "attention.sg").read_text(encoding="utf-8"))   # positions are no examples
    rng = np.random.default_rng(0)
    assert sg.fit(one, {"X": rng.normal(size=(40, 3)), "Y": rng.normal(size=(40, 2))}, batch=8, epochs=2, sizes={"K": 2}).steps == 2
    column = sg.fit(dense(), {**examples(), "y": examples()["y"][:, None]}, epochs=1)
    assert np.array_equal(column.params["W1"], sg.fit(dense(), examples(), epochs=1).params["W1"])
    steps = sg.parse("examples n = 1..N\nindex t = 1..T\ndata x[n, t] : vector(D)\ndata y[n] : scalar\ndata h0 : vector(K)\nparam W : matrix(K, D)\n"
                     "param U : matrix(K, K)\nparam v : vector(K)\nh[n, 0] = h0\nh[n, t] = tanh(W * x[n, t] + U * h[n, t-1])\n"
                     "loss = mean[n]((v' * h[n, T] - y[n])^2)")
    for length in (3, 6):                                  # any number of steps, other than the five it is written out for
        rng = np.random.default_rng(0)
        data = {"x": rng.normal(size=(20, length, 2)), "y": rng.normal(size=20), "h0": np.zeros(4)}
        fit = sg.fit(steps, data, epochs=3, batch=8, validation=0.25, lr=0.05)
        assert fit.steps == 6 and fit.history["loss"][-1] < fit.history["loss"][0]


def test_data_for_metrics_alone_and_for_prediction() -> None:
    extra = sg.parse("examples n = 1..N\ndata x[n] : vector(D)\ndata y[n] : scalar\ndata weight[n] : scalar\nparam v : vector(D)\n"
                     "p[n] = v' * x[n]\nw[n] = weight[n] * p[n]\nloss = mean[n]((p[n] - y[n])^2)")
    data = {"x": np.ones((6, 2)), "y": np.ones(6), "weight": np.arange(6.0)}
    fit = sg.fit(extra, data, epochs=1, metrics={"weighted": lambda weight, p: float((weight * p).sum())})
    assert fit.history["weighted"][0] == pytest.approx(15 * fit.predict("p", {"x": np.ones((1, 2))})[0])
    assert fit.predict("w", {"x": np.ones((3, 2)), "weight": np.zeros(3)}).tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="no value for weight"):
        fit.predict("w", {"x": np.ones((3, 2))})
    with pytest.raises(InputError, match="did you mean"):
        fit.predict("pp", {"x": np.ones((3, 2))})
    assert CLASSES == 3
