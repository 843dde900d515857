"""False variants of theorem-1, its author's own; nobody has written any blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim
from . import claims as c
from . import run_claims as r
from .converse import second_moment, told_v
from .instances import Instance


def _larger_norm(norm) -> Claim[Instance]:
    """‖G‖ beyond s (norm + t)/√n with more than its probability."""
    return c.share(lambda i: i.redrawn[0] > i.noise * (norm(*i.G.shape) + i.t) / np.sqrt(i.X.shape[1]))


def _told_nothing(bound) -> Claim[Instance]:
    """The second moment's bound with another function of m and kappa."""

    def of(i: Instance) -> float:
        m, kappa = len(i.u), i.a**4 / i.G.size
        return min(1.0, bound(m, kappa)) if kappa < 1 else 1.0

    exact = "<=", lambda i: min(1.0, 1 / len(i.u) + np.sqrt(second_moment(*i.sizes, i.a)))
    return c.claim(*exact, of)


def _told_v(bound) -> Claim[Instance]:
    return c.claim("<=", lambda i: told_v(len(i.u), i.a), lambda i: bound(len(i.u), i.a**2))


def _noise_kept(i: Instance) -> float:
    """The parts of the risk with the noise along û left in."""
    along = i.top[0] @ i.G @ i.S_inverse @ i.S_t
    return c.parts(i) + float(np.sum(along**2))


OWN: dict[str, Claim[Instance]] = {
    "the bound on the whole angle, sin theta <= rho": c.claim("<=", c.angles, lambda i: min(1.0, c.ratio(i))),
    "task and noise in quadrature": c.claim(
        "<=",
        c.angles,
        lambda i: sharp(np.hypot(i.task, np.linalg.norm(i.G, 2)) / i.b) if i.angle < 1 else 1.0,
    ),
    "the task alone hides the factor": c.claim("<=", c.angles, lambda i: sharp(i.task / i.b) if i.angle < 1 else 1.0),
    "strength beta, whatever the inputs": c.claim(
        "<=", c.angles, lambda i: sharp(i.hidden_by / i.beta) if i.angle < 1 else 1.0
    ),
    "noise of norm s √m": _larger_norm(lambda m, q: np.sqrt(m)),
    "noise of norm s √(m + q)": _larger_norm(lambda m, q: np.sqrt(m + q)),
    "noise of norm s √max(m, q)": _larger_norm(lambda m, q: np.sqrt(max(m, q))),
    "Gaussian inputs do not stretch the task": c.share(lambda i: c.loud_inputs(i, 0.0)),
    "a naive run has all of beta": c.claim(">=", c.naive, lambda i: i.beta, scale=lambda i: i.beta),
    "the rank for the stable rank": c.complexity(lambda i: sharp(c.energy(i) / (np.sqrt(min(i.G.shape)) * i.b))),
    "the stable rank is ‖·‖_F/‖·‖": c.complexity(lambda i: sharp(c.energy(i) / (i.k * i.b))),
    "response of fourth order": c.response(lambda i, rho: i.beta * rho**2 * sharp(rho) ** 2, along=True),
    "response beta rho³, the leading order": c.response(lambda i, rho: i.beta * rho**3, along=True),
    "whole response beta rho², the leading order": c.response(lambda i, rho: i.beta * rho**2, along=False),
    "rank r loses nothing": c.claim("=", c.risk, lambda i: c.parts(i, truncated=False), scale=c.scale_of_risk),
    "removal takes nothing of the task": c.claim("=", c.risk, lambda i: c.parts(i, task=False), scale=c.scale_of_risk),
    "removal takes the shortcut whole": c.claim(
        "=", c.risk, lambda i: c.parts(i, shortcut=False), scale=c.scale_of_risk
    ),
    "noise along û stays": c.claim("=", c.risk, _noise_kept, scale=c.scale_of_risk),
    "of the task only what it writes along u is lost": c.lost(lambda i, s: np.linalg.norm(i.u @ i.T @ i.S_t)),
    "lost of the task in second order": c.lost(
        lambda i, s: np.linalg.norm(i.u @ i.T @ i.S_t) + s * s * np.linalg.norm(i.T @ i.S_t, 2)
    ),
    "one answer is off by the whole angle of the worlds": c.claim(
        ">=", lambda i: max(c.errors(i)), lambda i: 2 * i.task / i.b
    ),
    "a coin is no better than one answer": c.claim(">=", lambda i: sum(c.errors(i)) / 2, lambda i: sharp(i.task / i.b)),
    "told v, signal over signal and noise": _told_v(lambda m, a2: a2 / (m + a2)),
    "told v, m + 1 for m": _told_v(lambda m, a2: (1 + a2) / (m + 1 + a2)),
    "told nothing, no chance overlap": _told_nothing(
        lambda m, kappa: np.sqrt(((1 - kappa) ** -1.5 - 1 - kappa / 2) / m)
    ),
    "told nothing, the second moment of detection": _told_nothing(
        lambda m, kappa: 1 / m + np.sqrt(((1 - kappa) ** -0.5 - 1) / m)
    ),
    "the tangent of the angle": r.certificate(
        lambda C, u, s, q: float(np.tan(np.arcsin(min(np.linalg.norm(C @ q) / s, 1 - 1e-12))))
    ),
    "descent, constant 1/2 for steps of any size": r.descent(lambda i, t: t / 2),
    "descent, a quarter of the time": r.descent(lambda i, t: t / 4),
    "Adam moves lr a step": c.claim("<=", r.entries, lambda i: float(i.run.steps)),
    "Adam's first step shows u": r.first_step(lambda i: 0.0),
    "Adam's first step, a Gaussian u": r.first_step(lambda i: np.sqrt(1 - 2 / np.pi)),
    "weight without the cores' share of z": r.taught(lambda cores: cores.weight() * cores.rest),
    "z explained as by exact cores": r.taught(
        lambda cores: cores.weight() * cores.rest / (1 - cores.g @ np.linalg.solve(cores.C, cores.g))
    ),
    "weight of the correlation": r.taught(lambda cores: cores.L @ np.linalg.solve(cores.C, cores.g)),
    "weight without exact cores too": r.taught(lambda cores: cores.L @ cores.g / cores.rest),
}

BLIND: dict[str, Claim[Instance]] = {}
