"""theorem-1 (tight). When n samples show a factor, what its removal leaves, when nobody can find it, however trained.

In words. Fine-tune on n samples of a task T and a factor beta u vᵀ until the loss is least, and take the leading left
singular vector û of what the update writes on these inputs. If the data show the factor more than twice as strongly as
task and noise together, û points at u, what the factor writes, within the angle below; it hurts less if the task is
spread over many directions (1). Deleting û leaves the factor to third order (2). For the worst task no method does much
better, and where samples are too few for the noise none finds the factor at all (3). Part 4 bounds the angle at every
step of training, part 5 says which factor the selection of the data makes.

Setting. n samples y = (W0 + T + beta u vᵀ) x + s N(0, I), u (m), v (d) unit; X their inputs, Ŝ Ŝᵀ = X Xᵀ/n with Ŝ of
full column rank q (n >= d generic: q = d; else q = n). dW is any minimiser of ‖Y − (W0 + dW) X‖_F of rank <= r, any
r >= 1; û, q̂ the top pair of dW Ŝ (û is that of dW X). Short: b = beta ‖Ŝᵀv‖, G the noise as the fit sees it,
rho = (‖T Ŝ‖ + ‖G‖)/b, sharp(rho) = sin(½ arcsin 2 rho) ≈ rho, e(t) = s (√m + √q + t)/√n.

1. Identification. With probability >= 1 − e^(−t²/2), whenever the right side is < 1,

       sin 2 theta <= 2 (‖T Ŝ‖ + e(t))/(beta ‖Ŝᵀv‖),  theta = ∠(û,u) < 45°,  and the same for ∠(q̂, Ŝᵀv).

   Complexity: a task of energy ‖T Ŝ‖_F and stable rank k = ‖T Ŝ‖_F²/‖T Ŝ‖² has ‖T Ŝ‖ = ‖T Ŝ‖_F/√k; for every real k
   in [2, min(m, q)] some task of both attains sin 2 theta = 2 ‖T Ŝ‖_F/(√k b) without noise. Gaussian inputs of moment
   Sigma: with ‖Ŝᵀv‖ >= ‖Sigma^½v‖ (√(n − ½) − t)/√n, and for T of rank k and Sigma = I ‖T Ŝ‖ <= ‖T‖ (√n + √k + t)/√n,
   each but for e^(−t²/2), nothing random is left on the right side.
2. Removal. D = P_û dW (P_û = I − û ûᵀ). The factor in the data is the input c = Ŝ Ŝᵀv/‖Ŝᵀv‖², the regression of x on
   vᵀx. On the event of 1: |uᵀD c| <= beta rho sharp(rho)², ‖D c‖ <= beta rho sharp(rho): third and second order, where
   a naive run of full rank has uᵀdW c >= beta (1 − rho). Excess risk at deployment, S_t S_tᵀ = Sigma_t with any
   correlation of vᵀx, R = Ŷ − dW Ŝ what rank r cannot represent (0 for r >= min(m, q)), K = Ŝ⁺S_t:

       ‖(D − T) S_t‖_F² = ‖ûᵀT S_t‖² + ‖beta P_û u vᵀS_t + (P_û G − R) K‖_F²
                       <= (‖uᵀT S_t‖ + sharp(rho) ‖T S_t‖₂)² + (beta sharp(rho) ‖S_tᵀv‖ + ‖K‖₂ (‖G‖_F + ‖R‖_F))².

   Lost of the task is ûᵀT: what it writes along u, and at most sharp(rho) ‖T S_t‖ of what it writes elsewhere.
3. Converse (m, q >= 2). (a) For every X, tau = ‖T Ŝ‖ and b > 2 tau two worlds (T, beta, u, v) of these numbers have the
   same law of (X, Y). A deterministic answer that sees M (s = 0) is sharp(tau/b) off in one of them; any other, however
   randomised, off by tau/b in expectation. (b) Even if T = 0, and beta, s, v are told: with a² = n b²/s², u uniform,

       E⟨û,u⟩² <= (1 + a²)/(m + a²), so E sin² >= (m − 1)/(m + n b²/s²), for every estimator û(X, Y).

   (c) If u and the direction of Ŝᵀv are uniform and not told, below the sample border n b²/s² < √(m q), where
   kappa = a⁴/(m q) < 1: E⟨û,u⟩² <= 1/m + √(((1 − kappa)^(−3/2) − 1 − kappa/2)/m): nobody identifies as m grows.
   Part 1 needs n > 4 s²(√m + √q + t)²/b², (b) more than about s² m/b²: for q <= m a constant apart.
4. Training. For every update D whatever, sin ∠(û,u) = ‖P_u D Ŝ q̂‖/ŝ₁ <= ‖P_u D Ŝ‖/ŝ₁, ŝ₁ = ‖D Ŝ‖. LoRA from B = 0:
   after k steps of size eta of descent on ½‖B A Ŝ − Ŷ‖_F² with h = max_{j<k} eta ‖A_j Ŝ‖² <= 1, however A moves,

       ‖P_u dW Ŝ‖ <= ‖P_u (T Ŝ + G)‖ ‖A_k Ŝ‖ min(√(eta k/(2 − h)), eta Σ_{j<k} ‖A_j Ŝ‖).

   with √(t/2) for gradient flow of time t = eta k. Under Adam no multiple of ‖P_u (T Ŝ + G)‖ bounds it: its first step
   with neither task nor noise is already off, sin ∠(û,u) = √(1 − ‖u‖₁²/m) (u_i, A₀Ŝ Ŝᵀv ≠ 0). There ‖P_u dW Ŝ‖ <=
   √(m r) max|B| ‖A Ŝ‖ and max|B| <= lr Σ_t c_t, c_t = (1 − b₁)/(1 − b₁ᵗ) · √((1 − b₂ᵗ)/(1 − b₂) · (1 − xᵗ)/(1 − x)),
   x = b₁²/b₂. That is no smaller than ŝ₁ may be: under Adam measure ‖P_u dW Ŝ‖, or train to the optimum, where part 1
   holds whoever trained.
5. Curation. Selecting for a trait t whose effect on the label is gamma u t gives beta v = gamma E[x xᵀ]⁻¹E[x t], u the
   trait's own (experiment ``curation``). Labels L c of cores seen with error, x = (c + e, z), z merely correlated:
   g = E[c z], E z² = 1, A = (C + E)⁻¹, C = E[c cᵀ], E = E[e eᵀ], delta = 1 − gᵀA g. Least squares is T + beta u vᵀ,
   T the fit of an uncorrelated z, beta u vᵀ = (L E A g/delta) (−A g, 1)ᵀ: weight 0 on z without core noise; one core of
   variance 1, noise nu, correlation kappa: nu kappa/(1 + nu − kappa²) L. Then u is in col(L): no law for u independent
   of T applies. Part 1 does, but beta ‖Sᵀv‖ <= ‖T S‖ ‖A^(−½) C⁻¹E A g‖/√delta (S Sᵀ = E[x xᵀ]; one core:
   nu kappa/√(1 + nu − kappa²)), which has to exceed 2: unless the cores are mostly noise, part 1 is silent.

Assumes: noise N(0, s² I) independent of the inputs; right side < 1; dW is an empirical optimum; deployment within the
span of the inputs; the answer depends on the data alone; B0 = 0; step · ‖A Ŝ‖² < 1; labels see the cores alone.

Proof (here). 1. X/√n = Ŝ Qᵀ, QᵀQ = I: the loss is n ‖dW Ŝ − Ŷ‖_F² + const, Ŷ = M Ŝ + G, G = s N Q/√n, whose entries
are N(0, s²/n) given X. dW Ŝ ranges over the m x q matrices of rank <= r, so dW Ŝ = [Ŷ]_r (Eckart–Young), whose top pair
is Ŷ's. Ŷ = (T Ŝ + G) + b u (Ŝᵀv/‖Ŝᵀv‖)ᵀ: ``prior-angle`` with task T Ŝ + G; ‖G‖ <= e(t) but for e^(−t²/2) (Gordon,
Davidson–Szarek). Attained: its plane with k − 2 more units of energy in singular values below, orthogonal to the plane.
‖Xᵀv‖ is chi_n times ‖Sigma^½v‖, 1-Lipschitz, of mean >= √(n − ½); T Ŝ is T's k rows times a k x n Gaussian matrix.
2. D Ŝ = Σ_{2<=i<=r} ŝ_i û_i q̂_iᵀ and D c = D Ŝ w/‖Ŝᵀv‖, w = Ŝᵀv/‖Ŝᵀv‖: norm <= ŝ₂ sin ∠(q̂,w)/‖Ŝᵀv‖, another
sin ∠(û,u) along u; ŝ₂ <= ‖T Ŝ + G‖ (Weyl). Risk: dW = (Ŷ − R) Ŝ⁺ on the span; D − T has the parts −û ûᵀT and P_û (dW −
T), at right angles, and P_û R = R. û = u cos + p sin with p ⟂ u, ‖pᵀT S_t‖ <= ‖T S_t‖₂.
3. (a) v along Ŝ's singular directions: Ŝᵀv = b/beta (q₁ cos ± q₂ sin), the worlds of ``minimax-angle``, of one beta.
Sines: angles add up to >= 2 theta, and sin x + sin y >= sin 2 theta = 2 tau/b. (b) z = Y Xᵀv/‖Xᵀv‖/s ~ N(a u, I) is
sufficient; given z u is von Mises–Fisher about z/‖z‖, which is then the best answer; its ⟨û,u⟩² is noncentral beta, of
mean E (1 + 2J)/(m + 2J), J Poisson of mean a²/2, concave in J. (c) With L = dP_u/dQ against pure noise Q and
Phi = E_u[L u uᵀ], E⟨û,u⟩² = E_Q ûᵀPhi û <= 1/m + E_Q‖Phi − tr(Phi) I/m‖_F, whose square is <= E[e^(a² x y)(x² − 1/m)],
x = ⟨u,u'⟩, y = ⟨w,w'⟩. Moments of x and y are at most the Gaussian ones, term by term E_y e^(a² x y) <= e^(a⁴x²/2q) and
E[x² e^(gx²)] <= (1 − 2g/m)^(−3/2)/m, while E e^(a² x y) >= 1 + kappa/2.
4. D Ŝ q̂ = ŝ₁ û. P_u B_k = P_u(T Ŝ + G) K_k with K₊ = K + eta (I − K Z) Zᵀ, Z = A Ŝ; for J = K Z, K₊K₊ᵀ <= K Kᵀ +
eta [J + Jᵀ − 2 J Jᵀ + h (I − J)(I − J)ᵀ] <= K Kᵀ + eta I/(2 − h) (complete the square); and ‖I − eta Z Zᵀ‖ <= 1. Adam:
Cauchy–Schwarz between its two averages; the first step is lr sign(gradient).
5. Normal equations, Schur complement (x = (c + e, z)): both terms are linear in z less its regression on c + e, whose
variance is delta. ∎

A transformer breaks "noise N(0, s² I) independent of the inputs" (its loss is not squared, H ≠ I) first.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..shared.draws import sharp
from ..statement import Border, Route, Search, Statement, exact
from . import claims as c
from . import run_claims as r
from .converse import second_moment, told_nothing, told_v
from .descent import adam_steps
from .draws import draw, extremal, worst
from .instances import Instance
from .violators import VIOLATORS


def alternating(i: Instance) -> float:
    """sin ∠(û,u) with û of the rank-one fit b aᵀ to the samples (X, Y) by alternating least squares."""
    rng, (left, values) = np.random.default_rng(0), np.linalg.eigh(i.X @ i.X.T)[::-1]
    keep = values > 1e-12 * values[-1]
    inverse = left[:, keep] / values[keep] @ left[:, keep].T
    b, z = rng.standard_normal(len(i.u)), i.v @ i.X
    for _ in range(20_000):
        a = inverse @ (i.X @ (i.Y.T @ b)) / (b @ b)
        z = a @ i.X
        last, b = b / np.linalg.norm(b), i.Y @ z / (z @ z)
        if np.linalg.norm(b / np.linalg.norm(b) - last) < 1e-14:
            break
    b = b / np.linalg.norm(b)
    sin_u = np.linalg.norm(b - i.u * (i.u @ b))
    # the other angle, of the outputs' read vector: b aᵀ X against vᵀX over the samples
    z, x = z / np.linalg.norm(z), i.v @ i.X / np.linalg.norm(i.v @ i.X)
    return float(max(sin_u, np.linalg.norm(x - z * (z @ x))))


def _lined(x: np.ndarray) -> Instance:
    """Two samples in R², T Ŝ = 0.4 X/‖X‖₂ and beta u (Ŝᵀv)ᵀ = e₁e₁ᵀ; what else an instance has, fixed."""
    X = x.reshape(2, 2)
    i = worst(np.random.default_rng(1), 2, np.array([[1.0, 0.4], [-0.3, 1.2]]) * np.sqrt(2), rho=0.1)
    v = i.S_inverse.T @ np.eye(2)[0]
    T = 0.4 * X / np.linalg.norm(X, 2) @ i.S_inverse
    return replace(i, T=T, u=np.eye(2)[0], v=v / np.linalg.norm(v), beta=float(np.linalg.norm(v)), rank=2)


def _ratio(x):
    """The larger sine over its bound at rho = 0.4, without noise, in the data's coordinates."""
    import torch

    X = x.reshape(2, 2)
    M = 0.4 * X / torch.linalg.svdvals(X)[0] + torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=x.dtype)
    U, _, Vh = torch.linalg.svd(M)
    return torch.maximum(U[1, 0].abs(), Vh[0, 1].abs()) / sharp(0.4)


