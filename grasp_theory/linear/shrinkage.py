"""How much of a component to remove when it may be the task's as well (statement ``minimax-removal``)."""

from __future__ import annotations

from ..errors import InputError


def removed_amount(s: float, tau: float, *, beta: float | None = None) -> float:
    """The n for which M − n û v̂ᵀ has the least worst ‖M − n û v̂ᵀ − T‖_F, (s, û, v̂) the top triple of M = T + beta u vᵀ.

    Law, over every T with ‖T‖₂ <= tau: **n = (s² − tau²)/(2s − beta)**; for unknown beta that of the root beta of
    beta (2s − beta)³ = (s² − tau²)² in [s, s + tau], which is s (1 − ½(tau/s)⁴ + …): then deletion, n = s, is nearly
    as good. Raises InputError unless 0 <= tau < s and ``|s − beta|`` <= tau.
    """
    if not 0 <= tau < s:
        raise InputError(f"expected 0 <= tau < {s:.4g}, the component's singular value, got tau = {tau:.4g}")
    if beta is None:
        beta = hardest_strength(s, tau)
    elif not abs(s - beta) <= tau * (1 + 1e-9):
        raise InputError(f"with ‖T‖ <= {tau:.4g} the strength lies within that of {s:.4g}, got {beta:.4g}")
    return (s * s - tau * tau) / (2 * s - beta)


def hardest_strength(s: float, tau: float) -> float:
    """The strength at which the removal for unknown beta errs most."""
    rho = tau / s
    low, high = 1.0, 1 + rho  # in units of s the left side falls from 1 to below the right one
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if middle * (2 - middle) ** 3 > (1 - rho * rho) ** 2 else (low, middle)
    return s * 0.5 * (low + high)
