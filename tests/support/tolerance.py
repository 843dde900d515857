"""The only place with tolerances: backward errors, subspace errors, Monte-Carlo errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GUARANTEE = 1e-6  # ‖QᵀdW‖/‖dW‖ that a guarantee on the update allows in float32: 8 units in the last place
GUARANTEE_BF16 = 2.0**-9  # the same with factors stored in bf16: the rounding of each entry
Z = 5.0  # standard errors allowed to a Monte-Carlo estimate with a fixed seed


def backward(shape: Sequence[int], dtype: np.dtype | type, scale: float, c: float = 8.0) -> float:
    """c max(shape) eps scale: what a backward stable computation of this size may be off by.

    scale : norm of the data, e.g. ‖B‖‖A‖ for a product. The smallest normal number keeps the bound of 0 positive.
    """
    return c * max([1, *shape]) * float(np.finfo(dtype).eps) * float(scale) + float(np.finfo(dtype).tiny)


def subspace(error: float, gap: float) -> float:
    """Sine of the angle by which a perturbation of size ``error`` turns a singular subspace with this gap."""
    return error / gap


def binomial(p: float, draws: int) -> float:
    """Z standard errors of a frequency whose expectation is p."""
    return Z * float(np.sqrt(p * (1 - p) / draws))


def monte_carlo(sample: np.ndarray) -> float:
    """Z standard errors of the sample's mean."""
    return Z * float(np.std(sample, ddof=1) / np.sqrt(len(sample)))


def same_mean(samples: np.ndarray, expected: float | np.ndarray) -> None:
    """Each row's mean is as expected, within Z standard errors and rounding."""
    for row, value in zip(samples, np.broadcast_to(expected, len(samples)), strict=True):
        np.testing.assert_allclose(row.mean(), value, rtol=0, atol=monte_carlo(row) + backward((4,), float, 1.0))


def products(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """All x_i y_j, one a row."""
    return (X[:, None] * Y[None]).reshape(-1, X.shape[1])


def finite_size(*sizes: int) -> float:
    """Bias 4/min(sizes) of a limit law at finite size: the spiked laws are even in 1/√size to leading order."""
    return 4.0 / min(sizes)


def slope(sizes: Sequence[int], errors: Sequence[float]) -> tuple[float, float]:
    """(slope, its standard error) of log error against log size: the rate of a limit."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(errors, float))
    (b, a), *_ = np.polyfit(x, y, 1), None
    rest = y - a - b * x
    return float(b), float(np.sqrt(np.sum(rest**2) / max(len(x) - 2, 1) / np.sum((x - x.mean()) ** 2)))
