"""Diagrams that the tests of pictures share: networks as in a lecture, and random ones with every kind of box and arrow."""
from __future__ import annotations

import random
from typing import get_args

from symgrad.explain.diagram import Arrow, ArrowKind, Box, BoxKind, Cells, Diagram, Fact, Group, Moment

__all__ = ["EVIL", "network", "residual", "chain", "square", "wild", "scatter", "layers", "dag", "stepped", "schedule", "plan", "kinds", "ALL"]

EVIL = "<script>alert('x')</script> & \"quotes\" \\ back\nslash ]]> \x00"


def _box(name: str, tex: str, kind: BoxKind = "op", shape: str = "", group: str = "") -> Box:
    return Box(name, tex, tex, rf"\mathbb{{R}}^{{{shape}}}" if shape else "", shape, kind, group)


def network(*, backward: bool = True, groups: bool = True, legend: bool = True) -> Diagram:
    """Two hidden layers and a squared error, with its local derivatives."""
    one, two, out = ("layer 1", "layer 2", "output layer") if groups else ("", "", "")
    boxes = (
        _box("x", "x", "data", "D"), _box("W1", "W^{(1)}", "param", r"K \times D", one), _box("z1", "z^{(1)} = W^{(1)} x", "op", "K", one),
        _box("h1", "h^{(1)} = g(z^{(1)})", "op", "K", one), _box("W2", "W^{(2)}", "param", r"M \times K", two),
        _box("z2", "z^{(2)} = W^{(2)} h^{(1)}", "op", "M", two), _box("h2", "h^{(2)} = g(z^{(2)})", "op", "M", two),
        _box("v", "v", "param", "M", out), _box("u", r"\hat y = v^{\top} h^{(2)}", "op", "", out), _box("y", "y", "data"),
        _box("L", r"\ell = \frac{1}{2}\left(\hat y - y\right)^2", "output"))
    forward = ["x z1", "W1 z1", "z1 h1", "h1 z2", "W2 z2", "z2 h2", "h2 u", "v u", "u L", "y L"]
    labels = {
        "L u": r"\frac{\partial \ell}{\partial \hat y} = \hat y - y", "u h2": r"\frac{\partial \hat y}{\partial h^{(2)}} = v^{\top}",
        "u v": r"\frac{\partial \hat y}{\partial v} = h^{(2)\top}",
        "h2 z2": r"\frac{\partial h^{(2)}}{\partial z^{(2)}} = \mathrm{diag}(g'(z^{(2)}))",
        "z2 h1": r"\frac{\partial z^{(2)}}{\partial h^{(1)}} = W^{(2)}", "z2 W2": r"\delta^{(2)} h^{(1)\top}",
        "h1 z1": r"\frac{\partial h^{(1)}}{\partial z^{(1)}} = \mathrm{diag}(g'(z^{(1)}))", "z1 W1": r"\delta^{(1)} x^{\top}"}
    arrows = [Arrow(*ends.split()) for ends in forward]
    if backward:
        arrows += [Arrow(*ends.split(), tex, tex, "backward") for ends, tex in labels.items()]
    return Diagram("A network with two hidden layers", boxes, tuple(arrows), legend=legend)


def residual(blocks: int = 4) -> Diagram:
    """Blocks h + g(W h), each with a short cut around it."""
    boxes, arrows, last = [_box("h0", "x", "data", "D")], [], "h0"
    for k in range(1, blocks + 1):
        group = f"block {k}"
        boxes += [_box(f"W{k}", f"W_{k}", "param", r"D \times D", group), _box(f"z{k}", f"z_{k} = W_{k} h_{k - 1}", "op", "D", group),
                  _box(f"h{k}", rf"h_{k} = h_{k - 1} + g(z_{k})", "op", "D", group)]
        arrows += [Arrow(f"W{k}", f"z{k}"), Arrow(last, f"z{k}"), Arrow(f"z{k}", f"h{k}"), Arrow(last, f"h{k}"),
                   Arrow(f"h{k}", last, "I", "I", "backward"), Arrow(f"h{k}", f"z{k}", f"G_{k}", f"G_{k}", "backward")]
        last = f"h{k}"
    return Diagram("A residual network", tuple(boxes), tuple(arrows))


