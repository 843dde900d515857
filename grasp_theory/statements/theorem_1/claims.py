"""Both sides of the claims of theorem-1; what a false variant changes is an argument."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import binom, chi

from ..shared.draws import mirror, sine
from ..statement import Claim, Sides, exact
from .converse import overlaps, worlds
from .instances import TRIALS, Instance

LEVEL = 1e-6  # chance that a true probability is rejected on one instance


# 1. identification


def angles(i: Instance) -> float:
    """The larger of sin ∠(û,u) and sin ∠(q̂, Ŝᵀv)."""
    return max(sine(i.top[0], i.u), sine(i.top[1], i.w))


def share(happens: Callable[[Instance], ndarray], chance=lambda i: np.exp(-(i.t**2) / 2)) -> Claim[Instance]:
    """How often it happens under fresh noise, against e^(−t²/2)."""

    def sides(i: Instance) -> Sides:
        p = float(chance(i))
        return Sides(float(np.mean(happens(i))), p, float(binom.isf(LEVEL, TRIALS, p)) / TRIALS - p)

    return Claim("<=", sides, slack="the binomial quantile of level 1e-6 for 300 draws of the noise")


def missed(i: Instance, right_side: float) -> Float[ndarray, " trials"]:
    """Whether sin 2 theta, theta <= 45°, is above it."""
    return i.redrawn[1] > np.sin(0.5 * np.arcsin(min(right_side, 1.0))) * (1 + 1e-9)


def rank(i: Instance) -> int:
    """Of the task in the claims on Gaussian inputs: k rounded, at most d."""
    return min(round(i.k), len(i.v))


def tail(chance: Callable[[Instance, float], float], most=lambda i: 30.0, *, gain: float = 1.0) -> Claim[Instance]:
    """−log of an exact probability at 16 times t (at ``most`` that), where no sample looks, against (gain t)²/2."""

    def sides(i: Instance) -> Sides:
        t = min(16 * i.t, most(i))
        return Sides.exact(-chance(i, t), (gain * t) ** 2 / 2)

    return Claim(">=", sides)


def one_column(i: Instance, t: float) -> float:
    """log P(‖G‖ above its bound) at q = 1, where √n ‖G‖/s is a chi variable of m degrees."""
    m = len(i.u)
    return float(chi.logsf(np.sqrt(m) + 1 + t, m))


def weak_inputs(i: Instance, t: float) -> float:
    """log P(vᵀx of the samples, n standard normal numbers, has a length below √(n − ½) − t)."""
    n = i.X.shape[1]
    return float(chi.logcdf(np.sqrt(n - 0.5) - t, n))


def not_empty(i: Instance) -> float:
    """The largest t that is looked at: a length of 0 has no probability, and beyond 12 none that a float holds."""
    return min(0.9 * float(np.sqrt(i.X.shape[1] - 0.5)), 12.0)


def loud_inputs(i: Instance, beside: float) -> ndarray:
    """Whether a k x n Gaussian matrix has a norm above √n + ``beside`` + t."""
    rng, n = np.random.default_rng(i.seed), i.X.shape[1]
    drawn = rng.standard_normal((TRIALS, rank(i), n))
    return np.linalg.svd(drawn, compute_uv=False)[:, 0] > np.sqrt(n) + beside + i.t


def hardest(i: Instance) -> float:
    """sin theta for the task of stable rank k and this energy that hides the factor best."""
    rng, (m, q) = np.random.default_rng(i.seed), i.sizes
    tau, others = energy(i) / np.sqrt(i.k), max(min(m, q) - 2, 0)
    extra = np.full(others, np.sqrt((i.k - 2) / max(others, 1)))
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (m, q))
    core = np.zeros((m, q))
    core[:2, :2] = mirror(2 * tau / i.b)
    core[range(2, 2 + len(extra)), range(2, 2 + len(extra))] = extra
    task = tau * U @ core @ V.T
    top = np.linalg.svd(task + i.b * np.outer(U[:, 0], V[:, 0]))[0][:, 0]
    return sine(top, U[:, 0])


def energy(i: Instance) -> float:
    """‖T Ŝ‖_F of the hardest task, between 0.2 b and 0.6 b."""
    return (0.2 + 0.4 * (i.seed % 1000) / 1000) * i.b


def complexity(bound) -> Claim[Instance]:
    """The worst of stable rank k is at sin(½ arcsin(2 ‖T Ŝ‖_F/(√k b)))."""
    return exact("=", hardest, bound)


# 2. removal


def cleaned(i: Instance) -> Float[ndarray, "m d"]:
    """P_û dW."""
    return i.dW - np.outer(i.top[0], i.top[0] @ i.dW)


def answer(i: Instance) -> Float[ndarray, " m"]:
    """D c."""
    return cleaned(i) @ (i.S @ (i.S.T @ i.v)) / np.sum((i.S.T @ i.v) ** 2)


def ratio(i: Instance) -> float:
    """rho, on the event of part 1; else infinite."""
    return i.hidden_by / i.b if i.angle < 1 else np.inf


def naive(i: Instance) -> float:
    """uᵀdW c of full rank."""
    return float(i.u @ i.target @ i.w / np.linalg.norm(i.S.T @ i.v))


def response(bound: Callable[[Instance, float], float], *, along: bool) -> Claim[Instance]:
    """|uᵀD c| or ‖D c‖ against a function of rho; without the event of part 1 against 2 (‖Ŷ‖/b + 1) beta."""

    def sides(i: Instance) -> Sides:
        found = float(abs(i.u @ answer(i))) if along else float(np.linalg.norm(answer(i)))
        rho = ratio(i)
        value = bound(i, rho) if np.isfinite(rho) else 2 * i.beta * (1 + float(np.linalg.norm(i.target)) / i.b)
        return Sides.exact(found, value, scale=i.beta)

    return Claim("<=", sides)


def risk(i: Instance) -> float:
    """‖(D − T) S_t‖_F²."""
    return float(np.sum(((cleaned(i) - i.T) @ i.S_t) ** 2))


def residual(i: Instance) -> Float[ndarray, "m q"]:
    """R."""
    return i.target - i.best


def parts(i: Instance, *, truncated: bool = True, shortcut: bool = True, task: bool = True) -> float:
    """‖ûᵀT S_t‖² + ‖beta P_û u vᵀS_t + (P_û G − R) K‖_F²."""
    off = np.eye(len(i.u)) - np.outer(i.top[0], i.top[0])
    rest = (off @ i.G - truncated * residual(i)) @ i.S_inverse @ i.S_t
    rest = rest + shortcut * i.beta * np.outer(off @ i.u, i.v @ i.S_t)
    return float(task * np.sum((i.top[0] @ i.T @ i.S_t) ** 2) + np.sum(rest**2))


def risk_bound(i: Instance, *, angle: Callable[[Instance], float] | None = None, reach: float = 1.0) -> float:
    """The explicit bound of part 2."""
    sin = angle(i) if angle else i.angle
    lost = np.linalg.norm(i.u @ i.T @ i.S_t) + sin * np.linalg.norm(i.T @ i.S_t, 2)
    noise = np.linalg.norm(i.S_inverse @ i.S_t, 2) * (np.linalg.norm(i.G) + np.linalg.norm(residual(i)))
    return float(lost**2 + (i.beta * sin * np.linalg.norm(i.v @ i.S_t) + reach * noise) ** 2)


def lost(bound: Callable[[Instance, float], float]) -> Claim[Instance]:
    """‖ûᵀT S_t‖ against a function of the angle's bound."""
    return exact(
        "<=",
        lambda i: np.linalg.norm(i.top[0] @ i.T @ i.S_t),
        lambda i: bound(i, i.angle),
        scale=lambda i: float(np.linalg.norm(i.T @ i.S_t)),
    )


