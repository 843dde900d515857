"""Findings of an audit: each is there where it was planted, absent in the control, and two steps raise nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_findings import BLOCKS, RANK, WIDTH, adapter, changed, found, scaled, updates

from grasp_theory import LowRank, Update, identify
from real_models.adapters.config import LoraSettings
from real_models.audit.findings import findings


def test_findings_of_a_plain_run_are_facts_and_no_alarms(rng):
    seen = found(updates(rng))
    assert list(seen) == ["trained", "sides", "stable-rank"]
    assert "100% of" not in seen["sides"].text
    assert seen["sides"].scope.startswith("24 of 24 modules (all 12 self_attn.o_proj, all 12 mlp.up_proj), 100%")


def test_findings_nothing_learnt_is_all_that_is_said(rng):
    dead = changed(updates(rng), lambda u: True, lambda low: LowRank(0 * low.B, low.A, low.scaling))
    assert list(found(dead)) == ["nothing-learnt"]


def test_findings_name_dead_modules_by_pattern(rng):
    seen = found(changed(updates(rng), lambda u: "up_proj" in u.name, scaled(0.0)))
    assert seen["dead-modules"].text == "12 of 24 modules have no update: all 12 mlp.up_proj."
    assert seen["dead-modules"].value == 0.5
    assert "100% in modules that write" in seen["sides"].text


@pytest.mark.parametrize(("steps", "key"), [(1, "hardly-begun"), (2, "hardly-begun"), (40, "trained")])
def test_findings_tell_the_first_steps_of_adam(rng, steps, key):
    """Adam by itself on a random quadratic: the kurtosis of B is 1.00 and about 1.3 after one and two steps."""
    made = []
    for block in range(BLOCKS):
        A = rng.uniform(-1, 1, (RANK, WIDTH)) / np.sqrt(WIDTH)
        B, M, V = np.zeros((WIDTH, RANK)), 0.0, 0.0
        for t in range(1, steps + 1):
            G = rng.standard_normal((WIDTH, WIDTH)) @ A.T
            M, V = 0.9 * M + 0.1 * G, 0.999 * V + 0.001 * G**2
            B = B - 2e-3 * (M / (1 - 0.9**t)) / np.sqrt(V / (1 - 0.999**t))
        made.append(Update.of(f"model.layers.{block}.self_attn.o_proj", LowRank(B, A, 2.0), layer=block, side="write"))
    seen = found(made)
    assert key in seen
    if key == "hardly-begun":
        assert list(seen) == [key]
        assert seen[key].value < 1.5


def test_findings_of_a_small_learning_rate_say_hardly_begun(rng):
    seen = found(updates(rng, size=1e-4))
    assert list(seen) == ["hardly-begun"]
    assert seen["hardly-begun"].value < 0.02


def test_findings_random_factors_are_no_trained_update(rng):
    made = [
        Update.of(f"layers.{n}.o_proj", LowRank(rng.standard_normal((WIDTH, 8)), rng.standard_normal((8, WIDTH)) / 9))
        for n in range(6)
    ]
    assert list(found(made)) == ["random"]
    assert list(found([replace(u, zero_start=None) for u in made])) == ["random"]


def test_findings_outlier_block_depth_and_one_module(rng):
    base = updates(rng)
    outlier = found(changed(base, lambda u: ".layers.0." in u.name, scaled(4.0)))
    assert outlier["outlier-block"].text.startswith("Block 0 stands apart: ")
    np.testing.assert_array_less(8.0, outlier["outlier-block"].value)
    last = found(changed(base, lambda u: (u.layer or 0) >= 8, scaled(2.0)))
    assert last["depth"].text.endswith("of the energy lies in the last third of the blocks (8 to 11).")
    large = changed(base, lambda u: u.name == "model.layers.3.mlp.up_proj", scaled(9.0))
    one, squares = found(large), [u.lowrank.norm() ** 2 for u in large]
    assert "model.layers.3.mlp.up_proj" in one["one-module"].text
    np.testing.assert_allclose(one["one-module"].value, max(squares) / sum(squares), rtol=1e-6)


def test_findings_rank_idle_and_used_up(rng):
    idle = changed(updates(rng), lambda u: True, lambda low: LowRank(low.B * [1, 0.01, 0.01, 0.01], low.A, 2.0))
    assert found(idle)["rank-idle"].text.startswith("Rank 4 is hardly used: 100%")
    flat = changed(
        updates(rng), lambda u: True, lambda low: LowRank(0.02 * rng.standard_normal(low.B.shape), low.A, 2.0)
    )
    assert found(flat)["rank-used-up"].value > 0.5


def test_findings_read_directions_beyond_the_start(rng):
    """One direction added to A of every module that reads; the control is the plain run, which has none."""
    v = rng.standard_normal(WIDTH) / np.sqrt(WIDTH)
    base = updates(rng)
    assert "read-directions" not in found(base)
    report = identify(
        changed(
            base,
            lambda u: "up_proj" in u.name,
            lambda low: LowRank(low.B, low.A + 0.5 * np.outer(rng.choice([-1, 1], RANK), v), 2.0),
        )
    )
    seen = {f.key: f for f in findings(adapter(), report)}["read-directions"]
    (read,) = report.read_start
    assert read.subspace is not None
    np.testing.assert_array_less(0.8, abs(read.subspace.basis[:, 0] @ v) / np.linalg.norm(v))
    assert f"A reads a direction of the stream (width 96), {seen.value:.1f} times as strongly" in seen.text
    assert seen.value == read.gains[0]
    assert seen.scope.startswith("12 of 24 modules (all 12 mlp.up_proj)")
    share = [m.singular_values[0] ** 2 * (read.subspace.basis[:, 0] @ m.leading) ** 2 for m in report.modules[1::2]]
    share = 100 * sum(share) / sum(m.singular_values[0] ** 2 for m in report.modules[1::2])
    assert f"{share:.0f}% of what leading components read lies there (1% by chance)" in seen.text
    assert "uniform start; largest singular value of 48 stacked rows" in seen.how


def test_findings_scale(rng):
    base = updates(rng)
    assert {"huge", "tiny", "scaling"}.isdisjoint(found(base))
    assert "huge" in found(changed(base, lambda u: True, lambda low: LowRank(low.B, low.A, 400.0)))
    assert "tiny" in found(changed(base, lambda u: True, lambda low: LowRank(low.B, low.A, 1e-4)))


def test_findings_scaling_is_the_one_that_is_used(rng):
    """By module, whatever the config's alpha and rank are; the size of the update has no part in it."""
    base = updates(rng)
    assert "scaling" not in found(base)
    moved = found(changed(base, lambda u: "up_proj" in u.name, lambda low: LowRank(low.B / 16, low.A, 32.0)))["scaling"]
    assert moved.value == 32
    assert "multiplied by 32 in all 12 mlp.up_proj;" in moved.text
    assert moved.scope.startswith("12 of 24 modules (all 12 mlp.up_proj)")
    several = changed(base, lambda u: True, lambda low: LowRank(low.B * 64, low.A, 1 / 32))
    several = changed(several, lambda u: u.layer == 3, lambda low: LowRank(low.B / 1024, low.A, 32.0 * 20))
    both = found(several)["scaling"]
    assert "multiplied by 0.03125 to 640 in all modules;" in both.text
    assert both.value == 640


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"scale": 20.0}, 20.0),
        ({"alpha_pattern": {"o_proj": 200}}, 25.0),
        ({"alphas": {"model.layers.3.mlp.up_proj": 0.25}}, 1 / 32),
    ],
)
def test_findings_scaling_of_mlx_and_of_patterns(rng, options, value):
    """lora_alpha / r is 2 in both: MLX stores the scaling itself, a pattern sets alpha by module."""
    settings = LoraSettings(r=8, lora_alpha=16, **options)
    made = [
        replace(u, source=LowRank(u.lowrank.B, u.lowrank.A, settings.scaling(u.name, 8))) for u in updates(rng, rank=8)
    ]
    assert found(made)["scaling"].value == value


