"""Fine-tuning on an organism: runs of every method, evaluated along the way; the naive run, kept for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError, Update
from synthetic.runner.results import replacing

from ..adapters import updates_from_model
from .cache import kept, spec_key
from .evaluation import Scores
from .persona import cache_folder
from .setup import Setup

if TYPE_CHECKING:
    import torch

    from ..hooks.method import Method


SCORES = "scores"  # of a kept run, in the header of its file: asking again costs as much as training


def fine_tune(
    spec: Setup,
    *,
    methods: Sequence[Method] = (),
    inoculated: bool = False,
    look: Callable[[Any], None] | None = None,
) -> list[Scores]:
    """Scores at every point of a run under these methods; ``look`` sees the model at each of them.

    Args:
        inoculated: see :meth:`Setup.train`.
    """
    model, probes, scores = spec.adapted(), spec.probes(), []

    def ask(step: int) -> None:
        if step % spec.every == 0:
            scores.append(probes.ask(model))
            if look is not None:
                look(model)

    spec.train(model, methods=methods, inoculated=inoculated, look=ask, steps=spec.steps)
    return scores


def first_reaching(task: Sequence[float], target: float) -> int | None:
    """Index of the first point at which the task score reaches the target."""
    return next((n for n, value in enumerate(task) if value >= target), None)


@dataclass(frozen=True, eq=False)
class NaiveRun:
    """The naive run of a spec: scores and LoRA factors at every point.

    Attributes:
        point: what is to stand for the matched point, where the task score is first reached; None for that itself.
    """

    spec: Setup
    scores: tuple[Scores, ...]
    states: tuple[dict[str, torch.Tensor], ...]
    point: int | None = None

    @property
    def at(self) -> int:
        """Index of the point from which directions are taken: ``point``, else the matched one, else the last.

        Where the task score is never reached the experiment is void, which the table says. InputError if the base knows
        the task.
        """
        if self.point is not None:
            return self.point
        task = [s.task for s in self.scores]
        found = first_reaching(task, self.spec.matched_score(task))
        if found == 0:
            raise InputError("the base model knows the task already, so there is no naive update to identify from")
        return len(self.scores) - 1 if found is None else found

    def model(self, at: int) -> Any:
        """The fine-tuned model at a point."""
        model = self.spec.adapted()
        model.load_state_dict(self.states[at], strict=False)
        return model.eval()

    @property
    def updates(self) -> tuple[Update, ...]:
        """The updates of the adapter at the matched point."""
        return _updates(self, self.at)


@lru_cache(maxsize=1)
def _updates(naive: NaiveRun, at: int) -> tuple[Update, ...]:
    """Kept for the point they are of: the matched one moves with the target."""
    return updates_from_model(naive.model(at))


def naive_run(spec: Setup) -> NaiveRun:
    """The naive run, from the cache or run now; the last two are kept in memory."""
    return _naive_run(spec, naive_path(spec))


def naive_path(spec: Setup) -> Path:
    """The file in which the cache keeps the naive run of a spec."""
    return cache_folder() / f"naive-{spec_key(spec)}.safetensors"


@lru_cache(maxsize=2)
def _naive_run(spec: Setup, path: Path) -> NaiveRun:
    from safetensors.torch import save

    found = kept(path)
    if found is not None and SCORES in found[1]:
        tensors, text = found
        return NaiveRun(spec, tuple(Scores.from_dict(s) for s in json.loads(text[SCORES])), _unflattened(tensors))
    states: list[dict[str, torch.Tensor]] = []

    def look(model: Any) -> None:
        states.append({n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})

    scored = fine_tune(spec, look=look)
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {f"{n:03d}|{name}": x.contiguous() for n, state in enumerate(states) for name, x in state.items()}
    with replacing(path) as file:
        file.write(save(flat, metadata={SCORES: json.dumps([s.to_dict() for s in scored])}))
    return NaiveRun(spec, tuple(scored), tuple(states))


def _unflattened(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], ...]:
    """The states, by point."""
    states: list[dict[str, torch.Tensor]] = []
    for name, tensor in tensors.items():
        point, _, parameter = name.partition("|")
        while len(states) <= int(point):
            states.append({})
        states[int(point)][parameter] = tensor
    return tuple(states)


def updates_at(spec: Setup, at: int) -> tuple[Update, ...]:
    """Of the naive run of a spec at a point, from the cache or run now."""
    return updates_from_model(naive_run(spec).model(at))
