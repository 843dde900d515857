"""Adversarial search: the largest measured/bound of a claim, by gradient ascent through torch in float64."""

from __future__ import annotations

from .statement import Search


def largest_ratio(search: Search, *, deep: bool = False, seed: int = 0) -> float:
    """The largest ratio found from random starts by Adam with a decaying step, polished by L-BFGS.

    Parameters
    ----------
    deep : four times the restarts and twice the steps.
    seed : of the starts; the search is deterministic.

    The ratio is not smooth where singular values cross; restarts, not a finer step, are what helps there.
    Cost: restarts * steps evaluations of ``search.ratio`` and its gradient.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    restarts, steps = (4 * search.restarts, 2 * search.steps) if deep else (search.restarts, search.steps)
    best = float("-inf")
    for _ in range(restarts):
        x = torch.randn(search.size, generator=generator, dtype=torch.float64).requires_grad_()
        adam = torch.optim.Adam([x], lr=0.1)
        decay = torch.optim.lr_scheduler.ExponentialLR(adam, gamma=0.01 ** (1 / steps))
        for _ in range(steps):
            adam.zero_grad()
            ratio = search.ratio(x)
            if not torch.isfinite(ratio):
                break
            best = max(best, ratio.item())
            (-ratio).backward()
            if x.grad is None or not torch.isfinite(x.grad).all():
                break
            adam.step()
            decay.step()
        best = max(best, _polish(search, x.detach()))
    return best


def _polish(search: Search, x0) -> float:
    """The best value that L-BFGS reaches from here."""
    import torch

    x = x0.clone().requires_grad_()
    best = float("-inf")
    lbfgs = torch.optim.LBFGS([x], lr=0.5, max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        nonlocal best
        lbfgs.zero_grad()
        ratio = search.ratio(x)
        if torch.isfinite(ratio):
            best = max(best, ratio.item())
        (-ratio).backward()
        return -ratio

    lbfgs.step(closure)
    return best
