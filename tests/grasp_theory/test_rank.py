"""Which directions are independent: judged in the type that they came in, in numpy and torch, against controls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from strategies import rotation

from grasp_theory import Subspace
from grasp_theory.rank import FORMATS
from real_models.arguments import span
from real_models.hooks.bases import basis, joint_basis

TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
WIDTHS = [16, 64, 4096]


def vectors(width: int, k: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((width, k)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", TYPES)
def test_rank_of_one_direction_three_times_is_1_in_its_type(kind, width):
    t = vectors(width, 1).to(kind)[:, 0]
    X = torch.stack([t, t / 3, t * 7], 1)
    assert span("directions", X).dimension == 1
    assert basis(X, width, torch.nn.Identity(), side="write").shape == (width, 1)
    if kind in (torch.float16, torch.bfloat16):  # control: in float64, the rounding counts as a direction
        assert Subspace.span(X.double().numpy()).dimension > 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", TYPES)
def test_rank_of_mixtures_is_that_of_what_was_mixed(kind, width):
    Q = torch.from_numpy(rotation(np.random.default_rng(1), width, 3))
    X = torch.cat([Q, Q @ torch.from_numpy(np.random.default_rng(2).standard_normal((3, 4)))], 1).to(kind)
    assert span("directions", X).dimension == 3


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", TYPES)
def test_rank_keeps_nearly_dependent_directions_that_the_type_can_tell(kind, width):
    """At an angle of 16 roundings; at max(d, k) eps, numpy's rule, a model's width would make them one."""
    Q = torch.from_numpy(rotation(np.random.default_rng(3), width, 2))
    angle = (4 * width if kind == torch.float64 else 16) * float(torch.finfo(kind).eps)  # float64: the SVD's own error
    X = torch.stack([Q[:, 0], Q[:, 0] + angle * Q[:, 1]], 1).to(kind)
    found = span("directions", X)
    assert found.dimension == 2
    if width * float(torch.finfo(kind).eps) > 1:  # control
        assert np.linalg.matrix_rank(X.double().numpy(), rtol=width * float(torch.finfo(kind).eps)) < 2


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_rank_in_numpy_is_that_in_torch(kind):
    X = vectors(64, 2).numpy().astype(kind)
    X = np.hstack([X, X[:, :1] / kind(3), X.sum(axis=1, keepdims=True)])
    assert Subspace.span(X).dimension == span("directions", torch.from_numpy(X)).dimension == 2


def test_rank_of_denormal_columns_counts_their_coarser_rounding():
    """Columns of float16 at 1e-6 are whole multiples of 6e-8: dependent ones differ by more than the unit roundoff."""
    x = np.random.default_rng(0).standard_normal(64)
    X = np.stack([x, x * 1e-6], 1).astype(np.float16)
    assert Subspace.span(X).dimension == 1
    assert Subspace.span(X.astype(np.float32)).dimension == 2  # control: the same numbers as float32
    tiny = np.stack([x, x[::-1]], 1) * 1e-310
    assert Subspace.span(tiny).dimension == 2


def test_rank_of_unknown_types_and_integers_is_that_of_float64(no_contracts):
    assert "int64" not in FORMATS
    assert Subspace.span(np.array([[3, 6], [4, 8]])).dimension == 1
    assert Subspace.span(np.array([[3, 6], [4, 9]])).dimension == 2


def test_joint_basis_counts_a_direction_that_two_blocks_share_once():
    Q = torch.from_numpy(rotation(np.random.default_rng(4), 32, 3)).float()
    assert joint_basis([Q[:, :2], Q[:, 1:]]).shape == (32, 3)
    assert joint_basis([Q[:, :1], Q[:, 1:]]).shape == (32, 3)
    assert joint_basis([Q, Q @ torch.from_numpy(rotation(np.random.default_rng(5), 3, 3)).float()]).shape == (32, 3)
