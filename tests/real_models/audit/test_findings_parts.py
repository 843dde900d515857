"""Findings about parts of a model: towers, blocks, experts, stages, and what is left of a collapsed run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_findings import RANK, WIDTH, adapter, changed, found, scaled, trained, updates

from grasp_theory import LowRank, Update, identify
from real_models.audit.findings import findings


def test_findings_name_a_whole_encoder_block_or_expert_and_the_energy_of_parts(rng):
    names = [
        f"{part}.block.{n}.{m}"
        for part in ("encoder", "decoder")
        for n in range(6)
        for m in ("q", "experts.0.wi", "experts.1.wi")
    ]
    made = [replace(Update.of(name, trained(rng, 32, 32), layer=0, side="read"), block=name[:15]) for name in names]

    def dead(which):
        return found(changed(made, lambda u: which in u.name, scaled(0.0)))

    assert "no update: all 18 modules of encoder.block." in dead("encoder")["dead-modules"].text
    assert "by part of the model: decoder 100%, encoder 0%." in dead("encoder")["sides"].text
    assert "no update: all 3 modules of decoder.block.4." in dead("decoder.block.4")["dead-modules"].text
    assert "no update: all 12 modules of experts.1." in dead("experts.1")["dead-modules"].text
    assert "by part" not in found([u for u in made if u.name.startswith("encoder")])["sides"].text


def test_findings_outlier_block_of_a_network_whose_stages_have_unequal_widths(rng):
    """Its share of the energy is its width's doing; entry by entry it stands apart, and no other does."""
    made = []
    for stage, width in enumerate((16, 32, 64, 128)):
        for n in range(3):
            block = f"layers.{stage}.blocks.{n}"
            made.append(
                replace(Update.of(f"{block}.query", trained(rng, width, width), layer=stage, side="read"), block=block)
            )
    assert "outlier-block" not in found(made)
    seen = found(changed(made, lambda u: u.block == "layers.1.blocks.2", scaled(10.0)))["outlier-block"]
    assert seen.text.startswith("Block layers.1.blocks.2 stands apart:")
    assert seen.text.endswith("times the median block, entry by entry.")


def test_findings_of_modules_with_one_output_or_one_entry_are_about_what_they_can_tell(rng):
    """One singular value is neither flat nor idle nor used up, and the entries of a small B have no kurtosis."""
    for m, rank, few in ((1, 8, True), (WIDTH, 1, False), (1, 1, True)):
        made = [
            Update.of(f"layers.{n}.q_proj", trained(rng, m, WIDTH, rank=rank, size=0.1), layer=n, side="read")
            for n in range(4)
        ]
        seen = found(made)
        assert {"trained", "sides"} <= set(seen)
        assert not {"random", "rank-idle", "rank-used-up", "stable-rank"} & set(seen)
        assert (identify(made).modules[0].start.kurtosis is None) == few  # pyright: ignore[reportOptionalMemberAccess]


def test_findings_of_blocks_without_an_update_compare_with_none_of_them(rng):
    alone = changed(updates(rng), lambda u: u.layer != 3, scaled(0.0))
    seen = found(alone)
    assert "outlier-block" not in seen
    assert seen["depth"].text == "100% of the energy lies in the first third of the blocks (0 to 3)."
    assert seen["sides"].text.endswith("%.")
    reads = changed(alone, lambda u: u.side == "write", scaled(0.0))
    assert found(reads)["sides"].text.endswith("100% in those that read it; all in mlp.up_proj.")


def test_findings_of_an_encoder_and_a_decoder_speak_of_the_depth_of_each(rng):
    made = []
    for u in updates(rng):
        for stack in ("encoder", "decoder"):
            name = f"{stack}.block.{u.layer}.{u.name.split('.', 3)[3]}"
            late = stack == "encoder" and u.layer is not None and u.layer >= 8
            source = scaled(3.0)(u.lowrank) if late else u.lowrank
            made.append(replace(u, name=name, source=source, block=f"{stack}.block.{u.layer}"))
    seen = [f.text for f in findings(adapter(), identify(made)) if f.key == "depth"]
    assert len(seen) == 1
    assert seen[0].endswith(
        "of the encoder's energy lies in the last third of the blocks (encoder.block.8 to encoder.block.11)."
    )


def test_findings_of_equal_columns_and_of_dead_readers_that_moved(rng):
    """What a run leaves that has collapsed, and A that has moved while B is 0 again: neither is an error."""
    alike = changed(updates(rng), lambda u: True, lambda low: LowRank(low.B[:, :1] + 0 * low.B, low.A, 2.0))
    assert "rank-idle" in found(alike)
    common = rng.standard_normal(WIDTH) / np.sqrt(WIDTH)
    A = {u.name: u.lowrank.A + 0.3 * np.outer(rng.standard_normal(RANK), common) for u in updates(rng)}
    moved = [replace(u, source=LowRank(u.lowrank.B, A[u.name], 2.0)) if u.side == "read" else u for u in updates(rng)]
    assert "read-directions" in found(moved)
    dead = found(changed(moved, lambda u: u.side == "read", scaled(0.0)))
    assert "read-directions" not in dead
    assert "dead-modules" in dead
