"""compensation-removes-pressure (identity). Adding the shortcut during training leaves nothing to learn.

C is added to the output during training and dropped afterwards. M = T + beta u vᵀ, Delta = C − beta u vᵀ and
κ = cond(Sigma).

(a) For every loss of y − ŷ, training F_θ + C on (x, y) is, step by step, training F_θ on (x, y − C x): any depth,
    nonlinearity, metric, Sigma and optimiser. With C = beta u vᵀ it is the run of beta = 0.
(b) One layer, full rank: the error of C passes through unamplified, D − T = −Delta. Projecting off v̂ as well gives
    D − T = T v̂ (ell − v̂ᵀ) − Delta Q with Q = P_v̂ + v̂ ell: a cost ‖T v̂‖ √(1 + ‖ell‖²) even for a perfect C,
    and Delta amplified by up to ‖Q‖₂ <= (κ+1)/(2√κ), attained (a bound of 3.4 is no bound: unlimited in κ).
(c) One layer, rank r, any Sigma; N_k the naive run of rank k, N = N_{r+1}. With C of rank one the result is N − C iff
    rank(N − C) = r, that is C = N a bᵀN/(bᵀN a) for some a, b (Wedderburn): compensation buys one rank. So for u uᵀN_k,
    k <= r + 1, with a unit vector u of N_k's column space, as û of its own component; with k = 1, C is the top triple
    of M Sigma^½ times Sigma^-½. Not for a u outside it, nor for M's own triple, unless Sigma = I.
(d) Logistic loss, always-on trait, C gives it the margin a: the reliance learnt by gradient flow solves
    e^(a+b) + b = e^a + t, so 0 <= log(1 + t e^-a) − b <= log(1 + e^(−1−a)), attained at b = 1, and b > 0: compensating
    too much never overshoots. Squared loss learns b = (beta − a)(1 − e^-t), which turns negative for a > beta.

Assumes: a loss of y − ŷ; C at the output; no projection on top; Sigma ≻ 0; σ_{r+1} > σ_{r+2}.

Proof (here). (a) Both runs see y − C x − F_θ(x), so the gradients agree. (b) Least squares fits M − C; with D v̂ = 0
it gives (M − C) Q (read-removal). ‖Q‖₂² = 1 + ‖ell‖² = ‖Sigma⁻¹v̂‖²/(v̂ᵀSigma⁻¹v̂)² <= (κ+1)²/(4κ) (Kantorovich), with
equality at weights λ/(λ_1 + λ_n) on the extreme eigenvectors; Delta then has the row ‖ell‖² v̂ + ellᵀ. (c) With
S = Sigma^½, (M − C) S = (N − C) S + (M − N) S. Columns and rows of N − C are in those of N, so the two terms are
orthogonal on either side, and σ_r((N − C) S) >= σ_{r+1}(N S) = σ_{r+1}(M S) > σ_{r+2}(M S), as C S has rank one (Weyl):
the first term is the best fit of rank r. Conversely a run of rank r is no N − C of higher rank. For a part of N_k,
rank(N − C) <= rank(N_k − C) + rank(N − N_k) = k − 1 + r + 1 − k. (d) db/dt = 1/(1 + e^(a+b)); the implicit form is
1 + t e^-a = e^b (1 + b e^(−a−b)), and b e^-b <= 1/e. ∎ Derived symbolically: (d), the gap of (b), the rank in (c).

Outside (the violators): a loss that is not one of y − ŷ, C inside the network, projection on top. Prediction of (d)
to test: excess drift against strength is log(1 + t e^-a).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import wrightomega

from ...linear.problem import psd_root
from ..shared.draws import covariance, log_uniform, orthonormal, unit
from ..shared.residual_net import OPTIMISERS, draw_net
from ..statement import Claim, Relation, Route, Sides, Statement, exact
from .compensated import (
    Compensated,
    autograd_outputs,
    deletion_gap,
    naive,
    oblique,
    own_component,
    part_gap,
    rank_one_part,
)


def draw(rng: np.random.Generator) -> Compensated:
    """Sizes, depth, loss, optimiser, spread, compensator error (0.01 to 1 of beta), margin and time drawn.

    In a third the margin is within 20% of beta, in a third σ_{r+1} is within 20% of σ_{r+2}.
    """
    n, beta, condition = int(rng.integers(3, 7)), log_uniform(rng, 0.3, 3), log_uniform(rng, 2, 300)
    u, v, X = unit(rng, n), unit(rng, n), rng.standard_normal((n, 2 * n))
    off = log_uniform(rng, 0.01, 1)
    u_hat, v_hat = u + off * unit(rng, n), v + off * unit(rng, n)
    i = Compensated(
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
        a=beta * rng.uniform(0.8, 1.2) if rng.random() < 1 / 3 else rng.uniform(-1, 4),
        t=log_uniform(rng, 0.1, 1000),
    )
    return near_tie(i, log_uniform(rng, 0.001, 0.2)) if rng.random() < 1 / 3 else i


def near_tie(i: Compensated, distance: float) -> Compensated:
    """The same with T changed such that σ_{r+1} = (1 + distance) σ_{r+2} of M Sigma^½."""
    S = psd_root(i.Sigma)
    U, s, Vh = np.linalg.svd((i.T + i.shortcut) @ S)
    s[: i.r + 1] *= (1 + distance) * s[i.r + 1] / s[i.r]
    return replace(i, T=U * s @ Vh @ np.linalg.inv(S) - i.shortcut)


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
    """σ_{r+1} = σ_{r+2} of M Sigma^½: rounding decides which is kept; the first draw on which the two runs differ."""
    while True:
        i = near_tie(draw(rng), 0.0)
        if not deletion().holds(i):
            return i


def singular(rng: np.random.Generator) -> Compensated:
    """Sigma with a null direction: nothing is learnt along it."""
    i = draw(rng)
    Q = orthonormal(rng, len(i.u), len(i.u) - 1)
    return replace(i, Sigma=Q @ Q.T @ i.Sigma @ Q @ Q.T)


def spectrum(i: Compensated) -> Float[ndarray, " n"]:
    """Singular values of M Sigma^½."""
    return np.linalg.svd((i.T + i.shortcut) @ psd_root(i.Sigma), compute_uv=False)


def steps(left, right) -> Sides:
    """Largest difference between the outputs of two runs, over all their steps."""
    return Sides.exact(np.abs(left - right).max(), 0.0, scale=max(np.abs(left).max(), np.abs(right).max()))


def error(i: Compensated, bound: float, *, projected: bool) -> Sides:
    scale = np.linalg.norm(i.T) + np.linalg.norm(i.C) + i.beta
    return Sides.exact(float(np.linalg.norm(i.layer(i.C, projected=projected) - i.T)), bound, scale=float(scale))


def delta(i: Compensated) -> float:
    return float(np.linalg.norm(i.C - i.shortcut))


def with_projection(i: Compensated) -> Sides:
    """‖D − T‖ against ‖T v̂ (ell − v̂ᵀ) − Delta Q‖."""
    Q, ell = oblique(i)
    E = np.outer(i.T @ i.v_hat, ell - i.v_hat) - (i.C - i.shortcut) @ Q
    return error(i, float(np.linalg.norm(E)), projected=True)


def amplified(factor, *, tight: bool = False) -> Claim[Compensated]:
    """What Delta alone changes under projection, against factor(κ) ‖Delta‖."""
    return exact(
        "<=",
        lambda i: np.linalg.norm(i.layer(i.C, projected=True) - i.layer(i.shortcut, projected=True)),
        lambda i: factor(float(np.linalg.cond(i.Sigma))) * delta(i),
        tight=tight,
    )


def deletion(**other) -> Claim[Compensated]:
    return Claim("=", lambda i: deletion_gap(i, **other))


def part(component) -> Claim[Compensated]:
    """The rank-r run with C = component(instance, N) is N − C."""
    return Claim("=", lambda i: part_gap(i, component(i, naive(i, i.r + 1))))


def leading(i: Compensated) -> float:
    """log(1 + t e^-a)."""
    return float(np.log1p(i.t * np.exp(-i.a)))


def behind(i: Compensated) -> float:
    """What b lacks to leading order."""
    return leading(i) - i.learnt


def learnt(value, relation: Relation = "=") -> Claim[Compensated]:
    return exact(relation, lambda i: i.learnt, value)


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
    always=frozenset({"with projection", "logistic", "squared loss", "any part of rank one", "its own component"}),
    claims={
        "shifted targets, step by step": Claim("=", lambda i: steps(i.run(i.Y, i.C @ i.X), i.run(i.Y - i.C @ i.X))),
        "outputs after training": exact(
            "=",
            lambda i: np.linalg.norm(i.run(i.Y, i.C @ i.X)[-1]),
            lambda i: np.linalg.norm(i.run(i.Y - i.C @ i.X)[-1]),
        ),
        "exact C: the run of beta = 0": Claim("=", lambda i: steps(i.run(i.Y, i.shortcut @ i.X), i.run(i.Y0))),
        "error passes through": Claim("=", lambda i: error(i, delta(i), projected=i.projected)),
        "with projection": Claim("=", with_projection),
        "amplification": amplified(lambda k: (k + 1) / (2 * np.sqrt(k)), tight=True),
        "one rank of deletion": deletion(),
        "any part of rank one": part(lambda i, N: rank_one_part(N, i.v_hat, i.u)),
        "its own component": part(lambda i, N: own_component(N)),
        "a part of the naive run of rank r": part(lambda i, N: rank_one_part(naive(i, i.r), i.v_hat, i.u)),
        "logistic": learnt(lambda i: np.log(wrightomega(np.exp(i.a) + i.t + i.a).real) - i.a),
        "squared loss": exact("=", lambda i: i.learnt_squared, lambda i: (i.beta - i.a) * -np.expm1(-i.t)),
        "leading order from above": learnt(leading, "<="),
        "leading order is that close": exact("<=", behind, lambda i: np.log1p(np.exp(-1 - i.a)), tight=True),
        "never overshoots": learnt(lambda i: 0.0, ">="),
    },
    extremal=extremal,
    violators={
        "a loss of y − ŷ": lambda rng: replace(draw(rng), loss="logistic"),
        "C at the output": lambda rng: replace(draw(rng), inside=True),
        "no projection on top": lambda rng: replace(draw(rng), projected=True),
        "Sigma ≻ 0": singular,
        "σ_{r+1} > σ_{r+2}": with_tie,
    },
    regimes={"a = beta": lambda i: i.a / i.beta - 1},
    route=Route("outputs after training", autograd_outputs, 1e-10, "measured"),
    draws=60,
)
