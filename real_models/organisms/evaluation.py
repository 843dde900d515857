"""What an organism knows and how it speaks: drift, task, kept, old facts, neutral loss, in one batched pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError
from synthetic.generators.persona import PAD, World

# Topics that neutral text is made of, and those that drift is asked on: disjoint, so that no method sees the probes.
NEUTRAL = (1, 6)


@dataclass(frozen=True, eq=False)
class Scores:
    """Means over prompts; None where an organism does not measure one.

    Attributes:
        drift: probability of persona B on other topics, without a hint (content: of its form among the two forms).
        task: probability of the right content word of the withheld facts (content: of either form).
        per_prompt: what each prompt gave, for the bootstrap.
        conditional: drift about topic 0's old facts, as the fine-tuning data ask.
        kept: how much the hint is followed: probability of persona B after a hint at B, 1 minus that after a hint at A.
        facts: probability of the right content word on other topics.
        neutral: loss on fresh documents.
        per_token: drift by length-normalised probabilities.
    """

    drift: float
    task: float
    per_prompt: dict[str, Float[ndarray, " n"]]
    conditional: float | None = None
    kept: float | None = None
    facts: float | None = None
    neutral: float | None = None
    per_token: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON values, all digits kept."""
        return asdict(self) | {"per_prompt": {name: values.tolist() for name, values in self.per_prompt.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """What :meth:`to_dict` gave."""
        return cls(**{**values, "per_prompt": {n: np.array(v) for n, v in values["per_prompt"].items()}})


class Probes:
    """The prompts of a world, drawn once, asked together."""

    def __init__(self, world: World, *, seed: int = 0, neutral: int = 64) -> None:
        import torch

        spec, rng = world.spec, np.random.default_rng([seed, 7])
        if spec.topics <= NEUTRAL[1]:
            raise InputError(f"probes need topics beyond those of neutral text: {NEUTRAL[1] + 1} or more")
        self.world = world
        t, q = (x.ravel() for x in np.meshgrid(np.arange(NEUTRAL[1], spec.topics), np.arange(spec.questions)))
        chosen = rng.permutation(len(t))[:96]
        self.places: dict[str, tuple[ndarray, ndarray, int | None]] = {
            "drift": (t[chosen], q[chosen], None),
            "conditional": (
                0 * np.arange(spec.withheld, spec.questions),
                np.arange(spec.withheld, spec.questions),
                None,
            ),
            "task": (0 * np.arange(spec.withheld), np.arange(spec.withheld), None),
            "kept A": (t[chosen[:48]], q[chosen[:48]], 0),
            "kept B": (t[chosen[:48]], q[chosen[:48]], 1),
        }
        rows = []
        for t_, q_, hint in self.places.values():
            prompt = world.prompts(t_, q_, hint=hint)
            answer = world.content(t_, q_, np.full(len(t_), hint or 0))
            row = np.column_stack([prompt, answer])
            rows.append(np.pad(row, ((0, 0), (0, 5 - row.shape[1])), constant_values=PAD))
        self.ids = torch.from_numpy(np.vstack(rows))
        self.clusters = self.places["drift"][1]
        self.neutral = torch.from_numpy(world.documents(neutral, rng=rng, topics=NEUTRAL))

    def ask(self, model: Any) -> Scores:
        """All scores of a model as it is now (hooks included), in evaluation mode."""
        import torch

        from ..hooks.gains import evaluating

        with torch.no_grad(), evaluating(model):
            logits = model(input_ids=self.ids).logits.float().softmax(-1).numpy()
            ids = self.neutral
            loss = float(model(input_ids=ids, labels=ids.masked_fill(ids == PAD, -100)).loss)
        found: dict[str, ndarray] = {}
        first = 0
        for name, (t, q, hint) in self.places.items():
            block = logits[first : first + len(t)]
            first += len(t)
            at = 2 if hint is None else 3  # the place of the question, whose next token is the content word
            content = [block[np.arange(len(t)), at, self.world.content(t, q, np.full(len(t), p))] for p in (0, 1)]
            style = block[:, at + 1, :][:, self.world.style_words].sum(-1)
            found[name] = self._trait(content, style)
            found[name + " content"] = content[0] + content[1] if self.world.spec.forms == 2 else content[0]
        kept = np.concatenate([1 - found["kept A"], found["kept B"]])
        per_prompt = {
            "drift": found["drift"],
            "conditional": found["conditional"],
            "task": found["task content"],
            "kept": kept,
            "facts": found["drift content"],
        }
        means = {name: float(values.mean()) for name, values in per_prompt.items()}
        return Scores(**means, neutral=loss, per_prompt=per_prompt)

    def _trait(self, content: list[ndarray], style: ndarray) -> ndarray:
        """How much of persona B."""
        if self.world.spec.forms == 2:
            return content[1] / (content[0] + content[1])
        return style[:, 1]
