"""The plan of a derivation as a picture over time: a row for each step, what is cached, where it is read again, and when it is freed."""
from __future__ import annotations

from symgrad.core.node import Node, Variable
from symgrad.core.shape import shape_text
from symgrad.explain.diagram import Arrow, Box, BoxKind, Diagram, Fact
from symgrad.explain.document import Math
from symgrad.explain.formulas import Typesetter, shape_latex
from symgrad.explain.scope import defined
from symgrad.plan.order import settled
from symgrad.plan.residuals import Cached, PlanStep
from symgrad.results import Derivation
from symgrad.verbs import schedule
from symgrad.views.text import sides

__all__ = ["over_time"]

_DETAILED = 400                                            # steps above which formulas are left out


def over_time(d: Derivation) -> Diagram:
    """Every step of the plan in the order it is computed in, from the inputs to the gradients."""
    plan = schedule(d)
    typeset = Typesetter(d.graph)
    names = {s.node: s.name for s in plan.steps} | {n: s for s, n in d.graph.names.items() if isinstance(n.data, Variable)}
    freed = {name: s.number for s in plan.steps for name in s.frees}
    ids = {s.name: f"s{s.number}" for s in plan.steps}
    top = settled(d.output)
    boxes = []
    for s in plan.steps:
        cached = plan.cached.get(s.name)
        kind: BoxKind = "output" if s.node is top else "gradient" if s.phase == "backward" else "op"
        line = _formula(s, names, d, typeset) if len(plan.steps) <= _DETAILED else _called(s, typeset)
        name = typeset.math(s.name)
        boxes.append(Box(ids[s.name], name.tex, name.notation, *_shape(s.node), kind, f"{s.phase} pass", _told(s, cached),
                         rf"{s.number}\quad {line.tex}", f"{s.number}  {line.notation}", _facts(s, line, cached, typeset),
                         cached is not None, span=(s.number, freed.get(s.name))))
    arrows = [Arrow(ids[o], ids[s.name], kind="reuse" if o in s.reuses else "forward") for s in plan.steps for o in s.reads if o in ids]
    return Diagram(f"{d.of} and its derivatives, step by step", tuple(boxes), tuple(arrows), "TB")


def _shape(node: Node) -> tuple[str, str]:
    return (shape_latex(node.shape), shape_text(node.shape)) if node.shape else ("", "")


def _call(s: PlanStep) -> str:
    return f"{s.name} = {s.node.op.name}({', '.join(s.operands)})"


def _formula(s: PlanStep, names: dict[Node, str], d: Derivation, typeset: Typesetter) -> Math:
    """`z = x*W`, in the names of the plan; as a call of the op where the notation has no words for it."""
    line = defined(s.node, s.name, names, d.graph, names.keys() - {s.node})
    if not line:
        return _called(s, typeset)
    head, body = sides(line)
    left, right = typeset.math(head), typeset.math(body)
    return Math(f"{left.tex} = {right.tex}", f"{left.notation} = {right.notation}")


def _called(s: PlanStep, typeset: Typesetter) -> Math:
    """`z = op(x, y)`"""
    word = "".join(letter for letter in s.node.op.name if letter.isalnum())
    operands = ", ".join(typeset.math(o).tex for o in s.operands)
    return Math(rf"{typeset.math(s.name).tex} = \operatorname{{{word}}}({operands})", _call(s))


def _told(s: PlanStep, cached: Cached | None) -> str:
    parts = [f"step {s.number}: {_call(s)}"]
    if cached is not None:
        parts.append(f"cached for step{'s' if len(cached.read_by) > 1 else ''} {', '.join(map(str, cached.read_by))}")
    return "; ".join([*parts, *([f"then {', '.join(s.frees)} {'is' if len(s.frees) == 1 else 'are'} freed"] if s.frees else [])])


def _facts(s: PlanStep, line: Math, cached: Cached | None, typeset: Typesetter) -> tuple[Fact, ...]:
    cost = typeset.cost(s.flops)
    found = [Fact("equation", line.notation, line.tex), Fact("shape", shape_text(s.node.shape, "scalar")),
             Fact("cost", f"{cost.notation} operations, {s.bytes} bytes", rf"{cost.tex}\;\text{{operations}}")]
    if s.reuses:
        found.append(Fact("reads from the cache", ", ".join(s.reuses)))
    if cached is not None:
        found.append(Fact("read again", f"in step{'s' if len(cached.read_by) > 1 else ''} {', '.join(map(str, cached.read_by))}"))
    if s.frees:
        found.append(Fact("frees", ", ".join(s.frees)))
    return tuple(found)
