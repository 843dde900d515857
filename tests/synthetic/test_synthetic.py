"""Synthetic adapters: the planted direction is there, of the stated strength, and nothing is without it."""

from __future__ import annotations

import numpy as np
import pytest
from tolerance import same_mean

from grasp_theory import Subspace
from synthetic.generators.adapters import AdapterSpec, draw_adapter

SPEC = {"layers": 4, "width": 60, "inputs": 50, "rank": 6}


def draw(seed: int = 0, **changes):
    return draw_adapter(AdapterSpec(**{**SPEC, **changes}), rng=np.random.default_rng(seed))


def test_adapter_names_layers_sides_and_shapes_are_those_of_a_model():
    updates, u = draw()
    assert [x.name for x in updates] == [f"model.layers.{l}.self_attn.o_proj" for l in range(4)]
    assert {(x.side, x.shape, x.rank) for x in updates} == {("write", (60, 50), 6)}
    np.testing.assert_allclose(np.linalg.norm(u), 1)
    # dense, not axis-aligned: several wrong methods are right on coordinate vectors
    np.testing.assert_array_less(np.abs(u).max(), 0.7)


def test_adapter_is_noise_plus_a_rank_one_factor_of_the_stated_strength():
    """Same seed, with and without: the difference is beta u v_lᵀ, v_l of unit norm and different in every layer."""
    strength = 1.7
    planted, u = draw(strength=strength)
    benign, _ = draw(strength=0.0)
    read = []
    for x, y in zip(planted, benign, strict=True):
        p, q = x.lowrank, y.lowrank
        np.testing.assert_array_equal(p.A, q.A)
        change = (p.B - q.B) @ p.A
        U, S, Vh = np.linalg.svd(change)
        unit = np.sqrt(60 * np.trace(p.A @ p.A.T) / 6)  # s √width √(mean eigenvalue)
        np.testing.assert_allclose(S[0], strength * unit, rtol=1e-9)
        np.testing.assert_allclose(S[1:], 0, atol=1e-12 * S[0])
        np.testing.assert_allclose(Subspace.span(U[:, 0]).angles(Subspace.span(u)), 0, atol=1e-9)
        read.append(Vh[0])
    np.testing.assert_array_less(np.abs(np.array(read) @ np.array(read).T - np.eye(4)).max(), 0.9)


def test_adapter_noise_has_unit_variance_and_peft_start():
    updates, _ = draw(width=300, inputs=200, rank=16, layers=8)
    B = np.concatenate([x.lowrank.B.ravel() for x in updates])
    A = np.concatenate([x.lowrank.A.ravel() for x in updates])
    same_mean(B[None] ** 2, 1)
    same_mean(A[None] ** 2, 1 / (3 * 200))
    np.testing.assert_array_less(np.abs(A), 1 / np.sqrt(200))


@pytest.mark.parametrize(("anisotropy", "decay"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_adapter_noise_keeps_its_mean_square_when_it_is_not_flat(anisotropy, decay):
    updates, _ = draw(layers=400, anisotropy=anisotropy, decay=decay)
    same_mean(np.array([[np.mean(x.lowrank.B**2) for x in updates]]), 1)
    columns = np.mean([np.sum(x.lowrank.B**2, axis=0) for x in updates], axis=0)
    np.testing.assert_allclose(columns / columns[0], np.arange(1, 7.0) ** (-2 * decay), rtol=0.3)
    # rows: the covariance that the layers share has the stated spectrum; axis-aligned it is not
    outer = np.mean([x.lowrank.B @ x.lowrank.B.T for x in updates], axis=0)
    values = np.linalg.eigvalsh(outer)[::-1]
    np.testing.assert_allclose(values[1] / values[0], 2.0 ** (-2 * anisotropy), rtol=0.4)
    if anisotropy == 1.0:
        np.testing.assert_array_less(np.diag(outer).max(), 0.7 * values[0])


def test_adapter_is_fixed_by_its_seed():
    first, second, other = draw(3), draw(3), draw(4)
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[0][2].lowrank.B, second[0][2].lowrank.B)
    assert not np.array_equal(first[1], other[1])
