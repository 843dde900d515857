"""The fit behind :meth:`~real_models.methods.lineas.LinEAS.fit`: proximal gradient with a line search."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from grasp_theory import GraspError

from ..hooks.gains import evaluating
from ..hooks.references import run_text, without_adapters
from ..hooks.stream import Stream, hook_blocks

if TYPE_CHECKING:
    import torch

    Maps = torch.Tensor  # (2, blocks, width): w − 1 and b
    Text = Sequence[dict[str, torch.Tensor]]

SMALLEST = 2.0**-40  # of the step: below it no descent is left to find in floating point


def minimise(
    model: torch.nn.Module, stream: Stream, at: list[int], text: Text, *, sparsity: float, steps: int, rtol: float
) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor], tuple[float, float]]:
    """(w, b, distances without and with the map)."""
    import torch

    with evaluating(model):
        x = torch.zeros(2, len(at), stream.width)
        with torch.no_grad():
            with without_adapters(model):
                target = [[h.sort(0).values for h in _activations(model, stream, at, batch, x)] for batch in text]
            D = _metric(model, stream, at, text, x)
        F, g = _distance(model, stream, at, text, target, x)
        start, t = F, 0.5
        if not torch.isfinite(g).all():
            raise GraspError("the activations of the model or its base are not finite on this text: nothing to fit")
        for _ in range(steps):
            before = F + sparsity * float(x.abs().sum())
            while True:
                y = _soft(x - (t / D) * g, sparsity * t / D)
                moved = y - x
                bound = F + float((g * moved).sum() + (D * moved.square()).sum() / (2 * t))
                found, gradient = _distance(model, stream, at, text, target, y)
                after = found + sparsity * float(y.abs().sum())
                if found <= bound and after <= before:
                    break
                t /= 2
                if t < SMALLEST:
                    break
            if t < SMALLEST:
                break
            x, F, g, t = y, found, gradient, 1.5 * t
            if before - after <= rtol * before:
                break
    w = {index: 1 + x[0, n] for n, index in enumerate(at)}
    return w, {index: x[1, n] for n, index in enumerate(at)}, (start, F)


def _activations(
    model: torch.nn.Module, stream: Stream, at: list[int], batch: dict[str, torch.Tensor], x: Maps
) -> list[torch.Tensor]:
    """(tokens, width) of each chosen block's output under the map x, in float32 on the CPU's or the block's device."""
    seen: dict[int, torch.Tensor] = {}
    place = {index: n for n, index in enumerate(at)}

    def change(index: int, h: torch.Tensor) -> torch.Tensor:
        steered = affine(h, 1 + x[0, place[index]], x[1, place[index]])
        seen[index] = steered[batch["attention_mask"].to(h.device).bool()].float()
        return steered

    with ExitStack() as undo:
        hook_blocks(stream, change, undo, at=at)
        run_text(model, batch)
    return [seen[index] for index in at]


def _metric(model: torch.nn.Module, stream: Stream, at: list[int], text: Text, x: Maps) -> Maps:
    """D: half the curvature of a neuron's own distance, mean h² for w and 1 for b. Neurons that are 0 get a floor."""
    import torch

    squares = [torch.stack([h.square().mean(0).cpu() for h in _activations(model, stream, at, b, x)]) for b in text]
    D = torch.stack([torch.stack(squares).mean(0), torch.ones_like(x[0])])
    return D.clamp_min(1e-6 * float(D[0].mean()) + torch.finfo(D.dtype).tiny)


def _distance(
    model: torch.nn.Module, stream: Stream, at: list[int], text: Text, target: list[list[torch.Tensor]], x: Maps
) -> tuple[float, Maps]:
    """F and its gradient: one forward and one backward pass over every batch."""
    import torch

    total, gradient = 0.0, torch.zeros_like(x)
    for batch, goal in zip(text, target, strict=True):
        with torch.enable_grad():
            variable = x.clone().requires_grad_()
            here = _activations(model, stream, at, batch, variable)
            loss = torch.stack([_wasserstein(h, y).to(x.device) for h, y in zip(here, goal, strict=True)]).sum()
            gradient += torch.autograd.grad(loss, variable)[0] / len(text)
        total += float(loss.detach()) / len(text)
    return total, gradient


def _wasserstein(h: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Σ over neurons of the squared distance between the columns of h (n, width) and of ``goal``, sorted already."""
    return (h.sort(0).values - goal.to(h.device)).square().mean(0).sum()


def _soft(x: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    return x.sign() * (x.abs() - threshold).clamp_min(0)


def affine(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """w ∘ h + b in float32 (float64 for float64), in the type of h."""
    import torch

    work = h if h.dtype == torch.float64 else h.float()
    return (w.to(work) * work + b.to(work)).to(h.dtype)
