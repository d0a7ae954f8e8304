"""Runs every benchmark of the folder, one after the other; `--smoke` is passed on: small and quick, to see that they start."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """The first exit status that is not 0, or 0."""
    folder = Path(__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.stem.startswith("__") or "def main(" not in path.read_text(encoding="utf-8"):
            continue
        print(f"== {path.stem}", flush=True)
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{path.stem}", *sys.argv[1:]], cwd=folder.parent, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
