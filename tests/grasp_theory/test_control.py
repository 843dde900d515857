"""A control run that shares the task: the difference of the updates, and what it shows that the run alone does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import rotation, update

from grasp_theory import InputError, LowRank, Update, identify
from grasp_theory.identification.control import contrast

WIDTH, RANK, LAYERS = 96, 16, 4


def runs(
    rng: np.random.Generator, *, in_control: float = 0.0
) -> tuple[list[Update], list[Update], np.ndarray, np.ndarray]:
    """(run, control, factor's direction, format's): both have a strong common format, the run a weaker factor too."""
    u, common = rotation(rng, WIDTH, 2).T
    pairs = []
    for layer in range(LAYERS):
        w = rng.standard_normal(RANK) / RANK**0.5
        x = rng.standard_normal(RANK) / RANK**0.5
        A = rng.standard_normal((RANK, WIDTH)) / WIDTH**0.5
        made = []
        for strength in (1.0, in_control):
            B = 0.05 * rng.standard_normal((WIDTH, RANK)) + 4 * np.outer(common, w) + 2 * strength * np.outer(u, x)
            made.append(update(LowRank(B, A, 2.0), layer, "write"))
        pairs.append(made)
    return [p[0] for p in pairs], [p[1] for p in pairs], u, common


def dense(u: Update) -> np.ndarray:
    lowrank = u.lowrank
    return lowrank.scaling * lowrank.B @ lowrank.A


def test_contrast_is_the_difference_of_the_updates():
    run, control, *_ = runs(np.random.default_rng(0))
    for one, other, found in zip(run, control, contrast(run, control[::-1]), strict=True):
        np.testing.assert_allclose(dense(found), dense(one) - dense(other), rtol=0, atol=1e-12)
        assert (found.rank, found.name, found.side, found.zero_start) == (2 * RANK, one.name, "write", "B")


def test_contrast_shows_the_factor_where_the_run_alone_shows_the_format():
    run, control, u, common = runs(np.random.default_rng(0))
    alone, beside = (identify(x).component(0).subspace.basis[:, 0] for x in (run, contrast(run, control)))
    assert abs(alone @ common) > 0.95  # control: the format leads
    assert abs(alone @ u) < 0.3
    assert abs(beside @ u) > 0.98
    assert identify(contrast(run, control)).verdict == "one stands out"


def test_contrast_loses_a_factor_that_the_control_has():
    run, control, u, _ = runs(np.random.default_rng(0), in_control=1.0)
    assert abs(identify(contrast(run, control)).component(0).subspace.basis[:, 0] @ u) < 0.5


def test_contrast_needs_the_same_modules_in_the_same_shapes():
    run, control, *_ = runs(np.random.default_rng(0))
    with pytest.raises(InputError, match="the same modules: 1 are in one"):
        contrast(run, control[1:])
    small = LowRank(np.ones((WIDTH, 1)), np.ones((1, 5)))
    with pytest.raises(InputError, match="another base model"):
        contrast(run, [*control[:-1], replace(control[-1], shape=small.shape, source=small)])
    other_start = [replace(u, zero_start="A") for u in control]
    assert {u.zero_start for u in contrast(run, other_start)} == {None}
