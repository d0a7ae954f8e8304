"""What the upper layers compute is kept and used again: the schedule of a network with two hidden layers (Piyush Rai, CS771)."""
from pathlib import Path

import sympy as sp

import symgrad as sg

net = sg.parse(Path(__file__).with_name("two_hidden_layers.sg").read_text())
d = sg.differentiate(net, wrt=["W1", "W2", "v"])
plan = sg.schedule(d)
print(plan)

# Every gradient after the first starts from a product that a layer above made already.
made = {s.name for s in plan.steps}
assert {"d_yhat", "d_h2", "d_z2", "d_h1", "d_z1"} <= made
assert set(plan.cached) >= {"h1", "h2", "z1", "z2"}

# Operations with and without reuse, as polynomials in the sizes; here at N = 100, D = 50, K1 = 40, K2 = 30.
sizes = {"N": 100, "D": 50, "K1": 40, "K2": 30}
at = {s: sizes[s.name] for e in (plan.flops, plan.flops_without_reuse) for s in e.free_symbols}
saved = 1 - sp.Rational(plan.flops.subs(at), plan.flops_without_reuse.subs(at))
print(f"reuse saves {float(saved):.0%} of the operations")
assert saved > sp.Rational(1, 3)
