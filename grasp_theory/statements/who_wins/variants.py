"""False variants of who-wins: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.problem import LinearProblem
from ...linear.regimes import excess_risk, explained, read_side, risk_table, winner
from ...linear.solutions import write_leak
from ..shared.maps import map_risk
from ..statement import Claim
from . import Instance, between, claim, deletion, read_floor, risk_claim, wins


def without_leak(p: LinearProblem) -> float:
    """‖T v‖² ‖vᵀ‖_t²."""
    return float(np.sum((p.T @ p.v) ** 2) * (p.v @ p.Sigma_t @ p.v))


def _r(p: LinearProblem, *terms: np.ndarray) -> float:
    """Sum of the risks of these errors, rows or matrices."""
    return sum(map_risk(p, np.atleast_2d(E)) for E in terms)


def _write(p: LinearProblem, row: np.ndarray) -> float:
    """Write GRASP's risk with that row for uᵀM."""
    return _r(p, p.u @ p.T) + float(np.sum(write_leak(p) ** 2)) * _r(p, row)


def _read(p: LinearProblem) -> float:
    return _r(p, np.outer(p.T @ p.v, p.ell - p.v), p.beta * np.outer(p.u, p.ell))


def _both(p: LinearProblem, Tv: np.ndarray, ell: np.ndarray) -> float:
    left = np.outer(write_leak(p), p.u @ p.M @ (p.P_v + np.outer(p.v, ell)))
    return _r(p, p.u @ p.T, np.outer(Tv, p.ell - p.v) + left)


def _caft(p: LinearProblem, sign: float, lost: bool) -> float:
    Tv, W0v = p.T @ p.v, p.W0 @ p.v
    return _r(p, np.outer(Tv + lost * W0v, p.ell - p.v) + np.outer(p.beta * p.u + sign * W0v, p.ell))


def _unshifted(name: str, law) -> Claim[Instance]:
    """law(kappa, L, ‖T v‖², beta², p) with Sigma_t = Sigma."""
    return risk_claim(
        name, lambda p: law(*explained(p), float(np.sum((p.T @ p.v) ** 2)), p.beta**2, p), Instance.unshifted
    )


def _of(name: str):
    return lambda i: i.risk(name, i.problem)


OWN: dict[str, Claim[Instance]] = {
    "read GRASP never loses to post-hoc": between("<=", lambda risks: risks[1]),
    "read GRASP never loses to naive": between("<=", lambda risks: risks[0]),
    "between under a shift, below": between(">=", min, of=lambda i: i.problem),
    "read GRASP without its leak": risk_claim("read GRASP", without_leak),
    "CAFT = read GRASP": risk_claim("CAFT", lambda p: risk_table(p)["read GRASP"]),
    "ablation with the leak": risk_claim("ablation", lambda p: risk_table(p)["CAFT + ablation"]),
    "beta for beta²": risk_claim("naive", lambda p: p.beta * float(p.v @ p.Sigma_t @ p.v)),
    "both sides: the costs add": risk_claim("both GRASP", lambda p: risk_table(p)["post-hoc write"] + without_leak(p)),
}

BLIND: dict[str, Claim[Instance]] = {
    "naive: the curated inputs' Sigma": risk_claim("naive", lambda p: p.beta**2 * float(p.v @ p.Sigma @ p.v)),
    "post-hoc write: uᵀM for uᵀT": risk_claim("post-hoc write", lambda p: _r(p, p.u @ p.M)),
    "write GRASP: the metric is I": risk_claim("write GRASP", lambda p: _r(p, p.u @ p.T)),
    "write GRASP: uᵀT leaks, not uᵀM": risk_claim("write GRASP", lambda p: _write(p, p.u @ p.T)),
    "post-hoc read: only the part of T v along u": risk_claim(
        "post-hoc read", lambda p: (p.u @ p.T @ p.v) ** 2 * _r(p, p.v)
    ),
    "read GRASP: cross term missing": risk_claim("read GRASP", _read),
    "read GRASP: read_side also under a shift": risk_claim("read GRASP", lambda p: read_side(p)["read GRASP"]),
    "both GRASP: P_u before T v missing": risk_claim("both GRASP", lambda p: _both(p, p.T @ p.v, p.ell)),
    "both GRASP: ell missing in what leaks": risk_claim("both GRASP", lambda p: _both(p, p.P_u @ p.T @ p.v, 0 * p.ell)),
    "deletion: û = u and v̂ = v": risk_claim("deletion", lambda p: (p.beta - np.linalg.norm(p.M, 2)) ** 2 * _r(p, p.v)),
    "CAFT: W0 v with the other sign": risk_claim("CAFT", lambda p: _caft(p, -1, False)),
    "ablation: W0 v and T v in quadrature": risk_claim(
        "ablation", lambda p: _r(p, np.outer(p.W0 @ p.v, p.v), np.outer(p.T @ p.v, p.v))
    ),
    "CAFT + ablation: W0 v imitated as well": risk_claim("CAFT + ablation", lambda p: _caft(p, 1, True)),
    "no shift, read GRASP: kappa and L exchanged": _unshifted("read GRASP", lambda k, L, t, b, p: t * L + b * k),
    "no shift, read GRASP: kappa all of vᵀSigma v": _unshifted("read GRASP", lambda k, L, t, b, p: t * (k + L) + b * L),
    "no shift, CAFT: beta u and W0 v in quadrature": _unshifted(
        "CAFT", lambda k, L, t, b, p: t * k + (b + float(np.sum((p.W0 @ p.v) ** 2))) * L
    ),
    "no shift, CAFT + ablation: as ablation": _unshifted(
        "CAFT + ablation", lambda k, L, t, b, p: read_side(p)["ablation"]
    ),
    "compensated: Sigma_t forgotten": deletion(
        lambda i: risk_table(replace(i.problem, Sigma_t=np.eye(len(i.problem.v))))["deletion"]
    ),
    "compensated: û = u, as post-hoc write": deletion(lambda i: _r(i.problem, i.problem.u @ i.problem.T)),
    "write: GRASP's is the floor of post-hoc": claim(">=", _of("post-hoc write"), _of("write GRASP")),
    "write floor: uᵀM for uᵀT": claim(
        ">=", lambda i: excess_risk(i.problem, i.D_u), lambda i: _r(i.problem, i.problem.u @ i.problem.M)
    ),
    "read: post-hoc is never beaten by GRASP": claim(">=", _of("read GRASP"), _of("post-hoc read")),
    "read: GRASP reaches the floor": claim("<=", _of("read GRASP"), read_floor),
    "between also under a shift, above": between("<=", max, lambda i: i.problem),
    "read GRASP the best of three": between("<=", min),
    "read GRASP at least the mean of the two": between(">=", np.mean),
    "the winner without a shift wins": wins(lambda i: winner(i.unshifted())),
    "the winner: naive or post-hoc write by beta and tau": wins(
        lambda i: "naive" if i.problem.beta < i.problem.tau else "post-hoc write"
    ),
}
