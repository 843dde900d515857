"""Projection of LoRA factors: B kept off Q, A kept off V, from attaching to detaching."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError, InputError

from . import linalg
from .guard import Guard, enforce, guard_of, put_on, take_off
from .quantised import refuse_merging
from .sharded import reshard, whole
from .steps import after_step, check_trained, on_gradients, require_finite

if TYPE_CHECKING:
    import torch

    from .targets import Factors


@dataclass(frozen=True, eq=False)
class Constraint:
    """Q (d, k): what the columns of B and its bias (axis 0) or the rows of A (axis 1) have no part in the span of."""

    factors: Factors
    Q: torch.Tensor
    axis: int

    @property
    def module(self) -> Any:
        """lora_B or lora_A, which holds the parameter."""
        layer: Any = self.factors.layer
        return (layer.lora_A if self.axis else layer.lora_B)[self.factors.adapter]

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """What is constrained."""
        return [p for p in (self.module.weight, self.module.bias) if p is not None]


def hold(constraints: list[Constraint], optimizer: torch.optim.Optimizer, model: Any, undo: ExitStack) -> None:
    """Keep the parameters off their directions, their gradients too, until ``undo``.

    The parameters: now, after every step, and by a :class:`~real_models.hooks.guard.Guard` on their module before
    every forward pass, save and merge, so that it does not matter who moved them (an optimizer's ``eval()``, an
    average, ``load_state_dict``). A frozen one is projected now, and stays. The gradients: where they arrive, so that
    clipping measures what is left of them, and before the step, so that the moments stay clean.
    On a quantised base merging is refused meanwhile (:func:`~real_models.hooks.quantised.refuse_merging`).
    A step with a gradient that is not finite, of any parameter, or of an adapter that was made active meanwhile and is
    not constrained, is not taken: GraspError. An overflow that GradScaler skips is no such step.
    Sharded: one all-reduce for each module whose B is held, where its gradient arrives, before the step and after it.
    Raises InputError if the optimizer does not train the parameters, or a bias beside A answers on V.
    """
    reshard(model)
    biased = next((c.factors for c in constraints if c.axis and c.factors.bias is not None), None)
    if biased is not None:
        raise InputError(
            f"{biased.name}: the update is x -> B A x + b, and the bias b answers on every input, those along the "
            "directions too, whatever A reads: lora_bias=False"
        )
    check_trained(optimizer, ((c.factors.name, p) for c in constraints for p in c.parameters), model)

    def before(scale: Any) -> None:
        for c in constraints:
            _refuse_unguarded(c)
        require_finite([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None])
        for guard, module in guards:
            guard.project_gradient(module.weight, module.bias)

    def after() -> None:
        for guard, module in guards:
            guard.project(module, always=True)

    refuse_merging(model, undo)
    guards: list[tuple[Guard, Any]] = []
    for c in constraints:
        module = c.module
        guard = put_on(c.factors.layer, module, c.Q, axis=c.axis)
        undo.callback(take_off, c.factors.layer, module, c.Q, guard)
        guards.append((guard, module))
        for p in c.parameters:
            if p.requires_grad:
                undo.callback(p.register_post_accumulate_grad_hook(guard.project_gradient).remove)
    for guard, module in guards:
        guard(module)  # only where it is needed: a resumed run goes on from the bits that were saved
    on_gradients(optimizer, before, undo)
    after_step(optimizer, after, undo)


def _refuse_unguarded(constraint: Constraint) -> None:
    layer: Any = constraint.factors.layer
    modules = layer.lora_A if constraint.axis else layer.lora_B
    for adapter in layer.active_adapters:
        if adapter in modules and modules[adapter].weight.requires_grad and guard_of(modules[adapter]) is None:
            raise GraspError(
                f"{constraint.factors.name}: the adapter {adapter!r} is active and trained, but was not when the "
                "method was attached, so it is not constrained; the step was not taken. Call "
                f"model.set_adapter({constraint.factors.adapter!r}), or detach and attach again"
            )


def relative_leak(constraints: Iterable[Constraint]) -> dict[str, float]:
    """‖QᵀdW‖_F/‖dW‖_F (write) and ‖dW V‖_F/‖dW‖_F (read) over all constrained modules, in float64.

    Of the factors as they are stored, after their guards, if they have any, have acted as before a save; of the
    adapters that are active now. A frozen adapter beside a trained one is what the model was before, and not counted.
    Sharded factors are gathered, one module at a time.
    """
    import torch

    found = {(id(c.factors.layer), c.axis): c for c in constraints}
    ours = {(id(c.factors.layer), c.axis, c.factors.adapter) for c in constraints}
    parts: dict[str, list[torch.Tensor]] = {}
    for key, c in found.items():
        layer: Any = c.factors.layer
        active = [a for a in layer.active_adapters if a in layer.lora_A]
        chosen = [a for a in active if (*key, a) in ours or _trained(layer, a)] or active
        for adapter in chosen:
            enforce(layer, adapter)
            B, A = (whole(f[adapter].weight.detach()).double() for f in (layer.lora_B, layer.lora_A))
            Q = c.Q.to(B)
            kept = (Q.T @ B, A) if c.axis == 0 else (B, A @ Q)
            sizes = torch.stack([_product_norm(*kept), _product_norm(B, A)]) * abs(layer.scaling[adapter])
            parts.setdefault("read" if c.axis else "write", []).append(sizes.square())
    totals = {name: torch.stack(sizes).sum(0).sqrt() for name, sizes in parts.items()}
    return {name: float(total[0] / total[1]) if total[1] > 0 else 0.0 for name, total in totals.items()}


def _trained(layer: Any, adapter: str) -> bool:
    return layer.lora_A[adapter].weight.requires_grad or layer.lora_B[adapter].weight.requires_grad


def _product_norm(B: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """‖B A‖_F without forming it: tr(BᵀB AAᵀ) by the R factors, which keeps half the digits the traces would lose."""
    import torch

    R_B = linalg.qr(B, mode="r")[1]
    R_A = linalg.qr(A.T, mode="r")[1]
    return torch.linalg.matrix_norm(R_B @ R_A.T)
