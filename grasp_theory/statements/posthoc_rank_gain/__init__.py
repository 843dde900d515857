"""posthoc-rank-gain (tight). What training behind the projection gains over projecting afterwards, at rank r.

Statement. X = M S with S Sᵀ = Sigma. Write side, H = I, Sigma_t = Sigma: the naive rank-r solution is [X]_r S⁻¹,
the one trained behind the projection [P_u X]_r S⁻¹, and for every T, beta and Sigma

    0 <= R(P_u naive_r) − R(GRASP_r) <= σ_{r+1}(M Sigma^½)² <= σ_r(P_u T Sigma^½)²

(R excess risk, ‖(D − T) Sigma^½‖_F²): at most the first direction that the naive run drops, which its own spectrum at
a higher rank shows. The ends are attained. With T ⟂ (u, v) (uᵀT = 0, T v = 0) and Sigma = I the gain is σ_r(T)² if
beta > σ_r(T), because the shortcut then takes one of the r ranks, and 0 if beta < σ_r(T); under another moment Sigma_d
at deployment the former becomes σ_r(T)² · v_rᵀ Sigma_d v_r. It is σ_r that beta has to exceed, by however little, not
σ_1: a shortcut much weaker than the task costs a rank as soon as it displaces the last direction kept. At
beta = σ_r(T) the naive solution is not unique, and the gain depends on which is taken.

Assumes: Sigma_t = Sigma; H = I; beta ≠ σ_r(P_u T P_v).

Proof (here). uᵀ(D − T) = −uᵀT for both, so the risks differ by ‖P_u(X − [X]_r)‖² − ‖P_u X − [P_u X]_r‖². Left:
P_u[X]_r has rank <= r, the second term is the smallest over such. Right: ‖P_u(X − [X]_r)‖² <= Σ_{i>r} σ_i(X)² <=
σ_{r+1}(X)² + Σ_{i>r} σ_i(P_u X)², as X − P_u X has rank one (Weyl: σ_{i+1}(X) <= σ_i(P_u X) + σ_2(X − P_u X)), and the
last sum is the second term; once more σ_{r+1}(X) <= σ_r(P_u X), and P_u X = P_u T S. With T ⟂ (u, v) and Sigma = I the
triples of M are those of T and (u, v, beta): [M]_r keeps (u, v) and drops (u_r, v_r) iff beta > σ_r(T). ∎

Sigma may be singular: S⁻¹ is then a pseudo-inverse and what it leaves open has no weight in R. With Sigma_t ≠ Sigma
post-hoc projection can win, and so it can under another metric H of the training loss, where GRASP leaks
(write-removal): the violators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import psd_root
from ..shared.draws import Planted, covariance, log_uniform, orthonormal, unit
from ..shared.maps import truncated
from ..statement import Claim, Relation, Route, Search, Sides, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """T, beta u vᵀ, second moments Sigma (training), Sigma_t (deployment), metric H of the training loss, and rank r.

    Sigma_d : the deployment moment of the exact value, where T is replaced by P_u T P_v and Sigma by I.
    """

    Sigma: Float[ndarray, "d d"]
    Sigma_t: Float[ndarray, "d d"]
    Sigma_d: Float[ndarray, "d d"]
    H: Float[ndarray, "m m"]
    r: int

    def orthogonal(self) -> Instance:
        """The same with T ⟂ (u, v), Sigma = I and Sigma_t = Sigma_d."""
        T = self.T - np.outer(self.u, self.u @ self.T)
        T = T - np.outer(T @ self.v, self.v)
        return replace(self, T=T, Sigma=np.eye(len(self.v)), Sigma_t=self.Sigma_d)

    def risks(self) -> tuple[float, float]:
        """(R(P_u naive_r), R(GRASP_r)) under Sigma_t; both solutions are K⁺ [K⁺ P H M S]_r S⁻¹, K = (P H P)^½."""
        P_u, S = np.eye(len(self.u)) - np.outer(self.u, self.u), psd_root(self.Sigma)
        X, S_inverse = self.M @ S, np.linalg.pinv(S, rcond=1e-6)

        def fit(P: Float[ndarray, "m m"]) -> Float[ndarray, "m d"]:
            K = np.linalg.pinv(psd_root(P @ self.H @ P), rcond=1e-6)
            return K @ truncated(K @ P @ self.H @ X, self.r) @ S_inverse

        return self.risk(P_u @ fit(np.eye(len(self.u)))), self.risk(fit(P_u))

    def risk(self, D: Float[ndarray, "m d"]) -> float:
        """‖(D − T) Sigma_t^½‖_F²."""
        return float(np.trace((D - self.T) @ self.Sigma_t @ (D - self.T).T))

    def gain(self) -> float:
        """R(P_u naive_r) − R(GRASP_r)."""
        post, grasp = self.risks()
        return post - grasp

    @property
    def scale(self) -> float:
        """‖M Sigma_t^½‖_F², against which risks round."""
        return float(np.trace(self.M @ self.Sigma_t @ self.M.T))

    def dropped(self) -> float:
        """σ_{r+1}(M Sigma^½)."""
        X = self.M @ psd_root(self.Sigma)
        return float(np.append(np.linalg.svd(X, compute_uv=False), 0.0)[min(self.r, min(X.shape))])

    @property
    def far_from_tie(self) -> float:
        """beta/σ_r(P_u T P_v) − 1; ∞ where there is no such value."""
        value = self.orthogonal().sigma(self.r)
        return self.beta / value - 1 if value else float("inf")

    def sigma(self, i: int, *, whitened: bool = True) -> float:
        """σ_i(P_u T Sigma^½), or of P_u T; 0 beyond the last."""
        X = self.T - np.outer(self.u, self.u @ self.T)
        values = np.linalg.svd(X @ psd_root(self.Sigma) if whitened else X, compute_uv=False)
        return float(values[i - 1]) if i <= len(values) else 0.0


def draw(rng: np.random.Generator) -> Instance:
    """Sizes, rank, spread drawn; a third with T ⟂ (u, v), a fifth with singular Sigma.

    beta around σ_r(T), in a third within 20%, down to 0.2%, of the tie with σ_r(P_u T P_v).
    """
    m, d = (int(n) for n in rng.integers(3, 8, 2))
    u, v, r = unit(rng, m), unit(rng, d), int(rng.integers(1, min(m, d)))
    T = rng.standard_normal((m, d)) * log_uniform(rng, 0.1, 3)
    Sigma = covariance(rng, d, condition=log_uniform(rng, 1, 100))
    if rng.random() < 0.2:
        Q = orthonormal(rng, d, d - 1)
        Sigma = Q @ Q.T @ Sigma @ Q @ Q.T
    beta = float(np.linalg.svd(T, compute_uv=False)[r - 1]) * log_uniform(rng, 0.1, 30)
    i = Instance(T, u, v, beta, Sigma, Sigma, covariance(rng, d), np.eye(m), r)
    if rng.random() < 1 / 3:
        distance = rng.choice([-1, 1]) * log_uniform(rng, 0.002, 0.2)
        i = replace(i, beta=(1 + distance) * i.orthogonal().sigma(r))
    if rng.random() < 1 / 3:
        i = replace(i.orthogonal(), Sigma_t=np.eye(d))
    return i


def extremal(rng: np.random.Generator) -> Instance:
    """T ⟂ (u, v), Sigma = I, beta below σ_r(T): no gain, the left end (the search finds the right one)."""
    T, u, v, eye = rng.standard_normal((6, 5)), unit(rng, 6), unit(rng, 5), np.eye(5)
    i = Instance(T, u, v, 0.0, eye, eye, covariance(rng, 5), np.eye(6), 2)
    T = i.orthogonal().T
    return replace(i, T=T, beta=0.5 * float(np.linalg.svd(T, compute_uv=False)[1]))


def losing(change):
    """The first draw, so changed, on which post-hoc projection wins."""

    def violate(rng: np.random.Generator) -> Instance:
        while (i := change(draw(rng), rng)).gain() >= -0.01 * i.scale or _tie(i):
            pass
        return i

    return violate


def at_a_tie(rng: np.random.Generator) -> Instance:
    """beta = σ_r(P_u T P_v): rounding decides what of the two is kept; the first draw with another gain than stated."""
    while True:
        i = replace(i := draw(rng), beta=i.orthogonal().sigma(i.r), Sigma_t=i.Sigma)
        s = exact_gain(i)
        if abs(s.measured - s.bound) > 1e-3 * i.beta**2:
            return i


def _tie(i: Instance) -> bool:
    return abs(i.far_from_tie) <= 1e-3


def exact_gain(i: Instance) -> Sides:
    """The gain with T ⟂ (u, v) and Sigma = I, against σ_r(T)² v_rᵀ Sigma_d v_r or 0."""
    return gain_of(i, lambda s, beta, r: s[r - 1] ** 2 if beta > s[r - 1] else 0.0)


def gain_of(i: Instance, value) -> Sides:
    """The same against value(σ, beta, r) v_rᵀ Sigma_d v_r."""
    o = i.orthogonal()
    _, s, Vh = np.linalg.svd(o.T)
    return Sides.exact(o.gain(), value(s, o.beta, o.r) * (Vh[o.r - 1] @ o.Sigma_t @ Vh[o.r - 1]), scale=o.scale)


def alternating(i: Instance) -> float:
    """The gain by alternating least squares on the factors B, A, with B projected for GRASP."""
    M, rng = i.T + i.beta * np.outer(i.u, i.v), np.random.default_rng(0)
    P_u = np.eye(len(i.u)) - np.outer(i.u, i.u)

    def fit(P: Float[ndarray, "m m"]) -> Float[ndarray, "m d"]:
        A, Q = rng.standard_normal((i.r, len(i.v))) @ i.Sigma, np.zeros((len(i.u), i.r))
        for _ in range(20000):
            Q = np.linalg.qr(P @ M @ i.Sigma @ A.T)[0]
            A, before = Q.T @ P @ M, A  # least squares for A given B = Q; Sigma cancels
            if np.abs(A - before).max() <= 1e-14 * np.abs(A).max():
                break
        return P @ Q @ A

    found = [P_u @ fit(np.eye(len(i.u))) - i.T, fit(P_u) - i.T]
    return float(np.sum(found[0] @ i.Sigma_t * found[0]) - np.sum(found[1] @ i.Sigma_t * found[1]))


def gain(bound, relation: Relation = "<=", *, tight: bool = False) -> Claim[Instance]:
    return exact(relation, Instance.gain, bound, scale=lambda i: i.scale, tight=tight)


def _ratio(x):
    """Gain over σ_2(M)² for 3 x 3 T, r = 1, Sigma = I, u = e₁, v = e₁ (other coordinates are rotations)."""
    import torch

    T = x.reshape(3, 3)
    M = T + 2.0 * torch.diag(torch.tensor([1.0, 0.0, 0.0], dtype=x.dtype))
    U, s, Vh = torch.linalg.svd(M)
    left = (M - s[0] * torch.outer(U[:, 0], Vh[0]))[1:]
    return ((left**2).sum() - torch.linalg.svdvals(M[1:])[1] ** 2) / s[1] ** 2


def _searched(x: Float[ndarray, " 9"]) -> Instance:
    e, eye = np.eye(3)[0], np.eye(3)
    return Instance(x.reshape(3, 3), e, e, 2.0, eye, eye, eye, eye, 1)


STATEMENT = Statement(
    key="posthoc-rank-gain",
    kind="tight",
    law="0 <= R(P_u naive_r) − R(GRASP_r) <= σ_{r+1}(M Sigma^½)²; T ⟂ (u, v): σ_r(T)² iff beta > σ_r(T), else 0",
    basis="proved here",
    assumptions={
        "Sigma_t = Sigma": lambda i: np.array_equal(i.Sigma, i.Sigma_t),
        "H = I": lambda i: np.array_equal(i.H, np.eye(len(i.u))),
        "beta ≠ σ_r(P_u T P_v)": lambda i: not _tie(i),
    },
    draw=draw,
    fixed=frozenset({"H"}),
    claims={
        "never a loss": Claim("<=", lambda i: Sides.exact(*i.risks()[::-1], scale=i.scale), tight=True),
        "at most the first one dropped": gain(lambda i: i.dropped() ** 2, tight=True),
        "at most one direction": gain(lambda i: i.sigma(i.r) ** 2),
        "exact value": Claim("=", exact_gain),
    },
    extremal=extremal,
    violators={
        # along one direction of the task that naive_r keeps and GRASP_r drops
        "Sigma_t = Sigma": losing(
            lambda i, rng: replace(i, Sigma_t=50 * np.outer(x := unit(rng, len(i.v)), x) + 1e-3 * np.eye(len(i.v)))
        ),
        # what GRASP leaks costs more than the rank that it saves
        "H = I": losing(lambda i, rng: replace(i, H=covariance(rng, len(i.u), condition=30.0))),
        "beta ≠ σ_r(P_u T P_v)": at_a_tie,
    },
    search=Search("at most the first one dropped", 9, _ratio, _searched, restarts=2, steps=200),
    regimes={"beta = σ_r(P_u T P_v)": lambda i: i.far_from_tie},
    route=Route("at most one direction", alternating, lambda i: 1e-10 * i.scale, "measured"),
)
