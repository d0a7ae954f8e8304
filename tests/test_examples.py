"""Every example runs in an empty folder and asserts its own numbers; every network in examples/ parses."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import symgrad

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
NETWORKS = sorted(EXAMPLES.rglob("*.sg"))


def run_program(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The finished process of one example, run in `folder`, without warnings being lost."""
    return subprocess.run([sys.executable, "-W", "error::RuntimeWarning", str(path)], cwd=folder, capture_output=True, text=True,
                          timeout=300, check=False)


def test_there_are_examples() -> None:
    assert PROGRAMS and NETWORKS


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_program(path: Path, tmp_path: Path) -> None:
    done = run_program(path, tmp_path)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert "assert" in text, "an example asserts its own numbers"
    assert len(text.splitlines()) <= 60, "an example shows one idea in at most 60 lines"


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.name)
def test_network(path: Path) -> None:
    symgrad.parse(path.read_text(encoding="utf-8"))


def test_a_failing_program_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("assert 1 + 1 == 3\n", encoding="utf-8")
    assert run_program(wrong, tmp_path).returncode != 0
