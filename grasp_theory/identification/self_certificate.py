"""What a spectrum says of its own top direction, without an asserted tau (statement ``self-certificate``).

It supposes that the task's singular directions are random beside the factor's. Where the factor lies along directions
that the task uses, the spectrum does not show it and the estimate is wrong, most often far too good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError

CLEAR = 1e-6  # of ŝ₁: a top value that is not above the rest by this much is one of them
GRID = 65  # points on which the tail of a spectrum that is cut is searched
GRIDS = 5  # each within two steps of the last: the bracket shrinks to 3e-8, where a minimum is flat to rounding


@dataclass(frozen=True)
class Estimate:
    """Estimates of ⟨û,u⟩², ⟨v̂,v⟩² and the strength beta, the first with its standard error."""

    left: float
    right: float
    strength: float
    left_error: float


@dataclass(frozen=True)
class Range:
    """Smallest and largest estimate of ⟨û,u⟩² and ⟨v̂,v⟩² over all spectra that agree with what is known."""

    left: tuple[float, float]
    right: tuple[float, float]


def estimate(top: float, rest: Float[ndarray, " k"], shape: tuple[int, int]) -> Estimate:
    """Overlaps of the top triple of an m x d matrix with the factor behind it, from singular values alone.

    Law, f(x) = z/(z² − x²) at z = ŝ₁, phi_m the mean of f over ŝ₂ … ŝ_m (0 where none is left), phi_d over d − 1:
    **beta = (phi_m phi_d)^(−½), ⟨û,u⟩² = √(phi_m/phi_d) / (dbeta/dz), ⟨v̂,v⟩² = √(phi_d/phi_m) / (dbeta/dz)**. The
    error of ⟨û,u⟩² is that of the delta method, O(m^(−½)): the factor's directions are uniform beside the task's. Close
    to the noise edge it is too small.

    Args:
        top: ŝ₁.
        rest: ŝ₂, ŝ₃, …; what is missing counts as 0.
        shape: (m, d).

    Source: Benaych-Georges and Nadakuditi 2012 (limit), OptShrink (Nadakuditi 2014); the error is derived here.
    Raises InputError for fewer than two rows or columns, or a top value that is not above the rest. Cost O(m + d).
    """
    m, d = shape
    x = _checked(top, rest, min(shape) - 1)
    left, right = _moments(top, x, m), _moments(top, x, d)
    a, a1, b, b1 = left.mean, left.slope, right.mean, right.slope
    h = np.sqrt(a * b)
    h1 = (a1 * b + a * b1) / (2 * h)
    rate = -(h**2) / h1  # dz/dbeta
    # c = uᵀ(z² − TTᵀ)⁻¹T v and its derivative have mean 0
    C, C1 = x / (top**2 - x**2), -2 * top * x / (top**2 - x**2) ** 2
    cross = np.array([[C @ C, C @ C1], [C @ C1, C1 @ C1]]) / (m * d)
    of_a = np.array([1.5 / a - b1 / (2 * h * h1) + 1 / (2 * a), -b / (2 * h * h1)])
    of_b = np.array([0.5 / b - a1 / (2 * h * h1) + 1 / (2 * b), -a / (2 * h * h1)])
    of_c = np.array([2 / h, -1 / h1])
    variance = of_a @ left.covariance @ of_a + of_b @ right.covariance @ of_b + of_c @ cross @ of_c
    error = float(np.sqrt(max(variance, 0.0)))  # below 0 by rounding where nothing is left
    on_left, on_right = float(np.sqrt(a / b) * rate), float(np.sqrt(b / a) * rate)
    return Estimate(on_left, on_right, float(1 / h), error * on_left)


@dataclass(frozen=True)
class _Moments:
    """Of uᵀ f(T) u for u uniform on the sphere of n dimensions: mean, its derivative in z, covariance of both."""

    mean: float
    slope: float
    covariance: Float[ndarray, "2 2"]


def _moments(z: float, x: Float[ndarray, " k"], n: int) -> _Moments:
    zeros, size = n - 1 - len(x), n - 1
    f, f1 = np.append(_f(z, x * x), 1 / z), np.append(_slope(z, x * x), -1 / z**2)
    weights = np.append(np.ones(len(x)), zeros)
    mean, slope = float(weights @ f) / size, float(weights @ f1) / size
    F = np.stack([f - mean, f1 - slope])
    return _Moments(mean, slope, 2 / (n * (n + 2)) * (F * weights) @ F.T)


def _f(z: float, w):
    """z/(z² − w), w = x²."""
    return z / (z * z - w)


def _slope(z: float, w):
    return -(z * z + w) / (z * z - w) ** 2


def estimate_range(
    top: float,
    known: Float[ndarray, " k"],
    shape: tuple[int, int],
    *,
    unknown: int,
    energy: float | None = None,
) -> Range:
    """The estimates that a spectrum allows of which only the largest values are known.

    Law: with w = x² of the ``unknown`` further values in [0, W], W the square of the last known one, the estimates are
    smallest for a tail of 0 and W alone and largest for a tail of one value; if the sum ``energy`` of their squares is
    known too, smallest for one value and W, largest for 0 and one value. So each end is a search in one number.

    Args:
        known: ŝ₂ … ŝ_k, at least one.

    Cost: a few hundred evaluations of the law. Raises InputError as :func:`estimate`, without a known value, and for
    more unknown ones than the shape has room for.
    """
    x = _checked(top, known, min(shape) - 1)
    if not len(x) or not 0 < unknown <= min(shape) - 1 - len(x):
        raise InputError(
            f"a tail needs a known value before it and 1 … {min(shape) - 1 - len(x)} values, got {unknown}"
        )
    ceiling = float(x[-1] ** 2)
    mean = None if energy is None else float(np.clip(energy / unknown, 0.0, ceiling))
    f, f1 = float(_f(top, x * x).sum()), float(_slope(top, x * x).sum())

    def overlaps(tail: tuple[Any, Any, Any]) -> tuple[Any, Any]:
        share, *w = tail
        F, F1 = f, f1
        for count, value in zip((unknown * share, unknown * (1 - share)), w, strict=True):
            F, F1 = F + count * _f(top, value), F1 + count * _slope(top, value)
        zeros = [n - 1 - len(x) - unknown for n in shape]
        a, b = ((F + k / top) / (n - 1) for k, n in zip(zeros, shape, strict=True))
        a1, b1 = ((F1 - k / top**2) / (n - 1) for k, n in zip(zeros, shape, strict=True))
        rate = -2 * (a * b) ** 1.5 / (a1 * b + a * b1)
        return (a / b) ** 0.5 * rate, (b / a) ** 0.5 * rate

    low, high = _tails(ceiling, mean)
    left, right = (
        (_smallest(lambda p, s=s: overlaps(low(p))[s]), -_smallest(lambda p, s=s: -overlaps(high(p))[s]))
        for s in (0, 1)
    )
    return Range(left, right)


@dataclass(frozen=True)
class SelfCertificate:
    """Angle between component 0 and the factor behind it, if the task's singular directions are random beside it.

    Attributes:
        degrees: the estimate, of the matrix as it stands (unknown values as if equal).
        low, high: one standard error to either side, and what the unknown values of a pooled spectrum allow.
        strength: the factor's, beta.
        if_cut: the largest estimate if the rank cut off values up to the last one; None if it cut nothing, or if
            modules are pooled, whose cut values bound nothing here.
        reason: "estimated", or why all of these are None.
    """

    degrees: float | None
    low: float | None
    high: float | None
    strength: float | None
    if_cut: float | None
    reason: str


def self_certificate(
    values: Float[ndarray, " k"],
    shape: tuple[int, int],
    *,
    rank: int,
    error: float,
    energy: float | None = None,
    whole: tuple[int, int] | None = None,
) -> SelfCertificate:
    """For the left side of a matrix whose leading singular values are known to within ``error``.

    Args:
        shape: dimensions of the spaces in which task and factor are random: (d_out, r) for B A with A as it started.
        rank: how many values are not 0.
        energy: ‖·‖_F², where not all of them are given; it bounds the others.
        whole: (m, d) of the matrix whose spectrum the rank may have cut; None if it did not.
    """
    x, rank = np.asarray(values, dtype=np.float64), min(rank, *shape)
    x = x[: rank if energy is None else len(x)]
    if min(shape) < 2 or len(x) < 2:
        return withheld("there is no second singular value to learn from")
    if not x[0] - x[1] > CLEAR * x[0] + 2 * error:
        return withheld("the top singular value is not above the next")
    missing = rank - len(x)
    tail = 0.0 if energy is None or missing < 1 else max(energy - float(x @ x), 0.0)
    flat = np.full(max(missing, 0), min(np.sqrt(tail / missing), x[-1]) if missing > 0 else 0.0)
    found = estimate(x[0], np.concatenate([x[1:], flat]), shape)
    low = high = found.left
    if missing > 0 and x[-1] > 0:
        low, high = estimate_range(x[0], x[1:], shape, unknown=missing, energy=tail).left
    cut = None
    if whole is not None and energy is None and rank < min(whole) and x[-1] > 0:
        cut = estimate_range(x[0], x[1:], whole, unknown=min(whole) - rank).left[0]
    return SelfCertificate(
        degrees=_degrees(found.left),
        low=_degrees(high + found.left_error),
        high=_degrees(low - found.left_error),
        strength=found.strength,
        if_cut=None if cut is None else _degrees(cut),
        reason="estimated",
    )


def withheld(reason: str) -> SelfCertificate:
    """None, for this reason."""
    return SelfCertificate(None, None, None, None, None, reason)


def _degrees(cos2: float) -> float:
    return float(np.degrees(np.arccos(np.sqrt(np.clip(cos2, 0, 1)))))


Tail = Callable[[Any], tuple[Any, Any, Any]]  # p in [0, 1], many at once -> (share of the first value, its w, other w)


def _tails(W: float, mean: float | None) -> tuple[Tail, Tail]:
    """The families of tails on which the estimate is smallest and largest."""
    if mean is None:
        return lambda p: (p, W, 0.0), lambda p: (1.0, p * W, 0.0)
    if mean in (0.0, W):  # one tail has that energy
        return lambda p: (1.0, mean, 0.0), lambda p: (1.0, mean, 0.0)

    def smallest(p: Any) -> tuple[Any, Any, Any]:
        share = p * mean / W
        return share, W, (mean - share * W) / (1 - share)

    def largest(p: Any) -> tuple[Any, Any, Any]:
        share = p * (1 - mean / W)
        return share, 0.0, mean / (1 - share)

    return smallest, largest


def _smallest(value: Callable[[Float[ndarray, " n"]], Float[ndarray, " n"]]) -> float:
    """Its smallest value on [0, 1]: a grid, then finer ones between the neighbours of the best point.

    (The search of scipy.optimize finds the same, and costs half a second and 36 MB for its import.)
    """
    low, high = 0.0, 1.0
    smallest = np.inf
    for _ in range(GRIDS):
        grid = np.linspace(low, high, GRID)
        values = np.broadcast_to(value(grid), grid.shape)
        best = int(np.argmin(values))
        low, high, smallest = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)], min(smallest, float(values[best]))
    return smallest


def _checked(top: float, rest: Float[ndarray, " k"], most: int) -> Float[ndarray, " k"]:
    x = np.asarray(rest, dtype=np.float64)
    if most < 1:
        raise InputError("with one row or one column there is no other singular value to compare with")
    if x.ndim != 1 or len(x) > most or not np.isfinite(x).all() or not np.isfinite(top):
        raise InputError(f"needs at most {most} finite singular values besides the top one, got {len(x)}")
    if (x < 0).any() or (np.diff(x) > 0).any():
        raise InputError("singular values must be in descending order and not negative")
    if not top > x.max(initial=0.0) * (1 + CLEAR):
        raise InputError(f"the top singular value {top:.4g} is not above the next, {x.max(initial=0.0):.4g}")
    return x
