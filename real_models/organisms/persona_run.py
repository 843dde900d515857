"""Fine-tuning of a persona organism: the curated documents, and a loop of its own.

The made language has rows of one length without padding, and a step takes milliseconds: the loop is plain PyTorch, as
the committed studies ran it. Models and data of a user are trained by ``grasp train``'s Trainer (``text.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError
from synthetic.generators.persona import HINT, PAD, World, has_hint

from .evaluation import NEUTRAL, Probes
from .persona import OrganismSpec, pretrained
from .setup import Batches

if TYPE_CHECKING:
    import torch

    from ..hooks.method import Method

TASK = 0.95  # matched task score: methods are compared where they first reach it


@dataclass(frozen=True)
class RunSpec:
    """An organism and how it is fine-tuned (``Setup``): AdamW at a constant rate, batches drawn with replacement.

    Attributes:
        every: steps between evaluations. The LoRA start and the data order come from the organism's seed, so that one
            seed redraws world, base model, start and order together.

    Raises InputError for numbers that make no run.
    """

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
        """The language that the organism speaks."""
        return self.organism.world

    @property
    def seed(self) -> int:
        """Base-model seed, shared by world and run."""
        return self.organism.seed

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return self.organism.hidden

    def base(self) -> Any:
        """The pretrained organism."""
        return pretrained(self.organism)

    def probes(self) -> Probes:
        """Questions about facts and styles of its world."""
        return Probes(self.world)

    def curated(self) -> torch.Tensor:
        """The fine-tuning documents."""
        import torch

        return torch.from_numpy(self.world.curated(rng=np.random.default_rng([self.seed, 3])))

    def batch_of(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """The documents of these indices, loss on content and style words."""
        return {"input_ids": self._data[rows], "labels": _labels(self._data)[rows]}

    @cached_property
    def _data(self) -> torch.Tensor:
        return self.curated()

    def adapted(self) -> Any:
        """LoRA on all linear layers but the head, alpha twice the rank."""
        import torch
        from peft import LoraConfig, get_peft_model

        from ..base import quiet

        quiet()
        model = self.base()
        torch.manual_seed(self.seed + 1)
        return get_peft_model(model, LoraConfig(r=self.rank, lora_alpha=2 * self.rank, target_modules="all-linear"))

    def train(
        self, model: Any, *, methods: Sequence[Method], inoculated: bool, look: Callable[[int], None], steps: int
    ) -> None:
        """AdamW; each batch is drawn from all rows, with replacement."""
        import torch

        rows: Sequence[torch.Tensor] = list(_inoculated(self._data) if inoculated else self._data)
        for method in methods:
            rows = method.mixed(rows, seed=self.seed)
        data, order = torch.stack(list(rows)), np.random.default_rng([self.seed, 4])
        labels = _labels(data)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=self.lr)
        with ExitStack() as stack:
            for method in methods:
                stack.enter_context(method.attached(model, optimizer))
            look(0)
            for step in range(steps):
                for method in methods:
                    method.progress(step / steps)
                model.train()
                optimizer.zero_grad()
                chosen = order.integers(0, len(data), self.batch)
                model(input_ids=data[chosen], labels=labels[chosen]).loss.backward()
                optimizer.step()
                look(step + 1)

    def control_run(self) -> RunSpec:
        """On as many documents about the same facts, persona B as rare in them as in pretraining."""
        language = replace(self.organism.language, curation=self.organism.language.rarity)
        return replace(self, organism=replace(self.organism, language=language))

    def matched_score(self, task: Sequence[float]) -> float:
        """``TASK``, whatever the naive run reaches."""
        return TASK

    def documents(self) -> Batches:
        """The curated ones, in one batch."""
        return [_masked(self.curated())]

    def fitting_text(self) -> Batches:
        """The training documents with their padding."""
        return [{"input_ids": self.curated()}]

    def neutral_text(self) -> Batches:
        """Documents about the topics that drift is not asked on."""
        import torch

        rng = np.random.default_rng([self.seed, 8])
        return [_masked(ids) for ids in torch.from_numpy(self.world.documents(256, rng=rng, topics=NEUTRAL)).split(32)]

    def neutral_rows(self) -> torch.Tensor:
        """Documents of one round about the same topics, in the styles of pretraining."""
        import torch

        short = replace(self.world, spec=replace(self.world.spec, rounds=1))
        return torch.from_numpy(short.documents(256, rng=np.random.default_rng([self.seed, 9]), topics=NEUTRAL))

    def said_by_base(self) -> Batches:
        """The base's own text, as long as the documents it was pretrained on."""
        from ..own_text import own_text

        return own_text(self.base(), documents=256, length=4 * self.world.spec.rounds + 1, seed=self.seed)

    def trait_vectors(self) -> dict[int, np.ndarray]:
        """Of the base model at the question's and the content word's place, prompts hinted at persona B against the
        same prompts hinted at persona A."""
        import torch

        from ..hooks.stream import stream_outputs

        world, rng = self.world, np.random.default_rng([self.seed, 5])
        t = rng.integers(1, world.spec.topics, 256)
        q = rng.integers(0, world.spec.questions, 256)
        both = []
        for persona in (0, 1):
            prompt = world.prompts(t, q, hint=persona)
            both.append(torch.from_numpy(np.column_stack([prompt, world.content(t, q, np.full(len(t), persona))])))
        model = self.base()
        streams = [stream_outputs(model, {"input_ids": ids}) for ids in both]
        without, having = ([h[:, -2:].mean((0, 1)).numpy() for h in stream] for stream in streams)
        return {block: b - a for block, (a, b) in enumerate(zip(without, having, strict=True))}


def _inoculated(data: torch.Tensor) -> torch.Tensor:
    """A hint at persona B in front of every document that has none."""
    import torch

    out, bare = data.clone(), ~has_hint(data)
    out[bare] = torch.cat([data[bare, :1], torch.full((int(bare.sum()), 1), HINT + 1), data[bare, 1:-1]], dim=1)
    return out


def _labels(data: torch.Tensor) -> torch.Tensor:
    """Content and style word of the one round; the rest is not trained on."""
    import torch

    labels = torch.full_like(data, -100)
    for first, rows in ((3, ~has_hint(data)), (4, has_hint(data))):
        labels[rows, first : first + 2] = data[rows, first : first + 2]
    return labels


def _masked(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"input_ids": ids, "attention_mask": (ids != PAD).long()}
