"""How long symgrad takes to start: processor time of `--help`, of the import and first use beside what it stands on, of `solve` from end to end."""
from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

NETWORK = Path(__file__).resolve().parents[1] / "examples" / "two_hidden_layers.sg"
ROOT = str(NETWORK.parents[1])
FIRST_USE = "import symgrad as sg; print(sg.differentiate(sg.parse('param x : vector(n)\\nparam A : matrix(n, n)\\nx\\'*A*x'))['x'].matrix)"
COMMANDS = {
    "python": ["-c", "pass"],
    "import sympy, networkx, numpy": ["-c", "import sympy, networkx, numpy"],
    "import symgrad": ["-c", "import symgrad"],
    "import and first gradient": ["-c", FIRST_USE],
    "symgrad --help": ["-m", "symgrad.cli", "--help"],
    "symgrad solve two_hidden_layers.sg --wrt W1": ["-m", "symgrad.cli", "solve", str(NETWORK), "--wrt", "W1", "--out", "w1.html"],
}


def seconds(command: list[str], folder: str) -> float:
    """Processor time of a Python of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=folder, env={"PYTHONPATH": ROOT, "PATH": ""}, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table: the least of several rounds, all commands in each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one round")
    rounds = 1 if parser.parse_args().smoke else 7
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS.values():
            seconds(command, folder)                       # so that everything is compiled
        taken = [{name: seconds(command, folder) for name, command in COMMANDS.items()} for _ in range(rounds)]
    least = {name: min(t[name] for t in taken) for name in COMMANDS}
    for name, t in least.items():
        print(f"{name:<46} {t:6.3f} s")
    ratio = least["import and first gradient"] / least["import sympy, networkx, numpy"]
    print(f"import and first gradient / import sympy, networkx, numpy: {ratio:.2f} (to reach: 1.15)")


if __name__ == "__main__":
    main()
