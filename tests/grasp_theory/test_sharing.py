"""Sharing: alarms no more often than its level, finds what was planted, and its bound decides what draws would."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from scipy.stats import chi2

from grasp_theory.identification.sharing import holm, sharing


def directions(rng: np.random.Generator, d: int, L: int, *, cosine: float = 0.0, outliers: float = 0.0) -> np.ndarray:
    """Random directions; a common part of this cosine, or two coordinates that are so many times larger in all."""
    common = rng.standard_normal((d, 1)) / np.sqrt(d)
    U = cosine * common + np.sqrt(1 - cosine**2) * rng.standard_normal((d, L)) / np.sqrt(d)
    U[:2] *= 1 + outliers
    return U / np.linalg.norm(U, axis=0)


@pytest.mark.parametrize("outliers", [0.0, 5.0, 30.0])
def test_sharing_alarms_no_more_often_than_its_level(outliers):
    """Any module of 12 with p < 0.05 after Holm: at most 5% of 150 draws, whatever coordinates are large in all."""
    rng = np.random.default_rng(0)
    alarms = [
        bool((sharing(directions(rng, 120, 12, outliers=outliers), np.ones(12), np.ones(12)).p_values < 0.05).any())
        for _ in range(150)
    ]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize("outliers", [0.0, 2.0])
def test_sharing_finds_a_planted_direction_and_its_size(outliers):
    rng, found = np.random.default_rng(1), []
    for _ in range(20):
        seen = sharing(directions(rng, 400, 12, cosine=0.8, outliers=outliers), np.ones(12), np.ones(12))
        found.append((seen.p_values < 0.01).mean())
        np.testing.assert_array_less(seen.expected, seen.cosines)
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.8])
def test_sharing_without_draws_is_what_all_draws_give(monkeypatch, cosine):
    """The bound decides only what no draw would have changed, and it decides the plain cases."""
    module = import_module("grasp_theory.identification.sharing")
    U = directions(np.random.default_rng(3), 2000, 10, cosine=cosine, outliers=2.0)
    asked, forms = [], module._forms
    monkeypatch.setattr(module, "_forms", lambda U, modules: asked.append(len(modules)) or forms(U, modules))
    bounded = sharing(U, np.ones(10), np.ones(10)).p_values
    monkeypatch.setattr(module, "CERTAIN", -1.0)
    drawn = sharing(U, np.ones(10), np.ones(10)).p_values
    # where none is drawn the bound is reported, below the least that draws can tell
    np.testing.assert_array_equal(np.maximum(bounded, drawn.min()), drawn)
    assert asked[-1] == 10  # the control: now all are drawn
    assert (len(asked) == 1) == (cosine == 0.8)


def test_chernoff_bound_of_sharing_is_no_less_than_the_tail():
    """P(Σ lambda_j g_j² >= x T) for one, some and many equal weights; chi-square with n degrees of freedom."""
    for n in (1, 3, 30):
        for x in (1.0, 2.0, 5.0, 20.0):
            assert chi2.sf(n * x, n) <= np.sqrt(x) * np.exp((1 - x) / 2)


def test_sharing_finds_what_more_layers_share_than_draws_alone_could_tell():
    """80 layers times 1/4001 would be above the level, whatever they share."""
    found = sharing(directions(np.random.default_rng(4), 256, 80, cosine=0.8), np.ones(80), np.full(80, 2.0))
    assert (found.p_values < 0.01).all()


def test_sharing_works_at_rank_one_and_says_what_it_explains():
    rng = np.random.default_rng(2)
    U = directions(rng, 200, 8, cosine=1.0)
    seen = sharing(U, np.full(8, 2.0), np.full(8, 8.0))
    assert (seen.p_values < 0.01).all()
    np.testing.assert_allclose(seen.cosines, 1.0, rtol=1e-9)
    np.testing.assert_allclose(seen.explained, 0.5, rtol=1e-9)
    np.testing.assert_allclose(abs(seen.common @ U[:, 0]), 1.0, rtol=1e-9)


def test_holm_is_the_step_down_rule():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.5]), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
