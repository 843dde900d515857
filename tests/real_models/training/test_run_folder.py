"""The folder of a run: whose it is, and what may read the adapter in it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import transformers as hf
from tiny_models import lora, tiny
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from training_runs import WEIGHTS, run

import grasp_cli
from grasp_theory import GraspError, InputError
from real_models.training.files import alone, disk_errors, refuse_other_runs, refused_by_shards, save_adapter


def test_run_killed_while_it_claims_its_folder_is_no_other_run(tmp_path):
    (tmp_path / ".run.json.abc.part").touch()
    refuse_other_runs(tmp_path, {"a": 1})
    (tmp_path / "run.json").touch()
    with pytest.raises(InputError, match=r"run.json is damaged"):
        refuse_other_runs(tmp_path, {"a": 1})


def test_file_that_ends_too_early_is_not_an_interruption(capsys):
    import typer

    app = typer.Typer()

    @app.command()
    def read() -> None:
        raise EOFError("Ran out of input")

    assert grasp_cli.run(app, []) == 2
    assert "interrupted" not in capsys.readouterr().err


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_saved_adapter_has_the_permissions_the_umask_leaves(tmp_path, mask, mode):
    model, before = lora(tiny()), os.umask(mask)
    save = model.save_pretrained

    def private(folder: str, **options: Any) -> None:
        """As some versions of safetensors leave it, whatever version this is."""
        save(folder, **options)
        Path(folder, WEIGHTS).chmod(0o600)

    model.save_pretrained = private
    try:
        save_adapter(model, tmp_path)
        private(str(tmp_path / "peft"))
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir() if p.is_file()}
    assert {WEIGHTS, "adapter_config.json"} <= set(modes)
    assert set(modes.values()) == {mode}
    assert stat.S_IMODE((tmp_path / "peft" / WEIGHTS).stat().st_mode) == 0o600  # control


@pytest.mark.skipif(os.name != "posix", reason="folders are locked by flock")
def test_two_processes_never_train_in_one_folder(tmp_path):
    """The lock is of the process: one that is killed leaves the folder free."""
    out = tmp_path / "new" / "run"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom real_models.training.files import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('on', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "on\n"
        with pytest.raises(InputError, match="another process is training in"), alone(out):
            pass
        other.kill()
        other.wait()
        with alone(out):
            assert not list(out.iterdir())
    with alone(out), alone(tmp_path):
        pass


def test_folder_in_which_a_run_goes_on_is_refused_and_left_as_it_is(made, tmp_path):
    with alone(tmp_path), pytest.raises(InputError, match="another process is training in"):
        run(made, tmp_path, [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "process 1: No space left on device"),
        (RuntimeError("PytorchStreamWriter failed writing file"), "process 1: PytorchStreamWriter failed"),
        (KeyError("weight"), "process 1: KeyError: 'weight'"),
    ],
)
def test_part_of_a_checkpoint_that_one_process_cannot_write_is_named_by_all(tmp_path, cause, reason):
    """torch.distributed tells every process so, by what is no Exception."""
    assert not issubclass(CheckpointException, Exception)
    with pytest.raises(GraspError, match=f"cannot save in .*: {reason}.*make room"), disk_errors(tmp_path):
        raise CheckpointException("save", {2: (cause, None), 1: (cause, None)})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("lr"), RuntimeError("mat1 and mat2")])
def test_what_is_no_full_disk_stays_what_it_is(tmp_path, error):
    with pytest.raises(type(error)), disk_errors(tmp_path), refused_by_shards():
        raise error


def test_step_that_torch_cannot_take_on_shards_is_an_error_of_ours(tmp_path, monkeypatch):
    """Adafactor's, whose means are over rows and columns; control: AdamW takes its step."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        p = torch.nn.Parameter(distribute_tensor(torch.ones(4, 3), mesh, [Shard(0)]))
        p.grad = distribute_tensor(torch.ones(4, 3), mesh, [Shard(0)])
        with refused_by_shards():
            torch.optim.AdamW([p], lr=0.1).step()
        for optimizer in (hf.Adafactor([p], lr=0.1, relative_step=False), torch.optim.SGD([p], lr=0.1, fused=True)):
            with pytest.raises(GraspError, match=r"FSDP has cut into rows.*Choose an optimizer"), refused_by_shards():
                optimizer.step()
    finally:
        dist.destroy_process_group()
