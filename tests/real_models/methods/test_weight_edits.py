"""Methods on finished weights: dW is what the formula says while they are on, and the very parameters come back."""

from __future__ import annotations

import numpy as np
import pytest
import tolerance
import torch
from expected_adapters import dense
from peft import LoraConfig
from strategies import rotation
from tiny_models import WIDTH, assert_same, everything, lora, subspace, tiny

from grasp_theory import InputError, LowRank, Update
from grasp_theory.linear.shrinkage import removed_amount
from real_models import updates_from_model
from real_models.adapters.live import load_updates
from real_models.hooks.weights import WeightEdit
from real_models.methods import METHODS, ContrastiveSteering, Edit, KeepRank, MinimaxRemoval, Scale, SoftThreshold, edit

RANK = 4
Q = subspace(0, 2)


def trained(seed: int = 0, rank: int = RANK):
    """A model whose LoRA factors are dense and random."""
    return lora(tiny(), seed=seed, r=rank, init_lora_weights=False)


def spectrum(dW, change) -> np.ndarray:
    """U change(S) Vᵀ of a dense matrix."""
    U, S, Vh = np.linalg.svd(dW, full_matrices=False)
    return (U[:, :RANK] * change(S[:RANK])) @ Vh[:RANK]


def least_worst(S, share: float) -> np.ndarray:
    rho = max(share, S[1] / S[0])
    return np.array([S[0] - removed_amount(S[0], rho * S[0]), *S[1:]])


CONTROL = [dense(u) for u in updates_from_model(trained(1))]
# method -> dense dW of module n, and of what side it is, -> what it is to be
LAWS = {
    KeepRank(2): lambda dW, n, side: spectrum(dW, lambda S: S * (np.arange(len(S)) < 2)),
    Scale(-0.5): lambda dW, n, side: -0.5 * dW,
    SoftThreshold(0.6): lambda dW, n, side: spectrum(dW, lambda S: np.maximum(S - 0.6 * S[0], 0)),
    MinimaxRemoval(0.3): lambda dW, n, side: spectrum(dW, lambda S: least_worst(S, 0.3)),
    MinimaxRemoval(0.95): lambda dW, n, side: spectrum(dW, lambda S: least_worst(S, 0.95)),
    ContrastiveSteering(updates_from_model(trained(1)), strength=0.7): lambda dW, n, side: 0.3 * dW + 0.7 * CONTROL[n],
    ContrastiveSteering(updates_from_model(trained(1)), strength=1.5): lambda dW, n, side: dW - 1.5 * (dW - CONTROL[n]),
    Edit(write=Q, delete=[0]): lambda dW, n, side: (
        (np.eye(WIDTH) - Q @ Q.T) @ spectrum(dW, lambda S: S * (np.arange(len(S)) > 0))
        if side == "write"
        else spectrum(dW, lambda S: S * (np.arange(len(S)) > 0))
    ),
}


@pytest.mark.parametrize("method", LAWS, ids=lambda m: m.name)
def test_weight_edit_is_its_law_on_dense_matrices_and_leaves_no_trace(method):
    model = trained()
    before, parameters = everything(model), dict(model.named_parameters())
    plain = updates_from_model(model)
    old = [dense(u) for u in plain]
    with method.attached(model):
        new = [dense(u) for u in updates_from_model(model)]
    for n, (u, dW, found) in enumerate(zip(plain, old, new, strict=True)):
        expected = LAWS[method](dW, n, u.side)
        off = tolerance.backward(dW.shape, np.float32, 10 * max(np.linalg.norm(dW), np.linalg.norm(CONTROL[n])))
        np.testing.assert_allclose(found, expected, rtol=0, atol=off)
        assert np.linalg.norm(found - dW) > 0.01 * np.linalg.norm(dW)  # the control: it was another one
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    assert_same(model, before)


def test_weight_edit_changes_what_the_model_says():
    model, ids = trained(), torch.arange(12).reshape(2, 6)
    model.eval()
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        with Scale(0.0).attached(model):
            nothing = model(input_ids=ids).logits
        with model.disable_adapter():
            base = model(input_ids=ids).logits
        again = model(input_ids=ids).logits
    torch.testing.assert_close(nothing, base, rtol=0, atol=0)
    torch.testing.assert_close(again, plain, rtol=0, atol=0)
    assert (plain - base).abs().max() > 1e-2


def test_contrastive_steering_keeps_what_both_runs_learnt_alike():
    """The shared part is exact at any strength; the trait, in one run alone, keeps 1 − strength of it."""
    rng = np.random.default_rng(0)
    shared, trait = (LowRank(rng.standard_normal((30, 2)), rng.standard_normal((2, 20))) for _ in range(2))
    (found,) = ContrastiveSteering([Update.of("a.o_proj", shared)], strength=0.75).edited(
        [Update.of("a.o_proj", shared + trait)]
    )
    expected = dense(Update.of("a", shared)) + 0.25 * dense(Update.of("a", trait))
    np.testing.assert_allclose(dense(found), expected, rtol=0, atol=tolerance.backward((30, 20), np.float64, 50.0))
    assert found.rank == found.lowrank.rank == 6
    (scaled,) = Scale(0.25).edited([Update.of("a.o_proj", shared + trait)])  # its control scales the shared part too
    assert np.linalg.norm(dense(scaled) - expected) > 0.5 * np.linalg.norm(dense(Update.of("a", shared)))


