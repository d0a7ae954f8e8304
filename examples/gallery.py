"""Every kind of picture of the lecture's networks, batch norm, an LSTM cell, attention and a residual net, into a folder.

Run as `python examples/gallery.py [FOLDER]`; those of docs/gallery by `python examples/gallery.py docs/gallery`.
"""
import sys
from pathlib import Path

import symgrad as sg

KINDS = ("forward", "backward", "both", "schedule", "paths", "values", "jacobian")
CELL = """
data x : vector(D)
data h0 : vector(H)
data c0 : vector(H)
param W : matrix(H, D)
param U : matrix(H, H)
param Wi : matrix(H, D)
param Wf : matrix(H, D)
param Wo : matrix(H, D)
i = sigmoid(Wi * x)
f = sigmoid(Wf * x)
o = sigmoid(Wo * x)
g = tanh(W * x + U * h0)
c = f .* c0 + i .* g
h = o .* tanh(c)
loss = norm2(h)^2 / 2
"""
RESIDUAL = """
index k = 1..50
data x : vector(D)
param W[k] : matrix(D, D)
h[0] = x
h[k] = h[k-1] + tanh(W[k] * h[k-1])
loss = sum(h[50])
"""
here = Path(__file__).resolve().parent
networks = {name: sg.parse((here / f"{name}.sg").read_text(encoding="utf-8"))
            for name in ("scalar_chain", "regression", "two_hidden_layers", "batch_norm", "attention")}
networks |= {"lstm_cell": sg.parse(CELL), "residual": sg.parse(RESIDUAL)}
first = {"two_hidden_layers": "W1", "batch_norm": "W", "attention": "WK", "lstm_cell": "U"}      # whose paths are lit

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")
folder.mkdir(exist_ok=True)
made = []
for name, net in networks.items():
    for kind in KINDS:
        picture = sg.draw(net, kind, wrt=first.get(name) if kind == "paths" else None, values="generated" if kind == "values" else None, title=name)
        made.append(picture.save(folder / f"{name}_{kind}.svg"))
        assert picture.diagram.boxes and len(picture.diagram.boxes) <= (400 if kind == "schedule" else 60)
moving = sg.draw(networks["two_hidden_layers"], "both", title="two hidden layers")
made += [moving.save(folder / "two_hidden_layers.html"), moving.save(folder / "two_hidden_layers_moving.svg", animate=True)]
print(f"{len(made)} pictures in {folder}, {sum(path.stat().st_size for path in made) // 1024} kB")
