"""minimax-removal (tight + converse). How much of a component to remove when some of it may be the task's.

Statement. M = T + beta u vᵀ, ‖T‖₂ <= tau < s, (s, û, v̂) the top triple of M. A removal leaves D = M − N; what it costs
is ‖D − T‖_F = ‖N − beta u vᵀ‖_F, the excess risk at Sigma = I. With κ = (s² − tau²)/(beta (2s − beta)), for n >= 0,

    overlap    (ûᵀu)(v̂ᵀv) >= κ, and κ >= 1 − (tau/s)² whatever beta is;
    worst      ‖n û v̂ᵀ − beta u vᵀ‖_F² <= n² + beta² − 2 n beta κ,

both attained: the best amount is n = beta κ = (s² − tau²)/(2s − beta), worst error² beta² − n²; deletion, n = s, costs
(s − n)² more. For unknown beta the best amount is that of the beta* in [s, s + tau] with beta*(2s − beta*)³ =
(s² − tau²)²: n* = √(beta*(2s − beta*)) = s (1 − ½(tau/s)⁴ + …), worst error² 2 beta*(beta* − s). So what makes
deletion wrong is knowing beta; without it deletion is minimax to fourth order.

  nobody     no map of (M, beta) to N has a worst error² below beta² (1 − κ² − (1 − κ)²/k) on M = s û v̂ᵀ +
             |s − beta| L Rᵀ, L, R with k orthonormal columns: removing n û v̂ᵀ is minimax as k → ∞. Attained, for
             beta < s by a removal that *raises* the other values by beta (1 − κ)/k: not all of them are shrunk.
  diagonal   whatever M is, some minimax D has M's singular vectors, for losses convex and unitarily invariant in D − T.
  operator   for unknown beta and s₂ <= tau the minimax ‖D − T‖₂ is tau, and D = 0 attains it: no removal is better.

Assumes: the asserted tau is at least ‖T‖; tau < s.

Proof (here). *Overlap*: p, q the smaller and the larger of ûᵀu, v̂ᵀv in size, signed so that q > 0, x = p q. From
‖T v̂‖ <= tau, T v̂ = s û − beta (v̂ᵀv) u, and its mirror image: s² + beta² q² − 2 s beta x <= tau² and q² >= x give
x beta (2s − beta) >= s² − tau²; beta <= s + tau < 2s (Weyl), and beta (2s − beta) <= s². *Worst*: expand the square.
Attained: u = p û + r l, v = p v̂ ∓ r r', p² = κ, r² = 1 − κ, and s₂ = |s − beta| along l r'ᵀ (− for beta < s)
make T tau times an orthogonal
matrix. *Unknown beta*: for n*, h(beta) = n*² + beta² − 2 n*(s² − tau²)/(2s − beta) rises up to beta* and falls after it
right of its only minimum (beta (2s − beta)² falls right of 2s/3 < s), and at the ends it is (n* ∓ …)²: h(s − tau) =
(s − tau − n*)² <= (s + tau − n*)² = h(s + tau) as n* <= s. Another n does worse at beta*: n² + beta*² − 2 n n*.
*Nobody*: u, v with (l, r') = ±(L e_j, R e_j) explain one M; over these 2k worlds the mean of u vᵀ is
W = κ û v̂ᵀ ∓ (1 − κ)/k L Rᵀ, and a maximum is at least the mean ‖N − beta W‖² + beta² (1 − ‖W‖²); attained by beta W.
*Diagonal*: for M = U S Vᵀ and signs ε, U ε Uᵀ(·)V ε Vᵀ maps explanations to explanations; averaging D over ε keeps
its diagonal in that basis, and a convex invariant worst loss does not grow. *Operator*: ±tau û v̂ᵀ + (M − s û v̂ᵀ) are
explanations 2 tau apart; ‖0 − T‖ <= tau. ∎

Conjecture: for a given M, with its own s₂ <= tau and beta known, the minimax removal, which is beta times the point of
least norm in the hull of {u vᵀ : ‖M − beta u vᵀ‖₂ <= tau}, has a closed form; for unknown beta too. Measured for values
(1.15, 0.1), beta = 1, tau = 0.3: worst error² 0.0912 for D = (0.198, 0.148), 0.0936 for n = beta κ (0.1011 is what it
may cost over all s₂), 0.1327 for deletion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.shrinkage import hardest_strength, removed_amount
from ..statement import Border, Claim, Relation, Route, Search, Sides, Statement, exact
from . import instances as made
from .instances import Instance


def overlap(bound: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    return exact(">=", lambda i: i.overlap, bound, tight=tight)


def error(amount: Callable[[Instance], float], bound: Callable[[Instance], float], *, tight: bool = False):
    """‖n û v̂ᵀ − beta u vᵀ‖_F²."""

    def sides(i: Instance) -> Sides:
        u, v = i.top[0], i.top[2]
        gap = amount(i) * np.outer(u, v) - i.beta * np.outer(i.u, i.v)
        return Sides.exact(float(np.sum(gap**2)), bound(i), scale=i.beta**2 + i.s**2)

    return Claim("<=", sides, tight)


def nobody(bound: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    """The worst error² of the instance's removal over the worlds that show one M."""
    return exact(">=", Instance.worst_removal, bound, scale=lambda i: i.beta**2, tight=tight)


