"""A network run, a layer and a logistic trait under a compensator C: what compensation-removes-pressure measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.integrate import solve_ivp
from scipy.linalg import null_space
from scipy.special import expit

from ...linear.problem import psd_root
from ..shared.maps import truncated
from ..shared.residual_net import Net, Optimiser
from ..statement import Sides

STEPS, LR = 15, 0.02


@dataclass(frozen=True, eq=False)
class Compensated:
    """One network run, one layer and one logistic trait, with the compensator C.

    R : square root of the loss metric. Y0 : targets without the shortcut. inside : C acts after the first block
    instead of at the output. projected : D v̂ = 0 is imposed on the layer as well. r : rank of the low-rank runs.
    a, t : margin and time of the logistic trait.
    """

    net: Net
    X: Float[ndarray, "n N"]
    Y0: Float[ndarray, "n N"]
    R: Float[ndarray, "n n"]
    loss: Literal["squared", "log-cosh", "logistic"]
    optimiser: Optimiser
    T: Float[ndarray, "n n"]
    u: Float[ndarray, " n"]
    v: Float[ndarray, " n"]
    beta: float
    Sigma: Float[ndarray, "n n"]
    C: Float[ndarray, "n n"]
    v_hat: Float[ndarray, " n"]
    r: int
    a: float
    t: float
    inside: bool = False
    projected: bool = False

    @property
    def shortcut(self) -> Float[ndarray, "n n"]:
        """beta u vᵀ."""
        return self.beta * np.outer(self.u, self.v)

    @property
    def Y(self) -> Float[ndarray, "n N"]:
        """Curated targets of the network run."""
        return self.Y0 + self.shortcut @ self.X

    def run(self, Y: Float[ndarray, "n N"], offset: Float[ndarray, "n N"] | None = None) -> Float[ndarray, "k n N"]:
        """Outputs after each step, the offset dropped."""
        inner = offset if self.inside else None
        outer = np.zeros_like(Y) if offset is None or self.inside else offset

        def signal(F):
            E = F + outer
            if self.loss == "logistic":
                return expit(E) - Y
            E = self.R @ (E - Y)
            return self.R.T @ (E if self.loss == "squared" else np.tanh(E))

        return self.net.train(self.X, signal, steps=STEPS, lr=LR, optimiser=self.optimiser, inside=inner)

    def layer(self, C: Float[ndarray, "n n"], *, projected: bool) -> Float[ndarray, "n n"]:
        """Least squares of (M − C) Sigma^½ on Sigma^½, restricted to D v̂ = 0 if ``projected``."""
        S = psd_root(self.Sigma)
        B = null_space(self.v_hat[None]) if projected else np.eye(len(S))
        target = (self.T + self.shortcut - C) @ S
        return np.linalg.lstsq(S @ B, target.T, rcond=1e-6)[0].T @ B.T

    @cached_property
    def learnt(self) -> float:
        """b(t) under logistic loss, integrated in log(1 + t e^-a)."""
        a, end = self.a, np.log1p(self.t * np.exp(-self.a))
        return integrated(lambda s, b: np.exp(a + s) * expit(-(a + b)), end)

    @cached_property
    def learnt_squared(self) -> float:
        """b(t) under ½(beta − a − b)², integrated in log(1 + t) up to t = 40, where it has settled."""
        return integrated(lambda s, b: np.exp(s) * (self.beta - self.a - b), np.log1p(min(self.t, 40.0)))


def integrated(slope: Callable, end: float) -> float:
    """The solution at ``end`` of db/ds = slope(s, b), b(0) = 0."""
    flow = solve_ivp(slope, (0, end), [0.0], "DOP853", rtol=1e-12, atol=1e-13)
    return float(flow.y[0, -1])


def oblique(i: Compensated) -> tuple[Float[ndarray, "n n"], Float[ndarray, " n"]]:
    """Q = P_v̂ + v̂ ell, and ell."""
    P = np.eye(len(i.u)) - np.outer(i.v_hat, i.v_hat)
    ell = i.v_hat @ i.Sigma @ P @ np.linalg.pinv(P @ i.Sigma @ P, rcond=1e-8, hermitian=True)
    return P + np.outer(i.v_hat, ell), ell


def deletion_gap(i: Compensated, *, rank: int = 1, whitened: bool = True) -> Sides:
    """Rank-r run with the top triple as C against the naive run of rank r + ``rank`` less component 1."""
    S, M = psd_root(i.Sigma), i.T + i.shortcut
    W = S if whitened else np.eye(len(S))
    C = truncated(M @ W, 1) @ np.linalg.pinv(W, rcond=1e-6)
    deleted = truncated(M @ S, i.r + rank) - truncated(M @ S, 1)
    gap = float(np.linalg.norm(truncated((M - C) @ S, i.r) - deleted))
    return Sides.exact(gap, 0.0, scale=float(np.linalg.norm(M @ S, 2)))


def naive(i: Compensated, rank: int) -> Float[ndarray, "n n"]:
    """[M Sigma^½]_rank Sigma^-½."""
    S = psd_root(i.Sigma)
    return truncated((i.T + i.shortcut) @ S, rank) @ np.linalg.pinv(S, rcond=1e-6)


def part_gap(i: Compensated, C: Float[ndarray, "n n"]) -> Sides:
    """Rank-r run with this C against N − C, N the naive run of rank r + 1, on the inputs."""
    S, N = psd_root(i.Sigma), naive(i, i.r + 1)
    gap = float(np.linalg.norm(truncated((i.T + i.shortcut - C) @ S, i.r) - (N - C) @ S))
    return Sides.exact(gap, 0.0, scale=float(np.linalg.norm(N @ S) + np.linalg.norm(C @ S)))


def rank_one_part(N: Float[ndarray, "n n"], a: Float[ndarray, " n"], b: Float[ndarray, " n"]) -> Float[ndarray, "n n"]:
    """N a bᵀN/(bᵀN a): what can be taken off N for one rank less."""
    return np.outer(N @ a, b @ N) / (b @ N @ a)


def own_component(N: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """û ûᵀN, û its top left singular vector."""
    u = np.linalg.svd(N)[0][:, 0]
    return np.outer(u, u @ N)


def autograd_outputs(i: Compensated) -> float:
    """‖F‖ on the inputs after training F + C on (x, y) with torch's autograd and optimisers, C dropped."""
    import torch

    def tensor(x):
        return torch.tensor(x, dtype=torch.float64)

    A = tensor(i.net.A0).requires_grad_()
    B = torch.zeros(A.shape[0], A.shape[2], A.shape[1], dtype=torch.float64, requires_grad=True)
    W, X, CX, R = tensor(i.net.W), tensor(i.X), tensor(i.C @ i.X), tensor(i.R)
    Y = tensor(i.Y0 + i.beta * np.outer(i.u, i.v @ i.X))

    def forward():
        h = X
        for k in range(len(W)):
            h = h + torch.tanh((W[k] + B[k] @ A[k]) @ h)
        return h

    momentum = 0.9 if i.optimiser == "momentum" else 0.0
    adam = i.optimiser == "adam"
    optimiser = torch.optim.Adam([A, B], lr=LR) if adam else torch.optim.SGD([A, B], lr=LR, momentum=momentum)
    for _ in range(STEPS):
        optimiser.zero_grad()
        E = R @ (forward() + CX - Y)
        loss = 0.5 * (E**2).sum() if i.loss == "squared" else torch.log(torch.cosh(E)).sum()
        (loss / X.shape[1]).backward()
        optimiser.step()
    return float(torch.linalg.norm(forward().detach()))
