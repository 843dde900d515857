"""Compensated training: the identified component of the naive update runs frozen beside the layers, then is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, LowRank, Update

from ..adapters import read_adapter
from ..adapters.sides import layer_of, natural_key
from ..arguments import mapping, real, updates_of
from ..comparison.compared import STRENGTH, ComparedMethod, Sources
from ..hooks.bases import Choice, stream_bases
from ..hooks.method import Method
from ..hooks.references import Policy
from ..hooks.stream import find_stream
from ..hooks.targets import Factors, lora_factors

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given

Schedule = Callable[[float], float]


class Compensated(Method):
    """y <- (W0 + dW) x + strength * Q Qᵀ dW_naive x in each write module while training; dropped at deployment.

    "While training": in training mode, where the adapters in training are on; the base, with them disabled, stays the
    base, and a reference by another adapter stays what it is.

    The frozen term supplies what the data ask for along Q, so the pressure to learn it is gone; nothing is projected
    (statement ``compensation-removes-pressure``: a projection amplifies what the term leaves). In one linear layer,
    with the top component of the naive update, it equals deleting that component from a naive run of rank r + 1.

    Args:
        directions: of the residual stream, as for :class:`~real_models.methods.grasp.Grasp`.
        naive: the updates of the naive run: ``read_adapter(path).updates`` or ``updates_from_model(model)``. They are
            read here, so the model may be trained on afterwards.
        strength: of the frozen term; 1 supplies exactly the naive component, more over-compensates.
        schedule: share of the training done (0 … 1) -> factor on the strength. Followed by the Trainer's callback; in a
            loop of one's own call ``method.progress(share)``.
        blocks, gains: as for Grasp; ``gains={}`` says that no norm follows the writing modules.
    """

    name = "compensated"
    needs = "directions and the naive run they come from"
    guarantees = "in one linear layer: the naive run of rank r + 1 without its component"
    options = frozenset({"directions", "naive", "strength"})
    compared = (
        ComparedMethod(
            "compensated", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [Compensated(s.top(1), s.updates, strength=k)], needs_naive=True,
        ),
        ComparedMethod(
            "compensated, activations", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [Compensated(s.seen(1), s.updates, strength=k)], needs_naive=True,
        ),
        ComparedMethod(
            "compensated, per layer", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [Compensated(s.per_layer(1), s.updates, strength=k)], needs_naive=True,
        ),
        ComparedMethod(
            "compensated, supervised", "trait", "strength", STRENGTH, 1.0,
            lambda s, k: [Compensated(s.supervised(), s.updates, strength=k)], needs_naive=True, control=True,
        ),
        ComparedMethod(
            "compensated, random", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [Compensated(s.random(1), s.updates, strength=k * _as_large(s))], needs_naive=True,
            control=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> Compensated:
        naive = read_adapter(given.need("naive", cls.name))
        strength = 1.0 if given.strength is None else given.strength
        return cls(given.chosen(cls.name), naive.updates, strength=strength)

    def __init__(
        self,
        directions: Choice,
        naive: Iterable[Update],
        *,
        strength: float = 1.0,
        schedule: Schedule | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
        gains: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.directions, self.strength, self.schedule = directions, real("strength", strength), schedule
        self.blocks = blocks
        self.gains = None if gains is None else mapping("gains", gains, "module name to gain")
        if not np.isfinite(self.strength):
            raise InputError(f"strength must be finite, got {strength}")
        if schedule is not None and not callable(schedule):
            raise InputError(f"schedule must be a function of the share of the training done, got {schedule!r:.60}")
        # the updates of a live model follow it: what they are now is what counts
        self.naive = {u.name: u.lowrank for u in updates_of("naive", naive) if u.side == "write"}
        self._now = 1.0
        self.progress(0.0)

    def progress(self, share: float) -> None:
        if self.schedule is not None:
            self._now = real(f"schedule({share:g})", self.schedule(share))
            if not np.isfinite(self._now):
                raise InputError(f"schedule({share:g}) must be finite, got {self._now}")

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream = find_stream(model, blocks=self.blocks)
        bases = stream_bases(self.directions, stream, model)
        found = self._adapted(model, bases)
        self._refuse_norms(model, stream)
        policy = Policy(model)
        for f in found:
            left, right = _component(self.naive[f.name], bases[f.block], f.name, f.layer)  # pyright: ignore
            handle = f.layer.register_forward_hook(self._hook(f.layer, policy, left, right))
            undo.callback(handle.remove)

    def _adapted(self, model: torch.nn.Module, bases: Mapping[int, torch.Tensor]) -> list[Factors]:
        """One entry for each layer that gets a frozen term: every write module of the naive run in these blocks."""
        layers = {id(f.layer): f for f in lora_factors(model) if f.name in self.naive and f.block in bases}
        missing = {n for n in self.naive if layer_of(n) in bases} - {f.name for f in layers.values()}
        if missing or not layers:
            there = min(missing, key=natural_key, default="no module that writes the stream in these blocks")
            raise InputError(
                "compensation needs the target modules of the naive run, which would else supply less than it learnt: "
                f"the naive run has {there}, this model does not adapt it"
            )
        return list(layers.values())

    def _hook(
        self, layer: torch.nn.Module, policy: Policy, left: torch.Tensor, right: torch.Tensor
    ) -> Callable[..., Any]:
        def hook(module: torch.nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
            if not (module.training and policy.runs(module, layer)):
                return None
            x = args[0].to(right.dtype)
            return output + (self.strength * self._now) * ((x @ right.T) @ left.T).to(output.dtype)

        return hook

    def _refuse_norms(self, model: torch.nn.Module, stream: Any) -> None:
        from ..hooks.gains import output_gains

        if output_gains(model, stream) if self.gains is None else self.gains:
            raise InputError(
                "a norm stands between the write modules and the stream (Gemma 2 and 3, OLMo 2): what is added before "
                "it does not add up behind it, so compensation is not defined there; use grasp or steering"
            )


def _component(
    lowrank: LowRank, Q: torch.Tensor, name: str, layer: torch.nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    """(Q, Qᵀ dW): the component of the naive update, (d_out, k) and (k, d_in) in float32 on the layer's device."""
    import torch

    if lowrank.B.shape[0] != Q.shape[0]:
        raise InputError(f"{name}: the naive run writes {lowrank.B.shape[0]} dimensions, the stream has {Q.shape[0]}")
    right = lowrank.scaling * (Q.double().cpu().numpy().T @ np.asarray(lowrank.B, dtype=np.float64)) @ lowrank.A
    device = next(layer.parameters()).device
    base: Any = getattr(layer, "base_layer", layer)
    expected = getattr(base, "in_features", None) or base.weight.shape[0]
    if right.shape[1] != expected:
        raise InputError(f"{name}: the naive update reads {right.shape[1]} dimensions, the module {expected}")
    return Q.to(device, torch.float32), torch.from_numpy(right.astype(np.float32)).to(device)


def _as_large(sources: Sources) -> float:
    """The factor at which the frozen term of a random direction is as large as that of the identified one."""
    return _written_norm(sources.updates, sources.top(1)) / _written_norm(sources.updates, sources.random(1))


def _written_norm(updates: Iterable[Update], Q: np.ndarray) -> float:
    """‖QᵀdW‖_F over the write modules."""
    parts = [u.lowrank.scaling * (Q.T @ u.lowrank.B) @ u.lowrank.A for u in updates if u.side == "write"]
    return float(np.sqrt(sum((part**2).sum() for part in parts)))