def chain(length: int = 30) -> Diagram:
    """Functions of functions."""
    boxes = [_box("h0", "x", "data"), *(_box(f"h{k}", f"h_{{{k}}} = f_{{{k}}}(h_{{{k - 1}}})", "op", "N") for k in range(1, length + 1))]
    return Diagram("A long chain", tuple(boxes), tuple(Arrow(f"h{k}", f"h{k + 1}") for k in range(length)))


def square() -> Diagram:
    """x times x: two arrows forward and two back, between the same boxes."""
    boxes = (_box("x", "x", "data"), _box("s", r"s = x \cdot x", "output"))
    return Diagram("", boxes, (Arrow("x", "s"), Arrow("x", "s"), *(Arrow("s", "x", "x", "x", "backward") for _ in range(2))))


def wild() -> Diagram:
    """Matrices, formulas too wide, too tall or unreadable, a cycle, a label on both arrows of a pair, and a frame around strangers."""
    tall = r"\begin{bmatrix}" + r"\\".join(" & ".join(f"a_{{{i}{j}}}" for j in range(9)) for i in range(9)) + r"\end{bmatrix}"
    wide = " + ".join(f"a_{{{k}}}" for k in range(30))
    boxes = (_box("c", "2", "const"), _box("m", r"\begin{bmatrix} a & 0 \\ 0 & b \end{bmatrix}", group="frame"),
             Box("tall", tall, "a big matrix"), Box("wide", wide, "thirty terms, and of this text no more than fits", group="frame"),
             Box("bad", r"\frac{a", "a/"),
             _box("g", r"\frac{\partial f}{\partial x}", "gradient"), Box("evil", r"x < y", EVIL, "", EVIL, "op", "", EVIL))
    arrows = (Arrow("c", "m", "a", "a"), Arrow("m", "c", "b", "b", "backward"), Arrow("m", "tall", wide, "wide"), Arrow("tall", "wide"),
              Arrow("wide", "m", "loop", "loop"), Arrow("c", "bad"), Arrow("bad", "g", tall, "tall"),
              Arrow("g", "wide", "", "", "backward"), Arrow("evil", "g", "x", EVIL, "forward", EVIL))
    return Diagram(EVIL, boxes, arrows)


def scatter(seed: int) -> Diagram:
    """A random graph without cycles, with labels, frames, parallel and backward arrows."""
    chance = random.Random(seed)
    count = chance.randint(3, 40)
    kinds = get_args(BoxKind)
    formulas = ("x", r"W^{(1)}", r"\frac{a}{b}", r"\sum_{i=1}^n x_i^2", r"\begin{bmatrix} a \\ b \end{bmatrix}", r"\mathrm{diag}(g'(z))")
    frames = chance.choice((0, 0, 2, 4))
    boxes = tuple(_box(f"n{k}", chance.choice(formulas), chance.choice(kinds), chance.choice(("", "D")),
                       f"part {k * frames // count}" if frames and chance.random() < 0.9 else "") for k in range(count))
    arrows = []
    for k in range(1, count):
        for other in {max(0, k - 1 - int(chance.expovariate(0.25))) for _ in range(chance.choice((1, 1, 2)))}:
            label = chance.choice(formulas) if chance.random() < 0.3 else ""
            arrows += [Arrow(f"n{other}", f"n{k}", label, label)] * chance.choice((1, 1, 1, 2))
            if chance.random() < 0.6:
                label = chance.choice(formulas)
                arrows.append(Arrow(f"n{k}", f"n{other}", label, label, "backward"))
    return Diagram(f"random {seed}", boxes, tuple(arrows), chance.choice(("auto", "LR", "TB")))


def layers(count: int, width: int = 50) -> Diagram:
    """Layers of boxes, each with two operands in the layer before."""
    chance = random.Random(count)
    boxes = tuple(_box(f"n{k}", f"x_{{{k}}}") for k in range(count))
    arrows = tuple(Arrow(f"n{(k // width - 1) * width + chance.randrange(width)}", f"n{k}") for k in range(width, count) for _ in range(2))
    return Diagram("layers", boxes, arrows)


