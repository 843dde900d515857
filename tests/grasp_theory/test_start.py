"""The start of LoRA's factors, recognised from what is stored."""

from __future__ import annotations

import numpy as np
import pytest

from grasp_theory import LowRank
from grasp_theory.identification.start import start_of


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("moved", [0.0, 0.05, 0.2])
def test_start_measures_how_far_the_uniform_factor_moved(rng, moved):
    d = 400
    A = rng.uniform(-1, 1, (64, d)) / np.sqrt(d)
    A = A + moved / np.sqrt(d) * rng.choice([-1, 1], A.shape)
    start = start_of(LowRank(rng.standard_normal((50, 64)), A), "B")
    assert start is not None
    assert start.law == "uniform"
    assert start.moved is not None
    np.testing.assert_allclose(start.moved, moved, atol=0.012)


def test_start_laws(rng):
    B = rng.standard_normal((30, 16))
    gaussian = start_of(LowRank(B, rng.standard_normal((16, 4000)) / 16), "B")
    assert gaussian is not None
    assert (gaussian.law, gaussian.moved) == ("gaussian", None)
    turned = start_of(LowRank(rng.uniform(-1, 1, (300, 16)) / 4, rng.standard_normal((16, 40))), "A")
    assert turned is not None
    assert turned.law == "uniform"
    assert start_of(LowRank(B, rng.standard_normal((16, 5))), None) is None
    zero = start_of(LowRank(0 * B, rng.uniform(-1, 1, (16, 500)) / np.sqrt(500)), "B")
    assert zero is not None
    assert (zero.grown, zero.kurtosis) == (0.0, None)
