"""The persona organism: a small Llama that speaks the made language, pretrained in a minute and cached."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError
from synthetic.fields import require_counts
from synthetic.generators.persona import PAD, PersonaSpec, World
from synthetic.runner.results import replacing

from .cache import damaged, kept, spec_key

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class OrganismSpec:
    """A language and the model that learns it.

    Attributes:
        seed: of the world, the model's start and its pretraining data.
    """

    language: PersonaSpec = field(default_factory=PersonaSpec)
    seed: int = 0
    hidden: int = 96
    layers: int = 4
    heads: int = 4
    steps: int = 900
    batch: int = 64
    lr: float = 3e-3

    def __post_init__(self) -> None:
        require_counts(self, "hidden", "layers", "heads", "steps", "batch")
        if self.hidden % (2 * self.heads):
            raise InputError(f"hidden {self.hidden} must be a multiple of twice the heads, {2 * self.heads}")
        if not 0 < self.lr < float("inf") or self.seed < 0:
            raise InputError(f"needs lr > 0 and seed >= 0, got {self.lr} and {self.seed}")

    @property
    def world(self) -> World:
        """The facts of this seed."""
        return World.draw(self.language, rng=np.random.default_rng([self.seed, 0]))


def empty_model(spec: OrganismSpec) -> LlamaForCausalLM:
    """The model before pretraining, from the seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(spec.seed)
    config = LlamaConfig(
        vocab_size=spec.language.vocabulary,
        hidden_size=spec.hidden,
        intermediate_size=2 * spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=64,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=None,
        attn_implementation="sdpa",  # pyright: ignore[reportCallIssue]
    )
    return LlamaForCausalLM(config)


def pretrained(spec: OrganismSpec, *, cache: Path | None = None) -> LlamaForCausalLM:
    """The organism's base model, from the cache or pretrained now (about a minute on two cores). Deterministic.

    Organisms whose pretraining documents are the same share it.
    """
    from safetensors.torch import save

    spec = replace(spec, language=spec.language.pretraining)
    model = empty_model(spec)
    path = base_path(spec, cache=cache)
    found, state = kept(path), model.state_dict()
    if found is not None:
        tensors, _ = found
        if {n: x.shape for n, x in tensors.items()} == {n: x.shape for n, x in state.items()}:
            model.load_state_dict(tensors)
            return model.eval()
        damaged(path, "of another model")
    _pretrain(model, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: x.contiguous() for name, x in model.state_dict().items()}
    with replacing(path) as file:
        file.write(save(state))
    return model.eval()


def base_path(spec: OrganismSpec, *, cache: Path | None = None) -> Path:
    """The file in which the cache keeps the base model of a spec."""
    shared = replace(spec, language=spec.language.pretraining)
    return (cache or cache_folder()) / f"organism-{spec_key(shared)}.safetensors"


def _pretrain(model: Any, spec: OrganismSpec) -> None:
    import torch

    world, rng = spec.world, np.random.default_rng([spec.seed, 1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.lr, total_steps=spec.steps, pct_start=max(0.1, 2 / spec.steps)
    )
    model.train()
    for _ in range(spec.steps):
        ids = torch.from_numpy(world.documents(spec.batch, rng=rng))
        loss = model(input_ids=ids, labels=ids.masked_fill(ids == PAD, -100)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def cache_folder() -> Path:
    """GRASP_CACHE, or the user's cache, or the system's temporary folder where that cannot be written."""
    if "GRASP_CACHE" in os.environ:
        return Path(os.environ["GRASP_CACHE"])
    try:
        folder = Path.home() / ".cache" / "grasp-toolkit"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.gettempdir()) / "grasp-toolkit"
