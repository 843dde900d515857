"""KL regularisation: the loss gets weight · KL(base ‖ model) on neutral text."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..comparison.compared import ComparedMethod
from ..hooks.divergence import Divergence
from ..hooks.method import Method
from ..hooks.references import Batch, require_peft
from ..hooks.sharded import gradients
from ..hooks.steps import around_step
from ..hooks.targets import lora_factors, refuse_others, trained
from ..hooks.term import add_before_step, checked_weight

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class KL(Method):
    """loss + weight · mean over tokens of KL(base ‖ model), on neutral text.

    The gradient of the second term is added to that of the LoRA factors just before the optimizer's step, once a step
    however many batches were accumulated, so any training loop will do. The base is the same model with its adapters
    off. Both run in evaluation mode (no dropout, no method that acts in training only): the term speaks of the model
    as it will be deployed. The batches are taken in turn: under the Trainer by the number of the step, so that a
    resumed run goes on as if it had not stopped; in a loop of one's own from the first one when the method is attached
    (``method.step(number)`` goes on from another).

    Gradients were clipped before, so the term is not clipped. Attach it before
    :class:`~real_models.methods.grasp.Grasp`, whose hook then projects the sum. With several processes give each the
    same batches: the term is not averaged over them. Cost a step: two forward passes and a backward pass on a batch.

    Args:
        batches: dicts with input_ids (n, t) and attention_mask (n, t), kept. Positions with mask 0 do not count.
        weight: of the term, in units of the loss.
        cache: keep the base's log-probabilities, (tokens, vocabulary) float32 a batch, instead of computing them again.
    """

    name = "kl"
    needs = "neutral text"
    guarantees = "nothing"
    needs_optimizer = True
    options = frozenset({"neutral", "weight"})
    compared = (
        ComparedMethod(
            "kl, own text", "data", "weight", (10.0, 30.0, 100.0), 30.0,
            lambda s, k: [KL(s.own_text(), weight=k, cache=True)],
        ),
        ComparedMethod(
            "kl", "neutral text", "weight", (30.0, 100.0, 300.0), 300.0,
            lambda s, k: [KL(s.neutral_text(), weight=k, cache=True)],
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> KL:
        weight = checked_weight(given.need("weight", cls.name))  # before a text is made
        return cls(given.need("neutral", cls.name)(), weight=weight)

    def __init__(self, batches: Iterable[Batch], *, weight: float, cache: bool = False) -> None:
        self.divergence, self.weight = Divergence(batches, cache=cache), checked_weight(weight)
        self._next, self._last = 0, None

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = lora_factors(model)
        refuse_others(model, factors, ", and the model with its adapters off would not be the base")
        require_peft(model)
        named = trained(factors)
        parameters = [p for _, p in named]
        self._next, self._last = 0, None
        undo.callback(self.divergence.clear)
        add_before_step(optimizer, named, lambda: self._gradients(model, parameters), model, undo)
        if optimizer is not None:  # which add_before_step has refused
            around_step(optimizer, lambda: None, self._advance, undo)

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        """``kl``: the term, without its weight, on the batch of the last step (nats a token)."""
        return {} if self._last is None else {"kl": self._last}

    def step(self, number: int) -> None:
        self._next = number

    def _gradients(self, model: torch.nn.Module, parameters: list[torch.nn.Parameter]) -> list[torch.Tensor | None]:
        import torch

        with torch.enable_grad():
            kl = self.divergence(model, self._next)
            found = gradients(self.weight * kl, parameters)
        self._last = float(kl.detach())
        return found

    def _advance(self) -> None:
        self._next += 1
