"""False variants of theorem-1: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp, sine
from ..statement import Claim
from . import claims as c
from . import run_claims as r
from .converse import second_moment, told_v, worlds
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


def _angles(bound) -> Claim[Instance]:
    """Part 1 with another bound, on its event."""
    return c.claim("<=", c.angles, lambda i: bound(i) if i.angle < 1 else 1.0)


def _norm(matrix) -> float:
    return float(np.linalg.norm(matrix, 2))


def _answers_v(i: Instance) -> float:
    """|uᵀD v|."""
    return float(abs(i.u @ c.cleaned(i) @ i.v))


def _squares_apart(i: Instance) -> float:
    """The parts of the risk without the product of shortcut and noise."""
    off = np.eye(len(i.u)) - np.outer(i.top[0], i.top[0])
    noise = (off @ i.G - c.residual(i)) @ i.S_inverse @ i.S_t
    shortcut = i.beta * np.outer(off @ i.u, i.v @ i.S_t)
    return float(np.sum((i.top[0] @ i.T @ i.S_t) ** 2) + np.sum(shortcut**2) + np.sum(noise**2))


def _other_sign(i: Instance) -> float:
    """The parts of the risk with + R for − R."""
    off = np.eye(len(i.u)) - np.outer(i.top[0], i.top[0])
    rest = (off @ i.G + c.residual(i)) @ i.S_inverse @ i.S_t
    rest = rest + i.beta * np.outer(off @ i.u, i.v @ i.S_t)
    return float(np.sum((i.top[0] @ i.T @ i.S_t) ** 2) + np.sum(rest**2))


def _lost_along_u(i: Instance) -> float:
    """The parts of the risk with u for û in what is lost of the task."""
    return c.parts(i, task=False) + float(np.sum((i.u @ i.T @ i.S_t) ** 2))


def _risk(*, angle=lambda i: i.angle, noise=None, cross=True, turned=True) -> Claim[Instance]:
    """The explicit bound of part 2 with other terms; where the event of part 1 fails nothing is claimed."""

    def bound(i: Instance) -> float:
        if i.angle == 1:
            return c.risk_bound(i)
        sin, amount = angle(i), (noise or _noise)(i)
        lost = np.array([_length(i.u @ i.T @ i.S_t), turned * sin * _norm(i.T @ i.S_t)])
        rest = np.array([i.beta * sin * _length(i.v @ i.S_t), amount])
        return float(np.sum(lost) ** 2 + np.sum(rest) ** 2) if cross else float(np.sum(lost**2) + np.sum(rest**2))

    return c.claim("<=", c.risk, bound, scale=c.scale_of_risk)


def _length(x) -> float:
    return float(np.linalg.norm(x))


def _noise(i: Instance) -> float:
    """‖K‖₂ (‖G‖_F + ‖R‖_F)."""
    return _norm(i.S_inverse @ i.S_t) * (_length(i.G) + _length(c.residual(i)))


def _short_inputs(i: Instance):
    """Whether ‖Xᵀv‖² of standard normal inputs is below n − t."""
    rng, n = np.random.default_rng(i.seed), i.X.shape[1]
    return rng.chisquare(n, c.TRIALS) < n - i.t


def _lengths_in_squares(i: Instance) -> float:
    """What makes √n + beside + t the root of n + k + t²."""
    n = i.X.shape[1]
    return float(np.sqrt(n + c.rank(i) + i.t**2) - np.sqrt(n) - i.t)


def _from_start(i: Instance) -> float:
    """The bound of part 4 with A₀ for A_k."""
    Z = [_norm(A @ i.S) for A in i.paths["sgd"][1]]
    N = i.T @ i.S + i.G
    t = i.run.step * i.run.steps
    time = t / (2 - min(r.longest(i), 1.0))
    return _norm(N - np.outer(i.u, i.u @ N)) * Z[0] * min(np.sqrt(time), i.run.step * sum(Z[:-1]))


def _task_alone(i: Instance) -> float:
    """‖P_u T Ŝ‖/‖P_u (T Ŝ + G)‖."""
    N, T = i.T @ i.S + i.G, i.T @ i.S
    return _norm(T - np.outer(i.u, i.u @ T)) / _norm(N - np.outer(i.u, i.u @ N))


def _half_sum(i: Instance) -> float:
    """The bound of part 4 with half of eta Σ ‖A_j Ŝ‖ alone, the area of a triangle for that of a rectangle."""
    Z = [_norm(A @ i.S) for A in i.paths["sgd"][1]]
    N = i.T @ i.S + i.G
    return _norm(N - np.outer(i.u, i.u @ N)) * Z[-1] * i.run.step * sum(Z[:-1]) / 2


def _adam(factor) -> Claim[Instance]:
    """Another factor of max|B| ‖A Ŝ‖, of (m, r)."""

    def bound(i: Instance) -> float:
        B = i.paths["adam"][0][-1]
        return r.through_entries(i) / np.sqrt(B.size) * factor(*B.shape)

    return c.claim("<=", lambda i: r.off_factor(i, "adam"), bound)


def _solved(cores, x):
    """(C + E)⁻¹ x."""
    return np.linalg.solve(cores.C + cores.E, x)


def _cores_limit(bound) -> Claim[Instance]:
    return c.claim("<=", lambda i: i.cores.ratio(), lambda i: float(bound(i.cores)))


def _silent(cores):
    """C⁻¹ E A g."""
    return np.linalg.solve(cores.C, cores.E @ _solved(cores, cores.g))


def _world_numbers(i: Instance) -> tuple[float, float]:
    """The largest deviation of ‖T‖/tau and of beta/b from 1 in the two worlds."""
    return (
        max(abs(_norm(w.T) / i.task - 1) for w in worlds(i)),
        max(abs(w.beta / i.b - 1) for w in worlds(i)),
    )


BLIND: dict[str, Claim[Instance]] = {
    # 1
    "angles: both together within the bound of one": c.claim(
        "<=", lambda i: np.hypot(sine(i.top[0], i.u), sine(i.top[1], i.w)), lambda i: i.angle
    ),
    "angles: tan 2 theta for sin 2 theta": _angles(lambda i: np.sin(0.5 * np.arctan(2 * i.hidden_by / i.b))),
    "angles: the top output direction of dW, not of dW Ŝ": c.claim(
        "<=", lambda i: sine(np.linalg.svd(i.dW)[0][:, 0], i.u), lambda i: i.angle
    ),
    "angles: the top input direction of dW against v": c.claim(
        "<=", lambda i: sine(np.linalg.svd(i.dW)[2][0], i.v), lambda i: i.angle
    ),
    "angles: strength beta ‖Ŝ‖": _angles(lambda i: sharp(i.hidden_by / (i.beta * _norm(i.S)))),
    "angles: strength of an average input, beta ‖Ŝ‖_F/√q": _angles(
        lambda i: sharp(i.hidden_by / (i.beta * _length(i.S) / np.sqrt(i.S.shape[1])))
    ),
    "angles: the task's norm without the inputs": _angles(lambda i: sharp((_norm(i.T) + _norm(i.G)) / i.b)),
    "angles: the norm of the sum at right angles to u": _angles(
        lambda i: sharp(_norm((N := i.T @ i.S + i.G) - np.outer(i.u, i.u @ N)) / i.b)
    ),
    "angles: 5% less": _angles(lambda i: 0.95 * i.angle),
    "noise: t/n for t/√n": c.share(
        lambda i: (
            i.redrawn[0]
            > i.noise
            * (np.sqrt(i.sizes[0]) + np.sqrt(i.sizes[1]) + i.t / np.sqrt(i.X.shape[1]))
            / np.sqrt(i.X.shape[1])
        )
    ),
    "noise: twice the root of the smaller size": _larger_norm(lambda m, q: 2 * np.sqrt(min(m, q))),
    "noise: variance for deviation, s²": c.share(lambda i: i.redrawn[0] > i.noise * i.allowed),
    "angle, probability: factor two forgotten": c.share(lambda i: c.missed(i, i.right_side / 2)),
    "angle, probability: noise along u and v alone": c.share(
        lambda i: c.missed(i, 2 * (i.task + i.noise * i.t / np.sqrt(i.X.shape[1])) / i.b)
    ),
    "Gaussian inputs: ‖Xᵀv‖² >= n − t": c.share(_short_inputs),
    "Gaussian inputs: norm² <= n + k + t²": c.share(lambda i: c.loud_inputs(i, _lengths_in_squares(i))),
    "complexity: factor two forgotten": c.complexity(lambda i: sharp(c.energy(i) / (2 * np.sqrt(i.k) * i.b))),
    "complexity: sin theta for sin 2 theta": c.complexity(lambda i: c.energy(i) / (np.sqrt(i.k) * i.b)),
    "complexity: √(k − 1), the others' energy": c.complexity(lambda i: sharp(c.energy(i) / (np.sqrt(i.k - 1) * i.b))),
    "complexity: the fourth root of k": c.complexity(lambda i: sharp(c.energy(i) / (i.k**0.25 * i.b))),
    # 2
    "response: one angle, beta rho² sharp(rho)": c.response(lambda i, rho: i.beta * rho**2 * sharp(rho), along=True),
    "response: half, as sin 2 theta/2": c.response(lambda i, rho: i.beta * rho * sharp(rho) ** 2 / 2, along=True),
    "response: beta forgotten": c.response(lambda i, rho: rho * sharp(rho) ** 2, along=True),
    "response: to the task without noise": c.response(
        lambda i, rho: i.beta * i.task / i.b * sharp(rho) ** 2, along=True
    ),
    "response: v for the factor's input in the data": c.claim(
        "<=",
        _answers_v,
        lambda i: i.beta * (rho := i.hidden_by / i.b) * sharp(rho) ** 2 if i.angle < 1 else _answers_v(i),
        scale=lambda i: i.beta,
    ),
    "whole response: third order, as along u": c.response(lambda i, rho: i.beta * rho * sharp(rho) ** 2, along=False),
    "naive response: beta (1 − rho²)": c.claim(
        ">=", c.naive, lambda i: i.beta * (1 - (i.hidden_by / i.b) ** 2), scale=lambda i: i.beta
    ),
    "naive response: beta cos, √(1 − rho²)": c.claim(
        ">=", c.naive, lambda i: i.beta * np.sqrt(max(1 - (i.hidden_by / i.b) ** 2, 0.0)), scale=lambda i: i.beta
    ),
    "naive response: beta (1 − rho/2)": c.claim(
        ">=", c.naive, lambda i: i.beta * (1 - i.hidden_by / i.b / 2), scale=lambda i: i.beta
    ),
    "naive response: noise does not lower it": c.claim(
        ">=", c.naive, lambda i: i.beta * (1 - i.task / i.b), scale=lambda i: i.beta
    ),
    "risk, parts: shortcut and noise at right angles": c.claim("=", c.risk, _squares_apart, scale=c.scale_of_risk),
    "risk, parts: + R for − R": c.claim("=", c.risk, _other_sign, scale=c.scale_of_risk),
    "risk, parts: uᵀT for ûᵀT": c.claim("=", c.risk, _lost_along_u, scale=c.scale_of_risk),
    "risk: all terms in squares": _risk(cross=False),
    "risk: the noise's spectral norm": _risk(
        noise=lambda i: _norm(i.S_inverse @ i.S_t) * (_norm(i.G) + _norm(c.residual(i)))
    ),
    "risk: deployment does not amplify the noise": _risk(noise=lambda i: _length(i.G) + _length(c.residual(i))),
    "risk: rank r loses nothing": _risk(noise=lambda i: _norm(i.S_inverse @ i.S_t) * _length(i.G)),
    "risk: rms gain of the noise for the largest": _risk(
        noise=lambda i: _noise(i) / _norm(K := i.S_inverse @ i.S_t) * _length(K) / np.sqrt(len(K))
    ),
    "risk: the angle squared": _risk(angle=lambda i: i.angle**2),
    "risk: without what the turned û takes": _risk(turned=False),
    "lost: in quadrature": c.lost(lambda i, s: np.hypot(_length(i.u @ i.T @ i.S_t), s * _norm(i.T @ i.S_t))),
    "lost: what û writes by mistake alone": c.lost(lambda i, s: s * _norm(i.T @ i.S_t)),
    "lost: an average direction of the task": c.lost(
        lambda i, s: _length(i.u @ i.T @ i.S_t) + s * _length(i.T @ i.S_t) / np.sqrt(min(i.T.shape))
    ),
    # 3
    "worlds: of one ‖T‖ = tau, whatever the inputs": c.claim("=", lambda i: _world_numbers(i)[0], lambda i: 0.0),
    "worlds: of strength b as planted": c.claim("=", lambda i: _world_numbers(i)[1], lambda i: 0.0),
    "one answer: rho + rho³": c.claim(">=", lambda i: max(c.errors(i)), lambda i: (rho := i.task / i.b) + rho**3),
    "one answer: the tangent": c.claim(
        ">=", lambda i: max(c.errors(i)), lambda i: (s := sharp(i.task / i.b)) / np.sqrt(1 - s * s)
    ),
    "one answer: off in both worlds": c.claim(">=", lambda i: min(c.errors(i)), lambda i: i.task / i.b),
    "a coin: rho/√(1 − rho²)": c.claim(
        ">=", lambda i: sum(c.errors(i)) / 2, lambda i: (rho := i.task / i.b) / np.sqrt(1 - rho**2)
    ),
    "told v: the larger of chance and signal": _told_v(lambda m, a2: max(1 / m, a2 / (m + a2))),
    "told v: half of a², the mean of J": _told_v(lambda m, a2: (1 + a2 / 2) / (m + a2 / 2)),
    "told v: a for a²": _told_v(lambda m, a2: (1 + np.sqrt(a2)) / (m + np.sqrt(a2))),
    "told v: m − 1 others, a²/(m − 1 + a²)": _told_v(lambda m, a2: a2 / (m - 1 + a2)),
    "told v: Jensen as an equality": c.claim(
        "=", lambda i: told_v(len(i.u), i.a), lambda i: (1 + i.a**2) / (len(i.u) + i.a**2)
    ),
    "told v, drawn: a²/(m + a²)": c.hidden(0, lambda m, q, a: a * a / (m + a * a)),
    "told nothing: chance below the border": c.hidden(1, lambda m, q, a: 1 / m if a**4 < m * q else 1.0),
    "told nothing: 1 + kappa taken off": _told_nothing(
        lambda m, kappa: 1 / m + np.sqrt(max((1 - kappa) ** -1.5 - 1 - kappa, 0.0) / m)
    ),
    "told nothing: kappa²": _told_nothing(
        lambda m, kappa: 1 / m + np.sqrt(((1 - kappa**2) ** -1.5 - 1 - kappa**2 / 2) / m)
    ),
    "told nothing: without the root": _told_nothing(lambda m, kappa: 1 / m + ((1 - kappa) ** -1.5 - 1 - kappa / 2) / m),
    "told nothing: m for √m": _told_nothing(lambda m, kappa: 1 / m + np.sqrt((1 - kappa) ** -1.5 - 1 - kappa / 2) / m),
    # 4
    "every update: ‖P_u D Ŝ‖/ŝ₁ as an equality": r.certificate(lambda C, u, s, q: _norm(C) / s),
    "every update: transposed, ‖(P_u D Ŝ)ᵀû‖/ŝ₁": r.certificate(lambda C, u, s, q: _length(u @ C) / s),
    "every update: the share of what is written, cos for 1": r.certificate(
        lambda C, u, s, q: _length(C @ q) / np.hypot(s, _length(C @ q))
    ),
    "descent: eta² k": r.descent(lambda i, t: i.run.step * t / (2 - min(r.longest(i), 1.0))),
    "descent: eta k/(2 + h)": r.descent(lambda i, t: t / (2 + r.longest(i))),
    "descent: eta k/(4 − h)": r.descent(lambda i, t: t / (4 - min(r.longest(i), 1.0))),
    "descent: the task alone pushes": r.descent(lambda i, t: t / (2 - min(r.longest(i), 1.0)), task=_task_alone),
    "descent: A as it started": c.claim(
        "<=", r.off_factor, _from_start, scale=lambda i: float(np.linalg.norm(i.target))
    ),
    "descent: half of eta Σ ‖A_j Ŝ‖": c.claim(
        "<=", r.off_factor, _half_sum, scale=lambda i: float(np.linalg.norm(i.target))
    ),
    "Adam's entries: a random walk, lr √k": c.claim("<=", r.entries, lambda i: float(np.sqrt(i.run.steps))),
    "Adam: √m max|B| ‖A Ŝ‖": _adam(lambda m, rank: np.sqrt(m)),
    "Adam: √r max|B| ‖A Ŝ‖": _adam(lambda m, rank: np.sqrt(rank)),
    "Adam's first step: √(1 − ‖u‖₁/√m)": r.first_step(
        lambda i: np.sqrt(max(1 - np.abs(i.u).sum() / np.sqrt(len(i.u)), 0.0))
    ),
    "Adam's first step: 1 − ‖u‖₁²/m": r.first_step(lambda i: 1 - np.abs(i.u).sum() ** 2 / len(i.u)),
    # 5
    "curation: L A E g": r.taught(lambda cores: cores.L @ _solved(cores, cores.E @ cores.g) / cores.rest),
    "curation: exact cores' inverse, L E C⁻¹g": r.taught(
        lambda cores: cores.L @ cores.E @ np.linalg.solve(cores.C, cores.g) / cores.rest
    ),
    "curation: C for E": r.taught(lambda cores: cores.L @ cores.C @ _solved(cores, cores.g) / cores.rest),
    "curation: √delta for delta": r.taught(lambda cores: cores.weight() * np.sqrt(cores.rest)),
    "curation: delta with twice the core noise": r.taught(
        lambda cores: cores.weight() * cores.rest / (1 - cores.g @ np.linalg.solve(cores.C + 2 * cores.E, cores.g))
    ),
    "curation, strength: √delta forgotten": _cores_limit(lambda cores: cores.limit() * np.sqrt(cores.rest)),
    "curation, strength: weighted by C": _cores_limit(
        lambda cores: np.sqrt((x := _silent(cores)) @ cores.C @ x / cores.rest)
    ),
    "curation, strength: unweighted": _cores_limit(lambda cores: _length(_silent(cores)) / np.sqrt(cores.rest)),
    "curation, strength: A C⁻¹ exchanged with E": _cores_limit(
        lambda cores: np.sqrt(
            (x := cores.E @ np.linalg.solve(cores.C, _solved(cores, cores.g))) @ (cores.C + cores.E) @ x / cores.rest
        )
    ),
    "curation, strength: 5% less": _cores_limit(lambda cores: 0.95 * cores.limit()),
}
