"""False variants of control-contrast: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp, sine
from ..statement import Claim, Sides
from . import angle, budget, converse, of_task, pushed, sampled
from .instances import Instance, kappa, left_over, norm, saturation, share

OWN: dict[str, Claim[Instance]] = {
    "left: sin 2 theta <= delta/beta'": angle(0, lambda i: sharp(i.rho / 2)),
    "length: the task left is that of the time between, 1 - kappa": of_task(
        share, lambda i: (1 - kappa(i)) / np.e * norm(i.T)
    ),
    "sample: two samples are as good as one": sampled(
        "=", 2, lambda i: i.samples.s**2 * len(i.T) * float(np.trace(i.K)) / 2
    ),
}


def _one_run(i: Instance) -> float:
    """s² m tr (X₁X₁ᵀ)⁻¹."""
    return i.samples.s**2 * len(i.T) * float(np.trace(np.linalg.inv(i.samples.X1 @ i.samples.X1.T)))


def _pooled(i: Instance) -> float:
    """s² m tr (X₁X₁ᵀ + X₀X₀ᵀ)⁻¹, the error of one fit to both samples."""
    both = i.samples.X1 @ i.samples.X1.T + i.samples.X0 @ i.samples.X0.T
    return i.samples.s**2 * len(i.T) * float(np.trace(np.linalg.inv(both)))


BLIND: dict[str, Claim[Instance]] = {
    "left: the planted strength for what was learned of it": angle(0, lambda i: sharp(i.delta / i.beta)),
    "left: the whole angle, sin theta <= rho": angle(0, lambda i: i.rho),
    "right: strength and rest add up, rho/(1 + rho)": angle(1, lambda i: sharp(i.rho / (1 + i.rho))),
    "right: the angle to the planted v, rest in rms": angle(
        1, lambda i: sharp(i.rho / np.sqrt(min(i.T.shape)) * np.linalg.norm(i.Delta) / i.delta)
    ),
    "push: on v', not on the found direction": pushed(
        lambda i: np.linalg.norm((P := i.Delta @ i.right) - i.u * (i.u @ P)) / (i.top[1] * np.linalg.norm(i.right))
    ),
    "push: divided by what was learned, not by the found value": pushed(
        lambda i: np.linalg.norm((P := i.Delta @ i.top[2]) - i.u * (i.u @ P)) / np.linalg.norm(i.right)
    ),
    "certificate: the rest's norm over the planted strength": angle(0, lambda i: i.delta / i.beta),
    "certificate: the arctangent": angle(0, lambda i: i.delta / np.hypot(i.delta, i.top[1])),
    "length: proportional to the share of time missed": of_task(share, lambda i: left_over(kappa(i)) ** 2 * norm(i.T)),
    "length: kappa^kappa forgotten from the power": of_task(
        share, lambda i: (1 - kappa(i)) * kappa(i) ** (1 / (1 - kappa(i)) if kappa(i) < 1 else 1) * norm(i.T)
    ),
    "length: a quarter always": of_task(share, lambda i: min(0.25, 0.999 * left_over(kappa(i))) * norm(i.T)),
    "budget: own contents cancel as the task does": of_task(
        lambda i: i.delta, lambda i: left_over(kappa(i)) * (norm(i.T) + norm(i.C1) + norm(i.C0))
    ),
    "budget: own contents add in squares": of_task(
        lambda i: i.delta,
        lambda i: (
            left_over(kappa(i)) * norm(i.T)
            + np.hypot(saturation(i, i.t1) * norm(i.C1), saturation(i, i.t0) * norm(i.C0))
        ),
    ),
    "budget: the largest part alone": of_task(
        lambda i: i.delta, lambda i: max(left_over(kappa(i)) * norm(i.T), norm(i.C1), norm(i.C0))
    ),
    "budget: the control's content does not count": of_task(
        lambda i: i.delta, lambda i: budget(i) - saturation(i, i.t0) * norm(i.C0)
    ),
    "sample: the control is free of noise": sampled("=", 2, _one_run),
    "sample: as one fit to both samples": sampled("=", 2, _pooled),
    "sample: errors subtract": sampled("=", 2, lambda i: abs(2 * _one_run(i) - _both(i))),
    "sample norm: the larger of the two terms": sampled(
        "<=", 1, lambda i: i.samples.s * float(max(np.sqrt(len(i.T) * norm(i.K)), np.sqrt(np.trace(i.K))))
    ),
    "nobody: a control halves what is missed": converse(lambda i: 1.02 * sharp(i.rho)),
    "nobody: sin theta = rho": converse(lambda i: min(1.0, 2 * i.rho)),
    "left: tan 2 theta for sin 2 theta": angle(0, lambda i: np.sin(0.5 * np.arctan(2 * i.rho))),
    "left: only what the rest writes off u": angle(
        0, lambda i: sharp(norm(i.Delta - np.outer(i.u, i.u @ i.Delta)) * i.rho / i.delta)
    ),
    "left: the cross terms of the rest alone": angle(0, lambda i: sharp(_cross(i) * i.rho / i.delta)),
    "right: against the planted v": Claim("<=", lambda i: Sides.exact(sine(i.top[2], i.v), sharp(i.rho))),
    "both sides within the bound of one": Claim(
        "<=", lambda i: Sides.exact(np.hypot(sine(i.top[0], i.u), sine(i.top[2], i.right)), sharp(i.rho))
    ),
    "left: 5% less": angle(0, lambda i: 0.95 * sharp(i.rho)),
    "push: all of the rest along the found input": pushed(lambda i: np.linalg.norm(i.Delta @ i.top[2]) / i.top[1]),
    "push: transposed": pushed(
        lambda i: np.linalg.norm((P := i.top[0] @ i.Delta) - i.right * (P @ i.right) / (i.right @ i.right)) / i.top[1]
    ),
    "push: over the strength, not the found value": pushed(
        lambda i: np.linalg.norm((P := i.Delta @ i.top[2]) - i.u * (i.u @ P)) / (np.linalg.norm(i.right) + i.delta)
    ),
    "certificate: half, as of the double angle": angle(0, lambda i: i.delta / (2 * i.top[1])),
    "certificate: the next value over the first": angle(
        0, lambda i: float(np.linalg.svd(i.difference, compute_uv=False)[1]) / i.top[1]
    ),
    "certificate: rest over found value and rest": angle(0, lambda i: i.delta / (i.top[1] + i.delta)),
    "certificate: squared": angle(0, lambda i: (i.delta / i.top[1]) ** 2),
    "length: linear through a quarter at a half, (1 − kappa)/2": of_task(
        share, lambda i: (1 - kappa(i)) / 2 * norm(i.T)
    ),
    "length: at the largest eigenvalue of Sigma": of_task(
        share, lambda i: abs(saturation(i, i.t1) - saturation(i, i.t0)) * norm(i.T)
    ),
    "length: at the mean eigenvalue of Sigma": of_task(
        share, lambda i: abs(_mean_left(i, i.t1) - _mean_left(i, i.t0)) * norm(i.T)
    ),
    "length: in Frobenius norm": of_task(
        lambda i: np.linalg.norm(i.T @ (i.gains[0] - i.gains[1])), lambda i: left_over(kappa(i)) * norm(i.T)
    ),
    "length: an average direction of the task": of_task(
        share, lambda i: left_over(kappa(i)) * np.linalg.norm(i.T) / np.sqrt(min(i.T.shape))
    ),
    "length: g of sqrt kappa": of_task(share, lambda i: left_over(np.sqrt(kappa(i))) * norm(i.T)),
    "length: 5% less": of_task(share, lambda i: 0.95 * left_over(kappa(i)) * norm(i.T)),
    "budget: times exchanged": of_task(
        lambda i: i.delta,
        lambda i: left_over(kappa(i)) * norm(i.T) + saturation(i, i.t0) * norm(i.C1) + saturation(i, i.t1) * norm(i.C0),
    ),
    "budget: contents learned as the mean eigenvalue": of_task(
        lambda i: i.delta,
        lambda i: (
            left_over(kappa(i)) * norm(i.T)
            + (1 - _mean_left(i, i.t1)) * norm(i.C1)
            + (1 - _mean_left(i, i.t0)) * norm(i.C0)
        ),
    ),
    "budget: the contents' difference": of_task(
        lambda i: i.delta,
        lambda i: left_over(kappa(i)) * norm(i.T) + saturation(i, max(i.t1, i.t0)) * norm(i.C1 - i.C0),
    ),
    "budget: the task at the largest eigenvalue": of_task(
        lambda i: i.delta,
        lambda i: budget(i) + (abs(saturation(i, i.t1) - saturation(i, i.t0)) - left_over(kappa(i))) * norm(i.T),
    ),
    "budget: the task cancels whole": of_task(lambda i: i.delta, lambda i: budget(i) - left_over(kappa(i)) * norm(i.T)),
    "budget: the first run's content does not count": of_task(
        lambda i: i.delta, lambda i: budget(i) - saturation(i, i.t1) * norm(i.C1)
    ),
    "sample: d for m": sampled("=", 2, lambda i: i.samples.s**2 * i.T.shape[1] * float(np.trace(i.K))),
    "sample: s for s²": sampled("=", 2, lambda i: i.samples.s * len(i.T) * float(np.trace(i.K))),
    "sample: white inputs, m d (1/n₁ + 1/n₀)": sampled(
        "=", 2, lambda i: i.samples.s**2 * i.T.size * (1 / i.samples.X1.shape[1] + 1 / i.samples.X0.shape[1])
    ),
    "sample: twice the mean moment's inverse": sampled("=", 2, lambda i: 4 * _pooled(i)),
    "sample norm: the two terms in squares": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T) * norm(i.K) + np.trace(i.K)))
    ),
    "sample norm: m K for √(m K)": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T)) * norm(i.K) + np.sqrt(np.trace(i.K)))
    ),
    "sample norm: the control is free of noise": sampled(
        "<=",
        1,
        lambda i: (
            i.samples.s
            * float(np.sqrt(len(i.T) * norm(K := np.linalg.inv(i.samples.X1 @ i.samples.X1.T))) + np.sqrt(np.trace(K)))
        ),
    ),
    "sample norm: rms over the outputs, √m forgotten": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(norm(i.K)) + np.sqrt(np.trace(i.K)))
    ),
    "nobody: the tangent": converse(lambda i: (s := sharp(i.rho)) / np.sqrt(1 - s * s)),
    "nobody: rho + rho³": converse(lambda i: i.rho + i.rho**3),
    "nobody: a control is of no use": converse(
        lambda i: sharp(norm((i.T + i.C1) @ i.gains[0]) / float(np.linalg.norm(i.right)))
    ),
    "nobody: the rest in Frobenius norm": converse(
        lambda i: sharp(float(np.linalg.norm(i.Delta)) / float(np.linalg.norm(i.right)))
    ),
}


def _both(i: Instance) -> float:
    return i.samples.s**2 * len(i.T) * float(np.trace(i.K))


def _mean_left(i: Instance, t: float) -> float:
    """e^(−t tr Sigma/d)."""
    return float(np.exp(-t * np.trace(i.Sigma) / len(i.Sigma)))


def _cross(i: Instance) -> float:
    """The larger of ‖P_u Delta v'‖ and ‖P_v' Deltaᵀu‖, v' of length 1."""
    v = i.right / np.linalg.norm(i.right)
    Dv, Du = i.Delta @ v, i.u @ i.Delta
    inner = float(Du @ v)
    return float(max(np.linalg.norm(Dv - inner * i.u), np.linalg.norm(Du - inner * v)))
