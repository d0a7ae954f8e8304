"""The table of docs/lecture.md: all requirements are there, and each that is called done has its example and its test."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "lecture.md"
REQUIREMENTS = [f"L{number}" for number in range(1, 20)]
HEADER = ["row", "the lecture asks for", "example", "test", "state"]


def rows(text: str) -> list[list[str]]:
    """The cells of the table's rows, code marks removed, its header and rule left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    assert cells and cells[0] == HEADER, f"the table's header is {HEADER}"
    return cells[2:]


def defined_tests(path: Path) -> set[str]:
    """Names of the tests that a file defines: `test_f`, and `TestC::test_m` for methods."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return {name for name in names if name.split("::")[-1].startswith("test_")}


def complaints(text: str, root: Path) -> Iterator[str]:
    """What is wrong with the table, row by row."""
    table = rows(text)
    if (found := [row[0] for row in table]) != REQUIREMENTS:
        yield f"the rows are {found}"
    for row in table:
        if len(row) != len(HEADER):
            yield f"{row[0]}: {len(row)} cells"
            continue
        name, _, example, test, state = row
        if state not in ("done", "open"):
            yield f"{name}: the state is done or open, not {state!r}"
        if state != "done":
            continue
        for part in re.split(r",\s*", example):
            if not part.startswith("examples/") or not (root / part).is_file():
                yield f"{name}: there is no example {part!r}"
        for part in re.split(r",\s*", test):
            file, _, function = part.partition("::")
            if not file.startswith("tests/") or not (root / file).is_file() or function not in defined_tests(root / file):
                yield f"{name}: there is no test {part!r}"


def test_the_table_holds() -> None:
    assert list(complaints(PAGE.read_text(encoding="utf-8"), ROOT)) == []


def table_with(first: str, count: int = 19) -> str:
    others = [f"| L{number} | … | – | – | open |" for number in range(2, count + 1)]
    return "\n".join(["| " + " | ".join(HEADER) + " |", "|---|---|---|---|---|", first, *others])


@pytest.mark.parametrize("first", [
    "| L1 | … | `examples/net.sg` | `tests/test_net.py::test_absent` | done |",
    "| L1 | … | `examples/net.sg` | `tests/test_absent.py::test_net` | done |",
    "| L1 | … | `examples/absent.sg` | `tests/test_net.py::test_net` | done |",
    "| L1 | … | `examples/net.sg`, `examples/absent.sg` | `tests/test_net.py::test_net` | done |",
    "| L1 | … | `examples/net.sg` | `tests/test_net.py::helper` | done |",
    "| L1 | … | – | – | done |",
    "| L1 | … | – | – | nearly |",
    "| L1 | … | open |",
    "| L2 | … | – | – | open |",
])
def test_a_wrong_row_is_seen(first: str, planted: Path) -> None:
    assert list(complaints(table_with(first), planted))


def test_a_missing_row_is_seen(planted: Path) -> None:
    assert list(complaints(table_with("| L1 | … | – | – | open |", 18), planted))


def test_a_right_table_passes(planted: Path) -> None:
    first = "| L1 | … | `examples/net.sg` | `tests/test_net.py::test_net`, `tests/test_net.py::TestNet::test_method` | done |"
    assert list(complaints(table_with(first), planted)) == []


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A small repository with one example and two tests."""
    for folder in ("examples", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "examples" / "net.sg").touch()
    text = "def helper(): ...\ndef test_net(): ...\nclass TestNet:\n    def test_method(self): ...\n"
    (tmp_path / "tests" / "test_net.py").write_text(text, encoding="utf-8")
    return tmp_path
