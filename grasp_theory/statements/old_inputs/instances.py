"""Old inputs, a block V of their directions, updates with dW V = 0, new inputs and a factor read within span V."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import null_space

from ...linear.problem import psd_root
from ..shared.draws import covariance, log_uniform, orthonormal, unit

Vary = Literal["everywhere", "where the mean is", "not where the mean is", "nowhere"]
VARY: tuple[Vary, ...] = get_args(Vary)


@dataclass(frozen=True, eq=False)
class Instance:
    """What ``old-inputs`` is about; one layer, updates (m, d).

    old : the old inputs, equally weighted. Sigma0 : their second moment, as asserted. dW : an update with dW V = 0.
    X, Y : new inputs and the change wanted there. Z : what a rival of the least update differs by, before projection.
    T, U, R, Sigma : curated target T + U Rᵀ with factors (columns of U) beta_j u_j and unit v_j (of R), curated moment.
    a, w, y : one more new input X a + V w, and what is wanted there. w, X[:, 0] : level of Vᵀx and, off V, mean of the
    always-on inputs, which vary off V as Sigma does: in every direction, in all but one off their mean, in all but one
    of which the mean has a part, or not at all.
    """

    old: Float[ndarray, "d N"]
    Sigma0: Float[ndarray, "d d"]
    V: Float[ndarray, "d k"]
    dW: Float[ndarray, "m d"]
    X: Float[ndarray, "d n"]
    Y: Float[ndarray, "m n"]
    Z: Float[ndarray, "m d"]
    T: Float[ndarray, "m d"]
    U: Float[ndarray, "m q"]
    R: Float[ndarray, "d q"]
    Sigma: Float[ndarray, "d d"]
    a: Float[ndarray, " n"]
    w: Float[ndarray, " k"]
    y: Float[ndarray, " m"]
    vary: Vary = "everywhere"

    @property
    def P(self) -> Float[ndarray, "d d"]:
        """I − V Vᵀ."""
        return np.eye(len(self.V)) - self.V @ self.V.T

    @cached_property
    def Q(self) -> Float[ndarray, "d d-k"]:
        """An orthonormal basis of the complement of span V."""
        return null_space(self.V.T)

    @cached_property
    def values(self) -> Float[ndarray, " d"]:
        """Eigenvalues of Sigma_0, the largest first."""
        return np.linalg.eigvalsh(self.Sigma0)[::-1]

    @property
    def k(self) -> int:
        """Number of directions."""
        return self.V.shape[1]

    @property
    def next(self) -> float:
        """λ_{k+1}(Sigma_0)."""
        return float(self.values[self.k])

    def with_block(self, Sigma: Float[ndarray, "d d"]) -> Instance:
        """The same with V the k leading eigenvectors of Sigma."""
        return replace(self, V=leading(Sigma, self.k))

    @property
    def missed(self) -> float:
        """λ_max(P Sigma_0 P)."""
        return top(self.P @ self.Sigma0 @ self.P)

    @cached_property
    def least(self) -> Float[ndarray, "m d"]:
        """Y (P X)⁺."""
        return self.Y @ np.linalg.pinv(self.P @ self.X)

    @property
    def rival(self) -> Float[ndarray, "m d"]:
        """Another update that does to V and X what the least one does."""
        return self.least + self.Z @ (N := null_space(np.column_stack([self.V, self.X]).T)) @ N.T

    @property
    def M(self) -> Float[ndarray, "m d"]:
        """T + Σ beta_j u_j v_jᵀ."""
        return self.T + self.U @ self.R.T

    @property
    def mu(self) -> Float[ndarray, " d"]:
        """Mean of P x of the always-on inputs."""
        return self.P @ self.X[:, 0]

    @cached_property
    def C(self) -> Float[ndarray, "d d"]:
        """Covariance of P x of the always-on inputs, singular off V unless they vary everywhere."""
        G, n = self.P @ self.Sigma @ self.P, self.Q.sum(axis=1)
        if self.vary == "everywhere":
            return G
        if self.vary == "nowhere":
            return 0 * G
        if self.vary == "where the mean is":
            n = n - self.mu * (self.mu @ n) / (self.mu @ self.mu)
        N = np.eye(len(n)) - np.outer(n, n) / (n @ n)
        return N @ G @ N

    @property
    def always_on(self) -> Float[ndarray, "d d"]:
        """Second moment of inputs with Vᵀx = w always and P x of mean mu and covariance C."""
        mean = self.V @ self.w + self.mu
        return np.outer(mean, mean) + self.C

    @property
    def h(self) -> float:
        """muᵀ C⁺ mu, infinite unless mu lies in the range of C."""
        solved, *_ = np.linalg.lstsq(self.C, self.mu, rcond=1e-10)
        inside = np.linalg.norm(self.C @ solved - self.mu) <= 1e-6 * np.linalg.norm(self.mu)
        return float(self.mu @ solved) if inside else float("inf")

    def drift(self, D: Float[ndarray, "m d"]) -> float:
        """E‖D x‖² over the old inputs."""
        return float(np.mean(np.sum((D @ self.old) ** 2, axis=0)))

    def misfit(self, X: Float[ndarray, "d n"], Y: Float[ndarray, "m n"]) -> float:
        """The least ‖D X − Y‖_F over D V = 0, by least squares in a basis of the complement."""
        return float(np.linalg.norm(np.linalg.lstsq(X.T @ self.Q, Y.T, rcond=1e-9)[0].T @ self.Q.T @ X - Y))

    def trained(
        self, M: Float[ndarray, "m d"], Sigma: Float[ndarray, "d d"], V: Float[ndarray, "d k"] | None = None
    ) -> Float[ndarray, "m d"]:
        """argmin ‖(D − M) Sigma^½‖_F over D V = 0, the smallest if there are several."""
        S, Q = psd_root(Sigma), self.Q if V is None else null_space(V.T)
        return np.linalg.lstsq(S @ Q, (M @ S).T, rcond=1e-6)[0].T @ Q.T

    def regression(self, Sigma: Float[ndarray, "d d"]) -> Float[ndarray, "k d"]:
        """L = Vᵀ Sigma P (P Sigma P)⁺, of Vᵀx on P x."""
        G = self.P @ Sigma @ self.P
        return self.V.T @ Sigma @ self.P @ np.linalg.pinv(G, rcond=1e-10, hermitian=True)


def top(Sigma: Float[ndarray, "n n"]) -> float:
    """The largest eigenvalue."""
    return float(np.linalg.eigvalsh(Sigma)[-1])


def leading(Sigma: Float[ndarray, "d d"], k: int) -> Float[ndarray, "d k"]:
    """Eigenvectors of the k largest eigenvalues."""
    return np.linalg.eigh(Sigma)[1][:, ::-1][:, :k]


def draw(rng: np.random.Generator) -> Instance:
    """Sizes, spreads, the mean of the old inputs drawn; V generic, leading, or near to it; half the y are Y a."""
    d, m, q = (int(n) for n in rng.integers((3, 1, 1), (9, 6, 4)))
    k = int(rng.integers(1, d - 1))
    n = int(rng.integers(1, d - k + 1))
    spread = psd_root(covariance(rng, d, condition=log_uniform(rng, 1, 100)))
    old = spread @ rng.standard_normal((d, 3 * d)) + log_uniform(rng, 0.1, 5) * unit(rng, d)[:, None]
    Sigma0, kind = old @ old.T / old.shape[1], rng.integers(3)
    V = orthonormal(rng, d, k) if kind == 0 else leading(Sigma0, k)
    if kind == 1:
        V = np.linalg.qr(V + 0.1 * rng.standard_normal((d, k)))[0]
    P = np.eye(d) - V @ V.T
    dW = rng.standard_normal((m, d))
    if rng.random() < 0.5:
        dW = 0.1 * dW + np.outer(unit(rng, m), leading(P @ Sigma0 @ P, 1))
    X, Y, a = rng.standard_normal((d, n)), rng.standard_normal((m, n)), rng.standard_normal(n)
    read = V @ rng.standard_normal((k, q))
    return Instance(
        old=old,
        Sigma0=Sigma0,
        V=V,
        dW=log_uniform(rng, 0.1, 10) * dW @ P,
        X=log_uniform(rng, 0.1, 10) * X,
        Y=Y,
        Z=log_uniform(rng, 0.1, 1) * rng.standard_normal((m, d)),
        T=rng.standard_normal((m, d)) * log_uniform(rng, 0.1, 3),
        U=rng.standard_normal((m, q)) * log_uniform(rng, 0.3, 3),
        R=read / np.linalg.norm(read, axis=0),
        Sigma=covariance(rng, d, condition=log_uniform(rng, 1, 100)),
        a=a,
        w=rng.standard_normal(k),
        y=Y @ a if rng.random() < 0.5 else rng.standard_normal(m),
        vary=VARY[int(rng.integers(4))],
    )


def extremal(rng: np.random.Generator) -> Instance:
    """V leads Sigma_0, P x and the rows of dW lie along the first direction it leaves, and the rival is the least."""
    i = draw(rng)
    V, e = np.split(leading(i.Sigma0, i.k + 1), [i.k], axis=1)
    return replace(
        i, V=V, dW=np.outer(unit(rng, len(i.y)), 3 * e), X=0.7 * V @ i.w[:, None] + 0.5 * e, Y=i.Y[:, :1], Z=0 * i.Z,
        R=V @ V.T @ i.R / np.linalg.norm(V.T @ i.R, axis=0), a=i.a[:1],
    )  # fmt: skip


def in_span(rng: np.random.Generator) -> Instance:
    """The first new input lies in span V and is to be moved."""
    i = draw(rng)
    return replace(i, X=np.column_stack([i.V @ i.w, i.X[:, 1:]]))


def null_off_span(rng: np.random.Generator) -> Instance:
    """Curated inputs that do not reach one direction off span V."""
    i = draw(rng)
    N = np.eye(len(i.V)) - np.outer(x := i.Q @ unit(rng, i.Q.shape[1]), x)
    return replace(i, Sigma=N @ i.Sigma @ N)


def moved_by_lagrange(i: Instance) -> float:
    """Root mean square of D x over the old inputs, D the min ‖D‖_F under D [V X] = [0 Y] by its Lagrange system."""
    C = np.column_stack([i.V, i.X])
    d, c = C.shape
    wanted = np.vstack([np.zeros((d + i.V.shape[1], len(i.Y))), i.Y.T])
    system = np.block([[np.eye(d), C], [C.T, np.zeros((c, c))]])
    D = np.linalg.lstsq(system, wanted, rcond=1e-12)[0][:d].T
    return float(np.linalg.norm(D @ i.old) / np.sqrt(i.old.shape[1]))


def ratio(x):
    """rms movement over its bound of (iv): d = 4, k = 1, two new inputs, two outputs, any Sigma_0."""
    import torch

    v, A, X, Y = x[:4, None], x[4:20].reshape(4, 4), x[20:28].reshape(4, 2), x[28:].reshape(2, 2)
    P = torch.eye(4, dtype=x.dtype) - v @ v.T / (v**2).sum()
    D = Y @ torch.linalg.pinv(P @ X)
    worst = torch.linalg.matrix_norm(P @ A, 2) / torch.linalg.svdvals(P @ X)[-1]
    return (D @ A).norm() / (Y.norm() * worst)


def searched(x: Float[ndarray, " 32"]) -> Instance:
    """The instance that ``ratio`` is of: four old inputs, no task and one factor."""
    v, A, X, Y = x[:4, None], x[4:20].reshape(4, 4), x[20:28].reshape(4, 2), x[28:].reshape(2, 2)
    V = v / np.linalg.norm(v)
    dW = np.ones((2, 4)) @ (np.eye(4) - V @ V.T)
    zero = np.zeros((2, 4))
    return Instance(2 * A, A @ A.T, V, dW, X, Y, zero, zero, np.ones((2, 1)), V, np.eye(4), x[:2], x[:1], x[:2])
