"""Marking of NumPy derivations: common mistakes in layers, each named by its pattern; the page of patterns is the enumeration."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from problems import HELPERS, function_of

import symgrad as sg
from symgrad.marking.verdict import PATTERNS

RANDOM = np.random.default_rng(5)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


CASES: dict[str, tuple[dict[str, object], list[str], list[tuple[str, str, str]]]] = {
    "cross-entropy": ({"X": draw(6, 3), "W": draw(3, 4), "b": draw(4), "Y": np.eye(4)[[0, 1, 2, 3, 1, 2]]},
                      ["Z = X@W+b", "P = softmax(Z)", "loss = -np.sum(Y*np.log(P))/6"],
                      [("Z", "P-Y", "factor"), ("Z", "(Y-P)/6", "sign"), ("Z", "(P-Y)/6", ""), ("P", "-Y*np.log(P)/6", "wrong rule"), ("b", "(P-Y)/6", "missing sum"),
                       ("b", "np.mean((P-Y)/6,axis=0)", "mean for sum"), ("X", "(P-Y)/6@W", "shape")]),
    "residual": ({"x": draw(5), "W": draw(5, 5), "g": draw(5)}, ["z = W@x", "h = np.tanh(z)", "y = x+h", "loss = np.sum(g*y)"],
                 [("z", "g*(1-z**2)", "wrong point"), ("z", "g*(1-np.tanh(h)**2)", "wrong point"), ("z", "g*h*(1-h)", "wrong rule"),
                  ("x", "W.T@(g*(1-h**2))", "missing path"), ("x", "g+W@(g*(1-h**2))", "transposed"), ("W", "np.outer(x,g*(1-h**2))", "layout")]),
    "attention": ({"Q": draw(4, 3), "K": draw(5, 3), "V": draw(5, 2), "G": draw(4, 2)},
                  ["S = Q@K.T/np.sqrt(3)", "A = softmax(S)", "O = A@V", "loss = np.sum(G*O)"],
                  [("A", "G@V.T", ""), ("S", "A*(1-A)*(G@V.T)", "missing path"), ("V", "A@G", "shape")]),
    "batch norm": ({"x": draw(6, 3), "gamma": draw(3), "g": draw(6, 3)},
                   ["m = np.mean(x,axis=0)", "v = np.mean((x-m)**2,axis=0)", "xh = (x-m)/np.sqrt(v+1e-5)", "loss = np.sum(g*gamma*xh)"],
                   [("x", "g*gamma/np.sqrt(v+1e-5)", "missing path"), ("gamma", "np.sum(g*x,axis=0)", "wrong operand"),
                    ("v", "np.sum(g*gamma*(x-m),axis=0)*0.5*(v+1e-5)**-1.5", "sign")]),
    "convolution": ({"x": draw(1, 1, 5, 5), "w": draw(1, 1, 3, 3), "g": draw(1, 1, 3, 3)}, ["y = conv2d(x,w,1)", "loss = np.sum(g*y)"],
                    [("w", "conv2d(x,g,1)", ""), ("x", "conv2d(np.pad(g,((0,0),(0,0),(2,2),(2,2))),w,1)", "wrong index")]),
    "weight decay": ({"X": draw(6, 3), "w": draw(3), "y": draw(6)}, ["p = X@w", "loss = 0.5*np.sum((p-y)**2)+0.3*np.sum(w**2)"],
                     [("w", "X.T@(p-y)+0.3*w", "factor"), ("w", "X.T@(p-y)-0.6*w", "sign"), ("w", "X.T@(p-y)", "missing path"), ("w", "X.T@(p-y)+0.6*w", "")]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_in_a_layer_is_named(name: str) -> None:
    inputs, forward, steps = CASES[name]
    names = dict.fromkeys(line.split("=")[0].strip() for line in forward)
    graph = sg.trace(function_of(forward, list(inputs), "dict(" + ", ".join(f"{n}={n}" for n in names) + ")"), **inputs)
    for of, text, pattern in steps:
        def claim(text: str = text, **names: object) -> object:
            return eval(text, {**HELPERS, **names})
        (verdict,) = sg.check_steps(graph, [("d", of, claim)])
        assert (verdict.verdict, verdict.pattern) == ("wrong" if pattern else "ok", pattern), (text, str(verdict))


def rows(text: str) -> Sequence[tuple[str, ...]]:
    return re.findall(r"^\| `([a-z ]+)` \| (.*) \|$", text.partition("| `Verdict.pattern` |")[2], re.MULTILINE)


def test_the_page_lists_the_patterns() -> None:
    text = (Path(__file__).parents[1] / "docs" / "marking.md").read_text(encoding="utf-8")
    assert dict(rows(text)) == dict(PATTERNS)


def test_credit_in_a_recurrence() -> None:
    """A line about one step is marked at that step, and later lines see it there."""
    net = sg.parse("""
    examples n = 1..N
    index  t = 1..T
    size   T = 3
    data   x[n, t] : vector(D)
    param  A : matrix(K, D)
    param  B : matrix(K, K)
    param  h0 : vector(K)
    h[n, 0] = h0
    h[n, t] = tanh(A * x[n, t] + B * h[n, t-1])
    loss    = 1/2 * sum[n](norm2(h[n, 3])^2)
    """)
    found = sg.check_steps(net, """
    grad(loss, h)[n, 3] = 2*h[n, 3]
    grad(loss, h)[n, 2] = B' * (grad(loss, h)[n, 3] .* (vector(1) - h[n, 3].^2))
    grad(loss, h)[n, 1] = B' * (grad(loss, h)[n, 2] .* (vector(1) - h[n, 3].^2))
    grad(loss, B) = sum[n]((grad(loss, h)[n, 3] .* (vector(1) - h[n, 3].^2)) * h[n, 2]')
    """)
    assert [v.verdict for v in found] == ["wrong", "follows", "wrong", "wrong"]
    assert [v.pattern for v in found] == ["factor", "", "wrong index", "missing path"]
    assert "h_1" in found[3].message and "h_2" in found[3].message
