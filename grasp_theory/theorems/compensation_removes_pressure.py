"""compensation-removes-pressure (identity). Adding the shortcut during training leaves nothing to learn.

C is added to the output during training and dropped afterwards. M = T + beta u vᵀ, Delta = C − beta u vᵀ and
κ = cond(Sigma).

(a) For every loss of y − ŷ, training F_θ + C on (x, y) is, step by step, training F_θ on (x, y − C x): any depth,
    nonlinearity, metric, Sigma and optimiser. With C = beta u vᵀ it is the run of beta = 0.
(b) One layer, full rank: the error of C passes through unamplified, D − T = −Delta. Projecting off v̂ as well gives
    D − T = T v̂ (ell − v̂ᵀ) − Delta Q with Q = P_v̂ + v̂ ell: a cost ‖T v̂‖ √(1 + ‖ell‖²) even for a perfect C,
    and Delta amplified by up to ‖Q‖₂ <= (κ+1)/(2√κ), attained (a bound of 3.4 is no bound: unlimited in κ).
(c) One layer, rank r: C the top triple of M Sigma^½, times Sigma^-½: the result is the naive run of rank r + 1 with
    that component deleted, for every Sigma: compensation buys one rank. M's own triple does so for Sigma = I only.
(d) Logistic loss, always-on trait, C gives it the margin a: the reliance learnt by gradient flow solves
    e^(a+b) + b = e^a + t, so 0 <= log(1 + t e^-a) − b <= log(1 + e^(−1−a)), attained at b = 1, and b > 0: compensating
    too much never overshoots. Squared loss learns b = (beta − a)(1 − e^-t), which turns negative for a > beta.

Proof (here). (a) Both runs see y − C x − F_θ(x), so the gradients agree. (b) Least squares fits M − C; with D v̂ = 0
it gives (M − C) Q (read-removal). ‖Q‖₂² = 1 + ‖ell‖² = ‖Sigma⁻¹v̂‖²/(v̂ᵀSigma⁻¹v̂)² <= (κ+1)²/(4κ) (Kantorovich), with
equality at weights λ/(λ_1 + λ_n) on the extreme eigenvectors; Delta then has the row ‖ell‖² v̂ + ellᵀ. (c) M S − C S
has the triples 2, 3, ... of M S. (d) db/dt = 1/(1 + e^(a+b)); the implicit form is 1 + t e^-a =
e^b (1 + b e^(−a−b)), and b e^-b <= 1/e. ∎ Derived symbolically: (d), and the gap of (b) as a square.

Outside (the violators): a loss that is not one of y − ŷ, C inside the network (exact to first order only in what the
later layers move), projection on top. Prediction of (d) to test: excess drift against strength is log(1 + t e^-a).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import wrightomega

from ..linear.problem import psd_root
from ..statement import Claim, Sides, Statement
from ._compensated import Compensated, autograd_outputs, deletion_gap, oblique
from ._draws import covariance, log_uniform, orthonormal, unit
from ._residual_net import OPTIMISERS, draw_net


def draw(rng: np.random.Generator) -> Compensated:
    """Sizes, depth, loss, optimiser, spread, compensator error (0.01 to 1 of beta), margin and time drawn."""
    n, beta, condition = int(rng.integers(3, 7)), log_uniform(rng, 0.3, 3), log_uniform(rng, 2, 300)
    u, v, X = unit(rng, n), unit(rng, n), rng.standard_normal((n, 2 * n))
    off = log_uniform(rng, 0.01, 1)
    u_hat, v_hat = u + off * unit(rng, n), v + off * unit(rng, n)
    return Compensated(
        net=draw_net(rng, n, int(rng.integers(2, 4)), 2),
        X=X,
        Y0=X + 0.5 * rng.standard_normal(X.shape),
        R=psd_root(covariance(rng, n)),
        loss="squared" if rng.random() < 0.5 else "log-cosh",
        optimiser=OPTIMISERS[int(rng.integers(3))],
        T=rng.standard_normal((n, n)) * log_uniform(rng, 0.1, 1),
        u=u,
        v=v,
        beta=beta,
        Sigma=covariance(rng, n, condition=condition),
        C=beta * np.outer(u_hat, v_hat),
        v_hat=v_hat / np.linalg.norm(v_hat),
        r=int(rng.integers(1, n - 1)),
        a=rng.uniform(-1, 4),
        t=log_uniform(rng, 0.1, 1000),
    )


def extremal(rng: np.random.Generator) -> Compensated:
    """v̂ and Delta of the proof at κ = 100 (amplification 5.05), and the time of b = 1."""
    i, Q = draw(rng), orthonormal(rng, 4, 4)
    while len(i.u) != 4:
        i = draw(rng)
    values = np.array([10.0, 3.0, 1.0, 0.1])
    i = replace(i, Sigma=Q * values @ Q.T, v_hat=(Q[:, [0, 3]] * np.sqrt(values[[0, 3]]) / np.sqrt(10.1)).sum(axis=1))
    ell = oblique(i)[1]
    C = i.shortcut + np.outer(unit(rng, 4), (ell @ ell) * i.v_hat + ell)
    return replace(i, C=C, t=np.exp(i.a + 1) + 1 - np.exp(i.a))


def with_tie(rng: np.random.Generator) -> Compensated:
    """σ_2 = σ_3 of M Sigma^½, r = 1: rounding decides which is kept; the first draw on which the two runs differ."""
    while True:
        i = replace(draw(rng), r=1)
        n = len(i.u)
        values = np.concatenate([[3.0, 1.0, 1.0], 0.3 * np.ones(n - 3)])
        X = orthonormal(rng, n, n) * values @ orthonormal(rng, n, n).T
        i = replace(i, T=X @ np.linalg.inv(psd_root(i.Sigma)) - i.shortcut)
        if not _deletion().holds(i):
            return i


def singular(rng: np.random.Generator) -> Compensated:
    """Sigma with a null direction: nothing is learnt along it."""
    i = draw(rng)
    Q = orthonormal(rng, len(i.u), len(i.u) - 1)
    return replace(i, Sigma=Q @ Q.T @ i.Sigma @ Q @ Q.T)


def spectrum(i: Compensated) -> Float[ndarray, " n"]:
    """Singular values of M Sigma^½."""
    return np.linalg.svd((i.T + i.shortcut) @ psd_root(i.Sigma), compute_uv=False)


def _steps(left, right) -> Sides:
    """Largest difference between the outputs of two runs, over all their steps."""
    return Sides.exact(np.abs(left - right).max(), 0.0, scale=max(np.abs(left).max(), np.abs(right).max()))


def _error(i: Compensated, bound: float, *, projected: bool) -> Sides:
    scale = np.linalg.norm(i.T) + np.linalg.norm(i.C) + i.beta
    return Sides.exact(float(np.linalg.norm(i.layer(i.C, projected=projected) - i.T)), bound, scale=100 * float(scale))


def _delta(i: Compensated) -> float:
    return float(np.linalg.norm(i.C - i.shortcut))


def with_projection(i: Compensated) -> Sides:
    """‖D − T‖ against ‖T v̂ (ell − v̂ᵀ) − Delta Q‖."""
    Q, ell = oblique(i)
    E = np.outer(i.T @ i.v_hat, ell - i.v_hat) - (i.C - i.shortcut) @ Q
    return _error(i, float(np.linalg.norm(E)), projected=True)


def _amplified(factor) -> Claim[Compensated]:
    """What Delta alone changes under projection, against factor(κ) ‖Delta‖."""

    def sides(i: Compensated) -> Sides:
        change = i.layer(i.C, projected=True) - i.layer(i.shortcut, projected=True)
        bound = factor(float(np.linalg.cond(i.Sigma))) * _delta(i)
        return Sides.exact(float(np.linalg.norm(change)), bound, scale=100.0)

    return Claim("<=", sides)


def _deletion(**other) -> Claim[Compensated]:
    def sides(i: Compensated) -> Sides:
        gap, scale = deletion_gap(i, **other)
        return Sides.exact(gap, 0.0, scale=100 * scale)

    return Claim("=", sides)


def leading(i: Compensated) -> float:
    """log(1 + t e^-a)."""
    return float(np.log1p(i.t * np.exp(-i.a)))


def _learnt(value) -> Claim[Compensated]:
    return Claim("=", lambda i: Sides.exact(i.learnt, value(i), scale=10.0))


def autograd(i: Compensated) -> Sides:
    """(a) by torch: F + C on (x, y), against F on (x, y − C x) as above."""
    return _steps(autograd_outputs(i), i.run(i.Y - i.C @ i.X)[-1])


STATEMENT = Statement(
    key="compensation-removes-pressure",
    kind="identity",
    law="training F + C on (x, y) is training F on (x, y − Cx); error passes through; logistic: b ≈ log(1 + t e^-a)",
    basis="proved here",
    assumptions={
        "a loss of y − ŷ": lambda i: i.loss != "logistic",
        "C at the output": lambda i: not i.inside,
        "no projection on top": lambda i: not i.projected,
        "Sigma ≻ 0": lambda i: np.linalg.cond(i.Sigma) < 1e8,
        "σ_{r+1} > σ_{r+2}": lambda i: bool(np.diff(spectrum(i))[i.r] < -1e-6 * spectrum(i)[0]),
    },
    draw=draw,
    claims={
        "shifted targets, step by step": Claim("=", lambda i: _steps(i.run(i.Y, i.C @ i.X), i.run(i.Y - i.C @ i.X))),
        "exact C: the run of beta = 0": Claim("=", lambda i: _steps(i.run(i.Y, i.shortcut @ i.X), i.run(i.Y0))),
        "error passes through": Claim("=", lambda i: _error(i, _delta(i), projected=i.projected)),
        "with projection": Claim("=", with_projection),
        "amplification": replace(_amplified(lambda k: (k + 1) / (2 * np.sqrt(k))), tight=True),
        "one rank of deletion": _deletion(),
        "logistic": _learnt(lambda i: np.log(wrightomega(np.exp(i.a) + i.t + i.a).real) - i.a),
        "squared loss": Claim("=", lambda i: Sides.exact(i.learnt_squared, (i.beta - i.a) * -np.expm1(-i.t))),
        "leading order from above": Claim("<=", lambda i: Sides.exact(i.learnt, leading(i))),
        "leading order is that close": Claim(
            "<=", lambda i: Sides.exact(leading(i) - i.learnt, np.log1p(np.exp(-1 - i.a))), tight=True
        ),
        "never overshoots": Claim(">=", lambda i: Sides.exact(i.learnt, 0.0)),
    },
    mutants={
        "compensating with projection is harmless": Claim("=", lambda i: _error(i, _delta(i), projected=True)),
        "projection amplifies by at most 3.4": _amplified(lambda k: 3.4),
        "projection amplifies by at most (κ+1)/(2κ)": _amplified(lambda k: (k + 1) / (2 * k)),
        "the error shrinks with the fit": Claim("=", lambda i: _error(i, 0.0, projected=False)),
        "deletion from the naive run of rank r": _deletion(rank=0),
        "deletion of M's own triple, any Sigma": _deletion(whitened=False),
        "b = log(1 + t e^-a) exactly": _learnt(leading),
        "b = log(1 + t) − a: logistic loss overshoots too": _learnt(lambda i: np.log1p(i.t) - i.a),
        "b = e^-a log(1 + t)": _learnt(lambda i: np.exp(-i.a) * np.log1p(i.t)),
        "squared loss learns beta whatever a": Claim(
            "=", lambda i: Sides.exact(i.learnt_squared, -i.beta * np.expm1(-i.t))
        ),
        "leading order from below": Claim(">=", lambda i: Sides.exact(i.learnt, leading(i))),
        "C inside the network does as well": Claim(
            "=", lambda i: _steps(replace(i, inside=True).run(i.Y, i.shortcut @ i.X), i.run(i.Y0))
        ),
    },
    extremal=extremal,
    violators={
        "a loss of y − ŷ": lambda rng: replace(draw(rng), loss="logistic"),
        "C at the output": lambda rng: replace(draw(rng), inside=True),
        "no projection on top": lambda rng: replace(draw(rng), projected=True),
        "Sigma ≻ 0": singular,
        "σ_{r+1} > σ_{r+2}": with_tie,
    },
    route=autograd,
    draws=60,
)
