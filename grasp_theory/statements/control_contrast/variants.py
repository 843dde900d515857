"""False variants of control-contrast: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp, sine
from ..statement import Claim, exact
from . import angle, converse, of_task, pushed, sampled
from .instances import Instance, budget, kappa, left_over, norm, saturation, share

OWN: dict[str, Claim[Instance]] = {
    "left: sin 2 theta <= delta/beta'": angle(0, lambda i: sharp(i.rho / 2)),
    "length: the task left is that of the time between, 1 - kappa": of_task(
        share, lambda i: (1 - kappa(i)) / np.e * norm(i.T)
    ),
    "sample: two samples are as good as one": sampled(
        "=", 2, lambda i: i.samples.s**2 * len(i.T) * float(np.trace(i.K)) / 2
    ),
    "certificate: the arctangent": angle(0, lambda i: i.delta / np.hypot(i.delta, i.top[1])),
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
}


def _pooled(i: Instance) -> float:
    """s² m tr (X₁X₁ᵀ + X₀X₀ᵀ)⁻¹, the error of one fit to both samples."""
    both = i.samples.X1 @ i.samples.X1.T + i.samples.X0 @ i.samples.X0.T
    return i.samples.s**2 * len(i.T) * float(np.trace(np.linalg.inv(both)))


BLIND: dict[str, Claim[Instance]] = {
    "left: tan 2 theta for sin 2 theta": angle(0, lambda i: np.sin(0.5 * np.arctan(2 * i.rho))),
    "left: only what the rest writes off u": angle(
        0, lambda i: sharp(norm(i.Delta - np.outer(i.u, i.u @ i.Delta)) * (i.rho / i.delta if i.delta else 0.0))
    ),
    "right: against the planted v": exact("<=", lambda i: sine(i.top[2], i.v), lambda i: sharp(i.rho)),
    "both sides within the bound of one": exact(
        "<=", lambda i: np.hypot(sine(i.top[0], i.u), sine(i.top[2], i.right)), lambda i: sharp(i.rho)
    ),
    "push: transposed": pushed(
        lambda i: np.linalg.norm((P := i.top[0] @ i.Delta) - i.right * (P @ i.right) / (i.right @ i.right)) / i.top[1]
    ),
    "certificate: rest over found value and rest": angle(0, lambda i: i.delta / (i.top[1] + i.delta)),
    "length: linear through a quarter at a half, (1 − kappa)/2": of_task(
        share, lambda i: (1 - kappa(i)) / 2 * norm(i.T)
    ),
    "length: at the mean eigenvalue of Sigma": of_task(
        share, lambda i: abs(_mean_left(i, i.t1) - _mean_left(i, i.t0)) * norm(i.T)
    ),
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
    "sample: twice the mean moment's inverse": sampled("=", 2, lambda i: 4 * _pooled(i)),
    "sample norm: the two terms in squares": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T) * norm(i.K) + np.trace(i.K)))
    ),
    "sample norm: the mean eigenvalue of K for its norm": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(np.trace(i.K)) * (np.sqrt(len(i.T) / len(i.v)) + 1))
    ),
    "sample norm: m K for √(m K)": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T)) * norm(i.K) + np.sqrt(np.trace(i.K)))
    ),
    "sample norm: inputs as one": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T) * norm(i.K)) + np.sqrt(norm(i.K)))
    ),
    "sample norm: the control is free of noise": sampled(
        "<=",
        1,
        lambda i: (
            i.samples.s
            * float(np.sqrt(len(i.T) * norm(K := np.linalg.inv(i.samples.X1 @ i.samples.X1.T))) + np.sqrt(np.trace(K)))
        ),
    ),
    "sample norm: the roots of inputs for outputs": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.v) * norm(i.K)) + np.sqrt(np.trace(i.K)))
    ),
    "nobody: the tangent": converse(lambda i: (s := sharp(i.rho)) / np.sqrt(1 - s * s)),
}


def _mean_left(i: Instance, t: float) -> float:
    """e^(−t tr Sigma/d)."""
    return float(np.exp(-t * np.trace(i.Sigma) / len(i.Sigma)))
