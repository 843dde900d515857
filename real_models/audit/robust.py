"""Statistics that a few numbers which lie apart hardly move."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

OUTLIER = 5.0  # robust z of what stands apart; of a size, this many times the median too


def robust_spread(values: Float[ndarray, " n"]) -> float:
    """1.4826 median |x − median|: of normal numbers their standard deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
