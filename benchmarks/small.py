"""Small expressions: the time of a derivative and its closed form, once their ops are known, and in a fresh process."""
from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import symgrad as sg

CASES: dict[str, tuple[str, dict[str, tuple[str, ...]], dict[str, str]]] = {
    "x'*A*x": ("x", {"x": ("n",), "A": ("n", "n")}, {}),
    "sum(log(1 + exp(-y .* (X*x))))": ("x", {"X": ("N", "D"), "y": ("N",), "x": ("D",)}, {}),
    "-(y' * log(softmax(W*x)))": ("W", {"W": ("K", "D"), "x": ("D",), "y": ("K",)}, {"y": "onehot"}),
}
FRESH = """
import sympy, time
import symgrad as sg
net = sg.parse({text!r}, vars={vars!r}, facts={facts!r})
derive, start = sg.differentiate, time.perf_counter()
form = str(derive(net, wrt={wrt!r})[{wrt!r}].matrix)
print(1e3 * (time.perf_counter() - start))
"""


def fresh(program: str) -> float:
    """Milliseconds that the program prints, in a process of its own."""
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print milliseconds: median and worst of many, and of a first time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few rounds")
    rounds = 3 if parser.parse_args().smoke else 200
    for text, (wrt, shapes, facts) in CASES.items():
        net = sg.parse(text, vars=shapes, facts=facts)
        times = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            form = str(sg.differentiate(net, wrt=wrt)[wrt].matrix)
            times.append(1e3 * (time.perf_counter() - start))
        program = FRESH.format(text=text, vars=shapes, facts=facts, wrt=wrt)
        first = min(fresh(program) for _ in range(1 if rounds < 9 else 5))
        print(f"{text}: {form}: median {statistics.median(times[1:]):.2f} ms, worst {max(times[1:]):.2f} ms, first in a fresh process {first:.0f} ms")


if __name__ == "__main__":
    main()