def test_findings_rounding_of_a_stored_type(rng):
    """Columns that are alike to rounding are lost in it; columns that are small keep their digits, and 0 is 0."""
    columns = {
        "alike": lambda B: B[:, :1] + 1e-5 * B,
        "small": lambda B: B * [1, 1, 1, 1e-5],
        "zero": lambda B: B * [1, 1, 1, 0],
        "plain": lambda B: B,
    }
    seen = {}
    for name, change in columns.items():
        made = changed(updates(rng), lambda u: True, lambda low, change=change: LowRank(change(low.B), low.A, 2.0))
        assert "rounding" not in found(made, adapter(updates=made))
        seen[name] = found(made, adapter(("BF16",), made)).get("rounding")
    assert [name for name, finding in seen.items() if finding] == ["alike"]
    assert seen["alike"].value == 24 * 3


@pytest.mark.parametrize("turned", [True, False])
def test_findings_rounding_counts_what_the_stored_type_lost(rng, turned):
    """Against the same update cut off before component i: where rounding alone gives it an i-th value, i is lost."""

    def stored(X):
        return (X.astype(np.float32).view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32).astype(float)

    made, lost = [], 0
    for n in range(4):
        A = stored(rng.uniform(-1, 1, (8, 128)) / np.sqrt(128))
        B = rng.standard_normal((128, 8)) * 0.05 ** np.arange(8)
        B = B @ np.linalg.qr(rng.standard_normal((8, 8)))[0] if turned else B
        made.append(Update.of(f"layers.{n}.q_proj", LowRank(stored(B), A), layer=n, side="read"))
        U, kept = np.linalg.svd(B @ A)[0][:, :8], made[-1].lowrank.singular_values()
        for i in range(1, 8):
            alone = np.linalg.svd(stored(U[:, :i] @ (U[:, :i].T @ B)) @ A, compute_uv=False)[i]
            lost += bool(alone > 0.8 * kept[i])
    seen = found(made, adapter(("BF16",), made)).get("rounding")
    assert (seen.value if seen else 0) == lost == (20 if turned else 0)


