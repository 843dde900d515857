"""Null-space training: GRASP on the read side of every module, its directions the principal inputs of a text."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError
from grasp_theory.rank import input_threshold

from ..arguments import real, whole
from ..comparison.compared import ComparedMethod, Sources
from ..hooks import linalg
from ..hooks.gains import evaluating
from ..hooks.method import Method
from ..hooks.projection import Constraint, hold, relative_leak
from ..hooks.references import Batch, checked_batches, run_text, without_adapters
from ..hooks.targets import Factors, lora_factors, refuse_others
from .grasp import Grasp

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class NullSpace(Method):
    """dW V = 0 in every adapted module, V its k principal inputs in the base model on a text: A <- A (I − VVᵀ).

    On inputs in the span of V each module answers as the base does, whatever the update writes; on the text its
    response changes by at most ‖dW‖_F √λ_{k+1} in the root mean square, and no other k directions promise less
    (statement ``old-inputs``). So a factor is not relied on where it was not taught, also where it has no direction of
    its own on the write side; nothing has to be identified. The text may be the model's own
    (:func:`~real_models.own_text.own_text`). Gradient projection memory (arXiv 2103.09762), null-space training
    (arXiv 2103.07113) and AlphaEdit (arXiv 2410.02355) project alike; here the parameter is projected, as by
    :class:`~real_models.methods.grasp.Grasp`, which is exact under every optimizer (``optimizer-leak``).

    Args:
        batches: dicts with input_ids (n, t) and attention_mask (n, t). Positions with mask 0 do not count.
        components: k, of each module. More keep the model closer to its base and leave less for the task.
        energy: share of the second moment of each module's inputs, above 0 and below 1, in the place of ``components``:
            k is then the least that holds it there, and two thirds of d_in at most.

    ``held`` : module -> share of the second moment of its inputs that V holds, ``kept`` : module -> k, once attached.
    Uncentred: the mean input counts. Memory for each distinct input: (d_in, d_in) up to 2048 dimensions, and always
    with ``energy``; else (4k + 32, d_in). Cost: one pass over the text when attached, two thin products a step.
    """

    name = "null-space"
    needs = "a text, or the model's own"
    guarantees = "dW V = 0 for the principal inputs V of the text"
    needs_optimizer = True
    projects = True
    options = frozenset({"neutral", "components", "energy"})
    # 64 inputs reached the task on the pilot seeds, but not on those of the study (docs/comparison.md)
    compared = (
        ComparedMethod(
            "null-space", "data", "inputs", (16.0, 32.0, 64.0), 32.0,
            lambda s, k: [NullSpace(s.own_text(), components=int(k))],
        ),
        ComparedMethod(
            "null-space, energy", "data", "energy", (0.5, 0.8, 0.95), 0.8,
            lambda s, k: [NullSpace(s.own_text(), energy=k)],
        ),
        ComparedMethod(
            "null-space, random", "data", "inputs", (16.0, 32.0, 64.0), 32.0,
            lambda s, k: [Grasp(_random_inputs(s, int(k)), sides={"read"})], control=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> NullSpace:
        if given.components is not None and given.energy is not None:
            raise InputError("give --components, as many for every module, or --energy, the inputs' share, not both")
        components = 16 if given.components is None else given.components
        return cls(given.need("neutral", cls.name)(), components=components, energy=given.energy)

    def __init__(self, batches: Iterable[Batch], *, components: int = 16, energy: float | None = None) -> None:
        self.batches, self.components = checked_batches(batches), whole("components", components)
        self.energy = None if energy is None else real("energy", energy)
        if self.components < 1:
            raise InputError(f"components must be at least 1, got {components}")
        if self.energy is not None and not 0 < self.energy < 1:
            raise InputError(f"energy must lie between 0 and 1, got {energy}")
        self.held: dict[str, float] = {}
        self.kept: dict[str, int] = {}
        self._constraints: list[Constraint] = []

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = lora_factors(model)
        refuse_others(model, factors, " and would not be constrained")
        small = next((f for f in factors if f.A.shape[1] <= self.components), None)
        if small is not None and self.energy is None:
            raise InputError(
                f"{small.name} reads {small.A.shape[1]} dimensions: {self.components} components leave nothing to train"
            )
        wanted = self.components if self.energy is None else self.energy
        found = self._inputs(model, factors)
        self.held = {f.name: found[f.name].held(wanted) for f in factors}
        constraints = [Constraint(f, found[f.name].basis(wanted), 1) for f in factors]
        self.kept = {c.factors.name: c.Q.shape[1] for c in constraints}
        silent = next((name for name, k in self.kept.items() if not k), None)
        if silent is not None:
            raise InputError(f"the inputs of {silent} are 0 on all of the text, so nothing would be constrained there")
        if optimizer is not None:  # attach has refused to go on without one
            hold(constraints, optimizer, model, undo)
        self._constraints = constraints
        undo.callback(self._constraints.clear)

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        return relative_leak(self._constraints)

    def _inputs(self, model: torch.nn.Module, factors: list[Factors]) -> dict[str, _Inputs]:
        """What each module sees on the text in the base model; one entry where modules share their input."""
        import torch

        found: dict[str, _Inputs] = {}
        last: list[Any] = [None, None]  # input seen last, and its entry: q, k and v are run one after the other
        kept: list[torch.Tensor] = []
        with ExitStack() as stack, torch.no_grad(), evaluating(model), without_adapters(model):
            for f in factors:

                def look(module: Any, args: Any, name: str = f.name) -> None:
                    if args[0] is last[0]:
                        found[name] = last[1]
                        return
                    entry = found.setdefault(name, _Inputs(None if self.energy else 4 * self.components + 32))
                    x = args[0].reshape(-1, args[0].shape[-1])
                    entry.add(x[kept[0].to(x.device)])
                    last[:] = [args[0], entry]

                stack.callback(f.layer.register_forward_pre_hook(look).remove)
            for batch in self.batches:
                kept[:] = [batch["attention_mask"].reshape(-1).bool()]
                run_text(model, batch)
                last[:] = [None, None]
        unseen = next((f.name for f in factors if f.name not in found), None)
        if unseen is not None:
            raise InputError(f"{unseen} was not run on the text, so its inputs are not known: leave it out of LoRA")
        return found


def _random_inputs(sources: Sources, k: int) -> dict[str, np.ndarray]:
    """The control: as many random directions of every module's input."""
    rng = np.random.default_rng([sources.seed, 9])
    return {name: rng.standard_normal((d, k)) for name, d in sorted(sources.input_widths().items())}


