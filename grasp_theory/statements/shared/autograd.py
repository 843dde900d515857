"""The second route of the statements about training: torch's own optimisers on the loss as written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem


def train_by_autograd(
    problem: LinearProblem,
    start: Sequence[ndarray],
    *,
    optimizer: str,
    lr: float,
    steps: int,
    scaling: float,
    keep: Sequence[ndarray] | None = None,
    gradient_only: bool = False,
    decay: float = 0.0,
    attach: bool = True,
) -> Float[ndarray, "m d"]:
    """dW = scaling B A after training (B, A) from ``start``.

    keep : the projectors (I − QQᵀ, I − VVᵀ) applied to B from the left and to A from the right: to the factors, or to
    their gradients only. Shares nothing with ``linear.training`` but the problem.
    """
    import torch

    p = problem
    M, H, Sigma = (torch.tensor(x) for x in (p.M, p.H, p.Sigma))
    left, right = (torch.tensor(x) for x in (keep or (np.eye(p.shape[0]), np.eye(p.shape[1]))))
    B, A = (torch.tensor(np.asarray(x, dtype=float)).requires_grad_() for x in start)
    rule = {
        "sgd": lambda: torch.optim.SGD([A, B], lr=lr),
        "momentum": lambda: torch.optim.SGD([A, B], lr=lr, momentum=0.9),
        "adam": lambda: torch.optim.Adam([A, B], lr=lr),
        "adamw": lambda: torch.optim.AdamW([A, B], lr=lr, weight_decay=decay),
        "sign": lambda: torch.optim.SGD([A, B], lr=lr),
    }[optimizer]()

    def project() -> None:
        with torch.no_grad():
            A.copy_(A @ right)
            B.copy_(left @ B)

    if attach and not gradient_only:
        project()
    for _ in range(steps):
        rule.zero_grad()
        E = M - scaling * B @ A
        gA, gB = torch.autograd.grad(torch.trace(H @ E @ Sigma @ E.T), [A, B])
        if gradient_only:
            gA, gB = gA @ right, left @ gB
        A.grad, B.grad = (torch.sign(gA), torch.sign(gB)) if optimizer == "sign" else (gA, gB)
        rule.step()
        if not gradient_only:
            project()
    return (scaling * B @ A).detach().numpy()