# --- sharing -------------------------------------------------------------------------------------------------


def test_findings_shared_direction_at_rank_one(rng):
    common, made = rng.standard_normal((WIDTH, 1)) / np.sqrt(WIDTH), []
    for u in updates(rng, rank=1):
        low = u.lowrank
        B = low.B / np.linalg.norm(low.B) * 0.7 + 0.7 * common if u.side == "write" else low.B
        made.append(replace(u, source=LowRank(B, low.A, 2.0), rank=1))
    seen = [f for f in findings(adapter(), identify(made)) if f.key == "shared-direction"]
    assert [f.text.split(" share")[0] for f in seen] == ["All 12 self_attn.o_proj"]
    assert "12 of 24 modules (all 12 self_attn.o_proj)" in seen[0].scope


def test_sharing_of_outlier_coordinates_is_no_finding(rng):
    """What all layers read because the stream has two large coordinates; an isotropic null would call it shared."""
    made = []
    for u in updates(rng):
        low = u.lowrank
        A = low.A * np.where(np.arange(WIDTH) < 2, 30.0, 1.0) if u.side == "read" else low.A
        made.append(replace(u, source=LowRank(low.B, A, 2.0)))
    report = identify(made)
    reads = [m.leading for m in report.modules if m.side == "read" and m.leading is not None]
    assert np.mean([abs(reads[0] @ other) for other in reads[1:]]) > 0.5  # the control: they are alike
    assert "shared-direction" not in {f.key for f in findings(adapter(), report)}
