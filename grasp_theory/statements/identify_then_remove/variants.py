"""False variants of identify-then-remove: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, Sides
from . import Instance, norm, one_edit, reliance, response, risk_claim, whole_error


def _deleted_beta(i: Instance) -> Sides:
    """‖P_û M − (M − beta û v̂ᵀ)‖ = 0."""
    U, _, Vh = i.triples
    return replace(one_edit(i), measured=float(np.linalg.norm(U[:, 0] @ i.M - i.beta * Vh[0])))


def _true_directions(i: Instance) -> Sides:
    """‖P_u M − M P_v‖ = 0."""
    apart = np.outer(i.u, i.u @ i.M) - np.outer(i.M @ i.v, i.v)
    return replace(one_edit(i), measured=float(np.linalg.norm(apart)))


OWN: dict[str, Claim[Instance]] = {
    "response of the whole error <= beta (tau/ŝ1)²": whole_error(lambda i: i.beta * i.slope**2),
    "response of the whole error <= |uᵀT v|": whole_error(lambda i: abs(i.u @ i.T @ i.v)),
    "response, a priori: tau²/beta": response(lambda i: i.tau**2 / i.beta),
    "reliance left in all: fourth order": reliance(lambda i: i.s2 * i.slope**3),
}

BLIND: dict[str, Claim[Instance]] = {
    "ŝ1 for beta in front: tau²/ŝ1": response(lambda i: i.tau * i.slope),
    "a priori to fourth order: beta (rho² + rho⁴)": response(lambda i: i.beta * (i.rho**2 + i.rho**4)),
    "norm at most tau, as if ŝ1 >= beta": norm(lambda i: i.tau),
    "norm as second order as the response": norm(lambda i: i.beta * i.slope**2),
    "norm with ŝ2 for tau": norm(lambda i: i.beta * i.s2 / float(i.triples[1][0])),
    "norm a priori: tan(arcsin rho)": norm(lambda i: i.beta * np.tan(np.arcsin(i.rho))),
    "risk 2 tau², as if ŝ1 >= beta": risk_claim(lambda i: 2 * i.tau**2),
    "risk with the response squared: tau² + beta² (tau/ŝ1)⁴": risk_claim(lambda i: i.tau**2 + i.beta**2 * i.slope**4),
    "risk: tau² + tau² (beta/ŝ1)⁴": risk_claim(lambda i: i.tau**2 * (1 + (i.beta / i.triples[1][0]) ** 4)),
    "risk a priori with sin⁴": risk_claim(lambda i: i.tau**2 + i.beta**2 * sharp(i.rho) ** 4),
    "reliance of fourth order: tau (tau/ŝ1)³": reliance(lambda i: i.tau * i.slope**3),
    "reliance with beta for ŝ1": reliance(lambda i: i.s2 * i.rho**2),
    "the strength deleted is beta": Claim("=", _deleted_beta),
    "one edit along the true u and v": Claim("=", _true_directions),
}
