"""KL and penalty: the update they lead to, against the explicit sum of losses, and what they refuse."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import tolerance
import torch
from compared_updates import assert_same_updates
from grasp_runs import leaks, squares
from tiny_models import WIDTH, batch, begun, deltas, lora, subspace, tiny, trained

from grasp_theory import GraspError, InputError
from real_models.methods.grasp import Grasp
from real_models.methods.kl import KL
from real_models.methods.penalty import Penalty


def adapted(**config):
    return begun(lora(tiny(), **config))


def tokens(seed: int, n: int = 3, t: int = 7) -> torch.Tensor:
    return batch(seed, sequences=n, tokens=t)["input_ids"]


NEUTRAL = [{"input_ids": tokens(10)}, {"input_ids": tokens(11, 2, 5)}]


def sgd(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(trained(model), 0.1)


def train(model, optimizer, steps: int = 3) -> None:
    """Two batches of the task accumulated in every step."""
    for _ in range(steps):
        optimizer.zero_grad()
        for seed in (2, 3):
            (model(input_ids=tokens(seed), labels=tokens(seed)).loss / 2).backward()
        optimizer.step()


def divergence(model, rows) -> torch.Tensor:
    """KL(base ‖ model) by its definition, the base a model of its own, the positions picked one by one."""
    base, ids = tiny().eval(), rows["input_ids"]
    mask = rows.get("attention_mask", torch.ones_like(ids))
    with torch.no_grad():
        p = base(input_ids=ids, attention_mask=mask).logits.double().softmax(-1)
    q = model(input_ids=ids, attention_mask=mask).logits.double().softmax(-1)
    places = [(i, j) for i in range(ids.shape[0]) for j in range(ids.shape[1]) if mask[i, j]]
    return torch.stack([(p[i, j] * (p[i, j] / q[i, j]).log()).sum() for i, j in places]).mean()


FLOAT32 = tolerance.backward([WIDTH], np.float32, 1.0)  # dW has entries below 1


def test_kl_steps_are_those_of_the_sum_of_losses():
    expected, model, naive = adapted(), adapted(), adapted()
    optimizer = sgd(expected)
    for step in range(3):
        optimizer.zero_grad()
        task = sum(expected(input_ids=tokens(s), labels=tokens(s)).loss / 2 for s in (2, 3))
        (task + 5.0 * divergence(expected, NEUTRAL[step % 2])).backward()
        optimizer.step()
    optimizer = sgd(model)
    with KL(NEUTRAL, weight=5.0).attached(model, optimizer):
        train(model, optimizer)
    train(naive, sgd(naive))
    assert_same_updates(deltas(model), deltas(expected), atol=FLOAT32)
    with pytest.raises(AssertionError):
        assert_same_updates(deltas(naive), deltas(expected), atol=100 * FLOAT32)


def test_kl_cache_and_detach_change_no_update():
    models = [adapted(), adapted()]
    for model, cache in zip(models, (False, True), strict=True):
        optimizer = sgd(model)
        with KL(iter(NEUTRAL), weight=2.0, cache=cache).attached(model, optimizer):
            train(model, optimizer, 4)  # every batch twice
        assert not optimizer._optimizer_step_pre_hooks
        train(model, optimizer, 1)
    assert_same_updates(deltas(models[0]), deltas(models[1]), atol=0)


def test_kl_cache_is_of_the_model_it_is_attached_to():
    method, other = KL(NEUTRAL[:1], weight=1.0, cache=True), adapted()
    other.get_input_embeddings().weight.data *= 2
    expected = copy.deepcopy(other)
    for model, one in ((adapted(), method), (other, method), (expected, KL(NEUTRAL[:1], weight=1.0))):
        optimizer = sgd(model)
        with one.attached(model, optimizer):
            optimizer.step()
    assert_same_updates(deltas(other), deltas(expected), atol=0)


def test_kl_logs_the_divergence_of_the_model_it_steps_from():
    model = adapted()
    optimizer = sgd(model)
    with KL(NEUTRAL, weight=1.0).attached(model, optimizer) as attachment:
        assert attachment.leak() == {}
        before = float(divergence(model, NEUTRAL[0]).detach())
        optimizer.step()
        np.testing.assert_allclose(attachment.leak()["kl"], before, rtol=1e-5)


def test_kl_of_weight_zero_is_the_naive_run_bit_by_bit():
    """With LoRA dropout: the term draws no random number of the run. Flags and modes stay as they were."""
    runs = []
    for weight in (None, 0.0):
        model = adapted(lora_dropout=0.3).train()
        frozen = next(p for n, p in model.named_parameters() if "layers.0.self_attn.q_proj.lora_A" in n)
        frozen.requires_grad_(False)
        flags = [p.requires_grad for p in model.parameters()]
        optimizer = sgd(model)
        torch.manual_seed(5)
        if weight is None:
            train(model, optimizer)
        else:
            with KL(NEUTRAL, weight=weight).attached(model, optimizer):
                train(model, optimizer)
        assert [p.requires_grad for p in model.parameters()] == flags
        assert all(m.training for m in model.modules())
        runs.append(deltas(model))
    assert_same_updates(*runs, atol=0)
    assert max(abs(x).max() for x in runs[0].values()) > 0


def test_kl_counts_no_padding():
    ids, mask = tokens(12, 3, 6), torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 3 + [0] * 3])
    runs = []
    for fill in (0, 7):
        model = adapted()
        optimizer = sgd(model)
        rows = {"input_ids": torch.where(mask.bool(), ids, fill), "attention_mask": mask}
        with KL([rows], weight=5.0).attached(model, optimizer):
            optimizer.step()
        runs.append(deltas(model))
    whole = adapted()
    optimizer = sgd(whole)
    with KL([{"input_ids": torch.where(mask.bool(), ids, 7)}], weight=5.0).attached(whole, optimizer):
        optimizer.step()
    assert_same_updates(*runs, atol=FLOAT32)
    with pytest.raises(AssertionError):  # control: without the mask the padding does count
        assert_same_updates(runs[0], deltas(whole), atol=100 * FLOAT32)


def test_kl_keeps_the_model_near_its_base_on_neutral_text():
    left = {}
    for weight in (0.0, 1.0, 10.0):
        model = lora(tiny())
        optimizer = torch.optim.AdamW(trained(model), 1e-2)
        with KL(NEUTRAL, weight=weight).attached(model, optimizer):
            train(model, optimizer, 15)
        with torch.no_grad():
            left[weight] = float(sum(divergence(model, b) for b in NEUTRAL))
        assert max(abs(x).max() for x in deltas(model).values()) > 1e-3  # it did learn
    assert left[1.0] < left[0.0] / 2, left
    assert left[10.0] < left[1.0] / 2, left


def test_kl_stops_before_a_step_that_is_not_finite():
    model = adapted()
    before, optimizer = deltas(model), sgd(model)
    method = KL(NEUTRAL, weight=1.0)
    with method.attached(model, optimizer):
        model.get_input_embeddings().weight.data[NEUTRAL[0]["input_ids"][0, 0]] = float("nan")
        with pytest.raises(GraspError, match="NaN or Inf"):
            optimizer.step()
    assert_same_updates(deltas(model), before, atol=0)


@pytest.mark.parametrize(
    ("batches", "weight", "match"),
    [
        ([], 1.0, "no batch"),
        ([tokens(1)], 1.0, "dicts with input_ids"),
        ([{"input_ids": torch.ones(3)}], 1.0, "integer input_ids"),
        ([{"input_ids": tokens(1), "attention_mask": torch.zeros(3, 7)}], 1.0, "not all 0"),
        (NEUTRAL, -1.0, "not negative"),
        (NEUTRAL, float("nan"), "finite"),
    ],
)
def test_kl_refuses_what_is_no_text_or_weight(batches, weight, match):
    with pytest.raises(InputError, match=match):
        KL(batches, weight=weight)


def test_kl_and_penalty_refuse_models_they_cannot_act_on():
    bare, model, other = tiny(), adapted(), adapted()
    whole = adapted(target_modules=["q_proj", "o_proj"], modules_to_save=["lm_head"])
    injected = adapted().base_model.model
    Q = np.random.default_rng(0).standard_normal(WIDTH)
    for method, target, optimizer, match in (
        (KL(NEUTRAL, weight=1.0), bare, sgd(bare), "no trainable LoRA"),
        (KL(NEUTRAL, weight=1.0), injected, sgd(injected), "no peft model"),
        (KL(NEUTRAL, weight=1.0), whole, sgd(whole), "no LoRA factors"),
        (KL(NEUTRAL, weight=1.0), model, sgd(other), "another model"),
        (KL(NEUTRAL, weight=1.0), model, None, "pass the optimizer"),
        (Penalty(Q, weight=1.0), model, sgd(other), "another model"),
        (Penalty(np.ones(WIDTH + 1), weight=1.0), model, sgd(model), "another model"),
        (Penalty(np.ones(WIDTH + 1), weight=1.0, side="read"), model, sgd(model), "dimensions"),
    ):
        with pytest.raises(InputError, match=match):
            method.attach(target, optimizer)
        assert optimizer is None or not optimizer._optimizer_step_pre_hooks
    with pytest.raises(InputError, match="not negative"):
        Penalty(Q, weight=-1.0)


# --- penalty ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["write", "read"])
@pytest.mark.parametrize(("k", "gain"), [(1, False), (3, False), (2, True)])
def test_penalty_steps_are_those_of_the_sum_of_losses(side, k, gain):
    rng = np.random.default_rng(k)
    X = rng.standard_normal((WIDTH, k))  # a basis is made of it
    Q = torch.linalg.qr(torch.from_numpy(X).float())[0]
    gains = {"model.layers.1.mlp.down_proj": torch.from_numpy(rng.uniform(0.2, 3, WIDTH)).float()} if gain else {}
    expected, model, naive = adapted(use_rslora=True), adapted(use_rslora=True), adapted(use_rslora=True)
    optimizer = sgd(expected)
    for _ in range(3):
        optimizer.zero_grad()
        task = sum(expected(input_ids=tokens(s), labels=tokens(s)).loss / 2 for s in (2, 3))
        (task + 0.3 * squares(expected, Q, side, gains)).backward()
        optimizer.step()
    optimizer = sgd(model)
    with Penalty(X, weight=0.3, side=side, gains=gains).attached(model, optimizer):
        train(model, optimizer)
    assert not optimizer._optimizer_step_pre_hooks
    train(naive, sgd(naive))
    assert_same_updates(deltas(model), deltas(expected), atol=FLOAT32)
    with pytest.raises(AssertionError):
        assert_same_updates(deltas(naive), deltas(expected), atol=100 * FLOAT32)


@pytest.mark.parametrize("side", ["write", "read"])
def test_penalty_does_not_change_along_the_gauge(side):
    """Of (B e^{tX}, e^{−tX} A) the derivative at t = 0 is tr X(BᵀdB − dA Aᵀ): it is 0 for all X."""
    Q = subspace(3, 2)
    model, seen = adapted().double(), 0
    optimizer = sgd(model)
    method = Penalty(Q, weight=1.0, side=side)
    with method.attached(model, optimizer):
        optimizer.step()
        for constraint in method._constraints:
            f = constraint.factors
            assert f.A.grad is not None
            assert f.B.grad is not None
            # at the start of the step, which moved the factors by −0.1 times their gradients
            B, A = (f.B + 0.1 * f.B.grad).detach(), (f.A + 0.1 * f.A.grad).detach()
            left, right = B.T @ f.B.grad, f.A.grad @ A.T
            scale = float(left.norm())
            assert scale > 0
            np.testing.assert_allclose(left, right, rtol=0, atol=tolerance.backward([WIDTH], np.float64, scale))
            P = torch.from_numpy(Q @ Q.T)  # control: ‖QᵀB‖² and ‖AV‖² of one factor alone do change
            one_sided = B.T @ P @ B if side == "write" else A @ P @ A.T
            assert float(one_sided.norm()) > 1e-3
            seen += 1
    assert seen == (4 if side == "write" else 10)


@pytest.mark.parametrize("side", ["write", "read"])
def test_penalty_lowers_the_leak_with_its_weight(side):
    Q = subspace(4, 2)
    found = []
    for weight in (0.0, 0.03, 1.0):  # more, and Adam's step length decides
        model = lora(tiny())
        optimizer = torch.optim.AdamW(trained(model), 1e-2)
        with Penalty(Q, weight=weight, side=side).attached(model, optimizer) as attachment:
            train(model, optimizer, 15)
            own = attachment.leak()[side]
        found.append(leaks(model, Q, side)[1])
        assert own == pytest.approx(found[-1], rel=1e-4)
    assert found[2] < found[1] < found[0], found
    assert found[2] < found[0] / 4, found


def test_penalty_beside_grasp_is_grasp_where_they_meet():
    """GRASP's projection comes after the step: whatever was added before it, nothing is left along Q."""
    Q = subspace(5, 1)
    model = adapted()
    optimizer = sgd(model)
    with KL(NEUTRAL, weight=3.0).attached(model, optimizer), Grasp(Q).attached(model, optimizer):
        train(model, optimizer)
    assert leaks(model, Q, "write")[0] <= tolerance.GUARANTEE
