"""rerouting-share (identity, tight). What the rest of the network makes of a shortcut that is projected out.

H ≻ 0 the metric of the loss at the stream, Sigma ≻ 0 the input moment, κ the condition number, P = I − u uᵀ.

(i) Share. Of the loss that beta u vᵀ offers, fitting it with uᵀD = 0 still recovers 1 − 1/((uᵀHu)(uᵀH⁻¹u)), between
    ‖P H u‖²/(λ_max(PHP) uᵀHu) and ‖P H u‖²/(λ_min(PHP) uᵀHu) (so 0 iff u is an eigenvector of H), <= ((κ−1)/(κ+1))²,
    attained at u = (q_1 + q_n)/√2; all four are equal if the other eigenvalues are (λ_1 + λ_n)/2. Read side: the same
    with Sigma, v: the R² of vᵀx on the rest of x.
(ii) Stream GRASP (the gradient of the loss is projected by P where it enters the stream from the output) trains the
    same map for beta as for 0 if P H u = 0: any depth, nonlinearity, optimiser. In general the projected signals of
    the two targets differ at the start by beta ‖P H u‖ |vᵀx|, and plain descent at rate lr moves a linear block with
    factor A by lr beta ‖P H u‖ ‖vᵀX Xᵀ AᵀA X‖/N more. No converse for every optimiser: signed descent at a small beta
    trains identical maps with ‖P H u‖ > 0.3 (a test). Cross-entropy through an unembedding E, whose metric depends on
    the token: the signal is P Eᵀ(p − y), so a shortcut that flips label i to j is never seen when u ∥ E_j − E_i,
    whatever the metric, if nothing stands between stream and unembedding. A norm there sends J(x)ᵀEᵀ(p − y) back, with
    J its Jacobian, and the flips are seen (the violator).
(iii) Write-only projection (uᵀD_k = 0) of a linear residual net Π(I + W_k + D_k), I + W_k invertible: if u is a left
    eigenvector of every I + W_k, k >= 2, uᵀF never moves; otherwise almost every target, the shortcut included, is
    reached exactly by some such D_k. Invertible is needed: a later block with uᵀ(I + W_k) = 0 erases what an earlier
    one re-routed.

Assumes: H ≻ 0; Sigma ≻ 0; I + W_k invertible; a later block turns u; no norm before the unembedding.

Proof (here). (i) min over D, uᵀD = 0, of ‖H^½(D − beta u vᵀ)Sigma^½‖² is beta² vᵀSigma v times the Schur complement
uᵀHu − uᵀHP(PHP)⁺PHu = 1/(uᵀH⁻¹u); Kantorovich bounds the product by (κ+1)²/(4κ). (ii) By induction the parameters agree
and P H (F − y_beta) = P H (F − y_0) − beta P H u vᵀx; one step from B = 0 adds −lr G Xᵀ AᵀA X/N for the signal G.
(iii) Let k be the last block with uᵀ(I + W_k) = a uᵀ + bᵀ, 0 ≠ b ⟂ u, and γ ≠ 0 the product of the later eigenvalues.
D_{k−1} = (b/‖b‖²) yᵀ with γ yᵀ Π_{j<k−1}(I + W_j) = uᵀ(F* − F_0) sets uᵀF; D_L = P(...) sets the rest if the product
before block L is invertible, which it is for almost every target. Without such k, uᵀF = γ uᵀ(I + W_1). ∎
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import minimize

from ..shared.draws import covariance, log_uniform, orthonormal, unit
from ..shared.residual_net import (
    OPTIMISERS,
    Net,
    Optimiser,
    after_norm,
    chain,
    closed,
    cross_entropy,
    draw_net,
    pinched,
    rerouted,
)
from ..statement import Claim, Relation, Route, Sides, Statement, exact
from .metric import kantorovich, product, share, share_bounds

STEPS = 20


@dataclass(frozen=True, eq=False)
class Instance:
    """Stream metric H, input moment Sigma, shortcut beta u vᵀ, and a residual net with data.

    Y0 : targets without the shortcut. E, labels : unembedding and labels of the cross-entropy runs, in which the
    shortcut turns label 0 into 1 wherever vᵀx > 0. target : what the linear net of (iii) should become. normed : the
    stream is divided by its length before it is unembedded.
    """

    H: Float[ndarray, "n n"]
    Sigma: Float[ndarray, "n n"]
    u: Float[ndarray, " n"]
    v: Float[ndarray, " n"]
    beta: float
    net: Net
    X: Float[ndarray, "n N"]
    Y0: Float[ndarray, "n N"]
    E: Float[ndarray, "K n"]
    labels: Int[ndarray, " N"]
    target: Float[ndarray, "n n"]
    optimiser: Optimiser
    normed: bool = False

    @property
    def P(self) -> Float[ndarray, "n n"]:
        """I − u uᵀ."""
        return np.eye(len(self.u)) - np.outer(self.u, self.u)

    def factors(self) -> list[Float[ndarray, "n n"]]:
        """I + W_k."""
        return [np.eye(len(self.u)) + W for W in self.net.W]


def beta_seen(i: Instance, H: Float[ndarray, "n n"]) -> Sides:
    """Difference between the nets that stream GRASP trains for 0 and for beta."""
    shortcut = i.beta * np.outer(i.u, i.v @ i.X)
    return difference(i, [lambda F, Y=Y: H @ (F - Y) for Y in (i.Y0, i.Y0 + shortcut)], i.P)


def flips_seen(i: Instance, w: Float[ndarray, " n"] | None = None) -> Sides:
    """The same with cross-entropy and u along w, E_1 − E_0 unless given."""
    a = i.E[1] - i.E[0] if w is None else w
    P = np.eye(len(a)) - np.outer(a, a) / (a @ a)
    flipped = np.where((i.labels == 0) & (i.v @ i.X > 0), 1, i.labels)
    signals = [cross_entropy(i.E, y) for y in (i.labels, flipped)]
    return difference(i, [after_norm(s) for s in signals] if i.normed else signals, P)


def difference(i: Instance, signals, P: Float[ndarray, "n n"]) -> Sides:
    """Largest difference between the outputs of two runs, over all their steps."""
    a, b = (i.net.train(i.X, s, steps=STEPS, lr=0.02, optimiser=i.optimiser, backward=P) for s in signals)
    return Sides.exact(np.abs(a - b).max(), 0.0, scale=np.abs(a).max())


def first_step(i: Instance, factor) -> Sides:
    """One step of plain descent on the first block alone, linear: how far beta moves its outputs, against lr factor."""
    net, rate = Net(i.net.W[:1], i.net.A0[:1], linear=True), 0.02
    outputs = [
        net.train(i.X, lambda F, Y=Y: i.H @ (F - Y), steps=1, lr=rate, optimiser="sgd", backward=i.P)
        for Y in (i.Y0, i.Y0 + i.beta * np.outer(i.u, i.v @ i.X))
    ]
    moved = i.v @ i.X @ i.X.T @ net.A0[0].T @ net.A0[0] @ i.X / i.X.shape[1]
    bound = rate * i.beta * factor(i) * float(np.linalg.norm(moved))
    return Sides.exact(float(np.linalg.norm(outputs[0] - outputs[1])), bound, scale=float(np.linalg.norm(outputs)))


def across(i: Instance) -> float:
    """‖P H u‖."""
    return float(np.linalg.norm(i.P @ i.H @ i.u))


def signal_gap(i: Instance) -> Sides:
    """Difference of the projected signals at the start, against beta ‖P H u‖ ‖vᵀX‖."""
    Y = i.Y0 + i.beta * np.outer(i.u, i.v @ i.X)
    gap = i.P @ i.H @ (i.X - Y) - i.P @ i.H @ (i.X - i.Y0)
    bound = i.beta * np.linalg.norm(i.P @ i.H @ i.u) * np.linalg.norm(i.v @ i.X)
    return Sides.exact(float(np.linalg.norm(gap)), float(bound), scale=float(np.linalg.norm(i.H) * np.linalg.norm(Y)))


def moved(i: Instance) -> Sides:
    """How far uᵀF moves in write-projected training of the linear net."""
    W, Y = i.net.W, i.Y0 + i.beta * np.outer(i.u, i.v @ i.X)
    F = replace(i.net, linear=True).train(i.X, lambda F: F - Y, steps=STEPS, lr=0.02, optimiser=i.optimiser, write=i.P)
    start = i.u @ chain(i.factors(), len(W[0])) @ i.X
    return Sides.exact(np.abs(i.u @ F - start).max(), 0.0, scale=np.abs(F).max())


def distance(i: Instance) -> Sides:
    """How far the construction of the proof ends from the target."""
    found, size = rerouted(i.factors(), i.u, i.target)
    return Sides.exact(float(np.linalg.norm(found - i.target)), 0.0, scale=size)


def draw(rng: np.random.Generator) -> Instance:
    """Sizes, depth, spread of H and Sigma, strength and optimiser drawn; label 0 occurs and is flipped."""
    n, blocks = int(rng.integers(3, 7)), int(rng.integers(2, 4))
    N, u, v, beta = 3 * n, unit(rng, n), unit(rng, n), log_uniform(rng, 0.3, 3)
    net, X, labels = draw_net(rng, n, blocks, 2), rng.standard_normal((n, N)), rng.integers(0, n + 2, N)
    labels[np.argmax(v @ X)] = 0
    target = chain([np.eye(n) + W for W in net.W], n) + 0.3 * rng.standard_normal((n, n)) + beta * np.outer(u, v)
    H, Sigma = (covariance(rng, n, condition=log_uniform(rng, 2, 100)) for _ in range(2))
    E, Y0 = rng.standard_normal((n + 2, n)), X + 0.5 * rng.standard_normal((n, N))
    optimiser = OPTIMISERS[int(rng.integers(3))]
    return Instance(H, Sigma, u, v, beta, net, X, Y0, E, labels, target, optimiser)


def extremal(rng: np.random.Generator) -> Instance:
    """u = (q_1 + q_n)/√2, all other eigenvalues of H halfway between the extreme ones: P H P is a multiple of P."""
    i = draw(rng)
    values, Q = np.linalg.eigh(i.H)
    values[1:-1] = (values[0] + values[-1]) / 2
    return replace(i, H=Q * values @ Q.T, u=(Q[:, 0] + Q[:, -1]) / np.sqrt(2))


def singular(rng: np.random.Generator, name: str) -> Instance:
    """H (or Sigma) has a null direction that is not orthogonal to u (v): everything is recovered, κ = ∞."""
    i = draw(rng)
    Q = orthonormal(rng, len(i.u), len(i.u) - 1)
    return replace(i, **{name: Q @ Q.T @ getattr(i, name) @ Q @ Q.T})


def with_blocks(i: Instance, W: Float[ndarray, "L n n"]) -> Instance:
    """The same with these frozen blocks."""
    return replace(i, net=replace(i.net, W=W))


def erased(rng: np.random.Generator) -> Instance:
    """Block 2 turns another direction into u, block 3 has uᵀ(I + W_3) = 0: what was re-routed is lost again."""
    i = draw(rng)
    net = draw_net(rng, len(i.u), 3, 2)
    W = net.W.copy()
    W[2] = i.P @ W[2] - np.outer(i.u, i.u)
    return replace(i, net=replace(net, W=W))


def share_claim(formula, relation: Relation = "=", *, tight: bool = False) -> Claim[Instance]:
    return exact(relation, lambda i: share(i.H, i.u), formula, tight=tight)


def trained(i: Instance) -> float:
    """Share of the loss that minimising over D = P D, on inputs with second moment Sigma, recovers; T = 0."""
    n = len(i.u)
    R, S, P = np.linalg.cholesky(i.H).T, np.linalg.cholesky(i.Sigma), np.eye(n) - np.outer(i.u, i.u)
    M = i.beta * np.outer(i.u, i.v)

    def loss(x):
        E = R @ (P @ x.reshape(n, n) - M) @ S
        return 0.5 * np.sum(E**2), (P @ R.T @ E @ S.T).ravel()

    start = loss(np.zeros(n * n))[0]
    found = minimize(loss, np.zeros(n * n), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-14})
    return 1 - float(found.fun / start)


STATEMENT = Statement(
    key="rerouting-share",
    kind="tight",
    law="share re-routed 1 − 1/((uᵀHu)(uᵀH⁻¹u)) <= ((κ−1)/(κ+1))²; stream GRASP never sees beta if P_u H u = 0",
    basis="proved here",
    assumptions={
        "H ≻ 0": lambda i: bool(np.linalg.eigvalsh(i.H)[0] > 1e-9 * np.linalg.eigvalsh(i.H)[-1]),
        "Sigma ≻ 0": lambda i: bool(np.linalg.eigvalsh(i.Sigma)[0] > 1e-9 * np.linalg.eigvalsh(i.Sigma)[-1]),
        "I + W_k invertible": lambda i: all(np.linalg.svd(G, compute_uv=False)[-1] > 1e-4 for G in i.factors()),
        "a later block turns u": lambda i: any(np.linalg.norm(i.u @ G @ i.P) > 1e-3 for G in i.factors()[1:]),
        "no norm before the unembedding": lambda i: not i.normed,
    },
    draw=draw,
    always=frozenset(
        {"beta never seen", "seen at once if P H u ≠ 0", "seen by one step of descent", "closed net: uᵀF frozen"}
    ),
    claims={
        "share, write": share_claim(lambda i: 1 - 1 / product(i.H, i.u)),
        "share, read": exact("=", lambda i: share(i.Sigma, i.v), lambda i: 1 - 1 / product(i.Sigma, i.v)),
        "Kantorovich": share_claim(lambda i: kantorovich(i.H) ** 2, "<=", tight=True),
        "none only if P H u = 0": share_claim(lambda i: share_bounds(i.H, i.u)[0], ">=", tight=True),
        "none if P H u = 0": share_claim(lambda i: share_bounds(i.H, i.u)[1], "<=", tight=True),
        "beta never seen": Claim("=", lambda i: beta_seen(i, pinched(i.H, i.u, both=True))),
        "seen at once if P H u ≠ 0": Claim("=", signal_gap),
        "seen by one step of descent": Claim("=", lambda i: first_step(i, across)),
        "label flips never seen": Claim("=", flips_seen),
        "closed net: uᵀF frozen": Claim("=", lambda i: moved(with_blocks(i, closed(i.net.W, i.u)))),
        "open net: everything re-routed": Claim("=", distance),
    },
    extremal=extremal,
    violators={
        "H ≻ 0": lambda rng: singular(rng, "H"),
        "Sigma ≻ 0": lambda rng: singular(rng, "Sigma"),
        "I + W_k invertible": erased,
        "a later block turns u": lambda rng: with_blocks(i := draw(rng), closed(i.net.W, i.u)),
        "no norm before the unembedding": lambda rng: replace(draw(rng), normed=True),
    },
    route=Route("share, write", trained, 1e-7),
    draws=60,
)