def dag(count: int, seed: int = 1) -> Diagram:
    """A deep random graph: most operands are near, one in ten is far away."""
    chance = random.Random(seed)
    boxes = tuple(_box(f"n{k}", f"x_{{{k}}}") for k in range(count))
    far = [1 + int(chance.expovariate(0.2 if chance.random() < 0.9 else 0.003)) for _ in range(2 * count)]
    arrows = tuple(Arrow(f"n{max(0, k - far[2 * k + j])}", f"n{k}") for k in range(1, count) for j in range(chance.choice((1, 1, 2))))
    return Diagram("a deep graph", boxes, arrows)


def _told(name: str, tex: str, kind: BoxKind, shape: str, equation: str, group: str = "", kept: bool = False) -> Box:
    """A value with facts: its equation, its shape, its derivative and what it costs."""
    space = rf"\mathbb{{R}}^{{{shape}}}" if shape else ""
    facts = [Fact("equation", f"{name} = {equation}", f"{tex} = {equation}")] if equation else []
    facts += [Fact("shape", shape.replace(r"\times", "x"), space)] if shape else []
    facts += [Fact("derivative", f"dl/d{name}", rf"\frac{{\partial \ell}}{{\partial {tex}}}"), Fact("cost", "2 K^2 operations")]
    return Box(name, tex, name, space, shape.replace(r"\times", "x"), kind, group, f"{name}: a value", facts=tuple(facts), kept=kept)


def stepped(blocks: int = 3) -> Diagram:
    """Blocks h + g(W h) in a group that stands for all of them, an output layer and a loss; with facts, and both passes step by step."""
    groups = [Group("blocks", count=blocks), *(Group(f"block {k}", "blocks") for k in range(1, blocks + 1)), Group("output layer"), Group("target & loss")]
    boxes = [_told("x", "x", "data", "D", "")]
    arrows: list[Arrow] = []
    forward: list[Moment] = []
    backward: list[Moment] = []

    def value(box: Box, *operands: str, back: tuple[str, ...] = (), reads: tuple[str, ...] = ()) -> None:
        boxes.append(box)
        into = tuple(range(len(arrows), len(arrows) + len(operands)))
        arrows.extend(Arrow(operand, box.id) for operand in operands)
        forward.append(Moment(f"Forward: compute {box.text}", box.facts[0].tex, box.facts[0].text, (box.id,), into))
        for tex, operand in zip(back, operands, strict=False):
            arrows.append(Arrow(box.id, operand, tex, tex, "backward", f"from {box.text} back to {operand}"))
            backward.insert(0, Moment(f"Backward: from {box.text} to {operand}", rf"\frac{{\partial \ell}}{{\partial {operand[0]}}} = {tex} \delta",
                                      f"d{operand} = {tex}", (operand,), (len(arrows) - 1,), reads))

    last = "x"
    for k in range(1, blocks + 1):
        group = f"block {k}"
        boxes.append(_told(f"W{k}", f"W_{k}", "param", r"D \times D", "", group, True))
        value(_told(f"z{k}", f"z_{k}", "op", "D", f"W_{k} {last[0]}_{k - 1}", group, True), f"W{k}", last, back=(rf"\delta_{k} h_{{{k - 1}}}^{{\top}}", rf"W_{k}^{{\top}}"),
              reads=(last, f"W{k}"))
        value(_told(f"h{k}", f"h_{k}", "op", "D", rf"h_{{{k - 1}}} + g(z_{k})", group), f"z{k}", last, back=(rf"\mathrm{{diag}}(g'(z_{k}))", "I"), reads=(f"z{k}",))
        last = f"h{k}"
    boxes += [_told("v", "v", "param", "D", "", "output layer", True), _told("y", "y", "data", "", "", "target & loss")]
    value(_told("yhat", r"\hat y", "op", "", rf"v^{{\top}} h_{blocks}", "output layer", True), "v", last, back=(rf"h_{blocks}^{{\top}}", r"v^{\top}"), reads=("v", last))
    value(_told("loss", r"\ell", "output", "", r"\frac{1}{2}\left(\hat y - y\right)^2", "target & loss"), "yhat", "y", back=(r"\hat y - y",), reads=("yhat",))
    return Diagram("A residual network and its gradient", tuple(boxes), tuple(arrows), groups=tuple(groups), moments=(*forward, *backward))


