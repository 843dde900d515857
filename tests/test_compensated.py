"""Compensated training: one linear layer against deletion, the frozen term as it acts, and what is refused."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
import transformers as hf
from strategies import rotation
from tiny_models import BLOCKS, OPTIMIZERS, WIDTH, batch, deltas, descend, everything, hooks, lora, subspace, tiny
from torch import nn

from grasp_theory import InputError, identify
from real_models import read_adapter, updates_from_model
from real_models.methods.compensated import Compensated

SMALL, SAMPLES, RANK = 8, 24, 2
Q = subspace(11, 2)
DIFFERENT = 0.02


# --- one linear layer ------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """h <- h + W h: one layer that writes the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.o_proj = nn.Linear(SMALL, SMALL, bias=False, dtype=torch.float64)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h + self.o_proj(h)


class OneLayer(nn.Module):
    """The smallest model with a residual stream: one block on inputs that are given as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=SMALL, num_hidden_layers=1, model_type="one-layer")
        self.layers = nn.ModuleList([Block()])

    def forward(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        return self.layers[0](inputs_embeds)


def adapted(rank: int) -> Any:
    torch.manual_seed(1)
    return lora(OneLayer(), r=rank, lora_alpha=3, target_modules=["o_proj"], task_type=None)


def inputs(rng: np.random.Generator, condition: float) -> np.ndarray:
    """X (n, d) with XᵀX = n Sigma exactly, Sigma of this condition number: 1 is Sigma = I."""
    root = rotation(rng, SMALL) * np.geomspace(1, condition**-0.5, SMALL) @ rotation(rng, SMALL).T
    return np.sqrt(SAMPLES) * rotation(rng, SAMPLES, SMALL) @ root


def converge(model: Any, X: np.ndarray, M: np.ndarray) -> np.ndarray:
    """dW where ‖(I + W0 + M) x − model(x)‖² over the samples has its minimum."""
    x = torch.tensor(X)[None]
    with torch.no_grad(), model.disable_adapter():
        target = model(x) + x @ torch.tensor(M).T
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=2000, history_size=30, tolerance_grad=1e-13, tolerance_change=0, line_search_fn="strong_wolfe"
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        out = (model(x) - target).square().sum() / SAMPLES
        out.backward()
        return out

    model.train()
    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    return next(iter(deltas(model).values()))


def target() -> tuple[np.random.Generator, np.ndarray]:
    """M with singular values 3, 2, 1.4, 0.9, 0.4, …, dense."""
    rng = np.random.default_rng(0)
    values = np.array([3, 2, 1.4, 0.9, 0.4, 0.2, 0.1, 0.05])
    return rng, rotation(rng, SMALL) * values @ rotation(rng, SMALL).T


def truncated(M: np.ndarray, rank: int, *, without: int | None = None) -> np.ndarray:
    U, S, Vh = np.linalg.svd(M)
    kept = [i for i in range(rank) if i != without]
    return (U[:, kept] * S[kept]) @ Vh[kept]


# the frozen term and its direction are kept in float32
SINGLE = tolerance.backward((SMALL, SMALL), np.float32, 3.0)


@pytest.mark.parametrize("condition", [1.0, 1.0, 4.0, 9.0])
def test_compensated_layer_is_the_naive_run_of_one_more_rank_without_its_component(condition):
    """Statement compensation-removes-pressure (c), the direction from ``identify``.

    M is the target, N the naive run of rank r + 1, C = u uᵀN. Then (M − C) S = (N − C) S + (M − N) S with S = Sigma^½
    is a sum of orthogonal row and column spaces, so the best rank r fit is N − C, for every Sigma, as long as
    σ_r((N − C) S) > σ_{r+2}(M S).
    """
    rng, M = target()
    X = inputs(rng, condition)
    naive = adapted(RANK + 1)
    learnt = converge(naive, X, M)
    direction = identify(updates_from_model(naive), side="write").component(0).subspace
    left, rest = truncated(learnt, RANK + 1, without=0), X @ (M - learnt).T
    assert np.linalg.svd(X @ left.T)[1][RANK - 1] > 1.1 * np.linalg.svd(rest)[1][0]
    model = adapted(RANK)
    with Compensated(direction, updates_from_model(naive), gains={}).attached(model):
        dW = converge(model, X, M)
    np.testing.assert_allclose(dW, left, rtol=0, atol=SINGLE)
    # controls: the same rank without compensation keeps the component, and the naive run of that rank is one short
    plain = converge(adapted(RANK), X, M)
    assert np.linalg.norm(plain - dW) > 1
    assert np.linalg.norm(truncated(plain, RANK, without=0) - dW) > 0.5


def test_compensated_layer_with_another_direction_is_no_deletion():
    """Control: along a direction outside of the naive update's column space the rank r cannot hold what is left."""
    rng, M = target()
    X, naive, model = inputs(rng, 1.0), adapted(RANK + 1), adapted(RANK)
    learnt = converge(naive, X, M)
    u = rotation(rng, SMALL, 1)
    with Compensated(u, updates_from_model(naive), gains={}).attached(model):
        dW = converge(model, X, M)
    assert np.linalg.norm(dW - (learnt - u @ (u.T @ learnt))) > 0.5


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.7])
def test_compensated_layer_of_any_strength_fits_what_is_left(strength):
    """White inputs: dW is the best rank r fit of M − strength · (u₁ uᵀ₁ N)."""
    rng, M = target()
    X, naive, model = inputs(rng, 1.0), adapted(RANK + 1), adapted(RANK)
    u = np.linalg.svd(converge(naive, X, M))[0][:, :1]
    np.testing.assert_allclose(next(iter(deltas(naive).values())), truncated(M, RANK + 1), rtol=0, atol=SINGLE)
    with Compensated(u, updates_from_model(naive), strength=strength, gains={}).attached(model):
        dW = converge(model, X, M)
    np.testing.assert_allclose(dW, truncated(M - strength * u @ (u.T @ M), RANK), rtol=0, atol=SINGLE)


