"""Fine-tuning an organism: one loop for every method, evaluated along the way; the naive run, kept for all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, Update
from synthetic.code_version import code_version
from synthetic.persona import HINT, World
from synthetic.results import replacing

from ..adapters import updates_from_model
from .evaluation import Probes, Scores
from .persona import OrganismSpec, cache_folder, pretrained

if TYPE_CHECKING:
    import torch

    from ..methods import Method

TASK = 0.95  # matched task score: methods are compared where they first reach it


@dataclass(frozen=True)
class RunSpec:
    """An organism and how it is fine-tuned. every : steps between evaluations. The LoRA start and the data order come
    from the organism's seed, so that one seed redraws world, base model, start and order together."""

    organism: OrganismSpec = field(default_factory=OrganismSpec)
    rank: int = 16
    lr: float = 3e-4
    batch: int = 16
    steps: int = 160
    every: int = 10

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1 or self.steps % self.every:
            raise InputError(f"steps must be a multiple of every, got {self.steps} and {self.every}")
        if self.rank < 1 or self.batch < 1 or not self.lr > 0:
            raise InputError(f"rank, batch and lr must be positive, got {self.rank}, {self.batch}, {self.lr}")

    @property
    def points(self) -> tuple[int, ...]:
        """The steps at which a run is evaluated."""
        return tuple(range(0, self.steps + 1, self.every))

    @cached_property
    def world(self) -> World:
        """The organism's."""
        return self.organism.world


def adapted(spec: RunSpec) -> Any:
    """The base model with LoRA on all seven projections, alpha = 2 r."""
    import torch
    from peft import LoraConfig, get_peft_model

    from ..base import quiet

    quiet()
    model = pretrained(spec.organism)
    torch.manual_seed(spec.organism.seed + 1)
    return get_peft_model(model, LoraConfig(r=spec.rank, lora_alpha=2 * spec.rank, target_modules="all-linear"))


def curated(spec: RunSpec) -> torch.Tensor:
    """The fine-tuning documents."""
    import torch

    return torch.from_numpy(spec.world.curated(rng=np.random.default_rng([spec.organism.seed, 3])))


def fine_tune(
    spec: RunSpec,
    *,
    methods: Sequence[Method] = (),
    inoculated: bool = False,
    look: Callable[[Any], None] | None = None,
) -> list[Scores]:
    """Scores at every point of a run under these methods; ``look`` sees the model at each of them.

    AdamW, loss on content and style words. inoculated : a hint at persona B in front of every training document.
    """
    import torch

    model, world = adapted(spec), spec.world
    data = curated(spec)
    if inoculated:
        bare = data[:, 1] >= 4  # without a hint of its own
        data[bare] = torch.cat([data[bare, :1], torch.full((int(bare.sum()), 1), HINT + 1), data[bare, 1:-1]], dim=1)
    labels = _labels(data)
    order, probes, scores = np.random.default_rng([spec.organism.seed, 4]), Probes(world), []
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=spec.lr)
    with ExitStack() as stack:
        for method in methods:
            stack.enter_context(method.attached(model, optimizer))
        for step in range(spec.steps + 1):
            if step % spec.every == 0:
                scores.append(probes.ask(model))
                if look is not None:
                    look(model)
            if step < spec.steps:
                for method in methods:
                    method.progress(step / spec.steps)
                model.train()
                rows = order.integers(0, len(data), spec.batch)
                optimizer.zero_grad()
                model(input_ids=data[rows], labels=labels[rows]).loss.backward()
                optimizer.step()
    return scores


def _labels(data: torch.Tensor) -> torch.Tensor:
    """Content and style word of the one round; the rest is not trained on."""
    import torch

    labels = torch.full_like(data, -100)
    hinted = data[:, 1] < 4
    for first, rows in ((3, ~hinted), (4, hinted)):
        labels[rows, first : first + 2] = data[rows, first : first + 2]
    return labels


def crossing(task: Sequence[float]) -> int | None:
    """Index of the first point at which the task score reaches ``TASK``."""
    return next((n for n, value in enumerate(task) if value >= TASK), None)


