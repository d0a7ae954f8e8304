"""`symgrad train`: its table, its files, its exit status, and one paragraph for every kind of bad input."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from training_nets import DENSE, dense, examples

import symgrad as sg
from symgrad.cli import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.sg").write_text(DENSE, encoding="utf-8")
    np.savez("d.npz", **examples())
    Path("dropout.sg").write_text(DENSE.replace("param W1", "data m[n] : vector(K)\nparam W1").replace("h[n] = tanh", "a[n] = tanh").replace(
        "z[n] =", "h[n] = dropout(a[n], m[n], 1/2)\nz[n] =").replace("size  K = 7\n", ""), encoding="utf-8")
    return tmp_path


def test_it_is_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--epochs", "3", "--optimizer", "momentum", "--option", "dampening=0.1", "--lr", "0.05", "--batch", "10", "--init", "glorot_uniform",
                 "--clip", "global:0.5", "--validation", "0.25", "--patience", "2", "--seed", "4", "--schedule", "cosine", "--weight-decay", "0.01"]
    assert main(["train", "net.sg", "--data", "d.npz", *arguments, "--out", "p.npz", "--history", "h.json", "--checkpoint", "c.npz"]) == 0
    out = capsys.readouterr().out.splitlines()
    fit = sg.fit(dense(), "d.npz", epochs=3, optimizer="momentum", dampening=0.1, lr=0.05, batch=10, init="glorot_uniform", clip=("global", 0.5),
                 validation=0.25, patience=2, seed=4, schedule="cosine", weight_decay=0.01)
    with np.load("p.npz", allow_pickle=False) as archive:
        assert archive.files and all(np.array_equal(archive[k], fit.best[k]) for k in archive.files)
    assert out[0].split() == fit.history.columns and len(out) == 5 and len({len(line) for line in out[:4]}) == 1
    assert [line.split()[0] for line in out[1:4]] == ["1", "2", "3"] and out[4].startswith("p.npz: finished after 12 steps; epoch ")
    assert json.loads(Path("h.json").read_text())["epochs"] == fit.history.epochs
    assert main(["run", "net.sg", "--values", "p.npz"]) == 2       # x and y are missing, the parameters fit
    assert "no value for" in capsys.readouterr().err


def test_sizes_masks_start_and_resume(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", "dropout.sg", "--data", "d.npz", "--size", "K=6", "--mask", "m=0.5", "--standardize", "--accuracy", "z"]
    assert main([*common, "--epochs", "2", "--out", "a.npz", "--checkpoint", "c.npz"]) == 0
    assert main([*common, "--epochs", "4", "--out", "b.npz", "--checkpoint", "c.npz", "--resume"]) == 0
    assert main([*common, "--epochs", "4", "--out", "whole.npz"]) == 0
    assert Path("b.npz").read_bytes() == Path("whole.npz").read_bytes() != Path("a.npz").read_bytes()
    assert main([*common, "--epochs", "1", "--out", "d2.npz", "--start", "a.npz"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_ctrl_c_leaves_what_there_is(folder: Path) -> None:
    program = [sys.executable, "-c", "import sys; from symgrad.cli import main; sys.exit(main(sys.argv[1:]))"]
    arguments = ["train", "net.sg", "--data", "d.npz", "--epochs", "100000", "--out", "p.npz", "--checkpoint", "c.npz", "--history", "h.csv"]
    run = subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not Path("c.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out = run.communicate(timeout=60)[0]
    assert run.returncode == 130 and "interrupted after" in out
    rows = len(Path("h.csv").read_text().splitlines()) - 1
    with np.load("c.npz", allow_pickle=False) as archive:
        assert len(json.loads(str(archive["told"]))["epochs"]) == rows > 0 and Path("p.npz").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (["--data", "absent.npz", "--out", "p.npz"], "there is no file absent.npz"), (["--data", "d.npz", "--out", "p.txt"], "is to end with .npz"),
    (["--data", "d.npz", "--out", "nowhere/p.npz"], "does not exist"), (["--data", "d.npz", "--out", "p.npz", "--history", "h.txt"], ".csv or .json"),
    (["--data", "d.npz", "--out", "p.npz", "--clip", "global"], "of the form global:1"), (["--data", "d.npz", "--out", "p.npz", "--clip", "glob:1"], "global"),
    (["--data", "d.npz", "--out", "p.npz", "--option", "momentum"], "of the form option=value"), (["--data", "d.npz", "--out", "p.npz", "--option", "q=1"], "'q'"),
    (["--data", "d.npz", "--out", "p.npz", "--size", "K=a"], "--size 'K=a'"), (["--data", "d.npz", "--out", "p.npz", "--epochs", "0"], "x>=1"),
    (["--data", "d.npz"], "Missing option '--out'"), (["--out", "p.npz"], "Missing option '--data'"), (["--data", "sklearn:q", "--out", "p.npz"], "there is no set 'q'"),
    (["--data", "d.npz", "--out", "p.npz", "--validation", "2"], "less than 1"), (["--data", "d.npz", "--out", "p.npz", "--resume"], "say which file"),
    (["--data", "d.npz", "--out", "p.npz", "--lr", "1e300", "--weight-decay", "1e30", "--optimizer", "sgd"], "step 1: the parameter W"), (["--data", "d.npz", "--out", "p.npz", "--lr", "nan"], "positive"),
    (["--data", "d.npz", "--out", "p.npz", "--start", "q.npz"], "there is no file q.npz"),
])
def test_bad_input_ends_in_one_paragraph(arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(p.name for p in folder.iterdir())
    assert main(["train", "net.sg", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("symgrad: error: ") and words in captured.err and "Traceback" not in captured.err
    assert sorted(p.name for p in folder.iterdir()) == before


def test_it_is_listed_and_help_is_quick() -> None:
    program = "import sys; from symgrad.cli import main; main(['--help']); sys.exit('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "  train " in done.stdout


@pytest.mark.slow
def test_digits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    started = time.monotonic()
    assert main(["train", str(ROOT / "examples" / "digits.sg"), "--data", "sklearn:digits", "--standardize", "--validation", "0.2", "--lr", "0.002",
                 "--schedule", "cosine", "--seed", "1", "--out", "p.npz"]) == 0
    assert float(capsys.readouterr().out.split("accuracy ")[-1]) > 0.97 and time.monotonic() - started < 30
