"""Forty programs of the kinds that people differentiate, over seeded inputs: circuits, networks, norms, recurrences, convolutions, attention, losses."""
from __future__ import annotations

import numpy as np
from problems import Problem

__all__ = ["OWN"]


def _drawn(seed: int, positive: tuple[str, ...] = (), **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.uniform(0.4, 1.5, size=s) if k in positive else rng.normal(size=s) * 0.7 for k, s in shapes.items()}


def _one_hot(n: int, k: int) -> np.ndarray:
    return np.eye(k)[np.arange(n) % k]


def _of(name: str, inputs: dict[str, np.ndarray], text: str, wrt: str, hessian: str = "") -> Problem:
    return Problem(name, inputs, tuple(line for line in text.strip("\n").split("\n") if line.strip()), tuple(wrt.split()), tuple(hessian.split()))


OWN: tuple[Problem, ...] = (
    _of("circuit of a quotient", _drawn(1, ("a", "b"), a=(), b=(), c=()), "s = a*c + b\nq = s/(a + b**2)\nloss = q*np.exp(-q) + np.log(a)", "a b c", "a"),
    _of("circuit with a maximum", _drawn(2, w=(3,), x=(3,)), "d = np.dot(w, x)\nm = np.maximum(d, 0.1*d)\nloss = 2*m**2", "w x", "w"),
    _of("sigmoid neuron", _drawn(3, w=(2,), x=(2,), b=()), "f = 1/(1 + np.exp(-(w[0]*x[0] + w[1]*x[1] + b)))\nloss = f", "w x b", "w"),
    _of("rational function of two", _drawn(4, ("x", "y"), x=(), y=()), "n = x + sigmoid(y)\nd = sigmoid(x) + (x + y)**2\nloss = n/d", "x y", "x"),
    _of("forward mode table", _drawn(5, ("x",), x=(3,)), "v1 = x[0]*x[1]\nv2 = np.sin(x[2])/v1\nloss = (v2 + np.exp(v1) - x[2])*v2", "x", "x"),
    _of("regression with a ridge", {**_drawn(6, X=(6, 3), y=(6,), w=(3,)), "lam": np.array(0.2)},
        "r = X@w - y\nloss = r@r/(2*X.shape[0]) + lam/2*np.sum(w**2)", "w X lam", "w"),
    _of("two layers with tanh", _drawn(7, X=(5, 4), W1=(4, 3), b1=(3,), W2=(3, 2), b2=(2,), Y=(5, 2)),
        "h = np.tanh(X@W1 + b1)\no = h@W2 + b2\nloss = np.mean((o - Y)**2)", "W1 b1 W2 b2", "b1"),
    _of("three layers with relu and softmax", {**_drawn(8, X=(4, 5), W1=(5, 6), W2=(6, 4), W3=(4, 3)), "Y": _one_hot(4, 3)},
        "h1 = np.maximum(0, X@W1)\nh2 = np.maximum(h1@W2, 0)\nlogits = h2@W3\nlp = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))\nloss = -np.mean("
        "np.sum(Y*lp, axis=1))", "W1 W2 W3 X"),
    _of("columns are examples", {**_drawn(9, W=(3, 4), b=(3, 1), X=(4, 6)), "Y": _one_hot(6, 3).T},
        "Z = W@X + b\nE = np.exp(Z - Z.max(axis=0))\nA = E/E.sum(axis=0)\nloss = -np.sum(Y*np.log(A))/X.shape[1]", "W b X", "b"),
    _of("residual block", _drawn(43, x=(4, 5), W1=(5, 5), W2=(5, 5)), "h = relu(x@W1)\ny = x + h@W2\nloss = np.sum(np.sin(y))", "x W1 W2"),
    _of("gated linear unit", _drawn(11, x=(3, 4), W=(4, 5), V=(4, 5)), "g = sigmoid(x@V)\ny = (x@W)*g\nloss = np.sum(y**2)", "x W V"),
    _of("gelu by its cubic", _drawn(12, x=(4, 3)),
        "u = np.sqrt(2/np.pi)*(x + 0.044715*x**3)\ny = 0.5*x*(1 + np.tanh(u))\nloss = np.sum(y*y)", "x", "x"),
    _of("batch norm over rows", _drawn(13, x=(6, 3), g=(3,), b=(3,), D=(6, 3)),
        "mu = x.mean(axis=0)\nvar = ((x - mu)**2).mean(axis=0)\nxh = (x - mu)/np.sqrt(var + 1e-5)\ny = g*xh + b\nloss = np.sum(D*y)", "x g b"),
    _of("batch norm with an unbiased variance", _drawn(14, x=(6, 3), D=(6, 3)), "xh = (x - np.mean(x, 0))/np.std(x, axis=0, ddof=1)\nloss = np.sum(D*np.tanh(xh))", "x"),
    _of("layer norm", _drawn(15, x=(4, 6), g=(6,), b=(6,), D=(4, 6)),
        "m = x.mean(-1, keepdims=True)\ns = x.std(-1, keepdims=True)\ny = g*(x - m)/(s + 1e-3) + b\nloss = np.sum(D*y)", "x g b"),
    _of("rms norm", _drawn(16, x=(4, 6), g=(6,)), "r = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)\ny = x/r*g\nloss = np.sum(np.cos(y))", "x g"),
    _of("group norm", _drawn(17, x=(2, 6, 3), D=(2, 6, 3)),
        "z = x.reshape(2, 3, 2, 3)\nm = z.mean(axis=(2, 3), keepdims=True)\nv = z.var(axis=(2, 3), keepdims=True)\ny = ((z - m)/np.sqrt(v + 1e-5)).reshape(x.shape)\n"
        "loss = np.sum(D*y)", "x"),
    _of("weight norm", _drawn(18, V=(3, 4), g=(3,), x=(4,)), "W = V*(g/np.linalg.norm(V, axis=1))[:, None]\nloss = np.sum((W@x)**2)", "V g x"),
    _of("recurrent net over a loop", _drawn(19, x=(4, 3), h0=(5,), Wx=(3, 5), Wh=(5, 5), b=(5,)),
        "h = h0\nfor t in range(len(x)):\n    h = np.tanh(x[t]@Wx + h@Wh + b)\nloss = np.sum(h**2)", "x h0 Wx Wh b"),
    _of("recurrent net with all its states", _drawn(20, x=(2, 4, 3), Wx=(3, 4), Wh=(4, 4), V=(4, 2)),
        "h = np.zeros((2, 4))\nhs = []\nfor t in range(4):\n    h = np.tanh(x[:, t]@Wx + h@Wh)\n    hs.append(h)\nH = np.stack(hs, axis=1)\nloss = np.mean((H@V)**2)", "x Wx Wh V"),
    _of("LSTM cell", _drawn(21, x=(3, 4), h0=(3, 2), c0=(3, 2), W=(4, 8), U=(2, 8), b=(8,)),
        "a = x@W + h0@U + b\ni, f, o, g = np.split(a, 4, axis=1)\ni = sigmoid(i)\nf = sigmoid(f)\no = sigmoid(o)\ng = np.tanh(g)\nc = f*c0 + i*g\nh = o*np.tanh(c)\n"
        "loss = np.sum(h*h) + np.sum(c)", "x h0 c0 W U b"),
    _of("GRU cell", _drawn(22, x=(4,), h=(3,), Wz=(7, 3), Wr=(7, 3), Wc=(7, 3)),
        "u = np.concatenate([x, h])\nz = sigmoid(u@Wz)\nr = sigmoid(u@Wr)\nc = np.tanh(np.concatenate([x, r*h])@Wc)\nn = (1 - z)*h + z*c\nloss = np.sum(n**2)", "x h Wz Wr Wc"),
    _of("LSTM over time", _drawn(23, x=(3, 2), W=(2, 8), U=(2, 8)),
        "h, c = np.zeros(2), np.zeros(2)\nfor t in range(3):\n    a = x[t]@W + h@U\n    c = sigmoid(a[2:4])*c + sigmoid(a[:2])*np.tanh(a[6:])\n    h = sigmoid(a[4:6])*np.tanh(c)\n"
        "loss = np.sum(h)", "x W U"),
    _of("convolution by slices", _drawn(24, x=(2, 6, 6), w=(3, 2, 3, 3)),
        "y = 0\nfor p in range(3):\n    for q in range(3):\n        y = y + np.einsum('oc,chw->ohw', w[:, :, p, q], x[:, p:p + 4, q:q + 4])\nloss = np.sum(y**2)", "x w"),
    _of("strided convolution by slices", _drawn(25, x=(7,), w=(3,)), "y = sum(w[k]*x[k:k + 5:2] for k in range(3))\nloss = np.sum(np.tanh(y))", "x w", "w"),
    _of("convolution, relu, pooling", _drawn(26, x=(1, 6, 6), w=(2, 1, 3, 3), V=(8,)),
        "z = relu(conv2d(x, w))\np = z.reshape(2, 2, 2, 2, 2).max(axis=(2, 4))\nloss = np.sum(p.ravel()*V)**2", "x w V"),
    _of("padding by hand", _drawn(27, x=(2, 4), w=(3,)), "xp = np.pad(x, ((0, 0), (1, 1)))\ny = xp[:, :-2]*w[0] + xp[:, 1:-1]*w[1] + xp[:, 2:]*w[2]\nloss = np.sum(y**3)", "x w"),
    _of("windows as a view", _drawn(28, x=(8,), w=(3,)), "v = np.lib.stride_tricks.sliding_window_view(x, 3)\nloss = np.sum(np.exp(v@w))", "x w", "w"),
    _of("self-attention", _drawn(29, X=(4, 5), Wq=(5, 3), Wk=(5, 3), Wv=(5, 3)),
        "Q, K, V = X@Wq, X@Wk, X@Wv\nS = Q@K.T/np.sqrt(Q.shape[-1])\nP = np.exp(S)/np.sum(np.exp(S), axis=-1, keepdims=True)\nO = P@V\nloss = np.sum(O**2)", "X Wq Wk Wv"),
    _of("causal attention", _drawn(30, Q=(4, 3), K=(4, 3), V=(4, 2)),
        "S = Q@K.T/np.sqrt(3)\nM = np.tril(np.ones((4, 4)))\nS = np.where(M > 0, S, -1e9)\nP = softmax(S)\nloss = np.sum((P@V)**2)", "Q K V"),
    _of("causal attention with infinity", _drawn(31, Q=(4, 3), K=(4, 3), V=(4, 2)),
        "S = np.where(np.tril(np.ones((4, 4))) > 0, Q@K.T, -np.inf)\nloss = np.sum((softmax(S)@V)**2)", "Q K V"),
    _of("heads of attention", _drawn(32, X=(4, 6), W=(6, 18), Wo=(6, 6)),
        "H = (X@W).reshape(4, 3, 2, 3).transpose(1, 2, 0, 3)\nS = H[0]@H[1].swapaxes(-1, -2)/np.sqrt(3)\nO = (softmax(S)@H[2]).transpose(1, 0, 2).reshape(4, 6)@Wo\nloss = np.sum(O*O)", "X W Wo"),
    _of("Huber loss by where", _drawn(33, p=(6,), y=(6,)), "d = p - y\na = np.abs(d)\nloss = np.mean(np.where(a <= 0.5, 0.5*d**2, 0.5*(a - 0.25)))", "p", "p"),
    _of("hinge loss of many classes", {**_drawn(34, S=(4, 3)), "Y": _one_hot(4, 3)},
        "right = np.sum(S*Y, axis=1, keepdims=True)\nm = np.maximum(0, S - right + 1)*(1 - Y)\nloss = np.sum(m)/4", "S"),
    _of("triplet loss", _drawn(35, a=(4,), p=(4,), n=(4,)), "loss = np.maximum(np.linalg.norm(a - p) - np.linalg.norm(a - n) + 2.0, 0)", "a p n", "a"),
    _of("contrastive loss of pairs", _drawn(36, A=(4, 3), B=(4, 3)),
        "An = A/np.linalg.norm(A, axis=1, keepdims=True)\nBn = B/np.linalg.norm(B, axis=1, keepdims=True)\nS = An@Bn.T/0.5\nloss = -np.mean(np.diag(log_softmax(S, axis=1)))", "A B"),
    _of("labels by places", _drawn(37, Z=(4, 3)), "m = Z.max(axis=1, keepdims=True)\nlse = m + np.log(np.sum(np.exp(Z - m), axis=1, keepdims=True))\n"
        "loss = -np.mean((Z - lse)[np.arange(4), [0, 2, 1, 1]])", "Z", "Z"),
    _of("Gaussian likelihood", {**_drawn(38, x=(3,), mu=(3,), L=(3, 3))},
        "S = L@L.T + np.eye(3)\nd = x - mu\nloss = 0.5*d@np.linalg.solve(S, d) + 0.5*np.linalg.slogdet(S)[1]", "mu L", "mu"),
    _of("variational bound", _drawn(39, mu=(4, 2), lv=(4, 2), e=(4, 2), W=(2, 3), x=(4, 3)),
        "z = mu + np.exp(lv/2)*e\nkl = -0.5*np.sum(1 + lv - mu**2 - np.exp(lv), axis=1)\nrec = np.sum((z@W - x)**2, axis=1)\nloss = np.mean(rec + kl)", "mu lv W"),
    _of("Newton step unrolled", _drawn(40, ("c",), c=(3,)), "r = np.ones_like(c)\nfor _ in range(4):\n    r = r - (r**2 - c)/(2*r)\nloss = np.sum(r**3)", "c", "c"),
    _of("pairwise distances", _drawn(41, X=(4, 2), Y=(3, 2)), "D = np.sum((X[:, None, :] - Y[None, :, :])**2, axis=-1)\nK = np.exp(-D/2)\nloss = np.sum(np.log(K.sum(axis=1)))", "X Y"),
    _of("running mean of squares", _drawn(42, x=(6,)), "c = np.cumsum(x**2)/np.arange(1, 7)\nloss = np.sum(np.sqrt(c))", "x", "x"),
)
"""Programs whose values, gradients and Hessians are compared with numbers."""
