"""Null-space training: dW V = 0 for the principal inputs of a text, with controls; and the model's own text."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import tolerance
import torch
from tiny_models import OPTIMIZERS, VOCABULARY, WIDTH, batch, inputs, lora, tiny
from transformers import GenerationConfig

from grasp_theory import InputError
from real_models import updates_from_model
from real_models.methods import Given, NullSpace, build_methods, null_space
from real_models.methods.null_space import _Inputs
from real_models.own_text import own_text

K = 6


def base_model(**config):
    return tiny(**config).eval()


def adapted(**config):
    return lora(base_model(), **config)


def tokens(seed: int, n: int = 4, t: int = 9) -> torch.Tensor:
    return batch(seed, sequences=n, tokens=t)["input_ids"]


MASK = torch.ones(4, 9, dtype=torch.long)
MASK[1, 5:] = 0
TEXT = [{"input_ids": tokens(1), "attention_mask": MASK}, {"input_ids": tokens(2)}]


def train(model, method, optimizer, steps: int = 4) -> None:
    with method.attached(model, optimizer) if method else nullcontext():
        for step in range(steps):
            optimizer.zero_grad()
            ids = tokens(10 + step)
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()


@pytest.mark.parametrize("optimizer", ["momentum", "adamw", "adafactor"])
def test_update_has_no_response_to_the_principal_inputs_under_every_optimizer(optimizer):
    method, model, naive = NullSpace(TEXT, components=K), adapted(), adapted()
    train(model, method, OPTIMIZERS[optimizer](model))
    train(naive, None, OPTIMIZERS[optimizer](naive))
    seen = inputs(base_model(), TEXT)
    for found, free in zip(updates_from_model(model), updates_from_model(naive), strict=True):
        _, S, Vh = np.linalg.svd(seen[found.name], full_matrices=False)
        V = Vh[:K].T
        gap = tolerance.subspace(tolerance.backward(seen[found.name].shape, np.float32, S[0]), S[K - 1] - S[K])
        dW, plain = (u.lowrank @ np.eye(u.shape[1]) for u in (found, free))
        assert np.linalg.norm(dW) > 0.01
        assert np.linalg.norm(dW @ V) <= (tolerance.GUARANTEE + gap) * np.linalg.norm(dW), found.name
        assert np.linalg.norm(plain @ V) > 0.1 * np.linalg.norm(plain)  # control
        np.testing.assert_allclose(method.held[found.name], (S[:K] ** 2).sum() / (S**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.99])
def test_energy_chooses_the_fewest_inputs_that_hold_it_module_by_module(energy):
    """dW V = 0 for them, of each module as many as it takes; control: for the next one dW is not 0."""
    method, model = NullSpace(TEXT, energy=energy), adapted()
    train(model, method, OPTIMIZERS["adamw"](model), steps=2)
    seen = inputs(base_model(), TEXT)
    for found in updates_from_model(model):
        _, S, Vh = np.linalg.svd(seen[found.name])
        share = np.cumsum(S**2) / np.sum(S**2)
        most = 2 * Vh.shape[1] // 3
        k = min(int(np.sum(share < energy)) + 1, most)
        assert abs(share[: len(S)] - energy).min() > 1e-5  # no rounding decides
        assert method.kept[found.name] == k
        assert method.held[found.name] >= energy - 1e-5 or k == most
        dW = found.lowrank @ np.eye(found.shape[1])
        gap = tolerance.subspace(tolerance.backward(seen[found.name].shape, np.float32, S[0]), S[k - 1] - S[k])
        assert np.linalg.norm(dW @ Vh[:k].T) <= (tolerance.GUARANTEE + gap) * np.linalg.norm(dW), found.name
        assert np.linalg.norm(dW @ Vh[k:].T) > 0.9 * np.linalg.norm(dW)
    assert len(set(method.kept.values())) > 1 or energy == 0.5


def test_energy_keeps_the_moment_of_wide_modules_too(monkeypatch):
    monkeypatch.setattr(null_space, "SMALL", WIDTH - 1)
    methods = [NullSpace(TEXT, energy=0.9), NullSpace(TEXT, energy=0.9)]
    for method, small in zip(methods, (WIDTH - 1, 2048), strict=True):
        monkeypatch.setattr(null_space, "SMALL", small)
        model = adapted()
        method.attach(model, OPTIMIZERS["adamw"](model)).detach()
    assert methods[0].held == methods[1].held


def test_response_to_the_text_is_bounded_and_the_bound_is_the_best_of_its_rank():
    """E‖dW x‖² <= ‖dW‖_F² λ_{k+1}; the trailing directions instead of the leading ones bound it worse."""
    model = adapted()
    train(model, NullSpace(TEXT, components=K), OPTIMIZERS["adamw"](model))
    seen = inputs(base_model(), TEXT)
    for update in updates_from_model(model):
        X, dW = seen[update.name], update.lowrank @ np.eye(update.shape[1])
        values = np.linalg.svd(X, compute_uv=False) ** 2 / len(X)
        response = np.mean(np.sum((X @ dW.T) ** 2, axis=1))
        assert response <= (1 + 1e-4) * np.linalg.norm(dW) ** 2 * values[K]
        Vh = np.linalg.svd(X, full_matrices=False)[2][-K:]
        left = X - X @ Vh.T @ Vh
        assert np.linalg.norm(left, 2) ** 2 / len(X) > values[K]


def test_model_says_the_same_where_the_text_spans_less_than_k():
    """One document of few tokens: its inputs all lie in V, so the trained model is the base on it, and only on it."""
    ids = tokens(3, 1, 5)
    model = adapted()
    train(model, NullSpace([{"input_ids": ids}], components=K), OPTIMIZERS["adamw"](model))
    with torch.no_grad():
        model.eval()
        same, other = (
            float((model(input_ids=x).logits - base_model()(input_ids=x).logits).norm()) for x in (ids, tokens(4, 1, 5))
        )
        scale = float(base_model()(input_ids=ids).logits.norm())
    assert same <= tolerance.backward((VOCABULARY,), np.float32, scale)
    assert other > 100 * tolerance.backward((VOCABULARY,), np.float32, scale)


@pytest.mark.parametrize("small", [30, 29], ids=["moment", "rows"])
def test_parts_give_the_directions_of_the_whole(small, monkeypatch):
    """More rows than are kept, of a decaying spectrum, in parts: the leading directions of all rows together."""
    monkeypatch.setattr(null_space, "SMALL", small)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 30)) * 0.6 ** np.arange(30) @ np.linalg.qr(rng.standard_normal((30, 30)))[0]
    whole = _Inputs(20)
    for part in np.split(X, 8):
        whole.add(torch.from_numpy(part))
    V = np.linalg.svd(X)[2][:4].T
    cosines = np.linalg.svd(V.T @ whole.basis(4).double().numpy(), compute_uv=False)
    np.testing.assert_allclose(cosines, 1, rtol=0, atol=1e-6)
    np.testing.assert_allclose(whole.held(4), ((X @ V) ** 2).sum() / (X**2).sum(), rtol=1e-6)


@pytest.mark.parametrize(("small", "decomposition"), [(WIDTH - 1, "svd"), (2048, "eigh")])
def test_directions_of_an_input_are_computed_once_for_all_modules_that_share_it(small, decomposition, monkeypatch):
    monkeypatch.setattr(null_space, "SMALL", small)
    done, compute = [], getattr(torch.linalg, decomposition)
    monkeypatch.setattr(torch.linalg, decomposition, lambda *a, **k: done.append(a[0].shape) or compute(*a, **k))
    model, method = adapted(), NullSpace(TEXT, components=K)
    method.attach(model, OPTIMIZERS["adamw"](model)).detach()
    assert len(method.held) == 2 * 7
    assert len(done) == 2 * 4  # of the attention, of o, of the MLP, of down


def test_directions_kept_are_those_of_all_rows_so_far():
    """What is asked for between two parts is not what the second answer is made of."""
    first, second = (torch.randn(50, 9, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    asked, silent = _Inputs(20), _Inputs(20)
    asked.add(first)
    before = asked.basis(3)
    asked.add(second)
    silent.add(first)
    silent.add(second)
    assert torch.equal(asked.basis(3), silent.basis(3))
    assert asked.held(3) == silent.held(3)
    assert not torch.equal(asked.basis(3), before)  # control: the second part changes them


def test_null_space_leaves_the_model_as_found_and_reports_its_leak():
    model = adapted()
    optimizer = OPTIMIZERS["adamw"](model)
    attachment = NullSpace(TEXT, components=K).attach(model, optimizer)
    assert set(attachment.leak()) == {"read"}
    assert attachment.leak()["read"] <= tolerance.GUARANTEE
    attachment.detach()
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert model.training


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NullSpace(TEXT, components=0), "components must be at least 1, got 0"),
        (lambda: NullSpace([], components=2), "no batch of text"),
        (lambda: NullSpace(TEXT, components=WIDTH).attach(adapted(), sgd()), f"{WIDTH} components leave nothing"),
        (lambda: NullSpace(TEXT, energy=1.0), "energy must lie between 0 and 1, got 1.0"),
        (lambda: NullSpace(TEXT, energy="a"), "energy must be a number"),
        (lambda: build_methods("null-space", Given(neutral=lambda: TEXT, components=2, energy=0.5)), "not both"),
        (lambda: NullSpace(TEXT).attach(adapted()), "acts on the optimizer's step"),
        (lambda: NullSpace(TEXT, components=2).attach(adapted(modules_to_save=["lm_head"]), sgd()), "modules_to_save"),
        (lambda: own_text(base_model(), documents=0), "must be positive, got 0"),
        (lambda: own_text(base_model(bos_token_id=-1)), "no begin token"),
    ],
    ids=["components", "text", "wide", "energy", "number", "both", "optimizer", "biases", "documents", "begin"],
)
def test_bad_input_is_refused_with_the_reason(make, message):
    with pytest.raises(InputError, match=message):
        make()


def sgd():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)


def test_own_text_is_distributed_as_the_model_says_and_repeatable():
    model = base_model(vocab_size=8, eos_token_id=-1, bos_token_id=1, pad_token_id=0)
    state = torch.random.get_rng_state()
    texts = own_text(model, documents=2000, length=2, seed=3, batch=500)
    assert torch.equal(torch.random.get_rng_state(), state)
    again = own_text(model, documents=2000, length=2, seed=3, batch=500)
    assert all(torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(texts, again, strict=True))
    ids = torch.cat([text["input_ids"] for text in texts])
    assert ids.shape == (2000, 3)
    assert (ids[:, 0] == 1).all()
    with torch.no_grad():
        p = model(input_ids=torch.tensor([[1]])).logits[0, -1].double().softmax(-1).numpy()
    seen = np.bincount(ids[:, 1].numpy(), minlength=8) / 2000
    for frequency, expected in zip(seen, p, strict=True):
        assert abs(frequency - expected) <= tolerance.binomial(expected, 2000)
    assert np.abs(p - 1 / 8).max() > tolerance.binomial(1 / 8, 2000)  # control: not uniform
    assert all((text["attention_mask"] == 1).all() for text in texts)


def test_own_text_ends_where_the_model_ends():
    model = base_model(vocab_size=6, eos_token_id=2, bos_token_id=1, pad_token_id=0)
    (found,) = own_text(model, documents=64, length=8, batch=64)
    some = 0
    for ids, mask in zip(found["input_ids"].tolist(), found["attention_mask"].tolist(), strict=True):
        end = ids.index(2) + 1 if 2 in ids else len(ids)
        assert mask == [1] * end + [0] * (len(ids) - end)
        some += end < len(ids)
    assert some > 10


def passed_on(model) -> torch.Tensor:
    """The same samples asked of ``generate`` with settings of its own, which transformers fills from the model's."""
    settings = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=16, pad_token_id=2)
    torch.manual_seed(0)
    start = torch.ones(32, 1, dtype=torch.long)
    return model.generate(start, attention_mask=torch.ones_like(start), generation_config=settings)


SUGGESTED = {"repetition_penalty": 9.0, "min_p": 0.5, "num_beams": 3, "suppress_tokens": [5, 6, 7]}


@pytest.mark.parametrize("name", SUGGESTED)
@pytest.mark.parametrize("made", [base_model, adapted])
def test_own_text_is_sampled_without_what_the_models_folder_suggests(made, name):
    model = made()
    inner = model.get_base_model() if made is adapted else model
    suggested, (plain,), free = inner.generation_config, own_text(model, documents=32), passed_on(inner)
    assert torch.equal(plain["input_ids"], free)
    setattr(suggested, name, SUGGESTED[name])
    (found,) = own_text(model, documents=32)
    assert torch.equal(found["input_ids"], plain["input_ids"])
    assert inner.generation_config is suggested
    assert not torch.equal(passed_on(inner), free)  # control: where it is not kept out it is heard
