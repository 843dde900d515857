"""False variants of prior-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, Sides
from . import Instance, claim


def _sides(side: int, bound) -> Claim[Instance]:
    """A bound that needs more of the instance than rho."""
    return Claim("<=", lambda i: Sides.exact(i.sines()[side], bound(i)))


def _corners(i: Instance) -> float:
    """The larger of ‖P_u T v‖ and ‖P_v Tᵀu‖ over beta."""
    Tv, Tu, c = i.T @ i.v, i.u @ i.T, i.u @ i.T @ i.v
    return float(max(np.linalg.norm(Tv - c * i.u), np.linalg.norm(Tu - c * i.v))) / i.beta


OWN: dict[str, Claim[Instance]] = {"sin 2 theta <= tau/beta": claim(lambda rho: np.sin(0.5 * np.arcsin(rho)), 0)}

BLIND: dict[str, Claim[Instance]] = {
    "the bound on the whole angle, sin theta <= rho": claim(lambda rho: rho, 0),
    "tan 2 theta for sin 2 theta": claim(lambda rho: np.sin(0.5 * np.arctan(2 * rho)), 1),
    "tan theta <= rho": claim(lambda rho: rho / np.hypot(1, rho), 0),
    "tau over the remaining leg, tau/sqrt(beta^2 - tau^2)": claim(lambda rho: rho / np.sqrt(1 - rho**2), 0),
    "two terms of the series as exact": claim(lambda rho: rho + rho**3 / 2, 1),
    "strength and task add up, tau/(beta + tau)": claim(lambda rho: sharp(rho / (1 + rho)), 1),
    "first-order perturbation as a bound": _sides(
        1, lambda i: np.linalg.norm(i.u @ i.T - (i.u @ i.T @ i.v) * i.v) / i.beta
    ),
    "the law with the cross terms of the task alone": _sides(0, lambda i: sharp(_corners(i))),
    "both angles together within the bound of one": Claim(
        "<=", lambda i: Sides.exact(np.hypot(*i.sines()), sharp(i.rho))
    ),
}
