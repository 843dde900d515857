"""Gradient surgery: what a step would do against the model's own text is taken out of the gradient and of the step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from grasp_theory import GraspError, InputError

from ..arguments import whole
from ..comparison.compared import ComparedMethod, Sources
from ..hooks import linalg, sharded
from ..hooks.divergence import Divergence, negative_log_likelihood
from ..hooks.method import Method
from ..hooks.references import Batch, require_peft
from ..hooks.steps import around_step, finite, on_whole_steps, require_finite
from ..hooks.targets import lora_factors, refuse_others, trained

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given

NEAR = 1e-3  # a reference nearer than this to the span of others, as unit vectors, adds no direction to it


class GradientSurgery(Method):
    """g <- g − R(g): the task's gradient without its part along gradients on a reference text; no labels are used.

    *Conflict* (``references`` None): r is the gradient of KL(base ‖ model) on one batch. Where ⟨g, r⟩ < 0 the step −g
    would raise KL, and R(g) = (⟨g, r⟩/‖r‖²) r; else R = 0. g and r are of all trained factors together. SafeGrad (arXiv
    2508.07172) does so for alignment data; the projection is A-GEM's (arXiv 1812.00420). While dW = 0, r = 0, since KL
    has its minimum there: the first step is the task's own, and the method acts from the second on. It keeps steps from
    raising KL and does not lower it: ``kl+gradient-surgery`` does both.

    *Span* (``references`` m): R is the projection onto the gradients of the negative log-likelihood on m batches,
    factor by factor, whatever their sign. OGPSA (arXiv 2602.07892; factor by factor in its authors' code). It acts from
    the first step on: on text that the base says itself these gradients have mean 0 at dW = 0 and second moment H/n, H
    the Hessian of KL there and n the tokens of a batch (E ∇ log p = 0, and terms of different tokens are uncorrelated),
    so that they sample the directions in which KL rises.

    Adam turns g into a step with parts along r again (statement ``optimizer-leak``). So the same is done to the step
    that was taken, weight decay included: where step Δ has ⟨Δ, r⟩ > 0 (span: any part), that is taken out of the
    parameters. Exact to the rounding of the parameters, under every optimizer; the model's answers change at second
    order and on other text all the same.

    It acts on what the optimizer's step is taken with: after accumulation, clipping and what
    :class:`~real_models.methods.kl.KL` adds, at whatever scale; with a closure on each of its evaluations. Projections
    (:class:`~real_models.methods.grasp.Grasp`) hold whatever it does. Batches are taken in turn, by the number of the
    step under the Trainer. A run resumed between two computations of the references computes them anew. With several
    processes give each the same batches.

    Args:
        batches: dicts with input_ids (n, t) and attention_mask (n, t), kept. The model's own text
            (:func:`~real_models.own_text.own_text`), or another one that is to be said as before.
        references: how many gradients span R; None for the conflict with one.
        every: steps between computations of the references.
        cache: keep the base's log-probabilities, as for KL.

    Memory: one float32 copy of the trained parameters, and one for each reference, whole in every process where they
    are sharded. Cost, every so many steps: a forward and a backward pass on the batch of each reference (conflict:
    another forward pass of the base, unless cached).
    """

    name = "gradient-surgery"
    needs = "a text, or the model's own"
    guarantees = "no step goes up the last gradient of KL on the text (conflict), or along its last gradients (span)"
    needs_optimizer = True
    options = frozenset({"neutral", "every", "references"})
    compared = (
        ComparedMethod(
            "gradient-surgery", "data", "every", (1.0, 2.0, 4.0), 1.0,
            lambda s, k: [GradientSurgery(s.own_text(), every=int(k), cache=True)],
        ),
        ComparedMethod(
            "gradient-surgery, span", "data", "references", (2.0, 4.0, 8.0), 8.0,
            lambda s, k: [GradientSurgery(_small(s.own_text()), references=int(k), every=4)],
        ),
        ComparedMethod(
            "gradient-surgery, shuffled text", "data", "every", (1.0, 2.0, 4.0), 1.0,
            lambda s, k: [GradientSurgery(_shuffled(s), every=int(k), cache=True)], control=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> GradientSurgery:
        every = 1 if given.every is None else given.every
        return cls(given.need("neutral", cls.name)(), references=given.references, every=every)

    def __init__(
        self, batches: Iterable[Batch], *, references: int | None = None, every: int = 1, cache: bool = False
    ) -> None:
        self.divergence, self.every = Divergence(batches, cache=cache), whole("every", every)
        self.references = None if references is None else whole("references", references)
        if self.every < 1:
            raise InputError(f"every must be at least 1, got {every}")
        known = len(self.divergence.batches)
        if self.references is not None and not 1 <= self.references <= known:
            raise InputError(
                f"references must lie between 1 and the number of batches, {known}, got {references}: give more text, "
                "or smaller batches"
            )
        self._parameters: list[torch.nn.Parameter] = []
        self._bases: list[torch.Tensor] | None = None  # rows (k, n): of all parameters together, or of each
        self._next, self._made, self._removed = 0, None, None

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = lora_factors(model)
        refuse_others(model, factors, ", whose gradients would not be treated")
        require_peft(model)
        named = trained(factors)
        on_whole_steps(optimizer, named, lambda scale: self._treat(model), model, undo)
        self._parameters = [p for _, p in named]
        self._bases, self._next, self._made, self._removed = None, 0, None, None
        before: list[torch.Tensor] = []

        def save() -> None:
            before[:] = [p.detach().clone() for p in self._parameters]

        def correct() -> None:
            self._correct(before)
            before.clear()
            self._next += 1

        undo.callback(self.divergence.clear)
        if optimizer is not None:  # which on_whole_steps has refused
            around_step(optimizer, save, correct, undo)

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        """``removed``: ‖R(g)‖/‖g‖ in the last step."""
        return {} if self._removed is None else {"removed": self._removed}

    def step(self, number: int) -> None:
        self._next = number

    def _treat(self, model: torch.nn.Module) -> None:
        """The gradients without their part along the references, which are computed if it is time."""
        import torch

        gradients = [sharded.whole(torch.zeros_like(p) if p.grad is None else p.grad) for p in self._parameters]
        require_finite(gradients)
        turn, late = divmod(self._next, self.every)
        if self._bases is None or (not late and self._made != self._next):  # once a step, however often closures ask
            self._bases, self._made = self._computed(model, turn), self._next
        removed, size = 0.0, 0.0
        for p, g, part in zip(self._parameters, gradients, self._part(gradients, sign=1.0), strict=True):
            part = part.to(p.device, p.dtype)
            removed += float(part.double().square().sum())
            size += float((g - part).double().square().sum())
            if part.any():
                part = sharded.cut(part, p)
                p.grad = -part if p.grad is None else p.grad.sub_(part)
        self._removed = (removed / (removed + size)) ** 0.5 if removed else 0.0

    def _correct(self, before: Sequence[torch.Tensor]) -> None:
        """The step that was taken without its part along the references."""
        import torch

        if self._bases is None:
            return
        with torch.no_grad():
            steps = [sharded.whole(p - old) for p, old in zip(self._parameters, before, strict=True)]
            for p, part in zip(self._parameters, self._part(steps, sign=-1.0), strict=True):
                if part.any():
                    p.sub_(sharded.cut(part.to(p.device, p.dtype), p))

    def _part(self, vectors: Sequence[torch.Tensor], *, sign: float) -> list[torch.Tensor]:
        """R of these vectors, in their shapes, in float32; with sign −1 for steps, which go against gradients."""
        import torch

        out: list[torch.Tensor] = []
        groups = [list(vectors)] if self.references is None else [[v] for v in vectors]
        for group, basis in zip(groups, self._bases or (), strict=True):
            along = basis @ _flat(group)
            if self.references is None:
                along = sign * (sign * along).clamp(max=0)
            parts = torch.split(basis.T @ along, [v.numel() for v in group])
            out += [part.reshape(v.shape) for part, v in zip(parts, group, strict=True)]
        return out

    def _computed(self, model: torch.nn.Module, turn: int) -> list[torch.Tensor]:
        """Orthonormal rows that span the references, in the parameters as they are."""
        import torch

        batches = self.divergence.batches
        with torch.enable_grad():
            if self.references is None:
                found = [self._gradient(self.divergence(model, turn))]
            else:
                chosen = [batches[(turn * self.references + n) % len(batches)] for n in range(self.references)]
                found = [self._gradient(negative_log_likelihood(model, batch)) for batch in chosen]
        if not all(finite(gradients) for gradients in found):
            raise GraspError(
                "a gradient on the reference text is NaN or Inf; the step was not taken and the parameters are as they "
                "were. Lower the learning rate, or look at the text"
            )
        if self.references is None:
            return [_orthonormal(_flat(found[0])[None])]
        return [_orthonormal(torch.stack([_flat([g]) for g in same])) for same in zip(*found, strict=True)]

    def _gradient(self, loss: torch.Tensor) -> list[torch.Tensor]:
        import torch

        found = sharded.gradients(loss, self._parameters)
        return [
            sharded.whole(torch.zeros_like(p) if g is None else g) for p, g in zip(self._parameters, found, strict=True)
        ]


def _flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One vector in float32, on the device of the first."""
    import torch

    return torch.cat([x.detach().reshape(-1).to(tensors[0].device, torch.float32) for x in tensors])


def _orthonormal(rows: torch.Tensor) -> torch.Tensor:
    """(k, n) orthonormal rows of the span of these (m, n), from their Gram matrix in float64; rows of 0 span nothing.

    A direction in which the unit rows have less than ``NEAR`` does not count, so that the result is orthonormal to
    2^-52/NEAR² before it is rounded to float32.
    """
    sizes = rows.double().norm(dim=1)
    unit = rows.double()[sizes > 0] / sizes[sizes > 0, None]
    if not len(unit):
        return rows[:0]
    values, V = linalg.eigh(unit @ unit.T)
    kept = values > NEAR**2
    return (V[:, kept] / values[kept].sqrt()).T.matmul(unit).to(rows)


def _small(batches: Iterable[Batch], size: int = 8) -> list[Batch]:
    """The rows in batches of so many: several references even of little text."""
    return [
        {name: batch[name][first : first + size] for name in ("input_ids", "attention_mask")}
        for batch in batches
        for first in range(0, len(batch["input_ids"]), size)
    ]


def _shuffled(sources: Sources) -> list[Batch]:
    """The control: the tokens of the model's own text in a random order over all of it."""
    import torch

    batches, rng = sources.own_text(), np.random.default_rng([sources.seed, 10])
    masks = [batch["attention_mask"].bool() for batch in batches]
    tokens = torch.cat([batch["input_ids"][mask] for batch, mask in zip(batches, masks, strict=True)])
    parts = torch.split(tokens[torch.from_numpy(rng.permutation(len(tokens)))], [int(mask.sum()) for mask in masks])
    return [
        {**batch, "input_ids": batch["input_ids"].masked_scatter(mask, part)}
        for batch, mask, part in zip(batches, masks, parts, strict=True)
    ]
