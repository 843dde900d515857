"""Compensated training of one linear layer, run to convergence: deletion from the naive run of one more rank."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from strategies import rotation
from tiny_models import deltas, lora
from torch import nn

from grasp_theory import identify
from real_models import updates_from_model
from real_models.methods.compensated import Compensated

SMALL, SAMPLES, RANK = 8, 24, 2


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
        parameters, max_iter=2000, history_size=30, tolerance_grad=1e-13, tolerance_change=0,
        line_search_fn="strong_wolfe",
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


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "naive_rank"), [(1.0, RANK + 1), (4.0, RANK + 1), (9.0, RANK + 1), (9.0, RANK)])
def test_compensated_layer_is_the_naive_run_of_one_more_rank_without_a_component(condition, naive_rank):
    """Statement compensation-removes-pressure (c): naive runs from training, the component from ``identify``."""
    rng, M = target()
    X = inputs(rng, condition)
    values = np.linalg.svd(X @ M.T)[1]
    assert values[RANK] > 1.1 * values[RANK + 1]  # the statement's assumption
    naive = adapted(naive_rank)
    learnt = converge(naive, X, M)
    direction = identify(updates_from_model(naive), side="write").component(0).subspace
    more = learnt if naive_rank == RANK + 1 else converge(adapted(RANK + 1), X, M)
    model = adapted(RANK)
    with Compensated(direction, updates_from_model(naive), gains={}).attached(model):
        dW = converge(model, X, M)
    np.testing.assert_allclose(dW, more - direction.basis @ (direction.basis.T @ learnt), rtol=0, atol=SINGLE)
    # controls: the same rank without compensation keeps the component, and the naive run of that rank is one short
    plain = converge(adapted(RANK), X, M)
    assert np.linalg.norm(plain - dW) > 1
    assert np.linalg.norm(truncated(plain, RANK, without=0) - dW) > 0.5


@pytest.mark.slow
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