# --- language models -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def naive() -> Any:
    model = lora(tiny())
    descend(model, OPTIMIZERS["adam"](model), 4)
    return model


def outputs(model: Any, writer: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(input, output) of one adapted module in a forward pass, seen from outside of it."""
    seen = []
    handle = model.get_submodule(f"base_model.model.{writer}").register_forward_hook(
        lambda module, args, output: seen.append((args[0].detach().clone(), output.detach().clone()))
    )
    model(**batch(0))
    handle.remove()
    return seen[0]


def names(*blocks: int) -> list[str]:
    return [f"model.layers.{n}.{end}" for n in blocks for end in ("self_attn.o_proj", "mlp.down_proj")]


def added(model: Any, method: Compensated, writer: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(input, what the method adds to the output) of one module in training mode."""
    model.train()
    with method.attached(model):
        x, with_it = outputs(model, writer)
    module = model.get_submodule(f"base_model.model.{writer}")
    return x, with_it - module(x).detach()


@pytest.mark.parametrize("writer", names(*range(BLOCKS)))
def test_compensated_adds_the_component_of_the_naive_update_to_each_writer(naive, writer):
    x, change = added(lora(tiny(), seed=3), Compensated(Q, updates_from_model(naive), strength=1.5), writer)
    expected = x.double().numpy() @ (1.5 * Q @ (Q.T @ deltas(naive)[writer])).T
    scale = float(np.abs(expected).max())
    assert scale > 1e-3
    np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5 * max(scale, 1.0))


def test_compensated_acts_at_the_blocks_that_have_directions(naive):
    method = Compensated({1: Q}, updates_from_model(naive))
    for writer in names(0):
        assert not added(lora(tiny()), method, writer)[1].any()
    for writer in names(1):
        assert added(lora(tiny()), method, writer)[1].abs().max() > 1e-3


def test_compensated_gpt2_is_turned_like_its_weights():
    before, model = lora(tiny("gpt2")), lora(tiny("gpt2"))
    descend(before, OPTIMIZERS["adam"](before), 3)
    writer = next(name for name in deltas(before) if name.endswith("mlp.c_proj"))
    x, change = added(model, Compensated(Q, updates_from_model(before)), writer)
    expected = x.double().numpy() @ (Q @ (Q.T @ deltas(before)[writer])).T
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5)


def test_compensated_is_dropped_in_evaluation_and_after_detach(naive):
    model = lora(tiny())
    clean = hooks(model)
    model.train()
    plain = model(**batch(0)).logits
    with Compensated(Q, updates_from_model(naive)).attached(model):
        assert (model(**batch(0)).logits - plain).abs().max() > 1e-3
        model.eval()
        torch.testing.assert_close(model(**batch(0)).logits, plain, rtol=0, atol=0)
        model.train()
    torch.testing.assert_close(model(**batch(0)).logits, plain, rtol=0, atol=0)
    assert hooks(model) == clean


def test_compensated_base_is_the_base_while_the_adapters_are_disabled(naive):
    """The reference of a KL term or of a preference loss is run in the middle of a training step."""
    model, base = lora(tiny()), tiny()
    model.train()
    with Compensated(Q, updates_from_model(naive)).attached(model), model.disable_adapter():
        torch.testing.assert_close(model(**batch(0)).logits, base(**batch(0)).logits, rtol=0, atol=0)


def test_compensated_trains_another_update_and_no_other_parameter(naive):
    def run(strength: float) -> tuple[dict[str, np.ndarray], Any]:
        model = lora(tiny())
        base = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
        with Compensated(Q, updates_from_model(naive), strength=strength).attached(model):
            descend(model, OPTIMIZERS["adam"](model), 4)
        assert all(torch.equal(p, base[name]) for name, p in model.named_parameters() if name in base)
        return deltas(model), model

    none, plain = run(0.0)[0], lora(tiny())
    descend(plain, OPTIMIZERS["adam"](plain), 4)
    for name, dW in deltas(plain).items():
        np.testing.assert_array_equal(none[name], dW)
    full = run(1.0)[0]
    assert max(np.linalg.norm(full[n] - none[n]) / np.linalg.norm(none[n]) for n in none) > DIFFERENT


