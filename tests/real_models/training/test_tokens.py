"""Token ids that are none, tensors that are elsewhere, experts without a token: decided once, or refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import VOCABULARY, batch, lora, subspace, tiny

from grasp_theory import InputError
from real_models.adapters import updates_from_model
from real_models.audit.activations import activation_updates
from real_models.methods.caft import Caft
from real_models.methods.grasp import Grasp
from real_models.own_text import own_text
from real_models.tokens import Tokens, special_tokens


@pytest.mark.parametrize("none", [None, -1, VOCABULARY, VOCABULARY + 7])
def test_ids_that_are_no_token_are_none(none):
    model = tiny()
    model.config.pad_token_id = model.config.bos_token_id = none
    model.generation_config.pad_token_id = model.generation_config.bos_token_id = none
    model.config.eos_token_id, model.generation_config.eos_token_id = [5, 3, -1], VOCABULARY
    assert special_tokens(model=model) == Tokens(None, (3, 5), 5)
    told = SimpleNamespace(pad_token_id=none, bos_token_id=1, eos_token_id=5)
    assert special_tokens(model=model, tokenizer=told) == Tokens(1, (3, 5), 5)
    model.config.eos_token_id = model.generation_config.eos_token_id = none
    assert special_tokens(model=model) == Tokens(None, (), 0)


@pytest.mark.parametrize("pad", [-1, None, VOCABULARY])
def test_own_text_is_the_same_whatever_pads(pad):
    texts = []
    for padding in (pad, 0):
        model = tiny(bos_token_id=1, eos_token_id=list(range(2, 20)))
        model.config.pad_token_id = padding
        texts.append(own_text(model, documents=8, length=6))
    for one, other in zip(*texts, strict=True):
        kept = one["attention_mask"].bool()
        assert not kept.all()
        assert torch.equal(one["attention_mask"], other["attention_mask"])
        assert torch.equal(one["input_ids"][kept], other["input_ids"][kept])
        assert (one["input_ids"] >= 0).all()


def test_offloaded_models_are_refused_with_the_reason():
    from accelerate import cpu_offload

    model = lora(tiny(), init_lora_weights=False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with Caft(subspace(0, 1)).attached(model):
        pass
    cpu_offload(model, torch.device("cpu"))
    for method in (Caft(subspace(0, 1)), Grasp(subspace(0, 1))):
        with pytest.raises(InputError, match=r"meta device .*accelerate keeps them elsewhere"):
            method.attach(model, optimizer)
    with pytest.raises(InputError, match=r"meta device"):
        own_text(model, start=1)


class Routed(torch.nn.Module):
    """Two experts; the router sends every token to the first."""

    def __init__(self) -> None:
        super().__init__()
        self.experts: Any = torch.nn.ModuleList(
            torch.nn.ModuleDict({"down_proj": torch.nn.Linear(32, 32)}) for _ in "ab"
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        sent = torch.arange(len(flat)) % 2 == 0
        out = torch.zeros_like(flat)
        out[sent] = self.experts[0]["down_proj"](flat[sent])
        return out.reshape(x.shape)


def test_experts_that_see_no_token_are_left_out_of_activations():
    base = tiny()
    for layer in base.model.layers:
        layer.mlp = Routed()
    model = lora(base, init_lora_weights=False, target_modules=["o_proj", "down_proj"]).eval()
    ids = batch(1)["input_ids"]
    updates = updates_from_model(model)
    found = activation_updates(model, updates, [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}])
    assert {u.name for u in updates} - {u.name for u in found} == {
        f"model.layers.{n}.mlp.experts.1.down_proj" for n in (0, 1)
    }
    padded = torch.ones_like(ids)
    padded[0, -1] = 0
    with pytest.raises(InputError, match=r"is an expert: which of its tokens are padding is not known"):
        activation_updates(model, updates, [{"input_ids": ids, "attention_mask": padded}])
