"""Deriving all gradients of a tanh network of L layers with biases on a batch: time against depth, and against CasADi MX in one run."""
from __future__ import annotations

import argparse
import math

import numpy as np

import symgrad as sg
from benchmarks.timing import interleaved
from symgrad.core.node import Node
from symgrad.derive.reverse import reverse
from symgrad.ops.arithmetic import total

SIZE, BATCH = 8, 5                                         # CasADi knows numbers only; symgrad's sizes are symbols


def network(layers: int) -> tuple[Node, list[Node]]:
    """The loss of the network in symbolic sizes, and its parameters."""
    h, y, params = sg.data("X", "N", "n"), sg.data("Y", "N", "n"), []
    for k in range(layers):
        params += [sg.param(f"W{k}", "n", "n"), sg.param(f"b{k}", "n")]
        h = sg.tanh(h @ params[-2] + params[-1])
    return total((h - y) ** 2), params


def casadi_network(layers: int) -> tuple[object, object, list[object]]:
    """The same in CasADi's MX, its parameters packed in one vector, as its gradient wants them."""
    import casadi
    x, y = casadi.MX.sym("X", SIZE, BATCH), casadi.MX.sym("Y", SIZE, BATCH)
    size = SIZE * SIZE + SIZE
    p = casadi.MX.sym("p", size * layers)
    h = x
    for part in casadi.vertsplit(p, [k * size for k in range(layers + 1)]):
        w, b = casadi.vertsplit(part, [0, SIZE * SIZE, size])
        h = casadi.tanh(casadi.mtimes(casadi.reshape(w, SIZE, SIZE), h) + casadi.repmat(b, 1, BATCH))
    return casadi.sumsqr(h - y), p, [x, y, p]


def same_values(layers: int) -> None:
    """Raises AssertionError unless both give the same gradients."""
    import casadi
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(BATCH, SIZE)), rng.normal(size=(BATCH, SIZE))
    weights = {f"W{k}": rng.normal(size=(SIZE, SIZE)) / 3 for k in range(layers)} | {f"b{k}": rng.normal(size=SIZE) for k in range(layers)}
    loss, params = network(layers)
    ours = sg.differentiate(loss, wrt=params).evaluate({"X": x, "Y": y, **weights})
    theirs, p, inputs = casadi_network(layers)
    packed = np.concatenate([np.r_[weights[f"W{k}"].ravel(), weights[f"b{k}"]] for k in range(layers)])   # W' by columns is W by rows
    found = np.array(casadi.Function("f", inputs, [casadi.gradient(theirs, p)])(x.T, y.T, packed)).ravel()
    np.testing.assert_allclose(found, np.concatenate([np.r_[ours[f"W{k}"].ravel(), ours[f"b{k}"]] for k in range(layers)]), rtol=1e-9)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small depths, one round")
    smoke = parser.parse_args().smoke
    depths, rounds = ((2, 8, 32), 1) if smoke else ((2, 8, 32, 128, 512, 2048), 7)
    try:
        import casadi
        same_values(3)
    except ImportError:
        casadi = None
    seconds: list[tuple[int, float]] = []
    for layers in depths:
        loss, params = network(layers)
        contenders = {"symgrad": lambda loss=loss, params=params: reverse(loss, params), "symgrad, building too": lambda n=layers: reverse(*network(n))}
        if casadi is not None:
            theirs, p, _ = casadi_network(layers)
            contenders["casadi"] = lambda theirs=theirs, p=p: casadi.gradient(theirs, p)
            contenders["casadi, building too"] = lambda n=layers: casadi.gradient(*casadi_network(n)[:2])
        found = interleaved(contenders, rounds)
        seconds.append((layers, found["symgrad"]))
        shown = ", ".join(f"{name} {1e3 * t:.2f} ms" for name, t in found.items())
        ratios = ""
        if casadi is not None:
            whole = found["symgrad, building too"] / found["casadi, building too"]
            ratios = f"; ratios {found['symgrad'] / found['casadi']:.2f}, building too {whole:.2f}"
        print(f"L = {layers:5d}: {shown}{ratios}")
    (l0, t0), (l1, t1) = seconds[len(seconds) // 2], seconds[-1]
    print(f"exponent between L = {l0} and L = {l1}: {math.log(t1 / t0) / math.log(l1 / l0):.2f}")


if __name__ == "__main__":
    main()