@dataclass(frozen=True, eq=False)
class NaiveRun:
    """The naive run of a spec: scores and LoRA factors at every point. at : index of the crossing."""

    spec: RunSpec
    scores: tuple[Scores, ...]
    states: tuple[dict[str, torch.Tensor], ...]

    @property
    def at(self) -> int:
        """Index of the point from which directions are taken: the crossing, or the last point where there is none.

        Without a crossing the experiment is void (rule 7), which the table says. InputError if the base knows the task.
        """
        found = crossing([s.task for s in self.scores])
        if found == 0:
            raise InputError("the base model knows the task already, so there is no naive update to identify from")
        return len(self.scores) - 1 if found is None else found

    def model(self, at: int) -> Any:
        """The fine-tuned model at a point."""
        model = adapted(self.spec)
        model.load_state_dict(self.states[at], strict=False)
        return model.eval()

    def without(self, Q: np.ndarray, at: int) -> Any:
        """The fine-tuned model at a point with (I − QQᵀ) dW for dW in the modules that write the stream."""
        import torch

        model, basis = self.model(at), torch.from_numpy(Q).float()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name and ("o_proj" in name or "down_proj" in name):
                    parameter -= basis @ (basis.T @ parameter)
        return model

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """Of the adapter at the crossing."""
        return updates_from_model(self.model(self.at))


def naive_run(spec: RunSpec) -> NaiveRun:
    """The naive run, from the cache or run now; the last one is kept in memory."""
    return _naive_run(spec, cache_folder())


@lru_cache(maxsize=1)
def _naive_run(spec: RunSpec, folder: Path) -> NaiveRun:
    from safetensors.torch import load_file, save

    path = folder / f"naive-{_key(spec)}.safetensors"
    states: list[dict[str, torch.Tensor]] = []
    if path.exists():
        for name, tensor in load_file(str(path)).items():
            point, _, parameter = name.partition("|")
            while len(states) <= int(point):
                states.append({})
            states[int(point)][parameter] = tensor
        probes, scores = Probes(spec.world), []
        model = adapted(spec)
        for state in states:
            model.load_state_dict(state, strict=False)
            scores.append(probes.ask(model))
        return NaiveRun(spec, tuple(scores), tuple(states))

    def look(model: Any) -> None:
        states.append({n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})

    found = fine_tune(spec, look=look)
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {f"{n:03d}|{name}": x.contiguous() for n, state in enumerate(states) for name, x in state.items()}
    with replacing(path) as file:
        file.write(save(flat))
    return NaiveRun(spec, tuple(found), tuple(states))


def trait_vectors(spec: RunSpec) -> dict[int, np.ndarray]:
    """``mean-difference``, the supervised reference: block -> mean activation with the trait minus without.

    Of the base model at the question's and the content word's place, prompts hinted at persona B against the same
    prompts hinted at persona A. Uses trait labels: for comparison only.
    """
    import torch

    from ..methods.stream import find_stream, hook_blocks

    model, world = pretrained(spec.organism), spec.world
    rng = np.random.default_rng([spec.organism.seed, 5])
    t = rng.integers(1, world.spec.topics, 256)
    q = rng.integers(0, world.spec.questions, 256)
    means: list[dict[int, np.ndarray]] = []
    for persona in (0, 1):
        prompt = world.prompts(t, q, hint=persona)
        ids = np.column_stack([prompt, world.content(t, q, np.full(len(t), persona))])
        found: dict[int, np.ndarray] = {}

        def keep(index: int, h: torch.Tensor, found: dict[int, np.ndarray] = found) -> torch.Tensor:
            found[index] = h[:, -2:].mean((0, 1)).numpy()
            return h

        with ExitStack() as undo, torch.no_grad():
            stream = find_stream(model)
            hook_blocks(stream, keep, undo, at=range(len(stream.blocks)))
            model(input_ids=torch.from_numpy(ids))
        means.append(found)
    return {index: means[1][index] - means[0][index] for index in means[0]}


def _key(spec: RunSpec) -> str:
    text = json.dumps([asdict(spec), code_version(__name__)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
