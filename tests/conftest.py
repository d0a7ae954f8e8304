"""What every test shares: the repository's folder, a browser where there is one, and how much of the slow runs is run."""
from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = str(ROOT)                       # programs that tests start see the symgrad that the tests see
SAMPLE = int(os.environ.get("SYMGRAD_SAMPLE", "1"))        # 10: a tenth of the slow runs
settings.register_profile("symgrad", max_examples=max(5, 100 // SAMPLE), deadline=None, derandomize=True, database=None)
settings.load_profile("symgrad")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first of every SYMGRAD_SAMPLE cases of each slow test, so that each test still runs once at least."""
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        function = item.nodeid.split("[")[0]
        keep = item.get_closest_marker("slow") is None or seen[function] % SAMPLE == 0
        seen[function] += 1
        (kept if keep else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds README.md, examples/ and docs/."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; a test that asks for it is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found
