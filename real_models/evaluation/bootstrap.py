"""How sure a score is: means, differences and shares of a change, with intervals by a bootstrap over questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from grasp_theory import InputError

DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Sample:
    """A ratio over rows, Σ values / Σ weights: a mean (weights 1), one per token (tokens), a share (0 or 1).

    Attributes:
        values, weights: of each row.
        clusters: what rows have in common (their question); rows of one cluster are not independent of each other.

    Raises InputError for lengths that differ, for values that are not finite, and for weights below 0.
    """

    values: Float[ndarray, " n"]
    weights: Float[ndarray, " n"]
    clusters: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.weights) == len(self.clusters) > 0:
            lengths = f"{len(self.values)}, {len(self.weights)}, {len(self.clusters)}"
            raise InputError(f"expected as many values as weights and clusters, one or more; got {lengths}")
        if not (np.isfinite(self.values).all() and np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise InputError("values must be finite, weights finite and not negative")

    @property
    def ratio(self) -> float | None:
        """Σ values / Σ weights; None if all weights are 0."""
        total = float(self.weights.sum())
        return float(self.values.sum()) / total if total else None


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95% interval; None for what is not estimated.

    Attributes:
        value: the estimate.
        low, high: the ends of the interval.
    """

    value: float | None
    low: float | None
    high: float | None


def estimate(sample: Sample, less: Sample | None = None, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Law: value = Σ values / Σ weights; [low, high] its 2.5% and 97.5% quantiles over clusters drawn anew.

    As many clusters as there are, with replacement, each with all its rows. The value is None where all weights are 0,
    and the interval where fewer than two clusters have weight; draws of weight 0 are left out. With n clusters the
    interval is too short by √((n−1)/n) and by 1.96 in the place of a t quantile: a fifth at n = 8.

    Args:
        sample: what is estimated.
        less: gives the paired difference sample − less, both of the same clusters in every draw.
        draws, seed: of the bootstrap.

    Raises InputError if the two samples have not the same clusters. Source: Efron and Tibshirani 1993, ch. 8 and 13.
    """
    both = [sample] if less is None else [sample, less]
    keys = {cluster: n for n, cluster in enumerate(dict.fromkeys(sample.clusters))}
    if less is not None and set(less.clusters) != set(keys):
        raise InputError("a paired difference needs answers to the same questions; these differ")
    sums = np.stack([_by_cluster(part, keys) for part in both])  # sample, value or weight, cluster
    if any(part.ratio is None for part in both):
        return Estimate(None, None, None)
    value = float(_difference(sums.sum(axis=2).T))
    if np.count_nonzero(sums[:, 1], axis=1).min() < 2:
        return Estimate(value, None, None)
    drawn = (sums @ part.T for part in _redrawn(len(keys), draws=draws, seed=seed))
    found = np.concatenate([_difference(part.swapaxes(0, 1)) for part in drawn])
    low, high = np.quantile(found[~np.isnan(found)], [0.025, 0.975])
    return Estimate(value, float(low), float(high))


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
        clusters: the question of each row, drawn whole, as :func:`estimate` does. Every part sees the same draws.
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
    drawn = np.concatenate(list(_redrawn(len(keys), draws=draws, seed=seed)))
    below = drawn @ total
    kept = below != 0
    ratios = (drawn[kept] @ parts.T) / below[kept, None]
    low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
    return [Estimate(*map(float, three)) for three in zip(values, low, high, strict=True)]


def _redrawn(clusters: int, *, draws: int, seed: int) -> Iterator[Int[ndarray, "some k"]]:
    """How often each comes when as many are drawn with replacement; ``draws`` rows, in blocks of bounded size."""
    rng, size = np.random.default_rng(seed), max(1, 10**6 // clusters)
    for first in range(0, draws, size):
        yield rng.multinomial(clusters, np.full(clusters, 1 / clusters), min(size, draws - first))


def _by_cluster(sample: Sample, keys: Mapping[str, int]) -> Float[ndarray, "two k"]:
    at = np.array([keys[cluster] for cluster in sample.clusters])
    return np.stack([np.bincount(at, part, minlength=len(keys)) for part in (sample.values, sample.weights)])


def _difference(sums: Float[ndarray, "two samples *draws"]) -> Float[ndarray, "*draws"]:
    """Ratio of the first sample, less that of the second if there is one; NaN where a weight is 0."""
    ratios = np.divide(sums[0], sums[1], out=np.full(sums[0].shape, np.nan), where=sums[1] > 0)
    return ratios[0] - ratios[1] if len(ratios) == 2 else ratios[0]
