"""The draws of theorem-1: generic layers, and those that come closest to each part's bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import covariance, flip, log_uniform, orthonormal, unit, with_spectrum
from .cores import draw_cores
from .descent import draw_run
from .instances import Instance


def draw(rng: np.random.Generator) -> Instance:
    """The right side from 0.1 to 1.1: generic tasks with noise, the worst ones, or level ones; n on both sides of d."""
    kind = rng.choice(["narrow", "wide", "tall", "many", "worst", "level"], p=[0.18, 0.09, 0.1, 0.07, 0.33, 0.23])
    low, high = {"wide": (20, 30), "tall": (2, 4), "many": (2, 6), "level": (9, 14)}.get(kind, (2, 9))
    m, d, n = (int(x) for x in rng.integers(low, high, 3))
    m = int(rng.integers(16, 25)) if kind == "tall" else m
    n = 400 if kind == "many" else n if rng.random() < 0.4 else 3 * n
    X = inputs(rng, d, n)
    if kind == "level":
        return level(rng, m, X, rho=rng.uniform(0.15, 0.4))
    if kind == "worst":
        return hard(rng, m, X)
    T = with_spectrum(rng, m, d, rng.random(min(m, d)) + 0.02) * log_uniform(rng, 0.3, 3)
    v, P = unit(rng, d), np.linalg.svd(X, full_matrices=False)[0]
    v = P @ (P.T @ v) + rng.uniform(0, 1) * (v - P @ (P.T @ v))
    t = {"many": rng.uniform(4, 5), "wide": rng.uniform(1, 1.4), "tall": rng.uniform(1, 2.2)}.get(kind)
    loudest = 300 if kind == "tall" else 3  # in tasks: where noise alone turns û, the factor 2 before it matters
    v, right_side = v / np.linalg.norm(v), rng.uniform(0.1, 1.1)
    i = plant(rng, T, unit(rng, m), v, X, right_side=right_side, loudest=loudest, t=t)
    return replace(i, k=rng.uniform(0.9, 1) * min(i.sizes)) if kind == "wide" else i


def hard(rng: np.random.Generator, m: int, X: ndarray) -> Instance:
    """The worst, or (40%) what leaves the largest response: far from the border, or on both sides of it, turned."""
    kind = rng.random()
    if kind < 0.1:  # of a weak task: the sines of 35° along u, of 45° as a norm
        rho, s = log_uniform(rng, 0.003, 0.03), np.sqrt(1 / rng.choice([2, 3]))
        return replace(worst(rng, m, X, rho=rho, tilt=float(np.arcsin(s) - np.arcsin(2 * rho))), rank=2)
    if kind < 0.4:
        i = worst(rng, m, X, rho=rng.uniform(0.47, 0.52), tilt=rng.uniform(0.03, 0.15))
        return replace(i, rank=2)
    noisy = rng.choice([0.0, rng.uniform(0.1, 0.9), rng.uniform(0.01, 0.1)])
    return worst(rng, m, X, rho=rng.uniform(0.05, 0.54), tilt=rng.normal(scale=0.05), noisy=noisy)


def inputs(rng: np.random.Generator, d: int, n: int) -> Float[ndarray, "d n"]:
    """Gaussian samples of a dense covariance; at least two."""
    return covariance(rng, d, condition=4.0) @ rng.standard_normal((d, max(n, 2)))


def plant(
    rng: np.random.Generator,
    T: ndarray,
    u: ndarray,
    v: ndarray,
    X: ndarray,
    *,
    right_side: float = 0.6,
    beta: float = 0.0,
    noise: float | None = None,
    loudest: float = 3,
    t: float | None = None,
) -> Instance:
    """The rest drawn; beta from the right side unless given, noise from 0.1 to ``loudest`` of the task unless given."""
    (m, d), n = T.shape, X.shape[1]
    P, l, _ = np.linalg.svd(X / np.sqrt(n), full_matrices=False)
    q, t, S = len(l), float(t or rng.uniform(*((0.2, 1.9), (1.9, 2.3))[rng.integers(2)])), P * l
    task, per = np.linalg.norm(T @ S, 2), (np.sqrt(m) + np.sqrt(q) + t) / np.sqrt(n)
    noise = float(log_uniform(rng, 0.1, loudest) * task / per) if noise is None else noise
    strength = np.linalg.norm(S.T @ v)
    beta = beta or float(2 * (task + noise * per) / (right_side * strength))
    seen = S @ np.linalg.pinv(S)
    frame = orthonormal(rng, m, 2) if m > 1 else np.ones((1, 2))
    # the singular vectors' answer, one near it, or one of the two worlds'
    turn = 0.5 * np.arcsin(min(2 * task / (beta * strength), 1.0)) if rng.random() < 0.3 else 0.0
    answer = frame @ [np.cos(turn), np.sin(turn)] + rng.choice([0, 0, 0.1, 1]) * rng.standard_normal(m)
    answer = answer / np.linalg.norm(answer)
    return Instance(
        T=T,
        u=u,
        v=v,
        beta=beta,
        X=X,
        N=rng.standard_normal((m, n)),
        noise=noise,
        mix=np.eye(m),
        rank=int(rng.integers(1, min(m, q) + 2)),
        null=rng.standard_normal((m, d)),
        off=np.zeros((m, d)),
        t=t,
        k=float(rng.uniform(2, min(m, q))) if min(m, q) > 2 else 2.0,
        S_t=seen @ covariance(rng, d),
        frame=frame,
        answers=(answer, answer),
        a=float((m * q) ** 0.25 * np.sqrt(rng.uniform(0.1, 1.15))),
        run=draw_run(rng, float(beta * strength), S, T @ S - np.outer(u, u @ T @ S)),
        cores=draw_cores(rng),
        seed=int(rng.integers(2**31)),
    )


def worst(
    rng: np.random.Generator, m: int, X: ndarray, *, rho: float, tilt: float = 0.0, noisy: float = 0.0
) -> Instance:
    """T Ŝ + G = tau [[−s, c], [c, s]] in a plane through u and Ŝᵀv, s = 2 rho turned by ``tilt``.

    noisy : G's share of it; the largest noise that is allowed, in the worst direction.
    """
    return shared(rng, X, *flip(rng, m, min(X.shape), 1.0, rho, s=min(2 * rho, 1.0), tilt=tilt), noisy=noisy)


def level(rng: np.random.Generator, m: int, X: ndarray, *, rho: float) -> Instance:
    """T Ŝ + G off u, of norm rho, with what makes each term of the risk's bound matter.

    All its singular values are equal and nearly all is noise, deployed on inputs like the samples; or nearly all is
    task, fitted with rank one; or it is noise along one direction, which alone is deployed;
    or the task writes what it does along Ŝᵀv alone, off u or also against the factor, and turns û there;
    or what the task turns û by and the noise add up on one input, the only one deployed;
    or the noise is opposed to the task, which a fit of rank one drops, deployed off the factor: the two add up.
    """
    P, l, _ = np.linalg.svd(X / np.sqrt(X.shape[1]), full_matrices=False)
    q = len(l)
    left, right = orthonormal(rng, m, min(m, q)), orthonormal(rng, q, min(m, q))
    K, u = orthonormal(rng, len(P), q).T, left[:, 0]
    w = np.sqrt(1 - 0.01**2) * right[:, 0] + 0.01 * right[:, 1]  # what learns T Ŝ alone sees a little of the factor
    term = rng.choice(["noise", "rank", "gain", "lost", "aside", "opposed"])
    many = slice(1, 2 if term == "gain" else None)
    against = rng.choice([0.0, 0.6])  # share of the task that cancels the factor
    written = np.sqrt(1 - against**2) * left[:, 1] - against * u
    both = np.outer(written, w) if term == "lost" else left[:, many] @ right[:, many].T
    if term == "opposed":
        i = shared(rng, X, rho / 3 * left[:, 1:] @ right[:, 1:].T, u, right[:, 0], noisy=-1.0)
        return replace(i, rank=1, S_t=P * l @ right[:, 1:] @ orthonormal(rng, len(P), right.shape[1] - 1).T)
    if term == "aside":
        return aside(rng, X, left[:, 1], u, right, rho=rho)
    i = shared(rng, X, rho * both, u, w, noisy=0.02 if term in ("rank", "lost") else 0.98)
    if term == "gain":
        K = 0.03 * K + right[:, many] @ (right[:, many].T @ K)
    return replace(i, rank=1 if term == "rank" else min(m, q), S_t=P * l @ K)


def aside(rng: np.random.Generator, X: ndarray, p: ndarray, u: ndarray, right: ndarray, *, rho: float) -> Instance:
    """Task A p yᵀ and noise −g p xᵀ, A + g = ``rho``, deployed on k ⟂ y alone; x, Ŝᵀv, y and k in one plane.

    The task does nothing on k; what remains there of the factor and of the noise points the same way.
    """
    w, x = right[:, 0], right[:, 1]
    cos, share = rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.3)
    sin = np.sqrt(1 - cos * cos)
    task, noise = (1 - share) * rho * np.outer(p, sin * w - cos * x), -share * rho * np.outer(p, x)
    i = shared(rng, X, task + noise, u, w, noisy=share)
    P, l, Qh = np.linalg.svd(X / np.sqrt(X.shape[1]), full_matrices=False)
    s = share * rho / ((np.sqrt(len(u)) + np.sqrt(len(w)) + i.t) / np.sqrt(X.shape[1]))
    N = noise / s * np.sqrt(X.shape[1]) @ Qh
    K = np.outer(cos * w + sin * x, unit(rng, len(P))) + 0.001 * orthonormal(rng, len(P), len(w)).T
    return replace(i, T=task / l @ P.T, N=N, noise=s, rank=min(len(u), len(w)), S_t=P * l @ K)


def shared(rng: np.random.Generator, X: ndarray, both: ndarray, u: ndarray, w: ndarray, *, noisy: float) -> Instance:
    """T Ŝ + G = ``both``, beta Ŝᵀv = w. noisy : G's share, below 0 if opposed; the largest noise that is allowed."""
    (m, q), n = both.shape, X.shape[1]
    P, l, Qh = np.linalg.svd(X / np.sqrt(n), full_matrices=False)
    v = P @ (w / l)
    beta = float(np.linalg.norm(v))  # so that beta ‖Ŝᵀv‖ = 1
    i = plant(rng, (1 - noisy) * both / l @ P.T, u, v / beta, X, beta=beta, noise=0.0)
    if not noisy:
        return i
    noise = abs(noisy) * float(np.linalg.norm(both, 2)) / ((np.sqrt(m) + np.sqrt(q) + i.t) / np.sqrt(n))
    return replace(i, noise=noise, N=noisy / noise * np.sqrt(n) * both @ Qh)


def extremal(rng: np.random.Generator) -> Instance:
    """rho = 0.3 in R⁵ x R⁴ with six samples, and what makes the other tight claims attained."""
    i = worst(rng, 5, inputs(rng, 4, 6), rho=0.3)
    singular = i.frame[:, 0]  # what the SVD answers in both worlds
    run = replace(i.run, step=i.run.step / 100, steps=1)  # one step of Adam is lr in every entry
    return replace(i, answers=(singular, singular), run=run, cores=i.cores.aligned())
