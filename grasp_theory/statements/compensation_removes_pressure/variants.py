"""False variants of compensation-removes-pressure: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import wrightomega

from ...linear.problem import psd_root
from ..statement import Claim, Sides, exact
from . import amplified, behind, deletion, delta, error, leading, learnt, part, steps
from .compensated import Compensated, naive, oblique, own_component, rank_one_part


def _runs(right) -> Claim[Compensated]:
    """The run with C at the output against another one without."""
    return Claim("=", lambda i: steps(i.run(i.Y, i.C @ i.X), i.run(right(i))))


def _through(bound) -> Claim[Compensated]:
    return Claim("=", lambda i: error(i, float(bound(i)), projected=i.projected))


def _behind(bound) -> Claim[Compensated]:
    """‖D − T‖ with projection, from (task part, Delta, Q)."""

    def sides(i: Compensated) -> Sides:
        Q, ell = oblique(i)
        task = np.outer(i.T @ i.v_hat, ell - i.v_hat)
        return error(i, float(bound(i, task, i.C - i.shortcut, Q)), projected=True)

    return Claim("=", sides)


OWN: dict[str, Claim[Compensated]] = {
    "compensating with projection is harmless": Claim("=", lambda i: error(i, delta(i), projected=True)),
    "projection amplifies by at most 3.4": amplified(lambda k: 3.4),
    "the error shrinks with the fit": Claim("=", lambda i: error(i, 0.0, projected=False)),
    "deletion of M's own triple, any Sigma": deletion(whitened=False),
    "the share of any direction, u uᵀN": part(lambda i, N: np.outer(i.u, i.u @ N)),
    "a part of M, not of the naive run": part(lambda i, N: rank_one_part(i.T + i.shortcut, i.v_hat, i.u)),
    "the own component of the naive run of rank r + 2": part(lambda i, N: own_component(naive(i, i.r + 2))),
    "half of the component": part(lambda i, N: 0.5 * own_component(N)),
    "b = log(1 + t) − a: logistic loss overshoots too": learnt(lambda i: np.log1p(i.t) - i.a),
    "squared loss learns beta whatever a": exact("=", lambda i: i.learnt_squared, lambda i: -i.beta * np.expm1(-i.t)),
    "leading order from below": learnt(leading, ">="),
    "C inside the network does as well": Claim(
        "=", lambda i: steps(replace(i, inside=True).run(i.Y, i.shortcut @ i.X), i.run(i.Y0))
    ),
}

BLIND: dict[str, Claim[Compensated]] = {
    "targets shifted in the loss's metric": _runs(lambda i: i.Y - i.R @ i.C @ i.X),
    "any C gives the run of beta = 0": _runs(lambda i: i.Y0),
    "spectral norm of Delta": _through(lambda i: np.linalg.norm(i.C - i.shortcut, 2)),
    "Delta weighted by Sigma^½": _through(lambda i: np.linalg.norm((i.C - i.shortcut) @ psd_root(i.Sigma))),
    "Delta P_v̂ for Delta Q": _behind(
        lambda i, task, Delta, Q: np.linalg.norm(task - Delta + np.outer(Delta @ i.v_hat, i.v_hat))
    ),
    "Delta Q ⟂ T v̂ (ell − v̂ᵀ)": _behind(
        lambda i, task, Delta, Q: np.hypot(np.linalg.norm(task), np.linalg.norm(Delta @ Q))
    ),
    "amplified by no more than √κ/2": amplified(lambda k: max(1.0, np.sqrt(k) / 2)),
    "Kantorovich with √κ": amplified(lambda k: (np.sqrt(k) + 1) / (2 * k**0.25)),
    "no rank bought: naive rank r less its component": deletion(rank=0),
    "logistic: margin forgotten on the right": learnt(lambda i: np.log(wrightomega(np.exp(i.a) + i.t).real) - i.a),
    "leading order as exact": learnt(leading),
    "squared loss: C not subtracted from the target": exact(
        "=", lambda i: i.learnt_squared, lambda i: -i.beta * np.expm1(-i.t) - i.a
    ),
    "bound from the slope at the start: log(1 + t/(1 + e^a))": learnt(
        lambda i: np.log1p(i.t / (1 + np.exp(i.a))), "<="
    ),
    "largest b e^-b taken as 1/4": exact("<=", behind, lambda i: np.log1p(np.exp(-i.a) / 4)),
    "squared loss never overshoots either": exact(">=", lambda i: i.learnt_squared, lambda i: 0.0),
}
