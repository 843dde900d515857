"""The numbers behind the findings, and their distance from those of control runs: exact values, false alarms, hits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tolerance import binomial

from grasp_theory import InputError, LowRank, Report, Update, identify
from real_models.audit.findings import findings
from real_models.audit.measurements import Measurement, deviations, measurements

WIDTH, BLOCKS, RANK = 48, 6, 4


def report(seed: int, *, size: float = 1.0, change=None) -> Report:
    """A run of its own size: A near peft's start, B grown with a leading column; a write and a read module a block."""
    rng = np.random.default_rng([7, seed])
    scale = 0.02 * size * np.exp(0.2 * rng.standard_normal())
    updates = []
    for block in range(BLOCKS):
        for name, side, out in (("self_attn.o_proj", "write", WIDTH), ("mlp.up_proj", "read", 2 * WIDTH)):
            A = rng.uniform(-1, 1, (RANK, WIDTH)) / WIDTH**0.5 + 0.01 * rng.standard_normal((RANK, WIDTH))
            B = scale * rng.standard_normal((out, RANK)) ** 3 * np.array([1.0, *[0.4] * (RANK - 1)])
            update = Update.of(f"model.layers.{block}.{name}", LowRank(B, A, 2.0), layer=block, side=side)
            updates.append(replace(update, block=f"model.layers.{block}"))
    return identify(updates if change is None else change(updates), top=1, pool="none")


def numbers(made: Report) -> dict[str, float]:
    return {m.key: m.value for m in measurements(made)}


def test_measurements_are_the_numbers_of_the_findings():
    """Of an adapter that raises them: shared, concentrated in one module, with a dead one."""

    def change(updates: list[Update]) -> list[Update]:
        large = replace(updates[2], source=updates[2].lowrank * 30.0)
        return [replace(updates[0], source=updates[0].lowrank * 0.0), updates[1], large, *updates[3:]]

    about: Any = SimpleNamespace(dtypes=("F32",), config=SimpleNamespace(lora_alpha=8.0, use_rslora=False))
    made = report(0, change=change)
    found, measured = {f.key: f.value for f in findings(about, made)}, numbers(made)
    assert {"dead-modules", "trained", "sides", "one-module", "stable-rank"} <= set(found)
    pairs = {"dead-modules": "dead", "trained": "grown", "sides": "sides", "one-module": "one-module"}
    for finding, key in {**pairs, "stable-rank": "stable-rank"}.items():
        np.testing.assert_allclose(measured[key], found[finding], rtol=1e-12)


def test_measurements_equal_those_of_dense_matrices():
    made = report(1)
    S = [m.singular_values for m in made.modules]
    energies = np.array([np.sum(s**2) for s in S])
    measured, write = numbers(made), np.array([m.side == "write" for m in made.modules])
    depth = np.array([m.layer for m in made.modules]) / (BLOCKS - 1)
    expected = {
        "norm": np.sqrt(energies.sum()),
        "dead": 0.0,
        "sides": energies[write].sum() / energies.sum(),
        "energy: mlp.up_proj": energies[~write].sum() / energies.sum(),
        "depth": np.average(depth, weights=energies),
        "one-module": energies.max() / energies.sum(),
        "first": sum(s[0] ** 2 for s in S) / energies.sum(),
        "rank-used-up": np.median([s[-1] / s[0] for s in S]),
    }
    for key, value in expected.items():
        np.testing.assert_allclose(measured[key], value, rtol=1e-12)
    cosines = []
    for side in ("write", "read"):
        U = np.stack([m.leading for m in made.modules if m.side == side and m.leading is not None])
        cosines += [np.sqrt(np.mean((np.delete(U, i, 0) @ U[i]) ** 2)) for i in range(BLOCKS)]
    np.testing.assert_allclose(measured["shared-direction"], np.median(cosines), rtol=1e-5)


def test_measurements_of_an_adapter_without_update_are_that_alone():
    dead = report(0, change=lambda updates: [replace(u, source=u.lowrank * 0.0) for u in updates])
    assert numbers(dead) == {"dead": 1.0}
    assert [d.key for d in deviations(measurements(report(0)), [measurements(dead)] * 3)] == ["dead"]


def test_deviations_raise_a_false_alarm_as_often_as_they_say():
    """Exact law: runs and controls with equal normal numbers, some in logarithms, correlated with each other."""
    rng, trials, alarms, single = np.random.default_rng(0), 400, 0, []
    for _ in range(trials):
        x = rng.standard_normal((4, 6)) + 2 * rng.standard_normal((4, 1))
        runs = [
            [Measurement(str(n), "", float(np.exp(v) if n < 3 else v), n < 3) for n, v in enumerate(row)] for row in x
        ]
        p = [d.p_value for d in deviations(runs[0], runs[1:]) if d.p_value is not None]
        alarms += min(p) < 0.05
        single.append(min(deviations(runs[0][:1], [r[:1] for r in runs[1:]])[0].p_value or 0.0, 1.0) < 0.05)
    np.testing.assert_array_less(alarms / trials, 0.05 + binomial(0.05, trials))
    np.testing.assert_allclose(np.mean(single), 0.05, rtol=0, atol=binomial(0.05, trials))


def test_deviations_of_random_adapters_alarm_rarely_and_find_what_differs():
    """Groups of their own: one run and three controls of one kind; then the run is five times as large."""
    groups, alarms, hits = 3, 0, 0
    for g in range(groups):
        controls = [measurements(report(10 * g + n)) for n in range(1, 4)]
        alike = deviations(measurements(report(10 * g)), controls)
        large = deviations(measurements(report(10 * g, size=20.0)), controls)
        alarms += any((d.p_value or 1.0) < 0.05 for d in alike)
        z = {d.key: d.z or 0.0 for d in large}
        hits += z["norm"] > 5 > max(abs(z[key]) for key in ("stable-rank", "first", "depth"))
    np.testing.assert_array_less(alarms / groups, 0.05 + binomial(0.05, groups))
    np.testing.assert_array_less(0.5, hits / groups)


def one(value: float, key: str = "x", *, log: bool = False) -> list[Measurement]:
    return [Measurement(key, "x", value, log)]


def test_deviations_are_those_of_the_prediction_interval():
    from scipy.stats import t

    (d,) = deviations(one(9.0), [one(1.0), one(2.0), one(4.0)])
    mean, spread = np.mean([1, 2, 4]), np.std([1, 2, 4], ddof=1)
    np.testing.assert_allclose([d.mean, d.spread, d.z], [mean, spread, (9 - mean) / spread])
    np.testing.assert_allclose(d.p_value, 2 * t.sf((9 - mean) / (spread * np.sqrt(4 / 3)), 2))
    (d,) = deviations(one(16.0, log=True), [one(v, log=True) for v in (1.0, 2.0, 4.0)])
    np.testing.assert_allclose([d.mean, d.spread, d.z], [2, 2, 3])


def test_deviations_without_spread_or_with_few_controls_have_no_p_value():
    for controls in ([one(1.0)], [one(1.0), one(2.0)], [one(1.0)] * 3):
        (d,) = deviations(one(5.0), controls)
        assert (d.z, d.p_value, d.controls) == (None, None, tuple(c[0].value for c in controls))
    assert deviations(one(1.0), [one(1.0, key="y")]) == []  # a number that not all have
    with pytest.raises(InputError, match="one or more controls, got none"):
        deviations(one(1.0), [])
