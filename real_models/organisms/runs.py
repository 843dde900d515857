"""Fine-tuning an organism: one loop for every method, evaluated along the way; the naive run, kept for all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, Update
from synthetic.generators.persona import HINT, PAD, World, has_hint
from synthetic.runner.code_version import code_version
from synthetic.runner.results import replacing

from ..adapters import updates_from_model
from .evaluation import NEUTRAL, Probes, Scores
from .persona import OrganismSpec, cache_folder, pretrained
from .setup import Batches, Rows, Setup, check_loop

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
        check_loop(self)

    @property
    def points(self) -> tuple[int, ...]:
        """The steps at which a run is evaluated."""
        return tuple(range(0, self.steps + 1, self.every))

    @cached_property
    def world(self) -> World:
        """The organism's."""
        return self.organism.world

    @property
    def seed(self) -> int:
        """The organism's."""
        return self.organism.seed

    @property
    def width(self) -> int:
        """The organism's."""
        return self.organism.hidden

    @property
    def alpha(self) -> int:
        """Twice the rank."""
        return 2 * self.rank

    def base(self) -> Any:
        """The organism's."""
        return pretrained(self.organism)

    def probes(self) -> Probes:
        """The world's."""
        return Probes(self.world)

    def curated(self) -> torch.Tensor:
        """The fine-tuning documents."""
        import torch

        return torch.from_numpy(self.world.curated(rng=np.random.default_rng([self.seed, 3])))

    def rows(self, *, inoculated: bool) -> Rows:
        """Loss on content and style words. inoculated : a hint at persona B in front of every document."""
        import torch

        data = self.curated()
        if inoculated:
            bare = ~has_hint(data)
            data[bare] = torch.cat(
                [data[bare, :1], torch.full((int(bare.sum()), 1), HINT + 1), data[bare, 1:-1]], dim=1
            )
        labels = _labels(data)
        return Rows(len(data), lambda rows: {"input_ids": data[rows], "labels": labels[rows]})

    def matched_score(self, task: Sequence[float]) -> float:
        """``TASK``, whatever the naive run reaches."""
        return TASK

    def documents(self) -> Batches:
        """The curated ones, in one batch."""
        return [_masked(self.curated())]

    def fitting_text(self) -> Batches:
        """The same with their padding."""
        return [{"input_ids": self.curated()}]

    def neutral_text(self) -> Batches:
        """Documents about the topics that drift is not asked on."""
        import torch

        rng = np.random.default_rng([self.seed, 8])
        return [_masked(ids) for ids in torch.from_numpy(self.world.documents(256, rng=rng, topics=NEUTRAL)).split(32)]

    def said_by_base(self) -> Batches:
        """As long as the documents it was pretrained on."""
        from ..base_model.own_text import own_text

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


def adapted(spec: Setup) -> Any:
    """The base model with LoRA on all linear layers but the head, its start drawn from the seed."""
    import torch
    from peft import LoraConfig, get_peft_model

    from ..base_model.load import quiet

    quiet()
    model = spec.base()
    torch.manual_seed(spec.seed + 1)
    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules="all-linear")  # pyright: ignore
    return get_peft_model(model, config)


def fine_tune(
    spec: Setup,
    *,
    methods: Sequence[Method] = (),
    inoculated: bool = False,
    look: Callable[[Any], None] | None = None,
) -> list[Scores]:
    """Scores at every point of a run under these methods; ``look`` sees the model at each of them.

    inoculated : see :meth:`Setup.rows`.
    """
    model, probes, scores = adapted(spec), spec.probes(), []
    for step in train(spec, model, methods=methods, inoculated=inoculated):
        if step % spec.every == 0:
            scores.append(probes.ask(model))
            if look is not None:
                look(model)
    return scores