def averaged(relation: Relation, factor: float, *, tight: bool = False) -> Claim[Instance]:
    """Worst ‖D − T‖₂ over T turned by all signs, for D averaged over them, against that of D."""

    def sides(i: Instance) -> Sides:
        U, S, Vh = np.linalg.svd(i.M, full_matrices=False)
        D, T = U.T @ i.D @ Vh.T, U.T @ i.T @ Vh.T
        turns = [np.outer(e, e) for e in np.array(list(product((1, -1), repeat=len(S))))]
        mean = np.diag(np.diag(D))
        one, all_ = (max(np.linalg.norm(X - turn * T, 2) for turn in turns) for X in (mean, D))
        return Sides.exact(float(one), factor * float(all_), scale=i.s)

    return Claim(relation, sides, tight)


def operator(bound: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    """The worst ‖D − T‖₂ over the two explanations ±tau û v̂ᵀ + the rest."""

    def sides(i: Instance) -> Sides:
        factor = np.outer(i.top[0], i.top[2])
        rest = i.M - i.s * factor
        worst = max(np.linalg.norm(i.D - rest - sign * i.tau * factor, 2) for sign in (1, -1))
        return Sides.exact(float(worst), bound(i), scale=i.s)

    return Claim(">=", sides, tight)


def known(i: Instance) -> float:
    """The best amount for known beta."""
    return removed_amount(i.s, i.tau, beta=i.beta) if i.tau < i.s else (i.s**2 - i.tau**2) / (2 * i.s - i.beta)


def unknown(i: Instance) -> float:
    return removed_amount(i.s, i.tau) if i.tau < i.s else 0.0


def unknown_cost(i: Instance) -> float:
    beta = hardest_strength(i.s, min(i.tau, i.s))
    return 2 * beta * (beta - i.s)


def lower(i: Instance) -> float:
    """What nobody does better than on the worlds."""
    return i.beta**2 * (1 - i.kappa**2 - (1 - i.kappa) ** 2 / i.left.shape[1])


CLAIMS: dict[str, Claim[Instance]] = {
    "overlap": overlap(lambda i: i.kappa, tight=True),
    "overlap, any strength": overlap(lambda i: 1 - (i.tau / i.s) ** 2),
    "worst": error(lambda i: i.n, lambda i: i.n**2 + i.beta**2 - 2 * i.n * i.beta * i.kappa, tight=True),
    "known strength": error(known, lambda i: i.beta**2 - known(i) ** 2, tight=True),
    "unknown strength": error(unknown, unknown_cost, tight=True),
    "nobody": nobody(lower, tight=True),
    "diagonal": averaged("<=", 1.0, tight=True),
    "operator": operator(lambda i: i.tau, tight=True),
}


def by_search(i: Instance) -> float:
    """The least worst error² over amounts, for unknown beta: a grid of strengths and a search in n."""
    from scipy.optimize import minimize_scalar

    s = float(np.linalg.norm(i.T + i.beta * np.outer(i.u, i.v), 2))
    beta = np.linspace(s - i.tau, s + i.tau, 20_001)
    shared = 2 * (s**2 - i.tau**2) / (2 * s - beta)
    found: Any = minimize_scalar(lambda n: np.max(n * n + beta**2 - n * shared), bounds=(0, 2 * s), method="bounded")
    return float(found.fun)


def _ratio(x):
    """κ over the overlap for 2 x 2 M, u = v = e₁, T = 0.45 X/‖X‖₂, beta = 1.2; other coordinates are rotations."""
    import torch

    X = x.reshape(2, 2)
    M = 0.45 * X / torch.linalg.svdvals(X)[0] + torch.diag(torch.tensor([1.2, 0.0], dtype=x.dtype))
    U, S, Vh = torch.linalg.svd(M)
    return (S[0] ** 2 - 0.45**2) / (1.2 * (2 * S[0] - 1.2)) / (U[0, 0] * Vh[0, 0])


def _searched(x: Float[ndarray, " 4"]) -> Instance:
    X = x.reshape(2, 2)
    base, e = made.extremal(np.random.default_rng(0)), np.eye(2)[0]
    return replace(base, T=0.45 * X / np.linalg.norm(X, 2), u=e, v=e, beta=1.2, tau=0.45, D=np.zeros((2, 2)))


STATEMENT = Statement(
    key="minimax-removal",
    kind="tight",
    law="remove (s² − tau²)/(2s − beta) of the top component, not s; with beta unknown s is best up to ½(tau/s)⁴",
    basis="proved here",
    assumptions={
        "the asserted tau is at least ‖T‖": lambda i: i.tau >= (1 - 1e-12) * float(np.linalg.norm(i.T, 2)),
        "tau < s": Border(lambda i: i.s / i.tau - 1),
    },
    draw=made.draw,
    claims=CLAIMS,
    extremal=made.extremal,
    violators={
        "the asserted tau is at least ‖T‖": lambda rng: replace(i := made.extremal(rng), tau=0.7 * i.tau),
        "tau < s": made.beyond,
    },
    search=Search("overlap", 4, _ratio, _searched, restarts=2, steps=200),
    route=Route("unknown strength", by_search, lambda i: 1e-6 * i.beta**2),
)
