"""What a picture shows: every kind of it, for named values and for ops, in layers, folded, with numbers, and nothing that is not so."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.core.node import topological
from symgrad.explain.diagram import Box, Diagram
from symgrad.explain.drawing import LABELS, WHAT
from symgrad.explain.pattern import described
from symgrad.explain.worth import NOT_YET
from symgrad.run.executor import execute

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FILES = ("two_hidden_layers", "batch_norm", "lstm", "attention", "conv", "regression")
NETS = {name: sg.parse((EXAMPLES / f"{name}.sg").read_text(encoding="utf-8")) for name in FILES}
NET = NETS["two_hidden_layers"]
DIAMOND = sg.parse("param x : vector(D)\nparam w : vector(D)\na = tanh(x)\nb = sin(a)\nc = cos(a)\nloss = sum(b .* c) + sum(w)")


def deep(layers: int) -> sg.Graph:
    """Residual layers z, h with weights and biases of their own."""
    lines = [f"param W{k} : matrix(D, D)\nparam b{k} : vector(D)\nz{k} = W{k} * h{k - 1} + b{k}\nh{k} = h{k - 1} + tanh(z{k})" for k in range(1, layers + 1)]
    return sg.parse("\n".join(["data h0 : vector(D)", *lines, f"loss = sum(h{layers})"]), limits=None)


def by_text(diagram: Diagram, start: str) -> Box:
    return next(box for box in diagram.boxes if box.text == start or box.text.startswith(f"{start} = ") or box.text.startswith(f"{start}["))


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", NETS)
def test_every_kind_of_every_network(name: str, what: str) -> None:
    diagram = sg.draw(NETS[name], what).whole
    assert diagram.boxes and all(box.tex and box.text for box in diagram.boxes)
    assert {a.kind for a in diagram.arrows} == {
        "forward": {"forward"}, "backward": {"backward"}, "schedule": {"forward", "reuse"}, "jacobian": {"product"}}.get(what, {"forward", "backward"})
    assert all(a.tex for a in diagram.arrows if a.kind in ("backward", "product"))
    assert sg.draw(NETS[name], what).svg == sg.draw(NETS[name], what).svg


def test_words_that_mean_nothing_are_refused() -> None:
    for options, said in (({"what": "sideways"}, "forward, backward, both"), ({"level": "all"}, "auto, names, ops"), ({"labels": "big"}, "auto, jacobian"),
                          ({"fold": "layer 9"}, "there is no layer 'layer 9' to fold"), ({"values": "some"}, "generated"), ({"direction": "up"}, "auto, LR, TB")):
        with pytest.raises(sg.InputError, match=said):
            sg.draw(NET, **options)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(sg.InputError, match="give sizes as names"):
        sg.draw(sg.parse("norm2(A*x)^2", vars={"x": (9000,), "A": (1000, 9000)}), "jacobian", wrt="A")


# ---------------------------------------------------------------------- the passes
def test_boxes_say_what_the_user_wrote() -> None:
    texts = {box.text for box in sg.draw(NET, "forward").diagram.boxes}
    assert {"z1[n] = W1' * x[n]", "h1[n] = g(z1[n])", "W1", "x[n]"} <= texts
    lstm = {box.text for box in sg.draw(NETS["lstm"], "forward", fold=False).diagram.boxes}
    assert "i[2] = sigmoid(Wi * x[2] + Ui * h[1] + bi)" in lstm and "c[3] = f[3] .* c[2] + i[3] .* g[3]" in lstm


def test_what_comes_back_is_right() -> None:
    """The contributions of a backward picture, evaluated as the notation text they are, add up to the gradients."""
    net = sg.parse("data x : vector(D)\ndata y : vector(K)\nparam W : matrix(D, K)\nz = W' * x\nh = tanh(z)\ne = h - y\nloss = norm2(e)^2 / 2 + sum(h)")
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=3), "y": rng.normal(size=2), "W": rng.normal(size=(3, 2))}
    d = sg.differentiate(net, "W")
    trace = execute([net.output, *net.names.values()], values)
    known = {n: trace[v] for n, v in net.names.items()}
    known |= {f"d_{n}": execute([c], values)[c] for v, c in d.sweep.cotangents.items() if (n := net.name_of(v))}
    lines = [m.text for m in sg.draw(d, "both").whole.moments if m.title.startswith("backward")]
    assert len(lines) == 4
    for line in lines:
        left, right = line.split(" = ", 1)
        names = {n: v for n, v in known.items() if re.search(rf"\b{n}\b", right)}
        right = re.sub(r"\bK\b", "2", right)
        node = sg.parse(right, vars={n: np.shape(v) for n, v in names.items()})
        truth = known["d_" + re.findall(r"\w+", left)[-1]] if left.startswith("grad") else known[left]
        assert np.allclose(sg.evaluate(node, names), truth), line


def test_moments_go_through_both_passes() -> None:
    moments = sg.draw(NET, "both").whole.moments
    titles = [m.title for m in moments]
    assert titles[0] == "the values that are given" and titles[1] == "forward pass, step 1 of 6" and titles[-1] == "backward pass, step 8 of 8"
    last = moments[-1]
    assert last.text == "grad(loss, W1) = x'*d_z1" and last.arrows and not last.reads
    assert [m.text.split(" = ")[0] for m in moments if m.title.startswith("backward")] == [
        "d_yhat[n]", "grad(loss, v)", "d_h2", "d_z2", "grad(loss, W2)", "d_h1", "d_z1", "grad(loss, W1)"]
    boxes = {box.id: box.text for box in sg.draw(NET, "both").whole.boxes}
    step = next(m for m in moments if m.text.startswith("grad(loss, W2)"))
    assert [boxes[b] for b in step.reads] == ["h1[n] = g(z1[n])"], "the gradient by W2 reads h1 from the cache"
    assert not sg.draw(NET, "forward").whole.moments[-1].title.startswith("backward")


def test_the_backward_picture_shows_cotangents() -> None:
    diagram = sg.draw(NET, "backward").diagram
    assert {box.kind for box in diagram.boxes} == {"gradient", "output"}
    assert {"d_z1", "grad(loss, W1)", "grad(loss, loss) = 1"} <= {box.text for box in diagram.boxes}
    assert {"g'(z1).*d_h1", "x'*d_z1"} <= {a.text.replace(" ", "") for a in diagram.arrows}


@pytest.mark.parametrize("labels", LABELS)
def test_labels(labels: str) -> None:
    texts = {a.text for a in sg.draw(NET, "both", labels=labels).whole.arrows if a.kind == "backward"}
    assert (texts == {""}) == (labels == "none")
    assert any(t.startswith("jac(") for t in texts) == (labels in ("jacobian", "auto"))


# ---------------------------------------------------------------------- paths, values, schedule, structure
def test_paths_fade_what_is_not_on_them() -> None:
    diagram = sg.draw(DIAMOND, "paths", wrt="x").diagram
    assert diagram.title == "2 paths from x to loss"
    assert {box.text for box in diagram.boxes if box.faded} == {"w"} and sum(a.faded for a in diagram.arrows) == 1
    assert sg.draw(NET, "paths", wrt="W1").diagram.title == "1 path from W1 to loss"


def test_values_are_those_of_the_network() -> None:
    values = {"x": [0.5, -1.0], "w": [2.0, 3.0]}
    diagram = sg.draw(DIAMOND, "values", values=values).diagram
    assert by_text(diagram, "a").note_text == "= [0.462, -0.762]" and by_text(diagram, "w").note_text == "= [2, 3]"
    loss = float(sg.evaluate(DIAMOND, values))
    assert by_text(diagram, "loss").note_text == f"= {loss:.3g}"
    gradient = sg.differentiate(DIAMOND, "x").evaluate(values)["x"]
    back = [a for a in diagram.arrows if a.kind == "backward" and a.head == by_text(diagram, "x").id]
    assert [a.text for a in back] == [f"= [{', '.join(f'{g:.3g}' for g in gradient)}]"]


def test_what_is_not_known_is_not_yet_computed() -> None:
    nothing = sg.draw(DIAMOND, "values").diagram
    assert {box.note_text for box in nothing.boxes} == {NOT_YET}
    some = sg.draw(DIAMOND, "values", values={"x": [0.5, -1.0]}).diagram
    assert {box.text.split(" = ")[0]: box.note_text == NOT_YET for box in some.boxes} == {"x": False, "a": False, "b": False, "c": False, "w": True, "loss": True}
    trace = execute([DIAMOND["b"]], {"x": [0.5, -1.0]})
    traced = sg.draw(DIAMOND, "values", values=trace).diagram
    assert by_text(traced, "b").note_text != NOT_YET and by_text(traced, "c").note_text == NOT_YET
    with pytest.raises(sg.InputError, match="there is no variable 'q'"):
        sg.draw(DIAMOND, "values", values={"q": 1.0})


def test_large_arrays_are_told_by_their_norm() -> None:
    net = sg.parse("sum(x)", vars={"x": ("n",)})
    x = np.arange(40.0)
    assert by_text(sg.draw(net, "values", values={"x": x}).diagram, "x").note_text == f"norm {np.linalg.norm(x):.3g}"


def test_generated_values() -> None:
    texts = [box.note_text for box in sg.draw(NET, "values", values="generated").diagram.boxes]
    assert all(t.startswith(("= ", "norm ")) for t in texts)
    assert texts != [box.note_text for box in sg.draw(NET, "values", values="generated", seed=1).diagram.boxes]


def test_the_schedule_is_the_plan() -> None:
    d = sg.differentiate(NET)
    plan, diagram = sg.schedule(d), sg.draw(d, "schedule").diagram
    assert [box.span[0] for box in diagram.boxes if box.span] == [s.number for s in plan.steps]
    assert {box.id for box in diagram.boxes if box.kept} == {f"s{c.made}" for c in plan.cached.values()}
    assert {(a.tail, a.head) for a in diagram.arrows if a.kind == "reuse"} == {(f"s{c.made}", f"s{k}") for c in plan.cached.values() for k in c.read_by}
    freed = {name: s.number for s in plan.steps for name in s.frees}
    assert [box.span[1] for box in diagram.boxes if box.span] == [freed.get(s.name) for s in plan.steps]


@pytest.mark.parametrize(("filled", "each", "word"), [
    (np.zeros((2, 3)), (0, 0), "zero"), (np.ones((2, 3)), (0, 0), "dense"), (np.eye(3), (0, 0), "diagonal"),
    (np.kron(np.ones((1, 2)), np.eye(3)), (0, 3), "diagonal blocks"), (np.kron(np.eye(3), np.ones((1, 2))), (0, 2), "block diagonal"),
    (np.kron(np.eye(3), np.ones((2, 2))), (2, 2), "block diagonal"), (np.kron([[1, 1], [0, 1]], np.eye(2)), (2, 2), "diagonal blocks, 3 of 4"),
    (np.tri(3), (0, 0), "6 of 9 entries"), (np.kron([[1, 1], [0, 1]], np.tri(2)), (2, 2), "9 of 16 entries"),
])
def test_patterns_have_their_names(filled: np.ndarray, each: tuple[int, int], word: str) -> None:
    assert described(filled != 0, *each) == word


def test_the_structure_of_a_chain() -> None:
    boxes = sg.draw(NET, "jacobian", wrt="W1").diagram.boxes
    assert [box.note_text for box in boxes] == ["dense", "dense", "dense", "diagonal", "dense", "diagonal", "diagonal blocks"]
    cells = boxes[-1].cells
    assert cells is not None and cells.columns_each == len(cells.filled), "z1 = W1' x: a diagonal block for each entry of x"
    jacobian = sg.draw(sg.jacobian(sg.parse("tanh(A*x)", vars={"x": ("n",), "A": ("m", "n")}), wrt="A"), "jacobian").diagram.boxes
    assert [box.note_text for box in jacobian] == ["block diagonal"]
    assert by_text(sg.draw(sg.parse("data x : vector(n)\na = x\nloss = sum(a + x)"), "jacobian", wrt="x").diagram, "jac(loss, x)").note_text == "dense"


def test_a_softmax_is_dense_and_a_relu_diagonal() -> None:
    """relu is zero at half of its points: one draw would not tell its structure."""
    for formula, word in (("softmax(x)", "dense"), ("relu(x)", "diagonal"), ("x", "identity"), ("sign(x)", "zero")):
        made = sg.draw(sg.jacobian(sg.parse(formula, vars={"x": ("n",)}), wrt="x"), "jacobian").diagram
        assert made.boxes[0].note_text == word, formula


# ---------------------------------------------------------------------- ops, layers, folding
def test_ops_are_shown_where_nothing_has_a_name() -> None:
    net = sg.parse("x'*A*x", vars={"x": ("n",), "A": ("n", "n")})
    texts = [box.text for box in sg.draw(net, "forward").diagram.boxes]
    assert len(texts) == 4 and any(t.startswith("t1 = ") for t in texts)
    assert len(sg.draw(NET, "forward", level="ops").whole.boxes) == 12 > len(sg.draw(NET, "forward").whole.boxes)
    assert not [box for box in sg.draw(DIAMOND, "forward", level="names").whole.boxes if box.text.startswith("t")]


def test_layers_by_their_parameters() -> None:
    x, y = sg.data("x", "N", "D"), sg.data("y", "N", 3)
    h = sg.layers.dense(sg.layers.dense(x, 8, "fc1", activation="relu"), 3, "out")
    diagram = sg.draw(sg.graph(loss=sg.layers.mse(y, h)), "forward").whole
    groups = {box.text.split(" = ")[0]: box.group for box in diagram.boxes}
    assert groups["fc1_W"] == "fc1" and groups["out_b"] == "out" and groups["x"] == groups["y"] == groups["loss"] == ""
    assert set(groups.values()) == {"fc1", "out", ""}
    closed = sg.draw(sg.graph(loss=sg.layers.mse(y, h)), "forward", fold=["fc1"]).diagram
    assert sum(box.kind == "fold" for box in closed.boxes) == 1


def test_repeated_layers_fold_to_one_box() -> None:
    small, large = sg.draw(deep(12), "both"), sg.draw(deep(30), "both")
    assert not small.closed and large.closed == {"layers 1 to 30"}
    box = next(box for box in large.diagram.boxes if box.kind == "fold")
    assert box.text == "layers 1 to 30 × 30" and box.shape_text == "D → D"
    assert len(large.diagram.boxes) == 3 and not [a for a in large.diagram.arrows if a.tail == a.head]
    assert any("z1 = W1 * h0 + b1" in fact.text for fact in box.facts)
    assert sg.draw(deep(30), "both", fold=False).diagram is not None and len(sg.draw(deep(30), "both", fold=False).diagram.boxes) == 122
    assert [box.kind for box in sg.draw(deep(4), "both", fold=True).diagram.boxes].count("fold") == 1


def test_a_layer_of_another_form_ends_a_run() -> None:
    text = ("data h0 : vector(D)\n" + "\n".join(f"param W{k} : matrix(D, D)\nh{k} = tanh(W{k} * h{k - 1})" for k in range(1, 4))
            + "\nparam W4 : matrix(K, D)\nh4 = tanh(W4 * h3)\nparam W5 : matrix(K, K)\nh5 = sin(W5 * h4)\nloss = sum(h5)")
    groups = sg.draw(sg.parse(text), "forward").whole.groups
    assert [g.name for g in groups if g.count > 1] == ["layers 1 to 3"]


def test_shared_inputs_stand_beside_each_reader() -> None:
    diagram = sg.draw(NETS["lstm"], "both", fold=False).whole
    places = [box for box in diagram.boxes if box.text == "Wi"]
    assert [box.group for box in places] == ["t = 1", "t = 2", "t = 3"] and [box.copy_of for box in places] == ["", places[0].id, places[0].id]
    by_id = {box.id: box for box in diagram.boxes}
    for a in diagram.arrows:
        ends = by_id[a.tail], by_id[a.head]
        leaf = next((box for box in ends if box.text in ("Wi", "bo", "Uf")), None)
        assert leaf is None or ends[0].group == ends[1].group


def test_big_graphs_keep_what_can_be_read() -> None:
    picture = sg.draw(deep(300), "both", fold=False)
    assert len(picture.diagram.boxes) == 1202 and not any(box.facts for box in picture.diagram.boxes) and not picture.diagram.moments
    assert len(sg.draw(deep(300), "both").diagram.boxes) == 3


def test_facts_tell_equation_shape_derivative_and_cost() -> None:
    box = by_text(sg.draw(NET, "both").diagram, "h1[n]")
    facts = {fact.label: fact.text for fact in box.facts}
    assert facts["equation"] == "h1[n] = g(z1[n])" and facts["shape"] == "N x K1" and facts["derivative"] == "d_h1 = d_z2*W2'"
    assert facts["cost"] == "K1*N operations"


def test_a_picture_reads_only_what_is_below_the_output() -> None:
    for net in NETS.values():
        below = set(topological([net.output]))
        names = {name for name, node in net.names.items() if node not in below}
        assert not names & {box.text for box in sg.draw(net, "forward", fold=False).whole.boxes}
