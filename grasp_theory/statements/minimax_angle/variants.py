"""False variants of minimax-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, exact
from . import Instance, largest_norm, missed, missed_one, value


def _shown(weights) -> Claim[Instance]:
    """Largest difference, in units of beta, between what the worlds show and beta (a L Rᵀ + b K Qᵀ)."""

    def differ(i: Instance) -> float:
        each = np.repeat(weights(0.5 * np.arcsin(min(2 * i.rho, 1.0))), i.left.shape[1] // 2)
        said = i.beta * i.left * each @ i.right.T
        return max(float(np.linalg.norm(i.explained(world) - said, 2)) for world in i.worlds()) / i.beta

    return exact("=", differ, lambda i: 0.0)


def _spread(i: Instance) -> float:
    """Frobenius norm for the largest sine: of the planted task's top subspace."""
    U = i.planted.U
    W = np.linalg.svd(i.explained(i.planted))[0][:, : U.shape[1]]
    return float(np.linalg.norm(U - W @ (W.T @ U)))


def _costs(bound) -> Claim[Instance]:
    return exact("=", lambda i: largest_norm(i.worlds()), bound)


def _cap_costs(bound, relation="=") -> Claim[Instance]:
    return exact(relation, lambda i: largest_norm([i.cap()[1]]), bound)


OWN: dict[str, Claim[Instance]] = {
    "value tau/(beta − tau)": exact(">=", missed, lambda i: min(1.0, i.rho / max(1 - i.rho, 1e-9))),
}

BLIND: dict[str, Claim[Instance]] = {
    "upper: the law of rank-one tasks for every task, border beta = tau": exact(
        "<=", lambda i: i.error(i.planted), lambda i: min(1.0, i.rho)
    ),
    "upper: no more than 45 degrees are lost beyond the border": exact(
        "<=", lambda i: i.error(i.planted), lambda i: sharp(i.rho)
    ),
    "upper: border at beta = tau": exact(
        "<=", lambda i: i.error(i.planted), lambda i: sharp(i.rho / 2) if i.rho < 1 else 1.0
    ),
    "upper: the sines of all factors together": exact("<=", _spread, lambda i: value(i.rho)),
    "one M: cos and sin without their squares": _shown(lambda theta: [np.cos(theta), np.sin(theta)]),
    "one M: the second frame with the wrong sign": _shown(lambda theta: [np.cos(theta) ** 2, -(np.sin(theta) ** 2)]),
    "one M: both frames alike at every rho": _shown(lambda theta: [0.5, 0.5]),
    "cost: tau beyond the border as well": _costs(lambda i: i.tau),
    "cost: beta sin theta for half of beta sin 2 theta": _costs(lambda i: i.beta * sharp(i.rho)),
    "lower: the angle between the worlds, not half of it": exact(">=", missed, lambda i: min(1.0, 2 * i.rho)),
    "lower: the tangent of theta": exact(
        ">=", missed, lambda i: sharp(i.rho) / np.sqrt(1 - sharp(i.rho) ** 2) if i.rho < 0.5 else 1.0
    ),
    "lower: everything lost from rho = 1/3 on": exact(">=", missed, lambda i: 1.0 if i.rho >= 1 / 3 else sharp(i.rho)),
    "rank one: half of the arc": exact("<=", lambda i: i.error(i.rank_one), lambda i: sharp(min(i.rho, 1.0) / 2)),
    "rank one: tan for sin": exact(
        "<=", lambda i: i.error(i.rank_one), lambda i: i.rho / np.hypot(1, i.rho) if i.rho < 1 else 1.0
    ),
    "rank one: the cap costs tau at any strength": _cap_costs(lambda i: i.tau),
    "rank one: the cap costs half of the strength at most": _cap_costs(lambda i: min(i.tau, i.beta / 2), "<="),
    "rank one: nobody does better than for any task": exact(">=", missed_one, lambda i: value(i.rho)),
    "rank one: tan of the cone's angle as a lower bound": exact(
        ">=", missed_one, lambda i: min(1.0, i.rho / np.sqrt(max(1 - i.rho**2, 1e-12)))
    ),
}
