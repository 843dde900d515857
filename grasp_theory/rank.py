"""How many directions are independent, in the precision of the type that they came in.

A column x that is stored in a type of unit roundoff u and smallest denormal t lies within δ of what was meant, entry by
entry δ_i = max(u |x_i|, t/2). Dependent columns at length 1 hence leave singular values of at most
√Σ_j (‖δ_j‖/‖x_j‖)² (Weyl; proved here: the spectral norm of the rounding is below its Frobenius norm), and
``MARGIN`` times that for columns that were computed in that type by a few operations. What is above counts as
independent, however close to dependent: the size max(d, k) of the array, which ``numpy.linalg.matrix_rank`` multiplies
by, would make any two bfloat16 directions of a model's width dependent.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

MARGIN = 4.0
# Type -> (unit roundoff, smallest denormal); names as numpy, torch and ml_dtypes spell them.
FORMATS = {
    "float64": (2.0**-53, 2.0**-1074),
    "float32": (2.0**-24, 2.0**-149),
    "float16": (2.0**-11, 2.0**-24),
    "bfloat16": (2.0**-8, 2.0**-133),
    "float8_e4m3fn": (2.0**-4, 2.0**-9),
    "float8_e5m2": (2.0**-3, 2.0**-16),
}


def rounding(X: Float[ndarray, "d k"], stored: str) -> float:
    """√Σ_j (‖δ_j‖/‖x_j‖)² for nonzero columns x_j; a type that is none of ``FORMATS`` (integers) counts as float64."""
    u, smallest = FORMATS.get(stored, FORMATS["float64"])
    X = np.abs(X)
    exponents = np.frexp(X.max(axis=0))[1]
    X, step = np.ldexp(X, -exponents), np.ldexp(smallest / 2, -exponents)  # largest entries in [1/2, 1)
    return float(np.linalg.norm(np.linalg.norm(np.maximum(u * X, step), axis=0) / np.linalg.norm(X, axis=0)))


def input_threshold(norm: float) -> float:
    """What a singular value of inputs of this Frobenius norm must exceed to be told from the rounding to float32.

    The entries of float32 inputs are off by u of themselves, so no singular value by more than u ‖X‖_F. Inputs in a
    narrower type are held to the same: a direction too many costs one dimension, a missing one the guarantee.
    """
    return MARGIN * FORMATS["float32"][0] * norm


def threshold(S: Float[ndarray, " q"], shape: tuple[int, ...], noise: float) -> float:
    """What a singular value of columns at length 1 must exceed: ``MARGIN * noise``, or the SVD's own error."""
    return max(MARGIN * noise, max(shape) * float(np.finfo(np.float64).eps) * float(S[0]))
