"""Networks with their derivations, each line in several forms: what the corpus of claims is made from."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from symgrad.core.graph import Graph
from symgrad.network import parse

__all__ = ["SUBJECTS", "Line", "Subject"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a derivation: its left side, and right sides that are worth the same."""

    target: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A network and the lines of its derivation, in an order in which later ones may use earlier ones."""

    name: str
    text: str
    lines: tuple[Line, ...]

    @cached_property
    def graph(self) -> Graph:
        """The graph of the network."""
        return parse(self.text)


def _read(page: str) -> Iterator[Subject]:
    for part in page.split("=== ")[1:]:
        head, _, rest = part.partition("\n")
        network, _, claims = rest.partition("claims\n")
        lines = claims.replace("\n  ", " ").strip().splitlines()
        yield Subject(head.strip(), network, tuple(Line(t.strip(), tuple(f.strip() for f in r.split("~"))) for t, _, r in (c.partition("=") for c in lines)))


PAGE = """
=== linear regression
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param w : vector(D)
param b : scalar
yhat[n] = w' * x[n] + b
e[n]    = yhat[n] - y[n]
loss    = 1/2 * sum[n](e[n]^2)
claims
grad(loss, e)[n] = e[n] ~ yhat[n] - y[n]
grad(loss, yhat)[n] = e[n] ~ yhat[n] - y[n] ~ -(y[n] - yhat[n]) ~ grad(loss, e)[n]
grad(loss, w) = sum[n](grad(loss, yhat)[n]*x[n]) ~ x'*e ~ x'*grad(loss, yhat) ~ x'*(yhat - y) ~ -sum[n]((y[n] - w'*x[n] - b)*x[n])
grad(loss, w)[d] = sum[n](e[n]*x[n, d]) ~ sum[n]((yhat[n] - y[n])*x[n, d]) ~ -sum[n]((y[n] - sum[j](w[j]*x[n, j]) - b)*x[n, d])
grad(loss, b) = sum[n](grad(loss, yhat)[n]) ~ sum(e) ~ sum[n](e[n])
jac(loss, w) = e'*x ~ sum[n](e[n]*x[n]') ~ (x'*e)' ~ grad(loss, w)'
grad(loss, x)[n] = e[n]*w ~ grad(loss, yhat)[n]*w
grad(loss, y)[n] = -e[n] ~ y[n] - yhat[n]

=== ridge regression
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
data  lam : scalar
param w : vector(D)
yhat[n] = w' * x[n]
r[n]    = y[n] - yhat[n]
loss    = 1/N * sum[n](r[n]^2) + lam/2 * (w' * w)
claims
grad(loss, r)[n] = 2/N*r[n] ~ 2*(y[n] - yhat[n])/N
grad(loss, yhat)[n] = 2/N*(yhat[n] - y[n]) ~ -grad(loss, r)[n] ~ -2/N*r[n] ~ 2*(yhat[n] - y[n])/N
grad(loss, w) = 2/N*x'*(yhat - y) + lam*w ~ sum[n](grad(loss, yhat)[n]*x[n]) + lam*w ~ lam*w - 2/N*sum[n](r[n]*x[n]) ~ x'*grad(loss, yhat) + lam*w
grad(loss, w)[d] = lam*w[d] - 2/N*sum[n](r[n]*x[n, d]) ~ sum[n](grad(loss, yhat)[n]*x[n, d]) + lam*w[d]
grad(loss, lam) = 1/2*(w'*w) ~ 1/2*norm2(w)^2 ~ 1/2*sum[d](w[d]^2)

=== logistic regression
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param w : vector(D)
param b : scalar
z[n] = w' * x[n] + b
p[n] = sigmoid(z[n])
loss = -sum[n](y[n]*log(p[n]) + (1 - y[n])*log(1 - p[n]))
claims
grad(loss, p)[n] = (1 - y[n])/(1 - p[n]) - y[n]/p[n] ~ -(y[n]/p[n] - (1 - y[n])/(1 - p[n])) ~ (p[n] - y[n])/(p[n]*(1 - p[n]))
grad(loss, z)[n] = p[n] - y[n] ~ grad(loss, p)[n]*p[n]*(1 - p[n]) ~ grad(loss, p)[n]*sigmoid'(z[n]) ~ -(y[n]*(1 - p[n]) - (1 - y[n])*p[n])
grad(loss, w) = sum[n](grad(loss, z)[n]*x[n]) ~ x'*(p - y) ~ sum[n]((sigmoid(w'*x[n] + b) - y[n])*x[n]) ~ x'*grad(loss, z)
grad(loss, w)[d] = sum[n]((p[n] - y[n])*x[n, d]) ~ sum[n](grad(loss, z)[n]*x[n, d])
grad(loss, b) = sum[n](p[n] - y[n]) ~ sum(p - y) ~ sum[n](grad(loss, z)[n])

