"""who-wins (identity). The excess risk of every method in one layer at full rank, and what follows from it.

Statement. ‖a‖_t² = a Sigma_t aᵀ; w = P_u (P_u H P_u)⁺ P_u H u (write-removal), ell (read-removal):

    naive       beta² ‖vᵀ‖_t²                          ablation        ‖(W0 + T) v‖² ‖vᵀ‖_t²
    post-hoc    write ‖uᵀT‖_t², read ‖T v‖² ‖vᵀ‖_t²    write GRASP     ‖uᵀT‖_t² + ‖w‖² ‖uᵀM‖_t²
    read GRASP  ‖T v (ell − vᵀ) + beta u ell‖_t²       CAFT + ablation ‖(W0 + T) v (ell − vᵀ) + beta u ell‖_t²
    CAFT        ‖T v (ell − vᵀ) + (beta u + W0 v) ell‖_t² (D v = 0)
    both GRASP  ‖uᵀT‖_t² + ‖P_u T v (ell − vᵀ) + w uᵀM (P_v + v ell)‖_t²
    deletion    ‖beta u vᵀ − ŝ₁ û v̂ᵀ‖_t², also of compensation with M's own triple

Write side: no update with uᵀD = 0 has less risk than post-hoc projection, ‖uᵀT‖_t², whatever H, Sigma and Sigma_t.
Read side: none with D v = 0 has less than ‖T v‖²/(vᵀ Sigma_t⁻¹ v), which neither GRASP nor post-hoc reaches in general.
If nothing shifts (Sigma_t = Sigma) every read-side row is a kappa + b L, kappa = 1/(vᵀ Sigma⁻¹ v), L = ell Sigma ellᵀ
(``regimes.read_side``): post-hoc − GRASP = (‖T v‖² − beta²) L and GRASP − naive = (‖T v‖² − beta²) kappa. So **read
GRASP lies between naive and post-hoc read**, never the only best of the three; for L > 0 it beats post-hoc iff
beta < ‖T v‖, and then naive beats both. Under a shift none of this holds. Trained projection has to earn its place by
such a shift, by rank (posthoc-rank-gain) or by depth (rerouting-share).

Assumes: Sigma ≻ 0; H ≻ 0; Sigma_t ≻ 0.

Proof (here). Insert the solutions; errors along u and in u^⊥ are orthogonal. Write floor: uᵀ(D − T) = −uᵀT is fixed.
Read floor: (D − T) v = −T v is fixed, and the least ‖E‖_t² with E v = e is ‖e‖²/(vᵀ Sigma_t⁻¹ v) (Lagrange). No shift:
(ell − vᵀ) Sigma ellᵀ = 0 (read-removal); naive, GRASP, post-hoc have (a, b) = (beta², beta²), (‖Tv‖², beta²),
(‖Tv‖², ‖Tv‖²). ∎
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.regimes import excess_risk, explained, read_side, risk_table, winner
from ...linear.solutions import SOLUTIONS, compensated, own_component, write_leak
from ..shared.maps import definite, descend, exact_samples, map_risk, singular
from ..statement import Claim, Relation, Route, Sides, Statement, exact

TRAINED = ("naive", "write GRASP", "read GRASP", "both GRASP", "CAFT", "CAFT + ablation")
READ_SIDE = ("naive", "read GRASP", "post-hoc read", "CAFT", "ablation", "CAFT + ablation")


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem and two competitors: D_u with uᵀD_u = 0, D_v with D_v v = 0."""

    problem: LinearProblem
    D_u: Float[ndarray, "m d"]
    D_v: Float[ndarray, "m d"]

    def unshifted(self) -> LinearProblem:
        """The same problem with Sigma_t = Sigma."""
        return self._unshifted

    @cached_property
    def _unshifted(self) -> LinearProblem:
        return replace(self.problem, Sigma_t=self.problem.Sigma)

    def risk(self, name: str, p: LinearProblem) -> float:
        """Excess risk of this method's map on a problem; several claims ask for it."""
        if (name, p) not in self._risks:
            self._risks[name, p] = excess_risk(p, SOLUTIONS[name](p))
        return self._risks[name, p]

    @cached_property
    def _risks(self) -> dict[tuple[str, LinearProblem], float]:
        return {}

    @cached_property
    def table(self) -> dict[str, float]:
        """What theory says of the problem's own risks."""
        return risk_table(self.problem)


