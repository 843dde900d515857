"""LinEAS: the fitted map against distances measured apart from it, the closed form of one block, and its sparsity."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tolerance
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from grasp_theory import InputError
from real_models.methods.lineas import LinEAS

WIDTH, WORDS, BLOCKS = 16, 40, 2


def shifted(seed: int = 1, *, size: float = 0.2, **lora):
    """A peft model whose adapter moves the activations."""
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": BLOCKS, "vocab_size": WORDS}
    config = LlamaConfig(**sizes, num_attention_heads=2, num_key_value_heads=1, initializer_range=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(LlamaForCausalLM(config), LoraConfig(r=3, target_modules="all-linear", **lora))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = size * torch.randn(parameter.shape, generator=generator)
    return model


def text(seed: int, n: int = 2) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 5:] = 0
    return [
        {"input_ids": torch.randint(0, WORDS, (4, 9), generator=generator), "attention_mask": mask} for _ in range(n)
    ]


FITTED, HELD_OUT = text(3), text(4, 6)


def activations(model, batch) -> list[np.ndarray]:
    """(tokens, width) of each block's output, by hidden_states or, for the last one (which is normed there), a hook."""
    seen = {}
    blocks = model.get_base_model().model.layers
    handles = [
        # after the method's own hooks, which were put on before
        block.register_forward_hook(
            lambda m, a, out, i=i: seen.__setitem__(i, out[0] if isinstance(out, tuple) else out)
        )
        for i, block in enumerate(blocks)
    ]
    with torch.no_grad():
        model(**batch)
    for handle in handles:
        handle.remove()
    keep = batch["attention_mask"].bool()
    return [seen[i][keep].double().numpy() for i in range(len(blocks))]


def distance(model, batches, blocks=range(BLOCKS), method: LinEAS | None = None) -> float:
    """Mean over batches of the sum over blocks and neurons of W₂², from sorted samples."""
    total = 0.0
    for batch in batches:
        with model.disable_adapter():
            base = activations(model, batch)
        if method is None:
            here = activations(model, batch)
        else:
            with method.attached(model):
                here = activations(model, batch)
        total += sum(np.sum(np.mean((np.sort(here[i], 0) - np.sort(base[i], 0)) ** 2, 0)) for i in blocks)
    return total / len(batches)


