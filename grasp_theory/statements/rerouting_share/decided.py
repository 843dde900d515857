"""rerouting-share: Kantorovich's bound of the share, for all real numbers.

Eigenvalues in [1, κ]. a = uᵀHu is their mean under the weights of u, b = uᵀH⁻¹u that of their inverses, and 1/λ lies
below its chord, 1/λ <= (1 + κ − λ)/κ: κ b <= 1 + κ − a, whatever the number of dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import z3

from ..derivations import Core
from . import Instance, draw


def cores() -> list[Core[Instance]]:
    """share = 1 − 1/(a b) <= ((κ−1)/(κ+1))²; root = √κ for the false variant."""
    unknowns: list[Any] = z3.Reals("a b kappa root")
    a, b, kappa, root = unknowns
    premises = (
        *(1 <= a, a <= kappa, b > 0, kappa > 1, kappa < 1000),
        *(kappa * b <= 1 + kappa - a, root >= 1, root * root == kappa),
    )

    def bound(x: Any) -> Any:
        return (a * b - 1) * (x + 1) * (x + 1) <= (x - 1) * (x - 1) * a * b

    return [
        Core(
            "Kantorovich",
            "Kantorovich",
            "all reals",
            premises,
            bound(kappa),
            {"condition number of H^½": bound(root)},
            on_the_chord,
        )
    ]


def on_the_chord(values: Mapping[str, float]) -> Instance:
    """Eigenvalues 1 and κ with the weights that make uᵀHu = a: its b is the largest for this a."""
    i, kappa = draw(np.random.default_rng(0)), values["kappa"]
    Q = np.linalg.qr(i.net.W[0])[0]
    spectrum = np.append(np.ones(len(i.u) - 1), kappa)
    weight = (values["a"] - 1) / (kappa - 1)
    return replace(i, H=Q * spectrum @ Q.T, u=np.sqrt(1 - weight) * Q[:, 0] + np.sqrt(weight) * Q[:, -1])