def train(
    spec: Setup, model: Any, *, methods: Sequence[Method], inoculated: bool, steps: int | None = None
) -> Generator[int, None, None]:
    """Fine-tune the model: the number of steps done, before the first, between all, and after the last.

    AdamW; each batch is drawn from all rows, with replacement. The methods are on until the end.
    """
    import torch

    rows, order = spec.rows(inoculated=inoculated), np.random.default_rng([spec.seed, 4])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=spec.lr)
    with ExitStack() as stack:
        for method in methods:
            stack.enter_context(method.attached(model, optimizer))
        steps = spec.steps if steps is None else steps
        for step in range(steps):
            yield step
            for method in methods:
                method.progress(step / steps)
            model.train()
            optimizer.zero_grad()
            model(**rows.batch(order.integers(0, rows.count, spec.batch))).loss.backward()
            optimizer.step()
        yield steps


def _labels(data: torch.Tensor) -> torch.Tensor:
    """Content and style word of the one round; the rest is not trained on."""
    import torch

    labels = torch.full_like(data, -100)
    for first, rows in ((3, ~has_hint(data)), (4, has_hint(data))):
        labels[rows, first : first + 2] = data[rows, first : first + 2]
    return labels


def _masked(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


def crossing(task: Sequence[float], target: float | None = None) -> int | None:
    """Index of the first point at which the task score reaches the target, ``TASK`` by default."""
    return next((n for n, value in enumerate(task) if value >= (TASK if target is None else target)), None)


@dataclass(frozen=True, eq=False)
class NaiveRun:
    """The naive run of a spec: scores and LoRA factors at every point. at : index of the crossing."""

    spec: Setup
    scores: tuple[Scores, ...]
    states: tuple[dict[str, torch.Tensor], ...]

    @property
    def at(self) -> int:
        """Index of the point from which directions are taken: the crossing, or the last point where there is none.

        Without a crossing the experiment is void (rule 7), which the table says. InputError if the base knows the task.
        """
        task = [s.task for s in self.scores]
        found = crossing(task, self.spec.matched_score(task))
        if found == 0:
            raise InputError("the base model knows the task already, so there is no naive update to identify from")
        return len(self.scores) - 1 if found is None else found

    def model(self, at: int) -> Any:
        """The fine-tuned model at a point."""
        model = adapted(self.spec)
        model.load_state_dict(self.states[at], strict=False)
        return model.eval()

    def without(self, bases: Mapping[str, np.ndarray], at: int) -> Any:
        """The fine-tuned model at a point with (I − QQᵀ) dW in modules that write the stream, dW (I − QQᵀ) in others.

        bases : module -> Q, orthonormal columns, of its output (write) or its input.
        """
        import torch

        from ..hooks.targets import lora_factors

        model = self.model(at)
        with torch.no_grad():
            for f in lora_factors(model):
                if f.name in bases:
                    Q = torch.from_numpy(bases[f.name]).float()
                    if f.side == "write":
                        f.B.sub_(Q @ (Q.T @ f.B))
                    else:
                        f.A.sub_((f.A @ Q) @ Q.T)
        return model

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """Of the adapter at the crossing."""
        return updates_from_model(self.model(self.at))


def naive_run(spec: Setup) -> NaiveRun:
    """The naive run, from the cache or run now; the last one is kept in memory."""
    return _naive_run(spec, naive_path(spec))


def naive_path(spec: Setup) -> Path:
    """Where the cache has it."""
    return cache_folder() / f"naive-{_key(spec)}.safetensors"


@lru_cache(maxsize=1)
def _naive_run(spec: Setup, path: Path) -> NaiveRun:
    from safetensors.torch import load_file, save

    states: list[dict[str, torch.Tensor]] = []
    if path.exists():
        for name, tensor in load_file(str(path)).items():
            point, _, parameter = name.partition("|")
            while len(states) <= int(point):
                states.append({})
            states[int(point)][parameter] = tensor
        probes, scores = spec.probes(), []
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


def _key(spec: Any) -> str:
    text = json.dumps([asdict(spec), code_version(type(spec).__module__)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
