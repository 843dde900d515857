"""The overlap of minimax-removal for all reals: p, q, s and tau, in units of beta, are all that its proof uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import z3
from scipy.optimize import minimize_scalar

from ..derivations import Core
from .instances import Instance, extremal


def cores() -> list[Core[Instance]]:
    """The premises are the proof's: ‖T v̂‖ <= tau, Weyl's bounds on s, q the larger overlap in size."""
    p, q, s, tau = z3.Reals("p q s tau")
    premises = (
        *(0 <= q, q <= 1, -q <= p, p <= q, 0 < tau, tau < s),
        *(s - tau <= 1, 1 <= s + tau, s * s + q * q - 2 * s * p * q <= tau * tau),
    )
    false = {
        "overlap: s² − tau² over beta s": p * q * s >= s * s - tau * tau,
        "overlap: from the planted strength, 1 − (tau/beta)²": p * q >= 1 - tau * tau,
    }
    conclusion = p * q * (2 * s - 1) >= s * s - tau * tau
    return [Core("overlap", "overlap", "all reals", premises, conclusion, false, worst)]


def worst(values: Mapping[str, float]) -> Instance:
    """û, v̂ at the model's overlaps with u = v = e₁, the second value of M the one that makes ‖T‖ least."""
    s, e = values["s"], np.eye(2)[0]
    found = None
    for sign in (1, -1):
        U, V = _turn(values["p"]), _turn(values["q"], sign)

        def task(t: float, U=U, V=V):
            return U * [s, t] @ V.T - np.outer(e, e)

        t = minimize_scalar(lambda t, task=task: np.linalg.norm(task(t), 2), bounds=(-s, s), method="bounded").x
        if found is None or np.linalg.norm(task(t), 2) < np.linalg.norm(found, 2):
            found = task(t)
    base = extremal(np.random.default_rng(0))
    tau = max(values["tau"], float(np.linalg.norm(found, 2)))
    return replace(base, T=found, u=e, v=e, beta=1.0, tau=tau, D=np.zeros((2, 2)))


def _turn(cosine: float, sign: int = 1):
    """A rotation whose first column has this first entry."""
    sine = sign * np.sqrt(max(1 - cosine**2, 0.0))
    return np.array([[cosine, -sine], [sine, cosine]])
