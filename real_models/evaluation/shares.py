"""How much of a change is there without a part of what made it: ratios of paired differences, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError

from .judge import DRAWS, Estimate, redrawn


def shares(
    changes: Float[ndarray, "parts n"],
    whole: Float[ndarray, " n"],
    clusters: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Estimate]:
    """Law: value = Σ changes / Σ whole, a part each; [low, high] its 2.5% and 97.5% quantiles over clusters drawn anew.

    The value is None where Σ whole is 0, and the interval where there are fewer than two clusters. Where the interval
    of Σ whole holds 0 the ratio has no mean and its interval says nothing: that is for the caller to ask first.

    Args:
        changes, whole: paired, per row, and of either sign, so that rows where nothing happens weigh nothing.
        clusters: the question of each row, drawn whole, as :func:`~real_models.evaluation.judge.estimate` does. Every
            part sees the same draws.
        draws, seed: of the bootstrap.

    Raises InputError for lengths that differ. Source: Efron and Tibshirani 1993, ch. 13.
    """
    keys = {cluster: n for n, cluster in enumerate(dict.fromkeys(clusters))}
    if not changes.shape[1] == len(whole) == len(clusters) > 0:
        raise InputError(f"expected as many changes as rows, got {changes.shape[1]}, {len(whole)}, {len(clusters)}")
    if not whole.sum():
        return [Estimate(None, None, None) for _ in changes]
    belongs = np.eye(len(keys))[[keys[cluster] for cluster in clusters]]
    parts, total = changes @ belongs, whole @ belongs
    values = parts.sum(axis=1) / total.sum()
    if len(keys) < 2:
        return [Estimate(float(value), None, None) for value in values]
    drawn = np.concatenate(list(redrawn(len(keys), draws=draws, seed=seed)))
    below = drawn @ total
    kept = below != 0
    ratios = (drawn[kept] @ parts.T) / below[kept, None]
    low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
    return [Estimate(*map(float, three)) for three in zip(values, low, high, strict=True)]
