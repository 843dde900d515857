"""One layer under fine-tuning: y = (W0 + T + beta u vᵀ) x + noise on curated data, (W0 + T) x at deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError


@dataclass(frozen=True, eq=False)
class LinearProblem:
    """The problem that every closed form takes.

    Attributes:
        W0: (m, d) pretrained weights.
        T: (m, d) task update.
        beta: strength of the spurious correlation, > 0.
        u: (m,) unit write direction.
        v: (d,) unit read direction.
        Sigma: (d, d) second moment E[x xᵀ] of the curated inputs, symmetric positive semi-definite.
        Sigma_t: the same at deployment; Sigma by default.
        H: (m, m) metric of the loss at the output, loss = E‖H^½ (y − ŷ)‖²; the identity by default.

    Raises InputError for shapes that do not fit, directions that are not unit vectors, matrices that are not symmetric
    positive semi-definite, or beta <= 0.
    """

    W0: Float[ndarray, "m d"]
    T: Float[ndarray, "m d"]
    beta: float
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    Sigma: Float[ndarray, "d d"]
    Sigma_t: Float[ndarray, "d d"] = field(default=None)  # type: ignore[assignment]
    H: Float[ndarray, "m m"] = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        m, d = self.T.shape
        if self.Sigma_t is None:
            object.__setattr__(self, "Sigma_t", self.Sigma)
        if self.H is None:
            object.__setattr__(self, "H", np.eye(m))
        expected = {"W0": (m, d), "u": (m,), "v": (d,), "Sigma": (d, d), "Sigma_t": (d, d), "H": (m, m)}
        for name, shape in expected.items():
            value = getattr(self, name)
            if value.shape != shape or not np.isfinite(value).all():
                raise InputError(
                    f"{name} must be finite of shape {shape} to fit T of shape {(m, d)}, got {value.shape}"
                )
        for name in ("u", "v"):
            length = float(np.linalg.norm(getattr(self, name)))
            if abs(length - 1) > 1e-8:
                raise InputError(f"{name} must be a unit vector, got length {length:.6g}")
        for name in ("Sigma", "Sigma_t", "H"):
            _refuse_indefinite(name, getattr(self, name))
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise InputError(f"beta must be positive, got {self.beta}")

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d) = (d_out, d_in)."""
        return self.T.shape[0], self.T.shape[1]

    @property
    def M(self) -> Float[ndarray, "m d"]:
        """T + beta u vᵀ, what naive fine-tuning learns."""
        return self.T + self.beta * np.outer(self.u, self.v)

    @property
    def tau(self) -> float:
        """‖T‖₂, the complexity that identification has to assert."""
        return float(linalg.spectral_norm(self.T))

    @property
    def P_u(self) -> Float[ndarray, "m m"]:
        """I − u uᵀ."""
        return np.eye(len(self.u)) - np.outer(self.u, self.u)

    @property
    def P_v(self) -> Float[ndarray, "d d"]:
        """I − v vᵀ."""
        return np.eye(len(self.v)) - np.outer(self.v, self.v)

    @cached_property
    def ell(self) -> Float[ndarray, " d"]:
        """Regression of vᵀx on the rest: (vᵀ Sigma P_v)(P_v Sigma P_v)⁺; 0 iff v is an eigenvector of Sigma."""
        return self.v @ self.Sigma @ self.P_v @ linalg.pinv(self.P_v @ self.Sigma @ self.P_v, hermitian=True)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Many losses E‖H^½ (M − D seen) x‖² of an update D at once, one per index of the leading axes, which broadcast.

    Attributes:
        M: (..., m, q) what the update has to imitate.
        Sigma: (..., q, q) E[x xᵀ].
        H: (..., m, m) metric at the output; the identity if omitted.
        seen: (..., d, q) the update reads seen x, not x; the identity if omitted (then q = d).

    Raises InputError for shapes that do not fit and matrices that are not symmetric positive semi-definite.
    """

    M: Float[ndarray, "... m q"]
    Sigma: Float[ndarray, "... q q"]
    H: Float[ndarray, "... m m"] = field(default=None)  # type: ignore[assignment]
    seen: Float[ndarray, "... d q"] | None = None

    def __post_init__(self) -> None:
        m, q = self.M.shape[-2:] if self.M.ndim > 1 else (0, 0)
        if self.H is None:
            object.__setattr__(self, "H", np.eye(m))
        d = q if self.seen is None or self.seen.ndim < 2 else self.seen.shape[-2]
        arrays = {"M": (m, q), "Sigma": (q, q), "H": (m, m)} | ({} if self.seen is None else {"seen": (d, q)})
        for name, shape in arrays.items():
            value = getattr(self, name)
            if value.shape[-2:] != shape or not value.size or not np.isfinite(value).all():
                raise InputError(f"{name} must be finite of shape (..., {shape[0]}, {shape[1]}), got {value.shape}")
        for name in ("Sigma", "H"):
            _refuse_indefinite(name, getattr(self, name))
        try:
            np.broadcast_shapes(*(getattr(self, name).shape[:-2] for name in arrays))
        except ValueError as error:
            raise InputError(f"leading axes (trials) that do not broadcast to each other: {error}") from error

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d) = (d_out, d_in) of the update."""
        return self.M.shape[-2], (self.M.shape[-1] if self.seen is None else self.seen.shape[-2])


