"""The product of three Jacobians: their order is fixed, the order of multiplying them is not, and it matters (Piyush Rai, CS771)."""
import symgrad as sg
from symgrad.plan.chain_order import best_order, order_text

net = sg.parse("""
data  x : vector(P)
param A : matrix(Q, P)
param B : matrix(R, Q)
param C : matrix(S, R)
u = tanh(A * x)
w = tanh(B * u)
y = tanh(C * w)
""")
J = sg.jacobian(net, of="y", wrt="x")
print(J.chain)
assert str(J.chain) == "jac(y, w) * jac(w, u) * jac(u, x)"
print(J.jacobian)

# A wide layer, 1,000, between narrow ones: ((1 2) 3) or (1 (2 3))?
sizes = {"S": 10, "R": 1000, "Q": 20, "P": 5}
best = best_order([("S", "R"), ("R", "Q"), ("Q", "P")], sizes=sizes)
at = {s: sizes[s.name] for s in best.flops_left_to_right.free_symbols | best.flops_right_to_left.free_symbols}
left, right, chosen = (int(e.subs(at)) for e in (best.flops_left_to_right, best.flops_right_to_left, best.flops))
print(f"{order_text(best.order)}: {chosen:,} operations; from the left {left:,}, from the right {right:,}")
assert chosen == min(left, right) == 2 * 10 * 1000 * 5 + 2 * 1000 * 20 * 5
assert order_text(best.order) == "1 (2 3)" and left == 2 * 10 * 1000 * 20 + 2 * 10 * 20 * 5

# For a scalar loss the row is multiplied from the left, and it is the cheapest for all sizes: that is the backward pass.
row = best_order([(1, "R"), ("R", "Q"), ("Q", "P")])
print(f"{order_text(row.order)}: {row.flops}")
assert order_text(row.order) == "(1 2) 3" and row.flops == row.flops_left_to_right
