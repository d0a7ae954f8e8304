"""Pictures: every named value and every arrow there, in each format; the backward pass where it is asked for."""
from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.pictures import FORMATS

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


KINDS = ("forward", "backward", "both", "schedule", "paths", "values", "jacobian")


@pytest.mark.parametrize("what", KINDS)
def test_the_command(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.svg"
    assert main(["draw", str(EXAMPLES / "regression.sg"), "--what", what, "--out", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path) and ET.fromstring(path.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_by_the_command(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    assert main(["draw", "x'*A*x", "--var", "x:n", "--var", "A:n,n", "--out", str(path)]) == 0
    start = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".html": b"<!doctype html>", ".gif": b"GIF89a", ".dot": b"digraph", ".mmd": b"---"}
    assert path.read_bytes().lstrip().startswith(start[suffix]), path.read_bytes()[:40]


def test_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, out = str(EXAMPLES / "two_hidden_layers.sg"), tmp_path / "net.svg"
    plain = sg.draw(NET).svg
    for options in (["--theme", "dark"], ["--labels", "cotangent"], ["--level", "ops"], ["--fold"], ["--direction", "LR"], ["--animate"],
                    ["--what", "values", "--values", "generated"], ["--wrt", "v"]):
        assert main(["draw", net, *options, "--out", str(out)]) == 0
        assert out.read_text(encoding="utf-8") != plain, options
    capsys.readouterr()
    for wrong, said in ((["--out", "net.bmp"], "a picture is written as .svg"), (["--animate", "--out", str(tmp_path / "a.png")], "that moves"),
                        (["--what", "all", "--out", "x.svg"], "all"), (["--out", str(tmp_path / "no" / "x.svg")], "does not exist")):
        assert main(["draw", net, *wrong]) == 2
        assert said in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"net.svg"}


# ---------------------------------------------------------------------- notebooks
def test_what_a_notebook_shows() -> None:
    d = sg.differentiate(NET, wrt="W1")
    for shown, text in ((NET, NET.text.strip()), (d, str(d)), (sg.schedule(d), str(sg.schedule(d))), (sg.draw(d), str(sg.draw(d)))):
        data = shown._repr_mimebundle_()
        assert set(data) == {"text/plain", "image/svg+xml", "image/png"} and data["text/plain"] == text
        assert str(data["image/svg+xml"]).startswith("<svg") and bytes(data["image/png"]).startswith(b"\x89PNG")  # type: ignore[arg-type]  # by MIME type
        assert set(shown._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
        assert set(shown._repr_mimebundle_(exclude={"image/png"})) == {"text/plain", "image/svg+xml"}
    assert "11 boxes" in str(sg.draw(NET)) and "z1[n] = W1' * x[n]" in str(sg.draw(NET))


def test_a_notebook_without_the_extra_shows_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert set(NET._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}


def test_a_graph_shows_itself_whatever_was_imported(tmp_path: Path) -> None:
    code = "import symgrad as sg; g = sg.parse('x', vars={'x': ()}); assert 'image/svg+xml' in g._repr_mimebundle_()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(sg.__file__).parents[1])
