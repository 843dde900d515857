"""The overlap of minimax-removal for all reals: p, q, s and tau, in units of beta, are all that its proof uses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, at_cosine, outer, plane
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


def worst(values: Values) -> Instance:
    """û, v̂ at the model's overlaps with u = v = e₁; T in their plane is completed to norm tau."""
    e = np.eye(2)[0]
    T = plane(at_cosine(values["p"]), at_cosine(values["q"]), values["s"], values["tau"]) - outer(e, e)
    tau = max(values["tau"], float(np.linalg.norm(T, 2)))
    return replace(extremal(np.random.default_rng(0)), T=T, u=e, v=e, beta=1.0, tau=tau, D=np.zeros((2, 2)))
