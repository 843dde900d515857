"""False variants of null-space-depth: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..statement import Claim
from . import gain, lipschitz, moved, norm, one_step, output, promised, site, step_claim
from .instances import Instance, Step, moments


def _values(step: Step, index: int) -> float:
    return float(np.sqrt(max(step.values[index], 0.0)))


def _symmetric(step: Step) -> float:
    """Lip with ‖QᵀK + KᵀQ‖/2 for ‖QᵀK‖."""
    w = step.weights
    if "U" in w:
        return lipschitz(step)
    A = w["Q"].T @ w["K"]
    return lipschitz(step, logits=norm(A + A.T) / 2 / max(norm(A), 1e-300))


def _width(step: Step) -> int:
    """h, or w of an MLP."""
    return step.weights["W" if "U" in step.weights else "O"].shape[1]


def _mlp(step: Step, slope) -> float:
    """Lip with another function of W, U for an MLP."""
    return 1 + slope(step.weights["W"], step.weights["U"]) if "U" in step.weights else lipschitz(step)


def _old_queries(step: Step, j: str) -> float:
    """g_K with the base's Q."""
    w = step.weights
    if j != "K":
        return gain(step, j)
    return step.rho**2 * norm(w["O"] @ w["V"]) * norm(w["Q"]) / (2 * float(np.sqrt(len(w["Q"]))))


OWN: dict[str, Claim[Instance]] = {
    "output: the drift that comes in does not count": output(lambda s, j, e: promised(s, j), lipschitz, gain),
    "site: spectral for Frobenius norm": site(
        lambda s, j: float(np.linalg.norm(s.deltas[j], 2)) * float(np.sqrt(s.next_value))
    ),
    "step: drift in and promise in squares": step_claim(
        lambda s: float(np.hypot(lipschitz(s) * s.before, sum(gain(s, j) * promised(s, j) for j in s.sites)))
    ),
    "step: the largest site alone": step_claim(
        lambda s: max(lipschitz(s) * s.before, *(gain(s, j) * moved(s, j, s.before) for j in s.sites))
    ),
    "output: promises add in squares": output(
        lambda s, j, e: float(np.hypot(promised(s, j), norm(s.deltas[j]) * e)), lipschitz, gain
    ),
    "output: softmax has slope a quarter": output(moved, lipschitz, lambda s, j: gain(s, j) / (2 if j in "QK" else 1)),
    "output: attention averages, in Lip alone": output(moved, lambda s: lipschitz(s, 1.0), gain),
    "output: one side of the logits moves": output(moved, lambda s: lipschitz(s, logits=0.5), gain),
}


BLIND: dict[str, Claim[Instance]] = {
    "site: the covariance's eigenvalue": site(
        lambda s, j: promised(replace(s, values=moments(s.base, centred=True)[0]), j)
    ),
    "site: geometric mean of the next two values": site(
        lambda s, j: (
            float(np.linalg.norm(s.deltas[j]))
            * float(np.sqrt(_values(s, s.k) * _values(s, min(s.k + 1, len(s.values) - 1))))
        )
    ),
    "site: an average entry of the update": site(
        lambda s, j: promised(s, j) * float(np.sqrt((len(s.values) - s.k) / len(s.values)))
    ),
    "step: sites at right angles": step_claim(
        lambda s: lipschitz(s) * s.before + np.linalg.norm([gain(s, j) * moved(s, j, s.before) for j in s.sites])
    ),
    "step: the update does not see the drift": step_claim(
        lambda s: lipschitz(s) * s.before + sum(gain(s, j) * promised(s, j) for j in s.sites)
    ),
    "step: without the skip": step_claim(lambda s: one_step(s) - s.before),
    "output: 5% less": output(moved, lipschitz, lambda s, j: 0.95 * gain(s, j)),
    "output: logits by the symmetric part of QᵀK": output(moved, _symmetric, gain),
    "output: Lip in root, as squares add": output(moved, lambda s: float(np.sqrt(lipschitz(s))), gain),
    "output: a slope of one half, as a sigmoid": output(
        moved, lambda s: _mlp(s, lambda W, U: norm(W) * norm(U) / 2), lambda s, j: gain(s, j) / (2 if j == "U" else 1)
    ),
    "output: ‖W U‖ for ‖W‖‖U‖": output(moved, lambda s: _mlp(s, lambda W, U: norm(W @ U)), gain),
    "output: attention averages, ‖P‖ = 1": output(
        moved, lambda s: lipschitz(s, 1.0), lambda s, j: gain(s, j) / (np.sqrt(s.tokens) if j == "V" else 1)
    ),
    "output: the tokens' √n forgotten in g_V": output(
        moved, lipschitz, lambda s, j: gain(s, j) / (np.sqrt(s.tokens) if j == "V" else 1)
    ),
    "output: attention's weights do not move": output(moved, lambda s: lipschitz(s, logits=0.0), gain),
    "output: attention without V's path": output(moved, lambda s: lipschitz(s, 0.0), gain),
    "output: h for √h": output(
        moved,
        lambda s: lipschitz(s, logits=1 / np.sqrt(_width(s))),
        lambda s, j: gain(s, j) / (np.sqrt(len(s.weights[j])) if j in "QK" else 1),
    ),
    "output: g_K with the base's queries": output(moved, lipschitz, _old_queries),
    "output: rho for rho²": output(
        moved,
        lambda s: lipschitz(s, logits=min(1.0, 1 / s.rho)),
        lambda s, j: gain(s, j) * (min(1.0, 1 / s.rho) if j in "QK" else 1),
    ),
    "output: spectral for Frobenius norm": output(
        lambda s, j, e: norm(s.deltas[j]) * (float(np.sqrt(s.next_value)) + e), lipschitz, gain
    ),
}
