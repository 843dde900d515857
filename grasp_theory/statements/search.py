"""Adversarial search: the largest measured/bound of a claim, by gradient ascent through torch in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .statement import Search


class _Best:
    """The largest finite ratio seen and its parameters."""

    def __init__(self, size: int) -> None:
        self.ratio, self.x = float("-inf"), np.zeros(size)

    def take(self, ratio: float, x) -> None:
        if ratio > self.ratio:
            self.ratio, self.x = ratio, x.detach().numpy().copy()


def largest_ratio(search: Search[Any], *, deep: bool = False, seed: int = 0) -> tuple[float, Float[ndarray, " size"]]:
    """The largest ratio found, and where, from random starts by Adam with a decaying step, polished by L-BFGS.

    Args:
        deep: four times the restarts and twice the steps.
        seed: of the starts; the search is deterministic.

    The ratio is not smooth where singular values cross; restarts, not a finer step, are what helps there.
    Cost: restarts * steps evaluations of ``search.ratio`` and its gradient.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    restarts, steps = (4 * search.restarts, 2 * search.steps) if deep else (search.restarts, search.steps)
    best = _Best(search.size)
    for _ in range(restarts):
        x = torch.randn(search.size, generator=generator, dtype=torch.float64).requires_grad_()
        adam = torch.optim.Adam([x], lr=0.1)
        decay = torch.optim.lr_scheduler.ExponentialLR(adam, gamma=0.01 ** (1 / steps))
        for _ in range(steps):
            adam.zero_grad()
            ratio = search.ratio(x)
            if not torch.isfinite(ratio):
                break
            best.take(ratio.item(), x)
            (-ratio).backward()
            if x.grad is None or not torch.isfinite(x.grad).all():
                break
            adam.step()
            decay.step()
        _polish(search, x.detach(), best)
    return best.ratio, best.x


def value_at(search: Search[Any], x: Float[ndarray, " size"]) -> float:
    """The ratio at these parameters."""
    import torch

    return float(search.ratio(torch.tensor(x, dtype=torch.float64)))


def _polish(search: Search[Any], x0, best: _Best) -> None:
    """L-BFGS from here."""
    import torch

    x = x0.clone().requires_grad_()
    lbfgs = torch.optim.LBFGS([x], lr=0.5, max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        ratio = search.ratio(x)
        if torch.isfinite(ratio):
            best.take(ratio.item(), x)
        (-ratio).backward()
        return -ratio

    lbfgs.step(closure)
