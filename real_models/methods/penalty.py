"""The soft version of GRASP: a price on the update's part along the directions instead of none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from grasp_theory import InputError
from grasp_theory.updates import Side

from ..comparison.compared import ComparedMethod
from ..directions import Directions
from ..hooks.bases import Choice
from ..hooks.method import Method
from ..hooks.projection import Constraint, relative_leak
from ..hooks.sharded import cut, whole
from ..hooks.targets import lora_factors
from ..hooks.term import add_before_step, checked_weight
from .grasp import Grasp

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class Penalty(Method):
    """loss + weight · Σ ‖Qᵀ s B A‖_F² over write modules, or + weight · Σ ‖s B A V‖_F² over read modules.

    A function of dW alone, hence the same for (B G, G⁻¹ A): a price on ‖AV‖² could be paid by shrinking A and growing
    B. The gradients, with b = QᵀB (k, r): dB = 2 weight s² Q b AAᵀ and dA = 2 weight s² bᵀb A; with a = AV (r, k):
    dB = 2 weight s² B a aᵀ and dA = 2 weight s² BᵀB a Vᵀ (proved here: d‖X‖² = 2⟨X, dX⟩). They are added just before
    the optimizer's step, once a step; they see neither clipping nor accumulation. Needs no forward pass.

    Args:
        directions, blocks, gains: as for :class:`~real_models.methods.grasp.Grasp`, on the same modules, with the same
            refusals; behind a norm with gain g, Q is that of diag(g) Q.
        weight: not negative, in units of the loss.
        side: "write" or "read"; that of the Directions by default, else write.
    """

    name = "penalty"
    needs = "directions (from the fine-tuning run itself)"
    guarantees = "nothing"
    needs_optimizer = True
    options = frozenset({"directions", "weight"})
    compared = (
        ComparedMethod(
            "penalty", "data", "weight", (0.03, 0.1, 0.3), 0.1, lambda s, k: [Penalty(s.top(1), weight=k)],
            needs_naive=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> Penalty:
        return cls(given.chosen(cls.name), weight=given.need("weight", cls.name))

    def __init__(
        self,
        directions: Choice,
        *,
        weight: float,
        side: Side | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
        gains: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        given: Side = directions.side if isinstance(directions, Directions) else "write"
        self.weight, self.side = checked_weight(weight), given if side is None else side
        if not isinstance(self.side, str) or self.side not in ("write", "read"):
            raise InputError(f"side must be write or read, got {self.side!r:.60}")
        self._modules = Grasp(directions, sides={self.side}, blocks=blocks, gains=gains)
        self._constraints: list[Constraint] = []

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = lora_factors(model)
        if self.side == "read":
            found = list(self._modules._read(factors, model))
        else:
            found = self._modules._install_stream(factors, model, undo)
        both = [p for c in found for p in (c.factors.B, c.factors.A)]
        names = [c.factors.name for c in found for _ in range(2)]

        def gradients() -> list[torch.Tensor]:
            every = (self.weight * gradient for c in found for gradient in _gradients(c))
            return [cut(gradient, p) for gradient, p in zip(every, both, strict=True) if p.requires_grad]

        trained = [(name, p) for name, p in zip(names, both, strict=True) if p.requires_grad]
        add_before_step(optimizer, trained, gradients, model, undo)
        self._constraints = found
        undo.callback(self._constraints.clear)

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        return relative_leak(self._constraints)


def _gradients(constraint: Constraint) -> tuple[torch.Tensor, torch.Tensor]:
    """(dB, dA) of ‖Qᵀ s B A‖_F² or ‖s B A V‖_F², in float32 (float64 for float64)."""
    import torch

    f = constraint.factors
    kind = torch.promote_types(torch.promote_types(f.B.dtype, f.A.dtype), torch.float32)
    B, A = (whole(x.detach()).to(kind) for x in (f.B, f.A))
    Q = constraint.Q.to(B)
    if constraint.axis == 0:
        b = Q.T @ B
        dB, dA = Q @ (b @ (A @ A.T)), b.T @ (b @ A)
    else:
        a = A @ Q
        dB, dA = (B @ a) @ a.T, ((B.T @ B) @ a) @ Q.T
    return 2 * f.scaling**2 * dB, 2 * f.scaling**2 * dA
