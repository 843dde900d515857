"""*rate*: the error against the size on a log scale has the predicted slope, and ends on the predicted line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .statement import Rate

WIDEST = 0.2  # tolerance of a slope: with more, −½ is not told from −1
SPAN = 4  # at least, of the largest size over the smallest, of three or more
STRAIGHT = 1e-9  # standard error of a slope that nothing curves: errors written down, not computed
LINE = 0.25  # how far the largest size's error may be from constant * size^order, relative to it


@dataclass(frozen=True)
class RateFound:
    """A fitted order with its standard error, beside the predicted one.

    Attributes:
        end: last error over the predicted one.
    """

    of: str
    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    slope: float
    standard_error: float
    order: float
    end: float
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def fit_rate(rate: Rate, rng: np.random.Generator, *, deep: bool) -> RateFound:
    """Least-squares slope of log error against log size, with its standard error from the residuals.

    It holds if slope and standard error together are within the tolerance (a bad fit is no evidence), if the error at
    the largest size lies on the predicted line (a wrong limit leaves a constant error), if a sampled error depends on
    the sample, and if a computed one is not the line itself.
    """
    sizes = rate.sizes + (rate.deep_sizes if deep else ())
    errors = [rate.error(size, rng) for size in sizes]
    x, y = np.log(sizes), np.log(errors)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    spread = float(np.sqrt(np.sum(residual**2) / max(len(x) - 2, 1) / np.sum((x - x.mean()) ** 2)))
    end = float(errors[-1] / (rate.constant * sizes[-1] ** rate.order))
    failures = []
    if rate.tolerance > WIDEST:
        failures.append(f"a tolerance of {rate.tolerance:.2g} tells no order from another")
    if len(errors) < 3 or max(sizes) < SPAN * min(sizes):
        failures.append(f"no slope is fitted over the sizes {', '.join(map(str, sizes))}")
    if not (abs(slope - rate.order) <= rate.tolerance and slope < 0):
        failures.append(f"slope {slope:.2f}, predicted {rate.order:.2f} ± {rate.tolerance:.2g}")
    if not spread <= rate.tolerance:
        failures.append(f"standard error of the slope {spread:.2f}, more than the tolerance {rate.tolerance:.2g}")
    if rate.exact and spread < STRAIGHT:
        failures.append("the errors are the predicted line itself")
    if not abs(end - 1) <= LINE:
        predicted = f"{rate.constant:.3g} * {sizes[-1]}^{rate.order:.2f}"
        failures.append(f"error {errors[-1]:.3g} at size {sizes[-1]}, predicted {predicted} ± {100 * LINE:.0f}%")
    if not rate.exact and rate.error(sizes[0], rng) == errors[0]:
        failures.append("the error of a new sample is the same number")
    return RateFound(
        rate.of, sizes, tuple(errors), float(slope), spread, rate.order, end, tuple(f"{rate.of}: {f}" for f in failures)
    )
