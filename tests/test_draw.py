"""Pictures: every named value and every arrow there, in each format; the backward pass where it is asked for."""
from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import symgrad as sg
from symgrad.cli import main

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NET = sg.parse((EXAMPLES / "two_hidden_layers.sg").read_text(encoding="utf-8"))
DIAMOND = sg.parse("param x : vector(D)\na = tanh(x)\nb = sin(a)\nc = cos(a)\nloss = sum(b .* c)")


@pytest.mark.parametrize("what", ["forward", "backward", "both"])
@pytest.mark.parametrize("net", [NET, DIAMOND], ids=["two hidden layers", "diamond"])
def test_svg_and_dot(net: sg.Graph, what: str, tmp_path: Path) -> None:
    picture = sg.draw(net, what)
    root = ET.fromstring(picture.svg)
    assert root.tag.endswith("svg") and float(root.get("viewBox", "0 0 0 0").split()[2]) > 100
    assert not [e for e in root.iter() if e.tag.endswith("script") or "None" in (e.text or "")]
    assert len([e for e in root.iter() if e.tag.endswith("path")]) > 20
    dot = picture.save(tmp_path / "net.dot").read_text(encoding="utf-8")
    assert dot.startswith("digraph") and dot.count("{") == dot.count("}") and dot.count("->") == len(picture.diagram.arrows) > 3
    assert picture.save(tmp_path / "net.svg").read_text(encoding="utf-8") == picture.svg


def test_the_backward_pass_has_its_arrows() -> None:
    forward, both = (sg.draw(NET, what).diagram for what in ("forward", "both"))
    assert {a.kind for a in forward.arrows} == {"forward"} and {a.kind for a in both.arrows} == {"forward", "backward"}
    assert [a for a in both.arrows if a.kind == "forward"] and all(a.tex for a in both.arrows if a.kind == "backward")


def test_what_can_be_drawn() -> None:
    d = sg.differentiate(NET, wrt="W1")
    assert sg.draw(d).svg == sg.draw(d["W1"]).svg == sg.draw(NET, wrt="W1").svg
    assert sg.draw(d)._repr_mimebundle_()["image/svg+xml"].startswith("<")
    x = sg.data("x", "n")
    assert sg.draw(x @ x, wrt="x").svg
    for wrong in (lambda: sg.draw(NET, "sideways"), lambda: sg.draw(NET, wrt="W9"), lambda: sg.draw(d).save("net.bmp"), lambda: sg.draw(d).save("absent/net.svg")):
        with pytest.raises(sg.InputError):
            wrong()


def test_big_graphs_are_drawn() -> None:
    lines = ["data h0 : vector(D)", *(f"param W{k} : matrix(D, D)\nh{k} = h{k - 1} + tanh(W{k} * h{k - 1})" for k in range(1, 31)), "loss = sum(h30)"]
    assert ET.fromstring(sg.draw(sg.parse("\n".join(lines)), wrt="W1").svg) is not None


@pytest.mark.parametrize("what", ["forward", "backward", "both"])
def test_the_command(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.svg"
    assert main(["draw", str(EXAMPLES / "regression.sg"), "--what", what, "--out", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path) and ET.fromstring(path.read_text(encoding="utf-8")) is not None
