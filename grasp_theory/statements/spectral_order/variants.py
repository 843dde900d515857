"""False variants of spectral-order: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...linear.training import lora_curve, riccati_flow, saxe_curve
from ..statement import Claim
from . import Instance, balanced_flow, early, early_bound, early_claim, end, kept, mode, seen, weakest


def _saxe(curve) -> Claim[Instance]:
    return seen(balanced_flow, lambda i: i.U * curve(i.s, i.a0, i.t) @ i.V.T)


def _riccati(bound) -> Claim[Instance]:
    return seen(lambda i: i.from_lora(i.anywhere), bound)


def _row_space(i: Instance) -> np.ndarray:
    """The projector on row(A0)."""
    return np.linalg.pinv(i.anywhere) @ i.anywhere


def _short(i: Instance) -> np.ndarray:
    """[M]_q, its strengths reduced to kappa − alpha²/2."""
    q = len(i.anywhere)
    strength = np.hypot(i.alpha**2 / 2, i.s[:q]) - i.alpha**2 / 2
    return i.U[:, :q] * strength @ i.V[:, :q].T


OWN: dict[str, Claim[Instance]] = {
    "Saxe for LoRA's start": mode(lambda s, alpha, t: saxe_curve(s, 0 * s + alpha**2, t)),
    "twice the time": mode(lambda s, alpha, t: lora_curve(s, alpha, 2 * t)),
}

BLIND: dict[str, Claim[Instance]] = {
    "Saxe: a' = a(s − a), the 2 forgotten": _saxe(lambda s, a0, t: saxe_curve(s, a0, t / 2)),
    "Saxe: all modes at the pace of the first": _saxe(lambda s, a0, t: s / (1 + (s / a0 - 1) * np.exp(-2 * s[0] * t))),
    "Saxe: LoRA's curve with alpha² for a(0)": _saxe(lambda s, a0, t: lora_curve(s, np.sqrt(a0), t)),
    "LoRA: alpha for alpha²": mode(lambda s, alpha, t: lora_curve(s, np.sqrt(alpha), t)),
    "LoRA: √(alpha⁴ + a²), the 4 forgotten": mode(lambda s, alpha, t: lora_curve(s, np.sqrt(2) * alpha, t / 2)),
    "LoRA: exponential as for large alpha": mode(lambda s, alpha, t: s * (1 - np.exp(-(alpha**2) * t))),
    "LoRA: the early growth until it reaches s": mode(
        lambda s, alpha, t: np.minimum(s, alpha**2 * np.sinh(s * t) * np.cosh(s * t))
    ),
    "LoRA: Saxe's law from alpha²/2": mode(lambda s, alpha, t: saxe_curve(s, np.full(len(s), alpha**2 / 2), t)),
    "anywhere: only what row(A0) sees is learnt": _riccati(
        lambda i: riccati_flow(i.M @ _row_space(i), i.anywhere, i.t),
    ),
    "anywhere: each mode grows by itself": _riccati(
        lambda i: i.U * lora_curve(i.s, np.linalg.norm(i.anywhere @ i.V, axis=0), i.t) @ i.V.T
    ),
    "anywhere: what inside says, seen by row(A0)": _riccati(
        lambda i: i.U * lora_curve(i.s, i.alpha, i.t) @ i.V.T @ _row_space(i),
    ),
    "end: M as row(A0) sees it": end(lambda i: i.M @ _row_space(i)),
    "end: M whatever the number of rows": end(lambda i: i.M),
    "end: the kept modes as row(A0) sees them": end(lambda i: kept(i) @ _row_space(i)),
    "end: strengths kappa − alpha²/2": end(_short),
    "early: A stays A0": early_claim(lambda i, A0, t: early(i, A0, t, 0.0)),
    "early: half of the bound at all times": early_claim(early, lambda i: 0.5 * early_bound(i)),
    "early: sinh² without e^x √cosh(2x)": early_claim(
        early, lambda i: np.linalg.norm(i.small) ** 4 * np.sinh(i.s[0] * i.soon) ** 2 / (2 * i.s[0])
    ),
    "early: s_2 for s_1 in front": early_claim(early, lambda i: early_bound(i) * i.s[-1] / i.s[0]),
    "order: all modes alike": weakest(lambda i: 1.0),
    "order: the weak mode's strength in the exponent": weakest(
        lambda i: i.alpha**2 / np.hypot(i.alpha**2, 2 * i.s[-1])
    ),
    "order: the mean strength in the exponent": weakest(lambda i: i.alpha**2 / np.hypot(i.alpha**2, 2 * np.mean(i.s))),
    "order: alpha²/√(alpha⁴ + s²)": weakest(lambda i: i.alpha**2 / np.hypot(i.alpha**2, i.s[0])),
}
