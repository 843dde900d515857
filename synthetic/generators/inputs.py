"""Second moments of the inputs of a layer, and Gaussian inputs that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import toeplitz

from grasp_theory import InputError, linalg

from ..fields import require_known
from .task_updates import haar

Kind = Literal["isotropic", "spiked", "toeplitz", "correlated", "activations"]
_NEEDS = {
    "isotropic": (),
    "spiked": ("strength", "spikes"),
    "toeplitz": ("rho",),
    "correlated": ("rho",),
    "activations": ("activations",),
}


@dataclass(frozen=True, eq=False)
class InputSpec:
    """A law of Sigma = E[x xᵀ] (d x d), given the read direction v.

    Attributes:
        kind: isotropic, Sigma = I; spiked, I + strength S Sᵀ with S (d x spikes) uniform orthonormal; toeplitz,
            rho^|i−j|, in a uniform random basis (``rotated``, the default) or the coordinate one; correlated, I + rho
            (v wᵀ + w vᵀ) with w a uniform unit vector orthogonal to v; activations, XᵀX/n of the given rows X.
        strength: > -1.
        spikes: 1 … d.
        rho: -1 < rho < 1.
        activations: (n, d), one input a row.

    *correlated*: vᵀx has variance 1, covariance rho w with the rest, whose moment on v^⊥ is the identity; so its
    regression on the rest is ell = rho wᵀ and R² = rho² exactly; eigenvalues 1 ± rho, 1 (proved here).

    Raises InputError for a field that the kind does not take or lacks, or that is out of range.
    """

    kind: Kind = "isotropic"
    strength: float | None = None
    spikes: int | None = None
    rho: float | None = None
    rotated: bool = True
    activations: Float[ndarray, "n d"] | None = None

    def __post_init__(self) -> None:
        require_known(self, kind=get_args(Kind))
        for name in ("strength", "spikes", "rho", "activations"):
            given, needed = getattr(self, name) is not None, name in _NEEDS[self.kind]
            if given != needed:
                raise InputError(f"inputs of kind {self.kind} {f'need {name}' if needed else f'take no {name}'}")
        if not self.rotated and self.kind != "toeplitz":
            raise InputError(f"only toeplitz inputs can be left unrotated, got kind {self.kind}")
        if self.strength is not None and not (np.isfinite(self.strength) and self.strength > -1):
            raise InputError(f"strength must be a finite number > -1, got {self.strength}")
        if self.spikes is not None and self.spikes < 1:
            raise InputError(f"spikes must be at least 1, got {self.spikes}")
        if self.rho is not None and not -1 < self.rho < 1:
            raise InputError(f"rho must lie strictly between -1 and 1, got {self.rho}")
        X = self.activations
        if X is not None and not (X.ndim == 2 and X.size and np.isfinite(X).all()):
            raise InputError(f"activations must be a finite n x d array with one input a row, got shape {X.shape}")


def second_moment(spec: InputSpec, v: Float[ndarray, " d"], *, rng: np.random.Generator) -> Float[ndarray, "d d"]:
    """Sigma of this law, symmetric; the size is that of the unit vector v. InputError if the spec does not fit it."""
    d = len(v)
    if spec.activations is not None:
        n, width = spec.activations.shape
        if width != d:
            raise InputError(f"activations of width {width} do not fit inputs of size {d}")
        X = np.asarray(spec.activations, dtype=float)
        return X.T @ X / n
    if spec.spikes is not None and spec.strength is not None:
        if spec.spikes > d:
            raise InputError(f"{spec.spikes} spikes do not fit inputs of size {d}")
        S = haar((d, spec.spikes), rng=rng)
        return np.eye(d) + spec.strength * (S @ S.T)
    if spec.kind == "correlated":
        if d < 2:
            raise InputError(f"correlated inputs need a size of at least 2, got {d}")
        w = rng.standard_normal(d)
        w -= v * (v @ w)
        w /= np.linalg.norm(w)
        return np.eye(d) + float(spec.rho or 0.0) * (np.outer(v, w) + np.outer(w, v))
    if spec.kind == "toeplitz":
        plain = toeplitz(float(spec.rho or 0.0) ** np.arange(d))
        if not spec.rotated:
            return plain
        Q = haar((d, d), rng=rng)
        Sigma = Q @ plain @ Q.T
        return 0.5 * (Sigma + Sigma.T)
    return np.eye(d)


def draw_inputs(Sigma: Float[ndarray, "d d"], n: int, *, rng: np.random.Generator) -> Float[ndarray, "d n"]:
    """n Gaussian inputs, one a column, of mean 0 and second moment Sigma = E[x xᵀ].

    Raises InputError if that is not positive semi-definite, or for n < 1.
    """
    if n < 1:
        raise InputError(f"n must be at least 1, got {n}")
    values, Q = linalg.eigh(Sigma)
    if values[0] < -1e-9 * np.abs(Sigma).max():
        raise InputError(f"Sigma must be positive semi-definite; its smallest eigenvalue is {values[0]:.3g}")
    root = Q * np.sqrt(values.clip(0)) @ Q.T
    return root @ rng.standard_normal((len(Sigma), n))
