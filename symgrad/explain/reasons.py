"""Why a step is right, in a few words, read off the equation of the op that was differentiated."""
from __future__ import annotations

from collections.abc import Mapping

from symgrad.core.graph import Graph
from symgrad.core.node import Node, Variable, topological
from symgrad.derive.reverse import Reverse
from symgrad.views.factors import FactorForm

__all__ = ["RULES", "reason_of", "zero_reason"]

RULES: dict[str, str] = {
    "matvec": "a product is linear in each factor: its derivative is the other one", "matmul": "a product is linear in each factor: its derivative is the other one",
    "dot": "a product is linear in each factor: its derivative is the other one", "times": "product rule, entry by entry", "scale": "a factor stays",
    "add": "the derivative of a sum is the sum of the derivatives", "subtract": "the derivative of a difference is the difference of the derivatives",
    "sum": "each summand counts once", "power": "power rule", "sqrt": "power rule", "divide": "quotient rule", "negate": "the sign stays",
    "softmax": "each output depends on every input through the sum below", "logsumexp": "the outer logarithm over the inner sum",
    "square_sum": "power rule, then sum", "inv": "from X*inv(X) = I", "det": "Jacobi's formula", "logdet": "Jacobi's formula, divided by the determinant",
    "mean": "each summand counts 1/n", "norm2": "a root over a sum of squares", "outer": "a product is linear in each factor",
}


def reason_of(form: FactorForm, names: Mapping[Node, str], graph: Graph) -> str:
    """The rule behind one local derivative."""
    of, by = form.factor.of, form.factor.by
    inside = [n for n in topological([of]) if n is of or (n not in names and n.operands)]
    on_path = {by}
    for n in topological([of]):
        if n not in on_path and (n is of or n in inside) and any(o in on_path for o in n.operands):
            on_path.add(n)
    used = [n for n in inside if n in on_path]
    rules = []
    for n in reversed(used):
        rule = RULES.get(n.op.name)
        if rule is None and n.op.body is not None and n.op.body[0] == "f":
            family = max((len(graph.families[names[x]].index) for x in (of, by) if names.get(x) in graph.families), default=0)
            rule = "elementwise: each entry depends on its own entry only, so the Jacobian is diagonal" if n.rank > family else "the derivative of the function at its argument"
        if rule is None:
            rule = "linear: the coefficients" if n.op.name in ("contraction", "product", "inner") else f"the rule of {n.op.name}"
        if rule not in rules:
            rules.append(rule)
    kept = [r for r in rules if r not in (RULES["add"], RULES["sum"])] or rules
    return "; ".join(kept[:2]) or "by definition"


def zero_reason(sweep: Reverse, targets: set[Node], names: Mapping[Node, str]) -> list[tuple[str, str]]:
    """(value, operand) for the named operands on the way that do not depend on the targets."""
    depends: set[Node] = set()
    for n in topological([sweep.output]):
        if n in targets or any(o in depends for o in n.operands):
            depends.add(n)
    found: dict[tuple[str, str], None] = {}
    for node in depends:
        user = node
        for o in node.operands:
            if o not in depends and o in names and isinstance(o.data, Variable) and o.data.kind == "param":
                owner = _named_above(user, depends, names, sweep.output)
                if owner:
                    found[owner, names[o]] = None
    return list(found)


def _named_above(node: Node, depends: set[Node], names: Mapping[Node, str], output: Node) -> str:
    """The nearest named value that a node is part of."""
    if node in names:
        return names[node]
    order = topological([output])
    for n in order:
        if n in depends and n in names and node in topological([n]):
            return names[n]
    return ""