def stack(problems: Sequence[LinearProblem]) -> Stacked:
    """The curated losses of problems of one shape, one leading axis. Raises InputError for none or several shapes."""
    shapes = {p.shape for p in problems}
    if len(shapes) != 1:
        raise InputError(f"stacking needs one or more problems of one shape, got shapes {sorted(shapes)}")
    return Stacked(*(np.stack([getattr(p, name) for p in problems]) for name in ("M", "Sigma", "H")))


def psd_root(matrix: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """The symmetric positive semi-definite square root."""
    values, Q = linalg.eigh(matrix)
    return Q * np.sqrt(values.clip(0)) @ Q.T


def draw_problem(
    rng: np.random.Generator,
    *,
    sizes: tuple[int, int] = (2, 8),
    condition: float = 10.0,
    metric: bool = False,
) -> LinearProblem:
    """A problem with dense random directions; sizes, strengths and covariances drawn.

    Args:
        sizes: smallest and largest m and d.
        condition: largest spread of the eigenvalues of Sigma, Sigma_t (and of H if ``metric``).
    """
    m, d = (int(n) for n in rng.integers(sizes[0], sizes[1] + 1, 2))
    u, v = rng.standard_normal(m), rng.standard_normal(d)
    Sigma = _covariance(rng, d, condition)  # drawn before the rest
    return LinearProblem(
        W0=rng.standard_normal((m, d)),
        T=rng.standard_normal((m, d)) * np.exp(rng.uniform(-2, 1)),
        beta=float(np.exp(rng.uniform(-1.5, 1.5))),
        u=u / np.linalg.norm(u),
        v=v / np.linalg.norm(v),
        Sigma=Sigma,
        Sigma_t=_covariance(rng, d, condition),
        H=_covariance(rng, m, condition) if metric else np.eye(m),
    )


def _refuse_indefinite(name: str, matrices: Float[ndarray, "... n n"]) -> None:
    scale = np.maximum(np.abs(matrices).max(axis=(-2, -1)), np.finfo(float).tiny)
    skew = np.abs(matrices - matrices.swapaxes(-1, -2)).max(axis=(-2, -1))
    if np.any(skew > 1e-9 * scale) or np.any(linalg.eigvalsh(matrices)[..., 0] < -1e-9 * scale):
        raise InputError(f"{name} must be symmetric positive semi-definite")


def _covariance(rng: np.random.Generator, n: int, condition: float) -> Float[ndarray, "n n"]:
    Q = linalg.qr(rng.standard_normal((n, n)))[0]
    matrix = Q * np.exp(rng.uniform(-0.5, 0.5, n) * np.log(condition)) @ Q.T
    return 0.5 * (matrix + matrix.T)