def scale_of_risk(i: Instance) -> float:
    """What its rounding is relative to."""
    return float(np.sum((i.dW @ i.S_t) ** 2) + np.sum((i.T @ i.S_t) ** 2))


# 3. converse


def apart(i: Instance) -> float:
    """How far the data of the two worlds are from each other."""
    one, two = worlds(i)
    return float(np.linalg.norm((one.M - two.M) @ i.X)) / (i.b * np.sqrt(i.X.shape[1]))


def numbers(i: Instance) -> float:
    """Largest deviation of ‖T Ŝ‖/tau and beta ‖Ŝᵀv‖/b from 1 in the two worlds."""
    found = [(np.linalg.norm(w.T @ i.S, 2) / i.task, w.beta * np.linalg.norm(i.S.T @ w.v) / i.b) for w in worlds(i)]
    return float(np.abs(np.array(found) - 1).max())


def errors(i: Instance) -> tuple[float, float]:
    """Sines of the answers in the two worlds."""
    one, two = worlds(i)
    return sine(i.answers[0], one.u), sine(i.answers[1], two.u)


def hidden(which: int, bound) -> Claim[Instance]:
    """Mean ⟨û,u⟩² over layers with a hidden factor: the best estimator told v (0), the SVD told nothing (1)."""

    def sides(i: Instance) -> Sides:
        found = overlaps(*i.sizes, i.a, i.seed)[which]
        error = float(5 * found.std(ddof=1) / np.sqrt(len(found)))
        return Sides(float(found.mean()), bound(*i.sizes, i.a), error)

    return Claim("<=", sides, slack="5 standard errors of 200 layers")