SMALL = 2048  # dimensions up to which the second moment itself is kept


class _Inputs:
    """The leading right singular vectors of rows that come in parts.

    Exact for up to ``SMALL`` dimensions, and where ``keep`` is None; else ``keep`` rows σ vᵀ are kept between parts.
    What is asked for is a number of them, or a share of the energy: the fewest that hold it, two thirds at most.
    """

    def __init__(self, keep: int | None) -> None:
        self._keep, self._energy = keep, 0.0
        self._moment: torch.Tensor | None = None  # XᵀX
        self._rows: torch.Tensor | None = None
        self._found: dict[float, tuple[torch.Tensor, torch.Tensor]] = {}

    def add(self, x: torch.Tensor) -> None:
        import torch

        x = x.detach().double()
        if not torch.isfinite(x).all():
            raise InputError("the base model's inputs are not finite on this text")
        self._energy += float((x**2).sum())
        self._found.clear()
        if self._keep is None or x.shape[1] <= SMALL:
            self._moment = x.T @ x if self._moment is None else self._moment + x.T @ x
            return
        for part in x.split(self._keep):
            rows = part if self._rows is None else torch.cat([self._rows, part])
            if len(rows) > self._keep:
                rows = linalg.eigh(rows @ rows.T)[1][:, -self._keep :].T @ rows
            self._rows = rows

    def held(self, wanted: float) -> float:
        """Share of the second moment in the leading directions."""
        return float((self._leading(wanted)[0] ** 2).sum()) / max(self._energy, 1e-300)

    def basis(self, wanted: float) -> torch.Tensor:
        """V (d, k) in float32; fewer columns where the text spans fewer dimensions."""
        S, Vh = self._leading(wanted)
        return Vh[S > input_threshold(self._energy**0.5)].T.contiguous().float()

    def _leading(self, wanted: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Singular values, largest first, and right singular vectors as rows; kept until more rows come."""
        if wanted in self._found:
            return self._found[wanted]
        if self._moment is not None:
            values, V = linalg.eigh(self._moment)
            S, Vh = values.clamp(min=0).sqrt().flip(0), V.flip(1).T
        elif self._rows is not None:
            _, S, Vh = linalg.svd(self._rows)
        else:
            raise ValueError("no rows were added")
        k = wanted if isinstance(wanted, int) else self._enough(S, wanted)
        self._found[wanted] = S[:k], Vh[:k].clone()  # not a view, which would keep all of Vh
        return self._found[wanted]

    def _enough(self, S: torch.Tensor, share: float) -> int:
        """The least k with Σ_{i<=k} σ_i² >= share Σ σ_i², up to two thirds of the dimensions."""
        short = int(((S**2).cumsum(0) < share * self._energy).sum())
        return min(short + 1, max(1, 2 * len(S) // 3))
