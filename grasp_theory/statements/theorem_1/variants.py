"""False variants of theorem-1: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, exact
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

    return exact("<=", lambda i: min(1.0, 1 / len(i.u) + np.sqrt(second_moment(*i.sizes, i.a))), of)


def _told_v(bound) -> Claim[Instance]:
    return exact("<=", lambda i: told_v(len(i.u), i.a), lambda i: bound(len(i.u), i.a**2))


OWN: dict[str, Claim[Instance]] = {
    "task and noise in quadrature": exact(
        "<=", c.angles, lambda i: sharp(np.hypot(i.task, np.linalg.norm(i.G, 2)) / i.b) if i.angle < 1 else 1.0
    ),
    "noise of norm s √(m + q)": _larger_norm(lambda m, q: np.sqrt(m + q)),
    "Gaussian inputs do not stretch the task": c.share(lambda i: c.loud_inputs(i, 0.0)),
    "whole response beta rho², the leading order": c.response(lambda i, rho: i.beta * rho**2, along=False),
    "noise along û stays": exact(
        "=",
        c.risk,
        lambda i: c.parts(i) + np.sum((i.top[0] @ i.G @ i.S_inverse @ i.S_t) ** 2),
        scale=c.scale_of_risk,
    ),
    "a coin is no better than one answer": exact(">=", lambda i: sum(c.errors(i)) / 2, lambda i: sharp(i.task / i.b)),
    "told v, m + 1 for m": _told_v(lambda m, a2: (1 + a2) / (m + 1 + a2)),
    "descent, constant 1/2 for steps of any size": r.descent(lambda i, t: t / 2),
    "weight without the cores' share of z": r.taught(lambda cores: cores.weight() * cores.rest),
    "z explained as by exact cores": r.taught(
        lambda cores: cores.weight() * cores.rest / (1 - cores.g @ np.linalg.solve(cores.C, cores.g))
    ),
    "weight of the correlation": r.taught(lambda cores: cores.L @ np.linalg.solve(cores.C, cores.g)),
    "weight without exact cores too": r.taught(lambda cores: cores.L @ cores.g / cores.rest),
}


def _angles(bound) -> Claim[Instance]:
    """Part 1 with another bound, on its event."""
    return exact("<=", c.angles, lambda i: bound(i) if i.angle < 1 else 1.0)


def _norm(matrix) -> float:
    return float(np.linalg.norm(matrix, 2))


def _risk(noise) -> Claim[Instance]:
    """The explicit bound of part 2 with another ‖K‖₂ (‖G‖_F + ‖R‖_F); nothing is claimed off the event of part 1."""

    def bound(i: Instance) -> float:
        if i.angle == 1:
            return c.risk_bound(i)
        lost = _length(i.u @ i.T @ i.S_t) + i.angle * _norm(i.T @ i.S_t)
        return lost**2 + (i.beta * i.angle * _length(i.v @ i.S_t) + noise(i)) ** 2

    return exact("<=", c.risk, bound, scale=c.scale_of_risk)


def _length(x) -> float:
    return float(np.linalg.norm(x))


def _noise(i: Instance) -> float:
    """‖K‖₂ (‖G‖_F + ‖R‖_F)."""
    return _norm(i.S_inverse @ i.S_t) * (_length(i.G) + _length(c.residual(i)))


def _from_start(i: Instance) -> float:
    """The bound of part 4 with A₀ for A_k."""
    Z = [_norm(A @ i.S) for A in i.paths["sgd"][1]]
    N = i.T @ i.S + i.G
    t = i.run.step * i.run.steps
    time = t / (2 - min(r.longest(i), 1.0))
    return _norm(N - np.outer(i.u, i.u @ N)) * Z[0] * min(np.sqrt(time), i.run.step * sum(Z[:-1]))


def _cores_limit(bound) -> Claim[Instance]:
    return exact("<=", lambda i: i.cores.ratio(), lambda i: float(bound(i.cores)))


BLIND: dict[str, Claim[Instance]] = {
    # 1
    "angles: the norm of the sum at right angles to u": _angles(
        lambda i: sharp(_norm((N := i.T @ i.S + i.G) - np.outer(i.u, i.u @ N)) / i.b)
    ),
    "noise: t/n for t/√n": c.share(
        lambda i: (
            i.redrawn[0]
            > i.noise
            * (np.sqrt(i.sizes[0]) + np.sqrt(i.sizes[1]) + i.t / np.sqrt(i.X.shape[1]))
            / np.sqrt(i.X.shape[1])
        )
    ),
    "noise: twice the root of the smaller size": _larger_norm(lambda m, q: 2 * np.sqrt(min(m, q))),
    "angle, probability: noise along u and v alone": c.share(
        lambda i: c.missed(i, 2 * (i.task + i.noise * i.t / np.sqrt(i.X.shape[1])) / i.b)
    ),
    "angle, probability: noise counted once where the task counts twice": c.share(
        lambda i: c.missed(i, (2 * i.task + i.allowed) / i.b)
    ),
    "angle, probability: task and allowed noise in quadrature": c.share(
        lambda i: c.missed(i, 2 * np.hypot(i.task, i.allowed) / i.b)
    ),
    "noise of one column: e^(−t²)": c.tail(c.one_column, gain=np.sqrt(2)),
    "noise of one column: half of t": c.tail(lambda i, t: c.one_column(i, t / 2)),
    "Gaussian inputs, strength: half of t": c.tail(lambda i, t: c.weak_inputs(i, t / 2), c.not_empty),
    "Gaussian inputs, task: half of √k": c.share(lambda i: c.loud_inputs(i, 0.5 * np.sqrt(c.rank(i)))),
    "complexity: √(k − 1), the others' energy": c.complexity(lambda i: sharp(c.energy(i) / (np.sqrt(i.k - 1) * i.b))),
    # 2
    "response: one angle, beta rho² sharp(rho)": c.response(lambda i, rho: i.beta * rho**2 * sharp(rho), along=True),
    "whole response: beyond second order": c.response(lambda i, rho: i.beta * rho * sharp(rho) ** 1.2, along=False),
    "naive response: noise does not lower it": exact(
        ">=", c.naive, lambda i: i.beta * (1 - i.task / i.b), scale=lambda i: i.beta
    ),
    "risk: the noise's spectral norm": _risk(
        noise=lambda i: _norm(i.S_inverse @ i.S_t) * (_norm(i.G) + _norm(c.residual(i)))
    ),
    "risk: rank r loses nothing": _risk(noise=lambda i: _norm(i.S_inverse @ i.S_t) * _length(i.G)),
    "risk: rms gain of the noise for the largest": _risk(
        noise=lambda i: _noise(i) / _norm(K := i.S_inverse @ i.S_t) * _length(K) / np.sqrt(len(K))
    ),
    "risk: what is left of the factor and the noise add in squares": exact(
        "<=",
        c.risk,
        lambda i: (
            (_length(i.u @ i.T @ i.S_t) + i.angle * _norm(i.T @ i.S_t)) ** 2
            + (i.beta * i.angle * _length(i.v @ i.S_t)) ** 2
            + _noise(i) ** 2
        ),
        scale=c.scale_of_risk,
    ),
    "lost: an average direction of the task": c.lost(
        lambda i, s: _length(i.u @ i.T @ i.S_t) + s * _length(i.T @ i.S_t) / np.sqrt(min(i.T.shape))
    ),
    # 3
    "told nothing: 1 + kappa taken off": _told_nothing(
        lambda m, kappa: 1 / m + np.sqrt(max((1 - kappa) ** -1.5 - 1 - kappa, 0.0) / m)
    ),
    "told v: the inputs seen for the outputs": c.hidden(0, lambda m, q, a: (1 + a * a) / (q + a * a)),
    # 4
    "every update: the left vector for the right": r.certificate(lambda C, u, s, q: float(np.linalg.norm(u @ C)) / s),
    "every update: the largest gain off u": r.certificate(lambda C, u, s, q: _norm(C) / s),
    "Adam's entries: at most lr a step": exact("<=", r.entries, lambda i: float(i.run.steps)),
    "Adam's first step: off by all but the largest coordinate": r.first_step(
        lambda i: np.sqrt(1 - np.max(np.abs(i.u)) ** 2)
    ),
    "descent: A as it started": exact("<=", r.off_factor, _from_start, scale=lambda i: float(np.linalg.norm(i.target))),
    "Adam: √m max|B| ‖A Ŝ‖": exact(
        "<=", lambda i: r.off_factor(i, "adam"), lambda i: r.through_entries(i) / np.sqrt(i.run.A0.shape[0])
    ),
    # 5
    "curation, strength: A C⁻¹ exchanged with E": _cores_limit(
        lambda cores: np.sqrt(
            (x := cores.E @ np.linalg.solve(cores.C, cores.solved(cores.g))) @ (cores.C + cores.E) @ x / cores.rest
        )
    ),
}
