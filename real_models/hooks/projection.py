"""Projection of LoRA factors: B kept off Q, A kept off V, at attach time and after every step of the optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError, InputError

from . import linalg
from .bases import remove_part

if TYPE_CHECKING:
    import torch

    from .targets import Factors


@dataclass(frozen=True, eq=False)
class Constraint:
    """``parameter`` has no part in the span of Q: of its columns (axis 0: B, a bias) or of its rows (axis 1: A)."""

    factors: Factors
    parameter: torch.nn.Parameter
    Q: torch.Tensor
    axis: int

    def remove(self, x: torch.Tensor) -> None:
        """x <- (I − QQᵀ) x, or x (I − QQᵀ), in place, computed in float32 (float64 for float64)."""
        x.copy_(remove_part(x, self.Q) if self.axis or x.ndim == 1 else remove_part(x.T, self.Q).T)

    def holds(self) -> bool:
        """Whether the parameter's part in the span is below the rounding of its type already.

        It is after a projection. Another one would move the last bits, and a resumed run would not be the one that was
        interrupted.
        """
        import torch

        x = self.parameter.detach().double()
        part = x @ self.Q.to(x) if self.axis or x.ndim == 1 else x.T @ self.Q.to(x)
        return float(part.norm()) <= torch.finfo(self.parameter.dtype).eps * float(x.norm())


def hold(constraints: list[Constraint], optimizer: torch.optim.Optimizer, undo: ExitStack) -> None:
    """Project the parameters now (if they need it) and after every step, their gradients before it.

    With the gradients projected the moments stay clean. The constraint holds under any optimizer, since it is put on
    the parameters; under decoupled weight decay too, which scales them. A step with a gradient that is not finite, of
    any parameter, is not taken: GraspError.
    Raises InputError if the optimizer does not train the parameters.
    """
    import torch

    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    strangers = [c.factors.name for c in constraints if id(c.parameter) not in trained]
    if strangers:
        raise InputError(f"the optimizer does not train the LoRA factors of {strangers[0]}: is it of another model?")

    def before(*_: Any) -> None:
        if not _finite([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]):
            raise GraspError(
                "a gradient is NaN or Inf; the step was not taken and the parameters are as they were. Lower the "
                "learning rate, clip gradients, or look at the batch"
            )
        for constraint in constraints:
            if constraint.parameter.grad is not None:
                constraint.remove(constraint.parameter.grad)

    def after(*_: Any) -> None:
        with torch.no_grad():
            for constraint in constraints:
                constraint.remove(constraint.parameter.data)

    with torch.no_grad():
        for constraint in constraints:
            if not constraint.holds():
                constraint.remove(constraint.parameter.data)
    undo.callback(optimizer.register_step_pre_hook(before).remove)
    undo.callback(optimizer.register_step_post_hook(after).remove)


def _finite(gradients: list[torch.Tensor]) -> bool:
    """Whether all entries are, with one wait for the device.

    By the 2-norms, ten times faster than the largest entries; where one overflows, every entry is looked at.
    """
    import torch

    if not gradients:
        return True
    norms = torch._foreach_norm(gradients)  # pyright: ignore[reportPrivateImportUsage]
    if bool(torch.isfinite(torch.stack([x.to(norms[0]) for x in norms])).all()):
        return True
    return all(bool(torch.isfinite(g).all()) for g in gradients)


def relative_leak(constraints: Iterable[Constraint]) -> dict[str, float]:
    """‖QᵀdW‖_F/‖dW‖_F (write) and ‖dW V‖_F/‖dW‖_F (read) over all constrained modules, in float64."""
    import torch

    parts: dict[str, list[torch.Tensor]] = {}
    for c in constraints:
        if c.parameter.ndim != 2:
            continue
        B, A = (p.detach().double() for p in (c.factors.B, c.factors.A))
        Q = c.Q.to(B)
        kept = (Q.T @ B, A) if c.axis == 0 else (B, A @ Q)
        sizes = torch.stack([_product_norm(*kept), _product_norm(B, A)]) * abs(c.factors.scaling)
        parts.setdefault("write" if c.axis == 0 else "read", []).append(sizes.square())
    totals = {name: torch.stack(sizes).sum(0).sqrt() for name, sizes in parts.items()}
    return {name: float(total[0] / total[1]) if total[1] > 0 else 0.0 for name, total in totals.items()}


def _product_norm(B: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """‖B A‖_F without forming it: tr(BᵀB AAᵀ) by the R factors, which keeps half the digits the traces would lose."""
    import torch

    R_B = linalg.qr(B, mode="r")[1]
    R_A = linalg.qr(A.T, mode="r")[1]
    return torch.linalg.matrix_norm(R_B @ R_A.T)