def schedule(layers: int = 3) -> Diagram:
    """A plan over time: each layer reads the last one, each step back a value that is cached; one box of two in the last step."""
    boxes, arrows = [], []
    last = 2 * layers + 1
    for k in range(1, layers + 1):
        boxes.append(Box(f"h{k}", f"h_{k}", f"h{k}", "N", "N", "op", "forward pass", f"step {k}", rf"{k}\quad h_{k} = g(W_{k} h_{{{k - 1}}})", f"{k}  h{k} = g(W{k} h{k - 1})",
                         kept=True, span=(k, last + 1 - k)))
        arrows += [Arrow(f"h{k - 1}", f"h{k}")] if k > 1 else []
    boxes.append(Box("loss", r"\ell", "loss", kind="output", group="forward pass", note_tex=rf"{layers + 1}\quad \ell", note_text=f"{layers + 1}  loss", span=(layers + 1, None)))
    arrows.append(Arrow(f"h{layers}", "loss"))
    for k in range(layers, 0, -1):
        step = last + 1 - k
        boxes.append(Box(f"d{k}", rf"\delta_{k}", f"d{k}", "N", "N", "gradient", "backward pass", "", rf"{step}\quad \delta_{k}", f"{step}  d{k}", span=(step, step + 1)))
        arrows += [Arrow(f"d{k + 1}", f"d{k}")] if k < layers else []
        arrows.append(Arrow(f"h{k}", f"d{k}", kind="reuse"))
    boxes += [Box(name, name, name, kind="gradient", group="backward pass", span=(last + 1, None)) for name in ("a", "b")]
    arrows += [Arrow("d1", "b"), Arrow("d1", "a")]
    return Diagram("Step by step", tuple(boxes), tuple(arrows), "TB")


def plan(seed: int) -> Diagram:
    """A random picture over time: values that are read again and freed or held to the end, with notes, several in some steps."""
    chance = random.Random(seed)
    count = chance.randint(2, 30)
    steps = sorted(chance.randint(1, count) for _ in range(count))
    formulas = ("x", r"W^{(1)}", r"\frac{a}{b}", r"\begin{bmatrix} a \\ b \end{bmatrix}")
    reads = [(other, k) for k in range(1, count) for other in {chance.randrange(k) for _ in range(chance.choice((0, 1, 1, 2, 3)))} if steps[other] < steps[k]]
    until = [max((steps[k] for value, k in reads if value == j), default=step) if chance.random() < 0.8 else None for j, step in enumerate(steps)]
    half = steps[count // 2]
    boxes = tuple(Box(f"n{k}", chance.choice(formulas), f"n{k}", kind=chance.choice(get_args(BoxKind)), group="forward pass" if step < half else "backward pass",
                      note_tex=chance.choice(formulas) if steps.index(step) == k else "", note_text="a note" if steps.index(step) == k else "",
                      kept=chance.random() < 0.4, span=(step, until[k])) for k, step in enumerate(steps))
    return Diagram(f"plan {seed}", boxes, tuple(Arrow(f"n{one}", f"n{other}", kind=chance.choice(("forward", "reuse"))) for one, other in reads), "TB")


def kinds(faded: bool = False) -> Diagram:
    """A box of every kind, plain and cached, one with cells and a note, and an arrow of every kind."""
    every = get_args(BoxKind)
    boxes = [Box(kind, "x", kind, r"\mathbb{R}^N", "N", kind, faded=faded) for kind in every]
    boxes += [Box(f"{kind}, kept", "x", f"{kind}, kept", kind=kind, kept=True, faded=faded) for kind in every]
    cells = Cells(tuple(tuple(i == j for j in range(6)) for i in range(6)), 2, 3)
    boxes.append(Box("cells", "J", "J", kind="op", note_tex="x = 1.5", note_text="x = 1.5", cells=cells, faded=faded))
    arrows = [Arrow(every[k], every[k + 1], rf"k_{k}", f"k{k}", kind, faded=faded) for k, kind in enumerate(get_args(ArrowKind))]
    return Diagram("Every kind", tuple(boxes), tuple(arrows))


ALL = {"schedule": schedule(), "kinds": kinds(), "faded": kinds(faded=True), "network": network(), "forward": network(backward=False), "without frames": network(groups=False), "residual": residual(),
       "chain": chain(), "stepped": stepped(), "square": square(), "wild": wild(), **{f"random {seed}": scatter(seed) for seed in range(8)}}
