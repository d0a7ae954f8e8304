"""Deriving all gradients of a tanh network of L layers with biases on a batch: time against depth, and against CasADi MX in one run.

Then residual networks and recurrences in the notation: the time of every stage and its exponent, by least squares on logarithms.
"""
from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

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


RESIDUAL = """index k = 1..L
size L = {depth}
param W1[k] : matrix(m, n)
param W2[k] : matrix(n, m)
param g[k], b[k] : vector(n)
data x, y : vector(n)
h[0] = x
h[k] = h[k-1] + W2[k]*relu(W1[k]*layernorm(h[k-1], g[k], b[k]))
loss = norm2(h[L] - y)^2
"""
RNN = """examples i = 1..N
index t = 1..T
size T = {depth}
data x[i, t] : vector(n)
param U : matrix(m, n)
param V : matrix(m, m)
param h0, b : vector(m)
h[i, 0] = h0
h[i, t] = tanh(U*x[i, t] + V*h[i, t-1] + b)
loss = sum[i, t](norm2(h[i, t])^2)
"""
KINDS = {"p": "sigmoid", "f": "sigmoid", "q": "tanh", "o": "sigmoid"}
WEIGHTS = "".join(f"param U{g} : matrix(m, n)\nparam V{g} : matrix(m, m)\nparam b{g} : vector(m)\n" for g in KINDS)
GATES = "".join(f"{g}[i, t] = {f}(U{g}*x[i, t] + V{g}*h[i, t-1] + b{g})\n" for g, f in KINDS.items())
LSTM = f"""{RNN.partition("param U")[0]}{WEIGHTS}param h0, c0 : vector(m)
h[i, 0] = h0
c[i, 0] = c0
{GATES}c[i, t] = f[i, t].*c[i, t-1] + p[i, t].*q[i, t]
h[i, t] = o[i, t].*tanh(c[i, t])
loss = sum[i, t](norm2(h[i, t])^2)
"""
NUMBERS = {"n": 8, "m": 10, "N": 5}


def stages(text: str) -> dict[str, float]:
    """Seconds to parse, differentiate, evaluate, compile, run and plan one network."""
    found: dict[str, float] = {}
    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        answer = work()
        found[name] = time.perf_counter() - start
        return answer
    net = timed("parse", lambda: sg.parse(text))
    d = timed("differentiate", lambda: sg.differentiate(net))
    rng = np.random.default_rng(0)
    values = {k: rng.normal(size=[s if isinstance(s, int) else NUMBERS[str(s)] for s in v.shape]) / 4 for k, v in net.variables().items()}
    gradients = timed("evaluate", lambda: d.evaluate(values))
    f = timed("compile", lambda: sg.compile(d))
    for k, a in f(**values)[1].items():
        np.testing.assert_allclose(a, gradients[k], rtol=1e-9, atol=1e-9)
    timed("run", lambda: f(**values))
    plan = timed("schedule", lambda: sg.schedule(d))
    timed("operations and peak", lambda: (plan.flops, plan.peak_bytes))
    timed("hvp", lambda: sg.hvp(net, wrt=next(iter(d))))
    return found


def exponent(depths: list[int], seconds: list[float]) -> float:
    """The slope of the line through the logarithms by least squares."""
    return float(np.polyfit(np.log(depths), np.log(seconds), 1)[0])


def notation(smoke: bool) -> None:
    """Print the stages of networks in the notation: milliseconds at each depth, and the exponent."""
    for name, text, deepest in (("residual blocks", RESIDUAL, 300), ("RNN steps", RNN, 500), ("LSTM steps", LSTM, 500)):
        depths = [10, 30] if smoke else [10, 30, 100, deepest]
        stages(text.format(depth=5))
        found = [stages(text.format(depth=k)) for k in depths]
        print(f"{name}: {', '.join(map(str, depths))}")
        for stage in found[0]:
            times = [f[stage] for f in found]
            print(f"  {stage:20}{' '.join(f'{1e3 * t:9.1f}' for t in times)} ms, exponent {exponent(depths, times):.2f}")


def main() -> None:
    """Print the tables."""
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
    notation(smoke)


if __name__ == "__main__":
    main()