def affine_fit(source: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per neuron the least squares w, b of sorted goal on sorted source: the minimum, since w comes out positive."""
    s, t = np.sort(source, 0), np.sort(goal, 0)
    w = np.mean((s - s.mean(0)) * (t - t.mean(0)), 0) / np.var(s, 0)
    assert (w > 0).all()
    return w, t.mean(0) - w * s.mean(0)


def test_lineas_brings_activations_nearer_to_those_of_the_base():
    model = shifted().eval()
    method = LinEAS.fit(model, FITTED)
    assert method.distances is not None
    before, after = method.distances
    np.testing.assert_allclose(
        [before, after], [distance(model, FITTED), distance(model, FITTED, method=method)], rtol=1e-4
    )
    assert after < before / 3
    assert distance(model, HELD_OUT, method=method) < distance(model, HELD_OUT) / 2
    nothing = LinEAS({0: np.ones(WIDTH)}, {0: np.zeros(WIDTH)})  # control: the hook by itself changes nothing
    assert distance(model, FITTED, method=nothing) == distance(model, FITTED)


def test_lineas_of_the_last_block_is_the_affine_regression_of_sorted_values():
    """No block above it: every neuron is a problem of its own, with a minimum in closed form."""
    model, last = shifted().eval(), BLOCKS - 1
    with model.disable_adapter():
        base = activations(model, FITTED[0])[last]
    source = activations(model, FITTED[0])[last]
    w, b = affine_fit(source, base)
    best = np.sum(np.mean((np.sort(w * source + b, 0) - np.sort(base, 0)) ** 2, 0))
    method = LinEAS.fit(model, FITTED[:1], layers=[last], steps=400, rtol=0.0)
    assert method.distances is not None
    np.testing.assert_allclose(method.distances[1], best, rtol=1e-3)
    np.testing.assert_allclose(method.w[last], w, rtol=0, atol=0.02)
    assert method.distances[0] > 3 * best  # control: there was something to find


def test_lineas_jointly_learnt_is_nearer_than_maps_fitted_block_by_block():
    """Maps fitted each to the unsteered activations move what the next block sees, and miss together."""
    model = shifted().eval()
    with model.disable_adapter():
        base = activations(model, FITTED[0])
    pairs = [affine_fit(s, t) for s, t in zip(activations(model, FITTED[0]), base, strict=True)]
    apart = LinEAS(dict(enumerate(w for w, _ in pairs)), dict(enumerate(b for _, b in pairs)))
    joint = LinEAS.fit(model, FITTED[:1], steps=400)
    assert distance(model, FITTED[:1], method=joint) < 0.8 * distance(model, FITTED[:1], method=apart)


def test_lineas_map_is_sparser_with_more_weight_and_the_identity_in_the_end():
    model = shifted().eval()
    fits = [LinEAS.fit(model, FITTED, sparsity=s) for s in (0.0, 0.1, 0.5, 2.0, 1e4)]
    untouched, distances = [f.untouched for f in fits], [f.distances[1] for f in fits]
    assert untouched == sorted(untouched)
    assert untouched[0] < 0.1 < untouched[2] < untouched[3] < 1
    assert distances == sorted(distances)
    assert untouched[-1] == 1
    assert distances[-1] == fits[-1].distances[0]


def test_lineas_fit_and_detach_leave_the_model_as_it_was():
    model = shifted().train()
    frozen = next(p for n, p in model.named_parameters() if "layers.0.self_attn.q_proj.lora_A" in n)
    frozen.requires_grad_(False)
    flags, values = [p.requires_grad for p in model.parameters()], [p.clone() for p in model.parameters()]
    method = LinEAS.fit(model, FITTED, steps=3)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None and torch.equal(p, v) for p, v in zip(model.parameters(), values, strict=True))
    assert all(m.training for m in model.modules())
    before = model(**FITTED[0]).logits
    with method.attached(model):
        assert not torch.equal(model(**FITTED[0]).logits, before)
        with pytest.raises(InputError, match="attached already"):
            method.attach(model)
    assert torch.equal(model(**FITTED[0]).logits, before)
    assert not any(m._forward_hooks for m in model.modules())


def test_lineas_fits_the_model_as_it_is_deployed():
    """Without dropout, in whatever mode the model stands."""
    fits = [LinEAS.fit(shifted(lora_dropout=0.5).train(mode), FITTED, steps=3) for mode in (True, False)]
    for index in range(BLOCKS):
        np.testing.assert_array_equal(fits[0].w[index], fits[1].w[index])


def test_lineas_counts_no_padding():
    model, fits = shifted().eval(), []
    for fill in (0, 7):
        batch = {n: x.clone() for n, x in FITTED[0].items()}
        batch["input_ids"][~batch["attention_mask"].bool()] = fill
        fits.append(LinEAS.fit(model, [batch], steps=5))
    atol = tolerance.backward([WIDTH], np.float32, 1.0, c=100)
    for index in range(BLOCKS):
        np.testing.assert_allclose(fits[0].w[index], fits[1].w[index], rtol=0, atol=atol)
        assert float((fits[0].w[index] - 1).abs().max()) > 100 * atol


def test_lineas_refuses_what_it_cannot_fit_or_put_on():
    model = shifted()
    for bad, match in (
        ({"batches": []}, "no batch"),
        ({"sparsity": -1.0}, "sparsity >= 0"),
        ({"steps": 0}, "steps >= 1"),
        ({"at": [BLOCKS]}, "no block"),
    ):
        with pytest.raises(InputError, match=match):
            LinEAS.fit(model, **{"batches": FITTED} | bad)
    with pytest.raises(InputError, match="no peft model"):
        LinEAS.fit(shifted().get_base_model(), FITTED)
    ones, zeros = np.ones(WIDTH), np.zeros(WIDTH)
    for w, b, match in (
        ({}, {}, "same blocks"),
        ({0: ones}, {1: zeros}, "same blocks"),
        ({0: ones * np.nan}, {0: zeros}, "finite"),
    ):
        with pytest.raises(InputError, match=match):
            LinEAS(w, b)
    for w, match in (({0: np.ones(WIDTH + 1)}, "another width"), ({BLOCKS: ones}, "no block")):
        with pytest.raises(InputError, match=match):
            LinEAS(w, {i: 0 * x for i, x in w.items()}).attach(model)
