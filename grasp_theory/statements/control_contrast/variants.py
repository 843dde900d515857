"""False variants of control-contrast: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim
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
}


def _both(i: Instance) -> float:
    return i.samples.s**2 * len(i.T) * float(np.trace(i.K))
