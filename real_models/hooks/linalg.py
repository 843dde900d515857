"""The one place that calls LAPACK and cuSOLVER through torch: what gives up is done again in float64 on the CPU.

The results have the type and device of what came in. Outside of autograd: the second way has no gradient. NaN and Inf
raise InputError as in :mod:`grasp_theory.linalg`, save in :func:`qr`, which hands them on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grasp_theory import linalg

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def svd(X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(U, S, Vh), min(m, n) of each, by torch, else by :func:`grasp_theory.linalg.svd`."""
    import torch

    return _first(
        X, lambda: torch.linalg.svd(X, full_matrices=False), lambda M: linalg.svd(M, full_matrices=False), finite=True
    )


def eigh(X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(eigenvalues, ascending; eigenvectors) of symmetric X, by torch, else by :func:`grasp_theory.linalg.eigh`."""
    import torch

    return _first(X, lambda: torch.linalg.eigh(X), linalg.eigh, finite=True)


def qr(X: torch.Tensor, *, mode: str = "reduced") -> tuple[torch.Tensor, torch.Tensor]:
    """(Q, R), Q empty for mode "r", by torch, else by :func:`grasp_theory.linalg.qr`."""
    import torch

    return _first(X, lambda: torch.linalg.qr(X, mode=mode), linalg.qr, finite=False)


def _first(X: torch.Tensor, here: Callable[[], Any], elsewhere: Callable[[Any], Any], *, finite: bool) -> Any:
    import torch

    if finite and not torch.isfinite(X).all():
        raise linalg.not_finite("a decomposition", tuple(X.shape))
    try:
        return tuple(here())
    except RuntimeError:  # LinAlgError, cuSOLVER's errors, and types that torch does not decompose
        found = elsewhere(X.detach().cpu().double().numpy())
        return tuple(torch.from_numpy(part.copy()).to(X) for part in found)
