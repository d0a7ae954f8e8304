"""The gallery of the docs is what its example makes, byte for byte, and its page says of every picture what was seen."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from symgrad.render import engines

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "gallery"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery, made anew."""
    if engines._command("pure") is None:
        pytest.skip("graphviz-pure is not installed: other engines place boxes elsewhere")
    folder = tmp_path_factory.mktemp("gallery")
    subprocess.run([sys.executable, str(ROOT / "examples" / "gallery.py"), str(folder)], check=True, timeout=300)
    return folder


def differences(folder: Path, golden: Path) -> list[str]:
    """Names of files that are not the same in both folders, or are in one of them only."""
    files = [{path.name: path.read_bytes() for path in place.iterdir() if path.suffix in (".svg", ".html")} for place in (folder, golden)]
    return sorted(name for name in files[0].keys() | files[1].keys() if files[0].get(name) != files[1].get(name))


def test_golden_pictures(made: Path) -> None:
    """Changed on purpose: `python examples/gallery.py docs/gallery`, look at every picture, say in the page what was seen."""
    assert differences(made, GALLERY) == []


def test_a_changed_picture_is_seen(made: Path, tmp_path: Path) -> None:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed, gone = sorted(tmp_path.glob("*.svg"))[:2]
    changed.write_bytes(changed.read_bytes().replace(b"stroke", b"strike", 1))
    gone.unlink()
    assert differences(tmp_path, made) == [changed.name, gone.name]


def test_the_page_says_what_was_seen() -> None:
    text = (GALLERY / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]*\]\(([\w.]+)\)\n\nSeen: \S", text)
    assert sorted(shown) == sorted(path.name for path in GALLERY.glob("*.svg"))