def test_compensated_from_a_folder_is_compensated_from_the_live_run(naive, tmp_path):
    naive.save_pretrained(tmp_path)
    found = []
    for updates in (updates_from_model(naive), read_adapter(tmp_path).updates):
        model = lora(tiny())
        with Compensated(Q, updates).attached(model):
            descend(model, OPTIMIZERS["adam"](model), 3)
        found.append(deltas(model))
    for name, dW in found[0].items():
        np.testing.assert_array_equal(found[1][name], dW)


def test_compensated_keeps_the_naive_update_as_it_was_when_it_was_made():
    """The same model may be trained on: its updates follow it, the frozen term does not."""
    model = lora(tiny())
    descend(model, OPTIMIZERS["adam"](model), 4)
    dW, method = deltas(model), Compensated(Q, updates_from_model(model))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.zero_()
    for writer in names(0, 1):
        x, change = added(model, method, writer)
        expected = x.double().numpy() @ (Q @ (Q.T @ dW[writer])).T
        np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5)
        assert np.abs(expected).max() > 1e-3


def test_compensated_schedule_scales_the_term(naive):
    writer = names(0)[0]
    _, full = added(lora(tiny()), Compensated(Q, updates_from_model(naive), strength=2.0), writer)
    method = Compensated(Q, updates_from_model(naive), strength=2.0, schedule=lambda share: 1 - share**2)
    for share in (0.0, 0.5, 1.0):
        method.progress(share)
        _, change = added(lora(tiny()), method, writer)
        torch.testing.assert_close(change, (1 - share**2) * full, rtol=0, atol=1e-6)


def test_compensated_schedule_is_followed_by_the_trainer(naive, tmp_path):
    asked: list[float] = []

    def schedule(share: float) -> float:
        asked.append(share)
        return 1 - share

    rows = [{key: x[0] for key, x in batch(n, sequences=1).items()} for n in range(16)]
    arguments = hf.TrainingArguments(
        output_dir=str(tmp_path), max_steps=4, gradient_accumulation_steps=2, per_device_train_batch_size=2,
        save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    model = lora(tiny())
    clean = hooks(model)
    method = Compensated(Q, updates_from_model(naive), schedule=schedule)
    asked.clear()
    hf.Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[method.callback()]).train()  # pyright: ignore
    assert asked == [0, 0.25, 0.5, 0.75]
    assert hooks(model) == clean


def test_compensated_of_several_active_adapters_is_added_once(naive):
    model = lora(tiny())
    model.add_adapter("second", model.peft_config["default"])
    model.base_model.set_adapter(["default", "second"])
    writer = names(0)[0]
    _, once = added(lora(tiny()), Compensated(Q, updates_from_model(naive)), writer)
    _, both = added(model, Compensated(Q, updates_from_model(naive)), writer)
    torch.testing.assert_close(both, once, rtol=0, atol=1e-5)
    assert once.abs().max() > 1e-3


def refused(model: Any, match: str, *arguments: Any, **more: Any) -> None:
    before, clean = everything(model), hooks(model)
    with pytest.raises(InputError, match=match):
        Compensated(*arguments, **more).attach(model)
    now = everything(model)
    assert all(torch.equal(now[name], before[name]) for name in before)
    assert hooks(model) == clean


@pytest.mark.parametrize("kind", ["gemma2", "gemma3", "olmo2"])
def test_compensated_refuses_a_norm_behind_the_writers(kind):
    model = lora(tiny(kind))
    refused(model, "norm", Q, updates_from_model(lora(tiny(kind))))


def test_compensated_refuses_what_does_not_fit(naive):
    updates = updates_from_model(naive)
    refused(lora(tiny(), target_modules=["q_proj", "v_proj"]), "target modules", Q, updates)
    refused(lora(tiny(), target_modules=["q_proj", "o_proj"]), "mlp.down_proj", Q, updates)
    refused(lora(tiny()), "no module that writes", Q, [u for u in updates if u.side == "read"])
    refused(lora(tiny()), "no module that writes", Q, [])
    refused(lora(tiny()), "dimensions", subspace(0, 1, WIDTH + 1), updates)
    refused(lora(tiny()), "blocks", {BLOCKS: Q}, updates)
    wide = lora(tiny(hidden_size=2 * WIDTH))
    refused(lora(tiny()), "dimensions", Q, updates_from_model(wide))
    deep = lora(tiny(intermediate_size=44))
    refused(lora(tiny()), "reads 44 dimensions", Q, updates_from_model(deep))
    refused(lora(tiny()), "norm", Q, updates, gains={names(0)[0]: torch.ones(WIDTH)})
    refused(tiny(), "no trainable LoRA", Q, updates)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_compensated_refuses_a_strength_that_is_not_finite(naive, wrong):
    with pytest.raises(InputError, match="strength"):
        Compensated(Q, updates_from_model(naive), strength=wrong)
    with pytest.raises(InputError, match="schedule"):
        Compensated(Q, updates_from_model(naive), schedule=lambda share: wrong)
    with pytest.raises(InputError, match=r"read_adapter\(path\)\.updates"):
        Compensated(Q, [naive])
