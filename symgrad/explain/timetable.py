"""The plan of a derivation as a picture over time: a row for each step, what is cached, where it is read again, and when it is freed."""
from __future__ import annotations

from collections.abc import Sequence

from symgrad.core.graph import Graph, UnknownFunction
from symgrad.core.node import Node, Variable, topological
from symgrad.core.shape import shape_text
from symgrad.explain.diagram import Arrow, Box, BoxKind, Diagram, Fact, Group
from symgrad.explain.document import Math
from symgrad.explain.formulas import Typesetter, shape_latex
from symgrad.explain.scope import defined
from symgrad.plan.order import settled
from symgrad.plan.residuals import Cached, Plan, PlanStep
from symgrad.results import Derivation
from symgrad.run.verify import unknown_functions
from symgrad.verbs import schedule

__all__ = ["over_time"]

_MANY, _ENDS = 30, 12                                      # of a pass with more steps the first and the last ones have formulas, and stay when it is folded
_LONG = 160                                                # letters of a formula beyond which the op is named instead


def over_time(what: Derivation | Plan) -> Diagram:
    """Every step of the plan in the order it is computed in, from the inputs to the gradients; of a derivation its plan."""
    plan = schedule(what) if isinstance(what, Derivation) else what
    graph = what.graph if isinstance(what, Derivation) else _graph_of(plan)
    typeset = Typesetter(graph)
    names = {s.node: s.name for s in plan.steps} | {n: s for s, n in graph.names.items() if isinstance(n.data, Variable)}
    freed = {name: s.number for s in plan.steps for name in s.frees}
    ids = {s.name: f"s{s.number}" for s in plan.steps}
    top = settled(graph.output if isinstance(what, Plan) else what.output)
    groups, inside = _middles(plan)
    boxes = []
    for s in plan.steps:
        cached = plan.cached.get(s.name)
        kind: BoxKind = "output" if s.node is top else "gradient" if s.phase == "backward" else "op"
        line = _called(s, typeset) if s.number in inside else _formula(s, names, graph, typeset)
        name = typeset.math(s.name)
        boxes.append(Box(ids[s.name], name.tex, name.notation, *_shape(s.node), kind, inside.get(s.number, f"{s.phase} pass"), _told(s, cached),
                         rf"{s.number}\quad {line.tex}", f"{s.number}  {line.notation}", _facts(s, line, cached, typeset),
                         cached is not None, span=(s.number, freed.get(s.name))))
    arrows = [Arrow(ids[o], ids[s.name], kind="reuse" if o in s.reuses else "forward") for s in plan.steps for o in s.reads if o in ids]
    shown = what.of if isinstance(what, Derivation) else graph.output_name
    return Diagram(f"{shown} and its derivatives, step by step", tuple(boxes), tuple(arrows), "TB", groups=groups)


def _middles(plan: Plan) -> tuple[tuple[Group, ...], dict[int, str]]:
    """The steps that may be folded: the middle of each long pass, as a group; and the group of each of them by its number."""
    groups: list[Group] = []
    inside: dict[int, str] = {}
    for phase in ("forward", "backward"):
        numbers = [s.number for s in plan.steps if s.phase == phase]
        if len(numbers) > _MANY:
            middle = numbers[_ENDS:-_ENDS]
            groups.append(Group(f"steps {middle[0]} to {middle[-1]}", f"{phase} pass", len(middle)))
            inside |= dict.fromkeys(middle, groups[-1].name)
    return tuple(groups), inside


def _graph_of(plan: Plan) -> Graph:
    """The values of a plan by the names that it gives them, and the variables that they read."""
    nodes = topological([s.node for s in plan.steps])
    leaves = {n.name: n for n in nodes if isinstance(n.data, Variable)}
    output = next((s.node for s in reversed(plan.steps) if s.phase == "forward"), plan.steps[-1].node)
    functions = {f: UnknownFunction(f, 1, True) for f in unknown_functions(nodes)}
    return Graph({**leaves, **{s.name: s.node for s in plan.steps}}, output, functions=functions,
                 latex={name: n.data.latex for name, n in leaves.items() if isinstance(n.data, Variable) and n.data.latex})


def _shape(node: Node) -> tuple[str, str]:
    return (shape_latex(node.shape), shape_text(node.shape)) if node.shape else ("", "")


def _call(s: PlanStep) -> str:
    return f"{s.name} = {s.node.op.name}({', '.join(_few(s.operands))})"


def _few(names: Sequence[str]) -> Sequence[str]:
    return names if len(names) <= 6 else [*names[:3], "...", names[-1]]


def _formula(s: PlanStep, names: dict[Node, str], graph: Graph, typeset: Typesetter) -> Math:
    """`z = x*W`, in the names of the plan; as a call of the op where the notation has no words for it."""
    line = defined(s.node, s.name, names, graph, names.keys() - {s.node})
    if not line or len(line) > _LONG:
        return _called(s, typeset)
    return typeset.equation(line)


def _called(s: PlanStep, typeset: Typesetter) -> Math:
    """`z = op(x, y)`"""
    word = "".join(letter for letter in s.node.op.name if letter.isalnum())
    operands = ", ".join(typeset.math(o).tex if o != "..." else r"\dots" for o in _few(s.operands))
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
