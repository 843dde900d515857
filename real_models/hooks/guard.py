"""What keeps a LoRA factor off its directions whoever moves it: one guard on the module that holds the factor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .bases import joint_basis, remove_part
from .sharded import agreed, cut, here, is_sharded, summed

if TYPE_CHECKING:
    import torch


class Guard:
    """``weight`` and ``bias`` of one lora_B module (axis 0: columns) or lora_A module (axis 1: rows) kept off a span.

    The span is that of all directions asked for at the moment, by however many methods. A module has one guard, found
    among its hooks, which runs before its forward pass, before its state is saved and after it is loaded, and before
    peft merges it. It acts on the module it is called with, so copies of a model (``AveragedModel``) are kept off the
    directions too, for as long as the methods are on.

    Sharded (FSDP2): B is cut into rows, and so are the columns of Q that meet them, so QᵀB = Σ over processes of
    Q_hereᵀ B_here, one all-reduce of k r + 1 numbers; the rows of A meet V whole, and nothing is sent. During a forward
    pass the module holds all of the parameter, and the guard acts on that.
    """

    def __init__(self, axis: int) -> None:
        self.axis = axis
        self.Q: torch.Tensor | None = None  # (d, k), orthonormal in float64
        self._spans: list[torch.Tensor] = []
        self._handles: list[Any] = []
        self._agreed = False  # whether Q is that of the first process

    def __deepcopy__(self, memo: dict[int, Any]) -> Guard:
        return self

    def __call__(self, module: Any, *_: Any) -> None:
        """Project what is not off the span to the rounding of its type; leave the rest as it is, bit for bit.

        Idempotent: x projected in float64 and rounded by δ has ‖Qᵀx‖ = ‖Qᵀδ‖ <= (eps/2) ‖x‖ (proved here). Nothing
        waits for the device, and the version of the parameter stays: autograd may have saved it.
        """
        self.project(module)

    def project(self, module: Any, *, always: bool = False) -> None:
        """The same; ``always``: what is trained also where rounding alone is left. In bf16 that is a 256th."""
        import torch

        if self.Q is None:
            return
        for parameter in (module.weight, module.bias):
            # tensors that torch.func puts in a parameter's place are the caller's
            if isinstance(parameter, torch.nn.Parameter) and not parameter.is_meta:
                with torch.no_grad():
                    Q = self._rows(self.Q, parameter)
                    _project(parameter.data, Q, self.axis, always=always and parameter.requires_grad)

    def project_gradient(self, *parameters: Any) -> None:
        """The gradients' part in the span is taken out, in float32 (float64 for float64)."""
        for parameter in parameters:
            if self.Q is not None and parameter is not None and parameter.grad is not None:
                Q, g = self._rows(self.Q, parameter), here(parameter.grad)
                rows = g.T if g.ndim == 2 and not self.axis else g
                total = None if self.axis else partial(summed, x=parameter)
                rows.copy_(remove_part(rows, Q, total=total))

    def _rows(self, Q: torch.Tensor, parameter: Any) -> torch.Tensor:
        """The rows of Q that meet the part of the parameter which is here."""
        if self.axis or not is_sharded(parameter):
            return Q
        if not self._agreed:
            Q = agreed(Q.to(parameter.device), parameter)
            self.Q, self._agreed = Q, True
        return here(cut(Q.to(parameter.device), parameter))

    def add(self, Q: torch.Tensor) -> None:
        """Keep the module off these columns too."""
        self._change([*self._spans, Q])

    def drop(self, Q: torch.Tensor) -> None:
        """No longer for their sake; what else was asked for stays."""
        self._change([span for span in self._spans if span is not Q])

    def _change(self, spans: list[torch.Tensor]) -> None:
        self._spans, self._agreed = spans, False
        self.Q = joint_basis(spans) if spans else None


def guard_of(module: Any) -> Guard | None:
    """The guard on this lora_A or lora_B module, if there is one."""
    return next((hook for hook in module._forward_pre_hooks.values() if isinstance(hook, Guard)), None)


def enforce(layer: Any, adapter: str) -> None:
    """Let the guards of this adapter in a peft layer act now."""
    for factors in (layer.lora_A, layer.lora_B):
        guard = guard_of(factors[adapter]) if adapter in factors else None
        if guard is not None:
            guard(factors[adapter])


def put_on(layer: Any, module: Any, Q: torch.Tensor, *, axis: int) -> Guard:
    """The module's guard, made if there is none, which keeps it off Q too. ``layer``: the peft layer it is of."""
    guard = guard_of(module)
    if guard is None:
        guard = Guard(axis)
        guard._handles = [
            module.register_forward_pre_hook(guard),
            module.register_state_dict_pre_hook(guard),
            module.register_load_state_dict_post_hook(guard),
        ]
    layer.get_delta_weight = _GuardedDelta(layer)
    guard.add(Q)
    return guard


def take_off(layer: Any, module: Any, Q: torch.Tensor, guard: Guard) -> None:
    """Undo :func:`put_on`, the constraint holding one last time.

    Not so where the module is sharded: this also runs when a process has failed, and others would wait for it.
    """
    if not is_sharded(module.weight):
        guard(module)
    guard.drop(Q)
    if guard.Q is None:
        for handle in guard._handles:
            handle.remove()
        if not any(guard_of(m) for factors in (layer.lora_A, layer.lora_B) for m in factors.values()):
            layer.__dict__.pop("get_delta_weight", None)


class _GuardedDelta:
    """peft's ``get_delta_weight``, which every merge asks, of factors that are off the directions.

    Of the layer, so that a copy's or a pickled one's is of the copy; a bound method would be looked up by its name.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, adapter: str, *args: Any, **kwargs: Any) -> torch.Tensor:
        enforce(self.layer, adapter)
        return type(self.layer).get_delta_weight(self.layer, adapter, *args, **kwargs)


def _project(parameter: torch.Tensor, Q: torch.Tensor, axis: int, *, always: bool) -> None:
    """Put the parameter off Q, of which these are the rows that meet the part of it that is here."""
    import torch

    x = here(parameter)
    Q, wide = Q.to(x.device), x.double()
    columns = wide.T if axis and x.ndim == 2 else wide
    part, size = Q.T @ columns, columns.norm()
    if is_sharded(parameter) and not axis:
        sums = summed(torch.cat([part.flatten(), size.square()[None]]), parameter)
        part, size = sums[:-1].view_as(part), sums[-1].sqrt()
    rounding = 0.0 if always else 0.51 * torch.finfo(x.dtype).eps  # the half, with room for that of ‖x‖ itself
    off = part.norm() > rounding * size
    if x.is_cpu and not torch.compiler.is_compiling() and not off:  # elsewhere looking would mean waiting
        return
    kept = columns - Q @ part
    kept = torch.where(kept.norm() > 1e-12 * size, kept, 0.0)  # Q spans all there is: no rounding is left
    x.copy_(torch.where(off, kept.T if axis and x.ndim == 2 else kept, wide))
