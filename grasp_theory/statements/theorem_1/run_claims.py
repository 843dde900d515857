"""Both sides of the claims of theorem-1 on training runs (part 4) and curation (part 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import Stacked
from ...linear.training import train
from ..shared.draws import sine
from ..statement import Claim, Sides, exact
from .instances import Instance

# 4. training


def update(i: Instance, optimizer) -> Float[ndarray, "m d"]:
    """B A after all steps."""
    B, A = i.paths[optimizer]
    return B[-1] @ A[-1]


def certificate(found: Callable[[ndarray, ndarray, float, ndarray], float]) -> Claim[Instance]:
    """sin ∠(û,u) of what descent, Adam and chance made, the worst, against a function of (P_u D Ŝ, û, ŝ₁, q̂)."""

    def sides(i: Instance) -> Sides:
        gaps = []
        for D in (update(i, "sgd"), update(i, "adam"), i.null):
            U, s, Vh = np.linalg.svd(D @ i.S)
            C = D @ i.S - np.outer(i.u, i.u @ D @ i.S)
            gaps.append((sine(U[:, 0], i.u), float(found(C, U[:, 0], float(s[0]), Vh[0]))))
        measured, stated = max(gaps, key=lambda pair: abs(pair[0] - pair[1]))
        return Sides.exact(measured, stated)

    return Claim("=", sides)


def longest(i: Instance) -> float:
    """h."""
    return i.run.step * float(i.lengths[:-1].max()) ** 2


def off_factor(i: Instance, optimizer="sgd") -> float:
    """‖P_u dW Ŝ‖₂ after all steps."""
    C = update(i, optimizer) @ i.S
    return float(np.linalg.norm(C - np.outer(i.u, i.u @ C), 2))


def descent(time: Callable[[Instance, float], float], *, task=lambda i: 1.0) -> Claim[Instance]:
    """Against ‖P_u (T Ŝ + G)‖ ‖A_k Ŝ‖ times the smaller of √time and eta Σ ‖A_j Ŝ‖."""

    def bound(i: Instance) -> float:
        Z = i.lengths
        N = i.T @ i.S + i.G
        kept = float(np.linalg.norm(N - np.outer(i.u, i.u @ N), 2)) * task(i)
        t = i.run.step * i.run.steps
        return kept * float(Z[-1]) * min(np.sqrt(time(i, t)), i.run.step * float(Z[:-1].sum()))

    return exact("<=", off_factor, bound, scale=lambda i: float(np.linalg.norm(i.target)))


def entries(i: Instance) -> float:
    """Largest entry of Adam's B in units of lr."""
    return float(np.abs(i.paths["adam"][0][-1]).max()) / i.run.lr


def through_entries(i: Instance) -> float:
    """√(m r) max|B| ‖A Ŝ‖."""
    B, A = i.paths["adam"]
    return float(np.sqrt(B[-1].size) * np.abs(B[-1]).max() * np.linalg.norm(A[-1] @ i.S, 2))


def first_step(bound) -> Claim[Instance]:
    """sin ∠(û,u) of Adam's first step on beta u vᵀ alone."""

    def measured(i: Instance) -> float:
        alone = Stacked(i.beta * np.outer(i.u, i.v), i.S @ i.S.T)
        step = train(alone, i.run.A0, optimizer="adam", lr=i.run.lr, steps=1, eps=1e-30).dW @ i.S
        return sine(np.linalg.svd(step)[0][:, 0], i.u)

    return exact("=", measured, bound)


# 5. curation


def taught(bound) -> Claim[Instance]:
    """The learnt weight on z along the labels' first core and a dense probe."""

    def probe(i: Instance, b: ndarray) -> float:
        return float(np.random.default_rng(i.seed).standard_normal(len(b)) @ b)

    return exact(
        "=",
        lambda i: probe(i, i.cores.learnt()[:, -1]),
        lambda i: probe(i, bound(i.cores)),
        scale=lambda i: float(np.linalg.norm(i.cores.learnt())),
    )


def not_explained(i: Instance) -> float:
    """‖M − T − weight readᵀ‖."""
    c = i.cores
    return float(np.linalg.norm(c.learnt() - c.kept() - np.outer(c.weight(), c.read())))
