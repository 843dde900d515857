"""False variants of null-space-depth: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..statement import Claim
from . import gain, lipschitz, moved, norm, one_step, output, promised, site, step_claim
from .instances import Instance, Step


def _values(step: Step, index: int) -> float:
    return float(np.sqrt(max(step.values[index], 0.0)))


OWN: dict[str, Claim[Instance]] = {
    "output: the drift that comes in does not count": output(lambda s, j, e: promised(s, j), lipschitz, gain),
    "output: nothing is passed on": output(moved, lambda s: 0.0, gain),
}

BLIND: dict[str, Claim[Instance]] = {
    "site: spectral for Frobenius norm": site(
        lambda s, j: float(np.linalg.norm(s.deltas[j], 2)) * float(np.sqrt(s.next_value))
    ),
    "site: one eigenvalue further": site(
        lambda s, j: float(np.linalg.norm(s.deltas[j])) * _values(s, min(s.k + 1, len(s.values) - 1))
    ),
    "site: the eigenvalue for its root": site(lambda s, j: float(np.linalg.norm(s.deltas[j])) * s.next_value),
    "site: the mean of the values left": site(
        lambda s, j: float(np.linalg.norm(s.deltas[j])) * float(np.sqrt(max(s.values[s.k :].mean(), 0.0)))
    ),
    "step: the stream is not amplified": step_claim(lambda s: one_step(s) - (lipschitz(s) - 1) * s.before),
    "step: drift in and promise in squares": step_claim(
        lambda s: float(np.hypot(lipschitz(s) * s.before, sum(gain(s, j) * promised(s, j) for j in s.sites)))
    ),
    "step: the largest site alone": step_claim(
        lambda s: max(lipschitz(s) * s.before, *(gain(s, j) * moved(s, j, s.before) for j in s.sites))
    ),
    "output: residual branch without the skip": output(moved, lambda s: lipschitz(s) - 1, gain),
    "output: skip without the branch": output(moved, lambda s: 1.0, gain),
    "output: promises add in squares": output(
        lambda s, j, e: float(np.hypot(promised(s, j), norm(s.deltas[j]) * e)), lipschitz, gain
    ),
    "output: writes are not counted": output(moved, lipschitz, lambda s, j: min(gain(s, j), 1.0) * 0.5),
    "output: softmax has slope a quarter": output(moved, lipschitz, lambda s, j: gain(s, j) / (2 if j in "QK" else 1)),
    "output: the drift of one site each": output(
        lambda s, j, e: max(promised(s, j), norm(s.deltas[j]) * e), lipschitz, gain
    ),
}