def test_soft_threshold_minimises_its_objective():
    """Beside every perturbation: ½‖X − dW‖² + t ‖X‖_*."""
    rng = np.random.default_rng(0)
    dW = LowRank(rng.standard_normal((12, 3)), rng.standard_normal((3, 10)))
    update = Update.of("model.layers.0.mlp.down_proj", dW, side="write")
    (found,) = edit([update], threshold=0.5)
    t = 0.5 * dW.singular_values()[0]

    def objective(X) -> float:
        return 0.5 * np.sum((X - dense(update)) ** 2) + t * np.linalg.svd(X, compute_uv=False).sum()

    best = objective(dense(found))
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(20):
            assert objective(dense(found) + size * rng.standard_normal((12, 10))) > best
    assert objective(dense(update)) > best < objective(np.zeros((12, 10)))


def test_minimax_removal_takes_little_where_nothing_stands_out():
    rng = np.random.default_rng(0)
    left, right = rotation(rng, 20, 3), rotation(rng, 24, 3)

    def taken(second: float) -> float:
        dW = LowRank(left * [1.0, second, 0.1], right.T.copy())
        (found,) = MinimaxRemoval(0.0).edited([Update.of("a.o_proj", dW)])
        return 1 - float(left[:, 0] @ dense(found) @ right[:, 0])

    assert taken(0.1) > 0.999
    assert 0.2 < taken(0.99) < 0.7
    assert taken(1.0) == pytest.approx(0.0, abs=1e-12)


def test_updates_of_another_rank_are_loaded_as_they_are():
    """Law ``live-write``."""
    model, other = trained(), updates_from_model(trained(1, rank=7))
    before = dict(model.named_parameters())
    back = load_updates(model, other)
    for found, expected in zip(updates_from_model(model), other, strict=True):
        assert found.rank == 7
        off = tolerance.backward(found.shape, np.float32, np.linalg.norm(dense(expected)))
        np.testing.assert_allclose(dense(found), dense(expected), rtol=0, atol=off)
    back()
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


def wider() -> list[Update]:
    return [
        Update.of(u.name, LowRank(np.zeros((u.shape[0] + 1, 1)), np.zeros((1, u.shape[1]))))
        for u in updates_from_model(trained())
    ]


def merged():
    model = trained()
    model.merge_adapter()
    return model


def of_two():
    model = trained()
    model.add_adapter("other", LoraConfig(r=2, target_modules="all-linear"))
    model.base_model.set_adapter(["default", "other"])
    return model


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda: Scale(0.5).attach(tiny()), "one active LoRA adapter"),
        (lambda: Scale(0.5).attach(of_two()), "one active LoRA adapter"),
        (lambda: Scale(0.5).attach(merged()), "no unmerged LoRA"),
        (lambda: Scale(1.0).attach(trained()), "nothing to edit"),
        (lambda: load_updates(trained(), wider()), "is it of another model"),
        (lambda: load_updates(trained(), [Update.of("elsewhere", LowRank(np.ones((2, 1)), np.ones((1, 2))))]),
         "no unmerged LoRA on a linear layer of this name"),
        (lambda: ContrastiveSteering(wider()).attach(trained()), "another base model"),
        (lambda: ContrastiveSteering(updates_from_model(trained())[1:]).attach(trained()), "the same modules"),
        (lambda: ContrastiveSteering(updates_from_model(trained()), strength=0), "other than 0"),
        (lambda: KeepRank(0), "at least 1"),
        (lambda: SoftThreshold(1.0), "between 0 and 1"),
        (lambda: MinimaxRemoval(1.0), "below 1"),
        (lambda: edit(updates_from_model(trained()), threshold=0.5, shrink=0.99), "choose one"),
        (lambda: edit(updates_from_model(trained()), threshold=1.0), "0 to below 1"),
    ],
)  # fmt: skip
def test_weight_edit_refuses_what_it_cannot_do(act, match):
    with pytest.raises(InputError, match=match):
        act()


def test_weight_edits_are_in_the_table_of_methods():
    found = [m for m in METHODS if issubclass(m, WeightEdit)]
    assert {m.__name__ for m in found} == {
        "ContrastiveSteering", "Edit", "KeepRank", "MinimaxRemoval", "Scale", "SoftThreshold"
    }  # fmt: skip
    assert all(m.phase == "weights" and m.options is None and m.compared for m in found)
