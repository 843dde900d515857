"""Task updates T with a stated spectrum: the nuisance that a spurious direction has to be told apart from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..fields import require_known

Kind = Literal["gaussian", "haar", "low-rank", "power", "spectrum", "sparse"]
Norm = Literal["entry", "spectral", "frobenius"]
_NEEDS = {"haar": "rank", "low-rank": "rank", "power": "exponent", "spectrum": "spectrum", "sparse": "density"}


@dataclass(frozen=True)
class TaskSpec:
    """A law of T (m x d), invariant under rotations from both sides except for ``sparse``.

    Attributes:
        kind: gaussian, independent normal entries; haar, s U Vᵀ with U (m x k), V (d x k) uniform orthonormal frames;
            low-rank, P Qᵀ with P (m x k), Q (d x k) of independent normal entries; power, U diag(j^-exponent) Vᵀ;
            spectrum, U diag(spectrum) Vᵀ, e.g. with the singular values of a real update; sparse, independent normal
            entries, each kept with probability ``density`` (kurtosis 3/density, so the laws of iid entries apply).
        rank: k of haar and low-rank; of power the number of non-zero singular values, min(m, d) by default.
        exponent: of power, >= 0.
        density: of sparse, in (0, 1].
        spectrum: of spectrum, >= 0 and not all 0, at most min(m, d) of them, the rest of T's singular values being 0.
        norm, size: what is ``size`` >= 0. spectral, frobenius: ‖T‖₂, ‖T‖_F of *every draw*, exactly. entry: the root
            mean square entry. Of haar, power and spectrum it is a function of the singular values, hence exact in every
            draw; of gaussian, low-rank and sparse it is the *population's*, √E T_ij² (gaussian: independent N(0,
            size²)), and the draw is not renormalised, so that the laws of random matrices apply as they stand.

    Raises InputError for a field that the kind does not take or lacks, or that is out of range.
    """

    kind: Kind = "gaussian"
    rank: int | None = None
    exponent: float | None = None
    density: float | None = None
    spectrum: tuple[float, ...] | None = None
    norm: Norm = "entry"
    size: float = 1.0

    def __post_init__(self) -> None:
        require_known(self, kind=get_args(Kind), norm=get_args(Norm))
        needed = _NEEDS.get(self.kind)
        for name in ("rank", "exponent", "density", "spectrum"):
            given = getattr(self, name) is not None
            if name == needed and not given:
                raise InputError(f"a task of kind {self.kind} needs {name}, got none")
            if given and name != needed and (self.kind, name) != ("power", "rank"):
                raise InputError(
                    f"a task of kind {self.kind} takes no {name}, got {getattr(self, name)!r}: leave it out"
                )
        if self.rank is not None and self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}; for no task set size = 0")
        if self.exponent is not None and not (np.isfinite(self.exponent) and self.exponent >= 0):
            raise InputError(f"exponent must be a finite number >= 0, got {self.exponent}")
        if self.density is not None and not 0 < self.density <= 1:
            raise InputError(f"density must lie in (0, 1], got {self.density}")
        if self.spectrum is not None:
            values = np.asarray(self.spectrum, dtype=float)
            if not (np.isfinite(values) & (values >= 0)).all() or not values.any():
                raise InputError(f"spectrum must be finite, >= 0 and not all 0, got {self.spectrum}")
        if not (np.isfinite(self.size) and self.size >= 0):
            raise InputError(f"size must be a finite number >= 0, got {self.size}")


def draw_task(spec: TaskSpec, shape: tuple[int, int], *, rng: np.random.Generator) -> Float[ndarray, "m d"]:
    """T of this law; O(m d min(m, d)). InputError if the rank or the spectrum does not fit into the shape (m, d)."""
    m, d = shape
    if min(m, d) < 1:
        raise InputError(f"shape must be (m, d) with both at least 1, got {shape}")
    k = len(spec.spectrum) if spec.spectrum is not None else spec.rank or min(m, d)
    if k > min(m, d):
        raise InputError(f"rank {k} exceeds the smaller size of {shape}: lower the rank or shorten the spectrum")
    if spec.kind in ("gaussian", "low-rank", "sparse"):
        T = _entries(spec, (m, d), k, rng)  # of population variance 1
        if spec.norm == "entry":
            return spec.size * T
        norm = linalg.spectral_norm(T) if spec.norm == "spectral" else float(np.linalg.norm(T))
        if norm == 0:
            raise InputError(f"a draw of shape {shape} with density {spec.density} is all 0: raise the density")
        return spec.size / norm * T
    values = singular_values(spec, k)
    norm = values.max() if spec.norm == "spectral" else np.linalg.norm(values)
    scale = spec.size / float(norm) * (np.sqrt(m * d) if spec.norm == "entry" else 1.0)
    return haar((m, k), rng=rng) * (scale * values) @ haar((d, k), rng=rng).T


def singular_values(spec: TaskSpec, k: int) -> Float[ndarray, " k"]:
    """The k singular values of haar, power or spectrum up to their common scale, as stated in the spec."""
    if spec.spectrum is not None:
        return np.asarray(spec.spectrum, dtype=float)
    return np.arange(1, k + 1) ** -float(spec.exponent or 0.0)


def haar(shape: tuple[int, int], *, rng: np.random.Generator) -> Float[ndarray, "n k"]:
    """k orthonormal columns, uniformly distributed (QR of normal entries with R's diagonal made positive)."""
    Q, R = linalg.qr(rng.standard_normal(shape))
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)


def _entries(spec: TaskSpec, shape: tuple[int, int], k: int, rng: np.random.Generator) -> Float[ndarray, "m d"]:
    if spec.kind == "low-rank":
        return rng.standard_normal((shape[0], k)) @ rng.standard_normal((k, shape[1])) / np.sqrt(k)
    T = rng.standard_normal(shape)
    if spec.density is None:
        return T
    return T * (rng.random(shape) < spec.density) / np.sqrt(spec.density)


def unit(rng: np.random.Generator, n: int) -> Float[ndarray, " n"]:
    """A direction of R^n, uniform on the sphere."""
    x = rng.standard_normal(n)
    return x / np.linalg.norm(x)