def draw(rng: np.random.Generator, smallest: int = 2) -> Instance:
    """Competitors near the best ones; in a third beta is near ‖T v‖, where the read side is closest."""
    p = draw_problem(rng, sizes=(smallest, 6), metric=rng.random() < 0.7)
    close = float(np.linalg.norm(p.T @ p.v) * np.exp(0.2 * rng.standard_normal()))
    p = replace(p, W0=p.W0 * np.exp(rng.uniform(-2, 1)), beta=close if rng.random() < 0.33 else p.beta)
    return _with_competitors(p, rng, float(np.exp(rng.uniform(-6, 0))))


def _with_competitors(p: LinearProblem, rng: np.random.Generator, size: float) -> Instance:
    """The best updates on either side, moved by ``size`` inside their constraint."""
    best = p.T @ (p.P_v + np.outer(p.v, replace(p, Sigma=p.Sigma_t).ell))
    moved = size * rng.standard_normal(p.shape)
    return Instance(p, p.P_u @ (p.T + moved), best + moved @ p.P_v)


def extremal(rng: np.random.Generator) -> Instance:
    """The best competitors; ‖T v‖ = beta, where naive, GRASP and post-hoc read are equal; H u ∥ u."""
    p = draw_problem(rng, metric=True)
    p = replace(p, H=p.P_u @ p.H @ p.P_u + np.outer(p.u, p.u), beta=float(np.linalg.norm(p.T @ p.v)))
    return _with_competitors(p, rng, 0.0)


def scale(p: LinearProblem) -> float:
    size = float(np.sum(p.M**2) + np.sum(p.W0**2)) * (1 + float(np.sum(p.ell**2)))
    return size * float(np.linalg.norm(p.Sigma_t, 2) * (1 + np.sum(write_leak(p) ** 2)))


def risk_claim(name: str, formula=None, of=None) -> Claim[Instance]:
    """Excess risk of the method's map against its row of the table, or a formula on the problem that ``of`` makes."""

    def sides(i: Instance) -> Sides:
        p = of(i) if of else i.problem
        bound = formula(p) if formula else i.table[name]
        return Sides.exact(i.risk(name, p), bound, scale=scale(p))

    return Claim("=", sides)


def claim(relation: Relation, measured, bound) -> Claim[Instance]:
    """Inequality between risks, attained."""
    return exact(relation, measured, bound, scale=lambda i: scale(i.problem) + scale(i.unshifted()), tight=True)


def between(relation: Relation, extreme, of=Instance.unshifted) -> Claim[Instance]:
    """Read GRASP against ``extreme`` of (naive, post-hoc read), on the problem ``of`` makes; risks of the maps."""

    return claim(
        relation,
        lambda i: i.risk("read GRASP", of(i)),
        lambda i: extreme([i.risk("naive", of(i)), i.risk("post-hoc read", of(i))]),
    )


def read_floor(i: Instance) -> float:
    """‖T v‖²/(vᵀ Sigma_t⁻¹ v)."""
    inverse, v = np.linalg.pinv(i.problem.Sigma_t, 1e-10, hermitian=True), i.problem.v
    return float(np.sum((i.problem.T @ v) ** 2) / (v @ inverse @ v))


def apart(worse: str, better: str, share: int) -> Claim[Instance]:
    """No shift: R(worse) − R(better), risks of the maps, against (‖T v‖² − beta²) of (kappa, L)[share]."""

    def sides(i: Instance) -> Sides:
        p = i.unshifted()
        risks = [i.risk(name, p) for name in (worse, better)]
        bound = (float(np.sum((p.T @ p.v) ** 2)) - p.beta**2) * explained(p)[share]
        return Sides.exact(risks[0] - risks[1], bound, scale=scale(p))

    return Claim("=", sides)