def constant(i: Instance, t: float) -> float:
    """eta k/(2 − h)."""
    return t / (2 - min(r.longest(i), 1.0))


def _sees_span(i: Instance) -> bool:
    off = i.S_t - i.S @ (i.S_inverse @ i.S_t)
    return bool(np.linalg.norm(off) <= 1e-8 * np.linalg.norm(i.S_t))


STATEMENT = Statement(
    key="theorem-1",
    kind="tight",
    law="sin 2 theta <= 2 (‖T Ŝ‖ + s (√m + √q + t)/√n)/(beta ‖Ŝᵀv‖) but for e^(−t²/2); removal, converse, training",
    basis="proved here",
    assumptions={
        "noise N(0, s² I) independent of the inputs": lambda i: bool((i.mix == np.eye(len(i.u))).all()),
        "right side < 1": Border(lambda i: 1 / i.right_side - 1),
        "dW is an empirical optimum": lambda i: bool(
            np.linalg.norm(i.dW @ i.S - i.best) <= 1e-9 * np.linalg.norm(i.target)
        ),
        "deployment within the span of the inputs": _sees_span,
        "the answer depends on the data alone": lambda i: i.answers[0] is i.answers[1],
        "B0 = 0": lambda i: i.run.B0 is None,
        # only sufficient: up to 2 the constant 1/(2 − h) grows, and most runs stay far below it
        "step · ‖A Ŝ‖² < 1": Border(lambda i: 1 / r.longest(i) - 1, sharp=False),
        "labels see the cores alone": lambda i: not i.cores.direct.any(),
    },
    draw=draw,
    fixed=frozenset({"mix", "off", "cores.direct"}),
    always=frozenset({"complexity", "two worlds, their numbers", "every update", "Adam's first step"}),
    claims={
        "angles": exact("<=", c.angles, lambda i: i.angle, tight=True),
        "noise, probability": c.share(lambda i: i.redrawn[0] > i.allowed),
        "angle, probability": c.share(lambda i: c.missed(i, i.right_side)),
        "noise of one column, probability": c.tail(c.one_column),
        "Gaussian inputs, strength": c.tail(c.weak_inputs, c.not_empty),
        "Gaussian inputs, task": c.share(lambda i: c.loud_inputs(i, np.sqrt(c.rank(i)))),
        "complexity": c.complexity(lambda i: sharp(c.energy(i) / (np.sqrt(i.k) * i.b))),
        "response": c.response(lambda i, rho: i.beta * rho * sharp(rho) ** 2, along=True),
        "naive response": exact(">=", c.naive, lambda i: i.beta * (1 - i.hidden_by / i.b), scale=lambda i: i.beta),
        "whole response": c.response(lambda i, rho: i.beta * rho * sharp(rho), along=False),
        "risk, parts": exact("=", c.risk, c.parts, scale=c.scale_of_risk),
        "risk": exact("<=", c.risk, c.risk_bound, scale=c.scale_of_risk),
        "task lost": c.lost(lambda i, s: float(np.linalg.norm(i.u @ i.T @ i.S_t) + s * np.linalg.norm(i.T @ i.S_t, 2))),
        "two worlds, one law": exact("=", c.apart, lambda i: 0.0),
        "two worlds, their numbers": exact("=", c.numbers, lambda i: 0.0),
        "one answer": exact(">=", lambda i: max(c.errors(i)), lambda i: sharp(i.task / i.b), tight=True),
        "a coin": exact(">=", lambda i: sum(c.errors(i)) / 2, lambda i: i.task / i.b),
        "told v": c.hidden(0, lambda m, q, a: (1 + a * a) / (m + a * a)),
        "told v, the best": exact("<=", lambda i: told_v(len(i.u), i.a), lambda i: (1 + i.a**2) / (len(i.u) + i.a**2)),
        "told nothing": c.hidden(1, told_nothing),
        "told nothing, second moment": exact(
            "<=",
            lambda i: min(1.0, 1 / len(i.u) + np.sqrt(second_moment(i.sizes[0], i.sizes[1], i.a))),
            lambda i: told_nothing(i.sizes[0], i.sizes[1], i.a),
        ),
        "every update": r.certificate(lambda C, u, s, q: float(np.linalg.norm(C @ q)) / s),
        "descent": r.descent(constant),
        "Adam's entries": exact("<=", r.entries, lambda i: float(adam_steps(i.run.steps).sum()), tight=True),
        "Adam": exact("<=", lambda i: r.off_factor(i, "adam"), r.through_entries),
        "Adam's first step": r.first_step(lambda i: np.sqrt(max(1 - np.abs(i.u).sum() ** 2 / len(i.u), 0.0))),
        "curation": r.taught(lambda cores: cores.weight()),
        "curation, rank one": exact(
            "=", r.not_explained, lambda i: 0.0, scale=lambda i: float(np.linalg.norm(i.cores.learnt()))
        ),
        "curation, strength": exact("<=", lambda i: i.cores.ratio(), lambda i: i.cores.limit(), tight=True),
    },
    extremal=extremal,
    violators=VIOLATORS,
    regimes={"the sample border": lambda i: np.sqrt(i.G.size) / i.a**2 - 1},
    search=Search("angles", 4, _ratio, _lined, restarts=1, steps=60),
    route=Route("angles", alternating, 1e-8, "measured", ("Instance.Y",)),
    draws=132,
)
