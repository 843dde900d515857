"""Wrong formulas, each refuted by a check that the right one passes: a check that refutes nothing checks nothing.

The checks are the laws of the other files in short form, written for any implementation; the mutants are wordings that
were once stated and rejected, slips of the pen, and popular short cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mutants
import numpy as np
import pytest

from grasp_theory import LowRank, Subspace
from grasp_theory.identification.floor import noise_scale, white_edge
from grasp_theory.identification.spectra import critical_strength, sample_threshold
from grasp_theory.subspace import fix_sign

# thousands of calls, whose annotations the other tests check
pytestmark = pytest.mark.usefixtures("no_contracts")


@dataclass(frozen=True)
class Law:
    """A check, the implementation that passes it, and wrong ones that it must refute."""

    check: Callable
    right: Callable
    mutants: dict[str, Callable]


LAWS = {
    "factored-svd": Law(
        mutants.check_values,
        lambda B, A, s: LowRank(B, A, s).svd(0).S,
        {
            "Gram and Cholesky": mutants.by_cholesky,
            "Gram without fallback": mutants.by_gram,
            "scaling forgotten": mutants.without_scaling,
            "negative singular values": mutants.with_signed_scaling,
        },
    ),
    "sign rule": Law(
        mutants.check_sign,
        fix_sign,
        {
            "by the first entry": mutants.sign_by_first_entry,
            "by np.sign of the first": mutants.sign_by_first_entry_with_numpy,
        },
    ),
    "principal angles": Law(
        mutants.check_angles, lambda P, Q: Subspace(P).angles(Subspace(Q)), {"arccos": mutants.angles_by_arccos}
    ),
    "white edge": Law(
        mutants.check_white,
        lambda m, d, level: white_edge(m, d).floor(level),
        {
            "edge without margin": mutants.without_margin,
            "width to the wrong power": mutants.with_margin_in_the_wrong_unit,
        },
    ),
    "factored edge": Law(
        mutants.check_factored,
        mutants.right_factored,
        {
            "m x r edge on the spectrum of BA": mutants.white_edge_of_b,
            "m x d edge on the spectrum of BA": mutants.white_edge_of_the_update,
            "norm of A times the edge of B": mutants.norm_of_a_times_edge_of_b,
        },
    ),
    "noise scale": Law(
        mutants.check_scale,
        noise_scale,
        {
            "median without its correction": mutants.median_without_correction,
            "root mean square": mutants.root_mean_square,
            "divided by the smaller size": mutants.median_of_the_wrong_side,
        },
    ),
    "phase-transition": Law(
        mutants.check_spike,
        mutants.right_spike,
        {
            "theta² − c": mutants.mutant_spike(2),
            "theta⁸ − c": mutants.mutant_spike(8),
            "left and right exchanged": mutants.mutant_spike(exchanged=True),
            "beta in units of √m": mutants.mutant_spike(unit=lambda m, d: m),
        },
    ),
    "pooled-layers": Law(
        mutants.check_critical,
        lambda m, d, L: critical_strength(m, d, layers=L),
        {
            "√(m d)": lambda m, d, L: (m * d * L) ** 0.5,
            "layers do not matter": lambda m, d, L: (m * d) ** 0.25,
            "layers as a square root": lambda m, d, L: (m * d) ** 0.25 * L**0.5,
        },
    ),
    "sample-threshold": Law(
        mutants.check_samples,
        sample_threshold,
        {
            "offset d": lambda beta, m, d: d + np.sqrt(m * d) / beta**2,
            "no offset, as if whitened": lambda beta, m, d: sample_threshold(beta, m, d, whitened=True),
            "offset 4 d for every aspect": lambda beta, m, d: 4 * d + np.sqrt(m * d) / beta**2,
        },
    ),
    "agreement": Law(
        mutants.check_agreement,
        mutants.right_agreement,
        {
            "null of leading against other components": mutants.mutant_agreement(terms="leading against others"),
            "null over ordered pairs": mutants.mutant_agreement(terms="ordered pairs"),
            "isotropic mean as the null": mutants.mutant_agreement(terms="isotropic mean"),
            "p below what the pairings allow": mutants.mutant_agreement(lowest=False),
        },
    ),
    "posterior-angle": Law(
        mutants.check_bound,
        lambda c, tau, beta: np.sin(c.certificate.angle(tau)),
        {
            "tau/(beta − tau)": lambda c, tau, beta: min(tau / (beta - tau), 1),
            "tau/beta": lambda c, tau, beta: tau / beta,
            "the next singular value as tau": lambda c, tau, beta: c.certificate.smallest_tau / c.singular_value,
            "sin 2θ <= tau/ŝ": lambda c, tau, beta: np.sin(0.5 * np.arcsin(min(tau / c.singular_value, 1))),
        },
    ),
    "verdict": Law(
        mutants.check_verdict,
        lambda d: d.verdict == "one stands out",
        {
            "ratio the wrong way round": mutants.by(turned=True),
            "agreement not asked": mutants.by(agree=False),
            "ratio alone": mutants.by(floor=False, agree=False),
            "floor forgotten and turned ratio": mutants.by(floor=False, turned=True),
        },
    ),
}
PAIRS: Sequence[tuple[str, str]] = [(law, mutant) for law, entry in LAWS.items() for mutant in entry.mutants]


@pytest.mark.parametrize("law", list(LAWS))
def test_mutants_check_passes_the_right_formula(law):
    LAWS[law].check(LAWS[law].right)


@pytest.mark.parametrize(("law", "mutant"), PAIRS, ids=[f"{law}: {mutant}" for law, mutant in PAIRS])
def test_mutants_are_refuted(law, mutant):
    with pytest.raises((AssertionError, np.linalg.LinAlgError)):
        LAWS[law].check(LAWS[law].mutants[mutant])


def test_mutants_null_written_again_passes_like_the_library():
    """Of the harness: its permutation test without a mutation is right, so it is the mutations that are refuted."""
    mutants.check_agreement(mutants.mutant_agreement())


def test_mutants_are_many_enough():
    assert all(len(entry.mutants) >= 1 for entry in LAWS.values())
    np.testing.assert_array_less(11, len(PAIRS))
