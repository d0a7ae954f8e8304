"""Deriving all gradients of a tanh network of L layers: time against depth, and against CasADi MX in the same run."""
from __future__ import annotations

import argparse
import math

import numpy as np

import symgrad as sg
from benchmarks.timing import interleaved
from symgrad.core.node import Node
from symgrad.derive.reverse import reverse


def network(layers: int) -> tuple[Node, list[Node]]:
    """The loss of a tanh network in symbolic sizes, and its weights."""
    h = sg.data("x", "n")
    weights = [sg.param(f"W{k}", "n", "n") for k in range(layers)]
    for w in weights:
        h = sg.tanh(w @ h)
    return h @ h, weights


def casadi_network(layers: int, size: int) -> tuple[object, list[object]]:
    """The same in CasADi's MX."""
    import casadi
    h = casadi.MX.sym("x", size)
    weights = [casadi.MX.sym(f"W{k}", size, size) for k in range(layers)]
    for w in weights:
        h = casadi.tanh(w @ h)
    return casadi.dot(h, h), weights


def same_values(layers: int, size: int) -> None:
    """Raises AssertionError unless both give the same gradients."""
    import casadi
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=size), **{f"W{k}": rng.normal(size=(size, size)) / size for k in range(layers)}}
    loss, weights = network(layers)
    ours = sg.differentiate(loss, wrt=weights).evaluate(values)
    theirs_loss, theirs = casadi_network(layers, size)
    inputs = [v for v in casadi.symvar(theirs_loss)]
    f = casadi.Function("f", inputs, [casadi.gradient(theirs_loss, w) for w in theirs])
    found = f(*[values[v.name()] for v in inputs])
    for k, g in enumerate(found):
        np.testing.assert_allclose(np.array(g), ours[f"W{k}"], rtol=1e-10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small depths, one round")
    smoke = parser.parse_args().smoke
    depths, rounds = ((2, 8, 32), 1) if smoke else ((2, 8, 32, 128, 512, 2048), 5)
    try:
        import casadi
        same_values(3, 4)
    except ImportError:
        casadi = None
    seconds: list[tuple[int, float]] = []
    for layers in depths:
        loss, weights = network(layers)
        contenders = {"symgrad": lambda loss=loss, weights=weights: reverse(loss, weights)}
        if casadi is not None:
            theirs, _ = casadi_network(layers, 4)
            contenders["casadi"] = lambda theirs=theirs: casadi.Function("f", casadi.symvar(theirs), [theirs]).reverse(1)
        found = interleaved(contenders, rounds)
        seconds.append((layers, found["symgrad"]))
        ratio = f", {found['symgrad'] / found['casadi']:.3f} of CasADi's {1e3 * found['casadi']:.1f} ms" if "casadi" in found else ""
        print(f"L = {layers:5d}: {1e3 * found['symgrad']:8.2f} ms{ratio}")
    (l0, t0), (l1, t1) = seconds[len(seconds) // 2], seconds[-1]
    print(f"exponent between L = {l0} and L = {l1}: {math.log(t1 / t0) / math.log(l1 / l0):.2f}")


if __name__ == "__main__":
    main()
