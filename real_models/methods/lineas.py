"""LinEAS: an affine map on every block's output, learnt jointly so that activations are distributed as the base's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import GraspError, InputError
from grasp_theory.moved import renamed

from ..arguments import indices, mapping, real, tensor, whole
from ..comparison.compared import ComparedMethod
from ..hooks.gains import evaluating
from ..hooks.method import Method
from ..hooks.references import checked_batches, run_text, without_adapters
from ..hooks.stream import Stream, chosen_blocks, find_stream, hook_blocks
from ..hooks.targets import unwrap_model

if TYPE_CHECKING:
    import torch

    from ..hooks.references import Batch

    Maps = torch.Tensor  # (2, blocks, width): w − 1 and b
    Text = Sequence[dict[str, torch.Tensor]]


class LinEAS(Method):
    """h <- w ∘ h + b at the output of the chosen blocks, at every position, whenever the model runs (arXiv:2503.10679).

    Made by :meth:`fit` from the fine-tuned model, its base and unlabelled text; frozen afterwards.

    Attributes:
        w, b: block -> (width,) float32; 1 and 0 where a neuron is left alone.
        distances: the fitted distance without and with the map; None if it was not fitted here.
    """

    name = "lineas"
    phase = "inference"
    needs = "unlabelled text"
    guarantees = "on the text it was fitted on, activations no farther from the base's than before"
    compared = (
        ComparedMethod(
            "lineas", "data", "sparsity", (0.1, 0.3, 1.0), 0.3, lambda s, k: [s.fit_lineas(k)],
            stage="inference", needs_naive=True,
        ),
    )  # fmt: skip

    def __init__(
        self,
        w: Mapping[int, Any],
        b: Mapping[int, Any],
        *,
        blocks: Sequence[torch.nn.Module] | None = None,
        distances: tuple[float, float] | None = None,
    ) -> None:
        import torch

        w, b = mapping("w", w, "block to vector"), mapping("b", b, "block to vector")
        if not w or set(w) != set(b):
            raise InputError(f"w and b must be given for the same blocks, got {sorted(w)} and {sorted(b)}")
        self.w, self.b = ({i: tensor("w and b", x[i]).detach().float().clone() for i in sorted(x)} for x in (w, b))
        for x in (*self.w.values(), *self.b.values()):
            if x.ndim != 1 or not torch.isfinite(x).all():
                raise InputError(f"w and b must be finite vectors, got one of shape {tuple(x.shape)}")
        self.blocks, self.distances = blocks, distances

    @property
    def untouched(self) -> float:
        """Share of the neurons, over all its blocks, with w = 1 and b = 0 exactly."""
        same = [(self.w[i] == 1) & (self.b[i] == 0) for i in self.w]
        return float(np.mean([x.float().mean() for x in same]))

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream = find_stream(model, blocks=self.blocks)
        chosen_blocks(stream, list(self.w), among=dict.fromkeys(range(len(stream.blocks))))
        wrong = [i for i in self.w if self.w[i].shape != (stream.width,) or self.b[i].shape != (stream.width,)]
        if wrong:
            raise InputError(f"the map of block {wrong[0]} is for another width than the stream's {stream.width}")
        hook_blocks(stream, lambda i, h: affine(h, self.w[i], self.b[i]), undo, at=list(self.w))

    @classmethod
    @renamed(at="layers")
    def fit(
        cls,
        model: torch.nn.Module,
        batches: Iterable[Batch],
        *,
        sparsity: float = 0.0,
        steps: int = 100,
        rtol: float = 1e-4,
        layers: Sequence[int] | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
    ) -> LinEAS:
        """The map that minimises F(w, b) + sparsity · Σ (``|w − 1|`` + ``|b|``), from w = 1, b = 0.

        F sums, over the chosen blocks and their neurons, the squared 1-D 2-Wasserstein distance between the steered
        model's activations and the base's (the same model with its adapters off), over all positions of a batch that
        are no padding, and averages over batches. On the same text both have n samples, so the distance of a neuron
        is the mean squared difference of the sorted values. A map moves what the blocks above it see, and the gradient
        takes that into account: all blocks are learnt jointly.

        Proximal gradient steps on all batches: x <- soft(x − (t/D) ∇F, sparsity · t/D) for x = (w − 1, b), with the
        metric D = (mean h², 1) of each neuron, so that large neurons do not set the step of small ones, and t from a
        line search that lets no step raise the objective. (The paper takes single batches, a fixed t and D = 1, and
        adds a group norm over blocks.)

        Args:
            model: a peft model, the adapter active and not merged; it is left as it was.
            batches: unlabelled text.
            sparsity: 0 or more, in units of squared activations; from max ``|∇F|`` at the start upwards the map is the
                identity.
            steps: at most.
            rtol: stop when a step lowers the objective by less than this share of it.
            layers: indices of the blocks, all by default.
            blocks: the list of decoder blocks, where it cannot be found.

        Cost a step: two or more forward passes and a backward pass over all batches. The base's activations of all
        batches are kept: a few dozen prompts are meant. Raises InputError for a model without adapters or blocks.
        """
        sparsity, steps, rtol = real("sparsity", sparsity), whole("steps", steps), real("rtol", rtol)
        layers = None if layers is None else indices("layers", layers)
        if not (np.isfinite(sparsity) and sparsity >= 0 and steps >= 1 and rtol >= 0):
            raise InputError(f"expected sparsity >= 0, steps >= 1, rtol >= 0, got {sparsity}, {steps}, {rtol}")
        module = unwrap_model(model)
        stream = find_stream(module, blocks=blocks)
        chosen = chosen_blocks(stream, layers, among=dict.fromkeys(range(len(stream.blocks))))
        text = checked_batches(batches)
        w, b, distances = minimise(module, stream, chosen, text, sparsity=sparsity, steps=steps, rtol=rtol)
        return cls(w, b, blocks=blocks, distances=distances)


# the fit: proximal gradient with a line search

SMALLEST = 2.0**-40  # of the step: below it no descent is left to find in floating point


def minimise(
    model: torch.nn.Module, stream: Stream, at: list[int], text: Text, *, sparsity: float, steps: int, rtol: float
) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor], tuple[float, float]]:
    """(w, b, distances without and with the map). Raises GraspError for activations that are not finite."""
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
