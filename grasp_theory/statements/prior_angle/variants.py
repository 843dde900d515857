"""False variants of prior-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, exact
from . import Instance, claim


def _corners(i: Instance) -> float:
    """The larger of ‖P_u T v‖ and ‖P_v Tᵀu‖ over beta."""
    Tv, Tu, c = i.T @ i.v, i.u @ i.T, i.u @ i.T @ i.v
    return float(max(np.linalg.norm(Tv - c * i.u), np.linalg.norm(Tu - c * i.v))) / i.beta


OWN: dict[str, Claim[Instance]] = {"sin 2 theta <= tau/beta": claim(0, lambda i: np.sin(0.5 * np.arcsin(i.rho)))}

BLIND: dict[str, Claim[Instance]] = {
    "the bound on the whole angle, sin theta <= rho": claim(0, lambda i: i.rho),
    "tan 2 theta for sin 2 theta": claim(1, lambda i: np.sin(0.5 * np.arctan(2 * i.rho))),
    "tan theta <= rho": claim(0, lambda i: i.rho / np.hypot(1, i.rho)),
    "tau over the remaining leg, tau/sqrt(beta^2 - tau^2)": claim(0, lambda i: i.rho / np.sqrt(1 - i.rho**2)),
    "two terms of the series as exact": claim(1, lambda i: i.rho + i.rho**3 / 2),
    "strength and task add up, tau/(beta + tau)": claim(1, lambda i: sharp(i.rho / (1 + i.rho))),
    "first-order perturbation as a bound": claim(
        1, lambda i: np.linalg.norm(i.u @ i.T - (i.u @ i.T @ i.v) * i.v) / i.beta
    ),
    "the law with the cross terms of the task alone": claim(0, lambda i: sharp(_corners(i))),
    "both angles together within the bound of one": exact("<=", lambda i: np.hypot(*i.sines()), lambda i: sharp(i.rho)),
}