def summed(i: Instance) -> Sides:
    """Risks of all trained methods, those of the maps against those of the table."""
    p = i.problem
    found, stated = sum(i.risk(name, p) for name in TRAINED), sum(i.table[name] for name in TRAINED)
    return Sides.exact(found, stated, scale=scale(p))


def deletion(bound) -> Claim[Instance]:
    """Risk of the compensated method with M's own triple."""
    return exact(
        "=",
        lambda i: excess_risk(i.problem, compensated(i.problem, own_component(i.problem.M))),
        bound,
        scale=lambda i: scale(i.problem),
    )


def wins(choice) -> Claim[Instance]:
    """The method that is chosen has the least risk of all."""
    return exact(
        "=",
        lambda i: i.risk(choice(i), i.problem),
        lambda i: min(i.risk(name, i.problem) for name in SOLUTIONS),
        scale=lambda i: scale(i.problem),
    )


def simulated(i: Instance) -> float:
    """Mean squared errors of all trained methods at deployment, summed, by descent on samples."""
    p, m, d = i.problem, len(i.problem.u), len(i.problem.v)
    P_u, P_v = np.eye(m) - np.outer(p.u, p.u), np.eye(d) - np.outer(p.v, p.v)
    X, X_t = (exact_samples(np.random.default_rng(0), Sigma, 2 * d) for Sigma in (p.Sigma, p.Sigma_t))
    Y, Y_t, ablated = p.T @ X + p.beta * np.outer(p.u, p.v @ X), p.T @ X_t, P_v @ X
    D = descend(p.H, ablated, Y + p.W0 @ (X - ablated))
    sides = ((None, None), (P_u, None), (None, P_v), (P_u, P_v))
    outputs = [D @ X_t, (p.W0 + D) @ P_v @ X_t - p.W0 @ X_t]
    outputs += [descend(p.H, X, Y, left=L, right=R) @ X_t for L, R in sides]
    return sum(float(np.sum((y - Y_t) ** 2)) / X_t.shape[1] for y in outputs)


STATEMENT = Statement(
    key="who-wins",
    kind="identity",
    law="the risk table; post-hoc write is never beaten on its side; read GRASP lies between naive and post-hoc read",
    basis="proved here",
    assumptions={
        "Sigma ≻ 0": lambda i: definite(i.problem.Sigma, len(i.problem.v)),
        "H ≻ 0": lambda i: definite(i.problem.H, len(i.problem.u)),
        "Sigma_t ≻ 0": lambda i: definite(i.problem.Sigma_t, len(i.problem.v)),
    },
    draw=draw,
    claims={
        **{name: risk_claim(name) for name in SOLUTIONS},
        **{f"{n}, no shift": risk_claim(n, lambda p, n=n: read_side(p)[n], Instance.unshifted) for n in READ_SIDE},
        "post-hoc less read GRASP, no shift": apart("post-hoc read", "read GRASP", 1),
        "read GRASP less naive, no shift": apart("read GRASP", "naive", 0),
        "all trained, summed": Claim("=", summed),
        "compensated = deletion": deletion(lambda i: i.table["deletion"]),
        "write floor": claim(
            ">=",
            lambda i: excess_risk(i.problem, i.D_u),
            lambda i: map_risk(i.problem, i.problem.u[None] @ i.problem.T),
        ),
        "read floor": claim(">=", lambda i: excess_risk(i.problem, i.D_v), read_floor),
        "not above both": between("<=", max),
        "not below both": between(">=", min),
        "winner": wins(lambda i: winner(i.problem)),
    },
    extremal=extremal,
    violators={
        "Sigma ≻ 0": lambda rng: singular(draw(rng), rng, "Sigma"),
        "H ≻ 0": lambda rng: singular(draw(rng, 3), rng, "H", "u"),
        "Sigma_t ≻ 0": lambda rng: _with_competitors(singular(draw(rng), rng, "Sigma_t").problem, rng, 0.0),
    },
    # where naive, read GRASP and post-hoc read are equal without a shift
    regimes={"beta = ‖T v‖": lambda i: i.problem.beta / float(np.linalg.norm(i.problem.T @ i.problem.v)) - 1},
    route=Route("all trained, summed", simulated, lambda i: 1e-10 * scale(i.problem)),
    draws=80,
)