=== one hidden layer, tanh
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param W : matrix(D, K)
param b : vector(K)
param v : vector(K)
z[n]    = W' * x[n] + b
h[n]    = tanh(z[n])
yhat[n] = v' * h[n]
e[n]    = y[n] - yhat[n]
loss    = 1/2 * sum[n](e[n]^2)
claims
grad(loss, yhat)[n] = -e[n] ~ -(y[n] - yhat[n]) ~ yhat[n] - y[n]
grad(loss, v) = sum[n](grad(loss, yhat)[n]*h[n]) ~ -h'*e ~ h'*grad(loss, yhat) ~ h'*(yhat - y)
grad(loss, v)[k] = -sum[n](e[n]*h[n, k]) ~ sum[n](grad(loss, yhat)[n]*h[n, k])
grad(loss, h)[n] = grad(loss, yhat)[n]*v ~ -e[n]*v ~ (yhat[n] - y[n])*v
grad(loss, h) = -e*v' ~ grad(loss, yhat)*v' ~ outer(grad(loss, yhat), v)
grad(loss, z)[n] = grad(loss, h)[n].*(1 - h[n].^2) ~ grad(loss, h)[n].*tanh'(z[n]) ~ diag(tanh'(z[n]))*grad(loss, h)[n] ~ -e[n]*(v.*(1 - h[n].^2))
grad(loss, z)[n, k] = -e[n]*v[k]*(1 - h[n, k]^2) ~ grad(loss, h)[n, k]*tanh'(z[n, k])
grad(loss, W) = sum[n](x[n]*grad(loss, z)[n]') ~ x'*grad(loss, z) ~ sum[n](outer(x[n], grad(loss, z)[n])) ~ -x'*((e*v').*(1 - h.^2))
grad(loss, W)[d, k] = -sum[n](e[n]*v[k]*(1 - h[n, k]^2)*x[n, d]) ~ sum[n](grad(loss, z)[n, k]*x[n, d]) ~ sum[n](grad(loss, h)[n, k]*tanh'(z[n, k])*x[n, d])
grad(loss, b) = sum[n](grad(loss, z)[n]) ~ grad(loss, z)'*ones(N) ~ -sum[n](e[n]*(v.*(1 - h[n].^2)))
grad(loss, x)[n] = W*grad(loss, z)[n] ~ -e[n]*(W*(v.*tanh'(z[n])))

=== one hidden layer, relu
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : vector(P)
param W1 : matrix(K, D)
param b1 : vector(K)
param W2 : matrix(P, K)
param b2 : vector(P)
z[n]    = W1 * x[n] + b1
h[n]    = relu(z[n])
yhat[n] = W2 * h[n] + b2
loss    = 1/(2*N) * sum[n](norm2(yhat[n] - y[n])^2)
claims
grad(loss, yhat)[n] = (yhat[n] - y[n])/N ~ 1/N*(yhat[n] - y[n]) ~ -(y[n] - yhat[n])/N
grad(loss, W2) = sum[n](grad(loss, yhat)[n]*h[n]') ~ grad(loss, yhat)'*h ~ 1/N*(yhat - y)'*h
grad(loss, W2)[p, k] = sum[n](grad(loss, yhat)[n, p]*h[n, k]) ~ 1/N*sum[n]((yhat[n, p] - y[n, p])*h[n, k])
grad(loss, b2) = sum[n](grad(loss, yhat)[n]) ~ 1/N*sum[n](yhat[n] - y[n])
grad(loss, h)[n] = W2'*grad(loss, yhat)[n] ~ 1/N*W2'*(yhat[n] - y[n])
grad(loss, z)[n] = grad(loss, h)[n].*step(z[n]) ~ (W2'*grad(loss, yhat)[n]).*relu'(z[n]) ~ diag(step(z[n]))*grad(loss, h)[n]
grad(loss, W1) = sum[n](grad(loss, z)[n]*x[n]') ~ grad(loss, z)'*x ~ sum[n](((W2'*grad(loss, yhat)[n]).*step(z[n]))*x[n]')
grad(loss, W1)[k, d] = sum[n](grad(loss, z)[n, k]*x[n, d]) ~ 1/N*sum[n, p]((yhat[n, p] - y[n, p])*W2[p, k]*step(z[n, k])*x[n, d])
grad(loss, b1) = sum[n](grad(loss, z)[n]) ~ grad(loss, z)'*ones(N)

=== one hidden layer, sigmoid, one example
data  x : vector(D)
data  t : vector(P)
param W1 : matrix(K, D)
param b1 : vector(K)
param W2 : matrix(P, K)
z1   = W1 * x + b1
h    = sigmoid(z1)
z2   = W2 * h
o    = sigmoid(z2)
loss = 1/2 * norm2(t - o)^2
claims
grad(loss, o) = o - t ~ -(t - o)
grad(loss, z2) = grad(loss, o).*o.*(1 - o) ~ (o - t).*sigmoid'(z2) ~ diag(o.*(1 - o))*(o - t)
grad(loss, W2) = grad(loss, z2)*h' ~ outer(grad(loss, z2), h) ~ ((o - t).*o.*(1 - o))*h'
grad(loss, W2)[p, k] = grad(loss, z2)[p]*h[k] ~ (o[p] - t[p])*o[p]*(1 - o[p])*h[k]
grad(loss, h) = W2'*grad(loss, z2) ~ W2'*((o - t).*sigmoid'(z2))
jac(loss, h) = grad(loss, z2)'*W2 ~ (o - t)'*diag(o.*(1 - o))*W2
jac(o, z2) = diag(o.*(1 - o)) ~ diag(sigmoid'(z2))
jac(z2, h) = W2
jac(o, h) = jac(o, z2)*W2 ~ diag(sigmoid'(z2))*W2 ~ jac(o, z2)*jac(z2, h)
grad(loss, z1) = grad(loss, h).*h.*(1 - h) ~ grad(loss, h).*sigmoid'(z1) ~ (W2'*grad(loss, z2)).*(h - h.^2)
grad(loss, W1) = grad(loss, z1)*x' ~ (grad(loss, h).*h.*(1 - h))*x' ~ (x*grad(loss, z1)')'
grad(loss, W1)[k, d] = grad(loss, z1)[k]*x[d] ~ sum[p](W2[p, k]*grad(loss, z2)[p])*h[k]*(1 - h[k])*x[d]
grad(loss, b1) = grad(loss, z1) ~ grad(loss, h).*sigmoid'(z1)

=== softmax and cross-entropy
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : vector(C) onehot
param W : matrix(D, C)
param b : vector(C)
z[n] = W' * x[n] + b
p[n] = softmax(z[n])
loss = -1/N * sum[n](y[n]' * log(p[n]))
claims
grad(loss, p)[n] = -1/N*(y[n]./p[n]) ~ -(y[n]./p[n])/N
grad(loss, z)[n] = (p[n] - y[n])/N ~ 1/N*(p[n] - y[n]) ~ p[n].*(grad(loss, p)[n] - grad(loss, p)[n]'*p[n])
  ~ (diag(p[n]) - p[n]*p[n]')*grad(loss, p)[n]
grad(loss, z)[n, k] = (p[n, k] - y[n, k])/N ~ sum[j](grad(loss, p)[n, j]*p[n, j]*(delta[j, k] - p[n, k]))
grad(loss, W) = sum[n](x[n]*grad(loss, z)[n]') ~ x'*grad(loss, z) ~ 1/N*x'*(p - y)
grad(loss, W)[d, k] = 1/N*sum[n](x[n, d]*(p[n, k] - y[n, k])) ~ sum[n](x[n, d]*grad(loss, z)[n, k])
grad(loss, b) = sum[n](grad(loss, z)[n]) ~ 1/N*sum[n](p[n] - y[n])

=== two hidden layers
examples n = 1..N
data  x[n] : vector(D)
data  y[n] : scalar
param W1 : matrix(D, K1)
param W2 : matrix(K1, K2)
param v  : vector(K2)
z1[n]   = W1' * x[n]
h1[n]   = tanh(z1[n])
z2[n]   = W2' * h1[n]
h2[n]   = sigmoid(z2[n])
yhat[n] = v' * h2[n]
loss    = 1/2 * sum[n]((y[n] - yhat[n])^2)
claims
grad(loss, yhat)[n] = -(y[n] - yhat[n]) ~ yhat[n] - y[n]
grad(loss, v) = sum[n](grad(loss, yhat)[n]*h2[n]) ~ h2'*grad(loss, yhat) ~ h2'*(yhat - y)
grad(loss, h2)[n] = grad(loss, yhat)[n]*v ~ (yhat[n] - y[n])*v
grad(loss, z2)[n] = grad(loss, h2)[n].*h2[n].*(1 - h2[n]) ~ grad(loss, h2)[n].*sigmoid'(z2[n]) ~ diag(sigmoid'(z2[n]))*grad(loss, h2)[n]
grad(loss, W2) = sum[n](h1[n]*grad(loss, z2)[n]') ~ h1'*grad(loss, z2) ~ (grad(loss, z2)'*h1)'
grad(loss, W2)[j, k] = sum[n](h1[n, j]*grad(loss, z2)[n, k]) ~ sum[n]((yhat[n] - y[n])*v[k]*h2[n, k]*(1 - h2[n, k])*h1[n, j])
grad(loss, h1)[n] = W2*grad(loss, z2)[n] ~ W2*(grad(loss, h2)[n].*sigmoid'(z2[n]))
grad(loss, z1)[n] = grad(loss, h1)[n].*(1 - h1[n].^2) ~ (W2*grad(loss, z2)[n]).*tanh'(z1[n]) ~ diag(tanh'(z1[n]))*W2*grad(loss, z2)[n]
grad(loss, z1)[n, j] = sum[k](W2[j, k]*grad(loss, z2)[n, k])*(1 - h1[n, j]^2) ~ grad(loss, h1)[n, j]*tanh'(z1[n, j])
grad(loss, W1) = sum[n](x[n]*grad(loss, z1)[n]') ~ x'*grad(loss, z1) ~ sum[n](x[n]*((W2*grad(loss, z2)[n]).*(1 - h1[n].^2))')
grad(loss, W1)[d, j] = sum[n](x[n, d]*grad(loss, z1)[n, j]) ~ sum[n, k](x[n, d]*W2[j, k]*grad(loss, z2)[n, k]*(1 - h1[n, j]^2))

=== layer norm
data  x : vector(K)
data  t : vector(K)
param gamma : vector(K)
param beta  : vector(K)
mu   = mean(x)
d    = x - mu
s    = sqrt(mean(d.^2) + 1/100)
xhat = d/s
y    = gamma.*xhat + beta
loss = 1/2 * norm2(y - t)^2
claims
grad(loss, y) = y - t ~ -(t - y)
grad(loss, gamma) = grad(loss, y).*xhat ~ (y - t).*d/s ~ diag(grad(loss, y))*xhat
grad(loss, beta) = grad(loss, y) ~ y - t
grad(loss, xhat) = grad(loss, y).*gamma ~ (y - t).*gamma ~ diag(gamma)*grad(loss, y)
grad(loss, s) = -sum(grad(loss, xhat).*d)/s^2 ~ -(grad(loss, xhat)'*xhat)/s ~ -sum[k](grad(loss, xhat)[k]*d[k])/s^2
grad(loss, d) = grad(loss, xhat)/s + grad(loss, s)*d/(K*s) ~ (grad(loss, xhat) - xhat*mean(grad(loss, xhat).*xhat))/s
grad(loss, x) = (grad(loss, xhat) - mean(grad(loss, xhat)) - xhat*mean(grad(loss, xhat).*xhat))/s ~ grad(loss, d) - mean(grad(loss, d))
  ~ grad(loss, d) - 1/K*sum(grad(loss, d))
grad(loss, x)[i] = (grad(loss, xhat)[i] - mean[k](grad(loss, xhat)[k]) - xhat[i]*mean[k](grad(loss, xhat)[k]*xhat[k]))/s
  ~ grad(loss, d)[i] - 1/K*sum[k](grad(loss, d)[k])

=== batch norm
examples n = 1..N
index  m = 1..N
data  x[n] : vector(K)
data  t[n] : vector(K)
param gamma : vector(K)
param beta  : vector(K)
mu      = mean[n](x[n])
d[n]    = x[n] - mu
s       = sqrt(mean[n](d[n].^2) + 1/100)
xhat[n] = d[n]./s
y[n]    = gamma.*xhat[n] + beta
loss    = 1/2 * sum[n](norm2(y[n] - t[n])^2)
claims
grad(loss, y)[n] = y[n] - t[n] ~ -(t[n] - y[n])
grad(loss, gamma) = sum[n](grad(loss, y)[n].*xhat[n]) ~ sum[n]((y[n] - t[n]).*d[n]./s)
grad(loss, beta) = sum[n](grad(loss, y)[n]) ~ grad(loss, y)'*ones(N)
grad(loss, xhat)[n] = gamma.*grad(loss, y)[n] ~ (y[n] - t[n]).*gamma ~ diag(gamma)*grad(loss, y)[n]
grad(loss, s) = -sum[n](grad(loss, xhat)[n].*d[n])./s.^2 ~ -sum[n](grad(loss, xhat)[n].*xhat[n])./s
grad(loss, d)[n] = grad(loss, xhat)[n]./s + grad(loss, s).*d[n]./(N*s) ~ (grad(loss, xhat)[n] - xhat[n].*mean[m](grad(loss, xhat)[m].*xhat[m]))./s
grad(loss, x)[n] = (grad(loss, xhat)[n] - mean[m](grad(loss, xhat)[m]) - xhat[n].*mean[m](grad(loss, xhat)[m].*xhat[m]))./s
  ~ grad(loss, d)[n] - mean[m](grad(loss, d)[m]) ~ grad(loss, d)[n] - 1/N*sum[m](grad(loss, d)[m])
grad(loss, x)[n, k] = (grad(loss, xhat)[n, k] - mean[m](grad(loss, xhat)[m, k]) - xhat[n, k]*mean[m](grad(loss, xhat)[m, k]*xhat[m, k]))/s[k]

=== a row of attention
data  q : vector(D)
data  K : matrix(T, D)
data  V : matrix(T, P)
data  t : vector(P)
s    = K * q / sqrt(D)
a    = softmax(s)
o    = V' * a
loss = 1/2 * norm2(o - t)^2
claims
grad(loss, o) = o - t ~ -(t - o)
grad(loss, V) = a*grad(loss, o)' ~ a*(o - t)' ~ outer(a, grad(loss, o))
grad(loss, a) = V*grad(loss, o) ~ V*(o - t)
grad(loss, a)[i] = sum[p](V[i, p]*grad(loss, o)[p]) ~ sum[p](V[i, p]*(o[p] - t[p]))
grad(loss, s) = a.*(grad(loss, a) - a'*grad(loss, a)) ~ (diag(a) - a*a')*grad(loss, a) ~ a.*grad(loss, a) - a*(a'*grad(loss, a))
grad(loss, s)[i] = a[i]*(grad(loss, a)[i] - sum[j](a[j]*grad(loss, a)[j])) ~ sum[j](grad(loss, a)[j]*a[j]*(delta[i, j] - a[i]))
grad(loss, q) = K'*grad(loss, s)/sqrt(D) ~ 1/sqrt(D)*K'*grad(loss, s)
grad(loss, q)[d] = 1/sqrt(D)*sum[i](grad(loss, s)[i]*K[i, d])
grad(loss, K) = grad(loss, s)*q'/sqrt(D) ~ outer(grad(loss, s), q)/sqrt(D)
grad(loss, K)[i, d] = grad(loss, s)[i]*q[d]/sqrt(D)
jac(a, s) = diag(a) - a*a'

=== three steps of a recurrent net
data  x1, x2, x3 : vector(D)
data  t : vector(K)
param U : matrix(K, D)
param R : matrix(K, K)
z1   = U * x1
h1   = tanh(z1)
z2   = U * x2 + R * h1
h2   = tanh(z2)
z3   = U * x3 + R * h2
h3   = tanh(z3)
loss = 1/2 * norm2(h3 - t)^2
claims
grad(loss, h3) = h3 - t ~ -(t - h3)
grad(loss, z3) = grad(loss, h3).*(1 - h3.^2) ~ (h3 - t).*tanh'(z3) ~ diag(1 - h3.^2)*grad(loss, h3)
grad(loss, h2) = R'*grad(loss, z3) ~ R'*(grad(loss, h3).*(1 - h3.^2))
grad(loss, z2) = grad(loss, h2).*(1 - h2.^2) ~ (R'*grad(loss, z3)).*tanh'(z2)
grad(loss, h1) = R'*grad(loss, z2) ~ R'*(grad(loss, h2).*(1 - h2.^2))
grad(loss, z1) = grad(loss, h1).*(1 - h1.^2) ~ diag(tanh'(z1))*R'*grad(loss, z2)
grad(loss, R) = grad(loss, z3)*h2' + grad(loss, z2)*h1' ~ outer(grad(loss, z2), h1) + outer(grad(loss, z3), h2)
grad(loss, R)[i, j] = grad(loss, z3)[i]*h2[j] + grad(loss, z2)[i]*h1[j]
grad(loss, U) = grad(loss, z1)*x1' + grad(loss, z2)*x2' + grad(loss, z3)*x3' ~ grad(loss, z3)*x3' + (x1*grad(loss, z1)' + x2*grad(loss, z2)')'
grad(loss, U)[k, d] = grad(loss, z1)[k]*x1[d] + grad(loss, z2)[k]*x2[d] + grad(loss, z3)[k]*x3[d]

=== a chain of scalars
data  x : scalar
data  y : scalar
param w : scalar
param v : scalar
z    = w * x
h    = sigmoid(z)
yhat = v * h
loss = 1/2 * (y - yhat)^2
claims
grad(loss, yhat) = -(y - yhat) ~ yhat - y
grad(loss, v) = grad(loss, yhat)*h ~ (yhat - y)*h ~ -(y - v*h)*h
grad(loss, h) = grad(loss, yhat)*v ~ v*(yhat - y)
grad(loss, z) = grad(loss, h)*h*(1 - h) ~ grad(loss, h)*sigmoid'(z) ~ (yhat - y)*v*(h - h^2)
grad(loss, w) = grad(loss, z)*x ~ grad(loss, yhat)*v*h*(1 - h)*x ~ (yhat - y)*v*sigmoid'(w*x)*x

=== a batch as a matrix
data  X : matrix(N, D)
data  T : matrix(N, P)
param A : matrix(D, K)
param b : vector(K)
param B : matrix(K, P)
Z    = X * A + ones(N) * b'
H    = tanh(Z)
Y    = H * B
E    = Y - T
loss = 1/(2*N) * sum(E.^2)
claims
grad(loss, Y) = 1/N*(Y - T) ~ E/N ~ -(T - Y)/N
grad(loss, B) = H'*grad(loss, Y) ~ 1/N*H'*E ~ (grad(loss, Y)'*H)'
grad(loss, H) = grad(loss, Y)*B' ~ 1/N*E*B'
grad(loss, Z) = grad(loss, H).*(1 - H.^2) ~ (grad(loss, Y)*B').*tanh'(Z)
grad(loss, A) = X'*grad(loss, Z) ~ X'*(grad(loss, H).*(1 - H.^2)) ~ 1/N*X'*((E*B').*(1 - H.^2))
grad(loss, A)[d, k] = sum[n](X[n, d]*grad(loss, Z)[n, k]) ~ sum[n](X[n, d]*grad(loss, H)[n, k]*(1 - H[n, k]^2))
grad(loss, b) = grad(loss, Z)'*ones(N) ~ (ones(N)'*grad(loss, Z))'
grad(loss, b)[k] = sum[n](grad(loss, Z)[n, k]) ~ sum[n](grad(loss, H)[n, k]*(1 - H[n, k]^2))
"""
SUBJECTS = tuple(_read(PAGE))
