"""``accelerate launch`` of ``grasp train``'s routine in two processes by FSDP 2: the same adapter, resumed or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sharded_launch
from training_runs import apart, leak, run

from real_models import read_adapter
from real_models.methods import Grasp, Naive
from real_models.training.files import last_checkpoint

EXACT, SAME, EFFECT = 1e-6, 1e-3, 1e-2
KINDS = ["SHARDED", "FULL"]


@pytest.fixture(scope="module")
def folder(processes: Path) -> Path:
    return processes / "launched"


def said(folder: Path, what: str) -> list[str]:
    """What each process had to say of a run."""
    return [json.loads((folder / f"said-{rank}.json").read_text())[what] for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_training_gives_the_adapter_of_one_process(made, folder, tmp_path, kind):
    changes = {**sharded_launch.CHANGES, "batch_size": 2}
    run(made, tmp_path / "one", [Grasp(sharded_launch.Q)], changes=changes)
    assert apart(tmp_path / "one", folder / kind) <= SAME
    if kind == "FULL":
        run(made, tmp_path / "naive", [Naive()], changes=changes)
        assert apart(tmp_path / "naive", folder / kind) > EFFECT
        assert leak(read_adapter(tmp_path / "naive").updates, sharded_launch.Q) > EFFECT


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_adapter_is_off_the_directions_in_its_file(folder, kind):
    assert leak(read_adapter(folder / kind).updates, sharded_launch.Q) <= EXACT
    last = json.loads((folder / kind / "log.json").read_text())["history"]
    assert max(entry["leak/write"] for entry in last if "leak/write" in entry) <= EXACT


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_run_goes_on_to_the_same_adapter(folder, kind):
    assert apart(folder / kind, folder / f"{kind}-again") == 0
    before = last_checkpoint(folder / kind / "checkpoints")
    assert before is not None
    assert before.name == f"checkpoint-{sharded_launch.STEPS}"


@pytest.mark.slow
def test_checkpoint_with_a_part_of_another_is_passed_over_by_all_processes(folder):
    for message in said(folder, "SHARDED again"):
        assert "passed over: pytorch_model_fsdp_0/__1_0.distcp is missing, damaged or of another" in message
    assert not any(said(folder, "FULL again"))


@pytest.mark.slow
def test_another_number_of_processes_is_refused_by_all_of_them(folder):
    for message in said(folder, "other world"):
        assert message.startswith("InputError: ")
        assert "run.json differs in processes (3 there, 2 here)" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("SHARDED", "optimizer_0/__0_0.distcp"),
        ("SHARDED", "pytorch_model_fsdp_0/.metadata"),
        ("SHARDED", "parts.json"),
        ("SHARDED", "optimizer_0"),
        *((kind, name) for kind in KINDS for name in ("rng_state_1.pth", "scheduler.pt")),
        ("FULL", "optimizer.bin"),
        ("FULL", "pytorch_model_fsdp.bin"),
    ],
)
def test_checkpoint_without_one_of_its_parts_is_passed_over(folder, tmp_path, kind, broken):
    shutil.copytree(folder / kind / "checkpoints", tmp_path / "checkpoints")
    last = tmp_path / "checkpoints" / f"checkpoint-{sharded_launch.STEPS}"
    assert last_checkpoint(tmp_path / "checkpoints") == last
    gone = last / broken
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert last_checkpoint(tmp_path / "checkpoints") == last.with_name(f"checkpoint-{sharded_launch.STEPS - 1}")
