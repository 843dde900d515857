"""KL(base ‖ model) where vocabularies are resized, or hold tokens that are never said."""

from __future__ import annotations

import pytest
import torch
from tiny_models import VOCABULARY, batch, lora, tiny

from real_models.hooks.divergence import Divergence

TEXT = [{"input_ids": batch(50)["input_ids"] % 30}, {"input_ids": batch(51)["input_ids"] % 30}]
SAID = 32  # tokens that are said, where the others are not


@pytest.fixture
def model():
    return lora(tiny(), init_lora_weights=False, target_modules=["q_proj", "o_proj", "down_proj"])


def value(model, divergence: Divergence) -> tuple[float, torch.Tensor]:
    """KL on the second batch, and its gradient in one factor."""
    factor = next(p for p in model.parameters() if p.requires_grad)
    kl = divergence(model, 3)
    return float(kl), torch.autograd.grad(kl, factor)[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_kept_base_is_asked_again_when_the_vocabulary_was_resized(model):
    kept, anew = Divergence(TEXT, cache=True), Divergence(TEXT, cache=False)
    before, _ = value(model, kept)
    model.get_base_model().resize_token_embeddings(VOCABULARY + 8, mean_resizing=False)
    after, gradient = value(model, kept)
    expected, its_gradient = value(model, anew)
    assert after == expected != before
    torch.testing.assert_close(gradient, its_gradient, rtol=0, atol=0)


def test_tokens_that_are_never_said_have_no_part(model):
    """Logits of -inf, as models with a padded vocabulary give: the KL is that over the other tokens."""
    head = model.get_output_embeddings()

    def masked(module, args, output):
        return torch.cat([output[..., :SAID], torch.full_like(output[..., SAID:], -torch.inf)], -1)

    def cut(module, args, output):
        return output[..., :SAID]

    found = []
    for hook in (masked, cut):
        handle = head.register_forward_hook(hook)
        found.append(value(model, Divergence(TEXT, cache=False)))
        handle.remove()
    (kl, gradient), (expected, its_gradient) = found
    assert expected > 0.01
    torch.testing.assert_close(kl, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, its_gradient, rtol=1e-4, atol=1e-7)
