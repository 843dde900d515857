"""Training of the nets of ``nets`` under removal methods, by exact gradients written out; all trials at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import expit

from grasp_theory import InputError
from grasp_theory.linear.training import Optimizer, OptimizerState

from ..fields import require_not_negative
from .nets import Net, Stream, along, forward

METHODS = ("none", "stream", "write", "read", "caft", "compensated")
Vectors = Float[ndarray, "trials n"]
LoraB = Float[ndarray, "trials a n r"]
LoraA = Float[ndarray, "trials a r n"]


@dataclass(frozen=True, eq=False)
class Method:
    """Which removals run during training, with their directions.

    Attributes:
        names: one of METHODS, or several joined by "+", e.g. "stream+write". With P = I − u uᵀ:

    - stream: the gradient of the loss with respect to the stream is projected, g <- P g, at every block's output, on
      its way down. (In statement ``rerouting-share`` at the last output only; part (ii) holds for either, as both see
      the loss through P g alone.)
    - write: B_k <- P B_k at the start and after every step. read: A_k <- A_k (I − v vᵀ) likewise.
    - caft: h <- P h after every block in the forward pass of training, backpropagated through.
    - compensated: strength · beta u vᵀx is added to the output in training.
    - none: nothing. Every measurement is without the method.

    Attributes:
        u, v: (trials, n) unit directions that the method is given.
        strength: of the compensator, 1 = the shortcut's.
    """

    names: str
    u: Vectors
    v: Vectors
    strength: float = 1.0
    parts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = self.names.split("+")
        if not set(parts) <= set(METHODS) or len(set(parts)) < len(parts) or ("none" in parts and len(parts) > 1):
            raise InputError(f"a method is one or several of {', '.join(METHODS)} joined by +, got {self.names!r}")
        require_not_negative(self, "strength")
        for name in ("u", "v"):
            if not np.allclose(np.linalg.norm(getattr(self, name), axis=-1), 1, rtol=0, atol=1e-8):
                raise InputError(f"{name} must hold unit vectors, one per trial")
        object.__setattr__(self, "parts", frozenset(parts))

    def project(self, B: LoraB, A: LoraA) -> tuple[LoraB, LoraA]:
        """The factors after write and read removal."""
        if "write" in self.parts:
            B = B - self.u[:, None, :, None] * (self.u[:, None, None, :] @ B)
        if "read" in self.parts:
            A = A - (A @ self.v[:, None, :, None]) * self.v[:, None, None, :]
        return B, A


@dataclass(frozen=True, eq=False)
class NetRun:
    """The trajectory of ``train_net``. First axis: recorded steps; second: trials. F is the net without the method.

    Attributes:
        steps: recorded steps, the first 0.
        loss: what is minimised (under the method, on the curated inputs).
        reliance: mean over z of uᵀ[F(z + v) − F(z)] − uᵀ[c(z + v) − c(z)], z the fresh inputs without their v
            coordinate: the response along u to a unit step along v, less the one of the clean target c; beta in a net
            that has learnt the shortcut, 0 in c. In output units per unit of vᵀx.
        task_error: mean ‖P_u (F − c)‖² on fresh inputs.
        risk: mean ‖F − c‖² there, what u carries included.
        leak: largest ``|entry|`` of uᵀD_k over blocks, u as given to the method.
        B, A: the factors at the end.
    """

    steps: Int[ndarray, " records"]
    loss: Float[ndarray, "records trials"]
    reliance: Float[ndarray, "records trials"]
    task_error: Float[ndarray, "records trials"]
    risk: Float[ndarray, "records trials"]
    leak: Float[ndarray, "records trials"]
    B: LoraB
    A: LoraA


def train_net(
    net: Net,
    *,
    method: str = "none",
    optimizer: Optimizer = "sgd",
    lr: float,
    steps: int,
    every: int = 1,
    strength: float = 1.0,
    u: Vectors | None = None,
    v: Vectors | None = None,
    train_A: bool = True,
    decay: float = 0.0,
) -> NetRun:
    """Full-batch training from (0, A0) of the mean loss of ``Net``, under a removal method.

    Law (statements ``rerouting-share`` and ``compensation-removes-pressure``): with stream, beta has no influence if
    P_u H u = 0; with write and φ = identity, uᵀF never moves if u is a left eigenvector of every W_k, k >= 1, and the
    shortcut can be re-routed in full otherwise; with compensated at strength 1 and squared loss the run is that of
    beta = 0.

    Args:
        method, strength, u, v: see ``Method``; the true directions by default.
        optimizer: as in ``grasp_theory.linear.training.train``.
        decay: decoupled weight decay (adamw).
        lr, steps: a step is −lr times the optimiser's direction.
        every: measure every so many steps, and at both ends.
        train_A: False leaves A at its start. With ``rank = width``, ``start = "orthonormal"`` plain descent on B is
            then plain descent on D_k.

    Raises InputError for unknown names and for training that diverges.
    """
    if optimizer not in get_args(Optimizer):
        raise InputError(f"unknown optimizer {optimizer!r}; there are {', '.join(get_args(Optimizer))}")
    if not (np.isfinite(lr) and lr > 0 and steps >= 1 and every >= 1):
        raise InputError(f"lr must be positive, steps and every at least 1, got {lr}, {steps} and {every}")
    removal = Method(method, net.u if u is None else u, net.v if v is None else v, strength)
    B, A = removal.project(net.B0, net.A0)
    state, probe = (OptimizerState(optimizer), OptimizerState(optimizer)), _Probe(net, removal)
    clean, records = net.clean(net.X), []
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is reported, once
        for step in range(steps + 1):
            loss, gB, gA = gradients(net, removal, B, A, clean=clean)
            if not np.isfinite(loss).all():
                raise InputError(f"training diverged by step {step}: lower lr = {lr}")
            if step % every == 0 or step == steps:
                records.append((step, loss, *probe(B, A)))
            if step == steps:
                break
            B = B - lr * (state[0].direction(gB) + (decay * B if optimizer == "adamw" else 0.0))
            if train_A:
                A = A - lr * (state[1].direction(gA) + (decay * A if optimizer == "adamw" else 0.0))
            B, A = removal.project(B, A)
    recorded, loss, reliance, task, risk, leak = (np.array(column) for column in zip(*records, strict=True))
    return NetRun(recorded, loss, reliance, task, risk, leak, B, A)


def gradients(
    net: Net, removal: Method, B: LoraB, A: LoraA, *, clean: Stream | None = None
) -> tuple[Float[ndarray, " trials"], LoraB, LoraA]:
    """(loss of each trial, its gradients in B and A) as the method has them: backpropagation through the blocks.

    With stream they are those of a net in which the stream's part along u counts as constant after every block.
    """
    weights = net.weights(B, A)
    streams, slopes = forward(net, weights, net.X, removal.u if "caft" in removal.parts else None)
    loss, g = _signal(net, removal, streams[-1], net.clean(net.X) if clean is None else clean)
    gB, gA = np.zeros_like(B), np.zeros_like(A)
    adapted = list(net.adapted)
    for k in range(net.spec.blocks - 1, adapted[0] - 1, -1):
        if removal.parts & {"stream", "caft"}:
            g = g - along(removal.u, g)
        at_block = g * slopes[k]
        if k in adapted:
            i, h = adapted.index(k), streams[k]
            gB[:, i] = at_block @ (A[:, i] @ h).swapaxes(-1, -2)
            gA[:, i] = (B[:, i].swapaxes(-1, -2) @ at_block) @ h.swapaxes(-1, -2)
        g = g + weights[:, k].swapaxes(-1, -2) @ at_block
    return loss, gB, gA


def _signal(net: Net, removal: Method, F: Stream, clean: Stream) -> tuple[Float[ndarray, " trials"], Stream]:
    """Mean loss and its gradient with respect to the outputs."""
    E, N, beta = F - clean, F.shape[-1], net.spec.beta
    if "compensated" in removal.parts:
        E = E + removal.strength * beta * removal.u[..., None] * (removal.v[:, None] @ net.X)
    if net.spec.loss == "squared":
        E = E - beta * net.u[..., None] * (net.v[:, None] @ net.X)
        HE = net.H @ E
        return 0.5 * np.sum(E * HE, axis=(-2, -1)) / N, HE / N
    z = (net.u[:, None] @ E)[:, 0]
    E = E - along(net.u, E)
    HE = net.H @ E
    loss = 0.5 * np.sum(E * HE, axis=(-2, -1)) + np.sum(np.logaddexp(0, -z), axis=-1)
    return loss / N, (HE - along(net.u, HE) - net.u[..., None] * expit(-z)[:, None]) / N


class _Probe:
    """Measures a net without its method; what the clean target does on the fresh inputs is computed once."""

    def __init__(self, net: Net, removal: Method) -> None:
        self.net, self.u = net, removal.u
        self.without = net.fresh - along(net.v, net.fresh)
        self.inputs = [net.fresh, self.without, self.without + net.v[..., None]]
        self.clean = [net.clean(X) for X in self.inputs]

    def __call__(self, B: LoraB, A: LoraA) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        """(reliance, task error, risk, leak) of each trial."""
        weights = self.net.weights(B, A)
        error, off, on = (self.net.output(weights, X) - c for X, c in zip(self.inputs, self.clean, strict=True))
        reliance = np.mean(self.net.u[:, None] @ (on - off), axis=(-2, -1))
        task = np.mean(np.sum((error - along(self.net.u, error)) ** 2, axis=-2), axis=-1)
        leak = np.abs((self.u[:, None, None] @ B) @ A).max(axis=(1, 2, 3))
        return reliance, task, np.mean(np.sum(error**2, axis=-2), axis=-1), leak
