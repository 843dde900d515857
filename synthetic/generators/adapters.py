"""Synthetic LoRA adapters with known truth: benign ones, and ones with a shared write direction planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, LowRank, Update, linalg

from .task_updates import unit


@dataclass(frozen=True)
class AdapterSpec:
    """A stack of LoRA updates on write modules, with the truth in the configuration.

    B = noise + strength * u wᵀ, A uniform as peft starts it; u is shared by the layers, w (so v_l = Aᵀw, unit norm)
    is drawn for each. dW_l = s N A + strength * u v_lᵀ.

    Args:
        layers, width, inputs, rank: L, d_out, d_in, r of every module.
        strength: beta of each layer, in units of the noise's own scale s √width √(mean eigenvalue of AAᵀ): the spectral
            size of the noise for a narrow A. 0 is a benign adapter.
        own: strength of a direction that every layer has by itself, shared with no other, in the same units.
        anisotropy: exponent a >= 0; the rows of the noise have standard deviations proportional to j^(-a), in a random
            orthonormal basis that the layers share, as gradients in one residual stream do. 0 is isotropic.
        decay: exponent b >= 0; the columns of the noise have standard deviations proportional to j^(-b), so that every
            module has a decaying spectrum of its own, as converged fits do. 0 is flat.
    """

    layers: int = 16
    width: int = 256
    inputs: int = 256
    rank: int = 16
    strength: float = 0.0
    own: float = 0.0
    anisotropy: float = 0.0
    decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("layers", "width", "inputs", "rank"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive integer, got {value!r}")
        for name in ("strength", "own", "anisotropy", "decay"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise InputError(f"{name} must be a finite number >= 0, got {value!r}")
        if self.rank > min(self.width, self.inputs):
            raise InputError(f"rank {self.rank} exceeds the smaller size {min(self.width, self.inputs)}")


def draw_adapter(spec: AdapterSpec, *, rng: np.random.Generator) -> tuple[list[Update], Float[ndarray, " width"]]:
    """(updates of ``model.layers.{l}.self_attn.o_proj``, the planted unit direction u)."""
    u = unit(rng, spec.width)
    rows = _standardised(spec.width, spec.anisotropy)
    basis = linalg.qr(rng.standard_normal((spec.width, spec.width)))[0] if spec.anisotropy else None
    columns = _standardised(spec.rank, spec.decay)
    updates = []
    for layer in range(spec.layers):
        # peft: kaiming_uniform with a = √5, bound √(6/((1 + 5) d_in))
        A = rng.uniform(-1, 1, (spec.rank, spec.inputs)) / np.sqrt(spec.inputs)
        noise = rng.standard_normal((spec.width, spec.rank)) * columns
        if basis is not None:
            noise = basis @ (rows[:, None] * noise)
        unit_size = np.sqrt(spec.width * np.trace(A @ A.T) / spec.rank)
        B = noise + spec.strength * unit_size * _rank_one(rng, u, A)
        if spec.own:
            B += spec.own * unit_size * _rank_one(rng, unit(rng, spec.width), A)
        updates.append(Update.of(f"model.layers.{layer}.self_attn.o_proj", LowRank(B, A), layer=layer, side="write"))
    return updates, u


def _rank_one(rng: np.random.Generator, u: Float[ndarray, " width"], A: Float[ndarray, "r d"]) -> ndarray:
    """u wᵀ with random w such that u wᵀ A has singular value 1."""
    w = rng.standard_normal(A.shape[0])
    return np.outer(u, w / np.linalg.norm(w @ A))


def _standardised(n: int, exponent: float) -> Float[ndarray, " n"]:
    """j^(-exponent), j = 1 … n, scaled to mean square 1."""
    values = np.arange(1, n + 1) ** -float(exponent)
    return values / np.sqrt(np.mean(values**2))
